/* Logits of the labels' size, at the making of a plan.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/reading.h"

#include "core/program.h"
#include "plan/region.h"
#include "plan/wanted.h"

#include <inttypes.h>
#include <stdio.h>

static clmp_status check(const clmp_plan_params *params, const struct clmp_log *log) {
    (void)params;
    (void)log;
    return CLMP_OK;
}

/* There is no part of the plan that others have not. */
static clmp_status create(struct clmp_plan *plan, const float *class_weights) {
    (void)plan;
    (void)class_weights;
    return CLMP_OK;
}

enum { MACROS = 700 };

/* Of the loss, and of the gradient. */
static void set_macros(const struct clmp_plan *plan, bool gradient, char text[MACROS]) {
    const clmp_tuning *tuning = &plan->tuning;
    char logits[CLMP_LOGITS_MACROS];
    clmp_logits_macros(&plan->params, &plan->logits, logits);
    /* hard examples are told by what their losses are without class weights, which are applied to those drawn */
    const bool weighted = plan->class_weights != NULL && (gradient || !clmp_plan_weighs_late(plan));
    snprintf(text, MACROS,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_VECTOR=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64
             " -DCLMP_LABEL=%s%s%s%s%s%s%s -DCLMP_RUN=%" PRIu32,
             tuning->group_size, tuning->vector_width, plan->label_classes,
             clmp_label_type_name(plan->params.label_type), logits, plan->criterion,
             weighted ? " -DCLMP_CLASS_WEIGHTS" : "", gradient && plan->draws != NULL ? " -DCLMP_DRAWN" : "",
             gradient && tuning->streaming == 2 ? " -DCLMP_STREAM=1" : "",
             clmp_plan_leaves_sums(plan) ? " -DCLMP_SUMS" : "", gradient ? tuning->run : clmp_plan_loss_run(plan));
}

static clmp_status build(struct clmp_plan *plan) {
    char of_loss[MACROS], of_gradient[MACROS];
    set_macros(plan, false, of_loss);
    set_macros(plan, true, of_gradient);
    const struct clmp_wanted loss = {CLMP_KERNEL_LOSS, "loss", "clmp_loss"},
                             gradient = {CLMP_KERNEL_GRADIENT, "gradient", "clmp_gradient"};
    return clmp_wanted_pair(plan, &loss, of_loss, &gradient, of_gradient, "loss+gradient");
}

static clmp_status build_range(struct clmp_plan *plan) {
    char macros[MACROS], counting[MACROS + 16];
    set_macros(plan, true, macros);
    snprintf(counting, sizeof counting, "%s -DCLMP_RANGE", macros);
    return clmp_kernel_create(plan->context, "gradient", counting, "clmp_gradient", &plan->kernels[CLMP_KERNEL_RANGE]);
}

static bool lay_out(struct clmp_plan *plan) {
    struct clmp_workspace_layout *layout = &plan->layout;
    return !clmp_plan_leaves_sums(plan) ||
           (clmp_plan_take(&layout->size, plan->pixels, sizeof(float), &layout->maxima) &&
            clmp_plan_take(&layout->size, plan->pixels, sizeof(float), &layout->others));
}

const struct clmp_reading clmp_reading_plain = {
    .id = CLMP_READING_PLAIN,
    .leaves_sums = true,
    .check = check,
    .create = create,
    .build = build,
    .build_range = build_range,
    .lay_out = lay_out,
};

/* Predictions against labels: kernels/confusion.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

#include "core/program.h"
#include "plan/kernels.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

clmp_status clmp_confusion_build(clmp_plan *plan, const char *source, const char *name, const char *macros,
                                 uint32_t group, bool least) {
    cl_kernel *kernel = &plan->kernels[CLMP_KERNEL_CONFUSION];
    clmp_status status = clmp_kernel_create(plan->context, source, macros, name, kernel);
    if (status != CLMP_OK)
        return status;
    bool fits = false;
    char why[CLMP_WHY];
    plan->confusion_group = group;
    status = clmp_plan_kernel_fits(plan, CLMP_KERNEL_CONFUSION, group, &fits, why);
    if (status == CLMP_OK && fits)
        return CLMP_OK;
    clReleaseKernel(*kernel);
    *kernel = NULL;
    if (status == CLMP_OK && least)
        status = clmp_fail(&plan->context->log, CLMP_DEVICE_UNSUPPORTED, "counting predictions: %s", why);
    return status;
}

/* With work-groups as large as the device lets them be, up to those of the tuning. */
static clmp_status build(clmp_plan *plan) {
    clmp_status status = CLMP_OK;
    uint32_t group = plan->tuning.bin_group;
    for (; plan->kernels[CLMP_KERNEL_CONFUSION] == NULL && status == CLMP_OK; group /= 2) {
        char macros[512], logits[CLMP_LOGITS_MACROS];
        clmp_plan_count_macros(plan, group, macros, sizeof macros);
        const size_t used = strlen(macros);
        clmp_logits_macros(&plan->params, &plan->logits, logits);
        snprintf(macros + used, sizeof macros - used, " -DCLMP_VECTOR=%" PRIu32 "%s", plan->tuning.vector_width,
                 logits);
        status = clmp_confusion_build(plan, "confusion", "clmp_confusion", macros, group, group == 1);
    }
    return status;
}

clmp_status clmp_plain_confusion(struct clmp_step *step) {
    clmp_plan *plan = step->plan;
    const clmp_status status = build(plan);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_CONFUSION);
    const uint64_t pixels = plan->logits.pixels;
    const uint64_t vectors = (pixels + plan->tuning.vector_width - 1) / plan->tuning.vector_width;
    const uint64_t chunks = plan->tuning.chunks < vectors ? plan->tuning.chunks : vectors;
    clmp_argument_logits(&arguments, step, step->buffers->logits);
    clmp_argument_strides(&arguments, step);
    clmp_argument_labels(&arguments, step);
    clmp_argument_long(&arguments, plan->params.ignore_index);
    clmp_argument_ulong(&arguments, plan->logits.rows);
    clmp_argument_ulong(&arguments, pixels);
    clmp_argument_ulong(&arguments, (vectors + chunks - 1) / chunks);
    clmp_argument_confusion(&arguments, step);
    return clmp_launch(step, &arguments, chunks * plan->confusion_group, plan->planes * plan->logits.rows,
                       plan->confusion_group);
}

/* Predictions against labels: kernels/confusion.cl, upsample_confusion.cl.  SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

#include "core/program.h"
#include "plan/kernels.h"
#include "plan/upsample.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static clmp_status build_steep(clmp_plan *plan) {
    char macros[256];
    clmp_steep_macros(plan, macros, sizeof macros);
    return clmp_kernel_create(plan->context, "upsample_steep_confusion", macros, "clmp_upsample_steep_confusion",
                              &plan->kernels[CLMP_KERNEL_STEEP_CONFUSION]);
}

/* With work-groups as large as the device lets them be, up to those of the tuning. */
static clmp_status build(clmp_plan *plan) {
    cl_kernel *kernel = &plan->kernels[CLMP_KERNEL_CONFUSION];
    char macros[512], why[CLMP_WHY];
    for (uint32_t group = plan->tuning.bin_group;; group /= 2) {
        bool fits = false;
        if (plan->upsampled)
            clmp_upsample_macros(plan, macros, sizeof macros);
        else {
            clmp_plan_count_macros(plan, group, macros, sizeof macros);
            const size_t used = strlen(macros);
            char logits[CLMP_LOGITS_MACROS];
            clmp_logits_macros(&plan->params, &plan->logits, logits);
            snprintf(macros + used, sizeof macros - used, " -DCLMP_VECTOR=%" PRIu32 "%s", plan->tuning.vector_width,
                     logits);
        }
        clmp_status status =
            clmp_kernel_create(plan->context, plan->upsampled ? "upsample_confusion" : "confusion", macros,
                               plan->upsampled ? "clmp_upsample_confusion" : "clmp_confusion", kernel);
        if (status != CLMP_OK)
            return status;
        plan->confusion_group = plan->upsampled ? clmp_upsample_group(plan) : group;
        status = clmp_plan_kernel_fits(plan, CLMP_KERNEL_CONFUSION, plan->confusion_group, &fits, why);
        if (status == CLMP_OK && fits)
            return CLMP_OK;
        clReleaseKernel(*kernel);
        *kernel = NULL;
        if (status == CLMP_OK && (plan->upsampled || group == 1))
            status = clmp_fail(&plan->context->log, CLMP_DEVICE_UNSUPPORTED, "counting predictions: %s", why);
        if (status != CLMP_OK)
            return status;
    }
}

static void argument_confusion(struct clmp_arguments *arguments, const struct clmp_step *step) {
    clmp_argument_mem(arguments, step->buffers->confusion.mem);
    clmp_argument_ulong(arguments, step->buffers->confusion.offset / sizeof(cl_ulong));
}

static clmp_status count_tiles(struct clmp_step *step, enum clmp_kernel_id id) {
    const clmp_plan *plan = step->plan;
    struct clmp_arguments arguments = clmp_arguments_begin(step, id);
    clmp_upsample_argument_parts(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.spans);
    clmp_argument_labels(&arguments, step);
    clmp_argument_long(&arguments, plan->params.ignore_index);
    argument_confusion(&arguments, step);
    return id == CLMP_KERNEL_CONFUSION ? clmp_upsample_launch_tiles(step, &arguments, plan->upsample.row_tiles)
                                       : clmp_upsample_launch_steep(step, &arguments, plan->upsample.row_tiles);
}

static clmp_status count_upsampled(struct clmp_step *step) {
    clmp_status status = clmp_upsample_split(step);
    if (status == CLMP_OK)
        status = count_tiles(step, CLMP_KERNEL_CONFUSION);
    return status == CLMP_OK ? count_tiles(step, CLMP_KERNEL_STEEP_CONFUSION) : status;
}

clmp_status clmp_count_confusion(struct clmp_step *step) {
    clmp_plan *plan = step->plan;
    clmp_status status = plan->kernels[CLMP_KERNEL_CONFUSION] == NULL ? build(plan) : CLMP_OK;
    if (status == CLMP_OK && plan->upsampled && plan->kernels[CLMP_KERNEL_STEEP_CONFUSION] == NULL)
        status = build_steep(plan);
    if (status != CLMP_OK)
        return status;
    if (plan->upsampled)
        return count_upsampled(step);
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
    argument_confusion(&arguments, step);
    return clmp_launch(step, &arguments, chunks * plan->confusion_group, plan->planes * plan->logits.rows,
                       plan->confusion_group);
}

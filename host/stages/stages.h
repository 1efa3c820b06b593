/* The four stages, in the order in which data walks.  Each enqueues its kernels.  SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_STAGES_H
#define CLMP_STAGES_H

#include "stages/buffers.h"
#include "stages/inputs.h"
#include "stages/launch.h"

clmp_status clmp_stage_loss(struct clmp_step *step);

/* `status` here, and in its parts: of what came before, as in stages/ranks.h. */
clmp_status clmp_stage_threshold(struct clmp_step *step, clmp_status status);
/* Its two ways to bins: before round one, and in every round.  The search leaves bin_sets sets of them, from byte
 * clmp_search_sets() of the workspace on; the sort leaves the bins. */
clmp_status clmp_search_begin(struct clmp_step *step);
clmp_status clmp_search_fill(struct clmp_step *step, uint32_t round);
size_t clmp_search_sets(const clmp_plan *plan, uint32_t round);
clmp_status clmp_sort_begin(struct clmp_step *step);
clmp_status clmp_sort_fill(struct clmp_step *step, uint32_t round);

/* What follows the threshold, or stands for it, where weights come of draws. */
clmp_status clmp_stage_draw(struct clmp_step *step, clmp_status status);

/* And what follows either, where means are over class weights. */
clmp_status clmp_stage_normalise(struct clmp_step *step, clmp_status status);

clmp_status clmp_stage_weights(struct clmp_step *step);

clmp_status clmp_stage_gradient(struct clmp_step *step);

/* The kernel that stores a gradient: `plain`, or where a step is asked to count what overflows or underflows, one that
 * does so, which is built by then (clmp_plan_build_range()); and its last arguments. */
enum clmp_kernel_id clmp_range_kernel(const struct clmp_step *step, enum clmp_kernel_id plain);
void clmp_argument_range(struct clmp_arguments *arguments, const struct clmp_step *step);

/* Counts of labels, and of predictions against them: no stage of a step. */
clmp_status clmp_count_labels(struct clmp_step *step);
clmp_status clmp_count_confusion(struct clmp_step *step);

/* The stages loss and gradient and the counts of predictions, by the way that logits are read (plan/reading.h): of the
 * labels' size, and interpolated. */
clmp_status clmp_plain_loss(struct clmp_step *step);
clmp_status clmp_plain_gradient(struct clmp_step *step);
clmp_status clmp_plain_confusion(struct clmp_step *step);
clmp_status clmp_upsample_loss(struct clmp_step *step);
clmp_status clmp_upsample_gradient(struct clmp_step *step);
clmp_status clmp_upsample_confusion(struct clmp_step *step);

/* Builds the kernel that counts predictions, for work-groups of `group`.  Where those are too many for the device, none
 * is built: an error if they are the least that this kernel takes.  Errors: DEVICE_UNSUPPORTED, and the runtime's. */
clmp_status clmp_confusion_build(clmp_plan *plan, const char *source, const char *name, const char *macros,
                                 uint32_t group, bool least);

#endif

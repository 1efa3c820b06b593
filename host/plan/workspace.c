/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/workspace.h"

#include "plan/draws.h"
#include "plan/reading.h"
#include "plan/region.h"
#include "plan/sort.h"

bool clmp_plan_lay_out(struct clmp_plan *plan) {
    struct clmp_workspace_layout *layout = &plan->layout;
    const uint64_t pools = plan->pools;
    *layout = (struct clmp_workspace_layout){0};
    bool fits = true;
    if (plan->params.input == CLMP_INPUT_LABELS)
        return clmp_plan_take(&layout->size, pools, CLMP_COUNTS(plan->label_classes) * sizeof(cl_ulong),
                              &layout->counts);
    if (plan->params.input == CLMP_INPUT_LOGITS)
        fits = fits && clmp_plan_take(&layout->size, plan->pixels, sizeof(float), &layout->plane);
    if (plan->reading != NULL)
        fits = fits && plan->reading->lay_out(plan);
    fits = fits && clmp_plan_take(&layout->size, pools, sizeof(clmp_pool), &layout->pools);
    if (plan->draws != NULL)
        fits = fits && clmp_draws_lay_out(plan);
    if (plan->normalised)
        fits = fits &&
               clmp_plan_take(&layout->size, pools * plan->params.classes, 2 * sizeof(cl_ulong), &layout->normalise);
    if (plan->params.weighting == CLMP_WEIGHTING_BALANCED)
        return fits;
    fits = fits && clmp_plan_take(&layout->size, pools * CLMP_BINS, sizeof(clmp_real), &layout->terms);
    if (!clmp_plan_tree_is_local(plan))
        fits = fits && clmp_plan_take(&layout->size, pools, sizeof(clmp_tree), &layout->trees);
    const bool by_search = plan->sort == NULL;
    const uint64_t sets = by_search ? plan->tuning.bin_sets * (clmp_plan_shares_sets(plan) ? CLMP_ROUNDS : 1) : 1;
    fits = fits && clmp_plan_take(&layout->size, pools * sets, CLMP_BINS * sizeof(clmp_bin), &layout->sets);
    if (by_search && clmp_plan_keeps_lists(plan))
        fits = fits && clmp_plan_take(&layout->size, pools * plan->tuning.chunks,
                                      (CLMP_LIST_HEAD + clmp_plan_list_room(plan)) * sizeof(float), &layout->lists);
    return fits && (by_search || clmp_sort_lay_out(plan));
}

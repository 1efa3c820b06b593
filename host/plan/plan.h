/* A plan from inside: one problem, its kernels and its workspace.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_H
#define CLMP_PLAN_H

#include "core/context.h"
#include "plan/criterion.h"
#include "plan/layout.h"
#include "plan/logits.h"

enum clmp_kernel_id {
    CLMP_KERNEL_LOSS,
    CLMP_KERNEL_FILL,
    CLMP_KERNEL_SORT_KEYS,
    CLMP_KERNEL_SORT_COUNT,
    CLMP_KERNEL_SORT_SCAN,
    CLMP_KERNEL_SORT_SCATTER,
    CLMP_KERNEL_SORT_SUMS,
    CLMP_KERNEL_SORT_BINS,
    CLMP_KERNEL_SELECT,
    CLMP_KERNEL_TOTAL,
    CLMP_KERNEL_TOTAL_OF_RANKS,
    CLMP_KERNEL_COUNT_LABELS,
    CLMP_KERNEL_ADD_COUNTS,
    CLMP_KERNEL_CONFUSION, /* built at the first use */
    CLMP_KERNEL_DRAW_SHARES,
    CLMP_KERNEL_DRAW_PIXELS,
    CLMP_KERNEL_DRAW_RESULT,
    CLMP_KERNEL_NORMALISE_COUNT,
    CLMP_KERNEL_NORMALISE_RESULT,
    CLMP_KERNEL_WEIGHTS,
    CLMP_KERNEL_GRADIENT,
    CLMP_KERNEL_UPSAMPLE_SPLIT,
    CLMP_KERNEL_UPSAMPLE_LOSS,
    CLMP_KERNEL_UPSAMPLE_GRADIENT,
    CLMP_KERNEL_UPSAMPLE_GATHER,
    CLMP_KERNEL_STEEP_LOSS,
    CLMP_KERNEL_STEEP_GRADIENT,
    CLMP_KERNEL_STEEP_CONFUSION, /* built at the first use */
    CLMP_KERNEL_RANGE,           /* likewise: what stores the gradient, and counts what its type has no room for */
    CLMP_KERNEL_COUNT
};

/* Where records lie in the workspace, in bytes from its start; kernels/layout.clh and threshold_*.cl say what they are.
 */
struct clmp_workspace_layout {
    size_t plane;          /* losses, or marks; CLMP_INPUT_LOGITS only */
    size_t maxima, others; /* what the loss leaves to the gradient; where clmp_plan_leaves_sums() */
    size_t pools;
    size_t terms;
    size_t trees;     /* where they are not in local memory */
    size_t sets;      /* of bins; of the sort one a pool */
    size_t lists;     /* of keys, where clmp_plan_keeps_lists() */
    size_t counts;    /* of labels, where they are counted */
    size_t normalise; /* normalised plans only */
    size_t size;
};

/* What holds of every plan; what only some have is a part with a file of its own. */
struct clmp_plan {
    clmp_context *context;
    clmp_plan_params params; /* class_weights and ranks are not kept there */
    uint64_t plane_pixels;   /* H W */
    uint64_t image_pixels;   /* H W, of binary losses C H W */
    uint64_t image_logits;   /* of a class: h w */
    uint64_t planes;         /* of labels and losses: N, of binary losses N C */
    uint64_t pixels;         /* of all planes */
    uint64_t label_classes;  /* C, of binary losses 2 */
    struct clmp_logits logits;
    uint64_t pools; /* 1, or N */
    uint64_t pool_pixels;
    size_t label_size;                  /* bytes */
    bool normalised;                    /* means are over class weights: kernels/normalise.cl */
    const struct clmp_reading *reading; /* how logits are read: plan/reading.h; NULL: there are none */
    struct clmp_upsample *upsample;     /* interpolation: plan/upsample.h; NULL: none */
    struct clmp_draws *draws;           /* weights are those of a plane of draws: plan/draws.h; NULL: they are not */
    struct clmp_sort *sort;             /* the threshold is found by sort: plan/sort.h; NULL: it is not */
    struct clmp_whole *whole;           /* the batch of all ranks: plan/whole.h; NULL: there are none */
    uint32_t confusion_group;           /* work-items of a work-group of that kernel */
    clmp_tuning tuning;
    struct clmp_workspace_layout layout;
    cl_kernel kernels[CLMP_KERNEL_COUNT]; /* those that the plan needs */
    cl_mem problem;                       /* one clmp_problem */
    cl_mem class_weights;                 /* clmp_criterion_weights(); NULL: none */
    cl_mem mean_weights;                  /* the caller's, where means are over them; NULL: they are not */
    char criterion[CLMP_CRITERION_MACROS];
    cl_mem workspace;        /* the plan's own, from the first use on */
    cl_event workspace_free; /* the last command that used it */
};

/* Whether work-groups share sets of bins: then each round has sets of its own, as a step clears all of them at once. */
static inline bool clmp_plan_shares_sets(const clmp_plan *plan) {
    return plan->tuning.bin_sets < plan->tuning.chunks;
}

/* Pixels that a work-group of the search sorts into bins: whole vectors of whole work-groups, so that only the last one
 * has a rest. */
static inline uint64_t clmp_plan_bin_run(const clmp_plan *plan) {
    const clmp_tuning *tuning = &plan->tuning;
    const uint64_t unit = (uint64_t)tuning->chunks * tuning->vector_width * tuning->bin_group;
    return (plan->pool_pixels + unit - 1) / unit * tuning->vector_width * tuning->bin_group;
}

/* Whether round two of the search leaves a list of what is in its windows to round three, and how many keys of a
 * work-group it has room for: an eighth of the pixels, in whole cache lines, and always more than one vector. */
static inline bool clmp_plan_keeps_lists(const clmp_plan *plan) {
    return plan->tuning.bin_group == 1 && plan->params.weighting != CLMP_WEIGHTING_UNIFORM;
}
static inline uint32_t clmp_plan_list_room(const clmp_plan *plan) {
    const uint64_t most = (uint64_t)1 << 24, room = (clmp_plan_bin_run(plan) / 8 + 32 + 15) / 16 * 16;
    return clmp_plan_keeps_lists(plan) ? (uint32_t)(room < most ? room : most) : 0;
}

/* Whether the device has local memory for what reads the bins; else that is in the workspace. */
static inline bool clmp_plan_tree_is_local(const clmp_plan *plan) {
    return plan->context->facts.local_memory >= sizeof(clmp_tree);
}

/* Vectors of a work-item of the loss. */
#define CLMP_MANY_CLASSES 64
static inline uint32_t clmp_plan_loss_run(const clmp_plan *plan) {
    return plan->label_classes >= CLMP_MANY_CLASSES ? plan->tuning.run : 1;
}

/* Whether the loss leaves the maxima and sums of pixels to the gradient. */
static inline bool clmp_plan_leaves_sums(const clmp_plan *plan) {
    return plan->tuning.sums == 2;
}

/* Pixels of one of the work-groups that share a pool's, a multiple of `unit`. */
static inline uint64_t clmp_plan_run(const clmp_plan *plan, uint64_t unit) {
    return (plan->pool_pixels + plan->tuning.chunks * unit - 1) / (plan->tuning.chunks * unit) * unit;
}

/* Whether class weights are applied to what is drawn, and not in stage loss. */
static inline bool clmp_plan_weighs_late(const clmp_plan *plan) {
    return plan->draws != NULL && plan->params.weighting == CLMP_WEIGHTING_OHEM;
}

#endif

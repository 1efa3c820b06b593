/* The batch that a plan with ranks is a part of.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLAN_WHOLE_H
#define CLMP_PLAN_WHOLE_H

#include "plan/plan.h"

/* A plan's part: what it knows of the other ranks since its last call, and memory for what they sum. */
struct clmp_whole {
    clmp_ranks ranks;
    uint64_t images, first_image; /* of all ranks; those of ranks before this one */
    uint64_t problem_images;      /* that clmp_plan.problem was made for */
    uint64_t class_weights;       /* a hash; 0: none */
    uint64_t *message;            /* CLMP_MESSAGE_WORDS(ranks) numbers, and one more, to be summed over ranks */
    uint64_t *read;               /* what is read of the device for that */
    uint64_t *numbers;            /* longer sums: clmp_whole_numbers() */
    size_t numbers_count;
    cl_mem losses;                /* of all images, each one clmp_real; scope image only, from the first use on */
    uint64_t losses_images;
};
/* Enough for all bins of a round, and for two numbers of each rank. */
#define CLMP_MESSAGE_WORDS(ranks) ((ranks) > 4096 ? 2 * (size_t)(ranks) : (size_t)8192)

/* One of the parameters that all ranks must have alike, in 64 bits. */
struct clmp_alike {
    const char *name;
    uint64_t bits;
    enum clmp_alike_kind { CLMP_ALIKE_COUNT, CLMP_ALIKE_SIGNED, CLMP_ALIKE_REAL, CLMP_ALIKE_HASH } kind;
};
enum { CLMP_MOST_ALIKE = 32 };

/* plan->whole, where `params`, with their class weights, have ranks.  Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. */
clmp_status clmp_whole_create(struct clmp_plan *plan, const clmp_plan_params *params);
/* `ours`: this process has OpenCL's objects, too.  NULL is allowed. */
void clmp_whole_destroy(struct clmp_whole *whole, bool ours);

/* Lists what must be alike; the same number of them on every rank.  What a weighting or loss does not look at is 0. */
size_t clmp_whole_list(const struct clmp_plan *plan, struct clmp_alike list[CLMP_MOST_ALIKE]);

/* Whether a plan may be a part of a batch of `images` images.  Errors: SIZE_OVERFLOW. */
clmp_status clmp_whole_check(const struct clmp_plan *plan, uint64_t images);

/* Memory of the host for `count` numbers, which the next call may hand out once more.  NULL: there is none. */
uint64_t *clmp_whole_numbers(struct clmp_whole *whole, size_t count);

/* Takes note of the images of all ranks, and of how many stand before this one's; all that depends on them follows. */
clmp_status clmp_whole_set(struct clmp_plan *plan, uint64_t images, uint64_t first_image);

/* Whether a pool has pixels of several ranks. */
static inline bool clmp_whole_shares_pools(const struct clmp_plan *plan) {
    return plan->whole != NULL && plan->params.scope == CLMP_SCOPE_BATCH;
}

/* Pixels of a pool, those of other ranks with them. */
static inline uint64_t clmp_whole_pool_pixels(const struct clmp_plan *plan) {
    return clmp_whole_shares_pools(plan) ? plan->whole->images * plan->image_pixels : plan->pool_pixels;
}

/* The index in the whole batch of this plan's first pixel. */
static inline uint64_t clmp_whole_first_pixel(const struct clmp_plan *plan) {
    return plan->whole != NULL ? plan->whole->first_image * plan->image_pixels : 0;
}

#endif

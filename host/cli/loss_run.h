/*
 * One pair of logits and labels through the library.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_LOSS_RUN_H
#define CLMP_CLI_LOSS_RUN_H

#include "pairs.h"
#include "session.h"

struct loss_run {
    struct session *session;
    const struct options *options;
    struct label_rules rules;   /* owned */
    unsigned seen;              /* labels, of all pairs */
    const float *class_weights; /* NULL: all 1 */
    bool wants_losses, wants_weights, wants_gradient, wants_means;
    uint64_t step;
    /* outcome, owned */
    clmp_result *results;
    size_t result_count;
    float *losses, *weights;    /* NULL: not wanted */
    void *gradient;             /* likewise; of the logits' type */
    clmp_gradient_range *range; /* likewise; of the gradient, what its type has no room for */
    float *means;               /* likewise; weights of the plain mean: 0 where a pixel is not valid */
};

/* The problem that a pair is. */
clmp_plan_params loss_run_params(const struct loss_run *run, const struct pair *pair);

/* Computes what is wanted with a plan that was made for such a pair.  The logits are freed on the way. */
bool loss_run_compute(struct loss_run *run, clmp_plan *plan, struct pair *pair, struct failure *failure);

/* Frees the outcome. */
void loss_run_free(struct loss_run *run);

#endif /* CLMP_CLI_LOSS_RUN_H */

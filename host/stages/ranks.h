/*
 * What ranks tell each other in a step: sums of numbers, and that all of them still go on.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A call of a plan with ranks is a fixed row of sums over ranks, whatever becomes of it: clmp_ranks_agree() at first,
 * then those of the stages, clmp_ranks_end() at last.  So each function here is called on all ranks, also where
 * `status`, what became of the step so far on this one, is a failure; then this rank has no numbers to give, the others
 * are told in the next sum, and all return the same failure.  From then on, and in plans without ranks, step->alone is
 * set, and nothing is summed any more.  Each returns `status`, or what came in its place.
 */
#ifndef CLMP_STAGES_RANKS_H
#define CLMP_STAGES_RANKS_H

#include "stages/buffers.h"
#include "stages/launch.h"

/* Whether all ranks call the same entry with plans that are alike; and the size of the whole batch. */
clmp_status clmp_ranks_agree(struct clmp_step *step, clmp_status status, enum clmp_entry entry);

/*
 * Scope batch: replaces `words` numbers of 64 bits, from byte `at` of the workspace on, by their sums over all ranks,
 * and over `copies` rows of them on each rank.  For other scopes nothing is to be done.
 */
clmp_status clmp_ranks_add(struct clmp_step *step, clmp_status status, size_t at, uint32_t copies, size_t words);

/* Scope image: makes record 0, and what the gradient takes from the total, those of the images of all ranks. */
clmp_status clmp_ranks_total(struct clmp_step *step, clmp_status status);

/* Runs `count`, which adds to `words` numbers of the caller's, so that they grow by what all ranks add.  It is
 * the end, too. */
clmp_status clmp_ranks_count(struct clmp_step *step, clmp_status status, clmp_buffer place, size_t words,
                             clmp_status (*count)(struct clmp_step *));

/* All is enqueued, on every rank. */
clmp_status clmp_ranks_end(struct clmp_step *step, clmp_status status);

#endif

/*
 * What a run comes to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_RESULT_H
#define CLMP_TRAIN_RESULT_H

#include <clmp/clmp.h>

struct run_result {
    uint64_t *confusion; /* CLMP_CONFUSION(classes); to be freed */
    clmp_metrics metrics;
    double seconds; /* of training, of all processes that took part one after another */
    bool complete;  /* false: it was interrupted, and saved; */
    bool elsewhere; /* or another process is at it */
};

#endif /* CLMP_TRAIN_RESULT_H */

/*
 * The learning rate of each step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_SCHEDULE_H
#define CLMP_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * CYCLE   up from a 25th of the largest rate in three tenths of the steps, then down to a 10,000th, by cosines:
 *         L. Smith, N. Topin, "Super-Convergence", 2018
 * POLY    (1 - step / steps)^0.9 of it: L. Chen et al., "DeepLab", IEEE TPAMI 2018
 * COSINE  (1 + cos(pi step / steps)) / 2 of it: I. Loshchilov, F. Hutter, "SGDR", ICLR 2017, without restarts
 */
enum schedule { SCHEDULE_CYCLE, SCHEDULE_POLY, SCHEDULE_COSINE, SCHEDULES };

const char *schedule_name(enum schedule schedule);

/* False: there is none of that name. */
bool schedule_find(const char *name, enum schedule *schedule);

/* The rate of a step, from 0, of so many. */
double schedule_rate(enum schedule schedule, double most, uint64_t step, uint64_t steps);

#endif /* CLMP_TRAIN_SCHEDULE_H */

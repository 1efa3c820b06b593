/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <math.h>
#include <string.h>

static const double pi = 3.141592653589793;

const char *schedule_name(enum schedule schedule) {
    static const char *const names[SCHEDULES] = {"cycle", "poly", "cosine"};
    return names[schedule];
}

bool schedule_find(const char *name, enum schedule *schedule) {
    for (int i = 0; i < SCHEDULES; ++i)
        if (strcmp(name, schedule_name((enum schedule)i)) == 0) {
            *schedule = (enum schedule)i;
            return true;
        }
    return false;
}

static double cycle(double most, uint64_t step, uint64_t steps) {
    const double at = (double)step / (double)(steps > 1 ? steps - 1 : 1), rise = 0.3;
    const double from = at < rise ? most / 25.0 : most, to = at < rise ? most : most / 1e4;
    const double share = at < rise ? at / rise : (at - rise) / (1.0 - rise);
    return from + (to - from) * 0.5 * (1.0 - cos(pi * share));
}

double schedule_rate(enum schedule schedule, double most, uint64_t step, uint64_t steps) {
    const double left = 1.0 - (double)step / (double)steps;
    if (schedule == SCHEDULE_CYCLE)
        return cycle(most, step, steps);
    return most * (schedule == SCHEDULE_POLY ? pow(left, 0.9) : 0.5 * (1.0 - cos(pi * left)));
}

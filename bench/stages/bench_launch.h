/*
 * What a launch costs: of a step's time, that of its launches is what is left where a problem is small.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_LAUNCH_H
#define CLMP_BENCH_LAUNCH_H

#include "bench_device.h"

/* The time of one of many launches in a row of a kernel that does next to nothing: the best of a few runs. */
enum bench_status bench_launch(const bench_device *device, bench_time *each);

#endif

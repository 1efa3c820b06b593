/* The search for a device's tuning.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BENCH_TUNE_H
#define CLMP_BENCH_TUNE_H

#include "bench_device.h"
#include "bench_options.h"

/* Prints how a step's time depends on each parameter, and the row to add to host/plan/tuning.c. */
enum bench_status bench_tune(const bench_device *device, const bench_case *of, const bench_options *options);

#endif

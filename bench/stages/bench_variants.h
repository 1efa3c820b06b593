/*
 * What the choice of loss, weighting, type and layout costs: whole steps, against plain loss max-pooling in the same
 * run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_VARIANTS_H
#define CLMP_BENCH_VARIANTS_H

#include "bench_options.h"
#include "bench_records.h"

/* Measures and prints them, and adds a record of stage "step" for each. */
enum bench_status bench_variants(const bench_device *device, const bench_options *options, bench_records *records);

#endif

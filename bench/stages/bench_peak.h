/*
 * How much arithmetic a device can do: independent chains of fma, in registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_PEAK_H
#define CLMP_BENCH_PEAK_H

#include "bench_device.h"

/* 1e9 float32 operations a second, an fma being two, in vectors of `width`: the best of a few runs. */
enum bench_status bench_peak(const bench_device *device, uint32_t width, double *gflops);

#endif

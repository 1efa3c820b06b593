/*
 * What the bench's files share: words for people, the options, a device.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_H
#define CLMP_BENCH_H

#include <clmp/clmp.h>

/* The exit statuses. */
enum bench_status { BENCH_OK = 0, BENCH_DEVICE_FAILED = 1, BENCH_BAD_USE = 2 };

/* One line on standard error; returns `status`. */
enum bench_status bench_fail(enum bench_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A passing line on standard error, where that is a terminal; the next one takes its place.  "": none. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum { BENCH_SOLVERS = 2 };

/* "search" or "sort" */
const char *bench_solver_name(clmp_solver solver);

#endif

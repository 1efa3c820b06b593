/* How long a program waits for its first plan and step.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BENCH_STARTUP_H
#define CLMP_BENCH_STARTUP_H

#include "bench_device.h"
#include "bench_records.h"

/*
 * Starts this program again, with folders of its own for the library's cache and for those of runtimes: once with
 * nothing in them (cold), and once more (warm).  Adds a record for each, and prints them.
 */
enum bench_status bench_startup(const clmp_device_info *info, size_t number, bench_records *records);

/* What that program does: context, plan and first step, and their milliseconds on standard output. */
enum bench_status bench_startup_child(const char *device);

#endif

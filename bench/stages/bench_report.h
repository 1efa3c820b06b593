/* The table on the terminal.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BENCH_REPORT_H
#define CLMP_BENCH_REPORT_H

#include "bench_records.h"

void bench_report_device(const bench_device *device);

/* What one of many launches in a row takes. */
void bench_report_launch(const bench_time *each);

/* The records of one case, from number `first` on. */
void bench_report_case(const bench_records *records, size_t first);

#endif

/* What the command line asks for.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BENCH_OPTIONS_H
#define CLMP_BENCH_OPTIONS_H

#include "bench.h"
#include "bench_cases.h"

enum { BENCH_MOST_CASES = 16 };

typedef struct bench_options {
    const char *device; /* NULL: all */
    const char *json;   /* NULL: none */
    const char *tuning; /* NULL: none; else it is in the environment, where the library reads it */
    const bench_case *cases[BENCH_MOST_CASES];
    size_t case_count;
    unsigned scaling_end; /* up to 2^this many pixels; 0: no scaling */
    size_t repeat;
    bool variants; /* instead of measuring the cases, unless these are asked for, too */
    bool tune;     /* instead of measuring the cases */
    bool startup_child;
    bool help; /* it was printed, and is all */
} bench_options;

enum bench_status bench_options_read(int argc, char **argv, bench_options *options);

#endif

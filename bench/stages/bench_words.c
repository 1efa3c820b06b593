/* Words for people.  SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define ERASE_LINE "\r\033[K"

enum bench_status bench_fail(enum bench_status status, const char *format, ...) {
    va_list arguments;
    bench_progress("%s", "");
    va_start(arguments, format);
    fputs("clmp-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

void bench_progress(const char *format, ...) {
    va_list arguments;
    if (!isatty(STDERR_FILENO))
        return;
    fputs(ERASE_LINE, stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

const char *bench_solver_name(clmp_solver solver) {
    return solver == CLMP_SOLVER_SORT ? "sort" : "search";
}

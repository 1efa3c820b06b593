/*
 * A bar on standard error while many files are worked on: only where that is a terminal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_PROGRESS_H
#define CLMP_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct progress {
    bool shown;
    size_t total;
    struct timespec start;
};

void progress_begin(struct progress *progress, size_t total);

/* `done` of the total are done, and `name` is next. */
void progress_show(const struct progress *progress, size_t done, const char *name);

/* Takes the bar away. */
void progress_end(const struct progress *progress);

#endif /* CLMP_CLI_PROGRESS_H */

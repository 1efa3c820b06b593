/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 30, NAME = 28 };

void progress_begin(struct progress *progress, size_t total) {
    *progress = (struct progress){.shown = total > 1 && isatty(STDERR_FILENO), .total = total};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
}

static double seconds_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

void progress_show(const struct progress *progress, size_t done, const char *name) {
    if (!progress->shown)
        return;
    char bar[BAR + 1] = "", shown[NAME + 1], left[32] = "";
    const size_t filled = done * BAR / progress->total, length = strlen(name);
    memset(bar, '.', BAR);
    memset(bar, '#', filled);
    if (done > 0)
        snprintf(left, sizeof left, ", %.0f s left",
                 seconds_since(&progress->start) / (double)done * (double)(progress->total - done));
    snprintf(shown, sizeof shown, "%s", length > NAME ? name + length - NAME : name); /* its end tells most */
    for (char *c = shown; *c != '\0'; ++c)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?'; /* a name is not to steer the terminal */
    fprintf(stderr, "\r\x1b[K[%s] %zu/%zu%s  %s", bar, done, progress->total, left, shown);
    fflush(stderr);
}

void progress_end(const struct progress *progress) {
    if (progress->shown)
        fputs("\r\x1b[K", stderr);
}

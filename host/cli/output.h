/*
 * Files that the command writes: whole, or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A file is written under a temporary name beside its own and renamed when all of them are complete.  What exists
 * and is no regular file (a device, a pipe) is written directly, and never replaced.
 */
#ifndef CLMP_CLI_OUTPUT_H
#define CLMP_CLI_OUTPUT_H

#include "npy.h"

#include <stddef.h>
#include <stdint.h>

enum { OUTPUTS = 4 };

struct output {
    const char *option; /* as "--weights" */
    const char *path;   /* the caller's, as errors name it */
    char *target;       /* what `path` is without links */
    char *temporary;    /* NULL: written directly */
    FILE *file;
};

struct outputs {
    struct output list[OUTPUTS];
    size_t count;
    bool to_stdout; /* one of them is standard output */
};

/* Notes an output that is wanted; nothing is done to the disk.  A NULL path is none, and gives NULL. */
struct output *outputs_add(struct outputs *outputs, const char *option, const char *path);

/*
 * Opens all of them.  `inputs` (some may be NULL) are files that an output must not be; with `json`, none may be
 * standard output.
 */
bool outputs_open(struct outputs *outputs, const char *const *inputs, size_t input_count, bool json,
                  struct failure *failure);

bool output_write(struct output *output, const void *bytes, size_t size, struct failure *failure);

/* A .npy file of a floating-point type. */
bool output_npy(struct output *output, enum npy_type type, const uint64_t *shape, size_t dims, const void *values,
                struct failure *failure);

/* The failure of a write that a library made through output->file, from errno. */
bool output_failed(const struct output *output, int error, struct failure *failure);

/* Completes them all, then gives them their names. */
bool outputs_commit(struct outputs *outputs, struct failure *failure);

/* Closes what is open and removes what is temporary; after outputs_commit() too. */
void outputs_discard(struct outputs *outputs);

#endif /* CLMP_CLI_OUTPUT_H */

/*
 * A file that is read once from its start to its end: a regular one or a pipe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_INPUT_H
#define CLMP_CLI_INPUT_H

#include "fail.h"

#include <stddef.h>
#include <stdint.h>

enum { INPUT_HEAD = 8 }; /* bytes that tell what a file is */

struct input {
    FILE *file;
    const char *path; /* the caller's, as errors name it */
    bool sized;       /* `size` is known before it is read */
    uint64_t size;    /* bytes */
    uint64_t taken;   /* bytes that input_read() has given out */
    unsigned char head[INPUT_HEAD];
    size_t head_size; /* less than INPUT_HEAD only where the whole file is */
};

/* What errors call a file: "-" is standard input. */
const char *input_name(const char *path);

/* Opens a file, or standard input as "-", and looks at its first bytes.  An empty file is an error; with the second it
 * is not. */
bool input_open(struct input *input, const char *path, struct failure *failure);
bool input_open_any(struct input *input, const char *path, struct failure *failure);

/* Reads up to `size` bytes; `*got` is less than that only at the end of the file. */
bool input_read(struct input *input, void *bytes, size_t size, size_t *got, struct failure *failure);

/*
 * Reads `size` bytes into memory of its own, to be freed, where the file must hold exactly these and no more.
 * Memory is taken only for what is there: at once where the size of the file is known, else as bytes arrive.
 * `what` says what these bytes should be, as "float32 2x3x4".
 */
bool input_read_rest(struct input *input, uint64_t size, const char *what, void **bytes, struct failure *failure);

/* NULL-safe with regard to a file that input_open() did not open. */
void input_close(struct input *input);

#endif /* CLMP_CLI_INPUT_H */

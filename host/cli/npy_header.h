/*
 * What a .npy file's header says, and its reader.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_NPY_HEADER_H
#define CLMP_CLI_NPY_HEADER_H

#include "fail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum npy_type {
    NPY_BOOL,
    NPY_UINT8,
    NPY_INT8,
    NPY_UINT16,
    NPY_INT16,
    NPY_UINT32,
    NPY_INT32,
    NPY_UINT64,
    NPY_INT64,
    NPY_FLOAT16, /* from here on as they are written */
    NPY_FLOAT32,
    NPY_FLOAT64,
    NPY_TYPES
};

#define NPY_BIT(type) (1u << (type))

enum {
    NPY_MAX_DIMS = 64,                          /* as NumPy 2 */
    NPY_MAX_HEADER = 1 << 16,                   /* bytes; what version 1.0 can say, and far above what NumPy writes */
    NPY_SHAPE_TEXT = NPY_MAX_DIMS * 21 + 1,     /* "18446744073709551615x..." */
    NPY_HEADER_BYTES = 128 + NPY_MAX_DIMS * 22, /* what npy_format_header() may write */
};

struct npy_header {
    enum npy_type type;
    size_t dims; /* 0: a single number */
    uint64_t shape[NPY_MAX_DIMS];
    uint64_t elements; /* at least 1 */
};

size_t npy_type_size(enum npy_type type);
const char *npy_type_name(enum npy_type type);

/* The dictionary of a header, without the bytes before it.  `path` names the file in the failure's line. */
bool npy_parse_header(const char *text, size_t length, const char *path, unsigned types, struct npy_header *header,
                      struct failure *failure);

/* "2x3x4", or "a single number".  At most NPY_SHAPE_TEXT bytes; the return value is `text`. */
char *npy_shape_text(const uint64_t *shape, size_t dims, char *text);

#endif /* CLMP_CLI_NPY_HEADER_H */

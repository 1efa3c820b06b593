/*
 * NumPy's .npy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Read: versions 1.0, 2.0 and 3.0, C order, little endian, the types below.  The reader survives any bytes: whatever
 * it does not know is a failure with a line that says what was found.  Written: version 1.0, floats.
 */
#ifndef CLMP_CLI_NPY_H
#define CLMP_CLI_NPY_H

#include "input.h"

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

/* Whether the file begins as a .npy file does. */
bool npy_is(const struct input *input);

/* Reads the header of an array whose type is one of `types` (NPY_BIT(...) | ...); the data is what follows. */
bool npy_read_header(struct input *input, unsigned types, struct npy_header *header, struct failure *failure);

/* Reads the data, which must be all that follows; to be freed. */
bool npy_read_data(struct input *input, const struct npy_header *header, void **data, struct failure *failure);

/* The dictionary of a header, without the bytes before it.  `path` names the file in the failure's line. */
bool npy_parse_header(const char *text, size_t length, const char *path, unsigned types, struct npy_header *header,
                      struct failure *failure);

/* "2x3x4", or "a single number".  At most NPY_SHAPE_TEXT bytes; the return value is `text`. */
char *npy_shape_text(const uint64_t *shape, size_t dims, char *text);

/* All that comes before the data of an array of a floating-point type; the return value is its size, a multiple of 64.
 */
size_t npy_format_header(enum npy_type type, const uint64_t *shape, size_t dims, char bytes[NPY_HEADER_BYTES]);

#endif /* CLMP_CLI_NPY_H */

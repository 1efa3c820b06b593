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
#include "npy_header.h"

/* Whether the file begins as a .npy file does. */
bool npy_is(const struct input *input);

/* Reads the header of an array whose type is one of `types` (NPY_BIT(...) | ...); the data is what follows. */
bool npy_read_header(struct input *input, unsigned types, struct npy_header *header, struct failure *failure);

/* Reads the data, which must be all that follows; to be freed. */
bool npy_read_data(struct input *input, const struct npy_header *header, void **data, struct failure *failure);

/* All that comes before the data of an array of a floating-point type; the return value is its size, a multiple of 64.
 */
size_t npy_format_header(enum npy_type type, const uint64_t *shape, size_t dims, char bytes[NPY_HEADER_BYTES]);

#endif /* CLMP_CLI_NPY_H */

/* SPDX-License-Identifier: Apache-2.0 */
#include "npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Arrays are read and written as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the .npy files here are little endian");

static const char magic[6] = "\x93NUMPY";

bool npy_is(const struct input *input) {
    return input->head_size >= sizeof magic && memcmp(input->head, magic, sizeof magic) == 0;
}

/* Reads all of `size` bytes, which belong to the header. */
static bool read_head(struct input *input, void *bytes, size_t size, struct failure *failure) {
    size_t got = 0;
    if (!input_read(input, bytes, size, &got, failure))
        return false;
    if (got < size)
        return fail_with(failure, EXIT_OF_INPUT, "%s ends within its .npy header, after %" PRIu64 " bytes", input->path,
                         input->taken);
    return true;
}

bool npy_read_header(struct input *input, unsigned types, struct npy_header *header, struct failure *failure) {
    if (!npy_is(input))
        return fail_with(failure, EXIT_OF_INPUT, "%s is not a .npy file", input->path);
    unsigned char start[8], length_bytes[4] = {0};
    if (!read_head(input, start, sizeof start, failure))
        return false;
    const unsigned major = start[6], minor = start[7];
    if (major < 1 || major > 3 || minor != 0)
        return fail_with(failure, EXIT_OF_INPUT, "%s has .npy version %u.%u, expected 1.0, 2.0 or 3.0", input->path,
                         major, minor);
    if (!read_head(input, length_bytes, major == 1 ? 2 : 4, failure))
        return false;
    uint32_t length = 0;
    for (unsigned i = 0; i < 4; ++i)
        length |= (uint32_t)length_bytes[i] << (8 * i);
    if (length > NPY_MAX_HEADER)
        return fail_with(failure, EXIT_OF_INPUT, "%s has a .npy header of %" PRIu32 " bytes, expected at most %d",
                         input->path, length, NPY_MAX_HEADER);
    char *text = malloc(length > 0 ? length : 1);
    if (text == NULL)
        return fail_memory(failure, input->path);
    const bool good =
        read_head(input, text, length, failure) && npy_parse_header(text, length, input->path, types, header, failure);
    free(text);
    return good;
}

bool npy_read_data(struct input *input, const struct npy_header *header, void **data, struct failure *failure) {
    char shape[NPY_SHAPE_TEXT], what[NPY_SHAPE_TEXT + 16];
    snprintf(what, sizeof what, "%s %s", npy_type_name(header->type),
             npy_shape_text(header->shape, header->dims, shape));
    return input_read_rest(input, header->elements * npy_type_size(header->type), what, data, failure);
}

size_t npy_format_header(enum npy_type type, const uint64_t *shape, size_t dims, char bytes[NPY_HEADER_BYTES]) {
    const size_t before = sizeof magic + 4; /* magic, version, length */
    memcpy(bytes, magic, sizeof magic);
    bytes[6] = 1;
    bytes[7] = 0;
    size_t used = before;
    used += (size_t)snprintf(bytes + used, NPY_HEADER_BYTES - used,
                             "{'descr': '<f%zu', 'fortran_order': False, 'shape': (", npy_type_size(type));
    for (size_t i = 0; i < dims; ++i)
        used += (size_t)snprintf(bytes + used, NPY_HEADER_BYTES - used, i == 0 ? "%" PRIu64 : ", %" PRIu64, shape[i]);
    used += (size_t)snprintf(bytes + used, NPY_HEADER_BYTES - used, dims == 1 ? ",), }" : "), }");
    while ((used + 1) % 64 != 0)
        bytes[used++] = ' ';
    bytes[used++] = '\n';
    const size_t length = used - before;
    bytes[8] = (char)(unsigned char)(length & 0xff);
    bytes[9] = (char)(unsigned char)(length >> 8);
    return used;
}

/*
 * Any bytes as a .npy file: refused in one line, or read as what its header says.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The file is read by the reader itself, of a regular file and of a pipe, which must agree; and as each of the tensors
 * that the command takes.
 */
#include "fuzz.h"

#include "labels.h"
#include "npy.h"

#include <stdlib.h>
#include <string.h>

#define ALL_TYPES ((1u << NPY_TYPES) - 1)

static void check_failure(bool good, struct failure *failure) {
    fuzz_assert(good == (failure->code == 0), "success %d with code %d", good, failure->code);
    fuzz_assert(good || (failure->code == EXIT_OF_INPUT && failure->line != NULL), "code %d without a line",
                failure->code);
    failure_clear(failure);
}

/* The data, or NULL. */
static void *read_all(const char *path, struct npy_header *header) {
    struct failure failure = {.code = 0};
    struct input input;
    void *data = NULL;
    const bool good = input_open(&input, path, &failure) && npy_read_header(&input, ALL_TYPES, header, &failure) &&
                      npy_read_data(&input, header, &data, &failure);
    input_close(&input);
    check_failure(good, &failure);
    fuzz_assert(good == (data != NULL), "success %d", good);
    return data;
}

/* Of what was accepted: the data are the end of the file, and there are as many as the shape says. */
static void check_data(const uint8_t *data, size_t size, const struct npy_header *header, const void *values) {
    uint64_t elements = 1;
    fuzz_assert(header->dims <= NPY_MAX_DIMS && header->type < NPY_TYPES, "%zu dimensions", header->dims);
    for (size_t i = 0; i < header->dims; ++i)
        elements *= header->shape[i];
    const uint64_t bytes = elements * npy_type_size(header->type);
    fuzz_assert(elements == header->elements && elements > 0 && bytes < size, "%zu bytes", size);
    fuzz_assert(memcmp(values, data + size - bytes, (size_t)bytes) == 0, "other data");
}

/* The header that the writer would write is read as the same. */
static void check_round_trip(const struct npy_header *header) {
    char bytes[NPY_HEADER_BYTES];
    struct failure failure = {.code = 0};
    struct npy_header again;
    if (header->type < NPY_FLOAT16)
        return;
    const size_t size = npy_format_header(header->type, header->shape, header->dims, bytes);
    const bool good = npy_parse_header(bytes + 10, size - 10, "again.npy", ALL_TYPES, &again, &failure);
    fuzz_assert(good && size % 64 == 0, "%s", failure.line);
    fuzz_assert(again.type == header->type && again.dims == header->dims && again.elements == header->elements &&
                    memcmp(again.shape, header->shape, header->dims * sizeof *header->shape) == 0,
                "another header");
}

static void read_as_tensors(const char *path) {
    struct failure failure = {.code = 0};
    struct logits logits = {.path = "logits.npy", .images = 1, .classes = 3, .height = 2, .width = 2};
    struct labels labels;
    struct losses losses;
    float *weights = NULL;
    logits.header = (struct npy_header){.dims = 3, .shape = {3, 2, 2}};
    check_failure(losses_read(path, &losses, &failure), &failure);
    free(losses.values);
    check_failure(class_weights_read(path, &logits, &weights, &failure), &failure);
    free(weights);
    for (int binary = 0; binary < 3; ++binary) {
        const struct label_rules rules = {.ignore_index = 255, .ignored = {0}, .ignored_count = (size_t)binary / 2};
        check_failure(labels_read(path, &rules, binary < 2 ? &logits : NULL, binary == 1, &labels, &failure), &failure);
        for (uint64_t i = 0; labels.values != NULL && i < labels_pixels(&labels); ++i)
            (void)labels_get(&labels, i);
        free(labels.values);
    }
    for (int layout = CLMP_LAYOUT_NCHW; layout <= CLMP_LAYOUT_NHWC; ++layout) {
        const bool good = logits_read(path, (clmp_layout)layout, &logits, &failure);
        fuzz_assert(!good || logits.images * logits.classes * logits.height * logits.width == logits.header.elements,
                    "another shape");
        check_failure(good, &failure);
        free(logits.values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct npy_header header, piped_header;
    const char *path = fuzz_file(data, size);
    void *values = read_all(path, &header);
    if (values != NULL) {
        check_data(data, size, &header, values);
        check_round_trip(&header);
    }
    read_as_tensors(path);
    const char *pipe = fuzz_pipe(data, size);
    if (pipe != NULL) {
        void *piped = read_all(pipe, &piped_header);
        fuzz_assert((piped != NULL) == (values != NULL), "a pipe is not what a file is");
        if (piped != NULL)
            check_data(data, size, &piped_header, piped);
        free(piped);
        fuzz_pipe_close();
    }
    free(values);
    return 0;
}

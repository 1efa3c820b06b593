/* SPDX-License-Identifier: Apache-2.0 */
#include "tensors.h"

#include "png_labels.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_TYPES (NPY_BIT(NPY_UINT8) | NPY_BIT(NPY_UINT16) | NPY_BIT(NPY_INT32) | NPY_BIT(NPY_INT64))

/* float32 from what was read, which is freed. */
static float *widen(void *values, enum npy_type type, uint64_t elements) {
    if (type == NPY_FLOAT32)
        return values;
    float *widened = elements <= SIZE_MAX / sizeof *widened ? malloc((size_t)elements * sizeof *widened) : NULL;
    for (size_t i = 0; widened != NULL && i < elements; ++i)
        widened[i] =
            type == NPY_FLOAT16 ? npy_half_to_float(((const uint16_t *)values)[i]) : (float)((const double *)values)[i];
    free(values);
    return widened;
}

static bool read_logits(struct input *input, struct logits *logits, struct failure *failure) {
    struct npy_header *header = &logits->header;
    char shape[NPY_SHAPE_TEXT];
    void *values = NULL;
    if (!npy_read_header(input, NPY_BIT(NPY_FLOAT32) | NPY_BIT(NPY_FLOAT16), header, failure))
        return false;
    if (header->dims != 3 && header->dims != 4)
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected (C,H,W) or (N,C,H,W)", input->path,
                         npy_shape_text(header->shape, header->dims, shape));
    const uint64_t *last = header->shape + header->dims - 3;
    logits->images = header->dims == 4 ? header->shape[0] : 1;
    logits->classes = last[0];
    logits->height = last[1];
    logits->width = last[2];
    if (!npy_read_data(input, header, &values, failure))
        return false;
    logits->values = widen(values, header->type, header->elements);
    return logits->values != NULL || fail_memory(failure, input->path);
}

bool logits_read(const char *path, struct logits *logits, struct failure *failure) {
    struct input input;
    *logits = (struct logits){.path = path};
    const bool good = input_open(&input, path, failure) && read_logits(&input, logits, failure);
    input_close(&input);
    return good;
}

/* Labels are (N, H, W); one image may go without the N.  Logits are of that size, or smaller: then interpolated. */
static bool check_label_shape(const char *path, const uint64_t *shape, size_t dims, const struct logits *logits,
                              struct labels *labels, struct failure *failure) {
    const uint64_t *size = shape + (dims == 3);
    char found[NPY_SHAPE_TEXT], expected[NPY_SHAPE_TEXT];
    if (dims != 2 && dims != 3 && logits == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected (H,W) or (N,H,W)", path,
                         npy_shape_text(shape, dims, found));
    if (dims == 2 || dims == 3)
        *labels = (struct labels){.images = dims == 3 ? shape[0] : 1, .height = size[0], .width = size[1]};
    if (logits == NULL)
        return true;
    if ((dims != 3 || shape[0] != logits->images) && (dims != 2 || logits->images != 1)) {
        const uint64_t whole[] = {logits->images, logits->height, logits->width};
        const size_t without = logits->header.dims == 3 ? 1 : 0;
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected %s, or larger images, as %s", path,
                         npy_shape_text(shape, dims, found), npy_shape_text(whole + without, 3 - without, expected),
                         logits->path);
    }
    if (size[0] < logits->height || size[1] < logits->width)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%s has %" PRIu64 " x %" PRIu64 " labels an image, but %s has %" PRIu64 " x %" PRIu64
                         " logits a class: logits cannot be larger than the labels",
                         path, size[0], size[1], logits->path, logits->height, logits->width);
    return true;
}

static bool read_npy_labels(struct input *input, const struct logits *logits, struct labels *labels,
                            struct failure *failure) {
    struct npy_header header;
    if (!npy_read_header(input, LABEL_TYPES, &header, failure) ||
        !check_label_shape(input->path, header.shape, header.dims, logits, labels, failure) ||
        !npy_read_data(input, &header, &labels->values, failure))
        return false;
    labels->type = header.type == NPY_UINT8    ? CLMP_LABEL_UINT8
                   : header.type == NPY_UINT16 ? CLMP_LABEL_UINT16
                   : header.type == NPY_INT32  ? CLMP_LABEL_INT32
                                               : CLMP_LABEL_INT64;
    labels->element = npy_type_size(header.type);
    return true;
}

static bool read_png_labels(struct input *input, const struct logits *logits, struct labels *labels,
                            struct failure *failure) {
    uint64_t shape[2] = {0, 0};
    struct png_labels *png = png_labels_open(input, &shape[0], &shape[1], failure);
    bool good = png != NULL && check_label_shape(input->path, shape, 2, logits, labels, failure);
    if (good) {
        labels->type = CLMP_LABEL_UINT8;
        labels->element = 1;
        labels->values = malloc((size_t)(shape[0] * shape[1])); /* each below 2^31 */
        good =
            labels->values != NULL ? png_labels_read(png, labels->values, failure) : fail_memory(failure, input->path);
    }
    png_labels_close(png);
    return good;
}

bool labels_read(const char *path, const struct logits *logits, struct labels *labels, struct failure *failure) {
    struct input input;
    *labels = (struct labels){.values = NULL};
    bool good = input_open(&input, path, failure);
    if (good && npy_is(&input))
        good = read_npy_labels(&input, logits, labels, failure);
    else if (good && png_is(&input))
        good = read_png_labels(&input, logits, labels, failure);
    else if (good)
        good = fail_with(failure, EXIT_OF_INPUT, "%s is neither a .npy nor a PNG file", path);
    input_close(&input);
    return good;
}

uint64_t labels_pixels(const struct labels *labels) {
    return labels->images * labels->height * labels->width;
}

int64_t labels_get(const struct labels *labels, uint64_t pixel) {
    switch (labels->type) {
    case CLMP_LABEL_UINT8:
        return ((const uint8_t *)labels->values)[pixel];
    case CLMP_LABEL_UINT16:
        return ((const uint16_t *)labels->values)[pixel];
    case CLMP_LABEL_INT32:
        return ((const int32_t *)labels->values)[pixel];
    case CLMP_LABEL_INT64:
        break;
    }
    return ((const int64_t *)labels->values)[pixel];
}

/* "[1, 0, 3]" of the element at `index`. */
static void index_text(const struct npy_header *header, uint64_t index, char text[NPY_SHAPE_TEXT + 2]) {
    uint64_t at[NPY_MAX_DIMS];
    for (size_t i = header->dims; i-- > 0; index /= header->shape[i])
        at[i] = index % header->shape[i];
    size_t used = (size_t)sprintf(text, "[");
    for (size_t i = 0; i < header->dims; ++i)
        used += (size_t)sprintf(text + used, i == 0 ? "%" PRIu64 : ",%" PRIu64, at[i]);
    sprintf(text + used, "]");
}

static bool check_losses(const char *path, const struct losses *losses, struct failure *failure) {
    for (uint64_t i = 0; i < losses->header.elements; ++i)
        if (losses->values[i] < 0.0f) { /* not so for -0 and NaN */
            char index[NPY_SHAPE_TEXT + 2];
            index_text(&losses->header, i, index);
            return fail_with(failure, EXIT_OF_INPUT, "%s has %.9g at %s, expected losses >= 0", path,
                             (double)losses->values[i], index);
        }
    return true;
}

bool losses_read(const char *path, struct losses *losses, struct failure *failure) {
    struct input input;
    void *values = NULL;
    *losses = (struct losses){.values = NULL};
    bool good = input_open(&input, path, failure) &&
                npy_read_header(&input, NPY_BIT(NPY_FLOAT32), &losses->header, failure) &&
                npy_read_data(&input, &losses->header, &values, failure);
    losses->values = values;
    good = good && check_losses(path, losses, failure);
    input_close(&input);
    return good;
}

static bool read_class_weights(struct input *input, const struct logits *logits, float **weights,
                               struct failure *failure) {
    struct npy_header header;
    char shape[NPY_SHAPE_TEXT];
    void *values = NULL;
    if (!npy_read_header(input, NPY_BIT(NPY_FLOAT32) | NPY_BIT(NPY_FLOAT64), &header, failure))
        return false;
    if (header.dims != 1 || header.shape[0] != logits->classes)
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected %" PRIu64 " class weights as %s has classes",
                         input->path, npy_shape_text(header.shape, header.dims, shape), logits->classes, logits->path);
    if (!npy_read_data(input, &header, &values, failure))
        return false;
    for (size_t i = 0; i < header.elements; ++i) {
        const double value =
            header.type == NPY_FLOAT64 ? ((const double *)values)[i] : (double)((const float *)values)[i];
        if (!(value >= 0.0) || !isfinite((float)value)) {
            free(values);
            return fail_with(failure, EXIT_OF_INPUT, "%s has %.9g at [%zu], expected finite class weights >= 0",
                             input->path, value, i);
        }
    }
    *weights = widen(values, header.type, header.elements);
    return *weights != NULL || fail_memory(failure, input->path);
}

bool class_weights_read(const char *path, const struct logits *logits, float **weights, struct failure *failure) {
    struct input input;
    *weights = NULL;
    const bool good = input_open(&input, path, failure) && read_class_weights(&input, logits, weights, failure);
    input_close(&input);
    return good;
}

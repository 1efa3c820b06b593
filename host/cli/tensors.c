/* SPDX-License-Identifier: Apache-2.0 */
#include "tensors.h"

#include "png_input.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_TYPES (NPY_BIT(NPY_UINT8) | NPY_BIT(NPY_UINT16) | NPY_BIT(NPY_INT32) | NPY_BIT(NPY_INT64))

/* float32 from float64, which is freed. */
static float *narrow(double *values, uint64_t elements) {
    float *narrowed = elements <= SIZE_MAX / sizeof *narrowed ? malloc((size_t)elements * sizeof *narrowed) : NULL;
    for (size_t i = 0; narrowed != NULL && i < elements; ++i)
        narrowed[i] = (float)values[i];
    free(values);
    return narrowed;
}

static bool read_logits(struct input *input, struct logits *logits, struct failure *failure) {
    struct npy_header *header = &logits->header;
    const bool nhwc = logits->layout == CLMP_LAYOUT_NHWC;
    char shape[NPY_SHAPE_TEXT];
    if (!npy_read_header(input, NPY_BIT(NPY_FLOAT32) | NPY_BIT(NPY_FLOAT16), header, failure))
        return false;
    if (header->dims != 3 && header->dims != 4)
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected %s", input->path,
                         npy_shape_text(header->shape, header->dims, shape),
                         nhwc ? "(H,W,C) or (N,H,W,C)" : "(C,H,W) or (N,C,H,W)");
    const uint64_t *last = header->shape + header->dims - 3;
    logits->images = header->dims == 4 ? header->shape[0] : 1;
    logits->classes = last[nhwc ? 2 : 0];
    logits->height = last[nhwc ? 0 : 1];
    logits->width = last[nhwc ? 1 : 2];
    logits->type = header->type == NPY_FLOAT16 ? CLMP_FLOAT16 : CLMP_FLOAT32;
    logits->bytes = (size_t)header->elements * npy_type_size(header->type);
    return npy_read_data(input, header, &logits->values, failure);
}

bool logits_read(const char *path, clmp_layout layout, struct logits *logits, struct failure *failure) {
    struct input input;
    *logits = (struct logits){.path = path, .layout = layout};
    const bool good = input_open(&input, path, failure) && read_logits(&input, logits, failure);
    input_close(&input);
    return good;
}

void logits_describe(const struct logits *logits, clmp_plan_params *params) {
    params->images = logits->images;
    params->classes = logits->classes;
    params->logits_height = logits->height;
    params->logits_width = logits->width;
    params->logits_type = logits->type;
    params->logits_layout = logits->layout;
}

bool loss_is_binary(clmp_loss loss) {
    return loss == CLMP_LOSS_BINARY_CROSS_ENTROPY || loss == CLMP_LOSS_BINARY_FOCAL;
}

/* Whether the sizes before H and W are those of label maps for the logits: N; for a binary loss N and C.  What is 1 may
 * be left out. */
static bool planes_fit(const uint64_t *shape, size_t count, const struct logits *logits, bool binary) {
    const uint64_t images = logits->images, channels = binary ? logits->classes : 1;
    if (count == 2)
        return binary && shape[0] == images && shape[1] == channels;
    if (count == 1)
        return shape[0] == images * channels && (images == 1 || channels == 1);
    return images == 1 && channels == 1;
}

static bool fail_shape(const char *path, const uint64_t *shape, size_t dims, const struct logits *logits, bool binary,
                       struct failure *failure) {
    char found[NPY_SHAPE_TEXT], expected[NPY_SHAPE_TEXT];
    if (logits == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected (H,W) or (N,H,W)", path,
                         npy_shape_text(shape, dims, found));
    const uint64_t four[] = {logits->images, logits->classes, logits->height, logits->width};
    const uint64_t three[] = {logits->images, logits->height, logits->width};
    const uint64_t *whole = binary ? four : three;
    const size_t without = logits->header.dims == 3 ? 1 : 0;
    return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected %s%s, as %s", path, npy_shape_text(shape, dims, found),
                     npy_shape_text(whole + without, (binary ? 4 : 3) - without, expected),
                     binary ? "" : ", or larger images", logits->path);
}

/* Logits are of the labels' size, or smaller: then interpolated. */
static bool check_label_shape(const char *path, const uint64_t *shape, size_t dims, const struct logits *logits,
                              bool binary, struct labels *labels, struct failure *failure) {
    const size_t before = dims - 2;
    if (dims < 2 || dims > 4 || (logits == NULL ? dims == 4 : !planes_fit(shape, before, logits, binary)))
        return fail_shape(path, shape, dims, logits, binary, failure);
    *labels = (struct labels){.planes = 1, .height = shape[before], .width = shape[before + 1]};
    for (size_t i = 0; i < before; ++i)
        labels->planes *= shape[i];
    if (logits != NULL && (labels->height < logits->height || labels->width < logits->width))
        return fail_with(failure, EXIT_OF_INPUT,
                         "%s has %" PRIu64 " x %" PRIu64 " labels an image, but %s has %" PRIu64 " x %" PRIu64
                         " logits a class: logits cannot be larger than the labels",
                         path, labels->height, labels->width, logits->path, logits->height, logits->width);
    return true;
}

static bool read_npy_labels(struct input *input, const struct logits *logits, bool binary, struct labels *labels,
                            struct failure *failure) {
    struct npy_header header;
    if (!npy_read_header(input, LABEL_TYPES, &header, failure) ||
        !check_label_shape(input->path, header.shape, header.dims, logits, binary, labels, failure) ||
        !npy_read_data(input, &header, &labels->values, failure))
        return false;
    labels->type = header.type == NPY_UINT8    ? CLMP_LABEL_UINT8
                   : header.type == NPY_UINT16 ? CLMP_LABEL_UINT16
                   : header.type == NPY_INT32  ? CLMP_LABEL_INT32
                                               : CLMP_LABEL_INT64;
    labels->element = npy_type_size(header.type);
    return true;
}

static bool check_kind(const char *path, const struct png_facts *facts, struct failure *failure) {
    static const char *const kinds[] = {"grey", "grey with alpha", "palette", "RGB", "RGBA"};
    if ((facts->kind == PNG_GREY || facts->kind == PNG_PALETTE) && facts->depth <= 8)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "%s is a %s PNG of %d bits, expected 8-bit grey or palette", path,
                     kinds[facts->kind], facts->depth);
}

static bool read_png_labels(struct input *input, const struct logits *logits, bool binary, struct labels *labels,
                            struct failure *failure) {
    struct png_facts facts;
    struct png_input *png = png_input_open(input, &facts, failure);
    const uint64_t shape[2] = {png != NULL ? facts.height : 0, png != NULL ? facts.width : 0};
    bool good = png != NULL && check_kind(input->path, &facts, failure) &&
                check_label_shape(input->path, shape, 2, logits, binary, labels, failure);
    if (good) {
        labels->type = CLMP_LABEL_UINT8;
        labels->element = 1;
        labels->values = malloc((size_t)(shape[0] * shape[1])); /* each below 2^31 */
        good = labels->values != NULL ? png_input_values(png, labels->values) : fail_memory(failure, input->path);
    }
    png_input_close(png);
    return good;
}

bool labels_read(const char *path, const struct logits *logits, bool binary, struct labels *labels,
                 struct failure *failure) {
    struct input input;
    *labels = (struct labels){.values = NULL};
    bool good = input_open(&input, path, failure);
    if (good && npy_is(&input))
        good = read_npy_labels(&input, logits, binary, labels, failure);
    else if (good && png_is(&input))
        good = read_png_labels(&input, logits, binary, labels, failure);
    else if (good)
        good = fail_with(failure, EXIT_OF_INPUT, "%s is neither a .npy nor a PNG file", path);
    input_close(&input);
    return good;
}

uint64_t labels_pixels(const struct labels *labels) {
    return labels->planes * labels->height * labels->width;
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
    uint64_t at[NPY_MAX_DIMS] = {0};
    for (size_t i = header->dims; i-- > 0; index /= header->shape[i])
        at[i] = index % header->shape[i];
    const size_t size = NPY_SHAPE_TEXT + 2;
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < header->dims; ++i)
        used += (size_t)snprintf(text + used, size - used, i == 0 ? "%" PRIu64 : ",%" PRIu64, at[i]);
    snprintf(text + used, size - used, "]");
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
    *weights = header.type == NPY_FLOAT64 ? narrow(values, header.elements) : values;
    return *weights != NULL || fail_memory(failure, input->path);
}

bool class_weights_read(const char *path, const struct logits *logits, float **weights, struct failure *failure) {
    struct input input;
    *weights = NULL;
    const bool good = input_open(&input, path, failure) && read_class_weights(&input, logits, weights, failure);
    input_close(&input);
    return good;
}

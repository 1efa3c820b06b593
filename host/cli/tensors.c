/* SPDX-License-Identifier: Apache-2.0 */
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    *logits = (struct logits){.path = input_name(path), .layout = layout};
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
    good = good && check_losses(input_name(path), losses, failure);
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
    bool positive = false;
    for (size_t i = 0; i < header.elements; ++i) {
        const double value =
            header.type == NPY_FLOAT64 ? ((const double *)values)[i] : (double)((const float *)values)[i];
        if (!(value >= 0.0) || !isfinite((float)value)) {
            free(values);
            return fail_with(failure, EXIT_OF_INPUT, "%s has %.9g at [%zu], expected finite class weights >= 0",
                             input->path, value, i);
        }
        positive = positive || value > 0.0;
    }
    if (!positive) {
        free(values);
        return fail_with(failure, EXIT_OF_INPUT, "%s has class weights that are all 0, expected at least one above 0",
                         input->path);
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

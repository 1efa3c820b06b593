/* SPDX-License-Identifier: Apache-2.0 */
#include "convolution.h"

#include "direct.h"

bool convolution_make(struct engine *engine, bool training, struct convolution *convolution, struct failure *failure) {
    convolution->rows = (convolution->height + convolution->stride - 1) / convolution->stride;
    convolution->row = (convolution->width + convolution->stride - 1) / convolution->stride;
    convolution->direct = engine->direct;
    if (convolution->direct)
        return direct_make(engine, training, convolution, failure);
    return engine_floats(engine, "columns", NULL, 9 * convolution->inputs * convolution->rows * convolution->row,
                         &convolution->columns, failure);
}

void convolution_free(struct convolution *convolution) {
    cl_mem *const buffers[] = {&convolution->columns, &convolution->input_planes, &convolution->gradient_planes,
                               &convolution->tiles,   &convolution->table,        &convolution->adjoint_table};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        engine_release(buffers[i], 1);
}

/* ------------------------------------------------------------------------------------------- products of matrices */

static size_t input_pixels(const struct convolution *convolution) {
    return convolution->height * convolution->width;
}

static size_t output_pixels(const struct convolution *convolution) {
    return convolution->rows * convolution->row;
}

static bool make_columns(struct engine *engine, const struct convolution *convolution, cl_mem input, size_t image,
                         struct failure *failure) {
    return ENGINE_LAUNCH(engine, TRAIN_IM2COL, convolution->rows, 9 * convolution->inputs, 0, failure, of_mem(input),
                         of_ulong(image * convolution->inputs * input_pixels(convolution)), of_int(convolution->height),
                         of_int(convolution->width), of_int(convolution->rows), of_int(convolution->row),
                         of_int(convolution->stride), of_int(convolution->dilation), of_mem(convolution->columns));
}

static struct matrix columns_of(const struct convolution *convolution, bool transposed) {
    return (struct matrix){convolution->columns, 0, output_pixels(convolution), transposed};
}

/* One image's numbers of the output's size. */
static struct matrix image_of(const struct convolution *convolution, cl_mem mem, size_t image) {
    const size_t pixels = output_pixels(convolution);
    return (struct matrix){mem, image * convolution->outputs * pixels, pixels, false};
}

bool convolution_forward(struct engine *engine, const struct convolution *convolution, cl_mem input, cl_mem weights,
                         size_t at, cl_mem output, struct failure *failure) {
    if (convolution->direct)
        return direct_forward(engine, convolution, input, weights, at, output, failure);
    const size_t depth = 9 * convolution->inputs;
    bool good = true;
    for (size_t i = 0; i < convolution->images && good; ++i)
        good = make_columns(engine, convolution, input, i, failure) &&
               engine_multiply(engine, convolution->outputs, output_pixels(convolution), depth,
                               (struct matrix){weights, at, depth, false}, columns_of(convolution, false), 0.0f,
                               image_of(convolution, output, i), failure);
    return good;
}

bool convolution_weight_gradient(struct engine *engine, const struct convolution *convolution, cl_mem input,
                                 cl_mem gradient, bool by_image, cl_mem sums, size_t sums_at, struct failure *failure) {
    if (convolution->direct)
        return direct_weight_gradient(engine, convolution, gradient, by_image, sums, sums_at, failure);
    const size_t depth = 9 * convolution->inputs;
    bool good = true;
    for (size_t i = 0; i < convolution->images && good; ++i) {
        const size_t part = by_image ? i : 0;
        good = make_columns(engine, convolution, input, i, failure) &&
               engine_multiply(
                   engine, convolution->outputs, depth, output_pixels(convolution), image_of(convolution, gradient, i),
                   columns_of(convolution, true), i == part ? 0.0f : 1.0f,
                   (struct matrix){sums, sums_at + part * convolution->outputs * depth, depth, false}, failure);
    }
    return good;
}

bool convolution_input_gradient(struct engine *engine, const struct convolution *convolution, cl_mem gradient,
                                cl_mem weights, size_t at, bool add, cl_mem input_gradient, struct failure *failure) {
    if (convolution->direct)
        return direct_input_gradient(engine, convolution, weights, at, add, input_gradient, failure);
    const size_t depth = 9 * convolution->inputs;
    bool good = true;
    for (size_t i = 0; i < convolution->images && good; ++i)
        good = engine_multiply(engine, depth, output_pixels(convolution), convolution->outputs,
                               (struct matrix){weights, at, depth, true}, image_of(convolution, gradient, i), 0.0f,
                               columns_of(convolution, false), failure) &&
               ENGINE_LAUNCH(engine, TRAIN_COL2IM, convolution->height, convolution->inputs, 0, failure,
                             of_mem(convolution->columns), of_int(convolution->height), of_int(convolution->width),
                             of_int(convolution->rows), of_int(convolution->row), of_int(convolution->stride),
                             of_int(convolution->dilation), of_int(add), of_mem(input_gradient),
                             of_ulong(i * convolution->inputs * input_pixels(convolution)));
    return good;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "direct.h"

#include <stdlib.h>

/* As in direct.cl. */
enum { LANES = 16, TILE = 8, BLOCK = 2, TAPS = 9, TABLE = 4 + 2 * TAPS };

/* How many times `to` holds `value`. */
static size_t times(size_t value, size_t to) {
    return (value + to - 1) / to;
}

/* Planes of `height` rows with a border of the dilation, from which sixteens of `row` numbers are read for each tap. */
static struct planes planes_of(cl_mem mem, size_t height, size_t row, size_t stride, size_t dilation) {
    struct planes planes = {.mem = mem, .border = dilation, .stride = stride};
    /* the last sixteen's last number, moved by the last tap */
    planes.pitch = times(times(row, LANES) * LANES + 2 * dilation / stride + 1, LANES) * LANES;
    planes.rows = height + 2 * dilation + stride; /* at most stride - 1 more than what is there are read */
    planes.plane = planes.rows * stride * planes.pitch;
    return planes;
}

struct planes direct_input_planes(const struct convolution *convolution) {
    return planes_of(convolution->input_planes, convolution->height, convolution->row, convolution->stride,
                     convolution->dilation);
}

struct planes direct_gradient_planes(const struct convolution *convolution) {
    return planes_of(convolution->gradient_planes, convolution->rows, convolution->row, 1, convolution->dilation);
}

/* For the output (y, x): row stride y + dilation ky of the input's planes, there number stride x + dilation kx. */
static void fill_table(const struct convolution *convolution, cl_int *table) {
    const size_t stride = convolution->stride, pitch = direct_input_planes(convolution).pitch;
    table[0] = TAPS;
    table[1] = table[2] = table[3] = 0;
    for (size_t tap = 0; tap < TAPS; ++tap) {
        const size_t down = convolution->dilation * (tap / 3), right = convolution->dilation * (tap % 3);
        table[4 + tap] = (cl_int)((down * stride + right % stride) * pitch + right / stride);
        table[4 + TAPS + tap] = (cl_int)tap;
    }
}

/* Where stride (y - place) + ... = remainder + dilation (1 - k): how many numbers further a tap's is; false: between
 * two. */
static bool adjoint_offset(const struct convolution *convolution, size_t remainder, size_t k, size_t *offset) {
    /* the border is added before it is divided, as it is stride times as much */
    const size_t moved = remainder + convolution->dilation * (convolution->stride + 1) - convolution->dilation * k;
    *offset = moved / convolution->stride;
    return moved % convolution->stride == 0;
}

/* For number (stride y + row, stride x + column) of the input: all (y', x') of the output whose taps see it. */
static void fill_adjoint_tables(const struct convolution *convolution, cl_int *table) {
    const size_t stride = convolution->stride, pitch = direct_gradient_planes(convolution).pitch;
    for (size_t phase = 0; phase < stride * stride; ++phase, table += TABLE) {
        cl_int taps = 0;
        for (size_t tap = 0; tap < TAPS; ++tap) {
            size_t down = 0, right = 0;
            if (!adjoint_offset(convolution, phase / stride, tap / 3, &down) ||
                !adjoint_offset(convolution, phase % stride, tap % 3, &right))
                continue;
            table[4 + taps] = (cl_int)(down * pitch + right);
            table[4 + TAPS + taps++] = (cl_int)tap;
        }
        table[0] = taps;
        table[1] = (cl_int)(phase / stride);
        table[2] = (cl_int)(phase % stride);
    }
}

/* Zeros, which the room around the numbers keeps. */
static bool make_planes(struct engine *engine, size_t count, cl_mem *mem, struct failure *failure) {
    return engine_floats(engine, "activations", NULL, count, mem, failure) &&
           engine_zero(engine, *mem, count * sizeof(float), failure);
}

bool direct_make(struct engine *engine, bool training, struct convolution *convolution, struct failure *failure) {
    const size_t stride = convolution->stride, phases = stride * stride;
    const size_t images = convolution->images, inputs = convolution->inputs, outputs = convolution->outputs;
    const size_t forward = times(outputs, TILE) * TILE * inputs * TAPS;
    const size_t backward = phases * times(inputs, TILE) * TILE * outputs * TAPS;
    cl_int table[TABLE] = {0}, *adjoint = calloc(phases, sizeof table);
    if (adjoint == NULL)
        return fail_memory(failure, "a convolution");
    fill_table(convolution, table);
    fill_adjoint_tables(convolution, adjoint);
    const bool good =
        session_buffer(&engine->session, "a table", table, sizeof table, &convolution->table, failure) &&
        session_buffer(&engine->session, "a table", adjoint, phases * sizeof table, &convolution->adjoint_table,
                       failure) &&
        engine_floats(engine, "weights", NULL, forward > backward ? forward : backward, &convolution->tiles, failure) &&
        make_planes(engine, images * inputs * direct_input_planes(convolution).plane, &convolution->input_planes,
                    failure) &&
        (!training || make_planes(engine, images * outputs * direct_gradient_planes(convolution).plane,
                                  &convolution->gradient_planes, failure));
    free(adjoint);
    return good;
}

static bool to_planes(struct engine *engine, cl_mem from, size_t channels, size_t height, size_t width,
                      struct planes planes, struct failure *failure) {
    return from == NULL || ENGINE_LAUNCH(engine, TRAIN_PLANES, channels, 1, 1, failure, of_mem(from), of_int(height),
                                         of_int(width), PLACE_IN(planes));
}

bool direct_forward(struct engine *engine, const struct convolution *convolution, cl_mem input, cl_mem weights,
                    size_t at, cl_mem output, struct failure *failure) {
    const struct planes planes = direct_input_planes(convolution);
    const size_t images = convolution->images, inputs = convolution->inputs, outputs = convolution->outputs;
    const size_t tiles = times(outputs, TILE), units = times(convolution->row, LANES) * convolution->rows;
    return to_planes(engine, input, images * inputs, convolution->height, convolution->width, planes, failure) &&
           ENGINE_LAUNCH(engine, TRAIN_TILES, inputs, tiles, 1, failure, of_mem(weights), of_ulong(at), of_int(outputs),
                         of_int(0), of_mem(convolution->table), of_mem(convolution->tiles)) &&
           ENGINE_LAUNCH(engine, TRAIN_CONVOLVE, times(units, BLOCK), images * tiles, 1, failure,
                         of_mem(convolution->input_planes), of_int(inputs), of_ulong(planes.plane),
                         of_int(planes.pitch * convolution->stride * convolution->stride), of_mem(convolution->tiles),
                         of_mem(convolution->table), of_int(1), of_int(outputs), of_int(1), of_int(convolution->rows),
                         of_int(convolution->row), of_int(0), of_mem(output));
}

bool direct_weight_gradient(struct engine *engine, const struct convolution *convolution, cl_mem gradient,
                            bool by_image, cl_mem sums, size_t sums_at, struct failure *failure) {
    enum { INPUTS = 2, OUTPUTS = 4 }; /* of a work-item */
    const struct planes of_input = direct_input_planes(convolution), of_gradient = direct_gradient_planes(convolution);
    const size_t images = convolution->images, inputs = convolution->inputs, outputs = convolution->outputs;
    const size_t parts = by_image ? images : 1, border = convolution->dilation;
    return to_planes(engine, gradient, images * outputs, convolution->rows, convolution->row, of_gradient, failure) &&
           ENGINE_LAUNCH(engine, TRAIN_WEIGHT_GRADIENT, times(inputs, INPUTS), parts * times(outputs, OUTPUTS), 1,
                         failure, of_mem(convolution->input_planes), of_int(inputs), of_ulong(of_input.plane),
                         of_int(of_input.pitch * convolution->stride * convolution->stride),
                         of_mem(convolution->gradient_planes), of_int(outputs), of_ulong(of_gradient.plane),
                         of_int(of_gradient.pitch), of_ulong(border * of_gradient.pitch + border),
                         of_int(convolution->rows), of_int(times(convolution->row, LANES)), of_int(images / parts),
                         of_mem(convolution->table), of_mem(sums), of_ulong(sums_at));
}

bool direct_input_gradient(struct engine *engine, const struct convolution *convolution, cl_mem weights, size_t at,
                           bool add, cl_mem input_gradient, struct failure *failure) {
    const struct planes planes = direct_gradient_planes(convolution);
    const size_t stride = convolution->stride, phases = stride * stride;
    const size_t inputs = convolution->inputs, outputs = convolution->outputs, tiles = times(inputs, TILE);
    const size_t units = times(convolution->row, LANES) * convolution->rows;
    return ENGINE_LAUNCH(engine, TRAIN_TILES, outputs, phases * tiles, 1, failure, of_mem(weights), of_ulong(at),
                         of_int(inputs), of_int(1), of_mem(convolution->adjoint_table), of_mem(convolution->tiles)) &&
           ENGINE_LAUNCH(engine, TRAIN_CONVOLVE, times(units, BLOCK), convolution->images * tiles * phases, 1, failure,
                         of_mem(convolution->gradient_planes), of_int(outputs), of_ulong(planes.plane),
                         of_int(planes.pitch), of_mem(convolution->tiles), of_mem(convolution->adjoint_table),
                         of_int(phases), of_int(inputs), of_int(stride), of_int(convolution->height),
                         of_int(convolution->width), of_int(add), of_mem(input_gradient));
}

/*
 * The trainer's convolutions, by both ways, and what they are made of, against plain C in double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convolution.h"
#include "train_support.h"

#include <math.h>
#include <string.h>

static const struct {
    size_t channels, height, width, stride, dilation;
} cuts[] = {{1, 1, 1, 1, 1}, {3, 9, 7, 2, 1},   {2, 8, 16, 1, 1}, {4, 23, 30, 1, 4},
            {2, 2, 3, 1, 4}, {3, 10, 18, 2, 1}, {2, 5, 33, 1, 2}, {1, 3, 2, 2, 1}};
enum { CUTS = sizeof cuts / sizeof *cuts };

/* The columns by their definition, and the adjoint by <columns(x), c> = <x, adjoint(c)>. */
START_TEST(columns_are_as_defined_and_so_is_their_adjoint) {
    const size_t channels = cuts[_i].channels, height = cuts[_i].height, width = cuts[_i].width;
    const size_t stride = cuts[_i].stride;
    const long dilation = (long)cuts[_i].dilation;
    const size_t rows = (height + stride - 1) / stride, row = (width + stride - 1) / stride;
    const size_t size = channels * height * width, columns = channels * 9 * rows * row, shift = 5;
    struct chance chance = chance_of(1, (uint64_t)_i);
    float *x = normals(&chance, size + shift), *c = normals(&chance, columns), *before = normals(&chance, size);
    cl_mem image = floats_of(x, size + shift), of_columns = floats_of(NULL, columns), given = floats_of(c, columns);
    ck_train(ENGINE_LAUNCH(&engine, TRAIN_IM2COL, rows, 9 * channels, 0, &failure, of_mem(image), of_ulong(shift),
                           of_int(height), of_int(width), of_int(rows), of_int(row), of_int(stride),
                           of_int((size_t)dilation), of_mem(of_columns)));
    float *got = read_floats(of_columns, columns);
    for (size_t i = 0; i < columns; ++i) {
        const long tap = (long)(i / (rows * row) % 9);
        const long y = (long)(i / row % rows * stride) + dilation * (tap / 3 - 1);
        const long at = (long)(i % row * stride) + dilation * (tap % 3 - 1);
        const bool inside = y >= 0 && y < (long)height && at >= 0 && at < (long)width;
        const size_t from = i / (9 * rows * row) * height * width + (size_t)y * width + (size_t)at;
        ck_assert_float_eq(got[i], inside ? x[shift + from] : 0.0f);
    }
    for (int add = 0; add < 2; ++add) {
        cl_mem adjoint = floats_of(before, size);
        ck_train(ENGINE_LAUNCH(&engine, TRAIN_COL2IM, height, channels, 0, &failure, of_mem(given), of_int(height),
                               of_int(width), of_int(rows), of_int(row), of_int(stride), of_int((size_t)dilation),
                               of_int((size_t)add), of_mem(adjoint), of_ulong(0)));
        float *to = read_floats(adjoint, size);
        const double want = dot(got, c, columns) + (add ? dot(before, x + shift, size) : 0.0);
        ck_assert_double_eq_tol(dot(to, x + shift, size), want, 1e-5 * (1.0 + (double)columns));
        free(to);
        clReleaseMemObject(adjoint);
    }
    clReleaseMemObject(image);
    clReleaseMemObject(of_columns);
    clReleaseMemObject(given);
    free(x);
    free(c);
    free(before);
    free(got);
}
END_TEST

/* By its definition, in double; and a bound for what float32 may be off: |sum| of magnitudes. */
struct sum {
    double value, magnitude;
};

static void add_product(struct sum *sum, float a, float b) {
    sum->value += (double)a * (double)b;
    sum->magnitude += fabs((double)a * (double)b);
}

/* Of the output, the weights' gradient and the input's gradient. */
struct sums_of_convolution {
    struct sum *output, *weights, *input;
};

static void convolve(const struct convolution *c, const float *x, const float *w, const float *g, size_t image,
                     struct sums_of_convolution *sums) {
    for (size_t to = 0; to < c->outputs; ++to)
        for (size_t from = 0; from < c->inputs; ++from)
            for (size_t tap = 0; tap < 9; ++tap)
                for (size_t i = 0; i < c->rows * c->row; ++i) {
                    const long y = (long)(i / c->row * c->stride) + (long)c->dilation * ((long)tap / 3 - 1);
                    const long at = (long)(i % c->row * c->stride) + (long)c->dilation * ((long)tap % 3 - 1);
                    if (y < 0 || y >= (long)c->height || at < 0 || at >= (long)c->width)
                        continue;
                    const size_t weight = (to * c->inputs + from) * 9 + tap;
                    const size_t out = (image * c->outputs + to) * c->rows * c->row + i;
                    const size_t in =
                        (image * c->inputs + from) * c->height * c->width + (size_t)y * c->width + (size_t)at;
                    add_product(&sums->output[out], w[weight], x[in]);
                    add_product(&sums->weights[image * c->outputs * c->inputs * 9 + weight], g[out], x[in]);
                    add_product(&sums->input[in], g[out], w[weight]);
                }
}

/* What float32 has of a sum of `terms` products, in any order. */
static void check_sums(const char *what, const float *got, const struct sum *want, size_t count, size_t terms) {
    for (size_t i = 0; i < count; ++i)
        ck_assert_msg(fabs((double)got[i] - want[i].value) <= (double)(terms + 2) * 0x1p-24 * want[i].magnitude,
                      "%s[%zu]: %.9g, expected %.9g", what, i, (double)got[i], want[i].value);
}

static const struct {
    size_t inputs, outputs, height, width, stride, dilation;
} shapes[] = {{1, 1, 1, 1, 1, 1},  {3, 16, 9, 7, 2, 1},   {2, 9, 8, 16, 1, 1},   {5, 8, 23, 30, 1, 4},
              {7, 3, 2, 3, 1, 4},  {3, 17, 10, 66, 2, 1}, {8, 4, 5, 33, 1, 2},   {1, 2, 3, 2, 2, 1},
              {4, 5, 7, 35, 2, 2}, {2, 1, 1, 50, 1, 1},   {16, 16, 4, 15, 1, 2}, {1, 7, 13, 1, 2, 2},
              {9, 1, 6, 17, 2, 1}, {3, 3, 31, 48, 1, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Both ways, and the sums of a batch and of each image.  Another pass gives the same bits, and an image's bits do not
   depend on how many there are. */
START_TEST(convolutions_are_as_defined) {
    enum { BATCH = 3, BEFORE = 5 };
    const bool own = engine.direct;
    struct convolution c = {.images = BATCH,
                            .inputs = shapes[_i % SHAPES].inputs,
                            .outputs = shapes[_i % SHAPES].outputs,
                            .height = shapes[_i % SHAPES].height,
                            .width = shapes[_i % SHAPES].width,
                            .stride = shapes[_i % SHAPES].stride,
                            .dilation = shapes[_i % SHAPES].dilation};
    engine.direct = _i < SHAPES;
    ck_train(convolution_make(&engine, true, &c, &failure));
    struct convolution single = c;
    single.images = 1;
    single.columns = single.input_planes = single.gradient_planes = single.tiles = NULL;
    single.table = single.adjoint_table = NULL;
    ck_train(convolution_make(&engine, true, &single, &failure));
    const size_t of_input = c.inputs * c.height * c.width, of_output = c.outputs * c.rows * c.row;
    const size_t of_weights = c.outputs * c.inputs * 9, pixels = c.rows * c.row;
    struct chance chance = chance_of(8, (uint64_t)_i);
    float *x = normals(&chance, BATCH * of_input), *w = normals(&chance, of_weights + BEFORE);
    float *g = normals(&chance, BATCH * of_output), *before = normals(&chance, BATCH * of_input);
    struct sums_of_convolution want = {calloc(BATCH * of_output, sizeof(struct sum)),
                                       calloc(BATCH * of_weights, sizeof(struct sum)),
                                       calloc(BATCH * of_input, sizeof(struct sum))};
    for (size_t image = 0; image < BATCH; ++image)
        convolve(&c, x, w + BEFORE, g, image, &want);
    cl_mem buffers[] = {floats_of(x, BATCH * of_input),
                        floats_of(w, of_weights + BEFORE),
                        floats_of(g, BATCH * of_output),
                        floats_of(NULL, BATCH * of_output),
                        floats_of(NULL, BATCH * of_weights + BEFORE),
                        floats_of(before, BATCH * of_input)};
    float *first[3] = {NULL, NULL, NULL};
    for (int pass = 0; pass < 2; ++pass) {
        ck_train(convolution_forward(&engine, &c, buffers[0], buffers[1], BEFORE, buffers[3], &failure));
        ck_train(convolution_weight_gradient(&engine, &c, buffers[0], buffers[2], true, buffers[4], BEFORE, &failure));
        ck_train(convolution_input_gradient(&engine, &c, buffers[2], buffers[1], BEFORE, false, buffers[5], &failure));
        float *got[3] = {read_floats(buffers[3], BATCH * of_output),
                         read_floats(buffers[4], BATCH * of_weights + BEFORE),
                         read_floats(buffers[5], BATCH * of_input)};
        check_sums("output", got[0], want.output, BATCH * of_output, c.inputs * 9);
        check_sums("gradient of weights", got[1] + BEFORE, want.weights, BATCH * of_weights, pixels);
        check_sums("gradient of the input", got[2], want.input, BATCH * of_input, c.outputs * 9);
        if (pass == 1) {
            ck_assert_mem_eq(got[0], first[0], BATCH * of_output * sizeof(float));
            ck_assert_mem_eq(got[1] + BEFORE, first[1] + BEFORE, BATCH * of_weights * sizeof(float));
            ck_assert_mem_eq(got[2], first[2], BATCH * of_input * sizeof(float));
        }
        for (int i = 0; i < 3; ++i) {
            free(first[i]);
            first[i] = got[i];
        }
    }
    for (size_t image = 0; image < BATCH; ++image) {
        cl_mem one[] = {floats_of(x + image * of_input, of_input), floats_of(g + image * of_output, of_output),
                        floats_of(NULL, of_output), floats_of(NULL, of_weights), floats_of(NULL, of_input)};
        ck_train(convolution_forward(&engine, &single, one[0], buffers[1], BEFORE, one[2], &failure));
        ck_train(convolution_weight_gradient(&engine, &single, one[0], one[1], true, one[3], 0, &failure));
        ck_train(convolution_input_gradient(&engine, &single, one[1], buffers[1], BEFORE, false, one[4], &failure));
        float *got[3] = {read_floats(one[2], of_output), read_floats(one[3], of_weights),
                         read_floats(one[4], of_input)};
        ck_assert_mem_eq(got[0], first[0] + image * of_output, of_output * sizeof(float));
        ck_assert_mem_eq(got[1], first[1] + BEFORE + image * of_weights, of_weights * sizeof(float));
        ck_assert_mem_eq(got[2], first[2] + image * of_input, of_input * sizeof(float));
        for (int i = 0; i < 3; ++i)
            free(got[i]);
        engine_release(one, sizeof one / sizeof *one);
    }
    /* the sum over the batch, and a gradient on top of another */
    ck_train(engine_write(&engine, buffers[5], 0, BATCH * of_input * sizeof(float), before, &failure));
    ck_train(convolution_weight_gradient(&engine, &c, buffers[0], buffers[2], false, buffers[4], BEFORE, &failure));
    ck_train(convolution_input_gradient(&engine, &c, buffers[2], buffers[1], BEFORE, true, buffers[5], &failure));
    for (size_t i = 0; i < BATCH * of_input; ++i)
        add_product(&want.input[i], before[i], 1.0f);
    for (size_t i = 0; i < of_weights; ++i)
        for (size_t image = 1; image < BATCH; ++image) {
            want.weights[i].value += want.weights[image * of_weights + i].value;
            want.weights[i].magnitude += want.weights[image * of_weights + i].magnitude;
        }
    float *got[2] = {read_floats(buffers[4], BATCH * of_weights + BEFORE), read_floats(buffers[5], BATCH * of_input)};
    check_sums("gradient of weights", got[0] + BEFORE, want.weights, of_weights, BATCH * pixels);
    check_sums("gradient of the input", got[1], want.input, BATCH * of_input, c.outputs * 9 + 1);
    engine_release(buffers, sizeof buffers / sizeof *buffers);
    convolution_free(&c);
    convolution_free(&single);
    engine.direct = own;
    float *const all[] = {x, w, g, before, first[0], first[1], first[2], got[0], got[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        free(all[i]);
    free(want.output);
    free(want.weights);
    free(want.input);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("convolution");
    TCase *quick = add_case(suite, "kernels", "quick full small");
    tcase_add_checked_fixture(quick, open_engine, close_engine);
    tcase_add_loop_test(quick, columns_are_as_defined_and_so_is_their_adjoint, 0, CUTS);
    tcase_add_loop_test(quick, convolutions_are_as_defined, 0, SHAPES);
    TCase *matrices = add_case(suite, "products of matrices", "full"); /* CLBlast takes long to compile */
    tcase_add_checked_fixture(matrices, open_engine, close_engine);
    tcase_add_loop_test(matrices, convolutions_are_as_defined, SHAPES, 2 * SHAPES);
    return host_test_main(suite);
}

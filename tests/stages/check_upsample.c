/*
 * Logits smaller than the labels: interpolated in the loss and the gradient stage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float class_weight_values[] = {1.0f, 0.25f, 3.7f, 0.0f};

static struct problem *training_step(uint64_t images, uint64_t classes, uint64_t h, uint64_t w, uint64_t height,
                                     uint64_t width, clmp_label_type type, const char *stream, int index) {
    struct problem *problem = problem_upsampled(images, classes, h, w, height, width, type);
    struct rng rng = rng_for(stream, (uint64_t)index);
    fill_logits_upsampled(problem, &rng);
    for (uint64_t c = 0; c < classes; c++)
        problem->class_weights[c] = class_weight_values[c % 4];
    return problem;
}

static void check_solved(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

/* ------------------------------------------------------------------------------------------------------------ ratios
 */

/* Logits and pixels of an axis: the factors with neighbouring lanes, odd ones, ratios that are none, 1 along one axis,
 * and more pixels to a logit than a tile has. */
static const uint64_t ratios[][2] = {{5, 10}, {4, 16}, {5, 40}, {3, 48},  {5, 15}, {3, 21}, {6, 9},   {15, 119}, {7, 7},
                                     {1, 1},  {1, 9},  {2, 37}, {97, 98}, {2, 2},  {1, 70}, {3, 100}, {4, 25}};
enum { RATIOS = sizeof ratios / sizeof *ratios };

START_TEST(every_ratio_is_accurate_and_has_the_reference_bits) {
    /* the same ratio both ways, or two */
    const uint64_t *rows = ratios[_i / 2], *columns = ratios[(_i / 2 + 5 * (_i % 2)) % RATIOS];
    struct problem *problem =
        training_step(1, 3, rows[0], columns[0], rows[1], columns[1], CLMP_LABEL_UINT8, "ratios", _i);
    problem->in.params.align_corners = _i % 2;
    check_solved(problem);
}
END_TEST

START_TEST(equal_sizes_have_the_bits_of_no_size_given) {
    struct problem *problem = training_step(2, 3, 7, 11, 7, 11, CLMP_LABEL_INT32, "equal sizes", 0);
    problem->in.params.align_corners = _i;
    struct outputs *got = assert_solved(problem);
    problem->in.params.logits_height = problem->in.params.logits_width = 0;
    struct outputs *plain = assert_solved(problem);
    assert_same_bits(problem, got, plain);
    outputs_free(got);
    outputs_free(plain);
    problem_free(problem);
}
END_TEST

/* What PyTorch 1.13 gives for interpolate(mode='bilinear') of the first of 0, 1, 4, 2, in float64. */
START_TEST(positions_are_those_of_pytorch) {
    static const struct {
        uint64_t logits, pixels;
        bool align_corners;
        double values[12];
    } known[] = {
        {3, 7, false, {0, 0.142857142857, 0.571428571429, 1, 2.285714285714, 3.571428571429, 4}},
        {4, 6, false, {0, 0.5, 1.5, 3.5, 3, 2}},
        {1, 3, false, {0, 0, 0}},
        {3, 12, false, {0, 0, 0.125, 0.375, 0.625, 0.875, 1.375, 2.125, 2.875, 3.625, 4, 4}},
        {3, 7, true, {0, 0.333333333333, 0.666666666667, 1, 2, 3, 4}},
        {4, 6, true, {0, 0.6, 1.6, 3.4, 3.2, 2}},
        {1, 3, true, {0, 0, 0}},
        {3,
         12,
         true,
         {0, 0.181818181818, 0.363636363636, 0.545454545455, 0.727272727273, 0.909090909091, 1.272727272727,
          1.818181818182, 2.363636363636, 2.909090909091, 3.454545454545, 4}},
    };
    static const float logits[] = {0, 1, 4, 2};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (int column = 0; column < 2; column++) {
            struct problem *problem =
                problem_upsampled(1, 1, column ? known[k].logits : 1, column ? 1 : known[k].logits,
                                  column ? known[k].pixels : 1, column ? 1 : known[k].pixels, CLMP_LABEL_UINT8);
            problem->in.params.align_corners = known[k].align_corners;
            memcpy(problem->logits, logits, known[k].logits * sizeof *logits);
            for (uint64_t i = 0; i < problem->pixels; i++) {
                long double x = 0.0L;
                upsample_exact_logits(&problem->in, i, &x);
                ck_assert_msg(fabsl(x - (long double)known[k].values[i]) < 1e-11L, "[%d] %.12Lf, not %.12f; %s", (int)i,
                              x, known[k].values[i], describe(problem));
            }
            problem_free(problem);
        }
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- accuracy
 */

static const uint64_t class_counts[] = {1, 2, 16, 17, 19, 33, 65, 150, 170};

START_TEST(every_class_count_is_accurate) {
    const uint64_t classes = class_counts[_i / 2];
    struct problem *problem =
        training_step(1, classes, 3, 4, _i % 2 ? 19 : 24, _i % 2 ? 25 : 32, CLMP_LABEL_UINT8, "upsampled classes", _i);
    check_solved(problem);
}
END_TEST

/* Logits from -50 to 50 without any order: neighbours disagree as much as they can. */
START_TEST(large_logits_are_accurate) {
    struct problem *problem =
        training_step(1, 3, 9, 9, _i % 2 ? 71 : 72, _i / 2 % 2 ? 71 : 72, CLMP_LABEL_UINT8, "large upsampled", _i);
    struct rng rng = rng_for("large", (uint64_t)_i);
    const float offset = _i / 4 % 2 ? 1e4f : 0.0f;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = offset + 100.0f * (float)(rng_uniform(&rng) - 0.5);
    problem->in.params.align_corners = _i / 8 % 2;
    check_solved(problem);
}
END_TEST

/* Differences that no weighting can make sense of still have losses, and their order of magnitude. */
/* Logits whose low parts would be subnormal, which devices may take for 0. */
START_TEST(tiny_logits_have_the_reference_bits) {
    static const struct {
        uint64_t width;
        float logits[6];
    } known[] = {{7, {1.5f, -0x1p-126f, 0.0f, 0.0f, -0x1.c42p+3f, -0x1.456p+3f}},
                 {21, {1.5f, -0x1p-126f, 0.0f, 0.0f, -0x1.3fp+3f, -0x1.f6p+0f}},
                 {28, {0.75f, -0x1p-126f, 0.0f, 0.0f, -0x1.ee4p+3f, -0x1.604p+2f}}};
    struct problem *problem = problem_upsampled(1, 3, 1, 2, 1, known[_i].width, CLMP_LABEL_UINT8);
    memcpy(problem->logits, known[_i].logits, sizeof known[_i].logits);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 1);
    check_solved(problem);
}
END_TEST

/* Levels on both sides of where an exponential is 0, and as far apart as logits may be that are not steep: a class
 * counts at both ends of a column, at one, or at none. */
START_TEST(classes_that_fade_along_a_column_have_the_reference_bits) {
    static const float levels[] = {0.0f, -3.0f, -45.0f, -85.9f, -86.1f, -100.0f, -126.0f};
    static const uint64_t heights[][2] = {{4, 32}, {4, 23}, {3, 48}, {4, 9}, {4, 16}, {5, 10}, {2, 70}, {9, 9}};
    const uint64_t *rows = heights[_i % 8];
    struct problem *problem =
        training_step(1, 5, rows[0], 6, rows[1], _i / 8 % 2 ? 48 : 41, CLMP_LABEL_UINT8, "fading", _i);
    struct rng rng = rng_for("fading logits", (uint64_t)_i);
    const uint64_t area = rows[0] * 6;
    for (uint64_t i = 0; i < area; i++) {
        for (uint64_t c = 0; c < 5; c++) {
            float *logit = &problem->logits[c * area + i];
            *logit = levels[rng_below(&rng, sizeof levels / sizeof *levels)] + (float)(0.3 * rng_uniform(&rng));
            if (_i / 16 && rng_below(&rng, 20) == 0)
                *logit = -INFINITY;
        }
        problem->logits[rng_below(&rng, 5) * area + i] = (float)rng_uniform(&rng);
    }
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, (int64_t)rng_below(&rng, 5));
    check_solved(problem);
}
END_TEST

START_TEST(huge_logits_have_the_reference_bits) {
    static const float sizes[] = {1e3f, 3e4f, 1e6f, 1e12f, 1e30f, 3e38f};
    struct problem *problem =
        training_step(1, 3, 6, 5, _i % 2 ? 47 : 48, _i % 2 ? 39 : 40, CLMP_LABEL_UINT8, "huge upsampled", _i);
    struct rng rng = rng_for("huge", (uint64_t)_i);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = sizes[_i / 2] * (float)(rng_uniform(&rng) - 0.5);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, got, want);
    long double *x = malloc(3 * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        upsample_exact_logits(&problem->in, i, x);
        long double most = fmaxl(x[0], fmaxl(x[1], x[2])), distance = most - x[get_label(problem, i)];
        ck_assert_msg(fabsl((long double)got->losses[i] - distance) <= 1.1L + 1e-6L * (long double)sizes[_i / 2],
                      "losses[%d] is %g, the label %Lg below the largest; %s", (int)i, (double)got->losses[i], distance,
                      describe(problem));
    }
    free(x);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(isfinite(got->gradient[i]));
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(options_work_with_interpolation) {
    static const double norms[] = {1.0, 1.3, 1.7, 4.0, INFINITY};
    struct problem *problem = training_step(3, 4, 3, 5, _i % 2 ? 24 : 23, _i % 2 ? 40 : 38, (clmp_label_type)(_i % 3),
                                            "upsampled options", _i);
    struct rng rng = rng_for("spoil upsampled", (uint64_t)_i);
    spoil(problem, &rng);
    for (uint64_t i = 0; _i % 4 == 3 && i < problem->pixels / 3; i++) /* an image without valid pixel */
        set_label(problem, i, 255);
    problem->in.params.p = norms[_i % 5];
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.class_weights = _i / 2 % 2 ? problem->class_weights : NULL;
    problem->in.params.align_corners = _i / 4 % 2;
    problem->in.gradient_scale = _i % 3 ? -3.5f : 1.0f;
    check_solved(problem);
}
END_TEST

START_TEST(weightings_work_with_interpolation) {
    struct problem *problem =
        training_step(2, 4, 3, 5, _i % 2 ? 24 : 23, _i % 2 ? 40 : 38, CLMP_LABEL_UINT8, "upsampled weightings", _i);
    struct rng rng = rng_for("spoil weightings", (uint64_t)_i);
    spoil(problem, &rng);
    problem->in.params.weighting = (clmp_weighting)(_i % 5);
    problem->in.params.ohem_thresh = 0.9;
    problem->in.params.ohem_min_kept = 100;
    problem->in.params.topk_count = _i % 2 ? 0 : 77;
    problem->in.params.sampling = (clmp_sampling)(_i % 3);
    problem->in.params.scope = _i / 5 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.class_weights = _i / 10 ? problem->class_weights : NULL;
    check_solved(problem);
}
END_TEST

START_TEST(class_weights_of_any_size_scale_the_gradient) {
    struct problem *problem = training_step(1, 3, 3, 3, 24, 24, CLMP_LABEL_UINT8, "weights of any size", 0);
    static const float units[] = {0x1p-60f, 0x1p60f, 0x1p-3f};
    struct outputs *plain = assert_solved(problem);
    for (uint64_t c = 0; c < 3; c++)
        problem->class_weights[c] = units[_i];
    problem->in.params.class_weights = problem->class_weights;
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(got->gradient[i] == units[_i] * plain->gradient[i]);
    outputs_free(plain);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- gradients
 */

static long double loss_at(struct problem *problem, uint64_t element, float value) {
    struct exact_result r[3];
    struct exact_output out = {.result = r};
    float before = problem->logits[element];
    problem->logits[element] = value;
    reference_exact(&problem->in, &out);
    problem->logits[element] = before;
    return r[0].loss;
}

START_TEST(gradient_is_the_slope_of_the_loss) {
    const float step = 0x1p-14f;
    struct problem *problem = problem_upsampled(2, 3, 3, 2, _i % 2 ? 6 : 7, _i / 2 % 2 ? 8 : 5, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("upsampled slope", (uint64_t)_i);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = step * (float)rng_below(&rng, 1 << 16);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, i == 4 ? 255 : (int64_t)rng_below(&rng, 3));
    problem->in.params.align_corners = _i / 4 % 2;
    problem->in.params.support = 0.3;
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->elements; i++) {
        float x = problem->logits[i];
        long double slope =
            (loss_at(problem, i, x + step) - loss_at(problem, i, x - step)) / (2.0L * (long double)step);
        ck_assert_msg(fabsl(slope - (long double)got->gradient[i]) < 1e-4L, "[%d] slope %.9Lg, gradient %.9g; %s",
                      (int)i, slope, (double)got->gradient[i], describe(problem));
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(the_adjoint_is_the_adjoint) {
    const uint64_t *rows = ratios[_i / 2], *columns = ratios[(_i / 2 + 3) % RATIOS];
    struct problem *problem = problem_upsampled(1, 2, rows[0], columns[0], rows[1], columns[1], CLMP_LABEL_UINT8);
    struct rng rng = rng_for("adjoint", (uint64_t)_i);
    problem->in.params.align_corners = _i % 2;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = (float)rng_normal(&rng);
    long double *adjoint = calloc(problem->elements, sizeof *adjoint), of_pixels = 0.0L, of_logits = 0.0L, x[2], y[2];
    ck_assert_ptr_nonnull(adjoint);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        upsample_exact_logits(&problem->in, i, x);
        for (int c = 0; c < 2; c++) {
            y[c] = (long double)rng_normal(&rng);
            of_pixels += x[c] * y[c];
        }
        upsample_exact_adjoint(&problem->in.params, i, y, adjoint);
    }
    for (uint64_t i = 0; i < problem->elements; i++)
        of_logits += (long double)problem->logits[i] * adjoint[i];
    ck_assert_msg(fabsl(of_pixels - of_logits) < 1e-15L * (long double)problem->pixels, "%.18Lg and %.18Lg; %s",
                  of_pixels, of_logits, describe(problem));
    free(adjoint);
    problem_free(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- borders
 */

START_TEST(constant_logits_give_one_loss) {
    struct problem *problem = problem_upsampled(1, 3, 3, 4, _i % 2 ? 24 : 25, _i / 2 % 2 ? 32 : 30, CLMP_LABEL_UINT8);
    static const float logits[] = {1.25f, -0.7f, 3.1f};
    problem->in.params.align_corners = _i / 4 % 2;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = logits[i / 12];
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 1);
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 1; i < problem->pixels; i++)
        ck_assert(got->losses[i] == got->losses[0]);
    /* every weight is 1 / n, so a logit's gradient is the share of the pixels that it makes */
    for (uint64_t i = 1; i < 12; i++)
        ck_assert(signbit(got->gradient[i]) == 0 && got->gradient[12 + i] < 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(corners_have_the_logits_of_the_corners) {
    struct problem *problem =
        training_step(1, 3, 4, 5, _i % 2 ? 32 : 13, _i % 2 ? 40 : 23, CLMP_LABEL_UINT8, "corners", _i);
    struct problem *plain = problem_of_logits(1, 3, 4, 5, CLMP_LABEL_UINT8);
    memcpy(plain->logits, problem->logits, problem->elements * sizeof(float));
    const uint64_t height = problem->in.params.height, width = problem->in.params.width;
    const uint64_t corners[4] = {0, width - 1, (height - 1) * width, height * width - 1}, logits[4] = {0, 4, 15, 19};
    problem->in.params.align_corners = _i / 2;
    for (int k = 0; k < 4; k++) {
        set_label(problem, corners[k], k % 3);
        set_label(plain, logits[k], k % 3);
    }
    struct outputs *got = assert_solved(problem), *want = assert_solved(plain);
    for (int k = 0; k < 4; k++) {
        const float a = got->losses[corners[k]], b = want->losses[logits[k]];
        ck_assert_msg(fabsf(a - b) <= 1e-6f * b, "corner %d: %g, not %g", k, (double)a, (double)b);
    }
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
    problem_free(plain);
}
END_TEST

/* ------------------------------------------------------------------------------------------------- what is not finite
 */

START_TEST(a_logit_that_is_not_finite_reaches_its_neighbours_only) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct problem *problem = training_step(1, 3, 5, 5, _i / 3 % 2 ? 40 : 35, 40, CLMP_LABEL_UINT8, "not finite", _i);
    problem->in.params.align_corners = _i / 6;
    *logit_of(problem, 12, 1) = bad[_i % 3];
    struct outputs *got = assert_solved(problem);
    uint64_t reached = 0;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        const bool valid = reference_valid(&problem->in, i);
        reached += !valid;
        ck_assert(valid || (got->losses[i] == 0.0f && got->weights[i] == 0.0f));
    }
    ck_assert(reached > 0 && reached < problem->pixels / 2 && got->result->nonfinite == reached);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(isfinite(got->gradient[i]));
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(a_logit_of_weight_0_is_not_looked_at) {
    struct problem *problem = problem_upsampled(1, 2, 3, 3, _i ? 9 : 5, _i ? 9 : 5, CLMP_LABEL_UINT8);
    problem->in.params.align_corners = !_i;
    *logit_of(problem, 4, 0) = NAN;
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->pixels; i++) { /* the rows and columns of the other logits are on the grid */
        const uint64_t width = problem->in.params.width, y = i / width, x = i % width;
        const bool on_border = _i ? y <= 1 || y >= 7 || x <= 1 || x >= 7 : y == 0 || y == 4 || x == 0 || x == 4;
        ck_assert(reference_valid(&problem->in, i) == on_border);
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(no_valid_pixel_gives_a_zero_gradient) {
    struct problem *problem = training_step(2, 3, 2, 3, 16, 24, CLMP_LABEL_UINT8, "none", 0);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 255);
    problem->in.params.scope = _i ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(got->gradient[i] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- runs
 */

static const uint32_t widths[] = {1, 2, 4, 8, 16}, groups[] = {1, 8, 64};
static const uint64_t tuned[][2] = {{3, 6}, {3, 12}, {3, 24}, {3, 48}, {3, 7}, {2, 70}, {5, 5}};
enum { TUNED = sizeof tuned / sizeof *tuned };

START_TEST(tuning_changes_no_bit) {
    const uint64_t *ratio = tuned[_i / 5];
    struct run run = {.tuning = {.vector_width = widths[_i % 5], .group_size = groups[(_i + _i / 5) % 3]}};
    if (!can_tune(&run.tuning))
        return;
    struct problem *problem =
        training_step(2, 3, 3, ratio[0], 13, ratio[1], CLMP_LABEL_UINT8, "upsampled tuning", (int)(_i / 5));
    struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* Normalised by them, tau is as small as class weights are large, or the reverse. */
START_TEST(normalised_class_weights_of_any_size_change_nothing) {
    static const float units[] = {0x1p-100f, 0x1p60f, 0x1p100f};
    struct problem *problem = training_step(2, 3, 3, 3, 24, 24, CLMP_LABEL_UINT8, "normalised weights of any size", 0);
    problem->in.params.weighting = CLMP_WEIGHTING_UNIFORM;
    problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
    problem->in.params.class_weights = problem->class_weights;
    for (uint64_t c = 0; c < 3; c++)
        problem->class_weights[c] = 1.0f;
    struct outputs *plain = assert_solved(problem);
    for (uint64_t c = 0; c < 3; c++)
        problem->class_weights[c] = units[_i];
    struct outputs *got = assert_solved(problem);
    ck_assert(fabsf(plain->gradient[0]) > 0.0f);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert_msg(got->gradient[i] == plain->gradient[i], "gradient[%d] is %a, not %a; %s", (int)i,
                      (double)got->gradient[i], (double)plain->gradient[i], describe(problem));
    outputs_free(plain);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* A confident pixel between corners that disagree, with classes just where exponentials are 0: they are seen in its
 * loss. */
START_TEST(many_faint_classes_are_seen_in_a_confident_loss) {
    static const uint64_t counts[] = {19, 150};
    const uint64_t classes = counts[_i % 2];
    struct problem *problem = problem_upsampled(1, classes, 2, 1, _i / 2 ? 16 : 15, 1, CLMP_LABEL_UINT8);
    for (uint64_t c = 2; c < classes; c++)
        problem->logits[2 * c] = problem->logits[2 * c + 1] = -86.01f;
    problem->logits[0] = 0.0f;
    problem->logits[1] = -66.0f;
    problem->logits[2] = -77.7f;
    problem->logits[3] = 0.0f;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 0);
    check_solved(problem);
}
END_TEST

/* A label so far below that the ratio to its exponential is no float, which a focal loss takes for its slope. */
START_TEST(focal_gradients_of_hopeless_labels_are_accurate) {
    static const float levels[] = {-60.0f, -75.0f, -80.0f, -85.5f, -90.0f, -120.0f};
    struct problem *problem = problem_upsampled(1, 19, 2, 2, 16, 16, CLMP_LABEL_UINT8);
    problem->in.params.loss = CLMP_LOSS_FOCAL;
    problem->in.params.focal_gamma = 2.0;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = i < 4 ? levels[_i] : 0.0f;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 0);
    struct outputs *got = assert_solved(problem);
    ck_assert_msg(got->gradient[0] < 0.0f, "gradient[0] is %a; %s", (double)got->gradient[0], describe(problem));
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(every_way_to_run_has_the_reference_bits) {
    static const struct run runs[] = {{.entry = ENTRY_LOSS},
                                      {.in_place = true},
                                      {.internal_workspace = true},
                                      {.shift = 3},
                                      {.no_losses = true, .no_weights = true},
                                      {.entry = ENTRY_LOSS, .no_losses = true, .shift = 1}};
    struct problem *problem = training_step(2, 3, 4, 5, 32, 40, CLMP_LABEL_INT32, "upsampled runs", 0);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &runs[_i]);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(batches_of_real_size_have_the_reference_bits) {
    struct problem *problem = _i ? training_step(1, 3, 33, 33, 257, 257, CLMP_LABEL_UINT8, "real size", _i)
                                 : training_step(2, 19, 16, 32, 128, 256, CLMP_LABEL_UINT8, "real size", _i);
    problem->in.params.align_corners = _i;
    check_solved(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- plans
 */

static clmp_status plan_status(uint64_t h, uint64_t w, uint64_t height, uint64_t width, size_t *workspace) {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = 19;
    params.height = height;
    params.width = width;
    params.logits_height = h;
    params.logits_width = w;
    clmp_plan *plan = NULL;
    clear_log();
    const clmp_status status = clmp_plan_create(test_device()->context, &params, &plan);
    if (workspace)
        *workspace = clmp_plan_workspace_size(plan);
    clmp_plan_destroy(plan);
    return status;
}

START_TEST(larger_logits_are_refused) {
    ck_assert_int_eq(plan_status(9, 8, 8, 8, NULL), CLMP_INVALID_ARGUMENT);
    ck_assert_msg(strstr(last_log(), "9 x 8") && strstr(last_log(), "larger than the labels"), "%s", last_log());
    ck_assert_int_eq(plan_status(8, 9, 8, 8, NULL), CLMP_INVALID_ARGUMENT);
    ck_assert_int_eq(plan_status(1, 1, (uint64_t)1 << 31, 1, NULL), CLMP_INVALID_ARGUMENT);
    ck_assert_int_eq(plan_status(8, 0, 8, 8, NULL), CLMP_OK);
}
END_TEST

/* 12 bytes a pixel, and a few of each low-resolution logit; `fixed` is what a plan of losses has for its bins. */
START_TEST(the_workspace_is_small) {
    static const uint64_t sizes[][4] = {
        {32, 64, 256, 512}, {128, 256, 1024, 2048}, {97, 97, 769, 769}, {128, 128, 512, 512}, {1, 1, 512, 512}};
    const uint64_t *s = sizes[_i];
    size_t workspace = 0, fixed = 0;
    ck_status(plan_status(s[0], s[1], s[2], s[3], &workspace), CLMP_OK);
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.input = CLMP_INPUT_LOSSES;
    params.height = s[2];
    params.width = s[3];
    clmp_plan *plan = NULL;
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    fixed = clmp_plan_workspace_size(plan);
    clmp_plan_destroy(plan);
    /* tiles are at most 16 x 16 pixels, so that a low-resolution logit has as many as fit into the ratio */
    const uint64_t cells = (s[0] + 1) * (s[1] + 1), tiles = cells > s[2] * s[3] / 200 ? cells : s[2] * s[3] / 200;
    const uint64_t most = 12 * s[2] * s[3] + 19 * (8 * s[0] * s[1] + 16 * tiles) + 1024;
    ck_assert_msg(workspace - fixed <= most, "%zu bytes besides %zu, not %llu", workspace - fixed, fixed,
                  (unsigned long long)most);
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("upsample");
    TCase *tcase = add_case(suite, "plans", "full quick small");
    tcase_add_test(tcase, positions_are_those_of_pytorch);
    tcase_add_test(tcase, larger_logits_are_refused);
    tcase_add_loop_test(tcase, the_adjoint_is_the_adjoint, 0, 2 * RATIOS);
    tcase = add_case(suite, "borders", "full quick small");
    tcase_add_loop_test(tcase, constant_logits_give_one_loss, 0, small ? 2 : 8);
    tcase_add_loop_test(tcase, corners_have_the_logits_of_the_corners, 0, small ? 2 : 4);
    tcase_add_loop_test(tcase, a_logit_that_is_not_finite_reaches_its_neighbours_only, 0, small ? 3 : 12);
    tcase_add_loop_test(tcase, a_logit_of_weight_0_is_not_looked_at, 0, 2);
    tcase_add_loop_test(tcase, tiny_logits_have_the_reference_bits, 0, 3);
    tcase_add_loop_test(tcase, focal_gradients_of_hopeless_labels_are_accurate, 0, 6);
    tcase_add_loop_test(tcase, many_faint_classes_are_seen_in_a_confident_loss, 0, small ? 1 : 4);
    tcase_add_loop_test(tcase, classes_that_fade_along_a_column_have_the_reference_bits, 0, small ? 8 : 32);
    tcase_add_loop_test(tcase, equal_sizes_have_the_bits_of_no_size_given, 0, 2);
    tcase_add_loop_test(tcase, no_valid_pixel_gives_a_zero_gradient, 0, 2);
    tcase = add_case(suite, "slope", "full quick small");
    tcase_add_loop_test(tcase, gradient_is_the_slope_of_the_loss, 0, small ? 2 : 8);
    tcase = add_case(suite, "options", "full small");
    tcase_add_loop_test(tcase, options_work_with_interpolation, 0, small ? 3 : 10);
    tcase_add_loop_test(tcase, weightings_work_with_interpolation, 3, small ? 5 : 20);
    tcase_add_loop_test(tcase, every_way_to_run_has_the_reference_bits, 0, small ? 2 : 6);
    tcase_add_loop_test(tcase, class_weights_of_any_size_scale_the_gradient, 0, small ? 1 : 3);
    tcase_add_loop_test(tcase, normalised_class_weights_of_any_size_change_nothing, 0, 3);
    tcase = add_case(suite, "workspace", "full");
    tcase_add_loop_test(tcase, the_workspace_is_small, 0, 5);
    tcase = add_case(suite, "accuracy", "full");
    tcase_add_loop_test(tcase, large_logits_are_accurate, 0, 16);
    tcase_add_loop_test(tcase, every_class_count_is_accurate, 0, 18);
    tcase_add_loop_test(tcase, huge_logits_have_the_reference_bits, 0, 12);
    tcase = add_case(suite, "sizes", "full device");
    tcase_add_loop_test(tcase, batches_of_real_size_have_the_reference_bits, small ? 1 : 0, 2);
    tcase = add_case(suite, "ratios", "full");
    tcase_add_loop_test(tcase, every_ratio_is_accurate_and_has_the_reference_bits, 0, 2 * RATIOS);
    tcase = add_case(suite, "tuning", "full small");
    tcase_add_loop_test(tcase, tuning_changes_no_bit, 0, small ? 5 : 5 * TUNED);
    return test_main(suite);
}

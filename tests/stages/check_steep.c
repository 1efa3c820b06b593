/*
 * Interpolated logits of any magnitude: neighbours that differ by up to twice float32's largest number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_solved(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

/* ------------------------------------------------------------------------------------------- values that are known */

/* x (1, C, 2, 2) and one label for all of (1, rows, columns) pixels. */
static struct problem *known(uint64_t classes, const float *x, int64_t label, uint64_t columns, bool align_corners) {
    struct problem *problem = problem_upsampled(1, classes, 2, 2, 2, columns, CLMP_LABEL_UINT8);
    memcpy(problem->logits, x, problem->elements * sizeof *x);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, label);
    problem->in.params.align_corners = align_corners;
    return problem;
}

static void assert_near(float got, double want) {
    ck_assert_msg(fabs((double)got - want) <= 1e-6 * want, "%.9g, not %.9g", (double)got, want);
}

START_TEST(a_confident_pixel_between_far_logits_has_its_distance_for_a_loss) {
    static const float x[8] = {5000, -5000, 5000, -5000};
    struct problem *problem = known(2, x, 1, 40, true);
    struct outputs *got = assert_solved(problem);
    assert_near(got->losses[19], 5000.0 / 39.0); /* 19/39 of the way, and the others are e^-128 */
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(far_logits_are_finite_and_so_is_their_gradient) {
    static const float x[12] = {5000, -5000, 5000, -5000, 1, 2, 3, 4};
    struct problem *problem = known(3, x, 2, 100, false);
    problem->in.params.p = INFINITY;
    struct outputs *got = assert_solved(problem);
    ck_assert_uint_eq(got->result->nonfinite, 0);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(isfinite(got->gradient[i]));
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* By PyTorch, in float64. */
START_TEST(differences_of_some_hundreds_are_accurate) {
    static const float x[8] = {300, -300, 300, -300, 0, 0.3f, 0.7f, 0.1f};
    struct problem *problem = known(2, x, 1, 100, true);
    struct outputs *got = assert_solved(problem);
    assert_near(got->losses[50], 0.04067169197822121);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* 6e38 between the logits is beyond float32, and so would be the loss: it is the largest float. */
START_TEST(a_loss_beyond_float32_is_the_largest_float) {
    static const float x[8] = {3e38f, -3e38f, 3e38f, -3e38f, -3e38f, 3e38f, -3e38f, 3e38f};
    struct problem *problem = known(2, x, 1, 41, true);
    struct outputs *got = assert_solved(problem);
    ck_assert(got->losses[0] == FLT_MAX && got->losses[40] == 0.0f);
    assert_near(got->losses[19], 3e37); /* 6e38 / 20 */
    assert_near(got->losses[20], 0.69314718055994531);
    ck_assert_uint_eq(got->result->valid, problem->pixels);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------- magnitudes */

/* Any sign, any mantissa, below 2^(exponent + 1). */
static float number(struct rng *rng, int exponent) {
    float x = ldexpf(1.0f + (float)rng_below(rng, 1 << 23) * 0x1p-23f, exponent);
    return rng_below(rng, 2) ? x : -x;
}

enum field {
    FIELD_ALIKE,   /* all of one magnitude */
    FIELD_MIXED,   /* each of its own, up to that */
    FIELD_CANCELS, /* numbers and their negatives, zeros, ties: sums that are 0 */
    FIELD_MASKED,  /* tame, but for a class that somebody meant to be -infinity */
    FIELD_OFFSET,  /* tame, beside a number of that magnitude */
    FIELD_EDGES,   /* differences next to those that tell ways apart */
    FIELDS
};

static float field_value(enum field field, int exponent, uint64_t class_index, uint64_t logit, struct rng *rng) {
    static const float edges[] = {0.0f,    -31.99f,  -32.0f,  -32.01f, -127.9f, -127.99999f, -128.0f,
                                  -128.1f, -160.01f, -160.0f, -191.9f, -192.0f, -192.01f,    -4096.0f};
    switch (field) {
    case FIELD_ALIKE:
        return number(rng, exponent);
    case FIELD_MIXED:
        return number(rng, (int)rng_below(rng, (uint64_t)exponent + 20) - 19);
    case FIELD_CANCELS: {
        struct rng one = rng_for("cancels", (uint64_t)exponent);
        return number(&one, exponent) * (float)((int)rng_below(rng, 3) - 1);
    }
    case FIELD_MASKED:
        return class_index == 0 ? -ldexpf(1.0f, exponent) : (float)(4.0 * rng_normal(rng));
    case FIELD_OFFSET: {
        struct rng one = rng_for("offset", logit);
        return number(&one, exponent) + (float)(4.0 * rng_normal(rng));
    }
    default:
        return edges[rng_below(rng, sizeof edges / sizeof *edges)];
    }
}

/* Half of the labels are the class that is largest near. */
static void fill_field(struct problem *problem, enum field field, int exponent, struct rng *rng) {
    const uint64_t classes = problem->in.params.classes, logits = problem->elements / classes;
    for (uint64_t c = 0; c < classes; c++)
        for (uint64_t i = 0; i < logits; i++)
            *logit_of(problem, i, c) = field_value(field, exponent, c, i, rng);
    long double *x = calloc(classes, sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        uint64_t label = rng_below(rng, classes);
        upsample_exact_relative(&problem->in, i, x);
        for (uint64_t c = 0; c < classes && i % 2 == 0; c++)
            label = x[c] > x[label] ? c : label;
        set_label(problem, i, (int64_t)label);
    }
    free(x);
}

/* Factors and other ratios, one class, one logit, one row, one column. */
static const uint64_t shapes[][6] = {{1, 3, 3, 4, 12, 16}, {1, 4, 4, 3, 13, 17}, {1, 2, 1, 5, 1, 23},
                                     {2, 3, 1, 1, 3, 5},   {1, 1, 3, 3, 9, 7},   {1, 3, 4, 1, 40, 1},
                                     {1, 3, 2, 3, 37, 50}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static struct problem *of_shape(int shape, clmp_label_type type) {
    const uint64_t *s = shapes[shape];
    struct problem *problem = problem_upsampled(s[0], s[1], s[2], s[3], s[4], s[5], type);
    for (uint64_t c = 0; c < s[1]; c++)
        problem->class_weights[c] = c % 3 == 2 ? 0.0f : c % 3 == 1 ? 3.7f : 0.25f;
    return problem;
}

static void check_fields(enum field field, int shape, bool align_corners) {
    const int step = test_small() ? 40 : 23; /* of the 128 exponents */
    for (int exponent = 3 * shape + (align_corners ? 1 : 0); exponent < 128; exponent += step) {
        struct problem *problem = of_shape(shape, CLMP_LABEL_UINT8);
        struct rng rng = rng_for("magnitudes", (uint64_t)(exponent * FIELDS + (int)field));
        fill_field(problem, field, exponent, &rng);
        problem->in.params.align_corners = align_corners;
        check_solved(problem);
    }
}

START_TEST(logits_of_every_magnitude_are_accurate) {
    check_fields((enum field)(_i % FIELDS), _i / FIELDS % SHAPES, _i / FIELDS / SHAPES % 2);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- and options
 */

START_TEST(every_option_takes_steep_logits) {
    static const int exponents[] = {3, 8, 10, 13, 31, 70, 127};
    struct problem *problem = of_shape(_i % 2, (clmp_label_type)(_i % 4));
    clmp_plan_params *params = &problem->in.params;
    struct rng rng = rng_for("steep options", (uint64_t)_i);
    fill_field(problem, FIELD_MIXED, exponents[_i % 7], &rng);
    if (_i % 3 == 2)
        spoil(problem, &rng);
    params->weighting = (clmp_weighting)(_i % 5);
    params->ohem_min_kept = 40;
    params->loss = params->weighting != CLMP_WEIGHTING_OHEM && _i % 4 == 3 ? CLMP_LOSS_FOCAL : CLMP_LOSS_CROSS_ENTROPY;
    params->class_weights = _i / 2 % 2 ? problem->class_weights : NULL;
    params->scope = _i / 3 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.gradient_scale = _i % 3 ? -3.5f : 1.0f;
    check_solved(problem);
}
END_TEST

START_TEST(types_of_16_bits_reach_their_own_ends) {
    struct problem *problem = of_shape(_i % 2, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("steep types", (uint64_t)_i);
    problem->in.params.logits_type = _i / 2 ? CLMP_BFLOAT16 : CLMP_FLOAT16;
    fill_field(problem, FIELD_MIXED, _i / 2 ? 126 : 14, &rng);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(problem->in.params.logits_type, problem->logits[i]);
    *logit_of(problem, 0, 0) = _i / 2 ? 0x1.fep127f : 65504.0f;
    *logit_of(problem, 1, 0) = -*logit_of(problem, 0, 0);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &(struct run){.in_place = _i % 2});
    assert_same_bits(problem, got, want);
    ck_assert_uint_eq(got->result->nonfinite, 0);
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(tuning_changes_no_bit_of_steep_logits) {
    static const uint32_t widths[] = {1, 2, 4, 8, 16}, groups[] = {1, 8, 64};
    struct run run = {.tuning = {.vector_width = widths[_i % 5], .group_size = groups[_i % 3]}, .in_place = _i % 2};
    if (!can_tune(&run.tuning))
        return;
    struct problem *problem = of_shape(_i / 5, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("steep tuning", (uint64_t)(_i / 5));
    fill_field(problem, FIELD_MIXED, 11, &rng);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("steep");
    TCase *tcase = add_case(suite, "known", "full quick small");
    tcase_add_test(tcase, a_confident_pixel_between_far_logits_has_its_distance_for_a_loss);
    tcase_add_test(tcase, far_logits_are_finite_and_so_is_their_gradient);
    tcase_add_test(tcase, differences_of_some_hundreds_are_accurate);
    tcase_add_test(tcase, a_loss_beyond_float32_is_the_largest_float);
    tcase = add_case(suite, "magnitudes", "full small");
    tcase_add_loop_test(tcase, logits_of_every_magnitude_are_accurate, 0, small ? FIELDS : FIELDS * SHAPES * 2);
    tcase = add_case(suite, "options", "full small");
    tcase_add_loop_test(tcase, every_option_takes_steep_logits, 0, small ? 5 : 40);
    tcase_add_loop_test(tcase, types_of_16_bits_reach_their_own_ends, 0, 4);
    tcase = add_case(suite, "tuning", "full small");
    tcase_add_loop_test(tcase, tuning_changes_no_bit_of_steep_logits, 0, small ? 5 : 10);
    return test_main(suite);
}

/*
 * The gradient stage: of gradient_scale L with respect to the logits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double norms[] = {1.0, 1.01, 1.3, 1.7, 2.0, 4.0, 100.0, INFINITY};
static const double supports[] = {1e-6, 0.01, 0.25, 0.5, 1.0};
static const uint64_t class_counts[] = {1, 2, 19, 150, 1000};
enum { NORMS = sizeof norms / sizeof *norms, SUPPORTS = sizeof supports / sizeof *supports, POINTS = NORMS * SUPPORTS };

/* A quarter of the classes with each of these. */
static const float class_weight_values[] = {1.0f, 0.25f, 3.7f, 0.0f};

static struct problem *training_step(uint64_t images, uint64_t classes, uint64_t height, uint64_t width,
                                     const char *stream, int index) {
    struct problem *problem = problem_of_logits(images, classes, height, width, CLMP_LABEL_UINT8);
    struct rng rng = rng_for(stream, (uint64_t)index);
    fill_logits(problem, &rng);
    for (uint64_t c = 0; c < classes; c++)
        problem->class_weights[c] = class_weight_values[c % 4];
    return problem;
}

static void check_solved(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

/* ------------------------------------------------------------------------------------------------------------ accuracy
 */

START_TEST(every_class_count_p_and_support_is_accurate) {
    uint64_t classes = class_counts[_i / POINTS];
    struct problem *problem = training_step(1, classes, 3, test_small() ? 7 : 61, "gradient grid", _i);
    problem->in.params.p = norms[_i % NORMS];
    problem->in.params.support = supports[_i / NORMS % SUPPORTS];
    check_solved(problem);
}
END_TEST

START_TEST(images_and_class_weights_are_accurate) {
    struct problem *problem = training_step(4, 3, 7, 11, "gradient images", _i);
    struct rng rng = rng_for("spoil", (uint64_t)_i);
    spoil(problem, &rng);
    for (uint64_t i = 77; i < 154; i++) /* image 1 has no valid pixel, and counts for nothing */
        set_label(problem, i, 255);
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.class_weights = _i / 2 % 2 ? problem->class_weights : NULL;
    problem->in.params.p = norms[_i / 4];
    problem->in.gradient_scale = 0.125f;
    check_solved(problem);
}
END_TEST

START_TEST(every_pixel_count_is_accurate) {
    struct problem *problem = training_step(1, 2, 1, (uint64_t)_i, "gradient counts", _i);
    check_solved(problem);
}
END_TEST

static const uint64_t edges[] = {255, 256, 257, 4095, 4096, 4097, 65535, 65536, 65537};

START_TEST(pixel_counts_around_boundaries_are_accurate) {
    check_solved(training_step(1, 2, 1, edges[_i], "gradient edges", _i));
}
END_TEST

START_TEST(batches_of_real_size_are_accurate) {
    struct problem *problem = training_step(2, 19, 90, 121, "gradient batch", _i);
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    check_solved(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- properties
 */

/* L at logits moved by one step, in long double. */
static long double loss_at(struct problem *problem, uint64_t i, float x) {
    struct exact_result r[1 + 2];
    struct exact_output out = {.result = r};
    float before = problem->logits[i];
    problem->logits[i] = x;
    reference_exact(&problem->in, &out);
    problem->logits[i] = before;
    return r[0].loss;
}

START_TEST(gradient_is_the_slope_of_the_loss) {
    enum { CLASSES = 3, AREA = 10 };
    const float step = 0x1p-16f; /* logits are multiples of it, so that x +- step are floats */
    struct problem *problem = problem_of_logits(2, CLASSES, 2, AREA / 2, CLMP_LABEL_INT32);
    struct rng rng = rng_for("slope", (uint64_t)_i);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = step * (float)rng_below(&rng, 1 << 18);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, i == 4 ? 255 : (int64_t)rng_below(&rng, CLASSES));
    for (uint64_t c = 0; c < CLASSES; c++)
        problem->class_weights[c] = class_weight_values[c];
    problem->in.params.p = norms[_i % NORMS];
    problem->in.params.support = 0.3;
    problem->in.params.scope = _i / NORMS % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.class_weights = _i / NORMS / 2 ? problem->class_weights : NULL;
    problem->in.gradient_scale = 3.0f;
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->elements; i++) {
        float x = problem->logits[i];
        long double rise = loss_at(problem, i, x + step) - loss_at(problem, i, x - step);
        long double slope = 3.0L * rise / (2.0L * (long double)step);
        ck_assert_msg(fabsl(slope - (long double)got->gradient[i]) < 2e-4L, "[%d] slope %.9Lg, gradient %.9g; %s",
                      (int)i, slope, (double)got->gradient[i], describe(problem));
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(gradient_sums_to_zero_over_classes) {
    struct problem *problem = training_step(2, 19, 5, 13, "zero sum", 0);
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        double sum = 0.0, size = 0.0;
        for (uint64_t c = 0; c < 19; c++) {
            double g = (double)got->gradient[(uint64_t)(logit_of(problem, i, c) - problem->logits)];
            sum += g;
            size += fabs(g);
            ck_assert((int64_t)c == get_label(problem, i) ? g <= 0.0 : g >= 0.0);
        }
        ck_assert_msg(fabs(sum) <= 4e-6 * size + 19 * 2 * (double)FLT_MIN, /* what was flushed to 0 */
                      "pixel %d: %g of %g", (int)i, sum, size);
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(gradient_is_zero_where_a_pixel_does_not_take_part) {
    struct problem *problem = problem_of_logits(2, 3, 9, 17, CLMP_LABEL_INT64);
    struct rng rng = rng_for("not part", 0);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        for (uint64_t c = 0; c < 3 && !reference_valid(&problem->in, i); c++)
            ck_assert(got->gradient[(uint64_t)(logit_of(problem, i, c) - problem->logits)] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(no_valid_pixel_gives_a_zero_gradient) {
    struct problem *problem = training_step(2, 3, 5, 7, "none", 0);
    problem->in.params.scope = _i ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 255);
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(got->gradient[i] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(unclean_logits_have_the_reference_gradient) {
    struct problem *problem = problem_of_logits(1, 3, 4, 45, CLMP_LABEL_INT32);
    struct rng rng = rng_for("unclean gradient", (uint64_t)_i);
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < problem->pixels; i += 3) /* probability 0 for one class, and huge gaps */
        *logit_of(problem, i, ((uint64_t)get_label(problem, i) + 1) % 3) = i % 2 ? -INFINITY : -1e30f;
    spoil(problem, &rng);
    problem->in.params.p = norms[_i];
    check_solved(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- scale
 */

START_TEST(gradient_scale_multiplies_the_gradient_only) {
    static const float scales[] = {2.0f, -1.0f, 0.5f, 65536.0f, -0x1p-10f};
    struct problem *problem = training_step(1, 3, 9, 15, "scale", 0);
    problem->in.params.class_weights = problem->class_weights;
    struct outputs *plain = assert_solved(problem);
    problem->in.gradient_scale = scales[_i];
    struct outputs *got = assert_solved(problem);
    ck_assert(memcmp(got->result, plain->result, sizeof *got->result) == 0);
    ck_assert(memcmp(got->weights, plain->weights, problem->pixels * sizeof(float)) == 0);
    for (uint64_t i = 0; i < problem->elements; i++) /* powers of two: exact, but for what was flushed to 0 */
        ck_assert(got->gradient[i] == scales[_i] * plain->gradient[i] ||
                  (fabsf(plain->gradient[i]) < 0x1p11f * FLT_MIN && fabsf(got->gradient[i]) < 0x1p27f * FLT_MIN));
    outputs_free(plain);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(any_gradient_scale_is_accurate) {
    static const float scales[] = {0.0f, -0.0f, 3.3f, -1e-6f, 1e10f, 1e-30f, -1e30f};
    struct problem *problem = training_step(1, 3, 5, 15, "any scale", _i);
    problem->in.gradient_scale = scales[_i];
    check_solved(problem);
}
END_TEST

START_TEST(permuted_pixels_have_permuted_gradients) {
    enum { AREA = 499 };
    struct problem *problem = training_step(1, 3, 1, AREA, "permuted", 0);
    struct problem *moved = problem_of_logits(1, 3, 1, AREA, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < AREA; i++) {
        uint64_t to = i * 77 % AREA; /* a prime: every pixel once */
        set_label(moved, to, get_label(problem, i));
        for (uint64_t c = 0; c < 3; c++)
            *logit_of(moved, to, c) = *logit_of(problem, i, c);
    }
    struct outputs *a = assert_solved(problem), *b = assert_solved(moved);
    for (uint64_t i = 0; i < AREA; i++)
        for (uint64_t c = 0; c < 3; c++)
            ck_assert(memcmp(&a->gradient[c * AREA + i], &b->gradient[c * AREA + i * 77 % AREA], sizeof(float)) == 0);
    outputs_free(a);
    outputs_free(b);
    problem_free(problem);
    problem_free(moved);
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("gradient");
    TCase *tcase = add_case(suite, "slope", "full quick small");
    tcase_add_loop_test(tcase, gradient_is_the_slope_of_the_loss, 0, small ? 4 : 4 * NORMS);
    tcase = add_case(suite, "properties", "full quick small");
    tcase_add_loop_test(tcase, images_and_class_weights_are_accurate, 0, small ? 4 : 4 * NORMS);
    tcase_add_test(tcase, gradient_is_zero_where_a_pixel_does_not_take_part);
    tcase_add_loop_test(tcase, no_valid_pixel_gives_a_zero_gradient, 0, 2);
    tcase_add_loop_test(tcase, unclean_logits_have_the_reference_gradient, 0, small ? 2 : NORMS);
    tcase_add_loop_test(tcase, gradient_scale_multiplies_the_gradient_only, 0, small ? 1 : 5);
    tcase_add_loop_test(tcase, any_gradient_scale_is_accurate, 0, small ? 2 : 7);
    tcase = add_case(suite, "classes", "full");
    tcase_add_test(tcase, gradient_sums_to_zero_over_classes);
    tcase_add_loop_test(tcase, every_class_count_p_and_support_is_accurate, 0, 5 * POINTS);
    tcase = add_case(suite, "boundaries", "full device");
    tcase_add_loop_test(tcase, pixel_counts_around_boundaries_are_accurate, 0, sizeof edges / sizeof *edges);
    tcase_add_loop_test(tcase, batches_of_real_size_are_accurate, 0, 2);
    tcase = add_case(suite, "counts", "full");
    tcase_add_loop_test(tcase, every_pixel_count_is_accurate, 1, 71);
    tcase = add_case(suite, "permutation", "full device");
    tcase_add_test(tcase, permuted_pixels_have_permuted_gradients);
    return test_main(suite);
}

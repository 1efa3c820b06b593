/*
 * The threshold stage: alpha, L, tau and support of losses that the caller brings, by both solvers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const double norms[] = {1.0, 1.01, 1.1, 1.3, 1.7, 2.0, 4.0, 100.0, INFINITY, 1.0001, 1.002, 1.0000001, 1e6};
static const double supports[] = {1e-6, 0.01, 0.25, 0.5, 1.0};
enum {
    NORMS = sizeof norms / sizeof *norms,
    SUPPORTS = sizeof supports / sizeof *supports,
    POINTS = NORMS * SUPPORTS,
    GRID = POINTS * LOSSES_KINDS
};

static struct problem *losses_of_kind(uint64_t pixels, enum losses_kind kind, uint64_t stream) {
    struct problem *problem = problem_of_losses(1, 1, pixels);
    struct rng rng = rng_for(losses_kind_name(kind), stream);
    fill_losses(problem, kind, &rng);
    return problem;
}

static void at_grid_point(struct problem *problem, int point) {
    problem->in.params.p = norms[point % NORMS];
    problem->in.params.support = supports[point / NORMS % SUPPORTS];
}

static void check_solved(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

/* ---------------------------------------------------------------------------------------------------------- the grid
 */

START_TEST(every_p_and_support_is_accurate_on_every_kind_of_losses) {
    enum losses_kind kind = (enum losses_kind)(_i / POINTS);
    struct problem *problem = losses_of_kind(test_small() ? 83 : 5000, kind, (uint64_t)_i);
    at_grid_point(problem, _i % POINTS);
    check_solved(problem);
}
END_TEST

START_TEST(every_p_and_support_is_accurate_on_many_losses) {
    enum losses_kind kind = _i / POINTS ? LOSSES_ZEROS : LOSSES_LOG_NORMAL;
    struct problem *problem = losses_of_kind(200003, kind, (uint64_t)_i);
    at_grid_point(problem, _i % POINTS);
    check_solved(problem);
}
END_TEST

START_TEST(a_few_losses_are_accurate) {
    struct problem *problem = losses_of_kind((uint64_t)_i, LOSSES_ZEROS, (uint64_t)_i);
    at_grid_point(problem, _i * 7);
    check_solved(problem);
}
END_TEST

static const uint64_t edges[] = {127,  128,  129,  255,  256,   257,   511,   513,   1023,
                                 1025, 4095, 4096, 4097, 16383, 16385, 65535, 65536, 65537};

START_TEST(pixel_counts_around_boundaries_are_accurate) {
    check_solved(losses_of_kind(edges[_i], LOSSES_UNCLEAN, (uint64_t)_i));
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ special cases
 */

static struct problem *problem_of_values(const float *values, uint64_t count, double p, double support) {
    struct problem *problem = problem_of_losses(1, 1, count);
    memcpy(problem->losses, values, count * sizeof *values);
    problem->in.params.p = p;
    problem->in.params.support = support;
    return problem;
}

START_TEST(ties_at_p_1_share_what_is_left) {
    static const float values[8] = {1, 3, 2, 2, 0, 2, 2, 1};
    struct problem *problem = problem_of_values(values, 8, 1.0, 0.375); /* m = 3: one above, 2 of 4 at alpha */
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->alpha == 2.0f && got->result->support == 1 && got->weights[1] == got->result->tau);
    ck_assert(got->weights[2] == got->result->tau / 2 && got->weights[6] == got->weights[2] && got->weights[0] == 0.0f);
    outputs_free(got);
    problem->in.params.support = 0.625; /* m = 5: exactly the five; those at alpha have full weight */
    got = assert_solved(problem);
    ck_assert(got->result->alpha == 2.0f && got->result->support == 5 && got->weights[3] == got->result->tau);
    ck_assert(got->weights[0] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* m = s n is not rounded: 0.1 is a little more than a tenth, so the tenth pixel's successor has a little weight. */
START_TEST(m_is_a_real_number) {
    struct problem *problem = losses_of_kind(10, LOSSES_UNIFORM, (uint64_t)_i);
    problem->in.params.p = norms[_i % NORMS];
    problem->in.params.support = (double[]){0.1, 0.15, 1.0 / 3.0, 0.999, 0.7}[_i / NORMS];
    check_solved(problem);
}
END_TEST

/* From slack to not slack, by one pixel: 16 pixels, m = 4, and 3, 4 or 5 of them positive. */
START_TEST(bound_is_slack_up_to_m_positive_losses) {
    int positive = 3 + _i % 3;
    struct problem *problem = losses_of_kind(16, LOSSES_UNIFORM, 0);
    problem->in.params.p = norms[_i / 3];
    for (int i = 0; i < 16 - positive; i++)
        problem->losses[i] = 0.0f;
    struct outputs *got = assert_solved(problem);
    ck_assert((got->result->alpha == 0.0f) == (positive <= 4));
    if (positive <= 4 && !isinf(problem->in.params.p)) {
        ck_assert(got->result->support == (uint64_t)positive);
        for (int i = 0; i < 16; i++)
            ck_assert(got->weights[i] == (problem->losses[i] > 0.0f ? got->result->tau : 0.0f));
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(all_zero_losses_give_zero) {
    struct problem *problem = problem_of_losses(1, 1, 50);
    at_grid_point(problem, _i);
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->loss == 0.0f && got->result->alpha == 0.0f && got->result->valid == 50);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(all_equal_losses_give_the_mean) {
    struct problem *problem = losses_of_kind(_i / POINTS ? 1000 : 37, LOSSES_EQUAL, 0);
    at_grid_point(problem, _i % POINTS);
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert_msg(got->weights[i] == (float)(1.0 / (double)problem->pixels), "w = %a, not 1/n; %s",
                      (double)got->weights[i], describe(problem));
    ck_assert(fabsf(got->result->loss - 0.7f) <= 1.4e-6f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(one_pixel_has_weight_one) {
    static const float values[] = {0.0f, 0.5f, FLT_MIN, FLT_MAX};
    struct problem *problem = problem_of_values(&values[_i / NORMS], 1, norms[_i % NORMS], 0.25);
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->loss == values[_i / NORMS]);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(no_valid_loss_gives_zero) {
    struct problem *problem = problem_of_losses(2, 1, 30);
    at_grid_point(problem, _i / 2);
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    for (uint64_t i = 0; i < problem->pixels; i++)
        problem->losses[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -1.0f;
    struct outputs *got = assert_solved(problem);
    for (size_t r = 0; r < got->records; r++)
        ck_assert(got->result[r].loss == 0.0f && got->result[r].tau == 0.0f && got->result[r].valid == 0);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(subnormal_and_negative_zero_losses_are_zero) {
    static const float values[8] = {FLT_TRUE_MIN, FLT_MIN / 2, -0.0f, 0.0f, FLT_MIN, 1.0f, 2.0f, 3.0f};
    struct problem *problem = problem_of_values(values, 8, 1.7, 0.5), *zeros = problem_of_values(values, 8, 1.7, 0.5);
    for (int i = 0; i < 4; i++)
        zeros->losses[i] = 0.0f;
    struct outputs *got = assert_solved(problem), *want = assert_solved(zeros);
    ck_assert(got->result->valid == 8);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
    problem_free(zeros);
}
END_TEST

START_TEST(one_huge_loss_among_tiny_ones_is_accurate) {
    struct problem *problem = losses_of_kind(3000, LOSSES_TINY, (uint64_t)_i);
    at_grid_point(problem, _i);
    problem->losses[1234] = FLT_MAX;
    check_solved(problem);
}
END_TEST

START_TEST(p_within_2_to_the_minus_32_of_1_is_1) {
    struct problem *problem = losses_of_kind(200, LOSSES_TIES, 0);
    problem->in.params.p = 1.0;
    struct outputs *one = assert_solved(problem);
    problem->in.params.p = 1.0 + 0x1p-33;
    struct outputs *near = assert_solved(problem);
    assert_same_bits(problem, near, one);
    outputs_free(one);
    outputs_free(near);
    problem->in.params.p = 1.0 + 0x1p-32;
    outputs_free(assert_solved(problem));
    problem->in.params.p = 1e300;
    check_solved(problem);
}
END_TEST

/* q up to 2^32, where powers of losses 2^250 apart have exponents of 2^40, and those of neighbouring floats still
 * count: clusters of them all over the range, with zeros and ties. */
START_TEST(powers_of_any_exponent_are_accurate) {
    static const double above_one[] = {0x1p-32, 0x1p-31, 0x1p-28, 0x1p-24, 0x1p-20, 0x1p-12, 0x1p-4};
    enum { EXCESSES = sizeof above_one / sizeof *above_one, CLUSTER = 16 };
    struct problem *problem = problem_of_losses(1, 1, test_small() ? 64 : 1024);
    struct rng rng = rng_for("exponents", (uint64_t)_i);
    problem->in.params.p = 1.0 + above_one[_i % EXCESSES];
    problem->in.params.support = supports[_i / EXCESSES % SUPPORTS];
    uint32_t key = 0;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        if (i % CLUSTER == 0)
            key = 0x00800000u + (uint32_t)rng_below(&rng, 0x7f000000u - 0x00800000u);
        const uint32_t bits = key + (uint32_t)rng_below(&rng, 5);
        memcpy(&problem->losses[i], &bits, sizeof bits);
        if (_i % 3 == 0 && rng_below(&rng, 4) == 0)
            problem->losses[i] = 0.0f;
    }
    check_solved(problem);
}
END_TEST

/* The tree's leaves: one loss in each octave, in each bin of round one, and alone in the first and the last one. */
START_TEST(every_octave_may_be_the_lowest_and_the_highest) {
    const uint32_t lowest = 1 + 11 * (uint32_t)_i, octaves = 1 + (uint32_t)_i * 7 % (255 - lowest);
    struct problem *problem = problem_of_losses(1, 1, 8 * octaves);
    at_grid_point(problem, _i * 5);
    for (uint32_t i = 0; i < 8 * octaves; i++) {
        const uint32_t bits = ((lowest + i / 8) << 23) | (i % 8) << 20 | (i * 2654435761u >> 12);
        memcpy(&problem->losses[i], &bits, sizeof bits);
    }
    check_solved(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- properties
 */

START_TEST(loss_lies_between_the_mean_and_the_mean_of_the_hardest) {
    struct problem *problem = losses_of_kind(777, LOSSES_LOG_NORMAL, (uint64_t)_i);
    at_grid_point(problem, _i);
    struct outputs *got = assert_solved(problem);
    problem->in.params.p = 1.0;
    struct outputs *hardest = run_reference(problem);
    double mean = 0.0, loss = (double)got->result->loss;
    for (uint64_t i = 0; i < problem->pixels; i++)
        mean += (double)problem->losses[i] / (double)problem->pixels;
    ck_assert(loss >= mean * (1.0 - 2e-6) && loss <= (double)hardest->result->loss * (1.0 + 4e-6));
    outputs_free(got);
    outputs_free(hardest);
    problem_free(problem);
}
END_TEST

START_TEST(powers_of_two_scale_alpha_and_loss_exactly) {
    static const int exponents[] = {1, -1, 10, -20, 60};
    struct problem *problem = losses_of_kind(700, _i % 2 ? LOSSES_ZEROS : LOSSES_LOG_NORMAL, (uint64_t)_i);
    at_grid_point(problem, _i);
    struct outputs *plain = assert_solved(problem);
    for (int k = 0; k < 5; k++) {
        struct problem *scaled = losses_of_kind(700, LOSSES_EQUAL, 0);
        scaled->in.params = problem->in.params;
        for (uint64_t i = 0; i < problem->pixels; i++)
            scaled->losses[i] = ldexpf(problem->losses[i], exponents[k]);
        struct outputs *got = k ? run_reference(scaled) : assert_solved(scaled);
        ck_assert_msg(got->result->alpha == ldexpf(plain->result->alpha, exponents[k]) &&
                          got->result->loss == ldexpf(plain->result->loss, exponents[k]) &&
                          got->result->support == plain->result->support,
                      "by 2^%d: alpha %a, L %a, not %a, %a; %s", exponents[k], (double)got->result->alpha,
                      (double)got->result->loss, (double)ldexpf(plain->result->alpha, exponents[k]),
                      (double)ldexpf(plain->result->loss, exponents[k]), describe(problem));
        ck_assert(memcmp(got->weights, plain->weights, problem->pixels * sizeof(float)) == 0);
        outputs_free(got);
        problem_free(scaled);
    }
    outputs_free(plain);
    problem_free(problem);
}
END_TEST

START_TEST(permutation_changes_no_bit) {
    enum { PIXELS = 4999 }; /* a prime */
    struct problem *problem = losses_of_kind(PIXELS, (enum losses_kind)(_i % LOSSES_KINDS), (uint64_t)_i);
    struct problem *moved = problem_of_losses(1, 1, PIXELS);
    at_grid_point(problem, _i * 7);
    moved->in.params = problem->in.params;
    for (uint64_t i = 0; i < PIXELS; i++)
        moved->losses[i * 1234 % PIXELS] = problem->losses[i];
    struct outputs *a = assert_solved(problem), *b = assert_solved(moved);
    ck_assert(memcmp(a->result, b->result, sizeof *a->result) == 0);
    for (uint64_t i = 0; i < PIXELS; i++)
        if (memcmp(&a->weights[i], &b->weights[i * 1234 % PIXELS], sizeof(float)) != 0)
            ck_abort_msg("weight %d; %s", (int)i, describe(problem));
    outputs_free(a);
    outputs_free(b);
    problem_free(problem);
    problem_free(moved);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------- scope image
 */

START_TEST(each_image_is_a_problem_of_its_own) {
    enum { IMAGES = 6, AREA = 143 };
    struct problem *problem = problem_of_losses(IMAGES, 11, 13), *alone = problem_of_losses(1, 11, 13);
    struct rng rng = rng_for("images", (uint64_t)_i);
    fill_losses(problem, LOSSES_UNCLEAN, &rng);
    for (uint64_t i = 0; i < AREA; i++)
        problem->losses[2 * AREA + i] = NAN; /* image 2 has no valid pixel, and image 4 no loss */
    memset(&problem->losses[4 * AREA], 0, AREA * sizeof(float));
    problem->in.params.scope = CLMP_SCOPE_IMAGE;
    at_grid_point(problem, _i);
    at_grid_point(alone, _i);
    struct outputs *got = assert_solved(problem);
    double mean = 0.0;
    for (uint64_t k = 0; k < IMAGES; k++) {
        memcpy(alone->losses, &problem->losses[k * AREA], AREA * sizeof(float));
        struct outputs *one = run_reference(alone);
        ck_assert(memcmp(&got->result[1 + k], one->result, sizeof *one->result) == 0);
        ck_assert(memcmp(&got->weights[k * AREA], one->weights, AREA * sizeof(float)) == 0);
        mean += (double)one->result->loss / (IMAGES - 1);
        outputs_free(one);
    }
    ck_assert(fabs((double)got->result->loss - mean) <= 2e-6 * mean);
    outputs_free(got);
    problem_free(problem);
    problem_free(alone);
}
END_TEST

START_TEST(one_image_has_the_same_bits_in_both_scopes) {
    struct problem *problem = losses_of_kind(333, LOSSES_UNCLEAN, (uint64_t)_i);
    at_grid_point(problem, _i);
    struct outputs *batch = assert_solved(problem);
    problem->in.params.scope = CLMP_SCOPE_IMAGE;
    struct outputs *image = assert_solved(problem);
    ck_assert(memcmp(&image->result[0], batch->result, sizeof *batch->result) == 0);
    ck_assert(memcmp(&image->result[1], batch->result, sizeof *batch->result) == 0);
    ck_assert(memcmp(image->weights, batch->weights, problem->pixels * sizeof(float)) == 0);
    outputs_free(batch);
    outputs_free(image);
    problem_free(problem);
}
END_TEST

START_TEST(many_small_images_are_accurate) {
    struct problem *problem = problem_of_losses(200, 1, (uint64_t)(1 + _i));
    struct rng rng = rng_for("many images", (uint64_t)_i);
    fill_losses(problem, LOSSES_UNCLEAN, &rng);
    problem->in.params.scope = CLMP_SCOPE_IMAGE;
    check_solved(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------ how a work-group fills its bins
 */

static const enum losses_kind list_kinds[] = {LOSSES_LOG_NORMAL, LOSSES_TIES, LOSSES_EQUAL, LOSSES_CLOSE,
                                              LOSSES_UNCLEAN};
enum { LIST_KINDS = sizeof list_kinds / sizeof *list_kinds };

static void check_filled(struct problem *problem, const clmp_tuning *tuning) {
    if (can_tune(tuning)) {
        const struct run run = {.solver = CLMP_SOLVER_SEARCH, .tuning = *tuning};
        struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
        assert_same_bits(problem, got, want);
        outputs_free(want);
        outputs_free(got);
    }
    problem_free(problem);
}

/* Few losses in the windows of a round, and more than there is room for in a list; vectors of every width. */
START_TEST(lists_of_losses_change_no_bit) {
    static const uint32_t widths[] = {1, 2, 4, 8, 16};
    struct problem *problem = losses_of_kind(2003, list_kinds[_i % LIST_KINDS], (uint64_t)_i);
    problem->in.params.p = _i / (5 * LIST_KINDS) ? 1.01 : 1.7;
    check_filled(problem, &(clmp_tuning){.vector_width = widths[_i / LIST_KINDS % 5], .bin_group = 1, .chunks = 3});
}
END_TEST

/* A work-group empties its bins after each 2^19 pixels. */
START_TEST(more_pixels_than_bins_hold_change_no_bit) {
    struct problem *problem = losses_of_kind((1 << 20) + 4321, list_kinds[_i % LIST_KINDS], (uint64_t)_i);
    check_filled(problem, &(clmp_tuning){.chunks = 1, .bin_group = _i / LIST_KINDS ? 0 : 1});
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("threshold");
    TCase *tcase = add_case(suite, "cases", "full quick small");
    tcase_add_test(tcase, ties_at_p_1_share_what_is_left);
    tcase_add_loop_test(tcase, bound_is_slack_up_to_m_positive_losses, 0, small ? 6 : 3 * NORMS);
    tcase_add_loop_test(tcase, no_valid_loss_gives_zero, 0, small ? 4 : 2 * POINTS);
    tcase_add_test(tcase, subnormal_and_negative_zero_losses_are_zero);
    tcase_add_test(tcase, p_within_2_to_the_minus_32_of_1_is_1);
    tcase_add_loop_test(tcase, one_pixel_has_weight_one, 0, small ? 4 : 4 * NORMS);
    tcase_add_loop_test(tcase, all_zero_losses_give_zero, 0, small ? 3 : POINTS);
    tcase_add_loop_test(tcase, all_equal_losses_give_the_mean, 0, small ? 4 : 2 * POINTS);
    tcase_add_loop_test(tcase, m_is_a_real_number, 0, small ? 4 : 5 * NORMS);
    tcase = add_case(suite, "grid", "full small");
    tcase_add_loop_test(tcase, every_p_and_support_is_accurate_on_every_kind_of_losses, 0, small ? NORMS : GRID);
    tcase = add_case(suite, "images", "full small");
    tcase_add_loop_test(tcase, each_image_is_a_problem_of_its_own, 0, small ? 2 : POINTS);
    tcase_add_loop_test(tcase, one_image_has_the_same_bits_in_both_scopes, 0, small ? 2 : POINTS);
    tcase = add_case(suite, "many images", "full");
    tcase_add_loop_test(tcase, many_small_images_are_accurate, 0, 5);
    tcase = add_case(suite, "boundaries", "full device");
    tcase_add_loop_test(tcase, pixel_counts_around_boundaries_are_accurate, 0, sizeof edges / sizeof *edges);
    tcase = add_case(suite, "counts", "full");
    tcase_add_loop_test(tcase, a_few_losses_are_accurate, 1, 71);
    tcase_add_loop_test(tcase, one_huge_loss_among_tiny_ones_is_accurate, 0, POINTS);
    tcase = add_case(suite, "exponents", "full small");
    tcase_add_loop_test(tcase, powers_of_any_exponent_are_accurate, 0, small ? 4 : 7 * SUPPORTS);
    tcase_add_loop_test(tcase, every_octave_may_be_the_lowest_and_the_highest, 0, small ? 2 : 23);
    tcase = add_case(suite, "properties", "full");
    tcase_add_loop_test(tcase, loss_lies_between_the_mean_and_the_mean_of_the_hardest, 0, POINTS);
    tcase_add_loop_test(tcase, powers_of_two_scale_alpha_and_loss_exactly, 0, POINTS);
    tcase_add_loop_test(tcase, permutation_changes_no_bit, 0, 3 * LOSSES_KINDS);
    tcase = add_case(suite, "filling", "full small device");
    tcase_add_loop_test(tcase, lists_of_losses_change_no_bit, 0, 2 * 5 * LIST_KINDS);
    tcase = add_case(suite, "pieces", "full");
    tcase_add_loop_test(tcase, more_pixels_than_bins_hold_change_no_bit, 0, 2 * LIST_KINDS);
    tcase = add_case(suite, "many losses", "slow");
    tcase_add_loop_test(tcase, every_p_and_support_is_accurate_on_many_losses, 0, 2 * POINTS);
    return test_main(suite);
}

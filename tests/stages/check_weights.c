/*
 * The weights stage: every pixel's share, from losses and from logits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double norms[] = {1.0, 1.0000001, 1.002, 1.01, 1.3, 1.7, 2.0, 4.0, 100.0, 1e6, INFINITY};
static const double supports[] = {1e-6, 0.01, 0.25, 0.5, 1.0};
enum { NORMS = sizeof norms / sizeof *norms, SUPPORTS = sizeof supports / sizeof *supports, POINTS = NORMS * SUPPORTS };

static struct problem *losses_at(int point, enum losses_kind kind, uint64_t pixels) {
    struct problem *problem = problem_of_losses(1, 1, test_small() ? 90 : pixels);
    struct rng rng = rng_for("weights", (uint64_t)point);
    fill_losses(problem, kind, &rng);
    problem->in.params.p = norms[point % NORMS];
    problem->in.params.support = supports[point / NORMS % SUPPORTS];
    return problem;
}

static void finish(struct problem *problem, struct outputs *got) {
    outputs_free(got);
    problem_free(problem);
}

START_TEST(weights_are_admissible) {
    struct problem *problem = losses_at(_i, LOSSES_ZEROS, 901);
    struct outputs *got = assert_solved(problem);
    double p = problem->in.params.p, n = (double)problem->pixels, norm = 0.0, tau = (double)got->result->tau;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        double share = (double)got->weights[i] / tau;
        ck_assert(share >= 0.0 && share <= 1.0);
        norm += isinf(p) ? 0.0 : pow(share, p);
    }
    if (isinf(p))
        ck_assert(tau <= (1.0 + 1e-6) / n);
    else /* p log ||w|| against p log gamma: a power of 1e6 leaves no digits in the norm itself */
        ck_assert_msg(log(norm) + p * log(tau) <= (1.0 - p) * log(n) + p * 8e-6, "%s", describe(problem));
    finish(problem, got);
}
END_TEST

START_TEST(weights_times_losses_are_the_pooled_loss) {
    struct problem *problem = losses_at(_i, LOSSES_LOG_NORMAL, 901);
    struct outputs *got = assert_solved(problem);
    double sum = 0.0, loss = (double)got->result->loss;
    for (uint64_t i = 0; i < problem->pixels; i++)
        sum += (double)got->weights[i] * (double)problem->losses[i];
    ck_assert_msg(fabs(sum - loss) <= 8e-6 * loss, "w l = %.9g, L = %.9g; %s", sum, loss, describe(problem));
    finish(problem, got);
}
END_TEST

struct pair {
    float loss, weight;
};

static int by_loss(const void *a, const void *b) {
    float x = ((const struct pair *)a)->loss, y = ((const struct pair *)b)->loss;
    return (x > y) - (x < y);
}

/* A harder pixel never weighs less than an easier one, bit for bit, and equal ones weigh the same. */
START_TEST(weights_grow_with_losses) {
    enum { PIXELS = 2000 };
    static struct pair pairs[PIXELS];
    static const enum losses_kind kinds[] = {LOSSES_LOG_NORMAL, LOSSES_CLOSE, LOSSES_EDGES, LOSSES_TIES};
    struct problem *problem = losses_at(_i, kinds[_i % 4], PIXELS);
    struct outputs *got = assert_solved(problem);
    for (int i = 0; i < PIXELS; i++)
        pairs[i] = (struct pair){problem->losses[i], got->weights[i]};
    qsort(pairs, PIXELS, sizeof *pairs, by_loss);
    for (int i = 1; i < PIXELS; i++) {
        ck_assert_msg(pairs[i].loss > pairs[i - 1].loss || pairs[i].weight == pairs[i - 1].weight, "ties: %s",
                      describe(problem));
        ck_assert_msg(pairs[i].weight >= pairs[i - 1].weight, "l %a weighs %a, l %a weighs %a; %s",
                      (double)pairs[i].loss, (double)pairs[i].weight, (double)pairs[i - 1].loss,
                      (double)pairs[i - 1].weight, describe(problem));
    }
    finish(problem, got);
}
END_TEST

/* Full weight is tau as the result has it, and `support` counts it. */
START_TEST(support_counts_the_pixels_at_tau) {
    static const enum losses_kind kinds[] = {LOSSES_UNIFORM, LOSSES_ZEROS, LOSSES_TIES};
    struct problem *problem = losses_at(_i, kinds[_i % 3], 1003);
    struct outputs *got = assert_solved(problem);
    uint64_t above = 0, full = 0;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        bool hard = problem->losses[i] > got->result->alpha;
        above += hard;
        full += got->weights[i] == got->result->tau;
        ck_assert_msg(!hard || got->weights[i] == got->result->tau, "a pixel above alpha weighs %a, tau is %a; %s",
                      (double)got->weights[i], (double)got->result->tau, describe(problem));
    }
    ck_assert_msg(full >= got->result->support, "%llu pixels at tau; %s", (unsigned long long)full, describe(problem));
    ck_assert(isinf(problem->in.params.p) || got->result->support >= above);
    finish(problem, got);
}
END_TEST

/* Eight equal losses, of which one pixel's share is to be full: alpha is 8^(1/q) of them. */
START_TEST(alpha_is_the_largest_float_where_it_would_be_beyond) {
    static const float losses[] = {FLT_MAX, 0x1p127f, 0x1p126f, 0x1p124f};
    struct problem *problem = problem_of_losses(1, 1, 8);
    problem->in.params.support = 0.125;
    for (uint64_t i = 0; i < 8; i++)
        problem->losses[i] = losses[_i];
    struct outputs *got = assert_solved(problem);
    ck_assert((got->result->alpha == FLT_MAX) == (_i < 2) && got->result->alpha >= losses[_i]);
    ck_assert(got->result->loss <= FLT_MAX && got->result->valid == 8);
    finish(problem, got);
}
END_TEST

START_TEST(p_infinite_weighs_every_pixel_one_nth) {
    struct problem *problem = losses_at((NORMS - 1) + NORMS * (_i % SUPPORTS), LOSSES_UNCLEAN, (uint64_t)(50 + _i));
    struct outputs *got = assert_solved(problem);
    float share = (float)(1.0 / (double)got->result->valid);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(got->weights[i] == (reference_valid(&problem->in, i) ? share : 0.0f));
    ck_assert(got->result->support == got->result->valid && got->result->tau == share);
    finish(problem, got);
}
END_TEST

START_TEST(support_1_weighs_every_loss_one_nth) {
    struct problem *problem = losses_at(_i % NORMS, LOSSES_UNCLEAN, (uint64_t)(50 + _i));
    problem->in.params.support = 1.0;
    struct outputs *got = assert_solved(problem);
    float share = (float)(1.0 / (double)got->result->valid);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        bool weighs =
            reference_valid(&problem->in, i) && (problem->losses[i] >= FLT_MIN || isinf(problem->in.params.p));
        ck_assert(got->weights[i] == (weighs ? share : 0.0f));
    }
    finish(problem, got);
}
END_TEST

START_TEST(one_nth_is_rounded_right_for_every_n) {
    struct problem *problem = problem_of_losses(1, 1, (uint64_t)_i);
    problem->in.params.p = _i % 2 ? 1.7 : INFINITY;
    for (int i = 0; i < _i; i++)
        problem->losses[i] = 2.5f;
    struct outputs *got = run_device(problem, &(struct run){0});
    for (int i = 0; i < _i; i++)
        ck_assert_msg(got->weights[i] == (float)(1.0 / _i), "n = %d: %a", _i, (double)got->weights[i]);
    finish(problem, got);
}
END_TEST

START_TEST(invalid_pixels_weigh_nothing) {
    struct problem *problem = problem_of_logits(2, 3, 9, 17, CLMP_LABEL_INT32);
    struct rng rng = rng_for("invalid pixels", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    problem->in.params.p = norms[_i % NORMS];
    struct outputs *got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        if (!reference_valid(&problem->in, i))
            ck_assert(got->weights[i] == 0.0f && got->losses[i] == 0.0f);
    finish(problem, got);
}
END_TEST

/* What a caller does who brings the losses of the loss entry to the weights entry. */
START_TEST(weights_of_losses_are_those_of_their_logits) {
    struct problem *logits = problem_of_logits(1, 3, 13, 31, CLMP_LABEL_UINT8);
    struct problem *losses = problem_of_losses(1, 13, 31);
    struct rng rng = rng_for("own losses", (uint64_t)_i);
    fill_logits(logits, &rng);
    logits->in.params.p = losses->in.params.p = norms[_i % NORMS];
    struct outputs *a = assert_solved(logits);
    memcpy(losses->losses, a->losses, losses->pixels * sizeof(float));
    struct outputs *b = assert_solved(losses);
    ck_assert(memcmp(a->weights, b->weights, losses->pixels * sizeof(float)) == 0);
    ck_assert(memcmp(a->result, b->result, sizeof *a->result) == 0);
    finish(logits, a);
    finish(losses, b);
}
END_TEST

int main(void) {
    bool small = test_small();
    int points = small ? 4 : POINTS;
    Suite *suite = suite_create("weights");
    TCase *tcase = add_case(suite, "exact", "full quick small");
    tcase_add_loop_test(tcase, p_infinite_weighs_every_pixel_one_nth, 0, small ? 2 : 10);
    tcase_add_loop_test(tcase, support_1_weighs_every_loss_one_nth, 0, small ? 4 : NORMS);
    tcase_add_loop_test(tcase, one_nth_is_rounded_right_for_every_n, 1, small ? 20 : 200);
    tcase_add_loop_test(tcase, alpha_is_the_largest_float_where_it_would_be_beyond, 0, 4);
    tcase = add_case(suite, "properties", "full small");
    tcase_add_loop_test(tcase, weights_are_admissible, 0, points);
    tcase_add_loop_test(tcase, weights_times_losses_are_the_pooled_loss, 0, points);
    tcase_add_loop_test(tcase, support_counts_the_pixels_at_tau, 0, points);
    tcase_add_loop_test(tcase, invalid_pixels_weigh_nothing, 0, small ? 2 : NORMS);
    tcase_add_loop_test(tcase, weights_of_losses_are_those_of_their_logits, 0, small ? 2 : NORMS);
    tcase = add_case(suite, "order", "full");
    tcase_add_loop_test(tcase, weights_grow_with_losses, 0, POINTS);
    return test_main(suite);
}

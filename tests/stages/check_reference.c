/*
 * The long-double reference, held to the definition that it states: nothing else checks it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PIXELS 60
#define TINY 1e-13L /* what long double leaves after a root with q in the thousands */

static const double norms[] = {1.0, 1.0001, 1.01, 1.3, 1.7, 2.0, 4.0, 100.0, 1e6, INFINITY};
static const double supports[] = {1e-6, 0.01, 0.25, 0.5, 0.9, 1.0};
enum { NORMS = sizeof norms / sizeof *norms, SUPPORTS = sizeof supports / sizeof *supports };

struct solved {
    struct problem *problem;
    long double losses[PIXELS], weights[PIXELS], n, m, gamma;
    struct exact_result r;
};

static void solve(struct solved *s) {
    struct exact_output out = {.losses = s->losses, .weights = s->weights, .result = &s->r};
    const clmp_plan_params *params = &s->problem->in.params;
    reference_exact(&s->problem->in, &out);
    s->n = (long double)s->r.valid;
    s->m = fmaxl(1.0L, (long double)params->support * s->n);
    s->gamma = powl(s->n, 1.0L / params->p - 1.0L);
}

/* The grid of norms, supports and kinds of losses, one point to an index. */
enum { GRID = NORMS * SUPPORTS * LOSSES_KINDS };

static struct solved solved_at(int index) {
    struct solved s = {.problem = problem_of_losses(1, 1, PIXELS)};
    struct rng rng = rng_for("reference", (uint64_t)index);
    fill_losses(s.problem, (enum losses_kind)(index % LOSSES_KINDS), &rng);
    s.problem->in.params.p = norms[index / LOSSES_KINDS % NORMS];
    s.problem->in.params.support = supports[index / LOSSES_KINDS / NORMS];
    solve(&s);
    return s;
}

static long double norm(const long double *w, long double p) {
    long double sum = 0.0L, largest = 0.0L;
    for (int i = 0; i < PIXELS; i++)
        largest = fmaxl(largest, w[i]);
    if (isinf(p) || largest == 0.0L)
        return largest;
    for (int i = 0; i < PIXELS; i++)
        sum += powl(w[i] / largest, p);
    return largest * powl(sum, 1.0L / p);
}

static long double dot(const long double *w, const long double *l) {
    long double sum = 0.0L;
    for (int i = 0; i < PIXELS; i++)
        sum += w[i] * l[i];
    return sum;
}

START_TEST(weights_are_admissible_and_reach_the_loss) {
    struct solved s = solved_at(_i);
    for (int i = 0; i < PIXELS; i++)
        ck_assert_msg(s.weights[i] >= 0.0L && s.weights[i] <= s.r.tau * (1.0L + TINY), "w[%d] = %Lg; %s", i,
                      s.weights[i], describe(s.problem));
    ck_assert_msg(norm(s.weights, s.problem->in.params.p) <= s.gamma * (1.0L + TINY), "%s", describe(s.problem));
    long double l = dot(s.weights, s.losses);
    ck_assert_msg(fabsl(l - s.r.loss) <= TINY * s.r.loss, "w l = %.20Lg, L = %.20Lg; %s", l, s.r.loss,
                  describe(s.problem));
    problem_free(s.problem);
}
END_TEST

START_TEST(alpha_solves_eta) {
    struct solved s = solved_at(_i);
    long double p = s.problem->in.params.p, q = isinf(p) ? 1.0L : p / (p - 1.0L), eta = 0.0L;
    uint64_t positive = 0, at_least = 0, above = 0;
    for (int i = 0; i < PIXELS; i++) {
        positive += s.losses[i] > 0.0L;
        at_least += s.losses[i] >= s.r.alpha && s.losses[i] > 0.0L;
        above += s.losses[i] > s.r.alpha;
        eta += s.r.alpha > 0.0L ? fminl(1.0L, powl(s.losses[i] / s.r.alpha, q)) : 0.0L;
    }
    ck_assert((s.r.alpha == 0.0L) == ((long double)positive <= s.m));
    if (s.r.alpha > 0.0L && p == 1.0L)
        ck_assert_msg((long double)above < s.m && (long double)at_least >= s.m, "%s", describe(s.problem));
    else if (s.r.alpha > 0.0L)
        ck_assert_msg(fabsl(eta - s.m) <= TINY * s.m, "eta = %.20Lg, m = %.20Lg; %s", eta, s.m, describe(s.problem));
    problem_free(s.problem);
}
END_TEST

/* Scales w to the p-norm bound, then clips it at tau: as large as an admissible w of its direction gets. */
static void make_admissible(const struct solved *s, long double *w) {
    long double scale = s->gamma / norm(w, s->problem->in.params.p);
    for (int i = 0; i < PIXELS; i++)
        w[i] = fminl(w[i] * scale, s->r.tau);
}

START_TEST(no_admissible_weights_give_more) {
    struct solved s = solved_at(_i);
    struct rng rng = rng_for("rivals", (uint64_t)_i);
    for (int rival = 0; rival < 40; rival++) {
        long double w[PIXELS], sharpness = 4.0L * rng_uniform(&rng);
        for (int i = 0; i < PIXELS; i++) {
            long double noise = rng_uniform(&rng), near = s.weights[i] * (1.0L + 1e-3L * noise);
            w[i] = !reference_valid(&s.problem->in, (uint64_t)i) ? 0.0L : rival % 2 ? near : powl(noise, sharpness);
        }
        make_admissible(&s, w);
        ck_assert_msg(dot(w, s.losses) <= s.r.loss * (1.0L + TINY), "%.20Lg > %.20Lg; %s", dot(w, s.losses), s.r.loss,
                      describe(s.problem));
    }
    problem_free(s.problem);
}
END_TEST

START_TEST(loss_lies_between_the_mean_and_the_mean_of_the_hardest) {
    struct solved s = solved_at(_i), hardest = s;
    long double mean = 0.0L;
    for (int i = 0; i < PIXELS; i++)
        mean += s.losses[i] / s.n;
    s.problem->in.params.p = 1.0;
    solve(&hardest);
    ck_assert_msg(s.r.loss >= mean * (1.0L - TINY) && s.r.loss <= hardest.r.loss * (1.0L + TINY), "%s",
                  describe(s.problem));
    problem_free(s.problem);
}
END_TEST

/* p = 1.000001 comes as near to p = 1 as the gap between the losses allows; and inf to 1e9. */
START_TEST(limits_of_p_are_continuous) {
    struct solved s = {.problem = problem_of_losses(1, 1, PIXELS)};
    for (int i = 0; i < PIXELS; i++)
        s.problem->losses[i] = 0.5f + (float)(i * 37 % PIXELS);
    s.problem->in.params.support = supports[_i];
    struct solved near = s;
    const double pairs[2][2] = {{1.0, 1.000001}, {INFINITY, 1e9}};
    for (int k = 0; k < 2; k++) {
        s.problem->in.params.p = pairs[k][0];
        solve(&s);
        s.problem->in.params.p = pairs[k][1];
        solve(&near);
        ck_assert(fabsl(s.r.loss - near.r.loss) <= 1e-4L * s.r.loss);
        for (int i = 0; i < PIXELS; i++)
            ck_assert(fabsl(s.weights[i] - near.weights[i]) <= 1e-4L * s.r.tau);
    }
    problem_free(s.problem);
}
END_TEST

START_TEST(cases_that_are_exact) {
    struct solved s = {.problem = problem_of_losses(1, 1, PIXELS)};
    clmp_plan_params *params = &s.problem->in.params;
    for (int i = 0; i < PIXELS; i++)
        s.problem->losses[i] = i < 15 ? 3.0f : i < 26 ? 2.0f : 0.0f;
    params->p = 1.0; /* m = 22.5: 15 above, and 7.5 shared by the 11 at alpha */
    params->support = 0.375;
    solve(&s);
    ck_assert(s.r.alpha == 2.0L && s.r.support == 15 && s.r.tau == 1.0L / 22.5L);
    ck_assert(fabsl(s.weights[20] - 7.5L / 11.0L / 22.5L) < 1e-18L && s.weights[40] == 0.0L);
    params->support = 0.25; /* 15 pixels fill m exactly */
    solve(&s);
    ck_assert(s.r.alpha == 3.0L && s.r.support == 15 && s.weights[15] == 0.0L);
    params->p = 1.7; /* 26 pixels > 0, m = 30: slack */
    params->support = 0.5;
    solve(&s);
    ck_assert(s.r.alpha == 0.0L && s.r.support == 26 && s.weights[25] == s.r.tau && s.weights[26] == 0.0L);
    params->p = INFINITY; /* the plain mean weighs zeros, too */
    solve(&s);
    ck_assert(s.r.support == PIXELS && s.weights[59] == 1.0L / PIXELS && s.r.alpha == 0.0L);
    for (int i = 0; i < PIXELS; i++)
        s.problem->losses[i] = NAN;
    solve(&s);
    ck_assert(s.r.loss == 0.0L && s.r.alpha == 0.0L && s.r.valid == 0 && s.r.nonfinite == PIXELS);
    problem_free(s.problem);
}
END_TEST

START_TEST(all_equal_gives_the_mean_for_every_p) {
    struct solved s = {.problem = problem_of_losses(1, 1, PIXELS)};
    for (int i = 0; i < PIXELS; i++)
        s.problem->losses[i] = 0.7f;
    s.problem->in.params.p = norms[_i % NORMS];
    s.problem->in.params.support = supports[_i / NORMS];
    solve(&s);
    for (int i = 0; i < PIXELS; i++)
        ck_assert(fabsl(s.weights[i] * PIXELS - 1.0L) <= TINY);
    problem_free(s.problem);
}
END_TEST

/* docs/algorithm.md, 7: on both sides of where terms end, q = 11.25, and where rounded coefficients are at their worst.
 */
static const double bin_norms[] = {INFINITY, 1e6, 102.0, 4.0,      2.0,  1.7,  1.5,  1.3,  1.25,
                                   1.1059,   1.1, 1.099, 1.098956, 1.09, 1.05, 1.01, 1.001};
enum { BIN_NORMS = sizeof bin_norms / sizeof *bin_norms };

START_TEST(powers_of_a_bin_are_accurate) {
    const double p = bin_norms[_i % BIN_NORMS];
    const long double q = isinf(p) ? 1.0L : (long double)p / ((long double)p - 1.0L);
    const uint64_t pixels = (uint64_t)1 << (_i < BIN_NORMS ? 20 : 36); /* the most that there may be */
    const long double fixed = ldexpl(1.0L, _i < BIN_NORMS ? -41 : -27);
    for (uint32_t child = 20; child != 0; child = child == 20 ? 10 : 0)
        for (uint32_t mantissa = 0; mantissa < 1u << 23; mantissa += 509) {
            const uint32_t key = 0x3f800000u | mantissa, tops = (1u << child) - 1;
            const long double l = mantissa | 0x800000u, u = (mantissa | tops) | 0x800000u;
            const long double exact = powl(l / u, q),
                              off = fabsl((long double)reference_power(p, key, tops, pixels) - exact);
            ck_assert_msg(off <= 0.9L * 0x1p-24L * q * exact + fixed, "p %g, mantissa %#x: off by %Lg of %Lg", p,
                          (unsigned)mantissa, off, exact);
        }
    for (uint32_t mantissa = 0; mantissa < 1u << 23; mantissa += 65537)
        ck_assert(reference_power(p, 0x40000000u | mantissa, 0, pixels) == 1.0); /* round three */
}
END_TEST

START_TEST(cross_entropy_is_minus_log_softmax) {
    struct problem *problem = problem_of_logits(1, 7, 1, PIXELS, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("cross entropy", 0);
    long double losses[PIXELS];
    struct exact_output out = {.losses = losses};
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = (float)rng_normal(&rng);
    for (uint64_t i = 0; i < PIXELS; i++)
        set_label(problem, i, (int64_t)rng_below(&rng, 7));
    reference_exact(&problem->in, &out);
    for (uint64_t i = 0; i < PIXELS; i++) {
        long double sum = 0.0L, x = *logit_of(problem, i, (uint64_t)get_label(problem, i));
        for (uint64_t c = 0; c < 7; c++)
            sum += expl((long double)*logit_of(problem, i, c));
        ck_assert(fabsl(losses[i] - (logl(sum) - x)) < 1e-17L);
    }
    problem_free(problem);
}
END_TEST

START_TEST(confident_pixels_keep_their_small_loss) {
    struct problem *problem = problem_of_logits(1, 2, 1, 3, CLMP_LABEL_UINT8);
    long double losses[3];
    struct exact_output out = {.losses = losses};
    *logit_of(problem, 0, 0) = 60.0f;   /* log1p(exp(-60)) */
    *logit_of(problem, 1, 0) = 200.0f;  /* below FLT_MIN */
    *logit_of(problem, 2, 0) = -200.0f; /* 200 + log1p(exp(-200)) */
    reference_exact(&problem->in, &out);
    ck_assert(fabsl(losses[0] / expl(-60.0L) - 1.0L) < 1e-18L);
    ck_assert(losses[1] == 0.0L && losses[2] == 200.0L);
    problem_free(problem);
}
END_TEST

/* Central differences of L over logits that are multiples of the step, so that x +- step are floats. */
START_TEST(gradient_is_the_derivative_of_the_loss) {
    enum { CLASSES = 4, AREA = 12, IMAGES = 2 };
    const float step = 0x1p-16f;
    static const float class_weights[CLASSES] = {1.0f, 0.5f, 3.0f, 0.25f};
    struct problem *problem = problem_of_logits(IMAGES, CLASSES, 1, AREA, CLMP_LABEL_INT32);
    struct rng rng = rng_for("finite differences", (uint64_t)_i);
    long double gradient[IMAGES * AREA * CLASSES];
    struct exact_result before[1 + IMAGES], after[1 + IMAGES];
    struct exact_output out = {.gradient = gradient}, low = {.result = before}, high = {.result = after};
    clmp_plan_params *params = &problem->in.params;
    params->p = norms[_i % NORMS];
    params->support = 0.3;
    params->scope = _i / NORMS % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    params->class_weights = class_weights;
    problem->in.gradient_scale = 2.0f;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = step * (float)rng_below(&rng, 1 << 18);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, i % 9 == 8 ? 255 : (int64_t)rng_below(&rng, CLASSES));
    reference_exact(&problem->in, &out);
    for (uint64_t i = 0; i < problem->elements; i++) {
        float x = problem->logits[i];
        problem->logits[i] = x - step;
        reference_exact(&problem->in, &low);
        problem->logits[i] = x + step;
        reference_exact(&problem->in, &high);
        problem->logits[i] = x;
        long double slope = 2.0L * (after[0].loss - before[0].loss) / (2.0L * (long double)step);
        ck_assert_msg(fabsl(slope - gradient[i]) < 1e-4L, "[%d] slope %.12Lg, gradient %.12Lg; %s", (int)i, slope,
                      gradient[i], describe(problem));
    }
    problem_free(problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reference");
    TCase *tcase = add_case(suite, "weighting", "quick");
    tcase_add_loop_test(tcase, weights_are_admissible_and_reach_the_loss, 0, GRID);
    tcase_add_loop_test(tcase, alpha_solves_eta, 0, GRID);
    tcase_add_loop_test(tcase, no_admissible_weights_give_more, 0, GRID);
    tcase_add_loop_test(tcase, loss_lies_between_the_mean_and_the_mean_of_the_hardest, 0, GRID);
    tcase_add_loop_test(tcase, limits_of_p_are_continuous, 0, SUPPORTS);
    tcase_add_test(tcase, cases_that_are_exact);
    tcase_add_loop_test(tcase, all_equal_gives_the_mean_for_every_p, 0, NORMS * SUPPORTS);
    tcase_add_loop_test(tcase, powers_of_a_bin_are_accurate, 0, 2 * BIN_NORMS);
    tcase = add_case(suite, "logits", "quick");
    tcase_add_test(tcase, cross_entropy_is_minus_log_softmax);
    tcase_add_test(tcase, confident_pixels_keep_their_small_loss);
    tcase_add_loop_test(tcase, gradient_is_the_derivative_of_the_loss, 0, 2 * NORMS);
    return host_test_main(suite);
}

/*
 * The weightings besides loss max-pooling: uniform, topk, ohem and balanced.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const enum losses_kind kinds[] = {LOSSES_LOG_NORMAL, LOSSES_TIES, LOSSES_ZEROS,
                                         LOSSES_CLOSE,      LOSSES_HUGE, LOSSES_UNCLEAN};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct problem *of_losses(uint64_t pixels, int index) {
    struct problem *problem = problem_of_losses(1, 1, pixels);
    struct rng rng = rng_for("weighting", (uint64_t)index);
    fill_losses(problem, kinds[index % KINDS], &rng);
    return problem;
}

/* Classes as unlike in size as data has them: each half as large as the one before. */
static void skew_labels(struct problem *problem, struct rng *rng) {
    uint64_t classes = problem->in.params.classes;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        uint64_t c = 0;
        while (c + 1 < classes && rng_below(rng, 2))
            c++;
        set_label(problem, i, (int64_t)c);
    }
}

static struct problem *of_logits(uint64_t images, uint64_t height, uint64_t width, clmp_label_type type, int index) {
    struct problem *problem = problem_of_logits(images, 5, height, width, type);
    struct rng rng = rng_for("weighting of logits", (uint64_t)index);
    fill_logits(problem, &rng);
    skew_labels(problem, &rng);
    spoil(problem, &rng);
    return problem;
}

static void finish(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

/* --------------------------------------------------------------------------------------------------------- uniform */

START_TEST(uniform_is_p_infinity_bit_for_bit) {
    struct problem *problem = _i % 2 ? of_logits(2, 9, 11, CLMP_LABEL_UINT8, _i) : of_losses(777, _i / 2);
    problem->in.params.scope = _i % 4 == 3 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.p = INFINITY;
    struct outputs *mean = assert_solved(problem);
    problem->in.params.p = 1.3; /* not looked at */
    problem->in.params.weighting = CLMP_WEIGHTING_UNIFORM;
    struct outputs *uniform = assert_solved(problem);
    for (size_t i = 0; i < mean->records; i++)
        mean->result[i].alpha = 0.0f;
    assert_same_bits(problem, uniform, mean);
    ck_assert(uniform->result->support == uniform->result->valid);
    outputs_free(mean);
    outputs_free(uniform);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ topk */

START_TEST(topk_by_share_is_p_1_bit_for_bit) {
    struct problem *problem = of_losses(500, _i);
    problem->in.params.support = 0.1;
    problem->in.params.p = 1.0;
    struct outputs *hardest = assert_solved(problem);
    problem->in.params.p = 1.7;
    problem->in.params.weighting = CLMP_WEIGHTING_TOPK;
    struct outputs *topk = assert_solved(problem);
    assert_same_bits(problem, topk, hardest);
    outputs_free(hardest);
    outputs_free(topk);
    problem_free(problem);
}
END_TEST

START_TEST(topk_of_every_count_is_accurate) {
    static const uint64_t counts[] = {1, 2, 17, 299, 300, 301, UINT64_MAX};
    struct problem *problem = of_losses(300, _i / 7);
    problem->in.params.weighting = CLMP_WEIGHTING_TOPK;
    problem->in.params.topk_count = counts[_i % 7];
    finish(problem);
}
END_TEST

START_TEST(topk_keeps_the_k_hardest) {
    struct problem *problem = problem_of_losses(1, 1, 10);
    for (int i = 0; i < 10; i++)
        problem->losses[i] = (float)((i * 7) % 10 + 1);
    problem->in.params.weighting = CLMP_WEIGHTING_TOPK;
    problem->in.params.topk_count = 4;
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->loss == 8.5f && got->result->alpha == 7.0f && got->result->support == 4);
    for (int i = 0; i < 10; i++)
        ck_assert(got->weights[i] == (problem->losses[i] >= 7.0f ? 0.25f : 0.0f));
    outputs_free(got);
    problem->in.params.topk_count = 11; /* all of them */
    got = assert_solved(problem);
    ck_assert(got->result->support == 10 && fabsf(got->result->loss - 5.5f) <= 1.1e-5f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ ohem */

START_TEST(minus_log_is_that_of_libm) {
    struct rng rng = rng_for("minus log", 0);
    for (int i = 0; i < 20000; i++) {
        double x = i % 3 == 0   ? rng_uniform(&rng)
                   : i % 3 == 1 ? exp(-700.0 * rng_uniform(&rng))
                                : 1.0 - exp(-30.0 * rng_uniform(&rng));
        if (!(x > 0.0 && x < 1.0))
            continue;
        long double want = -logl((long double)x);
        ck_assert_msg(fabsl((long double)reference_minus_log(x) - want) <= 4.0L * (long double)DBL_EPSILON * want,
                      "-ln(%a) is %a, exactly %La", x, reference_minus_log(x), want);
    }
}
END_TEST

static struct problem *ohem(struct problem *problem, double thresh, uint64_t min_kept) {
    problem->in.params.weighting = CLMP_WEIGHTING_OHEM;
    problem->in.params.ohem_thresh = thresh;
    problem->in.params.ohem_min_kept = min_kept;
    return problem;
}

static const double thresholds[] = {1e-300, 1e-6, 0.3, 0.7, 0.999, 1.0 - 0x1p-53};
static const uint64_t min_kepts[] = {0, 1, 2, 40, 311, 312, 313, 314, UINT64_MAX};
enum { THRESHOLDS = 6, MIN_KEPTS = 9 };

START_TEST(ohem_of_losses_is_accurate) {
    finish(ohem(of_losses(313, _i / (THRESHOLDS * MIN_KEPTS)), thresholds[_i % THRESHOLDS],
                min_kepts[_i / THRESHOLDS % MIN_KEPTS]));
}
END_TEST

START_TEST(ohem_of_logits_is_accurate) {
    static const clmp_label_type types[] = {CLMP_LABEL_UINT8, CLMP_LABEL_INT32, CLMP_LABEL_INT64, CLMP_LABEL_UINT16};
    struct problem *problem = ohem(of_logits(3, 7, 13, types[_i % 4], _i), thresholds[1 + _i % 4], (uint64_t)_i * 9);
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.gradient_scale = 3.0f;
    for (uint64_t c = 0; c < 5; c++)
        problem->class_weights[c] = (float)c * 0.75f; /* class 0 is out */
    problem->in.params.class_weights = _i / 2 % 2 ? problem->class_weights : NULL;
    finish(problem);
}
END_TEST

/* mmsegmentation: threshold = max(sorted probabilities[min(min_kept, n - 1)], thresh), kept where probability < it. */
START_TEST(ohem_keeps_what_mmsegmentation_keeps) {
    enum { PIXELS = 200 };
    struct problem *problem = ohem(of_losses(PIXELS, 0), 0.6, (uint64_t)_i * 11);
    for (int i = 0; i < PIXELS; i++)
        problem->losses[i] = fminf(problem->losses[i], 80.0f);
    struct outputs *got = assert_solved(problem);
    int below = 0; /* pixels harder than the one at hand, by pairs: no sort */
    uint64_t kept = 0;
    for (int i = 0; i < PIXELS; i++) {
        below = 0;
        for (int j = 0; j < PIXELS; j++)
            below += problem->losses[j] > problem->losses[i];
        bool want = exp(-(double)problem->losses[i]) < 0.6 || below < _i * 11;
        ck_assert_msg((got->weights[i] > 0.0f) == want, "pixel %d, min_kept %d", i, _i * 11);
        kept += want;
    }
    ck_assert(got->result->support == kept);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(ohem_min_kept_counts_for_each_image) {
    struct problem *problem = problem_of_losses(4, 1, 50);
    for (int i = 0; i < 200; i++)
        problem->losses[i] = (float)((i * 37) % 200 + 1) * 1e-4f; /* all easier than thresh */
    ohem(problem, 0.5, 5);
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->support == 20);
    outputs_free(got);
    problem->in.params.scope = CLMP_SCOPE_IMAGE;
    got = assert_solved(problem);
    for (int i = 0; i < 4; i++)
        ck_assert(got->result[1 + i].support == 5);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(ohem_with_min_kept_above_the_pixel_count_keeps_all) {
    struct problem *problem = ohem(of_losses(100, 2), 0.7, (uint64_t)(_i ? 1000000 : 100));
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->support == 100 && got->result->alpha == 0.0f);
    for (int i = 0; i < 100; i++)
        ck_assert(got->weights[i] == 0.01f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(ohem_that_keeps_nothing_gives_zero) {
    struct problem *problem = problem_of_logits(2, 3, 4, 9, CLMP_LABEL_UINT8);
    ohem(problem, 0.2, 0); /* all classes alike: probability 1/3 */
    problem->in.params.class_weights = _i ? problem->class_weights : NULL;
    struct outputs *got = assert_solved(problem);
    ck_assert(got->result->loss == 0.0f && got->result->tau == 0.0f && got->result->support == 0);
    ck_assert(got->result->valid == problem->pixels);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(got->gradient[i] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(class_weights_do_not_change_whom_ohem_keeps) {
    struct problem *problem = ohem(of_logits(2, 9, 11, CLMP_LABEL_INT32, 7), 0.4, 10);
    struct outputs *without = assert_solved(problem);
    for (uint64_t c = 0; c < 5; c++)
        problem->class_weights[c] = (float)(1 + c);
    problem->in.params.class_weights = problem->class_weights;
    struct outputs *with = assert_solved(problem);
    ck_assert(with->result->support == without->result->support && with->result->alpha == without->result->alpha);
    ck_assert(memcmp(with->weights, without->weights, problem->pixels * sizeof(float)) == 0);
    ck_assert(with->result->loss > without->result->loss);
    outputs_free(with);
    outputs_free(without);
    problem_free(problem);
}
END_TEST

START_TEST(ohem_limits_a_loss_that_its_class_weight_overflows) {
    struct problem *problem = ohem(problem_of_logits(1, 2, 1, 20, CLMP_LABEL_UINT8), 0.7, 3);
    for (uint64_t i = 0; i < 20; i++) {
        set_label(problem, i, (int64_t)(i % 2));
        *logit_of(problem, i, 1 - i % 2) = 4.0f + (float)i;
    }
    problem->class_weights[1] = FLT_MAX;
    problem->in.params.class_weights = problem->class_weights;
    struct run run = {.entry = ENTRY_FULL};
    struct outputs *got = run_device(problem, &run), *want = run_reference(problem);
    assert_same_bits(problem, got, want);
    ck_assert(got->result->nonfinite == 0 && got->result->valid == 20 && got->losses[1] == FLT_MAX);
    ck_assert(isfinite(got->result->loss) && isfinite(got->gradient[1]));
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- balanced */

/* The vectors that come with Random123, of the generator's authors. */
START_TEST(philox_gives_its_known_answers) {
    ck_assert(reference_philox(0, 0, 0) == 0xe169c58d6627e8d5u);
    ck_assert(reference_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX) == 0x41c83b0e408f276du);
    ck_assert(reference_philox(0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u) == 0x94fdccebd16cfe09u);
}
END_TEST

static struct problem *balanced(struct problem *problem, clmp_sampling sampling, uint64_t seed) {
    problem->in.params.weighting = CLMP_WEIGHTING_BALANCED;
    problem->in.params.sampling = sampling;
    problem->in.params.seed = seed;
    return problem;
}

START_TEST(balanced_is_accurate) {
    static const clmp_label_type types[] = {CLMP_LABEL_UINT8, CLMP_LABEL_INT32, CLMP_LABEL_INT64, CLMP_LABEL_UINT16};
    struct problem *problem = of_logits(3, 7, 13, types[_i % 4], _i);
    balanced(problem, (clmp_sampling)(_i % 3), (uint64_t)_i * 0x123456789abcdefu);
    problem->in.step = _i % 5 ? (uint64_t)_i : UINT64_MAX;
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.gradient_scale = -2.0f;
    for (uint64_t c = 0; c < 5; c++)
        problem->class_weights[c] = (float)c * 0.75f;
    problem->in.params.class_weights = _i / 2 % 2 ? problem->class_weights : NULL;
    finish(problem);
}
END_TEST

START_TEST(balanced_of_many_classes_is_accurate) {
    struct problem *problem = problem_of_logits(1, 2100, 3, 41, CLMP_LABEL_UINT16); /* more than local memory counts */
    struct rng rng = rng_for("many classes", 0);
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, (int64_t)(i % 7 ? 2099 - i % 3 : 5));
    finish(balanced(problem, (clmp_sampling)_i, 1));
}
END_TEST

/* Draws of each class, and of all. */
static void count_draws(const struct problem *problem, const struct outputs *got, double draws[5], uint64_t counts[5]) {
    double least = 1.0;
    for (int c = 0; c < 5; c++)
        draws[c] = 0.0, counts[c] = 0;
    for (uint64_t i = 0; i < problem->pixels; i++)
        if (got->weights[i] > 0.0f && (double)got->weights[i] < least)
            least = (double)got->weights[i]; /* drawn once, in these problems */
    for (uint64_t i = 0; i < problem->pixels; i++) {
        int64_t c = get_label(problem, i);
        draws[c] += (double)got->weights[i] / least;
        counts[c]++;
    }
}

START_TEST(balanced_gives_each_class_its_quota) {
    struct problem *problem = problem_of_logits(1, 5, 200, 200, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("quota", (uint64_t)_i);
    fill_logits(problem, &rng);
    skew_labels(problem, &rng);
    balanced(problem, (clmp_sampling)(_i % 3), test_seed() + (uint64_t)_i);
    struct outputs *got = run_reference(problem);
    double draws[5];
    uint64_t counts[5], fewest = UINT64_MAX, most = 0;
    count_draws(problem, got, draws, counts);
    for (int c = 0; c < 5; c++) {
        fewest = counts[c] < fewest ? counts[c] : fewest;
        most = counts[c] > most ? counts[c] : most;
    }
    double quotas[] = {(double)problem->pixels / 5.0, (double)fewest, (double)most};
    for (int c = 0; c < 5; c++) {
        double quota = quotas[_i % 3], rest = fmod(quota / (double)counts[c], 1.0);
        double deviation = sqrt((double)counts[c] * rest * (1.0 - rest)); /* of a binomial count */
        ck_assert_msg(fabs(draws[c] - quota) <= 5.0 * deviation + 1e-3 * quota, "class %d has %g draws, not %g +- %g",
                      c, draws[c], quota, deviation);
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(another_step_or_seed_draws_other_pixels) {
    struct problem *problem = balanced(of_logits(1, 20, 20, CLMP_LABEL_UINT8, 0), CLMP_SAMPLING_UNDER, 42);
    struct outputs *first = assert_solved(problem), *again = assert_solved(problem);
    assert_same_bits(problem, again, first);
    problem->in.step = 1;
    struct outputs *step = assert_solved(problem);
    problem->in.step = 0;
    problem->in.params.seed = 43;
    struct outputs *seed = assert_solved(problem);
    ck_assert(memcmp(step->weights, first->weights, problem->pixels * sizeof(float)) != 0);
    ck_assert(memcmp(seed->weights, first->weights, problem->pixels * sizeof(float)) != 0);
    ck_assert(memcmp(seed->weights, step->weights, problem->pixels * sizeof(float)) != 0);
    outputs_free(first);
    outputs_free(again);
    outputs_free(step);
    outputs_free(seed);
    problem_free(problem);
}
END_TEST

START_TEST(one_class_alone_is_uniform) {
    struct problem *problem = balanced(problem_of_logits(1, 3, 5, 7, CLMP_LABEL_UINT8), (clmp_sampling)_i, 1);
    struct rng rng = rng_for("one class", 0);
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 1);
    struct outputs *drawn = assert_solved(problem);
    problem->in.params.weighting = CLMP_WEIGHTING_UNIFORM;
    struct outputs *uniform = assert_solved(problem);
    ck_assert(memcmp(drawn->weights, uniform->weights, problem->pixels * sizeof(float)) == 0);
    ck_assert(drawn->result->support == problem->pixels);
    outputs_free(drawn);
    outputs_free(uniform);
    problem_free(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- all */

START_TEST(no_valid_pixel_gives_zero) {
    struct problem *problem = problem_of_logits(2, 3, 4, 5, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, i % 2 ? 255 : 17);
    problem->in.params.weighting = (clmp_weighting)(_i % 5);
    problem->in.params.scope = _i / 5 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.topk_count = 3;
    problem->in.params.class_weights = _i / 10 ? problem->class_weights : NULL;
    struct outputs *got = assert_solved(problem);
    for (size_t i = 0; i < got->records; i++)
        ck_assert(got->result[i].loss == 0.0f && got->result[i].tau == 0.0f && got->result[i].valid == 0 &&
                  got->result[i].support == 0 && got->result[i].ignored > 0 && got->result[i].invalid_labels > 0);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(every_tuning_gives_the_same_bits) {
    static const clmp_tuning tunings[] = {
        {.vector_width = 1, .group_size = 1, .bin_group = 1, .chunks = 1},
        {.vector_width = 2, .group_size = 4, .bin_group = 2, .chunks = 3, .bin_memory = 1},
        {.vector_width = 4, .group_size = 32, .bin_group = 32, .chunks = 7, .bin_sets = 2},
        {.vector_width = 16, .group_size = 256, .bin_group = 256, .chunks = 40, .bin_sets = 40}};
    struct problem *problem = of_logits(3, 21, 17, CLMP_LABEL_UINT8, _i);
    problem->in.params.weighting = (clmp_weighting)(1 + _i % 4);
    problem->in.params.scope = _i / 4 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.ohem_min_kept = 50;
    problem->in.params.topk_count = 60;
    problem->in.params.class_weights = _i / 8 ? problem->class_weights : NULL;
    struct outputs *want = run_reference(problem);
    for (size_t i = 0; i < sizeof tunings / sizeof *tunings; i++) {
        if (!can_tune(&tunings[i]))
            continue;
        struct run run = {.tuning = tunings[i], .in_place = i % 2, .internal_workspace = i % 2, .shift = i};
        struct outputs *got = run_device(problem, &run);
        assert_same_bits(problem, got, want);
        outputs_free(got);
    }
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(losses_alone_have_the_same_bits) {
    struct problem *problem = of_logits(2, 9, 10, CLMP_LABEL_UINT8, _i);
    problem->in.params.weighting = (clmp_weighting)(1 + _i % 4);
    problem->in.params.class_weights = _i / 4 ? problem->class_weights : NULL;
    struct outputs *want = run_reference(problem);
    struct run runs[] = {{.entry = ENTRY_LOSS}, {.entry = ENTRY_LOSS, .no_losses = true}, {.no_weights = true}};
    for (int i = 0; i < 3; i++) {
        struct outputs *got = run_device(problem, &runs[i]);
        assert_same_bits(problem, got, want);
        outputs_free(got);
    }
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- refusals */

static void assert_refused(const clmp_plan_params *params, clmp_status status, const char *word) {
    clmp_plan *plan = (clmp_plan *)(uintptr_t)16;
    clear_log();
    ck_status(clmp_plan_create(test_device()->context, params, &plan), status);
    ck_assert(plan == NULL);
    ck_assert_msg(strstr(last_log(), word) != NULL, "the log has no '%s': %s", word, last_log());
}

static clmp_plan_params good_params(clmp_weighting weighting) {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = 3;
    params.height = params.width = 4;
    params.weighting = weighting;
    return params;
}

START_TEST(what_makes_no_sense_is_refused) {
    static const double bad[] = {0.0, 1.0, -0.5, 1.5, NAN, INFINITY};
    clmp_plan_params params = good_params((clmp_weighting)5);
    assert_refused(&params, CLMP_INVALID_ARGUMENT, "weighting is 5");
    params = good_params((clmp_weighting)-1);
    assert_refused(&params, CLMP_INVALID_ARGUMENT, "weighting is -1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        params = good_params(CLMP_WEIGHTING_OHEM);
        params.ohem_thresh = bad[i];
        assert_refused(&params, CLMP_INVALID_ARGUMENT, "ohem_thresh");
    }
    params = good_params(CLMP_WEIGHTING_BALANCED);
    params.sampling = (clmp_sampling)3;
    assert_refused(&params, CLMP_INVALID_ARGUMENT, "sampling is 3");
    params = good_params(CLMP_WEIGHTING_BALANCED);
    params.input = CLMP_INPUT_LOSSES;
    assert_refused(&params, CLMP_INVALID_ARGUMENT, "balanced needs the pixels' labels");
    params = good_params(CLMP_WEIGHTING_BALANCED);
    params.sampling = CLMP_SAMPLING_OVER;
    params.classes = 1 << 20;
    params.height = params.width = 1 << 10;
    assert_refused(&params, CLMP_SIZE_OVERFLOW, "2^39 draws");
    static const float zeros[3] = {0.0f, 0.0f, 0.0f};
    params = good_params(CLMP_WEIGHTING_LMP);
    params.class_weights = zeros;
    assert_refused(&params, CLMP_INVALID_ARGUMENT, "all 0");
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("weighting");
    TCase *tcase = add_case(suite, "cases", "full quick small");
    tcase_add_test(tcase, minus_log_is_that_of_libm);
    tcase_add_test(tcase, philox_gives_its_known_answers);
    tcase_add_test(tcase, what_makes_no_sense_is_refused);
    tcase_add_test(tcase, topk_keeps_the_k_hardest);
    tcase_add_loop_test(tcase, ohem_keeps_what_mmsegmentation_keeps, 0, small ? 2 : 20);
    tcase_add_test(tcase, ohem_min_kept_counts_for_each_image);
    tcase_add_loop_test(tcase, ohem_with_min_kept_above_the_pixel_count_keeps_all, 0, 2);
    tcase_add_loop_test(tcase, ohem_that_keeps_nothing_gives_zero, 0, 2);
    tcase_add_test(tcase, class_weights_do_not_change_whom_ohem_keeps);
    tcase_add_test(tcase, ohem_limits_a_loss_that_its_class_weight_overflows);
    tcase_add_loop_test(tcase, one_class_alone_is_uniform, 0, 3);
    tcase_add_test(tcase, another_step_or_seed_draws_other_pixels);
    tcase_add_loop_test(tcase, no_valid_pixel_gives_zero, 0, small ? 10 : 20);
    tcase = add_case(suite, "quota", "full quick");
    tcase_add_loop_test(tcase, balanced_gives_each_class_its_quota, 0, 6);
    tcase = add_case(suite, "accuracy", "full device");
    tcase_add_loop_test(tcase, uniform_is_p_infinity_bit_for_bit, 0, small ? 4 : 2 * KINDS);
    tcase_add_loop_test(tcase, topk_by_share_is_p_1_bit_for_bit, 0, small ? 2 : KINDS);
    tcase_add_loop_test(tcase, topk_of_every_count_is_accurate, 0, small ? 7 : 7 * KINDS);
    tcase_add_loop_test(tcase, ohem_of_losses_is_accurate, 0, small ? 54 : THRESHOLDS * MIN_KEPTS * KINDS);
    tcase_add_loop_test(tcase, ohem_of_logits_is_accurate, 0, small ? 4 : 40);
    tcase_add_loop_test(tcase, balanced_is_accurate, 0, small ? 6 : 60);
    tcase_add_loop_test(tcase, balanced_of_many_classes_is_accurate, 0, small ? 1 : 3);
    tcase_add_loop_test(tcase, losses_alone_have_the_same_bits, 0, 8);
    tcase = add_case(suite, "tunings", "full");
    tcase_add_loop_test(tcase, every_tuning_gives_the_same_bits, 0, 16);
    return test_main(suite);
}

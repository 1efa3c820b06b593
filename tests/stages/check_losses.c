/*
 * The losses: cross-entropy with label smoothing, focal losses, binary and multi-label ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_solved(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

static struct problem *multiclass(uint64_t classes, clmp_loss loss, const char *stream, int index) {
    struct problem *problem = problem_of_logits(2, classes, 5, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for(stream, (uint64_t)index);
    problem->in.params.loss = loss;
    fill_logits(problem, &rng);
    for (uint64_t c = 0; c < classes; c++)
        problem->class_weights[c] = (float)(0.25 + 4.0 * rng_uniform(&rng));
    return problem;
}

static struct problem *binary(uint64_t channels, clmp_loss loss, clmp_label_type type, const char *stream, int index) {
    struct problem *problem = problem_of_binary(2, channels, 5, 9, type);
    struct rng rng = rng_for(stream, (uint64_t)index);
    problem->in.params.loss = loss;
    fill_logits(problem, &rng);
    for (uint64_t c = 0; c < channels; c++)
        problem->class_weights[c] = (float)(0.25 + 4.0 * rng_uniform(&rng));
    return problem;
}

/* ------------------------------------------------------------------------------------------------ label smoothing */

static const uint64_t class_counts[] = {1, 2, 3, 19, 33, 150, 300};
enum { COUNTS = sizeof class_counts / sizeof *class_counts };
static const double smoothings[] = {0.1, 0.015625, 0.9};

START_TEST(label_smoothing_is_accurate) {
    struct problem *problem = multiclass(class_counts[_i / 2], CLMP_LOSS_CROSS_ENTROPY, "smoothing", _i);
    problem->in.params.label_smoothing = smoothings[_i % 3];
    problem->in.params.class_weights = _i % 2 ? problem->class_weights : NULL;
    problem->in.gradient_scale = _i % 3 == 1 ? -3.5f : 1.0f;
    check_solved(problem);
}
END_TEST

/* PyTorch 1.13: cross_entropy(x, 1, weight=(1, 2, 0.5), label_smoothing=0.1, reduction='none') of x = (1, 2, 4), in
 * float64. */
START_TEST(label_smoothing_is_pytorchs) {
    static const float logits[] = {1.0f, 2.0f, 4.0f}, weights[] = {1.0f, 2.0f, 0.5f};
    struct problem *problem = problem_of_logits(1, 3, 1, 1, CLMP_LABEL_UINT8);
    memcpy(problem->logits, logits, sizeof logits);
    memcpy(problem->class_weights, weights, sizeof weights);
    set_label(problem, 0, 1);
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.label_smoothing = 0.1;
    struct outputs *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    const double total = log(exp(-3.0) + exp(-2.0) + 1.0);
    const double by_class[] = {3.0 + total, 2.0 + total, total};
    const double want =
        0.9 * 2.0 * by_class[1] + 0.1 / 3.0 * (1.0 * by_class[0] + 2.0 * by_class[1] + 0.5 * by_class[2]);
    ck_assert_msg(fabs((double)got->losses[0] - want) < 1e-6 * want, "%.9g, not %.9g", (double)got->losses[0], want);
    ck_assert_msg(fabs(want - 4.158871537) < 1e-9, "%.9g", want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ focal losses
 */

static const double gammas[] = {2.0, 0.5, 1.0, 3.0, 5.0, 0.0009765625, 8.0, 0.0, 1.25};
enum { GAMMAS = sizeof gammas / sizeof *gammas };

START_TEST(focal_loss_is_accurate) {
    struct problem *problem = multiclass(class_counts[_i % COUNTS], CLMP_LOSS_FOCAL, "focal", _i);
    problem->in.params.focal_gamma = gammas[_i % GAMMAS];
    problem->in.params.focal_alpha = _i % 3 == 0 ? -1.0 : _i % 3 == 1 ? 0.25 : 0.7;
    problem->in.params.class_weights = _i / 2 % 2 ? problem->class_weights : NULL;
    check_solved(problem);
}
END_TEST

START_TEST(focal_loss_of_gamma_0_is_cross_entropy) {
    struct problem *problem = multiclass(19, CLMP_LOSS_FOCAL, "focal 0", 0);
    problem->in.params.focal_gamma = 0.0;
    struct outputs *focal = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    problem->in.params.loss = CLMP_LOSS_CROSS_ENTROPY;
    struct outputs *plain = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, focal, plain);
    outputs_free(focal);
    outputs_free(plain);
    problem_free(problem);
}
END_TEST

START_TEST(focal_loss_of_interpolated_logits_is_accurate) {
    struct problem *problem = problem_upsampled(2, 5, 3, 4, _i % 2 ? 23 : 24, _i % 2 ? 30 : 32, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("focal upsampled", (uint64_t)_i);
    fill_logits_upsampled(problem, &rng);
    for (uint64_t c = 0; c < 5; c++)
        problem->class_weights[c] = (float)(0.25 + 4.0 * rng_uniform(&rng));
    problem->in.params.loss = CLMP_LOSS_FOCAL;
    problem->in.params.focal_gamma = gammas[_i];
    problem->in.params.focal_alpha = _i % 3 == 1 ? 0.25 : -1.0;
    problem->in.params.class_weights = _i % 4 == 1 ? problem->class_weights : NULL;
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    check_solved(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ binary losses
 */

START_TEST(binary_losses_are_accurate) {
    static const uint64_t channels[] = {1, 2, 3, 21};
    struct problem *problem = binary(channels[_i % 4], _i % 2 ? CLMP_LOSS_BINARY_FOCAL : CLMP_LOSS_BINARY_CROSS_ENTROPY,
                                     (clmp_label_type)(_i % 4), "binary", _i);
    problem->in.params.focal_gamma = gammas[_i / 2 % GAMMAS];
    problem->in.params.focal_alpha = _i % 3 ? 0.25 : -1.0;
    problem->in.params.label_smoothing = _i % 4 == 2 ? 0.1 : 0.0;
    problem->in.params.class_weights = _i / 4 % 2 ? problem->class_weights : NULL;
    problem->in.params.scope = _i / 3 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    check_solved(problem);
}
END_TEST

START_TEST(binary_cross_entropy_is_known) {
    static const float logits[] = {0.0f, 3.0f, -3.0f, 200.0f, -200.0f, 1e-30f};
    struct problem *problem = problem_of_binary(1, 1, 1, 6, CLMP_LABEL_UINT8);
    memcpy(problem->logits, logits, sizeof logits);
    for (uint64_t i = 0; i < 6; i++)
        set_label(problem, i, _i);
    struct outputs *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    for (int i = 0; i < 6; i++) {
        const double z = _i ? -(double)logits[i] : (double)logits[i];
        const double want = fmax(z, 0.0) + log1p(exp(-fabs(z)));
        ck_assert_msg(fabs((double)got->losses[i] - want) <= 1e-6 * want + 1e-37, "%.9g, not %.9g",
                      (double)got->losses[i], want);
    }
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ combinations
 */

START_TEST(bad_pixels_are_left_out_of_every_loss) {
    const clmp_loss loss = (clmp_loss)(_i % 4);
    const clmp_label_type type = (clmp_label_type)(_i / 4 % 4);
    struct problem *problem = loss < CLMP_LOSS_BINARY_CROSS_ENTROPY ? problem_of_logits(3, 4, 6, 7, type)
                                                                    : problem_of_binary(3, 4, 6, 7, type);
    struct rng rng = rng_for("bad pixels", (uint64_t)_i);
    problem->in.params.loss = loss;
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    if (loss == CLMP_LOSS_CROSS_ENTROPY || loss == CLMP_LOSS_BINARY_CROSS_ENTROPY)
        problem->in.params.label_smoothing = 0.1;
    problem->class_weights[1] = 0.0f;
    problem->in.params.class_weights = _i / 4 % 2 ? problem->class_weights : NULL;
    problem->in.params.scope = _i / 8 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    check_solved(problem);
}
END_TEST

START_TEST(huge_logits_have_no_nan) {
    static const float sizes[] = {1e3f, 1e12f, 3e38f};
    const clmp_loss loss = (clmp_loss)(_i % 4);
    struct problem *problem = loss < CLMP_LOSS_BINARY_CROSS_ENTROPY ? problem_of_logits(1, 4, 6, 7, CLMP_LABEL_UINT8)
                                                                    : problem_of_binary(1, 4, 6, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("huge losses", (uint64_t)_i);
    problem->in.params.loss = loss;
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = sizes[_i / 4] * (float)(rng_uniform(&rng) - 0.5);
    if (loss == CLMP_LOSS_CROSS_ENTROPY || loss == CLMP_LOSS_BINARY_CROSS_ENTROPY)
        problem->in.params.label_smoothing = 0.1;
    struct outputs *want = run_reference(problem), *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, got, want);
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(isfinite(got->gradient[i]));
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(every_loss_goes_with_every_weighting) {
    const clmp_loss loss = (clmp_loss)(_i % 4);
    const clmp_weighting weighting = (clmp_weighting)(_i / 4);
    struct problem *problem = loss < CLMP_LOSS_BINARY_CROSS_ENTROPY
                                  ? multiclass(5, loss, "combinations", _i)
                                  : binary(3, loss, CLMP_LABEL_INT32, "combinations", _i);
    const bool focal = loss == CLMP_LOSS_FOCAL || loss == CLMP_LOSS_BINARY_FOCAL;
    problem->in.params.weighting = weighting;
    problem->in.params.ohem_thresh = 0.9;
    problem->in.params.ohem_min_kept = 20;
    problem->in.params.label_smoothing = focal || weighting == CLMP_WEIGHTING_OHEM ? 0.0 : 0.1;
    problem->in.params.class_weights = _i % 3 ? problem->class_weights : NULL;
    if (weighting == CLMP_WEIGHTING_OHEM && focal) { /* refused: check_plan.c */
        problem_free(problem);
        return;
    }
    check_solved(problem);
}
END_TEST

/* Beyond what a device may take for 0, and products that are. */
START_TEST(tiny_class_weights_have_the_reference_bits) {
    static const float weights[] = {1e-40f, 0x1p-126f, 0x1.4p-126f, 0x1p-125f, 1.0f};
    struct problem *problem = multiclass(5, _i ? CLMP_LOSS_FOCAL : CLMP_LOSS_CROSS_ENTROPY, "tiny weights", _i);
    memcpy(problem->class_weights, weights, sizeof weights);
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.focal_alpha = 0.75;
    problem->in.params.label_smoothing = _i == 2 ? 0.1 : 0.0;
    if (_i == 2)
        problem->in.params.loss = CLMP_LOSS_CROSS_ENTROPY;
    struct outputs *want = run_reference(problem), *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, got, want);
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(tunings_change_no_bit) {
    static const uint32_t widths[] = {1, 2, 4, 8, 16};
    const clmp_loss loss = (clmp_loss)(_i % 4);
    struct problem *problem = loss < CLMP_LOSS_BINARY_CROSS_ENTROPY ? multiclass(40, loss, "tunings", _i)
                                                                    : binary(3, loss, CLMP_LABEL_UINT8, "tunings", _i);
    problem->in.params.label_smoothing = loss % 2 ? 0.0 : 0.1;
    problem->in.params.class_weights = problem->class_weights;
    struct outputs *want = run_reference(problem);
    struct run run = {.tuning = {.vector_width = widths[_i / 4], .group_size = 8}, .in_place = _i / 4 % 2};
    if (can_tune(&run.tuning)) {
        struct outputs *got = run_device(problem, &run);
        assert_same_bits(problem, got, want);
        outputs_free(got);
    }
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- refusals
 */

static const struct {
    clmp_loss loss;
    double smoothing, gamma, alpha;
    clmp_weighting weighting;
    bool interpolated;
    const char *message; /* a part of what the log says */
} refused[] = {
    {(clmp_loss)4, 0, 2, -1, CLMP_WEIGHTING_LMP, false, "loss is 4"},
    {(clmp_loss)-1, 0, 2, -1, CLMP_WEIGHTING_LMP, false, "loss is -1"},
    {CLMP_LOSS_CROSS_ENTROPY, 1, 2, -1, CLMP_WEIGHTING_LMP, false, "label_smoothing is 1, expected"},
    {CLMP_LOSS_CROSS_ENTROPY, -0.1, 2, -1, CLMP_WEIGHTING_LMP, false, "label_smoothing is -0.1"},
    {CLMP_LOSS_CROSS_ENTROPY, (double)NAN, 2, -1, CLMP_WEIGHTING_LMP, false, "label_smoothing is"},
    {CLMP_LOSS_FOCAL, 0.1, 2, -1, CLMP_WEIGHTING_LMP, false, "focal losses have none"},
    {CLMP_LOSS_FOCAL, 0, -1, -1, CLMP_WEIGHTING_LMP, false, "focal_gamma is -1"},
    {CLMP_LOSS_FOCAL, 0, 8.5, -1, CLMP_WEIGHTING_LMP, false, "focal_gamma is 8.5"},
    {CLMP_LOSS_FOCAL, 0, 1e-4, -1, CLMP_WEIGHTING_LMP, false, "focal_gamma is 0.0001"},
    {CLMP_LOSS_FOCAL, 0, (double)NAN, -1, CLMP_WEIGHTING_LMP, false, "focal_gamma is"},
    {CLMP_LOSS_FOCAL, 0, 2, 0, CLMP_WEIGHTING_LMP, false, "focal_alpha is 0"},
    {CLMP_LOSS_FOCAL, 0, 2, 1.5, CLMP_WEIGHTING_LMP, false, "focal_alpha is 1.5"},
    {CLMP_LOSS_FOCAL, 0, 2, (double)NAN, CLMP_WEIGHTING_LMP, false, "focal_alpha is"},
    {CLMP_LOSS_BINARY_FOCAL, 0, 2, 1, CLMP_WEIGHTING_LMP, false, "focal_alpha is 1"},
    {CLMP_LOSS_FOCAL, 0, 2, -1, CLMP_WEIGHTING_OHEM, false, "weighting ohem takes exp(-loss)"},
    {CLMP_LOSS_CROSS_ENTROPY, 0.1, 2, -1, CLMP_WEIGHTING_OHEM, false, "label_smoothing"},
    {CLMP_LOSS_BINARY_CROSS_ENTROPY, 0, 2, -1, CLMP_WEIGHTING_LMP, true, "binary losses"},
    {CLMP_LOSS_CROSS_ENTROPY, 0.1, 2, -1, CLMP_WEIGHTING_LMP, true, "label smoothing is for"},
};

START_TEST(losses_that_make_no_sense_are_refused) {
    clmp_plan_params params;
    clmp_plan *plan = NULL;
    clmp_plan_params_init(&params);
    params.classes = 4;
    params.height = params.width = 8;
    params.loss = refused[_i].loss;
    params.label_smoothing = refused[_i].smoothing;
    params.focal_gamma = refused[_i].gamma;
    params.focal_alpha = refused[_i].alpha;
    params.weighting = refused[_i].weighting;
    params.logits_height = refused[_i].interpolated ? 4 : 8;
    clear_log();
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_INVALID_ARGUMENT);
    ck_assert(plan == NULL);
    ck_assert_msg(strstr(last_log(), refused[_i].message) != NULL, "no '%s' in: %s", refused[_i].message, last_log());
}
END_TEST

START_TEST(losses_are_not_looked_at_without_logits) {
    struct problem *problem = problem_of_losses(1, 4, 4);
    struct rng rng = rng_for("no logits", 0);
    fill_losses(problem, LOSSES_UNIFORM, &rng);
    struct outputs *plain = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    problem->in.params.focal_gamma = -1.0;
    problem->in.params.label_smoothing = 7.0;
    problem->in.params.logits_row_pitch = 1;
    struct outputs *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, got, plain);
    outputs_free(plain);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("losses");
    TCase *tcase = add_case(suite, "quick", "quick full small device");
    tcase_add_test(tcase, label_smoothing_is_pytorchs);
    tcase_add_loop_test(tcase, label_smoothing_is_accurate, 3, 5);
    tcase_add_loop_test(tcase, focal_loss_is_accurate, 0, 2);
    tcase_add_loop_test(tcase, binary_losses_are_accurate, 0, 3);
    tcase_add_loop_test(tcase, binary_cross_entropy_is_known, 0, 2);
    tcase_add_loop_test(tcase, bad_pixels_are_left_out_of_every_loss, 0, 4);
    tcase_add_loop_test(tcase, losses_that_make_no_sense_are_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, losses_are_not_looked_at_without_logits);
    tcase = add_case(suite, "all", "full");
    tcase_add_loop_test(tcase, label_smoothing_is_accurate, 0, 2 * COUNTS);
    tcase_add_loop_test(tcase, focal_loss_is_accurate, 2, 18);
    tcase_add_loop_test(tcase, binary_losses_are_accurate, 3, 24);
    tcase_add_loop_test(tcase, bad_pixels_are_left_out_of_every_loss, 4, 16);
    tcase_add_loop_test(tcase, tunings_change_no_bit, 0, 20);
    tcase_add_loop_test(tcase, focal_loss_of_interpolated_logits_is_accurate, 1, 4);
    tcase_add_loop_test(tcase, huge_logits_have_no_nan, 4, 12);
    tcase_add_loop_test(tcase, every_loss_goes_with_every_weighting, 4, 20);
    tcase = add_case(suite, "mixed", "full device");
    tcase_add_test(tcase, focal_loss_of_gamma_0_is_cross_entropy);
    tcase_add_loop_test(tcase, tiny_class_weights_have_the_reference_bits, 0, 3);
    tcase_add_loop_test(tcase, focal_loss_of_interpolated_logits_is_accurate, 0, 1);
    tcase_add_loop_test(tcase, huge_logits_have_no_nan, 0, 4);
    tcase_add_loop_test(tcase, every_loss_goes_with_every_weighting, 0, 4);
    return test_main(suite);
}

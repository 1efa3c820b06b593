/*
 * Means by the sum of class weights.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"
#include "support.h"

#include <math.h>
#include <string.h>

static void draw_weights(struct problem *problem, struct rng *rng) {
    const uint64_t classes = problem->in.params.classes, kept = rng_below(rng, classes);
    for (uint64_t c = 0; c < classes; c++)
        problem->class_weights[c] =
            c != kept && rng_below(rng, 4) == 0 ? 0.0f : powf(10.0f, 4.0f * (float)rng_uniform(rng) - 2.0f);
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
}

START_TEST(every_weighting_loss_and_scope_is_normalised) {
    const clmp_weighting weighting = (clmp_weighting)(1 + _i % 4);
    const clmp_loss loss = weighting == CLMP_WEIGHTING_OHEM ? (clmp_loss)(_i / 4 % 2 * 2) : (clmp_loss)(_i / 4 % 4);
    struct problem *problem = loss < CLMP_LOSS_BINARY_CROSS_ENTROPY
                                  ? problem_of_logits(3, 5, 7, 9, (clmp_label_type)(_i % 3))
                                  : problem_of_binary(3, 5, 7, 9, (clmp_label_type)(_i % 3));
    clmp_plan_params *params = &problem->in.params;
    struct rng rng = rng_for("normalise", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    draw_weights(problem, &rng);
    params->loss = loss;
    params->weighting = weighting;
    params->ohem_min_kept = 20;
    params->ohem_thresh = 0.9;
    params->topk_count = _i / 4 % 2 ? 40 : 0;
    params->support = _i / 8 % 2 ? 1.0 : 0.25;
    params->sampling = (clmp_sampling)(_i / 4 % 3);
    params->scope = _i / 16 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    outputs_free(assert_solved(problem));
    problem_free(problem);
}
END_TEST

START_TEST(interpolated_logits_are_normalised) {
    struct problem *problem = problem_upsampled(2, 4, 3, 5, 24, 38, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("normalise upsampled", (uint64_t)_i);
    fill_logits_upsampled(problem, &rng);
    draw_weights(problem, &rng);
    problem->in.params.weighting = (clmp_weighting)(1 + _i % 4);
    problem->in.params.ohem_min_kept = 100;
    outputs_free(assert_solved(problem));
    problem_free(problem);
}
END_TEST

/* Fewer pixels with a loss than the hardest that are asked for, and none that weighs anything. */
START_TEST(means_of_nothing_are_0) {
    struct problem *problem = problem_of_logits(1, 3, 1, 8, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("normalise nothing", (uint64_t)_i);
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < 8; i++)
        set_label(problem, i, _i % 2 ? 0 : (int64_t)(i % 3 == 0));
    problem->class_weights[0] = _i % 4 < 2 ? 0.0f : -0.0f;
    problem->class_weights[1] = 3.0f;
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
    problem->in.params.weighting = (clmp_weighting)(1 + _i / 2);
    problem->in.params.topk_count = 6;
    struct outputs *got = assert_solved(problem);
    ck_assert((got->result->loss == 0.0f) == (_i % 2 == 1));
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* PyTorch's cross_entropy(x, y, weight=(1, 2, 0.5)), and the sum by the number of pixels. */
START_TEST(the_mean_is_pytorchs) {
    static const float logits[3][4] = {{1, 0, 2, 0}, {2, 0, 0, 1}, {4, 1, 0, 3}}, weights[3] = {1.0f, 2.0f, 0.5f};
    static const int labels[4] = {1, 0, 0, 2};
    struct problem *problem = problem_of_logits(1, 3, 1, 4, CLMP_LABEL_UINT8);
    memcpy(problem->logits, logits, sizeof logits);
    memcpy(problem->class_weights, weights, sizeof weights);
    double sum = 0.0, by = 0.0;
    for (int i = 0; i < 4; i++) {
        const double all = exp((double)logits[0][i]) + exp((double)logits[1][i]) + exp((double)logits[2][i]);
        set_label(problem, (uint64_t)i, labels[i]);
        sum += (double)weights[labels[i]] * (log(all) - (double)logits[labels[i]][i]);
        by += (double)weights[labels[i]];
    }
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.weighting = CLMP_WEIGHTING_UNIFORM;
    struct outputs *count = assert_solved(problem);
    problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
    struct outputs *normalised = assert_solved(problem);
    ck_assert(fabs((double)count->result->loss - sum / 4.0) < 1e-6 * sum / 4.0);
    ck_assert(fabs((double)normalised->result->loss - sum / by) < 1e-6 * sum / by);
    outputs_free(count);
    outputs_free(normalised);
    problem_free(problem);
}
END_TEST

START_TEST(without_class_weights_nothing_changes) {
    struct problem *problem = problem_of_logits(2, 4, 5, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("normalise without", (uint64_t)_i);
    fill_logits(problem, &rng);
    problem->in.params.weighting = (clmp_weighting)_i;
    problem->in.params.ohem_min_kept = 10;
    struct outputs *count = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
    struct outputs *weights = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, weights, count);
    outputs_free(count);
    outputs_free(weights);
    problem_free(problem);
}
END_TEST

START_TEST(what_is_no_mean_is_refused) {
    static const float weights[2] = {1.0f, 2.0f};
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = 2;
    params.height = params.width = 4;
    params.class_weights = weights;
    params.normalise = _i ? (clmp_normalise)2 : CLMP_NORMALISE_WEIGHTS;
    clmp_plan *plan = NULL;
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_INVALID_ARGUMENT);
    ck_assert_msg(strstr(last_log(), _i ? "normalise is 2" : "normalise is weights"), "%s", last_log());
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("normalise");
    TCase *tcase = add_case(suite, "known", "quick full small device");
    tcase_add_test(tcase, the_mean_is_pytorchs);
    tcase_add_loop_test(tcase, means_of_nothing_are_0, 0, small ? 4 : 8);
    tcase_add_loop_test(tcase, what_is_no_mean_is_refused, 0, 2);
    tcase = add_case(suite, "all", "full device");
    tcase_add_loop_test(tcase, every_weighting_loss_and_scope_is_normalised, 0, small ? 4 : 32);
    tcase_add_loop_test(tcase, interpolated_logits_are_normalised, 0, small ? 1 : 4);
    tcase_add_loop_test(tcase, without_class_weights_nothing_changes, 0, 5);
    return test_main(suite);
}

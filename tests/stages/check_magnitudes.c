/*
 * Logits over all of float32, and class weights over ten decades and 0, in every loss and every weighting.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool is_focal(clmp_loss loss) {
    return loss == CLMP_LOSS_FOCAL || loss == CLMP_LOSS_BINARY_FOCAL;
}

static struct problem *problem_of(clmp_loss loss, uint64_t classes, uint64_t height, uint64_t width) {
    struct problem *problem = loss < CLMP_LOSS_BINARY_CROSS_ENTROPY
                                  ? problem_of_logits(2, classes, height, width, CLMP_LABEL_UINT8)
                                  : problem_of_binary(2, classes, height, width, CLMP_LABEL_UINT8);
    problem->in.params.loss = loss;
    return problem;
}

/* A quarter of them 0, but for one; the others from 1e-5 to 1e5. */
static void draw_class_weights(struct problem *problem, struct rng *rng) {
    const uint64_t classes = problem->in.params.classes, kept = rng_below(rng, classes);
    for (uint64_t c = 0; c < classes; c++)
        problem->class_weights[c] =
            c != kept && rng_below(rng, 4) == 0 ? 0.0f : powf(10.0f, 10.0f * (float)rng_uniform(rng) - 5.0f);
    problem->in.params.class_weights = problem->class_weights;
}

static float draw_number(struct rng *rng, int exponent) {
    const float x = ldexpf(1.0f + (float)rng_below(rng, 1 << 23) * 0x1p-23f, exponent);
    return rng_below(rng, 2) ? x : -x;
}

/* Logits as a network has them, of one magnitude, or of any up to that, with ties. */
static void draw_logits(struct problem *problem, int exponent, struct rng *rng) {
    fill_logits(problem, rng);
    const uint64_t kind = rng_below(rng, 4);
    for (uint64_t i = 0; i < problem->elements; i++)
        if (kind == 1)
            problem->logits[i] = draw_number(rng, exponent);
        else if (kind == 2)
            problem->logits[i] = draw_number(rng, (int)rng_below(rng, (uint64_t)exponent + 20) - 19);
        else if (kind == 3)
            problem->logits[i] = ldexpf((float)((int)rng_below(rng, 3) - 1), exponent);
}

/*
 * Exponentials count from a power of two near the largest logit up to 1024, and from that logit itself beyond
 * (kernels/arith.clh): pixels on both sides, in the same vectors, with other classes where an exponential ends, and
 * labels where a ratio to theirs does.  Enough classes that a CPU takes the labels out of its vectors, too.
 */
START_TEST(exponentials_count_from_anywhere) {
    static const float largest[] = {0.0f,     0.34f,   -0.35f,      20.0f,   1023.99994f, 1024.0f, -1023.99994f,
                                    -1024.0f, -700.3f, 0x1.2p-126f, 1500.0f, -65504.0f,   1e9f,    -3e38f};
    static const float below[] = {0.0f,  1e-30f, 0.5f,  17.0f,  34.65f,  69.1f, 69.28f, 69.3f,   69.35f,
                                  86.9f, 87.2f,  87.6f, 100.0f, 2000.0f, 1e10f, 3e38f,  INFINITY};
    static const uint64_t classes[] = {3, 9, 19, 70};
    struct rng rng = rng_for("exponentials", (uint64_t)_i);
    struct problem *problem = problem_of_logits(2, classes[_i / 3], 7, 23, CLMP_LABEL_UINT8);
    const uint64_t plane = 7 * 23;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        float *x = problem->logits + i / plane * problem->in.params.classes * plane + i % plane;
        const float most = largest[rng_below(&rng, sizeof largest / sizeof largest[0])];
        for (uint64_t c = 0; c < problem->in.params.classes; c++)
            x[c * plane] = most - below[rng_below(&rng, sizeof below / sizeof below[0])];
        x[rng_below(&rng, problem->in.params.classes) * plane] = most;
    }
    problem->in.params.loss = _i % 3 == 1 ? CLMP_LOSS_FOCAL : CLMP_LOSS_CROSS_ENTROPY;
    problem->in.params.label_smoothing = _i % 3 == 2 ? 0.1 : 0.0;
    outputs_free(assert_solved(problem));
    problem_free(problem);
}
END_TEST

/* Shares of label smoothing that would be subnormal are 0, on devices that have subnormals, too: then losses are not what
 * they would be with more of them. */
START_TEST(shares_of_smoothing_are_never_subnormal) {
    const uint64_t classes = 2 + (uint64_t)_i % 2;
    struct problem *problem = problem_of_logits(1, classes, 1, 1, CLMP_LABEL_UINT8);
    const bool weighted = _i >= 2;
    for (uint64_t c = 0; c < classes; c++) {
        problem->logits[c] = weighted ? 1.0f : c == 0 ? 1e10f : 0.0f;
        problem->class_weights[c] = c == 0 ? 0x1p-126f : 0.0f;
    }
    if (weighted)
        problem->in.params.class_weights = problem->class_weights;
    problem->in.params.label_smoothing = weighted ? 0.5 : 1e-38;
    problem->in.gradient_scale = weighted ? 1e30f : 1e10f;
    set_label(problem, 0, weighted);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &(struct run){.entry = ENTRY_FULL});
    assert_same_bits(problem, got, want);
    ck_assert_msg(weighted || got->losses[0] == 0.0f, "%g", (double)got->losses[0]);
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* A confident pixel of many classes, whose other exponentials are so small that what their sums round off is subnormal. */
START_TEST(rounding_errors_of_small_sums_are_never_subnormal) {
    struct rng rng = rng_for("small sums", (uint64_t)_i);
    struct problem *problem = problem_of_logits(2, 70, 7, 23, CLMP_LABEL_UINT8);
    const uint64_t plane = 7 * 23;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        float *x = problem->logits + i / plane * 70 * plane + i % plane;
        for (uint64_t c = 0; c < 70; c++)
            x[c * plane] = 2.0f * (float)rng_uniform(&rng) - 1.0f;
        const uint64_t top = rng_below(&rng, 70);
        x[top * plane] = 70.0f + 16.0f * (float)rng_uniform(&rng);
        set_label(problem, i, (int64_t)top);
    }
    outputs_free(assert_solved(problem));
    problem_free(problem);
}
END_TEST

START_TEST(every_loss_and_weighting_takes_every_magnitude) {
    static const int exponents[] = {0, 4, 7, 12, 30, 80, 126, 127};
    static const double smoothings[] = {0.1, 0.9, 1e-6, 0.999};
    const clmp_loss loss = (clmp_loss)(_i % 4);
    const clmp_weighting weighting = (clmp_weighting)(_i / 4 % 5);
    struct rng rng = rng_for("every magnitude", (uint64_t)_i);
    for (int k = 0; k < 3; k++) {
        struct problem *problem =
            problem_of(loss, k == 2 && loss < CLMP_LOSS_BINARY_CROSS_ENTROPY ? 11 : 2 + (uint64_t)_i % 3, 5, 9);
        clmp_plan_params *params = &problem->in.params;
        draw_logits(problem, exponents[(_i + 3 * k) % 8], &rng);
        draw_class_weights(problem, &rng);
        params->weighting = weighting;
        params->normalise = weighting == CLMP_WEIGHTING_LMP ? CLMP_NORMALISE_COUNT : (clmp_normalise)(k / 2);
        params->ohem_min_kept = 20;
        params->ohem_thresh = 0.9;
        params->focal_gamma = 0.5 * (double)(_i % 5);
        if (k == 1 && !is_focal(loss) && weighting != CLMP_WEIGHTING_OHEM)
            params->label_smoothing = smoothings[(_i + k) % 4];
        if (is_focal(loss) && weighting == CLMP_WEIGHTING_OHEM)
            params->weighting = CLMP_WEIGHTING_UNIFORM; /* the other is refused */
        outputs_free(assert_solved(problem));
        problem_free(problem);
    }
}
END_TEST

/* A loss of logits beyond float32 is the largest float, whatever the loss; none is NaN, infinite or left out. */
START_TEST(a_loss_beyond_float32_is_the_largest_float) {
    const clmp_loss loss = (clmp_loss)(_i % 4);
    struct problem *problem = problem_of(loss, 2, 1, 2);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = i % 4 < 2 ? FLT_MAX : -FLT_MAX;
    problem->class_weights[0] = 4.0f;
    problem->class_weights[1] = 2.0f;
    problem->in.params.class_weights = problem->class_weights;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 1);
    problem->in.params.label_smoothing = is_focal(loss) || _i < 4 ? 0.0 : 0.25;
    struct outputs *got = assert_solved(problem);
    const bool binary = loss >= CLMP_LOSS_BINARY_CROSS_ENTROPY;
    ck_assert_uint_eq(got->result->valid, problem->pixels);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(got->losses[i] == FLT_MAX || (binary && i % 4 < 2));
    for (uint64_t i = 0; i < problem->elements; i++)
        ck_assert(isfinite(got->gradient[i]));
    outputs_free(got);
    /* and before class weights */
    problem->class_weights[0] = problem->class_weights[1] = 0.125f;
    got = assert_solved(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(got->losses[i] < FLT_MAX);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* The label has no weight, so that what smoothing leaves to the leading class is all: log1p(e^-d). */
START_TEST(smoothing_keeps_small_losses_where_the_label_has_no_weight) {
    static const struct {
        float x[2], weight;
        double smoothing;
    } known[] = {{{0.0f, -30.0f}, 1.0f, 0.1}, {{1.917f, -3.404f}, 2.9f, 0.9}};
    const double distance = (double)known[_i].x[0] - (double)known[_i].x[1];
    const double want = known[_i].smoothing / 2.0 * (double)known[_i].weight * log1p(exp(-distance));
    struct problem *problem = problem_of(CLMP_LOSS_CROSS_ENTROPY, 2, 1, 1);
    problem->in.params.images = 1;
    problem->pixels = 1;
    problem->elements = 2;
    memcpy(problem->logits, known[_i].x, sizeof known[_i].x);
    problem->class_weights[0] = known[_i].weight;
    problem->class_weights[1] = 0.0f;
    set_label(problem, 0, 1);
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.label_smoothing = known[_i].smoothing;
    struct outputs *got = assert_solved(problem);
    ck_assert_msg(fabs((double)got->losses[0] - want) < 1e-6 * want, "%.9g, not %.9g", (double)got->losses[0], want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("magnitudes");
    TCase *tcase = add_case(suite, "known", "quick full small device");
    tcase_add_loop_test(tcase, a_loss_beyond_float32_is_the_largest_float, 0, small ? 4 : 8);
    tcase_add_loop_test(tcase, smoothing_keeps_small_losses_where_the_label_has_no_weight, 0, 2);
    tcase_add_loop_test(tcase, exponentials_count_from_anywhere, 0, small ? 6 : 12);
    tcase_add_loop_test(tcase, shares_of_smoothing_are_never_subnormal, 0, 4);
    tcase_add_loop_test(tcase, rounding_errors_of_small_sums_are_never_subnormal, 0, 2);
    tcase = add_case(suite, "any", "full device");
    tcase_add_loop_test(tcase, every_loss_and_weighting_takes_every_magnitude, 0, small ? 4 : 20);
    return test_main(suite);
}

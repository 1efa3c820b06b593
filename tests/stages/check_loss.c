/*
 * The loss stage: softmax cross-entropy of every pixel, and which pixels take part.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const struct run loss_only = {.entry = ENTRY_LOSS};

/* Runs the loss entry; same bits as the reference, and accurate. */
static struct outputs *losses_of(const struct problem *problem) {
    struct outputs *got = run_device(problem, &loss_only), *want = run_reference(problem);
    assert_same_bits(problem, got, want);
    assert_accurate(problem, got);
    outputs_free(want);
    return got;
}

static void check_losses(struct problem *problem) {
    outputs_free(losses_of(problem));
    problem_free(problem);
}

/* ------------------------------------------------------------------------------------------------------------ shapes
 */

static const uint64_t class_counts[] = {1, 2, 3, 7, 8, 19, 9, 16, 17, 64, 65, 150, 1000};

START_TEST(every_class_count_is_accurate_and_has_the_reference_bits) {
    uint64_t classes = class_counts[_i], width = classes > 100 ? 19 : 61;
    struct problem *problem = problem_of_logits(2, classes, 5, test_small() ? 7 : width, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("class counts", classes);
    fill_logits(problem, &rng);
    check_losses(problem);
}
END_TEST

START_TEST(every_pixel_count_has_the_reference_bits) {
    struct problem *problem = problem_of_logits(1, 3, 1, (uint64_t)_i, CLMP_LABEL_INT32);
    struct rng rng = rng_for("pixel counts", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    check_losses(problem);
}
END_TEST

static const uint64_t edges[] = {127, 128, 129, 255, 256, 257, 1023, 1025, 4095, 4096, 4097, 65535, 65536, 65537};

START_TEST(pixel_counts_around_boundaries_have_the_reference_bits) {
    struct problem *problem = problem_of_logits(1, 3, 1, edges[_i], CLMP_LABEL_UINT8);
    struct rng rng = rng_for("boundaries", edges[_i]);
    fill_logits(problem, &rng);
    check_losses(problem);
}
END_TEST

START_TEST(images_that_no_vector_divides_have_the_reference_bits) {
    struct problem *problem = problem_of_logits(5, 3, 7, 11, CLMP_LABEL_INT64);
    struct rng rng = rng_for("odd images", (uint64_t)_i);
    problem->in.params.scope = _i ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    check_losses(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- accuracy
 */

START_TEST(losses_are_accurate_from_1e_30_to_100) {
    struct problem *problem = problem_of_logits(1, 3, 1, 420, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++) { /* margins from -105 to 105, beside a class that adds little */
        set_label(problem, i, 1);
        *logit_of(problem, i, 1) = 0.5f * (float)i - 105.0f;
        *logit_of(problem, i, 2) = -3.0f;
    }
    check_losses(problem);
}
END_TEST

START_TEST(losses_are_accurate_near_equal_logits_and_for_large_ones) {
    struct problem *problem = problem_of_logits(1, 19, 1, 300, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("large logits", 0);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        float offset = i % 3 == 0 ? 1e4f : i % 3 == 1 ? -1e4f : 0.0f, spread = i % 2 ? 1e-3f : 30.0f;
        for (uint64_t c = 0; c < 19; c++)
            *logit_of(problem, i, c) = offset + spread * (float)rng_normal(&rng);
        set_label(problem, i, (int64_t)rng_below(&rng, 19));
    }
    check_losses(problem);
}
END_TEST

/* All other classes about as far from the label, so that each rounding error of their sum counts: labels from 95 behind
 * them, where an exponential of theirs has long vanished, to 75 ahead. */
START_TEST(labels_behind_or_ahead_of_like_classes_are_accurate) {
    uint64_t classes = class_counts[_i];
    struct problem *problem = problem_of_logits(1, classes, 1, test_small() ? 40 : 171, CLMP_LABEL_UINT16);
    struct rng rng = rng_for("like classes", classes);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        float offset = 1e3f * (float)rng_normal(&rng),
              ahead = test_small() ? 4.25f * (float)i - 95.0f : (float)i - 95.0f;
        set_label(problem, i, (int64_t)rng_below(&rng, classes));
        for (uint64_t c = 0; c < classes; c++)
            *logit_of(problem, i, c) =
                c == (uint64_t)get_label(problem, i) ? offset + ahead : offset - (float)(0.001 * rng_uniform(&rng));
    }
    check_losses(problem);
}
END_TEST

/* Margins of every size, of which no float holds the difference: the far class adds nothing, the near one what it adds.
 */
START_TEST(logits_far_apart_do_not_matter) {
    static const float near[] = {0.0f, 1.0f, -60.0f, 333.3f, -5e4f, 1e10f, -1e20f, 1e30f, 0x1p127f, -0x1p126f};
    static const float far[] = {-99.9f, -100.1f, -200.0f, -1e4f,    -3.3e7f,  -1e15f,
                                -1e25f, -1e30f,  -1e38f,  -FLT_MAX, -INFINITY};
    enum { NEAR = sizeof near / sizeof *near, FAR = sizeof far / sizeof *far };
    struct problem *problem = problem_of_logits(1, 3, NEAR, FAR, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        float label = near[i / FAR], other = far[i % FAR];
        set_label(problem, i, _i);
        *logit_of(problem, i, (uint64_t)_i) = label;
        *logit_of(problem, i, (uint64_t)(_i + 1) % 3) = label - 1.0f;
        *logit_of(problem, i, (uint64_t)(_i + 2) % 3) = other < label - 90.0f ? other : -INFINITY;
    }
    struct outputs *got = losses_of(problem);
    for (uint64_t i = 0; i < problem->pixels; i++) /* the difference of 1 is lost in the float label beyond 2^24 */
        ck_assert(got->losses[i] >= 0.3132616f && got->losses[i] <= 0.6931473f);
    ck_assert(got->result->valid == problem->pixels);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* Random bits as logits, of every exponent. */
START_TEST(any_finite_logits_are_accurate) {
    struct problem *problem = problem_of_logits(1, 3, 1, test_small() ? 100 : 2000, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("any logits", (uint64_t)_i);
    for (uint64_t i = 0; i < problem->elements; i++) {
        uint32_t bits = (uint32_t)rng_next(&rng);
        if ((bits >> 23 & 255) == 255 || _i % 2) /* not finite; and every other time of moderate size */
            bits = (bits & 0x80ffffff) | 0x3c000000;
        memcpy(&problem->logits[i], &bits, sizeof bits);
    }
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, (int64_t)rng_below(&rng, 3));
    check_losses(problem);
}
END_TEST

START_TEST(one_class_has_no_loss) {
    struct problem *problem = problem_of_logits(1, 1, 3, 5, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++)
        problem->logits[i] = (float)i - 7.0f;
    struct outputs *got = losses_of(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(got->losses[i] == 0.0f);
    ck_assert(got->result->loss == 0.0f && got->result->valid == 15 && got->result->support == 0);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(equal_logits_give_log_of_the_class_count) {
    struct problem *problem = problem_of_logits(1, 19, 1, 33, CLMP_LABEL_UINT8);
    struct outputs *got = losses_of(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(fabs((double)got->losses[i] - log(19.0)) < 1e-6);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ labels
 */

START_TEST(label_types_give_the_same_bits) {
    struct outputs *got[3];
    struct problem *problem[3];
    for (int type = 0; type < 3; type++) {
        struct rng rng = rng_for("label types", 0);
        problem[type] = problem_of_logits(2, 3, 5, 13, (clmp_label_type)type);
        fill_logits(problem[type], &rng);
        for (uint64_t i = 0; i < problem[type]->pixels; i += 7)
            set_label(problem[type], i, i % 2 ? 255 : 3);
        got[type] = losses_of(problem[type]);
        assert_same_bits(problem[type], got[type], got[0]);
    }
    for (int type = 0; type < 3; type++) {
        outputs_free(got[type]);
        problem_free(problem[type]);
    }
}
END_TEST

struct ignore_case {
    clmp_label_type type;
    int64_t ignore_index, label;
    bool ignored, invalid; /* neither: valid */
};

/* 3 classes.  What does not fit into the label's type is no label's value, and must not be cut down to one. */
static const struct ignore_case ignore_cases[] = {
    {CLMP_LABEL_UINT8, 255, 255, true, false},
    {CLMP_LABEL_UINT8, 255, 3, false, true},
    {CLMP_LABEL_UINT8, 255, 254, false, true},
    {CLMP_LABEL_UINT8, -1, 255, false, true},
    {CLMP_LABEL_UINT8, 256 + 1, 1, false, false},
    {CLMP_LABEL_UINT8, 1, 1, true, false},
    {CLMP_LABEL_UINT8, 0, 0, true, false},
    {CLMP_LABEL_UINT16, 65535, 65535, true, false},
    {CLMP_LABEL_UINT16, -1, 65535, false, true},
    {CLMP_LABEL_UINT16, 255, 256 + 2, false, true},
    {CLMP_LABEL_UINT16, 65536 + 1, 1, false, false},
    {CLMP_LABEL_INT32, -100, -100, true, false},
    {CLMP_LABEL_INT32, -100, -1, false, true},
    {CLMP_LABEL_INT32, -100, INT32_MIN, false, true},
    {CLMP_LABEL_INT32, -100, INT32_MAX, false, true},
    {CLMP_LABEL_INT32, INT32_MIN, INT32_MIN, true, false},
    {CLMP_LABEL_INT32, ((int64_t)1 << 32) + 2, 2, false, false},
    {CLMP_LABEL_INT32, (int64_t)1 << 40, 0, false, false},
    {CLMP_LABEL_INT32, 2, 2, true, false},
    {CLMP_LABEL_INT64, (int64_t)1 << 40, (int64_t)1 << 40, true, false},
    {CLMP_LABEL_INT64, (int64_t)1 << 40, 0, false, false},
    {CLMP_LABEL_INT64, 255, (int64_t)1 << 40, false, true},
    {CLMP_LABEL_INT64, 255, ((int64_t)1 << 32) + 2, false, true},
    {CLMP_LABEL_INT64, 255, ((int64_t)1 << 32) + 255, false, true},
    {CLMP_LABEL_INT64, 255, INT64_MIN, false, true},
    {CLMP_LABEL_INT64, 255, INT64_MAX, false, true},
    {CLMP_LABEL_INT64, INT64_MIN, INT64_MIN, true, false},
    {CLMP_LABEL_INT64, INT64_MAX, INT64_MAX, true, false},
    {CLMP_LABEL_INT64, -1, -1, true, false},
    {CLMP_LABEL_INT64, 1, 1, true, false},
};
enum { IGNORE_CASES = sizeof ignore_cases / sizeof *ignore_cases };

START_TEST(labels_are_ignored_or_invalid_by_their_whole_value) {
    const struct ignore_case *c = &ignore_cases[_i];
    struct problem *problem = problem_of_logits(1, 3, 1, 37, c->type);
    struct rng rng = rng_for("labels", (uint64_t)_i);
    fill_logits(problem, &rng);
    problem->in.params.ignore_index = c->ignore_index;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, c->label);
    struct outputs *got = losses_of(problem);
    ck_assert_msg(got->result->ignored == (c->ignored ? 37 : 0) && got->result->invalid_labels == (c->invalid ? 37 : 0),
                  "label %lld, ignore_index %lld", (long long)c->label, (long long)c->ignore_index);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(ignore_index_inside_the_range_takes_its_class_away) {
    struct problem *problem = problem_of_logits(1, 3, 4, 9, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("class away", 0);
    fill_logits(problem, &rng);
    problem->in.params.ignore_index = 1;
    uint64_t ones = 0;
    for (uint64_t i = 0; i < problem->pixels; i++)
        ones += get_label(problem, i) == 1;
    struct outputs *got = losses_of(problem);
    ck_assert(got->result->ignored == ones && got->result->valid == problem->pixels - ones);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* The largest label of 8 bits: 256 classes leave none of them invalid. */
START_TEST(label_255_is_a_class_of_256_when_it_is_not_ignored) {
    struct problem *problem = problem_of_logits(1, 256, 1, 9, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("256 classes", 0);
    fill_logits(problem, &rng);
    problem->in.params.ignore_index = -1;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 255);
    struct outputs *got = losses_of(problem);
    ck_assert(got->result->valid == 9);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(no_valid_pixel_gives_zeros_and_counts) {
    struct problem *problem = problem_of_logits(2, 3, 3, 7, CLMP_LABEL_INT32);
    struct rng rng = rng_for("no valid pixel", (uint64_t)_i);
    fill_logits(problem, &rng);
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    for (uint64_t i = 0; i < problem->pixels; i++)
        if (_i / 2 == 0)
            set_label(problem, i, 255);
        else if (_i / 2 == 1)
            set_label(problem, i, -7);
        else
            *logit_of(problem, i, i % 3) = NAN;
    struct outputs *got = losses_of(problem);
    for (size_t r = 0; r < got->records; r++) {
        const clmp_result *result = &got->result[r];
        ck_assert(result->loss == 0.0f && result->alpha == 0.0f && result->tau == 0.0f && result->support == 0);
        ck_assert(result->valid == 0 && result->pixels == (r ? 21 : 42));
    }
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(got->losses[i] == 0.0f && got->weights[i] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- unclean logits
 */

/* Pixel i of 40 keeps a clean twin: what happens to its neighbour must not reach it. */
static struct outputs *with_one_logit(float value, uint64_t class_index, int64_t label, struct problem **problem) {
    struct rng rng = rng_for("one logit", class_index);
    *problem = problem_of_logits(1, 3, 1, 40, CLMP_LABEL_INT32);
    fill_logits(*problem, &rng);
    struct outputs *clean = losses_of(*problem);
    *logit_of(*problem, 17, class_index) = value;
    set_label(*problem, 17, label);
    struct outputs *got = losses_of(*problem);
    for (uint64_t i = 0; i < 40; i++)
        if (i != 17)
            ck_assert(memcmp(&clean->losses[i], &got->losses[i], sizeof(float)) == 0);
    outputs_free(clean);
    return got;
}

START_TEST(nan_and_infinite_logits_are_counted_and_leave_the_others_alone) {
    static const float values[] = {NAN, -NAN, INFINITY, -INFINITY};
    float value = values[_i / 6];
    uint64_t class_index = (uint64_t)_i % 3;
    int64_t label = _i / 3 % 2 ? 255 : 1; /* an ignored pixel is ignored, whatever its logits are */
    bool legal = value == -INFINITY && class_index != 1;
    struct problem *problem;
    struct outputs *got = with_one_logit(value, class_index, label, &problem);
    bool counted = label == 1 && !legal;
    ck_assert(got->result->nonfinite == counted && got->result->ignored == (label == 255));
    if (counted)
        ck_assert(got->losses[17] == 0.0f && got->weights[17] == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(only_the_label_finite_is_a_loss_of_zero) {
    struct problem *problem = problem_of_logits(1, 3, 1, 5, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        set_label(problem, i, 1);
        *logit_of(problem, i, 0) = -INFINITY;
        *logit_of(problem, i, 1) = i == 3 ? -INFINITY : -5.0f; /* pixel 3 has no probability at all */
        *logit_of(problem, i, 2) = -INFINITY;
    }
    struct outputs *got = losses_of(problem);
    ck_assert(got->result->nonfinite == 1 && got->result->valid == 4 && got->result->loss == 0.0f);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(a_loss_beyond_float_is_the_largest_float) {
    struct problem *problem = problem_of_logits(1, 2, 1, 4, CLMP_LABEL_UINT8);
    *logit_of(problem, 0, 0) = -FLT_MAX; /* the label's: the loss is 2 FLT_MAX */
    *logit_of(problem, 0, 1) = FLT_MAX;
    *logit_of(problem, 1, 0) = FLT_MAX; /* the other way round: 0 */
    *logit_of(problem, 1, 1) = -FLT_MAX;
    *logit_of(problem, 2, 0) = -FLT_MAX; /* FLT_MAX itself */
    struct outputs *got = losses_of(problem);
    ck_assert(got->result->nonfinite == 0 && got->losses[0] == FLT_MAX && got->losses[1] == 0.0f);
    ck_assert(got->losses[2] == FLT_MAX);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(subnormal_logits_are_as_good_as_zero) {
    struct problem *problem = problem_of_logits(1, 3, 1, 20, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = (i % 2 ? -1.0f : 1.0f) * FLT_TRUE_MIN * (float)(1 + i);
    check_losses(problem);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------- class weights
 */

START_TEST(class_weights_multiply_losses) {
    static const float both[2][3] = {{0.0f, 2.0f, 0.3f}, {-0.0f, 2.0f, 0.3f}}; /* -0 is 0 */
    const float *weights = both[_i];
    struct problem *problem = problem_of_logits(1, 3, 4, 25, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("class weights", 0);
    fill_logits(problem, &rng);
    struct outputs *plain = losses_of(problem);
    problem->in.params.class_weights = weights;
    struct outputs *got = losses_of(problem);
    for (uint64_t i = 0; i < problem->pixels; i++)
        ck_assert(fabsf(got->losses[i] - weights[get_label(problem, i)] * plain->losses[i]) <= 1e-6f * got->losses[i]);
    ck_assert(got->result->valid == problem->pixels); /* a class weight of 0 makes a loss of 0, not an ignored pixel */
    outputs_free(plain);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

START_TEST(extreme_class_weights_end_at_the_largest_float_and_at_zero) {
    static const float weights[2] = {FLT_MAX, FLT_MIN};
    struct problem *problem = problem_of_logits(1, 2, 1, 6, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++) { /* loss: log1p(exp(5)) > 1 for even pixels, < 1e-2 for odd ones */
        set_label(problem, i, i < 3);
        *logit_of(problem, i, i < 3) = i % 2 ? 5.0f : -5.0f;
    }
    problem->in.params.class_weights = weights;
    struct outputs *got = losses_of(problem);
    ck_assert(got->result->nonfinite == 0 && got->losses[1] == 0.0f && got->losses[0] > 0.0f);
    ck_assert(got->losses[0] == FLT_MAX || got->losses[2] == FLT_MAX || got->losses[4] == FLT_MAX);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------------- outputs
 */

START_TEST(absent_outputs_change_nothing) {
    struct problem *problem = problem_of_logits(1, 3, 5, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("absent", 0);
    fill_logits(problem, &rng);
    struct outputs *want = run_reference(problem);
    for (int absent = 0; absent < 8; absent++) {
        struct run run = {.entry = absent & 4 ? ENTRY_LOSS : ENTRY_FULL};
        run.no_losses = absent & 1;
        run.no_weights = absent & 2;
        struct outputs *got = run_device(problem, &run);
        assert_same_bits(problem, got, want);
        outputs_free(got);
    }
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(permuted_pixels_have_permuted_losses_and_the_same_result) {
    enum { AREA = 997 };
    struct problem *problem = problem_of_logits(1, 3, 1, AREA, CLMP_LABEL_UINT8);
    struct problem *moved = problem_of_logits(1, 3, 1, AREA, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("permutation", 0);
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < AREA; i++) {
        uint64_t to = i * 601 % AREA; /* a prime: every pixel once */
        set_label(moved, to, get_label(problem, i));
        for (uint64_t c = 0; c < 3; c++)
            *logit_of(moved, to, c) = *logit_of(problem, i, c);
    }
    struct outputs *a = losses_of(problem), *b = losses_of(moved);
    ck_assert(memcmp(a->result, b->result, sizeof *a->result) == 0);
    for (uint64_t i = 0; i < AREA; i++) {
        ck_assert(memcmp(&a->losses[i], &b->losses[i * 601 % AREA], sizeof(float)) == 0);
        ck_assert(memcmp(&a->weights[i], &b->weights[i * 601 % AREA], sizeof(float)) == 0);
    }
    outputs_free(a);
    outputs_free(b);
    problem_free(problem);
    problem_free(moved);
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("loss");
    TCase *tcase = add_case(suite, "shapes", "full small");
    tcase_add_loop_test(tcase, every_class_count_is_accurate_and_has_the_reference_bits, 0, small ? 6 : 13);
    tcase_add_loop_test(tcase, labels_behind_or_ahead_of_like_classes_are_accurate, 0, small ? 6 : 13);
    tcase_add_loop_test(tcase, images_that_no_vector_divides_have_the_reference_bits, 0, 2);
    tcase = add_case(suite, "boundaries", "full device");
    tcase_add_loop_test(tcase, pixel_counts_around_boundaries_have_the_reference_bits, 0, sizeof edges / sizeof *edges);
    tcase = add_case(suite, "pixel counts", "full");
    tcase_add_loop_test(tcase, every_pixel_count_has_the_reference_bits, 1, 71);
    tcase = add_case(suite, "labels", "full quick small");
    tcase_add_test(tcase, label_types_give_the_same_bits);
    tcase_add_loop_test(tcase, labels_are_ignored_or_invalid_by_their_whole_value, 0, IGNORE_CASES);
    tcase_add_test(tcase, ignore_index_inside_the_range_takes_its_class_away);
    tcase_add_loop_test(tcase, no_valid_pixel_gives_zeros_and_counts, 0, 6);
    tcase = add_case(suite, "accuracy", "full quick small");
    tcase_add_test(tcase, losses_are_accurate_from_1e_30_to_100);
    tcase_add_test(tcase, losses_are_accurate_near_equal_logits_and_for_large_ones);
    tcase_add_loop_test(tcase, logits_far_apart_do_not_matter, 0, small ? 1 : 3);
    tcase_add_loop_test(tcase, any_finite_logits_are_accurate, 0, small ? 2 : 10);
    tcase_add_test(tcase, equal_logits_give_log_of_the_class_count);
    tcase_add_test(tcase, label_255_is_a_class_of_256_when_it_is_not_ignored);
    tcase = add_case(suite, "unclean logits", "full quick small");
    tcase_add_test(tcase, one_class_has_no_loss);
    tcase_add_loop_test(tcase, nan_and_infinite_logits_are_counted_and_leave_the_others_alone, 0, 24);
    tcase_add_test(tcase, only_the_label_finite_is_a_loss_of_zero);
    tcase_add_test(tcase, a_loss_beyond_float_is_the_largest_float);
    tcase_add_test(tcase, subnormal_logits_are_as_good_as_zero);
    tcase = add_case(suite, "class weights and outputs", "full quick");
    tcase_add_loop_test(tcase, class_weights_multiply_losses, 0, 2);
    tcase_add_test(tcase, extreme_class_weights_end_at_the_largest_float_and_at_zero);
    tcase_add_test(tcase, absent_outputs_change_nothing);
    tcase_add_test(tcase, permuted_pixels_have_permuted_losses_and_the_same_result);
    return test_main(suite);
}

/*
 * How logits and gradients are stored: types, layouts, pitches and offsets change no bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Logits that the type has. */
static void round_logits(struct problem *problem) {
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(problem->in.params.logits_type, problem->logits[i]);
}

/* One of 2 layouts x 3 types x 3 pitches. */
static void store(struct problem *problem, int way) {
    clmp_plan_params *params = &problem->in.params;
    params->logits_layout = way % 2 ? CLMP_LAYOUT_NHWC : CLMP_LAYOUT_NCHW;
    params->logits_type = (clmp_float_type)(way / 2 % 3);
    const uint64_t element = stored_element(params->logits_type);
    const uint64_t row = reference_logits_width(params) * element * (way % 2 ? params->classes : 1);
    params->logits_row_pitch = way / 6 == 0 ? 0 : way / 6 == 1 ? row + 3 * element : (row + 127) / 128 * 128;
    round_logits(problem);
}
enum { WAYS = 18 };

/* Against the reference, which knows nothing of how logits are stored. */
static void check_stored(struct problem *problem, const struct run *run) {
    struct outputs *want = run_reference(problem), *got = run_device(problem, run);
    assert_same_bits(problem, got, want);
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}

START_TEST(types_layouts_and_pitches_have_the_reference_bits) {
    static const uint64_t classes[] = {19, 1, 300};
    struct problem *problem = problem_of_logits(2, classes[_i / WAYS], 5, 21, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("layouts", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i % WAYS);
    check_stored(problem, &(struct run){.shift = _i % 3, .in_place = _i % 4 == 3});
}
END_TEST

START_TEST(interpolated_logits_are_stored_in_every_way) {
    struct problem *problem = problem_upsampled(2, 5, 5, 6, _i % 2 ? 19 : 20, 24, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("layouts upsampled", (uint64_t)_i);
    fill_logits_upsampled(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i);
    check_stored(problem, &(struct run){.shift = _i % 3, .in_place = _i % 4 == 3});
}
END_TEST

START_TEST(binary_losses_are_stored_in_every_way) {
    struct problem *problem = problem_of_binary(2, 3, 4, 18, CLMP_LABEL_INT32);
    struct rng rng = rng_for("layouts binary", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i);
    problem->in.params.class_weights = problem->class_weights;
    problem->class_weights[1] = 0.25f;
    problem->in.params.weighting = (clmp_weighting)(_i % 5);
    problem->in.params.ohem_min_kept = 10;
    check_stored(problem, &(struct run){.shift = _i % 3, .in_place = _i % 4 == 3});
}
END_TEST

/* Every number that 16 bits can be. */
START_TEST(every_half_is_what_it_is_as_float32) {
    struct problem *problem = problem_of_logits(1, 2, 256, 256, CLMP_LABEL_UINT8);
    problem->in.params.logits_type = _i ? CLMP_BFLOAT16 : CLMP_FLOAT16;
    uint16_t *halves = malloc(2 * 65536 * sizeof *halves);
    ck_assert_ptr_nonnull(halves);
    for (uint32_t i = 0; i < 65536; i++) {
        halves[i] = (uint16_t)i;
        halves[65536 + i] = 0;
        set_label(problem, i, i & 1);
    }
    stored_unpack(problem, (const unsigned char *)halves, problem->logits);
    free(halves);
    check_stored(problem, &(struct run){.in_place = true});
}
END_TEST

/* Gradients from the smallest to beyond the largest number of the type, and halfway between two. */
START_TEST(gradients_are_rounded_to_nearest_even) {
    static const float scales[] = {1.0f, 0x1p-20f, 0x1p20f, 0x1p-110f, 0x1p120f, 3.0f * 0x1p-24f, 65519.0f * 128.0f};
    struct problem *problem = problem_of_logits(1, 3, 16, 16, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("rounding", (uint64_t)_i);
    fill_logits(problem, &rng);
    problem->in.params.logits_type = _i % 2 ? CLMP_BFLOAT16 : CLMP_FLOAT16;
    problem->in.params.p = INFINITY;
    problem->in.gradient_scale = scales[_i / 2];
    round_logits(problem);
    for (uint64_t i = 0; i < 64; i++) /* equal logits: thirds, and halves of them */
        for (uint64_t c = 0; c < 3; c++)
            *logit_of(problem, i, c) = c == 2 && i % 2 ? -INFINITY : 0.0f;
    for (uint64_t i = 0; i < 64; i++)
        set_label(problem, i, 0);
    check_stored(problem, &(struct run){.entry = ENTRY_FULL});
}
END_TEST

START_TEST(tunings_change_no_bit) {
    static const uint32_t widths[] = {1, 2, 4, 8, 16};
    struct problem *problem = problem_of_logits(1, 7, 6, 33, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("layouts tuned", (uint64_t)_i);
    fill_logits(problem, &rng);
    store(problem, 6 + _i % 6);
    struct run run = {.tuning = {.vector_width = widths[_i / 6], .group_size = 4}};
    if (can_tune(&run.tuning))
        check_stored(problem, &run);
    else
        problem_free(problem);
}
END_TEST

/* As many options to the compiler as there can be. */
START_TEST(everything_at_once_has_the_reference_bits) {
    struct problem *problem = _i ? problem_upsampled(2, 300, 3, 4, 24, 32, CLMP_LABEL_UINT16)
                                 : problem_of_logits(2, 300, 5, 6, CLMP_LABEL_UINT16);
    struct rng rng = rng_for("everything", (uint64_t)_i);
    if (_i)
        fill_logits_upsampled(problem, &rng);
    else
        fill_logits(problem, &rng);
    store(problem, 15);
    for (uint64_t c = 0; c < 300; c++)
        problem->class_weights[c] = (float)(0.25 + rng_uniform(&rng));
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.weighting = CLMP_WEIGHTING_BALANCED;
    problem->in.params.label_smoothing = _i ? 0.0 : 0.1;
    problem->in.params.loss = _i ? CLMP_LOSS_FOCAL : CLMP_LOSS_CROSS_ENTROPY;
    check_stored(problem, &(struct run){.entry = ENTRY_FULL});
}
END_TEST

/* A confusion matrix of stored logits is that of the same logits in float32. */
START_TEST(predictions_are_the_same) {
    struct problem *problem = problem_of_logits(2, 6, 5, 21, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("layouts confusion", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i);
    uint64_t counts[2][CLMP_CONFUSION(6)] = {{0}};
    for (int plain = 0; plain < 2; plain++) {
        if (plain) {
            problem->in.params.logits_type = CLMP_FLOAT32;
            problem->in.params.logits_layout = CLMP_LAYOUT_NCHW;
            problem->in.params.logits_row_pitch = 0;
        }
        const struct run run = {.entry = ENTRY_LOSS};
        clmp_plan *plan = plan_of(problem, &run);
        struct device_buffers buffers;
        buffers_make(&buffers, problem, plan, &run);
        cl_int error;
        cl_mem matrix = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof counts[0],
                                       counts[plain], &error);
        ck_cl(error);
        buffers.use.confusion.mem = matrix;
        ck_status(clmp_enqueue_confusion(plan, test_device()->queue, &buffers.use, 0, NULL, NULL), CLMP_OK);
        ck_cl(clEnqueueReadBuffer(test_device()->queue, matrix, CL_TRUE, 0, sizeof counts[0], counts[plain], 0, NULL,
                                  NULL));
        ck_cl(clReleaseMemObject(matrix));
        buffers_release(&buffers);
        clmp_plan_destroy(plan);
    }
    ck_assert(memcmp(counts[0], counts[1], sizeof counts[0]) == 0);
    problem_free(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- refusals
 */

static const struct {
    clmp_float_type type;
    clmp_layout layout;
    uint64_t pitch, width;
    clmp_status status;
    const char *message; /* a part of what the log says */
} refused[] = {
    {(clmp_float_type)3, CLMP_LAYOUT_NCHW, 0, 8, CLMP_INVALID_ARGUMENT, "logits_type is 3"},
    {(clmp_float_type)-1, CLMP_LAYOUT_NCHW, 0, 8, CLMP_INVALID_ARGUMENT, "logits_type is -1"},
    {CLMP_FLOAT32, (clmp_layout)2, 0, 8, CLMP_INVALID_ARGUMENT, "logits_layout is 2"},
    {CLMP_FLOAT32, CLMP_LAYOUT_NCHW, 31, 8, CLMP_INVALID_ARGUMENT, "at least 32"},
    {CLMP_FLOAT32, CLMP_LAYOUT_NCHW, 34, 8, CLMP_INVALID_ARGUMENT, "multiple of 4 bytes"},
    {CLMP_FLOAT16, CLMP_LAYOUT_NCHW, 17, 8, CLMP_INVALID_ARGUMENT, "multiple of 2 bytes"},
    {CLMP_FLOAT16, CLMP_LAYOUT_NHWC, 46, 8, CLMP_INVALID_ARGUMENT, "at least 48"},
    {CLMP_FLOAT32, CLMP_LAYOUT_NCHW, (uint64_t)1 << 62, 8, CLMP_SIZE_OVERFLOW, "more than 2^63 bytes"},
};

START_TEST(layouts_that_make_no_sense_are_refused) {
    clmp_plan_params params;
    clmp_plan *plan = NULL;
    clmp_plan_params_init(&params);
    params.classes = 3;
    params.height = 8;
    params.width = refused[_i].width;
    params.logits_type = refused[_i].type;
    params.logits_layout = refused[_i].layout;
    params.logits_row_pitch = refused[_i].pitch;
    clear_log();
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), refused[_i].status);
    ck_assert(plan == NULL);
    ck_assert_msg(strstr(last_log(), refused[_i].message) != NULL, "no '%s' in: %s", refused[_i].message, last_log());
}
END_TEST

int main(void) {
    Suite *suite = suite_create("layouts");
    TCase *tcase = add_case(suite, "quick", "quick full small device");
    tcase_add_loop_test(tcase, types_layouts_and_pitches_have_the_reference_bits, 7, 11);
    tcase_add_loop_test(tcase, binary_losses_are_stored_in_every_way, 3, 4);
    tcase_add_loop_test(tcase, gradients_are_rounded_to_nearest_even, 0, 4);
    tcase_add_loop_test(tcase, predictions_are_the_same, 9, 11);
    tcase_add_loop_test(tcase, layouts_that_make_no_sense_are_refused, 0, sizeof refused / sizeof *refused);
    tcase = add_case(suite, "all", "full");
    tcase_add_loop_test(tcase, types_layouts_and_pitches_have_the_reference_bits, 0, 3 * WAYS);
    tcase_add_loop_test(tcase, interpolated_logits_are_stored_in_every_way, 0, WAYS);
    tcase_add_loop_test(tcase, binary_losses_are_stored_in_every_way, 0, WAYS);
    tcase_add_loop_test(tcase, tunings_change_no_bit, 0, 30);
    tcase_add_loop_test(tcase, everything_at_once_has_the_reference_bits, 0, 2);
    tcase_add_loop_test(tcase, predictions_are_the_same, 0, WAYS);
    tcase = add_case(suite, "halves", "full device");
    tcase_add_loop_test(tcase, every_half_is_what_it_is_as_float32, 0, 2);
    tcase_add_loop_test(tcase, gradients_are_rounded_to_nearest_even, 0, 14);
    tcase_add_loop_test(tcase, interpolated_logits_are_stored_in_every_way, 7, 10);
    return test_main(suite);
}

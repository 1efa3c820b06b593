/*
 * What a gradient's type is too narrow for, counted: as many elements as the reference's gradient says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Far below and above what any type holds, of both signs, and 0. */
static float random_scale(struct rng *rng) {
    const float scale = ldexpf((float)(1.0 + rng_uniform(rng)), (int)rng_below(rng, 241) - 120);
    const uint64_t kind = rng_below(rng, 10);
    return kind == 0 ? 0.0f : kind < 4 ? -scale : scale;
}

/* One of 2 layouts x 3 types x 3 pitches. */
static void store(struct problem *problem, int way) {
    clmp_plan_params *params = &problem->in.params;
    params->logits_layout = way % 2 ? CLMP_LAYOUT_NHWC : CLMP_LAYOUT_NCHW;
    params->logits_type = (clmp_float_type)(way / 2 % 3);
    const uint64_t element = stored_element(params->logits_type);
    const uint64_t row = reference_logits_width(params) * element * (way % 2 ? params->classes : 1);
    params->logits_row_pitch = way / 6 == 0 ? 0 : way / 6 == 1 ? row + 3 * element : (row + 127) / 128 * 128;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(params->logits_type, problem->logits[i]);
}
enum { WAYS = 18 };

/* With scales at random, by one plan's programs. */
static void check_counted(struct problem *problem, struct run run, struct rng *rng) {
    run.range = true;
    for (int i = 0; i < 8; i++) {
        problem->in.gradient_scale = random_scale(rng);
        struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
        ck_assert_ptr_nonnull(got->range);
        assert_same_bits(problem, got, want);
        outputs_free(want);
        outputs_free(got);
    }
    problem_free(problem);
}

START_TEST(every_type_and_layout_is_counted) {
    struct problem *problem = problem_of_logits(2, _i % 5 ? 5 : 70, 5, 21, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("range", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i);
    check_counted(problem, (struct run){.shift = _i % 3, .in_place = _i % 4 == 3, .internal_workspace = _i % 5 == 4},
                  &rng);
}
END_TEST

START_TEST(interpolated_gradients_are_counted) {
    static const uint64_t widths[] = {24, 19, 4, 2, 1};
    const uint64_t width = widths[_i % 5], columns = width > 6 ? 6 : (width + 1) / 2;
    struct problem *problem = problem_upsampled(2, 3, 5, columns, 18, width, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("range upsampled", (uint64_t)_i);
    fill_logits_upsampled(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i);
    problem->in.params.align_corners = _i % 7 < 3;
    check_counted(problem, (struct run){.shift = _i % 3, .in_place = _i % 4 == 3}, &rng);
}
END_TEST

START_TEST(binary_gradients_are_counted) {
    struct problem *problem = problem_of_binary(2, 3, 4, 18, CLMP_LABEL_INT32);
    struct rng rng = rng_for("range binary", (uint64_t)_i);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    store(problem, _i);
    problem->in.params.loss = _i % 3 == 2 ? CLMP_LOSS_BINARY_FOCAL : CLMP_LOSS_BINARY_CROSS_ENTROPY;
    check_counted(problem, (struct run){.shift = _i % 3}, &rng);
}
END_TEST

/* Every weighting, scope and loss, with class weights over decades, some of them 0. */
START_TEST(every_weighting_and_loss_is_counted) {
    struct problem *problem = _i % 3 == 2 ? problem_upsampled(2, 4, 3, 4, 7, 13, CLMP_LABEL_INT64)
                                          : problem_of_logits(2, 4, 7, 13, CLMP_LABEL_INT64);
    clmp_plan_params *params = &problem->in.params;
    struct rng rng = rng_for("range weighted", (uint64_t)_i);
    if (_i % 3 == 2)
        fill_logits_upsampled(problem, &rng);
    else
        fill_logits(problem, &rng);
    spoil(problem, &rng);
    store(problem, 2 + _i % 4);
    params->weighting = (clmp_weighting)(_i % 5);
    params->scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    params->ohem_min_kept = 10;
    if (params->weighting != CLMP_WEIGHTING_OHEM && _i % 4 == 1)
        params->loss = CLMP_LOSS_FOCAL;
    else if (params->weighting != CLMP_WEIGHTING_OHEM && _i % 3 != 2)
        params->label_smoothing = 0.1;
    for (uint64_t c = 0; c < 4; c++)
        problem->class_weights[c] = c == 3 ? 0.0f : exp2f((float)rng_below(&rng, 30) - 20.0f);
    params->class_weights = problem->class_weights;
    if (params->weighting != CLMP_WEIGHTING_LMP && _i % 2)
        params->normalise = CLMP_NORMALISE_WEIGHTS;
    check_counted(problem, (struct run){.solver = _i % 2 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH}, &rng);
}
END_TEST

/* Work-groups of one and of many, vectors that end within a row, and of which a work-item has two. */
START_TEST(tunings_change_no_count) {
    static const uint32_t widths[] = {1, 2, 4, 8, 16}, groups[] = {1, 4, 64};
    struct problem *problem = _i / 30 ? problem_upsampled(1, 3, 4, 19, 9, 40, CLMP_LABEL_UINT8)
                                      : problem_of_logits(1, 7, 6, 33, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("range tuned", (uint64_t)_i);
    if (_i / 30)
        fill_logits_upsampled(problem, &rng);
    else
        fill_logits(problem, &rng);
    store(problem, _i % 2 ? 2 : 5);
    struct run run = {.tuning = {.vector_width = widths[_i % 5],
                                 .group_size = groups[_i / 5 % 3],
                                 .run = 1 + (uint32_t)_i / 15 % 2,
                                 .sums = 1 + (uint32_t)_i % 2}};
    if (_i / 30)
        run.tuning.run = run.tuning.sums = 0;
    if (can_tune(&run.tuning))
        check_counted(problem, run, &rng);
    else
        problem_free(problem);
}
END_TEST

/* Of equal logits of two classes, a plain mean of 2^k pixels: every element is 2^-(k + 1) of the scale. */
static clmp_gradient_range counted(clmp_float_type type, float scale) {
    struct problem *problem = problem_of_logits(1, 2, 8, 8, CLMP_LABEL_UINT8);
    problem->in.params.logits_type = type;
    problem->in.params.p = INFINITY;
    problem->in.gradient_scale = scale;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = 0.0f;
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 0);
    const struct run run = {.range = true};
    struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    const clmp_gradient_range range = {got->range->overflowed - test_range.overflowed,
                                       got->range->underflowed - test_range.underflowed};
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
    return range;
}

/* All 128 elements, or none, at each type's ends. */
START_TEST(the_ends_of_each_type_are_where_they_are) {
    static const struct {
        clmp_float_type type;
        float scale;
        bool over, under;
    } rows[] = {
        {CLMP_FLOAT16, 65519.0f * 128.0f, false, false},
        {CLMP_FLOAT16, 65520.0f * 128.0f, true, false},
        {CLMP_FLOAT16, -65520.0f * 128.0f, true, false},
        {CLMP_FLOAT16, 1e12f, true, false},
        {CLMP_FLOAT16, 0x1p-25f * 128.0f, false, true},
        {CLMP_FLOAT16, 0x1.000002p-25f * 128.0f, false, false},
        {CLMP_FLOAT16, 0x1p-118f, false, true},
        {CLMP_FLOAT16, 0.0f, false, false},
        {CLMP_FLOAT16, 0x1p-119f, false, false}, /* 0 as a float32: twice its smallest normal number is the least */
        {CLMP_BFLOAT16, 3e38f, false, false},
        {CLMP_BFLOAT16, 0x1p-118f, false, false},
        {CLMP_FLOAT32, 3e38f, false, false},
        {CLMP_FLOAT32, 0x1p-118f, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const clmp_gradient_range range = counted(rows[i].type, rows[i].scale);
        ck_assert_msg(range.overflowed == (rows[i].over ? 128 : 0) && range.underflowed == (rows[i].under ? 128 : 0),
                      "row %zu: %llu overflowed, %llu underflowed", i, (unsigned long long)range.overflowed,
                      (unsigned long long)range.underflowed);
    }
}
END_TEST

/* Beyond float32, by a class weight, of a pixel whose label has no probability: every type says so. */
START_TEST(what_float32_has_no_room_for_is_counted) {
    struct problem *problem = problem_of_logits(1, 2, 1, 3, CLMP_LABEL_UINT8);
    problem->in.params.logits_type = (clmp_float_type)_i;
    problem->in.params.p = INFINITY;
    problem->in.gradient_scale = 3e38f;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = i < 3 ? -80.0f : 0.0f;
    for (uint64_t i = 0; i < 3; i++)
        set_label(problem, i, i == 0 ? 0 : 255);
    problem->class_weights[0] = 100.0f;
    problem->class_weights[1] = 1.0f;
    problem->in.params.class_weights = problem->class_weights;
    const struct run run = {.range = true};
    struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    ck_assert_uint_eq(got->range->overflowed - test_range.overflowed, 2);
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}
END_TEST

/* Calls add, whichever step asks; one that does not ask changes nothing, before and after, and has the same gradient.
 */
START_TEST(steps_add_to_what_is_there) {
    struct problem *problem = problem_of_logits(2, 3, 6, 11, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("range again", 0);
    fill_logits(problem, &rng);
    store(problem, 2);
    problem->in.gradient_scale = 0x1p-12f;
    const struct run run = {.range = true};
    cl_command_queue queue = test_device()->queue;
    clmp_plan *plan = plan_of(problem, &run);
    struct device_buffers buffers;
    buffers_make(&buffers, problem, plan, &run);
    clmp_buffers silent = buffers.use;
    silent.gradient_range.mem = NULL;
    clmp_gradient_range after[4];
    for (int i = 0; i < 4; i++) {
        ck_status(enqueue_problem(plan, queue, problem, &run, i % 2 ? &buffers.use : &silent, 0, NULL, NULL), CLMP_OK);
        struct outputs *want = run_reference(problem), *got = buffers_read(&buffers, problem, &run);
        after[i] = *got->range;
        free(got->range);
        got->range = NULL;
        assert_same_bits(problem, got, want);
        outputs_free(want);
        outputs_free(got);
    }
    const uint64_t once = after[1].underflowed - test_range.underflowed;
    ck_assert(once > 0 && memcmp(&after[0], &test_range, sizeof test_range) == 0);
    ck_assert_uint_eq(after[2].underflowed, test_range.underflowed + once);
    ck_assert_uint_eq(after[3].underflowed, test_range.underflowed + 2 * once);
    ck_assert_uint_eq(after[3].overflowed, test_range.overflowed);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    problem_free(problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("range");
    TCase *tcase = add_case(suite, "quick", "quick full small device");
    tcase_add_loop_test(tcase, every_type_and_layout_is_counted, 2, 4);
    tcase_add_loop_test(tcase, binary_gradients_are_counted, 2, 3);
    tcase_add_test(tcase, the_ends_of_each_type_are_where_they_are);
    tcase_add_test(tcase, steps_add_to_what_is_there);
    tcase = add_case(suite, "interpolated", "quick full device");
    tcase_add_loop_test(tcase, interpolated_gradients_are_counted, 2, 4);
    tcase = add_case(suite, "stored", "full");
    tcase_add_loop_test(tcase, every_type_and_layout_is_counted, 0, WAYS);
    tcase_add_loop_test(tcase, binary_gradients_are_counted, 0, WAYS);
    tcase_add_loop_test(tcase, what_float32_has_no_room_for_is_counted, 0, 3);
    tcase = add_case(suite, "all interpolated", "full");
    tcase_add_loop_test(tcase, interpolated_gradients_are_counted, 0, WAYS);
    tcase = add_case(suite, "weighted", "full");
    tcase_add_loop_test(tcase, every_weighting_and_loss_is_counted, 0, 20);
    tcase = add_case(suite, "tuned", "full");
    tcase_add_loop_test(tcase, tunings_change_no_count, 0, 45);
    return test_main(suite);
}

/*
 * The tuning: no value of any parameter changes a bit, and a tuning that cannot be is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t widths[] = {1, 2, 4, 8, 16}, groups[] = {1, 2, 16, 64, 256}, bin_groups[] = {1, 4, 64, 256};
/* work-groups that fill bins, and the sets that they share */
static const struct { uint32_t chunks, bin_sets; } sharings[] = {{1, 1}, {5, 5}, {5, 2}, {64, 1}, {300, 7}};
enum { WIDTHS = 5, GROUPS = 5, BIN_GROUPS = 4, SHARINGS = 5, MEMORIES = 2 };

static struct problem *losses_of_kind(uint64_t pixels, enum losses_kind kind, uint64_t stream) {
    struct problem *problem = problem_of_losses(1, 1, pixels);
    struct rng rng = rng_for(losses_kind_name(kind), stream);
    fill_losses(problem, kind, &rng);
    return problem;
}

static void assert_tuned(struct problem *problem, const struct run *run) {
    struct outputs *want = run_reference(problem), *got = run_device(problem, run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}

/* Every way to fill bins, by the vector's width and the sharing of work. */
START_TEST(search_gives_the_same_bits_under_every_tuning) {
    struct run run = {.tuning = {.vector_width = widths[_i % WIDTHS], .bin_group = bin_groups[_i / WIDTHS]}};
    if (!can_tune(&run.tuning))
        return;
    static const uint64_t counts[] = {1, 70, 4097, 20011};
    const int first = test_small() ? 1 : 0, last = test_small() ? 2 : 4;
    for (uint32_t memory = 1; memory <= MEMORIES; memory++)
        for (int s = 0; s < SHARINGS; s++) {
            run.tuning.bin_memory = memory;
            run.tuning.chunks = sharings[s].chunks;
            run.tuning.bin_sets = sharings[s].bin_sets;
            if (!can_tune(&run.tuning) || (test_small() && run.tuning.chunks > 7)) /* thousands of bins to clear */
                continue;
            for (int k = first; k < last; k++)
                assert_tuned(losses_of_kind(counts[k], k == 3 ? LOSSES_EQUAL : LOSSES_UNCLEAN, (uint64_t)k), &run);
        }
}
END_TEST

START_TEST(sort_gives_the_same_bits_under_every_tuning) {
    struct run run = {.solver = CLMP_SOLVER_SORT, .tuning = {.group_size = groups[_i % GROUPS]}};
    if (!test_small())
        run.tuning.bin_group = bin_groups[_i % BIN_GROUPS];
    for (int s = 0; s < SHARINGS && can_tune(&run.tuning); s++) {
        run.tuning.chunks = sharings[s].chunks;
        if (!test_small() || run.tuning.chunks < 7)
            assert_tuned(losses_of_kind(test_small() ? 70 : 20011, LOSSES_UNCLEAN, (uint64_t)s), &run);
    }
}
END_TEST

/* The stages besides the search, which look at the vector's width and the work-group's size. */
START_TEST(step_gives_the_same_bits_under_every_tuning) {
    struct run run = {.tuning = {.vector_width = widths[_i % WIDTHS], .group_size = groups[_i / WIDTHS]}};
    if (!can_tune(&run.tuning))
        return;
    for (int k = 0; k < 3; k++) {
        run.tuning.streaming = k == 0 ? 1 : 2; /* k = 2: every row of pixels begins and ends in a whole vector */
        run.tuning.run = k == 1 ? 2 : 1 + (uint32_t)_i % 2;
        run.tuning.sums = k == 1 ? 1 : 2 - (uint32_t)_i % 2;
        const uint64_t width = k == 1 ? 19 : k == 2 ? 128 : test_small() ? 70 : 1000;
        struct problem *problem = problem_of_logits(k == 1 ? 3 : 1, 3, k == 1 ? 7 : 1, width, CLMP_LABEL_INT32);
        struct rng rng = rng_for("tuned step", (uint64_t)k);
        fill_logits(problem, &rng);
        spoil(problem, &rng);
        problem->in.params.scope = k == 1 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
        assert_tuned(problem, &run);
    }
}
END_TEST

/* Runs of vectors, and sums that the loss leaves to the gradient, in every type, layout and loss that they meet; with
 * 70 classes the loss has runs, too. */
START_TEST(runs_and_sums_give_the_same_bits) {
    static const struct way {
        uint64_t classes, width;
        clmp_float_type type;
        clmp_layout layout;
        clmp_loss loss;
        double smoothing;
        bool weights;
    } ways[] = {{70, 77, CLMP_FLOAT32, CLMP_LAYOUT_NCHW, CLMP_LOSS_CROSS_ENTROPY, 0.0, false},
                {70, 128, CLMP_FLOAT16, CLMP_LAYOUT_NCHW, CLMP_LOSS_CROSS_ENTROPY, 0.1, true},
                {19, 61, CLMP_FLOAT16, CLMP_LAYOUT_NCHW, CLMP_LOSS_FOCAL, 0.0, true},
                {19, 128, CLMP_BFLOAT16, CLMP_LAYOUT_NCHW, CLMP_LOSS_CROSS_ENTROPY, 0.0, false},
                {5, 61, CLMP_FLOAT32, CLMP_LAYOUT_NHWC, CLMP_LOSS_CROSS_ENTROPY, 0.1, false},
                {3, 1, CLMP_FLOAT32, CLMP_LAYOUT_NCHW, CLMP_LOSS_FOCAL, 0.0, false},
                {300, 37, CLMP_FLOAT32, CLMP_LAYOUT_NCHW, CLMP_LOSS_CROSS_ENTROPY, 0.1, true}};
    const struct way *way = &ways[_i % 7];
    struct run run = {.tuning = {.run = 1 + (uint32_t)(_i / 7 % 2), .sums = 1 + (uint32_t)(_i / 14)}};
    float weights[300];
    struct problem *problem = problem_of_logits(2, way->classes, test_small() ? 1 : 3,
                                                test_small() ? (way->width + 3) / 4 : way->width, CLMP_LABEL_UINT16);
    struct rng rng = rng_for("runs", (uint64_t)_i % 7);
    for (uint64_t c = 0; c < way->classes; c++)
        weights[c] = (float)(0.1 + rng_uniform(&rng));
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.logits_type = way->type;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(way->type, problem->logits[i]);
    problem->in.params.logits_layout = way->layout;
    problem->in.params.loss = way->loss;
    problem->in.params.label_smoothing = way->smoothing;
    problem->in.params.class_weights = way->weights ? weights : NULL;
    assert_tuned(problem, &run);
}
END_TEST

/* Bins in local memory hold 2^20 - 1 pixels, so that a work-group with more empties them on its way. */
START_TEST(one_work_group_counts_more_pixels_than_its_bins_hold) {
    const uint64_t pixels = ((uint64_t)1 << 21) + 77;
    struct run run = {
        .tuning = {.chunks = 1, .bin_memory = 1 + (uint32_t)_i % 2, .bin_group = _i / 2 ? 64 : 1, .vector_width = 16}};
    if (can_tune(&run.tuning))
        assert_tuned(losses_of_kind(pixels, LOSSES_EQUAL, 0), &run);
}
END_TEST

static void assert_environment(const char *text, clmp_status expected, clmp_tuning want) {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.input = CLMP_INPUT_LOSSES;
    params.height = 100;
    params.width = 1000;
    params.tuning.vector_width = 4; /* the program's word counts for more than the environment's */
    clmp_plan *plan = NULL;
    ck_assert(setenv("CLMP_TUNING", text, 1) == 0);
    const clmp_status status = clmp_plan_create(test_device()->context, &params, &plan);
    ck_assert(unsetenv("CLMP_TUNING") == 0);
    ck_assert_msg(status == expected, "CLMP_TUNING='%s': %s", text, clmp_status_name(status));
    const clmp_tuning got = clmp_plan_tuning(plan);
    if (status == CLMP_OK) {
        ck_assert_uint_eq(got.vector_width, 4);
        ck_assert(want.group_size == 0 || got.group_size == want.group_size);
        ck_assert(want.chunks == 0 || got.chunks == want.chunks);
        ck_assert(want.bin_sets == 0 || got.bin_sets == want.bin_sets);
        ck_assert(want.bin_memory == 0 || got.bin_memory == want.bin_memory);
    } else {
        ck_assert_ptr_null(plan);
        ck_assert_msg(strstr(last_log(), "CLMP_TUNING") != NULL || strstr(last_log(), "tuning.") != NULL, "log: %s",
                      last_log());
    }
    clmp_plan_destroy(plan);
}

START_TEST(environment_overrides_the_table) {
    assert_environment("", CLMP_OK, (clmp_tuning){0});
    assert_environment("group_size=2", CLMP_OK, (clmp_tuning){.group_size = 2});
    assert_environment("vector_width=2,chunks=6,bin_sets=3,bin_memory=1", CLMP_OK,
                       (clmp_tuning){.chunks = 6, .bin_sets = 3, .bin_memory = 1});
    static const char *const bad[] = {
        "group_size",    "group_size=",   "group_size=x", "group_size=-1",  "group_size=3",      "groupsize=4",
        "group_size=4;", "group_size=4 ", "bin_memory=3", "chunks=65537",   "chunks=4294967296", "=1",
        "chunks=1,,",    "run=3",         "sums=3",       "bin_sets=70000", "chunks=1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_environment(bad[i], CLMP_INVALID_ARGUMENT, (clmp_tuning){0});
}
END_TEST

int main(void) {
    const bool small = test_small();
    Suite *suite = suite_create("tuning");
    TCase *tcase = add_case(suite, "environment", "full quick");
    tcase_add_test(tcase, environment_overrides_the_table);
    tcase = add_case(suite, "search", "full small");
    tcase_add_loop_test(tcase, search_gives_the_same_bits_under_every_tuning, 0,
                        small ? 2 * WIDTHS : WIDTHS * BIN_GROUPS);
    tcase = add_case(suite, "sort", "full small");
    tcase_add_loop_test(tcase, sort_gives_the_same_bits_under_every_tuning, 0, small ? 3 : GROUPS * BIN_GROUPS);
    tcase = add_case(suite, "runs", "full small");
    tcase_add_loop_test(tcase, runs_and_sums_give_the_same_bits, small ? 21 : 0, small ? 27 : 28);
    tcase = add_case(suite, "step", "full small");
    tcase_add_loop_test(tcase, step_gives_the_same_bits_under_every_tuning, 0, small ? 6 : WIDTHS * GROUPS);
    tcase = add_case(suite, "many pixels", "full");
    tcase_add_loop_test(tcase, one_work_group_counts_more_pixels_than_its_bins_hold, 0, 4);
    return test_main(suite);
}

/*
 * Ranks that differ, and ranks that fail: all of them say the same, none waits for ever, and the next step is right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, IMAGES = 5, CLASSES = 3 };
static const uint64_t split[RANKS] = {2, 1, 2};

static struct problem *batch(clmp_weighting weighting, clmp_scope scope) {
    struct problem *problem = problem_of_logits(IMAGES, CLASSES, 5, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("rank errors", weighting);
    fill_logits(problem, &rng);
    problem->class_weights[1] = 0.5f;
    problem->in.params.weighting = weighting;
    problem->in.params.scope = scope;
    problem->in.params.ohem_min_kept = 4;
    problem->in.params.class_weights = problem->class_weights;
    if (weighting != CLMP_WEIGHTING_LMP)
        problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
    return problem;
}

/* All ranks fail, and those with a log of their own have `words` in it. */
static void assert_failed(const struct team *team, clmp_status status, const char *words) {
    for (uint32_t r = 0; r < team->size; r++) {
        const struct member *member = &team->members[r];
        ck_assert_msg(member->status == status && strstr(member->said, words) != NULL,
                      "rank %u: %s, not %s (log: %s; expected: %s)", (unsigned)r, clmp_status_name(member->status),
                      clmp_status_name(status), member->said, words);
    }
}

/* ---------------------------------------------------------------------------------------------------- differences */

static void change_support(struct member *member) {
    member->part.in.params.support = 0.5;
}
static void change_p(struct member *member) {
    member->part.in.params.p = 1.5;
}
static void change_ignore_index(struct member *member) {
    member->part.in.params.ignore_index = -1;
}
static void change_scope(struct member *member) {
    member->part.in.params.scope = CLMP_SCOPE_IMAGE;
}
static void change_weights(struct member *member) {
    member->part.in.params.class_weights = NULL;
}
static void change_scale(struct member *member) {
    member->buffers.use.gradient_scale = 2.0f;
}
static void change_step(struct member *member) {
    member->buffers.use.step = 7;
}
static void change_seed(struct member *member) {
    member->part.in.params.seed = 3;
}
static void change_kept(struct member *member) {
    member->part.in.params.ohem_min_kept = 3;
}
static void change_entry(struct member *member) {
    member->run.entry = ENTRY_LOSS;
}
static void change_weighting(struct member *member) {
    member->part.in.params.weighting = CLMP_WEIGHTING_UNIFORM;
}

static const struct {
    clmp_weighting weighting;
    uint32_t rank;
    void (*change)(struct member *member);
    bool of_plan; /* else of the call */
    const char *words;
} differences[] = {
    {CLMP_WEIGHTING_LMP, 1, change_support, true, "support is 0.25 on rank 0, and 0.5 on rank 1 of 3"},
    {CLMP_WEIGHTING_LMP, 2, change_p, true, "p is 1.7 on rank 0, and 1.5 on rank 2 of 3"},
    {CLMP_WEIGHTING_LMP, 0, change_p, true, "p is 1.5 on rank 0, and 1.7 on rank 1 of 3"},
    {CLMP_WEIGHTING_LMP, 1, change_ignore_index, true, "ignore_index is 255 on rank 0, and -1 on rank 1"},
    {CLMP_WEIGHTING_LMP, 1, change_scope, true, "scope is 0 on rank 0, and 1 on rank 1"},
    {CLMP_WEIGHTING_LMP, 1, change_weights, true, "class_weights is of hash "},
    {CLMP_WEIGHTING_LMP, 2, change_scale, false, "gradient_scale is 1 on rank 0, and 2 on rank 2"},
    {CLMP_WEIGHTING_LMP, 2, change_entry, false,
     "rank 0 calls clmp_enqueue_gradient, and rank 2 of 3 clmp_enqueue_loss"},
    {CLMP_WEIGHTING_BALANCED, 1, change_step, false, "step is 0 on rank 0, and 7 on rank 1"},
    {CLMP_WEIGHTING_BALANCED, 1, change_seed, true, "seed is 0 on rank 0, and 3 on rank 1"},
    {CLMP_WEIGHTING_OHEM, 2, change_kept, true, "ohem_min_kept is 4 on rank 0, and 3 on rank 2"},
    {CLMP_WEIGHTING_TOPK, 2, change_weighting, true, "weighting is 2 on rank 0, and 1 on rank 2"},
};
enum { DIFFERENCES = sizeof differences / sizeof *differences };

START_TEST(ranks_that_differ_are_refused_with_what_differs) {
    struct problem *problem = batch(differences[_i].weighting, CLMP_SCOPE_BATCH);
    struct outputs *want = run_reference(problem);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    team_make(&team, problem, RANKS, split, &run, true);
    struct member *member = &team.members[differences[_i].rank];
    const struct member before = *member;
    differences[_i].change(member);
    if (differences[_i].of_plan)
        team_plan(member);
    team_step(&team);
    assert_failed(&team, CLMP_INVALID_ARGUMENT, differences[_i].words);
    member->part = before.part;
    member->run = before.run;
    team_plan(member);
    team_assert(&team, want);
    team_free(&team);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

static void change_unused(struct member *member) {
    clmp_plan_params *params = &member->part.in.params;
    params->topk_count = 5;
    params->ohem_thresh = 0.2;
    params->seed = 9;
    params->focal_gamma = 3.0;
    params->sampling = CLMP_SAMPLING_OVER;
    member->buffers.use.step = 11;
}

START_TEST(what_no_rank_looks_at_may_differ) {
    struct problem *problem = batch(CLMP_WEIGHTING_LMP, CLMP_SCOPE_BATCH);
    struct outputs *want = run_reference(problem);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    team_make(&team, problem, RANKS, split, &run, true);
    change_unused(&team.members[1]);
    team_plan(&team.members[1]);
    team_assert(&team, want);
    team_free(&team);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(a_rank_that_is_there_twice_is_named) {
    struct problem *problem = batch(CLMP_WEIGHTING_LMP, CLMP_SCOPE_BATCH);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    team_make(&team, problem, RANKS, split, &run, true);
    team.members[2].ranks.rank = 1; /* the callback is still that of rank 2 */
    team_plan(&team.members[2]);
    team_step(&team);
    assert_failed(&team, CLMP_INVALID_ARGUMENT, "rank 1 of 3 is there twice: two have the same number");
    team_free(&team);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------- one fails */

START_TEST(a_rank_with_a_bad_call_fails_all) {
    struct problem *problem = batch(CLMP_WEIGHTING_LMP, (clmp_scope)_i);
    struct outputs *want = run_reference(problem);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    team_make(&team, problem, RANKS, split, &run, true);
    struct member *member = &team.members[1];
    const clmp_buffer losses = member->buffers.use.losses, labels = member->buffers.use.labels;
    member->buffers.use.losses.mem = member->buffers.use.weights.mem;
    team_step(&team);
    ck_assert(team.members[1].status == CLMP_BUFFER_OVERLAP && strstr(member->said, "overlap") != NULL);
    member->status = team.members[0].status;
    snprintf(member->said, sizeof member->said, "%s", team.members[0].said);
    assert_failed(&team, CLMP_BUFFER_OVERLAP, "rank 1 of 3 failed: an output overlaps another buffer");
    member->buffers.use.losses = losses;
    /* two that fail: the first one speaks */
    member->buffers.use.labels.mem = NULL;
    team.members[2].buffers.use.gradient_scale = (float)(1e38 * 1e38);
    team_step(&team);
    ck_assert(team.members[0].status == CLMP_INVALID_ARGUMENT && team.members[2].status == CLMP_INVALID_ARGUMENT);
    ck_assert(strstr(team.members[0].said, "rank 1 of 3") != NULL &&
              strstr(team.members[2].said, "rank 1 of 3") != NULL);
    member->buffers.use.labels = labels;
    team.members[2].buffers.use.gradient_scale = 1.0f;
    team_assert(&team, want);
    team_free(&team);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

static clmp_status enqueue_threshold(struct member *member, cl_event *event) {
    return clmp_enqueue_threshold(member->plan, member->queue, &member->buffers.use, 0, NULL, event);
}

START_TEST(a_step_in_parts_is_refused_by_all) {
    struct problem *problem = batch(CLMP_WEIGHTING_LMP, CLMP_SCOPE_BATCH);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    team_make(&team, problem, RANKS, split, &run, true);
    team.members[1].enqueue = enqueue_threshold;
    team_step(&team);
    for (uint32_t r = 0; r < RANKS; r++)
        ck_status(team.members[r].status, CLMP_INVALID_ARGUMENT);
    ck_assert(strstr(team.members[1].said, "a step in parts is not for ranks") != NULL);
    ck_assert(strstr(team.members[0].said, "rank 1 of 3 failed") != NULL);
    team_free(&team);
    problem_free(problem);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- callback */

/* Stands between a plan and the group. */
struct between {
    const clmp_ranks *inner;
    clmp_local_ranks *group; /* to be aborted as it fails; NULL: it fails on all ranks */
    long calls, fail_at;     /* the call that fails, from 1 on; 0: none */
    bool late;               /* once the sums are there, but nobody sees them */
    uint64_t words;          /* of all calls */
};

static int fail_sometimes(void *user, uint64_t *sums, size_t count) {
    struct between *between = user;
    between->words += count;
    if (++between->calls != between->fail_at)
        return between->inner->allreduce(between->inner->user, sums, count);
    if (between->late)
        (void)between->inner->allreduce(between->inner->user, sums, count);
    if (between->group != NULL)
        clmp_local_ranks_abort(between->group);
    memset(sums, 0x5a, count * sizeof *sums);
    return 77;
}

static void stand_between(struct team *team, struct between *betweens) {
    for (uint32_t r = 0; r < team->size; r++) {
        struct member *member = &team->members[r];
        betweens[r] = (struct between){.inner = &member->inner};
        member->ranks.allreduce = fail_sometimes;
        member->ranks.user = &betweens[r];
        team_plan(member);
    }
}

enum { MOST_CALLS = 20 };
static const clmp_weighting weightings[] = {CLMP_WEIGHTING_LMP, CLMP_WEIGHTING_OHEM, CLMP_WEIGHTING_BALANCED};
enum { WEIGHTINGS = sizeof weightings / sizeof *weightings };

START_TEST(a_callback_that_fails_at_any_call_fails_all) {
    struct problem *problem = batch(weightings[_i % WEIGHTINGS], (clmp_scope)(_i / WEIGHTINGS % 2));
    struct outputs *want = run_reference(problem);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    struct between betweens[RANKS];
    team_make(&team, problem, RANKS, split, &run, true);
    stand_between(&team, betweens);
    long k = 1;
    for (bool hit = true; hit && k < MOST_CALLS; k++) {
        for (uint32_t r = 0; r < RANKS; r++) {
            betweens[r].calls = 0;
            betweens[r].fail_at = k;
            betweens[r].late = k % 2 == 0;
        }
        team_step(&team);
        hit = betweens[0].calls >= k;
        if (hit)
            assert_failed(&team, CLMP_RANKS_FAILED, "of 3: allreduce failed");
        for (uint32_t r = 0; r < RANKS; r++) {
            ck_assert(betweens[r].calls == (hit ? k : k - 1)); /* none after the one that failed */
            betweens[r].fail_at = 0;
        }
        team_assert(&team, want);
    }
    ck_assert(k > 3 && k < MOST_CALLS);
    team_free(&team);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* The others would wait for ever, were the group not told. */
START_TEST(a_rank_whose_callback_alone_fails_tells_the_group) {
    struct problem *problem = batch(CLMP_WEIGHTING_LMP, CLMP_SCOPE_BATCH);
    struct outputs *want = run_reference(problem);
    const struct run run = {.entry = ENTRY_FULL};
    for (long k = 1; k <= 5; k++) {
        struct team team;
        struct between betweens[RANKS];
        team_make(&team, problem, RANKS, split, &run, true);
        stand_between(&team, betweens);
        team_assert(&team, want);
        betweens[2].group = team.group;
        betweens[2].calls = 0;
        betweens[2].fail_at = k;
        team_step(&team);
        assert_failed(&team, CLMP_RANKS_FAILED, "of 3: allreduce failed");
        team_step(&team); /* a group that was aborted stays so */
        assert_failed(&team, CLMP_RANKS_FAILED, "of 3: allreduce failed");
        team_free(&team);
    }
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- numbers */

/* What docs/ranks.md says of a step: calls, and numbers of 64 bits in all. */
static const struct {
    clmp_weighting weighting;
    clmp_scope scope;
    bool class_weights;
    clmp_normalise normalise;
    long calls;
    uint64_t words;
} costs[] = {
    {CLMP_WEIGHTING_LMP, CLMP_SCOPE_BATCH, false, CLMP_NORMALISE_COUNT, 5, 3 * 6145 + 1},
    {CLMP_WEIGHTING_TOPK, CLMP_SCOPE_BATCH, true, CLMP_NORMALISE_COUNT, 5, 3 * 6145 + 1},
    {CLMP_WEIGHTING_UNIFORM, CLMP_SCOPE_BATCH, false, CLMP_NORMALISE_COUNT, 3, 6145 + 1},
    {CLMP_WEIGHTING_UNIFORM, CLMP_SCOPE_BATCH, true, CLMP_NORMALISE_WEIGHTS, 4, 6145 + 2 * CLASSES + 1 + 1},
    {CLMP_WEIGHTING_OHEM, CLMP_SCOPE_BATCH, false, CLMP_NORMALISE_COUNT, 5, 3 * 6145 + 1},
    {CLMP_WEIGHTING_OHEM, CLMP_SCOPE_BATCH, true, CLMP_NORMALISE_COUNT, 6, 3 * 6145 + 258 + 1},
    {CLMP_WEIGHTING_BALANCED, CLMP_SCOPE_BATCH, false, CLMP_NORMALISE_COUNT, 4, CLASSES + 4 + 1 + 258 + 1},
    {CLMP_WEIGHTING_LMP, CLMP_SCOPE_IMAGE, false, CLMP_NORMALISE_COUNT, 3, 7 + 2 * IMAGES + 1 + 1},
    {CLMP_WEIGHTING_BALANCED, CLMP_SCOPE_IMAGE, true, CLMP_NORMALISE_WEIGHTS, 3, 7 + 2 * IMAGES + 1 + 1},
};

START_TEST(a_step_sends_what_the_documentation_says) {
    struct problem *problem = batch(costs[_i].weighting, costs[_i].scope);
    problem->in.params.class_weights = costs[_i].class_weights ? problem->class_weights : NULL;
    problem->in.params.normalise = costs[_i].normalise;
    struct outputs *want = run_reference(problem);
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    struct between betweens[RANKS];
    team_make(&team, problem, RANKS, split, &run, true);
    stand_between(&team, betweens);
    team_assert(&team, want);
    for (uint32_t r = 0; r < RANKS; r++)
        ck_assert_msg(betweens[r].calls == costs[_i].calls && betweens[r].words == 2 * RANKS + costs[_i].words,
                      "%ld calls, %llu numbers", betweens[r].calls, (unsigned long long)betweens[r].words);
    team_free(&team);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* Plays rank 1 in the first message, whose layout host/stages/ranks.c has: as rank 0, with so many images. */
static int play_a_large_rank(void *user, uint64_t *sums, size_t count) {
    const uint64_t *images = user;
    if (count == 4) {
        sums[2] = (sums[0] & ~UINT64_C(0xffffffffff)) | *images;
        sums[3] = sums[1];
    }
    return 0;
}

START_TEST(too_many_pixels_of_all_ranks_are_refused) {
    struct problem *problem = batch(CLMP_WEIGHTING_LMP, (clmp_scope)(_i % 2));
    const struct run run = {.entry = ENTRY_FULL};
    struct team team;
    const uint64_t all = problem->in.params.images, pixels = 5 * 7, most = ((uint64_t)1 << 36) / pixels;
    uint64_t others = most - all;
    team_make(&team, problem, 1, &all, &run, true);
    struct member *member = &team.members[0];
    member->ranks.size = 2;
    member->ranks.allreduce = play_a_large_rank;
    member->ranks.user = &others;
    team_plan(member);
    if (_i < 2) { /* as many as there may be; of scope image, the losses of all are too many for memory, or are not */
        others = most - all + 1;
        team_step(&team);
        assert_failed(&team, CLMP_SIZE_OVERFLOW, "images of all ranks, of 35 pixels each, are more than 2^36 pixels");
    } else if (problem->in.params.scope == CLMP_SCOPE_BATCH) {
        team_step(&team);
        ck_status(member->status, CLMP_OK);
    }
    team_free(&team);
    problem_free(problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rank errors");
    TCase *tcase = add_case(suite, "differences", "full quick");
    tcase_add_loop_test(tcase, ranks_that_differ_are_refused_with_what_differs, 0, DIFFERENCES);
    tcase_add_test(tcase, what_no_rank_looks_at_may_differ);
    tcase_add_test(tcase, a_rank_that_is_there_twice_is_named);
    tcase = add_case(suite, "failures", "full");
    tcase_add_loop_test(tcase, a_rank_with_a_bad_call_fails_all, 0, 2);
    tcase_add_test(tcase, a_step_in_parts_is_refused_by_all);
    tcase_add_loop_test(tcase, a_callback_that_fails_at_any_call_fails_all, 0, 2 * WEIGHTINGS);
    tcase_add_test(tcase, a_rank_whose_callback_alone_fails_tells_the_group);
    tcase = add_case(suite, "numbers", "full quick");
    tcase_add_loop_test(tcase, a_step_sends_what_the_documentation_says, 0, (int)(sizeof costs / sizeof *costs));
    tcase_add_loop_test(tcase, too_many_pixels_of_all_ranks_are_refused, 0, 4);
    return test_main(suite);
}

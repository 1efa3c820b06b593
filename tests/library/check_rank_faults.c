/*
 * Every call of OpenCL's, and every allocation, that one rank makes in a step fails in turn: all ranks return the same
 * status, none hangs, nobody's counts have grown, and the next step is right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fault_programs.h"
#include "faults.h"
#include "ranks.h"

#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, FAULTY = 1, IMAGES = 5, CLASSES = 3, MOST_CALLS = 500 };
static const uint64_t split[RANKS] = {2, 1, 2};

static const struct scenario {
    const char *name;
    enum { STEPS, LABEL_COUNTS, PREDICTIONS } entry;
    clmp_weighting weighting;
    clmp_scope scope;
    clmp_solver solver;
    bool class_weights, own_workspace;
} scenarios[] = {
    {.name = "search", .own_workspace = true},
    {.name = "sort", .solver = CLMP_SOLVER_SORT},
    {.name = "images", .scope = CLMP_SCOPE_IMAGE},
    {.name = "balanced", .weighting = CLMP_WEIGHTING_BALANCED, .class_weights = true},
    {.name = "ohem", .weighting = CLMP_WEIGHTING_OHEM, .class_weights = true, .own_workspace = true},
    {.name = "label counts", .entry = LABEL_COUNTS},
    {.name = "predictions", .entry = PREDICTIONS},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

/* What rank FAULTY's thread has to do; and the counters of each rank. */
struct trial {
    const struct scenario *scenario;
    enum fault_function function;
    cl_int error;
    long k;
    bool hit;
    bool armed;
};

struct part {
    struct trial *trial;
    bool faulty;
    cl_mem counters;
};

static size_t words_of(const struct scenario *scenario) {
    return scenario->entry == PREDICTIONS ? CLMP_CONFUSION(CLASSES) : CLMP_LABEL_COUNTS(CLASSES);
}

static clmp_status enqueue(struct member *member, cl_event *event) {
    struct part *part = member->user;
    struct trial *trial = part->trial;
    clmp_status status;
    fault_exempt(!part->faulty);
    if (part->faulty && trial->armed)
        fault_arm(trial->function, trial->error, trial->k);
    switch (trial->scenario->entry) {
    case LABEL_COUNTS:
        status = clmp_enqueue_label_counts(member->plan, member->queue, &member->buffers.use, 0, NULL, event);
        break;
    case PREDICTIONS:
        status = clmp_enqueue_confusion(member->plan, member->queue, &member->buffers.use, 0, NULL, event);
        break;
    default:
        status = enqueue_problem(member->plan, member->queue, &member->part, &member->run, &member->buffers.use, 0,
                                 NULL, event);
    }
    if (part->faulty && trial->armed)
        trial->hit = fault_disarm();
    return status;
}

static struct problem *batch(const struct scenario *scenario) {
    struct problem *problem = problem_of_logits(IMAGES, CLASSES, 5, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("rank faults", 0);
    fill_logits(problem, &rng);
    problem->class_weights[1] = 0.5f;
    problem->in.params.weighting = scenario->weighting;
    problem->in.params.scope = scenario->scope;
    problem->in.params.ohem_min_kept = 4;
    if (scenario->class_weights) {
        problem->in.params.class_weights = problem->class_weights;
        problem->in.params.normalise = CLMP_NORMALISE_WEIGHTS;
    }
    if (scenario->entry == LABEL_COUNTS)
        problem->in.params.input = CLMP_INPUT_LABELS;
    return problem;
}

static void complain(const struct trial *trial, const struct team *team, const char *what) {
    ck_abort_msg("%s: %s call %ld returns %d: %s (%s, %s, %s; logs: %s; %s; %s)", trial->scenario->name,
                 fault_name(trial->function), trial->k, (int)trial->error, what,
                 clmp_status_name(team->members[0].status), clmp_status_name(team->members[1].status),
                 clmp_status_name(team->members[2].status), team->members[0].said, team->members[1].said,
                 team->members[2].said);
}

/* The counters of a rank, which hold `times` batches. */
static void check_counters(const struct trial *trial, const struct team *team, const struct part *parts,
                           const uint64_t *want, uint64_t times) {
    uint64_t got[CLMP_CONFUSION(CLASSES)];
    const size_t words = words_of(trial->scenario);
    for (uint32_t r = 0; r < RANKS; r++) {
        ck_cl(clEnqueueReadBuffer(test_device()->queue, parts[r].counters, CL_TRUE, 0, words * sizeof *got, got, 0,
                                  NULL, NULL));
        for (size_t i = 0; i < words; i++)
            if (got[i] != want[i] * times)
                complain(trial, team, "the counts are wrong");
    }
}

static void check_team(const struct trial *trial, const struct team *team) {
    const clmp_status status = team->members[FAULTY].status;
    for (uint32_t r = 0; r < RANKS; r++) {
        const struct member *member = &team->members[r];
        if (member->status != status)
            complain(trial, team, "ranks return other statuses");
        if (status != CLMP_OK && member->said[0] == '\0')
            complain(trial, team, "nothing was said");
        if (status != CLMP_OK && r != FAULTY && strstr(member->said, "rank 1 of 3 failed") == NULL)
            complain(trial, team, "the rank is not named");
        if (status == CLMP_OK && member->finished != CL_SUCCESS && (r != FAULTY || trial->function != FAULT_event))
            complain(trial, team, "an event failed");
    }
}

/* How many calls of a function a step has, each of which failed. */
static long fail_each(struct trial *trial, struct team *team, struct part *parts, const struct outputs *want,
                      const uint64_t *want_counts, uint64_t *times) {
    for (trial->k = 1; trial->k < MOST_CALLS; trial->k++) {
        trial->armed = true;
        team_step(team);
        trial->armed = false;
        check_team(trial, team);
        const bool passed = team->members[FAULTY].status == CLMP_OK;
        if (passed && !fault_is_release(trial->function) && trial->hit && trial->function != FAULT_event &&
            trial->function != FAULT_clRetainEvent && trial->function != FAULT_clGetEventInfo)
            complain(trial, team, "an error went unnoticed");
        if (trial->scenario->entry != STEPS) {
            *times += passed ? 1 : 0;
            check_counters(trial, team, parts, want_counts, *times);
        } else if (passed && team->members[FAULTY].finished == CL_SUCCESS) {
            struct outputs *got = team_read(team);
            assert_same_bits(team->whole, got, want);
            outputs_free(got);
        }
        if (!trial->hit)
            return trial->k - 1;
        team_step(team); /* the next step is like any other */
        check_team(trial, team);
        if (team->members[0].status != CLMP_OK || team->members[FAULTY].finished != CL_SUCCESS)
            complain(trial, team, "the next step fails");
        if (trial->scenario->entry != STEPS)
            check_counters(trial, team, parts, want_counts, ++*times);
    }
    complain(trial, team, "there is no end of calls");
    return 0;
}

static void make_counters(struct team *team, struct part *parts) {
    static const uint64_t zeros[CLMP_CONFUSION(CLASSES)] = {0};
    for (uint32_t r = 0; r < RANKS; r++) {
        cl_int error = CL_SUCCESS;
        parts[r].counters = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof zeros,
                                           (void *)(uintptr_t)zeros, &error);
        ck_cl(error);
        team->members[r].buffers.use.confusion.mem = parts[r].counters;
        team->members[r].buffers.use.label_counts.mem = parts[r].counters;
    }
}

START_TEST(every_call_of_one_rank_that_fails_fails_all) {
    const struct scenario *scenario = &scenarios[_i];
    struct problem *problem = batch(scenario);
    struct outputs *want = scenario->entry == STEPS ? run_reference(problem) : NULL;
    const struct run run = {
        .entry = ENTRY_FULL, .solver = scenario->solver, .internal_workspace = scenario->own_workspace};
    struct trial trial = {.scenario = scenario};
    struct part parts[RANKS];
    struct team team;
    uint64_t counts[CLMP_CONFUSION(CLASSES)] = {0}, times = 1;
    long calls = 0;
    team_make(&team, problem, RANKS, split, &run, true);
    for (uint32_t r = 0; r < RANKS; r++) {
        parts[r] = (struct part){&trial, r == FAULTY, NULL};
        team.members[r].enqueue = enqueue;
        team.members[r].user = &parts[r];
    }
    make_counters(&team, parts);
    team_step(&team); /* what is made at the first use is there */
    for (uint32_t r = 0; r < RANKS; r++)
        ck_status(team.members[r].status, CLMP_OK);
    ck_cl(clEnqueueReadBuffer(test_device()->queue, parts[0].counters, CL_TRUE, 0, sizeof counts, counts, 0, NULL,
                              NULL)); /* check_ranks.c says that they are right */
    for (int f = 0; f < FAULT_LIBRARY_FUNCTIONS; f++) {
        trial.function = (enum fault_function)f;
        trial.error = fault_error(trial.function, 0);
        calls += fail_each(&trial, &team, parts, want, counts, &times);
    }
    ck_assert(calls > 20);
    for (uint32_t r = 0; r < RANKS; r++)
        ck_cl(clReleaseMemObject(parts[r].counters));
    team_free(&team);
    if (want != NULL)
        outputs_free(want);
    problem_free(problem);
}
END_TEST

static void keep_programs(void) {
    fault_keep_programs(test_device()->cl);
}

int main(void) {
    Suite *suite = suite_create("rank faults");
    TCase *tcase = add_case(suite, "one rank", "full");
    tcase_add_unchecked_fixture(tcase, keep_programs, NULL);
    tcase_add_loop_test(tcase, every_call_of_one_rank_that_fails_fails_all, 0, SCENARIOS);
    return test_main(suite);
}

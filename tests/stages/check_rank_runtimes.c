/*
 * One batch over ranks on two OpenCL runtimes: the bits that one device gives for all of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ranks.h"

enum { RANKS = 2, IMAGES = 4, SCOPES = 2 };

static struct test_device other;

static const struct {
    clmp_weighting weighting;
    bool class_weights;
    clmp_normalise normalise;
} ways[] = {
    {.weighting = CLMP_WEIGHTING_LMP},
    {.weighting = CLMP_WEIGHTING_OHEM, .class_weights = true, .normalise = CLMP_NORMALISE_WEIGHTS},
    {.weighting = CLMP_WEIGHTING_BALANCED, .class_weights = true},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* `first` images on the device under test, which has `solver`, and the others on the other, which searches. */
static void assert_split(const struct problem *problem, uint64_t first, clmp_solver solver, uint32_t vector_width) {
    const uint64_t images[RANKS] = {first, IMAGES - first};
    const struct run run = {.entry = ENTRY_FULL, .tuning = {.vector_width = vector_width}};
    struct outputs *want = run_reference(problem);
    struct team team;
    team_make(&team, problem, RANKS, images, &run, false);
    team.members[0].run.solver = solver;
    team_plan(&team.members[0]);
    team_move(&team.members[1], &other);
    team_assert(&team, want);
    team_assert(&team, want); /* another step is like any */
    team_free(&team);
    outputs_free(want);
}

static void check_way(struct problem *problem, int way, clmp_scope scope, uint32_t vector_width, struct rng *rng) {
    clmp_plan_params *params = &problem->in.params;
    spoil(problem, rng);
    for (uint64_t c = 0; c < params->classes; c++)
        problem->class_weights[c] = 0.25f + (float)rng_uniform(rng);
    params->weighting = ways[way].weighting;
    params->normalise = ways[way].normalise;
    params->class_weights = ways[way].class_weights ? problem->class_weights : NULL;
    params->ohem_min_kept = 9;
    params->seed = rng_next(rng);
    params->scope = scope;
    problem->in.step = rng_next(rng);
    assert_split(problem, 1, CLMP_SOLVER_SEARCH, vector_width);
    assert_split(problem, 3, CLMP_SOLVER_SORT, vector_width);
    problem_free(problem);
}

START_TEST(ranks_on_two_runtimes_have_the_bits_of_one_device) {
    struct rng rng = rng_for("rank runtimes", (uint64_t)_i);
    struct problem *problem = problem_of_logits(IMAGES, 5, 7, 9, CLMP_LABEL_UINT8);
    ck_assert(other.id != test_device()->id);
    fill_logits(problem, &rng);
    check_way(problem, _i / SCOPES, (clmp_scope)(_i % SCOPES), 0, &rng);
}
END_TEST

START_TEST(interpolated_logits_on_two_runtimes_have_the_bits_of_one_device) {
    struct rng rng = rng_for("rank runtimes upsampled", 0);
    struct problem *problem = problem_upsampled(IMAGES, 4, 3, 5, 11, 17, CLMP_LABEL_INT32);
    fill_logits_upsampled(problem, &rng);
    check_way(problem, 0, CLMP_SCOPE_BATCH, 2, &rng); /* Mesa compiles wider ones for minutes */
}
END_TEST

int main(void) {
    int status = open_other_device(&other);
    if (status != 0)
        return status;
    Suite *suite = suite_create("rank_runtimes");
    TCase *tcase = add_case(suite, "bits", "full small");
    tcase_add_loop_test(tcase, ranks_on_two_runtimes_have_the_bits_of_one_device, 0, WAYS * SCOPES);
    tcase_add_test(tcase, interpolated_logits_on_two_runtimes_have_the_bits_of_one_device);
    status = test_main(suite);
    close_device(&other);
    return status;
}

/*
 * One batch over several ranks: the bits that one device gives for all of it, for every split.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ranks.h"
#include "reference_upsample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t sizes[] = {1, 2, 3, 8};
enum { SIZES = sizeof sizes / sizeof *sizes, IMAGES = 9 };

/* What a batch is of. */
enum kind { OF_LOSSES, OF_LOGITS, OF_HALVES, OF_SMALLER_LOGITS, OF_CHANNELS, KINDS };

/* What becomes of its losses: of each weighting the ways that sum other numbers. */
static const struct {
    clmp_weighting weighting;
    bool class_weights;
    clmp_normalise normalise;
    clmp_sampling sampling;
    double p, support;
    uint64_t count; /* topk_count, or ohem_min_kept */
} ways[] = {
    {.weighting = CLMP_WEIGHTING_LMP, .p = 1.7, .support = 0.25},
    {.weighting = CLMP_WEIGHTING_LMP, .p = 1.0, .support = 0.1, .class_weights = true},
    {.weighting = CLMP_WEIGHTING_LMP, .p = INFINITY, .support = 0.25},
    {.weighting = CLMP_WEIGHTING_UNIFORM},
    {.weighting = CLMP_WEIGHTING_UNIFORM, .class_weights = true, .normalise = CLMP_NORMALISE_WEIGHTS},
    {.weighting = CLMP_WEIGHTING_TOPK, .support = 0.3},
    {.weighting = CLMP_WEIGHTING_TOPK, .count = 100, .class_weights = true, .normalise = CLMP_NORMALISE_WEIGHTS},
    {.weighting = CLMP_WEIGHTING_OHEM, .count = 7},
    {.weighting = CLMP_WEIGHTING_OHEM, .count = 9, .class_weights = true},
    {.weighting = CLMP_WEIGHTING_OHEM, .count = 5, .class_weights = true, .normalise = CLMP_NORMALISE_WEIGHTS},
    {.weighting = CLMP_WEIGHTING_BALANCED, .sampling = CLMP_SAMPLING_EVEN},
    {.weighting = CLMP_WEIGHTING_BALANCED, .sampling = CLMP_SAMPLING_UNDER, .class_weights = true},
    {.weighting = CLMP_WEIGHTING_BALANCED,
     .sampling = CLMP_SAMPLING_OVER,
     .class_weights = true,
     .normalise = CLMP_NORMALISE_WEIGHTS},
};
enum { WAYS = sizeof ways / sizeof *ways };

static const clmp_label_type label_types[] = {CLMP_LABEL_UINT8, CLMP_LABEL_INT32, CLMP_LABEL_INT64, CLMP_LABEL_UINT16};
enum { LABEL_TYPES = sizeof label_types / sizeof *label_types };

/* Layout and pitch of the logits: a pair for each type of labels, so that there are no more programs than types. */
static void store(clmp_plan_params *params) {
    const bool last = params->label_type == CLMP_LABEL_INT32 || params->label_type == CLMP_LABEL_UINT16;
    const uint64_t element = stored_element(params->logits_type);
    const uint64_t row = reference_logits_width(params) * element * (last ? params->classes : 1);
    params->logits_layout = last ? CLMP_LAYOUT_NHWC : CLMP_LAYOUT_NCHW;
    params->logits_row_pitch = params->label_type == CLMP_LABEL_INT32   ? row + 3 * element
                               : params->label_type == CLMP_LABEL_INT64 ? (row + 127) / 128 * 128
                                                                        : 0;
}

/* Logits that the type has. */
static void store_as(struct problem *problem, clmp_float_type type) {
    problem->in.params.logits_type = type;
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(type, problem->logits[i]);
}

static struct problem *batch_of(enum kind kind, uint64_t images, struct rng *rng) {
    const clmp_label_type type = label_types[rng_below(rng, LABEL_TYPES)];
    struct problem *problem = NULL;
    switch (kind) {
    case OF_LOSSES:
        problem = problem_of_losses(images, 7, 9);
        fill_losses(problem, (enum losses_kind)rng_below(rng, LOSSES_KINDS), rng);
        return problem;
    case OF_SMALLER_LOGITS:
        problem = problem_upsampled(images, 4, 3, 5, 11, 17, type);
        fill_logits_upsampled(problem, rng);
        break;
    case OF_CHANNELS:
        problem = problem_of_binary(images, 3, 6, 5, type);
        fill_logits(problem, rng);
        break;
    default:
        problem = problem_of_logits(images, 5, 7, 9, type);
        fill_logits(problem, rng);
        if (kind == OF_HALVES)
            store_as(problem, rng_below(rng, 2) == 0 ? CLMP_FLOAT16 : CLMP_BFLOAT16);
    }
    store(&problem->in.params);
    if (rng_below(rng, 2) == 0 && kind != OF_HALVES)
        spoil(problem, rng);
    for (uint64_t c = 0; c < problem->in.params.classes; c++)
        problem->class_weights[c] = 0.25f + (float)rng_uniform(rng);
    return problem;
}

static void choose_way(struct problem *problem, int way, struct rng *rng) {
    clmp_plan_params *params = &problem->in.params;
    params->weighting = ways[way].weighting;
    params->p = ways[way].p != 0.0 ? ways[way].p : params->p;
    params->support = ways[way].support != 0.0 ? ways[way].support : params->support;
    params->topk_count = ways[way].weighting == CLMP_WEIGHTING_TOPK ? ways[way].count : 0;
    params->ohem_min_kept = ways[way].count;
    params->sampling = ways[way].sampling;
    params->normalise = ways[way].normalise;
    params->seed = rng_next(rng);
    problem->in.step = rng_next(rng);
    problem->in.gradient_scale = 0.5f + (float)rng_uniform(rng);
    if (ways[way].class_weights && problem->class_weights != NULL)
        params->class_weights = problem->class_weights;
}

/* All pixels of some images are ignored. */
static void ignore_images(struct problem *problem, uint64_t first, uint64_t count) {
    const uint64_t pixels = problem->pixels / problem->in.params.images;
    for (uint64_t i = first * pixels; i < (first + count) * pixels; i++)
        if (problem->losses != NULL)
            problem->losses[i] = NAN;
        else
            set_label(problem, i, problem->in.params.ignore_index);
}

/* `stores`: ranks differ in how their logits and labels are stored; it and `tunings` take other programs. */
static void assert_split(struct problem *problem, uint32_t size, const struct run *run, bool stores, bool tunings,
                         struct rng *rng) {
    uint64_t images[MOST_RANKS];
    struct team team;
    split_images(problem->in.params.images, size, rng, images);
    if (size > 1 && rng_below(rng, 3) == 0) /* a rank that has nothing */
        ignore_images(problem, 0, images[0]);
    struct outputs *want = run_reference(problem);
    team_make(&team, problem, size, images, run, false);
    for (uint32_t r = 0; r < size; r++) { /* what may differ */
        struct member *member = &team.members[r];
        if (rng_below(rng, 2) == 0)
            continue;
        member->run.solver = (clmp_solver)rng_below(rng, 2);
        member->run.internal_workspace = rng_below(rng, 2) != 0;
        member->run.tuning = (clmp_tuning){.chunks = 3, .bin_sets = 1 + (uint32_t)rng_below(rng, 3)};
        if (tunings)
            member->run.tuning.vector_width = 1 + (uint32_t)rng_below(rng, 2);
        if (stores && member->part.labels != NULL && team_label(member, label_types[rng_below(rng, LABEL_TYPES)]))
            store(&member->part.in.params);
        team_plan(member);
    }
    team_assert(&team, want);
    team_assert(&team, want); /* another step is like any */
    team_free(&team);
    outputs_free(want);
}

static void check_way(int way, enum kind kind, clmp_scope scope, clmp_solver solver, uint32_t size, bool stores,
                      bool tunings, const char *name, uint64_t index) {
    struct rng rng = rng_for(name, index);
    if (kind == OF_LOSSES && ways[way].weighting == CLMP_WEIGHTING_BALANCED)
        return;
    struct problem *problem = batch_of(kind, IMAGES, &rng);
    choose_way(problem, way, &rng);
    problem->in.params.scope = scope;
    const struct run run = {.entry = rng_below(&rng, 4) == 0 ? ENTRY_LOSS : ENTRY_FULL, .solver = solver};
    assert_split(problem, size, &run, stores, tunings, &rng);
    problem_free(problem);
}

/* Each way once, of one kind and one size. */
START_TEST(every_weighting_has_the_bits_of_one_device) {
    check_way(_i, (enum kind)(OF_LOGITS + _i % 4), _i % 5 == 4 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH,
              (clmp_solver)(_i / 2 % 2), sizes[1 + _i % 3], false, false, "ranks", (uint64_t)_i);
}
END_TEST

START_TEST(weights_of_losses_have_the_bits_of_one_device) {
    check_way(_i, OF_LOSSES, (clmp_scope)(_i / 2 % 2), (clmp_solver)(_i % 2), sizes[_i % SIZES], false, false,
              "rank losses", (uint64_t)_i);
}
END_TEST

START_TEST(every_split_of_every_kind_has_the_bits_of_one_device) {
    int i = _i;
    const uint32_t size = sizes[i % SIZES];
    i /= SIZES;
    const clmp_scope scope = (clmp_scope)(i % 2);
    i /= 2;
    const enum kind kind = (enum kind)(i % KINDS);
    i /= KINDS;
    check_way(i, kind, scope, CLMP_SOLVER_SEARCH, size, true, false, "rank splits", (uint64_t)_i);
    check_way(i, kind, scope, CLMP_SOLVER_SORT, size, true, _i % 10 == 2, "rank sorts", (uint64_t)_i);
}
END_TEST

/* Each rank has its own layout, pitch, type of labels and solver, with logits of each type. */
START_TEST(ranks_store_logits_and_labels_each_in_its_own_way) {
    static const uint64_t images[LABEL_TYPES] = {2, 3, 1, 3};
    static const int some[] = {0, 7, WAYS - 1, 6};
    const clmp_float_type types[] = {CLMP_FLOAT32, CLMP_FLOAT16, CLMP_BFLOAT16, CLMP_BFLOAT16};
    const struct run run = {.entry = ENTRY_FULL};
    struct rng rng = rng_for("rank stores", (uint64_t)_i);
    struct problem *problem = problem_of_logits(IMAGES, 5, 7, 9, CLMP_LABEL_UINT8);
    struct team team;
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    store_as(problem, types[_i]);
    for (uint64_t c = 0; c < problem->in.params.classes; c++)
        problem->class_weights[c] = 0.25f + (float)rng_uniform(&rng);
    choose_way(problem, some[_i], &rng);
    problem->in.params.scope = (clmp_scope)(_i % 2);
    struct outputs *want = run_reference(problem);
    team_make(&team, problem, LABEL_TYPES, images, &run, false);
    for (uint32_t r = 0; r < LABEL_TYPES; r++) {
        struct member *member = &team.members[r];
        ck_assert(team_label(member, label_types[r]));
        store(&member->part.in.params);
        member->run.solver = (clmp_solver)(r / 2);
        member->run.shift = r % 3;
        team_plan(member);
    }
    team_assert(&team, want);
    team_free(&team);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- counts */

enum { MOST_NUMBERS = 100, COUNTED_KINDS = 4 };

static cl_mem counters_of(uint32_t rank) {
    uint64_t numbers[MOST_NUMBERS];
    cl_int error = CL_SUCCESS;
    for (size_t i = 0; i < MOST_NUMBERS; i++)
        numbers[i] = i * 1000003 + rank; /* what each rank has counted before, and what lies behind */
    const cl_mem mem =
        clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof numbers, numbers, &error);
    ck_cl(error);
    return mem;
}

static void read_counters(cl_mem mem, uint32_t rank, uint64_t *added) {
    ck_cl(
        clEnqueueReadBuffer(test_device()->queue, mem, CL_TRUE, 0, MOST_NUMBERS * sizeof *added, added, 0, NULL, NULL));
    for (size_t i = 0; i < MOST_NUMBERS; i++)
        added[i] -= i * 1000003 + rank;
}

static clmp_status enqueue_counts(struct member *member, cl_event *event) {
    return (member->part.in.params.input == CLMP_INPUT_LABELS ? clmp_enqueue_label_counts : clmp_enqueue_confusion)(
        member->plan, member->queue, &member->buffers.use, 0, NULL, event);
}

/* Of the whole, on one device. */
static void count_alone(const struct problem *problem, uint64_t *want) {
    const struct run run = {.entry = ENTRY_FULL};
    struct member alone = {.part = *problem, .queue = test_device()->queue, .plan = plan_of(problem, &run)};
    cl_event event = NULL;
    buffers_make(&alone.buffers, problem, alone.plan, &run);
    const cl_mem mem = counters_of(0);
    alone.buffers.use.label_counts.mem = alone.buffers.use.confusion.mem = mem;
    ck_status(enqueue_counts(&alone, &event), CLMP_OK);
    ck_cl(clReleaseEvent(event));
    read_counters(mem, 0, want);
    ck_cl(clReleaseMemObject(mem));
    buffers_release(&alone.buffers);
    clmp_plan_destroy(alone.plan);
}

START_TEST(counts_of_each_rank_grow_by_the_whole_batch) {
    static const enum kind kinds[COUNTED_KINDS] = {OF_LOGITS, OF_LOGITS, OF_SMALLER_LOGITS, OF_CHANNELS};
    const uint32_t size = sizes[_i % SIZES];
    struct rng rng = rng_for("rank counts", (uint64_t)_i);
    struct problem *problem = batch_of(kinds[_i / SIZES], IMAGES, &rng);
    if (_i / SIZES == 0)
        problem->in.params.input = CLMP_INPUT_LABELS;
    const struct run run = {.entry = ENTRY_FULL};
    uint64_t want[MOST_NUMBERS], got[MOST_NUMBERS], images[MOST_RANKS], sum = 0;
    cl_mem mems[MOST_RANKS];
    struct team team;
    count_alone(problem, want);
    split_images(IMAGES, size, &rng, images);
    team_make(&team, problem, size, images, &run, false);
    for (uint32_t r = 0; r < size; r++) {
        team.members[r].enqueue = enqueue_counts;
        mems[r] = counters_of(r);
        team.members[r].buffers.use.label_counts.mem = team.members[r].buffers.use.confusion.mem = mems[r];
    }
    for (uint64_t step = 1; step <= 2; step++) {
        team_step(&team);
        for (uint32_t r = 0; r < size; r++) {
            ck_status(team.members[r].status, CLMP_OK);
            read_counters(mems[r], r, got);
            for (size_t i = 0; i < MOST_NUMBERS; i++) {
                sum += want[i];
                ck_assert_msg(got[i] == step * want[i], "[%zu] of rank %u is %llu, not %llu; %s", i, (unsigned)r,
                              (unsigned long long)got[i], (unsigned long long)(step * want[i]), describe(problem));
            }
        }
    }
    ck_assert(sum > 0);
    for (uint32_t r = 0; r < size; r++)
        ck_cl(clReleaseMemObject(mems[r]));
    team_free(&team);
    problem_free(problem);
}
END_TEST

/* --------------------------------------------------------------------------------------------------------- many */

/* As many pixels as leave fewer bits behind the point of a sum of powers than each rank alone has. */
START_TEST(a_batch_of_millions_has_the_bits_of_one_device) {
    struct rng rng = rng_for("rank millions", 0);
    struct problem *problem = problem_of_losses(IMAGES, 1000, 1000);
    fill_losses(problem, LOSSES_LOG_NORMAL, &rng);
    const struct run run = {.entry = ENTRY_FULL};
    assert_split(problem, 3, &run, false, false, &rng);
    problem_free(problem);
}
END_TEST

/* Steps one after another, with other draws in each. */
START_TEST(many_steps_keep_their_order) {
    enum { RANKS = 3 };
    static const uint64_t images[RANKS] = {3, 1, 5};
    const char *text = getenv("CLMP_TEST_STEPS");
    const uint64_t steps = text != NULL && *text ? strtoull(text, NULL, 10) : 200;
    ck_assert(steps > 0);
    struct rng rng = rng_for("rank steps", 0);
    struct problem *problem = batch_of(OF_LOGITS, IMAGES, &rng);
    const struct run run = {.entry = ENTRY_FULL, .internal_workspace = true};
    struct team team;
    choose_way(problem, WAYS - 1, &rng);
    team_make(&team, problem, RANKS, images, &run, false);
    for (uint64_t step = 0; step < steps; step++) {
        problem->in.step = step;
        for (uint32_t r = 0; r < RANKS; r++)
            team.members[r].buffers.use.step = step;
        struct outputs *want = run_reference(problem);
        team_assert(&team, want);
        outputs_free(want);
    }
    team_free(&team);
    problem_free(problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ranks");
    TCase *tcase = add_case(suite, "bits", "full quick");
    tcase_add_loop_test(tcase, every_weighting_has_the_bits_of_one_device, 0, WAYS);
    tcase_add_loop_test(tcase, weights_of_losses_have_the_bits_of_one_device, 0, 8);
    tcase_add_loop_test(tcase, counts_of_each_rank_grow_by_the_whole_batch, 0, SIZES * COUNTED_KINDS);
    tcase = add_case(suite, "every way", "full");
    tcase_add_loop_test(tcase, every_split_of_every_kind_has_the_bits_of_one_device, 0, WAYS * KINDS * 2 * SIZES);
    tcase = add_case(suite, "stores", "full");
    tcase_add_loop_test(tcase, ranks_store_logits_and_labels_each_in_its_own_way, 0, 4);
    tcase = add_case(suite, "many", "full");
    tcase_add_test(tcase, many_steps_keep_their_order);
    if (!test_small())
        tcase_add_test(tcase, a_batch_of_millions_has_the_bits_of_one_device);
    return test_main(suite);
}

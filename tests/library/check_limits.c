/*
 * Limits: devices that are less than the one at hand, too little memory, and problems at the edge of what there may be.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * faults.h imposes a device's limits.  tests/limits.sh runs the other suites under them, too.
 */
#include "fault_programs.h"
#include "faults.h"
#include "support.h"

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char said[1024];

static void hear(void *user, const char *message) {
    (void)user;
    snprintf(said, sizeof said, "%s", message);
}

/* A context of the device as it says it is by now. */
static clmp_context *limited_context(void) {
    const struct test_device *device = test_device();
    clmp_context *context = NULL;
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = hear;
    ck_status(clmp_context_create(device->cl, device->id, &params, &context), CLMP_OK);
    return context;
}

static clmp_plan_params params_of(const struct problem *problem, const struct run *run) {
    clmp_plan_params params = problem->in.params;
    params.solver = run->solver;
    params.tuning = run->tuning;
    return params;
}

/* One step of a plan, with the bits that it has to have. */
static void assert_step(clmp_plan *plan, struct problem *problem, const struct run *run) {
    struct device_buffers buffers;
    buffers_make(&buffers, problem, plan, run);
    const clmp_status status = enqueue_problem(plan, test_device()->queue, problem, run, &buffers.use, 0, NULL, NULL);
    ck_assert_msg(status == CLMP_OK, "%s (log: %s), %s", clmp_status_name(status), said, describe(problem));
    struct outputs *want = run_reference(problem), *got = buffers_read(&buffers, problem, run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    buffers_release(&buffers);
}

/* ----------------------------------------------------------------------------------------------------------- problems
 */

enum kind { BATCH, IMAGES, LOSSES, UPSAMPLED, HARD, BALANCED, MANY_CLASSES, KINDS };

static struct problem *make_problem(enum kind kind) {
    struct problem *problem = NULL;
    struct rng rng = rng_for("limits", (uint64_t)kind);
    switch (kind) {
    case LOSSES:
        problem = problem_of_losses(2, 31, 47);
        fill_losses(problem, LOSSES_UNCLEAN, &rng);
        problem->in.params.scope = CLMP_SCOPE_IMAGE;
        return problem;
    case UPSAMPLED:
        problem = problem_upsampled(2, 3, 5, 6, 37, 45, CLMP_LABEL_UINT8); /* some 8 pixels between logits */
        fill_logits_upsampled(problem, &rng);
        return problem;
    case MANY_CLASSES: /* more than are counted in local memory */
        problem = problem_of_logits(1, 2100, 3, 41, CLMP_LABEL_UINT16);
        fill_logits(problem, &rng);
        problem->in.params.weighting = CLMP_WEIGHTING_BALANCED;
        return problem;
    default:
        break;
    }
    problem = problem_of_logits(2, 3, 17, 29, CLMP_LABEL_UINT8);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    problem->in.params.scope = kind == IMAGES ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    if (kind == BALANCED)
        problem->in.params.weighting = CLMP_WEIGHTING_BALANCED;
    if (kind == HARD) { /* with class weights, which are applied to what was kept */
        problem->in.params.weighting = CLMP_WEIGHTING_OHEM;
        problem->in.params.ohem_min_kept = 100;
        problem->class_weights[1] = 0.5f;
        problem->in.params.class_weights = problem->class_weights;
    }
    return problem;
}

/* ---------------------------------------------------------------------------------------------------- smaller devices
 */

static const struct fault_limits devices[] = {
    {.group = 1},
    {.group = 64},
    {.group = 256},
    {.group = 4096},
    {.kernel_group = 1},
    {.local_memory = 16384},
    {.local_memory = 4096}, /* the sums over bins are in the workspace */
    {.bare = true},
    {.group = 64, .kernel_group = 32, .local_memory = 16384, .bare = true},
    {.gpu = true, .group = 1},
    {.gpu = true, .group = 64},
    {.gpu = true, .group = 256},
    {.gpu = true, .group = 4096},
    {.gpu = true, .kernel_group = 1},
    {.gpu = true, .local_memory = 16384},
    {.gpu = true, .local_memory = 4096},
    {.gpu = true, .bare = true},
    {.gpu = true, .group = 64, .kernel_group = 32, .local_memory = 16384, .bare = true},
};
enum { DEVICES = sizeof devices / sizeof *devices };

START_TEST(smaller_devices_give_the_same_bits) {
    fault_limit(&devices[_i]);
    clmp_context *context = limited_context();
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (int s = 0; s < 2; s++) {
            struct run run = {.solver = s == 0 ? CLMP_SOLVER_SEARCH : CLMP_SOLVER_SORT};
            if (s == 1 && kind > LOSSES) /* nothing new */
                continue;
            struct problem *problem = make_problem(kind);
            const clmp_plan_params params = params_of(problem, &run);
            clmp_plan *plan = NULL;
            const clmp_status status = clmp_plan_create(context, &params, &plan);
            ck_assert_msg(status == CLMP_OK, "%s (log: %s), %s", clmp_status_name(status), said, describe(problem));
            const size_t most = devices[_i].group != 0 ? devices[_i].group : SIZE_MAX;
            ck_assert(clmp_plan_tuning(plan).group_size <= most && clmp_plan_tuning(plan).bin_group <= most);
            assert_step(plan, problem, &run);
            clmp_plan_destroy(plan);
            problem_free(problem);
        }
    clmp_context_destroy(context);
    fault_limit(NULL);
}
END_TEST

/* What a plan asks for in vain is told when it is made, with the numbers. */
static void assert_refused(const struct fault_limits *device, enum kind kind, clmp_tuning tuning, clmp_status expected,
                           const char *words) {
    struct problem *problem = make_problem(kind);
    const struct run run = {.tuning = tuning};
    const clmp_plan_params params = params_of(problem, &run);
    clmp_plan *plan = (clmp_plan *)(uintptr_t)16;
    fault_limit(device);
    clmp_context *context = limited_context();
    said[0] = '\0';
    const clmp_status status = clmp_plan_create(context, &params, &plan);
    ck_assert_msg(status == expected && strstr(said, words) != NULL, "%s, log: %s", clmp_status_name(status), said);
    ck_assert_ptr_null(plan);
    clmp_context_destroy(context);
    fault_limit(NULL);
    problem_free(problem);
}

START_TEST(what_a_device_has_no_room_for_is_refused) {
    const clmp_tuning none = {.vector_width = 0};
    const struct fault_limits tiny = {.local_memory = 1024}, alone = {.group = 1},
                              few = {.gpu = true, .kernel_group = 8};
    assert_refused(&tiny, HARD, none, CLMP_DEVICE_UNSUPPORTED, "2040 bytes of local memory, and this device has 1024");
    assert_refused(&tiny, BATCH, (clmp_tuning){.bin_memory = 2}, CLMP_INVALID_ARGUMENT, "1024 bytes of local memory");
    assert_refused(&alone, BATCH, (clmp_tuning){.group_size = 2}, CLMP_INVALID_ARGUMENT, "tuning.group_size is 2");
    assert_refused(&alone, UPSAMPLED, (clmp_tuning){.vector_width = 1}, CLMP_INVALID_ARGUMENT,
                   "tuning.vector_width is 1");
    assert_refused(&few, BATCH, (clmp_tuning){.group_size = 64}, CLMP_INVALID_ARGUMENT, "allowed 8 on this device");
    assert_refused(&few, LOSSES, (clmp_tuning){.bin_group = 16}, CLMP_INVALID_ARGUMENT, "tuning.bin_group is 16");
    assert_refused(&(struct fault_limits){.local_memory = 4096}, BALANCED, (clmp_tuning){.group_size = 256},
                   CLMP_INVALID_ARGUMENT, "8192 bytes of local memory");
}
END_TEST

/* The limits are ones: what goes beyond them fails. */
START_TEST(limits_are_imposed) {
    struct problem *problem = make_problem(BATCH);
    const struct run run = {.tuning = {.group_size = 64}};
    const struct fault_limits small = {.group = 32}, poor = {.local_memory = 1024}, bare = {.bare = true};
    static const char *const sources[] = {
        "kernel void f(global float *x) { double y = x[0]; x[0] = (float)y; }",
        "#define PASTE(a, b) a##b\nkernel void f(global float *x) { PASTE(double, 2) y = x[0]; x[0] = (float)y.x; }",
    };
    const char *allowed = "/* double */ kernel void f(global half *x) { vstore_half(1.0f, 0, x); } // half2";
    struct device_buffers buffers;
    cl_int error = CL_SUCCESS;
    clmp_plan *plan = plan_of(problem, &run);
    buffers_make(&buffers, problem, plan, &run);
    for (int i = 0; i < 2; i++) {
        fault_limit(i == 0 ? &small : &poor);
        ck_status(clmp_enqueue_gradient(plan, test_device()->queue, &buffers.use, 0, NULL, NULL),
                  i == 0 ? CLMP_OPENCL_ERROR : CLMP_OUT_OF_MEMORY);
        ck_cl(clFinish(test_device()->queue));
    }
    for (int i = 0; i < 6; i++) { /* every other one without the limit */
        const char *source = i < 4 ? sources[i / 2] : allowed;
        fault_limit(i % 2 == 0 ? NULL : &bare);
        cl_program program = clCreateProgramWithSource(test_device()->cl, 1, &source, NULL, &error);
        ck_cl(error);
        const cl_int built = clBuildProgram(program, 1, &test_device()->id, "-w", NULL, NULL);
        ck_assert_msg((built == CL_SUCCESS) == (i % 2 == 0 || i >= 4), "%d: %d", i, (int)built);
        ck_cl(clReleaseProgram(program));
    }
    fault_limit(NULL);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    problem_free(problem);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- texts
 */

/* With what is kept by default: of a platform that is not PoCL by its name. */
static clmp_plan *plan_by_default(const struct problem *problem, clmp_context **context) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = hear;
    clmp_plan *plan = NULL;
    ck_status(clmp_context_create(test_device()->cl, test_device()->id, &params, context), CLMP_OK);
    const clmp_status status = clmp_plan_create(*context, &problem->in.params, &plan);
    ck_assert_msg(status == CLMP_OK, "%s, log: %s", clmp_status_name(status), said);
    return plan;
}

/* GPUs have more extensions than fit into the 512 characters that a key of the cache once had for them. */
START_TEST(texts_of_any_length_do) {
    static const char *const variables[] = {"CLMP_CACHE_DIR", "XDG_CACHE_HOME"};
    char root[] = "/tmp/clmp-limits-XXXXXX", folder[64], path[512], *before[2];
    struct problem *problem = make_problem(LOSSES);
    const struct run run = {.solver = problem->in.params.solver};
    clmp_device_info infos[16];
    clmp_context *context = NULL;
    size_t count = 0;
    for (int i = 0; i < 2; i++)
        before[i] = getenv(variables[i]) != NULL ? strdup(getenv(variables[i])) : NULL;
    ck_assert(mkdtemp(root) != NULL && setenv("XDG_CACHE_HOME", root, 1) == 0 && unsetenv("CLMP_CACHE_DIR") == 0);
    snprintf(folder, sizeof folder, "%s/libclmp", root);
    fault_limit(&(struct fault_limits){.long_texts = true});
    ck_status(clmp_list_devices(infos, 16, &count), CLMP_OK);
    ck_assert(count > 0);
    for (size_t i = 0; i < count && i < 16; i++) {
        ck_assert(strncmp(infos[i].name, "A device xxx", 12) == 0 && strlen(infos[i].name) == sizeof infos->name - 1);
        ck_assert(strncmp(infos[i].platform_name, "A platform x", 12) == 0 && infos[i].supported);
        ck_assert(strlen(infos[i].platform_name) == sizeof infos->platform_name - 1);
        ck_assert(strlen(infos[i].version) == sizeof infos->version - 1 && strlen(infos[i].driver) > 0);
    }
    ck_status(clmp_context_open("a device xxx", NULL, &context), CLMP_OK);
    clmp_context_destroy(context);
    for (int warm = 0; warm < 2; warm++) {
        if (warm == 1) /* then nothing is compiled */
            fault_arm(FAULT_clCreateProgramWithSource, CL_OUT_OF_RESOURCES, 1);
        clmp_plan *plan = plan_by_default(problem, &context);
        ck_assert(!fault_disarm());
        assert_step(plan, problem, &run);
        clmp_plan_destroy(plan);
        clmp_context_destroy(context);
    }
    fault_limit(NULL);
    int files = 0;
    DIR *list = opendir(folder);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        files += strstr(entry->d_name, ".bin") != NULL && unlink(path) == 0;
    }
    closedir(list);
    ck_assert(rmdir(folder) == 0 && rmdir(root) == 0 && files > 0);
    for (int i = 0; i < 2; i++) {
        ck_assert((before[i] != NULL ? setenv(variables[i], before[i], 1) : unsetenv(variables[i])) == 0);
        free(before[i]);
    }
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------- memory
 */

/*
 * A plan and a step on a device with so many bytes.  `needed`: how many it would have had to have where one was
 * refused, else how many it took.
 */
static clmp_status run_within(clmp_context *context, size_t bytes, struct problem *problem, const struct run *run,
                              size_t *needed) {
    const clmp_plan_params params = params_of(problem, run);
    const struct fault_limits limits = {.memory = bytes};
    clmp_plan *plan = NULL;
    struct device_buffers buffers;
    said[0] = '\0';
    fault_limit(&limits);
    clmp_status status = clmp_plan_create(context, &params, &plan);
    const size_t made = fault_allocated();
    *needed = fault_needed();
    fault_limit(NULL); /* the caller's buffers are not what this is about */
    if (status != CLMP_OK) {
        ck_assert_ptr_null(plan);
        return status;
    }
    buffers_make(&buffers, problem, plan, run);
    const struct fault_limits rest = {.memory = bytes - made > 0 ? bytes - made : 1};
    fault_limit(&rest);
    status = enqueue_problem(plan, test_device()->queue, problem, run, &buffers.use, 0, NULL, NULL);
    *needed = made + (status == CLMP_OK ? fault_allocated() : fault_needed());
    fault_limit(NULL);
    buffers_release(&buffers);
    assert_step(plan, problem, run); /* the same plan, as soon as there is memory */
    clmp_plan_destroy(plan);
    return status;
}

/* On devices with ever more memory, always what the next allocation needs, and one byte less: it, and all that come
 * after it, fail. */
START_TEST(memory_may_end_at_each_allocation) {
    const struct run run = {.internal_workspace = true, .solver = _i % 2 == 0 ? CLMP_SOLVER_SEARCH : CLMP_SOLVER_SORT};
    struct problem *problem = make_problem((enum kind)(_i / 2));
    clmp_context *context = limited_context();
    size_t needed = 0, bytes = 1;
    int allocations = 0;
    ck_assert(run_within(context, SIZE_MAX / 2, problem, &run, &needed) == CLMP_OK); /* and has all programs */
    const size_t all = needed;
    long before[FAULT_OBJECTS];
    for (int i = 0; i < FAULT_OBJECTS; i++)
        before[i] = fault_balance((enum fault_object)i);
    while (run_within(context, bytes, problem, &run, &needed) != CLMP_OK) {
        ck_assert(needed > bytes && allocations++ < 10);
        bytes = needed;
        const clmp_status status = run_within(context, bytes - 1, problem, &run, &needed);
        ck_assert_msg(status == CLMP_OUT_OF_MEMORY && strstr(said, "clCreateBuffer") != NULL,
                      "%zu of %zu bytes: %s (log: %s)", bytes - 1, all, clmp_status_name(status), said);
        ck_assert_uint_eq(needed, bytes);
    }
    ck_assert(bytes == all && allocations >= 2); /* a plan's constants, and its workspace */
    for (int i = 0; i < FAULT_OBJECTS; i++)
        ck_assert_msg(fault_balance((enum fault_object)i) == before[i], "%s are left",
                      fault_object_name((enum fault_object)i));
    clmp_context_destroy(context);
    problem_free(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- problems' edges
 */

static void finish(struct problem *problem) {
    outputs_free(assert_solved(problem));
    problem_free(problem);
}

START_TEST(one_pixel_of_4096_classes) {
    static const clmp_float_type types[] = {CLMP_FLOAT32, CLMP_FLOAT16};
    struct problem *problem = problem_of_logits(1, 4096, 1, 1, _i % 2 ? CLMP_LABEL_INT32 : CLMP_LABEL_UINT16);
    struct rng rng = rng_for("one pixel", (uint64_t)_i);
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(types[_i / 2 % 2], problem->logits[i]);
    set_label(problem, 0, _i % 3 == 0 ? 4095 : _i % 3 == 1 ? 0 : 2048);
    problem->in.params.logits_type = types[_i / 2 % 2];
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.weighting = _i >= 4 ? CLMP_WEIGHTING_BALANCED : CLMP_WEIGHTING_LMP;
    finish(problem);
}
END_TEST

/* A class that is rare elsewhere, and has a large weight for it, is all that there is. */
START_TEST(all_labels_are_of_the_rarest_class) {
    static const clmp_weighting weightings[] = {CLMP_WEIGHTING_LMP, CLMP_WEIGHTING_UNIFORM, CLMP_WEIGHTING_TOPK,
                                                CLMP_WEIGHTING_OHEM, CLMP_WEIGHTING_BALANCED};
    static const uint64_t counts[CLMP_LABEL_COUNTS(19)] = {[0] = 1000000000, [1] = 900000000, [18] = 1};
    struct problem *problem = problem_of_logits(2, 19, 33, 41, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("rarest", (uint64_t)_i);
    clmp_class_weights_params weights;
    fill_logits(problem, &rng);
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, 18);
    clmp_class_weights_params_init(&weights);
    weights.scheme = CLMP_CLASS_INVERSE;
    ck_status(clmp_class_weights(counts, 19, &weights, problem->class_weights), CLMP_OK);
    ck_assert(isfinite(problem->class_weights[18]) && problem->class_weights[18] > problem->class_weights[0]);
    problem->in.params.weighting = weightings[_i / 2];
    problem->in.params.topk_count = _i / 2 == 2 ? 100 : 0;
    problem->in.params.ohem_min_kept = 100;
    problem->in.params.class_weights = problem->class_weights;
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    finish(problem);
}
END_TEST

/* Every loss at one end of what a float is, or at both. */
START_TEST(losses_at_the_ends_of_the_floats) {
    static const float ends[][2] = {{FLT_MIN, FLT_MIN},        {FLT_MAX, FLT_MAX}, {FLT_MIN / 2, FLT_MIN / 2},
                                    {FLT_MIN / 2, FLT_MIN},    {FLT_MIN, FLT_MAX}, {1.4e-45f, FLT_MAX},
                                    {0.0f, FLT_MAX},           {0.0f, FLT_MIN},    {INFINITY, FLT_MAX},
                                    {1.0f, 1.0f + FLT_EPSILON}};
    static const double ps[] = {1.0, 1.0000001, 1.7, 2.0, 1e6, INFINITY};
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
        for (size_t s = 0; s < 2; s++) {
            struct problem *problem = problem_of_losses(1, 1, 1000);
            for (uint64_t i = 0; i < problem->pixels; i++)
                problem->losses[i] = ends[e][i % 7 == 3];
            problem->in.params.p = ps[_i];
            problem->in.params.support = s == 0 ? 0.25 : 0.0015;
            finish(problem);
        }
}
END_TEST

/* Logits so far apart that a loss is as large as a float can be, or overflows; and so near that it is none. */
START_TEST(logits_at_the_ends_of_the_floats) {
    static const float ends[] = {FLT_MAX, -FLT_MAX, FLT_MAX / 2, -FLT_MAX / 2, 1e38f,
                                 -1e-38f, 1e-45f,   0.0f,        88.8f,        -104.0f};
    enum { ENDS = sizeof ends / sizeof *ends };
    struct problem *problem = problem_of_logits(1, 3, ENDS, ENDS * ENDS, CLMP_LABEL_UINT8);
    for (uint64_t i = 0; i < problem->pixels; i++) {
        *logit_of(problem, i, 0) = ends[i % ENDS];
        *logit_of(problem, i, 1) = ends[i / ENDS % ENDS];
        *logit_of(problem, i, 2) = ends[i / ENDS / ENDS];
        set_label(problem, i, (int64_t)(i % 3));
    }
    problem->in.params.scope = _i % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    problem->in.params.p = _i / 2 ? INFINITY : 1.7;
    finish(problem);
}
END_TEST

static void keep_programs(void) {
    fault_keep_programs(test_device()->cl);
}

int main(void) {
    Suite *suite = suite_create("limits");
    TCase *tcase = add_case(suite, "answers", "full");
    tcase_add_unchecked_fixture(tcase, keep_programs, NULL); /* for all cases, which follow in this process */
    tcase_add_test(tcase, limits_are_imposed);
    tcase_add_test(tcase, what_a_device_has_no_room_for_is_refused);
    tcase_add_test(tcase, texts_of_any_length_do);
    tcase = add_case(suite, "devices", "full");
    tcase_add_loop_test(tcase, smaller_devices_give_the_same_bits, 0, DEVICES);
    tcase = add_case(suite, "memory", "full");
    tcase_add_loop_test(tcase, memory_may_end_at_each_allocation, 0, 2 * KINDS);
    tcase = add_case(suite, "problems", "full");
    tcase_add_loop_test(tcase, one_pixel_of_4096_classes, 0, 8);
    tcase_add_loop_test(tcase, all_labels_are_of_the_rarest_class, 0, 10);
    tcase_add_loop_test(tcase, losses_at_the_ends_of_the_floats, 0, 6);
    tcase_add_loop_test(tcase, logits_at_the_ends_of_the_floats, 0, 4);
    return test_main(suite);
}

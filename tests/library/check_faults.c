/*
 * Every call that the library makes fails in turn: each OpenCL function with each error that it may return, and each
 * allocation; the first call, the second and so on, until a run goes through untouched.  And pairs of these, by chance.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * After each fault: the status says what kind it was, and the log says more; a result that comes all the same is right;
 * the caller's buffers still hold what they did, and the same plan, or a new one, gives the right bits; and when all is
 * released, every context, buffer, program, kernel and event that was made is gone.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp() */
#include "fault_programs.h"
#include "faults.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Beyond the most calls of one function in any scenario: a loop that never ends would be a fault that never hits. */
enum { MOST_CALLS = 2000 };

/* A way through the library, from a context on. */
struct scenario {
    const char *name;
    bool losses; /* from losses, else from logits */
    bool upsampled;
    bool opened; /* clmp_context_open() instead of clmp_context_create() */
    enum { STEPS, LABEL_COUNTS, PREDICTIONS } entry;
    enum programs { READ, WRITTEN, COMPILED } programs; /* from a folder, to a folder, or without one */
    clmp_solver solver;
    clmp_scope scope;
    clmp_weighting weighting;
    bool class_weights;
};

static const struct scenario scenarios[] = {
    {.name = "gradient, search"},
    {.name = "gradient, sort, images", .solver = CLMP_SOLVER_SORT, .scope = CLMP_SCOPE_IMAGE},
    {.name = "weights, search", .losses = true, .scope = CLMP_SCOPE_IMAGE},
    {.name = "weights, sort", .losses = true, .solver = CLMP_SOLVER_SORT},
    {.name = "interpolated", .upsampled = true, .class_weights = true},
    {.name = "balanced", .weighting = CLMP_WEIGHTING_BALANCED},
    {.name = "ohem with class weights", .weighting = CLMP_WEIGHTING_OHEM, .class_weights = true},
    {.name = "label counts", .entry = LABEL_COUNTS},
    {.name = "predictions", .entry = PREDICTIONS},
    {.name = "predictions, interpolated", .entry = PREDICTIONS, .upsampled = true},
    {.name = "opened by name", .losses = true, .opened = true},
    {.name = "programs written to disk", .losses = true, .programs = WRITTEN},
    {.name = "programs compiled", .losses = true, .programs = COMPILED},
};
enum { CLASSES = 3 };
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static struct problem *problem_of_scenario(const struct scenario *scenario) {
    struct problem *problem = scenario->losses      ? problem_of_losses(2, 3, 5)
                              : scenario->upsampled ? problem_upsampled(2, 3, 2, 3, 4, 6, CLMP_LABEL_UINT8)
                                                    : problem_of_logits(2, 3, 3, 5, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("faults", 0);
    if (scenario->losses)
        fill_losses(problem, LOSSES_LOG_NORMAL, &rng);
    else if (scenario->upsampled)
        fill_logits_upsampled(problem, &rng);
    else
        fill_logits(problem, &rng);
    problem->in.params.scope = scenario->scope;
    problem->in.params.weighting = scenario->weighting;
    problem->in.params.ohem_min_kept = 4;
    if (scenario->class_weights) {
        problem->class_weights[1] = 0.5f;
        problem->in.params.class_weights = problem->class_weights;
    }
    return problem;
}

/* --------------------------------------------------------------------------------------------------------------- log
 */

static char said[1024];

static void hear(void *user, const char *message) {
    (void)user;
    snprintf(said, sizeof said, "%s", message);
}

/* ---------------------------------------------------------------------------------------------------------------- run
 */

struct trial {
    const struct scenario *scenario;
    struct problem *problem;
    struct outputs *want;
    uint64_t counts[CLMP_CONFUSION(CLASSES)]; /* wanted of the entries that count */
    enum fault_function function;             /* that is failed */
    cl_int error;
    long k;
    bool two; /* a second fault */
    enum fault_function other_function;
    cl_int other_error;
    long other_k;
};

static void complain(const struct trial *trial, const char *what, clmp_status status) {
    char other[96] = "";
    if (trial->two)
        snprintf(other, sizeof other, " and %s call %ld %d", fault_name(trial->other_function), trial->other_k,
                 (int)trial->other_error);
    ck_abort_msg("%s: %s call %ld returns %d%s: %s (status %s, log: %s)", trial->scenario->name,
                 fault_name(trial->function), trial->k, (int)trial->error, other, what, clmp_status_name(status), said);
}

static void arm(const struct trial *trial) {
    said[0] = '\0';
    fault_arm(trial->function, trial->error, trial->k);
    if (trial->two)
        fault_arm_also(trial->other_function, trial->other_error, trial->other_k);
}

static bool has(const struct trial *trial, enum fault_function function) {
    return trial->function == function || (trial->two && trial->other_function == function);
}

/* Whether a status is one for such a fault. */
static bool fits(enum fault_function function, cl_int error, clmp_status status) {
    const bool memory = error == CL_OUT_OF_HOST_MEMORY || error == CL_OUT_OF_RESOURCES ||
                        error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_INVALID_BUFFER_SIZE;
    if (function == FAULT_event || fault_is_release(function)) /* no call that tells anything */
        return false;
    if (function == FAULT_clGetDeviceInfo || function == FAULT_clGetDeviceIDs || function == FAULT_clGetPlatformIDs ||
        function == FAULT_clGetPlatformInfo) /* a device that does not answer is none */
        return status == CLMP_DEVICE_UNSUPPORTED || status == CLMP_NO_DEVICE || status == CLMP_DEVICE_NOT_FOUND ||
               status == CLMP_OUT_OF_MEMORY || status == CLMP_OPENCL_ERROR;
    if (function == FAULT_clBuildProgram)
        return status == CLMP_BUILD_FAILED || status == CLMP_OUT_OF_MEMORY;
    return status == (memory ? CLMP_OUT_OF_MEMORY : CLMP_OPENCL_ERROR);
}

static void check_status(const struct trial *trial, clmp_status status) {
    if (said[0] == '\0')
        complain(trial, "nothing was said", status);
    if (!fits(trial->function, trial->error, status) &&
        !(trial->two && fits(trial->other_function, trial->other_error, status)))
        complain(trial, "a wrong status", status);
}

static clmp_status open_context(const struct trial *trial, const char *cache, clmp_context **context) {
    const struct test_device *device = test_device();
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = hear;
    params.cache_dir = cache;
    if (trial->scenario->opened)
        return clmp_context_open(getenv("CLMP_TEST_DEVICE"), &params, context);
    return clmp_context_create(device->cl, device->id, &params, context);
}

/* The numbers that were counted. */
static void read_counts(const struct device_buffers *buffers, uint64_t counts[CLMP_CONFUSION(CLASSES)]) {
    ck_cl(clEnqueueReadBuffer(test_device()->queue, buffers->use.confusion.mem, CL_TRUE, 0,
                              CLMP_CONFUSION(CLASSES) * sizeof *counts, counts, 0, NULL, NULL));
}

/* Whether outputs are as they have to be; the inputs are looked at, too. */
static void check_bits(const struct trial *trial, const struct device_buffers *buffers, const struct run *run) {
    if (trial->scenario->entry != STEPS) {
        uint64_t counts[CLMP_CONFUSION(CLASSES)];
        read_counts(buffers, counts);
        ck_assert(memcmp(counts, trial->counts, sizeof counts) == 0);
        return;
    }
    struct outputs *got = buffers_read(buffers, trial->problem, run);
    assert_same_bits(trial->problem, got, trial->want);
    outputs_free(got);
}

/* Events of a step's wait list: more than there is room for beside one of the plan's own. */
enum { WAITS = 17 };

/* One step with a wait list and an event; all of it has to be done when this returns.  `late`: its event failed. */
static clmp_status step_late(const struct trial *trial, clmp_plan *plan, const struct run *run,
                             const struct device_buffers *buffers, bool *late) {
    const cl_command_queue queue = test_device()->queue;
    cl_int error = CL_SUCCESS;
    cl_event before = clCreateUserEvent(test_device()->cl, &error), after = (cl_event)(uintptr_t)16;
    ck_cl(error);
    ck_cl(clSetUserEventStatus(before, CL_COMPLETE));
    cl_event wait[WAITS];
    for (int i = 0; i < WAITS; i++)
        wait[i] = before;
    clmp_status status = CLMP_OK;
    if (trial->scenario->entry == STEPS) {
        status = enqueue_problem(plan, queue, trial->problem, run, &buffers->use, WAITS, wait, &after);
    } else { /* which add to what is there */
        const cl_ulong zero = 0;
        ck_cl(clEnqueueFillBuffer(queue, buffers->use.confusion.mem, &zero, sizeof zero, 0,
                                  CLMP_CONFUSION(CLASSES) * sizeof zero, 0, NULL, NULL));
        status = (trial->scenario->entry == PREDICTIONS ? clmp_enqueue_confusion : clmp_enqueue_label_counts)(
            plan, queue, &buffers->use, WAITS, wait, &after);
    }
    if ((status == CLMP_OK) != (after != NULL))
        complain(trial, "an event without a step, or a step without an event", status);
    ck_cl(clFinish(queue));
    cl_int state = CL_COMPLETE;
    if (after != NULL) {
        ck_cl(clGetEventInfo(after, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
        ck_cl(clReleaseEvent(after));
    }
    *late = state < 0;
    if (*late && !has(trial, FAULT_event))
        complain(trial, "an event that failed", status);
    ck_cl(clGetEventInfo(before, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    ck_assert(state == CL_COMPLETE); /* the caller's event is as it was */
    ck_cl(clReleaseEvent(before));
    return status;
}

static clmp_status step(const struct trial *trial, clmp_plan *plan, const struct run *run,
                        const struct device_buffers *buffers) {
    bool late = false;
    const clmp_status status = step_late(trial, plan, run, buffers, &late);
    if (late)
        complain(trial, "an event that failed", status);
    return status;
}

static void assert_balance(const struct trial *trial, const long before[FAULT_OBJECTS]) {
    for (int i = 0; i < FAULT_OBJECTS; i++) {
        char text[64];
        const long left = fault_balance((enum fault_object)i) - before[i];
        snprintf(text, sizeof text, "%ld %s are left", left, fault_object_name((enum fault_object)i));
        if (left != 0)
            complain(trial, text, CLMP_OK);
    }
}

static void note_balance(long before[FAULT_OBJECTS]) {
    for (int i = 0; i < FAULT_OBJECTS; i++)
        before[i] = fault_balance((enum fault_object)i);
}

static clmp_plan_params params_of(const struct trial *trial) {
    clmp_plan_params params = trial->problem->in.params;
    params.solver = trial->scenario->solver;
    if (trial->scenario->entry == LABEL_COUNTS)
        params.input = CLMP_INPUT_LABELS;
    return params;
}

/* The problem's buffers, and one for what is counted. */
static void make_buffers(const struct trial *trial, const clmp_plan *plan, const struct run *run,
                         struct device_buffers *buffers) {
    cl_int error = CL_SUCCESS;
    buffers_make(buffers, trial->problem, plan, run);
    cl_mem counts =
        clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, CLMP_CONFUSION(CLASSES) * sizeof(cl_ulong), NULL, &error);
    ck_cl(error);
    buffers->use.confusion.mem = buffers->use.label_counts.mem = counts;
}

static void release_buffers(struct device_buffers *buffers) {
    ck_cl(clReleaseMemObject(buffers->use.confusion.mem));
    buffers_release(buffers);
}

/* A step that must succeed, with its bits. */
static void check_plan(const struct trial *trial, clmp_plan *plan) {
    const struct run run = {.solver = trial->scenario->solver};
    struct device_buffers buffers;
    make_buffers(trial, plan, &run, &buffers);
    ck_status(step(trial, plan, &run, &buffers), CLMP_OK);
    check_bits(trial, &buffers, &run);
    release_buffers(&buffers);
}

/* A fault while context and plan are made.  False: it did not hit, as there are fewer calls. */
static bool try_making(const struct trial *trial, const char *cache) {
    long before[FAULT_OBJECTS];
    clmp_context *context = NULL;
    clmp_plan *plan = NULL;
    const clmp_plan_params params = params_of(trial);
    const bool release = fault_is_release(trial->function) && !trial->two;
    note_balance(before);
    arm(trial);
    clmp_status status = open_context(trial, cache, &context);
    if (status == CLMP_OK)
        status = clmp_plan_create(context, &params, &plan);
    bool hit = release || fault_disarm(); /* releases go on below */
    if (status != CLMP_OK && !hit)
        complain(trial, "a failure without a fault", status);
    if (status != CLMP_OK) {
        check_status(trial, status);
        ck_assert(plan == NULL);
    }
    if (context != NULL && plan == NULL) /* it is as good as before */
        ck_status(clmp_plan_create(context, &params, &plan), CLMP_OK);
    if (plan != NULL && !trial->scenario->opened) /* one that was opened has an OpenCL context of its own */
        check_plan(trial, plan);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    if (release)
        hit = fault_disarm();
    assert_balance(trial, before);
    return hit;
}

/* A fault while a step is enqueued, with the plan's own workspace: what it allocates is at the first use. */
static bool try_enqueueing(const struct trial *trial, clmp_context *context) {
    const struct run run = {.solver = trial->scenario->solver, .internal_workspace = true};
    const clmp_plan_params params = params_of(trial);
    long before[FAULT_OBJECTS];
    clmp_plan *plan = NULL;
    struct device_buffers buffers;
    note_balance(before);
    ck_status(clmp_plan_create(context, &params, &plan), CLMP_OK);
    make_buffers(trial, plan, &run, &buffers);
    arm(trial);
    bool late = false;
    const clmp_status status = step_late(trial, plan, &run, &buffers, &late);
    bool hit = fault_disarm();
    if ((status != CLMP_OK || late) && !hit)
        complain(trial, "a failure without a fault", status);
    if (hit && !trial->two && late != (trial->function == FAULT_event))
        complain(trial, "an event that does not tell", status);
    if (status != CLMP_OK)
        check_status(trial, status);
    else if (!late)
        check_bits(trial, &buffers, &run);
    arm(trial); /* the second step also waits for the first */
    const clmp_status again = step_late(trial, plan, &run, &buffers, &late);
    hit = fault_disarm() || hit;
    if (again != CLMP_OK)
        check_status(trial, again);
    ck_status(step(trial, plan, &run, &buffers), CLMP_OK);
    check_bits(trial, &buffers, &run);
    release_buffers(&buffers);
    clmp_plan_destroy(plan);
    assert_balance(trial, before);
    return hit;
}

/* --------------------------------------------------------------------------------------------------------------- tests
 */

static char folder[32]; /* of compiled programs, which all trials share */

static void begin(void) {
    fault_keep_programs(test_device()->cl);
    strcpy(folder, "/tmp/clmp-faults-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert(system(command) == 0);
}

/* What the entries that count give without a fault; check_counts.c holds that to a reference. */
static void find_counts(struct trial *trial) {
    const struct run run = {.internal_workspace = true};
    const clmp_plan_params params = params_of(trial);
    clmp_context *context = NULL;
    clmp_plan *plan = NULL;
    struct device_buffers buffers;
    ck_status(open_context(trial, folder, &context), CLMP_OK);
    ck_status(clmp_plan_create(context, &params, &plan), CLMP_OK);
    make_buffers(trial, plan, &run, &buffers);
    ck_status(step(trial, plan, &run, &buffers), CLMP_OK);
    read_counts(&buffers, trial->counts);
    release_buffers(&buffers);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
}

static struct trial trial_of(const struct scenario *scenario) {
    struct trial trial = {.scenario = scenario, .problem = problem_of_scenario(scenario)};
    trial.want = run_reference(trial.problem);
    if (scenario->entry != STEPS)
        find_counts(&trial);
    return trial;
}

static void trial_free(struct trial *trial) {
    outputs_free(trial->want);
    problem_free(trial->problem);
}

START_TEST(making_a_plan_survives_every_fault) {
    struct trial trial = trial_of(&scenarios[_i]);
    long faults = 0;
    for (int f = 0; f < FAULT_LIBRARY_FUNCTIONS; f++)
        for (int e = 0; fault_error((enum fault_function)f, e) != CL_SUCCESS; e++) {
            bool hit = true;
            trial.function = (enum fault_function)f;
            trial.error = fault_error(trial.function, e);
            for (trial.k = 1; hit && trial.k < MOST_CALLS; trial.k++) {
                char own[] = "/tmp/clmp-faults-XXXXXX";
                if (trial.scenario->programs == WRITTEN)
                    ck_assert_ptr_nonnull(mkdtemp(own));
                hit = try_making(&trial, trial.scenario->programs == WRITTEN ? own
                                         : trial.scenario->programs == READ  ? folder
                                                                             : "");
                if (trial.scenario->programs == WRITTEN) {
                    char command[64];
                    snprintf(command, sizeof command, "rm -rf %s", own);
                    ck_assert(system(command) == 0);
                }
                faults += hit;
            }
            ck_assert(!hit);
        }
    printf("%s: %ld faults while a plan is made\n", trial.scenario->name, faults);
    ck_assert(faults > 0);
    trial_free(&trial);
}
END_TEST

START_TEST(enqueueing_a_step_survives_every_fault) {
    struct trial trial = trial_of(&scenarios[_i]);
    clmp_context *context = NULL;
    long faults = 0;
    if (trial.scenario->opened || trial.scenario->programs != READ) {
        trial_free(&trial);
        return;
    }
    ck_status(open_context(&trial, folder, &context), CLMP_OK);
    clmp_plan *first = NULL;
    const clmp_plan_params params = params_of(&trial);
    ck_status(clmp_plan_create(context, &params, &first), CLMP_OK);
    check_plan(&trial, first); /* from now on the context has all programs, which it keeps */
    clmp_plan_destroy(first);
    for (int f = 0; f < FAULT_LIBRARY_FUNCTIONS; f++)
        for (int e = 0; fault_error((enum fault_function)f, e) != CL_SUCCESS; e++) {
            bool hit = true;
            trial.function = (enum fault_function)f;
            trial.error = fault_error(trial.function, e);
            for (trial.k = 1; hit && trial.k < MOST_CALLS; trial.k++) {
                hit = try_enqueueing(&trial, context);
                faults += hit;
            }
            ck_assert(!hit);
        }
    printf("%s: %ld faults while a step is enqueued\n", trial.scenario->name, faults);
    ck_assert(faults > 0);
    clmp_context_destroy(context);
    trial_free(&trial);
}
END_TEST

/* Which calls a scenario makes; the trial's fault is one that does not come. */
static void count_calls(struct trial *trial, const char *cache, clmp_context *context,
                        long calls[FAULT_LIBRARY_FUNCTIONS]) {
    trial->two = false;
    trial->function = FAULT_event;
    trial->error = CL_OUT_OF_RESOURCES;
    trial->k = MOST_CALLS;
    ck_assert(!(context == NULL ? try_making(trial, cache) : try_enqueueing(trial, context)));
    for (int f = 0; f < FAULT_LIBRARY_FUNCTIONS; f++)
        calls[f] = fault_calls((enum fault_function)f);
}

/* A fault, by chance, among these calls. */
static void draw(struct rng *rng, const long calls[FAULT_LIBRARY_FUNCTIONS], enum fault_function *function,
                 cl_int *error, long *k) {
    int errors = 0;
    do
        *function = (enum fault_function)rng_below(rng, FAULT_LIBRARY_FUNCTIONS);
    while (calls[*function] == 0);
    *k = 1 + (long)rng_below(rng, (uint64_t)calls[*function]);
    while (fault_error(*function, errors) != CL_SUCCESS)
        errors++;
    *error = fault_error(*function, (int)rng_below(rng, (uint64_t)errors));
}

/* CLMP_TEST_PAIRS: how many of each scenario. */
START_TEST(two_faults_are_survived) {
    struct trial trial = trial_of(&scenarios[_i / 2]);
    const char *asked = getenv("CLMP_TEST_PAIRS");
    const int pairs = asked != NULL ? atoi(asked) : 20;
    const bool making = _i % 2 == 0;
    struct rng rng = rng_for("pairs", (uint64_t)_i);
    clmp_context *context = NULL;
    long calls[FAULT_LIBRARY_FUNCTIONS], faults = 0;
    const char *cache = trial.scenario->programs == READ ? folder : "";
    if (!making && (trial.scenario->opened || trial.scenario->programs != READ)) {
        trial_free(&trial);
        return;
    }
    if (making) {
        count_calls(&trial, cache, NULL, calls); /* what is compiled is on disk from now on */
    } else {                                     /* or in the context */
        clmp_plan *plan = NULL;
        const clmp_plan_params params = params_of(&trial);
        ck_status(open_context(&trial, folder, &context), CLMP_OK);
        ck_status(clmp_plan_create(context, &params, &plan), CLMP_OK);
        check_plan(&trial, plan);
        clmp_plan_destroy(plan);
    }
    count_calls(&trial, cache, context, calls);
    trial.two = true;
    for (int i = 0; i < pairs; i++) {
        draw(&rng, calls, &trial.function, &trial.error, &trial.k);
        draw(&rng, calls, &trial.other_function, &trial.other_error, &trial.other_k);
        faults += making ? try_making(&trial, cache) : try_enqueueing(&trial, context);
    }
    printf("%s: %ld of %d pairs while a %s\n", trial.scenario->name, faults, pairs,
           making ? "plan is made" : "step is enqueued");
    clmp_context_destroy(context);
    trial_free(&trial);
}
END_TEST

/* A step whose wait for the one before is refused must not be what the next one waits for instead. */
START_TEST(a_refused_wait_does_not_let_steps_overlap) {
    struct trial trial = trial_of(&scenarios[_i / 2]);
    const struct run run = {.solver = trial.scenario->solver, .internal_workspace = true};
    const clmp_plan_params params = params_of(&trial);
    if (trial.scenario->opened || trial.scenario->programs != READ || trial.scenario->entry != STEPS) {
        trial_free(&trial);
        return;
    }
    clmp_context *context = NULL;
    clmp_plan *plan = NULL;
    struct device_buffers buffers;
    cl_command_queue queues[2] = {test_queue(0), test_queue(0)};
    cl_int error = CL_SUCCESS, state = CL_COMPLETE;
    cl_event gate = clCreateUserEvent(test_device()->cl, &error), past, wait[WAITS], done = NULL;
    ck_cl(error);
    past = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    ck_cl(clSetUserEventStatus(past, CL_COMPLETE));
    for (int i = 0; i < WAITS; i++)
        wait[i] = past;
    ck_status(open_context(&trial, folder, &context), CLMP_OK);
    ck_status(clmp_plan_create(context, &params, &plan), CLMP_OK);
    make_buffers(&trial, plan, &run, &buffers);
    ck_status(enqueue_problem(plan, queues[0], trial.problem, &run, &buffers.use, 1, &gate, NULL), CLMP_OK);
    fault_arm(FAULT_clEnqueueMarkerWithWaitList, CL_INVALID_COMMAND_QUEUE, 1 + _i % 2);
    ck_status(enqueue_problem(plan, queues[1], trial.problem, &run, &buffers.use, WAITS, wait, NULL),
              CLMP_OPENCL_ERROR);
    ck_assert(fault_disarm());
    ck_status(enqueue_problem(plan, queues[1], trial.problem, &run, &buffers.use, 0, NULL, &done), CLMP_OK);
    ck_cl(clFlush(queues[0]));
    ck_cl(clFlush(queues[1]));
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    ck_cl(clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    ck_assert_msg(state > CL_COMPLETE, "a step ran beside the one whose workspace it shares");
    ck_cl(clSetUserEventStatus(gate, CL_COMPLETE));
    ck_cl(clWaitForEvents(1, &done));
    ck_cl(clFinish(queues[0]));
    check_bits(&trial, &buffers, &run);
    ck_cl(clReleaseEvent(done));
    ck_cl(clReleaseEvent(past));
    ck_cl(clReleaseEvent(gate));
    for (int i = 0; i < 2; i++)
        ck_cl(clReleaseCommandQueue(queues[i]));
    release_buffers(&buffers);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    trial_free(&trial);
}
END_TEST

/* The second step with the plan's own workspace waits for the first, too. */
START_TEST(a_second_step_takes_no_memory) {
    struct trial trial = trial_of(&scenarios[_i / 2]);
    const struct run run = {.solver = trial.scenario->solver, .internal_workspace = _i % 2 == 1};
    const clmp_plan_params params = params_of(&trial);
    clmp_context *context = NULL;
    clmp_plan *plan = NULL;
    struct device_buffers buffers;
    if (trial.scenario->opened || trial.scenario->programs != READ) {
        trial_free(&trial);
        return;
    }
    ck_status(open_context(&trial, folder, &context), CLMP_OK);
    ck_status(clmp_plan_create(context, &params, &plan), CLMP_OK);
    make_buffers(&trial, plan, &run, &buffers);
    ck_status(step(&trial, plan, &run, &buffers), CLMP_OK);
    static const enum fault_function functions[] = {FAULT_malloc, FAULT_clCreateBuffer};
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        fault_arm(functions[f], CL_OUT_OF_HOST_MEMORY, 1);
        ck_status(step(&trial, plan, &run, &buffers), CLMP_OK);
        ck_assert(!fault_disarm());
    }
    check_bits(&trial, &buffers, &run);
    release_buffers(&buffers);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    trial_free(&trial);
}
END_TEST

START_TEST(class_weights_without_memory_are_told) {
    static const uint64_t counts[CLMP_LABEL_COUNTS(2)] = {3, 1, 4, 4, 0, 0, 1};
    clmp_class_weights_params params;
    float weights[2] = {7.0f, 7.0f};
    clmp_class_weights_params_init(&params);
    params.scheme = CLMP_CLASS_MEDIAN;
    fault_arm(FAULT_malloc, CL_OUT_OF_HOST_MEMORY, 1);
    ck_status(clmp_class_weights(counts, 2, &params, weights), CLMP_OUT_OF_MEMORY);
    ck_assert(fault_disarm());
    ck_assert(weights[0] == 7.0f && weights[1] == 7.0f);
    ck_status(clmp_class_weights(counts, 2, &params, weights), CLMP_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("faults");
    TCase *tcase = add_case(suite, "faults", "full");
    tcase_add_unchecked_fixture(tcase, begin, remove_folder);
    tcase_add_loop_test(tcase, making_a_plan_survives_every_fault, 0, SCENARIOS);
    tcase_add_loop_test(tcase, enqueueing_a_step_survives_every_fault, 0, SCENARIOS);
    tcase_add_test(tcase, class_weights_without_memory_are_told);
    tcase = add_case(suite, "waits", "full");
    tcase_add_unchecked_fixture(tcase, begin, remove_folder);
    tcase_add_loop_test(tcase, a_refused_wait_does_not_let_steps_overlap, 0, 2 * SCENARIOS);
    tcase_add_loop_test(tcase, a_second_step_takes_no_memory, 0, 2 * SCENARIOS);
    tcase = add_case(suite, "pairs", "full");
    tcase_add_unchecked_fixture(tcase, begin, remove_folder);
    tcase_add_loop_test(tcase, two_faults_are_survived, 0, 2 * SCENARIOS);
    return test_main(suite);
}

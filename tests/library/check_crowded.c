/*
 * Long and crowded: many steps with changing plans, many threads, queues of both kinds, events of others that come
 * late, and processes that end or fork with everything open.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_TEST_STEPS    steps of the long run; default 2000
 *   CLMP_TEST_THREADS  threads at once; default 8
 */
#define _DEFAULT_SOURCE /* usleep() */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "faults.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG_SECONDS = 900, MOST_THREADS = 64 };

static long number_of(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text != NULL && atol(text) > 0 ? atol(text) : otherwise;
}

/* ----------------------------------------------------------------------------------------------------------- problems
 */

/* What a plan may be made for; the programs of a few are compiled at once, and found again from then on. */
enum { VARIETIES = 12 };

static struct problem *variety(int index) {
    struct rng rng = rng_for("crowded", (uint64_t)index);
    struct problem *problem = NULL;
    const int kind = index % 6;
    if (kind == 0) {
        problem = problem_of_losses(2, 5, (uint64_t)(7 + index));
        fill_losses(problem, LOSSES_UNCLEAN, &rng);
    } else if (kind == 1) {
        problem = problem_upsampled(1, 3, 2, 3, (uint64_t)(5 + index), 9, CLMP_LABEL_UINT8);
        fill_logits_upsampled(problem, &rng);
    } else {
        problem = problem_of_logits(2, 3, 5, (uint64_t)(7 + index), CLMP_LABEL_UINT8);
        fill_logits(problem, &rng);
        spoil(problem, &rng);
    }
    problem->in.params.scope = index / 6 == 1 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    if (kind == 3)
        problem->in.params.weighting = CLMP_WEIGHTING_BALANCED;
    if (kind == 4) {
        problem->in.params.weighting = CLMP_WEIGHTING_OHEM;
        problem->in.params.ohem_min_kept = 9;
    }
    if (kind == 5) {
        problem->class_weights[1] = 0.25f;
        problem->in.params.class_weights = problem->class_weights;
    }
    return problem;
}

/* One worker's problems with all that steps need; arrays of the host that outputs are read to. */
struct stock {
    struct problem *problem[VARIETIES];
    struct outputs *want[VARIETIES];
};

static void stock_make(struct stock *stock) {
    for (int i = 0; i < VARIETIES; i++) {
        stock->problem[i] = variety(i);
        stock->want[i] = run_reference(stock->problem[i]);
    }
}

static void stock_free(struct stock *stock) {
    for (int i = 0; i < VARIETIES; i++) {
        outputs_free(stock->want[i]);
        problem_free(stock->problem[i]);
    }
}

/* ------------------------------------------------------------------------------------------------------------- worker
 */

/* No Check in here: its assertions are for one thread. */
struct worker {
    const struct stock *stock;
    clmp_context *context; /* of the worker, or of all */
    cl_command_queue queue;
    cl_command_queue other; /* whose events the steps wait for */
    uint64_t seed;
    long steps;
    long done;
    const char *wrong; /* what */
    clmp_status status;
};

struct memory {
    cl_mem logits, labels, losses, weights, gradient, result, gate;
};

static cl_mem filled(cl_context cl, size_t bytes, const void *from, bool *good) {
    cl_int error = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(cl, CL_MEM_READ_WRITE | (from != NULL ? CL_MEM_COPY_HOST_PTR : 0), bytes,
                                (void *)(uintptr_t)from, &error);
    *good = *good && error == CL_SUCCESS;
    return mem;
}

static bool memory_make(struct memory *memory, cl_context cl, const struct problem *problem) {
    const bool losses = problem->in.params.input == CLMP_INPUT_LOSSES;
    const size_t pixels = problem->pixels * sizeof(float), elements = problem->elements * sizeof(float);
    bool good = true;
    *memory = (struct memory){.logits = NULL};
    if (!losses) {
        memory->logits = filled(cl, elements, problem->logits, &good);
        memory->gradient = filled(cl, elements, NULL, &good);
        memory->labels = filled(cl, problem->pixels, problem->labels, &good);
    }
    memory->losses = filled(cl, pixels, losses ? problem->losses : NULL, &good);
    memory->weights = filled(cl, pixels, NULL, &good);
    memory->result = filled(cl, 3 * sizeof(clmp_result), NULL, &good);
    memory->gate = filled(cl, 4, NULL, &good);
    return good;
}

static void memory_release(struct memory *memory) {
    cl_mem const all[] = {memory->logits,   memory->labels, memory->losses, memory->weights,
                          memory->gradient, memory->result, memory->gate};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL)
            clReleaseMemObject(all[i]);
}

static bool same(cl_command_queue queue, cl_mem mem, const void *want, size_t bytes, cl_event done) {
    void *got = malloc(bytes);
    const bool read =
        got != NULL && clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, bytes, got, 1, &done, NULL) == CL_SUCCESS;
    const bool equal = read && memcmp(got, want, bytes) == 0;
    free(got);
    return equal;
}

static bool check(const struct worker *w, const struct memory *memory, const struct problem *problem,
                  const struct outputs *want, cl_event done) {
    return same(w->queue, memory->weights, want->weights, problem->pixels * sizeof(float), done) &&
           same(w->queue, memory->result, want->result, want->records * sizeof(clmp_result), done) &&
           (want->gradient == NULL ||
            (same(w->queue, memory->losses, want->losses, problem->pixels * sizeof(float), done) &&
             same(w->queue, memory->gradient, want->gradient, problem->elements * sizeof(float), done)));
}

/* A plan and some steps of it, each waiting for an event of another queue; the plan may go before its last step is
 * done. */
static bool work_once(struct worker *w, struct rng *rng) {
    const int index = (int)rng_below(rng, VARIETIES);
    const struct problem *problem = w->stock->problem[index];
    const bool losses = problem->in.params.input == CLMP_INPUT_LOSSES, early = rng_below(rng, 2) == 0;
    const long steps = 1 + (long)rng_below(rng, 12);
    clmp_plan_params params = problem->in.params;
    clmp_plan *plan = NULL;
    clmp_buffers buffers;
    struct memory memory;
    cl_event last = NULL;
    const cl_uint zero = 0;
    params.solver = rng_below(rng, 2) ? CLMP_SOLVER_SEARCH : CLMP_SOLVER_SORT;
    w->status = clmp_plan_create(w->context, &params, &plan);
    bool good = memory_make(&memory, clmp_context_cl(w->context), problem) && w->status == CLMP_OK;
    clmp_buffers_init(&buffers);
    if (!losses) {
        buffers.logits.mem = memory.logits;
        buffers.labels.mem = memory.labels;
        buffers.gradient.mem = memory.gradient;
    }
    buffers.losses.mem = memory.losses;
    buffers.weights.mem = memory.weights;
    buffers.result.mem = memory.result;
    buffers.gradient_scale = problem->in.gradient_scale;
    buffers.step = problem->in.step;
    for (long i = 0; i < steps && good; i++) {
        cl_event waits[2] = {NULL, last};
        cl_event now = NULL;
        good = clEnqueueFillBuffer(w->other, memory.gate, &zero, 4, 0, 4, 0, NULL, &waits[0]) == CL_SUCCESS &&
               clFlush(w->other) == CL_SUCCESS;
        if (good) {
            w->status = (losses ? clmp_enqueue_weights : clmp_enqueue_gradient)(plan, w->queue, &buffers,
                                                                                last != NULL ? 2 : 1, waits, &now);
            good = w->status == CLMP_OK;
        }
        if (waits[0] != NULL)
            clReleaseEvent(waits[0]);
        if (last != NULL)
            clReleaseEvent(last);
        last = now;
        w->done++;
    }
    if (early) {
        clmp_plan_destroy(plan);
        plan = NULL;
    }
    if (good) {
        good = clFlush(w->queue) == CL_SUCCESS;
        if (!check(w, &memory, problem, w->stock->want[index], last)) {
            w->wrong = "the bits";
            good = false;
        }
    } else
        w->wrong = "a call";
    if (last != NULL)
        clReleaseEvent(last);
    clmp_plan_destroy(plan);
    memory_release(&memory);
    return good;
}

static void *work(void *user) {
    struct worker *w = user;
    struct rng rng = rng_for("worker", w->seed);
    while (w->done < w->steps && work_once(w, &rng)) {
    }
    return NULL;
}

static cl_command_queue queue_of(clmp_context *context, bool out_of_order) {
    cl_int error = CL_SUCCESS;
    cl_command_queue queue = clCreateCommandQueue(clmp_context_cl(context), clmp_context_device(context),
                                                  out_of_order ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0, &error);
    if (error == CL_INVALID_QUEUE_PROPERTIES && out_of_order)
        return queue_of(context, false);
    ck_cl(error);
    return queue;
}

static clmp_context *own_context(bool shares_opencl) {
    const struct test_device *device = test_device();
    cl_int error = CL_SUCCESS;
    clmp_context *context = NULL;
    cl_device_id id = device->id;
    cl_context cl = shares_opencl ? device->cl : clCreateContext(NULL, 1, &id, NULL, NULL, &error);
    ck_cl(error);
    ck_status(clmp_context_create(cl, id, NULL, &context), CLMP_OK);
    if (!shares_opencl)
        ck_cl(clReleaseContext(cl));
    return context;
}

static void note_balance(long before[FAULT_OBJECTS]) {
    for (int i = 0; i < FAULT_OBJECTS; i++)
        before[i] = fault_balance((enum fault_object)i);
}

static void assert_balance(const long before[FAULT_OBJECTS], const char *when) {
    for (int i = 0; i < FAULT_OBJECTS; i++)
        ck_assert_msg(fault_balance((enum fault_object)i) == before[i], "%s: %ld %s more", when,
                      fault_balance((enum fault_object)i) - before[i], fault_object_name((enum fault_object)i));
}

/* ---------------------------------------------------------------------------------------------------------- long run
 */

/* Bytes of the process in memory. */
static long resident(void) {
    long whole = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &whole, &pages) != 2)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* By the end of the first quarter every kind of plan has been made; from there on nothing may grow. */
START_TEST(nothing_grows_in_a_long_run) {
    const long steps = number_of("CLMP_TEST_STEPS", 2000), quarter = steps / 4;
    struct stock stock;
    stock_make(&stock);
    clmp_context *context = own_context(true);
    struct worker w = {.stock = &stock, .context = context};
    struct rng rng = rng_for("long run", 0);
    long objects[FAULT_OBJECTS], before[FAULT_OBJECTS], most = 0, plans = 0, begun = 0;
    w.queue = queue_of(context, false);
    w.other = queue_of(context, false);
    note_balance(before);
    for (int part = 0; part < 4; part++) {
        while (w.done < quarter * (part + 1)) {
            ck_assert_msg(work_once(&w, &rng), "step %ld: %s, %s", w.done, w.wrong, clmp_status_name(w.status));
            plans++;
        }
        if (part == 0) {
            note_balance(objects);
            begun = resident();
        }
        assert_balance(objects, "a quarter later");
        most = resident() > most ? resident() : most;
        if (steps >= 20000)
            printf("%ld steps, %ld plans, %ld KiB\n", w.done, plans, resident() / 1024);
        fflush(stdout);
    }
    /* what the allocator keeps may vary, but not with the number of steps */
    const long room = 2 << 20;
    ck_assert_msg(most - begun <= room, "%ld KiB after a quarter, then %ld", begun / 1024, most / 1024);
    clmp_context_destroy(context);
    ck_cl(clReleaseCommandQueue(w.queue));
    ck_cl(clReleaseCommandQueue(w.other));
    stock_free(&stock);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ threads
 */

enum sharing { ONE_CONTEXT, CONTEXTS_OF_ONE, CONTEXTS_OF_THEIR_OWN, SHARINGS };

START_TEST(threads_do_not_meet) {
    const enum sharing sharing = (enum sharing)(_i % SHARINGS);
    const bool out_of_order = _i / SHARINGS == 1;
    const long count = number_of("CLMP_TEST_THREADS", 8), steps = number_of("CLMP_TEST_STEPS", 2000) / 20;
    struct worker workers[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    struct stock stock;
    long before[FAULT_OBJECTS];
    ck_assert(count <= MOST_THREADS);
    stock_make(&stock);
    note_balance(before);
    clmp_context *shared = own_context(true);
    alarm(HANG_SECONDS);
    for (long i = 0; i < count; i++) {
        clmp_context *context = sharing == ONE_CONTEXT ? shared : own_context(sharing == CONTEXTS_OF_ONE);
        workers[i] = (struct worker){.stock = &stock, .context = context, .seed = (uint64_t)i, .steps = steps};
        workers[i].queue = queue_of(context, out_of_order);
        workers[i].other = queue_of(context, i % 2 == 0);
    }
    for (long i = 0; i < count; i++)
        ck_assert(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    for (long i = 0; i < count; i++)
        ck_assert(pthread_join(threads[i], NULL) == 0);
    alarm(0);
    for (long i = 0; i < count; i++) {
        ck_assert_msg(workers[i].wrong == NULL, "thread %ld, step %ld: %s, %s", i, workers[i].done, workers[i].wrong,
                      clmp_status_name(workers[i].status));
        ck_cl(clFinish(workers[i].queue));
        ck_cl(clFinish(workers[i].other));
        ck_cl(clReleaseCommandQueue(workers[i].queue));
        ck_cl(clReleaseCommandQueue(workers[i].other));
        if (workers[i].context != shared)
            clmp_context_destroy(workers[i].context);
    }
    clmp_context_destroy(shared);
    long after[FAULT_OBJECTS];
    note_balance(after);
    for (int i = 0; i < FAULT_OBJECTS; i++)
        ck_assert_msg(after[i] == before[i], "%ld %s are left", after[i] - before[i],
                      fault_object_name((enum fault_object)i));
    stock_free(&stock);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------- late releases
 */

struct late {
    cl_event gate;
    cl_int error;
};

static void *release_late(void *user) {
    struct late *late = user;
    usleep(20000);
    late->error = clSetUserEventStatus(late->gate, CL_COMPLETE);
    return NULL;
}

/* Steps of many plans wait for one event, which another thread releases later, after their plans are gone. */
START_TEST(an_event_that_another_thread_releases_late) {
    enum { PLANS = VARIETIES };
    const cl_command_queue queue = queue_of(test_device()->context, _i == 1);
    struct stock stock;
    struct device_buffers buffers[PLANS];
    cl_event done[PLANS];
    cl_int error = CL_SUCCESS;
    pthread_t thread;
    const struct run run = {.internal_workspace = true};
    stock_make(&stock);
    struct late late = {.gate = clCreateUserEvent(test_device()->cl, &error)};
    ck_cl(error);
    alarm(HANG_SECONDS);
    for (int i = 0; i < PLANS; i++) {
        clmp_plan *plan = plan_of(stock.problem[i], &run);
        buffers_make(&buffers[i], stock.problem[i], plan, &run);
        ck_status(enqueue_problem(plan, queue, stock.problem[i], &run, &buffers[i].use, 1, &late.gate, &done[i]),
                  CLMP_OK);
        clmp_plan_destroy(plan);
    }
    ck_cl(clFlush(queue));
    ck_assert(pthread_create(&thread, NULL, release_late, &late) == 0);
    ck_cl(clWaitForEvents(PLANS, done));
    ck_assert(pthread_join(thread, NULL) == 0);
    alarm(0);
    ck_cl(late.error);
    for (int i = 0; i < PLANS; i++) {
        struct outputs *got = buffers_read(&buffers[i], stock.problem[i], &run);
        assert_same_bits(stock.problem[i], got, stock.want[i]);
        outputs_free(got);
        buffers_release(&buffers[i]);
        ck_cl(clReleaseEvent(done[i]));
    }
    ck_cl(clReleaseEvent(late.gate));
    ck_cl(clReleaseCommandQueue(queue));
    stock_free(&stock);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- processes
 */

/* This program again, as a process of its own, which does `what` and ends.  Its exit status, or -1 after a signal. */
static int run_process(const char *what) {
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    ck_assert(length > 0);
    path[length] = '\0';
    fflush(stdout);
    const pid_t process = fork();
    ck_assert(process >= 0);
    if (process == 0) {
        alarm(HANG_SECONDS);
        execl(path, path, what, (char *)NULL);
        _exit(126);
    }
    int status = 0;
    ck_assert(waitpid(process, &status, 0) == process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What such a process does: leaves everything open, with steps that are enqueued, or that run. */
static int end_with_all_open(bool in_flight) {
    struct problem *problem = variety(2);
    const struct run run = {.internal_workspace = true};
    struct device_buffers buffers;
    clmp_plan *plan = plan_of(problem, &run);
    buffers_make(&buffers, problem, plan, &run);
    for (int i = 0; i < 50; i++)
        if (enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, NULL) != CLMP_OK)
            return 1;
    if (!in_flight && clFinish(test_device()->queue) != CL_SUCCESS)
        return 1;
    if (in_flight && clFlush(test_device()->queue) != CL_SUCCESS)
        return 1;
    return 42;
}

START_TEST(a_process_may_end_with_everything_open) {
    const int status = run_process(_i % 2 == 0 ? "--end" : "--end-in-flight");
    ck_assert_msg(status == 42, "exit status %d", status);
}
END_TEST

/* A child has none of OpenCL's objects: the library refuses to use them, and lets them go; its parent goes on. */
START_TEST(a_fork_refuses_and_its_parent_goes_on) {
    struct problem *problem = variety(_i);
    const struct run run = {.internal_workspace = true};
    struct device_buffers buffers;
    clmp_context *context = own_context(true);
    clmp_plan *plan = NULL;
    cl_event done = NULL;
    ck_status(clmp_plan_create(context, &problem->in.params, &plan), CLMP_OK);
    buffers_make(&buffers, problem, plan, &run);
    ck_status(enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, &done), CLMP_OK);
    fflush(stdout);
    const pid_t child = fork(); /* while the step may run */
    ck_assert(child >= 0);
    if (child == 0) {
        clmp_plan *other = NULL;
        alarm(HANG_SECONDS);
        int wrong = enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, NULL) == CLMP_OK;
        wrong |= (clmp_plan_create(context, &problem->in.params, &other) == CLMP_OK) << 1;
        clmp_plan_destroy(plan);
        clmp_context_destroy(context);
        _exit(wrong);
    }
    int status = 0;
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %d", status);
    ck_cl(clWaitForEvents(1, &done));
    ck_cl(clReleaseEvent(done));
    ck_status(enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, NULL), CLMP_OK);
    struct outputs *got = buffers_read(&buffers, problem, &run), *want = run_reference(problem);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    problem_free(problem);
}
END_TEST

/* In place of a suite, where the program was started by run_process(). */
static bool in_flight;
START_TEST(ends_here) {
    exit(end_with_all_open(in_flight));
}
END_TEST

int main(int count, char **arguments) {
    Suite *suite = suite_create("crowded");
    TCase *tcase = add_case(suite, "process", "full quick small device");
    if (count == 2 && strncmp(arguments[1], "--end", 5) == 0) {
        in_flight = strcmp(arguments[1], "--end-in-flight") == 0;
        (void)unsetenv("CLMP_TEST_FRACTION"); /* its parent is chosen */
        tcase_add_test(tcase, ends_here);
        return test_main(suite);
    }
    tcase_add_loop_test(tcase, a_process_may_end_with_everything_open, 0, 4);
    tcase_add_loop_test(tcase, a_fork_refuses_and_its_parent_goes_on, 0, 3);
    tcase = add_case(suite, "late", "full");
    tcase_add_loop_test(tcase, an_event_that_another_thread_releases_late, 0, 2);
    tcase = add_case(suite, "threads", "full");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, threads_do_not_meet, 0, 2 * SHARINGS);
    tcase = add_case(suite, "long", "full");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, nothing_grows_in_a_long_run);
    return test_main(suite);
}

/*
 * The enqueue calls on queues of every kind: order, events, threads, workspaces, places in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* An enqueue that waits for the host's event would hang: the alarm ends the process. */
#define HANG_SECONDS 120

static struct problem *training_step(int stream) {
    struct problem *problem = problem_of_logits(2, 3, 17, test_small() ? 5 : 29, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("queue", (uint64_t)stream);
    fill_logits(problem, &rng);
    spoil(problem, &rng);
    problem->in.params.scope = stream % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    return problem;
}

/* A step that can be enqueued many times: plan, buffers and what has to come out. */
struct step {
    struct problem *problem;
    struct run run;
    clmp_plan *plan;
    struct device_buffers buffers;
    struct outputs *want;
};

static struct step step_new(struct problem *problem, const struct run *run) {
    struct step step = {.problem = problem, .run = *run, .plan = plan_of(problem, run)};
    buffers_make(&step.buffers, problem, step.plan, run);
    step.want = run_reference(problem);
    return step;
}

static void step_enqueue(const struct step *step, cl_command_queue queue, cl_uint num_wait, const cl_event *wait,
                         cl_event *event) {
    clmp_status status =
        enqueue_problem(step->plan, queue, step->problem, &step->run, &step->buffers.use, num_wait, wait, event);
    ck_assert_msg(status == CLMP_OK, "enqueue: %s (log: %s)", clmp_status_name(status), last_log());
    ck_assert(!event || *event);
}

static void step_check(const struct step *step) {
    struct outputs *got = buffers_read(&step->buffers, step->problem, &step->run);
    assert_same_bits(step->problem, got, step->want);
    outputs_free(got);
}

static void step_free(struct step *step) {
    buffers_release(&step->buffers);
    clmp_plan_destroy(step->plan);
    outputs_free(step->want);
    problem_free(step->problem);
}

/* The queues under test: in-order, and out-of-order where the device has it. */
static cl_command_queue queue_of_kind(int kind) {
    return test_queue(kind ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0);
}

START_TEST(both_kinds_of_queue_give_the_reference_bits) {
    cl_command_queue queue = queue_of_kind(_i % 2);
    if (!queue)
        return;
    struct run run = {.queue = queue, .solver = _i / 2 % 2 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
    run.internal_workspace = _i / 4;
    struct problem *problem = training_step(_i);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
    ck_cl(clReleaseCommandQueue(queue));
}
END_TEST

START_TEST(event_is_set_and_completes_when_outputs_are_written) {
    cl_command_queue queue = queue_of_kind(_i % 2);
    if (!queue)
        return;
    struct step step = step_new(training_step(0), &(struct run){0});
    cl_event event = NULL;
    cl_int state = CL_QUEUED;
    cl_uint references = 0;
    step_enqueue(&step, queue, 0, NULL, &event);
    ck_cl(clFlush(queue));
    ck_cl(clWaitForEvents(1, &event));
    ck_cl(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    ck_cl(clGetEventInfo(event, CL_EVENT_REFERENCE_COUNT, sizeof references, &references, NULL));
    ck_assert(state == CL_COMPLETE && references >= 1);
    step_check(&step); /* which reads on the device's own queue */
    ck_cl(clReleaseEvent(event));
    step_free(&step);
    ck_cl(clReleaseCommandQueue(queue));
}
END_TEST

START_TEST(enqueue_returns_while_what_it_waits_for_has_not_come) {
    cl_command_queue queue = queue_of_kind(_i % 2);
    if (!queue)
        return;
    struct run run = {.internal_workspace = _i / 2 % 2, .solver = _i / 4 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
    struct step step = step_new(training_step(0), &run);
    cl_int error, state = CL_COMPLETE;
    cl_event done[3];
    cl_event gate = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    alarm(HANG_SECONDS);
    for (int i = 0; i < 3; i++)
        step_enqueue(&step, queue, 1, i ? &done[i - 1] : &gate, &done[i]);
    ck_cl(clFlush(queue));
    for (int i = 0; i < 3; i++) {
        ck_cl(clGetEventInfo(done[i], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
        ck_assert_msg(state > CL_COMPLETE, "step %d did not wait for the event", i);
    }
    ck_cl(clSetUserEventStatus(gate, CL_COMPLETE));
    ck_cl(clWaitForEvents(1, &done[2]));
    alarm(0);
    step_check(&step);
    for (int i = 0; i < 3; i++)
        ck_cl(clReleaseEvent(done[i]));
    ck_cl(clReleaseEvent(gate));
    step_free(&step);
    ck_cl(clReleaseCommandQueue(queue));
}
END_TEST

/* Inputs that are written by commands in the wait list: read too early, they are poison. */
START_TEST(every_event_of_the_wait_list_is_waited_for) {
    cl_command_queue queue = queue_of_kind(_i % 2);
    if (!queue)
        return;
    struct step step = step_new(training_step(1), &(struct run){0});
    clmp_buffers *use = &step.buffers.use;
    const unsigned char poison = 0x7f; /* invalid labels, logits of 3e38 */
    cl_event written[2], done, gate;
    cl_int error;
    ck_cl(clEnqueueFillBuffer(queue, use->logits.mem, &poison, 1, 0, step.buffers.bytes[0], 0, NULL, NULL));
    ck_cl(clEnqueueFillBuffer(queue, use->labels.mem, &poison, 1, 0, step.buffers.bytes[1], 0, NULL, NULL));
    ck_cl(clFinish(queue));
    gate = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    alarm(HANG_SECONDS);
    ck_cl(clEnqueueWriteBuffer(queue, use->logits.mem, CL_FALSE, 0, step.buffers.bytes[0], step.problem->logits, 1,
                               &gate, &written[0]));
    ck_cl(clEnqueueWriteBuffer(queue, use->labels.mem, CL_FALSE, 0, step.buffers.bytes[1], step.problem->labels, 1,
                               &gate, &written[1]));
    step_enqueue(&step, queue, 2, written, &done);
    ck_cl(clFlush(queue));
    ck_cl(clSetUserEventStatus(gate, CL_COMPLETE));
    ck_cl(clWaitForEvents(1, &done));
    alarm(0);
    step_check(&step);
    ck_cl(clReleaseEvent(gate));
    ck_cl(clReleaseEvent(written[0]));
    ck_cl(clReleaseEvent(written[1]));
    ck_cl(clReleaseEvent(done));
    step_free(&step);
    ck_cl(clReleaseCommandQueue(queue));
}
END_TEST

/* A plan has one workspace of its own: enqueues that share it follow one another, even on two queues. */
START_TEST(enqueues_that_share_the_plans_workspace_are_ordered) {
    cl_command_queue queues[2] = {queue_of_kind(_i % 2), queue_of_kind(_i % 2)};
    if (!queues[0])
        return;
    struct run run = {.internal_workspace = true, .solver = _i / 2 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
    struct step first = step_new(training_step(2), &run), second = first;
    struct problem *other = training_step(4);
    buffers_make(&second.buffers, other, first.plan, &run);
    second.problem = other;
    second.want = run_reference(other);
    for (int round = 0; round < (test_small() ? 1 : 5); round++) {
        cl_event done[2];
        step_enqueue(&first, queues[0], 0, NULL, &done[0]);
        step_enqueue(&second, queues[1], 0, NULL, &done[1]);
        ck_cl(clFlush(queues[0]));
        ck_cl(clFlush(queues[1]));
        ck_cl(clWaitForEvents(1, &done[0]));
        ck_cl(clWaitForEvents(1, &done[1]));
        step_check(&first);
        step_check(&second);
        ck_cl(clReleaseEvent(done[0]));
        ck_cl(clReleaseEvent(done[1]));
    }
    buffers_release(&second.buffers);
    outputs_free(second.want);
    problem_free(other);
    step_free(&first);
    ck_cl(clReleaseCommandQueue(queues[0]));
    ck_cl(clReleaseCommandQueue(queues[1]));
}
END_TEST

/*
 * A step with the plan's own workspace waits for the one before it, and for all of a list that is as long as there is
 * room for, or longer.  The list's last event comes first, or after the step before, or fails.
 */
START_TEST(a_step_waits_for_any_list_and_the_step_before) {
    enum { MOST = 40 };
    static const cl_uint lengths[] = {1, 15, 16, MOST};
    cl_command_queue queues[2] = {queue_of_kind(_i % 2), queue_of_kind(_i % 2)};
    if (!queues[0])
        return;
    const cl_uint length = lengths[_i / 2 % 4];
    const enum { LIST_FIRST, LIST_LAST, LIST_FAILS } what = _i / 8;
    struct step step = step_new(training_step(0), &(struct run){.internal_workspace = true});
    cl_event list[MOST], done[2], gates[2];
    cl_int error, state = CL_COMPLETE;
    for (int i = 0; i < 2; i++) {
        gates[i] = clCreateUserEvent(test_device()->cl, &error);
        ck_cl(error);
    }
    cl_event past = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    ck_cl(clSetUserEventStatus(past, CL_COMPLETE));
    for (cl_uint i = 0; i < length; i++)
        list[i] = i + 1 < length ? past : gates[1];
    alarm(HANG_SECONDS);
    step_enqueue(&step, queues[0], 1, &gates[0], &done[0]);
    step_enqueue(&step, queues[1], length, list, &done[1]);
    ck_cl(clFlush(queues[0]));
    ck_cl(clFlush(queues[1]));
    ck_cl(clSetUserEventStatus(gates[what == LIST_FIRST ? 1 : 0], CL_COMPLETE));
    if (what != LIST_FIRST)
        ck_cl(clWaitForEvents(1, &done[0]));
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_cl(clGetEventInfo(done[1], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    ck_assert_msg(state > CL_COMPLETE, "the step did not wait: %d", (int)state);
    ck_cl(clSetUserEventStatus(gates[what == LIST_FIRST ? 0 : 1], what == LIST_FAILS ? -7 : CL_COMPLETE));
    (void)clWaitForEvents(1, &done[1]);
    ck_cl(clGetEventInfo(done[1], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    ck_assert_msg((state < 0) == (what == LIST_FAILS), "the step's event is %d", (int)state);
    ck_cl(clReleaseEvent(done[1]));
    step_enqueue(&step, queues[0], 0, NULL, &done[1]);
    ck_cl(clWaitForEvents(1, &done[1]));
    alarm(0);
    step_check(&step);
    for (int i = 0; i < 2; i++) {
        ck_cl(clReleaseEvent(gates[i]));
        ck_cl(clReleaseEvent(done[i]));
        ck_cl(clReleaseCommandQueue(queues[i]));
    }
    ck_cl(clReleaseEvent(past));
    step_free(&step);
}
END_TEST

/* What a step waits for may fail, and then the step does: that must not spoil the plan's workspace for the next one. */
START_TEST(step_after_one_that_failed_is_right) {
    cl_command_queue first = queue_of_kind(_i % 2), second = queue_of_kind(_i % 2);
    if (!first)
        return;
    struct run run = {.internal_workspace = _i / 2 % 2, .solver = _i / 4 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
    struct step step = step_new(training_step(0), &run);
    cl_int error, state = CL_COMPLETE;
    cl_event failed, done, gate = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    alarm(HANG_SECONDS);
    step_enqueue(&step, first, 1, &gate, &failed);
    ck_cl(clFlush(first));
    ck_cl(clSetUserEventStatus(gate, -7));
    (void)clWaitForEvents(1, &failed); /* an error, which one is the runtime's affair */
    ck_cl(clGetEventInfo(failed, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
    ck_assert_msg(state < 0, "the step's event is %d", (int)state);
    step_enqueue(&step, second, 0, NULL, &done);
    ck_cl(clWaitForEvents(1, &done));
    alarm(0);
    step_check(&step);
    ck_cl(clReleaseEvent(gate));
    ck_cl(clReleaseEvent(failed));
    ck_cl(clReleaseEvent(done));
    step_free(&step);
    ck_cl(clReleaseCommandQueue(first));
    ck_cl(clReleaseCommandQueue(second));
}
END_TEST

/* The same plan over and over, with garbage of the last step in the workspace. */
START_TEST(steps_repeat_bit_for_bit) {
    struct run run = {.internal_workspace = _i % 2, .solver = _i / 2 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
    struct step step = step_new(training_step(_i), &run);
    for (int round = 0; round < (test_small() ? 3 : 20); round++) {
        step_enqueue(&step, test_device()->queue, 0, NULL, NULL);
        step_check(&step);
    }
    step_free(&step);
}
END_TEST

START_TEST(plan_outlives_the_callers_hold_on_its_context) {
    const struct test_device *device = test_device();
    struct problem *problem = training_step(3);
    struct run run = {0};
    struct step step = {.problem = problem, .run = run, .want = run_reference(problem)};
    clmp_context *context = NULL;
    ck_status(clmp_context_create(device->cl, device->id, NULL, &context), CLMP_OK);
    ck_status(clmp_plan_create(context, &problem->in.params, &step.plan), CLMP_OK);
    clmp_context_destroy(context);
    buffers_make(&step.buffers, problem, step.plan, &run);
    step_enqueue(&step, device->queue, 0, NULL, NULL);
    step_check(&step);
    step_free(&step);
}
END_TEST

START_TEST(work_completes_although_its_plan_is_destroyed) {
    struct run run = {.internal_workspace = _i};
    struct step step = step_new(training_step(5), &run);
    cl_event done;
    cl_int error;
    cl_event gate = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    alarm(HANG_SECONDS);
    step_enqueue(&step, test_device()->queue, 1, &gate, &done);
    clmp_plan_destroy(step.plan);
    step.plan = NULL;
    ck_cl(clSetUserEventStatus(gate, CL_COMPLETE));
    ck_cl(clFlush(test_device()->queue));
    ck_cl(clWaitForEvents(1, &done));
    alarm(0);
    step_check(&step);
    ck_cl(clReleaseEvent(done));
    ck_cl(clReleaseEvent(gate));
    step_free(&step);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ threads
 */

struct worker {
    struct problem *problem;
    struct outputs *want;
    cl_command_queue queue;
    clmp_tuning tuning;
    bool failed;
};

/* No Check in here: its assertions are for one thread. */
static void *work(void *user) {
    struct worker *w = user;
    const struct test_device *device = test_device();
    clmp_plan_params params = w->problem->in.params;
    params.tuning = w->tuning;
    size_t bytes = w->problem->pixels * sizeof(float);
    float *weights = malloc(bytes);
    cl_mem losses =
        clCreateBuffer(device->cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes, w->problem->losses, NULL);
    cl_mem out = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, bytes, NULL, NULL);
    cl_mem result = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, NULL);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.losses.mem = losses;
    buffers.weights.mem = out;
    buffers.result.mem = result;
    for (int round = 0; round < 8 && !w->failed; round++) {
        clmp_plan *plan = NULL;
        w->failed = clmp_plan_create(device->context, &params, &plan) != CLMP_OK;
        for (int step = 0; step < 4 && !w->failed; step++) {
            memset(weights, 0xa5, bytes);
            w->failed = clmp_enqueue_weights(plan, w->queue, &buffers, 0, NULL, NULL) != CLMP_OK ||
                        clEnqueueReadBuffer(w->queue, out, CL_TRUE, 0, bytes, weights, 0, NULL, NULL) != CL_SUCCESS ||
                        memcmp(weights, w->want->weights, bytes) != 0;
        }
        clmp_plan_destroy(plan);
    }
    clReleaseMemObject(losses);
    clReleaseMemObject(out);
    clReleaseMemObject(result);
    free(weights);
    return NULL;
}

START_TEST(two_threads_share_one_context) {
    struct worker workers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        struct worker *w = &workers[i];
        struct rng rng = rng_for("threads", (uint64_t)i);
        *w = (struct worker){.problem = problem_of_losses(1, 100, (uint64_t)(77 + i)), .queue = test_queue(0)};
        w->tuning = (clmp_tuning){.chunks = 5, .vector_width = i && _i ? 2 : 4}; /* _i = 1: two programs at once */
        fill_losses(w->problem, LOSSES_ZEROS, &rng);
        w->want = run_reference(w->problem);
    }
    for (int i = 0; i < 2; i++)
        ck_assert(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    for (int i = 0; i < 2; i++)
        ck_assert(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(!workers[i].failed, "thread %d (log: %s)", i, last_log());
        outputs_free(workers[i].want);
        problem_free(workers[i].problem);
        ck_cl(clReleaseCommandQueue(workers[i].queue));
    }
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------- memory
 */

START_TEST(gradient_may_overwrite_the_logits) {
    struct problem *problem = training_step(_i);
    struct outputs *want = run_reference(problem);
    struct run run = {.in_place = true, .shift = (size_t)_i, .solver = _i ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
    struct outputs *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* Offsets that are multiples of the element only: no vector is aligned to more than that. */
START_TEST(every_offset_gives_the_same_bits) {
    static const clmp_label_type types[] = {CLMP_LABEL_UINT8, CLMP_LABEL_INT32, CLMP_LABEL_INT64, CLMP_LABEL_UINT16};
    struct problem *problem = problem_of_logits(2, 3, 7, 19, types[_i % 4]);
    struct rng rng = rng_for("offsets", (uint64_t)_i);
    fill_logits(problem, &rng);
    struct outputs *want = run_reference(problem);
    struct run run = {.shift = (size_t)(1 + _i), .internal_workspace = _i % 2};
    struct outputs *got = run_device(problem, &run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(one_buffer_may_hold_everything_side_by_side) {
    enum { PLACES = 7 };
    struct problem *problem = training_step(1);
    struct step step = step_new(problem, &(struct run){0});
    clmp_buffers *use = &step.buffers.use;
    clmp_buffer *const places[PLACES] = {&use->logits,   &use->labels, &use->losses,   &use->weights,
                                         &use->gradient, &use->result, &use->workspace};
    size_t at = 0, offsets[PLACES];
    for (int i = 0; i < PLACES; i++) {
        offsets[i] = at;
        at += (step.buffers.bytes[i] + 127) / 128 * 128;
    }
    cl_int error;
    cl_command_queue queue = test_device()->queue;
    cl_mem whole = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, at, NULL, &error);
    ck_cl(error);
    for (int i = 0; i < 2; i++)
        ck_cl(clEnqueueCopyBuffer(queue, places[i]->mem, whole, 0, offsets[i], step.buffers.bytes[i], 0, NULL, NULL));
    cl_mem apart[PLACES];
    for (int i = 0; i < PLACES; i++) {
        apart[i] = places[i]->mem;
        *places[i] = (clmp_buffer){whole, offsets[i]};
    }
    step_enqueue(&step, queue, 0, NULL, NULL);
    for (int i = 2; i < PLACES - 1; i++) /* back to where step_check() looks */
        ck_cl(clEnqueueCopyBuffer(queue, whole, apart[i], offsets[i], 0, step.buffers.bytes[i], 0, NULL, NULL));
    step_check(&step);
    ck_cl(clReleaseMemObject(whole));
    step_free(&step);
}
END_TEST

int main(void) {
    bool small = test_small();
    Suite *suite = suite_create("queue");
    TCase *tcase = add_case(suite, "order", "full quick small");
    tcase_add_loop_test(tcase, both_kinds_of_queue_give_the_reference_bits, 0, 8);
    tcase_add_loop_test(tcase, event_is_set_and_completes_when_outputs_are_written, 0, 2);
    tcase_add_loop_test(tcase, enqueues_that_share_the_plans_workspace_are_ordered, 0, 4);
    tcase_add_loop_test(tcase, steps_repeat_bit_for_bit, 0, small ? 1 : 4);
    tcase = add_case(suite, "gates", "full quick device"); /* a simulator's flush waits for the gate */
    tcase_add_loop_test(tcase, enqueue_returns_while_what_it_waits_for_has_not_come, 0, 8);
    tcase_add_loop_test(tcase, every_event_of_the_wait_list_is_waited_for, 0, 2);
    tcase_add_loop_test(tcase, a_step_waits_for_any_list_and_the_step_before, 0, 16);
    tcase = add_case(suite, "failures", "device"); /* PoCL 3.1 ends the process where a user event fails */
    tcase_add_loop_test(tcase, a_step_waits_for_any_list_and_the_step_before, 16, 24);
    tcase_add_loop_test(tcase, step_after_one_that_failed_is_right, 0, 8);
    tcase = add_case(suite, "lifetime", "full quick small");
    tcase_add_test(tcase, plan_outlives_the_callers_hold_on_its_context);
    tcase_add_loop_test(tcase, work_completes_although_its_plan_is_destroyed, 0, 2);
    tcase = add_case(suite, "threads", "full quick");
    tcase_add_loop_test(tcase, two_threads_share_one_context, 0, 2);
    tcase = add_case(suite, "memory", "full quick small");
    tcase_add_loop_test(tcase, gradient_may_overwrite_the_logits, 0, 2);
    tcase_add_loop_test(tcase, every_offset_gives_the_same_bits, 0, small ? 3 : 18);
    tcase_add_test(tcase, one_buffer_may_hold_everything_side_by_side);
    return test_main(suite);
}

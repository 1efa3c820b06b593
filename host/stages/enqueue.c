/* The entries.  SPDX-License-Identifier: Apache-2.0 */
#include "core/sized.h"
#include "stages/buffers.h"
#include "stages/stages.h"

#include <stdlib.h>
#include <string.h>

static clmp_status check_queue(const clmp_plan *plan, cl_command_queue queue) {
    const struct clmp_log *log = &plan->context->log;
    cl_context cl = NULL;
    cl_device_id device = NULL;
    if (queue == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "queue is NULL");
    cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof cl, &cl, NULL);
    if (error == CL_SUCCESS)
        error = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log, error, "clGetCommandQueueInfo");
    if (cl != plan->context->cl || device != plan->context->device)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the queue is one of another OpenCL %s than the plan's",
                         cl != plan->context->cl ? "context" : "device");
    return CLMP_OK;
}

/* Sets `own`, initialised, to the buffers as this version of the library has them. */
static clmp_status check_entry(const clmp_plan *plan, const struct clmp_call *call, cl_command_queue queue,
                               const clmp_buffers *buffers, clmp_buffers *own, cl_uint wait_count,
                               const cl_event *wait) {
    const enum clmp_entry entry = call->entry;
    const struct clmp_log *log = &plan->context->log;
    clmp_status status = clmp_context_check(plan->context);
    if (status != CLMP_OK)
        return status;
    static const clmp_input inputs[] = {
        [CLMP_ENTRY_WEIGHTS] = CLMP_INPUT_LOSSES,       [CLMP_ENTRY_LOSS] = CLMP_INPUT_LOGITS,
        [CLMP_ENTRY_GRADIENT] = CLMP_INPUT_LOGITS,      [CLMP_ENTRY_LABEL_COUNTS] = CLMP_INPUT_LABELS,
        [CLMP_ENTRY_CONFUSION] = CLMP_INPUT_LOGITS,     [CLMP_ENTRY_SLAB_LOSS] = CLMP_INPUT_LOGITS,
        [CLMP_ENTRY_SLAB_GRADIENT] = CLMP_INPUT_LOGITS, [CLMP_ENTRY_LOGITS] = CLMP_INPUT_LOGITS};
    static const char *const names[] = {"logits", "losses", "labels"};
    if (inputs[entry] != plan->params.input)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the plan's input is %s, this entry takes %s",
                         names[plan->params.input], names[inputs[entry]]);
    if (buffers == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "buffers is NULL");
    status = clmp_sized_take(buffers, CLMP_FIRST_BUFFERS, own, "buffers", log);
    if (status != CLMP_OK)
        return status;
    if ((wait_count == 0) != (wait == NULL))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "num_wait is %u, but wait is %s", (unsigned)wait_count,
                         wait == NULL ? "NULL" : "not NULL");
    for (cl_uint i = 0; i < wait_count; ++i)
        if (wait[i] == NULL)
            return clmp_fail(log, CLMP_INVALID_ARGUMENT, "wait[%u] is NULL", (unsigned)i);
    status = check_queue(plan, queue);
    return status == CLMP_OK ? clmp_buffers_check(plan, entry, own, call->more, call->more_count) : status;
}

static clmp_status run_stages(struct clmp_step *step, const struct clmp_call *call) {
    const enum clmp_entry entry = call->entry;
    if (call->run != NULL)
        return call->run(step, call->user);
    if (entry == CLMP_ENTRY_LABEL_COUNTS)
        return clmp_count_labels(step);
    if (entry == CLMP_ENTRY_CONFUSION)
        return clmp_count_confusion(step);
    clmp_status status = entry == CLMP_ENTRY_WEIGHTS ? CLMP_OK : clmp_stage_loss(step);
    if (status == CLMP_OK)
        status = clmp_stage_threshold(step);
    if (status == CLMP_OK && step->buffers->weights.mem != NULL)
        status = clmp_stage_weights(step);
    if (status == CLMP_OK && entry == CLMP_ENTRY_GRADIENT)
        status = clmp_stage_gradient(step);
    return status;
}

/* The runtime keeps the memory for what still uses it; the next step makes its own. */
static void give_up_workspace(clmp_plan *plan) {
    if (plan->workspace != NULL) /* a head's steps wait for one another in the caller's workspace, too */
        clReleaseMemObject(plan->workspace);
    if (plan->workspace_free != NULL)
        clReleaseEvent(plan->workspace_free);
    plan->workspace = NULL;
    plan->workspace_free = NULL;
}

/* Whether the last step that used the plan's workspace failed: whatever waits for it would fail, too. */
static bool workspace_failed(const clmp_plan *plan) {
    cl_int state = CL_COMPLETE;
    return plan->workspace_free != NULL &&
           clGetEventInfo(plan->workspace_free, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL) ==
               CL_SUCCESS &&
           state < 0;
}

/* The caller's workspace, or the plan's own: then the step also waits for the last one that used it. */
static clmp_status find_workspace(clmp_plan *plan, struct clmp_step *step, cl_event **own_wait) {
    const struct clmp_log *log = &plan->context->log;
    step->workspace = step->buffers->workspace;
    if (step->workspace.mem != NULL && !plan->serial)
        return CLMP_OK;
    if (workspace_failed(plan))
        give_up_workspace(plan);
    if (step->workspace.mem == NULL && plan->workspace == NULL) {
        cl_int error = CL_SUCCESS;
        plan->workspace = clCreateBuffer(plan->context->cl, CL_MEM_READ_WRITE, plan->layout.size, NULL, &error);
        if (error != CL_SUCCESS) {
            plan->workspace = NULL;
            return clmp_fail_cl(log, error, "clCreateBuffer");
        }
    }
    if (step->workspace.mem == NULL)
        step->workspace = (clmp_buffer){plan->workspace, 0};
    if (plan->workspace_free == NULL)
        return CLMP_OK;
    if (step->wait == NULL) { /* check_entry(): just where wait_count is 0 */
        step->wait = &plan->workspace_free;
        step->wait_count = 1;
        return CLMP_OK;
    }
    cl_event *list = malloc(((size_t)step->wait_count + 1) * sizeof *list);
    if (list == NULL)
        return clmp_fail(log, CLMP_OUT_OF_MEMORY, "no memory for a list of %u events", (unsigned)step->wait_count + 1);
    memcpy(list, step->wait, step->wait_count * sizeof *list);
    list[step->wait_count++] = plan->workspace_free;
    step->wait = list;
    *own_wait = list;
    return CLMP_OK;
}

/* The step's last event goes to the caller, and guards the plan's own workspace. */
static void finish(clmp_plan *plan, struct clmp_step *step, clmp_status status, cl_event *event) {
    if (step->last == NULL)
        return;
    if (step->workspace.mem == plan->workspace || plan->serial) {
        if (clRetainEvent(step->last) == CL_SUCCESS) {
            if (plan->workspace_free != NULL)
                clReleaseEvent(plan->workspace_free);
            plan->workspace_free = step->last;
        } else { /* nothing tells when it is free */
            give_up_workspace(plan);
            if (plan->serial) /* what else its steps share cannot be given up */
                clWaitForEvents(1, &step->last);
        }
    }
    if (status == CLMP_OK && event != NULL)
        *event = step->last;
    else
        clReleaseEvent(step->last);
}

clmp_status clmp_enqueue(clmp_plan *plan, const struct clmp_call *call, cl_command_queue queue,
                         const clmp_buffers *buffers, cl_uint wait_count, const cl_event *wait, cl_event *event) {
    if (event != NULL)
        *event = NULL;
    if (plan == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    clmp_buffers own;
    clmp_buffers_init(&own);
    clmp_status status = check_entry(plan, call, queue, buffers, &own, wait_count, wait);
    if (status != CLMP_OK)
        return status;
    struct clmp_step step = {.plan = plan, .queue = queue, .buffers = &own, .wait_count = wait_count, .wait = wait};
    cl_event *own_wait = NULL;
    status = find_workspace(plan, &step, &own_wait);
    if (status == CLMP_OK)
        status = run_stages(&step, call);
    finish(plan, &step, status, event);
    free(own_wait);
    return status;
}

static clmp_status enqueue(clmp_plan *plan, enum clmp_entry entry, cl_command_queue queue, const clmp_buffers *buffers,
                           cl_uint wait_count, const cl_event *wait, cl_event *event) {
    const struct clmp_call call = {.entry = entry};
    return clmp_enqueue(plan, &call, queue, buffers, wait_count, wait, event);
}

clmp_status clmp_enqueue_weights(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers, cl_uint num_wait,
                                 const cl_event *wait, cl_event *event) {
    return enqueue(plan, CLMP_ENTRY_WEIGHTS, queue, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_loss(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers, cl_uint num_wait,
                              const cl_event *wait, cl_event *event) {
    return enqueue(plan, CLMP_ENTRY_LOSS, queue, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_gradient(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                  cl_uint num_wait, const cl_event *wait, cl_event *event) {
    return enqueue(plan, CLMP_ENTRY_GRADIENT, queue, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_label_counts(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                      cl_uint num_wait, const cl_event *wait, cl_event *event) {
    return enqueue(plan, CLMP_ENTRY_LABEL_COUNTS, queue, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_confusion(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                   cl_uint num_wait, const cl_event *wait, cl_event *event) {
    return enqueue(plan, CLMP_ENTRY_CONFUSION, queue, buffers, num_wait, wait, event);
}

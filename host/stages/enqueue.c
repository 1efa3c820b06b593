/* The entries.  SPDX-License-Identifier: Apache-2.0 */
#include "core/places.h"
#include "core/sized.h"
#include "plan/kernels.h"
#include "stages/buffers.h"
#include "stages/ranks.h"
#include "stages/stages.h"

/* What a call of an entry hands over. */
struct call {
    enum clmp_entry entry;
    const clmp_buffers *buffers;
    const clmp_part *part;
    cl_uint wait_count;
    const cl_event *wait;
};

/* Sets `own` and `part`, initialised, to the caller's structs as this version of the library has them. */
static clmp_status check_call(const clmp_plan *plan, const struct call *call, cl_command_queue queue, clmp_buffers *own,
                              clmp_part *part) {
    const enum clmp_entry entry = call->entry;
    const clmp_context *context = plan->context;
    const struct clmp_log *log = &context->log;
    clmp_status status = clmp_context_check(context);
    if (status != CLMP_OK)
        return status;
    static const clmp_input inputs[] = {
        [CLMP_ENTRY_WEIGHTS] = CLMP_INPUT_LOSSES,   [CLMP_ENTRY_LOSS] = CLMP_INPUT_LOGITS,
        [CLMP_ENTRY_GRADIENT] = CLMP_INPUT_LOGITS,  [CLMP_ENTRY_LABEL_COUNTS] = CLMP_INPUT_LABELS,
        [CLMP_ENTRY_CONFUSION] = CLMP_INPUT_LOGITS, [CLMP_ENTRY_LOSS_PART] = CLMP_INPUT_LOGITS,
        [CLMP_ENTRY_THRESHOLD] = CLMP_INPUT_LOGITS, [CLMP_ENTRY_GRADIENT_PART] = CLMP_INPUT_LOGITS};
    static const char *const names[] = {"logits", "losses", "labels"};
    if (inputs[entry] != plan->params.input)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the plan's input is %s, this entry takes %s",
                         names[plan->params.input], names[inputs[entry]]);
    if (plan->whole != NULL && (clmp_entry_takes_part(entry) || entry == CLMP_ENTRY_THRESHOLD))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "a step in parts is not for ranks");
    if (call->buffers == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "buffers is NULL");
    status = clmp_sized_take(call->buffers, CLMP_FIRST_BUFFERS, own, "buffers", log);
    if (status == CLMP_OK && clmp_entry_takes_part(entry))
        status = call->part == NULL ? clmp_fail(log, CLMP_INVALID_ARGUMENT, "part is NULL")
                                    : clmp_sized_take(call->part, CLMP_FIRST_PART, part, "part", log);
    if (status == CLMP_OK)
        status = clmp_check_wait(call->wait_count, call->wait, log);
    if (status == CLMP_OK)
        status = clmp_check_queue(queue, context->cl, context->device, log);
    return status == CLMP_OK ? clmp_buffers_check(plan, entry, own, part) : status;
}

/* `status`: what became of the step so far, which other ranks have to be told. */
static clmp_status run_stages(struct clmp_step *step, enum clmp_entry entry, clmp_status status) {
    if (entry == CLMP_ENTRY_LABEL_COUNTS)
        return clmp_ranks_count(step, status, step->buffers->label_counts,
                                CLMP_LABEL_COUNTS((size_t)step->plan->label_classes), clmp_count_labels);
    if (entry == CLMP_ENTRY_CONFUSION)
        return clmp_ranks_count(step, status, step->buffers->confusion, (size_t)clmp_confusion_words(step->plan),
                                clmp_count_confusion);
    const bool stores = entry == CLMP_ENTRY_GRADIENT || entry == CLMP_ENTRY_GRADIENT_PART;
    if (status == CLMP_OK && stores && step->buffers->gradient_range.mem != NULL)
        status = clmp_plan_build_range(step->plan); /* compiled when it is first asked for, which can fail */
    if (status == CLMP_OK && entry == CLMP_ENTRY_GRADIENT_PART)
        return clmp_stage_gradient(step);
    if (status == CLMP_OK && entry != CLMP_ENTRY_WEIGHTS && entry != CLMP_ENTRY_THRESHOLD)
        status = clmp_stage_loss(step);
    if (entry == CLMP_ENTRY_LOSS_PART || entry == CLMP_ENTRY_GRADIENT_PART)
        return status;
    status = clmp_stage_threshold(step, status);
    if (status == CLMP_OK && step->buffers->weights.mem != NULL)
        status = clmp_stage_weights(step);
    if (status == CLMP_OK && entry == CLMP_ENTRY_GRADIENT)
        status = clmp_stage_gradient(step);
    return clmp_ranks_end(step, status);
}

/* The runtime keeps the memory for what still uses it; the next step makes its own. */
static void give_up_workspace(clmp_plan *plan) {
    if (plan->workspace != NULL)
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
static clmp_status find_workspace(clmp_plan *plan, struct clmp_step *step) {
    step->workspace = step->buffers->workspace;
    if (step->workspace.mem != NULL)
        return CLMP_OK;
    if (workspace_failed(plan))
        give_up_workspace(plan);
    if (plan->workspace == NULL) {
        cl_int error = CL_SUCCESS;
        plan->workspace = clCreateBuffer(plan->context->cl, CL_MEM_READ_WRITE, plan->layout.size, NULL, &error);
        if (error != CL_SUCCESS) {
            plan->workspace = NULL;
            return clmp_fail_cl(&plan->context->log, error, "clCreateBuffer");
        }
    }
    step->workspace = (clmp_buffer){plan->workspace, 0};
    return plan->workspace_free == NULL ? CLMP_OK : clmp_chain_also_wait(&step->chain, plan->workspace_free);
}

/* The step's last event goes to the caller, and guards the plan's own workspace. */
static void finish(clmp_plan *plan, struct clmp_step *step, clmp_status status, cl_event *event) {
    const cl_event last = step->chain.last;
    if (last == NULL)
        return;
    if (step->workspace.mem == plan->workspace) {
        if (clRetainEvent(last) == CL_SUCCESS) {
            if (plan->workspace_free != NULL)
                clReleaseEvent(plan->workspace_free);
            plan->workspace_free = last;
        } else { /* nothing tells when it is free */
            give_up_workspace(plan);
        }
    }
    if (status == CLMP_OK && event != NULL)
        *event = last;
    else
        clReleaseEvent(last);
}

static clmp_status enqueue_call(clmp_plan *plan, const struct call *call, cl_command_queue queue, cl_event *event) {
    if (event != NULL)
        *event = NULL;
    if (plan == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    clmp_buffers own;
    clmp_part part;
    clmp_buffers_init(&own);
    clmp_part_init(&part);
    struct clmp_step step = {
        .plan = plan,
        .chain = {.log = &plan->context->log, .queue = queue, .wait_count = call->wait_count, .wait = call->wait},
        .buffers = &own,
        .part = clmp_entry_takes_part(call->entry) ? &part : NULL,
        .alone = plan->whole == NULL};
    clmp_status status = check_call(plan, call, queue, &own, &part);
    status = clmp_ranks_agree(&step, status, call->entry);
    if (status != CLMP_OK && step.alone)
        return status;
    if (status == CLMP_OK)
        status = find_workspace(plan, &step);
    status = run_stages(&step, call->entry, status);
    finish(plan, &step, status, event);
    return status;
}

static clmp_status enqueue(clmp_plan *plan, enum clmp_entry entry, cl_command_queue queue, const clmp_buffers *buffers,
                           cl_uint wait_count, const cl_event *wait, cl_event *event) {
    const struct call call = {entry, buffers, NULL, wait_count, wait};
    return enqueue_call(plan, &call, queue, event);
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

clmp_status clmp_enqueue_loss_part(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                   const clmp_part *part, cl_uint num_wait, const cl_event *wait, cl_event *event) {
    const struct call call = {CLMP_ENTRY_LOSS_PART, buffers, part, num_wait, wait};
    return enqueue_call(plan, &call, queue, event);
}

clmp_status clmp_enqueue_threshold(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                   cl_uint num_wait, const cl_event *wait, cl_event *event) {
    return enqueue(plan, CLMP_ENTRY_THRESHOLD, queue, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_gradient_part(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                       const clmp_part *part, cl_uint num_wait, const cl_event *wait, cl_event *event) {
    const struct call call = {CLMP_ENTRY_GRADIENT_PART, buffers, part, num_wait, wait};
    return enqueue_call(plan, &call, queue, event);
}

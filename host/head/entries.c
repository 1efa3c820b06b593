/* A head's entries: logits, then the entries of libclmp, then the gradients.  SPDX-License-Identifier: Apache-2.0 */
#include "core/places.h"
#include "core/sized.h"
#include "head/head_internal.h"

#include <math.h>
#include <unistd.h>

#define FIRST_HEAD_BUFFERS CLMP_SIZED_UP_TO(clmp_head_buffers, bias_gradient)
#if UINTPTR_MAX == UINT64_MAX
static_assert(FIRST_HEAD_BUFFERS == 104, "the first ABI's clmp_head_buffers");
#endif
static_assert(offsetof(clmp_head_buffers, struct_size) == 0, "clmp_head_buffers");

void clmp_head_buffers_init_sized(clmp_head_buffers *buffers, size_t size) {
    const clmp_head_buffers defaults = {.struct_size = size};
    clmp_sized_put(buffers, size, &defaults, sizeof defaults);
}

enum entry { LOGITS, LOSS, GRADIENT };

/* A head's step. */
struct head_step {
    clmp_head *head;
    enum entry entry;
    clmp_head_buffers head_buffers;
    clmp_buffers buffers;
    struct clmp_chain chain;
};

/* ----------------------------------------------------------------------------------------------------------- checks */

/* All that any part of the step looks at, before the first of them is enqueued. */
static clmp_status check_buffers(struct head_step *step) {
    const clmp_head *head = step->head;
    const clmp_head_buffers *own = &step->head_buffers;
    const clmp_buffers *buffers = &step->buffers;
    const uint64_t classes = head->classes * sizeof(float), weight = classes * head->features;
    const uint64_t features = head->images * head->features * head->pixels * sizeof(float);
    const uint64_t logits = head->images * head->pixels * classes;
    const uint64_t labels = head->label_pixels * head->label_size, plane = head->label_pixels * sizeof(float);
    const clmp_buffer absent = {NULL, 0};
    const bool gradient = step->entry == GRADIENT, writes_logits = step->entry == LOGITS;
    const size_t records = clmp_plan_result_count(head->plan), results = records * sizeof(clmp_result);
    const bool by_image = records > 1; /* then the first is made from the others */
    struct clmp_place places[] = {
        {"features", own->features, features, sizeof(float), true, CLMP_READ, NULL, 0},
        {"weight", own->weight, weight, sizeof(float), true, CLMP_READ, NULL, 0},
        {"bias", own->bias, classes, sizeof(float), false, CLMP_READ, NULL, 0},
        {"features_gradient", gradient ? own->features_gradient : absent, features, sizeof(float), false, CLMP_WRITE,
         NULL, 0},
        {"weight_gradient", gradient ? own->weight_gradient : absent, weight, sizeof(float), false, CLMP_READ_WRITE,
         NULL, 0},
        {"bias_gradient", gradient ? own->bias_gradient : absent, classes, sizeof(float), false, CLMP_READ_WRITE, NULL,
         0},
        {"logits", writes_logits ? buffers->logits : absent, logits, sizeof(float), writes_logits, CLMP_READ_WRITE,
         NULL, 0},
        {"labels", writes_logits ? absent : buffers->labels, labels, (size_t)head->label_size, !writes_logits,
         CLMP_READ, NULL, 0},
        {"losses", writes_logits ? absent : buffers->losses, plane, sizeof(float), false, CLMP_WRITE, NULL, 0},
        {"weights", writes_logits ? absent : buffers->weights, plane, sizeof(float), false, CLMP_WRITE, NULL, 0},
        {"result", writes_logits ? absent : buffers->result, results, 8, !writes_logits,
         by_image ? CLMP_READ_WRITE : CLMP_WRITE, NULL, 0},
        {"workspace", writes_logits ? absent : buffers->workspace, clmp_plan_workspace_size(head->plan), 128, false,
         CLMP_READ_WRITE, NULL, 0},
    };
    enum { COUNT = sizeof places / sizeof places[0] };
    const clmp_status status = clmp_places_check(places, COUNT, head->cl, &head->log);
    if (status != CLMP_OK)
        return status;
    if (gradient && !isfinite(buffers->gradient_scale))
        return clmp_fail(&head->log, CLMP_INVALID_ARGUMENT, "gradient_scale is %g, expected a finite number",
                         (double)buffers->gradient_scale);
    size_t i = 0, j = 0;
    if (clmp_places_overlap(places, COUNT, COUNT, COUNT, &i, &j))
        return clmp_fail(&head->log, CLMP_BUFFER_OVERLAP, "%s and %s overlap", places[i].name, places[j].name);
    return CLMP_OK;
}

/* Reads the caller's structs, and checks all. */
static clmp_status check_step(struct head_step *step, const clmp_head_buffers *head_buffers,
                              const clmp_buffers *buffers) {
    const clmp_head *head = step->head;
    const struct clmp_log *log = &head->log;
    if (head->process != getpid())
        return clmp_fail(log, CLMP_INVALID_ARGUMENT,
                         "the head was made before a fork; OpenCL objects do not survive one");
    if (head_buffers == NULL || buffers == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is NULL", buffers == NULL ? "buffers" : "head_buffers");
    clmp_head_buffers_init(&step->head_buffers);
    clmp_buffers_init(&step->buffers);
    clmp_status status = clmp_sized_take(head_buffers, FIRST_HEAD_BUFFERS, &step->head_buffers, "head_buffers", log);
    if (status == CLMP_OK)
        status = clmp_sized_take(buffers, CLMP_FIRST_BUFFERS, &step->buffers, "buffers", log);
    step->buffers.gradient_range = (clmp_buffer){NULL, 0}; /* of the logits, which are nobody's but the head's */
    if (status == CLMP_OK)
        status = clmp_check_wait(step->chain.wait_count, step->chain.wait, log);
    if (status == CLMP_OK)
        status = clmp_check_queue(step->chain.queue, head->cl, head->device, log);
    return status == CLMP_OK ? check_buffers(step) : status;
}

/* ------------------------------------------------------------------------------------------------------------ steps */

typedef clmp_status (*plan_fn)(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers, cl_uint num_wait,
                               const cl_event *wait, cl_event *event);
typedef clmp_status (*part_fn)(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                               const clmp_part *part, cl_uint num_wait, const cl_event *wait, cl_event *event);

/* An entry of libclmp as the chain's next command. */
static clmp_status call_plan(struct head_step *step, plan_fn entry) {
    cl_uint count = 0;
    const cl_event *wait = clmp_chain_wait(&step->chain, &count);
    cl_event event = NULL;
    const clmp_status status = entry(step->head->plan, step->chain.queue, &step->buffers, count, wait, &event);
    if (status == CLMP_OK)
        clmp_chain_advance(&step->chain, event);
    return status;
}

static clmp_status call_part(struct head_step *step, part_fn entry, const struct clmp_head_run *run) {
    cl_uint count = 0;
    const cl_event *wait = clmp_chain_wait(&step->chain, &count);
    cl_event event = NULL;
    clmp_part part;
    clmp_part_init(&part);
    part.logits = run->logits;
    part.image = run->first_image;
    part.first = run->first;
    part.pixels = run->pixels;
    const clmp_status status = entry(step->head->plan, step->chain.queue, &step->buffers, &part, count, wait, &event);
    if (status == CLMP_OK)
        clmp_chain_advance(&step->chain, event);
    return status;
}

/* Logits of the batch are held. */
static clmp_status run_whole(struct head_step *step) {
    const clmp_head *head = step->head;
    struct clmp_head_run run = {head, &step->head_buffers, {head->logits, 0}, 0, head->images, 0, head->pixels};
    if (step->entry == LOGITS)
        run.logits = step->buffers.logits;
    step->buffers.logits = step->buffers.gradient = run.logits;
    step->buffers.in_place = true;
    clmp_status status = clmp_head_make_logits(&step->chain, &run);
    if (status != CLMP_OK || step->entry == LOGITS)
        return status;
    status = call_plan(step, step->entry == LOSS ? clmp_enqueue_loss : clmp_enqueue_gradient);
    return status == CLMP_OK && step->entry == GRADIENT ? clmp_head_make_gradients(&step->chain, &run) : status;
}

/* Makes each slab's logits, and calls `entry` with them; then their gradients, if they are wanted. */
static clmp_status for_each_slab(struct head_step *step, part_fn entry, bool gradients) {
    const clmp_head *head = step->head;
    struct clmp_head_run run = {head, &step->head_buffers, {head->logits, 0}, 0, 1, 0, 0};
    clmp_status status = CLMP_OK;
    for (; run.first_image < head->images && status == CLMP_OK; ++run.first_image)
        for (run.first = 0; run.first < head->pixels && status == CLMP_OK; run.first += head->slab_pixels) {
            const uint64_t left = head->pixels - run.first;
            run.pixels = left < head->slab_pixels ? left : head->slab_pixels;
            status = clmp_head_make_logits(&step->chain, &run);
            if (status == CLMP_OK)
                status = call_part(step, entry, &run);
            if (status == CLMP_OK && gradients)
                status = clmp_head_make_gradients(&step->chain, &run);
        }
    return status;
}

static clmp_status run_slabs(struct head_step *step) {
    clmp_status status = for_each_slab(step, clmp_enqueue_loss_part, false);
    if (status == CLMP_OK)
        status = call_plan(step, clmp_enqueue_threshold);
    if (status == CLMP_OK && step->entry == GRADIENT)
        status = for_each_slab(step, clmp_enqueue_gradient_part, true);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- one at a time */

static void forget_last(clmp_head *head) {
    if (head->last != NULL)
        clReleaseEvent(head->last);
    head->last = NULL;
}

/* The runtime keeps the memory for what still uses it; the next step makes its own. */
static void give_up_workspace(clmp_head *head) {
    if (head->workspace != NULL)
        clReleaseMemObject(head->workspace);
    head->workspace = NULL;
    forget_last(head);
}

/* The step waits for the last one, unless that failed, and has a workspace. */
static clmp_status begin(struct head_step *step) {
    clmp_head *head = step->head;
    cl_int state = CL_COMPLETE;
    if (head->last != NULL &&
        clGetEventInfo(head->last, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL) == CL_SUCCESS &&
        state < 0)
        give_up_workspace(head);
    if (step->buffers.workspace.mem == NULL && step->entry != LOGITS) {
        if (head->workspace == NULL) {
            cl_int error = CL_SUCCESS;
            head->workspace =
                clCreateBuffer(head->cl, CL_MEM_READ_WRITE, clmp_plan_workspace_size(head->plan), NULL, &error);
            if (error != CL_SUCCESS) {
                head->workspace = NULL;
                return clmp_fail_cl(&head->log, error, "clCreateBuffer");
            }
        }
        step->buffers.workspace = (clmp_buffer){head->workspace, 0};
    }
    return head->last == NULL ? CLMP_OK : clmp_chain_also_wait(&step->chain, head->last);
}

/* The step's last event goes to the caller, and the next step waits for it. */
static void end(struct head_step *step, clmp_status status, cl_event *event) {
    clmp_head *head = step->head;
    cl_event all = NULL;
    /* an entry of the plan that fails may have enqueued commands of which nobody has an event, behind others of the
     * step */
    if (status != CLMP_OK && step->chain.last != NULL &&
        clEnqueueBarrierWithWaitList(step->chain.queue, 0, NULL, &all) == CL_SUCCESS)
        clmp_chain_advance(&step->chain, all);
    const cl_event last = step->chain.last;
    if (last == NULL)
        return;
    if (clRetainEvent(last) == CL_SUCCESS) {
        forget_last(head);
        head->last = last;
    } else { /* nothing will tell when the logits are free, which cannot be given up */
        give_up_workspace(head);
        clWaitForEvents(1, &last);
    }
    if (status == CLMP_OK && event != NULL)
        *event = last;
    else
        clReleaseEvent(last);
}

static clmp_status enqueue(clmp_head *head, enum entry entry, cl_command_queue queue,
                           const clmp_head_buffers *head_buffers, const clmp_buffers *buffers, cl_uint num_wait,
                           const cl_event *wait, cl_event *event) {
    if (event != NULL)
        *event = NULL;
    if (head == NULL)
        return CLMP_INVALID_ARGUMENT; /* and no log to tell */
    struct head_step step = {.head = head,
                             .entry = entry,
                             .chain = {.log = &head->log, .queue = queue, .wait_count = num_wait, .wait = wait}};
    clmp_status status = check_step(&step, head_buffers, buffers);
    if (status != CLMP_OK)
        return status;
    status = begin(&step);
    if (status == CLMP_OK)
        status = head->slab_pixels == 0 || entry == LOGITS ? run_whole(&step) : run_slabs(&step);
    end(&step, status, event);
    return status;
}

clmp_status clmp_enqueue_head_logits(clmp_head *head, cl_command_queue queue, const clmp_head_buffers *head_buffers,
                                     const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                                     cl_event *event) {
    return enqueue(head, LOGITS, queue, head_buffers, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_head_loss(clmp_head *head, cl_command_queue queue, const clmp_head_buffers *head_buffers,
                                   const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                                   cl_event *event) {
    return enqueue(head, LOSS, queue, head_buffers, buffers, num_wait, wait, event);
}

clmp_status clmp_enqueue_head_gradient(clmp_head *head, cl_command_queue queue, const clmp_head_buffers *head_buffers,
                                       const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                                       cl_event *event) {
    return enqueue(head, GRADIENT, queue, head_buffers, buffers, num_wait, wait, event);
}

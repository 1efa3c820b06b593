/* SPDX-License-Identifier: Apache-2.0 */
#include "loss_run.h"

#include <stdlib.h>

enum { LOGITS, LABELS, LOSSES, WEIGHTS, RESULTS, RANGE, BUFFERS };

clmp_plan_params loss_run_params(const struct loss_run *run, const struct pair *pair) {
    clmp_plan_params params = run->options->params;
    params.input = CLMP_INPUT_LOGITS;
    logits_describe(&pair->logits, &params);
    params.height = pair->labels.height;
    params.width = pair->labels.width;
    params.label_type = pair->labels.type;
    params.class_weights = run->class_weights;
    return params;
}

/* The gradient is computed over the logits, the largest of all buffers. */
static bool make_buffers(struct loss_run *run, const struct pair *pair, cl_mem buffers[BUFFERS],
                         struct failure *failure) {
    struct session *session = run->session;
    const uint64_t pixels = labels_pixels(&pair->labels), floats = pixels * sizeof(float);
    const clmp_gradient_range none = {0};
    return session_buffer(session, "logits", pair->logits.values, pair->logits.bytes, &buffers[LOGITS], failure) &&
           session_buffer(session, "labels", pair->labels.values, pixels * pair->labels.element, &buffers[LABELS],
                          failure) &&
           session_buffer(session, "results", NULL, run->result_count * sizeof *run->results, &buffers[RESULTS],
                          failure) &&
           (!run->wants_gradient ||
            session_buffer(session, "gradient's range", &none, sizeof none, &buffers[RANGE], failure)) &&
           (!run->wants_losses || session_buffer(session, "losses", NULL, floats, &buffers[LOSSES], failure)) &&
           ((!run->wants_weights && !run->wants_means) ||
            session_buffer(session, "weights", NULL, floats, &buffers[WEIGHTS], failure));
}

static clmp_buffers buffers_of(const struct loss_run *run, const cl_mem mems[BUFFERS]) {
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = mems[LOGITS];
    buffers.labels.mem = mems[LABELS];
    buffers.losses.mem = mems[LOSSES];
    buffers.weights.mem = mems[WEIGHTS];
    buffers.result.mem = mems[RESULTS];
    buffers.step = run->step;
    return buffers;
}

static bool enqueue(const struct loss_run *run, clmp_plan *plan, const cl_mem mems[BUFFERS], struct failure *failure) {
    clmp_buffers buffers = buffers_of(run, mems);
    cl_event event = NULL;
    clmp_status status;
    if (run->wants_gradient) {
        buffers.gradient.mem = mems[LOGITS];
        buffers.gradient_range.mem = mems[RANGE];
        buffers.in_place = true;
        buffers.gradient_scale = run->options->gradient_scale;
        status = clmp_enqueue_gradient(plan, run->session->queue, &buffers, 0, NULL, &event);
    } else {
        status = clmp_enqueue_loss(plan, run->session->queue, &buffers, 0, NULL, &event);
    }
    return session_stepped(run->session, status, event, failure);
}

static bool read_floats(struct loss_run *run, const char *what, cl_mem mem, uint64_t count, float **floats,
                        struct failure *failure) {
    void *read = NULL;
    const bool good = session_read(run->session, what, mem, count * sizeof **floats, &read, failure);
    *floats = read;
    return good;
}

/* The weights of the plain mean, by a plan of their own: the others are 0 at some valid pixels, too. */
static bool find_means(struct loss_run *run, const struct pair *pair, const cl_mem mems[BUFFERS],
                       struct failure *failure) {
    clmp_plan *plan = NULL;
    clmp_plan_params params = loss_run_params(run, pair);
    params.weighting = CLMP_WEIGHTING_UNIFORM;
    if (!session_plan(run->session, &params, &plan, failure))
        return false;
    const clmp_buffers buffers = buffers_of(run, mems);
    cl_event event = NULL;
    const clmp_status status = clmp_enqueue_loss(plan, run->session->queue, &buffers, 0, NULL, &event);
    clmp_plan_destroy(plan);
    return session_stepped(run->session, status, event, failure) &&
           read_floats(run, "weights", mems[WEIGHTS], labels_pixels(&pair->labels), &run->means, failure);
}

static bool read_results(struct loss_run *run, const struct pair *pair, const cl_mem mems[BUFFERS],
                         struct failure *failure) {
    const uint64_t pixels = labels_pixels(&pair->labels);
    void *read = NULL;
    bool good =
        session_read(run->session, "results", mems[RESULTS], run->result_count * sizeof *run->results, &read, failure);
    run->results = read;
    if (good && run->wants_gradient)
        good = session_read(run->session, "gradient", mems[LOGITS], pair->logits.bytes, &run->gradient, failure);
    if (good && run->wants_gradient) {
        good = session_read(run->session, "gradient's range", mems[RANGE], sizeof *run->range, &read, failure);
        run->range = read;
    }
    return good && (!run->wants_losses || read_floats(run, "losses", mems[LOSSES], pixels, &run->losses, failure)) &&
           (!run->wants_weights || read_floats(run, "weights", mems[WEIGHTS], pixels, &run->weights, failure));
}

bool loss_run_compute(struct loss_run *run, clmp_plan *plan, struct pair *pair, struct failure *failure) {
    cl_mem mems[BUFFERS] = {NULL};
    run->result_count = clmp_plan_result_count(plan);
    bool good = make_buffers(run, pair, mems, failure);
    free(pair->logits.values);
    pair->logits.values = NULL;
    good = good && (!run->wants_means || find_means(run, pair, mems, failure)) && enqueue(run, plan, mems, failure) &&
           read_results(run, pair, mems, failure);
    for (int i = 0; i < BUFFERS; ++i)
        if (mems[i] != NULL)
            clReleaseMemObject(mems[i]);
    return good;
}

void loss_run_free(struct loss_run *run) {
    free(run->results);
    free(run->losses);
    free(run->weights);
    free(run->gradient);
    free(run->range);
    free(run->means);
    run->results = NULL;
    run->losses = run->weights = run->means = NULL;
    run->gradient = NULL;
    run->range = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "report.h"
#include "session.h"
#include "tensors.h"

#include <stdlib.h>

struct run {
    struct session session;
    struct losses losses;
    struct outputs outputs;
    struct output *to_weights; /* NULL: not wanted */
    clmp_plan *plan;
    cl_mem losses_mem, weights_mem, result_mem;
    clmp_result *results;
    float *weights;
};

static bool read_files(struct run *run, const struct options *options, struct failure *failure) {
    const char *const inputs[] = {options->operands[0]};
    run->to_weights = outputs_add(&run->outputs, "-o", options->weights);
    return outputs_open(&run->outputs, inputs, 1, options->json, failure) &&
           losses_read(options->operands[0], &run->losses, failure);
}

static bool compute(struct run *run, const struct options *options, struct failure *failure) {
    struct session *session = &run->session;
    const uint64_t bytes = run->losses.header.elements * sizeof(float);
    clmp_plan_params params = options->params;
    params.input = CLMP_INPUT_LOSSES;
    params.height = 1; /* one image, one pool: where the losses lie does not matter */
    params.width = run->losses.header.elements;
    if (!session_open(session, options->device, failure))
        return false;
    session->about = input_name(options->operands[0]);
    if (!session_plan(session, &params, &run->plan, failure))
        return false;
    const size_t result_bytes = clmp_plan_result_count(run->plan) * sizeof *run->results;
    if (!session_buffer(session, "losses", run->losses.values, bytes, &run->losses_mem, failure) ||
        !session_buffer(session, "results", NULL, result_bytes, &run->result_mem, failure))
        return false;
    if (run->to_weights != NULL && !session_buffer(session, "weights", NULL, bytes, &run->weights_mem, failure))
        return false;

    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.losses.mem = run->losses_mem;
    buffers.weights.mem = run->weights_mem;
    buffers.result.mem = run->result_mem;
    cl_event event = NULL;
    const clmp_status status = clmp_enqueue_weights(run->plan, session->queue, &buffers, 0, NULL, &event);
    if (!session_stepped(session, status, event, failure))
        return false;

    void *read = NULL;
    bool good = session_read(session, "results", run->result_mem, result_bytes, &read, failure);
    run->results = read;
    if (good && run->to_weights != NULL) {
        good = session_read(session, "weights", run->weights_mem, bytes, &read, failure);
        run->weights = read;
    }
    return good;
}

static bool write_files(struct run *run, struct failure *failure) {
    const struct npy_header *header = &run->losses.header;
    return (run->to_weights == NULL ||
            output_npy(run->to_weights, NPY_FLOAT32, header->shape, header->dims, run->weights, failure)) &&
           outputs_commit(&run->outputs, failure);
}

static void release(struct run *run) {
    const cl_mem buffers[] = {run->losses_mem, run->weights_mem, run->result_mem};
    clmp_plan_destroy(run->plan);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
    session_close(&run->session);
    outputs_discard(&run->outputs);
    free(run->losses.values);
    free(run->results);
    free(run->weights);
}

bool command_weights(const struct options *options, struct failure *failure) {
    struct run run = {.plan = NULL};
    bool good = read_files(&run, options, failure) && compute(&run, options, failure) && write_files(&run, failure);
    if (good) {
        const struct report report = {
            .results = run.results, .count = 1, .device = run.session.device, .outputs = &run.outputs};
        good = report_print(&report, options, failure);
    }
    release(&run);
    return good;
}

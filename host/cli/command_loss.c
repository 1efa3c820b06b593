/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "heatmap.h"
#include "report.h"
#include "session.h"
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
    struct session session;
    struct logits logits;
    struct labels labels;
    float *class_weights; /* NULL: all 1 */
    struct outputs outputs;
    struct output *to_losses, *to_weights, *to_gradient, *to_heatmap; /* NULL: not wanted */
    bool wants_losses, wants_weights;                                 /* from the device */
    clmp_plan *plan;
    cl_mem logits_mem, labels_mem, losses_mem, weights_mem, result_mem;
    clmp_result *results;
    size_t result_count;
    float *losses, *weights, *gradient;
};

static bool read_files(struct run *run, const struct options *options, struct failure *failure) {
    const char *const inputs[] = {options->operands[0], options->operands[1], options->class_weights};
    run->to_losses = outputs_add(&run->outputs, "--losses", options->losses);
    run->to_weights = outputs_add(&run->outputs, "--weights", options->weights);
    run->to_gradient = outputs_add(&run->outputs, "--gradient", options->gradient);
    run->to_heatmap = outputs_add(&run->outputs, "--heatmap", options->heatmap);
    run->wants_losses = run->to_losses != NULL || run->to_heatmap != NULL;
    run->wants_weights = run->to_weights != NULL || run->to_heatmap != NULL;
    if (!outputs_open(&run->outputs, inputs, 3, options->json, failure) ||
        !logits_read(options->operands[0], &run->logits, failure) ||
        !labels_read(options->operands[1], &run->logits, &run->labels, failure))
        return false;
    if (options->class_weights != NULL &&
        !class_weights_read(options->class_weights, &run->logits, &run->class_weights, failure))
        return false;
    return run->to_heatmap == NULL || heatmap_check(&run->logits, &run->labels, options->heatmap, failure);
}

static uint64_t pixels_of(const struct run *run) {
    return run->logits.images * run->labels.height * run->labels.width;
}

static bool make_plan(struct run *run, const struct options *options, struct failure *failure) {
    clmp_plan_params params = options->params;
    params.input = CLMP_INPUT_LOGITS;
    params.images = run->logits.images;
    params.classes = run->logits.classes;
    params.height = run->labels.height;
    params.width = run->labels.width;
    params.logits_height = run->logits.height;
    params.logits_width = run->logits.width;
    params.label_type = run->labels.type;
    params.class_weights = run->class_weights;
    if (!session_plan(&run->session, &params, &run->plan, failure))
        return false;
    run->result_count = clmp_plan_result_count(run->plan);
    return true;
}

/* The gradient is computed over the logits, the largest of all buffers. */
static bool make_buffers(struct run *run, struct failure *failure) {
    struct session *session = &run->session;
    const uint64_t pixels = pixels_of(run), floats = pixels * sizeof(float);
    return session_buffer(session, "logits", run->logits.values, run->logits.header.elements * sizeof(float),
                          &run->logits_mem, failure) &&
           session_buffer(session, "labels", run->labels.values, pixels * run->labels.element, &run->labels_mem,
                          failure) &&
           session_buffer(session, "results", NULL, run->result_count * sizeof *run->results, &run->result_mem,
                          failure) &&
           (!run->wants_losses || session_buffer(session, "losses", NULL, floats, &run->losses_mem, failure)) &&
           (!run->wants_weights || session_buffer(session, "weights", NULL, floats, &run->weights_mem, failure));
}

static bool enqueue(struct run *run, struct failure *failure) {
    struct session *session = &run->session;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = run->logits_mem;
    buffers.labels.mem = run->labels_mem;
    buffers.losses.mem = run->losses_mem;
    buffers.weights.mem = run->weights_mem;
    buffers.result.mem = run->result_mem;
    clmp_status status;
    if (run->to_gradient != NULL) {
        buffers.gradient.mem = run->logits_mem;
        buffers.in_place = true;
        status = clmp_enqueue_gradient(run->plan, session->queue, &buffers, 0, NULL, NULL);
    } else {
        status = clmp_enqueue_loss(run->plan, session->queue, &buffers, 0, NULL, NULL);
    }
    return status == CLMP_OK || session_failed(session, status, failure);
}

static bool read_floats(struct run *run, const char *what, cl_mem mem, uint64_t count, float **floats,
                        struct failure *failure) {
    void *read = NULL;
    const bool good = session_read(&run->session, what, mem, count * sizeof **floats, &read, failure);
    *floats = read;
    return good;
}

static bool read_results(struct run *run, struct failure *failure) {
    const uint64_t pixels = pixels_of(run);
    void *read = NULL;
    const bool good = session_read(&run->session, "results", run->result_mem, run->result_count * sizeof *run->results,
                                   &read, failure);
    run->results = read;
    return good && (!run->wants_losses || read_floats(run, "losses", run->losses_mem, pixels, &run->losses, failure)) &&
           (!run->wants_weights || read_floats(run, "weights", run->weights_mem, pixels, &run->weights, failure)) &&
           (run->to_gradient == NULL ||
            read_floats(run, "gradient", run->logits_mem, run->logits.header.elements, &run->gradient, failure));
}

static bool compute(struct run *run, const struct options *options, struct failure *failure) {
    if (!session_open(&run->session, options->device, failure) || !make_plan(run, options, failure) ||
        !make_buffers(run, failure))
        return false;
    if (run->to_heatmap == NULL) { /* which looks at them once more */
        free(run->logits.values);
        run->logits.values = NULL;
    }
    return enqueue(run, failure) && read_results(run, failure);
}

static bool write_heatmap(struct run *run, const struct options *options, struct failure *failure) {
    const size_t images = (size_t)run->logits.images;
    float *taus = calloc(images, sizeof *taus);
    if (taus == NULL)
        return fail_memory(failure, options->heatmap);
    for (size_t i = 0; i < images; ++i)
        taus[i] = run->results[options->params.scope == CLMP_SCOPE_IMAGE ? 1 + i : 0].tau;
    const struct heatmap heatmap = {
        .logits = &run->logits,
        .labels = &run->labels,
        .losses = run->losses,
        .weights = run->weights,
        .taus = taus,
        .class_weights = run->class_weights,
        .ignore_index = options->params.ignore_index,
        .align_corners = options->params.align_corners,
    };
    const bool good = heatmap_write(&heatmap, run->to_heatmap, failure);
    free(taus);
    return good;
}

static bool write_files(struct run *run, const struct options *options, struct failure *failure) {
    const struct logits *logits = &run->logits;
    const uint64_t shape[] = {logits->images, run->labels.height, run->labels.width};
    if (run->to_losses != NULL && !output_npy(run->to_losses, shape, 3, run->losses, failure))
        return false;
    if (run->to_weights != NULL && !output_npy(run->to_weights, shape, 3, run->weights, failure))
        return false;
    if (run->to_gradient != NULL &&
        !output_npy(run->to_gradient, logits->header.shape, logits->header.dims, run->gradient, failure))
        return false;
    if (run->to_heatmap != NULL && !write_heatmap(run, options, failure))
        return false;
    return outputs_commit(&run->outputs, failure);
}

static void release(struct run *run) {
    const cl_mem buffers[] = {run->logits_mem, run->labels_mem, run->losses_mem, run->weights_mem, run->result_mem};
    clmp_plan_destroy(run->plan);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
    session_close(&run->session);
    outputs_discard(&run->outputs);
    free(run->logits.values);
    free(run->labels.values);
    free(run->class_weights);
    free(run->results);
    free(run->losses);
    free(run->weights);
    free(run->gradient);
}

/* NULL: nothing was interpolated. */
static const char *interpolation_note(const struct run *run, const struct options *options, char *text, size_t size) {
    const struct logits *logits = &run->logits;
    const struct labels *labels = &run->labels;
    if (logits->height == labels->height && logits->width == labels->width)
        return NULL;
    snprintf(text, size, "logits interpolated from %" PRIu64 " x %" PRIu64 " to %" PRIu64 " x %" PRIu64 ", corners %s",
             logits->height, logits->width, labels->height, labels->width,
             options->params.align_corners ? "aligned" : "not aligned");
    return text;
}

bool command_loss(const struct options *options, struct failure *failure) {
    struct run run = {.plan = NULL};
    bool good =
        read_files(&run, options, failure) && compute(&run, options, failure) && write_files(&run, options, failure);
    if (good) {
        char note[128];
        const struct report report = {.results = run.results,
                                      .count = run.result_count,
                                      .device = run.session.device,
                                      .outputs = &run.outputs,
                                      .note = interpolation_note(&run, options, note, sizeof note)};
        good = report_print(&report, options, failure);
    }
    release(&run);
    return good;
}

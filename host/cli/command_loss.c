/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "heatmap.h"
#include "loss_list.h"
#include "loss_pool.h"
#include "loss_run.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool check_no_outputs(const struct options *options, struct failure *failure) {
    const char *option = options->losses != NULL     ? "--losses"
                         : options->weights != NULL  ? "--weights"
                         : options->gradient != NULL ? "--gradient"
                         : options->heatmap != NULL  ? "--heatmap"
                                                     : NULL;
    return option == NULL ||
           fail_with(failure, EXIT_OF_INPUT,
                     "%s is for one pair of files, but --list is given; expected one of the two", option);
}

struct files {
    struct pair pair;
    float *class_weights; /* NULL: all 1 */
    struct outputs outputs;
    struct output *to_losses, *to_weights, *to_gradient, *to_heatmap; /* NULL: not wanted */
};

static bool read_files(struct files *files, struct loss_run *run, struct failure *failure) {
    const struct options *options = run->options;
    const struct pair_paths paths = {options->operands[0], options->operands[1], 0};
    const char *const inputs[] = {paths.logits, paths.labels, options->class_weights, options->label_map};
    files->to_losses = outputs_add(&files->outputs, "--losses", options->losses);
    files->to_weights = outputs_add(&files->outputs, "--weights", options->weights);
    files->to_gradient = outputs_add(&files->outputs, "--gradient", options->gradient);
    files->to_heatmap = outputs_add(&files->outputs, "--heatmap", options->heatmap);
    if (!outputs_open(&files->outputs, inputs, 4, options->json, failure) ||
        !label_rules_read(options->label_map, options->ignored, options->ignored_count, &run->rules, failure) ||
        !pair_read(&paths, options, &run->rules, &files->pair, failure))
        return false;
    run->seen = files->pair.labels.seen;
    if (options->class_weights != NULL &&
        !class_weights_read(options->class_weights, &files->pair.logits, &files->class_weights, failure))
        return false;
    return files->to_heatmap == NULL || heatmap_check(&files->pair.labels, options->heatmap, failure);
}

static bool compute(struct loss_run *run, struct files *files, struct failure *failure) {
    clmp_plan *plan = NULL;
    run->class_weights = files->class_weights;
    run->wants_losses = files->to_losses != NULL;
    run->wants_means = files->to_heatmap != NULL;
    run->wants_weights = files->to_weights != NULL || files->to_heatmap != NULL;
    run->wants_gradient = files->to_gradient != NULL;
    if (!session_open(run->session, run->options->device, failure))
        return false;
    run->session->about = files->pair.logits.path;
    const clmp_plan_params params = loss_run_params(run, &files->pair);
    const bool good =
        session_plan(run->session, &params, &plan, failure) && loss_run_compute(run, plan, &files->pair, failure);
    clmp_plan_destroy(plan);
    return good;
}

static bool write_heatmap(const struct loss_run *run, struct files *files, struct failure *failure) {
    const clmp_plan_params *params = &run->options->params;
    const struct labels *labels = &files->pair.labels;
    const size_t planes = (size_t)labels->planes, of_image = planes / (size_t)files->pair.logits.images;
    float *taus = calloc(planes, sizeof *taus);
    if (taus == NULL)
        return fail_memory(failure, run->options->heatmap);
    for (size_t i = 0; i < planes; ++i)
        taus[i] = run->results[params->scope == CLMP_SCOPE_IMAGE ? 1 + i / of_image : 0].tau;
    const struct heatmap heatmap = {.labels = labels, .weights = run->weights, .means = run->means, .taus = taus};
    const bool good = heatmap_write(&heatmap, files->to_heatmap, failure);
    free(taus);
    return good;
}

static bool write_files(const struct loss_run *run, struct files *files, struct failure *failure) {
    const struct logits *logits = &files->pair.logits;
    const struct labels *labels = &files->pair.labels;
    const uint64_t channels = labels->planes / logits->images;
    const uint64_t shape[] = {logits->images, channels, labels->height, labels->width};
    const uint64_t without[] = {logits->images, labels->height, labels->width};
    const bool four = channels > 1;
    if (files->to_losses != NULL &&
        !output_npy(files->to_losses, NPY_FLOAT32, four ? shape : without, four ? 4 : 3, run->losses, failure))
        return false;
    if (files->to_weights != NULL &&
        !output_npy(files->to_weights, NPY_FLOAT32, four ? shape : without, four ? 4 : 3, run->weights, failure))
        return false;
    if (files->to_gradient != NULL && !output_npy(files->to_gradient, logits->header.type, logits->header.shape,
                                                  logits->header.dims, run->gradient, failure))
        return false;
    if (files->to_heatmap != NULL && !write_heatmap(run, files, failure))
        return false;
    return outputs_commit(&files->outputs, failure);
}

bool command_loss(const struct options *options, struct failure *failure) {
    if (options->list != NULL)
        return check_no_outputs(options, failure) &&
               (options->pool_list ? loss_pool(options, failure) : loss_list(options, failure));
    struct session session = {.context = NULL};
    struct files files = {.class_weights = NULL};
    struct loss_run run = {.session = &session, .options = options, .step = options->step};
    bool good =
        read_files(&files, &run, failure) && compute(&run, &files, failure) && write_files(&run, &files, failure);
    if (good) {
        const struct pair_shape shape = pair_shape(&files.pair);
        const struct report report = {.results = run.results,
                                      .count = run.result_count,
                                      .device = session.device,
                                      .outputs = &files.outputs,
                                      .shape = &shape,
                                      .range = run.range,
                                      .type = files.pair.logits.type};
        good = report_print(&report, options, failure);
    }
    if (good)
        labels_note(&run.rules, run.seen, "clmp", "loss");
    if (good && run.range != NULL && run.range->overflowed > 0)
        note_print("clmp", "loss", "%" PRIu64 " %s no room in %s; a lower --gradient-scale helps",
                   (uint64_t)run.range->overflowed,
                   run.range->overflowed == 1 ? "element of the gradient has" : "elements of the gradient have",
                   files.pair.logits.type == CLMP_FLOAT16 ? "float16" : "float32");
    loss_run_free(&run);
    label_rules_free(&run.rules);
    session_close(&session);
    outputs_discard(&files.outputs);
    pair_free(&files.pair);
    free(files.class_weights);
    return good;
}

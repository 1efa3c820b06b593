/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "label_files.h"
#include "labels.h"
#include "numbers.h"
#include "progress.h"
#include "ranks.h"
#include "report.h"
#include "session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASSES ((uint64_t)1 << 20) /* the library's */

struct counting {
    struct label_files files;
    struct ranks ranks; /* each counts a part of the files */
    struct label_rules rules;
    unsigned seen; /* labels, of all files */
    struct outputs outputs;
    struct output *to_weights; /* NULL: not wanted */
    struct session session;
    struct kept_plan kept;
    uint64_t classes; /* so far, where they are found from the labels */
    uint64_t *counts; /* CLMP_LABEL_COUNTS(classes), of all files */
    float *weights;
};

/* The largest label that may be a class; -1: none. */
static int64_t largest_label(const struct labels *labels, int64_t ignore_index) {
    const uint64_t pixels = labels_pixels(labels);
    int64_t largest = -1;
    for (uint64_t i = 0; i < pixels; ++i) {
        const int64_t label = labels_get(labels, i);
        if (label > largest && label != ignore_index)
            largest = label;
    }
    return largest;
}

/* Makes room for more classes: each part of the counts moves. */
static bool grow(struct counting *counting, uint64_t classes, struct failure *failure) {
    const uint64_t before = counting->classes;
    if (counting->counts != NULL && classes <= before)
        return true;
    uint64_t *counts = calloc((size_t)CLMP_LABEL_COUNTS(classes), sizeof *counts);
    if (counts == NULL)
        return fail_memory(failure, "the counts");
    if (counting->counts != NULL) {
        memcpy(counts, counting->counts, (size_t)before * sizeof *counts);
        memcpy(counts + classes, counting->counts + before, (size_t)before * sizeof *counts);
        memcpy(counts + 2 * classes, counting->counts + 2 * before, 3 * sizeof *counts);
    }
    free(counting->counts);
    counting->counts = counts;
    counting->classes = classes;
    return true;
}

static bool find_classes(struct counting *counting, const struct options *options, const char *path,
                         const struct labels *labels, struct failure *failure) {
    if (options->classes != 0)
        return grow(counting, options->classes, failure);
    const int64_t largest = largest_label(labels, options->params.ignore_index);
    if (largest >= (int64_t)MOST_CLASSES)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%s has the label %" PRId64 ", expected classes below 2^20 (see --ignore-index, --classes)",
                         input_name(path), largest);
    return grow(counting, largest < 0 ? 1 : (uint64_t)largest + 1, failure);
}

static bool count_on_device(struct counting *counting, const struct options *options, const char *path,
                            const struct labels *labels, struct failure *failure) {
    struct session *session = &counting->session;
    const size_t bytes = (size_t)CLMP_LABEL_COUNTS(counting->classes) * sizeof *counting->counts;
    clmp_plan_params params = options->params;
    clmp_buffers buffers;
    void *read = NULL;
    params.input = CLMP_INPUT_LABELS;
    params.images = labels->planes;
    params.classes = counting->classes;
    params.height = labels->height;
    params.width = labels->width;
    params.label_type = labels->type;
    clmp_buffers_init(&buffers);
    session->about = input_name(path);
    bool good = session_kept_plan(session, &params, &counting->kept, failure) &&
                session_buffer(session, "labels", labels->values, labels_pixels(labels) * labels->element,
                               &buffers.labels.mem, failure) &&
                session_buffer(session, "counts", counting->counts, bytes, &buffers.label_counts.mem, failure);
    if (good) {
        cl_event event = NULL;
        const clmp_status status =
            clmp_enqueue_label_counts(counting->kept.plan, session->queue, &buffers, 0, NULL, &event);
        good = session_stepped(session, status, event, failure) &&
               session_read(session, "counts", buffers.label_counts.mem, bytes, &read, failure);
    }
    if (read != NULL) {
        free(counting->counts);
        counting->counts = read;
    }
    if (buffers.labels.mem != NULL)
        clReleaseMemObject(buffers.labels.mem);
    if (buffers.label_counts.mem != NULL)
        clReleaseMemObject(buffers.label_counts.mem);
    return good;
}

static bool count_file(struct counting *counting, const struct options *options, const char *path,
                       struct failure *failure) {
    struct labels labels;
    const bool good = labels_read(path, &counting->rules, NULL, false, &labels, failure) &&
                      find_classes(counting, options, path, &labels, failure) &&
                      count_on_device(counting, options, path, &labels, failure);
    counting->seen |= labels.seen;
    free(labels.values);
    return good;
}

static bool count_all(struct counting *counting, const struct options *options, struct failure *failure) {
    struct progress progress;
    bool good = true;
    size_t first, own;
    ranks_share(&counting->ranks, counting->files.count, &first, &own);
    progress_begin(&progress, own);
    for (size_t i = first; good && i < first + own; ++i) {
        progress_show(&progress, i - first, counting->files.paths[i]);
        good = count_file(counting, options, counting->files.paths[i], failure);
    }
    progress_end(&progress);
    return good;
}

/* The counts of all processes, on each. */
static bool add_up(struct counting *counting, struct failure *failure) {
    uint64_t classes = counting->classes;
    return ranks_most(&counting->ranks, &classes, failure) && grow(counting, classes, failure) &&
           ranks_sum(&counting->ranks, counting->counts, (size_t)CLMP_LABEL_COUNTS(counting->classes), failure) &&
           ranks_seen(&counting->ranks, &counting->seen, failure);
}

static uint64_t labelled_of(const struct counting *counting) {
    uint64_t labelled = 0;
    for (uint64_t c = 0; c < counting->classes; ++c)
        labelled += counting->counts[c];
    return labelled;
}

static bool weigh(struct counting *counting, const struct options *options, struct failure *failure) {
    if (labelled_of(counting) == 0)
        return fail_with(failure, EXIT_OF_INPUT, "no pixel has a class as its label");
    counting->weights = calloc((size_t)counting->classes, sizeof *counting->weights);
    if (counting->weights == NULL)
        return fail_memory(failure, "the class weights");
    const clmp_status status =
        clmp_class_weights(counting->counts, counting->classes, &options->class_weighting, counting->weights);
    return (status == CLMP_OK || session_failed(&counting->session, status, failure)) &&
           (counting->to_weights == NULL ||
            output_npy(counting->to_weights, NPY_FLOAT32, &counting->classes, 1, counting->weights, failure)) &&
           outputs_commit(&counting->outputs, failure);
}

static bool print_json(const struct counting *counting, const struct options *options, struct failure *failure) {
    const uint64_t classes = counting->classes, *others = counting->counts + 2 * classes;
    json_t *weights = json_array(), *pixels = json_array();
    bool good = true;
    for (uint64_t c = 0; c < classes; ++c) {
        good = json_array_append_new(weights, json_real((double)counting->weights[c])) == 0 && good;
        good = json_array_append_new(pixels, json_integer((json_int_t)counting->counts[c])) == 0 && good;
    }
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "scheme",
                  options_scheme_name(options->class_weighting.scheme), "weights", weights, "pixels", pixels, "ignored",
                  (json_int_t)others[0], "invalid_labels", (json_int_t)others[1], "images", (json_int_t)others[2],
                  "files", (json_int_t)counting->files.count, "device", report_name(counting->session.device));
    if (!good) {
        json_decref(object);
        object = NULL;
    }
    return report_json(object, failure);
}

static bool print_listing(const struct counting *counting, const struct options *options, struct failure *failure) {
    const uint64_t classes = counting->classes, *others = counting->counts + 2 * classes;
    const double labelled = (double)labelled_of(counting);
    printf("class weights by %s of %" PRIu64 " image%s in %zu file%s, on %s\n\n",
           options_scheme_name(options->class_weighting.scheme), others[2], plural_s(others[2]), counting->files.count,
           plural_s(counting->files.count), counting->session.device);
    printf("  %5s%16s%12s%14s\n", "class", "pixels", "share %", "weight");
    for (uint64_t c = 0; c < classes; ++c)
        printf("  %5" PRIu64 "%16" PRIu64 "%12.4f%14.7g%s\n", c, counting->counts[c],
               100.0 * (double)counting->counts[c] / labelled, (double)counting->weights[c],
               counting->counts[c] == 0 ? "   absent" : "");
    printf("\n  ignored         %14" PRIu64 "   pixels with label %" PRId64 "\n", others[0],
           options->params.ignore_index);
    printf("  invalid labels  %14" PRIu64 "   pixels whose label is no class\n", others[1]);
    if (counting->to_weights != NULL)
        printf("\nwritten: %s\n", counting->to_weights->path);
    return report_flush(failure);
}

bool command_class_weights(const struct options *options, struct failure *failure) {
    struct counting counting = {.classes = 0};
    bool good = ranks_open(options->mpi, &counting.ranks, failure);
    const bool prints = ranks_prints(&counting.ranks);
    counting.to_weights = outputs_add(&counting.outputs, "-o", prints ? options->weights : NULL);
    good = good &&
           label_files_find(options->operands, options->operand_count, options->suffix, &counting.files, failure) &&
           outputs_open(&counting.outputs, (const char *const *)counting.files.paths, counting.files.count,
                        options->json, failure) &&
           label_rules_read(options->label_map, options->ignored, options->ignored_count, &counting.rules, failure) &&
           session_open(&counting.session, options->device, failure) && count_all(&counting, options, failure) &&
           add_up(&counting, failure) && weigh(&counting, options, failure);
    if (good && prints && !counting.outputs.to_stdout)
        good = options->json ? print_json(&counting, options, failure) : print_listing(&counting, options, failure);
    if (good && prints)
        labels_note(&counting.rules, counting.seen, "clmp", "class-weights");
    label_rules_free(&counting.rules);
    clmp_plan_destroy(counting.kept.plan);
    session_close(&counting.session);
    outputs_discard(&counting.outputs);
    label_files_free(&counting.files);
    free(counting.counts);
    free(counting.weights);
    ranks_close(&counting.ranks, "class-weights", failure);
    return good;
}

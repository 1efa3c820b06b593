/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "pairs.h"
#include "progress.h"
#include "report.h"
#include "session.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct evaluation {
    struct pairs pairs;
    struct session session;
    struct kept_plan kept;
    uint64_t classes; /* of the first pair; 0: not yet */
    cl_mem confusion_mem;
    uint64_t *confusion;
    clmp_metrics metrics;
    double *iou, *accuracy;
};

/* The counts begin at 0, with as many classes as the first pair has. */
static bool prepare(struct evaluation *evaluation, const struct pair *pair, struct failure *failure) {
    if (evaluation->classes != 0)
        return pair_check_classes(pair, evaluation->classes, evaluation->pairs.paths[0].logits, failure);
    const uint64_t classes = pair->logits.classes;
    if (classes > (uint64_t)1 << 20) /* the library's limit, and its square does not overflow */
        return fail_with(failure, EXIT_OF_INPUT, "%s has %" PRIu64 " classes, expected at most 2^20", pair->logits.path,
                         classes);
    evaluation->classes = classes;
    const size_t numbers = (size_t)CLMP_CONFUSION(classes);
    evaluation->confusion = calloc(numbers, sizeof *evaluation->confusion);
    evaluation->iou = calloc((size_t)classes, sizeof *evaluation->iou);
    evaluation->accuracy = calloc((size_t)classes, sizeof *evaluation->accuracy);
    if (evaluation->confusion == NULL || evaluation->iou == NULL || evaluation->accuracy == NULL)
        return fail_memory(failure, "the confusion matrix");
    return session_buffer(&evaluation->session, "the confusion matrix", evaluation->confusion,
                          numbers * sizeof *evaluation->confusion, &evaluation->confusion_mem, failure);
}

static bool enqueue(struct evaluation *evaluation, const struct options *options, const struct pair *pair,
                    cl_mem logits, cl_mem labels, struct failure *failure) {
    struct session *session = &evaluation->session;
    clmp_plan_params params = options->params;
    logits_describe(&pair->logits, &params);
    params.height = pair->labels.height;
    params.width = pair->labels.width;
    params.label_type = pair->labels.type;
    if (!session_kept_plan(session, &params, &evaluation->kept, failure))
        return false;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = logits;
    buffers.labels.mem = labels;
    buffers.confusion.mem = evaluation->confusion_mem;
    const clmp_status status = clmp_enqueue_confusion(evaluation->kept.plan, session->queue, &buffers, 0, NULL, NULL);
    return status == CLMP_OK || session_failed(session, status, failure);
}

static bool add_pair(struct evaluation *evaluation, const struct options *options, size_t i, struct failure *failure) {
    struct session *session = &evaluation->session;
    struct pair pair;
    cl_mem logits = NULL, labels = NULL;
    bool good =
        pair_read(&evaluation->pairs.paths[i], &options->params, &pair, failure) && prepare(evaluation, &pair, failure);
    if (good) {
        const uint64_t pixels = labels_pixels(&pair.labels);
        good = session_buffer(session, "logits", pair.logits.values, pair.logits.bytes, &logits, failure) &&
               session_buffer(session, "labels", pair.labels.values, pixels * pair.labels.element, &labels, failure) &&
               enqueue(evaluation, options, &pair, logits, labels, failure);
    }
    if (logits != NULL)
        clReleaseMemObject(logits);
    if (labels != NULL)
        clReleaseMemObject(labels);
    pair_free(&pair);
    return good;
}

static bool add_all(struct evaluation *evaluation, const struct options *options, struct failure *failure) {
    struct progress progress;
    bool good = true;
    progress_begin(&progress, evaluation->pairs.count);
    for (size_t i = 0; good && i < evaluation->pairs.count; ++i) {
        progress_show(&progress, i, evaluation->pairs.paths[i].logits);
        good = add_pair(evaluation, options, i, failure);
    }
    progress_end(&progress);
    return good;
}

static bool finish(struct evaluation *evaluation, struct failure *failure) {
    void *read = NULL;
    if (!session_read(&evaluation->session, "the confusion matrix", evaluation->confusion_mem,
                      CLMP_CONFUSION(evaluation->classes) * sizeof *evaluation->confusion, &read, failure))
        return false;
    free(evaluation->confusion);
    evaluation->confusion = read;
    const clmp_status status = clmp_confusion_metrics(evaluation->confusion, evaluation->classes, &evaluation->metrics,
                                                      evaluation->iou, evaluation->accuracy);
    return status == CLMP_OK || session_failed(&evaluation->session, status, failure);
}

static json_t *json_numbers(const double *values, uint64_t count) {
    json_t *array = json_array();
    for (uint64_t i = 0; array != NULL && i < count; ++i)
        if (json_array_append_new(array, isfinite(values[i]) ? json_real(values[i]) : json_null()) != 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

static json_t *json_matrix(const uint64_t *confusion, uint64_t classes) {
    json_t *rows = json_array();
    bool good = rows != NULL;
    for (uint64_t y = 0; good && y < classes; ++y) {
        json_t *row = json_array();
        for (uint64_t c = 0; good && c < classes; ++c)
            good = json_array_append_new(row, json_integer((json_int_t)confusion[y * classes + c])) == 0;
        good = json_array_append_new(rows, row) == 0 && good;
    }
    if (good)
        return rows;
    json_decref(rows);
    return NULL;
}

static bool print_json(const struct evaluation *evaluation, struct failure *failure) {
    const uint64_t classes = evaluation->classes, *others = evaluation->confusion + classes * classes;
    const clmp_metrics *metrics = &evaluation->metrics;
    return report_json(
        json_pack("{s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "mean_iou", metrics->mean_iou,
                  "mean_accuracy", metrics->mean_accuracy, "pixel_accuracy", metrics->pixel_accuracy, "pixels",
                  (json_int_t)metrics->pixels, "correct", (json_int_t)metrics->correct, "ignored",
                  (json_int_t)others[0], "invalid_labels", (json_int_t)others[1], "unpredicted", (json_int_t)others[2],
                  "files", (json_int_t)evaluation->pairs.count, "iou", json_numbers(evaluation->iou, classes),
                  "accuracy", json_numbers(evaluation->accuracy, classes), "confusion",
                  json_matrix(evaluation->confusion, classes), "device", report_name(evaluation->session.device)),
        failure);
}

static void print_share(double share) {
    if (isnan(share))
        printf("%10s", "-");
    else
        printf("%10.2f", 100.0 * share);
}

static bool print_listing(const struct evaluation *evaluation, const struct options *options, struct failure *failure) {
    const uint64_t classes = evaluation->classes, *others = evaluation->confusion + classes * classes;
    const clmp_metrics *metrics = &evaluation->metrics;
    printf("predictions of %zu pair%s of files, on %s\n\n", evaluation->pairs.count,
           evaluation->pairs.count == 1 ? "" : "s", evaluation->session.device);
    printf("  %5s%10s%10s%16s%16s\n", "class", "IoU %", "acc. %", "labelled", "predicted");
    for (uint64_t c = 0; c < classes; ++c) {
        uint64_t labelled = 0, predicted = 0;
        for (uint64_t other = 0; other < classes; ++other) {
            labelled += evaluation->confusion[c * classes + other];
            predicted += evaluation->confusion[other * classes + c];
        }
        if (labelled == 0 && predicted == 0 && classes > 256)
            continue; /* a long table of nothing */
        printf("  %5" PRIu64, c);
        print_share(evaluation->iou[c]);
        print_share(evaluation->accuracy[c]);
        printf("%16" PRIu64 "%16" PRIu64 "\n", labelled, predicted);
    }
    printf("\n  mean IoU        %8.2f %%   of the %" PRIu64 " classes that a label or a prediction has\n",
           100.0 * metrics->mean_iou, metrics->present);
    printf("  mean accuracy   %8.2f %%   of the %" PRIu64 " classes that a label has\n", 100.0 * metrics->mean_accuracy,
           metrics->labelled);
    printf("  pixel accuracy  %8.2f %%   of %" PRIu64 " pixels\n", 100.0 * metrics->pixel_accuracy, metrics->pixels);
    printf("  ignored         %8" PRIu64 "     pixels with label %" PRId64 "\n", others[0],
           options->params.ignore_index);
    printf("  invalid labels  %8" PRIu64 "     pixels whose label is no class\n", others[1]);
    printf("  unpredicted     %8" PRIu64 "     pixels with a NaN among their logits\n", others[2]);
    return report_flush(failure);
}

bool command_eval(const struct options *options, struct failure *failure) {
    struct evaluation evaluation = {.classes = 0};
    bool good = pairs_read(options, &evaluation.pairs, failure) &&
                session_open(&evaluation.session, options->device, failure) && add_all(&evaluation, options, failure) &&
                finish(&evaluation, failure);
    if (good)
        good = options->json ? print_json(&evaluation, failure) : print_listing(&evaluation, options, failure);
    clmp_plan_destroy(evaluation.kept.plan);
    if (evaluation.confusion_mem != NULL)
        clReleaseMemObject(evaluation.confusion_mem);
    session_close(&evaluation.session);
    pairs_free(&evaluation.pairs);
    free(evaluation.confusion);
    free(evaluation.iou);
    free(evaluation.accuracy);
    return good;
}

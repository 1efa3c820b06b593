/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "numbers.h"
#include "pairs.h"
#include "progress.h"
#include "ranks.h"
#include "report.h"
#include "session.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct evaluation {
    struct pairs pairs;
    struct ranks ranks; /* each has a part of the pairs */
    struct label_rules rules;
    unsigned seen;           /* labels, of all pairs */
    struct pair_shape shape; /* of the first, which is this one */
    const char *shape_path;
    struct session session;
    struct kept_plan kept;
    bool binary;      /* a matrix of two classes for each class */
    uint64_t classes; /* of the first pair; 0: not yet */
    cl_mem confusion_mem;
    uint64_t *confusion;
    uint64_t ignored, invalid_labels, unpredicted;
    clmp_metrics metrics;
    double *iou, *accuracy;
    uint64_t *labelled, *predicted; /* pixels of each class */
};

/* Numbers of all matrices. */
static uint64_t numbers_of(const struct evaluation *evaluation) {
    return evaluation->binary ? evaluation->classes * CLMP_CONFUSION((uint64_t)2) : CLMP_CONFUSION(evaluation->classes);
}

/* The counts begin at 0. */
static bool make_counts(struct evaluation *evaluation, uint64_t classes, struct failure *failure) {
    evaluation->classes = classes;
    const size_t numbers = (size_t)numbers_of(evaluation);
    evaluation->confusion = calloc(numbers, sizeof *evaluation->confusion);
    evaluation->iou = calloc((size_t)classes, sizeof *evaluation->iou);
    evaluation->accuracy = calloc((size_t)classes, sizeof *evaluation->accuracy);
    evaluation->labelled = calloc((size_t)classes, sizeof *evaluation->labelled);
    evaluation->predicted = calloc((size_t)classes, sizeof *evaluation->predicted);
    if (evaluation->confusion == NULL || evaluation->iou == NULL || evaluation->accuracy == NULL ||
        evaluation->labelled == NULL || evaluation->predicted == NULL)
        return fail_memory(failure, "the confusion matrix");
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): command_eval() frees it, whatever is done to the session beside it */
    return session_buffer(&evaluation->session, "the confusion matrix", evaluation->confusion,
                          numbers * sizeof *evaluation->confusion, &evaluation->confusion_mem, failure);
}

/* With as many classes as the first pair has. */
static bool prepare(struct evaluation *evaluation, const struct pair *pair, struct failure *failure) {
    if (evaluation->classes != 0)
        return pair_check_classes(pair, evaluation->classes, evaluation->shape_path, failure);
    const uint64_t classes = pair->logits.classes;
    if (classes > (uint64_t)1 << 20) /* the library's limit, and its square does not overflow */
        return fail_with(failure, EXIT_OF_INPUT, "%s has %" PRIu64 " classes, expected at most 2^20", pair->logits.path,
                         classes);
    evaluation->shape = pair_shape(pair);
    evaluation->shape_path = pair->logits.path;
    return make_counts(evaluation, classes, failure);
}

static bool enqueue(struct evaluation *evaluation, const struct options *options, const struct pair *pair,
                    cl_mem logits, cl_mem labels, struct failure *failure) {
    struct session *session = &evaluation->session;
    clmp_plan_params params = options->params;
    logits_describe(&pair->logits, &params);
    params.height = pair->labels.height;
    params.width = pair->labels.width;
    params.label_type = pair->labels.type;
    session->about = pair->logits.path;
    if (!session_kept_plan(session, &params, &evaluation->kept, failure))
        return false;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = logits;
    buffers.labels.mem = labels;
    buffers.confusion.mem = evaluation->confusion_mem;
    cl_event event = NULL;
    const clmp_status status = clmp_enqueue_confusion(evaluation->kept.plan, session->queue, &buffers, 0, NULL, &event);
    return session_stepped(session, status, event, failure);
}

static bool add_pair(struct evaluation *evaluation, const struct options *options, size_t i, struct failure *failure) {
    struct session *session = &evaluation->session;
    struct pair pair;
    cl_mem logits = NULL, labels = NULL;
    bool good = pair_read(&evaluation->pairs.paths[i], options, &evaluation->rules, &pair, failure) &&
                prepare(evaluation, &pair, failure);
    evaluation->seen |= pair.labels.seen;
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
    size_t first, own;
    ranks_share(&evaluation->ranks, evaluation->pairs.count, &first, &own);
    progress_begin(&progress, own);
    for (size_t i = first; good && i < first + own; ++i) {
        progress_show(&progress, i - first, evaluation->pairs.paths[i].logits);
        good = add_pair(evaluation, options, i, failure);
        if (!good)
            pairs_locate(&evaluation->pairs, i, failure);
    }
    progress_end(&progress);
    return good;
}

/* A process without a pair has as many classes as the others. */
static bool agree_classes(struct evaluation *evaluation, struct failure *failure) {
    uint64_t classes = evaluation->classes;
    if (!ranks_most(&evaluation->ranks, &classes, failure))
        return false;
    if (evaluation->classes == 0)
        return make_counts(evaluation, classes, failure);
    return evaluation->classes == classes ||
           fail_with(failure, EXIT_OF_INPUT, "%s has %" PRIu64 " class%s, and pairs of other processes %" PRIu64,
                     evaluation->shape_path, evaluation->classes, plural_es(evaluation->classes), classes);
}

static void add_others(struct evaluation *evaluation, const uint64_t others[3]) {
    evaluation->ignored += others[0];
    evaluation->invalid_labels += others[1];
    evaluation->unpredicted += others[2];
}

static clmp_status measure_classes(struct evaluation *evaluation) {
    const uint64_t classes = evaluation->classes, *confusion = evaluation->confusion;
    add_others(evaluation, confusion + classes * classes);
    for (uint64_t y = 0; y < classes; ++y)
        for (uint64_t c = 0; c < classes; ++c) {
            evaluation->labelled[y] += confusion[y * classes + c];
            evaluation->predicted[c] += confusion[y * classes + c];
        }
    return clmp_confusion_metrics(confusion, classes, &evaluation->metrics, evaluation->iou, evaluation->accuracy);
}

/* Of each class, those of label 1; the means are over the classes that have it. */
static clmp_status measure_binary(struct evaluation *evaluation) {
    clmp_metrics *all = &evaluation->metrics;
    for (uint64_t c = 0; c < evaluation->classes; ++c) {
        const uint64_t *confusion = evaluation->confusion + c * CLMP_CONFUSION(2);
        clmp_metrics one;
        double iou[2], accuracy[2];
        const clmp_status status = clmp_confusion_metrics(confusion, 2, &one, iou, accuracy);
        if (status != CLMP_OK)
            return status;
        add_others(evaluation, confusion + 4);
        evaluation->labelled[c] = confusion[2] + confusion[3];
        evaluation->predicted[c] = confusion[1] + confusion[3];
        evaluation->iou[c] = iou[1];
        evaluation->accuracy[c] = accuracy[1];
        all->pixels += one.pixels;
        all->correct += one.correct;
        all->present += !isnan(iou[1]);
        all->labelled += !isnan(accuracy[1]);
        all->mean_iou += isnan(iou[1]) ? 0.0 : iou[1];
        all->mean_accuracy += isnan(accuracy[1]) ? 0.0 : accuracy[1];
    }
    all->mean_iou /= all->present > 0 ? (double)all->present : 1.0;
    all->mean_accuracy /= all->labelled > 0 ? (double)all->labelled : 1.0;
    all->pixel_accuracy = all->pixels > 0 ? (double)all->correct / (double)all->pixels : 0.0;
    return CLMP_OK;
}

static bool finish(struct evaluation *evaluation, struct failure *failure) {
    void *read = NULL;
    if (!session_read(&evaluation->session, "the confusion matrix", evaluation->confusion_mem,
                      numbers_of(evaluation) * sizeof *evaluation->confusion, &read, failure))
        return false;
    free(evaluation->confusion);
    evaluation->confusion = read;
    if (!ranks_sum(&evaluation->ranks, evaluation->confusion, (size_t)numbers_of(evaluation), failure) ||
        !ranks_seen(&evaluation->ranks, &evaluation->seen, failure))
        return false;
    const clmp_status status = evaluation->binary ? measure_binary(evaluation) : measure_classes(evaluation);
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

/* One matrix, or one of two classes for each class. */
static json_t *json_confusion(const struct evaluation *evaluation) {
    if (!evaluation->binary)
        return json_matrix(evaluation->confusion, evaluation->classes);
    json_t *list = json_array();
    for (uint64_t c = 0; list != NULL && c < evaluation->classes; ++c)
        if (json_array_append_new(list, json_matrix(evaluation->confusion + c * CLMP_CONFUSION(2), 2)) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static bool print_json(const struct evaluation *evaluation, struct failure *failure) {
    const uint64_t classes = evaluation->classes;
    const clmp_metrics *metrics = &evaluation->metrics;
    json_t *object = json_pack(
        "{s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "mean_iou", metrics->mean_iou,
        "mean_accuracy", metrics->mean_accuracy, "pixel_accuracy", metrics->pixel_accuracy, "pixels",
        (json_int_t)metrics->pixels, "correct", (json_int_t)metrics->correct, "ignored",
        (json_int_t)evaluation->ignored, "invalid_labels", (json_int_t)evaluation->invalid_labels, "unpredicted",
        (json_int_t)evaluation->unpredicted, "files", (json_int_t)evaluation->pairs.count, "iou",
        json_numbers(evaluation->iou, classes), "accuracy", json_numbers(evaluation->accuracy, classes), "confusion",
        json_confusion(evaluation), "device", report_name(evaluation->session.device));
    if (object != NULL && report_add_shape(object, &evaluation->shape) != 0) {
        json_decref(object);
        object = NULL;
    }
    return report_json(object, failure);
}

static void print_share(double share) {
    if (isnan(share))
        printf("%10s", "-");
    else
        printf("%10.2f", 100.0 * share);
}

static bool print_listing(const struct evaluation *evaluation, const struct options *options, struct failure *failure) {
    const uint64_t classes = evaluation->classes;
    const clmp_metrics *metrics = &evaluation->metrics;
    char shape[PAIR_SHAPE_TEXT];
    printf("predictions of %zu pair%s of files, on %s\n", evaluation->pairs.count, plural_s(evaluation->pairs.count),
           evaluation->session.device);
    printf("%s%s\n\n", pair_shape_text(&evaluation->shape, options->params.align_corners, shape),
           evaluation->pairs.count > 1 ? ", the first pair" : "");
    printf("  %5s%10s%10s%16s%16s\n", "class", "IoU %", "acc. %", "labelled", "predicted");
    for (uint64_t c = 0; c < classes; ++c) {
        const uint64_t labelled = evaluation->labelled[c], predicted = evaluation->predicted[c];
        if (labelled == 0 && predicted == 0 && classes > 256)
            continue; /* a long table of nothing */
        printf("  %5" PRIu64, c);
        print_share(evaluation->iou[c]);
        print_share(evaluation->accuracy[c]);
        printf("%16" PRIu64 "%16" PRIu64 "\n", labelled, predicted);
    }
    printf("\n  mean IoU        %8.2f %%   of the %" PRIu64 " class%s that a label or a prediction has\n",
           100.0 * metrics->mean_iou, metrics->present, plural_es(metrics->present));
    printf("  mean accuracy   %8.2f %%   of the %" PRIu64 " class%s that a label has\n", 100.0 * metrics->mean_accuracy,
           metrics->labelled, plural_es(metrics->labelled));
    printf("  pixel accuracy  %8.2f %%   of %" PRIu64 " pixel%s\n", 100.0 * metrics->pixel_accuracy, metrics->pixels,
           plural_s(metrics->pixels));
    printf("  ignored         %8" PRIu64 "     pixels with label %" PRId64 "\n", evaluation->ignored,
           options->params.ignore_index);
    printf("  invalid labels  %8" PRIu64 "     pixels whose label is no class\n", evaluation->invalid_labels);
    printf("  unpredicted     %8" PRIu64 "     pixels with a NaN among their logits\n", evaluation->unpredicted);
    return report_flush(failure);
}

bool command_eval(const struct options *options, struct failure *failure) {
    struct evaluation evaluation = {.binary = loss_is_binary(options->params.loss)};
    bool good =
        ranks_open(options->mpi, &evaluation.ranks, failure) && pairs_read(options, &evaluation.pairs, failure) &&
        label_rules_read(options->label_map, options->ignored, options->ignored_count, &evaluation.rules, failure) &&
        session_open(&evaluation.session, options->device, failure) && add_all(&evaluation, options, failure) &&
        agree_classes(&evaluation, failure) && finish(&evaluation, failure);
    const bool prints = good && ranks_prints(&evaluation.ranks);
    if (prints)
        good = options->json ? print_json(&evaluation, failure) : print_listing(&evaluation, options, failure);
    if (prints && good)
        labels_note(&evaluation.rules, evaluation.seen, "clmp", "eval");
    label_rules_free(&evaluation.rules);
    clmp_plan_destroy(evaluation.kept.plan);
    if (evaluation.confusion_mem != NULL)
        clReleaseMemObject(evaluation.confusion_mem);
    session_close(&evaluation.session);
    pairs_free(&evaluation.pairs);
    free(evaluation.confusion);
    free(evaluation.iou);
    free(evaluation.accuracy);
    free(evaluation.labelled);
    free(evaluation.predicted);
    ranks_close(&evaluation.ranks, "eval", failure);
    return good;
}

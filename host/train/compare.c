/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

#include "files.h"
#include "report.h"
#include "report_json.h"
#include "run.h"

#include <stdlib.h>
#include <unistd.h>

/* Between two looks at what other processes train. */
enum { WAIT_SECONDS = 1 };

/* Run `i` of all. */
static bool train_one(const struct comparison *comparison, size_t i, struct run_result **result,
                      struct failure *failure) {
    char folder[FILE_PATH], name[SPEC_TEXT + 64];
    const size_t seed = i / comparison->count, w = i % comparison->count;
    *result = &comparison->results[w * comparison->seeds + seed];
    snprintf(name, sizeof name, "%s%zu/%zu %s, seed %zu",
             comparison->trainer->options.held_out != 0 ? "to choose, " : "", i + 1,
             comparison->count * comparison->seeds, comparison->specs[w].text, seed + 1);
    return (*result)->complete ||
           (file_path(folder, failure, "%s/%s/seed-%zu", comparison->folder, comparison->specs[w].folder, seed + 1) &&
            run_train(comparison->trainer, &comparison->specs[w], seed + 1, folder, name, *result, failure));
}

/* Those that no other process is at: all weightings of a seed, then the next seed, so that whoever looks early sees all
 * of them.  `*complete` are done now; fewer than all where others are at some, or where `*stop`: this was interrupted.
 */
static bool train_free(const struct comparison *comparison, size_t *complete, bool *stop, struct failure *failure) {
    const size_t runs = comparison->count * comparison->seeds;
    *complete = 0;
    *stop = false;
    for (size_t i = 0; i < runs && !*stop; ++i) {
        struct run_result *result;
        if (!train_one(comparison, i, &result, failure))
            return false;
        *complete += result->complete;
        *stop = !result->complete && !result->elsewhere;
    }
    return true;
}

/* All runs, together with other processes that were started with the same command. */
static bool train_all(const struct comparison *comparison, struct failure *failure) {
    const size_t runs = comparison->count * comparison->seeds;
    const bool choosing = comparison->trainer->options.held_out != 0;
    for (int pass = 0;; ++pass) { /* the second finds what others have completed during the first */
        size_t complete = 0;
        bool stop = false;
        if (!train_free(comparison, &complete, &stop, failure))
            return false;
        if (complete == runs)
            return true;
        if (!stop && pass == 1)
            note_print("clmp-train", NULL, "waiting for other processes, which are at %zu of %zu runs", runs - complete,
                       runs);
        if (!stop && pass > 0)
            sleep(WAIT_SECONDS); /* or until a signal */
        if (stop || run_interrupted()) {
            fprintf(stderr, "clmp-train: interrupted after %zu of %zu runs%s; the same command continues\n", complete,
                    runs, choosing ? " to choose from" : "");
            return true;
        }
    }
}

static bool begin(struct comparison *comparison, struct failure *failure) {
    comparison->results = calloc(comparison->count * comparison->seeds, sizeof *comparison->results);
    return comparison->results != NULL || fail_memory(failure, "the results");
}

static void end(struct comparison *comparison) {
    for (size_t i = 0; comparison->results != NULL && i < comparison->count * comparison->seeds; ++i)
        free(comparison->results[i].confusion);
    free(comparison->results);
}

/* Trains and reports; `*all`: nothing interrupted it. */
static bool train_and_report(struct comparison *comparison, bool *all, struct failure *failure) {
    if (!train_all(comparison, failure))
        return false;
    *all = true;
    for (size_t i = 0; i < comparison->count * comparison->seeds; ++i)
        *all = *all && comparison->results[i].complete;
    return !*all || report_write(comparison, failure);
}

/* On the validation split. */
static bool compare_all(const struct contest *contest, const struct choice *choice, struct failure *failure) {
    struct trainer trainer;
    struct comparison comparison = {.trainer = &trainer,
                                    .specs = contest->specs,
                                    .count = contest->count,
                                    .seeds = (size_t)contest->seeds,
                                    .folder = contest->folder,
                                    .choice = choice};
    bool all = false;
    const bool good = trainer_open(contest->engine, contest->team, contest->dataset, contest->classes, contest->options,
                                   &trainer, failure) &&
                      begin(&comparison, failure) && train_and_report(&comparison, &all, failure);
    end(&comparison);
    trainer_close(&trainer);
    return good;
}

/* ----------------------------------------------------------------------------------------------------------- choosing
 */

/* The first weighting is what the others are compared with.  Of these, each family's best: the largest mean IoU of the
 * classes that are held out, and of several that have it the first. */
static void choose(const struct comparison *comparison, double *mean_iou, bool *chosen) {
    for (size_t w = 0; w < comparison->count; ++w)
        mean_iou[w] = comparison_labelled_iou(comparison, w);
    for (size_t w = 0; w < comparison->count; ++w) {
        size_t best = w;
        for (size_t other = 1; w > 0 && other < comparison->count; ++other)
            if (spec_same_family(&comparison->specs[w], &comparison->specs[other]) &&
                (mean_iou[other] > mean_iou[best] || (other < best && mean_iou[other] >= mean_iou[best])))
                best = other;
        chosen[w] = best == w;
    }
}

/* Trains on what is not held out, and chooses on that. */
static bool find_choice(const struct contest *contest, const struct holdout *holdout, double *mean_iou, bool *chosen,
                        bool *all, struct failure *failure) {
    struct trainer trainer = {.engine = NULL};
    struct trainer_options of_parts = *contest->options;
    of_parts.held_out = holdout->hash;
    of_parts.shown = NULL; /* it names an image of the validation split */
    char folder[FILE_PATH];
    struct comparison comparison = {.trainer = &trainer,
                                    .specs = contest->specs,
                                    .count = contest->count,
                                    .seeds = (size_t)contest->choose_seeds,
                                    .folder = folder};
    const bool good =
        file_path(folder, failure, "%s/choice", contest->folder) &&
        trainer_open(contest->engine, contest->team, &holdout->parts, contest->classes, &of_parts, &trainer, failure) &&
        begin(&comparison, failure) && train_and_report(&comparison, all, failure);
    if (good && *all)
        choose(&comparison, mean_iou, chosen);
    end(&comparison);
    trainer_close(&trainer);
    return good;
}

/* Reads all images once, so that what is damaged is found before hours of training; nothing of them is kept. */
static bool check_validation(const struct dataset *dataset, const struct classes *classes, struct failure *failure) {
    struct pictures pictures;
    bool good = pictures_open(&dataset->val, classes, 0, &pictures, failure);
    for (size_t i = 0; good && i < dataset->val.count; ++i) {
        struct picture picture;
        good = pictures_get(&pictures, i, &picture, failure);
        if (good)
            pictures_done(&pictures, i, &picture);
    }
    pictures_close(&pictures);
    return good;
}

/* Reports what was chosen. */
static bool compare_chosen(const struct contest *contest, const struct choice *choice, struct failure *failure) {
    struct spec *specs = calloc(contest->count, sizeof *specs);
    if (specs == NULL)
        return fail_memory(failure, "the weightings");
    struct contest of_chosen = *contest;
    of_chosen.specs = specs;
    of_chosen.count = 0;
    for (size_t w = 0; w < contest->count; ++w)
        if (choice->chosen[w])
            specs[of_chosen.count++] = contest->specs[w];
    const bool good = compare_all(&of_chosen, choice, failure);
    free(specs);
    return good;
}

static bool choose_and_compare(const struct contest *contest, struct failure *failure) {
    char words[512], path[FILE_PATH];
    struct holdout holdout = {.fraction = 0.0};
    bool all = false;
    double *mean_iou = calloc(contest->count, sizeof *mean_iou);
    bool *chosen = calloc(contest->count, sizeof *chosen);
    bool good = mean_iou != NULL && chosen != NULL;
    if (!good)
        fail_memory(failure, "the weightings");
    good = good && holdout_make(contest->dataset, contest->choose_on, &holdout, failure);
    const struct choice choice = {&holdout, contest->specs, contest->count,
                                  mean_iou, chosen,         (size_t)contest->choose_seeds};
    good = good && file_path(path, failure, "%s/comparison.json", contest->folder) &&
           report_check_choice(path, &choice, failure) && check_validation(contest->dataset, contest->classes, failure);
    if (good) {
        holdout_words(&holdout, words, sizeof words);
        note_print("clmp-train", NULL, "settings are chosen on %s", words);
    }
    good = good && find_choice(contest, &holdout, mean_iou, chosen, &all, failure) &&
           (!all || compare_chosen(contest, &choice, failure));
    holdout_free(&holdout);
    free(mean_iou);
    free(chosen);
    return good;
}

bool compare(const struct contest *contest, struct failure *failure) {
    return contest->choose_on > 0.0 ? choose_and_compare(contest, failure) : compare_all(contest, NULL, failure);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

#include "evolution.h"
#include "files.h"
#include "numbers.h"
#include "plot.h"
#include "run.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const figure_names[FIGURES] = {"mean IoU", "mean class accuracy", "pixel accuracy"};

/* ------------------------------------------------------------------------------------------------------------ tables
 */

/* Text that grows. */
struct growing {
    char *at; /* NULL: no memory */
    size_t used, size;
};

static void put(struct growing *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct growing *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    const size_t wanted = text->used + (size_t)(length > 0 ? length : 0) + 1;
    if (wanted > text->size) {
        char *more = realloc(text->at, 2 * wanted);
        if (more == NULL) {
            free(text->at);
            *text = (struct growing){NULL, 0, SIZE_MAX}; /* and no more is tried */
            return;
        }
        text->at = more;
        text->size = 2 * wanted;
    }
    if (text->at == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text->at + text->used, text->size - text->used, format, arguments);
    va_end(arguments);
    text->used += (size_t)length;
}

/* The first ten characters of a name, at the right of ten columns. */
static void put_name(struct growing *text, const char *name) {
    enum { COLUMNS = 10 };
    const size_t bytes = text_cut(name, COLUMNS);
    size_t characters = 0;
    for (size_t i = 0; i < bytes; ++i)
        characters += ((unsigned char)name[i] & 0xc0) != 0x80;
    put(text, "  %*s%.*s", (int)(COLUMNS - characters), "", (int)bytes, name);
}

/* A cell of a CSV file, as RFC 4180 has it where a name holds a comma or a quote. */
static void put_cell(struct growing *text, const char *before, const char *name) {
    const bool quoted = strpbrk(name, ",\"") != NULL;
    put(text, quoted ? ",\"%s" : ",%s", before);
    for (; *name != '\0'; ++name)
        put(text, quoted && *name == '"' ? "\"%c" : "%c", *name);
    if (quoted)
        put(text, "\"");
}

static void put_share(struct growing *text, double share) {
    if (isnan(share))
        put(text, "%12s", "-");
    else
        put(text, "%12.1f", 100.0 * share);
}

/* A figure of a weighting, with what it has more than the first. */
static void make_cell(const struct comparison *comparison, size_t weighting, size_t number, char *cell, size_t size) {
    const struct figure figure = comparison_figure(comparison, weighting, number);
    char spread[24] = "", more[64] = "";
    if (comparison->seeds > 1)
        snprintf(spread, sizeof spread, " +- %.1f", 100.0 * figure.deviation);
    if (weighting > 0 && comparison->seeds > 1)
        snprintf(more, sizeof more, " (%+.1f +- %.1f, %zu/%zu)", 100.0 * figure.more, 100.0 * figure.more_deviation,
                 figure.better, comparison->seeds);
    else if (weighting > 0)
        snprintf(more, sizeof more, " (%+.1f)", 100.0 * figure.more);
    snprintf(cell, size, "%.1f%s%s", 100.0 * figure.mean, spread, more);
}

/* One row for each weighting; first the figures, as what is looked at first, then the classes. */
static void make_table(const struct comparison *comparison, struct growing *text) {
    const struct classes *classes = comparison->trainer->classes;
    const bool several = comparison->seeds > 1;
    const int column = several ? 31 : 19;
    char cell[128];
    size_t width = 9;
    for (size_t w = 0; w < comparison->count; ++w)
        width = strlen(comparison->specs[w].text) > width ? strlen(comparison->specs[w].text) : width;
    put(text, "%% on %zu validation image%s, mean over %zu seed%s", comparison->trainer->val.split->count,
        plural_s(comparison->trainer->val.split->count), comparison->seeds, several ? "s +- standard deviation" : "");
    put(text, "; in brackets: more than %s in the same seed%s\n\n%-*s", comparison->specs[0].text,
        several ? ", and in how many seeds" : "", (int)width, "");
    for (size_t f = 0; f < FIGURES; ++f)
        put(text, "  %-*s", f + 1 < FIGURES ? column : 0, figure_names[f]);
    put(text, "\n");
    for (size_t w = 0; w < comparison->count; ++w) {
        put(text, "%-*s", (int)width, comparison->specs[w].text);
        for (size_t f = 0; f < FIGURES; ++f) {
            make_cell(comparison, w, classes->count + f, cell, sizeof cell);
            put(text, "  %-*s", f + 1 < FIGURES ? column : 0, cell);
        }
        put(text, "\n");
    }
    put(text, "\nIoU of each class\n\n%-*s", (int)width, "");
    for (size_t c = 0; c < classes->count; ++c)
        put_name(text, classes->names[c]);
    put(text, "\n");
    for (size_t w = 0; w < comparison->count; ++w) {
        put(text, "%-*s", (int)width, comparison->specs[w].text);
        for (size_t c = 0; c < classes->count; ++c)
            put_share(text, comparison_figure(comparison, w, c).mean);
        put(text, "\n");
    }
}

/* One row for each run, and nothing but numbers. */
static void make_csv(const struct comparison *comparison, struct growing *text) {
    const struct classes *classes = comparison->trainer->classes;
    put(text, "weighting,seed,mean_iou,mean_class_accuracy,pixel_accuracy");
    for (size_t c = 0; c < classes->count; ++c)
        put_cell(text, "iou_", classes->names[c]);
    put(text, "\n");
    for (size_t w = 0; w < comparison->count; ++w)
        for (size_t seed = 0; seed < comparison->seeds; ++seed) {
            put(text, "%s,%zu", comparison->specs[w].text, seed + 1);
            for (size_t i = 0; i < classes->count + FIGURES; ++i) {
                const double number =
                    comparison_number(comparison, w, seed, i < FIGURES ? classes->count + i : i - FIGURES);
                if (isnan(number))
                    put(text, ",");
                else
                    put(text, ",%.5f", number);
            }
            put(text, "\n");
        }
}

static bool write_text(const char *path, struct growing *text, struct failure *failure) {
    const bool good = text->at != NULL ? file_text(path, text->at, failure) : fail_memory(failure, path);
    free(text->at);
    return good;
}

static bool write_all(const struct comparison *comparison, struct failure *failure) {
    struct growing table = {NULL, 0, 0}, csv = {NULL, 0, 0};
    char path[FILE_PATH];
    make_table(comparison, &table);
    make_csv(comparison, &csv);
    if (table.at != NULL)
        fputs(table.at, stdout);
    bool good = file_path(path, failure, "%s/table.txt", comparison->folder);
    good = write_text(path, &table, failure) && good;
    good = good && file_path(path, failure, "%s/table.csv", comparison->folder);
    good = write_text(path, &csv, failure) && good;
    if (good && file_path(path, failure, "%s/plot.png", comparison->folder))
        good = plot_write(comparison, path, failure);
    if (good && file_path(path, failure, "%s/evolution.png", comparison->folder))
        good = evolution_write(comparison, path, failure);
    if (good)
        printf("\nalso in %s: table.txt, table.csv, plot.png, evolution.png\n", comparison->folder);
    return good;
}

/* ------------------------------------------------------------------------------------------------------------- runs */

/* All weightings of a seed, then the next seed: whoever looks early sees all of them. */
static bool train_all(struct trainer *trainer, const struct comparison *comparison, struct failure *failure) {
    char folder[FILE_PATH], name[SPEC_TEXT + 64];
    const size_t runs = comparison->count * comparison->seeds;
    for (size_t i = 0; i < runs; ++i) {
        const size_t seed = i / comparison->count, w = i % comparison->count;
        struct run_result *result = &comparison->results[w * comparison->seeds + seed];
        snprintf(name, sizeof name, "%zu/%zu %s, seed %zu", i + 1, runs, comparison->specs[w].text, seed + 1);
        if (!file_path(folder, failure, "%s/%s/seed-%zu", comparison->folder, comparison->specs[w].folder, seed + 1) ||
            !run_train(trainer, &comparison->specs[w], seed + 1, folder, name, result, failure))
            return false;
        if (!result->complete) {
            fprintf(stderr, "clmp-train: interrupted after %zu of %zu runs; the same command continues\n", i, runs);
            return true;
        }
    }
    return true;
}

bool compare(struct trainer *trainer, const struct spec *specs, size_t count, uint64_t seeds, const char *folder,
             struct failure *failure) {
    struct comparison comparison = {trainer, specs, count, (size_t)seeds, folder, NULL};
    comparison.results = calloc(count * comparison.seeds, sizeof *comparison.results);
    if (comparison.results == NULL)
        return fail_memory(failure, "the results");
    bool good = train_all(trainer, &comparison, failure);
    bool all = true;
    for (size_t i = 0; i < count * comparison.seeds; ++i)
        all = all && comparison.results[i].complete;
    if (good && all)
        good = write_all(&comparison, failure);
    for (size_t i = 0; i < count * comparison.seeds; ++i)
        free(comparison.results[i].confusion);
    free(comparison.results);
    return good;
}

void compare_print_one(const struct classes *classes, const struct run_result *result) {
    double iou[MOST_CLASSES], accuracy[MOST_CLASSES];
    clmp_metrics metrics;
    clmp_confusion_metrics(result->confusion, classes->count, &metrics, iou, accuracy);
    printf("%-20s  %7s  %8s\n", "class", "IoU", "accuracy");
    for (size_t c = 0; c < classes->count; ++c)
        if (isnan(iou[c]))
            printf("%-20s  %7s  %8s\n", classes->names[c], "-", "-");
        else if (isnan(accuracy[c]))
            printf("%-20s  %6.1f%%  %8s\n", classes->names[c], 100.0 * iou[c], "-");
        else
            printf("%-20s  %6.1f%%  %7.1f%%\n", classes->names[c], 100.0 * iou[c], 100.0 * accuracy[c]);
    printf("%-20s  %6.1f%%  %7.1f%%\npixel accuracy %.1f%%\n", "mean", 100.0 * metrics.mean_iou,
           100.0 * metrics.mean_accuracy, 100.0 * metrics.pixel_accuracy);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include "curves.h"
#include "evolution.h"
#include "files.h"
#include "numbers.h"
#include "plot.h"
#include "report_json.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 24 }; /* of classes beside each other, in the table */

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

/* The width of a column of weightings. */
static size_t longest_name(const struct spec *specs, size_t count) {
    size_t width = 9;
    for (size_t w = 0; w < count; ++w)
        width = strlen(specs[w].text) > width ? strlen(specs[w].text) : width;
    return width;
}

/* What a weighting has more than the first in the same seed, and how sure that is. */
static void put_intervals(const struct comparison *comparison, int width, struct growing *text) {
    enum { COLUMN = 24 };
    put(text,
        "\nmore than %s in the same seed, points: mean and its interval of 95 %% (Student's t, %zu seeds)\n\n%-*s",
        comparison->specs[0].text, comparison->seeds, width, "");
    for (size_t f = 0; f < FIGURES; ++f)
        put(text, "  %-*s", f + 1 < FIGURES ? COLUMN : 0, figure_names[f]);
    put(text, "\n");
    for (size_t w = 1; w < comparison->count; ++w) {
        put(text, "%-*s", width, comparison->specs[w].text);
        for (size_t f = 0; f < FIGURES; ++f) {
            const struct figure figure = comparison_figure(comparison, w, comparison->trainer->classes->count + f);
            char cell[64];
            snprintf(cell, sizeof cell, "%+.2f [%+.2f, %+.2f]", 100.0 * figure.more,
                     100.0 * (figure.more - figure.half), 100.0 * (figure.more + figure.half));
            put(text, "  %-*s", f + 1 < FIGURES ? COLUMN : 0, cell);
        }
        put(text, "\n");
    }
}

static void put_choice(const struct choice *choice, struct growing *text) {
    char words[512];
    const int width = (int)longest_name(choice->specs, choice->count);
    holdout_words(choice->holdout, words, sizeof words);
    put(text,
        "\nchosen on %s: mean IoU of the classes there, %%, mean over %zu seed%s; each family's best is reported "
        "above\n\n",
        words, choice->seeds, plural_s(choice->seeds));
    for (size_t w = 0; w < choice->count; ++w)
        put(text, "%-*s  %5.1f%s\n", width, choice->specs[w].text, 100.0 * choice->mean_iou[w],
            w == 0              ? "  what the others are compared with"
            : choice->chosen[w] ? "  chosen"
                                : "");
}

static void put_origin(const struct comparison *comparison, struct growing *text) {
    const struct origin *origin = comparison->trainer->options.origin;
    put(text, "\n%zu runs of %" PRIu64 " steps by clmp-train %s, %.3g hours of training on %s\n",
        comparison->count * comparison->seeds, comparison->trainer->options.steps, clmp_version(),
        comparison_hours(comparison), origin->machine);
    if (origin->note != NULL)
        put(text, "%s\n", origin->note);
    put(text, "again: %s\n", origin->command);
}

/* The IoU of each class: one row for each weighting. */
static void put_classes_in_columns(const struct comparison *comparison, int width, struct growing *text) {
    const struct classes *classes = comparison->trainer->classes;
    put(text, "\nIoU of each class\n\n%-*s", width, "");
    for (size_t c = 0; c < classes->count; ++c)
        put_name(text, classes->names[c]);
    put(text, "\n");
    for (size_t w = 0; w < comparison->count; ++w) {
        put(text, "%-*s", width, comparison->specs[w].text);
        for (size_t c = 0; c < classes->count; ++c)
            put_share(text, comparison_figure(comparison, w, c).mean);
        put(text, "\n");
    }
}

/* The same where a row would be too long to read: one row for each class, and columns with numbers for names. */
static void put_classes_in_rows(const struct comparison *comparison, struct growing *text) {
    const struct classes *classes = comparison->trainer->classes;
    put(text, "\nIoU of each class; columns are the weightings in the order above\n\n");
    for (size_t w = 0; w < comparison->count; ++w)
        put(text, "%12zu", w + 1);
    put(text, "\n");
    for (size_t c = 0; c < classes->count; ++c) {
        for (size_t w = 0; w < comparison->count; ++w)
            put_share(text, comparison_figure(comparison, w, c).mean);
        put(text, "  %s\n", classes->names[c]);
    }
}

/* First the figures, as what is looked at first: one row for each weighting.  Then the classes. */
static void make_table(const struct comparison *comparison, struct growing *text) {
    const struct classes *classes = comparison->trainer->classes;
    const bool several = comparison->seeds > 1;
    const int column = several ? 31 : 19;
    char cell[128];
    const size_t width = longest_name(comparison->specs, comparison->count);
    put(text, "%% on %zu %s image%s, mean over %zu seed%s", comparison->trainer->val.split->count,
        trainer_judges_on(comparison->trainer), plural_s(comparison->trainer->val.split->count), comparison->seeds,
        several ? "s +- standard deviation" : "");
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
    if (several && comparison->count > 1)
        put_intervals(comparison, (int)width, text);
    if (classes->count <= MOST_COLUMNS)
        put_classes_in_columns(comparison, (int)width, text);
    else
        put_classes_in_rows(comparison, text);
    if (comparison->choice != NULL)
        put_choice(comparison->choice, text);
    put_origin(comparison, text);
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

bool report_write(const struct comparison *comparison, struct failure *failure) {
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
    good = good && file_path(path, failure, "%s/curves.png", comparison->folder) &&
           curves_write(comparison, path, failure);
    if (good && file_path(path, failure, "%s/plot.png", comparison->folder))
        good = plot_write(comparison, path, failure);
    if (good && file_path(path, failure, "%s/evolution.png", comparison->folder))
        good = evolution_write(comparison, path, failure);
    if (good && file_path(path, failure, "%s/comparison.json", comparison->folder))
        good = report_json(comparison, path, failure);
    if (good)
        printf("\nalso in %s: table.txt, table.csv, comparison.json, plot.png, curves.png, evolution.png\n",
               comparison->folder);
    return good;
}

void report_print_one(const struct classes *classes, const struct run_result *result) {
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool report_flush(struct failure *failure) {
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail_with(failure, EXIT_OF_INPUT, "cannot write to standard output: %s",
                         errno != 0 ? strerror(errno) : "an earlier write failed");
    return true;
}

json_t *report_name(const char *name) {
    json_t *string = json_string(name);
    if (string != NULL)
        return string;
    char *ascii = strdup(name); /* it was not UTF-8 */
    for (char *c = ascii; c != NULL && *c != '\0'; ++c)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = ascii != NULL ? json_string(ascii) : NULL;
    free(ascii);
    return string;
}

bool report_json(json_t *object, struct failure *failure) {
    /* 17 digits: the number is the float's value, to the last bit */
    char *text = object != NULL ? json_dumps(object, JSON_REAL_PRECISION(17) | JSON_INDENT(2)) : NULL;
    json_decref(object);
    if (text == NULL)
        return fail_memory(failure, "the JSON");
    puts(text);
    free(text);
    return report_flush(failure);
}

static json_t *json_float(float value) {
    return isfinite(value) ? json_real((double)value) : json_null();
}

static json_t *json_count(cl_ulong value) {
    return json_integer((json_int_t)value);
}

static const char *solver_name(clmp_solver solver) {
    return solver == CLMP_SOLVER_SORT ? "sort" : "search";
}

/* One result as an object that can be read alone: with the device and the solver that it comes from. */
static json_t *json_result(const struct report *report, const struct options *options, const clmp_result *result) {
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "loss", json_float(result->loss), "alpha",
                  json_float(result->alpha), "tau", json_float(result->tau), "support", json_count(result->support),
                  "valid", json_count(result->valid), "ignored", json_count(result->ignored), "invalid_labels",
                  json_count(result->invalid_labels), "nonfinite", json_count(result->nonfinite));
    if (object == NULL ||
        (json_object_set_new(object, "device", report_name(report->device)) == 0 &&
         json_object_set_new(object, "solver", json_string(solver_name(options->params.solver))) == 0))
        return object;
    json_decref(object);
    return NULL;
}

static bool print_json(const struct report *report, const struct options *options, struct failure *failure) {
    json_t *object = json_result(report, options, &report->results[0]);
    bool good = object != NULL;
    if (options->params.scope == CLMP_SCOPE_IMAGE) {
        json_t *images = json_array();
        for (size_t i = 1; i < report->count; ++i)
            good = json_array_append_new(images, json_result(report, options, &report->results[i])) == 0 && good;
        good = json_object_set_new(object, "images", images) == 0 && good;
    }
    if (!good) {
        json_decref(object);
        object = NULL;
    }
    return report_json(object, failure);
}

static void print_float(const char *name, float value, const char *meaning) {
    printf("  %-15s%14.7g   %s\n", name, (double)value, meaning);
}

static void print_count(const char *name, cl_ulong value, const char *meaning) {
    printf("  %-15s%14" PRIu64 "   %s\n", name, (uint64_t)value, meaning);
}

static void print_images(const struct report *report) {
    printf("\n  %5s %14s %14s %14s %12s %12s\n", "image", "loss", "alpha", "tau", "support", "valid");
    for (size_t i = 1; i < report->count; ++i) {
        const clmp_result *r = &report->results[i];
        printf("  %5zu %14.7g %14.7g %14.7g %12" PRIu64 " %12" PRIu64 "\n", i - 1, (double)r->loss, (double)r->alpha,
               (double)r->tau, (uint64_t)r->support, (uint64_t)r->valid);
    }
}

static void print_listing(const struct report *report, const struct options *options, bool labels) {
    const clmp_result *r = &report->results[0];
    const bool images = options->params.scope == CLMP_SCOPE_IMAGE;
    char text[96];
    printf("loss max-pooling, p = %g, support = %g, on %s, by %s\n", options->params.p, options->params.support,
           report->device, solver_name(options->params.solver));
    if (report->note != NULL)
        puts(report->note);
    puts("");
    if (r->valid == 0)
        snprintf(text, sizeof text, "no pixel is valid");
    else
        snprintf(text, sizeof text, images ? "mean of the images' pooled losses" : "pooled loss L");
    print_float("loss", r->loss, text);
    if (!images || report->count == 2) {
        print_float("alpha", r->alpha,
                    r->alpha > 0.0f ? "losses above it have full weight" : "every loss above 0 has full weight");
        print_float("tau", r->tau, "full weight of a pixel");
    }
    if (r->valid > 0)
        snprintf(text, sizeof text, "pixels at full weight, %.3g%% of the valid",
                 100.0 * (double)r->support / (double)r->valid);
    else
        snprintf(text, sizeof text, "pixels at full weight");
    print_count("support", r->support, text);
    print_count("valid", r->valid, "pixels that take part");
    if (labels) {
        snprintf(text, sizeof text, "pixels with label %" PRId64, options->params.ignore_index);
        print_count("ignored", r->ignored, text);
        print_count("invalid labels", r->invalid_labels, "pixels whose label is no class");
    }
    print_count("nonfinite", r->nonfinite, "pixels whose loss is NaN or infinite");
    if (images)
        print_images(report);
    for (size_t i = 0; i < report->outputs->count; ++i)
        printf("%s%s (%s)\n", i == 0 ? "\nwritten: " : "         ", report->outputs->list[i].path,
               report->outputs->list[i].option);
}

bool report_print(const struct report *report, const struct options *options, struct failure *failure) {
    if (report->outputs->to_stdout)
        return true; /* it is a file's now */
    if (options->json)
        return print_json(report, options, failure);
    print_listing(report, options, options->operands[1] != NULL);
    return report_flush(failure);
}

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
    const size_t flags = JSON_REAL_PRECISION(17) | JSON_INDENT(2);
    /* not json_dumps(): jansson 2.14 leaves out a key where its text cannot grow, and says nothing */
    const size_t size = object != NULL ? json_dumpb(object, NULL, 0, flags) : 0;
    char *text = size != 0 ? malloc(size + 1) : NULL;
    const bool good = text != NULL && json_dumpb(object, text, size, flags) == size;
    json_decref(object);
    if (!good) {
        free(text);
        return fail_memory(failure, "the JSON");
    }
    text[size] = '\0';
    puts(text);
    free(text);
    return report_flush(failure);
}

static json_t *json_shape(const uint64_t *shape, size_t dims) {
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < dims; ++i)
        if (json_array_append_new(array, json_integer((json_int_t)shape[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

int report_add_shape(json_t *object, const struct pair_shape *shape) {
    return json_object_set_new(object, "logits_shape", json_shape(shape->logits, 4)) == 0 &&
                   json_object_set_new(object, "labels_shape", json_shape(shape->labels, 2)) == 0
               ? 0
               : -1;
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
static json_t *json_result(const char *device, const struct options *options, const clmp_result *result) {
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "loss", json_float(result->loss), "alpha",
                  json_float(result->alpha), "tau", json_float(result->tau), "support", json_count(result->support),
                  "valid", json_count(result->valid), "ignored", json_count(result->ignored), "invalid_labels",
                  json_count(result->invalid_labels), "nonfinite", json_count(result->nonfinite));
    if (object == NULL ||
        (json_object_set_new(object, "device", report_name(device)) == 0 &&
         json_object_set_new(object, "criterion", json_string(options_loss_name(options->params.loss))) == 0 &&
         json_object_set_new(object, "weighting", json_string(options_weighting_name(options->params.weighting))) ==
             0 &&
         json_object_set_new(object, "solver", json_string(solver_name(options->params.solver))) == 0))
        return object;
    json_decref(object);
    return NULL;
}

/* The step that a sampled problem was drawn by. */
static bool add_step(json_t *object, const struct options *options, uint64_t step) {
    return options->params.weighting != CLMP_WEIGHTING_BALANCED ||
           json_object_set_new(object, "step",
                               step <= INT64_MAX ? json_integer((json_int_t)step) : json_real((double)step)) == 0;
}

static bool add_range(json_t *object, const clmp_gradient_range *range) {
    return range == NULL || (json_object_set_new(object, "gradient_overflowed", json_count(range->overflowed)) == 0 &&
                             json_object_set_new(object, "gradient_underflowed", json_count(range->underflowed)) == 0);
}

static bool print_json(const struct report *report, const struct options *options, struct failure *failure) {
    json_t *object = json_result(report->device, options, &report->results[0]);
    bool good = object != NULL && add_step(object, options, options->step) && add_range(object, report->range) &&
                (report->shape == NULL || report_add_shape(object, report->shape) == 0);
    if (options->params.scope == CLMP_SCOPE_IMAGE && report->shape != NULL) { /* only logits come in images */
        json_t *images = json_array();
        for (size_t i = 1; i < report->count; ++i) {
            json_t *image = json_result(report->device, options, &report->results[i]);
            struct pair_shape alone = *report->shape;
            alone.logits[0] = 1;
            const bool shaped = report_add_shape(image, &alone) == 0;
            good = json_array_append_new(images, image) == 0 && shaped && good;
        }
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

/* "loss max-pooling, p = 1.7, support = 0.25, on DEVICE, by search", of one problem or a list of them */
static void print_title(const struct options *options, const char *device, size_t problems) {
    const clmp_plan_params *params = &options->params;
    switch (params->weighting) {
    case CLMP_WEIGHTING_LMP:
        printf("loss max-pooling, p = %g, support = %g", params->p, params->support);
        break;
    case CLMP_WEIGHTING_UNIFORM:
        printf("uniform average");
        break;
    case CLMP_WEIGHTING_TOPK:
        if (params->topk_count != 0)
            printf("top-k average, count = %" PRIu64, params->topk_count);
        else
            printf("top-k average, support = %g", params->support);
        break;
    case CLMP_WEIGHTING_OHEM:
        printf("online hard example mining, thresh = %g, min-kept = %" PRIu64, params->ohem_thresh,
               params->ohem_min_kept);
        break;
    case CLMP_WEIGHTING_BALANCED:
        printf("class-balanced sampling, %s, seed = %" PRIu64 ", step = %" PRIu64,
               options_sampling_name(params->sampling), params->seed, options->step);
        if (problems > 1)
            printf(" to %" PRIu64 " (each pair's is one more)", options->step + (problems - 1));
        break;
    }
    if (params->loss != CLMP_LOSS_CROSS_ENTROPY)
        printf(", of %s", options_loss_name(params->loss));
    if (params->normalise == CLMP_NORMALISE_WEIGHTS)
        printf(", by class weights");
    if (params->label_smoothing > 0.0)
        printf(", label smoothing %g", params->label_smoothing);
    printf(", on %s", device);
    if (params->weighting != CLMP_WEIGHTING_BALANCED)
        printf(", by %s", solver_name(params->solver));
    puts("");
}

static void print_listing(const struct report *report, const struct options *options, bool labels) {
    const clmp_result *r = &report->results[0];
    const bool images = options->params.scope == CLMP_SCOPE_IMAGE;
    char text[96], shape[PAIR_SHAPE_TEXT];
    print_title(options, report->device, 1);
    if (report->shape != NULL)
        puts(pair_shape_text(report->shape, options->params.align_corners, shape));
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
    if (report->range != NULL) {
        const bool half = report->type == CLMP_FLOAT16;
        print_count("overflowed", report->range->overflowed,
                    half ? "elements of the gradient that are infinite in float16"
                         : "elements of the gradient beyond float32");
        if (half)
            print_count("underflowed", report->range->underflowed,
                        "elements of the gradient that are 0 in float16 alone");
    }
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
    print_listing(report, options, options->operand_count == 2);
    return report_flush(failure);
}

/* The mean of the losses, rounded once; the sums of the counts. */
static clmp_result total_of(const clmp_result *results, size_t count) {
    clmp_result total = {.loss = 0.0f};
    double losses = 0.0;
    size_t used = 0;
    for (size_t i = 0; i < count; ++i) {
        const clmp_result *r = &results[i];
        losses += r->valid > 0 ? (double)r->loss : 0.0;
        used += r->valid > 0;
        total.support += r->support;
        total.valid += r->valid;
        total.ignored += r->ignored;
        total.invalid_labels += r->invalid_labels;
        total.nonfinite += r->nonfinite;
        total.pixels += r->pixels;
    }
    total.loss = used > 0 ? (float)(losses / (double)used) : 0.0f;
    return total;
}

static bool print_json_list(const struct pairs *pairs, const clmp_result *results, const struct pair_shape *shapes,
                            const char *device, const struct options *options, struct failure *failure) {
    const clmp_result total = total_of(results, pairs->count);
    json_t *object = json_result(device, options, &total), *list = json_array();
    bool good = object != NULL && list != NULL;
    for (size_t i = 0; i < pairs->count; ++i) {
        json_t *pair = json_result(device, options, &results[i]);
        good = add_step(pair, options, options->step + i) && good;
        good = json_object_set_new(pair, "logits", report_name(pairs->paths[i].logits)) == 0 &&
               json_object_set_new(pair, "labels", report_name(pairs->paths[i].labels)) == 0 &&
               report_add_shape(pair, &shapes[i]) == 0 && good;
        good = json_array_append_new(list, pair) == 0 && good;
    }
    good = json_object_set_new(object, "pairs", list) == 0 && good;
    if (!good) {
        json_decref(object);
        object = NULL;
    }
    return report_json(object, failure);
}

enum { NAME = 36 };

/* A name in NAME characters: of a long one the end, and nothing that would steer a terminal. */
static void short_name(const char *name, char text[NAME + 1]) {
    const size_t length = strlen(name);
    if (length > NAME)
        snprintf(text, NAME + 1, "...%s", name + length - (NAME - 3));
    else
        snprintf(text, NAME + 1, "%s", name);
    for (char *c = text; *c != '\0'; ++c)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

static void print_pair(const char *name, const clmp_result *r, bool pool) {
    char text[NAME + 1];
    short_name(name, text);
    printf("  %-*s %12.7g", NAME, text, (double)r->loss);
    if (pool)
        printf(" %12.7g %12.7g", (double)r->alpha, (double)r->tau);
    else
        printf(" %12s %12s", "", "");
    printf(" %11" PRIu64 " %11" PRIu64 "\n", (uint64_t)r->support, (uint64_t)r->valid);
}

bool report_list(const struct pairs *pairs, const clmp_result *results, const struct pair_shape *shapes,
                 const char *device, const struct options *options, struct failure *failure) {
    char shape[PAIR_SHAPE_TEXT];
    if (options->json)
        return print_json_list(pairs, results, shapes, device, options, failure);
    const clmp_result total = total_of(results, pairs->count);
    print_title(options, device, pairs->count);
    printf("%s%s\n", pair_shape_text(&shapes[0], options->params.align_corners, shape),
           pairs->count > 1 ? ", the first pair" : "");
    printf("\n  %-36s %12s %12s %12s %11s %11s\n", "logits", "loss", "alpha", "tau", "support", "valid");
    for (size_t i = 0; i < pairs->count; ++i)
        print_pair(pairs->paths[i].logits, &results[i],
                   options->params.scope == CLMP_SCOPE_BATCH || results[i].tau > 0.0f);
    print_pair("mean loss, and sums", &total, false);
    printf("\n");
    print_count("ignored", total.ignored, "pixels with the ignored label");
    print_count("invalid labels", total.invalid_labels, "pixels whose label is no class");
    print_count("nonfinite", total.nonfinite, "pixels whose loss is NaN or infinite");
    return report_flush(failure);
}

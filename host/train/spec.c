/* SPDX-License-Identifier: Apache-2.0 */
#include "spec.h"

#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool find_name(const char *text, const char *(*name_of)(int), int count, int *index) {
    for (*index = 0; *index < count; ++*index)
        if (strcmp(text, name_of(*index)) == 0)
            return true;
    return false;
}

static const char *weighting_name(int i) {
    return options_weighting_name((clmp_weighting)i);
}
static const char *scheme_name(int i) {
    return options_scheme_name((clmp_class_scheme)i);
}
static const char *sampling_name(int i) {
    return options_sampling_name((clmp_sampling)i);
}
static const char *loss_name(int i) {
    return options_loss_name((clmp_loss)i);
}
static const char *scope_name(int i) {
    return i == 0 ? "batch" : "image";
}

static bool read_number(const char *text, double *value) {
    char *end = NULL;
    errno = 0;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && !isnan(*value);
}

static bool read_name_key(const char *key, const char *value, clmp_plan_params *params, bool *known) {
    int index = 0;
    bool good = true;
    if (strcmp(key, "scope") == 0) {
        good = find_name(value, scope_name, 2, &index);
        params->scope = (clmp_scope)index;
    } else if (strcmp(key, "sampling") == 0) {
        good = find_name(value, sampling_name, 3, &index);
        params->sampling = (clmp_sampling)index;
    } else if (strcmp(key, "loss") == 0) {
        good = find_name(value, loss_name, 2, &index); /* the multi-class ones */
        params->loss = (clmp_loss)index;
    } else {
        *known = false;
    }
    return good;
}

static bool read_key(const char *key, const char *value, struct spec *spec, struct failure *failure) {
    clmp_plan_params *params = &spec->params;
    const struct {
        const char *name;
        double *number;
        uint64_t *whole;
    } keys[] = {
        {"p", &params->p, NULL},
        {"support", &params->support, NULL},
        {"count", NULL, &params->topk_count},
        {"thresh", &params->ohem_thresh, NULL},
        {"min-kept", NULL, &params->ohem_min_kept},
        {"gamma", &params->focal_gamma, NULL},
        {"label-smoothing", &params->label_smoothing, NULL},
    };
    bool known = true, good = read_name_key(key, value, params, &known);
    for (size_t i = 0; !known && i < sizeof keys / sizeof *keys; ++i)
        if (strcmp(key, keys[i].name) == 0) {
            double number = 0.0;
            known = true;
            good = read_number(value, &number);
            if (keys[i].whole != NULL) {
                good = good && number >= 0.0 && number < 0x1p53 && floor(number) == number;
                *keys[i].whole = good ? (uint64_t)number : 0;
            } else {
                *keys[i].number = number; /* the library checks its range */
            }
        }
    if (!known)
        return fail_with(failure, EXIT_OF_INPUT,
                         "'%s': '%s' is no key, expected p, support, scope, count, thresh, min-kept, sampling, loss, "
                         "gamma or label-smoothing",
                         spec->text, key);
    return good || fail_with(failure, EXIT_OF_INPUT, "'%s': %s cannot be '%s'", spec->text, key, value);
}

static bool read_parts(char *text, struct spec *spec, struct failure *failure) {
    int index = 0;
    char *scheme = strchr(text, '+');
    if (scheme != NULL) {
        *scheme++ = '\0';
        if (!find_name(scheme, scheme_name, 6, &index))
            return fail_with(failure, EXIT_OF_INPUT,
                             "'%s': '%s' is no scheme of class weights, expected inverse, inverse-sqrt, median, "
                             "median-sqrt, enet or effective",
                             spec->text, scheme);
        spec->class_weighted = true;
        spec->scheme = (clmp_class_scheme)index;
    }
    char *keys = strchr(text, ':');
    if (keys != NULL)
        *keys++ = '\0';
    if (!find_name(text, weighting_name, 5, &index))
        return fail_with(failure, EXIT_OF_INPUT,
                         "'%s': '%s' is no weighting, expected lmp, uniform, topk, ohem or balanced", spec->text, text);
    spec->params.weighting = (clmp_weighting)index;
    while (keys != NULL) {
        char *next = strchr(keys, ':'), *equal = NULL;
        if (next != NULL)
            *next++ = '\0';
        equal = strchr(keys, '=');
        if (equal == NULL)
            return fail_with(failure, EXIT_OF_INPUT, "'%s': '%s' is not KEY=VALUE", spec->text, keys);
        *equal = '\0';
        if (!read_key(keys, equal + 1, spec, failure))
            return false;
        keys = next;
    }
    return true;
}

bool spec_read(const char *text, size_t length, struct spec *spec, struct failure *failure) {
    char parts[SPEC_TEXT];
    *spec = (struct spec){.class_weighted = false};
    clmp_plan_params_init(&spec->params);
    if (length == 0 || length >= SPEC_TEXT)
        return fail_with(failure, EXIT_OF_INPUT, "'%.*s': expected WEIGHTING[:KEY=VALUE]...[+CLASS_WEIGHTS]",
                         (int)length, text);
    memcpy(spec->text, text, length);
    memcpy(parts, spec->text, sizeof parts);
    for (size_t i = 0; i < length; ++i)
        spec->folder[i] = strchr(":=/", text[i]) != NULL ? '_' : text[i];
    return read_parts(parts, spec, failure);
}

bool specs_read(const char *text, struct spec **specs, size_t *count, struct failure *failure) {
    *specs = NULL;
    *count = 0;
    for (;;) {
        const size_t length = strcspn(text, ",");
        struct spec *more = realloc(*specs, (*count + 1) * sizeof *more);
        if (more == NULL)
            return fail_memory(failure, "the weightings");
        *specs = more;
        if (!spec_read(text, length, &more[*count], failure))
            return false;
        for (size_t i = 0; i < *count; ++i)
            if (strcmp(more[i].folder, more[*count].folder) == 0)
                return fail_with(failure, EXIT_OF_INPUT, "'%s' is given twice", more[i].text);
        ++*count;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

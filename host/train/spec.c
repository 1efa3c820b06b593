/* SPDX-License-Identifier: Apache-2.0 */
#include "spec.h"

#include "option_rules.h"
#include "options.h"

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

/* A name of several; which of these is `index`. */
static bool read_name(const struct spec *spec, const char *key, const char *value, const char *(*name_of)(int),
                      int count, int *index, struct failure *failure) {
    return find_name(value, name_of, count, index) ||
           fail_with(failure, EXIT_OF_INPUT, "'%s': %s cannot be '%s'", spec->text, key, value);
}

/* "'lmp:p=0.5': " in front of what is wrong with a number. */
static bool in_spec(const struct spec *spec, bool good, struct failure *failure) {
    if (!good)
        fail_before(failure, "'%s': ", spec->text);
    return good;
}

static bool read_key(const char *key, const char *value, struct spec *spec, unsigned *given, struct failure *failure) {
    clmp_plan_params *params = &spec->params;
    const struct {
        const char *name;
        unsigned parameter;
        bool (*read)(const char *name, const char *text, double *number, struct failure *failure); /* or a whole one */
        double *number;
        uint64_t *whole;
        uint64_t least;
    } keys[] = {
        {"p", PARAMETER_P, rules_read_p, &params->p, NULL, 0},
        {"support", PARAMETER_SUPPORT, rules_read_support, &params->support, NULL, 0},
        {"count", PARAMETER_COUNT, NULL, NULL, &params->topk_count, 1},
        {"thresh", PARAMETER_THRESH, rules_read_thresh, &params->ohem_thresh, NULL, 0},
        {"min-kept", PARAMETER_MIN_KEPT, NULL, NULL, &params->ohem_min_kept, 0},
        {"gamma", PARAMETER_GAMMA, rules_read_gamma, &params->focal_gamma, NULL, 0},
        {"label-smoothing", PARAMETER_LABEL_SMOOTHING, rules_read_smoothing, &params->label_smoothing, NULL, 0},
    };
    int index = 0;
    bool good = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i)
        if (strcmp(key, keys[i].name) == 0) {
            *given |= keys[i].parameter;
            good = keys[i].read != NULL
                       ? keys[i].read(key, value, keys[i].number, failure)
                       : rules_read_whole(key, value, keys[i].least, UINT64_MAX, keys[i].whole, failure);
            return in_spec(spec, good, failure);
        }
    if (strcmp(key, "scope") == 0) {
        good = read_name(spec, key, value, scope_name, 2, &index, failure);
        params->scope = (clmp_scope)index;
    } else if (strcmp(key, "sampling") == 0) {
        *given |= PARAMETER_SAMPLING;
        good = read_name(spec, key, value, sampling_name, 3, &index, failure);
        params->sampling = (clmp_sampling)index;
    } else if (strcmp(key, "loss") == 0) {
        good = read_name(spec, key, value, loss_name, 2, &index, failure); /* the multi-class ones */
        params->loss = (clmp_loss)index;
    } else {
        fail_with(failure, EXIT_OF_INPUT,
                  "'%s': '%s' is no key, expected p, support, scope, count, thresh, min-kept, sampling, loss, gamma or "
                  "label-smoothing",
                  spec->text, key);
    }
    return good;
}

static bool read_parts(char *text, struct spec *spec, struct failure *failure) {
    int index = 0;
    unsigned given = 0;
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
        if (!read_key(keys, equal + 1, spec, &given, failure))
            return false;
        keys = next;
    }
    return in_spec(spec, rules_apply(&spec->params, given, "", failure), failure);
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

bool spec_same_family(const struct spec *one, const struct spec *two) {
    return one->params.weighting == two->params.weighting && one->params.loss == two->params.loss &&
           one->class_weighted == two->class_weighted && (!one->class_weighted || one->scheme == two->scheme);
}

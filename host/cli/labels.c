/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include "png_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_TYPES (NPY_BIT(NPY_FLOAT16) - 1) /* whole numbers, all of them */

bool label_rules_read(const char *map, const int64_t *ignored, size_t ignored_count, struct label_rules *rules,
                      struct failure *failure) {
    *rules = (struct label_rules){.ignore_index = ignored[0], .ignored_count = ignored_count - 1};
    memcpy(rules->ignored, ignored + 1, rules->ignored_count * sizeof *ignored);
    return label_map_read(map, &rules->map, failure);
}

void label_rules_free(struct label_rules *rules) {
    label_map_free(&rules->map);
}

/* ----------------------------------------------------------------------------------------------------------- shapes */

/* Whether the sizes before H and W are those of label maps for the logits: N, or N and 1; for a binary loss N and C.
 * What is 1 may be left out. */
static bool planes_fit(const uint64_t *shape, size_t count, const struct logits *logits, bool binary) {
    if (logits == NULL)
        return count < 2 || shape[1] == 1;
    const uint64_t images = logits->images, channels = binary ? logits->classes : 1;
    if (count == 2)
        return shape[0] == images && shape[1] == channels;
    if (count == 1)
        return shape[0] == images * channels && (images == 1 || channels == 1);
    return images == 1 && channels == 1;
}

static bool fail_shape(const char *path, const uint64_t *shape, size_t dims, const struct logits *logits, bool binary,
                       struct failure *failure) {
    char found[NPY_SHAPE_TEXT], expected[NPY_SHAPE_TEXT];
    if (logits == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected (H,W), (N,H,W) or (N,1,H,W)", path,
                         npy_shape_text(shape, dims, found));
    const uint64_t four[] = {logits->images, logits->classes, logits->height, logits->width};
    const uint64_t three[] = {logits->images, logits->height, logits->width};
    const uint64_t *whole = binary ? four : three;
    const size_t without = logits->header.dims == 3 ? 1 : 0;
    return fail_with(failure, EXIT_OF_INPUT, "%s is %s, expected %s%s, as %s", path, npy_shape_text(shape, dims, found),
                     npy_shape_text(whole + without, (binary ? 4 : 3) - without, expected),
                     binary ? "" : ", or larger images", logits->path);
}

/* Whether logits of h x w are to be interpolated to H x W by one ratio, be it 1. */
static bool is_even(uint64_t h, uint64_t w, const struct labels *labels) {
    const uint64_t most = (uint64_t)1 << 32; /* of products below 2^64 */
    return h <= labels->height && w <= labels->width && labels->height < most && labels->width < most &&
           labels->height * w == labels->width * h;
}

/*
 * Whether the logits would be of the labels' size, or a part of it, had they the other layout: then what was taken for
 * classes is a side.  The other layout's height and width.
 */
static bool other_layout_fits(const struct logits *logits, const struct labels *labels) {
    const uint64_t *last = logits->header.shape + logits->header.dims - 3;
    return logits->layout == CLMP_LAYOUT_NCHW ? is_even(last[0], last[1], labels) : is_even(last[1], last[2], labels);
}

/* Logits are of the labels' size, or smaller: then interpolated. */
static bool check_sizes(const char *path, const struct logits *logits, const struct labels *labels,
                        struct failure *failure) {
    const bool other = !is_even(logits->height, logits->width, labels) && other_layout_fits(logits, labels);
    const bool nchw = logits->layout == CLMP_LAYOUT_NCHW;
    char shape[NPY_SHAPE_TEXT];
    if (labels->height < logits->height || labels->width < logits->width)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%s has %" PRIu64 " x %" PRIu64 " labels an image, but %s has %" PRIu64 " x %" PRIu64
                         " logits a class: logits cannot be larger than the labels%s%s",
                         path, labels->height, labels->width, logits->path, logits->height, logits->width,
                         other ? "; they would fit with --layout " : "", other ? (nchw ? "nhwc" : "nchw") : "");
    if (!other || logits->layout_given)
        return true;
    return fail_with(failure, EXIT_OF_INPUT,
                     "%s is %s: as nchw these are %" PRIu64 " classes of %" PRIu64 " x %" PRIu64
                     " logits, which the %" PRIu64 " x %" PRIu64 " of %s stretch unevenly, as nhwc %" PRIu64
                     " classes that fit; expected --layout nhwc, or --layout nchw",
                     logits->path, npy_shape_text(logits->header.shape, logits->header.dims, shape), logits->classes,
                     logits->height, logits->width, labels->height, labels->width, path, logits->width);
}

/* The labels' own shape, which is to fit the logits'. */
static bool check_shape(const char *path, const uint64_t *shape, size_t dims, const struct logits *logits, bool binary,
                        struct labels *labels, struct failure *failure) {
    const size_t before = dims - 2;
    if (dims < 2 || dims > 4 || !planes_fit(shape, before, logits, binary))
        return fail_shape(path, shape, dims, logits, binary, failure);
    *labels = (struct labels){.planes = 1, .height = shape[before], .width = shape[before + 1]};
    for (size_t i = 0; i < before; ++i)
        labels->planes *= shape[i];
    return logits == NULL || check_sizes(path, logits, labels, failure);
}

/* ------------------------------------------------------------------------------------------------------------ values
 */

/* A value that is no class, and not the one that is ignored. */
static int64_t no_class(const struct label_rules *rules) {
    return rules->ignore_index == -1 ? -2 : -1;
}

static bool is_ignored(const struct label_rules *rules, int64_t label) {
    for (size_t i = 0; i < rules->ignored_count; ++i)
        if (label == rules->ignored[i])
            return true;
    return label == rules->ignore_index;
}

/* What the library is to see of a label or a colour that the file has. */
static int64_t rule_of(const struct label_rules *rules, struct labels *labels, uint64_t pixel, int64_t value) {
    int64_t label = value;
    if (rules->map.name != NULL) {
        label = labels->in_colours ? label_map_colour(&rules->map, value) : label_map_label(&rules->map, value);
        if (label == LABEL_UNNAMED && labels->unnamed_pixel == labels_pixels(labels)) {
            labels->unnamed_pixel = pixel;
            labels->unnamed = value;
        }
        if (label == LABEL_UNNAMED)
            return no_class(rules);
        if (label == LABEL_IGNORED)
            return rules->ignore_index;
        if (label == LABEL_KEPT)
            label = value;
    }
    if (is_ignored(rules, label))
        return rules->ignore_index;
    return labels->colours > 0 && label == value && value >= labels->colours ? no_class(rules) : label;
}

/* Numbers of other types, and those that rules change, become int64; `values` are freed. */
static bool translate(const struct label_rules *rules, int64_t (*get)(const void *, uint64_t), const char *path,
                      struct labels *labels, struct failure *failure) {
    const uint64_t pixels = labels_pixels(labels);
    const void *from = labels->values;
    int64_t *to = pixels <= SIZE_MAX / sizeof *to ? malloc((size_t)pixels * sizeof *to) : NULL;
    if (to == NULL)
        return fail_memory(failure, path);
    int64_t last = get(from, 0), last_rule = rule_of(rules, labels, 0, last);
    for (uint64_t i = 0; i < pixels; ++i) {
        const int64_t value = get(from, i);
        if (value != last) { /* labels come in runs */
            last = value;
            last_rule = rule_of(rules, labels, i, value);
        }
        to[i] = last_rule;
    }
    free(labels->values);
    labels->values = to;
    labels->type = CLMP_LABEL_INT64;
    labels->element = sizeof *to;
    return true;
}

static int64_t get_uint8(const void *values, uint64_t i) {
    return ((const uint8_t *)values)[i];
}
static int64_t get_int8(const void *values, uint64_t i) {
    return ((const int8_t *)values)[i];
}
static int64_t get_uint16(const void *values, uint64_t i) {
    return ((const uint16_t *)values)[i];
}
static int64_t get_int16(const void *values, uint64_t i) {
    return ((const int16_t *)values)[i];
}
static int64_t get_uint32(const void *values, uint64_t i) {
    return ((const uint32_t *)values)[i];
}
static int64_t get_int32(const void *values, uint64_t i) {
    return ((const int32_t *)values)[i];
}
static int64_t get_uint64(const void *values, uint64_t i) {
    const uint64_t value = ((const uint64_t *)values)[i];
    return value <= INT64_MAX ? (int64_t)value : INT64_MAX; /* no class, either way */
}
static int64_t get_int64(const void *values, uint64_t i) {
    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): translate() has written as many as there are pixels */
    return ((const int64_t *)values)[i];
}
static int64_t get_colour(const void *values, uint64_t i) {
    const uint8_t *rgb = (const uint8_t *)values + 3 * i;
    return (int64_t)rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}

/* Types in files: how a value is read, and what the library calls the type, if it knows it. */
static const struct {
    int64_t (*get)(const void *, uint64_t);
    bool known;
    clmp_label_type type;
} label_types[NPY_FLOAT16] = {
    [NPY_BOOL] = {get_uint8, true, CLMP_LABEL_UINT8},   [NPY_UINT8] = {get_uint8, true, CLMP_LABEL_UINT8},
    [NPY_INT8] = {get_int8, false, CLMP_LABEL_INT64},   [NPY_UINT16] = {get_uint16, true, CLMP_LABEL_UINT16},
    [NPY_INT16] = {get_int16, false, CLMP_LABEL_INT64}, [NPY_UINT32] = {get_uint32, false, CLMP_LABEL_INT64},
    [NPY_INT32] = {get_int32, true, CLMP_LABEL_INT32},  [NPY_UINT64] = {get_uint64, false, CLMP_LABEL_INT64},
    [NPY_INT64] = {get_int64, true, CLMP_LABEL_INT64},
};

/* Whether bytes are below a number. */
static bool are_below(const uint8_t *bytes, uint64_t count, int64_t bound) {
    uint64_t i = 0;
    while (i < count && bytes[i] < bound)
        ++i;
    return i == count;
}

/* The values of a file in a type of the library's, as the rules have them; what is `colours` or more is no class,
 * unless that is 0. */
static bool finish(const struct label_rules *rules, enum npy_type type, int64_t colours, const char *path,
                   struct labels *labels, struct failure *failure) {
    labels->type = label_types[type].type;
    labels->element = npy_type_size(type);
    labels->unnamed_pixel = labels_pixels(labels);
    labels->colours = colours;
    const bool as_it_is = label_types[type].known && rules->map.name == NULL && rules->ignored_count == 0 &&
                          (colours == 0 || are_below(labels->values, labels->unnamed_pixel, colours));
    return as_it_is || translate(rules, label_types[type].get, path, labels, failure);
}

static bool read_npy(struct input *input, const struct label_rules *rules, const struct logits *logits, bool binary,
                     struct labels *labels, struct failure *failure) {
    struct npy_header header;
    return npy_read_header(input, LABEL_TYPES, &header, failure) &&
           check_shape(input->path, header.shape, header.dims, logits, binary, labels, failure) &&
           npy_read_data(input, &header, &labels->values, failure) &&
           finish(rules, header.type, 0, input->path, labels, failure);
}

/* -------------------------------------------------------------------------------------------------------------- PNG */

/* Room for `bytes` of each pixel.  Both sizes are below 2^31. */
static bool make_room(const struct labels *labels, size_t bytes, const char *path, void **values,
                      struct failure *failure) {
    *values = malloc((size_t)labels_pixels(labels) * bytes);
    return *values != NULL || fail_memory(failure, path);
}

static bool read_values(struct png_input *png, const struct png_facts *facts, const struct label_rules *rules,
                        const char *path, struct labels *labels, struct failure *failure) {
    const enum npy_type type = facts->depth == 16 ? NPY_UINT16 : NPY_UINT8;
    return make_room(labels, npy_type_size(type), path, &labels->values, failure) &&
           png_input_values(png, labels->values) &&
           finish(rules, type, facts->kind == PNG_PALETTE ? facts->colours : 0, path, labels, failure);
}

/* The refusal of an image in colours, in the words that help. */
static bool fail_colours(const struct labels *labels, const struct png_facts *facts, const struct label_rules *rules,
                         const char *path, struct failure *failure) {
    enum { SHOWN = 6 };
    int64_t colours[SHOWN];
    char text[SHOWN * 14 + 16] = "";
    size_t count = 0, used = 0;
    bool grey = true, more = false;
    for (uint64_t i = 0; i < labels_pixels(labels); ++i) {
        const int64_t colour = get_colour(labels->values, i);
        size_t at = 0;
        grey = grey && colour % 0x10101 == 0;
        while (at < count && colours[at] != colour)
            ++at;
        if (at == count && count < SHOWN)
            colours[count++] = colour;
        else
            more = more || at == count;
    }
    for (size_t i = 0; i < count; ++i)
        used += (size_t)snprintf(text + used, sizeof text - used, " %d,%d,%d", (int)(colours[i] >> 16),
                                 (int)(colours[i] >> 8 & 255), (int)(colours[i] & 255));
    return fail_with(failure, EXIT_OF_INPUT,
                     "%s is an %s PNG of %d bits, with the colours%s%s, expected labels, as grey or palette; %s%s",
                     path, facts->kind == PNG_RGBA ? "RGBA" : "RGB", facts->depth, text, more ? " and others" : "",
                     grey ? "all are grey, so that one channel is enough, or " : "",
                     rules->map.name != NULL ? "the --label-map has no line for a colour, as '128,0,0 1'"
                                             : "--label-map FILE takes a line for each, as '128,0,0 1' (or voc)");
}

static bool read_colours(struct png_input *png, const struct png_facts *facts, const struct label_rules *rules,
                         const char *path, struct labels *labels, struct failure *failure) {
    labels->in_colours = true;
    labels->unnamed_pixel = labels_pixels(labels);
    if (!make_room(labels, 3, path, &labels->values, failure) || !png_input_rgb(png, labels->values))
        return false;
    if (rules->map.colours.count == 0)
        return fail_colours(labels, facts, rules, path, failure);
    return translate(rules, get_colour, path, labels, failure);
}

static bool read_png(struct input *input, const struct label_rules *rules, const struct logits *logits, bool binary,
                     struct labels *labels, struct failure *failure) {
    struct png_facts facts;
    struct png_input *png = png_input_open(input, &facts, failure);
    if (png == NULL)
        return false;
    const uint64_t shape[2] = {facts.height, facts.width};
    const bool only_colours = rules->map.colours.count > 0 && rules->map.labels.count == 0;
    const bool coloured =
        facts.kind == PNG_RGB || facts.kind == PNG_RGBA || (facts.kind == PNG_PALETTE && only_colours);
    bool good = check_shape(input->path, shape, 2, logits, binary, labels, failure);
    if (good && facts.kind == PNG_GREY_ALPHA)
        good = fail_with(failure, EXIT_OF_INPUT, "%s is a grey with alpha PNG of %d bits, expected grey or palette",
                         input->path, facts.depth);
    good = good && (coloured ? read_colours(png, &facts, rules, input->path, labels, failure)
                             : read_values(png, &facts, rules, input->path, labels, failure));
    png_input_close(png);
    return good;
}

/* ------------------------------------------------------------------------------------------------------------ labels
 */

static unsigned seen_of(const struct labels *labels) {
    const uint64_t pixels = labels_pixels(labels);
    unsigned seen = 0;
    for (uint64_t i = 0; i < pixels && (seen & LABELS_SEEN_OTHERS) == 0; ++i) {
        const int64_t label = labels_get(labels, i);
        seen |= label == 0 ? LABELS_SEEN_0 : label == 255 ? LABELS_SEEN_255 : LABELS_SEEN_OTHERS;
    }
    return seen;
}

bool labels_read(const char *path, const struct label_rules *rules, const struct logits *logits, bool binary,
                 struct labels *labels, struct failure *failure) {
    struct input input;
    *labels = (struct labels){.values = NULL};
    bool good = input_open(&input, path, failure);
    if (good && npy_is(&input))
        good = read_npy(&input, rules, logits, binary, labels, failure);
    else if (good && png_is(&input))
        good = read_png(&input, rules, logits, binary, labels, failure);
    else if (good)
        good = fail_with(failure, EXIT_OF_INPUT, "%s is neither a .npy nor a PNG file", path);
    input_close(&input);
    if (good)
        labels->seen = seen_of(labels);
    return good;
}

uint64_t labels_pixels(const struct labels *labels) {
    return labels->planes * labels->height * labels->width;
}

int64_t labels_get(const struct labels *labels, uint64_t pixel) {
    switch (labels->type) {
    case CLMP_LABEL_UINT8:
        return get_uint8(labels->values, pixel);
    case CLMP_LABEL_UINT16:
        return get_uint16(labels->values, pixel);
    case CLMP_LABEL_INT32:
        return get_int32(labels->values, pixel);
    case CLMP_LABEL_INT64:
        break;
    }
    return get_int64(labels->values, pixel);
}

void labels_note(const struct label_rules *rules, unsigned seen, const char *program, const char *command) {
    if (seen == (LABELS_SEEN_0 | LABELS_SEEN_255))
        note_print(
            program, command,
            "all labels are 0 or 255, and 255 is %s: if this is a mask with two classes, --label-map mask makes 255 "
            "class 1",
            is_ignored(rules, 255) ? "ignored" : "no class");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pairs.h"

#include "numbers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool add_pair(struct pairs *pairs, size_t *capacity, struct pair_paths pair, struct failure *failure) {
    if (pairs->count == *capacity) {
        const size_t more = *capacity == 0 ? 64 : 2 * *capacity;
        struct pair_paths *paths = realloc(pairs->paths, more * sizeof *paths);
        if (paths == NULL)
            return fail_memory(failure, "the list of files");
        pairs->paths = paths;
        *capacity = more;
    }
    pairs->paths[pairs->count++] = pair;
    return true;
}

/* The two names of a line, without blanks around them. */
static bool read_line(const struct text *text, char *line, char **logits, char **labels, struct failure *failure) {
    *logits = line;
    char *cut = strchr(*logits, '\t');
    if (cut == NULL)
        cut = strchr(*logits, ' ');
    if (cut != NULL) {
        const char separator = *cut;
        for (char *end = cut; end > line && (end[-1] == ' ' || end[-1] == '\t'); --end)
            end[-1] = '\0';
        *cut = '\0';
        *labels = cut + 1 + strspn(cut + 1, " \t");
        if ((*labels)[0] != '\0' && strchr(*labels, separator) == NULL)
            return true;
    }
    return fail_with(failure, EXIT_OF_INPUT, "%s, line %zu, has %s, expected LOGITS.npy and LABELS%s", text->path,
                     text->number, cut == NULL ? "one name" : "more than two names",
                     cut == NULL ? "" : " (separated by a tab where names have blanks)");
}

static bool read_list(const char *path, struct pairs *pairs, struct failure *failure) {
    size_t capacity = 0;
    if (!text_open(&pairs->text, path, failure))
        return false;
    for (char *line; (line = text_line(&pairs->text)) != NULL;) {
        char *logits = NULL, *labels = NULL;
        if (!read_line(&pairs->text, line, &logits, &labels, failure) ||
            !add_pair(pairs, &capacity, (struct pair_paths){logits, labels, pairs->text.number}, failure))
            return false;
    }
    return pairs->count > 0 || fail_with(failure, EXIT_OF_INPUT, "%s has no pair of files", pairs->text.path);
}

bool pairs_read(const struct options *options, struct pairs *pairs, struct failure *failure) {
    size_t capacity = 0;
    *pairs = (struct pairs){.count = 0};
    if (options->list != NULL)
        return read_list(options->list, pairs, failure);
    for (size_t i = 0; i + 1 < options->operand_count; i += 2) {
        const struct pair_paths pair = {options->operands[i], options->operands[i + 1], 0};
        if (!add_pair(pairs, &capacity, pair, failure))
            return false;
    }
    return true;
}

void pairs_locate(const struct pairs *pairs, size_t i, struct failure *failure) {
    if (pairs->paths[i].line > 0)
        fail_before(failure, "%s, line %zu: ", pairs->text.path, pairs->paths[i].line);
}

void pairs_free(struct pairs *pairs) {
    free(pairs->paths);
    text_close(&pairs->text);
}

bool pair_read(const struct pair_paths *paths, const struct options *options, const struct label_rules *rules,
               struct pair *pair, struct failure *failure) {
    const bool binary = loss_is_binary(options->params.loss);
    *pair = (struct pair){.logits = {.values = NULL}};
    if (!logits_read(paths->logits, options->params.logits_layout, &pair->logits, failure))
        return false;
    pair->logits.layout_given = options->layout_given;
    return labels_read(paths->labels, rules, &pair->logits, binary, &pair->labels, failure);
}

struct pair_shape pair_shape(const struct pair *pair) {
    const struct logits *logits = &pair->logits;
    return (struct pair_shape){.layout = logits->layout,
                               .logits = {logits->images, logits->classes, logits->height, logits->width},
                               .labels = {pair->labels.height, pair->labels.width}};
}

char *pair_shape_text(const struct pair_shape *shape, bool align_corners, char text[PAIR_SHAPE_TEXT]) {
    const uint64_t *l = shape->logits;
    const int used = snprintf(text, PAIR_SHAPE_TEXT,
                              "read as %" PRIu64 " image%s of %" PRIu64 " class%s of %" PRIu64 " x %" PRIu64 " (%s)",
                              l[0], plural_s(l[0]), l[1], l[1] == 1 ? "" : "es", l[2], l[3],
                              shape->layout == CLMP_LAYOUT_NHWC ? "nhwc" : "nchw");
    if (l[2] != shape->labels[0] || l[3] != shape->labels[1])
        snprintf(text + used, PAIR_SHAPE_TEXT - (size_t)used,
                 ", interpolated from %" PRIu64 " x %" PRIu64 " to %" PRIu64 " x %" PRIu64 ", corners %s", l[2], l[3],
                 shape->labels[0], shape->labels[1], align_corners ? "aligned" : "not aligned");
    return text;
}

void pair_free(struct pair *pair) {
    free(pair->logits.values);
    free(pair->labels.values);
}

bool pair_check_classes(const struct pair *pair, uint64_t classes, const char *first, struct failure *failure) {
    if (pair->logits.classes == classes)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "%s has %" PRIu64 " class%s, expected %" PRIu64 " as %s has",
                     pair->logits.path, pair->logits.classes, plural_es(pair->logits.classes), classes,
                     input_name(first));
}

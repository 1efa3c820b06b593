/* SPDX-License-Identifier: Apache-2.0 */
#include "pairs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool add_pair(struct pairs *pairs, size_t *capacity, const char *logits, const char *labels,
                     struct failure *failure) {
    if (pairs->count == *capacity) {
        const size_t more = *capacity == 0 ? 64 : 2 * *capacity;
        struct pair_paths *paths = realloc(pairs->paths, more * sizeof *paths);
        if (paths == NULL)
            return fail_memory(failure, "the list of files");
        pairs->paths = paths;
        *capacity = more;
    }
    pairs->paths[pairs->count++] = (struct pair_paths){logits, labels};
    return true;
}

static bool read_text(const char *path, char **text, struct failure *failure) {
    enum { PIECE = 1 << 16 };
    struct input input;
    size_t used = 0, got = PIECE;
    bool good = input_open(&input, path, failure);
    *text = NULL;
    while (good && got == PIECE) {
        char *more = realloc(*text, used + PIECE + 1);
        if (more == NULL) {
            fail_memory(failure, path);
            good = false;
            break;
        }
        *text = more;
        good = input_read(&input, *text + used, PIECE, &got, failure);
        used += got;
        (*text)[used] = '\0';
    }
    if (good && strlen(*text) != used)
        good = fail_with(failure, EXIT_OF_INPUT, "%s is no text: it has a byte 0", path);
    input_close(&input);
    return good;
}

/* Cuts blanks off both ends. */
static char *trim(char *text) {
    text += strspn(text, " \t\r");
    for (size_t length = strlen(text); length > 0 && strchr(" \t\r", text[length - 1]) != NULL;)
        text[--length] = '\0';
    return text;
}

static bool read_line(const char *path, size_t number, char *line, char **logits, char **labels,
                      struct failure *failure) {
    *logits = trim(line);
    char *cut = strchr(*logits, '\t');
    if (cut == NULL)
        cut = strchr(*logits, ' ');
    if (cut != NULL) {
        const char separator = *cut;
        *cut = '\0';
        *labels = trim(cut + 1);
        if ((*labels)[0] != '\0' && strchr(*labels, separator) == NULL)
            return true;
    }
    return fail_with(failure, EXIT_OF_INPUT, "%s, line %zu, has %s, expected LOGITS.npy and LABELS%s", path, number,
                     cut == NULL ? "one name" : "more than two names",
                     cut == NULL ? "" : " (separated by a tab where names have blanks)");
}

static bool read_list(const char *path, struct pairs *pairs, struct failure *failure) {
    size_t capacity = 0, number = 0;
    if (!read_text(path, &pairs->text, failure))
        return false;
    for (char *line = pairs->text, *next; line != NULL; line = next) {
        char *logits = NULL, *labels = NULL;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        ++number;
        line = trim(line);
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (!read_line(path, number, line, &logits, &labels, failure) ||
            !add_pair(pairs, &capacity, logits, labels, failure))
            return false;
    }
    return pairs->count > 0 || fail_with(failure, EXIT_OF_INPUT, "%s has no pair of files", path);
}

bool pairs_read(const struct options *options, struct pairs *pairs, struct failure *failure) {
    size_t capacity = 0;
    *pairs = (struct pairs){.count = 0};
    if (options->list != NULL)
        return read_list(options->list, pairs, failure);
    for (size_t i = 0; i + 1 < options->operand_count; i += 2)
        if (!add_pair(pairs, &capacity, options->operands[i], options->operands[i + 1], failure))
            return false;
    return true;
}

void pairs_free(struct pairs *pairs) {
    free(pairs->paths);
    free(pairs->text);
}

bool pair_read(const struct pair_paths *paths, const clmp_plan_params *params, struct pair *pair,
               struct failure *failure) {
    const bool binary = loss_is_binary(params->loss);
    *pair = (struct pair){.logits = {.values = NULL}};
    return logits_read(paths->logits, params->logits_layout, &pair->logits, failure) &&
           labels_read(paths->labels, &pair->logits, binary, &pair->labels, failure);
}

void pair_free(struct pair *pair) {
    free(pair->logits.values);
    free(pair->labels.values);
}

bool pair_check_classes(const struct pair *pair, uint64_t classes, const char *first, struct failure *failure) {
    if (pair->logits.classes == classes)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "%s has %" PRIu64 " classes, expected %" PRIu64 " as %s has",
                     pair->logits.path, pair->logits.classes, classes, first);
}

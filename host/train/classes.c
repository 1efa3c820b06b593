/* SPDX-License-Identifier: Apache-2.0 */
#include "classes.h"

#include "numbers.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t";

/* What is being read. */
struct list {
    struct classes *classes;
    struct text text;
    int64_t ignored[LABELS_IGNORED];
    size_t ignored_count;
    struct failure *failure;
};

/* So many numbers from 0 to `most`, and nothing else. */
static bool read_numbers(const char *text, long most, long *values, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        char *end = NULL;
        values[i] = strtol(text, &end, 10);
        if (end == text || values[i] < 0 || values[i] > most)
            return false;
        text = end;
    }
    return text[strspn(text, blanks)] == '\0';
}

static bool add_ignored(struct list *list, int64_t label) {
    if (list->ignored_count == LABELS_IGNORED)
        return fail_with(list->failure, EXIT_OF_INPUT, "%s ignores more than %d labels (see --label-map)",
                         list->text.path, LABELS_IGNORED);
    list->ignored[list->ignored_count++] = label;
    return true;
}

static bool read_class(struct list *list, const char *line) {
    struct classes *classes = list->classes;
    long values[3];
    const size_t length = strcspn(line, blanks);
    if (length == strlen("ignore") && strncmp(line, "ignore", length) == 0 &&
        read_numbers(line + length, UINT16_MAX, values, 1))
        return add_ignored(list, values[0]);
    if (!text_is_utf8(line))
        return fail_with(list->failure, EXIT_OF_INPUT, "%s, line %zu: '%s' is not in UTF-8", list->text.path,
                         list->text.number, line);
    if (length >= CLASS_NAME || !read_numbers(line + length, 255, values, 3))
        return fail_with(list->failure, EXIT_OF_INPUT,
                         "%s, line %zu: expected 'NAME RED GREEN BLUE' or 'ignore LABEL', with numbers from 0 to 255 "
                         "(a label: to 65535) and a name of less than %d bytes",
                         list->text.path, list->text.number, CLASS_NAME);
    if (classes->count == MOST_CLASSES)
        return fail_with(list->failure, EXIT_OF_INPUT, "%s has more than %d classes", list->text.path, MOST_CLASSES);
    memcpy(classes->names[classes->count], line, length);
    classes->names[classes->count][length] = '\0';
    for (size_t i = 0; i < 3; ++i)
        classes->colours[classes->count][i] = (uint8_t)values[i];
    ++classes->count;
    return true;
}

/* The label that ignored ones become is a byte: the first such, else 255, which is no class as there are at most 255.
 */
static bool order_ignored(struct list *list) {
    struct classes *classes = list->classes;
    for (size_t i = 0; i < list->ignored_count; ++i)
        if ((uint64_t)list->ignored[i] < classes->count)
            return fail_with(list->failure, EXIT_OF_INPUT, "%s: ignore is %" PRId64 ", but that is class %s",
                             list->text.path, list->ignored[i], classes->names[list->ignored[i]]);
    size_t first = 0;
    while (first < list->ignored_count && list->ignored[first] > UINT8_MAX)
        ++first;
    if (first == list->ignored_count && !add_ignored(list, UINT8_MAX))
        return false;
    const int64_t swapped = list->ignored[0];
    list->ignored[0] = list->ignored[first];
    list->ignored[first] = swapped;
    classes->ignore = (int)list->ignored[0];
    return true;
}

bool classes_read(const char *path, const char *label_map, struct classes *classes, struct failure *failure) {
    struct list list = {.classes = classes, .failure = failure};
    *classes = (struct classes){.ignore = UINT8_MAX};
    bool good = text_open(&list.text, path, failure);
    for (char *line; good && (line = text_line(&list.text)) != NULL;)
        good = read_class(&list, line);
    if (good && classes->count < 2)
        good = fail_with(failure, EXIT_OF_INPUT, "%s has %zu class%s, expected at least 2", path, classes->count,
                         plural_es(classes->count));
    good = good && order_ignored(&list) &&
           label_rules_read(label_map, list.ignored, list.ignored_count, &classes->rules, failure);
    text_close(&list.text);
    return good;
}

void classes_free(struct classes *classes) {
    label_rules_free(&classes->rules);
}

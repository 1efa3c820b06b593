/* SPDX-License-Identifier: Apache-2.0 */
#include "label_map.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of mmsegmentation's reduce_zero_label: 0 is what is no class. */
static const char ade20k[] = "0 ignore\n1-150 0-149\n255 ignore\n";

/* https://github.com/mcordts/cityscapesScripts, helpers/labels.py: the files _labelIds to what _labelTrainIds has. */
static const char cityscapes[] =
    "-1-6 ignore\n7-8 0-1\n9-10 ignore\n11-13 2-4\n14-16 ignore\n17 5\n18 ignore\n19-28 6-15\n"
    "29-30 ignore\n31-33 16-18\n255 ignore\n";

/* Masks of two classes. */
static const char mask[] = "0 0\n255 1\n";

/* The 20 classes after the background, and their colours. */
static const char voc[] =
    "0-20 0-20\n255 ignore\n"
    "0,0,0 0\n128,0,0 1\n0,128,0 2\n128,128,0 3\n0,0,128 4\n128,0,128 5\n0,128,128 6\n"
    "128,128,128 7\n64,0,0 8\n192,0,0 9\n64,128,0 10\n192,128,0 11\n64,0,128 12\n192,0,128 13\n"
    "64,128,128 14\n192,128,128 15\n0,64,0 16\n128,64,0 17\n0,192,0 18\n128,192,0 19\n0,64,128 20\n"
    "224,224,192 ignore\n";

static const struct {
    const char *name, *table;
} built_in[] = {{"ade20k", ade20k}, {"cityscapes", cityscapes}, {"mask", mask}, {"voc", voc}};

/* What is being read. */
struct table {
    struct label_map *map;
    struct text text;
    bool has_rest;
    struct failure *failure;
};

static bool fail_line(const struct table *table, const char *what) {
    return fail_with(table->failure, EXIT_OF_INPUT, "%s, line %zu: %s", table->text.path, table->text.number, what);
}

static bool take_number(const char **at, int64_t *number) {
    char *end = NULL;
    const char *digits = *at + (**at == '-');
    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    const long long value = strtoll(*at, &end, 10);
    *number = value;
    *at = end;
    return errno == 0;
}

/* "8" or "8-10". */
static bool read_range(const char *text, int64_t *first, int64_t *last) {
    if (!take_number(&text, first))
        return false;
    *last = *first;
    if (*text == '-') {
        ++text;
        if (!take_number(&text, last))
            return false;
    }
    return *text == '\0' && *last >= *first;
}

static bool read_colour(const char *text, int64_t *colour) {
    *colour = 0;
    for (int i = 0; i < 3; ++i) {
        int64_t part = 0;
        if (!take_number(&text, &part) || part < 0 || part > 255 || *text != (i < 2 ? ',' : '\0'))
            return false;
        *colour = *colour * 256 + part;
        ++text;
    }
    return true;
}

static bool add_range(const struct table *table, struct label_ranges *ranges, const struct label_range *range) {
    struct label_range *list = realloc(ranges->list, (ranges->count + 1) * sizeof *list);
    if (list == NULL)
        return fail_memory(table->failure, table->text.path);
    ranges->list = list;
    list[ranges->count++] = *range;
    return true;
}

/* What NEW says, of `count` - 1 labels after the first. */
static bool read_new(const struct table *table, const char *text, uint64_t count, int64_t *to) {
    int64_t last = 0;
    if (strcmp(text, "ignore") == 0) {
        *to = LABEL_IGNORED;
        return true;
    }
    if (!read_range(text, to, &last) || *to < 0 || last > INT32_MAX)
        return fail_line(table, "expected a label from 0 on, a range of them or 'ignore' as the second word");
    return (uint64_t)(last - *to) == count || fail_line(table, "expected two ranges of one length");
}

static bool read_entry(struct table *table, const char *old, const char *new) {
    struct label_map *map = table->map;
    struct label_range range = {.line = table->text.number};
    if (strcmp(old, "*") == 0) {
        if (table->has_rest)
            return fail_line(table, "* is given twice");
        table->has_rest = true;
        map->rest = LABEL_KEPT;
        return strcmp(new, "keep") == 0 || read_new(table, new, 0, &map->rest);
    }
    if (read_colour(old, &range.first)) {
        range.last = range.first;
        return read_new(table, new, 0, &range.to) && add_range(table, &map->colours, &range);
    }
    if (!read_range(old, &range.first, &range.last))
        return fail_line(table, "expected a label, a range of them (8-10), a colour (128,64,0) or * as the first word");
    return read_new(table, new, (uint64_t)range.last - (uint64_t)range.first, &range.to) &&
           add_range(table, &map->labels, &range);
}

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_of(uint64_t hash, const char *word) {
    do
        hash = (hash ^ (unsigned char)*word) * UINT64_C(0x100000001b3);
    while (*word++ != '\0');
    return hash;
}

static bool read_lines(struct table *table) {
    static const char blanks[] = " \t";
    table->map->hash = UINT64_C(0xcbf29ce484222325);
    for (char *line; (line = text_line(&table->text)) != NULL;) {
        char *new = line + strcspn(line, blanks);
        if (*new != '\0')
            *new ++ = '\0';
        new += strspn(new, blanks);
        if (*new == '\0' || strpbrk(new, blanks) != NULL)
            return fail_line(table, "expected two words, OLD and NEW");
        if (!read_entry(table, line, new))
            return false;
        table->map->hash = hash_of(hash_of(table->map->hash, line), new);
    }
    return table->map->labels.count + table->map->colours.count > 0 || table->has_rest ||
           fail_with(table->failure, EXIT_OF_INPUT, "%s has no line with a label", table->text.path);
}

static int by_first(const void *a, const void *b) {
    const struct label_range *one = a, *two = b;
    return (one->first > two->first) - (one->first < two->first);
}

static bool order(const struct table *table, struct label_ranges *ranges) {
    if (ranges->count > 1)
        qsort(ranges->list, ranges->count, sizeof *ranges->list, by_first);
    for (size_t i = 1; i < ranges->count; ++i) {
        const struct label_range *one = &ranges->list[i - 1], *two = &ranges->list[i];
        if (two->first <= one->last)
            return fail_with(table->failure, EXIT_OF_INPUT, "%s, lines %zu and %zu: both translate the same label",
                             table->text.path, one->line < two->line ? one->line : two->line,
                             one->line < two->line ? two->line : one->line);
    }
    return true;
}

bool label_map_read(const char *name, struct label_map *map, struct failure *failure) {
    struct table table = {.map = map, .failure = failure};
    const char *known = NULL;
    *map = (struct label_map){.name = name, .rest = LABEL_UNNAMED};
    if (name == NULL)
        return true;
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; ++i)
        if (strcmp(name, built_in[i].name) == 0)
            known = built_in[i].table;
    if (known == NULL && strcmp(name, "-") != 0 && access(name, F_OK) != 0)
        return fail_with(failure, EXIT_OF_INPUT, "--label-map is '%s', which is no file, and none of " LABEL_MAP_NAMES,
                         name);
    bool good =
        known != NULL ? text_of_string(&table.text, known, name, failure) : text_open(&table.text, name, failure);
    good = good && read_lines(&table) && order(&table, &map->labels) && order(&table, &map->colours);
    text_close(&table.text);
    return good;
}

void label_map_free(struct label_map *map) {
    free(map->labels.list);
    free(map->colours.list);
    *map = (struct label_map){.rest = LABEL_KEPT};
}

static int64_t look_up(const struct label_map *map, const struct label_ranges *ranges, int64_t key) {
    size_t from = 0, to = ranges->count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const struct label_range *range = &ranges->list[middle];
        if (key < range->first)
            to = middle;
        else if (key > range->last)
            from = middle + 1;
        else
            return range->to == LABEL_IGNORED ? LABEL_IGNORED : range->to + (key - range->first);
    }
    return map->rest;
}

int64_t label_map_label(const struct label_map *map, int64_t label) {
    return look_up(map, &map->labels, label);
}

int64_t label_map_colour(const struct label_map *map, int64_t colour) {
    const int64_t label = look_up(map, &map->colours, colour);
    return label == LABEL_KEPT ? LABEL_UNNAMED : label; /* a colour is no label */
}

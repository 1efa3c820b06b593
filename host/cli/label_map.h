/*
 * A table of labels: what a data set calls a class, and what the network does.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A text file with a line for each, separated by blanks; # begins a comment line:
 *     OLD NEW          a label, or a range of them (8-10), becomes another, or a range of as many (0-2)
 *     R,G,B NEW        a colour of an RGB mask becomes a label
 *     * NEW            all that no line names, which else is no class
 * NEW may be `ignore`, too, and after * `keep`.
 */
#ifndef CLMP_CLI_LABEL_MAP_H
#define CLMP_CLI_LABEL_MAP_H

#include "fail.h"

#include <stddef.h>
#include <stdint.h>

/* What a label becomes that becomes no label. */
enum { LABEL_IGNORED = -1, LABEL_UNNAMED = -2, LABEL_KEPT = -3 };

struct label_range {
    int64_t first, last; /* of the old labels, or of the numbers 65536 R + 256 G + B */
    int64_t to;          /* of the first, and so on; or LABEL_IGNORED for all */
    size_t line;
};

struct label_ranges {
    struct label_range *list; /* in order, without overlap; owned */
    size_t count;
};

struct label_map {
    const char *name; /* as given; NULL: there is no table, and labels are what they are */
    struct label_ranges labels, colours;
    int64_t rest;  /* LABEL_IGNORED, LABEL_UNNAMED, LABEL_KEPT, or a label */
    uint64_t hash; /* of its lines, whatever it is called */
};

/* The names of tables that are built in, for help and failures. */
#define LABEL_MAP_NAMES "ade20k, cityscapes, mask, voc"

/* Reads a table that has such a name, else a file; NULL: none.  label_map_free() after a failure, too. */
bool label_map_read(const char *name, struct label_map *map, struct failure *failure);
void label_map_free(struct label_map *map);

/* What a label, or a colour (65536 R + 256 G + B), becomes. */
int64_t label_map_label(const struct label_map *map, int64_t label);
int64_t label_map_colour(const struct label_map *map, int64_t colour);

#endif /* CLMP_CLI_LABEL_MAP_H */

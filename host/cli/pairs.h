/*
 * Pairs of files, logits and labels: from the command line, or from a list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_PAIRS_H
#define CLMP_CLI_PAIRS_H

#include "labels.h"
#include "options.h"
#include "text.h"

struct pair_paths {
    const char *logits, *labels;
    size_t line; /* of the list; 0: from the command line */
};

struct pairs {
    struct pair_paths *paths; /* owned */
    size_t count;             /* at least 1 */
    struct text text;         /* of the list, owned */
};

/*
 * The pairs of --list, else the operands.  A list has a pair a line, "LOGITS.npy LABELS", separated by a tab or, where
 * the line has none, by blanks; empty lines and those that begin with # are left out.
 */
bool pairs_read(const struct options *options, struct pairs *pairs, struct failure *failure);

/* Puts the list and its line in front of a failure that pair i met; nothing where there is no list. */
void pairs_locate(const struct pairs *pairs, size_t i, struct failure *failure);

void pairs_free(struct pairs *pairs);

struct pair {
    struct logits logits;
    struct labels labels;
};

/* Reads both files, for the loss and the layout of the options; pair_free() after a failure, too. */
bool pair_read(const struct pair_paths *paths, const struct options *options, const struct label_rules *rules,
               struct pair *pair, struct failure *failure);
void pair_free(struct pair *pair);

/* How the shapes of a pair were read: N, C, h, w of the logits; H, W of the labels. */
struct pair_shape {
    clmp_layout layout;
    uint64_t logits[4], labels[2];
};
struct pair_shape pair_shape(const struct pair *pair);

/* The same in words; the return value is `text`. */
enum { PAIR_SHAPE_TEXT = 320 };
char *pair_shape_text(const struct pair_shape *shape, bool align_corners, char text[PAIR_SHAPE_TEXT]);

/* That a pair has as many classes as the first one of its list. */
bool pair_check_classes(const struct pair *pair, uint64_t classes, const char *first, struct failure *failure);

#endif /* CLMP_CLI_PAIRS_H */

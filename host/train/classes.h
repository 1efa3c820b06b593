/*
 * The classes of a data set: their names and colours, and what labels mean them.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * From a text file in UTF-8: a class a line, "NAME RED GREEN BLUE", in the order of its labels; "ignore LABEL" for each
 * label that is no class; # comments.
 */
#ifndef CLMP_TRAIN_CLASSES_H
#define CLMP_TRAIN_CLASSES_H

#include "labels.h"

enum { CLASS_NAME = 64, MOST_CLASSES = 255 };

struct classes {
    size_t count;
    int ignore;               /* label of a byte that is no class; 255 unless the file says otherwise */
    struct label_rules rules; /* what labels become as they are read: classes, or `ignore` */
    char names[MOST_CLASSES][CLASS_NAME];
    uint8_t colours[MOST_CLASSES][3];
};

/* The classes of a file, and the table of this name or NULL.  classes_free() after a failure, too. */
bool classes_read(const char *path, const char *label_map, struct classes *classes, struct failure *failure);
void classes_free(struct classes *classes);

#endif /* CLMP_TRAIN_CLASSES_H */

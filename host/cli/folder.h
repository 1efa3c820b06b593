/*
 * The names in a folder, and files among them by how they end.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * What begins with a dot is left out: .DS_Store, and the ._NAME that macOS puts beside each NAME on foreign disks.
 * Upper and lower case of an extension are alike (.PNG), of what stands before it they are not.
 */
#ifndef CLMP_CLI_FOLDER_H
#define CLMP_CLI_FOLDER_H

#include "fail.h"

#include <stddef.h>

struct folder {
    char **names; /* in the order of their bytes, whatever the locale; owned */
    size_t count;
};

/* folder_free() after a failure, too. */
bool folder_list(const char *path, struct folder *folder, struct failure *failure);
void folder_free(struct folder *folder);

bool folder_is(const char *path);

/* Whether a name ends so ("_gtFine_labelIds.png"), with something before. */
bool folder_ends_with(const char *name, const char *end);

/* The first name that is `stem` and one of the ends, a list up to a NULL; or NULL. */
const char *folder_find(const struct folder *folder, const char *stem, size_t length, const char *const *ends);

#endif /* CLMP_CLI_FOLDER_H */

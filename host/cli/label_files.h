/* Label maps by name: files, and folders of them.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CLI_LABEL_FILES_H
#define CLMP_CLI_LABEL_FILES_H

#include "fail.h"

#include <stddef.h>

struct label_files {
    char **paths; /* owned */
    size_t count; /* at least 1 */
};

/*
 * The files among `names`, and those of the folders among them, in the order of their names: .png and .npy (upper and
 * lower case alike), and folders in folders are not looked into; or with a suffix whatever ends so, there too.
 */
bool label_files_find(char *const *names, size_t count, const char *suffix, struct label_files *files,
                      struct failure *failure);
void label_files_free(struct label_files *files);

#endif /* CLMP_CLI_LABEL_FILES_H */

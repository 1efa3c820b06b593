/* Label maps by name: files, and folders of them.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CLI_LABEL_FILES_H
#define CLMP_CLI_LABEL_FILES_H

#include "fail.h"

#include <stddef.h>

struct label_files {
    char **paths; /* owned */
    size_t count; /* at least 1 */
};

/* The files among `names`, and the .png and .npy files (upper and lower case alike) of the folders among them, in the
 * order of their names; folders in folders are not looked into. */
bool label_files_find(char *const *names, size_t count, struct label_files *files, struct failure *failure);
void label_files_free(struct label_files *files);

#endif /* CLMP_CLI_LABEL_FILES_H */

/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

bool folder_is(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool folder_list(const char *path, struct folder *folder, struct failure *failure) {
    struct dirent **entries = NULL;
    *folder = (struct folder){.count = 0};
    const int count = scandir(path, &entries, is_shown, by_name);
    if (count < 0)
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, strerror(errno));
    folder->names = calloc(count > 0 ? (size_t)count : 1, sizeof *folder->names);
    bool good = folder->names != NULL;
    for (int i = 0; i < count; ++i) {
        char *name = good ? strdup(entries[i]->d_name) : NULL;
        good = name != NULL;
        if (good)
            folder->names[folder->count++] = name;
        free(entries[i]);
    }
    free(entries);
    return good || fail_memory(failure, "the list of files");
}

void folder_free(struct folder *folder) {
    for (size_t i = 0; i < folder->count; ++i)
        free(folder->names[i]);
    free(folder->names);
    *folder = (struct folder){.count = 0};
}

/* Whether a name's last part is `end`, whose extension may be written otherwise. */
static bool is_end(const char *part, const char *end) {
    const char *dot = strrchr(end, '.');
    const size_t before = dot != NULL ? (size_t)(dot - end) : strlen(end);
    return strncmp(part, end, before) == 0 && strcasecmp(part + before, end + before) == 0;
}

bool folder_ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), of_end = strlen(end);
    return length > of_end && is_end(name + length - of_end, end);
}

const char *folder_find(const struct folder *folder, const char *stem, size_t length, const char *const *ends) {
    size_t from = 0, to = folder->count;
    while (from < to) { /* the first that is not below the stem */
        const size_t middle = from + (to - from) / 2;
        if (strncmp(folder->names[middle], stem, length) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < folder->count && strncmp(folder->names[from], stem, length) == 0; ++from)
        for (size_t i = 0; ends[i] != NULL; ++i)
            if (strlen(folder->names[from] + length) == strlen(ends[i]) &&
                is_end(folder->names[from] + length, ends[i]))
                return folder->names[from];
    return NULL;
}

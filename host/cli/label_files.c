/* SPDX-License-Identifier: Apache-2.0 */
#include "label_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool add_file(struct label_files *files, const char *folder, const char *name, struct failure *failure) {
    char **paths = realloc(files->paths, (files->count + 1) * sizeof *paths);
    if (paths == NULL)
        return fail_memory(failure, "the list of files");
    files->paths = paths;
    const size_t length = strlen(folder);
    const char *between = length == 0 || folder[length - 1] == '/' ? "" : "/";
    const size_t size = length + strlen(between) + strlen(name) + 1;
    paths[files->count] = malloc(size);
    if (paths[files->count] == NULL)
        return fail_memory(failure, "the list of files");
    snprintf(paths[files->count++], size, "%s%s%s", folder, between, name);
    return true;
}

static int is_label_file(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && dot != entry->d_name && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".npy") == 0);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* whatever the locale */
}

static bool add_folder(struct label_files *files, const char *folder, struct failure *failure) {
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_label_file, by_name);
    if (count < 0)
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", folder, strerror(errno));
    bool good = count > 0 || fail_with(failure, EXIT_OF_INPUT, "%s has no .png or .npy file", folder);
    for (int i = 0; i < count; ++i) {
        good = good && add_file(files, folder, entries[i]->d_name, failure);
        free(entries[i]);
    }
    free(entries);
    return good;
}

bool label_files_find(char *const *names, size_t count, struct label_files *files, struct failure *failure) {
    struct stat status;
    bool good = true;
    *files = (struct label_files){.count = 0};
    for (size_t i = 0; good && i < count; ++i)
        good = strcmp(names[i], "-") != 0 && stat(names[i], &status) == 0 && S_ISDIR(status.st_mode)
                   ? add_folder(files, names[i], failure)
                   : add_file(files, "", names[i], failure);
    return good;
}

void label_files_free(struct label_files *files) {
    for (size_t i = 0; i < files->count; ++i)
        free(files->paths[i]);
    free(files->paths);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "label_files.h"

#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 16 }; /* of folders in folders: links may go round */

static char *join(const char *folder, const char *name) {
    const size_t length = strlen(folder);
    const char *between = length == 0 || folder[length - 1] == '/' ? "" : "/";
    const size_t size = length + strlen(between) + strlen(name) + 1;
    char *path = malloc(size);
    if (path != NULL)
        snprintf(path, size, "%s%s%s", folder, between, name);
    return path;
}

/* Takes the path over. */
static bool add_file(struct label_files *files, char *path, struct failure *failure) {
    char **paths = path != NULL ? realloc(files->paths, (files->count + 1) * sizeof *paths) : NULL;
    if (paths == NULL) {
        free(path);
        return fail_memory(failure, "the list of files");
    }
    files->paths = paths;
    paths[files->count++] = path;
    return true;
}

static bool is_wanted(const char *name, const char *suffix) {
    return suffix != NULL ? folder_ends_with(name, suffix)
                          : folder_ends_with(name, ".png") || folder_ends_with(name, ".npy");
}

/* With a suffix, those in folders within, too. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as MOST_DEPTH */
static bool add_folder(struct label_files *files, const char *path, const char *suffix, int depth,
                       struct failure *failure) {
    struct folder folder;
    bool good = folder_list(path, &folder, failure);
    for (size_t i = 0; good && i < folder.count; ++i) {
        char *within = join(path, folder.names[i]);
        const bool is_folder = within != NULL && folder_is(within);
        if (within == NULL || (!is_folder && is_wanted(folder.names[i], suffix))) {
            good = add_file(files, within, failure);
            continue;
        }
        if (is_folder && suffix != NULL && depth < MOST_DEPTH)
            good = add_folder(files, within, suffix, depth + 1, failure);
        free(within);
    }
    folder_free(&folder);
    return good;
}

static bool add_named_folder(struct label_files *files, const char *path, const char *suffix, struct failure *failure) {
    const size_t before = files->count;
    if (!add_folder(files, path, suffix, 0, failure))
        return false;
    if (files->count > before)
        return true;
    if (suffix != NULL)
        return fail_with(failure, EXIT_OF_INPUT, "%s has no file *%s, nor has a folder in it", path, suffix);
    return fail_with(failure, EXIT_OF_INPUT, "%s has no .png or .npy file (--suffix looks into the folders in it, too)",
                     path);
}

bool label_files_find(char *const *names, size_t count, const char *suffix, struct label_files *files,
                      struct failure *failure) {
    bool good = true;
    *files = (struct label_files){.count = 0};
    for (size_t i = 0; good && i < count; ++i)
        good = strcmp(names[i], "-") != 0 && folder_is(names[i]) ? add_named_folder(files, names[i], suffix, failure)
                                                                 : add_file(files, join("", names[i]), failure);
    return good;
}

void label_files_free(struct label_files *files) {
    for (size_t i = 0; i < files->count; ++i)
        free(files->paths[i]);
    free(files->paths);
}

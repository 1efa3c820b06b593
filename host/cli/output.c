/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* realpath() */
#include "output.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output *outputs_add(struct outputs *outputs, const char *option, const char *path) {
    if (path == NULL || outputs->count == OUTPUTS)
        return NULL;
    struct output *output = &outputs->list[outputs->count++];
    *output = (struct output){.option = option, .path = strcmp(path, "-") == 0 ? "/dev/stdout" : path};
    return output;
}

bool output_failed(const struct output *output, int error, struct failure *failure) {
    return fail_with(failure, EXIT_OF_INPUT, "cannot write %s: %s", output->path, strerror(error));
}

/* Where the last part of a path begins. */
static size_t base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static char *folder_of(const char *path) {
    const size_t base = base_of(path);
    char *folder = malloc(base + 2);
    if (folder == NULL)
        return NULL;
    memcpy(folder, path, base);
    memcpy(folder + base, ".", 2); /* "a/b.npy": "a/." */
    return folder;
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Names of open descriptors: whatever they lead to, it is to be written and not replaced. */
static bool is_descriptor(const char *path) {
    return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0 || strcmp(path, "/dev/stdout") == 0 ||
           strcmp(path, "/dev/stderr") == 0;
}

static bool is_stdout(const char *path, const struct stat *status) {
    struct stat standard;
    if (strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/fd/1") == 0 || strcmp(path, "/proc/self/fd/1") == 0)
        return true;
    /* a redirection to the same file; but anyone may write to /dev/null twice */
    return !S_ISCHR(status->st_mode) && fstat(STDOUT_FILENO, &standard) == 0 && same_file(status, &standard);
}

/* Whether two outputs are one file.  Those that do not exist yet are told by their folders and names. */
static bool outputs_clash(const char *a, const char *b) {
    struct stat status_a, status_b;
    const bool exists_a = stat(a, &status_a) == 0, exists_b = stat(b, &status_b) == 0;
    if (exists_a != exists_b)
        return false;
    if (exists_a)
        return !S_ISCHR(status_a.st_mode) && same_file(&status_a, &status_b);
    if (strcmp(a + base_of(a), b + base_of(b)) != 0)
        return false;
    char *folder_a = folder_of(a), *folder_b = folder_of(b);
    const bool clash = folder_a != NULL && folder_b != NULL && stat(folder_a, &status_a) == 0 &&
                       stat(folder_b, &status_b) == 0 && same_file(&status_a, &status_b);
    free(folder_a);
    free(folder_b);
    return clash;
}

static bool check_clashes(const struct outputs *outputs, const char *const *inputs, size_t input_count,
                          struct failure *failure) {
    for (size_t i = 0; i < outputs->count; ++i) {
        const struct output *output = &outputs->list[i];
        for (size_t j = 0; j < i; ++j)
            if (outputs_clash(outputs->list[j].path, output->path))
                return fail_with(failure, EXIT_OF_INPUT, "%s and %s are the same file, %s", outputs->list[j].option,
                                 output->option, output->path);
        for (size_t j = 0; j < input_count; ++j)
            if (inputs[j] != NULL && strcmp(inputs[j], "-") != 0 && outputs_clash(inputs[j], output->path))
                return fail_with(failure, EXIT_OF_INPUT, "%s is %s, which is also read; expected a file of its own",
                                 output->option, output->path);
    }
    return true;
}

static bool open_direct(struct output *output, bool standard, struct failure *failure) {
    const int descriptor = standard ? dup(STDOUT_FILENO) : open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return output_failed(output, errno, failure);
    output->file = fdopen(descriptor, "wb");
    if (output->file == NULL) {
        const int error = errno;
        close(descriptor);
        return output_failed(output, error, failure);
    }
    return true;
}

/* Creates ".clmp-<process>-<number>.tmp" in the folder of the target: short, for any name that the target may have. */
static bool open_temporary(struct output *output, struct failure *failure) {
    const size_t base = base_of(output->target), size = base + 64;
    char *name = malloc(size);
    if (name == NULL)
        return fail_memory(failure, output->path);
    int descriptor = -1, error = EEXIST;
    bool remembered = false;
    cleanup_hold();
    for (unsigned i = 0; descriptor < 0 && error == EEXIST && i < 1000; ++i) {
        snprintf(name, size, "%.*s.clmp-%ld-%u.tmp", (int)base, output->target, (long)getpid(), i);
        descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* the umask does the rest */
        error = errno;
    }
    if (descriptor >= 0)
        remembered = cleanup_remember(name);
    cleanup_release();
    if (descriptor < 0) {
        free(name);
        if (error == ENOENT)
            return fail_with(failure, EXIT_OF_INPUT, "cannot write %s: its folder does not exist", output->path);
        return output_failed(output, error, failure);
    }
    output->temporary = name; /* from now on outputs_discard() sees to it */
    output->file = remembered ? fdopen(descriptor, "wb") : NULL;
    if (output->file == NULL) {
        close(descriptor);
        return fail_memory(failure, output->path);
    }
    return true;
}

static bool open_output(struct outputs *outputs, struct output *output, bool json, struct failure *failure) {
    struct stat status;
    const char *path = output->path;
    const size_t length = strlen(path);
    if (length == 0)
        return fail_with(failure, EXIT_OF_INPUT, "%s is empty, expected a file name", output->option);
    const bool exists = stat(path, &status) == 0;
    if (!exists && errno != ENOENT)
        return output_failed(output, errno, failure);
    if (exists ? S_ISDIR(status.st_mode) : path[length - 1] == '/')
        return fail_with(failure, EXIT_OF_INPUT, "%s is %s, a folder, expected a file", output->option, path);
    if (exists && is_stdout(path, &status)) {
        if (json)
            return fail_with(failure, EXIT_OF_INPUT, "%s is %s, but with --json standard output has the JSON only",
                             output->option, path);
        outputs->to_stdout = true;
        return open_direct(output, true, failure);
    }
    if (exists && (!S_ISREG(status.st_mode) || is_descriptor(path)))
        return open_direct(output, false, failure);
    if (exists) {
        if (access(path, W_OK) != 0) /* a rename would not ask */
            return output_failed(output, errno, failure);
        output->target = realpath(path, NULL); /* a link stays, and what it leads to is replaced */
    } else {
        if (lstat(path, &status) == 0)
            return fail_with(failure, EXIT_OF_INPUT, "cannot write %s: a link to a file that does not exist", path);
        output->target = strdup(path);
    }
    if (output->target == NULL)
        return output_failed(output, errno, failure);
    return open_temporary(output, failure);
}

bool outputs_open(struct outputs *outputs, const char *const *inputs, size_t input_count, bool json,
                  struct failure *failure) {
    if (!check_clashes(outputs, inputs, input_count, failure))
        return false;
    for (size_t i = 0; i < outputs->count; ++i)
        if (!open_output(outputs, &outputs->list[i], json, failure))
            return false;
    return true;
}

bool output_write(struct output *output, const void *bytes, size_t size, struct failure *failure) {
    if (fwrite(bytes, 1, size, output->file) != size)
        return output_failed(output, errno, failure);
    return true;
}

bool output_npy(struct output *output, enum npy_type type, const uint64_t *shape, size_t dims, const void *values,
                struct failure *failure) {
    char header[NPY_HEADER_BYTES];
    uint64_t elements = 1;
    for (size_t i = 0; i < dims; ++i)
        elements *= shape[i];
    const size_t size = npy_format_header(type, shape, dims, header);
    return output_write(output, header, size, failure) &&
           output_write(output, values, (size_t)elements * npy_type_size(type), failure);
}

/* Everything of one output is on the disk after this. */
static bool complete(struct output *output, struct failure *failure) {
    FILE *file = output->file;
    int error = 0;
    output->file = NULL;
    if (fflush(file) != 0)
        error = errno;
    /* some file systems have no fsync */
    if (error == 0 && output->temporary != NULL && fsync(fileno(file)) != 0 && errno != EINVAL && errno != ENOSYS)
        error = errno;
    if (fclose(file) != 0 && error == 0)
        error = errno;
    return error == 0 || output_failed(output, error, failure);
}

bool outputs_commit(struct outputs *outputs, struct failure *failure) {
    for (size_t i = 0; i < outputs->count; ++i)
        if (!complete(&outputs->list[i], failure))
            return false;
    for (size_t i = 0; i < outputs->count; ++i) {
        struct output *output = &outputs->list[i];
        if (output->temporary == NULL)
            continue;
        if (rename(output->temporary, output->target) != 0)
            return output_failed(output, errno, failure);
        cleanup_forget(output->temporary);
        free(output->temporary);
        output->temporary = NULL;
    }
    return true;
}

void outputs_discard(struct outputs *outputs) {
    for (size_t i = 0; i < outputs->count; ++i) {
        struct output *output = &outputs->list[i];
        if (output->file != NULL)
            fclose(output->file);
        if (output->temporary != NULL) {
            unlink(output->temporary);
            cleanup_forget(output->temporary);
        }
        free(output->temporary);
        free(output->target);
    }
    outputs->count = 0;
}

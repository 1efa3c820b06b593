/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* ------------------------------------------------------------------------------------------------------------- files
 */

static char folder[256];
static pid_t owner;

static void remove_all(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0)
        return;
    const int inner = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = inner >= 0 ? fdopendir(inner) : NULL;
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_all(inner, entry->d_name);
    if (list != NULL)
        closedir(list);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

static void remove_folder(void) {
    if (getpid() == owner)
        remove_all(AT_FDCWD, folder);
}

const char *fuzz_folder(void) {
    if (owner == 0) {
        const char *parent = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/clmp-fuzz-XXXXXX", parent != NULL && parent[0] == '/' ? parent : "/tmp");
        fuzz_assert(mkdtemp(folder) != NULL, "%s: %s", folder, strerror(errno));
        owner = getpid();
        (void)atexit(remove_folder);
    }
    return folder;
}

const char *fuzz_path(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    return path;
}

static void write_all(int file, const uint8_t *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        const ssize_t count = write(file, bytes + done, size - done);
        fuzz_assert(count > 0 || errno == EINTR, "write: %s", strerror(errno));
        done += count > 0 ? (size_t)count : 0;
    }
}

/* It stays open: some file systems wait for the disk where a file is cut, written anew and closed. */
const char *fuzz_file(const uint8_t *data, size_t size) {
    static int file = -1;
    static char path[512];
    if (file < 0) {
        snprintf(path, sizeof path, "%s/input", fuzz_folder());
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        fuzz_assert(file >= 0, "%s: %s", path, strerror(errno));
    }
    fuzz_assert(lseek(file, 0, SEEK_SET) == 0, "%s: %s", path, strerror(errno));
    write_all(file, data, size);
    fuzz_assert(ftruncate(file, (off_t)size) == 0, "%s: %s", path, strerror(errno));
    return path;
}

static int pipe_end = -1;

const char *fuzz_pipe(const uint8_t *data, size_t size) {
    static char path[32];
    int ends[2];
    if (size > FUZZ_PIPE)
        return NULL;
    fuzz_assert(pipe(ends) == 0, "pipe: %s", strerror(errno));
    write_all(ends[1], data, size);
    close(ends[1]);
    pipe_end = ends[0];
    snprintf(path, sizeof path, "/dev/fd/%d", pipe_end);
    return path;
}

void fuzz_pipe_close(void) {
    close(pipe_end);
}

void fuzz_write(const char *path, const void *bytes, size_t size) {
    (void)unlink(path);
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    fuzz_assert(file >= 0, "%s: %s", path, strerror(errno));
    write_all(file, bytes, size);
    close(file);
}

uint8_t *fuzz_read(const char *path, size_t *size) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    fuzz_assert(file >= 0, "%s: %s", path, strerror(errno));
    const off_t end = lseek(file, 0, SEEK_END);
    uint8_t *bytes = malloc(end > 0 ? (size_t)end : 1);
    fuzz_assert(end >= 0 && bytes != NULL && pread(file, bytes, (size_t)end, 0) == end, "%s cannot be read", path);
    close(file);
    *size = (size_t)end;
    return bytes;
}

/* ------------------------------------------------------------------------------------------------------------ reader
 */

uint64_t take(struct reader *reader, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && reader->at < reader->end; ++i)
        value |= (uint64_t)*reader->at++ << (8 * i);
    return value;
}

uint64_t take_below(struct reader *reader, uint64_t bound) {
    return take(reader, 1) % bound;
}

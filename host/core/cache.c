/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILE ((uint64_t)256 << 20)
#define MAX_NAME 64
#define TEMPORARY ".tmp"
#define LEFT_OVER 3600 /* seconds: nobody writes a file for that long */

struct header {
    char magic[8];
    uint64_t key_length, size; /* bytes of the key and of what is stored, which follow */
    uint64_t hash;             /* of both */
};
static const char magic[8] = {'C', 'L', 'M', 'P', 'B', 'I', 'N', '1'};

uint64_t clmp_hash(uint64_t so_far, const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    uint64_t hash = so_far != 0 ? so_far : 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; ++i)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static char *join(const char *a, const char *b) {
    const size_t size = strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%s%s", a, b);
    return text;
}

char *clmp_cache_folder(const char *asked, bool by_default) {
    const char *folder = asked != NULL ? asked : getenv("CLMP_CACHE_DIR");
    if (folder != NULL)
        return folder[0] != '\0' ? join(folder, "") : NULL;
    if (!by_default)
        return NULL;
    const char *base = getenv("XDG_CACHE_HOME");
    if (base != NULL && base[0] == '/') /* what is not absolute is to be ignored, says the XDG specification */
        return join(base, "/libclmp");
    base = getenv("HOME");
    return base != NULL && base[0] == '/' ? join(base, "/.cache/libclmp") : NULL;
}

/* Ours, and nobody else can write to it. */
static bool is_private(int file, mode_t type) {
    struct stat status;
    return fstat(file, &status) == 0 && (status.st_mode & S_IFMT) == type && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* A descriptor, or -1. */
static int open_folder(const char *folder) {
    const int file = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (file >= 0 && !is_private(file, S_IFDIR)) {
        close(file);
        return -1;
    }
    return file;
}

/* Makes the folder and those that it lies in, for the user alone. */
static void make_folders(const char *folder) {
    char *path = join(folder, "");
    if (path == NULL)
        return;
    for (char *at = path + 1; *at != '\0'; ++at)
        if (*at == '/') {
            *at = '\0';
            (void)mkdir(path, S_IRWXU); /* what fails, fails again below */
            *at = '/';
        }
    (void)mkdir(path, S_IRWXU);
    free(path);
}

static void file_name(const char *key, char name[MAX_NAME]) {
    snprintf(name, MAX_NAME, "%016" PRIx64 ".bin", clmp_hash(0, key, strlen(key)));
}

/* `size` is not 0. */
static bool read_all(int file, void *to, size_t size) {
    char *at = to;
    do {
        const ssize_t count = read(file, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        at += count;
        size -= (size_t)count;
    } while (size > 0);
    return true;
}

static bool write_all(int file, const void *from, size_t size) {
    const char *at = from;
    while (size > 0) {
        const ssize_t count = write(file, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        at += count;
        size -= (size_t)count;
    }
    return true;
}

static uint64_t hash_of(const char *key, const unsigned char *bytes, size_t size) {
    return clmp_hash(clmp_hash(0, key, strlen(key)), bytes, size);
}

/* What follows the header of a file that has the right key and checksum. */
static unsigned char *read_file(int file, const char *key, size_t *size) {
    struct header header;
    if (!is_private(file, S_IFREG) || !read_all(file, &header, sizeof header) ||
        memcmp(header.magic, magic, sizeof magic) != 0 || header.key_length != strlen(key) || header.size == 0 ||
        header.size > MAX_FILE)
        return NULL;
    struct stat status;
    if (fstat(file, &status) != 0 || (uint64_t)status.st_size != sizeof header + header.key_length + header.size)
        return NULL;
    const size_t key_length = (size_t)header.key_length;
    unsigned char *all = malloc(key_length + (size_t)header.size);
    if (all == NULL)
        return NULL;
    if (!read_all(file, all, key_length + (size_t)header.size) || memcmp(all, key, key_length) != 0 ||
        hash_of(key, all + key_length, (size_t)header.size) != header.hash) {
        free(all);
        return NULL;
    }
    memmove(all, all + key_length, (size_t)header.size);
    *size = (size_t)header.size;
    return all;
}

unsigned char *clmp_cache_load(const char *folder, const char *key, size_t *size) {
    const int where = folder != NULL ? open_folder(folder) : -1;
    if (where < 0)
        return NULL;
    char name[MAX_NAME];
    file_name(key, name);
    /* not blocking: the name may be a pipe's */
    const int file = openat(where, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    close(where);
    if (file < 0)
        return NULL;
    unsigned char *bytes = read_file(file, key, size);
    close(file);
    return bytes;
}

/* Removes what processes that were killed left. */
static void remove_leftovers(int where) {
    const int copy = openat(where, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (folder == NULL) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const size_t length = strlen(entry->d_name), suffix = sizeof TEMPORARY - 1;
        struct stat status;
        if (length > suffix && strcmp(entry->d_name + length - suffix, TEMPORARY) == 0 &&
            fstatat(where, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
            time(NULL) - status.st_mtime > LEFT_OVER)
            (void)unlinkat(where, entry->d_name, 0);
    }
    closedir(folder);
}

/* A file beyond the process's limit would be a signal that ends it, and not an error of a write. */
static bool is_within_limit(uint64_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur);
}

void clmp_cache_store(const char *folder, const char *key, const unsigned char *bytes, size_t size) {
    if (folder == NULL || size == 0 || size > MAX_FILE || !is_within_limit(sizeof(struct header) + strlen(key) + size))
        return;
    make_folders(folder);
    const int where = open_folder(folder);
    if (where < 0)
        return;
    char name[MAX_NAME], temporary[MAX_NAME];
    file_name(key, name);
    remove_leftovers(where);
    /* the stack tells the threads of a process apart */
    snprintf(temporary, sizeof temporary, "%ld-%" PRIxPTR TEMPORARY, (long)getpid(), (uintptr_t)name);
    (void)unlinkat(where, temporary, 0);
    const int file = openat(where, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file >= 0) {
        struct header header = {.key_length = strlen(key), .size = size, .hash = hash_of(key, bytes, size)};
        memcpy(header.magic, magic, sizeof magic);
        const bool whole = write_all(file, &header, sizeof header) && write_all(file, key, strlen(key)) &&
                           write_all(file, bytes, size);
        if (close(file) != 0 || !whole || renameat(where, temporary, where, name) != 0)
            (void)unlinkat(where, temporary, 0);
    }
    close(where);
}

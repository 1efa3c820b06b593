/*
 * Runs a fuzzer without libFuzzer: over the files of its corpus, and over mutations of each.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * usage: fuzz_NAME CORPUS [MUTATIONS]    CORPUS: a folder, or one file
 *
 * The mutations depend on the file and on their number only, so what fails here fails everywhere; a crash prints both.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 16 };

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t bound) {
    return (size_t)(next(state) % bound);
}

/* One change: a bit, a byte, a number, a piece taken out, doubled or copied elsewhere, the end cut off. */
static size_t change(uint64_t *state, uint8_t *bytes, size_t size) {
    static const uint64_t numbers[] = {0,      1,         0x7f,       0x80,      0xff,      0x7fff,
                                       0xffff, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
    if (size == 0)
        return size;
    const size_t at = below(state, size), length = 1 + below(state, size - at < 16 ? size - at : 16);
    const size_t width = (size_t)1 << below(state, 4);
    const uint64_t number = numbers[below(state, sizeof numbers / sizeof *numbers)] + below(state, 3);
    const size_t to = below(state, size - length + 1);
    switch (below(state, 8)) {
    case 0:
    case 1:
        bytes[at] ^= (uint8_t)(1u << below(state, 8));
        return size;
    case 2:
        bytes[at] = (uint8_t)next(state);
        return size;
    case 3:
        bytes[at] = (uint8_t)(bytes[at] + below(state, 9) - 4);
        return size;
    case 4:
        for (size_t i = 0; i < width && at + i < size; ++i)
            bytes[at + i] = (uint8_t)(number >> (8 * i));
        return size;
    case 5:
        memmove(bytes + at, bytes + at + length, size - at - length);
        return size - length;
    case 6:
        if (size + length > MOST_BYTES)
            return size;
        memmove(bytes + at + length, bytes + at, size - at);
        return size + length;
    default:
        if (below(state, 4) == 0)
            return at;
        memmove(bytes + to, bytes + at, length);
        return size;
    }
}

static char current[512]; /* what is being run, for a crash to tell */

static void on_crash(int number) {
    static const char words[] = "crashed in ";
    if (write(2, words, sizeof words - 1) > 0 && write(2, current, strlen(current)) > 0)
        (void)!write(2, "\n", 1);
    raise(number); /* SA_RESETHAND: ends the process */
}

/* In memory of its size, so that a sanitizer sees a byte too many. */
static void run(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    fuzz_assert(copy != NULL, "no memory");
    memcpy(copy, bytes, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay(const char *path, const char *name, unsigned long mutations) {
    static uint8_t bytes[MOST_BYTES];
    size_t size = 0;
    uint8_t *file = fuzz_read(path, &size);
    size = size < MOST_BYTES ? size : MOST_BYTES;
    uint64_t state = size;
    for (const char *c = name; *c != '\0'; ++c)
        state = next(&state) ^ (unsigned char)*c;
    for (unsigned long i = 0; i <= mutations; ++i) {
        size_t length = size;
        memcpy(bytes, file, size);
        for (size_t changes = i == 0 ? 0 : 1 + below(&state, 6); changes > 0; --changes)
            length = change(&state, bytes, length);
        snprintf(current, sizeof current, "%s, mutation %lu", path, i);
        run(bytes, length);
    }
    free(file);
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* whatever the locale */
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s CORPUS [MUTATIONS]\n", argv[0]);
        return 2;
    }
    const unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    struct sigaction act = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i)
        (void)sigaction(signals[i], &act, NULL);
    struct stat status;
    fuzz_assert(stat(argv[1], &status) == 0, "%s: %s", argv[1], strerror(errno));
    if (!S_ISDIR(status.st_mode)) {
        const char *slash = strrchr(argv[1], '/');
        replay(argv[1], slash != NULL ? slash + 1 : argv[1], mutations);
        return 0;
    }
    struct dirent **entries = NULL;
    const int count = scandir(argv[1], &entries, visible, by_name);
    fuzz_assert(count > 0, "%s has no file", argv[1]);
    for (int i = 0; i < count; ++i) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        replay(path, entries[i]->d_name, mutations);
        free(entries[i]);
    }
    free(entries);
    printf("%d files, %lu mutations of each\n", count, mutations);
    return 0;
}

/*
 * Any bytes as a file in the folder of compiled programs: as if it were not there, or taken for what it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The first byte says how the rest is meant:
 *
 *   odd, below 32  changes to the file of a program that a plan needs (bits 1 to 3: of which), or with bit 4 a file in
 *                  its place: a new context's plan must give the reference's bits, and leave a good file.  It takes a
 *                  tenth of a second, so few numbers mean it
 *   else           a file for a key of the fuzzer's, read by host/core/cache.c alone, as by a reader written here; bit
 * 1: with its magic and its hash made right
 *
 * A file whose hash is right although its program is another one is no damage, but an attack by the user on himself
 * (SECURITY.md), and no program is run from it.
 */
#include "fuzz.h"

#include "core/cache.h"
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'C', 'L', 'M', 'P', 'B', 'I', 'N', '1'};
enum { KEY_LENGTH = 8, SIZE = 16, HASH = 24, HEAD = 32 };

/* FNV-1a: G. Fowler, L. C. Noll, K.-P. Vo. */
static uint64_t hash_of(const uint8_t *bytes, size_t size) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; ++i)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static uint64_t number_at(const uint8_t *at) {
    uint64_t number = 0;
    for (int i = 0; i < 8; ++i)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static void put_number(uint8_t *at, uint64_t number) {
    for (int i = 0; i < 8; ++i)
        at[i] = (uint8_t)(number >> (8 * i));
}

/* Whether a file is one of that key, as host/core/cache.h and .c have it. */
static bool is_good(const uint8_t *file, size_t size, const uint8_t *key, size_t key_length) {
    return size > HEAD + key_length && memcmp(file, magic, sizeof magic) == 0 &&
           number_at(file + KEY_LENGTH) == key_length && number_at(file + SIZE) == size - HEAD - key_length &&
           memcmp(file + HEAD, key, key_length) == 0 && number_at(file + HASH) == hash_of(file + HEAD, size - HEAD);
}

/* --------------------------------------------------------------------------------------------------- the reader alone
 */

static const char key[] = "a fuzzer's\n";

/* The only file of a folder. */
static void find_file(const char *folder, char path[512]) {
    DIR *list = opendir(folder);
    fuzz_assert(list != NULL, "%s", folder);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.')
            snprintf(path, 512, "%s/%s", folder, entry->d_name);
    closedir(list);
}

static void check_reader(const uint8_t *data, size_t size, bool mended) {
    static char folder[256], path[512];
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "%s", fuzz_path("alone"));
        clmp_cache_store(folder, key, (const unsigned char *)key, sizeof key);
        find_file(folder, path);
    }
    size_t got = 0;
    uint8_t *file = malloc(size + HEAD);
    fuzz_assert(file != NULL, "no memory");
    memcpy(file, data, size);
    if (mended && size > HEAD) {
        memcpy(file, magic, sizeof magic);
        put_number(file + HASH, hash_of(file + HEAD, size - HEAD));
    }
    fuzz_write(path, file, size);
    const bool good = is_good(file, size, (const uint8_t *)key, strlen(key));
    unsigned char *read = clmp_cache_load(folder, key, &got);
    fuzz_assert((read != NULL) == good, "%zu bytes are %s", size, read != NULL ? "taken" : "refused");
    fuzz_assert(!good || (got == size - HEAD - strlen(key) && memcmp(read, file + size - got, got) == 0),
                "%zu other bytes", got);
    free(read);
    if (size > 0) {
        clmp_cache_store(folder, key, data, size);
        read = clmp_cache_load(folder, key, &got);
        fuzz_assert(read != NULL && got == size && memcmp(read, data, size) == 0,
                    "what was stored is not what is read");
        free(read);
    }
    free(file);
}

/* ---------------------------------------------------------------------------------------------------- with a device
 */

enum { MOST_PROGRAMS = 8 };
static struct program {
    char path[512];
    uint8_t *good; /* as the library wrote it */
    size_t size;
} programs[MOST_PROGRAMS];
static size_t program_count;

static struct problem *problem;
static struct outputs *want;
static char folder[256];

/* By a context that has no programs yet. */
static void assert_right_bits(void) {
    fuzz_device_context(folder);
    struct outputs *got = run_device(problem, &(struct run){.tuning = {.vector_width = 1, .group_size = 8}});
    assert_same_bits(problem, got, want);
    outputs_free(got);
}

static void prepare(void) {
    snprintf(folder, sizeof folder, "%s", fuzz_path("programs"));
    fuzz_device_open();
    problem = problem_of_losses(1, 1, 300);
    struct rng rng = rng_for("fuzz cache", 0);
    fill_losses(problem, LOSSES_UNCLEAN, &rng);
    want = run_reference(problem);
    assert_right_bits();
    DIR *list = opendir(folder);
    for (const struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.' && program_count < MOST_PROGRAMS) {
            struct program *program = &programs[program_count++];
            snprintf(program->path, sizeof program->path, "%s/%s", folder, entry->d_name);
            program->good = fuzz_read(program->path, &program->size);
        }
    closedir(list);
    fuzz_assert(program_count > 0, "the device gives no binaries");
}

static bool is_good_program(const struct program *program, const uint8_t *file, size_t size) {
    return is_good(file, size, program->good + HEAD, (size_t)number_at(program->good + KEY_LENGTH));
}

/* Changes of 5 bytes each: where (of the header and key, or of all), how, and with what. */
static size_t change(struct reader *reader, uint8_t *file, size_t size) {
    while (reader->at < reader->end && size > 0) {
        const uint64_t where = take(reader, 3), how = take(reader, 1);
        const uint8_t value = (uint8_t)take(reader, 1);
        const size_t near = size < 1024 ? size : 1024, at = (size_t)(where % ((how & 8) != 0 ? size : near));
        switch (how % 4) {
        case 0:
            file[at] ^= value;
            break;
        case 1:
            file[at] = value;
            break;
        case 2:
            size = at;
            break;
        default:
            file[size++] = value; /* there is room for as many as the input has bytes */
        }
    }
    return size;
}

static void check_program(struct reader *reader, unsigned mode) {
    if (program_count == 0)
        prepare();
    const struct program *program = &programs[(mode >> 1 & 7) % program_count];
    const size_t given = (size_t)(reader->end - reader->at);
    uint8_t *file = malloc(program->size + given + 1);
    size_t size = given;
    fuzz_assert(file != NULL, "no memory");
    if ((mode & 16) != 0) {
        memcpy(file, reader->at, given);
    } else {
        memcpy(file, program->good, program->size);
        size = change(reader, file, program->size);
    }
    const bool same = size == program->size && memcmp(file, program->good, size) == 0;
    if (same || !is_good_program(program, file, size)) {
        fuzz_write(program->path, file, size);
        assert_right_bits();
        free(file);
        file = fuzz_read(program->path, &size);
        fuzz_assert(is_good_program(program, file, size), "a damaged file was left");
        fuzz_write(program->path, program->good, program->size);
    }
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader reader = {data, data + size};
    const unsigned mode = (unsigned)take(&reader, 1);
    if (mode < 32 && (mode & 1) != 0)
        check_program(&reader, mode);
    else
        check_reader(reader.at, (size_t)(reader.end - reader.at), (mode & 2) != 0);
    return 0;
}

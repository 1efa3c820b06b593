/*
 * Any bytes as a PNG of labels: refused in one line, or read, from a file as from a pipe.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each input is read twice: as it is, and with the checksums of its chunks mended, without which nearly all of libpng
 * would be behind a wall.
 */
#include "fuzz.h"

#include "labels.h"

#include <stdlib.h>
#include <string.h>

enum { SIGNATURE = 8, LENGTH = 4, TYPE = 4, CRC = 4, WIDTH = 16, HEIGHT = 20 };
/* Of images through pipes, whose size is not held against what they say: address space is taken for all of it. */
#define MOST_PIXELS (1u << 24)

static uint32_t crc_of(const uint8_t *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void mend(uint8_t *bytes, size_t size) {
    for (size_t at = SIGNATURE; size - at >= LENGTH + TYPE + CRC && at < size;) {
        const uint32_t length = big_endian(bytes + at);
        if (length > size - at - (LENGTH + TYPE + CRC))
            return;
        const uint32_t crc = crc_of(bytes + at + LENGTH, TYPE + (size_t)length);
        for (size_t i = 0; i < CRC; ++i)
            bytes[at + LENGTH + TYPE + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += LENGTH + TYPE + (size_t)length + CRC;
    }
}

/* Without a table, with one of the colours alone, and with one of both. */
enum { TABLES = 3 };
static struct label_rules *tables(void) {
    static struct label_rules rules[TABLES];
    static bool made;
    struct failure failure = {.code = 0};
    const int64_t ignored[] = {255, 7};
    if (!made) {
        static const char colours[] = "0,0,0 0\n1,2,3 1\n* 3\n";
        fuzz_write(fuzz_path("colours"), colours, sizeof colours - 1);
        const char *const names[TABLES] = {NULL, strdup(fuzz_path("colours")), "voc"};
        for (size_t i = 0; i < TABLES; ++i)
            fuzz_assert(label_rules_read(names[i], ignored, 1 + i % 2, &rules[i], &failure), "%s", failure.line);
        made = true;
    }
    return rules;
}

static bool read_labels(const char *path, int table, const struct logits *logits, bool binary, struct labels *labels) {
    struct failure failure = {.code = 0};
    const bool good = labels_read(path, &tables()[table], logits, binary, labels, &failure);
    fuzz_assert(good == (failure.code == 0), "success %d with code %d", good, failure.code);
    fuzz_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL), "code %d without a line",
                failure.code);
    failure_clear(&failure);
    return good;
}

static void check(const uint8_t *data, size_t size) {
    struct logits logits = {.path = "logits.npy", .images = 1, .classes = 3, .height = 9, .width = 13};
    struct labels labels, others;
    logits.header = (struct npy_header){.dims = 3, .shape = {3, 9, 13}};
    const char *path = fuzz_file(data, size);
    const bool good = read_labels(path, 0, NULL, false, &labels);
    const size_t pixels = good ? (size_t)labels_pixels(&labels) : 0;
    for (int table = 0; table < TABLES; ++table) {
        const bool read = read_labels(path, table, NULL, false, &others);
        int64_t sum = 0;
        for (size_t i = 0; read && i < labels_pixels(&others); ++i) /* a sanitizer sees memory that was not written */
            sum += labels_get(&others, i);
        fuzz_assert(!read || sum <= 65535 * (int64_t)labels_pixels(&others), "labels are %lld", (long long)sum);
        fuzz_assert(!good || (read && labels_pixels(&others) == pixels && pixels > 0), "%zu pixels", pixels);
        free(others.values);
    }
    for (int binary = 0; binary < 2; ++binary) {
        (void)read_labels(path, 0, &logits, binary, &others);
        free(others.values);
    }
    const bool has_size = size >= HEIGHT + LENGTH;
    const uint64_t said = has_size ? (uint64_t)big_endian(data + WIDTH) * big_endian(data + HEIGHT) : 0;
    const char *pipe = said <= MOST_PIXELS ? fuzz_pipe(data, size) : NULL;
    if (pipe != NULL) {
        const bool piped = read_labels(pipe, 0, NULL, false, &others);
        fuzz_assert(piped == good, "a pipe is not what a file is");
        fuzz_assert(!good || (others.height == labels.height && others.element == labels.element &&
                              others.width == labels.width &&
                              memcmp(labels.values, others.values, pixels * labels.element) == 0),
                    "a pipe is not what a file is");
        free(others.values);
        fuzz_pipe_close();
    }
    free(labels.values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check(data, size);
    if (size < SIGNATURE)
        return 0;
    uint8_t *mended = malloc(size);
    fuzz_assert(mended != NULL, "no memory");
    memcpy(mended, data, size);
    mend(mended, size);
    if (memcmp(mended, data, size) != 0)
        check(mended, size);
    free(mended);
    return 0;
}

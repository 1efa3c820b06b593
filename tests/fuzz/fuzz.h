/*
 * What the fuzzers share.  Each is one LLVMFuzzerTestOneInput(), for libFuzzer (tests/fuzz.sh) or for replay.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TESTS_FUZZ_H
#define CLMP_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, with a line that says where and what. */
#define fuzz_assert(condition, ...) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

/* A folder of this process alone, which goes with all that is in it when the process ends. */
const char *fuzz_folder(void);

/* A file in it.  The string is valid until the next call. */
const char *fuzz_path(const char *name);

/* A regular file with these bytes, which the next call overwrites. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* A pipe with at most FUZZ_PIPE bytes, or NULL where there are more; to be closed.  One at a time. */
enum { FUZZ_PIPE = 60000 };
const char *fuzz_pipe(const uint8_t *data, size_t size);
void fuzz_pipe_close(void);

void fuzz_write(const char *path, const void *bytes, size_t size);
uint8_t *fuzz_read(const char *path, size_t *size); /* to be freed */

/* Bytes as numbers; 0 where there are no more. */
struct reader {
    const uint8_t *at, *end;
};
uint64_t take(struct reader *reader, size_t bytes);
uint64_t take_below(struct reader *reader, uint64_t bound); /* from one byte, so bound <= 256 */

/* The device of tests/support/support.h, with which tests/support/problems.c and runner.c work. */
void fuzz_device_open(void);

/* A context of its own for the device, in the place of the one before; NULL: the environment's folder of programs. */
void fuzz_device_context(const char *cache_dir);

#endif

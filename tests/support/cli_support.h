/*
 * What the tests of the command share: a folder of their own, files written by hand, and the command itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_CLI  path of the command, for those that run it
 */
#ifndef CLMP_TESTS_CLI_SUPPORT_H
#define CLMP_TESTS_CLI_SUPPORT_H

#include "support.h"

#include <jansson.h>

/* -------------------------------------------------------------------------------------------------------- files */

/* Makes a folder and goes there; names below are relative to it.  leave_folder() removes it with what is in it. */
void enter_folder(void);
void leave_folder(void);

void write_file(const char *name, const void *bytes, size_t size);

/* All of a file, to be freed, with a 0 after its end.  `size` may be NULL. */
char *read_file(const char *name, size_t *size);

/* A .npy file of version 1.0: the dictionary has `descr`, `order` and `shape` as given. */
void write_npy_as(const char *name, const char *descr, const char *order, const char *shape, const void *data,
                  size_t size);

/* The same, as NumPy writes it: '<f4', "(2, 3)". */
void write_npy(const char *name, const char *descr, const char *shape, const void *data, size_t size);

/* float32 values of a .npy file, to be freed; its header must be of '<f4', C order and this shape. */
float *read_npy(const char *name, const char *shape, size_t count);

/* A PNG file; `colour` is libpng's, `rows` has the bytes of all rows as they are stored. */
void write_png(const char *name, unsigned width, unsigned height, int depth, int colour, bool interlaced,
               const unsigned char *rows);

/* Names in the folder that begin with `prefix`. */
size_t count_files(const char *prefix);

/* ------------------------------------------------------------------------------------------------------ command */

struct outcome {
    int status;  /* of the exit; -n where signal n ended it */
    char *out;   /* standard output */
    size_t size; /* of it, in bytes */
    char *err;   /* standard error */
};

/* Runs the command with these arguments, up to a NULL; the outcome is to be freed. */
struct outcome clmp(const char *first, ...);

/* The same from an array of all arguments, argv[0] being the program. */
struct outcome run_program(const char *const *argv);

/* The same, with a terminal as standard error: up to 4095 bytes, as a terminal has them (lines end by \r\n). */
struct outcome run_on_terminal(const char *const *argv);

void outcome_free(struct outcome *outcome);

/* Path of the command. */
const char *cli_path(void);

/* The JSON on standard output, which must be one object and nothing else; frees the outcome. */
json_t *json_of(struct outcome outcome);

/* A member, which must be there. */
double number(const json_t *object, const char *key);
long count_of(const json_t *object, const char *key);

/* That the outcome is a refusal: this status, nothing on standard output, and one line with these two in it. */
void assert_refused(struct outcome *outcome, int status, const char *one, const char *two);

/* That it is a success; the outcome is freed. */
void assert_done(struct outcome outcome);

#endif /* CLMP_TESTS_CLI_SUPPORT_H */

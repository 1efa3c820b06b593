/*
 * How the command fails: the first function that cannot go on says so in one line, and main() prints it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_FAIL_H
#define CLMP_CLI_FAIL_H

#include <stdbool.h>
#include <stdio.h>

/* The exit status of a failure. */
enum { EXIT_OF_DEVICE = 1, EXIT_OF_INPUT = 2 };

struct failure {
    int code;   /* 0: none so far */
    char *line; /* owned; NULL also where there was no memory for it */
};

/* Notes the failure, unless there is one already.  Always false, for `return fail_with(...)`. */
bool fail_with(struct failure *failure, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a lack of memory; `what` is what it was for. */
bool fail_memory(struct failure *failure, const char *what);

/* Puts words in front of the failure's line: where it was met. */
void fail_before(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "program: [command: ]line", as one line whatever the names of files and devices hold. */
void failure_print(const struct failure *failure, const char *program, const char *command, FILE *stream);

/* Says something on standard error that is no failure, likewise: "program: [command: ]note: ...". */
void note_print(const char *program, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void failure_clear(struct failure *failure);

#endif /* CLMP_CLI_FAIL_H */

/*
 * Numbers as programs read and write them: the same in every locale.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_NUMBERS_H
#define CLMP_CLI_NUMBERS_H

#include <stdint.h>

/*
 * From here on a decimal point is a point in this thread, whatever the process's locale is or becomes (the programs set
 * none, but a driver or a module that is loaded with them may): for printf() and strtod(), and what calls them.
 */
void numbers_begin(void);

enum number {
    NUMBER_GOOD,
    NUMBER_NONE,     /* no number */
    NUMBER_TOO_LARGE /* one, but there is no room for it */
};

/* A decimal number, or a word for infinity; what is NaN, hexadecimal or followed by anything is none. */
enum number number_read(const char *text, double *value);

/* A whole number of digits alone, up to `most`. */
enum number number_read_whole(const char *text, uint64_t most, uint64_t *value);

/* What a word ends in behind a number: "1 file", "2 files"; "1 class", "0 classes". */
static inline const char *plural_s(uint64_t count) {
    return count == 1 ? "" : "s";
}
static inline const char *plural_es(uint64_t count) {
    return count == 1 ? "" : "es";
}

#endif /* CLMP_CLI_NUMBERS_H */

/*
 * A program in the middle of whose numbers there are commas: loaded before the libraries of a program, sets the
 * process's locale before main(), as a module of a driver or a program that takes the library may.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_TEST_LOCALE  its name; LOCPATH is the folder that it is in
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static __attribute__((constructor)) void enter(void) {
    const char *name = getenv("CLMP_TEST_LOCALE");
    if (name != NULL && setlocale(LC_ALL, name) != NULL && localeconv()->decimal_point[0] == ',')
        return;
    fprintf(stderr, "CLMP_TEST_LOCALE: '%s' is no locale with a decimal comma\n", name != NULL ? name : "");
    _Exit(EXIT_FAILURE);
}

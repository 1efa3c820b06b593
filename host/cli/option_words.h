/*
 * What is said of options that cannot be: in the same words by every program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_OPTION_WORDS_H
#define CLMP_CLI_OPTION_WORDS_H

#include "numbers.h"

#include <getopt.h>
#include <stddef.h>

enum { OPTION_WORDS = 512 };

/*
 * What getopt_long() did not like when it returned `id`, '?' or ':': an option that is unknown, ambiguous, without its
 * value, or with one that it does not take.  The table ends with a NULL name.
 */
void option_complaint(int id, char *const *argv, const char *short_options, const struct option *known,
                      char words[OPTION_WORDS]);

/* "--p is '1e999', which is too large, expected ..." or without the part of what is a number and no more than that. */
void option_expected(const char *option, const char *text, enum number kind, const char *expected,
                     char words[OPTION_WORDS]);

#endif /* CLMP_CLI_OPTION_WORDS_H */

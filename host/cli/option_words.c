/* SPDX-License-Identifier: Apache-2.0 */
#include "option_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Whether `given`, "--s" or "--s=1", is short for more than one option; these then are in `names`. */
static bool is_ambiguous(const char *given, const struct option *known, char *names, size_t size) {
    const char *name = given + 2;
    const size_t length = strcspn(name, "=");
    size_t count = 0, used = 0;
    if (strncmp(given, "--", 2) != 0)
        return false;
    names[0] = '\0';
    for (; known->name != NULL; ++known)
        if (strncmp(known->name, name, length) == 0 && used < size) {
            used += (size_t)snprintf(names + used, size - used, "%s--%s", count == 0 ? "" : ", ", known->name);
            ++count;
        }
    return count > 1;
}

void option_complaint(int id, char *const *argv, const char *short_options, const struct option *known,
                      char words[OPTION_WORDS]) {
    const char *given = argv[optind - 1];
    char names[OPTION_WORDS / 2];
    if (id == ':')
        snprintf(words, OPTION_WORDS, "%.200s has no value", given);
    else if (optopt > 0 && optopt < 256 && strchr(short_options, optopt) == NULL) /* one of a cluster, perhaps */
        snprintf(words, OPTION_WORDS, "unknown option -%c", optopt);
    else if (optopt != 0)
        snprintf(words, OPTION_WORDS, "%.200s: this option takes no value", given);
    else if (is_ambiguous(given, known, names, sizeof names))
        snprintf(words, OPTION_WORDS, "%.200s is ambiguous: %s", given, names);
    else
        snprintf(words, OPTION_WORDS, "unknown option %.200s", given);
}

void option_expected(const char *option, const char *text, enum number kind, const char *expected,
                     char words[OPTION_WORDS]) {
    snprintf(words, OPTION_WORDS, "%s is '%.200s'%s, expected %.200s", option, text,
             kind == NUMBER_TOO_LARGE ? ", which is too large" : "", expected);
}

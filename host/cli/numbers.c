/* SPDX-License-Identifier: Apache-2.0 */
#include "numbers.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void numbers_begin(void) {
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c != (locale_t)0) /* takes no memory where that is at hand */
        uselocale(c);
}

enum number number_read(const char *text, double *value) {
    char *end = NULL;
    if (text[0] == '\0' || strchr("+-.0123456789iI", text[0]) == NULL || strpbrk(text, "xX") != NULL)
        return NUMBER_NONE; /* strtod() would take leading space, and more */
    errno = 0;
    *value = strtod(text, &end);
    if (end == text || *end != '\0' || isnan(*value))
        return NUMBER_NONE;
    return errno == ERANGE && isinf(*value) ? NUMBER_TOO_LARGE : NUMBER_GOOD;
}

enum number number_read_whole(const char *text, uint64_t most, uint64_t *value) {
    double number = 0.0;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') { /* 1e300 is a number, too */
        const enum number kind = number_read(text, &number);
        return kind == NUMBER_GOOD && isfinite(number) && number > (double)most ? NUMBER_TOO_LARGE
               : kind == NUMBER_TOO_LARGE                                       ? kind
                                                                                : NUMBER_NONE;
    }
    errno = 0;
    const unsigned long long read = strtoull(text, NULL, 10);
    if (errno != 0 || read > most)
        return NUMBER_TOO_LARGE;
    *value = read;
    return NUMBER_GOOD;
}

/* What programs have compiled in of a header.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TESTS_ABI_LAYOUT_H
#define CLMP_TESTS_ABI_LAYOUT_H

#include <stddef.h>

/* A field, its offset and size in bytes; a struct or an enum, 0 and its size; an enumerator, its value and 0. */
struct layout_row {
    const char *name; /* NULL ends the table */
    size_t offset, size;
};

/* The same rows, those of the first ABI's header, by three headers. */
extern const struct layout_row layout_first[], layout_now[], layout_later[];

#endif

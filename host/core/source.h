/* Kernel sources, embedded at build time (kernels/embed.py).  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_SOURCE_H
#define CLMP_SOURCE_H

#include <stddef.h>

struct clmp_source {
    const char *name; /* of the file, without ".cl"; "a+b": of a.cl and b.cl */
    const char *text;
    size_t length;
};

/* The library's, the head's, and those of clmp-train; each ends with an entry whose name is NULL. */
extern const struct clmp_source clmp_sources[];
extern const struct clmp_source clmp_head_sources[];
extern const struct clmp_source train_sources[];

#endif

/* What a step's buffers must be.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BUFFERS_H
#define CLMP_BUFFERS_H

#include "plan/plan.h"

enum clmp_entry {
    CLMP_ENTRY_WEIGHTS,
    CLMP_ENTRY_LOSS,
    CLMP_ENTRY_GRADIENT,
    CLMP_ENTRY_LABEL_COUNTS,
    CLMP_ENTRY_CONFUSION,
    CLMP_ENTRY_SLAB_LOSS, /* of logits that are never held as a whole: host/head/head.c */
    CLMP_ENTRY_SLAB_GRADIENT,
    CLMP_ENTRY_LOGITS /* which are written */
};

/* One buffer of a step, and where it lies: sub-buffers lie in a root buffer. */
struct clmp_place {
    const char *name;
    clmp_buffer buffer;
    uint64_t size; /* bytes that are read or written */
    size_t align;  /* of the offset, in bytes */
    bool needed, written;
    cl_mem root;
    size_t begin;
};
enum { CLMP_MORE_PLACES = 8 };

/* Checks every buffer that the entry uses: present, of the plan's context, aligned, large enough, apart from the
 * others.  `more` places are checked likewise, at most CLMP_MORE_PLACES. */
clmp_status clmp_buffers_check(const clmp_plan *plan, enum clmp_entry entry, const clmp_buffers *buffers,
                               const struct clmp_place *more, size_t more_count);

#endif

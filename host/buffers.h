/* What a step's buffers must be.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BUFFERS_H
#define CLMP_BUFFERS_H

#include "plan.h"

enum clmp_entry {
    CLMP_ENTRY_WEIGHTS,
    CLMP_ENTRY_LOSS,
    CLMP_ENTRY_GRADIENT,
    CLMP_ENTRY_LABEL_COUNTS,
    CLMP_ENTRY_CONFUSION
};

/* Checks every buffer that the entry uses: present, of the plan's context, aligned, large enough, apart from the
 * others. */
clmp_status clmp_buffers_check(const clmp_plan *plan, enum clmp_entry entry, const clmp_buffers *buffers);

#endif

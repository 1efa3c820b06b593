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
    CLMP_ENTRY_LOSS_PART, /* the stages one by one, of logits that are never held as a whole */
    CLMP_ENTRY_THRESHOLD,
    CLMP_ENTRY_GRADIENT_PART
};

/* Whether an entry works on a part of the pixels. */
static inline bool clmp_entry_takes_part(enum clmp_entry entry) {
    return entry == CLMP_ENTRY_LOSS_PART || entry == CLMP_ENTRY_GRADIENT_PART;
}

/* Numbers of 64 bits of the confusion matrix, or of all of them. */
uint64_t clmp_confusion_words(const clmp_plan *plan);

/* Checks every buffer that the entry uses: present, of the plan's context, aligned, large enough, apart from the
 * others.  `part`: NULL, but for entries that take one. */
clmp_status clmp_buffers_check(const clmp_plan *plan, enum clmp_entry entry, const clmp_buffers *buffers,
                               const clmp_part *part);

#endif

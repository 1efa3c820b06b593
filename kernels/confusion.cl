/*
 * confusion - how often pixels of each class are predicted as each class
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The prediction is the class with the largest logit, of equal ones the lowest; none where a logit is NaN.
 *
 *   logits     float32 (N, C, pixels), from logits_at on
 *   labels     CLMP_LABEL (N, pixels), from labels_at on
 *   run        vectors of pixels of a work-group
 *   confusion  ulong (CLMP_CONFUSION(C)) in and out, from confusion_at on: as the public header says
 *
 * Grid: (work-groups of an image * CLMP_BIN_GROUP, N).
 */
#include "confusion.clh"

kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_confusion(global const float *logits, ulong logits_at, global const CLMP_LABEL *labels, ulong labels_at,
               long ignore_index, ulong pixels, ulong run, global ulong *confusion, ulong confusion_at) {
    const ulong image = get_global_id(1);
    const ulong vectors = (pixels + CLMP_VECTOR - 1) / CLMP_VECTOR;
    const ulong begin = min(get_group_id(0) * run, vectors), end = min(begin + run, vectors);
    logits += logits_at + image * CLMP_CLASSES * pixels;
    labels += labels_at + image * pixels;
    clmp_tally tally = {0, 0};
    for (ulong v = begin + get_local_id(0); v < end; v += CLMP_BIN_GROUP) {
        const ulong first = v * CLMP_VECTOR, lanes = min(pixels - first, (ulong)CLMP_VECTOR);
        FLOATV largest = (FLOATV)(-INFINITY);
        INTV prediction = (INTV)0, clean = (INTV)(largest == largest);
        for (int c = 0; c < CLMP_CLASSES; ++c) {
            const FLOATV x = clmp_load(logits + first + (ulong)c * pixels, lanes, 0.0f);
            const INTV greater = (INTV)(x > largest);
            clean &= (INTV)(x == x);
            largest = select(largest, x, greater);
            prediction = select(prediction, (INTV)c, greater);
        }
        prediction = select((INTV)(-1), prediction, clean);
        int of[2][CLMP_VECTOR];
        CLMP_VSTORE(clmp_load_labels(labels + first, lanes, ignore_index), of[0]);
        CLMP_VSTORE(prediction, of[1]);
        for (uint i = 0; i < lanes; ++i)
            clmp_tally_one(&tally, of[0][i], of[1][i], confusion + confusion_at);
    }
    clmp_tally_end(&tally, confusion + confusion_at);
}

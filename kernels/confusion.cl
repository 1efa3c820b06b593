/*
 * confusion - how often pixels of each class are predicted as each class
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The prediction is the class with the largest logit, of equal ones the lowest; none where a logit is NaN.
 *
 * With CLMP_CHANNELS each channel has a matrix of its own, and class 1 is predicted where its logit is above 0.
 *
 *   logits     from logits_at on, and their strides: logits.clh
 *   labels     CLMP_LABEL (planes, rows, pixels), from labels_at on
 *   run        vectors of pixels of a work-group
 *   confusion  ulong (CLMP_CONFUSION(C)) in and out, from confusion_at on, with CLMP_CHANNELS (C, CLMP_CONFUSION(2)):
 *              as the public header says
 *
 * Grid: (work-groups of a row * CLMP_BIN_GROUP, planes x rows).
 */
#include "confusion.clh"

/* Integers in the order of floats, with those of subnormals, which some devices take for 0.  -0 is 0. */
CLMP_FN INTV clmp_order(FLOATV x) {
    const INTV magnitude = AS_INTV(x) & (INTV)0x7fffffff;
    return select(magnitude, -magnitude, (INTV)(AS_INTV(x) < (INTV)0));
}

kernel __attribute__((reqd_work_group_size(CLMP_BIN_GROUP, 1, 1))) void
clmp_confusion(global const clmp_logit *logits, ulong logits_at, ulong image_stride, ulong class_stride,
               ulong row_stride, global const CLMP_LABEL *labels, ulong labels_at, long ignore_index, ulong rows,
               ulong pixels, ulong run, global ulong *confusion, ulong confusion_at) {
    const ulong row = get_global_id(1);
    const ulong vectors = (pixels + CLMP_VECTOR - 1) / CLMP_VECTOR;
    const ulong begin = min(get_group_id(0) * run, vectors), end = min(begin + run, vectors);
    logits += logits_at + clmp_logit_at(row, rows, 0, image_stride, class_stride, row_stride);
    labels += labels_at + row * pixels;
    confusion += confusion_at;
#ifdef CLMP_CHANNELS
    confusion += row / rows % CLMP_CHANNELS * (CLMP_CLASSES * CLMP_CLASSES + 3);
#endif
    clmp_tally tally = {0, 0};
    for (ulong v = begin + get_local_id(0); v < end; v += CLMP_BIN_GROUP) {
        const ulong first = v * CLMP_VECTOR, lanes = min(pixels - first, (ulong)CLMP_VECTOR);
        global const clmp_logit *from = logits + first * CLMP_PIXEL_STRIDE;
#ifdef CLMP_CHANNELS
        const FLOATV x = clmp_load_logits(from, lanes);
        INTV prediction = select((INTV)0, (INTV)1, (INTV)(clmp_order(x) > (INTV)0));
        const INTV clean = (INTV)(x == x);
#else
        INTV largest = clmp_order((FLOATV)(-INFINITY)), prediction = (INTV)0, clean = (INTV)(largest == largest);
        for (int c = 0; c < CLMP_CLASSES; ++c) {
            const FLOATV x = clmp_load_logits(from + (ulong)c * class_stride, lanes);
            const INTV order = clmp_order(x), greater = (INTV)(order > largest);
            clean &= (INTV)(x == x);
            largest = select(largest, order, greater);
            prediction = select(prediction, (INTV)c, greater);
        }
#endif
        prediction = select((INTV)(-1), prediction, clean);
        int of[2][CLMP_VECTOR];
        CLMP_VSTORE(clmp_load_labels(labels + first, lanes, ignore_index), of[0]);
        CLMP_VSTORE(prediction, of[1]);
        for (uint i = 0; i < lanes; ++i)
            clmp_tally_one(&tally, of[0][i], of[1][i], confusion);
    }
    clmp_tally_end(&tally, confusion);
}

/*
 * upsample_split - low-resolution logits, made ready for interpolation
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The softmax of a pixel is the same if a number is taken off all its logits, and of an interpolated pixel if one is
 * taken off those of each low-resolution pixel.  So the largest is taken off, which makes those small that matter, and
 * the difference is stored as a pair: high, a multiple of 2^-7, and low, the rest, without error.  Where it is below
 * -2^15, high is the nearest float instead; and where a difference is beyond float32, the pixel's logits themselves are.
 *
 *   logits  from logits_at on, and their strides: logits.clh
 *   work    workspace: float32 (N, C, rows, pixels) high parts from byte high_at on, low parts from byte low_at on.  A
 *           high part is -inf where the logit was, or where the pixel has a NaN or +inf, in all classes: then no pixel
 *           that is interpolated from it has a finite loss.  And float32 (N, rows, pixels) from byte spans_at on, how
 *           far the finite logits of a pixel are apart: a span of steep.clh
 *
 * Grid: (pixels / CLMP_VECTOR rounded up to work-groups, N x rows).
 */
#include "logits.clh"
#include "steep.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif
/* Subnormal numbers are 0, whatever the device does with them. */
CLMP_FN FLOATV clmp_normal(FLOATV x) {
    return select(x, (FLOATV)0.0f, (INTV)((AS_UINTV(x) & (UINTV)0x7fffffff) < (UINTV)0x00800000));
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_split(global const clmp_logit *logits, ulong logits_at, ulong image_stride, ulong class_stride,
                    ulong row_stride, ulong rows, ulong pixels, global uchar *work, ulong high_at, ulong low_at,
                    ulong spans_at) {
    const ulong first = (ulong)get_global_id(0) * CLMP_VECTOR;
    if (first >= pixels)
        return;
    const ulong lanes = min(pixels - first, (ulong)CLMP_VECTOR);
    const ulong image = get_global_id(1) / rows, row = get_global_id(1) % rows;
    const ulong corner = (image * CLMP_CLASSES * rows + row) * pixels + first;
    global const clmp_logit *from =
        logits + logits_at + clmp_logit_at(get_global_id(1), rows, first, image_stride, class_stride, row_stride);
    global float *high = CLMP_IN(float, work, high_at) + corner, *low = CLMP_IN(float, work, low_at) + corner;

    FLOATV maximum = (FLOATV)(-INFINITY), minimum = (FLOATV)INFINITY;
    INTV clean = (INTV)(maximum == maximum);
    for (int c = 0; c < CLMP_CLASSES; ++c) {
        const FLOATV x = clmp_normal(clmp_load_logits(from + (ulong)c * class_stride, lanes));
        clean &= (INTV)(x < (FLOATV)INFINITY); /* false for NaN, too */
        maximum = select(maximum, x, (INTV)(x > maximum));
        minimum = select(minimum, x, (INTV)(x < minimum) & (INTV)(x > (FLOATV)(-INFINITY)));
    }
    const FLOATV range = maximum - minimum;
    const INTV raw = clean & (INTV)(range == (FLOATV)INFINITY);
    FLOATV span = select((FLOATV)CLMP_SPAN_TAME, (FLOATV)CLMP_SPAN_WIDE, clean & (INTV)(range >= (FLOATV)CLMP_TAME));
    span = select(span, (FLOATV)CLMP_SPAN_RAW, raw);
    clmp_store(span, CLMP_IN(float, work, spans_at) + (image * rows + row) * pixels + first, lanes);
    for (int c = 0; c < CLMP_CLASSES; ++c) {
        const FLOATV x = clmp_normal(clmp_load_logits(from + (ulong)c * class_stride, lanes));
        /* difference + error = x - maximum, exactly */
        const FLOATV difference = x - maximum;
        const FLOATV minus = difference - x;
        const FLOATV error = (x - (difference - minus)) - (maximum + minus);
        /* 1.5 2^16: floats next to it are multiples of 2^-7 */
        FLOATV h = (difference + (FLOATV)98304.0f) - (FLOATV)98304.0f;
        const INTV fits = (INTV)(difference > (FLOATV)(-32768.0f));
        const INTV finite = clean & (INTV)(x > (FLOATV)(-INFINITY));
        FLOATV l = clmp_cut(select(error, (difference - h) + error, fits));
        h = select(select(difference, h, fits), x, raw);
        h = select((FLOATV)(-INFINITY), h, finite);
        l = select((FLOATV)0.0f, l, finite & ~raw);
        clmp_store(h, high + (ulong)c * rows * pixels, lanes);
        clmp_store(l, low + (ulong)c * rows * pixels, lanes);
    }
}

/*
 * Interpolated logits in long double, and the interpolation's adjoint: the definition, with weights as exact ratios.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"

#include <float.h>
#include <math.h>

/* The four logits around a pixel, of class 0, and their weights. */
struct corners {
    uint64_t at[4];
    long double weight[4];
    uint64_t times[4]; /* the weights, in integers */
    long double whole; /* over this */
    uint64_t stride;   /* of classes */
};

static struct corners corners_of(const clmp_plan_params *params, uint64_t pixel) {
    uint64_t height = reference_logits_height(params), width = reference_logits_width(params);
    uint64_t area = params->height * params->width, image = pixel / area;
    struct reference_place row =
        reference_place(height, params->height, params->align_corners, pixel % area / params->width);
    struct reference_place column = reference_place(width, params->width, params->align_corners, pixel % params->width);
    long double below = (long double)row.part / (long double)row.whole;
    long double after = (long double)column.part / (long double)column.whole;
    uint64_t corner = image * params->classes * height * width;
    return (struct corners){
        .at = {corner + row.before * width + column.before, corner + row.before * width + column.after,
               corner + row.after * width + column.before, corner + row.after * width + column.after},
        .weight = {(1.0L - below) * (1.0L - after), (1.0L - below) * after, below * (1.0L - after), below * after},
        .times = {(uint64_t)(row.whole - row.part) * (uint64_t)(column.whole - column.part),
                  (uint64_t)(row.whole - row.part) * (uint64_t)column.part,
                  (uint64_t)row.part * (uint64_t)(column.whole - column.part),
                  (uint64_t)row.part * (uint64_t)column.part},
        .whole = (long double)row.whole * (long double)column.whole,
        .stride = height * width};
}

void upsample_exact_logits(const struct reference_input *in, uint64_t pixel, long double *x) {
    struct corners corners = corners_of(&in->params, pixel);
    for (uint64_t c = 0; c < in->params.classes; c++) {
        x[c] = 0.0L;
        for (int k = 0; k < 4; k++)
            if (corners.weight[k] > 0.0L) /* a logit of weight 0 is not looked at */
                x[c] += corners.weight[k] * (long double)in->logits[corners.at[k] + c * corners.stride];
    }
}

/* A number in digits of 32 bits, the lowest of weight 2^-149; digits of either sign and of up to 63 bits. */
enum { DIGITS = 13 };
struct number {
    int64_t digit[DIGITS];
};

static void carry(struct number *n) {
    for (int i = 0; i + 1 < DIGITS; i++) {
        const int64_t over = n->digit[i] >> 32; /* rounds down */
        n->digit[i] -= over * ((int64_t)1 << 32);
        n->digit[i + 1] += over;
    }
}

/* += sign times x, bit by bit of `times`: slow, and plain. */
static void add_product(struct number *n, uint64_t times, float x, int sign) {
    int exponent;
    if (fabsf(x) < FLT_MIN)
        return; /* a subnormal number is 0 */
    const float mantissa = frexpf(x, &exponent);
    const int64_t bits = (int64_t)ldexpf(mantissa, 24) * sign; /* x = bits 2^(exponent - 24) */
    for (int b = 0; b < 63; b++)
        if (times >> b & 1) {
            const int place = exponent - 24 + 149 + b;
            n->digit[place / 32] += bits * ((int64_t)1 << place % 32);
            carry(n);
        }
}

/* Its sign and nearly all of its value: the digits are of one sign after carry(), but for the highest. */
static long double value_of(struct number n) {
    const bool negative = n.digit[DIGITS - 1] < 0;
    for (int i = 0; i < DIGITS && negative; i++)
        n.digit[i] = -n.digit[i];
    carry(&n);
    long double value = 0.0L;
    for (int i = DIGITS; i-- > 0;)
        value += ldexpl((long double)n.digit[i], 32 * i - 149);
    return negative ? -value : value;
}

/* What class a has more than class b. */
static long double difference(const struct reference_input *in, const struct corners *corners, uint64_t a, uint64_t b) {
    struct number n = {{0}};
    for (int k = 0; k < 4; k++)
        if (corners->times[k] > 0) {
            add_product(&n, corners->times[k], in->logits[corners->at[k] + a * corners->stride], 1);
            add_product(&n, corners->times[k], in->logits[corners->at[k] + b * corners->stride], -1);
        }
    return value_of(n) / corners->whole;
}

void upsample_exact_relative(const struct reference_input *in, uint64_t pixel, long double *x) {
    const struct corners corners = corners_of(&in->params, pixel);
    const uint64_t classes = in->params.classes;
    upsample_exact_logits(in, pixel, x);
    uint64_t top = classes;
    for (uint64_t c = 0; c < classes; c++) {
        if (isnan(x[c]) || x[c] == HUGE_VALL)
            return; /* no loss depends on the rest */
        if (x[c] > -HUGE_VALL && (top == classes || difference(in, &corners, c, top) > 0.0L))
            top = c;
    }
    for (uint64_t c = 0; c < classes; c++)
        if (x[c] > -HUGE_VALL)
            x[c] = difference(in, &corners, c, top);
}

void upsample_exact_adjoint(const clmp_plan_params *params, uint64_t pixel, const long double *g, long double *logits) {
    struct corners corners = corners_of(params, pixel);
    for (uint64_t c = 0; c < params->classes; c++)
        for (int k = 0; k < 4; k++)
            logits[corners.at[k] + c * corners.stride] += corners.weight[k] * g[c];
}

/*
 * Logits and gradients as they are stored: types, layouts and pitches, by arithmetic on doubles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

size_t stored_element(clmp_float_type type) {
    return type == CLMP_FLOAT32 ? 4 : 2;
}

struct places {
    uint64_t height, width, classes, element, row, pitch, plane;
    bool nhwc;
};

static struct places places_of(const struct problem *problem) {
    const clmp_plan_params *params = &problem->in.params;
    struct places p = {.height = reference_logits_height(params),
                       .width = reference_logits_width(params),
                       .classes = params->classes,
                       .element = stored_element(params->logits_type),
                       .nhwc = params->logits_layout == CLMP_LAYOUT_NHWC};
    p.row = p.width * p.element * (p.nhwc ? p.classes : 1);
    p.pitch = params->logits_row_pitch ? params->logits_row_pitch : p.row;
    p.plane = p.height * p.pitch;
    return p;
}

size_t stored_bytes(const struct problem *problem) {
    struct places p = places_of(problem);
    return problem->in.params.images * p.plane * (p.nhwc ? 1 : p.classes) - (p.pitch - p.row);
}

bool stored_gap(const struct problem *problem, size_t byte) {
    struct places p = places_of(problem);
    return byte % p.pitch >= p.row;
}

/* Where element `i` of (N, C, h, w) is. */
static size_t place_of(const struct places *p, uint64_t i) {
    uint64_t x = i % p->width, y = i / p->width % p->height, c = i / p->width / p->height % p->classes,
             n = i / p->width / p->height / p->classes;
    if (p->nhwc)
        return n * p->plane + y * p->pitch + (x * p->classes + c) * p->element;
    return (n * p->classes + c) * p->plane + y * p->pitch + x * p->element;
}

/* Digits behind the leading one, and exponents of the smallest and the largest normal number. */
struct format {
    int digits, least, most;
};

static struct format format_of(clmp_float_type type) {
    return type == CLMP_FLOAT16    ? (struct format){10, -14, 15}
           : type == CLMP_BFLOAT16 ? (struct format){7, -126, 127}
                                   : (struct format){23, -126, 127};
}

float stored_round(clmp_float_type type, float value) {
    struct format f = format_of(type);
    if (type == CLMP_FLOAT32 || value == 0.0f || !isfinite(value))
        return value;
    int exponent = ilogbf(value);
    exponent = exponent < f.least ? f.least : exponent;
    double rounded = ldexp(nearbyint(ldexp((double)value, f.digits - exponent)), exponent - f.digits);
    if (fabs(rounded) >= ldexp(1.0, f.most + 1))
        return copysignf(INFINITY, value);
    return copysignf((float)rounded, value);
}

/* Of a number that the type has. */
static uint16_t encode(clmp_float_type type, float value) {
    struct format f = format_of(type);
    const unsigned sign = signbit(value) ? 0x8000u : 0, top = (unsigned)(f.most - f.least + 2) << f.digits;
    if (isnan(value))
        return (uint16_t)(sign | top | 1u << (f.digits - 1));
    if (isinf(value))
        return (uint16_t)(sign | top);
    if (value == 0.0f)
        return (uint16_t)sign;
    int exponent = ilogbf(value) < f.least ? f.least : ilogbf(value);
    /* the leading one, where there is one, adds the last 1 to the exponent */
    unsigned mantissa = (unsigned)ldexp(fabs((double)value), f.digits - exponent);
    return (uint16_t)(sign | (((unsigned)(exponent - f.least) << f.digits) + mantissa));
}

static float decode(clmp_float_type type, uint16_t bits) {
    struct format f = format_of(type);
    unsigned exponent = (bits & 0x7fffu) >> f.digits, mantissa = bits & ((1u << f.digits) - 1);
    double value;
    if (exponent == (unsigned)(f.most - f.least + 2))
        value = mantissa ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        value = ldexp((double)mantissa, f.least - f.digits);
    else
        value = ldexp((double)(mantissa + (1u << f.digits)), (int)exponent - 1 + f.least - f.digits);
    return (float)(bits & 0x8000u ? -value : value);
}

void stored_pack(const struct problem *problem, const float *values, unsigned char *stored) {
    const clmp_float_type type = problem->in.params.logits_type;
    struct places p = places_of(problem);
    for (uint64_t i = 0; i < problem->elements; i++) {
        uint16_t half = type == CLMP_FLOAT32 ? 0 : encode(type, values[i]);
        memcpy(stored + place_of(&p, i), type == CLMP_FLOAT32 ? (const void *)&values[i] : &half, p.element);
    }
}

void stored_unpack(const struct problem *problem, const unsigned char *stored, float *values) {
    const clmp_float_type type = problem->in.params.logits_type;
    struct places p = places_of(problem);
    for (uint64_t i = 0; i < problem->elements; i++) {
        uint16_t half;
        memcpy(type == CLMP_FLOAT32 ? (void *)&values[i] : &half, stored + place_of(&p, i), p.element);
        if (type != CLMP_FLOAT32)
            values[i] = decode(type, half);
    }
}

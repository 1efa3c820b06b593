/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/problem.h"

#include "plan/check.h"

#include <math.h>
#include <string.h>

/* Stands for infinity as a factor of logarithms: times 0 it is 0, times any other it is beyond every exponent. */
#define HUGE_FACTOR 3e38f

static clmp_real real_from_double(double x) {
    if (!(x > 0))
        return (clmp_real){0, 0};
    int exponent = 0;
    const double fraction = frexp(x, &exponent); /* in [1/2, 1), exact */
    return (clmp_real){(cl_ulong)ldexp(fraction, 64), (cl_ulong)(cl_long)(exponent - 1)};
}

/* Bits behind the point of clmp_bin.powers: as many as a sum over `pixels` ones leaves room for in 64 bits, at most 40.
 */
static int fraction_bits(uint64_t pixels) {
    int bits = 63;
    while (bits > 0 && (pixels >> (63 - bits)) != 0)
        --bits;
    return bits < 40 ? bits : 40;
}

/* Beyond it, six terms are too few for the error that docs/algorithm.md, 7 gives powers. */
#define MOST_BY_TERMS 11.25
_Static_assert(CLMP_MAX_PIXELS << CLMP_POWER_BITS < (uint64_t)1 << 63, "a sum of ones");

/*
 * ((1 + d)^q - 1) / d, d from -1/9 to 0, by CLMP_POWER_TERMS terms: its series, from which the higher powers are taken
 * in the form of Chebyshev polynomials, one after the other.  + - * / only, so that all hosts get the same.
 */
static void make_terms(double q, float *term) {
    enum { series_terms = 16 };
    double a[series_terms], chebyshev[series_terms][series_terms] = {{1.0}, {1.0, 2.0}}; /* in z = 9 d, from -1 to 0 */
    double coefficient = q, scale = 1.0;
    for (int k = 0; k < series_terms; ++k) {
        a[k] = coefficient * scale;
        coefficient = coefficient * (q - (k + 1)) / (k + 2);
        scale /= 9.0;
    }
    for (int n = 2; n < series_terms; ++n)
        for (int k = 0; k <= n; ++k) /* T_n = 2 (2 z + 1) T_(n-1) - T_(n-2): integers */
            chebyshev[n][k] =
                2.0 * chebyshev[n - 1][k] + (k > 0 ? 4.0 * chebyshev[n - 1][k - 1] : 0.0) - chebyshev[n - 2][k];
    for (int n = series_terms - 1; n >= CLMP_POWER_TERMS; --n) {
        const double most = a[n] / chebyshev[n][n];
        for (int k = 0; k <= n; ++k)
            a[k] -= most * chebyshev[n][k];
    }
    scale = 1 << CLMP_POWER_BITS;
    for (int k = 0; k < CLMP_POWER_TERMS; ++k, scale *= 9.0) {
        term[k] = (float)(a[k] * scale);
        if (k + 1 < CLMP_POWER_TERMS) /* what rounding took is given to the next: nothing is missing at z = -3/4 */
            a[k + 1] += (a[k] - (double)term[k] / scale) * (-4.0 / 3.0);
    }
}

/* q = 0 stands for an infinite one. */
static clmp_powers powers_make(double q, uint64_t pixels) {
    clmp_powers powers = {
        .q_log2e = q != 0.0 ? (float)(q * 0x1.71547652b82fep+0) : HUGE_FACTOR,
        .fraction_bits = fraction_bits(pixels),
        .by_terms = q != 0.0 && q <= MOST_BY_TERMS,
    };
    if (powers.by_terms) {
        powers.fraction_bits = CLMP_POWER_BITS;
        make_terms(q, powers.term);
    }
    return powers;
}

clmp_problem clmp_problem_make(double p, double support, uint64_t pixels) {
    clmp_problem problem = {
        .support = real_from_double(support),
        .powers = powers_make(0.0, pixels),
        .infinite_p = isinf(p),
    };
    if (problem.infinite_p) {
        problem.q = real_from_double(1.0);
        problem.inverse_q = real_from_double(1.0);
        problem.powers = powers_make(1.0, pixels);
        problem.slope = 0.0f;
    } else if (p - 1.0 < 0x1p-32) {
        /* p = 1, or so near that no float below another is seen: (1 - 2^-24)^q < e^-256 */
        problem.inverse_p = real_from_double(1.0);
        problem.slope = HUGE_FACTOR;
    } else {
        const double q = p / (p - 1.0);
        const double slope = 1.0 / (p - 1.0);
        problem.q = real_from_double(q);
        problem.inverse_p = real_from_double(1.0 / p);
        problem.inverse_q = real_from_double((p - 1.0) / p);
        problem.powers = powers_make(q, pixels);
        problem.slope = slope < 0x1p-100 ? 0.0f : (float)slope;
    }
    return problem;
}

double clmp_minus_log(double x) {
    static const double ln2_high = 0x1.62e42fep-1, ln2_low = 0x1.f473de6af278fp-30; /* high: a product is exact */
    int exponent = 0;
    double m = frexp(x, &exponent); /* [1/2, 1) */
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2.0;
        exponent -= 1;
    }
    /* ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172; m - 1 is exact */
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double sum = 0.0;
    for (int k = 29; k >= 3; k -= 2)
        sum = (sum + 1.0 / k) * z;
    const double log_m = 2.0 * s + 2.0 * s * sum;
    return -(exponent * ln2_high + (exponent * ln2_low + log_m));
}

/* The key of a number > 0 that is far from the ends of float32. */
static cl_uint key_of(double x) {
    const float rounded = (float)x;
    cl_uint key = 0;
    memcpy(&key, &rounded, sizeof key);
    return key;
}

clmp_problem clmp_problem_of(const clmp_plan_params *params, uint64_t pixels, uint64_t images) {
    clmp_problem problem;
    switch (params->weighting) {
    case CLMP_WEIGHTING_LMP:
        return clmp_problem_make(params->p, params->support, pixels);
    case CLMP_WEIGHTING_UNIFORM: /* s = 1: nothing to search for */
    case CLMP_WEIGHTING_BALANCED:
        return clmp_problem_make(INFINITY, 1.0, pixels);
    case CLMP_WEIGHTING_TOPK:
        problem = clmp_problem_make(1.0, params->support, pixels);
        problem.count = params->topk_count;
        return problem;
    case CLMP_WEIGHTING_OHEM:
        break;
    }
    problem = clmp_problem_make(1.0, 1.0, pixels);
    problem.count = params->ohem_min_kept <= pixels / images ? params->ohem_min_kept * images : pixels;
    problem.cut = key_of(clmp_minus_log(params->ohem_thresh));
    return problem;
}

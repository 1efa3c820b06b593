/* SPDX-License-Identifier: Apache-2.0 */
#include "problem.h"

#include <math.h>

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

clmp_problem clmp_problem_make(double p, double support, uint64_t pixels) {
    clmp_problem problem = {
        .support = real_from_double(support),
        .fraction_bits = fraction_bits(pixels),
        .infinite_p = isinf(p),
    };
    if (problem.infinite_p) {
        problem.q = real_from_double(1.0);
        problem.inverse_q = real_from_double(1.0);
        problem.q_log2e = 0x1.715476p+0f;
        problem.slope = 0.0f;
    } else if (p - 1.0 < 0x1p-32) {
        /* p = 1, or so near that no float below another is seen: (1 - 2^-24)^q < e^-256 */
        problem.inverse_p = real_from_double(1.0);
        problem.q_log2e = HUGE_FACTOR;
        problem.slope = HUGE_FACTOR;
    } else {
        const double q = p / (p - 1.0);
        const double slope = 1.0 / (p - 1.0);
        problem.q = real_from_double(q);
        problem.inverse_p = real_from_double(1.0 / p);
        problem.inverse_q = real_from_double((p - 1.0) / p);
        problem.q_log2e = (float)(q * 0x1.71547652b82fep+0);
        problem.slope = slope < 0x1p-100 ? 0.0f : (float)slope;
    }
    return problem;
}

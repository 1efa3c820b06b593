/*
 * Just enough OpenCL C for kernels/arith.clh, real.clh and layout.clh to compile as C11, one pixel at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TESTS_OPENCL_C_H
#define CLMP_TESTS_OPENCL_C_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define CLMP_FN static inline
#define CLMP_TABLE static
#define CLMP_VECTOR 1

typedef uint32_t uint;
typedef uint64_t ulong;
_Static_assert(sizeof(long) == 8, "OpenCL's long has 64 bits; these tests need a host whose long has, too");

static inline float as_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint32_t as_uint_from_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}
static inline uint32_t as_uint_from_int(int32_t i) {
    return (uint32_t)i;
}
#define as_uint(x) _Generic((x), float : as_uint_from_float, int32_t : as_uint_from_int)(x)
static inline int32_t as_int_from_float(float f) {
    return (int32_t)as_uint(f);
}
static inline int32_t as_int_from_uint(uint32_t u) {
    return (int32_t)u;
}
#define as_int(x) _Generic((x), float : as_int_from_float, uint32_t : as_int_from_uint)(x)
static inline int32_t convert_int(float f) {
    return (int32_t)f;
}
static inline uint64_t convert_ulong(uint32_t u) {
    return u;
}
static inline uint32_t min(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}
static inline int clz(uint64_t x) {
    return x == 0 ? 64 : __builtin_clzll(x);
}

__extension__ typedef unsigned __int128 clmp_u128;
__extension__ typedef __int128 clmp_i128;
static inline uint64_t mul_hi_u(uint64_t a, uint64_t b) {
    return (uint64_t)(((clmp_u128)a * b) >> 64);
}
static inline int64_t mul_hi_s(int64_t a, int64_t b) {
    return (int64_t)(((clmp_i128)a * b) >> 64);
}
#define convert_float(x) ((float)(x))
#define mul_hi(a, b) _Generic((a), unsigned long : mul_hi_u, long : mul_hi_s)((a), (b))
#define select(a, b, c) ((c) ? (b) : (a))
#define fma(a, b, c) fmaf((a), (b), (c))

#endif

/* The records of kernels/layout.clh, for the host.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_LAYOUT_H
#define CLMP_LAYOUT_H

#include "clmp/clmp.h"

/* OpenCL C's names for types of fixed size; not used beyond that header. */
#define ulong cl_ulong
#define uint cl_uint
#include "layout.clh"
#undef ulong
#undef uint

_Static_assert(sizeof(clmp_record) == sizeof(clmp_result) && sizeof(clmp_result) == 64, "the public record");
_Static_assert(sizeof(clmp_bin) == 24, "no padding, as on every device");
_Static_assert(sizeof(clmp_pool) % 16 == 0 && sizeof(clmp_tree) % 16 == 0, "arrays keep their alignment");
_Static_assert(sizeof(clmp_tree) <= 16384, "what the least device has of local memory");
_Static_assert(sizeof(clmp_problem) == 128 && sizeof(clmp_draw) == sizeof(cl_ulong) * (5 + CLMP_DRAW_BINS),
               "no padding");

#endif

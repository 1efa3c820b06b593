/* The tables of kernels/taps.clh.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TAPS_H
#define CLMP_TAPS_H

#include "clmp/clmp.h"

#define ulong cl_ulong
#define uint cl_uint
#include "taps.clh"
#undef ulong
#undef uint

#define CLMP_MOST_AXIS ((uint64_t)1 << 30) /* pixels or logits of an axis: products of two fit into 64 bits */

/* Tables for one problem, and what its kernels are compiled for. */
struct clmp_tables {
    unsigned char *bytes; /* begins with a clmp_taps; to be freed */
    size_t size;
    bool exact;      /* all weights are multiples of 1/32 */
    bool on_grid;    /* some weight is 0 */
    bool contiguous; /* neighbouring lanes are neighbouring pixels */
    uint32_t most_rows;
};

/* Rows and columns: logits <= pixels <= CLMP_MOST_AXIS.  `most_weight`: the largest class weight.  False: no memory. */
bool clmp_tables_make(const uint64_t logits[2], const uint64_t pixels[2], bool align_corners, float most_weight,
                      struct clmp_tables *tables);

#endif

/*
 * upsample_steep_confusion - the predictions of steep tiles, which upsample_confusion.cl leaves out
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   as in upsample_confusion.cl
 *
 * Grid: (tiles of columns rounded up to work-groups, N x tiles of rows), with CLMP_VECTOR 1.
 */
#include "upsample_steep.clh"

#include "confusion.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_steep_confusion(global const uchar *taps, global const uchar *work, ulong high_at, ulong low_at,
                              ulong spans_at, global const CLMP_LABEL *labels, ulong labels_at, long ignore_index,
                              global ulong *confusion, ulong confusion_at) {
    global const clmp_taps *head = CLMP_IN(const clmp_taps, taps, 0);
    const ulong tile = get_global_id(0);
    if (tile >= head->columns.tiles)
        return;
    const ulong image = get_global_id(1) / head->rows.tiles, tile_row = get_global_id(1) % head->rows.tiles;
    clmp_site site;
    clmp_site_set(taps, work, high_at, low_at, spans_at, image, tile_row, tile, &site);
    if (site.span == CLMP_SPAN_TAME || !clmp_site_is_steep(&site))
        return;
    clmp_tally tally = {0, 0};
    for (int i = 0; i < site.row->count; ++i)
        for (int j = 0; j < site.column->count; ++j) {
            const ulong at = (image * head->rows.pixels + (ulong)(site.row->first + i)) * head->columns.pixels +
                             (ulong)(site.column->first + j);
            clmp_weights4 weights;
            clmp_top top;
            clmp_site_weights(taps, &site, i, j, &weights);
            clmp_site_top(&site, &weights, &top);
            clmp_tally_one(&tally, clmp_label_codes((long)labels[labels_at + at], ignore_index), top.class_index,
                           confusion + confusion_at);
        }
    clmp_tally_end(&tally, confusion + confusion_at);
}

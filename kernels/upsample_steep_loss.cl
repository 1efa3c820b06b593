/*
 * upsample_steep_loss - of the pixels of steep tiles, in place of what upsample_loss.cl wrote there
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Also of pixels whose label is far below the largest logit, in tiles that are not steep but wide: their loss is that
 * distance, to its own precision.
 *
 *   as in upsample_loss.cl, and
 *   spans_at  byte of the workspace with float32 (N, rows, pixels of logits): the spans of upsample_split.cl
 *
 * Grid: (tiles of columns rounded up to work-groups, N x tiles of rows), with CLMP_VECTOR 1.
 */
#include "upsample_steep.clh"

#include "criterion.clh"

#ifndef CLMP_GROUP
#define CLMP_GROUP 64
#endif

/* Or the mark of a pixel that is not valid; `label`: a class. */
CLMP_FN float clmp_steep_loss(global const uchar *taps, const clmp_site *site, int i, int j, int label,
                              global const float *class_weights) {
    clmp_weights4 weights;
    clmp_top top;
    float label_exp, others, high, low, error;
    clmp_site_weights(taps, site, i, j, &weights);
    clmp_site_top(site, &weights, &top);
    clmp_site_softmax(taps, site, &weights, &top, label, &label_exp, &others);
    float loss = 0.0f;
    const int finite = top.class_index >= 0 && clmp_site_estimate(site, &weights, label, &error) > -INFINITY;
    if (finite && label_exp >= CLMP_LEAST_LABEL_EXP) {
        loss = clmp_near_loss(others, label_exp);
    } else if (finite) { /* at most the largest float, as in clmp_criterion() */
        clmp_site_distance(taps, site, &weights, &top, label, &high, &low);
        loss = clmp_limit((clmp_log(others * CLMP_EXP_UNSCALE) + low) + high);
    }
#ifdef CLMP_FOCAL_GAMMA_BITS
    loss = clmp_focal(others, label_exp, loss);
#endif
    return clmp_mark_loss(loss * clmp_label_weight(label, class_weights), label, finite);
}

kernel __attribute__((reqd_work_group_size(CLMP_GROUP, 1, 1))) void
clmp_upsample_steep_loss(global const uchar *taps, global const uchar *work, ulong high_at, ulong low_at,
                         ulong spans_at, global const CLMP_LABEL *labels, ulong labels_at,
                         global const float *class_weights, long ignore_index, global float *plane, ulong plane_at,
                         global float *losses, ulong losses_at, int store_losses) {
    global const clmp_taps *head = CLMP_IN(const clmp_taps, taps, 0);
    const ulong tile = get_global_id(0);
    if (tile >= head->columns.tiles)
        return;
    const ulong image = get_global_id(1) / head->rows.tiles, tile_row = get_global_id(1) % head->rows.tiles;
    clmp_site site;
    clmp_site_set(taps, work, high_at, low_at, spans_at, image, tile_row, tile, &site);
    if (site.span == CLMP_SPAN_TAME)
        return;
    const int steep = clmp_site_is_steep(&site);
    for (int i = 0; i < site.row->count; ++i)
        for (int j = 0; j < site.column->count; ++j) {
            const ulong at = (image * head->rows.pixels + (ulong)(site.row->first + i)) * head->columns.pixels +
                             (ulong)(site.column->first + j);
            const int label = clmp_label_codes((long)labels[labels_at + at], ignore_index);
            if (label < 0) /* its mark is there */
                continue;
            if (!steep &&
                clmp_corners_lowest(&site.corners, site.high + (ulong)label * site.logits) >= CLMP_STEEP_COUNTS)
                continue;
            const float loss = clmp_steep_loss(taps, &site, i, j, label, class_weights);
            plane[plane_at + at] = loss;
            if (store_losses)
                losses[losses_at + at] = loss > 0.0f ? loss : 0.0f;
        }
}

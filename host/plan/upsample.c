/* Interpolation, at the making of a plan.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/upsample.h"

#include "core/program.h"
#include "plan/reading.h"
#include "plan/region.h"
#include "plan/taps.h"
#include "plan/wanted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define REFUSE(...) return clmp_fail(log, CLMP_INVALID_ARGUMENT, __VA_ARGS__)

static clmp_status check(const clmp_plan_params *params, const struct clmp_log *log) {
    if (params->height > CLMP_MOST_AXIS || params->width > CLMP_MOST_AXIS)
        REFUSE("the shape is %" PRIu64 " x %" PRIu64 ", expected at most 2^30 of each to interpolate to",
               params->height, params->width);
    if (clmp_is_binary(params))
        REFUSE("binary losses are for logits of the labels' size, not for interpolated ones");
    if (params->label_smoothing > 0.0)
        REFUSE("label smoothing is for logits of the labels' size, not for interpolated ones");
    return CLMP_OK;
}

static float most_class_weight(const clmp_plan_params *params, const float *class_weights) {
    float most = class_weights == NULL ? 1.0f : 0.0f;
    for (uint64_t c = 0; class_weights != NULL && c < params->classes; ++c)
        most = class_weights[c] > most ? class_weights[c] : most;
    return most;
}

/* Neighbouring bands have a row of tiles in common, which is done twice: so bands are not small.  And a device with
 * many processors is not to wait for few. */
#define LEAST_BAND 16

static void cut_bands(struct clmp_upsample *upsample, const unsigned char *tables) {
    const clmp_axis *rows = &((const clmp_taps *)(const void *)tables)->rows;
    const clmp_touch *touches = (const void *)(tables + rows->touches_at);
    uint64_t bands = rows->logits / LEAST_BAND;
    bands = bands < 1 ? 1 : bands > CLMP_MOST_BANDS ? CLMP_MOST_BANDS : bands;
    upsample->bands = (uint32_t)bands;
    upsample->band_rows = 0;
    for (uint64_t b = 0; b < bands; ++b) {
        const uint64_t first = rows->logits * b / bands, end = rows->logits * (b + 1) / bands;
        uint64_t first_row = rows->tiles, end_row = 0;
        for (uint64_t i = first; i < end; ++i) { /* a logit may have no pixel near */
            const uint64_t begin = (uint64_t)touches[i].first, count = (uint64_t)touches[i].count;
            if (count > 0 && begin < first_row)
                first_row = begin;
            if (count > 0 && begin + count > end_row)
                end_row = begin + count;
        }
        const uint64_t count = end_row > first_row ? end_row - first_row : 0;
        upsample->band[b] = (struct clmp_band){first, end - first, first_row, count};
        if (count > upsample->band_rows)
            upsample->band_rows = count;
    }
}

static clmp_status create(struct clmp_plan *plan, const float *class_weights) {
    const clmp_plan_params *params = &plan->params;
    struct clmp_upsample *upsample = calloc(1, sizeof *upsample);
    if (upsample == NULL)
        return clmp_fail(&plan->context->log, CLMP_OUT_OF_MEMORY, "no memory for a plan");
    plan->upsample = upsample;
    const uint64_t logits[2] = {params->logits_height, params->logits_width};
    const uint64_t pixels[2] = {params->height, params->width};
    struct clmp_tables tables;
    if (!clmp_tables_make(logits, pixels, params->align_corners, most_class_weight(params, class_weights), &tables))
        return clmp_fail(&plan->context->log, CLMP_OUT_OF_MEMORY,
                         "no memory for the tables of %" PRIu64 " x %" PRIu64 " pixels", params->height, params->width);
    const clmp_taps *head = (const void *)tables.bytes;
    upsample->row_tiles = head->rows.tiles;
    upsample->column_tiles = head->columns.tiles;
    upsample->slot = head->columns.slot;
    upsample->most_rows = tables.most_rows;
    upsample->exact = tables.exact;
    upsample->on_grid = tables.on_grid;
    upsample->contiguous = tables.contiguous;
    cut_bands(upsample, tables.bytes);
    cl_int error = CL_SUCCESS;
    upsample->tables =
        clCreateBuffer(plan->context->cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, tables.size, tables.bytes, &error);
    free(tables.bytes);
    return error == CL_SUCCESS ? CLMP_OK : clmp_fail_cl(&plan->context->log, error, "clCreateBuffer");
}

void clmp_upsample_destroy(struct clmp_upsample *upsample, bool ours) {
    if (ours && upsample != NULL && upsample->tables != NULL)
        clReleaseMemObject(upsample->tables);
    free(upsample);
}

uint32_t clmp_upsample_least_group(const struct clmp_plan *plan) {
    const uint32_t parts = plan->upsample->slot / plan->tuning.vector_width;
    return parts > 1 ? parts : 1;
}

uint32_t clmp_upsample_group(const struct clmp_plan *plan) {
    const uint32_t least = clmp_upsample_least_group(plan);
    return plan->tuning.group_size > least ? plan->tuning.group_size : least;
}

void clmp_upsample_macros(const struct clmp_plan *plan, char *text, size_t size) {
    const struct clmp_upsample *upsample = plan->upsample;
    const clmp_tuning *tuning = &plan->tuning;
    snprintf(text, size,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_VECTOR=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s"
             " -DCLMP_SLOT=%" PRIu32 " -DCLMP_ROWS=%" PRIu32 "%s%s%s",
             clmp_upsample_group(plan), tuning->vector_width, plan->params.classes,
             clmp_label_type_name(plan->params.label_type), upsample->slot, upsample->most_rows,
             upsample->exact ? " -DCLMP_EXACT" : "", upsample->on_grid ? " -DCLMP_ON_GRID" : "",
             upsample->contiguous ? " -DCLMP_CONTIGUOUS" : "");
}

void clmp_steep_macros(const struct clmp_plan *plan, char *text, size_t size) {
    const struct clmp_upsample *upsample = plan->upsample;
    snprintf(text, size,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_VECTOR=1 -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s -DCLMP_SLOT=1"
             " -DCLMP_ROWS=%" PRIu32 "%s",
             plan->tuning.group_size, plan->params.classes, clmp_label_type_name(plan->params.label_type),
             upsample->most_rows, upsample->exact ? " -DCLMP_EXACT" : "");
}

/* Of kernels that walk the logits. */
static void logits_macros(const struct clmp_plan *plan, const char *more, char *text, size_t size) {
    char logits[CLMP_LOGITS_MACROS];
    clmp_logits_macros(&plan->params, &plan->logits, logits);
    snprintf(text, size, " -DCLMP_GROUP=%" PRIu32 " -DCLMP_VECTOR=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64 "%s%s",
             plan->tuning.group_size, plan->tuning.vector_width, plan->params.classes, logits, more);
}

static clmp_status build_range(struct clmp_plan *plan) {
    char macros[512];
    logits_macros(plan, " -DCLMP_RANGE", macros, sizeof macros);
    return clmp_kernel_create(plan->context, "upsample_gather", macros, "clmp_upsample_gather",
                              &plan->kernels[CLMP_KERNEL_RANGE]);
}

static clmp_status build(struct clmp_plan *plan) {
    static const struct {
        struct clmp_wanted one, other;
        const char *joined;
    } pairs[] = {{{CLMP_KERNEL_UPSAMPLE_SPLIT, "upsample_split", "clmp_upsample_split"},
                  {CLMP_KERNEL_UPSAMPLE_GATHER, "upsample_gather", "clmp_upsample_gather"},
                  "upsample_split+upsample_gather"},
                 {{CLMP_KERNEL_UPSAMPLE_LOSS, "upsample_loss", "clmp_upsample_loss"},
                  {CLMP_KERNEL_UPSAMPLE_GRADIENT, "upsample_gradient", "clmp_upsample_gradient"},
                  "upsample_loss+upsample_gradient"},
                 {{CLMP_KERNEL_STEEP_LOSS, "upsample_steep_loss", "clmp_upsample_steep_loss"},
                  {CLMP_KERNEL_STEEP_GRADIENT, "upsample_steep_gradient", "clmp_upsample_steep_gradient"},
                  "upsample_steep_loss+upsample_steep_gradient"}};
    const char *class_weights = plan->class_weights != NULL ? " -DCLMP_CLASS_WEIGHTS" : "";
    char tile[256], steep[256], macros[3][2][512]; /* of each pair's kernels */
    for (int i = 0; i < 2; ++i)
        logits_macros(plan, "", macros[0][i], sizeof macros[0][i]);
    clmp_upsample_macros(plan, tile, sizeof tile);
    clmp_steep_macros(plan, steep, sizeof steep);
    for (int i = 0; i < 2; ++i) {
        const char *walk = i == 0 ? tile : steep;
        snprintf(macros[1 + i][0], sizeof macros[1 + i][0], "%s%s%s", walk, plan->criterion,
                 clmp_plan_weighs_late(plan) ? "" : class_weights);
        snprintf(macros[1 + i][1], sizeof macros[1 + i][1], "%s%s%s%s", walk, plan->criterion, class_weights,
                 plan->draws != NULL ? " -DCLMP_DRAWN" : "");
    }
    clmp_status status = CLMP_OK;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && status == CLMP_OK; ++i)
        status = clmp_wanted_pair(plan, &pairs[i].one, macros[i][0], &pairs[i].other, macros[i][1], pairs[i].joined);
    return status;
}

static bool lay_out(struct clmp_plan *plan) {
    struct clmp_upsample *upsample = plan->upsample;
    size_t *end = &plan->layout.size;
    const uint64_t planes = plan->params.images * plan->params.classes;          /* of logits: cannot overflow */
    const uint64_t rows = upsample->band_rows, columns = upsample->column_tiles; /* each below 2^31 */
    if (planes > UINT64_MAX / (rows * columns))
        return false;
    return clmp_plan_take(end, planes * plan->image_logits, sizeof(float), &upsample->high) &&
           clmp_plan_take(end, planes * plan->image_logits, sizeof(float), &upsample->low) &&
           clmp_plan_take(end, plan->params.images * plan->image_logits, sizeof(float), &upsample->spans) &&
           clmp_plan_take(end, planes * rows * columns, 4 * sizeof(float), &upsample->tile_sums);
}

const struct clmp_reading clmp_reading_interpolated = {
    .id = CLMP_READING_INTERPOLATED,
    .leaves_sums = false,
    .no_parts = "logits that are interpolated",
    .check = check,
    .create = create,
    .build = build,
    .build_range = build_range,
    .lay_out = lay_out,
};

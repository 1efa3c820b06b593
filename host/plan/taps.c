/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/taps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(clmp_tile) == 32 && sizeof(clmp_touch) == 8, "no padding, as on every device");
_Static_assert(sizeof(clmp_axis) % 8 == 0 && sizeof(clmp_taps) % 8 == 0, "what follows keeps its alignment");

/* One axis, while its tables are made. */
struct axis {
    uint64_t logits, pixels;
    bool align_corners;
    uint64_t tiles;
    uint32_t slot, most; /* lanes of a tile, pixels of the largest one */
};

/* A pixel's place: in cell `cell`, `part` / `whole` of the way from the logit before to the one after. */
struct place {
    int64_t cell;
    uint64_t part, whole;
};

static struct place place_of(const struct axis *axis, uint64_t pixel) {
    uint64_t part = 0, whole = 1;
    if (axis->align_corners && axis->pixels > 1) {
        part = pixel * (axis->logits - 1);
        whole = axis->pixels - 1;
    } else if (!axis->align_corners) {
        /* one cell more, so that nothing is negative */
        part = (2 * pixel + 1) * axis->logits + axis->pixels;
        whole = 2 * axis->pixels;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is a pixel, so that an axis has some */
    const int64_t cell = (int64_t)(part / whole) - (axis->align_corners ? 0 : 1);
    return (struct place){cell, part % whole, whole};
}

static int clamped(int64_t cell, uint64_t logits) {
    return cell < 0 ? 0 : cell >= (int64_t)logits ? (int)logits - 1 : (int)cell;
}

/* The next tile's pixels, from `first` on. */
static uint32_t tile_length(const struct axis *axis, uint64_t first, int64_t *cell) {
    uint32_t count = 1;
    *cell = place_of(axis, first).cell;
    while (count < CLMP_MOST_TILE && first + count < axis->pixels && place_of(axis, first + count).cell == *cell)
        ++count;
    return count;
}

static void measure(struct axis *axis) {
    int64_t cell = 0;
    axis->tiles = 0;
    axis->most = 1;
    for (uint64_t first = 0; first < axis->pixels; ++axis->tiles) {
        const uint32_t count = tile_length(axis, first, &cell);
        axis->most = count > axis->most ? count : axis->most;
        first += count;
    }
    axis->slot = 1;
    while (axis->slot < axis->most)
        axis->slot *= 2;
}

static uint64_t take(uint64_t *end, uint64_t count, size_t size) {
    const uint64_t at = *end;
    *end = (*end + count * size + 127) / 128 * 128;
    return at;
}

/* part / whole in two numbers (CLMP_WEIGHT_STEPS); returns whether the second is 0. */
static bool split_weight(uint64_t part, uint64_t whole, float *high, float *low) {
    const uint64_t steps = (2 * part * CLMP_WEIGHT_STEPS + whole) / (2 * whole);
    const int64_t rest = (int64_t)(CLMP_WEIGHT_STEPS * part) - (int64_t)(steps * whole);
    *high = (float)steps / CLMP_WEIGHT_STEPS;
    *low = (float)((double)rest / ((double)whole * CLMP_WEIGHT_STEPS));
    return rest == 0;
}

static clmp_axis lay_out(const struct axis *axis, uint64_t *end) {
    const uint64_t lanes = (axis->tiles * axis->slot + 15) / 16 * 16;
    clmp_axis record = {.pixels = (cl_uint)axis->pixels,
                        .logits = (cl_uint)axis->logits,
                        .tiles = (cl_uint)axis->tiles,
                        .slot = axis->slot};
    record.tiles_at = take(end, axis->tiles, sizeof(clmp_tile));
    record.touches_at = take(end, axis->logits, sizeof(clmp_touch));
    record.pixel_at = take(end, lanes, sizeof(cl_int));
    record.high_at = take(end, lanes, sizeof(cl_float));
    record.low_at = take(end, lanes, sizeof(cl_float));
    record.share_at = take(end, lanes, sizeof(cl_float));
    record.part_at = take(end, lanes, sizeof(cl_uint));
    record.whole = (cl_uint)place_of(axis, 0).whole; /* at most 2^31 */
    record.half_unit = (float)(0.5 / (double)record.whole);
    const uint64_t step = !axis->align_corners ? 2 * axis->logits : axis->pixels > 1 ? axis->logits - 1 : 0;
    split_weight(step, record.whole, &record.step_high, &record.step_low);
    return record;
}

static void touch(clmp_touch *touches, int logit, int tile) {
    clmp_touch *at = &touches[logit];
    if (at->count == 0)
        at->first = tile;
    at->count = tile - at->first + 1;
}

static void set_regular(clmp_axis *record, const clmp_touch *touches) {
    record->regular = record->logits > 2;
    record->offset = record->logits > 2 ? touches[1].first : 0; /* the second tile of logit 1 is number 1 + offset */
    for (cl_uint i = 1; i + 1 < record->logits; ++i)
        if (touches[i].count != 2 || touches[i].first + 1 != (int)i + record->offset)
            record->regular = 0;
}

static void fill(const struct axis *axis, clmp_axis *record, struct clmp_tables *tables, bool columns) {
    clmp_tile *tiles = (void *)(tables->bytes + record->tiles_at);
    clmp_touch *touches = (void *)(tables->bytes + record->touches_at);
    cl_int *pixels = (void *)(tables->bytes + record->pixel_at);
    cl_float *high = (void *)(tables->bytes + record->high_at), *low = (void *)(tables->bytes + record->low_at);
    cl_float *share = (void *)(tables->bytes + record->share_at);
    cl_uint *parts = (void *)(tables->bytes + record->part_at);
    const uint64_t lanes = (axis->tiles * axis->slot + 15) / 16 * 16;
    for (uint64_t i = 0; i < lanes; ++i)
        pixels[i] = -1;
    uint64_t first = 0;
    for (uint64_t t = 0; t < axis->tiles; ++t) {
        int64_t cell = 0;
        const uint32_t count = tile_length(axis, first, &cell);
        clmp_tile *tile = &tiles[t];
        tile->first = (int)first;
        tile->count = (int)count;
        tile->before = clamped(cell, axis->logits);
        tile->after = clamped(cell + 1, axis->logits);
        /* of columns, what is cut off at the near border is cut off at the near end of the slot */
        tile->lane = (int)(t * axis->slot + (columns && cell < 0 ? axis->slot - count : 0));
        touch(touches, tile->before, (int)t);
        touch(touches, tile->after, (int)t);
        for (uint32_t i = 0; i < count; ++i) {
            const struct place place = place_of(axis, first + i);
            const int lane = tile->lane + (int)i;
            const uint64_t shares = ((place.part << 25) + place.whole) / (2 * place.whole); /* to the nearest */
            pixels[lane] = (cl_int)(first + i);
            tables->exact = split_weight(place.part, place.whole, &high[lane], &low[lane]) && tables->exact;
            share[lane] = (float)shares * 0x1p-24f;
            parts[lane] = (cl_uint)place.part;
            tables->on_grid = tables->on_grid || place.part == 0;
            if (columns && pixels[lane] - lane != pixels[tiles[0].lane] - tiles[0].lane)
                tables->contiguous = false;
        }
        first += count;
    }
    set_regular(record, touches);
}

/* 2^e for a largest class weight of 2^e x, x from 1 to 2. */
static float class_unit(float most_weight) {
    int exponent = 1;
    if (most_weight > 0.0f)
        frexpf(most_weight, &exponent);
    exponent = exponent < -120 ? -120 : exponent > 127 ? 127 : exponent;
    return ldexpf(1.0f, exponent - 1);
}

/* 1 / whole = inverse 2^-shift, cut off after 64 bits; whole up to 2^62. */
static void invert(uint64_t whole, clmp_taps *head) {
    int bits = 0;
    while (((uint64_t)1 << bits) < whole)
        ++bits;
    /* 2^bits / whole is from 1 to 2: digit by digit */
    uint64_t rest = ((uint64_t)1 << bits) - whole;
    head->inverse = 1;
    for (int i = 0; i < 63; ++i) {
        rest <<= 1;
        head->inverse <<= 1;
        if (rest >= whole) {
            rest -= whole;
            head->inverse |= 1;
        }
    }
    head->inverse_shift = 63 + bits;
}

bool clmp_tables_make(const uint64_t logits[2], const uint64_t pixels[2], bool align_corners, float most_weight,
                      struct clmp_tables *tables) {
    struct axis axes[2];
    clmp_taps head;
    memset(&head, 0, sizeof head);
    uint64_t end = sizeof head;
    for (int i = 0; i < 2; ++i) {
        axes[i] = (struct axis){.logits = logits[i], .pixels = pixels[i], .align_corners = align_corners};
        measure(&axes[i]);
        *(i == 0 ? &head.rows : &head.columns) = lay_out(&axes[i], &end);
    }
    *tables = (struct clmp_tables){.exact = true, .contiguous = true, .most_rows = axes[0].most};
    tables->bytes = end <= SIZE_MAX ? calloc((size_t)end, 1) : NULL;
    if (tables->bytes == NULL)
        return false;
    tables->size = (size_t)end;
    fill(&axes[0], &head.rows, tables, false);
    fill(&axes[1], &head.columns, tables, true);
    invert((uint64_t)head.rows.whole * head.columns.whole, &head);
    head.class_up = class_unit(most_weight);
    head.class_down = 1.0f / head.class_up;
    memcpy(tables->bytes, &head, sizeof head);
    return true;
}

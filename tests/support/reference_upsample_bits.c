/*
 * Interpolated logits in the library's arithmetic: what every device must give, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One pixel after another, each interpolated anew.  docs/algorithm.md, section 11, has the definitions.
 */
#include "reference_upsample.h"

#include <stdlib.h>

#include "opencl_c.h"
#define CLMP_GLOBAL
#include "arith.clh"
#include "layout.clh"
#include "wide.clh"

#define NOT_VALID(reason) (-(float)(reason))
#define MOST_TILE 16

bool reference_upsampled(const clmp_plan_params *params) {
    return params->input == CLMP_INPUT_LOGITS &&
           (reference_logits_height(params) != params->height || reference_logits_width(params) != params->width);
}

uint64_t reference_logits_height(const clmp_plan_params *params) {
    return params->logits_height ? params->logits_height : params->height;
}

uint64_t reference_logits_width(const clmp_plan_params *params) {
    return params->logits_width ? params->logits_width : params->width;
}

struct reference_place reference_place(uint64_t logits, uint64_t pixels, bool align_corners, uint64_t pixel) {
    const int64_t in = (int64_t)logits, out = (int64_t)pixels, p = (int64_t)pixel;
    int64_t position = align_corners ? p * (in - 1) : (2 * p + 1) * in - out;
    struct reference_place place = {.whole = align_corners ? out - 1 : 2 * out};
    if (place.whole == 0)
        place.whole = 1;
    place.cell = position < 0 ? -1 : position / place.whole; /* no position is below -1 */
    place.part = position - place.cell * place.whole;
    place.before = place.cell < 0 ? 0 : (uint64_t)place.cell;
    place.after = place.cell + 1 < in ? (uint64_t)(place.cell + 1) : logits - 1;
    return place;
}

/* ---------------------------------------------------------------------------------------------------------- the axes
 */

struct axis {
    struct reference_place *places; /* of pixels */
    float *high, *low, *share;      /* of pixels: the weight of logit `after` */
    uint64_t *tiles, *lanes;        /* of pixels: its tile, and its lane there */
    uint64_t pixels, tile_count, slot, most; /* pixels of the largest tile */
    float step_high, step_low;               /* of weights, from one pixel of a tile to the next */
    bool exact;
};

static void *allocate(uint64_t count, size_t size) {
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL)
        abort(); /* a test without memory has no result */
    return memory;
}

static void cut_tiles(struct axis *axis, bool columns) {
    uint64_t first = 0;
    axis->tile_count = axis->most = 0;
    for (uint64_t p = 0; p < axis->pixels; ++p) {
        if (p > 0 && (axis->places[p].cell != axis->places[p - 1].cell || p - first == MOST_TILE)) {
            axis->tile_count++;
            first = p;
        }
        axis->tiles[p] = axis->tile_count;
        axis->lanes[p] = p - first;
        axis->most = p - first + 1 > axis->most ? p - first + 1 : axis->most;
    }
    axis->tile_count++;
    for (axis->slot = 1; axis->slot < axis->most;)
        axis->slot *= 2;
    /* columns before the first logit end with the slot */
    for (uint64_t p = 0, count; columns && p < axis->pixels && axis->places[p].cell < 0; p += count) {
        for (count = 1; p + count < axis->pixels && axis->tiles[p + count] == axis->tiles[p];)
            ++count;
        for (uint64_t i = 0; i < count; ++i)
            axis->lanes[p + i] += axis->slot - count;
    }
}

/* To a multiple of 1/32, and the rest. */
static void weight_of(int64_t part, int64_t whole, float *high, float *low) {
    const int64_t steps = (64 * part + whole) / (2 * whole);
    *high = (float)steps / 32.0f;
    *low = (float)((double)(32 * part - steps * whole) / (32.0 * (double)whole));
}

static struct axis axis_new(uint64_t logits, uint64_t pixels, bool align_corners, bool columns) {
    struct axis axis = {.pixels = pixels, .exact = true};
    axis.places = allocate(pixels, sizeof *axis.places);
    axis.high = allocate(pixels, sizeof *axis.high);
    axis.low = allocate(pixels, sizeof *axis.low);
    axis.share = allocate(pixels, sizeof *axis.share);
    axis.tiles = allocate(pixels, sizeof *axis.tiles);
    axis.lanes = allocate(pixels, sizeof *axis.lanes);
    for (uint64_t p = 0; p < pixels; ++p) {
        const struct reference_place place = reference_place(logits, pixels, align_corners, p);
        axis.places[p] = place;
        weight_of(place.part, place.whole, &axis.high[p], &axis.low[p]);
        axis.share[p] = (float)(((place.part << 25) + place.whole) / (2 * place.whole)) * 0x1p-24f;
        axis.exact = axis.exact && axis.low[p] == 0.0f;
    }
    const int64_t step = !align_corners ? 2 * (int64_t)logits : pixels > 1 ? (int64_t)logits - 1 : 0;
    weight_of(step, axis.places[0].whole, &axis.step_high, &axis.step_low);
    cut_tiles(&axis, columns);
    return axis;
}

static void axis_free(struct axis *axis) {
    free(axis->places);
    free(axis->high);
    free(axis->low);
    free(axis->share);
    free(axis->tiles);
    free(axis->lanes);
}

/* ------------------------------------------------------------------------------------------------------------ logits
 */

struct part {
    float high, low;
};

/* How far the logits of a low-resolution pixel are apart. */
enum span { TAME, WIDE, RAW };

struct image {
    uint64_t classes, height, width; /* of logits */
    bool exact;
    struct axis rows, columns;
    struct part *parts; /* (N, C, h, w) */
    enum span *spans;   /* (N, h, w) */
};

static float normal(float x) {
    return fabsf(x) < 0x1p-126f ? 0.0f : x;
}

/* Relative to the largest of the C logits of a low-resolution pixel. */
static enum span split(const float *x, uint64_t classes, uint64_t stride, struct part *to) {
    float largest = -INFINITY, smallest = INFINITY;
    bool clean = true;
    for (uint64_t c = 0; c < classes; ++c) {
        const float a = normal(x[c * stride]);
        clean = clean && a < INFINITY;
        if (a > largest)
            largest = a;
        if (a < smallest && a > -INFINITY)
            smallest = a;
    }
    const float range = largest - smallest;
    const enum span span = !clean || !(range >= 128.0f) ? TAME : range < INFINITY ? WIDE : RAW;
    for (uint64_t c = 0; c < classes; ++c) {
        const float a = normal(x[c * stride]), d = a - largest, minus = d - a;
        const float error = (a - (d - minus)) - (largest + minus);
        struct part part = {d, clmp_cut(error)};
        if (d > -32768.0f) {
            part.high = (d + 98304.0f) - 98304.0f;
            part.low = clmp_cut((d - part.high) + error);
        }
        if (span == RAW)
            part = (struct part){a, 0.0f};
        if (!clean || !(a > -INFINITY))
            part = (struct part){-INFINITY, 0.0f};
        to[c * stride] = part;
    }
    return span;
}

static struct image image_new(const struct reference_input *in) {
    const clmp_plan_params *params = &in->params;
    struct image image = {
        .classes = params->classes, .height = reference_logits_height(params), .width = reference_logits_width(params)};
    image.rows = axis_new(image.height, params->height, params->align_corners, false);
    image.columns = axis_new(image.width, params->width, params->align_corners, true);
    image.exact = image.rows.exact && image.columns.exact;
    const uint64_t area = image.height * image.width;
    image.parts = allocate(params->images * image.classes * area, sizeof *image.parts);
    image.spans = allocate(params->images * area, sizeof *image.spans);
    for (uint64_t n = 0; n < params->images; ++n)
        for (uint64_t i = 0; i < area; ++i) {
            const uint64_t corner = n * image.classes * area + i;
            image.spans[n * area + i] = split(in->logits + corner, image.classes, area, image.parts + corner);
        }
    return image;
}

static void image_free(struct image *image) {
    axis_free(&image->rows);
    axis_free(&image->columns);
    free(image->parts);
    free(image->spans);
}

/* ------------------------------------------------------------------------------------------------------------- steep
 */

/* The four low-resolution pixels around a pixel, and what they weigh there, in integers. */
struct corners {
    uint64_t at[4], weight[4];
};

static struct corners corners_of(const struct image *image, uint64_t y, uint64_t x) {
    const struct reference_place *row = &image->rows.places[y], *column = &image->columns.places[x];
    const uint64_t above = row->before * image->width, below = row->after * image->width;
    const uint64_t row_part = (uint64_t)row->part, column_part = (uint64_t)column->part;
    const uint64_t row_rest = (uint64_t)(row->whole - row->part),
                   column_rest = (uint64_t)(column->whole - column->part);
    return (struct corners){
        {above + column->before, above + column->after, below + column->before, below + column->after},
        {row_rest * column_rest, row_rest * column_part, row_part * column_rest, row_part * column_part}};
}

static const struct part *plane_of(const struct image *image, uint64_t n, uint64_t c) {
    return image->parts + (n * image->classes + c) * image->height * image->width;
}

/* The lowest that is finite of a class's logits around a pixel; of the high parts. */
static float lowest_around(const struct image *image, const struct corners *corners, uint64_t n, uint64_t c) {
    float lowest = INFINITY;
    for (int k = 0; k < 4; ++k) {
        const float high = plane_of(image, n, c)[corners->at[k]].high;
        if (high > -INFINITY && high < lowest)
            lowest = high;
    }
    return lowest;
}

/* Whether a pixel is in a steep tile; the four logits around it are those around its tile. */
static bool is_steep(const struct image *image, const struct corners *corners, uint64_t n) {
    enum span span = TAME;
    for (int k = 0; k < 4; ++k) {
        const enum span one = image->spans[n * image->height * image->width + corners->at[k]];
        span = one > span ? one : span;
    }
    if (span != WIDE)
        return span == RAW;
    bool has_floor = false;
    for (uint64_t c = 0; c < image->classes; ++c) {
        const float lowest = lowest_around(image, corners, n, c);
        float least = INFINITY, most = -INFINITY;
        for (int k = 0; k < 4; ++k) {
            const float high = plane_of(image, n, c)[corners->at[k]].high;
            least = high < least ? high : least;
            most = high > most ? high : most;
        }
        if (lowest < -192.0f && (most > -160.0f || most > lowest * 0x1p-16f))
            return true;
        has_floor = has_floor || least >= -32.0f;
    }
    return !has_floor;
}

/* Whether a class has a finite logit in a pixel. */
static bool counts_there(const struct image *image, const struct corners *corners, uint64_t n, uint64_t c) {
    for (int k = 0; k < 4; ++k)
        if (corners->weight[k] != 0 && !(plane_of(image, n, c)[corners->at[k]].high > -INFINITY))
            return false;
    return true;
}

/* How much class a is above class b, times the denominators. */
static clmp_wide above_by(const struct image *image, const struct corners *corners, uint64_t n, uint64_t a,
                          uint64_t b) {
    clmp_wide sum;
    clmp_wide_clear(&sum);
    for (int k = 0; k < 4; ++k) {
        if (corners->weight[k] == 0)
            continue;
        const struct part of_a = plane_of(image, n, a)[corners->at[k]], of_b = plane_of(image, n, b)[corners->at[k]];
        clmp_wide_add(&sum, corners->weight[k], of_a.high, 0);
        clmp_wide_add(&sum, corners->weight[k], of_a.low, 0);
        clmp_wide_add(&sum, corners->weight[k], of_b.high, 1);
        clmp_wide_add(&sum, corners->weight[k], of_b.low, 1);
    }
    return sum;
}

/* The first class with the largest logit, or -1. */
static int64_t top_of(const struct image *image, const struct corners *corners, uint64_t n) {
    int64_t top = -1;
    for (uint64_t c = 0; c < image->classes; ++c) {
        if (!counts_there(image, corners, n, c))
            continue;
        if (top < 0) {
            top = (int64_t)c;
            continue;
        }
        const clmp_wide ahead = above_by(image, corners, n, c, (uint64_t)top);
        top = clmp_wide_positive(&ahead) ? (int64_t)c : top;
    }
    return top;
}

/* What class c is below the top. */
static struct part below_top(const struct image *image, const struct corners *corners, uint64_t n, int64_t top,
                             uint64_t c) {
    const uint64_t whole = (uint64_t)image->rows.places->whole * (uint64_t)image->columns.places->whole;
    const clmp_wide distance = above_by(image, corners, n, (uint64_t)top, c);
    int bits = 0;
    while (((uint64_t)1 << bits) < whole)
        ++bits;
    struct part part;
    clmp_wide_quotient(&distance, (uint64_t)(((clmp_u128)1 << (63 + bits)) / whole), 63 + bits, &part.high, &part.low);
    return part;
}

static float steep_exp(const struct image *image, const struct corners *corners, uint64_t n, int64_t top, uint64_t c) {
    if (!counts_there(image, corners, n, c))
        return 0.0f;
    const struct part distance = below_top(image, corners, n, top, c);
    return clmp_exp_scaled_or_0(-distance.high, -distance.low);
}

static float round_part(float x) {
    return x < 32.0f && x > -32.0f ? (x + 96.0f) - 96.0f : x;
}

/* Along a row of logits, to column x of pixels. */
static struct part along_row(const struct image *image, const struct part *row, uint64_t x) {
    const struct reference_place *place = &image->columns.places[x];
    struct part part = row[place->before];
    if (place->part == 0)
        return part;
    const float step_high = row[place->after].high - part.high, step_low = row[place->after].low - part.low;
    part.high = fmaf(image->columns.high[x], step_high, part.high);
    part.low = fmaf(image->columns.high[x], step_low, part.low);
    if (!image->exact)
        part.low = clmp_cut(fmaf(image->columns.low[x], step_high + step_low, part.low));
    return part;
}

struct slope {
    struct part start, step;
};

static struct slope slope_of(const struct image *image, uint64_t n, uint64_t c, uint64_t y, uint64_t x) {
    const struct part *plane = image->parts + (n * image->classes + c) * image->height * image->width;
    const struct reference_place *place = &image->rows.places[y];
    struct slope slope = {.start = along_row(image, plane + place->before * image->width, x)};
    const struct part below = along_row(image, plane + place->after * image->width, x);
    slope.step = (struct part){below.high - slope.start.high, below.low - slope.start.low};
    return slope;
}

/* `part`, and a weight of a slope's step more; `weighs`: whether that is not 0. */
static struct part plus_step(const struct image *image, const struct slope *slope, float high, float low, bool weighs,
                             struct part part) {
    if (weighs) {
        part.high = fmaf(high, slope->step.high, part.high);
        part.low = fmaf(high, slope->step.low, part.low);
        if (!image->exact)
            part.low = clmp_cut(fmaf(low, slope->step.high + slope->step.low, part.low));
    }
    if (!image->exact) {
        const float carry = round_part(part.low);
        part.high += carry;
        part.low -= carry;
        if (part.low != part.low)
            part.low = 0.0f;
    }
    return part;
}

/* At row y of pixels. */
static struct part on_slope(const struct image *image, const struct slope *slope, uint64_t y) {
    return plus_step(image, slope, image->rows.high[y], image->rows.low[y], image->rows.places[y].part != 0,
                     slope->start);
}

/* ----------------------------------------------------------------------------------------------------------- softmax
 */

struct softmax {
    struct {
        float start, step;
    } line;    /* from the largest logit of the row above to that of the row below */
    float sag; /* of the largest logit below the line, where exponentials are relative to it */
    float label_exp, others;
    bool steep;
    int64_t top; /* of steep ones */
};

static void sum_add(float *sum, float *error, float term) {
    term -= *error;
    const float next = *sum + term;
    *error = (next - *sum) - term;
    *sum = next;
}

/* A class's slope less the line. */
static struct slope from_line(const struct image *image, uint64_t n, uint64_t c, uint64_t y, uint64_t x,
                              const struct softmax *s) {
    struct slope slope = slope_of(image, n, c, y, x);
    slope.start.high -= s->line.start;
    slope.step.high -= s->line.step;
    return slope;
}

#define LEAST (-86.0f)

static float exponential(const struct image *image, uint64_t n, uint64_t c, uint64_t y, uint64_t x,
                         const struct softmax *s) {
    if (s->steep) {
        const struct corners corners = corners_of(image, y, x);
        return steep_exp(image, &corners, n, s->top, c);
    }
    const struct slope slope = from_line(image, n, c, y, x, s);
    const bool at_start = slope.start.high > LEAST, at_end = slope.start.high + slope.step.high > LEAST;
    if (at_start != at_end || s->sag < 0.0f) {
        const struct part part = on_slope(image, &slope, y);
        return clmp_exp_scaled_or_0(part.high - s->sag, part.low);
    }
    if (!at_start)
        return 0.0f;
    /* each fourth row of a tile is computed, those after it are products with a ratio */
    const uint64_t products = image->rows.most > 2 ? image->rows.lanes[y] % 4 : 0;
    const struct part first = on_slope(image, &slope, y - products);
    const struct part step =
        plus_step(image, &slope, image->rows.step_high, image->rows.step_low, true, (struct part){0.0f, 0.0f});
    const float ratio = clmp_exp_ratio(step.high, step.low);
    float e = clmp_exp_scaled(first.high, first.low);
    for (uint64_t k = 0; k < products; ++k)
        e *= ratio;
    return e;
}

static void sums_of(const struct image *image, uint64_t n, uint64_t y, uint64_t x, int64_t label, struct softmax *s) {
    float error = 0.0f, block = 0.0f;
    s->label_exp = s->others = 0.0f;
    for (uint64_t c = 0; c < image->classes; ++c) {
        const float e = exponential(image, n, c, y, x, s);
        if ((int64_t)c == label)
            s->label_exp = e;
        else
            block += e;
        if (c % 16 == 15 || c + 1 == image->classes) {
            sum_add(&s->others, &error, block);
            block = 0.0f;
        }
    }
}

static float largest_below_line(const struct image *image, uint64_t n, uint64_t y, uint64_t x,
                                const struct softmax *s) {
    float most = -INFINITY;
    for (uint64_t c = 0; c < image->classes; ++c) {
        const struct slope slope = from_line(image, n, c, y, x, s);
        const float high = on_slope(image, &slope, y).high;
        if (high > most)
            most = high;
    }
    return most;
}

/* Without rounding, up to the exponentials. */
static struct softmax steep_softmax(const struct image *image, uint64_t n, uint64_t y, uint64_t x, int64_t label) {
    const struct corners corners = corners_of(image, y, x);
    struct softmax s = {.steep = true, .top = top_of(image, &corners, n)};
    if (s.top >= 0)
        sums_of(image, n, y, x, label, &s);
    return s;
}

static struct softmax softmax(const struct image *image, uint64_t n, uint64_t y, uint64_t x, int64_t label) {
    float above = -INFINITY, below = -INFINITY;
    for (uint64_t c = 0; c < image->classes; ++c) {
        const struct slope slope = slope_of(image, n, c, y, x);
        const float start = slope.start.high, end = start + slope.step.high;
        above = start > above ? start : above;
        below = end > below ? end : below;
    }
    struct softmax s = {.line = {above, below - above}};
    sums_of(image, n, y, x, label, &s);
    const float sum = s.others + s.label_exp;
    if (sum < 1.0f || (sum < 0x1.8p23f && s.others < sum * 0x1p-60f)) {
        s.sag = largest_below_line(image, n, y, x, &s);
        sums_of(image, n, y, x, label, &s);
    }
    return s;
}

/* ------------------------------------------------------------------------------------------------ losses and gradient
 */

static int64_t label_at(const struct reference_input *in, uint64_t i) {
    switch (in->params.label_type) {
    case CLMP_LABEL_UINT8:
        return ((const uint8_t *)in->labels)[i];
    case CLMP_LABEL_UINT16:
        return ((const uint16_t *)in->labels)[i];
    case CLMP_LABEL_INT32:
        return ((const int32_t *)in->labels)[i];
    default:
        return ((const int64_t *)in->labels)[i];
    }
}

static float pixel_loss(const struct reference_input *in, const struct image *image, uint64_t n, uint64_t y, uint64_t x,
                        int64_t label, bool weighted) {
    const struct corners corners = corners_of(image, y, x);
    const bool steep = is_steep(image, &corners, n) || lowest_around(image, &corners, n, (uint64_t)label) < -192.0f;
    const struct softmax s = (steep ? steep_softmax : softmax)(image, n, y, x, label);
    float loss = 0.0f;
    if (steep && (s.top < 0 || !counts_there(image, &corners, n, (uint64_t)label)))
        return NOT_VALID(CLMP_NONFINITE);
    if (s.label_exp >= 0x1p-76f) {
        loss = clmp_log1p((s.others * CLMP_EXP_UNSCALE) * clmp_reciprocal(s.label_exp * CLMP_EXP_UNSCALE));
    } else if (steep) {
        const struct part distance = below_top(image, &corners, n, s.top, (uint64_t)label);
        loss = clmp_limit((clmp_log(s.others * CLMP_EXP_UNSCALE) + distance.low) + distance.high);
    } else {
        const struct slope slope = from_line(image, n, (uint64_t)label, y, x, &s);
        const struct part part = on_slope(image, &slope, y);
        const float distance = (part.high - s.sag) + part.low;
        if (!(distance > -INFINITY))
            return NOT_VALID(CLMP_NONFINITE);
        loss = clmp_log(s.others * CLMP_EXP_UNSCALE) - distance;
    }
    if (bits_focal(&in->params))
        loss = bits_focal_loss(&in->params, s.others, s.label_exp, loss);
    return clmp_limit(loss * (weighted ? bits_label_weight(in, 0, label) : 1.0f));
}

void upsample_bits_losses(const struct reference_input *in, bool weighted, float *losses) {
    const clmp_plan_params *params = &in->params;
    struct image image = image_new(in);
    const uint64_t area = params->height * params->width;
    for (uint64_t i = 0; i < params->images * area; ++i) {
        const int64_t label = label_at(in, i);
        if (label == params->ignore_index)
            losses[i] = NOT_VALID(CLMP_IGNORED);
        else if (label < 0 || (uint64_t)label >= params->classes)
            losses[i] = NOT_VALID(CLMP_INVALID_LABEL);
        else
            losses[i] = pixel_loss(in, &image, i / area, i % area / params->width, i % params->width, label, weighted);
    }
    image_free(&image);
}

/* 2^e of tau = 2^e x, x from 1 to 2. */
static float unit_of(float tau) {
    return as_float(as_uint(tau) & 0x7f800000u);
}

/* 2^e of the largest class weight. */
static float class_unit(const struct reference_input *in) {
    float most = 0.0f;
    for (uint64_t c = 0; c < in->params.classes; ++c)
        most = fmaxf(most, bits_label_weight(in, 0, (int64_t)c));
    int exponent = most > 0.0f ? ilogbf(most) : 0;
    exponent = exponent < -121 ? -121 : exponent > 126 ? 126 : exponent;
    return ldexpf(1.0f, exponent);
}

/* What a tile adds to the four logits around it: lanes of slots, summed by neighbouring pairs. */
static float pair_sum(float *lanes, uint64_t slot) {
    for (; slot > 1; slot /= 2)
        for (uint64_t i = 0; i < slot / 2; ++i)
            lanes[i] = lanes[2 * i] + lanes[2 * i + 1];
    return lanes[0];
}

struct step {
    const struct reference_input *in;
    struct image image;
    float *factors; /* (N, H, W) */
    struct softmax *softmaxes;
    float *sums; /* (tiles of rows, tiles of columns, 4), of one image and class */
};

static float term(const struct step *step, uint64_t n, uint64_t c, uint64_t y, uint64_t x) {
    const clmp_plan_params *params = &step->in->params;
    const uint64_t i = (n * params->height + y) * params->width + x;
    const struct softmax *s = &step->softmaxes[i];
    if (step->factors[i] == 0.0f)
        return 0.0f;
    float e = -s->others;
    if ((int64_t)c != label_at(step->in, i))
        e = exponential(&step->image, n, c, y, x, s);
    const float g = step->factors[i] * e;
    if ((!step->image.exact || params->classes > 1024) && fabsf(g) < 0x1p-55f)
        return 0.0f;
    return g;
}

static void tile_sums(const struct step *step, uint64_t n, uint64_t c, uint64_t y0, uint64_t y1, uint64_t x0,
                      uint64_t x1, float *sums) {
    const struct axis *rows = &step->image.rows, *columns = &step->image.columns;
    const struct corners corners = corners_of(&step->image, y0, x0);
    const bool steep = is_steep(&step->image, &corners, n);
    float lanes[4][MOST_TILE] = {{0.0f}};
    for (uint64_t x = x0; x < x1; ++x) {
        float above = 0.0f, below = 0.0f;
        for (uint64_t y = y0; y < y1; ++y) {
            const float g = term(step, n, c, y, x);
            above = fmaf(1.0f - rows->share[y], g, above);
            below = fmaf(rows->share[y], g, below);
        }
        const float after = columns->share[x], before = 1.0f - after;
        const float of_column[4] = {before * above, after * above, before * below, after * below};
        for (int q = 0; q < 4; ++q) {
            lanes[q][columns->lanes[x]] = of_column[q];
            sums[q] = x == x0 ? of_column[q] : sums[q] + of_column[q]; /* of steep tiles, one after the other */
        }
    }
    for (int q = 0; q < 4 && !steep; ++q)
        sums[q] = pair_sum(lanes[q], columns->slot);
}

static uint64_t tile_end(const struct axis *axis, uint64_t first) {
    uint64_t end = first + 1;
    while (end < axis->pixels && axis->tiles[end] == axis->tiles[first])
        ++end;
    return end;
}

static void all_tile_sums(const struct step *step, uint64_t n, uint64_t c) {
    const struct axis *rows = &step->image.rows, *columns = &step->image.columns;
    for (uint64_t y = 0, y1; y < rows->pixels; y = y1) {
        y1 = tile_end(rows, y);
        for (uint64_t x = 0, x1; x < columns->pixels; x = x1) {
            x1 = tile_end(columns, x);
            tile_sums(step, n, c, y, y1, x, x1,
                      step->sums + (rows->tiles[y] * columns->tile_count + columns->tiles[x]) * 4);
        }
    }
}

/* The tiles' sums for logit (i, j): each tile is known by its first pixel. */
static float gather(const struct step *step, uint64_t i, uint64_t j) {
    const struct axis *rows = &step->image.rows, *columns = &step->image.columns;
    float sum = 0.0f, error = 0.0f;
    for (uint64_t y = 0; y < rows->pixels; y = tile_end(rows, y))
        for (uint64_t x = 0; x < columns->pixels; x = tile_end(columns, x)) {
            const struct reference_place *row = &rows->places[y], *column = &columns->places[x];
            const float *sums = step->sums + (rows->tiles[y] * columns->tile_count + columns->tiles[x]) * 4;
            const uint64_t of_row[2] = {row->before, row->after}, of_column[2] = {column->before, column->after};
            for (int q = 0; q < 4; ++q)
                if (of_row[q / 2] == i && of_column[q % 2] == j)
                    sum_add(&sum, &error, sums[q]);
        }
    return sum;
}

static void find_factors(struct step *step, const float *losses, const float *weights, const float *taus) {
    const struct reference_input *in = step->in;
    const clmp_plan_params *params = &in->params;
    const uint64_t area = params->height * params->width, pixels = params->images * area;
    const float class_down = 1.0f / class_unit(in);
    step->factors = allocate(pixels, sizeof *step->factors);
    step->softmaxes = allocate(pixels, sizeof *step->softmaxes);
    for (uint64_t i = 0; i < pixels; ++i) {
        if (!(losses[i] >= 0.0f))
            continue; /* not valid */
        const float tau = taus[params->scope == CLMP_SCOPE_IMAGE ? i / area : 0];
        const int64_t label = label_at(in, i);
        float factor = weights[i] * as_float((254u << 23) - as_uint(unit_of(tau))) *
                       (bits_label_weight(in, i, label) * class_down);
        struct softmax *s = &step->softmaxes[i];
        if (!(factor >= 0x1p-26f))
            continue;
        const uint64_t n = i / area, y = i % area / params->width, x = i % params->width;
        const struct corners corners = corners_of(&step->image, y, x);
        *s = (is_steep(&step->image, &corners, n) ? steep_softmax : softmax)(&step->image, n, y, x, label);
        if (bits_focal(params)) {
            const float label_exp = s->label_exp >= 0x1p-76f ? s->label_exp * CLMP_EXP_UNSCALE : 1.0f;
            const float cross_entropy = clmp_log1p((s->others * CLMP_EXP_UNSCALE) * clmp_reciprocal(label_exp));
            factor *= bits_focal_slope(params, s->others, s->label_exp, cross_entropy);
        }
        if (!(factor >= 0x1p-26f))
            continue;
        step->factors[i] = factor * (clmp_reciprocal(s->others + s->label_exp) * 0x1p70f);
    }
}

void upsample_bits_gradient(const struct reference_input *in, const float *losses, const float *weights,
                            const float *taus, float share, float *gradient) {
    const clmp_plan_params *params = &in->params;
    struct step step = {.in = in, .image = image_new(in)};
    const uint64_t height = step.image.height, width = step.image.width;
    find_factors(&step, losses, weights, taus);
    step.sums = allocate(step.image.rows.tile_count * step.image.columns.tile_count * 4, sizeof *step.sums);
    for (uint64_t plane = 0; plane < params->images * params->classes; ++plane) {
        const uint64_t n = plane / params->classes;
        const float unit = unit_of(taus[params->scope == CLMP_SCOPE_IMAGE ? n : 0]);
        all_tile_sums(&step, n, plane % params->classes);
        for (uint64_t i = 0; i < height * width; ++i) {
            float g = clmp_limit(clmp_limit(gather(&step, i / width, i % width) * 0x1p-70f) * unit);
            g = clmp_limit(g * clmp_limit(in->gradient_scale * share));
            gradient[plane * height * width + i] = clmp_limit(g * class_unit(in));
        }
    }
    free(step.sums);
    free(step.softmaxes);
    free(step.factors);
    image_free(&step.image);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "augment.h"

#include "chance.h"

#include <math.h>
#include <string.h>

enum { ONE = 1 << 16, HALF = ONE / 2 }; /* of colours */

/* ----------------------------------------------------------------------------------------------------------- draws */

static double uniform(struct chance *chance, double low, double high) {
    return low + (high - low) * (double)(chance_next(chance) >> 11) * 0x1p-53;
}

/* How far a cut may move, of what a picture has more than is cut out. */
static size_t random_start(struct chance *chance, size_t size, size_t cut) {
    return size > cut ? (size_t)chance_below(chance, size - cut + 1) : 0;
}

static size_t scaled(size_t size, double scale) {
    const size_t to = (size_t)llround(scale * (double)size);
    return to > 0 ? to : 1;
}

/* Acts on (red, green, blue, 1). */
struct affine {
    double m[3][4];
};

/* First `all` as it was, then `next`. */
static void append(struct affine *all, const struct affine *next) {
    const struct affine first = *all;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 4; ++j) {
            double sum = j == 3 ? next->m[i][3] : 0.0;
            for (int k = 0; k < 3; ++k)
                sum += next->m[i][k] * first.m[k][j];
            all->m[i][j] = sum;
        }
}

/* Hues turn about the axis of greys in YIQ, where a grey's luma is its Y. */
static void turn_hue(struct affine *all, double turn) {
    static const struct affine to_yiq = {
        {{0.299, 0.587, 0.114, 0.0}, {0.595716, -0.274453, -0.321263, 0.0}, {0.211456, -0.522591, 0.311135, 0.0}}};
    static const struct affine from_yiq = {
        {{1.0, 0.9563, 0.6210, 0.0}, {1.0, -0.2721, -0.6474, 0.0}, {1.0, -1.1070, 1.7046, 0.0}}};
    const struct affine turned = {
        {{1.0, 0.0, 0.0, 0.0}, {0.0, cos(turn), -sin(turn), 0.0}, {0.0, sin(turn), cos(turn), 0.0}}};
    append(all, &to_yiq);
    append(all, &turned);
    append(all, &from_yiq);
}

/* Away from the grey of the same luma. */
static void saturate(struct affine *all, double factor) {
    static const double luma[3] = {0.299, 0.587, 0.114};
    struct affine affine = {{{0.0}}};
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            affine.m[i][j] = (i == j ? factor : 0.0) + (1.0 - factor) * luma[j];
    append(all, &affine);
}

static void multiply_and_add(struct affine *all, double factor, double offset) {
    append(all, &(struct affine){{{factor, 0.0, 0.0, offset}, {0.0, factor, 0.0, offset}, {0.0, 0.0, factor, offset}}});
}

/* Hue, saturation, contrast (away from the middle), brightness, in this order. */
static void draw_colours(struct chance *chance, double colour, int64_t colours[3][4]) {
    const double middle = 127.5, most_turn = 36.0 * 3.141592653589793 / 180.0;
    const double low = 1.0 - colour, high = 1.0 + colour;
    struct affine all = {{{1.0, 0.0, 0.0, 0.0}, {0.0, 1.0, 0.0, 0.0}, {0.0, 0.0, 1.0, 0.0}}};
    turn_hue(&all, uniform(chance, -colour * most_turn, colour * most_turn));
    saturate(&all, uniform(chance, low, high));
    const double contrast = uniform(chance, low, high);
    multiply_and_add(&all, contrast, (1.0 - contrast) * middle);
    multiply_and_add(&all, uniform(chance, low, high), 0.0);
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 4; ++j)
            colours[i][j] = llround(all.m[i][j] * ONE);
}

struct change augment_draw(const struct augmentation *augmentation, uint64_t seed, uint64_t place,
                           const struct picture *picture, size_t height, size_t width) {
    struct change change = {.height = picture->height, .width = picture->width};
    if (augmentation->scale_low != 1.0 || augmentation->scale_high != 1.0) {
        struct chance chance = chance_of(seed, CHANCE_SCALES + 16 * (place + 1));
        const double scale = uniform(&chance, augmentation->scale_low, augmentation->scale_high);
        change.height = scaled(picture->height, scale);
        change.width = scaled(picture->width, scale);
    }
    change.coloured = augmentation->colour > 0.0;
    if (change.coloured) {
        struct chance chance = chance_of(seed, CHANCE_COLOURS + 16 * (place + 1));
        draw_colours(&chance, augmentation->colour, change.colours);
    }
    struct chance chance = chance_of(seed, CHANCE_CROPS + 16 * (place + 1));
    const bool flipped = chance_below(&chance, 2) == 1; /* drawn in any case: the rest is the same with and without */
    change.placement = (struct placement){height, width, 0, 0, flipped && !augmentation->no_flip};
    change.placement.top = random_start(&chance, change.height, height);
    change.placement.left = random_start(&chance, change.width, width);
    return change;
}

/* --------------------------------------------------------------------------------------------------------- pictures */

/* Where along a side a scaled picture's pixel is in the picture: between pixels `low` and `high`, `share` / 256 of the
 * way, and in pixel `nearest`. */
struct where {
    size_t low, high, share, nearest;
};

static struct where where_of(size_t at, size_t size, size_t scaled_size) {
    struct where where = {.nearest = (2 * at + 1) * size / (2 * scaled_size)};
    const size_t centre = (2 * at + 1) * size * 128 / scaled_size; /* of the pixel, in 256ths */
    const size_t from = centre > 128 ? centre - 128 : 0;
    where.low = from / 256 < size ? from / 256 : size - 1;
    where.high = where.low + 1 < size ? where.low + 1 : where.low;
    where.share = from % 256;
    return where;
}

static void colour_pixel(const struct change *change, uint8_t *rgb) {
    const int64_t red = rgb[0], green = rgb[1], blue = rgb[2];
    for (int i = 0; i < 3; ++i) {
        const int64_t *row = change->colours[i];
        const int64_t number = row[0] * red + row[1] * green + row[2] * blue + row[3] + HALF;
        rgb[i] = (uint8_t)(number < 0 ? 0 : number / ONE > 255 ? 255 : number / ONE);
    }
}

/* The pixel of the picture in its new size that is at this row and column. */
static void place_pixel(const struct picture *picture, const struct change *change, const struct where *row,
                        const struct where *column, uint8_t *rgb, uint8_t *label) {
    const uint8_t *above = picture->rgb + 3 * row->low * picture->width;
    const uint8_t *below = picture->rgb + 3 * row->high * picture->width;
    const size_t left = 3 * column->low, right = 3 * column->high;
    for (size_t i = 0; i < 3; ++i) {
        const size_t high = above[left + i] * (256 - column->share) + above[right + i] * column->share;
        const size_t low = below[left + i] * (256 - column->share) + below[right + i] * column->share;
        rgb[i] = (uint8_t)((high * (256 - row->share) + low * row->share + HALF) / ONE);
    }
    if (change->coloured)
        colour_pixel(change, rgb);
    *label = picture->labels[row->nearest * picture->width + column->nearest];
}

void augment_place(const struct picture *picture, const struct change *change, int ignore, uint8_t *rgb,
                   uint8_t *labels) {
    enum { BLOCK = 64 }; /* columns whose places are found out once for all rows */
    const struct placement *placement = &change->placement;
    const size_t wide = change->width - placement->left, width = wide < placement->width ? wide : placement->width;
    const size_t high = change->height - placement->top, height = high < placement->height ? high : placement->height;
    memset(rgb, 128, placement->height * placement->width * 3);
    memset(labels, ignore, placement->height * placement->width);
    for (size_t first = 0; first < width; first += BLOCK) {
        struct where columns[BLOCK];
        const size_t count = width - first < BLOCK ? width - first : BLOCK;
        for (size_t i = 0; i < count; ++i)
            columns[i] = where_of(placement->left + first + i, picture->width, change->width);
        for (size_t y = 0; y < height; ++y) {
            const struct where row = where_of(placement->top + y, picture->height, change->height);
            for (size_t i = 0; i < count; ++i) {
                const size_t x = placement->flipped ? placement->width - 1 - first - i : first + i;
                const size_t to = y * placement->width + x;
                place_pixel(picture, change, &row, &columns[i], rgb + 3 * to, labels + to);
            }
        }
    }
}

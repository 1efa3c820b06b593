/* SPDX-License-Identifier: Apache-2.0 */
#include "drawing.h"

#include <errno.h>
#include <string.h>

enum { LEGEND_LINE = 28, SWATCH = 16 };

const rgb drawing_black = {20, 20, 24}, drawing_grey = {105, 105, 112}, drawing_pale = {224, 224, 228};
const text_style drawing_title = {15, 2.3, {20, 20, 24}};
const text_style drawing_name = {11.5, 1.7, {20, 20, 24}};
const text_style drawing_small = {9.5, 1.35, {60, 60, 66}};

/* Draws, where there is something to draw to; else only finds out where it ends. */
static double lay_legend(canvas *to, double width, double y, const struct classes *classes) {
    double x = DRAWING_EDGE;
    for (size_t c = 0; c < classes->count; ++c) {
        const double wide = SWATCH + 6 + canvas_text_width(&drawing_small, classes->names[c]) + 20;
        if (x + wide > width - DRAWING_EDGE && x > DRAWING_EDGE) {
            x = DRAWING_EDGE;
            y += LEGEND_LINE;
        }
        if (to != NULL) {
            const uint8_t *colour = classes->colours[c];
            canvas_fill(to, (size_t)x, (size_t)y, SWATCH, SWATCH, (rgb){colour[0], colour[1], colour[2]});
            canvas_text(to, x + SWATCH + 6, y + 13, &drawing_small, classes->names[c]);
        }
        x += wide;
    }
    return y + LEGEND_LINE;
}

double drawing_legend(canvas *to, double y, const struct classes *classes) {
    return lay_legend(to, (double)to->width, y, classes);
}

size_t drawing_legend_height(size_t width, const struct classes *classes) {
    return (size_t)lay_legend(NULL, (double)width, 0.0, classes);
}

bool drawing_write(canvas *picture, const char *path, struct failure *failure) {
    const bool good = canvas_write_png(picture, path);
    const int error = errno;
    canvas_free(picture);
    return good || fail_with(failure, EXIT_OF_INPUT, "cannot write %s: %s", path, strerror(error));
}

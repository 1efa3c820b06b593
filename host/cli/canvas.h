/*
 * A picture in memory: rectangles, text, PNG.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_CANVAS_H
#define CLMP_CLI_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rgb {
    uint8_t r, g, b;
} rgb;

typedef struct canvas {
    size_t width, height;
    rgb *pixels; /* row by row from the top */
} canvas;

/* White; false if there is no memory.  Free with canvas_free(). */
bool canvas_init(canvas *to, size_t width, size_t height);
void canvas_free(canvas *to);

/* A filled rectangle, cut at the picture's edge. */
void canvas_fill(canvas *to, size_t x, size_t y, size_t width, size_t height, rgb colour);

/* `share` in [0, 1] of the way from what is there to `colour`; outside the picture nothing happens. */
void canvas_blend(canvas *to, size_t x, size_t y, rgb colour, double share);

/* Writes to a temporary name beside `path` and renames.  False with errno set. */
bool canvas_write_png(const canvas *from, const char *path);

/* The same for pixels of 8 bits, grey or else RGB.  `stride`: bytes from a row to the next; 0: they lie side by side;
 * below 0: the last row is the first in memory. */
bool canvas_write_pixels(const char *path, bool grey, size_t width, size_t height, const void *pixels,
                         ptrdiff_t stride);

/* ASCII text in strokes; other characters are left blank. */
typedef struct text_style {
    double height; /* of a capital letter, in pixels */
    double weight; /* of the stroke, in pixels */
    rgb colour;
} text_style;

/* (x, y) is the left end of the base line.  Returns the text's width. */
double canvas_text(canvas *to, double x, double y, const text_style *style, const char *text);
double canvas_text_width(const text_style *style, const char *text);

/* Text broken at spaces to lines of at most `width`; returns the base line of the line that would follow. */
double canvas_paragraph(canvas *to, double x, double y, double width, const text_style *style, const char *text);

#endif

/*
 * A picture in memory, and its way into a PNG file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "canvas.h"
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool canvas_init(canvas *to, size_t width, size_t height) {
    *to = (canvas){width, height, malloc(width * height * sizeof(rgb))};
    if (!to->pixels)
        return false;
    memset(to->pixels, 255, width * height * sizeof(rgb));
    return true;
}

void canvas_free(canvas *to) {
    free(to->pixels);
    *to = (canvas){0, 0, NULL};
}

void canvas_fill(canvas *to, size_t x, size_t y, size_t width, size_t height, rgb colour) {
    for (size_t row = y; row < y + height && row < to->height; row++)
        for (size_t column = x; column < x + width && column < to->width; column++)
            to->pixels[row * to->width + column] = colour;
}

static uint8_t mix(uint8_t from, uint8_t to, double share) {
    return (uint8_t)((double)from + ((double)to - (double)from) * share + 0.5);
}

void canvas_blend(canvas *to, size_t x, size_t y, rgb colour, double share) {
    if (x >= to->width || y >= to->height)
        return;
    rgb *pixel = &to->pixels[y * to->width + x];
    *pixel = (rgb){mix(pixel->r, colour.r, share), mix(pixel->g, colour.g, share), mix(pixel->b, colour.b, share)};
}

bool canvas_write_pixels(const char *path, bool grey, size_t width, size_t height, const void *pixels,
                         ptrdiff_t stride) {
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid()) >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return false;
    }
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    image.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    errno = EIO; /* what to say when libpng fails without the system's saying why */
    if (png_image_write_to_file(&image, temporary, 0, pixels, (png_int_32)stride, NULL) && rename(temporary, path) == 0)
        return true;
    const int why = errno;
    remove(temporary);
    errno = why;
    return false;
}

bool canvas_write_png(const canvas *from, const char *path) {
    return canvas_write_pixels(path, false, from->width, from->height, from->pixels, 0);
}

/*
 * What the pictures of a comparison share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_DRAWING_H
#define CLMP_TRAIN_DRAWING_H

#include "canvas.h"
#include "comparison.h"

enum { DRAWING_EDGE = 28, DRAWING_GAP = 8 };

extern const rgb drawing_black, drawing_grey, drawing_pale;
extern const text_style drawing_title, drawing_name, drawing_small;

/* The colours of the classes with their names, from the line at `y` on; returns the line below. */
double drawing_legend(canvas *to, double y, const struct classes *classes);
/* Lines of drawing_legend() in a picture so wide. */
size_t drawing_legend_height(size_t width, const struct classes *classes);

/* Writes a PNG whole or not at all, and frees the picture. */
bool drawing_write(canvas *picture, const char *path, struct failure *failure);

#endif /* CLMP_TRAIN_DRAWING_H */

/*
 * Labels from a PNG file: the indices of a palette, or grey levels, as they are stored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_PNG_LABELS_H
#define CLMP_CLI_PNG_LABELS_H

#include "input.h"

/* Whether the file begins as a PNG file does. */
bool png_is(const struct input *input);

struct png_labels;

/*
 * Reads all that comes before the image.  A palette or grey of 1, 2, 4 or 8 bits; anything else is a failure.  The
 * return value is to be closed; NULL is a failure.
 */
struct png_labels *png_labels_open(struct input *input, uint64_t *height, uint64_t *width, struct failure *failure);

/* Reads the image to `bytes`, height x width of them. */
bool png_labels_read(struct png_labels *labels, uint8_t *bytes);

/* NULL is allowed. */
void png_labels_close(struct png_labels *labels);

#endif /* CLMP_CLI_PNG_LABELS_H */

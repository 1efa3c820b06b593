/*
 * How a camera was held, and pictures turned as it says.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Exif 2.3, 4.6.4: the tag Orientation (274) of the first directory, a SHORT.  1 upright, 3 upside down, 6 and 8 on a
 * side, 2, 4, 5 and 7 mirrored besides.  Viewers and the programs in which people paint labels turn pictures by it.
 */
#ifndef CLMP_TRAIN_EXIF_H
#define CLMP_TRAIN_EXIF_H

#include "fail.h"

#include <stddef.h>
#include <stdint.h>

/* The orientation that Exif data state, from their TIFF header on, with or without "Exif\0\0" before it; else 1. */
int exif_orientation(const uint8_t *bytes, size_t size);

/* Turns a picture of (height, width, 3) bytes, which may move to other memory, and its sizes. */
bool exif_turn(int orientation, uint8_t **rgb, size_t *height, size_t *width, const char *path,
               struct failure *failure);

#endif /* CLMP_TRAIN_EXIF_H */

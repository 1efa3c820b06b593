/*
 * Picture files: PNG and JPEG, told by their first bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_IMAGE_H
#define CLMP_TRAIN_IMAGE_H

#include "jpeg.h"

struct image {
    size_t height, width;
    uint8_t *rgb;               /* (height, width, 3), to be freed */
    char warning[JPEG_WARNING]; /* of the file; "": none */
};

/*
 * Reads a picture: the same bytes in every run, and those of Pillow's convert('RGB') after its exif_transpose(), but
 * that of 16-bit grey the upper 8 bits are taken.
 */
bool image_read(const char *path, struct image *image, struct failure *failure);

#endif /* CLMP_TRAIN_IMAGE_H */

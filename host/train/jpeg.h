/* JPEG files.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TRAIN_JPEG_H
#define CLMP_TRAIN_JPEG_H

#include "fail.h"

#include <stddef.h>
#include <stdint.h>

enum { JPEG_WARNING = 200 };

struct jpeg_facts {
    size_t height, width;       /* as stored */
    int orientation;            /* of Exif; 1: upright */
    char warning[JPEG_WARNING]; /* what libjpeg says of bytes that it passed over; "": nothing */
};

/*
 * Reads a whole JPEG file, grey, colour or CMYK, as red, green and blue: (height, width, 3), to be freed.  Bytes
 * between its parts that belong to none are a warning; a file whose picture is not all there is refused.
 */
bool jpeg_read(const char *path, uint8_t **rgb, struct jpeg_facts *facts, struct failure *failure);

#endif /* CLMP_TRAIN_JPEG_H */

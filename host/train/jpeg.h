/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TRAIN_JPEG_H
#define CLMP_TRAIN_JPEG_H

#include "fail.h"

#include <stddef.h>
#include <stdint.h>

/* Reads a JPEG file as (height, width, 3), to be freed; NULL after a failure. */
bool jpeg_read(const char *path, uint8_t **rgb, size_t *height, size_t *width, struct failure *failure);

#endif /* CLMP_TRAIN_JPEG_H */

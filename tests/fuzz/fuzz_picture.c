/*
 * Any bytes as a picture, PNG or JPEG: refused in one line, or read, twice the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * What is in a PNG behind a wrong checksum, fuzz_png.c reaches.
 */
#include "fuzz.h"

#include "exif.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

static bool read_image(const char *path, struct image *image) {
    struct failure failure = {.code = 0};
    const bool good = image_read(path, image, &failure);
    fuzz_assert(good == (failure.code == 0) && good == (image->rgb != NULL), "success %d with code %d", good,
                failure.code);
    fuzz_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL), "code %d without a line",
                failure.code);
    failure_clear(&failure);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct image image, again;
    const int orientation = exif_orientation(data, size);
    fuzz_assert(orientation >= 1 && orientation <= 8, "orientation %d", orientation);
    const char *path = fuzz_file(data, size);
    if (read_image(path, &image)) {
        fuzz_assert(image.height > 0 && image.width > 0, "%zu x %zu", image.width, image.height);
        fuzz_assert(read_image(path, &again) && again.height == image.height && again.width == image.width &&
                        memcmp(again.rgb, image.rgb, 3 * image.height * image.width) == 0,
                    "another picture");
        free(again.rgb);
    }
    free(image.rgb);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include "exif.h"
#include "png_input.h"

#include <stdlib.h>
#include <string.h>

static bool read_png(struct input *input, struct image *image, struct failure *failure) {
    struct png_facts facts;
    size_t size = 0;
    struct png_input *png = png_input_open(input, &facts, failure);
    if (png == NULL)
        return false;
    image->height = facts.height;
    image->width = facts.width;
    image->rgb = malloc(3 * facts.height * facts.width);
    bool good = image->rgb != NULL ? png_input_rgb(png, image->rgb) : fail_memory(failure, input->path);
    if (good) {
        const uint8_t *exif = png_input_exif(png, &size);
        good = exif == NULL || exif_turn(exif_orientation(exif, size), &image->rgb, &image->height, &image->width,
                                         input->path, failure);
    }
    png_input_close(png);
    return good;
}

static bool read_jpeg(const char *path, struct image *image, struct failure *failure) {
    struct jpeg_facts facts;
    const bool good = jpeg_read(path, &image->rgb, &facts, failure);
    image->height = facts.height;
    image->width = facts.width;
    memcpy(image->warning, facts.warning, sizeof image->warning);
    return good && exif_turn(facts.orientation, &image->rgb, &image->height, &image->width, path, failure);
}

bool image_read(const char *path, struct image *image, struct failure *failure) {
    static const unsigned char jpeg[2] = {0xff, 0xd8};
    struct input input;
    *image = (struct image){.rgb = NULL};
    bool good = input_open(&input, path, failure);
    if (good && png_is(&input))
        good = read_png(&input, image, failure);
    else if (good && memcmp(input.head, jpeg, sizeof jpeg) == 0)
        good = read_jpeg(path, image, failure);
    else if (good)
        good = fail_with(failure, EXIT_OF_INPUT, "%s is neither a PNG nor a JPEG file", path);
    input_close(&input);
    if (!good) {
        free(image->rgb);
        image->rgb = NULL;
    }
    return good;
}

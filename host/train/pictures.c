/* SPDX-License-Identifier: Apache-2.0 */
#include "pictures.h"

#include "jpeg.h"
#include "png_labels.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

static bool read_png(const char *path, struct picture *picture, struct failure *failure) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_file(&image, path))
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, image.message);
    image.format = PNG_FORMAT_RGB;
    picture->height = image.height;
    picture->width = image.width;
    picture->rgb = malloc(3 * picture->height * picture->width);
    if (picture->rgb == NULL) {
        png_image_free(&image);
        return fail_memory(failure, path);
    }
    if (!png_image_finish_read(&image, NULL, picture->rgb, 0, NULL))
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, image.message);
    return true;
}

static bool read_image(const char *path, struct picture *picture, struct failure *failure) {
    unsigned char head[2] = {0, 0};
    FILE *file = fopen(path, "rb");
    const bool some = file != NULL && fread(head, 1, sizeof head, file) == sizeof head;
    if (file != NULL)
        fclose(file);
    if (some && head[0] == 0xff && head[1] == 0xd8)
        return jpeg_read(path, &picture->rgb, &picture->height, &picture->width, failure);
    return read_png(path, picture, failure);
}

static bool check_labels(const char *path, const struct classes *classes, const struct picture *picture,
                         struct failure *failure) {
    for (size_t i = 0; i < picture->height * picture->width; ++i)
        if (picture->labels[i] >= classes->count && picture->labels[i] != classes->ignore)
            return fail_with(failure, EXIT_OF_INPUT,
                             "%s has label %d at column %zu, row %zu, expected 0 to %zu, or %d to be ignored", path,
                             picture->labels[i], i % picture->width, i / picture->width, classes->count - 1,
                             classes->ignore);
    return true;
}

static bool read_labels(const struct sample *sample, const struct classes *classes, struct picture *picture,
                        struct failure *failure) {
    struct input input = {.file = NULL};
    uint64_t height = 0, width = 0;
    struct png_labels *png = NULL;
    bool good = input_open(&input, sample->labels, failure);
    if (good && !png_is(&input))
        good = fail_with(failure, EXIT_OF_INPUT, "%s is no PNG file", sample->labels);
    if (good) {
        png = png_labels_open(&input, &height, &width, failure);
        good = png != NULL;
    }
    if (good && (height != picture->height || width != picture->width))
        good = fail_with(failure, EXIT_OF_INPUT, "%s is %zu x %zu, but its labels %s are %zu x %zu", sample->image,
                         picture->width, picture->height, sample->labels, (size_t)width, (size_t)height);
    if (good) {
        picture->labels = malloc(picture->height * picture->width);
        good = picture->labels != NULL
                   ? png_labels_read(png, picture->labels) && check_labels(sample->labels, classes, picture, failure)
                   : fail_memory(failure, sample->labels);
    }
    png_labels_close(png);
    input_close(&input);
    return good;
}

bool picture_read(const struct sample *sample, const struct classes *classes, struct picture *picture,
                  struct failure *failure) {
    *picture = (struct picture){.rgb = NULL};
    if (read_image(sample->image, picture, failure) && read_labels(sample, classes, picture, failure))
        return true;
    picture_free(picture);
    return false;
}

void picture_free(struct picture *picture) {
    free(picture->rgb);
    free(picture->labels);
    *picture = (struct picture){.rgb = NULL};
}

bool pictures_open(const struct split *split, const struct classes *classes, size_t room, struct pictures *pictures,
                   struct failure *failure) {
    *pictures = (struct pictures){.split = split, .classes = classes, .room = room};
    pictures->kept = calloc(split->count, sizeof *pictures->kept);
    return pictures->kept != NULL || fail_memory(failure, "the list of images");
}

void pictures_close(struct pictures *pictures) {
    for (size_t i = 0; pictures->kept != NULL && i < pictures->split->count; ++i)
        picture_free(&pictures->kept[i]);
    free(pictures->kept);
    pictures->kept = NULL;
}

bool pictures_get(struct pictures *pictures, size_t index, struct picture *picture, struct failure *failure) {
    struct picture *kept = &pictures->kept[index];
    if (kept->rgb != NULL) {
        *picture = *kept;
        return true;
    }
    if (!picture_read(&pictures->split->samples[index], pictures->classes, picture, failure))
        return false;
    const size_t size = 4 * picture->height * picture->width;
    if (size <= pictures->room) {
        pictures->room -= size;
        *kept = *picture;
    }
    return true;
}

void pictures_done(const struct pictures *pictures, size_t index, struct picture *picture) {
    if (pictures->kept[index].rgb != picture->rgb)
        picture_free(picture);
}

void picture_place(const struct picture *picture, const struct placement *placement, int ignore, uint8_t *rgb,
                   uint8_t *labels) {
    memset(rgb, 128, placement->height * placement->width * 3);
    memset(labels, ignore, placement->height * placement->width);
    for (size_t y = 0; y < placement->height && placement->top + y < picture->height; ++y)
        for (size_t x = 0; x < placement->width && placement->left + x < picture->width; ++x) {
            const size_t from = (placement->top + y) * picture->width + placement->left + x;
            const size_t to = y * placement->width + (placement->flipped ? placement->width - 1 - x : x);
            memcpy(rgb + 3 * to, picture->rgb + 3 * from, 3);
            labels[to] = picture->labels[from];
        }
}

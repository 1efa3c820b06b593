/* SPDX-License-Identifier: Apache-2.0 */
#include "pictures.h"

#include "image.h"
#include "numbers.h"
#include "wrong.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The refusal of a label that the table does not name. */
static bool fail_unnamed(const char *path, const struct classes *classes, const struct labels *labels,
                         struct failure *failure) {
    char what[48];
    if (labels->in_colours)
        snprintf(what, sizeof what, "the colour %d,%d,%d", (int)(labels->unnamed >> 16),
                 (int)(labels->unnamed >> 8 & 255), (int)(labels->unnamed & 255));
    else
        snprintf(what, sizeof what, "label %" PRId64, labels->unnamed);
    return fail_with(failure, EXIT_OF_INPUT,
                     "%s has %s at column %" PRIu64 ", row %" PRIu64 ", which --label-map %s does not name", path, what,
                     labels->unnamed_pixel % labels->width, labels->unnamed_pixel / labels->width,
                     classes->rules.map.name);
}

/* Labels as bytes, where each is a class or the one that is ignored. */
static bool narrow(const char *path, const struct classes *classes, const struct labels *labels, uint8_t *bytes,
                   struct failure *failure) {
    const uint64_t pixels = labels_pixels(labels);
    if (labels->unnamed_pixel < pixels)
        return fail_unnamed(path, classes, labels, failure);
    for (uint64_t i = 0; i < pixels; ++i) {
        const int64_t label = labels_get(labels, i);
        if ((label < 0 || label >= (int64_t)classes->count) && label != classes->ignore)
            return fail_with(failure, EXIT_OF_INPUT,
                             "%s has label %" PRId64 " at column %" PRIu64 ", row %" PRIu64
                             ", expected 0 to %zu, or %d to be ignored",
                             path, label, i % labels->width, i / labels->width, classes->count - 1, classes->ignore);
        bytes[i] = (uint8_t)label;
    }
    return true;
}

static bool read_labels(const struct sample *sample, const struct classes *classes, struct picture *picture,
                        unsigned *seen, struct failure *failure) {
    struct labels labels;
    bool good = labels_read(sample->labels, &classes->rules, NULL, false, &labels, failure);
    if (good && (labels.planes != 1 || labels.height != picture->height || labels.width != picture->width))
        good = fail_with(failure, EXIT_OF_INPUT, "%s is %zu x %zu, but its labels %s are %" PRIu64 " x %" PRIu64,
                         sample->image, picture->width, picture->height, sample->labels, labels.width, labels.height);
    if (good) {
        picture->labels = malloc(picture->height * picture->width);
        good = picture->labels != NULL ? narrow(sample->labels, classes, &labels, picture->labels, failure)
                                       : fail_memory(failure, sample->labels);
    }
    *seen |= labels.seen;
    free(labels.values);
    return good;
}

/* Reads a pair; what there is to be said of the image is the split's, once. */
static bool read_pair(struct pictures *pictures, size_t index, struct picture *picture, struct failure *failure) {
    const struct sample *sample = &pictures->split->samples[index];
    struct image image;
    *picture = (struct picture){.rgb = NULL};
    if (!image_read(sample->image, &image, failure))
        return false;
    *picture = (struct picture){.height = image.height, .width = image.width, .rgb = image.rgb};
    if (!read_labels(sample, pictures->classes, picture, &pictures->seen, failure)) {
        picture_free(picture);
        return false;
    }
    if (pictures->wrong_labels > 0.0)
        wrong_labels(dataset_name(sample->image), pictures->wrong_labels, pictures->classes->count, picture->labels,
                     picture->height * picture->width);
    if (index >= pictures->looked_at && image.warning[0] != '\0' && pictures->warned++ == 0) {
        pictures->warned_of = index;
        memcpy(pictures->warning, image.warning, sizeof pictures->warning);
    }
    pictures->looked_at = index >= pictures->looked_at ? index + 1 : pictures->looked_at;
    return true;
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
    if (!read_pair(pictures, index, picture, failure))
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

bool pictures_gather(struct pictures *pictures, struct team *team, struct failure *failure) {
    enum { SEEN = 3, COUNT = SEEN + 1 };
    const uint64_t most = (uint64_t)1 << 62, own = pictures->warned > 0 ? most - pictures->warned_of : 0;
    uint64_t first = own, numbers[COUNT + JPEG_WARNING] = {0};
    if (!team_most(team, &first, failure))
        return false;
    for (int i = 0; i < SEEN; ++i)
        numbers[i] = pictures->seen >> i & 1;
    numbers[SEEN] = pictures->warned;
    for (size_t i = 0; first > 0 && own == first && i < JPEG_WARNING; ++i)
        numbers[COUNT + i] = (unsigned char)pictures->warning[i];
    if (!team_sum(team, numbers, sizeof numbers / sizeof *numbers, failure))
        return false;
    for (int i = 0; i < SEEN; ++i)
        pictures->seen |= (unsigned)(numbers[i] != 0) << i;
    pictures->warned = (size_t)numbers[SEEN];
    pictures->warned_of = (size_t)(first > 0 ? most - first : 0);
    for (size_t i = 0; i < JPEG_WARNING; ++i)
        pictures->warning[i] = (char)numbers[COUNT + i];
    return true;
}

void pictures_note(const struct pictures *pictures) {
    labels_note(&pictures->classes->rules, pictures->seen, "clmp-train", NULL);
    if (pictures->warned > 0)
        note_print("clmp-train", NULL, "%zu JPEG file%s with bytes that are not part of the picture, first %s: %s",
                   pictures->warned, plural_s(pictures->warned), pictures->split->samples[pictures->warned_of].image,
                   pictures->warning);
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

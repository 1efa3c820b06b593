/*
 * Random changes of training images, as segmentation toolboxes have them: size, place, colours, left and right.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Everything is drawn from a run's seed and the image's place in the run, and from nothing else: every weighting of a
 * seed sees the same pictures, whatever the number of processes, and a run that goes on sees those that it would have
 * seen.  Pictures are computed by integers.
 */
#ifndef CLMP_TRAIN_AUGMENT_H
#define CLMP_TRAIN_AUGMENT_H

#include "pictures.h"

struct augmentation {
    double scale_low, scale_high; /* a picture's size is multiplied by a number between; both 1: it stays */
    double colour; /* 0: colours stay; below 1: brightness, contrast and saturation are each multiplied by
                      a number from 1 - colour to 1 + colour, and hues turn by up to 36 colour degrees */
    bool no_flip;  /* left and right stay; else every other picture is mirrored */
};

/* What becomes of one picture. */
struct change {
    struct placement placement; /* in the picture of the size below */
    size_t height, width;       /* that it is scaled to */
    bool coloured;
    int64_t colours[3][4]; /* red, green, blue of what red, green, blue and 1 were: 2^16 is 1 */
};

/* What the `place`-th image of a run becomes, to be cut to height x width. */
struct change augment_draw(const struct augmentation *augmentation, uint64_t seed, uint64_t place,
                           const struct picture *picture, size_t height, size_t width);

/* As picture_place(), with the change.  Colours are interpolated between the nearest four pixels, as OpenCV's resize
 * and PyTorch's interpolate do (without antialiasing); a label is that of the nearest pixel. */
void augment_place(const struct picture *picture, const struct change *change, int ignore, uint8_t *rgb,
                   uint8_t *labels);

#endif /* CLMP_TRAIN_AUGMENT_H */

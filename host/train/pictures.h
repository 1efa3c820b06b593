/*
 * Images and their label maps in memory, and batches of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_PICTURES_H
#define CLMP_TRAIN_PICTURES_H

#include "classes.h"
#include "dataset.h"
#include "image.h"
#include "team.h"

struct picture {
    size_t height, width;
    uint8_t *rgb;    /* (height, width, 3) */
    uint8_t *labels; /* (height, width): classes, or the one that is ignored */
};

void picture_free(struct picture *picture);

/*
 * A split, read as it is needed and kept while there is room for it.  An image and its labels are of one size, and
 * labels are classes or ignored.
 */
struct pictures {
    const struct split *split;
    const struct classes *classes;
    struct picture *kept;
    size_t room;         /* bytes left */
    double wrong_labels; /* their share: wrong.h */
    /* what is to be told of the files: each is counted once, as they are first read in their order */
    unsigned seen; /* labels, as in labels.h */
    size_t looked_at, warned, warned_of;
    char warning[JPEG_WARNING]; /* of the first */
};

bool pictures_open(const struct split *split, const struct classes *classes, size_t room, struct pictures *pictures,
                   struct failure *failure);
void pictures_close(struct pictures *pictures);

/* A picture of the split; picture_done() when it was used. */
bool pictures_get(struct pictures *pictures, size_t index, struct picture *picture, struct failure *failure);
void pictures_done(const struct pictures *pictures, size_t index, struct picture *picture);

/* What all processes have to tell of their files, for each of them. */
bool pictures_gather(struct pictures *pictures, struct team *team, struct failure *failure);

/* Says on standard error which files had warnings, once all were read. */
void pictures_note(const struct pictures *pictures);

/* How a picture goes into a batch: cut or padded to height x width, from row `top` and column `left` on. */
struct placement {
    size_t height, width, top, left;
    bool flipped; /* left to right */
};

/* Writes (height, width, 3) and (height, width); what is beyond the picture is grey, and ignored. */
void picture_place(const struct picture *picture, const struct placement *placement, int ignore, uint8_t *rgb,
                   uint8_t *labels);

#endif /* CLMP_TRAIN_PICTURES_H */

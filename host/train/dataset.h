/*
 * A data set on disk: pairs of images and label maps, and what their classes are.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Layouts, told by the folders that there are:
 *     CamVid      train/NAME.png trainannot/NAME.png val/NAME.png valannot/NAME.png
 *     Cityscapes  leftImg8bit/{train,val}/CITY/NAME_leftImg8bit.png
 *                 gtFine/{train,val}/CITY/NAME_gtFine_labelTrainIds.png
 *                 (or _gtFine_labelIds.png, where a table maps them)
 *     Pascal VOC  JPEGImages/NAME.jpg SegmentationClass/NAME.png ImageSets/Segmentation/{train,val}.txt
 * Images are .png, .jpg or .jpeg; extensions are in upper or lower case; what begins with a dot is left out.
 */
#ifndef CLMP_TRAIN_DATASET_H
#define CLMP_TRAIN_DATASET_H

#include "fail.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sample {
    char *image, *labels; /* paths */
};

struct split {
    struct sample *samples;
    size_t count;
};

enum layout { LAYOUT_CAMVID, LAYOUT_CITYSCAPES, LAYOUT_VOC };

struct dataset {
    struct split train, val;
    enum layout layout;
};

/* Finds the pairs, for labels that a table maps or not; each file is looked at when it is used.  dataset_free() after a
 * failure, too. */
bool dataset_find(const char *folder, bool mapped, struct dataset *dataset, struct failure *failure);
void dataset_free(struct dataset *dataset);

/* A file's name, without the folders before it. */
static inline const char *dataset_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

#endif /* CLMP_TRAIN_DATASET_H */

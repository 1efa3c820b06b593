/*
 * Training on a data set: what runs share, a run, and the evaluation that ends it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_TRAINER_H
#define CLMP_TRAIN_TRAINER_H

#include "augment.h"
#include "network.h"
#include "origin.h"
#include "pictures.h"
#include "schedule.h"
#include "spec.h"

#include <clmp/head.h>

#define TRAINER_WEIGHT_DECAY 1e-4 /* unless another is asked for */

struct trainer_options {
    uint64_t steps;
    size_t batch; /* images of a step */
    double rate;  /* the largest of the schedule */
    enum schedule schedule;
    double weight_decay; /* a step multiplies parameters by 1 - rate weight_decay */
    struct augmentation augmentation;
    double wrong_labels;  /* share of the training labels that are made wrong: wrong.h */
    uint64_t validate;    /* steps after which the validation images are looked at; 0: at the end alone */
    size_t height, width; /* of what is cut out of an image; 0: the first image's */
    const char *shown;    /* name of the validation image whose segmentation is kept as it evolves, or NULL */
    size_t memory;        /* bytes of decoded images to keep */
    uint64_t held_out;    /* what tells the part of the training split that stands for the validation split; 0: none */
    const struct origin *origin; /* for results */
};

struct trainer {
    struct engine *engine;
    struct team *team;
    const struct classes *classes;
    struct trainer_options options;
    struct pictures train, val;
    size_t first;                 /* of the images of a step, this process's */
    size_t val_height, val_width; /* that hold every validation image */
    size_t shown;                 /* of the validation images */
    struct network training, validation;
    cl_mem rgb, labels, losses, val_rgb, val_labels, result, logits, confusion, prediction;
    uint8_t *rgb_bytes, *label_bytes; /* of the larger batch */
    float *loss_numbers;              /* of a batch */
    uint64_t *label_counts;           /* of the training split */
};

/* Reads the validation images and counts the labels of the others, which the processes of the team share, as they will
 * the images of a step; trainer_close() after a failure, too. */
bool trainer_open(struct engine *engine, struct team *team, const struct dataset *dataset,
                  const struct classes *classes, const struct trainer_options *options, struct trainer *trainer,
                  struct failure *failure);
void trainer_close(struct trainer *trainer);

/* What is validated on, in a word: "validation" or "held-out" images. */
const char *trainer_judges_on(const struct trainer *trainer);

/* How a run is told from another one, in one line. */
void trainer_settings(const struct trainer *trainer, const struct spec *spec, uint64_t seed, char *text, size_t size);

/* Validation labels of the image shown, and its prediction by logits of the network as it is. */
bool trainer_predict(struct trainer *trainer, const struct parameters *parameters, uint8_t *prediction,
                     struct failure *failure);

/* The confusion matrix on the validation split: CLMP_CONFUSION(classes) numbers. */
bool trainer_evaluate(struct trainer *trainer, const struct parameters *parameters, uint64_t *confusion,
                      struct failure *failure);

#endif /* CLMP_TRAIN_TRAINER_H */

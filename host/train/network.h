/*
 * The network: seven 3 x 3 convolutions, each with normalisation and ReLU, and what the head sees of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *     image 3 -> 16 /2 -> 32 /4 -> 32 /4 -> 64 /8 -> 64 /8 -> 64 /8, dilated 2 -> 64 /8, dilated 4
 *                                    |      |        +       +|                +|               +
 *                                    |      +--------+-------++----------------++---------------+
 *                                    |                                                          |
 *                                    +---------- features 96 /4 <----- twice as wide -----------+
 *
 * Around each of the last three, its input is added to its output.
 * The logits are those of a clmp_head on the features, and interpolated to the image's size by the library.
 */
#ifndef CLMP_TRAIN_NETWORK_H
#define CLMP_TRAIN_NETWORK_H

#include "convolution.h"
#include "team.h"

enum { NETWORK_LAYERS = 7, NETWORK_FEATURES = 96 };

/* All parameters in one buffer, so that one kernel steps them; places are in floats. */
struct parameters {
    size_t classes, count, stored;  /* the first `count` are stepped, the others only kept */
    size_t weight[NETWORK_LAYERS];  /* (channels, 9 channels of the input) */
    size_t gain[NETWORK_LAYERS];    /* (channels), then shifts (channels) */
    size_t head_weight, head_bias;  /* (classes, NETWORK_FEATURES); (classes) */
    size_t running[NETWORK_LAYERS]; /* means (channels), then variances (channels), for evaluation */
    cl_mem values;                  /* `stored` floats */
    cl_mem gradient, m, v;          /* m, v: Adam's moments */
    struct team *team;              /* the processes that share a batch, or NULL; and then */
    size_t images, batch;           /* this one's images of it, and all of them, */
    cl_mem parts;                   /* and gradients of each image: `images` times what `gradient` has at a place */
};

/* Random weights of `seed` (K. He et al., ICCV 2015); parameters_free() after a failure, too. */
bool parameters_make(struct engine *engine, size_t classes, uint64_t seed, struct parameters *parameters,
                     struct failure *failure);
void parameters_free(struct parameters *parameters);

/* From now on batches are shared by the processes of the team, which must outlive the parameters. */
bool parameters_share(struct engine *engine, struct team *team, size_t images, size_t batch,
                      struct parameters *parameters, struct failure *failure);

/* Gives all processes the values that the first of them has. */
bool parameters_follow(struct engine *engine, struct parameters *parameters, struct failure *failure);

/*
 * Where a batch is shared: `count` numbers of `to`, from `to_at` on, become the sums over all images of all processes
 * of what `parts` has for the place `at` (images, count).  Else does nothing.
 */
bool parameters_sum(struct engine *engine, const struct parameters *parameters, size_t at, size_t count, cl_mem to,
                    size_t to_at, struct failure *failure);

/* A step of Adam; `number` of the step, from 1; `decay`: of parameters, at a rate of 1. */
bool parameters_step(struct engine *engine, struct parameters *parameters, uint64_t number, double rate, double decay,
                     struct failure *failure);

/* Buffers for batches of one size; training and evaluation have one each, and share parameters. */
struct network {
    size_t images, height, width;
    bool training;
    struct convolution convolutions[NETWORK_LAYERS];
    cl_mem image;                /* float32 (images, 3, height, width) */
    cl_mem sums[NETWORK_LAYERS]; /* of products, before normalisation */
    cl_mem outputs[NETWORK_LAYERS];
    cl_mem totals; /* of a layer, for its statistics: sums (channels), then sums of squares (channels) */
    cl_mem statistics[NETWORK_LAYERS];
    cl_mem gradients[NETWORK_LAYERS];   /* with respect to outputs; of matrices, then to sums; training only */
    cl_mem features, features_gradient; /* (images, NETWORK_FEATURES, rows, row) */
    size_t rows, row;
};

bool network_make(struct engine *engine, size_t images, size_t height, size_t width, bool training,
                  struct network *network, struct failure *failure);
void network_free(struct network *network);

/* From `image` to `features`; in training, moves the parameters' running statistics, too. */
bool network_forward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                     struct failure *failure);

/* From `features_gradient` to the parameters' gradient, but for the head's; of shared batches, that of the whole batch,
 * and the head's, too, from its parts. */
bool network_backward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                      struct failure *failure);

#endif /* CLMP_TRAIN_NETWORK_H */

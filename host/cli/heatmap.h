/*
 * The weights as a picture: where the pooled loss looks.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * One pixel of the picture to a pixel of the problem, images below each other.  w = 0 is black, then violet, red and
 * orange up to light yellow at w = tau; a pixel that is not valid is mid grey.
 */
#ifndef CLMP_CLI_HEATMAP_H
#define CLMP_CLI_HEATMAP_H

#include "labels.h"
#include "output.h"

struct heatmap {
    const struct labels *labels;
    const float *weights;
    const float *means; /* weights of the plain mean: 0 where a pixel is not valid */
    const float *taus;  /* of each plane of labels */
};

/* Whether a PNG file can have such a size; before anything is computed. */
bool heatmap_check(const struct labels *labels, const char *path, struct failure *failure);

bool heatmap_write(const struct heatmap *heatmap, struct output *output, struct failure *failure);

/* Red, green and blue of w / tau in [0, 1]. */
void heatmap_colour(float share, unsigned char rgb[3]);

#endif /* CLMP_CLI_HEATMAP_H */

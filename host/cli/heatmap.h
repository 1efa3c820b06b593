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

#include "output.h"
#include "tensors.h"

struct heatmap {
    const struct logits *logits;
    const struct labels *labels;
    const float *losses, *weights;
    const float *taus;          /* of each image */
    const float *class_weights; /* NULL: all 1 */
    int64_t ignore_index;
    bool align_corners;
};

/* Whether a PNG file can have such a size; before anything is computed. */
bool heatmap_check(const struct logits *logits, const struct labels *labels, const char *path, struct failure *failure);

bool heatmap_write(const struct heatmap *heatmap, struct output *output, struct failure *failure);

/* Whether a pixel takes part, as the library sees it.  `at` is the pixel in (N, H, W). */
bool heatmap_is_valid(const struct heatmap *heatmap, uint64_t image, uint64_t at);

/* Red, green and blue of w / tau in [0, 1]. */
void heatmap_colour(float share, unsigned char rgb[3]);

#endif /* CLMP_CLI_HEATMAP_H */

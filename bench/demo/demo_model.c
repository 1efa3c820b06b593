/*
 * The demo's model, a classifier that is honest and small: for every class a Gaussian over (z, y, x, intensity), fitted
 * on the training slices, times how often the class occurs there.  A pixel's logit for class c is
 *
 *     log prior_c + log N(v; mean_c, covariance_c)
 *
 * so that the softmax of the logits is Bayes' rule.  The background is no single blob (air, skull, white matter): it is
 * a mixture of several Gaussians, one per level of intensity and block of space.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "demo_model.h"

#include "demo_say.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum {
    FEATURES = 4, /* z, y, x, intensity: what is constant in a row comes first */
    LEVELS = 6,   /* of intensity, in the background */
    BLOCKS = 4,   /* along x and along y, in the background */
    PARTS = LEVELS * BLOCKS * BLOCKS
};

/* Added to the variances: a class that is flat in one direction keeps a finite density.  Voxels, grey levels. */
static const double floor_variance[FEATURES] = {0.25, 0.25, 0.25, 4.0};

typedef struct gaussian {
    double count;
    double mean[FEATURES];
    double whiten[FEATURES][FEATURES]; /* lower triangle: |whiten (v - mean)|^2 is the Mahalanobis distance squared */
    double log_scale;                  /* log of prior and normaliser */
} gaussian;

struct demo_model {
    size_t classes;
    gaussian *gaussians; /* the background's PARTS, then one for each further class */
};

static size_t background_part(const demo_scan *scan, size_t x, size_t y, uint8_t intensity) {
    const size_t level = (size_t)intensity * LEVELS / 256;
    return (level * BLOCKS + y * BLOCKS / scan->height) * BLOCKS + x * BLOCKS / scan->width;
}

/* Calls for each training voxel; `covariances` NULL: counts and sums, else sums of products about the mean. */
static void accumulate(demo_model *model, const demo_scan *scan, double (*covariances)[FEATURES][FEATURES]) {
    for (size_t z = 0; z < scan->depth; z++) {
        if (!demo_scan_is_training(scan, z))
            continue;
        for (size_t y = 0; y < scan->height; y++)
            for (size_t x = 0; x < scan->width; x++) {
                const size_t i = (z * scan->height + y) * scan->width + x;
                const uint8_t label = scan->labels[i];
                const size_t g = label ? PARTS - 1 + (size_t)label : background_part(scan, x, y, scan->intensity[i]);
                gaussian *to = &model->gaussians[g];
                const double v[FEATURES] = {(double)z, (double)y, (double)x, (double)scan->intensity[i]};
                for (int r = 0; r < FEATURES; r++) {
                    if (!covariances) {
                        to->mean[r] += v[r];
                        continue;
                    }
                    for (int c = 0; c <= r; c++)
                        covariances[g][r][c] += (v[r] - to->mean[r]) * (v[c] - to->mean[c]);
                }
                if (!covariances)
                    to->count += 1;
            }
    }
}

/* The inverse of the covariance's Cholesky factor, and the log of the normaliser. */
static void whiten(gaussian *g, double cov[FEATURES][FEATURES], double total) {
    double factor[FEATURES][FEATURES] = {{0}};
    double log_det = 0;
    for (int r = 0; r < FEATURES; r++)
        for (int c = 0; c <= r; c++) {
            double sum = cov[r][c] / g->count + (r == c ? floor_variance[r] : 0);
            for (int k = 0; k < c; k++)
                sum -= factor[r][k] * factor[c][k];
            if (r == c) {
                factor[r][r] = sqrt(sum);
                log_det += log(sum);
            } else {
                factor[r][c] = sum / factor[c][c];
            }
        }
    for (int c = 0; c < FEATURES; c++)
        for (int r = c; r < FEATURES; r++) {
            double sum = r == c ? 1 : 0;
            for (int k = c; k < r; k++)
                sum -= factor[r][k] * g->whiten[k][c];
            g->whiten[r][c] = sum / factor[r][r];
        }
    const double log_2pi = 1.8378770664093453;
    g->log_scale = log(g->count / total) - 0.5 * (log_det + FEATURES * log_2pi);
}

demo_model *demo_model_fit(const demo_scan *scan) {
    const size_t count = PARTS + scan->classes - 1;
    demo_model *model = calloc(1, sizeof *model);
    double(*covariances)[FEATURES][FEATURES] = calloc(count, sizeof *covariances);
    if (model)
        model->gaussians = calloc(count, sizeof *model->gaussians);
    if (!model || !model->gaussians || !covariances) {
        demo_fail("out of memory");
        free(covariances);
        demo_model_free(model);
        return NULL;
    }
    model->classes = scan->classes;
    accumulate(model, scan, NULL);
    double total = 0;
    for (size_t g = 0; g < count; g++) {
        total += model->gaussians[g].count;
        for (int r = 0; r < FEATURES && model->gaussians[g].count > 0; r++)
            model->gaussians[g].mean[r] /= model->gaussians[g].count;
    }
    accumulate(model, scan, covariances);
    for (size_t g = 0; g < count; g++)
        if (model->gaussians[g].count > 0)
            whiten(&model->gaussians[g], covariances[g], total);
    free(covariances);
    return model;
}

void demo_model_free(demo_model *model) {
    if (model)
        free(model->gaussians);
    free(model);
}

/* One row of log prior + log likelihood of one Gaussian. */
static void row_logits(const gaussian *g, const demo_scan *scan, size_t z, size_t y, float *restrict out) {
    if (g->count == 0) { /* never seen: improbable, but no -inf, which would leave a pixel's loss infinite */
        for (size_t x = 0; x < scan->width; x++)
            out[x] = -1e4f;
        return;
    }
    const double dz = (double)z - g->mean[0], dy = (double)y - g->mean[1];
    double in_row[FEATURES]; /* what of whiten (v - mean) does not change along the row */
    for (int r = 0; r < FEATURES; r++)
        in_row[r] = g->whiten[r][0] * dz + (r > 0 ? g->whiten[r][1] * dy : 0);
    const float base = (float)(g->log_scale - 0.5 * (in_row[0] * in_row[0] + in_row[1] * in_row[1]));
    const float a = (float)(in_row[2] - g->whiten[2][2] * g->mean[2]), a_x = (float)g->whiten[2][2];
    const float b = (float)(in_row[3] - g->whiten[3][2] * g->mean[2] - g->whiten[3][3] * g->mean[3]);
    const float b_x = (float)g->whiten[3][2], b_i = (float)g->whiten[3][3];
    const uint8_t *intensity = scan->intensity + (z * scan->height + y) * scan->width;
    for (size_t x = 0; x < scan->width; x++) {
        const float u = a + a_x * (float)x, v = b + b_x * (float)x + b_i * (float)intensity[x];
        out[x] = base - 0.5f * (u * u + v * v);
    }
}

/* The background's row: the log of the sum of its parts, taken about the largest of them. */
static void background_row(const demo_model *model, const demo_scan *scan, size_t z, size_t y, float *parts,
                           float *out) {
    for (size_t k = 0; k < PARTS; k++)
        row_logits(&model->gaussians[k], scan, z, y, parts + k * scan->width);
    for (size_t x = 0; x < scan->width; x++) {
        float top = -FLT_MAX, sum = 0;
        for (size_t k = 0; k < PARTS; k++)
            top = fmaxf(top, parts[k * scan->width + x]);
        for (size_t k = 0; k < PARTS; k++)
            sum += expf(parts[k * scan->width + x] - top);
        out[x] = top + logf(sum);
    }
}

bool demo_model_logits(const demo_model *model, const demo_scan *scan, size_t z, float *logits, uint8_t *prediction) {
    const size_t plane = scan->width * scan->height;
    float *parts = malloc(PARTS * scan->width * sizeof *parts);
    if (!parts)
        return demo_fail("out of memory");
    for (size_t y = 0; y < scan->height; y++) {
        float *row = logits + y * scan->width;
        uint8_t *best = prediction + y * scan->width;
        background_row(model, scan, z, y, parts, row);
        for (size_t x = 0; x < scan->width; x++)
            best[x] = 0;
        for (size_t c = 1; c < model->classes; c++) {
            row_logits(&model->gaussians[PARTS - 1 + c], scan, z, y, row + c * plane);
            for (size_t x = 0; x < scan->width; x++)
                if (row[c * plane + x] > row[best[x] * plane + x])
                    best[x] = (uint8_t)c;
        }
    }
    free(parts);
    return true;
}

/*
 * The demo's parts, in the order in which data walks through them:
 *
 *     scan (NIfTI) -> model (logits) -> pool (libclmp on a device) -> table, picture
 *
 * Every function that can fail prints one line to standard error and returns false (or NULL).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_DEMO_H
#define CLMP_DEMO_H

#include <clmp/clmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ----------------------------------------------------------------------------------------------------------- scan */

enum { DEMO_MAX_CLASSES = 255, DEMO_NAME_SIZE = 32 };

/* A T1 scan and its anatomical labels, cut to the labelled part and a margin.  Voxel (x, y, z) lies at
 * (z height + y) width + x; x runs to the patient's right, y to the front, z up. */
typedef struct demo_scan {
    size_t width, height, depth;
    uint8_t *intensity;
    uint8_t *labels; /* 0 is background: everything that the atlas does not name, white matter and air alike */
    size_t classes;  /* the largest label plus one */
    char names[DEMO_MAX_CLASSES + 1][DEMO_NAME_SIZE];
    size_t first_slice;         /* z of the uncut volume at depth 0 */
    double z_spacing, z_origin; /* millimetres: z_origin + z_spacing (first_slice + z) */
} demo_scan;

/* Reads ch2.nii.gz, aal.nii.gz and aal.nii.txt from `folder`.  Free with demo_scan_free(), also after a failure. */
bool demo_scan_load(const char *folder, demo_scan *scan);
void demo_scan_free(demo_scan *scan);

/* Whether slice z of the cut volume is one to fit on; the others are for the test. */
bool demo_scan_is_training(const demo_scan *scan, size_t z);

/* ---------------------------------------------------------------------------------------------------------- model */

typedef struct demo_model demo_model;

/* Fits the classes on the training slices.  NULL on failure; free with demo_model_free(). */
demo_model *demo_model_fit(const demo_scan *scan);
void demo_model_free(demo_model *model);

/* Writes the logits (classes, height, width) of slice z, and the most likely class of each pixel to `prediction`. */
bool demo_model_logits(const demo_model *model, const demo_scan *scan, size_t z, float *logits, uint8_t *prediction);

/* ----------------------------------------------------------------------------------------------------------- pool */

typedef struct demo_pool demo_pool;

/* Opens the device whose name contains `device` (NULL: a GPU if there is one).  Free with demo_pool_close(). */
demo_pool *demo_pool_open(const char *device);
void demo_pool_close(demo_pool *pool);
const char *demo_pool_device(const demo_pool *pool);

/* How many images the device takes in one batch when their logits may fill `bytes` in all; at least 1. */
size_t demo_pool_capacity(const demo_pool *pool, size_t image_bytes, size_t bytes);

/* Makes the plan and the buffers. */
bool demo_pool_prepare(demo_pool *pool, const clmp_plan_params *params);

/* The logits' memory, to be filled before demo_pool_run(). */
float *demo_pool_map_logits(demo_pool *pool);

typedef struct demo_pooled {
    clmp_result result;
    float *losses, *weights; /* (N, H, W), from the caller */
    double gradient_sum;     /* sum of |gradient| */
    double seconds;          /* from the first enqueue to the last result */
} demo_pooled;

/* Unmaps the logits, computes, and reads back. `labels` is (N, H, W). */
bool demo_pool_run(demo_pool *pool, const uint8_t *labels, demo_pooled *pooled);

/* --------------------------------------------------------------------------------------------------- what is shown */

/* The test slices, and all that is known of their pixels.  Arrays are (N, H, W). */
typedef struct demo_outcome {
    const demo_scan *scan;
    size_t images, pixels; /* pixels: of all images */
    const size_t *slices;  /* z of each image */
    const uint8_t *labels, *predictions;
    double p, support;
    demo_pooled pooled;
} demo_outcome;

/* What one class, or several, get. */
typedef struct demo_share {
    size_t pixels, right;
    double loss, weight; /* sums */
} demo_share;

/* The sums per class; `shares` has room for scan->classes. */
void demo_shares(const demo_outcome *outcome, demo_share *shares);

/* Mean of the losses: what pooling replaces. */
double demo_plain_mean(const demo_outcome *outcome);

/* Prints the table to standard output. */
bool demo_table_print(const demo_outcome *outcome);

/* Writes the picture as PNG, under a temporary name that is renamed. */
bool demo_picture_write(const demo_outcome *outcome, const char *path);

/* Says on standard error what is going on, or what went wrong.  demo_fail() always returns false. */
void demo_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool demo_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/*
 * The problems that are measured, and their data.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Data are a function of the pixel's index alone, so that they are the same everywhere and may be made in pieces.
 */
#ifndef CLMP_BENCH_CASES_H
#define CLMP_BENCH_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_data {
    BENCH_TRAINED, /* as a trained network has them: log-normal over 8 decades, rare classes hard */
    BENCH_EQUAL,   /* all logits 0 */
    BENCH_SORTED   /* losses increase with the pixel's index */
};

typedef struct bench_case {
    char name[24];
    uint64_t images, classes, height, width;
    enum bench_data data;
    bool losses_only;                     /* without logits and gradient, where these would not fit */
    uint64_t logits_height, logits_width; /* of logits that are interpolated; 0: height, width */
    bool align_corners;
} bench_case;

/* Case number `index`, or NULL behind the last. */
const bench_case *bench_case_at(size_t index);
/* By name, or NULL. */
const bench_case *bench_case_find(const char *name);
/* 2^log2_pixels pixels of 4 classes. */
bench_case bench_case_scaled(unsigned log2_pixels);

static inline bool bench_case_interpolates(const bench_case *of) {
    return of->logits_height != 0;
}
/* The same problem at the size of its logits. */
bench_case bench_case_of_logits(const bench_case *of);

static inline uint64_t bench_case_pixels(const bench_case *of) {
    return of->images * of->height * of->width;
}

/* What the data of one case are drawn from. */
typedef struct bench_source bench_source;

/* NULL: out of memory.  `of` must outlive it, and not interpolate. */
bench_source *bench_source_create(const bench_case *of);
void bench_source_destroy(bench_source *source);

/* Losses and labels (255: ignored, loss 0) of the `count` pixels from `first` on, of all the case's pixels. */
void bench_source_losses(const bench_source *source, uint64_t first, size_t count, float *losses, uint8_t *labels);
/* Logits (C, count) with these losses.  `first` as above. */
void bench_source_logits(const bench_source *source, uint64_t first, size_t count, const float *losses,
                         const uint8_t *labels, float *logits);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IGNORED 255
#define PATTERNS 64 /* ways in which the probability that the label does not get is shared out */
#define BLOCK 8     /* pixels: neighbours mostly have one label, and losses alike */

static const bench_case cases[] = {
    {.name = "cityscapes", .images = 1, .classes = 19, .height = 1024, .width = 2048},
    {.name = "crops", .images = 4, .classes = 19, .height = 769, .width = 769},
    {.name = "voc", .images = 8, .classes = 21, .height = 512, .width = 512},
    {.name = "ade", .images = 2, .classes = 150, .height = 512, .width = 512},
    {.name = "binary", .images = 1, .classes = 2, .height = 1024, .width = 1024},
    {.name = "small", .images = 1, .classes = 19, .height = 128, .width = 256},
    {.name = "equal", .images = 1, .classes = 19, .height = 1024, .width = 2048, .data = BENCH_EQUAL},
    {.name = "sorted-adversarial", .images = 1, .classes = 19, .height = 1024, .width = 2048, .data = BENCH_SORTED},
    /* networks that end at a quarter and at an eighth of the image; DeepLab's crops; ADE20K's 150 classes */
    {.name = "upsample4",
     .images = 1,
     .classes = 19,
     .height = 1024,
     .width = 2048,
     .logits_height = 256,
     .logits_width = 512},
    {.name = "upsample8",
     .images = 1,
     .classes = 19,
     .height = 1024,
     .width = 2048,
     .logits_height = 128,
     .logits_width = 256},
    {.name = "upsample-odd",
     .images = 1,
     .classes = 19,
     .height = 769,
     .width = 769,
     .logits_height = 97,
     .logits_width = 97,
     .align_corners = true},
    {.name = "upsample-ade",
     .images = 2,
     .classes = 150,
     .height = 512,
     .width = 512,
     .logits_height = 128,
     .logits_width = 128},
};

struct bench_source {
    const bench_case *of;
    double *cumulative;  /* (C): share of the pixels whose class is at most this one */
    float *pattern;      /* (PATTERNS, C) */
    float *pattern_rest; /* (PATTERNS, C): log of the sum of exp(pattern) over all classes but this one */
};

const bench_case *bench_case_at(size_t index) {
    return index < sizeof cases / sizeof cases[0] ? &cases[index] : NULL;
}

const bench_case *bench_case_find(const char *name) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    return NULL;
}

bench_case bench_case_of_logits(const bench_case *of) {
    bench_case small = *of;
    small.height = of->logits_height;
    small.width = of->logits_width;
    small.logits_height = small.logits_width = 0;
    return small;
}

bench_case bench_case_scaled(unsigned log2_pixels) {
    bench_case scaled = {.name = "2^00",
                         .images = 1,
                         .classes = 4, /* so that 2^25 pixels fit into most devices */
                         .height = (uint64_t)1 << log2_pixels / 2,
                         .width = (uint64_t)1 << (log2_pixels + 1) / 2,
                         .data = BENCH_TRAINED};
    scaled.name[2] = (char)('0' + log2_pixels / 10);
    scaled.name[3] = (char)('0' + log2_pixels % 10);
    return scaled;
}

/* splitmix64's finisher: a random number for every index */
static uint64_t hash(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* in (0, 1] */
static double uniform(uint64_t random) {
    return (double)((random >> 11) + 1) * 0x1p-53;
}

/* Box and Muller */
static double normal(uint64_t random) {
    return sqrt(-2.0 * log(uniform(random))) * cos(6.283185307179586 * uniform(hash(random)));
}

static void fill_tables(bench_source *source) {
    const size_t classes = (size_t)source->of->classes;
    double all = 0.0;
    for (size_t c = 0; c < classes; ++c) {
        /* the most frequent class is 400 times the rarest, about as on street scenes */
        all += exp(-6.0 * (double)c / (double)(classes - 1));
        source->cumulative[c] = all;
    }
    for (size_t c = 0; c < classes; ++c)
        source->cumulative[c] /= all;
    for (size_t i = 0; i < PATTERNS; ++i) {
        float *pattern = source->pattern + i * classes;
        double sum = 0.0;
        for (size_t c = 0; c < classes; ++c) {
            pattern[c] = (float)(1.5 * normal(hash(i * classes + c)));
            sum += exp((double)pattern[c]);
        }
        for (size_t c = 0; c < classes; ++c)
            source->pattern_rest[i * classes + c] = (float)log(sum - exp((double)pattern[c]));
    }
}

bench_source *bench_source_create(const bench_case *of) {
    bench_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    const size_t classes = (size_t)of->classes;
    source->of = of;
    source->cumulative = calloc(classes, sizeof *source->cumulative);
    source->pattern = calloc(PATTERNS * classes, sizeof *source->pattern);
    source->pattern_rest = calloc(PATTERNS * classes, sizeof *source->pattern_rest);
    if (source->cumulative == NULL || source->pattern == NULL || source->pattern_rest == NULL) {
        bench_source_destroy(source);
        return NULL;
    }
    fill_tables(source);
    return source;
}

void bench_source_destroy(bench_source *source) {
    if (source == NULL)
        return;
    free(source->cumulative);
    free(source->pattern);
    free(source->pattern_rest);
    free(source);
}

static uint8_t draw_class(const bench_source *source, double share) {
    size_t c = 0;
    while (c + 1 < source->of->classes && source->cumulative[c] < share)
        ++c;
    return (uint8_t)c;
}

/* 10^[-8, 1.2]: common classes around 1e-4, rare ones around 0.3, with 1.6 decades of deviation */
static double trained_loss(const bench_source *source, uint8_t label, uint64_t block, uint64_t pixel) {
    const double rarity = (double)label / (double)(source->of->classes - 1);
    const double deviation = (normal(hash(block ^ 0x5bd1e995u)) + normal(hash(~pixel))) * 0.7071067811865476;
    const double decades = -4.0 + 3.5 * rarity + 1.6 * deviation;
    return pow(10.0, decades < -8.0 ? -8.0 : decades > 1.2 ? 1.2 : decades);
}

void bench_source_losses(const bench_source *source, uint64_t first, size_t count, float *losses, uint8_t *labels) {
    const bench_case *of = source->of;
    const uint64_t pixels = bench_case_pixels(of);
    for (size_t i = 0; i < count; ++i) {
        const uint64_t pixel = first + i;
        const uint64_t row = pixel / of->width; /* of all images */
        const uint64_t block = hash(row / BLOCK << 32 | pixel % of->width / BLOCK);
        labels[i] = draw_class(source, uniform(block));
        if (of->data == BENCH_EQUAL)
            losses[i] = (float)log((double)of->classes);
        else if (of->data == BENCH_SORTED)
            losses[i] = (float)pow(10.0, -8.0 + 9.2 * (double)pixel / (double)pixels);
        else if (hash(block) % 50 == 0) {
            labels[i] = IGNORED;
            losses[i] = 0.0f;
        } else
            losses[i] = (float)trained_loss(source, labels[i], block, pixel);
    }
}

/*
 * x_y = 0 at the label, and over the others log(sum of exp(x_c)) = log(exp(l) - 1), so that the loss is l.
 */
void bench_source_logits(const bench_source *source, uint64_t first, size_t count, const float *losses,
                         const uint8_t *labels, float *logits) {
    const size_t classes = (size_t)source->of->classes;
    if (source->of->data == BENCH_EQUAL) {
        memset(logits, 0, classes * count * sizeof *logits);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        const uint8_t label = labels[i] < classes ? labels[i] : 0;
        const size_t row = hash(first + i + 1) % PATTERNS * classes;
        const double loss = losses[i] > 0.0f ? (double)losses[i] : 1.0;
        const float base = (float)log(expm1(loss)) - source->pattern_rest[row + label];
        for (size_t c = 0; c < classes; ++c)
            logits[c * count + i] = c == label ? 0.0f : base + source->pattern[row + c];
    }
}

/*
 * Random numbers that depend on a seed and a purpose only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_CHANCE_H
#define CLMP_TRAIN_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* Numbers that a seed of old gives the same bits with. */
enum {
    CHANCE_WEIGHTS = 1,
    CHANCE_ORDER = 2,
    CHANCE_CROPS = 4,
    CHANCE_SCALES = 5,
    CHANCE_COLOURS = 6,
    CHANCE_PARTS = 7,
    CHANCE_WRONG = 8
};

struct chance {
    uint64_t state;
};

/* SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014). */
struct chance chance_of(uint64_t seed, uint64_t purpose);
uint64_t chance_next(struct chance *chance);
uint64_t chance_below(struct chance *chance, uint64_t bound);
/* The numbers below `count`, in a random order (R. Durstenfeld, 1964). */
void chance_shuffle(struct chance *chance, size_t *order, size_t count);
/* Of mean 0 and deviation 1 (G. Box, M. Muller, 1958). */
double chance_normal(struct chance *chance);

#endif /* CLMP_TRAIN_CHANCE_H */

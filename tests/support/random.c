/* The random numbers of every test.  SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <math.h>
#include <stdlib.h>

#define DEFAULT_SEED 0x6c6f7373u

uint64_t test_seed(void) {
    const char *seed = getenv("CLMP_TEST_SEED");
    return seed && *seed ? strtoull(seed, NULL, 0) : DEFAULT_SEED;
}

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
uint64_t rng_next(struct rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct rng rng_for(const char *name, uint64_t index) {
    struct rng rng = {test_seed()};
    for (; *name; name++)
        rng.state = rng_next(&rng) ^ (unsigned char)*name;
    rng.state = rng_next(&rng) ^ index;
    rng_next(&rng);
    return rng;
}

uint64_t rng_below(struct rng *rng, uint64_t bound) {
    return rng_next(rng) % bound; /* the bias is far below what a test could see */
}

double rng_uniform(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *rng) {
    double radius = sqrt(-2.0 * log(1.0 - rng_uniform(rng)));
    return radius * cos(6.283185307179586 * rng_uniform(rng));
}

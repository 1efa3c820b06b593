/* SPDX-License-Identifier: Apache-2.0 */
#include "chance.h"

#include <math.h>

uint64_t chance_next(struct chance *chance) {
    uint64_t z = chance->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct chance chance_of(uint64_t seed, uint64_t purpose) {
    struct chance chance = {seed * 0xd1342543de82ef95u + purpose};
    chance.state = chance_next(&chance);
    return chance;
}

uint64_t chance_below(struct chance *chance, uint64_t bound) {
    const uint64_t skip = (0 - bound) % bound; /* so that what is left is a multiple of bound */
    uint64_t value = chance_next(chance);
    while (value < skip)
        value = chance_next(chance);
    return value % bound;
}

void chance_shuffle(struct chance *chance, size_t *order, size_t count) {
    for (size_t i = 0; i < count; ++i)
        order[i] = i;
    for (size_t i = count; i > 1; --i) {
        const size_t j = (size_t)chance_below(chance, i), other = order[i - 1];
        order[i - 1] = order[j];
        order[j] = other;
    }
}

double chance_normal(struct chance *chance) {
    const double u = ((double)(chance_next(chance) >> 11) + 1.0) * 0x1p-53; /* (0, 1] */
    const double v = (double)(chance_next(chance) >> 11) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

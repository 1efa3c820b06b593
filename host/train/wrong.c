/* SPDX-License-Identifier: Apache-2.0 */
#include "wrong.h"

#include "chance.h"

static uint64_t seed_of(const char *name) {
    uint64_t seed = 0;
    for (; *name != '\0'; ++name)
        seed = chance_of(seed, (unsigned char)*name).state;
    return seed;
}

void wrong_labels(const char *name, double share, size_t classes, uint8_t *labels, size_t pixels) {
    struct chance chance = chance_of(seed_of(name), CHANCE_WRONG);
    for (size_t i = 0; i < pixels; ++i) {
        const double draw = (double)(chance_next(&chance) >> 11) * 0x1p-53;
        if (labels[i] < classes && classes > 1 && draw < share)
            labels[i] = (uint8_t)((labels[i] + 1 + chance_below(&chance, classes - 1)) % classes);
    }
}

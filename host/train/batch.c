/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include "chance.h"

#include <stdlib.h>

bool batches_make(struct trainer *trainer, uint64_t seed, struct batches *batches, struct failure *failure) {
    *batches = (struct batches){.trainer = trainer, .seed = seed};
    batches->order = calloc(trainer->train.split->count, sizeof *batches->order);
    return batches->order != NULL || fail_memory(failure, "the order of images");
}

void batches_free(struct batches *batches) {
    free(batches->order);
}

/* The training image at a place of the endless sequence of shuffled epochs. */
static size_t image_at(struct batches *batches, uint64_t place) {
    const size_t count = batches->trainer->train.split->count;
    const uint64_t epoch = place / count;
    if (batches->epoch != epoch + 1) {
        struct chance chance = chance_of(batches->seed, CHANCE_ORDER + 16 * (epoch + 1));
        chance_shuffle(&chance, batches->order, count);
        batches->epoch = epoch + 1;
    }
    return batches->order[place % count];
}

bool batches_load(struct batches *batches, uint64_t step, struct failure *failure) {
    struct trainer *trainer = batches->trainer;
    const struct network *network = &trainer->training;
    const size_t pixels = network->height * network->width;
    for (size_t i = 0; i < network->images; ++i) {
        const uint64_t place = step * trainer->options.batch + trainer->first + i;
        const size_t index = image_at(batches, place);
        struct picture picture;
        if (!pictures_get(&trainer->train, index, &picture, failure))
            return false;
        const struct change change = augment_draw(&trainer->options.augmentation, batches->seed, place, &picture,
                                                  network->height, network->width);
        augment_place(&picture, &change, trainer->classes->ignore, trainer->rgb_bytes + 3 * i * pixels,
                      trainer->label_bytes + i * pixels);
        pictures_done(&trainer->train, index, &picture);
    }
    return engine_write(trainer->engine, trainer->rgb, 0, 3 * network->images * pixels, trainer->rgb_bytes, failure) &&
           engine_write(trainer->engine, trainer->labels, 0, network->images * pixels, trainer->label_bytes, failure);
}

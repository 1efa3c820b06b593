/* SPDX-License-Identifier: Apache-2.0 */
#include "holdout.h"

#include "chance.h"
#include "numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An image of the split by its name: pieces of its path. */
struct frame {
    const char *sequence, *number; /* number: digits without zeros in front */
    size_t sequence_length, number_length;
    size_t index; /* in the split */
};

/* Frames of one sequence, side by side. */
struct stretch {
    size_t first, count;
};

struct work {
    struct frame *frames; /* in order */
    size_t count;
    struct stretch *sequences; /* in the order of their names */
    size_t sequence_count;
    size_t *order, *from; /* of sequences; and for each number of images, 1 + the one by which it is first reached */
    bool *held, *spared;  /* of images, by their index */
};

/* ------------------------------------------------------------------------------------------------------------ names */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static struct frame frame_of(const struct dataset *dataset, size_t index) {
    const char *path = dataset->train.samples[index].image, *name = dataset_name(path), *dot = strrchr(name, '.');
    struct frame frame = {.sequence = name, .sequence_length = dot != NULL ? (size_t)(dot - name) : strlen(name)};
    frame.index = index;
    frame.number = name;
    if (dataset->layout == LAYOUT_VOC)
        return frame;
    size_t end = frame.sequence_length;
    while (end > 0 && !is_digit(name[end - 1]))
        --end;
    size_t begin = end;
    while (begin > 0 && is_digit(name[begin - 1]))
        --begin;
    if (end > 0) {
        frame.sequence_length = begin;
        while (begin + 1 < end && name[begin] == '0')
            ++begin;
        frame.number = name + begin;
        frame.number_length = end - begin;
    }
    if (dataset->layout == LAYOUT_CITYSCAPES) { /* .../CITY/NAME */
        const char *slash = name - 1, *city = slash;
        while (city > path && city[-1] != '/')
            --city;
        frame.sequence = city;
        frame.sequence_length = (size_t)(slash - city);
    }
    return frame;
}

static int compare_pieces(const char *a, size_t length_a, const char *b, size_t length_b) {
    const int order = memcmp(a, b, length_a < length_b ? length_a : length_b);
    return order != 0 ? order : (length_a > length_b) - (length_a < length_b);
}

static int compare_frames(const void *a, const void *b) {
    const struct frame *one = a, *two = b;
    int order = compare_pieces(one->sequence, one->sequence_length, two->sequence, two->sequence_length);
    if (order == 0)
        order = (one->number_length > two->number_length) - (one->number_length < two->number_length);
    if (order == 0)
        order = memcmp(one->number, two->number, one->number_length);
    return order != 0 ? order : (one->index > two->index) - (one->index < two->index);
}

static void find_sequences(const struct dataset *dataset, struct work *work) {
    for (size_t i = 0; i < work->count; ++i)
        work->frames[i] = frame_of(dataset, i);
    qsort(work->frames, work->count, sizeof *work->frames, compare_frames);
    for (size_t i = 0; i < work->count; ++i) {
        const struct frame *frame = &work->frames[i], *before = i > 0 ? frame - 1 : frame;
        if (i == 0 ||
            compare_pieces(frame->sequence, frame->sequence_length, before->sequence, before->sequence_length) != 0)
            work->sequences[work->sequence_count++] = (struct stretch){i, 0};
        ++work->sequences[work->sequence_count - 1].count;
    }
}

/* --------------------------------------------------------------------------------------------------------- division */

static void hold_out(struct work *work, struct stretch stretch) {
    for (size_t i = stretch.first; i < stretch.first + stretch.count; ++i)
        work->held[work->frames[i].index] = true;
}

static bool keep_name(struct holdout *holdout, const struct frame *frame, struct failure *failure) {
    char *name = calloc(1, frame->sequence_length + 1);
    if (name == NULL)
        return fail_memory(failure, "the names of sequences");
    memcpy(name, frame->sequence, frame->sequence_length);
    holdout->names[holdout->held_out++] = name;
    return true;
}

static bool take_sequences(struct work *work, struct holdout *holdout, struct failure *failure) {
    const size_t count = work->count;
    struct chance chance = chance_of(0, CHANCE_PARTS);
    chance_shuffle(&chance, work->order, work->sequence_count);
    for (size_t i = 0; i < work->sequence_count; ++i) {
        const size_t size = work->sequences[work->order[i]].count;
        for (size_t sum = count; sum >= size; --sum) /* down, so that no sequence is added to itself */
            if (work->from[sum] == 0 && (sum == size || work->from[sum - size] != 0))
                work->from[sum] = i + 1;
    }
    size_t best = 0;
    for (size_t sum = 1; sum < count; ++sum) /* there is one of them at least in each part */
        if (work->from[sum] != 0 && (best == 0 || fabs((double)sum - holdout->fraction * (double)count) <
                                                      fabs((double)best - holdout->fraction * (double)count)))
            best = sum;
    while (best > 0) {
        const struct stretch stretch = work->sequences[work->order[work->from[best] - 1]];
        hold_out(work, stretch);
        if (!keep_name(holdout, &work->frames[stretch.first], failure))
            return false;
        best -= stretch.count;
    }
    return true;
}

static bool cut_sequence(struct work *work, struct holdout *holdout, struct failure *failure) {
    enum { BORDER = 20 };
    const size_t wanted = (size_t)llround(holdout->fraction * (double)work->count), held = wanted > 0 ? wanted : 1;
    const size_t border = work->count / BORDER > 0 ? work->count / BORDER : 1;
    if (held + border >= work->count)
        return fail_with(
            failure, EXIT_OF_INPUT,
            "--choose-on %g: the training split is one sequence of %zu image%s, of which %zu would be held "
            "out and %zu left out beside them: none is left to train with",
            holdout->fraction, work->count, plural_s(work->count), held, border);
    const size_t first = work->count - held;
    hold_out(work, (struct stretch){first, held});
    for (size_t i = first - border; i < first; ++i)
        work->spared[work->frames[i].index] = true;
    holdout->left_out = border;
    return true;
}

/* FNV-1a of the names. */
static uint64_t hash_of(uint64_t hash, const char *name) {
    for (; *name != '\0'; ++name)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return (hash ^ '\n') * 0x100000001b3u;
}

static void divide(const struct dataset *dataset, const struct work *work, struct holdout *holdout) {
    holdout->hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < work->count; ++i) {
        const struct sample sample = dataset->train.samples[i];
        if (work->held[i]) {
            holdout->parts.val.samples[holdout->parts.val.count++] = sample;
            holdout->hash = hash_of(holdout->hash, dataset_name(sample.image));
        } else if (!work->spared[i]) {
            holdout->parts.train.samples[holdout->parts.train.count++] = sample;
        }
    }
    holdout->hash |= holdout->hash == 0;
}

bool holdout_make(const struct dataset *dataset, double fraction, struct holdout *holdout, struct failure *failure) {
    const size_t count = dataset->train.count;
    struct work work = {.count = count};
    *holdout = (struct holdout){.fraction = fraction};
    work.frames = calloc(count, sizeof *work.frames);
    work.sequences = calloc(count, sizeof *work.sequences);
    work.order = calloc(count, sizeof *work.order);
    work.from = calloc(count + 1, sizeof *work.from);
    work.held = calloc(count, sizeof *work.held);
    work.spared = calloc(count, sizeof *work.spared);
    holdout->names = calloc(count, sizeof *holdout->names);
    holdout->parts.train.samples = calloc(count, sizeof(struct sample));
    holdout->parts.val.samples = calloc(count, sizeof(struct sample));
    bool good = work.frames != NULL && work.sequences != NULL && work.order != NULL && work.from != NULL &&
                work.held != NULL && work.spared != NULL && holdout->names != NULL &&
                holdout->parts.train.samples != NULL && holdout->parts.val.samples != NULL;
    if (!good)
        fail_memory(failure, "the parts of the training split");
    if (good) {
        holdout->parts.layout = dataset->layout;
        find_sequences(dataset, &work);
        holdout->sequences = work.sequence_count;
        good =
            work.sequence_count > 1 ? take_sequences(&work, holdout, failure) : cut_sequence(&work, holdout, failure);
    }
    if (good)
        divide(dataset, &work, holdout);
    free(work.frames);
    free(work.sequences);
    free(work.order);
    free(work.from);
    free(work.held);
    free(work.spared);
    return good;
}

void holdout_free(struct holdout *holdout) {
    for (size_t i = 0; i < holdout->held_out; ++i)
        free(holdout->names[i]);
    free(holdout->names);
    free(holdout->parts.train.samples);
    free(holdout->parts.val.samples);
    *holdout = (struct holdout){.fraction = 0.0};
}

void holdout_words(const struct holdout *holdout, char *text, size_t size) {
    enum { NAMED = 6 };
    const size_t held = holdout->parts.val.count, all = held + holdout->parts.train.count + holdout->left_out;
    size_t used = 0;
    snprintf(text, size, "%zu of %zu training images, ", held, all);
    used = strlen(text);
    if (holdout->held_out == 0) {
        snprintf(text + used, size - used, "the end of their one sequence; %zu before them %s left out",
                 holdout->left_out, holdout->left_out == 1 ? "is" : "are");
        return;
    }
    snprintf(text + used, size - used, "%zu of %zu sequences", holdout->held_out, holdout->sequences);
    for (size_t i = 0; i < holdout->held_out && holdout->held_out <= NAMED; ++i) {
        used = strlen(text);
        snprintf(text + used, size - used, "%s%s%s", i == 0 ? " (" : ", ", holdout->names[i],
                 i + 1 == holdout->held_out ? ")" : "");
    }
}

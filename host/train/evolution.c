/*
 * The evolution picture: a validation image, its labels, and what the networks of each weighting make of it as they are
 * trained, from the seed that all comparisons have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "evolution.h"

#include "drawing.h"
#include "files.h"
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS = 2 + RUN_FRAMES,
    LARGEST = 320, /* pixels of a panel's longer side: what is larger is shown at every second pixel, third .. */
    HEAD = 66,     /* above the first row */
    NAME = 26,     /* above each row */
    FOOT = 50
};

struct evolution {
    const struct comparison *comparison;
    struct picture shown;
    size_t skip, width, height; /* of a panel: a pixel of each skip x skip */
    canvas picture;
};

static size_t column_x(const struct evolution *evolution, size_t column) {
    /* what is given stands apart from what was learned */
    return DRAWING_EDGE + column * (evolution->width + DRAWING_GAP) + (column >= 2 ? 2 * DRAWING_GAP : 0);
}

static rgb class_colour(const struct classes *classes, uint8_t label) {
    if (label >= classes->count)
        return drawing_black; /* ignored */
    return (rgb){classes->colours[label][0], classes->colours[label][1], classes->colours[label][2]};
}

/* Labels in rows of `stride`; NULL: there are none. */
static void draw_labels(struct evolution *evolution, size_t column, size_t y, const uint8_t *labels, size_t stride) {
    const struct classes *classes = evolution->comparison->trainer->classes;
    const size_t left = column_x(evolution, column), skip = evolution->skip;
    if (labels == NULL)
        canvas_fill(&evolution->picture, left, y, evolution->width, evolution->height, drawing_pale);
    for (size_t row = 0; labels != NULL && row < evolution->height; ++row)
        for (size_t x = 0; x < evolution->width; ++x)
            canvas_fill(&evolution->picture, left + x, y + row, 1, 1,
                        class_colour(classes, labels[row * skip * stride + x * skip]));
}

static void draw_image(struct evolution *evolution, size_t y) {
    const size_t left = column_x(evolution, 0), skip = evolution->skip;
    for (size_t row = 0; row < evolution->height; ++row)
        for (size_t x = 0; x < evolution->width; ++x) {
            const uint8_t *from = evolution->shown.rgb + 3 * (row * skip * evolution->shown.width + x * skip);
            canvas_fill(&evolution->picture, left + x, y + row, 1, 1, (rgb){from[0], from[1], from[2]});
        }
}

static void draw_head(struct evolution *evolution) {
    const struct trainer *trainer = evolution->comparison->trainer;
    char text[512], heads[COLUMNS][32];
    snprintf(text, sizeof text, "How the segmentation of a %s image evolves: %.200s, seed 1",
             trainer_judges_on(trainer), dataset_name(trainer->val.split->samples[trainer->shown].image));
    canvas_text(&evolution->picture, DRAWING_EDGE, 32, &drawing_title, text);
    snprintf(heads[0], sizeof heads[0], "image");
    snprintf(heads[1], sizeof heads[1], "labels");
    for (int frame = 0; frame < RUN_FRAMES; ++frame)
        snprintf(heads[2 + frame], sizeof heads[2 + frame], "step %" PRIu64,
                 run_frame_step(trainer->options.steps, frame));
    for (size_t column = 0; column < COLUMNS; ++column)
        canvas_text(&evolution->picture, (double)column_x(evolution, column), HEAD - 8, &drawing_small, heads[column]);
}

static bool draw_row(struct evolution *evolution, size_t weighting, size_t y, struct failure *failure) {
    const struct comparison *comparison = evolution->comparison;
    const struct trainer *trainer = comparison->trainer;
    const struct spec *spec = &comparison->specs[weighting];
    const clmp_metrics *metrics = &comparison->results[weighting * comparison->seeds].metrics;
    char text[SPEC_TEXT + 128];
    snprintf(text, sizeof text, "%s: on all %s images mean IoU %.1f%%, pixel accuracy %.1f%%", spec->text,
             trainer_judges_on(trainer), 100.0 * metrics->mean_iou, 100.0 * metrics->pixel_accuracy);
    canvas_text(&evolution->picture, DRAWING_EDGE, (double)y + NAME - 8, &drawing_name, text);
    y += NAME;
    draw_image(evolution, y);
    draw_labels(evolution, 1, y, evolution->shown.labels, evolution->shown.width);
    for (int frame = 0; frame < RUN_FRAMES; ++frame) {
        char path[FILE_PATH];
        uint8_t *labels = NULL;
        if (!file_path(path, failure, "%s/%s/seed-1/step-%06" PRIu64 ".png", comparison->folder, spec->folder,
                       run_frame_step(trainer->options.steps, frame)) ||
            !file_read_labels(path, &labels, trainer->val_height, trainer->val_width, failure))
            return false;
        draw_labels(evolution, 2 + (size_t)frame, y, labels, trainer->val_width);
        free(labels);
    }
    return true;
}

static bool draw(struct evolution *evolution, const char *path, struct failure *failure) {
    const struct comparison *comparison = evolution->comparison;
    const struct classes *classes = comparison->trainer->classes;
    const size_t longer =
        evolution->shown.width > evolution->shown.height ? evolution->shown.width : evolution->shown.height;
    evolution->skip = (longer + LARGEST - 1) / LARGEST;
    evolution->width = evolution->shown.width / evolution->skip;
    evolution->height = evolution->shown.height / evolution->skip;
    const size_t width = column_x(evolution, COLUMNS) - DRAWING_GAP + DRAWING_EDGE;
    const size_t row = NAME + evolution->height + DRAWING_GAP;
    const size_t height = HEAD + comparison->count * row + drawing_legend_height(width, classes) + FOOT;
    if (!canvas_init(&evolution->picture, width, height))
        return fail_memory(failure, path);
    draw_head(evolution);
    for (size_t w = 0; w < comparison->count; ++w)
        if (!draw_row(evolution, w, HEAD + w * row, failure)) {
            canvas_free(&evolution->picture);
            return false;
        }
    const double end = drawing_legend(&evolution->picture, (double)(HEAD + comparison->count * row + 14), classes);
    canvas_text(&evolution->picture, DRAWING_EDGE, end + 10, &drawing_small, "Black: labels that are ignored.");
    return drawing_write(&evolution->picture, path, failure);
}

bool evolution_write(const struct comparison *comparison, const char *path, struct failure *failure) {
    struct trainer *trainer = comparison->trainer;
    struct evolution evolution = {.comparison = comparison};
    if (!pictures_get(&trainer->val, trainer->shown, &evolution.shown, failure))
        return false;
    const bool good = draw(&evolution, path, failure);
    pictures_done(&trainer->val, trainer->shown, &evolution.shown);
    return good;
}

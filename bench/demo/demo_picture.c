/*
 * The demo's picture: a few test slices, each as scan, truth, prediction, loss and weight, with what a reader needs to
 * know written into it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "demo_picture.h"

#include "canvas.h"
#include "demo_say.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 3,
    COLUMNS = 5,
    ZOOM = 2,   /* pixels of the picture to one of the scan */
    GAP = 14,   /* between panels */
    EDGE = 40,  /* around everything */
    HEAD = 150, /* above the panels */
    FOOT = 340, /* below the panels: legends, bars, caption */
    BAR = 16    /* height of a colour bar */
};

static const rgb black = {20, 20, 24}, grey = {105, 105, 112}, white = {255, 255, 255};
static const text_style title_text = {21, 3.0, {20, 20, 24}};
static const text_style head_text = {12.5, 2.2, {20, 20, 24}};
static const text_style body_text = {11.5, 1.6, {20, 20, 24}};
static const text_style small_text = {9.5, 1.35, {60, 60, 66}};
static const text_style tag_text = {10, 1.7, {255, 255, 255}};

static rgb blend(rgb a, rgb b, double t) {
    return (rgb){(uint8_t)(a.r + (b.r - a.r) * t + 0.5), (uint8_t)(a.g + (b.g - a.g) * t + 0.5),
                 (uint8_t)(a.b + (b.b - a.b) * t + 0.5)};
}

/* Colours at equal steps of [0, 1]. */
static rgb ramp(const rgb *colours, int count, double t) {
    const double at = fmin(1, fmax(0, t)) * (count - 1);
    const int i = at >= count - 1 ? count - 2 : (int)at;
    return blend(colours[i], colours[i + 1], at - i);
}

/* Dark to bright. t = loss / the scale's end. */
static rgb loss_colour(double t) {
    static const rgb colours[] = {{12, 8, 38}, {94, 22, 110}, {187, 55, 84}, {249, 142, 8}, {252, 255, 164}};
    return ramp(colours, 5, t);
}

/* Blue below the plain mean's weight, white at it, red above.  Both sides end at 0 and at the largest weight. */
static rgb weight_colour(double times_plain, double largest) {
    static const rgb below[] = {{23, 42, 96}, {62, 104, 176}, {150, 187, 222}, {250, 250, 250}};
    static const rgb above[] = {{250, 250, 250}, {250, 178, 120}, {223, 84, 50}, {150, 10, 32}};
    if (times_plain <= 1 || largest <= 1)
        return ramp(below, 4, times_plain);
    return ramp(above, 4, (times_plain - 1) / (largest - 1));
}

/* A colour per region, neighbours in number far apart in hue; background nearly black. */
static rgb class_colour(uint8_t label) {
    if (label == 0)
        return black;
    static const rgb wheel[] = {{230, 60, 60},  {230, 190, 50}, {80, 200, 80}, {60, 200, 210},
                                {80, 100, 230}, {210, 80, 210}, {230, 60, 60}};
    const double hue = fmod(label * 0.6180339887498949, 1);
    const rgb strong = ramp(wheel, 7, hue);
    return blend(strong, label % 3 == 0 ? white : black, label % 3 == 1 ? 0 : 0.3);
}

/* What the panels share. */
typedef struct scene {
    const demo_outcome *outcome;
    canvas picture;
    size_t panel_width, panel_height;
    double brightest;    /* the intensity to show as white */
    double loss_end;     /* the loss at the bright end of its scale */
    double largest;      /* the largest weight, in plain weights */
    double plain_weight; /* 1/n */
} scene;

static double column_x(const scene *s, int column) {
    return EDGE + (double)column * (double)(s->panel_width + GAP);
}

/* The colour of pixel i (of all images; v: of the volume) in a column. */
static rgb pixel_colour(const scene *s, int column, size_t i, size_t v) {
    const demo_outcome *o = s->outcome;
    switch (column) {
    case 0:
        return blend((rgb){0, 0, 0}, white, fmin(1, (double)o->scan->intensity[v] / s->brightest));
    case 1:
        return class_colour(o->labels[i]);
    case 2:
        return class_colour(o->predictions[i]);
    case 3:
        return loss_colour((double)o->pooled.losses[i] / s->loss_end);
    default:
        return weight_colour((double)o->pooled.weights[i] / s->plain_weight, s->largest);
    }
}

static void draw_panel(scene *s, int row, int column, size_t image) {
    const demo_scan *scan = s->outcome->scan;
    const size_t left = (size_t)column_x(s, column), top = HEAD + (size_t)row * (s->panel_height + GAP);
    for (size_t y = 0; y < scan->height; y++)
        for (size_t x = 0; x < scan->width; x++) {
            const size_t in_slice = (scan->height - 1 - y) * scan->width + x; /* the front of the head is up */
            const size_t i = image * scan->width * scan->height + in_slice;
            const size_t v = s->outcome->slices[image] * scan->width * scan->height + in_slice;
            canvas_fill(&s->picture, left + ZOOM * x, top + ZOOM * y, ZOOM, ZOOM, pixel_colour(s, column, i, v));
        }
    if (column == 0) {
        char text[48];
        const double z = scan->z_origin + scan->z_spacing * (double)(scan->first_slice + s->outcome->slices[image]);
        snprintf(text, sizeof text, "z = %+.0f mm", z);
        canvas_fill(&s->picture, left, top, (size_t)canvas_text_width(&tag_text, text) + 14, 28, black);
        canvas_text(&s->picture, (double)left + 8, (double)top + 19, &tag_text, text);
    }
}

static void draw_titles(scene *s) {
    static const char *const titles[COLUMNS] = {"1  Scan", "2  Truth", "3  Prediction", "4  Loss", "5  Weight"};
    static const char *const below[COLUMNS] = {"one slice per row", "a colour per region", "of a small model",
                                               "how wrong, per pixel", "red: more than in a plain mean"};
    const demo_outcome *o = s->outcome;
    char line[256];
    canvas_text(&s->picture, EDGE, 52, &title_text, "Loss max-pooling: who gets the weight of a segmentation loss?");
    snprintf(line, sizeof line,
             "A brain scan (T1) whose pixels a small model sorts into %zu classes: %zu anatomical regions, and a "
             "background that holds most of the pixels.",
             o->scan->classes, o->scan->classes - 1);
    canvas_text(&s->picture, EDGE, 82, &body_text, line);
    for (int c = 0; c < COLUMNS; c++) {
        canvas_text(&s->picture, column_x(s, c), HEAD - 28, &head_text, titles[c]);
        canvas_text(&s->picture, column_x(s, c), HEAD - 9, &small_text, below[c]);
    }
}

/* A colour bar of the loss or the weight with ticks at its ends and at one place between, whose text is left out where
 * it would run into the others. */
typedef struct scale {
    double left, top, width;
    double between; /* in [0, 1] of the bar; beyond: not shown */
    const char *low, *middle, *high;
} scale;

static void draw_tick(scene *s, const scale *bar, double at, double text_left, const char *text) {
    canvas_fill(&s->picture, (size_t)(bar->left + at * (bar->width - 1)), (size_t)bar->top + BAR, 1, 5, black);
    canvas_text(&s->picture, text_left, bar->top + BAR + 18, &small_text, text);
}

static void draw_ticks(scene *s, const scale *bar) {
    const double high_left = bar->left + bar->width - canvas_text_width(&small_text, bar->high);
    draw_tick(s, bar, 0, bar->left, bar->low);
    draw_tick(s, bar, 1, high_left, bar->high);
    if (bar->between > 1)
        return;
    const double first = bar->left + canvas_text_width(&small_text, bar->low) + 8;
    const double middle_width = canvas_text_width(&small_text, bar->middle), last = high_left - middle_width - 8;
    const double wanted = bar->left + bar->between * bar->width - middle_width / 2;
    const double middle_left = fmin(last, fmax(first, wanted));
    const bool near_enough = first <= last && fabs(middle_left - wanted) < middle_width;
    draw_tick(s, bar, bar->between, middle_left, near_enough ? bar->middle : "");
}

static void draw_legends(scene *s, double y) {
    const double width = (double)s->panel_width;
    const demo_outcome *o = s->outcome;

    canvas_paragraph(&s->picture, column_x(s, 0), y + 9, width, &small_text,
                     "Patient's left is left, front is up. The model has seen the even slices only; these are odd.");
    canvas_paragraph(&s->picture, column_x(s, 1), y + 9, 2 * width, &small_text,
                     "Black is background: skull, air and white matter. The model knows each region's mean place and "
                     "brightness and how they spread, nothing else.");

    char middle[48], high[48];
    snprintf(middle, sizeof middle, "alpha = %.2f", (double)o->pooled.result.alpha);
    snprintf(high, sizeof high, "%.0f and more", s->loss_end);
    const scale loss = {column_x(s, 3), y, width, (double)o->pooled.result.alpha / s->loss_end, "0", middle, high};
    for (size_t i = 0; i < s->panel_width; i++)
        canvas_fill(&s->picture, (size_t)loss.left + i, (size_t)y, 1, BAR, loss_colour((double)i / (width - 1)));
    draw_ticks(s, &loss);

    snprintf(high, sizeof high, "%.2f *", s->largest);
    const scale weight = {column_x(s, 4), y, width, 1 / s->largest, "0", "1 * plain mean", high};
    for (size_t i = 0; i < s->panel_width; i++)
        canvas_fill(&s->picture, (size_t)weight.left + i, (size_t)y, 1, BAR,
                    weight_colour(s->largest * (double)i / (width - 1), s->largest));
    draw_ticks(s, &weight);
}

typedef struct split {
    double background, large, small;
} split;

static int larger_first(const void *a, const void *b) {
    const size_t left = ((const demo_share *)a)->pixels, right = ((const demo_share *)b)->pixels;
    return (left < right) - (left > right);
}

/* Shares of pixels and of weight: background, the larger half of the regions, the smaller half. */
static bool split_shares(const demo_outcome *o, split *pixels, split *weight) {
    demo_share *shares = calloc(o->scan->classes, sizeof *shares);
    if (!shares)
        return demo_fail("out of memory");
    demo_shares(o, shares);
    const size_t regions = o->scan->classes - 1;
    qsort(shares + 1, regions, sizeof *shares, larger_first);
    *pixels = *weight = (split){0, 0, 0};
    double all = 0;
    for (size_t c = 0; c <= regions; c++)
        all += shares[c].weight;
    for (size_t c = 0; c <= regions; c++) {
        const double p = (double)shares[c].pixels / (double)o->pixels, w = shares[c].weight / all;
        const bool large = c <= regions / 2;
        *(c == 0 ? &pixels->background : large ? &pixels->large : &pixels->small) += p;
        *(c == 0 ? &weight->background : large ? &weight->large : &weight->small) += w;
    }
    free(shares);
    return true;
}

static void draw_split(scene *s, double y, const char *name, const split *of) {
    static const char *const names[3] = {"background", "larger half of the regions", "smaller half"};
    static const rgb colours[3] = {{92, 94, 104}, {58, 124, 165}, {196, 88, 48}};
    const double shares[3] = {of->background, of->large, of->small};
    const double left = EDGE + 220, width = (double)s->picture.width - EDGE - left;
    canvas_text(&s->picture, EDGE, y + 20, &body_text, name);
    double from = 0;
    for (int i = 0; i < 3; i++) {
        const double x = left + from * width, end = left + (from + shares[i]) * width;
        canvas_fill(&s->picture, (size_t)x, (size_t)y, (size_t)end - (size_t)x, 30, colours[i]);
        char text[64];
        snprintf(text, sizeof text, "%s %.1f %%", names[i], 100 * shares[i]);
        if (canvas_text_width(&tag_text, text) > end - x - 16)
            snprintf(text, sizeof text, "%.1f %%", 100 * shares[i]);
        if (canvas_text_width(&tag_text, text) <= end - x - 8)
            canvas_text(&s->picture, x + 8, y + 20, &tag_text, text);
        from += shares[i];
    }
}

static void draw_caption(scene *s, double y, const split *pixels, const split *weight) {
    const demo_outcome *o = s->outcome;
    const clmp_result *r = &o->pooled.result;
    char text[1400];
    snprintf(
        text, sizeof text,
        "A plain mean gives every pixel the same weight, 1/n: %.0f %% of it lies on the background, most of which "
        "the model has right already. Loss max-pooling (p = %g, support = %g) takes the weights that make the "
        "weighted sum of the losses as large as two bounds allow: none above %.2f times the plain weight, and their "
        "p-norm no larger than that of plain weights. So pixels with a loss above alpha (%.0f %% of all) get the "
        "full weight, the others less the smaller their loss, and easy ones next to none. Weight leaves the inside "
        "of the background (%.0f %% to %.0f %%) for the regions and their borders; the smaller half of the regions "
        "goes from %.1f %% to %.1f %%. The loss goes from %.3f, the mean, to %.3f.",
        100 * pixels->background, o->p, o->support, s->largest, 100 * (double)r->support / (double)r->valid,
        100 * pixels->background, 100 * weight->background, 100 * pixels->small, 100 * weight->small,
        demo_plain_mean(o), (double)r->loss);
    if (s->largest < 1.005)
        snprintf(
            text, sizeof text,
            "With p = %g and support = %g the bounds leave no choice: the weights are those of the plain mean, and "
            "so is the loss, %.3f.",
            o->p, o->support, (double)r->loss);
    y = canvas_paragraph(&s->picture, EDGE, y, (double)s->picture.width - 2 * EDGE, &body_text, text);
    canvas_text(&s->picture, EDGE, y + 4, &small_text,
                "Method: S. Rota Bulo, G. Neuhold, P. Kontschieder, CVPR 2017, arXiv 1704.02966. Computed by libclmp. "
                "Data: Debian's package mricron-data (ch2, aal).");
}

static int ascending(const void *a, const void *b) {
    const float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* A round end for the scale of the losses: alpha is on it, and at most one pixel in fifty beyond it. */
static bool choose_loss_end(const demo_outcome *o, double *end) {
    float *sorted = malloc(o->pixels * sizeof *sorted);
    if (!sorted)
        return demo_fail("out of memory");
    memcpy(sorted, o->pooled.losses, o->pixels * sizeof *sorted);
    qsort(sorted, o->pixels, sizeof *sorted, ascending);
    *end = fmax(1, ceil(fmax((double)sorted[o->pixels - 1 - o->pixels / 50], (double)o->pooled.result.alpha)));
    free(sorted);
    return true;
}

/* One voxel in fifty of the labelled ones is brighter; the skull would make the brain dark. */
static double choose_brightest(const demo_scan *scan) {
    size_t histogram[256] = {0}, labelled = 0;
    for (size_t v = 0; v < scan->width * scan->height * scan->depth; v++)
        if (scan->labels[v]) {
            histogram[scan->intensity[v]]++;
            labelled++;
        }
    size_t above = 0, level = 256;
    while (level > 1 && above <= labelled / 50)
        above += histogram[--level];
    return 1.2 * (double)level; /* white matter, mostly unlabelled, is brighter still */
}

static bool draw(scene *s) {
    split pixels, weight;
    if (!split_shares(s->outcome, &pixels, &weight))
        return false;
    const size_t rows = s->outcome->images < ROWS ? s->outcome->images : ROWS;
    draw_titles(s);
    for (size_t row = 0; row < rows; row++) /* from the top of the head down, leaving out its ends */
        for (int column = 0; column < COLUMNS; column++)
            draw_panel(s, (int)row, column, s->outcome->images * (2 * (rows - row) + 1) / (2 * rows + 4));
    const double panels_end = HEAD + (double)rows * (double)(s->panel_height + GAP);
    draw_legends(s, panels_end + 2);
    canvas_fill(&s->picture, EDGE, (size_t)panels_end + 72, s->picture.width - 2 * EDGE, 1, grey);
    draw_split(s, panels_end + 90, "Weight, plain mean", &pixels);
    draw_split(s, panels_end + 126, "Weight, max-pooled", &weight);
    draw_caption(s, panels_end + 192, &pixels, &weight);
    return true;
}

bool demo_picture_write(const demo_outcome *outcome, const char *path) {
    scene s = {.outcome = outcome,
               .panel_width = ZOOM * outcome->scan->width,
               .panel_height = ZOOM * outcome->scan->height,
               .plain_weight = 1 / (double)outcome->pooled.result.valid,
               .largest = (double)outcome->pooled.result.tau * (double)outcome->pooled.result.valid};
    const size_t rows = outcome->images < ROWS ? outcome->images : ROWS;
    const size_t width = 2 * EDGE + COLUMNS * s.panel_width + (COLUMNS - 1) * GAP;
    s.brightest = choose_brightest(outcome->scan);
    if (!choose_loss_end(outcome, &s.loss_end))
        return false;
    if (!canvas_init(&s.picture, width, HEAD + rows * (s.panel_height + GAP) + FOOT))
        return demo_fail("out of memory");
    bool ok = draw(&s);
    if (ok && !canvas_write_png(&s.picture, path))
        ok = demo_fail("cannot write %s: %s", path, strerror(errno));
    canvas_free(&s.picture);
    return ok;
}

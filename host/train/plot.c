/*
 * The plot of a comparison: mean IoU and pixel accuracy of every run, and what each class has more than with the first
 * weighting.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plot.h"

#include "drawing.h"

#include <math.h>
#include <stdio.h>

enum {
    ROW = 40,
    HEAD = 118,
    FOOT = 64,
    AXIS = 300, /* width of the panel of a number */
    CELL = 86,  /* width of a class */
    MOST_CELLS = 40
};

static const rgb mark = {20, 90, 160};

/* A disc of radius r, smooth at its edge. */
static void disc(canvas *to, double x, double y, double r, rgb colour, double share) {
    const int left = (int)(x - r), top = (int)(y - r), size = (int)(2.0 * r) + 2;
    for (int row = top; row <= top + size; ++row)
        for (int column = left; column <= left + size; ++column) {
            const double inside = r + 0.5 - hypot(column - x, row - y);
            if (row >= 0 && column >= 0 && inside > 0.0)
                canvas_blend(to, (size_t)column, (size_t)row, colour, share * fmin(1.0, inside));
        }
}

struct axis {
    double left, low, high; /* in %, whole tick steps */
    double tick;
};

static double run_number(const struct comparison *comparison, size_t run, size_t figure) {
    const clmp_metrics *metrics = &comparison->results[run].metrics;
    return 100.0 * (figure == FIGURE_MEAN_IOU ? metrics->mean_iou : metrics->pixel_accuracy);
}

static struct axis axis_of(const struct comparison *comparison, size_t figure, double left) {
    double low = 100.0, high = 0.0;
    for (size_t run = 0; run < comparison->count * comparison->seeds; ++run) {
        low = fmin(low, run_number(comparison, run, figure));
        high = fmax(high, run_number(comparison, run, figure));
    }
    struct axis axis = {.left = left, .tick = 1.0};
    static const double ticks[] = {1.0, 2.0, 5.0, 10.0, 20.0, 50.0};
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks && (high - low) / axis.tick > 6.0; ++i)
        axis.tick = ticks[i];
    axis.low = floor(low / axis.tick) * axis.tick;
    axis.high = fmax(ceil(high / axis.tick) * axis.tick, axis.low + axis.tick);
    return axis;
}

static double place(const struct axis *axis, double percent) {
    return axis->left + AXIS * (percent - axis->low) / (axis->high - axis->low);
}

static void draw_axis(canvas *to, const struct comparison *comparison, size_t figure, const struct axis *axis,
                      const char *title) {
    const size_t rows = comparison->count * ROW;
    canvas_text(to, axis->left, HEAD - 40, &drawing_name, title);
    const int ticks = (int)lround((axis->high - axis->low) / axis->tick);
    for (int i = 0; i <= ticks; ++i) {
        const double tick = axis->low + i * axis->tick;
        char text[16];
        snprintf(text, sizeof text, "%.0f", tick);
        const double x = place(axis, tick);
        canvas_fill(to, (size_t)x, HEAD - 6, 1, rows + 6, drawing_pale);
        canvas_text(to, x - 0.5 * canvas_text_width(&drawing_small, text), HEAD - 14, &drawing_small, text);
    }
    for (size_t w = 0; w < comparison->count; ++w) {
        const double y = (double)HEAD + (double)w * ROW + 0.5 * ROW;
        double sum = 0.0;
        for (size_t seed = 0; seed < comparison->seeds; ++seed) {
            const double number = run_number(comparison, w * comparison->seeds + seed, figure);
            sum += number;
            disc(to, place(axis, number), y, 4.5, mark, 0.55);
        }
        const double mean = place(axis, sum / (double)comparison->seeds);
        canvas_fill(to, (size_t)(mean - 1.0), (size_t)(y - 12.0), 3, 24, drawing_black);
    }
}

/* Blue where it gains, red where it loses; full at 15 points. */
static rgb gain_colour(double points) {
    const double share = fmin(1.0, fabs(points) / 15.0);
    const rgb end = points > 0.0 ? (rgb){70, 140, 210} : (rgb){225, 100, 80};
    return (rgb){(uint8_t)(255.0 + share * (end.r - 255.0)), (uint8_t)(255.0 + share * (end.g - 255.0)),
                 (uint8_t)(255.0 + share * (end.b - 255.0))};
}

static void draw_classes(canvas *to, const struct comparison *comparison, double left) {
    const struct classes *classes = comparison->trainer->classes;
    char text[256];
    snprintf(text, sizeof text, "IoU of each class: %.60s, and what the others have more", comparison->specs[0].text);
    canvas_text(to, left, HEAD - 40, &drawing_name, text);
    for (size_t c = 0; c < classes->count; ++c) {
        const double x = left + (double)c * CELL;
        snprintf(text, sizeof text, "%.10s", classes->names[c]);
        canvas_text(to, x + 2.0, HEAD - 14, &drawing_small, text);
        for (size_t w = 0; w < comparison->count; ++w) {
            const struct figure figure = comparison_figure(comparison, w, c);
            const size_t y = HEAD + w * ROW;
            const double number = 100.0 * (w == 0 ? figure.mean : figure.more);
            if (isnan(number))
                snprintf(text, sizeof text, "-");
            else
                snprintf(text, sizeof text, w == 0 ? "%.1f" : "%+.1f", number);
            if (w > 0 && !isnan(number))
                canvas_fill(to, (size_t)x, y + 2, CELL - 2, ROW - 4, gain_colour(number));
            canvas_text(to, x + 0.5 * (CELL - canvas_text_width(&drawing_small, text)), (double)y + 25.0,
                        &drawing_small, text);
        }
    }
}

bool plot_write(const struct comparison *comparison, const char *path, struct failure *failure) {
    const struct classes *classes = comparison->trainer->classes;
    const size_t cells = classes->count <= MOST_CELLS ? classes->count : 0;
    double names = 0.0;
    for (size_t w = 0; w < comparison->count; ++w)
        names = fmax(names, canvas_text_width(&drawing_name, comparison->specs[w].text));
    const double first = DRAWING_EDGE + names + 40.0, second = first + AXIS + 50.0, third = second + AXIS + 50.0;
    canvas picture;
    if (!canvas_init(&picture, (size_t)third + cells * CELL + DRAWING_EDGE, HEAD + comparison->count * ROW + FOOT))
        return fail_memory(failure, path);
    char title[64];
    snprintf(title, sizeof title, "Weightings compared on the %s images", trainer_judges_on(comparison->trainer));
    canvas_text(&picture, DRAWING_EDGE, 34, &drawing_title, title);
    for (size_t w = 0; w < comparison->count; ++w)
        canvas_text(&picture, DRAWING_EDGE, HEAD + (double)w * ROW + 25.0, &drawing_name, comparison->specs[w].text);
    const struct axis iou = axis_of(comparison, FIGURE_MEAN_IOU, first);
    const struct axis accuracy = axis_of(comparison, FIGURE_PIXEL_ACCURACY, second);
    draw_axis(&picture, comparison, FIGURE_MEAN_IOU, &iou, "mean IoU, %");
    draw_axis(&picture, comparison, FIGURE_PIXEL_ACCURACY, &accuracy, "pixel accuracy, %");
    if (cells > 0)
        draw_classes(&picture, comparison, third);
    canvas_text(&picture, DRAWING_EDGE, (double)(HEAD + comparison->count * ROW) + 36.0, &drawing_small,
                cells > 0 ? "Dots: runs, one for each seed.  Bars: their mean.  Cells: points of IoU, mean over the "
                            "seeds; blue is more, red is less."
                          : "Dots: runs, one for each seed.  Bars: their mean.");
    return drawing_write(&picture, path, failure);
}

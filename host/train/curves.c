/*
 * Curves over the steps, one for each weighting: mean IoU where it was looked at, and what the log has of each step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "curves.h"

#include "drawing.h"
#include "files.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
    WIDTH = 900, /* of a panel */
    HEIGHT = 210,
    LEFT = 80,
    HEAD = 60,
    LINE = 24,    /* of the legend */
    TITLE = 58,   /* above a panel */
    FOOT = 44,    /* below the last one */
    POINTS = 120, /* of a curve, at most: each is the mean of the steps that it stands for */
    PANELS = 5
};

static const rgb colours[] = {{20, 20, 24},   {20, 90, 160},  {215, 95, 20}, {40, 140, 70},  {150, 60, 150},
                              {190, 150, 10}, {90, 170, 200}, {200, 60, 90}, {120, 120, 60}, {110, 90, 210}};
enum { COLOURS = sizeof colours / sizeof *colours };

struct curves {
    const struct comparison *comparison;
    uint64_t steps, group, points; /* steps of a point */
    double *numbers;               /* [panel][weighting][point], mean over the seeds; NaN: none */
    canvas picture;
};

/* What a panel shows of a step; NaN: nothing. */
static double number_of(const struct step_record *record, int panel) {
    const double shares[] = {(double)record->mean_iou, (double)record->mean, (double)record->easy,
                             (double)record->support, (double)record->alpha};
    const bool percent = panel == 0 || panel == 2 || panel == 3;
    return shares[panel] < 0.0 ? NAN : (percent ? 100.0 : 1.0) * shares[panel];
}

static double *curve_of(const struct curves *curves, int panel, size_t weighting) {
    return curves->numbers + ((size_t)panel * curves->comparison->count + weighting) * curves->points;
}

/* The mean over seeds and steps of each point. */
static void add_up(struct curves *curves, size_t weighting, int panel, const struct step_record *records,
                   const uint64_t *read) {
    const size_t seeds = curves->comparison->seeds;
    double *curve = curve_of(curves, panel, weighting);
    for (uint64_t point = 0; point < curves->points; ++point) {
        double sum = 0.0, count = 0.0;
        for (size_t seed = 0; seed < seeds; ++seed)
            for (uint64_t i = point * curves->group; i < (point + 1) * curves->group && i < read[seed]; ++i) {
                const double number = number_of(&records[seed * curves->steps + i], panel);
                sum += isnan(number) ? 0.0 : number;
                count += isnan(number) ? 0.0 : 1.0;
            }
        curve[point] = count > 0.0 ? sum / count : NAN;
    }
}

static bool read_weighting(struct curves *curves, size_t weighting, struct step_record *records, uint64_t *read,
                           struct failure *failure) {
    const struct comparison *comparison = curves->comparison;
    char path[FILE_PATH];
    for (size_t seed = 0; seed < comparison->seeds; ++seed)
        if (!file_path(path, failure, "%s/%s/seed-%zu/log.csv", comparison->folder, comparison->specs[weighting].folder,
                       seed + 1) ||
            !file_read_log(path, records + seed * curves->steps, curves->steps, &read[seed], failure))
            return false;
    for (int panel = 0; panel < PANELS; ++panel)
        add_up(curves, weighting, panel, records, read);
    return true;
}

static bool read_all(struct curves *curves, struct failure *failure) {
    const size_t seeds = curves->comparison->seeds;
    struct step_record *records = calloc(seeds * curves->steps, sizeof *records);
    uint64_t *read = calloc(seeds, sizeof *read);
    bool good = records != NULL && read != NULL;
    if (!good)
        fail_memory(failure, "the logs");
    for (size_t w = 0; good && w < curves->comparison->count; ++w)
        good = read_weighting(curves, w, records, read, failure);
    free(records);
    free(read);
    return good;
}

/* --------------------------------------------------------------------------------------------------------- drawing */

static void line(canvas *to, double x0, double y0, double x1, double y1, rgb colour) {
    const double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy, thick = 1.3;
    for (long y = (long)(fmin(y0, y1) - 2.0); y <= (long)(fmax(y0, y1) + 2.0); ++y)
        for (long x = (long)(fmin(x0, x1) - 2.0); x <= (long)(fmax(x0, x1) + 2.0); ++x) {
            const double along = square > 0.0 ? (((double)x - x0) * dx + ((double)y - y0) * dy) / square : 0.0;
            const double share = fmin(1.0, fmax(0.0, along));
            const double inside = thick + 0.5 - hypot((double)x - x0 - share * dx, (double)y - y0 - share * dy);
            if (x >= 0 && y >= 0 && inside > 0.0)
                canvas_blend(to, (size_t)x, (size_t)y, colour, fmin(1.0, inside));
        }
}

/* The least of 1, 2, 5, 10 .. (and of their tenths ..) that gives at most six ticks. */
static double tick_of(double range) {
    double tick = pow(10.0, floor(log10(range / 6.0)));
    static const double steps[] = {1.0, 2.0, 5.0, 10.0};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; ++i)
        if (range / (tick * steps[i]) <= 6.0)
            return tick * steps[i];
    return 10.0 * tick;
}

static double top_of(const struct curves *curves, int panel) {
    return HEAD + LINE * (double)curves->comparison->count + panel * (double)(TITLE + HEIGHT) + TITLE;
}

static void draw_ticks(struct curves *curves, double top, double low, double high, double tick) {
    char text[32];
    const int ticks = (int)lround((high - low) / tick);
    for (int i = 0; i <= ticks; ++i) {
        const double at = low + i * tick;
        const double y = top + HEIGHT * (high - at) / (high - low);
        snprintf(text, sizeof text, "%.4g", fabs(at) < 1e-9 * tick ? 0.0 : at);
        canvas_fill(&curves->picture, LEFT, (size_t)y, WIDTH, 1, drawing_pale);
        canvas_text(&curves->picture, LEFT - 8.0 - canvas_text_width(&drawing_small, text), y + 5.0, &drawing_small,
                    text);
    }
    const uint64_t step = (uint64_t)fmax(1.0, tick_of((double)curves->steps));
    for (uint64_t at = 0; at <= curves->steps; at += step) {
        const double x = LEFT + WIDTH * (double)at / (double)curves->steps;
        snprintf(text, sizeof text, "%" PRIu64, at);
        canvas_fill(&curves->picture, (size_t)x, (size_t)top, 1, HEIGHT + 4, drawing_pale);
        canvas_text(&curves->picture, x - 0.5 * canvas_text_width(&drawing_small, text), top + HEIGHT + 18.0,
                    &drawing_small, text);
    }
}

/* In the middle of the steps that a point stands for; mean IoU, which few of them have, at their end. */
static double x_of(const struct curves *curves, int panel, uint64_t point) {
    const double first = (double)(point * curves->group),
                 end = fmin(first + (double)curves->group, (double)curves->steps);
    return LEFT + WIDTH * (panel == 0 ? end : 0.5 * (first + end)) / (double)curves->steps;
}

static void draw_panel(struct curves *curves, int panel, const char *title) {
    const double top = top_of(curves, panel);
    double low = INFINITY, high = -INFINITY;
    for (size_t w = 0; w < curves->comparison->count; ++w)
        for (uint64_t point = 0; point < curves->points; ++point)
            if (!isnan(curve_of(curves, panel, w)[point])) {
                low = fmin(low, curve_of(curves, panel, w)[point]);
                high = fmax(high, curve_of(curves, panel, w)[point]);
            }
    canvas_text(&curves->picture, LEFT, top - 12.0, &drawing_name, title);
    if (low > high) { /* a log of old has less */
        canvas_text(&curves->picture, LEFT, top + 20.0, &drawing_small, "not in the logs");
        return;
    }
    const double tick = tick_of(fmax(high - low, 1e-3));
    low = floor(low / tick) * tick;
    high = fmax(ceil(high / tick) * tick, low + tick);
    draw_ticks(curves, top, low, high, tick);
    for (size_t w = 0; w < curves->comparison->count; ++w) {
        const double *curve = curve_of(curves, panel, w);
        double last_x = NAN, last_y = NAN;
        for (uint64_t point = 0; point < curves->points; ++point) {
            if (isnan(curve[point]))
                continue;
            const double x = x_of(curves, panel, point), y = top + HEIGHT * (high - curve[point]) / (high - low);
            line(&curves->picture, isnan(last_x) ? x : last_x, isnan(last_y) ? y : last_y, x, y, colours[w % COLOURS]);
            last_x = x;
            last_y = y;
        }
    }
}

static void draw(struct curves *curves) {
    const struct comparison *comparison = curves->comparison;
    const char *judges_on = trainer_judges_on(comparison->trainer);
    char title[128];
    snprintf(title, sizeof title, "How the runs go on: means over %zu seed%s", comparison->seeds,
             comparison->seeds == 1 ? "" : "s");
    canvas_text(&curves->picture, DRAWING_EDGE, 34, &drawing_title, title);
    for (size_t w = 0; w < comparison->count; ++w) {
        const double y = HEAD + LINE * (double)w;
        canvas_fill(&curves->picture, LEFT, (size_t)(y + 8.0), 30, 3, colours[w % COLOURS]);
        canvas_text(&curves->picture, LEFT + 40.0, y + 15.0, &drawing_small, comparison->specs[w].text);
    }
    snprintf(title, sizeof title, "mean IoU on the %s images, %%", judges_on);
    draw_panel(curves, 0, title);
    draw_panel(curves, 1, "mean loss of the batch, without weights");
    draw_panel(curves, 2, "pixels of the batch with a loss below 0.01, %");
    draw_panel(curves, 3, "pixels at full weight (support), %");
    draw_panel(curves, 4, "alpha: the loss from which on pixels have full weight");
}

bool curves_write(const struct comparison *comparison, const char *path, struct failure *failure) {
    struct curves curves = {.comparison = comparison, .steps = comparison->trainer->options.steps};
    curves.group = (curves.steps + POINTS - 1) / POINTS;
    curves.points = (curves.steps + curves.group - 1) / curves.group;
    curves.numbers = calloc(PANELS * comparison->count * (size_t)curves.points, sizeof *curves.numbers);
    bool good = curves.numbers != NULL || fail_memory(failure, path);
    good = good && read_all(&curves, failure);
    if (good) {
        good =
            canvas_init(&curves.picture, LEFT + WIDTH + DRAWING_EDGE, (size_t)top_of(&curves, PANELS) - TITLE + FOOT);
        if (!good)
            fail_memory(failure, path);
    }
    if (good) {
        draw(&curves);
        good = drawing_write(&curves.picture, path, failure);
    }
    free(curves.numbers);
    return good;
}

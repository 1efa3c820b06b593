/*
 * Text for the picture: letters as strokes, drawn with soft edges at any size, so that the demo needs no font file.
 *
 * A glyph is a string of strokes.  A stroke is '-' (straight from point to point), '~' (a curve that is led by the
 * points between its ends) or '=' (a closed such curve), then points of two characters, x and y, each a digit (':' is
 * ten).  The base line is at y = 2, small letters end at 7, capitals at 9.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "canvas.h"
#include <math.h>
#include <string.h>

enum { FIRST = ' ', LAST = '~', BASE = 2, CAPITAL = 7, MAX_POINTS = 16, CURVE_STEPS = 8 };

static const double spacing = 1.9; /* between letters, in grid units */
static const double space_width = 2.4;

static const char *const glyphs[LAST - FIRST + 1] = {
    ['!' - FIRST] = "-0904-0202",
    ['%' - FIRST] = "-1259=07272909=42626444",
    ['\'' - FIRST] = "-0907",
    ['(' - FIRST] = "~2:080321",
    [')' - FIRST] = "~0:282301",
    ['*' - FIRST] = "-0337-0733", /* the sign for times */
    ['+' - FIRST] = "-0545-2327",
    [',' - FIRST] = "-1201",
    ['-' - FIRST] = "-0535",
    ['.' - FIRST] = "-0202",
    ['/' - FIRST] = "-0149",
    ['0' - FIRST] = "=02424909",
    ['1' - FIRST] = "-082922",
    ['2' - FIRST] = "~0709494602-0242",
    ['3' - FIRST] = "~0809494626~2646420203",
    ['4' - FIRST] = "-32390444",
    ['5' - FIRST] = "-490906~0647420203",
    ['6' - FIRST] = "=02424606~04093948",
    ['7' - FIRST] = "-094912",
    ['8' - FIRST] = "=06464909=02424606",
    ['9' - FIRST] = "=05454909~47421203",
    [':' - FIRST] = "-0202-0606",
    [';' - FIRST] = "-1201-1616",
    ['<' - FIRST] = "-470543",
    ['=' - FIRST] = "-0444-0646",
    ['>' - FIRST] = "-074503",
    ['?' - FIRST] = "~0709494624-2222",
    ['A' - FIRST] = "-023962-1454",
    ['B' - FIRST] = "-0902-0929~29494626-0626~26565222-0222",
    ['C' - FIRST] = "~584909024253",
    ['D' - FIRST] = "-0209-0929-0222~29595222",
    ['E' - FIRST] = "-49090242-0636",
    ['F' - FIRST] = "-490902-0636",
    ['G' - FIRST] = "~584909025255-5535",
    ['H' - FIRST] = "-0902-5952-0656",
    ['I' - FIRST] = "-0902",
    ['J' - FIRST] = "-3934~34320204",
    ['K' - FIRST] = "-0902-4905-1642",
    ['L' - FIRST] = "-090242",
    ['M' - FIRST] = "-0209346962",
    ['N' - FIRST] = "-02095259",
    ['O' - FIRST] = "=02626909",
    ['P' - FIRST] = "-0902-0929~29595525-0525",
    ['Q' - FIRST] = "=02626909-4462",
    ['R' - FIRST] = "-0902-0929~29595525-0525-2552",
    ['S' - FIRST] = "~5859090655520203",
    ['T' - FIRST] = "-0969-3932",
    ['U' - FIRST] = "-0904~04025254-5459",
    ['V' - FIRST] = "-093269",
    ['W' - FIRST] = "-0922486289",
    ['X' - FIRST] = "-0952-0259",
    ['Y' - FIRST] = "-093569-3532",
    ['Z' - FIRST] = "-09590252",
    ['[' - FIRST] = "-2:0:0121",
    [']' - FIRST] = "-0:2:2101",
    ['_' - FIRST] = "-0141",
    ['a' - FIRST] = "=02424707-4742",
    ['b' - FIRST] = "-0902=02424707",
    ['c' - FIRST] = "~463707023243",
    ['d' - FIRST] = "-4942=02424707",
    ['e' - FIRST] = "-0545~454707023243",
    ['f' - FIRST] = "~391917-1712-0737",
    ['g' - FIRST] = "=02424707-4742~42401001",
    ['h' - FIRST] = "-0902~04074744-4442",
    ['i' - FIRST] = "-0702-0909",
    ['j' - FIRST] = "-1919-1711~111000",
    ['k' - FIRST] = "-0902-3704-1532",
    ['l' - FIRST] = "-0902",
    ['m' - FIRST] = "-0702~04073734-3432~34376764-6462",
    ['n' - FIRST] = "-0702~04074744-4442",
    ['o' - FIRST] = "=02424707",
    ['p' - FIRST] = "-0700=02424707",
    ['q' - FIRST] = "-4740=02424707",
    ['r' - FIRST] = "-0702~040737",
    ['s' - FIRST] = "~4647070544420203",
    ['t' - FIRST] = "-1813~131232-0737",
    ['u' - FIRST] = "-0705~05024245-4742",
    ['v' - FIRST] = "-072247",
    ['w' - FIRST] = "-0722364267",
    ['x' - FIRST] = "-0742-0247",
    ['y' - FIRST] = "-0722-4710",
    ['z' - FIRST] = "-07470242",
    ['|' - FIRST] = "-0:01",
};

typedef struct point {
    double x, y;
} point;

static const char *find_glyph(char c) {
    return c >= FIRST && c <= LAST ? glyphs[c - FIRST] : NULL;
}

static bool is_stroke(char c) {
    return c == '-' || c == '~' || c == '=';
}

/* Grid units from one letter's left edge to the next one's. */
static double advance(char c) {
    const char *glyph = find_glyph(c);
    if (!glyph)
        return space_width + spacing;
    double width = 0;
    while (*glyph) {
        if (is_stroke(*glyph)) {
            glyph++;
            continue;
        }
        width = fmax(width, glyph[0] - '0');
        glyph += 2;
    }
    return width + spacing;
}

static double distance_to_segment(point p, point a, point b) {
    const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    double t = length2 > 0 ? ((p.x - a.x) * dx + (p.y - a.y) * dy) / length2 : 0;
    t = fmin(1, fmax(0, t));
    return hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/* The ink of a letter on the pixels around it: each pixel keeps the darkest of all segments, so that strokes that meet
 * do not darken each other's soft edges. */
typedef struct ink {
    int x, y, width, height;
    double radius;
    unsigned char cover[96 * 96];
} ink;

static void draw_segment(ink *to, point a, point b) {
    const double reach = to->radius + 1;
    const int left = (int)floor(fmin(a.x, b.x) - reach) - to->x, right = (int)ceil(fmax(a.x, b.x) + reach) - to->x;
    const int top = (int)floor(fmin(a.y, b.y) - reach) - to->y, bottom = (int)ceil(fmax(a.y, b.y) + reach) - to->y;
    for (int y = top > 0 ? top : 0; y <= bottom && y < to->height; y++)
        for (int x = left > 0 ? left : 0; x <= right && x < to->width; x++) {
            const double d = distance_to_segment((point){to->x + x + 0.5, to->y + y + 0.5}, a, b);
            const double cover = 255 * fmin(1, fmax(0, to->radius + 0.5 - d));
            unsigned char *at = &to->cover[y * to->width + x];
            if (cover > *at)
                *at = (unsigned char)cover;
        }
}

static point middle(point a, point b) {
    return (point){(a.x + b.x) / 2, (a.y + b.y) / 2};
}

/* A parabola from a to b that leaves towards c. */
static void draw_parabola(ink *to, point a, point c, point b) {
    point last = a;
    for (int i = 1; i <= CURVE_STEPS; i++) {
        const double t = (double)i / CURVE_STEPS, s = 1 - t;
        const point next = {s * s * a.x + 2 * s * t * c.x + t * t * b.x, s * s * a.y + 2 * s * t * c.y + t * t * b.y};
        draw_segment(to, last, next);
        last = next;
    }
}

static void draw_stroke(ink *to, char kind, const point *p, int count) {
    if (kind == '-') {
        for (int i = 0; i + 1 < count; i++)
            draw_segment(to, p[i], p[i + 1]);
    } else if (kind == '~') {
        point from = p[0];
        for (int i = 1; i + 1 < count; i++) {
            const point next = i + 2 == count ? p[i + 1] : middle(p[i], p[i + 1]);
            draw_parabola(to, from, p[i], next);
            from = next;
        }
    } else {
        for (int i = 0; i < count; i++) {
            const point before = p[(i + count - 1) % count], after = p[(i + 1) % count];
            draw_parabola(to, middle(before, p[i]), p[i], middle(p[i], after));
        }
    }
}

static void draw_glyph(canvas *to, const char *glyph, double x, double y, const text_style *style) {
    const double unit = style->height / CAPITAL;
    ink drawn = {.x = (int)floor(x - style->weight - 1),
                 .y = (int)floor(y - 9 * unit - style->weight - 1),
                 .width = (int)ceil(9 * unit + 2 * style->weight + 4),
                 .height = (int)ceil(12 * unit + 2 * style->weight + 4),
                 .radius = style->weight / 2};
    if (drawn.width * drawn.height > (int)sizeof drawn.cover)
        return;
    while (*glyph) {
        const char kind = *glyph++;
        point points[MAX_POINTS];
        int count = 0;
        while (*glyph && !is_stroke(*glyph) && count < MAX_POINTS) {
            points[count++] = (point){x + unit * (glyph[0] - '0'), y - unit * (glyph[1] - '0' - BASE)};
            glyph += 2;
        }
        draw_stroke(&drawn, kind, points, count);
    }
    for (int row = 0; row < drawn.height; row++)
        for (int column = 0; column < drawn.width; column++) {
            const int to_x = drawn.x + column, to_y = drawn.y + row;
            if (to_x >= 0 && to_y >= 0)
                canvas_blend(to, (size_t)to_x, (size_t)to_y, style->colour,
                             drawn.cover[row * drawn.width + column] / 255.0);
        }
}

static double run_width(const text_style *style, const char *text, size_t length) {
    double width = 0;
    for (size_t i = 0; i < length; i++)
        width += advance(text[i]);
    return width * style->height / CAPITAL;
}

static double draw_run(canvas *to, double x, double y, const text_style *style, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        const char *glyph = find_glyph(text[i]);
        if (glyph)
            draw_glyph(to, glyph, x + run_width(style, text, i), y, style);
    }
    return run_width(style, text, length);
}

double canvas_text(canvas *to, double x, double y, const text_style *style, const char *text) {
    return draw_run(to, x, y, style, text, strlen(text));
}

double canvas_text_width(const text_style *style, const char *text) {
    return run_width(style, text, strlen(text));
}

double canvas_paragraph(canvas *to, double x, double y, double width, const text_style *style, const char *text) {
    while (*text) {
        size_t length = 0; /* of the words that fit; the first word always does */
        for (size_t end = 0;; end++) {
            if (text[end] != ' ' && text[end] != '\0')
                continue;
            if (length > 0 && run_width(style, text, end) > width)
                break;
            length = end;
            if (text[end] == '\0')
                break;
        }
        draw_run(to, x, y, style, text, length);
        text += length;
        while (*text == ' ')
            text++;
        y += 1.9 * style->height;
    }
    return y;
}

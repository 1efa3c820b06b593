/* SPDX-License-Identifier: Apache-2.0 */
#include "heatmap.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { PNG_MOST = 0x7fffffff, GREY = 128 };

/* Every tenth of a map of rising lightness (after matplotlib's "inferno", which is in the public domain). */
static const unsigned char anchors[11][3] = {
    {0, 0, 4},     {22, 11, 57},   {66, 10, 104},  {106, 23, 110}, {147, 38, 103},  {188, 55, 84},
    {221, 81, 58}, {243, 120, 25}, {252, 165, 10}, {246, 215, 70}, {252, 255, 164},
};

void heatmap_colour(float share, unsigned char rgb[3]) {
    const float at = fminf(fmaxf(share, 0.0f), 1.0f) * 10.0f;
    const int low = at < 10.0f ? (int)at : 9;
    const float rest = at - (float)low;
    for (int i = 0; i < 3; ++i) {
        const float from = anchors[low][i], to = anchors[low + 1][i];
        rgb[i] = (unsigned char)(from + rest * (to - from) + 0.5f);
    }
}

/* The logits that a pixel of an axis lies between, and the weight of the second; 0 where it is on the first. */
static double place_of(uint64_t logits, uint64_t pixels, bool align_corners, uint64_t pixel, uint64_t at[2]) {
    uint64_t part = pixel * (logits - 1), whole = pixels > 1 ? pixels - 1 : 1;
    if (!align_corners) {
        const uint64_t position = (2 * pixel + 1) * logits;
        part = position > pixels ? position - pixels : 0;
        whole = 2 * pixels;
    }
    at[0] = part / whole;
    at[1] = at[0] + 1 < logits ? at[0] + 1 : at[0];
    return (double)(part % whole) / (double)whole;
}

/* A pixel's logits: where they lie, and how they are mixed. */
struct mix {
    uint64_t at[4];
    double share[4];
};

static struct mix mix_of(const struct heatmap *h, uint64_t pixel) {
    uint64_t row[2], column[2];
    const uint64_t width = h->logits->width;
    const double below =
        place_of(h->logits->height, h->labels->height, h->align_corners, pixel / h->labels->width, row);
    const double after = place_of(width, h->labels->width, h->align_corners, pixel % h->labels->width, column);
    return (struct mix){
        .at = {row[0] * width + column[0], row[0] * width + column[1], row[1] * width + column[0],
               row[1] * width + column[1]},
        .share = {(1.0 - below) * (1.0 - after), (1.0 - below) * after, below * (1.0 - after), below * after}};
}

static double mixed(const float *plane, const struct mix *mix) {
    double sum = 0.0;
    for (int i = 0; i < 4; ++i)
        if (mix->share[i] > 0.0) /* a logit of weight 0 is not looked at */
            sum += mix->share[i] * (double)plane[mix->at[i]];
    return sum;
}

/* A valid pixel and a nonfinite one may both have loss 0 and weight 0: then the logits tell which it is. */
static bool loss_is_finite(const struct heatmap *h, uint64_t image, uint64_t at, int64_t label) {
    const uint64_t plane = h->logits->height * h->logits->width;
    const float *logits = h->logits->values + image * h->logits->classes * plane;
    const struct mix mix = mix_of(h, at % (h->labels->height * h->labels->width));
    const double own = mixed(logits + (uint64_t)label * plane, &mix);
    const double factor = h->class_weights != NULL ? (double)h->class_weights[label] : 1.0;
    double largest = -INFINITY;
    for (uint64_t c = 0; c < h->logits->classes; ++c) {
        const double x = mixed(logits + c * plane, &mix);
        if (isnan(x) || x == INFINITY)
            return false;
        largest = fmax(largest, x);
    }
    /* A large loss that came out as 0 has overflowed. */
    return own != -INFINITY && largest - own <= (double)FLT_MAX && factor * (largest - own) <= 1.0;
}

bool heatmap_is_valid(const struct heatmap *h, uint64_t image, uint64_t at) {
    const int64_t label = labels_get(h->labels, at);
    if (label == h->ignore_index || label < 0 || (uint64_t)label >= h->logits->classes)
        return false;
    return h->losses[at] > 0.0f || h->weights[at] > 0.0f || loss_is_finite(h, image, at, label);
}

bool heatmap_check(const struct logits *logits, const struct labels *labels, const char *path,
                   struct failure *failure) {
    if (labels->width > PNG_MOST || labels->height > PNG_MOST || logits->images > PNG_MOST / labels->height)
        return fail_with(failure, EXIT_OF_INPUT,
                         "cannot write %s: %" PRIu64 " images of %" PRIu64 "x%" PRIu64 " are too large for a PNG", path,
                         logits->images, labels->height, labels->width);
    return true;
}

/* libpng leaves by longjmp, so what outlives that is here and not in local variables. */
struct writer {
    png_structp png;
    png_infop info;
    unsigned char *row;
    struct output *output;
    struct failure *failure;
};

static void on_error(png_structp png, png_const_charp message) {
    struct writer *writer = png_get_error_ptr(png);
    fail_with(writer->failure, EXIT_OF_INPUT, "cannot write %s: %s", writer->output->path, message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep bytes, size_t size) {
    struct writer *writer = png_get_io_ptr(png);
    if (!output_write(writer->output, bytes, size, writer->failure))
        png_error(png, "write failed");
}

static void on_flush(png_structp png) {
    (void)png; /* outputs_commit() does, and looks at the result */
}

static void fill_row(const struct heatmap *h, uint64_t image, uint64_t first, unsigned char *row) {
    const float tau = h->taus[image];
    for (uint64_t x = 0; x < h->labels->width; ++x) {
        unsigned char *rgb = row + 3 * x;
        if (heatmap_is_valid(h, image, first + x))
            heatmap_colour(tau > 0.0f ? h->weights[first + x] / tau : 0.0f, rgb);
        else
            memset(rgb, GREY, 3);
    }
}

static void write_image(struct writer *writer, const struct heatmap *h) {
    const struct labels *l = h->labels;
    const uint64_t rows = h->logits->images * l->height;
    char key[] = "Description",
         words[] = "loss max-pooling weights over tau: black 0 to light yellow 1; grey not valid";
    png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = key, .text = words, .text_length = strlen(words)};
    png_set_write_fn(writer->png, writer, on_write, on_flush);
    png_set_user_limits(writer->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(writer->png, writer->info, (png_uint_32)l->width, (png_uint_32)rows, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(writer->png, writer->info, &text, 1);
    png_write_info(writer->png, writer->info);
    for (uint64_t y = 0; y < rows; ++y) {
        fill_row(h, y / l->height, y * l->width, writer->row);
        png_write_row(writer->png, writer->row);
    }
    png_write_end(writer->png, writer->info);
}

bool heatmap_write(const struct heatmap *heatmap, struct output *output, struct failure *failure) {
    struct writer writer = {.output = output, .failure = failure};
    struct writer *const kept = &writer; /* its address is all that must survive a longjmp */
    kept->row = malloc((size_t)heatmap->labels->width * 3);
    kept->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, kept, on_error, on_warning);
    kept->info = kept->png != NULL ? png_create_info_struct(kept->png) : NULL;
    if (kept->row == NULL || kept->info == NULL)
        fail_memory(failure, output->path);
    else if (setjmp(png_jmpbuf(kept->png)) == 0)
        write_image(kept, heatmap);
    png_destroy_write_struct(&kept->png, &kept->info);
    free(kept->row);
    return failure->code == 0;
}

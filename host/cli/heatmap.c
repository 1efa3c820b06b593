/* SPDX-License-Identifier: Apache-2.0 */
#include "heatmap.h"

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

bool heatmap_check(const struct labels *labels, const char *path, struct failure *failure) {
    if (labels->width > PNG_MOST || labels->height > PNG_MOST || labels->planes > PNG_MOST / labels->height)
        return fail_with(failure, EXIT_OF_INPUT,
                         "cannot write %s: %" PRIu64 " images of %" PRIu64 "x%" PRIu64 " are too large for a PNG", path,
                         labels->planes, labels->height, labels->width);
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

static void fill_row(const struct heatmap *h, uint64_t plane, uint64_t first, unsigned char *row) {
    const float tau = h->taus[plane];
    for (uint64_t x = 0; x < h->labels->width; ++x) {
        unsigned char *rgb = row + 3 * x;
        if (h->means[first + x] > 0.0f)
            heatmap_colour(tau > 0.0f ? h->weights[first + x] / tau : 0.0f, rgb);
        else
            memset(rgb, GREY, 3);
    }
}

static void write_image(struct writer *writer, const struct heatmap *h) {
    const struct labels *l = h->labels;
    const uint64_t rows = l->planes * l->height;
    char key[] = "Description",
         words[] = "loss max-pooling weights over tau: black 0 to light yellow 1; grey not valid";
    png_text note = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = key, .text = words, .text_length = strlen(words)};
    png_set_write_fn(writer->png, writer, on_write, on_flush);
    png_set_user_limits(writer->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(writer->png, writer->info, (png_uint_32)l->width, (png_uint_32)rows, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(writer->png, writer->info, &note, 1);
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

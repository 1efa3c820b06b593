/* SPDX-License-Identifier: Apache-2.0 */
#include "png_labels.h"

#include <inttypes.h>
#include <png.h>
#include <stdlib.h>

/* Bytes that one byte of a deflate stream can become: 258 for two bits, says RFC 1951, less what leads in. */
#define MOST_INFLATED 1032
/* Of an image that comes through a pipe: libpng takes memory for rows before it has read any.  Its own default. */
#define MOST_PIPED 1000000

/* libpng leaves by longjmp, so what outlives that is here and not in local variables. */
struct png_labels {
    png_structp png;
    png_infop info;
    struct input *input;
    struct failure *failure;
    size_t height, width;
};

bool png_is(const struct input *input) {
    return input->head_size >= 8 && png_sig_cmp((png_const_bytep)input->head, 0, 8) == 0;
}

static void on_error(png_structp png, png_const_charp message) {
    struct png_labels *labels = png_get_error_ptr(png);
    fail_with(labels->failure, EXIT_OF_INPUT, "%s is a damaged PNG: %s", labels->input->path, message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep bytes, size_t size) {
    struct png_labels *labels = png_get_io_ptr(png);
    size_t got = 0;
    if (!input_read(labels->input, bytes, size, &got, labels->failure) || got < size)
        png_error(png, "the file ends early");
}

static bool check_kind(const struct png_labels *labels) {
    const int colour = png_get_color_type(labels->png, labels->info);
    const int depth = png_get_bit_depth(labels->png, labels->info);
    if ((colour == PNG_COLOR_TYPE_PALETTE || colour == PNG_COLOR_TYPE_GRAY) && depth <= 8)
        return true;
    const char *kind = colour == PNG_COLOR_TYPE_GRAY         ? "grey"
                       : colour == PNG_COLOR_TYPE_GRAY_ALPHA ? "grey with alpha"
                       : colour == PNG_COLOR_TYPE_RGB        ? "RGB"
                                                             : "RGBA";
    return fail_with(labels->failure, EXIT_OF_INPUT, "%s is a %s PNG of %d bits, expected 8-bit grey or palette",
                     labels->input->path, kind, depth);
}

/* Whether the file is as large as an image of this size is at least: else memory would be taken for nothing. */
static bool check_size(const struct png_labels *labels) {
    const struct input *input = labels->input;
    const uint64_t row = png_get_rowbytes(labels->png, labels->info); /* at most 2^31, as the height */
    if (!input->sized || row * labels->height / MOST_INFLATED <= input->size)
        return true;
    return fail_with(labels->failure, EXIT_OF_INPUT, "%s is %zu x %zu pixels, more than its %" PRIu64 " bytes can hold",
                     input->path, labels->height, labels->width, input->size);
}

static bool read_info(struct png_labels *labels) {
    if (setjmp(png_jmpbuf(labels->png)) != 0)
        return false;
    const png_uint_32 most = labels->input->sized ? PNG_UINT_31_MAX : MOST_PIPED;
    png_set_read_fn(labels->png, labels, on_read);
    png_set_user_limits(labels->png, most, most);
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    /* Texts, profiles and the like are skipped: libpng takes the memory that they say they need, be it 2 GiB. */
    png_set_keep_unknown_chunks(labels->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
#endif
    png_read_info(labels->png, labels->info);
    labels->height = png_get_image_height(labels->png, labels->info);
    labels->width = png_get_image_width(labels->png, labels->info);
    return check_kind(labels) && check_size(labels);
}

struct png_labels *png_labels_open(struct input *input, uint64_t *height, uint64_t *width, struct failure *failure) {
    struct png_labels *labels = calloc(1, sizeof *labels);
    if (labels == NULL) {
        fail_memory(failure, input->path);
        return NULL;
    }
    labels->input = input;
    labels->failure = failure;
    labels->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, labels, on_error, on_warning);
    labels->info = labels->png != NULL ? png_create_info_struct(labels->png) : NULL;
    if (labels->info == NULL)
        fail_memory(failure, input->path);
    if (labels->info == NULL || !read_info(labels)) {
        png_labels_close(labels);
        return NULL;
    }
    *height = labels->height;
    *width = labels->width;
    return labels;
}

/* Row by row: libpng's own way to read an image wants a pointer to each. */
static void read_rows(const struct png_labels *labels, uint8_t *bytes) {
    for (int pass = png_set_interlace_handling(labels->png); pass > 0; --pass)
        for (size_t i = 0; i < labels->height; ++i)
            png_read_row(labels->png, bytes + i * labels->width, NULL);
}

bool png_labels_read(struct png_labels *labels, uint8_t *bytes) {
    if (setjmp(png_jmpbuf(labels->png)) != 0)
        return false;
    png_set_packing(labels->png); /* one byte a pixel, and the value as it is */
    png_set_interlace_handling(labels->png);
    png_read_update_info(labels->png, labels->info);
    if (png_get_rowbytes(labels->png, labels->info) != labels->width)
        png_error(labels->png, "its rows have another length than its width");
    read_rows(labels, bytes);
    png_read_end(labels->png, NULL);
    return true;
}

void png_labels_close(struct png_labels *labels) {
    if (labels == NULL)
        return;
    png_destroy_read_struct(&labels->png, &labels->info, NULL);
    free(labels);
}

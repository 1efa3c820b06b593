/* SPDX-License-Identifier: Apache-2.0 */
#include "png_labels.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

/* libpng leaves by longjmp, so what outlives that is here and not in local variables. */
struct png_labels {
    png_structp png;
    png_infop info;
    struct input *input;
    struct failure *failure;
    png_bytepp rows;
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

static bool read_info(struct png_labels *labels) {
    if (setjmp(png_jmpbuf(labels->png)) != 0)
        return false;
    png_set_read_fn(labels->png, labels, on_read);
    png_set_user_limits(labels->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* the caller compares with the logits */
    png_read_info(labels->png, labels->info);
    labels->height = png_get_image_height(labels->png, labels->info);
    labels->width = png_get_image_width(labels->png, labels->info);
    return check_kind(labels);
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

bool png_labels_read(struct png_labels *labels, uint8_t *bytes, struct failure *failure) {
    labels->rows = calloc(labels->height, sizeof *labels->rows);
    if (labels->rows == NULL)
        return fail_memory(failure, labels->input->path);
    for (size_t i = 0; i < labels->height; ++i)
        labels->rows[i] = bytes + i * labels->width;
    if (setjmp(png_jmpbuf(labels->png)) != 0)
        return false;
    png_set_packing(labels->png); /* one byte a pixel, and the value as it is */
    png_set_interlace_handling(labels->png);
    png_read_update_info(labels->png, labels->info);
    if (png_get_rowbytes(labels->png, labels->info) != labels->width)
        png_error(labels->png, "its rows have another length than its width");
    png_read_image(labels->png, labels->rows);
    png_read_end(labels->png, NULL);
    return true;
}

void png_labels_close(struct png_labels *labels) {
    if (labels == NULL)
        return;
    png_destroy_read_struct(&labels->png, &labels->info, NULL);
    free(labels->rows);
    free(labels);
}

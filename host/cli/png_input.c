/* SPDX-License-Identifier: Apache-2.0 */
#include "png_input.h"

#include <inttypes.h>
#include <png.h>
#include <stdlib.h>

/* Bytes that one byte of a deflate stream can become: 258 for two bits, says RFC 1951, less what leads in. */
#define MOST_INFLATED 1032
/* Of an image that comes through a pipe: libpng takes memory for rows before it has read any.  Its own default. */
#define MOST_PIPED 1000000
/* Bytes of a chunk other than the image: Exif data come with a thumbnail of at most 64 KiB. */
#define MOST_CHUNK (1 << 20)

/* libpng leaves by longjmp, so what outlives that is here and not in local variables. */
struct png_input {
    png_structp png;
    png_infop info;
    struct input *input;
    struct failure *failure;
    struct png_facts facts;
};

bool png_is(const struct input *input) {
    return input->head_size >= 8 && png_sig_cmp((png_const_bytep)input->head, 0, 8) == 0;
}

static void on_error(png_structp png, png_const_charp message) {
    struct png_input *self = png_get_error_ptr(png);
    fail_with(self->failure, EXIT_OF_INPUT, "%s is a damaged PNG: %s", self->input->path, message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep bytes, size_t size) {
    struct png_input *self = png_get_io_ptr(png);
    size_t got = 0;
    if (!input_read(self->input, bytes, size, &got, self->failure) || got < size)
        png_error(png, "the file ends early");
}

static void find_facts(struct png_input *self) {
    const int colour = png_get_color_type(self->png, self->info);
    png_colorp palette = NULL;
    int colours = 0;
    if (colour == PNG_COLOR_TYPE_PALETTE)
        (void)png_get_PLTE(self->png, self->info, &palette, &colours);
    self->facts = (struct png_facts){
        .height = png_get_image_height(self->png, self->info),
        .width = png_get_image_width(self->png, self->info),
        .kind = colour == PNG_COLOR_TYPE_GRAY         ? PNG_GREY
                : colour == PNG_COLOR_TYPE_GRAY_ALPHA ? PNG_GREY_ALPHA
                : colour == PNG_COLOR_TYPE_PALETTE    ? PNG_PALETTE
                : colour == PNG_COLOR_TYPE_RGB        ? PNG_RGB
                                                      : PNG_RGBA,
        .depth = png_get_bit_depth(self->png, self->info),
        .colours = (unsigned)colours,
    };
}

/* Whether the file is as large as an image of this size is at least: else memory would be taken for nothing. */
static bool check_size(const struct png_input *self) {
    const struct input *input = self->input;
    const uint64_t row = png_get_rowbytes(self->png, self->info);
    if (!input->sized || row <= ((input->size + 1) * MOST_INFLATED - 1) / self->facts.height)
        return true;
    return fail_with(self->failure, EXIT_OF_INPUT, "%s is %zu x %zu pixels, more than its %" PRIu64 " bytes can hold",
                     input->path, self->facts.height, self->facts.width, input->size);
}

static bool read_info(struct png_input *self) {
    if (setjmp(png_jmpbuf(self->png)) != 0)
        return false;
    const png_uint_32 most = self->input->sized ? PNG_UINT_31_MAX : MOST_PIPED;
    png_set_read_fn(self->png, self, on_read);
    png_set_user_limits(self->png, most, most);
    png_set_chunk_malloc_max(self->png, MOST_CHUNK);
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    /* Texts, profiles and the like are skipped: libpng takes the memory that they say they need, be it 2 GiB. */
    png_set_keep_unknown_chunks(self->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    /* Of what it does not know, it takes no more than it is told to. */
    png_set_keep_unknown_chunks(self->png, PNG_HANDLE_CHUNK_ALWAYS, (png_const_bytep) "eXIf", 1);
#endif
    png_read_info(self->png, self->info);
    find_facts(self);
    return check_size(self);
}

struct png_input *png_input_open(struct input *input, struct png_facts *facts, struct failure *failure) {
    struct png_input *self = calloc(1, sizeof *self);
    if (self == NULL) {
        fail_memory(failure, input->path);
        return NULL;
    }
    self->input = input;
    self->failure = failure;
    self->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, self, on_error, on_warning);
    self->info = self->png != NULL ? png_create_info_struct(self->png) : NULL;
    if (self->info == NULL)
        fail_memory(failure, input->path);
    if (self->info == NULL || !read_info(self)) {
        png_input_close(self);
        return NULL;
    }
    *facts = self->facts;
    return self;
}

/* Row by row: libpng's own way to read an image wants a pointer to each.  What follows the image is read, too. */
static void read_rows(const struct png_input *self, uint8_t *bytes, size_t row, size_t stride) {
    png_set_interlace_handling(self->png);
    png_read_update_info(self->png, self->info);
    if (png_get_rowbytes(self->png, self->info) != row)
        png_error(self->png, "its rows have another length than its width");
    for (int pass = png_set_interlace_handling(self->png); pass > 0; --pass)
        for (size_t i = 0; i < self->facts.height; ++i)
            png_read_row(self->png, bytes + i * stride, NULL);
    png_read_end(self->png, self->info);
}

bool png_input_values(struct png_input *png, void *values) {
    if (setjmp(png_jmpbuf(png->png)) != 0)
        return false;
    png_set_packing(png->png); /* one byte a pixel, and the value as it is */
    png_set_swap(png->png);    /* files are big endian */
    const size_t row = png->facts.width * (png->facts.depth == 16 ? 2 : 1);
    read_rows(png, values, row, row);
    return true;
}

/* Colours of indices at the start of each row.  One without a colour is as grey as it is high, as Pillow has it. */
static void expand(const struct png_input *self, uint8_t *rgb) {
    uint8_t table[256][3];
    png_colorp palette = NULL;
    int colours = 0;
    (void)png_get_PLTE(self->png, self->info, &palette, &colours);
    for (int i = 0; i < 256; ++i) {
        table[i][0] = i < colours ? palette[i].red : (uint8_t)i;
        table[i][1] = i < colours ? palette[i].green : (uint8_t)i;
        table[i][2] = i < colours ? palette[i].blue : (uint8_t)i;
    }
    for (size_t y = 0; y < self->facts.height; ++y) {
        uint8_t *row = rgb + 3 * y * self->facts.width;
        for (size_t x = self->facts.width; x-- > 0;) {
            const uint8_t *colour = table[row[x]];
            for (size_t i = 0; i < 3; ++i)
                row[3 * x + i] = colour[i];
        }
    }
}

bool png_input_rgb(struct png_input *png, uint8_t *rgb) {
    if (setjmp(png_jmpbuf(png->png)) != 0)
        return false;
    if (png->facts.kind == PNG_PALETTE) {
        png_set_packing(png->png);
        read_rows(png, rgb, png->facts.width, 3 * png->facts.width);
        expand(png, rgb);
        return true;
    }
    if (png->facts.kind == PNG_GREY || png->facts.kind == PNG_GREY_ALPHA) {
        png_set_expand_gray_1_2_4_to_8(png->png);
        png_set_gray_to_rgb(png->png);
    }
    png_set_strip_16(png->png);
    png_set_strip_alpha(png->png);
    read_rows(png, rgb, 3 * png->facts.width, 3 * png->facts.width);
    return true;
}

const uint8_t *png_input_exif(const struct png_input *png, size_t *size) {
    *size = 0;
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    png_unknown_chunkp chunks = NULL;
    if (png_get_unknown_chunks(png->png, png->info, &chunks) > 0) {
        *size = chunks[0].size;
        return chunks[0].data;
    }
#else
    (void)png;
#endif
    return NULL;
}

void png_input_close(struct png_input *png) {
    if (png == NULL)
        return;
    png_destroy_read_struct(&png->png, &png->info, NULL);
    free(png);
}

/*
 * What pictures become: PNG of every kind with every chunk that might change a pixel, JPEG of every colour space, files
 * with a byte too many or too few, and pictures that a camera took on its side.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include "exif.h"
#include "image.h"

#include <malloc.h>
#include <png.h>
#include <stdio.h> /* before jpeglib.h */

#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 19, HEIGHT = 11, PIXELS = WIDTH * HEIGHT };

/* The line of a refusal, or NULL; valid until the next call.  Memory that nothing writes differs from run to run. */
static const char *read_picture(const char *name, struct image *image) {
    static char line[2048];
    static int perturbed;
    struct failure failure = {.code = 0};
    mallopt(M_PERTURB, ++perturbed);
    const bool good = image_read(name, image, &failure);
    mallopt(M_PERTURB, 0);
    ck_assert(good == (failure.code == 0) && good == (image->rgb != NULL));
    ck_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL));
    if (!good)
        snprintf(line, sizeof line, "%s", failure.line);
    failure_clear(&failure);
    return good ? NULL : line;
}

static void assert_pixels(const char *name, size_t height, size_t width, const uint8_t *expected) {
    for (int again = 0; again < 2; ++again) {
        struct image image;
        const char *line = read_picture(name, &image);
        ck_assert_msg(line == NULL, "%s", line);
        ck_assert_msg(image.height == height && image.width == width, "%s is %zu x %zu", name, image.width,
                      image.height);
        for (size_t i = 0; i < 3 * height * width; ++i)
            ck_assert_msg(image.rgb[i] == expected[i], "%s: byte %zu is %d, not %d", name, i, image.rgb[i],
                          expected[i]);
        free(image.rgb);
    }
}

static void assert_unreadable(const char *name, const char *words) {
    struct image image;
    const char *line = read_picture(name, &image);
    ck_assert_msg(line != NULL && strstr(line, name) != NULL && strstr(line, words) != NULL, "%s: %s", name, line);
}

/* -------------------------------------------------------------------------------------------------------------- PNG */

enum extra { PLAIN, TRANSPARENT, GAMMA, SRGB, INTERLACED, EXTRAS };

/* Numbers of a pixel; alpha, where there is one, is anything from 0 to 255. */
static int channels_of(int colour) {
    return colour == PNG_COLOR_TYPE_RGB          ? 3
           : colour == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
           : colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                                 : 1;
}

static void set_extra(png_structp png, png_infop info, int colour, enum extra extra) {
    png_byte alphas[2] = {0, 128};
    png_color_16 clear = {.gray = 1, .red = 1, .green = 2, .blue = 3};
    if (extra == TRANSPARENT && colour == PNG_COLOR_TYPE_PALETTE)
        png_set_tRNS(png, info, alphas, 2, NULL);
    else if (extra == TRANSPARENT && (colour & PNG_COLOR_MASK_ALPHA) == 0)
        png_set_tRNS(png, info, NULL, 0, &clear);
    if (extra == GAMMA)
        png_set_gAMA(png, info, 1.0);
    if (extra == SRGB)
        png_set_sRGB_gAMA_and_cHRM(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
}

/* Writes random pixels and returns in `rgb` what they are: of 16 bits the upper 8, of fewer as much of 255. */
static void write_kind(const char *name, int colour, int depth, enum extra extra, const uint8_t *exif, size_t exif_size,
                       uint8_t *rgb) {
    struct rng rng = rng_for("pictures", (uint64_t)(colour * 1000 + depth * 10 + (int)extra));
    const int channels = channels_of(colour);
    png_color palette[256];
    for (int i = 0; i < 256; ++i)
        palette[i] = (png_color){(png_byte)rng_next(&rng), (png_byte)rng_next(&rng), (png_byte)rng_next(&rng)};
    FILE *file = fopen(name, "wb");
    ck_assert(file != NULL);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    png_set_IHDR(png, info, WIDTH, HEIGHT, depth, colour, extra == INTERLACED ? PNG_INTERLACE_ADAM7 : 0, 0, 0);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << depth);
    set_extra(png, info, colour, extra);
    if (exif != NULL)
        png_set_eXIf_1(png, info, (png_uint_32)exif_size, (png_bytep)(uintptr_t)exif);
    png_write_info(png, info);
    uint8_t rows[HEIGHT][WIDTH * 8] = {{0}};
    for (size_t y = 0; y < HEIGHT; ++y)
        for (size_t x = 0; x < WIDTH; ++x) {
            unsigned value[4] = {0};
            for (int c = 0; c < channels; ++c) {
                const size_t at = x * (size_t)channels + (size_t)c, bit = at * (size_t)depth;
                value[c] = (unsigned)rng_below(&rng, 1u << depth);
                if (depth == 16)
                    rows[y][2 * at] = (uint8_t)(value[c] >> 8), rows[y][2 * at + 1] = (uint8_t)value[c];
                else
                    rows[y][bit / 8] |= (uint8_t)(value[c] << (8 - depth - (int)(bit % 8)));
                value[c] = depth == 16 ? value[c] >> 8 : value[c] * 255 / ((1u << depth) - 1);
            }
            const png_color entry = palette[value[0] * ((1u << (depth & 15)) - 1) / 255];
            uint8_t *to = rgb + 3 * (y * WIDTH + x);
            for (int c = 0; c < 3; ++c)
                to[c] = (uint8_t)value[channels < 3 ? 0 : c];
            if (colour == PNG_COLOR_TYPE_PALETTE)
                memcpy(to, &entry, 3);
        }
    for (int pass = png_set_interlace_handling(png); pass > 0; --pass)
        for (size_t y = 0; y < HEIGHT; ++y)
            png_write_row(png, rows[y]);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    ck_assert(fclose(file) == 0);
}

static const struct {
    int colour, depth;
} kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1},       {PNG_COLOR_TYPE_GRAY, 2},        {PNG_COLOR_TYPE_GRAY, 4},
    {PNG_COLOR_TYPE_GRAY, 8},       {PNG_COLOR_TYPE_GRAY, 16},       {PNG_COLOR_TYPE_PALETTE, 1},
    {PNG_COLOR_TYPE_PALETTE, 2},    {PNG_COLOR_TYPE_PALETTE, 4},     {PNG_COLOR_TYPE_PALETTE, 8},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 8}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {PNG_COLOR_TYPE_RGB, 8},
    {PNG_COLOR_TYPE_RGB, 16},       {PNG_COLOR_TYPE_RGB_ALPHA, 8},   {PNG_COLOR_TYPE_RGB_ALPHA, 16},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(alpha_gamma_and_depth_change_no_colour) {
    uint8_t rgb[3 * PIXELS];
    for (int extra = 0; extra < EXTRAS; ++extra) {
        write_kind("kind.png", kinds[_i].colour, kinds[_i].depth, (enum extra)extra, NULL, 0, rgb);
        assert_pixels("kind.png", HEIGHT, WIDTH, rgb);
    }
}
END_TEST

START_TEST(sixteen_bits_are_the_upper_eight) {
    static const unsigned char rows[8] = {163, 163, 254, 254, 203, 203, 114, 114};
    static const uint8_t rgb[12] = {163, 163, 163, 254, 254, 254, 203, 203, 203, 114, 114, 114};
    write_png("deep.png", 4, 1, 16, PNG_COLOR_TYPE_GRAY, false, rows); /* v * 257 */
    assert_pixels("deep.png", 1, 4, rgb);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------- JPEG */

struct jpeg_style {
    J_COLOR_SPACE in, stored;
    int components;
    bool progressive;
    const uint8_t *exif;
    size_t exif_size;
};

static void write_style(const char *name, const struct jpeg_style *style, const uint8_t *samples) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(name, "wb");
    ck_assert(file != NULL);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = style->components;
    jpeg.in_color_space = style->in;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, style->stored);
    jpeg_set_quality(&jpeg, 100, TRUE);
    for (int c = 0; c < jpeg.num_components; ++c)
        jpeg.comp_info[c].h_samp_factor = jpeg.comp_info[c].v_samp_factor = 1;
    if (style->progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (style->exif != NULL)
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, style->exif, (unsigned)style->exif_size);
    while (jpeg.next_scanline < HEIGHT) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)samples + (size_t)style->components * WIDTH * jpeg.next_scanline;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    ck_assert(fclose(file) == 0);
}

/* Smooth, so that little is lost. */
static void make_samples(int components, uint8_t *samples) {
    for (size_t y = 0; y < HEIGHT; ++y)
        for (size_t x = 0; x < WIDTH; ++x)
            for (size_t c = 0; c < (size_t)components; ++c)
                samples[(y * WIDTH + x) * (size_t)components + c] = (uint8_t)(c == 0   ? 40 + 9 * x
                                                                              : c == 1 ? 230 - 12 * y
                                                                              : c == 2 ? 60 + 4 * x + 6 * y
                                                                                       : 250 - 5 * x);
}

static const struct jpeg_style styles[] = {
    {JCS_RGB, JCS_YCbCr, 3, false, NULL, 0}, {JCS_RGB, JCS_YCbCr, 3, true, NULL, 0},
    {JCS_RGB, JCS_RGB, 3, false, NULL, 0},   {JCS_GRAYSCALE, JCS_GRAYSCALE, 1, false, NULL, 0},
    {JCS_CMYK, JCS_CMYK, 4, false, NULL, 0}, {JCS_CMYK, JCS_YCCK, 4, true, NULL, 0},
};
enum { STYLES = sizeof styles / sizeof *styles };

START_TEST(jpegs_of_every_colour_space_are_read) {
    uint8_t samples[4 * PIXELS];
    struct image image;
    const int components = styles[_i].components;
    make_samples(components, samples);
    write_style("style.jpg", &styles[_i], samples);
    const char *line = read_picture("style.jpg", &image);
    ck_assert_msg(line == NULL && image.height == HEIGHT && image.width == WIDTH, "%s", line);
    ck_assert_str_eq(image.warning, "");
    for (size_t i = 0; i < PIXELS; ++i)
        for (size_t c = 0; c < 3; ++c) {
            /* 255 is no ink, and light is what both inks leave */
            const uint8_t *s = samples + i * (size_t)components;
            const double want = components == 4 ? s[c] * s[3] / 255.0 : components == 3 ? s[c] : s[0];
            const double more = image.rgb[3 * i + c] - want;
            ck_assert_msg(more > -5.0 && more < 5.0, "pixel %zu is %d, not %g", i, image.rgb[3 * i + c], want);
        }
    free(image.rgb);
}
END_TEST

static size_t put_in(char *bytes, size_t size, size_t at, size_t more) {
    memmove(bytes + at + more, bytes + at, size - at);
    memset(bytes + at, 0x33, more);
    return size + more;
}

START_TEST(bytes_between_the_parts_of_a_jpeg_are_a_warning) {
    uint8_t samples[3 * PIXELS];
    struct image image;
    size_t size;
    make_samples(3, samples);
    write_style("whole.jpg", &styles[0], samples);
    ck_assert_ptr_null(read_picture("whole.jpg", &image));
    char *whole = read_file("whole.jpg", &size), *bytes = malloc(size + 300);
    size_t table = 2;
    while (memcmp(whole + table, "\xff\xdb", 2) != 0)
        ++table;
    for (int i = 0; i < 2; ++i) {
        memcpy(bytes, whole, size);
        const size_t more = i == 0 ? 300 : 2;
        const size_t longer = put_in(bytes, size, i == 0 ? size - 2 : table, more);
        write_file("more.jpg", bytes, longer);
        assert_pixels("more.jpg", HEIGHT, WIDTH, image.rgb);
        struct image again;
        ck_assert_ptr_null(read_picture("more.jpg", &again));
        ck_assert_msg(strstr(again.warning, "extraneous bytes") != NULL, "%s", again.warning);
        free(again.rgb);
    }
    free(image.rgb);
    free(bytes);
    free(whole);
}
END_TEST

START_TEST(every_part_of_a_jpeg_is_refused) {
    uint8_t samples[4 * PIXELS];
    size_t size;
    make_samples(styles[_i].components, samples);
    write_style("whole.jpg", &styles[_i], samples);
    char *bytes = read_file("whole.jpg", &size);
    for (size_t cut = 1; cut < size; cut += cut < size - 16 ? 13 : 1) {
        write_file("part.jpg", bytes, cut);
        assert_unreadable("part.jpg", cut < 2 ? "neither a PNG nor a JPEG" : "cannot read");
    }
    free(bytes);
    assert_unreadable("nothing.jpg", "No such file");
    write_file("empty.jpg", "", 0);
    assert_unreadable("empty.jpg", "is empty");
    write_file("bmp.jpg", "BM and more", 11);
    assert_unreadable("bmp.jpg", "neither a PNG nor a JPEG");
}
END_TEST

START_TEST(a_jpeg_that_lies_costs_no_memory) {
    uint8_t samples[4 * PIXELS];
    size_t size, header = 2;
    make_samples(styles[_i].components, samples);
    write_style("lie.jpg", &styles[_i], samples);
    char *bytes = read_file("lie.jpg", &size);
    while ((unsigned char)bytes[header + 1] < 0xc0 || (unsigned char)bytes[header + 1] > 0xc2) /* until the frame */
        header += 2 + 256u * (unsigned char)bytes[header + 2] + (unsigned char)bytes[header + 3];
    memcpy(bytes + header + 5, "\xff\x00\xff\x00", 4); /* height and width */
    write_file("lie.jpg", bytes, size);
    assert_unreadable("lie.jpg", "65280 x 65280 pixels, more than its");
    free(bytes);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ orientation */

/* Exif data with a tag before the orientation, in either order of bytes. */
static size_t make_exif(bool big, int orientation, uint8_t bytes[64]) {
    static const uint8_t entries[2][5] = {{0x01, 0x0f, 2, 4, 0}, {0x01, 0x12, 3, 1, 0}}; /* maker, orientation */
    size_t used = 6;
    memset(bytes, 0, 64);
    memcpy(bytes, "Exif\0", 6);
    memcpy(bytes + used, big ? "MM\0*\0\0\0\x08" : "II*\0\x08\0\0\0", 8);
    used += 8;
    bytes[used + (big ? 1 : 0)] = 2;
    used += 2;
    for (int i = 0; i < 2; ++i, used += 12) {
        uint8_t *at = bytes + used;
        at[big ? 0 : 1] = entries[i][0];
        at[big ? 1 : 0] = entries[i][1];
        at[2 + (big ? 1 : 0)] = entries[i][2];
        at[4 + (big ? 3 : 0)] = entries[i][3];
        at[8 + (big ? 1 : 0)] = i == 1 ? (uint8_t)orientation : 'x';
    }
    return used + 4; /* no further directory */
}

/* Where the pixel that is stored at row y, column x of height x width is to be seen, as Exif 2.3 says: of 6, "the 0th
 * row is the visual right-hand side, and the 0th column the visual top". */
static size_t seen_at(int orientation, size_t y, size_t x, size_t height, size_t width) {
    const size_t down = height - 1 - y, right = width - 1 - x;
    switch (orientation) {
    case 2:
        return y * width + right;
    case 3:
        return down * width + right;
    case 4:
        return down * width + x;
    case 5:
        return x * height + y;
    case 6:
        return x * height + down;
    case 7:
        return right * height + down;
    case 8:
        return right * height + y;
    default:
        return y * width + x;
    }
}

START_TEST(pictures_are_turned_as_the_camera_was_held) {
    uint8_t samples[3 * PIXELS], exif[64], rgb[3 * PIXELS], turned[3 * PIXELS];
    struct image image;
    const int orientation = _i / 2;
    const size_t size = make_exif(_i % 2 != 0, orientation, exif);
    const bool across = orientation >= 5 && orientation <= 8;
    struct jpeg_style style = styles[0];
    ck_assert_int_eq(exif_orientation(exif, size), orientation >= 1 && orientation <= 8 ? orientation : 1);
    make_samples(3, samples);
    write_style("upright.jpg", &style, samples);
    style.exif = exif;
    style.exif_size = size;
    write_style("turned.jpg", &style, samples);
    write_kind("turned.png", PNG_COLOR_TYPE_RGB, 8, PLAIN, exif + 6, size - 6, rgb);
    for (int png = 0; png < 2; ++png) {
        if (!png) {
            ck_assert_ptr_null(read_picture("upright.jpg", &image));
            memcpy(rgb, image.rgb, sizeof rgb);
            free(image.rgb);
        } else {
            write_kind("turned.png", PNG_COLOR_TYPE_RGB, 8, PLAIN, exif + 6, size - 6, rgb);
        }
        for (size_t y = 0; y < HEIGHT; ++y)
            for (size_t x = 0; x < WIDTH; ++x)
                memcpy(turned + 3 * seen_at(orientation, y, x, HEIGHT, WIDTH), rgb + 3 * (y * WIDTH + x), 3);
        assert_pixels(png ? "turned.png" : "turned.jpg", across ? WIDTH : HEIGHT, across ? HEIGHT : WIDTH, turned);
    }
}
END_TEST

/* In memory of their own size, so that a sanitizer sees a byte too many. */
START_TEST(damaged_exif_is_survived) {
    struct rng rng = rng_for("exif", (uint64_t)_i);
    uint8_t exif[64];
    for (int i = 0; i < 2000; ++i) {
        size_t size = make_exif(i % 2 != 0, 6, exif);
        for (uint64_t n = rng_below(&rng, 4); n > 0; --n)
            exif[rng_below(&rng, size)] = (uint8_t)rng_next(&rng);
        size = i < 64 ? (size_t)i : (size_t)rng_below(&rng, size + 1);
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, exif, size);
        uint8_t *exact = realloc(copy, size > 0 ? size : 1);
        const int orientation = exif_orientation(exact, size);
        ck_assert(orientation >= 1 && orientation <= 8);
        free(exact);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pictures");
    TCase *tcase = add_case(suite, "pictures", "full quick");
    tcase_add_checked_fixture(tcase, enter_folder, leave_folder);
    tcase_add_loop_test(tcase, alpha_gamma_and_depth_change_no_colour, 0, KINDS);
    tcase_add_test(tcase, sixteen_bits_are_the_upper_eight);
    tcase_add_loop_test(tcase, jpegs_of_every_colour_space_are_read, 0, STYLES);
    tcase_add_test(tcase, bytes_between_the_parts_of_a_jpeg_are_a_warning);
    tcase_add_loop_test(tcase, every_part_of_a_jpeg_is_refused, 0, STYLES);
    tcase_add_loop_test(tcase, a_jpeg_that_lies_costs_no_memory, 0, STYLES);
    tcase_add_loop_test(tcase, pictures_are_turned_as_the_camera_was_held, 0, 20);
    tcase_add_loop_test(tcase, damaged_exif_is_survived, 0, 4);
    return host_test_main(suite);
}

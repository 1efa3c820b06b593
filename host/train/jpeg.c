/* SPDX-License-Identifier: Apache-2.0 */
#include "jpeg.h"

#include "exif.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h> /* after stdio.h, which it needs */

#include <jerror.h>

/* libjpeg leaves by longjmp, so what outlives that is here and not in local variables. */
struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    jmp_buf leave;
    char message[JMSG_LENGTH_MAX];
    uint8_t *rgb;
    JSAMPLE *row; /* of CMYK */
    FILE *file;
    struct jpeg_facts *facts;
};

static void on_error(j_common_ptr jpeg) {
    struct reader *reader = jpeg->client_data;
    jpeg->err->format_message(jpeg, reader->message);
    longjmp(reader->leave, 1);
}

/* Whether libjpeg makes up a part of the picture that is not in the file, which it calls a warning, too. */
static bool is_loss(int code) {
    return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

static void on_message(j_common_ptr jpeg, int level) {
    struct reader *reader = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    if (level >= 0)
        return;
    if (is_loss(jpeg->err->msg_code))
        on_error(jpeg);
    if (reader->facts->warning[0] != '\0')
        return;
    jpeg->err->format_message(jpeg, text);
    snprintf(reader->facts->warning, JPEG_WARNING, "%s", text);
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg) {
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker != NULL; marker = marker->next)
        if (marker->data_length >= 6 && memcmp(marker->data, "Exif\0", 6) == 0)
            return exif_orientation(marker->data, marker->data_length);
    return 1;
}

/*
 * Adobe's programs store CMYK with 255 for no ink, and so does everybody since.  A colour is what the ink leaves of
 * what the black leaves; a product of two shares of 255 is rounded.
 */
static void rgb_of_cmyk(const JSAMPLE *cmyk, size_t width, uint8_t *rgb) {
    for (size_t x = 0; x < width; ++x)
        for (size_t i = 0; i < 3; ++i) {
            const unsigned light = cmyk[4 * x + 3], product = (255u - cmyk[4 * x + i]) * light + 128u;
            rgb[3 * x + i] = (uint8_t)(light - ((product + (product >> 8)) >> 8));
        }
}

/*
 * Whether the file is as large as a picture of this size is at least, else memory would be taken for nothing: each unit
 * of blocks has a Huffman code, of a bit or more; an arithmetic code is shorter where all is alike.
 */
static bool check_size(struct reader *reader) {
    const struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    struct stat status;
    if (fstat(fileno(reader->file), &status) != 0 || !S_ISREG(status.st_mode))
        return true;
    const uint64_t unit = 64u * (uint64_t)jpeg->max_h_samp_factor * (uint64_t)jpeg->max_v_samp_factor;
    const uint64_t bits = 8 * (uint64_t)status.st_size * (jpeg->arith_code ? 64 : 1);
    if ((uint64_t)jpeg->image_height * jpeg->image_width / unit <= bits)
        return true;
    snprintf(reader->message, sizeof reader->message, "it is %u x %u pixels, more than its %llu bytes can hold",
             jpeg->image_width, jpeg->image_height, (unsigned long long)status.st_size);
    return false;
}

static bool decode(struct reader *reader) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg->err = jpeg_std_error(&reader->manager);
    jpeg->client_data = reader;
    reader->manager.error_exit = on_error;
    reader->manager.emit_message = on_message;
    if (setjmp(reader->leave) != 0)
        return false;
    jpeg_create_decompress(jpeg);
    jpeg_stdio_src(jpeg, reader->file);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    if (!check_size(reader))
        return false;
    const bool inks = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    reader->facts->orientation = find_orientation(jpeg);
    jpeg_start_decompress(jpeg);
    const size_t row = (size_t)jpeg->output_width * 3;
    reader->rgb = malloc(row * jpeg->output_height);
    reader->row = inks ? malloc((size_t)jpeg->output_width * 4) : NULL;
    if (reader->rgb == NULL || (inks && reader->row == NULL)) {
        strcpy(reader->message, "out of memory");
        return false;
    }
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = reader->rgb + row * jpeg->output_scanline;
        JSAMPROW to = inks ? reader->row : rgb;
        jpeg_read_scanlines(jpeg, &to, 1);
        if (inks)
            rgb_of_cmyk(reader->row, jpeg->output_width, rgb);
    }
    reader->facts->height = jpeg->output_height;
    reader->facts->width = jpeg->output_width;
    jpeg_finish_decompress(jpeg);
    return true;
}

bool jpeg_read(const char *path, uint8_t **rgb, struct jpeg_facts *facts, struct failure *failure) {
    *rgb = NULL;
    *facts = (struct jpeg_facts){.orientation = 1};
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return fail_memory(failure, path);
    reader->facts = facts;
    reader->file = fopen(path, "rb");
    bool good = reader->file != NULL || fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, strerror(errno));
    if (good) {
        good = decode(reader) || fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, reader->message);
        jpeg_destroy_decompress(&reader->jpeg);
        fclose(reader->file);
    }
    if (good)
        *rgb = reader->rgb;
    else
        free(reader->rgb);
    free(reader->row);
    free(reader);
    return good;
}

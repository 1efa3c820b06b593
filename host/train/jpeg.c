/* SPDX-License-Identifier: Apache-2.0 */
#include "jpeg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h> /* after stdio.h, which it needs */

/* libjpeg leaves by longjmp, so what outlives that is here and not in local variables. */
struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    jmp_buf leave;
    char message[JMSG_LENGTH_MAX];
    uint8_t *rgb;
    FILE *file;
};

static void on_error(j_common_ptr jpeg) {
    struct reader *reader = jpeg->client_data;
    jpeg->err->format_message(jpeg, reader->message);
    longjmp(reader->leave, 1);
}

/* A file that ends early is a warning to libjpeg, which makes the rest up. */
static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0)
        on_error(jpeg);
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
    jpeg_read_header(jpeg, TRUE);
    jpeg->out_color_space = JCS_RGB;
    jpeg_start_decompress(jpeg);
    const size_t row = (size_t)jpeg->output_width * 3;
    reader->rgb = malloc(row * jpeg->output_height);
    if (reader->rgb == NULL) {
        strcpy(reader->message, "out of memory");
        return false;
    }
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW to = reader->rgb + row * jpeg->output_scanline;
        jpeg_read_scanlines(jpeg, &to, 1);
    }
    jpeg_finish_decompress(jpeg);
    return true;
}

bool jpeg_read(const char *path, uint8_t **rgb, size_t *height, size_t *width, struct failure *failure) {
    *rgb = NULL;
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return fail_memory(failure, path);
    reader->file = fopen(path, "rb");
    bool good = reader->file != NULL || fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, strerror(errno));
    if (good) {
        good = decode(reader) || fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, reader->message);
        *height = reader->jpeg.output_height;
        *width = reader->jpeg.output_width;
        jpeg_destroy_decompress(&reader->jpeg);
        fclose(reader->file);
    }
    if (good)
        *rgb = reader->rgb;
    else
        free(reader->rgb);
    free(reader);
    return good;
}

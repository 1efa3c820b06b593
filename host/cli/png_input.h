/*
 * PNG files: the values that they store, for labels, or red, green and blue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_PNG_INPUT_H
#define CLMP_CLI_PNG_INPUT_H

#include "input.h"

/* Whether the file begins as a PNG file does. */
bool png_is(const struct input *input);

enum png_kind { PNG_GREY, PNG_GREY_ALPHA, PNG_PALETTE, PNG_RGB, PNG_RGBA };

struct png_facts {
    size_t height, width; /* each below 2^31 */
    enum png_kind kind;
    int depth;        /* bits: 1, 2, 4, 8 or 16 */
    unsigned colours; /* of the palette */
};

struct png_input;

/* Reads all that comes before the image.  The return value is to be closed; NULL is a failure. */
struct png_input *png_input_open(struct input *input, struct png_facts *facts, struct failure *failure);

/* The stored values of a palette or grey image, height x width of them: uint16_t where they have 16 bits, else uint8_t.
 */
bool png_input_values(struct png_input *png, void *values);

/*
 * Red, green and blue of any image, height x width x 3 bytes, as viewers that know nothing of transparency and gamma
 * show it: alpha is dropped, of 16 bits the upper 8 are taken, and chunks that say how bright it was meant are ignored.
 */
bool png_input_rgb(struct png_input *png, uint8_t *rgb);

/* What an eXIf chunk holds, after either of these; NULL: there is none.  It is the file's as long as that is open. */
const uint8_t *png_input_exif(const struct png_input *png, size_t *size);

/* NULL is allowed. */
void png_input_close(struct png_input *png);

#endif /* CLMP_CLI_PNG_INPUT_H */

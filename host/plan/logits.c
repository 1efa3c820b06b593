/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/logits.h"

#include <inttypes.h>
#include <stdio.h>

#define REFUSE(...) return clmp_fail(log, CLMP_INVALID_ARGUMENT, __VA_ARGS__)

/* a b in *product, or false; below 2^63. */
static bool multiply(uint64_t a, uint64_t b, uint64_t *product) {
    if (b != 0 && a > INT64_MAX / b)
        return false;
    *product = a * b;
    return true;
}

clmp_status clmp_logits_lay_out(const clmp_plan_params *params, const struct clmp_log *log,
                                struct clmp_logits *logits) {
    if ((int)params->logits_type < CLMP_FLOAT32 || (int)params->logits_type > CLMP_BFLOAT16)
        REFUSE("logits_type is %d, expected a clmp_float_type", (int)params->logits_type);
    if (params->logits_layout != CLMP_LAYOUT_NCHW && params->logits_layout != CLMP_LAYOUT_NHWC)
        REFUSE("logits_layout is %d, expected a clmp_layout", (int)params->logits_layout);
    const bool nhwc = params->logits_layout == CLMP_LAYOUT_NHWC;
    const uint64_t classes = params->classes, height = params->logits_height, width = params->logits_width;
    const uint64_t element = params->logits_type == CLMP_FLOAT32 ? sizeof(float) : sizeof(cl_half);
    const clmp_status overflow = CLMP_SIZE_OVERFLOW;
    uint64_t row = 0, plane = 0, image = 0, all = 0;
    logits->element = (size_t)element;
    logits->pixel_stride = nhwc ? classes : 1;
    if (!multiply(width, logits->pixel_stride * element, &row))
        return clmp_fail(log, overflow, "a row of %" PRIu64 " pixels of logits is more than 2^63 bytes", width);
    const uint64_t pitch = params->logits_row_pitch != 0 ? params->logits_row_pitch : row;
    if (pitch < row || pitch % element != 0)
        REFUSE("logits_row_pitch is %" PRIu64 ", expected a multiple of %" PRIu64 " bytes, at least %" PRIu64, pitch,
               element, row);
    if (!multiply(height, pitch, &plane) || !multiply(plane, nhwc ? 1 : classes, &image) ||
        !multiply(image, params->images, &all) || all > SIZE_MAX)
        return clmp_fail(log, overflow,
                         "logits of %" PRIu64 " images of %" PRIu64 " classes of %" PRIu64 " x %" PRIu64
                         " pixels are more than 2^63 bytes",
                         params->images, classes, height, width);
    logits->row_stride = pitch / element;
    logits->class_stride = nhwc ? 1 : plane / element;
    logits->image_stride = image / element;
    logits->bytes = all - (pitch - row); /* nothing behind the last row is touched */
    logits->rows = pitch == row ? 1 : height;
    logits->pixels = pitch == row ? height * width : width;
    return CLMP_OK;
}

void clmp_logits_macros(const clmp_plan_params *params, const struct clmp_logits *logits,
                        char text[CLMP_LOGITS_MACROS]) {
    int used = 0;
    text[0] = '\0';
    if (params->logits_type != CLMP_FLOAT32)
        used += snprintf(text + used, (size_t)(CLMP_LOGITS_MACROS - used), " -DCLMP_LOGIT_TYPE=%d",
                         (int)params->logits_type);
    if (logits->pixel_stride != 1)
        used += snprintf(text + used, (size_t)(CLMP_LOGITS_MACROS - used), " -DCLMP_PIXEL_STRIDE=%" PRIu64,
                         logits->pixel_stride);
    if (clmp_is_binary(params))
        snprintf(text + used, (size_t)(CLMP_LOGITS_MACROS - used), " -DCLMP_CHANNELS=%" PRIu64, params->classes);
}

const char *clmp_label_type_name(clmp_label_type type) {
    static const char *const names[] = {"uchar", "int", "long", "ushort"};
    return names[type];
}

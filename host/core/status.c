/* SPDX-License-Identifier: Apache-2.0 */
#include "clmp/clmp.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *clmp_version(void) {
    return STRING(CLMP_VERSION_MAJOR) "." STRING(CLMP_VERSION_MINOR) "." STRING(CLMP_VERSION_PATCH);
}

/* name and text of each status, by its value */
static const char *const status_words[][2] = {
    {"CLMP_OK", "no error"},
    {"CLMP_INVALID_ARGUMENT", "an argument is not allowed"},
    {"CLMP_SIZE_OVERFLOW", "a shape is too large"},
    {"CLMP_BUFFER_TOO_SMALL", "a buffer is too small"},
    {"CLMP_BUFFER_OVERLAP", "an output overlaps another buffer"},
    {"CLMP_NO_DEVICE", "there is no OpenCL device"},
    {"CLMP_DEVICE_NOT_FOUND", "no OpenCL device matches"},
    {"CLMP_DEVICE_UNSUPPORTED", "the device lacks something that is needed"},
    {"CLMP_OUT_OF_MEMORY", "out of memory"},
    {"CLMP_BUILD_FAILED", "a kernel failed to build"},
    {"CLMP_OPENCL_ERROR", "an OpenCL call failed"},
    {"CLMP_RANKS_FAILED", "the sum over the ranks of a batch failed"},
};

static const char *word(clmp_status status, int which) {
    const size_t count = sizeof status_words / sizeof status_words[0];
    if ((int)status < 0 || (size_t)status >= count)
        return which == 0 ? "CLMP_UNKNOWN_STATUS" : "an unknown status";
    return status_words[status][which];
}

const char *clmp_status_name(clmp_status status) {
    return word(status, 0);
}

const char *clmp_status_text(clmp_status status) {
    return word(status, 1);
}

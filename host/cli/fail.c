/* SPDX-License-Identifier: Apache-2.0 */
#include "fail.h"

#include <stdarg.h>
#include <stdlib.h>

bool fail_with(struct failure *failure, int code, const char *format, ...) {
    if (failure->code != 0)
        return false;
    failure->code = code;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return false;
    const size_t size = (size_t)length + 1;
    failure->line = malloc(size);
    if (failure->line == NULL)
        return false;
    va_start(arguments, format);
    vsnprintf(failure->line, size, format, arguments);
    va_end(arguments);
    return false;
}

bool fail_memory(struct failure *failure, const char *what) {
    return fail_with(failure, EXIT_OF_INPUT, "out of memory for %s", what);
}

void failure_print(const struct failure *failure, const char *program, const char *command, FILE *stream) {
    fprintf(stream, "%s: ", program);
    if (command != NULL)
        fprintf(stream, "%s: ", command);
    const char *text = failure->line != NULL ? failure->line : "out of memory";
    for (; *text != '\0'; ++text) {
        const unsigned char byte = (unsigned char)*text;
        fputc(byte < 0x20 || byte == 0x7f ? '?' : byte, stream); /* a name may hold line ends, or worse */
    }
    fputc('\n', stream);
}

void failure_clear(struct failure *failure) {
    free(failure->line);
    *failure = (struct failure){.code = 0, .line = NULL};
}

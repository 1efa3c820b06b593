/* SPDX-License-Identifier: Apache-2.0 */
#include "fail.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A line of its own, or NULL. */
static char *line_of(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *line = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (line != NULL)
        vsnprintf(line, (size_t)length + 1, format, arguments);
    return line;
}

bool fail_with(struct failure *failure, int code, const char *format, ...) {
    if (failure->code != 0)
        return false;
    failure->code = code;
    va_list arguments;
    va_start(arguments, format);
    failure->line = line_of(format, arguments);
    va_end(arguments);
    return false;
}

void fail_before(struct failure *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *words = line_of(format, arguments);
    va_end(arguments);
    const size_t size = words != NULL && failure->line != NULL ? strlen(words) + strlen(failure->line) + 1 : 0;
    char *line = size > 0 ? realloc(words, size) : NULL;
    if (line == NULL) { /* the line alone is better than none */
        free(words);
        return;
    }
    const size_t length = strlen(line);
    memcpy(line + length, failure->line, size - length);
    free(failure->line);
    failure->line = line;
}

bool fail_memory(struct failure *failure, const char *what) {
    return fail_with(failure, EXIT_OF_INPUT, "out of memory for %s", what);
}

static void print_line(const char *program, const char *command, const char *kind, const char *text, FILE *stream) {
    fprintf(stream, "%s: ", program);
    if (command != NULL)
        fprintf(stream, "%s: ", command);
    fputs(kind, stream);
    for (; *text != '\0'; ++text) {
        const unsigned char byte = (unsigned char)*text;
        fputc(byte < 0x20 || byte == 0x7f ? '?' : byte, stream); /* a name may hold line ends, or worse */
    }
    fputc('\n', stream);
}

void failure_print(const struct failure *failure, const char *program, const char *command, FILE *stream) {
    print_line(program, command, "", failure->line != NULL ? failure->line : "out of memory", stream);
}

void note_print(const char *program, const char *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *line = line_of(format, arguments);
    va_end(arguments);
    if (line != NULL)
        print_line(program, command, "note: ", line, stderr);
    free(line);
}

void failure_clear(struct failure *failure) {
    free(failure->line);
    *failure = (struct failure){.code = 0, .line = NULL};
}

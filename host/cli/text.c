/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF: editors write it before all else */

static bool read_bytes(struct input *input, struct text *text, struct failure *failure) {
    enum { PIECE = 1 << 16 };
    size_t used = 0, got = PIECE;
    while (got == PIECE) {
        char *more = realloc(text->bytes, used + PIECE + 1);
        if (more == NULL)
            return fail_memory(failure, text->path);
        text->bytes = more;
        if (!input_read(input, text->bytes + used, PIECE, &got, failure))
            return false;
        used += got;
        text->bytes[used] = '\0';
    }
    if (used >= 2 && (memcmp(text->bytes, "\xff\xfe", 2) == 0 || memcmp(text->bytes, "\xfe\xff", 2) == 0))
        return fail_with(failure, EXIT_OF_INPUT, "%s is text in UTF-16, expected UTF-8", text->path);
    if (strlen(text->bytes) != used)
        return fail_with(failure, EXIT_OF_INPUT, "%s is no text: it has a byte 0", text->path);
    return true;
}

bool text_open(struct text *text, const char *path, struct failure *failure) {
    struct input input;
    *text = (struct text){.path = input_name(path)};
    const bool good = input_open_any(&input, path, failure) && read_bytes(&input, text, failure);
    input_close(&input);
    if (good)
        text->next = strncmp(text->bytes, mark, sizeof mark - 1) == 0 ? text->bytes + sizeof mark - 1 : text->bytes;
    return good;
}

bool text_of_string(struct text *text, const char *string, const char *name, struct failure *failure) {
    *text = (struct text){.path = name, .bytes = strdup(string)};
    text->next = text->bytes;
    return text->bytes != NULL || fail_memory(failure, name);
}

/* Cuts blanks off both ends. */
static char *trim(char *line) {
    static const char blanks[] = " \t\r\v\f";
    line += strspn(line, blanks);
    for (size_t length = strlen(line); length > 0 && strchr(blanks, line[length - 1]) != NULL;)
        line[--length] = '\0';
    return line;
}

char *text_line(struct text *text) {
    while (text->next != NULL) {
        char *line = text->next;
        text->next = strchr(line, '\n');
        if (text->next != NULL)
            *text->next++ = '\0';
        ++text->number;
        line = trim(line);
        if (line[0] != '\0' && line[0] != '#')
            return line;
    }
    return NULL;
}

void text_close(struct text *text) {
    free(text->bytes);
    text->bytes = text->next = NULL;
}

/* Bytes of the character that begins here; 0: none does. */
static size_t character(const unsigned char *at) {
    /* of each length: the bits of the first byte that say so, and the least character that needs it */
    static const struct {
        unsigned char mask, start;
        uint32_t least;
    } lengths[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t more = 0; more < 4; ++more) {
        if ((at[0] & lengths[more].mask) != lengths[more].start)
            continue;
        uint32_t value = at[0] & (unsigned char)~lengths[more].mask;
        for (size_t i = 1; i <= more; ++i) {
            if ((at[i] & 0xc0) != 0x80) /* so, too, at the end */
                return 0;
            value = value << 6 | (at[i] & 0x3f);
        }
        const bool good = value >= lengths[more].least && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
        return good ? more + 1 : 0;
    }
    return 0;
}

bool text_is_utf8(const char *bytes) {
    const unsigned char *at = (const unsigned char *)bytes;
    while (*at != '\0') {
        const size_t size = character(at);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

size_t text_cut(const char *utf8, size_t most) {
    const unsigned char *at = (const unsigned char *)utf8;
    size_t used = 0;
    for (; most > 0 && at[used] != '\0' && character(at + used) > 0; --most)
        used += character(at + used);
    return used;
}

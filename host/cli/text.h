/*
 * Text files, line by line: lists of files, splits, classes, tables of labels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_TEXT_H
#define CLMP_CLI_TEXT_H

#include "input.h"

struct text {
    const char *path; /* the caller's */
    char *bytes;      /* owned; lines that were given out are cut out of it */
    char *next;       /* NULL: the end */
    size_t number;    /* of the last line that was given out, from 1 on */
};

/* Reads a whole file; a byte order mark at its start is left out.  text_close() after a failure, too. */
bool text_open(struct text *text, const char *path, struct failure *failure);

/* Text in memory, which is copied; `name` is what failures call it. */
bool text_of_string(struct text *text, const char *string, const char *name, struct failure *failure);

/*
 * The next line that holds something, without blanks around it; NULL at the end.  Lines that begin with # are comments.
 * It stays valid until text_close().
 */
char *text_line(struct text *text);

void text_close(struct text *text);

/* Whether bytes are UTF-8: RFC 3629, so no surrogates, and nothing in more bytes than it takes. */
bool text_is_utf8(const char *bytes);

/* Bytes of the first `most` characters of UTF-8, or of all where there are fewer. */
size_t text_cut(const char *utf8, size_t most);

#endif /* CLMP_CLI_TEXT_H */

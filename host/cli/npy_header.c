/*
 * The header of a .npy file: a Python dictionary with the keys descr, fortran_order and shape, in any order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "npy_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types_known[NPY_TYPES] = {
    [NPY_BOOL] = {"bool", 1},       [NPY_UINT8] = {"uint8", 1},     [NPY_INT8] = {"int8", 1},
    [NPY_UINT16] = {"uint16", 2},   [NPY_INT16] = {"int16", 2},     [NPY_UINT32] = {"uint32", 4},
    [NPY_INT32] = {"int32", 4},     [NPY_UINT64] = {"uint64", 8},   [NPY_INT64] = {"int64", 8},
    [NPY_FLOAT16] = {"float16", 2}, [NPY_FLOAT32] = {"float32", 4}, [NPY_FLOAT64] = {"float64", 8},
};

size_t npy_type_size(enum npy_type type) {
    return types_known[type].size;
}

const char *npy_type_name(enum npy_type type) {
    return types_known[type].name;
}

char *npy_shape_text(const uint64_t *shape, size_t dims, char *text) {
    size_t used = 0;
    if (dims == 0)
        snprintf(text, NPY_SHAPE_TEXT, "a single number");
    for (size_t i = 0; i < dims; ++i)
        used += (size_t)snprintf(text + used, NPY_SHAPE_TEXT - used, i == 0 ? "%" PRIu64 : "x%" PRIu64, shape[i]);
    return text;
}

enum { DESCR_BYTES = 32 }; /* the types that are known are short; a longer one is cut, for the error's line */

struct parser {
    const char *at, *end, *path;
    struct failure *failure;
    char descr[DESCR_BYTES];
    bool fortran, has_descr, has_order, has_shape;
};

static bool malformed(struct parser *p, const char *expected) {
    return fail_with(p->failure, EXIT_OF_INPUT, "%s has a malformed .npy header, expected %s", p->path, expected);
}

static void skip_space(struct parser *p) {
    while (p->at < p->end && *p->at != '\0' && strchr(" \t\n\r\f\v", *p->at) != NULL)
        ++p->at;
}

/* Takes `c`, with the space around it. */
static bool take(struct parser *p, char c) {
    skip_space(p);
    if (p->at >= p->end || *p->at != c)
        return false;
    ++p->at;
    skip_space(p);
    return true;
}

static bool take_word(struct parser *p, const char *word) {
    const size_t length = strlen(word);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0)
        return false;
    p->at += length;
    return true;
}

static bool take_string(struct parser *p, char text[DESCR_BYTES]) {
    if (p->at >= p->end || (*p->at != '\'' && *p->at != '"'))
        return false;
    const char quote = *p->at++;
    size_t used = 0;
    for (; p->at < p->end && *p->at != quote; ++p->at) {
        if (*p->at == '\\')
            return false; /* none of the keys and types has one */
        if (used + 1 < DESCR_BYTES)
            text[used++] = *p->at == '\0' ? '?' : *p->at;
    }
    text[used] = '\0';
    if (p->at >= p->end)
        return false;
    ++p->at;
    return true;
}

/* A length: a Python int, with the L that Python 2 wrote and the underscores that Python 3 allows. */
static bool take_length(struct parser *p, uint64_t *value) {
    const bool negative = p->at < p->end && *p->at == '-';
    if (p->at < p->end && (*p->at == '-' || *p->at == '+'))
        ++p->at;
    if (p->at >= p->end || *p->at < '0' || *p->at > '9')
        return malformed(p, "whole numbers in shape");
    *value = 0;
    for (; p->at < p->end; ++p->at) {
        if (*p->at == '_' && p->at + 1 < p->end && p->at[1] >= '0' && p->at[1] <= '9' && p->at[-1] != '_')
            continue;
        if (*p->at < '0' || *p->at > '9')
            break;
        const uint64_t digit = (uint64_t)(*p->at - '0');
        if (*value > (INT64_MAX - digit) / 10)
            return fail_with(p->failure, EXIT_OF_INPUT, "%s has a shape that is too large", p->path);
        *value = *value * 10 + digit;
    }
    if (p->at < p->end && (*p->at == 'L' || *p->at == 'l'))
        ++p->at;
    if (negative && *value != 0)
        return fail_with(p->failure, EXIT_OF_INPUT, "%s has a negative length in its shape", p->path);
    return true;
}

static bool take_shape(struct parser *p, struct npy_header *header) {
    if (!take(p, '('))
        return malformed(p, "a tuple as shape");
    bool comma = true;
    header->dims = 0;
    while (!take(p, ')')) {
        if (!comma)
            return malformed(p, "',' or ')' in shape");
        if (header->dims == NPY_MAX_DIMS)
            return fail_with(p->failure, EXIT_OF_INPUT, "%s has more than %d dimensions", p->path, NPY_MAX_DIMS);
        if (!take_length(p, &header->shape[header->dims]))
            return false;
        ++header->dims;
        comma = take(p, ',');
    }
    if (header->dims == 1 && !comma)
        return malformed(p, "a tuple as shape"); /* (3) is a number in brackets */
    return true;
}

static bool take_entry(struct parser *p, struct npy_header *header) {
    char key[DESCR_BYTES];
    if (!take_string(p, key))
        return malformed(p, "a quoted key");
    if (!take(p, ':'))
        return malformed(p, "':' after a key");
    bool *seen;
    if (strcmp(key, "descr") == 0) {
        seen = &p->has_descr;
        if (p->at < p->end && (*p->at == '[' || *p->at == '(' || *p->at == '{'))
            return fail_with(p->failure, EXIT_OF_INPUT, "%s has a structured type, expected plain numbers", p->path);
        if (!take_string(p, p->descr))
            return malformed(p, "a quoted type as descr");
    } else if (strcmp(key, "fortran_order") == 0) {
        seen = &p->has_order;
        p->fortran = take_word(p, "True");
        if (!p->fortran && !take_word(p, "False"))
            return malformed(p, "True or False as fortran_order");
    } else if (strcmp(key, "shape") == 0) {
        seen = &p->has_shape;
        if (!take_shape(p, header))
            return false;
    } else {
        return fail_with(p->failure, EXIT_OF_INPUT,
                         "%s has '%s' in its .npy header, expected descr, fortran_order and shape only", p->path, key);
    }
    if (*seen)
        return fail_with(p->failure, EXIT_OF_INPUT, "%s has '%s' twice in its .npy header", p->path, key);
    *seen = true;
    return true;
}

static bool take_dictionary(struct parser *p, struct npy_header *header) {
    if (!take(p, '{'))
        return malformed(p, "'{'");
    bool comma = true;
    while (!take(p, '}')) {
        if (!comma)
            return malformed(p, "',' or '}'");
        if (!take_entry(p, header))
            return false;
        comma = take(p, ',');
    }
    if (p->at != p->end)
        return malformed(p, "nothing after '}'");
    if (!p->has_descr || !p->has_order || !p->has_shape)
        return malformed(p, "descr, fortran_order and shape");
    return true;
}

static void types_text(unsigned types, char *text, size_t size) {
    size_t used = 0;
    unsigned left = 0;
    for (unsigned bits = types; bits != 0; bits &= bits - 1)
        ++left;
    for (unsigned type = 0; type < NPY_TYPES; ++type)
        if ((types & NPY_BIT(type)) != 0) {
            --left;
            used += (size_t)snprintf(text + used, size - used, "%s%s", npy_type_name((enum npy_type)type),
                                     left == 0   ? ""
                                     : left == 1 ? " or "
                                                 : ", ");
        }
}

static bool find_type(struct parser *p, unsigned types, struct npy_header *header) {
    static const char *const codes[NPY_TYPES] = {
        [NPY_BOOL] = "b1",  [NPY_UINT8] = "u1",   [NPY_INT8] = "i1",    [NPY_UINT16] = "u2",
        [NPY_INT16] = "i2", [NPY_UINT32] = "u4",  [NPY_INT32] = "i4",   [NPY_UINT64] = "u8",
        [NPY_INT64] = "i8", [NPY_FLOAT16] = "f2", [NPY_FLOAT32] = "f4", [NPY_FLOAT64] = "f8",
    };
    const char *descr = p->descr, *code = descr;
    const char order = *descr != '\0' && strchr("<>|=", *descr) != NULL ? *code++ : '=';
    char expected[128];
    types_text(types, expected, sizeof expected);
    unsigned type = 0;
    while (type < NPY_TYPES && strcmp(code, codes[type]) != 0)
        ++type;
    if (code[0] == 'O')
        return fail_with(p->failure, EXIT_OF_INPUT, "%s holds Python objects ('%s'), expected %s", p->path, descr,
                         expected);
    if (type == NPY_TYPES || (types & NPY_BIT(type)) == 0) {
        if (type == NPY_TYPES)
            return fail_with(p->failure, EXIT_OF_INPUT, "%s has type '%s', expected %s", p->path, descr, expected);
        return fail_with(p->failure, EXIT_OF_INPUT, "%s is %s ('%s'), expected %s", p->path,
                         npy_type_name((enum npy_type)type), descr, expected);
    }
    header->type = (enum npy_type)type;
    if (order == '>' && npy_type_size(header->type) > 1)
        return fail_with(p->failure, EXIT_OF_INPUT, "%s is big-endian ('%s'), expected little-endian ('<%s')", p->path,
                         descr, code);
    return true;
}

static bool count_elements(struct parser *p, struct npy_header *header) {
    char shape[NPY_SHAPE_TEXT];
    npy_shape_text(header->shape, header->dims, shape);
    for (size_t i = 0; i < header->dims; ++i)
        if (header->shape[i] == 0)
            return fail_with(p->failure, EXIT_OF_INPUT, "%s is %s, expected at least one element", p->path, shape);
    const uint64_t most = INT64_MAX / npy_type_size(header->type);
    header->elements = 1;
    for (size_t i = 0; i < header->dims; ++i) {
        if (header->elements > most / header->shape[i])
            return fail_with(p->failure, EXIT_OF_INPUT, "%s is %s, which is too large", p->path, shape);
        header->elements *= header->shape[i];
    }
    return true;
}

bool npy_parse_header(const char *text, size_t length, const char *path, unsigned types, struct npy_header *header,
                      struct failure *failure) {
    struct parser p = {.at = text, .end = text + length, .path = path, .failure = failure};
    *header = (struct npy_header){.dims = 0};
    if (!take_dictionary(&p, header) || !find_type(&p, types, header))
        return false;
    if (p.fortran)
        return fail_with(failure, EXIT_OF_INPUT, "%s is in Fortran order, expected C order (numpy.ascontiguousarray)",
                         path);
    return count_elements(&p, header);
}

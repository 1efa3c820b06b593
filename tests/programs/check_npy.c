/*
 * The readers of the command: .npy headers and data, half floats, PNG labels, and what they do with damaged bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include "labels.h"
#include "npy.h"

#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_TYPES ((1u << NPY_TYPES) - 1)

/* The line of a refusal, or NULL; valid until the next call. */
static const char *parse(const char *text, size_t length, unsigned types, struct npy_header *header) {
    static char line[2048];
    struct failure failure = {.code = 0};
    /* a copy of this size, so that a sanitizer sees a byte too many */
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, text, length);
    const bool good = npy_parse_header(copy, length, "x.npy", types, header, &failure);
    free(copy);
    ck_assert(good == (failure.code == 0));
    ck_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL));
    if (!good)
        snprintf(line, sizeof line, "%s", failure.line);
    failure_clear(&failure);
    return good ? NULL : line;
}

static const struct {
    const char *text;
    enum npy_type type;
    size_t dims;
    uint64_t shape[4];
} good_headers[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", NPY_FLOAT32, 2, {2, 3}},
    {"{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}", NPY_FLOAT32, 2, {2, 3}},
    {"{\"descr\": \"<f8\", \"fortran_order\": False, \"shape\": (7,)}", NPY_FLOAT64, 1, {7}},
    {" \t{ 'descr' :'<i8',\n'fortran_order'\t:False ,'shape':( 1 ,2,3 , 4 , ) , } \n\n", NPY_INT64, 4, {1, 2, 3, 4}},
    {"{'descr':'|u1','fortran_order':False,'shape':()}", NPY_UINT8, 0, {0}},
    {"{'descr':'<u1','fortran_order':False,'shape':(5L,)}", NPY_UINT8, 1, {5}},
    {"{'descr':'<u2','fortran_order':False,'shape':(5,)}", NPY_UINT16, 1, {5}},
    {"{'descr':'>u1','fortran_order':False,'shape':(5,)}", NPY_UINT8, 1, {5}},
    {"{'descr':'|b1','fortran_order':False,'shape':(5,)}", NPY_BOOL, 1, {5}},
    {"{'descr':'|i1','fortran_order':False,'shape':(5,)}", NPY_INT8, 1, {5}},
    {"{'descr':'<i2','fortran_order':False,'shape':(5,)}", NPY_INT16, 1, {5}},
    {"{'descr':'<u4','fortran_order':False,'shape':(5,)}", NPY_UINT32, 1, {5}},
    {"{'descr':'<u8','fortran_order':False,'shape':(5,)}", NPY_UINT64, 1, {5}},
    {"{'descr':'=i4','fortran_order':False,'shape':(1_000, +2)}", NPY_INT32, 2, {1000, 2}},
    {"{'descr':'f2','fortran_order':False,'shape':(1, 1, 1)}", NPY_FLOAT16, 3, {1, 1, 1}},
};

START_TEST(headers_are_read_however_they_are_written) {
    struct npy_header header;
    const char *line = parse(good_headers[_i].text, strlen(good_headers[_i].text), ALL_TYPES, &header);
    ck_assert_msg(line == NULL, "%s: %s", good_headers[_i].text, line);
    ck_assert(header.type == good_headers[_i].type && header.dims == good_headers[_i].dims);
    uint64_t elements = 1;
    for (size_t i = 0; i < header.dims; ++i) {
        ck_assert(header.shape[i] == good_headers[_i].shape[i]);
        elements *= header.shape[i];
    }
    ck_assert(header.elements == elements);
}
END_TEST

#define F4 "'descr': '<f4', "
#define C_ORDER "'fortran_order': False, "
static const struct {
    const char *text, *words;
} bad_headers[] = {
    {"", "expected '{'"},
    {"[]", "expected '{'"},
    {"{}", "descr, fortran_order and shape"},
    {"{" F4 C_ORDER "}", "descr, fortran_order and shape"},
    {"{" F4 C_ORDER "'shape': (2, 3)", "',' or '}'"},
    {"{" F4 C_ORDER "'shape': (2, 3", "',' or ')'"},
    {"{" F4 C_ORDER "'shape': (2 3)}", "',' or ')'"},
    {"{" F4 C_ORDER "'shape': (3)}", "tuple"},
    {"{" F4 C_ORDER "'shape': 3}", "tuple"},
    {"{" F4 C_ORDER "'shape': [3, 4]}", "tuple"},
    {"{" F4 C_ORDER "'shape': (,)}", "whole numbers"},
    {"{" F4 C_ORDER "'shape': (1.5, 2)}", "',' or ')'"},
    {"{" F4 C_ORDER "'shape': (1__0, 2)}", "',' or ')'"},
    {"{" F4 C_ORDER "'shape': (-1, 2)}", "negative"},
    {"{" F4 C_ORDER "'shape': (0, 2)}", "0x2"},
    {"{" F4 C_ORDER "'shape': (99999999999999999999,)}", "too large"},
    {"{" F4 C_ORDER "'shape': (4294967296, 4294967296)}", "4294967296x4294967296"},
    {"{" F4 C_ORDER "'shape': (9223372036854775807,)}", "too large"},
    {"{" F4 C_ORDER "'shape': (2, 3)} x", "nothing after '}'"},
    {"{" F4 C_ORDER "'shape': (2, 3), 'more': 1}", "'more'"},
    {"{" F4 C_ORDER C_ORDER "'shape': (2, 3)}", "'fortran_order' twice"},
    {"{" F4 "'fortran_order': True, 'shape': (2, 3)}", "Fortran order"},
    {"{" F4 "'fortran_order': 0, 'shape': (2, 3)}", "True or False"},
    {"{'descr': '<f4, " C_ORDER "'shape': (2, 3)}", "',' or '}'"},
    {"{descr: '<f4', " C_ORDER "'shape': (2, 3)}", "quoted key"},
    {"{'descr' '<f4', " C_ORDER "'shape': (2, 3)}", "':'"},
    {"{'descr': '>f4', " C_ORDER "'shape': (2, 3)}", "big-endian ('>f4')"},
    {"{'descr': '<c8', " C_ORDER "'shape': (2, 3)}", "'<c8'"},
    {"{'descr': '<f16', " C_ORDER "'shape': (2, 3)}", "'<f16'"},
    {"{'descr': '', " C_ORDER "'shape': (2, 3)}", "type ''"},
    {"{'descr': '|O', " C_ORDER "'shape': (2, 3)}", "Python objects"},
    {"{'descr': [('a', '<f4'), ('b', '<i4')], " C_ORDER "'shape': (2, 3)}", "structured"},
    {"{'descr': ('<f4', (2,)), " C_ORDER "'shape': (2, 3)}", "structured"},
    {"{'descr': 4, " C_ORDER "'shape': (2, 3)}", "quoted type"},
    {"{'descr': '<f4\\x00', " C_ORDER "'shape': (2, 3)}", "quoted type"},
    {"{'descr': '", "quoted type"},
    {"{'", "quoted key"},
};

START_TEST(headers_that_are_not_understood_are_refused_in_words) {
    struct npy_header header;
    const char *line = parse(bad_headers[_i].text, strlen(bad_headers[_i].text), ALL_TYPES, &header);
    ck_assert_msg(line != NULL, "%s", bad_headers[_i].text);
    ck_assert_msg(strncmp(line, "x.npy ", 6) == 0 && strstr(line, bad_headers[_i].words) != NULL, "%s: %s",
                  bad_headers[_i].text, line);
}
END_TEST

START_TEST(every_part_of_a_header_is_refused) {
    static const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";
    struct npy_header header;
    for (size_t length = 0; length < strlen(text); ++length)
        ck_assert(parse(text, length, ALL_TYPES, &header) != NULL);
}
END_TEST

START_TEST(type_that_is_not_wanted_is_named_with_those_that_are) {
    static const char text[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}";
    struct npy_header header;
    ck_assert_str_eq(parse(text, strlen(text), NPY_BIT(NPY_FLOAT32), &header),
                     "x.npy is float64 ('<f8'), expected float32");
    ck_assert_str_eq(parse(text, strlen(text), NPY_BIT(NPY_UINT8) | NPY_BIT(NPY_INT32) | NPY_BIT(NPY_INT64), &header),
                     "x.npy is float64 ('<f8'), expected uint8, int32 or int64");
}
END_TEST

START_TEST(sixty_four_dimensions_are_the_most) {
    char text[512];
    struct npy_header header;
    for (int dims = 64; dims <= 65; ++dims) {
        int used = sprintf(text, "{" F4 C_ORDER "'shape': (");
        for (int i = 0; i < dims; ++i)
            used += sprintf(text + used, "1,");
        used += sprintf(text + used, ")}");
        const char *line = parse(text, (size_t)used, ALL_TYPES, &header);
        ck_assert((line == NULL) == (dims == 64));
    }
}
END_TEST

START_TEST(header_that_is_written_is_read_again) {
    const uint64_t shape[] = {7, 1, 12345678901, 3};
    char bytes[NPY_HEADER_BYTES];
    struct npy_header header;
    for (size_t dims = 0; dims <= 4; ++dims) {
        const enum npy_type type = dims % 2 ? NPY_FLOAT16 : NPY_FLOAT32;
        const size_t size = npy_format_header(type, shape, dims, bytes);
        ck_assert(size % 64 == 0 && bytes[size - 1] == '\n');
        ck_assert(10u + (unsigned char)bytes[8] + 256u * (unsigned char)bytes[9] == size);
        ck_assert(parse(bytes + 10, size - 10, NPY_BIT(type), &header) == NULL);
        ck_assert(header.dims == dims && memcmp(header.shape, shape, dims * sizeof *shape) == 0);
    }
}
END_TEST

/* Reads a float32 file; the line of a refusal, or NULL.  Valid until the next call. */
static const char *read_array(const char *name, struct npy_header *header, float **values) {
    static char line[2048];
    struct failure failure = {.code = 0};
    struct input input;
    void *data = NULL;
    const bool good = input_open(&input, name, &failure) &&
                      npy_read_header(&input, NPY_BIT(NPY_FLOAT32), header, &failure) &&
                      npy_read_data(&input, header, &data, &failure);
    input_close(&input);
    ck_assert(good == (failure.code == 0) && good == (data != NULL));
    ck_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL));
    if (!good)
        snprintf(line, sizeof line, "%s", failure.line);
    failure_clear(&failure);
    if (values != NULL)
        *values = data;
    else
        free(data);
    return good ? NULL : line;
}

/* The same bytes through a pipe. */
static const char *read_piped(const void *bytes, size_t size, struct npy_header *header) {
    int ends[2];
    char name[32];
    ck_assert(size < 60000 && pipe(ends) == 0); /* what a pipe holds */
    ck_assert(write(ends[1], bytes, size) == (ssize_t)size);
    close(ends[1]);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    const char *line = read_array(name, header, NULL);
    close(ends[0]);
    return line;
}

static const float six[] = {0.0f, 1.0f, 2.5f, -3.0f, 1e30f, 1e-30f};

START_TEST(data_are_what_was_written) {
    struct npy_header header;
    float *values;
    write_npy("six.npy", "<f4", "(2, 3)", six, sizeof six);
    ck_assert(read_array("six.npy", &header, &values) == NULL);
    ck_assert(header.elements == 6 && memcmp(values, six, sizeof six) == 0);
    free(values);
}
END_TEST

START_TEST(every_version_is_read_and_others_are_not) {
    static const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}\n";
    const unsigned char length = sizeof text - 1;
    struct npy_header header;
    for (int version = 0; version <= 4; ++version) {
        char bytes[256] = "\x93NUMPY";
        const size_t start = version == 1 ? 10 : 12;
        bytes[6] = (char)version;
        bytes[8] = (char)length;
        memcpy(bytes + start, text, length);
        memcpy(bytes + start + length, six, sizeof six);
        write_file("version.npy", bytes, start + length + sizeof six);
        const char *line = read_array("version.npy", &header, NULL);
        if (version >= 1 && version <= 3)
            ck_assert_msg(line == NULL, "%s", line);
        else
            ck_assert(strstr(line, version == 0 ? "version 0.0" : "version 4.0") != NULL);
    }
}
END_TEST

START_TEST(file_and_pipe_of_every_wrong_length_are_refused) {
    struct npy_header header;
    size_t size;
    write_npy("six.npy", "<f4", "(2, 3)", six, sizeof six);
    char *bytes = read_file("six.npy", &size);
    ck_assert(read_piped(bytes, size, &header) == NULL);
    for (size_t part = 0; part < size; ++part) {
        write_file("part.npy", bytes, part);
        const char *line = read_array("part.npy", &header, NULL);
        ck_assert_msg(line != NULL && strstr(line, "part.npy") != NULL, "%zu bytes: %s", part, line);
        ck_assert(read_piped(bytes, part, &header) != NULL);
    }
    bytes[size] = 'x';
    write_file("more.npy", bytes, size + 1);
    ck_assert(strstr(read_array("more.npy", &header, NULL), "25 bytes of data, expected 24") != NULL);
    ck_assert(read_piped(bytes, size + 1, &header) != NULL);
    free(bytes);
}
END_TEST

/* 8 EiB of data are said to come; memory must be taken for what there is. */
START_TEST(header_that_lies_costs_no_memory) {
    struct npy_header header;
    size_t size;
    write_npy("lie.npy", "<f4", "(1152921504606846976,)", six, sizeof six);
    ck_assert(strstr(read_array("lie.npy", &header, NULL), "24 bytes of data") != NULL);
    char *bytes = read_file("lie.npy", &size);
    ck_assert(strstr(read_piped(bytes, size, &header), "24 bytes of data") != NULL);
    memcpy(bytes, "\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
    write_file("lie.npy", bytes, size);
    ck_assert(strstr(read_array("lie.npy", &header, NULL), "4294967295 bytes") != NULL);
    free(bytes);
}
END_TEST

/* A NULL line is a success. */
static const char *read_png(const char *name, size_t pixels, uint8_t *labels) {
    static char line[2048];
    struct failure failure = {.code = 0};
    const struct label_rules rules = {.ignore_index = 255};
    struct labels read;
    bool good = labels_read(name, &rules, NULL, false, &read, &failure);
    if (good && (read.element != 1 || labels_pixels(&read) != pixels))
        good = fail_with(&failure, EXIT_OF_INPUT, "another shape");
    if (good)
        memcpy(labels, read.values, pixels);
    free(read.values);
    ck_assert(good == (failure.code == 0));
    ck_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL));
    if (!good)
        snprintf(line, sizeof line, "%s", failure.line);
    failure_clear(&failure);
    return good ? NULL : line;
}

enum { PNG_WIDTH = 13, PNG_HEIGHT = 9, PNG_PIXELS = PNG_WIDTH * PNG_HEIGHT };

START_TEST(png_labels_are_the_stored_values) {
    const int depth = 1 << (_i & 3), colour = _i & 4 ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY;
    unsigned char rows[PNG_HEIGHT * PNG_WIDTH] = {0};
    uint8_t expected[PNG_PIXELS], labels[PNG_PIXELS];
    const size_t stride = (PNG_WIDTH * (size_t)depth + 7) / 8;
    for (size_t y = 0; y < PNG_HEIGHT; ++y)
        for (size_t x = 0; x < PNG_WIDTH; ++x) {
            const unsigned label = (unsigned)(37 * y + 11 * x) & ((1u << depth) - 1);
            const size_t bit = x * (size_t)depth;
            expected[y * PNG_WIDTH + x] = (uint8_t)label;
            rows[y * stride + bit / 8] |= (unsigned char)(label << (8 - depth - (int)(bit % 8)));
        }
    write_png("labels.png", PNG_WIDTH, PNG_HEIGHT, depth, colour, (_i & 8) != 0, rows);
    const char *line = read_png("labels.png", PNG_PIXELS, labels);
    ck_assert_msg(line == NULL, "%s", line);
    ck_assert(memcmp(labels, expected, sizeof labels) == 0);
}
END_TEST

static const struct {
    int depth, colour;
    const char *words;
} other_pngs[] = {
    {8, PNG_COLOR_TYPE_GRAY_ALPHA, "grey with alpha"},
    {8, PNG_COLOR_TYPE_RGB, "RGB PNG"},
    {8, PNG_COLOR_TYPE_RGB_ALPHA, "RGBA PNG"},
};

START_TEST(png_of_another_kind_is_refused) {
    static const unsigned char rows[PNG_PIXELS * 4] = {0};
    uint8_t labels[PNG_PIXELS];
    write_png("other.png", PNG_WIDTH, PNG_HEIGHT, other_pngs[_i].depth, other_pngs[_i].colour, false, rows);
    const char *line = read_png("other.png", PNG_PIXELS, labels);
    ck_assert_msg(line != NULL && strstr(line, other_pngs[_i].words) != NULL, "%s", line);
}
END_TEST

/* Of a chunk of `length` bytes that begins here. */
static void mend_checksum(char *chunk, size_t length) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 4; i < 8 + length; ++i) {
        crc ^= (unsigned char)chunk[i];
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    for (size_t i = 0; i < 4; ++i)
        chunk[8 + length + i] = (char)(~crc >> (24 - 8 * i));
}

/* The most memory that the process has had, in KiB. */
static long peak_memory(void) {
    struct rusage usage;
    ck_assert(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_maxrss;
}

/* An image of a few pixels, said to be of 2^31 - 1. */
START_TEST(png_that_lies_costs_no_memory) {
    static const unsigned char size[] = {0x7f, 0xff, 0xff, 0xff};
    static const char *const words[] = {"9 x 2147483647", "2147483647 x 13", "2147483647 x 2147483647"};
    unsigned char rows[PNG_PIXELS] = {0};
    size_t length;
    write_png("lie.png", PNG_WIDTH, PNG_HEIGHT, 8, PNG_COLOR_TYPE_GRAY, (_i & 4) != 0, rows);
    char *bytes = read_file("lie.png", &length);
    const long before = peak_memory();
    if ((_i & 3) != 1)
        memcpy(bytes + 16, size, sizeof size); /* the width */
    if ((_i & 3) != 0)
        memcpy(bytes + 20, size, sizeof size);
    mend_checksum(bytes + 8, 13);
    write_file("lie.png", bytes, length);
    char line[2048];
    snprintf(line, sizeof line, "%s", read_png("lie.png", PNG_PIXELS, rows));
    ck_assert_msg(strstr(line, "bytes can hold") != NULL && strstr(line, words[_i & 3]) != NULL, "%s", line);
    int ends[2];
    char name[32];
    ck_assert(pipe(ends) == 0 && write(ends[1], bytes, length) == (ssize_t)length && close(ends[1]) == 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    ck_assert(strstr(read_png(name, PNG_PIXELS, rows), "damaged PNG") != NULL);
    close(ends[0]);
    free(bytes);
    ck_assert_int_lt(peak_memory() - before, 100 << 10);
}
END_TEST

/* Before the image, and after it. */
START_TEST(png_chunk_that_lies_costs_no_memory) {
    static const char *const types[] = {"tEXt", "zTXt", "iTXt", "iCCP", "sPLT", "eXIf", "pCAL", "sCAL", "hIST", "abCd"};
    unsigned char rows[PNG_PIXELS] = {0};
    size_t length;
    write_png("lie.png", PNG_WIDTH, PNG_HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, rows);
    char *bytes = read_file("lie.png", &length), lie[512];
    const size_t at = _i % 2 != 0 ? 33 : length - 12; /* behind the header, or before the end */
    const long before = peak_memory();
    ck_assert(length < sizeof lie - 32);
    memcpy(lie, bytes, at);
    memcpy(lie + at, "\x7f\xff\xff\xff", 4);
    memcpy(lie + at + 4, types[_i / 2], 4);
    memcpy(lie + at + 8, bytes + at, length - at);
    write_file("lie.png", lie, length + 8);
    ck_assert(strstr(read_png("lie.png", PNG_PIXELS, rows), "damaged PNG") != NULL);
    ck_assert_int_lt(peak_memory() - before, 100 << 10);
    free(bytes);
}
END_TEST

/* Some bytes changed, some put in, the end cut off: a reader may refuse or succeed, but not go astray. */
static size_t mutate(struct rng *rng, char *bytes, size_t size) {
    for (uint64_t i = rng_below(rng, 4); i > 0; --i)
        bytes[rng_below(rng, size)] = (char)rng_next(rng);
    for (uint64_t i = rng_below(rng, 4); i > 0; --i)
        bytes[rng_below(rng, size)] ^= (char)(1 << rng_below(rng, 8));
    return rng_below(rng, 4) == 0 ? (size_t)rng_below(rng, size) : size;
}

START_TEST(damaged_files_are_survived) {
    struct rng rng = rng_for("damaged", (uint64_t)_i);
    struct npy_header header;
    unsigned char rows[PNG_PIXELS];
    uint8_t labels[PNG_PIXELS];
    for (size_t i = 0; i < PNG_PIXELS; ++i)
        rows[i] = (unsigned char)rng_next(&rng);
    write_npy("whole.npy", "<f4", "(2, 3)", six, sizeof six);
    write_png("whole.png", PNG_WIDTH, PNG_HEIGHT, 8, _i & 1 ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, _i & 2,
              rows);
    for (int png = 0; png < 2; ++png) {
        size_t size;
        char *bytes = read_file(png ? "whole.png" : "whole.npy", &size);
        size = mutate(&rng, bytes, size);
        write_file("damaged", bytes, size);
        if (png)
            read_png("damaged", PNG_PIXELS, labels);
        else
            read_array("damaged", &header, NULL);
        free(bytes);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("npy");
    TCase *tcase = add_case(suite, "headers", "full quick");
    tcase_add_loop_test(tcase, headers_are_read_however_they_are_written, 0,
                        sizeof good_headers / sizeof *good_headers);
    tcase_add_loop_test(tcase, headers_that_are_not_understood_are_refused_in_words, 0,
                        sizeof bad_headers / sizeof *bad_headers);
    tcase_add_test(tcase, every_part_of_a_header_is_refused);
    tcase_add_test(tcase, type_that_is_not_wanted_is_named_with_those_that_are);
    tcase_add_test(tcase, sixty_four_dimensions_are_the_most);
    tcase_add_test(tcase, header_that_is_written_is_read_again);
    tcase = add_case(suite, "data", "full quick");
    tcase_add_test(tcase, data_are_what_was_written);
    tcase_add_test(tcase, every_version_is_read_and_others_are_not);
    tcase_add_test(tcase, file_and_pipe_of_every_wrong_length_are_refused);
    tcase_add_test(tcase, header_that_lies_costs_no_memory);
    tcase = add_case(suite, "png", "full quick");
    tcase_add_loop_test(tcase, png_labels_are_the_stored_values, 0, 16);
    tcase_add_loop_test(tcase, png_of_another_kind_is_refused, 0, sizeof other_pngs / sizeof *other_pngs);
    for (int i = 0; i < 8; i += i % 4 == 2 ? 2 : 1) /* three sizes, plain and interlaced */
        tcase_add_loop_test(tcase, png_that_lies_costs_no_memory, i, i + 1);
    tcase_add_loop_test(tcase, png_chunk_that_lies_costs_no_memory, 0, 20);
    tcase = add_case(suite, "damage", "full");
    tcase_add_loop_test(tcase, damaged_files_are_survived, 0, 1000);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}

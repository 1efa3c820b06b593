/*
 * Labels as data sets have them: types, shapes, 16 bits, colours, tables that say what they become, and what is no
 * class.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include "labels.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WIDTH = 5, HEIGHT = 3, PIXELS = WIDTH * HEIGHT };

/* The line of a refusal, or NULL; valid until the next call. */
static const char *read_labels(const char *name, const char *map, const char *ignored, struct labels *labels) {
    static char line[2048];
    struct failure failure = {.code = 0};
    struct label_rules rules;
    int64_t list[8] = {255};
    size_t count = 1;
    for (count = ignored != NULL ? 0 : 1; ignored != NULL && *ignored != '\0';) {
        char *end;
        list[count++] = strtoll(ignored, &end, 10);
        ignored = *end == ',' ? end + 1 : end;
    }
    *labels = (struct labels){.values = NULL};
    const bool good = label_rules_read(map, list, count, &rules, &failure) &&
                      labels_read(name, &rules, NULL, false, labels, &failure);
    label_rules_free(&rules);
    ck_assert(good == (failure.code == 0));
    ck_assert(good || (failure.code == EXIT_OF_INPUT && failure.line != NULL));
    if (!good)
        snprintf(line, sizeof line, "%s", failure.line);
    failure_clear(&failure);
    if (!good) {
        free(labels->values);
        labels->values = NULL;
    }
    return good ? NULL : line;
}

static void assert_labels(const char *name, const char *map, const char *ignored, const int64_t *expected,
                          size_t count) {
    struct labels labels;
    const char *line = read_labels(name, map, ignored, &labels);
    ck_assert_msg(line == NULL, "%s", line);
    ck_assert_uint_eq(labels_pixels(&labels), count);
    for (size_t i = 0; i < count; ++i)
        ck_assert_msg(labels_get(&labels, i) == expected[i], "%s, %s: label %zu is %lld, not %lld", name,
                      map != NULL ? map : "no table", i, (long long)labels_get(&labels, i), (long long)expected[i]);
    free(labels.values);
}

static void assert_unread(const char *name, const char *map, const char *one, const char *two) {
    struct labels labels;
    const char *line = read_labels(name, map, NULL, &labels);
    ck_assert_msg(line != NULL && strstr(line, one) != NULL && strstr(line, two) != NULL, "no '%s' and '%s' in: %s",
                  one, two, line != NULL ? line : "a success");
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

/* ------------------------------------------------------------------------------------------------------------ arrays
 */

START_TEST(whole_numbers_of_every_type_are_labels) {
    static const bool flags[3] = {false, true, true};
    static const uint8_t u1[3] = {0, 200, 255};
    static const int8_t i1[3] = {0, 127, -1};
    static const uint16_t u2[3] = {0, 60000, 65535};
    static const int16_t i2[3] = {-32768, 7, 32767};
    static const uint32_t u4[3] = {0, 4000000000u, 255};
    static const int32_t i4[3] = {-5, 7, INT32_MAX};
    static const uint64_t u8[3] = {0, 7, UINT64_MAX};
    static const int64_t i8[3] = {INT64_MIN, 7, INT64_MAX};
    static const struct {
        const char *descr;
        const void *values;
        size_t size;
        int64_t expected[3];
    } cases[] = {
        {"|b1", flags, sizeof flags, {0, 1, 1}},
        {"|u1", u1, sizeof u1, {0, 200, 255}},
        {"|i1", i1, sizeof i1, {0, 127, -1}},
        {"<u2", u2, sizeof u2, {0, 60000, 65535}},
        {"<i2", i2, sizeof i2, {-32768, 7, 32767}},
        {"<u4", u4, sizeof u4, {0, 4000000000, 255}},
        {"<i4", i4, sizeof i4, {-5, 7, INT32_MAX}},
        {"<u8", u8, sizeof u8, {0, 7, INT64_MAX}},
        {"<i8", i8, sizeof i8, {INT64_MIN, 7, INT64_MAX}},
    };
    ck_assert(sizeof(bool) == 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        int64_t ignored[3];
        write_npy("type.npy", cases[i].descr, "(1, 3)", cases[i].values, cases[i].size);
        assert_labels("type.npy", NULL, NULL, cases[i].expected, 3);
        for (size_t j = 0; j < 3; ++j) /* and the same where something is done to them */
            ignored[j] = cases[i].expected[j] == 7 ? 255 : cases[i].expected[j];
        assert_labels("type.npy", NULL, "255,7", ignored, 3);
    }
}
END_TEST

START_TEST(a_channel_of_one_may_stand_in_the_shape) {
    static const uint8_t values[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct failure failure = {.code = 0};
    struct label_rules rules = {.ignore_index = 255};
    struct logits logits = {.path = "x.npy", .images = 2, .classes = 3, .height = 3, .width = 2};
    struct labels labels;
    logits.header.dims = 4;
    write_npy("four.npy", "|u1", "(2, 1, 3, 2)", values, sizeof values);
    for (int i = 0; i < 2; ++i) {
        ck_assert(labels_read("four.npy", &rules, i == 0 ? NULL : &logits, false, &labels, &failure));
        ck_assert(labels.planes == 2 && labels.height == 3 && labels.width == 2 && labels_get(&labels, 11) == 11);
        free(labels.values);
    }
    logits.images = 1;
    ck_assert(!labels_read("four.npy", &rules, &logits, false, &labels, &failure));
    ck_assert_str_eq(failure.line, "four.npy is 2x1x3x2, expected 1x3x2, or larger images, as x.npy");
    failure_clear(&failure);
    write_npy("four.npy", "|u1", "(1, 2, 3, 2)", values, sizeof values);
    assert_unread("four.npy", NULL, "1x2x3x2", "(N,1,H,W)");
}
END_TEST

/* --------------------------------------------------------------------------------------------------------------- PNG
 */

START_TEST(labels_of_sixteen_bits_are_whole) {
    static const unsigned char rows[8] = {0x00, 0x01, 0x01, 0x00, 0xff, 0xff, 0x12, 0x34};
    static const int64_t expected[4] = {1, 256, 65535, 0x1234}, mapped[4] = {0, 1, 255, -1};
    write_png("deep.png", 2, 2, 16, PNG_COLOR_TYPE_GRAY, _i != 0, rows);
    assert_labels("deep.png", NULL, NULL, expected, 4);
    write_text("map.txt", "1 0\n256 1\n65535 ignore\n");
    assert_labels("deep.png", "map.txt", NULL, mapped, 4);
}
END_TEST

/* A palette image of 8 bits with so many colours: 10 i, 20 i, 30 i. */
static void write_palette(const char *name, int colours, const unsigned char *rows) {
    FILE *file = fopen(name, "wb");
    ck_assert(file != NULL);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[256];
    for (int i = 0; i < colours; ++i)
        palette[i] = (png_color){(png_byte)(10 * i), (png_byte)(20 * i), (png_byte)(30 * i)};
    png_init_io(png, file);
    png_set_IHDR(png, info, WIDTH, 1, 8, PNG_COLOR_TYPE_PALETTE, 0, 0, 0);
    png_set_PLTE(png, info, palette, colours);
    png_set_check_for_invalid_index(png, -1);
    png_write_info(png, info);
    png_write_row(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    ck_assert(fclose(file) == 0);
}

START_TEST(an_index_beyond_the_palette_is_no_class) {
    static const unsigned char row[WIDTH] = {0, 2, 3, 7, 255};
    static const int64_t plain[] = {0, 2, -1, -1, 255}, other[] = {0, 2, 3, -2, -2}, three[] = {0, 2, 255, -1, 255};
    static const int64_t mapped[] = {-1, 1, 1, 5, -1}, kept[] = {9, 2, -1, -1, 255}, colours[] = {4, 8, 3, 3, 3};
    write_palette("p.png", 3, row);
    assert_labels("p.png", NULL, NULL, plain, WIDTH); /* what is ignored stays so */
    int64_t list[WIDTH];
    memcpy(list, other, sizeof list);
    list[2] = -2;
    assert_labels("p.png", NULL, "-1", list, WIDTH);
    assert_labels("p.png", NULL, "255,3", three, WIDTH);
    write_text("map.txt", "2 1\n3 1\n7 5\n"); /* a table knows what it says */
    assert_labels("p.png", "map.txt", NULL, mapped, WIDTH);
    write_text("map.txt", "0 9\n* keep\n");
    assert_labels("p.png", "map.txt", NULL, kept, WIDTH);
    write_text("map.txt", "0,0,0 4\n20,40,60 8\n* 3\n"); /* of colours alone: those of the palette */
    assert_labels("p.png", "map.txt", NULL, colours, WIDTH);
}
END_TEST

START_TEST(masks_in_colours_want_a_table) {
    static const unsigned char rgb[12] = {128, 0, 0, 0, 128, 0, 224, 224, 192, 1, 2, 3};
    static const unsigned char rgba[16] = {128, 0, 0, 0, 0, 128, 0, 9, 224, 224, 192, 255, 1, 2, 3, 255};
    static const unsigned char grey[12] = {1, 1, 1, 0, 0, 0, 2, 2, 2, 2, 2, 2};
    static const int64_t voc[4] = {1, 2, 255, -1}, rest[4] = {3, 255, 255, 255};
    unsigned char many[3 * 20];
    struct labels labels;
    write_png("rgb.png", 2, 2, 8, PNG_COLOR_TYPE_RGB, false, rgb);
    write_png("rgba.png", 2, 2, 8, PNG_COLOR_TYPE_RGB_ALPHA, false, rgba);
    write_png("grey.png", 2, 2, 8, PNG_COLOR_TYPE_RGB, false, grey);
    for (size_t i = 0; i < sizeof many; ++i)
        many[i] = (unsigned char)i;
    write_png("many.png", 5, 4, 8, PNG_COLOR_TYPE_RGB, false, many);
    assert_labels("rgb.png", "voc", NULL, voc, 4);
    assert_labels("rgba.png", "voc", NULL, voc, 4);
    write_text("map.txt", "128,0,0\t3\n*\tignore\n");
    assert_labels("rgb.png", "map.txt", NULL, rest, 4);
    assert_unread("rgb.png", NULL, "an RGB PNG of 8 bits, with the colours 128,0,0 0,128,0 224,224,192 1,2,3, expected",
                  "--label-map FILE takes a line for each, as '128,0,0 1'");
    assert_unread("rgba.png", "cityscapes", "an RGBA PNG", "no line for a colour");
    assert_unread("grey.png", NULL, "1,1,1 0,0,0 2,2,2", "one channel is enough");
    assert_unread("many.png", NULL, "15,16,17 and others", "");
    ck_assert_ptr_null(read_labels("rgb.png", "voc", NULL, &labels));
    ck_assert(labels.unnamed_pixel == 3 && labels.unnamed == 0x010203 && labels.in_colours);
    free(labels.values);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ tables
 */

/* What 0 to 255 become. */
static void assert_table(const char *map, int64_t (*of)(int64_t)) {
    uint8_t values[256];
    int64_t expected[256];
    for (int i = 0; i < 256; ++i) {
        values[i] = (uint8_t)i;
        expected[i] = of(i);
    }
    write_npy("all.npy", "|u1", "(16, 16)", values, sizeof values);
    assert_labels("all.npy", map, NULL, expected, 256);
}

static int64_t of_ade20k(int64_t label) {
    return label == 0 || label == 255 ? 255 : label <= 150 ? label - 1 : -1;
}

/* The ids of the 19 classes that are evaluated, in the order of their train ids. */
static int64_t of_cityscapes(int64_t label) {
    static const int ids[19] = {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33};
    for (int i = 0; i < 19; ++i)
        if (ids[i] == label)
            return i;
    return label <= 33 || label == 255 ? 255 : -1;
}

static int64_t of_voc(int64_t label) {
    return label <= 20 || label == 255 ? label : -1;
}

static int64_t of_mask(int64_t label) {
    return label == 0 ? 0 : label == 255 ? 1 : -1;
}

START_TEST(tables_that_are_built_in) {
    static const int16_t plate[1] = {-1};
    static const int64_t ignored[1] = {255};
    assert_table("ade20k", of_ade20k);
    assert_table("cityscapes", of_cityscapes);
    assert_table("voc", of_voc);
    assert_table("mask", of_mask);
    write_npy("plate.npy", "<i2", "(1, 1)", plate, sizeof plate);
    assert_labels("plate.npy", "cityscapes", NULL, ignored, 1);
    unsigned char rgb[3 * 21];
    int64_t expected[21];
    for (int i = 0; i < 21; ++i) { /* the palette of VOC's development kit: the bits of a class, from the highest on */
        expected[i] = i;
        memset(rgb + 3 * i, 0, 3);
        for (int bits = i, j = 0; bits != 0; bits >>= 3, ++j)
            for (int c = 0; c < 3; ++c)
                rgb[3 * i + c] |= (unsigned char)((bits >> c & 1) << (7 - j));
    }
    write_png("voc.png", 7, 3, 8, PNG_COLOR_TYPE_RGB, false, rgb);
    assert_labels("voc.png", "voc", NULL, expected, 21);
}
END_TEST

START_TEST(tables_are_read_however_they_are_written) {
    static const int32_t values[8] = {-3, 0, 5, 6, 7, 8, 40, 1000000};
    static const int64_t expected[8] = {2, 255, 10, 11, 12, 0, -1, 3}, kept[8] = {-3, 4, 5, 255, 7, 8, 40, 1000000};
    write_npy("values.npy", "<i4", "(8, 1)", values, sizeof values);
    write_text("map.txt", "\xef\xbb\xbf# a comment\r\n-3  2\r\n\r\n\t0\tignore \r\n8 0\n5-7 10-12\n1000000 3");
    assert_labels("values.npy", "map.txt", NULL, expected, 8);
    write_text("map.txt", "0 4\n6 ignore\n* keep\n");
    assert_labels("values.npy", "map.txt", NULL, kept, 8);
    write_text("voc", "0 3\n* 1\n"); /* a built-in name is that; a path is a file */
    static const int64_t ones[8] = {1, 3, 1, 1, 1, 1, 1, 1};
    assert_labels("values.npy", "./voc", NULL, ones, 8);
    assert_table("voc", of_voc);
}
END_TEST

START_TEST(tables_that_make_no_sense_are_refused_with_their_line) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "map.txt has no line"},
        {"# 1 2\n", "map.txt has no line"},
        {"1 2\n3\n", "line 2: expected two words"},
        {"1 2 3\n", "line 1: expected two words"},
        {"1,2 3\n", "line 1: expected a label"},
        {"1,2,256 3\n", "line 1: expected a label"},
        {"sky 3\n", "line 1: expected a label"},
        {"1 sky\n", "line 1: expected a label from 0 on"},
        {"1 -1\n", "line 1: expected a label from 0 on"},
        {"1 keep\n", "line 1: expected a label from 0 on"},
        {"1 4294967296\n", "line 1: expected a label from 0 on"},
        {"99999999999999999999 1\n", "line 1: expected a label"},
        {"3-1 1\n", "line 1: expected a label"},
        {"1-3 1\n", "line 1: expected two ranges"},
        {"1 1-3\n", "line 1: expected two ranges"},
        {"1,2,3 1-3\n", "line 1: expected two ranges"},
        {"4 1\n2 1\n1-3 0-2\n", "lines 2 and 3: both"},
        {"1,2,3 1\n4 1\n1,2,3 2\n", "lines 1 and 3: both"},
        {"* 1\n* keep\n", "line 2: * is given twice"},
    };
    static const uint8_t value[1] = {0};
    write_npy("one.npy", "|u1", "(1, 1)", value, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_text("map.txt", cases[i].text);
        assert_unread("one.npy", "map.txt", "map.txt", cases[i].words);
    }
    write_file("map.txt", "1 2\n\0", 5);
    assert_unread("one.npy", "map.txt", "map.txt is no text", "");
    write_file("map.txt",
               "\xff\xfe"
               "1\0 \0002\0\n\0",
               10);
    assert_unread("one.npy", "map.txt", "UTF-16", "");
    assert_unread("one.npy", "none.txt", "'none.txt', which is no file", "voc");
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- commands
 */

/* The logits of 150 classes that know every label of ADE20K. */
static void write_ade20k(void) {
    enum { CLASSES = 150, SIDE = 16, PLANE = SIDE * SIDE };
    static float logits[CLASSES * PLANE];
    uint8_t labels[PLANE];
    memset(logits, 0, sizeof logits);
    for (int i = 0; i < PLANE; ++i) {
        labels[i] = (uint8_t)(i % 151);
        if (labels[i] > 0)
            logits[(labels[i] - 1) * PLANE + i] = 20.0f;
    }
    write_npy("ade.npy", "<f4", "(150, 16, 16)", logits, sizeof logits);
    write_png("ade.png", SIDE, SIDE, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    write_text("list.txt", "\xef\xbb\xbf"
                           "ade.npy ade.png\r\nade.npy\tade.png\n");
    for (int i = 0; i < PLANE; ++i)
        labels[i] = (uint8_t)(labels[i] == 0 ? 255 : labels[i] - 1);
    write_png("train.png", SIDE, SIDE, 8, PNG_COLOR_TYPE_GRAY, false, labels);
}

START_TEST(every_command_takes_a_table) {
    write_ade20k();
    json_t *object = json_of(clmp("eval", "ade.npy", "ade.png", "--label-map", "ade20k", "--json", NULL));
    ck_assert(number(object, "mean_iou") == 1.0 && count_of(object, "ignored") == 2);
    json_decref(object);
    object = json_of(clmp("eval", "ade.npy", "ade.png", "--json", NULL));
    ck_assert(number(object, "mean_iou") < 0.01);
    json_decref(object);
    object = json_of(clmp("loss", "--list", "list.txt", "--label-map", "ade20k", "--json", NULL));
    ck_assert(count_of(object, "ignored") == 4 && count_of(object, "invalid_labels") == 0);
    json_decref(object);
    json_t *one = json_of(clmp("loss", "ade.npy", "ade.png", "--label-map", "ade20k", "--json", NULL));
    json_t *two = json_of(clmp("loss", "ade.npy", "train.png", "--json", NULL));
    ck_assert(json_equal(one, two));
    json_decref(one);
    json_decref(two);
    one = json_of(clmp("class-weights", "ade.png", "--label-map", "ade20k", "--json", NULL));
    two = json_of(clmp("class-weights", "train.png", "--json", NULL));
    ck_assert(json_equal(one, two));
    json_decref(one);
    json_decref(two);
    object = json_of(clmp("eval", "ade.npy", "train.png", "--ignore-index", "7,255,8", "--json", NULL));
    ck_assert(count_of(object, "ignored") == 6);
    json_decref(object);
    struct outcome outcome =
        clmp("loss", "ade.npy", "ade.png", "--label-map", "list.txt", "--losses", "list.txt", NULL);
    assert_refused(&outcome, 2, "--losses is list.txt", "also read");
}
END_TEST

/* The product of the numbers in "(2, 3)". */
static size_t product(const char *shape) {
    size_t sum = 1;
    for (char *end; *shape != '\0'; shape += *shape != '\0')
        if (*shape >= '0' && *shape <= '9') {
            sum *= (size_t)strtoul(shape, &end, 10);
            shape = end;
        }
    return sum;
}

START_TEST(logits_that_fit_by_the_other_layout_are_asked_about) {
    static const float zeros[64 * 64 * 21];
    static const struct {
        const char *logits, *labels, *layout, *one, *two; /* one NULL: it is done */
    } cases[] = {
        {"(64, 64, 21)", "(64, 64)", NULL, "x.npy is 64x64x21: as nchw these are 64 classes of 64 x 21",
         "--layout nhwc"},
        {"(64, 64, 21)", "(64, 64)", "nhwc", NULL, "1 image of 21 classes of 64 x 64 (nhwc)\n"},
        {"(64, 64, 21)", "(64, 64)", "nchw", NULL,
         "1 image of 64 classes of 64 x 21 (nchw), interpolated from 64 x 21"},
        {"(21, 64, 64)", "(64, 64)", NULL, NULL, "21 classes of 64 x 64 (nchw)\n"},
        {"(21, 64, 64)", "(64, 64)", "nhwc", NULL, "64 classes of 21 x 64 (nhwc), interpolated"},
        {"(2, 16, 12, 3)", "(2, 64, 48)", NULL, "x.npy is 2x16x12x3: as nchw these are 16 classes of 12 x 3",
         "nhwc 3 classes"},
        {"(2, 3, 16, 12)", "(2, 64, 48)", NULL, NULL, "2 images of 3 classes of 16 x 12 (nchw), interpolated"},
        {"(16, 12, 50)", "(16, 12)", NULL, "cannot be larger", "they would fit with --layout nhwc"},
        {"(3, 16, 12)", "(16, 12)", "nhwc", "cannot be larger", "they would fit with --layout nchw"},
        {"(3, 17, 33)", "(65, 129)", NULL, NULL,
         "17 x 33 (nchw), interpolated"}, /* not quite even, and nothing better */
        {"(8, 8, 8)", "(8, 8)", NULL, NULL, "8 classes of 8 x 8 (nchw)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        for (int eval = 0; eval < 2; ++eval) {
            uint8_t *map = calloc(product(cases[i].labels), 1);
            write_npy("x.npy", "<f4", cases[i].logits, zeros, product(cases[i].logits) * sizeof *zeros);
            write_npy("y.npy", "|u1", cases[i].labels, map, product(cases[i].labels));
            free(map);
            struct outcome outcome = clmp(eval ? "eval" : "loss", "x.npy", "y.npy",
                                          cases[i].layout != NULL ? "--layout" : NULL, cases[i].layout, NULL);
            if (cases[i].one != NULL) {
                assert_refused(&outcome, 2, cases[i].one, cases[i].two != NULL ? cases[i].two : "");
                continue;
            }
            ck_assert_msg(strstr(outcome.out, cases[i].two) != NULL, "no '%s' in: %s", cases[i].two, outcome.out);
            assert_done(outcome);
        }
    json_t *object = json_of(clmp("loss", "x.npy", "y.npy", "--json", NULL));
    ck_assert(json_array_size(json_object_get(object, "logits_shape")) == 4 &&
              json_integer_value(json_array_get(json_object_get(object, "logits_shape"), 1)) == 8 &&
              json_integer_value(json_array_get(json_object_get(object, "labels_shape"), 1)) == 8);
    json_decref(object);
}
END_TEST

START_TEST(folders_are_looked_into_by_suffix) {
    static const char *const folders[] = {"gtFine", "gtFine/bonn", "gtFine/ulm", "gtFine/ulm/more", "flat", "none"};
    static const char *const files[] = {"gtFine/bonn/a_labelIds.png", "gtFine/ulm/b_labelIds.PNG",
                                        "gtFine/ulm/more/c_labelIds.png", "flat/d.png", "flat/e.NPY"};
    static const uint8_t labels[4] = {0, 1, 1, 2};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i)
        ck_assert(mkdir(folders[i], 0777) == 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i)
        if (strstr(files[i], "NPY") != NULL)
            write_npy(files[i], "|u1", "(2, 2)", labels, 4);
        else
            write_png(files[i], 2, 2, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    write_text("gtFine/bonn/._a_labelIds.png", "Mac OS X");
    write_text("gtFine/bonn/a_color.png", "another");
    write_text("gtFine/_labelIds.png", "no name before it");
    write_text("flat/._d.png", "Mac OS X");
    write_text("flat/.npy", "hidden");
    write_text("flat/.DS_Store", "Bud1");
    json_t *object = json_of(clmp("class-weights", "gtFine", "--suffix", "_labelIds.png", "--json", NULL));
    ck_assert(count_of(object, "files") == 3 && count_of(object, "images") == 3);
    json_decref(object);
    object = json_of(clmp("class-weights", "flat", "gtFine/bonn/a_labelIds.png", "--json", NULL));
    ck_assert(count_of(object, "files") == 3);
    json_decref(object);
    struct outcome outcome = clmp("class-weights", "gtFine", NULL);
    assert_refused(&outcome, 2, "gtFine/_labelIds.png", "neither");
    outcome = clmp("class-weights", "none", NULL);
    assert_refused(&outcome, 2, "none has no .png or .npy file", "--suffix");
    outcome = clmp("class-weights", "gtFine", "--suffix", "_ids.png", NULL);
    assert_refused(&outcome, 2, "gtFine has no file *_ids.png", "folder");
    outcome = clmp("class-weights", "gtFine", "--suffix", "", NULL);
    assert_refused(&outcome, 2, "--suffix is empty", "");
}
END_TEST

static void assert_note(struct outcome outcome, const char *words) {
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    const char *end = strchr(outcome.err, '\n');
    ck_assert_msg(words == NULL ? end == NULL : end != NULL && end[1] == '\0' && strstr(outcome.err, words) != NULL,
                  "no '%s' in: %s", words != NULL ? words : "silence", outcome.err);
    outcome_free(&outcome);
}

START_TEST(masks_of_0_and_255_are_told_once) {
    float logits[2 * PIXELS] = {0};
    uint8_t masks[2][PIXELS] = {{0}, {0}};
    for (int i = 3; i < 9; ++i)
        masks[0][i] = masks[1][i] = 255;
    masks[1][0] = 1;
    write_npy("x.npy", "<f4", "(2, 3, 5)", logits, sizeof logits);
    write_png("mask.png", WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, masks[0]);
    write_png("other.png", WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, masks[1]);
    write_text("masks.txt", "x.npy mask.png\nx.npy mask.png\n");
    write_text("both.txt", "x.npy mask.png\nx.npy other.png\n");
    static const char told[] = "note: all labels are 0 or 255, and 255 is ignored";
    assert_note(clmp("loss", "x.npy", "mask.png", NULL), told);
    assert_note(clmp("loss", "x.npy", "mask.png", "--json", NULL), "--label-map mask");
    assert_note(clmp("loss", "--list", "masks.txt", NULL), told);
    assert_note(clmp("eval", "--list", "masks.txt", NULL), told);
    assert_note(clmp("class-weights", "mask.png", "mask.png", NULL), told);
    assert_note(clmp("eval", "x.npy", "mask.png", "--ignore-index", "7", NULL), "255 is no class");
    assert_note(clmp("loss", "x.npy", "mask.png", "--label-map", "mask", NULL), NULL);
    assert_note(clmp("loss", "x.npy", "other.png", NULL), NULL);
    assert_note(clmp("eval", "--list", "both.txt", NULL), NULL);
    assert_note(clmp("class-weights", "mask.png", "other.png", NULL), NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("labels");
    TCase *tcase = add_case(suite, "files", "full quick");
    tcase_add_checked_fixture(tcase, enter_folder, leave_folder);
    tcase_add_test(tcase, whole_numbers_of_every_type_are_labels);
    tcase_add_test(tcase, a_channel_of_one_may_stand_in_the_shape);
    tcase_add_loop_test(tcase, labels_of_sixteen_bits_are_whole, 0, 2);
    tcase_add_test(tcase, an_index_beyond_the_palette_is_no_class);
    tcase_add_test(tcase, masks_in_colours_want_a_table);
    tcase_add_test(tcase, tables_that_are_built_in);
    tcase_add_test(tcase, tables_are_read_however_they_are_written);
    tcase_add_test(tcase, tables_that_make_no_sense_are_refused_with_their_line);
    tcase = add_case(suite, "commands", "full");
    tcase_add_checked_fixture(tcase, enter_folder, leave_folder);
    tcase_add_test(tcase, every_command_takes_a_table);
    tcase_add_test(tcase, logits_that_fit_by_the_other_layout_are_asked_about);
    tcase_add_test(tcase, folders_are_looked_into_by_suffix);
    tcase_add_test(tcase, masks_of_0_and_255_are_told_once);
    return host_test_main(suite);
}

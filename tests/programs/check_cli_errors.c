/*
 * What the command refuses: the exit status, and one line on standard error that names file, value and expectation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_npy_files(void) {
    const float values[12] = {0.5f, 1.5f, 2.0f, 0.0f, 1.0f, 3.0f};
    const double doubles[12] = {1.0};
    float negative[12] = {0.0f, 1.0f, -0.0f, NAN, -0.25f, -1.0f};
    float infinite[3] = {1.0f, INFINITY, 0.0f}, below[3] = {1.0f, 0.0f, -2.0f};
    const uint8_t labels[20] = {0, 1, 2};
    size_t size;
    write_npy("losses.npy", "<f4", "(3, 4)", values, sizeof values);
    write_npy("logits.npy", "<f4", "(3, 2, 2)", values, sizeof values);
    write_npy("labels.npy", "|u1", "(2, 2)", labels, 4);
    write_npy("negative.npy", "<f4", "(3, 4)", negative, sizeof negative);
    negative[4] = -INFINITY;
    write_npy("negative-inf.npy", "<f4", "(3, 4)", negative, sizeof negative);
    write_npy("double.npy", "<f8", "(3, 2, 2)", doubles, sizeof doubles);
    write_npy("big.npy", ">f4", "(3, 2, 2)", values, sizeof values);
    write_npy_as("fortran.npy", "'<f4'", "True", "(3, 2, 2)", values, sizeof values);
    write_npy_as("structured.npy", "[('a', '<f4')]", "False", "(12,)", values, sizeof values);
    write_npy("object.npy", "|O", "(3, 2, 2)", values, sizeof values);
    write_npy("zero.npy", "<f4", "(3, 0, 2)", values, 0);
    write_npy("overflow.npy", "<f4", "(4294967296, 4294967296, 2)", values, sizeof values);
    write_npy("huge.npy", "<f4", "(1000000, 1000000, 1000)", values, sizeof values);
    write_npy("flat.npy", "<f4", "(3, 4)", values, sizeof values);
    write_npy("five.npy", "<f4", "(1, 1, 3, 2, 2)", values, sizeof values);
    write_npy("more.npy", "<f4", "(3, 2, 1)", values, sizeof values);
    write_npy("small-labels.npy", "|u1", "(1, 5)", labels, 5);
    write_npy("batch-labels.npy", "|u1", "(2, 2, 2)", labels, 8);
    write_npy("float-labels.npy", "<f4", "(2, 2)", values, 16);
    write_npy("big-labels.npy", ">i8", "(1, 2)", labels, 16);
    write_npy("class-two.npy", "<f4", "(2,)", values, 8);
    write_npy("class-plane.npy", "<f4", "(3, 1)", values, 12);
    write_npy("class-inf.npy", "<f4", "(3,)", infinite, sizeof infinite);
    write_npy("class-below.npy", "<f4", "(3,)", below, sizeof below);
    char *bytes = read_file("logits.npy", &size);
    write_file("truncated.npy", bytes, size - 5);
    write_file("header.npy", bytes, 40);
    bytes[6] = 9;
    write_file("version.npy", bytes, size);
    memcpy(bytes, "\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12);
    write_file("long-header.npy", bytes, size);
    free(bytes);
    write_file("text.npy", "hello, world\n", 13);
    write_file("empty.npy", "", 0);
}

static void write_other_files(void) {
    static const unsigned char rows[2 * 8] = {0};
    size_t size;
    write_png("flat.png", 5, 1, 8, PNG_COLOR_TYPE_GRAY, false, (const unsigned char[5]){0});
    write_png("rgb.png", 2, 2, 8, PNG_COLOR_TYPE_RGB, false, rows);
    write_png("alpha.png", 2, 2, 8, PNG_COLOR_TYPE_GRAY_ALPHA, false, rows);
    write_png("good.png", 2, 2, 8, PNG_COLOR_TYPE_GRAY, false, rows);
    char *bytes = read_file("good.png", &size);
    write_file("short.png", bytes, size - 20);
    bytes[45] ^= 0x10; /* within the image */
    write_file("damaged.png", bytes, size);
    free(bytes);
    mkdir("folder", 0777);
    unlink("dangling");
    ck_assert(symlink("nowhere/file", "dangling") == 0);
    unlink("alias.npy");
    ck_assert(symlink("losses.npy", "alias.npy") == 0);
}

static const struct {
    const char *arguments[10], *one, *two; /* both are in the line */
} refused[] = {
    /* the command line */
    {{NULL}, "no command", "devices, loss, weights, class-weights or eval"},
    {{"pool"}, "'pool'", "devices, loss, weights, class-weights or eval"},
    {{"weights"}, "0 files", "LOSSES.npy"},
    {{"loss", "logits.npy"}, "1 file is given", "LOGITS.npy and LABELS"},
    {{"weights", "losses.npy", "labels.npy"}, "'labels.npy'", "LOSSES.npy"},
    {{"devices", "losses.npy"}, "'losses.npy'", "no file"},
    {{"weights", "losses.npy", "--nonsense"}, "--nonsense", "clmp weights --help"},
    {{"weights", "losses.npy", "-x"}, "-x", "clmp weights --help"},
    {{"weights", "losses.npy", "--scope", "image"}, "--scope", "unknown"},
    {{"weights", "losses.npy", "--json=yes"}, "--json=yes", "no value"},
    {{"weights", "losses.npy", "--p"}, "--p", "no value"},
    {{"weights", "losses.npy", "-o"}, "-o", "no value"},
    {{"weights", "losses.npy", "--p", "0.5"}, "--p", "'0.5', expected a number >= 1"},
    {{"weights", "losses.npy", "--p", "nan"}, "--p", "'nan'"},
    {{"weights", "losses.npy", "--p", "abc"}, "--p", "'abc'"},
    {{"weights", "losses.npy", "--p", "2x"}, "--p", "'2x'"},
    {{"weights", "losses.npy", "--p", "2,5"}, "--p", "'2,5'"},
    {{"weights", "losses.npy", "--p", ""}, "--p", "''"},
    {{"weights", "losses.npy", "--p", " 2"}, "--p", "' 2'"},
    {{"weights", "losses.npy", "--p", "0x2"}, "--p", "'0x2'"},
    {{"weights", "losses.npy", "--p", "1e999"}, "--p", "'1e999'"},
    {{"weights", "losses.npy", "--p", "-inf"}, "--p", "'-inf'"},
    {{"weights", "losses.npy", "--support", "0"}, "--support", "'0', expected a number in (0, 1]"},
    {{"weights", "losses.npy", "--support", "2"}, "--support", "'2', expected a number in (0, 1]"},
    {{"weights", "losses.npy", "--support", "-0.5"}, "--support", "'-0.5'"},
    {{"weights", "losses.npy", "--support", "nan"}, "--support", "'nan'"},
    {{"weights", "losses.npy", "--support", "1e-999"}, "--support", "'1e-999'"},
    {{"weights", "losses.npy", "--solver", "magic"}, "'magic'", "search or sort"},
    {{"loss", "logits.npy", "labels.npy", "--scope", "pixel"}, "'pixel'", "batch or image"},
    {{"loss", "logits.npy", "labels.npy", "--align-corners=1"}, "--align-corners=1", "no value"},
    {{"loss", "logits.npy", "labels.npy", "--ignore-index", "x"}, "--ignore-index", "'x'"},
    {{"loss", "logits.npy", "labels.npy", "--ignore-index", "1.5"}, "--ignore-index", "'1.5'"},
    {{"loss", "logits.npy", "labels.npy", "--ignore-index", "9223372036854775808"}, "--ignore-index", "922337203685"},
    /* files that are no arrays */
    {{"weights", "absent.npy"}, "absent.npy", "No such file"},
    {{"weights", "folder"}, "folder", "a folder"},
    {{"weights", "empty.npy"}, "empty.npy", "empty"},
    {{"weights", "text.npy"}, "text.npy", "not a .npy"},
    {{"weights", "good.png"}, "good.png", "not a .npy"},
    {{"weights", "header.npy"}, "header.npy", "ends within its .npy header"},
    {{"weights", "version.npy"}, "version.npy", "version 9.0"},
    {{"weights", "long-header.npy"}, "long-header.npy", "2147483647 bytes"},
    {{"weights", "truncated.npy"}, "truncated.npy", "43 bytes of data, expected 48 for float32 3x2x2"},
    {{"weights", "more.npy"}, "more.npy", "48 bytes of data, expected 24 for float32 3x2x1"},
    {{"weights", "fortran.npy"}, "fortran.npy", "Fortran"},
    {{"weights", "big.npy"}, "big.npy", "big-endian ('>f4')"},
    {{"weights", "double.npy"}, "double.npy", "float64 ('<f8'), expected float32"},
    {{"weights", "structured.npy"}, "structured.npy", "structured"},
    {{"weights", "object.npy"}, "object.npy", "objects"},
    {{"weights", "zero.npy"}, "zero.npy", "3x0x2"},
    {{"weights", "overflow.npy"}, "overflow.npy", "too large"},
    {{"weights", "huge.npy"}, "huge.npy", "48 bytes of data, expected 4000000000000000"},
    /* arrays that do not fit */
    {{"weights", "negative.npy"}, "negative.npy", "-0.25 at [1,0]"},
    {{"weights", "negative-inf.npy"}, "negative-inf.npy", "-inf at [1,0]"},
    {{"loss", "double.npy", "labels.npy"}, "double.npy", "expected float16 or float32"},
    {{"loss", "flat.npy", "labels.npy"}, "flat.npy", "3x4, expected (C,H,W) or (N,C,H,W)"},
    {{"loss", "five.npy", "labels.npy"}, "five.npy", "1x1x3x2x2"},
    {{"loss", "logits.npy", "text.npy"}, "text.npy", "neither"},
    {{"loss", "logits.npy", "absent.png"}, "absent.png", "No such file"},
    {{"loss", "logits.npy", "small-labels.npy"}, "small-labels.npy", "logits cannot be larger than the labels"},
    {{"loss", "logits.npy", "batch-labels.npy"},
     "batch-labels.npy",
     "2x2x2, expected 2x2, or larger images, as logits.npy"},
    {{"loss", "logits.npy", "float-labels.npy"},
     "float-labels.npy",
     "uint8, int8, uint16, int16, uint32, int32, uint64 or int64"},
    {{"loss", "logits.npy", "big-labels.npy"}, "big-labels.npy", "('>i8')"},
    {{"loss", "logits.npy", "flat.png"}, "flat.png", "has 1 x 5 labels an image, but logits.npy has 2 x 2 logits"},
    {{"loss", "logits.npy", "rgb.png"}, "rgb.png is an RGB PNG of 8 bits, with the colours 0,0,0,", "--label-map FILE"},
    {{"loss", "logits.npy", "alpha.png"}, "alpha.png", "alpha"},
    {{"loss", "logits.npy", "labels.npy", "--label-map", "coco"}, "'coco'", "ade20k, cityscapes, mask, voc"},
    {{"eval", "logits.npy", "labels.npy", "--ignore-index", "1,"}, "--ignore-index is '1,'", "'0,255'"},
    {{"loss", "logits.npy", "short.png"}, "short.png", "damaged PNG"},
    {{"loss", "logits.npy", "damaged.png"}, "damaged.png", "damaged PNG"},
    {{"loss", "logits.npy", "labels.npy", "--class-weights", "class-two.npy"}, "class-two.npy", "expected 3"},
    {{"loss", "logits.npy", "labels.npy", "--class-weights", "class-plane.npy"}, "class-plane.npy", "3x1"},
    {{"loss", "logits.npy", "labels.npy", "--class-weights", "class-inf.npy"}, "class-inf.npy", "inf at [1]"},
    {{"loss", "logits.npy", "labels.npy", "--class-weights", "class-below.npy"}, "class-below.npy", "-2 at [2]"},
    /* outputs */
    {{"weights", "losses.npy", "-o", "nowhere/out.npy"}, "nowhere/out.npy", "folder does not exist"},
    {{"weights", "losses.npy", "-o", "losses.npy/out.npy"}, "losses.npy/out.npy", "Not a directory"},
    {{"weights", "losses.npy", "-o", "folder"}, "-o is folder", "a folder"},
    {{"weights", "losses.npy", "-o", "new/"}, "new/", "a folder"},
    {{"weights", "losses.npy", "-o", ""}, "-o", "empty"},
    {{"weights", "losses.npy", "-o", "dangling"}, "dangling", "link"},
    {{"weights", "losses.npy", "-o", "losses.npy"}, "-o is losses.npy", "also read"},
    {{"weights", "losses.npy", "-o", "folder/../losses.npy"}, "losses.npy", "also read"},
    {{"weights", "losses.npy", "-o", "alias.npy"}, "alias.npy", "also read"},
    {{"weights", "losses.npy", "-o", "/dev/full"}, "/dev/full", "No space left"},
    {{"weights", "losses.npy", "-o", "/dev/stdout", "--json"}, "-o is /dev/stdout", "--json"},
    {{"loss", "logits.npy", "labels.npy", "--losses", "out.npy", "--weights", "out.npy"},
     "--losses and --weights",
     "same file"},
    {{"loss", "logits.npy", "labels.npy", "--gradient", "out.npy", "--heatmap", "./out.npy"},
     "--gradient and --heatmap",
     "same file"},
    {{"loss", "logits.npy", "labels.npy", "--losses", "labels.npy"}, "--losses is labels.npy", "also read"},
    {{"loss", "logits.npy", "labels.npy", "--losses", "out.npy", "--weights", "/dev/full"},
     "/dev/full",
     "No space left"},
    {{"loss", "logits.npy", "labels.npy", "--losses", "out.npy", "--heatmap", "/dev/full"},
     "/dev/full",
     "No space left"},
    {{"loss", "logits.npy", "small-labels.npy", "--losses", "out.npy"}, "small-labels.npy", "1 x 5"},
    {{"weights", "losses.npy", "-o", "out.npy", "--device", "no such device"}, "'no such device'", "("},
    {{"devices", "--device", "no such device"}, "'no such device'", "("},
};

START_TEST(bad_use_and_bad_input_exit_with_two_and_one_line) {
    const char *argv[12] = {cli_path()};
    for (size_t i = 0; i < 10; ++i)
        argv[i + 1] = refused[_i].arguments[i];
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 2, refused[_i].one, refused[_i].two);
    ck_assert_msg(access("out.npy", F_OK) != 0, "an output was written");
}
END_TEST

START_TEST(help_is_given_whatever_else_is_asked) {
    struct outcome outcome = clmp("loss", "absent.npy", "--help", NULL);
    ck_assert(strstr(outcome.out, "usage: clmp loss") != NULL);
    assert_done(outcome);
}
END_TEST

START_TEST(lack_of_a_device_exits_with_one) {
    static const char *const scripts[] = {
        "OCL_ICD_VENDORS=/nowhere exec \"$CLMP_CLI\" weights losses.npy -o out.npy --json",
        "OCL_ICD_VENDORS=/nowhere exec \"$CLMP_CLI\" loss logits.npy labels.npy --device any",
        "OCL_ICD_VENDORS=/nowhere exec \"$CLMP_CLI\" devices --json",
    };
    const char *const argv[] = {"sh", "-c", scripts[_i], NULL};
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 1, "no OpenCL device", "driver");
    ck_assert(access("out.npy", F_OK) != 0);
}
END_TEST

START_TEST(full_standard_output_is_noticed) {
    static const char *const scripts[] = {
        "exec \"$CLMP_CLI\" devices --json > /dev/full",
        "exec \"$CLMP_CLI\" --help > /dev/full",
        "exec \"$CLMP_CLI\" weights losses.npy >&-",
    };
    const char *const argv[] = {"sh", "-c", scripts[_i], NULL};
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 2, "standard output", "cannot write");
}
END_TEST

/* The limit on the size of files stands for a disk that fills up: the old file stays, and nothing new. */
START_TEST(disk_that_fills_up_leaves_nothing_behind) {
    enum { COUNT = 1 << 20 };
    static const char script[] = "ulimit -f 2048; exec \"$CLMP_CLI\" weights many.npy -o kept.npy";
    static const char *const argv[] = {"sh", "-c", script, NULL};
    float *many = calloc(COUNT, sizeof *many);
    write_npy("many.npy", "<f4", "(1048576,)", many, COUNT * sizeof *many);
    free(many);
    write_file("kept.npy", "old", 3);
    assert_done(clmp("weights", "many.npy", NULL)); /* what the runtime caches is written now */
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 2, "cannot write kept.npy", "File too large");
    char *kept = read_file("kept.npy", NULL);
    ck_assert_str_eq(kept, "old");
    free(kept);
}
END_TEST

START_TEST(names_with_line_ends_stay_on_one_line) {
    struct outcome outcome = clmp("weights", "a\nb\x1b[31m.npy", NULL);
    assert_refused(&outcome, 2, "a?b?[31m.npy", "No such file");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cli errors");
    TCase *tcase = add_case(suite, "input", "full quick");
    tcase_add_unchecked_fixture(tcase, write_npy_files, NULL);
    tcase_add_unchecked_fixture(tcase, write_other_files, NULL);
    tcase_add_loop_test(tcase, bad_use_and_bad_input_exit_with_two_and_one_line, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, help_is_given_whatever_else_is_asked);
    tcase_add_test(tcase, names_with_line_ends_stay_on_one_line);
    tcase = add_case(suite, "surroundings", "full quick");
    tcase_add_unchecked_fixture(tcase, write_npy_files, NULL);
    tcase_add_loop_test(tcase, lack_of_a_device_exits_with_one, 0, 3);
    tcase_add_loop_test(tcase, full_standard_output_is_noticed, 0, 3);
    tcase_add_test(tcase, disk_that_fills_up_leaves_nothing_behind);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}

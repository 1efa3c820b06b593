/*
 * Programs that do what they are asked say nothing on standard error, nor does a compiler or a driver below them, where
 * nothing is compiled before.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_CLI, CLMP_TRAIN, CLMP_BENCH, CLMP_DEMO  paths of the programs; one that is not there is left out
 *   CLMP_TEST_DEVICE                             the device
 */
#include "cli_support.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLASSES = 5, WIDTH = 48, HEIGHT = 36, PIXELS = WIDTH * HEIGHT, PICTURES = 2 };

static const char *program_of(const char *name) {
    const char *path = getenv(name);
    return path != NULL && path[0] == '/' ? path : NULL;
}

/* Folders for whatever keeps compiled programs, each empty. */
static void start_cold(void) {
    static const char *const names[] = {"CLMP_CACHE_DIR", "POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR", "XDG_CACHE_HOME",
                                        "HOME"};
    static int number;
    char here[256], folder[512];
    ck_assert(getcwd(here, sizeof here) != NULL);
    ++number;
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        snprintf(folder, sizeof folder, "%s/cold-%d-%zu", here, number, i);
        ck_assert(mkdir(folder, 0700) == 0 && setenv(names[i], folder, 1) == 0);
    }
}

/* What Mesa 22.3 has to say of each kernel that returns early, whatever it then reads: it is the driver's own limit. */
static const char by_mesa[] = "MESA: warning: Treating load_kernel_arg in control flow as uniform";

static bool begins(const char *line, const char *start) {
    return start != NULL && strncmp(line, start, strlen(start)) == 0;
}

/* Runs a program with these words.  Its lines on standard error begin with `own`; where that is NULL, there are none.
 */
static void assert_silent(const char *own, const char *program, const char *const *words) {
    const char *argv[32] = {program}, *device = getenv("CLMP_TEST_DEVICE");
    size_t count = 1;
    while (*words != NULL)
        argv[count++] = *words++;
    if (device != NULL && device[0] != '\0') {
        argv[count++] = "--device";
        argv[count++] = device;
    }
    start_cold();
    struct outcome outcome = run_program(argv);
    ck_assert_msg(outcome.status == 0, "%s %s: status %d: %s", program, argv[1], outcome.status, outcome.err);
    for (const char *line = outcome.err; *line != '\0';) {
        const char *end = strchr(line, '\n');
        ck_assert_msg(end != NULL && (begins(line, own) || begins(line, by_mesa)), "%s %s says: %s", program, argv[1],
                      line);
        line = end + 1;
    }
    outcome_free(&outcome);
}

static void write_inputs(void) {
    static float logits[CLASSES * PIXELS];
    static unsigned char labels[PIXELS];
    struct rng rng = rng_for("silence", 0);
    for (size_t i = 0; i < sizeof logits / sizeof *logits; ++i)
        logits[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < PIXELS; ++i)
        labels[i] = (unsigned char)rng_below(&rng, CLASSES);
    write_npy("logits.npy", "<f4", "(5, 36, 48)", logits, sizeof logits);
    write_npy("quarter.npy", "<f4", "(5, 9, 12)", logits, sizeof logits / 16);
    for (size_t i = 0; i < PIXELS; ++i)
        logits[i] = fabsf(logits[i]);
    write_npy("losses.npy", "<f4", "(36, 48)", logits, sizeof logits / CLASSES);
    write_npy("labels.npy", "|u1", "(36, 48)", labels, sizeof labels);
}

static const char *const commands[][12] = {
    {"loss", "logits.npy", "labels.npy", "--gradient", "gradient.npy"},
    {"loss", "quarter.npy", "labels.npy", "--gradient", "gradient.npy"},
    {"loss", "logits.npy", "labels.npy", "--solver", "sort", "--loss", "focal"},
    {"loss", "logits.npy", "labels.npy", "--weighting", "ohem"},
    {"loss", "logits.npy", "labels.npy", "--weighting", "balanced"},
    {"weights", "losses.npy", "-o", "weights.npy"},
    {"class-weights", "labels.npy", "--classes", "5", "-o", "class-weights.npy"},
    {"eval", "quarter.npy", "labels.npy"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

START_TEST(the_command) {
    write_inputs();
    assert_silent(NULL, program_of("CLMP_CLI"), commands[_i]);
}
END_TEST

START_TEST(training) {
    static const char *const folders[] = {"data", "data/train", "data/trainannot", "data/val", "data/valannot"};
    static const char *const words[] = {"run", "data", "-o", "trained", "--steps", "1", "--batch", "2", NULL};
    static const char classes[] = "sky 10 20 200\nroad 90 90 90\n";
    unsigned char rgb[3 * PIXELS], labels[PIXELS];
    char name[64];
    struct rng rng = rng_for("silence", 1);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i)
        ck_assert(mkdir(folders[i], 0777) == 0);
    for (int i = 0; i < 2 * PICTURES; ++i) {
        const char *split = i < PICTURES ? "train" : "val";
        for (size_t k = 0; k < PIXELS; ++k) {
            labels[k] = (unsigned char)rng_below(&rng, 2);
            for (size_t c = 0; c < 3; ++c)
                rgb[3 * k + c] = (unsigned char)rng_below(&rng, 256);
        }
        snprintf(name, sizeof name, "data/%s/%d.png", split, i);
        write_png(name, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, false, rgb);
        snprintf(name, sizeof name, "data/%sannot/%d.png", split, i);
        write_png(name, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    }
    write_file("data/classes.txt", classes, sizeof classes - 1);
    assert_silent("lmp: ", program_of("CLMP_TRAIN"), words); /* how well the weighting of that name did */
}
END_TEST

START_TEST(the_bench) {
    static const char *const words[] = {"--quick", "--case", "small", "--repeat", "1", NULL};
    assert_silent(NULL, program_of("CLMP_BENCH"), words);
}
END_TEST

START_TEST(the_demo) {
    static const char *const words[] = {"--output", "demo.png", NULL};
    assert_silent("demo: ", program_of("CLMP_DEMO"), words); /* it tells what it is doing */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("silence");
    TCase *tcase = add_case(suite, "programs", "quick full");
    if (program_of("CLMP_CLI") != NULL)
        tcase_add_loop_test(tcase, the_command, 0, COMMANDS);
    if (program_of("CLMP_TRAIN") != NULL)
        tcase_add_test(tcase, training);
    if (program_of("CLMP_BENCH") != NULL)
        tcase_add_test(tcase, the_bench);
    if (program_of("CLMP_DEMO") != NULL)
        tcase_add_test(tcase, the_demo);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}

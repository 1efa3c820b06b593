/*
 * clmp-train on tiny folders: the layouts it reads, that it learns, goes on and compares, and what it refuses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h> /* before jpeglib.h */

#include <jpeglib.h>
#include <png.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { WIDTH = 48, HEIGHT = 36, PIXELS = WIDTH * HEIGHT, CLASSES = 3, IGNORED = 255, TRAIN = 5, VAL = 2 };

static const char class_list[] = "# three\nsky 10 20 200\nroad 90 90 90\n\nsign 250 200 0\n";
static const unsigned char colours[CLASSES][3] = {{40, 80, 220}, {100, 100, 100}, {240, 220, 20}};

/* ------------------------------------------------------------------------------------------------------------- data */

/* Sky above road, and a sign; the top row is ignored. */
static void make_picture(int number, unsigned char *rgb, unsigned char *labels) {
    struct rng rng = rng_for("train", (uint64_t)number);
    const size_t horizon = 10 + rng_below(&rng, 16), left = rng_below(&rng, WIDTH - 12), top = rng_below(&rng, 24);
    for (size_t y = 0; y < HEIGHT; ++y)
        for (size_t x = 0; x < WIDTH; ++x) {
            const bool sign = y >= top && y < top + 10 && x >= left && x < left + 10;
            const unsigned char label = sign ? 2 : y >= horizon;
            labels[y * WIDTH + x] = y == 0 ? IGNORED : label;
            for (size_t i = 0; i < 3; ++i)
                rgb[3 * (y * WIDTH + x) + i] =
                    (unsigned char)fmin(255.0, fmax(0.0, colours[label][i] + 12.0 * rng_normal(&rng)));
        }
}

static void write_jpeg(const char *name, unsigned char *rgb) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(name, "wb");
    ck_assert(file != NULL);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < HEIGHT) {
        JSAMPROW row = rgb + 3 * WIDTH * jpeg.next_scanline;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    ck_assert(fclose(file) == 0);
}

/* One pair, and its folders where they are missing; names as in printf, of the number. */
static void write_pair(const char *image, const char *labels, int number, bool palette) {
    unsigned char rgb[3 * PIXELS], map[PIXELS];
    make_picture(number, rgb, map);
    if (strstr(image, ".jpg") != NULL)
        write_jpeg(image, rgb);
    else
        write_png(image, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, false, rgb);
    write_png(labels, WIDTH, HEIGHT, 8, palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, false, map);
}

static void make_folders(const char *const *names) {
    for (; *names != NULL; ++names)
        ck_assert(mkdir(*names, 0777) == 0);
}

static void write_camvid(void) {
    static const char *const folders[] = {"data", "data/train", "data/trainannot", "data/val", "data/valannot", NULL};
    make_folders(folders);
    for (int i = 0; i < TRAIN + VAL; ++i) {
        const char *split = i < TRAIN ? "train" : "val";
        char image[64], labels[64];
        snprintf(image, sizeof image, "data/%s/%d.png", split, i);
        snprintf(labels, sizeof labels, "data/%sannot/%d.png", split, i);
        write_pair(image, labels, i, false);
    }
    write_file("data/classes.txt", class_list, sizeof class_list - 1);
}

static void write_cityscapes(void) {
    static const char *const folders[] = {"data",
                                          "data/leftImg8bit",
                                          "data/gtFine",
                                          "data/leftImg8bit/train",
                                          "data/gtFine/train",
                                          "data/leftImg8bit/val",
                                          "data/gtFine/val",
                                          "data/leftImg8bit/train/ulm",
                                          "data/gtFine/train/ulm",
                                          "data/leftImg8bit/train/bonn",
                                          "data/gtFine/train/bonn",
                                          "data/leftImg8bit/val/essen",
                                          "data/gtFine/val/essen",
                                          NULL};
    make_folders(folders);
    for (int i = 0; i < TRAIN + VAL; ++i) {
        const char *place = i >= TRAIN ? "val/essen/essen" : i % 2 == 0 ? "train/ulm/ulm" : "train/bonn/bonn";
        char image[128], labels[128];
        snprintf(image, sizeof image, "data/leftImg8bit/%s_00000%d_leftImg8bit.png", place, i);
        snprintf(labels, sizeof labels, "data/gtFine/%s_00000%d_gtFine_labelTrainIds.png", place, i);
        write_pair(image, labels, i, false);
        snprintf(labels, sizeof labels, "data/gtFine/%s_00000%d_gtFine_color.png", place, i);
        write_file(labels, "other files lie there, too", 26);
    }
    write_file("data/classes.txt", class_list, sizeof class_list - 1);
}

static void write_voc(void) {
    static const char *const folders[] = {
        "data", "data/JPEGImages", "data/SegmentationClass", "data/ImageSets", "data/ImageSets/Segmentation", NULL};
    char lists[2][256] = {"", ""};
    make_folders(folders);
    for (int i = 0; i < TRAIN + VAL; ++i) {
        char image[64], labels[64], *list = lists[i >= TRAIN];
        snprintf(image, sizeof image, "data/JPEGImages/2007_%d.jpg", i);
        snprintf(labels, sizeof labels, "data/SegmentationClass/2007_%d.png", i);
        write_pair(image, labels, i, true);
        sprintf(list + strlen(list), "2007_%d\n", i);
    }
    write_file("data/ImageSets/Segmentation/train.txt", lists[0], strlen(lists[0]));
    write_file("data/ImageSets/Segmentation/val.txt", lists[1], strlen(lists[1]));
    write_file("data/classes.txt", class_list, sizeof class_list - 1);
}

/* Labels of a class in the validation images, that are not ignored; CLASSES: of all. */
static long count_labels(int class) {
    long count = 0;
    for (int i = TRAIN; i < TRAIN + VAL; ++i) {
        unsigned char rgb[3 * PIXELS], labels[PIXELS];
        make_picture(i, rgb, labels);
        for (size_t j = 0; j < PIXELS; ++j)
            count += class == CLASSES ? labels[j] != IGNORED : labels[j] == class;
    }
    return count;
}

/* --------------------------------------------------------------------------------------------------------- outcomes */

static bool there(const char *name) {
    struct stat status;
    return stat(name, &status) == 0;
}

/* No temporary file is left in a folder; those of outputs begin with a dot, or end so. */
static void assert_tidy(const char *folder) {
    char here[4096];
    ck_assert(getcwd(here, sizeof here) != NULL && chdir(folder) == 0);
    ck_assert_msg(count_files(".clmp") == 0, "a temporary file is left in %s", folder);
    ck_assert(chdir(here) == 0);
}

static void assert_trained(struct outcome outcome) {
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    outcome_free(&outcome);
}

/* A line that fails, behind notes on the data, which are small here. */
static void assert_refuses(struct outcome outcome, const char *one, const char *two) {
    static const char note[] = "clmp-train: note: ";
    const char *line = outcome.err, *end = strchr(line, '\n');
    while (end != NULL && strncmp(line, note, sizeof note - 1) == 0) {
        line = end + 1;
        end = strchr(line, '\n');
    }
    ck_assert_msg(outcome.status == 2, "status %d: %s", outcome.status, outcome.err);
    ck_assert_msg(outcome.size == 0, "standard output has: %s", outcome.out);
    ck_assert_msg(end != NULL && end[1] == '\0', "not one line: %s", outcome.err);
    ck_assert_msg(strncmp(line, "clmp-train: ", 12) == 0, "%s", outcome.err);
    ck_assert_msg(strstr(line, one) != NULL && strstr(line, two) != NULL, "no '%s' and '%s' in: %s", one, two,
                  outcome.err);
    outcome_free(&outcome);
}

static json_t *load(const char *name) {
    json_error_t error;
    json_t *object = json_load_file(name, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json_is_object(object), "%s: %s", name, error.text);
    return object;
}

static void assert_same(const char *a, const char *b) {
    size_t size_a, size_b;
    char *bytes_a = read_file(a, &size_a), *bytes_b = read_file(b, &size_b);
    ck_assert_msg(size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0, "%s and %s differ", a, b);
    free(bytes_a);
    free(bytes_b);
}

static void assert_png(const char *name, unsigned width, unsigned height) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    ck_assert_msg(png_image_begin_read_from_file(&image, name), "%s: %s", name, image.message);
    ck_assert_msg(width == 0 || (image.width == width && image.height == height), "%s is %u x %u", name, image.width,
                  image.height);
    png_image_free(&image);
}

/* ------------------------------------------------------------------------------------------------------------- runs */

static void (*const layouts[])(void) = {write_camvid, write_cityscapes, write_voc};

START_TEST(layouts_are_read) {
    layouts[_i]();
    assert_trained(clmp("run", "data", "-o", "out", "--steps", "3", "--batch", "2", NULL));
    assert_tidy("out");
    json_t *result = load("out/result.json");
    const json_t *confusion = json_object_get(result, "confusion"), *classes = json_object_get(result, "classes");
    ck_assert_uint_eq(json_array_size(confusion), CLMP_CONFUSION(CLASSES));
    ck_assert_uint_eq(json_array_size(classes), CLASSES);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(classes, 2), "class")), "sign");
    for (size_t c = 0; c < CLASSES; ++c) { /* what was read is what was written, whatever was predicted */
        long row = 0;
        for (size_t k = 0; k < CLASSES; ++k)
            row += (long)json_integer_value(json_array_get(confusion, c * CLASSES + k));
        ck_assert_int_eq(row, count_labels((int)c));
    }
    json_decref(result);
    assert_png("out/step-000003.png", WIDTH, HEIGHT);
    char *log = read_file("out/log.csv", NULL);
    int lines = 0;
    for (const char *at = log; (at = strchr(at, '\n')) != NULL; ++at)
        ++lines;
    ck_assert_int_eq(lines, 4);
    free(log);
}
END_TEST

/* The last line's speed, and its shares, which are all of a step's time. */
static void assert_shares(const char *text) {
    static const char *const parts[] = {"a step, ",       "images/s: reading ", "network forward ",
                                        "loss and head ", "network backward ",  "optimiser "};
    double numbers[6] = {0.0}, sum = 0.0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        text = strstr(text, parts[i]);
        ck_assert_msg(text != NULL, "nothing is said of '%s'", parts[i]);
        text += strlen(parts[i]);
        numbers[i] = strtod(text, NULL);
        ck_assert_msg(numbers[i] >= 0.0, "%s%g", parts[i], numbers[i]);
        sum += i > 0 ? numbers[i] : 0.0;
    }
    ck_assert_msg(numbers[0] > 0.0 && sum > 96.0 && sum < 104.0, "%g images/s, %g%%", numbers[0], sum);
    ck_assert_msg(numbers[2] > 0.0 && numbers[4] > 0.0, "forward %g%%, backward %g%%", numbers[2], numbers[4]);
}

START_TEST(it_learns) {
    write_camvid();
    struct outcome first =
        clmp("run", "data", "-o", "out", "--steps", "60", "--weighting", "lmp:p=1.7:support=0.25", NULL);
    assert_shares(first.err);
    assert_trained(first);
    json_t *result = load("out/result.json");
    ck_assert_msg(number(result, "pixel_accuracy") > 0.9, "pixel accuracy %g", number(result, "pixel_accuracy"));
    ck_assert_msg(number(result, "mean_iou") > 0.7, "mean IoU %g", number(result, "mean_iou"));
    json_decref(result);
    /* the same command reads what is there; a seed gives the same bits again, and another one other ones */
    struct outcome again =
        clmp("run", "data", "-o", "out", "--steps", "60", "--weighting", "lmp:p=1.7:support=0.25", NULL);
    ck_assert(strstr(again.out, "pixel accuracy") != NULL && again.status == 0);
    outcome_free(&again);
    assert_trained(clmp("run", "data", "-o", "a", "--steps", "4", NULL));
    assert_trained(clmp("run", "data", "-o", "b", "--steps", "4", NULL));
    assert_trained(clmp("run", "data", "-o", "c", "--steps", "4", "--seed", "2", NULL));
    assert_same("a/network.ckpt", "b/network.ckpt");
    assert_same("a/log.csv", "b/log.csv");
    char *a = read_file("a/log.csv", NULL), *c = read_file("c/log.csv", NULL);
    ck_assert_str_ne(a, c);
    free(a);
    free(c);
}
END_TEST

/* With all that changes pictures, rates and what is looked at between. */
static struct outcome changing_run(const char *output, const char *steps) {
    return clmp("run", "data", "-o", output, "--steps", steps, "--batch", "2", "--scale", "0.5,2", "--colour", "0.5",
                "--schedule", "cosine", "--validate", "50", NULL);
}

/* Starts the same and interrupts it after some ms; returns the exit status. */
static int interrupt_after(const char *steps, long ms) {
    const char *const argv[] = {cli_path(), "run",        "data",   "-o",         "cut",   "--steps",
                                steps,      "--batch",    "2",      "--scale",    "0.5,2", "--colour",
                                "0.5",      "--schedule", "cosine", "--validate", "50",    NULL};
    pid_t pid;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ck_assert(posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    kill(pid, SIGINT);
    ck_assert(waitpid(pid, &status, 0) == pid);
    ck_assert_msg(WIFEXITED(status) || WTERMSIG(status) == SIGINT, "signal %d", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(interrupted_runs_go_on_to_the_same_bits) {
    static const char steps[] = "400";
    write_camvid();
    assert_trained(changing_run("whole", steps));
    int saved = 0;
    for (long ms = 400; ms < 20000 && !there("cut/result.json"); ms += 150) {
        const int status = interrupt_after(steps, ms);
        ck_assert_msg(status == 130 || status == 0 || status == -1, "status %d", status); /* -1: before it listens */
        saved += status == 130 && there("cut/network.ckpt");
    }
    ck_assert_msg(saved > 0, "no run was interrupted");
    assert_trained(changing_run("cut", steps));
    assert_same("whole/network.ckpt", "cut/network.ckpt");
    assert_same("whole/log.csv", "cut/log.csv");
    assert_same("whole/step-000400.png", "cut/step-000400.png");
    assert_tidy("cut");
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- compare */

static double mean_iou(const char *name) {
    json_t *result = load(name);
    const double value = number(result, "mean_iou");
    json_decref(result);
    return value;
}

START_TEST(comparisons_are_of_the_runs) {
    static const char both[] = "uniform,topk:support=0.5+median-sqrt";
    write_camvid();
    assert_trained(clmp("compare", "data", "-o", "out", "--weightings", both, "--seeds", "2", "--steps", "6", "--batch",
                        "2", NULL));
    const double first[] = {mean_iou("out/uniform/seed-1/result.json"), mean_iou("out/uniform/seed-2/result.json")};
    const double second[] = {mean_iou("out/topk_support_0.5+median-sqrt/seed-1/result.json"),
                             mean_iou("out/topk_support_0.5+median-sqrt/seed-2/result.json")};
    char *csv = read_file("out/table.csv", NULL), *table = read_file("out/table.txt", NULL), text[64];
    snprintf(text, sizeof text, "\nuniform,2,%.5f,", first[1]);
    ck_assert_msg(strstr(csv, text) != NULL, "no %s in %s", text, csv);
    snprintf(text, sizeof text, "\ntopk:support=0.5+median-sqrt,1,%.5f,", second[0]);
    ck_assert_msg(strstr(csv, text) != NULL, "no %s in %s", text, csv);
    const double mean = (second[0] + second[1]) / 2.0, more = mean - (first[0] + first[1]) / 2.0;
    snprintf(text, sizeof text, "%.1f +- %.1f (%+.1f +- ", 100.0 * mean,
             100.0 * fabs(second[0] - second[1]) / sqrt(2.0), 100.0 * more);
    ck_assert_msg(strstr(table, text) != NULL, "no %s in %s", text, table);
    snprintf(text, sizeof text, ", %d/2)", (second[0] > first[0]) + (second[1] > first[1]));
    ck_assert_msg(strstr(table, text) != NULL, "no %s in %s", text, table);
    free(csv);
    free(table);
    assert_png("out/plot.png", 0, 0);
    assert_png("out/evolution.png", 0, 0);
    assert_tidy("out");

    /* what is complete stays as it is: only what is new is trained */
    struct stat before, after;
    ck_assert(stat("out/uniform/seed-1/result.json", &before) == 0);
    assert_trained(clmp("compare", "data", "-o", "out", "--weightings", "uniform,lmp", "--seeds", "2", "--steps", "6",
                        "--batch", "2", NULL));
    ck_assert(stat("out/uniform/seed-1/result.json", &after) == 0);
    ck_assert(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    ck_assert(there("out/lmp/seed-2/result.json"));
    table = read_file("out/table.txt", NULL);
    ck_assert(strstr(table, "lmp") != NULL && strstr(table, "topk") == NULL);
    free(table);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- refusals */

START_TEST(bad_use_is_refused) {
    write_camvid();
    static const struct {
        const char *arguments[6], *one, *two;
    } cases[] = {
        {{"paint", "data"}, "'paint' is no command", "run or compare"},
        {{"run"}, "0 folders are given", "DATA"},
        {{"run", "data"}, "--output is missing", ""},
        {{"run", "nowhere", "-o", "out"}, "nowhere is no folder", ""},
        {{"run", "data/train", "-o", "out"}, "none of the layouts known", "trainannot"},
        {{"run", "data", "-o"}, "-o has no value", ""},
        {{"run", "data", "-o", "out", "--tint"}, "unknown option --tint", "run --help"},
        {{"run", "data", "-o", "out", "--seeds=3"}, "unknown option --seeds=3", ""},
        {{"run", "data", "-o", "out", "--steps=0"}, "--steps is '0'", "whole number from 1"},
        {{"run", "data", "-o", "out", "--batch=-1"}, "--batch is '-1'", ""},
        {{"run", "data", "-o", "out", "--rate=nan"}, "--rate is 'nan'", "(0, 1]"},
        {{"run", "data", "-o", "out", "--schedule=step"}, "--schedule is 'step'", "cycle, poly or cosine"},
        {{"run", "data", "-o", "out", "--weight-decay=-1"}, "--weight-decay is '-1'", "[0, 1]"},
        {{"run", "data", "-o", "out", "--scale=2"}, "--scale is '2'", "LOW,HIGH"},
        {{"run", "data", "-o", "out", "--scale=2,0.5"}, "--scale is '2,0.5'", "not above the second"},
        {{"run", "data", "-o", "out", "--scale=0,1"}, "--scale is '0,1'", "from 0.1 to 10"},
        {{"run", "data", "-o", "out", "--scale=nan,1"}, "--scale is 'nan,1'", ""},
        {{"run", "data", "-o", "out", "--scale=1,99999999999999999999"}, "--scale is '1,99999999999999999999'", ""},
        {{"run", "data", "-o", "out", "--colour=1"}, "--colour is '1'", "[0, 1)"},
        {{"run", "data", "-o", "out", "--validate=0"}, "--validate is '0'", "whole number from 1"},
        {{"run", "data", "-o", "out", "--crop=64"}, "--crop is '64'", "WIDTHxHEIGHT"},
        {{"run", "data", "-o", "out", "--show=x.png"}, "--show is 'x.png'", "no validation image"},
        {{"run", "data", "-o", "out", "--device=nothing"}, "nothing", "device"},
        {{"run", "data", "-o", "out", "--classes=none.txt"}, "cannot read none.txt", ""},
        {{"run", "data", "-o", "out", "--weighting=mean"}, "'mean' is no weighting", "lmp, uniform"},
        {{"run", "data", "-o", "out", "--weighting=uniform,lmp"}, "expected one", ""},
        {{"run", "data", "-o", "out", "--weighting=lmp:p"}, "'p' is not KEY=VALUE", ""},
        {{"run", "data", "-o", "out", "--weighting=lmp:q=2"}, "'q' is no key", "support"},
        {{"run", "data", "-o", "out", "--weighting=lmp:p=two"}, "p is 'two'", ""},
        {{"run", "data", "-o", "out", "--weighting=lmp:p=0.5"}, "'lmp:p=0.5'", "p is '0.5'"},
        {{"run", "data", "-o", "out", "--weighting=topk:count=-1"}, "count is '-1'", ""},
        {{"run", "data", "-o", "out", "--weighting=uniform:p=2"}, "p does not apply to weighting uniform", "for lmp"},
        {{"run", "data", "-o", "out", "--weighting=lmp:count=3"}, "count does not apply to weighting lmp", "topk"},
        {{"run", "data", "-o", "out", "--weighting=lmp:gamma=1"}, "gamma does not apply to loss cross-entropy", ""},
        {{"run", "data", "-o", "out", "--weighting=topk:support=1:count=2"}, "count and support are both given", ""},
        {{"run", "data", "-o", "out", "--weighting=ohem:loss=focal"}, "'ohem:loss=focal': weighting ohem", "focal"},
        {{"run", "data", "-o", "out", "--weighting=lmp:loss=focal:gamma=9"}, "gamma is '9'", "2^-10 to 8"},
        {{"run", "data", "-o", "out", "--weighting=topk:count=1e300"}, "count is '1e300', which is too large", ""},
        {{"run", "data", "-o", "out", "--steps=99999999999999999999"}, "which is too large", "to 10000000"},
        {{"run", "data", "-o", "out", "--crop=99999999999999999999x64"}, "which is too large", "WIDTHxHEIGHT"},
        {{"run", "data", "-o", "out", "--crop=64x64x64"}, "--crop is '64x64x64', expected", "WIDTHxHEIGHT"},
        {{"run", "data", "-o", "out", "--s=3"}, "--s=3 is ambiguous: --seed, --steps, --schedule, --scale, --show", ""},
        {{"run", "data", "--nonsense"}, "unknown option --nonsense", "run --help"}, /* and not 'data' */
        {{"run", "data", "more", "-o", "out"}, "2 folders are given", "DATA"},
        {{"run", "data", "-o", "out", "--weighting=uniform+rare"}, "'rare' is no scheme", "median-sqrt"},
        {{"run", "data", "-o", "data/classes.txt"}, "data/classes.txt", "folder"},
        {{"compare", "data", "-o", "out", "--weightings=lmp,lmp"}, "'lmp' is given twice", ""},
        {{"compare", "data", "-o", "out", "--weightings="}, "expected WEIGHTING", ""},
        {{"compare", "data", "-o", "out", "--seeds=0"}, "--seeds is '0'", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *const *a = cases[i].arguments;
        assert_refuses(clmp(a[0], a[1], a[2], a[3], a[4], a[5], NULL), cases[i].one, cases[i].two);
        ck_assert_msg(!there("out/result.json") && !there("out/network.ckpt"), "case %zu", i);
    }
}
END_TEST

static struct outcome short_run(void) {
    return clmp("run", "data", "-o", "out", "--steps", "2", "--batch", "2", NULL);
}

START_TEST(bad_data_is_refused) {
    unsigned char rgb[3 * PIXELS], labels[PIXELS];
    write_camvid();
    make_picture(2, rgb, labels);
    write_png("data/trainannot/2.png", WIDTH - 1, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    assert_refuses(short_run(), "data/train/2.png is 48 x 36", "data/trainannot/2.png are 47 x 36");
    labels[5 * WIDTH + 7] = CLASSES;
    write_png("data/trainannot/2.png", WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    assert_refuses(short_run(), "data/trainannot/2.png has label 3 at column 7, row 5", "0 to 2, or 255");
    write_png("data/trainannot/2.png", WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, false, rgb);
    assert_refuses(short_run(), "data/trainannot/2.png", "");
    write_file("data/trainannot/2.png", "no picture at all", 17);
    assert_refuses(short_run(), "data/trainannot/2.png is neither a .npy nor a PNG file", "");
    ck_assert(unlink("data/trainannot/2.png") == 0);
    assert_refuses(short_run(), "data/train/2.png has no label map", "trainannot/2.png");
    write_pair("data/train/2.png", "data/trainannot/2.png", 2, false);
    write_pair("more.png", "data/trainannot/more.png", 2, false);
    assert_refuses(short_run(), "data/train has 5 images", "6 label maps");
    ck_assert(unlink("data/trainannot/more.png") == 0);

    size_t size;
    char *bytes = read_file("data/val/5.png", &size);
    write_file("data/val/5.png", bytes, size / 2);
    assert_refuses(short_run(), "data/val/5.png is a damaged PNG", "ends early");
    write_file("data/val/5.png", "", 0);
    assert_refuses(short_run(), "data/val/5.png is empty", "");
    write_file("data/val/5.png", "RIFF....WEBPVP8 ", 16);
    assert_refuses(short_run(), "data/val/5.png is neither a PNG nor a JPEG file", "");
    write_file("data/val/5.png", bytes, size);
    free(bytes);
    ck_assert(rename("data/val", "val") == 0 && rename("data/valannot", "valannot") == 0);
    assert_refuses(short_run(), "cannot read data/val", "");
    ck_assert(mkdir("data/val", 0777) == 0 && mkdir("data/valannot", 0777) == 0);
    write_file("data/val/5.tif", "II*", 3);
    assert_refuses(short_run(), "the val split of data is empty: data/val has no file *.png, *.jpg or *.jpeg", "");
}
END_TEST

/* Writes the label maps of a split anew, each label as the table says; what it does not name stays. */
static void relabel(int first, int last, const char *split, const int table[][2]) {
    for (int i = first; i < last; ++i) {
        unsigned char rgb[3 * PIXELS], labels[PIXELS];
        char name[64];
        make_picture(i, rgb, labels);
        for (size_t j = 0; j < PIXELS; ++j)
            for (int k = 0; table[k][0] >= 0; ++k)
                if (labels[j] == table[k][0]) {
                    labels[j] = (unsigned char)table[k][1];
                    break;
                }
        snprintf(name, sizeof name, "data/%sannot/%d.png", split, i);
        write_png(name, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    }
}

static void assert_told(struct outcome outcome, const char *words, int times) {
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    int found = 0;
    for (const char *at = outcome.err; (at = strstr(at, words)) != NULL; ++at)
        ++found;
    ck_assert_msg(found == times, "%d times '%s' in: %s", found, words, outcome.err);
    outcome_free(&outcome);
}

START_TEST(splits_without_labels_are_refused_and_without_a_class_told) {
    static const int none[][2] = {{0, 255}, {1, 255}, {2, 255}, {-1, 0}}, two[][2] = {{2, 1}, {-1, 0}},
                     masks[][2] = {{1, 255}, {2, 255}, {-1, 0}}, whole[][2] = {{-1, 0}};
    write_camvid();
    relabel(0, TRAIN, "train", none);
    assert_refuses(short_run(), "no pixel of the training split has a class", "data/trainannot/0.png");
    relabel(0, TRAIN, "train", whole);
    relabel(TRAIN, TRAIN + VAL, "val", none);
    assert_refuses(short_run(), "no pixel of the validation split has a class", "");
    relabel(TRAIN, TRAIN + VAL, "val", whole);
    relabel(0, TRAIN, "train", two);
    assert_told(short_run(), "note: no pixel of the training split has class sign\n", 1);
    relabel(0, TRAIN, "train", masks);
    assert_told(clmp("run", "data", "-o", "masks", "--steps", "2", "--batch", "2", NULL),
                "note: all labels are 0 or 255, and 255 is ignored", 1);
}
END_TEST

START_TEST(a_table_of_labels_is_what_it_says) {
    static const int other[][2] = {{0, 40}, {1, 70}, {2, 9}, {255, 3}, {-1, 0}};
    static const char table[] = "40 0\n70 1\n9 2\n", lacking[] = "40 0\n70 1\n";
    static const char ignoring[] = "sky 10 20 200\nroad 90 90 90\nsign 250 200 0\nignore 255\nignore 3\n";
    write_camvid();
    assert_trained(short_run());
    relabel(0, TRAIN, "train", other);
    relabel(TRAIN, TRAIN + VAL, "val", other);
    write_file("map.txt", table, sizeof table - 1);
    assert_refuses(clmp("run", "data", "-o", "map", "--steps", "2", "--batch", "2", "--label-map", "map.txt", NULL),
                   "data/trainannot/0.png has label 3 at column 0, row 0", "--label-map map.txt does not name");
    write_file("data/classes.txt", ignoring, sizeof ignoring - 1); /* of the new labels */
    assert_refuses(clmp("run", "data", "-o", "map", "--steps", "2", "--batch", "2", "--label-map", "map.txt", NULL),
                   "has label 3", "does not name");
    static const char whole[] = "40 0\n70 1\n9 2\n3 ignore\n";
    write_file("map.txt", whole, sizeof whole - 1);
    assert_trained(clmp("run", "data", "-o", "map", "--steps", "2", "--batch", "2", "--label-map", "map.txt", NULL));
    assert_same("map/log.csv", "out/log.csv");
    assert_same("map/step-000002.png", "out/step-000002.png");
    write_file("map.txt", lacking, sizeof lacking - 1); /* another table is another run */
    assert_refuses(clmp("run", "data", "-o", "map", "--steps", "2", "--batch", "2", "--label-map", "map.txt", NULL),
                   "does not name", "");
    static const char swapped[] = "40 1\n70 0\n9 2\n3 ignore\n";
    write_file("map.txt", swapped, sizeof swapped - 1);
    assert_refuses(clmp("run", "data", "-o", "map", "--steps", "2", "--batch", "2", "--label-map", "map.txt", NULL),
                   "map/result.json", "another run");
    static const char ignore[] = "ignore 255\nignore 3\nsky 10 20 200\nroad 90 90 90\nsign 250 200 0\n";
    static const int more[][2] = {{255, 3}, {-1, 0}};
    write_file("data/classes.txt", ignore, sizeof ignore - 1);
    relabel(0, TRAIN, "train", more);
    relabel(TRAIN, TRAIN + VAL, "val", more);
    assert_trained(clmp("run", "data", "-o", "two", "--steps", "2", "--batch", "2", NULL));
    assert_same("two/log.csv", "out/log.csv");
}
END_TEST

/* Renames the files of data/FOLDER that end so; macOS and Windows leave files of their own beside them. */
static void rename_all(const char *folder, const char *end, const char *new_end) {
    char here[4096], path[128], renamed[512];
    ck_assert(getcwd(here, sizeof here) != NULL);
    snprintf(path, sizeof path, "data/%s", folder);
    ck_assert_msg(chdir(path) == 0, "%s", path);
    DIR *list = opendir(".");
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        const size_t length = strlen(entry->d_name), of_end = strlen(end);
        if (length <= of_end || entry->d_name[0] == '.' || strcmp(entry->d_name + length - of_end, end) != 0)
            continue;
        snprintf(renamed, sizeof renamed, "%.*s%s", (int)(length - of_end), entry->d_name, new_end);
        ck_assert(rename(entry->d_name, renamed) == 0);
        snprintf(renamed, sizeof renamed, "._%.*s%s", (int)(length - of_end), entry->d_name, new_end);
        write_file(renamed, "Mac OS X", 9);
        ++count;
    }
    closedir(list);
    write_file(".DS_Store", "Bud1", 4);
    write_file("Thumbs.db", "", 0);
    ck_assert_msg(count > 0 && chdir(here) == 0, "%s", folder);
}

static void rename_camvid(void) {
    rename_all("train", ".png", ".PNG");
    rename_all("trainannot", ".png", ".Png");
    rename_all("valannot", ".png", ".PNG");
}

static void rename_cityscapes(void) {
    rename_all("leftImg8bit/train/ulm", "_leftImg8bit.png", "_leftImg8bit.PNG");
    rename_all("gtFine/train/ulm", "_gtFine_labelTrainIds.png", "_gtFine_labelTrainIds.PNG");
    rename_all("gtFine/val/essen", "_gtFine_labelTrainIds.png", "_gtFine_labelTrainIds.PNG");
    write_file("data/leftImg8bit/train/.DS_Store", "Bud1", 4);
    write_file("data/leftImg8bit/train/readme.txt", "no city", 7);
}

static void rename_voc(void) {
    static const char train[] = "\xef\xbb\xbf"
                                "2007_0\r\n  2007_1 \r\n\r\n2007_2\n2007 3\n2007_4";
    rename_all("JPEGImages", "0.jpg", "0.JPG");
    rename_all("JPEGImages", "1.jpg", "1.jpeg");
    rename_all("JPEGImages", "2.jpg", "2.JPEG");
    rename_all("JPEGImages", "_3.jpg", " 3.jpg");
    rename_all("SegmentationClass", "_3.png", " 3.PNG");
    rename_all("SegmentationClass", "_4.png", "_4.PNG");
    write_file("data/ImageSets/Segmentation/train.txt", train, sizeof train - 1);
}

static void (*const renamed[])(void) = {rename_camvid, rename_cityscapes, rename_voc};

START_TEST(names_may_be_as_other_systems_have_them) {
    layouts[_i]();
    assert_trained(short_run());
    renamed[_i]();
    assert_trained(clmp("run", "data", "-o", "renamed", "--steps", "2", "--batch", "2", NULL));
    assert_same("renamed/log.csv", "out/log.csv");
}
END_TEST

START_TEST(pictures_with_bytes_to_spare_are_told_once) {
    write_voc();
    assert_trained(short_run());
    for (int i = 1; i < 3; ++i) {
        char name[64];
        size_t size;
        snprintf(name, sizeof name, "data/JPEGImages/2007_%d.jpg", i);
        char *bytes = read_file(name, &size), *more = calloc(1, size + 300);
        memcpy(more, bytes, size - 2);
        memcpy(more + size + 298, bytes + size - 2, 2); /* the end */
        write_file(name, more, size + 300);
        free(bytes);
        free(more);
    }
    assert_told(
        clmp("run", "data", "-o", "more", "--steps", "2", "--batch", "2", NULL),
        "note: 2 JPEG files with bytes that are not part of the picture, first data/JPEGImages/2007_1.jpg: ", 1);
    assert_same("more/log.csv", "out/log.csv");
}
END_TEST

/* Names of classes in every file: in UTF-8, cut between characters, and whole in JSON and CSV. */
START_TEST(names_of_classes_keep_their_letters) {
    static const char list[] = "Fu\xc3\x9fg\xc3\xa4ngerwege,\xe2\x82\xac 1 2 3\n\xe9\x81\x93\xe8\xb7\xaf 4 5 6\n"
                               "\"sign\" 7 8 9\n";
    write_camvid();
    write_file("data/classes.txt", list, sizeof list - 1);
    assert_trained(clmp("compare", "data", "-o", "out", "--weightings", "uniform", "--seeds", "1", "--steps", "2",
                        "--batch", "2", NULL));
    json_t *result = load("out/uniform/seed-1/result.json");
    const json_t *classes = json_object_get(result, "classes");
    ck_assert_uint_eq(json_array_size(classes), CLASSES);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(classes, 0), "class")),
                     "Fu\xc3\x9fg\xc3\xa4ngerwege,\xe2\x82\xac");
    json_decref(result);
    char *table = read_file("out/table.txt", NULL), *csv = read_file("out/table.csv", NULL);
    json_t *utf8 = json_string(table); /* NULL of other bytes */
    ck_assert_msg(utf8 != NULL, "%s", table);
    ck_assert_msg(strstr(table, "  Fu\xc3\x9fg\xc3\xa4ngerw          \xe9\x81\x93\xe8\xb7\xaf") != NULL, "%s", table);
    ck_assert_msg(strstr(csv, ",\"iou_Fu\xc3\x9fg\xc3\xa4ngerwege,\xe2\x82\xac\",iou_\xe9\x81\x93\xe8\xb7\xaf,"
                              "\"iou_\"\"sign\"\"\"") != NULL,
                  "%s", csv);
    json_decref(utf8);
    free(table);
    free(csv);
}
END_TEST

/* More classes than one can read beside each other are below each other, with whole names. */
START_TEST(many_classes_are_rows_of_the_table) {
    char list[1024] = "", line[64];
    write_camvid();
    for (int i = 0; i < 25; ++i)
        snprintf(list + strlen(list), sizeof list - strlen(list), "a_long_name_%d %d 0 0\n", i, i);
    write_file("data/classes.txt", list, strlen(list));
    assert_trained(clmp("compare", "data", "-o", "out", "--weightings", "uniform,lmp", "--seeds", "1", "--steps", "2",
                        "--batch", "2", NULL));
    char *table = read_file("out/table.txt", NULL);
    json_t *result = load("out/lmp/seed-1/result.json");
    const double iou = number(json_array_get(json_object_get(result, "classes"), 0), "iou");
    const char *begin = strstr(table, "columns are the weightings in the order above\n\n           1           2\n");
    snprintf(line, sizeof line, "%12.1f  a_long_name_0\n", 100.0 * iou);
    ck_assert_msg(begin != NULL && strstr(begin, line) != NULL, "no %s in %s", line, table);
    ck_assert_msg(strstr(begin, "  a_long_name_24\n") != NULL, "%s", table);
    json_decref(result);
    free(table);
}
END_TEST

START_TEST(labels_of_cityscapes_may_be_ids) {
    static const int ids[CLASSES] = {7, 8, 11};
    write_cityscapes();
    assert_trained(short_run());
    for (int i = 0; i < TRAIN + VAL; ++i) {
        const char *place = i >= TRAIN ? "val/essen/essen" : i % 2 == 0 ? "train/ulm/ulm" : "train/bonn/bonn";
        unsigned char rgb[3 * PIXELS], labels[PIXELS];
        char name[128];
        make_picture(i, rgb, labels);
        for (size_t j = 0; j < PIXELS; ++j)
            labels[j] = labels[j] == IGNORED ? 1 : (unsigned char)ids[labels[j]];
        snprintf(name, sizeof name, "data/gtFine/%s_00000%d_gtFine_labelIds.png", place, i);
        write_png(name, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
        if (i < TRAIN) {
            snprintf(name, sizeof name, "data/gtFine/%s_00000%d_gtFine_labelTrainIds.png", place, i);
            ck_assert(unlink(name) == 0);
        }
    }
    assert_trained(clmp("run", "data", "-o", "ids", "--steps", "2", "--batch", "2", "--label-map", "cityscapes", NULL));
    assert_same("ids/log.csv", "out/log.csv");
    assert_refuses(clmp("run", "data", "-o", "no", "--steps", "2", NULL), "has no label map",
                   "_gtFine_labelTrainIds.png");
}
END_TEST

START_TEST(empty_splits_say_what_was_looked_for) {
    write_voc();
    write_file("data/ImageSets/Segmentation/val.txt", "# none\n\n", 8);
    assert_refuses(short_run(), "the val split of data is empty", "data/ImageSets/Segmentation/val.txt has no line");
    write_file("data/ImageSets/Segmentation/val.txt", "2008_1\n", 7);
    assert_refuses(short_run(), "data/JPEGImages/2008_1.jpg is missing", "");
    write_file("data/ImageSets/Segmentation/val.txt",
               "\xff\xfe"
               "2\0",
               4);
    assert_refuses(short_run(), "data/ImageSets/Segmentation/val.txt is text in UTF-16", "");
    ck_assert(rename("data", "voc") == 0);
    write_cityscapes();
    ck_assert(rename("data/leftImg8bit/val/essen", "data/essen") == 0);
    assert_refuses(short_run(), "the val split of data is empty",
                   "data/leftImg8bit/val has no file CITY/*_leftImg8bit.png");
}
END_TEST

START_TEST(bad_classes_are_refused) {
    static const struct {
        const char *text, *one;
    } cases[] = {
        {"", "0 classes, expected at least 2"},
        {"sky 1 2 3\n", "1 class, "},
        {"sky 1 2 3\nroad 1 2\n", "line 2: expected 'NAME RED GREEN BLUE'"},
        {"sky 1 2 3\nroad 1 2 256\n", "line 2"},
        {"sky 1 2 3\nroad 1 2 3 4\n", "line 2"},
        {"sky 1 2 3\nroad 1 2 3\nignore 1\n", "ignore is 1, but that is class road"},
        {"sky 1 2 3\nroad 1 2 3\nignore -1\n", "line 3: expected"},
        {"sky 1 2 3\nroad 1 2 3\nignore 70000\n", "line 3: expected"},
        {"sky 1 2 3\nstra\xdf"
         "e 1 2 3\n",
         "line 2: 'stra\xdf"
         "e 1 2 3' is not in UTF-8"},
        {"sky 1 2 3\nro\xed\xa0\x80"
         "ad 1 2 3\n",
         "line 2"}, /* a surrogate */
    };
    write_camvid();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_file("data/classes.txt", cases[i].text, strlen(cases[i].text));
        assert_refuses(short_run(), "data/classes.txt", cases[i].one);
    }
    ck_assert(unlink("data/classes.txt") == 0);
    assert_refuses(short_run(), "--classes is missing", "data/classes.txt");
}
END_TEST

START_TEST(other_runs_files_are_refused) {
    write_camvid();
    assert_trained(short_run());
    assert_refuses(clmp("run", "data", "-o", "out", "--steps", "3", "--batch", "2", NULL), "out/result.json",
                   "another run");
    ck_assert(unlink("out/result.json") == 0);
    assert_refuses(clmp("run", "data", "-o", "out", "--steps", "3", "--batch", "2", NULL), "out/network.ckpt",
                   "another run");
    static const char more[] = "sky 1 2 3\nroad 1 2 3\nsign 1 2 3\ntree 1 2 3\n";
    write_file("data/classes.txt", more, sizeof more - 1); /* another network */
    assert_refuses(short_run(), "out/network.ckpt", "another");
    write_file("data/classes.txt", class_list, sizeof class_list - 1);
    size_t size;
    char *bytes = read_file("out/network.ckpt", &size);
    for (int i = 0; i < 3; ++i) {
        static const char *const words[] = {"is damaged", "is damaged", "is no checkpoint"};
        const size_t at = i == 2 ? 3 : size / 2;
        bytes[at] ^= 4;
        write_file("out/network.ckpt", bytes, i == 0 ? size : i == 1 ? size - 5 : size);
        assert_refuses(short_run(), "out/network.ckpt", words[i]);
        bytes[at] ^= 4;
    }
    write_file("out/network.ckpt", bytes, size); /* and whole again, it is read */
    assert_trained(short_run());
    free(bytes);
    write_file("out/result.json", "{", 1);
    assert_refuses(short_run(), "out/result.json", "");
}
END_TEST

START_TEST(full_disks_leave_no_parts) {
    write_camvid();
    assert_trained(clmp("run", "data", "-o", "warm", "--steps", "2", "--batch", "2", NULL)); /* programs are compiled */
    char line[4500];
    /* 1 MiB: more than what OpenCL runtimes write, less than the parameters */
    snprintf(line, sizeof line, "ulimit -f 2048; exec %s run data -o out --steps 2 --batch 2", cli_path());
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    struct outcome outcome = run_program(argv);
    ck_assert_msg(outcome.status == 2, "status %d: %s", outcome.status, outcome.err);
    ck_assert_msg(strstr(outcome.err, "cannot write out/network.ckpt") != NULL, "%s", outcome.err);
    outcome_free(&outcome);
    ck_assert(!there("out/network.ckpt") && !there("out/result.json"));
    assert_tidy("out");
    assert_trained(short_run()); /* and there is room again */
    assert_same("out/network.ckpt", "warm/network.ckpt");
}
END_TEST

START_TEST(help_is_there) {
    struct outcome outcome = clmp("--help", NULL);
    ck_assert(outcome.status == 0 && strstr(outcome.out, "usage: clmp-train COMMAND") != NULL);
    outcome_free(&outcome);
    outcome = clmp("compare", "--help", NULL);
    ck_assert(outcome.status == 0 && strstr(outcome.out, "--weightings") != NULL);
    outcome_free(&outcome);
    outcome = clmp("--version", NULL);
    ck_assert(outcome.status == 0 && strstr(outcome.out, clmp_version()) != NULL);
    outcome_free(&outcome);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clmp-train");
    TCase *quick = add_case(suite, "refusals", "quick full");
    tcase_add_checked_fixture(quick, enter_folder, leave_folder);
    tcase_add_test(quick, help_is_there);
    tcase_add_test(quick, bad_use_is_refused);
    tcase_add_test(quick, bad_data_is_refused);
    tcase_add_test(quick, bad_classes_are_refused);
    tcase_add_test(quick, empty_splits_say_what_was_looked_for);
    TCase *labels = add_case(suite, "labels", "full");
    tcase_add_checked_fixture(labels, enter_folder, leave_folder);
    tcase_add_test(labels, splits_without_labels_are_refused_and_without_a_class_told);
    tcase_add_test(labels, a_table_of_labels_is_what_it_says);
    TCase *names = add_case(suite, "names", "full");
    tcase_add_checked_fixture(names, enter_folder, leave_folder);
    tcase_add_loop_test(names, names_may_be_as_other_systems_have_them, 0, 3);
    tcase_add_test(names, labels_of_cityscapes_may_be_ids);
    tcase_add_test(names, names_of_classes_keep_their_letters);
    tcase_add_test(names, many_classes_are_rows_of_the_table);
    TCase *warnings = add_case(suite, "warnings", "full");
    tcase_add_checked_fixture(warnings, enter_folder, leave_folder);
    tcase_add_test(warnings, pictures_with_bytes_to_spare_are_told_once);
    TCase *full = add_case(suite, "runs", "full");
    tcase_add_checked_fixture(full, enter_folder, leave_folder);
    tcase_add_loop_test(full, layouts_are_read, 0, (int)(sizeof layouts / sizeof *layouts));
    tcase_add_test(full, it_learns);
    tcase_add_test(full, interrupted_runs_go_on_to_the_same_bits);
    tcase_add_test(full, comparisons_are_of_the_runs);
    tcase_add_test(full, other_runs_files_are_refused);
    tcase_add_test(full, full_disks_leave_no_parts);
    return host_test_main(suite);
}

/*
 * Any words as a command line: done or refused, with one line, and nothing left behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The whole command runs, in a folder with good and bad files, up to where it opens a device: there is none, as the
 * OpenCL loader finds no driver.  Words are separated by line ends or zeros; a '/' becomes '_', so that nothing outside
 * the folder is reached.  The same bytes are read as a list of pairs of files and as a table of labels, too.
 */
#include "fuzz.h"

#include "pairs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For its function run(), which is everything but signals and the exit status. */
int unused_main(int argc, char **argv);
#define main unused_main
#include "../../host/cli/main.c"
#undef main

enum { MOST_WORDS = 64 };

static int outside, inside; /* folders */

static void write_npy(const char *name, const char *descr, const char *shape, size_t bytes) {
    static uint8_t file[1024] = "\x93NUMPY\x01";
    int used =
        10 + snprintf((char *)file + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    while (used < 128)
        file[used++] = ' ';
    file[8] = 118;
    memset(file + 128, 0, bytes);
    fuzz_write(fuzz_path(name), file, 128 + bytes);
}

static void write_text(const char *name, const char *text) {
    fuzz_write(fuzz_path(name), text, strlen(text));
}

static void prepare(void) {
    const char *folder = fuzz_folder();
    fuzz_assert(setenv("OCL_ICD_VENDORS", folder, 1) == 0 && setenv("CLMP_CACHE_DIR", "", 1) == 0, "no memory");
    write_npy("x", "<f4", "(3, 2, 2)", 48);
    write_npy("y", "|u1", "(2, 2)", 4);
    write_npy("l", "<f4", "(3, 4)", 48);
    write_npy("w", "<f8", "(3,)", 24);
    write_text("t", "x y\n# a comment\nx\ty\r\n");
    write_text("b", "x y z\n");
    write_text("e", "");
    write_text("m", "0-1 1-2\n255 ignore\n");
    fuzz_assert(mkdir(fuzz_path("d"), 0700) == 0, "%s", strerror(errno));
    write_npy("d/y.npy", "|u1", "(2, 2)", 4);
    outside = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    inside = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fuzz_assert(outside >= 0 && inside >= 0, "%s", strerror(errno));
    fuzz_assert(freopen("/dev/null", "w", stdout) != NULL, "%s", strerror(errno));
}

static size_t count_entries(void) {
    size_t count = 0;
    DIR *list = opendir(fuzz_folder());
    while (list != NULL && readdir(list) != NULL)
        ++count;
    closedir(list);
    return count;
}

/* What the help says of the options that are numbers. */
static void check_options(const struct options *options) {
    const clmp_plan_params *params = &options->params;
    fuzz_assert(params->p >= 1.0 && params->support > 0.0 && params->support <= 1.0, "p %g, support %g", params->p,
                params->support);
    fuzz_assert(params->ohem_thresh > 0.0 && params->ohem_thresh < 1.0, "thresh %g", params->ohem_thresh);
    fuzz_assert(params->label_smoothing >= 0.0 && params->label_smoothing < 1.0, "%g", params->label_smoothing);
    fuzz_assert(params->focal_gamma >= 0.0 && isfinite(params->focal_gamma), "gamma %g", params->focal_gamma);
    fuzz_assert(params->focal_alpha == -1.0 || (params->focal_alpha > 0.0 && isfinite(params->focal_alpha)), "alpha %g",
                params->focal_alpha);
    fuzz_assert(isfinite(options->gradient_scale), "gradient_scale %g", (double)options->gradient_scale);
    fuzz_assert(options->class_weighting.beta >= 0.0 && options->class_weighting.beta < 1.0, "beta");
    fuzz_assert(options->class_weighting.enet_offset > 1.0 && isfinite(options->class_weighting.enet_offset), "offset");
    fuzz_assert(options->class_weighting.absent >= 0.0 && isfinite(options->class_weighting.absent), "absent");
    fuzz_assert((unsigned)params->weighting <= CLMP_WEIGHTING_BALANCED && (unsigned)params->loss <= 3 &&
                    (unsigned)params->sampling <= CLMP_SAMPLING_OVER && (unsigned)params->scope <= CLMP_SCOPE_IMAGE &&
                    (unsigned)params->solver <= CLMP_SOLVER_SORT && (unsigned)options->class_weighting.scheme <= 5 &&
                    (unsigned)params->logits_layout <= CLMP_LAYOUT_NHWC,
                "a choice that there is not");
}

/* getopt() keeps a place in the words before: 0 makes it begin anew, which a process with one command line need not. */
static void reset_getopt(void) {
    char *const words[] = {(char *)(uintptr_t) "clmp", NULL};
    optind = 0;
    (void)getopt(1, words, "");
}

static void check_failure(const struct failure *failure, enum command command) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    fuzz_assert(stream != NULL, "no memory");
    failure_print(failure, "clmp", command == COMMANDS ? NULL : command_name(command), stream);
    fclose(stream);
    fuzz_assert(failure->code == EXIT_OF_INPUT || failure->code == EXIT_OF_DEVICE, "exit status %d", failure->code);
    fuzz_assert(failure->line != NULL && failure->line[0] != '\0', "no line");
    fuzz_assert(size > 6 && strncmp(text, "clmp: ", 6) == 0 && strcspn(text, "\n") == size - 1, "not one line: %s",
                text);
    for (size_t i = 0; i + 1 < size; ++i)
        fuzz_assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f, "a control character");
    free(text);
}

static void check_list(const uint8_t *data, size_t size) {
    struct failure failure = {.code = 0};
    struct pairs pairs;
    const struct options options = {.list = fuzz_file(data, size)};
    const bool good = pairs_read(&options, &pairs, &failure);
    fuzz_assert(good == (failure.code == 0), "success %d with code %d", good, failure.code);
    for (size_t i = 0; good && i < pairs.count; ++i)
        fuzz_assert(strlen(pairs.paths[i].logits) > 0 && strlen(pairs.paths[i].labels) > 0 &&
                        strpbrk(pairs.paths[i].logits, "\t\n") == NULL &&
                        strpbrk(pairs.paths[i].labels, "\t\n") == NULL,
                    "pair %zu", i);
    pairs_free(&pairs);
    if (!good)
        check_failure(&failure, COMMAND_LOSS);
    failure_clear(&failure);
}

static void check_label_map(const uint8_t *data, size_t size) {
    struct failure failure = {.code = 0};
    struct label_map map;
    const bool good = label_map_read(fuzz_file(data, size), &map, &failure);
    fuzz_assert(good == (failure.code == 0), "success %d with code %d", good, failure.code);
    const int64_t labels[] = {INT64_MIN, -1, 0, 1, 7, 255, 65535, 16777215, INT64_MAX};
    for (size_t i = 0; good && i < sizeof labels / sizeof *labels; ++i)
        fuzz_assert(label_map_label(&map, labels[i]) >= LABEL_KEPT && label_map_label(&map, labels[i]) <= INT32_MAX &&
                        label_map_colour(&map, labels[i]) >= LABEL_UNNAMED &&
                        label_map_colour(&map, labels[i]) <= INT32_MAX,
                    "label %lld", (long long)labels[i]);
    if (!good)
        check_failure(&failure, COMMAND_LOSS);
    label_map_free(&map);
    failure_clear(&failure);
}

static void check(int argc, char **argv) {
    enum command command = COMMANDS;
    struct failure failure = {.code = 0};
    struct options options;
    for (int each = 0; argc > 1 && each < COMMANDS; ++each) {
        char *words[MOST_WORDS + 1]; /* getopt() changes their order */
        memcpy(words, argv, sizeof words);
        reset_getopt();
        const bool good = options_read((enum command)each, argc - 1, words + 1, &options, &failure);
        if (good)
            check_options(&options);
        else
            check_failure(&failure, (enum command)each);
        fuzz_assert(good == (failure.code == 0), "success %d with code %d", good, failure.code);
        fuzz_assert(!good || options.action != ACTION_RUN ||
                        (options.operands >= words && options.operands + options.operand_count == words + argc),
                    "%zu files", options.operand_count);
        failure_clear(&failure);
    }
    reset_getopt();
    const bool good = run(argc, argv, &command, &failure);
    fuzz_assert(good == (failure.code == 0), "success %d with code %d", good, failure.code);
    if (!good)
        check_failure(&failure, command);
    failure_clear(&failure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool prepared;
    static size_t entries;
    if (!prepared) {
        prepare();
        (void)fuzz_file(data, 0);
        prepared = true;
        entries = count_entries();
    }
    check_list(data, size);
    check_label_map(data, size);
    char *text = malloc(size + 1), *argv[MOST_WORDS + 1] = {(char *)(uintptr_t) "clmp"};
    fuzz_assert(text != NULL, "no memory");
    int argc = 1;
    for (size_t i = 0; i < size; ++i) {
        text[i] = data[i] == '\n' ? '\0' : data[i] == '/' ? '_' : (char)data[i];
        if ((i == 0 || text[i - 1] == '\0') && argc < MOST_WORDS)
            argv[argc++] = text + i;
    }
    text[size] = '\0';
    fuzz_assert(fchdir(inside) == 0, "%s", strerror(errno));
    check(argc, argv);
    fuzz_assert(count_entries() == entries, "a file is left");
    fuzz_assert(fchdir(outside) == 0, "%s", strerror(errno));
    free(text);
    return 0;
}

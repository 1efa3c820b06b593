/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_options.h"

#include "option_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEAT = 15, QUICK_REPEAT = 3, MOST_REPEAT = 10000, SCALING_END = 25, QUICK_SCALING_END = 20 };

enum option_id {
    OPTION_DEVICE = 256, /* beyond all characters */
    OPTION_CASE,
    OPTION_QUICK,
    OPTION_SCALING,
    OPTION_VARIANTS,
    OPTION_JSON,
    OPTION_REPEAT,
    OPTION_TUNE,
    OPTION_TUNING,
    OPTION_STARTUP_CHILD
};

static void print_help(void) {
    puts("usage: clmp-bench [options]\n"
         "\n"
         "Measures libclmp's stages on OpenCL devices, and compares them with the speed of a plain copy.\n"
         "\n"
         "  --device DEVICE   #N, its number in clmp devices; part of its name or of its platform's name; or both,\n"
         "                    PLATFORM:NAME (default: all)\n"
         "  --case NAME       this case; may be given again (default: all cases)\n"
         "  --scaling         2^16 to 2^25 pixels of 4 classes; other cases only if --case is given, too\n"
         "  --variants        whole steps of every loss, weighting, type and layout, and of plain loss max-pooling\n"
         "  --quick           small cases, few repeats, scaling up to 2^20\n"
         "  --repeat N        samples of each number (default: 15; quick: 3)\n"
         "  --json FILE       the numbers as an array of records\n"
         "  --tuning LIST     name=number,... as CLMP_TUNING in the environment (default: the library's choice)\n"
         "  --tune            search the tuning on the first case, and print it\n"
         "  --help            this text\n"
         "\ncases:");
    for (size_t i = 0; bench_case_at(i) != NULL; ++i) {
        const bench_case *c = bench_case_at(i);
        char from[48] = "";
        if (bench_case_interpolates(c))
            snprintf(from, sizeof from, ", from logits of %d x %d", (int)c->logits_height, (int)c->logits_width);
        printf("  %-19s %2d x %3d x %4d x %4d%s%s\n", c->name, (int)c->images, (int)c->classes, (int)c->height,
               (int)c->width, from,
               c->data == BENCH_EQUAL    ? ", all losses the same"
               : c->data == BENCH_SORTED ? ", losses increase with the pixel's index"
                                         : "");
    }
    puts("\n"
         "The library enqueues whole steps, so the time of a stage is a difference of medians:\n"
         "  copy         clEnqueueCopyBuffer of the logits\n"
         "  step         clmp_enqueue_gradient, without losses and weights\n"
         "  threshold    clmp_enqueue_weights on given losses, without weights\n"
         "  weights      clmp_enqueue_weights with weights, minus threshold\n"
         "  loss         clmp_enqueue_loss without losses and weights, minus threshold\n"
         "  gradient     step minus clmp_enqueue_loss\n"
         "  plan         making a plan, first in a new context and second in the same; and at the start of\n"
         "               a program, context and plan, with cold and with warm caches of compiled programs\n"
         "\n"
         "Exit status: 0, 1 if a device failed, 2 for bad use.");
}

static enum bench_status add_case(const char *name, bench_options *options) {
    const bench_case *found = bench_case_find(name);
    if (found == NULL)
        return bench_fail(BENCH_BAD_USE, "--case is '%s', which is none of the cases (see --help)", name);
    for (size_t i = 0; i < options->case_count; ++i)
        if (options->cases[i] == found)
            return BENCH_OK;
    options->cases[options->case_count++] = found;
    return BENCH_OK;
}

static enum bench_status read_option(int id, const char *argument, bench_options *options, bool *quick) {
    char words[OPTION_WORDS], expected[64];
    enum number kind = NUMBER_NONE;
    uint64_t value = 0;
    switch (id) {
    case OPTION_DEVICE:
        options->device = strcmp(argument, "all") == 0 ? NULL : argument;
        return BENCH_OK;
    case OPTION_CASE:
        return add_case(argument, options);
    case OPTION_QUICK:
        *quick = true;
        return BENCH_OK;
    case OPTION_SCALING:
        options->scaling_end = SCALING_END;
        return BENCH_OK;
    case OPTION_VARIANTS:
        options->variants = true;
        return BENCH_OK;
    case OPTION_JSON:
        options->json = argument;
        return BENCH_OK;
    case OPTION_REPEAT:
        kind = number_read_whole(argument, MOST_REPEAT, &value);
        if (kind != NUMBER_GOOD || value == 0) {
            snprintf(expected, sizeof expected, "a whole number from 1 to %d", MOST_REPEAT);
            option_expected("--repeat", argument, kind, expected, words);
            return bench_fail(BENCH_BAD_USE, "%s", words);
        }
        options->repeat = (size_t)value;
        return BENCH_OK;
    case OPTION_TUNE:
        options->tune = true;
        return BENCH_OK;
    case OPTION_STARTUP_CHILD:
        options->startup_child = true;
        return BENCH_OK;
    default:
        options->tuning = argument;
        return setenv("CLMP_TUNING", argument, 1) == 0 ? BENCH_OK : bench_fail(BENCH_BAD_USE, "no memory for --tuning");
    }
}

/* What was not said. */
static void complete(bench_options *options, bool quick) {
    static const char *const quick_cases[] = {"small", "binary"};
    if (options->repeat == 0)
        options->repeat = quick ? QUICK_REPEAT : REPEAT;
    if (quick && options->scaling_end != 0)
        options->scaling_end = QUICK_SCALING_END;
    if (options->case_count != 0 || options->scaling_end != 0 || options->variants)
        return;
    if (quick)
        for (size_t i = 0; i < sizeof quick_cases / sizeof quick_cases[0]; ++i)
            options->cases[options->case_count++] = bench_case_find(quick_cases[i]);
    else
        for (size_t i = 0; bench_case_at(i) != NULL; ++i)
            options->cases[options->case_count++] = bench_case_at(i);
}

enum bench_status bench_options_read(int argc, char **argv, bench_options *options) {
    static const struct option known[] = {
        {"device", required_argument, NULL, OPTION_DEVICE},
        {"case", required_argument, NULL, OPTION_CASE},
        {"quick", no_argument, NULL, OPTION_QUICK},
        {"scaling", no_argument, NULL, OPTION_SCALING},
        {"variants", no_argument, NULL, OPTION_VARIANTS},
        {"json", required_argument, NULL, OPTION_JSON},
        {"repeat", required_argument, NULL, OPTION_REPEAT},
        {"tune", no_argument, NULL, OPTION_TUNE},
        {"tuning", required_argument, NULL, OPTION_TUNING},
        {"startup-child", no_argument, NULL, OPTION_STARTUP_CHILD}, /* for bench_startup.c alone */
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static const char short_options[] = ":h";
    char words[OPTION_WORDS];
    bool quick = false;
    *options = (bench_options){.device = NULL};
    opterr = 0; /* the lines are our own */
    for (int id; (id = getopt_long(argc, argv, short_options, known, NULL)) != -1;) {
        if (id == 'h') {
            print_help();
            options->help = true;
            return BENCH_OK;
        }
        if (id == '?' || id == ':') {
            option_complaint(id, argv, short_options, known, words);
            return bench_fail(BENCH_BAD_USE, "%s (see --help)", words);
        }
        const enum bench_status status = read_option(id, optarg, options, &quick);
        if (status != BENCH_OK)
            return status;
    }
    if (optind < argc)
        return bench_fail(BENCH_BAD_USE, "'%s' is one argument too many (see --help)", argv[optind]);
    const char *unused = !options->tune              ? NULL
                         : options->json != NULL     ? "--json"
                         : options->scaling_end != 0 ? "--scaling"
                         : options->variants         ? "--variants"
                         : options->case_count > 1   ? "a second --case"
                                                     : NULL;
    if (unused != NULL)
        return bench_fail(BENCH_BAD_USE, "%s does not apply to --tune, which steps one case (see --help)", unused);
    complete(options, quick);
    return BENCH_OK;
}

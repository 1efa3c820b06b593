/* SPDX-License-Identifier: Apache-2.0 */
#include "train_options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPTION_WEIGHTING = 256,
    OPTION_WEIGHTINGS,
    OPTION_SEED,
    OPTION_SEEDS,
    OPTION_STEPS,
    OPTION_BATCH,
    OPTION_RATE,
    OPTION_CROP,
    OPTION_CLASSES,
    OPTION_LABEL_MAP,
    OPTION_SHOW,
    OPTION_DEVICE,
    OPTION_VERSION,
    OPTION_OUTPUT = 'o',
    OPTION_HELP = 'h',
};

enum { RUN = 1 << TRAIN_RUN, COMPARE = 1 << TRAIN_COMPARE, ALL = RUN | COMPARE };

static const struct {
    struct option option;
    int commands; /* that know it */
} known[] = {
    {{"weighting", required_argument, NULL, OPTION_WEIGHTING}, RUN},
    {{"weightings", required_argument, NULL, OPTION_WEIGHTINGS}, COMPARE},
    {{"seed", required_argument, NULL, OPTION_SEED}, RUN},
    {{"seeds", required_argument, NULL, OPTION_SEEDS}, COMPARE},
    {{"steps", required_argument, NULL, OPTION_STEPS}, ALL},
    {{"batch", required_argument, NULL, OPTION_BATCH}, ALL},
    {{"rate", required_argument, NULL, OPTION_RATE}, ALL},
    {{"crop", required_argument, NULL, OPTION_CROP}, ALL},
    {{"classes", required_argument, NULL, OPTION_CLASSES}, ALL},
    {{"label-map", required_argument, NULL, OPTION_LABEL_MAP}, ALL},
    {{"show", required_argument, NULL, OPTION_SHOW}, ALL},
    {{"device", required_argument, NULL, OPTION_DEVICE}, ALL},
    {{"output", required_argument, NULL, OPTION_OUTPUT}, ALL},
    {{"help", no_argument, NULL, OPTION_HELP}, ALL},
    {{"version", no_argument, NULL, OPTION_VERSION}, ALL},
};
enum { KNOWN = sizeof known / sizeof *known };

const char *train_command_name(enum train_command command) {
    static const char *const names[] = {"run", "compare"};
    return names[command];
}

static bool read_whole(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *value,
                       struct failure *failure) {
    char *end = NULL;
    const bool digits = text[0] >= '0' && text[0] <= '9';
    errno = 0;
    const unsigned long long read = digits ? strtoull(text, &end, 10) : 0;
    if (!digits || *end != '\0' || errno != 0 || read < least || read > most)
        return fail_with(failure, EXIT_OF_INPUT, "%s is '%s', expected a whole number from %" PRIu64 " to %" PRIu64,
                         option, text, least, most);
    *value = read;
    return true;
}

static bool read_rate(const char *text, double *rate, struct failure *failure) {
    char *end = NULL;
    errno = 0;
    *rate = strtod(text, &end);
    if (end != text && *end == '\0' && errno == 0 && *rate > 0.0 && *rate <= 1.0)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "--rate is '%s', expected a number in (0, 1]", text);
}

static bool read_crop(const char *text, struct trainer_options *options, struct failure *failure) {
    char *end = NULL;
    const long width = strtol(text, &end, 10), height = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
    if (*end != '\0' || width < 16 || height < 16 || width > 99999 || height > 99999)
        return fail_with(failure, EXIT_OF_INPUT, "--crop is '%s', expected WIDTHxHEIGHT, each from 16 to 99999", text);
    options->width = (size_t)width;
    options->height = (size_t)height;
    return true;
}

static bool read_option(int id, const char *argument, struct train_options *options, struct failure *failure) {
    uint64_t number = 0;
    switch (id) {
    case OPTION_WEIGHTING:
    case OPTION_WEIGHTINGS:
        options->weightings = argument;
        return true;
    case OPTION_SEED:
        return read_whole("--seed", argument, 0, UINT32_MAX, &options->seed, failure);
    case OPTION_SEEDS:
        return read_whole("--seeds", argument, 1, 1000, &options->seeds, failure);
    case OPTION_STEPS:
        return read_whole("--steps", argument, 1, 10000000, &options->trainer.steps, failure);
    case OPTION_BATCH:
        if (!read_whole("--batch", argument, 1, 1024, &number, failure))
            return false;
        options->trainer.batch = (size_t)number;
        return true;
    case OPTION_RATE:
        return read_rate(argument, &options->trainer.rate, failure);
    case OPTION_CROP:
        return read_crop(argument, &options->trainer, failure);
    case OPTION_CLASSES:
        options->classes = argument;
        return true;
    case OPTION_LABEL_MAP:
        options->label_map = argument;
        return true;
    case OPTION_SHOW:
        options->trainer.shown = argument;
        return true;
    case OPTION_DEVICE:
        options->device = argument;
        return true;
    case OPTION_OUTPUT:
        options->output = argument;
        return true;
    case OPTION_VERSION:
        options->action = TRAIN_VERSION;
        return true;
    default:
        options->action = TRAIN_HELP;
        return true;
    }
}

static bool check(enum train_command command, int count, char **operands, struct train_options *options,
                  struct failure *failure) {
    if (count != 1)
        return fail_with(failure, EXIT_OF_INPUT, "%d folders are given, expected DATA (see clmp-train %s --help)",
                         count, train_command_name(command));
    options->data = operands[0];
    if (options->output == NULL)
        return fail_with(failure, EXIT_OF_INPUT,
                         "--output is missing: the folder for what is made (see clmp-train %s "
                         "--help)",
                         train_command_name(command));
    return true;
}

bool train_options_read(enum train_command command, int argc, char **argv, struct train_options *options,
                        struct failure *failure) {
    struct option list[KNOWN + 1];
    size_t count = 0;
    for (size_t i = 0; i < KNOWN; ++i)
        if ((known[i].commands & (1 << command)) != 0)
            list[count++] = known[i].option;
    list[count] = (struct option){.name = NULL};
    *options = (struct train_options){
        .weightings = command == TRAIN_RUN ? "lmp" : "uniform,lmp,lmp+median-sqrt",
        .seed = 1,
        .seeds = 3,
        .trainer = {.steps = 700, .batch = 4, .rate = 4e-3, .memory = (size_t)1 << 30},
    };
    optind = 1;
    opterr = 0;
    for (;;) {
        const int at = optind, id = getopt_long(argc, argv, ":ho:", list, NULL);
        if (id == -1)
            break;
        if (id == ':')
            return fail_with(failure, EXIT_OF_INPUT, "%s needs an argument", argv[optind - 1]);
        if (id == '?')
            return fail_with(failure, EXIT_OF_INPUT, "%s is no option of clmp-train %s (see clmp-train %s --help)",
                             argv[at], train_command_name(command), train_command_name(command));
        if (!read_option(id, optarg, options, failure))
            return false;
        if (options->action != TRAIN_DO)
            return true;
    }
    return check(command, argc - optind, argv + optind, options, failure);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "train_options.h"

#include "option_rules.h"
#include "option_words.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum option_id {
    OPTION_WEIGHTING = 256,
    OPTION_WEIGHTINGS,
    OPTION_SEED,
    OPTION_SEEDS,
    OPTION_CHOOSE_ON,
    OPTION_CHOOSE_SEEDS,
    OPTION_NOTE,
    OPTION_STEPS,
    OPTION_BATCH,
    OPTION_RATE,
    OPTION_SCHEDULE,
    OPTION_WEIGHT_DECAY,
    OPTION_CROP,
    OPTION_SCALE,
    OPTION_COLOUR,
    OPTION_NO_FLIP,
    OPTION_WRONG_LABELS,
    OPTION_VALIDATE,
    OPTION_CLASSES,
    OPTION_LABEL_MAP,
    OPTION_SHOW,
    OPTION_DEVICE,
    OPTION_MPI,
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
    {{"choose-on", required_argument, NULL, OPTION_CHOOSE_ON}, COMPARE},
    {{"choose-seeds", required_argument, NULL, OPTION_CHOOSE_SEEDS}, COMPARE},
    {{"note", required_argument, NULL, OPTION_NOTE}, ALL},
    {{"steps", required_argument, NULL, OPTION_STEPS}, ALL},
    {{"batch", required_argument, NULL, OPTION_BATCH}, ALL},
    {{"rate", required_argument, NULL, OPTION_RATE}, ALL},
    {{"schedule", required_argument, NULL, OPTION_SCHEDULE}, ALL},
    {{"weight-decay", required_argument, NULL, OPTION_WEIGHT_DECAY}, ALL},
    {{"crop", required_argument, NULL, OPTION_CROP}, ALL},
    {{"scale", required_argument, NULL, OPTION_SCALE}, ALL},
    {{"colour", required_argument, NULL, OPTION_COLOUR}, ALL},
    {{"no-flip", no_argument, NULL, OPTION_NO_FLIP}, ALL},
    {{"wrong-labels", required_argument, NULL, OPTION_WRONG_LABELS}, ALL},
    {{"validate", required_argument, NULL, OPTION_VALIDATE}, ALL},
    {{"classes", required_argument, NULL, OPTION_CLASSES}, ALL},
    {{"label-map", required_argument, NULL, OPTION_LABEL_MAP}, ALL},
    {{"show", required_argument, NULL, OPTION_SHOW}, ALL},
    {{"device", required_argument, NULL, OPTION_DEVICE}, ALL},
    {{"mpi", no_argument, NULL, OPTION_MPI}, RUN},
    {{"output", required_argument, NULL, OPTION_OUTPUT}, ALL},
    {{"help", no_argument, NULL, OPTION_HELP}, ALL},
    {{"version", no_argument, NULL, OPTION_VERSION}, ALL},
};
enum { KNOWN = sizeof known / sizeof *known };

const char *train_command_name(enum train_command command) {
    static const char *const names[] = {"run", "compare"};
    return names[command];
}

static bool read_crop(const char *text, struct trainer_options *options, struct failure *failure) {
    static const char expected[] = "WIDTHxHEIGHT, each from 16 to 99999";
    enum { LEAST = 16, MOST = 99999 };
    char width_text[32] = "";
    const size_t length = strcspn(text, "x");
    uint64_t width = 0, height = 0;
    enum number kind = NUMBER_NONE;
    if (length < sizeof width_text && text[length] == 'x') {
        memcpy(width_text, text, length);
        kind = number_read_whole(width_text, MOST, &width);
        if (kind == NUMBER_GOOD)
            kind = number_read_whole(text + length + 1, MOST, &height);
    }
    if (kind != NUMBER_GOOD || width < LEAST || height < LEAST) {
        char words[OPTION_WORDS];
        option_expected("--crop", text, kind, expected, words);
        return fail_with(failure, EXIT_OF_INPUT, "%s", words);
    }
    options->width = (size_t)width;
    options->height = (size_t)height;
    return true;
}

/* LOW,HIGH: a comma as in lists of weightings. */
static bool read_scale(const char *text, struct augmentation *augmentation, struct failure *failure) {
    static const char expected[] = "LOW,HIGH, each from 0.1 to 10, the first not above the second";
    const double least = 0.1, most = 10.0;
    char low[32] = "";
    const size_t length = strcspn(text, ",");
    enum number kind = NUMBER_NONE;
    if (length < sizeof low && text[length] == ',') {
        memcpy(low, text, length);
        kind = number_read(low, &augmentation->scale_low);
        if (kind == NUMBER_GOOD)
            kind = number_read(text + length + 1, &augmentation->scale_high);
    }
    if (kind == NUMBER_GOOD && augmentation->scale_low >= least && augmentation->scale_high <= most &&
        augmentation->scale_low <= augmentation->scale_high)
        return true;
    char words[OPTION_WORDS];
    option_expected("--scale", text, kind, expected, words);
    return fail_with(failure, EXIT_OF_INPUT, "%s", words);
}

static bool read_option(int id, const char *argument, struct train_options *options, struct failure *failure) {
    uint64_t number = 0;
    switch (id) {
    case OPTION_WEIGHTING:
    case OPTION_WEIGHTINGS:
        options->weightings = argument;
        return true;
    case OPTION_SEED:
        return rules_read_whole("--seed", argument, 0, UINT32_MAX, &options->seed, failure);
    case OPTION_SEEDS:
        return rules_read_whole("--seeds", argument, 1, 1000, &options->seeds, failure);
    case OPTION_CHOOSE_ON:
        return rules_read_between("--choose-on", argument, 0.0, false, 1.0, false, "a number in (0, 1)",
                                  &options->choose_on, failure);
    case OPTION_CHOOSE_SEEDS:
        return rules_read_whole("--choose-seeds", argument, 1, 1000, &options->choose_seeds, failure);
    case OPTION_NOTE:
        options->note = argument;
        return text_is_utf8(argument) || fail_with(failure, EXIT_OF_INPUT, "--note is '%s', expected UTF-8", argument);
    case OPTION_STEPS:
        return rules_read_whole("--steps", argument, 1, 10000000, &options->trainer.steps, failure);
    case OPTION_BATCH:
        if (!rules_read_whole("--batch", argument, 1, 1024, &number, failure))
            return false;
        options->trainer.batch = (size_t)number;
        return true;
    case OPTION_RATE:
        return rules_read_between("--rate", argument, 0.0, false, 1.0, true, "a number in (0, 1]",
                                  &options->trainer.rate, failure);
    case OPTION_SCHEDULE:
        return schedule_find(argument, &options->trainer.schedule) ||
               fail_with(failure, EXIT_OF_INPUT, "--schedule is '%s', expected cycle, poly or cosine", argument);
    case OPTION_WEIGHT_DECAY:
        return rules_read_between("--weight-decay", argument, 0.0, true, 1.0, true, "a number in [0, 1]",
                                  &options->trainer.weight_decay, failure);
    case OPTION_SCALE:
        return read_scale(argument, &options->trainer.augmentation, failure);
    case OPTION_COLOUR:
        return rules_read_between("--colour", argument, 0.0, true, 1.0, false, "a number in [0, 1)",
                                  &options->trainer.augmentation.colour, failure);
    case OPTION_NO_FLIP:
        options->trainer.augmentation.no_flip = true;
        return true;
    case OPTION_WRONG_LABELS:
        return rules_read_between("--wrong-labels", argument, 0.0, true, 1.0, true, "a number in [0, 1]",
                                  &options->trainer.wrong_labels, failure);
    case OPTION_VALIDATE:
        return rules_read_whole("--validate", argument, 1, 10000000, &options->trainer.validate, failure);
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
    case OPTION_MPI:
        options->mpi = true;
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
        return fail_with(failure, EXIT_OF_INPUT, "%d folder%s given, expected one, DATA (see clmp-train %s --help)",
                         count, count == 1 ? " is" : "s are", train_command_name(command));
    options->data = operands[0];
    if (options->choose_seeds > 0 && options->choose_on == 0.0)
        return fail_with(failure, EXIT_OF_INPUT, "--choose-seeds is given without --choose-on");
    if (options->output == NULL)
        return fail_with(failure, EXIT_OF_INPUT,
                         "--output is missing: the folder for what is made (see clmp-train %s "
                         "--help)",
                         train_command_name(command));
    return true;
}

bool train_options_read(enum train_command command, int argc, char **argv, struct train_options *options,
                        struct failure *failure) {
    static const char short_options[] = ":ho:";
    struct option list[KNOWN + 1];
    char words[OPTION_WORDS];
    size_t count = 0;
    for (size_t i = 0; i < KNOWN; ++i)
        if ((known[i].commands & (1 << command)) != 0)
            list[count++] = known[i].option;
    list[count] = (struct option){.name = NULL};
    *options = (struct train_options){
        .weightings = command == TRAIN_RUN ? "lmp" : "uniform,lmp,lmp+median-sqrt",
        .seed = 1,
        .seeds = 3,
        .trainer = {.steps = 700,
                    .batch = 4,
                    .rate = 4e-3,
                    .weight_decay = TRAINER_WEIGHT_DECAY,
                    .augmentation = {.scale_low = 1.0, .scale_high = 1.0},
                    .memory = (size_t)1 << 30},
    };
    optind = 1;
    opterr = 0;
    for (;;) {
        const int id = getopt_long(argc, argv, short_options, list, NULL);
        if (id == -1)
            break;
        if (id == '?' || id == ':') {
            option_complaint(id, argv, short_options, list, words);
            return fail_with(failure, EXIT_OF_INPUT, "%s (see clmp-train %s --help)", words,
                             train_command_name(command));
        }
        if (!read_option(id, optarg, options, failure))
            return false;
        if (options->action != TRAIN_DO)
            return true;
    }
    return check(command, argc - optind, argv + optind, options, failure);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPTION_P = 256, /* beyond all characters */
    OPTION_SUPPORT,
    OPTION_SCOPE,
    OPTION_IGNORE_INDEX,
    OPTION_CLASS_WEIGHTS,
    OPTION_SOLVER,
    OPTION_ALIGN_CORNERS,
    OPTION_LOSSES,
    OPTION_WEIGHTS,
    OPTION_GRADIENT,
    OPTION_HEATMAP,
    OPTION_DEVICE,
    OPTION_JSON,
    OPTION_VERSION,
    OPTION_HELP = 'h',
    OPTION_OUTPUT = 'o',
};

enum { DEVICES = 1 << COMMAND_DEVICES, WEIGHTS = 1 << COMMAND_WEIGHTS, LOSS = 1 << COMMAND_LOSS };
enum { ALL = DEVICES | WEIGHTS | LOSS };

static const struct {
    struct option option;
    int commands; /* that know it */
} known[] = {
    {{"p", required_argument, NULL, OPTION_P}, WEIGHTS | LOSS},
    {{"support", required_argument, NULL, OPTION_SUPPORT}, WEIGHTS | LOSS},
    {{"scope", required_argument, NULL, OPTION_SCOPE}, LOSS},
    {{"ignore-index", required_argument, NULL, OPTION_IGNORE_INDEX}, LOSS},
    {{"class-weights", required_argument, NULL, OPTION_CLASS_WEIGHTS}, LOSS},
    {{"solver", required_argument, NULL, OPTION_SOLVER}, WEIGHTS | LOSS},
    {{"align-corners", no_argument, NULL, OPTION_ALIGN_CORNERS}, LOSS},
    {{"losses", required_argument, NULL, OPTION_LOSSES}, LOSS},
    {{"weights", required_argument, NULL, OPTION_WEIGHTS}, LOSS},
    {{"gradient", required_argument, NULL, OPTION_GRADIENT}, LOSS},
    {{"heatmap", required_argument, NULL, OPTION_HEATMAP}, LOSS},
    {{"device", required_argument, NULL, OPTION_DEVICE}, ALL},
    {{"json", no_argument, NULL, OPTION_JSON}, ALL},
    {{"help", no_argument, NULL, OPTION_HELP}, ALL},
    {{"version", no_argument, NULL, OPTION_VERSION}, ALL},
};
enum { KNOWN = sizeof known / sizeof *known };

static const struct {
    const char *name, *operands; /* as the help has them */
    const char *short_options;   /* ':' first: a missing argument is told from an unknown option */
    int operand_count;
} commands[COMMANDS] = {
    [COMMAND_DEVICES] = {"devices", "no file", ":h", 0},
    [COMMAND_WEIGHTS] = {"weights", "LOSSES.npy", ":ho:", 1},
    [COMMAND_LOSS] = {"loss", "LOGITS.npy and LABELS", ":h", 2},
};

const char *command_name(enum command command) {
    return commands[command].name;
}

enum command command_find(const char *name) {
    int command = 0;
    while (command < COMMANDS && strcmp(name, commands[command].name) != 0)
        ++command;
    return (enum command)command;
}

/* A decimal number or a word for infinity; what is NaN, hexadecimal, too large or followed by anything is none. */
static bool read_number(const char *text, double *value) {
    char *end = NULL;
    if (text[0] == '\0' || strchr("+-.0123456789iI", text[0]) == NULL || strpbrk(text, "xX") != NULL)
        return false; /* strtod() would take leading space, and more */
    errno = 0;
    *value = strtod(text, &end);
    return *end == '\0' && !isnan(*value) && !(errno == ERANGE && isinf(*value));
}

static bool read_p(const char *text, double *p, struct failure *failure) {
    if (read_number(text, p) && *p >= 1.0)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "--p is '%s', expected a number >= 1 or inf", text);
}

static bool read_support(const char *text, double *support, struct failure *failure) {
    if (read_number(text, support) && *support > 0.0 && *support <= 1.0)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "--support is '%s', expected a number in (0, 1]", text);
}

static bool read_ignore_index(const char *text, int64_t *index, struct failure *failure) {
    char *end = NULL;
    const bool number = text[0] != '\0' && strchr("+-0123456789", text[0]) != NULL;
    errno = 0;
    const long long value = number ? strtoll(text, &end, 10) : 0;
    if (!number || end == text || *end != '\0' || errno != 0)
        return fail_with(failure, EXIT_OF_INPUT, "--ignore-index is '%s', expected a whole number of 64 bits", text);
    *index = value;
    return true;
}

static bool read_scope(const char *text, clmp_scope *scope, struct failure *failure) {
    *scope = strcmp(text, "image") == 0 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    if (*scope == CLMP_SCOPE_IMAGE || strcmp(text, "batch") == 0)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "--scope is '%s', expected batch or image", text);
}

static bool read_solver(const char *text, clmp_solver *solver, struct failure *failure) {
    *solver = strcmp(text, "sort") == 0 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH;
    if (*solver == CLMP_SOLVER_SORT || strcmp(text, "search") == 0)
        return true;
    return fail_with(failure, EXIT_OF_INPUT, "--solver is '%s', expected search or sort", text);
}

static bool read_option(int id, const char *argument, struct options *options, struct failure *failure) {
    switch (id) {
    case OPTION_P:
        return read_p(argument, &options->params.p, failure);
    case OPTION_SUPPORT:
        return read_support(argument, &options->params.support, failure);
    case OPTION_SCOPE:
        return read_scope(argument, &options->params.scope, failure);
    case OPTION_IGNORE_INDEX:
        return read_ignore_index(argument, &options->params.ignore_index, failure);
    case OPTION_CLASS_WEIGHTS:
        options->class_weights = argument;
        return true;
    case OPTION_SOLVER:
        return read_solver(argument, &options->params.solver, failure);
    case OPTION_ALIGN_CORNERS:
        options->params.align_corners = true;
        return true;
    case OPTION_LOSSES:
        options->losses = argument;
        return true;
    case OPTION_OUTPUT:
    case OPTION_WEIGHTS:
        options->weights = argument;
        return true;
    case OPTION_GRADIENT:
        options->gradient = argument;
        return true;
    case OPTION_HEATMAP:
        options->heatmap = argument;
        return true;
    case OPTION_DEVICE:
        options->device = argument;
        return true;
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_VERSION:
        options->action = ACTION_VERSION;
        return true;
    default: /* OPTION_HELP */
        options->action = ACTION_HELP;
        return true;
    }
}

static bool fail_unknown(enum command command, int id, char **argv, struct failure *failure) {
    const char *name = command_name(command);
    if (optopt > 0 && optopt < 256 && strncmp(argv[optind - 1], "--", 2) != 0)
        return fail_with(failure, EXIT_OF_INPUT,
                         id == ':' ? "-%c has no value (see clmp %s --help)"
                                   : "unknown option -%c (see clmp %s --help)",
                         optopt, name);
    const char *what = id == ':'     ? "%s has no value (see clmp %s --help)"
                       : optopt != 0 ? "%s: this option takes no value (see clmp %s --help)"
                                     : "unknown option %s (see clmp %s --help)";
    return fail_with(failure, EXIT_OF_INPUT, what, argv[optind - 1], name);
}

static bool read_operands(enum command command, int argc, char **argv, struct options *options,
                          struct failure *failure) {
    const int wanted = commands[command].operand_count, given = argc - optind;
    if (given > wanted)
        return fail_with(failure, EXIT_OF_INPUT, "'%s' is one too many, expected %s (see clmp %s --help)",
                         argv[optind + wanted], commands[command].operands, commands[command].name);
    if (given < wanted)
        return fail_with(failure, EXIT_OF_INPUT, "%d files are given, expected %s (see clmp %s --help)", given,
                         commands[command].operands, commands[command].name);
    for (int i = 0; i < given; ++i)
        options->operands[i] = argv[optind + i];
    return true;
}

bool options_read(enum command command, int argc, char **argv, struct options *options, struct failure *failure) {
    struct option table[KNOWN + 1];
    size_t count = 0;
    for (size_t i = 0; i < KNOWN; ++i)
        if ((known[i].commands & 1 << command) != 0)
            table[count++] = known[i].option;
    table[count] = (struct option){.name = NULL};
    *options = (struct options){.action = ACTION_RUN};
    clmp_plan_params_init(&options->params);
    opterr = 0; /* the lines are our own */
    optind = 1;
    for (int id; (id = getopt_long(argc, argv, commands[command].short_options, table, NULL)) != -1;) {
        if (id == '?' || id == ':')
            return fail_unknown(command, id, argv, failure);
        if (!read_option(id, optarg, options, failure))
            return false;
        if (options->action != ACTION_RUN)
            return true; /* whatever else is asked for */
    }
    return read_operands(command, argc, argv, options, failure);
}

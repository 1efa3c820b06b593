/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPTION_P = 256, /* beyond all characters */
    OPTION_SUPPORT,
    OPTION_SCOPE,
    OPTION_IGNORE_INDEX,
    OPTION_LABEL_MAP,
    OPTION_CLASS_WEIGHTS,
    OPTION_SOLVER,
    OPTION_ALIGN_CORNERS,
    OPTION_WEIGHTING,
    OPTION_COUNT,
    OPTION_THRESH,
    OPTION_MIN_KEPT,
    OPTION_SAMPLING,
    OPTION_SEED,
    OPTION_STEP,
    OPTION_LIST,
    OPTION_LOSS,
    OPTION_LABEL_SMOOTHING,
    OPTION_GAMMA,
    OPTION_ALPHA,
    OPTION_LAYOUT,
    OPTION_GRADIENT_SCALE,
    OPTION_SCHEME,
    OPTION_CLASSES,
    OPTION_ABSENT,
    OPTION_BETA,
    OPTION_ENET_OFFSET,
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

enum {
    DEVICES = 1 << COMMAND_DEVICES,
    WEIGHTS = 1 << COMMAND_WEIGHTS,
    LOSS = 1 << COMMAND_LOSS,
    CLASS_WEIGHTS = 1 << COMMAND_CLASS_WEIGHTS,
    EVAL = 1 << COMMAND_EVAL
};
enum { ALL = DEVICES | WEIGHTS | LOSS | CLASS_WEIGHTS | EVAL };

static const struct {
    struct option option;
    int commands; /* that know it */
} known[] = {
    {{"p", required_argument, NULL, OPTION_P}, WEIGHTS | LOSS},
    {{"support", required_argument, NULL, OPTION_SUPPORT}, WEIGHTS | LOSS},
    {{"scope", required_argument, NULL, OPTION_SCOPE}, LOSS},
    {{"ignore-index", required_argument, NULL, OPTION_IGNORE_INDEX}, LOSS | CLASS_WEIGHTS | EVAL},
    {{"label-map", required_argument, NULL, OPTION_LABEL_MAP}, LOSS | CLASS_WEIGHTS | EVAL},
    {{"class-weights", required_argument, NULL, OPTION_CLASS_WEIGHTS}, LOSS},
    {{"solver", required_argument, NULL, OPTION_SOLVER}, WEIGHTS | LOSS},
    {{"align-corners", no_argument, NULL, OPTION_ALIGN_CORNERS}, LOSS | EVAL},
    {{"weighting", required_argument, NULL, OPTION_WEIGHTING}, WEIGHTS | LOSS},
    {{"count", required_argument, NULL, OPTION_COUNT}, WEIGHTS | LOSS},
    {{"thresh", required_argument, NULL, OPTION_THRESH}, WEIGHTS | LOSS},
    {{"min-kept", required_argument, NULL, OPTION_MIN_KEPT}, WEIGHTS | LOSS},
    {{"sampling", required_argument, NULL, OPTION_SAMPLING}, LOSS},
    {{"seed", required_argument, NULL, OPTION_SEED}, LOSS},
    {{"step", required_argument, NULL, OPTION_STEP}, LOSS},
    {{"list", required_argument, NULL, OPTION_LIST}, LOSS | EVAL},
    {{"scheme", required_argument, NULL, OPTION_SCHEME}, CLASS_WEIGHTS},
    {{"classes", required_argument, NULL, OPTION_CLASSES}, CLASS_WEIGHTS},
    {{"absent", required_argument, NULL, OPTION_ABSENT}, CLASS_WEIGHTS},
    {{"beta", required_argument, NULL, OPTION_BETA}, CLASS_WEIGHTS},
    {{"enet-offset", required_argument, NULL, OPTION_ENET_OFFSET}, CLASS_WEIGHTS},
    {{"loss", required_argument, NULL, OPTION_LOSS}, LOSS | EVAL},
    {{"label-smoothing", required_argument, NULL, OPTION_LABEL_SMOOTHING}, LOSS},
    {{"gamma", required_argument, NULL, OPTION_GAMMA}, LOSS},
    {{"alpha", required_argument, NULL, OPTION_ALPHA}, LOSS},
    {{"layout", required_argument, NULL, OPTION_LAYOUT}, LOSS | EVAL},
    {{"gradient-scale", required_argument, NULL, OPTION_GRADIENT_SCALE}, LOSS},
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
    int least, most;             /* files */
} commands[COMMANDS] = {
    [COMMAND_DEVICES] = {"devices", "no file", ":h", 0, 0},
    [COMMAND_WEIGHTS] = {"weights", "LOSSES.npy", ":ho:", 1, 1},
    [COMMAND_LOSS] = {"loss", "LOGITS.npy and LABELS", ":h", 2, 2},
    [COMMAND_CLASS_WEIGHTS] = {"class-weights", "LABELS, files or folders", ":ho:", 1, INT_MAX},
    [COMMAND_EVAL] = {"eval", "LOGITS.npy and LABELS, in pairs", ":h", 2, INT_MAX},
};

static const char *const weightings[] = {"lmp", "uniform", "topk", "ohem", "balanced"};
static const char *const samplings[] = {"even", "under", "over"};
static const char *const schemes[] = {"inverse", "inverse-sqrt", "median", "median-sqrt", "enet", "effective"};

static const char *const losses[] = {"cross-entropy", "focal", "bce", "binary-focal"};

const char *options_loss_name(clmp_loss loss) {
    return losses[loss];
}

const char *options_weighting_name(clmp_weighting weighting) {
    return weightings[weighting];
}

const char *options_sampling_name(clmp_sampling sampling) {
    return samplings[sampling];
}

const char *options_scheme_name(clmp_class_scheme scheme) {
    return schemes[scheme];
}

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

/* One label, or several with commas between them. */
static bool read_ignore_index(const char *text, struct options *options, struct failure *failure) {
    const char *at = text;
    options->ignored_count = 0;
    for (;;) {
        char *end = NULL;
        const bool number = at[0] != '\0' && strchr("+-0123456789", at[0]) != NULL;
        errno = 0;
        const long long value = number ? strtoll(at, &end, 10) : 0;
        if (!number || end == at || (*end != '\0' && *end != ',') || errno != 0)
            return fail_with(failure, EXIT_OF_INPUT,
                             "--ignore-index is '%s', expected a whole number of 64 bits, or several as '0,255'", text);
        if (options->ignored_count == OPTIONS_IGNORED)
            return fail_with(failure, EXIT_OF_INPUT, "--ignore-index has more than %d labels (see --label-map)",
                             OPTIONS_IGNORED);
        options->ignored[options->ignored_count++] = value;
        if (*end == '\0')
            break;
        at = end + 1;
    }
    options->params.ignore_index = options->ignored[0];
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

/* Which of `count` names `text` is. */
static bool read_name(const char *option, const char *text, const char *const *names, int count, int *index,
                      struct failure *failure) {
    char expected[160] = "";
    for (*index = 0; *index < count; ++*index) {
        if (strcmp(text, names[*index]) == 0)
            return true;
        const size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s%s",
                 *index == 0           ? ""
                 : *index == count - 1 ? " or "
                                       : ", ",
                 names[*index]);
    }
    return fail_with(failure, EXIT_OF_INPUT, "%s is '%s', expected %s", option, text, expected);
}

static bool read_whole(const char *option, const char *text, uint64_t least, uint64_t *value, struct failure *failure) {
    char *end = NULL;
    const bool digits = text[0] >= '0' && text[0] <= '9';
    errno = 0;
    const unsigned long long read = digits ? strtoull(text, &end, 10) : 0;
    if (!digits || *end != '\0' || errno != 0 || read < least)
        return fail_with(failure, EXIT_OF_INPUT, "%s is '%s', expected a whole number from %" PRIu64 " on", option,
                         text, least);
    *value = read;
    return true;
}

static bool read_between(const char *option, const char *text, double low, bool with_low, double high, double *value,
                         struct failure *failure) {
    if (read_number(text, value) && (*value > low || (with_low && *value == low)) && *value < high)
        return true;
    if (isinf(high))
        return fail_with(failure, EXIT_OF_INPUT, "%s is '%s', expected a finite number %s %g", option, text,
                         with_low ? ">=" : ">", low);
    return fail_with(failure, EXIT_OF_INPUT, "%s is '%s', expected a number in %c%g, %g)", option, text,
                     with_low ? '[' : '(', low, high);
}

static bool read_scale(const char *text, float *scale, struct failure *failure) {
    double value = 0.0;
    if (!read_number(text, &value) || !isfinite((float)value))
        return fail_with(failure, EXIT_OF_INPUT, "--gradient-scale is '%s', expected a finite number", text);
    *scale = (float)value;
    return true;
}

/* The options of losses. */
static bool read_loss_option(int id, const char *argument, struct options *options, struct failure *failure) {
    static const char *const layouts[] = {"nchw", "nhwc"};
    clmp_plan_params *params = &options->params;
    int index = 0;
    bool good = false;
    switch (id) {
    case OPTION_LOSS:
        good = read_name("--loss", argument, losses, 4, &index, failure);
        params->loss = (clmp_loss)index;
        return good;
    case OPTION_LABEL_SMOOTHING:
        return read_between("--label-smoothing", argument, 0.0, true, 1.0, &params->label_smoothing, failure);
    case OPTION_GAMMA:
        return read_between("--gamma", argument, 0.0, true, (double)INFINITY, &params->focal_gamma, failure);
    case OPTION_ALPHA:
        return read_between("--alpha", argument, 0.0, false, (double)INFINITY, &params->focal_alpha, failure);
    case OPTION_LAYOUT:
        good = read_name("--layout", argument, layouts, 2, &index, failure);
        params->logits_layout = (clmp_layout)index;
        return good;
    default: /* OPTION_GRADIENT_SCALE */
        return read_scale(argument, &options->gradient_scale, failure);
    }
}

/* The options of weightings and of class weights. */
static bool read_further(int id, const char *argument, struct options *options, struct failure *failure) {
    clmp_plan_params *params = &options->params;
    clmp_class_weights_params *class_weighting = &options->class_weighting;
    int index = 0;
    bool good = false;
    switch (id) {
    case OPTION_WEIGHTING:
        good = read_name("--weighting", argument, weightings, 5, &index, failure);
        params->weighting = (clmp_weighting)index;
        return good;
    case OPTION_COUNT:
        return read_whole("--count", argument, 1, &params->topk_count, failure);
    case OPTION_THRESH:
        return read_between("--thresh", argument, 0.0, false, 1.0, &params->ohem_thresh, failure);
    case OPTION_MIN_KEPT:
        return read_whole("--min-kept", argument, 0, &params->ohem_min_kept, failure);
    case OPTION_SAMPLING:
        good = read_name("--sampling", argument, samplings, 3, &index, failure);
        params->sampling = (clmp_sampling)index;
        return good;
    case OPTION_SEED:
        return read_whole("--seed", argument, 0, &params->seed, failure);
    case OPTION_STEP:
        return read_whole("--step", argument, 0, &options->step, failure);
    case OPTION_SCHEME:
        good = read_name("--scheme", argument, schemes, 6, &index, failure);
        class_weighting->scheme = (clmp_class_scheme)index;
        return good;
    case OPTION_CLASSES:
        return read_whole("--classes", argument, 1, &options->classes, failure);
    case OPTION_ABSENT:
        return read_between("--absent", argument, 0.0, true, (double)INFINITY, &class_weighting->absent, failure);
    case OPTION_BETA:
        return read_between("--beta", argument, 0.0, true, 1.0, &class_weighting->beta, failure);
    default: /* OPTION_ENET_OFFSET */
        return read_between("--enet-offset", argument, 1.0, false, (double)INFINITY, &class_weighting->enet_offset,
                            failure);
    }
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
        return read_ignore_index(argument, options, failure);
    case OPTION_LABEL_MAP:
        options->label_map = argument;
        return true;
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
    case OPTION_LIST:
        options->list = argument;
        return true;
    case OPTION_HELP:
        options->action = ACTION_HELP;
        return true;
    case OPTION_LOSS:
    case OPTION_LABEL_SMOOTHING:
    case OPTION_GAMMA:
    case OPTION_ALPHA:
    case OPTION_LAYOUT:
    case OPTION_GRADIENT_SCALE:
        return read_loss_option(id, argument, options, failure);
    default:
        return read_further(id, argument, options, failure);
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
    const int given = argc - optind;
    const bool listed = options->list != NULL; /* the files are in a file */
    const int least = listed ? 0 : commands[command].least, most = listed ? 0 : commands[command].most;
    const char *expected = listed ? "--list alone" : commands[command].operands;
    if (given > most)
        return fail_with(failure, EXIT_OF_INPUT, "'%s' is one too many, expected %s (see clmp %s --help)",
                         argv[optind + most], expected, commands[command].name);
    if (given < least || (command == COMMAND_EVAL && given % 2 != 0))
        return fail_with(failure, EXIT_OF_INPUT, "%d files are given, expected %s (see clmp %s --help)", given,
                         expected, commands[command].name);
    options->operands = argv + optind;
    options->operand_count = (size_t)given;
    return true;
}

bool options_read(enum command command, int argc, char **argv, struct options *options, struct failure *failure) {
    struct option table[KNOWN + 1];
    size_t count = 0;
    for (size_t i = 0; i < KNOWN; ++i)
        if ((known[i].commands & 1 << command) != 0)
            table[count++] = known[i].option;
    table[count] = (struct option){.name = NULL};
    *options = (struct options){.action = ACTION_RUN, .gradient_scale = 1.0f};
    clmp_plan_params_init(&options->params);
    clmp_class_weights_params_init(&options->class_weighting);
    options->ignored[0] = options->params.ignore_index;
    options->ignored_count = 1;
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

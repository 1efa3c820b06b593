/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "option_rules.h"
#include "option_words.h"

#include <errno.h>
#include <float.h>
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
    OPTION_SUFFIX,
    OPTION_CLASS_WEIGHTS,
    OPTION_SOLVER,
    OPTION_ALIGN_CORNERS,
    OPTION_WEIGHTING,
    OPTION_COUNT,
    OPTION_THRESH,
    OPTION_MIN_KEPT,
    OPTION_SAMPLING,
    OPTION_NORMALISE,
    OPTION_SEED,
    OPTION_STEP,
    OPTION_LIST,
    OPTION_POOL,
    OPTION_MPI,
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
/* Behind those of option_rules.h. */
enum { GIVEN_BETA = 1 << 16, GIVEN_ENET_OFFSET = 1 << 17, GIVEN_GRADIENT_SCALE = 1 << 18, GIVEN_POOL = 1 << 19 };
enum { ALL = DEVICES | WEIGHTS | LOSS | CLASS_WEIGHTS | EVAL };

static const struct {
    struct option option;
    int commands;   /* that know it */
    unsigned given; /* the bit that says so, where it does not always apply */
} known[] = {
    {{"p", required_argument, NULL, OPTION_P}, WEIGHTS | LOSS, PARAMETER_P},
    {{"support", required_argument, NULL, OPTION_SUPPORT}, WEIGHTS | LOSS, PARAMETER_SUPPORT},
    {{"scope", required_argument, NULL, OPTION_SCOPE}, LOSS, 0},
    {{"ignore-index", required_argument, NULL, OPTION_IGNORE_INDEX}, LOSS | CLASS_WEIGHTS | EVAL, 0},
    {{"label-map", required_argument, NULL, OPTION_LABEL_MAP}, LOSS | CLASS_WEIGHTS | EVAL, 0},
    {{"class-weights", required_argument, NULL, OPTION_CLASS_WEIGHTS}, LOSS, 0},
    {{"solver", required_argument, NULL, OPTION_SOLVER}, WEIGHTS | LOSS, PARAMETER_SOLVER},
    {{"align-corners", no_argument, NULL, OPTION_ALIGN_CORNERS}, LOSS | EVAL, 0},
    {{"weighting", required_argument, NULL, OPTION_WEIGHTING}, WEIGHTS | LOSS, 0},
    {{"count", required_argument, NULL, OPTION_COUNT}, WEIGHTS | LOSS, PARAMETER_COUNT},
    {{"thresh", required_argument, NULL, OPTION_THRESH}, WEIGHTS | LOSS, PARAMETER_THRESH},
    {{"min-kept", required_argument, NULL, OPTION_MIN_KEPT}, WEIGHTS | LOSS, PARAMETER_MIN_KEPT},
    {{"sampling", required_argument, NULL, OPTION_SAMPLING}, LOSS, PARAMETER_SAMPLING},
    {{"normalise", required_argument, NULL, OPTION_NORMALISE}, LOSS, PARAMETER_NORMALISE},
    {{"seed", required_argument, NULL, OPTION_SEED}, LOSS, PARAMETER_SEED},
    {{"step", required_argument, NULL, OPTION_STEP}, LOSS, PARAMETER_STEP},
    {{"list", required_argument, NULL, OPTION_LIST}, LOSS | EVAL, 0},
    {{"pool", required_argument, NULL, OPTION_POOL}, LOSS, GIVEN_POOL},
    {{"mpi", no_argument, NULL, OPTION_MPI}, LOSS | CLASS_WEIGHTS | EVAL, 0},
    {{"suffix", required_argument, NULL, OPTION_SUFFIX}, CLASS_WEIGHTS, 0},
    {{"scheme", required_argument, NULL, OPTION_SCHEME}, CLASS_WEIGHTS, 0},
    {{"classes", required_argument, NULL, OPTION_CLASSES}, CLASS_WEIGHTS, 0},
    {{"absent", required_argument, NULL, OPTION_ABSENT}, CLASS_WEIGHTS, 0},
    {{"beta", required_argument, NULL, OPTION_BETA}, CLASS_WEIGHTS, GIVEN_BETA},
    {{"enet-offset", required_argument, NULL, OPTION_ENET_OFFSET}, CLASS_WEIGHTS, GIVEN_ENET_OFFSET},
    {{"loss", required_argument, NULL, OPTION_LOSS}, LOSS | EVAL, 0},
    {{"label-smoothing", required_argument, NULL, OPTION_LABEL_SMOOTHING}, LOSS, PARAMETER_LABEL_SMOOTHING},
    {{"gamma", required_argument, NULL, OPTION_GAMMA}, LOSS, PARAMETER_GAMMA},
    {{"alpha", required_argument, NULL, OPTION_ALPHA}, LOSS, PARAMETER_ALPHA},
    {{"layout", required_argument, NULL, OPTION_LAYOUT}, LOSS | EVAL, 0},
    {{"gradient-scale", required_argument, NULL, OPTION_GRADIENT_SCALE}, LOSS, GIVEN_GRADIENT_SCALE},
    {{"losses", required_argument, NULL, OPTION_LOSSES}, LOSS, 0},
    {{"weights", required_argument, NULL, OPTION_WEIGHTS}, LOSS, 0},
    {{"gradient", required_argument, NULL, OPTION_GRADIENT}, LOSS, 0},
    {{"heatmap", required_argument, NULL, OPTION_HEATMAP}, LOSS, 0},
    {{"device", required_argument, NULL, OPTION_DEVICE}, ALL, 0},
    {{"json", no_argument, NULL, OPTION_JSON}, ALL, 0},
    {{"help", no_argument, NULL, OPTION_HELP}, ALL, 0},
    {{"version", no_argument, NULL, OPTION_VERSION}, ALL, 0},
};
#define MOST_CLASSES ((uint64_t)1 << 20) /* the library's */

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

const char *command_name(enum command command) {
    return commands[command].name;
}

enum command command_find(const char *name) {
    int command = 0;
    while (command < COMMANDS && strcmp(name, commands[command].name) != 0)
        ++command;
    return (enum command)command;
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
        const bool good = number && end != at && (*end == '\0' || *end == ',');
        if (!good || errno != 0)
            return fail_with(failure, EXIT_OF_INPUT,
                             "--ignore-index is '%s'%s, expected a whole number of 64 bits, or several as '0,255'",
                             text, good && errno == ERANGE ? ", which is too large" : "");
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

/* A float, as the library takes it. */
static bool read_scale(const char *text, float *scale, struct failure *failure) {
    double value = 0.0;
    if (!rules_read_between("--gradient-scale", text, -(double)FLT_MAX, true, (double)FLT_MAX, true,
                            "a finite number of float32", &value, failure))
        return false;
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
        good = read_name("--loss", argument, option_losses, OPTION_LOSSES_KNOWN, &index, failure);
        params->loss = (clmp_loss)index;
        return good;
    case OPTION_LABEL_SMOOTHING:
        return rules_read_smoothing("--label-smoothing", argument, &params->label_smoothing, failure);
    case OPTION_GAMMA:
        return rules_read_gamma("--gamma", argument, &params->focal_gamma, failure);
    case OPTION_ALPHA:
        return rules_read_alpha("--alpha", argument, &params->focal_alpha, failure);
    case OPTION_LAYOUT:
        good = read_name("--layout", argument, layouts, 2, &index, failure);
        params->logits_layout = (clmp_layout)index;
        options->layout_given = true;
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
        good = read_name("--weighting", argument, option_weightings, OPTION_WEIGHTINGS_KNOWN, &index, failure);
        params->weighting = (clmp_weighting)index;
        return good;
    case OPTION_COUNT:
        return rules_read_whole("--count", argument, 1, UINT64_MAX, &params->topk_count, failure);
    case OPTION_THRESH:
        return rules_read_thresh("--thresh", argument, &params->ohem_thresh, failure);
    case OPTION_MIN_KEPT:
        return rules_read_whole("--min-kept", argument, 0, UINT64_MAX, &params->ohem_min_kept, failure);
    case OPTION_SAMPLING:
        good = read_name("--sampling", argument, option_samplings, OPTION_SAMPLINGS_KNOWN, &index, failure);
        params->sampling = (clmp_sampling)index;
        return good;
    case OPTION_NORMALISE:
        good = read_name("--normalise", argument, option_normalisations, OPTION_NORMALISATIONS_KNOWN, &index, failure);
        params->normalise = (clmp_normalise)index;
        return good;
    case OPTION_SEED:
        return rules_read_whole("--seed", argument, 0, UINT64_MAX, &params->seed, failure);
    case OPTION_STEP:
        return rules_read_whole("--step", argument, 0, UINT64_MAX, &options->step, failure);
    case OPTION_SCHEME:
        good = read_name("--scheme", argument, option_schemes, OPTION_SCHEMES_KNOWN, &index, failure);
        class_weighting->scheme = (clmp_class_scheme)index;
        return good;
    case OPTION_CLASSES:
        return rules_read_whole("--classes", argument, 1, MOST_CLASSES, &options->classes, failure);
    case OPTION_ABSENT:
        return rules_read_between("--absent", argument, 0.0, true, (double)FLT_MAX, true,
                                  "a finite number >= 0 of float32", &class_weighting->absent, failure);
    case OPTION_BETA:
        return rules_read_between("--beta", argument, 0.0, true, 1.0, false, "a number in [0, 1)",
                                  &class_weighting->beta, failure);
    default: /* OPTION_ENET_OFFSET */
        return rules_read_between("--enet-offset", argument, 1.0, false, (double)INFINITY, false, "a finite number > 1",
                                  &class_weighting->enet_offset, failure);
    }
}

static bool read_option(int id, const char *argument, struct options *options, struct failure *failure) {
    static const char *const scopes[] = {"batch", "image"}, *const solvers[] = {"search", "sort"};
    static const char *const pools[] = {"pair", "list"};
    int index = 0;
    bool good = false;
    switch (id) {
    case OPTION_P:
        return rules_read_p("--p", argument, &options->params.p, failure);
    case OPTION_SUPPORT:
        return rules_read_support("--support", argument, &options->params.support, failure);
    case OPTION_SCOPE:
        good = read_name("--scope", argument, scopes, 2, &index, failure);
        options->params.scope = (clmp_scope)index;
        return good;
    case OPTION_IGNORE_INDEX:
        return read_ignore_index(argument, options, failure);
    case OPTION_SUFFIX:
        options->suffix = argument;
        return argument[0] != '\0' ||
               fail_with(failure, EXIT_OF_INPUT, "--suffix is empty, expected the end of a file name");
    case OPTION_LABEL_MAP:
        options->label_map = argument;
        return true;
    case OPTION_CLASS_WEIGHTS:
        options->class_weights = argument;
        return true;
    case OPTION_SOLVER:
        good = read_name("--solver", argument, solvers, 2, &index, failure);
        options->params.solver = (clmp_solver)index;
        return good;
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
    case OPTION_POOL:
        good = read_name("--pool", argument, pools, 2, &index, failure);
        options->pool_list = index == 1;
        return good;
    case OPTION_MPI:
        options->mpi = true;
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

/* Standard input can be read once. */
static bool check_standard(const struct options *options, struct failure *failure) {
    const char *const others[] = {options->list, options->class_weights, options->label_map};
    size_t count = 0;
    for (size_t i = 0; i < options->operand_count; ++i)
        count += strcmp(options->operands[i], "-") == 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        count += others[i] != NULL && strcmp(others[i], "-") == 0;
    return count <= 1 ||
           fail_with(failure, EXIT_OF_INPUT, "standard input, '-', is given %zu times, expected once", count);
}

/* What does not go with what is given besides. */
static bool check_given(enum command command, const struct options *options, unsigned given, struct failure *failure) {
    const clmp_plan_params *params = &options->params;
    if (command == COMMAND_WEIGHTS && params->weighting == CLMP_WEIGHTING_BALANCED)
        return fail_with(failure, EXIT_OF_INPUT,
                         "--weighting balanced needs labels, which clmp weights does not have (see clmp loss)");
    if ((given & GIVEN_BETA) != 0 && options->class_weighting.scheme != CLMP_CLASS_EFFECTIVE)
        return fail_with(failure, EXIT_OF_INPUT, "--beta does not apply to --scheme %s, it is for effective",
                         options_scheme_name(options->class_weighting.scheme));
    if ((given & GIVEN_ENET_OFFSET) != 0 && options->class_weighting.scheme != CLMP_CLASS_ENET)
        return fail_with(failure, EXIT_OF_INPUT, "--enet-offset does not apply to --scheme %s, it is for enet",
                         options_scheme_name(options->class_weighting.scheme));
    if ((given & GIVEN_GRADIENT_SCALE) != 0 && options->gradient == NULL && options->list == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "--gradient-scale does not apply without --gradient");
    if ((given & GIVEN_GRADIENT_SCALE) != 0 && options->list != NULL)
        return fail_with(failure, EXIT_OF_INPUT, "--gradient-scale does not apply to --list, which has no gradient");
    if ((given & GIVEN_POOL) != 0 && options->list == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "--pool does not apply without --list");
    if (command == COMMAND_LOSS && options->mpi && !options->pool_list)
        return fail_with(failure, EXIT_OF_INPUT, "--mpi does not apply without --list and --pool list");
    if (options->mpi && options->list != NULL && strcmp(options->list, "-") == 0)
        return fail_with(failure, EXIT_OF_INPUT, "--mpi needs a list that each process can read, not standard input");
    if ((given & PARAMETER_NORMALISE) != 0 && options->class_weights == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "--normalise does not apply without --class-weights");
    if (command == COMMAND_EVAL && params->loss == CLMP_LOSS_FOCAL)
        return fail_with(
            failure, EXIT_OF_INPUT,
            "--loss focal does not apply to clmp eval, whose predictions do not depend on it; expected bce "
            "or binary-focal, where each class has a label map");
    return (command != COMMAND_LOSS && command != COMMAND_WEIGHTS) || rules_apply(params, given, "--", failure);
}

/* "1 file is", "2 files are" */
static const char *files_are(int count) {
    return count == 1 ? "file is" : "files are";
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
        return fail_with(failure, EXIT_OF_INPUT, "%d %s given, expected %s (see clmp %s --help)", given,
                         files_are(given), expected, commands[command].name);
    options->operands = argv + optind;
    options->operand_count = (size_t)given;
    return true;
}

bool options_read(enum command command, int argc, char **argv, struct options *options, struct failure *failure) {
    struct option table[KNOWN + 1];
    char words[OPTION_WORDS];
    size_t count = 0;
    unsigned given = 0;
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
        if (id == '?' || id == ':') {
            option_complaint(id, argv, commands[command].short_options, table, words);
            return fail_with(failure, EXIT_OF_INPUT, "%s (see clmp %s --help)", words, command_name(command));
        }
        if (!read_option(id, optarg, options, failure))
            return false;
        if (options->action != ACTION_RUN)
            return true; /* whatever else is asked for */
        for (size_t i = 0; i < KNOWN; ++i)
            given |= known[i].option.val == id ? known[i].given : 0;
    }
    return read_operands(command, argc, argv, options, failure) && check_standard(options, failure) &&
           check_given(command, options, given, failure);
}

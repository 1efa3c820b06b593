/*
 * The command line, read and checked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_OPTIONS_H
#define CLMP_CLI_OPTIONS_H

#include "fail.h"
#include "option_names.h"

#include <clmp/clmp.h>

enum command { COMMAND_DEVICES, COMMAND_WEIGHTS, COMMAND_LOSS, COMMAND_CLASS_WEIGHTS, COMMAND_EVAL, COMMANDS };

enum { OPTIONS_IGNORED = 16 };

struct options {
    enum { ACTION_RUN, ACTION_HELP, ACTION_VERSION } action;
    char *const *operands;
    size_t operand_count;
    clmp_plan_params params; /* weighting, p, support, scope, solver, ignore_index are from the command line */
    float gradient_scale;
    uint64_t step; /* of sampling */
    clmp_class_weights_params class_weighting;
    int64_t ignored[OPTIONS_IGNORED]; /* labels; the first is params.ignore_index */
    size_t ignored_count;             /* at least 1 */
    bool layout_given;                /* params.logits_layout is the user's */
    const char *suffix;               /* of label files in folders, or NULL */
    const char *label_map;            /* input or a name, or NULL */
    uint64_t classes;                 /* 0: not given */
    const char *device;               /* part of a name, or NULL */
    bool json;
    bool pool_list;                                    /* the pairs of the list are one batch */
    bool mpi;                                          /* MPI's processes share the files */
    const char *class_weights;                         /* input, or NULL */
    const char *list;                                  /* of pairs of inputs, or NULL */
    const char *losses, *weights, *gradient, *heatmap; /* outputs, or NULL */
};

/* "devices", "weights" and so on. */
const char *command_name(enum command command);

/* COMMANDS where there is no such command. */
enum command command_find(const char *name);

/* Reads argv[1] to argv[argc - 1]; argv[0] is the command's name.  The strings stay argv's. */
bool options_read(enum command command, int argc, char **argv, struct options *options, struct failure *failure);

#endif /* CLMP_CLI_OPTIONS_H */

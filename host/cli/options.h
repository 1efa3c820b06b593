/*
 * The command line, read and checked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_OPTIONS_H
#define CLMP_CLI_OPTIONS_H

#include "fail.h"

#include <clmp/clmp.h>

enum command { COMMAND_DEVICES, COMMAND_WEIGHTS, COMMAND_LOSS, COMMANDS };

struct options {
    enum { ACTION_RUN, ACTION_HELP, ACTION_VERSION } action;
    const char *operands[2];
    clmp_plan_params params; /* p, support, scope, solver and ignore_index are from the command line */
    const char *device;      /* part of a name, or NULL */
    bool json;
    const char *class_weights;                         /* input, or NULL */
    const char *losses, *weights, *gradient, *heatmap; /* outputs, or NULL */
};

/* "devices", "weights" or "loss". */
const char *command_name(enum command command);

/* COMMANDS where there is no such command. */
enum command command_find(const char *name);

/* Reads argv[1] to argv[argc - 1]; argv[0] is the command's name.  The strings stay argv's. */
bool options_read(enum command command, int argc, char **argv, struct options *options, struct failure *failure);

#endif /* CLMP_CLI_OPTIONS_H */

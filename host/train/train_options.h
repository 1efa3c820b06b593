/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TRAIN_OPTIONS_H
#define CLMP_TRAIN_OPTIONS_H

#include "trainer.h"

enum train_command { TRAIN_RUN, TRAIN_COMPARE, TRAIN_COMMANDS };

struct train_options {
    enum { TRAIN_DO, TRAIN_HELP, TRAIN_VERSION } action;
    const char *data;      /* folder */
    const char *output;    /* folder */
    const char *classes;   /* file; NULL: classes.txt in the data's folder */
    const char *label_map; /* file or name, or NULL */
    const char *device;
    const char *weightings;
    bool mpi;         /* the processes share the images of a step */
    const char *note; /* or NULL */
    uint64_t seed, seeds;
    double choose_on;      /* 0: not given */
    uint64_t choose_seeds; /* 0: as many as seeds */
    struct trainer_options trainer;
};

const char *train_command_name(enum train_command command);

/* Reads argv[1] to argv[argc - 1]; argv[0] is the command's name.  The strings stay argv's. */
bool train_options_read(enum train_command command, int argc, char **argv, struct train_options *options,
                        struct failure *failure);

#endif /* CLMP_TRAIN_OPTIONS_H */

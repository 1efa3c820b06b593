/*
 * Where results come from: what makes them again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_ORIGIN_H
#define CLMP_TRAIN_ORIGIN_H

#include "session.h"

#include <jansson.h>

enum { ORIGIN_MACHINE = 512 };

struct origin {
    char *command;                /* as it would be given to a shell, in UTF-8; owned */
    const char *note;             /* the user's, in UTF-8, or NULL; the caller's */
    char machine[ORIGIN_MACHINE]; /* device, platform, versions */
};

/* origin_free() after a failure, too. */
bool origin_make(int argc, char **argv, struct origin *origin, struct failure *failure);
void origin_free(struct origin *origin);

/* As a JSON object, to be freed; NULL without memory. */
json_t *origin_json(const struct origin *origin);

/* Names the device, once it is open. */
void origin_name_machine(struct origin *origin, const struct session *session);

#endif /* CLMP_TRAIN_ORIGIN_H */

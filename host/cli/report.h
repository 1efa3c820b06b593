/*
 * What goes to standard output.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_REPORT_H
#define CLMP_CLI_REPORT_H

#include "options.h"
#include "output.h"
#include "pairs.h"

#include <jansson.h>

/* The outcome of a run. */
struct report {
    const clmp_result *results; /* clmp_plan_result_count() records */
    size_t count;               /* of them; more than one: the total, and each image */
    const char *device;
    const struct outputs *outputs;    /* that have been written */
    const struct pair_shape *shape;   /* of the files, or NULL */
    const clmp_gradient_range *range; /* of the gradient that was written, or NULL; */
    clmp_float_type type;             /* and its type */
};

/* As JSON, or as a listing; nothing where an output goes to standard output. */
bool report_print(const struct report *report, const struct options *options, struct failure *failure);

/* A line for each pair, and the total: of batch scope, the mean of the losses of the pairs with a valid pixel. */
bool report_list(const struct pairs *pairs, const clmp_result *results, const struct pair_shape *shapes,
                 const char *device, const struct options *options, struct failure *failure);

/* Adds how files were read: logits_shape (N, C, h, w) and labels_shape (H, W); 0, or -1 without memory. */
int report_add_shape(json_t *object, const struct pair_shape *shape);

/* Prints a JSON object, which it releases; NULL is a lack of memory. */
bool report_json(json_t *object, struct failure *failure);

/* A JSON string of a device's name, whatever its bytes are. */
json_t *report_name(const char *name);

/* Whether all that was printed has arrived. */
bool report_flush(struct failure *failure);

#endif /* CLMP_CLI_REPORT_H */

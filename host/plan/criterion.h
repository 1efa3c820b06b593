/* The per-pixel loss of a plan: kernels/criterion.clh.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CRITERION_H
#define CLMP_CRITERION_H

#include "core/log.h"

#include <clmp/clmp.h>

/* What a plan's loss and its parameters may be.  Errors: INVALID_ARGUMENT. */
clmp_status clmp_criterion_check(const clmp_plan_params *params, const struct clmp_log *log);

/* Whether the loss has weights by label: class weights, or a focal loss's alpha. */
bool clmp_criterion_weighs(const clmp_plan_params *params);

/* These weights: (C), of binary losses (C, 2); `weights` has room for them. */
void clmp_criterion_weights(const clmp_plan_params *params, float *weights);

enum { CLMP_CRITERION_MACROS = 192 };

/* The macros of kernels that know the loss; params with its class weights. */
void clmp_criterion_macros(const clmp_plan_params *params, char text[CLMP_CRITERION_MACROS]);

#endif

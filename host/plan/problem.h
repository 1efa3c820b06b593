/* The constants of a weighting, for the device.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PROBLEM_H
#define CLMP_PROBLEM_H

#include "plan/layout.h"

/* p in [1, inf], support in (0, 1], for pools of at most `pixels` pixels.  Correctly rounded operations only, so that
 * every host gives the same bits. */
clmp_problem clmp_problem_make(double p, double support, uint64_t pixels);

/* The same for a plan's weighting, with pools of `pixels` pixels of `images` images. */
clmp_problem clmp_problem_of(const clmp_plan_params *params, uint64_t pixels, uint64_t images);

/* -ln(x) for x in (0, 1), to some units of 2^-53, from correctly rounded operations. */
double clmp_minus_log(double x);

#endif

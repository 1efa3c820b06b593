/* The constants of a weighting, for the device.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PROBLEM_H
#define CLMP_PROBLEM_H

#include "layout.h"

/* p in [1, inf], support in (0, 1], for pools of at most `pixels` pixels.  Correctly rounded operations only, so that
 * every host gives the same bits. */
clmp_problem clmp_problem_make(double p, double support, uint64_t pixels);

#endif

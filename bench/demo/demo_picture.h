/* The picture of what the demo knows at its end.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_DEMO_PICTURE_H
#define CLMP_DEMO_PICTURE_H

#include "demo_table.h"

/* Writes the picture as PNG, under a temporary name that is renamed. */
bool demo_picture_write(const demo_outcome *outcome, const char *path);

#endif

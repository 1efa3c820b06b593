/* The scan's slices as files, for clmp-train.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_DEMO_SLICES_H
#define CLMP_DEMO_SLICES_H

#include "demo_scan.h"

/*
 * Writes a folder laid out as CamVid: train and trainannot have the even slices and their labels, val and valannot the
 * odd ones, as grey PNG with the patient's front up; classes.txt has the names of all regions, and colours for them.
 *
 * Neighbouring slices are nearly the same picture.  So each name says which block of neighbours a slice is of
 * (block5_0052.png), and clmp-train compare --choose-on holds out whole blocks.  A block is 8 mm thick,
 * less than most regions: with blocks of 16 mm, some regions were in those that are held out alone.
 */
bool demo_slices_write(const demo_scan *scan, const char *folder);

#endif

/* A T1 scan and its labels.  Functions that can fail print a line and return false.  SPDX-License-Identifier:
 * Apache-2.0 */
#ifndef CLMP_DEMO_SCAN_H
#define CLMP_DEMO_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEMO_MAX_CLASSES = 255, DEMO_NAME_SIZE = 32 };

/* A T1 scan and its anatomical labels, cut to the labelled part and a margin.  Voxel (x, y, z) lies at
 * (z height + y) width + x; x runs to the patient's right, y to the front, z up. */
typedef struct demo_scan {
    size_t width, height, depth;
    uint8_t *intensity;
    uint8_t *labels; /* 0 is background: everything that the atlas does not name, white matter and air alike */
    size_t classes;  /* the largest label plus one */
    char names[DEMO_MAX_CLASSES + 1][DEMO_NAME_SIZE];
    size_t first_slice;         /* z of the uncut volume at depth 0 */
    double z_spacing, z_origin; /* millimetres: z_origin + z_spacing (first_slice + z) */
} demo_scan;

/* Reads ch2.nii.gz, aal.nii.gz and aal.nii.txt from `folder`.  Free with demo_scan_free(), also after a failure. */
bool demo_scan_load(const char *folder, demo_scan *scan);
void demo_scan_free(demo_scan *scan);

/* Whether slice z of the cut volume is one to fit on; the others are for the test. */
bool demo_scan_is_training(const demo_scan *scan, size_t z);

#endif

/*
 * The demo's data: a brain scan and its labels, read through libnifti2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "demo_scan.h"

#include "demo_say.h"

#include <errno.h>
#include <nifti2_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels around the labelled part: enough to show the skull, little enough not to pool over air. */
enum { MARGIN = 6 };

typedef struct box {
    size_t from[3], to[3]; /* to is past the end */
} box;

static nifti_image *read_volume(const char *folder, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        demo_fail("the name of the data folder is too long");
        return NULL;
    }
    FILE *file = fopen(path, "rb");
    if (!file) {
        demo_fail("cannot read %s: %s; it comes with Debian's package mricron-data (or say --data FOLDER)", path,
                  strerror(errno));
        return NULL;
    }
    fclose(file);
    nifti_set_debug_level(0);
    nifti_image *image = nifti_image_read(path, 1);
    if (!image || !image->data || image->datatype != DT_UINT8 || image->ndim != 3) {
        demo_fail("%s is not a three-dimensional NIfTI volume of 8-bit voxels", path);
        if (image)
            nifti_image_free(image);
        return NULL;
    }
    return image;
}

/* The box of the voxels that have a label. */
static bool labelled_box(const nifti_image *labels, box *found) {
    const uint8_t *voxel = labels->data;
    const size_t size[3] = {(size_t)labels->nx, (size_t)labels->ny, (size_t)labels->nz};
    *found = (box){{size[0], size[1], size[2]}, {0, 0, 0}};
    for (size_t z = 0; z < size[2]; z++)
        for (size_t y = 0; y < size[1]; y++)
            for (size_t x = 0; x < size[0]; x++) {
                if (*voxel++ == 0)
                    continue;
                const size_t at[3] = {x, y, z};
                for (int axis = 0; axis < 3; axis++) {
                    if (at[axis] < found->from[axis])
                        found->from[axis] = at[axis];
                    if (at[axis] >= found->to[axis])
                        found->to[axis] = at[axis] + 1;
                }
            }
    if (found->to[0] == 0)
        return demo_fail("the label volume has no labels");
    for (int axis = 0; axis < 2; axis++) { /* the margin is in plane only */
        found->from[axis] = found->from[axis] > MARGIN ? found->from[axis] - MARGIN : 0;
        found->to[axis] = found->to[axis] + MARGIN < size[axis] ? found->to[axis] + MARGIN : size[axis];
    }
    return true;
}

static uint8_t *cut(const nifti_image *image, const box *part) {
    const size_t width = part->to[0] - part->from[0];
    const size_t height = part->to[1] - part->from[1];
    const size_t depth = part->to[2] - part->from[2];
    uint8_t *voxels = malloc(width * height * depth);
    if (!voxels) {
        demo_fail("out of memory");
        return NULL;
    }
    uint8_t *out = voxels;
    for (size_t z = part->from[2]; z < part->to[2]; z++)
        for (size_t y = part->from[1]; y < part->to[1]; y++, out += width) {
            const size_t row = (z * (size_t)image->ny + y) * (size_t)image->nx;
            memcpy(out, (const uint8_t *)image->data + row + part->from[0], width);
        }
    return voxels;
}

/* Lines of "label name code"; a label without a line keeps its number as name. */
static bool read_names(const char *folder, demo_scan *scan) {
    char line[4096];
    if (snprintf(line, sizeof line, "%s/aal.nii.txt", folder) >= (int)sizeof line)
        return demo_fail("the name of the data folder is too long");
    FILE *file = fopen(line, "r");
    if (!file)
        return demo_fail("cannot read %s: %s; it comes with Debian's package mricron-data", line, strerror(errno));
    for (unsigned c = 0; c <= DEMO_MAX_CLASSES; c++)
        snprintf(scan->names[c], DEMO_NAME_SIZE, c ? "region %u" : "background", c);
    while (fgets(line, sizeof line, file)) {
        unsigned label;
        char name[DEMO_NAME_SIZE];
        if (sscanf(line, "%u %31s", &label, name) == 2 && label > 0 && label <= DEMO_MAX_CLASSES)
            memcpy(scan->names[label], name, sizeof name);
    }
    fclose(file);
    return true;
}

static bool adopt(demo_scan *scan, const nifti_image *image, const nifti_image *labels) {
    if (image->nx != labels->nx || image->ny != labels->ny || image->nz != labels->nz)
        return demo_fail("the scan and its labels differ in size");
    box part;
    if (!labelled_box(labels, &part))
        return false;
    scan->width = part.to[0] - part.from[0];
    scan->height = part.to[1] - part.from[1];
    scan->depth = part.to[2] - part.from[2];
    scan->first_slice = part.from[2];
    scan->z_spacing = image->sform_code > 0 ? image->sto_xyz.m[2][2] : image->qto_xyz.m[2][2];
    scan->z_origin = image->sform_code > 0 ? image->sto_xyz.m[2][3] : image->qto_xyz.m[2][3];
    scan->intensity = cut(image, &part);
    scan->labels = cut(labels, &part);
    if (!scan->intensity || !scan->labels)
        return false;
    uint8_t largest = 0;
    for (size_t i = 0; i < scan->width * scan->height * scan->depth; i++)
        if (scan->labels[i] > largest)
            largest = scan->labels[i];
    if (largest >= DEMO_MAX_CLASSES)
        return demo_fail("the label volume uses label 255, which means 'ignore' here");
    scan->classes = (size_t)largest + 1;
    return true;
}

bool demo_scan_load(const char *folder, demo_scan *scan) {
    memset(scan, 0, sizeof *scan);
    nifti_image *image = read_volume(folder, "ch2.nii.gz");
    nifti_image *labels = image ? read_volume(folder, "aal.nii.gz") : NULL;
    const bool ok = labels && adopt(scan, image, labels) && read_names(folder, scan);
    if (labels)
        nifti_image_free(labels);
    if (image)
        nifti_image_free(image);
    return ok;
}

void demo_scan_free(demo_scan *scan) {
    free(scan->intensity);
    free(scan->labels);
    memset(scan, 0, sizeof *scan);
}

bool demo_scan_is_training(const demo_scan *scan, size_t z) {
    return (scan->first_slice + z) % 2 == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "demo_slices.h"

#include "canvas.h"
#include "demo_say.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096, BLOCK = 8 /* slices, of which half are for training */ };

static bool make_folder(const char *folder, const char *name) {
    char path[PATH];
    if (snprintf(path, sizeof path, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name) >= (int)sizeof path)
        return demo_fail("the name of the folder for the slices is too long");
    return mkdir(path, 0777) == 0 || errno == EEXIST || demo_fail("cannot make %s: %s", path, strerror(errno));
}

/* Gives a file its name once it is whole. */
static bool finish(const char *draft, const char *path) {
    if (rename(draft, path) == 0)
        return true;
    const int error = errno;
    unlink(draft);
    return demo_fail("cannot write %s: %s", path, strerror(error));
}

static bool write_grey(const demo_scan *scan, const char *folder, const char *part, size_t z, const uint8_t *voxels) {
    char path[PATH];
    if (snprintf(path, sizeof path, "%s/%s/block%zu_%04zu.png", folder, part, z / BLOCK, scan->first_slice + z) >=
        (int)sizeof path)
        return demo_fail("the name of the folder for the slices is too long");
    /* rows of the scan go to the front, and those of a picture go down: a stride below 0 turns them round */
    return canvas_write_pixels(path, true, scan->width, scan->height, voxels + z * scan->height * scan->width,
                               -(ptrdiff_t)scan->width) ||
           demo_fail("cannot write %s: %s", path, strerror(errno));
}

/* Hues a golden angle apart, in three brightnesses: neighbours in the list are never alike. */
static void colour_of(size_t class_index, int colour[3]) {
    const double hue = fmod((double)class_index * 0.61803398875, 1.0) * 6.0;
    const double value = 255.0 - 50.0 * (double)(class_index % 3);
    for (int i = 0; i < 3; ++i) {
        const double at = fmod(hue + (i == 0 ? 5.0 : i == 1 ? 3.0 : 1.0), 6.0);
        colour[i] = class_index == 0 ? 0 : (int)(value * (1.0 - 0.85 * fmax(0.0, fmin(1.0, fmin(at, 4.0 - at)))));
    }
}

static bool write_classes(const demo_scan *scan, const char *folder) {
    char path[PATH], draft[PATH];
    if (snprintf(path, sizeof path, "%s/classes.txt", folder) >= (int)sizeof path ||
        snprintf(draft, sizeof draft, "%s.part", path) >= (int)sizeof draft)
        return demo_fail("the name of the folder for the slices is too long");
    FILE *file = fopen(draft, "w");
    if (file == NULL)
        return demo_fail("cannot write %s: %s", path, strerror(errno));
    bool good = true;
    for (size_t c = 0; c < scan->classes; ++c) {
        int colour[3];
        colour_of(c, colour);
        for (const char *letter = scan->names[c]; *letter != '\0'; ++letter) /* a name is one word there */
            good = fputc(*letter == ' ' ? '_' : *letter, file) != EOF && good;
        good = fprintf(file, " %d %d %d\n", colour[0], colour[1], colour[2]) > 0 && good;
    }
    const int error = errno;
    if (fclose(file) != 0 || !good) {
        unlink(draft);
        return demo_fail("cannot write %s: %s", path, strerror(good ? errno : error));
    }
    return finish(draft, path);
}

bool demo_slices_write(const demo_scan *scan, const char *folder) {
    static const char *const parts[] = {"", "train", "trainannot", "val", "valannot"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        if (!make_folder(folder, parts[i]))
            return false;
    size_t training = 0;
    for (size_t z = 0; z < scan->depth; ++z) {
        const bool trains = demo_scan_is_training(scan, z);
        training += trains;
        if (!write_grey(scan, folder, trains ? "train" : "val", z, scan->intensity) ||
            !write_grey(scan, folder, trains ? "trainannot" : "valannot", z, scan->labels))
            return false;
    }
    if (!write_classes(scan, folder))
        return false;
    printf("%s: %zu slices to train and %zu to validate, %zu x %zu pixels, %zu classes\n", folder, training,
           scan->depth - training, scan->width, scan->height, scan->classes);
    return fflush(stdout) == 0 || demo_fail("cannot write to standard output");
}

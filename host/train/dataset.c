/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"

#include "numbers.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------------------------------------------------ pairs */

/* A string of its own, or NULL. */
static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text == NULL)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool has_folders(const char *root, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        char *path = text_of("%s/%s", root, names[i]);
        const bool found = path != NULL && is_folder(path);
        free(path);
        if (!found)
            return false;
    }
    return true;
}

/* Takes both paths over. */
static bool add_sample(struct split *split, char *image, char *labels, struct failure *failure) {
    struct sample *samples = realloc(split->samples, (split->count + 1) * sizeof *samples);
    if (samples != NULL)
        split->samples = samples;
    if (samples == NULL || image == NULL || labels == NULL) {
        free(image);
        free(labels);
        return fail_memory(failure, "the list of files");
    }
    samples[split->count++] = (struct sample){image, labels};
    struct stat status;
    if (stat(image, &status) != 0)
        return fail_with(failure, EXIT_OF_INPUT, "%s is missing: %s", image, strerror(errno));
    if (stat(labels, &status) != 0)
        return fail_with(failure, EXIT_OF_INPUT, "%s has no label map: %s: %s", image, labels, strerror(errno));
    return true;
}

static bool ends_with(const char *name, const char *end) {
    const size_t length = strlen(name), of_end = strlen(end);
    return length > of_end && strcmp(name + length - of_end, end) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* whatever the locale */
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static size_t count_ending(const char *folder, const char *end) {
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_shown, by_name);
    size_t found = 0;
    for (int i = 0; i < count; ++i) {
        found += ends_with(entries[i]->d_name, end);
        free(entries[i]);
    }
    free(entries);
    return found;
}

/* images/NAME<image_end> with labels/NAME<labels_end>, and as many of one as of the other. */
static bool add_folder(struct split *split, const char *images, const char *labels, const char *image_end,
                       const char *labels_end, struct failure *failure) {
    struct dirent **entries = NULL;
    const int count = scandir(images, &entries, is_shown, by_name);
    if (count < 0)
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", images, strerror(errno));
    bool good = true;
    size_t added = 0;
    for (int i = 0; i < count; ++i) {
        const char *name = entries[i]->d_name;
        if (good && ends_with(name, image_end)) {
            const int stem = (int)(strlen(name) - strlen(image_end));
            good = add_sample(split, text_of("%s/%s", images, name),
                              text_of("%s/%.*s%s", labels, stem, name, labels_end), failure);
            added += good;
        }
        free(entries[i]);
    }
    free(entries);
    const size_t others = good ? count_ending(labels, labels_end) : added;
    if (others != added)
        return fail_with(failure, EXIT_OF_INPUT, "%s has %zu image%s, but %s has %zu label map%s", images, added,
                         plural_s(added), labels, others, plural_s(others));
    return good;
}

static bool find_camvid(const char *root, const char *name, struct split *split, struct failure *failure) {
    char *images = text_of("%s/%s", root, name), *labels = text_of("%s/%sannot", root, name);
    const bool found = images != NULL && labels != NULL ? add_folder(split, images, labels, ".png", ".png", failure)
                                                        : fail_memory(failure, "the list of files");
    free(images);
    free(labels);
    return found;
}

static bool find_cityscapes(const char *root, const char *name, struct split *split, struct failure *failure) {
    char *folder = text_of("%s/leftImg8bit/%s", root, name);
    struct dirent **cities = NULL;
    const int count = folder == NULL ? -1 : scandir(folder, &cities, is_shown, by_name);
    bool good = count >= 0 ||
                fail_with(failure, EXIT_OF_INPUT, "cannot read %s/leftImg8bit/%s: %s", root, name, strerror(errno));
    for (int i = 0; i < count; ++i) {
        char *images = text_of("%s/%s", folder, cities[i]->d_name);
        char *labels = text_of("%s/gtFine/%s/%s", root, name, cities[i]->d_name);
        if (good && (images == NULL || labels == NULL))
            good = fail_memory(failure, "the list of files");
        else if (good && is_folder(images))
            good = add_folder(split, images, labels, "_leftImg8bit.png", "_gtFine_labelTrainIds.png", failure);
        free(images);
        free(labels);
        free(cities[i]);
    }
    free(cities);
    free(folder);
    return good;
}

static bool find_voc(const char *root, const char *name, struct split *split, struct failure *failure) {
    char line[512];
    char *list = text_of("%s/ImageSets/Segmentation/%s.txt", root, name);
    FILE *file = list == NULL ? NULL : fopen(list, "r");
    bool good = file != NULL || fail_with(failure, EXIT_OF_INPUT, "cannot read %s/ImageSets/Segmentation/%s.txt: %s",
                                          root, name, strerror(errno));
    while (good && fgets(line, sizeof line, file) != NULL) {
        const size_t length = strcspn(line, " \t\r\n");
        if (length > 0)
            good = add_sample(split, text_of("%s/JPEGImages/%.*s.jpg", root, (int)length, line),
                              text_of("%s/SegmentationClass/%.*s.png", root, (int)length, line), failure);
    }
    if (file != NULL)
        fclose(file);
    free(list);
    return good;
}

bool dataset_find(const char *folder, struct dataset *dataset, struct failure *failure) {
    static const struct {
        const char *folders[3];
        size_t count;
        bool (*find)(const char *, const char *, struct split *, struct failure *);
    } layouts[] = {
        {{"train", "trainannot"}, 2, find_camvid},
        {{"leftImg8bit", "gtFine"}, 2, find_cityscapes},
        {{"JPEGImages", "SegmentationClass", "ImageSets"}, 3, find_voc},
    };
    *dataset = (struct dataset){.train = {NULL, 0}};
    if (!is_folder(folder))
        return fail_with(failure, EXIT_OF_INPUT, "%s is no folder", folder);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i) {
        if (!has_folders(folder, layouts[i].folders, layouts[i].count))
            continue;
        if (!layouts[i].find(folder, "train", &dataset->train, failure) ||
            !layouts[i].find(folder, "val", &dataset->val, failure))
            return false;
        if (dataset->train.count == 0 || dataset->val.count == 0)
            return fail_with(failure, EXIT_OF_INPUT, "the %s split of %s is empty",
                             dataset->train.count == 0 ? "train" : "val", folder);
        return true;
    }
    return fail_with(failure, EXIT_OF_INPUT,
                     "%s has none of the layouts known: train/ and trainannot/ (CamVid), leftImg8bit/ and gtFine/ "
                     "(Cityscapes), JPEGImages/ and SegmentationClass/ (Pascal VOC)",
                     folder);
}

static void free_split(struct split *split) {
    for (size_t i = 0; i < split->count; ++i) {
        free(split->samples[i].image);
        free(split->samples[i].labels);
    }
    free(split->samples);
    *split = (struct split){NULL, 0};
}

void dataset_free(struct dataset *dataset) {
    free_split(&dataset->train);
    free_split(&dataset->val);
}

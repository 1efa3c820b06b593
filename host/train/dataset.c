/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"

#include "folder.h"
#include "numbers.h"
#include "text.h"

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

static bool has_folders(const char *root, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        char *path = text_of("%s/%s", root, names[i]);
        const bool found = path != NULL && folder_is(path);
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

static size_t count_ending(const struct folder *folder, const char *end) {
    size_t found = 0;
    for (size_t i = 0; i < folder->count; ++i)
        found += folder_ends_with(folder->names[i], end);
    return found;
}

/* The stem of a name that ends as one of a list up to a NULL; 0: it does not. */
static size_t stem_of(const char *name, const char *const *ends) {
    for (; *ends != NULL; ++ends)
        if (folder_ends_with(name, *ends))
            return strlen(name) - strlen(*ends);
    return 0;
}

/* images/NAME<image end> with labels/NAME<labels_end>, and as many of one as of the other. */
static bool add_folder(struct split *split, const char *images, const char *labels, const char *const *image_ends,
                       const char *labels_end, struct failure *failure) {
    const char *const label_ends[] = {labels_end, NULL};
    struct folder list, maps = {.count = 0};
    size_t added = 0;
    bool good = folder_list(images, &list, failure) && folder_list(labels, &maps, failure);
    for (size_t i = 0; good && i < list.count; ++i) {
        const char *name = list.names[i];
        const size_t stem = stem_of(name, image_ends);
        if (stem == 0)
            continue;
        const char *map = folder_find(&maps, name, stem, label_ends);
        good = map != NULL ? add_sample(split, text_of("%s/%s", images, name), text_of("%s/%s", labels, map), failure)
                           : fail_with(failure, EXIT_OF_INPUT, "%s/%s has no label map: there is no %s/%.*s%s", images,
                                       name, labels, (int)stem, name, labels_end);
        added += good;
    }
    const size_t others = good ? count_ending(&maps, labels_end) : added;
    folder_free(&list);
    folder_free(&maps);
    if (others != added)
        return fail_with(failure, EXIT_OF_INPUT, "%s has %zu image%s, but %s has %zu label map%s", images, added,
                         plural_s(added), labels, others, plural_s(others));
    return good;
}

static bool find_camvid(const char *root, const char *name, bool mapped, struct split *split, struct failure *failure) {
    static const char *const ends[] = {".png", ".jpg", ".jpeg", NULL};
    char *images = text_of("%s/%s", root, name), *labels = text_of("%s/%sannot", root, name);
    (void)mapped;
    bool good = images != NULL && labels != NULL ? add_folder(split, images, labels, ends, ".png", failure)
                                                 : fail_memory(failure, "the list of files");
    if (good && split->count == 0)
        good = fail_with(failure, EXIT_OF_INPUT, "the %s split of %s is empty: %s has no file *.png, *.jpg or *.jpeg",
                         name, root, images);
    free(images);
    free(labels);
    return good;
}

/* The labels are those that the network learns, unless there is a table for the others. */
static bool add_city(struct split *split, const char *images, const char *labels, bool mapped,
                     struct failure *failure) {
    static const char *const ends[] = {"_leftImg8bit.png", "_leftImg8bit.jpg", "_leftImg8bit.jpeg", NULL};
    static const char ids[] = "_gtFine_labelIds.png", train_ids[] = "_gtFine_labelTrainIds.png";
    struct folder maps = {.count = 0};
    const bool good = !mapped || folder_list(labels, &maps, failure);
    const char *end = mapped && count_ending(&maps, ids) > 0 ? ids : train_ids;
    folder_free(&maps);
    return good && add_folder(split, images, labels, ends, end, failure);
}

static bool find_cityscapes(const char *root, const char *name, bool mapped, struct split *split,
                            struct failure *failure) {
    char *path = text_of("%s/leftImg8bit/%s", root, name);
    struct folder cities = {.count = 0};
    bool good = path != NULL ? folder_list(path, &cities, failure) : fail_memory(failure, "the list of files");
    for (size_t i = 0; good && i < cities.count; ++i) {
        char *images = text_of("%s/%s", path, cities.names[i]);
        char *labels = text_of("%s/gtFine/%s/%s", root, name, cities.names[i]);
        if (images == NULL || labels == NULL)
            good = fail_memory(failure, "the list of files");
        else if (folder_is(images))
            good = add_city(split, images, labels, mapped, failure);
        free(images);
        free(labels);
    }
    if (good && split->count == 0)
        good = fail_with(failure, EXIT_OF_INPUT,
                         "the %s split of %s is empty: %s has no file CITY/*_leftImg8bit.png (or .jpg, .jpeg)", name,
                         root, path);
    folder_free(&cities);
    free(path);
    return good;
}

/* folder/stem<end>, whose extension may be written otherwise; where there is none, the first that was looked for. */
static char *path_in(const char *path, const struct folder *folder, const char *stem, const char *const *ends) {
    const char *name = folder_find(folder, stem, strlen(stem), ends);
    return name != NULL ? text_of("%s/%s", path, name) : text_of("%s/%s%s", path, stem, ends[0]);
}

static bool find_voc(const char *root, const char *name, bool mapped, struct split *split, struct failure *failure) {
    static const char *const image_ends[] = {".jpg", ".jpeg", ".png", NULL}, *const label_ends[] = {".png", NULL};
    char *list = text_of("%s/ImageSets/Segmentation/%s.txt", root, name);
    char *images = text_of("%s/JPEGImages", root), *labels = text_of("%s/SegmentationClass", root);
    struct text text = {.bytes = NULL};
    struct folder pictures = {.count = 0}, maps = {.count = 0};
    (void)mapped;
    bool good = list != NULL && images != NULL && labels != NULL
                    ? text_open(&text, list, failure) && folder_list(images, &pictures, failure) &&
                          folder_list(labels, &maps, failure)
                    : fail_memory(failure, "the list of files");
    for (char *line; good && (line = text_line(&text)) != NULL;)
        good = add_sample(split, path_in(images, &pictures, line, image_ends), path_in(labels, &maps, line, label_ends),
                          failure);
    if (good && split->count == 0)
        good = fail_with(failure, EXIT_OF_INPUT, "the %s split of %s is empty: %s has no line with a name", name, root,
                         list);
    text_close(&text);
    folder_free(&pictures);
    folder_free(&maps);
    free(list);
    free(images);
    free(labels);
    return good;
}

bool dataset_find(const char *folder, bool mapped, struct dataset *dataset, struct failure *failure) {
    static const struct {
        const char *folders[3];
        size_t count;
        enum layout layout;
        bool (*find)(const char *, const char *, bool, struct split *, struct failure *);
    } layouts[] = {
        {{"train", "trainannot"}, 2, LAYOUT_CAMVID, find_camvid},
        {{"leftImg8bit", "gtFine"}, 2, LAYOUT_CITYSCAPES, find_cityscapes},
        {{"JPEGImages", "SegmentationClass", "ImageSets"}, 3, LAYOUT_VOC, find_voc},
    };
    *dataset = (struct dataset){.train = {NULL, 0}};
    if (!folder_is(folder))
        return fail_with(failure, EXIT_OF_INPUT, "%s is no folder", folder);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i) {
        if (!has_folders(folder, layouts[i].folders, layouts[i].count))
            continue;
        dataset->layout = layouts[i].layout;
        return layouts[i].find(folder, "train", mapped, &dataset->train, failure) &&
               layouts[i].find(folder, "val", mapped, &dataset->val, failure);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "labels.h"
#include "output.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <png.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_path(char *path, struct failure *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(path, FILE_PATH, format, arguments);
    va_end(arguments);
    return (length >= 0 && length < FILE_PATH) || fail_with(failure, EXIT_OF_INPUT, "%s... is too long a path", path);
}

bool file_folder(const char *path, struct failure *failure) {
    char part[FILE_PATH];
    if (!file_path(part, failure, "%s", path))
        return false;
    for (char *end = part + 1;; ++end) {
        const char kept = *end;
        if (kept != '/' && kept != '\0')
            continue;
        *end = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return fail_with(failure, EXIT_OF_INPUT, "cannot make the folder %s: %s", part, strerror(errno));
        *end = kept;
        if (kept == '\0')
            break;
    }
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return fail_with(failure, EXIT_OF_INPUT, "%s is no folder", path);
    return true;
}

/* Whether the open file is still the one of this name. */
static bool is_named(int file, const char *path) {
    struct stat here, there;
    return fstat(file, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

bool file_take(const char *folder, int *lock, struct failure *failure) {
    char path[FILE_PATH];
    *lock = -1;
    if (!file_path(path, failure, "%s/lock", folder))
        return false;
    for (;;) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (!file_folder(folder, failure))
            return false;
        const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0)
            return fail_with(failure, EXIT_OF_INPUT, "cannot open %s: %s", path, strerror(errno));
        const bool locked = fcntl(file, F_SETLK, &whole) == 0;
        const bool taken = !locked && (errno == EACCES || errno == EAGAIN);
        if (taken || is_named(file, path)) { /* else somebody has removed the folder meanwhile */
            if (taken)
                close(file);
            else
                *lock = file; /* even without a lock, which some file systems do not have */
            return true;
        }
        close(file);
    }
}

void file_release(int lock) {
    if (lock >= 0)
        close(lock);
}

bool file_text(const char *path, const char *text, struct failure *failure) {
    struct outputs outputs = {.count = 0};
    struct output *output = outputs_add(&outputs, "--output", path);
    const bool good = outputs_open(&outputs, NULL, 0, false, failure) &&
                      output_write(output, text, strlen(text), failure) && outputs_commit(&outputs, failure);
    outputs_discard(&outputs);
    return good;
}

bool file_labels(const char *path, const struct classes *classes, const uint8_t *labels, size_t height, size_t width,
                 struct failure *failure) {
    struct outputs outputs = {.count = 0};
    struct output *output = outputs_add(&outputs, "--output", path);
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    image.format = PNG_FORMAT_RGB_COLORMAP;
    image.colormap_entries = (png_uint_32)classes->count;
    bool good = outputs_open(&outputs, NULL, 0, false, failure);
    errno = EIO; /* what to say when libpng fails without the system's saying why */
    if (good && !png_image_write_to_stdio(&image, output->file, 0, labels, 0, classes->colours))
        good = output_failed(output, errno, failure);
    good = good && outputs_commit(&outputs, failure);
    outputs_discard(&outputs);
    return good;
}

bool file_read_labels(const char *path, uint8_t **labels, size_t height, size_t width, struct failure *failure) {
    struct stat status;
    struct labels read;
    struct label_rules rules = {.ignore_index = UINT8_MAX};
    *labels = NULL;
    if (stat(path, &status) != 0)
        return true;
    bool good = labels_read(path, &rules, NULL, false, &read, failure);
    if (good && (read.type != CLMP_LABEL_UINT8 || read.planes != 1 || read.height != height || read.width != width))
        good =
            fail_with(failure, EXIT_OF_INPUT, "%s is of another run: its size is not %zu x %zu", path, width, height);
    if (good)
        *labels = read.values;
    else
        free(read.values);
    return good;
}

bool file_log(const char *path, const struct step_record *records, uint64_t count, struct failure *failure) {
    enum { LINE = 192 };
    char *text = malloc(LINE * ((size_t)count + 1));
    if (text == NULL)
        return fail_memory(failure, path);
    size_t used = (size_t)sprintf(text, "step,loss,alpha,support,rate,mean_loss,below_0.01,mean_iou,pixel_accuracy\n");
    for (uint64_t i = 0; i < count; ++i) {
        const struct step_record *record = &records[i];
        used += (size_t)snprintf(text + used, LINE, "%" PRIu64 ",%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,", i + 1,
                                 (double)record->loss, (double)record->alpha, (double)record->support,
                                 (double)record->rate, (double)record->mean, (double)record->easy);
        used += (size_t)(record->mean_iou < 0.0f ? snprintf(text + used, LINE, ",\n")
                                                 : snprintf(text + used, LINE, "%.6g,%.6g\n", (double)record->mean_iou,
                                                            (double)record->pixel_accuracy));
    }
    const bool good = file_text(path, text, failure);
    free(text);
    return good;
}

bool file_seconds(const char *path, double seconds, struct failure *failure) {
    char text[64];
    snprintf(text, sizeof text, "%.1f\n", seconds);
    return file_text(path, text, failure);
}

double file_read_seconds(const char *path) {
    char text[64] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0.0;
    if (fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    fclose(file);
    const double seconds = strtod(text, NULL);
    return isfinite(seconds) && seconds > 0.0 ? seconds : 0.0;
}

/* The number at `*at`, and the comma behind it; `absent` where there is none. */
static float read_cell(char **at, float absent) {
    char *end = NULL;
    const double number = strtod(*at, &end);
    const float value = end > *at ? (float)number : absent;
    *at = end + (*end == ',');
    return value;
}

bool file_read_log(const char *path, struct step_record *records, uint64_t count, uint64_t *read,
                   struct failure *failure) {
    struct stat status;
    struct text text = {.bytes = NULL};
    *read = 0;
    if (stat(path, &status) != 0)
        return true;
    const bool good = text_open(&text, path, failure);
    char *line = good ? text_line(&text) : NULL; /* the names */
    while (line != NULL && *read < count && (line = text_line(&text)) != NULL) {
        read_cell(&line, 0.0f); /* the step */
        struct step_record *record = &records[(*read)++];
        float *const cells[] = {&record->loss, &record->alpha, &record->support,  &record->rate,
                                &record->mean, &record->easy,  &record->mean_iou, &record->pixel_accuracy};
        for (size_t i = 0; i < sizeof cells / sizeof *cells; ++i)
            *cells[i] = read_cell(&line, -1.0f);
    }
    text_close(&text);
    return good;
}

/* ---------------------------------------------------------------------------------------------------------- results */

json_t *file_number(double value) {
    return isnan(value) ? json_null() : json_real(value);
}

bool file_result(const char *path, const char *settings, const char *weighting, uint64_t seed,
                 const struct origin *origin, const struct classes *classes, const struct run_result *result,
                 struct failure *failure) {
    const size_t count = CLMP_CONFUSION(classes->count);
    double iou[MOST_CLASSES], accuracy[MOST_CLASSES];
    clmp_metrics metrics;
    clmp_confusion_metrics(result->confusion, classes->count, &metrics, iou, accuracy);
    json_t *confusion = json_array(), *per_class = json_array();
    bool whole = true; /* each part of it */
    for (size_t i = 0; i < count; ++i)
        whole = json_array_append_new(confusion, json_integer((json_int_t)result->confusion[i])) == 0 && whole;
    for (size_t c = 0; c < classes->count; ++c)
        whole = json_array_append_new(per_class,
                                      json_pack("{s:s, s:o, s:o}", "class", classes->names[c], "iou",
                                                file_number(iou[c]), "accuracy", file_number(accuracy[c]))) == 0 &&
                whole;
    json_t *object = json_pack("{s:s, s:o, s:s, s:I, s:f, s:f, s:f, s:f, s:o, s:o}", "settings", settings, "made_by",
                               origin_json(origin), "weighting", weighting, "seed", (json_int_t)seed, "seconds",
                               result->seconds, "mean_iou", metrics.mean_iou, "mean_accuracy", metrics.mean_accuracy,
                               "pixel_accuracy", metrics.pixel_accuracy, "classes", per_class, "confusion", confusion);
    char *text = object != NULL && whole ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    const bool good = text != NULL ? file_text(path, text, failure) : fail_memory(failure, path);
    json_decref(object);
    free(text);
    return good;
}

static bool read_confusion(const json_t *array, size_t classes, struct run_result *result) {
    const size_t count = CLMP_CONFUSION(classes);
    if (!json_is_array(array) || json_array_size(array) != count)
        return false;
    result->confusion = calloc(count, sizeof *result->confusion);
    for (size_t i = 0; result->confusion != NULL && i < count; ++i) {
        const json_t *number = json_array_get(array, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return false;
        result->confusion[i] = (uint64_t)json_integer_value(number);
    }
    return result->confusion != NULL;
}

bool file_read_result(const char *path, const char *settings, size_t classes, struct run_result *result, bool *found,
                      struct failure *failure) {
    struct stat status;
    json_error_t error;
    *found = stat(path, &status) == 0;
    if (!*found)
        return true;
    json_t *object = json_load_file(path, 0, &error);
    if (object == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, error.text);
    const char *text = json_string_value(json_object_get(object, "settings"));
    bool good = true;
    if (text == NULL || strcmp(text, settings) != 0)
        good = fail_with(failure, EXIT_OF_INPUT,
                         "%s is the result of another run (%s): remove it, or choose another --output", path,
                         text != NULL ? text : "without settings");
    if (good && !read_confusion(json_object_get(object, "confusion"), classes, result))
        good = fail_with(failure, EXIT_OF_INPUT, "%s is damaged: remove it", path);
    if (good) {
        clmp_confusion_metrics(result->confusion, classes, &result->metrics, NULL, NULL);
        result->seconds = json_number_value(json_object_get(object, "seconds"));
        result->complete = true;
    }
    json_decref(object);
    return good;
}

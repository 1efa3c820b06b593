/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_json.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MICROSECOND_DIGITS = 9 };

/* "PATH.PID.tmp", or PATH itself where that is no regular file: a pipe cannot be renamed.  NULL: out of memory. */
static char *working_name(const char *path) {
    struct stat there;
    const size_t size = strlen(path) + 32;
    char *name = malloc(size);
    if (name == NULL)
        return NULL;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode))
        snprintf(name, size, "%s", path);
    else
        snprintf(name, size, "%s.%ld.tmp", path, (long)getpid());
    return name;
}

static FILE *open_new(const char *name, bool temporary) {
    const int file = open(name, O_WRONLY | (temporary ? O_CREAT | O_EXCL : 0), 0666);
    FILE *stream = file >= 0 ? fdopen(file, "w") : NULL;
    if (file >= 0 && stream == NULL)
        close(file);
    return stream;
}

static enum bench_status failed(const char *path, int error) {
    return bench_fail(BENCH_BAD_USE, "cannot write %s: %s", path, strerror(error));
}

enum bench_status bench_json_probe(const char *path) {
    struct stat there;
    if (stat(path, &there) == 0 && S_ISDIR(there.st_mode))
        return failed(path, EISDIR);
    char *name = working_name(path);
    if (name == NULL)
        return failed(path, ENOMEM);
    const bool temporary = strcmp(name, path) != 0;
    FILE *stream = temporary ? open_new(name, true) : NULL;
    const int error = errno;
    const bool good = stream != NULL || !temporary;
    if (stream != NULL) {
        fclose(stream);
        unlink(name);
    }
    free(name);
    return good ? BENCH_OK : failed(path, error);
}

/* Drivers may name a device in something else than UTF-8. */
static json_t *text(const char *from) {
    json_t *string = json_string(from);
    char *ascii = string == NULL ? strdup(from) : NULL;
    for (char *c = ascii; c != NULL && *c != '\0'; ++c)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    if (ascii != NULL)
        string = json_string(ascii);
    free(ascii);
    return string;
}

static json_t *real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *whole(uint64_t value) {
    return json_integer((json_int_t)value);
}

static json_t *convert(const bench_record *r, const char *date) {
    const bool plan = r->plan != NULL;
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s}", "device", text(r->device.name), "platform",
                  text(r->device.platform_name), "opencl", text(r->device.version), "driver", text(r->device.driver),
                  "version", clmp_version(), "date", date, "case", r->of.name, "solver", r->solver, "stage", r->stage);
    const struct {
        const char *key;
        json_t *value;
    } rest[] = {
        {"images", whole(r->of.images)},
        {"classes", whole(r->of.classes)},
        {"height", whole(r->of.height)},
        {"width", whole(r->of.width)},
        {"pixels", whole(bench_case_pixels(&r->of))},
        {"ms", real(r->ms.median)},
        {"ms_quartile_low", real(r->ms.low)},
        {"ms_quartile_high", real(r->ms.high)},
        {"wall_ms", real(r->wall_ms)},
        {"clock", json_string(r->events ? "event" : "wall")},
        {"bytes", whole(r->bytes)},
        {"gbps", real(bench_record_gbps(r))},
        {"copy_gbps", plan ? json_null() : real(r->copy_gbps)},
        {"of_copy", real(bench_record_of_copy(r))},
        {"logits_height", whole(bench_case_interpolates(&r->of) ? r->of.logits_height : r->of.height)},
        {"logits_width", whole(bench_case_interpolates(&r->of) ? r->of.logits_width : r->of.width)},
        {"align_corners", json_boolean(r->of.align_corners)},
        {"flops", r->flops != 0 ? whole(r->flops) : json_null()},
        {"gflops", real(bench_record_gflops(r))},
        {"peak_gflops", r->flops != 0 ? real(r->peak_gflops) : json_null()},
        {"of_peak", real(bench_record_of_peak(r))},
        {"repeat", whole(r->repeat)},
        {"batch", whole(r->batch)},
        {"sets", whole(r->sets)},
        {"loss", real((double)r->loss)},
        {"alpha", real((double)r->alpha)},
        {"vector_width", whole(r->tuning.vector_width)},
        {"group_size", whole(r->tuning.group_size)},
        {"bin_group", whole(r->tuning.bin_group)},
        {"chunks", whole(r->tuning.chunks)},
        {"bin_sets", whole(r->tuning.bin_sets)},
        {"bin_memory", json_string(r->tuning.bin_memory == 2 ? "local" : "global")},
        {"streaming", json_boolean(r->tuning.streaming == 2)},
        {"run", whole(r->tuning.run)},
        {"sums", json_string(r->tuning.sums == 2 ? "left" : "found again")},
        {"variant", r->variant != NULL ? json_string(r->variant) : json_null()},
        {"plan", plan ? json_string(r->plan) : json_null()},
        {"context_ms", r->context_ms > 0.0 ? real(r->context_ms) : json_null()},
        {"first_call_ms", r->first_call_ms > 0.0 ? real(r->first_call_ms) : json_null()},
    };
    bool good = object != NULL;
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; ++i) /* takes every value, also after a failure */
        good = json_object_set_new(object, rest[i].key, rest[i].value) == 0 && good;
    if (!good) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *convert_all(const bench_records *records) {
    char date[32];
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) == NULL || strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        date[0] = '\0';
    json_t *array = json_array();
    for (size_t i = 0; i < records->count; ++i)
        if (json_array_append_new(array, convert(&records->list[i], date)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* The reason where it fails, else 0. */
static int write_array(const json_t *array, const char *name, const char *path) {
    const bool temporary = strcmp(name, path) != 0;
    FILE *stream = open_new(name, temporary);
    if (stream == NULL)
        return errno;
    errno = 0;
    bool good = json_dumpf(array, stream, JSON_INDENT(1) | JSON_REAL_PRECISION(MICROSECOND_DIGITS)) == 0;
    good = fputc('\n', stream) != EOF && good;
    good = fclose(stream) == 0 && good;
    good = good && (!temporary || rename(name, path) == 0);
    const int error = errno != 0 ? errno : EIO;
    if (!good && temporary)
        unlink(name);
    return good ? 0 : error;
}

enum bench_status bench_json_write(const bench_records *records, const char *path) {
    char *name = working_name(path);
    json_t *array = name != NULL ? convert_all(records) : NULL;
    const int error = array != NULL ? write_array(array, name, path) : ENOMEM;
    json_decref(array);
    free(name);
    return error == 0 ? BENCH_OK : failed(path, error);
}

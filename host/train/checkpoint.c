/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "clmp-train checkpoint 2";

static uint64_t fnv(uint64_t hash, const void *bytes, size_t size) {
    for (size_t i = 0; i < size; ++i)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}
#define FNV_BEGIN 0xcbf29ce484222325u

static bool put(struct output *output, uint64_t *hash, const void *bytes, size_t size, struct failure *failure) {
    *hash = fnv(*hash, bytes, size);
    return output_write(output, bytes, size, failure);
}

/* Of the values, and Adam's moments, in bytes; returns their sum. */
enum { PARTS = 3 };
static size_t part_sizes(const struct parameters *parameters, size_t sizes[PARTS]) {
    sizes[0] = parameters->stored * sizeof(float);
    sizes[1] = sizes[2] = parameters->count * sizeof(float);
    return sizes[0] + sizes[1] + sizes[2];
}

static bool write_body(struct output *output, const char *settings, struct engine *engine,
                       const struct parameters *parameters, const struct progress_of_run *progress,
                       struct failure *failure) {
    const cl_mem buffers[PARTS] = {parameters->values, parameters->m, parameters->v};
    size_t sizes[PARTS];
    const size_t all = part_sizes(parameters, sizes);
    uint64_t hash = FNV_BEGIN;
    char head[1024];
    const int length = snprintf(head, sizeof head, "%s\n%s\nstep %" PRIu64 " parameters %zu\n", magic, settings,
                                progress->step, parameters->count);
    float *values = malloc(all);
    if (values == NULL)
        return fail_memory(failure, output->path);
    bool good = put(output, &hash, head, (size_t)length, failure);
    for (size_t i = 0; i < PARTS && good; ++i)
        good = engine_read(engine, buffers[i], 0, sizes[i], values, failure) &&
               put(output, &hash, values, sizes[i], failure);
    free(values);
    return good && put(output, &hash, progress->records, (size_t)progress->step * sizeof *progress->records, failure) &&
           output_write(output, &hash, sizeof hash, failure);
}

bool checkpoint_write(const char *path, const char *settings, struct engine *engine,
                      const struct parameters *parameters, const struct progress_of_run *progress,
                      struct failure *failure) {
    struct outputs outputs = {.count = 0};
    struct output *output = outputs_add(&outputs, "--output", path);
    const bool good = outputs_open(&outputs, NULL, 0, false, failure) &&
                      write_body(output, settings, engine, parameters, progress, failure) &&
                      outputs_commit(&outputs, failure);
    outputs_discard(&outputs);
    return good;
}

/* The whole file, with a 0 behind it. */
static bool read_file(const char *path, char **bytes, size_t *size, bool *found, struct failure *failure) {
    FILE *file = fopen(path, "rb");
    *found = file != NULL;
    if (file == NULL && errno == ENOENT)
        return true;
    bool good = file != NULL && fseek(file, 0, SEEK_END) == 0;
    const long end = good ? ftell(file) : -1;
    good = end >= 0 && fseek(file, 0, SEEK_SET) == 0;
    if (good) {
        *size = (size_t)end;
        *bytes = malloc(*size + 1);
        if (*bytes == NULL) {
            fclose(file);
            return fail_memory(failure, path);
        }
        (*bytes)[*size] = '\0';
        good = fread(*bytes, 1, *size, file) == *size;
    }
    const int error = errno;
    if (file != NULL)
        fclose(file);
    return good || fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, strerror(error));
}

/* A word and a number behind it. */
static bool read_count(const char **at, const char *word, uint64_t *count) {
    const size_t length = strlen(word);
    char *end = NULL;
    if (strncmp(*at, word, length) != 0 || (*at)[length] < '0' || (*at)[length] > '9')
        return false;
    errno = 0;
    *count = strtoull(*at + length, &end, 10);
    *at = end;
    return errno == 0;
}

bool checkpoint_read(const char *path, const char *settings, struct engine *engine, struct parameters *parameters,
                     uint64_t steps, struct progress_of_run *progress, bool *found, struct failure *failure) {
    char *bytes = NULL, head[1024];
    size_t size = 0;
    uint64_t hash = 0, step = 0, count = 0;
    const bool read = read_file(path, &bytes, &size, found, failure);
    if (!read || bytes == NULL) {
        free(bytes);
        return read;
    }
    const int same = snprintf(head, sizeof head, "%s\n%s\n", magic, settings);
    const char *at = bytes;
    bool good = size >= (size_t)same && strncmp(bytes, magic, sizeof magic - 1) == 0;
    if (!good)
        fail_with(failure, EXIT_OF_INPUT, "%s is no checkpoint of this version of clmp-train", path);
    if (good && memcmp(bytes, head, (size_t)same) != 0)
        good = fail_with(failure, EXIT_OF_INPUT,
                         "%s is a checkpoint of another run: remove it, or choose another --output", path);
    at += good ? same : 0;
    if (good && (!read_count(&at, "step ", &step) || !read_count(&at, " parameters ", &count) ||
                 count != parameters->count || step > steps))
        good = fail_with(failure, EXIT_OF_INPUT, "%s is a checkpoint of another network", path);
    size_t sizes[PARTS];
    const size_t begin = (size_t)(at - bytes) + 1, all = part_sizes(parameters, sizes);
    const size_t wanted = begin + all + (size_t)step * sizeof *progress->records + sizeof hash;
    if (good && size == wanted)
        memcpy(&hash, bytes + size - sizeof hash, sizeof hash);
    if (good && (size != wanted || hash != fnv(FNV_BEGIN, bytes, size - sizeof hash)))
        good = fail_with(failure, EXIT_OF_INPUT, "%s is damaged", path);
    if (good) {
        progress->step = step;
        memcpy(progress->records, bytes + begin + all, (size_t)step * sizeof *progress->records);
        good = engine_write(engine, parameters->values, 0, sizes[0], bytes + begin, failure) &&
               engine_write(engine, parameters->m, 0, sizes[1], bytes + begin + sizes[0], failure) &&
               engine_write(engine, parameters->v, 0, sizes[2], bytes + begin + sizes[0] + sizes[1], failure);
    }
    free(bytes);
    return good;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/tuning.h"

#include "core/choice.h"
#include "plan/reading.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHUNKS 65536u
#define MAX_GROUP 1024u
/* A set of bins costs more than a few thousand pixels; a share of one, less. */
#define LEAST_PIXELS_OF_CHUNK 16384
#define LEAST_PIXELS_OF_SHARE 1024
#define MOST_CHUNKS_CHOSEN 1024

/* Below this, what reads the gradient next may still find it in a cache. */
#define LEAST_STREAMED (16u << 20)

enum { GLOBAL_BINS = 1, LOCAL_BINS = 2 };
enum { CACHED = 1, STREAMED = 2 };
enum { FOUND_AGAIN = 1, LEFT_BEHIND = 2 };
enum { MOST_RUN = 2 };

/*
 * What suits the devices.  Looked up from the top: a value comes from the first row that fits the device and has one
 * (not 0).  So rows go from the special to the general: by device, by vendor, by type, and the default.
 * `clmp-bench --tune` searches the values for a device, and prints a row to add.
 */
static const struct tuning_row {
    const char *device, *vendor; /* part of the name, upper and lower case alike; NULL: any */
    cl_device_type type;         /* 0: any */
    uint32_t vector_width, group_size, bin_group;
    uint32_t chunks_per_unit; /* work-groups that fill bins, for each of the device's compute units */
    uint32_t bin_sets;        /* that they share; UINT32_MAX: one each */
    uint32_t bin_memory;
    uint32_t streaming; /* of gradients of LEAST_STREAMED bytes and more */
    uint32_t run;       /* of logits of 16 bits, and of CLMP_MANY_CLASSES and more */
    uint32_t sums_from; /* classes from which on the loss leaves sums behind */
} rows[] = {
    /* device, vendor, type, vector_width, group_size, bin_group, chunks_per_unit, bin_sets, bin_memory, streaming,
     * run, sums_from */

    /* by device: these two take a work-item's vectors apart, at a cost; llvmpipe allows every kernel 32 work-items; and
     * a simulator takes each work-item by itself */
    {"llvmpipe", NULL, 0, 1, 32, 1, 4, UINT32_MAX, GLOBAL_BINS, CACHED, 1, 33},
    {"oclgrind", NULL, 0, 1, 256, 16, 4, UINT32_MAX, LOCAL_BINS, CACHED, 1, 33},
    /* by type.  CPUs: runtimes vectorise within a work-item, two registers of AVX2 are best; a core fills bins alone,
     * without atomics, and its caches hold what the gradient reads twice. */
    {NULL, NULL, CL_DEVICE_TYPE_CPU, 16, 64, 1, 2, UINT32_MAX, LOCAL_BINS, STREAMED, 2, UINT32_MAX},
    /* by vendor: predicted, not measured (bench/README.md).  7 work-groups have room for their bins on a compute unit
     */
    {NULL, "nvidia", CL_DEVICE_TYPE_GPU, 1, 256, 256, 4, 1, LOCAL_BINS, CACHED, 1, 33},
    /* GPUs vectorise across work-items.  One set: each work-group's bins are added to it by atomics, once.  Logits of
     * 33 classes and more are too many for registers. */
    {NULL, NULL, CL_DEVICE_TYPE_GPU, 1, 256, 256, 4, 1, LOCAL_BINS, CACHED, 1, 33},
    /* default */
    {NULL, NULL, 0, 1, 256, 256, 4, UINT32_MAX, LOCAL_BINS, CACHED, 1, 33},
};

static bool row_fits(const struct tuning_row *row, const struct clmp_device_facts *facts) {
    return (row->device == NULL || clmp_name_contains(facts->name, row->device)) &&
           (row->vendor == NULL || clmp_name_contains(facts->vendor, row->vendor)) &&
           (row->type == 0 || (facts->type & row->type) != 0);
}

/* The device's row, made of all that fit. */
static struct tuning_row look_up(const struct clmp_device_facts *facts) {
    struct tuning_row all = {.device = NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        const struct tuning_row *row = &rows[i];
        if (!row_fits(row, facts))
            continue;
        all.vector_width = all.vector_width != 0 ? all.vector_width : row->vector_width;
        all.group_size = all.group_size != 0 ? all.group_size : row->group_size;
        all.bin_group = all.bin_group != 0 ? all.bin_group : row->bin_group;
        all.chunks_per_unit = all.chunks_per_unit != 0 ? all.chunks_per_unit : row->chunks_per_unit;
        all.bin_sets = all.bin_sets != 0 ? all.bin_sets : row->bin_sets;
        all.streaming = all.streaming != 0 ? all.streaming : row->streaming;
        all.bin_memory = all.bin_memory != 0 ? all.bin_memory : row->bin_memory;
        all.run = all.run != 0 ? all.run : row->run;
        all.sums_from = all.sums_from != 0 ? all.sums_from : row->sums_from;
    }
    return all;
}

/* A power of two, at most what the device allows. */
static uint32_t fit_group(uint32_t group, size_t most) {
    while (group > most)
        group /= 2;
    return group;
}

void clmp_tuning_choose(struct clmp_plan *plan) {
    const struct clmp_device_facts *facts = &plan->context->facts;
    const struct tuning_row row = look_up(facts);
    clmp_tuning *tuning = &plan->tuning;
    *tuning = plan->params.tuning;
    if (tuning->vector_width == 0)
        tuning->vector_width = row.vector_width;
    if (tuning->group_size == 0)
        tuning->group_size = fit_group(row.group_size, facts->max_group);
    if (tuning->bin_group == 0)
        tuning->bin_group = fit_group(row.bin_group, facts->max_group);
    if (tuning->chunks == 0) {
        const uint64_t all = (uint64_t)facts->compute_units * row.chunks_per_unit;
        const uint64_t least = row.bin_sets == UINT32_MAX ? LEAST_PIXELS_OF_CHUNK : LEAST_PIXELS_OF_SHARE;
        const uint64_t most = (plan->pool_pixels + least - 1) / least;
        uint64_t chunks = (all + plan->pools - 1) / plan->pools;
        chunks = chunks < most ? chunks : most;
        tuning->chunks = (uint32_t)(chunks < MOST_CHUNKS_CHOSEN ? chunks : MOST_CHUNKS_CHOSEN);
    }
    if (tuning->bin_sets == 0)
        tuning->bin_sets = row.bin_sets;
    if (tuning->bin_sets > tuning->chunks)
        tuning->bin_sets = tuning->chunks;
    if (tuning->bin_memory == 0)
        tuning->bin_memory = facts->local_memory >= CLMP_LOCAL_BINS_SIZE ? row.bin_memory : GLOBAL_BINS;
    if (tuning->streaming == 0) {
        const bool small = plan->logits.bytes < LEAST_STREAMED;
        tuning->streaming = small ? CACHED : row.streaming;
    }
    if (tuning->run == 0) {
        const bool pays = plan->logits.element < sizeof(float) || plan->label_classes >= CLMP_MANY_CLASSES;
        tuning->run = pays && tuning->vector_width > 1 && plan->logits.pixel_stride == 1 ? row.run : 1;
    }
    if (plan->reading == NULL || !plan->reading->leaves_sums || plan->label_classes <= 2)
        tuning->sums = FOUND_AGAIN;
    else if (tuning->sums == 0)
        tuning->sums = plan->label_classes >= row.sums_from ? LEFT_BEHIND : FOUND_AGAIN;
}

/* ------------------------------------------------------------------------------------------- what the user asks for */

struct field {
    const char *name;
    uint32_t *value;
};
#define FIELDS 9

static void list_fields(clmp_tuning *tuning, struct field fields[FIELDS]) {
    const struct field all[FIELDS] = {
        {"vector_width", &tuning->vector_width},
        {"group_size", &tuning->group_size},
        {"bin_group", &tuning->bin_group},
        {"chunks", &tuning->chunks},
        {"bin_sets", &tuning->bin_sets},
        {"bin_memory", &tuning->bin_memory},
        {"streaming", &tuning->streaming},
        {"run", &tuning->run},
        {"sums", &tuning->sums},
    };
    memcpy(fields, all, sizeof all);
}

#define REFUSE(...) return clmp_fail(log, CLMP_INVALID_ARGUMENT, __VA_ARGS__)

/* "name=number,name=number" */
static clmp_status read_text(const char *text, clmp_tuning *tuning, const struct clmp_log *log) {
    struct field fields[FIELDS];
    list_fields(tuning, fields);
    for (const char *at = text; *at != '\0';) {
        const size_t length = strcspn(at, "=");
        size_t i = 0;
        while (i < FIELDS && (strlen(fields[i].name) != length || strncmp(at, fields[i].name, length) != 0))
            ++i;
        if (i == FIELDS || at[length] != '=' || !isdigit((unsigned char)at[length + 1]))
            REFUSE("CLMP_TUNING is '%s', expected name=number,... with the names of clmp_tuning", text);
        char *end = NULL;
        const unsigned long long value = strtoull(at + length + 1, &end, 10);
        if (value > UINT32_MAX || (*end != ',' && *end != '\0'))
            REFUSE("CLMP_TUNING is '%s', expected name=number,... with numbers of 32 bits", text);
        *fields[i].value = (uint32_t)value;
        at = *end == ',' ? end + 1 : end;
    }
    return CLMP_OK;
}

static bool is_power_of_two(uint32_t x) {
    return x != 0 && (x & (x - 1)) == 0;
}

#define REFUSE_OF(whose, format, ...) REFUSE("%s" format, whose, __VA_ARGS__)

/* `whose` is what comes before the name of a field in messages. */
static clmp_status check(const clmp_tuning *tuning, const char *whose, const struct clmp_device_facts *facts,
                         const struct clmp_log *log) {
    const uint32_t most = facts->max_group < MAX_GROUP ? (uint32_t)facts->max_group : MAX_GROUP;
    if (tuning->vector_width != 0 && (!is_power_of_two(tuning->vector_width) || tuning->vector_width > 16))
        REFUSE_OF(whose, "vector_width is %" PRIu32 ", expected 0, 1, 2, 4, 8 or 16", tuning->vector_width);
    if (tuning->group_size != 0 && (!is_power_of_two(tuning->group_size) || tuning->group_size > most))
        REFUSE_OF(whose, "group_size is %" PRIu32 ", expected 0 or a power of two up to %" PRIu32, tuning->group_size,
                  most);
    if (tuning->bin_group != 0 && (!is_power_of_two(tuning->bin_group) || tuning->bin_group > most))
        REFUSE_OF(whose, "bin_group is %" PRIu32 ", expected 0 or a power of two up to %" PRIu32, tuning->bin_group,
                  most);
    if (tuning->chunks > MAX_CHUNKS)
        REFUSE_OF(whose, "chunks is %" PRIu32 ", expected at most %u", tuning->chunks, MAX_CHUNKS);
    if (tuning->bin_sets > MAX_CHUNKS)
        REFUSE_OF(whose, "bin_sets is %" PRIu32 ", expected at most %u", tuning->bin_sets, MAX_CHUNKS);
    if (tuning->bin_memory > LOCAL_BINS)
        REFUSE_OF(whose, "bin_memory is %" PRIu32 ", expected 0, 1 (global) or 2 (local)", tuning->bin_memory);
    if (tuning->streaming > STREAMED)
        REFUSE_OF(whose, "streaming is %" PRIu32 ", expected 0, 1 (no) or 2 (yes)", tuning->streaming);
    if (tuning->run > MOST_RUN)
        REFUSE_OF(whose, "run is %" PRIu32 ", expected 0, 1 or 2", tuning->run);
    if (tuning->sums > LEFT_BEHIND)
        REFUSE_OF(whose, "sums is %" PRIu32 ", expected 0, 1 (found again) or 2 (left by the loss)", tuning->sums);
    for (size_t i = 0; i < sizeof tuning->reserved / sizeof tuning->reserved[0]; ++i)
        if (tuning->reserved[i] != 0)
            REFUSE_OF(whose, "reserved[%zu] is %" PRIu32 ", expected 0", i, tuning->reserved[i]);
    if (tuning->bin_memory == LOCAL_BINS && facts->local_memory < CLMP_LOCAL_BINS_SIZE)
        REFUSE_OF(whose,
                  "bin_memory is 2 (local), but the device has %" PRIu64 " bytes of local memory, expected %" PRIu64,
                  (uint64_t)facts->local_memory, (uint64_t)CLMP_LOCAL_BINS_SIZE);
    return CLMP_OK;
}

clmp_status clmp_tuning_check(struct clmp_plan *plan) {
    const struct clmp_log *log = &plan->context->log;
    clmp_tuning *asked = &plan->params.tuning;
    clmp_tuning from_environment = {0};
    const char *text = getenv("CLMP_TUNING");
    clmp_status status = text != NULL ? read_text(text, &from_environment, log) : CLMP_OK;
    if (status == CLMP_OK)
        status = check(&from_environment, "CLMP_TUNING's ", &plan->context->facts, log);
    if (status != CLMP_OK)
        return status;
    struct field to[FIELDS], from[FIELDS];
    list_fields(asked, to);
    list_fields(&from_environment, from);
    for (size_t i = 0; i < FIELDS; ++i)
        if (*to[i].value == 0)
            *to[i].value = *from[i].value;
    return check(asked, "tuning.", &plan->context->facts, log);
}

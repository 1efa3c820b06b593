/*
 * Runs problems on the device, and holds what comes back to the references.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum place { LOGITS, LABELS, LOSSES, WEIGHTS, GRADIENT, RESULT, WORKSPACE, RANGE, PLACES };

const clmp_gradient_range test_range = {UINT32_MAX, ((uint64_t)1 << 33) - 2};

/* Bytes after each buffer's end that nothing may write. */
#define GUARD 64

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

static size_t round_up(size_t bytes) {
    return (bytes + 3) / 4 * 4;
}

static void *poisoned(size_t bytes) {
    uint32_t *words = allocate(round_up(bytes));
    for (size_t i = 0; i < round_up(bytes) / 4; i++)
        words[i] = TEST_POISON;
    return words;
}

/* ----------------------------------------------------------------------------------------------------------- outputs
 */

static bool of_losses(const struct problem *problem) {
    return problem->in.params.input == CLMP_INPUT_LOSSES;
}

static size_t record_count(const struct problem *problem) {
    return problem->in.params.scope == CLMP_SCOPE_IMAGE ? 1 + (size_t)problem->in.params.images : 1;
}

struct outputs *outputs_new(const struct problem *problem, enum entry entry) {
    struct outputs *outputs = allocate(sizeof *outputs);
    *outputs = (struct outputs){.records = record_count(problem)};
    outputs->weights = poisoned(problem->pixels * sizeof(float));
    outputs->result = poisoned(outputs->records * sizeof(clmp_result));
    if (!of_losses(problem))
        outputs->losses = poisoned(problem->pixels * sizeof(float));
    if (!of_losses(problem) && entry == ENTRY_FULL)
        outputs->gradient = poisoned(problem->elements * sizeof(float));
    return outputs;
}

void outputs_free(struct outputs *outputs) {
    free(outputs->losses);
    free(outputs->weights);
    free(outputs->gradient);
    free(outputs->result);
    free(outputs->range);
    free(outputs);
}

struct outputs *run_reference(const struct problem *problem) {
    struct outputs *outputs = outputs_new(problem, ENTRY_FULL);
    struct bits_output bits = {outputs->losses, outputs->weights, outputs->gradient, outputs->result};
    reference_bits(&problem->in, &bits);
    return outputs;
}

/* ----------------------------------------------------------------------------------------------------- device memory
 */

/* Bytes that a place holds, 0 where the run has none, and the alignment of its offset. */
static size_t place_bytes(enum place place, const struct problem *problem, const clmp_plan *plan,
                          const struct run *run) {
    bool losses = of_losses(problem), gradient = !losses && run->entry == ENTRY_FULL;
    switch (place) {
    case LOGITS:
        return losses ? 0 : stored_bytes(problem);
    case LABELS:
        return losses ? 0 : problem->pixels * label_size(problem->in.params.label_type);
    case LOSSES:
        return run->no_losses ? 0 : problem->pixels * sizeof(float);
    case WEIGHTS:
        return run->no_weights ? 0 : problem->pixels * sizeof(float);
    case GRADIENT:
        return gradient && !run->in_place ? stored_bytes(problem) : 0;
    case RANGE:
        return gradient && run->range ? sizeof test_range : 0;
    case RESULT:
        return record_count(problem) * sizeof(clmp_result);
    default:
        return run->internal_workspace ? 0 : clmp_plan_workspace_size(plan);
    }
}

static size_t place_alignment(enum place place, const struct problem *problem) {
    switch (place) {
    case LABELS:
        return label_size(problem->in.params.label_type);
    case LOGITS:
    case GRADIENT:
        return stored_element(problem->in.params.logits_type);
    case RESULT:
    case RANGE:
        return 8;
    case WORKSPACE:
        return 128;
    default:
        return sizeof(float);
    }
}

static bool is_input(enum place place, const struct problem *problem) {
    return of_losses(problem) ? place == LOSSES : place == LOGITS || place == LABELS;
}

/* Writes an input, or what is added to, as the device has it. */
static void place_input(enum place place, const struct problem *problem, size_t bytes, unsigned char *to) {
    if (place == RANGE)
        memcpy(to, &test_range, bytes);
    else if (place == LOGITS)
        stored_pack(problem, problem->logits, to);
    else
        memcpy(to, place == LOSSES ? problem->losses : problem->labels, bytes);
}

static clmp_buffer *place_buffer(struct device_buffers *buffers, enum place place) {
    clmp_buffers *use = &buffers->use;
    clmp_buffer *const places[PLACES] = {&use->logits,   &use->labels, &use->losses,    &use->weights,
                                         &use->gradient, &use->result, &use->workspace, &use->gradient_range};
    return places[place];
}

void buffers_make(struct device_buffers *buffers, const struct problem *problem, const clmp_plan *plan,
                  const struct run *run) {
    const struct test_device *device = test_device();
    memset(buffers, 0, sizeof *buffers);
    clmp_buffers_init(&buffers->use);
    for (enum place place = 0; place < PLACES; place++) {
        size_t bytes = place_bytes(place, problem, plan, run), offset = run->shift * place_alignment(place, problem);
        if (bytes == 0)
            continue;
        size_t whole = round_up(offset + bytes) + GUARD;
        unsigned char *image = poisoned(whole);
        if (is_input(place, problem) || place == RANGE)
            place_input(place, problem, bytes, image + offset);
        cl_int error;
        cl_mem memory = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, whole, NULL, &error);
        ck_cl(error);
        ck_cl(clEnqueueWriteBuffer(device->queue, memory, CL_TRUE, 0, whole, image, 0, NULL, NULL));
        free(image);
        buffers->memory[place] = memory;
        buffers->bytes[place] = bytes;
        *place_buffer(buffers, place) = (clmp_buffer){memory, offset};
    }
    if (run->in_place)
        buffers->use.gradient = buffers->use.logits;
    buffers->use.in_place = run->in_place;
    buffers->use.gradient_scale = problem->in.gradient_scale;
    buffers->use.step = problem->in.step;
}

static void assert_poisoned(const unsigned char *bytes, size_t from, size_t to, enum place place, const char *where) {
    static const char *const names[PLACES] = {"logits",   "labels", "losses",    "weights",
                                              "gradient", "result", "workspace", "gradient_range"};
    const uint32_t poison = TEST_POISON;
    for (size_t i = from; i < to; i++)
        if (bytes[i] != ((const unsigned char *)&poison)[i % 4])
            ck_abort_msg("byte %zu %s of the %s was written", i, where, names[place]);
}

/* Copies a place to `to`, or compares it with what it held before; and nothing around it may have changed. */
static void read_place(const struct device_buffers *buffers, const struct problem *problem, const struct run *run,
                       enum place place, void *to) {
    size_t bytes = buffers->bytes[place], offset = run->shift * place_alignment(place, problem);
    size_t whole = round_up(offset + bytes) + GUARD;
    unsigned char *image = allocate(whole);
    ck_cl(clEnqueueReadBuffer(test_device()->queue, buffers->memory[place], CL_TRUE, 0, whole, image, 0, NULL, NULL));
    assert_poisoned(image, 0, offset, place, "before the start");
    assert_poisoned(image, offset + bytes, whole, place, "after the end");
    if (place == GRADIENT || place == LOGITS)
        for (size_t i = 0; i < bytes; i++)
            if (stored_gap(problem, i))
                assert_poisoned(image, offset + i, offset + i + 1, place, "between rows");
    if (to && (place == GRADIENT || place == LOGITS)) {
        stored_unpack(problem, image + offset, to);
    } else if (to) {
        memcpy(to, image + offset, bytes);
    } else if (is_input(place, problem)) {
        unsigned char *before = poisoned(whole);
        place_input(place, problem, bytes, before + offset);
        ck_assert_msg(memcmp(image, before, whole) == 0, "an input was written: %s", describe(problem));
        free(before);
    }
    free(image);
}

struct outputs *buffers_read(const struct device_buffers *buffers, const struct problem *problem,
                             const struct run *run) {
    struct outputs *out = outputs_new(problem, run->entry);
    if (buffers->memory[RANGE])
        out->range = allocate(sizeof *out->range);
    void *const to[PLACES] = {run->in_place ? out->gradient : NULL,
                              NULL,
                              out->losses,
                              out->weights,
                              out->gradient,
                              out->result,
                              NULL,
                              out->range};
    for (enum place place = 0; place < PLACES; place++)
        if (buffers->memory[place])
            read_place(buffers, problem, run, place, to[place]);
    if (run->no_losses) {
        free(out->losses);
        out->losses = NULL;
    }
    if (run->no_weights) {
        free(out->weights);
        out->weights = NULL;
    }
    return out;
}

void buffers_release(struct device_buffers *buffers) {
    for (enum place place = 0; place < PLACES; place++)
        if (buffers->memory[place])
            ck_cl(clReleaseMemObject(buffers->memory[place]));
}

/* -------------------------------------------------------------------------------------------------------------- runs
 */

clmp_plan *plan_of(const struct problem *problem, const struct run *run) {
    clmp_plan_params params = problem->in.params;
    clmp_plan *plan = NULL;
    params.solver = run->solver;
    params.tuning = run->tuning;
    clmp_status status = clmp_plan_create(test_device()->context, &params, &plan);
    ck_assert_msg(status == CLMP_OK && plan, "clmp_plan_create: %s (log: %s), %s", clmp_status_name(status), last_log(),
                  describe(problem));
    return plan;
}

clmp_status enqueue_problem(clmp_plan *plan, cl_command_queue queue, const struct problem *problem,
                            const struct run *run, const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                            cl_event *event) {
    if (of_losses(problem))
        return clmp_enqueue_weights(plan, queue, buffers, num_wait, wait, event);
    if (run->entry == ENTRY_LOSS)
        return clmp_enqueue_loss(plan, queue, buffers, num_wait, wait, event);
    return clmp_enqueue_gradient(plan, queue, buffers, num_wait, wait, event);
}

struct outputs *run_device(const struct problem *problem, const struct run *run) {
    cl_command_queue queue = run->queue ? run->queue : test_device()->queue;
    clmp_plan *plan = plan_of(problem, run);
    struct device_buffers buffers;
    buffers_make(&buffers, problem, plan, run);
    cl_event done = NULL;
    clmp_status status = enqueue_problem(plan, queue, problem, run, &buffers.use, 0, NULL, &done);
    ck_assert_msg(status == CLMP_OK && done, "enqueue: %s (log: %s), %s", clmp_status_name(status), last_log(),
                  describe(problem));
    ck_cl(clFlush(queue));
    ck_cl(clWaitForEvents(1, &done));
    ck_cl(clReleaseEvent(done));
    struct outputs *outputs = buffers_read(&buffers, problem, run);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    return outputs;
}

/* -------------------------------------------------------------------------------------------------------------- bits
 */

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void assert_same_floats(const struct problem *problem, const char *what, const float *got, const float *want,
                               uint64_t count) {
    if (!got || !want || memcmp(got, want, count * sizeof(float)) == 0)
        return;
    for (uint64_t i = 0; i < count; i++)
        if (bits_of(got[i]) != bits_of(want[i]))
            ck_abort_msg("%s[%llu] is %a (0x%08x), not %a (0x%08x); %s", what, (unsigned long long)i, (double)got[i],
                         bits_of(got[i]), (double)want[i], bits_of(want[i]), describe(problem));
}

static void assert_same_gradient(const struct problem *problem, const float *got, const float *want) {
    const clmp_float_type type = problem->in.params.logits_type;
    if (type == CLMP_FLOAT32 || !got || !want) {
        assert_same_floats(problem, "gradient", got, want, problem->elements);
        return;
    }
    float *rounded = allocate(problem->elements * sizeof *rounded);
    for (uint64_t i = 0; i < problem->elements; i++)
        rounded[i] = stored_round(type, want[i]);
    assert_same_floats(problem, "gradient", got, rounded, problem->elements);
    free(rounded);
}

/* What a gradient wanted comes to, as it is stored. */
static void assert_same_range(const struct problem *problem, const clmp_gradient_range *got, const float *want) {
    const clmp_float_type type = problem->in.params.logits_type;
    clmp_gradient_range range = test_range;
    if (!got || !want)
        return;
    for (uint64_t i = 0; i < problem->elements; i++) {
        const float stored = stored_round(type, want[i]);
        range.overflowed += type == CLMP_FLOAT32 ? fabsf(stored) == FLT_MAX : isinf(stored) != 0;
        range.underflowed += stored == 0.0f && want[i] != 0.0f;
    }
    ck_assert_msg(memcmp(got, &range, sizeof range) == 0, "%lld overflowed and %lld underflowed, not %lld and %lld; %s",
                  (long long)(got->overflowed - test_range.overflowed),
                  (long long)(got->underflowed - test_range.underflowed),
                  (long long)(range.overflowed - test_range.overflowed),
                  (long long)(range.underflowed - test_range.underflowed), describe(problem));
}

static void assert_same_record(const struct problem *problem, size_t index, const clmp_result *got,
                               const clmp_result *want) {
    static const char format[] = "loss %a alpha %a tau %a reserved %u support %llu valid %llu ignored %llu "
                                 "invalid_labels %llu nonfinite %llu pixels %llu";
    char text[2][512];
    if (memcmp(got, want, sizeof *got) == 0)
        return;
    for (int i = 0; i < 2; i++) {
        const clmp_result *r = i ? want : got;
        snprintf(text[i], sizeof text[i], format, (double)r->loss, (double)r->alpha, (double)r->tau, r->reserved,
                 (unsigned long long)r->support, (unsigned long long)r->valid, (unsigned long long)r->ignored,
                 (unsigned long long)r->invalid_labels, (unsigned long long)r->nonfinite,
                 (unsigned long long)r->pixels);
    }
    ck_abort_msg("result[%zu] is\n  %s, not\n  %s; %s", index, text[0], text[1], describe(problem));
}

void assert_same_bits(const struct problem *problem, const struct outputs *got, const struct outputs *want) {
    assert_same_floats(problem, "losses", got->losses, want->losses, problem->pixels);
    assert_same_range(problem, got->range, want->gradient);
    for (size_t i = 0; i < got->records; i++)
        assert_same_record(problem, i, &got->result[i], &want->result[i]);
    assert_same_floats(problem, "weights", got->weights, want->weights, problem->pixels);
    assert_same_gradient(problem, got->gradient, want->gradient);
}

struct outputs *assert_solved(const struct problem *problem) {
    struct outputs *want = run_reference(problem), *got[2];
    for (int solver = 0; solver < 2; solver++) {
        struct run run = {.solver = solver ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH};
        got[solver] = run_device(problem, &run);
        assert_same_bits(problem, got[solver], want);
    }
    assert_accurate(problem, want);
    outputs_free(want);
    outputs_free(got[1]);
    return got[0];
}

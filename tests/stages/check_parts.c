/*
 * A step in parts: the bits of a step on all pixels, however these are cut.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a batch, in the order in which they are enqueued. */
struct cut {
    clmp_part *parts;
    size_t count;
};

static struct cut cut_randomly(const struct problem *problem, struct rng *rng) {
    const clmp_plan_params *params = &problem->in.params;
    const uint64_t plane = params->height * params->width, most = 1 + rng_below(rng, plane);
    struct cut cut = {malloc((size_t)problem->pixels * sizeof *cut.parts), 0};
    ck_assert(cut.parts);
    for (uint64_t image = 0; image < params->images; image++)
        for (uint64_t first = 0; first < plane; cut.count++) {
            clmp_part *part = &cut.parts[cut.count];
            clmp_part_init(part);
            part->image = image;
            part->first = first;
            part->pixels = 1 + rng_below(rng, most);
            if (part->pixels > plane - first)
                part->pixels = plane - first;
            first += part->pixels;
        }
    for (size_t i = cut.count; i > 1; i--) {
        const size_t j = (size_t)rng_below(rng, i);
        const clmp_part other = cut.parts[j];
        cut.parts[j] = cut.parts[i - 1];
        cut.parts[i - 1] = other;
    }
    return cut;
}

/* Where a part's classes lie in logits of the whole: (N, C, H W). */
static size_t whole_byte(const struct problem *problem, const clmp_part *part, uint64_t class_index) {
    const clmp_plan_params *params = &problem->in.params;
    const uint64_t plane = params->height * params->width;
    return (size_t)(((part->image * params->classes + class_index) * plane + part->first) *
                    stored_element(params->logits_type));
}

/* Buffers of each part's logits, one behind the other in one buffer. */
static cl_mem parts_of(const struct problem *problem, const unsigned char *stored, struct cut *cut) {
    const size_t element = stored_element(problem->in.params.logits_type), bytes = stored_bytes(problem);
    unsigned char *packed = malloc(bytes);
    ck_assert(packed);
    size_t at = 0;
    cl_int error;
    cl_mem memory = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, bytes, NULL, &error);
    ck_cl(error);
    for (size_t i = 0; i < cut->count; i++) {
        clmp_part *part = &cut->parts[i];
        part->logits = (clmp_buffer){memory, at};
        for (uint64_t c = 0; c < problem->in.params.classes; c++, at += (size_t)part->pixels * element)
            memcpy(packed + at, stored + whole_byte(problem, part, c), (size_t)part->pixels * element);
    }
    ck_assert_uint_eq(at, bytes);
    ck_cl(clEnqueueWriteBuffer(test_device()->queue, memory, CL_TRUE, 0, bytes, packed, 0, NULL, NULL));
    free(packed);
    return memory;
}

static void read_gradient(const struct problem *problem, cl_mem memory, const struct cut *cut, float *gradient) {
    const size_t element = stored_element(problem->in.params.logits_type), bytes = stored_bytes(problem);
    unsigned char *packed = malloc(bytes), *stored = malloc(bytes);
    ck_assert(packed && stored);
    ck_cl(clEnqueueReadBuffer(test_device()->queue, memory, CL_TRUE, 0, bytes, packed, 0, NULL, NULL));
    for (size_t i = 0; i < cut->count; i++)
        for (uint64_t c = 0; c < problem->in.params.classes; c++) {
            const clmp_part *part = &cut->parts[i];
            const size_t length = (size_t)part->pixels * element;
            memcpy(stored + whole_byte(problem, part, c), packed + part->logits.offset + c * length, length);
        }
    stored_unpack(problem, stored, gradient);
    free(packed);
    free(stored);
}

typedef clmp_status (*part_entry)(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                  const clmp_part *part, cl_uint num_wait, const cl_event *wait, cl_event *event);

/* Each command waits for the one before it: the queue may run them in any order. */
static void follow(cl_event *last, cl_event next) {
    if (*last)
        ck_cl(clReleaseEvent(*last));
    *last = next;
}

static void enqueue_parts(part_entry entry, clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                          const struct cut *cut, cl_event *last) {
    for (size_t i = 0; i < cut->count; i++) {
        cl_event next = NULL;
        ck_status(entry(plan, queue, buffers, &cut->parts[i], *last != NULL, *last ? last : NULL, &next), CLMP_OK);
        follow(last, next);
    }
}

static struct outputs *run_parts(const struct problem *problem, cl_command_queue queue, struct rng *rng) {
    const struct run run = {.shift = 1, .range = true};
    clmp_plan *plan = plan_of(problem, &run);
    struct device_buffers buffers;
    buffers_make(&buffers, problem, plan, &run);
    unsigned char *stored = calloc(1, stored_bytes(problem));
    ck_assert(stored);
    stored_pack(problem, problem->logits, stored);
    struct cut cut = cut_randomly(problem, rng);
    cl_mem memory = parts_of(problem, stored, &cut);
    cl_event last = NULL, next = NULL;
    enqueue_parts(clmp_enqueue_loss_part, plan, queue, &buffers.use, &cut, &last);
    ck_status(clmp_enqueue_threshold(plan, queue, &buffers.use, 1, &last, &next), CLMP_OK);
    follow(&last, next);
    enqueue_parts(clmp_enqueue_gradient_part, plan, queue, &buffers.use, &cut, &last);
    ck_cl(clFlush(queue));
    ck_cl(clWaitForEvents(1, &last));
    ck_cl(clReleaseEvent(last));
    struct outputs *out = outputs_new(problem, ENTRY_FULL);
    cl_command_queue own = test_device()->queue;
    ck_cl(clEnqueueReadBuffer(own, buffers.use.losses.mem, CL_TRUE, buffers.use.losses.offset,
                              (size_t)problem->pixels * sizeof(float), out->losses, 0, NULL, NULL));
    ck_cl(clEnqueueReadBuffer(own, buffers.use.weights.mem, CL_TRUE, buffers.use.weights.offset,
                              (size_t)problem->pixels * sizeof(float), out->weights, 0, NULL, NULL));
    ck_cl(clEnqueueReadBuffer(own, buffers.use.result.mem, CL_TRUE, buffers.use.result.offset,
                              out->records * sizeof *out->result, out->result, 0, NULL, NULL));
    out->range = malloc(sizeof *out->range);
    ck_assert(out->range);
    ck_cl(clEnqueueReadBuffer(own, buffers.use.gradient_range.mem, CL_TRUE, buffers.use.gradient_range.offset,
                              sizeof *out->range, out->range, 0, NULL, NULL));
    read_gradient(problem, memory, &cut, out->gradient);
    ck_cl(clReleaseMemObject(memory));
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    free(cut.parts);
    free(stored);
    return out;
}

/* A problem of every weighting, scope and type in turn, its other parameters at random. */
static struct problem *problem_at(int index, struct rng *rng) {
    const uint64_t classes = 1 + rng_below(rng, 6), width = 1 + rng_below(rng, test_small() ? 9 : 40);
    struct problem *problem =
        problem_of_logits(1 + rng_below(rng, 3), classes, 1 + rng_below(rng, 5), width, (clmp_label_type)(index % 4));
    clmp_plan_params *params = &problem->in.params;
    fill_logits(problem, rng);
    spoil(problem, rng);
    params->weighting = (clmp_weighting)(index % 5);
    params->scope = index / 5 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    params->logits_type = (clmp_float_type)(index / 10 % 3);
    params->ohem_min_kept = 1 + rng_below(rng, 20);
    problem->in.gradient_scale = rng_below(rng, 2) ? 1.0f : ldexpf(1.0f, (int)rng_below(rng, 60) - 30);
    params->loss =
        params->weighting != CLMP_WEIGHTING_OHEM && rng_below(rng, 3) == 0 ? CLMP_LOSS_FOCAL : CLMP_LOSS_CROSS_ENTROPY;
    for (uint64_t i = 0; i < problem->elements && params->logits_type != CLMP_FLOAT32; i++)
        problem->logits[i] = stored_round(params->logits_type, problem->logits[i]);
    if (rng_below(rng, 2)) {
        for (uint64_t c = 0; c < classes; c++)
            problem->class_weights[c] = c > 0 && rng_below(rng, 4) == 0 ? 0.0f : (float)(0.1 + rng_uniform(rng));
        params->class_weights = problem->class_weights;
    }
    return problem;
}

static void check_parts(int index, cl_command_queue queue) {
    struct rng rng = rng_for("parts", (uint64_t)index);
    struct problem *problem = problem_at(index, &rng);
    struct outputs *want = run_reference(problem), *got = run_parts(problem, queue, &rng);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}

START_TEST(parts_give_the_bits_of_the_whole) {
    check_parts(_i, test_device()->queue);
}
END_TEST

START_TEST(parts_follow_their_events_on_any_queue) {
    cl_command_queue queue = test_queue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    if (!queue)
        return;
    check_parts(100 + _i, queue);
    ck_cl(clReleaseCommandQueue(queue));
}
END_TEST

/* ------------------------------------------------------------------------------------------------------- what is not
 */

static void assert_logged(const char *words) {
    ck_assert_msg(strstr(last_log(), words), "the log says '%s', not '%s'", last_log(), words);
}

START_TEST(parts_that_are_none_are_refused) {
    const struct run run = {.entry = ENTRY_FULL};
    struct problem *problem = problem_of_logits(2, 3, 4, 5, CLMP_LABEL_UINT8);
    clmp_plan *plan = plan_of(problem, &run);
    struct device_buffers buffers;
    buffers_make(&buffers, problem, plan, &run);
    clmp_part good, part;
    clmp_part_init(&good);
    good.logits = buffers.use.logits;
    good.pixels = 7;
    cl_command_queue queue = test_device()->queue;
    const part_entry entries[] = {clmp_enqueue_loss_part, clmp_enqueue_gradient_part};
    for (size_t i = 0; i < 2; i++) {
        cl_event event = (cl_event)&part;
        ck_status(entries[i](plan, queue, &buffers.use, NULL, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
        ck_assert(event == NULL);
        assert_logged("part is NULL");
        part = good;
        part.image = 2;
        ck_status(entries[i](plan, queue, &buffers.use, &part, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
        assert_logged("image of part is 2, but the plan has 2 images");
        const uint64_t wrong[][2] = {{0, 0}, {20, 1}, {14, 7}, {0, 21}, {UINT64_MAX, 2}, {1, UINT64_MAX}};
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            part = good;
            part.first = wrong[j][0];
            part.pixels = wrong[j][1];
            ck_status(entries[i](plan, queue, &buffers.use, &part, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
            assert_logged("expected at least 1 within the image's 20");
        }
        part = good;
        part.struct_size = 8;
        ck_status(entries[i](plan, queue, &buffers.use, &part, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
        part = good;
        part.logits.mem = NULL;
        ck_status(entries[i](plan, queue, &buffers.use, &part, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
        assert_logged("logits is NULL");
        part.logits = buffers.use.workspace;
        ck_status(entries[i](plan, queue, &buffers.use, &part, 0, NULL, NULL), CLMP_BUFFER_OVERLAP);
        clmp_buffers without = buffers.use;
        without.workspace.mem = NULL;
        ck_status(entries[i](plan, queue, &without, &good, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
        assert_logged("workspace is NULL");
        ck_status(entries[i](NULL, queue, &buffers.use, &good, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    }
    clmp_buffers without = buffers.use;
    without.workspace.mem = NULL;
    ck_status(clmp_enqueue_threshold(plan, queue, &without, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    without = buffers.use;
    without.result.mem = NULL;
    ck_status(clmp_enqueue_threshold(plan, queue, &without, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    assert_logged("result is NULL");
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    problem_free(problem);
}
END_TEST

START_TEST(plans_that_have_no_parts_say_so) {
    static const char *const words[] = {"interpolated", "binary losses", "NHWC"};
    struct problem *problem = _i == 0   ? problem_upsampled(1, 2, 2, 3, 4, 6, CLMP_LABEL_UINT8)
                              : _i == 1 ? problem_of_binary(1, 2, 4, 6, CLMP_LABEL_UINT8)
                                        : problem_of_logits(1, 2, 4, 6, CLMP_LABEL_UINT8);
    if (_i == 2)
        problem->in.params.logits_layout = CLMP_LAYOUT_NHWC;
    const struct run run = {.entry = ENTRY_FULL};
    clmp_plan *plan = plan_of(problem, &run);
    struct device_buffers buffers;
    buffers_make(&buffers, problem, plan, &run);
    clmp_part part;
    clmp_part_init(&part);
    part.logits = buffers.use.logits;
    part.pixels = 1;
    ck_status(clmp_enqueue_loss_part(plan, test_device()->queue, &buffers.use, &part, 0, NULL, NULL),
              CLMP_INVALID_ARGUMENT);
    assert_logged(words[_i]);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    problem_free(problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parts");
    TCase *quick = add_case(suite, "quick", "full quick small");
    tcase_add_loop_test(quick, parts_give_the_bits_of_the_whole, 0, 5);
    tcase_add_loop_test(quick, parts_follow_their_events_on_any_queue, 0, 2);
    tcase_add_test(quick, parts_that_are_none_are_refused);
    tcase_add_loop_test(quick, plans_that_have_no_parts_say_so, 0, 3);
    TCase *full = add_case(suite, "full", "full device");
    tcase_add_loop_test(full, parts_give_the_bits_of_the_whole, 5, 35);
    tcase_add_loop_test(full, parts_follow_their_events_on_any_queue, 2, 8);
    return test_main(suite);
}

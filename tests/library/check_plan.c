/*
 * What is refused, with which status, before anything is enqueued; and what a plan tells of itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DANGLING ((void *)(uintptr_t)16) /* what a failed call has to overwrite with NULL */

/* ------------------------------------------------------------------------------------------- library, device, context
 */

START_TEST(version_is_that_of_the_header) {
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", CLMP_VERSION_MAJOR, CLMP_VERSION_MINOR, CLMP_VERSION_PATCH);
    ck_assert_str_eq(clmp_version(), version);
}
END_TEST

START_TEST(every_status_has_a_name_and_a_text) {
    for (int status = CLMP_OK; status <= CLMP_RANKS_FAILED; status++) {
        ck_assert(strncmp(clmp_status_name((clmp_status)status), "CLMP_", 5) == 0);
        ck_assert(strlen(clmp_status_text((clmp_status)status)) > 1);
        for (int other = CLMP_OK; other < status; other++)
            ck_assert_str_ne(clmp_status_name((clmp_status)status), clmp_status_name((clmp_status)other));
    }
    ck_assert_str_eq(clmp_status_name(CLMP_BUFFER_TOO_SMALL), "CLMP_BUFFER_TOO_SMALL");
    ck_assert_ptr_nonnull(clmp_status_name((clmp_status)999));
    ck_assert_ptr_nonnull(clmp_status_text((clmp_status)-1));
}
END_TEST

START_TEST(devices_are_counted_and_listed) {
    size_t count = 0, again = 0;
    clmp_device_info infos[16], first;
    memset(infos, 0, sizeof infos);
    ck_status(clmp_list_devices(NULL, 0, &count), CLMP_OK);
    ck_assert(count >= 1);
    ck_status(clmp_list_devices(infos, 16, &again), CLMP_OK);
    ck_assert(again == count);
    for (size_t i = 0; i < count && i < 16; i++)
        ck_assert(infos[i].device && infos[i].platform && infos[i].name[0] && infos[i].compute_units > 0);
    memset(&first, 0, sizeof first);
    ck_status(clmp_list_devices(&first, 1, &again), CLMP_OK);
    ck_assert(again == count && first.device == infos[0].device);
    ck_status(clmp_list_devices(infos, 16, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_list_devices(NULL, 16, &count), CLMP_INVALID_ARGUMENT);
}
END_TEST

START_TEST(context_is_opened_by_a_part_of_a_name_in_any_case) {
    clmp_context *context = DANGLING;
    char name[128] = {0};
    ck_cl(clGetDeviceInfo(test_device()->id, CL_DEVICE_NAME, sizeof name - 1, name, NULL));
    for (char *c = name; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    ck_status(clmp_context_open(name + 1, NULL, &context), CLMP_OK);
    clmp_context_destroy(context);
    ck_status(clmp_context_open("", NULL, &context), CLMP_OK);
    clmp_context_destroy(context);
    context = DANGLING;
    ck_status(clmp_context_open("no such device", NULL, &context), CLMP_DEVICE_NOT_FOUND);
    ck_assert_ptr_null(context);
    ck_status(clmp_context_open(NULL, NULL, NULL), CLMP_INVALID_ARGUMENT);
}
END_TEST

START_TEST(context_wraps_the_callers_objects) {
    const struct test_device *device = test_device();
    clmp_context *context = DANGLING;
    cl_uint before = 0, during = 0, after = 0;
    ck_cl(clGetContextInfo(device->cl, CL_CONTEXT_REFERENCE_COUNT, sizeof before, &before, NULL));
    ck_status(clmp_context_create(device->cl, device->id, NULL, &context), CLMP_OK);
    ck_assert(clmp_context_cl(context) == device->cl && clmp_context_device(context) == device->id);
    ck_cl(clGetContextInfo(device->cl, CL_CONTEXT_REFERENCE_COUNT, sizeof during, &during, NULL));
    ck_assert_msg(during > before, "the OpenCL context is not retained");
    clmp_context_destroy(context);
    ck_cl(clGetContextInfo(device->cl, CL_CONTEXT_REFERENCE_COUNT, sizeof after, &after, NULL));
    ck_assert(after == before);
}
END_TEST

START_TEST(context_without_its_objects_is_refused) {
    const struct test_device *device = test_device();
    clmp_context *context = DANGLING;
    ck_status(clmp_context_create(NULL, device->id, NULL, &context), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(context);
    context = DANGLING;
    ck_status(clmp_context_create(device->cl, NULL, NULL, &context), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(context);
    ck_status(clmp_context_create(device->cl, device->id, NULL, NULL), CLMP_INVALID_ARGUMENT);
}
END_TEST

START_TEST(nothing_is_destroyed_for_null) {
    clmp_context_destroy(NULL);
    clmp_plan_destroy(NULL);
    ck_assert(clmp_plan_workspace_size(NULL) == 0);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------- parameters
 */

START_TEST(defaults_are_those_documented) {
    clmp_plan_params params;
    clmp_buffers buffers;
    clmp_context_params context;
    memset(&params, 0xa5, sizeof params);
    memset(&buffers, 0xa5, sizeof buffers);
    memset(&context, 0xa5, sizeof context);
    clmp_plan_params_init(&params);
    clmp_buffers_init(&buffers);
    clmp_context_params_init(&context);
    ck_assert(params.input == CLMP_INPUT_LOGITS && params.images == 1 && params.classes == 0 && params.height == 0);
    ck_assert(params.width == 0 && params.label_type == CLMP_LABEL_UINT8 && params.ignore_index == 255);
    ck_assert(!params.class_weights && params.p == 1.7 && params.support == 0.25);
    ck_assert(params.scope == CLMP_SCOPE_BATCH && params.solver == CLMP_SOLVER_SEARCH);
    ck_assert(params.weighting == CLMP_WEIGHTING_LMP && params.topk_count == 0 && params.ohem_thresh == 0.7);
    ck_assert(params.ohem_min_kept == 100000 && params.sampling == CLMP_SAMPLING_EVEN && params.seed == 0);
    ck_assert(params.loss == CLMP_LOSS_CROSS_ENTROPY && params.label_smoothing == 0.0 && params.focal_gamma == 2.0);
    ck_assert(params.focal_alpha == -1.0 && params.logits_type == CLMP_FLOAT32 && params.logits_row_pitch == 0);
    ck_assert(params.logits_layout == CLMP_LAYOUT_NCHW);
    ck_assert(params.tuning.vector_width == 0 && params.tuning.group_size == 0 && params.tuning.chunks == 0);
    ck_assert(!buffers.logits.mem && !buffers.labels.mem && !buffers.losses.mem && !buffers.weights.mem);
    ck_assert(!buffers.gradient.mem && !buffers.result.mem && !buffers.workspace.mem);
    ck_assert(buffers.step == 0 && buffers.gradient_scale == 1.0f && !buffers.in_place && !context.log);
}
END_TEST

START_TEST(result_record_has_64_bytes) {
    ck_assert(sizeof(clmp_result) == 64 && offsetof(clmp_result, support) == 16 && offsetof(clmp_result, pixels) == 56);
}
END_TEST

static clmp_plan_params good_params(void) {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = 3;
    params.height = 5;
    params.width = 7;
    return params;
}

static void assert_refused(const clmp_plan_params *params, clmp_status status) {
    clmp_plan *plan = DANGLING;
    clear_log();
    ck_status(clmp_plan_create(test_device()->context, params, &plan), status);
    ck_assert_ptr_null(plan);
    ck_assert_msg(last_log()[0], "a refusal that the log does not explain");
}

START_TEST(norms_and_supports_outside_their_range_are_refused) {
    static const double bad_p[] = {0.0, -1.0, 0.999999999, -INFINITY, NAN};
    static const double bad_support[] = {0.0, -0.0, -0.25, 1.0000000001, INFINITY, -INFINITY, NAN};
    clmp_plan_params params = good_params();
    for (size_t i = 0; i < sizeof bad_p / sizeof *bad_p; i++) {
        params.p = bad_p[i];
        assert_refused(&params, CLMP_INVALID_ARGUMENT);
    }
    params = good_params();
    for (size_t i = 0; i < sizeof bad_support / sizeof *bad_support; i++) {
        params.support = bad_support[i];
        assert_refused(&params, CLMP_INVALID_ARGUMENT);
    }
}
END_TEST

START_TEST(empty_shapes_are_refused) {
    for (int i = 0; i < 4; i++) {
        clmp_plan_params params = good_params();
        uint64_t *const sizes[] = {&params.images, &params.classes, &params.height, &params.width};
        *sizes[i] = 0;
        assert_refused(&params, CLMP_INVALID_ARGUMENT);
    }
}
END_TEST

START_TEST(unknown_choices_are_refused) {
    clmp_plan_params params = good_params();
    params.input = (clmp_input)3;
    assert_refused(&params, CLMP_INVALID_ARGUMENT);
    params = good_params();
    params.label_type = (clmp_label_type)4;
    assert_refused(&params, CLMP_INVALID_ARGUMENT);
    params = good_params();
    params.scope = (clmp_scope)2;
    assert_refused(&params, CLMP_INVALID_ARGUMENT);
    params = good_params();
    params.solver = (clmp_solver)-1;
    assert_refused(&params, CLMP_INVALID_ARGUMENT);
}
END_TEST

START_TEST(losses_alone_need_no_parameters_of_logits) {
    static const float one = 1.0f;
    clmp_plan *plan = NULL;
    clmp_plan_params params = good_params();
    params.input = CLMP_INPUT_LOSSES;
    params.classes = UINT64_C(1) << 40; /* of which the class weights are one */
    params.class_weights = _i ? &one : DANGLING;
    params.label_smoothing = 0.1;
    params.label_type = (clmp_label_type)7;
    params.focal_gamma = NAN;
    params.logits_height = 1000;
    params.logits_type = (clmp_float_type)7;
    params.loss = (clmp_loss)(_i ? (int)CLMP_LOSS_FOCAL : 7);
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    clmp_plan_destroy(plan);
    params.loss = CLMP_LOSS_CROSS_ENTROPY;
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    clmp_plan_destroy(plan);
}
END_TEST

START_TEST(labels_alone_need_no_other_parameters) {
    clmp_plan *plan = NULL;
    clmp_plan_params params = good_params();
    params.input = CLMP_INPUT_LABELS;
    params.p = NAN;
    params.support = -1.0;
    params.scope = (clmp_scope)7;
    params.solver = (clmp_solver)7;
    params.weighting = (clmp_weighting)(_i ? (int)CLMP_WEIGHTING_BALANCED : 7);
    params.sampling = CLMP_SAMPLING_OVER;
    params.loss = (clmp_loss)7;
    params.logits_type = (clmp_float_type)7;
    params.logits_height = 1000;
    params.height = params.width = 1 << 15;
    params.classes = 1000;
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    clmp_plan_destroy(plan);
}
END_TEST

START_TEST(tuning_outside_its_range_is_refused) {
    static const clmp_tuning bad[] = {
        {.vector_width = 3},
        {.vector_width = 32},
        {.vector_width = UINT32_MAX},
        {.group_size = 3},
        {.group_size = 100},
        {.group_size = 1u << 30},
        {.group_size = UINT32_MAX},
        {.bin_group = 5},
        {.bin_group = 1u << 30},
        {.chunks = 65537},
        {.chunks = UINT32_MAX},
        {.bin_sets = 65537},
        {.bin_memory = 3},
        {.run = 3},
        {.sums = 3},
        {.reserved = {1}},
        {.reserved = {[6] = 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clmp_plan_params params = good_params();
        params.tuning = bad[i];
        assert_refused(&params, CLMP_INVALID_ARGUMENT);
    }
    clmp_plan_params params = good_params();
    for (params.tuning.group_size = 1; params.tuning.group_size <= test_device()->max_group;)
        params.tuning.group_size *= 2; /* one power of two more than the device allows */
    assert_refused(&params, CLMP_INVALID_ARGUMENT);
    params.tuning = (clmp_tuning){.bin_group = params.tuning.group_size};
    assert_refused(&params, CLMP_INVALID_ARGUMENT);
}
END_TEST

START_TEST(class_weights_that_are_negative_or_not_finite_are_refused) {
    static const float bad[] = {-1.0f, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int place = 0; place < 3; place++) {
            float weights[3] = {1.0f, 0.0f, 2.0f};
            clmp_plan_params params = good_params();
            weights[place] = bad[i];
            params.class_weights = weights;
            assert_refused(&params, CLMP_INVALID_ARGUMENT);
        }
}
END_TEST

START_TEST(sizes_that_overflow_are_refused) {
    static const uint64_t shapes[][3] = {
        {1, UINT64_MAX, 1},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX},
        {1, (uint64_t)1 << 32, (uint64_t)1 << 32}, /* 2^64: 0 pixels, when 64 bits wrap */
        {(uint64_t)1 << 63, 2, 1},
        {((uint64_t)1 << 63) + 1, 2, 3},
        {4, (uint64_t)1 << 62, 4},
        {1, ((uint64_t)1 << 36) + 1, 1},
        {2, (uint64_t)1 << 18, (uint64_t)1 << 18},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int input = 0; input < 2; input++) {
            clmp_plan_params params = good_params();
            params.input = (clmp_input)input;
            params.images = shapes[i][0];
            params.height = shapes[i][1];
            params.width = shapes[i][2];
            assert_refused(&params, CLMP_SIZE_OVERFLOW);
        }
}
END_TEST

START_TEST(too_many_classes_are_refused) {
    static const uint64_t bad[] = {((uint64_t)1 << 20) + 1, (uint64_t)1 << 32, ((uint64_t)1 << 32) + 3, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        clmp_plan_params params = good_params();
        clmp_plan *plan = DANGLING;
        params.classes = bad[i];
        clmp_status status = clmp_plan_create(test_device()->context, &params, &plan);
        ck_assert_msg(status == CLMP_INVALID_ARGUMENT || status == CLMP_SIZE_OVERFLOW, "C = %llu: %s",
                      (unsigned long long)bad[i], clmp_status_name(status));
        ck_assert_ptr_null(plan);
    }
}
END_TEST

START_TEST(plan_without_its_objects_is_refused) {
    clmp_plan_params params = good_params();
    clmp_plan *plan = DANGLING;
    ck_status(clmp_plan_create(NULL, &params, &plan), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(plan);
    assert_refused(NULL, CLMP_INVALID_ARGUMENT);
    ck_status(clmp_plan_create(test_device()->context, &params, NULL), CLMP_INVALID_ARGUMENT);
}
END_TEST

START_TEST(plan_tells_its_tuning_and_results) {
    clmp_plan_params params = good_params();
    clmp_plan *plan = NULL;
    params.images = 5;
    params.tuning = (clmp_tuning){.vector_width = 2, .group_size = 8, .bin_group = 2, .chunks = 3};
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    clmp_tuning tuning = clmp_plan_tuning(plan);
    ck_assert(tuning.vector_width == 2 && tuning.group_size == 8 && tuning.bin_group == 2 && tuning.chunks == 3);
    ck_assert(clmp_plan_result_count(plan) == 1 && clmp_plan_workspace_size(plan) > 0);
    clmp_plan_destroy(plan);
    params.tuning = (clmp_tuning){.chunks = 0};
    params.scope = CLMP_SCOPE_IMAGE;
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    tuning = clmp_plan_tuning(plan);
    ck_assert(tuning.vector_width >= 1 && tuning.vector_width <= 16 && tuning.group_size >= 1 && tuning.chunks >= 1 &&
              tuning.bin_group >= 1);
    ck_assert(clmp_plan_result_count(plan) == 6);
    clmp_plan_destroy(plan);
}
END_TEST

/* The class weights are copied: what the caller does to them afterwards is nothing to the plan. */
START_TEST(class_weights_are_copied) {
    struct problem *problem = problem_of_logits(1, 3, 5, 7, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("copied", 0);
    struct device_buffers buffers;
    struct run run = {0};
    fill_logits(problem, &rng);
    problem->class_weights[1] = 2.5f;
    problem->in.params.class_weights = problem->class_weights;
    struct outputs *want = run_reference(problem);
    clmp_plan *plan = plan_of(problem, &run);
    problem->class_weights[1] = NAN;
    buffers_make(&buffers, problem, plan, &run);
    ck_status(enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, NULL), CLMP_OK);
    ck_cl(clFinish(test_device()->queue));
    struct outputs *got = buffers_read(&buffers, problem, &run);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    problem_free(problem);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------------- enqueues
 */

/* One problem with everything in place; a test spoils one thing and expects a status. */
struct bench {
    struct problem *problem;
    struct run run;
    clmp_plan *plan;
    struct device_buffers buffers;
};

static struct bench bench_of(clmp_input input, clmp_scope scope) {
    struct bench b = {0};
    struct rng rng = rng_for("bench", (uint64_t)input);
    b.run.shift = 1;
    b.run.range = true;
    if (input == CLMP_INPUT_LOSSES) {
        b.problem = problem_of_losses(2, 5, 7);
        fill_losses(b.problem, LOSSES_LOG_NORMAL, &rng);
    } else {
        b.problem = problem_of_logits(2, 3, 5, 7, CLMP_LABEL_INT32);
        fill_logits(b.problem, &rng);
    }
    b.problem->in.params.scope = scope;
    b.plan = plan_of(b.problem, &b.run);
    buffers_make(&b.buffers, b.problem, b.plan, &b.run);
    return b;
}

static struct bench bench_new(clmp_input input) {
    return bench_of(input, CLMP_SCOPE_BATCH);
}

static clmp_status enqueue(const struct bench *b, const clmp_buffers *buffers, cl_event *event) {
    return enqueue_problem(b->plan, test_device()->queue, b->problem, &b->run, buffers, 0, NULL, event);
}

/* The status, a NULL event and a word in the log. */
static void assert_not_enqueued(const struct bench *b, const clmp_buffers *buffers, clmp_status status) {
    cl_event event = DANGLING;
    clear_log();
    ck_status(enqueue(b, buffers, &event), status);
    ck_assert_ptr_null(event);
    ck_assert_msg(last_log()[0], "a refusal that the log does not explain");
}

static void bench_release(struct bench *b) {
    buffers_release(&b->buffers);
    clmp_plan_destroy(b->plan);
    problem_free(b->problem);
}

/* After all the refusals nothing has been written; then a good enqueue still works. */
static void bench_free(struct bench *b) {
    struct outputs *untouched = outputs_new(b->problem, b->run.entry), *want = run_reference(b->problem);
    ck_cl(clFinish(test_device()->queue));
    struct outputs *got = buffers_read(&b->buffers, b->problem, &b->run);
    assert_same_bits(b->problem, got, untouched);
    outputs_free(got);
    ck_status(enqueue(b, &b->buffers.use, NULL), CLMP_OK);
    ck_cl(clFinish(test_device()->queue));
    got = buffers_read(&b->buffers, b->problem, &b->run);
    assert_same_bits(b->problem, got, want);
    outputs_free(got);
    outputs_free(want);
    outputs_free(untouched);
    bench_release(b);
}

#define PLACES 8

static clmp_buffer *place(clmp_buffers *buffers, int index) {
    clmp_buffer *const places[PLACES] = {&buffers->logits,    &buffers->labels,        &buffers->losses,
                                         &buffers->weights,   &buffers->gradient,      &buffers->result,
                                         &buffers->workspace, &buffers->gradient_range};
    return places[index];
}

static const int alignments[PLACES] = {4, 4, 4, 4, 4, 8, 128, 8};

START_TEST(buffers_that_must_be_there_are_missed) {
    struct bench b = bench_new((clmp_input)_i);
    static const int needed[2][4] = {{0, 1, 4, 5}, {2, 5, -1, -1}};
    for (int k = 0; k < 4 && needed[_i][k] >= 0; k++) {
        clmp_buffers buffers = b.buffers.use;
        place(&buffers, needed[_i][k])->mem = NULL;
        assert_not_enqueued(&b, &buffers, CLMP_INVALID_ARGUMENT);
    }
    bench_free(&b);
}
END_TEST

START_TEST(buffers_one_byte_too_small_are_refused) {
    struct bench b = bench_new((clmp_input)_i);
    for (int k = 0; k < PLACES; k++) {
        clmp_buffers buffers = b.buffers.use;
        clmp_buffer *spoilt = place(&buffers, k);
        if (!spoilt->mem)
            continue;
        cl_int error;
        size_t short_of_one = spoilt->offset + b.buffers.bytes[k] - 1;
        cl_mem small = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, short_of_one, NULL, &error);
        ck_cl(error);
        spoilt->mem = small;
        assert_not_enqueued(&b, &buffers, CLMP_BUFFER_TOO_SMALL);
        ck_cl(clReleaseMemObject(small));
    }
    bench_free(&b);
}
END_TEST

START_TEST(offsets_beyond_the_end_are_refused) {
    struct bench b = bench_new((clmp_input)_i);
    for (int k = 0; k < PLACES; k++) {
        size_t align = (size_t)alignments[k];
        const size_t offsets[] = {(size_t)1 << 20, ((size_t)1 << 32) + align, SIZE_MAX / align * align,
                                  SIZE_MAX - align + 1};
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            clmp_buffers buffers = b.buffers.use;
            if (!place(&buffers, k)->mem)
                continue;
            place(&buffers, k)->offset = offsets[i];
            assert_not_enqueued(&b, &buffers, CLMP_BUFFER_TOO_SMALL);
        }
    }
    bench_free(&b);
}
END_TEST

START_TEST(misaligned_offsets_are_refused) {
    struct bench b = bench_new((clmp_input)_i);
    for (int k = 0; k < PLACES; k++)
        for (int off = 1; off < alignments[k]; off = off * 2 + (off == 1 && k < 5)) {
            clmp_buffers buffers = b.buffers.use;
            if (!place(&buffers, k)->mem)
                break;
            place(&buffers, k)->offset += (size_t)off;
            assert_not_enqueued(&b, &buffers, CLMP_INVALID_ARGUMENT);
        }
    bench_free(&b);
}
END_TEST

/* Every output over every other place, once at the same offset and once by its last bytes. */
START_TEST(outputs_that_overlap_are_refused) {
    struct bench b = bench_new((clmp_input)_i);
    cl_int error;
    cl_mem large = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, (size_t)1 << 22, NULL, &error);
    ck_cl(error);
    for (int output = 2; output < PLACES; output++)
        for (int other = 0; other < PLACES; other++)
            for (int by_the_end = 0; by_the_end < 2; by_the_end++) {
                clmp_buffers buffers = b.buffers.use;
                clmp_buffer *x = place(&buffers, output), *y = place(&buffers, other);
                bool input = output == 2 && b.problem->in.params.input == CLMP_INPUT_LOSSES;
                if (!x->mem || !y->mem || output == other || (input && other < 2))
                    continue;
                size_t at = 1 << 20; /* a workspace may be large: y begins in the last bytes of x */
                size_t end = at + b.buffers.bytes[output];
                *x = (clmp_buffer){large, at};
                *y = (clmp_buffer){large, by_the_end ? (end - 1) / 128 * 128 : at};
                assert_not_enqueued(&b, &buffers, CLMP_BUFFER_OVERLAP);
            }
    ck_cl(clReleaseMemObject(large));
    bench_free(&b);
}
END_TEST

START_TEST(overlap_is_seen_through_sub_buffers) {
    struct bench b = bench_new(CLMP_INPUT_LOSSES);
    clmp_buffers buffers = b.buffers.use;
    cl_int error;
    cl_buffer_region region = {4096, 65536};
    cl_mem whole = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, 1 << 18, NULL, &error);
    ck_cl(error);
    cl_mem part = clCreateSubBuffer(whole, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
    ck_cl(error);
    buffers.losses = (clmp_buffer){whole, 4096 + 64};
    buffers.weights = (clmp_buffer){part, 0};
    assert_not_enqueued(&b, &buffers, CLMP_BUFFER_OVERLAP);
    buffers.losses = (clmp_buffer){whole, 0}; /* side by side is no overlap */
    clmp_status status = enqueue(&b, &buffers, NULL);
    ck_assert_msg(status == CLMP_OK, "%s (%s)", clmp_status_name(status), last_log());
    ck_cl(clFinish(test_device()->queue));
    ck_cl(clReleaseMemObject(part));
    ck_cl(clReleaseMemObject(whole));
    clmp_plan_destroy(b.plan);
    buffers_release(&b.buffers);
    problem_free(b.problem);
}
END_TEST

START_TEST(in_place_is_the_same_place_and_has_to_be_asked_for) {
    struct bench b = bench_new(CLMP_INPUT_LOGITS);
    clmp_buffers buffers = b.buffers.use;
    buffers.gradient = buffers.logits;
    assert_not_enqueued(&b, &buffers, CLMP_BUFFER_OVERLAP);
    for (int k = 0; k < 2; k++) { /* asked for, but beside it, or elsewhere */
        cl_event event = DANGLING;
        buffers = b.buffers.use;
        buffers.in_place = true;
        if (k == 0)
            buffers.gradient = (clmp_buffer){buffers.logits.mem, 0};
        clmp_status status = enqueue(&b, &buffers, &event);
        ck_assert_msg(status == CLMP_INVALID_ARGUMENT || status == CLMP_BUFFER_OVERLAP, "%s", clmp_status_name(status));
        ck_assert_ptr_null(event);
    }
    bench_free(&b);
}
END_TEST

START_TEST(entries_refuse_plans_of_the_other_input) {
    struct bench logits = bench_new(CLMP_INPUT_LOGITS), losses = bench_new(CLMP_INPUT_LOSSES);
    cl_command_queue queue = test_device()->queue;
    cl_event event = DANGLING;
    ck_status(clmp_enqueue_weights(logits.plan, queue, &logits.buffers.use, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    event = DANGLING;
    ck_status(clmp_enqueue_loss(losses.plan, queue, &losses.buffers.use, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    event = DANGLING;
    ck_status(clmp_enqueue_gradient(losses.plan, queue, &losses.buffers.use, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    bench_free(&logits);
    bench_free(&losses);
}
END_TEST

START_TEST(null_plan_queue_or_buffers_are_refused) {
    struct bench b = bench_new((clmp_input)_i);
    cl_command_queue queue = test_device()->queue;
    cl_event event = DANGLING;
    ck_status(enqueue_problem(NULL, queue, b.problem, &b.run, &b.buffers.use, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    event = DANGLING;
    ck_status(enqueue_problem(b.plan, NULL, b.problem, &b.run, &b.buffers.use, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    event = DANGLING;
    ck_status(enqueue_problem(b.plan, queue, b.problem, &b.run, NULL, 0, NULL, &event), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    event = DANGLING;
    ck_status(enqueue_problem(b.plan, queue, b.problem, &b.run, &b.buffers.use, 2, NULL, &event),
              CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    bench_free(&b);
}
END_TEST

START_TEST(queue_of_another_context_is_refused) {
    struct bench b = bench_new((clmp_input)_i);
    cl_int error;
    cl_event event = DANGLING;
    cl_device_id id = test_device()->id;
    cl_context other = clCreateContext(NULL, 1, &id, NULL, NULL, &error);
    ck_cl(error);
    cl_command_queue queue = clCreateCommandQueue(other, id, 0, &error);
    ck_cl(error);
    ck_status(enqueue_problem(b.plan, queue, b.problem, &b.run, &b.buffers.use, 0, NULL, &event),
              CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    ck_cl(clReleaseCommandQueue(queue));
    ck_cl(clReleaseContext(other));
    bench_free(&b);
}
END_TEST

/* What kernels add to, or read again, is to be for both; what they only write may be for writing alone. */
START_TEST(memory_for_writing_alone_is_taken_where_nothing_is_read) {
    enum { ENOUGH = 1 << 16 };
    const bool by_image = _i % 2 == 1;
    struct bench b = bench_of((clmp_input)(_i / 2), by_image ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH);
    const bool reads[PLACES] = {true, true, b.problem->in.params.input == CLMP_INPUT_LOSSES, false, false, by_image,
                                true, true};
    cl_int error;
    cl_mem memory = clCreateBuffer(test_device()->cl, CL_MEM_WRITE_ONLY, ENOUGH, NULL, &error);
    ck_cl(error);
    for (int k = 0; k < PLACES; k++) {
        clmp_buffers buffers = b.buffers.use;
        if (!place(&buffers, k)->mem)
            continue;
        *place(&buffers, k) = (clmp_buffer){memory, 0};
        if (reads[k]) {
            assert_not_enqueued(&b, &buffers, CLMP_INVALID_ARGUMENT);
            ck_assert_ptr_nonnull(strstr(last_log(), "to write only, but is read"));
        } else {
            ck_status(enqueue(&b, &buffers, NULL), CLMP_OK);
        }
    }
    ck_cl(clFinish(test_device()->queue));
    ck_cl(clReleaseMemObject(memory));
    bench_release(&b);
}
END_TEST

/* Result and weights are written, the losses or the logits are read. */
START_TEST(memory_of_another_kind_context_or_access_is_refused) {
    enum { ENOUGH = 1 << 16 };
    struct bench b = bench_new((clmp_input)_i);
    const int input = b.problem->in.params.input == CLMP_INPUT_LOSSES ? 2 : 0, outputs[] = {3, 5};
    const cl_image_format format = {CL_RGBA, CL_FLOAT};
    const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 64, .image_height = 64};
    cl_device_id id = test_device()->id;
    cl_int error;
    cl_context other = clCreateContext(NULL, 1, &id, NULL, NULL, &error);
    ck_cl(error);
    cl_mem bad[4] = {clCreateBuffer(other, CL_MEM_READ_WRITE, ENOUGH, NULL, &error)};
    ck_cl(error);
    bad[1] = clCreateBuffer(test_device()->cl, CL_MEM_READ_ONLY, ENOUGH, NULL, &error);
    ck_cl(error);
    bad[2] = clCreateBuffer(test_device()->cl, CL_MEM_WRITE_ONLY, ENOUGH, NULL, &error);
    ck_cl(error);
    bad[3] = clCreateImage(test_device()->cl, CL_MEM_READ_WRITE, &format, &desc, NULL, &error);
    if (error != CL_SUCCESS)
        bad[3] = NULL; /* a device without images */
    for (int k = 0; k < 4; k++) {
        for (int j = 0; bad[k] && k != 2 && j < 2; j++) {
            clmp_buffers buffers = b.buffers.use;
            *place(&buffers, outputs[j]) = (clmp_buffer){bad[k], 0};
            assert_not_enqueued(&b, &buffers, CLMP_INVALID_ARGUMENT);
        }
        clmp_buffers buffers = b.buffers.use;
        *place(&buffers, input) = (clmp_buffer){bad[k], 0};
        if (bad[k] && k != 1)
            assert_not_enqueued(&b, &buffers, CLMP_INVALID_ARGUMENT);
    }
    for (int k = 0; k < 4; k++)
        if (bad[k])
            ck_cl(clReleaseMemObject(bad[k]));
    ck_cl(clReleaseContext(other));
    bench_free(&b);
}
END_TEST

START_TEST(wait_lists_that_are_not_whole_are_refused) {
    struct bench b = bench_new((clmp_input)_i);
    cl_command_queue queue = test_device()->queue;
    cl_int error;
    cl_event gate = clCreateUserEvent(test_device()->cl, &error);
    ck_cl(error);
    const cl_event lists[][2] = {{NULL, NULL}, {gate, NULL}, {NULL, gate}};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        cl_event event = DANGLING;
        ck_status(enqueue_problem(b.plan, queue, b.problem, &b.run, &b.buffers.use, 2, lists[k], &event),
                  CLMP_INVALID_ARGUMENT);
        ck_assert_ptr_null(event);
    }
    cl_event event = DANGLING;
    ck_status(enqueue_problem(b.plan, queue, b.problem, &b.run, &b.buffers.use, 0, &gate, &event),
              CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(event);
    ck_cl(clSetUserEventStatus(gate, CL_COMPLETE)); /* NVIDIA's driver may wait for it when the context goes */
    ck_cl(clReleaseEvent(gate));
    bench_free(&b);
}
END_TEST

/* OpenCL objects do not survive a fork: a child that tries is told so, and does not hang. */
START_TEST(a_child_of_a_fork_is_refused) {
    struct bench b = bench_new((clmp_input)_i);
    const pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        clmp_plan *plan = DANGLING;
        cl_event event = DANGLING;
        alarm(60);
        const bool refused =
            clmp_plan_create(test_device()->context, &b.problem->in.params, &plan) == CLMP_INVALID_ARGUMENT && !plan &&
            enqueue(&b, &b.buffers.use, &event) == CLMP_INVALID_ARGUMENT && !event && strstr(last_log(), "fork");
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status %d", status);
    bench_free(&b);
}
END_TEST

START_TEST(gradient_scale_must_be_finite_where_there_is_a_gradient) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct bench b = bench_new(CLMP_INPUT_LOGITS);
    clmp_buffers buffers = b.buffers.use;
    for (int i = 0; i < 3; i++) {
        buffers.gradient_scale = bad[i];
        assert_not_enqueued(&b, &buffers, CLMP_INVALID_ARGUMENT);
    }
    bench_free(&b);
}
END_TEST

/* "Those that it does not use are not looked at." */
START_TEST(what_an_entry_does_not_use_may_be_anything) {
    struct bench b = bench_new(CLMP_INPUT_LOSSES);
    clmp_buffers buffers = b.buffers.use;
    cl_event event = NULL;
    buffers.logits = buffers.labels = buffers.gradient = (clmp_buffer){buffers.weights.mem, 3};
    buffers.gradient_scale = NAN;
    buffers.in_place = true;
    ck_status(enqueue(&b, &buffers, &event), CLMP_OK);
    ck_cl(clWaitForEvents(1, &event));
    ck_cl(clReleaseEvent(event));
    struct outputs *got = buffers_read(&b.buffers, b.problem, &b.run), *want = run_reference(b.problem);
    assert_same_bits(b.problem, got, want);
    outputs_free(got);
    outputs_free(want);
    clmp_plan_destroy(b.plan);
    buffers_release(&b.buffers);
    problem_free(b.problem);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan");
    TCase *tcase = add_case(suite, "library", "full quick small");
    tcase_add_test(tcase, version_is_that_of_the_header);
    tcase_add_test(tcase, every_status_has_a_name_and_a_text);
    tcase_add_test(tcase, devices_are_counted_and_listed);
    tcase_add_test(tcase, context_is_opened_by_a_part_of_a_name_in_any_case);
    tcase_add_test(tcase, context_wraps_the_callers_objects);
    tcase_add_test(tcase, context_without_its_objects_is_refused);
    tcase_add_test(tcase, nothing_is_destroyed_for_null);
    tcase = add_case(suite, "parameters", "full quick small");
    tcase_add_test(tcase, defaults_are_those_documented);
    tcase_add_test(tcase, result_record_has_64_bytes);
    tcase_add_test(tcase, norms_and_supports_outside_their_range_are_refused);
    tcase_add_test(tcase, empty_shapes_are_refused);
    tcase_add_test(tcase, unknown_choices_are_refused);
    tcase_add_loop_test(tcase, losses_alone_need_no_parameters_of_logits, 0, 2);
    tcase_add_loop_test(tcase, labels_alone_need_no_other_parameters, 0, 2);
    tcase_add_test(tcase, tuning_outside_its_range_is_refused);
    tcase_add_test(tcase, class_weights_that_are_negative_or_not_finite_are_refused);
    tcase_add_test(tcase, sizes_that_overflow_are_refused);
    tcase_add_test(tcase, too_many_classes_are_refused);
    tcase_add_test(tcase, plan_without_its_objects_is_refused);
    tcase_add_test(tcase, plan_tells_its_tuning_and_results);
    tcase_add_test(tcase, class_weights_are_copied);
    tcase = add_case(suite, "enqueues", "full quick small");
    tcase_add_loop_test(tcase, buffers_that_must_be_there_are_missed, 0, 2);
    tcase_add_loop_test(tcase, buffers_one_byte_too_small_are_refused, 0, 2);
    tcase_add_loop_test(tcase, offsets_beyond_the_end_are_refused, 0, 2);
    tcase_add_loop_test(tcase, misaligned_offsets_are_refused, 0, 2);
    tcase_add_loop_test(tcase, outputs_that_overlap_are_refused, 0, 2);
    tcase_add_test(tcase, overlap_is_seen_through_sub_buffers);
    tcase_add_test(tcase, in_place_is_the_same_place_and_has_to_be_asked_for);
    tcase_add_test(tcase, entries_refuse_plans_of_the_other_input);
    tcase_add_loop_test(tcase, null_plan_queue_or_buffers_are_refused, 0, 2);
    tcase_add_loop_test(tcase, queue_of_another_context_is_refused, 0, 2);
    tcase_add_loop_test(tcase, memory_of_another_kind_context_or_access_is_refused, 0, 2);
    tcase_add_loop_test(tcase, wait_lists_that_are_not_whole_are_refused, 0, 2);
    tcase_add_loop_test(tcase, a_child_of_a_fork_is_refused, 0, 2);
    tcase_add_test(tcase, gradient_scale_must_be_finite_where_there_is_a_gradient);
    tcase_add_test(tcase, what_an_entry_does_not_use_may_be_anything);
    tcase = add_case(suite, "access", "full quick"); /* a check of the host: on one device is enough */
    tcase_add_loop_test(tcase, memory_for_writing_alone_is_taken_where_nothing_is_read, 0, 4);
    return test_main(suite);
}

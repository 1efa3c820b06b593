/*
 * Above 2^24 pixels, where a float no longer counts, and above 2^31 elements, where an int no longer does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY (((uint64_t)1 << 24) + 3)

/* ------------------------------------------------------------------------------------------------------- many pixels
 */

static const clmp_solver solvers[] = {CLMP_SOLVER_SEARCH, CLMP_SOLVER_SORT};

START_TEST(more_pixels_than_a_float_counts_are_counted) {
    struct problem *problem = problem_of_losses(1, 1, MANY);
    for (uint64_t i = 0; i < MANY; i++)
        problem->losses[i] = 0.7f;
    problem->losses[5] = NAN;
    problem->losses[MANY - 1] = 0.0f;
    struct run run = {.solver = solvers[_i % 2]};
    problem->in.params.p = _i / 2 ? 1.0 : INFINITY;
    problem->in.params.support = 1.0;
    struct outputs *got = run_device(problem, &run), *want = run_reference(problem);
    ck_assert(got->result->valid == MANY - 1 && got->result->nonfinite == 1 && got->result->pixels == MANY);
    ck_assert(got->result->support == (_i / 2 ? MANY - 2 : MANY - 1));
    assert_same_bits(problem, got, want);
    assert_accurate(problem, got);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(many_losses_are_accurate) {
    struct problem *problem = problem_of_losses(1, 1, MANY);
    struct rng rng = rng_for("large", 0);
    fill_losses(problem, LOSSES_ZEROS, &rng);
    struct outputs *want = run_reference(problem);
    assert_accurate(problem, want);
    for (int solver = 0; solver < 2; solver++) {
        struct outputs *got = run_device(problem, &(struct run){.solver = solvers[solver]});
        assert_same_bits(problem, got, want);
        outputs_free(got);
    }
    outputs_free(want);
    problem_free(problem);
}
END_TEST

START_TEST(many_pixels_of_logits_have_the_reference_bits) {
    struct problem *problem = problem_of_logits(1, 2, 1, MANY, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("large logits", 0);
    for (uint64_t i = 0; i < problem->elements; i++) /* cheaper than normal numbers, and as good here */
        problem->logits[i] = (float)(8.0 * rng_uniform(&rng));
    for (uint64_t i = 0; i < problem->pixels; i++)
        set_label(problem, i, i % 5 == 0 ? 255 : i % 2);
    struct outputs *want = run_reference(problem), *got = run_device(problem, &(struct run){0});
    assert_same_bits(problem, got, want);
    ck_assert(got->result->ignored == (MANY + 4) / 5 && got->result->valid == MANY - (MANY + 4) / 5);
    outputs_free(got);
    outputs_free(want);
    problem_free(problem);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------ large indices
 */

/* Sizes in bytes that are small or 0 when cut to 32 bits: buffers of a few bytes must not do for them. */
static const uint64_t large_shapes[][4] = {
    {1, 4, 1 << 16, 1 << 16},        /* 2^36 bytes of logits */
    {1, 1, 1 << 15, (1 << 16) + 1},  /* just above 2^31 pixels */
    {1 << 12, 19, 1 << 12, 1 << 12}, /* 2^36 pixels in many images */
    {(uint64_t)1 << 36, 1, 1, 1},    /* of one pixel each */
    {1, 1, (uint64_t)1 << 36, 1},    /* one column */
    {1, 1 << 20, 1 << 18, 1 << 18},  /* 2^58 bytes, the largest that there may be */
    {1 << 10, 1024, 1024, 4097},     /* classes times pixels above 2^42 */
};
enum { LARGE_SHAPES = sizeof large_shapes / sizeof *large_shapes };

static clmp_plan_params params_of_shape(const uint64_t shape[4], clmp_input input) {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.input = input;
    params.images = shape[0];
    params.classes = shape[1];
    params.height = shape[2];
    params.width = shape[3];
    return params;
}

START_TEST(plans_of_large_shapes_are_made_and_small_buffers_refused) {
    clmp_plan_params params = params_of_shape(large_shapes[_i / 2], (clmp_input)(_i % 2));
    uint64_t pixels = params.images * params.height * params.width;
    clmp_plan *plan = NULL;
    cl_int error;
    cl_mem small[3];
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    params.solver = CLMP_SOLVER_SORT; /* a key for every pixel */
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    ck_assert_msg(clmp_plan_workspace_size(plan) >= 4 * pixels, "workspace of %zu bytes for %llu pixels",
                  clmp_plan_workspace_size(plan), (unsigned long long)pixels);
    for (int i = 0; i < 3; i++) {
        small[i] = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, 1 << 16, NULL, &error);
        ck_cl(error);
    }
    buffers.result.mem = small[2];
    if (params.input == CLMP_INPUT_LOGITS) {
        buffers.logits.mem = small[0];
        buffers.labels.mem = small[1];
        ck_status(clmp_enqueue_loss(plan, test_device()->queue, &buffers, 0, NULL, NULL), CLMP_BUFFER_TOO_SMALL);
    } else {
        buffers.losses.mem = small[0];
        ck_status(clmp_enqueue_weights(plan, test_device()->queue, &buffers, 0, NULL, NULL), CLMP_BUFFER_TOO_SMALL);
    }
    for (int i = 0; i < 3; i++)
        ck_cl(clReleaseMemObject(small[i]));
    clmp_plan_destroy(plan);
}
END_TEST

START_TEST(a_record_for_every_image_is_counted_in_64_bits) {
    static const uint64_t shape[4] = {(uint64_t)1 << 33, 1, 1, 1};
    clmp_plan_params params = params_of_shape(shape, CLMP_INPUT_LOSSES);
    clmp_plan *plan = NULL;
    params.scope = CLMP_SCOPE_IMAGE;
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_OK);
    ck_assert(clmp_plan_result_count(plan) == ((uint64_t)1 << 33) + 1);
    ck_assert(clmp_plan_workspace_size(plan) > (uint64_t)1 << 33);
    clmp_plan_destroy(plan);
}
END_TEST

START_TEST(a_workspace_that_overflows_is_refused) {
    static const uint64_t shape[4] = {(uint64_t)1 << 36, 1, 1, 1};
    clmp_plan_params params = params_of_shape(shape, CLMP_INPUT_LOSSES);
    clmp_plan *plan = (void *)(uintptr_t)16;
    params.scope = CLMP_SCOPE_IMAGE;
    params.tuning.chunks = 65536; /* bins of each chunk of each image: some 2^67 bytes */
    clmp_status status = clmp_plan_create(test_device()->context, &params, &plan);
    if (status == CLMP_OK) { /* a pool of one pixel may need fewer chunks than it was given */
        ck_assert(clmp_plan_workspace_size(plan) > (uint64_t)1 << 36);
        clmp_plan_destroy(plan);
        return;
    }
    ck_assert_msg(status == CLMP_SIZE_OVERFLOW, "%s", clmp_status_name(status));
    ck_assert_ptr_null(plan);
}
END_TEST

/* Memory that nobody touches costs little where buffers are allocated on touch. */
START_TEST(offsets_above_4_gib_are_reached) {
    const size_t far = ((size_t)1 << 32) + 128, room = (size_t)1 << 20;
    if (test_device()->max_alloc < far + room)
        return;
    cl_int error;
    cl_mem large = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, far + room, NULL, &error);
    if (error != CL_SUCCESS)
        return;
    struct problem *problem = problem_of_losses(1, 1, 5000);
    struct rng rng = rng_for("far", 0);
    struct device_buffers buffers;
    struct run run = {0};
    size_t bytes = problem->pixels * sizeof(float);
    fill_losses(problem, LOSSES_UNCLEAN, &rng);
    clmp_plan *plan = plan_of(problem, &run);
    cl_command_queue queue = test_device()->queue;
    buffers_make(&buffers, problem, plan, &run);
    clmp_buffer near_losses = buffers.use.losses, near_weights = buffers.use.weights;
    buffers.use.losses = (clmp_buffer){large, far};
    buffers.use.weights = (clmp_buffer){large, far + bytes};
    ck_cl(clEnqueueCopyBuffer(queue, near_losses.mem, large, 0, far, bytes, 0, NULL, NULL));
    ck_status(clmp_enqueue_weights(plan, queue, &buffers.use, 0, NULL, NULL), CLMP_OK);
    ck_cl(clEnqueueCopyBuffer(queue, large, near_weights.mem, far + bytes, 0, bytes, 0, NULL, NULL));
    struct outputs *got = buffers_read(&buffers, problem, &run), *want = run_reference(problem);
    assert_same_bits(problem, got, want);
    outputs_free(got);
    outputs_free(want);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    problem_free(problem);
    ck_cl(clReleaseMemObject(large));
}
END_TEST

/*
 * More than 2^31 logits for real: 9 GB on the device as float32, and 2^31 + 1 of them, which 4.3 GB hold as float16;
 * the gradient takes their place.  All logits are 0 but those of the last pixel, whose classes lie on both sides of
 * 2^31: its loss and gradient tell whether the last elements were reached.
 */
static const struct {
    uint64_t classes, pixels;
    clmp_float_type type;
    float error; /* of a gradient, relative */
} most[] = {{130, MANY, CLMP_FLOAT32, 1e-5f}, {3, 715827883, CLMP_FLOAT16, 5e-4f}};
enum { MOST = sizeof most / sizeof *most };

/* Numbers of a one-dimensional problem, as they are stored. */
static void convert(clmp_float_type type, bool pack, float *values, unsigned char *stored) {
    struct problem *two = problem_of_logits(1, 1, 1, 2, CLMP_LABEL_UINT8);
    two->in.params.logits_type = type;
    if (pack)
        stored_pack(two, values, stored);
    else
        stored_unpack(two, stored, values);
    problem_free(two);
}

START_TEST(more_than_2_to_the_31_logits_are_reached) {
    const uint64_t classes = most[_i].classes, area = most[_i].pixels, elements = classes * area;
    const size_t size = stored_element(most[_i].type);
    const struct test_device *device = test_device();
    clmp_plan_params params;
    clmp_plan *plan = NULL;
    clmp_buffers buffers;
    cl_int error;
    const cl_uchar zero = 0, label = (cl_uchar)(classes - 1);
    float margin[2] = {0.0f, 50.0f}, gradient[2];
    unsigned char stored[8];
    ck_assert(elements > (uint64_t)1 << 31 && (_i == 0 || elements == ((uint64_t)1 << 31) + 1));
    clmp_plan_params_init(&params);
    params.classes = classes;
    params.height = 1;
    params.width = area;
    params.logits_type = most[_i].type;
    ck_status(clmp_plan_create(device->context, &params, &plan), CLMP_OK);
    clmp_buffers_init(&buffers);
    buffers.logits.mem = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, elements * size, NULL, &error);
    ck_cl(error);
    buffers.labels.mem = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, area, NULL, &error);
    ck_cl(error);
    buffers.losses.mem = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, area * sizeof(float), NULL, &error);
    ck_cl(error);
    buffers.result.mem = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, &error);
    ck_cl(error);
    buffers.gradient = buffers.logits;
    buffers.in_place = true;
    buffers.gradient_scale = 268435456.0f; /* float16 holds no weights of so many pixels */
    ck_cl(clEnqueueFillBuffer(device->queue, buffers.logits.mem, &zero, 1, 0, elements * size, 0, NULL, NULL));
    ck_cl(clEnqueueFillBuffer(device->queue, buffers.labels.mem, &label, 1, 0, area, 0, NULL, NULL));
    convert(most[_i].type, true, margin, stored); /* class 0 of the last pixel: its loss is 50 */
    ck_cl(clEnqueueWriteBuffer(device->queue, buffers.logits.mem, CL_TRUE, (area - 2) * size, 2 * size, stored, 0, NULL,
                               NULL));
    ck_status(clmp_enqueue_gradient(plan, device->queue, &buffers, 0, NULL, NULL), CLMP_OK);
    float loss[2];
    clmp_result result;
    ck_cl(clEnqueueReadBuffer(device->queue, buffers.losses.mem, CL_TRUE, (area - 2) * 4, 8, loss, 0, NULL, NULL));
    ck_cl(clEnqueueReadBuffer(device->queue, buffers.gradient.mem, CL_TRUE, (elements - 2) * size, 2 * size, stored, 0,
                              NULL, NULL));
    ck_cl(clEnqueueReadBuffer(device->queue, buffers.result.mem, CL_TRUE, 0, sizeof result, &result, 0, NULL, NULL));
    convert(most[_i].type, false, gradient, stored);
    const float tau = result.tau * buffers.gradient_scale;
    ck_assert(result.valid == area);
    ck_assert(fabs((double)loss[0] - log((double)classes)) < 1e-5 && fabsf(loss[1] - 50.0f) < 1e-4f);
    ck_assert(tau > 0.0f && gradient[0] < 0.0f && fabsf(gradient[1] + tau) < most[_i].error * tau);
    ck_cl(clReleaseMemObject(buffers.logits.mem));
    ck_cl(clReleaseMemObject(buffers.labels.mem));
    ck_cl(clReleaseMemObject(buffers.losses.mem));
    ck_cl(clReleaseMemObject(buffers.result.mem));
    clmp_plan_destroy(plan);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("large");
    TCase *tcase = add_case(suite, "large indices", "full quick");
    tcase_add_loop_test(tcase, plans_of_large_shapes_are_made_and_small_buffers_refused, 0, 2 * LARGE_SHAPES);
    tcase_add_test(tcase, a_record_for_every_image_is_counted_in_64_bits);
    tcase_add_test(tcase, a_workspace_that_overflows_is_refused);
    tcase = add_case(suite, "many pixels", "slow");
    tcase_add_loop_test(tcase, more_pixels_than_a_float_counts_are_counted, 0, 4);
    tcase_add_test(tcase, many_losses_are_accurate);
    tcase_add_test(tcase, many_pixels_of_logits_have_the_reference_bits);
    tcase_add_test(tcase, offsets_above_4_gib_are_reached);
    if (test_huge())
        tcase_add_loop_test(tcase, more_than_2_to_the_31_logits_are_reached, 0, MOST);
    return test_main(suite);
}

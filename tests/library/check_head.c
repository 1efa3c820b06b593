/*
 * The classification head: products by CLBlast around the library's loss, held to long double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <clmp/head.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A problem whose logits are a head's. */
struct head_case {
    struct problem *problem;
    uint64_t features;
    uint64_t pixels; /* of an image's logits */
    float *of_pixels, *weight, *bias;
    bool no_bias;
    uint64_t slab_pixels;
    cl_command_queue queue; /* NULL: the in-order one */
};

struct head_outputs {
    float *losses, *weights, *features_gradient, *weight_gradient, *bias_gradient, *logits;
    clmp_result result[1 + 8];
};

static uint64_t features_count(const struct head_case *c) {
    return c->problem->in.params.images * c->features * c->pixels;
}

static float *normals(struct rng *rng, uint64_t count, double scale) {
    float *values = malloc((size_t)count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (uint64_t i = 0; i < count; ++i)
        values[i] = (float)(scale * rng_normal(rng));
    return values;
}

static struct head_case head_case_of(struct problem *problem, uint64_t features, const char *stream, int index) {
    const clmp_plan_params *params = &problem->in.params;
    struct head_case c = {.problem = problem, .features = features};
    struct rng rng = rng_for(stream, (uint64_t)index);
    c.pixels = problem->elements / params->images / params->classes;
    c.of_pixels = normals(&rng, features_count(&c), 1.0);
    c.weight = normals(&rng, params->classes * features, 2.0 / sqrt((double)features));
    c.bias = normals(&rng, params->classes, 1.0);
    const uint64_t classes = reference_label_classes(params);
    for (uint64_t i = 0; i < problem->pixels; ++i)
        set_label(problem, i, i % 13 == 5 ? 255 : (int64_t)rng_below(&rng, classes));
    return c;
}

static void head_case_free(struct head_case *c) {
    free(c->of_pixels);
    free(c->weight);
    free(c->bias);
    problem_free(c->problem);
}

/* ------------------------------------------------------------------------------------------------------- the device
 */

static cl_mem memory_of(const void *values, size_t bytes) {
    cl_int error = CL_SUCCESS;
    const cl_mem memory = clCreateBuffer(test_device()->cl, values != NULL ? CL_MEM_COPY_HOST_PTR : 0, bytes,
                                         (void *)(uintptr_t)values, &error);
    ck_cl(error);
    return memory;
}

static float *read_floats(cl_mem memory, uint64_t count) {
    float *values = malloc((size_t)count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    ck_cl(clEnqueueReadBuffer(test_device()->queue, memory, CL_TRUE, 0, (size_t)count * sizeof *values, values, 0, NULL,
                              NULL));
    return values;
}

static clmp_head *head_of(const struct head_case *c) {
    clmp_head_params params;
    clmp_head_params_init(&params);
    params.problem = &c->problem->in.params;
    params.features = c->features;
    params.slab_pixels = c->slab_pixels;
    clmp_head *head = NULL;
    ck_status(clmp_head_create(test_device()->context, &params, &head), CLMP_OK);
    return head;
}

static struct head_outputs run_head(const struct head_case *c) {
    const struct test_device *device = test_device();
    const struct problem *problem = c->problem;
    const uint64_t features = features_count(c), classes = problem->in.params.classes;
    clmp_head *head = head_of(c);
    cl_mem of_pixels = memory_of(c->of_pixels, features * sizeof(float));
    cl_mem weight = memory_of(c->weight, classes * c->features * sizeof(float));
    cl_mem bias = memory_of(c->bias, classes * sizeof(float));
    cl_mem labels = memory_of(problem->labels, problem->pixels * label_size(problem->in.params.label_type));
    cl_mem outs[] = {
        memory_of(NULL, features * sizeof(float)),         memory_of(NULL, classes * c->features * sizeof(float)),
        memory_of(NULL, classes * sizeof(float)),          memory_of(NULL, problem->pixels * sizeof(float)),
        memory_of(NULL, problem->pixels * sizeof(float)),  memory_of(NULL, sizeof(clmp_result) * 9),
        memory_of(NULL, problem->elements * sizeof(float))};
    clmp_head_buffers head_buffers;
    clmp_head_buffers_init(&head_buffers);
    head_buffers.features.mem = of_pixels;
    head_buffers.weight.mem = weight;
    head_buffers.bias.mem = c->no_bias ? NULL : bias;
    head_buffers.features_gradient.mem = outs[0];
    head_buffers.weight_gradient.mem = outs[1];
    head_buffers.bias_gradient.mem = outs[2];
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.labels.mem = labels;
    buffers.losses.mem = outs[3];
    buffers.weights.mem = outs[4];
    buffers.result.mem = outs[5];
    buffers.gradient_scale = problem->in.gradient_scale;
    buffers.step = problem->in.step;
    cl_command_queue queue = c->queue != NULL ? c->queue : device->queue;
    /* a caller's event that comes late: nothing may run before it */
    cl_int error = CL_SUCCESS;
    cl_event gate = clCreateUserEvent(device->cl, &error), event = NULL, second = NULL;
    ck_cl(error);
    ck_status(clmp_enqueue_head_gradient(head, queue, &head_buffers, &buffers, 1, &gate, &event), CLMP_OK);
    ck_assert_ptr_nonnull(event);
    ck_cl(clSetUserEventStatus(gate, CL_COMPLETE));
    buffers.logits.mem = outs[6];
    ck_status(clmp_enqueue_head_logits(head, queue, &head_buffers, &buffers, 1, &event, &second), CLMP_OK);
    ck_cl(clWaitForEvents(1, &second));
    clReleaseEvent(gate);
    clReleaseEvent(event);
    clReleaseEvent(second);
    struct head_outputs got = {
        .features_gradient = read_floats(outs[0], features),
        .weight_gradient = read_floats(outs[1], classes * c->features),
        .bias_gradient = read_floats(outs[2], classes),
        .losses = read_floats(outs[3], problem->pixels),
        .weights = read_floats(outs[4], problem->pixels),
        .logits = read_floats(outs[6], problem->elements),
    };
    ck_cl(clEnqueueReadBuffer(device->queue, outs[5], CL_TRUE, 0,
                              clmp_plan_result_count(clmp_head_plan(head)) * sizeof(clmp_result), got.result, 0, NULL,
                              NULL));
    clmp_head_destroy(head);
    for (size_t i = 0; i < sizeof outs / sizeof *outs; ++i)
        clReleaseMemObject(outs[i]);
    clReleaseMemObject(of_pixels);
    clReleaseMemObject(weight);
    clReleaseMemObject(bias);
    clReleaseMemObject(labels);
    return got;
}

static void head_outputs_free(struct head_outputs *o) {
    free(o->losses);
    free(o->weights);
    free(o->features_gradient);
    free(o->weight_gradient);
    free(o->bias_gradient);
    free(o->logits);
}

/* -------------------------------------------------------------------------------------------------------- references
 */

/*
 * A sum of k products in float32, in any order, is off by at most about k 2^-24 of the sum of their absolute values
 * (N. Higham, "Accuracy and Stability of Numerical Algorithms", 3.1).  That of the logits reaches every later number
 * through the softmax and the weights, whose slopes are no more than some units here.
 */
static long double bound(uint64_t k, long double absolute) {
    return (long double)(k + 2) * 0x1p-24L * absolute;
}

static long double logit_bound(const struct head_case *c) {
    return bound(c->features, 12.0L); /* of weights 2 / sqrt(D) and features 1: the mean is 1.3 sqrt(D), and D < 80 */
}

/* The problem's logits become the head's, rounded once. */
static void make_logits(const struct head_case *c) {
    const clmp_plan_params *params = &c->problem->in.params;
    for (uint64_t n = 0; n < params->images; ++n)
        for (uint64_t k = 0; k < params->classes; ++k)
            for (uint64_t u = 0; u < c->pixels; ++u) {
                long double sum = c->no_bias ? 0.0L : (long double)c->bias[k];
                for (uint64_t d = 0; d < c->features; ++d)
                    sum += (long double)c->weight[k * c->features + d] *
                           (long double)c->of_pixels[(n * c->features + d) * c->pixels + u];
                c->problem->logits[(n * params->classes + k) * c->pixels + u] = (float)sum;
            }
}

static void assert_near(const char *what, uint64_t i, float got, long double want, long double most) {
    ck_assert_msg(fabsl((long double)got - want) <= most, "%s[%d] is %.9g, expected %.9Lg within %.3Lg", what, (int)i,
                  (double)got, want, most);
}

/* `slope`: how much a number of the gradient can change, of its pixel's weight, by a change of the logits by 1. */
static void check_case(const struct head_case *c) {
    struct problem *problem = c->problem;
    const clmp_plan_params *params = &problem->in.params;
    make_logits(c);
    struct exact_result result[1 + 8];
    struct exact_output exact = {calloc(problem->pixels, sizeof(long double)),
                                 calloc(problem->pixels, sizeof(long double)),
                                 calloc(problem->elements, sizeof(long double)), result};
    reference_exact(&problem->in, &exact);
    struct head_outputs got = run_head(c);
    const long double off = logit_bound(c);
    for (uint64_t i = 0; i < problem->elements; ++i)
        assert_near("logits", i, got.logits[i], (long double)problem->logits[i], off);
    long double most_weight = 0.0L;
    for (uint64_t i = 0; i < problem->pixels; ++i) {
        assert_near("losses", i, got.losses[i], exact.losses[i], 2.0L * off + 2e-6L * exact.losses[i]);
        most_weight = fmaxl(most_weight, exact.weights[i]);
    }
    /* a loss that is off by e changes its weight by (q - 1) e / alpha: less than 40 e here, of the largest weight */
    const long double scale = fabsl((long double)problem->in.gradient_scale) * most_weight;
    const long double gradient_off = 40.0L * off * scale;
    for (uint64_t i = 0; i < problem->pixels; ++i)
        assert_near("weights", i, got.weights[i], exact.weights[i], 40.0L * off * most_weight);
    const uint64_t classes = params->classes, features = c->features;
    for (uint64_t n = 0; n < params->images; ++n)
        for (uint64_t d = 0; d < features; ++d)
            for (uint64_t u = 0; u < c->pixels; ++u) {
                long double sum = 0.0L, absolute = 0.0L, moved = 0.0L;
                for (uint64_t k = 0; k < classes; ++k) {
                    const long double w = (long double)c->weight[k * features + d];
                    const long double product = w * exact.gradient[(n * classes + k) * c->pixels + u];
                    sum += product;
                    absolute += fabsl(product);
                    moved += fabsl(w) * gradient_off;
                }
                const uint64_t at = (n * features + d) * c->pixels + u;
                assert_near("features_gradient", at, got.features_gradient[at], sum, bound(classes, absolute) + moved);
            }
    const long double pixels = (long double)(params->images * c->pixels);
    for (uint64_t k = 0; k < classes; ++k) {
        long double bias_sum = 0.0L, bias_absolute = 0.0L;
        for (uint64_t d = 0; d < features; ++d) {
            long double sum = 0.0L, absolute = 0.0L, moved = 0.0L;
            for (uint64_t n = 0; n < params->images; ++n)
                for (uint64_t u = 0; u < c->pixels; ++u) {
                    const long double g = exact.gradient[(n * classes + k) * c->pixels + u];
                    const long double f = (long double)c->of_pixels[(n * features + d) * c->pixels + u];
                    sum += g * f;
                    absolute += fabsl(g * f);
                    moved += fabsl(f) * gradient_off;
                    bias_sum += d == 0 ? g : 0.0L;
                    bias_absolute += d == 0 ? fabsl(g) : 0.0L;
                }
            const uint64_t at = k * features + d;
            /* errors of pixels are apart in sign: their sum is taken as that of a random walk, four deviations long */
            assert_near("weight_gradient", at, got.weight_gradient[at], sum,
                        bound((uint64_t)pixels, absolute) + 4.0L * moved / sqrtl(pixels));
        }
        assert_near("bias_gradient", k, got.bias_gradient[k], bias_sum,
                    bound((uint64_t)pixels, bias_absolute) + 4.0L * sqrtl(pixels) * gradient_off);
    }
    ck_assert_uint_eq(got.result[0].valid, result[0].valid);
    ck_assert_uint_eq(got.result[0].ignored, result[0].ignored);
    assert_near("loss", 0, got.result[0].loss, result[0].loss, 2.0L * off + 2e-6L * result[0].loss);
    head_outputs_free(&got);
    free(exact.losses);
    free(exact.weights);
    free(exact.gradient);
}

/* ------------------------------------------------------------------------------------------------------------- tests
 */

static const struct {
    uint64_t images, classes, height, width, features;
} shapes[] = {{1, 2, 3, 5, 1}, {2, 11, 9, 31, 16}, {3, 19, 16, 16, 64}, {1, 5, 40, 61, 70}, {2, 1, 4, 4, 3}};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const uint64_t slabs[] = {0, 1000000, 37, 64};
enum { SLABS = sizeof slabs / sizeof *slabs };

static struct problem *problem_shaped(int shape) {
    return problem_of_logits(shapes[shape].images, shapes[shape].classes, shapes[shape].height, shapes[shape].width,
                             CLMP_LABEL_UINT8);
}

START_TEST(products_and_gradients_are_accurate) {
    const int shape = _i % SHAPES;
    struct head_case c = head_case_of(problem_shaped(shape), shapes[shape].features, "head", _i);
    c.slab_pixels = slabs[_i / SHAPES];
    c.problem->in.gradient_scale = 2.5f;
    check_case(&c);
    head_case_free(&c);
}
END_TEST

START_TEST(every_image_may_be_its_own_pool) {
    struct head_case c = head_case_of(problem_shaped(2), 64, "head images", _i);
    c.problem->in.params.scope = CLMP_SCOPE_IMAGE;
    c.slab_pixels = slabs[_i];
    c.no_bias = true;
    check_case(&c);
    head_case_free(&c);
}
END_TEST

START_TEST(interpolated_logits_are_accurate) {
    struct head_case c =
        head_case_of(problem_upsampled(2, 11, 9, 12, 36, 45, CLMP_LABEL_UINT8), 24, "head interpolated", _i);
    check_case(&c);
    head_case_free(&c);
}
END_TEST

START_TEST(out_of_order_queues_do) {
    cl_command_queue queue = test_queue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    if (queue == NULL)
        return;
    struct head_case c = head_case_of(problem_shaped(2), 64, "head out of order", _i);
    c.queue = queue;
    c.slab_pixels = slabs[_i];
    check_case(&c);
    head_case_free(&c);
    clReleaseCommandQueue(queue);
}
END_TEST

/* Slabs or not: the same pixels, the same draws; losses differ by GEMM's rounding at most. */
START_TEST(slabs_change_no_weighting) {
    static const clmp_weighting weightings[] = {CLMP_WEIGHTING_LMP, CLMP_WEIGHTING_UNIFORM, CLMP_WEIGHTING_TOPK,
                                                CLMP_WEIGHTING_OHEM, CLMP_WEIGHTING_BALANCED};
    struct head_case c = head_case_of(problem_shaped(2), 64, "head slabs", _i);
    clmp_plan_params *params = &c.problem->in.params;
    const float class_weights[19] = {1.0f, 2.0f, 0.5f, 1.0f, 1.0f, 3.0f, 1.0f, 1.0f, 0.1f, 1.0f,
                                     1.0f, 1.0f, 1.0f, 9.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    params->weighting = weightings[_i % 5];
    params->scope = _i / 5 % 2 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    params->class_weights = _i / 10 ? class_weights : NULL;
    params->ohem_min_kept = 20;
    params->seed = 7;
    c.problem->in.step = 3;
    struct head_outputs whole = run_head(&c);
    c.slab_pixels = 50;
    struct head_outputs slabbed = run_head(&c);
    const double tau = (double)whole.result[params->scope == CLMP_SCOPE_IMAGE ? 1 : 0].tau;
    for (uint64_t i = 0; i < c.problem->pixels; ++i) {
        ck_assert_double_eq_tol((double)slabbed.losses[i], (double)whole.losses[i], 1e-4);
        ck_assert_double_eq_tol((double)slabbed.weights[i], (double)whole.weights[i], 1e-3 * tau);
    }
    for (uint64_t i = 0; i < features_count(&c); ++i)
        ck_assert_double_eq_tol((double)slabbed.features_gradient[i], (double)whole.features_gradient[i], 2e-3 * tau);
    for (uint64_t i = 0; i < params->classes; ++i)
        ck_assert_double_eq_tol((double)slabbed.bias_gradient[i], (double)whole.bias_gradient[i], 1e-5);
    head_outputs_free(&whole);
    head_outputs_free(&slabbed);
    head_case_free(&c);
}
END_TEST

START_TEST(the_same_call_gives_the_same_bits) {
    struct head_case c = head_case_of(problem_shaped(3), 70, "head bits", 0);
    c.slab_pixels = slabs[_i];
    struct head_outputs one = run_head(&c), two = run_head(&c);
    ck_assert_mem_eq(one.features_gradient, two.features_gradient, features_count(&c) * sizeof(float));
    ck_assert_mem_eq(one.weight_gradient, two.weight_gradient, 5 * 70 * sizeof(float));
    ck_assert_mem_eq(one.bias_gradient, two.bias_gradient, 5 * sizeof(float));
    ck_assert_mem_eq(one.result, two.result, sizeof(clmp_result));
    head_outputs_free(&one);
    head_outputs_free(&two);
    head_case_free(&c);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------- errors
 */

static void refuse_params(const clmp_head_params *params, const char *why) {
    clmp_head *head = NULL;
    ck_status(clmp_head_create(test_device()->context, params, &head), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(head);
    ck_assert_msg(strstr(last_log(), why) != NULL, "the log says: %s", last_log());
}

START_TEST(bad_heads_are_refused) {
    struct problem *problem = problem_shaped(1);
    clmp_plan_params plan = problem->in.params;
    clmp_head_params params;
    clmp_head_params_init(&params);
    params.features = 4;
    refuse_params(&params, "problem is NULL");
    params.problem = &plan;
    params.features = 0;
    refuse_params(&params, "features is 0");
    params.features = 4;
    params.struct_size = 0;
    refuse_params(&params, "struct_size is 0");
    params.struct_size = sizeof params;
    plan.logits_layout = CLMP_LAYOUT_NHWC;
    refuse_params(&params, "NCHW");
    plan.logits_layout = CLMP_LAYOUT_NCHW;
    plan.logits_type = CLMP_FLOAT16;
    refuse_params(&params, "float32");
    plan.logits_type = CLMP_FLOAT32;
    plan.p = 0.5;
    refuse_params(&params, "p is 0.5");
    plan.p = 1.7;
    clmp_ranks ranks;
    clmp_ranks_init(&ranks);
    plan.ranks = &ranks;
    refuse_params(&params, "ranks");
    plan.ranks = NULL;
    params.slab_pixels = 10;
    plan.logits_height = 4;
    plan.logits_width = 4;
    refuse_params(&params, "interpolated");
    plan.logits_height = plan.logits_width = 0;
    plan.loss = CLMP_LOSS_BINARY_CROSS_ENTROPY;
    refuse_params(&params, "binary");
    clmp_head_destroy(NULL);
    problem_free(problem);
}
END_TEST

START_TEST(bad_buffers_are_refused) {
    struct head_case c = head_case_of(problem_shaped(1), 16, "head buffers", 0);
    c.slab_pixels = slabs[_i];
    clmp_head *head = head_of(&c);
    const struct test_device *device = test_device();
    cl_mem big = memory_of(NULL, features_count(&c) * sizeof(float) + 256), small = memory_of(NULL, 64);
    cl_mem labels = memory_of(c.problem->labels, c.problem->pixels), result = memory_of(NULL, sizeof(clmp_result));
    cl_mem weight = memory_of(c.weight, 11 * 16 * sizeof(float));
    clmp_head_buffers head_buffers;
    clmp_head_buffers_init(&head_buffers);
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.labels.mem = labels;
    buffers.result.mem = result;
    ck_status(clmp_enqueue_head_loss(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log(), "features is NULL"));
    head_buffers.features.mem = small;
    head_buffers.weight.mem = weight;
    ck_status(clmp_enqueue_head_loss(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_BUFFER_TOO_SMALL);
    head_buffers.features.mem = big;
    head_buffers.features_gradient.mem = big;
    ck_status(clmp_enqueue_head_gradient(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_BUFFER_OVERLAP);
    head_buffers.features_gradient.mem = NULL;
    head_buffers.weight_gradient.mem = weight;
    ck_status(clmp_enqueue_head_gradient(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_BUFFER_OVERLAP);
    head_buffers.weight_gradient.mem = NULL;
    ck_status(clmp_enqueue_head_logits(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(last_log(), "logits is NULL"));
    buffers.gradient_scale = NAN;
    ck_status(clmp_enqueue_head_gradient(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_INVALID_ARGUMENT);
    head_buffers.struct_size = 3;
    ck_status(clmp_enqueue_head_loss(head, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_INVALID_ARGUMENT);
    ck_status(clmp_enqueue_head_loss(head, device->queue, NULL, &buffers, 0, NULL, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_enqueue_head_loss(NULL, device->queue, &head_buffers, &buffers, 0, NULL, NULL),
              CLMP_INVALID_ARGUMENT);
    clmp_head_destroy(head);
    clReleaseMemObject(big);
    clReleaseMemObject(small);
    clReleaseMemObject(labels);
    clReleaseMemObject(result);
    clReleaseMemObject(weight);
    head_case_free(&c);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("head");
    TCase *quick = add_case(suite, "small", "full quick small");
    tcase_add_loop_test(quick, products_and_gradients_are_accurate, 0, SHAPES);
    tcase_add_test(quick, bad_heads_are_refused);
    tcase_add_loop_test(quick, bad_buffers_are_refused, 0, SLABS);
    TCase *full = add_case(suite, "all", "full device");
    tcase_add_loop_test(full, products_and_gradients_are_accurate, 0, SHAPES * SLABS);
    tcase_add_loop_test(full, every_image_may_be_its_own_pool, 0, SLABS);
    tcase_add_test(full, interpolated_logits_are_accurate);
    tcase_add_loop_test(full, out_of_order_queues_do, 0, SLABS);
    tcase_add_loop_test(full, slabs_change_no_weighting, 0, 20);
    tcase_add_loop_test(full, the_same_call_gives_the_same_bits, 0, SLABS);
    return test_main(suite);
}

/*
 * A head's calls fail in turn: those that the library makes, as in check_faults.c, and those that CLBlast makes for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * After each fault: the status and the log say so, nothing of the library's is left, and the same head, or a new one,
 * gives the bits of a head that met none.  CLBlast keeps programs and kernels of its own.
 */
#include "fault_programs.h"
#include "faults.h"
#include "support.h"

#include <clmp/head.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CALLS = 2000, IMAGES = 2, CLASSES = 3, FEATURES = 4, HEIGHT = 3, WIDTH = 5 };
enum { PIXELS = IMAGES * HEIGHT * WIDTH };
enum { FEATURE_NUMBERS = PIXELS * FEATURES, WEIGHT_NUMBERS = CLASSES * FEATURES };

static char said[1024];

static void hear(void *user, const char *message) {
    (void)user;
    snprintf(said, sizeof said, "%s", message);
}

/* What a step reads, and what it writes. */
struct numbers {
    float features_gradient[FEATURE_NUMBERS], weight_gradient[WEIGHT_NUMBERS], bias_gradient[CLASSES];
    float losses[PIXELS];
    clmp_result result;
};

struct trial {
    bool slabs;
    clmp_context *context;
    clmp_head_buffers head_buffers;
    clmp_buffers buffers;
    struct numbers want;
    enum fault_function function; /* that is failed */
    cl_int error;
    long k;
};

static void complain(const struct trial *trial, const char *what, clmp_status status) {
    ck_abort_msg("%s: %s call %ld returns %d: %s (status %s, log: %s)", trial->slabs ? "slabs" : "whole",
                 fault_name(trial->function), trial->k, (int)trial->error, what, clmp_status_name(status), said);
}

static cl_mem buffer_of(size_t bytes, const void *from) {
    cl_int error = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | (from != NULL ? CL_MEM_COPY_HOST_PTR : 0), bytes,
                                (void *)(uintptr_t)from, &error);
    ck_cl(error);
    return mem;
}

static void read_mem(cl_mem mem, size_t bytes, void *to) {
    ck_cl(clEnqueueReadBuffer(test_device()->queue, mem, CL_TRUE, 0, bytes, to, 0, NULL, NULL));
}

static struct numbers read_numbers(const struct trial *trial) {
    struct numbers numbers;
    memset(&numbers, 0, sizeof numbers);
    read_mem(trial->head_buffers.features_gradient.mem, sizeof numbers.features_gradient, numbers.features_gradient);
    read_mem(trial->head_buffers.weight_gradient.mem, sizeof numbers.weight_gradient, numbers.weight_gradient);
    read_mem(trial->head_buffers.bias_gradient.mem, sizeof numbers.bias_gradient, numbers.bias_gradient);
    read_mem(trial->buffers.losses.mem, sizeof numbers.losses, numbers.losses);
    read_mem(trial->buffers.result.mem, sizeof numbers.result, &numbers.result);
    return numbers;
}

static clmp_status create(const struct trial *trial, clmp_head **head) {
    clmp_plan_params problem;
    clmp_head_params params;
    clmp_plan_params_init(&problem);
    clmp_head_params_init(&params);
    problem.images = IMAGES;
    problem.classes = CLASSES;
    problem.height = HEIGHT;
    problem.width = WIDTH;
    params.problem = &problem;
    params.features = FEATURES;
    params.slab_pixels = trial->slabs ? 7 : 0;
    return clmp_head_create(trial->context, &params, head);
}

/* Everything is done when this returns, whatever came of it.  `late`: the step's event failed. */
static clmp_status step(const struct trial *trial, clmp_head *head, bool *late) {
    cl_event done = (cl_event)(uintptr_t)16;
    cl_int state = CL_COMPLETE;
    const clmp_status status =
        clmp_enqueue_head_gradient(head, test_device()->queue, &trial->head_buffers, &trial->buffers, 0, NULL, &done);
    if ((status == CLMP_OK) != (done != NULL))
        complain(trial, "an event without a step, or a step without an event", status);
    ck_cl(clFinish(test_device()->queue));
    if (done != NULL) {
        ck_cl(clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL));
        ck_cl(clReleaseEvent(done));
    }
    *late = state < 0;
    return status;
}

static void check_step(const struct trial *trial, clmp_head *head) {
    bool late = false;
    const clmp_status status = step(trial, head, &late);
    if (status != CLMP_OK || late)
        complain(trial, "a step without a fault fails", status);
    const struct numbers got = read_numbers(trial);
    if (memcmp(&got, &trial->want, sizeof got) != 0)
        complain(trial, "other bits", status);
}

static struct trial trial_of(bool slabs) {
    struct trial trial = {.slabs = slabs};
    struct rng rng = rng_for("head faults", 0);
    clmp_context_params params;
    clmp_head *head = NULL;
    bool late = false;
    float features[FEATURE_NUMBERS], weight[WEIGHT_NUMBERS], bias[CLASSES];
    unsigned char labels[PIXELS];
    for (int i = 0; i < FEATURE_NUMBERS; i++)
        features[i] = (float)rng_normal(&rng);
    for (int i = 0; i < WEIGHT_NUMBERS; i++)
        weight[i] = (float)rng_normal(&rng);
    for (int i = 0; i < CLASSES; i++)
        bias[i] = (float)rng_normal(&rng);
    for (int i = 0; i < PIXELS; i++)
        labels[i] = (unsigned char)rng_below(&rng, CLASSES);
    clmp_head_buffers_init(&trial.head_buffers);
    clmp_buffers_init(&trial.buffers);
    trial.head_buffers.features.mem = buffer_of(sizeof features, features);
    trial.head_buffers.weight.mem = buffer_of(sizeof weight, weight);
    trial.head_buffers.bias.mem = buffer_of(sizeof bias, bias);
    trial.head_buffers.features_gradient.mem = buffer_of(sizeof features, NULL);
    trial.head_buffers.weight_gradient.mem = buffer_of(sizeof weight, NULL);
    trial.head_buffers.bias_gradient.mem = buffer_of(sizeof bias, NULL);
    trial.buffers.labels.mem = buffer_of(sizeof labels, labels);
    trial.buffers.losses.mem = buffer_of(PIXELS * sizeof(float), NULL);
    trial.buffers.result.mem = buffer_of(sizeof(clmp_result), NULL);
    clmp_context_params_init(&params);
    params.log = hear;
    ck_status(clmp_context_create(test_device()->cl, test_device()->id, &params, &trial.context), CLMP_OK);
    ck_status(create(&trial, &head), CLMP_OK);
    ck_status(step(&trial, head, &late), CLMP_OK);
    trial.want = read_numbers(&trial);
    ck_assert(!late && trial.want.result.valid == PIXELS && trial.want.result.loss > 0.0f);
    clmp_head_destroy(head);
    return trial;
}

static void trial_free(struct trial *trial) {
    cl_mem const all[] = {trial->head_buffers.features.mem,
                          trial->head_buffers.weight.mem,
                          trial->head_buffers.bias.mem,
                          trial->head_buffers.features_gradient.mem,
                          trial->head_buffers.weight_gradient.mem,
                          trial->head_buffers.bias_gradient.mem,
                          trial->buffers.labels.mem,
                          trial->buffers.losses.mem,
                          trial->buffers.result.mem};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_cl(clReleaseMemObject(all[i]));
    clmp_context_destroy(trial->context);
}

/* A fault while a head is made, or at its first step.  False: it did not hit, as there are fewer calls. */
static bool try_fault(const struct trial *trial, bool making, bool strict) {
    clmp_head *head = NULL;
    long before[FAULT_OBJECTS];
    bool late = false;
    for (int i = 0; i < FAULT_OBJECTS; i++)
        before[i] = fault_balance((enum fault_object)i);
    said[0] = '\0';
    if (!making)
        ck_status(create(trial, &head), CLMP_OK);
    fault_arm(trial->function, trial->error, trial->k);
    const clmp_status status = making ? create(trial, &head) : step(trial, head, &late);
    const bool hit = fault_disarm();
    if ((status != CLMP_OK || late) && !hit)
        complain(trial, "a failure without a fault", status);
    if (status != CLMP_OK && said[0] == '\0')
        complain(trial, "nothing was said", status);
    if (making && (head != NULL) != (status == CLMP_OK))
        complain(trial, "a head after a failure, or none", status);
    if (head == NULL)
        ck_status(create(trial, &head), CLMP_OK);
    if (hit && status == CLMP_OK && !late && !making) { /* then it did no harm */
        const struct numbers got = read_numbers(trial);
        if (memcmp(&got, &trial->want, sizeof got) != 0)
            complain(trial, "other bits, and no word of it", status);
    }
    check_step(trial, head);
    clmp_head_destroy(head);
    for (int i = 0; i < FAULT_OBJECTS && strict; i++)
        if (fault_balance((enum fault_object)i) != before[i])
            complain(trial, fault_object_name((enum fault_object)i), status);
    return hit;
}

static long try_all(struct trial *trial, bool making, bool strict) {
    long faults = 0;
    for (int f = 0; f < FAULT_LIBRARY_FUNCTIONS; f++)
        for (int e = 0; fault_error((enum fault_function)f, e) != CL_SUCCESS; e++) {
            bool hit = true;
            trial->function = (enum fault_function)f;
            trial->error = fault_error(trial->function, e);
            for (trial->k = 1; hit && trial->k < MOST_CALLS; trial->k++) {
                hit = try_fault(trial, making, strict);
                faults += hit;
            }
            ck_assert(!hit);
        }
    return faults;
}

START_TEST(a_head_survives_every_fault) {
    struct trial trial = trial_of(_i % 2 == 1);
    const bool making = _i / 2 == 0;
    const long faults = try_all(&trial, making, true);
    printf("%s: %ld faults while a head%s\n", trial.slabs ? "slabs" : "whole", faults,
           making ? " is made" : "'s step is enqueued");
    ck_assert(faults > 0);
    trial_free(&trial);
}
END_TEST

/* What CLBlast calls for a product; events and memory of its own are its affair. */
START_TEST(a_head_survives_clblast_failing) {
    static const enum fault_function functions[] = {FAULT_clEnqueueNDRangeKernel, FAULT_clSetKernelArg,
                                                    FAULT_clCreateBuffer, FAULT_clCreateKernel};
    struct trial trial = trial_of(_i == 1);
    long faults = 0;
    fault_add_caller("libclblast");
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        bool hit = true;
        trial.function = functions[f];
        trial.error = CL_OUT_OF_RESOURCES;
        for (trial.k = 1; hit && trial.k < MOST_CALLS; trial.k++) {
            hit = try_fault(&trial, false, false);
            faults += hit;
        }
        ck_assert(!hit);
    }
    printf("%s: %ld faults, CLBlast's calls among them\n", trial.slabs ? "slabs" : "whole", faults);
    trial_free(&trial);
}
END_TEST

static void keep_programs(void) {
    fault_keep_programs(test_device()->cl);
}

int main(void) {
    Suite *suite = suite_create("head faults");
    TCase *tcase = add_case(suite, "faults", "full");
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, keep_programs, NULL);
    tcase_add_loop_test(tcase, a_head_survives_every_fault, 0, 4);
    tcase = add_case(suite, "clblast", "full"); /* last: its calls count from then on */
    tcase_set_timeout(tcase, 0);
    tcase_add_unchecked_fixture(tcase, keep_programs, NULL);
    tcase_add_loop_test(tcase, a_head_survives_clblast_failing, 0, 2);
    return test_main(suite);
}

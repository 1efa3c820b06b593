/*
 * One column of tests/matrix.sh: computes the rows on one device, each into a file, whose bytes every device must agree
 * on.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * usage: matrix FOLDER    computes; CLMP_TEST_* choose the device (support.h); with CLMP_TEST_SMALL small rows only
 *        matrix           lists the devices: platform, a tab, device
 *
 * CLMP_TEST_REFERENCE set: the plain C reference computes instead of a device, all but what is only counted.
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part { ALL, LOSSES, RESULT, WEIGHTS, GRADIENT, LABEL_COUNTS, PREDICTIONS };
enum shape { SMALL, LARGE, INTERPOLATED, OF_LOSSES, BINARY };

static const struct row {
    const char *name;
    enum part part;
    enum shape shape;
    clmp_solver solver;
    clmp_scope scope;
    clmp_loss loss;
    clmp_weighting weighting;
    clmp_sampling sampling;
    clmp_float_type type;
    clmp_layout layout;
    clmp_label_type labels;
    double p; /* 0: the default */
    double label_smoothing;
    bool weighed; /* by class weights */
} rows[] = {
    {"loss", .part = LOSSES},
    {"threshold by search", .part = RESULT},
    {"threshold by sort", .part = RESULT, .solver = CLMP_SOLVER_SORT},
    {"weights", .part = WEIGHTS},
    {"gradient", .part = GRADIENT},
    {"large loss", .part = LOSSES, .shape = LARGE},
    {"large threshold by search", .part = RESULT, .shape = LARGE},
    {"large threshold by sort", .part = RESULT, .shape = LARGE, .solver = CLMP_SOLVER_SORT},
    {"large weights", .part = WEIGHTS, .shape = LARGE},
    {"large gradient", .part = GRADIENT, .shape = LARGE},
    {"from losses by search", .shape = OF_LOSSES},
    {"from losses by sort", .shape = OF_LOSSES, .solver = CLMP_SOLVER_SORT},
    {"from losses, images", .shape = OF_LOSSES, .scope = CLMP_SCOPE_IMAGE},
    {"p 1", .p = 1.0},
    {"p 1.05", .p = 1.05},
    {"p infinity", .p = INFINITY},
    {"images", .scope = CLMP_SCOPE_IMAGE},
    {"class weights", .weighed = true},
    {"interpolated", .shape = INTERPOLATED},
    {"interpolated by sort", .shape = INTERPOLATED, .solver = CLMP_SOLVER_SORT},
    {"interpolated, images", .shape = INTERPOLATED, .scope = CLMP_SCOPE_IMAGE, .weighed = true},
    {"interpolated, float16", .shape = INTERPOLATED, .type = CLMP_FLOAT16},
    {"label smoothing", .label_smoothing = 0.1},
    {"focal", .loss = CLMP_LOSS_FOCAL},
    {"focal, interpolated", .loss = CLMP_LOSS_FOCAL, .shape = INTERPOLATED},
    {"binary cross-entropy", .loss = CLMP_LOSS_BINARY_CROSS_ENTROPY, .shape = BINARY},
    {"binary focal", .loss = CLMP_LOSS_BINARY_FOCAL, .shape = BINARY},
    {"uniform", .weighting = CLMP_WEIGHTING_UNIFORM},
    {"topk", .weighting = CLMP_WEIGHTING_TOPK},
    {"ohem", .weighting = CLMP_WEIGHTING_OHEM},
    {"ohem, class weights", .weighting = CLMP_WEIGHTING_OHEM, .weighed = true},
    {"balanced, even", .weighting = CLMP_WEIGHTING_BALANCED},
    {"balanced, under", .weighting = CLMP_WEIGHTING_BALANCED, .sampling = CLMP_SAMPLING_UNDER},
    {"balanced, over", .weighting = CLMP_WEIGHTING_BALANCED, .sampling = CLMP_SAMPLING_OVER},
    {"float16", .type = CLMP_FLOAT16},
    {"bfloat16", .type = CLMP_BFLOAT16},
    {"float32, NHWC", .layout = CLMP_LAYOUT_NHWC},
    {"float16, NHWC", .type = CLMP_FLOAT16, .layout = CLMP_LAYOUT_NHWC},
    {"bfloat16, NHWC", .type = CLMP_BFLOAT16, .layout = CLMP_LAYOUT_NHWC},
    {"labels of int32", .labels = CLMP_LABEL_INT32},
    {"labels of int64", .labels = CLMP_LABEL_INT64},
    {"labels of uint16", .labels = CLMP_LABEL_UINT16},
    {"label counts", .part = LABEL_COUNTS},
    {"predictions", .part = PREDICTIONS},
    {"predictions, interpolated", .part = PREDICTIONS, .shape = INTERPOLATED},
};
enum { ROWS = sizeof rows / sizeof *rows, CLASSES = 5 };

static const char *folder;

/* The inputs are the same on every device, and of every row with the same shape: names of streams do not change. */
static struct problem *problem_of_row(const struct row *row) {
    struct problem *problem = row->shape == OF_LOSSES      ? problem_of_losses(2, 9, 23)
                              : row->shape == INTERPOLATED ? problem_upsampled(2, CLASSES, 4, 3, 13, 11, row->labels)
                              : row->shape == BINARY       ? problem_of_binary(2, 3, 5, 11, row->labels)
                              : row->shape == LARGE        ? problem_of_logits(2, 19, 127, 255, row->labels)
                                                           : problem_of_logits(2, CLASSES, 7, 19, row->labels);
    clmp_plan_params *params = &problem->in.params;
    struct rng rng = rng_for("matrix", (uint64_t)row->shape);
    if (row->shape == OF_LOSSES)
        fill_losses(problem, LOSSES_UNCLEAN, &rng);
    else if (row->shape == INTERPOLATED)
        fill_logits_upsampled(problem, &rng);
    else
        fill_logits(problem, &rng);
    if (row->shape != OF_LOSSES && row->shape != INTERPOLATED)
        spoil(problem, &rng);
    for (uint64_t i = 0; i < problem->elements; i++)
        problem->logits[i] = stored_round(row->type, problem->logits[i]);
    params->scope = row->scope;
    params->loss = row->loss;
    params->weighting = row->weighting;
    params->sampling = row->sampling;
    params->logits_type = row->type;
    params->logits_layout = row->layout;
    params->label_smoothing = row->label_smoothing;
    params->ohem_min_kept = 20;
    if (row->p != 0.0)
        params->p = row->p;
    if (row->weighed) {
        for (uint64_t c = 0; c < params->classes; c++)
            problem->class_weights[c] = 0.25f + 0.5f * (float)c;
        params->class_weights = problem->class_weights;
    }
    return problem;
}

/* The entries that count. */
static void count(const struct row *row, const struct problem *problem, FILE *file) {
    const bool labels = row->part == LABEL_COUNTS;
    const size_t length = labels ? CLMP_LABEL_COUNTS(CLASSES) : CLMP_CONFUSION(CLASSES);
    const struct run run = {.internal_workspace = true};
    const cl_command_queue queue = test_device()->queue;
    uint64_t counts[CLMP_CONFUSION(CLASSES)] = {0};
    struct problem counted = *problem;
    struct device_buffers buffers;
    cl_int error = CL_SUCCESS;
    if (labels)
        counted.in.params.input = CLMP_INPUT_LABELS;
    clmp_plan *plan = plan_of(&counted, &run);
    buffers_make(&buffers, problem, plan, &run);
    cl_mem mem =
        clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof counts, counts, &error);
    ck_cl(error);
    buffers.use.label_counts.mem = buffers.use.confusion.mem = mem;
    ck_status((labels ? clmp_enqueue_label_counts : clmp_enqueue_confusion)(plan, queue, &buffers.use, 0, NULL, NULL),
              CLMP_OK);
    ck_cl(clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, sizeof counts, counts, 0, NULL, NULL));
    ck_assert(fwrite(counts, sizeof *counts, length, file) == length);
    ck_cl(clReleaseMemObject(mem));
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
}

static void write_floats(const float *values, uint64_t count, FILE *file) {
    ck_assert(values == NULL || fwrite(values, sizeof *values, count, file) == count);
}

static void solve(const struct row *row, const struct problem *problem, FILE *file) {
    const struct run run = {.solver = row->solver};
    const bool reference = getenv("CLMP_TEST_REFERENCE") != NULL;
    struct outputs *out = reference ? run_reference(problem) : run_device(problem, &run);
    for (uint64_t i = 0; reference && out->gradient != NULL && i < problem->elements; i++)
        out->gradient[i] = stored_round(row->type, out->gradient[i]);
    if (row->part == ALL || row->part == LOSSES)
        write_floats(out->losses, problem->pixels, file);
    if (row->part == ALL || row->part == RESULT)
        ck_assert(fwrite(out->result, sizeof *out->result, out->records, file) == out->records);
    if (row->part == ALL || row->part == WEIGHTS)
        write_floats(out->weights, problem->pixels, file);
    if (row->part == ALL || row->part == GRADIENT)
        write_floats(out->gradient, problem->elements, file);
    outputs_free(out);
}

/* Which device it is, for the script to tell. */
static void tell_device(void) {
    char name[256] = "";
    cl_uint units = 0;
    clGetDeviceInfo(test_device()->id, CL_DEVICE_NAME, sizeof name, name, NULL);
    clGetDeviceInfo(test_device()->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    printf("device: %s, compute units: %u\n", name, (unsigned)units);
}

START_TEST(row_is_computed) {
    const struct row *row = &rows[_i];
    const bool counts = row->part == LABEL_COUNTS || row->part == PREDICTIONS;
    char path[4096];
    if (_i == 0 && getenv("CLMP_TEST_REFERENCE") == NULL)
        tell_device();
    if ((row->shape == LARGE && test_small()) || (counts && getenv("CLMP_TEST_REFERENCE") != NULL))
        return;
    struct problem *problem = problem_of_row(row);
    snprintf(path, sizeof path, "%s/%02d %s", folder, _i, row->name);
    FILE *file = fopen(path, "w");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    if (counts)
        count(row, problem, file);
    else
        solve(row, problem, file);
    ck_assert(fclose(file) == 0);
    problem_free(problem);
}
END_TEST

static int list(void) {
    enum { MOST = 64 };
    clmp_device_info *infos = calloc(MOST, sizeof *infos);
    size_t count = 0;
    if (infos == NULL || clmp_list_devices(infos, MOST, &count) != CLMP_OK)
        return EXIT_FAILURE;
    for (size_t i = 0; i < count && i < MOST; i++)
        if (infos[i].supported)
            printf("%s\t%s\n", infos[i].platform_name, infos[i].name);
    free(infos);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc != 2)
        return list();
    folder = argv[1];
    Suite *suite = suite_create("matrix");
    TCase *tcase = add_case(suite, "rows", "full");
    tcase_add_loop_test(tcase, row_is_computed, 0, ROWS);
    return getenv("CLMP_TEST_REFERENCE") != NULL ? host_test_main(suite) : test_main(suite);
}

/*
 * A compiler has nothing to say of the library's kernels, although they are compiled with -w: here that is left out,
 * and warnings are errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Defines two functions of OpenCL once more, for the library to find first.  Of other compilers than PoCL's, which is
 * clang, nothing is known.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "support.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool strict;
static int built;

/* Not -Wpsabi: that a vector of 16 is passed in another way without AVX-512 is no fault.  Kernels have parameters, and
 * headers functions, that some of their variants do not use. */
static const char pragmas[] = "#pragma clang diagnostic error \"-Wall\"\n"
                              "#pragma clang diagnostic error \"-Wextra\"\n"
                              "#pragma clang diagnostic error \"-Wexpansion-to-defined\"\n"
                              "#pragma clang diagnostic ignored \"-Wpsabi\"\n"
                              "#pragma clang diagnostic ignored \"-Wunused-parameter\"\n"
                              "#pragma clang diagnostic ignored \"-Wunused-function\"\n";

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char **texts, const size_t *lengths,
                                     cl_int *error) {
    __typeof__(&clCreateProgramWithSource) real;
    *(void **)&real = dlsym(RTLD_NEXT, "clCreateProgramWithSource");
    if (!strict || count != 1 || lengths == NULL)
        return real(context, count, texts, lengths, error);
    return real(context, 2, (const char *[]){pragmas, texts[0]}, (const size_t[]){strlen(pragmas), lengths[0]}, error);
}

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
                      void(CL_CALLBACK *done)(cl_program, void *), void *user) {
    char own[2048] = "";
    __typeof__(&clBuildProgram) real;
    *(void **)&real = dlsym(RTLD_NEXT, "clBuildProgram");
    const char *quiet = strict ? strstr(options, " -w ") : NULL;
    if (quiet != NULL) {
        snprintf(own, sizeof own, "%.*s %s", (int)(quiet - options), options, quiet + 4);
        ++built;
    }
    const cl_int error = real(program, count, devices, quiet != NULL ? own : options, done, user);
    char words[4096] = "";
    if (error != CL_SUCCESS && devices != NULL) {
        (void)clGetProgramBuildInfo(program, devices[0], CL_PROGRAM_BUILD_LOG, sizeof words - 1, words, NULL);
        printf("%s\n", words);
    }
    return error;
}

/* What chooses macros, each with several others; what does not go together is refused. */
static void make_plan(clmp_plan_params params) {
    clmp_plan *plan = NULL;
    const clmp_status status = clmp_plan_create(test_device()->context, &params, &plan);
    ck_assert_msg(status == CLMP_OK || status == CLMP_INVALID_ARGUMENT, "%s: %s", clmp_status_name(status), last_log());
    clmp_plan_destroy(plan);
}

static clmp_plan_params params_of(int classes) {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = (uint64_t)classes;
    params.height = 8;
    params.width = 16;
    return params;
}

static const int widths[] = {1, 4, 16};

START_TEST(losses_and_weightings) {
    for (int loss = 0; loss < 4; loss++)
        for (int weighting = 0; weighting < 5; weighting++) {
            clmp_plan_params params = params_of(5);
            params.loss = (clmp_loss)loss;
            params.weighting = (clmp_weighting)weighting;
            params.solver = weighting % 2 == 0 ? CLMP_SOLVER_SORT : CLMP_SOLVER_SEARCH;
            params.scope = (loss + weighting) % 2 == 0 ? CLMP_SCOPE_BATCH : CLMP_SCOPE_IMAGE;
            params.tuning.vector_width = (uint32_t)widths[(loss + weighting) % 3];
            make_plan(params);
        }
}
END_TEST

START_TEST(types_and_layouts) {
    for (int type = 0; type < 3; type++)
        for (int layout = 0; layout < 2; layout++)
            for (int label = 0; label < 4; label++) {
                clmp_plan_params params = params_of(label % 2 == 0 ? 3 : 40);
                params.logits_type = (clmp_float_type)type;
                params.logits_layout = (clmp_layout)layout;
                params.label_type = (clmp_label_type)label;
                params.tuning.vector_width = (uint32_t)widths[label % 3];
                make_plan(params);
            }
}
END_TEST

START_TEST(interpolation_and_counts) {
    for (int loss = 0; loss < 4; loss++) {
        clmp_plan_params params = params_of(5);
        params.loss = (clmp_loss)loss;
        params.logits_height = 3;
        params.logits_width = 5;
        params.tuning.vector_width = (uint32_t)widths[loss % 3];
        make_plan(params);
    }
    clmp_plan_params params = params_of(5);
    params.input = CLMP_INPUT_LABELS;
    make_plan(params);
    params.input = CLMP_INPUT_LOSSES;
    make_plan(params);
    params.tuning.chunks = 4; /* that share a set of bins */
    params.tuning.bin_sets = 1;
    for (uint32_t place = 1; place <= 2; place++)
        for (uint32_t group = 1; group <= 16; group *= 16) {
            params.tuning.bin_memory = place;
            params.tuning.bin_group = group;
            make_plan(params);
        }
}
END_TEST

/* A warning is an error here, or the other tests held nothing. */
START_TEST(a_warning_is_an_error) {
    static const char source[] = "kernel void f(global int *x) { int unused; x[0] = 1; }\n";
    const size_t length = strlen(source);
    cl_int error = CL_SUCCESS;
    cl_program program = clCreateProgramWithSource(test_device()->cl, 1, (const char *[]){source}, &length, &error);
    ck_cl(error);
    ck_assert_int_eq(clBuildProgram(program, 1, &test_device()->id, "-cl-std=CL1.2 -w ", NULL, NULL),
                     CL_BUILD_PROGRAM_FAILURE);
    ck_cl(clReleaseProgram(program));
    ck_assert_int_gt(built, 20);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("strict");
    TCase *tcase = add_case(suite, "warnings", "full");
    strict = true;
    tcase_add_test(tcase, losses_and_weightings);
    tcase_add_test(tcase, types_and_layouts);
    tcase_add_test(tcase, interpolation_and_counts);
    tcase_add_test(tcase, a_warning_is_an_error);
    return test_main(suite);
}

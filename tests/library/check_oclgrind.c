/*
 * Whether Oclgrind finds what it is there to find: a kernel with one fault, or none, by the program's argument.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   written  reads what the host wrote in pieces, filled and copied: nothing to report, though Oclgrind alone would
 *   part     reads behind what the host wrote
 *   poison   reads a word of TEST_POISON, as tests leave it where a result or a workspace is to be
 *   new      reads a buffer that nothing wrote, at the place of one that was written and released
 *   race     writes a word from two work-items
 */
#include "support.h"

#include <string.h>

enum { WORDS = 16 };

static const char *const source = "kernel void positive(global const uint *from, global uint *to) {\n"
                                  "    if (from[get_global_id(0)] > 0)\n"
                                  "        to[get_global_id(0)] = 1;\n"
                                  "}\n"
                                  "kernel void all_to_one(global const uint *from, global uint *to) {\n"
                                  "    to[0] = get_global_id(0);\n"
                                  "}\n";

static const char *fault;

static bool is(const char *name) {
    return strcmp(fault, name) == 0;
}

static cl_mem memory_of(cl_uint words) {
    cl_int error = CL_SUCCESS;
    cl_mem memory = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE, words * sizeof(cl_uint), NULL, &error);
    ck_cl(error);
    return memory;
}

static void write_words(cl_mem memory, size_t at, size_t count, cl_uint value) {
    cl_uint words[WORDS];
    for (size_t i = 0; i < count; i++)
        words[i] = value;
    ck_cl(clEnqueueWriteBuffer(test_device()->queue, memory, CL_TRUE, at * sizeof *words, count * sizeof *words, words,
                               0, NULL, NULL));
}

static void run_kernel(const char *name, cl_mem from, cl_mem to) {
    const size_t items = WORDS;
    cl_int error = CL_SUCCESS;
    cl_program program = clCreateProgramWithSource(test_device()->cl, 1, (const char **)&source, NULL, &error);
    ck_cl(error);
    ck_cl(clBuildProgram(program, 0, NULL, "", NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, name, &error);
    ck_cl(error);
    ck_cl(clSetKernelArg(kernel, 0, sizeof from, &from));
    ck_cl(clSetKernelArg(kernel, 1, sizeof to, &to));
    ck_cl(clEnqueueNDRangeKernel(test_device()->queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL));
    ck_cl(clFinish(test_device()->queue));
    ck_cl(clReleaseKernel(kernel));
    ck_cl(clReleaseProgram(program));
}

START_TEST(fault_is_there) {
    const cl_uint zero = 0;
    cl_mem other = memory_of(4), to = memory_of(WORDS);
    write_words(other, 0, 4, 1);
    ck_cl(clReleaseMemObject(other));
    cl_mem from = memory_of(WORDS), copied = memory_of(WORDS); /* larger than what was released */
    ck_cl(clEnqueueFillBuffer(test_device()->queue, to, &zero, sizeof zero, 0, WORDS * sizeof zero, 0, NULL, NULL));
    if (!is("new")) {
        write_words(from, 0, 4, 0);
        if (!is("part"))
            write_words(from, 4, WORDS - 4, 7);
        if (is("poison"))
            write_words(from, 5, 1, TEST_POISON);
    }
    ck_cl(clEnqueueCopyBuffer(test_device()->queue, from, copied, 0, 0, WORDS * sizeof(cl_uint), 0, NULL, NULL));
    run_kernel(is("race") ? "all_to_one" : "positive", copied, to);
    ck_cl(clReleaseMemObject(from));
    ck_cl(clReleaseMemObject(copied));
    ck_cl(clReleaseMemObject(to));
}
END_TEST

int main(int argc, char **argv) {
    fault = argc == 2 ? argv[1] : "written";
    Suite *suite = suite_create("oclgrind");
    tcase_add_test(add_case(suite, "fault", "small"), fault_is_there);
    return test_main(suite);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_peak.h"

#include <stdio.h>

/* 32 work-groups of 64 for each compute unit: as many work-items as those of the largest GPUs run at once. */
enum { CHAINS = 8, ROUNDS = 2048, GROUP = 64, UNIT_ITEMS = 32 * GROUP, RUNS = 9 };

/* Eight chains, since one alone waits for itself; all are used, or the compiler would drop them. */
static const char source[] =
    "kernel void peak(global FLOATV *to, float a, float b) {\n"
    "    FLOATV x[8];\n"
    "    for (int k = 0; k < 8; ++k) x[k] = (FLOATV)((float)get_global_id(0) + k);\n"
    "    for (int i = 0; i < 2048; ++i) {\n"
    "        x[0] = fma(x[0], (FLOATV)a, (FLOATV)b); x[1] = fma(x[1], (FLOATV)a, (FLOATV)b);\n"
    "        x[2] = fma(x[2], (FLOATV)a, (FLOATV)b); x[3] = fma(x[3], (FLOATV)a, (FLOATV)b);\n"
    "        x[4] = fma(x[4], (FLOATV)a, (FLOATV)b); x[5] = fma(x[5], (FLOATV)a, (FLOATV)b);\n"
    "        x[6] = fma(x[6], (FLOATV)a, (FLOATV)b); x[7] = fma(x[7], (FLOATV)a, (FLOATV)b);\n"
    "    }\n"
    "    to[get_global_id(0)] = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));\n"
    "}\n";

struct call {
    const bench_device *device;
    cl_kernel kernel;
    size_t items;
};

static enum bench_status run_peak(void *user, uint64_t turn, cl_event *event) {
    const struct call *of = user;
    const size_t global = of->items, local = GROUP;
    (void)turn;
    const cl_int error =
        clEnqueueNDRangeKernel(of->device->queue, of->kernel, 1, NULL, &global, &local, 0, NULL, event);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(of->device, "clEnqueueNDRangeKernel", error);
}

static enum bench_status measure(const bench_device *device, cl_kernel kernel, size_t items, uint32_t width,
                                 double *gflops) {
    struct call of = {device, kernel, items};
    *gflops = 0.0;
    for (int i = 0; i < RUNS; ++i) {
        bench_time time = {0.0, 0.0};
        const enum bench_status status = bench_measure(device, run_peak, &of, 0, 1, &time);
        if (status != BENCH_OK)
            return status;
        const double now = 2.0 * CHAINS * ROUNDS * (double)items * width / (time.ms * 1e6);
        if (i > 0 && now > *gflops) /* the first one may compile */
            *gflops = now;
    }
    return BENCH_OK;
}

enum bench_status bench_peak(const bench_device *device, uint32_t width, double *gflops) {
    const char *text = source;
    const float a = 0.999f, b = 0.001f;
    const size_t items = (device->info.compute_units > 0 ? device->info.compute_units : 1) * (size_t)UNIT_ITEMS;
    char options[64];
    cl_int error = CL_SUCCESS;
    cl_kernel kernel = NULL;
    snprintf(options, sizeof options, width > 1 ? "-w -DFLOATV=float%u" : "-w -DFLOATV=float", (unsigned)width);
    cl_program program = clCreateProgramWithSource(device->cl, 1, &text, NULL, &error);
    cl_mem to = error == CL_SUCCESS
                    ? clCreateBuffer(device->cl, CL_MEM_READ_WRITE, items * width * sizeof(float), NULL, &error)
                    : NULL;
    if (error == CL_SUCCESS)
        error = clBuildProgram(program, 1, &device->info.device, options, NULL, NULL);
    if (error == CL_SUCCESS)
        kernel = clCreateKernel(program, "peak", &error);
    if (error == CL_SUCCESS)
        error = clSetKernelArg(kernel, 0, sizeof to, &to);
    if (error == CL_SUCCESS)
        error = clSetKernelArg(kernel, 1, sizeof a, &a);
    if (error == CL_SUCCESS)
        error = clSetKernelArg(kernel, 2, sizeof b, &b);
    const enum bench_status status = error == CL_SUCCESS ? measure(device, kernel, items, width, gflops)
                                                         : bench_cl_failed(device, "the kernel for peak", error);
    if (kernel != NULL)
        clReleaseKernel(kernel);
    if (to != NULL)
        clReleaseMemObject(to);
    if (program != NULL)
        clReleaseProgram(program);
    return status;
}

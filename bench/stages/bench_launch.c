/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_launch.h"

enum { LAUNCHES = 200, RUNS = 5 };

struct call {
    const bench_device *device;
    cl_kernel kernel;
};

static enum bench_status run_launch(void *user, uint64_t turn, cl_event *event) {
    const struct call *of = user;
    const size_t one = 1;
    (void)turn;
    const cl_int error = clEnqueueNDRangeKernel(of->device->queue, of->kernel, 1, NULL, &one, &one, 0, NULL, event);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(of->device, "clEnqueueNDRangeKernel", error);
}

static enum bench_status measure(const bench_device *device, cl_kernel kernel, bench_time *each) {
    struct call of = {device, kernel};
    for (int i = 0; i < RUNS; ++i) {
        bench_time time = {0.0, 0.0};
        const enum bench_status status = bench_measure(device, run_launch, &of, 0, LAUNCHES, &time);
        if (status != BENCH_OK)
            return status;
        if (i < 2 || time.wall < each->wall) /* the first one may compile */
            *each = time;
    }
    return BENCH_OK;
}

enum bench_status bench_launch(const bench_device *device, bench_time *each) {
    const char *text = "kernel void nothing(global uint *to) { to[get_global_id(0)] = 0; }\n";
    cl_int error = CL_SUCCESS;
    cl_kernel kernel = NULL;
    *each = (bench_time){0.0, 0.0};
    cl_program program = clCreateProgramWithSource(device->cl, 1, &text, NULL, &error);
    if (error == CL_SUCCESS)
        error = clBuildProgram(program, 1, &device->info.device, "-w", NULL, NULL);
    if (error == CL_SUCCESS)
        kernel = clCreateKernel(program, "nothing", &error);
    if (error == CL_SUCCESS)
        error = clSetKernelArg(kernel, 0, sizeof device->stamp, &device->stamp);
    const enum bench_status status =
        error == CL_SUCCESS ? measure(device, kernel, each) : bench_cl_failed(device, "the kernel for a launch", error);
    if (kernel != NULL)
        clReleaseKernel(kernel);
    if (program != NULL)
        clReleaseProgram(program);
    return status;
}

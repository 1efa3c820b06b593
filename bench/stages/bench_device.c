/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_device.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Some runtimes report event times that mean nothing (1 ns, say).  A copy of this size takes a while everywhere. */
#define PROBE_BYTES ((size_t)64 << 20)
#define FAKE_SHARE 0.02 /* of the wall time, below which an event time is no time */

void bench_log(void *user, const char *message) {
    static const char variable[] = "CLMP_TUNING";
    const size_t length = sizeof variable - 1;
    const bool named = user != NULL && strncmp(message, variable, length) == 0;
    bench_progress("%s", "");
    fprintf(stderr, "clmp-bench: %s%s\n", named ? (const char *)user : "", message + (named ? length : 0));
}

enum bench_status bench_cl_failed(const bench_device *device, const char *function, cl_int error) {
    return bench_fail(BENCH_DEVICE_FAILED, "%s failed on %s (%d)", function, device->info.name, (int)error);
}

double bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

struct probe {
    const bench_device *device;
    cl_mem from, to;
};

static enum bench_status copy_probe(void *user, uint64_t turn, cl_event *event) {
    const struct probe *probe = user;
    (void)turn;
    const cl_int error =
        clEnqueueCopyBuffer(probe->device->queue, probe->from, probe->to, 0, 0, PROBE_BYTES, 0, NULL, event);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(probe->device, "clEnqueueCopyBuffer", error);
}

static enum bench_status probe_events(bench_device *device) {
    cl_int error = CL_SUCCESS;
    struct probe probe = {device, NULL, NULL};
    probe.from = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, PROBE_BYTES, NULL, &error);
    if (error == CL_SUCCESS)
        probe.to = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, PROBE_BYTES, NULL, &error);
    enum bench_status status = error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(device, "clCreateBuffer", error);
    bench_time time = {0.0, 0.0};
    for (int i = 0; i < 3 && status == BENCH_OK; ++i) /* the first ones are slow */
        status = bench_measure(device, copy_probe, &probe, 0, 1, &time);
    if (time.ms < FAKE_SHARE * time.wall)
        device->events = false;
    if (probe.from != NULL)
        clReleaseMemObject(probe.from);
    if (probe.to != NULL)
        clReleaseMemObject(probe.to);
    return status;
}

enum bench_status bench_device_open(const clmp_device_info *info, bench_device *device) {
    cl_int error = CL_SUCCESS;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)info->platform, 0};
    *device = (bench_device){.info = *info, .events = true};
    (void)clGetDeviceInfo(info->device, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof device->cache, &device->cache, NULL);
    device->cl = clCreateContext(properties, 1, &info->device, NULL, NULL, &error);
    if (error != CL_SUCCESS)
        return bench_cl_failed(device, "clCreateContext", error);
    device->queue = clCreateCommandQueue(device->cl, info->device, CL_QUEUE_PROFILING_ENABLE, &error);
    if (error != CL_SUCCESS) {
        device->events = false;
        device->queue = clCreateCommandQueue(device->cl, info->device, 0, &error);
    }
    if (error != CL_SUCCESS)
        return bench_cl_failed(device, "clCreateCommandQueue", error);
    device->stamp = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, sizeof(cl_uint), NULL, &error);
    if (error != CL_SUCCESS)
        return bench_cl_failed(device, "clCreateBuffer", error);
    return probe_events(device);
}

void bench_device_close(bench_device *device) {
    if (device->queue != NULL)
        clFinish(device->queue); /* after a failure something may still run */
    if (device->stamp != NULL)
        clReleaseMemObject(device->stamp);
    if (device->queue != NULL)
        clReleaseCommandQueue(device->queue);
    if (device->cl != NULL)
        clReleaseContext(device->cl);
    *device = (bench_device){.events = false};
}

/* Milliseconds from the end of one command to that of another; 0 if the device cannot tell. */
static double between(cl_event first, cl_event last) {
    cl_ulong begin = 0, end = 0;
    if (clGetEventProfilingInfo(first, CL_PROFILING_COMMAND_END, sizeof begin, &begin, NULL) != CL_SUCCESS ||
        clGetEventProfilingInfo(last, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) != CL_SUCCESS || end < begin)
        return 0.0;
    return (double)(end - begin) * 1e-6;
}

enum bench_status bench_measure(const bench_device *device, bench_call call, void *user, uint64_t turn, size_t batch,
                                bench_time *time) {
    const cl_uint zero = 0;
    cl_event first = NULL, last = NULL;
    cl_int error = clFinish(device->queue);
    if (error != CL_SUCCESS)
        return bench_cl_failed(device, "clFinish", error);
    const double begin = bench_now();
    error = clEnqueueFillBuffer(device->queue, device->stamp, &zero, sizeof zero, 0, sizeof zero, 0, NULL, &first);
    if (error != CL_SUCCESS)
        return bench_cl_failed(device, "clEnqueueFillBuffer", error);
    enum bench_status status = BENCH_OK;
    for (size_t i = 0; i < batch && status == BENCH_OK; ++i)
        status = call(user, turn + i, i + 1 == batch ? &last : NULL);
    error = clFinish(device->queue);
    const double end = bench_now();
    if (status == BENCH_OK && error != CL_SUCCESS)
        status = bench_cl_failed(device, "clFinish", error);
    if (status == BENCH_OK) {
        time->wall = (end - begin) / (double)batch;
        time->ms = device->events ? between(first, last) / (double)batch : time->wall;
    }
    clReleaseEvent(first);
    if (last != NULL)
        clReleaseEvent(last);
    return status;
}

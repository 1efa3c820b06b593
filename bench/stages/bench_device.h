/*
 * One device, with a context and a queue of its own, and time on it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_BENCH_DEVICE_H
#define CLMP_BENCH_DEVICE_H

#include "bench.h"

typedef struct bench_device {
    clmp_device_info info;
    cl_ulong cache; /* bytes; 0: not told */
    cl_context cl;
    cl_command_queue queue; /* in-order, with profiling where `events` */
    cl_mem stamp;           /* 4 bytes, written before what is measured: its end is when that begins */
    bool events;            /* event times can be trusted; else there is wall time only */
} bench_device;

/* The log callback of every clmp_context: one line each on standard error.  `user`: what to call CLMP_TUNING, or NULL.
 */
void bench_log(void *user, const char *message);

/* Finds out, too, whether event times are real.  To be closed even if it fails. */
enum bench_status bench_device_open(const clmp_device_info *info, bench_device *device);
void bench_device_close(bench_device *device);

/* An OpenCL call failed. */
enum bench_status bench_cl_failed(const bench_device *device, const char *function, cl_int error);

/* Milliseconds for one call, on the device and from the host's view. */
typedef struct bench_time {
    double ms;   /* by events, or by the wall where events are no use */
    double wall; /* by the host's clock */
} bench_time;

/* Milliseconds of the host's clock, from some moment on. */
double bench_now(void);

/* Enqueues something once; `turn` counts the calls.  event may be NULL. */
typedef enum bench_status (*bench_call)(void *user, uint64_t turn, cl_event *event);

/*
 * Waits until the device is idle, then makes `batch` calls in a row.  Time runs from the end of the stamp to the end of
 * the last call.
 */
enum bench_status bench_measure(const bench_device *device, bench_call call, void *user, uint64_t turn, size_t batch,
                                bench_time *time);

#endif

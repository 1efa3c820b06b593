/* A device, its log and its programs, shared by plans.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CONTEXT_H
#define CLMP_CONTEXT_H

#include "core/device.h"
#include "core/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

struct clmp_program;

struct clmp_context {
    atomic_int holders; /* the caller, and every plan */
    cl_context cl;
    cl_device_id device;
    struct clmp_device_facts facts;
    struct clmp_log log;
    char *cache_folder; /* NULL: none */
    pid_t process;      /* OpenCL objects do not survive a fork */
    pthread_mutex_t lock;
    struct clmp_program *programs; /* under lock */
};

void clmp_context_retain(clmp_context *context);

/* Whether this is the process that the context was made in, and not one forked from it. */
bool clmp_context_is_ours(const clmp_context *context);

/* Refuses in a process that was forked after the context was made: OpenCL would hang there. */
clmp_status clmp_context_check(const clmp_context *context);

#endif

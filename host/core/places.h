/* What a caller hands over for a step: buffers, a queue, events.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PLACES_H
#define CLMP_PLACES_H

#include "core/log.h"

/* What kernels do with a buffer, in bits. */
enum clmp_access { CLMP_READ = 1, CLMP_WRITE = 2, CLMP_READ_WRITE = 3 };

/* One buffer of a step, and where it lies: sub-buffers lie in a root buffer. */
struct clmp_place {
    const char *name;
    clmp_buffer buffer;
    uint64_t size; /* bytes that are read or written */
    size_t align;  /* of the offset, in bytes */
    bool needed;
    enum clmp_access access;
    cl_mem root; /* found by the check, as is `begin` */
    size_t begin;
};

/* Checks each place: present, of the OpenCL context, aligned, large enough. */
clmp_status clmp_places_check(struct clmp_place *places, size_t count, cl_context cl, const struct clmp_log *log);

/* The first two places that were checked and overlap, and one of them written; the pair (`from`, `to`) may.  False:
 * there are none. */
bool clmp_places_overlap(const struct clmp_place *places, size_t count, size_t from, size_t to, size_t *a, size_t *b);

/* Whether the queue is one of the OpenCL context and device. */
clmp_status clmp_check_queue(cl_command_queue queue, cl_context wanted, cl_device_id wanted_device,
                             const struct clmp_log *log);

clmp_status clmp_check_wait(cl_uint count, const cl_event *wait, const struct clmp_log *log);

#endif

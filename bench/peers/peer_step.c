/*
 * A step as a C program makes it, for peers.py, which asks what Python's call on arrays costs beyond that.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A peer for peers.py, not part of the library.  Buffers are made, logits and labels are there; what is left is to
 * enqueue the step, and to wait for its record.  Both functions are the caller's, so that this needs neither library.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clmp/clmp.h>
#include <stddef.h>

typedef clmp_status (*peer_enqueue)(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                    cl_uint wait_count, const cl_event *wait, cl_event *event);
typedef cl_int (*peer_read)(cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t size, void *to,
                            cl_uint wait_count, const cl_event *wait_list, cl_event *event);

int peer_step(peer_enqueue enqueue, peer_read read, clmp_plan *plan, cl_command_queue queue,
              const clmp_buffers *buffers, clmp_result *record);

/*
 * enqueue: clmp_enqueue_gradient().  read: clEnqueueReadBuffer().  record: where the record goes.  0, or an error of
 * either.
 */
__attribute__((visibility("default"))) int peer_step(peer_enqueue enqueue, peer_read read, clmp_plan *plan,
                                                     cl_command_queue queue, const clmp_buffers *buffers,
                                                     clmp_result *record) {
    const clmp_status status = enqueue(plan, queue, buffers, 0, NULL, NULL);
    if (status != CLMP_OK)
        return (int)status;
    return (int)read(queue, buffers->result.mem, CL_TRUE, buffers->result.offset, sizeof *record, record, 0, NULL,
                     NULL);
}

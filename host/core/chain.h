/* Commands one after another on a caller's queue, and kernels' arguments.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_CHAIN_H
#define CLMP_CHAIN_H

#include "core/log.h"

#define CLMP_OWN_WAIT 16

/* The first command waits for the caller's events, each other one for the one before it, whatever the queue's order. */
struct clmp_chain {
    const struct clmp_log *log;
    cl_command_queue queue;
    cl_uint wait_count; /* of the first command */
    const cl_event *wait;
    cl_event last;               /* of the last command, held; NULL before the first */
    cl_event own[CLMP_OWN_WAIT]; /* what `wait` points to, where that is longer than the caller's list */
};

/* What the next command waits for; and the next command's event, which the chain takes over. */
const cl_event *clmp_chain_wait(const struct clmp_chain *chain, cl_uint *count);
void clmp_chain_advance(struct clmp_chain *chain, cl_event event);

/* Has a chain without a command, which stays where it is from now on, wait for one event more.  Where that fails, it is
 * without a command still. */
clmp_status clmp_chain_also_wait(struct clmp_chain *chain, cl_event event);

/* Arguments of a kernel, typed: a size that is off goes unnoticed by some runtimes. */
struct clmp_arguments {
    cl_kernel kernel;
    cl_uint index;
    cl_int error;
};

struct clmp_arguments clmp_arguments_of(cl_kernel kernel);
void clmp_argument_mem(struct clmp_arguments *arguments, cl_mem mem);
void clmp_argument_ulong(struct clmp_arguments *arguments, cl_ulong value);
void clmp_argument_long(struct clmp_arguments *arguments, cl_long value);
void clmp_argument_uint(struct clmp_arguments *arguments, cl_uint value);
void clmp_argument_int(struct clmp_arguments *arguments, cl_int value);
void clmp_argument_float(struct clmp_arguments *arguments, cl_float value);

/* A buffer of floats, and its offset in floats. */
void clmp_argument_floats(struct clmp_arguments *arguments, clmp_buffer buffer);

/* Enqueues `items` work-items, rounded up to work-groups of `group`, for each of `rows`. */
clmp_status clmp_chain_launch(struct clmp_chain *chain, const struct clmp_arguments *arguments, uint64_t items,
                              uint64_t rows, uint32_t group);
/* The same for each row of each of `planes`. */
clmp_status clmp_chain_launch_planes(struct clmp_chain *chain, const struct clmp_arguments *arguments, uint64_t items,
                                     uint64_t rows, uint64_t planes, uint32_t group);

/* Wait until `size` bytes are on the host, or on the device. */
clmp_status clmp_chain_read(struct clmp_chain *chain, clmp_buffer buffer, size_t size, void *to);
clmp_status clmp_chain_write(struct clmp_chain *chain, clmp_buffer buffer, size_t size, const void *from);

/* Enqueues `size` bytes of zeros. */
clmp_status clmp_chain_clear(struct clmp_chain *chain, clmp_buffer buffer, size_t size);

#endif

/* Between faults.c, where calls arrive, and fault_limits.c, which knows the limits.  SPDX-License-Identifier:
 * Apache-2.0 */
#ifndef CLMP_TESTS_FAULT_LIMITS_H
#define CLMP_TESTS_FAULT_LIMITS_H

#include <CL/cl.h>
#include <stdbool.h>

/* Whether the answer is the limits'; it is written then. */
bool limit_platform_info(cl_platform_info what, size_t size, void *value, size_t *used, cl_int *status);
bool limit_device_info(cl_device_info what, size_t size, void *value, size_t *used, cl_int *status);

/* Changes an answer that was written. */
void limit_kernel_info(cl_kernel_work_group_info what, size_t size, void *value);

/* Why a launch or a buffer is refused, or CL_SUCCESS. */
cl_int limit_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *local);
cl_int limit_buffer(size_t size);
void limit_buffer_made(cl_mem mem, size_t size);
void limit_buffer_released(cl_mem mem);

/* What comes before a program's source; of several texts, the longest that they get. */
const char *limit_prelude(const char *text, size_t length);

#endif

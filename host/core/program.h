/* Programs built from the embedded kernel sources, kept by the context.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_PROGRAM_H
#define CLMP_PROGRAM_H

#include "core/context.h"

/*
 * A new kernel `kernel` of kernels/<source>.cl built with `macros`, as " -DNAME=1"; or of several such files in one
 * program, as far as kernels/meson.build joins them ("loss+gradient").  A program is built once for each pair of source
 * and macros, and kept until the context goes.  Thread-safe; builds of one context wait for each other.
 */
clmp_status clmp_kernel_create(clmp_context *context, const char *source, const char *macros, const char *kernel,
                               cl_kernel *out);

/* Called when the context goes; the OpenCL objects only where they are this process's. */
void clmp_programs_release(clmp_context *context, bool ours);

#endif

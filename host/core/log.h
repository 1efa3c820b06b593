/* Messages to the caller's log.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_LOG_H
#define CLMP_LOG_H

#include "clmp/clmp.h"

struct clmp_log {
    clmp_log_fn call; /* NULL: no log */
    void *user;
};

#if defined(__GNUC__)
#define CLMP_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLMP_PRINTF(text, first)
#endif

/* Tells the log, if there is one, and returns `status`. */
clmp_status clmp_fail(const struct clmp_log *log, clmp_status status, const char *format, ...) CLMP_PRINTF(3, 4);

/* The same for an OpenCL error of the function named; the status follows from the error. */
clmp_status clmp_fail_cl(const struct clmp_log *log, cl_int error, const char *function);

/* "CL_OUT_OF_RESOURCES" and so on. */
const char *clmp_cl_error_name(cl_int error);

#endif

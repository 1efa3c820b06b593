/*
 * A device with a queue, and buffers on it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_SESSION_H
#define CLMP_CLI_SESSION_H

#include "fail.h"

#include <clmp/clmp.h>

enum { SESSION_LOG = 1024 };

struct session {
    clmp_context *context;
    cl_command_queue queue; /* in-order */
    cl_event step;          /* of the last step that was enqueued; NULL: what it did is known */
    char device[128];       /* its name */
    const char *about;      /* the file that plans are for, for the line of a failure, or NULL; the caller's */
    char log[SESSION_LOG];  /* what the library said, for the line of a failure */
};

/* Opens the device that --device asks for; NULL: the library's choice. */
bool session_open(struct session *session, const char *wanted, struct failure *failure);

/* What the library said of a call that did not succeed.  Always false. */
bool session_failed(const struct session *session, clmp_status status, struct failure *failure);

/* A plan for the problem; one that the library refuses is bad input. */
bool session_plan(struct session *session, const clmp_plan_params *params, clmp_plan **plan, struct failure *failure);

/* A plan that is kept while one problem of a size follows another. */
struct kept_plan {
    clmp_plan *plan; /* to be destroyed */
    clmp_plan_params params;
};

/* The same for `kept`; params may differ from the last only in sizes, types and class weights. */
bool session_kept_plan(struct session *session, const clmp_plan_params *params, struct kept_plan *kept,
                       struct failure *failure);

/* A buffer of `size` bytes, filled from `bytes` unless that is NULL.  `what` is its name in a failure's line. */
bool session_buffer(struct session *session, const char *what, const void *bytes, uint64_t size, cl_mem *buffer,
                    struct failure *failure);

/*
 * What an enqueue gave: its status, and the event of its step, which becomes the session's.  A step that fails on the
 * device is a failure of the next session_stepped() or session_read().
 */
bool session_stepped(struct session *session, clmp_status status, cl_event event, struct failure *failure);

/* Reads a buffer from its start, after all that is enqueued, to memory of its own; to be freed. */
bool session_read(struct session *session, const char *what, cl_mem buffer, uint64_t size, void **bytes,
                  struct failure *failure);

/* What was opened; NULL-safe in every part. */
void session_close(struct session *session);

/* All OpenCL devices, to be freed.  None at all is a failure. */
bool session_devices(clmp_device_info **infos, size_t *count, struct failure *failure);

/* The failure of a --device that means nothing: its line lists what there is.  Always false. */
bool session_no_match(const clmp_device_info *infos, size_t count, const char *wanted, struct failure *failure);

#endif /* CLMP_CLI_SESSION_H */

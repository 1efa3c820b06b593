/* SPDX-License-Identifier: Apache-2.0 */
#include "core/context.h"

#include <unistd.h>

void clmp_context_retain(clmp_context *context) {
    atomic_fetch_add(&context->holders, 1);
}

bool clmp_context_is_ours(const clmp_context *context) {
    return context->process == getpid();
}

clmp_status clmp_context_check(const clmp_context *context) {
    if (clmp_context_is_ours(context))
        return CLMP_OK;
    return clmp_fail(&context->log, CLMP_INVALID_ARGUMENT,
                     "the context was made before a fork; OpenCL objects do not survive one");
}

cl_context clmp_context_cl(const clmp_context *context) {
    return context == NULL ? NULL : context->cl;
}

cl_device_id clmp_context_device(const clmp_context *context) {
    return context == NULL ? NULL : context->device;
}

void clmp_context_report(const clmp_context *context, const char *message) {
    if (context != NULL && context->log.call != NULL)
        context->log.call(context->log.user, message);
}

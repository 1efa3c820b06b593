/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>

/* vsnprintf() whose numbers are the same in every locale that the program may have set. */
static void format_in_c(char *text, size_t size, const char *format, va_list arguments) {
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* takes no memory where that is at hand */
    const locale_t before = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the caller began it; what a parameter is, is not seen here */
    vsnprintf(text, size, format, arguments);
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
}

clmp_status clmp_fail(const struct clmp_log *log, clmp_status status, const char *format, ...) {
    if (log != NULL && log->call != NULL) {
        char message[512]; /* a longer one is cut; build logs go a way of their own */
        va_list arguments;
        va_start(arguments, format);
        format_in_c(message, sizeof message, format, arguments);
        va_end(arguments);
        log->call(log->user, message);
    }
    return status;
}

clmp_status clmp_fail_cl(const struct clmp_log *log, cl_int error, const char *function) {
    clmp_status status = CLMP_OPENCL_ERROR;
    if (error == CL_OUT_OF_HOST_MEMORY || error == CL_OUT_OF_RESOURCES || error == CL_MEM_OBJECT_ALLOCATION_FAILURE ||
        error == CL_INVALID_BUFFER_SIZE) /* larger than the device's largest: none of the library's is empty */
        status = CLMP_OUT_OF_MEMORY;
    return clmp_fail(log, status, "%s failed: %s (%d)", function, clmp_cl_error_name(error), (int)error);
}

const char *clmp_cl_error_name(cl_int error) {
#define NAME(code)                                                                                                     \
    case code:                                                                                                         \
        return #code
    switch (error) {
        NAME(CL_SUCCESS);
        NAME(CL_DEVICE_NOT_FOUND);
        NAME(CL_DEVICE_NOT_AVAILABLE);
        NAME(CL_COMPILER_NOT_AVAILABLE);
        NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE);
        NAME(CL_OUT_OF_RESOURCES);
        NAME(CL_OUT_OF_HOST_MEMORY);
        NAME(CL_PROFILING_INFO_NOT_AVAILABLE);
        NAME(CL_MEM_COPY_OVERLAP);
        NAME(CL_BUILD_PROGRAM_FAILURE);
        NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET);
        NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        NAME(CL_COMPILE_PROGRAM_FAILURE);
        NAME(CL_LINKER_NOT_AVAILABLE);
        NAME(CL_LINK_PROGRAM_FAILURE);
        NAME(CL_INVALID_VALUE);
        NAME(CL_INVALID_DEVICE_TYPE);
        NAME(CL_INVALID_PLATFORM);
        NAME(CL_INVALID_DEVICE);
        NAME(CL_INVALID_CONTEXT);
        NAME(CL_INVALID_QUEUE_PROPERTIES);
        NAME(CL_INVALID_COMMAND_QUEUE);
        NAME(CL_INVALID_HOST_PTR);
        NAME(CL_INVALID_MEM_OBJECT);
        NAME(CL_INVALID_BINARY);
        NAME(CL_INVALID_BUILD_OPTIONS);
        NAME(CL_INVALID_PROGRAM);
        NAME(CL_INVALID_PROGRAM_EXECUTABLE);
        NAME(CL_INVALID_KERNEL_NAME);
        NAME(CL_INVALID_KERNEL_DEFINITION);
        NAME(CL_INVALID_KERNEL);
        NAME(CL_INVALID_ARG_INDEX);
        NAME(CL_INVALID_ARG_VALUE);
        NAME(CL_INVALID_ARG_SIZE);
        NAME(CL_INVALID_KERNEL_ARGS);
        NAME(CL_INVALID_WORK_DIMENSION);
        NAME(CL_INVALID_WORK_GROUP_SIZE);
        NAME(CL_INVALID_WORK_ITEM_SIZE);
        NAME(CL_INVALID_GLOBAL_OFFSET);
        NAME(CL_INVALID_EVENT_WAIT_LIST);
        NAME(CL_INVALID_EVENT);
        NAME(CL_INVALID_OPERATION);
        NAME(CL_INVALID_BUFFER_SIZE);
        NAME(CL_INVALID_GLOBAL_WORK_SIZE);
        NAME(CL_INVALID_PROPERTY);
        NAME(CL_INVALID_COMPILER_OPTIONS);
        NAME(CL_INVALID_LINKER_OPTIONS);
    case -1001:
        return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
        return "an OpenCL error without a name";
    }
#undef NAME
}

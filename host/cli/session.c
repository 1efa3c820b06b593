/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "core/choice.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Keeps messages on one line, the last first: a build log comes before the sentence that says what failed. */
static void keep_log(void *user, const char *message) {
    struct session *session = user;
    char before[SESSION_LOG];
    memcpy(before, session->log, sizeof before);
    const int length =
        snprintf(session->log, sizeof session->log, "%s%s%s", message, before[0] != '\0' ? "; " : "", before);
    for (int i = 0; i < length && i < SESSION_LOG; ++i)
        if (session->log[i] == '\n' || session->log[i] == '\r')
            session->log[i] = ' ';
}

bool session_failed(const struct session *session, clmp_status status, struct failure *failure) {
    const char *detail = session->log[0] != '\0' ? session->log : clmp_status_text(status);
    return fail_with(failure, EXIT_OF_DEVICE, "%s (%s)", detail, clmp_status_name(status));
}

static bool failed_cl(const char *function, const char *what, uint64_t size, cl_int error, struct failure *failure) {
    const char *name = error == CL_OUT_OF_RESOURCES                ? "CL_OUT_OF_RESOURCES"
                       : error == CL_OUT_OF_HOST_MEMORY            ? "CL_OUT_OF_HOST_MEMORY"
                       : error == CL_MEM_OBJECT_ALLOCATION_FAILURE ? "CL_MEM_OBJECT_ALLOCATION_FAILURE"
                       : error == CL_INVALID_BUFFER_SIZE           ? "CL_INVALID_BUFFER_SIZE"
                       : error == CL_DEVICE_NOT_AVAILABLE          ? "CL_DEVICE_NOT_AVAILABLE"
                                                                   : "an OpenCL error";
    return fail_with(failure, EXIT_OF_DEVICE, "%s failed for %" PRIu64 " bytes of %s: %s (%d)", function, size, what,
                     name, (int)error);
}

static bool no_device(struct failure *failure) {
    return fail_with(
        failure, EXIT_OF_DEVICE,
        "there is no OpenCL device; is a driver installed (clinfo -l lists devices), and can PoCL write to its cache "
        "(POCL_CACHE_DIR names another folder)?");
}

bool session_devices(clmp_device_info **infos, size_t *count, struct failure *failure) {
    size_t capacity = 0;
    *infos = NULL;
    *count = 0;
    clmp_status status = clmp_list_devices(NULL, 0, &capacity);
    if (status == CLMP_OK && capacity == 0)
        return no_device(failure);
    *infos = status == CLMP_OK ? calloc(capacity, sizeof **infos) : NULL;
    if (*infos == NULL)
        return fail_with(failure, EXIT_OF_DEVICE, "out of memory for the list of devices");
    status = clmp_list_devices(*infos, capacity, count);
    if (*count > capacity) /* one more by now */
        *count = capacity;
    if (status == CLMP_OK && *count > 0)
        return true;
    free(*infos);
    *infos = NULL;
    if (status == CLMP_OK)
        no_device(failure); /* by now */
    else
        fail_with(failure, EXIT_OF_DEVICE, "%s", clmp_status_text(status));
    return false;
}

bool session_no_match(const clmp_device_info *infos, size_t count, const char *wanted, struct failure *failure) {
    enum { ENTRY = sizeof infos->name + sizeof infos->platform_name + 48 };
    char *list = malloc(count * ENTRY + 1);
    if (list == NULL)
        return fail_memory(failure, "the list of devices");
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < count; ++i)
        used += (size_t)snprintf(list + used, ENTRY, "%s#%zu '%s' (%s%s)", i == 0 ? "" : ", ", i, infos[i].name,
                                 infos[i].platform_name, infos[i].supported ? "" : ", not supported");
    fail_with(failure, EXIT_OF_INPUT, "--device is '%s', expected the number, or part of a name, of: %s", wanted, list);
    free(list);
    return false;
}

/* Why clmp_context_open() did not find a device, which is the user's affair where there are some and none was meant. */
static bool not_found(const struct session *session, clmp_status status, const char *wanted, struct failure *failure) {
    clmp_device_info *infos = NULL;
    size_t count = 0;
    if (!session_devices(&infos, &count, failure))
        return false;
    if (status == CLMP_DEVICE_NOT_FOUND && wanted != NULL && wanted[0] != '\0')
        session_no_match(infos, count, wanted, failure);
    else /* there were none for a moment */
        fail_with(failure, EXIT_OF_DEVICE, "%s", session->log);
    free(infos);
    return false;
}

/* As much of its name as has room. */
static void name_device(struct session *session, cl_device_id device) {
    size_t length = 0;
    char *name = NULL;
    if (clGetDeviceInfo(device, CL_DEVICE_NAME, 0, NULL, &length) == CL_SUCCESS && length > 0)
        name = calloc(length + 1, 1);
    const bool told = name != NULL && clGetDeviceInfo(device, CL_DEVICE_NAME, length, name, NULL) == CL_SUCCESS;
    snprintf(session->device, sizeof session->device, "%s", told ? name : "a device without a name");
    free(name);
}

bool session_open(struct session *session, const char *wanted, struct failure *failure) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    *session = (struct session){.context = NULL};
    params.log = keep_log;
    params.log_user = session;
    const clmp_status status = clmp_context_open(wanted, &params, &session->context);
    if (status == CLMP_DEVICE_NOT_FOUND || status == CLMP_NO_DEVICE)
        return not_found(session, status, wanted, failure);
    if (status == CLMP_DEVICE_UNSUPPORTED && wanted != NULL && wanted[0] != '\0')
        return fail_with(failure, EXIT_OF_INPUT, "--device is '%s': %s", wanted, session->log);
    if (status != CLMP_OK)
        return session_failed(session, status, failure);
    const cl_device_id device = clmp_context_device(session->context);
    name_device(session, device);
    cl_int error = CL_SUCCESS;
    session->queue = clCreateCommandQueue(clmp_context_cl(session->context), device, 0, &error);
    if (error != CL_SUCCESS)
        return fail_with(failure, EXIT_OF_DEVICE, "clCreateCommandQueue failed on '%s' (%d)", session->device,
                         (int)error);
    return true;
}

/* The library's words about a problem are about a file, but for those about the environment. */
static bool refused(const struct session *session, clmp_status status, struct failure *failure) {
    const char *words = session->log[0] != '\0' ? session->log : clmp_status_text(status);
    const bool of_file = session->about != NULL && strncmp(words, "CLMP_TUNING", strlen("CLMP_TUNING")) != 0;
    return fail_with(failure, EXIT_OF_INPUT, "%s%s%s", of_file ? session->about : "", of_file ? ": " : "", words);
}

bool session_plan(struct session *session, const clmp_plan_params *params, clmp_plan **plan, struct failure *failure) {
    const clmp_status status = clmp_plan_create(session->context, params, plan);
    if (status == CLMP_INVALID_ARGUMENT || status == CLMP_SIZE_OVERFLOW)
        return refused(session, status, failure);
    return status == CLMP_OK || session_failed(session, status, failure);
}

static bool same_problem(const clmp_plan_params *a, const clmp_plan_params *b) {
    return a->images == b->images && a->classes == b->classes && a->height == b->height && a->width == b->width &&
           a->logits_height == b->logits_height && a->logits_width == b->logits_width &&
           a->label_type == b->label_type && a->logits_type == b->logits_type && a->class_weights == b->class_weights;
}

bool session_kept_plan(struct session *session, const clmp_plan_params *params, struct kept_plan *kept,
                       struct failure *failure) {
    if (kept->plan != NULL && same_problem(params, &kept->params))
        return true;
    clmp_plan_destroy(kept->plan);
    kept->params = *params;
    return session_plan(session, params, &kept->plan, failure);
}

bool session_buffer(struct session *session, const char *what, const void *bytes, uint64_t size, cl_mem *buffer,
                    struct failure *failure) {
    cl_int error = CL_INVALID_BUFFER_SIZE;
    if (size <= SIZE_MAX)
        *buffer = clCreateBuffer(clmp_context_cl(session->context), CL_MEM_READ_WRITE, (size_t)size, NULL, &error);
    if (error != CL_SUCCESS) {
        *buffer = NULL;
        return failed_cl("clCreateBuffer", what, size, error, failure);
    }
    if (bytes != NULL)
        error = clEnqueueWriteBuffer(session->queue, *buffer, CL_TRUE, 0, (size_t)size, bytes, 0, NULL, NULL);
    return error == CL_SUCCESS || failed_cl("clEnqueueWriteBuffer", what, size, error, failure);
}

/* That the last step did what it should: a device may fail long after the step was enqueued. */
static bool wait_for_step(struct session *session, struct failure *failure) {
    if (session->step == NULL)
        return true;
    cl_int state = CL_COMPLETE;
    cl_int error = clWaitForEvents(1, &session->step);
    const cl_int asked = clGetEventInfo(session->step, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    clReleaseEvent(session->step);
    session->step = NULL;
    if (state < 0) /* says more than that some event failed */
        error = state;
    else if (error == CL_SUCCESS)
        error = asked;
    return error == CL_SUCCESS ||
           fail_with(failure, EXIT_OF_DEVICE, "a step failed on '%s' (%d)", session->device, (int)error);
}

bool session_stepped(struct session *session, clmp_status status, cl_event event, struct failure *failure) {
    if (status != CLMP_OK)
        return session_failed(session, status, failure);
    const bool good = wait_for_step(session, failure);
    session->step = event;
    return good;
}

bool session_read(struct session *session, const char *what, cl_mem buffer, uint64_t size, void **bytes,
                  struct failure *failure) {
    *bytes = NULL;
    if (!wait_for_step(session, failure))
        return false;
    *bytes = malloc((size_t)size);
    if (*bytes == NULL)
        return fail_memory(failure, what);
    const cl_int error = clEnqueueReadBuffer(session->queue, buffer, CL_TRUE, 0, (size_t)size, *bytes, 0, NULL, NULL);
    return error == CL_SUCCESS || failed_cl("clEnqueueReadBuffer", what, size, error, failure);
}

void session_close(struct session *session) {
    if (session->step != NULL)
        clReleaseEvent(session->step);
    session->step = NULL;
    if (session->queue != NULL) {
        clFinish(session->queue); /* after a failure something may still run */
        clReleaseCommandQueue(session->queue);
    }
    clmp_context_destroy(session->context);
    session->queue = NULL;
    session->context = NULL;
}

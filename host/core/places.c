/* SPDX-License-Identifier: Apache-2.0 */
#include "core/places.h"

static clmp_status memory_info(const struct clmp_log *log, cl_mem mem, cl_mem_info what, size_t size, void *value) {
    const cl_int error = clGetMemObjectInfo(mem, what, size, value, NULL);
    return error == CL_SUCCESS ? CLMP_OK : clmp_fail_cl(log, error, "clGetMemObjectInfo");
}

static clmp_status check_place(struct clmp_place *place, cl_context wanted, const struct clmp_log *log) {
    const cl_mem mem = place->buffer.mem;
    if (mem == NULL)
        return place->needed ? clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is NULL, expected a buffer", place->name)
                             : CLMP_OK;
    cl_mem_object_type type = 0;
    const cl_int error = clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof type, &type, NULL);
    if (error == CL_OUT_OF_RESOURCES || error == CL_OUT_OF_HOST_MEMORY)
        return clmp_fail_cl(log, error, "clGetMemObjectInfo");
    if (error != CL_SUCCESS || type != CL_MEM_OBJECT_BUFFER)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is not an OpenCL buffer", place->name);
    cl_context cl = NULL;
    cl_mem_flags flags = 0;
    size_t size = 0;
    clmp_status status = memory_info(log, mem, CL_MEM_CONTEXT, sizeof cl, &cl);
    if (status == CLMP_OK)
        status = memory_info(log, mem, CL_MEM_FLAGS, sizeof flags, &flags);
    if (status == CLMP_OK)
        status = memory_info(log, mem, CL_MEM_SIZE, sizeof size, &size);
    if (status == CLMP_OK)
        status = memory_info(log, mem, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof place->root, &place->root);
    if (status == CLMP_OK && place->root != NULL)
        status = memory_info(log, mem, CL_MEM_OFFSET, sizeof place->begin, &place->begin);
    if (status != CLMP_OK)
        return status;
    if (place->root == NULL)
        place->root = mem;
    place->begin += place->buffer.offset;
    if (cl != wanted)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is a buffer of another OpenCL context", place->name);
    const bool read_only = (flags & CL_MEM_READ_ONLY) != 0, write_only = (flags & CL_MEM_WRITE_ONLY) != 0;
    if ((read_only && (place->access & CLMP_WRITE) != 0) || (write_only && (place->access & CLMP_READ) != 0))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s was created for kernels to %s only, but is %s", place->name,
                         read_only ? "read" : "write", read_only ? "written" : "read");
    if (place->buffer.offset % place->align != 0)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the offset of %s is %zu, expected a multiple of %zu", place->name,
                         place->buffer.offset, place->align);
    if (place->buffer.offset > size || size - place->buffer.offset < place->size)
        return clmp_fail(log, CLMP_BUFFER_TOO_SMALL, "%s has %zu bytes from offset %zu on, expected at least %llu",
                         place->name, place->buffer.offset > size ? (size_t)0 : size - place->buffer.offset,
                         place->buffer.offset, (unsigned long long)place->size);
    return CLMP_OK;
}

clmp_status clmp_places_check(struct clmp_place *places, size_t count, cl_context cl, const struct clmp_log *log) {
    clmp_status status = CLMP_OK;
    for (size_t i = 0; i < count && status == CLMP_OK; ++i)
        status = check_place(&places[i], cl, log);
    return status;
}

static bool overlap(const struct clmp_place *a, const struct clmp_place *b) {
    if (a->buffer.mem == NULL || b->buffer.mem == NULL || a->root != b->root)
        return false;
    return a->begin < b->begin + b->size && b->begin < a->begin + a->size;
}

bool clmp_places_overlap(const struct clmp_place *places, size_t count, size_t from, size_t to, size_t *a, size_t *b) {
    for (*a = 0; *a < count; ++*a)
        for (*b = *a + 1; *b < count; ++*b) {
            const bool meant = *a == from && *b == to;
            const bool written = ((places[*a].access | places[*b].access) & CLMP_WRITE) != 0;
            if (!meant && written && overlap(&places[*a], &places[*b]))
                return true;
        }
    return false;
}

clmp_status clmp_check_queue(cl_command_queue queue, cl_context wanted, cl_device_id wanted_device,
                             const struct clmp_log *log) {
    cl_context cl = NULL;
    cl_device_id device = NULL;
    if (queue == NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "queue is NULL");
    cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof cl, &cl, NULL);
    if (error == CL_SUCCESS)
        error = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log, error, "clGetCommandQueueInfo");
    if (cl != wanted || device != wanted_device)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the queue belongs to another OpenCL %s than the plan",
                         cl != wanted ? "context" : "device");
    return CLMP_OK;
}

clmp_status clmp_check_wait(cl_uint count, const cl_event *wait, const struct clmp_log *log) {
    if ((count == 0) != (wait == NULL))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "num_wait is %u, but wait is %s", (unsigned)count,
                         wait == NULL ? "NULL" : "not NULL");
    for (cl_uint i = 0; i < count; ++i)
        if (wait[i] == NULL)
            return clmp_fail(log, CLMP_INVALID_ARGUMENT, "wait[%u] is NULL", (unsigned)i);
    return CLMP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/buffers.h"

#include "core/sized.h"

#include <math.h>

void clmp_buffers_init_sized(clmp_buffers *buffers, size_t size) {
    const clmp_buffers defaults = {.struct_size = size, .gradient_scale = 1.0f, .in_place = false};
    clmp_sized_put(buffers, size, &defaults, sizeof defaults);
}

static clmp_status memory_info(const struct clmp_log *log, cl_mem mem, cl_mem_info what, size_t size, void *value) {
    const cl_int error = clGetMemObjectInfo(mem, what, size, value, NULL);
    return error == CL_SUCCESS ? CLMP_OK : clmp_fail_cl(log, error, "clGetMemObjectInfo");
}

static clmp_status check_place(const clmp_plan *plan, struct clmp_place *place) {
    const struct clmp_log *log = &plan->context->log;
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
    if (cl != plan->context->cl)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s is a buffer of another OpenCL context", place->name);
    if ((flags & (place->written ? CL_MEM_READ_ONLY : CL_MEM_WRITE_ONLY)) != 0)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "%s was created for kernels to %s only, but is %s", place->name,
                         place->written ? "read" : "write", place->written ? "written" : "read");
    if (place->buffer.offset % place->align != 0)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "the offset of %s is %zu, expected a multiple of %zu", place->name,
                         place->buffer.offset, place->align);
    if (place->buffer.offset > size || size - place->buffer.offset < place->size)
        return clmp_fail(log, CLMP_BUFFER_TOO_SMALL, "%s has %zu bytes from offset %zu on, expected at least %llu",
                         place->name, place->buffer.offset > size ? (size_t)0 : size - place->buffer.offset,
                         place->buffer.offset, (unsigned long long)place->size);
    return CLMP_OK;
}

static bool overlap(const struct clmp_place *a, const struct clmp_place *b) {
    if (a->buffer.mem == NULL || b->buffer.mem == NULL || a->root != b->root)
        return false;
    return a->begin < b->begin + b->size && b->begin < a->begin + a->size;
}

clmp_status clmp_buffers_check(const clmp_plan *plan, enum clmp_entry entry, const clmp_buffers *buffers,
                               const struct clmp_place *more, size_t more_count) {
    const struct clmp_log *log = &plan->context->log;
    const uint64_t plane = plan->pixels * sizeof(float);
    const uint64_t logits = plan->logits.bytes;
    const uint64_t classes = plan->label_classes;
    const uint64_t matrices = clmp_is_binary(&plan->params) ? plan->params.classes : 1;
    const bool counts = entry == CLMP_ENTRY_LABEL_COUNTS, confusion = entry == CLMP_ENTRY_CONFUSION;
    const bool writes_logits = entry == CLMP_ENTRY_LOGITS;
    const bool weighs = !counts && !confusion && !writes_logits; /* those that end with a result */
    const bool slabs = entry == CLMP_ENTRY_SLAB_LOSS || entry == CLMP_ENTRY_SLAB_GRADIENT;
    const bool labels = entry != CLMP_ENTRY_WEIGHTS && !writes_logits;
    const bool from_logits = writes_logits || (labels && !counts && !slabs);
    const size_t element = from_logits ? plan->logits.element : 1;
    const bool gradient = entry == CLMP_ENTRY_GRADIENT, scaled = gradient || entry == CLMP_ENTRY_SLAB_GRADIENT;
    /* in place, logits are an output, and gradient is no other buffer */
    const bool in_place = gradient && buffers->in_place;
    const clmp_buffer absent = {NULL, 0};
    struct clmp_place places[9 + CLMP_MORE_PLACES] = {
        {"logits", from_logits ? buffers->logits : absent, logits, element, from_logits, in_place || writes_logits,
         NULL, 0},
        {"labels", labels ? buffers->labels : absent, plan->pixels * plan->label_size, plan->label_size, labels, false,
         NULL, 0},
        {"losses", weighs ? buffers->losses : absent, plane, sizeof(float), entry == CLMP_ENTRY_WEIGHTS,
         entry != CLMP_ENTRY_WEIGHTS, NULL, 0},
        {"weights", weighs ? buffers->weights : absent, plane, sizeof(float), false, true, NULL, 0},
        {"gradient", gradient ? buffers->gradient : absent, logits, element, gradient, true, NULL, 0},
        {"label_counts", counts ? buffers->label_counts : absent, CLMP_LABEL_COUNTS(classes) * sizeof(cl_ulong),
         sizeof(cl_ulong), counts, true, NULL, 0},
        {"confusion", confusion ? buffers->confusion : absent, matrices * CLMP_CONFUSION(classes) * sizeof(cl_ulong),
         sizeof(cl_ulong), confusion, true, NULL, 0},
        {"result", weighs ? buffers->result : absent, clmp_plan_result_count(plan) * sizeof(clmp_result), 8, weighs,
         true, NULL, 0},
        {"workspace", buffers->workspace, plan->layout.size, 128, false, true, NULL, 0},
    };
    const size_t count = 9 + more_count;
    for (size_t i = 0; i < more_count; ++i)
        places[9 + i] = more[i];
    for (size_t i = 0; i < count; ++i) {
        const clmp_status status = check_place(plan, &places[i]);
        if (status != CLMP_OK)
            return status;
    }
    if (scaled && !isfinite(buffers->gradient_scale))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "gradient_scale is %g, expected a finite number",
                         (double)buffers->gradient_scale);
    const struct clmp_place *from = &places[0], *to = &places[4];
    if (in_place && (from->root != to->root || from->begin != to->begin))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "in_place is set, but gradient is not the same place as logits");
    for (size_t i = 0; i < count; ++i)
        for (size_t j = i + 1; j < count; ++j) {
            const bool meant = in_place && &places[i] == from && &places[j] == to;
            if (!meant && (places[i].written || places[j].written) && overlap(&places[i], &places[j]))
                return clmp_fail(log, CLMP_BUFFER_OVERLAP, "%s and %s overlap%s", places[i].name, places[j].name,
                                 gradient && &places[i] == from && &places[j] == to ? ", and in_place is not set" : "");
        }
    return CLMP_OK;
}

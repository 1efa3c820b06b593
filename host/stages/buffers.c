/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/buffers.h"

#include "core/places.h"
#include "core/sized.h"
#include "plan/reading.h"

#include <math.h>

void clmp_buffers_init_sized(clmp_buffers *buffers, size_t size) {
    const clmp_buffers defaults = {.struct_size = size, .gradient_scale = 1.0f, .in_place = false};
    clmp_sized_put(buffers, size, &defaults, sizeof defaults);
}

void clmp_part_init_sized(clmp_part *part, size_t size) {
    const clmp_part defaults = {.struct_size = size};
    clmp_sized_put(part, size, &defaults, sizeof defaults);
}

/* Which plans have parts, and whether this one lies within an image. */
static clmp_status check_part(const clmp_plan *plan, const clmp_part *part) {
    const struct clmp_log *log = &plan->context->log;
    const clmp_plan_params *params = &plan->params;
    const char *not_for = plan->reading->no_parts;
    if (not_for == NULL && clmp_is_binary(params))
        not_for = "binary losses";
    if (not_for == NULL && params->logits_layout != CLMP_LAYOUT_NCHW)
        not_for = "logits in NHWC";
    if (not_for != NULL)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "a step in parts is not for %s", not_for);
    if (part->image >= params->images)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "image of part is %llu, but the plan has %llu images",
                         (unsigned long long)part->image, (unsigned long long)params->images);
    if (part->pixels == 0 || part->pixels > plan->plane_pixels || part->first > plan->plane_pixels - part->pixels)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT,
                         "part has %llu pixels from pixel %llu on, expected at least 1 within the image's %llu",
                         (unsigned long long)part->pixels, (unsigned long long)part->first,
                         (unsigned long long)plan->plane_pixels);
    return CLMP_OK;
}

uint64_t clmp_confusion_words(const clmp_plan *plan) {
    return (clmp_is_binary(&plan->params) ? plan->params.classes : 1) * CLMP_CONFUSION(plan->label_classes);
}

clmp_status clmp_buffers_check(const clmp_plan *plan, enum clmp_entry entry, const clmp_buffers *buffers,
                               const clmp_part *part) {
    const struct clmp_log *log = &plan->context->log;
    const uint64_t plane = plan->pixels * sizeof(float);
    const uint64_t classes = plan->label_classes;
    const bool counts = entry == CLMP_ENTRY_LABEL_COUNTS, confusion = entry == CLMP_ENTRY_CONFUSION;
    const bool of_part = clmp_entry_takes_part(entry), threshold = entry == CLMP_ENTRY_THRESHOLD;
    const bool weighs = !counts && !confusion && !of_part; /* those that end with a result */
    const bool labels = entry != CLMP_ENTRY_WEIGHTS;
    const bool gradient = entry == CLMP_ENTRY_GRADIENT, gradient_part = entry == CLMP_ENTRY_GRADIENT_PART;
    const bool whole_logits = labels && !counts && !of_part && !threshold;
    const bool losses = weighs || entry == CLMP_ENTRY_LOSS_PART;
    /* in place, logits are an output, and gradient is no other buffer */
    const bool in_place = gradient && buffers->in_place;
    const bool by_image = plan->params.scope == CLMP_SCOPE_IMAGE; /* then record 0 is made from the others */
    const clmp_buffer absent = {NULL, 0};
    if (of_part) {
        const clmp_status status = check_part(plan, part);
        if (status != CLMP_OK)
            return status;
    }
    const size_t element = whole_logits || of_part ? plan->logits.element : 1;
    const uint64_t logits = of_part ? part->pixels * classes * element : plan->logits.bytes;
    struct clmp_place places[] = {
        {"logits",
         of_part        ? part->logits
         : whole_logits ? buffers->logits
                        : absent,
         logits, element, whole_logits || of_part, in_place || gradient_part ? CLMP_READ_WRITE : CLMP_READ, NULL, 0},
        {"labels", labels ? buffers->labels : absent, plan->pixels * plan->label_size, plan->label_size, labels,
         CLMP_READ, NULL, 0},
        {"losses", losses ? buffers->losses : absent, plane, sizeof(float), entry == CLMP_ENTRY_WEIGHTS,
         entry == CLMP_ENTRY_WEIGHTS ? CLMP_READ : CLMP_WRITE, NULL, 0},
        {"weights", weighs ? buffers->weights : absent, plane, sizeof(float), false, CLMP_WRITE, NULL, 0},
        {"gradient", gradient ? buffers->gradient : absent, plan->logits.bytes, element, gradient, CLMP_WRITE, NULL, 0},
        {"label_counts", counts ? buffers->label_counts : absent, CLMP_LABEL_COUNTS(classes) * sizeof(cl_ulong),
         sizeof(cl_ulong), counts, CLMP_READ_WRITE, NULL, 0},
        {"confusion", confusion ? buffers->confusion : absent, clmp_confusion_words(plan) * sizeof(cl_ulong),
         sizeof(cl_ulong), confusion, CLMP_READ_WRITE, NULL, 0},
        {"gradient_range", gradient || gradient_part ? buffers->gradient_range : absent, sizeof(clmp_gradient_range),
         sizeof(cl_ulong), false, CLMP_READ_WRITE, NULL, 0},
        {"result", weighs ? buffers->result : absent, clmp_plan_result_count(plan) * sizeof(clmp_result), 8, weighs,
         by_image ? CLMP_READ_WRITE : CLMP_WRITE, NULL, 0},
        {"workspace", buffers->workspace, plan->layout.size, 128, of_part || threshold, CLMP_READ_WRITE, NULL, 0},
    };
    enum { FROM = 0, TO = 4, COUNT = sizeof places / sizeof places[0] };
    const clmp_status status = clmp_places_check(places, COUNT, plan->context->cl, log);
    if (status != CLMP_OK)
        return status;
    if ((gradient || gradient_part) && !isfinite(buffers->gradient_scale))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "gradient_scale is %g, expected a finite number",
                         (double)buffers->gradient_scale);
    const struct clmp_place *from = &places[FROM], *to = &places[TO];
    if (in_place && (from->root != to->root || from->begin != to->begin))
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "in_place is set, but gradient is not the same place as logits");
    size_t i = 0, j = 0;
    if (clmp_places_overlap(places, COUNT, in_place ? FROM : COUNT, TO, &i, &j))
        return clmp_fail(log, CLMP_BUFFER_OVERLAP, "%s and %s overlap%s", places[i].name, places[j].name,
                         gradient && i == FROM && j == TO ? ", and in_place is not set" : "");
    return CLMP_OK;
}

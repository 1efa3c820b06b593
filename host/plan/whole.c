/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/whole.h"

#include "core/cache.h"
#include "core/ranks.h"
#include "plan/check.h"
#include "plan/draws.h"
#include "plan/problem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bits_of(double x) {
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

size_t clmp_whole_list(const struct clmp_plan *plan, struct clmp_alike list[CLMP_MOST_ALIKE]) {
    const clmp_plan_params *p = &plan->params;
    const bool logits = p->input == CLMP_INPUT_LOGITS, labels = p->input != CLMP_INPUT_LOSSES;
    const bool weighs = p->input != CLMP_INPUT_LABELS;
    const bool lmp = weighs && p->weighting == CLMP_WEIGHTING_LMP;
    const bool topk = weighs && p->weighting == CLMP_WEIGHTING_TOPK;
    const bool ohem = weighs && p->weighting == CLMP_WEIGHTING_OHEM;
    const bool balanced = weighs && p->weighting == CLMP_WEIGHTING_BALANCED;
    const bool focal = logits && (p->loss == CLMP_LOSS_FOCAL || p->loss == CLMP_LOSS_BINARY_FOCAL);
    const uint64_t version =
        CLMP_VERSION_MAJOR * UINT64_C(1000000) + CLMP_VERSION_MINOR * UINT64_C(1000) + CLMP_VERSION_PATCH;
#define COUNT(name, looked_at, value)                                                                                  \
    { name, (looked_at) ? (uint64_t)(value) : 0, CLMP_ALIKE_COUNT }
#define REAL(name, looked_at, value)                                                                                   \
    { name, bits_of((looked_at) ? (value) : 0.0), CLMP_ALIKE_REAL }
    const struct clmp_alike all[] = {
        COUNT("the library's version", true, version),
        COUNT("input", true, p->input),
        COUNT("classes", labels, p->classes),
        COUNT("height", true, p->height),
        COUNT("width", true, p->width),
        COUNT("logits_height", logits, p->logits_height),
        COUNT("logits_width", logits, p->logits_width),
        COUNT("align_corners", logits && plan->upsample != NULL, p->align_corners),
        {"ignore_index", labels ? (uint64_t)p->ignore_index : 0, CLMP_ALIKE_SIGNED},
        {"class_weights", plan->whole->class_weights, CLMP_ALIKE_HASH},
        COUNT("scope", weighs, p->scope),
        COUNT("weighting", weighs, p->weighting),
        REAL("p", lmp, p->p),
        REAL("support", lmp || (topk && p->topk_count == 0), p->support),
        COUNT("topk_count", topk, p->topk_count),
        REAL("ohem_thresh", ohem, p->ohem_thresh),
        COUNT("ohem_min_kept", ohem, p->ohem_min_kept),
        COUNT("sampling", balanced, p->sampling),
        COUNT("seed", balanced, p->seed),
        COUNT("loss", logits, p->loss),
        REAL("label_smoothing", logits && !focal, p->label_smoothing),
        REAL("focal_gamma", focal, p->focal_gamma),
        REAL("focal_alpha", focal, p->focal_alpha),
        COUNT("logits_type", logits, p->logits_type),
        COUNT("normalise", plan->normalised, p->normalise),
    };
#undef COUNT
#undef REAL
    _Static_assert(sizeof all <= CLMP_MOST_ALIKE * sizeof all[0], "room for what the call adds");
    memcpy(list, all, sizeof all);
    return sizeof all / sizeof all[0];
}

/* Numbers of 64 bits that are read of the device at once: the most of any of a step's sums, and what `total` reads. */
static uint64_t most_read(const struct clmp_plan *plan) {
    const uint64_t bins = (uint64_t)plan->tuning.bin_sets * CLMP_BINS * sizeof(clmp_bin);
    const uint64_t bytes[] = {bins, CLMP_COUNTS(plan->label_classes) * sizeof(cl_ulong), sizeof(clmp_draw),
                              2 * plan->params.classes * sizeof(cl_ulong), plan->pools * sizeof(clmp_pool)};
    uint64_t most = CLMP_BINS * sizeof(clmp_bin);
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; ++i)
        most = bytes[i] > most ? bytes[i] : most;
    return (most + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

clmp_status clmp_whole_create(struct clmp_plan *plan, const clmp_plan_params *params) {
    const struct clmp_log *log = &plan->context->log;
    clmp_ranks ranks;
    const clmp_status status = clmp_ranks_take(params->ranks, &ranks, log);
    if (status != CLMP_OK)
        return status;
    struct clmp_whole *whole = calloc(1, sizeof *whole);
    if (whole == NULL)
        return clmp_fail(log, CLMP_OUT_OF_MEMORY, "no memory for a plan");
    plan->whole = whole;
    whole->ranks = ranks;
    whole->images = params->images;
    whole->problem_images = params->images;
    if (params->input == CLMP_INPUT_LOGITS && params->class_weights != NULL)
        whole->class_weights =
            clmp_hash(0, params->class_weights, (size_t)params->classes * sizeof params->class_weights[0]);
    const uint64_t most = most_read(plan);
    whole->message = malloc((CLMP_MESSAGE_WORDS(ranks.size) + 1) * sizeof(uint64_t));
    whole->read = most <= SIZE_MAX / sizeof(uint64_t) ? malloc((size_t)most * sizeof(uint64_t)) : NULL;
    if (whole->message == NULL || whole->read == NULL)
        return clmp_fail(log, CLMP_OUT_OF_MEMORY, "no memory for what ranks sum");
    return CLMP_OK;
}

void clmp_whole_destroy(struct clmp_whole *whole, bool ours) {
    if (whole == NULL)
        return;
    if (ours && whole->losses != NULL)
        clReleaseMemObject(whole->losses);
    free(whole->message);
    free(whole->read);
    free(whole->numbers);
    free(whole);
}

uint64_t *clmp_whole_numbers(struct clmp_whole *whole, size_t count) {
    if (count > whole->numbers_count) {
        free(whole->numbers);
        whole->numbers = calloc(count, sizeof *whole->numbers);
        whole->numbers_count = whole->numbers != NULL ? count : 0;
    }
    return whole->numbers;
}

clmp_status clmp_whole_check(const struct clmp_plan *plan, uint64_t images) {
    if (images > CLMP_MAX_PIXELS / plan->image_pixels)
        return clmp_fail(&plan->context->log, CLMP_SIZE_OVERFLOW,
                         "%" PRIu64 " images of all ranks, of %" PRIu64 " pixels each, are more than 2^36 pixels",
                         images, plan->image_pixels);
    const bool draws = plan->draws != NULL && plan->params.scope == CLMP_SCOPE_BATCH;
    return draws ? clmp_draws_check(plan, images * plan->image_pixels) : CLMP_OK;
}

clmp_status clmp_whole_set(struct clmp_plan *plan, uint64_t images, uint64_t first_image) {
    struct clmp_whole *whole = plan->whole;
    whole->images = images; /* also where what follows fails: sums are as long as that says */
    whole->first_image = first_image;
    if (clmp_whole_shares_pools(plan) && plan->params.input != CLMP_INPUT_LABELS && images != whole->problem_images) {
        /* a buffer of its own, as work that is still enqueued reads the one before */
        clmp_problem problem = clmp_problem_of(&plan->params, images * plan->image_pixels, images);
        cl_int error = CL_SUCCESS;
        const cl_mem made = clCreateBuffer(plan->context->cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof problem,
                                           &problem, &error);
        if (error != CL_SUCCESS)
            return clmp_fail_cl(&plan->context->log, error, "clCreateBuffer");
        clReleaseMemObject(plan->problem);
        plan->problem = made;
        whole->problem_images = images;
    }
    return CLMP_OK;
}

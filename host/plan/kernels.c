/* The kernels of a plan, and the work-groups that a device has room for.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/kernels.h"

#include "core/program.h"
#include "plan/reading.h"
#include "plan/tuning.h"
#include "plan/upsample.h"

#include <inttypes.h>
#include <stdio.h>

struct kernel_wanted {
    enum clmp_kernel_id id;
    const char *source, *name;
};

void clmp_plan_count_macros(const struct clmp_plan *plan, uint32_t group, char *text, size_t size) {
    snprintf(text, size,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s",
             plan->tuning.group_size, group, plan->label_classes, clmp_label_type_name(plan->params.label_type));
}

static clmp_status create_counting(struct clmp_plan *plan) {
    char macros[256];
    clmp_plan_count_macros(plan, plan->tuning.bin_group, macros, sizeof macros);
    const clmp_status status = clmp_kernel_create(plan->context, "count_labels", macros, "clmp_count_labels",
                                                  &plan->kernels[CLMP_KERNEL_COUNT_LABELS]);
    if (status != CLMP_OK)
        return status;
    return clmp_kernel_create(plan->context, "count_labels", macros, "clmp_add_counts",
                              &plan->kernels[CLMP_KERNEL_ADD_COUNTS]);
}

static clmp_status create_kernels(struct clmp_plan *plan) {
    if (plan->params.input == CLMP_INPUT_LABELS)
        return create_counting(plan);
    static const struct kernel_wanted search[] = {{CLMP_KERNEL_FILL, "threshold_search", "clmp_threshold_fill"}};
    static const struct kernel_wanted sort[] = {{CLMP_KERNEL_SORT_KEYS, "threshold_sort", "clmp_sort_keys"},
                                                {CLMP_KERNEL_SORT_COUNT, "threshold_sort", "clmp_sort_count"},
                                                {CLMP_KERNEL_SORT_SCAN, "threshold_sort", "clmp_sort_scan"},
                                                {CLMP_KERNEL_SORT_SCATTER, "threshold_sort", "clmp_sort_scatter"},
                                                {CLMP_KERNEL_SORT_SUMS, "threshold_sort", "clmp_sort_sums"},
                                                {CLMP_KERNEL_SORT_BINS, "threshold_sort", "clmp_sort_bins"}};
    static const struct kernel_wanted images[] = {{CLMP_KERNEL_TOTAL, "threshold_total", "clmp_threshold_total"}};
    static const struct kernel_wanted select[] = {{CLMP_KERNEL_SELECT, "threshold_select", "clmp_threshold_select"}};
    static const struct kernel_wanted ohem[] = {{CLMP_KERNEL_SELECT, "threshold_ohem", "clmp_ohem_select"}};
    static const struct kernel_wanted balanced[] = {{CLMP_KERNEL_COUNT_LABELS, "count_labels", "clmp_count_labels"},
                                                    {CLMP_KERNEL_DRAW_SHARES, "threshold_draw", "clmp_draw_shares"}};
    static const struct kernel_wanted drawn[] = {{CLMP_KERNEL_DRAW_PIXELS, "threshold_draw", "clmp_draw_pixels"},
                                                 {CLMP_KERNEL_DRAW_RESULT, "threshold_draw", "clmp_draw_result"}};
    static const struct kernel_wanted normalise[] = {
        {CLMP_KERNEL_NORMALISE_COUNT, "normalise", "clmp_normalise_count"},
        {CLMP_KERNEL_NORMALISE_RESULT, "normalise", "clmp_normalise_result"}};
    static const struct kernel_wanted weights[] = {{CLMP_KERNEL_WEIGHTS, "weights", "clmp_weights"}};
    const clmp_tuning *tuning = &plan->tuning;
    const bool by_search = plan->params.solver == CLMP_SOLVER_SEARCH;
    const bool from_logits = plan->params.input == CLMP_INPUT_LOGITS;
    const bool by_ohem = plan->params.weighting == CLMP_WEIGHTING_OHEM;
    const bool by_balance = plan->params.weighting == CLMP_WEIGHTING_BALANCED;
    /* each program gets the macros that it looks at, so that plans share programs wherever they can */
    char group[64], tree[96], sort_macros[96], pixel[128], search_macros[192], labels[64], logits[CLMP_LOGITS_MACROS];
    char weights_macros[160], draw_macros[512], normalise_macros[256];
    snprintf(group, sizeof group, " -DCLMP_GROUP=%" PRIu32, tuning->group_size);
    snprintf(sort_macros, sizeof sort_macros, "%s -DCLMP_BIN_GROUP=%" PRIu32, group, tuning->bin_group);
    snprintf(tree, sizeof tree, "%s -DCLMP_LOCAL_TREE=%d", group, clmp_plan_tree_is_local(plan));
    snprintf(pixel, sizeof pixel, "%s -DCLMP_VECTOR=%" PRIu32, group, tuning->vector_width);
    snprintf(search_macros, sizeof search_macros,
             " -DCLMP_VECTOR=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_LOCAL_BINS=%d -DCLMP_SHARED_SETS=%d",
             tuning->vector_width, tuning->bin_group, tuning->bin_memory == 2, tuning->bin_sets < tuning->chunks);
    snprintf(labels, sizeof labels, " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s", plan->label_classes,
             from_logits ? clmp_label_type_name(plan->params.label_type) : "uchar");
    clmp_logits_macros(&plan->params, &plan->logits, logits);
    snprintf(weights_macros, sizeof weights_macros, "%s%s", pixel, plan->drawn ? " -DCLMP_DRAWN" : "");
    snprintf(draw_macros, sizeof draw_macros, "%s%s%s -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_MARKED=1 -DCLMP_DRAW_HARD=%d",
             group, labels, logits, tuning->bin_group, by_ohem);

    char channels[64] = "";
    if (clmp_is_binary(&plan->params))
        snprintf(channels, sizeof channels, " -DCLMP_CHANNELS=%" PRIu64, plan->params.classes);
    /* the numbers of kernels/normalise.clh */
    const int shares = plan->drawn ? 2 : plan->params.weighting == CLMP_WEIGHTING_TOPK ? 1 : 0;
    snprintf(normalise_macros, sizeof normalise_macros,
             " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_LABEL=%s -DCLMP_SHARES=%d%s", tuning->bin_group,
             from_logits ? clmp_label_type_name(plan->params.label_type) : "uchar", shares, channels);

    const struct {
        const struct kernel_wanted *kernels;
        size_t count; /* 0: not wanted */
        const char *macros;
    } sets[] = {
        {search, by_search && !by_balance ? sizeof search / sizeof search[0] : 0, search_macros},
        {sort, !by_search && !by_balance ? sizeof sort / sizeof sort[0] : 0, sort_macros},
        {select, !by_ohem && !by_balance, tree},
        {ohem, by_ohem, tree},
        {balanced, by_balance ? sizeof balanced / sizeof balanced[0] : 0, draw_macros},
        {drawn, plan->drawn ? sizeof drawn / sizeof drawn[0] : 0, draw_macros},
        {normalise, plan->normalised ? sizeof normalise / sizeof normalise[0] : 0, normalise_macros},
        {images, plan->params.scope == CLMP_SCOPE_IMAGE, ""},
        {weights, 1, weights_macros},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; ++i)
        for (size_t j = 0; j < sets[i].count; ++j) {
            const struct kernel_wanted *wanted = &sets[i].kernels[j];
            const clmp_status status = clmp_kernel_create(plan->context, wanted->source, sets[i].macros, wanted->name,
                                                          &plan->kernels[wanted->id]);
            if (status != CLMP_OK)
                return status;
        }
    return plan->reading != NULL ? plan->reading->build(plan) : CLMP_OK;
}

void clmp_plan_release_kernels(struct clmp_plan *plan) {
    for (int i = 0; i < CLMP_KERNEL_COUNT; ++i) {
        if (plan->kernels[i] != NULL)
            clReleaseKernel(plan->kernels[i]);
        plan->kernels[i] = NULL;
    }
}

/* Bytes of a kernel's arrays in local memory, for a work-group of `group`.  CL_KERNEL_LOCAL_MEM_SIZE does not do: Mesa
 * answers with more than its devices have, of kernels that run there. */
static uint64_t local_memory(const struct clmp_plan *plan, enum clmp_kernel_id id, uint64_t group) {
    switch (id) {
    case CLMP_KERNEL_FILL:
        return plan->tuning.bin_memory == 2 ? CLMP_LOCAL_BINS_SIZE : 0;
    case CLMP_KERNEL_SORT_COUNT:
        return CLMP_DIGITS * sizeof(cl_ulong);
    case CLMP_KERNEL_SORT_SCAN:
        return sizeof(cl_ulong) * group;
    case CLMP_KERNEL_SORT_SCATTER: /* places; and where keys move by tiles, sums, the digits' firsts and the tile */
        return CLMP_DIGITS * sizeof(cl_ulong) + (group > 1 ? group * sizeof(cl_ulong) : 0) +
               (group > 1 ? (CLMP_DIGITS + CLMP_SORT_HELD * group) * sizeof(cl_uint) : 0);
    case CLMP_KERNEL_SELECT:
        return clmp_plan_tree_is_local(plan) ? sizeof(clmp_tree) : 0;
    case CLMP_KERNEL_DRAW_RESULT:
        return CLMP_DRAW_NODES * sizeof(clmp_real);
    case CLMP_KERNEL_COUNT_LABELS:
        return CLMP_COUNTS_ARE_LOCAL(plan->label_classes) ? CLMP_COUNTS(plan->label_classes) * sizeof(cl_uint) : 0;
    case CLMP_KERNEL_DRAW_SHARES:
        return 4 * sizeof(cl_ulong) * group;
    case CLMP_KERNEL_DRAW_PIXELS:
        return CLMP_DRAW_BINS * sizeof(cl_ulong);
    case CLMP_KERNEL_UPSAMPLE_GRADIENT:
        return clmp_upsample_least_group(plan) > 1 ? 8 * sizeof(cl_float) * group : 0;
    default:
        return 0;
    }
}

clmp_status clmp_plan_kernel_fits(const struct clmp_plan *plan, enum clmp_kernel_id id, uint32_t group, bool *fits,
                                  char why[CLMP_WHY]) {
    const struct clmp_device_facts *facts = &plan->context->facts;
    const uint64_t memory = local_memory(plan, id, group);
    size_t most = 0;
    const cl_int error = clGetKernelWorkGroupInfo(plan->kernels[id], plan->context->device, CL_KERNEL_WORK_GROUP_SIZE,
                                                  sizeof most, &most, NULL);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(&plan->context->log, error, "clGetKernelWorkGroupInfo");
    if (most > facts->max_group) /* some runtimes answer with the size that the kernel states */
        most = facts->max_group;
    *fits = group <= most && memory <= facts->local_memory;
    if (group > most)
        snprintf(why, CLMP_WHY, "a kernel that needs work-groups of %" PRIu32 " is allowed %zu on this device", group,
                 most);
    else if (!*fits)
        snprintf(why, CLMP_WHY, "a kernel needs %" PRIu64 " bytes of local memory, and this device has %" PRIu64,
                 memory, (uint64_t)facts->local_memory);
    return CLMP_OK;
}

/*
 * Halves what the library chose for work-groups where a kernel needs more registers or local memory than the device has
 * for it.  Work-items that share a tile of interpolation are in one work-group: where those are too many, it widens the
 * vectors that it chose.  `*fits` where nothing had to change.
 */
static clmp_status fit_kernel(struct clmp_plan *plan, enum clmp_kernel_id id, bool *fits) {
    const struct clmp_log *log = &plan->context->log;
    const clmp_tuning *asked = &plan->params.tuning;
    const bool bins = id == CLMP_KERNEL_FILL || id == CLMP_KERNEL_COUNT_LABELS || id == CLMP_KERNEL_DRAW_PIXELS ||
                      id == CLMP_KERNEL_NORMALISE_COUNT ||
                      (id >= CLMP_KERNEL_SORT_COUNT && id <= CLMP_KERNEL_SORT_BINS);
    const bool shared = id == CLMP_KERNEL_UPSAMPLE_LOSS || id == CLMP_KERNEL_UPSAMPLE_GRADIENT;
    const uint32_t asked_group = bins ? asked->bin_group : asked->group_size;
    const uint32_t least = shared ? clmp_upsample_least_group(plan) : 1;
    uint32_t *group = bins ? &plan->tuning.bin_group : &plan->tuning.group_size;
    const uint32_t size = shared ? clmp_upsample_group(plan) : *group;
    char why[CLMP_WHY];
    const clmp_status status = clmp_plan_kernel_fits(plan, id, size, fits, why);
    if (status != CLMP_OK || *fits)
        return status;
    if (size > least && asked_group != 0)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "tuning.%s is %" PRIu32 ", but %s",
                         bins ? "bin_group" : "group_size", asked_group, why);
    if (size == 1)
        return clmp_fail(log, CLMP_DEVICE_UNSUPPORTED, "%s", why);
    if (size > least)
        *group = size / 2;
    else if (asked->vector_width == 0)
        plan->tuning.vector_width *= 2;
    else
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "tuning.vector_width is %" PRIu32 ", but with it %s",
                         asked->vector_width, why);
    return CLMP_OK;
}

/* Whether a kernel runs in work-groups of one work-item. */
static bool is_single(enum clmp_kernel_id id) {
    return id == CLMP_KERNEL_TOTAL || id == CLMP_KERNEL_NORMALISE_RESULT;
}

clmp_status clmp_plan_build_kernels(struct clmp_plan *plan) {
    for (;;) {
        bool fits = true;
        clmp_status status = create_kernels(plan);
        for (int i = 0; i < CLMP_KERNEL_COUNT && status == CLMP_OK && fits; ++i)
            if (plan->kernels[i] != NULL && !is_single((enum clmp_kernel_id)i))
                status = fit_kernel(plan, (enum clmp_kernel_id)i, &fits);
        if (status != CLMP_OK || fits)
            return status;
        clmp_plan_release_kernels(plan);
    }
}

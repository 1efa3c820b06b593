/* The kernels of a plan, and the work-groups that a device has room for.  SPDX-License-Identifier: Apache-2.0 */
#include "plan/kernels.h"

#include "plan/draws.h"
#include "plan/reading.h"
#include "plan/sort.h"
#include "plan/tuning.h"
#include "plan/upsample.h"
#include "plan/wanted.h"

#include <inttypes.h>
#include <stdio.h>

void clmp_plan_count_macros(const struct clmp_plan *plan, uint32_t group, char *text, size_t size) {
    snprintf(text, size,
             " -DCLMP_GROUP=%" PRIu32 " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_CLASSES=%" PRIu64 " -DCLMP_LABEL=%s",
             plan->tuning.group_size, group, plan->label_classes, clmp_label_type_name(plan->params.label_type));
}

static clmp_status create_counting(struct clmp_plan *plan) {
    static const struct clmp_wanted counting[] = {{CLMP_KERNEL_COUNT_LABELS, "count_labels", "clmp_count_labels"},
                                                  {CLMP_KERNEL_ADD_COUNTS, "count_labels", "clmp_add_counts"}};
    char macros[256];
    clmp_plan_count_macros(plan, plan->tuning.bin_group, macros, sizeof macros);
    return clmp_wanted_make(plan, counting, sizeof counting / sizeof counting[0], macros);
}

static clmp_status create_kernels(struct clmp_plan *plan) {
    if (plan->params.input == CLMP_INPUT_LABELS)
        return create_counting(plan);
    static const struct clmp_wanted search[] = {{CLMP_KERNEL_FILL, "threshold_search+weights", "clmp_threshold_fill"},
                                                {CLMP_KERNEL_WEIGHTS, "threshold_search+weights", "clmp_weights"}};
    static const struct clmp_wanted images[] = {{CLMP_KERNEL_TOTAL, "threshold_total", "clmp_threshold_total"}};
    static const struct clmp_wanted ranks[] = {
        {CLMP_KERNEL_TOTAL_OF_RANKS, "threshold_total", "clmp_threshold_total_of_ranks"}};
    static const struct clmp_wanted select[] = {{CLMP_KERNEL_SELECT, "threshold_select", "clmp_threshold_select"}};
    static const struct clmp_wanted ohem[] = {{CLMP_KERNEL_SELECT, "threshold_ohem", "clmp_ohem_select"}};
    static const struct clmp_wanted normalise[] = {
        {CLMP_KERNEL_NORMALISE_COUNT, "normalise", "clmp_normalise_count"},
        {CLMP_KERNEL_NORMALISE_RESULT, "normalise", "clmp_normalise_result"}};
    static const struct clmp_wanted weights[] = {{CLMP_KERNEL_WEIGHTS, "weights", "clmp_weights"}};
    const clmp_tuning *tuning = &plan->tuning;
    const bool from_logits = plan->params.input == CLMP_INPUT_LOGITS;
    const bool by_ohem = plan->params.weighting == CLMP_WEIGHTING_OHEM;
    const bool by_balance = plan->params.weighting == CLMP_WEIGHTING_BALANCED;
    const bool by_search = plan->sort == NULL && !by_balance;
    const bool on_stack =
        tuning->bin_memory == 2 && tuning->bin_group == 1 && plan->context->facts.type == CL_DEVICE_TYPE_CPU;
    /* each program gets the macros that it looks at, so that plans share programs wherever they can */
    char tree[96], weights_macros[160], search_macros[320], normalise_macros[256];
    snprintf(tree, sizeof tree, " -DCLMP_GROUP=%" PRIu32 " -DCLMP_LOCAL_TREE=%d", tuning->group_size,
             clmp_plan_tree_is_local(plan));
    snprintf(weights_macros, sizeof weights_macros, " -DCLMP_GROUP=%" PRIu32 " -DCLMP_VECTOR=%" PRIu32 "%s",
             tuning->group_size, tuning->vector_width, plan->draws != NULL ? " -DCLMP_DRAWN" : "");
    snprintf(search_macros, sizeof search_macros,
             "%s -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_LOCAL_BINS=%d -DCLMP_SHARED_SETS=%d%s", weights_macros,
             tuning->bin_group, tuning->bin_memory == 2, tuning->bin_sets < tuning->chunks,
             on_stack ? " -DCLMP_STACK_BINS=1" : "");

    char channels[64] = "";
    if (clmp_is_binary(&plan->params))
        snprintf(channels, sizeof channels, " -DCLMP_CHANNELS=%" PRIu64, plan->params.classes);
    /* the numbers of kernels/normalise.clh */
    const int shares = plan->draws != NULL ? 2 : plan->params.weighting == CLMP_WEIGHTING_TOPK ? 1 : 0;
    snprintf(normalise_macros, sizeof normalise_macros,
             " -DCLMP_BIN_GROUP=%" PRIu32 " -DCLMP_LABEL=%s -DCLMP_SHARES=%d%s", tuning->bin_group,
             from_logits ? clmp_label_type_name(plan->params.label_type) : "uchar", shares, channels);

    const struct {
        const struct clmp_wanted *kernels;
        size_t count; /* 0: not wanted */
        const char *macros;
    } sets[] = {
        {search, by_search ? sizeof search / sizeof search[0] : 0, search_macros},
        {select, !by_ohem && !by_balance, tree},
        {ohem, by_ohem, tree},
        {normalise, plan->normalised ? sizeof normalise / sizeof normalise[0] : 0, normalise_macros},
        {images, plan->params.scope == CLMP_SCOPE_IMAGE, ""},
        {ranks, plan->params.scope == CLMP_SCOPE_IMAGE && plan->whole != NULL, ""},
        {weights, !by_search, weights_macros},
    };
    clmp_status status = CLMP_OK;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0] && status == CLMP_OK; ++i)
        status = clmp_wanted_make(plan, sets[i].kernels, sets[i].count, sets[i].macros);
    if (status == CLMP_OK && plan->sort != NULL)
        status = clmp_sort_build(plan);
    if (status == CLMP_OK && plan->draws != NULL)
        status = clmp_draws_build(plan);
    if (status == CLMP_OK && plan->reading != NULL)
        status = plan->reading->build(plan);
    return status;
}

clmp_status clmp_plan_build_range(struct clmp_plan *plan) {
    cl_kernel *kernel = &plan->kernels[CLMP_KERNEL_RANGE];
    if (*kernel != NULL)
        return CLMP_OK;
    char why[CLMP_WHY];
    bool fits = false;
    clmp_status status = plan->reading->build_range(plan);
    if (status == CLMP_OK)
        status = clmp_plan_kernel_fits(plan, CLMP_KERNEL_RANGE, plan->tuning.group_size, &fits, why);
    if (status == CLMP_OK && !fits)
        status = clmp_fail(&plan->context->log, CLMP_DEVICE_UNSUPPORTED, "counting a gradient's range: %s", why);
    if (status != CLMP_OK && *kernel != NULL) {
        clReleaseKernel(*kernel);
        *kernel = NULL;
    }
    return status;
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
    case CLMP_KERNEL_SORT_BINS:
        return 4 * sizeof(cl_ulong) * CLMP_SORT_TOGETHER(group);
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
    case CLMP_KERNEL_RANGE:
        return 2 * sizeof(cl_ulong);
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

static bool is_of_bins(enum clmp_kernel_id id) {
    return id == CLMP_KERNEL_FILL || id == CLMP_KERNEL_COUNT_LABELS || id == CLMP_KERNEL_DRAW_PIXELS ||
           id == CLMP_KERNEL_NORMALISE_COUNT || (id >= CLMP_KERNEL_SORT_COUNT && id <= CLMP_KERNEL_SORT_BINS);
}

/* Whether its work-items share a tile of interpolation. */
static bool is_shared(enum clmp_kernel_id id) {
    return id == CLMP_KERNEL_UPSAMPLE_LOSS || id == CLMP_KERNEL_UPSAMPLE_GRADIENT;
}

/* Work-items of a work-group. */
static uint32_t group_of(const struct clmp_plan *plan, enum clmp_kernel_id id) {
    return is_shared(id)    ? clmp_upsample_group(plan)
           : is_of_bins(id) ? plan->tuning.bin_group
                            : plan->tuning.group_size;
}

/*
 * Halves what the library chose for work-groups where a kernel needs more registers or local memory than the device has
 * for it.  Work-items that share a tile of interpolation are in one work-group: where those are too many, it widens the
 * vectors that it chose.
 */
static clmp_status shrink(struct clmp_plan *plan, enum clmp_kernel_id id, const char *why) {
    const struct clmp_log *log = &plan->context->log;
    const clmp_tuning *asked = &plan->params.tuning;
    const bool bins = is_of_bins(id), shared = is_shared(id);
    const uint32_t asked_group = bins ? asked->bin_group : asked->group_size;
    const uint32_t least = shared ? clmp_upsample_least_group(plan) : 1, size = group_of(plan, id);
    if (size > least && asked_group != 0)
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "tuning.%s is %" PRIu32 ", but %s",
                         bins ? "bin_group" : "group_size", asked_group, why);
    if (size == 1)
        return clmp_fail(log, CLMP_DEVICE_UNSUPPORTED, "%s", why);
    if (size > least)
        *(bins ? &plan->tuning.bin_group : &plan->tuning.group_size) = size / 2;
    else if (asked->vector_width == 0)
        plan->tuning.vector_width *= 2;
    else
        return clmp_fail(log, CLMP_INVALID_ARGUMENT, "tuning.vector_width is %" PRIu32 ", but with it %s",
                         asked->vector_width, why);
    return CLMP_OK;
}

/* Makes the work-groups of a kernel as small as it needs, as it is compiled now; `*same` stays if they fit already. */
static clmp_status fit_kernel(struct clmp_plan *plan, enum clmp_kernel_id id, bool *same) {
    for (;;) {
        char why[CLMP_WHY];
        bool fits = false;
        clmp_status status = clmp_plan_kernel_fits(plan, id, group_of(plan, id), &fits, why);
        if (status == CLMP_OK && !fits)
            status = shrink(plan, id, why);
        if (status != CLMP_OK || fits)
            return status;
        *same = false;
    }
}

/* Whether a kernel runs in work-groups of one work-item. */
static bool is_single(enum clmp_kernel_id id) {
    return id == CLMP_KERNEL_TOTAL || id == CLMP_KERNEL_TOTAL_OF_RANKS || id == CLMP_KERNEL_NORMALISE_RESULT;
}

clmp_status clmp_plan_build_kernels(struct clmp_plan *plan) {
    /* Compiled once more for smaller work-groups, of which a kernel may be allowed more or fewer. */
    for (;;) {
        bool same = true;
        clmp_status status = create_kernels(plan);
        for (int i = 0; i < CLMP_KERNEL_COUNT && status == CLMP_OK; ++i)
            if (plan->kernels[i] != NULL && !is_single((enum clmp_kernel_id)i))
                status = fit_kernel(plan, (enum clmp_kernel_id)i, &same);
        if (status != CLMP_OK || same)
            return status;
        clmp_plan_release_kernels(plan);
    }
}

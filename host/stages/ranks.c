/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/ranks.h"

#include "core/cache.h"
#include "plan/whole.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct clmp_log *log_of(const struct clmp_step *step) {
    return &step->plan->context->log;
}

/* ------------------------------------------------------------------------------------------------------- messages */

/* Sums the first `count` numbers of the message; where that fails, nothing is known of the others any more. */
static clmp_status sum(struct clmp_step *step, size_t count) {
    const clmp_ranks *ranks = &step->plan->whole->ranks;
    if (ranks->allreduce(ranks->user, step->plan->whole->message, count) == 0)
        return CLMP_OK;
    step->alone = true;
    return clmp_fail(log_of(step), CLMP_RANKS_FAILED, "rank %" PRIu32 " of %" PRIu32 ": allreduce failed", ranks->rank,
                     ranks->size);
}

/* All ranks know that rank `rank` has failed, and why. */
static clmp_status failed(struct clmp_step *step, uint32_t rank, clmp_status why) {
    const clmp_ranks *ranks = &step->plan->whole->ranks;
    step->alone = true;
    if (rank == ranks->rank) /* which has told its log */
        return why;
    return clmp_fail(log_of(step), why, "rank %" PRIu32 " of %" PRIu32 " failed: %s; its log says more", rank,
                     ranks->size, clmp_status_text(why));
}

/* One rank or several have failed: the first of them speaks for all. */
static clmp_status find_failed(struct clmp_step *step, clmp_status status) {
    const clmp_ranks *ranks = &step->plan->whole->ranks;
    uint64_t *slots = step->plan->whole->message;
    memset(slots, 0, ranks->size * sizeof *slots);
    slots[ranks->rank] = (uint64_t)status;
    const clmp_status lost = sum(step, ranks->size);
    uint32_t rank = 0;
    while (rank + 1 < ranks->size && slots[rank] == 0)
        ++rank;
    if (lost != CLMP_OK)
        return lost;
    return failed(step, rank, slots[rank] != 0 ? (clmp_status)slots[rank] : CLMP_RANKS_FAILED);
}

/* Sums `count` numbers, in messages that each say whether all go on; with 0, that alone. */
static clmp_status exchange(struct clmp_step *step, clmp_status status, uint64_t *numbers, size_t count) {
    const size_t most = CLMP_MESSAGE_WORDS(step->plan->whole->ranks.size);
    uint64_t *message = step->plan->whole->message;
    size_t done = 0;
    do {
        const size_t words = count - done < most ? count - done : most;
        if (status != CLMP_OK)
            memset(message, 0, words * sizeof *message);
        else if (words > 0)
            memcpy(message, numbers + done, words * sizeof *message);
        message[words] = status != CLMP_OK;
        const clmp_status lost = sum(step, words + 1);
        if (lost != CLMP_OK)
            return lost;
        if (message[words] != 0 || status != CLMP_OK)
            return find_failed(step, status);
        if (words > 0)
            memcpy(numbers + done, message, words * sizeof *message);
        done += words;
    } while (done < count);
    return CLMP_OK;
}

clmp_status clmp_ranks_end(struct clmp_step *step, clmp_status status) {
    return step->alone ? status : exchange(step, status, NULL, 0);
}

/* ------------------------------------------------------------------------------------------------------ agreement */

/*
 * The first message has two numbers of each rank, 0 from all others: what is alike as a hash, and in the other
 *     bits 0 to 39    its images
 *     bits 40 to 43   the entry that it calls
 *     bits 44 to 51   its status
 *     bits 52 to 55   1: it is there, once
 *     bits 56 to 63   the version of these messages
 */
enum { VERSION = 1 };

static uint64_t introduction(const clmp_plan *plan, enum clmp_entry entry, clmp_status status) {
    return plan->params.images | (uint64_t)entry << 40 | (uint64_t)status << 44 | UINT64_C(1) << 52 |
           (uint64_t)VERSION << 56;
}

static enum clmp_entry entry_of(uint64_t word) {
    return (enum clmp_entry)(word >> 40 & 15);
}

static clmp_status status_of(uint64_t word) {
    return (clmp_status)(word >> 44 & 255);
}

/* What must be alike, with what the call says. */
static size_t list_alike(const struct clmp_step *step, enum clmp_entry entry, struct clmp_alike list[CLMP_MOST_ALIKE]) {
    const clmp_plan_params *params = &step->plan->params;
    size_t count = clmp_whole_list(step->plan, list);
    const bool draws = params->input == CLMP_INPUT_LOGITS && params->weighting == CLMP_WEIGHTING_BALANCED &&
                       entry != CLMP_ENTRY_CONFUSION;
    const double scale = entry == CLMP_ENTRY_GRADIENT ? (double)step->buffers->gradient_scale : 0.0;
    list[count++] = (struct clmp_alike){"step", draws ? step->buffers->step : 0, CLMP_ALIKE_COUNT};
    list[count] = (struct clmp_alike){"gradient_scale", 0, CLMP_ALIKE_REAL};
    memcpy(&list[count++].bits, &scale, sizeof scale);
    return count;
}

static void print_alike(const struct clmp_alike *of, uint64_t bits, char text[32]) {
    double real = 0.0;
    memcpy(&real, &bits, sizeof real);
    switch (of->kind) {
    case CLMP_ALIKE_COUNT:
        snprintf(text, 32, "%" PRIu64, bits);
        break;
    case CLMP_ALIKE_SIGNED:
        snprintf(text, 32, "%" PRId64, (int64_t)bits);
        break;
    case CLMP_ALIKE_REAL:
        snprintf(text, 32, "%.9g", real);
        break;
    case CLMP_ALIKE_HASH:
        snprintf(text, 32, "of hash %016" PRIx64, bits);
        break;
    }
}

/* Ranks 0 and `rank` have other parameters: both say theirs, and the first that differs is named. */
static clmp_status name_difference(struct clmp_step *step, uint32_t rank, const struct clmp_alike *list, size_t count) {
    const clmp_ranks *ranks = &step->plan->whole->ranks;
    uint64_t *said = step->plan->whole->message;
    memset(said, 0, 2 * count * sizeof *said);
    for (size_t i = 0; i < count; ++i) {
        said[i] = ranks->rank == 0 ? list[i].bits : 0;
        said[count + i] = ranks->rank == rank ? list[i].bits : 0;
    }
    const clmp_status lost = sum(step, 2 * count);
    if (lost != CLMP_OK)
        return lost;
    size_t i = 0;
    while (i + 1 < count && said[i] == said[count + i])
        ++i;
    char of_first[32], of_rank[32];
    print_alike(&list[i], said[i], of_first);
    print_alike(&list[i], said[count + i], of_rank);
    step->alone = true;
    return clmp_fail(log_of(step), CLMP_INVALID_ARGUMENT, "%s is %s on rank 0, and %s on rank %" PRIu32 " of %" PRIu32,
                     list[i].name, of_first, of_rank, rank, ranks->size);
}

/* Whether each rank has introduced itself, once; and none has failed. */
static clmp_status check_introductions(struct clmp_step *step, const uint64_t *slots) {
    const uint32_t size = step->plan->whole->ranks.size;
    step->alone = true; /* on all ranks, where one of these fails */
    for (uint32_t r = 0; r < size; ++r)
        if ((slots[2 * (size_t)r] >> 52 & 15) != 1)
            return clmp_fail(log_of(step), CLMP_INVALID_ARGUMENT,
                             "rank %" PRIu32 " of %" PRIu32 " is %s: two have the same number", r, size,
                             slots[2 * (size_t)r] == 0 ? "not there" : "there twice");
    for (uint32_t r = 0; r < size; ++r)
        if (slots[2 * (size_t)r] >> 56 != VERSION)
            return clmp_fail(log_of(step), CLMP_INVALID_ARGUMENT,
                             "the ranks have versions of the library that do not understand each other");
    for (uint32_t r = 0; r < size; ++r)
        if (status_of(slots[2 * (size_t)r]) != CLMP_OK)
            return failed(step, r, status_of(slots[2 * (size_t)r]));
    static const char *const names[] = {
        [CLMP_ENTRY_WEIGHTS] = "weights",     [CLMP_ENTRY_LOSS] = "loss",
        [CLMP_ENTRY_GRADIENT] = "gradient",   [CLMP_ENTRY_LABEL_COUNTS] = "label_counts",
        [CLMP_ENTRY_CONFUSION] = "confusion", [CLMP_ENTRY_LOSS_PART] = "loss_part",
        [CLMP_ENTRY_THRESHOLD] = "threshold", [CLMP_ENTRY_GRADIENT_PART] = "gradient_part"};
    for (uint32_t r = 1; r < size; ++r)
        if (entry_of(slots[2 * (size_t)r]) != entry_of(slots[0]))
            return clmp_fail(log_of(step), CLMP_INVALID_ARGUMENT,
                             "rank 0 calls clmp_enqueue_%s, and rank %" PRIu32 " of %" PRIu32 " clmp_enqueue_%s",
                             names[entry_of(slots[0]) & 7], r, size, names[entry_of(slots[2 * (size_t)r]) & 7]);
    step->alone = false;
    return CLMP_OK;
}

clmp_status clmp_ranks_agree(struct clmp_step *step, clmp_status status, enum clmp_entry entry) {
    if (step->alone)
        return status;
    const clmp_ranks *ranks = &step->plan->whole->ranks;
    struct clmp_alike list[CLMP_MOST_ALIKE];
    const size_t alike = list_alike(step, entry, list);
    uint64_t hash = 0;
    for (size_t i = 0; i < alike; ++i)
        hash = clmp_hash(hash, &list[i].bits, sizeof list[i].bits);
    uint64_t *slots = step->plan->whole->message;
    memset(slots, 0, 2 * (size_t)ranks->size * sizeof *slots);
    slots[2 * (size_t)ranks->rank] = introduction(step->plan, entry, status);
    slots[2 * (size_t)ranks->rank + 1] = hash;
    clmp_status agreed = sum(step, 2 * (size_t)ranks->size);
    if (agreed == CLMP_OK)
        agreed = check_introductions(step, slots);
    if (agreed != CLMP_OK)
        return agreed;
    uint64_t images = 0, before = 0;
    uint32_t other = 0;
    for (uint32_t r = 0; r < ranks->size; ++r) {
        const uint64_t own = slots[2 * (size_t)r] & 0xffffffffff;
        before += r < ranks->rank ? own : 0;
        images += own;
        if (other == 0 && slots[2 * (size_t)r + 1] != slots[1])
            other = r;
    }
    if (other != 0)
        return name_difference(step, other, list, alike);
    agreed = clmp_whole_check(step->plan, images);
    step->alone = agreed != CLMP_OK; /* on all ranks */
    return agreed == CLMP_OK ? clmp_whole_set(step->plan, images, before) : agreed;
}

/* ----------------------------------------------------------------------------------------------------------- sums */

clmp_status clmp_ranks_add(struct clmp_step *step, clmp_status status, size_t at, uint32_t copies, size_t words) {
    if (step->alone || !clmp_whole_shares_pools(step->plan))
        return status;
    uint64_t *numbers = step->plan->whole->read;
    const clmp_buffer place = {step->workspace.mem, step->workspace.offset + at};
    if (status == CLMP_OK)
        status = clmp_chain_read(&step->chain, place, copies * words * sizeof *numbers, numbers);
    for (uint32_t copy = 1; copy < copies && status == CLMP_OK; ++copy)
        for (size_t i = 0; i < words; ++i)
            numbers[i] += numbers[copy * words + i];
    status = exchange(step, status, numbers, words);
    return status == CLMP_OK ? clmp_chain_write(&step->chain, place, words * sizeof *numbers, numbers) : status;
}

/* The numbers of a total: the six counts of a record, the images with a valid pixel, and each image's L in two words.
 */
enum { COUNTS = 6, WITH_VALID = COUNTS, LOSSES };
_Static_assert(sizeof(clmp_record) == offsetof(clmp_record, support) + COUNTS * sizeof(cl_ulong),
               "counts end a record");
_Static_assert(sizeof(clmp_real) == 2 * sizeof(uint64_t), "two words");

static clmp_buffer counts_place(const struct clmp_step *step) {
    return (clmp_buffer){step->buffers->result.mem, step->buffers->result.offset + offsetof(clmp_record, support)};
}

static clmp_status read_total(struct clmp_step *step, uint64_t *numbers) {
    const clmp_plan *plan = step->plan;
    const clmp_pool *pools = (const void *)plan->whole->read;
    clmp_status status = clmp_chain_read(&step->chain, counts_place(step), COUNTS * sizeof *numbers, numbers);
    if (status == CLMP_OK)
        status = clmp_chain_read(&step->chain,
                                 (clmp_buffer){step->workspace.mem, step->workspace.offset + plan->layout.pools},
                                 (size_t)plan->pools * sizeof *pools, plan->whole->read);
    for (uint64_t i = 0; i < plan->pools && status == CLMP_OK; ++i) {
        numbers[WITH_VALID] += pools[i].valid != 0;
        memcpy(numbers + LOSSES + 2 * (plan->whole->first_image + i), &pools[i].loss, sizeof pools[i].loss);
    }
    return status;
}

/* The buffer of the losses of all images, which grows with the largest batch. */
static clmp_status make_losses(struct clmp_step *step) {
    struct clmp_whole *whole = step->plan->whole;
    if (whole->losses != NULL && whole->losses_images >= whole->images)
        return CLMP_OK;
    cl_int error = CL_SUCCESS;
    const cl_mem made = clCreateBuffer(step->plan->context->cl, CL_MEM_READ_ONLY,
                                       (size_t)whole->images * sizeof(clmp_real), NULL, &error);
    if (error != CL_SUCCESS)
        return clmp_fail_cl(log_of(step), error, "clCreateBuffer");
    if (whole->losses != NULL)
        clReleaseMemObject(whole->losses);
    whole->losses = made;
    whole->losses_images = whole->images;
    return CLMP_OK;
}

static clmp_status write_total(struct clmp_step *step, const uint64_t *numbers) {
    const clmp_plan *plan = step->plan;
    clmp_status status = make_losses(step);
    if (status == CLMP_OK)
        status = clmp_chain_write(&step->chain, counts_place(step), COUNTS * sizeof *numbers, numbers);
    if (status == CLMP_OK)
        status = clmp_chain_write(&step->chain, (clmp_buffer){plan->whole->losses, 0},
                                  (size_t)plan->whole->images * sizeof(clmp_real), numbers + LOSSES);
    if (status != CLMP_OK)
        return status;
    struct clmp_arguments arguments = clmp_arguments_begin(step, CLMP_KERNEL_TOTAL_OF_RANKS);
    clmp_argument_mem(&arguments, plan->whole->losses);
    clmp_argument_ulong(&arguments, plan->whole->images);
    clmp_argument_ulong(&arguments, numbers[WITH_VALID]);
    clmp_argument_workspace(&arguments, step);
    clmp_argument_offset(&arguments, step, plan->layout.pools);
    clmp_argument_mem(&arguments, step->buffers->result.mem);
    clmp_argument_ulong(&arguments, step->buffers->result.offset);
    return clmp_launch(step, &arguments, 1, 1, 1);
}

clmp_status clmp_ranks_total(struct clmp_step *step, clmp_status status) {
    if (step->alone)
        return status;
    const uint64_t words = LOSSES + 2 * step->plan->whole->images;
    uint64_t *numbers = clmp_whole_numbers(step->plan->whole, (size_t)words);
    if (numbers != NULL) {
        memset(numbers, 0, (size_t)words * sizeof *numbers);
    } else if (status == CLMP_OK) {
        clmp_fail(log_of(step), CLMP_OUT_OF_MEMORY, "no memory for the losses of all ranks' images");
        status = CLMP_OUT_OF_MEMORY; /* as clmp_fail() gives back, which analysers do not look into */
    }
    if (status == CLMP_OK)
        status = read_total(step, numbers);
    status = exchange(step, status, numbers, (size_t)words);
    if (status == CLMP_OK && numbers != NULL)
        status = write_total(step, numbers);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- counts */

clmp_status clmp_ranks_count(struct clmp_step *step, clmp_status status, clmp_buffer place, size_t words,
                             clmp_status (*count)(struct clmp_step *)) {
    if (step->alone)
        return status == CLMP_OK ? count(step) : status;
    uint64_t *before = clmp_whole_numbers(step->plan->whole, 2 * words);
    uint64_t *added = before + (before != NULL ? words : 0);
    bool changed = false;
    if (before == NULL && status == CLMP_OK) {
        clmp_fail(log_of(step), CLMP_OUT_OF_MEMORY, "no memory for the counts of ranks");
        status = CLMP_OUT_OF_MEMORY;
    }
    if (status == CLMP_OK)
        status = clmp_chain_read(&step->chain, place, words * sizeof *before, before);
    changed = status == CLMP_OK;
    if (status == CLMP_OK)
        status = count(step);
    if (status == CLMP_OK)
        status = clmp_chain_read(&step->chain, place, words * sizeof *added, added);
    for (size_t i = 0; i < words && status == CLMP_OK; ++i)
        added[i] -= before[i];
    status = exchange(step, status, added, words);
    for (size_t i = 0; i < words && status == CLMP_OK && before != NULL; ++i)
        added[i] += before[i];
    if (status == CLMP_OK)
        status = clmp_chain_write(&step->chain, place, words * sizeof *added, added);
    status = clmp_ranks_end(step, status);
    if (status != CLMP_OK && changed) /* nobody adds, where one could not */
        (void)clmp_chain_write(&step->chain, place, words * sizeof *before, before);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hear(void *user, const char *message) {
    struct member *member = user;
    snprintf(member->said, sizeof member->said, "%s", message);
}

static uint64_t pixels_of_image(const struct problem *whole) {
    return whole->pixels / whole->in.params.images;
}

/* `count` images from `first` on. */
static struct problem part_of(const struct problem *whole, uint64_t first, uint64_t count) {
    struct problem part = *whole;
    const uint64_t images = whole->in.params.images;
    part.pixels = pixels_of_image(whole) * count;
    part.elements = whole->elements / images * count;
    part.in.params.images = count;
    if (whole->logits != NULL) {
        part.logits += whole->elements / images * first;
        part.labels = (char *)whole->labels + pixels_of_image(whole) * first * label_size(whole->in.params.label_type);
    } else {
        part.losses += pixels_of_image(whole) * first;
    }
    part.in.logits = part.logits;
    part.in.labels = part.labels;
    part.in.losses = part.losses;
    return part;
}

void team_plan(struct member *member) {
    clmp_plan_params params = member->part.in.params;
    params.solver = member->run.solver;
    params.tuning = member->run.tuning;
    params.ranks = &member->ranks;
    if (member->plan != NULL) {
        buffers_release(&member->buffers);
        clmp_plan_destroy(member->plan);
    }
    member->plan = NULL;
    use_device(member->device);
    ck_status(
        clmp_plan_create(member->context != NULL ? member->context : test_device()->context, &params, &member->plan),
        CLMP_OK);
    buffers_make(&member->buffers, &member->part, member->plan, &member->run);
    use_device(NULL);
}

static cl_command_queue queue_of(const struct test_device *device, bool in_order) {
    cl_int error = CL_SUCCESS;
    cl_command_queue queue =
        clCreateCommandQueue(device->cl, device->id, in_order ? 0 : CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &error);
    if (error != CL_SUCCESS)
        queue = clCreateCommandQueue(device->cl, device->id, 0, &error);
    ck_cl(error);
    return queue;
}

void team_move(struct member *member, const struct test_device *device) {
    ck_assert(member->context == NULL);
    ck_cl(clReleaseCommandQueue(member->queue));
    member->device = device;
    member->queue = queue_of(device, true);
    team_plan(member);
}

bool team_label(struct member *member, clmp_label_type type) {
    struct problem *part = &member->part;
    const struct problem before = *part;
    void *labels = malloc((size_t)part->pixels * label_size(type));
    ck_assert_ptr_nonnull(labels);
    part->in.params.label_type = type;
    part->in.labels = part->labels = labels;
    bool fit = true;
    for (uint64_t i = 0; i < part->pixels; i++) {
        set_label(part, i, get_label(&before, i));
        fit = fit && get_label(part, i) == get_label(&before, i);
    }
    if (fit) {
        free(member->labels);
        member->labels = labels;
    } else {
        *part = before;
        free(labels);
    }
    return fit;
}

void team_make(struct team *team, const struct problem *whole, uint32_t size, const uint64_t *images,
               const struct run *run, bool own_contexts) {
    use_device(NULL); /* a test that failed may have left another */
    memset(team, 0, sizeof *team);
    team->whole = whole;
    team->size = size;
    ck_status(clmp_local_ranks_create(size, &team->group), CLMP_OK);
    uint64_t first = 0;
    for (uint32_t r = 0; r < size; r++) {
        struct member *member = &team->members[r];
        member->part = part_of(whole, first, images[r]);
        member->run = *run;
        first += images[r];
        clmp_ranks_init(&member->ranks);
        ck_status(clmp_local_ranks_get(team->group, r, &member->ranks), CLMP_OK);
        member->inner = member->ranks;
        if (own_contexts) {
            clmp_context_params params;
            clmp_context_params_init(&params);
            params.log = hear;
            params.log_user = member;
            ck_status(clmp_context_create(test_device()->cl, test_device()->id, &params, &member->context), CLMP_OK);
        }
        member->device = test_device();
        member->queue = queue_of(member->device, r % 2 == 0);
        team_plan(member);
    }
    ck_assert(first == whole->in.params.images);
}

/* Checks nothing: that is for the thread that runs the test. */
static void *step(void *of) {
    struct member *member = of;
    cl_event event = NULL;
    member->said[0] = '\0';
    member->finished = CL_SUCCESS;
    member->status = member->enqueue != NULL ? member->enqueue(member, &event)
                                             : enqueue_problem(member->plan, member->queue, &member->part, &member->run,
                                                               &member->buffers.use, 0, NULL, &event);
    clFlush(member->queue);
    if (event != NULL) {
        member->finished = clWaitForEvents(1, &event);
        clReleaseEvent(event);
    } else if (member->status == CLMP_OK) {
        member->finished = CL_INVALID_EVENT;
    }
    clFinish(member->queue);
    return NULL;
}

void team_step(struct team *team) {
    pthread_t threads[MOST_RANKS];
    for (uint32_t r = 0; r < team->size; r++)
        ck_assert_int_eq(pthread_create(&threads[r], NULL, step, &team->members[r]), 0);
    for (uint32_t r = 0; r < team->size; r++)
        ck_assert_int_eq(pthread_join(threads[r], NULL), 0);
}

static void put(void *to, const void *from, uint64_t first, uint64_t count) {
    if (to != NULL && from != NULL)
        memcpy((float *)to + first, from, (size_t)count * sizeof(float));
}

struct outputs *team_read(const struct team *team) {
    const struct problem *whole = team->whole;
    struct outputs *all = outputs_new(whole, team->members[0].run.entry);
    uint64_t image = 0;
    for (uint32_t r = 0; r < team->size; r++) {
        const struct member *member = &team->members[r];
        const uint64_t images = member->part.in.params.images;
        ck_assert_msg(member->status == CLMP_OK && member->finished == CL_SUCCESS, "rank %u of %u: %s, %d (log: %s)",
                      (unsigned)r, (unsigned)team->size, clmp_status_name(member->status), (int)member->finished,
                      member->said);
        use_device(member->device);
        struct outputs *own = buffers_read(&member->buffers, &member->part, &member->run);
        use_device(NULL);
        put(all->losses, own->losses, image * pixels_of_image(whole), member->part.pixels);
        put(all->weights, own->weights, image * pixels_of_image(whole), member->part.pixels);
        put(all->gradient, own->gradient, whole->elements / whole->in.params.images * image, member->part.elements);
        if (r == 0)
            all->result[0] = own->result[0];
        ck_assert_msg(memcmp(&all->result[0], &own->result[0], sizeof own->result[0]) == 0,
                      "rank %u has another result than rank 0", (unsigned)r);
        if (own->records > 1)
            memcpy(&all->result[1 + image], &own->result[1], (own->records - 1) * sizeof *own->result);
        outputs_free(own);
        image += images;
    }
    return all;
}

void team_assert(struct team *team, const struct outputs *want) {
    team_step(team);
    struct outputs *got = team_read(team);
    assert_same_bits(team->whole, got, want);
    outputs_free(got);
}

void team_free(struct team *team) {
    for (uint32_t r = 0; r < team->size; r++) {
        struct member *member = &team->members[r];
        if (member->plan != NULL)
            buffers_release(&member->buffers);
        clmp_plan_destroy(member->plan);
        ck_cl(clReleaseCommandQueue(member->queue));
        clmp_context_destroy(member->context);
        free(member->labels);
    }
    clmp_local_ranks_destroy(team->group);
}

void split_images(uint64_t images, uint32_t size, struct rng *rng, uint64_t *split) {
    for (uint32_t r = 0; r < size; r++)
        split[r] = 1;
    for (uint64_t i = size; i < images; i++)
        ++split[rng_below(rng, size)];
}

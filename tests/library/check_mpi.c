/*
 * One batch over the processes of an MPI communicator: run by mpiexec, on 1 to 8 of them (tests/mpi.sh).
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * What ranks compute is check_ranks's affair; this shows that an MPI's processes are such ranks.
 */
#include "support.h"

#include <clmp/mpi.h>

#include <stdlib.h>
#include <string.h>

static int rank, size;

START_TEST(what_is_no_communicator_is_refused) {
    clmp_mpi_ranks *group = (clmp_mpi_ranks *)&group;
    ck_status(clmp_mpi_ranks_create(MPI_COMM_WORLD, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_mpi_ranks_create(MPI_COMM_NULL, &group), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(group);
    clmp_ranks ranks;
    clmp_ranks_init(&ranks);
    ck_status(clmp_mpi_ranks_get(NULL, &ranks), CLMP_INVALID_ARGUMENT);
    clmp_mpi_ranks_destroy(NULL);
    ck_status(clmp_mpi_ranks_create(MPI_COMM_WORLD, &group), CLMP_OK);
    ck_status(clmp_mpi_ranks_get(group, NULL), CLMP_INVALID_ARGUMENT);
    ranks.struct_size = 8;
    ck_status(clmp_mpi_ranks_get(group, &ranks), CLMP_INVALID_ARGUMENT);
    clmp_mpi_ranks_destroy(group);
}
END_TEST

START_TEST(an_intercommunicator_is_refused) {
    if (size < 2)
        return;
    MPI_Comm half, between;
    clmp_mpi_ranks *group;
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - rank % 2, 7, &between);
    ck_status(clmp_mpi_ranks_create(between, &group), CLMP_INVALID_ARGUMENT);
    MPI_Comm_free(&between);
    MPI_Comm_free(&half);
}
END_TEST

START_TEST(sums_are_of_all_processes_modulo_two_to_64) {
    enum { COUNT = 100000 };
    clmp_mpi_ranks *group;
    clmp_ranks ranks;
    clmp_ranks_init(&ranks);
    ck_status(clmp_mpi_ranks_create(MPI_COMM_WORLD, &group), CLMP_OK);
    ck_status(clmp_mpi_ranks_get(group, &ranks), CLMP_OK);
    ck_assert_uint_eq(ranks.rank, rank);
    ck_assert_uint_eq(ranks.size, size);
    uint64_t *sums = malloc(COUNT * sizeof *sums);
    ck_assert_ptr_nonnull(sums);
    uint64_t *want = calloc(COUNT, sizeof *want);
    ck_assert_ptr_nonnull(want);
    for (int r = 0; r < size; ++r) {
        struct rng rng = rng_for("mpi", (uint64_t)r);
        for (size_t i = 0; i < COUNT; ++i) {
            const uint64_t number = rng_next(&rng);
            want[i] += number;
            if (r == rank)
                sums[i] = number;
        }
    }
    ck_assert_int_eq(ranks.allreduce(ranks.user, sums, COUNT), 0);
    ck_assert_mem_eq(sums, want, COUNT * sizeof *sums);
    ck_assert_int_eq(ranks.allreduce(ranks.user, sums, 0), 0);
    free(sums);
    free(want);
    clmp_mpi_ranks_destroy(group);
}
END_TEST

/* The images of `whole` that are this process's: the first process has one more where they do not come out even. */
static struct problem *part_of(const struct problem *whole, uint64_t *first) {
    const clmp_plan_params *params = &whole->in.params;
    const uint64_t images = params->images, parts = (uint64_t)size, me = (uint64_t)rank;
    const uint64_t own = images / parts + (me < images % parts);
    *first = images / parts * me + (me < images % parts ? me : images % parts);
    struct problem *part = problem_of_logits(own, params->classes, params->height, params->width, params->label_type);
    const uint64_t logits = whole->elements / images, pixels = whole->pixels / images;
    const size_t label = label_size(params->label_type);
    memcpy(part->logits, whole->logits + *first * logits, (size_t)(own * logits) * sizeof(float));
    memcpy(part->labels, (unsigned char *)whole->labels + *first * pixels * label, (size_t)(own * pixels) * label);
    const uint64_t own_images = part->in.params.images;
    part->in.params = *params;
    part->in.params.images = own_images;
    return part;
}

static void check_split(const struct problem *whole, const struct problem *part, uint64_t first,
                        const struct outputs *got) {
    const uint64_t pixels = whole->pixels / whole->in.params.images, logits = whole->elements / whole->in.params.images;
    struct outputs *want = run_reference(whole);
    ck_assert_mem_eq(got->result, want->result, sizeof *want->result);
    if (whole->in.params.scope == CLMP_SCOPE_IMAGE)
        ck_assert_mem_eq(got->result + 1, want->result + 1 + first, part->in.params.images * sizeof *want->result);
    ck_assert_mem_eq(got->losses, want->losses + first * pixels, (size_t)part->pixels * sizeof(float));
    ck_assert_mem_eq(got->weights, want->weights + first * pixels, (size_t)part->pixels * sizeof(float));
    ck_assert_mem_eq(got->gradient, want->gradient + first * logits, (size_t)part->elements * sizeof(float));
    outputs_free(want);
}

START_TEST(a_batch_has_the_bits_of_one_device) {
    clmp_mpi_ranks *group;
    clmp_ranks ranks;
    clmp_ranks_init(&ranks);
    ck_status(clmp_mpi_ranks_create(MPI_COMM_WORLD, &group), CLMP_OK);
    ck_status(clmp_mpi_ranks_get(group, &ranks), CLMP_OK);
    struct problem *whole = problem_of_logits(11, 5, 13, 17, CLMP_LABEL_UINT8);
    struct rng rng = rng_for("batch", (uint64_t)_i);
    fill_logits(whole, &rng);
    spoil(whole, &rng);
    whole->in.params.scope = _i == 1 ? CLMP_SCOPE_IMAGE : CLMP_SCOPE_BATCH;
    whole->in.params.weighting = _i == 2 ? CLMP_WEIGHTING_OHEM : CLMP_WEIGHTING_LMP;
    whole->in.params.ohem_min_kept = 40;
    uint64_t first;
    struct problem *part = part_of(whole, &first);
    part->in.params.ranks = &ranks;
    struct run run = {.entry = ENTRY_FULL};
    struct outputs *got = run_device(part, &run);
    check_split(whole, part, first, got);
    outputs_free(got);
    problem_free(part);
    problem_free(whole);
    clmp_mpi_ranks_destroy(group);
}
END_TEST

/* MPI is initialised by the caller here, so it is not the group that ends it. */
START_TEST(the_world_is_a_group_of_all_processes) {
    clmp_mpi_ranks *group;
    clmp_ranks ranks;
    clmp_ranks_init(&ranks);
    ck_status(clmp_mpi_ranks_world(&group), CLMP_OK);
    ck_status(clmp_mpi_ranks_get(group, &ranks), CLMP_OK);
    ck_assert_uint_eq(ranks.rank, rank);
    ck_assert_uint_eq(ranks.size, size);
    clmp_mpi_ranks_destroy(group);
    int finalised = 1;
    MPI_Finalized(&finalised);
    ck_assert(!finalised);
}
END_TEST

int main(int argc, char **argv) {
    int level;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc > 1 && strcmp(argv[1], "abort") == 0) { /* the last process gives up; the others wait for it */
        clmp_mpi_ranks *group;
        clmp_ranks ranks;
        uint64_t sum = 1;
        clmp_ranks_init(&ranks);
        if (clmp_mpi_ranks_create(MPI_COMM_WORLD, &group) != CLMP_OK || clmp_mpi_ranks_get(group, &ranks) != CLMP_OK)
            return 1;
        if (rank == size - 1)
            clmp_mpi_ranks_abort(group, 3);
        return ranks.allreduce(ranks.user, &sum, 1);
    }
    Suite *suite = suite_create("mpi");
    TCase *host = add_case(suite, "mpi", "quick full");
    tcase_add_test(host, what_is_no_communicator_is_refused);
    tcase_add_test(host, an_intercommunicator_is_refused);
    tcase_add_test(host, sums_are_of_all_processes_modulo_two_to_64);
    tcase_add_test(host, the_world_is_a_group_of_all_processes);
    tcase_add_loop_test(host, a_batch_has_the_bits_of_one_device, 0, 3);
    const int status = test_main(suite);
    MPI_Finalize();
    return status;
}

/*
 * Ranks within a process: threads sum numbers, and none waits for one that has left; and what a plan's ranks may be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <pthread.h>
#include <string.h>

enum { MOST_RANKS = 8, MOST_COUNT = 100, ROUNDS = 50 };

/* What a thread does, and what came of it: checked by the main thread, as Check's own are for one thread. */
struct member {
    clmp_ranks ranks;
    pthread_t thread;
    unsigned wrong;     /* sums that were */
    unsigned calls;     /* that were tried */
    int last;           /* what the last of them returned */
    unsigned leave_at;  /* the call that is not made, for abort(); ROUNDS: none */
    unsigned differ_at; /* the call with a number too many */
    clmp_local_ranks *group;
};

/* What rank r adds to number i in a round: large, so that sums wrap. */
static uint64_t share_of(uint32_t rank, unsigned round, size_t i) {
    return (uint64_t)(rank + 1) * 0x9e3779b97f4a7c15u + round * 1000003u + i;
}

static size_t count_of(unsigned round) {
    return 1 + round * 7 % (MOST_COUNT - 1);
}

static void *work(void *of) {
    struct member *member = of;
    uint64_t sums[MOST_COUNT + 1];
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round == member->leave_at) {
            clmp_local_ranks_abort(member->group);
            return NULL;
        }
        const size_t count = count_of(round) + (round == member->differ_at);
        for (size_t i = 0; i < count; i++)
            sums[i] = share_of(member->ranks.rank, round, i);
        ++member->calls;
        member->last = member->ranks.allreduce(member->ranks.user, sums, count);
        if (member->last != 0)
            return NULL;
        for (size_t i = 0; i < count; i++) {
            uint64_t want = 0;
            for (uint32_t r = 0; r < member->ranks.size; r++)
                want += share_of(r, round, i);
            member->wrong += sums[i] != want;
        }
    }
    return NULL;
}

static void run(uint32_t size, unsigned leave_at, unsigned differ_at, struct member *members) {
    clmp_local_ranks *group = NULL;
    ck_status(clmp_local_ranks_create(size, &group), CLMP_OK);
    for (uint32_t r = 0; r < size; r++) {
        members[r] = (struct member){.group = group, .leave_at = ROUNDS, .differ_at = ROUNDS};
        clmp_ranks_init(&members[r].ranks);
        ck_status(clmp_local_ranks_get(group, r, &members[r].ranks), CLMP_OK);
        ck_assert(members[r].ranks.rank == r && members[r].ranks.size == size && members[r].ranks.allreduce != NULL);
    }
    members[size / 2].leave_at = leave_at;
    members[size / 2].differ_at = differ_at;
    for (uint32_t r = 0; r < size; r++)
        ck_assert_int_eq(pthread_create(&members[r].thread, NULL, work, &members[r]), 0);
    for (uint32_t r = 0; r < size; r++)
        ck_assert_int_eq(pthread_join(members[r].thread, NULL), 0);
    clmp_local_ranks_destroy(group);
}

static const uint32_t sizes[] = {1, 2, 3, 8};
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(sums_are_of_all_ranks_round_after_round) {
    struct member members[MOST_RANKS];
    run(sizes[_i], ROUNDS, ROUNDS, members);
    for (uint32_t r = 0; r < sizes[_i]; r++)
        ck_assert(members[r].wrong == 0 && members[r].calls == ROUNDS && members[r].last == 0);
}
END_TEST

/* Those that had passed the last round in time have its sums; nobody has those of a round that one has left. */
START_TEST(a_rank_that_leaves_fails_all_others) {
    for (unsigned leave_at = 0; leave_at < 5; leave_at++) {
        struct member members[MOST_RANKS];
        run(sizes[_i], leave_at, ROUNDS, members);
        for (uint32_t r = 0; r < sizes[_i]; r++) {
            ck_assert(members[r].wrong == 0);
            if (r == sizes[_i] / 2)
                ck_assert(members[r].calls == leave_at && members[r].last == 0);
            else
                ck_assert(members[r].last != 0 && members[r].calls == leave_at + 1);
        }
    }
}
END_TEST

START_TEST(ranks_that_sum_other_numbers_all_fail) {
    for (unsigned differ_at = 0; differ_at < 5; differ_at++) {
        struct member members[MOST_RANKS];
        run(sizes[_i], ROUNDS, differ_at, members);
        for (uint32_t r = 0; r < sizes[_i]; r++)
            ck_assert(members[r].wrong == 0 && members[r].last != 0 && members[r].calls == differ_at + 1);
    }
}
END_TEST

START_TEST(a_group_that_was_aborted_stays_so) {
    clmp_local_ranks *group = NULL;
    clmp_ranks ranks;
    uint64_t sum = 7;
    clmp_ranks_init(&ranks);
    ck_status(clmp_local_ranks_create(1, &group), CLMP_OK);
    ck_status(clmp_local_ranks_get(group, 0, &ranks), CLMP_OK);
    ck_assert(ranks.allreduce(ranks.user, &sum, 1) == 0 && sum == 7);
    ck_assert(ranks.allreduce(ranks.user, &sum, 0) == 0);
    clmp_local_ranks_abort(group);
    ck_assert(ranks.allreduce(ranks.user, &sum, 1) != 0 && ranks.allreduce(ranks.user, &sum, 1) != 0);
    clmp_local_ranks_destroy(group);
}
END_TEST

START_TEST(bad_groups_are_refused) {
    clmp_local_ranks *group = (clmp_local_ranks *)&group;
    clmp_ranks ranks, before;
    clmp_ranks_init(&ranks);
    before = ranks;
    ck_status(clmp_local_ranks_create(0, &group), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(group);
    ck_status(clmp_local_ranks_create(65537, &group), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_local_ranks_create(2, NULL), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_local_ranks_create(2, &group), CLMP_OK);
    ck_status(clmp_local_ranks_get(NULL, 0, &ranks), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_local_ranks_get(group, 2, &ranks), CLMP_INVALID_ARGUMENT);
    ck_status(clmp_local_ranks_get(group, 0, NULL), CLMP_INVALID_ARGUMENT);
    ranks.struct_size = 3;
    ck_status(clmp_local_ranks_get(group, 0, &ranks), CLMP_INVALID_ARGUMENT);
    ranks.struct_size = before.struct_size;
    ck_assert(memcmp(&ranks, &before, sizeof ranks) == 0);
    clmp_local_ranks_destroy(group);
    clmp_local_ranks_destroy(NULL);
    clmp_local_ranks_abort(NULL);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------- of a plan */

static int never_called(void *user, uint64_t *sums, size_t count) {
    (void)user;
    (void)sums;
    (void)count;
    return 1;
}

static void assert_refused(const clmp_ranks *ranks, const char *word) {
    clmp_plan_params params;
    clmp_plan *plan = NULL;
    clmp_plan_params_init(&params);
    ck_assert_ptr_null(params.ranks);
    params.classes = 2;
    params.height = params.width = 4;
    params.ranks = ranks;
    clear_log();
    ck_status(clmp_plan_create(test_device()->context, &params, &plan), CLMP_INVALID_ARGUMENT);
    ck_assert_ptr_null(plan);
    ck_assert_msg(strstr(last_log(), word) != NULL, "the log has not '%s': %s", word, last_log());
}

START_TEST(bad_ranks_are_refused_with_their_numbers) {
    clmp_ranks ranks;
    clmp_ranks_init(&ranks);
    ranks.size = 2;
    assert_refused(&ranks, "ranks.allreduce is NULL");
    ranks.allreduce = never_called;
    ranks.rank = 2;
    assert_refused(&ranks, "ranks.rank is 2, expected one below size, 2");
    ranks.size = 0;
    assert_refused(&ranks, "ranks.size is 0, expected 1 to 65536");
    ranks.size = 65537;
    assert_refused(&ranks, "ranks.size is 65537");
    ranks.struct_size = 8;
    assert_refused(&ranks, "ranks: struct_size is 8");
    memset(&ranks, 0, sizeof ranks);
    assert_refused(&ranks, "was clmp_ranks_init() called?");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("local ranks");
    TCase *tcase = add_case(suite, "a group", "full quick small");
    tcase_add_loop_test(tcase, sums_are_of_all_ranks_round_after_round, 0, SIZES);
    tcase_add_loop_test(tcase, a_rank_that_leaves_fails_all_others, 0, SIZES);
    tcase_add_loop_test(tcase, ranks_that_sum_other_numbers_all_fail, 1, SIZES);
    tcase_add_test(tcase, a_group_that_was_aborted_stays_so);
    tcase_add_test(tcase, bad_groups_are_refused);
    tcase = add_case(suite, "of a plan", "full quick small");
    tcase_add_test(tcase, bad_ranks_are_refused_with_their_numbers);
    return test_main(suite);
}

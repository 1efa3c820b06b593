/* SPDX-License-Identifier: Apache-2.0 */
#include "team.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a process that failed says, with its exit status; other numbers are smaller. */
#define FAILED (UINT64_C(1) << 63)

bool team_join(bool wanted, struct team *team, struct failure *failure) {
    *team = (struct team){.said = NULL};
    if (!ranks_open(wanted, &team->ranks, failure))
        return false;
    team->said = calloc(team->ranks.use.size, sizeof *team->said);
    return team->said != NULL || fail_memory(failure, "the list of processes");
}

/* Of a failure that another process tells. */
static bool fail_quietly(const struct team *team, struct failure *failure) {
    return fail_with(failure, team->code, "another process failed");
}

static bool lost(struct team *team, struct failure *failure) {
    team->over = true;
    team->speaker = team->ranks.use.rank;
    team->code = EXIT_OF_DEVICE;
    return fail_with(failure, EXIT_OF_DEVICE, "--mpi: a sum over the processes failed");
}

static bool add_up(struct team *team, uint64_t *numbers, size_t count, struct failure *failure) {
    const clmp_ranks *use = &team->ranks.use;
    return use->size == 1 || use->allreduce(use->user, numbers, count) == 0 || lost(team, failure);
}

/* Every process says a number, and hears those of all. */
static bool say(struct team *team, uint64_t number, struct failure *failure) {
    const uint32_t size = team->ranks.use.size;
    if (team->over)
        return fail_quietly(team, failure);
    memset(team->said, 0, size * sizeof *team->said);
    team->said[team->ranks.use.rank] = number;
    if (!add_up(team, team->said, size, failure))
        return false;
    uint32_t failed = 0;
    for (uint32_t i = size; i > 0; --i)
        if ((team->said[i - 1] & FAILED) != 0) {
            ++failed;
            team->speaker = i - 1;
            team->code = (int)(team->said[i - 1] & ~FAILED);
        }
    team->over = failed > 0;
    team->all = failed == size;
    return !team->over || fail_quietly(team, failure);
}

bool team_leave(struct team *team, const char *program, const char *command, struct failure *failure) {
    struct failure none = {.code = 0};
    bool told = false;
    if (team->said != NULL && team_shares(team)) {
        if (!team->over)
            say(team, failure->code != 0 ? FAILED | (uint64_t)failure->code : 0, &none);
        failure_clear(&none);
        if (team->over && team->speaker == team->ranks.use.rank) {
            if (!team->all) /* else it is no one's own */
                fail_before(failure, "rank %" PRIu32 " of %" PRIu32 ": ", team->speaker, team->ranks.use.size);
            failure_print(failure, program, command, stderr);
            fflush(stderr);
        }
        if (team->over) {
            failure_clear(failure);
            failure->code = team->code;
            told = true;
        }
    }
    ranks_close(&team->ranks, command, team->said != NULL ? &none : failure); /* who lacks memory ends all */
    free(team->said);
    return told || failure->code == 0;
}

static int sum_for_plan(void *user, uint64_t *sums, size_t count) {
    struct failure failure = {.code = 0};
    const bool good = team_sum(user, sums, count, &failure);
    failure_clear(&failure);
    return good ? 0 : 1;
}

void team_ranks(struct team *team, clmp_ranks *ranks) {
    clmp_ranks_init(ranks);
    ranks->allreduce = sum_for_plan;
    ranks->user = team;
    ranks->rank = team->ranks.use.rank;
    ranks->size = team->ranks.use.size;
}

bool team_most(struct team *team, uint64_t *number, struct failure *failure) {
    if (!say(team, *number, failure))
        return false;
    for (uint32_t i = 0; i < team->ranks.use.size; ++i)
        *number = team->said[i] > *number ? team->said[i] : *number;
    return true;
}

bool team_sum(struct team *team, uint64_t *numbers, size_t count, struct failure *failure) {
    return say(team, 0, failure) && add_up(team, numbers, count, failure);
}

bool team_follow(struct team *team, void *bytes, size_t size, struct failure *failure) {
    const size_t count = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t);
    if (team->ranks.use.size == 1)
        return true;
    uint64_t *words = calloc(count > 0 ? count : 1, sizeof *words);
    if (words == NULL)
        return fail_memory(failure, "what a process sends");
    if (team_leads(team))
        memcpy(words, bytes, size);
    const bool good = team_sum(team, words, count, failure);
    if (good)
        memcpy(bytes, words, size);
    free(words);
    return good;
}

/* ---------------------------------------------------------------------------------------------------------- floats */

/* Exponents as team_most() takes them; 0: of no number but 0. */
enum { EXPONENT_ZERO = 1000, EXPONENT_NONE = 2000, FRACTION_BITS = 52 };

/* Above all magnitudes: 2^exponent. */
static uint64_t exponent_of(const float *numbers, size_t count) {
    float most = 0.0f;
    int exponent = 0;
    for (size_t i = 0; i < count; ++i) {
        if (!isfinite(numbers[i]))
            return EXPONENT_NONE;
        most = fabsf(numbers[i]) > most ? fabsf(numbers[i]) : most;
    }
    if (most == 0.0f)
        return 0;
    frexpf(most, &exponent);
    return (uint64_t)((int64_t)EXPONENT_ZERO + exponent);
}

bool team_add(struct team *team, const float *numbers, size_t parts, size_t count, float *sums,
              struct failure *failure) {
    uint64_t exponent = exponent_of(numbers, parts * count);
    uint64_t *whole = calloc(count > 0 ? count : 1, sizeof *whole);
    if (whole == NULL)
        return fail_memory(failure, "sums over the processes");
    bool good = team_most(team, &exponent, failure);
    const int shift = FRACTION_BITS + EXPONENT_ZERO - (int)exponent;
    if (good && exponent != EXPONENT_NONE && exponent != 0) {
        const double scale = ldexp(1.0, shift);
        for (size_t part = 0; part < parts; ++part)
            for (size_t i = 0; i < count; ++i) /* a product by a power of two, which is exact; then to the next even */
                whole[i] += (uint64_t)(int64_t)llrint((double)numbers[part * count + i] * scale);
    }
    good = good && add_up(team, whole, count, failure);
    const double scale = ldexp(1.0, -shift);
    for (size_t i = 0; good && i < count; ++i)
        sums[i] = exponent == EXPONENT_NONE ? NAN : (float)((double)(int64_t)whole[i] * scale);
    free(whole);
    return good;
}

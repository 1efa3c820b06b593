/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
static const char library_name[] = "libclmp-mpi.0.dylib";
#else
static const char library_name[] = "libclmp-mpi.so.0";
#endif

/* A function of the library, whose types are those of clmp/mpi.h but for the group, which is not looked into. */
static bool find(void *library, const char *name, void *function, struct failure *failure) {
    void *const found = dlsym(library, name);
    memcpy(function, &found, sizeof found); /* as POSIX has it, where ISO C has no such conversion */
    return found != NULL ||
           fail_with(failure, EXIT_OF_INPUT, "--mpi needs %s, which has no %s here", library_name, name);
}

bool ranks_open(bool wanted, struct ranks *ranks, struct failure *failure) {
    clmp_status (*world)(void **), (*get)(void *, clmp_ranks *);
    *ranks = (struct ranks){.library = NULL};
    clmp_ranks_init(&ranks->use);
    ranks->use.size = 1;
    if (!wanted)
        return true;
    void *library =
        dlopen(library_name, RTLD_NOW | RTLD_GLOBAL); /* MPIs load parts that look for what they need there */
    if (library == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "--mpi needs %s: %s", library_name, dlerror());
    if (!find(library, "clmp_mpi_ranks_world", &world, failure) || !find(library, "clmp_mpi_ranks_get", &get, failure))
        return false; /* the library stays, as an MPI that is loaded may */
    clmp_status status = world(&ranks->group);
    if (status == CLMP_OK) {
        ranks->library = library;
        status = get(ranks->group, &ranks->use);
    }
    return status == CLMP_OK ||
           fail_with(failure, EXIT_OF_INPUT, "--mpi: MPI could not be started (%s)", clmp_status_name(status));
}

bool ranks_prints(const struct ranks *ranks) {
    return ranks->use.rank == 0;
}

void ranks_share(const struct ranks *ranks, size_t count, size_t *first, size_t *own) {
    const size_t size = ranks->use.size, rank = ranks->use.rank, even = count / size, more = count % size;
    *own = even + (rank < more);
    *first = even * rank + (rank < more ? rank : more);
}

bool ranks_sum(const struct ranks *ranks, uint64_t *numbers, size_t count, struct failure *failure) {
    return ranks->use.size == 1 || ranks->use.allreduce(ranks->use.user, numbers, count) == 0 ||
           fail_with(failure, EXIT_OF_DEVICE, "--mpi: a sum over the processes failed");
}

bool ranks_seen(const struct ranks *ranks, unsigned *seen, struct failure *failure) {
    enum { KINDS = 3 };
    uint64_t numbers[KINDS];
    for (int i = 0; i < KINDS; ++i)
        numbers[i] = *seen >> i & 1;
    if (!ranks_sum(ranks, numbers, KINDS, failure))
        return false;
    for (int i = 0; i < KINDS; ++i)
        *seen |= (unsigned)(numbers[i] != 0) << i;
    return true;
}

bool ranks_most(const struct ranks *ranks, uint64_t *number, struct failure *failure) {
    const size_t size = ranks->use.size;
    uint64_t *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return fail_memory(failure, "the processes' numbers");
    slots[ranks->use.rank] = *number;
    const bool good = ranks_sum(ranks, slots, size, failure);
    for (size_t i = 0; good && i < size; ++i)
        if (slots[i] > *number)
            *number = slots[i];
    free(slots);
    return good;
}

void ranks_close(struct ranks *ranks, const char *command, struct failure *failure) {
    void (*leave)(void *), (*stop)(const void *, int);
    if (ranks->library == NULL)
        return;
    if (failure->code != 0 && ranks->use.size > 1 && find(ranks->library, "clmp_mpi_ranks_abort", &stop, failure)) {
        fail_before(failure, "rank %" PRIu32 " of %" PRIu32 ": ", ranks->use.rank, ranks->use.size);
        failure_print(failure, "clmp", command, stderr);
        fflush(stderr);
        stop(ranks->group, failure->code);
    }
    if (find(ranks->library, "clmp_mpi_ranks_destroy", &leave, failure))
        leave(ranks->group);
    ranks->library = NULL; /* which stays loaded: MPIs do not like to be taken away */
}

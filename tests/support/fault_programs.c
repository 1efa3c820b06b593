/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_programs.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A program that exists, or that is kept. */
struct known {
    cl_program program, stands_for; /* NULL: for itself */
    uint64_t text;                  /* its hash: these are our own texts, a few hundred */
    char *options;                  /* that it was built with; NULL: it was not */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cl_context kept_context;
static struct known *all;
static size_t count_of_all, room_for_all;

void fault_keep_programs(cl_context context) {
    pthread_mutex_lock(&lock);
    kept_context = context;
    pthread_mutex_unlock(&lock);
}

static char *copy_of(const char *options) {
    char *copy = strdup(options);
    if (copy == NULL)
        abort();
    return copy;
}

/* The entry of a program that exists; NULL: there is none.  The caller holds the lock. */
static struct known *entry_of(cl_program program) {
    for (size_t i = 0; i < count_of_all; i++)
        if (all[i].program == program)
            return &all[i];
    return NULL;
}

void kept_note(cl_program program, cl_context context, cl_uint count, const unsigned char *const *parts,
               const size_t *sizes) {
    pthread_mutex_lock(&lock);
    if (program != NULL && context == kept_context && context != NULL) {
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (cl_uint i = 0; i < count; i++) {
            for (size_t k = 0; k < sizes[i]; k++)
                hash = (hash ^ parts[i][k]) * 1099511628211u;
            hash = (hash ^ sizes[i]) * 1099511628211u;
        }
        if (count_of_all == room_for_all) {
            room_for_all = 2 * room_for_all + 16;
            all = realloc(all, room_for_all * sizeof *all);
            if (all == NULL)
                abort();
        }
        all[count_of_all++] = (struct known){.program = program, .text = hash};
    }
    pthread_mutex_unlock(&lock);
}

bool kept_find(cl_program program, const char *options) {
    pthread_mutex_lock(&lock);
    struct known *asked = entry_of(program);
    if (asked != NULL && asked->options != NULL)
        abort(); /* built twice: nobody does, and what it stands for need not be the second */
    cl_program found = NULL;
    for (size_t i = 0; asked != NULL && found == NULL && i < count_of_all; i++)
        if (all[i].options != NULL && all[i].stands_for == NULL && all[i].text == asked->text &&
            strcmp(all[i].options, options) == 0)
            found = all[i].program;
    if (found != NULL) {
        asked->stands_for = found;
        asked->options = copy_of(options);
    }
    pthread_mutex_unlock(&lock);
    return found != NULL;
}

void kept_built(cl_program program, const char *options) {
    pthread_mutex_lock(&lock);
    struct known *built = entry_of(program);
    if (built != NULL && clRetainProgram(program) == CL_SUCCESS)
        built->options = copy_of(options);
    pthread_mutex_unlock(&lock);
}

void kept_forget(cl_program program) {
    pthread_mutex_lock(&lock);
    struct known *released = entry_of(program);
    if (released != NULL && (released->options == NULL || released->stands_for != NULL)) {
        free(released->options);
        *released = all[--count_of_all];
    }
    pthread_mutex_unlock(&lock);
}

cl_program kept_program(cl_program program) {
    pthread_mutex_lock(&lock);
    const struct known *asked = entry_of(program);
    if (asked != NULL && asked->stands_for != NULL)
        program = asked->stands_for;
    pthread_mutex_unlock(&lock);
    return program;
}

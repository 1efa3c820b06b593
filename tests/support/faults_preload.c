/*
 * faults.c for a program as it is: loaded before the libraries of `clmp`.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_FAULT        "FUNCTION ERROR K": the command's k-th call of the function fails; or, where the error is
 *                     FAULT_KILL and the function one of files, is never made, as the process is killed
 *   CLMP_FAULT_CALLS  a file that gets, at the end, how often each function was called, and "hit 1" after a fault
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLER __builtin_return_address(0)

static int fault_of_files(enum fault_function function, const void *caller) {
    const int error = fault_of(function, caller);
    if (error == FAULT_KILL)
        (void)raise(SIGKILL);
    return error;
}

/* Calls of the C library that return `bad` and set errno. */
#define FILES(type, name, parameters, arguments, bad)                                                                  \
    type name parameters {                                                                                             \
        static __typeof__(&name) real;                                                                                 \
        const int error = fault_of_files(FAULT_##name, CALLER);                                                        \
        if (error != 0) {                                                                                              \
            errno = error;                                                                                             \
            return bad;                                                                                                \
        }                                                                                                              \
        if (real == NULL)                                                                                              \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                                                                 \
        return real arguments;                                                                                         \
    }

FILES(char *, strdup, (const char *text), (text), NULL)
FILES(char *, realpath, (const char *path, char *to), (path, to), NULL)
FILES(DIR *, opendir, (const char *path), (path), NULL)
FILES(FILE *, fdopen, (int file, const char *mode), (file, mode), NULL)
FILES(size_t, fwrite, (const void *from, size_t size, size_t count, FILE *file), (from, size, count, file), 0)
FILES(int, fflush, (FILE * file), (file), EOF)
FILES(int, fsync, (int file), (file), -1)
FILES(int, rename, (const char *from, const char *to), (from, to), -1)

int fclose(FILE *file) {
    static __typeof__(&fclose) real;
    const int error = fault_of_files(FAULT_fclose, CALLER);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fclose");
    const int result = real(file);
    if (error == 0)
        return result;
    errno = error;
    return EOF;
}

static __attribute__((constructor)) void arm(void) {
    static const char *const callers[] = {"", "libjansson", "libpng"};
    char name[64] = "";
    int error = CL_OUT_OF_RESOURCES;
    long k = 0; /* never: only count */
    const char *fault = getenv("CLMP_FAULT");
    if (fault == NULL || sscanf(fault, "%63s %d %ld", name, &error, &k) != 3)
        strcpy(name, "event");
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++)
        fault_add_caller(callers[i]);
    for (int f = 0; f < FAULT_FUNCTIONS; f++)
        if (strcmp(name, fault_name((enum fault_function)f)) == 0)
            fault_arm((enum fault_function)f, error, k);
}

static void tell(void) {
    const bool hit = fault_disarm();
    const char *path = getenv("CLMP_FAULT_CALLS");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL)
        return;
    for (int f = 0; f < FAULT_FUNCTIONS; f++)
        fprintf(file, "%s %ld\n", fault_name((enum fault_function)f), fault_calls((enum fault_function)f));
    fprintf(file, "hit %d\n", hit);
    fclose(file);
}

static int (*program_main)(int, char **, char **);

/* What is done at exit after this is not the program's: gcov, where it counts coverage, writes files then. */
static int main_with_an_end(int argc, char **argv, char **environment) {
    atexit(tell);
    return program_main(argc, argv, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end);
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end) {
    __typeof__(&__libc_start_main) real;
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    program_main = main;
    return real(main_with_an_end, argc, argv, init, fini, loader_fini, stack_end);
}

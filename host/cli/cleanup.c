/* SPDX-License-Identifier: Apache-2.0 */
#include "cleanup.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* The only globals of the command: a signal handler is given nothing else. */
static const char *volatile files[CLEANUP_FILES];
static pthread_t main_thread;

static void remove_files(int number) {
    /* In one of the OpenCL runtime's threads: the main one would meanwhile go on, and miss its files. */
    if (!pthread_equal(pthread_self(), main_thread)) {
        pthread_kill(main_thread, number);
        return;
    }
    for (size_t i = 0; i < CLEANUP_FILES; ++i)
        if (files[i] != NULL)
            unlink(files[i]);
    signal(number, SIG_DFL);
    raise(number); /* ends the process as soon as this returns */
}

void cleanup_install(void) {
    struct sigaction act = {.sa_handler = remove_files}, old;
    main_thread = pthread_self();
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < SIGNALS; ++i) /* one of them at a time */
        sigaddset(&act.sa_mask, signals[i]);
    for (size_t i = 0; i < SIGNALS; ++i)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) /* nohup stays nohup */
            sigaction(signals[i], &act, NULL);
    /* A reader that went away and a file that grew too large are errors of a write, and told as such. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

bool cleanup_remember(const char *path) {
    for (size_t i = 0; i < CLEANUP_FILES; ++i)
        if (files[i] == NULL) {
            files[i] = path;
            return true;
        }
    return false;
}

void cleanup_forget(const char *path) {
    for (size_t i = 0; i < CLEANUP_FILES; ++i)
        if (files[i] == path)
            files[i] = NULL;
}

static void mask(int how) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < SIGNALS; ++i)
        sigaddset(&set, signals[i]);
    sigprocmask(how, &set, NULL);
}

void cleanup_hold(void) {
    mask(SIG_BLOCK);
}

void cleanup_release(void) {
    mask(SIG_UNBLOCK);
}

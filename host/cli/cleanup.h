/*
 * Temporary files that a signal must not leave behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CLI_CLEANUP_H
#define CLMP_CLI_CLEANUP_H

#include <stdbool.h>

enum { CLEANUP_FILES = 8 };

/* From now on SIGHUP, SIGINT and SIGTERM remove what is registered, and then end the process as they do. */
void cleanup_install(void);

/* Registers a name; it is to stay as it is until cleanup_forget().  False where there is no room. */
bool cleanup_remember(const char *path);
void cleanup_forget(const char *path);

/* No such signal arrives between these two: for a file and its registration to come and go together. */
void cleanup_hold(void);
void cleanup_release(void);

#endif /* CLMP_CLI_CLEANUP_H */

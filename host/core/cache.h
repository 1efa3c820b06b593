/*
 * Compiled programs on disk, so that a program that starts does not wait for the device's compiler.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * What is found there is run as code, so a folder counts only if it is the user's own and nobody else can write to it.
 * Against accidents (a file cut short, a flipped bit, another program's file under our name) files bear a checksum and
 * the complete key.  Whatever is not as it should be is as if it were not there.
 */
#ifndef CLMP_CACHE_H
#define CLMP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The folder, to be freed, or NULL for none: `asked`; or if NULL, what CLMP_CACHE_DIR in the environment says; or if
 * that is not there, and only `by_default`, libclmp in $XDG_CACHE_HOME or in $HOME/.cache.  "": none.  NULL also if
 * there is no memory.
 */
char *clmp_cache_folder(const char *asked, bool by_default);

/* The bytes stored for a key, to be freed; NULL where there are none that can be trusted.  folder may be NULL. */
unsigned char *clmp_cache_load(const char *folder, const char *key, size_t *size);

/* Stores bytes for a key, in the place of others.  The file is there whole, or not at all.  folder may be NULL. */
void clmp_cache_store(const char *folder, const char *key, const unsigned char *bytes, size_t size);

/* A number for some bytes, good against accidents only (FNV-1a of 64 bits).  `so_far`: that of the bytes before, or 0.
 */
uint64_t clmp_hash(uint64_t so_far, const void *bytes, size_t size);

#endif

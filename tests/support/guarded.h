/* Memory that ends where the process's does.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TESTS_GUARDED_H
#define CLMP_TESTS_GUARDED_H

#include <stddef.h>

/*
 * `size` bytes of 0xa5, the last of which lies before a page that can neither be read nor written (up to 7 bytes
 * before, where `size` is no multiple of 8): who goes on past a struct's end is stopped by a signal.
 */
void *guarded_new(size_t size);
void guarded_free(void *memory, size_t size);

#endif

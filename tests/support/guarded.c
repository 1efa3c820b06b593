/* SPDX-License-Identifier: Apache-2.0 */
#include "guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes before the struct, on the pages that it lies on. */
static size_t before(size_t size) {
    const size_t aligned = (size + 7) / 8 * 8;
    return (aligned + page() - 1) / page() * page() - aligned;
}

static size_t open_pages(size_t size) {
    return (size + 7) / 8 * 8 + before(size);
}

static void fail(const char *what) {
    perror(what);
    exit(EXIT_FAILURE);
}

void *guarded_new(size_t size) {
    void *pages = NULL;
    const size_t open = open_pages(size);
    if (posix_memalign(&pages, page(), open + page()) != 0)
        fail("posix_memalign");
    memset(pages, 0xa5, open);
    if (mprotect((unsigned char *)pages + open, page(), PROT_NONE) != 0)
        fail("mprotect");
    return (unsigned char *)pages + before(size);
}

void guarded_free(void *memory, size_t size) {
    unsigned char *pages = (unsigned char *)memory - before(size);
    if (mprotect(pages + open_pages(size), page(), PROT_READ | PROT_WRITE) != 0)
        fail("mprotect");
    free(pages);
}

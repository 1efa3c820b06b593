/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include "numbers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard(const char *path) {
    return strcmp(path, "-") == 0;
}

const char *input_name(const char *path) {
    return is_standard(path) ? "standard input" : path;
}

/* A descriptor of its own, which can be closed. */
static FILE *open_standard(void) {
    const int descriptor = dup(STDIN_FILENO);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "rb") : NULL;
    if (file == NULL && descriptor >= 0)
        close(descriptor);
    return file;
}

bool input_open_any(struct input *input, const char *path, struct failure *failure) {
    *input = (struct input){.path = input_name(path)};
    input->file = is_standard(path) ? open_standard() : fopen(path, "rb");
    if (input->file == NULL)
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", input->path, strerror(errno));
    struct stat status;
    if (fstat(fileno(input->file), &status) != 0)
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", input->path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return fail_with(failure, EXIT_OF_INPUT, "%s is a folder, expected a file", input->path);
    /* files of /proc say 0 and hold something; of standard input some may have been read by another program */
    const off_t before = is_standard(path) ? lseek(fileno(input->file), 0, SEEK_CUR) : 0;
    input->sized = S_ISREG(status.st_mode) && before >= 0 && status.st_size > before;
    input->size = input->sized ? (uint64_t)(status.st_size - before) : 0;
    size_t got = 0;
    if (!input_read(input, input->head, sizeof input->head, &got, failure))
        return false;
    input->head_size = got;
    input->taken = 0; /* looked at, not taken */
    return true;
}

bool input_open(struct input *input, const char *path, struct failure *failure) {
    return input_open_any(input, path, failure) &&
           (input->head_size > 0 || fail_with(failure, EXIT_OF_INPUT, "%s is empty", input->path));
}

bool input_read(struct input *input, void *bytes, size_t size, size_t *got, struct failure *failure) {
    size_t from_head = 0;
    if (input->taken < input->head_size) {
        from_head = input->head_size - (size_t)input->taken;
        if (from_head > size)
            from_head = size;
        memcpy(bytes, input->head + input->taken, from_head);
    }
    errno = 0;
    const size_t from_file = fread((unsigned char *)bytes + from_head, 1, size - from_head, input->file);
    *got = from_head + from_file;
    input->taken += *got;
    if (*got < size && ferror(input->file))
        return fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", input->path, strerror(errno));
    return true;
}

/* Memory for `size` bytes that arrive through a pipe: as they come, because the header may have lied. */
static bool read_growing(struct input *input, uint64_t size, const char *what, unsigned char **bytes,
                         struct failure *failure) {
    uint64_t capacity = 0, held = 0;
    while (held < size) {
        capacity = capacity == 0 ? UINT64_C(1) << 20 : capacity * 2;
        if (capacity > size)
            capacity = size;
        unsigned char *grown = capacity <= SIZE_MAX ? realloc(*bytes, (size_t)capacity) : NULL;
        if (grown == NULL)
            return fail_memory(failure, input->path);
        *bytes = grown;
        size_t got = 0;
        const size_t wanted = (size_t)(capacity - held);
        if (!input_read(input, *bytes + held, wanted, &got, failure))
            return false;
        held += got;
        if (got < wanted)
            return fail_with(failure, EXIT_OF_INPUT,
                             "%s ends after %" PRIu64 " byte%s of data, expected %" PRIu64 " for %s", input->path, held,
                             plural_s(held), size, what);
    }
    return true;
}

bool input_read_rest(struct input *input, uint64_t size, const char *what, void **bytes, struct failure *failure) {
    unsigned char *read = NULL;
    size_t got = 0;
    if (input->sized) {
        const uint64_t rest = input->size > input->taken ? input->size - input->taken : 0;
        if (rest != size)
            return fail_with(failure, EXIT_OF_INPUT, "%s has %" PRIu64 " byte%s of data, expected %" PRIu64 " for %s",
                             input->path, rest, plural_s(rest), size, what);
        read = size <= SIZE_MAX ? malloc((size_t)size) : NULL;
        if (read == NULL)
            return fail_memory(failure, input->path);
        if (input_read(input, read, (size_t)size, &got, failure) && got < size)
            fail_with(failure, EXIT_OF_INPUT, "%s became shorter while it was read", input->path);
    } else if (read_growing(input, size, what, &read, failure)) {
        unsigned char more;
        if (input_read(input, &more, 1, &got, failure) && got != 0)
            fail_with(failure, EXIT_OF_INPUT, "%s goes on after its data, expected %" PRIu64 " byte%s for %s",
                      input->path, size, plural_s(size), what);
    }
    if (failure->code != 0) {
        free(read);
        return false;
    }
    *bytes = read;
    return true;
}

void input_close(struct input *input) {
    if (input->file != NULL)
        fclose(input->file);
    input->file = NULL;
}

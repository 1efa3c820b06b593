/*
 * SPDX-License-Identifier: Apache-2.0
 */
#define _XOPEN_SOURCE 700 /* posix_openpt() */

#include "cli_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* -------------------------------------------------------------------------------------------------------- files */

static char folder[64];

void enter_folder(void) {
    strcpy(folder, "/tmp/clmp-check-XXXXXX");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
}

static void remove_all(const char *name) {
    if (unlink(name) == 0 || chdir(name) != 0)
        return;
    DIR *list = opendir(".");
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_all(entry->d_name);
    if (list != NULL)
        closedir(list);
    if (chdir("..") == 0)
        rmdir(name);
}

void leave_folder(void) {
    if (chdir("/") == 0)
        remove_all(folder);
}

void write_file(const char *name, const void *bytes, size_t size) {
    unlink(name); /* some file systems wait for the disk where a file is cut and written anew */
    FILE *file = fopen(name, "wb");
    ck_assert_msg(file != NULL, "%s: %s", name, strerror(errno));
    ck_assert(fwrite(bytes, 1, size, file) == size);
    ck_assert(fclose(file) == 0);
}

char *read_file(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    ck_assert_msg(file != NULL, "%s: %s", name, strerror(errno));
    char *bytes = NULL;
    size_t capacity = 0, used = 0, got;
    do {
        capacity = capacity * 2 + 4096;
        bytes = realloc(bytes, capacity + 1);
        got = fread(bytes + used, 1, capacity - used, file);
        used += got;
    } while (used == capacity);
    bytes[used] = '\0';
    fclose(file);
    if (size != NULL)
        *size = used;
    return bytes;
}

void write_npy_as(const char *name, const char *descr, const char *order, const char *shape, const void *data,
                  size_t size) {
    char *bytes = malloc(1024 + size);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    int used = 10 + snprintf(bytes + 10, 960, "{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, order, shape);
    while ((used + 1) % 64 != 0)
        bytes[used++] = ' ';
    bytes[used++] = '\n';
    bytes[8] = (char)((used - 10) % 256);
    bytes[9] = (char)((used - 10) / 256);
    memcpy(bytes + used, data, size);
    write_file(name, bytes, (size_t)used + size);
    free(bytes);
}

void write_npy(const char *name, const char *descr, const char *shape, const void *data, size_t size) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", descr);
    write_npy_as(name, quoted, "False", shape, data, size);
}

float *read_npy(const char *name, const char *shape, size_t count) {
    size_t size;
    char *bytes = read_file(name, &size), expected[256];
    snprintf(expected, sizeof expected, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
    ck_assert_msg(size > 10 && memcmp(bytes, "\x93NUMPY\x01\x00", 8) == 0, "%s is no .npy file", name);
    const size_t length = (unsigned char)bytes[8] + 256u * (unsigned char)bytes[9];
    ck_assert((length + 10) % 64 == 0 && size >= length + 10 && bytes[length + 9] == '\n');
    ck_assert_msg(strncmp(bytes + 10, expected, strlen(expected)) == 0, "%s has %.80s, not %s", name, bytes + 10,
                  expected);
    ck_assert_msg(size == length + 10 + count * sizeof(float), "%s has %zu bytes", name, size);
    float *values = malloc(count * sizeof *values);
    memcpy(values, bytes + length + 10, count * sizeof *values);
    free(bytes);
    return values;
}

void write_png(const char *name, unsigned width, unsigned height, int depth, int colour, bool interlaced,
               const unsigned char *rows) {
    unlink(name);
    FILE *file = fopen(name, "wb");
    ck_assert(file != NULL);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[256];
    for (int i = 0; i < 256; ++i) /* far from the indices */
        palette[i] = (png_color){(png_byte)(255 - i), (png_byte)(i * 7), (png_byte)(i ^ 0x55)};
    png_init_io(png, file);
    png_set_IHDR(png, info, width, height, depth, colour, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << depth);
    png_write_info(png, info);
    const size_t stride = png_get_rowbytes(png, info);
    for (int pass = png_set_interlace_handling(png); pass > 0; --pass)
        for (unsigned y = 0; y < height; ++y)
            png_write_row(png, rows + y * stride);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    ck_assert(fclose(file) == 0);
}

size_t count_files(const char *prefix) {
    size_t count = 0;
    DIR *list = opendir(".");
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(list);
    return count;
}

/* ------------------------------------------------------------------------------------------------------ command */

const char *cli_path(void) {
    const char *path = getenv("CLMP_CLI");
    ck_assert_msg(path != NULL && path[0] == '/', "CLMP_CLI is to be the absolute path of the command");
    return path;
}

/* Standard error goes to `terminal`, or to a file. */
static struct outcome run_to(const char *terminal, const char *const *argv) {
    struct outcome outcome = {.status = 0};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    unlink("stdout.txt");
    unlink("stderr.txt");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "stdout.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (terminal != NULL)
        posix_spawn_file_actions_addopen(&actions, 2, terminal, O_WRONLY | O_NOCTTY, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 2, "stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_msg(error == 0, "%s: %s", argv[0], strerror(error));
    ck_assert(waitpid(pid, &status, 0) == pid);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    outcome.out = read_file("stdout.txt", &outcome.size);
    outcome.err = terminal != NULL ? NULL : read_file("stderr.txt", NULL);
    return outcome;
}

struct outcome run_program(const char *const *argv) {
    return run_to(NULL, argv);
}

struct outcome run_on_terminal(const char *const *argv) {
    enum { MOST = 4095 }; /* that a terminal keeps for who reads it later */
    const int shown = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(shown >= 0 && grantpt(shown) == 0 && unlockpt(shown) == 0);
    const int kept = open(ptsname(shown), O_RDWR | O_NOCTTY); /* so that it is there until all is read */
    ck_assert(kept >= 0);
    struct outcome outcome = run_to(ptsname(shown), argv);
    ck_assert(write(kept, "", 1) == 1); /* the end: never nothing to read */
    char *text = outcome.err = calloc(1, MOST + 1);
    ck_assert_ptr_nonnull(text);
    for (ssize_t got; (got = read(shown, text, (size_t)(outcome.err + MOST - text))) > 0 && text[got - 1] != '\0';)
        text += got;
    close(kept);
    close(shown);
    return outcome;
}

struct outcome clmp(const char *first, ...) {
    const char *argv[32] = {cli_path(), first};
    size_t count = 2;
    va_list arguments;
    va_start(arguments, first);
    while (first != NULL && (argv[count] = va_arg(arguments, const char *)) != NULL)
        ck_assert(++count < 32);
    va_end(arguments);
    return run_program(argv);
}

void outcome_free(struct outcome *outcome) {
    free(outcome->out);
    free(outcome->err);
    *outcome = (struct outcome){.status = 0};
}

void assert_refused(struct outcome *outcome, int status, const char *one, const char *two) {
    const char *end = strchr(outcome->err, '\n');
    ck_assert_msg(outcome->status == status, "status %d, not %d: %s", outcome->status, status, outcome->err);
    ck_assert_msg(outcome->size == 0, "standard output has: %s", outcome->out);
    ck_assert_msg(end != NULL && end[1] == '\0', "not one line: %s", outcome->err);
    ck_assert_msg(strncmp(outcome->err, "clmp: ", 6) == 0, "%s", outcome->err);
    ck_assert_msg(strstr(outcome->err, one) != NULL, "no '%s' in: %s", one, outcome->err);
    ck_assert_msg(strstr(outcome->err, two) != NULL, "no '%s' in: %s", two, outcome->err);
    ck_assert_msg(count_files(".clmp") == 0, "a temporary file is left: %s", outcome->err);
    outcome_free(outcome);
}

void assert_done(struct outcome outcome) {
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    ck_assert_msg(outcome.err[0] == '\0', "%s", outcome.err);
    ck_assert(count_files(".clmp") == 0);
    outcome_free(&outcome);
}

json_t *json_of(struct outcome outcome) {
    json_error_t error;
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    json_t *object = json_loadb(outcome.out, outcome.size, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json_is_object(object), "%s in: %s", error.text, outcome.out);
    assert_done(outcome);
    return object;
}

double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

long count_of(const json_t *object, const char *key) {
    ck_assert_msg(json_is_integer(json_object_get(object, key)), "no whole number '%s'", key);
    return (long)number(object, key);
}

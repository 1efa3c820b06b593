/*
 * Files of a run: written whole or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_TRAIN_FILES_H
#define CLMP_TRAIN_FILES_H

#include "checkpoint.h"
#include "classes.h"
#include "origin.h"
#include "result.h"

enum { FILE_PATH = 4096 };

/* A path into `path`, FILE_PATH characters. */
bool file_path(char *path, struct failure *failure, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Makes a folder, and those that it lies in, where they are missing. */
bool file_folder(const char *path, struct failure *failure);

bool file_text(const char *path, const char *text, struct failure *failure);

/*
 * Takes a folder for this process, until file_release() or its end; `*lock` is -1 where another process has it.  What
 * tells is a lock on the file "lock" in there, which stays; a file system without locks tells nothing.
 */
bool file_take(const char *folder, int *lock, struct failure *failure);
void file_release(int lock);

/* Labels as a palette PNG in the colours of their classes. */
bool file_labels(const char *path, const struct classes *classes, const uint8_t *labels, size_t height, size_t width,
                 struct failure *failure);

/* Reads what file_labels() wrote, to be freed; `*labels` is NULL where there is no such file. */
bool file_read_labels(const char *path, uint8_t **labels, size_t height, size_t width, struct failure *failure);

bool file_log(const char *path, const struct step_record *records, uint64_t count, struct failure *failure);

/* Reads what file_log() wrote, `count` records at most; `*read` is their number, 0 where there is no such file. */
bool file_read_log(const char *path, struct step_record *records, uint64_t count, uint64_t *read,
                   struct failure *failure);

/* Seconds that a run has taken so far, beside its checkpoint; 0 where there is no such file. */
bool file_seconds(const char *path, double seconds, struct failure *failure);
double file_read_seconds(const char *path);

/* A number in JSON, where NaN is null. */
json_t *file_number(double value);

bool file_result(const char *path, const char *settings, const char *weighting, uint64_t seed,
                 const struct origin *origin, const struct classes *classes, const struct run_result *result,
                 struct failure *failure);

/* `*found` where there is one; one of other settings is a failure. */
bool file_read_result(const char *path, const char *settings, size_t classes, struct run_result *result, bool *found,
                      struct failure *failure);

#endif /* CLMP_TRAIN_FILES_H */

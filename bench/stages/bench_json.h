/* The records as a file.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_BENCH_JSON_H
#define CLMP_BENCH_JSON_H

#include "bench_records.h"

/* Fails where the file could not be written later on: before hours of measuring. */
enum bench_status bench_json_probe(const char *path);

/* An array of objects, under a temporary name first.  BENCH_BAD_USE: it could not be written. */
enum bench_status bench_json_write(const bench_records *records, const char *path);

#endif

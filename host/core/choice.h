/*
 * Which device is meant.  Hidden in the library; programs that list devices compile it once more, so that they mean the
 * same one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLMP_CHOICE_H
#define CLMP_CHOICE_H

#include "clmp/clmp.h"

/* Whether `text` contains `part`, upper and lower case of ASCII alike, whatever the locale. */
bool clmp_name_contains(const char *text, const char *part);

/*
 * Whether `wanted` means infos[i], one of `count` devices in clmp_list_devices()'s order.  clmp_context_open() in
 * clmp/clmp.h says how a device is named; NULL and "" mean each.
 */
bool clmp_device_is_meant(const clmp_device_info *infos, size_t count, size_t i, const char *wanted);

/* The index of the device to open, or `count`. */
size_t clmp_device_pick(const clmp_device_info *infos, size_t count, const char *wanted);

/* Why that is `count`: DEVICE_UNSUPPORTED or DEVICE_NOT_FOUND, and a sentence for it.  A long one is cut. */
enum { CLMP_CHOICE_WORDS = 480 };
clmp_status clmp_device_no_pick(const clmp_device_info *infos, size_t count, const char *wanted,
                                char why[CLMP_CHOICE_WORDS]);

#endif

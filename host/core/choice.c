/* SPDX-License-Identifier: Apache-2.0 */
#include "core/choice.h"

#include <stdio.h>
#include <string.h>

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether `text` begins with the `length` characters at `part`. */
static bool begins(const char *text, const char *part, size_t length) {
    for (size_t i = 0; i < length; ++i)
        if (text[i] == '\0' || lower(text[i]) != lower(part[i]))
            return false;
    return true;
}

static bool contains(const char *text, const char *part, size_t length) {
    for (;; ++text) {
        if (begins(text, part, length))
            return true;
        if (*text == '\0')
            return false;
    }
}

bool clmp_name_contains(const char *text, const char *part) {
    return contains(text, part, strlen(part));
}

/* "#12": *number is 12, or SIZE_MAX for what no list is as long as. */
static bool read_place(const char *wanted, size_t *number) {
    const char *digits = wanted + 1;
    if (wanted[0] != '#' || digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return false;
    *number = 0;
    for (; *digits != '\0'; ++digits) {
        const size_t digit = (size_t)(*digits - '0');
        *number = *number > (SIZE_MAX - digit) / 10 ? SIZE_MAX : *number * 10 + digit;
    }
    return true;
}

static bool is_name(const clmp_device_info *info, const char *wanted) {
    const size_t length = strlen(wanted);
    return strlen(info->name) == length && begins(info->name, wanted, length);
}

/* "PLATFORM:NAME", a part of each.  Names have colons, too, so each may be the one between. */
static bool is_platform_and_name(const clmp_device_info *info, const char *wanted) {
    for (const char *colon = strchr(wanted, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        size_t length = (size_t)(colon - wanted);
        while (length > 0 && wanted[length - 1] == ' ')
            --length;
        if (contains(info->platform_name, wanted, length) &&
            clmp_name_contains(info->name, colon + 1 + strspn(colon + 1, " ")))
            return true;
    }
    return false;
}

bool clmp_device_is_meant(const clmp_device_info *infos, size_t count, size_t i, const char *wanted) {
    size_t number = 0;
    if (wanted == NULL || wanted[0] == '\0')
        return true;
    if (read_place(wanted, &number))
        return i == number;
    for (size_t j = 0; j < count; ++j)
        if (is_name(&infos[j], wanted)) /* "A10" is not part of "A100" where there is an A10 */
            return is_name(&infos[i], wanted);
    return clmp_name_contains(infos[i].name, wanted) || clmp_name_contains(infos[i].platform_name, wanted) ||
           is_platform_and_name(&infos[i], wanted);
}

size_t clmp_device_pick(const clmp_device_info *infos, size_t count, const char *wanted) {
    const bool any = wanted == NULL || wanted[0] == '\0';
    size_t first = count;
    for (size_t i = 0; i < count; ++i) {
        if (!infos[i].supported || !clmp_device_is_meant(infos, count, i, wanted))
            continue;
        if (!any || (infos[i].type & CL_DEVICE_TYPE_GPU) != 0)
            return i;
        if (first == count)
            first = i;
    }
    return first;
}

clmp_status clmp_device_no_pick(const clmp_device_info *infos, size_t count, const char *wanted,
                                char why[CLMP_CHOICE_WORDS]) {
    size_t meant = 0, used = 0;
    for (size_t i = 0; i < count; ++i)
        meant += clmp_device_is_meant(infos, count, i, wanted);
    if (meant == 0) {
        snprintf(why, CLMP_CHOICE_WORDS, "none of the OpenCL devices is '%s' (there %s %zu)", wanted,
                 count == 1 ? "is" : "are", count);
        return CLMP_DEVICE_NOT_FOUND;
    }
    used = (size_t)snprintf(why, CLMP_CHOICE_WORDS, "no %s device is supported", meant == count ? "OpenCL" : "such");
    for (size_t i = 0, told = 0; i < count && used < CLMP_CHOICE_WORDS; ++i)
        if (clmp_device_is_meant(infos, count, i, wanted))
            used += (size_t)snprintf(why + used, CLMP_CHOICE_WORDS - used, "%s #%zu '%s' (%s) lacks %s",
                                     told++ == 0 ? ":" : ",", i, infos[i].name, infos[i].platform_name, infos[i].lacks);
    return CLMP_DEVICE_UNSUPPORTED;
}

/*
 * Which device is opened, and what is said of those that are not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "core/choice.h" /* hidden in the library: compiled into this program once more */
#include "faults.h"
#include "support.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 16 };

/* ------------------------------------------------------------------------------------------------------------ choice
 */

static const clmp_device_info made_up[] = {
    {.name = "NVIDIA A100", .platform_name = "NVIDIA CUDA", .supported = CL_TRUE, .type = CL_DEVICE_TYPE_GPU},
    {.name = "NVIDIA A10", .platform_name = "NVIDIA CUDA", .supported = CL_TRUE, .type = CL_DEVICE_TYPE_GPU},
    {.name = "NVIDIA A10", .platform_name = "NVIDIA CUDA", .supported = CL_TRUE, .type = CL_DEVICE_TYPE_GPU},
    {.name = "gfx906:sramecc+", .platform_name = "AMD", .lacks = "a compiler", .type = CL_DEVICE_TYPE_GPU},
    {.name = "pthread-EPYC", .platform_name = "Portable: PoCL", .supported = CL_TRUE, .type = CL_DEVICE_TYPE_CPU},
    {.name = "EPYC", .platform_name = "Intel(R) OpenCL", .supported = CL_TRUE, .type = CL_DEVICE_TYPE_CPU},
};
enum { MADE_UP = sizeof made_up / sizeof *made_up };

static const struct {
    const char *wanted, *meant; /* numbers */
    size_t picked;
} choices[] = {
    {NULL, "012345", 0},
    {"", "012345", 0},
    {"#0", "0", 0},
    {"#2", "2", 2},
    {"#3", "3", MADE_UP}, /* not supported */
    {"#6", "", MADE_UP},
    {"#", "", MADE_UP},
    {"#-1", "", MADE_UP},
    {"#18446744073709551616", "", MADE_UP},
    {"#18446744073709551618", "", MADE_UP}, /* not 2 */
    {"nvidia", "012", 0},
    {"a10", "012", 0},
    {"nvidia a10", "12", 1}, /* a whole name */
    {"NVIDIA A100", "0", 0},
    {"epyc", "5", 5},
    {"pocl", "4", 4},
    {"gfx906:sramecc+", "3", MADE_UP},
    {"amd: gfx906:sramecc+", "3", MADE_UP},
    {"906:sram", "3", MADE_UP},
    {"portable: pocl : epyc", "4", 4},
    {"intel:epyc", "5", 5},
    {"cuda:a10", "012", 0},
    {":a10", "012", 0},
    {"amd:epyc", "", MADE_UP},
    {"\xc3\x84md", "", MADE_UP},
};

START_TEST(a_device_is_meant_by_number_or_name_or_both) {
    char meant[MADE_UP + 1] = "";
    for (size_t i = 0; i < MADE_UP; i++)
        if (clmp_device_is_meant(made_up, MADE_UP, i, choices[_i].wanted))
            snprintf(meant + strlen(meant), 2, "%zu", i);
    ck_assert_str_eq(meant, choices[_i].meant);
    ck_assert_uint_eq(clmp_device_pick(made_up, MADE_UP, choices[_i].wanted), choices[_i].picked);
}
END_TEST

START_TEST(gpus_come_first_where_nothing_is_asked) {
    ck_assert_uint_eq(clmp_device_pick(made_up + 3, MADE_UP - 3, NULL), 1); /* the GPU there is not supported */
    ck_assert_uint_eq(clmp_device_pick(made_up + 4, MADE_UP - 4, "epyc"), 1);
}
END_TEST

START_TEST(what_is_not_picked_is_explained) {
    char why[CLMP_CHOICE_WORDS];
    ck_assert(clmp_device_no_pick(made_up, MADE_UP, "#3", why) == CLMP_DEVICE_UNSUPPORTED);
    ck_assert_str_eq(why, "no such device is supported: #3 'gfx906:sramecc+' (AMD) lacks a compiler");
    ck_assert(clmp_device_no_pick(made_up, MADE_UP, "zzz", why) == CLMP_DEVICE_NOT_FOUND);
    ck_assert_str_eq(why, "none of the OpenCL devices is 'zzz' (there are 6)");
    ck_assert(clmp_device_no_pick(made_up + 3, 1, NULL, why) == CLMP_DEVICE_UNSUPPORTED);
    ck_assert_str_eq(why, "no OpenCL device is supported: #0 'gfx906:sramecc+' (AMD) lacks a compiler");
    clmp_device_info many[MOST]; /* a sentence that is too long is cut */
    for (size_t i = 0; i < MOST; i++) {
        many[i] = made_up[3];
        memset(many[i].name, 'x', sizeof many[i].name - 1);
    }
    ck_assert(clmp_device_no_pick(many, MOST, NULL, why) == CLMP_DEVICE_UNSUPPORTED);
    ck_assert_uint_eq(strlen(why), CLMP_CHOICE_WORDS - 1);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------- opened
 */

static char message[512];

static void keep_message(void *user, const char *text) {
    (void)user;
    snprintf(message, sizeof message, "%s", text);
}

static clmp_status open_it(const char *device, clmp_context **context) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = keep_message;
    message[0] = '\0';
    return clmp_context_open(device, &params, context);
}

static size_t list(clmp_device_info infos[MOST]) {
    size_t count = 0;
    ck_assert(clmp_list_devices(infos, MOST, &count) == CLMP_OK && count >= 1 && count <= MOST);
    return count;
}

/* The environment sees to it that PoCL has two. */
START_TEST(the_second_of_two_devices_of_one_name_is_opened) {
    clmp_device_info infos[MOST];
    const size_t count = list(infos);
    bool two = false;
    for (size_t i = 0; i < count; i++) {
        char number[8];
        clmp_context *context = NULL;
        snprintf(number, sizeof number, "#%zu", i);
        ck_assert_msg(open_it(number, &context) == CLMP_OK, "%s", message);
        ck_assert_ptr_eq(clmp_context_device(context), infos[i].device);
        clmp_context_destroy(context);
        two = two || (i > 0 && strcmp(infos[i].name, infos[0].name) == 0);
    }
    ck_assert_msg(two, "no two devices of one name are here");
    char name[300];
    clmp_context *context = NULL;
    snprintf(name, sizeof name, "%s:%s", infos[0].platform_name, infos[0].name);
    ck_assert_msg(open_it(name, &context) == CLMP_OK, "%s", message);
    ck_assert_ptr_eq(clmp_context_device(context), infos[0].device);
    clmp_context_destroy(context);
    ck_assert(open_it("#16", &context) == CLMP_DEVICE_NOT_FOUND && context == NULL);
    ck_assert(strstr(message, "'#16'") != NULL);
}
END_TEST

START_TEST(devices_that_lack_something_say_what) {
    static const struct {
        struct fault_limits limits;
        const char *lacks;
    } lacking[] = {
        {{.version = "OpenCL 1.1 old"}, "OpenCL 1.2"}, {{.version = "OpenCL 0.9"}, "OpenCL 1.2"},
        {{.version = "OpenCL x"}, "OpenCL 1.2"},       {{.version = "2.0"}, "OpenCL 1.2"},
        {{.no_compiler = true}, "a compiler"},
    };
    clmp_device_info infos[MOST];
    clmp_context *context = NULL;
    for (size_t k = 0; k < sizeof lacking / sizeof *lacking; k++) {
        fault_limit(&lacking[k].limits);
        const size_t count = list(infos);
        for (size_t i = 0; i < count; i++) {
            ck_assert(!infos[i].supported && infos[i].reserved == 0 && infos[i].lacks != NULL);
            ck_assert_str_eq(infos[i].lacks, lacking[k].lacks);
        }
        ck_assert(open_it(NULL, &context) == CLMP_DEVICE_UNSUPPORTED && context == NULL);
        ck_assert_msg(strstr(message, "no OpenCL device is supported: #0 '") != NULL, "%s", message);
        ck_assert_msg(strstr(message, lacking[k].lacks) != NULL, "%s", message);
        ck_assert(open_it(infos[0].name, &context) == CLMP_DEVICE_UNSUPPORTED);
        ck_assert(open_it("#0", &context) == CLMP_DEVICE_UNSUPPORTED);
        ck_assert(open_it("no such device", &context) == CLMP_DEVICE_NOT_FOUND);
    }
    fault_limit(NULL);
    for (size_t count = list(infos), i = 0; i < count; i++)
        ck_assert(infos[i].supported && infos[i].lacks == NULL);
}
END_TEST

START_TEST(versions_are_read_in_every_locale) {
    static const char *const versions[] = {"OpenCL 1.2 CUDA", "OpenCL 1.10", "OpenCL 2.0 AMD", "OpenCL 3.0",
                                           "OpenCL 12"};
    clmp_device_info infos[MOST];
    for (size_t k = 0; k < sizeof versions / sizeof *versions; k++) {
        const struct fault_limits limits = {.version = versions[k]};
        fault_limit(&limits);
        const size_t count = list(infos);
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(infos[i].supported, "'%s' lacks %s", versions[k], infos[i].lacks);
    }
    fault_limit(NULL);
}
END_TEST

START_TEST(names_that_are_long_are_cut) {
    char name[300], version[300];
    memset(name, 'n', sizeof name - 1);
    memset(version, 'v', sizeof version - 1);
    memcpy(version, "OpenCL 1.2 ", 11);
    name[sizeof name - 1] = version[sizeof version - 1] = '\0';
    const struct fault_limits limits = {.name = name, .version = version};
    clmp_device_info infos[MOST];
    clmp_context *context = NULL;
    fault_limit(&limits);
    list(infos);
    ck_assert(infos[0].supported);
    ck_assert(strlen(infos[0].name) == sizeof infos->name - 1 && strncmp(infos[0].name, name, 127) == 0);
    ck_assert(strlen(infos[0].version) == sizeof infos->version - 1);
    ck_assert_msg(open_it("nnn", &context) == CLMP_OK, "%s", message);
    clmp_context_destroy(context);
    fault_limit(NULL);
}
END_TEST

START_TEST(messages_have_points_in_every_locale) {
    clmp_context *context = NULL;
    clmp_plan *plan = NULL;
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = params.height = params.width = 2;
    params.support = 1.5;
    ck_assert(open_it(NULL, &context) == CLMP_OK);
    const char before = localeconv()->decimal_point[0];
    ck_assert(clmp_plan_create(context, &params, &plan) == CLMP_INVALID_ARGUMENT);
    ck_assert_str_eq(message, "support is 1.5, expected a number in (0, 1]");
    ck_assert(localeconv()->decimal_point[0] == before); /* the caller's is as it was */
    clmp_context_destroy(context);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("devices");
    TCase *tcase = add_case(suite, "devices", "full quick");
    tcase_add_loop_test(tcase, a_device_is_meant_by_number_or_name_or_both, 0, sizeof choices / sizeof *choices);
    tcase_add_test(tcase, gpus_come_first_where_nothing_is_asked);
    tcase_add_test(tcase, what_is_not_picked_is_explained);
    tcase_add_test(tcase, the_second_of_two_devices_of_one_name_is_opened);
    tcase_add_test(tcase, devices_that_lack_something_say_what);
    tcase_add_test(tcase, versions_are_read_in_every_locale);
    tcase_add_test(tcase, names_that_are_long_are_cut);
    tcase_add_test(tcase, messages_have_points_in_every_locale);
    return host_test_main(suite);
}

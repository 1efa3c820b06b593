/*
 * The programs on the hosts of real life: a decimal comma, several devices of one name, devices that lack something,
 * none.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment, besides that of cli_support.h:
 *   CLMP_PROGRAM     which one that is: clmp, clmp-train or clmp-bench
 *   CLMP_COMMA       the module that sets a locale with a decimal comma, which CLMP_TEST_LOCALE and LOCPATH name
 *   CLMP_FAULTS      the module that makes devices less than they are
 *   CLMP_UNPROFILED  the module that has no queue take times (clmp-bench only)
 */
#include "cli_support.h"

#include <ctype.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CLASSES = 3, HEIGHT = 32, WIDTH = 48, PLANE = HEIGHT * WIDTH, MOST = 24 };

static const char *program_name(void) {
    const char *name = getenv("CLMP_PROGRAM");
    ck_assert_ptr_nonnull(name);
    return name;
}

/* Runs the program with `setting`, name=value or NULL, in its environment: through env(1), so that it alone has it. */
static struct outcome run_with(const char *setting, const char *const *arguments) {
    const char *argv[MOST + 4] = {"env"};
    size_t count = 1;
    if (setting != NULL)
        argv[count++] = setting;
    argv[count++] = cli_path();
    for (size_t i = 0; arguments[i] != NULL; i++) {
        ck_assert(count < MOST + 3);
        argv[count++] = arguments[i];
    }
    return run_program(argv);
}

static const char *preload(const char *module, char text[512]) {
    const char *path = getenv(module);
    ck_assert_msg(path != NULL, "%s is not set", module);
    snprintf(text, 512, "LD_PRELOAD=%s", path);
    return text;
}

/* One line that begins with the program's name and has these in it, this status, and nothing else. */
static void assert_refused_by(struct outcome outcome, int status, const char *one, const char *two) {
    const char *name = program_name(), *end = strchr(outcome.err, '\n');
    ck_assert_msg(outcome.status == status, "status %d, not %d: %s", outcome.status, status, outcome.err);
    ck_assert_msg(strncmp(outcome.err, name, strlen(name)) == 0, "%s", outcome.err);
    ck_assert_msg(end != NULL && end[1] == '\0', "not one line: %s", outcome.err);
    ck_assert_msg(strstr(outcome.err, one) != NULL && strstr(outcome.err, two) != NULL, "no '%s' and '%s' in: %s", one,
                  two, outcome.err);
    outcome_free(&outcome);
}

/* ------------------------------------------------------------------------------------------------------------- inputs
 */

static void write_inputs(void) {
    static float logits[CLASSES * PLANE], losses[PLANE];
    static uint8_t labels[PLANE];
    struct rng rng = rng_for("hosts", 0);
    for (size_t i = 0; i < CLASSES * PLANE; i++)
        logits[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < PLANE; i++) {
        losses[i] = (float)fabs(rng_normal(&rng));
        labels[i] = (uint8_t)rng_below(&rng, CLASSES);
    }
    write_npy("logits.npy", "<f4", "(3, 32, 48)", logits, sizeof logits);
    write_npy("losses.npy", "<f4", "(1536,)", losses, sizeof losses);
    write_npy("labels.npy", "|u1", "(32, 48)", labels, sizeof labels);
    write_file("list.txt", "logits.npy labels.npy\n", 22);
}

/* Two pictures to train with and one to validate, laid out as CamVid. */
static void write_pictures(void) {
    static const char *const folders[] = {"data", "data/train", "data/trainannot", "data/val", "data/valannot"};
    static const char classes[] = "sky 10 20 200\nroad 90 90 90\nsign 250 200 0\n";
    static const char *const names[] = {"train/a.png", "train/b.png", "val/c.png"};
    static const char *const maps[] = {"trainannot/a.png", "trainannot/b.png", "valannot/c.png"};
    static unsigned char rgb[3 * PLANE], labels[PLANE];
    struct rng rng = rng_for("hosts", 1);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        mkdir(folders[i], 0777);
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        for (size_t j = 0; j < PLANE; j++) {
            labels[j] = (unsigned char)(j / (PLANE / 3) % CLASSES);
            for (size_t k = 0; k < 3; k++)
                rgb[3 * j + k] = (unsigned char)(60 * labels[j] + rng_below(&rng, 80));
        }
        snprintf(name, sizeof name, "data/%s", names[i]);
        write_png(name, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, false, rgb);
        snprintf(name, sizeof name, "data/%s", maps[i]);
        write_png(name, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_GRAY, false, labels);
    }
    write_file("data/classes.txt", classes, sizeof classes - 1);
}

/* -------------------------------------------------------------------------------------------------------------- comma
 */

static const char *const same_commands[][MOST] = {
    {"loss", "logits.npy", "labels.npy", "--p", "1.3", "--support", "0.1", "--gradient-scale", "1.5", "--gradient",
     "out.npy"},
    {"loss", "logits.npy", "labels.npy", "--json"},
    {"loss", "logits.npy", "labels.npy", "--scope", "image", "--loss", "focal", "--gamma", "1.5", "--alpha", "0.25"},
    {"loss", "logits.npy", "labels.npy", "--label-smoothing", "0.1", "--weighting", "uniform"},
    {"loss", "--list", "list.txt", "--weighting", "ohem", "--thresh", "0.75", "--min-kept", "7"},
    {"weights", "losses.npy", "--p", "1.25", "-o", "out.npy"},
    {"weights", "losses.npy", "--p", "1.25", "--json"},
    {"class-weights", "labels.npy", "--scheme", "enet", "--enet-offset", "1.03", "--absent", "0.5", "-o", "out.npy"},
    {"class-weights", "labels.npy", "--scheme", "effective", "--beta", "0.99", "--json"},
    {"eval", "logits.npy", "labels.npy"},
    {"eval", "logits.npy", "labels.npy", "--json"},
    {"devices"},
    {"devices", "--json"},
    {"weights", "losses.npy", "--p", "1,25"},
    {"weights", "losses.npy", "--support", "1.5"},
    {"loss", "--help"},
};

/* Standard output, standard error, status and what is written: not a byte depends on the locale. */
START_TEST(a_decimal_comma_changes_nothing) {
    char comma[512];
    char *written[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    struct outcome outcomes[2];
    write_inputs();
    for (int i = 0; i < 2; i++) {
        remove("out.npy");
        outcomes[i] = run_with(i == 0 ? NULL : preload("CLMP_COMMA", comma), same_commands[_i]);
        struct stat status;
        if (stat("out.npy", &status) == 0)
            written[i] = read_file("out.npy", &sizes[i]);
    }
    ck_assert_int_eq(outcomes[0].status, outcomes[1].status);
    ck_assert_str_eq(outcomes[0].out, outcomes[1].out);
    ck_assert_str_eq(outcomes[0].err, outcomes[1].err);
    ck_assert((written[0] != NULL) == (written[1] != NULL) && sizes[0] == sizes[1]);
    ck_assert(sizes[0] == 0 || memcmp(written[0], written[1], sizes[0]) == 0);
    for (int i = 0; i < 2; i++) {
        outcome_free(&outcomes[i]);
        free(written[i]);
    }
}
END_TEST

/* Cuts the number behind some words out of a text; whether they are there. */
static bool cut_number(char *text, const char *words, const char *behind) {
    char *at = strstr(text, words);
    if (at == NULL)
        return false;
    at += strlen(words);
    const size_t length = strspn(at, "0123456789.e-"); /* more or less digits */
    ck_assert_msg(length > 0 && strncmp(at + length, behind, strlen(behind)) == 0, "%s", at);
    memmove(at, at + length, strlen(at + length) + 1);
    return true;
}

/* Without the time that it took, which all but tables of numbers tell. */
static char *read_result(const char *folder, const char *name) {
    char path[64], hours[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(hours, sizeof hours, " by clmp-train %s, ", clmp_version());
    char *text = read_file(path, NULL);
    const bool cut = cut_number(text, "\"seconds\": ", ",") || cut_number(text, "\"hours\": ", ",") ||
                     cut_number(text, hours, " hours of training on ");
    ck_assert_msg(cut == (strstr(name, ".csv") == NULL), "%s", name);
    return text;
}

START_TEST(training_writes_the_same_files_under_a_decimal_comma) {
    static const char *const files[] = {"table.txt", "table.csv", "lmp_p_1.3/seed-1/log.csv",
                                        "lmp_p_1.3/seed-1/result.json", "comparison.json"};
    char comma[512];
    write_pictures();
    for (int i = 0; i < 2; i++) {
        const char *const arguments[] = {"compare",           "data",    "-o",     "out",     "--weightings",
                                         "uniform,lmp:p=1.3", "--seeds", "1",      "--steps", "3",
                                         "--batch",           "2",       "--rate", "0.0025",  NULL};
        struct outcome outcome = run_with(i == 0 ? NULL : preload("CLMP_COMMA", comma), arguments);
        ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
        for (const char *at = outcome.err; (at = strchr(at, ',')) != NULL; at++)
            ck_assert_msg(!isdigit((unsigned char)at[1]), "%s", outcome.err);
        outcome_free(&outcome);
        ck_assert(rename("out", i == 0 ? "points" : "commas") == 0);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *points = read_result("points", files[i]), *commas = read_result("commas", files[i]);
        ck_assert_str_eq(points, commas);
        ck_assert(i == 3 || strchr(points, '.') != NULL);
        free(points);
        free(commas);
    }
}
END_TEST

/* What it measures differs from run to run; but it has points, and the JSON is one. */
START_TEST(measurements_have_points_under_a_decimal_comma) {
    static const char *const arguments[] = {
        "--quick", "--case", "binary", "--repeat", "1", "--json", "out.json", "--tuning", "vector_width=2,chunks=3",
        NULL};
    char comma[512];
    struct outcome outcome = run_with(preload("CLMP_COMMA", comma), arguments);
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    for (const char *at = outcome.out; (at = strchr(at, ',')) != NULL; at++)
        ck_assert_msg(!isdigit((unsigned char)at[1]), "%s", at);
    outcome_free(&outcome);
    json_error_t error;
    json_t *records = json_load_file("out.json", 0, &error);
    ck_assert_msg(json_is_array(records) && json_array_size(records) > 0, "%s", error.text);
    json_decref(records);
}
END_TEST

/* Where the device takes none, times are the host's, and the records say so. */
START_TEST(a_device_without_times_of_events_is_timed_by_the_host) {
    static const char *const ways[] = {"refused", "ignored"};
    static const char *const arguments[] = {"--quick", "--case", "binary", "--repeat", "1", "--json", "out.json", NULL};
    char unprofiled[512];
    json_error_t error;
    ck_assert(setenv("CLMP_TEST_PROFILING", ways[_i], 1) == 0);
    struct outcome outcome = run_with(preload("CLMP_UNPROFILED", unprofiled), arguments);
    ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
    ck_assert_msg(strstr(outcome.out, "wall time is shown") != NULL, "%s", outcome.out);
    outcome_free(&outcome);
    ck_assert(unsetenv("CLMP_TEST_PROFILING") == 0);
    json_t *records = json_load_file("out.json", 0, &error);
    ck_assert_msg(json_is_array(records) && json_array_size(records) > 0, "%s", error.text);
    size_t i;
    json_t *record;
    json_array_foreach(records, i, record) {
        const char *stage = json_string_value(json_object_get(record, "stage"));
        ck_assert_str_eq(json_string_value(json_object_get(record, "clock")), "wall");
        if (strcmp(stage, "step") == 0) /* others may be differences of times */
            ck_assert(json_number_value(json_object_get(record, "ms")) > 0.0);
    }
    json_decref(records);
}
END_TEST

/* ------------------------------------------------------------------------------------------------------------ devices
 */

/* The arguments of a short run of the program on a device. */
static void arguments_on(const char *device, const char *arguments[MOST]) {
    static const char *const runs[][MOST] = {
        {"weights", "losses.npy", "--json", "--device"},
        {"run", "data", "-o", "out", "--steps", "1", "--batch", "1", "--device"},
        {"--quick", "--case", "binary", "--repeat", "1", "--device"},
    };
    const char *name = program_name();
    const size_t run = strcmp(name, "clmp") == 0 ? 0 : strcmp(name, "clmp-train") == 0 ? 1 : 2;
    size_t count = 0;
    write_inputs();
    write_pictures();
    for (; runs[run][count] != NULL; count++)
        arguments[count] = runs[run][count];
    arguments[count++] = device;
    arguments[count] = NULL;
}

START_TEST(devices_are_chosen_by_number_and_by_platform_and_name) {
    static const char *const chosen[] = {"#1", "portable computing language:basic"};
    const char *arguments[MOST] = {NULL};
    for (int i = 0; i < 2; i++) {
        arguments_on(chosen[i], arguments);
        struct outcome outcome =
            run_with(i == 0 ? "POCL_DEVICES=pthread pthread" : "POCL_DEVICES=pthread basic", arguments);
        ck_assert_msg(outcome.status == 0, "%s: status %d: %s", chosen[i], outcome.status, outcome.err);
        if (strcmp(program_name(), "clmp-train") != 0) /* the others say which it was */
            ck_assert_msg(strstr(outcome.out, i == 0 ? "pthread" : "basic") != NULL, "%s", outcome.out);
        outcome_free(&outcome);
    }
    arguments_on("#2", arguments);
    assert_refused_by(run_with("POCL_DEVICES=pthread pthread", arguments), 2, "--device is '#2'", "");
}
END_TEST

START_TEST(devices_are_listed_with_numbers) {
    static const char *const arguments[] = {"devices", NULL}, *const json[] = {"devices", "--device", "#1", "--json",
                                                                               NULL};
    struct outcome outcome = run_with("POCL_DEVICES=pthread pthread", arguments);
    ck_assert_msg(strncmp(outcome.out, "#0 pthread", 10) == 0 && strstr(outcome.out, "\n#1 pthread") != NULL, "%s",
                  outcome.out);
    assert_done(outcome);
    json_t *object = json_of(run_with("POCL_DEVICES=pthread pthread", json));
    const json_t *list = json_object_get(object, "devices");
    ck_assert(json_array_size(list) == 1 && count_of(json_array_get(list, 0), "number") == 1);
    ck_assert(json_is_null(json_object_get(json_array_get(list, 0), "lacks")));
    json_decref(object);
}
END_TEST

START_TEST(devices_that_are_not_supported_say_why) {
    static const char *const plain[] = {"devices", NULL}, *const as_json[] = {"devices", "--json", NULL};
    char faults[512];
    ck_assert(setenv("CLMP_TEST_LIMITS", "opencl=11", 1) == 0);
    struct outcome outcome = run_with(preload("CLMP_FAULTS", faults), plain);
    ck_assert_msg(strstr(outcome.out, "supported      no, it lacks OpenCL 1.2\n") != NULL, "%s", outcome.out);
    assert_done(outcome);
    json_t *object = json_of(run_with(faults, as_json));
    const json_t *first = json_array_get(json_object_get(object, "devices"), 0);
    ck_assert(json_is_false(json_object_get(first, "supported")));
    ck_assert_str_eq(json_string_value(json_object_get(first, "lacks")), "OpenCL 1.2");
    json_decref(object);
    ck_assert(unsetenv("CLMP_TEST_LIMITS") == 0);
}
END_TEST

START_TEST(unsupported_devices_are_refused_with_the_reason) {
    const char *arguments[MOST] = {NULL};
    char faults[512];
    const bool bench = strcmp(program_name(), "clmp-bench") == 0;
    ck_assert(setenv("CLMP_TEST_LIMITS", "opencl=11", 1) == 0);
    arguments_on("", arguments);
    struct outcome outcome = run_with(preload("CLMP_FAULTS", faults), arguments);
    ck_assert_msg(outcome.status == 1 && strstr(outcome.err, "lacks OpenCL 1.2") != NULL, "%s", outcome.err);
    ck_assert_msg(bench || strstr(outcome.err, "no OpenCL device is supported: #0 'pthread") != NULL, "%s",
                  outcome.err);
    outcome_free(&outcome);
    if (!bench) {
        arguments_on("#0", arguments);
        assert_refused_by(run_with(faults, arguments), 2, "--device is '#0'", "lacks OpenCL 1.2");
    }
    ck_assert(unsetenv("CLMP_TEST_LIMITS") == 0);
}
END_TEST

/* No driver; or PoCL's, which lists nothing where it cannot write. */
START_TEST(no_device_comes_with_advice) {
    static const char *const settings[] = {"OCL_ICD_VENDORS=/nowhere", "POCL_CACHE_DIR=/proc/nowhere"};
    const char *arguments[MOST] = {NULL};
    arguments_on("", arguments);
    assert_refused_by(run_with(settings[_i], arguments), 1, "there is no OpenCL device; is a driver installed",
                      "POCL_CACHE_DIR");
}
END_TEST

START_TEST(the_bench_refuses_in_the_same_words) {
    static const struct {
        const char *arguments[6], *one, *two;
    } cases[] = {
        {{"--s"}, "--s is ambiguous", "--scaling"},
        {{"--nope"}, "unknown option --nope", "--help"},
        {{"--quick=1"}, "--quick=1: this option takes no value", ""},
        {{"--json"}, "--json has no value", ""},
        {{"--repeat", "1e300"}, "--repeat is '1e300', which is too large", "1 to 10000"},
        {{"--repeat", "0"}, "--repeat is '0', expected", "1 to 10000"},
        {{"--tune", "--json", "out.json"}, "--json does not apply to --tune", ""},
        {{"--tune", "--variants"}, "--variants does not apply to --tune", ""}, /* with no case to tune it crashed */
        {{"--quick", "--case", "binary", "--tuning", "vector_width=3"}, "--tuning's vector_width is 3", "8 or 16"},
        {{"--quick", "--case", "binary", "--tuning", "run=3"}, "--tuning's run is 3", "1 or 2"},
        {{"--quick", "--case", "binary", "--tuning", "size=3"}, "--tuning is 'size=3', expected", "clmp_tuning"},
        {{"--tune", "--scaling"}, "--scaling does not apply to --tune", ""},
        {{"--tune", "--case", "small", "--case", "binary"}, "a second --case does not apply to --tune", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused_by(run_with(NULL, cases[i].arguments), 2, cases[i].one, cases[i].two);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hosts");
    const char *name = getenv("CLMP_PROGRAM");
    const bool command = name != NULL && strcmp(name, "clmp") == 0,
               bench = name != NULL && strcmp(name, "clmp-bench") == 0;
    TCase *tcase = add_case(suite, "comma", "full quick");
    if (command)
        tcase_add_loop_test(tcase, a_decimal_comma_changes_nothing, 0, sizeof same_commands / sizeof *same_commands);
    else if (bench)
        tcase_add_test(tcase, measurements_have_points_under_a_decimal_comma);
    else
        tcase_add_test(tcase, training_writes_the_same_files_under_a_decimal_comma);
    tcase = add_case(suite, "devices", "full quick");
    if (command) {
        tcase_add_test(tcase, devices_are_listed_with_numbers);
        tcase_add_test(tcase, devices_that_are_not_supported_say_why);
    }
    if (bench) {
        tcase_add_loop_test(tcase, a_device_without_times_of_events_is_timed_by_the_host, 0, 2);
        tcase_add_test(tcase, the_bench_refuses_in_the_same_words);
    }
    tcase_add_test(tcase, devices_are_chosen_by_number_and_by_platform_and_name);
    tcase_add_test(tcase, unsupported_devices_are_refused_with_the_reason);
    tcase_add_loop_test(tcase, no_device_comes_with_advice, 0, 2);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}

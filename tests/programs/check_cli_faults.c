/*
 * The command while calls that it makes fail: OpenCL, memory, files.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each subcommand runs once to count its calls of each function, and then once for each call and error, or for some of
 * them: CLMP_TEST_FAULTS is about how many of each function and error (0: all).  After each: it succeeded, with the
 * files and words of a run without a fault; or its status is 1 (OpenCL) or 2 (files), or one of these (memory), there
 * is one line of message, and each output is absent or whole.
 *
 * Environment, besides: CLMP_FAULTS, path of faults_preload.c's module.
 */
#include "cli_support.h"
#include "faults.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARGUMENTS = 14, OUTPUTS_MOST = 4 };

static const struct {
    const char *name, *arguments[ARGUMENTS], *outputs[OUTPUTS_MOST];
} commands[] = {
    {"weights", {"weights", "losses.npy", "-o", "w.npy"}, {"w.npy"}},
    {"loss",
     {"loss", "logits.npy", "labels.png", "--losses", "l.npy", "--weights", "w.npy", "--gradient", "g.npy", "--heatmap",
      "h.png", "--json"},
     {"l.npy", "w.npy", "g.npy", "h.png"}},
    {"loss of a list", {"loss", "--list", "list.txt", "--json"}, {NULL}},
    {"class-weights", {"class-weights", "maps", "labels.npy", "-o", "c.npy", "--json"}, {"c.npy"}},
    {"eval", {"eval", "--list", "list.txt", "--json"}, {NULL}},
    {"devices", {"devices", "--json"}, {NULL}},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void write_inputs(void) {
    static const float values[12] = {0.5f, 1.5f, 2.0f, 0.0f, 1.0f, 3.0f, 0.25f, 4.0f, 0.75f, 1.25f, 2.5f, 0.125f};
    static const unsigned char labels[4] = {0, 1, 2, 255};
    static const char list[] = "logits.npy labels.npy\nlogits.npy labels.png\n";
    char here[256], cache[300];
    write_npy("losses.npy", "<f4", "(3, 4)", values, sizeof values);
    write_npy("logits.npy", "<f4", "(3, 2, 2)", values, sizeof values);
    write_npy("labels.npy", "|u1", "(2, 2)", labels, 4);
    write_png("labels.png", 2, 2, 8, 0, false, labels);
    mkdir("maps", 0777);
    write_png("maps/a.png", 2, 2, 8, 0, false, labels);
    write_file("list.txt", list, sizeof list - 1);
    /* compiled programs are at hand, as they are for a user */
    ck_assert(getcwd(here, sizeof here) != NULL);
    snprintf(cache, sizeof cache, "%s/cache", here);
    ck_assert(setenv("CLMP_CACHE_DIR", cache, 1) == 0);
}

static struct outcome run_with(int command, const char *fault) {
    const char *argv[ARGUMENTS + 6] = {"env"};
    char preload[512], armed[128], counts[] = "CLMP_FAULT_CALLS=calls.txt";
    size_t n = 1;
    ck_assert_msg(getenv("CLMP_FAULTS") != NULL, "CLMP_FAULTS is to be the path of the module");
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", getenv("CLMP_FAULTS"));
    snprintf(armed, sizeof armed, "CLMP_FAULT=%s", fault);
    argv[n++] = preload;
    argv[n++] = counts;
    argv[n++] = armed;
    argv[n++] = cli_path();
    for (int i = 0; i < ARGUMENTS && commands[command].arguments[i] != NULL; i++)
        argv[n++] = commands[command].arguments[i];
    unlink("calls.txt");
    return run_program(argv);
}

/* What calls.txt says of a name. */
static long calls_of(const char *name) {
    char *text = read_file("calls.txt", NULL), line[80];
    snprintf(line, sizeof line, "%s ", name);
    const char *at = strncmp(text, line, strlen(line)) == 0 ? text : NULL;
    snprintf(line, sizeof line, "\n%s ", name);
    if (at == NULL && (at = strstr(text, line)) != NULL)
        at++;
    const long count = at != NULL ? strtol(strchr(at, ' '), NULL, 10) : -1;
    free(text);
    return count;
}

struct wanted {
    char *out, *bytes[OUTPUTS_MOST];
    size_t sizes[OUTPUTS_MOST];
};

static const char old[] = "what was there";

/* strdup() is called for outputs that are not there yet, realpath() for others. */
static void prepare_outputs(int command, bool there) {
    for (int i = 0; i < OUTPUTS_MOST && commands[command].outputs[i] != NULL; i++)
        if (there)
            write_file(commands[command].outputs[i], old, sizeof old);
        else
            unlink(commands[command].outputs[i]);
}

/* Outputs that are new; each must be whole, and the others as they were. */
static int check_outputs(int command, const struct wanted *wanted, const char *fault) {
    int found = 0;
    for (int i = 0; i < OUTPUTS_MOST && commands[command].outputs[i] != NULL; i++) {
        if (access(commands[command].outputs[i], F_OK) != 0)
            continue;
        size_t size = 0;
        char *bytes = read_file(commands[command].outputs[i], &size);
        if (size == sizeof old && memcmp(bytes, old, size) == 0) {
            free(bytes);
            continue;
        }
        ck_assert_msg(size == wanted->sizes[i] && memcmp(bytes, wanted->bytes[i], size) == 0, "%s, %s: %s is not whole",
                      commands[command].name, fault, commands[command].outputs[i]);
        free(bytes);
        found++;
    }
    return found;
}

static void check_outcome(int command, const struct wanted *wanted, enum fault_function function, const char *fault,
                          const struct outcome *outcome) {
    const char *name = commands[command].name, *end = strchr(outcome->err, '\n');
    const int found = check_outputs(command, wanted, fault);
    ck_assert_msg(count_files(".clmp") == 0, "%s, %s: a temporary file is left", name, fault);
    if (outcome->status == 0) {
        int outputs = 0;
        while (outputs < OUTPUTS_MOST && commands[command].outputs[outputs] != NULL)
            outputs++;
        ck_assert_msg(found == outputs, "%s, %s: success with %d of %d outputs", name, fault, found, outputs);
        /* a device that does not answer is listed all the same, and used if it does but not say its name */
        const bool asked = (function <= FAULT_clGetDeviceInfo && strcmp(name, "devices") == 0) ||
                           (function == FAULT_clGetDeviceInfo && strstr(outcome->out, "a device without a name"));
        ck_assert_msg(asked || strcmp(outcome->out, wanted->out) == 0, "%s, %s: printed %s", name, fault, outcome->out);
        ck_assert_msg(outcome->err[0] == '\0', "%s, %s: %s", name, fault, outcome->err);
        return;
    }
    ck_assert_msg(outcome->status == 1 || outcome->status == 2, "%s, %s: status %d: %s", name, fault, outcome->status,
                  outcome->err);
    if (function != FAULT_malloc)
        ck_assert_msg(outcome->status == (function >= FAULT_strdup ? 2 : 1), "%s, %s: status %d: %s", name, fault,
                      outcome->status, outcome->err);
    ck_assert_msg(outcome->size == 0 || function >= FAULT_strdup, "%s, %s: printed %s", name, fault, outcome->out);
    ck_assert_msg(strncmp(outcome->err, "clmp: ", 6) == 0 && end != NULL && end[1] == '\0', "%s, %s: not one line: %s",
                  name, fault, outcome->err);
}

/* A run without a fault. */
static struct wanted find_wanted(int command, long calls[FAULT_FUNCTIONS]) {
    struct wanted wanted = {.out = NULL};
    prepare_outputs(command, false);
    struct outcome outcome = run_with(command, "");
    ck_assert_msg(outcome.status == 0, "%s: %s", commands[command].name, outcome.err);
    outcome_free(&outcome);
    const long strdups = calls_of("strdup");
    outcome = run_with(command, ""); /* with all programs compiled, and outputs that are there */
    ck_assert_msg(outcome.status == 0, "%s: %s", commands[command].name, outcome.err);
    wanted.out = strdup(outcome.out);
    outcome_free(&outcome);
    for (int i = 0; i < OUTPUTS_MOST && commands[command].outputs[i] != NULL; i++)
        wanted.bytes[i] = read_file(commands[command].outputs[i], &wanted.sizes[i]);
    for (int f = 0; f < FAULT_FUNCTIONS; f++)
        calls[f] = calls_of(fault_name((enum fault_function)f));
    calls[FAULT_strdup] = strdups;
    ck_assert(calls[FAULT_malloc] > 0 && calls[FAULT_clGetDeviceInfo] > 0);
    return wanted;
}

static void wanted_free(struct wanted *wanted) {
    for (int i = 0; i < OUTPUTS_MOST; i++)
        free(wanted->bytes[i]);
    free(wanted->out);
}

START_TEST(command_survives_every_fault) {
    const int command = _i;
    const char *asked = getenv("CLMP_TEST_FAULTS");
    const long most = asked != NULL ? atol(asked) : 1;
    long faults = 0, failures = 0, calls[FAULT_FUNCTIONS];
    struct wanted wanted = find_wanted(command, calls);
    for (int f = 0; f < FAULT_FUNCTIONS; f++)
        for (int e = 0; fault_error((enum fault_function)f, e) != CL_SUCCESS; e++) {
            const long stride = most > 0 && calls[f] > most ? calls[f] / most : 1;
            /* the last call is always among them, and each error begins elsewhere */
            for (long k = calls[f] - (most > 0 ? (e * 7) % stride : 0); k >= 1; k -= stride) {
                char fault[96];
                snprintf(fault, sizeof fault, "%s %d %ld", fault_name((enum fault_function)f),
                         (int)fault_error((enum fault_function)f, e), k);
                prepare_outputs(command, f != FAULT_strdup);
                struct outcome outcome = run_with(command, fault);
                check_outcome(command, &wanted, (enum fault_function)f, fault, &outcome);
                ck_assert_msg(calls_of("hit") == 1, "%s, %s: no hit", commands[command].name, fault);
                faults++;
                failures += outcome.status != 0;
                outcome_free(&outcome);
            }
        }
    printf("%s: %ld faults, of which %ld made it fail\n", commands[command].name, faults, failures);
    wanted_free(&wanted);
}
END_TEST

/* Before each call that opens, fills, completes and names files: kills.sh does so at any moment. */
START_TEST(outputs_are_whole_or_absent_wherever_the_command_is_killed) {
    const int command = _i;
    long kills = 0, some = 0, calls[FAULT_FUNCTIONS];
    struct wanted wanted = find_wanted(command, calls);
    if (commands[command].outputs[0] == NULL) {
        wanted_free(&wanted);
        return;
    }
    for (int f = FAULT_strdup; f < FAULT_FUNCTIONS; f++)
        for (long k = 1; k <= calls[f]; k++) {
            char fault[96];
            snprintf(fault, sizeof fault, "%s %d %ld", fault_name((enum fault_function)f), FAULT_KILL, k);
            prepare_outputs(command, f != FAULT_strdup);
            struct outcome outcome = run_with(command, fault);
            ck_assert_msg(outcome.status == -SIGKILL, "%s, %s: status %d", commands[command].name, fault,
                          outcome.status);
            some += check_outputs(command, &wanted, fault) > 0;
            ck_assert(count_files(".clmp") <= OUTPUTS_MOST);
            ck_assert(system("rm -f .clmp-*.tmp") == 0);
            outcome_free(&outcome);
            kills++;
        }
    printf("%s: killed at %ld calls, %ld times with an output that was new\n", commands[command].name, kills, some);
    wanted_free(&wanted);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cli faults");
    TCase *tcase = add_case(suite, "faults", "full");
    tcase_add_unchecked_fixture(tcase, write_inputs, NULL);
    tcase_add_loop_test(tcase, command_survives_every_fault, 0, COMMANDS);
    tcase_add_loop_test(tcase, outputs_are_whole_or_absent_wherever_the_command_is_killed, 0, COMMANDS);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}

/*
 * clmp: the command line of libclmp.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Data walks one way: options -> tensors (npy, png_input) -> session (the library) -> output, heatmap, report.
 */
#include "cleanup.h"
#include "commands.h"
#include "help.h"
#include "numbers.h"
#include "report.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A closed standard stream must not become the descriptor of an output file, which then gets our messages. */
static void fill_standard_streams(void) {
    for (int descriptor = 0; descriptor <= 2; ++descriptor)
        if (fcntl(descriptor, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != descriptor)
            return;
}

static bool print_help(enum command command, struct failure *failure) {
    help_write(command, stdout);
    return report_flush(failure);
}

static bool print_version(struct failure *failure) {
    printf("clmp %s\n", clmp_version());
    return report_flush(failure);
}

static bool run_command(enum command command, int argc, char **argv, struct failure *failure) {
    static bool (*const functions[COMMANDS])(const struct options *, struct failure *) = {
        [COMMAND_DEVICES] = command_devices, [COMMAND_WEIGHTS] = command_weights,
        [COMMAND_LOSS] = command_loss,       [COMMAND_CLASS_WEIGHTS] = command_class_weights,
        [COMMAND_EVAL] = command_eval,
    };
    struct options options;
    if (!options_read(command, argc, argv, &options, failure))
        return false;
    switch (options.action) {
    case ACTION_HELP:
        return print_help(command, failure);
    case ACTION_VERSION:
        return print_version(failure);
    case ACTION_RUN:
        break;
    }
    return functions[command](&options, failure);
}

static bool run(int argc, char **argv, enum command *command, struct failure *failure) {
    static const char expected[] = "expected devices, loss, weights, class-weights or eval (see clmp --help)";
    if (argc < 2)
        return fail_with(failure, EXIT_OF_INPUT, "no command is given, %s", expected);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help(COMMANDS, failure);
    if (strcmp(argv[1], "--version") == 0)
        return print_version(failure);
    *command = command_find(argv[1]);
    if (*command == COMMANDS)
        return fail_with(failure, EXIT_OF_INPUT, "'%s' is no command, %s", argv[1], expected);
    return run_command(*command, argc - 1, argv + 1, failure);
}

int main(int argc, char **argv) {
    enum command command = COMMANDS;
    struct failure failure = {.code = 0};
    numbers_begin();
    fill_standard_streams();
    cleanup_install();
    if (!run(argc, argv, &command, &failure))
        failure_print(&failure, "clmp", command == COMMANDS ? NULL : command_name(command), stderr);
    const int code = failure.code;
    failure_clear(&failure);
    return code;
}

/*
 * clmp-train: trains a small segmentation network with the library's weightings, and compares them.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Data walks one way: options -> dataset, pictures -> network (engine) -> clmp_head -> run -> compare, evolution, plot.
 */
#include "compare.h"
#include "numbers.h"
#include "report.h"
#include "run.h"
#include "train_help.h"
#include "train_options.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool flushed(struct failure *failure) {
    return (fflush(stdout) == 0 && !ferror(stdout)) ||
           fail_with(failure, EXIT_OF_INPUT, "cannot write to standard output");
}

static bool run_one(struct trainer *trainer, const struct train_options *options, const struct spec *specs,
                    size_t count, struct failure *failure) {
    struct run_result result;
    if (count != 1)
        return fail_with(failure, EXIT_OF_INPUT, "--weighting is '%s', expected one", options->weightings);
    bool good = run_train(trainer, &specs[0], options->seed, options->output, specs[0].text, &result, failure);
    if (good && team_leads(trainer->team) && result.elsewhere)
        good = fail_with(failure, EXIT_OF_INPUT, "another process trains in %s", options->output);
    else if (good && team_leads(trainer->team) && result.complete)
        report_print_one(trainer->classes, &result);
    else if (good && team_leads(trainer->team))
        fprintf(stderr, "clmp-train: interrupted; saved in %s, the same command continues\n", options->output);
    free(result.confusion);
    return good;
}

static bool read_classes(const struct train_options *options, struct classes *classes, struct failure *failure) {
    char path[4096];
    snprintf(path, sizeof path, "%s/classes.txt", options->data);
    if (options->classes == NULL && access(path, F_OK) != 0)
        return fail_with(failure, EXIT_OF_INPUT, "--classes is missing, and there is no %s", path);
    return classes_read(options->classes != NULL ? options->classes : path, options->label_map, classes, failure);
}

/* Each process has an image of every step, so that all of them make the same calls. */
static bool check_team(const struct team *team, const struct train_options *options, struct failure *failure) {
    const uint32_t size = team->ranks.use.size;
    return size <= options->trainer.batch ||
           fail_with(failure, EXIT_OF_INPUT,
                     "--mpi has %" PRIu32 " processes, expected at most %zu, one for each image of a step (--batch)",
                     size, options->trainer.batch);
}

static bool run_compare(struct engine *engine, struct team *team, const struct dataset *dataset,
                        const struct classes *classes, const struct train_options *options, const struct spec *specs,
                        size_t count, struct failure *failure) {
    const uint64_t choose_seeds = options->choose_seeds > 0 ? options->choose_seeds : options->seeds;
    const struct contest contest = {engine,      team,  dataset,        classes,         &options->trainer,
                                    specs,       count, options->seeds, options->output, options->choose_on,
                                    choose_seeds};
    if (options->choose_on > 0.0 && count < 2)
        return fail_with(failure, EXIT_OF_INPUT,
                         "--choose-on: there is one weighting, %s, and nothing to choose from: --weightings A,B,...",
                         specs[0].text);
    return compare(&contest, failure);
}

static bool do_command(enum train_command command, struct train_options *options, struct origin *origin,
                       struct failure *failure) {
    struct team team;
    struct engine engine = {.group = 0};
    struct dataset dataset = {.train = {NULL, 0}};
    struct trainer trainer = {.engine = NULL};
    struct spec *specs = NULL;
    size_t count = 0;
    struct classes *classes = calloc(1, sizeof *classes);
    bool good = classes != NULL || fail_memory(failure, "classes");
    options->trainer.origin = origin;
    origin->note = options->note;
    good = team_join(options->mpi, &team, failure) && good && check_team(&team, options, failure) &&
           specs_read(options->weightings, &specs, &count, failure) &&
           dataset_find(options->data, options->label_map != NULL, &dataset, failure) &&
           read_classes(options, classes, failure) && engine_open(&engine, options->device, failure);
    if (good)
        origin_name_machine(origin, &engine.session);
    if (good && command == TRAIN_RUN)
        good = trainer_open(&engine, &team, &dataset, classes, &options->trainer, &trainer, failure);
    run_catch_signals();
    if (good)
        good = command == TRAIN_RUN ? run_one(&trainer, options, specs, count, failure)
                                    : run_compare(&engine, &team, &dataset, classes, options, specs, count, failure);
    trainer_close(&trainer);
    engine_close(&engine);
    dataset_free(&dataset);
    free(specs);
    if (classes != NULL)
        classes_free(classes);
    free(classes);
    good = good && flushed(failure);
    return team_leave(&team, "clmp-train", train_command_name(command), failure) && (good || failure->code != 0);
}

static bool run(int argc, char **argv, const char **name, struct failure *failure) {
    static const char expected[] = "expected run or compare (see clmp-train --help)";
    if (argc < 2)
        return fail_with(failure, EXIT_OF_INPUT, "no command is given, %s", expected);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        train_help(TRAIN_COMMANDS, stdout);
        return flushed(failure);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("clmp-train %s\n", clmp_version());
        return flushed(failure);
    }
    int command = 0;
    while (command < TRAIN_COMMANDS && strcmp(argv[1], train_command_name((enum train_command)command)) != 0)
        ++command;
    if (command == TRAIN_COMMANDS)
        return fail_with(failure, EXIT_OF_INPUT, "'%s' is no command, %s", argv[1], expected);
    *name = train_command_name((enum train_command)command);
    struct train_options options;
    struct origin origin; /* made first, as options are sorted when they are read */
    if (!origin_make(argc, argv, &origin, failure))
        return false;
    bool good = train_options_read((enum train_command)command, argc - 1, argv + 1, &options, failure);
    if (good && options.action == TRAIN_DO)
        good = do_command((enum train_command)command, &options, &origin, failure);
    origin_free(&origin);
    if (!good || options.action == TRAIN_DO)
        return good;
    if (options.action == TRAIN_HELP)
        train_help((enum train_command)command, stdout);
    else
        printf("clmp-train %s\n", clmp_version());
    return flushed(failure);
}

int main(int argc, char **argv) {
    /* CLBlast's kernels, too, are compiled with no warnings, unless the user has options of his own.  It puts no blanks
     * around them. */
    (void)setenv("CLBLAST_BUILD_OPTIONS", " -w ", 0);
    const char *command = NULL;
    struct failure failure = {.code = 0};
    numbers_begin();
    signal(SIGPIPE, SIG_IGN); /* errors of a write, and told as such */
    signal(SIGXFSZ, SIG_IGN);
    if (!run(argc, argv, &command, &failure)) /* else a failure is told already */
        failure_print(&failure, "clmp-train", command, stderr);
    const int code = failure.code != 0 ? failure.code : run_interrupted() ? 130 : 0;
    failure_clear(&failure);
    return code;
}

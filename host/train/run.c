/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "batch.h"
#include "checkpoint.h"
#include "files.h"
#include "objective.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Seconds between checkpoints, and steps between two whose time is split (waiting for the device costs some). */
enum { CHECKPOINT_SECONDS = 60, SPLIT_STEPS = 8 };

static volatile sig_atomic_t interrupted;

static void note_signal(int number) {
    (void)number;
    interrupted = 1;
}

void run_catch_signals(void) {
    struct sigaction act = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

bool run_interrupted(void) {
    return interrupted != 0;
}

uint64_t run_frame_step(uint64_t steps, int frame) {
    static const double shares[RUN_FRAMES] = {0.02, 0.06, 0.15, 0.35, 0.65, 1.0};
    const uint64_t step = (uint64_t)llround(shares[frame] * (double)steps);
    return step > 0 ? step : 1;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Where the time of a step goes. */
enum part { PART_READING, PART_FORWARD, PART_LOSS, PART_BACKWARD, PART_OPTIMISER, PARTS };

struct run {
    struct trainer *trainer;
    const struct spec *spec;
    uint64_t seed;
    const char *folder, *name;
    char settings[512];
    struct parameters parameters;
    struct objective objective;
    struct progress_of_run progress;
    struct batches batches;
    double earlier; /* seconds that processes before this one took */
    double start, checkpointed, shown, split[PARTS];
    uint64_t first; /* step that this process began with */
};

/* ------------------------------------------------------------------------------------------------------------ steps */

/* The time since `*since` goes to `part`; only of steps whose time is split. */
static bool end_part(struct run *run, bool split, enum part part, double *since, struct failure *failure) {
    if (!split)
        return true;
    if (!engine_finish(run->trainer->engine, failure))
        return false;
    const double time = now();
    run->split[part] += time - *since;
    *since = time;
    return true;
}

static bool step(struct run *run, struct failure *failure) {
    struct trainer *trainer = run->trainer;
    struct engine *engine = trainer->engine;
    const struct network *network = &trainer->training;
    const bool split = run->progress.step % SPLIT_STEPS == 1; /* not the first, which builds kernels */
    const struct trainer_options *options = &trainer->options;
    const double rate = schedule_rate(options->schedule, options->rate, run->progress.step, options->steps);
    const bool leads = team_leads(trainer->team); /* the others get the parameters from there */
    double since = now();
    clmp_result result;
    struct loss_sums sums;
    if (!parameters_follow(engine, &run->parameters, failure) ||
        !batches_load(&run->batches, run->progress.step, failure) ||
        !end_part(run, split, PART_READING, &since, failure) ||
        !ENGINE_LAUNCH(engine, TRAIN_IMAGE, network->height * network->width, network->images, 0, failure,
                       of_mem(trainer->rgb), of_mem(network->image)) ||
        !network_forward(engine, network, &run->parameters, failure) ||
        !end_part(run, split, PART_FORWARD, &since, failure) ||
        !objective_enqueue(trainer, &run->objective, &run->parameters, run->progress.step, failure) ||
        !end_part(run, split, PART_LOSS, &since, failure) ||
        !network_backward(engine, network, &run->parameters, failure) ||
        !end_part(run, split, PART_BACKWARD, &since, failure) ||
        (leads &&
         !parameters_step(engine, &run->parameters, run->progress.step + 1, rate, options->weight_decay, failure)) ||
        !end_part(run, split, PART_OPTIMISER, &since, failure) ||
        !engine_read(engine, trainer->result, 0, sizeof result, &result, failure) ||
        !objective_losses(trainer, &run->objective, &sums, failure) ||
        !team_sum(trainer->team, &sums.sum, sizeof sums / sizeof sums.sum, failure))
        return false;
    const double valid = result.valid > 0 ? (double)result.valid : 1.0;
    run->progress.records[run->progress.step++] = (struct step_record){
        .loss = result.loss,
        .alpha = result.alpha,
        .support = (float)((double)result.support / valid),
        .rate = (float)rate,
        .mean = (float)((double)sums.sum * 0x1p-20 / valid),
        .easy = (float)((double)sums.easy / valid),
        .mean_iou = -1.0f,
        .pixel_accuracy = -1.0f,
    };
    if (!isfinite(result.loss) || result.nonfinite > 0)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%s: step %" PRIu64 ": %" PRIu64 " losses are infinite or not a number: try a smaller --rate",
                         run->name, run->progress.step, (uint64_t)result.nonfinite);
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- shown
 */

enum { SHARES = 128 };

/* Where the time of a step goes; empty while no step's time has been split. */
static const char *shares(const struct run *run, char text[SHARES]) {
    static const char *const names[PARTS] = {"reading", "network forward", "loss and head", "network backward",
                                             "optimiser"};
    double all = 0.0;
    size_t used = 0;
    text[0] = '\0';
    for (int part = 0; part < PARTS; ++part)
        all += run->split[part];
    for (int part = 0; part < PARTS && all > 0.0; ++part)
        used += (size_t)snprintf(text + used, SHARES - used, "%s%s %.0f%%", part > 0 ? ", " : "", names[part],
                                 100.0 * run->split[part] / all);
    return text;
}

static void show(struct run *run) {
    enum { BAR = 24 };
    char bar[BAR + 1];
    const uint64_t done = run->progress.step, steps = run->trainer->options.steps;
    const double time = now(), passed = time - run->start;
    if (!team_leads(run->trainer->team) || !isatty(STDERR_FILENO) || (time - run->shown < 0.2 && done < steps))
        return;
    run->shown = time;
    const struct step_record *last = &run->progress.records[done - 1];
    const double a_step = passed / (double)(done - run->first);
    char split[SHARES], on[32] = "";
    if (team_shares(run->trainer->team))
        snprintf(on, sizeof on, " on %" PRIu32, run->trainer->team->ranks.use.size);
    memset(bar, '.', BAR);
    memset(bar, '#', steps > 0 ? (size_t)(done * BAR / steps) : 0);
    bar[BAR] = '\0';
    fprintf(stderr,
            "\r\x1b[K%s%s [%s] %" PRIu64 "/%" PRIu64
            "  loss %.3f  alpha %.3f  support %.0f%%  %.1f images/s  %.0f s left  %s",
            run->name, on, bar, done, steps, (double)last->loss, (double)last->alpha, 100.0 * (double)last->support,
            (double)run->trainer->options.batch / a_step, a_step * (double)(steps - done), shares(run, split));
    fflush(stderr);
}

/* The last line: what a step took, and where. */
static void show_end(const struct run *run, double seconds, const clmp_metrics *metrics) {
    const double steps = (double)(run->progress.step - run->first);
    const uint32_t processes = run->trainer->team->ranks.use.size;
    char split[SHARES];
    if (isatty(STDERR_FILENO))
        fputs("\r\x1b[K", stderr);
    fprintf(stderr, "%s: mean IoU %.1f%%, pixel accuracy %.1f%%", run->name, 100.0 * metrics->mean_iou,
            100.0 * metrics->pixel_accuracy);
    if (team_shares(run->trainer->team))
        fprintf(stderr, "; on %" PRIu32 " process%s", processes, processes == 1 ? "" : "es");
    if (steps > 0.0)
        fprintf(stderr, "; %.0f s, %.0f ms a step, %.1f images/s", seconds, 1e3 * seconds / steps,
                steps * (double)run->trainer->options.batch / seconds);
    if (shares(run, split)[0] != '\0')
        fprintf(stderr, ": %s", split);
    fputc('\n', stderr);
}

/* ------------------------------------------------------------------------------------------------------------- runs */

static bool save(struct run *run, struct failure *failure) {
    char path[FILE_PATH];
    run->checkpointed = now();
    return file_path(path, failure, "%s/network.ckpt", run->folder) &&
           checkpoint_write(path, run->settings, run->trainer->engine, &run->parameters, &run->progress, failure) &&
           file_path(path, failure, "%s/seconds.txt", run->folder) &&
           file_seconds(path, run->earlier + now() - run->start, failure);
}

/* Keeps the segmentation as it is, where this is a step to do so. */
static bool keep_frame(struct run *run, struct failure *failure) {
    const struct trainer *trainer = run->trainer;
    const uint64_t done = run->progress.step, steps = trainer->options.steps;
    char path[FILE_PATH];
    for (int frame = 0; frame < RUN_FRAMES; ++frame)
        if (done == run_frame_step(steps, frame))
            return file_path(path, failure, "%s/step-%06" PRIu64 ".png", run->folder, done) &&
                   trainer_predict(run->trainer, &run->parameters, trainer->label_bytes, failure) &&
                   file_labels(path, trainer->classes, trainer->label_bytes, trainer->val_height, trainer->val_width,
                               failure);
    return true;
}

static bool begin(struct run *run, struct failure *failure) {
    struct trainer *trainer = run->trainer;
    char path[FILE_PATH];
    bool found = false;
    run->progress.records = calloc((size_t)trainer->options.steps, sizeof *run->progress.records);
    if (run->progress.records == NULL)
        return fail_memory(failure, "a run");
    const bool good =
        batches_make(trainer, run->seed, &run->batches, failure) &&
        objective_make(trainer, run->spec, run->seed, &run->objective, failure) &&
        parameters_make(trainer->engine, trainer->classes->count, run->seed, &run->parameters, failure) &&
        (!team_shares(trainer->team) || parameters_share(trainer->engine, trainer->team, trainer->training.images,
                                                         trainer->options.batch, &run->parameters, failure)) &&
        (!team_leads(trainer->team) || (file_path(path, failure, "%s/network.ckpt", run->folder) &&
                                        checkpoint_read(path, run->settings, trainer->engine, &run->parameters,
                                                        trainer->options.steps, &run->progress, &found, failure) &&
                                        file_path(path, failure, "%s/seconds.txt", run->folder))) &&
        team_most(trainer->team, &run->progress.step, failure);
    run->earlier = good && found ? file_read_seconds(path) : 0.0;
    return good;
}

/* Whether any process was told to stop: then all are. */
static bool stops(struct run *run, bool *stop, struct failure *failure) {
    uint64_t told = run_interrupted();
    if (!team_most(run->trainer->team, &told, failure))
        return false;
    *stop = told != 0;
    if (*stop)
        interrupted = 1;
    return true;
}

/* What the network as it is makes of the validation images, into the record of the last step. */
static bool validate(struct run *run, uint64_t *confusion, struct failure *failure) {
    struct trainer *trainer = run->trainer;
    struct step_record *last = &run->progress.records[run->progress.step - 1];
    clmp_metrics metrics;
    if (!parameters_follow(trainer->engine, &run->parameters, failure) ||
        !trainer_evaluate(trainer, &run->parameters, confusion, failure))
        return false;
    clmp_confusion_metrics(confusion, trainer->classes->count, &metrics, NULL, NULL);
    last->mean_iou = (float)metrics.mean_iou;
    last->pixel_accuracy = (float)metrics.pixel_accuracy;
    return true;
}

/* The same where it is a step to do so; the last one's is a part of the result. */
static bool validate_at_times(struct run *run, struct failure *failure) {
    const struct trainer_options *options = &run->trainer->options;
    const uint64_t step = run->progress.step;
    if (options->validate == 0 || step % options->validate != 0 || step == options->steps)
        return true;
    uint64_t *confusion = calloc(CLMP_CONFUSION(run->trainer->classes->count), sizeof *confusion);
    const bool good =
        confusion != NULL ? validate(run, confusion, failure) : fail_memory(failure, "a confusion matrix");
    free(confusion);
    return good;
}

static bool train(struct run *run, struct failure *failure) {
    const uint64_t steps = run->trainer->options.steps;
    const bool leads = team_leads(run->trainer->team);
    bool stop = false;
    run->start = run->checkpointed = now();
    run->first = run->progress.step;
    for (;;) {
        if (run->progress.step < steps && !stops(run, &stop, failure))
            return false;
        if (run->progress.step == steps || stop)
            break;
        if (!step(run, failure) || (leads && !keep_frame(run, failure)) || !validate_at_times(run, failure))
            return false;
        show(run);
        if (leads && now() - run->checkpointed > CHECKPOINT_SECONDS && !save(run, failure))
            return false;
    }
    return !leads || save(run, failure);
}

static bool complete(struct run *run, struct run_result *result, struct failure *failure) {
    const struct trainer *trainer = run->trainer;
    char path[FILE_PATH];
    result->confusion = calloc(CLMP_CONFUSION(trainer->classes->count), sizeof *result->confusion);
    if (result->confusion == NULL)
        return fail_memory(failure, "a confusion matrix");
    if (!validate(run, result->confusion, failure))
        return false;
    clmp_confusion_metrics(result->confusion, trainer->classes->count, &result->metrics, NULL, NULL);
    result->complete = true;
    if (!team_leads(trainer->team))
        return true;
    show_end(run, result->seconds - run->earlier, &result->metrics);
    return file_path(path, failure, "%s/log.csv", run->folder) &&
           file_log(path, run->progress.records, run->progress.step, failure) &&
           file_path(path, failure, "%s/result.json", run->folder) &&
           file_result(path, run->settings, run->spec->text, run->seed, trainer->options.origin, trainer->classes,
                       result, failure);
}

/* What an earlier or another process came to, if one did. */
static bool read_result(const struct run *run, struct run_result *result, struct failure *failure) {
    char path[FILE_PATH];
    bool found = false;
    return file_path(path, failure, "%s/result.json", run->folder) &&
           file_read_result(path, run->settings, run->trainer->classes->count, result, &found, failure);
}

bool run_train(struct trainer *trainer, const struct spec *spec, uint64_t seed, const char *folder, const char *name,
               struct run_result *result, struct failure *failure) {
    struct run run = {.trainer = trainer, .spec = spec, .seed = seed, .folder = folder, .name = name};
    enum { FREE, TAKEN, COMPLETE };
    int lock = -1;
    uint64_t state = FREE;
    *result = (struct run_result){.confusion = NULL};
    trainer_settings(trainer, spec, seed, run.settings, sizeof run.settings);
    if (team_leads(trainer->team)) {
        if (!read_result(&run, result, failure))
            return false;
        if (!result->complete) {
            /* and once more: another process may have just completed it */
            if (!file_take(folder, &lock, failure) || !read_result(&run, result, failure)) {
                file_release(lock);
                return false;
            }
            state = lock < 0 ? TAKEN : FREE;
        }
        if (result->complete)
            state = COMPLETE;
    }
    bool good = team_most(trainer->team, &state, failure);
    result->complete = state == COMPLETE;
    result->elsewhere = state == TAKEN;
    if (!good || state != FREE) {
        file_release(lock);
        return good;
    }
    good = begin(&run, failure) && train(&run, failure);
    result->seconds = run.earlier + now() - run.start;
    if (good && run.progress.step == trainer->options.steps)
        good = complete(&run, result, failure);
    objective_free(&run.objective);
    parameters_free(&run.parameters);
    free(run.progress.records);
    batches_free(&run.batches);
    file_release(lock);
    return good;
}

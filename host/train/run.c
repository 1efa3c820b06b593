/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "chance.h"
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
    size_t *order; /* of the training images in this epoch */
    uint64_t epoch;
    double start, checkpointed, shown, split[PARTS];
    uint64_t first; /* step that this process began with */
};

/* ------------------------------------------------------------------------------------------------------------ steps */

/* L. Smith, N. Topin, "Super-Convergence", 2018: up from a 25th in three tenths of the steps, then down, by cosines. */
static double rate_of(double most, uint64_t step, uint64_t steps) {
    const double pi = 3.141592653589793, at = (double)step / (double)(steps > 1 ? steps - 1 : 1), rise = 0.3;
    const double from = at < rise ? most / 25.0 : most, to = at < rise ? most : most / 1e4;
    const double share = at < rise ? at / rise : (at - rise) / (1.0 - rise);
    return from + (to - from) * 0.5 * (1.0 - cos(pi * share));
}

/* The training image at a place of the endless sequence of shuffled epochs. */
static size_t image_at(struct run *run, uint64_t place) {
    const size_t count = run->trainer->train.split->count;
    const uint64_t epoch = place / count;
    if (run->epoch != epoch + 1) {
        struct chance chance = chance_of(run->seed, CHANCE_ORDER + 16 * (epoch + 1));
        for (size_t i = 0; i < count; ++i)
            run->order[i] = i;
        for (size_t i = count; i > 1; --i) {
            const size_t j = (size_t)chance_below(&chance, i), other = run->order[i - 1];
            run->order[i - 1] = run->order[j];
            run->order[j] = other;
        }
        run->epoch = epoch + 1;
    }
    return run->order[place % count];
}

/* How far a cut may move, of what a picture has more than is cut out. */
static size_t random_start(struct chance *chance, size_t size, size_t cut) {
    return size > cut ? (size_t)chance_below(chance, size - cut + 1) : 0;
}

/* The images of a step that are this process's. */
static bool load_batch(struct run *run, struct failure *failure) {
    struct trainer *trainer = run->trainer;
    const struct network *network = &trainer->training;
    const size_t pixels = network->height * network->width;
    for (size_t i = 0; i < network->images; ++i) {
        const uint64_t place = run->progress.step * trainer->options.batch + trainer->first + i;
        const size_t index = image_at(run, place);
        struct chance chance = chance_of(run->seed, CHANCE_CROPS + 16 * (place + 1));
        struct picture picture;
        if (!pictures_get(&trainer->train, index, &picture, failure))
            return false;
        struct placement placement = {network->height, network->width, 0, 0, chance_below(&chance, 2) == 1};
        placement.top = random_start(&chance, picture.height, network->height);
        placement.left = random_start(&chance, picture.width, network->width);
        picture_place(&picture, &placement, trainer->classes->ignore, trainer->rgb_bytes + 3 * i * pixels,
                      trainer->label_bytes + i * pixels);
        pictures_done(&trainer->train, index, &picture);
    }
    return engine_write(trainer->engine, trainer->rgb, 0, 3 * network->images * pixels, trainer->rgb_bytes, failure) &&
           engine_write(trainer->engine, trainer->labels, 0, network->images * pixels, trainer->label_bytes, failure);
}

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
    const double rate = rate_of(trainer->options.rate, run->progress.step, trainer->options.steps);
    const bool leads = team_leads(trainer->team); /* the others get the parameters from there */
    double since = now();
    clmp_result result;
    if (!parameters_follow(engine, &run->parameters, failure) || !load_batch(run, failure) ||
        !end_part(run, split, PART_READING, &since, failure) ||
        !ENGINE_LAUNCH(engine, TRAIN_IMAGE, network->height * network->width, network->images, 0, failure,
                       of_mem(trainer->rgb), of_mem(network->image)) ||
        !network_forward(engine, network, &run->parameters, failure) ||
        !end_part(run, split, PART_FORWARD, &since, failure) ||
        !objective_enqueue(trainer, &run->objective, &run->parameters, run->progress.step, failure) ||
        !end_part(run, split, PART_LOSS, &since, failure) ||
        !network_backward(engine, network, &run->parameters, failure) ||
        !end_part(run, split, PART_BACKWARD, &since, failure) ||
        (leads && !parameters_step(engine, &run->parameters, run->progress.step + 1, rate, failure)) ||
        !end_part(run, split, PART_OPTIMISER, &since, failure) ||
        !engine_read(engine, trainer->result, 0, sizeof result, &result, failure))
        return false;
    run->progress.records[run->progress.step++] = (struct step_record){
        result.loss, result.alpha, result.valid > 0 ? (float)((double)result.support / (double)result.valid) : 0.0f,
        (float)rate};
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
    memset(bar, '#', (size_t)(done * BAR / steps));
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
           checkpoint_write(path, run->settings, run->trainer->engine, &run->parameters, &run->progress, failure);
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
    run->order = calloc(trainer->train.split->count, sizeof *run->order);
    if (run->progress.records == NULL || run->order == NULL)
        return fail_memory(failure, "a run");
    return objective_make(trainer, run->spec, run->seed, &run->objective, failure) &&
           parameters_make(trainer->engine, trainer->classes->count, run->seed, &run->parameters, failure) &&
           (!team_shares(trainer->team) || parameters_share(trainer->engine, trainer->team, trainer->training.images,
                                                            trainer->options.batch, &run->parameters, failure)) &&
           (!team_leads(trainer->team) ||
            (file_folder(run->folder, failure) && file_path(path, failure, "%s/network.ckpt", run->folder) &&
             checkpoint_read(path, run->settings, trainer->engine, &run->parameters, trainer->options.steps,
                             &run->progress, &found, failure))) &&
           team_most(trainer->team, &run->progress.step, failure);
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
        if (!step(run, failure) || (leads && !keep_frame(run, failure)))
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
    if (!parameters_follow(trainer->engine, &run->parameters, failure) ||
        !trainer_evaluate(run->trainer, &run->parameters, result->confusion, failure))
        return false;
    clmp_confusion_metrics(result->confusion, trainer->classes->count, &result->metrics, NULL, NULL);
    result->complete = true;
    if (!team_leads(trainer->team))
        return true;
    show_end(run, result->seconds, &result->metrics);
    return file_path(path, failure, "%s/log.csv", run->folder) &&
           file_log(path, run->progress.records, run->progress.step, failure) &&
           file_path(path, failure, "%s/result.json", run->folder) &&
           file_result(path, run->settings, run->spec->text, run->seed, trainer->classes, result, failure);
}

bool run_train(struct trainer *trainer, const struct spec *spec, uint64_t seed, const char *folder, const char *name,
               struct run_result *result, struct failure *failure) {
    struct run run = {.trainer = trainer, .spec = spec, .seed = seed, .folder = folder, .name = name};
    char path[FILE_PATH];
    bool found = false;
    uint64_t complete_already = 0;
    *result = (struct run_result){.confusion = NULL};
    trainer_settings(trainer, spec, seed, run.settings, sizeof run.settings);
    if (team_leads(trainer->team)) {
        if (!file_path(path, failure, "%s/result.json", folder) ||
            !file_read_result(path, run.settings, trainer->classes->count, result, &found, failure))
            return false;
        complete_already = found;
    }
    if (!team_most(trainer->team, &complete_already, failure))
        return false;
    result->complete = complete_already != 0;
    if (result->complete)
        return true;
    bool good = begin(&run, failure) && train(&run, failure);
    result->seconds = now() - run.start;
    if (good && run.progress.step == trainer->options.steps)
        good = complete(&run, result, failure);
    objective_free(&run.objective);
    parameters_free(&run.parameters);
    free(run.progress.records);
    free(run.order);
    return good;
}

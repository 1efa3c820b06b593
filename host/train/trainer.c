/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer.h"

#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- open */

/* Adds the labels of one picture to the counts on the device. */
static bool count_picture(struct trainer *trainer, const struct picture *picture, struct kept_plan *plan, cl_mem counts,
                          struct failure *failure) {
    struct session *session = &trainer->engine->session;
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.input = CLMP_INPUT_LABELS;
    params.classes = trainer->classes->count;
    params.height = picture->height;
    params.width = picture->width;
    params.ignore_index = trainer->classes->ignore;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.label_counts.mem = counts;
    if (!session_kept_plan(session, &params, plan, failure) ||
        !session_buffer(session, "labels", picture->labels, picture->height * picture->width, &buffers.labels.mem,
                        failure))
        return false;
    const clmp_status status = clmp_enqueue_label_counts(plan->plan, session->queue, &buffers, 0, NULL, NULL);
    const bool good =
        (status == CLMP_OK || session_failed(session, status, failure)) && engine_finish(trainer->engine, failure);
    clReleaseMemObject(buffers.labels.mem);
    return good;
}

/* The first image sets what is cut out, unless that was given. */
static bool agree_on_size(struct trainer *trainer, struct failure *failure) {
    uint64_t height = trainer->options.height, width = trainer->options.width;
    if (!team_most(trainer->team, &height, failure) || !team_most(trainer->team, &width, failure))
        return false;
    trainer->options.height = (size_t)height;
    trainer->options.width = (size_t)width;
    return true;
}

/* What every run needs to know of the training split; the processes read all of it, and so find bad files before any
 * training. */
static bool count_labels(struct trainer *trainer, struct failure *failure) {
    const size_t size = CLMP_LABEL_COUNTS(trainer->classes->count) * sizeof *trainer->label_counts;
    struct kept_plan plan = {.plan = NULL};
    struct progress progress;
    cl_mem counts = NULL;
    trainer->label_counts = calloc(1, size);
    bool good = trainer->label_counts != NULL || fail_memory(failure, "label counts");
    good = good &&
           session_buffer(&trainer->engine->session, "label counts", trainer->label_counts, size, &counts, failure);
    size_t first = 0, own = 0;
    ranks_share(&trainer->team->ranks, trainer->train.split->count, &first, &own);
    progress_begin(&progress, team_leads(trainer->team) ? own : 0); /* 0: not shown */
    for (size_t i = first; good && i < first + own; ++i) {
        struct picture picture;
        progress_show(&progress, i - first, trainer->train.split->samples[i].image);
        good = pictures_get(&trainer->train, i, &picture, failure);
        if (!good)
            break;
        if (i == 0 && trainer->options.height == 0) {
            trainer->options.height = picture.height;
            trainer->options.width = picture.width;
        }
        good = count_picture(trainer, &picture, &plan, counts, failure);
        pictures_done(&trainer->train, i, &picture);
    }
    progress_end(&progress);
    good = good && engine_read(trainer->engine, counts, 0, size, trainer->label_counts, failure) &&
           team_sum(trainer->team, trainer->label_counts, size / sizeof *trainer->label_counts, failure) &&
           agree_on_size(trainer, failure);
    clmp_plan_destroy(plan.plan);
    engine_release(&counts, 1);
    return good;
}

/* A training split without labels teaches nothing; one that lacks a class does not teach that. */
static bool check_labels(const struct trainer *trainer, struct failure *failure) {
    enum { NAMED = 8 };
    const struct classes *classes = trainer->classes;
    char names[NAMED * (CLASS_NAME + 2) + 1] = "";
    size_t absent = 0, used = 0;
    for (size_t c = 0; c < classes->count; ++c) {
        if (trainer->label_counts[c] > 0)
            continue;
        if (++absent <= NAMED)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", absent > 1 ? ", " : "", classes->names[c]);
    }
    if (absent == classes->count)
        return fail_with(failure, EXIT_OF_INPUT,
                         "no pixel of the training split has a class: all labels are ignored, for example those of %s",
                         trainer->train.split->samples[0].labels);
    if (absent > 0 && team_leads(trainer->team))
        note_print("clmp-train", NULL, "no pixel of the training split has %s %s%s", absent == 1 ? "class" : "classes",
                   names, absent > NAMED ? " and more" : "");
    return true;
}

/* Pixels of the picture, each by how rare its class is in training: the picture with most of them is worth a look. */
static double interest(const struct trainer *trainer, const struct picture *picture) {
    double sum = 0.0;
    for (size_t i = 0; i < picture->height * picture->width; ++i)
        if (picture->labels[i] < trainer->classes->count)
            sum += 1.0 / (1.0 + (double)trainer->label_counts[picture->labels[i]]);
    return sum / (double)(picture->height * picture->width);
}

/* What there is to know of validation images. */
struct look {
    uint64_t height, width;          /* that hold each */
    uint64_t found, labelled, score; /* the score of the image to show: the bits of a number that is not below 0 */
};

static bool look_at(struct trainer *trainer, size_t index, struct look *look, struct failure *failure) {
    const char *wanted = trainer->options.shown;
    struct picture picture;
    if (!pictures_get(&trainer->val, index, &picture, failure))
        return false;
    look->height = picture.height > look->height ? picture.height : look->height;
    look->width = picture.width > look->width ? picture.width : look->width;
    const double interesting = interest(trainer, &picture), score = wanted == NULL ? interesting : 0.0;
    uint64_t bits = 0;
    memcpy(&bits, &score, sizeof bits);
    look->labelled |= interesting > 0.0;
    if (wanted == NULL ? look->found == 0 || bits > look->score
                       : strcmp(dataset_name(trainer->val.split->samples[index].image), wanted) == 0) {
        trainer->shown = index;
        look->score = bits;
        look->found = 1;
    }
    pictures_done(&trainer->val, index, &picture);
    return true;
}

/* Of all processes: the largest sizes and score, and of those that have this score the first that found it; where a
 * name is wanted, the last. */
static bool agree_on_look(struct trainer *trainer, struct look *look, struct failure *failure) {
    const uint64_t most = (uint64_t)1 << 62, own_score = look->score, own_found = look->found;
    uint64_t *const numbers[] = {&look->height, &look->width, &look->found, &look->labelled, &look->score};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i)
        if (!team_most(trainer->team, numbers[i], failure))
            return false;
    const bool last = trainer->options.shown != NULL;
    uint64_t place = own_found != 0 && own_score == look->score ? (last ? trainer->shown : most - trainer->shown) : 0;
    if (!team_most(trainer->team, &place, failure))
        return false;
    trainer->shown = (size_t)(last ? place : most - place);
    return true;
}

/* The sizes of the validation images, and the one that is shown. */
static bool look_at_validation(struct trainer *trainer, struct failure *failure) {
    struct look look = {.height = 0};
    size_t first = 0, own = 0;
    ranks_share(&trainer->team->ranks, trainer->val.split->count, &first, &own);
    for (size_t i = first; i < first + own; ++i)
        if (!look_at(trainer, i, &look, failure))
            return false;
    if (!agree_on_look(trainer, &look, failure))
        return false;
    trainer->val_height = (size_t)look.height;
    trainer->val_width = (size_t)look.width;
    if (look.labelled == 0)
        return fail_with(failure, EXIT_OF_INPUT,
                         trainer->options.held_out != 0
                             ? "no pixel of the images held out to choose on has a class: all labels are ignored"
                             : "no pixel of the validation split has a class: all labels are ignored");
    return look.found != 0 || fail_with(failure, EXIT_OF_INPUT, "--show is '%s', but no validation image has that name",
                                        trainer->options.shown);
}

static bool make_buffers(struct trainer *trainer, struct failure *failure) {
    const struct trainer_options *options = &trainer->options;
    struct session *session = &trainer->engine->session;
    const size_t classes = trainer->classes->count;
    size_t images = 0;
    ranks_share(&trainer->team->ranks, options->batch, &trainer->first, &images);
    const size_t pixels = images * options->height * options->width;
    const size_t val_pixels = trainer->val_height * trainer->val_width,
                 most = pixels > val_pixels ? pixels : val_pixels;
    trainer->rgb_bytes = malloc(3 * most);
    trainer->label_bytes = malloc(most);
    trainer->loss_numbers = malloc(pixels * sizeof *trainer->loss_numbers);
    if (trainer->rgb_bytes == NULL || trainer->label_bytes == NULL || trainer->loss_numbers == NULL)
        return fail_memory(failure, "a batch of images");
    return network_make(trainer->engine, images, options->height, options->width, true, &trainer->training, failure) &&
           network_make(trainer->engine, 1, trainer->val_height, trainer->val_width, false, &trainer->validation,
                        failure) &&
           session_buffer(session, "images", NULL, 3 * pixels, &trainer->rgb, failure) &&
           session_buffer(session, "labels", NULL, pixels, &trainer->labels, failure) &&
           engine_floats(trainer->engine, "losses", NULL, pixels, &trainer->losses, failure) &&
           session_buffer(session, "images", NULL, 3 * val_pixels, &trainer->val_rgb, failure) &&
           session_buffer(session, "labels", NULL, val_pixels, &trainer->val_labels, failure) &&
           session_buffer(session, "prediction", NULL, val_pixels, &trainer->prediction, failure) &&
           engine_floats(trainer->engine, "logits", NULL, classes * trainer->validation.rows * trainer->validation.row,
                         &trainer->logits, failure) &&
           session_buffer(session, "result", NULL, (1 + images) * sizeof(clmp_result), &trainer->result, failure) &&
           session_buffer(session, "confusion matrix", NULL, CLMP_CONFUSION(classes) * sizeof(cl_ulong),
                          &trainer->confusion, failure);
}

bool trainer_open(struct engine *engine, struct team *team, const struct dataset *dataset,
                  const struct classes *classes, const struct trainer_options *options, struct trainer *trainer,
                  struct failure *failure) {
    *trainer = (struct trainer){.engine = engine, .team = team, .classes = classes, .options = *options};
    bool good = pictures_open(&dataset->train, classes, options->memory, &trainer->train, failure) &&
                pictures_open(&dataset->val, classes, options->memory / 4, &trainer->val, failure);
    trainer->train.wrong_labels = options->wrong_labels;
    good = good && count_labels(trainer, failure) && check_labels(trainer, failure) &&
           look_at_validation(trainer, failure) && make_buffers(trainer, failure) &&
           pictures_gather(&trainer->train, team, failure) && pictures_gather(&trainer->val, team, failure);
    if (good && team_leads(team)) {
        pictures_note(&trainer->train);
        pictures_note(&trainer->val);
    }
    return good;
}

void trainer_close(struct trainer *trainer) {
    pictures_close(&trainer->train);
    pictures_close(&trainer->val);
    network_free(&trainer->training);
    network_free(&trainer->validation);
    cl_mem *const buffers[] = {&trainer->rgb,     &trainer->labels,     &trainer->losses,
                               &trainer->val_rgb, &trainer->val_labels, &trainer->result,
                               &trainer->logits,  &trainer->confusion,  &trainer->prediction};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        engine_release(buffers[i], 1);
    free(trainer->rgb_bytes);
    free(trainer->label_bytes);
    free(trainer->loss_numbers);
    free(trainer->label_counts);
}

const char *trainer_judges_on(const struct trainer *trainer) {
    return trainer->options.held_out != 0 ? "held-out" : "validation";
}

/* Appends to the settings. */
static void add_setting(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add_setting(char *text, size_t size, const char *format, ...) {
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

void trainer_settings(const struct trainer *trainer, const struct spec *spec, uint64_t seed, char *text, size_t size) {
    const struct trainer_options *options = &trainer->options;
    const struct augmentation *augmentation = &options->augmentation;
    snprintf(text, size,
             "weighting %s seed %" PRIu64 " steps %" PRIu64 " batch %zu rate %.9g size %zux%zu images %zu+%zu classes "
             "%zu network 1",
             spec->text, seed, options->steps, options->batch, options->rate, options->width, options->height,
             trainer->train.split->count, trainer->val.split->count, trainer->classes->count);
    if (trainer->classes->rules.map.name != NULL)
        add_setting(text, size, " labels %016" PRIx64, trainer->classes->rules.map.hash);
    /* what is as it always was is not told, so that results of old are those of the same run */
    if (options->schedule != SCHEDULE_CYCLE)
        add_setting(text, size, " schedule %s", schedule_name(options->schedule));
    if (options->weight_decay != TRAINER_WEIGHT_DECAY)
        add_setting(text, size, " decay %.9g", options->weight_decay);
    if (augmentation->scale_low != 1.0 || augmentation->scale_high != 1.0)
        add_setting(text, size, " scale %.9g-%.9g", augmentation->scale_low, augmentation->scale_high);
    if (augmentation->colour > 0.0)
        add_setting(text, size, " colour %.9g", augmentation->colour);
    if (augmentation->no_flip)
        add_setting(text, size, " no-flip");
    if (options->wrong_labels > 0.0)
        add_setting(text, size, " wrong-labels %.9g", options->wrong_labels);
    if (options->held_out != 0)
        add_setting(text, size, " held-out %016" PRIx64, options->held_out);
}

/* -------------------------------------------------------------------------------------------------------- validation
 */

struct validation {
    clmp_head *head;
    clmp_plan *plan;
};

static bool begin_validation(struct trainer *trainer, struct validation *validation, struct failure *failure) {
    struct session *session = &trainer->engine->session;
    *validation = (struct validation){NULL, NULL};
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = trainer->classes->count;
    params.height = trainer->val_height;
    params.width = trainer->val_width;
    params.logits_height = trainer->validation.rows;
    params.logits_width = trainer->validation.row;
    params.ignore_index = trainer->classes->ignore;
    params.weighting = CLMP_WEIGHTING_UNIFORM;
    clmp_head_params head_params;
    clmp_head_params_init(&head_params);
    head_params.problem = &params;
    head_params.features = NETWORK_FEATURES;
    const clmp_status status = clmp_head_create(session->context, &head_params, &validation->head);
    return (status == CLMP_OK || session_failed(session, status, failure)) &&
           session_plan(session, &params, &validation->plan, failure);
}

static void end_validation(struct validation *validation) {
    clmp_head_destroy(validation->head);
    clmp_plan_destroy(validation->plan);
}

/* The logits of one validation image, whose labels are on the device then. */
static bool validation_logits(struct trainer *trainer, const struct validation *validation,
                              const struct parameters *parameters, size_t index, struct failure *failure) {
    struct engine *engine = trainer->engine;
    const struct network *network = &trainer->validation;
    const size_t pixels = network->height * network->width;
    struct picture picture;
    if (!pictures_get(&trainer->val, index, &picture, failure))
        return false;
    picture_place(&picture, &(struct placement){network->height, network->width, 0, 0, false}, trainer->classes->ignore,
                  trainer->rgb_bytes, trainer->label_bytes);
    pictures_done(&trainer->val, index, &picture);
    if (!engine_write(engine, trainer->val_rgb, 0, 3 * pixels, trainer->rgb_bytes, failure) ||
        !engine_write(engine, trainer->val_labels, 0, pixels, trainer->label_bytes, failure) ||
        !ENGINE_LAUNCH(engine, TRAIN_IMAGE, pixels, 1, 0, failure, of_mem(trainer->val_rgb), of_mem(network->image)) ||
        !network_forward(engine, network, parameters, failure))
        return false;
    clmp_head_buffers head_buffers;
    clmp_head_buffers_init(&head_buffers);
    head_buffers.features.mem = network->features;
    head_buffers.weight = (clmp_buffer){parameters->values, parameters->head_weight * sizeof(float)};
    head_buffers.bias = (clmp_buffer){parameters->values, parameters->head_bias * sizeof(float)};
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = trainer->logits;
    const clmp_status status =
        clmp_enqueue_head_logits(validation->head, engine->session.queue, &head_buffers, &buffers, 0, NULL, NULL);
    return status == CLMP_OK || session_failed(&engine->session, status, failure);
}

bool trainer_predict(struct trainer *trainer, const struct parameters *parameters, uint8_t *prediction,
                     struct failure *failure) {
    struct validation validation;
    const struct network *network = &trainer->validation;
    const bool good =
        begin_validation(trainer, &validation, failure) &&
        validation_logits(trainer, &validation, parameters, trainer->shown, failure) &&
        ENGINE_LAUNCH(trainer->engine, TRAIN_PREDICT, network->width, network->height, 0, failure,
                      of_mem(trainer->logits), of_ulong(0), of_int(trainer->classes->count), of_int(network->rows),
                      of_int(network->row), of_mem(trainer->prediction)) &&
        engine_read(trainer->engine, trainer->prediction, 0, network->height * network->width, prediction, failure);
    end_validation(&validation);
    return good;
}

bool trainer_evaluate(struct trainer *trainer, const struct parameters *parameters, uint64_t *confusion,
                      struct failure *failure) {
    struct session *session = &trainer->engine->session;
    const size_t size = CLMP_CONFUSION(trainer->classes->count) * sizeof *confusion;
    struct validation validation;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = trainer->logits;
    buffers.labels.mem = trainer->val_labels;
    buffers.confusion.mem = trainer->confusion;
    bool good = begin_validation(trainer, &validation, failure) &&
                engine_zero(trainer->engine, trainer->confusion, size, failure);
    size_t first = 0, own = 0;
    ranks_share(&trainer->team->ranks, trainer->val.split->count, &first, &own);
    for (size_t i = first; good && i < first + own; ++i) {
        good = validation_logits(trainer, &validation, parameters, i, failure);
        if (!good)
            break;
        const clmp_status status = clmp_enqueue_confusion(validation.plan, session->queue, &buffers, 0, NULL, NULL);
        good = status == CLMP_OK || session_failed(session, status, failure);
    }
    good = good && engine_read(trainer->engine, trainer->confusion, 0, size, confusion, failure) &&
           team_sum(trainer->team, confusion, size / sizeof *confusion, failure);
    end_validation(&validation);
    return good;
}

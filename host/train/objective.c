/* SPDX-License-Identifier: Apache-2.0 */
#include "objective.h"

/* Where each image's numbers are. */
static size_t features_of(const struct network *network) {
    return NETWORK_FEATURES * network->rows * network->row;
}

static size_t logits_of(const struct trainer *trainer) {
    return trainer->classes->count * trainer->training.rows * trainer->training.row;
}

/* ------------------------------------------------------------------------------------------------------------ making
 */

/* What the library refuses of a head or a plan. */
static bool check(const struct trainer *trainer, const struct spec *spec, clmp_status status, struct failure *failure) {
    const struct session *session = &trainer->engine->session;
    if (status == CLMP_INVALID_ARGUMENT)
        return fail_with(failure, EXIT_OF_INPUT, "'%s': %s", spec->text, session->log);
    return status == CLMP_OK || session_failed(session, status, failure);
}

static bool make_head(struct trainer *trainer, const struct spec *spec, const clmp_plan_params *problem,
                      struct objective *objective, struct failure *failure) {
    clmp_head_params params;
    clmp_head_params_init(&params);
    params.problem = problem;
    params.features = NETWORK_FEATURES;
    return check(trainer, spec, clmp_head_create(trainer->engine->session.context, &params, &objective->head), failure);
}

/* A plan of the whole batch, and a head for an image's logits. */
static bool make_shared(struct trainer *trainer, const struct spec *spec, clmp_plan_params *params,
                        struct objective *objective, struct failure *failure) {
    clmp_ranks ranks;
    team_ranks(trainer->team, &ranks);
    params->ranks = ranks.size > 1 ? &ranks : NULL;
    const clmp_status status = clmp_plan_create(trainer->engine->session.context, params, &objective->plan);
    params->ranks = NULL; /* the plan has a copy */
    if (!check(trainer, spec, status, failure))
        return false;
    clmp_plan_params of_image;
    clmp_plan_params_init(&of_image);
    of_image.classes = params->classes;
    of_image.height = params->height;
    of_image.width = params->width;
    of_image.logits_height = params->logits_height;
    of_image.logits_width = params->logits_width;
    return make_head(trainer, spec, &of_image, objective, failure) &&
           engine_floats(trainer->engine, "logits", NULL, trainer->training.images * logits_of(trainer),
                         &objective->logits, failure);
}

bool objective_make(struct trainer *trainer, const struct spec *spec, uint64_t seed, struct objective *objective,
                    struct failure *failure) {
    const size_t classes = trainer->classes->count;
    clmp_plan_params params = spec->params;
    *objective = (struct objective){.head = NULL};
    for (size_t c = 0; c < classes; ++c)
        objective->class_weights[c] = 1.0f;
    params.images = trainer->training.images;
    params.classes = classes;
    params.height = trainer->training.height;
    params.width = trainer->training.width;
    params.logits_height = trainer->training.rows;
    params.logits_width = trainer->training.row;
    params.ignore_index = trainer->classes->ignore;
    params.seed = seed;
    if (spec->class_weighted) {
        clmp_class_weights_params weighting;
        clmp_class_weights_params_init(&weighting);
        weighting.scheme = spec->scheme;
        const clmp_status status =
            clmp_class_weights(trainer->label_counts, classes, &weighting, objective->class_weights);
        if (status != CLMP_OK)
            return session_failed(&trainer->engine->session, status, failure);
        params.class_weights = objective->class_weights;
    }
    return team_shares(trainer->team) ? make_shared(trainer, spec, &params, objective, failure)
                                      : make_head(trainer, spec, &params, objective, failure);
}

void objective_free(struct objective *objective) {
    clmp_head_destroy(objective->head);
    clmp_plan_destroy(objective->plan);
    engine_release(&objective->logits, 1);
}

/* ------------------------------------------------------------------------------------------------------------- steps
 */

static clmp_head_buffers head_inputs(const struct trainer *trainer, const struct parameters *parameters, size_t image) {
    clmp_head_buffers buffers;
    clmp_head_buffers_init(&buffers);
    buffers.features =
        (clmp_buffer){trainer->training.features, image * features_of(&trainer->training) * sizeof(float)};
    buffers.weight = (clmp_buffer){parameters->values, parameters->head_weight * sizeof(float)};
    buffers.bias = (clmp_buffer){parameters->values, parameters->head_bias * sizeof(float)};
    return buffers;
}

static clmp_buffers loss_buffers(const struct trainer *trainer, uint64_t step) {
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.labels.mem = trainer->labels;
    buffers.losses.mem = trainer->losses;
    buffers.result.mem = trainer->result;
    buffers.step = step;
    return buffers;
}

static bool by_head(struct trainer *trainer, const struct objective *objective, const struct parameters *parameters,
                    uint64_t step, struct failure *failure) {
    struct session *session = &trainer->engine->session;
    clmp_head_buffers head_buffers = head_inputs(trainer, parameters, 0);
    head_buffers.features_gradient.mem = trainer->training.features_gradient;
    head_buffers.weight_gradient = (clmp_buffer){parameters->gradient, head_buffers.weight.offset};
    head_buffers.bias_gradient = (clmp_buffer){parameters->gradient, head_buffers.bias.offset};
    const clmp_buffers buffers = loss_buffers(trainer, step);
    const clmp_status status =
        clmp_enqueue_head_gradient(objective->head, session->queue, &head_buffers, &buffers, 0, NULL, NULL);
    return status == CLMP_OK || session_failed(session, status, failure);
}

/* dW = dX F^T and dF = W^T dX of an image, with dX in place of its logits. */
static bool image_gradients(struct trainer *trainer, const struct objective *objective,
                            const struct parameters *parameters, size_t image, struct failure *failure) {
    const struct network *network = &trainer->training;
    const size_t classes = trainer->classes->count, pixels = network->rows * network->row;
    const size_t at = image * features_of(network), weights = classes * NETWORK_FEATURES;
    const size_t part = network->images * parameters->head_weight + image * weights;
    const struct matrix gradient = {objective->logits, image * logits_of(trainer), pixels, false};
    const struct matrix features = {network->features, at, pixels, true};
    const struct matrix weight = {parameters->values, parameters->head_weight, NETWORK_FEATURES, true};
    return engine_multiply(trainer->engine, classes, NETWORK_FEATURES, pixels, gradient, features, 0.0f,
                           (struct matrix){parameters->parts, part, NETWORK_FEATURES, false}, failure) &&
           engine_multiply(trainer->engine, NETWORK_FEATURES, pixels, classes, weight, gradient, 0.0f,
                           (struct matrix){network->features_gradient, at, pixels, false}, failure);
}

static bool by_images(struct trainer *trainer, const struct objective *objective, const struct parameters *parameters,
                      uint64_t step, struct failure *failure) {
    struct engine *engine = trainer->engine;
    struct session *session = &engine->session;
    const struct network *network = &trainer->training;
    clmp_buffers buffers = loss_buffers(trainer, step);
    clmp_status status = CLMP_OK;
    for (size_t i = 0; i < network->images && status == CLMP_OK; ++i) {
        const clmp_head_buffers head_buffers = head_inputs(trainer, parameters, i);
        buffers.logits = (clmp_buffer){objective->logits, i * logits_of(trainer) * sizeof(float)};
        status = clmp_enqueue_head_logits(objective->head, session->queue, &head_buffers, &buffers, 0, NULL, NULL);
    }
    buffers.logits = buffers.gradient = (clmp_buffer){objective->logits, 0};
    buffers.in_place = true;
    if (status == CLMP_OK)
        status = clmp_enqueue_gradient(objective->plan, session->queue, &buffers, 0, NULL, NULL);
    if (status != CLMP_OK)
        return session_failed(session, status, failure);
    for (size_t i = 0; i < network->images; ++i)
        if (!image_gradients(trainer, objective, parameters, i, failure))
            return false;
    /* db, the sum over an image's pixels; the totals are not looked at */
    return ENGINE_LAUNCH(engine, TRAIN_NORM_SUMS, trainer->classes->count * engine->group, network->images,
                         engine->group, failure, of_mem(objective->logits), of_ulong(1),
                         of_ulong(network->rows * network->row), of_int(0), of_mem(network->totals), of_float(1.0f),
                         of_mem(parameters->parts), of_ulong(network->images * parameters->head_bias));
}

bool objective_enqueue(struct trainer *trainer, const struct objective *objective, const struct parameters *parameters,
                       uint64_t step, struct failure *failure) {
    return team_shares(trainer->team) ? by_images(trainer, objective, parameters, step, failure)
                                      : by_head(trainer, objective, parameters, step, failure);
}

bool objective_losses(struct trainer *trainer, const struct objective *objective, struct loss_sums *sums,
                      struct failure *failure) {
    const struct network *network = &trainer->training;
    const size_t count = network->images * network->height * network->width, classes = trainer->classes->count;
    *sums = (struct loss_sums){0, 0};
    if (!engine_read(trainer->engine, trainer->losses, 0, count * sizeof(float), trainer->loss_numbers, failure))
        return false;
    for (size_t i = 0; i < count; ++i) {
        const uint8_t label = trainer->label_bytes[i];
        if (label >= classes || (int)label == trainer->classes->ignore)
            continue;
        const float weight = objective->class_weights[label];
        const double loss = (double)trainer->loss_numbers[i] / (weight > 0.0f ? (double)weight : 1.0);
        if (loss >= 0.0 && loss < 0x1p10) /* any other fails the step, or is as good as this */
            sums->sum += (uint64_t)(loss * 0x1p20 + 0.5);
        else
            sums->sum += (uint64_t)1 << 30;
        sums->easy += loss < EASY_LOSS;
    }
    return true;
}

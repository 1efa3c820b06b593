/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include "chance.h"
#include "direct.h"

#include <math.h>
#include <stdlib.h>

static const struct layer {
    int input; /* a layer; -1: the image */
    size_t channels, stride, dilation;
    bool skips; /* the input is added to the output, which is as large */
} layers[NETWORK_LAYERS] = {
    {-1, 16, 2, 1, false}, {0, 32, 2, 1, false}, {1, 32, 1, 1, false}, {2, 64, 2, 1, false},
    {3, 64, 1, 1, true},   {4, 64, 1, 2, true},  {5, 64, 1, 4, true},
};
enum { FINE = 2, COARSE = 6 };

static size_t channels_in(int layer) {
    return layers[layer].input < 0 ? 3 : layers[layers[layer].input].channels;
}

/* ------------------------------------------------------------------------------------------------------- parameters */

/* Normal numbers of deviation sqrt(2 / inputs) for weights before a ReLU; gains and variances 1, the rest 0. */
static void fill(const struct parameters *parameters, uint64_t seed, float *values) {
    struct chance chance = chance_of(seed, CHANCE_WEIGHTS);
    for (int l = 0; l < NETWORK_LAYERS; ++l) {
        const size_t inputs = 9 * channels_in(l), count = layers[l].channels * inputs;
        for (size_t i = 0; i < count; ++i)
            values[parameters->weight[l] + i] = (float)(sqrt(2.0 / (double)inputs) * chance_normal(&chance));
        for (size_t i = 0; i < layers[l].channels; ++i)
            values[parameters->gain[l] + i] = values[parameters->running[l] + layers[l].channels + i] = 1.0f;
    }
    for (size_t i = 0; i < parameters->classes * NETWORK_FEATURES; ++i)
        values[parameters->head_weight + i] = (float)(sqrt(1.0 / NETWORK_FEATURES) * chance_normal(&chance));
}

bool parameters_make(struct engine *engine, size_t classes, uint64_t seed, struct parameters *parameters,
                     struct failure *failure) {
    *parameters = (struct parameters){.classes = classes};
    size_t at = 0;
    for (int l = 0; l < NETWORK_LAYERS; ++l) {
        parameters->weight[l] = at;
        parameters->gain[l] = at += layers[l].channels * 9 * channels_in(l);
        at += 2 * layers[l].channels;
    }
    parameters->head_weight = at;
    parameters->head_bias = at += classes * NETWORK_FEATURES;
    parameters->stored = parameters->count = at + classes;
    for (int l = 0; l < NETWORK_LAYERS; ++l) {
        parameters->running[l] = parameters->stored;
        parameters->stored += 2 * layers[l].channels;
    }
    float *values = calloc(parameters->stored, sizeof *values);
    if (values == NULL)
        return fail_memory(failure, "parameters");
    bool good = engine_floats(engine, "moments", values, parameters->count, &parameters->m, failure) &&
                engine_floats(engine, "moments", values, parameters->count, &parameters->v, failure) &&
                engine_floats(engine, "gradients", values, parameters->count, &parameters->gradient, failure);
    fill(parameters, seed, values);
    good = good && engine_floats(engine, "parameters", values, parameters->stored, &parameters->values, failure);
    free(values);
    return good;
}

void parameters_free(struct parameters *parameters) {
    engine_release(&parameters->values, 1);
    engine_release(&parameters->gradient, 1);
    engine_release(&parameters->m, 1);
    engine_release(&parameters->v, 1);
    engine_release(&parameters->parts, 1);
}

bool parameters_share(struct engine *engine, struct team *team, size_t images, size_t batch,
                      struct parameters *parameters, struct failure *failure) {
    parameters->team = team;
    parameters->images = images;
    parameters->batch = batch;
    return engine_floats(engine, "gradients", NULL, images * parameters->count, &parameters->parts, failure);
}

bool parameters_follow(struct engine *engine, struct parameters *parameters, struct failure *failure) {
    const size_t size = parameters->stored * sizeof(float);
    if (parameters->team == NULL || parameters->team->ranks.use.size == 1)
        return true;
    float *values = malloc(size);
    if (values == NULL)
        return fail_memory(failure, "parameters");
    const bool leads = team_leads(parameters->team);
    const bool good = (!leads || engine_read(engine, parameters->values, 0, size, values, failure)) &&
                      team_follow(parameters->team, values, size, failure) &&
                      (leads || engine_write(engine, parameters->values, 0, size, values, failure));
    free(values);
    return good;
}

bool parameters_sum(struct engine *engine, const struct parameters *parameters, size_t at, size_t count, cl_mem to,
                    size_t to_at, struct failure *failure) {
    if (parameters->team == NULL)
        return true;
    const size_t images = parameters->images;
    float *values = malloc((images + 1) * count * sizeof *values);
    if (values == NULL)
        return fail_memory(failure, "gradients");
    float *sums = values + images * count;
    const bool good = engine_read(engine, parameters->parts, images * at * sizeof(float),
                                  images * count * sizeof(float), values, failure) &&
                      team_add(parameters->team, values, images, count, sums, failure) &&
                      engine_write(engine, to, to_at * sizeof(float), count * sizeof(float), sums, failure);
    free(values);
    return good;
}

/* Where kernels write sums over images: to `to`, or of each image to its parts, where parameters_sum() finds them. */
struct sums {
    cl_mem mem;
    size_t at, parts, images; /* images: of each part */
};

static struct sums sums_of(const struct parameters *parameters, size_t images, size_t at, cl_mem to, size_t to_at) {
    if (parameters->team == NULL)
        return (struct sums){to, to_at, 1, images};
    return (struct sums){parameters->parts, images * at, images, 1};
}

bool parameters_step(struct engine *engine, struct parameters *parameters, uint64_t number, double rate, double decay,
                     struct failure *failure) {
    const double b1 = 0.9, b2 = 0.999, epsilon = 1e-8;
    const double first = 1.0 - pow(b1, (double)number), second = sqrt(1.0 - pow(b2, (double)number));
    return ENGINE_LAUNCH(engine, TRAIN_ADAM, parameters->count, 1, 0, failure, of_mem(parameters->gradient),
                         of_float((float)(rate * second / first)), of_float((float)b1), of_float((float)b2),
                         of_float((float)(epsilon * second)), of_float((float)(rate * decay)), of_mem(parameters->m),
                         of_mem(parameters->v), of_mem(parameters->values));
}

/* ---------------------------------------------------------------------------------------------------------- network */

static size_t pixels_of(const struct network *network, int layer) {
    return layer < 0 ? network->height * network->width
                     : network->convolutions[layer].rows * network->convolutions[layer].row;
}

static size_t floats_of(const struct network *network, int layer) {
    return network->images * layers[layer].channels * pixels_of(network, layer);
}

/* Numbers of a layer's channel in the whole batch. */
static float count_of(const struct network *network, const struct parameters *parameters, int l) {
    return (float)((parameters->team == NULL ? network->images : parameters->batch) * pixels_of(network, l));
}

static bool make_layer(struct engine *engine, struct network *network, int l, struct failure *failure) {
    const struct convolution *input = layers[l].input < 0 ? NULL : &network->convolutions[layers[l].input];
    struct convolution *convolution = &network->convolutions[l];
    *convolution = (struct convolution){.images = network->images,
                                        .inputs = channels_in(l),
                                        .outputs = layers[l].channels,
                                        .height = input == NULL ? network->height : input->rows,
                                        .width = input == NULL ? network->width : input->row,
                                        .stride = layers[l].stride,
                                        .dilation = layers[l].dilation};
    if (!convolution_make(engine, network->training, convolution, failure))
        return false;
    const size_t count = floats_of(network, l);
    return engine_floats(engine, "activations", NULL, count, &network->sums[l], failure) &&
           engine_floats(engine, "activations", NULL, count, &network->outputs[l], failure) &&
           engine_floats(engine, "statistics", NULL, 2 * layers[l].channels, &network->statistics[l], failure) &&
           (!network->training || engine_floats(engine, "gradients", NULL, count, &network->gradients[l], failure));
}

bool network_make(struct engine *engine, size_t images, size_t height, size_t width, bool training,
                  struct network *network, struct failure *failure) {
    *network = (struct network){.images = images, .height = height, .width = width, .training = training};
    size_t channels = 0;
    bool good = engine_floats(engine, "images", NULL, images * 3 * height * width, &network->image, failure);
    for (int l = 0; l < NETWORK_LAYERS && good; ++l) {
        channels = layers[l].channels > channels ? layers[l].channels : channels;
        good = make_layer(engine, network, l, failure);
    }
    network->rows = network->convolutions[FINE].rows;
    network->row = network->convolutions[FINE].row;
    const size_t features = images * NETWORK_FEATURES * pixels_of(network, FINE);
    return good && engine_floats(engine, "statistics", NULL, 2 * channels, &network->totals, failure) &&
           engine_floats(engine, "features", NULL, features, &network->features, failure) &&
           (!training || engine_floats(engine, "features", NULL, features, &network->features_gradient, failure));
}

void network_free(struct network *network) {
    for (int l = 0; l < NETWORK_LAYERS; ++l)
        convolution_free(&network->convolutions[l]);
    engine_release(&network->image, 1);
    engine_release(network->sums, NETWORK_LAYERS);
    engine_release(network->outputs, NETWORK_LAYERS);
    engine_release(&network->totals, 1);
    engine_release(network->statistics, NETWORK_LAYERS);
    engine_release(network->gradients, NETWORK_LAYERS);
    engine_release(&network->features, 1);
    engine_release(&network->features_gradient, 1);
}

/* Whether a layer's normalisation fills the planes of the next layer's convolution, which alone takes its output. */
static bool fills_planes(const struct network *network, int l) {
    return l + 1 < NETWORK_LAYERS && network->convolutions[l + 1].direct;
}

/* NULL: what is before has filled the planes. */
static cl_mem input_of(const struct network *network, int l) {
    if (layers[l].input < 0)
        return network->image;
    return fills_planes(network, layers[l].input) ? NULL : network->outputs[layers[l].input];
}

/* Of the input, where that skips the layer; else any buffer, which is not looked at. */
static cl_mem skipped(const struct network *network, const cl_mem *buffers, int l) {
    return layers[l].skips ? buffers[layers[l].input] : network->image;
}

/* The batch's sums of a layer's channels, then those of squares about the mean. */
static bool find_totals(struct engine *engine, const struct network *network, const struct parameters *parameters,
                        int l, bool squares, struct failure *failure) {
    const size_t channels = layers[l].channels, at = parameters->gain[l], to_at = squares ? channels : 0;
    const struct sums sums = sums_of(parameters, network->images, at, network->totals, to_at);
    return ENGINE_LAUNCH(engine, TRAIN_NORM_SUMS, channels * engine->group, sums.parts, engine->group, failure,
                         of_mem(network->sums[l]), of_ulong(sums.images), of_ulong(pixels_of(network, l)),
                         of_int(squares), of_mem(network->totals), of_float(count_of(network, parameters, l)),
                         of_mem(sums.mem), of_ulong(sums.at)) &&
           parameters_sum(engine, parameters, at, channels, network->totals, to_at, failure);
}

/* Of the batch in training, else what training has seen. */
static bool find_statistics(struct engine *engine, const struct network *network, const struct parameters *parameters,
                            int l, struct failure *failure) {
    const size_t channels = layers[l].channels;
    if (!network->training)
        return ENGINE_LAUNCH(engine, TRAIN_NORM_RUNNING, channels, 1, 0, failure, of_mem(parameters->values),
                             of_ulong(parameters->running[l]), of_mem(network->statistics[l]));
    return find_totals(engine, network, parameters, l, false, failure) &&
           find_totals(engine, network, parameters, l, true, failure) &&
           ENGINE_LAUNCH(engine, TRAIN_NORM_STATISTICS, channels, 1, 0, failure, of_mem(network->totals),
                         of_float(count_of(network, parameters, l)), of_mem(parameters->values),
                         of_ulong(parameters->running[l]), of_mem(network->statistics[l]));
}

static bool norm_forward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                         int l, struct failure *failure) {
    const struct convolution *own = &network->convolutions[l];
    const size_t channels = layers[l].channels, planes = network->images * channels;
#define NORM_FORWARD                                                                                                   \
    of_mem(network->sums[l]), of_mem(network->statistics[l]), of_mem(parameters->values),                              \
        of_ulong(parameters->gain[l]), of_ulong(channels), of_int(layers[l].skips),                                    \
        of_mem(skipped(network, network->outputs, l)), of_mem(network->outputs[l])
    if (!fills_planes(network, l))
        return ENGINE_LAUNCH(engine, TRAIN_NORM_FORWARD, pixels_of(network, l), planes, 0, failure, NORM_FORWARD);
    const struct planes next = direct_input_planes(&network->convolutions[l + 1]);
    return ENGINE_LAUNCH(engine, TRAIN_NORM_FORWARD_PLANES, planes, 1, 1, failure, NORM_FORWARD, of_int(own->rows),
                         of_int(own->row), PLACE_IN(next));
#undef NORM_FORWARD
}

static bool layer_forward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                          int l, struct failure *failure) {
    return convolution_forward(engine, &network->convolutions[l], input_of(network, l), parameters->values,
                               parameters->weight[l], network->sums[l], failure) &&
           find_statistics(engine, network, parameters, l, failure) &&
           norm_forward(engine, network, parameters, l, failure);
}

bool network_forward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                     struct failure *failure) {
    for (int l = 0; l < NETWORK_LAYERS; ++l)
        if (!layer_forward(engine, network, parameters, l, failure))
            return false;
    return ENGINE_LAUNCH(engine, TRAIN_FEATURES, network->rows, network->images * NETWORK_FEATURES, 0, failure,
                         of_mem(network->outputs[FINE]), of_mem(network->outputs[COARSE]),
                         of_int(layers[FINE].channels), of_int(layers[COARSE].channels), of_int(network->rows),
                         of_int(network->row), of_int(network->convolutions[COARSE].rows),
                         of_int(network->convolutions[COARSE].row), of_mem(network->features));
}

static bool norm_backward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                          int l, struct failure *failure) {
    const struct convolution *own = &network->convolutions[l];
    const size_t channels = layers[l].channels, pixels = pixels_of(network, l), gain = parameters->gain[l];
    const size_t planes = network->images * channels;
    const struct sums sums = sums_of(parameters, network->images, gain, parameters->gradient, gain);
    if (!ENGINE_LAUNCH(engine, TRAIN_NORM_PARAMETERS, channels * engine->group, sums.parts, engine->group, failure,
                       of_mem(network->sums[l]), of_mem(network->gradients[l]), of_ulong(sums.images), of_ulong(pixels),
                       of_mem(network->statistics[l]), of_mem(parameters->values), of_ulong(gain), of_mem(sums.mem),
                       of_ulong(sums.at)) ||
        !parameters_sum(engine, parameters, gain, 2 * channels, parameters->gradient, gain, failure))
        return false;
#define NORM_BACKWARD                                                                                                  \
    of_mem(network->sums[l]), of_mem(network->statistics[l]), of_mem(parameters->values),                              \
        of_mem(parameters->gradient), of_ulong(gain), of_ulong(channels), of_float(count_of(network, parameters, l)),  \
        of_int(layers[l].skips), of_mem(skipped(network, network->gradients, l)), of_mem(network->gradients[l])
    if (!own->direct)
        return ENGINE_LAUNCH(engine, TRAIN_NORM_BACKWARD, pixels, planes, 0, failure, NORM_BACKWARD);
    const struct planes to = direct_gradient_planes(own);
    return ENGINE_LAUNCH(engine, TRAIN_NORM_BACKWARD_PLANES, planes, 1, 1, failure, NORM_BACKWARD, of_int(own->rows),
                         of_int(own->row), PLACE_IN(to));
#undef NORM_BACKWARD
}

/* To the input's gradient, on top of what the features gave it where it is FINE, and of what skipped the layer. */
static bool convolution_backward(struct engine *engine, const struct network *network,
                                 const struct parameters *parameters, int l, struct failure *failure) {
    const struct convolution *convolution = &network->convolutions[l];
    const int input = layers[l].input;
    const struct sums sums =
        sums_of(parameters, network->images, parameters->weight[l], parameters->gradient, parameters->weight[l]);
    const cl_mem gradient = convolution->direct ? NULL : network->gradients[l]; /* NULL: the planes have it */
    return convolution_weight_gradient(engine, convolution, input_of(network, l), gradient, parameters->team != NULL,
                                       sums.mem, sums.at, failure) &&
           (input < 0 ||
            convolution_input_gradient(engine, convolution, gradient, parameters->values, parameters->weight[l],
                                       input == FINE || layers[l].skips, network->gradients[input], failure));
}

/* What the parts have but gains and shifts, which are summed: the weights of each layer, and the head's. */
static bool sum_weights(struct engine *engine, const struct parameters *parameters, struct failure *failure) {
    bool good = true;
    for (int l = 0; l < NETWORK_LAYERS && good; ++l)
        good = parameters_sum(engine, parameters, parameters->weight[l], parameters->gain[l] - parameters->weight[l],
                              parameters->gradient, parameters->weight[l], failure);
    const size_t head = parameters->head_weight, bias = parameters->head_bias;
    return good && parameters_sum(engine, parameters, head, bias - head, parameters->gradient, head, failure) &&
           parameters_sum(engine, parameters, bias, parameters->classes, parameters->gradient, bias, failure);
}

bool network_backward(struct engine *engine, const struct network *network, const struct parameters *parameters,
                      struct failure *failure) {
    const size_t fine = layers[FINE].channels, coarse = layers[COARSE].channels;
    if (!ENGINE_LAUNCH(engine, TRAIN_FEATURES_FINE, network->rows, network->images * fine, 0, failure,
                       of_mem(network->features_gradient), of_int(fine), of_int(coarse), of_int(network->rows),
                       of_int(network->row), of_mem(network->gradients[FINE])) ||
        !ENGINE_LAUNCH(engine, TRAIN_FEATURES_COARSE, network->convolutions[COARSE].rows, network->images * coarse, 0,
                       failure, of_mem(network->features_gradient), of_int(fine), of_int(coarse), of_int(network->rows),
                       of_int(network->row), of_int(network->convolutions[COARSE].row),
                       of_mem(network->gradients[COARSE])))
        return false;
    for (int l = NETWORK_LAYERS - 1; l >= 0; --l)
        if (!norm_backward(engine, network, parameters, l, failure) ||
            !convolution_backward(engine, network, parameters, l, failure))
            return false;
    return sum_weights(engine, parameters, failure);
}

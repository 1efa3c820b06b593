/*
 * The library's arithmetic in plain C, one pixel after another: what every device must give, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The functions of kernels/arith.clh and select.clh are the library's; loops, sums and the order of everything are
 * written out here once more, in the plainest way.  reference_exact.c bounds the error of both.
 */
#include "reference_upsample.h"

#include <stdlib.h>

#include "opencl_c.h"
#define CLMP_GLOBAL
#include "arith.clh"
#include "layout.clh"
#include "problem.h"
#include "real.clh"
#include "select.clh"

#include "draw.clh"
#include "ohem.clh"

#define NOT_VALID(reason) (-(float)(reason))

struct shape {
    uint64_t images, classes, image_pixels, pools, pool_pixels;
};

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL)
        abort(); /* a test without memory has no result */
    return memory;
}

static int64_t label_at(const struct reference_input *in, uint64_t i) {
    switch (in->params.label_type) {
    case CLMP_LABEL_UINT8:
        return ((const uint8_t *)in->labels)[i];
    case CLMP_LABEL_UINT16:
        return ((const uint16_t *)in->labels)[i];
    case CLMP_LABEL_INT32:
        return ((const int32_t *)in->labels)[i];
    default:
        return ((const int64_t *)in->labels)[i];
    }
}

/* Maximum, sum of the other classes' exponentials, the label's one, as kernels/softmax.clh. */
struct softmax {
    float maximum, label_logit, label_exp, others;
    bool finite;
};

static struct softmax softmax(const float *x, uint64_t stride, uint64_t classes, int64_t label) {
    struct softmax s = {-INFINITY, x[(uint64_t)label * stride], 0.0f, 0.0f, true};
    for (uint64_t c = 0; c < classes; ++c) {
        const float logit = x[c * stride];
        s.finite = s.finite && logit < INFINITY;
        if (logit > s.maximum)
            s.maximum = logit;
    }
    s.finite = s.finite && s.label_logit > -INFINITY;
    float error = 0.0f;
    for (uint64_t c = 0; c < classes; ++c) {
        const float e = clmp_exp_scaled(x[c * stride], s.maximum);
        float term = e;
        if (c == (uint64_t)label) {
            s.label_exp = e;
            term = 0.0f;
        }
        const float sum = s.others + term;
        error += (s.others - sum) + term;
        s.others = sum;
    }
    s.others += error;
    return s;
}

static float class_weight(const struct reference_input *in, int64_t label) {
    return in->params.class_weights == NULL ? 1.0f : in->params.class_weights[label];
}

/* A pixel's loss, or its mark. */
static float pixel_loss(const struct reference_input *in, const struct shape *shape, uint64_t image, uint64_t pixel,
                        bool weighted) {
    const int64_t label = label_at(in, image * shape->image_pixels + pixel);
    if (label == in->params.ignore_index)
        return NOT_VALID(CLMP_IGNORED);
    if (label < 0 || (uint64_t)label >= shape->classes)
        return NOT_VALID(CLMP_INVALID_LABEL);
    const float *x = in->logits + image * shape->classes * shape->image_pixels + pixel;
    const struct softmax s = softmax(x, shape->image_pixels, shape->classes, label);
    const float others = s.others * CLMP_EXP_UNSCALE;
    float log_sum = 0.0f;
    if (others < 0x1.a8p-2f)
        log_sum = clmp_log1p_core(others);
    else
        log_sum = clmp_log((s.others + s.label_exp) * CLMP_EXP_UNSCALE);
    const float weight = weighted ? class_weight(in, label) : 1.0f;
    const float loss = clmp_flush(((s.maximum - s.label_logit) + log_sum) * weight);
    return s.finite && loss < INFINITY ? loss : NOT_VALID(CLMP_NONFINITE);
}

/* A loss, or its mark, as a key. */
static uint32_t key_of(float loss, bool marked) {
    if (loss >= 0.0f && loss < INFINITY) {
        const uint32_t key = as_uint(loss) & 0x7fffffffu;
        return key < 0x00800000u ? 0 : key;
    }
    if (marked && loss == NOT_VALID(CLMP_IGNORED))
        return CLMP_IGNORED << 20;
    if (marked && loss == NOT_VALID(CLMP_INVALID_LABEL))
        return CLMP_INVALID_LABEL << 20;
    return CLMP_NONFINITE << 20;
}

static bool is_loss(uint32_t key) {
    return key == 0 || key >= 0x00800000u;
}

static void fill_bins(const uint32_t *keys, uint64_t pixels, uint32_t round, const clmp_problem *problem,
                      const clmp_pool *pool, clmp_bin *bins) {
    const uint32_t parent = CLMP_PARENT(round), child = CLMP_CHILD(round), window_bins = CLMP_WINDOW_BINS(round);
    memset(bins, 0, CLMP_BINS * sizeof *bins);
    for (uint64_t i = 0; i < pixels; ++i) {
        const uint32_t prefix = keys[i] >> parent;
        uint32_t bin = (keys[i] >> child) & (window_bins - 1);
        if (round != 1 && prefix == pool->window[0])
            bin += window_bins;
        else if (round != 1 && prefix != pool->window[1])
            continue;
        const float power = clmp_power_in_octave(keys[i], keys[i] | ((1u << child) - 1), problem->q_log2e);
        bins[bin].count += 1;
        bins[bin].mantissas += (keys[i] & 0x007fffffu) | 0x00800000u;
        bins[bin].powers += clmp_fixed(as_uint(power), problem->fraction_bits);
    }
}

static void solve(const uint32_t *keys, uint64_t pixels, clmp_weighting weighting, const clmp_problem *problem,
                  clmp_pool *pool, clmp_record *record) {
    clmp_bin *bins = allocate(CLMP_BINS, sizeof *bins);
    clmp_segment *segments = allocate(CLMP_SEGMENTS, sizeof *segments);
    pool->solved = 0;
    for (uint32_t round = 1; round <= CLMP_ROUNDS && !pool->solved; ++round) {
        fill_bins(keys, pixels, round, problem, pool, bins);
        for (uint32_t i = 0; i < CLMP_SEGMENTS; ++i)
            clmp_segment_sum(round, i, bins, problem, pool, segments);
        if (weighting == CLMP_WEIGHTING_OHEM) {
            clmp_ohem_choose(round, pixels, bins, problem, pool, segments, record);
            continue;
        }
        for (uint32_t i = 0; i < CLMP_SEGMENTS; ++i)
            clmp_segment_decay(round, i, problem, pool, segments);
        clmp_segments_scan(round, pixels, bins, problem, pool, segments);
        for (uint32_t i = 0; i < CLMP_SEGMENTS; ++i)
            clmp_segment_test(i, problem, pool, segments);
        if (pool->solved)
            clmp_solve_slack(problem, pool, record);
        else
            clmp_segments_choose(round, bins, problem, pool, segments, record);
    }
    if (weighting != CLMP_WEIGHTING_OHEM)
        clmp_record_finish(pool, record);
    free(segments);
    free(bins);
}

/* What threshold_draw.cl does with a pool whose first pixel is `first`; `draws` gets how often each pixel is drawn. */
static void draw_pool(const struct reference_input *in, uint64_t first, uint64_t pixels, const float *losses,
                      const uint32_t *keys, clmp_pool *pool, clmp_record *record, uint32_t *draws) {
    const clmp_plan_params *params = &in->params;
    const bool hard = params->weighting == CLMP_WEIGHTING_OHEM;
    clmp_draw *draw = allocate(1, sizeof *draw);
    clmp_share *shares = allocate(params->classes, sizeof *shares);
    ulong *counts = allocate(CLMP_COUNTS(params->classes), sizeof *counts);
    if (!hard) {
        ulong valid = 0, present = 0, fewest = UINT64_MAX, most = 0;
        for (uint64_t i = first; i < first + pixels; ++i)
            counts[is_loss(keys[i]) ? (uint64_t)label_at(in, i) : params->classes + (keys[i] >> 20)] += 1;
        for (uint64_t c = 0; c < params->classes; ++c) {
            valid += counts[c];
            present += counts[c] != 0;
            fewest = counts[c] != 0 && counts[c] < fewest ? counts[c] : fewest;
            most = counts[c] > most ? counts[c] : most;
        }
        clmp_draw_quota((uint)params->sampling, valid, present, fewest, most, draw);
        clmp_draw_pool(pixels, valid, counts + params->classes, pool);
        for (uint64_t c = 0; c < params->classes; ++c)
            clmp_draw_share(draw, counts[c], shares + c);
        record->alpha = 0.0f;
    }
    for (uint64_t i = first; i < first + pixels; ++i) {
        if (!is_loss(keys[i]))
            continue;
        float loss = losses[i];
        draws[i] = hard ? keys[i] > pool->v || pool->at_zero > 0.0f
                        : clmp_draws(shares + label_at(in, i), params->seed, in->step, i);
        if (hard && !(loss < INFINITY)) {
            draws[i] = 0;
            draw->overflowed += 1;
            continue;
        }
        draw->drawn += draws[i];
        draw->pixels += draws[i] != 0;
        if (loss > 0.0f)
            draw->mantissas[as_uint(loss) >> 23] += (ulong)draws[i] * ((as_uint(loss) & 0x007fffffu) | 0x00800000u);
    }
    if (hard)
        draw->most = draw->drawn != 0;
    clmp_draw_solve(draw, pool, record);
    clmp_record_finish(pool, record);
    free(counts);
    free(shares);
    free(draw);
}

static float weight_of(uint32_t key, const clmp_pool *pool, const clmp_problem *problem) {
    if (!is_loss(key))
        return 0.0f;
    if (key == 0)
        return pool->at_zero;
    if (key > pool->v)
        return pool->tau;
    if (key == pool->v)
        return pool->at;
    return clmp_flush(pool->at * clmp_ratio_power(key, pool->v, pool->reciprocal_v, problem->slope));
}

static void pixel_gradient(const struct reference_input *in, const struct shape *shape, uint64_t image, uint64_t pixel,
                           uint32_t key, float weight, float share, float *gradient) {
    const uint64_t stride = shape->image_pixels;
    const uint64_t corner = image * shape->classes * stride + pixel;
    if (!is_loss(key)) {
        for (uint64_t c = 0; c < shape->classes; ++c)
            gradient[corner + c * stride] = 0.0f;
        return;
    }
    const int64_t label = label_at(in, image * stride + pixel);
    const float *x = in->logits + corner;
    const struct softmax s = softmax(x, stride, shape->classes, label);
    float factor = clmp_limit(weight * clmp_limit(in->gradient_scale * share));
    factor = clmp_limit(factor * class_weight(in, label));
    factor = clmp_flush(factor * clmp_reciprocal((s.others + s.label_exp) * CLMP_EXP_UNSCALE));
    for (uint64_t c = 0; c < shape->classes; ++c) {
        const float e = c == (uint64_t)label ? -s.others : clmp_exp_scaled(x[c * stride], s.maximum);
        gradient[corner + c * stride] = clmp_flush(factor * (e * CLMP_EXP_UNSCALE));
    }
}

uint64_t reference_philox(uint64_t seed, uint64_t step, uint64_t index) {
    return clmp_philox(seed, step, index);
}

double reference_minus_log(double x) {
    return clmp_minus_log(x);
}

void reference_bits(const struct reference_input *in, const struct bits_output *out) {
    const clmp_plan_params *params = &in->params;
    const bool from_logits = params->input == CLMP_INPUT_LOGITS;
    const bool by_image = params->scope == CLMP_SCOPE_IMAGE;
    struct shape shape = {params->images, params->classes, params->height * params->width, 1, 0};
    const uint64_t pixels = shape.images * shape.image_pixels;
    shape.pools = by_image ? shape.images : 1;
    shape.pool_pixels = pixels / shape.pools;
    const clmp_problem problem = clmp_problem_of(params, shape.pool_pixels, shape.images / shape.pools);
    /* hard examples are told by their losses without class weights */
    const bool late = from_logits && params->weighting == CLMP_WEIGHTING_OHEM && params->class_weights != NULL;
    const bool drawn = late || params->weighting == CLMP_WEIGHTING_BALANCED;

    const bool upsampled = reference_upsampled(params);
    uint32_t *keys = allocate(pixels, sizeof *keys), *draws = allocate(pixels, sizeof *draws);
    float *losses = allocate(pixels, sizeof *losses);
    if (upsampled)
        upsample_bits_losses(in, !late, losses);
    for (uint64_t i = 0; i < pixels; ++i) {
        if (!upsampled)
            losses[i] = from_logits ? pixel_loss(in, &shape, i / shape.image_pixels, i % shape.image_pixels, !late)
                                    : in->losses[i];
        keys[i] = key_of(losses[i], from_logits);
        losses[i] = is_loss(keys[i]) ? as_float(keys[i]) : 0.0f;
        if (late && is_loss(keys[i]))
            losses[i] = clmp_flush(losses[i] * class_weight(in, label_at(in, i)));
    }

    clmp_pool *pools = allocate(shape.pools, sizeof *pools);
    clmp_record *records = allocate(shape.pools + 1, sizeof *records);
    clmp_record *first = by_image ? records + 1 : records;
    for (uint64_t i = 0; i < shape.pools; ++i) {
        if (params->weighting != CLMP_WEIGHTING_BALANCED)
            solve(keys + i * shape.pool_pixels, shape.pool_pixels, params->weighting, &problem, &pools[i], &first[i]);
        if (drawn)
            draw_pool(in, i * shape.pool_pixels, shape.pool_pixels, losses, keys, &pools[i], &first[i], draws);
    }
    if (by_image)
        clmp_total(shape.pools, pools, records);
    if (out->result != NULL)
        memcpy(out->result, records, (by_image ? 1 + shape.pools : 1) * sizeof *records);

    float *valid_losses = allocate(pixels, sizeof *valid_losses); /* -1: not valid */
    float *weights = allocate(pixels, sizeof *weights), *taus = allocate(shape.pools, sizeof *taus);
    for (uint64_t i = 0; i < shape.pools; ++i)
        taus[i] = pools[i].tau;
    for (uint64_t i = 0; i < pixels; ++i) {
        const clmp_pool *pool = &pools[i / shape.pool_pixels];
        if (!(losses[i] < INFINITY)) { /* by its class weight */
            keys[i] = CLMP_NONFINITE << 20;
            losses[i] = 0.0f;
        }
        const float weight = drawn ? clmp_flush(pool->at * (float)draws[i]) : weight_of(keys[i], pool, &problem);
        weights[i] = weight;
        valid_losses[i] = is_loss(keys[i]) ? losses[i] : -1.0f;
        if (from_logits && out->losses != NULL)
            out->losses[i] = losses[i];
        if (out->weights != NULL)
            out->weights[i] = weight;
        if (from_logits && !upsampled && out->gradient != NULL)
            pixel_gradient(in, &shape, i / shape.image_pixels, i % shape.image_pixels, keys[i], weight,
                           pools[0].image_share, out->gradient);
    }
    if (upsampled && out->gradient != NULL)
        upsample_bits_gradient(in, valid_losses, weights, taus, pools[0].image_share, out->gradient);
    free(taus);
    free(weights);
    free(valid_losses);
    free(records);
    free(pools);
    free(losses);
    free(draws);
    free(keys);
}

/*
 * The library's arithmetic in plain C, one pixel after another: what every device must give, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The functions of kernels/arith.clh and select.clh are the library's; loops, sums and the order of everything are
 * written out here once more, in the plainest way.  reference_exact.c bounds the error of both.
 */
#include "reference_upsample.h"

#include <float.h>
#include <stdlib.h>

#include "opencl_c.h"
#define CLMP_GLOBAL
#include "arith.clh"
#include "bins.clh"
#include "layout.clh"
#include "plan/problem.h"
#include "real.clh"
#include "select.clh"

#include "draw.clh"
#include "normalise.clh"
#include "ohem.clh"

#define NOT_VALID(reason) (-(float)(reason))

struct shape {
    uint64_t images, classes, label_classes, image_pixels, pools, pool_pixels;
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
    float maximum, label_logit, label_exp, others, rest; /* rest: of all classes but the first that has 1 */
    clmp_exp_base base;
    bool finite, bounded; /* bounded: no -inf, either */
};

/* Classes in blocks of 8; of more than 64 classes, the blocks with their rounding errors summed beside.  from_largest:
 * the exponentials are always relative to the largest logit; so they are of two classes. */
static struct softmax softmax(const float *x, uint64_t stride, uint64_t classes, bool from_largest, int64_t label) {
    struct softmax s = {
        .maximum = -INFINITY, .label_logit = x[(uint64_t)label * stride], .finite = true, .bounded = true};
    for (uint64_t c = 0; c < classes; ++c) {
        const float logit = x[c * stride];
        s.finite = s.finite && logit < INFINITY;
        s.bounded = s.bounded && logit > -INFINITY;
        if (logit > s.maximum)
            s.maximum = logit;
    }
    s.finite = s.finite && s.label_logit > -INFINITY;
    s.base = from_largest || classes == 2 ? clmp_exp_base_at(s.maximum, 0.0f) : clmp_exp_base_of(s.maximum);
    float error = 0.0f;
    bool top_seen = false;
    for (uint64_t begin = 0; begin < classes; begin += 8) {
        float block = 0.0f, rest = 0.0f;
        for (uint64_t c = begin; c < begin + 8 && c < classes; ++c) {
            const float e = clmp_exp(x[c * stride] - s.base.shift, &s.base);
            if (c == (uint64_t)label)
                s.label_exp = e;
            else
                block += e;
            if (e == 1.0f && !top_seen)
                top_seen = true;
            else
                rest += e;
        }
        s.rest += rest;
        const float sum = s.others + block;
        error = clmp_flush(error + clmp_flush((s.others - sum) + block));
        s.others = sum;
    }
    if (classes > 64)
        s.others += error;
    return s;
}

/* The cross-entropy; of two classes it is ln(1 + exp(d)), d the other logit less the label's. */
static float cross_entropy(const struct softmax *s, uint64_t classes) {
    if (classes == 2)
        return clmp_log1p_unit(s->others * s->label_exp) + (s->maximum - s->label_logit);
    const float label_logit = s->label_logit - s->base.shift, octave = s->base.octave;
    if (label_logit >= fmaf(octave, CLMP_LN2, -69.3f)) {
        float factor;
        const float p = clmp_exp_in_range(-label_logit, octave + CLMP_EXP_ROUND, &factor);
        return clmp_log1p(s->others * (p * factor));
    }
    return fmaf(octave, CLMP_LN2_LOW, clmp_log(s->others)) + fmaf(octave, CLMP_LN2_HIGH, -label_logit);
}

bool reference_binary(const clmp_plan_params *params) {
    return params->loss == CLMP_LOSS_BINARY_CROSS_ENTROPY || params->loss == CLMP_LOSS_BINARY_FOCAL;
}

uint64_t reference_image_pixels(const clmp_plan_params *params) {
    return params->height * params->width * (reference_binary(params) ? params->classes : 1);
}

uint64_t reference_label_classes(const clmp_plan_params *params) {
    return reference_binary(params) ? 2 : params->classes;
}

/* What would be subnormal is 0. */
static float normal_float(double x) {
    return x < 0x1p-126 ? 0.0f : (float)x;
}

float bits_label_weight(const struct reference_input *in, uint64_t pixel, int64_t label) {
    const clmp_plan_params *params = &in->params;
    const bool binary = reference_binary(params);
    const bool alpha =
        (params->loss == CLMP_LOSS_FOCAL || params->loss == CLMP_LOSS_BINARY_FOCAL) && params->focal_alpha >= 0.0;
    const uint64_t of = binary ? pixel / (params->height * params->width) % params->classes : (uint64_t)label;
    const double weight = params->class_weights == NULL ? 1.0 : (double)params->class_weights[of];
    const double scaled =
        !alpha ? weight : weight * (binary && label == 0 ? 1.0 - params->focal_alpha : params->focal_alpha);
    return normal_float(scaled);
}

bool bits_focal(const clmp_plan_params *params) {
    return (params->loss == CLMP_LOSS_FOCAL || params->loss == CLMP_LOSS_BINARY_FOCAL) && params->focal_gamma > 0.0;
}

static float share(float part, float whole) {
    return clmp_flush(part * CLMP_EXP_UNSCALE * clmp_reciprocal(whole * CLMP_EXP_UNSCALE));
}

float bits_focal_loss(const clmp_plan_params *params, float others, float label_exp, float cross_entropy) {
    return clmp_flush(clmp_power(share(others, others + label_exp), (float)params->focal_gamma) * cross_entropy);
}

float bits_focal_slope(const clmp_plan_params *params, float others, float label_exp, float cross_entropy) {
    const float t = share(others, others + label_exp), p = share(label_exp, others + label_exp);
    cross_entropy = cross_entropy < 128.0f ? cross_entropy : 128.0f; /* p is 0 there */
    const float ratio = t < 0x1p-30f ? 1.0f : cross_entropy * clmp_reciprocal(t);
    const float gamma = (float)params->focal_gamma;
    const float slope = clmp_power(t, gamma) * fmaf(gamma * p, ratio, 1.0f);
    return slope >= 0x1p-40f ? slope : 0.0f;
}

/* Label smoothing: the shares of the label, of each class, and of all together. */
static float smooth_hard(const clmp_plan_params *params) {
    return (float)(1.0 - params->label_smoothing);
}

static double smooth_share(const clmp_plan_params *params) {
    return params->label_smoothing / (double)reference_label_classes(params);
}

static float smooth_total(const clmp_plan_params *params) {
    double sum = 0.0;
    if (reference_binary(params) || params->class_weights == NULL)
        return normal_float(params->label_smoothing);
    for (uint64_t c = 0; c < params->classes; ++c)
        sum += (double)params->class_weights[c];
    return normal_float(sum * smooth_share(params));
}

/* What class c weighs in the smoothed part; a channel's weight is applied to all of a binary loss instead. */
static float smooth_weight(const clmp_plan_params *params, uint64_t c) {
    if (reference_binary(params) || params->class_weights == NULL)
        return 1.0f;
    return normal_float((double)params->class_weights[c]);
}

/* The logits of a pixel: where the first is, and how far apart they are.  Of a binary loss, 0 and the channel's, in
 * `both`. */
static const float *logits_of(const struct reference_input *in, const struct shape *shape, uint64_t i, float both[2],
                              uint64_t *stride) {
    if (reference_binary(&in->params)) {
        both[0] = 0.0f;
        both[1] = in->logits[i];
        *stride = 1;
        return both;
    }
    *stride = shape->image_pixels;
    return in->logits + i / shape->image_pixels * shape->classes * shape->image_pixels + i % shape->image_pixels;
}

/* The share of the sum of w_c (maximum - x_c). */
static float distances(const clmp_plan_params *params, const float *x, uint64_t stride, uint64_t classes,
                       float maximum) {
    float sum = 0.0f, error = 0.0f;
    for (uint64_t c = 0; c < classes; ++c) {
        const float part = clmp_flush(clmp_limit(maximum - x[c * stride]) * normal_float(smooth_share(params)));
        const float term = clmp_limit(part * smooth_weight(params, c)), next = clmp_limit(sum + term);
        error = clmp_flush(error + clmp_flush((sum - next) + term));
        sum = next;
    }
    return clmp_limit(sum + error);
}

static float log_sum_of(const struct softmax *s, uint64_t classes) {
    if (classes == 2)
        return clmp_log1p_unit(s->others * s->label_exp);
    return clmp_log1p(s->rest);
}

/* A pixel's loss, or its mark. */
static float pixel_loss(const struct reference_input *in, const struct shape *shape, uint64_t i, bool weighted) {
    const clmp_plan_params *params = &in->params;
    const int64_t label = label_at(in, i);
    if (label == params->ignore_index)
        return NOT_VALID(CLMP_IGNORED);
    if (label < 0 || (uint64_t)label >= shape->label_classes)
        return NOT_VALID(CLMP_INVALID_LABEL);
    float both[2];
    uint64_t stride;
    const float *x = logits_of(in, shape, i, both, &stride);
    const struct softmax s = softmax(x, stride, shape->label_classes, params->label_smoothing > 0.0, label);
    const float weight = weighted ? bits_label_weight(in, i, label) : 1.0f;
    float loss = cross_entropy(&s, shape->label_classes);
    loss = loss < FLT_MAX ? loss : FLT_MAX; /* twice that may be between two logits */
    if (params->label_smoothing > 0.0) {
        const float soft = distances(params, x, stride, shape->label_classes, s.maximum);
        const float total = clmp_limit(log_sum_of(&s, shape->label_classes) * smooth_total(params));
        if (reference_binary(params))
            loss = clmp_limit((clmp_flush(loss * smooth_hard(params)) + soft) + total) * weight;
        else
            loss = (clmp_limit(loss * clmp_limit(weight * smooth_hard(params))) + soft) + total;
    } else {
        if (bits_focal(params))
            loss = bits_focal_loss(params, s.others * CLMP_EXP_SCALE, s.label_exp * CLMP_EXP_SCALE, loss);
        loss *= weight;
    }
    const bool finite = s.finite && (s.bounded || !(reference_binary(params) || params->label_smoothing > 0.0));
    return finite ? clmp_limit(loss) : NOT_VALID(CLMP_NONFINITE);
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

double reference_power(double p, uint32_t key, uint32_t tops, uint64_t pixels) {
    const clmp_problem problem = clmp_problem_make(p, 1.0, pixels);
    return ldexp((double)clmp_power_in_octave(key, tops, problem.powers), -problem.powers.fraction_bits);
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
        bins[bin].count += 1;
        bins[bin].mantissas += (keys[i] & 0x007fffffu) | 0x00800000u;
        bins[bin].powers += clmp_power_in_octave(keys[i], (1u << child) - 1, problem->powers);
    }
}

/* A tree over numbers, `count` of them, a power of two: node 1 is the root, 2 k and 2 k + 1 are the children of k, and
 * each inner node is the sum of its children. */
static void grow(clmp_real *nodes, uint32_t count) {
    for (uint32_t k = count - 1; k > 0; --k)
        nodes[k] = clmp_real_add(nodes[2 * k], nodes[2 * k + 1]);
}

/* `sum` and all leaves before leaf i; or where behind, behind it. */
static clmp_real beyond(const clmp_real *nodes, uint32_t count, uint32_t i, bool behind, clmp_real sum) {
    uint32_t node = 1;
    for (uint32_t half = count / 2; half > 0; half /= 2) {
        const bool right = (i & half) != 0;
        if (right != behind)
            sum = clmp_real_add(sum, nodes[2 * node + behind]);
        node = 2 * node + right;
    }
    return sum;
}

/* A round's bins, read. */
struct reading {
    uint32_t round, lowest; /* the bin where the tree begins */
    clmp_bin bins[CLMP_BINS];
    uint64_t at_least[CLMP_BINS + 1]; /* pixels in the i-th bin of the tree and above, in earlier windows, too */
    clmp_real terms[CLMP_BINS];
    clmp_real powers[2 * CLMP_SEGMENTS], sums[2 * CLMP_SEGMENTS]; /* trees */
};

/* Bin i of the tree's leaves, counted from the lowest. */
static uint32_t place_of(const struct reading *r, uint32_t i) {
    return (i + r->lowest) % CLMP_BINS;
}

static bool counts(const struct reading *r, uint32_t bin) {
    return r->bins[bin].count != 0 && (r->round != 1 || bin >= CLMP_SEGMENT_BINS);
}

/* Terms, and both trees.  Not all weightings begin at the lowest octave, nor need powers. */
static void read_bins(struct reading *r, bool powers, const clmp_problem *problem, const clmp_pool *pool) {
    r->lowest = 0;
    while (powers && r->round == 1 && r->lowest < CLMP_BINS && !counts(r, r->lowest))
        ++r->lowest;
    r->lowest = r->lowest / CLMP_SEGMENT_BINS * CLMP_SEGMENT_BINS;
    const uint32_t octave = r->round == 1 ? r->lowest / CLMP_SEGMENT_BINS : pool->octave;
    memset(r->terms, 0, sizeof r->terms);
    memset(r->powers, 0, sizeof r->powers);
    memset(r->sums, 0, sizeof r->sums);
    for (uint32_t i = 0; i < CLMP_BINS; ++i) {
        const uint32_t bin = place_of(r, i), leaf = CLMP_SEGMENTS + i / CLMP_SEGMENT_BINS;
        if (!counts(r, bin))
            continue;
        if (powers)
            r->terms[bin] = clmp_bin_term(r->round, bin, r->bins[bin], problem, pool, octave);
        r->powers[leaf] = clmp_real_add(r->powers[leaf], r->terms[bin]);
        r->sums[leaf] = clmp_real_add(r->sums[leaf], clmp_bin_sum(r->bins[bin], clmp_bin_low(r->round, pool, bin)));
    }
    grow(r->powers, CLMP_SEGMENTS);
    grow(r->sums, CLMP_SEGMENTS);
    r->at_least[CLMP_BINS] = r->round == 1 ? 0 : pool->above;
    for (uint32_t i = CLMP_BINS; i > 0; --i)
        r->at_least[i - 1] = r->at_least[i] + (counts(r, place_of(r, i - 1)) ? r->bins[place_of(r, i - 1)].count : 0);
}

/* Of the i-th bin of the tree: powers below it, and losses above. */
static clmp_real powers_below(const struct reading *r, const clmp_pool *pool, uint32_t i) {
    clmp_real sum = beyond(r->powers, CLMP_SEGMENTS, i / CLMP_SEGMENT_BINS, false, pool->below);
    for (uint32_t k = i / CLMP_SEGMENT_BINS * CLMP_SEGMENT_BINS; k < i; ++k)
        sum = clmp_real_add(sum, r->terms[place_of(r, k)]);
    return sum;
}

static clmp_real losses_above(const struct reading *r, const clmp_pool *pool, uint32_t i) {
    const uint32_t leaf = i / CLMP_SEGMENT_BINS;
    clmp_real sum = beyond(r->sums, CLMP_SEGMENTS, leaf, true, pool->sum_above);
    for (uint32_t k = leaf * CLMP_SEGMENT_BINS + CLMP_SEGMENT_BINS - 1; k > i; --k)
        if (counts(r, place_of(r, k)))
            sum =
                clmp_real_add(sum, clmp_bin_sum(r->bins[place_of(r, k)], clmp_bin_low(r->round, pool, place_of(r, k))));
    return sum;
}

static bool holds(const struct reading *r, const clmp_problem *problem, const clmp_pool *pool, uint32_t i) {
    return clmp_holds(r->at_least[i], powers_below(r, pool, i), clmp_bin_low(r->round, pool, place_of(r, i)), problem,
                      pool) != 0;
}

/* From `begin` to before `end`, the first bin of the tree that is not empty; `end` where none is. */
static uint32_t first_full(const struct reading *r, uint32_t begin, uint32_t end) {
    while (begin < end && !counts(r, place_of(r, begin)))
        ++begin;
    return begin;
}

/* The highest segment whose first bin holds, and of its bins the highest that does; the first, where none does. */
static uint32_t choose(const struct reading *r, const clmp_problem *problem, const clmp_pool *pool) {
    uint32_t first = first_full(r, 0, CLMP_BINS);
    uint32_t begin = first / CLMP_SEGMENT_BINS * CLMP_SEGMENT_BINS;
    for (uint32_t s = 0; s < CLMP_BINS; s += CLMP_SEGMENT_BINS) {
        const uint32_t i = first_full(r, s, s + CLMP_SEGMENT_BINS);
        if (i < s + CLMP_SEGMENT_BINS && holds(r, problem, pool, i))
            begin = s;
    }
    uint32_t best = first_full(r, begin, CLMP_BINS);
    for (uint32_t i = best; i < begin + CLMP_SEGMENT_BINS; ++i)
        if (counts(r, place_of(r, i)) && holds(r, problem, pool, i))
            best = i;
    return best;
}

static void pool_round(struct reading *r, uint64_t pixels, const clmp_problem *problem, clmp_pool *pool,
                       clmp_record *record) {
    read_bins(r, true, problem, pool);
    if (r->round == 1)
        clmp_pool_begin(pixels, r->bins, r->at_least[0], r->sums[1], r->lowest / CLMP_SEGMENT_BINS, problem, pool);
    if (pool->solved) {
        clmp_solve_slack(problem, pool, record);
        return;
    }
    const uint32_t best = choose(r, problem, pool);
    uint32_t below = best;
    while (below > 0 && !counts(r, place_of(r, below - 1)))
        --below;
    const clmp_choice choice = {
        .bin = place_of(r, best),
        .below = below == 0 ? CLMP_NO_WINDOW : place_of(r, below - 1),
        .above = r->at_least[best] - r->bins[place_of(r, best)].count,
        .count = r->bins[place_of(r, best)].count,
        .sum_above = losses_above(r, pool, best),
        .before = powers_below(r, pool, best),
        .base = powers_below(r, pool, below == 0 ? best : below - 1),
    };
    clmp_round_end(r->round, &choice, problem, pool, record);
}

/* Online hard examples: the bin of the (k+1)-th largest loss, or that of the given one, whichever is lower. */
static void ohem_round(struct reading *r, uint64_t pixels, const clmp_problem *problem, clmp_pool *pool,
                       clmp_record *record) {
    read_bins(r, false, problem, pool);
    if (r->round == 1)
        clmp_ohem_begin(pixels, r->bins, r->at_least[0], r->sums[1], problem, pool, record);
    if (pool->solved)
        return;
    uint32_t ranked = CLMP_OHEM_BEYOND;
    for (uint32_t i = 0; i < CLMP_BINS; ++i)
        if (r->at_least[i + 1] <= problem->count && problem->count < r->at_least[i])
            ranked = i;
    const uint32_t cut = clmp_ohem_bin(r->round, problem->cut, pool);
    const uint32_t target = ranked < cut ? ranked : cut;
    clmp_ohem_end(r->round, target, r->at_least[target + 1], losses_above(r, pool, target), pool, record);
}

static void solve(const uint32_t *keys, uint64_t pixels, clmp_weighting weighting, const clmp_problem *problem,
                  clmp_pool *pool, clmp_record *record) {
    struct reading *r = allocate(1, sizeof *r);
    pool->solved = 0;
    for (r->round = 1; r->round <= CLMP_ROUNDS && !pool->solved; ++r->round) {
        fill_bins(keys, pixels, r->round, problem, pool, r->bins);
        if (weighting == CLMP_WEIGHTING_OHEM)
            ohem_round(r, pixels, problem, pool, record);
        else
            pool_round(r, pixels, problem, pool, record);
    }
    if (weighting != CLMP_WEIGHTING_OHEM)
        clmp_record_finish(pool, record);
    free(r);
}

/* What threshold_draw.cl does with a pool whose first pixel is `first`; `draws` gets how often each pixel is drawn. How
 * often one may be. */
static uint64_t draw_pool(const struct reference_input *in, uint64_t first, uint64_t pixels, const float *losses,
                          const uint32_t *keys, clmp_pool *pool, clmp_record *record, uint32_t *draws) {
    const clmp_plan_params *params = &in->params;
    const bool hard = params->weighting == CLMP_WEIGHTING_OHEM;
    clmp_draw *draw = allocate(1, sizeof *draw);
    const uint64_t classes = reference_label_classes(params);
    clmp_share *shares = allocate(classes, sizeof *shares);
    ulong *counts = allocate(CLMP_COUNTS(classes), sizeof *counts);
    if (!hard) {
        ulong valid = 0, present = 0, fewest = UINT64_MAX, most = 0;
        for (uint64_t i = first; i < first + pixels; ++i)
            counts[is_loss(keys[i]) ? (uint64_t)label_at(in, i) : classes + (keys[i] >> 20)] += 1;
        for (uint64_t c = 0; c < classes; ++c) {
            valid += counts[c];
            present += counts[c] != 0;
            fewest = counts[c] != 0 && counts[c] < fewest ? counts[c] : fewest;
            most = counts[c] > most ? counts[c] : most;
        }
        clmp_draw_quota((uint)params->sampling, valid, present, fewest, most, draw);
        clmp_draw_pool(pixels, valid, counts + classes, pool);
        for (uint64_t c = 0; c < classes; ++c)
            clmp_draw_share(draw, counts[c], shares + c);
        record->alpha = 0.0f;
    }
    for (uint64_t i = first; i < first + pixels; ++i) {
        if (!is_loss(keys[i]))
            continue;
        float loss = losses[i];
        draws[i] = hard ? keys[i] > pool->v || pool->at_zero > 0.0f
                        : clmp_draws(shares + label_at(in, i), clmp_philox(params->seed, in->step, i));
        draw->drawn += draws[i];
        draw->pixels += draws[i] != 0;
        if (loss > 0.0f)
            draw->mantissas[as_uint(loss) >> 23] += (ulong)draws[i] * ((as_uint(loss) & 0x007fffffu) | 0x00800000u);
    }
    if (hard)
        draw->most = draw->drawn != 0;
    clmp_real sums[512];
    for (int e = 0; e < 256; ++e)
        sums[256 + e] = clmp_draw_sum(draw, e);
    grow(sums, 256);
    clmp_draw_solve(sums[1], draw, pool, record);
    clmp_record_finish(pool, record);
    const uint64_t most = draw->most;
    free(counts);
    free(shares);
    free(draw);
    return most;
}

/* What normalise.cl does with a pool. */
static void normalise_pool(const struct reference_input *in, uint64_t first, uint64_t pixels, bool drawn,
                           const uint32_t *keys, const uint32_t *draws, uint64_t most, clmp_pool *pool,
                           clmp_record *record) {
    const clmp_plan_params *params = &in->params;
    const uint64_t classes = params->classes;
    ulong *counts = allocate(2 * classes, sizeof *counts);
    for (uint64_t i = first; i < first + pixels; ++i) {
        if (!is_loss(keys[i]))
            continue;
        const uint64_t of =
            reference_binary(params) ? i / (params->height * params->width) % classes : (uint64_t)label_at(in, i);
        if (drawn)
            counts[of] += draws[i];
        else if (params->weighting == CLMP_WEIGHTING_UNIFORM || keys[i] > pool->v)
            counts[of] += 1;
        else if (keys[i] == pool->v)
            counts[classes + of] += 1;
    }
    clmp_normalise_solve(drawn                                      ? CLMP_SHARES_DRAWN
                         : params->weighting == CLMP_WEIGHTING_TOPK ? CLMP_SHARES_TOP
                                                                    : CLMP_SHARES_ALL,
                         classes, counts, params->class_weights, most, pool);
    clmp_record_finish(pool, record);
    free(counts);
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
    return clmp_weight_below(key, pool->v, pool->reciprocal_v, problem->slope, pool->at);
}

/* Of a valid pixel, class c of its logits; or of the channel's logit. */
static void pixel_gradient(const struct reference_input *in, const struct shape *shape, uint64_t i, float weight,
                           float tau, float image_share, float *gradient) {
    const clmp_plan_params *params = &in->params;
    const int64_t label = label_at(in, i);
    const bool binary = reference_binary(params);
    float both[2];
    uint64_t stride;
    const float *x = logits_of(in, shape, i, both, &stride);
    const struct softmax s = softmax(x, stride, shape->label_classes, params->label_smoothing > 0.0, label);
    const float reciprocal = clmp_reciprocal(s.others + s.label_exp);
    if (bits_focal(params) && !(weight >= tau * 0x1p-40f))
        weight = 0.0f;
    const float scale = clmp_limit(weight * clmp_limit(in->gradient_scale * image_share));
    float factor = clmp_limit(scale * bits_label_weight(in, i, label));
    if (bits_focal(params))
        factor = clmp_limit(factor * bits_focal_slope(params, s.others * CLMP_EXP_SCALE, s.label_exp * CLMP_EXP_SCALE,
                                                      cross_entropy(&s, shape->label_classes)));
    if (params->label_smoothing > 0.0)
        factor = clmp_limit(factor * smooth_hard(params));
    factor = clmp_flush(factor * reciprocal);
    const float soft = clmp_limit(scale * (binary ? bits_label_weight(in, i, label) : 1.0f));
    const float share = clmp_limit(soft * normal_float(smooth_share(params)));
    const float total = clmp_flush(clmp_limit(soft * smooth_total(params)) * reciprocal);
    for (uint64_t c = binary; c < shape->label_classes; ++c) {
        const float e = clmp_exp(x[c * stride] - s.base.shift, &s.base);
        float g = clmp_flush(factor * (c == (uint64_t)label ? -s.others : e));
        if (params->label_smoothing > 0.0) {
            const float taken = clmp_limit(share * smooth_weight(params, c));
            g = clmp_limit(g + clmp_flush(fmaf(total, e, -taken)));
        }
        gradient[binary ? 0 : c * stride] = g;
    }
}

/* The gradient of all pixels, which losses or marks tell apart. */
static void plain_gradient(const struct reference_input *in, const struct shape *shape, const float *valid_losses,
                           const float *weights, const float *taus, float image_share, float *gradient) {
    const bool binary = reference_binary(&in->params);
    const uint64_t pixels = shape->images * shape->image_pixels;
    for (uint64_t i = 0; i < pixels * (binary ? 1 : shape->classes); ++i)
        gradient[i] = 0.0f;
    for (uint64_t i = 0; i < pixels; ++i) {
        const uint64_t image = i / shape->image_pixels, corner = image * shape->classes * shape->image_pixels;
        if (valid_losses[i] >= 0.0f)
            pixel_gradient(in, shape, i, weights[i], taus[i / shape->pool_pixels], image_share,
                           gradient + (binary ? i : corner + i % shape->image_pixels));
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
    struct shape shape = {
        params->images, params->classes, reference_label_classes(params), reference_image_pixels(params), 1, 0};
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
            losses[i] = from_logits ? pixel_loss(in, &shape, i, !late) : in->losses[i];
        keys[i] = key_of(losses[i], from_logits);
        losses[i] = is_loss(keys[i]) ? as_float(keys[i]) : 0.0f;
        if (late && is_loss(keys[i]))
            losses[i] = clmp_limit(losses[i] * bits_label_weight(in, i, label_at(in, i)));
    }

    clmp_pool *pools = allocate(shape.pools, sizeof *pools);
    clmp_record *records = allocate(shape.pools + 1, sizeof *records);
    clmp_record *first = by_image ? records + 1 : records;
    for (uint64_t i = 0; i < shape.pools; ++i) {
        if (params->weighting != CLMP_WEIGHTING_BALANCED)
            solve(keys + i * shape.pool_pixels, shape.pool_pixels, params->weighting, &problem, &pools[i], &first[i]);
        uint64_t most = 1;
        if (drawn)
            most = draw_pool(in, i * shape.pool_pixels, shape.pool_pixels, losses, keys, &pools[i], &first[i], draws);
        if (from_logits && params->normalise == CLMP_NORMALISE_WEIGHTS && params->class_weights != NULL)
            normalise_pool(in, i * shape.pool_pixels, shape.pool_pixels, drawn, keys, draws, most, &pools[i],
                           &first[i]);
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
        const float weight = drawn ? clmp_flush(pool->at * (float)draws[i]) : weight_of(keys[i], pool, &problem);
        weights[i] = weight;
        valid_losses[i] = is_loss(keys[i]) ? losses[i] : -1.0f;
        if (from_logits && out->losses != NULL)
            out->losses[i] = losses[i];
        if (out->weights != NULL)
            out->weights[i] = weight;
    }
    if (from_logits && !upsampled && out->gradient != NULL)
        plain_gradient(in, &shape, valid_losses, weights, taus, pools[0].image_share, out->gradient);
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

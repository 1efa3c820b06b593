/*
 * reference_exact: the definition of loss max-pooling in long double.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * It shares no arithmetic with the library: losses through expl and log1pl, the threshold by sorting, every sum
 * compensated.  S. Rota Bulo, G. Neuhold, P. Kontschieder, "Loss Max-Pooling for Semantic Image Segmentation",
 * CVPR 2017, arXiv 1704.02966, equations (2) to (5):
 *
 *     eta(alpha) = sum_u min(1, (l_u / alpha)^q) = m,   m = max(1, s n)
 *     w_u        = tau min(1, (l_u / alpha)^(q - 1)),   tau = n^(-1/q) m^(-1/p)
 *     L          = tau (sum_{l_u > alpha} l_u + alpha (m - #{l_u > alpha}))
 */
#include "reference_upsample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Below this p - 1 the library takes p for exactly 1. */
#define P_MINUS_ONE_MIN 0x1p-32L

struct sum {
    long double total, lost;
};

/* Neumaier's compensated sum. */
static void sum_add(struct sum *sum, long double term) {
    long double next = sum->total + term;
    if (fabsl(sum->total) >= fabsl(term))
        sum->lost += (sum->total - next) + term;
    else
        sum->lost += (term - next) + sum->total;
    sum->total = next;
}

static long double sum_value(const struct sum *sum) {
    return sum->total + sum->lost;
}

static void *allocate(uint64_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        abort();
    return memory;
}

/* ---------------------------------------------------------------------------------------------------------- the loss
 */

enum pixel_state { PIXEL_VALID, PIXEL_IGNORED, PIXEL_INVALID_LABEL, PIXEL_NONFINITE };

static int64_t label_at(const struct reference_input *in, uint64_t pixel) {
    switch (in->params.label_type) {
    case CLMP_LABEL_UINT8:
        return ((const uint8_t *)in->labels)[pixel];
    case CLMP_LABEL_UINT16:
        return ((const uint16_t *)in->labels)[pixel];
    case CLMP_LABEL_INT32:
        return ((const int32_t *)in->labels)[pixel];
    default:
        return ((const int64_t *)in->labels)[pixel];
    }
}

/* The C logits of a pixel; of a binary loss 0 and the channel's. */
static void pixel_logits(const struct reference_input *in, uint64_t pixel, long double *x) {
    if (reference_binary(&in->params)) {
        x[0] = 0.0L;
        x[1] = in->logits[pixel];
        return;
    }
    uint64_t area = in->params.height * in->params.width;
    const float *first = in->logits + (pixel / area) * in->params.classes * area + pixel % area;
    if (reference_upsampled(&in->params))
        upsample_exact_relative(in, pixel, x);
    else
        for (uint64_t c = 0; c < in->params.classes; c++)
            x[c] = first[c * area];
}

static bool is_focal(const clmp_plan_params *params) {
    return params->loss == CLMP_LOSS_FOCAL || params->loss == CLMP_LOSS_BINARY_FOCAL;
}

/* What class c weighs where all do: with label smoothing. */
static long double class_weight(const struct reference_input *in, uint64_t pixel, uint64_t c) {
    const clmp_plan_params *params = &in->params;
    if (reference_binary(params))
        c = pixel / (params->height * params->width) % params->classes;
    return params->class_weights ? (long double)params->class_weights[c] : 1.0L;
}

long double reference_label_weight(const struct reference_input *in, uint64_t pixel, int64_t label) {
    const clmp_plan_params *params = &in->params;
    long double alpha = is_focal(params) && params->focal_alpha >= 0.0 ? (long double)params->focal_alpha : -1.0L;
    long double weight = class_weight(in, pixel, (uint64_t)label);
    if (alpha < 0.0L)
        return weight;
    return weight * (reference_binary(params) && label == 0 ? 1.0L - alpha : alpha);
}

static uint64_t largest_class(const long double *x, uint64_t classes) {
    uint64_t largest = 0;
    for (uint64_t c = 1; c < classes; c++)
        if (x[c] > x[largest])
            largest = c;
    return largest;
}

/*
 * Softmax cross-entropy relative to the largest logit M:  (M - x_y) + log1p(sum of the other classes' exp(x_c - M)).
 * The label is the reference class where it is a maximum itself, so that a confident pixel keeps its small loss.  What
 * is beyond float32 is its largest number.
 */
static long double cross_entropy(const long double *x, uint64_t classes, uint64_t label) {
    uint64_t top = largest_class(x, classes);
    if (x[top] == x[label])
        top = label;
    long double largest = x[top];
    struct sum others = {0};
    for (uint64_t c = 0; c < classes; c++)
        if (c != top)
            sum_add(&others, expl(x[c] - largest));
    return fminl((largest - x[label]) + log1pl(sum_value(&others)), (long double)FLT_MAX);
}

/* The sum of all exponentials relative to the label's, but for the label's own 1: T / E_y of criterion.clh; (1 - p) /
 * p.
 */
static long double odds(const long double *x, uint64_t classes, uint64_t label) {
    struct sum others = {0};
    for (uint64_t c = 0; c < classes; c++) {
        if (x[c] - x[label] > 11000.0L)
            return HUGE_VALL; /* beyond long double, and nothing but 1 - p = 1 comes of it */
        if (c != label)
            sum_add(&others, expl(x[c] - x[label]));
    }
    return sum_value(&others);
}

/* t^g, and F = t^g (1 + g p h / t), with t = 1 - p. */
static long double focal_power(const clmp_plan_params *params, const long double *x, uint64_t classes, uint64_t label) {
    long double r = odds(x, classes, label);
    return powl(isinf(r) ? 1.0L : r / (1.0L + r), (long double)params->focal_gamma);
}

static long double focal_slope(const clmp_plan_params *params, const long double *x, uint64_t classes, uint64_t label) {
    long double r = odds(x, classes, label), g = (long double)params->focal_gamma;
    long double ratio = r == 0.0L ? 1.0L : cross_entropy(x, classes, label) / r; /* p h / t */
    return focal_power(params, x, classes, label) * (1.0L + g * (isinf(r) ? 0.0L : ratio));
}

/* criterion.clh has the equations. */
static long double criterion(const struct reference_input *in, uint64_t pixel, const long double *x, uint64_t label) {
    const clmp_plan_params *params = &in->params;
    uint64_t classes = reference_label_classes(params);
    long double weight = reference_label_weight(in, pixel, (int64_t)label), e = (long double)params->label_smoothing;
    long double loss = weight * cross_entropy(x, classes, label);
    if (is_focal(params))
        return loss * focal_power(params, x, classes, label);
    if (e == 0.0L)
        return loss;
    struct sum soft = {0};
    for (uint64_t c = 0; c < classes; c++)
        sum_add(&soft, class_weight(in, pixel, c) * cross_entropy(x, classes, c));
    return (1.0L - e) * loss + e / (long double)classes * sum_value(&soft);
}

/* What no float32 holds: above FLT_MAX a loss is that, and one below FLT_MIN is 0, since nothing is subnormal. */
static enum pixel_state as_float_range(long double *loss) {
    if (!(*loss >= 0.0L) || isinf(*loss)) {
        *loss = 0.0L;
        return PIXEL_NONFINITE;
    }
    if (*loss > (long double)FLT_MAX)
        *loss = FLT_MAX;
    if (*loss < (long double)FLT_MIN)
        *loss = 0.0L;
    return PIXEL_VALID;
}

static enum pixel_state pixel_loss(const struct reference_input *in, uint64_t pixel, long double *loss) {
    *loss = 0.0L;
    if (in->params.input == CLMP_INPUT_LOSSES) {
        *loss = in->losses[pixel];
        return as_float_range(loss);
    }
    int64_t label = label_at(in, pixel);
    if (label == in->params.ignore_index)
        return PIXEL_IGNORED;
    uint64_t classes = reference_label_classes(&in->params);
    if (label < 0 || (uint64_t)label >= classes)
        return PIXEL_INVALID_LABEL;
    long double *x = allocate(classes, sizeof *x);
    pixel_logits(in, pixel, x);
    bool finite = true, all = reference_binary(&in->params) || in->params.label_smoothing > 0.0;
    for (uint64_t c = 0; c < classes; c++)
        if (isnan(x[c]) || (isinf(x[c]) && (all || x[c] > 0.0L || c == (uint64_t)label)))
            finite = false;
    if (finite)
        *loss = criterion(in, pixel, x, (uint64_t)label);
    free(x);
    return finite ? as_float_range(loss) : PIXEL_NONFINITE;
}

/* The loss before class weights, of a valid pixel. */
static long double unweighted_loss(const struct reference_input *in, uint64_t pixel) {
    if (in->params.input == CLMP_INPUT_LOSSES)
        return in->criterion ? in->criterion[pixel] : in->losses[pixel];
    uint64_t classes = reference_label_classes(&in->params);
    long double *x = allocate(classes, sizeof *x);
    pixel_logits(in, pixel, x);
    const long double loss = cross_entropy(x, classes, (uint64_t)label_at(in, pixel));
    free(x);
    return loss;
}

bool reference_valid(const struct reference_input *in, uint64_t pixel) {
    long double loss;
    return pixel_loss(in, pixel, &loss) == PIXEL_VALID;
}

/* ----------------------------------------------------------------------------------------------------- the threshold
 */

/* One pool of pixels and what its weighting comes to. */
struct pool {
    const long double *losses;
    const bool *valid;
    uint64_t pixels;
    long double p, q, m; /* p = 1: q is not used */
    long double share;   /* of tau, for the pixels at alpha when p = 1 */
    struct exact_result *result;
};

static int compare(const void *a, const void *b) {
    long double x = *(const long double *)a, y = *(const long double *)b;
    return (x > y) - (x < y);
}

/* p = 1: alpha is the largest value v with #{l >= v} >= m; the pixels at alpha share what those above it leave. */
static void threshold_hardest(struct pool *pool, const long double *sorted, uint64_t count) {
    uint64_t first = count, last = count; /* the block [first, last) of pixels at the value under test */
    while (first > 0) {
        last = first;
        while (first > 0 && sorted[first - 1] == sorted[last - 1])
            first--;
        if ((long double)(count - first) >= pool->m)
            break;
    }
    uint64_t ties = last - first, above = count - last;
    pool->result->alpha = sorted[first];
    pool->share = (pool->m - (long double)above) / (long double)ties;
    pool->result->support = above + (pool->share == 1.0L ? ties : 0);
}

/*
 * 1 < p: the largest loss v with eta(v) >= m; alpha lies in [v, next larger loss), where eta is k + S (v / alpha)^q
 * with k = #{l > v} and S = sum_{l <= v} (l / v)^q.  S goes from one loss to the next larger by rescaling, so that
 * everything is relative to the largest loss that matters, whatever q is.
 */
static void threshold_root(struct pool *pool, const long double *sorted, uint64_t count) {
    long double below = 0.0L, alpha = 0.0L;
    for (uint64_t first = 0, last; first < count; first = last) {
        long double v = sorted[first];
        for (last = first + 1; last < count && sorted[last] == v;)
            last++;
        if (first > 0)
            below *= powl(sorted[first - 1] / v, pool->q);
        long double inside = below + (long double)(last - first), above = (long double)(count - last);
        if (above + inside < pool->m)
            break; /* eta decreases: no larger loss will do */
        alpha = v * powl(inside / (pool->m - above), 1.0L / pool->q);
        below = inside;
    }
    pool->result->alpha = alpha;
    pool->result->support = 0;
    for (uint64_t i = count; i > 0 && sorted[i - 1] >= alpha; i--)
        pool->result->support++;
}

static void threshold(struct pool *pool) {
    struct exact_result *r = pool->result;
    long double *sorted = allocate(pool->pixels, sizeof *sorted);
    uint64_t count = 0;
    for (uint64_t i = 0; i < pool->pixels; i++)
        if (pool->valid[i] && pool->losses[i] > 0.0L)
            sorted[count++] = pool->losses[i];
    if ((long double)count <= pool->m) { /* the p-norm bound is slack */
        r->alpha = 0.0L;
        r->support = count;
    } else {
        qsort(sorted, count, sizeof *sorted, compare);
        if (pool->p == 1.0L)
            threshold_hardest(pool, sorted, count);
        else
            threshold_root(pool, sorted, count);
    }
    if (isinf(pool->p))
        r->support = r->valid;
    free(sorted);
}

/* ------------------------------------------------------------------------------------------------ weights and result
 */

static long double weight_of(const struct pool *pool, long double loss) {
    const struct exact_result *r = pool->result;
    if (isinf(pool->p))
        return 1.0L / (long double)r->valid;
    if (loss == 0.0L)
        return 0.0L;
    if (r->alpha == 0.0L || loss > r->alpha)
        return r->tau;
    if (pool->p == 1.0L)
        return loss == r->alpha ? r->tau * pool->share : 0.0L;
    return r->tau * powl(loss / r->alpha, 1.0L / (pool->p - 1.0L)); /* q - 1 = 1 / (p - 1) */
}

static long double pooled_loss(const struct pool *pool) {
    const struct exact_result *r = pool->result;
    struct sum above = {0};
    uint64_t count = 0;
    for (uint64_t i = 0; i < pool->pixels; i++)
        if (pool->valid[i] && pool->losses[i] > r->alpha) {
            sum_add(&above, pool->losses[i]);
            count++;
        }
    if (r->alpha > 0.0L)
        sum_add(&above, r->alpha * (pool->m - (long double)count));
    return r->tau * sum_value(&above);
}

/* ------------------------------------------------------------------------------------------- hard example mining */

/* Pixels with a loss above min(-ln(thresh), the (k+1)-th largest) are kept; all, where there are no more than k. */
static void solve_hard(struct pool *pool, const struct reference_input *in, uint64_t first, uint64_t images,
                       long double *weights) {
    struct exact_result *r = pool->result;
    long double *criterion = allocate(pool->pixels, sizeof *criterion),
                *sorted = allocate(pool->pixels, sizeof *sorted);
    long double cut = (float)-logl((long double)in->params.ohem_thresh), k = (long double)in->params.ohem_min_kept;
    uint64_t count = 0, kept = 0;
    struct sum sum = {0};
    for (uint64_t i = 0; i < pool->pixels; i++)
        if (pool->valid[i]) {
            criterion[i] = unweighted_loss(in, first + i);
            if (criterion[i] < (long double)FLT_MIN)
                criterion[i] = 0.0L;
            sorted[count++] = criterion[i];
        }
    qsort(sorted, count, sizeof *sorted, compare);
    k *= (long double)images;
    bool all = k >= (long double)count;
    if (!all)
        r->alpha = fminl(cut, sorted[count - 1 - (uint64_t)k]);
    for (uint64_t i = 0; i < pool->pixels; i++)
        if (pool->valid[i] && (all || criterion[i] > r->alpha)) {
            kept++;
            weights[i] = 1.0L;
            sum_add(&sum, pool->losses[i]);
        }
    r->support = kept;
    r->tau = kept ? 1.0L / (long double)kept : 0.0L;
    r->loss = r->tau * sum_value(&sum);
    for (uint64_t i = 0; i < pool->pixels; i++)
        weights[i] *= r->tau;
    free(criterion);
    free(sorted);
}

/* -------------------------------------------------------------------------------------------------- balanced sampling
 */

__extension__ typedef unsigned __int128 wide;

/* Philox4x32-10 of the counter (pixel, step) and the key seed; the first two words. */
static uint64_t philox(uint64_t seed, uint64_t step, uint64_t pixel) {
    uint32_t c[4] = {(uint32_t)pixel, (uint32_t)(pixel >> 32), (uint32_t)step, (uint32_t)(step >> 32)};
    for (uint32_t round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c[0] * 0xD2511F53u, b = (uint64_t)c[2] * 0xCD9E8D57u;
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ ((uint32_t)seed + round * 0x9E3779B9u), (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ ((uint32_t)(seed >> 32) + round * 0xBB67AE85u), (uint32_t)a};
        for (int i = 0; i < 4; i++)
            c[i] = next[i];
    }
    return c[0] + ((uint64_t)c[1] << 32);
}

static void solve_balanced(struct pool *pool, const struct reference_input *in, uint64_t first, long double *weights) {
    struct exact_result *r = pool->result;
    uint64_t label_classes = reference_label_classes(&in->params), *counts = allocate(label_classes, sizeof *counts);
    uint64_t classes = 0, fewest = UINT64_MAX, most = 0;
    for (uint64_t i = 0; i < pool->pixels; i++)
        if (pool->valid[i])
            counts[label_at(in, first + i)]++;
    for (uint64_t c = 0; c < label_classes; c++) {
        classes += counts[c] > 0;
        fewest = counts[c] && counts[c] < fewest ? counts[c] : fewest;
        most = counts[c] > most ? counts[c] : most;
    }
    /* the quota of a class, over / under */
    uint64_t over = in->params.sampling == CLMP_SAMPLING_EVEN    ? r->valid
                    : in->params.sampling == CLMP_SAMPLING_UNDER ? fewest
                                                                 : most;
    uint64_t under = in->params.sampling == CLMP_SAMPLING_EVEN ? classes : 1, draws = 0;
    struct sum sum = {0};
    for (uint64_t i = 0; i < pool->pixels; i++) {
        if (!pool->valid[i])
            continue;
        uint64_t of = under * counts[label_at(in, first + i)], times = over / of;
        wide random = philox(in->params.seed, in->step, first + i);
        times += (uint64_t)(random * of >> 64) < over % of;
        draws += times;
        r->support += times > 0;
        weights[i] = (long double)times;
        sum_add(&sum, (long double)times * pool->losses[i]);
    }
    for (uint64_t i = 0; i < pool->pixels; i++)
        weights[i] /= (long double)draws;
    r->tau = (long double)((over + under * fewest - 1) / (under * fewest)) / (long double)draws;
    r->loss = sum_value(&sum) / (long double)draws;
    free(counts);
}

/* Of the pixels' shares of a mean, `weights`: by the sum of the shares times class weights, in place of the shares. */
static void normalise(struct pool *pool, const struct reference_input *in, uint64_t first, long double *weights) {
    const clmp_plan_params *params = &in->params;
    struct exact_result *r = pool->result;
    struct sum sum = {0};
    uint64_t zeros = 0;
    for (uint64_t i = 0; i < pool->pixels; i++)
        zeros += pool->valid[i] && pool->losses[i] == 0.0L;
    for (uint64_t i = 0; i < pool->pixels; i++) {
        /* of the hardest, where there are fewer than m above 0: all others have an equal share of what is left */
        if (params->weighting == CLMP_WEIGHTING_TOPK && r->alpha == 0.0L && pool->valid[i] && pool->losses[i] == 0.0L)
            weights[i] = r->tau * (pool->m - (long double)r->support) / (long double)zeros;
        if (pool->valid[i])
            sum_add(&sum, weights[i] * class_weight(in, first + i, (uint64_t)label_at(in, first + i)));
    }
    const long double factor = sum_value(&sum) > 0.0L ? 1.0L / sum_value(&sum) : 0.0L;
    for (uint64_t i = 0; i < pool->pixels; i++)
        weights[i] *= factor;
    r->tau *= factor;
    r->loss *= factor;
}

static void solve_counted(struct pool *pool, const struct reference_input *in, uint64_t first, uint64_t images,
                          long double *weights) {
    const clmp_plan_params *params = &in->params;
    struct exact_result *r = pool->result;
    if (r->valid == 0)
        return;
    if (params->weighting == CLMP_WEIGHTING_OHEM) {
        solve_hard(pool, in, first, images, weights);
        return;
    }
    if (params->weighting == CLMP_WEIGHTING_BALANCED) {
        solve_balanced(pool, in, first, weights);
        return;
    }
    long double n = (long double)r->valid;
    pool->p = params->weighting == CLMP_WEIGHTING_UNIFORM ? HUGE_VALL
              : params->weighting == CLMP_WEIGHTING_TOPK  ? 1.0L
                                                          : (long double)params->p;
    if (pool->p - 1.0L < P_MINUS_ONE_MIN)
        pool->p = 1.0L;
    pool->q = isinf(pool->p) ? 1.0L : pool->p / (pool->p - 1.0L);
    pool->m = fmaxl(1.0L, (long double)params->support * n);
    if (params->weighting == CLMP_WEIGHTING_UNIFORM)
        pool->m = n;
    if (params->weighting == CLMP_WEIGHTING_TOPK && params->topk_count > 0)
        pool->m = fminl((long double)params->topk_count, n);
    /* n^(-1/q) m^(-1/p), without the roots where there are none */
    r->tau = pool->p == 1.0L ? 1.0L / pool->m : powl(n / pool->m, 1.0L / pool->p) / n;
    threshold(pool);
    r->loss = pooled_loss(pool);
    for (uint64_t i = 0; i < pool->pixels; i++)
        if (pool->valid[i])
            weights[i] = weight_of(pool, pool->losses[i]);
}

static void solve(struct pool *pool, const struct reference_input *in, uint64_t first, uint64_t images,
                  long double *weights) {
    solve_counted(pool, in, first, images, weights);
    if (in->params.normalise == CLMP_NORMALISE_WEIGHTS && in->params.class_weights && pool->result->valid > 0)
        normalise(pool, in, first, weights);
}

/* ---------------------------------------------------------------------------------------------------------- gradient
 */

/*
 * `scale` dl/dx_c for every class: (p_c - [c = label]) times what the loss has of it, the label's entry from the other
 * classes, which do not cancel; and what smoothing adds.
 */
static void pixel_gradient(const struct reference_input *in, uint64_t pixel, long double scale, long double *g) {
    const clmp_plan_params *params = &in->params;
    uint64_t classes = reference_label_classes(params), label = (uint64_t)label_at(in, pixel);
    long double e = (long double)params->label_smoothing, weights = 0.0L;
    long double factor = (1.0L - e) * scale * reference_label_weight(in, pixel, (int64_t)label);
    pixel_logits(in, pixel, g);
    if (is_focal(params))
        factor *= focal_slope(params, g, classes, label);
    long double largest = g[largest_class(g, classes)];
    struct sum all = {0}, others = {0};
    for (uint64_t c = 0; c < classes; c++) {
        g[c] = expl(g[c] - largest);
        sum_add(&all, g[c]);
        if (c != label)
            sum_add(&others, g[c]);
        weights += class_weight(in, pixel, c);
    }
    for (uint64_t c = 0; c < classes; c++) {
        long double p = g[c] / sum_value(&all), of_label = c == label ? -sum_value(&others) / sum_value(&all) : p;
        g[c] = factor * of_label;
        if (e > 0.0L)
            g[c] += scale * e / (long double)classes * (p * weights - class_weight(in, pixel, c));
    }
}

void reference_exact_gradient(const struct reference_input *in, const long double *weights, long double *gradient) {
    const clmp_plan_params *params = &in->params;
    bool binary = reference_binary(params);
    uint64_t area = params->height * params->width, classes = reference_label_classes(params);
    uint64_t logits = reference_logits_height(params) * reference_logits_width(params);
    uint64_t pixels = params->images * reference_image_pixels(params);
    long double *g = allocate(classes, sizeof *g);
    for (uint64_t i = 0; i < params->images * params->classes * logits; i++)
        gradient[i] = 0.0L;
    for (uint64_t i = 0; i < pixels; i++) {
        if (weights[i] == 0.0L || !reference_valid(in, i))
            continue;
        pixel_gradient(in, i, weights[i] * (long double)in->gradient_scale, g);
        if (binary)
            gradient[i] = g[1];
        else if (reference_upsampled(params))
            upsample_exact_adjoint(params, i, g, gradient);
        else
            for (uint64_t c = 0; c < classes; c++)
                gradient[(i / area * classes + c) * area + i % area] = g[c];
    }
    free(g);
}

/* ------------------------------------------------------------------------------------------------------- the problem
 */

static void classify(const struct reference_input *in, uint64_t first, uint64_t pixels, long double *losses,
                     bool *valid, struct exact_result *r) {
    for (uint64_t i = first; i < first + pixels; i++) {
        enum pixel_state state = pixel_loss(in, i, &losses[i]);
        valid[i] = state == PIXEL_VALID;
        r->valid += state == PIXEL_VALID;
        r->ignored += state == PIXEL_IGNORED;
        r->invalid_labels += state == PIXEL_INVALID_LABEL;
        r->nonfinite += state == PIXEL_NONFINITE;
    }
    r->pixels = pixels;
}

/* The total of several pools: counts are sums, the loss is the mean over those that have a valid pixel. */
static uint64_t total(struct exact_result *sum, const struct exact_result *pools, uint64_t count) {
    uint64_t used = 0;
    struct sum loss = {0};
    for (uint64_t i = 0; i < count; i++) {
        used += pools[i].valid > 0;
        sum_add(&loss, pools[i].loss);
        sum->support += pools[i].support;
        sum->valid += pools[i].valid;
        sum->ignored += pools[i].ignored;
        sum->invalid_labels += pools[i].invalid_labels;
        sum->nonfinite += pools[i].nonfinite;
        sum->pixels += pools[i].pixels;
    }
    sum->loss = used ? sum_value(&loss) / (long double)used : 0.0L;
    sum->alpha = count == 1 ? pools[0].alpha : 0.0L;
    sum->tau = count == 1 ? pools[0].tau : 0.0L;
    return used;
}

void reference_exact(const struct reference_input *in, const struct exact_output *out) {
    uint64_t images = in->params.images, pixels = images * reference_image_pixels(&in->params);
    uint64_t pools = in->params.scope == CLMP_SCOPE_IMAGE ? images : 1, used;
    long double *losses = allocate(pixels, sizeof *losses), *weights = allocate(pixels, sizeof *weights);
    bool *valid = allocate(pixels, sizeof *valid);
    struct exact_result *records = allocate(pools, sizeof *records), sum = {0};

    for (uint64_t k = 0, size = pixels / pools; k < pools; k++) {
        classify(in, k * size, size, losses, valid, &records[k]);
        struct pool pool = {
            .losses = losses + k * size, .valid = valid + k * size, .pixels = size, .result = &records[k]};
        solve(&pool, in, k * size, images / pools, weights + k * size);
    }
    used = total(&sum, records, pools);

    for (uint64_t i = 0; i < pixels; i++) {
        if (out->losses)
            out->losses[i] = losses[i];
        if (out->weights)
            out->weights[i] = weights[i];
    }
    if (out->gradient) {
        for (uint64_t i = 0; i < pixels && used > 1; i++)
            weights[i] /= (long double)used;
        reference_exact_gradient(in, weights, out->gradient);
    }
    if (out->result) {
        out->result[0] = in->params.scope == CLMP_SCOPE_IMAGE ? sum : records[0];
        for (uint64_t k = 0; in->params.scope == CLMP_SCOPE_IMAGE && k < pools; k++)
            out->result[1 + k] = records[k];
    }
    free(losses);
    free(weights);
    free(valid);
    free(records);
}

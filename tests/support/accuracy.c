/*
 * The accuracy that the library promises, checked against the definition in long double:
 *
 *   alpha     4 ulp; from logits, the losses' relative error besides
 *   L         2e-6 relative
 *   weights   4e-6 tau
 *   losses    2e-6 relative from 1e-3 on, 1e-5 relative down to 1e-30
 *   gradient  4e-6 tau, times |gradient_scale| and the class weight (and 1 / images with scope image); where logits are
 *             interpolated, what the adjoint makes of that bound for each pixel
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference_upsample.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ALPHA_ULPS 4.0L
#define LOSS_RELATIVE 2e-6L
#define WEIGHT_TAUS 4e-6L
#define GRADIENT_TAUS 4e-6L

/*
 * From logits to weights at once: w = tau (l / alpha)^(q-1) magnifies an error of l, which may be 2e-6, by q - 1.  So
 * it is below this p that only the weighting of the library's own losses can be held to the bounds.
 */
#define END_TO_END_P 1.5
/* Alpha is homogeneous in the losses: it carries no more of their relative error than the largest. */
static long double loss_error(long double l) {
    return l >= 1e-3L ? 2e-6L : 1e-5L;
}
/* Likewise a focal loss magnifies an error of the probability by 1 + g: its 2e-6 is more than alpha's 4 ulp. */
#define END_TO_END_GAMMA 2.0

struct exact {
    long double *losses, *weights, *gradient;
    struct exact_result *result;
};

static struct exact exact_new(const struct reference_input *in, bool with_gradient) {
    uint64_t pixels = in->params.images * reference_image_pixels(&in->params);
    struct exact e = {malloc(pixels * sizeof(long double)), malloc(pixels * sizeof(long double)), NULL,
                      malloc((1 + in->params.images) * sizeof(struct exact_result))};
    if (with_gradient)
        e.gradient = malloc(in->params.images * reference_logits_height(&in->params) *
                            reference_logits_width(&in->params) * in->params.classes * sizeof(long double));
    ck_assert(e.losses && e.weights && e.result && (e.gradient || !with_gradient));
    struct exact_output out = {e.losses, e.weights, e.gradient, e.result};
    reference_exact(in, &out);
    return e;
}

static void exact_free(struct exact *e) {
    free(e->losses);
    free(e->weights);
    free(e->gradient);
    free(e->result);
}

/* The distance of a float32 at x to its neighbours. */
static long double ulp(long double x) {
    int exponent;
    frexpl(x, &exponent);
    return ldexpl(1.0L, (exponent < -125 ? -125 : exponent) - FLT_MANT_DIG);
}

/* What is compared: with the weighting of the same float losses (GIVEN), or with all of it in long double. */
enum origin { GIVEN, FROM_LOGITS };

enum quantity {
    ALPHA,
    POOLED,
    TAU,
    WEIGHTS,
    GRADIENT,
    LOSSES,
    LOSSES_SMALL,
    ALPHA_END_TO_END,
    POOLED_END_TO_END,
    WEIGHTS_END_TO_END,
    GRADIENT_END_TO_END,
    QUANTITIES
};

static long double worst[QUANTITIES]; /* error by bound */

void accuracy_report(void) {
    static const char *const names[QUANTITIES] = {
        "alpha",        "L",           "tau",     "weights",       "gradient",      "losses",
        "small losses", "alpha (e2e)", "L (e2e)", "weights (e2e)", "gradient (e2e)"};
    printf("largest error by its bound:");
    for (int i = 0; i < QUANTITIES; i++)
        if (worst[i] > 0.0L)
            printf(" %s %.3Lf%s", names[i], worst[i], i < QUANTITIES - 1 ? "," : "");
    printf("\n");
}

static bool within(enum quantity quantity, float got, long double want, long double bound) {
    long double error = fabsl((long double)got - want);
    if (bound > 0.0L && error > worst[quantity] * bound)
        worst[quantity] = error / bound;
    return error <= bound;
}

/* A float32 that may not be subnormal holds what is below FLT_MIN as 0. */
static bool flushed(float got, long double want) {
    return got == 0.0f && want < 1.000001L * (long double)FLT_MIN;
}

/* A plain if: ck_assert_msg() records its place at every call, which costs more than all the arithmetic here. */
#define check(condition, what, index, got, want)                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s[%llu] is %.9g, exactly %.21Lg; %s", (what), (unsigned long long)(index), (double)(got),   \
                         (want), describe(problem));                                                                   \
    } while (0)

static void check_counts(const struct problem *problem, size_t i, const clmp_result *got,
                         const struct exact_result *want) {
    bool same = got->valid == want->valid && got->ignored == want->ignored &&
                got->invalid_labels == want->invalid_labels && got->nonfinite == want->nonfinite &&
                got->pixels == want->pixels && got->reserved == 0;
    ck_assert_msg(same,
                  "result[%zu] counts valid %llu ignored %llu invalid_labels %llu nonfinite %llu pixels %llu reserved "
                  "%u, exactly %llu %llu %llu %llu %llu 0; %s",
                  i, (unsigned long long)got->valid, (unsigned long long)got->ignored,
                  (unsigned long long)got->invalid_labels, (unsigned long long)got->nonfinite,
                  (unsigned long long)got->pixels, got->reserved, (unsigned long long)want->valid,
                  (unsigned long long)want->ignored, (unsigned long long)want->invalid_labels,
                  (unsigned long long)want->nonfinite, (unsigned long long)want->pixels, describe(problem));
}

static void check_record(const struct problem *problem, size_t i, const clmp_result *got,
                         const struct exact_result *want, enum origin origin) {
    check_counts(problem, i, got, want);
    if (isinf((float)want->alpha)) /* beyond float32: the largest number stands for it */
        check(got->alpha == FLT_MAX, "alpha", i, got->alpha, want->alpha);
    else {
        long double bound = ALPHA_ULPS * ulp(want->alpha);
        if (origin == FROM_LOGITS)
            bound += loss_error(want->alpha) * want->alpha;
        check((got->alpha > 0) == (want->alpha > 0) &&
                  within(origin == GIVEN ? ALPHA : ALPHA_END_TO_END, got->alpha, want->alpha, bound),
              "alpha", i, got->alpha, want->alpha);
    }
    check(within(TAU, got->tau, want->tau, WEIGHT_TAUS * want->tau), "tau", i, got->tau, want->tau);
    check(flushed(got->loss, want->loss) ||
              within(origin == GIVEN ? POOLED : POOLED_END_TO_END, got->loss, want->loss, LOSS_RELATIVE * want->loss),
          "loss", i, got->loss, want->loss);
}

/* Pixels so close to alpha that a float32 alpha cannot tell on which side they are. */
static uint64_t undecided(const struct problem *problem, const struct exact *given, size_t record) {
    const clmp_plan_params *params = &problem->in.params;
    bool image = params->scope == CLMP_SCOPE_IMAGE;
    uint64_t pool = image ? reference_image_pixels(params) : problem->pixels, first = 0, count = 0;
    if (params->p == 1.0 || isinf(params->p) || params->weighting != CLMP_WEIGHTING_LMP)
        return 0;
    if (image && record == 0) {
        for (size_t i = 0; i < params->images; i++)
            count += undecided(problem, given, 1 + i);
        return count;
    }
    if (image)
        first = (record - 1) * pool;
    long double alpha = given->result[record].alpha;
    for (uint64_t i = first; alpha > 0 && i < first + pool; i++)
        count += fabsl(given->losses[i] - alpha) <= ALPHA_ULPS * ulp(alpha);
    return count;
}

static void check_support(const struct problem *problem, const struct outputs *got, const struct exact *given) {
    for (size_t i = 0; i < got->records; i++) {
        uint64_t want = given->result[i].support, have = got->result[i].support;
        uint64_t distance = have > want ? have - want : want - have;
        ck_assert_msg(distance <= undecided(problem, given, i), "support[%zu] is %llu, exactly %llu; %s", i,
                      (unsigned long long)have, (unsigned long long)want, describe(problem));
    }
}

static const struct exact_result *record_of(const struct problem *problem, const struct exact *e, uint64_t pixel) {
    const clmp_plan_params *params = &problem->in.params;
    if (params->scope == CLMP_SCOPE_BATCH)
        return e->result;
    return &e->result[1 + pixel / reference_image_pixels(params)];
}

static void check_weighting(const struct problem *problem, const struct outputs *got, const struct exact *exact,
                            enum origin origin) {
    for (size_t i = 0; i < got->records; i++)
        check_record(problem, i, &got->result[i], &exact->result[i], origin);
    for (uint64_t i = 0; i < problem->pixels; i++)
        check(within(origin == GIVEN ? WEIGHTS : WEIGHTS_END_TO_END, got->weights[i], exact->weights[i],
                     WEIGHT_TAUS * record_of(problem, exact, i)->tau),
              "weights", i, got->weights[i], exact->weights[i]);
}

static void check_losses(const struct problem *problem, const struct outputs *got, const struct exact *exact) {
    for (uint64_t i = 0; i < problem->pixels; i++) {
        long double l = exact->losses[i];
        long double bound = l >= 1e-30L ? loss_error(l) * l : l > 0.0L ? 2e-30L : 0.0L;
        check(within(l >= 1e-3L ? LOSSES : LOSSES_SMALL, got->losses[i], l, bound), "losses", i, got->losses[i], l);
    }
}

/* How large the gradient of a pixel's loss may be. */
static long double gradient_unit(const struct problem *problem, uint64_t pixel) {
    const clmp_plan_params *params = &problem->in.params;
    long double unit = reference_label_weight(&problem->in, pixel, get_label(problem, pixel)), most = unit;
    if (params->label_smoothing == 0.0)
        return unit;
    for (uint64_t c = 0; c < reference_label_classes(params); c++)
        most = fmaxl(most, reference_label_weight(&problem->in, pixel, (int64_t)c));
    return unit + (long double)params->label_smoothing * (most - unit);
}

/*
 * `plain` is the same problem at p = inf, where w = 1 / n (n of the pixel's pool): so gradient / weight of it is the
 * gradient of the pixel's loss with all scales, to be multiplied by the weight under test.
 */
static void check_gradient(const struct problem *problem, const struct outputs *got, const struct exact *plain,
                           const struct exact *weighting, enum origin origin) {
    const clmp_plan_params *params = &problem->in.params;
    uint64_t area = params->height * params->width, used = 0;
    for (uint64_t i = 0; params->scope == CLMP_SCOPE_IMAGE && i < params->images; i++)
        used += plain->result[1 + i].valid > 0;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        bool valid = plain->weights[i] > 0.0L;
        long double factor = valid ? weighting->weights[i] / plain->weights[i] : 0.0L, bound = 0.0L;
        if (valid) {
            bound = GRADIENT_TAUS * record_of(problem, weighting, i)->tau * fabsl(problem->in.gradient_scale);
            bound *= gradient_unit(problem, i);
            bound /= params->scope == CLMP_SCOPE_IMAGE ? (long double)used : 1.0L;
        }
        bool binary = reference_binary(params);
        for (uint64_t c = 0; c < (binary ? 1 : params->classes); c++) {
            uint64_t at = binary ? i : (i / area * params->classes + c) * area + i % area;
            check(within(origin == GIVEN ? GRADIENT : GRADIENT_END_TO_END, got->gradient[at],
                         factor * plain->gradient[at], bound),
                  "gradient", at, got->gradient[at], factor * plain->gradient[at]);
        }
    }
}

/* The same for interpolated logits, where a gradient is that of many pixels. */
static void check_gradient_upsampled(const struct problem *problem, const struct outputs *got,
                                     const struct exact *weighting, enum origin origin) {
    const clmp_plan_params *params = &problem->in.params;
    uint64_t used = 0;
    long double *weights = malloc(problem->pixels * sizeof *weights), *bound = calloc(params->classes, sizeof *bound);
    long double *gradient = malloc(problem->elements * sizeof *gradient);
    long double *bounds = calloc(problem->elements, sizeof *bounds);
    ck_assert(weights && bound && gradient && bounds);
    for (uint64_t i = 0; params->scope == CLMP_SCOPE_IMAGE && i < params->images; i++)
        used += weighting->result[1 + i].valid > 0;
    for (uint64_t i = 0; i < problem->pixels; i++) {
        weights[i] = weighting->weights[i] / (used > 1 ? (long double)used : 1.0L);
        if (!reference_valid(&problem->in, i))
            continue;
        long double most = GRADIENT_TAUS * record_of(problem, weighting, i)->tau * fabsl(problem->in.gradient_scale) /
                           (used > 1 ? (long double)used : 1.0L);
        most *= gradient_unit(problem, i);
        for (uint64_t c = 0; c < params->classes; c++)
            bound[c] = most;
        upsample_exact_adjoint(params, i, bound, bounds);
    }
    reference_exact_gradient(&problem->in, weights, gradient);
    for (uint64_t i = 0; i < problem->elements; i++)
        check(within(origin == GIVEN ? GRADIENT : GRADIENT_END_TO_END, got->gradient[i], gradient[i], bounds[i]),
              "gradient", i, got->gradient[i], gradient[i]);
    free(weights);
    free(bound);
    free(gradient);
    free(bounds);
}

static void assert_accurate_losses(const struct problem *problem, const struct outputs *got) {
    struct exact exact = exact_new(&problem->in, false);
    check_weighting(problem, got, &exact, GIVEN);
    check_support(problem, got, &exact);
    exact_free(&exact);
}

/* The weighting of the losses that the library found, which are floats: the bounds hold whatever p is. */
static struct exact weighting_of(const struct problem *problem, const struct outputs *got, const struct exact *exact) {
    struct reference_input in = problem->in;
    float *losses = malloc(problem->pixels * sizeof *losses);
    ck_assert_ptr_nonnull(losses);
    for (uint64_t i = 0; i < problem->pixels; i++)
        losses[i] = reference_valid(&problem->in, i) ? got->losses[i] : NAN;
    in.params.input = CLMP_INPUT_LOSSES;
    in.losses = losses;
    struct outputs *unweighted = NULL;
    if (in.params.weighting == CLMP_WEIGHTING_OHEM && in.params.class_weights) {
        struct problem without = *problem;
        without.in.params.class_weights = NULL;
        unweighted = run_reference(&without);
        in.criterion = unweighted->losses;
    }
    struct exact given = exact_new(&in, false);
    if (unweighted)
        outputs_free(unweighted);
    free(losses);
    for (size_t i = 0; i < got->records; i++) { /* NaN stood for every pixel that does not take part */
        given.result[i].ignored = exact->result[i].ignored;
        given.result[i].invalid_labels = exact->result[i].invalid_labels;
        given.result[i].nonfinite = exact->result[i].nonfinite;
    }
    return given;
}

/* Whether weights follow losses gently; a threshold moves pixels from no weight to full weight. */
static bool is_smooth(const clmp_plan_params *params) {
    if ((params->loss == CLMP_LOSS_FOCAL || params->loss == CLMP_LOSS_BINARY_FOCAL) &&
        params->focal_gamma > END_TO_END_GAMMA)
        return false;
    return params->weighting == CLMP_WEIGHTING_UNIFORM || params->weighting == CLMP_WEIGHTING_BALANCED ||
           (params->weighting == CLMP_WEIGHTING_LMP && params->p >= END_TO_END_P);
}

/* Losses have no bound below 1e-30, and neither has what follows from them where they decide. */
static bool has_range(const struct exact *exact, size_t records) {
    for (size_t i = 0; i < records; i++)
        if (exact->result[i].alpha > 0.0L && exact->result[i].alpha < 1e-30L)
            return false;
    return true;
}

/* L carries the losses' error, and its own, however the weights jump: but where a threshold chooses pixels, by losses
 * or by what the chosen ones are divided by. */
static void check_pooled(const struct problem *problem, const struct outputs *got, const struct exact *exact) {
    const clmp_plan_params *params = &problem->in.params;
    if (params->weighting == CLMP_WEIGHTING_OHEM || params->normalise != CLMP_NORMALISE_COUNT)
        return;
    for (size_t i = 0; i < got->records; i++) {
        const long double want = exact->result[i].loss, bound = (LOSS_RELATIVE + loss_error(want)) * want;
        check(flushed(got->result[i].loss, want) || within(POOLED_END_TO_END, got->result[i].loss, want, bound), "loss",
              i, got->result[i].loss, want);
    }
}

static void assert_accurate_logits(const struct problem *problem, const struct outputs *got) {
    struct reference_input plain_input = problem->in;
    plain_input.params.p = INFINITY;
    plain_input.params.weighting = CLMP_WEIGHTING_LMP;
    plain_input.params.normalise = CLMP_NORMALISE_COUNT;
    struct exact exact = exact_new(&problem->in, false), plain = exact_new(&plain_input, got->gradient != NULL);
    bool upsampled = reference_upsampled(&problem->in.params);
    struct exact given = weighting_of(problem, got, &exact);
    check_losses(problem, got, &exact);
    check_weighting(problem, got, &given, GIVEN);
    check_support(problem, got, &given);
    if (got->gradient && upsampled)
        check_gradient_upsampled(problem, got, &given, GIVEN);
    else if (got->gradient)
        check_gradient(problem, got, &plain, &given, GIVEN);
    if (has_range(&exact, got->records)) {
        const bool smooth = is_smooth(&problem->in.params);
        check_pooled(problem, got, &exact);
        if (smooth)
            check_weighting(problem, got, &exact, FROM_LOGITS);
        if (smooth && got->gradient && upsampled)
            check_gradient_upsampled(problem, got, &exact, FROM_LOGITS);
        else if (smooth && got->gradient)
            check_gradient(problem, got, &plain, &exact, FROM_LOGITS);
    }
    exact_free(&exact);
    exact_free(&plain);
    exact_free(&given);
}

void assert_accurate(const struct problem *problem, const struct outputs *got) {
    if (problem->in.params.input == CLMP_INPUT_LOSSES)
        assert_accurate_losses(problem, got);
    else
        assert_accurate_logits(problem, got);
}

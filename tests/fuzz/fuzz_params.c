/*
 * Any bytes as the parameters of a plan: refused with a reason, or correct.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * What must be refused is written here once more, from clmp.h.  A plan that is made and small is run, and held to the
 * reference bit for bit; a large one is made and destroyed.  The first byte says how the rest is read: odd, as the
 * bytes of the struct; even, as pairs of a field and a value, where values are likely to be sound.  Pointers and bools
 * are made valid first: others are no parameters in C.
 */
#include "fuzz.h"

#include "reference_upsample.h"
#include "support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_ELEMENTS = 1 << 13,                  /* that are run */
    MOST_BYTES = 1 << 20,                     /* of stored logits, with pitches */
    MOST_WORKSPACE = 32 << 20,                /* of 65536 chunks are gigabytes */
    MOST_AXIS = 1 << 12,                      /* that is interpolated to: the tables of 2^30 are gigabytes */
    MOST_CLASSES = 1 << 20,                   /* of any plan */
    MOST_PLANS = 32,                          /* of one input */
    PLANS = 200,                              /* before a new context: programs add up */
    WEIGHTS = 256,                            /* class weights that are not 1 */
    FIRST = offsetof(clmp_plan_params, input) /* of the fields; a size of its own may come before */
};

static float class_weights[MOST_CLASSES];

/* ------------------------------------------------------------------------------------------------------- from bytes
 */

struct input {
    clmp_plan_params params;
    struct run run;
    float gradient_scale;
    uint64_t step;
};

static double take_double(struct reader *reader) {
    static const double likely[] = {1.0,
                                    0.5,
                                    0.25,
                                    2.0,
                                    1.7,
                                    0.0,
                                    -1.0,
                                    0.1,
                                    0.9,
                                    3.0,
                                    8.0,
                                    INFINITY,
                                    NAN,
                                    -INFINITY,
                                    -0.0,
                                    0x1p-10,
                                    0x1.8p-11,
                                    0x1.0000000000001p+3,
                                    0x1.fffffffffffffp-1,
                                    0x1.0000000000001p+0,
                                    0x1.00000001p+0,
                                    1e300,
                                    1e-300,
                                    5e-324,
                                    1e5,
                                    1e-5};
    const uint64_t which = take(reader, 1);
    if (which < 8 * sizeof likely / sizeof *likely)
        return likely[which % (sizeof likely / sizeof *likely)];
    const uint64_t bits = take(reader, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float take_float(struct reader *reader) {
    static const float likely[] = {1.0f,  0.0f,   0.5f,     2.0f, 1e-40f, -0.0f,    FLT_MIN,          FLT_MAX,
                                   1e30f, 1e-30f, INFINITY, NAN,  -1.0f,  65504.0f, 0x1.fffffep-127f, 0x1.8p-126f};
    const uint64_t which = take(reader, 1);
    if (which < 8 * sizeof likely / sizeof *likely)
        return likely[which % (sizeof likely / sizeof *likely)];
    const uint32_t bits = (uint32_t)take(reader, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* 0 to 63, near a power of two, or any. */
static uint64_t take_count(struct reader *reader) {
    const uint64_t which = take(reader, 1);
    if (which < 64)
        return which;
    if (which < 255)
        return (UINT64_C(1) << which % 64) + which / 64 - 2;
    return take(reader, 8);
}

static int take_choice(struct reader *reader) {
    const uint64_t which = take(reader, 1);
    return which < 250 ? (int)(which % 6) : (int)(uint32_t)take(reader, 4);
}

/* 0, powers of two, or any. */
static uint32_t take_tuning(struct reader *reader) {
    const uint64_t which = take(reader, 1);
    return which < 128 ? (uint32_t)(UINT64_C(1) << which % 8 >> 1) : (uint32_t)take_count(reader);
}

/* Whether there was one. */
static bool take_field(struct reader *reader, struct input *input) {
    clmp_plan_params *p = &input->params;
    if (reader->at == reader->end)
        return false;
    switch (take_below(reader, 38)) {
    case 0:
        p->input = (clmp_input)take_choice(reader);
        break;
    case 1:
        p->images = take_count(reader);
        break;
    case 2:
        p->classes = take_count(reader);
        break;
    case 3:
        p->height = take_count(reader);
        break;
    case 4:
        p->width = take_count(reader);
        break;
    case 5:
        p->logits_height = take_count(reader);
        break;
    case 6:
        p->logits_width = take_count(reader);
        break;
    case 7:
        p->align_corners = take(reader, 1) & 1;
        break;
    case 8:
        p->label_type = (clmp_label_type)take_choice(reader);
        break;
    case 9:
        p->ignore_index = (int64_t)take_count(reader);
        break;
    case 10:
        p->class_weights = (take(reader, 1) & 1) != 0 ? class_weights : NULL;
        break;
    case 11:
        p->class_weights = class_weights;
        class_weights[take_below(reader, 8)] = take_float(reader);
        break;
    case 12:
        p->p = take_double(reader);
        break;
    case 13:
        p->support = take_double(reader);
        break;
    case 14:
        p->scope = (clmp_scope)take_choice(reader);
        break;
    case 15:
        p->solver = (clmp_solver)take_choice(reader);
        break;
    case 16:
        p->tuning.vector_width = take_tuning(reader);
        break;
    case 17:
        p->tuning.group_size = take_tuning(reader);
        break;
    case 18:
        p->tuning.bin_group = take_tuning(reader);
        break;
    case 19:
        p->tuning.chunks = take_tuning(reader);
        break;
    case 20:
        p->tuning.bin_sets = take_tuning(reader);
        break;
    case 21:
        p->tuning.bin_memory = take_tuning(reader);
        break;
    case 22:
        p->tuning.streaming = take_tuning(reader);
        p->tuning.run = p->tuning.sums = p->tuning.streaming; /* small, as that is */
        break;
    case 23:
        p->weighting = (clmp_weighting)take_choice(reader);
        break;
    case 24:
        p->topk_count = take_count(reader);
        break;
    case 25:
        p->ohem_thresh = take_double(reader);
        break;
    case 26:
        p->ohem_min_kept = take_count(reader);
        break;
    case 27:
        p->sampling = (clmp_sampling)take_choice(reader);
        break;
    case 28:
        p->seed = take_count(reader);
        break;
    case 29:
        p->loss = (clmp_loss)take_choice(reader);
        break;
    case 30:
        p->label_smoothing = take_double(reader);
        break;
    case 31:
        p->focal_gamma = take_double(reader);
        break;
    case 32:
        p->focal_alpha = take_double(reader);
        break;
    case 33:
        p->logits_type = (clmp_float_type)take_choice(reader);
        p->logits_layout = (clmp_layout)take_choice(reader);
        break;
    case 36:
        p->normalise = (clmp_normalise)take_choice(reader);
        break;
    case 34:
        p->logits_row_pitch = take_count(reader);
        break;
    case 35:
        input->gradient_scale = take_float(reader);
        input->step = take_count(reader);
        input->run.entry = (enum entry)take_below(reader, 2);
        input->run.in_place = take_below(reader, 2) != 0;
        input->run.internal_workspace = take_below(reader, 2) != 0;
        input->run.shift = (size_t)take_below(reader, 8);
        input->run.range = input->run.shift >= 4;
        input->run.shift %= 4;
        break;
    default:
        return false;
    }
    return true;
}

/* The struct's own bytes, as far as there are any; what follows are the first class weights. */
static void take_struct(struct reader *reader, clmp_plan_params *params) {
    clmp_plan_params sound;
    unsigned char bytes[sizeof *params], flag = 0;
    const size_t left = (size_t)(reader->end - reader->at),
                 size = left < sizeof bytes - FIRST ? left : sizeof bytes - FIRST;
    memcpy(bytes, params, sizeof bytes);
    memcpy(bytes + FIRST, reader->at, size);
    reader->at += size;
    const bool weighed = bytes[offsetof(clmp_plan_params, class_weights)] & 1;
    memcpy(&flag, bytes + offsetof(clmp_plan_params, align_corners), 1);
    sound = *params;
    memcpy(bytes + offsetof(clmp_plan_params, align_corners), &sound.align_corners, sizeof sound.align_corners);
    memcpy(bytes + offsetof(clmp_plan_params, class_weights), &sound.class_weights, sizeof sound.class_weights);
    memcpy(params, bytes, sizeof bytes);
    params->align_corners = flag & 1;
    params->class_weights = weighed ? class_weights : NULL;
    params->ranks = NULL;
    for (size_t i = 0; reader->at < reader->end && i < WEIGHTS; ++i)
        class_weights[i] = take_float(reader);
}

static struct input read_input(struct reader *reader) {
    struct input input = {.gradient_scale = 1.0f};
    for (size_t i = 0; i < WEIGHTS; ++i)
        class_weights[i] = 1.0f;
    clmp_plan_params_init(&input.params);
    input.params.classes = 3;
    input.params.height = 5;
    input.params.width = 7;
    input.params.tuning = (clmp_tuning){.vector_width = 1, .group_size = 8, .bin_group = 1}; /* soon compiled */
    if ((take(reader, 1) & 1) != 0)
        take_struct(reader, &input.params);
    else
        while (take_field(reader, &input))
            ;
    if (!isfinite(input.gradient_scale))
        input.gradient_scale = 1.0f;
    return input;
}

/* ------------------------------------------------------------------------------------------------- what is documented
 */

static bool is_power(uint32_t x, uint32_t most) {
    return x == 0 || ((x & (x - 1)) == 0 && x <= most);
}

static bool tuning_is_good(const clmp_tuning *t) {
    const uint32_t most = test_device()->max_group < 1024 ? (uint32_t)test_device()->max_group : 1024;
    return is_power(t->vector_width, 16) && is_power(t->group_size, most) && is_power(t->bin_group, most) &&
           t->chunks <= 65536 && t->bin_sets <= 65536 && t->bin_memory <= 2 && t->streaming <= 2 && t->run <= 2 &&
           t->sums <= 2;
}

static bool weights_are_good(const clmp_plan_params *p) {
    bool positive = p->class_weights == NULL;
    for (uint64_t c = 0; p->class_weights != NULL && c < p->classes; ++c) {
        if (!(p->class_weights[c] >= 0.0f && p->class_weights[c] <= FLT_MAX))
            return false;
        positive = positive || p->class_weights[c] > 0.0f;
    }
    return positive;
}

static bool is_focal(const clmp_plan_params *p) {
    return p->loss == CLMP_LOSS_FOCAL || p->loss == CLMP_LOSS_BINARY_FOCAL;
}

/* The loss and how logits are stored. */
static bool logits_are_good(const clmp_plan_params *p) {
    const uint64_t height = reference_logits_height(p), width = reference_logits_width(p);
    if ((unsigned)p->loss > CLMP_LOSS_BINARY_FOCAL || (unsigned)p->logits_type > CLMP_BFLOAT16 ||
        (unsigned)p->logits_layout > CLMP_LAYOUT_NHWC || !weights_are_good(p))
        return false;
    const bool smooth = p->label_smoothing > 0.0;
    if (height > p->height || width > p->width || !(p->label_smoothing >= 0.0 && p->label_smoothing < 1.0))
        return false;
    if (reference_upsampled(p) &&
        (smooth || reference_binary(p) || p->height > UINT64_C(1) << 30 || p->width > UINT64_C(1) << 30))
        return false;
    if (is_focal(p)) {
        const double most = reference_binary(p) ? 0x1.fffffffffffffp-1 : 1.0;
        if (smooth || (p->focal_gamma != 0.0 && !(p->focal_gamma >= 0x1p-10 && p->focal_gamma <= 8.0)) ||
            (p->focal_alpha != -1.0 && !(p->focal_alpha > 0.0 && p->focal_alpha <= most)))
            return false;
    }
    if (p->weighting == CLMP_WEIGHTING_OHEM && (smooth || is_focal(p)))
        return false;
    const bool nhwc = p->logits_layout == CLMP_LAYOUT_NHWC;
    const uint64_t element = p->logits_type == CLMP_FLOAT32 ? 4 : 2;
    const long double row = (long double)width * (long double)element * (nhwc ? (long double)p->classes : 1.0L);
    const long double pitch = p->logits_row_pitch != 0 ? (long double)p->logits_row_pitch : row;
    return pitch >= row && p->logits_row_pitch % element == 0 &&
           pitch * (long double)height * (nhwc ? 1.0L : (long double)p->classes) * (long double)p->images < 0x1p63L;
}

/* Whether a plan is one by clmp.h. */
static bool is_good(const clmp_plan_params *p) {
    if ((unsigned)p->input > CLMP_INPUT_LABELS || p->images == 0 || p->height == 0 || p->width == 0 ||
        !tuning_is_good(&p->tuning))
        return false;
    const bool logits = p->input == CLMP_INPUT_LOGITS, labels = p->input == CLMP_INPUT_LABELS;
    if (p->input != CLMP_INPUT_LOSSES &&
        (p->classes == 0 || p->classes > MOST_CLASSES || (unsigned)p->label_type > CLMP_LABEL_UINT16))
        return false;
    const bool binary = logits && reference_binary(p);
    const long double image =
        (long double)p->height * (long double)p->width * (binary ? (long double)p->classes : 1.0L);
    if (image * (long double)p->images > 0x1p36L)
        return false;
    if (labels) /* of the others only shape, label_type and ignore_index matter */
        return true;
    if (!(p->p >= 1.0) || !(p->support > 0.0 && p->support <= 1.0) || (unsigned)p->scope > CLMP_SCOPE_IMAGE ||
        (unsigned)p->solver > CLMP_SOLVER_SORT || (unsigned)p->weighting > CLMP_WEIGHTING_BALANCED)
        return false;
    if ((unsigned)p->normalise > CLMP_NORMALISE_WEIGHTS ||
        (p->normalise == CLMP_NORMALISE_WEIGHTS && logits && p->class_weights && p->weighting == CLMP_WEIGHTING_LMP))
        return false;
    if (p->weighting == CLMP_WEIGHTING_OHEM && !(p->ohem_thresh > 0.0 && p->ohem_thresh < 1.0))
        return false;
    if (p->weighting == CLMP_WEIGHTING_BALANCED) {
        const long double pool = image * (p->scope == CLMP_SCOPE_IMAGE ? 1.0L : (long double)p->images);
        const long double classes = binary ? 2.0L : (long double)p->classes;
        if (!logits || (unsigned)p->sampling > CLMP_SAMPLING_OVER ||
            (p->sampling == CLMP_SAMPLING_OVER && pool * (classes < pool ? classes : pool) > 0x1p39L))
            return false;
    }
    return !logits || logits_are_good(p);
}

/* --------------------------------------------------------------------------------------------------------------- runs
 */

static uint64_t product(const uint64_t *factors, size_t count) {
    uint64_t all = 1;
    for (size_t i = 0; i < count; ++i)
        all = factors[i] != 0 && all > UINT64_MAX / factors[i] ? UINT64_MAX : all * factors[i];
    return all;
}

static bool is_small(const clmp_plan_params *p) {
    const uint64_t classes = p->input == CLMP_INPUT_LOSSES ? 1 : p->classes;
    const uint64_t elements[] = {p->images, classes, p->height, p->width};
    const uint64_t pitches[] = {p->images, classes, p->height, p->logits_row_pitch};
    return product(elements, 4) <= MOST_ELEMENTS && product(pitches, 4) <= MOST_BYTES;
}

static struct problem *make_problem(const struct input *input, uint64_t seed) {
    const clmp_plan_params *p = &input->params;
    struct rng rng = rng_for("fuzz params", seed);
    const enum losses_kind kind = (enum losses_kind)rng_below(&rng, LOSSES_KINDS);
    struct problem *problem;
    if (p->input == CLMP_INPUT_LOSSES) {
        problem = problem_of_losses(p->images, p->height, p->width);
        fill_losses(problem, kind, &rng);
        problem->in.params = *p;
        problem->in.params.loss = CLMP_LOSS_CROSS_ENTROPY; /* unused, but by the reference */
        problem->in.params.label_type = CLMP_LABEL_UINT8;
    } else {
        const bool binary = p->input == CLMP_INPUT_LOGITS && reference_binary(p);
        const bool upsampled = p->input == CLMP_INPUT_LOGITS && reference_upsampled(p);
        const uint64_t height = upsampled ? reference_logits_height(p) : p->height;
        const uint64_t width = upsampled ? reference_logits_width(p) : p->width;
        problem = binary ? problem_of_binary(p->images, p->classes, p->height, p->width, p->label_type)
                         : problem_upsampled(p->images, p->classes, height, width, p->height, p->width, p->label_type);
        problem->in.params = *p;
        problem->in.params.logits_height = height;
        problem->in.params.logits_width = width;
        if (p->input == CLMP_INPUT_LABELS)
            problem->in.params.loss = CLMP_LOSS_CROSS_ENTROPY;
        if (upsampled)
            fill_logits_upsampled(problem, &rng);
        else
            fill_logits(problem, &rng);
        if (kind % 2 != 0)
            spoil(problem, &rng);
        problem->in.params.logits_height = p->logits_height;
        problem->in.params.logits_width = p->logits_width;
        for (uint64_t i = 0; p->input == CLMP_INPUT_LOGITS && i < problem->elements; ++i)
            problem->logits[i] = stored_round(p->logits_type, problem->logits[i]);
    }
    problem->in.gradient_scale = input->gradient_scale;
    problem->in.step = input->step;
    return problem;
}

static void check_steps(const struct input *input, clmp_plan *plan, const struct problem *problem) {
    struct run run = input->run;
    struct device_buffers buffers;
    run.in_place = run.in_place && run.entry == ENTRY_FULL && problem->in.params.input == CLMP_INPUT_LOGITS;
    struct outputs *want = run_reference(problem);
    buffers_make(&buffers, problem, plan, &run);
    ck_status(enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, NULL), CLMP_OK);
    struct outputs *got = buffers_read(&buffers, problem, &run);
    assert_same_bits(problem, got, want);
    buffers_release(&buffers);
    outputs_free(want);
    outputs_free(got);
}

static cl_mem buffer_of(const void *bytes, size_t size) {
    cl_int error = CL_SUCCESS;
    cl_mem memory = clCreateBuffer(test_device()->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, size,
                                   (void *)(uintptr_t)bytes, &error);
    ck_cl(error);
    return memory;
}

static void check_counts(clmp_plan *plan, const struct problem *problem) {
    const clmp_plan_params *p = &problem->in.params;
    const size_t count = (size_t)CLMP_LABEL_COUNTS(p->classes), area = (size_t)(p->height * p->width);
    uint64_t *want = calloc(count, sizeof *want), *got = calloc(count, sizeof *got);
    fuzz_assert(want != NULL && got != NULL, "no memory");
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.labels.mem = buffer_of(problem->labels, (size_t)problem->pixels * label_size(p->label_type));
    buffers.label_counts.mem = buffer_of(got, count * sizeof *got);
    ck_status(clmp_enqueue_label_counts(plan, test_device()->queue, &buffers, 0, NULL, NULL), CLMP_OK);
    ck_cl(clEnqueueReadBuffer(test_device()->queue, buffers.label_counts.mem, CL_TRUE, 0, count * sizeof *got, got, 0,
                              NULL, NULL));
    for (uint64_t image = 0; image < p->images; ++image) {
        uint64_t labelled = 0;
        for (size_t i = 0; i < area; ++i) {
            const int64_t label = get_label(problem, image * area + i);
            const bool ignored = label == p->ignore_index, valid = label >= 0 && (uint64_t)label < p->classes;
            ++want[ignored ? 2 * p->classes : valid ? (uint64_t)label : 2 * p->classes + 1];
            labelled += !ignored && valid;
        }
        for (uint64_t c = 0; c < p->classes; ++c)
            for (size_t i = 0; i < area; ++i)
                if (get_label(problem, image * area + i) == (int64_t)c && (int64_t)c != p->ignore_index) {
                    want[p->classes + c] += labelled;
                    break;
                }
        ++want[2 * p->classes + 2];
    }
    fuzz_assert(memcmp(got, want, count * sizeof *want) == 0, "other counts");
    ck_cl(clReleaseMemObject(buffers.labels.mem));
    ck_cl(clReleaseMemObject(buffers.label_counts.mem));
    free(want);
    free(got);
}

static void check_plan(const struct input *input, clmp_plan *plan, uint64_t seed) {
    const clmp_plan_params *p = &input->params;
    const clmp_tuning tuning = clmp_plan_tuning(plan);
    const bool by_image = p->scope == CLMP_SCOPE_IMAGE && p->input != CLMP_INPUT_LABELS;
    fuzz_assert(tuning_is_good(&tuning) && tuning.vector_width != 0 && tuning.group_size != 0 && tuning.chunks != 0,
                "a tuning that is none");
    fuzz_assert(p->input == CLMP_INPUT_LABELS || clmp_plan_result_count(plan) == (by_image ? 1 + p->images : 1),
                "%zu records", clmp_plan_result_count(plan));
    if (!is_small(p) || clmp_plan_workspace_size(plan) > MOST_WORKSPACE)
        return;
    struct problem *problem = make_problem(input, seed);
    if (p->input == CLMP_INPUT_LABELS)
        check_counts(plan, problem);
    else
        check_steps(input, plan, problem);
    problem_free(problem);
}

/* Gigabytes of tables on the host, which a sanitizer cannot take for long. */
static bool is_too_long(const clmp_plan_params *p) {
    return p->input == CLMP_INPUT_LOGITS && reference_upsampled(p) && (p->height > MOST_AXIS || p->width > MOST_AXIS);
}

static void check(const struct input *input, uint64_t seed) {
    static unsigned plans;
    const bool good = is_good(&input->params);
    clmp_plan *plan = NULL;
    if (good && is_too_long(&input->params))
        return;
    if (plans++ % PLANS == 0)
        fuzz_device_context(NULL);
    clear_log();
    const clmp_status status = clmp_plan_create(test_device()->context, &input->params, &plan);
    fuzz_assert((status == CLMP_OK) == (plan != NULL), "%s", clmp_status_name(status));
    fuzz_assert(status == CLMP_OK || last_log()[0] != '\0', "%s without a reason", clmp_status_name(status));
    if (!good)
        fuzz_assert(status == CLMP_INVALID_ARGUMENT || status == CLMP_SIZE_OVERFLOW, "%s, expected a refusal",
                    clmp_status_name(status));
    else /* what a device cannot be asked for; and what is too large for it, or for a workspace */
        fuzz_assert(status == CLMP_OK || status == CLMP_DEVICE_UNSUPPORTED ||
                        (!is_small(&input->params) && (status == CLMP_SIZE_OVERFLOW || status == CLMP_OUT_OF_MEMORY)),
                    "%s: %s", clmp_status_name(status), last_log());
    if (plan != NULL)
        check_plan(input, plan, seed);
    clmp_plan_destroy(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct reader reader = {data, data + size};
    uint64_t seed = size;
    if (test_device()->cl == NULL) {
        fuzz_device_open();
        for (size_t i = 0; i < MOST_CLASSES; ++i)
            class_weights[i] = 1.0f;
    }
    for (size_t i = 0; i < size; ++i)
        seed = (seed ^ data[i]) * 1099511628211u;
    for (int i = 0; i < MOST_PLANS && (i == 0 || reader.at < reader.end); ++i) {
        const struct input input = read_input(&reader);
        check(&input, seed);
    }
    return 0;
}

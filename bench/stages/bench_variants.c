/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_variants.h"

#include "bench_sets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As they are stored. */
enum form { FLOATS, HALVES, BFLOATS, LAST, DIFFERENCES, FORMS };

struct variant {
    const char *name;
    enum form form;
    clmp_loss loss;
    double smoothing, gamma; /* gamma 0: the default */
    clmp_weighting weighting;
    bool class_weights;
};

/* The first of each is plain loss max-pooling, which the others are set against. */
static const struct variant of_classes[] = {
    {.name = "lmp"},
    {.name = "uniform", .weighting = CLMP_WEIGHTING_UNIFORM},
    {.name = "topk", .weighting = CLMP_WEIGHTING_TOPK},
    {.name = "ohem", .weighting = CLMP_WEIGHTING_OHEM},
    {.name = "balanced", .weighting = CLMP_WEIGHTING_BALANCED},
    {.name = "lmp, class weights", .class_weights = true},
    {.name = "ohem, class weights", .weighting = CLMP_WEIGHTING_OHEM, .class_weights = true},
    {.name = "smoothing 0.1", .smoothing = 0.1},
    {.name = "smoothing, weights", .smoothing = 0.1, .class_weights = true},
    {.name = "focal, gamma 2", .loss = CLMP_LOSS_FOCAL},
    {.name = "focal, gamma 1.5", .loss = CLMP_LOSS_FOCAL, .gamma = 1.5},
    {.name = "float16", .form = HALVES},
    {.name = "bfloat16", .form = BFLOATS},
    {.name = "nhwc", .form = LAST},
};
static const struct variant of_channels[] = {
    {.name = "lmp"},
    {.name = "bce", .form = DIFFERENCES, .loss = CLMP_LOSS_BINARY_CROSS_ENTROPY},
    {.name = "bce, smoothing 0.1", .form = DIFFERENCES, .loss = CLMP_LOSS_BINARY_CROSS_ENTROPY, .smoothing = 0.1},
    {.name = "binary focal", .form = DIFFERENCES, .loss = CLMP_LOSS_BINARY_FOCAL},
};

static const struct group {
    bench_case of; /* of the first; a binary loss has the difference of the two classes' logits */
    const struct variant *variants;
    size_t count;
} groups[] = {
    {{.name = "cityscapes", .images = 1, .classes = 19, .height = 1024, .width = 2048},
     of_classes,
     sizeof of_classes / sizeof of_classes[0]},
    {{.name = "two-classes", .images = 16, .classes = 2, .height = 1024, .width = 1024},
     of_channels,
     sizeof of_channels / sizeof of_channels[0]},
};
enum { MOST_VARIANTS = sizeof of_classes / sizeof of_classes[0] };

struct run {
    const bench_device *device;
    const struct group *group;
    clmp_context *context;
    bench_sets sets;
    cl_mem forms[FORMS]; /* logits; those that some variant has */
    clmp_plan *plans[MOST_VARIANTS];
    const struct variant *variant; /* that is measured */
    clmp_plan *plan;
};

static size_t element_of(enum form form) {
    return form == HALVES || form == BFLOATS ? sizeof(uint16_t) : sizeof(float);
}

static uint64_t elements_of(const struct group *group, enum form form) {
    const uint64_t elements = bench_case_pixels(&group->of) * group->of.classes;
    return form == DIFFERENCES ? elements / 2 : elements;
}

/* -------------------------------------------------------------------------------------------------------------- logits
 */

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Near enough for a measurement: what is below 2^-14 becomes 0. */
static uint16_t to_half(float value) {
    const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
    const uint32_t half = magnitude < 0x38800000    ? 0
                          : magnitude >= 0x47800000 ? 0x7bff
                                                    : (magnitude - 0x38000000) >> 13;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

static void convert(const struct group *group, enum form form, const float *from, void *to) {
    const uint64_t classes = group->of.classes, area = group->of.height * group->of.width;
    const uint64_t elements = elements_of(group, FLOATS);
    for (uint64_t i = 0; i < elements; ++i) {
        const uint64_t pixel = i % area, c = i / area % classes, image = i / area / classes;
        if (form == HALVES)
            ((uint16_t *)to)[i] = to_half(from[i]);
        else if (form == BFLOATS)
            ((uint16_t *)to)[i] = (uint16_t)(bits_of(from[i]) >> 16);
        else if (form == LAST)
            ((float *)to)[(image * area + pixel) * classes + c] = from[i];
        else if (c == 1)
            ((float *)to)[image * area + pixel] = from[i] - from[i - area];
    }
}

static enum bench_status make_form(struct run *run, enum form form) {
    const size_t size = (size_t)elements_of(run->group, form) * element_of(form);
    float *from = malloc(run->sets.logits_size);
    void *to = malloc(size);
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    if (from != NULL && to != NULL) {
        error = clEnqueueReadBuffer(run->device->queue, run->sets.logits[0], CL_TRUE, 0, run->sets.logits_size, from, 0,
                                    NULL, NULL);
        convert(run->group, form, from, to);
    }
    if (error == CL_SUCCESS)
        run->forms[form] = clCreateBuffer(run->device->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, size, to, &error);
    free(from);
    free(to);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(run->device, "clCreateBuffer", error);
}

/* -------------------------------------------------------------------------------------------------------------- plans
 */

static enum bench_status make_plan(struct run *run, size_t index) {
    const struct variant *variant = &run->group->variants[index];
    const bench_case *of = &run->group->of;
    float class_weights[32];
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.images = of->images;
    params.classes = variant->form == DIFFERENCES ? 1 : of->classes;
    params.height = of->height;
    params.width = of->width;
    params.loss = variant->loss;
    params.label_smoothing = variant->smoothing;
    if (variant->gamma > 0.0)
        params.focal_gamma = variant->gamma;
    params.weighting = variant->weighting;
    params.logits_type = variant->form == HALVES    ? CLMP_FLOAT16
                         : variant->form == BFLOATS ? CLMP_BFLOAT16
                                                    : CLMP_FLOAT32;
    params.logits_layout = variant->form == LAST ? CLMP_LAYOUT_NHWC : CLMP_LAYOUT_NCHW;
    for (size_t c = 0; c < of->classes; ++c) /* rare classes count more */
        class_weights[c] = 0.5f + (float)c / (float)of->classes;
    params.class_weights = variant->class_weights ? class_weights : NULL;
    const clmp_status status = clmp_plan_create(run->context, &params, &run->plans[index]);
    return status == CLMP_OK ? BENCH_OK
                             : bench_fail(BENCH_DEVICE_FAILED, "clmp_plan_create: %s", clmp_status_text(status));
}

static enum bench_status prepare(struct run *run) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.log = bench_log;
    const clmp_status opened = clmp_context_create(run->device->cl, run->device->info.device, &params, &run->context);
    if (opened != CLMP_OK)
        return bench_fail(BENCH_DEVICE_FAILED, "clmp_context_create: %s", clmp_status_text(opened));
    bench_progress("variants: data");
    enum bench_status status = bench_sets_create(run->device, &run->group->of, &run->sets);
    for (size_t i = 0; i < run->group->count && status == BENCH_OK; ++i) {
        const enum form form = run->group->variants[i].form;
        bench_progress("variants: %s", run->group->variants[i].name);
        if (form != FLOATS && run->forms[form] == NULL)
            status = make_form(run, form);
        if (status == BENCH_OK)
            status = make_plan(run, i);
    }
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- measuring
 */

static enum bench_status enqueue(void *user, uint64_t turn, cl_event *event) {
    const struct run *run = user;
    const enum form form = run->variant->form;
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = form == FLOATS ? run->sets.logits[0] : run->forms[form];
    buffers.labels.mem = run->sets.labels[0];
    buffers.gradient.mem = run->sets.gradients[0];
    buffers.result.mem = run->sets.result[0];
    buffers.step = turn;
    const clmp_status status = clmp_enqueue_gradient(run->plan, run->device->queue, &buffers, 0, NULL, event);
    return status == CLMP_OK
               ? BENCH_OK
               : bench_fail(BENCH_DEVICE_FAILED, "%s failed: %s", run->variant->name, clmp_status_text(status));
}

static enum bench_status copy(void *user, uint64_t turn, cl_event *event) {
    const struct run *run = user;
    (void)turn;
    const cl_int error = clEnqueueCopyBuffer(run->device->queue, run->sets.logits[0], run->sets.gradients[0], 0, 0,
                                             run->sets.logits_size, 0, NULL, event);
    return error == CL_SUCCESS ? BENCH_OK : bench_cl_failed(run->device, "clEnqueueCopyBuffer", error);
}

/* Samples of all variants, and of the copy behind them, alternate; (count + 1, repeat). */
static enum bench_status sample(struct run *run, size_t repeat, double *ms) {
    enum { WARM_UPS = 2 };
    enum bench_status status = BENCH_OK;
    for (size_t turn = 0; turn < WARM_UPS + repeat; ++turn) {
        bench_progress("%s: sample %zu of %zu", run->group->of.name, turn + 1, WARM_UPS + repeat);
        for (size_t i = 0; i <= run->group->count && status == BENCH_OK; ++i) {
            bench_time time = {0.0, 0.0};
            if (i < run->group->count) {
                run->variant = &run->group->variants[i];
                run->plan = run->plans[i];
                status = bench_measure(run->device, enqueue, run, turn, 1, &time);
            } else {
                status = bench_measure(run->device, copy, run, turn, 1, &time);
            }
            if (turn >= WARM_UPS)
                ms[i * repeat + turn - WARM_UPS] = time.ms;
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- report
 */

static bool report(const struct run *run, size_t repeat, double *ms, bench_records *records) {
    const struct group *group = run->group;
    const bench_spread copied = bench_spread_of(ms + group->count * repeat, repeat);
    const double copy_gbps = 2.0 * (double)run->sets.logits_size / (copied.median * 1e6);
    double base = 0.0;
    printf("\n%s: %" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64 ", whole steps; copy %.1f ms, %.1f GB/s\n",
           group->of.name, group->of.images, group->of.classes, group->of.height, group->of.width, copied.median,
           copy_gbps);
    printf("  %-20s %9s %9s %9s %9s %9s\n", "variant", "ms", "quartile", "quartile", "of lmp", "of copy");
    for (size_t i = 0; i < group->count; ++i) {
        const struct variant *variant = &group->variants[i];
        bench_record record = {.device = run->device->info,
                               .events = run->device->events,
                               .of = group->of,
                               .solver = bench_solver_name(CLMP_SOLVER_SEARCH),
                               .stage = "step",
                               .variant = variant->name,
                               .ms = bench_spread_of(ms + i * repeat, repeat),
                               .bytes = 3 * elements_of(group, variant->form) * element_of(variant->form),
                               .copy_gbps = copy_gbps,
                               .repeat = repeat,
                               .batch = 1,
                               .sets = 1,
                               .tuning = clmp_plan_tuning(run->plans[i])};
        record.wall_ms = record.ms.median;
        base = i == 0 ? record.ms.median : base;
        printf("  %-20s %9.3f %9.3f %9.3f %9.2f %9.2f\n", variant->name, record.ms.median, record.ms.low,
               record.ms.high, record.ms.median / base, bench_record_of_copy(&record));
        if (!bench_records_add(records, &record))
            return false;
    }
    fflush(stdout);
    return true;
}

static enum bench_status run_group(const bench_device *device, const struct group *group, size_t repeat,
                                   bench_records *records) {
    struct run run = {.device = device, .group = group};
    double *ms = calloc((group->count + 1) * repeat, sizeof *ms);
    enum bench_status status = ms != NULL ? prepare(&run) : bench_fail(BENCH_DEVICE_FAILED, "no memory for samples");
    if (status == BENCH_OK)
        status = sample(&run, repeat, ms);
    bench_progress("%s", "");
    if (status == BENCH_OK && !report(&run, repeat, ms, records))
        status = bench_fail(BENCH_DEVICE_FAILED, "no memory for records");
    clFinish(device->queue);
    for (size_t i = 0; i < group->count; ++i)
        clmp_plan_destroy(run.plans[i]);
    for (int form = 0; form < FORMS; ++form)
        if (run.forms[form] != NULL)
            clReleaseMemObject(run.forms[form]);
    bench_sets_release(&run.sets);
    clmp_context_destroy(run.context);
    free(ms);
    return status;
}

enum bench_status bench_variants(const bench_device *device, const bench_options *options, bench_records *records) {
    enum bench_status status = BENCH_OK;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0] && status == BENCH_OK; ++i)
        status = run_group(device, &groups[i], options->repeat, records);
    return status;
}

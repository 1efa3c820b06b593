/*
 * Loss max-pooling on real data: a T1 brain scan, its 116 anatomical regions and a background that holds most of the
 * pixels.  A small model is fitted on the even slices; the odd slices go through libclmp as a training step would.
 *
 * Data walk one way: scan (NIfTI) -> model (logits) -> pool (libclmp on a device) -> table, picture.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "demo_model.h"
#include "demo_picture.h"
#include "demo_pool.h"
#include "demo_say.h"
#include "demo_scan.h"
#include "demo_slices.h"
#include "demo_table.h"
#include "numbers.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DATA "/usr/share/mricron/templates"
#define DEFAULT_OUTPUT "demo.png"

/* Bytes that the logits may fill: every other test slice in half a gigabyte, so that small machines can follow. */
static const size_t logits_limit = (size_t)512 << 20;

typedef struct options {
    const char *data, *device, *output;
    const char *slices; /* folder for these alone, or NULL */
    double p, support;
} options;

static void print_help(void) {
    puts(
        "usage: clmp-demo [options]\n"
        "\n"
        "Labels a brain scan with a small model, runs loss max-pooling on its losses, prints who gets the weight, and\n"
        "writes a picture of it.\n"
        "\n"
        "  -o, --output FILE    the picture (default: " DEFAULT_OUTPUT ")\n"
        "      --data FOLDER    where ch2.nii.gz, aal.nii.gz and aal.nii.txt are\n"
        "                       (default: " DEFAULT_DATA ", from Debian's package mricron-data)\n"
        "      --device DEVICE  #N of clmp devices, part of a name, or PLATFORM:NAME (default: a GPU, else the first)\n"
        "      --p P            the norm, at least 1; inf is the plain mean (default: 1.7)\n"
        "      --support S      least share of pixels that carry the weight, in (0, 1] (default: 0.25)\n"
        "      --slices FOLDER  only writes the scan's slices and their labels as files that clmp-train takes\n"
        "  -h, --help           this text\n"
        "\n"
        "Exit status: 0, 1 if something failed, 2 for bad use.");
}

static bool parse_number(const char *name, const char *text, double *value) {
    const enum number kind = number_read(text, value);
    if (kind != NUMBER_GOOD)
        return demo_fail("--%s: '%s' is %s", name, text, kind == NUMBER_TOO_LARGE ? "too large" : "not a number");
    return true;
}

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, options *to) {
    static const struct option known[] = {
        {"output", required_argument, NULL, 'o'},  {"data", required_argument, NULL, 'd'},
        {"device", required_argument, NULL, 'D'},  {"p", required_argument, NULL, 'p'},
        {"support", required_argument, NULL, 's'}, {"slices", required_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "o:h", known, NULL)) != -1) {
        switch (option) {
        case 'o':
            to->output = optarg;
            break;
        case 'd':
            to->data = optarg;
            break;
        case 'D':
            to->device = optarg;
            break;
        case 'p':
            if (!parse_number("p", optarg, &to->p))
                return 2;
            break;
        case 's':
            if (!parse_number("support", optarg, &to->support))
                return 2;
            break;
        case 'S':
            to->slices = optarg;
            break;
        case 'h':
            print_help();
            return 0;
        default: /* getopt has said what is wrong */
            return 2;
        }
    }
    if (optind < argc) {
        demo_fail("'%s' is one argument too many; see --help", argv[optind]);
        return 2;
    }
    if (!(to->p >= 1)) {
        demo_fail("--p must be at least 1");
        return 2;
    }
    if (!(to->support > 0 && to->support <= 1)) {
        demo_fail("--support must be in (0, 1]");
        return 2;
    }
    return -1;
}

/* What the steps hand on, in one place so that one function can release it. */
typedef struct work {
    demo_scan scan;
    demo_model *model;
    demo_pool *pool;
    size_t *slices; /* z of each test image */
    uint8_t *labels, *predictions;
    demo_outcome outcome;
} work;

static void work_free(work *w) {
    demo_pool_close(w->pool);
    demo_model_free(w->model);
    demo_scan_free(&w->scan);
    free(w->slices);
    free(w->labels);
    free(w->predictions);
    free(w->outcome.pooled.losses);
    free(w->outcome.pooled.weights);
}

/* Picks test slices, as many and as evenly as fit, and gathers their labels. */
static bool choose_slices(work *w) {
    const demo_scan *scan = &w->scan;
    const size_t plane = scan->width * scan->height;
    size_t tests = 0;
    for (size_t z = 0; z < scan->depth; z++)
        tests += !demo_scan_is_training(scan, z);
    const size_t capacity = demo_pool_capacity(w->pool, plane * scan->classes * sizeof(float), logits_limit);
    const size_t step = (tests + capacity - 1) / capacity;
    const size_t room = tests / step + 1;
    w->slices = calloc(room, sizeof *w->slices);
    w->labels = malloc(room * plane);
    w->predictions = malloc(room * plane);
    w->outcome.pooled.losses = malloc(room * plane * sizeof(float));
    w->outcome.pooled.weights = malloc(room * plane * sizeof(float));
    if (!w->slices || !w->labels || !w->predictions || !w->outcome.pooled.losses || !w->outcome.pooled.weights)
        return demo_fail("out of memory");
    size_t seen = 0, images = 0;
    for (size_t z = 0; z < scan->depth; z++) {
        if (demo_scan_is_training(scan, z) || seen++ % step != step / 2)
            continue;
        w->slices[images] = z;
        memcpy(w->labels + images * plane, scan->labels + z * plane, plane);
        images++;
    }
    w->outcome.images = images;
    w->outcome.pixels = images * plane;
    return images > 0 || demo_fail("the labels cover no slice to test on");
}

static bool predict(work *w) {
    const size_t plane = w->scan.width * w->scan.height;
    float *logits = demo_pool_map_logits(w->pool);
    if (!logits)
        return false;
    for (size_t i = 0; i < w->outcome.images; i++)
        if (!demo_model_logits(w->model, &w->scan, w->slices[i], logits + i * plane * w->scan.classes,
                               w->predictions + i * plane))
            return false;
    return true;
}

/* |dl/dx| of a pixel sums to 2 (1 - exp(-l)) over its classes, so the gradient's size can be told from the weights. */
static double expected_gradient_sum(const demo_outcome *o) {
    double sum = 0;
    for (size_t i = 0; i < o->pixels; i++)
        sum -= 2 * (double)o->pooled.weights[i] * expm1(-(double)o->pooled.losses[i]);
    return sum;
}

static bool compute(const options *chosen, work *w) {
    demo_note("reading ch2.nii.gz and aal.nii.gz from %s", chosen->data);
    if (!demo_scan_load(chosen->data, &w->scan))
        return false;
    w->pool = demo_pool_open(chosen->device);
    if (!w->pool || !choose_slices(w))
        return false;

    demo_note("fitting %zu classes on the even slices", w->scan.classes);
    w->model = demo_model_fit(&w->scan);
    if (!w->model)
        return false;

    demo_note("building kernels for %s", demo_pool_device(w->pool));
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.images = w->outcome.images;
    params.classes = w->scan.classes;
    params.height = w->scan.height;
    params.width = w->scan.width;
    params.label_type = CLMP_LABEL_UINT8;
    params.p = chosen->p;
    params.support = chosen->support;
    if (!demo_pool_prepare(w->pool, &params))
        return false;

    demo_note("logits of %zu odd slices of %zu x %zu pixels", w->outcome.images, w->scan.width, w->scan.height);
    if (!predict(w))
        return false;

    demo_note("loss, threshold, weights, gradient");
    w->outcome.scan = &w->scan;
    w->outcome.slices = w->slices;
    w->outcome.labels = w->labels;
    w->outcome.predictions = w->predictions;
    w->outcome.p = chosen->p;
    w->outcome.support = chosen->support;
    return demo_pool_run(w->pool, w->labels, &w->outcome.pooled);
}

static bool show(const options *chosen, const work *w) {
    const demo_outcome *o = &w->outcome;
    const clmp_result *r = &o->pooled.result;
    if (!demo_table_print(o))
        return false;
    printf("\nL %.6f, mean %.6f, alpha %.6f, support %llu of n %llu (p %g, support %g)\n", (double)r->loss,
           demo_plain_mean(o), (double)r->alpha, (unsigned long long)r->support, (unsigned long long)r->valid, o->p,
           o->support);
    printf("gradient: |g| sums to %.6f; as the weights want it, 2 w (1 - exp(-l)) sums to %.6f\n",
           o->pooled.gradient_sum, expected_gradient_sum(o));
    printf("device: %s, %.2f s\n", demo_pool_device(w->pool), o->pooled.seconds);
    if (!demo_picture_write(o, chosen->output))
        return false;
    printf("picture: %s\n", chosen->output);
    return fflush(stdout) == 0 || demo_fail("cannot write to standard output");
}

int main(int argc, char **argv) {
    options chosen = {.data = DEFAULT_DATA, .output = DEFAULT_OUTPUT, .p = 1.7, .support = 0.25};
    numbers_begin();
    const int status = parse(argc, argv, &chosen);
    if (status >= 0)
        return status;
    work w;
    memset(&w, 0, sizeof w);
    const bool ok = chosen.slices != NULL
                        ? demo_scan_load(chosen.data, &w.scan) && demo_slices_write(&w.scan, chosen.slices)
                        : compute(&chosen, &w) && show(&chosen, &w);
    work_free(&w);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_run.h"

#include <stdlib.h>
#include <string.h>

/* A stage is an entry, less another one. */
struct stage {
    const char *name;
    enum bench_entry entry, less; /* BENCH_ENTRIES: less nothing */
    /* the least that is moved: bytes of a pixel's logit (read or written), and of the rest of a pixel */
    unsigned per_logit, per_pixel;
    /* with interpolation: float operations (an fma is two) for each class of each pixel, counted from
     * kernels/upsample*.cl, of tiles of 8 rows.  What is done once a pixel or a tile is left out, and so are
     * comparisons, selections and operations on integers.  For weights that are multiples of 1/32, and for others. */
    unsigned flops_exact, flops;
};

/* three times in a column of 8: clmp_slope_at() 4 or 11 and clmp_exp_scaled() 17; in each pixel a product with the
 * ratio and the sum, 2; and for the gradient the product once more, one with the factor, and two sums, 6 */
enum { LOSS_EXACT = 10, LOSS = 13, GRADIENT_EXACT = 16, GRADIENT = 19 };

/* labels 1 byte, losses and weights 4 */
static const struct stage copy_stage = {"copy", BENCH_COPY, BENCH_ENTRIES, 8, 0, 0, 0};
static const struct stage copy_of_losses = {"copy", BENCH_COPY, BENCH_ENTRIES, 0, 8, 0, 0};
static const struct stage stages[] = {
    {"loss", BENCH_LOSS, BENCH_THRESHOLD, 4, 1 + 4, LOSS_EXACT, LOSS},
    {"threshold", BENCH_THRESHOLD, BENCH_ENTRIES, 0, 4, 0, 0},
    {"weights", BENCH_WEIGHTS, BENCH_THRESHOLD, 0, 4 + 4, 0, 0},
    {"gradient", BENCH_STEP, BENCH_LOSS, 8, 1 + 4, GRADIENT_EXACT, GRADIENT},
    /* the weights need all losses first: so logits are read twice, and the gradient is written */
    {"step", BENCH_STEP, BENCH_ENTRIES, 12, 0, LOSS_EXACT + GRADIENT_EXACT, LOSS + GRADIENT},
};
/* Where logits are few, the planes count, too: labels read twice, losses written, and read twice. */
enum { STEP_PER_PIXEL = 1 + 4 + 4 + 1 + 4 };

/* Whether all weights of the interpolation are multiples of 1/32. */
static bool is_exact(const bench_case *of) {
    const uint64_t y = of->height / of->logits_height, x = of->width / of->logits_width;
    return !of->align_corners && of->height == y * of->logits_height && of->width == x * of->logits_width &&
           16 % y == 0 && 16 % x == 0;
}

static bench_record begin_record(const bench_run *run) {
    bench_record record = {.device = run->device->info,
                           .events = run->device->events,
                           .of = *run->of,
                           .repeat = run->options->repeat,
                           .batch = 1,
                           .tuning = clmp_plan_tuning(bench_plans_main(&run->plans[CLMP_SOLVER_SEARCH]))};
    record.loss = run->result[CLMP_SOLVER_SEARCH].loss;
    record.alpha = run->result[CLMP_SOLVER_SEARCH].alpha;
    return record;
}

/* work: `repeat` numbers of scratch */
static bench_spread spread(const bench_series *entry, const bench_series *less, bool wall, size_t repeat,
                           double *work) {
    const double *from = wall ? entry->wall : entry->ms;
    memcpy(work, from, repeat * sizeof *work);
    bench_spread whole = bench_spread_of(work, repeat);
    if (less == NULL)
        return whole;
    const double *taken = wall ? less->wall : less->ms;
    memcpy(work, taken, repeat * sizeof *work);
    const double median = whole.median - bench_spread_of(work, repeat).median;
    for (size_t i = 0; i < repeat; ++i)
        work[i] = from[i] - taken[i];
    whole = bench_spread_of(work, repeat); /* the quartiles are those of the differences, sample by sample */
    whole.median = median;
    return whole;
}

static bool add_stage(const bench_run *run, const struct stage *stage, const char *solver, const bench_series *series,
                      double copy_gbps, double *work, bench_records *records) {
    const size_t repeat = run->options->repeat;
    const bench_series *entry = &series[stage->entry];
    const bench_series *less = stage->less != BENCH_ENTRIES ? &series[stage->less] : NULL;
    const uint64_t pixels = bench_case_pixels(run->of);
    const bool interpolates = bench_case_interpolates(run->of);
    const bool on_logits = !run->of->losses_only && (stage->per_logit != 0 || stage->entry == BENCH_COPY);
    const unsigned per_pixel =
        stage->per_pixel == 0 && stage->entry == BENCH_STEP && interpolates ? STEP_PER_PIXEL : stage->per_pixel;
    bench_record record = begin_record(run);
    record.solver = solver;
    record.stage = stage->name;
    record.ms = spread(entry, less, false, repeat, work);
    record.wall_ms = spread(entry, less, true, repeat, work).median;
    record.bytes = pixels * per_pixel + (uint64_t)run->sets.logits_size / sizeof(float) * stage->per_logit;
    if (interpolates) {
        record.flops = pixels * run->of->classes * (is_exact(run->of) ? stage->flops_exact : stage->flops);
        record.peak_gflops = run->peak_gflops;
    }
    record.batch = entry->batch;
    record.sets = on_logits ? run->sets.logit_count : run->sets.loss_count;
    record.copy_gbps = copy_gbps > 0.0 ? copy_gbps : bench_record_gbps(&record);
    return bench_records_add(records, &record);
}

static bool add_plan(const bench_run *run, clmp_solver solver, bool first, bench_records *records) {
    const bench_plans *plans = &run->plans[solver];
    const double ms = first ? plans->first_ms : plans->second_ms;
    bench_record record = begin_record(run);
    record.events = false;
    record.solver = bench_solver_name(solver);
    record.stage = "plan";
    record.plan = first ? "first" : "second";
    record.ms = (bench_spread){ms, ms, ms};
    record.wall_ms = ms;
    record.repeat = 1;
    if (first) {
        record.context_ms = plans->context_ms;
        record.first_call_ms = run->first_call_ms[solver];
    }
    return bench_records_add(records, &record);
}

bool bench_stages(const bench_run *run, bench_series series[BENCH_SOLVERS][BENCH_ENTRIES], bench_records *records) {
    double *work = calloc(run->options->repeat, sizeof *work);
    const bool planes = run->of->losses_only || bench_case_interpolates(run->of);
    const struct stage *copy = planes ? &copy_of_losses : &copy_stage;
    bool good = work != NULL && add_stage(run, copy, "none", series[CLMP_SOLVER_SEARCH], 0.0, work, records);
    const double copy_gbps = good ? records->list[records->count - 1].copy_gbps : 0.0;
    for (int solver = 0; solver < BENCH_SOLVERS && good; ++solver) {
        const char *name = bench_solver_name((clmp_solver)solver);
        for (size_t i = 0; i < sizeof stages / sizeof stages[0] && good; ++i)
            if (!run->of->losses_only || stages[i].per_logit == 0)
                good = add_stage(run, &stages[i], name, series[solver], copy_gbps, work, records);
        for (int first = 1; first >= 0 && good; --first)
            good = add_plan(run, (clmp_solver)solver, first == 1, records);
    }
    free(work);
    return good;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "loss_pool.h"

#include "loss_run.h"
#include "progress.h"
#include "ranks.h"
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct pooled {
    struct pairs pairs;
    struct ranks ranks;
    struct pair batch;   /* of this process */
    uint64_t all_images; /* of all processes */
    float *class_weights;
    struct session session;
    struct loss_run run;
};

/* That a pair may follow the first one of its process in a batch. */
static bool check_alike(const struct pair *batch, const struct pair *pair, const char *path, struct failure *failure) {
    const struct logits *a = &batch->logits, *b = &pair->logits;
    if (!pair_check_classes(pair, a->classes, a->path, failure))
        return false;
    if (a->height != b->height || a->width != b->width || batch->labels.height != pair->labels.height ||
        batch->labels.width != pair->labels.width)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%s is %" PRIu64 " x %" PRIu64 " with labels of %" PRIu64 " x %" PRIu64 ", expected %" PRIu64
                         " x %" PRIu64 " and %" PRIu64 " x %" PRIu64 " as the first pair: --pool list is of one size",
                         path, b->height, b->width, pair->labels.height, pair->labels.width, a->height, a->width,
                         batch->labels.height, batch->labels.width);
    return (a->type == b->type && batch->labels.type == pair->labels.type) ||
           fail_with(failure, EXIT_OF_INPUT, "%s, or its labels, is of another type than the first pair's", path);
}

static bool append_bytes(void **to, size_t used, const void *from, size_t bytes, struct failure *failure) {
    void *more = bytes <= SIZE_MAX - used ? realloc(*to, used + bytes) : NULL;
    if (more == NULL)
        return fail_memory(failure, "the images of the list");
    *to = more;
    memcpy((unsigned char *)more + used, from, bytes);
    return true;
}

/* Images follow one another in either layout. */
static bool append(struct pair *batch, const struct pair *pair, struct failure *failure) {
    const size_t used = (size_t)labels_pixels(&batch->labels) * batch->labels.element;
    const size_t more = (size_t)labels_pixels(&pair->labels) * pair->labels.element;
    if (!append_bytes(&batch->logits.values, batch->logits.bytes, pair->logits.values, pair->logits.bytes, failure) ||
        !append_bytes(&batch->labels.values, used, pair->labels.values, more, failure))
        return false;
    batch->logits.bytes += pair->logits.bytes;
    batch->logits.images += pair->logits.images;
    batch->labels.planes += pair->labels.planes;
    batch->labels.seen |= pair->labels.seen;
    return true;
}

static bool add_pair(struct pooled *pooled, size_t i, bool first, struct failure *failure) {
    const struct pair_paths *paths = &pooled->pairs.paths[i];
    struct pair pair;
    bool good = pair_read(paths, pooled->run.options, &pooled->run.rules, &pair, failure);
    if (good && first) {
        pooled->batch = pair;
        return true;
    }
    good = good && check_alike(&pooled->batch, &pair, paths->logits, failure) && append(&pooled->batch, &pair, failure);
    pair_free(&pair);
    return good;
}

static bool read_all(struct pooled *pooled, struct failure *failure) {
    struct progress progress;
    size_t first, own;
    bool good = true;
    if (pooled->ranks.use.size > pooled->pairs.count)
        return fail_with(failure, EXIT_OF_INPUT,
                         "--mpi: %" PRIu32 " processes for the %zu pair%s of %s, expected at most one for each",
                         pooled->ranks.use.size, pooled->pairs.count, pooled->pairs.count == 1 ? "" : "s",
                         pooled->pairs.text.path);
    ranks_share(&pooled->ranks, pooled->pairs.count, &first, &own);
    progress_begin(&progress, own);
    for (size_t i = first; good && i < first + own; ++i) {
        progress_show(&progress, i - first, pooled->pairs.paths[i].logits);
        good = add_pair(pooled, i, i == first, failure);
        if (!good)
            pairs_locate(&pooled->pairs, i, failure);
    }
    progress_end(&progress);
    pooled->all_images = pooled->batch.logits.images;
    return good && ranks_sum(&pooled->ranks, &pooled->all_images, 1, failure);
}

static bool compute(struct pooled *pooled, struct failure *failure) {
    struct loss_run *run = &pooled->run;
    const char *class_weights = run->options->class_weights;
    if (class_weights != NULL &&
        !class_weights_read(class_weights, &pooled->batch.logits, &pooled->class_weights, failure))
        return false;
    run->class_weights = pooled->class_weights;
    clmp_plan_params params = loss_run_params(run, &pooled->batch);
    if (pooled->ranks.use.size > 1)
        params.ranks = &pooled->ranks.use;
    clmp_plan *plan = NULL;
    pooled->session.about = pooled->batch.logits.path;
    const bool good =
        session_plan(&pooled->session, &params, &plan, failure) && loss_run_compute(run, plan, &pooled->batch, failure);
    clmp_plan_destroy(plan);
    return good;
}

/* Of scope image each process has the records of its own images: all of them, in the order of the list. */
static bool gather(struct pooled *pooled, struct failure *failure) {
    enum { WORDS = sizeof(clmp_result) / sizeof(uint64_t) };
    struct loss_run *run = &pooled->run;
    if (run->options->params.scope != CLMP_SCOPE_IMAGE || pooled->ranks.use.size == 1)
        return true;
    const size_t all = (size_t)pooled->all_images, own = run->result_count - 1, size = pooled->ranks.use.size;
    uint64_t *images = calloc(size, sizeof *images);
    clmp_result *records = calloc(all + 1, sizeof *records);
    bool good = images != NULL && records != NULL;
    if (!good) {
        fail_memory(failure, "the results");
    } else {
        images[pooled->ranks.use.rank] = own;
        good = ranks_sum(&pooled->ranks, images, size, failure);
    }
    if (good) {
        size_t at = 1;
        for (uint32_t r = 0; r < pooled->ranks.use.rank; ++r)
            at += (size_t)images[r];
        memcpy(records + at, run->results + 1, own * sizeof *records);
        good = ranks_sum(&pooled->ranks, (uint64_t *)(void *)(records + 1), all * WORDS, failure);
    }
    free(images);
    if (!good) {
        free(records);
        return false;
    }
    records[0] = run->results[0];
    free(run->results);
    run->results = records;
    run->result_count = all + 1;
    return true;
}

static bool report(const struct pooled *pooled, struct failure *failure) {
    const struct outputs none = {.count = 0};
    struct pair_shape shape = pair_shape(&pooled->batch);
    shape.logits[0] = pooled->all_images;
    const struct report report = {.results = pooled->run.results,
                                  .count = pooled->run.result_count,
                                  .device = pooled->session.device,
                                  .outputs = &none,
                                  .shape = &shape};
    return report_print(&report, pooled->run.options, failure);
}

bool loss_pool(const struct options *options, struct failure *failure) {
    struct pooled pooled = {.run = {.options = options, .step = options->step}};
    pooled.run.session = &pooled.session;
    bool good =
        ranks_open(options->mpi, &pooled.ranks, failure) && pairs_read(options, &pooled.pairs, failure) &&
        label_rules_read(options->label_map, options->ignored, options->ignored_count, &pooled.run.rules, failure) &&
        read_all(&pooled, failure) && session_open(&pooled.session, options->device, failure) &&
        compute(&pooled, failure) && gather(&pooled, failure) &&
        ranks_seen(&pooled.ranks, &pooled.batch.labels.seen, failure) &&
        (!ranks_prints(&pooled.ranks) || report(&pooled, failure));
    if (good && ranks_prints(&pooled.ranks))
        labels_note(&pooled.run.rules, pooled.batch.labels.seen, "clmp", "loss");
    loss_run_free(&pooled.run);
    label_rules_free(&pooled.run.rules);
    session_close(&pooled.session);
    pair_free(&pooled.batch);
    pairs_free(&pooled.pairs);
    free(pooled.class_weights);
    ranks_close(&pooled.ranks, "loss", failure);
    return good;
}

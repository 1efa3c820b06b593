/* SPDX-License-Identifier: Apache-2.0 */
#include "loss_list.h"

#include "loss_run.h"
#include "progress.h"
#include "report.h"

#include <stdlib.h>

struct streamed {
    struct pairs pairs;
    struct session session;
    struct loss_run run;
    float *class_weights;
    uint64_t classes; /* of the first pair */
    struct kept_plan kept;
    clmp_result *totals;       /* of each pair */
    struct pair_shape *shapes; /* likewise */
};

static bool prepare(struct streamed *streamed, const struct pair *pair, struct failure *failure) {
    const char *first = streamed->pairs.paths[0].logits, *class_weights = streamed->run.options->class_weights;
    if (streamed->classes == 0) {
        streamed->classes = pair->logits.classes;
        if (class_weights != NULL &&
            !class_weights_read(class_weights, &pair->logits, &streamed->class_weights, failure))
            return false;
        streamed->run.class_weights = streamed->class_weights;
    } else if (!pair_check_classes(pair, streamed->classes, first, failure)) {
        return false;
    }
    const clmp_plan_params params = loss_run_params(&streamed->run, pair);
    streamed->session.about = pair->logits.path;
    return session_kept_plan(&streamed->session, &params, &streamed->kept, failure);
}

static bool run_pair(struct streamed *streamed, size_t i, struct failure *failure) {
    struct pair pair;
    bool good = pair_read(&streamed->pairs.paths[i], streamed->run.options, &streamed->run.rules, &pair, failure) &&
                prepare(streamed, &pair, failure);
    streamed->run.seen |= pair.labels.seen;
    streamed->run.step = streamed->run.options->step + i; /* each pair has draws of its own */
    good = good && loss_run_compute(&streamed->run, streamed->kept.plan, &pair, failure);
    if (good) {
        streamed->totals[i] = streamed->run.results[0];
        streamed->shapes[i] = pair_shape(&pair);
    }
    loss_run_free(&streamed->run);
    pair_free(&pair);
    return good;
}

static bool run_all(struct streamed *streamed, struct failure *failure) {
    struct progress progress;
    const size_t count = streamed->pairs.count;
    bool good = true;
    progress_begin(&progress, count);
    for (size_t i = 0; good && i < count; ++i) {
        progress_show(&progress, i, streamed->pairs.paths[i].logits);
        good = run_pair(streamed, i, failure);
        if (!good)
            pairs_locate(&streamed->pairs, i, failure);
    }
    progress_end(&progress);
    return good;
}

bool loss_list(const struct options *options, struct failure *failure) {
    struct streamed streamed = {.run = {.options = options}};
    streamed.run.session = &streamed.session;
    bool good = pairs_read(options, &streamed.pairs, failure);
    if (good) {
        streamed.totals = calloc(streamed.pairs.count, sizeof *streamed.totals);
        streamed.shapes = calloc(streamed.pairs.count, sizeof *streamed.shapes);
        good =
            ((streamed.totals != NULL && streamed.shapes != NULL) || fail_memory(failure, "the results")) &&
            label_rules_read(options->label_map, options->ignored, options->ignored_count, &streamed.run.rules,
                             failure) &&
            session_open(&streamed.session, options->device, failure) && run_all(&streamed, failure) &&
            report_list(&streamed.pairs, streamed.totals, streamed.shapes, streamed.session.device, options, failure);
    }
    if (good)
        labels_note(&streamed.run.rules, streamed.run.seen, "clmp", "loss");
    label_rules_free(&streamed.run.rules);
    clmp_plan_destroy(streamed.kept.plan);
    session_close(&streamed.session);
    pairs_free(&streamed.pairs);
    free(streamed.class_weights);
    free(streamed.totals);
    free(streamed.shapes);
    return good;
}

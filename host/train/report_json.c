/* SPDX-License-Identifier: Apache-2.0 */
#include "report_json.h"

#include "files.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static json_t *json_of_figure(const struct comparison *comparison, size_t w, size_t f) {
    const struct figure figure = comparison_figure(comparison, w, comparison->trainer->classes->count + f);
    return json_pack("{s:f, s:o, s:f, s:o, s:o, s:I}", "mean", figure.mean, "deviation", file_number(figure.deviation),
                     "more", figure.more, "low", file_number(figure.more - figure.half), "high",
                     file_number(figure.more + figure.half), "better", (json_int_t)figure.better);
}

static json_t *json_of_choice(const struct choice *choice) {
    char words[512];
    json_t *weightings = json_array(), *sequences = json_array();
    bool whole = true;
    holdout_words(choice->holdout, words, sizeof words);
    for (size_t i = 0; i < choice->holdout->held_out; ++i) {
        json_t *name = json_string(choice->holdout->names[i]);
        whole = json_array_append_new(sequences, name != NULL ? name : json_string("?")) == 0 && whole; /* not UTF-8 */
    }
    for (size_t w = 0; w < choice->count; ++w)
        whole = json_array_append_new(weightings, json_pack("{s:s, s:f, s:b}", "weighting", choice->specs[w].text,
                                                            "mean_iou", choice->mean_iou[w], "chosen",
                                                            (int)(w > 0 && choice->chosen[w]))) == 0 &&
                whole;
    json_t *object = json_pack("{s:s, s:f, s:I, s:o, s:o}", "on", text_is_utf8(words) ? words : "?", "fraction",
                               choice->holdout->fraction, "seeds", (json_int_t)choice->seeds, "sequences", sequences,
                               "weightings", weightings);
    if (whole)
        return object;
    json_decref(object);
    return NULL;
}

bool report_json(const struct comparison *comparison, const char *path, struct failure *failure) {
    static const char *const names[FIGURES] = {"mean_iou", "mean_accuracy", "pixel_accuracy"};
    const struct trainer *trainer = comparison->trainer;
    json_t *weightings = json_array();
    bool whole = true;
    for (size_t w = 0; w < comparison->count; ++w) {
        json_t *object = json_pack("{s:s}", "weighting", comparison->specs[w].text);
        for (size_t f = 0; f < FIGURES; ++f)
            whole = json_object_set_new(object, names[f], json_of_figure(comparison, w, f)) == 0 && whole;
        whole = json_array_append_new(weightings, object) == 0 && whole;
    }
    json_t *all = json_pack("{s:o, s:f, s:I, s:I, s:s, s:I, s:o}", "made_by", origin_json(trainer->options.origin),
                            "hours", comparison_hours(comparison), "steps", (json_int_t)trainer->options.steps, "seeds",
                            (json_int_t)comparison->seeds, "judged_on", trainer_judges_on(trainer), "images",
                            (json_int_t)trainer->val.split->count, "weightings", weightings);
    if (comparison->choice != NULL)
        whole = json_object_set_new(all, "choice", json_of_choice(comparison->choice)) == 0 && whole;
    char *text = all != NULL && whole ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    const bool good = text != NULL ? file_text(path, text, failure) : fail_memory(failure, path);
    json_decref(all);
    free(text);
    return good;
}

/* Whether what was reported is of this choice. */
static bool same_choice(const json_t *reported, const struct choice *choice) {
    const json_t *weightings = json_object_get(reported, "weightings");
    bool same = json_number_value(json_object_get(reported, "fraction")) == choice->holdout->fraction &&
                json_integer_value(json_object_get(reported, "seeds")) == (json_int_t)choice->seeds &&
                json_array_size(weightings) == choice->count;
    for (size_t w = 0; same && w < choice->count; ++w) {
        const char *text = json_string_value(json_object_get(json_array_get(weightings, w), "weighting"));
        same = text != NULL && strcmp(text, choice->specs[w].text) == 0;
    }
    return same;
}

bool report_check_choice(const char *path, const struct choice *choice, struct failure *failure) {
    json_error_t error;
    json_t *all = json_load_file(path, 0, &error);
    if (all == NULL)
        return json_error_code(&error) == json_error_cannot_open_file ||
               fail_with(failure, EXIT_OF_INPUT, "cannot read %s: %s", path, error.text);
    const json_t *reported = json_object_get(all, "choice");
    const bool same = same_choice(reported, choice);
    json_decref(all);
    return same || fail_with(failure, EXIT_OF_INPUT,
                             "%s reports %s on the validation split, which is reported once: choose another --output",
                             path, reported != NULL ? "another choice" : "a comparison without --choose-on");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "option_rules.h"

#include "option_names.h"
#include "option_words.h"

#include <inttypes.h>
#include <math.h>

/* ------------------------------------------------------------------------------------------------------------ numbers
 */

static bool fail_expected(const char *name, const char *text, enum number kind, const char *expected,
                          struct failure *failure) {
    char words[OPTION_WORDS];
    option_expected(name, text, kind, expected, words);
    return fail_with(failure, EXIT_OF_INPUT, "%s", words);
}

bool rules_read_between(const char *name, const char *text, double low, bool with_low, double high, bool with_high,
                        const char *expected, double *value, struct failure *failure) {
    double read = 0.0;
    enum number kind = number_read(text, &read);
    if (kind == NUMBER_GOOD && (read > low || (with_low && read == low)) &&
        (read < high || (with_high && read == high))) {
        *value = read;
        return true;
    }
    if (kind == NUMBER_GOOD && isfinite(read) && read > high &&
        read > 1e9) /* "expected a finite number" would mislead */
        kind = NUMBER_TOO_LARGE;
    return fail_expected(name, text, kind, expected, failure);
}

bool rules_read_whole(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *value,
                      struct failure *failure) {
    uint64_t read = 0;
    char expected[96];
    const enum number kind = number_read_whole(text, most, &read);
    if (kind == NUMBER_GOOD && read >= least) {
        *value = read;
        return true;
    }
    if (most == UINT64_MAX)
        snprintf(expected, sizeof expected, "a whole number from %" PRIu64 " on, of 64 bits", least);
    else
        snprintf(expected, sizeof expected, "a whole number from %" PRIu64 " to %" PRIu64, least, most);
    return fail_expected(name, text, kind, expected, failure);
}

bool rules_read_p(const char *name, const char *text, double *p, struct failure *failure) {
    return rules_read_between(name, text, 1.0, true, (double)INFINITY, true, "a number >= 1 or inf", p, failure);
}

bool rules_read_support(const char *name, const char *text, double *support, struct failure *failure) {
    return rules_read_between(name, text, 0.0, false, 1.0, true, "a number in (0, 1]", support, failure);
}

bool rules_read_thresh(const char *name, const char *text, double *thresh, struct failure *failure) {
    return rules_read_between(name, text, 0.0, false, 1.0, false, "a number in (0, 1)", thresh, failure);
}

bool rules_read_smoothing(const char *name, const char *text, double *smoothing, struct failure *failure) {
    return rules_read_between(name, text, 0.0, true, 1.0, false, "a number in [0, 1)", smoothing, failure);
}

bool rules_read_gamma(const char *name, const char *text, double *gamma, struct failure *failure) {
    static const char expected[] = "0, or a number from 2^-10 to 8";
    double read = 0.0;
    if (!rules_read_between(name, text, 0.0, true, 8.0, true, expected, &read, failure))
        return false;
    if (read > 0.0 && read < 0x1p-10)
        return fail_expected(name, text, NUMBER_GOOD, expected, failure);
    *gamma = read;
    return true;
}

bool rules_read_alpha(const char *name, const char *text, double *alpha, struct failure *failure) {
    return rules_read_between(name, text, 0.0, false, 1.0, true, "a number in (0, 1]", alpha, failure);
}

/* -------------------------------------------------------------------------------------------------------------- rules
 */

enum {
    LMP = 1 << CLMP_WEIGHTING_LMP,
    UNIFORM = 1 << CLMP_WEIGHTING_UNIFORM,
    TOPK = 1 << CLMP_WEIGHTING_TOPK,
    OHEM = 1 << CLMP_WEIGHTING_OHEM,
    BALANCED = 1 << CLMP_WEIGHTING_BALANCED,
    ANY = LMP | UNIFORM | TOPK | OHEM | BALANCED,
    PLAIN = 1 << CLMP_LOSS_CROSS_ENTROPY | 1 << CLMP_LOSS_BINARY_CROSS_ENTROPY,
    FOCAL = 1 << CLMP_LOSS_FOCAL | 1 << CLMP_LOSS_BINARY_FOCAL,
    ALL = PLAIN | FOCAL
};

static const struct rule {
    unsigned parameter;
    const char *name;
    int weightings, losses; /* that it applies to */
    const char *of;         /* these, in words */
} rules[] = {
    {PARAMETER_P, "p", LMP, ALL, "lmp"},
    {PARAMETER_SUPPORT, "support", LMP | TOPK, ALL, "lmp and topk"},
    {PARAMETER_COUNT, "count", TOPK, ALL, "topk"},
    {PARAMETER_THRESH, "thresh", OHEM, ALL, "ohem"},
    {PARAMETER_MIN_KEPT, "min-kept", OHEM, ALL, "ohem"},
    {PARAMETER_SAMPLING, "sampling", BALANCED, ALL, "balanced"},
    {PARAMETER_NORMALISE, "normalise", ANY & ~LMP, ALL, "uniform, topk, ohem and balanced, which are means"},
    {PARAMETER_SEED, "seed", BALANCED, ALL, "balanced"},
    {PARAMETER_STEP, "step", BALANCED, ALL, "balanced"},
    {PARAMETER_SOLVER, "solver", ANY & ~BALANCED, ALL, "all weightings but balanced"},
    {PARAMETER_LABEL_SMOOTHING, "label-smoothing", ANY, PLAIN, "cross-entropy and bce"},
    {PARAMETER_GAMMA, "gamma", ANY, FOCAL, "focal losses"},
    {PARAMETER_ALPHA, "alpha", ANY, FOCAL, "focal losses"},
};

bool rules_apply(const clmp_plan_params *params, unsigned given, const char *mark, struct failure *failure) {
    const char *weighting = options_weighting_name(params->weighting), *loss = options_loss_name(params->loss);
    const bool hard = params->weighting == CLMP_WEIGHTING_OHEM;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; ++i) {
        const struct rule *rule = &rules[i];
        if ((given & rule->parameter) == 0)
            continue;
        if ((rule->weightings & 1 << params->weighting) == 0)
            return fail_with(failure, EXIT_OF_INPUT, "%s%s does not apply to %sweighting %s, it is for %s", mark,
                             rule->name, mark, weighting, rule->of);
        if ((rule->losses & 1 << params->loss) == 0)
            return fail_with(failure, EXIT_OF_INPUT, "%s%s does not apply to %sloss %s, it is for %s", mark, rule->name,
                             mark, loss, rule->of);
    }
    if ((given & PARAMETER_COUNT) != 0 && (given & PARAMETER_SUPPORT) != 0)
        return fail_with(failure, EXIT_OF_INPUT, "%scount and %ssupport are both given, expected one of them", mark,
                         mark);
    if (hard && (FOCAL & 1 << params->loss) != 0)
        return fail_with(
            failure, EXIT_OF_INPUT,
            "%sweighting ohem takes exp(-loss) as the probability of the label, which is wrong with %sloss %s", mark,
            mark, loss);
    if (hard && params->label_smoothing > 0.0)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%sweighting ohem takes exp(-loss) as the probability of the label, which is wrong with "
                         "%slabel-smoothing",
                         mark, mark);
    if (params->loss == CLMP_LOSS_BINARY_FOCAL && params->focal_alpha == 1.0)
        return fail_with(failure, EXIT_OF_INPUT,
                         "%salpha is 1, which gives label 0 no weight, expected a number in (0, 1)", mark);
    return true;
}

/*
 * Options of the command that cannot be: what does not apply, what is too large, what is ambiguous; in words that name
 * options and files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_support.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES = 3, HEIGHT = 4, WIDTH = 6, PLANE = HEIGHT * WIDTH };

static void write_inputs(void) {
    static float logits[CLASSES * PLANE], losses[PLANE];
    static const float zeros[CLASSES] = {0.0f, 0.0f, 0.0f};
    static uint8_t labels[PLANE];
    struct rng rng = rng_for("cli options", 0);
    for (size_t i = 0; i < CLASSES * PLANE; i++)
        logits[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < PLANE; i++)
        labels[i] = (uint8_t)(i % CLASSES);
    write_npy("x.npy", "<f4", "(3, 4, 6)", logits, sizeof logits);
    write_npy("small.npy", "<f4", "(3, 2, 3)", logits, sizeof logits / 4);
    write_npy("y.npy", "|u1", "(4, 6)", labels, sizeof labels);
    write_npy("losses.npy", "<f4", "(24,)", losses, sizeof losses);
    write_npy("zeros.npy", "<f4", "(3,)", zeros, sizeof zeros);
    write_npy("one-class.npy", "<f4", "(1, 4, 6)", logits, sizeof logits / CLASSES);
    write_npy("short.npy", "<f4", "(1,)", losses, 1);
    write_file("bad.txt", "# a comment\n\nx.npy y.npy\nx.npy none.npy\n", 39);
    write_file("sizes.txt", "x.npy y.npy\nx.npy small.npy\n", 28);
    write_file("empty.npy", "", 0);
    write_file("list.txt", "x.npy y.npy\nx.npy y.npy\nx.npy y.npy\n", 36);
}

#define LOSS "loss", "x.npy", "y.npy"

static const struct {
    const char *arguments[10], *one, *two; /* both are in the line */
} refused[] = {
    /* what does not apply */
    {{LOSS, "--p", "2", "--weighting", "uniform"}, "--p does not apply to --weighting uniform", "for lmp"},
    {{LOSS, "--weighting", "topk", "--p", "1.7"}, "--p does not apply to --weighting topk", "for lmp"},
    {{LOSS, "--support", "1", "--weighting", "ohem"}, "--support does not apply to --weighting ohem", "lmp and topk"},
    {{LOSS, "--count", "3"}, "--count does not apply to --weighting lmp", "topk"},
    {{LOSS, "--weighting", "topk", "--count", "3", "--support", "0.5"}, "--count and --support are both given", ""},
    {{LOSS, "--thresh", "0.5"}, "--thresh does not apply", "ohem"},
    {{LOSS, "--min-kept", "5", "--weighting", "topk"}, "--min-kept does not apply", "ohem"},
    {{LOSS, "--sampling", "even"}, "--sampling does not apply", "balanced"},
    {{LOSS, "--seed", "0"}, "--seed does not apply", "balanced"},
    {{LOSS, "--step", "0", "--weighting", "ohem"}, "--step does not apply", "balanced"},
    {{LOSS, "--solver", "sort", "--weighting", "balanced"}, "--solver does not apply", "but balanced"},
    {{LOSS, "--gamma", "2"}, "--gamma does not apply to --loss cross-entropy", "focal"},
    {{LOSS, "--alpha", "0.25", "--loss", "bce"}, "--alpha does not apply to --loss bce", "focal"},
    {{LOSS, "--label-smoothing", "0", "--loss", "focal"}, "--label-smoothing does not apply to --loss focal", "bce"},
    {{LOSS, "--weighting", "ohem", "--loss", "focal"}, "--weighting ohem takes", "--loss focal"},
    {{LOSS, "--weighting", "ohem", "--label-smoothing", "0.1"}, "--weighting ohem takes", "--label-smoothing"},
    {{LOSS, "--loss", "binary-focal", "--alpha", "1"}, "--alpha is 1", "(0, 1)"},
    {{LOSS, "--gradient-scale", "2"}, "--gradient-scale does not apply", "--gradient"},
    {{"loss", "--list", "list.txt", "--gradient-scale", "2"}, "--gradient-scale does not apply to --list", ""},
    {{LOSS, "--normalise", "weights"}, "--normalise does not apply without --class-weights", ""},
    {{LOSS, "--normalise", "weights", "--class-weights", "weights.npy"}, "--normalise does not apply to", "means"},
    {{LOSS, "--weighting", "uniform", "--normalise", "sum"}, "--normalise is 'sum', expected", "weights"},
    {{"eval", "x.npy", "y.npy", "--loss", "focal"}, "--loss focal does not apply to clmp eval", "binary-focal"},
    {{"weights", "losses.npy", "--weighting", "topk", "--p", "2"}, "--p does not apply", "lmp"},
    {{"weights", "losses.npy", "--count", "2"}, "--count does not apply", "topk"},
    {{"weights", "losses.npy", "--weighting", "balanced"}, "--weighting balanced needs labels", "clmp loss"},
    {{"class-weights", "y.npy", "--beta", "0.9"}, "--beta does not apply to --scheme inverse", "effective"},
    {{"class-weights", "y.npy", "--enet-offset", "2", "--scheme", "median"}, "--enet-offset does not apply", "enet"},
    /* too large */
    {{LOSS, "--weighting", "topk", "--count", "99999999999999999999"}, "--count is '9", "', which is too large"},
    {{LOSS, "--weighting", "topk", "--count", "1e300"}, "--count is '1e300', which is too large", "whole number"},
    {{LOSS, "--weighting", "topk", "--count", "1.5"}, "--count is '1.5', expected", "whole number"},
    {{LOSS, "--weighting", "balanced", "--seed", "18446744073709551616"}, "which is too large", "64 bits"},
    {{LOSS, "--support", "1e300"}, "--support is '1e300', which is too large", "(0, 1]"},
    {{LOSS, "--ignore-index", "0,-99999999999999999999"}, "', which is too large", "64 bits"},
    {{LOSS, "--p", "1e999"}, "--p is '1e999', which is too large", "inf"},
    {{LOSS, "--loss", "focal", "--gamma", "1e300"}, "--gamma is '1e300', which is too large", "to 8"},
    {{LOSS, "--loss", "focal", "--gamma", "9"}, "--gamma is '9', expected 0", "2^-10 to 8"},
    {{LOSS, "--loss", "focal", "--gamma", "1e-9"}, "--gamma is '1e-9', expected 0", "2^-10 to 8"},
    {{LOSS, "--loss", "focal", "--alpha", "2"}, "--alpha is '2', expected", "(0, 1]"},
    {{LOSS, "--gradient", "g.npy", "--gradient-scale", "1e39"}, "--gradient-scale is '1e39'", "which is too large"},
    {{LOSS, "--gradient", "g.npy", "--gradient-scale", "-1e300"}, "--gradient-scale is '-1e300'", "float32"},
    {{"class-weights", "y.npy", "--absent", "1e39"}, "--absent is '1e39', which is too large", "float32"},
    {{"class-weights", "y.npy", "--absent", "1e999"}, "--absent is '1e999', which is too large", "float32"},
    {{"class-weights", "y.npy", "--classes", "99999999999999999999"}, "which is too large", "1 to 1048576"},
    {{"class-weights", "y.npy", "--scheme", "enet", "--enet-offset", "1e999"}, "which is too large", "> 1"},
    /* what getopt() does not like */
    {{LOSS, "--s", "1"}, "--s is ambiguous: --support, --scope, --solver, --sampling, --seed, --step", "loss --help"},
    {{LOSS, "--weight=topk"}, "--weight=topk is ambiguous: --weighting, --weights", ""},
    {{"class-weights", "y.npy", "--sc", "enet", "--e", "2", "--j=1"}, "--j=1: this option takes no value", ""},
    {{LOSS, "--json", "-xh"}, "unknown option -x", "loss --help"}, /* it is not --json's */
    {{"weights", "losses.npy", "-o"}, "-o has no value", "weights --help"},
    {{LOSS, "--help=me"}, "--help=me: this option takes no value", ""},
    {{"devices", "--p", "2"}, "unknown option --p", "devices --help"},
    /* files */
    {{"loss", "--list", "bad.txt"}, "bad.txt, line 4: cannot read none.npy", "No such file"},
    {{"eval", "--list", "bad.txt"}, "bad.txt, line 4: cannot read none.npy", "No such file"},
    {{"loss", "--list", "sizes.txt"}, "sizes.txt, line 2: small.npy is float32", "expected"},
    {{"eval", "--list", "sizes.txt", "--loss", "bce"}, "sizes.txt, line 1: y.npy is 4x6", "as x.npy"},
    {{"loss", "x.npy"}, "1 file is given, expected", "LOGITS.npy and LABELS"},
    {{"eval", "x.npy", "y.npy", "one-class.npy", "y.npy"}, "one-class.npy has 1 class, expected 3", "as x.npy has"},
    {{"weights", "short.npy"}, "short.npy has 1 byte of data, expected 4", "float32 1"},
    {{"loss", "-", "-"}, "standard input, '-', is given 2 times", "once"},
    {{"loss", "--list", "-", "--class-weights", "-"}, "standard input, '-', is given 2 times", "once"},
    {{"class-weights", "-", "-"}, "standard input, '-', is given 2 times", "once"},
    {{"weights", "losses.npy", "-o", "-", "--json"}, "-o is /dev/stdout", "--json"},
    {{LOSS, "--class-weights", "zeros.npy"}, "zeros.npy has class weights that are all 0", "above 0"},
    {{"loss", "small.npy", "y.npy", "--label-smoothing", "0.1"}, "small.npy: label smoothing is for logits of", "size"},
};

START_TEST(what_makes_no_sense_is_refused_in_the_words_of_the_command) {
    const char *argv[12] = {cli_path()};
    for (size_t i = 0; i < 10; i++)
        argv[i + 1] = refused[_i].arguments[i];
    struct outcome outcome = run_program(argv);
    ck_assert_msg(strchr(outcome.err, '_') == NULL, "a field of C: %s", outcome.err);
    assert_refused(&outcome, 2, refused[_i].one, refused[_i].two);
}
END_TEST

/* One of each is enough to say that the rules refuse no more than they should. */
START_TEST(what_applies_is_taken) {
    static const char *const taken[][10] = {
        {LOSS, "--p", "1e300", "--support", "1", "--solver", "sort"},
        {LOSS, "--weighting", "uniform", "--solver", "sort", "--loss", "focal"},
        {LOSS, "--weighting", "topk", "--count", "18446744073709551615"},
        {LOSS, "--weighting", "topk", "--support", "0.5"},
        {LOSS, "--weighting", "ohem", "--thresh", "0.5", "--min-kept", "3"},
        {LOSS, "--loss", "focal", "--gamma", "0", "--alpha", "1"},
        {"class-weights", "y.npy", "--scheme", "effective", "--beta", "0"},
        {"class-weights", "y.npy", "--sch", "enet", "--enet", "1e300", "--abs", "3.4e38"},
    };
    const char *argv[12] = {cli_path()};
    for (size_t i = 0; i < 10; i++)
        argv[i + 1] = taken[_i][i];
    assert_done(run_program(argv));
}
END_TEST

START_TEST(the_environment_is_called_what_it_is) {
    static const char script[] = "CLMP_TUNING=vector_width=3 exec \"$CLMP_CLI\" weights losses.npy";
    static const char *const argv[] = {"sh", "-c", script, NULL};
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 2, "weights: CLMP_TUNING's vector_width is 3", "1, 2, 4, 8 or 16");
}
END_TEST

START_TEST(one_is_no_plural) {
    static const uint8_t zeros[PLANE] = {0};
    write_npy("ones.npy", "|u1", "(4, 6)", zeros, sizeof zeros);
    struct outcome outcome = clmp("eval", "one-class.npy", "ones.npy", NULL);
    ck_assert_msg(strstr(outcome.out, "of the 1 class that a label has") != NULL, "%s", outcome.out);
    ck_assert(strstr(outcome.out, "1 pair of files") != NULL && strstr(outcome.out, "1 class that a label or") != NULL);
    assert_done(outcome);
}
END_TEST

START_TEST(a_list_says_that_the_step_grows) {
    struct outcome outcome = clmp("loss", "--list", "list.txt", "--weighting", "balanced", "--step", "5", NULL);
    ck_assert_msg(strstr(outcome.out, "step = 5 to 7 (each pair's is one more)") != NULL, "%s", outcome.out);
    assert_done(outcome);
    json_t *object =
        json_of(clmp("loss", "--list", "list.txt", "--weighting", "balanced", "--step", "5", "--json", NULL));
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(count_of(json_array_get(json_object_get(object, "pairs"), i), "step"), 5 + (long)i);
    json_decref(object);
    outcome = clmp("loss", "--help", NULL);
    ck_assert(strstr(outcome.out, "the step grows by one from pair to pair") != NULL);
    assert_done(outcome);
}
END_TEST

/* The same by its name and by '-'; what else stands on the line is the same. */
START_TEST(standard_input_is_a_file_like_others) {
    static const char *const scripts[][2] = {
        {"exec \"$CLMP_CLI\" weights losses.npy --json", "exec \"$CLMP_CLI\" weights - --json < losses.npy"},
        {"exec \"$CLMP_CLI\" weights losses.npy --json", "cat losses.npy | \"$CLMP_CLI\" weights - --json"},
        {"exec \"$CLMP_CLI\" loss x.npy y.npy --json", "cat x.npy | \"$CLMP_CLI\" loss - y.npy --json"},
        {"exec \"$CLMP_CLI\" loss x.npy y.npy --json", "exec \"$CLMP_CLI\" loss x.npy - --json < y.npy"},
        {"exec \"$CLMP_CLI\" loss --list list.txt", "exec \"$CLMP_CLI\" loss --list - < list.txt"},
        {"exec \"$CLMP_CLI\" loss --list list.txt",
         "(head -c 3; \"$CLMP_CLI\" loss --list -) < marked.txt | tail -c +4"},
        {"exec \"$CLMP_CLI\" eval x.npy y.npy", "cat y.npy | \"$CLMP_CLI\" eval x.npy -"},
        {"exec \"$CLMP_CLI\" class-weights y.npy", "cat y.npy | \"$CLMP_CLI\" class-weights -"},
        {"\"$CLMP_CLI\" weights losses.npy -o w.npy > text.txt; cat w.npy | od",
         "\"$CLMP_CLI\" weights losses.npy -o - | od"},
    };
    struct outcome outcomes[2];
    write_file("marked.txt", "###\nx.npy y.npy\nx.npy y.npy\nx.npy y.npy\n", 40);
    for (int i = 0; i < 2; i++) {
        const char *const argv[] = {"sh", "-c", scripts[_i][i], NULL};
        outcomes[i] = run_program(argv);
        ck_assert_msg(outcomes[i].status == 0 && outcomes[i].err[0] == '\0', "%s", outcomes[i].err);
    }
    ck_assert_str_eq(outcomes[0].out, outcomes[1].out);
    ck_assert(outcomes[0].size > 10);
    for (int i = 0; i < 2; i++)
        outcome_free(&outcomes[i]);
}
END_TEST

START_TEST(standard_input_is_called_that) {
    static const char *const scripts[][2] = {
        {"exec \"$CLMP_CLI\" weights - < empty.npy", "standard input is empty"},
        {"exec \"$CLMP_CLI\" weights - <&-", "standard input is empty"},
        {"exec \"$CLMP_CLI\" weights - < list.txt", "standard input is not a .npy file"},
        {"exec \"$CLMP_CLI\" loss --list - < bad.txt", "standard input, line 4: cannot read none.npy"},
        {"exec \"$CLMP_CLI\" loss - small.npy < x.npy", "small.npy is float32"},
        {"exec \"$CLMP_CLI\" loss x.npy - < losses.npy", "standard input is float32"},
    };
    const char *const argv[] = {"sh", "-c", scripts[_i][0], NULL};
    struct outcome outcome = run_program(argv);
    assert_refused(&outcome, 2, scripts[_i][1], "");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cli options");
    TCase *tcase = add_case(suite, "options", "full quick");
    tcase_add_unchecked_fixture(tcase, write_inputs, NULL);
    tcase_add_loop_test(tcase, what_makes_no_sense_is_refused_in_the_words_of_the_command, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_loop_test(tcase, standard_input_is_called_that, 0, 6);
    tcase_add_test(tcase, the_environment_is_called_what_it_is);
    tcase = add_case(suite, "taken", "full");
    tcase_add_unchecked_fixture(tcase, write_inputs, NULL);
    tcase_add_loop_test(tcase, what_applies_is_taken, 0, 8);
    tcase_add_loop_test(tcase, standard_input_is_a_file_like_others, 0, 9);
    tcase_add_test(tcase, one_is_no_plural);
    tcase_add_test(tcase, a_list_says_that_the_step_grows);
    enter_folder();
    const int status = host_test_main(suite);
    leave_folder();
    return status;
}

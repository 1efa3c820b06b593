/*
 * What all tests share: a device, random numbers, problems, and the runner that holds a device to both references.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Environment:
 *   CLMP_TEST_DEVICE  part of a device's name; the test is skipped (exit 77) if there is none.  Default: the first
 *   CLMP_TEST_INDEX   set: the n-th device of that one's platform, from 0, in an OpenCL context that has all of them
 *   CLMP_TEST_PARTS   set, with CLMP_TEST_INDEX: the n-th sub-device of one compute unit, in a context of all parts
 *   CLMP_TEST_SEED    seed of all random numbers; a failure prints the one in use
 *   CLMP_TEST_SMALL   set: small cases only, for a device that is simulated
 *   CLMP_TEST_FRACTION  K/N: of each N cases of a test in a row, one; K, from 0, chooses which
 *   CLMP_TEST_MAX_GROUP  largest work-group to ask for, where kernels allow fewer than the device does
 *   CLMP_TEST_MAX_WIDTH  widest vector to ask for, where a compiler takes minutes for wider ones
 *   CLMP_TEST_REPORT  set: print how near to their bounds the errors came
 *   CLMP_TEST_HUGE    set: the cases that need gigabytes, too
 *   CLMP_TEST_OTHER   part of the name of a second device, where a test takes two.  Default: llvmpipe
 *   CLMP_TEST_STEPS   steps over ranks, one after another, where a test takes many
 */
#ifndef CLMP_TESTS_SUPPORT_H
#define CLMP_TESTS_SUPPORT_H

#include "reference.h"

#include <check.h>

/* -------------------------------------------------------------------------------------------------------- executable
 */

/* Runs a suite and prints Check's counts; the value is for main() to return. */
int test_main(Suite *suite);

/* The same for a suite that uses no device. */
int host_test_main(Suite *suite);

/* Adds a test case whose tests each get `timeout` seconds; `tags` as "quick small" choose it (CK_INCLUDE_TAGS). */
TCase *add_case(Suite *suite, const char *name, const char *tags);

/* Check's macros, for CLMP_TEST_FRACTION: tests begin at different cases, so that those of one case take turns, too. */
int test_next_case(const char *test, int from, int to);
#undef tcase_add_test
#undef tcase_add_loop_test
#define tcase_add_test(tcase, test) tcase_add_loop_test(tcase, test, 0, 1)
#define tcase_add_loop_test(tcase, test, from, to)                                                                     \
    for (int case_ = test_next_case(#test, from, to); case_ < (int)(to); case_ = test_next_case(#test, case_ + 1, to)) \
    _tcase_add_test(tcase, test, 0, 0, case_, case_ + 1)

bool test_small(void);
bool test_huge(void);

/* ------------------------------------------------------------------------------------------------------------ device
 */

struct test_device {
    clmp_context *context;
    cl_context cl;
    cl_device_id id;
    cl_command_queue queue; /* in-order */
    size_t max_group;       /* CL_DEVICE_MAX_WORK_GROUP_SIZE */
    cl_ulong max_alloc;     /* CL_DEVICE_MAX_MEM_ALLOC_SIZE, bytes */
    cl_ulong local_memory;  /* CL_DEVICE_LOCAL_MEM_SIZE, bytes */
};

/* The device under test, opened by test_main(). */
const struct test_device *test_device(void);

/* A device beside the one under test, with the same log.  0, or the status to exit with where there is none. */
int open_other_device(struct test_device *other);
void close_device(struct test_device *device);

/* What test_device() is until the next call, so that plans and buffers are made there; NULL: the device under test. */
void use_device(const struct test_device *device);

/* A queue of the device under test, or NULL where it has no such queues. */
cl_command_queue test_queue(cl_command_queue_properties properties);

/* What the library logged last through the context of the device under test. */
const char *last_log(void);
void clear_log(void);

/* Whether the device under test can be asked for a tuning. */
bool can_tune(const clmp_tuning *tuning);

#define ck_status(call, expected)                                                                                      \
    do {                                                                                                               \
        clmp_status ck_got = (call), ck_want = (expected);                                                             \
        ck_assert_msg(ck_got == ck_want, "%s is %s, not %s (log: %s)", #call, clmp_status_name(ck_got),                \
                      clmp_status_name(ck_want), last_log());                                                          \
    } while (0)

#define ck_cl(call)                                                                                                    \
    do {                                                                                                               \
        cl_int ck_error = (call);                                                                                      \
        ck_assert_msg(ck_error == CL_SUCCESS, "%s failed with %d", #call, (int)ck_error);                              \
    } while (0)

/* ---------------------------------------------------------------------------------------------------- random numbers
 */

struct rng {
    uint64_t state;
};

/* A stream that depends on the seed, a name and an index only: every test reproduces alone. */
struct rng rng_for(const char *name, uint64_t index);
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound);
double rng_uniform(struct rng *rng); /* [0, 1) */
double rng_normal(struct rng *rng);
uint64_t test_seed(void);

/* ---------------------------------------------------------------------------------------------------------- problems
 */

/* A problem with its own arrays.  `in` points into them; parameters are changed in `in.params`. */
struct problem {
    struct reference_input in;
    float *logits;
    void *labels;
    float *losses;
    float *class_weights;
    uint64_t pixels, elements; /* N H W, of binary losses N C H W; and N C H W or N C h w */
};

struct problem *problem_of_losses(uint64_t images, uint64_t height, uint64_t width);
struct problem *problem_of_logits(uint64_t images, uint64_t classes, uint64_t height, uint64_t width,
                                  clmp_label_type type);
/* The same, with smaller logits. */
struct problem *problem_upsampled(uint64_t images, uint64_t classes, uint64_t logits_height, uint64_t logits_width,
                                  uint64_t height, uint64_t width, clmp_label_type type);
/* Of a binary loss: labels are (N, C, H, W). */
struct problem *problem_of_binary(uint64_t images, uint64_t channels, uint64_t height, uint64_t width,
                                  clmp_label_type type);
void problem_free(struct problem *problem);

size_t label_size(clmp_label_type type);
void set_label(struct problem *problem, uint64_t pixel, int64_t label);
int64_t get_label(const struct problem *problem, uint64_t pixel);
/* `pixel`: of the logits' own size. */
float *logit_of(struct problem *problem, uint64_t pixel, uint64_t class_index);

/* What losses may look like. */
enum losses_kind {
    LOSSES_LOG_NORMAL, /* over 8 decades, as a trained network has them */
    LOSSES_UNIFORM,
    LOSSES_TIES,  /* five values only */
    LOSSES_ZEROS, /* log-normal, and a third exact zeros */
    LOSSES_EQUAL,
    LOSSES_CLOSE,   /* neighbouring floats */
    LOSSES_EDGES,   /* powers of two, eighths between them, and the floats next to those */
    LOSSES_TINY,    /* from FLT_MIN on */
    LOSSES_HUGE,    /* up to FLT_MAX */
    LOSSES_UNCLEAN, /* log-normal, with NaN, infinite, negative, -0 and subnormal ones among them */
    LOSSES_KINDS
};
const char *losses_kind_name(enum losses_kind kind);
void fill_losses(struct problem *problem, enum losses_kind kind, struct rng *rng);

/* Logits as a network in training has them: many pixels right and confident, some wrong; labels in range. */
void fill_logits(struct problem *problem, struct rng *rng);

/* The same for smaller logits: neighbours disagree, and labels mostly are what the logits say. */
void fill_logits_upsampled(struct problem *problem, struct rng *rng);

/* A tenth of the labels ignored, some out of range, some logits NaN or infinite. */
void spoil(struct problem *problem, struct rng *rng);

/* One sentence with all parameters and the seed, for a failure to print.  Valid until the next call. */
const char *describe(const struct problem *problem);

/* ----------------------------------------------------------------------------------------------------- stored logits
 */

/* How a problem's logits and gradient are stored for the device: logits_type, logits_layout and logits_row_pitch. */
size_t stored_element(clmp_float_type type);
size_t stored_bytes(const struct problem *problem);

/* From and to float32 (N, C, h, w); what lies between rows is not touched. */
void stored_pack(const struct problem *problem, const float *values, unsigned char *stored);
void stored_unpack(const struct problem *problem, const unsigned char *stored, float *values);

/* Whether a byte is between rows. */
bool stored_gap(const struct problem *problem, size_t byte);

/* The nearest number of a type, of two equally near ones the even. */
float stored_round(clmp_float_type type, float value);

/* ------------------------------------------------------------------------------------------------------------ runner
 */

enum entry { ENTRY_FULL, ENTRY_LOSS }; /* FULL: the weights of losses, the gradient of logits */

/* How a problem is run; all 0 is the plain way. */
struct run {
    enum entry entry;
    clmp_solver solver;
    clmp_tuning tuning;
    cl_command_queue queue;     /* NULL: the device's in-order one */
    bool internal_workspace;    /* instead of the caller's, which holds garbage */
    bool in_place;              /* gradient over the logits */
    bool no_losses, no_weights; /* absent outputs */
    bool range;                 /* the gradient's overflows and underflows are counted */
    size_t shift;               /* every buffer begins this many elements (records, blocks of workspace) late */
};

/* Host arrays as in clmp_buffers; NULL: not computed. */
struct outputs {
    float *losses, *weights, *gradient;
    clmp_result *result;
    size_t records;
    clmp_gradient_range *range; /* added to test_range; NULL: not counted */
};

/* What the counts of a gradient's range are before a run: a wrap of their lower halves is near. */
extern const clmp_gradient_range test_range;

struct outputs *outputs_new(const struct problem *problem, enum entry entry);
void outputs_free(struct outputs *outputs);

/* The library's arithmetic in plain C. */
struct outputs *run_reference(const struct problem *problem);

/* Each word of an output and of a workspace before a run, and around them after it, too: a NaN as a float. */
#define TEST_POISON 0xffa5a5a5u

/* On the device: every output is NaN before, and must be written; nothing beside it may be. */
struct outputs *run_device(const struct problem *problem, const struct run *run);

/* Device memory for a test's own enqueues; all are released by buffers_release(). */
struct device_buffers {
    clmp_buffers use;
    cl_mem memory[8];
    size_t bytes[8];
};
void buffers_make(struct device_buffers *buffers, const struct problem *problem, const clmp_plan *plan,
                  const struct run *run);
struct outputs *buffers_read(const struct device_buffers *buffers, const struct problem *problem,
                             const struct run *run);
void buffers_release(struct device_buffers *buffers);

/* The plan of a problem; asserts that it is made. */
clmp_plan *plan_of(const struct problem *problem, const struct run *run);
clmp_status enqueue_problem(clmp_plan *plan, cl_command_queue queue, const struct problem *problem,
                            const struct run *run, const clmp_buffers *buffers, cl_uint num_wait, const cl_event *wait,
                            cl_event *event);

/* Equal by memcmp, in all that both have; a gradient wanted is rounded to the type that it is stored in, and where what
 * was got has counts of that, they are those of the gradient wanted. */
void assert_same_bits(const struct problem *problem, const struct outputs *got, const struct outputs *want);

/* Within the bounds that the library promises, by the definition in long double. */
void assert_accurate(const struct problem *problem, const struct outputs *got);

/* Prints how near to its bounds the largest errors came, of all that assert_accurate() saw. */
void accuracy_report(void);

/* Runs both solvers on the device: same bits as the reference, which must be accurate.  Returns the outputs. */
struct outputs *assert_solved(const struct problem *problem);

#endif

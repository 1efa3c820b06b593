/*
 * libclmp - loss max-pooling for semantic segmentation on OpenCL
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The library computes, for the n valid pixels of a problem and their losses l >= 0,
 *
 *     L = max { sum_u w_u l_u  :  w >= 0,  ||w||_p <= gamma,  ||w||_inf <= tau }
 *
 * with 1/p + 1/q = 1, m = max(1, support n), gamma = n^(-1/q) and tau = gamma m^(-1/p), together with the
 * maximising weights w and the gradient of L with respect to the logits.  Source: S. Rota Bulo, G. Neuhold,
 * P. Kontschieder, "Loss Max-Pooling for Semantic Image Segmentation", CVPR 2017, arXiv 1704.02966, equations (2)
 * to (5); docs/algorithm.md derives what is computed here.
 *
 * Data flows one way:  logits, labels -> loss -> threshold -> weights -> gradient.
 *
 * How it is used:
 *
 *     clmp_context   once for a cl_context and cl_device_id that you own     (clmp_context_create)
 *     clmp_plan      once for a problem: shape, label type, p, support ...   (clmp_plan_create)
 *     clmp_enqueue_* every step, on your queue and your buffers; returns at once
 *
 * Same inputs give the same bits: results do not depend on the device, work-group size, vector width or scheduling.
 *
 * Errors: every function that can fail returns a clmp_status.  The detail (which argument, an OpenCL error by name,
 * a build log) goes to the log callback of the context, if there is one; the library never prints.  Whatever can be
 * checked is checked before anything is enqueued.
 *
 * Ownership: OpenCL objects that you pass stay yours; the library retains those that it keeps.
 *
 * Threads: a clmp_context may be used by any number of threads at once; a clmp_plan by one thread at a time.
 *
 * Processes: OpenCL does not survive a fork.  In a forked child, a clmp_context of the parent and its plans can only be
 * queried and destroyed, and destroying them frees host memory only; every call that needs the device is refused with
 * INVALID_ARGUMENT.  Whether the child can open a new context depends on the OpenCL runtime.  A process that was forked
 * before OpenCL was used, or that calls exec, is not restricted.  A process may exit without releasing anything.
 *
 * Versions: a program also runs, without being compiled again, with a later libclmp of the same soversion; and with an
 * earlier one, if it leaves fields that the earlier one lacks at their defaults (else the call is refused).  For this,
 * each struct that may grow carries its size, which ..._init() sets, or the function takes the size.  These structs
 * grow only at the end, past all padding, and 0 is the default of every new field.  clmp_tuning, clmp_buffer,
 * clmp_result and clmp_gradient_range never grow.  The inline functions call the functions ..._sized() beside them with
 * the sizes of this header.
 */
#ifndef CLMP_CLMP_H
#define CLMP_CLMP_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CLMP_API __attribute__((visibility("default")))
#else
#define CLMP_API
#endif

/* ------------------------------------------------------------------------------------------------ version, status */

#define CLMP_VERSION_MAJOR 0
#define CLMP_VERSION_MINOR 1
#define CLMP_VERSION_PATCH 0

/* The version of the library that is linked, "major.minor.patch".  Thread-safe; the string is static. */
CLMP_API const char *clmp_version(void);

typedef enum clmp_status {
    CLMP_OK = 0,
    CLMP_INVALID_ARGUMENT = 1,   /* a NULL where none is allowed, or a parameter outside its range */
    CLMP_SIZE_OVERFLOW = 2,      /* a shape whose sizes in bytes or pixels overflow */
    CLMP_BUFFER_TOO_SMALL = 3,   /* a cl_mem with too few bytes from its offset on */
    CLMP_BUFFER_OVERLAP = 4,     /* an output that overlaps another buffer, and not because of in_place */
    CLMP_NO_DEVICE = 5,          /* no OpenCL device at all */
    CLMP_DEVICE_NOT_FOUND = 6,   /* there are devices, but none matches */
    CLMP_DEVICE_UNSUPPORTED = 7, /* the device lacks something the kernels need */
    CLMP_OUT_OF_MEMORY = 8,      /* host or device memory */
    CLMP_BUILD_FAILED = 9,       /* the device's compiler refused a kernel; the log has its output */
    CLMP_OPENCL_ERROR = 10,      /* any other OpenCL error; the log has its name */
    CLMP_RANKS_FAILED = 11       /* the sum over the ranks of a batch failed */
} clmp_status;

/* The name of a status, for example "CLMP_BUFFER_TOO_SMALL".  Never NULL.  Thread-safe; the string is static. */
CLMP_API const char *clmp_status_name(clmp_status status);

/* A status in words, for example "a buffer is too small".  Never NULL.  Thread-safe; the string is static. */
CLMP_API const char *clmp_status_text(clmp_status status);

/*
 * Receives the detail of an error: one line without a newline at its end, or several lines for a build log.  `message`
 * is valid only during the call.  May be called from every thread that uses the context; must not call the library.
 */
typedef void (*clmp_log_fn)(void *user, const char *message);

/* --------------------------------------------------------------------------------------------------------- devices */

/* One OpenCL device, as clmp_list_devices() found it.  Fields that the linked library does not know are 0. */
typedef struct clmp_device_info {
    cl_platform_id platform;
    cl_device_id device;
    cl_device_type type;
    char name[128];          /* CL_DEVICE_NAME; like the other texts, cut after 127 bytes if it is longer */
    char platform_name[128]; /* CL_PLATFORM_NAME */
    char version[128];       /* CL_DEVICE_VERSION */
    char driver[128];        /* CL_DRIVER_VERSION */
    cl_uint compute_units;
    cl_ulong global_memory; /* bytes */
    cl_ulong max_alloc;     /* bytes of one buffer */
    cl_bool supported;      /* whether the library runs on it */
    cl_uint reserved;       /* 0 */
    const char *lacks;      /* what an unsupported device lacks, for example "OpenCL 1.2", else NULL; a static string */
} clmp_device_info;

/* Like clmp_list_devices(), for entries of `info_size` bytes each. */
CLMP_API clmp_status clmp_list_devices_sized(clmp_device_info *infos, size_t info_size, size_t capacity, size_t *count);

/*
 * Lists the OpenCL devices of all platforms; platforms without devices are skipped.  Writes at most `capacity` entries
 * to `infos` (may be NULL if capacity is 0), and the number of devices, which may be larger, to `*count`.  Thread-safe.
 * Without any device it returns CLMP_OK and a count of 0.
 */
static inline clmp_status clmp_list_devices(clmp_device_info *infos, size_t capacity, size_t *count) {
    return clmp_list_devices_sized(infos, sizeof *infos, capacity, count);
}

/* --------------------------------------------------------------------------------------------------------- context */

typedef struct clmp_context clmp_context;

typedef struct clmp_context_params {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_log_fn log;    /* NULL: no log */
    void *log_user;     /* handed to `log` */
    /* Folder for compiled programs, created if it is missing; the string is copied.  NULL: the environment's
     * CLMP_CACHE_DIR, else libclmp in $XDG_CACHE_HOME or ~/.cache; but none for PoCL, which keeps what it compiled
     * itself (in $POCL_CACHE_DIR or ~/.cache/pocl), and takes longer to hand it out than to compile it.  "" (also as
     * the variable's value): no programs are kept, and every context compiles its own.  Since programs from this folder
     * are run, it is used only if it belongs to the user and nobody else can write to it.  A program that cannot be
     * used is compiled again; nothing reports it. */
    const char *cache_dir;
} clmp_context_params;

/* Like clmp_context_params_init(), for a struct of `size` bytes. */
CLMP_API void clmp_context_params_init_sized(clmp_context_params *params, size_t size);

/* Sets the defaults: no log, the default folder for compiled programs. */
static inline void clmp_context_params_init(clmp_context_params *params) {
    clmp_context_params_init_sized(params, sizeof *params);
}

/*
 * Wraps an OpenCL context and one of its devices; retains both.  `params` may be NULL (defaults).  On success the
 * caller destroys `*context` with clmp_context_destroy(); on failure it is NULL.  Thread-safe.  Errors:
 * INVALID_ARGUMENT, DEVICE_UNSUPPORTED, OUT_OF_MEMORY, OPENCL_ERROR.  Params that were not initialised are refused
 * without a message, as their log cannot be trusted either.
 */
CLMP_API clmp_status clmp_context_create(cl_context cl, cl_device_id device, const clmp_context_params *params,
                                         clmp_context **context);

/*
 * Opens a device, with an OpenCL context of its own: the first supported device that matches `device`, which is
 *     "#N"             the device at index N of clmp_list_devices(), counted from 0; tells devices of one name apart
 *     "NAME"           devices with this name; if there are none, those whose name or platform name contains it
 *     "PLATFORM:NAME"  devices whose platform name contains PLATFORM and whose name contains NAME
 *     NULL or ""       the first supported GPU, else the first supported device
 * The case of ASCII letters does not matter.  Otherwise like clmp_context_create(); DEVICE_UNSUPPORTED if devices match
 * but none of them is supported.  Further errors: NO_DEVICE, DEVICE_NOT_FOUND.
 */
CLMP_API clmp_status clmp_context_open(const char *device, const clmp_context_params *params, clmp_context **context);

/*
 * Releases the caller's reference; plans made from the context keep it alive until they are destroyed.  NULL is
 * allowed.  The library itself does not wait here.  But some drivers do when the last reference to an OpenCL context is
 * released: for commands that still run, and for ever for user events (clCreateUserEvent()) that nobody completes.
 */
CLMP_API void clmp_context_destroy(clmp_context *context);

/* The OpenCL objects of the context, not retained for the caller.  Thread-safe. */
CLMP_API cl_context clmp_context_cl(const clmp_context *context);
CLMP_API cl_device_id clmp_context_device(const clmp_context *context);

/*
 * Passes `message` to the context's log, if there is one.  Meant for libraries that are built on this one and report
 * errors of their own, such as clmp/head.h.  `message` as for clmp_log_fn.  A NULL context has no log.  Thread-safe.
 */
CLMP_API void clmp_context_report(const clmp_context *context, const char *message);

/* ----------------------------------------------------------------------------------------------------------- ranks */

/*
 * One batch can be split over several devices, processes or computers, called ranks.  The result has the bits that one
 * device would give for the whole batch.
 *
 * A plan whose params have `ranks` belongs to one rank.  Its N images are a part of the batch, which consists of the
 * images of rank 0, then those of rank 1, and so on; each rank may have its own N.  Loss, alpha, tau, counts, weights
 * and gradient are those of the whole batch, however it is split.  With scope batch, every rank gets the record of the
 * whole batch; with scope image, record 0 is that of the whole batch, and the others are the rank's own images.  Label
 * counts and confusion matrices grow by those of the whole batch.  All ranks call the same entries in the same order,
 * with plans of the same parameters; only images, solver, label_type, logits_layout, logits_row_pitch and tuning may
 * differ, as results do not depend on them.  At most 2^36 pixels in all.  Not for a step in parts.
 *
 * Such an entry blocks the thread that calls it: it waits several times for the device and for the other ranks, sums
 * numbers over all ranks by `allreduce`, and then enqueues the rest, so its event is as without ranks.  The events that
 * it waits for must be completed without this thread, so flush their queues before.  docs/ranks.md says how often it
 * waits, and how many bytes each weighting sends.
 *
 * If a rank fails (a buffer that is too small, an OpenCL error, parameters that differ from the others'), the call
 * fails on all ranks, with the same status and a message that names the rank.  Outputs are then undefined, except for
 * label counts and confusion matrices, which stay as they were if the device still allows it.  The next call is like
 * any other.
 */

/*
 * Replaces each of `count` numbers by the sum of its values over all ranks, modulo 2^64, and returns 0.  Every rank
 * calls it equally often with the same counts.  Called by the thread that called the entry; must not call the library
 * with the same plan.  Anything but 0 means that it failed, and the entry fails with RANKS_FAILED; it must then
 * fail on every rank at that call (as MPI's errors end all processes), or others wait for ever for a rank that left.
 */
typedef int (*clmp_allreduce_fn)(void *user, uint64_t *sums, size_t count);

typedef struct clmp_ranks {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_allreduce_fn allreduce;
    void *user;    /* handed to `allreduce`; must live as long as the plan */
    uint32_t rank; /* this one, below size */
    uint32_t size; /* number of ranks: 1 to 65536 */
} clmp_ranks;

/* Like clmp_ranks_init(), for a struct of `size` bytes. */
CLMP_API void clmp_ranks_init_sized(clmp_ranks *ranks, size_t size);

/* Sets allreduce and user to NULL, rank and size to 0: they are to be set. */
static inline void clmp_ranks_init(clmp_ranks *ranks) {
    clmp_ranks_init_sized(ranks, sizeof *ranks);
}

/*
 * Ranks within a process: each is a thread with its own plan, and usually its own device.  The group sums in the
 * calling threads, in memory that is allocated once: a step allocates nothing.
 */
typedef struct clmp_local_ranks clmp_local_ranks;

/* Makes a group of `size` ranks, which the caller destroys with clmp_local_ranks_destroy().  Errors: INVALID_ARGUMENT
 * (a size that is not 1 to 65536, NULL), OUT_OF_MEMORY. */
CLMP_API clmp_status clmp_local_ranks_create(uint32_t size, clmp_local_ranks **group);

/* Sets `ranks`, which is initialised, to rank `rank` of the group: for plans that one thread at a time uses.
 * Thread-safe.  Errors: INVALID_ARGUMENT. */
CLMP_API clmp_status clmp_local_ranks_get(clmp_local_ranks *group, uint32_t rank, clmp_ranks *ranks);

/*
 * For a rank that cannot continue (its images could not be read; its thread ends): every call that waits for it, and
 * every later call of a plan with this group, fails.  Thread-safe.
 */
CLMP_API void clmp_local_ranks_abort(clmp_local_ranks *group);

/* Releases a group that no call is using, and that no plan will use again.  NULL is allowed. */
CLMP_API void clmp_local_ranks_destroy(clmp_local_ranks *group);

/* ------------------------------------------------------------------------------------------------------------ plan */

typedef struct clmp_plan clmp_plan;

typedef enum clmp_input {
    CLMP_INPUT_LOGITS = 0, /* per-pixel softmax cross-entropy from logits and labels */
    CLMP_INPUT_LOSSES = 1, /* bring your own loss: per-pixel losses from the caller */
    CLMP_INPUT_LABELS = 2  /* only labels, to be counted by clmp_enqueue_label_counts(); of the other parameters only
                              shape, label_type and ignore_index matter */
} clmp_input;

typedef enum clmp_label_type {
    CLMP_LABEL_UINT8 = 0,
    CLMP_LABEL_INT32 = 1,
    CLMP_LABEL_INT64 = 2,
    CLMP_LABEL_UINT16 = 3
} clmp_label_type;

/* How logits and gradients are stored; all arithmetic is float32.  A gradient is rounded to nearest, even. */
typedef enum clmp_float_type { CLMP_FLOAT32 = 0, CLMP_FLOAT16 = 1, CLMP_BFLOAT16 = 2 } clmp_float_type;

/* The order of logits and gradients in memory, slowest index first. */
typedef enum clmp_layout {
    CLMP_LAYOUT_NCHW = 0,
    CLMP_LAYOUT_NHWC = 1 /* the classes of a pixel lie side by side */
} clmp_layout;

/*
 * The loss l of a pixel from its logits x and its label y; p the softmax of x, w the class weights (1 without), e
 * label_smoothing, g focal_gamma, a focal_alpha.  Section 13 of docs/algorithm.md has accuracies and gradients.
 *
 * CROSS_ENTROPY         (1 - e) w_y (-ln p_y) + (e / C) sum_c w_c (-ln p_c): PyTorch's definition; C. Szegedy et al.,
 *                       CVPR 2016.  Where e > 0, an infinite logit makes the loss nonfinite.
 * FOCAL                 a w_y (1 - p_y)^g (-ln p_y); a = 1 where focal_alpha is -1.  T. Lin et al., ICCV 2017.
 * BINARY_CROSS_ENTROPY  each of the C channels is a problem of its own: labels, losses and weights are (N, C, H, W), a
 *                       label is 0 or 1, or ignore_index, and p_1 = sigmoid(x), p_0 = 1 - p_1.  The loss is that of
 *                       CROSS_ENTROPY for these two classes, with the weight w_c of the channel.  C = 1 is the binary
 *                       loss, C > 1 the multi-label one.  An infinite logit makes the loss nonfinite.
 * BINARY_FOCAL          likewise, w_c a_y (1 - p_y)^g (-ln p_y), a_1 = a, a_0 = 1 - a; both 1 where focal_alpha is -1
 *
 * With binary losses a pool holds the pixels of all channels, and results count each channel of a pixel as one pixel.
 * Binary losses and label smoothing cannot be combined with interpolated logits.
 */
typedef enum clmp_loss {
    CLMP_LOSS_CROSS_ENTROPY = 0,
    CLMP_LOSS_FOCAL = 1,
    CLMP_LOSS_BINARY_CROSS_ENTROPY = 2,
    CLMP_LOSS_BINARY_FOCAL = 3
} clmp_loss;

typedef enum clmp_scope {
    CLMP_SCOPE_BATCH = 0, /* all pixels of the batch are one pool */
    CLMP_SCOPE_IMAGE = 1  /* each image is a pool; L is the mean over the images that have a valid pixel */
} clmp_scope;

typedef enum clmp_solver {
    CLMP_SOLVER_SEARCH = 0, /* finds the threshold by integer histograms, in three rounds */
    CLMP_SOLVER_SORT = 1    /* the paper's way: sorts, then scans; the same bits, slower */
} clmp_solver;

/*
 * How the losses l_u of the n valid pixels become one number, L = sum of w_u l_u, and where the gradient goes.
 * Whichever is chosen, the same pixels are left out, and are counted in the same way.  Section 12 of docs/algorithm.md
 * has the equations.
 *
 * UNIFORM   w = 1/n: the plain mean, bit for bit the same as LMP with p = infinity.  alpha is 0.
 *
 * TOPK      the m hardest pixels, w = 1/m: p = 1, with m = max(1, support n) or, where topk_count is not 0,
 *           m = min(topk_count, n).  Pixels at the threshold share what is left of m in equal parts.
 *
 * OHEM      online hard example mining, as mmsegmentation's OHEMPixelSampler.  It keeps the pixels whose label has a
 *           probability strictly below max(ohem_thresh, the (k+1)-th smallest probability), where k is ohem_min_kept
 *           times the number of images in the pool.  If there are at most k valid pixels, it keeps all of them.
 *           The probability is exp(-l): losses from the caller are taken as minus its logarithm, it is computed before
 *           class weights are applied, and focal losses and label smoothing are refused.  L is the mean of the kept
 *           losses (mmsegmentation divides by the number of all pixels, ignored ones too), and 0 if none is kept.
 *           alpha is the threshold, as a loss.  A. Shrivastava, A. Gupta, R. Girshick, "Training Region-based Object
 *           Detectors with Online Hard Example Mining", CVPR 2016.
 *
 * BALANCED  class-balanced sampling of pixels, with replacement only where a class has too few.  A pixel of a class
 *           with n_c pixels is drawn r times: floor(Q/n_c) times, and once more with probability Q/n_c - floor(Q/n_c),
 *           at most 2^24 - 1 times; `sampling` sets the quota Q.  w = r / R, where R is the sum of all r: L is the mean
 *           over the draws.  Random numbers are Philox4x32-10's, of (seed; step, index of the pixel in the batch): the
 *           same inputs, seed and step give the same bits.  alpha is 0, tau the largest weight that a pixel may get.
 *           Needs labels.  H. He, E. A. Garcia, "Learning from Imbalanced Data", IEEE TKDE 21(9), 2009 (over- and
 *           under-sampling).
 *
 * `support` of the result counts the pixels at full weight; with BALANCED, the pixels that were drawn.
 */
typedef enum clmp_weighting {
    CLMP_WEIGHTING_LMP = 0, /* loss max-pooling, with p and support */
    CLMP_WEIGHTING_UNIFORM = 1,
    CLMP_WEIGHTING_TOPK = 2,
    CLMP_WEIGHTING_OHEM = 3,
    CLMP_WEIGHTING_BALANCED = 4
} clmp_weighting;

/* Q: the expected number of draws for each class that is present in a pool.  K: the number of these classes. */
typedef enum clmp_sampling {
    CLMP_SAMPLING_EVEN = 0,  /* Q = n / K: as many draws as there are pixels */
    CLMP_SAMPLING_UNDER = 1, /* Q = n_c of the rarest class: no pixel is drawn twice */
    CLMP_SAMPLING_OVER = 2   /* Q = n_c of the largest class: every pixel is drawn */
} clmp_sampling;

/*
 * What a mean of losses with class weights is divided by.  h is a pixel's loss before class weights, c the weight of
 * its class; s is 1 for a pixel that the weighting takes (uniform, topk, ohem), or how often it was drawn (balanced).
 *
 * COUNT     L = sum of s c h / sum of s: divided by the number of pixels
 * WEIGHTS   L = sum of s c h / sum of s c: divided by the sum of their weights, as PyTorch's cross_entropy does with
 *           weight=... and reduction='mean'; 0 if that sum is 0.  A focal loss's alpha is not one of these weights;
 *           binary losses have the weights of their channels.  Not with LMP, whose L is a maximum over the pixels'
 *           weights w, not a mean.
 *
 * Without class weights, and for losses from the caller, both are the same.
 */
typedef enum clmp_normalise { CLMP_NORMALISE_COUNT = 0, CLMP_NORMALISE_WEIGHTS = 1 } clmp_normalise;

/*
 * How the work is divided on a device: this changes the speed, and no bit of the results.  A field that is 0 is taken
 * from CLMP_TUNING in the environment ("group_size=128,chunks=64"), else from the library's table of devices
 * (host/plan/tuning.c).
 */
typedef struct clmp_tuning {
    uint32_t vector_width; /* pixels that a work-item holds in one vector: 1, 2, 4, 8 or 16 */
    uint32_t group_size;   /* work-items of a work-group: a power of two, at most what the device allows */
    uint32_t bin_group;    /* work-items that fill bins together: a power of two, as group_size; 1 needs no atomics */
    uint32_t chunks;       /* work-groups that share the pixels of one pool when they fill bins or sort: 1 to 65536 */
    uint32_t bin_sets;     /* sets of bins that these work-groups fill: 1 to chunks; if fewer, they share by atomics */
    uint32_t bin_memory;   /* 1: bins in global memory only; 2: each work-group's own in local memory, 32 KiB */
    uint32_t streaming;    /* 1: gradients are written through the caches; 2: past them, where the device can */
    uint32_t run;          /* vectors side by side for which a work-item computes the gradient, and from 64 classes on
                              the loss, too: 1 or 2 */
    uint32_t sums;         /* 1: the gradient finds each pixel's largest logit and sum again; 2: the loss leaves them in
                              the workspace, 8 bytes a pixel (not for two classes, nor with interpolation) */
    uint32_t reserved[7];  /* 0; pads the struct to 64 bytes */
} clmp_tuning;

typedef struct clmp_plan_params {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_input input;
    uint64_t images;        /* N */
    uint64_t classes;       /* C; unused with CLMP_INPUT_LOSSES */
    uint64_t height, width; /* H, W in pixels */
    /* h, w: the logits' own size, at most H, W.  Where it is smaller, they are interpolated bilinearly to the labels'
     * size, as PyTorch's interpolate(mode='bilinear') does; docs/algorithm.md, section 11.  0: H, W.  Unused with
     * CLMP_INPUT_LOSSES. */
    uint64_t logits_height, logits_width;
    bool align_corners;         /* interpolation aligns the centres of the corner pixels, not their outer corners */
    clmp_label_type label_type; /* unused with CLMP_INPUT_LOSSES */
    int64_t ignore_index;       /* a pixel with this label is not valid; any value */
    const float *class_weights; /* C finite values >= 0, not all 0, in host memory; copied.  A pixel's loss is
                                   multiplied by the weight of its label (binary losses: of its channel); a subnormal
                                   weight is taken as 0.  NULL: all 1 */
    double p;                   /* the norm, in [1, inf]; INFINITY gives the plain mean */
    double support;             /* s in (0, 1]: at least this share of the pixels carries the weight */
    clmp_scope scope;
    clmp_solver solver; /* unused with CLMP_WEIGHTING_BALANCED, which has no threshold */
    clmp_tuning tuning;
    clmp_weighting weighting; /* fields that belong to other weightings are ignored */
    uint64_t topk_count;      /* TOPK: number of pixels in each pool; 0: by support */
    double ohem_thresh;       /* OHEM: probability of the label, in (0, 1) */
    uint64_t ohem_min_kept;   /* OHEM: number of pixels for each image */
    clmp_sampling sampling;   /* BALANCED */
    uint64_t seed;            /* BALANCED */
    clmp_loss loss;           /* this and the fields below: CLMP_INPUT_LOGITS only */
    double label_smoothing;   /* in [0, 1); not with focal losses */
    double focal_gamma;       /* 0, or from 2^-10 to 8 */
    double focal_alpha;       /* in (0, 1], of binary losses in (0, 1), or -1: none */
    clmp_float_type logits_type;
    clmp_layout logits_layout;
    uint64_t logits_row_pitch; /* bytes from a row of an image's logits, and of gradients, to the next; 0: they touch */
    clmp_normalise normalise;  /* with class weights */
    const clmp_ranks *ranks;   /* copied; NULL: the batch is this plan's alone */
} clmp_plan_params;

/* Like clmp_plan_params_init(), for a struct of `size` bytes. */
CLMP_API void clmp_plan_params_init_sized(clmp_plan_params *params, size_t size);

/*
 * Sets the defaults: input logits, images 1, classes, height and width 0 (to be set), logits of the labels' size,
 * labels uint8, ignore_index 255, no class weights, p 1.7, support 0.25, scope batch, solver search, tuning 0,
 * weighting lmp, topk_count 0, ohem_thresh 0.7, ohem_min_kept 100000, sampling even, seed 0, loss
 * cross-entropy, label_smoothing 0, focal_gamma 2, focal_alpha -1, logits_type float32, logits_layout NCHW,
 * logits_row_pitch 0, normalise count, ranks NULL.
 */
static inline void clmp_plan_params_init(clmp_plan_params *params) {
    clmp_plan_params_init_sized(params, sizeof *params);
}

/*
 * Checks a problem, builds its kernels and lays out its workspace.  Retains the context.  On success the caller
 * destroys `*plan` with clmp_plan_destroy(); on failure it is NULL, and the log says which parameter had which value.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, OUT_OF_MEMORY, BUILD_FAILED, OPENCL_ERROR; DEVICE_UNSUPPORTED if a kernel
 * needs larger work-groups or more local memory than the device has.
 * Limits: 1 <= C <= 2^20; N, H, W >= 1; N H W <= 2^36 pixels; all tensors below 2^63 bytes; with interpolation, h <= H
 * and w <= W, and H, W <= 2^30.
 */
CLMP_API clmp_status clmp_plan_create(clmp_context *context, const clmp_plan_params *params, clmp_plan **plan);

/* Releases a plan; work that is already enqueued still completes.  NULL is allowed. */
CLMP_API void clmp_plan_destroy(clmp_plan *plan);

/* Bytes of workspace that every enqueue of this plan needs.  0 for a NULL plan. */
CLMP_API size_t clmp_plan_workspace_size(const clmp_plan *plan);

/* Number of clmp_result records that every enqueue writes: 1 for scope batch, 1 + N for scope image. */
CLMP_API size_t clmp_plan_result_count(const clmp_plan *plan);

/* The tuning in force, with the library's choices filled in. */
CLMP_API clmp_tuning clmp_plan_tuning(const clmp_plan *plan);

/* --------------------------------------------------------------------------------------------------------- enqueue */

/*
 * One record of the result buffer: 64 bytes, laid out in device memory as declared here.  With scope image, record 0 is
 * the total (loss: the mean over images with a valid pixel; counts: sums; alpha and tau: 0 unless there is one image)
 * and record 1 + i is image i.
 */
typedef struct clmp_result {
    cl_float loss;    /* L */
    cl_float alpha;   /* the threshold: pixels with a loss above it have full weight; 0 if the p-norm bound is slack; at
                         most the largest float */
    cl_float tau;     /* the largest weight a pixel may have */
    cl_uint reserved; /* 0 */
    cl_ulong support; /* pixels at full weight, w = tau */
    cl_ulong valid;   /* n: pixels that take part */
    cl_ulong ignored; /* label = ignore_index */
    cl_ulong invalid_labels; /* label outside [0, C) and not ignore_index */
    cl_ulong nonfinite;      /* loss not finite, because of a NaN or infinite logit; or a loss from the caller that is
                                NaN, infinite or negative.  Finite logits and weights give a finite loss: at most the
                                largest float */
    cl_ulong pixels;         /* valid + ignored + invalid_labels + nonfinite */
} clmp_result;

/*
 * How many elements of a gradient do not fit into its type: 16 bytes, laid out in device memory as declared here.
 * Before an element is stored it is a finite float32: an overflow gives the largest float, with its sign.  The caller
 * sets both counts to 0 before the first call, and each call adds to them; they are the same on every device.  A loss
 * scaler lowers gradient_scale if any element overflowed, and raises it if none did.
 */
typedef struct clmp_gradient_range {
    cl_ulong overflowed;  /* stored as an infinity; in float32, as the largest float */
    cl_ulong underflowed; /* not 0 as a float32, but stored as 0: only in float16, elements of at most 2^-25 */
} clmp_gradient_range;

/* A place in device memory: a buffer and an offset in bytes, a multiple of the element's size (of 8 for a result and
 * for counts, of 128 for a workspace).  mem NULL: absent. */
typedef struct clmp_buffer {
    cl_mem mem;
    size_t offset;
} clmp_buffer;

/* What an enqueue reads and writes.  Each function says which buffers it uses, and ignores the others.  Outputs must
 * not overlap anything else.  Kernels read the workspace, what they add to (label_counts, confusion, gradient_range)
 * and, with scope image, the result, too: these must not be CL_MEM_WRITE_ONLY. */
typedef struct clmp_buffers {
    size_t struct_size;       /* set by ..._init(); not to be changed */
    clmp_buffer logits;       /* logits_type (N, C, H, W), or (N, C, h, w) where the plan interpolates; in logits_layout
                                 and with logits_row_pitch */
    clmp_buffer labels;       /* label_type (N, H, W), of binary losses (N, C, H, W) */
    clmp_buffer losses;       /* float32, of the labels' shape */
    clmp_buffer weights;      /* likewise; with scope image, those of each image's own problem */
    clmp_buffer gradient;     /* as logits, in type, shape and layout */
    clmp_buffer label_counts; /* uint64 (CLMP_LABEL_COUNTS(C)) */
    clmp_buffer confusion;    /* uint64 (CLMP_CONFUSION(C)), of binary losses (C, CLMP_CONFUSION(2)) */
    clmp_buffer result;       /* clmp_plan_result_count() records of clmp_result */
    clmp_buffer workspace;    /* clmp_plan_workspace_size() bytes that no other running enqueue uses.  Absent: the plan
                                 allocates its own at the first use, and orders enqueues that share it */
    uint64_t step;            /* CLMP_WEIGHTING_BALANCED: number of the training step; each draws other pixels */
    float gradient_scale;     /* upstream gradient (loss scale), finite; multiplies the gradient only */
    bool in_place;            /* gradient is the same place as logits, and overwrites them */
    clmp_buffer gradient_range; /* clmp_gradient_range, in and out: elements that do not fit into the gradient's type;
                                   each rank counts its own.  The plan's first step with it builds a kernel.  Absent:
                                   nothing is counted, and the usual kernels run */
} clmp_buffers;

/* Like clmp_buffers_init(), for a struct of `size` bytes. */
CLMP_API void clmp_buffers_init_sized(clmp_buffers *buffers, size_t size);

/* Sets everything to absent, step to 0, gradient_scale to 1, in_place to false. */
static inline void clmp_buffers_init(clmp_buffers *buffers) {
    clmp_buffers_init_sized(buffers, sizeof *buffers);
}

/*
 * The three entries.  Each enqueues one step on `queue` (in-order or out-of-order, of the plan's device and context)
 * after the `num_wait` events of `wait`, and returns without waiting.  If `event` is not NULL, it is set to an event of
 * the last command, which the caller releases (on failure: NULL).  After the first use they allocate no memory of
 * their own, of the device or of the host; with ranks, as long as all ranks' images together stay as many.
 * If an event of `wait` fails, the step's own event fails and its outputs are undefined; so do steps that were enqueued
 * in the meantime and share the plan's own workspace.  The plan stays usable: its next step makes a new workspace.
 * Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL, BUFFER_OVERLAP, OUT_OF_MEMORY, OPENCL_ERROR; the first three before
 * anything is enqueued.  After an OPENCL_ERROR part of the step may have been enqueued, and outputs are undefined.
 * Where gradient_range is asked for, the first time also BUILD_FAILED and DEVICE_UNSUPPORTED, before anything is
 * enqueued; with ranks, RANKS_FAILED.
 *
 * clmp_enqueue_weights     plan with CLMP_INPUT_LOSSES.  In: losses.  Out: weights (may be absent), result.
 *                          A loss that is NaN, infinite or negative counts as nonfinite and gets weight 0; -0 is 0,
 *                          and a subnormal loss is taken as 0.
 *
 * clmp_enqueue_loss        plan with CLMP_INPUT_LOGITS.  In: logits, labels.  Out: losses, weights (each may be
 *                          absent), result.
 *
 * clmp_enqueue_gradient    as clmp_enqueue_loss, and out: gradient, that of gradient_scale L with respect to the
 *                          logits: w_u gradient_scale dl_u/dx, which is exact although w is held constant (Danskin's
 *                          theorem).  In and out: gradient_range (may be absent), to which only one call at a time may
 *                          add.
 *
 * Losses and weights are 0 where a pixel is not valid, and so is its gradient.
 *
 * Where the plan interpolates, losses, weights and results are those of the interpolated logits, which are never
 * stored; the gradient is with respect to the given logits, by the adjoint of the interpolation.  A logit that has
 * weight 0 in the interpolation is ignored; any other NaN or infinity acts as it would in the interpolated logits.
 */
CLMP_API clmp_status clmp_enqueue_weights(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                          cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_loss(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                       cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_gradient(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                           cl_uint num_wait, const cl_event *wait, cl_event *event);

/*
 * A step in parts, for logits that are never held as a whole.  Whatever computes them (clmp/head.h, or a last layer of
 * your own) computes one part of the pixels at a time, and each part once more for the gradient.  In this order, with
 * the same plan, labels and workspace:
 *
 * clmp_enqueue_loss_part      for every part, until each pixel was in one.  In: the part's logits, the batch's labels.
 *                             Out: the part's losses, in the workspace, and in `losses` if it is present.
 * clmp_enqueue_threshold      once.  In: labels.  Out: losses, weights (each may be absent), result.
 * clmp_enqueue_gradient_part  for every part again.  In: the part's logits, once more, and labels.  Out: their
 *                             gradient, in place of the logits.  In and out: gradient_range (may be absent).
 *
 * They give the bits of clmp_enqueue_gradient() on all pixels, however these are divided into parts.  Each is an entry
 * like the three above; the caller orders them by their events, or by an in-order queue.  The workspace must be the
 * caller's, and nothing else may use it between the first and the last of them.  Plan with CLMP_INPUT_LOGITS and NCHW;
 * not with interpolation, nor with binary losses.
 */
typedef struct clmp_part {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_buffer logits; /* logits_type (C, pixels), without gaps */
    uint64_t image;     /* index of the part's image in the batch, below N */
    uint64_t first;     /* the part's first pixel in the image, counted row by row */
    uint64_t pixels;    /* at least 1; first + pixels is at most H W */
} clmp_part;

/* Like clmp_part_init(), for a struct of `size` bytes. */
CLMP_API void clmp_part_init_sized(clmp_part *part, size_t size);

/* Sets logits to absent, image, first and pixels to 0 (logits and pixels are to be set). */
static inline void clmp_part_init(clmp_part *part) {
    clmp_part_init_sized(part, sizeof *part);
}

CLMP_API clmp_status clmp_enqueue_loss_part(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                            const clmp_part *part, cl_uint num_wait, const cl_event *wait,
                                            cl_event *event);
CLMP_API clmp_status clmp_enqueue_threshold(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                            cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_gradient_part(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                                const clmp_part *part, cl_uint num_wait, const cl_event *wait,
                                                cl_event *event);

/* ------------------------------------------------------------------------------------ class weights from label maps */

/*
 * Number of 64-bit counters for label maps of C classes.  The caller sets them to 0 before the first call.  They are
 *     [c]       pixels of class c
 *     [C + c]   labelled pixels of the images that have class c
 *     [2 C]     pixels with ignore_index;  [2 C + 1]  pixels whose label is no class;  [2 C + 2]  images
 * A pixel is labelled if its label is a class and not ignore_index.
 */
#define CLMP_LABEL_COUNTS(classes) (2 * (classes) + 3)

/*
 * Adds the label maps of one batch to label_counts, on the device.  Plan with CLMP_INPUT_LABELS.  In: labels.  In and
 * out: label_counts, to which only one call at a time may add.  Otherwise like the three entries above.  Counts of
 * several devices or processes may be added up.
 */
CLMP_API clmp_status clmp_enqueue_label_counts(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                               cl_uint num_wait, const cl_event *wait, cl_event *event);

/*
 * Class weights for cost-sensitive learning, from how frequent each class is.  n_c: pixels of class c; N: labelled
 * pixels; K: classes that have pixels; f_c = n_c / N; g_c = n_c / (labelled pixels of the images that have class c).
 *
 * INVERSE    N / (K n_c): each class then has the same sum of weights, and the mean over the labelled pixels is 1
 * MEDIAN     (median of all g) / g_c; of an even number of classes, the median is the mean of the two in the middle.
 *            D. Eigen, R. Fergus, ICCV 2015; V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet", IEEE TPAMI 2017
 * ..._SQRT   the square root of either
 * ENET       1 / ln(enet_offset + f_c).  A. Paszke et al., "ENet", arXiv 1606.02147
 * EFFECTIVE  (1 - beta) / (1 - beta^n_c), scaled so that the mean over the K classes is 1.  Y. Cui et al.,
 *            "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019
 *
 * A class without a pixel gets the weight `absent`, whatever the scheme; no weight is ever infinite.
 */
typedef enum clmp_class_scheme {
    CLMP_CLASS_INVERSE = 0,
    CLMP_CLASS_INVERSE_SQRT = 1,
    CLMP_CLASS_MEDIAN = 2,
    CLMP_CLASS_MEDIAN_SQRT = 3,
    CLMP_CLASS_ENET = 4,
    CLMP_CLASS_EFFECTIVE = 5
} clmp_class_scheme;

typedef struct clmp_class_weights_params {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_class_scheme scheme;
    double enet_offset; /* above 1, finite */
    double beta;        /* in [0, 1); 0: all weights are 1 */
    double absent;      /* finite, >= 0 */
} clmp_class_weights_params;

/* Like clmp_class_weights_params_init(), for a struct of `size` bytes. */
CLMP_API void clmp_class_weights_params_init_sized(clmp_class_weights_params *params, size_t size);

/* Sets the defaults: scheme inverse, enet_offset 1.02, beta 0.9999, absent 1. */
static inline void clmp_class_weights_params_init(clmp_class_weights_params *params) {
    clmp_class_weights_params_init_sized(params, sizeof *params);
}

/*
 * Computes `weights` (`classes` numbers, fit for clmp_plan_params) from `label_counts` (CLMP_LABEL_COUNTS(classes)
 * numbers in host memory).  `params` may be NULL (defaults).  Thread-safe.  Errors: INVALID_ARGUMENT.  Weights are
 * computed on the host: unlike results of a device, their last bit depends on the host's mathematical library.
 */
CLMP_API clmp_status clmp_class_weights(const uint64_t *label_counts, uint64_t classes,
                                        const clmp_class_weights_params *params, float *weights);

/* --------------------------------------------------------------------------------------------------------- metrics */

/*
 * Number of 64-bit counters for predictions of C classes.  The caller sets them to 0 before the first call.  They are
 *     [y C + c]  labelled pixels of class y whose prediction is c
 *     [C C]      pixels with ignore_index;  [C C + 1]  pixels whose label is no class;  [C C + 2]  labelled pixels with
 *                a NaN among their logits, which have no prediction
 * The prediction is the class with the largest logit, and of several equal ones the lowest; infinities compare like any
 * number.  Where the plan interpolates, a pixel has no prediction if a NaN or +inf reaches it, or if all its logits are
 * -inf.  With binary losses each channel has a matrix of two classes, and class 1 is predicted if the channel's logit
 * is above 0.
 */
#define CLMP_CONFUSION(classes) ((classes) * (classes) + 3)

/*
 * Adds the predictions of one batch to the confusion matrix, on the device.  Plan with CLMP_INPUT_LOGITS, whatever its
 * weighting; its first call builds a kernel.  In: logits, labels.  In and out: confusion, to which only one call at a
 * time may add.  Otherwise like the three entries above.
 */
CLMP_API clmp_status clmp_enqueue_confusion(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                            cl_uint num_wait, const cl_event *wait, cl_event *event);

/* Metrics of a confusion matrix.  They are 0 if there is no pixel to count, or if the linked library does not know
 * them. */
typedef struct clmp_metrics {
    uint64_t pixels;       /* in the matrix */
    uint64_t correct;      /* on its diagonal */
    uint64_t present;      /* classes that occur as a label or a prediction */
    uint64_t labelled;     /* classes that occur as a label */
    double pixel_accuracy; /* correct / pixels */
    double mean_accuracy;  /* mean over the classes that occur as a label of: correct / labelled pixels of the class */
    double mean_iou;       /* mean over the classes present of the intersection over union: correct / (labelled or
                              predicted pixels of the class) */
} clmp_metrics;

/* Like clmp_confusion_metrics(), for metrics of `metrics_size` bytes. */
CLMP_API clmp_status clmp_confusion_metrics_sized(const uint64_t *confusion, uint64_t classes, clmp_metrics *metrics,
                                                  size_t metrics_size, double *iou, double *accuracy);

/*
 * Computes `metrics` from `confusion` (CLMP_CONFUSION(classes) numbers in host memory), and `iou` and `accuracy` of
 * each class (`classes` numbers each; either may be NULL).  `iou` is NaN for a class that is not present, `accuracy`
 * for one that occurs in no label.  Thread-safe.  Errors: INVALID_ARGUMENT.
 */
static inline clmp_status clmp_confusion_metrics(const uint64_t *confusion, uint64_t classes, clmp_metrics *metrics,
                                                 double *iou, double *accuracy) {
    return clmp_confusion_metrics_sized(confusion, classes, metrics, sizeof *metrics, iou, accuracy);
}

#ifdef __cplusplus
}
#endif

#endif /* CLMP_CLMP_H */

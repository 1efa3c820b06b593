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
 * Data walks one way:  logits, labels -> loss -> threshold -> weights -> gradient.
 *
 * How it is used:
 *
 *     clmp_context   once for a cl_context and cl_device_id that you own     (clmp_context_create)
 *     clmp_plan      once for a problem: shape, label type, p, support ...   (clmp_plan_create)
 *     clmp_enqueue_* every step, on your queue and your buffers; returns at once
 *
 * Same inputs, same bits: results do not depend on the device, work-group size, vector width or scheduling.
 *
 * Errors: every function that can fail returns a clmp_status.  The detail (which argument, an OpenCL error by name,
 * a build log) goes to the log callback of the context, if there is one; the library never prints.  Whatever can be
 * checked is checked before anything is enqueued.
 *
 * Ownership: OpenCL objects that you pass stay yours; the library retains what it keeps.
 *
 * Threads: a clmp_context may be used by any number of threads at once; a clmp_plan by one thread at a time.
 *
 * Processes: OpenCL does not survive a fork.  In a process that was forked from one with a clmp_context, that context
 * and its plans can be asked what they are and destroyed, which there frees memory of the host only; whatever needs
 * the device is refused with INVALID_ARGUMENT.  Whether a new context can be opened there is up to the OpenCL runtime.
 * A process that is forked before OpenCL is used, or that calls exec, is like any other.  A process may end with
 * everything open.
 *
 * Versions: a program runs with a later libclmp of the same soversion without being compiled again, and with an earlier
 * one as long as it leaves the fields that this one lacks at their defaults; else the call is refused.  For that the
 * structs that may grow carry their size, which ..._init() sets, or the function takes it; they grow at the end only,
 * past all padding, and a new field is at its default where it is 0.  clmp_tuning, clmp_buffer and clmp_result never
 * grow.  The functions ..._sized() are what the inline functions beside them call with the sizes of this header.
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
    CLMP_INVALID_ARGUMENT = 1,   /* a NULL that matters, or a parameter outside its range */
    CLMP_SIZE_OVERFLOW = 2,      /* a shape whose sizes in bytes or pixels overflow */
    CLMP_BUFFER_TOO_SMALL = 3,   /* a cl_mem that does not hold what it must from its offset on */
    CLMP_BUFFER_OVERLAP = 4,     /* an output that overlaps another buffer, and was not asked to */
    CLMP_NO_DEVICE = 5,          /* no OpenCL device at all */
    CLMP_DEVICE_NOT_FOUND = 6,   /* there are devices, but none matches */
    CLMP_DEVICE_UNSUPPORTED = 7, /* the device lacks something the kernels need */
    CLMP_OUT_OF_MEMORY = 8,      /* host or device memory */
    CLMP_BUILD_FAILED = 9,       /* the device's compiler refused a kernel; the log has its words */
    CLMP_OPENCL_ERROR = 10       /* any other OpenCL error; the log has its name */
} clmp_status;

/* The name of a status, as "CLMP_BUFFER_TOO_SMALL".  Never NULL.  Thread-safe; the string is static. */
CLMP_API const char *clmp_status_name(clmp_status status);

/* A sentence for a status, as "a buffer is too small".  Never NULL.  Thread-safe; the string is static. */
CLMP_API const char *clmp_status_text(clmp_status status);

/*
 * Called with the detail of an error (one line without a line end; a build log has several).  `message` is valid during
 * the call only.  May be called from every thread that uses the context; must not call back into the library.
 */
typedef void (*clmp_log_fn)(void *user, const char *message);

/* --------------------------------------------------------------------------------------------------------- devices */

/* One OpenCL device, as clmp_list_devices() found it.  What the library does not know is 0. */
typedef struct clmp_device_info {
    cl_platform_id platform;
    cl_device_id device;
    cl_device_type type;
    char name[128];          /* CL_DEVICE_NAME, as the other texts cut after 127 bytes where it is longer */
    char platform_name[128]; /* CL_PLATFORM_NAME */
    char version[128];       /* CL_DEVICE_VERSION */
    char driver[128];        /* CL_DRIVER_VERSION */
    cl_uint compute_units;
    cl_ulong global_memory; /* bytes */
    cl_ulong max_alloc;     /* bytes of one buffer */
    cl_bool supported;      /* whether the library runs on it */
    cl_uint reserved;       /* 0 */
    const char *lacks; /* what it lacks where it is not supported, as "OpenCL 1.2", else NULL; the string is static */
} clmp_device_info;

/* As clmp_list_devices(), for entries of `info_size` bytes each. */
CLMP_API clmp_status clmp_list_devices_sized(clmp_device_info *infos, size_t info_size, size_t capacity, size_t *count);

/*
 * Lists the OpenCL devices of all platforms; platforms without devices are skipped.  Writes at most `capacity` entries
 * to `infos` (may be NULL where capacity is 0) and the number that there are to `*count`.  Thread-safe.
 * No device at all is CLMP_OK with a count of 0.
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
    /* Folder for compiled programs, copied; made where it is missing.  NULL: the environment's CLMP_CACHE_DIR, else
     * libclmp in $XDG_CACHE_HOME or ~/.cache.  "" (the variable, too): programs are compiled anew in every context.
     * Only a folder that is the user's own and that nobody else can write to is used, as what lies there is run;
     * whatever cannot be used there is compiled again, and nothing is said of it. */
    const char *cache_dir;
} clmp_context_params;

/* As clmp_context_params_init(), for a struct of `size` bytes. */
CLMP_API void clmp_context_params_init_sized(clmp_context_params *params, size_t size);

/* Sets the defaults: no log, the default folder for compiled programs. */
static inline void clmp_context_params_init(clmp_context_params *params) {
    clmp_context_params_init_sized(params, sizeof *params);
}

/*
 * Wraps an OpenCL context and one of its devices; retains both.  `params` may be NULL (defaults).  On success
 * `*context` is to be destroyed with clmp_context_destroy(); on failure it is NULL.  Thread-safe. Errors:
 * INVALID_ARGUMENT, DEVICE_UNSUPPORTED, OUT_OF_MEMORY, OPENCL_ERROR.  Params that were not initialised are refused
 * without a message, as their log cannot be known.
 */
CLMP_API clmp_status clmp_context_create(cl_context cl, cl_device_id device, const clmp_context_params *params,
                                         clmp_context **context);

/*
 * Opens a device, with an OpenCL context of its own: the first supported one that `device` means, which is
 *     "#N"             the one at index N of clmp_list_devices(), counted from 0: of two alike, the second, too
 *     "NAME"           those of this name; where there are none, those whose name or platform name contains it
 *     "PLATFORM:NAME"  those whose platform name contains the one and whose name the other
 *     NULL or ""       the first supported GPU, else the first supported device
 * Upper and lower case of ASCII are alike.  Else as clmp_context_create(); DEVICE_UNSUPPORTED where no device that is
 * meant is supported.  Errors besides: NO_DEVICE, DEVICE_NOT_FOUND.
 */
CLMP_API clmp_status clmp_context_open(const char *device, const clmp_context_params *params, clmp_context **context);

/*
 * Releases the caller's hold; plans made from the context keep it alive until they are destroyed.  NULL is allowed.
 * The library waits for nothing, but some drivers do where the last reference to an OpenCL context goes: for commands,
 * and for events of clCreateUserEvent() that nobody has completed, for ever.
 */
CLMP_API void clmp_context_destroy(clmp_context *context);

/* The OpenCL objects of the context, not retained for the caller.  Thread-safe. */
CLMP_API cl_context clmp_context_cl(const clmp_context *context);
CLMP_API cl_device_id clmp_context_device(const clmp_context *context);

/*
 * Tells the context's log, if there is one: for libraries that are built on this one and have errors of their own, as
 * clmp/head.h's.  `message` as for clmp_log_fn.  A NULL context has no log.  Thread-safe.
 */
CLMP_API void clmp_context_report(const clmp_context *context, const char *message);

/* ----------------------------------------------------------------------------------------------------------- ranks */

/*
 * One batch over several devices, processes or computers, the ranks, in the bits that one device gives for it.
 *
 * A plan whose params have `ranks` is one rank's: its N images are a part of a batch, which is the images of rank 0,
 * then those of rank 1, and so on.  Loss, alpha, tau, counts, weights and gradient are those of the whole batch,
 * whatever the split: in N each rank is free.  With scope batch the record of the result is the whole batch's, on every
 * rank; with scope image record 0 is, and the others are the rank's own images.  Label counts and confusion matrices
 * grow by what the whole batch has.  All ranks call the same entries in the same order, with plans whose parameters are
 * alike, but for images, solver, label_type, logits_layout, logits_row_pitch and tuning, on which results do not
 * depend.  At most 2^36 pixels in all.  Not for a step in parts.
 *
 * What such an entry does in the thread that calls it: it waits for the device and for the other ranks several times,
 * sums numbers over all ranks by `allreduce`, and then enqueues what is left, so that the event that it gives is as
 * without ranks.  Whoever completes the events that it waits for must be another thread.  docs/ranks.md says how often,
 * and how many bytes each weighting sends.
 *
 * Where a rank fails (a buffer that is too small, an error of OpenCL, parameters that are not the others'), the call
 * fails on all ranks, with the same status and a message that names the rank, and outputs are undefined, but label
 * counts and confusion matrices, which stay as they were where the device still allows it.  The next call is like any
 * other.
 */

/*
 * Replaces each of `count` numbers by the sum of its values over all ranks, modulo 2^64, and returns 0.  Every rank
 * calls it equally often with the same counts.  Called by the thread that called the entry; must not call the library
 * with the same plan.  Anything but 0 means that it failed, and the entry fails with OPENCL_ERROR or the status that is
 * known; it must then fail on every rank at that call (as MPI's errors end all processes), or others wait for ever for
 * a rank that has left.
 */
typedef int (*clmp_allreduce_fn)(void *user, uint64_t *sums, size_t count);

typedef struct clmp_ranks {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_allreduce_fn allreduce;
    void *user;    /* handed to `allreduce`; must live as long as the plan */
    uint32_t rank; /* this one, below size */
    uint32_t size; /* number of ranks: 1 to 65536 */
} clmp_ranks;

/* As clmp_ranks_init(), for a struct of `size` bytes. */
CLMP_API void clmp_ranks_init_sized(clmp_ranks *ranks, size_t size);

/* Sets allreduce and user to NULL, rank and size to 0: they are to be set. */
static inline void clmp_ranks_init(clmp_ranks *ranks) {
    clmp_ranks_init_sized(ranks, sizeof *ranks);
}

/*
 * Ranks within a process: one thread for each, with a plan, and as a rule a device, of its own.  The group sums in the
 * threads that call, in a fixed place of memory: nothing of it is allocated by a step.
 */
typedef struct clmp_local_ranks clmp_local_ranks;

/* A group of `size` ranks, to be destroyed with clmp_local_ranks_destroy().  Errors: INVALID_ARGUMENT (a size that is
 * not 1 to 65536, NULL), OUT_OF_MEMORY. */
CLMP_API clmp_status clmp_local_ranks_create(uint32_t size, clmp_local_ranks **group);

/* Sets `ranks`, which is initialised, to rank `rank` of the group: for one plan at a time.  Thread-safe.  Errors:
 * INVALID_ARGUMENT. */
CLMP_API clmp_status clmp_local_ranks_get(clmp_local_ranks *group, uint32_t rank, clmp_ranks *ranks);

/*
 * For a rank that cannot go on (its images could not be read; its thread ends): whatever waits for it, and every later
 * call of a plan with this group, fails.  Thread-safe.
 */
CLMP_API void clmp_local_ranks_abort(clmp_local_ranks *group);

/* Releases a group that no call uses, and that no plan will use.  NULL is allowed. */
CLMP_API void clmp_local_ranks_destroy(clmp_local_ranks *group);

/* ------------------------------------------------------------------------------------------------------------ plan */

typedef struct clmp_plan clmp_plan;

typedef enum clmp_input {
    CLMP_INPUT_LOGITS = 0, /* per-pixel softmax cross-entropy from logits and labels */
    CLMP_INPUT_LOSSES = 1, /* bring your own loss: per-pixel losses from the caller */
    CLMP_INPUT_LABELS = 2  /* labels alone, to be counted: clmp_enqueue_label_counts(); of the other parameters only
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

/* Of logits and gradients, slowest index first. */
typedef enum clmp_layout {
    CLMP_LAYOUT_NCHW = 0,
    CLMP_LAYOUT_NHWC = 1 /* a pixel's classes lie side by side */
} clmp_layout;

/*
 * The loss l of a pixel from its logits x and its label y; p the softmax of x, w the class weights (1 without), e
 * label_smoothing, g focal_gamma, a focal_alpha.  docs/algorithm.md, 13, has accuracies and gradients.
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
 * A pool of binary losses has all channels, and `pixels` of results are pixels of channels.  Binary losses and label
 * smoothing are not for interpolated logits.
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
    CLMP_SOLVER_SEARCH = 0, /* integer histograms corner the threshold in three rounds */
    CLMP_SOLVER_SORT = 1    /* the paper's way: sort, then scan; the same bits, slower */
} clmp_solver;

/*
 * How the losses l_u of the n valid pixels become one number, L = sum of w_u l_u, and where the gradient goes.
 * Whichever is chosen, the same pixels are left out, and are counted in the same way.  docs/algorithm.md, 12, has the
 * equations.
 *
 * UNIFORM   w = 1/n, the mean: what is done without loss max-pooling, bit for bit p = infinity.  alpha is 0.
 *
 * TOPK      the m hardest pixels, w = 1/m: p = 1, with m = max(1, support n) or, where topk_count is not 0,
 *           m = min(topk_count, n).  Ties at the threshold share what is left of m.
 *
 * OHEM      online hard example mining, as mmsegmentation's OHEMPixelSampler: pixels whose label has a probability
 *           below max(ohem_thresh, the (k+1)-th smallest one) are kept, k = ohem_min_kept times the images of the pool;
 *           where there are no more than k valid pixels, all are.  Strictly below: ties at the threshold are not kept.
 *           The probability is exp(-l), so losses that the caller brings are taken as minus its logarithm; with class
 *           weights it is that before they are applied, and focal losses and label smoothing are refused.  L is the
 *           mean of the losses kept (mmsegmentation divides by all pixels, ignored ones too); 0 if none is.  alpha is
 *           the threshold, as a loss.  A. Shrivastava, A. Gupta, R. Girshick, "Training Region-based Object Detectors
 *           with Online Hard Example Mining", CVPR 2016.
 *
 * BALANCED  class-balanced sampling of pixels, with replacement only where a class has too few: a pixel of a class with
 *           n_c pixels is drawn r times, r = floor(Q/n_c), and once more with probability Q/n_c - floor(Q/n_c), at most
 *           2^24 - 1 times; the quota Q is `sampling`'s.  w = r / R, R the sum of all r: the mean of what was drawn.
 *           The chance comes from Philox4x32-10, of (seed; step, index of the pixel in the batch): same inputs, same
 *           seed and step, same bits.  alpha is 0, tau the largest weight that a pixel may get.  Needs labels.
 *           H. He, E. A. Garcia, "Learning from Imbalanced Data", IEEE TKDE 21(9), 2009 (over- and under-sampling).
 *
 * `support` of the result counts the pixels at full weight; of BALANCED, those that were drawn.
 */
typedef enum clmp_weighting {
    CLMP_WEIGHTING_LMP = 0, /* loss max-pooling, with p and support */
    CLMP_WEIGHTING_UNIFORM = 1,
    CLMP_WEIGHTING_TOPK = 2,
    CLMP_WEIGHTING_OHEM = 3,
    CLMP_WEIGHTING_BALANCED = 4
} clmp_weighting;

/* The number of draws Q that each class present in a pool can expect.  K: classes present. */
typedef enum clmp_sampling {
    CLMP_SAMPLING_EVEN = 0,  /* Q = n / K: as many draws as there are pixels */
    CLMP_SAMPLING_UNDER = 1, /* Q = n_c of the rarest class: no pixel is drawn twice */
    CLMP_SAMPLING_OVER = 2   /* Q = n_c of the largest class: every pixel is drawn */
} clmp_sampling;

/*
 * What a mean of losses with class weights is divided by: with the loss h of a pixel and the weight c of its class, and
 * s = 1 (where the weighting takes the pixel: uniform, topk, ohem), or how often it was drawn (balanced),
 *
 * COUNT     L = sum of s c h / sum of s: by how many there are
 * WEIGHTS   L = sum of s c h / sum of s c: by what they weigh, as PyTorch's cross_entropy(weight=...,
 * reduction='mean'). 0 where that sum is.  A focal loss's alpha is none of these weights; those of binary losses are
 * their channels'.  Not with LMP, whose L is a maximum over weights w of the pixels, and no mean.
 *
 * Without class weights, and with losses that the caller brings, they are the same.
 */
typedef enum clmp_normalise { CLMP_NORMALISE_COUNT = 0, CLMP_NORMALISE_WEIGHTS = 1 } clmp_normalise;

/*
 * How the kernels are cut up for a device.  Results do not depend on it, bit for bit.  0 means: the environment's
 * CLMP_TUNING ("group_size=128,chunks=64"), else the library's table of devices (host/plan/tuning.c).
 */
typedef struct clmp_tuning {
    uint32_t vector_width; /* pixels that a work-item holds in one vector: 1, 2, 4, 8 or 16 */
    uint32_t group_size;   /* work-items of a work-group: a power of two, at most what the device allows */
    uint32_t bin_group;    /* work-items that fill bins together: as group_size; 1 needs no atomics */
    uint32_t chunks;       /* work-groups that share one pool's pixels in filling bins or sorting: 1 to 65536 */
    uint32_t bin_sets;     /* sets of bins that these share, by atomics if they are fewer: 1 to chunks */
    uint32_t bin_memory;   /* 1: bins in global memory only; 2: each work-group's own in local memory, 32 KiB */
    uint32_t streaming;    /* 1: gradients are written through the caches; 2: past them, where the device can */
    uint32_t run;          /* vectors side by side of which a work-item makes the gradient, from 64 classes on also the
                              loss: 1 or 2 */
    uint32_t sums;         /* 1: the gradient finds each pixel's largest logit and sum again; 2: the loss leaves them in
                              the workspace, 8 bytes a pixel (not of two classes, nor with interpolation) */
    uint32_t reserved[7];  /* 0; they make 64 bytes of it */
} clmp_tuning;

typedef struct clmp_plan_params {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_input input;
    uint64_t images;        /* N */
    uint64_t classes;       /* C; unused with CLMP_INPUT_LOSSES */
    uint64_t height, width; /* H, W in pixels */
    /* h, w: the logits' own size, at most H, W, from which they are interpolated bilinearly to the labels' size, as by
     * PyTorch's interpolate(mode='bilinear'); docs/algorithm.md, section 11.  0: H, W.  Unused with
     * CLMP_INPUT_LOSSES. */
    uint64_t logits_height, logits_width;
    bool align_corners;         /* the centres of the corners' logits and pixels are one place, not their corners */
    clmp_label_type label_type; /* unused with CLMP_INPUT_LOSSES */
    int64_t ignore_index;       /* a pixel with this label is not valid; any value */
    const float *class_weights; /* host, C finite values >= 0, not all 0, copied; multiplies a pixel's loss by that of
                                   its label, of binary losses by that of its channel; a subnormal one is 0.
                                   NULL: all 1 */
    double p;                   /* the norm, in [1, inf]; INFINITY gives the plain mean */
    double support;             /* s in (0, 1]: the least share of pixels that carry the weight */
    clmp_scope scope;
    clmp_solver solver; /* unused with CLMP_WEIGHTING_BALANCED, which has no threshold */
    clmp_tuning tuning;
    clmp_weighting weighting; /* fields of other weightings are not looked at */
    uint64_t topk_count;      /* TOPK: pixels of a pool; 0: by support */
    double ohem_thresh;       /* OHEM: probability of the label, in (0, 1) */
    uint64_t ohem_min_kept;   /* OHEM: pixels of each image */
    clmp_sampling sampling;   /* BALANCED */
    uint64_t seed;            /* BALANCED */
    clmp_loss loss;           /* from here on: CLMP_INPUT_LOGITS only */
    double label_smoothing;   /* in [0, 1); not with focal losses */
    double focal_gamma;       /* 0, or from 2^-10 to 8 */
    double focal_alpha;       /* in (0, 1], of binary losses in (0, 1), or -1: none */
    clmp_float_type logits_type;
    clmp_layout logits_layout;
    uint64_t logits_row_pitch; /* bytes from a row of an image's logits, and of gradients, to the next; 0: they touch */
    clmp_normalise normalise;  /* with class weights */
    const clmp_ranks *ranks;   /* copied; NULL: the batch is this plan's alone */
} clmp_plan_params;

/* As clmp_plan_params_init(), for a struct of `size` bytes. */
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
 * Checks a problem, builds its kernels and lays out its workspace.  Retains the context.  On success `*plan` is to be
 * destroyed with clmp_plan_destroy(); on failure it is NULL and the log says which parameter had which value.
 * Errors: INVALID_ARGUMENT, SIZE_OVERFLOW, OUT_OF_MEMORY, BUILD_FAILED, OPENCL_ERROR; DEVICE_UNSUPPORTED where a kernel
 * needs larger work-groups or more local memory than the device has.
 * Limits: 1 <= C <= 2^20; N, H, W >= 1; N H W <= 2^36 pixels; all tensors below 2^63 bytes; with interpolation, h <= H
 * and w <= W, and H, W <= 2^30.
 */
CLMP_API clmp_status clmp_plan_create(clmp_context *context, const clmp_plan_params *params, clmp_plan **plan);

/* Releases a plan; work that is still enqueued completes.  NULL is allowed. */
CLMP_API void clmp_plan_destroy(clmp_plan *plan);

/* Bytes of workspace that every enqueue of this plan needs.  0 for a NULL plan. */
CLMP_API size_t clmp_plan_workspace_size(const clmp_plan *plan);

/* Number of clmp_result records that every enqueue writes: 1 for scope batch, 1 + N for scope image. */
CLMP_API size_t clmp_plan_result_count(const clmp_plan *plan);

/* The tuning in force, with the library's choices filled in. */
CLMP_API clmp_tuning clmp_plan_tuning(const clmp_plan *plan);

/* --------------------------------------------------------------------------------------------------------- enqueue */

/*
 * One record of the result buffer, 64 bytes, in the device's memory as here.  With scope image, record 0 is the total
 * (loss: the mean over images with a valid pixel; counts: sums; alpha and tau: 0 unless there is one image) and record
 * 1 + i is image i.
 */
typedef struct clmp_result {
    cl_float loss;    /* L */
    cl_float alpha;   /* the threshold: pixels with a loss above it have full weight; 0 if the p-norm bound is slack */
    cl_float tau;     /* the largest weight a pixel may have */
    cl_uint reserved; /* 0 */
    cl_ulong support; /* pixels at full weight, w = tau */
    cl_ulong valid;   /* n: pixels that take part */
    cl_ulong ignored; /* label = ignore_index */
    cl_ulong invalid_labels; /* label outside [0, C) and not ignore_index */
    cl_ulong nonfinite;      /* of a logit that is NaN or infinite, or a loss that the caller brings so, or negative;
                                finite logits and weights give a finite loss: at most the largest float */
    cl_ulong pixels;         /* valid + ignored + invalid_labels + nonfinite */
} clmp_result;

/* A place in device memory: a buffer and an offset in bytes, a multiple of the element's size (of 8 for a result, of
 * 128 for a workspace).  mem NULL: absent. */
typedef struct clmp_buffer {
    cl_mem mem;
    size_t offset;
} clmp_buffer;

/* What an enqueue reads and writes.  Each call says which it uses; those that it does not use are not looked at.
 * Outputs must not overlap anything else. */
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
    uint64_t step;            /* CLMP_WEIGHTING_BALANCED: number of the training step; another one, other draws */
    float gradient_scale;     /* upstream gradient (loss scale), finite; multiplies the gradient only */
    bool in_place;            /* gradient is the same place as logits, and overwrites them */
} clmp_buffers;

/* As clmp_buffers_init(), for a struct of `size` bytes. */
CLMP_API void clmp_buffers_init_sized(clmp_buffers *buffers, size_t size);

/* Sets everything to absent, step to 0, gradient_scale to 1, in_place to false. */
static inline void clmp_buffers_init(clmp_buffers *buffers) {
    clmp_buffers_init_sized(buffers, sizeof *buffers);
}

/*
 * The three entries.  Each enqueues one step on `queue` (in-order or out-of-order, of the plan's device and context)
 * after the `num_wait` events of `wait`, and returns without waiting.  If `event` is not NULL, it is set to an event of
 * the last command, to be released by the caller (on failure: NULL).  They allocate nothing after the first use.
 * Where an event of `wait` fails, the step's own event does, and outputs are undefined; so do steps that were enqueued
 * meanwhile and share the plan's own workspace.  The plan is as good as before: its next step makes a new workspace.
 * Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL, BUFFER_OVERLAP, OUT_OF_MEMORY, OPENCL_ERROR; the first three before
 * anything is enqueued.  After an OPENCL_ERROR part of the step may have been enqueued, and outputs are undefined.
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
 *                          theorem).
 *
 * Losses and weights are 0 where a pixel is not valid, and so is its gradient.
 *
 * Where the plan interpolates, losses, weights and results are those of the interpolated logits, which are never
 * stored; the gradient is that with respect to the logits that were given, by the interpolation's adjoint.  A logit of
 * weight 0 is not looked at; else a NaN or an infinity in it has the effect that it would have in the interpolated
 * logits.
 */
CLMP_API clmp_status clmp_enqueue_weights(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                          cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_loss(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                       cl_uint num_wait, const cl_event *wait, cl_event *event);
CLMP_API clmp_status clmp_enqueue_gradient(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                           cl_uint num_wait, const cl_event *wait, cl_event *event);

/*
 * A step in parts, for logits that are never held as a whole: what makes them (clmp/head.h, or a last layer of yours)
 * makes a run of pixels at a time, and once more for the gradient.  In this order, with the same plan, labels and
 * workspace:
 *
 * clmp_enqueue_loss_part      for every part, until each pixel was in one.  In: logits of the part, labels of the
 * batch. Out: the part's losses, in the workspace, and in `losses` if it is present. clmp_enqueue_threshold      once.
 * In: labels.  Out: losses, weights (each may be absent), result. clmp_enqueue_gradient_part  for every part again. In:
 * logits of the part, once more, and labels.  Out: their gradient, in place of them.
 *
 * They give the bits of clmp_enqueue_gradient() on all pixels, however these are cut into parts.  Each is an entry like
 * the three above; the caller orders them by their events, or by an in-order queue.  The workspace must be the
 * caller's, and nothing else may use it between the first and the last of them.  Plan with CLMP_INPUT_LOGITS and NCHW;
 * not with interpolation, nor with binary losses.
 */
typedef struct clmp_part {
    size_t struct_size; /* set by ..._init(); not to be changed */
    clmp_buffer logits; /* logits_type (C, pixels), without gaps */
    uint64_t image;     /* of the batch, below N */
    uint64_t first;     /* pixel of the image, row by row, that the part begins with */
    uint64_t pixels;    /* at least 1; first + pixels is at most H W */
} clmp_part;

/* As clmp_part_init(), for a struct of `size` bytes. */
CLMP_API void clmp_part_init_sized(clmp_part *part, size_t size);

/* Sets logits to absent, image, first and pixels to 0 (the first and the last are to be set). */
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
 * Numbers of 64 bits that label maps are counted in, for C classes; 0 before the first call, which the caller sees to:
 *     [c]       pixels of class c
 *     [C + c]   labelled pixels of the images that have class c
 *     [2 C]     pixels with ignore_index;  [2 C + 1]  pixels whose label is no class;  [2 C + 2]  images
 * A pixel is labelled where its label is a class and not ignore_index.
 */
#define CLMP_LABEL_COUNTS(classes) (2 * (classes) + 3)

/*
 * Adds the label maps of one batch to label_counts, on the device.  Plan with CLMP_INPUT_LABELS.  In: labels.  In and
 * out: label_counts, to which only one call at a time may add.  Else as the three entries above.  Counts of several
 * devices or processes may be added up.
 */
CLMP_API clmp_status clmp_enqueue_label_counts(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                               cl_uint num_wait, const cl_event *wait, cl_event *event);

/*
 * Class weights for cost-sensitive learning, from how often classes are.  n_c: pixels of class c; N: labelled pixels;
 * K: classes with any; f_c = n_c / N; g_c = n_c / (labelled pixels of the images that have class c).
 *
 * INVERSE    N / (K n_c): each class then has the same sum of weights, and the mean over the labelled pixels is 1
 * MEDIAN     median of all g / g_c, of an even number the mean of the two in the middle.  D. Eigen, R. Fergus, ICCV
 *            2015; V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet", IEEE TPAMI 2017
 * ..._SQRT   the square root of either
 * ENET       1 / ln(enet_offset + f_c).  A. Paszke et al., "ENet", arXiv 1606.02147
 * EFFECTIVE  (1 - beta) / (1 - beta^n_c), times the one factor that makes the mean over the K classes 1.  Y. Cui et
 *            al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019
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

/* As clmp_class_weights_params_init(), for a struct of `size` bytes. */
CLMP_API void clmp_class_weights_params_init_sized(clmp_class_weights_params *params, size_t size);

/* Sets the defaults: scheme inverse, enet_offset 1.02, beta 0.9999, absent 1. */
static inline void clmp_class_weights_params_init(clmp_class_weights_params *params) {
    clmp_class_weights_params_init_sized(params, sizeof *params);
}

/*
 * `label_counts` (CLMP_LABEL_COUNTS(classes) numbers, on the host) to `weights` (classes), which may go into
 * clmp_plan_params.  `params` may be NULL (defaults).  Thread-safe.  Errors: INVALID_ARGUMENT.  Weights are computed on
 * the host, so their last bit is up to its mathematical library, unlike that of what the device computes.
 */
CLMP_API clmp_status clmp_class_weights(const uint64_t *label_counts, uint64_t classes,
                                        const clmp_class_weights_params *params, float *weights);

/* --------------------------------------------------------------------------------------------------------- metrics */

/*
 * Numbers of 64 bits that predictions are counted in, for C classes; 0 before the first call:
 *     [y C + c]  labelled pixels of class y whose prediction is c
 *     [C C]      pixels with ignore_index;  [C C + 1]  pixels whose label is no class;  [C C + 2]  labelled pixels with
 *                a NaN among their logits, which have no prediction
 * The prediction is the class with the largest logit, of equal ones the lowest; infinities are numbers like others.
 * Where the plan interpolates, a pixel that a NaN or +inf reaches has no prediction, and one whose logits all are -inf
 * has none, either.  With binary losses each channel has a matrix of two classes, and class 1 is predicted where the
 * channel's logit is above 0.
 */
#define CLMP_CONFUSION(classes) ((classes) * (classes) + 3)

/*
 * Adds the predictions of one batch to the confusion matrix, on the device.  Plan with CLMP_INPUT_LOGITS, whatever its
 * weighting; its first call builds a kernel.  In: logits, labels.  In and out: confusion, to which only one call at a
 * time may add.  Else as the three entries above.
 */
CLMP_API clmp_status clmp_enqueue_confusion(clmp_plan *plan, cl_command_queue queue, const clmp_buffers *buffers,
                                            cl_uint num_wait, const cl_event *wait, cl_event *event);

/* What a confusion matrix comes to.  All are 0 where there is no pixel to count, or the library does not know them. */
typedef struct clmp_metrics {
    uint64_t pixels;       /* in the matrix */
    uint64_t correct;      /* on its diagonal */
    uint64_t present;      /* classes that a label or a prediction has */
    uint64_t labelled;     /* classes that a label has */
    double pixel_accuracy; /* correct / pixels */
    double mean_accuracy;  /* of a class: correct / labelled pixels of it; the mean over the classes that a label has */
    double mean_iou;       /* of a class: correct / (labelled or predicted pixels of it), intersection over union; the
                              mean over the classes present */
} clmp_metrics;

/* As clmp_confusion_metrics(), for metrics of `metrics_size` bytes. */
CLMP_API clmp_status clmp_confusion_metrics_sized(const uint64_t *confusion, uint64_t classes, clmp_metrics *metrics,
                                                  size_t metrics_size, double *iou, double *accuracy);

/*
 * `confusion` (CLMP_CONFUSION(classes) numbers, on the host) to `metrics`, and for each class to `iou` and `accuracy`
 * (classes each; may be NULL): NaN for a class that is not present, or that no label has.  Thread-safe.  Errors:
 * INVALID_ARGUMENT.
 */
static inline clmp_status clmp_confusion_metrics(const uint64_t *confusion, uint64_t classes, clmp_metrics *metrics,
                                                 double *iou, double *accuracy) {
    return clmp_confusion_metrics_sized(confusion, classes, metrics, sizeof *metrics, iou, accuracy);
}

#ifdef __cplusplus
}
#endif

#endif /* CLMP_CLMP_H */

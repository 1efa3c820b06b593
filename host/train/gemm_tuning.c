/* SPDX-License-Identifier: Apache-2.0 */
#include "gemm_tuning.h"

#include <clblast_c.h>

/*
 * CPUs: one work-item a work-group, which holds 32 x 8 sums in sixteen-wide registers and takes 16 steps of K at a
 * time; no local memory, which a CPU has only as memory.  Products that CLBlast would make without padding are slower
 * by their transposed loads, so none is.  PoCL 3.1, two AVX-512 cores shared with other work, products of this
 * network's shapes:
 *
 *     MWG NWG KWG KWI  VWM VWN     GFLOP/s
 *     CLBlast's own                   13.9
 *     its own, all padded             18.8
 *      32   8  16   2   16   8        28.6
 *      32   8  16   4   16   8        59.6
 *      16  16  32  16   16  16        68.3
 *      32   8  32   8   16   8        71.5
 *      32   8  16  16   16   8        72.3
 *      32   8  32  32   16   8        72.8     pads K to 32
 *      32  16  16   8   16  16        40.8     too many registers
 *
 * Of these, CPUs still make the head's; the convolutions are in direct.c.
 */
static const char *xgemm_names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
                                    "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};
static const size_t xgemm_values[] = {0, 1, 16, 16, 1, 1, 32, 1, 1, 8, 0, 0, 0, 0, 16, 8};
static const char *routine_names[] = {"XGEMM_MIN_INDIRECT_SIZE"};
static const size_t routine_values[] = {1};

void gemm_tune(cl_device_id device) {
    cl_device_type type = 0;
    if (clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL) != CL_SUCCESS ||
        (type & CL_DEVICE_TYPE_CPU) == 0)
        return;
    /* a refusal leaves CLBlast's own choice, which is as right */
    CLBlastOverrideParameters(device, "Xgemm", CLBlastPrecisionSingle, sizeof xgemm_values / sizeof *xgemm_values,
                              xgemm_names, xgemm_values);
    CLBlastOverrideParameters(device, "GemmRoutine", CLBlastPrecisionSingle, 1, routine_names, routine_values);
}

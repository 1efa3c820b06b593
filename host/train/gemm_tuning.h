/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLMP_TRAIN_GEMM_TUNING_H
#define CLMP_TRAIN_GEMM_TUNING_H

#include <CL/cl.h>

/* Tells CLBlast how to cut up products on devices that it has no tuning for; it keeps its own for all others. */
void gemm_tune(cl_device_id device);

#endif /* CLMP_TRAIN_GEMM_TUNING_H */

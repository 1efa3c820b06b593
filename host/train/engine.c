/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include "core/source.h"
#include "gemm_tuning.h"

#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

static bool good(cl_int error, const char *function, struct failure *failure) {
    return error == CL_SUCCESS || fail_with(failure, EXIT_OF_DEVICE, "%s failed (%d)", function, (int)error);
}

static const struct {
    const char *source, *name;
} kernels[TRAIN_KERNELS] = {
    [TRAIN_IM2COL] = {"convolution", "train_im2col"},
    [TRAIN_COL2IM] = {"convolution", "train_col2im"},
    [TRAIN_PLANES] = {"direct", "train_planes"},
    [TRAIN_TILES] = {"direct", "train_tiles"},
    [TRAIN_CONVOLVE] = {"direct", "train_convolve"},
    [TRAIN_WEIGHT_GRADIENT] = {"direct", "train_weight_gradient"},
    [TRAIN_NORM_SUMS] = {"normalisation", "train_norm_sums"},
    [TRAIN_NORM_STATISTICS] = {"normalisation", "train_norm_statistics"},
    [TRAIN_NORM_FORWARD] = {"normalisation", "train_norm_forward"},
    [TRAIN_NORM_FORWARD_PLANES] = {"normalisation", "train_norm_forward_planes"},
    [TRAIN_NORM_RUNNING] = {"normalisation", "train_norm_running"},
    [TRAIN_NORM_PARAMETERS] = {"normalisation", "train_norm_parameters"},
    [TRAIN_NORM_BACKWARD] = {"normalisation", "train_norm_backward"},
    [TRAIN_NORM_BACKWARD_PLANES] = {"normalisation", "train_norm_backward_planes"},
    [TRAIN_FEATURES] = {"features", "train_features"},
    [TRAIN_FEATURES_FINE] = {"features", "train_features_fine"},
    [TRAIN_FEATURES_COARSE] = {"features", "train_features_coarse"},
    [TRAIN_IMAGE] = {"pictures", "train_image"},
    [TRAIN_PREDICT] = {"pictures", "train_predict"},
    [TRAIN_ADAM] = {"adam", "train_adam"},
};

/* The first line that the device's compiler has to say. */
static void first_line(cl_program program, cl_device_id device, char *line, size_t size) {
    line[0] = '\0';
    size_t length = 0;
    if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS || length == 0)
        return;
    char *log = malloc(length);
    if (log != NULL && clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, length, log, NULL) == CL_SUCCESS)
        snprintf(line, size, "%.*s", (int)strcspn(log, "\n"), log);
    free(log);
}

static bool build(struct engine *engine, const struct clmp_source *source, struct failure *failure) {
    const cl_device_id device = clmp_context_device(engine->session.context);
    char options[64], line[256];
    cl_int error = CL_SUCCESS;
    cl_program program = clCreateProgramWithSource(clmp_context_cl(engine->session.context), 1,
                                                   (const char *[]){source->text}, &source->length, &error);
    if (!good(error, "clCreateProgramWithSource", failure))
        return false;
    snprintf(options, sizeof options, "-cl-std=CL1.2 -w -DTRAIN_GROUP=%zu", engine->group);
    error = clBuildProgram(program, 1, &device, options, NULL, NULL);
    if (error != CL_SUCCESS) {
        first_line(program, device, line, sizeof line);
        fail_with(failure, EXIT_OF_DEVICE, "the device's compiler refused %s.cl (%d): %s", source->name, (int)error,
                  line);
    }
    for (int i = 0; i < TRAIN_KERNELS && error == CL_SUCCESS; ++i)
        if (strcmp(kernels[i].source, source->name) == 0) {
            engine->kernels[i] = clCreateKernel(program, kernels[i].name, &error);
            good(error, "clCreateKernel", failure);
        }
    clReleaseProgram(program);
    return error == CL_SUCCESS;
}

bool engine_open(struct engine *engine, const char *device, struct failure *failure) {
    *engine = (struct engine){.group = 64};
    if (!session_open(&engine->session, device, failure))
        return false;
    const cl_device_id opened = clmp_context_device(engine->session.context);
    size_t most = 0;
    cl_device_type type = 0;
    if (!good(clGetDeviceInfo(opened, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most, NULL), "clGetDeviceInfo",
              failure) ||
        !good(clGetDeviceInfo(opened, CL_DEVICE_TYPE, sizeof type, &type, NULL), "clGetDeviceInfo", failure))
        return false;
    engine->direct = (type & CL_DEVICE_TYPE_CPU) != 0;
    if (engine->direct)
        engine->group = 4; /* a CPU runs them one after the other: 64 would each take a vector here and there */
    if (most < engine->group)
        engine->group = most;
    gemm_tune(opened);
    for (const struct clmp_source *source = train_sources; source->name != NULL; ++source)
        if (!build(engine, source, failure))
            return false;
    return true;
}

void engine_close(struct engine *engine) {
    if (engine->session.queue != NULL)
        clFinish(engine->session.queue); /* after a failure something may still run */
    for (int i = 0; i < TRAIN_KERNELS; ++i)
        if (engine->kernels[i] != NULL)
            clReleaseKernel(engine->kernels[i]);
    if (engine->session.context != NULL)
        CLBlastClearCache(); /* else it keeps the context */
    session_close(&engine->session);
}

bool engine_launch(struct engine *engine, enum train_kernel kernel, const struct argument *arguments, size_t count,
                   size_t x, size_t y, size_t local, struct failure *failure) {
    for (size_t i = 0; i < count; ++i)
        if (!good(clSetKernelArg(engine->kernels[kernel], (cl_uint)i, arguments[i].size, &arguments[i].value),
                  kernels[kernel].name, failure))
            return false;
    const size_t global[2] = {x, y}, locals[2] = {local, 1};
    return good(clEnqueueNDRangeKernel(engine->session.queue, engine->kernels[kernel], 2, NULL, global,
                                       local != 0 ? locals : NULL, 0, NULL, NULL),
                kernels[kernel].name, failure);
}

bool engine_multiply(struct engine *engine, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, float beta,
                     struct matrix c, struct failure *failure) {
    const CLBlastStatusCode code =
        CLBlastSgemm(CLBlastLayoutRowMajor, a.transposed ? CLBlastTransposeYes : CLBlastTransposeNo,
                     b.transposed ? CLBlastTransposeYes : CLBlastTransposeNo, m, n, k, 1.0f, a.mem, a.at, a.columns,
                     b.mem, b.at, b.columns, beta, c.mem, c.at, c.columns, &engine->session.queue, NULL);
    return good((cl_int)code, "CLBlastSgemm", failure);
}

bool engine_floats(struct engine *engine, const char *what, const float *values, size_t count, cl_mem *buffer,
                   struct failure *failure) {
    return session_buffer(&engine->session, what, values, (uint64_t)count * sizeof(float), buffer, failure);
}

bool engine_read(struct engine *engine, cl_mem buffer, size_t at, size_t size, void *bytes, struct failure *failure) {
    return good(clEnqueueReadBuffer(engine->session.queue, buffer, CL_TRUE, at, size, bytes, 0, NULL, NULL),
                "clEnqueueReadBuffer", failure);
}

bool engine_write(struct engine *engine, cl_mem buffer, size_t at, size_t size, const void *bytes,
                  struct failure *failure) {
    return good(clEnqueueWriteBuffer(engine->session.queue, buffer, CL_TRUE, at, size, bytes, 0, NULL, NULL),
                "clEnqueueWriteBuffer", failure);
}

bool engine_zero(struct engine *engine, cl_mem buffer, size_t size, struct failure *failure) {
    const cl_uint zero = 0;
    return good(clEnqueueFillBuffer(engine->session.queue, buffer, &zero, sizeof zero, 0, size, 0, NULL, NULL),
                "clEnqueueFillBuffer", failure);
}

bool engine_finish(struct engine *engine, struct failure *failure) {
    return good(clFinish(engine->session.queue), "clFinish", failure);
}

void engine_release(cl_mem *buffers, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        if (buffers[i] != NULL)
            clReleaseMemObject(buffers[i]);
        buffers[i] = NULL;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw() */

#include "bench_startup.h"

#include "bench_cases.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct startup {
    double context_ms, plan_ms, step_ms;
};

static enum bench_status first_step(clmp_context *context, clmp_plan *plan, const bench_case *of) {
    cl_context cl = clmp_context_cl(context);
    cl_int error = CL_SUCCESS;
    const size_t plane = (size_t)bench_case_pixels(of), logits = plane * (size_t)of->classes * sizeof(float);
    cl_command_queue queue = clCreateCommandQueue(cl, clmp_context_device(context), 0, &error);
    if (error != CL_SUCCESS)
        return bench_fail(BENCH_DEVICE_FAILED, "no queue for the start-up");
    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, logits, NULL, NULL);
    buffers.gradient.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, logits, NULL, NULL);
    buffers.labels.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, plane, NULL, NULL);
    buffers.result.mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof(clmp_result), NULL, NULL);
    const clmp_status status = clmp_enqueue_gradient(plan, queue, &buffers, 0, NULL, NULL);
    error = clFinish(queue);
    const cl_mem made[] = {buffers.logits.mem, buffers.gradient.mem, buffers.labels.mem, buffers.result.mem};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; ++i)
        if (made[i] != NULL)
            clReleaseMemObject(made[i]);
    clReleaseCommandQueue(queue);
    if (status != CLMP_OK || error != CL_SUCCESS)
        return bench_fail(BENCH_DEVICE_FAILED, "the first step failed: %s", clmp_status_text(status));
    return BENCH_OK;
}

enum bench_status bench_startup_child(const char *device) {
    const bench_case *of = bench_case_find("small");
    clmp_context_params context_params;
    clmp_context_params_init(&context_params);
    context_params.log = bench_log;
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.images = of->images;
    params.classes = of->classes;
    params.height = of->height;
    params.width = of->width;
    clmp_context *context = NULL;
    clmp_plan *plan = NULL;
    const double begin = bench_now();
    if (clmp_context_open(device, &context_params, &context) != CLMP_OK)
        return BENCH_DEVICE_FAILED;
    const double made = bench_now();
    enum bench_status status = clmp_plan_create(context, &params, &plan) == CLMP_OK ? BENCH_OK : BENCH_DEVICE_FAILED;
    const double planned = bench_now();
    if (status == BENCH_OK)
        status = first_step(context, plan, of);
    if (status == BENCH_OK)
        printf("%.3f %.3f %.3f\n", made - begin, planned - made, bench_now() - planned);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    return status;
}

/* Runs the child, and reads its line. */
static bool run_child(const char *device, const char *folder, struct startup *startup) {
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        /* the library's cache, as it is by default, and those of PoCL, Mesa and Nvidia's runtime */
        (void)unsetenv("CLMP_CACHE_DIR");
        static const char *const variables[] = {"XDG_CACHE_HOME", "POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR",
                                                "CUDA_CACHE_PATH"};
        for (size_t i = 0; i < sizeof variables / sizeof variables[0]; ++i) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s", folder, variables[i]);
            if (setenv(variables[i], path, 1) != 0)
                _exit(1);
        }
        execl("/proc/self/exe", "clmp-bench", "--startup-child", "--device", device, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    char line[128] = "";
    FILE *from = fdopen(ends[0], "r");
    const bool read = from != NULL && fgets(line, sizeof line, from) != NULL;
    if (from != NULL)
        fclose(from);
    else
        close(ends[0]);
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return child > 0 && status == 0 && read &&
           sscanf(line, "%lf %lf %lf", &startup->context_ms, &startup->plan_ms, &startup->step_ms) == 3;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

enum bench_status bench_startup(const clmp_device_info *info, size_t number, bench_records *records) {
    char folder[] = "/tmp/clmp-bench-XXXXXX", device[32];
    snprintf(device, sizeof device, "#%zu", number); /* others may have its name */
    if (mkdtemp(folder) == NULL)
        return bench_fail(BENCH_DEVICE_FAILED, "no folder for the caches of the start-up: %s", strerror(errno));
    static const char *const names[] = {"cold", "warm"};
    enum bench_status status = BENCH_OK;
    for (int i = 0; i < 2 && status == BENCH_OK; ++i) {
        struct startup startup = {0.0, 0.0, 0.0};
        bench_progress("start-up, %s caches", names[i]);
        if (!run_child(device, folder, &startup)) {
            status = bench_fail(BENCH_DEVICE_FAILED, "the start-up could not be measured on %s", info->name);
            break;
        }
        bench_progress("%s", "");
        const double both = startup.context_ms + startup.plan_ms;
        printf("%s%s caches: context and plan %.0f ms, first step %.0f ms", i == 0 ? "  start-up, " : "; ", names[i],
               both, startup.step_ms);
        const bench_record record = {.device = *info,
                                     .of = *bench_case_find("small"),
                                     .solver = "search",
                                     .stage = "plan",
                                     .plan = names[i],
                                     .ms = {both, both, both},
                                     .wall_ms = both,
                                     .context_ms = startup.context_ms,
                                     .first_call_ms = startup.step_ms,
                                     .repeat = 1,
                                     .batch = 1};
        if (!bench_records_add(records, &record))
            status = bench_fail(BENCH_DEVICE_FAILED, "no memory for records");
    }
    puts("");
    fflush(stdout);
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return status;
}

// C++17: objects that release themselves, and errors that are exceptions.  Everything above main() is yours to copy.
//
// SPDX-License-Identifier: Apache-2.0
//
// It prints:
//     L = 0.385874
//     -0.0001 -0.0011 -0.0000 -0.0001 -0.0011 -0.0001 -0.0120 -0.2065
#include <clmp/clmp.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

template <auto release> struct Releaser {
    template <typename T> void operator()(T *object) const {
        release(object);
    }
};
template <typename T, auto release> using Handle = std::unique_ptr<std::remove_pointer_t<T>, Releaser<release>>;

using Context = Handle<clmp_context *, clmp_context_destroy>;
using Plan = Handle<clmp_plan *, clmp_plan_destroy>;
using Queue = Handle<cl_command_queue, clReleaseCommandQueue>;
using Memory = Handle<cl_mem, clReleaseMemObject>;

static void check(clmp_status status) {
    if (status != CLMP_OK)
        throw std::runtime_error(clmp_status_text(status));
}

static void check_cl(cl_int error, const char *what) {
    if (error != CL_SUCCESS)
        throw std::runtime_error(std::string(what) + ": OpenCL error " + std::to_string(error));
}

static Context open_context(const char *device = nullptr) {
    clmp_context *context = nullptr;
    check(clmp_context_open(device, nullptr, &context));
    return Context(context);
}

static Plan make_plan(const Context &context, const clmp_plan_params &params) {
    clmp_plan *plan = nullptr;
    check(clmp_plan_create(context.get(), &params, &plan));
    return Plan(plan);
}

static Queue make_queue(const Context &context) {
    cl_int error = CL_SUCCESS;
    Queue queue(clCreateCommandQueue(clmp_context_cl(context.get()), clmp_context_device(context.get()), 0, &error));
    check_cl(error, "clCreateCommandQueue");
    return queue;
}

template <typename T> Memory make_buffer(const Context &context, std::vector<T> &values) {
    cl_int error = CL_SUCCESS;
    Memory memory(clCreateBuffer(clmp_context_cl(context.get()), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                 values.size() * sizeof(T), values.data(), &error));
    check_cl(error, "clCreateBuffer");
    return memory;
}

template <typename T> void read(const Queue &queue, const Memory &memory, std::vector<T> &values) {
    check_cl(clEnqueueReadBuffer(queue.get(), memory.get(), CL_TRUE, 0, values.size() * sizeof(T), values.data(), 0,
                                 nullptr, nullptr),
             "clEnqueueReadBuffer");
}

int main() try {
    std::vector<float> logits = {5, 4, 6, 5, 4, 5, 3, 1, 0, 0, 0, 0, 0, 0, 0, 2}; // (C, H, W) = (2, 1, 8)
    std::vector<std::uint8_t> labels(8, 0);
    std::vector<float> gradient(logits.size());
    std::vector<clmp_result> result(1);

    clmp_plan_params params;
    clmp_plan_params_init(&params);
    params.classes = 2;
    params.height = 1;
    params.width = 8;
    const Context context = open_context();
    const Plan plan = make_plan(context, params);
    const Queue queue = make_queue(context);
    const Memory logits_memory = make_buffer(context, logits);
    const Memory labels_memory = make_buffer(context, labels);
    const Memory gradient_memory = make_buffer(context, gradient);
    const Memory result_memory = make_buffer(context, result);

    clmp_buffers buffers;
    clmp_buffers_init(&buffers);
    buffers.logits.mem = logits_memory.get();
    buffers.labels.mem = labels_memory.get();
    buffers.gradient.mem = gradient_memory.get();
    buffers.result.mem = result_memory.get();
    check(clmp_enqueue_gradient(plan.get(), queue.get(), &buffers, 0, nullptr, nullptr));
    read(queue, gradient_memory, gradient);
    read(queue, result_memory, result);
    std::printf("L = %g\n", result[0].loss);
    for (int u = 0; u < 8; ++u)
        std::printf("%+.4f%c", gradient[u], u < 7 ? ' ' : '\n');
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

/* A device that is less than it is: see faults.h.  SPDX-License-Identifier: Apache-2.0 */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "faults.h"

#include "fault_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fault_limits limits;

/* Buffers that count against limits.memory. */
enum { MOST_BUFFERS = 256 };
static struct {
    cl_mem mem;
    size_t size;
} buffers[MOST_BUFFERS];
static size_t buffer_count, allocated, needed;

void fault_limit(const struct fault_limits *now) {
    limits = now != NULL ? *now : (struct fault_limits){.group = 0};
    buffer_count = allocated = needed = 0;
}

size_t fault_allocated(void) {
    return allocated;
}

size_t fault_needed(void) {
    return needed;
}

/* "group=64,bare=1", "opencl=11": for programs that are not written for it. */
static __attribute__((constructor)) void read_environment(void) {
    const char *text = getenv("CLMP_TEST_LIMITS");
    unsigned long group = 0, kernel_group = 0, local = 0;
    char name[16];
    unsigned long value = 0;
    int used = 0;
    for (; text != NULL && *text != '\0'; text += used + (text[used] == ',')) {
        if (sscanf(text, "%15[a-z_]=%lu%n", name, &value, &used) != 2) {
            fprintf(stderr, "CLMP_TEST_LIMITS: '%s' is no name=number\n", text);
            exit(EXIT_FAILURE);
        }
        group = strcmp(name, "group") == 0 ? value : group;
        kernel_group = strcmp(name, "kernel_group") == 0 ? value : kernel_group;
        local = strcmp(name, "local_memory") == 0 ? value : local;
        limits.bare = limits.bare || strcmp(name, "bare") == 0;
        limits.gpu = limits.gpu || strcmp(name, "gpu") == 0;
        limits.no_compiler = limits.no_compiler || strcmp(name, "no_compiler") == 0;
        limits.long_texts = limits.long_texts || strcmp(name, "long_texts") == 0;
        if (strcmp(name, "opencl") == 0)
            limits.version = value == 11 ? "OpenCL 1.1 limited" : "OpenCL 1.2 CUDA";
    }
    limits.group = group;
    limits.kernel_group = kernel_group;
    limits.local_memory = local;
}

/* ------------------------------------------------------------------------------------------------------------ answers
 */

static cl_int answer(const void *own, size_t own_size, size_t size, void *value, size_t *used) {
    if (used != NULL)
        *used = own_size;
    if (value != NULL && size < own_size)
        return CL_INVALID_VALUE;
    if (value != NULL)
        memcpy(value, own, own_size);
    return CL_SUCCESS;
}

/* A text of 8 KiB, as long as no program expects. */
static const char *long_text(const char *start) {
    enum { LENGTH = 8192 };
    static char text[LENGTH + 1];
    memset(text, 'x', LENGTH);
    memcpy(text, start, strlen(start));
    return text;
}

static cl_int answer_text(const char *text, size_t size, void *value, size_t *used) {
    return answer(text, strlen(text) + 1, size, value, used);
}

bool limit_platform_info(cl_platform_info what, size_t size, void *value, size_t *used, cl_int *status) {
    if (!limits.long_texts || (what != CL_PLATFORM_NAME && what != CL_PLATFORM_VERSION))
        return false;
    *status = answer_text(long_text(what == CL_PLATFORM_NAME ? "A platform " : "OpenCL 1.2 "), size, value, used);
    return true;
}

bool limit_device_info(cl_device_info what, size_t size, void *value, size_t *used, cl_int *status) {
    static const char no_extensions[] = "cl_khr_global_int32_base_atomics cl_khr_local_int32_base_atomics";
    const size_t groups[3] = {limits.group, limits.group, limits.group};
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    const cl_ulong memory = limits.memory;
    const cl_device_fp_config none = 0;
    const cl_bool no = CL_FALSE;
    switch (what) {
    case CL_DEVICE_NAME:
        if (limits.name != NULL) {
            *status = answer_text(limits.name, size, value, used);
            return true;
        }
        /* fall through */
    case CL_DEVICE_VENDOR:
    case CL_DRIVER_VERSION:
        if (limits.long_texts)
            *status = answer_text(long_text("A device "), size, value, used);
        return limits.long_texts;
    case CL_DEVICE_VERSION:
        if (limits.long_texts) {
            *status = answer_text(long_text("OpenCL 1.2 "), size, value, used);
            return true;
        }
        *status = limits.version != NULL ? answer(limits.version, strlen(limits.version) + 1, size, value, used) : 0;
        return limits.version != NULL;
    case CL_DEVICE_COMPILER_AVAILABLE:
        *status = answer(&no, sizeof no, size, value, used);
        return limits.no_compiler;
    case CL_DEVICE_MAX_WORK_GROUP_SIZE:
        *status = answer(groups, sizeof groups[0], size, value, used);
        return limits.group != 0;
    case CL_DEVICE_MAX_WORK_ITEM_SIZES:
        *status = answer(groups, sizeof groups, size, value, used);
        return limits.group != 0;
    case CL_DEVICE_LOCAL_MEM_SIZE:
        *status = answer(&limits.local_memory, sizeof limits.local_memory, size, value, used);
        return limits.local_memory != 0;
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        *status = answer(&memory, sizeof memory, size, value, used);
        return memory != 0;
    case CL_DEVICE_TYPE:
        *status = answer(&gpu, sizeof gpu, size, value, used);
        return limits.gpu;
    case CL_DEVICE_EXTENSIONS:
        if (limits.long_texts) {
            *status = answer_text(long_text("cl_khr_global_int32_base_atomics "), size, value, used);
            return true;
        }
        *status = answer(no_extensions, sizeof no_extensions, size, value, used);
        return limits.bare;
    case CL_DEVICE_DOUBLE_FP_CONFIG:
        *status = answer(&none, sizeof none, size, value, used);
        return limits.bare;
    default:
        return false;
    }
}

/* Of work-groups, for any kernel; 0: none. */
static size_t most_items(void) {
    const size_t both = limits.group < limits.kernel_group ? limits.group : limits.kernel_group;
    return limits.group == 0 || limits.kernel_group == 0 ? limits.group + limits.kernel_group : both;
}

void limit_kernel_info(cl_kernel_work_group_info what, size_t size, void *value) {
    const size_t most = most_items();
    size_t group = 0;
    if (what != CL_KERNEL_WORK_GROUP_SIZE || value == NULL || size < sizeof group || most == 0)
        return;
    memcpy(&group, value, sizeof group);
    if (group > most)
        memcpy(value, &most, sizeof most);
}

cl_int limit_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *local) {
    size_t items = 1;
    for (cl_uint i = 0; i < dimensions && local != NULL; i++)
        items *= local[i];
    if (most_items() != 0 && items > most_items())
        return CL_INVALID_WORK_GROUP_SIZE;
    cl_device_id device = NULL;
    cl_ulong memory = 0;
    if (limits.local_memory != 0 &&
        (clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(cl_device_id), &device, NULL) != CL_SUCCESS ||
         clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof memory, &memory, NULL) !=
             CL_SUCCESS ||
         memory > limits.local_memory))
        return CL_OUT_OF_RESOURCES;
    return CL_SUCCESS;
}

/* What a device without extensions does not know, nobody may name: not by macros of these names, which NVIDIA's
 * compiler refuses whether or not they are used.  Of fp16 there is `half *` alone. */
static bool is_forbidden(const char *word, size_t length, const char *after) {
    static const char *const words[] = {
        "double",   "double2",  "double3",  "double4",      "double8",  "double16", /* fp64 */
        "half2",    "half3",    "half4",    "half8",        "half16",               /* fp16 */
        "atom_add", "atom_sub", "atom_inc", "atom_dec",     "atom_and", "atom_or",
        "atom_xor", "atom_max", "atom_min", "atom_cmpxchg", "atom_xchg"};
    while (*after == ' ')
        ++after;
    if (length == 4 && strncmp(word, "half", 4) == 0)
        return *after != '*';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && strncmp(word, words[i], length) == 0)
            return true;
    return false;
}

static bool in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* What follows `#ifdef cl_khr_...`, up to its #else or #endif: it is not there on such a device.  NULL: no such line.
 */
static const char *behind_extension(const char *at) {
    static const char begin[] = "#ifdef cl_khr_";
    if (strncmp(at, begin, sizeof begin - 1) != 0)
        return NULL;
    const char *other = strstr(at, "#else"), *end = strstr(at, "#endif");
    return other != NULL && (end == NULL || other < end) ? other + 1 : end != NULL ? end + 1 : at + strlen(at);
}

const char *limit_prelude(const char *text, size_t length) {
#define LESS                                                                                                           \
    "#undef cl_khr_fp64\n"                                                                                             \
    "#undef cl_khr_fp16\n"                                                                                             \
    "#undef cl_khr_int64_base_atomics\n"                                                                               \
    "#undef cl_khr_int64_extended_atomics\n"
    if (!limits.bare)
        return "";
    char *own = calloc(length + 1, 1); /* a 0 ends it */
    if (own == NULL)
        abort();
    memcpy(own, text, length);
    bool forbidden = false;
    for (const char *at = own; *at != '\0' && !forbidden;) {
        const char *comment = at[0] != '/' ? NULL : at[1] == '*' ? strstr(at + 2, "*/") : NULL;
        const char *behind = behind_extension(at);
        if (behind != NULL) {
            at = behind;
        } else if (comment != NULL) {
            at = comment + 2;
        } else if (at[0] == '/' && at[1] == '/') {
            at += strcspn(at, "\n");
        } else if (in_word(*at)) {
            size_t word = 1;
            while (in_word(at[word]))
                ++word;
            forbidden = is_forbidden(at, word, at + word);
            at += word;
        } else {
            ++at;
        }
    }
    free(own);
    return forbidden ? LESS "#error a name that a device without extensions does not have\n" : LESS;
#undef LESS
}

/* ------------------------------------------------------------------------------------------------------------- memory
 */

cl_int limit_buffer(size_t size) {
    if (limits.memory == 0 || size <= limits.memory - allocated)
        return CL_SUCCESS;
    needed = allocated + size;
    return size > limits.memory ? CL_INVALID_BUFFER_SIZE : CL_MEM_OBJECT_ALLOCATION_FAILURE;
}

void limit_buffer_made(cl_mem mem, size_t size) {
    if (limits.memory == 0)
        return;
    if (buffer_count == MOST_BUFFERS)
        abort();
    buffers[buffer_count].mem = mem;
    buffers[buffer_count++].size = size;
    allocated += size;
}

void limit_buffer_released(cl_mem mem) {
    for (size_t i = 0; i < buffer_count; i++)
        if (buffers[i].mem == mem) {
            allocated -= buffers[i].size;
            buffers[i] = buffers[--buffer_count];
            return;
        }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "numbers.h"
#include "report.h"
#include "session.h"

#include "core/choice.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *type_name(cl_device_type type) {
    return (type & CL_DEVICE_TYPE_GPU) != 0           ? "GPU"
           : (type & CL_DEVICE_TYPE_CPU) != 0         ? "CPU"
           : (type & CL_DEVICE_TYPE_ACCELERATOR) != 0 ? "accelerator"
                                                      : "other";
}

static json_t *json_device(const clmp_device_info *info, size_t number) {
    return json_pack("{s:I, s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:b, s:s?}", "number", (json_int_t)number, "name",
                     report_name(info->name), "platform", report_name(info->platform_name), "type",
                     type_name(info->type), "version", report_name(info->version), "driver", report_name(info->driver),
                     "compute_units", (json_int_t)info->compute_units, "global_memory", (json_int_t)info->global_memory,
                     "max_alloc", (json_int_t)info->max_alloc, "supported", info->supported == CL_TRUE, "lacks",
                     info->lacks);
}

static bool print_json(const clmp_device_info *infos, size_t count, const char *wanted, struct failure *failure) {
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; i < count; ++i)
        if (clmp_device_is_meant(infos, count, i, wanted))
            good = json_array_append_new(list, json_device(&infos[i], i)) == 0 && good;
    if (!good) {
        json_decref(list);
        return report_json(NULL, failure);
    }
    return report_json(json_pack("{s:o}", "devices", list), failure);
}

static bool print_listing(const clmp_device_info *infos, size_t count, const char *wanted, struct failure *failure) {
    const double mib = 1024.0 * 1024.0;
    for (size_t i = 0; i < count; ++i) {
        const clmp_device_info *info = &infos[i];
        if (!clmp_device_is_meant(infos, count, i, wanted))
            continue;
        printf("#%zu %s\n", i, info->name);
        printf("  platform       %s\n", info->platform_name);
        printf("  type           %s, %u compute unit%s\n", type_name(info->type), (unsigned)info->compute_units,
               plural_s(info->compute_units));
        printf("  memory         %.0f MiB, %.0f MiB in one buffer\n", (double)info->global_memory / mib,
               (double)info->max_alloc / mib);
        printf("  version        %s, driver %s\n", info->version, info->driver);
        printf("  supported      %s%s\n", info->supported ? "yes" : "no, it lacks ",
               info->supported ? "" : info->lacks);
    }
    return report_flush(failure);
}

bool command_devices(const struct options *options, struct failure *failure) {
    clmp_device_info *infos = NULL;
    size_t count = 0, matches = 0;
    if (!session_devices(&infos, &count, failure))
        return false;
    for (size_t i = 0; i < count; ++i)
        matches += clmp_device_is_meant(infos, count, i, options->device);
    const bool good = matches == 0    ? session_no_match(infos, count, options->device, failure)
                      : options->json ? print_json(infos, count, options->device, failure)
                                      : print_listing(infos, count, options->device, failure);
    free(infos);
    return good;
}

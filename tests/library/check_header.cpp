/*
 * The public header compiles alone as C++, and the library links to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "clmp/clmp.h"

#include <cstdio>
#include <cstring>

/* Counts as a program of Check does. */
int main() {
    clmp_plan_params params;
    clmp_plan_params_init(&params);
    clmp_buffers buffers{};
    clmp_buffers_init(&buffers);
    bool failed = std::strlen(clmp_version()) == 0 || params.p != 1.7 || buffers.gradient_scale != 1.0f ||
                  clmp_plan_workspace_size(nullptr) != 0;
    std::printf("%d%%: Checks: 1, Failures: %d, Errors: 0\n", failed ? 0 : 100, failed ? 1 : 0);
    return failed ? 1 : 0;
}

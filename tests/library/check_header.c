/*
 * The public header compiles alone: nothing is included before it, and it has what it needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "clmp/clmp.h"

#include "clmp/clmp.h" /* twice is once */

#include "support.h"

START_TEST(header_compiles_alone_and_the_library_links) {
    ck_assert_ptr_nonnull(clmp_version());
    ck_assert_int_eq(CL_TARGET_OPENCL_VERSION, 120);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("header");
    tcase_add_test(add_case(suite, "C", "full quick"), header_compiles_alone_and_the_library_links);
    return host_test_main(suite);
}

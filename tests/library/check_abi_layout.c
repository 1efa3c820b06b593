/*
 * Fields and enumerators of the first ABI's header are where they were: in the header, and in that of a later version.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "abi/layout.h"
#include "support.h"

#include <string.h>

static void assert_same(const struct layout_row *row, const struct layout_row *first) {
    ck_assert_str_eq(row->name, first->name);
    if (strcmp(row->name, "clmp_tuning.reserved") ==
        0) { /* new fields take from its beginning; it still ends the struct */
        ck_assert_msg(row->offset >= first->offset && row->offset + row->size == first->offset + first->size,
                      "%s is %zu of %zu bytes, in the first ABI %zu of %zu", row->name, row->offset, row->size,
                      first->offset, first->size);
        return;
    }
    ck_assert_msg(row->offset == first->offset && row->size == first->size,
                  "%s is %zu of %zu bytes, in the first ABI %zu of %zu", row->name, row->offset, row->size,
                  first->offset, first->size);
}

START_TEST(nothing_of_the_first_header_moved) {
    size_t rows = 0;
    for (; layout_first[rows].name != NULL; rows++) {
        assert_same(&layout_now[rows], &layout_first[rows]);
        assert_same(&layout_later[rows], &layout_first[rows]);
    }
    ck_assert(rows >= 100 && layout_now[rows].name == NULL && layout_later[rows].name == NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("abi layout");
    tcase_add_test(add_case(suite, "layout", "full quick"), nothing_of_the_first_header_moved);
    return host_test_main(suite);
}

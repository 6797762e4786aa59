// SPDX-License-Identifier: BSD-3-Clause
#include "chan/ids.h"

#include <criterion/criterion.h>

Test(ids, found_until_removed)
{
    struct ids ids = {0};
    int a, b;
    cr_expect_null(ids_find(&ids, 0));
    cr_expect_null(ids_find(&ids, 17));
    uint32_t first = ids_add(&ids, &a), second = ids_add(&ids, &b);
    cr_expect_neq(first, 0);
    cr_expect_neq(first, second);
    cr_expect_eq(ids_find(&ids, first), &a);
    cr_expect_eq(ids_find(&ids, second), &b);
    ids_remove(&ids, first);
    ids_remove(&ids, first);
    ids_remove(&ids, 0);
    cr_expect_null(ids_find(&ids, first));
    cr_expect_eq(ids_find(&ids, second), &b);
    ids_fini(&ids);
}

// Some stay for long, others come and go: none is found by the number of another, and none is used again soon.
Test(ids, many)
{
    enum { STAY = 1000, PASS = 20000 };
    static int things[STAY], other;
    static uint32_t stay[STAY];
    struct ids ids = {0};
    ids_add(&ids, &other);
    ids.next = UINT32_MAX - 5000; // they go around
    uint32_t before = 0;
    for (int i = 0; i < PASS; i++) {
        if (i < STAY)
            stay[i] = ids_add(&ids, &things[i]);
        uint32_t id = ids_add(&ids, &other);
        cr_assert_neq(id, 0);
        cr_assert_neq(id, before);
        cr_assert_eq(ids_find(&ids, id), &other);
        ids_remove(&ids, id);
        cr_assert_null(ids_find(&ids, id));
        before = id;
    }
    for (int i = 0; i < STAY; i++)
        cr_assert_eq(ids_find(&ids, stay[i]), &things[i]);
    ids_fini(&ids);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "pool/pool.h"

#include <criterion/criterion.h>

enum { COUNT = 5000 };

Test(pool_slab, records_are_apart_and_used_again)
{
    struct record {
        uint64_t number;
        uint8_t more[33];
    } * all[COUNT];
    struct slab *slab = slab_create(sizeof(struct record));
    for (uint64_t i = 0; i < COUNT; i++) {
        all[i] = slab_take(slab);
        cr_assert_not_null(all[i]);
        cr_expect_eq((uintptr_t)all[i] % POOL_ALIGN, 0);
        memset(all[i]->more, 0xff, sizeof all[i]->more);
        all[i]->number = i;
    }
    for (uint64_t i = 0; i < COUNT; i++)
        cr_expect_eq(all[i]->number, i);
    slab_give(slab, all[7]);
    slab_give(slab, all[9]);
    cr_expect_eq(slab_take(slab), all[7], "in the order in which they were given back");
    cr_expect_eq(slab_take(slab), all[9]);
    slab_give(slab, all[8]);
    cr_expect_eq(slab_take(slab), all[8]);
    slab_destroy(slab);
}

Test(pool_slab, records_larger_than_a_block)
{
    struct slab *slab = slab_create(1 << 20);
    uint8_t *a = slab_take(slab), *b = slab_take(slab);
    memset(a, 1, 1 << 20);
    memset(b, 2, 1 << 20);
    cr_expect_eq(a[(1 << 20) - 1], 1);
    slab_destroy(slab);
    slab_destroy(NULL);
}

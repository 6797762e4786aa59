// SPDX-License-Identifier: BSD-3-Clause
//
// Spaces: references, growth, bells.
#include "config.h"

#include "tests/unit/mem/space.h"

#include <criterion/criterion.h>

static const struct segment_kind any = {.numa = DRAGON_ANY_NUMA};

Test(space, gets_more_segments_until_the_limit)
{
    struct fake_keeper *keeper = fake_keeper_create(2, 1 << 20);
    struct space *space = fake_space(keeper, 3);
    mem_ref refs[3];
    void *data;
    cr_assert_eq(space_alloc(space, 900 << 10, any, &refs[0], &data, NULL), DRAGON_OK);
    cr_assert_eq(space_ref(space, data), refs[0]);
    cr_assert_eq(space_at(space, refs[0], 900 << 10), data);
    cr_assert_eq(space_alloc(space, 900 << 10, any, &refs[1], &data, NULL), DRAGON_OK);
    dragon_error_t error;
    cr_assert_eq(space_alloc(space, 900 << 10, any, &refs[2], &data, &error), DRAGON_ERR_FULL);
    cr_assert_eq(fake_keeper_stats(keeper, space).blocks, 2);
    cr_assert_eq(fake_keeper_recover(keeper, space, 3), 2);
    cr_assert_eq(fake_keeper_stats(keeper, space).blocks, 0);
    space_detach(space);
    fake_keeper_destroy(keeper);
}

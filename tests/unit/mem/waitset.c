// SPDX-License-Identifier: BSD-3-Clause
//
// Waitsets. That no ring is lost while others come and go is tested by tests/threads/mem.c.
#include "config.h"

#include "mem/waitset.h"

#include <criterion/criterion.h>

static struct waitset set;

static void set_up(void)
{
    memset(&set, 0xff, sizeof set);
    waitset_init(&set);
}

TestSuite(waitset, .init = set_up);

Test(waitset, nobody)
{
    cr_expect_not(waitset_any(&set));
    cr_expect_eq(waitset_take(&set), SLOT_NONE);
    cr_expect_eq(waitset_count(&set), 0);
    cr_expect_not(waitset_leave(&set, 5));
}

Test(waitset, in_and_out)
{
    waitset_enter(&set, 5);
    waitset_enter(&set, 5);
    cr_expect(waitset_any(&set));
    cr_expect_eq(waitset_count(&set), 1);
    cr_expect(waitset_leave(&set, 5));
    cr_expect_not(waitset_leave(&set, 5));
    cr_expect_eq(waitset_take(&set), SLOT_NONE);
    cr_expect_not(waitset_any(&set), "whoever found nobody says so");
    waitset_enter(&set, 6);
    cr_expect_eq(waitset_take(&set), 6);
    cr_expect_not(waitset_leave(&set, 6), "it was taken out");
}

Test(waitset, slots_that_cannot_be_are_nobody)
{
    waitset_enter(&set, BOARD_SLOTS);
    waitset_enter(&set, UINT32_MAX);
    cr_expect_not(waitset_leave(&set, BOARD_SLOTS));
    cr_expect_not(waitset_any(&set));
    cr_expect_eq(waitset_count(&set), 0);
}

Test(waitset, all_in_turns)
{
    for (uint32_t slot = 1; slot < BOARD_SLOTS; slot++)
        waitset_enter(&set, slot);
    cr_expect_eq(waitset_count(&set), BOARD_SLOTS - 1);
    for (int round = 0; round < 3; round++) {
        for (uint32_t slot = 1; slot < BOARD_SLOTS; slot++) {
            cr_assert_eq(waitset_take(&set), slot);
            waitset_enter(&set, slot); // at once again: the others come first all the same
        }
    }
    for (uint32_t slot = 1; slot < BOARD_SLOTS; slot++)
        cr_assert_eq(waitset_take(&set), slot);
    cr_expect_eq(waitset_take(&set), SLOT_NONE);
    cr_expect_not(waitset_any(&set));
}

Test(waitset, the_turn_goes_round)
{
    waitset_enter(&set, 70);
    cr_expect_eq(waitset_take(&set), 70);
    waitset_enter(&set, 70);
    waitset_enter(&set, 69);
    waitset_enter(&set, 4000);
    cr_expect_eq(waitset_take(&set), 4000);
    cr_expect_eq(waitset_take(&set), 69);
    cr_expect_eq(waitset_take(&set), 70);
    cr_expect_eq(waitset_take(&set), SLOT_NONE);
}

// Whatever others have written there.
Test(waitset, ends_whatever_is_in_it)
{
    memset(&set, 0xff, sizeof set);
    cr_expect_eq(waitset_count(&set), BOARD_SLOTS);
    for (uint32_t i = 0; i < BOARD_SLOTS; i++)
        cr_assert(waitset_take(&set) < BOARD_SLOTS);
    cr_expect_eq(waitset_take(&set), SLOT_NONE);
    cr_expect_not(waitset_any(&set));
    waitset_enter(&set, 9);
    cr_expect_eq(waitset_take(&set), 9);
}

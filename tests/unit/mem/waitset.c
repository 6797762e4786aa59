// SPDX-License-Identifier: BSD-3-Clause
//
// Waitsets. tests/threads/mem.c uses one from many threads.
#include "config.h"

#include "mem/waitset.h"

#include "tests/unit/mem/steps.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

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

// ---- in the middle of it

static struct stage {
    struct waitset set;
    _Atomic bool done;
    uint32_t taken;
} * stage;

static void take_one(void)
{
    stage->taken = waitset_take(&stage->set);
}

static void enter_5(void)
{
    waitset_enter(&stage->set, 5);
}

static pid_t start(void (*act)(void), bool somebody_was_there)
{
    if (!stage)
        stage =
            mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(stage, MAP_FAILED);
    memset(stage, 0, sizeof *stage);
    if (somebody_was_there) {
        waitset_enter(&stage->set, 5);
        waitset_leave(&stage->set, 5);
    }
    return step_start(act, &stage->done);
}

// Somebody enters while another finds nobody and says so: at no instant after that may it look as if nobody were there.
Test(waitset_steps, who_has_entered_is_seen_by_all)
{
    pid_t child = start(take_one, true); // makes the stage
    uint64_t steps = step_count(child, &stage->done);
    for (uint64_t before = 0; before < steps; before++) {
        child = start(take_one, true);
        for (uint64_t i = 0; i < before; i++)
            step_one(child);
        waitset_enter(&stage->set, 5);
        while (!atomic_load(&stage->done)) {
            cr_assert(waitset_any(&stage->set) || waitset_count(&stage->set) == 0, "step %lu",
                      before);
            step_one(child);
        }
        step_kill(child);
        uint32_t other = stage->taken == SLOT_NONE ? waitset_take(&stage->set) : stage->taken;
        cr_assert_eq(other, 5, "step %lu", before);
        cr_assert_eq(waitset_take(&stage->set), SLOT_NONE);
        cr_assert_not(waitset_any(&stage->set));
    }
}

// Who dies while entering is there or is not, and is taken out by whoever recovers.
Test(waitset_steps, who_dies_while_entering_can_be_taken_out)
{
    pid_t child = start(enter_5, false);
    while (!atomic_load(&stage->done)) {
        step_one(child);
        struct waitset left = stage->set;
        waitset_leave(&left, 5);
        cr_assert_eq(waitset_take(&left), SLOT_NONE);
        cr_assert_not(waitset_any(&left));
        waitset_enter(&left, 6);
        cr_assert_eq(waitset_take(&left), 6);
    }
    step_kill(child);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Slices that wait for their plan.
#include "config.h"

#include "group/slices.h"

#include "group/proto.h"

#include <criterion/criterion.h>

static struct slices *the_slices;

static void set_up(void)
{
    the_slices = slices_create();
}

static void tear_down(void)
{
    slices_destroy(the_slices);
}

TestSuite(group_slices, .init = set_up, .fini = tear_down);

static void expect_kept(uint64_t group, uint32_t part, const char *wanted)
{
    size_t length = 0;
    char *data = slices_take(the_slices, group, part, &length);
    cr_assert(wanted ? data != NULL : data == NULL, "group %u part %u", (unsigned)group, part);
    if (wanted)
        cr_expect(length == strlen(wanted) && memcmp(data, wanted, length) == 0);
    free(data);
}

Test(group_slices, each_is_taken_once)
{
    slices_keep(the_slices, 1, 0, "one", 3);
    slices_keep(the_slices, 1, 1, "two", 3);
    slices_keep(the_slices, 2, 0, "", 0);
    expect_kept(1, 2, NULL);
    expect_kept(1, 1, "two");
    expect_kept(1, 1, NULL);
    expect_kept(2, 0, "");
    expect_kept(1, 0, "one");
}

Test(group_slices, the_later_one_counts)
{
    slices_keep(the_slices, 1, 0, "one", 3);
    slices_keep(the_slices, 1, 0, "again", 5);
    expect_kept(1, 0, "again");
    expect_kept(1, 0, NULL);
}

Test(group_slices, what_has_ended_is_forgotten)
{
    for (uint32_t part = 0; part < 4; part++)
        slices_keep(the_slices, 1, part, "x", 1);
    slices_keep(the_slices, 2, 0, "y", 1);
    slices_forget(the_slices, 1, 2);
    expect_kept(1, 2, NULL);
    slices_forget(the_slices, 1, GROUP_ALL_PARTS);
    for (uint32_t part = 0; part < 4; part++)
        expect_kept(1, part, NULL);
    expect_kept(2, 0, "y");
}

Test(group_slices, the_oldest_go_when_there_are_too_many)
{
    for (uint64_t group = 0; group < 2000; group++)
        slices_keep(the_slices, group, 0, "z", 1);
    expect_kept(0, 0, NULL);
    expect_kept(975, 0, NULL);
    expect_kept(976, 0, "z");
    expect_kept(1999, 0, "z");
}

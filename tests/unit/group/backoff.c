// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "group/backoff.h"

#include <criterion/criterion.h>

enum { FIRST = 100 };

// Lives so long, from `now` on.
static uint32_t live(struct backoff *backoff, uint64_t now_ms, uint64_t lived_ms)
{
    backoff_up(backoff, now_ms);
    return backoff_next(backoff, FIRST, now_ms + lived_ms);
}

Test(group_backoff, doubles_up_to_half_a_minute)
{
    struct backoff backoff = {0};
    uint32_t wanted = FIRST;
    for (int i = 0; i < 12; i++) {
        cr_expect_eq(live(&backoff, 1000, 0), wanted);
        wanted = 2 * wanted < 30000 ? 2 * wanted : 30000;
    }
    cr_expect_eq(wanted, 30000);
}

Test(group_backoff, a_first_wait_above_the_most)
{
    struct backoff backoff = {0};
    backoff_up(&backoff, 5);
    cr_expect_eq(backoff_next(&backoff, 50000, 6), 30000);
}

Test(group_backoff, one_that_lived_begins_again)
{
    struct backoff backoff = {0};
    cr_expect_eq(live(&backoff, 1, 1), FIRST);
    cr_expect_eq(live(&backoff, 1, 999), 200);
    cr_expect_eq(live(&backoff, 1, 1999), 400);
    cr_expect_eq(live(&backoff, 1, 4000), FIRST, "ten times its wait");
    for (int i = 0; i < 12; i++)
        live(&backoff, 1, 0);
    cr_expect_eq(live(&backoff, 1, 9999), 30000);
    cr_expect_eq(live(&backoff, 1, 10000), FIRST, "ten seconds are enough");
}

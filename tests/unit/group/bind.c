// SPDX-License-Identifier: BSD-3-Clause
//
// Which hardware threads belong to a slot.
#include "config.h"

#include "group/bind.h"

#include <criterion/criterion.h>

// Two sockets of two NUMA nodes of two caches of two cores of two threads: core n has n and n + 100.
static struct machine_core the_cores[16];
static const struct machine the_machine = {.core_count = 16, .real = true, .cores = the_cores};

static void set_up(void)
{
    for (uint16_t i = 0; i < 16; i++)
        the_cores[i] = (struct machine_core){.l3 = i / 2,
                                             .numa = i / 4,
                                             .socket = i / 8,
                                             .thread_count = 2,
                                             .threads = {i, (uint16_t)(i + 100)}};
}

TestSuite(group_bind, .init = set_up);

static void expect_bound(dragon_bind_t bind, const uint16_t *cores, uint16_t count,
                         const char *wanted, const char *wanted_list)
{
    struct plan_slot slot = {.cores = cores, .core_count = count, .bind = bind};
    char text[400] = "";
    cpu_set_t *set = (cpu_set_t *)text;
    size_t size;
    cr_assert(bind_threads(&the_machine, &slot, &set, &size));
    for (size_t cpu = 0; set && cpu < size * 8; cpu++)
        if (CPU_ISSET_S(cpu, size, set))
            snprintf(text + strlen(text), sizeof text - strlen(text), "%zu ", cpu);
    cr_expect_str_eq(text, wanted);
    if (set)
        CPU_FREE(set);
    char *list = bind_text(&the_machine, &slot);
    cr_expect_str_eq(list, wanted_list);
    free(list);
}

Test(group_bind, kinds)
{
    static const uint16_t one[] = {5}, two[] = {1, 8};
    expect_bound(DRAGON_BIND_NONE, one, 1, "", "");
    expect_bound(DRAGON_BIND_CORE, one, 1, "5 105 ", "5,105");
    expect_bound(DRAGON_BIND_CORE, two, 2, "1 8 101 108 ", "1,8,101,108");
    expect_bound(DRAGON_BIND_L3, one, 1, "4 5 104 105 ", "4-5,104-105");
    expect_bound(DRAGON_BIND_L3, two, 2, "0 1 8 9 100 101 108 109 ", "0-1,8-9,100-101,108-109");
    expect_bound(DRAGON_BIND_NUMA, one, 1, "4 5 6 7 104 105 106 107 ", "4-7,104-107");
    expect_bound(DRAGON_BIND_SOCKET, one, 1, "0 1 2 3 4 5 6 7 100 101 102 103 104 105 106 107 ",
                 "0-7,100-107");
}

Test(group_bind, nothing_to_bind_to)
{
    static const uint16_t beyond[] = {16};
    struct machine made_up = the_machine;
    struct plan_slot slot = {.cores = beyond, .core_count = 1, .bind = DRAGON_BIND_CORE};
    cpu_set_t *set;
    size_t size;
    expect_bound(DRAGON_BIND_CORE, NULL, 0, "", "");
    expect_bound(DRAGON_BIND_CORE, beyond, 1, "", "");
    made_up.real = false;
    cr_assert(bind_threads(&made_up, &slot, &set, &size));
    cr_expect_null(set);
}

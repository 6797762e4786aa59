// SPDX-License-Identifier: BSD-3-Clause
//
// A process and the keeper of its node, the plain cases.
#include "config.h"

#include "asks.h"

#include <sys/resource.h>

static struct keepers the;

static void start_one(void)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
}

static void stop_all(void)
{
    keepers_stop(&the);
}

TestSuite(keeper_life, .init = start_one, .fini = stop_all, .timeout = 60);

Test(keeper_life, nobody_comes)
{
}

Test(keeper_life, a_process_attaches)
{
    struct space *space = ask_attach(&the, 0);
    cr_expect_geq(space->slot, SLOT_FIRST);
    cr_expect(space->node == 0 && space->nodes == 1);
    cr_expect_str_eq(space->runtime, "dragon-test");
    cr_expect_str_eq((char *)space->key, "the key of these keepers");
    struct memory_stat stat = ask_memory(space);
    cr_expect(stat.processes == 1 && stat.segments == 0 && stat.reserved_bytes == 0);
    space_detach(space);
}

// A segment that cannot be taken for want of descriptors is not the end of the runtime.
Test(keeper_life, no_descriptors)
{
    struct space *space = ask_attach(&the, 0);
    struct segment_kind any = {.numa = DRAGON_ANY_NUMA};
    mem_ref ref;
    void *data;
    struct rlimit limit, none;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_expect_eq(space_alloc(space, 100000, any, &ref, &data, &ask_error), DRAGON_ERR_NOMEM);
    cr_expect(strstr(ask_error.text, "ulimit -n"), "%s", ask_error.text);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect_eq(space_alloc(space, 100000, any, &ref, &data, &ask_error), DRAGON_OK, "%s",
                 ask_error.text);
    space_detach(space);
}

Test(keeper_life, two_share_memory)
{
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 0);
    struct segment_kind any = {.numa = DRAGON_ANY_NUMA};
    mem_ref ref;
    void *data;
    cr_expect_neq(a->slot, b->slot);
    cr_assert_eq(space_alloc(a, 100000, any, &ref, &data, &ask_error), DRAGON_OK, "%s",
                 ask_error.text);
    memset(data, 7, 100000);
    uint8_t *seen = space_at(b, ref, 100000);
    cr_assert_not_null(seen);
    cr_expect(seen != data && seen[0] == 7 && seen[99999] == 7);
    struct memory_stat stat = ask_memory(b);
    cr_expect(stat.processes == 2 && stat.segments == 1 && stat.blocks == 1);
    cr_expect(space_free(a, ref, a->slot));
    space_detach(a);
    space_detach(b);
}

Test(keeper_life, an_object_lives_and_ends)
{
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 0);
    struct object_opened opened;
    uint64_t id = 0;
    cr_assert_eq(ask_create(a, 0, &CHANNEL_SPEC, &id), DRAGON_OK, "%s", ask_error.text);
    cr_assert_eq(ask_open(a, 0, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(opened.spec.capacity, 16);
    cr_expect_eq(ask_open(b, 0, id, OBJECT_LOCK, &opened), DRAGON_ERR_INVAL);
    cr_assert_eq(ask_open(b, 0, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_assert_eq(ask_open(b, 0, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask_stat(a, 0, id).processes, 2);
    cr_expect_eq(ask(b, KC_LEAVE, "8", id), DRAGON_OK);
    cr_expect_eq(ask(b, KC_LEAVE, "8", id), DRAGON_OK);
    cr_expect_eq(ask(b, KC_LEAVE, "8", id), DRAGON_ERR_CLOSED);
    cr_expect_eq(ask_stat(a, 0, id).processes, 1);
    cr_expect_eq(ask(b, KC_DESTROY, "48", 0u, id), DRAGON_OK);
    cr_expect_eq(ask_open(b, 0, id, OBJECT_CHANNEL, &opened), DRAGON_ERR_CLOSED);
    cr_expect_eq(ask(a, KC_DESTROY, "48", 0u, id), DRAGON_ERR_CLOSED);
    cr_expect_eq(ask_memory(a).blocks, 1, "a is still attached");
    cr_expect_eq(ask(a, KC_LEAVE, "8", id), DRAGON_OK);
    cr_expect_eq(ask_memory(a).blocks, 0);
    space_detach(a);
    space_detach(b);
}

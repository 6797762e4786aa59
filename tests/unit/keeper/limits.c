// SPDX-License-Identifier: BSD-3-Clause
//
// How much memory there is, and what is said when there is no more.
#include "config.h"

#include "asks.h"

#include <poll.h>

static const struct segment_kind any = {.numa = DRAGON_ANY_NUMA};
enum { MIB = 1 << 20 };

static struct keepers the;

static void stop_all(void)
{
    keepers_stop(&the);
}

TestSuite(keeper_limits, .fini = stop_all, .timeout = 60);

static mem_ref take(struct space *space, size_t bytes)
{
    mem_ref ref = 0;
    void *data;
    dragon_err_t err = space_alloc(space, bytes, any, &ref, &data, &ask_error);
    cr_assert_eq(err, DRAGON_OK, "%s", ask_error.text);
    memset(data, 1, bytes);
    return ref;
}

static dragon_err_t refused(struct space *space, size_t bytes)
{
    mem_ref ref;
    void *data;
    ask_error = (dragon_error_t){0};
    return space_alloc(space, bytes, any, &ref, &data, &ask_error);
}

static bool soon(struct space *space, bool (*is_so)(const struct memory_stat *stat))
{
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (time_left_ms(deadline) > 0) {
        struct memory_stat stat = ask_memory(space);
        if (is_so(&stat))
            return true;
        usleep(10000);
    }
    return false;
}

Test(keeper_limits, segments_double)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
    struct space *space = ask_attach(&the, 0);
    uint64_t before = 0, grown = 0;
    for (int i = 0; i < 40; i++) {
        take(space, MIB / 2);
        uint64_t reserved = ask_memory(space).reserved_bytes;
        if (reserved == before)
            continue;
        cr_expect_geq(reserved - before, grown);
        grown = reserved - before;
        before = reserved;
    }
    struct memory_stat stat = ask_memory(space);
    cr_expect_leq(stat.segments, 6, "%u", stat.segments);
    cr_expect_geq(stat.used_bytes, 20u * MIB);
    cr_expect_lt(stat.reserved_bytes, 64u * MIB);
    take(space, 100u * MIB);
    cr_expect_lt(ask_memory(space).reserved_bytes, 64u * MIB + 110u * MIB);
    space_detach(space);
}

Test(keeper_limits, of_a_node)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1, .node_limit = 8 * MIB});
    struct space *space = ask_attach(&the, 0);
    cr_expect_eq(ask_memory(space).limit_bytes, 8 * MIB);
    mem_ref first = take(space, 3 * MIB);
    take(space, 3 * MIB);
    cr_expect_eq(refused(space, 6 * MIB), DRAGON_ERR_FULL);
    cr_expect(strstr(ask_error.text, "n0") && strstr(ask_error.text, "MiB of its 8.0 MiB") &&
                  strstr(ask_error.text, "--memory"),
              "%s", ask_error.text);
    cr_expect_leq(ask_memory(space).reserved_bytes, 8 * MIB);
    // What is free makes room, though in another segment.
    cr_expect(space_free(space, first, space->slot));
    take(space, 4 * MIB);
    cr_expect_leq(ask_memory(space).reserved_bytes, 8 * MIB);
    cr_expect_eq(refused(space, (size_t)1 << 60), DRAGON_ERR_TOO_BIG);
    space_detach(space);
}

// But for the heads of segments, which stay.
static bool has_none(const struct memory_stat *stat)
{
    return stat->segments == 0 && stat->reserved_bytes < 2 * MIB;
}

static bool has_little(const struct memory_stat *stat)
{
    return stat->segments == 0;
}

Test(keeper_limits, what_is_free_is_given_back)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1, .node_limit = 100 * MIB});
    struct space *watcher = ask_attach(&the, 0);
    for (int i = 0; i < 3; i++) {
        struct space *space = ask_attach(&the, 0);
        take(space, 80u * MIB);
        space_detach(space);
    }
    cr_expect(soon(watcher, has_none), "%llu bytes are left",
              (unsigned long long)ask_memory(watcher).reserved_bytes);
    // A segment that was given back is used again, by whoever has seen it before.
    struct space *space = ask_attach(&the, 0);
    mem_ref ref = take(space, MIB);
    cr_expect_eq(ask_memory(watcher).segments, 1);
    cr_expect(space_at(watcher, ref, MIB));
    space_detach(space);
    space_detach(watcher);
}

Test(keeper_limits, of_the_runtime)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 3, .runtime_limit = 12 * MIB});
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 1), *c = ask_attach(&the, 2);
    take(a, 5 * MIB);
    take(b, 5 * MIB);
    cr_expect_eq(refused(c, 5 * MIB), DRAGON_ERR_FULL);
    cr_expect(strstr(ask_error.text, "for n2") && strstr(ask_error.text, "of its 12.0 MiB") &&
                  strstr(ask_error.text, "--memory-total"),
              "%s", ask_error.text);
    take(c, 100 << 10); // as little as is needed
    space_detach(b);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (refused(c, 5 * MIB) != DRAGON_OK && time_left_ms(deadline) > 0)
        usleep(10000); // until node 1 has given it back
    cr_expect_gt(time_left_ms(deadline), 0, "%s", ask_error.text);
    space_detach(a);
    space_detach(c);
}

Test(keeper_limits, many_ask_at_once)
{
    enum { PROCESSES = 12 };
    pid_t pids[PROCESSES];
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
    struct space *space = ask_attach(&the, 0);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct space *own = NULL;
            mem_ref ref;
            void *data;
            if (space_attach(the.path[0], ROLE_PROCESS, &own, NULL) != DRAGON_OK)
                _exit(1);
            for (int k = 0; k < 20; k++)
                if (space_alloc(own, 200 << 10, any, &ref, &data, &ask_error) != DRAGON_OK)
                    _exit(2);
            space_detach(own);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_expect_eq(status, 0, "%x", status);
    }
    space_detach(space);
}

Test(keeper_limits, kinds)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1, .numas = 1});
    struct space *space = ask_attach(&the, 0);
    mem_ref ref, other;
    void *data;
    cr_expect_eq(
        space_alloc(space, 1000, (struct segment_kind){.numa = 0}, &ref, &data, &ask_error),
        DRAGON_OK, "%s", ask_error.text);
    cr_expect_eq(space_alloc(space, 1000, any, &other, &data, &ask_error), DRAGON_OK);
    cr_expect_neq(ref_segment(ref), ref_segment(other));
    cr_expect_eq(
        space_alloc(space, 1000, (struct segment_kind){.numa = 1}, &ref, &data, &ask_error),
        DRAGON_ERR_INVAL);
    cr_expect(strstr(ask_error.text, "NUMA node 1"), "%s", ask_error.text);
    space_detach(space);
}

// The loop answers others while it reserves and fills a large object.
Test(keeper_limits, a_large_object_holds_nobody_up)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
    struct space *space = ask_attach(&the, 0);
    struct object_spec spec = CHANNEL_SPEC;
    struct object_opened opened;
    uint64_t id = 0;
    spec.capacity = 1 << 15;
    spec.inline_bytes = 4064;
    cr_assert_eq(ask_create(space, 0, &spec, &id), DRAGON_OK, "%s", ask_error.text);
    cr_assert_eq(ask_open(space, 0, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_geq(ask_memory(space).used_bytes, 128u * MIB);
    cr_expect_not_null(space_at(space, opened.block, 128u * MIB));
    cr_expect_eq(ask(space, KC_DESTROY, "48", 0u, id), DRAGON_OK);
    cr_expect_eq(ask(space, KC_LEAVE, "8", id), DRAGON_OK);
    space_detach(space);
}

static void ask_huge(struct space *space, uint32_t request)
{
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_GROW);
    pack_u32(&packet, request);
    pack_u64(&packet, 1u << 30);
    pack_i32(&packet, DRAGON_ANY_NUMA);
    pack_u8(&packet, 0);
    cr_assert_gt(send(space->keeper_fd, packet.data, packet.length, 0), 0);
    pack_fini(&packet);
}

static bool is_under_way(const struct memory_stat *stat)
{
    return stat->reserved_bytes > 1u << 30;
}

// On a busy machine the huge one may be ready before the small one is asked for; then again.
Test(keeper_limits, a_small_block_does_not_wait_for_a_huge_one)
{
    bool seen = false;
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
    for (uint32_t round = 0; round < 10 && !seen; round++) {
        struct space *huge = ask_attach(&the, 0), *space = ask_attach(&the, 0);
        struct pollfd answered = {.fd = huge->keeper_fd, .events = POLLIN};
        ask_huge(huge, 1000);
        cr_assert(soon(space, is_under_way), "what it will have counts");
        take(space, 100 << 10);
        seen = poll(&answered, 1, 0) == 0;
        cr_assert_eq(poll(&answered, 1, KEEPERS_PATIENCE_MS), 1);
        space_detach(huge);
        space_detach(space);
        space = ask_attach(&the, 0);
        cr_assert(soon(space, has_little));
        space_detach(space);
    }
    cr_expect(seen);
}

// Two growths that fit one by one.
Test(keeper_limits, growths_at_once_keep_to_the_limit)
{
    keepers_start(&the,
                  &(struct keepers_options){
                      .nodes = 2, .node_limit = 300 * MIB, .runtime_limit = 400 * MIB, .numas = 1});
    pid_t pids[8];
    for (int i = 0; i < 8; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct space *space = NULL;
            struct segment_kind kind = {.numa = (int16_t)(i % 4 / 2 - 1)};
            mem_ref ref;
            void *data;
            if (space_attach(the.path[i % 2], ROLE_PROCESS, &space, NULL) != DRAGON_OK)
                _exit(100);
            int err = space_alloc(space, 90u * MIB, kind, &ref, &data, NULL);
            if (ask_memory(space).reserved_bytes > 300u * MIB)
                _exit(101);
            while (err == DRAGON_OK)
                pause();
            _exit(-err);
        }
    }
    int full = 0;
    for (int i = 0; i < 4; i++) {
        int status;
        cr_assert_gt(waitpid(-1, &status, 0), 0);
        full += WIFEXITED(status) && WEXITSTATUS(status) == -DRAGON_ERR_FULL;
    }
    cr_expect_eq(full, 4, "4 of 8 have 90 MiB");
    for (int i = 0; i < 8; i++)
        kill(pids[i], SIGKILL);
}

Test(keeper_limits, descriptors)
{
    struct space *spaces[64], *late = NULL;
    uint32_t count = 0;
    keepers_start(&the, &(struct keepers_options){.nodes = 1, .descriptors = 200});
    while (count < 64 &&
           space_attach(the.path[0], ROLE_PROCESS, &spaces[count], &ask_error) == DRAGON_OK)
        count++;
    cr_expect(count > 20 && count < 40, "%u", count);
    cr_expect_eq(ask_error.code, DRAGON_ERR_FULL);
    cr_expect(strstr(ask_error.text, "ulimit -n") && strstr(ask_error.text, "200"), "%s",
              ask_error.text);
    cr_expect_eq(ask_memory(spaces[0]).processes, count);
    space_detach(spaces[--count]);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (space_attach(the.path[0], ROLE_PROCESS, &late, NULL) != DRAGON_OK &&
           time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_not_null(late);
    space_detach(late);
    while (count > 0)
        space_detach(spaces[--count]);
}

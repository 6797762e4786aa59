// SPDX-License-Identifier: BSD-3-Clause
//
// The way to who serves a node. This program is its dragon-transport too, when its environment says so: one that attaches, says
// what its address is, and does what the test tells it in shared memory.
#include "config.h"

#include "asks.h"
#include "chan/sync.h"

#include <fcntl.h>
#include <limits.h>

static struct keepers the;

static void stop_all(void)
{
    keepers_stop(&the);
}

TestSuite(keeper_transport, .fini = stop_all, .timeout = 60);

#define HOW "DRAGON_TEST_TRANSPORT"

// ---- as dragon-transport

static _Noreturn void serve(const char *agent_path)
{
    struct space *space = NULL;
    dragon_error_t error = {0};
    struct pack body = PACK_EMPTY;
    char address[32];
    if (space_attach(agent_path, ROLE_TRANSPORT, &space, &error) != DRAGON_OK) {
        fprintf(stderr, "%s\n", error.text);
        _exit(3);
    }
    int length = snprintf(address, sizeof address, "transport %d", (int)getpid());
    pack_u64(&body, 0);
    pack_bytes(&body, address, (size_t)length + 1);
    if (space_ask(space, KC_SERVE, &body, 10000, NULL, NULL, 0, &error) != DRAGON_OK)
        _exit(4);
    // With all of the objects there is nothing to find them by but names.
    if (ask(space, KC_FIND, "s8", "to serve", UINT64_C(0)) == DRAGON_OK) {
        uint64_t id = strtoull(unpack_str(&ask_unpack), NULL, 10), result;
        struct object_opened opened;
        struct sync_call call = {.op = SYNC_LOCK_ACQUIRE};
        if (ask_open(space, 0, id, OBJECT_LOCK, &opened) != DRAGON_OK ||
            ask(space, KC_PROXY, "44", 0u, 77u) != DRAGON_OK)
            _exit(5);
        uint32_t slot = unpack_u32(&ask_unpack);
        struct object *lock = space_at(space, opened.block, object_bytes(&opened.spec));
        if (!lock || sync_try(lock, space, slot, &call, &result) != DRAGON_OK)
            _exit(6);
        if (ask(space, KC_FIND, "s8", "proxy gone", UINT64_C(0)) == DRAGON_OK &&
            ask(space, KC_PROXY_GONE, "4", slot) != DRAGON_OK)
            _exit(7);
    }
    uint32_t count = 0;
    if (ask(space, KC_FIND, "s8", "all slots", UINT64_C(0)) == DRAGON_OK) {
        while (ask(space, KC_PROXY, "44", 0u, count) == DRAGON_OK)
            count++;
        ask(space, KC_PUBLISH, "ss48", "full", ask_error.text, 0u, UINT64_C(0));
    }
    ask(space, KC_PUBLISH, "ss48", "serving", address, 0u, UINT64_C(0));
    ask(space, KC_FIND, "s8", "never", UINT64_MAX);
    _exit(0);
}

__attribute__((constructor)) static void be_transport(int argc, char **argv)
{
    const char *how = getenv(HOW);
    if (!how || argc != 2 || strcmp(argv[0], "dragon-transport") != 0)
        return;
    if (strcmp(how, "fails") == 0) {
        fprintf(stderr, "first words\nno network here\n");
        _exit(9);
    }
    if (strcmp(how, "hangs") == 0) {
        fprintf(stderr, "still looking");
        for (;;)
            pause();
    }
    serve(argv[1]);
}

// ---- the tests

static void start(uint32_t nodes, const char *how)
{
    static char self[PATH_MAX];
    cr_assert_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    setenv(HOW, how, 1);
    keepers_start(
        &the, &(struct keepers_options){.nodes = nodes, .transport = self, .transport_ms = 1000});
}

static const char *route(struct space *space, uint32_t node, uint64_t object, int *direct_out)
{
    size_t length;
    if (ask(space, KC_ROUTE, "48", node, object) != DRAGON_OK)
        return ask_error.text;
    *direct_out = unpack_u8(&ask_unpack);
    const char *address = unpack_bytes(&ask_unpack, &length);
    cr_assert(unpack_done(&ask_unpack) && length > 0 && address[length - 1] == 0);
    return address;
}

Test(keeper_transport, there_is_none)
{
    int direct;
    keepers_start(&the, &(struct keepers_options){.nodes = 2});
    struct space *space = ask_attach(&the, 0);
    cr_expect(strstr(route(space, 1, 0, &direct), "not installed"), "%s", ask_error.text);
    cr_expect(strstr(ask_error.text, "n1"), "%s", ask_error.text);
    cr_expect_eq(ask_error.code, DRAGON_ERR_UNSUPPORTED);
    space_detach(space);
}

Test(keeper_transport, it_fails)
{
    int direct;
    start(2, "fails");
    struct space *space = ask_attach(&the, 0);
    for (int i = 0; i < 2; i++) {
        cr_expect(strstr(route(space, 1, 0, &direct), "exit code 9 on n1: no network here"), "%s",
                  ask_error.text);
        cr_expect_eq(ask_error.code, DRAGON_ERR_LAUNCH);
    }
    space_detach(space);
}

Test(keeper_transport, it_hangs)
{
    int direct;
    start(1, "hangs");
    struct space *space = ask_attach(&the, 0);
    cr_expect(strstr(route(space, 0, 0, &direct), "within 1.0 s on n0: still looking"), "%s",
              ask_error.text);
    cr_expect_eq(ask_error.code, DRAGON_ERR_TIMEOUT);
    space_detach(space);
}

Test(keeper_transport, it_serves_and_is_replaced)
{
    int direct = 1;
    char before[64];
    start(3, "serves");
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 2);
    snprintf(before, sizeof before, "%s", route(a, 1, 0, &direct));
    cr_assert(strncmp(before, "transport ", 10) == 0 && !direct, "%s", before);
    cr_expect_str_eq(route(b, 1, 0, &direct), before);
    kill((pid_t)strtol(before + 10, NULL, 10), SIGKILL);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (strcmp(route(b, 1, 0, &direct), before) == 0 && time_left_ms(deadline) > 0)
        ;
    cr_expect(ask_error.code == DRAGON_OK && strcmp(route(a, 1, 0, &direct), before) != 0, "%s",
              ask_error.text);
    space_detach(a);
    space_detach(b);
}

// A lock that it has for a process of another node.
static void proxy_has_a_lock(bool dies)
{
    int direct;
    char text[32];
    start(1, "serves");
    struct space *space = ask_attach(&the, 0);
    struct object_spec spec = {.kind = OBJECT_LOCK, .numa = DRAGON_ANY_NUMA};
    struct object_opened opened;
    uint64_t id = 0, result = 0;
    cr_assert_eq(ask_create(space, 0, &spec, &id), DRAGON_OK);
    cr_assert_eq(ask_open(space, 0, id, OBJECT_LOCK, &opened), DRAGON_OK);
    struct object *lock = space_at(space, opened.block, object_bytes(&spec));
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    cr_assert_eq(ask(space, KC_PUBLISH, "ss48", "to serve", text, 0u, UINT64_C(0)), DRAGON_OK);
    if (!dies)
        cr_assert_eq(ask(space, KC_PUBLISH, "ss48", "proxy gone", "", 0u, UINT64_C(0)), DRAGON_OK);
    cr_assert_eq(strncmp(route(space, 0, 0, &direct), "transport ", 10), 0, "%s", ask_error.text);
    cr_assert_eq(ask(space, KC_FIND, "s8", "serving", UINT64_MAX), DRAGON_OK);
    pid_t pid = (pid_t)strtol(unpack_str(&ask_unpack) + 10, NULL, 10);
    cr_expect_eq(ask_stat(space, 0, id).processes, 1, "the transport is no user");
    struct sync_call call = {.op = SYNC_LOCK_ACQUIRE};
    if (dies) {
        cr_expect_eq(sync_try(lock, space, space->slot, &call, &result), DRAGON_ERR_AGAIN);
        kill(pid, SIGKILL);
    }
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (sync_try(lock, space, space->slot, &call, &result) == DRAGON_ERR_AGAIN &&
           time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(result, 1, "it was abandoned");
    space_detach(space);
}

Test(keeper_transport, it_dies_with_a_proxy)
{
    proxy_has_a_lock(true);
}

Test(keeper_transport, a_proxy_is_gone)
{
    proxy_has_a_lock(false);
}

Test(keeper_transport, all_slots_are_taken)
{
    int direct;
    start(1, "serves");
    struct space *space = ask_attach(&the, 0), *late = NULL;
    cr_assert_eq(ask(space, KC_PUBLISH, "ss48", "all slots", "", 0u, UINT64_C(0)), DRAGON_OK);
    cr_assert_eq(strncmp(route(space, 0, 0, &direct), "transport ", 10), 0);
    cr_assert_eq(ask(space, KC_FIND, "s8", "serving", UINT64_MAX), DRAGON_OK);
    pid_t pid = (pid_t)strtol(unpack_str(&ask_unpack) + 10, NULL, 10);
    cr_assert_eq(ask(space, KC_FIND, "s8", "full", UINT64_C(0)), DRAGON_OK);
    cr_expect(strstr(unpack_str(&ask_unpack), "have all 4093"));
    cr_expect_eq(space_attach(the.path[0], ROLE_PROCESS, &late, &ask_error), DRAGON_ERR_FULL);
    cr_expect(strstr(ask_error.text, "at most 4093"), "%s", ask_error.text);
    kill(pid, SIGKILL);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (space_attach(the.path[0], ROLE_PROCESS, &late, &ask_error) != DRAGON_OK &&
           time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_not_null(late, "%s", ask_error.text);
    space_detach(late);
    space_detach(space);
}

// The single receiver itself.
Test(keeper_transport, directly)
{
    int direct = 0;
    start(2, "serves");
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 1), *c = ask_attach(&the, 1);
    struct object_spec spec = CHANNEL_SPEC;
    struct object_opened opened;
    uint64_t shared = 0, single = 0;
    cr_assert_eq(ask_create(a, 1, &spec, &shared), DRAGON_OK);
    spec.single = 1;
    cr_assert_eq(ask_create(a, 1, &spec, &single), DRAGON_OK);
    // "s" is a text with its length, as an address is.
    cr_expect_eq(ask(b, KC_SERVE, "8s", single, "here"), DRAGON_ERR_CLOSED, "not attached");
    cr_assert_eq(ask_open(b, 1, single, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_assert_eq(ask_open(b, 1, shared, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_assert_eq(ask_open(c, 1, single, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask(b, KC_SERVE, "8s", shared, "here"), DRAGON_ERR_UNSUPPORTED);
    cr_expect_eq(ask(b, KC_SERVE, "8s", UINT64_C(0), "here"), DRAGON_ERR_DENIED);
    cr_expect_eq(ask(b, KC_SERVE, "8s", single, "here"), DRAGON_OK);
    cr_expect_eq(ask(c, KC_SERVE, "8s", single, "there"), DRAGON_ERR_DENIED);
    cr_expect_str_eq(route(a, 1, single, &direct), "here");
    cr_expect_eq(direct, 1);
    cr_expect_eq(strncmp(route(a, 1, shared, &direct), "transport", 9), 0);
    cr_expect_eq(direct, 0);
    cr_expect_eq(ask(b, KC_SERVE, "84", single, 0u), DRAGON_OK, "no longer");
    cr_expect_eq(strncmp(route(a, 1, single, &direct), "transport", 9), 0);
    cr_expect_eq(ask(c, KC_SERVE, "8s", single, "there"), DRAGON_OK);
    cr_expect_str_eq(route(a, 1, single, &direct), "there");
    space_detach(c);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (strcmp(route(a, 1, single, &direct), "there") == 0 && time_left_ms(deadline) > 0)
        ;
    cr_expect_eq(strncmp(route(a, 1, single, &direct), "transport", 9), 0, "who serves it is gone");
    space_detach(a);
    space_detach(b);
}

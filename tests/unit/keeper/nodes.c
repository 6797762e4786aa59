// SPDX-License-Identifier: BSD-3-Clause
//
// Several nodes: objects of others, what ends with its maker, and names.
#include "config.h"

#include "asks.h"

static struct keepers the;

static void start_three(void)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 3});
}

static void stop_all(void)
{
    keepers_stop(&the);
}

TestSuite(keeper_nodes, .init = start_three, .fini = stop_all, .timeout = 60);

Test(keeper_nodes, an_object_of_another_node)
{
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 2);
    struct object_spec spec = CHANNEL_SPEC;
    struct object_opened opened;
    uint64_t id = 0;
    spec.inline_bytes = 1;
    cr_assert_eq(ask_create(a, 2, &spec, &id), DRAGON_OK, "%s", ask_error.text);
    cr_expect_eq(id >> 40, 2);
    cr_assert_eq(ask_open(a, 2, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect(opened.block == 0 && opened.spec.capacity == 16 && opened.spec.inline_bytes >= 8,
              "it says what was made");
    cr_expect_eq(ask_open(a, 2, id, OBJECT_QUEUE, &opened), DRAGON_ERR_INVAL);
    cr_assert_eq(ask_open(b, 2, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_neq(opened.block, 0);
    struct object_stat stat = ask_stat(a, 2, id);
    cr_expect(stat.processes == 1 && !stat.closed && stat.spec.capacity == 16);
    cr_expect_eq(ask(a, KC_CLOSE, "48", 2u, id), DRAGON_OK);
    cr_expect(ask_stat(b, 2, id).closed);
    cr_expect_eq(ask(a, KC_LEAVE, "8", id), DRAGON_ERR_CLOSED, "it is not attached here");
    cr_expect_eq(ask(a, KC_DESTROY, "48", 2u, id), DRAGON_OK);
    cr_expect_eq(ask_open(a, 2, id, OBJECT_CHANNEL, &opened), DRAGON_ERR_CLOSED);
    cr_expect(strstr(ask_error.text, "n2"), "%s", ask_error.text);
    cr_expect_eq(ask_create(a, 3, &spec, &id), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(ask(a, KC_STAT, "48", 77u, id), DRAGON_ERR_NOT_FOUND);
    spec.kind = OBJECT_BARRIER;
    spec.capacity = 0; // parties
    cr_expect_eq(ask_create(a, 1, &spec, &id), DRAGON_ERR_INVAL, "%s", ask_error.text);
    spec.numa = 5;
    cr_expect_eq(ask_create(a, 1, &spec, &id), DRAGON_ERR_INVAL);
    cr_expect(strstr(ask_error.text, "NUMA"), "%s", ask_error.text);
    space_detach(a);
    space_detach(b);
}

static bool closed_soon(struct space *space, uint32_t node, uint64_t id)
{
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (time_left_ms(deadline) > 0) {
        struct object_opened opened;
        if (ask_open(space, node, id, OBJECT_CHANNEL, &opened) == DRAGON_ERR_CLOSED)
            return true;
        usleep(1000);
    }
    return false;
}

static const char *found(struct space *space, const char *name, int64_t ms)
{
    if (ask(space, KC_FIND, "s8", name, (uint64_t)ms) != DRAGON_OK)
        return dragon_err_name(ask_error.code);
    return unpack_str(&ask_unpack);
}

// What node 0 is told of an object comes by another way than our answer.
static bool forgotten_soon(struct space *space, const char *name)
{
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (time_left_ms(deadline) > 0) {
        if (strcmp(found(space, name, 0), "DRAGON_ERR_AGAIN") == 0)
            return true;
        usleep(1000);
    }
    return false;
}

Test(keeper_nodes, owned_objects_end_with_their_maker)
{
    struct space *maker = ask_attach(&the, 1), *other = ask_attach(&the, 0);
    struct object_spec spec = CHANNEL_SPEC;
    struct object_opened opened;
    uint64_t far = 0, near = 0, kept = 0, unknown = 0;
    cr_assert_eq(ask_create(maker, 2, &spec, &unknown), DRAGON_OK);
    cr_assert_eq(ask_create(maker, 2, &spec, &kept), DRAGON_OK);
    cr_assert_eq(ask_open(maker, 2, kept, OBJECT_CHANNEL, &opened), DRAGON_OK);
    spec.owned = 1;
    cr_assert_eq(ask_create(maker, 2, &spec, &far), DRAGON_OK);
    cr_assert_eq(ask_create(maker, 1, &spec, &near), DRAGON_OK);
    cr_assert_eq(ask(other, KC_PUBLISH, "ss48", "far", "x", 2u, far), DRAGON_OK);
    cr_expect_eq(ask_open(other, 2, far, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask_open(other, 1, near, OBJECT_CHANNEL, &opened), DRAGON_OK);
    space_detach(maker);
    cr_expect(closed_soon(other, 2, far));
    cr_expect(closed_soon(other, 1, near));
    cr_expect_eq(ask(other, KC_STAT, "48", 2u, unknown), DRAGON_ERR_CLOSED,
                 "nobody has ever opened it");
    cr_expect_eq(ask_open(other, 2, kept, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect(forgotten_soon(other, "far"));
    space_detach(other);
}

// ---- names

Test(keeper_nodes, names)
{
    struct space *a = ask_attach(&the, 1), *b = ask_attach(&the, 2), *c = ask_attach(&the, 0);
    cr_expect_str_eq(found(a, "x", 0), "DRAGON_ERR_AGAIN");
    cr_expect_eq(ask(a, KC_PUBLISH, "ss48", "x", "one", 0u, UINT64_C(0)), DRAGON_OK);
    cr_expect_eq(ask(b, KC_PUBLISH, "ss48", "x", "one", 0u, UINT64_C(0)), DRAGON_OK);
    cr_expect_eq(ask(c, KC_PUBLISH, "ss48", "x", "two", 0u, UINT64_C(0)), DRAGON_ERR_EXISTS);
    cr_expect(strstr(ask_error.text, "\"x\""), "%s", ask_error.text);
    cr_expect_str_eq(found(b, "x", -1), "one");
    cr_expect_str_eq(found(c, "x", 0), "one");
    cr_expect_eq(ask(b, KC_WITHDRAW, "s", "x"), DRAGON_OK);
    cr_expect_eq(ask(a, KC_WITHDRAW, "s", "x"), DRAGON_ERR_NOT_FOUND);
    cr_expect_str_eq(found(a, "x", 20), "DRAGON_ERR_TIMEOUT");
    cr_expect_str_eq(found(c, "x", 20), "DRAGON_ERR_TIMEOUT");
    cr_expect_eq(ask(a, KC_PUBLISH, "ss48", "", "one", 0u, UINT64_C(0)), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(a, KC_PUBLISH, "ss48", "a\nb", "one", 0u, UINT64_C(0)), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(a, KC_PUBLISH, "ss48", "y", "one", 9u, UINT64_C(1)), DRAGON_ERR_INVAL);
    char *large = calloc(1, KEEPER_TEXT + 2);
    memset(large, 'l', KEEPER_TEXT + 1);
    cr_expect_eq(ask(a, KC_PUBLISH, "ss48", "y", large, 0u, UINT64_C(0)), DRAGON_ERR_INVAL);
    large[KEEPER_TEXT] = 0;
    cr_expect_eq(ask(a, KC_PUBLISH, "ss48", "y", large, 0u, UINT64_C(0)), DRAGON_OK);
    cr_expect_str_eq(found(b, "y", 0), large);
    free(large);
    space_detach(a);
    space_detach(b);
    space_detach(c);
}

Test(keeper_nodes, a_name_goes_with_its_object)
{
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 1);
    for (uint32_t home = 0; home < 3; home++) {
        uint64_t id = 0;
        cr_assert_eq(ask_create(a, home, &CHANNEL_SPEC, &id), DRAGON_OK);
        cr_assert_eq(ask(b, KC_PUBLISH, "ss48", "it", "first", home, id), DRAGON_OK);
        cr_assert_eq(ask(a, KC_PUBLISH, "ss48", "alias", "first", home, id), DRAGON_OK);
        cr_expect_str_eq(found(a, "it", 0), "first");
        cr_assert_eq(ask(b, KC_DESTROY, "48", home, id), DRAGON_OK);
        cr_expect(forgotten_soon(a, "it"));
        cr_expect_str_eq(found(a, "alias", 0), "DRAGON_ERR_AGAIN");
        cr_expect_eq(ask(b, KC_PUBLISH, "ss48", "it", "late", home, id), DRAGON_ERR_CLOSED);
    }
    space_detach(a);
    space_detach(b);
}

// A process that waits for a name; its exit code is 0 when it got it.
static pid_t finder(uint32_t node, const char *name, int64_t ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct space *space = NULL;
        if (space_attach(the.path[node], ROLE_PROCESS, &space, &ask_error) == DRAGON_OK)
            ask(space, KC_FIND, "s8", name, (uint64_t)ms);
        _exit(-(int)ask_error.code);
    }
    return pid;
}

static int exit_code(pid_t pid)
{
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

Test(keeper_nodes, many_wait_for_a_name)
{
    struct space *space = ask_attach(&the, 1);
    pid_t pids[9], killed = finder(2, "later", -1), late = finder(0, "never", 300);
    for (int i = 0; i < 9; i++)
        pids[i] = finder((uint32_t)i % 3, "later", i % 2 ? -1 : KEEPERS_PATIENCE_MS);
    kill(killed, SIGKILL);
    cr_expect_eq(exit_code(killed), 128);
    cr_expect_eq(exit_code(late), -DRAGON_ERR_TIMEOUT, "by then the others wait");
    cr_expect_eq(ask(space, KC_PUBLISH, "ss48", "later", "now", 0u, UINT64_C(0)), DRAGON_OK);
    for (int i = 0; i < 9; i++)
        cr_expect_eq(exit_code(pids[i]), 0);
    space_detach(space);
}

// ---- ends

// What it holds at another node, and a question to one that does not answer.
static pid_t asker(uint32_t node, uint32_t of, uint64_t id)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct space *space = NULL;
        if (space_attach(the.path[node], ROLE_PROCESS, &space, &ask_error) == DRAGON_OK)
            ask(space, KC_STAT, "48", of, id);
        _exit(-(int)ask_error.code);
    }
    return pid;
}

Test(keeper_nodes, going_on_without_a_node)
{
    struct space *space = ask_attach(&the, 0), *other = ask_attach(&the, 2);
    struct space *there = ask_attach(&the, 1);
    struct object_spec spec = CHANNEL_SPEC;
    struct object_opened opened;
    uint64_t id = 0, kept = 0, owned = 0;
    pid_t pids[4];
    cr_assert_eq(ask_create(space, 1, &spec, &id), DRAGON_OK);
    cr_assert_eq(ask_create(there, 2, &spec, &kept), DRAGON_OK);
    cr_assert_eq(ask_open(there, 2, kept, OBJECT_CHANNEL, &opened), DRAGON_OK);
    spec.owned = 1;
    cr_assert_eq(ask_create(there, 2, &spec, &owned), DRAGON_OK);
    cr_expect_eq(ask(space, KC_PUBLISH, "ss48", "gone", "there", 1u, id), DRAGON_OK);
    cr_expect_eq(ask(space, KC_PUBLISH, "ss48", "kept", "here", 2u, kept), DRAGON_OK);
    keepers_say(&the, '1'); // it does not answer
    for (uint32_t i = 0; i < 4; i++)
        pids[i] = asker(i % 2 * 2, 1, id);
    while (ask_memory(space).processes < 2)
        ; // some have asked already, some have not
    uint64_t began_ms = time_now_ms();
    keepers_say(&the, 'L' + 1);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(exit_code(pids[i]), -DRAGON_ERR_PEER);
    cr_expect_eq(ask_create(other, 1, &spec, &id), DRAGON_ERR_PEER);
    cr_expect(strstr(ask_error.text, "node 1 (n1) is lost"), "%s", ask_error.text);
    cr_expect_lt(time_now_ms() - began_ms, 5000);
    cr_expect(board_is_lost(space->board, 1) && board_is_lost(other->board, 1));
    cr_expect(!board_is_lost(space->board, 2) && !space_ended(space, true));
    cr_expect_neq(ask(space, KC_FIND, "s8", "gone", UINT64_C(0)), DRAGON_OK);
    cr_expect_eq(ask(space, KC_PUBLISH, "ss48", "gone", "anew", 2u, kept), DRAGON_OK);
    cr_expect_eq(ask(space, KC_FIND, "s8", "kept", UINT64_C(0)), DRAGON_OK);
    cr_expect_eq(ask_open(other, 2, kept, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask_open(other, 2, owned, OBJECT_CHANNEL, &opened), DRAGON_ERR_CLOSED);
    space_detach(space);
    space_detach(other);
    space_detach(there);
}

Test(keeper_nodes, the_runtime_ends)
{
    struct space *space = ask_attach(&the, 1);
    pid_t pids[6];
    for (int i = 0; i < 6; i++)
        pids[i] = finder((uint32_t)i % 3, "never", -1);
    while (ask_memory(space).processes < 3)
        ; // some wait already, some do not
    cr_expect(!space_ended(space, true));
    keepers_say(&the, 'e');
    for (int i = 0; i < 6; i++)
        cr_expect_eq(exit_code(pids[i]), -DRAGON_ERR_PEER);
    cr_expect(space_ended(space, false), "the board says it");
    cr_expect_eq(ask(space, KC_MEMORY, ""), DRAGON_ERR_PEER);
    struct space *late = NULL;
    cr_expect_eq(space_attach(the.path[1], ROLE_PROCESS, &late, &ask_error), DRAGON_ERR_PEER);
    space_detach(space);
}

Test(keeper_nodes, a_keeper_is_gone)
{
    struct space *space = ask_attach(&the, 2);
    pid_t waiting = finder(2, "never", -1);
    while (ask_memory(space).processes < 2)
        ;
    keepers_say(&the, '2');
    cr_expect_eq(exit_code(waiting), -DRAGON_ERR_PEER);
    cr_expect(space_ended(space, true));
    cr_expect_eq(ask(space, KC_MEMORY, ""), DRAGON_ERR_PEER);
    struct space *late = NULL;
    cr_expect_eq(space_attach(the.path[2], ROLE_PROCESS, &late, &ask_error), DRAGON_ERR_PEER);
    cr_expect(strstr(ask_error.text, "data.sock"), "%s", ask_error.text);
    space_detach(space);
}

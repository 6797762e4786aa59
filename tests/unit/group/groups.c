// SPDX-License-Identifier: BSD-3-Clause
//
// What clients and nodes may send to the groups of an agent: everything else is refused, and leaves
// nothing behind.
#include "config.h"

#include "group/groups.h"

#include "group/proto.h"
#include "tests/unit/net/trees.h"

#include <malloc.h>

static struct trees the_trees;

static struct {
    struct groups *groups;
    struct children *children;
    uint32_t to_client;
    uint16_t last_type;
} the;

static void to_client(void *arg, uint64_t session, uint16_t type, const void *body, size_t length)
{
    (void)arg;
    (void)session;
    (void)body;
    (void)length;
    the.to_client++;
    the.last_type = type;
}

static void on_rank_exit(void *arg)
{
    (void)arg;
}

static void on_tree_message(struct trees_node *node, const struct link_message *message)
{
    (void)node;
    cr_expect(groups_on_node_message(the.groups, message), "type %u", message->type);
}

static int client_pid(void *arg, uint64_t session)
{
    (void)arg;
    (void)session;
    return 4711;
}

static struct machine_core the_cores[2] = {{.thread_count = 1},
                                           {.thread_count = 1, .threads = {1}}};
static const struct machine the_machine = {.core_count = 2,
                                           .numa_count = 1,
                                           .l3_count = 1,
                                           .socket_count = 1,
                                           .thread_count = 2,
                                           .cores = the_cores};

static void set_up(void)
{
    trees_up(&the_trees, 1, 1);
    the_trees.on_message = on_tree_message;
    the.children = children_create(the_trees.loop, NULL);
    struct groups_options options = {.loop = the_trees.loop,
                                     .tree = the_trees.at[0].tree,
                                     .children = the.children,
                                     .socket_path = "/nowhere/agent.sock",
                                     .run_dir = "/nowhere",
                                     .shm_dir = "/nowhere",
                                     .nspace_stem = "stem",
                                     .machine = &the_machine,
                                     .cpuset = "0-1",
                                     .start_timeout_ms = 1000,
                                     .to_client = to_client,
                                     .client_pid = client_pid,
                                     .on_rank_exit = on_rank_exit};
    the.groups = groups_create(&options);
    cr_assert_not_null(the.groups);
    struct pack card = PACK_EMPTY;
    machine_pack(&card, &the_machine);
    cr_assert(groups_describe(the.groups, 0, card.data, card.length));
    pack_fini(&card);
}

static void tear_down(void)
{
    groups_destroy(the.groups);
    children_destroy(the.children);
    trees_fini(&the_trees);
}

TestSuite(group_groups, .init = set_up, .fini = tear_down);

static bool client_says(uint16_t type, struct pack *body)
{
    struct link_message message = {
        .type = type, .body = body->data, .length = (uint32_t)body->length};
    bool good = groups_on_client_message(the.groups, 1, &message);
    pack_fini(body);
    return good;
}

static struct pack start_of(const char *program)
{
    struct pack body = PACK_EMPTY;
    struct group_spec spec = {.name = strdup("test"),
                              .full = DRAGON_FULL_SHARE,
                              .failure = DRAGON_FAILURE_CONTINUE,
                              .template_count = 1,
                              .templates = calloc(1, sizeof *spec.templates)};
    spec.templates[0] = (struct template_spec){.ranks = 1, .cwd = strdup("/")};
    strv_push(&spec.templates[0].argv, program);
    pack_u32(&body, 9);
    pack_u8(&body, ORDER_START);
    pack_u64(&body, 0);
    group_spec_pack(&body, &spec);
    group_spec_fini(&spec);
    return body;
}

static void wait_to_client(uint32_t count)
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (the.to_client < count && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    cr_expect_geq(the.to_client, count);
}

Test(group_groups, a_start_is_answered)
{
    struct pack body = start_of("/nowhere/program");
    cr_expect(client_says(GC_SUBMIT, &body));
    wait_to_client(1);
    cr_expect_eq(the.last_type, GC_STARTED);
}

Test(group_groups, a_start_with_something_behind_it)
{
    enum { TIMES = 1000, KEPT_BYTES = 20000 }; // much less than a spec for each
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < TIMES; i++) {
        struct pack body = start_of("/bin/true");
        pack_u8(&body, 1);
        cr_expect(!client_says(GC_SUBMIT, &body));
    }
    cr_expect_leq(mallinfo2().uordblks, before + KEPT_BYTES, "what was read of it is not freed");
    loop_turn(the_trees.loop, 0);
    cr_expect_eq(the.to_client, 0);
}

// With what is added on the way it would not fit into a message between agents, which ends a runtime.
Test(group_groups, a_start_that_is_too_large_for_other_nodes)
{
    enum { LARGEST = 64 << 20 };
    struct pack small = start_of("");
    char *program = calloc(1, LARGEST);
    memset(program, 'x', LARGEST - small.length);
    struct pack body = start_of(program);
    cr_assert_eq(body.length, LARGEST);
    cr_expect(!client_says(GC_SUBMIT, &body));
    body = start_of("/nowhere/program");
    cr_expect(client_says(GC_SUBMIT, &body));
    wait_to_client(1);
    cr_expect_eq(the.last_type, GC_STARTED);
    pack_fini(&small);
    free(program);
}

Test(group_groups, starts_that_are_cut)
{
    struct pack whole = start_of("/bin/true");
    for (size_t length = 0; length < whole.length; length++) {
        struct pack body = PACK_EMPTY;
        pack_raw(&body, whole.data, length);
        cr_expect(!client_says(GC_SUBMIT, &body), "cut to %zu", length);
    }
    pack_fini(&whole);
}

Test(group_groups, what_no_client_may_say)
{
    for (uint32_t type = 0; type < 200; type++) {
        struct pack body = PACK_EMPTY;
        if (type == GC_SUBMIT || type == GC_QUERY || type == GC_ASK || type == GC_CREDIT ||
            type == GC_INPUT)
            continue;
        pack_u64(&body, 1);
        cr_expect(!client_says((uint16_t)type, &body), "type %u", type);
    }
}

Test(group_groups, nodes_that_are_not_there)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, 1);
    pack_u32(&body, 1);
    pack_u32(&body, 100);
    cr_expect(!client_says(GC_CREDIT, &body));
    pack_u64(&body, 1);
    pack_u32(&body, 0xffffffff); // which would be everybody
    pack_i32(&body, 0);
    pack_bytes(&body, "x", 1);
    cr_expect(!client_says(GC_INPUT, &body));
}

Test(group_groups, input_beyond_the_window)
{
    struct pack body = PACK_EMPTY;
    uint8_t *data = calloc(1, GROUP_INPUT_WINDOW + 1);
    pack_u64(&body, 1);
    pack_u32(&body, 0);
    pack_i32(&body, 0);
    pack_bytes(&body, data, GROUP_INPUT_WINDOW + 1);
    cr_expect(!client_says(GC_INPUT, &body));
    free(data);
}

// Bodies of every kind of node message, cut short: none is taken as whole.
Test(group_groups, empty_node_messages)
{
    for (uint16_t type = GN_SUBMIT; type <= GN_FAMILY + 1; type++)
        for (uint32_t length = 0; length < 8; length++) {
            static const uint8_t zeros[8];
            struct link_message message = {.type = type, .body = zeros, .length = length};
            cr_expect(!groups_on_node_message(the.groups, &message), "type %u of %u bytes", type,
                      length);
        }
}

Test(group_groups, groups_that_are_gone_are_passed_over)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, 12345);
    pack_i32(&body, GROUP_ALL_RANKS);
    pack_u32(&body, 15);
    pack_u8(&body, ASK_SIGNAL);
    cr_expect(client_says(GC_ASK, &body));
    pack_u64(&body, 12345);
    pack_u32(&body, 0);
    pack_u32(&body, 100);
    cr_expect(client_says(GC_CREDIT, &body));
    groups_session_gone(the.groups, 77);
    for (int i = 0; i < 5; i++)
        loop_turn(the_trees.loop, 1);
    cr_expect_eq(groups_running_ranks(the.groups), 0);
    cr_expect_eq(groups_signal_ranks(the.groups, 15), 0);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of the leader, without processes: the test plays the clients and the hosts, sees what the leader tells each
// of them, and says what becomes of ranks.
#ifndef TESTS_UNIT_GROUP_LEADERS_H
#define TESTS_UNIT_GROUP_LEADERS_H

#include "group/leader.h"

#include "group/proto.h"
#include "tests/unit/net/trees.h"

#include <signal.h>

enum { CORES = 4, CLIENT = 7, OTHER = 8 };

struct heard {
    uint16_t type;
    uint64_t session; // of the client; 0: the nodes
    struct pack body;
};

static struct trees the_trees;
static struct {
    struct leader *leader;
    struct exchanges *exchanges;
    struct heard heard[256];
    size_t count, taken;
} the;

static inline void on_tree_message(struct trees_node *node, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    if (node->here != 0 && message->destination == TREE_EVERYBODY)
        return; // node 0 hears it, too
    struct heard *heard = &the.heard[the.count++];
    cr_assert_lt(the.count, sizeof the.heard / sizeof *the.heard);
    *heard = (struct heard){.type = message->type};
    if (message->type == GN_CLIENT) {
        heard->session = unpack_u64(&unpack);
        heard->type = unpack_u16(&unpack);
    }
    pack_raw(&heard->body, unpack.at, unpack_left(&unpack));
}

// The next thing that the leader said of this kind, within the patience; others before it are passed over.
static inline struct unpack expect(uint16_t type, uint64_t session)
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    for (;;) {
        while (the.taken < the.count) {
            struct heard *heard = &the.heard[the.taken++];
            if (heard->type == type && (heard->session == session || type < GC_HELLO))
                return unpack_start(heard->body.data, heard->body.length);
        }
        cr_assert_gt(time_left_ms(deadline), 0, "no message of type %u came", type);
        loop_turn(the_trees.loop, time_left_ms(deadline));
    }
}

// Nothing of this kind is under way.
static inline void expect_none(uint16_t type)
{
    for (int i = 0; i < 3; i++)
        loop_turn(the_trees.loop, 0);
    for (size_t i = the.taken; i < the.count; i++)
        cr_expect_neq(the.heard[i].type, type);
}

static inline void set_up_nodes(uint32_t nodes)
{
    struct machine_core cores[CORES] = {{0}};
    struct machine machine = {.core_count = CORES,
                              .numa_count = 1,
                              .l3_count = 1,
                              .socket_count = 1,
                              .thread_count = CORES,
                              .cores = cores};
    struct pack card = PACK_EMPTY;
    for (uint16_t i = 0; i < CORES; i++)
        cores[i] = (struct machine_core){.thread_count = 1, .threads = {i}};
    trees_up(&the_trees, nodes, nodes > 1 ? nodes - 1 : 1);
    the_trees.on_message = on_tree_message;
    the.exchanges = exchanges_create(the_trees.at[0].tree);
    struct groups_options options = {
        .loop = the_trees.loop, .tree = the_trees.at[0].tree, .start_timeout_ms = 1000};
    the.leader = leader_create(&options, the.exchanges);
    cr_assert_not_null(the.leader);
    machine_pack(&card, &machine);
    for (uint32_t node = 0; node < nodes; node++)
        cr_assert(leader_describe(the.leader, node, card.data, card.length));
    pack_fini(&card);
}

static inline void tear_down(void)
{
    leader_destroy(the.leader);
    exchanges_destroy(the.exchanges);
    for (size_t i = 0; i < the.count; i++)
        pack_fini(&the.heard[i].body);
    trees_fini(&the_trees);
}

// ---- what clients and hosts say

static inline struct group_spec spec_of(uint32_t ranks, uint32_t cores, dragon_full_t full)
{
    struct group_spec spec = {.name = strdup("test"),
                              .full = (uint8_t)full,
                              .failure = DRAGON_FAILURE_CONTINUE,
                              .input_rank = GROUP_NO_RANK,
                              .grace_ms = 60000,
                              .wait_ms = 60000,
                              .template_count = 1,
                              .templates = calloc(1, sizeof *spec.templates)};
    spec.templates[0] =
        (struct template_spec){.ranks = ranks, .policy = {.cores = cores}, .cwd = strdup("/")};
    strv_push(&spec.templates[0].argv, "true");
    return spec;
}

static inline bool say(bool (*on)(struct leader *, const struct link_message *), struct pack *body)
{
    struct link_message message = {.body = body->data, .length = (uint32_t)body->length};
    bool good = on(the.leader, &message);
    pack_fini(body);
    return good;
}

static inline void submit_order(uint32_t request, enum group_order order, uint64_t group,
                                struct group_spec spec)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, CLIENT);
    pack_i32(&body, 4711);
    pack_u32(&body, request);
    pack_u8(&body, order);
    pack_u64(&body, group);
    group_spec_pack(&body, &spec);
    cr_assert(say(leader_on_submit, &body));
    group_spec_fini(&spec);
}

static inline void submit(uint32_t request, struct group_spec spec)
{
    submit_order(request, ORDER_START, 0, spec);
}

static inline uint64_t expect_prepare(void)
{
    struct unpack unpack = expect(GN_PREPARE, 0);
    return unpack_u64(&unpack);
}

static inline uint64_t expect_started(uint32_t request, dragon_err_t err)
{
    struct unpack unpack = expect(GC_STARTED, CLIENT);
    cr_expect_eq(unpack_u32(&unpack), request);
    uint64_t group = unpack_u64(&unpack);
    cr_expect_eq(unpack_i32(&unpack), err);
    return group;
}

// Submits, and all nodes are ready.
static inline uint64_t run(struct group_spec spec)
{
    submit(1, spec);
    uint64_t group = expect_prepare();
    leader_on_started(the.leader, group, 0, NULL, 0);
    cr_expect_eq(expect_started(1, DRAGON_OK), group);
    return group;
}

static inline void report(uint64_t group, uint32_t rank, enum rank_end end, int value, bool ours)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, group);
    rank_report_pack(&body, &(struct rank_report){.rank = rank,
                                                  .pid = 100 + (int32_t)rank,
                                                  .end = (uint8_t)end,
                                                  .ours = ours,
                                                  .value = value});
    cr_expect(say(leader_on_reports, &body));
}

static inline void ask(uint64_t session, uint64_t group, int rank, enum group_ask what)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, session);
    pack_u64(&body, group);
    pack_i32(&body, rank);
    pack_u32(&body, SIGTERM);
    pack_u8(&body, what);
    cr_expect(say(leader_on_ask, &body));
}

static inline void client_gone(uint64_t session)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, session);
    cr_expect(say(leader_on_session_gone, &body));
}

static inline void expect_done(uint64_t session, uint64_t group, int code, const char *says)
{
    struct unpack unpack = expect(GC_DONE, session);
    cr_expect_eq(unpack_u64(&unpack), group);
    cr_expect_eq(unpack_i32(&unpack), code);
    const char *cause = unpack_str(&unpack);
    cr_expect(strstr(cause, says), "\"%s\" is not in \"%s\"", says, cause);
}

static inline uint32_t expect_again(uint64_t group, uint32_t rank)
{
    struct unpack unpack = expect(GN_RANK, 0);
    cr_expect_eq(unpack_u64(&unpack), group);
    cr_expect_eq(unpack_u32(&unpack), rank);
    cr_expect_eq(unpack_u8(&unpack), RANK_START_AGAIN);
    return unpack_u32(&unpack);
}

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// Exchanges between the nodes of a few trees in one process.
#include "config.h"

#include "group/exchange.h"

#include "group/proto.h"
#include "tests/unit/net/trees.h"

static struct trees the_trees;

// What has come of one join.
struct outcome {
    int calls;
    dragon_err_t err;
    size_t count;
    char pieces[TREES_LIMIT][32]; // by node
};

static struct {
    struct exchanges *exchanges[TREES_LIMIT]; // owned
    struct outcome outcomes[TREES_LIMIT];
    uint32_t messages;
} the;

static void on_tree_message(struct trees_node *node, const struct link_message *message)
{
    the.messages++;
    cr_expect(exchanges_on_message(the.exchanges[node->here], message));
}

static void open_all(uint32_t count, uint32_t fanout)
{
    memset(&the, 0, sizeof the);
    trees_up(&the_trees, count, fanout);
    the_trees.on_message = on_tree_message;
    for (uint32_t i = 0; i < count; i++)
        the.exchanges[i] = exchanges_create(the_trees.at[i].tree);
}

static void close_all(void)
{
    for (uint32_t i = 0; i < the_trees.count; i++)
        exchanges_destroy(the.exchanges[i]);
    exchanges_destroy(NULL);
    trees_fini(&the_trees);
}

static void on_done(void *arg, dragon_err_t err, const struct exchange_piece *pieces, size_t count)
{
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->err = err;
    outcome->count = count;
    memset(outcome->pieces, 0, sizeof outcome->pieces);
    for (size_t i = 0; i < count; i++) {
        cr_assert_lt(pieces[i].node, TREES_LIMIT);
        cr_expect(!outcome->pieces[pieces[i].node][0], "node %u twice", pieces[i].node);
        snprintf(outcome->pieces[pieces[i].node], 32, "[%.*s]", (int)pieces[i].length,
                 (const char *)pieces[i].data);
    }
}

static const struct exchange_key the_key = {.group = 7, .what = EXCHANGE_START, .turn = 1};

// Node `here` joins with "from <here>", or with nothing.
static dragon_err_t join_key(const struct exchange_key *key, uint32_t here, const uint32_t *nodes,
                             size_t count, bool data)
{
    char text[16];
    snprintf(text, sizeof text, "from %u", here);
    return exchange_join(the.exchanges[here], key, nodes, count, text, data ? strlen(text) : 0,
                         on_done, &the.outcomes[here]);
}

static dragon_err_t join(uint32_t here, const uint32_t *nodes, size_t count, bool data)
{
    return join_key(&the_key, here, nodes, count, data);
}

static bool has_outcome(const struct trees_node *node)
{
    return the.outcomes[node->here].calls > 0;
}

static void check_outcome(uint32_t here, const uint32_t *nodes, size_t count, bool data)
{
    const struct outcome *outcome = &the.outcomes[here];
    cr_expect(outcome->calls == 1 && outcome->err == DRAGON_OK, "node %u", here);
    cr_expect_eq(outcome->count, count);
    for (size_t i = 0; i < count; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, data ? "[from %u]" : "[]", nodes[i]);
        cr_expect_str_eq(outcome->pieces[nodes[i]], wanted, "node %u of %u", here, nodes[i]);
    }
}

static void turn_until_done(const uint32_t *nodes, size_t count)
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    for (size_t i = 0; i < count; i++)
        while (!has_outcome(&the_trees.at[nodes[i]]) && time_left_ms(deadline) > 0)
            loop_turn(the_trees.loop, time_left_ms(deadline));
}

static void check_exchange(const uint32_t *nodes, size_t count, bool data, bool backwards)
{
    memset(the.outcomes, 0, sizeof the.outcomes);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(join(nodes[backwards ? count - 1 - i : i], nodes, count, data), DRAGON_OK);
    turn_until_done(nodes, count);
    for (size_t i = 0; i < count; i++)
        check_outcome(nodes[i], nodes, count, data);
}

Test(group_exchange, all_nodes_of_several_trees)
{
    static const uint32_t nodes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    static const struct {
        uint32_t count, fanout;
    } shapes[] = {{1, 16}, {3, 1}, {3, 2}, {5, 2}, {9, 1}, {9, 2}, {9, 16}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        open_all(shapes[i].count, shapes[i].fanout);
        check_exchange(nodes, shapes[i].count, true, false);
        check_exchange(nodes, shapes[i].count, false, true);
        check_exchange(nodes, shapes[i].count, true, true);
        close_all();
    }
}

Test(group_exchange, some_nodes_that_are_no_neighbours)
{
    static const uint32_t pair[] = {3, 8}, some[] = {0, 2, 5, 6, 8}, one[] = {4};
    open_all(9, 2);
    check_exchange(pair, 2, true, false);
    check_exchange(some, 5, true, true);
    check_exchange(one, 1, true, false);
    cr_expect_eq(the.outcomes[0].calls, 0);
    close_all();
}

Test(group_exchange, messages_do_not_grow_with_the_square)
{
    static const uint32_t nodes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    open_all(9, 2);
    check_exchange(nodes, 9, true, false);
    cr_expect_eq(the.messages, 8 + 1 + 8, "up, the root to itself, down");
    close_all();
}

Test(group_exchange, pieces_of_all_sizes)
{
    static const uint32_t nodes[] = {0, 1, 2};
    static char big[200000];
    memset(big, 'x', sizeof big);
    open_all(3, 1);
    exchange_join(the.exchanges[0], &the_key, nodes, 3, big, sizeof big, on_done, &the.outcomes[0]);
    exchange_join(the.exchanges[1], &the_key, nodes, 3, NULL, 0, on_done, &the.outcomes[1]);
    exchange_join(the.exchanges[2], &the_key, nodes, 3, "y", 1, on_done, &the.outcomes[2]);
    turn_until_done(nodes, 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_str_eq(the.outcomes[i].pieces[0], "[xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        cr_expect_str_eq(the.outcomes[i].pieces[1], "[]");
        cr_expect_str_eq(the.outcomes[i].pieces[2], "[y]");
    }
    close_all();
}

Test(group_exchange, a_late_one_is_waited_for_and_named)
{
    static const uint32_t nodes[] = {0, 1, 2, 3, 4};
    char text[200];
    open_all(5, 2);
    exchange_missing(the.exchanges[0], &the_key, text, sizeof text);
    cr_expect_str_eq(text, "node 0 (n0)", "we have not joined ourselves");
    for (uint32_t i = 0; i < 5; i++)
        if (i != 1 && i != 2)
            join(i, nodes, 5, true);
    trees_turn_for(&the_trees, 100);
    for (uint32_t i = 0; i < 5; i++)
        cr_expect_eq(the.outcomes[i].calls, 0);
    exchange_missing(the.exchanges[0], &the_key, text, sizeof text);
    // 3 and 4 have sent theirs to 1, which passes them on with its own.
    cr_expect_str_eq(text, "node 1 (n1), node 2 (n2), node 3 (n3), node 4 (n4)");
    join(1, nodes, 5, true);
    trees_turn_for(&the_trees, 50);
    exchange_missing(the.exchanges[0], &the_key, text, sizeof text);
    cr_expect_str_eq(text, "node 2 (n2)");
    exchange_missing(the.exchanges[0], &the_key, text, 80);
    cr_expect_str_eq(text, "", "no room, nothing torn");
    join(2, nodes, 5, true);
    turn_until_done(nodes, 5);
    for (uint32_t i = 0; i < 5; i++)
        check_outcome(i, nodes, 5, true);
    close_all();
}

Test(group_exchange, exchanges_do_not_mix)
{
    static const uint32_t nodes[] = {0, 1, 2};
    open_all(3, 2);
    // The same nodes, in another order on each, in turns, groups and kinds that differ in one part.
    static const struct exchange_key keys[] = {{7, EXCHANGE_START, 1},
                                               {7, EXCHANGE_START, 2},
                                               {7, EXCHANGE_PMI1, 1},
                                               {8, EXCHANGE_START, 1}};
    static struct outcome outcomes[4][3];
    for (int k = 0; k < 4; k++)
        for (uint32_t i = 0; i < 3; i++) {
            int which = (k + (int)i) % 4;
            char text[16];
            snprintf(text, sizeof text, "k%d n%u", which, i);
            cr_expect_eq(exchange_join(the.exchanges[i], &keys[which], nodes, 3, text, strlen(text),
                                       on_done, &outcomes[which][i]),
                         DRAGON_OK);
        }
    trees_turn_for(&the_trees, 100);
    for (int k = 0; k < 4; k++)
        for (uint32_t i = 0; i < 3; i++) {
            char wanted[16];
            cr_expect_eq(outcomes[k][i].calls, 1);
            for (uint32_t from = 0; from < 3; from++) {
                snprintf(wanted, sizeof wanted, "[k%d n%u]", k, from);
                cr_expect_str_eq(outcomes[k][i].pieces[from], wanted);
            }
        }
    close_all();
}

Test(group_exchange, joins_that_are_refused)
{
    static const uint32_t others[] = {1, 2}, nodes[] = {0, 1};
    open_all(3, 2);
    cr_expect_eq(join(0, others, 2, true), DRAGON_ERR_INVAL, "not among them");
    cr_expect_eq(join(0, nodes, 2, true), DRAGON_OK);
    cr_expect_eq(join(0, nodes, 2, true), DRAGON_ERR_INVAL, "joined already");
    cr_expect_eq(the.outcomes[0].calls, 0);
    close_all();
    cr_expect_eq(the.outcomes[0].calls, 1);
    cr_expect_eq(the.outcomes[0].err, DRAGON_ERR_CANCELED);
}

Test(group_exchange, the_end_of_a_group_cancels_what_is_open)
{
    static const uint32_t nodes[] = {0, 1, 2};
    static const struct exchange_key other = {.group = 8, .what = EXCHANGE_START, .turn = 1};
    open_all(3, 2);
    join(0, nodes, 3, true);
    join(1, nodes, 3, true);
    trees_turn_for(&the_trees, 20);
    for (uint32_t i = 0; i < 3; i++)
        exchanges_end_group(the.exchanges[i], the_key.group);
    for (uint32_t i = 0; i < 2; i++)
        cr_expect(the.outcomes[i].calls == 1 && the.outcomes[i].err == DRAGON_ERR_CANCELED);
    cr_expect_eq(the.outcomes[2].calls, 0, "it had not joined");
    // Another group is not touched.
    memset(the.outcomes, 0, sizeof the.outcomes);
    for (uint32_t i = 0; i < 3; i++)
        join_key(&other, i, nodes, 3, true);
    turn_until_done(nodes, 3);
    check_outcome(2, nodes, 3, true);
    close_all();
}

Test(group_exchange, a_lost_node_cancels_those_in_which_it_takes_part)
{
    static const uint32_t with[] = {0, 1, 2}, without[] = {0, 2};
    const struct exchange_key other = {.group = 8, .what = EXCHANGE_START, .turn = 1};
    open_all(3, 2);
    cr_expect_eq(join(0, with, 3, true), DRAGON_OK);
    for (uint32_t here = 0; here < 3; here += 2) {
        tree_lose(the_trees.at[here].tree, 1);
        exchanges_node_lost(the.exchanges[here], 1);
    }
    cr_expect(the.outcomes[0].calls == 1 && the.outcomes[0].err == DRAGON_ERR_CANCELED);
    cr_expect_eq(join(2, with, 3, true), DRAGON_ERR_PEER);
    memset(the.outcomes, 0, sizeof the.outcomes);
    for (uint32_t here = 0; here < 3; here += 2)
        cr_expect_eq(join_key(&other, here, without, 2, true), DRAGON_OK);
    turn_until_done(without, 2);
    check_outcome(2, without, 2, true);
    close_all();
}

Test(group_exchange, one_alone_is_ended)
{
    static const uint32_t nodes[] = {0, 1};
    struct exchange_key other = {.group = 7, .what = EXCHANGE_START, .turn = 2};
    open_all(2, 2);
    cr_expect_eq(join(0, nodes, 2, true), DRAGON_OK);
    exchange_end(the.exchanges[0], &other); // which nobody has joined
    cr_expect_eq(the.outcomes[0].calls, 0);
    exchange_end(the.exchanges[0], &the_key);
    cr_expect(the.outcomes[0].calls == 1 && the.outcomes[0].err == DRAGON_ERR_CANCELED);
    the.outcomes[0].calls = 0;
    cr_expect_eq(join_key(&other, 0, nodes, 2, true), DRAGON_OK);
    cr_expect_eq(join_key(&other, 1, nodes, 2, true), DRAGON_OK);
    turn_until_done(nodes, 2);
    check_outcome(0, nodes, 2, true);
    check_outcome(1, nodes, 2, true);
    close_all();
}

Test(group_exchange, what_comes_late_for_an_ended_group_is_forgotten)
{
    static const uint32_t nodes[] = {0, 1};
    char text[100];
    open_all(2, 1);
    exchanges_end_group(the.exchanges[0], the_key.group);
    join(1, nodes, 2, true);
    trees_turn_for(&the_trees, 50);
    cr_expect_eq(the.messages, 1);
    join(0, nodes, 2, true);
    exchange_missing(the.exchanges[0], &the_key, text, sizeof text);
    cr_expect_str_eq(text, "node 1 (n1)", "its piece was not kept");
    trees_turn_for(&the_trees, 20);
    cr_expect_eq(the.outcomes[1].calls, 0);
    close_all();
}

Test(group_exchange, hostile_bodies)
{
    static const uint32_t nodes[] = {0, 1};
    open_all(2, 1);
    join(0, nodes, 2, true);
    for (uint16_t type = GN_GATHER; type <= GN_SPREAD; type++) {
        static const uint32_t counts[] = {1, 2, 0x10000000, 0xffffffff};
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            struct pack body = PACK_EMPTY;
            pack_u64(&body, the_key.group);
            pack_u64(&body, the_key.what);
            pack_u64(&body, the_key.turn);
            pack_u32(&body, counts[i]);
            pack_u32(&body, 1);
            pack_u32(&body, 0xfffffff0);
            struct link_message message = {
                .type = type, .source = 1, .body = body.data, .length = (uint32_t)body.length};
            cr_expect(!exchanges_on_message(the.exchanges[0], &message));
            for (message.length = 0; message.length < 28; message.length++)
                cr_expect(!exchanges_on_message(the.exchanges[0], &message));
            pack_fini(&body);
        }
    }
    cr_expect_eq(the.outcomes[0].calls, 0);
    join(1, nodes, 2, true);
    turn_until_done(nodes, 2);
    check_outcome(0, nodes, 2, true);
    close_all();
}

// ---- what the root says when it is done

enum { WORD = GN_ABORT };
static bool heard_before_done;

static void on_tree_word(struct trees_node *node, const struct link_message *message)
{
    if (message->type != WORD)
        on_tree_message(node, message);
    else
        heard_before_done = the.outcomes[node->here].calls == 0;
}

static void on_root_done(void *arg, dragon_err_t err, const struct exchange_piece *pieces,
                         size_t count)
{
    struct pack word = PACK_EMPTY;
    on_done(arg, err, pieces, count);
    pack_u32(&word, 1);
    tree_send(the_trees.at[0].tree, 1, WORD, &word);
}

Test(group_exchange, the_word_of_the_root_comes_before_what_others_do_because_of_it)
{
    static const uint32_t nodes[] = {0, 1};
    open_all(2, 1);
    the_trees.on_message = on_tree_word;
    cr_assert_eq(
        exchange_join(the.exchanges[0], &the_key, nodes, 2, "", 0, on_root_done, &the.outcomes[0]),
        DRAGON_OK);
    cr_assert_eq(join(1, nodes, 2, false), DRAGON_OK);
    turn_until_done(nodes, 2);
    cr_expect(heard_before_done);
    close_all();
}

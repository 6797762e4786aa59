// SPDX-License-Identifier: BSD-3-Clause
//
// Trees of several sizes and shapes: coming up, messages between any two, broadcasts, losses, leaving.
#include "config.h"

#include "net/dial.h"
#include "tests/unit/net/trees.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { TYPE_PLAIN = TREES_FIRST_TYPE, TYPE_NUMBERED };

static const struct {
    uint32_t count, fanout;
} the_shapes[] = {{1, 16}, {2, 1},   {3, 1},   {3, 2},  {5, 2},  {5, 16}, {8, 1},
                  {9, 2},  {17, 16}, {18, 16}, {20, 2}, {20, 3}, {20, 16}};
enum { SHAPES = sizeof the_shapes / sizeof *the_shapes };

static struct trees the_trees;

// The last sequence number that each node heard from each other one.
static uint32_t heard_from[TREES_LIMIT][TREES_LIMIT];

// Bodies are: u32 from, u32 sequence number, then as many bytes as that number says.
static void on_numbered(struct trees_node *node, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t from = unpack_u32(&unpack), sequence = unpack_u32(&unpack);
    cr_assert_eq(from, message->source);
    cr_expect_eq(sequence, heard_from[node->here][from] + 1, "node %u from %u", node->here, from);
    heard_from[node->here][from] = sequence;
    cr_expect_eq(unpack_left(&unpack), sequence * 100);
}

static void send_numbered(struct trees *trees, uint32_t from, uint32_t to, uint32_t sequence)
{
    static const uint8_t filling[4096];
    struct pack body = PACK_EMPTY;
    pack_u32(&body, from);
    pack_u32(&body, sequence);
    pack_raw(&body, filling, sequence * 100);
    tree_send(trees->at[from].tree, to, TYPE_NUMBERED, &body);
    cr_expect(body.data == NULL);
}

static uint32_t the_wanted;

static bool has_heard_all(const struct trees_node *node)
{
    return node->heard >= the_wanted;
}

// ---- coming up

Test(net_tree, comes_up_in_any_order)
{
    for (size_t i = 0; i < SHAPES; i++) {
        uint32_t count = the_shapes[i].count;
        trees_init(&the_trees, count, the_shapes[i].fanout);
        for (uint32_t k = 0; k < count; k++)
            trees_start(&the_trees, i % 2 ? count - 1 - k : k);
        cr_expect(trees_wait(&the_trees, trees_is_up), "%u nodes, fanout %u", count,
                  the_shapes[i].fanout);
        for (uint32_t k = 0; k < count; k++) {
            const struct tree *tree = the_trees.at[k].tree;
            cr_expect(tree_here(tree) == k && tree_count(tree) == count &&
                      tree_fanout(tree) == the_shapes[i].fanout);
            cr_expect_eq(tree_node(tree, k)->name, the_trees.nodes[k].name);
            cr_expect(!the_trees.at[k].failed && the_trees.at[k].lost_count == 0);
        }
        trees_fini(&the_trees);
    }
}

Test(net_tree, is_not_up_before_all_below_are)
{
    trees_init(&the_trees, 7, 2);
    for (uint32_t i = 0; i < 6; i++)
        trees_start(&the_trees, i);
    trees_turn_for(&the_trees, 200);
    static const bool up[] = {false, true, false, true, true, true};
    for (uint32_t i = 0; i < 6; i++)
        cr_expect_eq(the_trees.at[i].up, up[i], "node %u", i);
    trees_start(&the_trees, 6);
    cr_expect(trees_wait(&the_trees, trees_is_up));
    trees_fini(&the_trees);
}

static bool can_connect(const char *address_text)
{
    struct sockaddr_storage address;
    socklen_t length;
    cr_assert(address_parse(address_text, &address, &length));
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&address, length) == 0;
    close(fd);
    return connected;
}

Test(net_tree, nothing_listens_once_it_is_up)
{
    trees_init(&the_trees, 3, 2);
    cr_expect(can_connect(the_trees.nodes[0].addresses[0]));
    for (uint32_t i = 0; i < 3; i++)
        trees_start(&the_trees, i);
    cr_assert(trees_wait(&the_trees, trees_is_up));
    for (uint32_t i = 0; i < 3; i++)
        cr_expect(!can_connect(the_trees.nodes[i].addresses[0]), "node %u", i);
    trees_fini(&the_trees);
}

static bool has_failed(const struct trees_node *node)
{
    return node->failed || node->here != 0;
}

Test(net_tree, a_missing_child_is_named_at_the_time_limit)
{
    trees_init(&the_trees, 5, 2);
    the_trees.timeout_ms = 300;
    uint64_t start = time_now_ms();
    trees_start(&the_trees, 0);
    trees_start(&the_trees, 1);
    trees_start(&the_trees, 3);
    cr_assert(trees_wait(&the_trees, has_failed));
    cr_expect_geq(time_now_ms() - start, 299);
    trees_turn_for(&the_trees, 100);
    cr_expect_str_eq(the_trees.at[0].reason,
                     "node 0 (n0) has waited too long for node 1 (n1), node 2 (n2)");
    cr_expect_str_eq(the_trees.at[1].reason, "node 1 (n1) has waited too long for node 4 (n4)");
    cr_expect(the_trees.at[3].up && !the_trees.at[3].failed);
    trees_fini(&the_trees);
}

Test(net_tree, many_missing_children_fit_the_text)
{
    trees_init(&the_trees, 20, 16);
    the_trees.timeout_ms = 20;
    trees_start(&the_trees, 0);
    cr_assert(trees_wait(&the_trees, has_failed));
    cr_expect_not_null(strstr(the_trees.at[0].reason, "node 1 (n1), node 2 (n2), "));
    trees_fini(&the_trees);
}

Test(net_tree, a_parent_that_does_not_answer_is_named)
{
    trees_init(&the_trees, 3, 1);
    the_trees.timeout_ms = 400;
    trees_start(&the_trees, 2); // its parent's socket listens, and nobody speaks
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (!the_trees.at[2].failed && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    const char *wanted = "node 2 (n2) cannot reach node 1 (n1): 127.0.0.1:";
    cr_expect_eq(strncmp(the_trees.at[2].reason, wanted, strlen(wanted)), 0, "%s",
                 the_trees.at[2].reason);
    trees_fini(&the_trees);
}

Test(net_tree, a_wrong_secret_never_gets_in)
{
    static const uint8_t wrong[AUTH_SECRET_BYTES] = "not the secret of these trees..";
    trees_init(&the_trees, 3, 2);
    the_trees.timeout_ms = 800;
    the_trees.at[2].secret = wrong;
    for (uint32_t i = 0; i < 3; i++)
        trees_start(&the_trees, i);
    cr_expect(trees_wait(&the_trees, has_failed));
    cr_expect(!the_trees.at[2].up && the_trees.at[2].failed);
    cr_expect_not_null(strstr(the_trees.at[2].reason, "it does not know this runtime's secret"));
    cr_expect(the_trees.at[1].up);
    cr_expect_str_eq(the_trees.at[0].reason, "node 0 (n0) has waited too long for node 2 (n2)");
    trees_fini(&the_trees);
}

// Somebody who knows the secret, and says a number that is not expected.
Test(net_tree, only_missing_children_are_let_in)
{
    struct trees_node *first = &the_trees.at[0];
    trees_init(&the_trees, 3, 2);
    trees_start(&the_trees, 0);
    trees_start(&the_trees, 1);
    trees_turn_for(&the_trees, 100);
    int listen_fd;
    char **addresses = NULL;
    listen_fd = address_listen(NULL, true, &addresses, NULL);
    struct tree_options twice = {.nodes = the_trees.nodes,
                                 .count = 3,
                                 .here = 1,
                                 .fanout = 2,
                                 .secret = trees_secret,
                                 .listen_fd = listen_fd,
                                 .timeout_ms = TREES_PATIENCE_MS,
                                 .silence_ms = 10000,
                                 .first_type = TREES_FIRST_TYPE};
    struct trees_node second = {.trees = &the_trees, .here = 1};
    struct tree *intruder = tree_create(the_trees.loop, &twice, &trees_handler, &second);
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (second.lost_count == 0 && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    cr_expect_eq(second.lost_count, 1, "it is shown the door");
    cr_expect(first->lost_count == 0 && !first->failed);
    trees_start(&the_trees, 2);
    cr_expect(trees_wait(&the_trees, trees_is_up));
    tree_destroy(intruder);
    strv_free(addresses);
    trees_fini(&the_trees);
}

// ---- messages

static void check_any_to_any(uint32_t count, uint32_t fanout)
{
    enum { ROUNDS = 3 };
    memset(heard_from, 0, sizeof heard_from);
    trees_up(&the_trees, count, fanout);
    the_trees.on_message = on_numbered;
    for (uint32_t round = 1; round <= ROUNDS; round++)
        for (uint32_t from = 0; from < count; from++)
            for (uint32_t to = 0; to < count; to++)
                send_numbered(&the_trees, from, to, round);
    for (uint32_t i = 0; i < count; i++)
        cr_expect_eq(the_trees.at[i].heard, 0, "to oneself comes later, too");
    the_wanted = ROUNDS * count;
    cr_expect(trees_wait(&the_trees, has_heard_all));
    for (uint32_t from = 0; from < count; from++)
        for (uint32_t to = 0; to < count; to++)
            cr_expect_eq(heard_from[to][from], ROUNDS, "%u to %u", from, to);
    trees_fini(&the_trees);
}

Test(net_tree, any_to_any)
{
    for (size_t i = 0; i < SHAPES; i++)
        check_any_to_any(the_shapes[i].count, the_shapes[i].fanout);
}

// Every message is one of 0's, so a node hears them in the order of sending: the broadcasts with even
// numbers, and in between those that are for it alone.
static uint32_t last_heard[TREES_LIMIT];

static void on_from_root(struct trees_node *node, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t number = unpack_u32(&unpack);
    cr_expect_eq(message->source, 0);
    cr_expect_gt(number, last_heard[node->here], "node %u", node->here);
    last_heard[node->here] = number;
}

static void send_from_root(uint32_t to, uint32_t number)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, number);
    tree_send(the_trees.at[0].tree, to, TYPE_PLAIN, &body);
}

Test(net_tree, broadcasts_reach_everybody_in_order)
{
    enum { ROUNDS = 5 };
    for (size_t i = 0; i < SHAPES; i++) {
        uint32_t count = the_shapes[i].count;
        memset(last_heard, 0, sizeof last_heard);
        trees_up(&the_trees, count, the_shapes[i].fanout);
        the_trees.on_message = on_from_root;
        for (uint32_t number = 1; number <= 2 * ROUNDS; number += 2) {
            for (uint32_t to = 0; to < count; to++)
                send_from_root(to, number);
            send_from_root(TREE_EVERYBODY, number + 1);
        }
        the_wanted = 2 * ROUNDS;
        cr_expect(trees_wait(&the_trees, has_heard_all));
        for (uint32_t to = 0; to < count; to++)
            cr_expect_eq(the_trees.at[to].heard, 2 * ROUNDS);
        trees_fini(&the_trees);
    }
}

Test(net_tree, large_messages_pass_through)
{
    enum { LENGTH = 20 << 20 };
    trees_up(&the_trees, 4, 1);
    struct pack body = PACK_EMPTY;
    uint8_t *data = calloc(1, LENGTH);
    pack_raw(&body, data, LENGTH);
    free(data);
    tree_send(the_trees.at[3].tree, 0, TYPE_PLAIN, &body);
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (the_trees.at[0].heard == 0 && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    cr_expect_eq(the_trees.at[0].heard, 1);
    cr_expect_eq(the_trees.at[1].heard + the_trees.at[2].heard, 0);
    trees_fini(&the_trees);
}

Test(net_tree, messages_to_oneself_that_were_not_delivered_are_freed)
{
    trees_up(&the_trees, 1, 1);
    send_numbered(&the_trees, 0, 0, 1);
    trees_fini(&the_trees);
}

// ---- losses

Test(net_tree, a_lost_child_is_told_to_its_neighbours_once)
{
    trees_up(&the_trees, 7, 2);
    trees_stop(&the_trees, 1);
    trees_turn_for(&the_trees, 100);
    cr_assert_eq(the_trees.at[0].lost_count, 1);
    cr_expect_eq(the_trees.at[0].lost[0], 1);
    cr_expect_str_eq(the_trees.at[0].reason, "it closed the connection");
    for (uint32_t i = 3; i <= 4; i++)
        cr_expect(the_trees.at[i].lost_count == 1 && the_trees.at[i].lost[0] == 1, "node %u", i);
    cr_expect_eq(the_trees.at[2].lost_count + the_trees.at[5].lost_count, 0);
    // What goes to it or through it is dropped; the rest still works.
    the_trees.on_message = NULL;
    for (uint32_t to = 0; to < 7; to++) {
        struct pack body = PACK_EMPTY;
        tree_send(the_trees.at[0].tree, to, TYPE_PLAIN, &body);
    }
    trees_turn_for(&the_trees, 50);
    static const uint32_t heard[] = {1, 0, 1, 0, 0, 1, 1};
    for (uint32_t i = 0; i < 7; i++)
        cr_expect_eq(the_trees.at[i].heard, heard[i], "node %u", i);
    trees_fini(&the_trees);
}

Test(net_tree, a_child_that_was_lost_is_not_waited_for_when_leaving)
{
    trees_up(&the_trees, 3, 2);
    trees_stop(&the_trees, 2);
    trees_turn_for(&the_trees, 50);
    tree_leave(the_trees.at[0].tree);
    tree_leave(the_trees.at[1].tree);
    cr_expect(trees_wait(&the_trees, trees_has_left));
    trees_fini(&the_trees);
}

Test(net_tree, a_child_that_is_lost_while_we_leave_is_not_waited_for)
{
    trees_up(&the_trees, 3, 2);
    tree_leave(the_trees.at[0].tree);
    tree_leave(the_trees.at[1].tree);
    trees_turn_for(&the_trees, 50);
    cr_expect(!the_trees.at[0].left, "node 2 has not said goodbye");
    trees_stop(&the_trees, 2); // killed
    cr_expect(trees_wait(&the_trees, trees_has_left), "nobody is to wait for its goodbye");
    cr_expect_eq(the_trees.at[0].lost_count, 1);
    trees_fini(&the_trees);
}

static bool has_lost_its_parent(const struct trees_node *node)
{
    return node->here != 1 || node->lost_count > 0;
}

static bool has_heard(const struct trees_node *node)
{
    return node->here != 2 || node->heard > 0;
}

Test(net_tree, going_on_without_a_node)
{
    struct trees trees;
    struct pack body = PACK_EMPTY;
    trees_up(&trees, 3, 2);
    cr_expect_not(tree_is_lost(trees.at[0].tree, 1));
    tree_lose(trees.at[0].tree, 1);
    tree_lose(trees.at[0].tree, 1);
    tree_lose(trees.at[2].tree, 1);
    cr_expect(tree_is_lost(trees.at[0].tree, 1) && tree_is_lost(trees.at[2].tree, 1));
    cr_expect(!tree_is_lost(trees.at[0].tree, 2) && !tree_is_lost(trees.at[0].tree, 77));
    cr_expect(trees_wait(&trees, has_lost_its_parent), "it learns of it");
    cr_expect_eq(trees.at[0].lost_count, 0);
    pack_u32(&body, 1);
    tree_send(trees.at[0].tree, 1, TREES_FIRST_TYPE, &body); // dropped
    cr_expect_eq(body.length, 0);
    pack_u32(&body, 2);
    tree_send(trees.at[2].tree, 1, TREES_FIRST_TYPE, &body);
    tree_send(trees.at[0].tree, TREE_EVERYBODY, TREES_FIRST_TYPE, &body);
    cr_expect(trees_wait(&trees, has_heard));
    cr_expect_eq(trees.at[1].heard, 0);
    tree_leave(trees.at[2].tree);
    tree_leave(trees.at[0].tree);
    tree_leave(trees.at[1].tree);
    cr_expect(trees_wait(&trees, trees_has_left), "it is not waited for");
    trees_fini(&trees);
}

Test(net_tree, leaving_from_inside_on_lost)
{
    trees_up(&the_trees, 2, 1);
    the_trees.at[1].leave_when_lost = true;
    trees_stop(&the_trees, 0);
    cr_expect(trees_wait(&the_trees, trees_has_left));
    trees_fini(&the_trees);
}

// ---- leaving

Test(net_tree, leaves_from_the_leaves_to_the_root)
{
    for (size_t i = 0; i < SHAPES; i++) {
        uint32_t count = the_shapes[i].count;
        trees_up(&the_trees, count, the_shapes[i].fanout);
        for (uint32_t k = 0; k < count; k++)
            tree_leave(the_trees.at[k].tree);
        // As agents do: each is destroyed as soon as it has left.
        uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
        for (uint32_t gone = 0; gone < count && time_left_ms(deadline) > 0;) {
            loop_turn(the_trees.loop, 20);
            for (uint32_t k = count; k-- > 0;) {
                struct trees_node *node = &the_trees.at[k];
                if (!node->tree || !node->left)
                    continue;
                for (uint32_t below = k + 1; below < count; below++)
                    cr_expect(tree_parent(below, the_shapes[i].fanout) != k ||
                              the_trees.at[below].left);
                trees_stop(&the_trees, k);
                gone++;
            }
        }
        for (uint32_t k = 0; k < count; k++) {
            cr_expect(the_trees.at[k].left, "node %u of %u", k, count);
            cr_expect_eq(the_trees.at[k].lost_count, 0, "node %u of %u lost %u", k, count,
                         the_trees.at[k].lost[0]);
        }
        trees_fini(&the_trees);
    }
}

Test(net_tree, nobody_leaves_before_those_below)
{
    trees_up(&the_trees, 3, 1);
    tree_leave(the_trees.at[0].tree);
    tree_leave(the_trees.at[1].tree);
    trees_turn_for(&the_trees, 50);
    cr_expect(!the_trees.at[0].left && !the_trees.at[1].left);
    tree_leave(the_trees.at[2].tree);
    cr_expect(trees_wait(&the_trees, trees_has_left));
    trees_fini(&the_trees);
}

Test(net_tree, what_was_sent_before_leaving_arrives)
{
    trees_up(&the_trees, 3, 1);
    for (uint32_t i = 0; i < 20; i++) {
        struct pack body = PACK_EMPTY;
        pack_str(&body, "last words");
        tree_send(the_trees.at[2].tree, 0, TYPE_PLAIN, &body);
    }
    for (uint32_t i = 3; i-- > 0;)
        tree_leave(the_trees.at[i].tree);
    trees_stop(&the_trees, 2);
    cr_expect(trees_wait(&the_trees, trees_has_left));
    cr_expect_eq(the_trees.at[0].heard, 20);
    cr_expect_eq(the_trees.at[1].lost_count, 0);
    trees_fini(&the_trees);
}

// ---- messages that no node of ours sends

// A child by hand: a link that has passed the handshake.
struct child {
    struct link *link;
    int fd;
    bool done, closed;
    uint32_t heard;
};

static void on_child_dialled(void *arg, int fd, const char *what_happened)
{
    struct child *child = arg;
    (void)what_happened;
    child->fd = fd;
    child->done = true;
}

static void on_child_message(void *arg, const struct link_message *message)
{
    struct child *child = arg;
    (void)message;
    child->heard++;
}

static void on_child_closed(void *arg, const char *reason)
{
    struct child *child = arg;
    (void)reason;
    child->closed = true;
}

Test(net_tree, impossible_nodes_are_dropped)
{
    static const struct link_handler handler = {.on_message = on_child_message,
                                                .on_closed = on_child_closed};
    static const uint8_t hello[AUTH_HELLO_BYTES] = {1};
    struct child child = {.fd = -1};
    trees_init(&the_trees, 3, 2);
    trees_start(&the_trees, 0);
    trees_start(&the_trees, 2);
    struct dial_options options = {.addresses = the_trees.nodes[0].addresses,
                                   .same_host = true,
                                   .secret = trees_secret,
                                   .purpose = "tree",
                                   .hello = hello,
                                   .timeout_ms = TREES_PATIENCE_MS};
    dial_start(the_trees.loop, &options, on_child_dialled, &child);
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (!child.done && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    cr_assert_geq(child.fd, 0);
    child.link = link_create(the_trees.loop, child.fd, 1000, &handler, &child);
    static const struct link_message messages[] = {
        {.type = TYPE_PLAIN, .source = 3, .destination = 0},
        {.type = TYPE_PLAIN, .source = 1, .destination = 3},
        {.type = TYPE_PLAIN, .source = 1, .destination = 0xfffffffe},
        {.type = TYPE_PLAIN, .source = 1, .destination = TREE_EVERYBODY},
        {.type = TYPE_PLAIN, .source = 0, .destination = TREE_EVERYBODY}, // not from its parent
        {.type = 9, .source = 1, .destination = 0}, // of the tree's own types, and none of them
        {.type = 1, .source = 1, .destination = 0}, // it is up
        {.type = TYPE_PLAIN, .source = 1, .destination = 0},
        {.type = TYPE_PLAIN, .source = 1, .destination = 2},
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        link_send(child.link, &messages[i]);
    the_wanted = 1;
    cr_expect(trees_wait(&the_trees, has_heard_all));
    trees_turn_for(&the_trees, 50);
    cr_expect_eq(the_trees.at[0].heard, 1);
    cr_expect_eq(the_trees.at[2].heard, 1);
    cr_expect(the_trees.at[0].up && !child.closed && child.heard == 0);
    link_destroy(child.link);
    trees_fini(&the_trees);
}

// ---- cards

static uint32_t the_cards[TREES_LIMIT];

static bool on_card(struct trees_node *node, uint32_t from, const void *card, size_t length)
{
    char text[16];
    int expected = snprintf(text, sizeof text, "card %u", from);
    (void)node;
    cr_expect(length == (size_t)expected && memcmp(card, text, length) == 0, "node %u", from);
    the_cards[from]++;
    return true;
}

Test(net_tree, node_0_has_every_card_when_it_is_up)
{
    static const uint32_t shapes[][2] = {{1, 16}, {2, 16}, {7, 2}, {9, 1}, {24, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct trees trees;
        memset(the_cards, 0, sizeof the_cards);
        trees_init(&trees, shapes[i][0], shapes[i][1]);
        trees.on_card = on_card;
        for (uint32_t here = trees.count; here-- > 0;)
            trees_start(&trees, here);
        cr_assert(trees_wait(&trees, trees_is_up));
        for (uint32_t node = 0; node < trees.count; node++)
            cr_expect_eq(the_cards[node], 1, "node %u of %u", node, trees.count);
        trees_fini(&trees);
    }
}

static bool refuse_card(struct trees_node *node, uint32_t from, const void *card, size_t length)
{
    (void)node;
    (void)card;
    (void)length;
    return from != 1;
}

static bool root_has_failed(const struct trees_node *node)
{
    return node->here != 0 || node->failed;
}

Test(net_tree, a_card_that_makes_no_sense)
{
    struct trees trees;
    trees_init(&trees, 2, 1);
    trees.on_card = refuse_card;
    trees_start(&trees, 0);
    trees_start(&trees, 1);
    cr_assert(trees_wait(&trees, root_has_failed));
    cr_expect(!trees.at[0].up);
    trees_fini(&trees);
}

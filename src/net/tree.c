// SPDX-License-Identifier: BSD-3-Clause
//
// The tree of agents: coming up (children dial their parents; a node is up when its children are and
// its parent has it, and tells that with its card and all cards from below), routing, noticing losses,
// going down (from the leaves to the root).
//
// Losses are noticed by the kernel: a closed connection at once, a silent host by TCP's own keep-alive
// and user time-out, so an idle tree costs no wake-ups.
#include "config.h"

#include "net/tree.h"

#include "net/dial.h"
#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_UP = 1, TYPE_GOODBYE = 2, BODY_LIMIT = 64 << 20 };

static const char purpose[] = "tree";

struct branch {
    struct tree *tree; // borrowed
    struct link *link; // NULL: not linked (yet)
    uint32_t node;
    bool up;   // everything below it is linked
    bool left; // it has said goodbye
};

struct to_self {
    struct to_self *next;
    struct link_message message;
    uint8_t body[];
};

struct tree {
    struct loop *loop; // borrowed
    struct tree_options options;
    const struct tree_handler *handler;
    void *arg;
    struct listener *listener;
    struct dial *dial;
    struct loop_timer *limit;
    struct loop_later self_delivery;
    struct to_self *self_first, **self_last; // owned
    struct branch parent;                    // unused at node 0
    struct branch *children;                 // owned, child_count of them
    uint32_t child_count;
    bool *lost;                      // owned, one a node; NULL: none is
    struct pack cards;               // of the nodes below, until this one is up
    uint8_t hello[AUTH_HELLO_BYTES]; // what we say of ourselves: our node number
    bool up, failed, leaving, left;
};

uint32_t tree_here(const struct tree *tree)
{
    return tree->options.here;
}

uint32_t tree_count(const struct tree *tree)
{
    return tree->options.count;
}

uint32_t tree_fanout(const struct tree *tree)
{
    return tree->options.fanout;
}

bool tree_is_lost(const struct tree *tree, uint32_t node)
{
    return tree->lost && node < tree->options.count && tree->lost[node];
}

const struct tree_node *tree_node(const struct tree *tree, uint32_t node)
{
    return &tree->options.nodes[node];
}

static void tree_fail(struct tree *tree, const char *reason)
{
    if (tree->failed || tree->leaving)
        return;
    tree->failed = true;
    tree->handler->on_failed(tree->arg, reason);
}

static void branch_say(struct branch *branch, uint16_t type, struct pack *body)
{
    if (branch->link)
        link_send_pack(branch->link, type, branch->tree->options.here, branch->node, body);
    else
        pack_fini(body);
}

static bool deliver_cards(struct tree *tree)
{
    struct unpack unpack = unpack_start(tree->cards.data, tree->cards.length);
    bool good = !tree->cards.failed;
    while (good && tree->handler->on_card && unpack_left(&unpack) > 0) {
        size_t length;
        uint32_t node = unpack_u32(&unpack);
        const void *card = unpack_bytes(&unpack, &length);
        good = !unpack.failed && node < tree->options.count &&
               tree->handler->on_card(tree->arg, node, card, length);
    }
    pack_fini(&tree->cards);
    if (!good)
        tree_fail(tree, "what a node tells of itself is not understood");
    return good;
}

// Up is told upwards once; a node without children is up as soon as its parent has it.
static void tree_check_up(struct tree *tree)
{
    if (tree->up || tree->failed || (tree->options.here != 0 && !tree->parent.link))
        return;
    for (uint32_t i = 0; i < tree->child_count; i++)
        if (!tree->children[i].up)
            return;
    tree->up = true;
    loop_timer_stop(tree->limit);
    // Nobody else is to come: from now on nothing of this runtime listens on the network.
    listener_destroy(tree->listener);
    tree->listener = NULL;
    pack_u32(&tree->cards, tree->options.here);
    pack_bytes(&tree->cards, tree->options.card, tree->options.card_length);
    if (tree->options.here != 0)
        branch_say(&tree->parent, TYPE_UP, &tree->cards);
    else if (!deliver_cards(tree))
        return;
    tree->handler->on_up(tree->arg);
}

static void tree_check_left(struct tree *tree)
{
    if (!tree->leaving || tree->left)
        return;
    for (uint32_t i = 0; i < tree->child_count; i++)
        if (tree->children[i].link && !tree->children[i].left)
            return;
    tree->left = true;
    struct pack empty = PACK_EMPTY;
    branch_say(&tree->parent, TYPE_GOODBYE, &empty);
    tree->handler->on_left(tree->arg);
}

// The neighbour through which `node` is reached; NULL when there is no way.
static struct branch *tree_way(struct tree *tree, uint32_t node)
{
    uint32_t fanout = tree->options.fanout, here = tree->options.here;
    for (uint32_t at = node; at > here; at = tree_parent(at, fanout))
        if (tree_parent(at, fanout) == here)
            return &tree->children[at - (here * fanout + 1)];
    return here == 0 ? NULL : &tree->parent;
}

static void deliver_to_self(void *arg)
{
    struct tree *tree = arg;
    while (tree->self_first) {
        struct to_self *entry = tree->self_first;
        tree->self_first = entry->next;
        if (!tree->self_first)
            tree->self_last = &tree->self_first;
        entry->message.body = entry->body;
        tree->handler->on_message(tree->arg, &entry->message);
        free(entry);
    }
}

static void send_to_self(struct tree *tree, const struct link_message *message)
{
    struct to_self *entry = malloc(sizeof *entry + message->length);
    if (!entry) {
        tree_fail(tree, "out of memory");
        return;
    }
    entry->next = NULL;
    entry->message = *message;
    if (message->length)
        memcpy(entry->body, message->body, message->length);
    *tree->self_last = entry;
    tree->self_last = &entry->next;
    loop_later_add(tree->loop, &tree->self_delivery);
}

static void tree_pass_on(struct tree *tree, const struct link_message *message)
{
    if (message->destination == TREE_EVERYBODY) {
        for (uint32_t i = 0; i < tree->child_count; i++)
            if (tree->children[i].link)
                link_send(tree->children[i].link, message);
        return;
    }
    struct branch *way = tree_way(tree, message->destination);
    if (way && way->link)
        link_send(way->link, message);
    else
        log_debug("no way for message type %u to node %u", message->type, message->destination);
}

void tree_send(struct tree *tree, uint32_t node, uint16_t type, struct pack *body)
{
    struct link_message message = {.type = type,
                                   .source = tree->options.here,
                                   .destination = node,
                                   .body = body->data,
                                   .length = (uint32_t)body->length};
    if (tree_is_lost(tree, node)) {
        pack_fini(body);
        return;
    }
    if (body->failed || body->length > BODY_LIMIT) {
        pack_fini(body);
        tree_fail(tree, "a message to another node was too large for this host");
        return;
    }
    if (node == tree->options.here || node == TREE_EVERYBODY)
        send_to_self(tree, &message);
    if (node != tree->options.here)
        tree_pass_on(tree, &message);
    pack_fini(body);
}

static void on_tree_control(struct branch *branch, const struct link_message *message)
{
    struct tree *tree = branch->tree;
    if (message->type == TYPE_UP && !branch->up && branch != &tree->parent) {
        branch->up = true;
        pack_raw(&tree->cards, message->body, message->length);
        if (tree->cards.failed || tree->cards.length > BODY_LIMIT / 2)
            tree_fail(tree, "there are more nodes than this host has memory for");
    }
    if (message->type == TYPE_GOODBYE)
        branch->left = true;
    tree_check_up(branch->tree);
    tree_check_left(branch->tree);
}

static void on_branch_message(void *arg, const struct link_message *message)
{
    struct branch *branch = arg;
    struct tree *tree = branch->tree;
    bool everybody = message->destination == TREE_EVERYBODY;
    if (message->source >= tree->options.count ||
        (!everybody && message->destination >= tree->options.count) ||
        (everybody && (message->source != 0 || branch != &tree->parent))) {
        log_debug("dropped a message with impossible nodes from node %u", branch->node);
        return;
    }
    if (message->type < tree->options.first_type) {
        on_tree_control(branch, message);
        return;
    }
    if (everybody || message->destination != tree->options.here)
        tree_pass_on(tree, message);
    if (everybody || message->destination == tree->options.here)
        tree->handler->on_message(tree->arg, message);
}

static void on_branch_closed(void *arg, const char *reason)
{
    struct branch *branch = arg;
    struct tree *tree = branch->tree;
    if (branch->left || tree->left)
        return;
    branch->left = true; // nobody is to wait for its goodbye
    tree->handler->on_lost(tree->arg, branch->node, reason);
    tree_check_left(tree); // it may be the last that was waited for
}

static const struct link_handler branch_handler = {.on_message = on_branch_message,
                                                   .on_closed = on_branch_closed};

// The kernel tells us of a peer that is silent: idle it is asked every few seconds, and data that
// nobody acknowledges may not wait longer than the limit.
static void watch_silence(int fd, uint64_t silence_ms)
{
    unsigned limit_ms = (unsigned)silence_ms;
    int seconds = (int)(silence_ms / 1000), on = 1;
    int idle = seconds > 4 ? seconds / 2 : 1, step = 1,
        probes = seconds > idle ? seconds - idle : 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof step);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
}

static void branch_connect(struct branch *branch, int fd)
{
    struct tree *tree = branch->tree;
    watch_silence(fd, tree->options.silence_ms);
    branch->link = link_create(tree->loop, fd, BODY_LIMIT, &branch_handler, branch);
    if (!branch->link)
        tree_fail(tree, "out of memory");
}

static uint32_t hello_node(const uint8_t *hello)
{
    struct unpack unpack = unpack_start(hello, AUTH_HELLO_BYTES);
    return unpack_u32(&unpack);
}

static void on_peer(void *arg, int fd, const uint8_t *hello)
{
    struct tree *tree = arg;
    uint32_t node = hello_node(hello);
    for (uint32_t i = 0; i < tree->child_count; i++) {
        struct branch *child = &tree->children[i];
        if (child->node != node || child->link || child->left || tree->leaving)
            continue;
        branch_connect(child, fd);
        return;
    }
    log_debug("refused a connection of node %u, which is no missing child of ours", node);
    close(fd);
}

static void on_parent_dialled(void *arg, int fd, const char *what_happened)
{
    struct tree *tree = arg;
    const struct tree_node *nodes = tree->options.nodes;
    tree->dial = NULL;
    if (fd >= 0) {
        branch_connect(&tree->parent, fd);
        tree_check_up(tree);
        return;
    }
    char text[512];
    snprintf(text, sizeof text, "node %u (%s) cannot reach node %u (%s): %s", tree->options.here,
             nodes[tree->options.here].name, tree->parent.node, nodes[tree->parent.node].name,
             what_happened);
    tree_fail(tree, text);
}

static void on_tree_limit(void *arg)
{
    struct tree *tree = arg;
    char text[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < tree->child_count && used < sizeof text - 80; i++)
        if (!tree->children[i].up)
            used += (size_t)snprintf(text + used, sizeof text - used, "%snode %u (%.40s)",
                                     used ? ", " : "", tree->children[i].node,
                                     tree->options.nodes[tree->children[i].node].name);
    char whole[sizeof text + 128];
    snprintf(whole, sizeof whole, "node %u (%s) has waited too long for %s", tree->options.here,
             tree->options.nodes[tree->options.here].name, used ? text : "its parent");
    tree_fail(tree, whole);
}

static bool tree_dial_parent(struct tree *tree)
{
    const struct tree_node *nodes = tree->options.nodes;
    uint32_t here = tree->options.here, parent = tree_parent(here, tree->options.fanout);
    tree->parent.node = parent;
    struct dial_options options = {
        .addresses = nodes[parent].addresses,
        .same_host = strcmp(nodes[parent].host_key, nodes[here].host_key) == 0,
        .secret = tree->options.secret,
        .purpose = purpose,
        .hello = tree->hello,
        // Less than all of the time, so that this message comes before the parent's.
        .timeout_ms = tree->options.timeout_ms * 3 / 4,
    };
    tree->dial = dial_start(tree->loop, &options, on_parent_dialled, tree);
    return tree->dial != NULL;
}

static bool tree_add_children(struct tree *tree)
{
    uint64_t first = (uint64_t)tree->options.here * tree->options.fanout + 1;
    uint64_t end = first + tree->options.fanout;
    if (end > tree->options.count)
        end = tree->options.count;
    if (first >= end)
        return true;
    tree->child_count = (uint32_t)(end - first);
    tree->children = calloc(tree->child_count, sizeof *tree->children);
    for (uint32_t i = 0; tree->children && i < tree->child_count; i++)
        tree->children[i] = (struct branch){.tree = tree, .node = (uint32_t)first + i};
    return tree->children != NULL;
}

static void on_up_alone(void *arg)
{
    tree_check_up(arg);
}

struct tree *tree_create(struct loop *loop, const struct tree_options *options,
                         const struct tree_handler *handler, void *arg)
{
    struct tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return NULL;
    *tree = (struct tree){.loop = loop, .options = *options, .handler = handler, .arg = arg};
    tree->parent.tree = tree;
    tree->self_last = &tree->self_first;
    tree->self_delivery = (struct loop_later){.fn = deliver_to_self, .arg = tree};
    memcpy(tree->hello,
           &(uint8_t[]){(uint8_t)options->here, (uint8_t)(options->here >> 8),
                        (uint8_t)(options->here >> 16), (uint8_t)(options->here >> 24)},
           4);
    bool alone = options->count == 1;
    tree->limit = loop_timer_create(loop, alone ? on_up_alone : on_tree_limit, tree);
    bool made = tree->limit && tree_add_children(tree);
    if (made && options->listen_fd >= 0) {
        tree->listener =
            listener_create(loop, options->listen_fd, options->secret, purpose, on_peer, tree);
        made = tree->listener != NULL;
    }
    if (!made || (options->here > 0 && !tree_dial_parent(tree))) {
        tree_destroy(tree);
        return NULL;
    }
    loop_timer_start(tree->limit, alone ? 0 : options->timeout_ms);
    return tree;
}

void tree_destroy(struct tree *tree)
{
    if (!tree)
        return;
    listener_destroy(tree->listener);
    dial_cancel(tree->dial);
    loop_timer_destroy(tree->limit);
    loop_later_cancel(tree->loop, &tree->self_delivery);
    for (struct to_self *entry = tree->self_first, *next; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
    link_destroy(tree->parent.link);
    for (uint32_t i = 0; i < tree->child_count; i++)
        link_destroy(tree->children[i].link);
    pack_fini(&tree->cards);
    free(tree->lost);
    free(tree->children);
    free(tree);
}

void tree_lose(struct tree *tree, uint32_t node)
{
    if (!tree->lost)
        tree->lost = calloc(tree->options.count, sizeof *tree->lost);
    if (!tree->lost) {
        tree_fail(tree, "out of memory");
        return;
    }
    tree->lost[node] = true;
    for (uint32_t i = 0; i < tree->child_count; i++) {
        struct branch *child = &tree->children[i];
        if (child->node != node)
            continue;
        link_destroy(child->link);
        child->link = NULL;
        child->left = true;
    }
    tree_check_left(tree);
}

void tree_leave(struct tree *tree)
{
    tree->leaving = true;
    tree_check_left(tree);
}

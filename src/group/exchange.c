// SPDX-License-Identifier: BSD-3-Clause
//
// Exchanges: see exchange.h. A participant's place in the list makes the tree: the parent of place p
// is place (p - 1) / fanout. Each sends one message up, when it has joined and all its children's
// have come; the root then sends everything down.
#include "config.h"

#include "group/exchange.h"

#include "group/proto.h"

#include <uthash.h>

enum { ENDED_REMEMBERED = 256 };

struct exchange {
    struct exchange_key key;
    uint32_t *nodes; // owned; NULL: not joined
    size_t count, place;
    size_t children, children_in;
    uint32_t piece_count;
    struct pack pieces; // of what has come, ours too
    exchange_done_fn *done;
    void *arg;
    UT_hash_handle hh;
};

struct exchanges {
    struct tree *tree;       // borrowed
    struct exchange *by_key; // owned
    uint64_t ended[ENDED_REMEMBERED];
    size_t ended_next;
};

struct exchanges *exchanges_create(struct tree *tree)
{
    struct exchanges *exchanges = calloc(1, sizeof *exchanges);
    if (exchanges)
        exchanges->tree = tree;
    return exchanges;
}

static void exchange_free(struct exchanges *exchanges, struct exchange *exchange)
{
    HASH_DEL(exchanges->by_key, exchange);
    free(exchange->nodes);
    pack_fini(&exchange->pieces);
    free(exchange);
}

static void exchange_cancel(struct exchanges *exchanges, struct exchange *exchange)
{
    exchange_done_fn *done = exchange->done;
    void *arg = exchange->arg;
    exchange_free(exchanges, exchange);
    if (done)
        done(arg, DRAGON_ERR_CANCELED, NULL, 0);
}

void exchanges_destroy(struct exchanges *exchanges)
{
    if (!exchanges)
        return;
    while (exchanges->by_key)
        exchange_cancel(exchanges, exchanges->by_key);
    free(exchanges);
}

static struct exchange *exchange_find(struct exchanges *exchanges, const struct exchange_key *key)
{
    struct exchange *exchange;
    HASH_FIND(hh, exchanges->by_key, key, sizeof *key, exchange);
    return exchange;
}

static struct exchange *exchange_of(struct exchanges *exchanges, const struct exchange_key *key)
{
    struct exchange *exchange = exchange_find(exchanges, key);
    if (exchange)
        return exchange;
    exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->key = *key;
    HASH_ADD(hh, exchanges->by_key, key, sizeof *key, exchange);
    return exchange;
}

static void key_pack(struct pack *pack, const struct exchange_key *key)
{
    pack_u64(pack, key->group);
    pack_u64(pack, key->what);
    pack_u64(pack, key->turn);
}

// In statements, here and elsewhere: the order within an initializer is not promised.
static struct exchange_key key_unpack(struct unpack *unpack)
{
    struct exchange_key key;
    key.group = unpack_u64(unpack);
    key.what = unpack_u64(unpack);
    key.turn = unpack_u64(unpack);
    return key;
}

static void exchange_send(struct exchanges *exchanges, const struct exchange *exchange,
                          uint32_t node, uint16_t type)
{
    struct pack body = PACK_EMPTY;
    key_pack(&body, &exchange->key);
    pack_u32(&body, exchange->piece_count);
    pack_raw(&body, exchange->pieces.data, exchange->pieces.length);
    if (exchange->pieces.failed)
        body.failed = true;
    tree_send(exchanges->tree, node, type, &body);
}

// Sends up, or at the root down, once everything from below is here.
static void exchange_check(struct exchanges *exchanges, struct exchange *exchange)
{
    if (!exchange->nodes || exchange->children_in < exchange->children)
        return;
    if (exchange->place == 0)
        exchange_send(exchanges, exchange, exchange->nodes[0], GN_SPREAD);
    else
        exchange_send(
            exchanges, exchange,
            exchange->nodes[tree_parent((uint32_t)exchange->place, tree_fanout(exchanges->tree))],
            GN_GATHER);
}

static size_t children_of(size_t place, size_t count, size_t fanout)
{
    size_t first = place * fanout + 1;
    if (first >= count)
        return 0;
    return count - first < fanout ? count - first : fanout;
}

static bool find_place(const uint32_t *nodes, size_t count, uint32_t here, size_t *place_out)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] != here)
            continue;
        *place_out = i;
        return true;
    }
    return false;
}

dragon_err_t exchange_join(struct exchanges *exchanges, const struct exchange_key *key,
                           const uint32_t *nodes, size_t count, const void *data, size_t length,
                           exchange_done_fn *done, void *arg)
{
    size_t place;
    if (!find_place(nodes, count, tree_here(exchanges->tree), &place))
        return DRAGON_ERR_INVAL;
    for (size_t i = 0; i < count; i++)
        if (tree_is_lost(exchanges->tree, nodes[i]))
            return DRAGON_ERR_PEER;
    struct exchange *exchange = exchange_of(exchanges, key);
    if (!exchange)
        return DRAGON_ERR_NOMEM;
    if (exchange->nodes)
        return DRAGON_ERR_INVAL;
    uint32_t *copy = malloc(count * sizeof *copy);
    if (!copy)
        return DRAGON_ERR_NOMEM;
    memcpy(copy, nodes, count * sizeof *copy);
    exchange->nodes = copy;
    exchange->count = count;
    exchange->place = place;
    exchange->children = children_of(place, count, tree_fanout(exchanges->tree));
    exchange->done = done;
    exchange->arg = arg;
    pack_u32(&exchange->pieces, nodes[place]);
    pack_bytes(&exchange->pieces, data, length);
    exchange->piece_count++;
    exchange_check(exchanges, exchange);
    return DRAGON_OK;
}

// Reads `count` pieces into `pieces` (may be NULL: only checked). False when they do not fit.
static bool pieces_read(struct unpack *unpack, uint32_t count, struct exchange_piece *pieces)
{
    for (uint32_t i = 0; i < count; i++) {
        struct exchange_piece piece = {.node = unpack_u32(unpack)};
        piece.data = unpack_bytes(unpack, &piece.length);
        if (unpack->failed)
            return false;
        if (pieces)
            pieces[i] = piece;
    }
    return unpack_done(unpack);
}

static bool was_ended(const struct exchanges *exchanges, uint64_t group)
{
    for (size_t i = 0; i < ENDED_REMEMBERED; i++)
        if (exchanges->ended[i] == group)
            return true;
    return false;
}

static bool on_gather(struct exchanges *exchanges, const struct exchange_key *key,
                      struct unpack *unpack)
{
    uint32_t count = unpack_u32(unpack);
    const uint8_t *raw = unpack->at;
    size_t length = unpack_left(unpack);
    if (!pieces_read(unpack, count, NULL))
        return false;
    struct exchange *exchange =
        was_ended(exchanges, key->group) ? NULL : exchange_of(exchanges, key);
    if (!exchange)
        return true;
    pack_raw(&exchange->pieces, raw, length);
    exchange->piece_count += count;
    exchange->children_in++;
    exchange_check(exchanges, exchange);
    return true;
}

static bool on_spread(struct exchanges *exchanges, const struct exchange_key *key,
                      struct unpack *unpack, const struct link_message *message)
{
    uint32_t count = unpack_u32(unpack);
    if (unpack->failed || count > unpack_left(unpack) / 8)
        return false;
    struct exchange_piece *pieces = calloc(count + 1, sizeof *pieces);
    struct exchange *exchange = exchange_find(exchanges, key);
    if (!pieces || !pieces_read(unpack, count, pieces) || !exchange || !exchange->nodes) {
        free(pieces);
        return exchange == NULL;
    }
    // What the root says when it is done is to come before what the others do because of it.
    struct exchange taken = *exchange;
    exchange->nodes = NULL;
    exchange_free(exchanges, exchange);
    taken.done(taken.arg, DRAGON_OK, pieces, count);
    free(pieces);
    size_t first = taken.place * tree_fanout(exchanges->tree) + 1;
    for (size_t i = 0; i < taken.children; i++) {
        struct pack copy = PACK_EMPTY;
        pack_raw(&copy, message->body, message->length);
        tree_send(exchanges->tree, taken.nodes[first + i], GN_SPREAD, &copy);
    }
    free(taken.nodes);
    return true;
}

bool exchanges_on_message(struct exchanges *exchanges, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct exchange_key key = key_unpack(&unpack);
    if (unpack.failed)
        return false;
    return message->type == GN_GATHER ? on_gather(exchanges, &key, &unpack)
                                      : on_spread(exchanges, &key, &unpack, message);
}

static bool has_piece(const struct exchange *exchange, uint32_t node)
{
    struct unpack unpack = unpack_start(exchange->pieces.data, exchange->pieces.length);
    for (uint32_t i = 0; i < exchange->piece_count && !unpack.failed; i++) {
        size_t length;
        bool same = unpack_u32(&unpack) == node;
        unpack_bytes(&unpack, &length);
        if (same)
            return true;
    }
    return false;
}

void exchange_missing(struct exchanges *exchanges, const struct exchange_key *key, char *text,
                      size_t room)
{
    struct exchange *exchange = exchange_find(exchanges, key);
    size_t used = 0;
    text[0] = 0;
    if (!exchange || !exchange->nodes) { // we have not joined ourselves
        uint32_t here = tree_here(exchanges->tree);
        snprintf(text, room, "node %u (%.40s)", here, tree_node(exchanges->tree, here)->name);
        return;
    }
    for (size_t i = 0; i < exchange->count && used + 80 < room; i++)
        if (!has_piece(exchange, exchange->nodes[i]))
            used += (size_t)snprintf(text + used, room - used, "%snode %u (%.40s)",
                                     used ? ", " : "", exchange->nodes[i],
                                     tree_node(exchanges->tree, exchange->nodes[i])->name);
}

void exchange_end(struct exchanges *exchanges, const struct exchange_key *key)
{
    struct exchange *exchange = exchange_find(exchanges, key);
    if (exchange)
        exchange_cancel(exchanges, exchange);
}

void exchanges_node_lost(struct exchanges *exchanges, uint32_t node)
{
    struct exchange *exchange, *next;
    size_t place;
    HASH_ITER (hh, exchanges->by_key, exchange, next)
        if (exchange->nodes && find_place(exchange->nodes, exchange->count, node, &place))
            exchange_cancel(exchanges, exchange);
}

void exchanges_end_group(struct exchanges *exchanges, uint64_t group)
{
    exchanges->ended[exchanges->ended_next++ % ENDED_REMEMBERED] = group;
    struct exchange *exchange, *next;
    HASH_ITER (hh, exchanges->by_key, exchange, next)
        if (exchange->key.group == group)
            exchange_cancel(exchanges, exchange);
}

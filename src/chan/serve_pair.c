// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard, for processes of other nodes. What can be done at once is, with everything where it came in. A
// large value is moved from its sender straight into the block that becomes the pair, when there is one; a value that
// was asked for straight from the pair, which is pinned until it is sent. What waits for a key or for room is kept, in
// the waitsets of the shard, and tried again when our bell has rung.
//
// Whatever a connection had under way when it ends is given back: blocks at once, or when the network lets go of them.
#include "config.h"

#include "chan/serve_pair.h"

#include <stdlib.h>

enum outcome pair_answer(const struct pair *pair, dragon_err_t err, uint64_t result)
{
    struct cu_answer header = {.request = pair->header.request, .error = err, .result = result};
    if (pair->use)
        reply(pair->use->connection, CU_ANSWER, &header, sizeof header);
    return OVER;
}

// ---- what is kept

static void leave_sets(const struct pair *pair)
{
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        waitset_leave(&pair->view->shard->keys[i], pair->view->slot);
    waitset_leave(&pair->view->shard->space, pair->view->slot);
}

static void wait_no_longer(struct pair *pair)
{
    struct served *served = pair->use->served;
    DL_DELETE(served->pairs, pair);
    pair->waits = false;
    if (!served->pairs)
        leave_sets(pair);
    served_waits(pair->serve, served);
}

static void forget_use(struct pair *pair)
{
    struct connection *connection = pair->use->connection;
    if (pair->waits)
        wait_no_longer(pair);
    if (pair->kept) {
        DL_DELETE2(connection->pairs, pair, prev_peer, next_peer);
        connection->pair_count--;
    }
    pair->use = NULL;
}

void pair_end(struct pair *pair)
{
    if (pair->use)
        forget_use(pair);
    if (pair->incoming)
        data_refuse(pair->serve->waiter->port, pair->incoming);
    if (pair->fresh.entry)
        shard_abandon(pair->view, &pair->fresh);
    free(pair->keys);
    free(pair->copy);
    if (pair->kept)
        free(pair);
}

static uint8_t *copy_of(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (copy && bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

// All that it refers to becomes its own.
static bool copy_parts(struct pair *pair)
{
    size_t bytes = wire_pair_keys(&pair->header);
    if (!pair->keys) { // they are together in the message
        pair->keys = copy_of(pair->key.data, bytes);
        if (!pair->keys)
            return false;
        pair->key.data = pair->keys;
        pair->expected = pair->keys + pair->key.bytes;
    }
    if (pair->value && !pair->copy) {
        pair->copy = copy_of(pair->value, pair->header.value_bytes);
        pair->value = pair->copy;
    }
    return !pair->value == !pair->copy;
}

// Instead of the one that is only there until its message is dealt with. NULL: there is no memory for it, and it is over.
static struct pair *keep(struct pair *pair)
{
    struct connection *connection = pair->use->connection;
    struct pair *kept = NULL;
    if (connection->pair_count < SERVE_PAIRS_MOST && copy_parts(pair))
        kept = malloc(sizeof *kept);
    if (!kept) {
        pair_answer(pair, DRAGON_ERR_NOMEM, 0);
        pair_end(pair);
        return NULL;
    }
    *kept = *pair;
    kept->kept = true;
    DL_APPEND2(connection->pairs, kept, prev_peer, next_peer);
    connection->pair_count++;
    return kept;
}

// ---- all of them

struct pair_call pair_call_of(const struct pair *pair)
{
    const struct cu_pair *header = &pair->header;
    return (struct pair_call){
        .op = (enum pair_op)header->op,
        .wait = header->wait != 0,
        .key = pair->key,
        .value = pair->value,
        .value_bytes = header->value_bytes,
        .expected = pair->expected,
        .expected_bytes = header->expected_bytes,
        .number = header->number,
    };
}

static bool sends(const struct pair *pair)
{
    uint8_t op = pair->header.op;
    return op == PAIR_GET || op == PAIR_POP || op == PAIR_WALK || op == PAIR_STATS;
}

static enum outcome run(struct pair *pair)
{
    struct shard_view *view = pair->view;
    if (object_state(&view->shard->object) == OBJECT_DESTROYED)
        return pair_answer(pair, DRAGON_ERR_CLOSED, 0);
    if (sends(pair))
        return pair_send(pair);
    if (pair->incoming)
        return pair_receive(pair);
    struct pair_call call = pair_call_of(pair);
    struct dict_result result = {0};
    dragon_err_t err = pair_here(view, &call, &result);
    return err == DRAGON_ERR_AGAIN ? WAITS
                                   : pair_answer(pair, err, err == DRAGON_OK ? result.result : 0);
}

// The next turn tries it again, after it has entered its waitset.
static void park(struct pair *pair)
{
    if (!pair->kept)
        pair = keep(pair);
    if (!pair)
        return;
    struct served *served = pair->use->served;
    pair->waits = served->pairs_are_new = true;
    DL_APPEND(served->pairs, pair);
    served_waits(pair->serve, served);
}

static void begin(struct pair *pair)
{
    enum outcome outcome = run(pair);
    if (outcome == OVER)
        pair_end(pair);
    else if (outcome == WAITS)
        park(pair);
}

static struct waitset *set_of(const struct pair *pair)
{
    return pair->header.op == PAIR_CONTAINS ? shard_set(pair->view, &pair->key)
                                            : &pair->view->shard->space;
}

// Whoever makes true what they wait for rings us afterwards, as the keeper does after a death: we were in the waitset before
// we looked.
void pairs_turn(struct serve *serve, struct served *served)
{
    uint32_t bell = bell_seen(serve->waiter->space->own);
    if (bell == served->bell && !served->pairs_are_new)
        return;
    served->bell = bell;
    served->pairs_are_new = false;
    struct pair *pair, *next;
    DL_FOREACH(served->pairs, pair)
    waitset_enter(set_of(pair), pair->view->slot);
    DL_FOREACH_SAFE(served->pairs, pair, next)
    {
        pair->view->again = true;
        enum outcome outcome = run(pair);
        pair->view->again = false;
        if (outcome == WAITS)
            continue;
        serve->did = true;
        if (outcome == OVER)
            pair_end(pair);
        else
            wait_no_longer(pair);
    }
}

// ---- arriving

// Key and expected that came before are its own from now on. False: they do not belong to it.
static bool take_keys(struct pair *pair)
{
    struct pair_keys *keys = &pair->use->connection->keys;
    const struct cu_pair *header = &pair->header;
    bool fits = keys->handle == header->handle && keys->request == header->request;
    if (keys->bytes != wire_pair_keys(header) || (keys->bytes > 0 && !fits))
        return false;
    pair->keys = keys->data;
    *keys = (struct pair_keys){.bytes = 0};
    return true;
}

// Where key, expected and value are. False: against the rules.
static bool find_parts(struct pair *pair, const struct data_message *message)
{
    const struct cu_pair *header = &pair->header;
    const struct pair_keys *keys = &pair->use->connection->keys;
    uint64_t key_bytes = wire_pair_keys(header);
    const uint8_t *at = message->data;
    bool lost = keys->lost;
    if (header->key_sent) {
        if (message->bytes != header->value_bytes || !take_keys(pair))
            return false;
        pair->value = at;
        at = pair->keys;
    } else {
        if (message->bytes != key_bytes + header->value_bytes || message->bytes > CHAN_SMALL ||
            message->incoming || keys->bytes > 0)
            return false;
        pair->value = header->value_bytes > 0 ? at + key_bytes : NULL;
    }
    if (!lost) {
        pair->key = shard_key(at, header->key_bytes);
        pair->expected = key_bytes > header->key_bytes ? at + header->key_bytes : NULL;
    }
    return true;
}

bool pair_arrived(struct use *use, const struct cu_pair *header, struct data_message *message)
{
    bool lost = use->connection->keys.lost;
    struct pair pair = {.serve = use->serve, .use = use, .header = *header};
    if (use->served && !use->served->view)
        return false;
    if (!find_parts(&pair, message))
        return false;
    pair.incoming = message->incoming;
    if (!use->served || lost) {
        pair_answer(&pair, lost ? DRAGON_ERR_NOMEM : DRAGON_ERR_PEER, 0);
        pair_end(&pair);
        return true;
    }
    pair.view = use->served->view;
    struct pair *it = pair.incoming ? keep(&pair) : &pair;
    if (it)
        begin(it);
    return true;
}

static bool keys_grow(struct pair_keys *keys, size_t bytes)
{
    size_t room = keys->room ? keys->room : CHAN_SMALL;
    while (room < bytes)
        room *= 2;
    if (room == keys->room)
        return true;
    uint8_t *data = realloc(keys->data, room);
    if (!data)
        return false;
    keys->data = data;
    keys->room = room;
    return true;
}

bool pair_key_arrived(struct use *use, const struct cu_pair_key *header,
                      const struct data_message *message)
{
    struct pair_keys *keys = &use->connection->keys;
    struct served *served = use->served;
    if ((served && !served->view) || message->incoming || message->bytes == 0 ||
        message->bytes > CHAN_SMALL)
        return false;
    if (keys->bytes > 0 && (keys->handle != header->handle || keys->request != header->request))
        return false; // what the others belong to is missing
    if (served && keys->bytes + message->bytes > SHARD_KEY_MOST + served->view->shard->bytes)
        return false;
    keys->handle = header->handle;
    keys->request = header->request;
    if (!served || !keys_grow(keys, keys->bytes + message->bytes))
        keys->lost = true;
    if (!keys->lost)
        memcpy(keys->data + keys->bytes, message->data, message->bytes);
    keys->bytes += message->bytes;
    return true;
}

// ---- the end

void pair_cancel(struct connection *connection, uint32_t request)
{
    struct pair *pair;
    DL_FOREACH2(connection->pairs, pair, next_peer)
    {
        if (pair->header.request != request)
            continue;
        if (pair->waits) { // else it is answered when its value is here
            pair_answer(pair, DRAGON_ERR_AGAIN, 0);
            pair_end(pair);
        }
        return;
    }
}

void pairs_drop(struct connection *connection, struct use *use, dragon_err_t err)
{
    struct pair *pair, *next;
    DL_FOREACH_SAFE2(connection->pairs, pair, next, next_peer)
    {
        if (use && pair->use != use)
            continue;
        if (err != DRAGON_OK)
            pair_answer(pair, err, 0);
        if (pair->moving)
            forget_use(pair); // the network tells when it has let go of the block
        else
            pair_end(pair);
    }
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard, for processes of other nodes. What can be done at once is, with everything where it came in. A
// large value is moved from its sender straight into the block that becomes the pair, when there is one; a value that
// was asked for straight from the pair, which is pinned until it is sent. What waits for a key or for room is kept, in
// the waitsets of the shard, and tried again when our bell has rung.
//
// Whatever a connection had under way when it ends is given back: blocks at once, or when the network lets go of them.
#include "config.h"

#include "chan/serve_parts.h"
#include "ddict/pair.h"

#include <stdlib.h>

enum { WALK_FIRST = 4096 }; // room for records

struct pair {
    struct pair *next, *prev;           // of the shard, when it waits
    struct pair *next_peer, *prev_peer; // of the connection, when it is kept
    struct serve *serve;
    struct use *use; // NULL: it is gone, nobody is answered
    struct shard_view *view;
    struct cu_pair header;
    struct shard_key key;
    const uint8_t *expected;
    const uint8_t *value; // NULL: it is not here, or has no bytes
    uint8_t *keys, *copy; // owned: where key and expected are, and the value; NULL: in the message
    void *incoming;       // the value, still at its sender
    struct fresh fresh;   // where it goes
    bool kept, waits, moving;
};

// What has become of one that was tried.
enum outcome { OVER, WAITS, MOVES };

static enum outcome answer(const struct pair *pair, dragon_err_t err, uint64_t result)
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

static void end(struct pair *pair)
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
        answer(pair, DRAGON_ERR_NOMEM, 0);
        end(pair);
        return NULL;
    }
    *kept = *pair;
    kept->kept = true;
    DL_APPEND2(connection->pairs, kept, prev_peer, next_peer);
    connection->pair_count++;
    return kept;
}

// ---- values that are sent

struct outbound { // what the network reads from until it has sent it
    struct serve *serve;
    struct shard_view *view;
    struct pinned pinned;
    uint8_t *copy; // owned
};

static void outbound_free(struct outbound *outbound)
{
    shard_unpin(outbound->view, &outbound->pinned);
    free(outbound->copy);
    free(outbound);
}

static void on_sent(void *arg, dragon_err_t err)
{
    (void)err; // the connection is lost then, which we are told of
    struct outbound *outbound = arg;
    outbound->serve->moving--;
    outbound_free(outbound);
}

static struct outbound *outbound_create(const struct pair *pair)
{
    struct outbound *outbound = calloc(1, sizeof *outbound);
    if (!outbound)
        return NULL;
    outbound->serve = pair->serve;
    outbound->view = pair->view;
    return outbound;
}

static dragon_err_t send_message(const struct pair *pair, uint64_t tag, const void *data,
                                 size_t bytes, struct outbound *outbound)
{
    struct data_peer *peer = pair->use->connection->peer;
    struct cu_message header = {.request = pair->header.request, .tag = tag, .bytes = bytes};
    return data_send(peer, CU_MESSAGE, &header, sizeof header, data, bytes,
                     outbound ? on_sent : NULL, outbound);
}

static enum outcome send_small(const struct pair *pair, const void *data, size_t bytes)
{
    (void)send_message(pair, 0, data, bytes, NULL); // as reply
    return OVER;
}

// Takes it.
static enum outcome send_outbound(const struct pair *pair, uint64_t tag, const void *data,
                                  size_t bytes, struct outbound *outbound)
{
    bool copied = bytes <= DATA_COPIED;
    dragon_err_t err = send_message(pair, tag, data, bytes, copied ? NULL : outbound);
    if (err != DRAGON_OK || copied)
        outbound_free(outbound);
    else
        pair->serve->moving++;
    return OVER;
}

static enum outcome send_pinned(const struct pair *pair, struct outbound *outbound)
{
    const struct pinned *pinned = &outbound->pinned;
    const void *data = pinned->data;
    uint64_t number;
    if (pinned->bytes == sizeof number) { // it may be changed in place
        number = atomic_load((const _Atomic uint64_t *)data);
        data = &number;
    }
    return send_outbound(pair, 0, data, pinned->bytes, outbound);
}

// ---- reading

static enum outcome get_small(const struct pair *pair)
{
    uint8_t value[DATA_COPIED];
    size_t bytes = 0;
    size_t room = pair->header.room < sizeof value ? pair->header.room : sizeof value;
    dragon_err_t err = shard_get(pair->view, &pair->key, value, room, &bytes);
    if (err == DRAGON_OK)
        return send_small(pair, value, bytes);
    if (err == DRAGON_ERR_TOO_BIG && bytes <= pair->header.room)
        err = DRAGON_ERR_FULL; // no pin, see get
    return answer(pair, err, err == DRAGON_ERR_TOO_BIG ? bytes : 0);
}

static enum outcome get(const struct pair *pair)
{
    if (pair->header.room <= DATA_COPIED)
        return get_small(pair);
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return answer(pair, DRAGON_ERR_NOMEM, 0);
    size_t bytes = 0;
    dragon_err_t err = shard_hold(pair->view, &pair->key, &outbound->pinned);
    if (err == DRAGON_OK) {
        bytes = outbound->pinned.bytes;
        if (bytes <= pair->header.room)
            return send_pinned(pair, outbound);
        err = DRAGON_ERR_TOO_BIG;
    }
    outbound_free(outbound);
    return err == DRAGON_ERR_FULL ? get_small(pair) : answer(pair, err, bytes);
}

static enum outcome pop(const struct pair *pair)
{
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return answer(pair, DRAGON_ERR_NOMEM, 0);
    struct pinned *pinned = &outbound->pinned;
    size_t room = pair->header.room < SIZE_MAX ? (size_t)pair->header.room : SIZE_MAX;
    dragon_err_t err = shard_pop_within(pair->view, &pair->key, room, pinned);
    if (err == DRAGON_OK)
        return send_pinned(pair, outbound);
    answer(pair, err, err == DRAGON_ERR_TOO_BIG ? pinned->bytes : 0);
    outbound_free(outbound);
    return OVER;
}

static enum outcome contains(const struct pair *pair)
{
    if (shard_contains(pair->view, &pair->key))
        return answer(pair, DRAGON_OK, 0);
    return pair->header.wait ? WAITS : answer(pair, DRAGON_ERR_NOT_FOUND, 0);
}

struct walk {
    const struct pair *pair;
    uint8_t *data; // owned
    size_t bytes;  // of all records, those that have no room, too
    size_t room;
    bool lost; // for want of memory
};

static bool walk_grow(struct walk *walk, size_t bytes)
{
    size_t room = walk->room ? walk->room : WALK_FIRST;
    while (room < bytes)
        room *= 2;
    if (room == walk->room)
        return true;
    uint8_t *data = realloc(walk->data, room);
    if (!data)
        return false;
    walk->data = data;
    walk->room = room;
    return true;
}

static void walk_add(struct walk *walk, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(walk->data + walk->bytes, data, bytes);
    walk->bytes += bytes;
}

static bool on_pair(void *arg, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
    struct walk *walk = arg;
    const struct pair *pair = walk->pair;
    const struct shard_key *prefix = &pair->key;
    if (key_bytes < prefix->bytes ||
        (prefix->bytes > 0 && memcmp(key, prefix->data, prefix->bytes) != 0))
        return true;
    struct pair_record record = {.key_bytes = (uint32_t)key_bytes, .value_bytes = value_bytes};
    size_t values = pair->header.expected_bytes ? value_bytes : 0;
    size_t bytes = sizeof record + key_bytes + values;
    if (walk->bytes + bytes > pair->header.room) {
        walk->bytes += bytes;
        return true;
    }
    if (!walk_grow(walk, walk->bytes + bytes)) {
        walk->lost = true;
        return false;
    }
    walk_add(walk, &record, sizeof record);
    walk_add(walk, key, key_bytes);
    walk_add(walk, value, values);
    return true;
}

static uint64_t next_bin(const struct pair *pair, uint64_t bin)
{
    const struct shard *shard = pair->view->shard;
    do
        bin++;
    while (bin < shard->bins &&
           atomic_load_explicit(&shard->bin[bin].table, memory_order_relaxed) == 0);
    return bin;
}

static enum outcome walk(const struct pair *pair)
{
    struct walk walk = {.pair = pair};
    uint64_t bin = (uint64_t)pair->header.number;
    if (bin >= pair->view->shard->bins)
        return answer(pair, DRAGON_ERR_NOT_FOUND, 0);
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return answer(pair, DRAGON_ERR_NOMEM, 0);
    dragon_err_t err = shard_walk(pair->view, (uint32_t)bin, on_pair, &walk);
    outbound->copy = walk.data;
    if (err == DRAGON_OK && walk.lost)
        err = DRAGON_ERR_NOMEM;
    else if (err == DRAGON_OK && walk.bytes > pair->header.room)
        err = DRAGON_ERR_TOO_BIG;
    if (err == DRAGON_OK)
        return send_outbound(pair, next_bin(pair, bin), walk.data, walk.bytes, outbound);
    answer(pair, err, err == DRAGON_ERR_TOO_BIG ? walk.bytes : 0);
    outbound_free(outbound);
    return OVER;
}

static enum outcome stats(const struct pair *pair)
{
    struct shard_stats stats;
    _Static_assert(sizeof stats <= DATA_COPIED, "it is copied");
    if (pair->header.room < sizeof stats)
        return answer(pair, DRAGON_ERR_TOO_BIG, sizeof stats);
    shard_stats(pair->view, &stats);
    return send_small(pair, &stats, sizeof stats);
}

// ---- writing

static void on_received(void *arg, dragon_err_t err);

// The value, to where it is wanted.
static enum outcome move(struct pair *pair, void *to)
{
    struct serve *serve = pair->serve;
    void *incoming = pair->incoming;
    pair->incoming = NULL;
    pair->moving = true;
    serve->moving++;
    if (data_receive(serve->waiter->port, incoming, to, pair->header.value_bytes, on_received,
                     pair) == DRAGON_OK)
        return MOVES;
    serve->moving--;
    pair->moving = false;
    return answer(pair, DRAGON_ERR_PEER, 0);
}

// There may be room for it some time.
static bool may_wait(const struct pair *pair)
{
    // What was moved is gone with its block.
    return !pair->moving && pair->header.wait &&
           pair->header.value_bytes < pair->view->shard->bytes;
}

static enum outcome store(struct pair *pair)
{
    dragon_err_t err;
    if (pair->header.op == PAIR_SWAP)
        err = shard_swap(pair->view, &pair->key, pair->expected, pair->header.expected_bytes,
                         &pair->fresh);
    else
        err = shard_store(pair->view, &pair->key, &pair->fresh,
                          pair->header.op == PAIR_PUT ? SHARD_PUT : SHARD_PUT_ABSENT);
    return err == DRAGON_ERR_FULL && may_wait(pair) ? WAITS : answer(pair, err, 0);
}

static enum outcome put(struct pair *pair)
{
    size_t bytes = pair->header.value_bytes;
    if (atomic_load(&pair->view->shard->frozen))
        return answer(pair, DRAGON_ERR_DENIED, 0);
    dragon_err_t err = shard_prepare(pair->view, &pair->key, bytes, &pair->fresh);
    if (err == DRAGON_ERR_FULL && may_wait(pair))
        return WAITS;
    if (err != DRAGON_OK)
        return answer(pair, err, 0);
    if (pair->incoming)
        return move(pair, pair->fresh.value);
    if (bytes > 0)
        memcpy(pair->fresh.value, pair->value, bytes);
    return store(pair);
}

static enum outcome append_now(struct pair *pair)
{
    size_t bytes = 0;
    dragon_err_t err =
        shard_append(pair->view, &pair->key, pair->value, pair->header.value_bytes, &bytes);
    return answer(pair, err, err == DRAGON_OK ? bytes : 0);
}

// A large one goes behind the value when all of it is here.
static enum outcome append(struct pair *pair)
{
    if (!pair->incoming)
        return append_now(pair);
    if (atomic_load(&pair->view->shard->frozen))
        return answer(pair, DRAGON_ERR_DENIED, 0);
    if (pair->header.value_bytes > pair->view->shard->bytes)
        return answer(pair, DRAGON_ERR_FULL, 0);
    pair->copy = malloc(pair->header.value_bytes);
    if (!pair->copy)
        return answer(pair, DRAGON_ERR_NOMEM, 0);
    pair->value = pair->copy;
    return move(pair, pair->copy);
}

static void on_received(void *arg, dragon_err_t err)
{
    struct pair *pair = arg;
    pair->serve->moving--;
    if (pair->use && err != DRAGON_OK)
        answer(pair, DRAGON_ERR_PEER, 0); // the connection is lost, too
    else if (pair->use && pair->header.op == PAIR_APPEND)
        append_now(pair);
    else if (pair->use)
        store(pair);
    end(pair);
}

static enum outcome add(const struct pair *pair)
{
    int64_t before = 0;
    dragon_err_t err = shard_add(pair->view, &pair->key, pair->header.number, &before);
    return answer(pair, err, err == DRAGON_OK ? (uint64_t)before : 0);
}

static enum outcome freeze(const struct pair *pair)
{
    shard_freeze(pair->view, pair->header.number != 0);
    return answer(pair, DRAGON_OK, 0);
}

// ---- all of them

static enum outcome run(struct pair *pair)
{
    struct shard_view *view = pair->view;
    if (object_state(&view->shard->object) == OBJECT_DESTROYED)
        return answer(pair, DRAGON_ERR_CLOSED, 0);
    switch ((enum pair_op)pair->header.op) {
    case PAIR_GET:
        return get(pair);
    case PAIR_PUT:
    case PAIR_PUT_ABSENT:
    case PAIR_SWAP:
        return put(pair);
    case PAIR_ADD:
        return add(pair);
    case PAIR_APPEND:
        return append(pair);
    case PAIR_ERASE:
        return answer(pair, shard_erase(view, &pair->key), 0);
    case PAIR_POP:
        return pop(pair);
    case PAIR_CONTAINS:
        return contains(pair);
    case PAIR_LENGTH:
        return answer(pair, DRAGON_OK, shard_length(view));
    case PAIR_CLEAR:
        return answer(pair, shard_clear(view), 0);
    case PAIR_FREEZE:
        return freeze(pair);
    case PAIR_FROZEN:
        return answer(pair, DRAGON_OK, atomic_load(&view->shard->frozen) != 0);
    case PAIR_WALK:
        return walk(pair);
    case PAIR_STATS:
        return stats(pair);
    case PAIR_OPS:
        break;
    }
    return answer(pair, DRAGON_ERR_UNSUPPORTED, 0);
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
        end(pair);
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
        enum outcome outcome = run(pair);
        if (outcome == WAITS)
            continue;
        serve->did = true;
        if (outcome == OVER)
            end(pair);
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
        answer(&pair, lost ? DRAGON_ERR_NOMEM : DRAGON_ERR_PEER, 0);
        end(&pair);
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
            answer(pair, DRAGON_ERR_AGAIN, 0);
            end(pair);
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
            answer(pair, err, 0);
        if (pair->moving)
            forget_use(pair); // the network tells when it has let go of the block
        else
            end(pair);
    }
}

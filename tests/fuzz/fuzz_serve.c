// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: what processes of other nodes say to who serves a channel, a lock and a shard of this one. The network is made up
// here; the objects, their memory and all that serves them are real. Input: a byte whose bit 0 says whether a single receiver serves,
// or the transport; then steps of a byte each, with what follows it.
//
//     0..15     a message of connection 0 or 1 (bit 0): its type and header as they are, then how many bytes of payload
//               (u8 * 64), which are here or still at the sender (bit 1); bit 2: after a good hello, if it is the first; bit
//               3: of a CU_PAIR the payload is as long as its header says
//     16        what the network has under way is done; 17: or failed
//     18, 19    a process of this node sends, receives
//     20, 21    a connection is lost
//     22        a turn
//     23        the channel is closed
//     24        the single receiver leaves
//     25        into the waitsets and out again
//     26, 27    a process of this node puts, erases a pair
//     28        the shard is destroyed
//     29        its manager leaves
#include "config.h"

#include "../unit/mem/space.h"
#include "chan/ring.h"
#include "chan/serve_parts.h"
#include "ddict/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

// ---- a network that does what it is told

struct data_peer {
    void *arg;
    bool there, closed;
};

struct transfer {
    void (*on_done)(void *arg, dragon_err_t err);
    void *arg;
    uint8_t *to;
    size_t bytes;
    struct transfer *next;
};

static struct transfer *transfers;
static size_t incoming; // payloads that are still at their sender

static void transfer_add(void (*on_done)(void *arg, dragon_err_t err), void *arg, void *to,
                         size_t bytes)
{
    struct transfer *transfer = malloc(sizeof *transfer);
    check(transfer);
    *transfer = (struct transfer){on_done, arg, to, bytes, transfers};
    transfers = transfer;
}

static void transfers_end(dragon_err_t err)
{
    while (transfers) {
        struct transfer *transfer = transfers;
        transfers = transfer->next;
        if (transfer->to && err == DRAGON_OK)
            memset(transfer->to, 7, transfer->bytes);
        transfer->on_done(transfer->arg, err);
        free(transfer);
    }
}

dragon_err_t data_send(struct data_peer *peer, uint8_t type, const void *header,
                       size_t header_bytes, const void *payload, size_t bytes,
                       void (*on_sent)(void *arg, dragon_err_t err), void *arg)
{
    check(peer->there && !peer->closed && !wire_is_request(type));
    check(wire_check(type, header, header_bytes, bytes));
    const uint8_t *at = payload;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum ^= at[i];
    (void)sum; // read for the sanitizers
    if (on_sent)
        transfer_add(on_sent, arg, NULL, 0);
    else
        check(bytes <= DATA_COPIED);
    return DRAGON_OK;
}

dragon_err_t data_receive(struct data_port *port, void *given, void *buffer, size_t bytes,
                          void (*on_received)(void *arg, dragon_err_t err), void *arg)
{
    (void)port;
    check(given == &incoming && incoming > 0);
    incoming--;
    transfer_add(on_received, arg, buffer, bytes);
    return DRAGON_OK;
}

void data_refuse(struct data_port *port, void *given)
{
    (void)port;
    check(given == &incoming && incoming > 0);
    incoming--;
}

void data_peer_close(struct data_peer *peer, bool flush)
{
    (void)flush;
    check(peer->there && !peer->closed);
    peer->closed = true;
}

void data_peer_set_arg(struct data_peer *peer, void *arg)
{
    peer->arg = arg;
}

void *data_peer_arg(const struct data_peer *peer)
{
    return peer->arg;
}

unsigned data_port_progress(struct data_port *port)
{
    (void)port;
    unsigned count = transfers != NULL;
    transfers_end(DRAGON_ERR_PEER);
    return count;
}

// For wait.c, which nobody calls here.
int data_port_fd(const struct data_port *port)
{
    (void)port;
    return -1;
}

bool data_port_arm(struct data_port *port)
{
    (void)port;
    return false;
}

uint64_t data_port_due_ms(const struct data_port *port)
{
    (void)port;
    return 0;
}

// ---- the node

struct node {
    struct fake_keeper *keeper;
    struct space *space, *other;
    struct waiter waiter;
    struct serve *serve;
    struct ring *ring;
    struct local_channel local, there;
    struct object *lock;
    struct shard *shard;
    struct shard_view manager, view; // the other is of `other`
    struct data_peer peers[2];
    const uint8_t *at, *end;
};

enum { CHANNEL = 5, LOCK = 6, SHARD = 7, SHARD_BYTES = SHARD_LEAST };

static uint8_t take(struct node *node)
{
    return node->at < node->end ? *node->at++ : 0;
}

static struct object *make_object(struct node *node, uint64_t id, const struct object_spec *spec)
{
    struct object *object = aligned_alloc(64, (object_bytes(spec) + 63) / 64 * 64);
    check(object);
    memset(object, 0, object_bytes(spec));
    object_init(object, id, spec);
    (void)node;
    return object;
}

static void start_shard(struct node *node)
{
    node->shard = fake_shared_memory(SHARD_BYTES);
    shard_init(node->shard, SHARD, SHARD_BYTES);
    check(shard_open(&node->manager, node->shard, node->space) &&
          shard_open(&node->view, node->shard, node->other));
    check(serve_add_shard(node->serve, &node->manager) == DRAGON_OK);
}

// Nothing is left but tables and pairs.
static void stop_shard(struct node *node)
{
    struct shard_stats stats;
    uint64_t blocks = 0;
    shard_stats(&node->view, &stats);
    for (uint32_t i = 0; i < node->shard->bins; i++) {
        struct bin *bin = &node->shard->bin[i];
        blocks += (atomic_load(&bin->table) != 0) + bin->keys;
    }
    check(stats.heap.blocks == blocks && stats.pins == 0 && stats.waiting == 0);
    check(munmap(node->shard, SHARD_BYTES) == 0);
}

static void start(struct node *node, bool all)
{
    static const struct object_spec channel = {
        .kind = OBJECT_CHANNEL, .numa = DRAGON_ANY_NUMA, .capacity = 3, .inline_bytes = 32};
    static const struct object_spec lock = {.kind = OBJECT_LOCK};
    node->keeper = fake_keeper_create(1, 1 << 20);
    node->space = fake_space(node->keeper, 3);
    node->other = fake_space(node->keeper, 4);
    node->waiter = (struct waiter){.space = node->space};
    node->ring = (struct ring *)(void *)make_object(node, CHANNEL, &channel);
    node->lock = make_object(node, LOCK, &lock);
    local_channel_init(&node->local, &node->waiter, node->ring);
    node->serve = serve_create(&(struct serve_options){.waiter = &node->waiter, .all = all});
    check(node->serve && serve_add(node->serve, &node->local, CHANNEL) == DRAGON_OK);
    struct served *served = calloc(1, sizeof *served);
    check(served);
    *served = (struct served){.id = LOCK, .object = node->lock, .spec = lock};
    HASH_ADD(hh, node->serve->objects, id, sizeof served->id, served);
    start_shard(node);
    // They stay when nobody uses them.
    struct served *each, *next;
    HASH_ITER (hh, node->serve->objects, each, next)
        each->uses = 1;
}

static void stop(struct node *node)
{
    serve_destroy(node->serve);
    transfers_end(DRAGON_ERR_PEER);
    check(incoming == 0);
    ring_drain(node->ring, node->other);
    struct heap_stats stats = fake_keeper_stats(node->keeper, node->other);
    check(stats.blocks == 0); // nothing is lost of the memory
    free(node->ring);
    free(node->lock);
    stop_shard(node);
    space_detach(node->space);
    space_detach(node->other);
    fake_keeper_destroy(node->keeper);
}

static struct data_peer *peer_of(struct node *node, unsigned which)
{
    struct data_peer *peer = &node->peers[which & 1];
    if (!peer->there || peer->closed)
        *peer = (struct data_peer){.there = true};
    return peer;
}

static void hello(struct node *node, struct data_peer *peer)
{
    struct cu_hello header = {.version = CHAN_WIRE_VERSION, .node = 1};
    memcpy(header.key, node->space->key, sizeof header.key);
    struct data_message message = {.header = (uint8_t *)&header, .header_bytes = sizeof header};
    serve_on_message(node->serve, peer, CU_HELLO, &message);
}

static size_t header_size(uint8_t type)
{
    switch (type) {
    case CU_HELLO:
        return sizeof(struct cu_hello);
    case CU_OPEN:
        return sizeof(struct cu_open);
    case CU_SEND:
        return sizeof(struct cu_send);
    case CU_RECEIVE:
        return sizeof(struct cu_receive);
    case CU_POLL:
        return sizeof(struct cu_poll);
    case CU_CALL:
        return sizeof(struct cu_call);
    case CU_PAIR:
        return sizeof(struct cu_pair);
    case CU_PAIR_KEY:
        return sizeof(struct cu_pair_key);
    case CU_PAIRS:
        return sizeof(struct cu_pairs);
    case CU_TAKE_BACK:
        return sizeof(struct cu_take_back);
    }
    return sizeof(struct cu_handle);
}

static uint8_t payload[255 * 64];

static size_t pair_payload(const uint8_t *header, bool is_here)
{
    const struct cu_pair *pair = (const struct cu_pair *)header;
    uint64_t keys = pair->key_sent ? 0 : wire_pair_keys(pair),
             most = is_here ? sizeof payload : 1 << 20;
    return keys <= most && pair->value_bytes <= most - keys ? keys + pair->value_bytes : 0;
}

static bool has_payload(uint8_t type)
{
    return type == CU_SEND || type == CU_PAIR || type == CU_PAIR_KEY || type == CU_PAIRS;
}

static void say(struct node *node, uint8_t how)
{
    struct data_peer *peer = peer_of(node, how);
    if (how & 4 && !peer->arg)
        hello(node, peer);
    if (peer->closed)
        return;
    uint8_t header[CHAN_HEADER] = {0};
    uint8_t type = take(node);
    size_t header_bytes = header_size(type);
    for (size_t i = 0; i < header_bytes; i++)
        header[i] = take(node);
    size_t bytes = take(node) * 64u;
    if (how & 8 && type == CU_PAIR)
        bytes = pair_payload(header, !(how & 2));
    struct data_message message = {
        .header = header, .header_bytes = header_bytes, .bytes = has_payload(type) ? bytes : 0};
    if (message.bytes > 0 && how & 2) {
        incoming++;
        message.incoming = &incoming;
    } else if (message.bytes > 0) {
        message.data = payload;
    }
    serve_on_message(node->serve, peer, type, &message);
}

static void step(struct node *node, uint8_t what)
{
    static uint8_t buffer[CHAN_SMALL * 2];
    struct data_peer *peer = &node->peers[what & 1];
    switch (what) {
    case 16:
        transfers_end(DRAGON_OK);
        break;
    case 17:
        transfers_end(DRAGON_ERR_PEER);
        break;
    case 18: {
        struct ring_message message = {.bytes = 8};
        (void)ring_push(node->ring, node->other, &message, buffer);
        break;
    }
    case 19: {
        struct ring_message message;
        if (ring_pop(node->ring, node->other, true, buffer, sizeof buffer, &message) == DRAGON_OK &&
            message.block)
            check(space_free(node->other, message.block, node->other->slot));
        break;
    }
    case 20:
    case 21:
        if (peer->there && !peer->closed)
            serve_on_lost(node->serve, peer);
        break;
    case 22:
        (void)serve_turn(node->serve);
        break;
    case 23:
        ring_close(node->ring, node->other);
        break;
    case 24:
        if (!node->serve->all)
            serve_remove(node->serve, CHANNEL);
        break;
    case 25:
        serve_enter(node->serve);
        serve_leave(node->serve);
        break;
    case 26: {
        struct shard_key key = shard_key(payload, take(node));
        struct fresh fresh;
        if (shard_prepare(&node->view, &key, 100, &fresh) == DRAGON_OK) {
            memset(fresh.value, 1, 100);
            (void)shard_store(&node->view, &key, &fresh, SHARD_PUT);
        }
        break;
    }
    case 27: {
        struct shard_key key = shard_key(payload, take(node));
        (void)shard_erase(&node->view, &key);
        break;
    }
    case 28:
        shard_destroy(node->shard, node->other);
        break;
    case 29:
        serve_remove(node->serve, SHARD);
        break;
    default:
        if (what < 16)
            say(node, what);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct node node = {.at = data, .end = data + size};
    incoming = 0;
    memset(node.peers, 0, sizeof node.peers);
    start(&node, !(take(&node) & 1));
    while (node.at < node.end)
        step(&node, take(&node));
    stop(&node);
    return 0;
}

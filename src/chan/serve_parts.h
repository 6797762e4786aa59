// SPDX-License-Identifier: BSD-3-Clause
//
// What the files serve*.c share.
//
//     serve --- connections: processes of other nodes                      (serve_peer.c)
//       |          `--- uses: objects that they have opened                (serve_peer.c)
//       |                 `--- inbound: sends that are not in yet, in order (serve_send.c)
//       |--- telling: uses whose send is answered when it is received      (serve_credit.c)
//       `------ served: objects, each opened once for all its uses         (serve.c)
//                  |--- blocked: uses whose next send waits for room       (serve_send.c)
//                  |--- parked: requests that wait, in order               (serve_ask.c)
//                  `--- pairs: operations on a shard that wait             (serve_pair*.c)
#ifndef CHAN_SERVE_PARTS_H
#define CHAN_SERVE_PARTS_H

#include "chan/ring.h"
#include "chan/serve.h"
#include "chan/wire.h"

#include <uthash.h>
#include <utlist.h>

enum {
    SERVE_CREDITS = DRAGON_CHANNEL_UNDER_WAY,
    SERVE_BATCH = SERVE_CREDITS / 2, // so many are given back at a time
    SERVE_USES_MOST = 1 << 16,       // of a connection
    SERVE_PARKED_MOST = 1 << 12,
    SERVE_PAIRS_MOST = 256,
    SERVE_SETS = 3, // waitsets of one object
};

struct served {
    UT_hash_handle hh;
    uint64_t id;
    struct object *object; // mapped
    struct object_spec spec;
    struct segment_kind kind; // of blocks
    uint32_t uses;
    struct use *blocked;
    struct parked *parked;
    struct shard_view *view; // borrowed; NULL: no shard
    struct pair *pairs;
    uint32_t bell;              // ours, when they were looked at,
    bool pairs_are_new;         // or not yet
    struct served *next, *prev; // in serve->waiting
    bool waits;                 // it is there
    struct waitset *entered[SERVE_SETS];
    bool rung[SERVE_SETS];
    uint32_t entered_count;
};

// Key and expected of the next CU_PAIR, as far as they are here.
struct pair_keys {
    uint32_t handle, request;
    uint8_t *data; // owned; NULL: none
    size_t bytes, room;
    bool lost; // for want of memory
};

struct connection {
    struct wire_peer wire; // first
    struct connection *next, *prev;
    struct data_peer *peer; // NULL: it is gone, its last sends are not in yet
    uint32_t node, process;
    uint32_t slot; // by which it owns things here; 0: not needed yet
    struct use *uses;
    struct use *last; // that was found
    struct parked *parked;
    uint32_t parked_count;
    struct pair *pairs; // that are not answered at once
    uint32_t pair_count;
    struct pair_keys keys;
};

struct inbound {
    struct inbound *next;
    struct use *use;
    uint32_t number;
    uint8_t mode;
    bool moving; // from the network into the block
    bool gone;   // taken back: only its number counts
    uint64_t tag, bytes;
    void *incoming; // still at its sender
    mem_ref block;
    void *at;
    uint8_t *data; // owned: a copy; NULL: none
};

struct use {
    UT_hash_handle hh;
    uint32_t handle;
    struct connection *connection;
    struct served *served; // NULL: we do not serve it any more
    struct serve *serve;
    uint32_t received, in, acked; // numbers of its sends
    uint64_t bytes;               // of those that are in and not acknowledged
    uint64_t held_bytes;          // of those in the queue, as far as they are here
    uint32_t flush;               // this one is waited for
    bool flushing, leaving;
    bool lacks_memory;          // for its next send, and the sender was told
    struct inbound *queue;      // in order
    struct use *next, *prev;    // in served->blocked
    bool blocked;               // it is there
    bool owns;                  // perhaps something, in the name of the connection's slot
    uint32_t receiver, move_at; // of a channel with a single one, see send_tell_moved
    // Its send in mode RECEIVED
    bool telling;
    uint32_t tell_number, ticket;
    uint64_t position;                 // as many are received when it is for certain
    struct use *next_tell, *prev_tell; // in serve->telling
};

struct parked {                           // CU_RECEIVE, CU_POLL or CU_CALL
    struct parked *next, *prev;           // of the object
    struct parked *next_peer, *prev_peer; // of the connection
    struct use *use;
    uint8_t type;
    uint32_t request;
    uint64_t room;
    bool peek;
    uint8_t events;
    struct sync_call call;
};

struct serve {
    struct waiter *waiter; // borrowed
    bool all;
    struct served *objects;
    struct connection *connections;
    struct served *waiting;
    struct use *telling;
    uint32_t losses; // of the board, that we know of
    uint32_t moving;   // payloads that the network has our memory for
    bool lacks_memory; // something waits for it
    bool did;          // something, in this turn
};

// ---- serve.c

static inline struct ring *served_ring(const struct served *served)
{
    return (struct ring *)(void *)served->object;
}
static inline bool served_is_ring(const struct served *served)
{
    return served->spec.kind == OBJECT_CHANNEL || served->spec.kind == OBJECT_QUEUE;
}
dragon_err_t served_find(struct serve *serve, uint64_t object, uint8_t kind,
                         struct served **served_out);
void served_unref(struct serve *serve, struct served *served);
void served_waits(struct serve *serve, struct served *served); // or not any more

// ---- serve_peer.c

void reply(struct connection *connection, uint8_t type, const void *header, size_t bytes);
void connection_close(struct serve *serve, struct connection *connection);
void connections_look_for_losses(struct serve *serve); // of nodes without which the runtime goes on
void connection_drop(struct connection *connection);   // what it has sent, too
struct use *use_find(struct connection *connection, uint32_t handle);
void use_destroy(struct use *use);
void use_gone(struct use *use); // the same, and the connection with the last one when it is gone
// The slot in whose name the connection owns things.
dragon_err_t connection_slot(struct serve *serve, struct connection *connection,
                             uint32_t *slot_out);

// ---- serve_send.c

bool send_arrived(struct serve *serve, struct connection *connection, const struct cu_send *header,
                  struct data_message *message); // false: against the rules
void send_take_back(struct use *use, uint32_t number);
void sends_turn(struct serve *serve, struct served *served);
void sends_drop(struct use *use, bool whole); // those that are not here in full; or all

// ---- serve_credit.c

// OK: all up to this send are in; else it is told what became of this one.
void send_credit(struct use *use, uint32_t number, dragon_err_t err);
void send_give_back(struct use *use);
bool send_is_answered(uint8_t mode, uint64_t bytes);
void send_is_in(struct use *use, uint32_t number, uint8_t mode, uint64_t bytes, uint32_t ticket);
void send_is_not_in(struct use *use, uint32_t number, dragon_err_t err);
void send_flush(struct use *use);
void send_tell_moved(struct use *use);
void send_tell_no_longer(struct use *use);
void sends_tell(struct serve *serve); // those whose message was received

// ---- serve_ask.c

void ask(struct serve *serve, struct use *use, struct parked *request, bool wait);
void ask_cancel(struct serve *serve, struct connection *connection, uint32_t request);
void asks_turn(struct serve *serve, struct served *served);
void asks_drop(struct serve *serve, struct connection *connection, struct use *use); // NULL: all

// ---- serve_pair.c

bool pair_arrived(struct use *use, const struct cu_pair *header,
                  struct data_message *message); // false: against the rules
bool pair_key_arrived(struct use *use, const struct cu_pair_key *header,
                      const struct data_message *message); // the same
void pair_cancel(struct connection *connection, uint32_t request);
void pairs_turn(struct serve *serve, struct served *served);
// serve_pairs.c: many small ones, which do not wait
bool pairs_arrived(struct use *use, const struct cu_pairs *header,
                   const struct data_message *message); // the same
// NULL: all. `err`: what those who wait are told; OK: nothing.
void pairs_drop(struct connection *connection, struct use *use, dragon_err_t err);

#endif

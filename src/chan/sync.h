// SPDX-License-Identifier: BSD-3-Clause
//
// Locks, semaphores, barriers, flags and values in shared memory. Every operation is one function that tries, as a
// slot, without waiting: sync_try. The owner of the slot waits with it on this node (sync_do); for processes of other
// nodes the transport tries it when they ask and again when the object changes (serve.c), in the name of the slot
// they have here.
//
// Turns. Locks and semaphores go to whoever is first when they are free, which is the quickest way as long as nobody
// waits for long. Who has waited for SYNC_TURN_NS, or waits on another node, asks "in turn": when nobody else has it
// the turn is his, and nobody else is let in before him. He is rung then, in the name of `space`, without being taken
// out of the waitset. Whoever stops waiting gives it up with LEAVE.
#ifndef CHAN_SYNC_H
#define CHAN_SYNC_H

#include "chan/object.h"
#include "chan/wait.h"

enum sync_op {
    SYNC_LOCK_ACQUIRE,      // a: in turn (below). result: 1 it was abandoned
    SYNC_LOCK_RELEASE,      //
    SYNC_LOCK_LEAVE,        // its turn is given up
    SYNC_SEMAPHORE_ACQUIRE, // a: in turn
    SYNC_SEMAPHORE_RELEASE, // a: how many
    SYNC_SEMAPHORE_LEAVE,   // its turn is given up
    SYNC_SEMAPHORE_VALUE,   // result
    SYNC_BARRIER_ARRIVE,    // a: only if nobody else is missing, else AGAIN. result: a token; then
    SYNC_BARRIER_WAIT,      // a: the token: until all have come
    SYNC_BARRIER_LEAVE,  // a: the token: time is over. result: 1 all have come, 0 it is broken now
    SYNC_BARRIER_ABORT,  //
    SYNC_BARRIER_RESET,  //
    SYNC_BARRIER_STATE,  // result: broken << 32 | waiting
    SYNC_BARRIER_DETACH, // we were never here
    SYNC_FLAG_SET,       //
    SYNC_FLAG_CLEAR,     //
    SYNC_FLAG_GET,       // result: how often it was set << 1 | it is set
    SYNC_FLAG_WAIT,      // a: how often it was set, as known: until it is set, or was in between
    SYNC_VALUE_DO,       // a: index << 8 | dragon_atomic_t, b: operand. result: what it was
    SYNC_VALUE_SWAP,     // a: index, b: expected, c: wanted. result: what it was: swapped if b
    SYNC_VALUE_CHANGE,   // a: index, b: known. result: what it is
    SYNC_QUEUE_STATE,    // of a queue. result: unfinished << 32 | waiting
    SYNC_QUEUE_TAKEN,    // the value that this process received last is taken over by the slot
    SYNC_QUEUE_DONE,     //
    SYNC_QUEUE_GIVE_UP,  // a: how many of the slot's are lost
    SYNC_QUEUE_JOIN,     // result: how many were lost since the last time
    SYNC_OPS,
};

// The index of an arrival: in which order we came.
static inline uint32_t sync_token_index(uint64_t token)
{
    return (uint32_t)token & 0xffff;
}

struct sync_call {
    uint32_t op; // enum sync_op
    uint64_t a, b, c;
};

// Tries. AGAIN: not now; wait at sync_set, if the operation waits. Others: INVAL, STATE, FULL, CANCELED (barrier),
// CLOSED, UNSUPPORTED: the object has no such operation. Wakes whoever can go on because of it. result_out may be
// NULL.
dragon_err_t sync_try(struct object *object, struct space *space, uint32_t slot,
                      const struct sync_call *call, uint64_t *result_out);
// Where to wait for it; NULL: it never waits.
struct waitset *sync_set(struct object *object, const struct sync_call *call);
bool sync_waits(uint32_t op);

// Tries, and waits on this node until it succeeds. AGAIN with deadline 0, TIMEOUT. Takes turns by itself.
enum { SYNC_TURN_NS = 1000000 };
dragon_err_t sync_do(struct object *object, struct waiter *waiter, const struct sync_call *call,
                     uint64_t *result_out, struct spin *spin, int64_t deadline_ns);

size_t sync_bytes(const struct object_spec *spec); // 0: makes no sense
void sync_init(struct object *object, uint64_t id, const struct object_spec *spec);
bool sync_check(const struct object *object, size_t bytes);
void sync_recover(struct object *object, uint32_t dead);
// Everybody who waits for an operation looks again.
void sync_wake(struct object *object, struct space *space);

#endif

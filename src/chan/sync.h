// SPDX-License-Identifier: BSD-3-Clause
//
// Locks, semaphores, barriers, flags and values in shared memory. Every operation is one function that tries, as a slot, without
// waiting: sync_try. The owner of the slot waits with it on this node (sync_do); for processes of other nodes the
// transport tries it when they ask and again when the object changes (serve.c), in the name of the slot they have here.
#ifndef CHAN_SYNC_H
#define CHAN_SYNC_H

#include "chan/object.h"
#include "chan/wait.h"

enum sync_op {
    SYNC_LOCK_ACQUIRE,      // result: 1 it was abandoned
    SYNC_LOCK_RELEASE,      //
    SYNC_SEMAPHORE_ACQUIRE, //
    SYNC_SEMAPHORE_RELEASE, // a: how many
    SYNC_SEMAPHORE_VALUE,   // result
    SYNC_BARRIER_ARRIVE,    // result: generation << 32 | index. Then WAIT until it is over
    SYNC_BARRIER_WAIT,      // a: generation << 32 | index
    SYNC_BARRIER_LEAVE,     // a: the same: the time-out is over: breaks it, unless it is complete
    SYNC_BARRIER_ABORT,     //
    SYNC_BARRIER_RESET,     //
    SYNC_BARRIER_STATE,     // result: broken << 32 | waiting
    SYNC_BARRIER_DETACH,    // we were never here
    SYNC_FLAG_SET,          //
    SYNC_FLAG_CLEAR,        //
    SYNC_FLAG_GET,          // result
    SYNC_FLAG_WAIT,         //
    SYNC_VALUE_DO,          // a: index << 8 | dragon_atomic_t, b: operand; result: what it was
    SYNC_VALUE_SWAP,        // a: index, b: expected, c: wanted; result: what it was. AGAIN: another
    SYNC_VALUE_CHANGE,      // a: index, b: known; result: what it is
    SYNC_QUEUE_STATE,       // of a queue. result: unfinished << 32 | waiting
    SYNC_QUEUE_TAKEN,       // a value was got by the slot
    SYNC_QUEUE_DONE,        //
    SYNC_QUEUE_JOIN,        // result: how many were lost since the last time
    SYNC_OPS,
};

struct sync_call {
    uint32_t op; // enum sync_op
    uint64_t a, b, c;
};

// Tries. AGAIN: not now; wait at sync_set, unless the operation never waits (SYNC_VALUE_SWAP). Others: INVAL, STATE, FULL, CANCELED
// (barrier), CLOSED, UNSUPPORTED: the object has no such operation. Wakes whoever can go on because of it.
dragon_err_t sync_try(struct object *object, struct space *space, uint32_t slot,
                      const struct sync_call *call, uint64_t *result_out);
// Where to wait for it; NULL: it never waits.
struct waitset *sync_set(struct object *object, const struct sync_call *call);
bool sync_waits(uint32_t op);

// Tries, and waits on this node until it succeeds. AGAIN with deadline 0, TIMEOUT.
dragon_err_t sync_do(struct object *object, struct waiter *waiter, const struct sync_call *call,
                     uint64_t *result_out, struct spin *spin, int64_t deadline_ns);

size_t sync_bytes(const struct object_spec *spec); // 0: makes no sense
void sync_init(struct object *object, uint64_t id, const struct object_spec *spec);
bool sync_check(const struct object *object, size_t bytes);
void sync_recover(struct object *object, uint32_t dead, struct space *space);

#endif

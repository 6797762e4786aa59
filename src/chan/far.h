// SPDX-License-Identifier: BSD-3-Clause
//
// Objects of other nodes, seen from here: requests over the network, and what is under way. A runtime handle has one,
// made with the first call that needs the network. Calls mean the same as in local.h and sync.h.
//
// Small messages are sent without an answer while there are credits; larger ones are answered when they are in. Each
// answer, and each loss, is told exactly once: to the call that waits, else to the next call with the handle.
#ifndef CHAN_FAR_H
#define CHAN_FAR_H

#include "chan/local.h"
#include "chan/proto.h"
#include "chan/sync.h"
#include "ddict/pair.h"
#include "net/data.h"

struct far; // the network of one runtime handle
struct far_object;

// Also makes `waiter->port`. UNSUPPORTED: no network library, or no network; the text says what to install.
dragon_err_t far_create(struct waiter *waiter, struct far **far_out, dragon_error_t *error);
// From now on `why` is told of each connection that fails in a call that has no room for a text.
void far_explain(struct far *far, dragon_error_t *why);
void far_destroy(struct far *far); // NULL is fine
struct serve *far_serve(
    struct far *far); // for single receivers, made when first asked for; NULL: out of memory

// `object` is of `node`, of that spec. NULL: out of memory.
struct far_object *far_open(struct far *far, uint32_t node, uint64_t object,
                            const struct object_spec *spec);
// Connects when it has to, as every call does. TIMEOUT: not yet; the next call goes on with it.
dragon_err_t far_home(struct far_object *object, int64_t deadline_ns);
// Waits until all that was sent is in, or the deadline. PEER, TIMEOUT. The object is gone in any case.
dragon_err_t far_close(struct far_object *object, int64_t deadline_ns);

struct far_call { // how a handle behaves
    dragon_wait_t wait;
    dragon_return_t mode;
    int64_t deadline_ns;
};
dragon_err_t far_send(struct far_object *object, const void *data, size_t bytes, uint64_t tag,
                      const struct far_call *how);
// Of a queue, the value counts as taken by us.
dragon_err_t far_receive(struct far_object *object, void *buffer, size_t room, bool peek,
                         dragon_message_t *message_out, const struct far_call *how);
dragon_err_t far_receive_block(struct far_object *object, mem_ref *block_out, void **data_out,
                               dragon_message_t *message_out, const struct far_call *how);
dragon_err_t far_sync(struct far_object *object, const struct sync_call *call, uint64_t *result_out,
                      const struct far_call *how);

// An operation on a shard, by its manager. A value comes into the buffer, `bytes_out` says how large it is, also with TOO_BIG: it has
// more than `room`, and nothing was done. `result_out` as in ddict/pair.h. Both may be NULL. PEER: the manager is gone. TIMEOUT, or AGAIN
// when the deadline is 0: also of what waits and is not possible yet.
dragon_err_t far_pair(struct far_object *object, const struct pair_call *call, void *buffer,
                      size_t room, size_t *bytes_out, uint64_t *result_out,
                      const struct far_call *how);

// Many of GET and PUT under way together, also with several managers: small ones for one manager go in one message.
//
//     far_many_begin -> far_many_ask ... -> far_many_flush -> ... until everything was told
//
// What they refer to stays until each was told by on_done: once, in one of these calls. It may call nothing of far.h. One
// of them at a time.
struct far_many;
// err as of far_pair. TIMEOUT: the time is over, with deadline 0, too. AGAIN: it is to be asked for again, alone.
typedef void far_many_done(void *arg, size_t number, dragon_err_t err, size_t bytes);
dragon_err_t far_many_begin(struct far *far, int64_t deadline_ns, far_many_done *on_done, void *arg,
                            struct far_many **many_out);
// `alone`: without others in its message.
void far_many_ask(struct far_many *many, struct far_object *object, const struct pair_call *call,
                  void *buffer, size_t room, size_t number, bool alone);
void far_many_flush(struct far_many *many); // everything is told

// Which of DRAGON_POLL_* are there; sends count as possible while some may be on their way.
dragon_err_t far_poll(struct far_object *object, int events, int *events_out,
                      const struct far_call *how);

// For sets: asks the home node to say when `events` are there, unless it has been asked already; far_events tells what
// it said.
dragon_err_t far_watch(struct far_object *object, int events);
dragon_err_t far_events(struct far_object *object, int *events_out); // and forgets them
bool far_told(void *object);                                         // a struct awaited's `ready`

#endif

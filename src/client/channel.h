// SPDX-License-Identifier: BSD-3-Clause
//
// Handles on channels, for channel*.c and what is built on channels.
#ifndef CLIENT_CHANNEL_H
#define CLIENT_CHANNEL_H

#include "client/shared.h"

#include <dragon/channel.h>

struct dragon_channel {
    struct handle handle;
    struct local_channel local; // when handle.object
    dragon_wait_t wait;
    dragon_return_t mode;
    bool unserved;       // no sender is on another node
    struct claim *claim; // of a channel with one receiver, which this process is; NULL: not (yet)
    struct member *members; // of sets
};

// channel.c: further fields of the spec, for streams.
dragon_err_t channel_create(struct dragon_runtime *runtime, int node,
                            const struct object_spec *spec, struct dragon_channel **channel_out,
                            dragon_error_t *error);

// The same as dragon_channel_create and _attach, of a queue too.
dragon_err_t channel_create_as(enum object_kind kind, struct dragon_runtime *runtime,
                               const dragon_channel_spec_t *spec,
                               struct dragon_channel **channel_out, dragon_error_t *error);
dragon_err_t channel_attach_as(enum object_kind kind, struct dragon_runtime *runtime,
                               const char *descriptor, struct dragon_channel **channel_out,
                               dragon_error_t *error);

// INVAL: NULL. STATE: of a process that forked us.
static inline dragon_err_t channel_check(const struct dragon_channel *channel)
{
    if (!channel)
        return DRAGON_ERR_INVAL;
    return handle_is_ours(&channel->handle) ? DRAGON_OK : DRAGON_ERR_STATE;
}

static inline bool channel_events_fit(int events)
{
    return events > 0 && events <= (DRAGON_POLL_RECEIVE | DRAGON_POLL_SEND);
}

// channel_data.c: as the public calls, with an absolute deadline and arguments that make sense.
dragon_err_t channel_send(struct dragon_channel *channel, const void *data, size_t bytes,
                          uint64_t tag, int64_t deadline_ns);
dragon_err_t channel_receive(struct dragon_channel *channel, void *buffer, size_t room,
                             dragon_message_t *message_out, int64_t deadline_ns);
dragon_err_t channel_receive_memory(struct dragon_channel *channel, void **data_out,
                                    dragon_message_t *message_out, int64_t deadline_ns);
// The single receiver from now on, if there is to be one. DENIED.
dragon_err_t channel_claim(struct dragon_channel *channel);
// What is there now, without waiting; of a channel of another node, what its home has said since it was asked.
dragon_err_t channel_look(struct dragon_channel *channel, int events, int *events_out);
// What to wait for until channel_look may say something else; at most 2. How many.
enum { CHANNEL_AWAITED = 2 };
size_t channel_awaited(struct dragon_channel *channel, int events,
                       struct awaited items_out[CHANNEL_AWAITED]);

// channel_claim.c: this process becomes the single receiver of a channel of this node. DENIED: another is.
dragon_err_t claim_take(struct dragon_channel *channel);
void claim_drop(struct dragon_channel *channel);
void claim_received(struct claim *claim); // a message
bool claim_turn(struct claim *claim); // false: it is not served, and the network does not matter

// ---- sets

struct member {
    struct dragon_channel_set *set;
    struct dragon_channel *channel;
    struct member *next; // of the channel: in another set
    int events;
    void *arg;
};

// In an event loop. A set that found nothing *sleeps*: it is in the waitsets of what it waits for, and the bell of this
// process is a descriptor. A process may have several.
struct set_poll {
    int fd;        // epoll, of the bell, the network, the keeper and `nudge_fd`; -1: not asked for
    int nudge_fd;  // for what other calls of this process swallowed
    bool nudged;   // it is readable
    bool has_port; // the network's descriptor is in `fd`
    bool asleep;
    size_t items; // that it is in the waitsets of
    struct dragon_channel_set *next_asleep;
};

struct dragon_channel_set {
    struct dragon_runtime *runtime; // borrowed
    struct shared *shared;          // with a handle on it; NULL: nothing was added yet
    struct member **members;        // owned
    size_t count, room;
    size_t first;          // where to look first
    struct awaited *items; // owned: CHANNEL_AWAITED for each
    struct spin spin;
    struct set_poll poll;
};

// channel_set.c: the channel is in no set any more.
void members_forget(struct dragon_channel *channel);
// What all members wait for, to set->items. How many.
size_t set_await(struct dragon_channel_set *set);
dragon_err_t set_use(struct dragon_channel_set *set); // of set->shared

// channel_poll.c: AGAIN: it sleeps, if it is polled. OK: there is something, or may be: look again; `tries` is how
// often that came to nothing. PEER: the runtime has ended.
dragon_err_t set_sleep(struct dragon_channel_set *set, int tries);
void set_wake(struct dragon_channel_set *set); // if it sleeps
void set_close_poll(struct dragon_channel_set *set);

#endif

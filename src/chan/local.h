// SPDX-License-Identifier: BSD-3-Clause
//
// This process's end of a channel of its own node: the ring, blocks for large messages, and waiting. See
// dragon/channel.h for what each call means; here deadlines are absolute, and AGAIN is said instead of TIMEOUT when
// `deadline_ns` is 0.
#ifndef CHAN_LOCAL_H
#define CHAN_LOCAL_H

#include "chan/ring.h"
#include "chan/wait.h"

struct local_channel {
    struct waiter *waiter;    // borrowed
    struct ring *ring;        // borrowed, mapped
    struct segment_kind kind; // of blocks
    dragon_wait_t wait;
    dragon_return_t mode;
    uint32_t ticket;
    struct spin receive_spin, send_spin;
};

void local_channel_init(struct local_channel *channel, struct waiter *waiter, struct ring *ring);

dragon_err_t local_send(struct local_channel *channel, const void *data, size_t bytes, uint64_t tag,
                        int64_t deadline_ns);
// INVAL, STATE: as dragon_channel_send_memory.
dragon_err_t local_send_block(struct local_channel *channel, mem_ref block, size_t bytes,
                              uint64_t tag, int64_t deadline_ns);
dragon_err_t local_receive(struct local_channel *channel, void *buffer, size_t room,
                           dragon_message_t *message_out, int64_t deadline_ns);
// An inline message is copied into a new block. *block_out is 0 for 0 bytes.
dragon_err_t local_receive_block(struct local_channel *channel, mem_ref *block_out, void **data_out,
                                 dragon_message_t *message_out, int64_t deadline_ns);
dragon_err_t local_peek(struct local_channel *channel, void *buffer, size_t room,
                        dragon_message_t *message_out, int64_t deadline_ns);
// DRAGON_POLL_*: which of `events` are there now. CLOSED: destroyed.
dragon_err_t local_poll(struct local_channel *channel, int events, int *events_out);
// What to wait for until local_poll may say something else; at most 2. How many.
size_t local_awaited(struct local_channel *channel, int events, struct awaited items_out[2]);

// DENIED: another process is the single receiver. Else we are, if it is to have one.
dragon_err_t local_claim(struct local_channel *channel);
void local_unclaim(struct local_channel *channel);

#endif

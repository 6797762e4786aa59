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
    struct claim *claim; // of a channel with one receiver, which this process is; NULL: not (yet)
    struct member *members; // of sets
};

// channel.c: further fields of the spec, for streams.
dragon_err_t channel_create(struct dragon_runtime *runtime, int node,
                            const struct object_spec *spec, struct dragon_channel **channel_out,
                            dragon_error_t *error);

// INVAL: NULL. STATE: of a process that forked us.
static inline dragon_err_t channel_check(const struct dragon_channel *channel)
{
    if (!channel)
        return DRAGON_ERR_INVAL;
    return handle_is_ours(&channel->handle) ? DRAGON_OK : DRAGON_ERR_STATE;
}

// channel_data.c: as the public calls, with an absolute deadline and arguments that make sense.
dragon_err_t channel_send(struct dragon_channel *channel, const void *data, size_t bytes,
                          uint64_t tag, int64_t deadline_ns);
dragon_err_t channel_receive(struct dragon_channel *channel, void *buffer, size_t room,
                             dragon_message_t *message_out, int64_t deadline_ns);
dragon_err_t channel_receive_memory(struct dragon_channel *channel, void **data_out,
                                    dragon_message_t *message_out, int64_t deadline_ns);
// What is there now, without waiting; of a channel of another node, what its home has said since it was asked.
dragon_err_t channel_look(struct dragon_channel *channel, int events, int *events_out);
// What to wait for until channel_look may say something else; at most 2. How many.
enum { CHANNEL_AWAITED = 2 };
size_t channel_awaited(struct dragon_channel *channel, int events,
                       struct awaited items_out[CHANNEL_AWAITED]);

// channel_claim.c: this process becomes the single receiver, if there is to be one. DENIED: another is.
dragon_err_t claim_take(struct dragon_channel *channel);
void claim_drop(struct dragon_channel *channel);

// channel_set.c: the channel is in no set any more.
void members_forget(struct dragon_channel *channel);

#endif

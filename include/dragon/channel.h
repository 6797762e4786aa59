/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Channels: bounded queues of messages between any processes of the runtime.
 *
 *     dragon_channel_t *channel;
 *     dragon_channel_create(runtime, NULL, &channel, &error);
 *     dragon_name_publish(runtime, "results", dragon_channel_descriptor(channel), &error);
 *     ...
 *     dragon_channel_send(channel, data, length, 0, DRAGON_DEFAULT_TIMEOUT);
 *
 * A channel lives in the memory of one node, its home. Processes there use it without any system call as long as
 * nobody has to wait; those of other nodes do so over the network, with the same calls. It lives until somebody
 * destroys it, or the runtime ends. Any number of processes send and receive; each message is received by one.
 *
 * Order. Messages of one handle are received in the order in which they were sent. On the home node this holds for all
 * senders together: what was sent after another send had returned is received after it.
 *
 * Full. A channel holds so many messages (its capacity); further sends wait. A sender on another node may have up
 * to DRAGON_CHANNEL_UNDER_WAY further small messages on their way, which are kept in order.
 *
 * Once. A message is received exactly once, or the sender is told: PEER from this or the next call with the handle when
 * it was on its way to a node that died. That a channel was closed or destroyed (CLOSED) a sender on another node may
 * also hear from a later call, of messages that were on their way. A process that dies while it receives a message
 * takes that message with it, as if it had died right after. One that dies while it sends has sent the message or not.
 *
 * Death. Processes that die in the middle of any call do not hold up the others. When the home node dies, every call
 * of others fails with PEER at once.
 *
 * A time-out is in milliseconds: 0 tries once (AGAIN when it is not possible at once), DRAGON_FOREVER, or
 * DRAGON_DEFAULT_TIMEOUT: 60 s, or what DRAGON_TIMEOUT says in the environment. Where another node's part was told of a
 * call and then answers nothing at all (it was stopped), the call ends up to 10 s later, with PEER: until then it may
 * have been done.
 *
 * Errors that calls have besides those that are said: INVAL, a handle, a result or a buffer is NULL that may not be;
 * STATE, the handle is that of a process which forked us. The first call that sends, receives or polls a channel of
 * another node makes the connection, and may fail with UNSUPPORTED (there is no UCX, or no network that it can use),
 * LAUNCH (the node cannot start dragon-transport), TIMEOUT, PEER or NOMEM; nothing was done then, and
 * dragon_runtime_network_error says why.
 *
 * Threads: as for the runtime handle, one at a time; a second thread attaches a handle of its own. The first connection of
 * a process loads UCX, and has variables of UCX in the environment for that moment: no other thread may change it then.
 */
#ifndef DRAGON_CHANNEL_H
#define DRAGON_CHANNEL_H

#include <dragon/memory.h>
#include <dragon/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_channel dragon_channel_t;
typedef struct dragon_channel_set dragon_channel_set_t;

enum {
    DRAGON_CHANNEL_CAPACITY = 128,     /* the default */
    DRAGON_CHANNEL_INLINE = 224,       /* the default size of inline messages, in bytes */
    DRAGON_CHANNEL_INLINE_MOST = 4064, /* that it can be */
    DRAGON_CHANNEL_CAPACITY_MOST = 1 << 20,
    DRAGON_CHANNEL_UNDER_WAY = 64,
    DRAGON_HERE = -1 /* as a node: this one */
};

/* When a send returns. */
typedef enum dragon_return {
    /* When the caller's bytes may be reused and the message will arrive. */
    DRAGON_RETURN_BUFFERED = 0,
    DRAGON_RETURN_RECEIVED = 1 /* when a receiver has it */
} dragon_return_t;

/* How a process waits. */
typedef enum dragon_wait {
    /* Looks for some microseconds when that has paid lately, then sleeps. */
    DRAGON_WAIT_ADAPTIVE = 0,
    DRAGON_WAIT_IDLE = 1, /* sleeps at once */
    /* Keeps looking: the shortest way, for processes with a core of their own. */
    DRAGON_WAIT_SPIN = 2
} dragon_wait_t;

/* How a channel is made. Begin with DRAGON_CHANNEL_SPEC_INIT. */
typedef struct dragon_channel_spec {
    uint32_t capacity; /* messages; 0: the default */
    /* Up to here a message is kept in the channel itself, larger ones in a block of the node's memory. 0: the default.
     * It is rounded up to what fits into whole cache lines: dragon_channel_stats says to how many. */
    uint32_t inline_bytes;
    int node; /* the home: a node's number, or DRAGON_HERE */
    /* NULL; or the home is the node where the first rank of this policy would be, and `node` is DRAGON_HERE. */
    const dragon_policy_t *policy;
    /* Only the process that receives first may receive, until it detaches or dies (others get DENIED). Senders of
     * other nodes then reach it without a process in between, as long as it is in a call of libdragon: the shortest
     * way between hosts. What they sent while it computes waits for its next call; messages above 256 KiB do not go that
     * way, so that it never holds up their sender. */
    int single_receiver;
    dragon_memory_spec_t memory; /* of the channel itself */
    int owned; /* it ends when the process that makes it does, however that ends */
} dragon_channel_spec_t;
#define DRAGON_CHANNEL_SPEC_INIT                               \
    {                                                          \
        0, 0, DRAGON_HERE, NULL, 0, DRAGON_MEMORY_SPEC_INIT, 0 \
    }

/* What comes with a message. */
typedef struct dragon_message {
    size_t bytes;
    uint64_t tag; /* as the sender gave it */
} dragon_message_t;

typedef struct dragon_channel_stats {
    uint32_t node; /* the home */
    uint32_t capacity;
    uint32_t inline_bytes;
    uint32_t waiting; /* messages in it */
    uint64_t sent;
    uint64_t received;
    uint64_t lost;            /* sends that were never finished, because the sender died in them */
    uint32_t processes;       /* that are attached, on the home node */
    uint32_t waiting_senders; /* processes that sleep until there is room */
    uint32_t waiting_receivers; /* and until there is a message */
    int closed;
    int single_receiver;
} dragon_channel_stats_t;

/* ---- life cycle ---- */

/* Makes a channel and attaches to it; spec NULL: with all defaults.
 *
 * INVAL: the spec makes no sense. NOT_FOUND: no such node. FULL: the home node has no memory for it, or no room for
 * the policy. TIMEOUT: the home node did not answer. PEER: the runtime has ended. NOMEM. */
DRAGON_API dragon_err_t dragon_channel_create(dragon_runtime_t *runtime,
                                              const dragon_channel_spec_t *spec,
                                              dragon_channel_t **channel_out,
                                              dragon_error_t *error);

/* Attaches to the channel of a descriptor. On another node's channel the first call that sends or receives makes
 * the connection (some 20 ms, once per node).
 *
 * INVAL: no descriptor of a channel. NOT_FOUND: of another runtime. CLOSED: it was destroyed. */
DRAGON_API dragon_err_t dragon_channel_attach(dragon_runtime_t *runtime, const char *descriptor,
                                              dragon_channel_t **channel_out,
                                              dragon_error_t *error);

/* The same by the name under which the descriptor was published (name.h), waiting for that. TIMEOUT (AGAIN with 0):
 * nobody did. INVAL: the name stands for something else. */
DRAGON_API dragon_err_t dragon_channel_find(dragon_runtime_t *runtime, const char *name,
                                            int timeout_ms, dragon_channel_t **channel_out,
                                            dragon_error_t *error);

/* Leaves it, after what was sent to another node has arrived (at most 5 s; PEER, TIMEOUT: some of it may not
 * have). The handle is gone in any case. NULL is fine. */
DRAGON_API dragon_err_t dragon_channel_detach(dragon_channel_t *channel);

/* Nobody can send any more (CLOSED); what is in it can still be received, then receivers get CLOSED too. Closing it
 * again is fine. CLOSED: it was destroyed. PEER, TIMEOUT: the home node is gone, did not answer. */
DRAGON_API dragon_err_t dragon_channel_close(dragon_channel_t *channel, dragon_error_t *error);

/* Ends the channel for everybody, with the messages in it. All further calls of others: CLOSED. The handle is gone in
 * any case. NULL is fine. CLOSED: it was destroyed before. PEER, TIMEOUT: as for close. */
DRAGON_API dragon_err_t dragon_channel_destroy(dragon_channel_t *channel, dragon_error_t *error);

/* The line of text by which others attach. Valid until detach. */
DRAGON_API const char *dragon_channel_descriptor(const dragon_channel_t *channel);

/* ---- how this handle behaves ---- */

/* How its calls wait, and when its sends return; DRAGON_WAIT_ADAPTIVE and DRAGON_RETURN_BUFFERED until it is set.
 * INVAL: no such value. */
DRAGON_API dragon_err_t dragon_channel_set_wait(dragon_channel_t *channel, dragon_wait_t wait);
DRAGON_API dragon_err_t dragon_channel_set_return(dragon_channel_t *channel, dragon_return_t mode);

/* ---- data ---- */

/* Sends a copy of the bytes (0 is fine, `data` may be NULL then).
 *
 * TIMEOUT, AGAIN: it is full; nothing was sent. With DRAGON_RETURN_RECEIVED TIMEOUT also means that it was sent and is
 * not received yet. CLOSED: closed or destroyed. FULL: the home node has no memory for a message that is not inline;
 * nothing was sent. PEER: the home node is gone, or with DRAGON_RETURN_RECEIVED the receiver died while it received
 * it, or what was sent before was lost. TOO_BIG: larger than a block can be. */
DRAGON_API dragon_err_t dragon_channel_send(dragon_channel_t *channel, const void *data,
                                            size_t bytes, uint64_t tag, int timeout_ms);

/* Hands a block of this node's memory over, the first `bytes` of it being the message, without a copy on one host. On
 * success it is no longer the caller's; else it still is, unless it was sent and with DRAGON_RETURN_RECEIVED what came
 * of that is an error: dragon_memory_size is 0 then.
 *
 * Also INVAL: none of this process's blocks, or smaller than that. STATE: it is shared. */
DRAGON_API dragon_err_t dragon_channel_send_memory(dragon_channel_t *channel, void *data,
                                                   size_t bytes, uint64_t tag, int timeout_ms);

/* Receives the oldest message into a buffer of the caller. message_out may be NULL.
 *
 * TIMEOUT, AGAIN: there is none. TOO_BIG: it is larger than `room`; it stays the oldest, and message_out says how large
 * it is. CLOSED: closed and empty, or destroyed. PEER: the home node is gone. DENIED: somebody else is the single
 * receiver. */
DRAGON_API dragon_err_t dragon_channel_receive(dragon_channel_t *channel, void *buffer, size_t room,
                                               dragon_message_t *message_out, int timeout_ms);

/* The same, into memory of this node, which is the caller's then: without a copy on one host when the message is not
 * inline. To be freed, or sent on. *data_out is NULL for a message of 0 bytes. Also FULL: no memory for it; the message
 * stays. */
DRAGON_API dragon_err_t dragon_channel_receive_memory(dragon_channel_t *channel, void **data_out,
                                                      dragon_message_t *message_out,
                                                      int timeout_ms);

/* Looks at the oldest message without taking it: at most `room` of its bytes are copied, message_out has its
 * size. Errors as of dragon_channel_receive, but for TOO_BIG. */
DRAGON_API dragon_err_t dragon_channel_peek(dragon_channel_t *channel, void *buffer, size_t room,
                                            dragon_message_t *message_out, int timeout_ms);

/* What can be done without waiting. Also what is waited for in a set. */
enum {
    DRAGON_POLL_RECEIVE = 1, /* there is a message, or the channel is closed */
    DRAGON_POLL_SEND = 2     /* there is room, or the channel is closed */
};

/* Waits until one of the events is there. *events_out: which of them are. Another process may be quicker to take the
 * message or the room. TIMEOUT, AGAIN: none. PEER, CLOSED (destroyed). */
DRAGON_API dragon_err_t dragon_channel_poll(dragon_channel_t *channel, int events, int *events_out,
                                            int timeout_ms);

/* ---- several at once ---- */

/* Channels of this runtime handle. They may be of any nodes. NOMEM. */
DRAGON_API dragon_err_t dragon_channel_set_create(dragon_runtime_t *runtime,
                                                  dragon_channel_set_t **set_out);
DRAGON_API void dragon_channel_set_destroy(dragon_channel_set_t *set); /* NULL is fine */

/* `arg` comes back with the channel's events. A channel is in a set once: adding it again changes its events. One that
 * is detached or destroyed is in no set any more. To a channel of another node this makes the connection.
 *
 * INVAL: it is of another runtime handle. NOMEM. Of another node also as dragon_channel_send. */
DRAGON_API dragon_err_t dragon_channel_set_add(dragon_channel_set_t *set, dragon_channel_t *channel,
                                               int events, void *arg);
/* NOT_FOUND: it is not in it. */
DRAGON_API dragon_err_t dragon_channel_set_remove(dragon_channel_set_t *set,
                                                  dragon_channel_t *channel);

typedef struct dragon_ready {
    dragon_channel_t *channel;
    void *arg;
    int events;       /* which are there */
    dragon_err_t err; /* PEER, CLOSED and so on: of this channel, with no events; else DRAGON_OK */
} dragon_ready_t;

/* Waits until at least one channel has something, and writes what it finds, at most `room` of them, beginning behind
 * the one that was first last time, so that none is starved. What a channel of another node has is known some time
 * after it was asked, so with time-out 0 it may be told by a later call. It is only looked at: what is there stays
 * there until it is received, also by others.
 *
 * STATE: the set is empty. TIMEOUT, AGAIN: nothing. PEER: the runtime has ended. */
DRAGON_API dragon_err_t dragon_channel_set_wait_any(dragon_channel_set_t *set,
                                                    dragon_ready_t *ready, size_t room,
                                                    size_t *count_out, int timeout_ms);

/* ---- inside an event loop ---- */

/* A descriptor that becomes readable when a channel of the set may have something, or the runtime has ended:
 *
 *     for (;;) {
 *         while (dragon_channel_set_wait_any(set, ready, room, &count, 0) == DRAGON_OK)
 *             ...;                              (AGAIN: nothing any more, and the descriptor is quiet)
 *         poll(...);                            (with DRAGON_POLL_RECEIVE take what is told, or it is told again)
 *     }
 *
 * Poll it only after that call has said AGAIN; a change of the set makes it necessary to ask again. Other calls of this
 * runtime handle, also those that wait, may be made in between, and there may be several sets in one loop. It may
 * become readable for nothing. It belongs to the set, is made by the first call, and costs senders a system call for
 * each time they wake us, as sleeping does. -1: out of descriptors, or the runtime has ended. */
DRAGON_API int dragon_channel_set_fd(dragon_channel_set_t *set);

/* ---- query ---- */

/* What is in it and who waits, as the home node sees it. CLOSED: it was destroyed. PEER, TIMEOUT. */
DRAGON_API dragon_err_t dragon_channel_stats(dragon_channel_t *channel,
                                             dragon_channel_stats_t *stats_out,
                                             dragon_error_t *error);

#ifdef __cplusplus
}
#endif

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// The data port: active messages between processes of different nodes, over UCX. The files data*.c are the only ones
// that know UCX. It is loaded when the first port is made: a program that never leaves its node does not carry it (it
// costs 1.7 ms a start), and one that has none says what to install.
//
// A port is used by one thread, inside data_port_progress: that is when handlers are called. They may send, receive and
// close peers, and must not call data_port_progress. Peers are told of by on_lost once, whatever happens to them. A
// peer that connected to us is known by its first message.
#ifndef NET_DATA_H
#define NET_DATA_H

#include "base/base.h"

struct data_port;
struct data_peer;

struct data_message {
    const uint8_t *header; // valid until the handler returns
    size_t header_bytes;
    size_t bytes; // of the payload
    const void *
        data; // the payload, valid until the handler returns; NULL: it is still to be moved (or there is none)
    void *incoming; // for data_receive; NULL: it is here in full
};

struct data_handler {
    // `peer` is never NULL. A payload with `incoming` set has to be received or refused, now or later.
    void (*on_message)(void *arg, struct data_peer *peer, uint8_t type,
                       struct data_message *message);
    // The peer is gone, or cannot be reached. What was sent to it may not have arrived. It is still to be closed.
    void (*on_lost)(void *arg, struct data_peer *peer);
};

// UNSUPPORTED: no UCX, or no network that it can use. NOMEM, SYS.
dragon_err_t data_port_create(const struct data_handler *handler, void *arg,
                              struct data_port **port_out, dragon_error_t *error);
// Peers that are not closed are. What is under way is given a moment, not more.
void data_port_destroy(struct data_port *port); // NULL is fine

const void *data_port_address(const struct data_port *port,
                              size_t *length_out);   // of ours, for others to connect to
unsigned data_port_progress(struct data_port *port); // 0: there was nothing to do
int data_port_fd(const struct data_port *port);      // readable when there is, after:
bool data_port_arm(struct data_port *port); // false: there may be already; progress, and try again
// Progress is to be called by then (time_now_ms), whatever comes; 0: no need.
uint64_t data_port_due_ms(const struct data_port *port);
bool data_port_idle(
    const struct data_port *port); // nothing that was sent or received is unfinished

// `arg` is the user's, see data_peer_arg. Fails later, by on_lost. INVAL: the address is none.
dragon_err_t data_peer_connect(struct data_port *port, const void *address, size_t length,
                               void *arg, struct data_peer **peer_out, dragon_error_t *error);
void data_peer_close(struct data_peer *peer,
                     bool flush); // not used any more; flush: what was sent still goes
void data_peer_set_arg(struct data_peer *peer, void *arg);
void *data_peer_arg(const struct data_peer *peer);

// Sends a header (at most 128 bytes, copied) and a payload. on_sent is called once, from progress, never from here,
// when the payload may be reused: OK, or PEER. When it is NULL and the payload is at most DATA_COPIED bytes, it is
// copied at once and nothing is told. Messages to a peer keep their order as far as their handlers are concerned.
enum { DATA_HEADER = 128, DATA_COPIED = 8192 };
dragon_err_t data_send(struct data_peer *peer, uint8_t type, const void *header,
                       size_t header_bytes, const void *payload, size_t bytes,
                       void (*on_sent)(void *arg, dragon_err_t err), void *arg);

// Moves the payload of a message to `buffer`, which has room for all of it. on_received is called once, from progress.
dragon_err_t data_receive(struct data_port *port, void *incoming, void *buffer, size_t bytes,
                          void (*on_received)(void *arg, dragon_err_t err), void *arg);
void data_refuse(struct data_port *port, void *incoming);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What data_port.c, data_peer.c and data_message.c share. See data.h for what it is.
//
// UCX calls us in the middle of its own work, where endpoints must not be closed. So its callbacks only note what has
// happened, on the port's two lists; data_port_progress, when UCX has returned, tells the user of it and closes what is
// to be closed. The one thing told at once is a message, because its bytes are UCX's.
#ifndef NET_DATA_INTERNAL_H
#define NET_DATA_INTERNAL_H

#include "net/data.h"
#include "net/data_load.h"
#include "net/data_sockets.h"

#include <uthash.h>

// The ids of active messages: a user's type as it is, and ours. Those from MESSAGE_IDS on are not sent.
enum {
    MESSAGE_HELLO = 256, // with the address of who connects
    MESSAGE_WELCOME,
    MESSAGE_READY, // with UCX's own number of the endpoint
    MESSAGE_BYE,
    MESSAGE_IDS,
    MESSAGE_FLUSH
};

// Which connection a message belongs to: it begins with it. Both sides count the connections between their two ports,
// as UCX does, which makes pairs of endpoints by that.
struct data_key {
    uint64_t port; // whose; in a message, of its sender
    uint64_t number;
};

struct data_copy {
    struct data_copy *next;
    uint8_t bytes[DATA_COPIED];
};

// A message that is sent or received, from when it is known until its end was told.
struct data_request {
    struct data_request *next, **link; // in the list that it is in; the latter among the peer's
    struct data_peer *peer;            // borrowed
    void (*on_done)(void *arg, dragon_err_t err);
    void *arg;
    dragon_err_t err;
    void *descriptor;    // UCX's, of a payload at its sender that the user did not ask for yet
    const void *payload; // of a message that is sent
    size_t bytes;        // of the payload
    size_t header_bytes; // with the key
    unsigned id;         // of the message
    struct data_request *next_held;
    struct data_copy *copy; // owned: of a payload that nobody else keeps
    uint8_t header[sizeof(struct data_key) +
                   DATA_HEADER]; // UCX wants it to stay until the message went
};

struct data_handler_arg {
    struct data_port *port;
    unsigned id;
};

struct data_port {
    const struct data_ucx *ucx; // borrowed
    struct data_handler handler;
    void *handler_arg;
    ucp_context_h context;
    ucp_worker_h worker;
    int fd; // borrowed from the worker
    struct data_sockets sockets;
    struct pack address;
    bool ending;
    bool
        is_busy; // UCX was given something, or found something to do, since the latest turn that found nothing
    struct data_peer *peers;               // owned: all
    uint64_t id;                           // random
    struct data_remote *remotes;           // owned: the ports that we have met
    struct data_peer *by_key;              // those that have an endpoint
    struct data_peer *recent;              // of the last message
    struct data_peer *touched;             // to be looked at when UCX has returned
    struct data_request *done, **done_end; // to be told when UCX has returned
    struct data_request *arriving;         // the message that on_message is called for
    struct data_request *spare_requests;   // owned
    struct data_copy *spare_copies;        // owned
    size_t spare_request_count, spare_copy_count;
    size_t unfinished; // requests
    size_t held;       // of them
    bool has_rdma;
    unsigned idle_turns;
    uint64_t next_cut_ms; // of all peers; 0: none
    struct data_handler_arg handler_args[MESSAGE_IDS];
};

// Another port: how many endpoints for it were asked of UCX.
struct data_remote {
    uint64_t port;
    uint64_t count;
    UT_hash_handle hh;
};

// How far the way to a peer is from its end. UCX does not tell one side that the other has closed a connection, only
// that it broke; so both say BYE.
enum peer_state {
    PEER_OPEN,
    PEER_LEAVING, // we said BYE
    PEER_LEFT,    // the other side said BYE
    PEER_PARTED,  // both did, and ours is on its way
    PEER_BROKEN,  // nothing can be sent any more
    PEER_CUT,     // has no endpoint any more
};

struct data_peer {
    struct data_port *port;
    ucp_ep_h endpoint;   // owned
    struct data_key key; // as messages from it have it
    void *arg;
    struct data_request *requests;         // owned: those that UCX or the user has
    size_t unfinished;                     // these, and those to be told of
    struct data_request *held, **held_end; // not sent before it is ready
    enum peer_state state;
    bool connects; // we said HELLO
    bool is_ready; // UCX has the endpoints of both sides paired
    bool said_bye;
    bool is_shown;  // the user knows it
    bool is_told;   // and was told of the end
    bool is_closed; // by the user
    bool flush;     // and what was sent still goes
    bool is_touched;
    uint64_t cut_ms; // when its end comes in any case; 0: never
    struct data_peer *next_touched;
    struct data_peer *previous, *next;
    UT_hash_handle hh;
};

// data_address.c: what others connect to
bool address_make(struct pack *address, const struct data_ucx *ucx, uint64_t port,
                  const void *inner, size_t length);
dragon_err_t address_check(const struct data_ucx *ucx, const void *address, size_t length,
                           uint64_t *port_out, const ucp_address_t **inner_out,
                           dragon_error_t *error);

// data_peer.c
struct data_peer *peer_find(struct data_port *port, const struct data_key *key);
void peer_touch(struct data_peer *peer); // peer_settle is called when UCX has returned
void peer_set_state(struct data_peer *peer, enum peer_state state); // touches it
void peer_settle(struct data_peer *peer);                           // may free it
void peers_cut(struct data_port *port);                             // those whose time has come
void peer_end(struct data_peer *peer);                              // when UCX is gone
void peer_welcome(struct data_port *port, const struct data_key *key, const void *address,
                  size_t length);
void peer_pair(struct data_peer *peer);
void peer_ready(struct data_peer *peer);
void peers_forget(struct data_port *port); // what is known of other ports

// data_message.c
ucs_status_t message_arrived(void *arg, const void *header, size_t header_bytes, void *data,
                             size_t bytes, const ucp_am_recv_param_t *param);
dragon_err_t message_send(struct data_peer *peer, unsigned id, const void *header,
                          size_t header_bytes, const void *payload, size_t bytes,
                          void (*on_sent)(void *arg, dragon_err_t err), void *arg);
dragon_err_t message_flush(struct data_peer *peer, void (*on_done)(void *arg, dragon_err_t err),
                           void *arg);
unsigned message_try_held(struct data_peer *peer); // how many went
void message_send_held(struct data_peer *peer);
void message_drop_held(struct data_peer *peer); // they end with PEER
void incoming_drop(struct data_request *request);

// data_request.c
struct data_request *request_take(struct data_peer *peer); // NULL: out of memory
bool request_copy(struct data_request *request, const void *payload, size_t bytes);
void request_finish(struct data_request *request, dragon_err_t err); // told by requests_tell
void requests_tell(struct data_port *port);
void requests_free(struct data_port *port);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the files far*.c share.
//
//     far --- peers: connections to who serves         (far_peer.c)
//      |        one for each address; the transport of a node is kept, others go with their last way
//      |--- objects, each with two ways to it           (far_way.c, far_send.c)
//      |        home: the transport of its node, of a shard its manager; direct: the single receiver, for sends only
//      `--- requests: what is asked and not answered    (far_ask.c, far_pair.c, far_many.c)
//
// A way has a handle on its connection, and numbers its sends. Whatever is lost is told to the call that waits for it,
// or put down in the object for the next one.
#ifndef CHAN_FAR_PARTS_H
#define CHAN_FAR_PARTS_H

#include "chan/far.h"
#include "chan/ids.h"
#include "chan/wire.h"

enum {
    FAR_ANSWER_MS = 10000, // for what is answered at once
    FAR_CANCEL_MS =
        5000, // for the answer to what was cancelled; then the connection counts as lost
};

struct far_peer {
    struct wire_peer wire; // first
    struct far *far;       // borrowed
    struct data_peer *data;
    struct far_peer *next, *prev;
    uint32_t node;
    bool transport;
    uint32_t ways; // that use it
    size_t address_bytes;
    uint8_t address[];
};

struct far_way {
    struct far_object *object; // borrowed
    struct far_peer *peer;     // NULL: there is none
    uint32_t handle;
    int64_t begun_ns; // when it was begun to open it
    bool open;        // it was opened well
    bool known;       // the answer to CU_OPEN is here: `answer`
    bool moved;       // the route is to be asked for again
    bool used;        // a direct one: sends go this way
    uint32_t credits;
    uint32_t sent, acked; // numbers
    bool full;            // the other side has no memory for what is under way
    size_t bytes;         // under way, and of each number
    uint32_t sizes[2 * CHAN_CREDITS_MOST];
    // The send that a call waits for.
    bool awaited;
    uint32_t number;
    dragon_err_t answer;
};

struct far_request {
    struct far *far;
    struct far_peer *peer;
    uint32_t id;
    bool done;
    bool moving; // its payload is
    bool watch;  // a set waits for it, not a call
    dragon_err_t err;
    void *buffer;
    size_t room;
    uint64_t tag, bytes, result;
};

struct far_object {
    struct far *far; // borrowed
    struct far_object *next, *prev;
    uint32_t node;
    uint64_t id;
    struct object_spec spec;
    struct far_way home, direct;
    uint32_t move_at; // the number of sends of `home` from which on changing to `direct` is tried
    dragon_err_t failed; // what the next call says, once
    struct spin spin;
    int watched;              // events that a set waits for
    struct far_request watch; // its id is 0: not asked
    bool watch_later;         // because the way was not open yet
    size_t block_bytes;       // what was received last into a block
    struct ask *filling;      // of far_many.c
    size_t usual_bytes;       // of the values that it was asked for, many at once
};

// A copy of a message that the network reads from until it is sent.
struct far_copy {
    struct far *far;
    struct far_copy *next; // of the spare ones
    uint32_t kind;         // its room is FAR_COPY_LEAST << kind
    uint8_t data[];
};
enum { FAR_COPY_LEAST = 16 << 10, FAR_COPY_KINDS = 5, FAR_SPARE_MOST = CHAN_WINDOW };
_Static_assert(FAR_COPY_LEAST << (FAR_COPY_KINDS - 1) == CHAN_COPIED, "any fits");

struct far {
    struct waiter *waiter; // borrowed
    struct data_port *port;
    struct far_peer *peers;     // owned
    struct far_object *objects; // owned
    struct ids ways, requests;
    struct serve *serve;                    // owned; NULL: we serve nothing
    struct far_copy *spare[FAR_COPY_KINDS]; // owned
    size_t spare_bytes;
    uint32_t copies;       // that the network has
    struct far_many *many; // owned; NULL: not needed yet
    dragon_error_t *why;   // borrowed; NULL: nobody wants to know why a connection failed
};

// ---- far.c

// wait_for, for something that the network brings.
dragon_err_t far_wait(struct far *far, bool (*ready)(void *arg), void *arg, dragon_wait_t mode,
                      struct spin *spin, int64_t deadline_ns);
int64_t far_deadline(int64_t ms);             // so many from now
static inline void far_woken(struct far *far) // something that a set waits for
{
    if (far->waiter->on_woken)
        far->waiter->on_woken(far->waiter->woken_arg);
}
// The error of an earlier send, once.
dragon_err_t far_take_failed(struct far_object *object);

// ---- far_peer.c

// Everything that it was asked and did not answer gets PEER. It is gone.
void far_peer_lost(struct far_peer *peer);
void far_peer_send(struct far_peer *peer, uint8_t type, const void *header, size_t bytes);
// Who serves the object now, connected. `object` 0: the transport of the node.
dragon_err_t far_route(struct far *far, uint32_t node, uint64_t object, bool *direct_out,
                       struct far_peer **peer_out, dragon_error_t *error);
// Which may be known.
dragon_err_t far_transport(struct far *far, uint32_t node, struct far_peer **peer_out,
                           dragon_error_t *error);
void far_peer_unref(struct far_peer *peer); // one way less

// ---- far_way.c

// Where a send goes now.
dragon_err_t far_send_way(struct far_object *object, bool large, const struct far_call *how,
                          struct far_way **way_out);
void far_way_leave(struct far_way *way);
void far_way_lost(struct far_way *way); // with its peer
void far_on_opened(struct far *far, struct far_peer *peer, const struct cu_opened *opened);
void far_on_moved(struct far *far, struct far_peer *peer, const struct cu_handle *moved);

// ---- far_send.c

// The way is gone: what was not acknowledged is lost.
void far_sends_lost(struct far_way *way);
// Waits for that, and says what has become of it.
dragon_err_t far_wait_drained(struct far_way *way, dragon_wait_t mode, int64_t deadline_ns);
dragon_err_t far_drain(struct far_way *way, dragon_wait_t mode, int64_t deadline_ns);
bool far_can_send(const struct far_object *object);
void far_copies_fini(struct far *far);
// The caller's bytes, while the network moves them. It lets go of them when they are there, were refused, or the connection
// was lost.
struct far_moving {
    bool done;
};
void far_on_moved_out(void *arg, dragon_err_t err); // for data_send
void far_wait_moved_out(struct far *far, struct far_moving *moving);
void far_on_credit(struct far *far, struct far_peer *peer, const struct cu_credit *credit);

// ---- far_ask.c

// Connected, and with a number. AGAIN, TIMEOUT, and what far_home says.
dragon_err_t far_request_start(struct far_object *object, struct far_request *request,
                               int64_t deadline_ns);
// Waits for the answer. Afterwards nobody knows of the request any more.
dragon_err_t far_request_finish(struct far_object *object, struct far_request *request,
                                const struct far_call *how);
// The same in parts: it is not waited for any longer, but answered, see far_ask.c; and it has to be over now.
void far_request_cancel(struct far_request *request);
void far_request_settle(struct far_request *request);
void far_requests_lost(struct far *far, struct far_peer *peer);
void far_on_message_header(struct far *far, struct far_peer *peer, const struct cu_message *header,
                           struct data_message *message);
void far_on_answer(struct far *far, struct far_peer *peer, const struct cu_answer *answer);

// ---- far_pair.c: an operation in parts. `request` has buffer and room; between start and outcome it is finished, and `moving` is done.

dragon_err_t far_pair_check(const struct far_object *object, const struct pair_call *call);
// OK: there will be an answer.
dragon_err_t far_pair_start(struct far_object *object, const struct pair_call *call,
                            struct far_request *request, struct far_moving *moving,
                            int64_t deadline_ns);
// From what the request ended with. request->bytes: how large the value is.
dragon_err_t far_pair_outcome(struct far_request *request, dragon_err_t err);

#endif

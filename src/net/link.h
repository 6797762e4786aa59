// SPDX-License-Identifier: BSD-3-Clause
//
// A link carries messages over a connected stream socket (TCP between agents, Unix between an agent
// and the processes of its host) in a loop. A message is a fixed header and a body:
//
//     u32 length of the body | u16 type | u16 zero | u32 source node | u32 destination node | body
//
// Messages keep their order. What is sent in one turn of the loop goes out in one write. A link never
// blocks and never drops: senders that could outrun the receiver bound themselves by credits of their
// own. A body longer than the limit, or a header that makes no sense, ends the link.
#ifndef NET_LINK_H
#define NET_LINK_H

#include "base/base.h"
#include "loop/loop.h"

enum { LINK_HEADER_BYTES = 16 };

struct link_message {
    uint16_t type;
    uint32_t source;
    uint32_t destination;
    const uint8_t *body; // valid until the handler returns
    uint32_t length;
};

struct link_handler {
    // May destroy the link.
    void (*on_message)(void *arg, const struct link_message *message);
    // The peer closed or broke the connection, or sent what is no message; `reason` says which, in
    // a few words. Comes at most once, as the last call; the link is still to be destroyed.
    void (*on_closed)(void *arg, const char *reason);
};

struct link;

// The reason when what came is no message; told from the others by its address.
extern const char LINK_NOT_UNDERSTOOD[];

// Takes over `fd` (closed on destroy, or at once on failure: NULL when memory is out).
struct link *link_create(struct loop *loop, int fd, size_t body_limit,
                         const struct link_handler *handler, void *arg);

// Sends what is queued as far as it goes without waiting, and closes.
void link_destroy(struct link *link); // NULL is fine

// Queues a message; the bytes are copied. Nothing is sent on a link that is closed already.
void link_send(struct link *link, const struct link_message *message);

// The same for a body made with pack_*, which is left empty. A pack that failed closes the link,
// because a message that is silently missing would be waited for.
void link_send_pack(struct link *link, uint16_t type, uint32_t source, uint32_t destination,
                    struct pack *body);

// Bytes queued and not yet taken by the socket.
size_t link_queued(const struct link *link);

// Stops (false) or resumes reading: what has been read already is not delivered either.
void link_set_reading(struct link *link, bool reading);

// Reads one header; false when it cannot be one. For link.c, its tests and its fuzz target.
bool link_header_read(const uint8_t bytes[LINK_HEADER_BYTES], size_t body_limit,
                      struct link_message *header_out);
void link_header_write(uint8_t bytes[LINK_HEADER_BYTES], const struct link_message *header);

#endif

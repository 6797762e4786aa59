// SPDX-License-Identifier: BSD-3-Clause
//
// Ring: the queue of a channel in shared memory, for any number of senders and receivers, without a lock.
//
//     | struct ring | cell 0 | cell 1 | ... | cell capacity-1 |
//
// A cell's state word says everything that counts: its lap (how often the ring has gone round), its phase, and who is
// at it. Positions (head, tail) are lap and index in one word; they only follow what cells say, and whoever finds one
// behind helps it on.
//
//     free(lap) --> writing(lap, slot) --> full(lap, slot) --> reading(lap, slot) --> free(lap + 1)
//       |              |  the writer dies                         |  the reader dies: its message is gone with it
//       |              `-> void(lap) --> free(lap + 1)            `-> free(lap + 1)
//       `-> end(lap): it was closed, and a receiver has seen that nothing more will come
//
// A sender takes the cell at tail by one compare-and-swap of its state, which names the sender; then moves tail on;
// fills the cell; and publishes it with one store. So whoever dies, at any instruction, has taken a cell in its name or
// has not, and the keeper knows which from the cell alone (ring_recover). Two cells are never taken out of order, so
// the order of messages is the order of the cells.
//
// A message up to the inline size lies in the cell, the first 24 bytes in the same cache line as the state. A larger
// one is a block: the sender's, then SLOT_MESSAGE's from just before it is published, then the receiver's.
#ifndef CHAN_RING_H
#define CHAN_RING_H

#include "chan/object.h"

enum ring_flag {
    RING_BLOCK = 1, // the message is a block
    RING_TELL = 2,  // the sender waits for it to be received: mode RECEIVED
};

struct ring_config { // never changes
    uint32_t capacity, inline_bytes, cell_bytes;
    uint8_t single; // one receiver
};

struct ring {
    struct object object;
    struct ring_config config;
    _Atomic uint32_t receiver; // the slot of the single receiver; SLOT_NONE
    uint8_t room0[64 - 40];
    _Alignas(64) _Atomic uint64_t tail;    // where the next message goes
    _Atomic uint64_t lost;                 // messages that were never finished
    _Alignas(64) _Atomic uint64_t head;    // the oldest
    _Alignas(64) struct waitset receivers; // who waits for a message
    struct waitset senders;                // for room
    struct waitset joiners;                // of a queue
    // behind the cells: what a queue has beyond that, see queue.h
};

struct ring_message {
    uint64_t tag;
    uint64_t bytes;
    mem_ref block;   // 0: inline
    uint32_t flags;  // enum ring_flag
    uint32_t ticket; // with RING_TELL: of the slot `sender`
    uint32_t
        sender; // the slot whose `taken` gets the answer; 0 in a push: our own. The slot that pushed is rung.
};

size_t ring_bytes(const struct object_spec *spec); // 0: makes no sense
void ring_init(struct ring *ring, uint64_t id, const struct object_spec *spec);
bool ring_check(const struct ring *ring, size_t bytes);

// For a send in mode RECEIVED, in the name of a slot: a new ticket, and what has come of it: 0, or TAKEN_*.
uint32_t ring_ticket(struct space *space, uint32_t slot);
uint32_t ring_taken(struct space *space, uint32_t slot, uint32_t ticket);

// `data` is the inline message, when `block` is 0. AGAIN: full. CLOSED: closed or destroyed. On success a block is no
// longer ours. Wakes a receiver that sleeps.
dragon_err_t ring_push(struct ring *ring, struct space *space, const struct ring_message *message,
                       const void *data);

// Takes the oldest message, when it has at most `room` bytes or is a block and `blocks` is set: an inline message is
// copied to `buffer`, a block becomes ours (message_out->block; `buffer` is not touched). TOO_BIG: it has more; it
// stays. AGAIN: none. CLOSED: none, and none will come. NOMEM, PEER: the block's segment cannot be mapped here; it
// stays. Wakes a sender that sleeps; tells one that waits for it to be received.
dragon_err_t ring_pop(struct ring *ring, struct space *space, bool blocks, void *buffer,
                      size_t room, struct ring_message *message_out);

// Copies the beginning of the oldest message without taking it. AGAIN, CLOSED, NOMEM, PEER, PROTO.
dragon_err_t ring_peek(struct ring *ring, struct space *space, void *buffer, size_t room,
                       struct ring_message *message_out);

// What ring_push and ring_pop would find now, by looking only.
bool ring_readable(struct ring *ring); // a message is there, or it is closed
bool ring_writable(struct ring *ring); // there is room, or it is closed
uint32_t ring_waiting(struct ring *ring);
// Also those that are being written.
uint64_t ring_sent(struct ring *ring);
uint64_t ring_received(struct ring *ring);

void ring_close(struct ring *ring, struct space *space);
void ring_destroy(struct ring *ring, struct space *space);
void ring_recover(struct ring *ring, uint32_t dead, struct space *space);
void ring_drain(struct ring *ring, struct space *space); // frees the blocks of all messages

#endif

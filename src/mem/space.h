// SPDX-License-Identifier: BSD-3-Clause
//
// Space: what one process has of the shared memory of its node: its slot, the board, the segments it has mapped so far,
// and the connection to the keeper through which it gets more. Calls that touch only what is mapped make no system
// call.
//
// A block is named by a reference that means the same to all processes of the node: the number of its segment in the
// upper 16 bits, its offset in the lower 48. References read from shared memory or a message are checked by whoever
// maps them.
//
// One thread at a time.
#ifndef MEM_SPACE_H
#define MEM_SPACE_H

#include "mem/board.h"
#include "mem/heap.h"
#include "mem/proto.h"
#include "mem/segment.h"
#include "mem/waitset.h"

typedef uint64_t mem_ref; // 0: none

static inline uint32_t ref_segment(mem_ref ref)
{
    return (uint32_t)(ref >> 48);
}
static inline uint64_t ref_offset(mem_ref ref)
{
    return ref & ((1ull << 48) - 1);
}
static inline mem_ref ref_make(uint32_t segment, uint64_t offset)
{
    return (uint64_t)segment << 48 | offset; // segments are numbered from 1
}

struct mapped { // a segment
    uint32_t number;
    uint8_t *base;
    size_t bytes;
    struct segment_kind kind;
    struct heap heap; // our view of it
};

// Where segments, growth and bells come from: the keeper over its socket, or, in the keeper itself and in tests,
// tables.
struct space_source {
    // The descriptor is the caller's then.
    dragon_err_t (*segment)(void *arg, uint32_t number, int *fd_out, size_t *bytes_out,
                            struct segment_kind *kind_out, dragon_error_t *error);
    // A segment of that kind with room for such a block was added, or has been already.
    dragon_err_t (*grow)(void *arg, size_t block_bytes, struct segment_kind kind,
                         uint32_t *number_out, dragon_error_t *error);
    // The eventfd of a slot, the caller's then; -1: none.
    int (*bell)(void *arg, uint32_t slot, uint32_t *generation_out);
};

struct kept_bell { // somebody's eventfd
    uint32_t slot, generation;
    int fd; // owned
};

struct space {
    struct board *board;
    size_t board_mapped; // bytes of it, which are unmapped with the space; 0: it is borrowed
    struct slot *own;    // our slot on it
    uint32_t slot;       // its number
    uint32_t node, nodes;
    struct mapped **segments; // owned, by number; NULL: not mapped
    uint32_t segment_room;
    struct mapped **places; // owned: the mapped ones by address
    uint32_t place_count;
    uint32_t recent; // the number of the segment that had room last; 0
    const struct space_source *source;
    void *source_arg;
    int bell_fd;             // owned: our eventfd
    struct kept_bell *bells; // owned: the latest that were needed
    uint32_t bell_count, bell_next;
    uint8_t key[KEEPER_KEY];
    char *runtime; // owned: its name
    // of a space with a keeper
    int keeper_fd; // owned; -1: none. At its end when the keeper is gone
    uint32_t last_request;
    uint8_t *packet; // owned: the latest answer
    bool lost;       // the keeper is gone, or has sent what is no answer
};

// Connects to the keeper whose socket is beside the agent's at `agent_path`.
dragon_err_t space_attach(const char *agent_path, enum keeper_role role, struct space **space_out,
                          dragon_error_t *error);
// For a keeper, and tests: on a board of its own. The eventfd is taken over; -1: none.
struct space *space_create(struct board *board, uint32_t slot, int bell_fd,
                           const struct space_source *source, void *arg);
void space_detach(struct space *space); // NULL is fine; the board of space_create stays

// ---- the keeper

// Asks and waits for the answer, of which `unpack_out` (may be NULL) is what follows the error; valid until the next
// ask. The body is without the request's number; it is left empty. `fds` (may be NULL) gets at most `fd_room`
// descriptors, -1 where none came. `wait_ms`: -1 without limit. Errors: what was answered, with its text; TIMEOUT;
// PEER: the runtime has ended; PROTO.
dragon_err_t space_ask(struct space *space, enum keeper_message type, struct pack *body,
                       int64_t wait_ms, struct unpack *unpack_out, int *fds, int fd_room,
                       dragon_error_t *error);
// The runtime has ended, or the keeper is gone. Asks the socket, without waiting, when `look`.
bool space_ended(struct space *space, bool look);

// ---- blocks

// A block that is ours. FULL with the figures; PEER; TIMEOUT. Segments are added as needed.
dragon_err_t space_alloc(struct space *space, size_t bytes, struct segment_kind kind,
                         mem_ref *ref_out, void **data_out, dragon_error_t *error);
// The same without asking the keeper for more: FULL at once.
dragon_err_t space_try_alloc(struct space *space, size_t bytes, mem_ref *ref_out, void **data_out);
bool space_free(struct space *space, mem_ref ref, uint32_t owner);
bool space_give(struct space *space, mem_ref ref, uint32_t from, uint32_t to);
// Where `bytes` from the reference on are; NULL: there is no such thing. Maps the segment if need be.
void *space_at(struct space *space, mem_ref ref, size_t bytes);
mem_ref space_ref(const struct space *space, const void *data); // 0: not in any segment of ours
size_t space_block_bytes(struct space *space, mem_ref ref);     // 0: no block begins there
uint32_t space_owner(struct space *space, mem_ref ref);

// ---- bells

void space_ring(struct space *space, uint32_t slot);
void space_ring_all(struct space *space); // every slot that sleeps
// One of those who wait, if there is any; all.
void space_wake_one(struct space *space, struct waitset *set);
void space_wake_all(struct space *space, struct waitset *set);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// The board: one small piece of memory that all processes of a node share. It says who is there, and has a bell for
// each of them, on which it sleeps.
//
// A slot is a process as far as shared memory knows it (exactly: one attached runtime handle). Its number, 12 bits, is
// what marks whatever the process holds: blocks, a message it is writing, a lock. The keeper gives slots out. It takes
// one back only after the process is gone for certain and all that it held has been put right, so a number in memory
// always means the process that has it now.
//
//     keeper's memfd:  | struct board | slot 0 | slot 1 | ... | slot 4095 |
#ifndef MEM_BOARD_H
#define MEM_BOARD_H

#include "base/base.h"

#include <stdatomic.h>

enum {
    BOARD_SLOTS = 4096,
    SLOT_NONE = 0,
    SLOT_KEEPER = 1,  // the agent
    SLOT_MESSAGE = 2, // nobody: the owner of blocks that are in a message under way
    SLOT_FIRST = 3,
    BOARD_NODES = 1 << 16, // as many as a runtime can have
};
enum { BOARD_MAGIC = 0x44524742, BOARD_VERSION = 2 };

enum bell_sleep {
    BELL_AWAKE,
    BELL_FUTEX, // sleeps on `bell`
    BELL_FD,    // sleeps on its eventfd, which the keeper gives to whoever asks
};

struct slot {               // a cache line
    _Atomic uint32_t bell;  // counts the rings
    _Atomic uint32_t sleep; // enum bell_sleep
    // The answer to its latest send in mode RECEIVED: ticket << 32 | 1 received, 2 the receiver died.
    _Atomic uint64_t taken;
    // Grows when it is given out, so that kept eventfds can be told old. 0: it never was.
    _Atomic uint32_t generation;
    _Atomic uint32_t pid;
    // Of its latest send in mode RECEIVED. It only grows, also from one process to the next, so that a late answer is
    // known.
    _Atomic uint32_t ticket;
    uint8_t room[64 - 28];
};
_Static_assert(sizeof(struct slot) == 64, "a slot is a cache line");

enum { TAKEN_RECEIVED = 1, TAKEN_DIED = 2 };

struct board {
    uint32_t magic, version;
    uint32_t node;
    _Atomic uint32_t ended;  // the runtime has: everybody who waits gets PEER
    _Atomic uint32_t losses; // how many nodes it goes on without
    uint8_t room[64 - 20];
    struct slot slots[BOARD_SLOTS];
    _Atomic uint64_t lost[BOARD_NODES / 64]; // which: one bit each
};

static inline size_t board_bytes(void)
{
    return sizeof(struct board);
}

// In zeroed memory.
void board_init(struct board *board, uint32_t node);
// The memory for one: a memfd, empty as yet; -1 with errno. The keeper opens it when a process first wants one: it reserves it, so that nobody's touch ends in SIGBUS, and seals it, so that nobody can cut it off.
int board_memory(void);
struct board *board_open(int fd, uint32_t node); // NULL with errno
// What came from elsewhere is a board of ours.
bool board_check(const struct board *board, size_t bytes);

static inline struct slot *board_slot(struct board *board, uint32_t slot)
{
    return &board->slots[slot & (BOARD_SLOTS - 1)];
}

// For who outlives the keeper: tells all who wait, and whoever will. Nothing, when it was never opened.
void board_end(int fd);

// The runtime goes on without the node. Whoever waits for something there finds `losses` changed, when it is rung.
void board_lose(struct board *board, uint32_t node);
static inline bool board_is_lost(const struct board *board, uint32_t node)
{
    return node < BOARD_NODES && (atomic_load(&board->lost[node / 64]) >> (node % 64) & 1);
}

// ---- sleeping
//
//     seen = bell_seen(slot);          first,
//     waitset_enter(...);              then tell who may ring,
//     if (there is nothing to do)      then look again,
//         bell_sleep(slot, seen, ns);  and only then sleep: a ring in between makes this return at once

static inline uint32_t bell_seen(struct slot *slot)
{
    return atomic_load_explicit(&slot->bell, memory_order_seq_cst);
}

// Until it rings, at most so many nanoseconds (-1: without limit), perhaps earlier for no reason. False: the time is
// over.
bool bell_sleep(struct slot *slot, uint32_t seen, int64_t ns);

// For a process that polls its eventfd: says so, and returns false when it has rung since `seen`: do not sleep.
bool bell_sleep_fd(struct slot *slot, uint32_t seen);
void bell_awake(struct slot *slot);

// Rings. Says whether the eventfd has to be written, too.
bool bell_ring(struct slot *slot);

#endif

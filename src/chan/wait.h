// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting, in one place: for something in shared memory (a waitset and a question), for the network, or both. First it
// looks for a little while, when that has paid lately and there is another core; then it sleeps: on our bell as a
// futex, or in poll when the network counts too.
#ifndef CHAN_WAIT_H
#define CHAN_WAIT_H

#include "mem/space.h"

#include <dragon/channel.h>

struct data_port;

// What looking has brought lately. One for each thing that is waited for; zeroed at first.
struct spin {
    uint32_t limit_ns, missed;
};

// Of one runtime handle.
struct waiter {
    struct space *space;    // borrowed
    struct data_port *port; // borrowed: the network, progressed while we wait; NULL: none
    // How many things make the network count: requests that are not answered, channels that we serve. 0: it is left
    // alone.
    uint32_t port_uses;
    // Called with every look while we wait. Does what the network brought, beside data_port_progress: parked sends of a direct
    // receiver; or what others have left, of which our bell tells. May be NULL.
    void (*on_turn)(void *arg);
    void *arg;
    int64_t nap_ns; // on_turn is to be called again after so long, whatever happens; 0: no need
    // Messages of those whom we serve. When the next comes soon after one it is looked for, whatever we wait for ourselves.
    uint64_t served;
    struct spin serve_spin;
    // Somebody polls descriptors of ours (channel sets) and has to look again: called when we slept in another call, so
    // that what rang meanwhile was not for that call alone, and when a watch was answered. May be NULL.
    void (*on_woken)(void *arg);
    void *woken_arg;
    // The board has other losses than these: connections to nodes without which the runtime goes on are lost. It notes
    // the new number. May be NULL.
    void (*on_losses)(void *arg);
    void *losses_arg;
    uint32_t losses;
};

struct awaited {
    struct waitset *set; // NULL: the network tells
    bool (*ready)(void *arg);
    void *arg;
    bool
        rung; // out: somebody took us out of the set and rang, so the next in it may not know: see wait_pass_on
};

enum { WAIT_FOREVER_NS = INT64_MAX };
// From a time-out of the public calls; DRAGON_DEFAULT_TIMEOUT is looked up in the environment once.
int64_t wait_deadline(int timeout_ms);
static inline bool wait_tries(int timeout_ms) // AGAIN instead of TIMEOUT
{
    return timeout_ms == 0;
}

// Until one of them is ready. TIMEOUT: none is, and nothing is left behind. PEER: the runtime has ended. `spin` may be
// NULL.
dragon_err_t wait_for(struct waiter *waiter, struct awaited *items, size_t count,
                      dragon_wait_t mode, struct spin *spin, int64_t deadline_ns);

// The network gets its chance, if it counts: for who finds something to do without waiting.
void wait_turn(struct waiter *waiter);

// Nodes may be lost: who goes to the network without waiting looks first.
static inline void wait_look_for_losses(struct waiter *waiter)
{
    if (waiter->on_losses && atomic_load(&waiter->space->board->losses) != waiter->losses)
        waiter->on_losses(waiter->losses_arg);
}

// Whoever was rung for something and does not take it wakes the next who waits for it.
void wait_pass_on(struct waiter *waiter, const struct awaited *items, size_t count);

#endif

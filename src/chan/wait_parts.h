// SPDX-License-Identifier: BSD-3-Clause
//
// What wait.c and wait_look.c share: one wait, and a look at what it is for.
#ifndef CHAN_WAIT_PARTS_H
#define CHAN_WAIT_PARTS_H

#include "chan/wait.h"

#include "base/time.h"

// One call of wait_for.
struct wait {
    struct waiter *waiter;
    struct awaited *items;
    size_t count;
    dragon_wait_t mode;
    int64_t deadline_ns;
};

static inline bool network_counts(const struct waiter *waiter)
{
    return waiter->port && waiter->port_uses > 0;
}

static inline bool any_ready(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->items[i].ready(wait->items[i].arg))
            return true;
    return false;
}

// Looks once, after the network was given its chance.
static inline bool wait_look(const struct wait *wait)
{
    wait_turn(wait->waiter);
    return any_ready(wait);
}

static inline bool wait_is_over(const struct wait *wait)
{
    return atomic_load(&wait->waiter->space->board->ended);
}

static inline int64_t wait_now(void)
{
    return (int64_t)time_now_ns();
}

// ---- wait_look.c

void wait_look_prepare(void); // before any of these
// True: something is ready. `spin` may be NULL.
bool wait_look_a_while(const struct wait *wait, struct spin *spin);
// Looking did not bring it, but sleeping, for so long.
void wait_look_missed(struct spin *spin, int64_t slept_ns);
// We slept for so long, and then messages of those whom we serve came. True: what is waited for is there.
bool wait_serve_a_while(const struct wait *wait, int64_t slept_ns);
dragon_err_t wait_look_only(const struct wait *wait);

#endif

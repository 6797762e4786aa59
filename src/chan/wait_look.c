// SPDX-License-Identifier: BSD-3-Clause
//
// Looking for a while.
//
// Whether looking for a while pays is learned for each thing from what it brought (struct spin): as long as it was
// there soon, it is looked for again, for some times what it took. When it was not there several times, or somebody
// else wanted the core that we looked on, we sleep at once, but for a try now and then. Who serves others learns the same
// of their messages: they are looked for between two sleeps, so that a question is not kept waiting by our waking.
//
// Between two looks we pause for about as long as a cache line takes from one core to another: whoever looks more often
// takes the line away from who is about to write it, and gets it later.
#include "config.h"

#include "chan/wait_parts.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum {
    LOOK_EVERY_NS = 80,
    PAUSES_MOST = 64,       // between two looks
    LOOKS_FIRST = 32,       // without reading the clock
    LOOKS_A_ROUND = 16,     // between two readings
    SPIN_LEAST_NS = 20000,  // also the first guess
    SPIN_MOST_NS = 200000,  // some times what sleeping and waking cost
    SPIN_MISSES = 3,        // in a row: it does not pay
    SPIN_TRY_EVERY = 32,    // waits, when it does not
    YIELD_EVERY_NS = 10000, // others may have the core
    HELD_UP_NS = 1500,      // and had it, when that took so long
};
static const int64_t LOOK_AT_KEEPER_NS = 100000000;

// What is the same for the whole process, found out once.
static struct {
    pthread_once_t once;
    bool one_core; // in the whole machine
    int pauses;    // between two looks
} here = {.once = PTHREAD_ONCE_INIT};

static inline void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

// It takes 10 to 140 cycles, by the processor.
static int count_pauses(void)
{
    uint64_t least_ns = UINT64_MAX;
    for (int try = 0; try < 4; try++) {
        uint64_t began = time_now_ns();
        for (int i = 0; i < PAUSES_MOST; i++)
            pause_core();
        uint64_t took = time_now_ns() - began;
        if (took < least_ns)
            least_ns = took;
    }
    uint64_t pauses = least_ns ? LOOK_EVERY_NS * PAUSES_MOST / least_ns : PAUSES_MOST;
    return pauses < 1 ? 1 : pauses > PAUSES_MOST ? PAUSES_MOST : (int)pauses;
}

static void look_around(void)
{
    here.one_core = sysconf(_SC_NPROCESSORS_ONLN) == 1;
    here.pauses = count_pauses();
}

void wait_look_prepare(void)
{
    pthread_once(&here.once, look_around);
}

static bool look_often(const struct wait *wait, int times)
{
    for (int i = 0; i < times; i++) {
        for (int k = 0; k < here.pauses; k++)
            pause_core();
        if (wait_look(wait))
            return true;
    }
    return false;
}

// Lets others have the core. True: somebody wanted it.
static bool give_way(int64_t *now)
{
    int64_t before = *now;
    sched_yield();
    *now = wait_now();
    return *now - before > HELD_UP_NS;
}

// With one core whoever brings it needs that core, unless he is on another node. With more he may have another one, even if
// we are bound to ours; when he has not, that is noticed (give_way).
static bool may_look(const struct wait *wait)
{
    bool far = network_counts(wait->waiter);
    for (size_t i = 0; i < wait->count && far; i++)
        far = !wait->items[i].set;
    return far || !here.one_core;
}

static int64_t spin_budget(const struct wait *wait, const struct spin *spin)
{
    if (!may_look(wait))
        return 0;
    if (!spin || spin->limit_ns == 0)
        return SPIN_LEAST_NS;
    if (spin->missed >= SPIN_MISSES && spin->missed % SPIN_TRY_EVERY != 0)
        return 0;
    return spin->limit_ns;
}

// It took so long: that is how long to look the next time.
static void spin_aim(struct spin *spin, int64_t took_ns)
{
    int64_t limit = took_ns * 2;
    if (limit > SPIN_MOST_NS && took_ns <= SPIN_MOST_NS)
        limit = SPIN_MOST_NS;
    if (limit < SPIN_LEAST_NS || limit > SPIN_MOST_NS)
        limit = SPIN_LEAST_NS;
    spin->limit_ns = (uint32_t)limit;
}

enum looked { LOOK_NOTHING, LOOK_FOUND, LOOK_CONTENDED };

static enum looked look_until(const struct wait *wait, int64_t began, int64_t until)
{
    int64_t now = began, yielded = began;
    while (now < until) {
        if (look_often(wait, LOOKS_A_ROUND))
            return LOOK_FOUND;
        now = wait_now();
        if (now - yielded >= YIELD_EVERY_NS) {
            if (give_way(&now))
                return LOOK_CONTENDED;
            yielded = now;
        }
    }
    return LOOK_NOTHING;
}

bool wait_look_a_while(const struct wait *wait, struct spin *spin)
{
    int64_t budget = spin_budget(wait, spin);
    if (budget == 0)
        return false;
    if (look_often(wait, LOOKS_FIRST)) {
        if (spin)
            spin->missed = 0;
        return true;
    }
    int64_t began = wait_now();
    int64_t until = wait->deadline_ns - began < budget ? wait->deadline_ns : began + budget;
    enum looked looked = look_until(wait, began, until);
    if (spin && looked == LOOK_FOUND) {
        spin->missed = 0;
        spin_aim(spin, wait_now() - began);
    } else if (spin && looked == LOOK_CONTENDED && spin->missed < SPIN_MISSES) {
        spin->missed = SPIN_MISSES;
    }
    return looked == LOOK_FOUND;
}

void wait_look_missed(struct spin *spin, int64_t slept_ns)
{
    spin->missed++;
    spin_aim(spin, slept_ns);
}

// One look more at what is waited for, or the next message of those whom we serve.
struct serving {
    const struct wait *wait;
    uint64_t seen;
};

static bool is_served(void *arg)
{
    const struct serving *serving = arg;
    return serving->wait->waiter->served != serving->seen || any_ready(serving->wait);
}

bool wait_serve_a_while(const struct wait *wait, int64_t slept_ns)
{
    struct waiter *waiter = wait->waiter;
    struct serving serving = {.wait = wait};
    struct awaited item = {.ready = is_served, .arg = &serving};
    struct wait next = {waiter, &item, 1, wait->mode, wait->deadline_ns};
    if (wait->mode == DRAGON_WAIT_IDLE)
        return false;
    wait_look_missed(&waiter->serve_spin, slept_ns);
    do
        serving.seen = waiter->served;
    while (wait_look_a_while(&next, &waiter->serve_spin) && !any_ready(wait));
    return any_ready(wait);
}

dragon_err_t wait_look_only(const struct wait *wait)
{
    if (look_often(wait, LOOKS_FIRST))
        return DRAGON_OK;
    int64_t now = wait_now(), yielded = now, asked = now;
    bool wanted = false;
    while (!look_often(wait, LOOKS_A_ROUND)) {
        now = wait_now();
        if (now >= wait->deadline_ns)
            return DRAGON_ERR_TIMEOUT;
        if (wanted || now - yielded >= YIELD_EVERY_NS) {
            wanted = give_way(&now);
            yielded = now;
        }
        bool ask = now - asked >= LOOK_AT_KEEPER_NS;
        if (wait_is_over(wait) || (ask && space_ended(wait->waiter->space, true)))
            return DRAGON_ERR_PEER;
        if (ask)
            asked = now;
    }
    return DRAGON_OK;
}

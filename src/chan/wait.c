// SPDX-License-Identifier: BSD-3-Clause
//
// One wait:
//
//     look for a while (adaptive) -> enter the waitsets -> look -> sleep -> leave them -> look -> ...
//
// Whether looking for a while pays is learned for each thing from what it brought (struct spin): as long as it was
// there soon, it is looked for again, for some times what it took. When it was not there several times, or somebody
// else wanted the core that we looked on, we sleep at once, but for a try now and then.
//
// Between two looks we pause for about as long as a cache line takes from one core to another: whoever looks more often
// takes the line away from who is about to write it, and gets it later.
#include "config.h"

#include "chan/wait.h"

#include "base/time.h"
#include "net/data.h"

#include <dragon/runtime.h>

#include <limits.h>
#include <poll.h>
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
static const int64_t SLICE_NS = 10000000000;
static const int64_t DUE_LEAST_NS = 1000000;
static const int64_t LOOK_AT_KEEPER_NS = 100000000;

// What is the same for the whole process, found out once.
static struct {
    pthread_once_t once;
    bool one_core;
    int pauses; // between two looks
    int64_t default_timeout_ms;
} here = {.once = PTHREAD_ONCE_INIT, .default_timeout_ms = 60000};

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
    cpu_set_t cores;
    here.one_core = sched_getaffinity(0, sizeof(cores), &cores) == 0 && CPU_COUNT(&cores) == 1;
    here.pauses = count_pauses();
    const char *text = getenv("DRAGON_TIMEOUT");
    uint64_t ms;
    if (text && strcmp(text, "off") == 0)
        here.default_timeout_ms = DRAGON_FOREVER;
    else if (text && parse_duration(text, &ms) && ms <= INT_MAX)
        here.default_timeout_ms = (int64_t)ms;
}

static int64_t now_ns(void)
{
    return (int64_t)time_now_ns();
}

int64_t wait_deadline(int timeout_ms)
{
    int64_t ms = timeout_ms;
    if (timeout_ms == DRAGON_DEFAULT_TIMEOUT) {
        pthread_once(&here.once, look_around);
        ms = here.default_timeout_ms;
    }
    if (ms < 0)
        return WAIT_FOREVER_NS;
    return ms == 0 ? 0 : now_ns() + ms * 1000000;
}

// One call of wait_for.
struct wait {
    struct waiter *waiter;
    struct awaited *items;
    size_t count;
    int64_t deadline_ns;
};

static bool network_counts(const struct waiter *waiter)
{
    return waiter->port && waiter->port_uses > 0;
}

static bool any_ready(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->items[i].ready(wait->items[i].arg))
            return true;
    return false;
}

void wait_turn(struct waiter *waiter)
{
    if (!network_counts(waiter))
        return;
    data_port_progress(waiter->port);
    wait_look_for_losses(waiter);
    if (waiter->on_turn)
        waiter->on_turn(waiter->arg);
}

// Looks once, after the network was given its chance.
static bool look(const struct wait *wait)
{
    wait_turn(wait->waiter);
    return any_ready(wait);
}

static bool ended(const struct wait *wait)
{
    return atomic_load(&wait->waiter->space->board->ended);
}

// ---- looking for a while

static bool look_often(const struct wait *wait, int times)
{
    for (int i = 0; i < times; i++) {
        for (int k = 0; k < here.pauses; k++)
            pause_core();
        if (look(wait))
            return true;
    }
    return false;
}

// Lets others have the core. True: somebody wanted it.
static bool give_way(int64_t *now)
{
    int64_t before = *now;
    sched_yield();
    *now = now_ns();
    return *now - before > HELD_UP_NS;
}

static int64_t spin_budget(const struct spin *spin)
{
    if (here.one_core)
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
        now = now_ns();
        if (now - yielded >= YIELD_EVERY_NS) {
            if (give_way(&now))
                return LOOK_CONTENDED;
            yielded = now;
        }
    }
    return LOOK_NOTHING;
}

static bool look_a_while(const struct wait *wait, struct spin *spin)
{
    int64_t budget = spin_budget(spin);
    if (budget == 0)
        return false;
    if (look_often(wait, LOOKS_FIRST)) {
        if (spin)
            spin->missed = 0;
        return true;
    }
    int64_t began = now_ns();
    int64_t until = wait->deadline_ns - began < budget ? wait->deadline_ns : began + budget;
    enum looked looked = look_until(wait, began, until);
    if (spin && looked == LOOK_FOUND) {
        spin->missed = 0;
        spin_aim(spin, now_ns() - began);
    } else if (spin && looked == LOOK_CONTENDED && spin->missed < SPIN_MISSES) {
        spin->missed = SPIN_MISSES;
    }
    return looked == LOOK_FOUND;
}

// Looking did not bring it, but sleeping, for so long.
static void spin_miss(struct spin *spin, int64_t slept_ns)
{
    spin->missed++;
    spin_aim(spin, slept_ns);
}

static dragon_err_t look_only(const struct wait *wait)
{
    if (look_often(wait, LOOKS_FIRST))
        return DRAGON_OK;
    int64_t now = now_ns(), yielded = now, asked = now;
    bool wanted = false;
    while (!look_often(wait, LOOKS_A_ROUND)) {
        now = now_ns();
        if (now >= wait->deadline_ns)
            return DRAGON_ERR_TIMEOUT;
        if (wanted || now - yielded >= YIELD_EVERY_NS) {
            wanted = give_way(&now);
            yielded = now;
        }
        bool ask = now - asked >= LOOK_AT_KEEPER_NS;
        if (ended(wait) || (ask && space_ended(wait->waiter->space, true)))
            return DRAGON_ERR_PEER;
        if (ask)
            asked = now;
    }
    return DRAGON_OK;
}

// ---- sleeping

static void enter(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->items[i].set)
            waitset_enter(wait->items[i].set, wait->waiter->space->slot);
}

static void leave(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->items[i].set && !waitset_leave(wait->items[i].set, wait->waiter->space->slot))
            wait->items[i].rung = true;
}

// On our eventfd, the network's, and the keeper's socket. False: the time is over, or the latter said something, as by
// its end.
static bool sleep_in_poll(const struct wait *wait, uint32_t seen, int64_t ns)
{
    struct waiter *waiter = wait->waiter;
    struct space *space = waiter->space;
    struct pollfd fds[] = {
        {.fd = space->bell_fd, .events = POLLIN},
        {.fd = data_port_fd(waiter->port), .events = POLLIN},
        {.fd = space->keeper_fd, .events = POLLRDHUP},
    };
    int found = -1;
    if (bell_sleep_fd(space->own, seen) && data_port_arm(waiter->port)) {
        struct timespec most = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        uint64_t rings;
        found = ppoll(fds, 3, &most, NULL);
        if (found > 0 && (fds[0].revents & POLLIN))
            (void)!read(space->bell_fd, &rings, sizeof(rings)); // quiet again
    }
    bell_awake(space->own);
    return found != 0 && fds[2].revents == 0;
}

// Once, at most so long. False: as of sleep_in_poll.
static bool sleep_once(const struct wait *wait, int64_t ns)
{
    struct space *space = wait->waiter->space;
    uint32_t seen = bell_seen(space->own);
    bool rung = true;
    enter(wait);
    if (!look(wait) && !ended(wait)) { // what the network brought earlier may go on by now, too
        if (network_counts(wait->waiter))
            rung = sleep_in_poll(wait, seen, ns);
        else
            rung = bell_sleep(space->own, seen, ns);
    }
    leave(wait);
    return rung;
}

// The network has something to do by then that nothing wakes us for.
static int64_t time_of_network(const struct waiter *waiter)
{
    uint64_t due_ms = network_counts(waiter) ? data_port_due_ms(waiter->port) : 0;
    if (due_ms == 0)
        return SLICE_NS;
    int64_t left = (int64_t)(due_ms - time_now_ms()) * 1000000;
    return left > DUE_LEAST_NS ? left : DUE_LEAST_NS;
}

// At most a slice. The clock is only read when there is a deadline.
static int64_t time_to_sleep(const struct wait *wait)
{
    int64_t nap = wait->waiter->nap_ns, slice = time_of_network(wait->waiter);
    if (nap > 0 && nap < slice)
        slice = nap;
    if (slice > SLICE_NS)
        slice = SLICE_NS;
    if (wait->deadline_ns == WAIT_FOREVER_NS)
        return slice;
    int64_t left = wait->deadline_ns - now_ns();
    return left < slice ? left : slice;
}

static dragon_err_t sleep_until(const struct wait *wait)
{
    int64_t ns;
    while ((ns = time_to_sleep(wait)) > 0) {
        bool rung = sleep_once(wait, ns);
        if (look(wait))
            return DRAGON_OK;
        if (ended(wait) || (!rung && space_ended(wait->waiter->space, true)))
            return DRAGON_ERR_PEER;
    }
    return DRAGON_ERR_TIMEOUT;
}

dragon_err_t wait_for(struct waiter *waiter, struct awaited *items, size_t count,
                      dragon_wait_t mode, struct spin *spin, int64_t deadline_ns)
{
    struct wait wait = {waiter, items, count, deadline_ns};
    for (size_t i = 0; i < count; i++)
        items[i].rung = false;
    if (deadline_ns <= 0)
        return look(&wait) ? DRAGON_OK : DRAGON_ERR_TIMEOUT;
    pthread_once(&here.once, look_around);
    if (mode == DRAGON_WAIT_SPIN)
        return look_only(&wait);
    if (mode == DRAGON_WAIT_ADAPTIVE && look_a_while(&wait, spin))
        return DRAGON_OK;
    bool learn = mode == DRAGON_WAIT_ADAPTIVE && spin;
    int64_t began = learn ? now_ns() : 0;
    dragon_err_t err = sleep_until(&wait);
    if (learn)
        spin_miss(spin, now_ns() - began);
    if (waiter->on_woken)
        waiter->on_woken(waiter->woken_arg);
    return err;
}

void wait_pass_on(struct waiter *waiter, const struct awaited *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].rung && items[i].set && items[i].ready(items[i].arg))
            space_wake_one(waiter->space, items[i].set);
}

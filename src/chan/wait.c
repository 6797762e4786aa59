// SPDX-License-Identifier: BSD-3-Clause
//
// One wait:
//
//     look -> look again for a while (adaptive) -> enter the waitsets -> look -> sleep -> leave them -> look ...
//
// Whether looking for a while pays is learned for each thing from what it brought (struct spin): as long as it was there
// soon, it is looked for again, somewhat longer than it took. When it was not there several times, as when its
// maker needs the core that we look on, we sleep at once, but for a try now and then.
#include "config.h"

#include "chan/wait.h"
#include "net/data.h"

#include <dragon/runtime.h>

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum {
    LOOKS_FIRST = 32,      // without reading the clock
    LOOKS_A_ROUND = 16,    // between two readings
    SPIN_LEAST_NS = 4000,  // the first guess, too
    SPIN_MOST_NS = 50000,  // a few times what sleeping and waking cost
    SPIN_MISSES = 3,       // in a row, then it does not pay
    SPIN_TRY_EVERY = 32,   // waits, when it does not
    HELD_UP_NS = 200000,   // between two readings: somebody else had our core
    YIELD_EVERY_NS = 20000 // a process that only looks lets others have its core
};
static const int64_t SLICE_NS = 10000000000;
static const int64_t LOOK_AT_KEEPER_NS = 100000000;

static int64_t default_timeout_ms = 60000;
static bool one_core;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look_around(void)
{
    cpu_set_t cores;
    one_core = sched_getaffinity(0, sizeof(cores), &cores) == 0 && CPU_COUNT(&cores) == 1;
    const char *text = getenv("DRAGON_TIMEOUT");
    uint64_t ms;
    if (text && strcmp(text, "off") == 0)
        default_timeout_ms = DRAGON_FOREVER;
    else if (text && parse_duration(text, &ms) && ms <= INT_MAX)
        default_timeout_ms = (int64_t)ms;
}

int64_t wait_deadline(int timeout_ms)
{
    int64_t ms = timeout_ms;
    if (timeout_ms == DRAGON_DEFAULT_TIMEOUT) {
        pthread_once(&once, look_around);
        ms = default_timeout_ms;
    }
    if (ms < 0)
        return WAIT_FOREVER_NS;
    return ms == 0 ? 0 : (int64_t)time_now_ns() + ms * 1000000;
}

// One call of wait_for.
struct wait {
    struct waiter *waiter;
    struct awaited *items;
    size_t count;
    int64_t deadline_ns;
};

static inline void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

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

static uint32_t spin_budget(const struct spin *spin)
{
    if (one_core)
        return 0;
    if (!spin || spin->limit_ns == 0)
        return SPIN_LEAST_NS;
    if (spin->missed >= SPIN_MISSES && spin->missed % SPIN_TRY_EVERY != 0)
        return 0;
    return spin->limit_ns;
}

static void spin_aim(struct spin *spin, int64_t took_ns)
{
    int64_t limit = took_ns > SPIN_MOST_NS / 4 ? SPIN_MOST_NS : took_ns * 4;
    spin->limit_ns = limit < SPIN_LEAST_NS ? SPIN_LEAST_NS : (uint32_t)limit;
}

static bool look_a_while(const struct wait *wait, struct spin *spin)
{
    uint32_t budget = spin_budget(spin);
    if (budget == 0)
        return false;
    for (int i = 0; i < LOOKS_FIRST; i++) {
        if (look(wait)) {
            if (spin)
                spin->missed = 0;
            return true;
        }
        pause_core();
    }
    int64_t began = (int64_t)time_now_ns(), now = began, before;
    do {
        for (int i = 0; i < LOOKS_A_ROUND; i++) {
            if (look(wait)) {
                if (spin) {
                    spin->missed = 0;
                    spin_aim(spin, (int64_t)time_now_ns() - began);
                }
                return true;
            }
            pause_core();
        }
        before = now;
        now = (int64_t)time_now_ns();
    } while (now - began < budget && now - before < HELD_UP_NS && now < wait->deadline_ns);
    return false;
}

// It was not there soon: it would have been worth to look for it up to that long, or it would not.
static void spin_learn(struct spin *spin, int64_t took_ns)
{
    if (!spin)
        return;
    spin->missed++;
    if (took_ns <= SPIN_MOST_NS)
        spin_aim(spin, took_ns / 2);
}

static dragon_err_t look_only(const struct wait *wait)
{
    int64_t yielded = (int64_t)time_now_ns(), looked = yielded;
    for (;;) {
        for (int i = 0; i < LOOKS_A_ROUND; i++) {
            if (look(wait))
                return DRAGON_OK;
            pause_core();
        }
        int64_t now = (int64_t)time_now_ns();
        if (now >= wait->deadline_ns)
            return DRAGON_ERR_TIMEOUT;
        if (now - yielded > YIELD_EVERY_NS) {
            sched_yield();
            yielded = (int64_t)time_now_ns();
        }
        bool slow = now - looked > LOOK_AT_KEEPER_NS;
        if (ended(wait) || (slow && space_ended(wait->waiter->space, true)))
            return DRAGON_ERR_PEER;
        if (slow)
            looked = now;
    }
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

// On our eventfd, the network's, and the keeper's socket, which tells by its end.
static void sleep_in_poll(const struct wait *wait, uint32_t seen, int64_t ns)
{
    struct waiter *waiter = wait->waiter;
    struct space *space = waiter->space;
    if (bell_sleep_fd(space->own, seen) && data_port_arm(waiter->port)) {
        struct pollfd fds[] = {
            {.fd = space->bell_fd, .events = POLLIN},
            {.fd = data_port_fd(waiter->port), .events = POLLIN},
            {.fd = space->keeper_fd, .events = POLLRDHUP},
        };
        struct timespec most = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        uint64_t rings;
        if (ppoll(fds, 3, &most, NULL) > 0 && (fds[0].revents & POLLIN))
            (void)!read(space->bell_fd, &rings, sizeof(rings)); // quiet again
    }
    bell_awake(space->own);
}

static dragon_err_t sleep_until(const struct wait *wait)
{
    struct space *space = wait->waiter->space;
    int64_t now = (int64_t)time_now_ns(), looked = now;
    for (;;) {
        uint32_t seen = bell_seen(space->own);
        enter(wait);
        if (!any_ready(wait) && !ended(wait)) {
            int64_t ns = wait->deadline_ns - now;
            if (ns > SLICE_NS)
                ns = SLICE_NS;
            if (ns < 0) // for a bell, that is for ever
                ns = 0;
            if (network_counts(wait->waiter))
                sleep_in_poll(wait, seen, ns);
            else
                bell_sleep(space->own, seen, ns);
        }
        leave(wait);
        if (look(wait))
            return DRAGON_OK;
        now = (int64_t)time_now_ns();
        bool slow = now - looked >= SLICE_NS;
        if (ended(wait) || (slow && space_ended(space, true)))
            return DRAGON_ERR_PEER;
        if (slow)
            looked = now;
        if (now >= wait->deadline_ns)
            return DRAGON_ERR_TIMEOUT;
    }
}

dragon_err_t wait_for(struct waiter *waiter, struct awaited *items, size_t count,
                      dragon_wait_t mode, struct spin *spin, int64_t deadline_ns)
{
    struct wait wait = {waiter, items, count, deadline_ns};
    for (size_t i = 0; i < count; i++)
        items[i].rung = false;
    if (look(&wait))
        return DRAGON_OK;
    if (deadline_ns <= 0)
        return DRAGON_ERR_TIMEOUT;
    pthread_once(&once, look_around);
    if (mode == DRAGON_WAIT_SPIN)
        return look_only(&wait);
    if (mode == DRAGON_WAIT_ADAPTIVE && look_a_while(&wait, spin))
        return DRAGON_OK;
    int64_t began = (int64_t)time_now_ns();
    dragon_err_t err = sleep_until(&wait);
    if (mode == DRAGON_WAIT_ADAPTIVE)
        spin_learn(spin, (int64_t)time_now_ns() - began);
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

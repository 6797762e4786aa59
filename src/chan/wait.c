// SPDX-License-Identifier: BSD-3-Clause
//
// One wait:
//
//     look for a while (adaptive) -> enter the waitsets -> look -> sleep -> leave them -> look -> ...
#include "config.h"

#include "chan/wait_parts.h"

#include "net/data.h"

#include <dragon/runtime.h>

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static const int64_t SLICE_NS = 10000000000;
static const int64_t DUE_LEAST_NS = 1000000;

// What the environment says, looked up once.
static struct {
    pthread_once_t once;
    int64_t default_timeout_ms;
} here = {.once = PTHREAD_ONCE_INIT, .default_timeout_ms = 60000};

static void look_up(void)
{
    const char *text = getenv("DRAGON_TIMEOUT");
    uint64_t ms;
    if (text && strcmp(text, "off") == 0)
        here.default_timeout_ms = DRAGON_FOREVER;
    else if (text && parse_duration(text, &ms) && ms <= INT_MAX)
        here.default_timeout_ms = (int64_t)ms;
}

int64_t wait_deadline(int timeout_ms)
{
    int64_t ms = timeout_ms;
    if (timeout_ms == DRAGON_DEFAULT_TIMEOUT) {
        pthread_once(&here.once, look_up);
        ms = here.default_timeout_ms;
    }
    if (ms < 0)
        return WAIT_FOREVER_NS;
    return ms == 0 ? 0 : wait_now() + ms * 1000000;
}

void wait_turn(struct waiter *waiter)
{
    if (network_counts(waiter)) {
        data_port_progress(waiter->port);
        wait_look_for_losses(waiter);
    }
    if (waiter->on_turn)
        waiter->on_turn(waiter->arg);
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
    if (!wait_look(wait) &&
        !wait_is_over(wait)) { // what the network brought earlier may go on by now, too
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
    int64_t left = wait->deadline_ns - wait_now();
    return left < slice ? left : slice;
}

static dragon_err_t sleep_until(const struct wait *wait)
{
    int64_t ns;
    while ((ns = time_to_sleep(wait)) > 0) {
        uint64_t served = wait->waiter->served;
        int64_t began = wait->waiter->on_turn ? wait_now() : 0;
        bool rung = sleep_once(wait, ns);
        if (wait_look(wait))
            return DRAGON_OK;
        if (wait->waiter->served != served && wait_serve_a_while(wait, wait_now() - began))
            return DRAGON_OK;
        if (wait_is_over(wait) || (!rung && space_ended(wait->waiter->space, true)))
            return DRAGON_ERR_PEER;
    }
    return DRAGON_ERR_TIMEOUT;
}

dragon_err_t wait_for(struct waiter *waiter, struct awaited *items, size_t count,
                      dragon_wait_t mode, struct spin *spin, int64_t deadline_ns)
{
    struct wait wait = {waiter, items, count, mode, deadline_ns};
    for (size_t i = 0; i < count; i++)
        items[i].rung = false;
    if (deadline_ns <= 0)
        return wait_look(&wait) ? DRAGON_OK : DRAGON_ERR_TIMEOUT;
    wait_look_prepare();
    if (mode == DRAGON_WAIT_SPIN)
        return wait_look_only(&wait);
    if (mode == DRAGON_WAIT_ADAPTIVE && wait_look_a_while(&wait, spin))
        return DRAGON_OK;
    bool learn = mode == DRAGON_WAIT_ADAPTIVE && spin;
    int64_t began = learn ? wait_now() : 0;
    dragon_err_t err = sleep_until(&wait);
    if (learn)
        wait_look_missed(spin, wait_now() - began);
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

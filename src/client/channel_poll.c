// SPDX-License-Identifier: BSD-3-Clause
//
// Channel sets in event loops. The descriptor of a set is an epoll over all by which something can come: the bell of
// this process, which is an eventfd while the set sleeps; the network; and the keeper, which closes when the runtime
// ends.
//
//     wait_any(0) found nothing  -->  sleeps  --(wait_any, a change of members)-->  awake
//
// The bell is one for the whole process. So whoever hears it while other sets sleep *nudges* them, each by an eventfd
// of its own: another set that wakes, or a call that slept on it (waiter.on_woken).
#include "config.h"

#include "client/channel.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TRIES = 16
}; // before the loop is to come back at once, so that a busy network cannot hold it up

static void nudge(struct dragon_channel_set *set)
{
    uint64_t one = 1;
    if (!set->poll.nudged)
        set->poll.nudged = write(set->poll.nudge_fd, &one, sizeof one) > 0;
}

static void nudge_all(void *arg)
{
    const struct shared *shared = arg;
    for (struct dragon_channel_set *set = shared->asleep; set; set = set->poll.next_asleep)
        nudge(set);
}

static bool drain(int fd)
{
    uint64_t count;
    return read(fd, &count, sizeof count) > 0;
}

// ---- sleeping and waking

static void leave(struct dragon_channel_set *set, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (set->items[i].set)
            set->items[i].rung = !waitset_leave(set->items[i].set, set->shared->space->slot);
    wait_pass_on(&set->shared->waiter, set->items, count);
}

static bool watch(const struct dragon_channel_set *set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(set->poll.fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

// False: there is something to be done first.
static bool arm_port(struct dragon_channel_set *set)
{
    struct data_port *port = set->shared->waiter.port;
    if (!port)
        return true;
    if (!set->poll.has_port)
        set->poll.has_port = watch(set, data_port_fd(port));
    return set->poll.has_port && data_port_arm(port);
}

// Nothing is missed: who makes something ready before we are in the waitsets is seen by `ready`, who does after it
// rings, which bell_sleep_fd sees, or the descriptor tells.
static bool try_sleep(struct dragon_channel_set *set)
{
    struct space *space = set->shared->space;
    uint32_t seen = bell_seen(space->own);
    size_t count = set_await(set);
    bool good = true;
    for (size_t i = 0; i < count; i++)
        if (set->items[i].set)
            waitset_enter(set->items[i].set, space->slot);
    for (size_t i = 0; i < count && good; i++)
        good = !set->items[i].ready(set->items[i].arg);
    if (good && arm_port(set) && bell_sleep_fd(space->own, seen)) {
        set->poll.items = count;
        return true;
    }
    leave(set, count);
    return false;
}

dragon_err_t set_sleep(struct dragon_channel_set *set, int tries)
{
    // The descriptor stays readable then: saying AGAIN would make an event loop turn for ever.
    if (space_ended(set->shared->space, set->poll.fd >= 0))
        return DRAGON_ERR_PEER;
    if (set->poll.fd < 0)
        return DRAGON_ERR_AGAIN;
    if (tries >= TRIES) {
        nudge(set);
        return DRAGON_ERR_AGAIN;
    }
    if (!try_sleep(set))
        return DRAGON_OK;
    set->poll.asleep = true;
    set->poll.next_asleep = set->shared->asleep;
    set->shared->asleep = set;
    return DRAGON_ERR_AGAIN;
}

static void take_out(struct dragon_channel_set *set)
{
    struct dragon_channel_set **at = &set->shared->asleep;
    while (*at != set)
        at = &(*at)->poll.next_asleep;
    *at = set->poll.next_asleep;
    set->poll.asleep = false;
}

void set_wake(struct dragon_channel_set *set)
{
    if (set->poll.nudged)
        set->poll.nudged = !drain(set->poll.nudge_fd);
    if (!set->poll.asleep)
        return;
    take_out(set);
    if (drain(set->shared->space->bell_fd))
        nudge_all(set->shared);
    else if (!set->shared->asleep)
        bell_awake(set->shared->space->own);
    leave(set, set->poll.items);
}

// ---- the descriptor

static void close_descriptors(struct dragon_channel_set *set)
{
    if (set->poll.fd >= 0)
        close(set->poll.fd);
    if (set->poll.nudge_fd >= 0)
        close(set->poll.nudge_fd);
    set->poll.fd = set->poll.nudge_fd = -1;
}

void set_close_poll(struct dragon_channel_set *set)
{
    if (set->poll.fd >= 0)
        set->shared->waiter.port_uses--;
    close_descriptors(set);
}

static bool open_poll(struct dragon_channel_set *set)
{
    const struct space *space = set->shared->space;
    set->poll.fd = epoll_create1(EPOLL_CLOEXEC);
    set->poll.nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return set->poll.fd >= 0 && set->poll.nudge_fd >= 0 && watch(set, set->poll.nudge_fd) &&
           watch(set, space->bell_fd) && watch(set, space->keeper_fd);
}

int dragon_channel_set_fd(dragon_channel_set_t *set)
{
    if (!set || set_use(set) != DRAGON_OK || !shared_is_ours(set->shared))
        return -1;
    if (set->poll.fd >= 0)
        return set->poll.fd;
    if (!open_poll(set)) {
        close_descriptors(set);
        return -1;
    }
    set->shared->waiter.port_uses++; // its descriptor is ours to make quiet, whoever it is for
    set->shared->waiter.on_woken = nudge_all;
    set->shared->waiter.woken_arg = set->shared;
    // Whoever polls before it has waited is to wait first.
    nudge(set);
    return set->poll.fd;
}

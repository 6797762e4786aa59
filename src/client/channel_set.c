// SPDX-License-Identifier: BSD-3-Clause
//
// Channel sets: waiting for several channels at once, of this node and of others. A set only looks; what is there stays
// there until the user takes it, so whoever else was to be woken for it is woken, too.
#include "config.h"

#include "client/channel.h"

// ---- life cycle

dragon_err_t dragon_channel_set_create(dragon_runtime_t *runtime, dragon_channel_set_t **set_out)
{
    if (!runtime || !set_out)
        return DRAGON_ERR_INVAL;
    struct dragon_channel_set *set = calloc(1, sizeof *set);
    if (!set)
        return DRAGON_ERR_NOMEM;
    set->runtime = runtime;
    set->poll.fd = set->poll.nudge_fd = -1;
    *set_out = set;
    return DRAGON_OK;
}

static bool set_is_ours(const struct dragon_channel_set *set)
{
    return !set->shared || shared_is_ours(set->shared);
}

static void remove_member(struct dragon_channel_set *set, size_t at)
{
    struct member *member = set->members[at], **link = &member->channel->members;
    set_wake(set);
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    memmove(&set->members[at], &set->members[at + 1], (set->count - at - 1) * sizeof *set->members);
    set->count--;
    if (set->first > at)
        set->first--;
    if (!member->channel->handle.object)
        set->shared->waiter.port_uses--;
    free(member);
}

void dragon_channel_set_destroy(dragon_channel_set_t *set)
{
    if (!set || !set_is_ours(set))
        return;
    while (set->count > 0)
        remove_member(set, set->count - 1);
    set_close_poll(set);
    if (set->shared)
        shared_unref(set->shared);
    free(set->items);
    free(set->members);
    free(set);
}

dragon_err_t set_use(struct dragon_channel_set *set)
{
    struct shared *shared;
    if (set->shared)
        return DRAGON_OK;
    dragon_err_t err = shared_get(set->runtime, &shared, NULL);
    if (err != DRAGON_OK)
        return err;
    shared->handles++;
    set->shared = shared;
    return DRAGON_OK;
}

// ---- members

static size_t find(const struct dragon_channel_set *set, const struct dragon_channel *channel)
{
    size_t at = 0;
    while (at < set->count && set->members[at]->channel != channel)
        at++;
    return at;
}

static bool make_room(struct dragon_channel_set *set)
{
    if (set->count < set->room)
        return true;
    size_t room = set->room ? 2 * set->room : 8;
    struct member **members = realloc(set->members, room * sizeof *members);
    if (members)
        set->members = members;
    struct awaited *items = realloc(set->items, room * CHANNEL_AWAITED * sizeof *items);
    if (items)
        set->items = items;
    if (!members || !items)
        return false;
    set->room = room;
    return true;
}

static dragon_err_t add_member(struct dragon_channel_set *set, struct dragon_channel *channel,
                               int events, void *arg)
{
    struct far_object *far;
    // Connects now, so that no wait takes longer than it was told to.
    dragon_err_t err = channel->handle.object ? DRAGON_OK : handle_far(&channel->handle, &far);
    if (err == DRAGON_OK && !channel->handle.object)
        err = far_home(far, WAIT_FOREVER_NS);
    if (err != DRAGON_OK)
        return err;
    struct member *member = make_room(set) ? malloc(sizeof *member) : NULL;
    if (!member)
        return DRAGON_ERR_NOMEM;
    *member = (struct member){
        .set = set, .channel = channel, .next = channel->members, .events = events, .arg = arg};
    channel->members = member;
    set->members[set->count++] = member;
    if (!channel->handle.object)
        set->shared->waiter.port_uses++; // it tells over the network
    return DRAGON_OK;
}

dragon_err_t dragon_channel_set_add(dragon_channel_set_t *set, dragon_channel_t *channel,
                                    int events, void *arg)
{
    if (!set || !channel || !channel_events_fit(events))
        return DRAGON_ERR_INVAL;
    dragon_err_t err = channel_check(channel);
    if (err == DRAGON_OK)
        err = set_use(set);
    if (err != DRAGON_OK)
        return err;
    if (channel->handle.shared != set->shared)
        return DRAGON_ERR_INVAL;
    set_wake(set);
    size_t at = find(set, channel);
    if (at == set->count)
        return add_member(set, channel, events, arg);
    set->members[at]->events = events;
    set->members[at]->arg = arg;
    return DRAGON_OK;
}

dragon_err_t dragon_channel_set_remove(dragon_channel_set_t *set, dragon_channel_t *channel)
{
    if (!set || !channel)
        return DRAGON_ERR_INVAL;
    if (!set_is_ours(set))
        return DRAGON_ERR_STATE;
    size_t at = find(set, channel);
    if (at == set->count)
        return DRAGON_ERR_NOT_FOUND;
    remove_member(set, at);
    return DRAGON_OK;
}

void members_forget(struct dragon_channel *channel)
{
    while (channel->members)
        remove_member(channel->members->set, find(channel->members->set, channel));
}

// ---- waiting

// What there is now, from set->first on, round once. What is always ready does not keep the others from being heard.
static size_t look(struct dragon_channel_set *set, dragon_ready_t *ready, size_t room)
{
    wait_turn(&set->shared->waiter);
    size_t found = 0, start = set->first;
    for (size_t i = 0; i < set->count && found < room; i++) {
        size_t at = (start + i) % set->count;
        struct member *member = set->members[at];
        int events = 0;
        dragon_err_t err = channel_look(member->channel, member->events, &events);
        if (err == DRAGON_OK && !events)
            continue;
        if (found == 0)
            set->first = at + 1;
        ready[found++] = (dragon_ready_t){
            .channel = member->channel, .arg = member->arg, .events = events, .err = err};
    }
    return found;
}

// The most awake of all decides.
static dragon_wait_t wait_of(const struct dragon_channel_set *set)
{
    dragon_wait_t wait = DRAGON_WAIT_IDLE;
    for (size_t i = 0; i < set->count && wait != DRAGON_WAIT_SPIN; i++)
        if (set->members[i]->channel->wait != DRAGON_WAIT_IDLE)
            wait = set->members[i]->channel->wait;
    return wait;
}

size_t set_await(struct dragon_channel_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        count +=
            channel_awaited(set->members[i]->channel, set->members[i]->events, &set->items[count]);
    return count;
}

static dragon_err_t wait_once(struct dragon_channel_set *set, int64_t deadline_ns)
{
    struct waiter *waiter = &set->shared->waiter;
    size_t count = set_await(set);
    dragon_err_t err = wait_for(waiter, set->items, count, wait_of(set), &set->spin, deadline_ns);
    wait_pass_on(waiter, set->items, count);
    return err;
}

dragon_err_t dragon_channel_set_wait_any(dragon_channel_set_t *set, dragon_ready_t *ready,
                                         size_t room, size_t *count_out, int timeout_ms)
{
    size_t found;
    int tries = 0;
    if (!set || !ready || room == 0 || !count_out)
        return DRAGON_ERR_INVAL;
    if (!set_is_ours(set) || set->count == 0)
        return DRAGON_ERR_STATE;
    set_wake(set);
    int64_t deadline_ns = wait_deadline(timeout_ms);
    while ((found = look(set, ready, room)) == 0) {
        dragon_err_t err = wait_once(set, deadline_ns);
        if (err == DRAGON_ERR_TIMEOUT && wait_tries(timeout_ms))
            err = set_sleep(set, tries++);
        if (err != DRAGON_OK)
            return err;
    }
    *count_out = found;
    return DRAGON_OK;
}

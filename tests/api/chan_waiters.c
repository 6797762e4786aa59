// SPDX-License-Identifier: BSD-3-Clause
//
// Processes of all nodes that wait at a channel, and what they are told when it is closed or destroyed, or when their message is
// received: `chan_waiters NODE`.
#include "chan.h"

enum { WAITERS = 4 };

struct told { // by a rank
    int err;
    int what;
};

static const char *home;

// ---- the ranks

static dragon_err_t wait_in_set(dragon_runtime_t *runtime, dragon_channel_t *channel)
{
    dragon_channel_set_t *set = NULL;
    dragon_ready_t ready = {NULL, NULL, 0, DRAGON_OK};
    size_t count;
    CHAN_DEMAND(dragon_channel_set_create(runtime, &set) == DRAGON_OK);
    // Of another node's channel it connects, and may be too late.
    dragon_err_t err = dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, NULL);
    if (err != DRAGON_OK) {
        dragon_channel_set_destroy(set);
        return err;
    }
    CHAN_DEMAND(dragon_channel_set_wait_any(set, &ready, 1, &count, DRAGON_FOREVER) == DRAGON_OK);
    CHAN_DEMAND(count == 1 && ready.channel == channel);
    dragon_channel_set_destroy(set);
    return ready.err;
}

static dragon_err_t wait_for_it(dragon_runtime_t *runtime, const char *what,
                                dragon_channel_t *channel)
{
    dragon_err_t err = DRAGON_OK;
    int value = chan_rank(), events;
    void *data;
    if (strcmp(what, "receive") == 0)
        return dragon_channel_receive(channel, &value, sizeof value, NULL, DRAGON_FOREVER);
    if (strcmp(what, "memory") == 0)
        return dragon_channel_receive_memory(channel, &data, NULL, DRAGON_FOREVER);
    if (strcmp(what, "peek") == 0)
        return dragon_channel_peek(channel, &value, sizeof value, NULL, DRAGON_FOREVER);
    if (strcmp(what, "poll") == 0)
        return dragon_channel_poll(channel, DRAGON_POLL_RECEIVE, &events, DRAGON_FOREVER);
    if (strcmp(what, "set") == 0)
        return wait_in_set(runtime, channel);
    if (strcmp(what, "received") == 0) {
        dragon_channel_set_return(channel, DRAGON_RETURN_RECEIVED);
        return dragon_channel_send(channel, &value, sizeof value, 0, DRAGON_FOREVER);
    }
    while (err == DRAGON_OK) // "send"
        err = dragon_channel_send(channel, &value, sizeof value, 0, DRAGON_FOREVER);
    return err;
}

static int be_waiter(const char *what, const char *descriptor, const char *results)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    dragon_channel_t *back = chan_attach(runtime, results);
    struct told told = {DRAGON_OK, 0};
    CHAN_DEMAND(dragon_channel_send(back, &told, sizeof told, 0, TAP_WAIT_MS) == DRAGON_OK);
    told.err = wait_for_it(runtime, what, channel);
    told.what = 1;
    CHAN_DEMAND(dragon_channel_send(back, &told, sizeof told, 0, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_detach(back) == DRAGON_OK);
    dragon_channel_detach(channel);
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- the head

struct scene {
    dragon_runtime_t *runtime;
    dragon_channel_t *channel, *results;
    dragon_group_t *group;
};

// Ranks that are about to wait, or do so already.
static struct scene begin(dragon_runtime_t *runtime, const char *what)
{
    struct scene scene = {.runtime = runtime};
    struct told told;
    scene.channel = chan_at(runtime, (int)strtol(home, NULL, 10), 2);
    scene.results = chan_at(runtime, DRAGON_HERE, 0);
    const char *const argv[] = {what, dragon_channel_descriptor(scene.channel),
                                dragon_channel_descriptor(scene.results), NULL};
    scene.group = chan_ranks(runtime, NULL, WAITERS, argv);
    for (int i = 0; i < WAITERS; i++)
        chan_need(dragon_channel_receive(scene.results, &told, sizeof told, NULL, TAP_WAIT_MS),
                  NULL, "a rank did not come");
    return scene;
}

// How many were told that.
static int count_told(struct scene *scene, dragon_err_t err)
{
    struct told told;
    int count = 0;
    for (int i = 0; i < WAITERS; i++) {
        dragon_err_t got =
            dragon_channel_receive(scene->results, &told, sizeof told, NULL, TAP_WAIT_MS);
        if (got != DRAGON_OK || told.err != (int)err)
            printf("# %s: %s\n", dragon_err_name(got), dragon_err_name((dragon_err_t)told.err));
        else
            count++;
    }
    return count;
}

static void end(struct scene *scene)
{
    tap_check(chan_ranks_end(scene->group), "they end");
    dragon_channel_destroy(scene->results, NULL);
}

static void wait_until_asleep(struct scene *scene, bool senders)
{
    dragon_channel_stats_t stats = {0};
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (tap_now_ms() < deadline) {
        dragon_channel_stats(scene->channel, &stats, NULL);
        if (senders ? stats.waiting_senders > 0 && stats.waiting == 2 : stats.waiting_receivers > 0)
            return;
        tap_nap();
    }
}

static void check_destroy(dragon_runtime_t *runtime, const char *what)
{
    bool senders = strcmp(what, "send") == 0 || strcmp(what, "received") == 0;
    struct scene scene = begin(runtime, what);
    wait_until_asleep(&scene, senders);
    tap_err(dragon_channel_destroy(scene.channel, NULL), DRAGON_OK, "destroyed");
    tap_check(count_told(&scene, DRAGON_ERR_CLOSED) == WAITERS, "who waits in %s is told", what);
    end(&scene);
}

static void check_close(dragon_runtime_t *runtime, const char *what, dragon_err_t told)
{
    struct scene scene = begin(runtime, what);
    wait_until_asleep(&scene, strcmp(what, "send") == 0);
    tap_err(dragon_channel_close(scene.channel, NULL), DRAGON_OK, "closed");
    tap_check(count_told(&scene, told) == WAITERS, "who waits in %s is told", what);
    dragon_channel_destroy(scene.channel, NULL);
    end(&scene);
}

// A receiver that never waits, but for its own work.
static void check_tries(dragon_runtime_t *runtime)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    struct scene scene = {.runtime = runtime};
    struct told told;
    int value, got = 0;
    spec.single_receiver = 1;
    scene.channel = chan_make(runtime, &spec);
    scene.results = chan_at(runtime, DRAGON_HERE, 0);
    dragon_channel_receive(scene.channel, &value, sizeof value, NULL, 0);
    const char *const argv[] = {"received", dragon_channel_descriptor(scene.channel),
                                dragon_channel_descriptor(scene.results), NULL};
    scene.group = chan_ranks(runtime, NULL, WAITERS, argv);
    for (int i = 0; i < WAITERS; i++)
        dragon_channel_receive(scene.results, &told, sizeof told, NULL, TAP_WAIT_MS);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (got < WAITERS && tap_now_ms() < deadline)
        got += dragon_channel_receive(scene.channel, &value, sizeof value, NULL, 0) == DRAGON_OK;
    tap_equal(got, WAITERS, "who only tries to receive gets all");
    // And lets their senders know.
    deadline = tap_now_ms() + TAP_WAIT_MS;
    for (got = 0; got < WAITERS && tap_now_ms() < deadline;) {
        dragon_channel_receive(scene.channel, &value, sizeof value, NULL, 0);
        got += dragon_channel_receive(scene.results, &told, sizeof told, NULL, 0) == DRAGON_OK &&
               told.err == DRAGON_OK;
    }
    tap_equal(got, WAITERS, "and their senders are told");
    dragon_channel_destroy(scene.channel, NULL);
    end(&scene);
}

static void check_received(dragon_runtime_t *runtime)
{
    struct scene scene = begin(runtime, "received");
    int value, seen = 0;
    for (int i = 0; i < WAITERS; i++) {
        dragon_err_t err =
            dragon_channel_receive(scene.channel, &value, sizeof value, NULL, TAP_WAIT_MS);
        seen += err == DRAGON_OK ? 1 << value : 0;
    }
    tap_equal(seen, (1 << WAITERS) - 1, "each message is received");
    tap_check(count_told(&scene, DRAGON_OK) == WAITERS, "and its sender told");
    dragon_channel_destroy(scene.channel, NULL);
    end(&scene);
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc == 4)
        return be_waiter(argv[1], argv[2], argv[3]);
    home = argc > 1 ? argv[1] : "0";
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    check_destroy(runtime, "receive");
    check_destroy(runtime, "memory");
    check_destroy(runtime, "peek");
    check_destroy(runtime, "poll");
    check_destroy(runtime, "set");
    check_destroy(runtime, "send");
    check_destroy(runtime, "received");
    check_close(runtime, "receive", DRAGON_ERR_CLOSED);
    check_close(runtime, "poll", DRAGON_OK);
    check_close(runtime, "send", DRAGON_ERR_CLOSED);
    check_received(runtime);
    check_tries(runtime);
    tap_check(chan_memory_returns(runtime, &before) && chan_nodes_empty(runtime),
              "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

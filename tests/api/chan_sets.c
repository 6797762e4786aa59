// SPDX-License-Identifier: BSD-3-Clause
//
// Channel sets: of channels of this node and of others, in turns, and inside an event loop. A process sends to itself, so that what
// comes when is known; and ranks on all nodes send as they like.
#include "chan.h"

enum { CHANNELS = 6, LOOP_MESSAGES = 300 };

static int nodes;

static dragon_channel_set_t *make_set(dragon_runtime_t *runtime)
{
    dragon_channel_set_t *set = NULL;
    chan_need(dragon_channel_set_create(runtime, &set), NULL, "no set");
    return set;
}

static void check_errors(dragon_runtime_t *runtime)
{
    dragon_channel_set_t *set = make_set(runtime);
    dragon_channel_t *channel = chan_at(runtime, DRAGON_HERE, 0);
    dragon_runtime_t *other = tap_attach();
    dragon_channel_t *theirs = chan_attach(other, dragon_channel_descriptor(channel));
    dragon_ready_t ready[2];
    size_t count = 77;
    tap_err(dragon_channel_set_create(NULL, &set), DRAGON_ERR_INVAL, "no runtime");
    tap_err(dragon_channel_set_create(runtime, NULL), DRAGON_ERR_INVAL, "no result");
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 0), DRAGON_ERR_STATE,
            "an empty set");
    tap_err(dragon_channel_set_add(NULL, channel, DRAGON_POLL_RECEIVE, NULL), DRAGON_ERR_INVAL,
            "add: no set");
    tap_err(dragon_channel_set_add(set, NULL, DRAGON_POLL_RECEIVE, NULL), DRAGON_ERR_INVAL,
            "add: no channel");
    tap_err(dragon_channel_set_add(set, channel, 0, NULL), DRAGON_ERR_INVAL, "add: for nothing");
    tap_err(dragon_channel_set_add(set, channel, 8, NULL), DRAGON_ERR_INVAL,
            "add: for what is not there");
    tap_err(dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, NULL), DRAGON_OK, "add");
    tap_err(dragon_channel_set_add(set, theirs, DRAGON_POLL_RECEIVE, NULL), DRAGON_ERR_INVAL,
            "add: of another handle on the runtime");
    tap_err(dragon_channel_set_wait_any(NULL, ready, 2, &count, 0), DRAGON_ERR_INVAL,
            "wait: no set");
    tap_err(dragon_channel_set_wait_any(set, NULL, 2, &count, 0), DRAGON_ERR_INVAL,
            "wait: no result");
    tap_err(dragon_channel_set_wait_any(set, ready, 0, &count, 0), DRAGON_ERR_INVAL,
            "wait: no room");
    tap_err(dragon_channel_set_wait_any(set, ready, 2, NULL, 0), DRAGON_ERR_INVAL,
            "wait: no count");
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 0), DRAGON_ERR_AGAIN,
            "nothing is there");
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 30), DRAGON_ERR_TIMEOUT,
            "nor comes");
    tap_equal((long)count, 77, "and nothing is written");
    tap_err(dragon_channel_set_remove(set, theirs), DRAGON_ERR_NOT_FOUND, "remove: not in it");
    tap_err(dragon_channel_set_remove(NULL, channel), DRAGON_ERR_INVAL, "remove: no set");
    tap_err(dragon_channel_set_remove(set, NULL), DRAGON_ERR_INVAL, "remove: no channel");
    tap_err(dragon_channel_set_remove(set, channel), DRAGON_OK, "remove");
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 0), DRAGON_ERR_STATE,
            "it is empty again");
    tap_equal(dragon_channel_set_fd(NULL), -1, "no descriptor of no set");
    dragon_channel_set_destroy(NULL);
    // A channel that goes is in no set any more.
    dragon_channel_set_add(set, channel, DRAGON_POLL_SEND, &count);
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 0), DRAGON_OK, "there is room");
    tap_check(count == 1 && ready[0].events == DRAGON_POLL_SEND && ready[0].arg == &count &&
                  ready[0].channel == channel && ready[0].err == DRAGON_OK,
              "it says so");
    tap_err(dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, set), DRAGON_OK,
            "adding it again changes what is waited for");
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 0), DRAGON_ERR_AGAIN,
            "not for room any more");
    dragon_channel_destroy(channel, NULL);
    tap_err(dragon_channel_set_wait_any(set, ready, 2, &count, 0), DRAGON_ERR_STATE,
            "a channel that is gone is not in it");
    dragon_channel_detach(theirs);
    dragon_runtime_detach(other);
    dragon_channel_set_destroy(set);
}

// Waits until `wanted` channels are ready at once, which those of other nodes are some time after they were sent to.
static size_t wait_for_all(dragon_channel_set_t *set, dragon_ready_t *ready, size_t wanted)
{
    size_t count = 0;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    do {
        dragon_err_t err = dragon_channel_set_wait_any(set, ready, CHANNELS, &count, TAP_WAIT_MS);
        if (err != DRAGON_OK)
            return 0;
        if (count < wanted)
            tap_nap();
    } while (count < wanted && tap_now_ms() < deadline);
    return count;
}

static void check_turns(dragon_runtime_t *runtime)
{
    dragon_channel_set_t *set = make_set(runtime);
    dragon_channel_t *channels[CHANNELS];
    dragon_ready_t ready[CHANNELS];
    int seen[CHANNELS] = {0}, value = 0;
    size_t count = 0;
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = chan_at(runtime, i % nodes, 0);
        dragon_channel_set_add(set, channels[i], DRAGON_POLL_RECEIVE, &seen[i]);
    }
    for (int i = 0; i < CHANNELS; i++)
        for (int k = 0; k < 3; k++)
            dragon_channel_send(channels[i], &k, sizeof k, 0, TAP_WAIT_MS);
    tap_equal((long)wait_for_all(set, ready, CHANNELS), CHANNELS, "all are told at once");
    // One at a time: nobody is served twice before all were.
    bool fair = true;
    for (int i = 0; i < 3 * CHANNELS; i++) {
        if (dragon_channel_set_wait_any(set, ready, 1, &count, TAP_WAIT_MS) != DRAGON_OK)
            break;
        int *times = ready[0].arg;
        fair = fair && dragon_channel_receive(ready[0].channel, &value, sizeof value, NULL,
                                              TAP_WAIT_MS) == DRAGON_OK;
        ++*times;
        // Those of other nodes are asked again after each message, and are back a little later.
        for (int k = 0; nodes == 1 && k < CHANNELS; k++)
            fair = fair && seen[k] >= *times - 1;
    }
    for (int i = 0; i < CHANNELS; i++)
        fair = fair && seen[i] == 3;
    tap_check(fair, "each has its turn");
    tap_err(dragon_channel_set_wait_any(set, ready, CHANNELS, &count, 50), DRAGON_ERR_TIMEOUT,
            "then there is nothing");
    dragon_channel_close(channels[CHANNELS - 1], NULL);
    tap_err(dragon_channel_set_wait_any(set, ready, CHANNELS, &count, TAP_WAIT_MS), DRAGON_OK,
            "a closed one is told of");
    tap_check(count == 1 && ready[0].channel == channels[CHANNELS - 1] &&
                  dragon_channel_receive(ready[0].channel, &value, sizeof value, NULL, 0) ==
                      DRAGON_ERR_CLOSED,
              "it is closed");
    dragon_channel_set_remove(set, channels[CHANNELS - 1]);
    dragon_channel_t *second = chan_attach(runtime, dragon_channel_descriptor(channels[0]));
    dragon_channel_destroy(second, NULL);
    tap_err(dragon_channel_set_wait_any(set, ready, CHANNELS, &count, TAP_WAIT_MS), DRAGON_OK,
            "one that was destroyed, too");
    tap_check(count == 1 && ready[0].channel == channels[0] && ready[0].err == DRAGON_ERR_CLOSED,
              "with its error");
    dragon_channel_set_destroy(set);
    for (int i = 0; i < CHANNELS; i++)
        dragon_channel_destroy(channels[i], NULL);
}

// ---- in an event loop

static bool readable(int fd, int timeout_ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, timeout_ms) == 1;
}

// Says AGAIN after what there was has been looked at, with a descriptor that is quiet then.
static bool falls_asleep(dragon_channel_set_t *set)
{
    dragon_ready_t ready;
    size_t count;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    do {
        if (dragon_channel_set_wait_any(set, &ready, 1, &count, 0) != DRAGON_ERR_AGAIN)
            return false;
        if (!readable(dragon_channel_set_fd(set), 20))
            return true;
    } while (tap_now_ms() < deadline);
    return false;
}

static void check_descriptor(dragon_runtime_t *runtime, int node)
{
    dragon_channel_set_t *set = make_set(runtime), *second = make_set(runtime);
    dragon_channel_t *channel = chan_at(runtime, node, 0), *other = chan_at(runtime, node, 0);
    dragon_channel_t *third = chan_at(runtime, node, 0);
    dragon_ready_t ready;
    size_t count;
    int value = 1, fd = dragon_channel_set_fd(set), second_fd = dragon_channel_set_fd(second);
    printf("# on node %d\n", node);
    tap_check(fd >= 0 && second_fd >= 0 && fd != second_fd, "each set has a descriptor");
    tap_equal(dragon_channel_set_fd(set), fd, "and keeps it");
    dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, NULL);
    dragon_channel_set_add(second, other, DRAGON_POLL_RECEIVE, NULL);
    tap_check(falls_asleep(set) && falls_asleep(second), "they sleep");
    dragon_channel_send(channel, &value, sizeof value, 0, TAP_WAIT_MS);
    tap_check(readable(fd, TAP_WAIT_MS), "a message makes it readable");
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_err_t err;
    while ((err = dragon_channel_set_wait_any(set, &ready, 1, &count, 0)) == DRAGON_ERR_AGAIN &&
           tap_now_ms() < deadline)
        readable(fd, TAP_WAIT_MS);
    tap_err(err, DRAGON_OK, "it is there");
    tap_check(ready.channel == channel, "the channel");
    tap_err(dragon_channel_receive(channel, &value, sizeof value, NULL, TAP_WAIT_MS), DRAGON_OK,
            "received");
    tap_check(falls_asleep(set) && falls_asleep(second), "they sleep again");

    // What another call sleeps through.
    dragon_channel_send(other, &value, sizeof value, 0, TAP_WAIT_MS);
    tap_err(dragon_channel_receive(third, &value, sizeof value, NULL, 100), DRAGON_ERR_TIMEOUT,
            "another call waits meanwhile");
    tap_check(readable(second_fd, TAP_WAIT_MS), "what came for the set is not lost");
    dragon_channel_send(channel, &value, sizeof value, 0, TAP_WAIT_MS);
    deadline = tap_now_ms() + TAP_WAIT_MS;
    int seen = 0;
    while (seen != 3 && tap_now_ms() < deadline) {
        struct pollfd both[] = {{.fd = fd, .events = POLLIN}, {.fd = second_fd, .events = POLLIN}};
        if (poll(both, 2, TAP_WAIT_MS) <= 0)
            break;
        if (both[0].revents &&
            dragon_channel_set_wait_any(set, &ready, 1, &count, 0) == DRAGON_OK &&
            dragon_channel_receive(ready.channel, &value, sizeof value, NULL, 0) == DRAGON_OK)
            seen |= 1;
        if (both[1].revents &&
            dragon_channel_set_wait_any(second, &ready, 1, &count, 0) == DRAGON_OK &&
            dragon_channel_receive(ready.channel, &value, sizeof value, NULL, 0) == DRAGON_OK)
            seen |= 2;
    }
    tap_equal(seen, 3, "two sets in one loop both hear");
    tap_check(falls_asleep(set) && falls_asleep(second), "and do not keep each other awake");
    dragon_channel_set_remove(second, other);
    dragon_channel_set_destroy(set);
    dragon_channel_set_destroy(second);
    dragon_channel_destroy(channel, NULL);
    dragon_channel_destroy(other, NULL);
    dragon_channel_destroy(third, NULL);
}

static int send_numbers(const char *const *descriptors)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channels[CHANNELS];
    for (int i = 0; i < CHANNELS; i++)
        channels[i] = chan_attach(runtime, descriptors[i]);
    for (int i = 0; i < LOOP_MESSAGES; i++)
        CHAN_DEMAND(dragon_channel_send(channels[i % CHANNELS], &i, sizeof i, 0, TAP_WAIT_MS) ==
                    DRAGON_OK);
    for (int i = 0; i < CHANNELS; i++)
        CHAN_DEMAND(dragon_channel_detach(channels[i]) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

// A loop that has nothing but the descriptor: a lost wake-up would make it wait for ever.
static void check_loop(dragon_runtime_t *runtime)
{
    dragon_channel_set_t *set = make_set(runtime);
    dragon_channel_t *channels[CHANNELS];
    const char *argv[CHANNELS + 2] = {"send"};
    dragon_ready_t ready[3];
    size_t count;
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = chan_at(runtime, i % nodes, 4);
        argv[i + 1] = dragon_channel_descriptor(channels[i]);
        dragon_channel_set_add(set, channels[i], DRAGON_POLL_RECEIVE, NULL);
    }
    dragon_group_t *group = chan_ranks(runtime, NULL, (uint32_t)nodes, argv);
    int fd = dragon_channel_set_fd(set), got = 0, wanted = nodes * LOOP_MESSAGES, value;
    bool woken = true;
    while (got < wanted && woken) {
        dragon_err_t err = dragon_channel_set_wait_any(set, ready, 3, &count, 0);
        if (err == DRAGON_ERR_AGAIN) {
            woken = readable(fd, TAP_WAIT_MS);
            continue;
        }
        woken = err == DRAGON_OK;
        for (size_t i = 0; woken && i < count; i++)
            got += dragon_channel_receive(ready[i].channel, &value, sizeof value, NULL, 0) ==
                   DRAGON_OK;
    }
    tap_equal(got, wanted, "a loop hears of every message");
    tap_check(chan_ranks_end(group), "the senders end");
    dragon_channel_set_destroy(set);
    for (int i = 0; i < CHANNELS; i++)
        dragon_channel_destroy(channels[i], NULL);
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc == CHANNELS + 2)
        return send_numbers((const char *const *)&argv[2]);
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    nodes = (int)dragon_runtime_nodes(runtime);
    check_errors(runtime);
    check_turns(runtime);
    for (int node = 0; node < nodes; node++)
        check_descriptor(runtime, node);
    check_loop(runtime);
    tap_check(chan_memory_returns(runtime, &before) && chan_nodes_empty(runtime),
              "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

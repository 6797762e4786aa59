// SPDX-License-Identifier: BSD-3-Clause
//
// The life of a channel and every error of its calls, of a channel of this node and of another: `chan_life here|NODE`.
#include "chan.h"

#include <limits.h>

static int home = DRAGON_HERE;

static dragon_err_t create_with(dragon_runtime_t *runtime, const dragon_channel_spec_t *spec,
                                dragon_error_t *error)
{
    dragon_channel_t *channel = NULL;
    dragon_err_t err = dragon_channel_create(runtime, spec, &channel, error);
    if (err == DRAGON_OK)
        dragon_channel_destroy(channel, NULL);
    return err;
}

static void check_specs(dragon_runtime_t *runtime)
{
    const dragon_channel_spec_t good = DRAGON_CHANNEL_SPEC_INIT;
    dragon_channel_spec_t spec = good;
    dragon_policy_t *policy = NULL;
    dragon_error_t error;
    spec.capacity = DRAGON_CHANNEL_CAPACITY_MOST + 1;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "too many messages");
    tap_has(error.text, "1048577", "the text has the figure");
    spec = good, spec.inline_bytes = DRAGON_CHANNEL_INLINE_MOST + 1;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "too large inline messages");
    spec = good, spec.node = -2;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "a negative node");
    spec = good, spec.node = (int)dragon_runtime_nodes(runtime);
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_NOT_FOUND, "a node that is not there");
    spec = good, spec.node = INT_MAX;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_NOT_FOUND, "the last node");
    spec = good, spec.memory.numa = -2;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "a negative NUMA node");
    spec = good, spec.memory.numa = 1000;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "a NUMA node that is not there");
    spec = good, spec.memory.huge = (dragon_huge_t)3;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "pages that are not there");
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    spec = good, spec.policy = policy, spec.node = 0;
    tap_err(create_with(runtime, &spec, &error), DRAGON_ERR_INVAL, "a node and a policy");
    dragon_policy_set_hosts(policy, "nowhere.example");
    spec.node = DRAGON_HERE;
    dragon_err_t err = create_with(runtime, &spec, &error);
    tap_err(err, DRAGON_ERR_INVAL, "a policy that can never be");
    tap_has(error.text, "nowhere.example", "the text has the host");
    char last[12];
    snprintf(last, sizeof last, "%u", dragon_runtime_nodes(runtime) - 1);
    dragon_policy_set_hosts(policy, last);
    dragon_channel_t *channel = chan_make(runtime, &spec);
    dragon_channel_stats_t stats;
    tap_err(dragon_channel_stats(channel, &stats, &error), DRAGON_OK, "made where a policy says");
    tap_equal(stats.node, dragon_runtime_nodes(runtime) - 1, "the home is the policy's node");
    dragon_channel_destroy(channel, NULL);
    dragon_policy_destroy(policy);
    tap_err(dragon_channel_create(runtime, NULL, NULL, &error), DRAGON_ERR_INVAL, "no result");
    tap_err(dragon_channel_create(NULL, NULL, &channel, &error), DRAGON_ERR_INVAL, "no runtime");
    tap_err(dragon_channel_create(NULL, NULL, &channel, NULL), DRAGON_ERR_INVAL, "no text");
}

static void check_descriptors(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 0), *second = NULL;
    dragon_lock_t *lock = NULL;
    dragon_error_t error;
    char text[400];
    const char *descriptor = dragon_channel_descriptor(channel);
    tap_check(strncmp(descriptor, "dragon-channel:", 15) == 0 && !strchr(descriptor, '\n'),
              "a descriptor is one line");
    const char *name = dragon_runtime_identity(runtime);
    const char *id = strrchr(descriptor, ':') + 1;
    int node = home == DRAGON_HERE ? (int)dragon_runtime_node(runtime) : home;
    snprintf(text, sizeof text, "dragon-channel:%s:%d:%s", name, node, id);
    tap_text(text, descriptor, "it has the runtime, the node and a number");

    static const char *const bad[] = {"", "x", "dragon-channel",
                                      "dragon-channel:", "dragon-channel:::"};
    bool refused = true;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused =
            refused && dragon_channel_attach(runtime, bad[i], &second, &error) == DRAGON_ERR_INVAL;
    struct {
        const char *format;
    } forms[] = {
        {"dragon-channel:%s:%d:%s0x"}, {"dragon-channel:%s:+%d:%s"}, {"dragon-channel:%s:%d: %s"},
        {"dragon-channel:%s:0%d:%s"},  {" dragon-channel:%s:%d:%s"}, {"dragon-channel:%s:%d:%s:"},
        {"dragon-channel:%s:%d:%s\n"}, {"dragon-queue:%s:%d:%s"},    {"dragon-channels:%s:%d:%s"},
        {"dragon-channel:%s:%d:0%s"},  {"Dragon-channel:%s:%d:%s"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        // The formats are the test's own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, forms[i].format, name, node, id);
#pragma GCC diagnostic pop
        dragon_err_t err = dragon_channel_attach(runtime, text, &second, &error);
        if (err != DRAGON_ERR_INVAL)
            printf("# %s: %s\n", text, dragon_err_name(err));
        refused = refused && err == DRAGON_ERR_INVAL;
    }
    tap_check(refused, "what is no descriptor is refused");
    snprintf(text, sizeof text, "dragon-channel:%s:4000000:%s", name, id);
    tap_err(dragon_channel_attach(runtime, text, &second, &error), DRAGON_ERR_INVAL,
            "nor is one of a node that cannot be");
    snprintf(text, sizeof text, "dragon-channel:%s:%d:18446744073709551616", name, node);
    tap_err(dragon_channel_attach(runtime, text, &second, &error), DRAGON_ERR_INVAL,
            "or of a number that cannot be");
    snprintf(text, sizeof text, "dragon-channel:another-%s:%d:%s", name, node, id);
    tap_err(dragon_channel_attach(runtime, text, &second, &error), DRAGON_ERR_NOT_FOUND,
            "of another runtime");
    tap_has(error.text, "another", "the text has the descriptor");
    snprintf(text, sizeof text, "dragon-channel:%s:%d:1%s", name, node, id + 2);
    tap_err(dragon_channel_attach(runtime, text, &second, &error), DRAGON_ERR_CLOSED,
            "one that never was");
    chan_need(dragon_lock_create(runtime, home, &lock, &error), &error, "no lock");
    tap_err(dragon_channel_attach(runtime, dragon_lock_descriptor(lock), &second, &error),
            DRAGON_ERR_INVAL, "a lock is no channel");
    snprintf(text, sizeof text, "dragon-channel:%s", strchr(dragon_lock_descriptor(lock), ':') + 1);
    tap_err(dragon_channel_attach(runtime, text, &second, &error), DRAGON_ERR_INVAL,
            "whatever it is called");
    dragon_lock_destroy(lock, NULL);
    tap_err(dragon_channel_attach(runtime, NULL, &second, &error), DRAGON_ERR_INVAL, "none");
    tap_err(dragon_channel_attach(NULL, descriptor, &second, &error), DRAGON_ERR_INVAL,
            "no runtime");
    tap_err(dragon_channel_attach(runtime, descriptor, NULL, &error), DRAGON_ERR_INVAL,
            "no result");
    dragon_channel_destroy(channel, NULL);
}

static void check_arguments(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 0);
    dragon_channel_stats_t stats;
    dragon_message_t message;
    dragon_error_t error;
    char byte = 1;
    void *data = NULL;
    int events = 0;
    tap_err(dragon_channel_send(NULL, &byte, 1, 0, 0), DRAGON_ERR_INVAL, "send: no channel");
    tap_err(dragon_channel_send(channel, NULL, 1, 0, 0), DRAGON_ERR_INVAL, "send: no bytes");
    tap_err(dragon_channel_send_memory(NULL, &byte, 1, 0, 0), DRAGON_ERR_INVAL,
            "send_memory: no channel");
    tap_err(dragon_channel_send_memory(channel, NULL, 0, 0, 0), DRAGON_ERR_INVAL,
            "send_memory: no memory");
    tap_err(dragon_channel_send_memory(channel, &byte, 1, 0, 0), DRAGON_ERR_INVAL,
            "send_memory: no block");
    tap_err(dragon_channel_receive(NULL, &byte, 1, &message, 0), DRAGON_ERR_INVAL,
            "receive: no channel");
    tap_err(dragon_channel_receive(channel, NULL, 1, &message, 0), DRAGON_ERR_INVAL,
            "receive: no buffer");
    tap_err(dragon_channel_receive_memory(NULL, &data, &message, 0), DRAGON_ERR_INVAL,
            "receive_memory: no channel");
    tap_err(dragon_channel_receive_memory(channel, NULL, &message, 0), DRAGON_ERR_INVAL,
            "receive_memory: no result");
    tap_err(dragon_channel_peek(NULL, &byte, 1, &message, 0), DRAGON_ERR_INVAL, "peek: no channel");
    tap_err(dragon_channel_peek(channel, NULL, 1, &message, 0), DRAGON_ERR_INVAL,
            "peek: no buffer");
    tap_err(dragon_channel_poll(NULL, DRAGON_POLL_SEND, &events, 0), DRAGON_ERR_INVAL,
            "poll: no channel");
    tap_err(dragon_channel_poll(channel, 0, &events, 0), DRAGON_ERR_INVAL, "poll: for nothing");
    tap_err(dragon_channel_poll(channel, 4, &events, 0), DRAGON_ERR_INVAL,
            "poll: for what is not there");
    tap_err(dragon_channel_poll(channel, -1, &events, 0), DRAGON_ERR_INVAL, "poll: for anything");
    tap_err(dragon_channel_poll(channel, DRAGON_POLL_SEND, NULL, 0), DRAGON_ERR_INVAL,
            "poll: no result");
    tap_err(dragon_channel_set_wait(channel, (dragon_wait_t)3), DRAGON_ERR_INVAL, "no such wait");
    tap_err(dragon_channel_set_wait(NULL, DRAGON_WAIT_IDLE), DRAGON_ERR_INVAL, "wait: no channel");
    tap_err(dragon_channel_set_return(channel, (dragon_return_t)2), DRAGON_ERR_INVAL,
            "no such return");
    tap_err(dragon_channel_set_return(NULL, DRAGON_RETURN_BUFFERED), DRAGON_ERR_INVAL,
            "return: no channel");
    tap_err(dragon_channel_stats(NULL, &stats, &error), DRAGON_ERR_INVAL, "stats: no channel");
    tap_err(dragon_channel_stats(channel, NULL, &error), DRAGON_ERR_INVAL, "stats: no result");
    tap_err(dragon_channel_close(NULL, &error), DRAGON_ERR_INVAL, "close: no channel");
    tap_text(dragon_channel_descriptor(NULL), "", "descriptor: no channel");
    tap_err(dragon_channel_detach(NULL), DRAGON_OK, "detach: no channel");
    tap_err(dragon_channel_destroy(NULL, NULL), DRAGON_OK, "destroy: no channel");
    tap_err(dragon_channel_find(runtime, "", 0, &channel, &error), DRAGON_ERR_INVAL,
            "find: no name");
    tap_err(dragon_channel_find(runtime, NULL, 0, &channel, &error), DRAGON_ERR_INVAL,
            "find: NULL");
    dragon_channel_destroy(channel, NULL);
}

static void check_messages(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 0);
    dragon_channel_t *second = chan_attach(runtime, dragon_channel_descriptor(channel));
    dragon_message_t message = {0};
    char buffer[64] = "";
    void *data = &buffer;
    int events = -1;
    tap_err(dragon_channel_receive(channel, buffer, sizeof buffer, NULL, 0), DRAGON_ERR_AGAIN,
            "nothing is there");
    tap_err(dragon_channel_receive(channel, buffer, sizeof buffer, NULL, 30), DRAGON_ERR_TIMEOUT,
            "and nothing comes");
    tap_err(dragon_channel_peek(channel, buffer, sizeof buffer, NULL, 0), DRAGON_ERR_AGAIN,
            "nothing to peek at");
    tap_err(dragon_channel_peek(channel, buffer, sizeof buffer, NULL, 30), DRAGON_ERR_TIMEOUT,
            "nor later");
    tap_err(dragon_channel_receive_memory(channel, &data, NULL, 0), DRAGON_ERR_AGAIN,
            "nothing as memory");
    tap_check(data == &buffer, "and nothing is written");
    tap_err(dragon_channel_poll(channel, DRAGON_POLL_RECEIVE, &events, 30), DRAGON_ERR_TIMEOUT,
            "poll waits in vain");
    tap_err(dragon_channel_poll(channel, DRAGON_POLL_SEND, &events, TAP_WAIT_MS), DRAGON_OK,
            "there is room");
    tap_equal(events, DRAGON_POLL_SEND, "as poll says");

    tap_err(dragon_channel_send(channel, "hello", 6, 77, TAP_WAIT_MS), DRAGON_OK, "send");
    tap_err(dragon_channel_poll(second, DRAGON_POLL_RECEIVE, &events, TAP_WAIT_MS), DRAGON_OK,
            "it is there");
    tap_equal(events, DRAGON_POLL_RECEIVE, "as poll says");
    tap_err(dragon_channel_peek(second, buffer, 2, &message, TAP_WAIT_MS), DRAGON_OK,
            "peek at a part");
    tap_check(message.bytes == 6 && message.tag == 77 && memcmp(buffer, "he", 3) == 0,
              "the beginning, the size and the tag");
    message.bytes = 0;
    tap_err(dragon_channel_receive(second, buffer, 5, &message, TAP_WAIT_MS), DRAGON_ERR_TOO_BIG,
            "too little room");
    tap_equal((long)message.bytes, 6, "says how much it takes");
    tap_err(dragon_channel_receive(second, NULL, 0, NULL, TAP_WAIT_MS), DRAGON_ERR_TOO_BIG,
            "no room at all");
    tap_err(dragon_channel_receive(second, buffer, sizeof buffer, &message, TAP_WAIT_MS), DRAGON_OK,
            "it stayed");
    tap_check(strcmp(buffer, "hello") == 0 && message.tag == 77, "and is whole");

    tap_err(dragon_channel_send(channel, NULL, 0, 0, TAP_WAIT_MS), DRAGON_OK, "send nothing");
    tap_err(dragon_channel_receive(second, NULL, 0, &message, TAP_WAIT_MS), DRAGON_OK,
            "and receive it");
    tap_equal((long)message.bytes, 0, "no bytes");
    tap_err(dragon_channel_send(channel, NULL, 0, 5, TAP_WAIT_MS), DRAGON_OK, "send nothing again");
    tap_err(dragon_channel_receive_memory(second, &data, &message, TAP_WAIT_MS), DRAGON_OK,
            "as memory");
    tap_check(!data && message.bytes == 0 && message.tag == 5, "no memory");
    dragon_channel_detach(second);
    dragon_channel_destroy(channel, NULL);
}

static void check_full(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 4);
    dragon_channel_stats_t stats = {0};
    dragon_error_t error;
    int sent = 0, events = 0, got = 0, value = -1;
    dragon_err_t err;
    bool ordered = true;
    // Of another node some more are under way.
    while ((err = dragon_channel_send(channel, &sent, sizeof sent, 0, 300)) == DRAGON_OK)
        sent++;
    tap_err(err, DRAGON_ERR_TIMEOUT, "it gets full");
    tap_check(sent >= 4 && sent <= 4 + DRAGON_CHANNEL_UNDER_WAY, "after %d messages", sent);
    tap_err(dragon_channel_send(channel, &sent, sizeof sent, 0, 0), DRAGON_ERR_AGAIN,
            "and stays so");
    tap_err(dragon_channel_poll(channel, DRAGON_POLL_SEND, &events, 30), DRAGON_ERR_TIMEOUT,
            "no room, says poll");
    tap_err(dragon_channel_stats(channel, &stats, &error), DRAGON_OK, "statistics");
    if (!tap_check(stats.capacity == 4 && stats.waiting == 4 && stats.sent == 4 &&
                       stats.received == 0 && stats.processes >= (home <= 0) && !stats.closed &&
                       !stats.single_receiver && stats.inline_bytes >= DRAGON_CHANNEL_INLINE &&
                       stats.lost == 0,
                   "what they say"))
        printf("# waiting %u, sent %llu, received %llu, processes %u, lost %llu\n", stats.waiting,
               (unsigned long long)stats.sent, (unsigned long long)stats.received, stats.processes,
               (unsigned long long)stats.lost);
    for (; got < sent; got++) {
        err = dragon_channel_receive(channel, &value, sizeof value, NULL, TAP_WAIT_MS);
        ordered = ordered && err == DRAGON_OK && value == got;
    }
    tap_check(ordered, "all of them come, in order");
    tap_err(dragon_channel_receive(channel, &value, sizeof value, NULL, 100), DRAGON_ERR_TIMEOUT,
            "and no more");
    tap_err(dragon_channel_poll(channel, DRAGON_POLL_SEND, &events, TAP_WAIT_MS), DRAGON_OK,
            "there is room again");
    dragon_channel_destroy(channel, NULL);
}

// A sender on another node is told a little later.
static dragon_err_t send_until_told(dragon_channel_t *channel)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_err_t err = DRAGON_OK;
    int value = 4;
    while (err == DRAGON_OK && tap_now_ms() < deadline)
        err = dragon_channel_send(channel, &value, sizeof value, 0, DRAGON_FOREVER);
    return err;
}

static void check_close(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 0);
    dragon_channel_t *second = chan_attach(runtime, dragon_channel_descriptor(channel));
    dragon_channel_stats_t stats = {0};
    dragon_error_t error;
    char descriptor[300];
    int value = 3, events = 0;
    snprintf(descriptor, sizeof descriptor, "%s", dragon_channel_descriptor(channel));
    chan_need(dragon_channel_send(channel, &value, sizeof value, 0, TAP_WAIT_MS), NULL, "not sent");
    // What is under way to another node is in when its sender has been told so.
    while (dragon_channel_poll(second, DRAGON_POLL_RECEIVE, &events, TAP_WAIT_MS) != DRAGON_OK)
        ;
    tap_err(dragon_channel_close(channel, &error), DRAGON_OK, "close");
    tap_err(send_until_told(second), DRAGON_ERR_CLOSED, "nothing can be sent any more");
    tap_err(dragon_channel_poll(second, DRAGON_POLL_SEND, &events, TAP_WAIT_MS), DRAGON_OK,
            "poll says there is something");
    dragon_channel_t *late = chan_attach(runtime, descriptor);
    value = 0;
    tap_err(dragon_channel_receive(late, &value, sizeof value, NULL, TAP_WAIT_MS), DRAGON_OK,
            "what was in it is received");
    tap_equal(value, 3, "and is right");
    tap_err(dragon_channel_receive(second, &value, sizeof value, NULL, DRAGON_FOREVER),
            DRAGON_ERR_CLOSED, "then it is closed for receivers too");
    tap_err(dragon_channel_stats(late, &stats, &error), DRAGON_OK, "statistics");
    tap_check(stats.closed && stats.sent == 1 && stats.received == 1, "it is closed");
    tap_err(dragon_channel_close(second, &error), DRAGON_OK, "closing again is fine");
    dragon_channel_detach(late);
    tap_err(dragon_channel_destroy(channel, &error), DRAGON_OK, "destroy");
    tap_err(dragon_channel_receive(second, &value, sizeof value, NULL, DRAGON_FOREVER),
            DRAGON_ERR_CLOSED, "receive from a destroyed one");
    tap_err(send_until_told(second), DRAGON_ERR_CLOSED, "send to it");
    tap_err(dragon_channel_poll(second, DRAGON_POLL_RECEIVE, &events, DRAGON_FOREVER),
            DRAGON_ERR_CLOSED, "poll it");
    tap_err(dragon_channel_stats(second, &stats, &error), DRAGON_ERR_CLOSED, "ask it");
    tap_err(dragon_channel_close(second, &error), DRAGON_ERR_CLOSED, "close it");
    tap_err(dragon_channel_attach(runtime, descriptor, &late, &error), DRAGON_ERR_CLOSED,
            "attach to it");
    tap_err(dragon_channel_destroy(second, &error), DRAGON_ERR_CLOSED,
            "destroying it again says so, and the handle is gone");
}

static void check_received(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 0);
    int value = 1;
    dragon_channel_set_return(channel, DRAGON_RETURN_RECEIVED);
    tap_err(dragon_channel_send(channel, &value, sizeof value, 0, 50), DRAGON_ERR_TIMEOUT,
            "nobody receives it in time");
    tap_err(dragon_channel_receive(channel, &value, sizeof value, NULL, TAP_WAIT_MS), DRAGON_OK,
            "but it was sent");
    dragon_channel_destroy(channel, NULL);
}

static void check_names(dragon_runtime_t *runtime)
{
    dragon_channel_t *channel = chan_at(runtime, home, 0), *found = NULL;
    dragon_error_t error;
    int value = 8;
    tap_err(dragon_channel_find(runtime, "a channel", 0, &found, &error), DRAGON_ERR_AGAIN,
            "a name that is not there");
    tap_err(dragon_channel_find(runtime, "a channel", 30, &found, &error), DRAGON_ERR_TIMEOUT,
            "nor comes");
    tap_has(error.text, "a channel", "the text has the name");
    tap_err(dragon_name_publish(runtime, "a channel", dragon_channel_descriptor(channel), &error),
            DRAGON_OK, "publish");
    tap_err(dragon_channel_find(runtime, "a channel", 0, &found, &error), DRAGON_OK, "find");
    chan_need(dragon_channel_send(found, &value, sizeof value, 0, TAP_WAIT_MS), NULL, "not sent");
    value = 0;
    dragon_channel_receive(channel, &value, sizeof value, NULL, TAP_WAIT_MS);
    tap_equal(value, 8, "it is the same");
    dragon_channel_destroy(found, NULL);
    dragon_channel_detach(channel);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    char *text = NULL;
    while (dragon_name_find(runtime, "a channel", 0, &text, &error) == DRAGON_OK &&
           tap_now_ms() < deadline) {
        free(text);
        tap_nap();
    }
    tap_err(dragon_name_find(runtime, "a channel", 0, &text, &error), DRAGON_ERR_AGAIN,
            "its name ends with it");
}

static void check_single(dragon_runtime_t *runtime)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_channel_stats_t stats = {0};
    dragon_runtime_t *other = tap_attach();
    int value = 5;
    spec.node = home;
    spec.single_receiver = 1;
    dragon_channel_t *channel = chan_make(runtime, &spec);
    dragon_channel_t *again = chan_attach(runtime, dragon_channel_descriptor(channel));
    dragon_channel_t *second = chan_attach(other, dragon_channel_descriptor(channel));
    dragon_channel_stats(channel, &stats, NULL);
    tap_check(stats.single_receiver, "a channel with one receiver says so");
    tap_err(dragon_channel_receive(channel, &value, sizeof value, NULL, 0), DRAGON_ERR_AGAIN,
            "who asks first is it");
    tap_err(dragon_channel_receive(second, &value, sizeof value, NULL, 0), DRAGON_ERR_DENIED,
            "another is not");
    tap_err(dragon_channel_peek(second, &value, sizeof value, NULL, 0), DRAGON_ERR_DENIED,
            "and may not look");
    tap_err(dragon_channel_send(second, &value, sizeof value, 0, TAP_WAIT_MS), DRAGON_OK,
            "but may send");
    tap_err(dragon_channel_receive(again, &value, sizeof value, NULL, TAP_WAIT_MS), DRAGON_OK,
            "another handle of the same process receives too");
    dragon_channel_detach(channel);
    tap_err(dragon_channel_receive(second, &value, sizeof value, NULL, 0), DRAGON_ERR_DENIED,
            "as long as that is there");
    tap_err(dragon_channel_send(second, &value, sizeof value, 0, TAP_WAIT_MS), DRAGON_OK,
            "sent to it");
    dragon_channel_detach(again);
    // Of another node it is known a little later that somebody has left.
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_err_t err;
    do
        err = dragon_channel_receive(second, &value, sizeof value, NULL, 1000);
    while (err == DRAGON_ERR_DENIED && tap_now_ms() < deadline);
    tap_err(err, DRAGON_OK, "when it has left another may receive");
    dragon_channel_destroy(second, NULL);
    dragon_runtime_detach(other);
}

// Makes a channel, tells its descriptor, and ends when it is told to.
static int make_owned(int say, int wait)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    char byte;
    spec.owned = 1;
    const char *text = dragon_channel_descriptor(chan_make(tap_attach(), &spec));
    ssize_t told = write(say, text, strlen(text) + 1);
    return told < 0 || read(wait, &byte, 1) < 0;
}

static void check_owned(dragon_runtime_t *runtime)
{
    int told[2], end[2];
    char text[512] = "";
    chan_need(pipe(told) || pipe(end) ? DRAGON_ERR_SYS : DRAGON_OK, NULL, "no pipes");
    pid_t child = fork();
    if (child == 0)
        _exit(make_owned(told[1], end[0]));
    tap_check(read(told[0], text, sizeof text - 1) > 0, "a process makes a channel that it owns");
    dragon_channel_t *channel = chan_attach(runtime, text);
    tap_err(dragon_channel_send(channel, "x", 1, 0, 0), DRAGON_OK, "others use it");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    dragon_err_t err;
    while ((err = dragon_channel_poll(channel, DRAGON_POLL_SEND, &(int){0}, 10)) !=
               DRAGON_ERR_CLOSED &&
           tap_now_ms() < deadline)
        tap_nap();
    tap_err(err, DRAGON_ERR_CLOSED, "until that one is killed");
    dragon_channel_detach(channel);
    for (int i = 0; i < 2; i++) {
        close(told[i]);
        close(end[i]);
    }
}

static void check_left_handles(void)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_at(runtime, home, 0);
    int value = 5;
    dragon_runtime_detach(runtime);
    tap_err(dragon_channel_send(channel, &value, sizeof value, 0, TAP_WAIT_MS), DRAGON_OK,
            "a channel whose runtime handle is gone still works");
    tap_err(dragon_channel_destroy(channel, NULL), DRAGON_OK, "until it is ended");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "here") != 0)
        home = (int)strtol(argv[1], NULL, 10);
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    check_specs(runtime);
    check_descriptors(runtime);
    check_arguments(runtime);
    check_messages(runtime);
    check_full(runtime);
    check_close(runtime);
    check_received(runtime);
    check_names(runtime);
    check_single(runtime);
    check_owned(runtime);
    check_left_handles();
    tap_check(chan_memory_returns(runtime, &before), "nothing is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

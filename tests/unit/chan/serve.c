// SPDX-License-Identifier: BSD-3-Clause
//
// Others who do not keep to the rules: they are cut off, and the service goes on for those who do.
#include "config.h"

#include "chan/sync.h"
#include "chan/wire.h"
#include "stranger.h"

static struct nodes nodes;

static void open_channel(void)
{
    struct cu_open open = {.handle = 5, .object = nodes.id, .kind = OBJECT_CHANNEL};
    stranger_say(CU_OPEN, &open, sizeof open, NULL, 0);
}

static void expect_service(void)
{
    uint64_t value = 77;
    dragon_message_t message;
    struct far_call how = within(SOON);
    uint64_t got = 0;
    cr_expect_eq(far_send(nodes.there, &value, sizeof value, 3, &how), DRAGON_OK);
    cr_expect_eq(local_receive(&nodes.local, &got, sizeof got, &message, in_ms(SOON)), DRAGON_OK);
    cr_expect_eq(got, 77);
}

Test(serve, keys)
{
    nodes_channel(&nodes, 16);
    pid_t transport = nodes_transport(&nodes);
    stranger_connect(nodes.away, 0);
    stranger_hello(nodes.away, false);
    stranger_cut_off("a wrong key");
    stranger_connect(nodes.away, 0);
    open_channel();
    stranger_cut_off("no key");
    stranger_connect(nodes.away, 0);
    struct cu_hello old = {.version = CHAN_WIRE_VERSION + 1};
    memcpy(old.key, nodes.away->key, sizeof old.key);
    stranger_say(CU_HELLO, &old, sizeof old, NULL, 0);
    stranger_cut_off("another version");
    expect_service();
    cr_expect_eq(nodes_transport(&nodes), transport);
    nodes_down(&nodes);
}

static void greeted(void)
{
    stranger_connect(nodes.away, 0);
    stranger_hello(nodes.away, true);
    open_channel();
}

Test(serve, against_the_rules)
{
    static const uint8_t zero[128];
    uint8_t big[4096] = {0};
    nodes_channel(&nodes, 16);
    pid_t transport = nodes_transport(&nodes);

    greeted();
    stranger_hello(nodes.away, true);
    stranger_cut_off("a second hello");

    greeted();
    open_channel();
    stranger_cut_off("a handle that is open");

    greeted();
    stranger_say(CU_SEND, zero, sizeof(struct cu_send), NULL, 0);
    stranger_cut_off("a handle that is none");

    for (uint8_t type = 0; type < 32; type++) {
        if (wire_name(type) && wire_is_request(type))
            continue;
        greeted();
        stranger_say(type, zero, 8, NULL, 0);
        stranger_cut_off("no request");
    }

    greeted();
    stranger_say(CU_RECEIVE, zero, sizeof(struct cu_receive) - 1, NULL, 0);
    stranger_cut_off("a header that is too short");

    greeted();
    struct cu_receive receive = {.handle = 5};
    stranger_say(CU_RECEIVE, &receive, sizeof receive, big, 10);
    stranger_cut_off("a payload where none belongs");

    greeted();
    struct cu_send send = {.handle = 5, .number = 2};
    stranger_say(CU_SEND, &send, sizeof send, big, 10);
    stranger_cut_off("a number that is left out");

    greeted();
    struct cu_handle leave = {.handle = 5};
    stranger_say(CU_LEAVE, &leave, sizeof leave, NULL, 0);
    stranger_say(CU_FLUSH, &leave, sizeof leave, NULL, 0);
    stranger_cut_off("a handle that was left");

    greeted();
    struct cu_open lock = {.handle = 6, .object = nodes.id, .kind = OBJECT_LOCK};
    stranger_say(CU_OPEN, &lock, sizeof lock, NULL, 0);
    struct cu_call call = {.handle = 6, .op = SYNC_LOCK_ACQUIRE};
    stranger_say(CU_CALL, &call, sizeof call, NULL, 0);
    stranger_cut_off("what could not be opened");

    expect_service();
    cr_expect_eq(nodes_transport(&nodes), transport);
    nodes_down(&nodes);
}

// Beyond its credits; what it has sent in good order goes into the channel.
Test(serve, too_many_sends)
{
    nodes_channel(&nodes, 4);
    greeted();
    for (uint32_t i = 1; i < 200; i++) {
        struct cu_send send = {.handle = 5, .number = i, .tag = i};
        if (data_send(stranger.peer, CU_SEND, &send, sizeof send, NULL, 0, NULL, NULL) != DRAGON_OK)
            break;
    }
    stranger_cut_off("too many sends");
    dragon_message_t message;
    uint64_t count = 0;
    while (local_receive(&nodes.local, NULL, 0, &message, in_ms(500)) == DRAGON_OK)
        cr_expect_eq(message.tag, ++count);
    cr_expect_geq(count, 4 + DRAGON_CHANNEL_UNDER_WAY);
    cr_expect_leq(count, 4 + DRAGON_CHANNEL_UNDER_WAY + 1);
    expect_service();
    nodes_down(&nodes);
}

// A join comes when all that is in the queue is done, and another value still waits for room in it.
Test(serve, join_of_what_waits)
{
    enum { HANDLE = 5, RECEIVE = 1, DONE, JOIN };
    nodes_up(&nodes);
    struct object_spec spec = CHANNEL_SPEC;
    spec.kind = OBJECT_QUEUE;
    spec.capacity = 1;
    nodes_make(&nodes, &spec);
    stranger_connect(nodes.away, 0);
    stranger_hello(nodes.away, true);
    struct cu_open open = {.handle = HANDLE, .object = nodes.id, .kind = OBJECT_QUEUE};
    stranger_say(CU_OPEN, &open, sizeof open, NULL, 0);
    uint64_t deadline = time_now_ms() + SOON;
    while (stranger.type != CU_OPENED && time_left_ms(deadline) > 0)
        data_port_progress(stranger.port);
    pid_t transport = nodes_transport(&nodes);
    cr_assert_eq(kill(transport, SIGSTOP), 0); // so that it gets all of this at once
    for (uint32_t i = 1; i <= 2; i++) {
        struct cu_send send = {.handle = HANDLE, .number = i, .tag = i};
        stranger_say(CU_SEND, &send, sizeof send, NULL, 0);
    }
    struct cu_receive receive = {.handle = HANDLE, .request = RECEIVE, .room = 8};
    struct cu_call done = {.handle = HANDLE, .request = DONE, .op = SYNC_QUEUE_DONE};
    struct cu_call join = {.handle = HANDLE, .request = JOIN, .op = SYNC_QUEUE_JOIN};
    stranger_say(CU_RECEIVE, &receive, sizeof receive, NULL, 0);
    stranger_say(CU_CALL, &done, sizeof done, NULL, 0);
    stranger_say(CU_CALL, &join, sizeof join, NULL, 0);
    for (int i = 0; i < 100; i++)
        data_port_progress(stranger.port);
    cr_assert_eq(kill(transport, SIGCONT), 0);
    while (stranger.answer.request != JOIN && time_left_ms(deadline) > 0)
        data_port_progress(stranger.port);
    cr_expect_eq(stranger.answer.request, JOIN);
    cr_expect_eq(stranger.answer.error, DRAGON_ERR_AGAIN);
    data_port_destroy(stranger.port);
    nodes_down(&nodes);
}

static void ignore_sent(void *arg, dragon_err_t err)
{
    (void)arg, (void)err;
}

// More than the window, while the channel is full.
Test(serve, too_many_bytes)
{
    static uint8_t data[CHAN_COPIED];
    nodes_channel(&nodes, 1);
    greeted();
    for (uint32_t i = 1; i <= 40; i++) {
        struct cu_send send = {.handle = 5, .number = i, .tag = i};
        if (data_send(stranger.peer, CU_SEND, &send, sizeof send, data, sizeof data, ignore_sent,
                      NULL) != DRAGON_OK)
            break;
    }
    stranger_cut_off("too many bytes");
    uint64_t count = 0;
    dragon_message_t message;
    while (local_receive(&nodes.local, data, sizeof data, &message, in_ms(500)) == DRAGON_OK)
        cr_expect_eq(message.tag, ++count);
    cr_expect_geq(count, CHAN_WINDOW / CHAN_COPIED);
    cr_expect_leq(count, CHAN_WINDOW / CHAN_COPIED + 3);
    expect_service();
    nodes_down(&nodes);
}

// Requests of all kinds in any order, with what comes to mind: the transport lives.
Test(serve, noise, .timeout = 60)
{
    nodes_channel(&nodes, 16);
    pid_t transport = nodes_transport(&nodes);
    srand(7);
    for (int round = 0; round < 15; round++) {
        greeted();
        for (int i = 0; i < 300 && !stranger.lost; i++) {
            uint8_t header[CHAN_HEADER] = {0}, data[64];
            uint8_t type = (uint8_t)(1 + rand() % 10);
            for (size_t k = 4; k < sizeof header; k++)
                header[k] = rand() % 3 ? 0 : (uint8_t)(rand() % 4);
            header[0] = (uint8_t)(5 + rand() % 2);
            size_t bytes = 0;
            while (bytes < CHAN_HEADER && !wire_check(type, header, bytes, 0))
                bytes++;
            if (bytes == CHAN_HEADER)
                continue;
            if (data_send(stranger.peer, type, header, bytes, data,
                          type == CU_SEND ? sizeof data : 0, NULL, NULL) != DRAGON_OK)
                break;
            data_port_progress(stranger.port);
        }
        data_port_destroy(stranger.port);
        uint8_t sink[128];
        while (local_receive(&nodes.local, sink, sizeof sink, NULL, in_ms(50)) == DRAGON_OK)
            ;
    }
    cr_expect_eq(nodes_transport(&nodes), transport);
    expect_service();
    nodes_down(&nodes);
}

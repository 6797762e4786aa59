// SPDX-License-Identifier: BSD-3-Clause
//
// Streams between processes: values of all lengths, several conversations at once, and every way in which one of the two leaves
// before its time: `chan_streams NODE` with the home of the main channel; the ranks are on all nodes.
#include "chan.h"

enum { WRITERS = 4, CONVERSATIONS = 5 };

static dragon_stream_t *open_stream(dragon_channel_t *channel, uint64_t tag)
{
    dragon_stream_t *stream = NULL;
    dragon_error_t error;
    chan_need(dragon_stream_open(channel, tag, &stream, TAP_WAIT_MS, &error), &error, "no stream");
    return stream;
}

static dragon_stream_t *accept_stream(dragon_channel_t *channel, uint64_t *tag)
{
    dragon_stream_t *stream = NULL;
    dragon_error_t error;
    chan_need(dragon_stream_accept(channel, &stream, tag, TAP_WAIT_MS, &error), &error,
              "no stream comes");
    return stream;
}

// ---- the ranks

// Conversations with a writer of each length; `tag` is the length.
static int write_all(const char *descriptor)
{
    static const size_t lengths[CONVERSATIONS] = {0, 1, 70000, 3000000, 500};
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    char *data = malloc(3000000);
    for (int i = 0; i < CONVERSATIONS; i++) {
        size_t length = lengths[(i + chan_rank()) % CONVERSATIONS], step = length / 3 + 1;
        dragon_stream_t *stream = open_stream(channel, length);
        chan_fill(data, length, length);
        for (size_t at = 0; at < length; at += step)
            CHAN_DEMAND(dragon_stream_write(stream, data + at,
                                            length - at < step ? length - at : step,
                                            TAP_WAIT_MS) == DRAGON_OK);
        CHAN_DEMAND(dragon_stream_close(stream, TAP_WAIT_MS) == DRAGON_OK);
    }
    free(data);
    CHAN_DEMAND(dragon_channel_detach(channel) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

static int read_all(const char *descriptor, int count)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    char *data = malloc(3000000 + 100000);
    for (int i = 0; i < count; i++) {
        uint64_t tag;
        size_t got, length = 0, room = i % 2 ? 100000 : 777;
        dragon_stream_t *stream = accept_stream(channel, &tag);
        CHAN_DEMAND(tag <= 3000000);
        do {
            CHAN_DEMAND(dragon_stream_read(stream, data + length, room, &got, TAP_WAIT_MS) ==
                        DRAGON_OK);
            length += got;
            CHAN_DEMAND(length <= tag && got <= room);
        } while (got > 0);
        CHAN_DEMAND(length == tag && chan_has(data, length, length));
        CHAN_DEMAND(dragon_stream_read(stream, data, room, &got, 0) == DRAGON_OK && got == 0);
        CHAN_DEMAND(dragon_stream_close(stream, TAP_WAIT_MS) == DRAGON_OK);
    }
    free(data);
    dragon_channel_detach(channel);
    dragon_runtime_detach(runtime);
    return 0;
}

// Writes for ever; ends by what it is told.
static int write_until(const char *descriptor, int wanted)
{
    static char data[100000];
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    dragon_stream_t *stream = open_stream(channel, 0);
    dragon_err_t err = DRAGON_OK;
    while (err == DRAGON_OK)
        err = dragon_stream_write(stream, data, sizeof data, TAP_WAIT_MS);
    CHAN_DEMAND((int)err == wanted);
    CHAN_DEMAND((int)dragon_stream_close(stream, TAP_WAIT_MS) == wanted);
    dragon_channel_detach(channel);
    dragon_runtime_detach(runtime);
    return 0;
}

// Writes a little, and waits to be killed, or leaves it so.
static int write_some(const char *descriptor, bool abandon)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    dragon_channel_set_return(channel,
                              DRAGON_RETURN_RECEIVED); // accepted, or it would be passed over
    dragon_stream_t *stream = open_stream(channel, 0);
    CHAN_DEMAND(dragon_stream_write(stream, "abc", 3, TAP_WAIT_MS) == DRAGON_OK);
    if (!abandon)
        poll(NULL, 0, -1);
    dragon_stream_abandon(stream);
    dragon_channel_detach(channel);
    dragon_runtime_detach(runtime);
    return 0;
}

// Reads a little, and waits to be killed.
static int read_some(const char *descriptor)
{
    char data[10];
    size_t got;
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    dragon_stream_t *stream = accept_stream(channel, NULL);
    CHAN_DEMAND(dragon_stream_read(stream, data, 3, &got, TAP_WAIT_MS) == DRAGON_OK);
    poll(NULL, 0, -1);
    return 0;
}

// ---- the head

static void check_errors(dragon_runtime_t *runtime, dragon_channel_t *channel)
{
    dragon_stream_t *stream = NULL, *reader = NULL;
    dragon_error_t error;
    uint64_t tag = 0;
    size_t got;
    char byte = 1;
    tap_err(dragon_stream_open(NULL, 0, &stream, 0, &error), DRAGON_ERR_INVAL, "open: no channel");
    tap_err(dragon_stream_open(channel, 0, NULL, 0, &error), DRAGON_ERR_INVAL, "open: no result");
    tap_err(dragon_stream_accept(NULL, &stream, &tag, 0, &error), DRAGON_ERR_INVAL,
            "accept: no channel");
    tap_err(dragon_stream_accept(channel, NULL, &tag, 0, &error), DRAGON_ERR_INVAL,
            "accept: no result");
    tap_err(dragon_stream_accept(channel, &stream, &tag, 0, &error), DRAGON_ERR_AGAIN,
            "accept: nobody opened one");
    tap_err(dragon_stream_accept(channel, &stream, &tag, 30, &error), DRAGON_ERR_TIMEOUT,
            "accept: nor does");
    tap_has(error.text, "nobody has opened one", "the text says so");
    dragon_channel_send(channel, "hello", 5, 0, TAP_WAIT_MS);
    tap_err(dragon_stream_accept(channel, &stream, &tag, TAP_WAIT_MS, &error), DRAGON_ERR_PROTO,
            "accept: no stream");
    tap_has(error.text, "a message", "the text says what it is");
    char large[5000] = "";
    dragon_channel_send(channel, large, sizeof large, 0, TAP_WAIT_MS);
    tap_err(dragon_stream_accept(channel, &stream, &tag, TAP_WAIT_MS, &error), DRAGON_ERR_PROTO,
            "accept: no stream, and large");
    stream = open_stream(channel, 42);
    reader = accept_stream(channel, &tag);
    tap_equal((long)tag, 42, "the tag comes with it");
    tap_err(dragon_stream_write(reader, &byte, 1, 0), DRAGON_ERR_STATE, "write: for reading");
    tap_err(dragon_stream_read(stream, &byte, 1, &got, 0), DRAGON_ERR_STATE, "read: for writing");
    tap_err(dragon_stream_write(NULL, &byte, 1, 0), DRAGON_ERR_INVAL, "write: no stream");
    tap_err(dragon_stream_write(stream, NULL, 1, 0), DRAGON_ERR_INVAL, "write: no bytes");
    tap_err(dragon_stream_write(stream, NULL, 0, 0), DRAGON_OK, "write: nothing");
    tap_err(dragon_stream_read(NULL, &byte, 1, &got, 0), DRAGON_ERR_INVAL, "read: no stream");
    tap_err(dragon_stream_read(reader, NULL, 1, &got, 0), DRAGON_ERR_INVAL, "read: no buffer");
    tap_err(dragon_stream_read(reader, &byte, 0, &got, 0), DRAGON_ERR_INVAL, "read: no room");
    tap_err(dragon_stream_read(reader, &byte, 1, NULL, 0), DRAGON_ERR_INVAL, "read: no result");
    tap_err(dragon_stream_read(reader, &byte, 1, &got, 0), DRAGON_ERR_AGAIN,
            "read: nothing was written");
    tap_err(dragon_stream_read(reader, &byte, 1, &got, 30), DRAGON_ERR_TIMEOUT, "read: nor is");
    dragon_err_t err = DRAGON_OK;
    while (err == DRAGON_OK)
        err = dragon_stream_write(stream, large, sizeof large, 50);
    tap_err(err, DRAGON_ERR_TIMEOUT, "write: the reader does not take it");
    tap_err(dragon_stream_close(stream, 50), DRAGON_ERR_TIMEOUT, "close: nor the end");
    while ((err = dragon_stream_read(reader, large, sizeof large, &got, TAP_WAIT_MS)) == DRAGON_OK)
        ;
    tap_err(err, DRAGON_ERR_PEER, "read: the writer has given up");
    tap_err(dragon_stream_close(reader, 0), DRAGON_OK, "close: the reader");
    tap_err(dragon_stream_close(NULL, 0), DRAGON_OK, "close: no stream");
    dragon_stream_abandon(NULL);
    // One that was given up before anybody accepted it is passed over.
    dragon_stream_abandon(open_stream(channel, 1));
    stream = open_stream(channel, 2);
    reader = accept_stream(channel, &tag);
    tap_equal((long)tag, 2, "the next that accepts gets the next one");
    dragon_stream_close(reader, 0);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    err = DRAGON_OK;
    while (err == DRAGON_OK && tap_now_ms() < deadline)
        err = dragon_stream_write(stream, large, sizeof large, TAP_WAIT_MS);
    tap_err(err, DRAGON_ERR_CLOSED, "write: the reader wants no more");
    tap_err(dragon_stream_close(stream, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "close: says so, too");
    (void)runtime;
}

static dragon_group_t *ranks(dragon_runtime_t *runtime, const char *what, dragon_channel_t *channel,
                             uint32_t count, const char *hosts, const char *more)
{
    const char *const argv[] = {what, dragon_channel_descriptor(channel), more, NULL};
    return chan_ranks(runtime, hosts, count, argv);
}

static int pid_of(dragon_runtime_t *runtime, dragon_group_t *group)
{
    dragon_rank_status_t status;
    return tap_is_up(runtime, group, 0, &status) ? status.pid : 0;
}

static void check_all(dragon_runtime_t *runtime, dragon_channel_t *channel)
{
    dragon_group_t *readers = ranks(runtime, "read", channel, 2, NULL, "10");
    dragon_group_t *writers = ranks(runtime, "write", channel, WRITERS, NULL, NULL);
    tap_check(chan_ranks_end(writers), "%d writers, each with %d conversations", WRITERS,
              CONVERSATIONS);
    tap_check(chan_ranks_end(readers), "and two readers with whom they have them");
}

static void check_leaving(dragon_runtime_t *runtime, dragon_channel_t *channel, const char *host)
{
    char data[10], closed[12];
    size_t got = 0;
    printf("# the other is on node %s\n", host);
    dragon_group_t *writer = ranks(runtime, "some", channel, 1, host, NULL);
    dragon_stream_t *reader = accept_stream(channel, NULL);
    tap_err(dragon_stream_read(reader, data, sizeof data, &got, TAP_WAIT_MS), DRAGON_OK,
            "a writer writes");
    kill(pid_of(runtime, writer), SIGKILL);
    tap_err(dragon_stream_read(reader, data, sizeof data, &got, TAP_WAIT_MS), DRAGON_ERR_PEER,
            "and is killed");
    tap_err(dragon_stream_close(reader, 0), DRAGON_OK, "close");
    dragon_group_wait(writer, TAP_WAIT_MS);
    dragon_group_destroy(writer);

    writer = ranks(runtime, "abandon", channel, 1, host, NULL);
    reader = accept_stream(channel, NULL);
    dragon_err_t err = DRAGON_OK;
    while (err == DRAGON_OK)
        err = dragon_stream_read(reader, data, sizeof data, &got, TAP_WAIT_MS);
    tap_err(err, DRAGON_ERR_PEER, "a writer gives it up");
    dragon_stream_close(reader, 0);
    tap_check(chan_ranks_end(writer), "it ends");

    snprintf(closed, sizeof closed, "%d", DRAGON_ERR_CLOSED);
    writer = ranks(runtime, "until", channel, 1, host, closed);
    reader = accept_stream(channel, NULL);
    tap_err(dragon_stream_read(reader, data, sizeof data, &got, TAP_WAIT_MS), DRAGON_OK,
            "a reader reads");
    dragon_stream_close(reader, 0);
    tap_check(chan_ranks_end(writer), "and closes: its writer is told");

    dragon_group_t *killed = ranks(runtime, "kill", channel, 1, host, NULL);
    // Opened when it was accepted: a reader that dies before is not one.
    dragon_channel_set_return(channel, DRAGON_RETURN_RECEIVED);
    dragon_stream_t *stream = open_stream(channel, 0);
    dragon_channel_set_return(channel, DRAGON_RETURN_BUFFERED);
    static char large[200000];
    err = dragon_stream_write(stream, large, sizeof large, TAP_WAIT_MS);
    kill(pid_of(runtime, killed), SIGKILL);
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    while (err == DRAGON_OK && tap_now_ms() < deadline)
        err = dragon_stream_write(stream, large, sizeof large, TAP_WAIT_MS);
    tap_err(err, DRAGON_ERR_CLOSED, "a reader is killed");
    tap_err(dragon_stream_close(stream, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "close");
    dragon_group_wait(killed, TAP_WAIT_MS);
    dragon_group_destroy(killed);
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc > 3 && strcmp(argv[1], "read") == 0)
        return read_all(argv[2], (int)strtol(argv[3], NULL, 10));
    if (argc > 3 && strcmp(argv[1], "until") == 0)
        return write_until(argv[2], (int)strtol(argv[3], NULL, 10));
    if (argc > 2 && strcmp(argv[1], "write") == 0)
        return write_all(argv[2]);
    if (argc > 2 && strcmp(argv[1], "kill") == 0)
        return read_some(argv[2]);
    if (argc > 2)
        return write_some(argv[2], strcmp(argv[1], "abandon") == 0);
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    dragon_channel_t *channel =
        chan_at(runtime, argc > 1 ? (int)strtol(argv[1], NULL, 10) : DRAGON_HERE, 0);
    check_errors(runtime, channel);
    check_all(runtime, channel);
    check_leaving(runtime, channel, "0");
    if (dragon_runtime_nodes(runtime) > 1)
        check_leaving(runtime, channel, "1");
    dragon_channel_destroy(channel, NULL);
    tap_check(chan_memory_returns(runtime, &before) && chan_nodes_empty(runtime),
              "nothing is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

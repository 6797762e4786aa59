// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-chan recv: writes streams or messages to standard output. A consumer that goes away ends this by SIGPIPE, as
// it does with any command; a stream's sender is told then.
#include "config.h"

#include "cli/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int output_failed(void)
{
    log_error("cannot write to standard output: %s", strerror(errno));
    return errno == EPIPE ? CHAN_EXIT_BROKEN : CHAN_EXIT_OURS;
}

static bool write_all(const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDOUT_FILENO, data, bytes);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            data += written;
            bytes -= (size_t)written;
        }
    }
    return true;
}

// CLOSED is said of both; what was in a channel that was destroyed is lost.
static bool was_destroyed(dragon_channel_t *channel)
{
    dragon_channel_stats_t stats;
    return dragon_channel_stats(channel, &stats, NULL) == DRAGON_ERR_CLOSED;
}

static int say_destroyed(const struct chan *chan)
{
    log_error("\"%s\" was destroyed, with what was in it", chan_name(chan));
    return CHAN_EXIT_BROKEN;
}

// ---- streams

static int copy(const struct chan *chan, dragon_stream_t *stream, char *buffer)
{
    uint64_t bytes = 0;
    size_t got;
    dragon_err_t err;
    while ((err = dragon_stream_read(stream, buffer, CHAN_PIECE, &got, DRAGON_FOREVER)) ==
               DRAGON_OK &&
           got > 0) {
        if (!write_all(buffer, got))
            return output_failed();
        bytes += got;
    }
    if (err == DRAGON_OK) {
        log_verbose("a stream of %llu bytes was received from \"%s\"", (unsigned long long)bytes,
                    chan_name(chan));
        return 0;
    }
    if (err != DRAGON_ERR_PEER)
        return chan_fail(chan, err, "the stream cannot be received from");
    log_error("the sender of the stream on \"%s\" is gone before its end; %llu bytes were received",
              chan_name(chan), (unsigned long long)bytes);
    return CHAN_EXIT_BROKEN;
}

static int accept_failed(const struct chan *chan, dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_ERR_PROTO)
        log_error("what came from \"%s\" is a message, and no stream, and is dropped; a channel is "
                  "for one of them: receive messages with --lines, --null or --raw",
                  chan_name(chan));
    else if (err == DRAGON_ERR_CLOSED)
        log_error("\"%s\" was closed, and nothing is left in it", chan_name(chan));
    else if (chan_code(err) == CHAN_EXIT_TIME)
        log_error("nobody has sent a stream to \"%s\" in time; dragon-chan send %s does",
                  chan_name(chan), chan_name(chan));
    else
        log_error("%s", error->text);
    return chan_code(err);
}

static int recv_stream(const struct chan *chan, dragon_channel_t *channel, char *buffer,
                       bool *closed_out)
{
    dragon_stream_t *stream;
    dragon_error_t error;
    int timeout_ms = chan_timeout(chan, chan->follow ? DRAGON_FOREVER : DRAGON_DEFAULT_TIMEOUT);
    dragon_err_t err = dragon_stream_accept(channel, &stream, NULL, timeout_ms, &error);
    *closed_out = err != DRAGON_OK;
    if (err == DRAGON_ERR_CLOSED && was_destroyed(channel))
        return say_destroyed(chan);
    if (err == DRAGON_ERR_CLOSED && chan->follow)
        return 0;
    if (err != DRAGON_OK)
        return accept_failed(chan, err, &error);
    int code = copy(chan, stream, buffer);
    dragon_stream_close(stream, DRAGON_DEFAULT_TIMEOUT);
    *closed_out = code > CHAN_EXIT_BROKEN;
    return code;
}

// Following, a stream that broke is told of, and the next one is as good as any.
static int recv_streams(const struct chan *chan, dragon_channel_t *channel)
{
    char *buffer = malloc(CHAN_PIECE);
    int worst = 0;
    bool over = false;
    if (!buffer) {
        log_error("out of memory");
        return CHAN_EXIT_OURS;
    }
    do {
        int code = recv_stream(chan, channel, buffer, &over);
        if (code > worst)
            worst = code;
    } while (chan->follow && !over);
    free(buffer);
    return worst;
}

// ---- messages

struct room {
    char *data; // owned
    size_t bytes;
};

// The oldest message, whatever its size. TIMEOUT or AGAIN: there is none.
static dragon_err_t take(dragon_channel_t *channel, struct room *room, size_t *bytes_out,
                         int timeout_ms)
{
    dragon_message_t message;
    dragon_err_t err;
    while ((err = dragon_channel_receive(channel, room->data, room->bytes, &message, timeout_ms)) ==
           DRAGON_ERR_TOO_BIG) {
        char *grown = realloc(room->data, message.bytes);
        if (!grown)
            return DRAGON_ERR_NOMEM;
        room->data = grown;
        room->bytes = message.bytes;
    }
    *bytes_out = message.bytes;
    return err;
}

// What was written is to be seen before anything is waited for.
static dragon_err_t take_next(const struct chan *chan, dragon_channel_t *channel, struct room *room,
                              size_t *bytes_out)
{
    int timeout_ms = chan_timeout(chan, chan->count ? DRAGON_DEFAULT_TIMEOUT : DRAGON_FOREVER);
    dragon_err_t err = take(channel, room, bytes_out, 0);
    if (err != DRAGON_ERR_AGAIN)
        return err;
    if (fflush(stdout) != 0)
        return DRAGON_ERR_SYS;
    return take(channel, room, bytes_out, timeout_ms);
}

// PROTO: it is a message. CLOSED: a stream that nobody sends any more. OK: one whose sender is told that nobody reads
// it.
static dragon_err_t refuse_stream(dragon_channel_t *channel, const struct room *room, size_t bytes)
{
    dragon_stream_t *stream = NULL;
    dragon_err_t err = dragon_stream_accept_message(channel, room->data, bytes, &stream, NULL);
    dragon_stream_close(stream, DRAGON_DEFAULT_TIMEOUT);
    return err;
}

static bool write_message(const struct chan *chan, const char *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, stdout) != bytes)
        return false;
    return chan->form == FORM_RAW || putchar(chan->form == FORM_ZEROS ? 0 : '\n') != EOF;
}

static int take_failed(const struct chan *chan, dragon_channel_t *channel, dragon_err_t err,
                       long long count)
{
    if (err == DRAGON_ERR_SYS)
        return output_failed();
    if (err == DRAGON_ERR_CLOSED && was_destroyed(channel))
        return say_destroyed(chan);
    if (err == DRAGON_ERR_CLOSED && chan->count == 0)
        return 0;
    if (err == DRAGON_ERR_CLOSED &&
        count == 0) // the usual end of a loop that takes one after another
        log_notice("\"%s\" was closed, and nothing is left in it", chan_name(chan));
    else if (err == DRAGON_ERR_CLOSED)
        log_error("\"%s\" was closed after %lld of %lld messages", chan_name(chan), count,
                  chan->count);
    else if (chan_code(err) == CHAN_EXIT_TIME)
        log_error("nobody has sent a message to \"%s\" in time", chan_name(chan));
    else
        return chan_fail(chan, err, "a message cannot be received from");
    return chan_code(err);
}

// Counts what was written.
static int write_next(const struct chan *chan, dragon_channel_t *channel, const struct room *room,
                      size_t bytes, long long *count)
{
    dragon_err_t err = refuse_stream(channel, room, bytes);
    if (err == DRAGON_ERR_CLOSED)
        return 0;
    *count += 1;
    if (err == DRAGON_ERR_PROTO)
        return write_message(chan, room->data, bytes) ? 0 : output_failed();
    log_error("what came from \"%s\" is a stream, and no message; a channel is for one of them: "
              "receive streams without --lines, --null, --raw and --count",
              chan_name(chan));
    return CHAN_EXIT_OURS;
}

static int recv_into(const struct chan *chan, dragon_channel_t *channel, struct room *room)
{
    size_t bytes;
    for (long long count = 0; chan->count == 0 || count < chan->count;) {
        dragon_err_t err = take_next(chan, channel, room, &bytes);
        int code = err == DRAGON_OK ? write_next(chan, channel, room, bytes, &count)
                                    : take_failed(chan, channel, err, count);
        if (err != DRAGON_OK || code)
            return code;
    }
    return 0;
}

static int recv_messages(const struct chan *chan, dragon_channel_t *channel)
{
    struct room room = {.data = malloc(CHAN_PIECE), .bytes = CHAN_PIECE};
    if (!room.data) {
        log_error("out of memory");
        return CHAN_EXIT_OURS;
    }
    int code = recv_into(chan, channel, &room);
    if (fflush(stdout) != 0 && code == 0)
        code = output_failed();
    free(room.data);
    return code;
}

// ---- the word

int chan_recv(struct chan *chan)
{
    dragon_channel_t *channel;
    if (chan->no_output) { // what is taken would be lost
        errno = EBADF;
        return output_failed();
    }
    int code = chan_open(chan, &channel);
    if (code)
        return code;
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, CHAN_PIECE); // of a pipe: fewer turns
    code = chan->form == FORM_STREAM ? recv_streams(chan, channel) : recv_messages(chan, channel);
    dragon_channel_detach(channel);
    return code;
}

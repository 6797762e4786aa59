// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-chan send: the input as one stream, or as messages. The stream is announced when there is something to wait
// for it: from then on a dead receiver is told of, so that a slow one may take all the time it likes.
#include "config.h"

#include "cli/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct input {
    char *const *files; // those that were not opened yet; NULL: standard input, once
    const char *name;   // of the one that is read
    int fd;             // -1: none
    bool no_standard;   // standard input was closed
    bool failed;        // it was said why
};

static void input_close(struct input *input)
{
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    input->fd = -1;
}

// False: there is no further one, or it cannot be opened.
static bool input_next(struct input *input)
{
    input_close(input);
    input->name = input->files ? *input->files++ : input->name ? NULL : "-";
    if (!input->name)
        return false;
    bool standard = strcmp(input->name, "-") == 0;
    if (standard && input->no_standard) {
        errno = EBADF;
        input->fd = -1;
    } else {
        input->fd = standard ? STDIN_FILENO : open(input->name, O_RDONLY | O_CLOEXEC);
    }
    if (input->fd < 0) {
        log_error("cannot read %s: %s", input->name, strerror(errno));
        input->failed = true;
        return false;
    }
    fcntl(input->fd, F_SETPIPE_SZ, CHAN_PIECE); // of a pipe: fewer turns; what is none has none
    return true;
}

// What is known before anything is sent troubles nobody.
static bool can_read(const char *file)
{
    struct stat info;
    bool standard = strcmp(file, "-") == 0;
    if (standard ? fstat(STDIN_FILENO, &info) == 0
                 : access(file, R_OK) == 0 && stat(file, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            return true;
        errno = EISDIR;
    }
    log_error("cannot read %s: %s", standard ? "standard input" : file, strerror(errno));
    return false;
}

static bool can_read_all(char *const *files)
{
    if (!files)
        return can_read("-");
    while (*files && can_read(*files))
        files++;
    return !*files;
}

// What comes next of one file after the other; 0 at the end of the last, or when it failed.
static size_t input_read(struct input *input, void *buffer, size_t room)
{
    while (input->fd >= 0) {
        ssize_t got = read(input->fd, buffer, room);
        if (got > 0)
            return (size_t)got;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            log_error("cannot read %s: %s", input->name, strerror(errno));
            input->failed = true;
            return 0;
        }
        input_next(input);
    }
    return 0;
}

// ---- a stream

static int stream_failed(const struct chan *chan, dragon_err_t err, uint64_t bytes)
{
    // What goes straight to a receiver of another node ends as a node does.
    if (err != DRAGON_ERR_CLOSED && err != DRAGON_ERR_PEER)
        return chan_fail(chan, err, "the stream cannot be sent to");
    log_error("the receiver of the stream on \"%s\" has left before its end; %llu bytes were sent, "
              "and not all of them read",
              chan_name(chan), (unsigned long long)bytes);
    return CHAN_EXIT_BROKEN;
}

static int copy(const struct chan *chan, struct input *input, dragon_stream_t *stream, void *buffer)
{
    uint64_t bytes = 0;
    for (size_t got; (got = input_read(input, buffer, CHAN_PIECE)) > 0; bytes += got) {
        dragon_err_t err = dragon_stream_write(stream, buffer, got, DRAGON_FOREVER);
        if (err != DRAGON_OK) {
            dragon_stream_abandon(stream);
            return stream_failed(chan, err, bytes);
        }
    }
    if (input->failed) { // the receiver is not to take this for the end
        dragon_stream_abandon(stream);
        return CHAN_EXIT_OURS;
    }
    dragon_err_t err = dragon_stream_close(stream, DRAGON_FOREVER);
    if (err != DRAGON_OK)
        return stream_failed(chan, err, bytes);
    log_verbose("%llu bytes were sent to \"%s\"", (unsigned long long)bytes, chan_name(chan));
    return 0;
}

// The announcement is to be received: until then the time-out counts.
static int send_stream(const struct chan *chan, dragon_channel_t *channel, struct input *input,
                       void *buffer)
{
    dragon_stream_t *stream;
    dragon_error_t error;
    int timeout_ms = chan_timeout(chan, DRAGON_DEFAULT_TIMEOUT);
    dragon_channel_set_return(channel, DRAGON_RETURN_RECEIVED);
    dragon_err_t err = dragon_stream_open(channel, chan->tag, &stream, timeout_ms, &error);
    if (err == DRAGON_OK)
        return copy(chan, input, stream, buffer);
    if (chan_code(err) == CHAN_EXIT_TIME)
        log_error("nobody has received from \"%s\" in time; dragon-chan recv %s does",
                  chan_name(chan), chan_name(chan));
    else
        log_error("%s", error.text);
    return chan_code(err);
}

// ---- messages

static int send_one(const struct chan *chan, dragon_channel_t *channel, const void *data,
                    size_t bytes)
{
    int timeout_ms = chan_timeout(chan, DRAGON_DEFAULT_TIMEOUT);
    dragon_err_t err = dragon_channel_send(channel, data, bytes, chan->tag, timeout_ms);
    if (err == DRAGON_OK)
        return 0;
    if (chan_code(err) != CHAN_EXIT_TIME)
        return chan_fail(chan, err, "a message cannot be sent to");
    log_error("\"%s\" is full, and nobody has received from it in time", chan_name(chan));
    return CHAN_EXIT_TIME;
}

// What is not ended in the buffer is moved to its begin, with room behind it.
struct pieces {
    char *data; // owned
    size_t room, start, length;
};

static bool pieces_grow(struct pieces *pieces)
{
    if (pieces->start > 0) {
        memmove(pieces->data, pieces->data + pieces->start, pieces->length);
        pieces->start = 0;
    }
    if (pieces->room - pieces->length >= CHAN_PIECE)
        return true;
    size_t room = pieces->room ? 2 * pieces->room : 2 * CHAN_PIECE;
    char *grown = realloc(pieces->data, room);
    if (!grown) {
        log_error("out of memory for a message of more than %zu bytes", pieces->length);
        return false;
    }
    pieces->data = grown;
    pieces->room = room;
    return true;
}

// Sends all that are ended. Only what came last has to be looked at.
static int send_ended(const struct chan *chan, dragon_channel_t *channel, struct pieces *pieces,
                      size_t fresh)
{
    char end = chan->form == FORM_ZEROS ? 0 : '\n', *found;
    size_t known = pieces->length - fresh;
    while ((found = memchr(pieces->data + pieces->start + known, end, pieces->length - known))) {
        size_t bytes = (size_t)(found - pieces->data) - pieces->start;
        int code = send_one(chan, channel, pieces->data + pieces->start, bytes);
        if (code)
            return code;
        pieces->start += bytes + 1;
        pieces->length -= bytes + 1;
        known = 0;
    }
    return 0;
}

static int send_pieces(const struct chan *chan, dragon_channel_t *channel, struct input *input,
                       struct pieces *pieces)
{
    int code = 0;
    for (size_t got = 1; got > 0 && code == 0;) {
        if (!pieces_grow(pieces))
            return CHAN_EXIT_OURS;
        got = input_read(input, pieces->data + pieces->length, CHAN_PIECE);
        pieces->length += got;
        if (chan->form != FORM_RAW && got > 0)
            code = send_ended(chan, channel, pieces, got);
    }
    if (code == 0 && input->failed)
        return CHAN_EXIT_OURS;
    // The last line needs no end.
    if (code == 0 && (chan->form == FORM_RAW || pieces->length > 0))
        code = send_one(chan, channel, pieces->data + pieces->start, pieces->length);
    return code;
}

static int send_messages(const struct chan *chan, dragon_channel_t *channel, struct input *input)
{
    struct pieces pieces = {0};
    int code = send_pieces(chan, channel, input, &pieces);
    free(pieces.data);
    return code;
}

// ---- the word

static int send_input(struct chan *chan, dragon_channel_t *channel)
{
    struct input input = {.files = chan->operands[1] ? chan->operands + 1 : NULL,
                          .no_standard = chan->no_input,
                          .fd = -1};
    void *buffer = chan->form == FORM_STREAM ? malloc(CHAN_PIECE) : NULL;
    int code = CHAN_EXIT_OURS;
    if (chan->form == FORM_STREAM && !buffer)
        log_error("out of memory");
    else if (can_read_all(input.files) && input_next(&input))
        code = buffer ? send_stream(chan, channel, &input, buffer)
                      : send_messages(chan, channel, &input);
    input_close(&input);
    free(buffer);
    return code;
}

int chan_send(struct chan *chan)
{
    dragon_channel_t *channel;
    int code = chan_open(chan, &channel);
    if (code)
        return code;
    if (chan->message)
        code = send_one(chan, channel, chan->message, strlen(chan->message));
    else
        code = send_input(chan, channel);
    // What is on its way to another node arrives before this returns.
    dragon_err_t err = dragon_channel_detach(channel);
    if (code == 0 && err != DRAGON_OK)
        code = chan_fail(chan, err, "not all that was sent has arrived in");
    return code;
}

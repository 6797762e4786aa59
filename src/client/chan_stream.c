// SPDX-License-Identifier: BSD-3-Clause
//
// Streams. The writer makes a channel for the pieces of one conversation and announces it on the main channel:
//
//     writer                        main channel             reader
//       | makes the channel of pieces    |                     |
//       |--- its descriptor, the tag --->|-------------------->| attaches, is its single receiver
//       |-------------------- a greeting --------------------->| has accepted it
//       |------------- pieces, then an end mark -------------->|
//
// The pieces are on the home node of the main channel. Whoever accepts most often made the main channel, where it is:
// then pieces go into its own memory, or over the network straight to it. Were they at the writer, each would have to
// be fetched.
//
// The channel of pieces ends with the writer, who owns it, and with its receiver (SINGLE_END). So each side is told of
// the other's death as of its leaving: the writer may not write any more, and the reader finds the end of the channel
// before the end mark. It is not used again: to end it is what tells the other side.
//
// A reader that dies in the instant between taking an announcement and attaching is not told of. Who wants to know that
// there is a reader opens the stream with DRAGON_RETURN_RECEIVED: then it waits until the greeting was received. Else
// the greeting is in the channel of pieces before anybody knows of that.
#include "config.h"

#include "client/channel.h"

#include <dragon/stream.h>

enum {
    PIECES = 16,             // under way
    PIECE_HERE = 64 << 10,   // stays in the caches while it is handed on
    PIECE_FAR = CHAN_COPIED, // goes straight to the reader, and several are under way
    ANNOUNCEMENT_MOST = 1024,
};
static const uint64_t announcement_magic = 0x4d45525453475244;

enum piece_tag { PIECE_DATA, PIECE_END, PIECE_GREETING };

struct dragon_stream {
    struct dragon_channel *pieces; // owned
    bool writes;
    bool ended;    // the end mark was read
    bool large;    // the latest piece was larger than what it was to be read to
    uint8_t *rest; // owned: of the piece that is being read, from `start` on; NULL: none
    size_t start, bytes;
};

static const char *reason(const struct dragon_channel *channel, dragon_err_t err)
{
    switch (err) {
    case DRAGON_ERR_CLOSED:
        return "it was closed or destroyed";
    case DRAGON_ERR_DENIED:
        return "it has a single receiver, which is another process";
    case DRAGON_ERR_FULL:
        return "the node has no memory left for it";
    case DRAGON_ERR_PROTO:
        return "what came was a message, and no stream; it is dropped";
    default:
        return shared_why(channel->handle.shared, err);
    }
}

// `late` is for what was not done in the time given.
static dragon_err_t fail(const struct dragon_channel *channel, dragon_error_t *error,
                         dragon_err_t err, const char *what, const char *late)
{
    bool is_late = err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_AGAIN;
    return err_set(error, err, "%s the channel of node %u: %s", what, channel->handle.node,
                   is_late ? late : reason(channel, err));
}

static dragon_err_t check(const struct dragon_channel *channel, const void *others,
                          dragon_error_t *error)
{
    dragon_err_t err = others ? channel_check(channel) : DRAGON_ERR_INVAL;
    if (err == DRAGON_ERR_INVAL)
        return err_set(error, err, "the channel, the message or the result is NULL");
    return err == DRAGON_ERR_STATE ? shared_err_forked(error) : err;
}

static struct dragon_stream *stream_create(struct dragon_channel *pieces, bool writes)
{
    struct dragon_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->pieces = pieces;
    stream->writes = writes;
    return stream;
}

static void forget_rest(struct dragon_stream *stream)
{
    struct space *space = stream->pieces->handle.shared->space;
    if (stream->rest)
        space_free(space, space_ref(space, stream->rest), space->slot);
    stream->rest = NULL;
}

// ---- opening

static bool is_here(const struct dragon_channel *channel)
{
    return channel->handle.object != NULL;
}

static dragon_err_t announce(struct dragon_channel *channel, const struct dragon_channel *pieces,
                             uint64_t tag, int64_t deadline_ns)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, announcement_magic);
    pack_u8(&body, is_here(pieces));
    pack_str(&body, pieces->handle.descriptor);
    dragon_err_t err = body.failed
                           ? DRAGON_ERR_NOMEM
                           : channel_send(channel, body.data, body.length, tag, deadline_ns);
    pack_fini(&body);
    return err;
}

static dragon_err_t greet(struct dragon_channel *pieces, dragon_return_t mode, int64_t deadline_ns)
{
    dragon_channel_set_return(pieces, mode);
    dragon_err_t err = channel_send(pieces, NULL, 0, PIECE_GREETING, deadline_ns);
    dragon_channel_set_return(pieces, DRAGON_RETURN_BUFFERED);
    return err;
}

static dragon_err_t introduce(struct dragon_channel *channel, struct dragon_channel *pieces,
                              uint64_t tag, int64_t deadline_ns)
{
    bool waits = channel->mode == DRAGON_RETURN_RECEIVED;
    dragon_err_t err = waits ? DRAGON_OK : greet(pieces, DRAGON_RETURN_BUFFERED, deadline_ns);
    if (err == DRAGON_OK)
        err = announce(channel, pieces, tag, deadline_ns);
    if (err == DRAGON_OK && waits)
        err = greet(pieces, DRAGON_RETURN_RECEIVED, deadline_ns);
    return err;
}

dragon_err_t dragon_stream_open(dragon_channel_t *channel, uint64_t tag,
                                dragon_stream_t **stream_out, int timeout_ms, dragon_error_t *error)
{
    static const struct object_spec spec = {
        .kind = OBJECT_CHANNEL,
        .single = SINGLE_END,
        .owned = 1,
        .numa = DRAGON_ANY_NUMA,
        .capacity = PIECES,
        .inline_bytes = DRAGON_CHANNEL_INLINE,
    };
    struct dragon_channel *pieces;
    dragon_err_t err = check(channel, stream_out, error);
    if (err != DRAGON_OK)
        return err;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    err = channel_create(channel->handle.runtime, (int)channel->handle.node, &spec, &pieces, error);
    if (err != DRAGON_OK)
        return err;
    struct dragon_stream *stream = stream_create(pieces, true);
    err = stream ? introduce(channel, pieces, tag, deadline_ns) : DRAGON_ERR_NOMEM;
    if (err == DRAGON_OK) {
        *stream_out = stream;
        return DRAGON_OK;
    }
    dragon_channel_destroy(pieces, NULL);
    free(stream);
    return fail(channel, error, err, "no stream was opened on",
                "it is full, or nobody accepted the stream, in the time given");
}

// ---- accepting

// Takes what is no announcement, and is not to be in the way of those behind it.
static dragon_err_t drop_message(struct dragon_channel *channel)
{
    struct space *space = channel->handle.shared->space;
    void *data;
    dragon_err_t err = channel_receive_memory(channel, &data, NULL, 0);
    if (err == DRAGON_OK && data)
        space_free(space, space_ref(space, data), space->slot);
    return err == DRAGON_OK ? DRAGON_ERR_PROTO : err;
}

// It is there, or comes at once from a writer that was told of us, or does not come because that writer is gone.
static dragon_err_t await_greeting(struct dragon_channel *pieces)
{
    dragon_message_t message;
    dragon_err_t err =
        channel_receive(pieces, NULL, 0, &message, wait_deadline(DRAGON_DEFAULT_TIMEOUT));
    if (err == DRAGON_OK && message.tag != PIECE_GREETING)
        return DRAGON_ERR_PROTO;
    return err;
}

// *pieces_out is NULL when the stream is over already.
static dragon_err_t attach_pieces(struct dragon_channel *channel, const void *data, size_t bytes,
                                  struct dragon_channel **pieces_out, dragon_error_t *error)
{
    struct unpack unpack = unpack_start(data, bytes);
    uint64_t magic = unpack_u64(&unpack);
    bool here = unpack_u8(&unpack);
    const char *descriptor = unpack_str(&unpack);
    if (!unpack_done(&unpack) || magic != announcement_magic)
        return err_set(error, DRAGON_ERR_PROTO, "what was received is a message, and no stream");
    *pieces_out = NULL;
    dragon_err_t err =
        dragon_channel_attach(channel->handle.runtime, descriptor, pieces_out, error);
    if (err != DRAGON_OK)
        return err == DRAGON_ERR_CLOSED ? DRAGON_OK : err;
    (*pieces_out)->unserved = here;
    err = channel_claim(*pieces_out);
    if (err == DRAGON_OK)
        err = await_greeting(*pieces_out);
    if (err == DRAGON_OK)
        return DRAGON_OK;
    dragon_channel_detach(*pieces_out);
    *pieces_out = NULL;
    return err == DRAGON_ERR_CLOSED ? DRAGON_OK
                                    : fail(channel, error, err, "a stream cannot be read from",
                                           "its writer did not answer in time");
}

static dragon_err_t next_announced(struct dragon_channel *channel,
                                   struct dragon_channel **pieces_out, uint64_t *tag_out,
                                   int64_t deadline_ns, dragon_error_t *error)
{
    uint8_t announcement[ANNOUNCEMENT_MOST];
    dragon_message_t message;
    dragon_err_t err =
        channel_receive(channel, announcement, sizeof announcement, &message, deadline_ns);
    if (err == DRAGON_ERR_TOO_BIG)
        err = drop_message(channel);
    if (err != DRAGON_OK)
        return fail(channel, error, err, "no stream was accepted from", "nobody has opened one");
    *tag_out = message.tag;
    return attach_pieces(channel, announcement, message.bytes, pieces_out, error);
}

static dragon_err_t stream_read_from(struct dragon_channel *pieces, dragon_stream_t **stream_out,
                                     dragon_error_t *error)
{
    struct dragon_stream *stream = stream_create(pieces, false);
    if (!stream) {
        dragon_channel_destroy(pieces, NULL);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    *stream_out = stream;
    return DRAGON_OK;
}

dragon_err_t dragon_stream_accept_message(dragon_channel_t *channel, const void *message,
                                          size_t bytes, dragon_stream_t **stream_out,
                                          dragon_error_t *error)
{
    struct dragon_channel *pieces;
    dragon_err_t err = check(channel, message ? stream_out : NULL, error);
    if (err != DRAGON_OK)
        return err;
    err = attach_pieces(channel, message, bytes, &pieces, error);
    if (err != DRAGON_OK)
        return err;
    if (!pieces)
        return err_set(error, DRAGON_ERR_CLOSED, "the stream's writer is gone");
    return stream_read_from(pieces, stream_out, error);
}

dragon_err_t dragon_stream_accept(dragon_channel_t *channel, dragon_stream_t **stream_out,
                                  uint64_t *tag_out, int timeout_ms, dragon_error_t *error)
{
    struct dragon_channel *pieces = NULL;
    uint64_t tag;
    dragon_err_t err = check(channel, stream_out, error);
    if (err != DRAGON_OK)
        return err;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    while (err == DRAGON_OK && !pieces)
        err = next_announced(channel, &pieces, &tag, deadline_ns, error);
    if (err != DRAGON_OK)
        return err;
    err = stream_read_from(pieces, stream_out, error);
    if (err == DRAGON_OK && tag_out)
        *tag_out = tag;
    return err;
}

// ---- data

// A reader on another node that was sent to directly may be lost with what was on its way.
static dragon_err_t send_piece(struct dragon_stream *stream, const void *data, size_t bytes,
                               enum piece_tag tag, int64_t deadline_ns)
{
    struct dragon_channel *pieces = stream->pieces;
    dragon_err_t err = channel_send(pieces, data, bytes, tag, deadline_ns);
    bool reader_gone = err == DRAGON_ERR_PEER && !space_ended(pieces->handle.shared->space, true);
    return reader_gone ? DRAGON_ERR_CLOSED : err;
}

dragon_err_t dragon_stream_write(dragon_stream_t *stream, const void *data, size_t bytes,
                                 int timeout_ms)
{
    if (!stream || (!data && bytes > 0))
        return DRAGON_ERR_INVAL;
    dragon_err_t err = channel_check(stream->pieces);
    if (err != DRAGON_OK || !stream->writes)
        return DRAGON_ERR_STATE;
    const uint8_t *at = data;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    size_t most = is_here(stream->pieces) ? PIECE_HERE : PIECE_FAR;
    while (bytes > 0 && err == DRAGON_OK) {
        size_t length = bytes < most ? bytes : most;
        err = send_piece(stream, at, length, PIECE_DATA, deadline_ns);
        at += length;
        bytes -= length;
    }
    return err;
}

static size_t take_rest(struct dragon_stream *stream, void *buffer, size_t room)
{
    size_t left = stream->bytes - stream->start, length = room < left ? room : left;
    memcpy(buffer, stream->rest + stream->start, length);
    stream->start += length;
    if (stream->start == stream->bytes)
        forget_rest(stream);
    return length;
}

// Into the user's buffer when it fits, which is seldom tried in vain: pieces are of one size.
static dragon_err_t next_piece(struct dragon_stream *stream, void *buffer, size_t room,
                               dragon_message_t *message_out, int64_t deadline_ns)
{
    void *data;
    if (!stream->large) {
        dragon_err_t err = channel_receive(stream->pieces, buffer, room, message_out, deadline_ns);
        if (err != DRAGON_ERR_TOO_BIG)
            return err;
    }
    dragon_err_t err = channel_receive_memory(stream->pieces, &data, message_out, deadline_ns);
    if (err != DRAGON_OK)
        return err;
    stream->large = message_out->bytes > room;
    stream->rest = data;
    stream->start = 0;
    stream->bytes = message_out->bytes;
    return DRAGON_OK;
}

dragon_err_t dragon_stream_read(dragon_stream_t *stream, void *buffer, size_t room, size_t *got_out,
                                int timeout_ms)
{
    dragon_message_t message = {0};
    if (!stream || !buffer || room == 0 || !got_out)
        return DRAGON_ERR_INVAL;
    if (channel_check(stream->pieces) != DRAGON_OK || stream->writes)
        return DRAGON_ERR_STATE;
    if (!stream->rest && !stream->ended) {
        dragon_err_t err = next_piece(stream, buffer, room, &message, wait_deadline(timeout_ms));
        if (err != DRAGON_OK)
            return err == DRAGON_ERR_CLOSED ? DRAGON_ERR_PEER : err;
        stream->ended = message.tag == PIECE_END;
    }
    *got_out = stream->rest ? take_rest(stream, buffer, room) : message.bytes;
    return DRAGON_OK;
}

// ---- ends

static void stream_destroy(struct dragon_stream *stream)
{
    if (channel_check(stream->pieces) == DRAGON_OK)
        forget_rest(stream);
    // After the end mark it is the writer who ends the channel.
    if (stream->ended)
        dragon_channel_detach(stream->pieces);
    else
        dragon_channel_destroy(stream->pieces, NULL);
    free(stream);
}

dragon_err_t dragon_stream_close(dragon_stream_t *stream, int timeout_ms)
{
    if (!stream)
        return DRAGON_OK;
    dragon_err_t err = channel_check(stream->pieces);
    if (err == DRAGON_OK && stream->writes) {
        dragon_channel_set_return(stream->pieces, DRAGON_RETURN_RECEIVED);
        err = send_piece(stream, NULL, 0, PIECE_END, wait_deadline(timeout_ms));
    }
    stream_destroy(stream);
    return err;
}

void dragon_stream_abandon(dragon_stream_t *stream)
{
    if (stream)
        stream_destroy(stream);
}

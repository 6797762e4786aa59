/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams: one value of any length, written in pieces by one process and read by one other, to its end.
 *
 * Writers open streams on a channel and readers accept them from it, so any number of writers and readers meet
 * there, and each conversation is between one pair:
 *
 *     dragon_stream_open(channel, 7, &stream, timeout, &error);         writer
 *     dragon_stream_write(stream, data, length, timeout);               any number of times
 *     dragon_stream_close(stream, timeout);                             the end of transmission
 *
 *     dragon_stream_accept(channel, &stream, &tag, timeout, &error);    reader
 *     while (dragon_stream_read(stream, buffer, sizeof buffer, &got, timeout) == DRAGON_OK && got > 0)
 *         ...;
 *     dragon_stream_close(stream, timeout);
 *
 * A channel that is used for streams is used for nothing else. Pieces go through a channel of their own, so a slow
 * reader makes its writer wait and nobody else.
 *
 * A call with NULL for a handle, a result or bytes says INVAL, a read of 0 bytes, too; PEER: the node of the channel,
 * or the runtime, is gone; time-outs and the other errors are those of channel.h.
 *
 * Threads: as for the runtime handle, one at a time.
 */
#ifndef DRAGON_STREAM_H
#define DRAGON_STREAM_H

#include <dragon/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_stream dragon_stream_t;

/* Announces a stream on the channel: the next that accepts reads it. `tag` is the reader's to see. The channel has to
 * stay attached as long as the stream is open. With DRAGON_RETURN_RECEIVED on the channel it waits until somebody has
 * accepted it. Errors as of dragon_channel_create and dragon_channel_send. */
DRAGON_API dragon_err_t dragon_stream_open(dragon_channel_t *channel, uint64_t tag,
                                           dragon_stream_t **stream_out, int timeout_ms,
                                           dragon_error_t *error);

/* Waits for a stream that somebody opened. tag_out may be NULL. PROTO: what was received is a message, and no stream;
 * it is dropped. */
DRAGON_API dragon_err_t dragon_stream_accept(dragon_channel_t *channel,
                                             dragon_stream_t **stream_out, uint64_t *tag_out,
                                             int timeout_ms, dragon_error_t *error);

/* The same for what was received from the channel as a message. PROTO: it is no stream. CLOSED: its writer is gone. */
DRAGON_API dragon_err_t dragon_stream_accept_message(dragon_channel_t *channel, const void *message,
                                                     size_t bytes, dragon_stream_t **stream_out,
                                                     dragon_error_t *error);

/* Writes all of it, in pieces, waiting for the reader to take them. CLOSED: the reader has closed it, or is gone: no
 * more is wanted. TIMEOUT: some of it may have been written. STATE: the stream is for reading. */
DRAGON_API dragon_err_t dragon_stream_write(dragon_stream_t *stream, const void *data, size_t bytes,
                                            int timeout_ms);

/* Reads what there is, at least one byte, at most `room`. *got_out is 0 at the end of transmission. PEER: the writer is
 * gone without having ended it. TIMEOUT, AGAIN: nothing came. STATE: the stream is for writing. */
DRAGON_API dragon_err_t dragon_stream_read(dragon_stream_t *stream, void *buffer, size_t room,
                                           size_t *got_out, int timeout_ms);

/* Writer: ends the transmission, and returns when the reader has read to the end or closed. Reader: wants no more. The
 * handle is gone in any case; a writer that gives its handle up without this lets the reader see PEER. NULL is fine.
 * CLOSED: the reader closed it, or was gone, before it had read to the end. TIMEOUT: the reader has not read all in
 * time; what it has not read by then is lost to it (PEER). */
DRAGON_API dragon_err_t dragon_stream_close(dragon_stream_t *stream, int timeout_ms);
DRAGON_API void dragon_stream_abandon(dragon_stream_t *stream);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Queues: work for many, of values of any size, that can be waited for until all of it is done.
 *
 *     dragon_queue_put(queue, task, length, DRAGON_DEFAULT_TIMEOUT);         // producers
 *     dragon_queue_get(queue, &data, &length, DRAGON_DEFAULT_TIMEOUT);       // workers: take one,
 *     ...; free(data); dragon_queue_task_done(queue);                        // and say when it is done
 *     dragon_queue_join(queue, DRAGON_FOREVER);                              // until every value that was put is done
 *
 * A queue is a channel (see channel.h for order, capacity, what "once" means, and time-outs) that counts what was
 * taken and not done. A worker that dies with values that it has not done, or detaches with them, is not waited for
 * any more: join says PEER once, and how many were lost. Counting takes 64 KiB of the home node's memory beside the
 * values.
 *
 * Threads: as for the runtime handle, one at a time.
 */
#ifndef DRAGON_QUEUE_H
#define DRAGON_QUEUE_H

#include <dragon/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_queue dragon_queue_t;

/* spec NULL: with the defaults of a channel. Errors as of dragon_channel_create, _attach and _find; INVAL:
 * with single_receiver. */
DRAGON_API dragon_err_t dragon_queue_create(dragon_runtime_t *runtime,
                                            const dragon_channel_spec_t *spec,
                                            dragon_queue_t **queue_out, dragon_error_t *error);
DRAGON_API dragon_err_t dragon_queue_attach(dragon_runtime_t *runtime, const char *descriptor,
                                            dragon_queue_t **queue_out, dragon_error_t *error);
DRAGON_API dragon_err_t dragon_queue_find(dragon_runtime_t *runtime, const char *name,
                                          int timeout_ms, dragon_queue_t **queue_out,
                                          dragon_error_t *error);
/* As dragon_channel_detach; values that this handle got and that are not done are lost. NULL is fine. */
DRAGON_API dragon_err_t dragon_queue_detach(dragon_queue_t *queue);
/* Nothing can be put any more (CLOSED); what is in it can be got. */
DRAGON_API dragon_err_t dragon_queue_close(dragon_queue_t *queue, dragon_error_t *error);
/* Ends it for everybody, with the values in it. The handle is gone in any case. NULL is fine. */
DRAGON_API dragon_err_t dragon_queue_destroy(dragon_queue_t *queue, dragon_error_t *error);
/* The line of text by which others attach. Valid until detach. */
DRAGON_API const char *dragon_queue_descriptor(const dragon_queue_t *queue);

/* Puts a copy of a value into it, waiting for room. Errors as of dragon_channel_send. */
DRAGON_API dragon_err_t dragon_queue_put(dragon_queue_t *queue, const void *data, size_t bytes,
                                         int timeout_ms);
/* Takes the oldest value, waiting for one; then this handle has it until dragon_queue_task_done.
 * *data_out: the caller frees it with free(); never NULL. bytes_out may be NULL. Errors as of dragon_channel_receive,
 * and NOMEM: it stays in the queue. */
DRAGON_API dragon_err_t dragon_queue_get(dragon_queue_t *queue, void **data_out, size_t *bytes_out,
                                         int timeout_ms);
/* Into a buffer of the caller; TOO_BIG: *bytes_out says how large it is, and it stays. */
DRAGON_API dragon_err_t dragon_queue_get_into(dragon_queue_t *queue, void *buffer, size_t room,
                                              size_t *bytes_out, int timeout_ms);
/* A value that this handle got is done. STATE: it has none that is not. CLOSED: the queue was destroyed. */
DRAGON_API dragon_err_t dragon_queue_task_done(dragon_queue_t *queue);
/* Waits until all that was put is done, also after it was closed. CLOSED: it was destroyed. PEER: a worker died with
 * values that it had not done (*lost_out, may be NULL, says how many since the last join), all others are done; or
 * the home node is gone (*lost_out is 0). */
DRAGON_API dragon_err_t dragon_queue_join(dragon_queue_t *queue, uint64_t *lost_out,
                                          int timeout_ms);

/* How many values are in it, and how many are not done (in it, or taken). */
DRAGON_API dragon_err_t dragon_queue_size(dragon_queue_t *queue, uint32_t *waiting_out,
                                          uint64_t *unfinished_out);

#ifdef __cplusplus
}
#endif

#endif

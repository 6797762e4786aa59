// SPDX-License-Identifier: BSD-3-Clause
//
// Queues: a channel that counts. The ring counts what is taken, by whom; here is said what is done. How many values
// this handle has that are not done, only this knows: others of the process may have some, too.
#include "config.h"

#include "client/channel.h"

#include <dragon/queue.h>

struct dragon_queue {
    struct dragon_channel *channel; // owned
    uint64_t undone;                // values that this handle got
    size_t room;                    // how large the next one may be, from the last
};

enum {
    ANSWER_MS = 30000,  // of the home node, for what does not wait
    ROOM_MOST = 1 << 20 // of what is taken before the size is known
};

static dragon_err_t sync_now(struct dragon_queue *queue, struct sync_call call,
                             uint64_t *result_out)
{
    if (!queue)
        return DRAGON_ERR_INVAL;
    return handle_sync(&queue->channel->handle, &call, result_out, ANSWER_MS);
}

static dragon_err_t queue_check(const struct dragon_queue *queue)
{
    return channel_check(queue ? queue->channel : NULL);
}

// ---- life cycle

// `channel` is taken over, also when it fails.
static dragon_err_t wrap(struct dragon_channel *channel, struct dragon_queue **queue_out,
                         dragon_error_t *error)
{
    struct dragon_queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        dragon_channel_detach(channel);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    queue->channel = channel;
    *queue_out = queue;
    return DRAGON_OK;
}

dragon_err_t dragon_queue_create(dragon_runtime_t *runtime, const dragon_channel_spec_t *spec,
                                 dragon_queue_t **queue_out, dragon_error_t *error)
{
    struct dragon_channel *channel;
    if (!queue_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    if (spec && spec->single_receiver)
        return err_set(error, DRAGON_ERR_INVAL, "a queue is for any number of workers");
    dragon_err_t err = channel_create_as(OBJECT_QUEUE, runtime, spec, &channel, error);
    return err == DRAGON_OK ? wrap(channel, queue_out, error) : err;
}

dragon_err_t dragon_queue_attach(dragon_runtime_t *runtime, const char *descriptor,
                                 dragon_queue_t **queue_out, dragon_error_t *error)
{
    struct dragon_channel *channel;
    if (!queue_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    dragon_err_t err = channel_attach_as(OBJECT_QUEUE, runtime, descriptor, &channel, error);
    return err == DRAGON_OK ? wrap(channel, queue_out, error) : err;
}

dragon_err_t dragon_queue_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                               dragon_queue_t **queue_out, dragon_error_t *error)
{
    char *descriptor;
    if (!queue_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    dragon_err_t err = name_find_object(runtime, name, object_kind_names[OBJECT_QUEUE], timeout_ms,
                                        &descriptor, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_queue_attach(runtime, descriptor, queue_out, error);
    free(descriptor);
    return err;
}

dragon_err_t dragon_queue_detach(dragon_queue_t *queue)
{
    if (!queue)
        return DRAGON_OK;
    if (queue->undone > 0)
        sync_now(queue, (struct sync_call){.op = SYNC_QUEUE_GIVE_UP, .a = queue->undone}, NULL);
    dragon_err_t err = dragon_channel_detach(queue->channel);
    free(queue);
    return err;
}

dragon_err_t dragon_queue_close(dragon_queue_t *queue, dragon_error_t *error)
{
    if (!queue)
        return err_set(error, DRAGON_ERR_INVAL, "the queue is NULL");
    return dragon_channel_close(queue->channel, error);
}

dragon_err_t dragon_queue_destroy(dragon_queue_t *queue, dragon_error_t *error)
{
    if (!queue)
        return DRAGON_OK;
    dragon_err_t err = dragon_channel_destroy(queue->channel, error);
    free(queue);
    return err;
}

const char *dragon_queue_descriptor(const dragon_queue_t *queue)
{
    return queue ? dragon_channel_descriptor(queue->channel) : "";
}

// ---- data

dragon_err_t dragon_queue_put(dragon_queue_t *queue, const void *data, size_t bytes, int timeout_ms)
{
    return dragon_channel_send(queue ? queue->channel : NULL, data, bytes, 0, timeout_ms);
}

// Into memory of its own, which has room for what came last. TOO_BIG: message_out says how large it is.
static dragon_err_t get_into_room(struct dragon_queue *queue, size_t room, void **data_out,
                                  dragon_message_t *message_out, int64_t deadline_ns)
{
    void *data = malloc(room);
    if (!data)
        return DRAGON_ERR_NOMEM;
    dragon_err_t err = channel_receive(queue->channel, data, room, message_out, deadline_ns);
    if (err == DRAGON_OK)
        *data_out = data;
    else
        free(data);
    return err;
}

// What was more than needed is given back when it is much.
static void *fit(void *data, size_t room, size_t bytes)
{
    void *less = room - bytes > 4096 ? realloc(data, bytes > 0 ? bytes : 1) : NULL;
    return less ? less : data;
}

dragon_err_t dragon_queue_get(dragon_queue_t *queue, void **data_out, size_t *bytes_out,
                              int timeout_ms)
{
    dragon_message_t message;
    void *data;
    dragon_err_t err = queue_check(queue);
    if (err != DRAGON_OK)
        return err;
    if (!data_out)
        return DRAGON_ERR_INVAL;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    size_t room = queue->room;
    if (room < queue->channel->handle.spec.inline_bytes + 1)
        room = queue->channel->handle.spec.inline_bytes + 1;
    while ((err = get_into_room(queue, room, &data, &message, deadline_ns)) == DRAGON_ERR_TOO_BIG)
        room = message.bytes;
    if (err != DRAGON_OK)
        return err;
    queue->undone++;
    queue->room = message.bytes < ROOM_MOST ? message.bytes : ROOM_MOST;
    *data_out = fit(data, room, message.bytes);
    if (bytes_out)
        *bytes_out = message.bytes;
    return DRAGON_OK;
}

dragon_err_t dragon_queue_get_into(dragon_queue_t *queue, void *buffer, size_t room,
                                   size_t *bytes_out, int timeout_ms)
{
    dragon_message_t message;
    dragon_err_t err = queue_check(queue);
    if (err != DRAGON_OK)
        return err;
    err = dragon_channel_receive(queue->channel, buffer, room, &message, timeout_ms);
    if (err == DRAGON_OK)
        queue->undone++;
    if (bytes_out && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG))
        *bytes_out = message.bytes;
    return err;
}

// ---- tasks

dragon_err_t dragon_queue_task_done(dragon_queue_t *queue)
{
    dragon_err_t err = queue_check(queue);
    if (err != DRAGON_OK)
        return err;
    if (queue->undone == 0)
        return DRAGON_ERR_STATE;
    err = sync_now(queue, (struct sync_call){.op = SYNC_QUEUE_DONE}, NULL);
    if (err == DRAGON_OK)
        queue->undone--;
    return err;
}

dragon_err_t dragon_queue_join(dragon_queue_t *queue, uint64_t *lost_out, int timeout_ms)
{
    uint64_t lost = 0;
    if (!queue)
        return DRAGON_ERR_INVAL;
    struct sync_call call = {.op = SYNC_QUEUE_JOIN};
    dragon_err_t err = handle_sync(&queue->channel->handle, &call, &lost, timeout_ms);
    if (err == DRAGON_OK && lost > 0)
        err = DRAGON_ERR_PEER;
    if (lost_out && (err == DRAGON_OK || err == DRAGON_ERR_PEER))
        *lost_out = lost;
    return err;
}

dragon_err_t dragon_queue_size(dragon_queue_t *queue, uint32_t *waiting_out,
                               uint64_t *unfinished_out)
{
    uint64_t state;
    dragon_err_t err = sync_now(queue, (struct sync_call){.op = SYNC_QUEUE_STATE}, &state);
    if (err != DRAGON_OK)
        return err;
    if (waiting_out)
        *waiting_out = (uint32_t)state;
    if (unfinished_out)
        *unfinished_out = state >> 32;
    return DRAGON_OK;
}

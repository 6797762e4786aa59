// SPDX-License-Identifier: BSD-3-Clause
//
// A child made by fork has nothing of its parent's shared memory: each call says so, and leaves its parent in peace. It may
// attach to the runtime itself.
#include "chan.h"

static dragon_runtime_t *runtime;
static dragon_channel_t *channel;
static dragon_channel_set_t *set;
static dragon_stream_t *stream;
static dragon_lock_t *lock;
static dragon_queue_t *queue;
static void *data;

static int be_child(void)
{
    dragon_channel_t *made = NULL;
    dragon_stream_t *opened = NULL;
    dragon_ready_t ready;
    dragon_error_t error;
    dragon_memory_stats_t stats;
    dragon_channel_stats_t channel_stats;
    void *block = NULL;
    char *text = NULL, byte = 0;
    size_t count;
    int events;
    CHAN_DEMAND(dragon_channel_send(channel, &byte, 1, 0, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_send_memory(channel, data, 1, 0, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_receive(channel, &byte, 1, NULL, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_receive_memory(channel, &block, NULL, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_peek(channel, &byte, 1, NULL, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_poll(channel, DRAGON_POLL_SEND, &events, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_close(channel, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(strstr(error.text, "fork"));
    CHAN_DEMAND(dragon_channel_stats(channel, &channel_stats, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_create(runtime, NULL, &made, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_attach(runtime, dragon_channel_descriptor(channel), &made, &error) ==
                DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_set_wait_any(set, &ready, 1, &count, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_set_add(set, channel, DRAGON_POLL_SEND, NULL) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_set_remove(set, channel) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_set_fd(set) == -1);
    CHAN_DEMAND(dragon_stream_open(channel, 0, &opened, 0, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_stream_accept(channel, &opened, NULL, 0, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_stream_write(stream, &byte, 1, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_memory_alloc(runtime, 1, &block, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_memory_free(runtime, data) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_memory_size(runtime, data) == 0);
    CHAN_DEMAND(dragon_memory_share(runtime, data, &text, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_memory_stats(runtime, &stats, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_name_publish(runtime, "x", "y", &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_name_find(runtime, "x", 0, &text, &error) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_lock_acquire(lock, NULL, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_lock_release(lock) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_queue_put(queue, &byte, 1, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_queue_get_into(queue, &byte, 1, &count, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_stream_close(stream, 0) == DRAGON_ERR_STATE);
    CHAN_DEMAND(dragon_channel_detach(channel) == DRAGON_ERR_STATE);
    dragon_lock_detach(lock);
    dragon_queue_detach(queue);
    dragon_channel_set_destroy(set);
    // A runtime handle of its own has all that its parent's had.
    runtime = tap_attach();
    channel = chan_at(runtime, DRAGON_HERE, 0);
    CHAN_DEMAND(dragon_channel_send(channel, &byte, 1, 0, 0) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_destroy(channel, NULL) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

int main(void)
{
    dragon_error_t error;
    dragon_message_t message;
    char byte = 0;
    runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    channel = chan_at(runtime, DRAGON_HERE, 0);
    dragon_channel_t *main_channel = chan_at(runtime, DRAGON_HERE, 0);
    chan_need(dragon_channel_set_create(runtime, &set), NULL, "no set");
    chan_need(dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, NULL), NULL, "not added");
    chan_need(dragon_stream_open(main_channel, 0, &stream, 0, &error), &error, "no stream");
    chan_need(dragon_lock_create(runtime, DRAGON_HERE, &lock, &error), &error, "no lock");
    chan_need(dragon_queue_create(runtime, NULL, &queue, &error), &error, "no queue");
    chan_need(dragon_lock_acquire(lock, NULL, 0), NULL, "not locked");
    chan_need(dragon_memory_alloc(runtime, 1000, &data, &error), &error, "no memory");
    chan_fill(data, 1000, 1);
    dragon_channel_send(channel, "a", 1, 7, 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(be_child());
    int status = -1;
    waitpid(child, &status, 0);
    tap_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child is told in every call");
    tap_check(chan_has(data, 1000, 1), "its parent's memory is untouched");
    tap_err(dragon_channel_receive(channel, &byte, 1, &message, 0), DRAGON_OK, "and its messages");
    tap_check(byte == 'a' && message.tag == 7, "as they were");
    tap_err(dragon_lock_release(lock), DRAGON_OK, "and its locks");
    tap_err(dragon_stream_write(stream, "b", 1, 0), DRAGON_OK, "and its streams");
    dragon_stream_abandon(stream);
    dragon_channel_set_destroy(set);
    dragon_lock_destroy(lock, NULL);
    dragon_queue_destroy(queue, NULL);
    dragon_channel_destroy(channel, NULL);
    dragon_channel_destroy(main_channel, NULL);
    dragon_memory_free(runtime, data);
    tap_check(chan_memory_returns(runtime, &before), "nothing is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Messages of all sizes, from 0 bytes to 64 MiB, sent and received in every way, between this node and the node of the channel:
// `chan_sizes here|NODE [single]`. With `single` the channel has one receiver, a rank on its node.
#include "chan.h"

enum { LARGEST = 64 << 20, EVERY_SIZE = 700 };

static size_t sizes[2000];
static size_t size_count;

// Every small one, and what is around powers of two and around the limits of what is inline or sent at once.
static void make_sizes(void)
{
    static const size_t limits[] = {4064, 8192, 16384, 65536};
    for (size_t size = 0; size < EVERY_SIZE; size++)
        sizes[size_count++] = size;
    for (size_t power = 1024; power <= LARGEST; power *= 2)
        for (int more = -1; more <= 1; more++)
            if (power + (size_t)more <= LARGEST)
                sizes[size_count++] = power + (size_t)more;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (int more = -96; more <= 96; more += 16)
            sizes[size_count++] = limits[i] + (size_t)more;
}

static bool send_one(dragon_runtime_t *runtime, dragon_channel_t *channel, char *buffer,
                     size_t size, bool memory)
{
    void *data = NULL;
    if (!memory) {
        chan_fill(buffer, size, size);
        return dragon_channel_send(channel, buffer, size, size, TAP_WAIT_MS) == DRAGON_OK;
    }
    if (dragon_memory_alloc(runtime, size ? size : 1, &data, NULL) != DRAGON_OK)
        return false;
    chan_fill(data, size, size);
    return dragon_channel_send_memory(channel, data, size, size, TAP_WAIT_MS) == DRAGON_OK;
}

static bool receive_one(dragon_runtime_t *runtime, dragon_channel_t *channel, char *buffer,
                        size_t size, bool memory)
{
    dragon_message_t message = {0, 0};
    void *data = NULL;
    if (!memory) {
        dragon_err_t err = dragon_channel_receive(channel, buffer, LARGEST, &message, TAP_WAIT_MS);
        return err == DRAGON_OK && message.bytes == size && message.tag == size &&
               chan_has(buffer, size, size);
    }
    if (dragon_channel_receive_memory(channel, &data, &message, TAP_WAIT_MS) != DRAGON_OK)
        return false;
    bool good = message.bytes == size && message.tag == size && (size == 0) == !data &&
                chan_has(data, size, size) && (!data || dragon_memory_size(runtime, data) >= size);
    return dragon_memory_free(runtime, data) == DRAGON_OK && good;
}

// A rank that receives what the head sends: all sizes four times.
static int receive_all(const char *descriptor)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    char *buffer = malloc(LARGEST);
    for (int way = 0; way < 4; way++)
        for (size_t i = 0; i < size_count; i++)
            CHAN_DEMAND(receive_one(runtime, channel, buffer, sizes[i], way & 1));
    free(buffer);
    dragon_channel_detach(channel);
    dragon_runtime_detach(runtime);
    return 0;
}

static void send_all(dragon_runtime_t *runtime, dragon_channel_t *channel, char *buffer)
{
    for (int way = 0; way < 4; way++) {
        size_t bad = 0;
        for (size_t i = 0; i < size_count && bad == 0; i++)
            bad += !send_one(runtime, channel, buffer, sizes[i], way & 2);
        tap_check(bad == 0, "%zu sizes are sent %s", size_count,
                  way & 2 ? "as memory" : "as bytes");
    }
}

// Here and back through one process: each is received before the next one is sent.
static void check_alone(dragon_runtime_t *runtime, dragon_channel_t *channel, char *buffer)
{
    static const char *const ways[] = {"bytes to bytes", "bytes to memory", "memory to bytes",
                                       "memory to memory"};
    for (int way = 0; way < 4; way++) {
        size_t bad = 0;
        for (size_t i = 0; i < size_count && bad == 0; i++) {
            bad += !send_one(runtime, channel, buffer, sizes[i], way & 2) ||
                   !receive_one(runtime, channel, buffer, sizes[i], way & 1);
            if (bad)
                printf("# size %zu\n", sizes[i]);
        }
        tap_check(bad == 0, "%zu sizes from %s", size_count, ways[way]);
    }
}

static void check_peek(dragon_channel_t *channel, char *buffer)
{
    dragon_message_t message = {0, 0};
    size_t bad = 0;
    for (size_t i = 0; i < size_count && bad == 0; i += 7) {
        size_t room = sizes[i] < 5000 ? sizes[i] : 5000;
        chan_fill(buffer, sizes[i], sizes[i]);
        dragon_channel_send(channel, buffer, sizes[i], sizes[i], TAP_WAIT_MS);
        memset(buffer, 0, room);
        bad += dragon_channel_peek(channel, buffer, room, &message, TAP_WAIT_MS) != DRAGON_OK ||
               message.bytes != sizes[i] || !chan_has(buffer, room, sizes[i]);
        memset(buffer, 0, room);
        bad +=
            dragon_channel_receive(channel, buffer, LARGEST, &message, TAP_WAIT_MS) != DRAGON_OK ||
            message.bytes != sizes[i] || !chan_has(buffer, sizes[i], sizes[i]);
    }
    tap_check(bad == 0, "what is peeked at is the beginning of what is received");
}

int main(int argc, char **argv)
{
    make_sizes();
    if (argc == 3 && strcmp(argv[1], "receive") == 0)
        return receive_all(argv[2]);
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    bool single = argc > 2 && strcmp(argv[2], "single") == 0;
    if (argc > 1 && strcmp(argv[1], "here") != 0)
        spec.node = (int)strtol(argv[1], NULL, 10);
    spec.single_receiver = single;
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    dragon_channel_t *channel = chan_make(runtime, &spec);
    char *buffer = malloc(LARGEST), host[12];
    if (single) {
        const char *const receive[] = {"receive", dragon_channel_descriptor(channel), NULL};
        snprintf(host, sizeof host, "%d", spec.node < 0 ? 0 : spec.node);
        dragon_group_t *group = chan_ranks(runtime, host, 1, receive);
        send_all(runtime, channel, buffer);
        tap_check(chan_ranks_end(group), "all are received, whole and in order");
    } else {
        check_alone(runtime, channel, buffer);
        check_peek(channel, buffer);
    }
    free(buffer);
    dragon_channel_destroy(channel, NULL);
    tap_check(chan_memory_returns(runtime, &before), "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

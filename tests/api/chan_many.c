// SPDX-License-Identifier: BSD-3-Clause
//
// Many senders and receivers at once, as groups over all nodes: `chan_many NODE SENDERS RECEIVERS CAPACITY MESSAGES`.
// Each message says who sent it and its number, and is of one of several sizes. Each is received once, those of one sender
// in order by each receiver; and every sender is held up rather than that anything is lost.
#include "chan.h"

enum { ALL_SENDERS = 64, END_TAG = 1 };

struct item {
    uint32_t sender, number;
};

struct report { // of a receiver
    uint32_t count[ALL_SENDERS];
    uint64_t sum[ALL_SENDERS];
};

static const size_t item_sizes[] = {sizeof(struct item), 100, 230, 3000, 9000, 70000};

static size_t size_of(uint32_t number)
{
    return item_sizes[(number * 7) % (sizeof item_sizes / sizeof *item_sizes)];
}

static int send_items(const char *descriptor, uint32_t messages)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    char *buffer = calloc(1, 70000);
    uint32_t me = (uint32_t)chan_rank();
    for (uint32_t number = 0; number < messages; number++) {
        struct item item = {me, number};
        size_t size = size_of(number);
        chan_fill(buffer, size, number);
        memcpy(buffer, &item, sizeof item);
        CHAN_DEMAND(dragon_channel_send(channel, buffer, size, 0, TAP_WAIT_MS) == DRAGON_OK);
    }
    CHAN_DEMAND(dragon_channel_detach(channel) == DRAGON_OK);
    free(buffer);
    dragon_runtime_detach(runtime);
    return 0;
}

static int receive_items(const char *descriptor, const char *results)
{
    static struct report report;
    static uint32_t next[ALL_SENDERS];
    dragon_runtime_t *runtime = tap_attach();
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    char *buffer = calloc(1, 70000);
    for (;;) {
        dragon_message_t message;
        struct item item;
        CHAN_DEMAND(dragon_channel_receive(channel, buffer, 70000, &message, TAP_WAIT_MS) ==
                    DRAGON_OK);
        if (message.tag == END_TAG)
            break;
        CHAN_DEMAND(message.bytes >= sizeof item);
        memcpy(&item, buffer, sizeof item);
        CHAN_DEMAND(item.sender < ALL_SENDERS && message.bytes == size_of(item.number));
        CHAN_DEMAND(item.number >=
                    next[item.sender]); // in order, with what others received in between
        chan_fill(buffer, sizeof item, item.number);
        CHAN_DEMAND(chan_has(buffer, message.bytes, item.number));
        next[item.sender] = item.number + 1;
        report.count[item.sender]++;
        report.sum[item.sender] += item.number;
    }
    dragon_channel_t *back = chan_attach(runtime, results);
    CHAN_DEMAND(dragon_channel_send(back, &report, sizeof report, 0, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_detach(back) == DRAGON_OK);
    dragon_channel_detach(channel);
    free(buffer);
    dragon_runtime_detach(runtime);
    return 0;
}

static void check_reports(dragon_channel_t *results, uint32_t senders, uint32_t receivers,
                          uint32_t messages)
{
    static struct report all, report;
    bool whole = true;
    for (uint32_t i = 0; i < receivers; i++) {
        whole = whole && dragon_channel_receive(results, &report, sizeof report, NULL,
                                                TAP_WAIT_MS) == DRAGON_OK;
        for (uint32_t k = 0; k < senders; k++) {
            all.count[k] += report.count[k];
            all.sum[k] += report.sum[k];
        }
    }
    tap_check(whole, "every receiver reports");
    uint64_t sum = (uint64_t)messages * (messages - 1) / 2;
    bool once = true;
    for (uint32_t k = 0; k < senders; k++)
        if (all.count[k] != messages || all.sum[k] != sum) {
            once = false;
            printf("# sender %u: %u of %u messages\n", k, all.count[k], messages);
        }
    tap_check(once, "each message was received once");
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc > 3 && strcmp(argv[1], "send") == 0)
        return send_items(argv[2], (uint32_t)strtol(argv[3], NULL, 10));
    if (argc > 3 && strcmp(argv[1], "receive") == 0)
        return receive_items(argv[2], argv[3]);
    if (argc < 6)
        return 2;
    uint32_t senders = (uint32_t)strtol(argv[2], NULL, 10);
    uint32_t receivers = (uint32_t)strtol(argv[3], NULL, 10);
    uint32_t messages = (uint32_t)strtol(argv[5], NULL, 10);
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    spec.node = (int)strtol(argv[1], NULL, 10);
    spec.capacity = (uint32_t)strtol(argv[4], NULL, 10);
    spec.single_receiver = receivers == 1;
    dragon_channel_t *channel = chan_make(runtime, &spec);
    dragon_channel_t *results = chan_at(runtime, DRAGON_HERE, 0);
    const char *descriptor = dragon_channel_descriptor(channel);
    const char *const send[] = {"send", descriptor, argv[5], NULL};
    const char *const receive[] = {"receive", descriptor, dragon_channel_descriptor(results), NULL};
    dragon_group_t *takers = chan_ranks(runtime, NULL, receivers, receive);
    dragon_group_t *makers = chan_ranks(runtime, NULL, senders, send);
    tap_check(chan_ranks_end(makers), "%u senders on all nodes", senders);
    for (uint32_t i = 0; i < receivers; i++)
        dragon_channel_send(channel, NULL, 0, END_TAG, TAP_WAIT_MS);
    check_reports(results, senders, receivers, messages);
    tap_check(chan_ranks_end(takers), "%u receivers on all nodes", receivers);
    dragon_channel_stats_t stats = {0};
    dragon_channel_stats(channel, &stats, NULL);
    tap_equal((long)stats.sent, (long)((uint64_t)senders * messages + receivers),
              "sent, says the channel");
    tap_equal((long)stats.received, (long)stats.sent, "and received");
    tap_equal((long)stats.lost, 0, "none is lost");
    dragon_channel_destroy(channel, NULL);
    dragon_channel_destroy(results, NULL);
    tap_check(chan_memory_returns(runtime, &before) && chan_nodes_empty(runtime),
              "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

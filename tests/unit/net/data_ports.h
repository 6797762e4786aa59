// SPDX-License-Identifier: BSD-3-Clause
//
// Two ports of one process, which talk over loopback, and what they were told.
#ifndef TESTS_UNIT_NET_DATA_PORTS_H
#define TESTS_UNIT_NET_DATA_PORTS_H

#include "net/data.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct side {
    struct data_port *port;
    struct data_peer *peer; // of the latest message
    size_t messages, bytes, lost, sent, received, failed;
    uint8_t type; // of the latest message, and so on
    uint8_t header[DATA_HEADER];
    size_t header_bytes;
    uint8_t *data;
    void *incoming; // not received yet
    bool keep;      // payloads that are elsewhere are not received at once
    void (*on_message)(struct side *side, struct data_peer *peer, struct data_message *message);
    void (*on_lost)(struct side *side, struct data_peer *peer);
};

static struct side a, b;

static __attribute__((unused)) void side_on_received(void *arg, dragon_err_t err)
{
    struct side *side = (struct side *)arg;
    side->received++;
    side->failed += err != DRAGON_OK;
}

// Into a buffer of its own, because the next message may come first; then it is what `data` is.
struct receipt {
    struct side *side;
    uint8_t *buffer;
};

static void side_on_receipt(void *arg, dragon_err_t err)
{
    struct receipt *receipt = (struct receipt *)arg;
    free(receipt->side->data);
    receipt->side->data = receipt->buffer;
    side_on_received(receipt->side, err);
    free(receipt);
}

static void side_receive(struct side *side, struct data_message *message)
{
    struct receipt *receipt = (struct receipt *)malloc(sizeof *receipt);
    *receipt = (struct receipt){.side = side, .buffer = (uint8_t *)malloc(message->bytes)};
    cr_assert_eq(data_receive(side->port, message->incoming, receipt->buffer, message->bytes,
                              side_on_receipt, receipt),
                 DRAGON_OK);
}

static __attribute__((unused)) void side_on_sent(void *arg, dragon_err_t err)
{
    struct side *side = (struct side *)arg;
    side->sent++;
    side->failed += err != DRAGON_OK;
}

static void side_on_message(void *arg, struct data_peer *peer, uint8_t type,
                            struct data_message *message)
{
    struct side *side = (struct side *)arg;
    side->peer = peer;
    side->type = type;
    side->messages++;
    side->header_bytes = message->header_bytes;
    cr_assert_leq(message->header_bytes, sizeof side->header);
    if (message->header_bytes)
        memcpy(side->header, message->header, message->header_bytes);
    side->bytes = message->bytes;
    side->incoming = message->incoming;
    cr_assert(!message->data || !message->incoming);
    if (message->data) {
        side->data = (uint8_t *)realloc(side->data, message->bytes);
        memcpy(side->data, message->data, message->bytes);
    }
    if (side->on_message)
        side->on_message(side, peer, message);
    else if (message->incoming && !side->keep)
        side_receive(side, message);
}

static void side_on_lost(void *arg, struct data_peer *peer)
{
    struct side *side = (struct side *)arg;
    side->lost++;
    if (side->on_lost)
        side->on_lost(side, peer);
}

static void side_open(struct side *side)
{
    static const struct data_handler handler = {.on_message = side_on_message,
                                                .on_lost = side_on_lost};
    dragon_error_t error = {0};
    memset(side, 0, sizeof *side);
    cr_assert_eq(data_port_create(&handler, side, &side->port, &error), DRAGON_OK, "%s",
                 error.text);
}

static void side_close(struct side *side)
{
    data_port_destroy(side->port);
    side->port = NULL;
    free(side->data);
    side->data = NULL;
}

static __attribute__((unused)) void open_both(void)
{
    side_open(&a);
    side_open(&b);
}

static __attribute__((unused)) void close_both(void)
{
    side_close(&a);
    side_close(&b);
}

static __attribute__((unused)) struct data_peer *side_connect(struct side *from,
                                                              const struct side *to)
{
    struct data_peer *peer;
    dragon_error_t error = {0};
    size_t length;
    const void *address = data_port_address(to->port, &length);
    cr_assert_eq(data_peer_connect(from->port, address, length, from, &peer, &error), DRAGON_OK,
                 "%s", error.text);
    return peer;
}

// Turns both until `condition`.
#define turn_until(condition)                                                \
    do {                                                                     \
        uint64_t deadline_ = time_now_ms() + PATIENCE_MS;                    \
        while (!(condition)) {                                               \
            cr_assert_lt(time_now_ms(), deadline_, "never: %s", #condition); \
            if (a.port)                                                      \
                data_port_progress(a.port);                                  \
            if (b.port)                                                      \
                data_port_progress(b.port);                                  \
        }                                                                    \
    } while (0)

// Some turns, in which nothing should happen.
static __attribute__((unused)) void turn_idly(void)
{
    for (int i = 0; i < 2000; i++) {
        if (a.port)
            data_port_progress(a.port);
        if (b.port)
            data_port_progress(b.port);
    }
}

static __attribute__((unused)) uint8_t *pattern(size_t bytes, unsigned seed)
{
    uint8_t *data = (uint8_t *)malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8) + seed);
    return data;
}

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// Two ports of one process, which talk over loopback, and what they were told.
#ifndef TESTS_UNIT_NET_DATA_PORTS_H
#define TESTS_UNIT_NET_DATA_PORTS_H

#include "net/data.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { PATIENCE_MS = 20000 };

struct side {
    struct data_port *port;
    struct data_peer *peer; // of the last message
    size_t messages, lost, sent, received, failed;
    uint8_t type;
    uint8_t header[256];
    size_t header_bytes, bytes;
    uint8_t *data;  // of the last message
    void *incoming; // not received yet
    bool keep;      // large payloads are not received at once
    void (*hook)(struct side *side, struct data_peer *peer, struct data_message *message);
};

static struct side a, b;

static void side_on_received(void *arg, dragon_err_t err)
{
    struct side *side = arg;
    side->received++;
    side->failed += err != DRAGON_OK;
}

static void side_on_sent(void *arg, dragon_err_t err)
{
    struct side *side = arg;
    side->sent++;
    side->failed += err != DRAGON_OK;
}

static void side_on_message(void *arg, struct data_peer *peer, uint8_t type,
                            struct data_message *message)
{
    struct side *side = arg;
    side->peer = peer;
    side->type = type;
    side->messages++;
    side->header_bytes = message->header_bytes;
    cr_assert_leq(message->header_bytes, sizeof side->header);
    if (message->header_bytes)
        memcpy(side->header, message->header, message->header_bytes);
    side->bytes = message->bytes;
    side->data = realloc(side->data, message->bytes + 1);
    side->incoming = message->incoming;
    if (message->data)
        memcpy(side->data, message->data, message->bytes);
    if (side->hook)
        side->hook(side, peer, message);
    else if (message->incoming && !side->keep)
        cr_assert_eq(data_receive(side->port, message->incoming, side->data, message->bytes,
                                  side_on_received, side),
                     DRAGON_OK);
}

static void side_on_lost(void *arg, struct data_peer *peer)
{
    (void)peer;
    ((struct side *)arg)->lost++;
}

static const struct data_handler side_handler = {.on_message = side_on_message,
                                                 .on_lost = side_on_lost};

static void side_open(struct side *side)
{
    dragon_error_t error = {0};
    cr_assert_eq(data_port_create(&side_handler, side, &side->port, &error), DRAGON_OK, "%s",
                 error.text);
}

static void side_close(struct side *side)
{
    data_port_destroy(side->port);
    side->port = NULL;
    free(side->data);
    side->data = NULL;
}

static struct data_peer *side_connect(struct side *from, const struct side *to)
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

#endif

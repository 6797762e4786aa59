// SPDX-License-Identifier: BSD-3-Clause
//
// Who talks by hand to those who serve objects, and does not keep to the rules.
#ifndef TESTS_UNIT_CHAN_STRANGER_H
#define TESTS_UNIT_CHAN_STRANGER_H

#include "nodes.h"

struct stranger {
    struct data_port *port;
    struct data_peer *peer;
    bool lost;
    bool holds; // payloads that are at their sender stay there
    bool told;  // something came since it was cleared
    uint32_t messages;
    uint8_t type; // of the latest
    uint8_t header[CHAN_HEADER];
    struct cu_answer answer; // the latest
};
static struct stranger stranger;

static inline void stranger_on_message(void *arg, struct data_peer *peer, uint8_t type,
                                       struct data_message *message)
{
    struct stranger *it = arg;
    (void)peer;
    it->messages++;
    it->told = true;
    it->type = type;
    memcpy(it->header, message->header, message->header_bytes);
    if (type == CU_ANSWER)
        memcpy(&it->answer, message->header, sizeof it->answer);
    if (message->incoming && !it->holds)
        data_refuse(it->port, message->incoming);
}

static inline void stranger_on_lost(void *arg, struct data_peer *peer)
{
    struct stranger *it = arg;
    (void)peer;
    it->lost = true;
}

// To who serves the object; 0: the transport.
static inline void stranger_connect(struct space *away, uint64_t object)
{
    static const struct data_handler handler = {.on_message = stranger_on_message,
                                                .on_lost = stranger_on_lost};
    dragon_error_t error = {0};
    size_t bytes;
    cr_assert_eq(ask(away, KC_ROUTE, "48", 0, object), DRAGON_OK);
    cr_assert_eq(unpack_u8(&ask_unpack), object != 0);
    const void *address = unpack_bytes(&ask_unpack, &bytes);
    stranger = (struct stranger){.lost = false};
    cr_assert_eq(data_port_create(&handler, &stranger, &stranger.port, &error), DRAGON_OK, "%s",
                 error.text);
    cr_assert_eq(data_peer_connect(stranger.port, address, bytes, NULL, &stranger.peer, &error),
                 DRAGON_OK, "%s", error.text);
}

static inline void stranger_say(uint8_t type, const void *header, size_t bytes, const void *data,
                                size_t length)
{
    cr_assert_eq(data_send(stranger.peer, type, header, bytes, data, length, NULL, NULL),
                 DRAGON_OK);
}

static inline void stranger_hello(struct space *away, bool good)
{
    struct cu_hello header = {.version = CHAN_WIRE_VERSION, .node = 1, .process = 99};
    memcpy(header.key, away->key, sizeof header.key);
    header.key[7] ^= !good;
    stranger_say(CU_HELLO, &header, sizeof header, NULL, 0);
}

static inline bool stranger_turn_until(const bool *what)
{
    uint64_t deadline = time_now_ms() + SOON;
    while (!*what && time_left_ms(deadline) > 0)
        data_port_progress(stranger.port);
    return *what;
}

static inline void stranger_leave(void)
{
    data_port_destroy(stranger.port);
    stranger.port = NULL;
}

static inline void stranger_cut_off(const char *why)
{
    cr_expect(stranger_turn_until(&stranger.lost), "%s", why);
    stranger_leave();
}

#endif

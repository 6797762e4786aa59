// SPDX-License-Identifier: BSD-3-Clause
//
// Links over a socketpair: one end is a link, the other is written and read by hand.
#include "config.h"

#include "net/link.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, BODY_LIMIT = 8 << 20 };

static struct {
    struct loop *loop;
    struct link *link, *other;
    int peer; // -1: closed
    char said[4096];
    size_t messages, bytes;
    uint32_t next; // the source of the message that is to come
    bool in_order;
    char closed[128];
    int closes;
    int destroy_at, pause_at, close_destroys; // messages
} the;

static uint8_t body_byte(uint32_t message, size_t i)
{
    return (uint8_t)(message * 31 + i * 7 + (i >> 8));
}

static void on_message(void *arg, const struct link_message *message)
{
    cr_assert_eq(arg, &the);
    the.in_order &= message->source == the.next && message->destination == ~message->source &&
                    message->type == (uint16_t)(message->source + 5);
    for (size_t i = 0; i < message->length && the.in_order; i++)
        the.in_order = message->body[i] == body_byte(message->source, i);
    the.next++;
    the.messages++;
    the.bytes += message->length;
    if (the.destroy_at && (size_t)the.destroy_at == the.messages) {
        link_destroy(the.link);
        the.link = NULL;
    }
    if (the.pause_at && (size_t)the.pause_at == the.messages)
        link_set_reading(the.link, false);
}

static void on_closed(void *arg, const char *reason)
{
    (void)arg;
    snprintf(the.closed, sizeof the.closed, "%s", reason);
    the.closes++;
    if (the.close_destroys) {
        link_destroy(the.link);
        the.link = NULL;
    }
}

static const struct link_handler the_handler = {.on_message = on_message, .on_closed = on_closed};

static void set_up_with(size_t body_limit)
{
    int pair[2];
    memset(&the, 0, sizeof the);
    the.in_order = true;
    the.loop = loop_create();
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    the.peer = pair[1];
    the.link = link_create(the.loop, pair[0], body_limit, &the_handler, &the);
    cr_assert_not_null(the.link);
}

static void set_up(void)
{
    set_up_with(BODY_LIMIT);
}

static void tear_down(void)
{
    link_destroy(the.link);
    link_destroy(the.other);
    loop_destroy(the.loop);
    if (the.peer >= 0)
        close(the.peer);
}

TestSuite(net_link, .init = set_up, .fini = tear_down);

static void peer_close(void)
{
    close(the.peer);
    the.peer = -1;
}

// Writes all, turning the loop while the socket is full.
static void peer_write(const void *data, size_t length)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    for (size_t done = 0; done < length && time_left_ms(deadline) > 0;) {
        ssize_t sent = send(the.peer, (const char *)data + done, length - done, MSG_NOSIGNAL);
        if (sent > 0)
            done += (size_t)sent;
        else
            loop_turn(the.loop, 1);
    }
}

static void wait_messages(size_t count)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (the.messages < count && !the.closes && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect_eq(the.messages, count);
    cr_expect(the.in_order);
}

static void wait_closed(const char *reason)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!the.closes && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect_str_eq(the.closed, reason);
    loop_turn(the.loop, 0);
    cr_expect_eq(the.closes, 1);
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        loop_turn(the.loop, 1);
}

// The n-th message as the handler wants it.
static struct link_message message_of(uint32_t number, uint32_t length, uint8_t *body)
{
    for (size_t i = 0; i < length; i++)
        body[i] = body_byte(number, i);
    return (struct link_message){.type = (uint16_t)(number + 5),
                                 .source = number,
                                 .destination = ~number,
                                 .body = body,
                                 .length = length};
}

static size_t frame(uint8_t *out, uint32_t number, uint32_t length)
{
    struct link_message message = message_of(number, length, out + LINK_HEADER_BYTES);
    link_header_write(out, &message);
    return LINK_HEADER_BYTES + length;
}

// ---- headers

Test(net_header, is_as_documented)
{
    static const uint8_t wanted[LINK_HEADER_BYTES] = {4,  3, 2, 1, 6,  5,  0,  0,
                                                      10, 9, 8, 7, 14, 13, 12, 11};
    uint8_t bytes[LINK_HEADER_BYTES];
    struct link_message message = {
        .length = 0x01020304, .type = 0x0506, .source = 0x0708090a, .destination = 0x0b0c0d0e};
    struct link_message back;
    link_header_write(bytes, &message);
    cr_expect_arr_eq(bytes, wanted, sizeof wanted);
    cr_assert(link_header_read(bytes, 0x01020304, &back));
    cr_expect(back.length == message.length && back.type == message.type &&
              back.source == message.source && back.destination == message.destination);
    cr_expect(!link_header_read(bytes, 0x01020303, &back), "one byte over the limit");
    for (int i = 6; i < 8; i++) {
        bytes[i] = 1;
        cr_expect(!link_header_read(bytes, 0x01020304, &back), "reserved byte %d", i);
        bytes[i] = 0;
    }
}

// ---- receiving

Test(net_link, split_at_every_byte)
{
    enum { FRAMES = 3, ALL = FRAMES * (LINK_HEADER_BYTES + 10) };
    static const uint32_t lengths[FRAMES] = {10, 0, 9};
    for (size_t split = 1; split < ALL; split++) {
        uint8_t bytes[ALL];
        size_t length = 0;
        for (uint32_t i = 0; i < FRAMES; i++)
            length += frame(bytes + length, i, lengths[i]);
        if (split >= length)
            break;
        the.messages = the.next = 0;
        peer_write(bytes, split);
        size_t whole = split < 26 ? 0 : split < 42 ? 1 : 2;
        settle();
        cr_expect_eq(the.messages, whole, "split at %zu", split);
        peer_write(bytes + split, length - split);
        wait_messages(FRAMES);
    }
}

Test(net_link, byte_by_byte)
{
    uint8_t bytes[2 * LINK_HEADER_BYTES + 40];
    size_t length = frame(bytes, 0, 33);
    length += frame(bytes + length, 1, 7);
    for (size_t i = 0; i < length; i++) {
        peer_write(bytes + i, 1);
        loop_turn(the.loop, 1);
    }
    wait_messages(2);
}

Test(net_link, many_in_one_read)
{
    enum { COUNT = 3000 };
    static uint8_t bytes[COUNT * (LINK_HEADER_BYTES + 20)];
    size_t length = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        length += frame(bytes + length, i, i % 21);
    peer_write(bytes, length);
    wait_messages(COUNT);
}

Test(net_link, big_bodies)
{
    static const uint32_t lengths[] = {1, 65535, 65536, 65537, 3 << 20, BODY_LIMIT, 0};
    enum { COUNT = sizeof lengths / sizeof *lengths };
    uint8_t *bytes = malloc(LINK_HEADER_BYTES + BODY_LIMIT);
    for (uint32_t i = 0; i < COUNT; i++)
        peer_write(bytes, frame(bytes, i, lengths[i]));
    wait_messages(COUNT);
    free(bytes);
}

Test(net_link, a_body_over_the_limit_ends_it)
{
    uint8_t bytes[LINK_HEADER_BYTES];
    struct link_message message = message_of(0, 0, NULL);
    message.length = BODY_LIMIT + 1;
    link_header_write(bytes, &message);
    peer_write(bytes, sizeof bytes);
    wait_closed("it sent something that is not understood");
    cr_expect_eq(the.messages, 0);
}

Test(net_link, a_reserved_field_that_is_not_zero_ends_it)
{
    uint8_t bytes[4 * LINK_HEADER_BYTES];
    size_t length = frame(bytes, 0, 0);
    length += frame(bytes + length, 1, 0);
    length += frame(bytes + length, 2, 0);
    bytes[LINK_HEADER_BYTES + 7] = 0x80;
    peer_write(bytes, length);
    wait_closed("it sent something that is not understood");
    cr_expect_eq(the.messages, 1, "what was good before it is delivered, nothing behind it is");
}

Test(net_link, a_header_that_claims_much_costs_nothing)
{
    uint8_t bytes[LINK_HEADER_BYTES + 10] = {0};
    struct link_message message = message_of(0, 0, NULL);
    message.length = BODY_LIMIT;
    link_header_write(bytes, &message);
    peer_write(bytes, sizeof bytes);
    settle();
    cr_expect_eq(the.messages, 0);
    peer_close();
    wait_closed("it closed the connection");
}

// ---- the end

Test(net_link, a_peer_that_closes)
{
    uint8_t bytes[64];
    peer_write(bytes, frame(bytes, 0, 5));
    peer_write(bytes, 7); // half a header is nothing
    peer_close();
    wait_closed("it closed the connection");
    cr_expect_eq(the.messages, 1);
    link_send(the.link, &(struct link_message){.type = 1}); // goes nowhere
    cr_expect_eq(link_queued(the.link), 0);
    settle();
    cr_expect_eq(the.closes, 1);
}

Test(net_link, a_peer_that_closes_with_unread_data)
{
    uint8_t bytes[64], body[4];
    struct link_message message = message_of(0, 4, body);
    link_send(the.link, &message);
    settle();
    peer_write(bytes, frame(bytes, 0, 5)); // its last words
    peer_close();
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!the.closes && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect_eq(the.closes, 1);
    cr_expect_eq(the.messages, 1, "what it had said before is not lost");
}

Test(net_link, sending_to_a_peer_that_is_gone_still_reads_its_last_words)
{
    uint8_t bytes[64], body[4];
    peer_write(bytes, frame(bytes, 0, 5));
    peer_close();
    struct link_message message = message_of(0, 4, body);
    link_send(the.link, &message);
    wait_closed("it closed the connection");
    cr_expect_eq(the.messages, 1);
}

Test(net_link, destroy_inside_on_message)
{
    uint8_t bytes[4 * 64];
    size_t length = 0;
    for (uint32_t i = 0; i < 4; i++)
        length += frame(bytes + length, i, 20);
    the.destroy_at = 2;
    peer_write(bytes, length);
    wait_messages(2);
    settle();
    cr_expect_eq(the.messages, 2);
    cr_expect_eq(the.closes, 0);
}

Test(net_link, destroy_inside_on_closed)
{
    the.close_destroys = 1;
    peer_close();
    wait_closed("it closed the connection");
    cr_expect_null(the.link);
}

Test(net_link, destroy_inside_on_closed_for_rubbish)
{
    uint8_t bytes[LINK_HEADER_BYTES];
    memset(bytes, 0xff, sizeof bytes);
    the.close_destroys = 1;
    peer_write(bytes, sizeof bytes);
    wait_closed("it sent something that is not understood");
    cr_expect_null(the.link);
}

// ---- pausing

Test(net_link, a_paused_link_keeps_what_waits)
{
    uint8_t bytes[6 * 64];
    size_t length = 0;
    for (uint32_t i = 0; i < 6; i++)
        length += frame(bytes + length, i, 20);
    the.pause_at = 2;
    peer_write(bytes, length - 30); // four and a half
    wait_messages(2);
    settle();
    cr_expect_eq(the.messages, 2);
    the.pause_at = 3;
    link_set_reading(the.link, true); // these are here already: no descriptor will tell
    wait_messages(3);
    settle();
    cr_expect_eq(the.messages, 3);
    link_set_reading(the.link, true);
    wait_messages(5);
    peer_write(bytes + length - 30, 30);
    wait_messages(6);
}

Test(net_link, a_paused_link_reads_nothing)
{
    uint8_t bytes[64];
    link_set_reading(the.link, false);
    peer_write(bytes, frame(bytes, 0, 20));
    settle();
    cr_expect_eq(the.messages, 0);
    peer_close();
    settle();
    cr_expect_eq(the.closes, 0, "its end waits behind what it sent");
    link_set_reading(the.link, true);
    wait_messages(1);
    wait_closed("it closed the connection");
}

Test(net_link, destroy_while_paused_messages_wait)
{
    uint8_t bytes[128];
    size_t length = frame(bytes, 0, 20);
    length += frame(bytes + length, 1, 20);
    the.pause_at = 1;
    peer_write(bytes, length);
    wait_messages(1);
    link_set_reading(the.link, true);
    link_destroy(the.link);
    the.link = NULL;
    settle();
    cr_expect_eq(the.messages, 1);
}

Test(net_link, destroy_when_a_paused_message_is_delivered)
{
    uint8_t bytes[256];
    size_t length = 0;
    for (uint32_t i = 0; i < 3; i++)
        length += frame(bytes + length, i, 20);
    the.pause_at = 1;
    the.destroy_at = 2;
    peer_write(bytes, length);
    wait_messages(1);
    link_set_reading(the.link, true);
    wait_messages(2);
    settle();
    cr_expect_eq(the.messages, 2);
}

// ---- sending

// Reads what the link sends through a second link, which checks it.
static void open_other(void)
{
    the.other = link_create(the.loop, the.peer, BODY_LIMIT, &the_handler, &the);
    cr_assert_not_null(the.other);
    the.peer = -1;
}

Test(net_link, what_is_sent_arrives)
{
    static const uint32_t lengths[] = {0, 1, 100000, 5, BODY_LIMIT, 0};
    enum { COUNT = sizeof lengths / sizeof *lengths };
    uint8_t *body = malloc(BODY_LIMIT);
    open_other();
    for (uint32_t i = 0; i < COUNT; i++) {
        struct link_message message = message_of(i, lengths[i], body);
        link_send(the.link, &message); // copied: the same body is used again
    }
    wait_messages(COUNT);
    cr_expect_eq(link_queued(the.link), 0);
    free(body);
}

Test(net_link, nothing_leaves_before_the_turn_ends)
{
    uint8_t bytes[256], body[20];
    for (uint32_t i = 0; i < 3; i++) {
        struct link_message message = message_of(i, 20, body);
        link_send(the.link, &message);
    }
    cr_expect_eq(link_queued(the.link), 3 * (LINK_HEADER_BYTES + 20));
    cr_expect_eq(recv(the.peer, bytes, sizeof bytes, 0), -1);
    loop_turn(the.loop, 0);
    cr_expect_eq(recv(the.peer, bytes, sizeof bytes, 0), 3 * (LINK_HEADER_BYTES + 20));
    cr_expect_eq(link_queued(the.link), 0);
}

Test(net_link, queues_while_the_peer_does_not_read)
{
    enum { COUNT = 40, LENGTH = 50000 };
    static uint8_t body[LENGTH];
    for (uint32_t i = 0; i < COUNT; i++) {
        struct link_message message = message_of(i, LENGTH, body);
        link_send(the.link, &message);
        loop_turn(the.loop, 0);
    }
    size_t queued = link_queued(the.link);
    cr_expect_gt(queued, COUNT * LENGTH / 2, "%zu", queued);
    settle();
    cr_expect_eq(link_queued(the.link), queued);
    open_other();
    wait_messages(COUNT);
    cr_expect_eq(the.bytes, COUNT * LENGTH);
    cr_expect_eq(link_queued(the.link), 0);
}

Test(net_link, destroy_sends_what_is_queued)
{
    uint8_t bytes[256], body[20];
    struct link_message message = message_of(0, 20, body);
    link_send(the.link, &message);
    link_destroy(the.link);
    the.link = NULL;
    cr_expect_eq(recv(the.peer, bytes, sizeof bytes, 0), LINK_HEADER_BYTES + 20);
    cr_expect_eq(recv(the.peer, bytes, sizeof bytes, 0), 0);
}

Test(net_link, a_message_over_the_limit_ends_our_own_side)
{
    uint8_t *body = calloc(1, BODY_LIMIT + 1);
    struct link_message message = {.type = 1, .body = body, .length = BODY_LIMIT + 1};
    link_send(the.link, &message);
    cr_expect_eq(the.closes, 0, "not under the sender's feet");
    wait_closed("a message to it was too large for this host");
    free(body);
}

Test(net_link, a_pack_goes_out_and_is_left_empty)
{
    uint8_t bytes[64];
    struct link_message header;
    struct pack body = PACK_EMPTY;
    pack_str(&body, "hello");
    link_send_pack(the.link, 9, 1, 2, &body);
    cr_expect(body.data == NULL && body.length == 0);
    link_send_pack(the.link, 10, 1, 2, &body);
    loop_turn(the.loop, 0);
    cr_assert_eq(recv(the.peer, bytes, sizeof bytes, 0), 2 * LINK_HEADER_BYTES + 10);
    cr_assert(link_header_read(bytes, 100, &header));
    cr_expect(header.type == 9 && header.length == 10);
    cr_expect_str_eq((char *)bytes + LINK_HEADER_BYTES + 4, "hello");
}

Test(net_link, a_pack_that_failed_ends_it)
{
    struct pack body = PACK_EMPTY;
    body.failed = true;
    link_send_pack(the.link, 9, 1, 2, &body);
    cr_expect_eq(the.closes, 0);
    wait_closed("out of memory here");
    cr_expect(!body.failed);
}

// A handler of the same turn that breaks the link, whose own events are ready already.
static void on_breaks(void *arg, int events)
{
    struct pack failed = {.failed = true};
    struct loop_watch **watch = arg;
    (void)events;
    link_send_pack(the.link, 1, 0, 0, &failed);
    loop_watch_set(*watch, 0);
}

Test(net_link, broken_by_another_handler_of_the_same_turn)
{
    static uint8_t body[1 << 20];
    int pair[2];
    struct loop_watch *watch = NULL;
    uint8_t bytes[64];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    watch = loop_watch_create(the.loop, pair[0], on_breaks, &watch);
    loop_watch_set(watch, LOOP_READ);
    struct link_message message = message_of(0, sizeof body, body);
    link_send(the.link, &message);
    settle(); // the socket is full: the link waits to write
    the.close_destroys = 1;
    cr_assert(write(pair[1], "x", 1) == 1); // ready first, so told first
    peer_write(bytes, frame(bytes, 0, 5));
    while (recv(the.peer, body, sizeof body, 0) > 0)
        ;
    wait_closed("out of memory here");
    cr_expect_null(the.link);
    loop_watch_destroy(watch);
    close(pair[0]);
    close(pair[1]);
}

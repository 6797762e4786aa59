// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: a stream of frames through a link over a socketpair. The first byte chooses the largest
// body, the second how the stream is cut into writes and what the handler does; the rest is the stream.
// What the link delivers is compared with what a plain reader makes of the same bytes.
#include "config.h"

#include "net/link.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAUSES = 1, DESTROYS = 2, ECHOES = 4, TURNS_LIMIT = 20000, PIECES_MOST = 10000 };

struct run {
    struct link *link;
    const uint8_t *stream, *at, *end;
    size_t body_limit;
    int manner;
    unsigned delivered;
    bool closed;
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

// The message is the next one of the stream, byte for byte.
static void check_message(struct run *run, const struct link_message *message)
{
    struct link_message wanted;
    check(!run->closed && (size_t)(run->end - run->at) >= LINK_HEADER_BYTES);
    check(link_header_read(run->at, run->body_limit, &wanted));
    check((size_t)(run->end - run->at) >= LINK_HEADER_BYTES + (size_t)wanted.length);
    check(message->type == wanted.type && message->source == wanted.source &&
          message->destination == wanted.destination && message->length == wanted.length);
    check(memcmp(message->body, run->at + LINK_HEADER_BYTES, message->length) == 0);
    run->at += LINK_HEADER_BYTES + message->length;
}

static void on_message(void *arg, const struct link_message *message)
{
    struct run *run = arg;
    check_message(run, message);
    run->delivered++;
    if (run->manner & ECHOES)
        link_send(run->link, message);
    if (run->manner & PAUSES)
        link_set_reading(run->link, run->delivered % 3 == 0);
    if (run->manner & DESTROYS && run->delivered == 2) {
        link_destroy(run->link);
        run->link = NULL;
    }
}

static void on_closed(void *arg, const char *reason)
{
    struct run *run = arg;
    check(!run->closed && *reason);
    run->closed = true;
}

// Everything that is whole and sound at the beginning of what is left has been delivered.
static void check_nothing_is_left(const struct run *run)
{
    struct link_message next;
    if ((size_t)(run->end - run->at) < LINK_HEADER_BYTES ||
        !link_header_read(run->at, run->body_limit, &next))
        return;
    check((size_t)(run->end - run->at) < LINK_HEADER_BYTES + (size_t)next.length);
}

static void feed(struct run *run, struct loop *loop, int peer, size_t step)
{
    uint8_t sink[4096];
    const uint8_t *at = run->stream;
    if (step <
        (size_t)(run->end - at) / PIECES_MOST + 1) // so that the turns are enough for all of it
        step = (size_t)(run->end - at) / PIECES_MOST + 1;
    for (int turns = 0; run->link && !run->closed && turns < TURNS_LIMIT; turns++) {
        size_t left = (size_t)(run->end - at), now = left < step ? left : step;
        ssize_t sent = now ? send(peer, at, now, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (sent > 0)
            at += sent;
        if (at == run->end && now == 0)
            shutdown(peer, SHUT_WR);
        while (recv(peer, sink, sizeof sink, MSG_DONTWAIT) > 0)
            ; // echoes
        if (run->manner & PAUSES && run->link)
            link_set_reading(run->link, true);
        loop_turn(loop, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct link_handler handler = {.on_message = on_message, .on_closed = on_closed};
    int pair[2];
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return 0;
    struct loop *loop = loop_create();
    struct run run = {.stream = data + 2,
                      .at = data + 2,
                      .end = data + size,
                      .body_limit = (size_t)data[0] * data[0],
                      .manner = data[1] % 8};
    run.link = link_create(loop, pair[0], run.body_limit, &handler, &run);
    feed(&run, loop, pair[1], (size_t)(data[1] / 8) * 37 + 1);
    check(!run.link || run.closed);
    if (run.link)
        check_nothing_is_left(&run);
    link_destroy(run.link);
    close(pair[1]);
    loop_destroy(loop);
    return 0;
}

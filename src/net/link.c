// SPDX-License-Identifier: BSD-3-Clause
//
// Links: see link.h. Reading fills one buffer that grows with what really arrives, never with what a
// header claims; whole messages are handed over in place. Writing appends to one buffer, flushed once
// a turn.
#include "config.h"

#include "net/link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_STEP = 64 * 1024,
    READS_PER_TURN = 16, // then others get their turn
};

const char LINK_NOT_UNDERSTOOD[] = "it sent something that is not understood";

struct buffer {
    uint8_t *data; // owned
    size_t start, end, room;
};

struct link {
    struct loop *loop; // borrowed
    struct loop_watch *watch;
    struct loop_later flush;
    struct loop_later redeliver; // whole messages may have waited while reading was off
    const struct link_handler *handler;
    void *arg;
    size_t body_limit;
    struct buffer in, out;
    int fd;
    int watched;
    const char *broken; // sending found that the link must end: told at the end of the turn
    bool closed;        // on_closed was called
    bool paused;        // link_set_reading(false)
    bool *destroyed;    // set by destroy while a handler runs
};

static bool buffer_reserve(struct buffer *buffer, size_t length)
{
    if (buffer->room - buffer->end >= length)
        return true;
    size_t used = buffer->end - buffer->start;
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, used);
        buffer->start = 0;
        buffer->end = used;
    }
    if (buffer->room - used >= length)
        return true;
    size_t room = buffer->room ? buffer->room : 4096;
    while (room - used < length)
        room *= 2;
    uint8_t *data = realloc(buffer->data, room);
    if (!data)
        return false;
    buffer->data = data;
    buffer->room = room;
    return true;
}

// An empty buffer that was large once is given back, so that an idle link is small.
static void buffer_take(struct buffer *buffer, size_t length)
{
    buffer->start += length;
    if (buffer->start < buffer->end)
        return;
    buffer->start = buffer->end = 0;
    if (buffer->room > 4 * READ_STEP) {
        free(buffer->data);
        buffer->data = NULL;
        buffer->room = 0;
    }
}

static uint64_t read_number(const uint8_t *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void write_number(uint8_t *bytes, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

bool link_header_read(const uint8_t bytes[LINK_HEADER_BYTES], size_t body_limit,
                      struct link_message *header_out)
{
    struct link_message header = {
        .length = (uint32_t)read_number(bytes, 4),
        .type = (uint16_t)read_number(bytes + 4, 2),
        .source = (uint32_t)read_number(bytes + 8, 4),
        .destination = (uint32_t)read_number(bytes + 12, 4),
    };
    if (header.length > body_limit || read_number(bytes + 6, 2) != 0)
        return false;
    *header_out = header;
    return true;
}

void link_header_write(uint8_t bytes[LINK_HEADER_BYTES], const struct link_message *header)
{
    write_number(bytes, header->length, 4);
    write_number(bytes + 4, header->type, 2);
    write_number(bytes + 6, 0, 2);
    write_number(bytes + 8, header->source, 4);
    write_number(bytes + 12, header->destination, 4);
}

static void link_update_watch(struct link *link)
{
    int wanted = 0;
    if (!link->closed)
        wanted =
            (link->paused ? 0 : LOOP_READ) | (link->out.end > link->out.start ? LOOP_WRITE : 0);
    if (wanted == link->watched)
        return;
    link->watched = wanted;
    loop_watch_set(link->watch, wanted);
}

static void link_close(struct link *link, const char *reason)
{
    if (link->closed)
        return;
    link->closed = true;
    link_update_watch(link);
    link->handler->on_closed(link->arg, reason);
}

// Hands over the whole messages that are in the buffer. False when the link is gone or closed.
static bool link_deliver(struct link *link)
{
    bool destroyed = false;
    link->destroyed = &destroyed;
    while (!link->closed && !link->paused && link->in.end - link->in.start >= LINK_HEADER_BYTES) {
        struct link_message message;
        const uint8_t *at = link->in.data + link->in.start;
        if (!link_header_read(at, link->body_limit, &message)) {
            link->destroyed = NULL;
            link_close(link, LINK_NOT_UNDERSTOOD);
            return false;
        }
        size_t whole = LINK_HEADER_BYTES + (size_t)message.length;
        if (link->in.end - link->in.start < whole)
            break;
        message.body = at + LINK_HEADER_BYTES;
        link->handler->on_message(link->arg, &message);
        if (destroyed)
            return false;
        buffer_take(&link->in, whole);
    }
    link->destroyed = NULL;
    return !link->closed;
}

static void link_read(struct link *link)
{
    for (int turn = 0; turn < READS_PER_TURN && !link->paused; turn++) {
        if (!buffer_reserve(&link->in, READ_STEP)) {
            link_close(link, "out of memory here");
            return;
        }
        size_t room = link->in.room - link->in.end;
        ssize_t got = recv(link->fd, link->in.data + link->in.end, room, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got <= 0) {
            link_close(link, got == 0 ? "it closed the connection" : strerror(errno));
            return;
        }
        link->in.end += (size_t)got;
        if (!link_deliver(link))
            return;
        if ((size_t)got < room)
            return;
    }
}

static bool link_write(struct link *link)
{
    while (link->out.end > link->out.start) {
        ssize_t sent = send(link->fd, link->out.data + link->out.start,
                            link->out.end - link->out.start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (sent < 0)
            return false;
        buffer_take(&link->out, (size_t)sent);
    }
    return true;
}

static void link_flush(void *arg)
{
    struct link *link = arg;
    if (link->closed)
        return;
    if (link->broken) {
        link_close(link, link->broken);
        return;
    }
    // A peer that closed may have sent its reason before: reading will find that and the end.
    if (!link_write(link))
        link->out.start = link->out.end = 0;
    link_update_watch(link);
}

static void on_link_ready(void *arg, int events)
{
    struct link *link = arg;
    if (link->broken)
        return; // another handler of this turn broke it: link_flush waits to tell of that
    if (events & LOOP_WRITE)
        link_flush(link);
    if (events & LOOP_READ)
        link_read(link);
}

static void on_redeliver(void *arg)
{
    link_deliver(arg);
}

struct link *link_create(struct loop *loop, int fd, size_t body_limit,
                         const struct link_handler *handler, void *arg)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link) {
        close(fd);
        return NULL;
    }
    link->loop = loop;
    link->fd = fd;
    link->body_limit = body_limit;
    link->handler = handler;
    link->arg = arg;
    link->flush = (struct loop_later){.fn = link_flush, .arg = link};
    link->redeliver = (struct loop_later){.fn = on_redeliver, .arg = link};
    link->watch = loop_watch_create(loop, fd, on_link_ready, link);
    if (!link->watch) {
        link_destroy(link);
        return NULL;
    }
    link_update_watch(link);
    return link;
}

void link_destroy(struct link *link)
{
    if (!link)
        return;
    if (!link->closed)
        link_write(link);
    if (link->destroyed)
        *link->destroyed = true;
    loop_later_cancel(link->loop, &link->flush);
    loop_later_cancel(link->loop, &link->redeliver);
    loop_watch_destroy(link->watch);
    close(link->fd);
    free(link->in.data);
    free(link->out.data);
    free(link);
}

// Not at once: whoever sends does not expect its link to be taken away under its feet.
static void link_break(struct link *link, const char *reason)
{
    link->broken = reason;
    loop_later_add(link->loop, &link->flush);
}

void link_send(struct link *link, const struct link_message *message)
{
    if (link->closed || link->broken)
        return;
    if (message->length > link->body_limit ||
        !buffer_reserve(&link->out, LINK_HEADER_BYTES + (size_t)message->length)) {
        link_break(link, "a message to it was too large for this host");
        return;
    }
    link_header_write(link->out.data + link->out.end, message);
    link->out.end += LINK_HEADER_BYTES;
    if (message->length > 0)
        memcpy(link->out.data + link->out.end, message->body, message->length);
    link->out.end += message->length;
    loop_later_add(link->loop, &link->flush);
}

void link_send_pack(struct link *link, uint16_t type, uint32_t source, uint32_t destination,
                    struct pack *body)
{
    if (body->failed || body->length > UINT32_MAX)
        link_break(link, "out of memory here");
    else
        link_send(link, &(struct link_message){.type = type,
                                               .source = source,
                                               .destination = destination,
                                               .body = body->data,
                                               .length = (uint32_t)body->length});
    pack_fini(body);
}

size_t link_queued(const struct link *link)
{
    return link->out.end - link->out.start;
}

void link_set_reading(struct link *link, bool reading)
{
    link->paused = !reading;
    link_update_watch(link);
    if (reading)
        loop_later_add(link->loop, &link->redeliver);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Standard streams: see stream.h. A pipe or a terminal is opened anew through /proc/self/fd: that makes
// an open file of our own, whose O_NONBLOCK nobody else sees. A socket is used with MSG_DONTWAIT. A
// file never blocks for long and is used as it is.
#include "config.h"

#include "client/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 << 10, READY_BYTES = 4096 };

struct opened {
    struct loop_watch *watch;
    int fd, own;
    bool socket;
};

static bool stream_open(struct opened *opened, struct loop *loop, int fd, int flags,
                        void (*fn)(void *arg, int events), void *arg)
{
    struct stat info;
    char path[40];
    *opened = (struct opened){.fd = fd, .own = -1};
    if (fstat(fd, &info) != 0)
        return true; // closed: the first use tells
    opened->socket = S_ISSOCK(info.st_mode);
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        opened->own = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    }
    if (opened->own >= 0) {
        opened->fd = opened->own;
        opened->watch = loop_watch_create(loop, opened->own, fn, arg); // NULL for /dev/null
        return true;
    }
    errno = 0;
    opened->watch = loop_watch_create_shared(loop, fd, fn, arg);
    return opened->watch || errno == EPERM;
}

static void stream_close(struct loop_watch *watch, int own)
{
    loop_watch_destroy(watch);
    if (own >= 0)
        close(own);
}

static void sink_write_some(struct sink *sink);

static void on_sink_ready(void *arg, int events)
{
    (void)events;
    sink_write_some(arg);
}

bool sink_init(struct sink *sink, struct loop *loop, int fd, void (*on_progress)(void *arg),
               void *arg)
{
    struct opened opened;
    *sink = (struct sink){.fd = fd, .own = -1, .on_progress = on_progress, .arg = arg};
    if (!stream_open(&opened, loop, fd, O_WRONLY, on_sink_ready, sink))
        return false;
    sink->watch = opened.watch;
    sink->fd = opened.fd;
    sink->own = opened.own;
    sink->socket = opened.socket;
    return true;
}

void sink_fini(struct sink *sink)
{
    stream_close(sink->watch, sink->own);
    pack_fini(&sink->waiting);
    sink->watch = NULL;
    sink->own = -1;
}

size_t sink_waiting(const struct sink *sink)
{
    return sink->waiting.length - sink->start;
}

// A descriptor that could not be opened anew may block: it takes this much after it said it is ready.
static bool may_block(const struct sink *sink)
{
    return sink->watch && sink->own < 0 && !sink->socket;
}

static ssize_t sink_write(struct sink *sink)
{
    const uint8_t *data = sink->waiting.data + sink->start;
    size_t length = sink_waiting(sink);
    if (sink->socket)
        return send(sink->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (may_block(sink) && length > READY_BYTES)
        length = READY_BYTES;
    return write(sink->fd, data, length);
}

static void sink_write_some(struct sink *sink)
{
    bool moved = false;
    while (!sink->broken && sink_waiting(sink) > 0) {
        ssize_t sent = sink_write(sink);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        moved = true;
        if (sent < 0) {
            sink->broken = true;
            break;
        }
        sink->start += (size_t)sent;
        sink->passed += (uint64_t)sent;
        if (may_block(sink))
            break;
    }
    if (sink->broken)
        sink->passed = sink->added;
    if (sink->broken || sink_waiting(sink) == 0)
        sink->start = sink->waiting.length = 0;
    if (sink->watch)
        loop_watch_set(sink->watch, sink_waiting(sink) ? LOOP_WRITE : 0);
    if (moved)
        sink->on_progress(sink->arg);
}

void sink_flush(struct sink *sink)
{
    if (may_block(sink))
        loop_watch_set(sink->watch, sink_waiting(sink) ? LOOP_WRITE : 0);
    else
        sink_write_some(sink);
}

void sink_add(struct sink *sink, const void *data, size_t length)
{
    if (sink->broken || length == 0)
        return;
    if (sink->start > PIECE && sink->start > sink_waiting(sink)) {
        memmove(sink->waiting.data, sink->waiting.data + sink->start, sink_waiting(sink));
        sink->waiting.length -= sink->start;
        sink->start = 0;
    }
    pack_raw(&sink->waiting, data, length);
    sink->added += length;
}

static bool may_read(const struct source *source)
{
    // Reading a terminal from the background would stop us.
    return !isatty(source->fd) || tcgetpgrp(source->fd) == getpgrp();
}

static void source_wait(struct source *source)
{
    bool wanted = !source->ended && source->allowed > 0;
    if (source->watch)
        loop_watch_set(source->watch, wanted ? LOOP_READ : 0);
    else if (wanted)
        loop_timer_start(source->next, 0);
}

static void source_read(struct source *source)
{
    static uint8_t data[PIECE];
    size_t room = source->allowed < sizeof data ? source->allowed : sizeof data;
    if (source->ended || room == 0)
        return;
    if (!may_read(source)) {
        if (source->watch)
            loop_watch_set(source->watch, 0);
        return;
    }
    ssize_t got =
        source->socket ? recv(source->fd, data, room, MSG_DONTWAIT) : read(source->fd, data, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        source_wait(source);
        return;
    }
    if (got <= 0) {
        got = 0;
        source->ended = true;
    }
    source->allowed -= (size_t)got;
    source_wait(source);
    source->on_data(source->arg, data, (size_t)got);
}

static void on_source_ready(void *arg, int events)
{
    (void)events;
    source_read(arg);
}

static void on_source_next(void *arg)
{
    source_read(arg);
}

bool source_init(struct source *source, struct loop *loop, int fd,
                 void (*on_data)(void *arg, const void *data, size_t length), void *arg)
{
    struct opened opened;
    *source = (struct source){.fd = fd, .own = -1, .on_data = on_data, .arg = arg};
    source->next = loop_timer_create(loop, on_source_next, source);
    if (!source->next || !stream_open(&opened, loop, fd, O_RDONLY, on_source_ready, source))
        return false;
    source->watch = opened.watch;
    source->fd = opened.fd;
    source->own = opened.own;
    source->socket = opened.socket;
    return true;
}

void source_fini(struct source *source)
{
    stream_close(source->watch, source->own);
    loop_timer_destroy(source->next);
    source->watch = NULL;
    source->next = NULL;
    source->own = -1;
}

void source_allow(struct source *source, size_t bytes)
{
    source->allowed += bytes;
    source_wait(source);
}

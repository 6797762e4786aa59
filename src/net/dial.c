// SPDX-License-Identifier: BSD-3-Clause
//
// Dialling: see dial.h. Each address gets an equal part of the time, so that a first one that
// swallows packets does not use it up.
#include "config.h"

#include "net/dial.h"

#include "net/address.h"
#include "net/handshake.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

struct dial {
    struct loop *loop; // borrowed
    struct dial_options options;
    dial_done_fn *done;
    void *arg;
    struct loop_watch *watch; // while connecting
    struct loop_timer *limit; // of the address being tried
    struct handshake *handshake;
    size_t tried; // addresses, counted through both passes
    size_t count; // of addresses that can be tried
    uint64_t limit_ms;
    int fd; // while connecting
    char what_happened[256];
};

static void dial_next(struct dial *dial);

static void dial_free(struct dial *dial)
{
    loop_watch_destroy(dial->watch);
    loop_timer_destroy(dial->limit);
    handshake_cancel(dial->handshake);
    if (dial->fd >= 0)
        close(dial->fd);
    free(dial);
}

static void dial_end(struct dial *dial, int fd)
{
    dial_done_fn *done = dial->done;
    void *arg = dial->arg;
    char text[sizeof dial->what_happened];
    memcpy(text, dial->what_happened, sizeof text);
    dial_free(dial);
    done(arg, fd, text);
}

// The i-th address to try: loopback first on the same host, never on another.
static const char *dial_address(const struct dial *dial, size_t i)
{
    for (int loopback = dial->options.same_host ? 1 : 0; loopback >= 0; loopback--)
        for (size_t k = 0; dial->options.addresses[k]; k++)
            if (address_is_loopback(dial->options.addresses[k]) == loopback && i-- == 0)
                return dial->options.addresses[k];
    return NULL;
}

static void dial_failed(struct dial *dial, const char *reason)
{
    size_t used = strlen(dial->what_happened);
    const char *address = dial_address(dial, dial->tried - 1);
    snprintf(dial->what_happened + used, sizeof dial->what_happened - used, "%s%s: %s",
             used ? "; " : "", address ? address : "?", reason);
    loop_watch_destroy(dial->watch);
    dial->watch = NULL;
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
    dial_next(dial);
}

// The first step comes from the timer too, so that `done` is never called before dial_start returns.
static void on_dial_timer(void *arg)
{
    struct dial *dial = arg;
    if (dial->tried == 0) {
        dial_next(dial);
        return;
    }
    handshake_cancel(dial->handshake);
    dial->handshake = NULL;
    dial_failed(dial, strerror(ETIMEDOUT));
}

static void on_dial_proven(void *arg, int fd, const uint8_t *hello, const char *reason)
{
    struct dial *dial = arg;
    (void)hello;
    dial->handshake = NULL;
    if (fd < 0)
        dial_failed(dial, reason);
    else
        dial_end(dial, fd);
}

static void on_dial_connected(void *arg, int events)
{
    struct dial *dial = arg;
    int problem = 0, on = 1, fd = dial->fd;
    socklen_t length = sizeof problem;
    (void)events;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length);
    if (problem) {
        dial_failed(dial, strerror(problem));
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    loop_watch_destroy(dial->watch);
    dial->watch = NULL;
    dial->fd = -1;
    dial->handshake = handshake_start(dial->loop, fd, dial->options.secret, dial->options.purpose,
                                      dial->options.hello, dial->limit_ms, on_dial_proven, dial);
    if (!dial->handshake)
        dial_failed(dial, strerror(ENOMEM));
}

static void dial_next(struct dial *dial)
{
    struct sockaddr_storage address;
    socklen_t length;
    if (dial->tried >= dial->count) {
        dial_end(dial, -1);
        return;
    }
    const char *text = dial_address(dial, dial->tried++);
    if (!text || !address_parse(text, &address, &length)) {
        dial_failed(dial, "it is no address");
        return;
    }
    dial->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dial->fd < 0 ||
        (connect(dial->fd, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS)) {
        dial_failed(dial, strerror(errno));
        return;
    }
    dial->watch = loop_watch_create(dial->loop, dial->fd, on_dial_connected, dial);
    if (!dial->watch) {
        dial_failed(dial, strerror(ENOMEM));
        return;
    }
    loop_watch_set(dial->watch, LOOP_WRITE);
    loop_timer_start(dial->limit, dial->limit_ms);
}

struct dial *dial_start(struct loop *loop, const struct dial_options *options, dial_done_fn *done,
                        void *arg)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (!dial)
        return NULL;
    *dial = (struct dial){.loop = loop, .options = *options, .done = done, .arg = arg, .fd = -1};
    while (dial_address(dial, dial->count))
        dial->count++;
    if (dial->count == 0)
        snprintf(dial->what_happened, sizeof dial->what_happened,
                 "it offers no address that another host can reach");
    dial->limit_ms = options->timeout_ms / (dial->count ? dial->count : 1) + 1;
    dial->limit = loop_timer_create(loop, on_dial_timer, dial);
    if (!dial->limit) {
        dial_free(dial);
        return NULL;
    }
    loop_timer_start(dial->limit, 0);
    return dial;
}

void dial_cancel(struct dial *dial)
{
    if (dial)
        dial_free(dial);
}

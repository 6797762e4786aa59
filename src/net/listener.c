// SPDX-License-Identifier: BSD-3-Clause
//
// The listener: see listener.h. When its table of unproven connections is full it stops accepting;
// the next one leaves by its time limit at the latest.
#include "config.h"

#include "net/listener.h"

#include "base/base.h"
#include "net/acceptor.h"
#include "net/handshake.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct pending {
    struct listener *listener; // borrowed
    struct handshake *handshake;
};

struct listener {
    struct loop *loop; // borrowed
    struct acceptor *acceptor;
    void (*on_peer)(void *arg, int fd, const uint8_t *hello);
    void *arg;
    const char *purpose;
    uint8_t secret[AUTH_SECRET_BYTES];
    struct pending pending[LISTENER_PENDING];
};

static struct pending *free_place(struct listener *listener)
{
    for (size_t i = 0; i < LISTENER_PENDING; i++)
        if (!listener->pending[i].handshake)
            return &listener->pending[i];
    return NULL;
}

static void on_proven(void *arg, int fd, const uint8_t *hello, const char *reason)
{
    struct pending *pending = arg;
    struct listener *listener = pending->listener;
    pending->handshake = NULL;
    acceptor_set(listener->acceptor, true);
    if (fd >= 0)
        listener->on_peer(listener->arg, fd, hello);
    else
        log_debug("refused a connection, reason %s", reason);
}

static void on_connection(void *arg, int fd)
{
    struct listener *listener = arg;
    struct pending *pending = free_place(listener); // there is one, or we would not accept
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pending->handshake = handshake_start(listener->loop, fd, listener->secret, listener->purpose,
                                         NULL, LISTENER_TIMEOUT_MS, on_proven, pending);
    if (!free_place(listener))
        acceptor_set(listener->acceptor, false);
}

struct listener *listener_create(struct loop *loop, int fd, const uint8_t *secret,
                                 const char *purpose,
                                 void (*on_peer)(void *arg, int fd, const uint8_t *hello),
                                 void *arg)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        close(fd);
        return NULL;
    }
    *listener = (struct listener){.loop = loop, .on_peer = on_peer, .arg = arg, .purpose = purpose};
    memcpy(listener->secret, secret, AUTH_SECRET_BYTES);
    for (size_t i = 0; i < LISTENER_PENDING; i++)
        listener->pending[i].listener = listener;
    listener->acceptor = acceptor_create(loop, fd, on_connection, listener);
    if (!listener->acceptor) {
        listener_destroy(listener);
        return NULL;
    }
    return listener;
}

void listener_destroy(struct listener *listener)
{
    if (!listener)
        return;
    for (size_t i = 0; i < LISTENER_PENDING; i++)
        handshake_cancel(listener->pending[i].handshake);
    acceptor_destroy(listener->acceptor);
    free(listener);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// One handshake: the client sends, receives, sends; the server receives, sends, receives. Each
// message is smaller than any socket buffer, so a send that does not go out whole is a broken peer.
#include "config.h"

#include "net/handshake.h"

#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct handshake {
    struct auth auth;
    struct loop_watch *watch;
    struct loop_timer *limit;
    handshake_done_fn *done;
    void *arg;
    uint8_t hello[AUTH_HELLO_BYTES];
    uint8_t in[AUTH_ANSWER_BYTES]; // the largest message
    size_t in_length, in_wanted;
    int fd;
    bool client;
    bool challenged; // the server's first message has gone out
};

static void handshake_free(struct handshake *handshake)
{
    loop_watch_destroy(handshake->watch);
    loop_timer_destroy(handshake->limit);
    if (handshake->fd >= 0)
        close(handshake->fd);
    auth_fini(&handshake->auth);
    free(handshake);
}

static void handshake_end(struct handshake *handshake, const char *reason)
{
    int fd = -1;
    uint8_t hello[AUTH_HELLO_BYTES];
    handshake_done_fn *done = handshake->done;
    void *arg = handshake->arg;
    memcpy(hello, handshake->hello, sizeof hello);
    if (!reason) {
        fd = handshake->fd;
        handshake->fd = -1;
    }
    handshake_free(handshake);
    done(arg, fd, hello, reason);
}

static bool send_whole(struct handshake *handshake, const void *data, size_t length)
{
    return send(handshake->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length;
}

// A whole message is in. Ends the handshake, or leaves it waiting for the next one.
static void handshake_step(struct handshake *handshake)
{
    struct auth *auth = &handshake->auth;
    if (handshake->client) {
        uint8_t response[AUTH_RESPONSE_BYTES];
        if (!auth_client_respond(auth, handshake->in, handshake->hello, response))
            handshake_end(handshake, "it does not know this runtime's secret");
        else
            handshake_end(handshake, send_whole(handshake, response, sizeof response)
                                         ? NULL
                                         : "it closed the connection");
        return;
    }
    if (!handshake->challenged) {
        uint8_t answer[AUTH_ANSWER_BYTES];
        auth_server_answer(auth, handshake->in, answer);
        handshake->challenged = true;
        handshake->in_length = 0;
        handshake->in_wanted = AUTH_RESPONSE_BYTES;
        if (!send_whole(handshake, answer, sizeof answer))
            handshake_end(handshake, "it closed the connection");
        return;
    }
    bool known = auth_server_check(auth, handshake->in, handshake->hello);
    handshake_end(handshake, known ? NULL : "it does not know this runtime's secret");
}

static void on_handshake_ready(void *arg, int events)
{
    struct handshake *handshake = arg;
    (void)events;
    ssize_t got = recv(handshake->fd, handshake->in + handshake->in_length,
                       handshake->in_wanted - handshake->in_length, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        handshake_end(handshake, got == 0 ? "it closed the connection" : strerror(errno));
        return;
    }
    handshake->in_length += (size_t)got;
    if (handshake->in_length == handshake->in_wanted)
        handshake_step(handshake);
}

static void on_handshake_limit(void *arg)
{
    handshake_end(arg, "it did not answer in time");
}

struct handshake *handshake_start(struct loop *loop, int fd, const uint8_t *secret,
                                  const char *purpose, const uint8_t *hello, uint64_t timeout_ms,
                                  handshake_done_fn *done, void *arg)
{
    struct handshake *handshake = calloc(1, sizeof *handshake);
    if (!handshake) {
        close(fd);
        return NULL;
    }
    auth_start(&handshake->auth, secret, purpose);
    handshake->fd = fd;
    handshake->done = done;
    handshake->arg = arg;
    handshake->client = hello != NULL;
    handshake->in_wanted = hello ? AUTH_ANSWER_BYTES : AUTH_CHALLENGE_BYTES;
    handshake->watch = loop_watch_create(loop, fd, on_handshake_ready, handshake);
    handshake->limit = loop_timer_create(loop, on_handshake_limit, handshake);
    if (!handshake->watch || !handshake->limit) {
        handshake_free(handshake);
        return NULL;
    }
    if (hello) {
        uint8_t challenge[AUTH_CHALLENGE_BYTES];
        memcpy(handshake->hello, hello, AUTH_HELLO_BYTES);
        auth_client_challenge(&handshake->auth, challenge);
        // A failure shows as the end of the connection when we read.
        send_whole(handshake, challenge, sizeof challenge);
    }
    loop_watch_set(handshake->watch, LOOP_READ);
    loop_timer_start(handshake->limit, timeout_ms);
    return handshake;
}

void handshake_cancel(struct handshake *handshake)
{
    if (handshake)
        handshake_free(handshake);
}

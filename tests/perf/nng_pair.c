// SPDX-License-Identifier: BSD-3-Clause
//
// nng as the peer of dragon-bench channel: see pair.h. Pair sockets for latency, push and pull for rates.
#include "config.h"

#include "tests/perf/pair.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

enum { QUEUE = 128 };

static void check(int code, const char *what)
{
    if (code != 0)
        pair_die(what, nng_strerror(code));
}

// It has no queues but for pairs and pushes; those who have none say so.
static nng_socket open_socket(const struct pair *pair, int (*open_rate)(nng_socket *socket))
{
    nng_socket socket;
    check(pair->latency ? nng_pair0_open(&socket) : open_rate(&socket), "nng_open");
    nng_socket_set_int(socket, NNG_OPT_SENDBUF, QUEUE);
    nng_socket_set_int(socket, NNG_OPT_RECVBUF, QUEUE);
    return socket;
}

static void send_one(const struct pair *pair, nng_socket socket)
{
    check(nng_send(socket, pair->buffer, pair->bytes, 0), "nng_send");
}

static void receive_one(const struct pair *pair, nng_socket socket)
{
    size_t bytes = pair->bytes;
    check(nng_recv(socket, pair->buffer, &bytes, 0), "nng_recv");
}

static void drive(const struct pair *pair, nng_socket socket, long turns)
{
    for (long i = 0; i < turns; i++) {
        if (pair->latency)
            send_one(pair, socket);
        receive_one(pair, socket);
    }
}

static double bind_side(struct pair *pair)
{
    nng_listener listener;
    int port = 0;
    char url[sizeof pair->url];
    nng_socket socket = open_socket(pair, nng_pull0_open);
    check(nng_listen(socket, pair->tcp ? "tcp://127.0.0.1:0" : pair->url, &listener, 0),
          "nng_listen");
    if (pair->tcp)
        check(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), "the bound port");
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
    pair_tell(pair, pair->tcp ? url : pair->url);
    drive(pair, socket, pair->count / PAIR_WARM + 1);
    double begin = pair_now();
    drive(pair, socket, pair->count);
    double end = pair_now();
    pair_tell(pair, "over"); // closing drops what is on its way
    nng_close(socket);
    return pair_result(pair, begin, end);
}

static void connect_side(struct pair *pair)
{
    char url[sizeof pair->url];
    nng_socket socket = open_socket(pair, nng_push0_open);
    pair_hear(pair, url, sizeof url);
    check(nng_dial(socket, url, NULL, 0), "nng_dial");
    for (long i = 0; i < pair->count + pair->count / PAIR_WARM + 1; i++) {
        if (pair->latency)
            receive_one(pair, socket);
        send_one(pair, socket);
    }
    pair_hear(pair, url, sizeof url);
    nng_close(socket);
}

int main(int argc, char **argv)
{
    return pair_main(argc, argv, bind_side, connect_side);
}

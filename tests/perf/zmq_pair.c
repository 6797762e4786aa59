// SPDX-License-Identifier: BSD-3-Clause
//
// ZeroMQ as the peer of dragon-bench channel: see pair.h. Rates are those of PUSH and PULL, with queues long enough for
// its batches, taken by the receiver from the first message on.
#include "config.h"

#include "tests/perf/pair.h"

#include <zmq.h>

enum { QUEUE_BYTES = 64 << 20, QUEUE_MOST = 100000 };

static void check(bool good, const char *what)
{
    if (!good)
        pair_die(what, zmq_strerror(zmq_errno()));
}

static void *open_socket(const struct pair *pair, void *context, int kind)
{
    void *socket = zmq_socket(context, pair->latency ? ZMQ_PAIR : kind);
    size_t fit = QUEUE_BYTES / (pair->bytes + 64);
    int most = fit < QUEUE_MOST ? (int)fit : QUEUE_MOST;
    check(socket && zmq_setsockopt(socket, ZMQ_SNDHWM, &most, sizeof most) == 0 &&
              zmq_setsockopt(socket, ZMQ_RCVHWM, &most, sizeof most) == 0,
          "zmq_socket");
    return socket;
}

static void send_one(const struct pair *pair, void *socket)
{
    check(zmq_send(socket, pair->buffer, pair->bytes, 0) >= 0, "zmq_send");
}

static void receive_one(const struct pair *pair, void *socket)
{
    check(zmq_recv(socket, pair->buffer, pair->bytes, 0) == (int)pair->bytes, "zmq_recv");
}

static void drive(const struct pair *pair, void *socket, long turns)
{
    for (long i = 0; i < turns; i++) {
        if (pair->latency)
            send_one(pair, socket);
        receive_one(pair, socket);
    }
}

static double bind_side(struct pair *pair)
{
    char url[sizeof pair->url];
    size_t length = sizeof url;
    void *context = zmq_ctx_new(), *socket = open_socket(pair, context, ZMQ_PULL);
    check(zmq_bind(socket, pair->tcp ? "tcp://127.0.0.1:*" : pair->url) == 0, "zmq_bind");
    check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, url, &length) == 0, "zmq_getsockopt");
    pair_tell(pair, url);
    drive(pair, socket, pair->count / PAIR_WARM + 1);
    double begin = pair_now();
    drive(pair, socket, pair->count);
    double end = pair_now();
    zmq_close(socket);
    zmq_ctx_term(context);
    return pair_result(pair, begin, end);
}

static void connect_side(struct pair *pair)
{
    char url[sizeof pair->url];
    void *context = zmq_ctx_new(), *socket = open_socket(pair, context, ZMQ_PUSH);
    pair_hear(pair, url, sizeof url);
    check(zmq_connect(socket, url) == 0, "zmq_connect");
    for (long i = 0; i < pair->count + pair->count / PAIR_WARM + 1; i++) {
        if (pair->latency)
            receive_one(pair, socket);
        send_one(pair, socket);
    }
    zmq_close(socket);
    zmq_ctx_term(context);
}

int main(int argc, char **argv)
{
    return pair_main(argc, argv, bind_side, connect_side);
}

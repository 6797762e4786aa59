// SPDX-License-Identifier: BSD-3-Clause
//
// What a data port does, to be put beside ucx_perftest -t ucp_am_lat and ucp_am_bw:
//
//     data_port serve FILE &            writes its address to FILE
//     data_port [-s] lat|bw FILE BYTES COUNT [WINDOW]
//
// lat: half of a round trip in microseconds; bw: MiB/s with WINDOW messages under way. -s (for both): sleep in between,
// instead of looking all the time. Every payload ends up in a buffer of the receiver, also when ucx_perftest would leave
// it where it came in.
#include "config.h"

#include "net/data.h"

#include <poll.h>
#include <unistd.h>

enum { LAT = 1, BW, LAST, ANSWER, BYE };

static struct {
    struct data_port *port;
    struct data_peer *server;
    bool sleeping, over;
    uint8_t *buffer;
    size_t room;
    unsigned long sent, answers, receiving;
    uint8_t answer_to;
    struct data_peer *answer_peer;
} the;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "data_port: %s: %s\n", what, why);
    exit(1);
}

static void turn(void)
{
    if (data_port_progress(the.port) || !the.sleeping)
        return;
    if (!data_port_arm(the.port))
        return;
    struct pollfd poll_fd = {.fd = data_port_fd(the.port), .events = POLLIN};
    poll(&poll_fd, 1, 1000);
}

static void on_sent(void *arg, dragon_err_t err)
{
    (void)arg;
    if (err)
        fail("send", dragon_err_text(err));
    the.sent++;
}

static void send_to(struct data_peer *peer, uint8_t type, size_t bytes)
{
    dragon_err_t err = bytes <= DATA_COPIED
                           ? data_send(peer, type, NULL, 0, the.buffer, bytes, NULL, NULL)
                           : data_send(peer, type, NULL, 0, the.buffer, bytes, on_sent, NULL);
    if (err)
        fail("send", dragon_err_text(err));
    if (bytes <= DATA_COPIED)
        the.sent++;
}

static void answer(struct data_peer *peer, uint8_t type, size_t bytes)
{
    if (type == LAT)
        send_to(peer, ANSWER, bytes);
    else if (type == LAST)
        send_to(peer, ANSWER, 0);
    else if (type == ANSWER)
        the.answers++;
}

struct incoming {
    struct data_peer *peer;
    uint8_t type;
    size_t bytes;
};

static void on_received(void *arg, dragon_err_t err)
{
    struct incoming *incoming = arg;
    if (err)
        fail("receive", dragon_err_text(err));
    answer(incoming->peer, incoming->type, incoming->bytes);
    free(incoming);
}

static void on_message(void *arg, struct data_peer *peer, uint8_t type,
                       struct data_message *message)
{
    (void)arg;
    if (message->bytes > the.room) {
        free(the.buffer);
        the.room = message->bytes;
        the.buffer = malloc(the.room);
        memset(the.buffer, 1, the.room);
    }
    if (message->incoming) {
        struct incoming *incoming = malloc(sizeof *incoming);
        *incoming = (struct incoming){.peer = peer, .type = type, .bytes = message->bytes};
        data_receive(the.port, message->incoming, the.buffer, message->bytes, on_received,
                     incoming);
        return;
    }
    if (message->bytes)
        memcpy(the.buffer, message->data, message->bytes);
    answer(peer, type, message->bytes);
}

static void on_lost(void *arg, struct data_peer *peer)
{
    (void)arg;
    if (peer == the.server)
        fail("server", "is gone");
    data_peer_close(peer, false);
}

static void serve(const char *path)
{
    size_t length;
    const void *address = data_port_address(the.port, &length);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(address, 1, length, file) != length || fclose(file))
        fail(path, "cannot be written");
    for (;;)
        turn();
}

static void connect_to(const char *path)
{
    uint8_t address[16384];
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path, "cannot be read");
    size_t length = fread(address, 1, sizeof address, file);
    fclose(file);
    dragon_error_t error;
    if (data_peer_connect(the.port, address, length, NULL, &the.server, &error))
        fail("connect", error.text);
}

static double run_lat(size_t bytes, unsigned long count)
{
    uint64_t start = time_now_ns();
    for (unsigned long i = 0; i < count; i++) {
        unsigned long want = the.answers + 1;
        send_to(the.server, LAT, bytes);
        while (the.answers < want)
            turn();
    }
    return (double)(time_now_ns() - start) / 2000.0 / (double)count;
}

static double run_bw(size_t bytes, unsigned long count, unsigned long window)
{
    uint64_t start = time_now_ns();
    unsigned long want = the.answers + 1, begun = the.sent;
    for (unsigned long i = 0; i < count; i++) {
        while (begun + i - the.sent >= window)
            turn();
        send_to(the.server, i + 1 == count ? LAST : BW, bytes);
        if (i % 16 == 0)
            data_port_progress(the.port);
    }
    while (the.answers < want)
        turn();
    double seconds = (double)(time_now_ns() - start) / 1e9;
    return (double)count * (double)bytes / seconds / 1048576;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "-s")) {
        the.sleeping = true;
        argv++, argc--;
    }
    bool serves = argc == 3 && !strcmp(argv[1], "serve");
    if (!serves && argc < 5)
        fail("usage",
             "data_port [-s] serve FILE | lat FILE BYTES COUNT | bw FILE BYTES COUNT [WINDOW]");
    dragon_error_t error;
    static const struct data_handler handler = {.on_message = on_message, .on_lost = on_lost};
    if (data_port_create(&handler, NULL, &the.port, &error))
        fail("port", error.text);
    if (serves)
        serve(argv[2]);
    connect_to(argv[2]);
    size_t bytes = strtoul(argv[3], NULL, 10);
    unsigned long count = strtoul(argv[4], NULL, 10);
    unsigned long window = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;
    the.room = bytes ? bytes : 1;
    the.buffer = malloc(the.room);
    memset(the.buffer, 1, the.room);
    if (!strcmp(argv[1], "lat")) {
        run_lat(bytes, count / 10 + 1);
        printf("%.3f\n", run_lat(bytes, count));
    } else {
        run_bw(bytes, count / 10 + 1, window);
        printf("%.1f\n", run_bw(bytes, count, window));
    }
    data_port_destroy(the.port);
    free(the.buffer);
    return 0;
}

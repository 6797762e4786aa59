// SPDX-License-Identifier: BSD-3-Clause
//
// One turn: what the network has, then what waited and may go on. After a turn with something to do it looks again for
// some microseconds, since an answer often brings the next question, if there is another core; then it sleeps in poll
// until the network, a bell or the keeper has something. An idle transport uses no time at all.
#include "config.h"

#include "transport/transport.h"

#include "chan/serve.h"
#include "mem/space.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

enum {
    LOOK_NS = 50000,         // a few times what sleeping and waking cost
    LOOK_AT_KEEPER_MS = 100, // while there is always something to do
    // With somebody waiting, so that whatever is lost does not hold him up for ever.
    SLEEP_MOST_MS = 10000,
};

struct transport {
    struct space *space;
    struct data_port *port;
    struct serve *serve;
    struct waiter waiter;
    bool one_core;
};

static void on_message(void *arg, struct data_peer *peer, uint8_t type,
                       struct data_message *message)
{
    struct transport *transport = arg;
    serve_on_message(transport->serve, peer, type, message);
}

static void on_lost(void *arg, struct data_peer *peer)
{
    struct transport *transport = arg;
    serve_on_lost(transport->serve, peer);
}

static dragon_err_t tell_address(struct transport *transport, dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    size_t length;
    const void *address = data_port_address(transport->port, &length);
    pack_u64(&body, 0);
    pack_bytes(&body, address, length);
    dragon_err_t err =
        space_ask(transport->space, KC_SERVE, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, error);
    return err;
}

dragon_err_t transport_create(const char *agent_path, struct transport **transport_out,
                              dragon_error_t *error)
{
    static const struct data_handler handler = {.on_message = on_message, .on_lost = on_lost};
    struct transport *transport = calloc(1, sizeof *transport);
    if (!transport)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    cpu_set_t cores;
    transport->one_core = sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) == 1;
    dragon_err_t err = space_attach(agent_path, ROLE_TRANSPORT, &transport->space, error);
    if (err == DRAGON_OK)
        err = data_port_create(&handler, transport, &transport->port, error);
    if (err == DRAGON_OK) {
        transport->waiter = (struct waiter){.space = transport->space, .port = transport->port};
        struct serve_options options = {.waiter = &transport->waiter, .all = true};
        transport->serve = serve_create(&options);
        if (!transport->serve)
            err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    if (err == DRAGON_OK)
        err = tell_address(transport, error);
    if (err != DRAGON_OK) {
        transport_destroy(transport);
        return err;
    }
    *transport_out = transport;
    return DRAGON_OK;
}

void transport_destroy(struct transport *transport)
{
    if (!transport)
        return;
    serve_destroy(transport->serve);
    data_port_destroy(transport->port);
    space_detach(transport->space);
    free(transport);
}

static void sleep_in_poll(struct transport *transport, uint32_t seen)
{
    struct space *space = transport->space;
    int64_t ns = serve_sleep_ns(transport->serve);
    if (ns < 0 && serve_parked(transport->serve))
        ns = SLEEP_MOST_MS * INT64_C(1000000);
    if (bell_sleep_fd(space->own, seen) && data_port_arm(transport->port)) {
        struct pollfd fds[] = {
            {.fd = data_port_fd(transport->port), .events = POLLIN},
            {.fd = space->bell_fd, .events = POLLIN},
            {.fd = space->keeper_fd, .events = POLLRDHUP},
        };
        struct timespec most = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        uint64_t rings;
        if (ppoll(fds, 3, ns < 0 ? NULL : &most, NULL) > 0 && (fds[1].revents & POLLIN) &&
            read(space->bell_fd, &rings, sizeof rings) < 0)
            log_debug("bell read %m");
    }
    bell_awake(space->own);
}

// Nothing to do just now: into the waitsets, one look more, and then to sleep.
static void rest(struct transport *transport)
{
    uint32_t seen = bell_seen(transport->space->own);
    serve_enter(transport->serve);
    if (!serve_turn(transport->serve))
        sleep_in_poll(transport, seen);
    serve_leave(transport->serve);
}

void transport_run(struct transport *transport)
{
    uint64_t busy_ns = time_now_ns(), looked_ms = 0;
    while (!space_ended(transport->space, false)) {
        unsigned work = data_port_progress(transport->port);
        if (serve_turn(transport->serve))
            work++;
        uint64_t now_ns = time_now_ns();
        if (work > 0)
            busy_ns = now_ns;
        if (now_ns / 1000000 - looked_ms > LOOK_AT_KEEPER_MS) {
            looked_ms = now_ns / 1000000;
            if (space_ended(transport->space, true))
                return;
        }
        if (work == 0 && (transport->one_core || now_ns - busy_ns > LOOK_NS))
            rest(transport);
    }
}

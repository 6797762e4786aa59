// SPDX-License-Identifier: BSD-3-Clause
//
// A port: a UCX context and worker of its own, how they are configured, and the order of one turn.
#include "config.h"

#include "net/data_internal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>

// What is set for UCX unless the environment says something about it.
static const struct setting {
    const char *name;  // the environment's has UCX_ before it
    const char *plain; // what ucp_config_modify wants before UCX 1.17; NULL: the same
    const char *value;
    enum { USUALLY, WITHOUT_RDMA, ALWAYS } when;
} settings[] = {
    // A port is for other nodes; within one there is shared memory of our own.
    {"TLS", NULL, "^shm", USUALLY},
    // A host that does not answer must not hold us up.
    {"TCP_CONN_NB", "CONN_NB", "y", USUALLY},
    // A connection does without UCX's greetings until both sides know that it stands, see data_peer.c.
    {"RESOLVE_REMOTE_EP_ID", NULL, "n", WITHOUT_RDMA},
    // Up to 256 KiB, and its header, a copy more is cheaper than to ask the receiver first, and a message arrives also
    // when its sender does something else. With RDMA UCX knows better.
    {"RNDV_THRESH", NULL, "264K", WITHOUT_RDMA},
    // A message of 64 KiB is one segment. Whatever the environment says: a sender whose segments are larger than its
    // receiver's makes UCX write beyond its buffers.
    {"TCP_RX_SEG_SIZE", "RX_SEG_SIZE", "96K", ALWAYS},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static void apply_setting(const struct data_ucx *ucx, ucp_config_t *config,
                          const struct setting *setting)
{
    char variable[64];
    snprintf(variable, sizeof variable, "UCX_%s", setting->name);
    if (setting->when != ALWAYS && getenv(variable))
        return;
    if (setting->when == WITHOUT_RDMA && data_has_rdma())
        return;
    unsigned major, minor, release;
    ucx->ucp_get_version(&major, &minor, &release);
    bool is_plain = setting->plain && major == 1 && minor < 17;
    ucx->ucp_config_modify(config, is_plain ? setting->plain : setting->name, setting->value);
}

enum { ADDRESS_MOST = 4096 };

static dragon_err_t make_address(struct data_port *port, dragon_error_t *error)
{
    ucp_address_t *inner;
    size_t length;
    ucs_status_t status = port->ucx->ucp_worker_get_address(port->worker, &inner, &length);
    if (status != UCS_OK)
        return err_set(error, data_err(status), "UCX gives no address: %s",
                       port->ucx->ucs_status_string(status));
    bool is_made = address_make(&port->address, port->ucx, port->id, inner, length);
    port->ucx->ucp_worker_release_address(port->worker, inner);
    if (!is_made)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    // It goes in one piece when we connect.
    if (port->address.length > ADDRESS_MOST)
        return err_set(
            error, DRAGON_ERR_UNSUPPORTED,
            "UCX has so many networks here that their addresses take %zu bytes, more than %d: "
            "name those to use in UCX_NET_DEVICES",
            port->address.length, ADDRESS_MOST);
    return DRAGON_OK;
}

static dragon_err_t make_context(struct data_port *port, dragon_error_t *error)
{
    const struct data_ucx *ucx = port->ucx;
    ucp_config_t *config;
    ucs_status_t status = ucx->ucp_config_read(NULL, NULL, &config);
    if (status != UCS_OK)
        return err_set(error, data_err(status),
                       "UCX cannot read its settings (%s): look at the UCX_ variables of the "
                       "environment",
                       ucx->ucs_status_string(status));
    for (size_t i = 0; i < SETTINGS; i++)
        apply_setting(ucx, config, &settings[i]);
    ucp_params_t params = {.field_mask = UCP_PARAM_FIELD_FEATURES,
                           .features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP};
    status = ucx->ucp_init_version(UCP_API_MAJOR, UCP_API_MINOR, &params, config, &port->context);
    ucx->ucp_config_release(config);
    if (status != UCS_OK) {
        port->context = NULL;
        return err_set(error, data_err(status),
                       "UCX finds no network it can use (%s): see what \"ucx_info -d\" lists, and "
                       "whether UCX_TLS or UCX_NET_DEVICES leave something out",
                       ucx->ucs_status_string(status));
    }
    return DRAGON_OK;
}

static dragon_err_t make_worker(struct data_port *port, dragon_error_t *error)
{
    const struct data_ucx *ucx = port->ucx;
    ucp_worker_params_t params = {.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
                                  .thread_mode = UCS_THREAD_MODE_SINGLE};
    ucs_status_t status = ucx->ucp_worker_create(port->context, &params, &port->worker);
    if (status != UCS_OK) {
        port->worker = NULL;
        return err_set(error, data_err(status), "UCX cannot use the network: %s",
                       ucx->ucs_status_string(status));
    }
    status = ucx->ucp_worker_get_efd(port->worker, &port->fd);
    if (status != UCS_OK)
        return err_set(error, data_err(status), "UCX cannot wake up a process that sleeps: %s",
                       ucx->ucs_status_string(status));
    // From the last, so that the table grows once.
    for (unsigned id = MESSAGE_IDS; id-- > 0;) {
        port->handler_args[id] = (struct data_handler_arg){.port = port, .id = id};
        ucp_am_handler_param_t handler = {
            .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
                          UCP_AM_HANDLER_PARAM_FIELD_ARG,
            .id = id,
            .cb = message_arrived,
            .arg = &port->handler_args[id],
        };
        status = ucx->ucp_worker_set_am_recv_handler(port->worker, &handler);
        if (status != UCS_OK)
            return err_set(error, data_err(status), "UCX takes no handler: %s",
                           ucx->ucs_status_string(status));
    }
    return DRAGON_OK;
}

// UCX has a thread that accepts connections: the program's signals are not its business.
static dragon_err_t open_ucx(struct data_port *port, dragon_error_t *error)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    data_hush();
    sockets_before(&port->sockets);
    dragon_err_t err = make_context(port, error);
    if (!err)
        err = make_worker(port, error);
    sockets_after(&port->sockets);
    data_unhush();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err;
}

dragon_err_t data_port_create(const struct data_handler *handler, void *arg,
                              struct data_port **port_out, dragon_error_t *error)
{
    const struct data_ucx *ucx = data_load(error);
    if (!ucx)
        return DRAGON_ERR_UNSUPPORTED;
    struct data_port *port = calloc(1, sizeof *port);
    if (!port)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    port->ucx = ucx;
    port->has_rdma = data_has_rdma();
    port->handler = *handler;
    port->handler_arg = arg;
    port->done_end = &port->done;
    dragon_err_t err = DRAGON_OK;
    if (getrandom(&port->id, sizeof port->id, 0) != sizeof port->id)
        err =
            err_set(error, DRAGON_ERR_SYS, "the system gives no random bytes: %s", strerror(errno));
    if (!err)
        err = open_ucx(port, error);
    if (!err)
        err = make_address(port, error);
    if (err) {
        data_port_destroy(port);
        return err;
    }
    *port_out = port;
    return DRAGON_OK;
}

static void turn_until_empty(struct data_port *port, uint64_t moment_ms)
{
    uint64_t deadline = time_now_ms() + moment_ms;
    while (port->peers && time_now_ms() < deadline) {
        if (data_port_progress(port) || !data_port_arm(port))
            continue;
        struct pollfd poll_fd = {.fd = port->fd, .events = POLLIN};
        poll(&poll_fd, 1, time_left_ms(deadline));
    }
}

// What was sent goes and the others are told, as far as they answer within a moment; then the connections are cut.
static void close_peers(struct data_port *port)
{
    enum { PARTING_MS = 500, CUTTING_MS = 100 };
    port->ending = true;
    for (struct data_peer *peer = port->peers; peer; peer = peer->next)
        data_peer_close(peer, true);
    turn_until_empty(port, PARTING_MS);
    for (struct data_peer *peer = port->peers; peer; peer = peer->next)
        if (peer->state != PEER_CUT)
            peer_set_state(peer, PEER_BROKEN);
    turn_until_empty(port, CUTTING_MS);
}

void data_port_destroy(struct data_port *port)
{
    if (!port)
        return;
    if (port->worker) {
        close_peers(port);
        port->ucx->ucp_worker_destroy(port->worker);
    }
    while (port->peers) // UCX has nothing of them any more
        peer_end(port->peers);
    if (port->context)
        port->ucx->ucp_cleanup(port->context);
    peers_forget(port);
    requests_free(port);
    sockets_fini(&port->sockets);
    pack_fini(&port->address);
    free(port);
}

const void *data_port_address(const struct data_port *port, size_t *length_out)
{
    *length_out = port->address.length;
    return port->address.data;
}

static unsigned settle_peers(struct data_port *port)
{
    unsigned count = 0;
    struct data_peer *peer;
    while ((peer = port->touched)) {
        port->touched = peer->next_touched;
        peer->is_touched = false;
        peer_settle(peer);
        count++;
    }
    return count;
}

static unsigned try_held(struct data_port *port)
{
    unsigned count = 0;
    for (struct data_peer *peer = port->peers; peer; peer = peer->next)
        if (peer->held && !peer->is_ready && peer->endpoint)
            count += message_try_held(peer);
    return count;
}

unsigned data_port_progress(struct data_port *port)
{
    enum { TURNS_A_CHECK = 1 << 16 };
    unsigned count = port->ucx->ucp_worker_progress(port->worker);
    if (port->held)
        count += try_held(port);
    if (port->done) {
        requests_tell(port);
        count++;
    }
    if (port->next_cut_ms)
        peers_cut(port);
    if (port->touched)
        count += settle_peers(port);
    port->is_busy = count > 0;
    if (!count && ++port->idle_turns % TURNS_A_CHECK == 0)
        sockets_check(&port->sockets);
    return count;
}

int data_port_fd(const struct data_port *port)
{
    return port->fd;
}

bool data_port_arm(struct data_port *port)
{
    // UCX may not wake us for what it has begun: only a turn that found nothing may be followed by sleep.
    if (port->is_busy || port->done || port->touched)
        return false;
    sockets_check(&port->sockets);
    return port->ucx->ucp_worker_arm(port->worker) == UCS_OK;
}

uint64_t data_port_due_ms(const struct data_port *port)
{
    return port->next_cut_ms;
}

bool data_port_idle(const struct data_port *port)
{
    return !port->unfinished;
}

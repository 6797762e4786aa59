// SPDX-License-Identifier: BSD-3-Clause
//
// A port: a UCX context and worker of its own, how they are configured, and the order of one turn.
#include "config.h"

#include "net/data_internal.h"

#include <unistd.h>

// What is set for UCX unless the environment says something about it.
static const struct {
    const char *name, *value;
} settings[] = {
    {"TLS", "^posix,sysv,cma,xpmem,knem"}, // a port is for other nodes
    // Up to here a payload goes with its message: it arrives also when its sender does something else, and over TCP with
    // less work than in three steps.
    {"RNDV_THRESH", "528k"},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

enum { ADDRESS_MAGIC = 0x64706f72, ADDRESS_HEAD = 12, ADDRESS_LIMIT = 16384 };

static uint32_t checksum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

// An address is ours around UCX's, because UCX believes what it is given: magic, checksum and length (u32 each),
// little-endian.
bool address_check(const void *address, size_t length, const ucp_address_t **inner_out,
                   dragon_error_t *error)
{
    const uint8_t *bytes = (const uint8_t *)address;
    if (length <= ADDRESS_HEAD || length > ADDRESS_LIMIT || get_u32(bytes) != ADDRESS_MAGIC ||
        get_u32(bytes + 8) != length - ADDRESS_HEAD ||
        get_u32(bytes + 4) != checksum(bytes + ADDRESS_HEAD, length - ADDRESS_HEAD)) {
        err_set(error, DRAGON_ERR_INVAL, "%zu bytes that are no address of a data port", length);
        return false;
    }
    *inner_out = (const ucp_address_t *)(bytes + ADDRESS_HEAD);
    return true;
}

static dragon_err_t make_address(struct data_port *port, dragon_error_t *error)
{
    ucp_address_t *inner;
    size_t length;
    ucs_status_t status = port->ucx->ucp_worker_get_address(port->worker, &inner, &length);
    if (status != UCS_OK)
        return err_set(error, data_err(status), "UCX gives no address: %s",
                       port->ucx->ucs_status_string(status));
    if ((port->address = malloc(ADDRESS_HEAD + length))) {
        port->address_bytes = ADDRESS_HEAD + length;
        put_u32(port->address, ADDRESS_MAGIC);
        put_u32(port->address + 4, checksum((const uint8_t *)inner, length));
        put_u32(port->address + 8, (uint32_t)length);
        memcpy(port->address + ADDRESS_HEAD, inner, length);
    }
    port->ucx->ucp_worker_release_address(port->worker, inner);
    return port->address ? DRAGON_OK : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
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
    for (size_t i = 0; i < SETTINGS; i++) {
        char variable[64];
        snprintf(variable, sizeof variable, "UCX_%s", settings[i].name);
        if (!getenv(variable))
            ucx->ucp_config_modify(config, settings[i].name, settings[i].value);
    }
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
        port->args[id] = (struct data_handler_arg){.port = port, .id = id};
        ucp_am_handler_param_t handler = {
            .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
                          UCP_AM_HANDLER_PARAM_FIELD_ARG,
            .id = id,
            .cb = message_arrived,
            .arg = &port->args[id],
        };
        status = ucx->ucp_worker_set_am_recv_handler(port->worker, &handler);
        if (status != UCS_OK)
            return err_set(error, data_err(status), "UCX takes no handler: %s",
                           ucx->ucs_status_string(status));
    }
    return DRAGON_OK;
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
    port->handler = *handler;
    port->handler_arg = arg;
    port->done.end = &port->done.first;
    dragon_err_t err = make_context(port, error);
    if (!err)
        err = make_worker(port, error);
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
    while (port->peers && time_now_ms() < deadline)
        data_port_progress(port);
}

// What was sent goes and the others are told, as far as they answer within a moment; then the connections are cut.
static void close_peers(struct data_port *port)
{
    enum { PARTING_MS = 500, CUTTING_MS = 100 };
    for (struct data_peer *peer = port->peers; peer; peer = peer->next)
        if (!peer->closed)
            data_peer_close(peer, true);
    turn_until_empty(port, PARTING_MS);
    for (struct data_peer *peer = port->peers; peer; peer = peer->next)
        peer_lose(peer);
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
    // Nothing of UCX is left that knows a request.
    while (port->peers)
        peer_end(port->peers);
    requests_tell(port);
    if (port->context)
        port->ucx->ucp_cleanup(port->context);
    while (port->spare) {
        struct data_request *request = port->spare;
        port->spare = request->next;
        free(request);
    }
    free(port->address);
    free(port);
}

const void *data_port_address(const struct data_port *port, size_t *length_out)
{
    *length_out = port->address_bytes;
    return port->address;
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

unsigned data_port_progress(struct data_port *port)
{
    unsigned count = port->ucx->ucp_worker_progress(port->worker);
    if (port->done.first) {
        requests_tell(port);
        count++;
    }
    if (port->touched)
        count += settle_peers(port);
    port->busy = count > 0;
    return count;
}

int data_port_fd(const struct data_port *port)
{
    return port->fd;
}

bool data_port_arm(struct data_port *port)
{
    // UCX may not wake us for what it has begun: only a turn that found nothing may be followed by sleep.
    if (port->busy || port->done.first || port->touched)
        return false;
    return port->ucx->ucp_worker_arm(port->worker) == UCS_OK;
}

bool data_port_idle(const struct data_port *port)
{
    return !port->unfinished;
}

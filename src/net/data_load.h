// SPDX-License-Identifier: BSD-3-Clause
//
// UCX as a table of functions, found when the first port is made. Only src/net/data*.c know it.
#ifndef NET_DATA_LOAD_H
#define NET_DATA_LOAD_H

#include "base/base.h"

#include <ucp/api/ucp.h>

// What is used of UCX, all of it in libucp.so.0 or what that needs.
#define DATA_UCX_LIST(X)              \
    X(ucp_am_data_release)            \
    X(ucp_am_recv_data_nbx)           \
    X(ucp_am_send_nbx)                \
    X(ucp_cleanup)                    \
    X(ucp_config_modify)              \
    X(ucp_config_read)                \
    X(ucp_config_release)             \
    X(ucp_ep_close_nbx)               \
    X(ucp_ep_create)                  \
    X(ucp_ep_flush_nbx)               \
    X(ucp_get_version)                \
    X(ucp_init_version)               \
    X(ucp_request_free)               \
    X(ucp_worker_arm)                 \
    X(ucp_worker_create)              \
    X(ucp_worker_destroy)             \
    X(ucp_worker_get_address)         \
    X(ucp_worker_get_efd)             \
    X(ucp_worker_progress)            \
    X(ucp_worker_release_address)     \
    X(ucp_worker_set_am_recv_handler) \
    X(ucs_status_string)

struct data_ucx {
#define DATA_UCX_FIELD(name) __typeof__(name) *name;
    DATA_UCX_LIST(DATA_UCX_FIELD)
#undef DATA_UCX_FIELD
};

// Loads UCX unless it is there already; it stays until the process ends. NULL: UNSUPPORTED, and what to install.
const struct data_ucx *data_load(dragon_error_t *error);

// Whether this host has a network for which UCX knows best how to use it.
bool data_has_rdma(void);

// The code for a status of UCX. What means that the other side is gone is PEER.
dragon_err_t data_err(ucs_status_t status);

// In between UCX writes nothing to the terminal, also when somebody else has loaded it, as an MPI library may have:
// what it thinks of our settings is no business of the program's users.
void data_hush(void);
void data_unhush(void);

#endif

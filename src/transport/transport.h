// SPDX-License-Identifier: BSD-3-Clause
//
// The transport of a node: a process that serves the objects of its node to processes of others. The keeper starts it
// when another node first asks for the way to this one, and again when it died.
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include "base/base.h"

struct transport;

// Attaches to the keeper whose socket is beside the agent's at `agent_path`, and tells it where it can be reached.
dragon_err_t transport_create(const char *agent_path, struct transport **transport_out,
                              dragon_error_t *error);
void transport_destroy(struct transport *transport); // NULL is fine

// Until the keeper is gone or the runtime has ended.
void transport_run(struct transport *transport);

#endif

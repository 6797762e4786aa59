// SPDX-License-Identifier: BSD-3-Clause
//
// What dragon-run tells the agent, and the agent's answers: see control.h.
#include "config.h"

#include "agent/internal.h"
#include "net/address.h"

#include <signal.h>

void agent_tell_run(struct agent *agent, uint16_t type, struct pack *body)
{
    if (agent->control)
        link_send_pack(agent->control, type, 0, 0, body);
    else
        pack_fini(body);
}

static void agent_fail(struct agent *agent, const char *text)
{
    agent_set_cause(agent, 125, text);
    agent_leave(agent);
}

static bool on_start(struct agent *agent, const struct link_message *message)
{
    dragon_error_t error;
    if (agent->phase != PHASE_SETUP || !agent->topo)
        return false;
    agent->start_bytes = malloc(message->length);
    if (!agent->start_bytes)
        return false;
    memcpy(agent->start_bytes, message->body, message->length);
    struct unpack unpack = unpack_start(agent->start_bytes, message->length);
    if (!control_start_unpack(&unpack, &agent->start))
        return false;
    log_open("dragon-agent", agent->start.nodes[agent->start.here].name);
    if ((*agent->start.gpus && topo_declare(agent->topo, agent->start.gpus, &error) != DRAGON_OK) ||
        !agent_join(agent, &error))
        agent_fail(agent, error.text);
    return true;
}

static bool on_setup(struct agent *agent, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct control_setup setup;
    struct control_ready ready = {0};
    dragon_error_t error;
    struct pack body = PACK_EMPTY;
    if (agent->topo || !control_setup_unpack(&unpack, &setup))
        return false;
    agent->topo = topo_create(setup.gpus, &error);
    if (agent->topo && setup.listen)
        agent->listen_fd = address_listen(*setup.network ? setup.network : NULL, setup.local,
                                          &ready.addresses, &error);
    if (!agent->topo || (setup.listen && agent->listen_fd < 0)) {
        agent_fail(agent, error.text);
        return true;
    }
    ready.cores = topo_cores(agent->topo);
    control_ready_pack(&body, &ready);
    strv_free(ready.addresses);
    agent_tell_run(agent, CONTROL_READY, &body);
    return true;
}

static bool on_control_signal(struct agent *agent, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t signal = unpack_u32(&unpack);
    if (!unpack_done(&unpack) || signal >= NSIG)
        return false;
    head_signal(&agent->head, (int)signal);
    return true;
}

static bool on_control_stop(struct agent *agent, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t signal = unpack_u32(&unpack);
    const char *why = unpack_str(&unpack);
    if (!unpack_done(&unpack) || signal >= NSIG)
        return false;
    agent_ask_stop(agent, (int)signal, why);
    return true;
}

static void on_control_message(void *arg, const struct link_message *message)
{
    struct agent *agent = arg;
    bool good = false;
    switch (message->type) {
    case CONTROL_SETUP:
        good = on_setup(agent, message);
        break;
    case CONTROL_START:
        good = on_start(agent, message);
        break;
    case CONTROL_SIGNAL:
        good = on_control_signal(agent, message);
        break;
    case CONTROL_STOP:
        good = on_control_stop(agent, message);
        break;
    default:
        break;
    }
    if (!good)
        agent_fail(agent, "dragon-run and dragon-agent do not understand each other; are they of "
                          "the same release?");
}

static void on_control_closed(void *arg, const char *reason)
{
    struct agent *agent = arg;
    char text[300];
    (void)reason;
    link_destroy(agent->control);
    agent->control = NULL;
    snprintf(text, sizeof text, "dragon-run on %s is gone; it was killed",
             agent->nodes ? agent->nodes[agent->start.here].name : "this host");
    agent_ask_stop(agent, 0, text);
}

const struct link_handler agent_control_handler = {.on_message = on_control_message,
                                                   .on_closed = on_control_closed};

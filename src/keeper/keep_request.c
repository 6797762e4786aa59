// SPDX-License-Identifier: BSD-3-Clause
//
// Requests: which there are, where each is carried out, and by whom. Objects are dealt with by the keeper of their home
// node, names by node 0's; a request that belongs elsewhere is passed on as it came, and so is its answer.
#include "config.h"

#include "keeper/internal.h"

#include <stdarg.h>

enum place {
    PLACE_HERE,      // asked by a process of this node only
    PLACE_TRANSPORT, // and by dragon-transport only
    PLACE_HOME,      // the first field is the node
    PLACE_FIRST,     // node 0
    PLACE_OWN,       // the handler passes it on itself
};

static const struct {
    keep_handler *handle;
    enum place place;
} requests[KC_ANSWER] = {
    [KC_SEGMENT] = {keep_on_segment, PLACE_HERE},
    [KC_GROW] = {keep_on_grow, PLACE_HERE},
    [KC_BELL] = {keep_on_bell, PLACE_HERE},
    [KC_MEMORY] = {keep_on_memory, PLACE_HERE},
    [KC_SHARE] = {keep_on_share, PLACE_HERE},
    [KC_SHARED] = {keep_on_shared, PLACE_HERE},
    [KC_DROP] = {keep_on_drop, PLACE_HERE},
    [KC_CREATE] = {keep_on_create, PLACE_HOME},
    [KC_OPEN] = {keep_on_open, PLACE_HOME},
    [KC_LEAVE] = {keep_on_leave, PLACE_HERE},
    [KC_CLOSE] = {keep_on_close, PLACE_HOME},
    [KC_DESTROY] = {keep_on_destroy, PLACE_HOME},
    [KC_STAT] = {keep_on_stat, PLACE_HOME},
    [KC_PUBLISH] = {keep_on_publish, PLACE_OWN},
    [KC_FIND] = {keep_on_find, PLACE_FIRST},
    [KC_WITHDRAW] = {keep_on_withdraw, PLACE_FIRST},
    [KC_ROUTE] = {keep_on_route, PLACE_HOME},
    [KC_SERVE] = {keep_on_serve, PLACE_HERE},
    [KC_PROXY] = {keep_on_proxy, PLACE_TRANSPORT},
    [KC_PROXY_GONE] = {keep_on_proxy_gone, PLACE_TRANSPORT},
};

void keep_answer(struct keeper *keeper, const struct keep_asker *asker, dragon_err_t err,
                 const char *why, struct pack *body)
{
    struct keep_session *session;
    if (asker->node != keeper->here) {
        keep_far_answer(keeper, asker, err, why, body);
        if (body)
            pack_fini(body);
        return;
    }
    session = keep_session_find(keeper, asker->session);
    if (session)
        keep_session_answer(session, asker->request, err, why, body, NULL, 0);
    else if (body)
        pack_fini(body);
}

void keep_refuse(struct keeper *keeper, const struct keep_asker *asker, dragon_err_t err,
                 const char *format, ...)
{
    char why[sizeof((dragon_error_t *)NULL)->text];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    keep_answer(keeper, asker, err, why, NULL);
}

static void not_understood(struct keeper *keeper, const struct keep_request *request)
{
    keep_refuse(keeper, &request->asker, DRAGON_ERR_PROTO,
                "the agent of %s does not understand request %u", keeper->host, request->type);
}

// Where it is to be carried out. False: nowhere, and it was answered.
static bool find_node(struct keeper *keeper, const struct keep_request *request, uint32_t *node_out)
{
    struct unpack body = request->body;
    *node_out = keeper->here;
    switch (requests[request->type].place) {
    case PLACE_FIRST:
        *node_out = 0;
        break;
    case PLACE_HOME:
        *node_out = unpack_u32(&body);
        if (!body.failed && *node_out >= keeper->nodes) {
            keep_refuse(keeper, &request->asker, DRAGON_ERR_NOT_FOUND,
                        "there is no node %u: the runtime has %u", *node_out, keeper->nodes);
            return false;
        }
        break;
    case PLACE_TRANSPORT:
        if (request->session && request->session->role == ROLE_TRANSPORT)
            break;
        keep_refuse(keeper, &request->asker, DRAGON_ERR_DENIED, "only dragon-transport may ask %s",
                    keeper_message_names[request->type]);
        return false;
    case PLACE_HERE:
    case PLACE_OWN:
        break;
    }
    return true;
}

void keep_dispatch(struct keeper *keeper, struct keep_request *request)
{
    uint32_t node;
    uint16_t type = request->type;
    if (keeper->ended) {
        keep_answer(keeper, &request->asker, DRAGON_ERR_PEER, "the runtime has ended", NULL);
        return;
    }
    if (type >= KC_ANSWER || !requests[type].handle ||
        (!request->session &&
         (requests[type].place == PLACE_HERE || requests[type].place == PLACE_TRANSPORT))) {
        not_understood(keeper, request);
        return;
    }
    if (!find_node(keeper, request, &node))
        return;
    if (node != keeper->here)
        keep_far_ask(keeper, node, request);
    else if (!requests[type].handle(keeper, request))
        not_understood(keeper, request);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Other keepers. What is asked of another node goes there with the name of who asked, and the answer comes straight
// back to that; nothing is kept on the way, because the session itself knows what it waits for, and from whom. Should that
// node be lost, and the runtime go on, it is told so.
#include "config.h"

#include "keeper/internal.h"

static void say(struct keeper *keeper, uint32_t node, uint16_t type, struct pack *body)
{
    tree_send(keeper->options.tree, node, type, body);
}

static void keep_lost_text(const struct keeper *keeper, uint32_t node, char *text, size_t room)
{
    snprintf(text, room, "node %u (%.80s) is lost", node,
             tree_node(keeper->options.tree, node)->name);
}

void keep_far_say(struct keeper *keeper, uint32_t node, uint16_t type, uint64_t number)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, number);
    say(keeper, node, type, &body);
}

void keep_far_ask(struct keeper *keeper, uint32_t node, const struct keep_request *request)
{
    struct pack body = PACK_EMPTY;
    if (tree_is_lost(keeper->options.tree, node)) {
        char why[128];
        keep_lost_text(keeper, node, why, sizeof why);
        keep_answer(keeper, &request->asker, DRAGON_ERR_PEER, why, NULL);
        return;
    }
    if (request->session)
        keep_session_mark_asked(request->session, request->asker.request, node);
    // What is kept there for the session, it is told when the session is gone.
    if (request->session && (request->type == KC_CREATE || request->type == KC_FIND))
        keep_session_mark_told(request->session, node);
    pack_u32(&body, request->asker.node);
    pack_u64(&body, request->asker.session);
    pack_u32(&body, request->asker.request);
    pack_u16(&body, request->type);
    pack_raw(&body, request->body.at, unpack_left(&request->body));
    say(keeper, node, KN_ASK, &body);
}

void keep_far_answer(struct keeper *keeper, const struct keep_asker *asker, dragon_err_t err,
                     const char *why, const struct pack *answer)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, asker->session);
    pack_u32(&body, asker->request);
    pack_i32(&body, err);
    pack_str(&body, why);
    if (answer) {
        pack_raw(&body, answer->data, answer->length);
        body.failed |= answer->failed;
    }
    say(keeper, asker->node, KN_ANSWER, &body);
}

void keep_far_gone(struct keep_session *session)
{
    for (size_t i = 0; i < session->told_count; i++)
        keep_far_say(session->keeper, session->told[i], KN_GONE, session->number);
}

void keep_session_gone(struct keeper *keeper, uint32_t node, uint64_t session)
{
    keep_creations_gone(keeper, node, session);
    keep_objects_end_tied(keeper, node, session);
    keep_names_gone(keeper, node, session);
}

// Whose blocks and proxies they were is found out by who serves them: dragon-transport and single receivers.
void keeper_node_lost(struct keeper *keeper, uint32_t node)
{
    char why[128];
    keep_lost_text(keeper, node, why, sizeof why);
    keep_session_gone(keeper, node, KEEP_ALL_SESSIONS);
    keep_names_node_lost(keeper, node);
    if (keeper->granted)
        keep_room_returned(keeper, node, keeper->granted[node]);
    for (struct keep_session *session = keeper->sessions; session; session = session->hh.next)
        keep_session_node_lost(session, node, why);
    if (!keeper->space)
        return;
    board_lose(keeper->board, node);
    space_ring_all(keeper->space);
}

// ---- what comes

static bool on_ask(struct keeper *keeper, struct unpack *body)
{
    struct keep_request request = {0};
    request.asker.node = unpack_u32(body);
    request.asker.session = unpack_u64(body);
    request.asker.request = unpack_u32(body);
    request.type = unpack_u16(body);
    request.body = *body;
    // What a process of this node asked does not come back from another as a question.
    if (body->failed || request.asker.node >= keeper->nodes)
        return false;
    keep_dispatch(keeper, &request);
    return true;
}

static bool on_answer(struct keeper *keeper, struct unpack *body)
{
    struct keep_asker asker = {.node = keeper->here};
    asker.session = unpack_u64(body);
    asker.request = unpack_u32(body);
    int32_t err = unpack_i32(body);
    const char *why = unpack_str(body);
    if (body->failed || !err_is_code(err))
        return false;
    struct pack answer = PACK_EMPTY;
    pack_raw(&answer, body->at, unpack_left(body));
    keep_answer(keeper, &asker, (dragon_err_t)err, why, &answer);
    return true;
}

bool keeper_on_node_message(struct keeper *keeper, const struct link_message *message)
{
    struct unpack body = unpack_start(message->body, message->length);
    uint32_t source = message->source;
    if (source >= keeper->nodes)
        return false;
    if (message->type == KN_ASK)
        return on_ask(keeper, &body);
    if (message->type == KN_ANSWER)
        return on_answer(keeper, &body);
    bool granted = message->type == KN_GRANTED && unpack_u8(&body) != 0;
    uint64_t number = unpack_u64(&body);
    bool first = keeper->here == 0;
    if (!unpack_done(&body))
        return false;
    if (message->type == KN_GONE)
        keep_session_gone(keeper, source, number);
    else if (message->type == KN_GRANTED && source == 0)
        keep_on_granted(keeper, granted, number);
    else if (message->type == KN_ROOM && first)
        keep_room_asked(keeper, source, number);
    else if (message->type == KN_RETURN && first)
        keep_room_returned(keeper, source, number);
    else if (message->type == KN_FORGET && first)
        keep_names_forget(keeper, number);
    else
        return false;
    return true;
}

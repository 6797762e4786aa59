// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard of another node: one question to its manager, and one answer. What is small goes with the
// question; a large value is moved once, from the caller's memory into the shard, or from there into the caller's.
#include "config.h"

#include "chan/far_parts.h"

// What follows the header.
struct parts {
    const void *data;
    size_t bytes;
    bool key_sent;           // key and expected come before, in pieces
    uint8_t all[CHAN_SMALL]; // together
};

static size_t expected_bytes(const struct pair_call *call)
{
    return call->op == PAIR_SWAP ? call->expected_bytes : 0;
}

static void append(struct parts *parts, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(parts->all + parts->bytes, data, bytes);
    parts->bytes += bytes;
}

static void make_parts(struct parts *parts, const struct pair_call *call)
{
    size_t keys = call->key.bytes + expected_bytes(call);
    parts->bytes = 0;
    parts->key_sent = keys > CHAN_SMALL || call->value_bytes > CHAN_SMALL - keys;
    if (parts->key_sent) {
        parts->data = call->value;
        parts->bytes = call->value_bytes;
        return;
    }
    append(parts, call->key.data, call->key.bytes);
    append(parts, call->expected, expected_bytes(call));
    append(parts, call->value, call->value_bytes);
    parts->data = parts->all;
}

static dragon_err_t send_pieces(struct far_request *request, uint32_t handle, const void *data,
                                size_t bytes)
{
    struct cu_pair_key header = {.handle = handle, .request = request->id};
    const uint8_t *at = data;
    dragon_err_t err = DRAGON_OK;
    for (size_t piece; bytes > 0 && err == DRAGON_OK; at += piece, bytes -= piece) {
        piece = bytes < CHAN_SMALL ? bytes : CHAN_SMALL;
        err = data_send(request->peer->data, CU_PAIR_KEY, &header, sizeof header, at, piece, NULL,
                        NULL);
    }
    return err;
}

static dragon_err_t send_question(struct far_object *object, struct far_request *request,
                                  const struct pair_call *call, bool wait,
                                  struct far_moving *moving)
{
    struct parts parts;
    dragon_err_t err = DRAGON_OK;
    make_parts(&parts, call);
    struct cu_pair header = {.handle = object->home.handle,
                             .request = request->id,
                             .op = (uint8_t)call->op,
                             .wait = wait,
                             .key_sent = parts.key_sent,
                             .key_bytes = (uint32_t)call->key.bytes,
                             .expected_bytes = call->expected_bytes,
                             .value_bytes = call->value_bytes,
                             .room = request->room,
                             .number = call->number};
    if (parts.key_sent)
        err = send_pieces(request, header.handle, call->key.data, call->key.bytes);
    if (parts.key_sent && err == DRAGON_OK)
        err = send_pieces(request, header.handle, call->expected, expected_bytes(call));
    if (err != DRAGON_OK)
        return err;
    bool copied = parts.bytes <= DATA_COPIED;
    moving->done = copied;
    err = data_send(request->peer->data, CU_PAIR, &header, sizeof header, parts.data, parts.bytes,
                    copied ? NULL : far_on_moved_out, moving);
    if (err != DRAGON_OK)
        moving->done = true;
    return err;
}

dragon_err_t far_pair_check(const struct far_object *object, const struct pair_call *call)
{
    if (call->key.bytes > SHARD_KEY_MOST)
        return DRAGON_ERR_TOO_BIG;
    bool fits = shard_fits((uint64_t)object->spec.initial, call->key.bytes, call->value_bytes);
    return fits ? DRAGON_OK : DRAGON_ERR_FULL;
}

dragon_err_t far_pair_start(struct far_object *object, const struct pair_call *call,
                            struct far_request *request, struct far_moving *moving,
                            int64_t deadline_ns)
{
    moving->done = true;
    dragon_err_t err = far_request_start(object, request, deadline_ns);
    if (err != DRAGON_OK)
        return err;
    if (send_question(object, request, call, call->wait && deadline_ns != 0, moving) != DRAGON_OK)
        far_peer_lost(request->peer); // and the request with it
    return DRAGON_OK;
}

dragon_err_t far_pair_outcome(struct far_request *request, dragon_err_t err)
{
    if (err == DRAGON_ERR_TOO_BIG)
        request->bytes = request->result;
    return err == DRAGON_OK && request->bytes > request->room ? DRAGON_ERR_PROTO : err;
}

static dragon_err_t ask_once(struct far_object *object, const struct pair_call *call,
                             struct far_request *request, const struct far_call *how)
{
    struct far_moving moving;
    dragon_err_t err = far_pair_start(object, call, request, &moving, how->deadline_ns);
    if (err != DRAGON_OK)
        return err;
    err = far_request_finish(object, request, how);
    far_wait_moved_out(object->far, &moving);
    return err;
}

// What was expected is larger than any value there.
static dragon_err_t ask_for_key(struct far_object *object, const struct pair_call *call,
                                const struct far_call *how)
{
    struct pair_call contains = {.op = PAIR_CONTAINS, .key = call->key};
    struct far_request request = {.result = 0};
    dragon_err_t err = ask_once(object, &contains, &request, how);
    return err == DRAGON_OK ? DRAGON_ERR_STATE : err;
}

// It is not possible yet.
static bool is_too_soon(const struct pair_call *call, dragon_err_t err)
{
    return call->wait &&
           err == (call->op == PAIR_CONTAINS ? DRAGON_ERR_NOT_FOUND : DRAGON_ERR_FULL);
}

dragon_err_t far_pair(struct far_object *object, const struct pair_call *call, void *buffer,
                      size_t room, size_t *bytes_out, uint64_t *result_out,
                      const struct far_call *how)
{
    if (call->key.bytes <= SHARD_KEY_MOST && expected_bytes(call) > (uint64_t)object->spec.initial)
        return ask_for_key(object, call, how);
    struct far_request request;
    dragon_err_t err = far_pair_check(object, call);
    if (err != DRAGON_OK)
        return err;
    do { // again when there was room for the value, and none for what goes with it
        request = (struct far_request){.buffer = buffer, .room = room};
        err = ask_once(object, call, &request, how);
    } while (is_too_soon(call, err) && (int64_t)time_now_ns() < how->deadline_ns);
    if (is_too_soon(call, err))
        err = how->deadline_ns == 0 ? DRAGON_ERR_AGAIN : DRAGON_ERR_TIMEOUT;
    err = far_pair_outcome(&request, err);
    if (bytes_out && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG))
        *bytes_out = (size_t)request.bytes;
    if (result_out && err == DRAGON_OK)
        *result_out = call->op == PAIR_WALK ? request.tag : request.result;
    return err;
}

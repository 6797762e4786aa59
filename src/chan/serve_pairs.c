// SPDX-License-Identifier: BSD-3-Clause
//
// Many small operations on a shard that came in one message: done one after the other, and answered in one.
#include "config.h"

#include "chan/serve_parts.h"
#include "ddict/pair.h"

struct many {
    struct shard_view *view;
    enum pair_op op;
    uint32_t left;     // not done yet
    const uint8_t *at; // the next
    size_t bytes;      // of the answer
    uint8_t said[CHAN_SMALL];
};
_Static_assert(PAIRS_MOST * sizeof(struct pair_said) <= CHAN_SMALL / 2, "there is room for values");

static size_t asked_bytes(enum pair_op op, const struct pair_asked *asked)
{
    return asked->key_bytes + (op == PAIR_PUT ? (size_t)asked->value_bytes : 0);
}

// There are exactly so many in it.
static bool is_well_formed(const struct cu_pairs *header, const struct data_message *message)
{
    const uint8_t *at = message->data;
    size_t left = message->bytes;
    struct pair_asked asked;
    for (uint32_t i = 0; i < header->count; i++) {
        if (left < sizeof asked)
            return false;
        memcpy(&asked, at, sizeof asked);
        size_t bytes = sizeof asked + asked_bytes((enum pair_op)header->op, &asked);
        if (left < bytes)
            return false;
        at += bytes;
        left -= bytes;
    }
    return left == 0;
}

static dragon_err_t put(struct shard_view *view, const struct shard_key *key, const void *value,
                        size_t bytes)
{
    struct fresh fresh;
    dragon_err_t err = shard_prepare(view, key, bytes, &fresh);
    if (err != DRAGON_OK)
        return err;
    if (bytes > 0)
        memcpy(fresh.value, value, bytes);
    return shard_store(view, key, &fresh, SHARD_PUT);
}

// Behind its outcome. There is always room for the outcomes of those that are left.
static dragon_err_t get(struct many *many, const struct shard_key *key, size_t most,
                        size_t *bytes_out)
{
    size_t begin = many->bytes + sizeof(struct pair_said);
    size_t room = CHAN_SMALL - begin - (many->left - 1) * sizeof(struct pair_said);
    *bytes_out = 0;
    dragon_err_t err =
        shard_get(many->view, key, many->said + begin, room < most ? room : most, bytes_out);
    if (err == DRAGON_ERR_TOO_BIG && *bytes_out <= most)
        return DRAGON_ERR_AGAIN;
    return err;
}

static void next(struct many *many)
{
    struct pair_asked asked;
    memcpy(&asked, many->at, sizeof asked);
    const uint8_t *data = many->at + sizeof asked;
    struct shard_key key = shard_key(data, asked.key_bytes);
    struct pair_said said = {.value_bytes = 0};
    size_t bytes = 0;
    if (many->op == PAIR_PUT) {
        said.error = put(many->view, &key, data + asked.key_bytes, asked.value_bytes);
    } else {
        said.error = get(many, &key, asked.value_bytes, &bytes);
        said.value_bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    }
    memcpy(many->said + many->bytes, &said, sizeof said);
    many->bytes += sizeof said + (said.error == DRAGON_OK ? bytes : 0);
    many->at = data + asked_bytes(many->op, &asked);
    many->left--;
}

static bool refuse(struct use *use, const struct cu_pairs *header, dragon_err_t err)
{
    struct cu_answer answer = {.request = header->request, .error = err};
    reply(use->connection, CU_ANSWER, &answer, sizeof answer);
    return true;
}

bool pairs_arrived(struct use *use, const struct cu_pairs *header,
                   const struct data_message *message)
{
    struct served *served = use->served;
    struct many many;
    if ((served && !served->view) || message->incoming || message->bytes > CHAN_SMALL ||
        !is_well_formed(header, message))
        return false;
    if (!served)
        return refuse(use, header, DRAGON_ERR_PEER);
    many.view = served->view;
    many.op = (enum pair_op)header->op;
    many.left = header->count;
    many.at = message->data;
    many.bytes = 0;
    if (object_state(&many.view->shard->object) == OBJECT_DESTROYED)
        return refuse(use, header, DRAGON_ERR_CLOSED);
    while (many.left > 0)
        next(&many);
    struct cu_message answer = {.request = header->request, .bytes = many.bytes};
    (void)data_send(use->connection->peer, CU_MESSAGE, &answer, sizeof answer, many.said,
                    many.bytes, NULL, NULL); // as reply
    return true;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// The checks of wire.h: one row for each message with its size, whether a payload may follow, and a look at its fields.
#include "config.h"

#include "chan/wire.h"

#include "chan/sync.h"
#include "ddict/pair.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are sent as they are");

static const uint64_t VALUE_MOST = UINT64_C(1) << 56; // so that sums do not go over

// For those whose fields may have any value.
static bool anything(const uint8_t *header)
{
    (void)header;
    return true;
}

static bool check_open(const uint8_t *header)
{
    const struct cu_open *open = (const struct cu_open *)header;
    return open->kind > OBJECT_NONE && open->kind < OBJECT_KINDS;
}

static bool check_send(const uint8_t *header)
{
    return (((const struct cu_send *)header)->mode & ~SEND_MODES) == 0;
}

static bool check_receive(const uint8_t *header)
{
    const struct cu_receive *receive = (const struct cu_receive *)header;
    return receive->peek <= 1 && receive->wait <= 1;
}

static bool check_poll(const uint8_t *header)
{
    const struct cu_poll *poll = (const struct cu_poll *)header;
    return poll->events > 0 && poll->events <= (DRAGON_POLL_RECEIVE | DRAGON_POLL_SEND) &&
           poll->wait <= 1;
}

static bool check_call(const uint8_t *header)
{
    const struct cu_call *call = (const struct cu_call *)header;
    return call->op < SYNC_OPS && call->wait <= 1;
}

static bool has_value(uint8_t op)
{
    return op == PAIR_PUT || op == PAIR_PUT_ABSENT || op == PAIR_SWAP || op == PAIR_APPEND;
}

static bool check_pair(const uint8_t *header)
{
    const struct cu_pair *pair = (const struct cu_pair *)header;
    return pair->op >= PAIR_GET && pair->op < PAIR_OPS && pair->wait <= 1 && pair->key_sent <= 1 &&
           pair->key_bytes <= SHARD_KEY_MOST && pair->expected_bytes <= VALUE_MOST &&
           pair->value_bytes <= (has_value(pair->op) ? VALUE_MOST : 0);
}

static bool check_pairs(const uint8_t *header)
{
    const struct cu_pairs *pairs = (const struct cu_pairs *)header;
    return (pairs->op == PAIR_GET || pairs->op == PAIR_PUT) && pairs->count > 0 &&
           pairs->count <= PAIRS_MOST;
}

uint64_t wire_pair_keys(const struct cu_pair *pair)
{
    return pair->key_bytes + (pair->op == PAIR_SWAP ? pair->expected_bytes : 0);
}

static bool check_opened(const uint8_t *header)
{
    const struct cu_opened *opened = (const struct cu_opened *)header;
    return err_is_code(opened->error) && opened->credits <= CHAN_CREDITS_MOST;
}

static bool check_credit(const uint8_t *header)
{
    return err_is_code(((const struct cu_credit *)header)->error);
}

static bool check_message(const uint8_t *header)
{
    return err_is_code(((const struct cu_message *)header)->error);
}

static bool check_answer(const uint8_t *header)
{
    return err_is_code(((const struct cu_answer *)header)->error);
}

static const struct row {
    const char *name;
    size_t bytes;
    bool payload;
    bool (*fields)(const uint8_t *header);
} rows[] = {
    [CU_HELLO] = {"CU_HELLO", 4 + KEEPER_KEY + 4 + 4, false, anything},
    [CU_OPEN] = {"CU_OPEN", 4 + 8 + 1, false, check_open},
    [CU_LEAVE] = {"CU_LEAVE", 4, false, anything},
    [CU_SEND] = {"CU_SEND", 4 + 4 + 8 + 1, true, check_send},
    [CU_RECEIVE] = {"CU_RECEIVE", 4 + 4 + 8 + 1 + 1, false, check_receive},
    [CU_POLL] = {"CU_POLL", 4 + 4 + 1 + 1, false, check_poll},
    [CU_CALL] = {"CU_CALL", 4 + 4 + 4 + 3 * 8 + 1, false, check_call},
    [CU_CANCEL] = {"CU_CANCEL", 4, false, anything},
    [CU_TAKE_BACK] = {"CU_TAKE_BACK", 4 + 4, false, anything},
    [CU_FLUSH] = {"CU_FLUSH", 4, false, anything},
    [CU_PAIR] = {"CU_PAIR", 4 + 4 + 3 + 4 + 3 * 8 + 8, true, check_pair},
    [CU_PAIR_KEY] = {"CU_PAIR_KEY", 4 + 4, true, anything},
    [CU_PAIRS] = {"CU_PAIRS", 4 + 4 + 1 + 4, true, check_pairs},
    [CU_OPENED] = {"CU_OPENED", 4 + 4 + 4, false, check_opened},
    [CU_CREDIT] = {"CU_CREDIT", 4 + 4 + 4, false, check_credit},
    [CU_MESSAGE] = {"CU_MESSAGE", 4 + 4 + 8 + 8, true, check_message},
    [CU_ANSWER] = {"CU_ANSWER", 4 + 4 + 8, false, check_answer},
    [CU_MOVED] = {"CU_MOVED", 4, false, anything},
};

// What is said in proto.h's table is what the structs are.
_Static_assert(sizeof(struct cu_hello) == 4 + KEEPER_KEY + 4 + 4, "CU_HELLO");
_Static_assert(sizeof(struct cu_open) == 4 + 8 + 1, "CU_OPEN");
_Static_assert(sizeof(struct cu_handle) == 4, "CU_LEAVE, CU_FLUSH, CU_MOVED");
_Static_assert(sizeof(struct cu_send) == 4 + 4 + 8 + 1, "CU_SEND");
_Static_assert(sizeof(struct cu_receive) == 4 + 4 + 8 + 1 + 1, "CU_RECEIVE");
_Static_assert(sizeof(struct cu_poll) == 4 + 4 + 1 + 1, "CU_POLL");
_Static_assert(sizeof(struct cu_call) == 4 + 4 + 4 + 3 * 8 + 1, "CU_CALL");
_Static_assert(sizeof(struct cu_cancel) == 4, "CU_CANCEL");
_Static_assert(sizeof(struct cu_take_back) == 4 + 4, "CU_TAKE_BACK");
_Static_assert(sizeof(struct cu_pair) == 4 + 4 + 3 + 4 + 3 * 8 + 8, "CU_PAIR");
_Static_assert(sizeof(struct cu_pair_key) == 4 + 4, "CU_PAIR_KEY");
_Static_assert(sizeof(struct cu_pairs) == 4 + 4 + 1 + 4, "CU_PAIRS");
_Static_assert(sizeof(struct cu_opened) == 4 + 4 + 4, "CU_OPENED");
_Static_assert(sizeof(struct cu_credit) == 4 + 4 + 4, "CU_CREDIT");
_Static_assert(sizeof(struct cu_message) == 4 + 4 + 8 + 8, "CU_MESSAGE");
_Static_assert(sizeof(struct cu_answer) == 4 + 4 + 8, "CU_ANSWER");

static const struct row *row_of(uint8_t type)
{
    if (type >= sizeof rows / sizeof rows[0] || !rows[type].name)
        return NULL;
    return &rows[type];
}

const char *wire_name(uint8_t type)
{
    const struct row *row = row_of(type);
    return row ? row->name : NULL;
}

bool wire_check(uint8_t type, const uint8_t *header, size_t header_bytes, size_t payload_bytes)
{
    const struct row *row = row_of(type);
    return row && header_bytes == row->bytes && (row->payload || payload_bytes == 0) &&
           row->fields(header);
}

bool wire_same_key(const uint8_t *a, const uint8_t *b)
{
    uint8_t different = 0;
    for (size_t i = 0; i < KEEPER_KEY; i++)
        different |= a[i] ^ b[i];
    return different == 0;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Cursors: bin after bin of manager after manager. A bin is copied as a whole: its keys are those of one moment, and a key is
// in the same bin as long as it is there.
#include "config.h"

#include "client/dict.h"

enum { ROOM_FIRST = 64 << 10 };

struct dragon_dict_cursor {
    struct dragon_dict *dict; // borrowed
    void *prefix;             // owned
    size_t prefix_bytes;
    int flags;
    uint32_t manager, end;
    int64_t bin;
    uint8_t *records; // owned
    size_t room, bytes, at;
};

dragon_err_t dragon_dict_cursor_create(dragon_dict_t *dict, const void *prefix, size_t prefix_bytes,
                                       int flags, dragon_dict_cursor_t **cursor_out)
{
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!cursor_out || (!prefix && prefix_bytes > 0) || prefix_bytes > DRAGON_DICT_KEY_MOST ||
        (flags & ~(DRAGON_DICT_VALUES | DRAGON_DICT_LOCAL)))
        return DRAGON_ERR_INVAL;
    struct dragon_dict_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return DRAGON_ERR_NOMEM;
    cursor->dict = dict;
    cursor->flags = flags;
    cursor->manager = dict_range(dict).begin;
    cursor->end = dict_range(dict).end;
    cursor->room = ROOM_FIRST;
    cursor->records = malloc(cursor->room);
    cursor->prefix = malloc(prefix_bytes > 0 ? prefix_bytes : 1);
    if (!cursor->records || !cursor->prefix) {
        dragon_dict_cursor_destroy(cursor);
        return DRAGON_ERR_NOMEM;
    }
    cursor->prefix_bytes = prefix_bytes;
    if (prefix_bytes > 0)
        memcpy(cursor->prefix, prefix, prefix_bytes);
    *cursor_out = cursor;
    return DRAGON_OK;
}

void dragon_dict_cursor_destroy(dragon_dict_cursor_t *cursor)
{
    if (!cursor)
        return;
    free(cursor->records);
    free(cursor->prefix);
    free(cursor);
}

// So that a bin with so many bytes fits.
static dragon_err_t grow(struct dragon_dict_cursor *cursor, size_t bytes)
{
    size_t room = bytes + bytes / 4;
    uint8_t *records = bytes > cursor->room ? realloc(cursor->records, room) : NULL;
    if (!records)
        return bytes > cursor->room ? DRAGON_ERR_NOMEM : DRAGON_ERR_PROTO;
    cursor->records = records;
    cursor->room = room;
    return DRAGON_OK;
}

// The next bin of the manager. NOT_FOUND: there are no more.
static dragon_err_t read_bin(struct dragon_dict_cursor *cursor, int timeout_ms)
{
    struct pair_call call = {
        .op = PAIR_WALK,
        .key = {.data = cursor->prefix, .bytes = cursor->prefix_bytes},
        .expected_bytes = (cursor->flags & DRAGON_DICT_VALUES) != 0,
        .number = cursor->bin,
    };
    struct dict_result result;
    dragon_err_t err;
    do {
        result = (struct dict_result){.buffer = cursor->records, .room = cursor->room};
        err = dict_call(cursor->dict, cursor->manager, &call, &result, timeout_ms);
        if (err != DRAGON_ERR_TOO_BIG)
            break;
        err = grow(cursor, result.bytes);
    } while (err == DRAGON_OK);
    if (err != DRAGON_OK)
        return err;
    if (result.result <= (uint64_t)cursor->bin || result.result > INT64_MAX)
        return DRAGON_ERR_PROTO;
    cursor->bin = (int64_t)result.result;
    cursor->bytes = result.bytes;
    cursor->at = 0;
    return DRAGON_OK;
}

static dragon_err_t is_wanted(struct dragon_dict_cursor *cursor, bool *wanted_out)
{
    uint32_t node;
    *wanted_out = true;
    if (!(cursor->flags & DRAGON_DICT_LOCAL))
        return DRAGON_OK;
    dragon_err_t err = dict_node(cursor->dict, cursor->manager, &node);
    if (err != DRAGON_OK)
        return dict_failed(cursor->dict, cursor->manager, err);
    *wanted_out = node == cursor->dict->root.shared->space->node;
    return DRAGON_OK;
}

static dragon_err_t read_on(struct dragon_dict_cursor *cursor, int timeout_ms)
{
    bool wanted;
    if (cursor->manager == cursor->end)
        return DRAGON_ERR_NOT_FOUND;
    dragon_err_t err = is_wanted(cursor, &wanted);
    if (err == DRAGON_OK)
        err = wanted ? read_bin(cursor, timeout_ms) : DRAGON_ERR_NOT_FOUND;
    if (err != DRAGON_ERR_NOT_FOUND)
        return err;
    cursor->manager++;
    cursor->bin = 0;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_cursor_next(dragon_dict_cursor_t *cursor, const void **key_out,
                                     size_t *key_bytes_out, const void **value_out,
                                     size_t *value_bytes_out, int timeout_ms)
{
    struct pair_record record;
    if (!cursor || !key_out || !key_bytes_out)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = dict_check(cursor->dict);
    while (err == DRAGON_OK && cursor->at == cursor->bytes)
        err = read_on(cursor, timeout_ms);
    if (err != DRAGON_OK)
        return err;
    size_t left = cursor->bytes - cursor->at;
    if (left < sizeof record)
        return DRAGON_ERR_PROTO;
    memcpy(&record, cursor->records + cursor->at, sizeof record);
    left -= sizeof record;
    bool values = (cursor->flags & DRAGON_DICT_VALUES) != 0;
    if (record.key_bytes > left || (values && record.value_bytes > left - record.key_bytes))
        return DRAGON_ERR_PROTO;
    const uint8_t *key = cursor->records + cursor->at + sizeof record;
    *key_out = key;
    *key_bytes_out = record.key_bytes;
    if (value_out)
        *value_out = values ? key + record.key_bytes : NULL;
    if (value_bytes_out)
        *value_bytes_out = record.value_bytes;
    cursor->at += sizeof record + record.key_bytes + (values ? record.value_bytes : 0);
    return DRAGON_OK;
}

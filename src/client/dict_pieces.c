// SPDX-License-Identifier: BSD-3-Clause
//
// Values written and read in pieces. One whose size is known goes straight into a block of the shard when that is of this node:
// the block is nobody's pair until the writer is closed, and when the process dies it is given back with all that it had.
// Others are collected in memory of the process, and put as a whole. A reader is a view that is read along.
#include "config.h"

#include "client/dict.h"

enum { ROOM_FIRST = 4096 }; // for what is collected

struct dragon_dict_writer {
    struct dragon_dict *dict; // borrowed
    uint32_t manager;
    struct dict_part *part; // of this node, in which it is written; NULL: it is collected
    struct fresh fresh;     // there
    uint8_t *data;          // where the value is: owned when it is collected
    size_t room, at;
    bool known; // `room` is how large it will be
    struct shard_key key;
    uint8_t key_data[];
};

// ---- writing

// Else it is collected: FULL says that it will never fit.
static dragon_err_t prepare(struct dragon_dict_writer *writer)
{
    struct dict_part *part;
    dragon_err_t err = dict_part(writer->dict, writer->manager, &part);
    if (err != DRAGON_OK || !writer->known)
        return err;
    if (!part->handle.object)
        return shard_fits((uint64_t)part->handle.spec.initial, writer->key.bytes, writer->room)
                   ? DRAGON_OK
                   : DRAGON_ERR_FULL;
    err = dict_part_state(part);
    if (err != DRAGON_OK)
        return err;
    if (atomic_load(&part->view.shard->frozen))
        return DRAGON_ERR_DENIED;
    err = shard_prepare(&part->view, &writer->key, writer->room, &writer->fresh);
    if (err != DRAGON_OK)
        return err;
    writer->part = part;
    writer->data = writer->fresh.value;
    return DRAGON_OK;
}

static struct dragon_dict_writer *writer_create(struct dragon_dict *dict,
                                                const struct shard_key *key, size_t bytes)
{
    struct dragon_dict_writer *writer = calloc(1, sizeof *writer + key->bytes);
    if (!writer)
        return NULL;
    if (key->bytes > 0)
        memcpy(writer->key_data, key->data, key->bytes);
    writer->dict = dict;
    writer->manager = dict_manager(dict, key->hash);
    writer->key = *key;
    writer->key.data = writer->key_data;
    writer->known = bytes > 0;
    writer->room = bytes > 0 ? bytes : ROOM_FIRST;
    return writer;
}

// Of a process that forked us the block is left alone.
static void writer_free(struct dragon_dict_writer *writer)
{
    if (!writer->part)
        free(writer->data);
    else if (dict_check(writer->dict) == DRAGON_OK)
        shard_abandon(&writer->part->view, &writer->fresh);
    free(writer);
}

static dragon_err_t writer_failed(const struct dragon_dict_writer *writer, dragon_err_t err)
{
    struct pair_call call = {.op = PAIR_PUT};
    return dict_call_failed(writer->dict, writer->manager, &call,
                            writer->known ? writer->room : writer->at, 0, err);
}

dragon_err_t dragon_dict_writer_open(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                     size_t bytes, dragon_dict_writer_t **writer_out,
                                     int timeout_ms)
{
    struct shard_key hashed;
    (void)timeout_ms; // nobody is waited for yet
    dragon_err_t err = dict_check(dict);
    if (err == DRAGON_OK)
        err = writer_out ? dict_key(key, key_bytes, &hashed) : DRAGON_ERR_INVAL;
    if (err != DRAGON_OK)
        return dict_refused(dict, err);
    struct dragon_dict_writer *writer = writer_create(dict, &hashed, bytes);
    if (!writer)
        return dict_refused(dict, DRAGON_ERR_NOMEM);
    err = prepare(writer);
    if (err != DRAGON_OK)
        err = writer_failed(writer, err);
    else if (!writer->data && !(writer->data = malloc(writer->room)))
        err = dict_refused(dict, DRAGON_ERR_NOMEM);
    if (err != DRAGON_OK) {
        writer_free(writer);
        return err;
    }
    *writer_out = writer;
    return DRAGON_OK;
}

static dragon_err_t make_room(struct dragon_dict_writer *writer, size_t bytes)
{
    if (bytes <= writer->room - writer->at)
        return DRAGON_OK;
    if (writer->known || bytes > SIZE_MAX / 2 - writer->at)
        return DRAGON_ERR_TOO_BIG;
    size_t room = writer->room * 2;
    if (room < writer->at + bytes)
        room = writer->at + bytes;
    uint8_t *data = realloc(writer->data, room);
    if (!data)
        return DRAGON_ERR_NOMEM;
    writer->data = data;
    writer->room = room;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_writer_room(dragon_dict_writer_t *writer, size_t bytes, void **room_out)
{
    if (!writer)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = dict_check(writer->dict);
    if (err == DRAGON_OK)
        err = room_out ? make_room(writer, bytes) : DRAGON_ERR_INVAL;
    if (err != DRAGON_OK)
        return dict_refused(writer->dict, err);
    *room_out = writer->data + writer->at;
    writer->at += bytes;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_writer_write(dragon_dict_writer_t *writer, const void *data, size_t bytes)
{
    void *room;
    if (!data && bytes > 0)
        return writer ? dict_refused(writer->dict, DRAGON_ERR_INVAL) : DRAGON_ERR_INVAL;
    dragon_err_t err = dragon_dict_writer_room(writer, bytes, &room);
    if (err == DRAGON_OK && bytes > 0)
        memcpy(room, data, bytes);
    return err;
}

static dragon_err_t store(struct dragon_dict_writer *writer, int timeout_ms)
{
    struct dict_part *part = writer->part;
    if (!part) {
        struct pair_call call = {
            .op = PAIR_PUT, .key = writer->key, .value = writer->data, .value_bytes = writer->at};
        struct dict_result result = {0};
        return dict_call(writer->dict, writer->manager, &call, &result, timeout_ms);
    }
    dragon_err_t err = dict_part_state(part);
    if (err == DRAGON_OK)
        err = shard_store(&part->view, &writer->key, &writer->fresh, SHARD_PUT);
    return err == DRAGON_OK ? DRAGON_OK : writer_failed(writer, err);
}

dragon_err_t dragon_dict_writer_close(dragon_dict_writer_t *writer, int timeout_ms)
{
    if (!writer)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = dict_check(writer->dict);
    if (err == DRAGON_OK && writer->known && writer->at < writer->room)
        err = dict_refused(writer->dict, DRAGON_ERR_INVAL);
    if (err == DRAGON_OK)
        err = store(writer, timeout_ms);
    writer_free(writer);
    return err;
}

void dragon_dict_writer_abandon(dragon_dict_writer_t *writer)
{
    if (writer)
        writer_free(writer);
}

// ---- reading

struct dragon_dict_reader {
    struct dragon_dict *dict; // borrowed
    dragon_dict_view_t view;
    size_t at;
    uint64_t number; // a value of eight bytes, which may be changed in place
};

dragon_err_t dragon_dict_reader_open(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                     dragon_dict_reader_t **reader_out, size_t *bytes_out,
                                     int timeout_ms)
{
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!reader_out)
        return dict_refused(dict, DRAGON_ERR_INVAL);
    struct dragon_dict_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return dict_refused(dict, DRAGON_ERR_NOMEM);
    reader->dict = dict;
    err = dragon_dict_view(dict, key, key_bytes, &reader->view, timeout_ms);
    if (err != DRAGON_OK) {
        free(reader);
        return err;
    }
    if (reader->view.bytes == sizeof reader->number)
        reader->number = atomic_load((const _Atomic uint64_t *)reader->view.data);
    if (bytes_out)
        *bytes_out = reader->view.bytes;
    *reader_out = reader;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_reader_read(dragon_dict_reader_t *reader, void *buffer, size_t room,
                                     size_t *got_out)
{
    if (!reader)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = dict_check(reader->dict);
    if (err == DRAGON_OK && (!got_out || (!buffer && room > 0)))
        err = DRAGON_ERR_INVAL;
    if (err != DRAGON_OK)
        return dict_refused(reader->dict, err);
    bool number = reader->view.bytes == sizeof reader->number;
    const uint8_t *from = number ? (const void *)&reader->number : reader->view.data;
    size_t left = reader->view.bytes - reader->at, got = left < room ? left : room;
    if (got > 0)
        memcpy(buffer, from + reader->at, got);
    reader->at += got;
    *got_out = got;
    return DRAGON_OK;
}

void dragon_dict_reader_close(dragon_dict_reader_t *reader)
{
    if (!reader)
        return;
    dragon_dict_view_end(reader->dict, &reader->view);
    free(reader);
}

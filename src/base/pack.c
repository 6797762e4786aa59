// SPDX-License-Identifier: BSD-3-Clause
//
// Message bodies: see pack.h. Numbers go byte by byte, so the machine's own order does not matter.
#include "config.h"

#include "base/base.h"

void pack_fini(struct pack *pack)
{
    free(pack->data);
    *pack = PACK_EMPTY;
}

static uint8_t *pack_room(struct pack *pack, size_t length)
{
    if (pack->failed)
        return NULL;
    if (length > pack->room - pack->length) {
        size_t room = pack->room ? pack->room : 128;
        while (room - pack->length < length) {
            if (room > SIZE_MAX / 2) {
                pack->failed = true;
                return NULL;
            }
            room *= 2;
        }
        uint8_t *data = realloc(pack->data, room);
        if (!data) {
            pack->failed = true;
            return NULL;
        }
        pack->data = data;
        pack->room = room;
    }
    uint8_t *at = pack->data + pack->length;
    pack->length += length;
    return at;
}

static void pack_number(struct pack *pack, uint64_t value, size_t bytes)
{
    uint8_t *at = pack_room(pack, bytes);
    for (size_t i = 0; at && i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void pack_u8(struct pack *pack, uint8_t value)
{
    pack_number(pack, value, 1);
}

void pack_u16(struct pack *pack, uint16_t value)
{
    pack_number(pack, value, 2);
}

void pack_u32(struct pack *pack, uint32_t value)
{
    pack_number(pack, value, 4);
}

void pack_u64(struct pack *pack, uint64_t value)
{
    pack_number(pack, value, 8);
}

void pack_i32(struct pack *pack, int32_t value)
{
    pack_number(pack, (uint32_t)value, 4);
}

void pack_raw(struct pack *pack, const void *data, size_t length)
{
    if (length == 0)
        return; // an empty pack has no memory to point into
    uint8_t *at = pack_room(pack, length);
    if (at)
        memcpy(at, data, length);
}

void pack_bytes(struct pack *pack, const void *data, size_t length)
{
    if (length > UINT32_MAX) {
        pack->failed = true;
        return;
    }
    pack_u32(pack, (uint32_t)length);
    pack_raw(pack, data, length);
}

void pack_str(struct pack *pack, const char *text)
{
    pack_bytes(pack, text, strlen(text) + 1);
}

void pack_strv(struct pack *pack, char *const *strings)
{
    size_t count = strv_count(strings);
    pack_u32(pack, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        pack_str(pack, strings[i]);
}

static uint64_t unpack_number(struct unpack *unpack, size_t bytes)
{
    const uint8_t *at = unpack_raw(unpack, bytes);
    uint64_t value = 0;
    for (size_t i = 0; at && i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

uint8_t unpack_u8(struct unpack *unpack)
{
    return (uint8_t)unpack_number(unpack, 1);
}

uint16_t unpack_u16(struct unpack *unpack)
{
    return (uint16_t)unpack_number(unpack, 2);
}

uint32_t unpack_u32(struct unpack *unpack)
{
    return (uint32_t)unpack_number(unpack, 4);
}

uint64_t unpack_u64(struct unpack *unpack)
{
    return unpack_number(unpack, 8);
}

int32_t unpack_i32(struct unpack *unpack)
{
    return (int32_t)(uint32_t)unpack_number(unpack, 4);
}

const void *unpack_raw(struct unpack *unpack, size_t length)
{
    if (unpack->failed || length > unpack_left(unpack)) {
        unpack->failed = true;
        return NULL;
    }
    const uint8_t *at = unpack->at;
    unpack->at += length;
    return at;
}

const void *unpack_bytes(struct unpack *unpack, size_t *length_out)
{
    size_t length = unpack_u32(unpack);
    const void *bytes = unpack_raw(unpack, length);
    *length_out = bytes ? length : 0;
    return bytes;
}

const char *unpack_str(struct unpack *unpack)
{
    size_t length;
    const char *text = unpack_bytes(unpack, &length);
    if (!text || length == 0 || memchr(text, 0, length) != text + length - 1) {
        unpack->failed = true;
        return "";
    }
    return text;
}

char **unpack_strv(struct unpack *unpack, size_t limit)
{
    size_t count = unpack_u32(unpack);
    // Each string takes at least five bytes, so the count cannot make us reserve more than came.
    if (unpack->failed || count > limit || count > unpack_left(unpack) / 5) {
        unpack->failed = true;
        return NULL;
    }
    char **strings = strv_alloc(count);
    for (size_t i = 0; strings && i < count; i++) {
        strings[i] = strdup(unpack_str(unpack));
        if (!strings[i] || unpack->failed) {
            strv_free(strings);
            strings = NULL;
        }
    }
    if (!strings)
        unpack->failed = true;
    return strings;
}

bool unpack_done(const struct unpack *unpack)
{
    return !unpack->failed && unpack->at == unpack->end;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Formats of everything that boot/ reads from outside, and nothing that does I/O, so that the fuzz
// target can reach all of it. No reader looks outside its bytes or believes a length it was given.
#include "config.h"

#include "boot/internal.h"

bool boot_blob_copy(const void *data, size_t length, struct boot_blob *blob_out)
{
    uint8_t *copy = malloc(length ? length : 1);
    if (!copy)
        return false;
    if (length)
        memcpy(copy, data, length);
    *blob_out = (struct boot_blob){copy, length};
    return true;
}

bool boot_wrap(const struct boot_blob *blob, uint32_t rank, struct pack *pack)
{
    pack_u32(pack, BOOT_WIRE_VERSION);
    pack_u32(pack, rank);
    pack_bytes(pack, blob->data, blob->length);
    return !pack->failed;
}

bool boot_wrap_length(const uint8_t *data, size_t length, uint32_t rank, size_t *total_out)
{
    struct unpack unpack = unpack_start(data, length);
    uint32_t version = unpack_u32(&unpack);
    uint32_t from = unpack_u32(&unpack);
    uint32_t bytes = unpack_u32(&unpack);
    if (unpack.failed || version != BOOT_WIRE_VERSION || from != rank || bytes > BOOT_BLOB_LIMIT)
        return false;
    *total_out = BOOT_WRAP_BYTES + bytes;
    return true;
}

dragon_err_t boot_unwrap(const uint8_t *data, size_t length, uint32_t rank,
                         struct boot_blob *blob_out)
{
    size_t total;
    if (!boot_wrap_length(data, length, rank, &total) || total != length)
        return DRAGON_ERR_PROTO;
    if (!boot_blob_copy(data + BOOT_WRAP_BYTES, length - BOOT_WRAP_BYTES, blob_out))
        return DRAGON_ERR_NOMEM;
    return DRAGON_OK;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

void boot_hello_write(const struct boot_hello *hello, uint8_t bytes[AUTH_HELLO_BYTES])
{
    put_u32(bytes, hello->version);
    put_u32(bytes + 4, hello->rank);
    put_u32(bytes + 8, hello->size);
    put_u32(bytes + 12, hello->left_ms);
}

struct boot_hello boot_hello_read(const uint8_t bytes[AUTH_HELLO_BYTES])
{
    struct unpack unpack = unpack_start(bytes, AUTH_HELLO_BYTES);
    struct boot_hello hello;
    hello.version = unpack_u32(&unpack);
    hello.rank = unpack_u32(&unpack);
    hello.size = unpack_u32(&unpack);
    hello.left_ms = unpack_u32(&unpack);
    return hello;
}

void boot_header_write(const struct boot_header *header, uint8_t bytes[BOOT_HEADER_BYTES])
{
    put_u32(bytes, header->version);
    put_u32(bytes + 4, (uint32_t)header->code);
    put_u32(bytes + 8, (uint32_t)header->length);
    put_u32(bytes + 12, (uint32_t)(header->length >> 32));
}

bool boot_header_read(const uint8_t bytes[BOOT_HEADER_BYTES], uint32_t size,
                      struct boot_header *header_out)
{
    struct unpack unpack = unpack_start(bytes, BOOT_HEADER_BYTES);
    struct boot_header header;
    header.version = unpack_u32(&unpack);
    header.code = (dragon_err_t)unpack_i32(&unpack);
    header.length = unpack_u64(&unpack);
    uint64_t limit = header.code ? BOOT_REPORT_LIMIT : (uint64_t)size * (4 + BOOT_BLOB_LIMIT);
    // An unknown code would be passed on to people as "unknown error".
    bool known = header.code == DRAGON_OK || strcmp(dragon_err_name(header.code), "unknown error");
    if (header.version != BOOT_WIRE_VERSION || !known || header.length > limit)
        return false;
    *header_out = header;
    return true;
}

bool boot_table_write(const struct boot_blob *table, uint32_t size, struct pack *pack)
{
    for (uint32_t i = 0; i < size; i++)
        pack_bytes(pack, table[i].data, table[i].length);
    return !pack->failed;
}

dragon_err_t boot_table_read(const uint8_t *data, size_t length, uint32_t size, uint32_t mine,
                             struct boot_blob *table)
{
    struct unpack unpack = unpack_start(data, length);
    for (uint32_t i = 0; i < size; i++) {
        size_t bytes = 0;
        const void *blob = unpack_bytes(&unpack, &bytes);
        if (unpack.failed || bytes > BOOT_BLOB_LIMIT)
            return DRAGON_ERR_PROTO;
        if (i != mine && !boot_blob_copy(blob, bytes, &table[i]))
            return DRAGON_ERR_NOMEM;
    }
    return unpack_done(&unpack) ? DRAGON_OK : DRAGON_ERR_PROTO;
}

bool pmi1_word(const char *line, const char *key, char *value_out, size_t room)
{
    size_t key_length = strlen(key);
    for (const char *at = line; *at;) {
        size_t length = strcspn(at, " ");
        if (length > key_length && at[key_length] == '=' && memcmp(at, key, key_length) == 0) {
            size_t value_length = length - key_length - 1;
            if (value_length >= room)
                return false;
            memcpy(value_out, at + key_length + 1, value_length);
            value_out[value_length] = '\0';
            return true;
        }
        at += length;
        at += strspn(at, " ");
    }
    return false;
}

bool pmi1_number(const char *line, const char *key, long long low, long long high, long long *out)
{
    char text[24];
    return pmi1_word(line, key, text, sizeof text) && parse_number(text, low, high, out);
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t pmi1_encoded_length(size_t length)
{
    return length / 3 * 4 + (length % 3 ? length % 3 + 1 : 0);
}

void pmi1_encode(const uint8_t *data, size_t length, char *text_out)
{
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | data[i];
        for (count += 8; count >= 6; count -= 6)
            *text_out++ = digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        *text_out++ = digits[bits << (6 - count) & 63];
    *text_out = '\0';
}

static int digit_value(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool pmi1_decode(const char *text, uint8_t *data_out, size_t room, size_t *length_out)
{
    uint32_t bits = 0;
    int count = 0;
    size_t length = 0;
    for (; *text; text++) {
        int value = digit_value(*text);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (length == room)
            return false;
        data_out[length++] = (uint8_t)(bits >> count);
    }
    // What is left over is fewer bits than a digit, all zero: one text per content.
    if (count >= 6 || (bits & ((1u << count) - 1)))
        return false;
    *length_out = length;
    return true;
}

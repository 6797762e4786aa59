// SPDX-License-Identifier: BSD-3-Clause
//
// Writing and reading the bodies of messages: little-endian numbers, counted bytes, and strings
// that are counted and terminated so that a reader can use them in place.
//
// Both ends keep a failure to themselves until asked: write or read everything, then check once
// (pack.failed, unpack_done). A reader never looks outside its bytes, whatever they hold.
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack {
    uint8_t *data; // owned
    size_t length;
    size_t room;
    bool failed; // out of memory: nothing more is written
};

#define PACK_EMPTY ((struct pack){0})

void pack_fini(struct pack *pack);
void pack_u8(struct pack *pack, uint8_t value);
void pack_u16(struct pack *pack, uint16_t value);
void pack_u32(struct pack *pack, uint32_t value);
void pack_u64(struct pack *pack, uint64_t value);
void pack_i32(struct pack *pack, int32_t value);
void pack_raw(struct pack *pack, const void *data, size_t length);   // the bytes alone
void pack_bytes(struct pack *pack, const void *data, size_t length); // u32 length, bytes
void pack_str(struct pack *pack, const char *text);      // u32 length with the zero, text, zero
void pack_strv(struct pack *pack, char *const *strings); // u32 count, strings; NULL is empty

struct unpack {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; // a field did not fit: everything read from then on is 0 or ""
};

static inline struct unpack unpack_start(const void *data, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)data;
    // No arithmetic on NULL: an empty body may have no bytes at all.
    return (struct unpack){.at = bytes, .end = length ? bytes + length : bytes, .failed = false};
}

uint8_t unpack_u8(struct unpack *unpack);
uint16_t unpack_u16(struct unpack *unpack);
uint32_t unpack_u32(struct unpack *unpack);
uint64_t unpack_u64(struct unpack *unpack);
int32_t unpack_i32(struct unpack *unpack);

// The results point into the message and live as long as it does.
const void *unpack_raw(struct unpack *unpack, size_t length);
const void *unpack_bytes(struct unpack *unpack, size_t *length_out);
const char *unpack_str(struct unpack *unpack);

// A copy that the caller frees with strv_free. NULL when it did not fit or memory is out; at most
// `limit` strings are accepted.
char **unpack_strv(struct unpack *unpack, size_t limit);

// True when everything was read well and nothing is left over.
bool unpack_done(const struct unpack *unpack);

// How many bytes have not been read yet.
static inline size_t unpack_left(const struct unpack *unpack)
{
    return (size_t)(unpack->end - unpack->at);
}

#endif

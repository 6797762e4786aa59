// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on pairs as data: what a process does itself with a shard of its node, it asks the manager for with one of
// another node. The numbers are part of the wire format (CU_PAIR).
#ifndef DDICT_PAIR_H
#define DDICT_PAIR_H

#include "ddict/shard.h"

enum pair_op {
    PAIR_GET = 1,    // the value
    PAIR_PUT,        //
    PAIR_PUT_ABSENT, //
    PAIR_SWAP,       // with `expected`
    PAIR_ADD,        // `number`. result: what it was
    PAIR_APPEND,     // result: how large it is then
    PAIR_ERASE,      //
    PAIR_POP,        // the value
    PAIR_CONTAINS,   // NOT_FOUND; waits when asked
    PAIR_LENGTH,     // result
    PAIR_CLEAR,      //
    PAIR_FREEZE,     // `number`: 1 or 0
    PAIR_FROZEN,     // result: 1 or 0
    PAIR_WALK, // `number`: the bin, `key`: the prefix, `expected_bytes` 1: with values. The value: records, see pair_record;
               // result: the next bin, with those left out that are empty
    PAIR_STATS, // the value: struct shard_stats
    PAIR_OPS,
};

struct pair_call {
    enum pair_op op;
    bool wait; // for the key, or for room
    struct shard_key key;
    const void *value; // of put, absent, swap, append
    size_t value_bytes;
    const void *expected;
    size_t expected_bytes;
    int64_t number;
};

// Into `buffer`, of GET, POP, WALK and STATS: `bytes` says how large it is, with TOO_BIG, too, and nothing is erased.
struct dict_result {
    void *buffer;
    size_t room, bytes;
    uint64_t result;
};

// In place, without waiting for a key or for room. AGAIN: `call->wait`, and it cannot be done now.
dragon_err_t pair_here(struct shard_view *view, const struct pair_call *call,
                       struct dict_result *result);
// The two halves of PUT, PUT_ABSENT and SWAP, for who fills the value in between himself. AGAIN as above; what is stored is gone
// from the caller in any case.
dragon_err_t pair_prepare(struct shard_view *view, const struct pair_call *call,
                          struct fresh *fresh_out);
dragon_err_t pair_store(struct shard_view *view, const struct pair_call *call, struct fresh *fresh);

// What a walk brings: for each pair u32 key bytes, u64 value bytes, the key, the value (which is left out when it was not asked for).
struct __attribute__((packed)) pair_record {
    uint32_t key_bytes;
    uint64_t value_bytes;
};

// Where a walk puts its records: one bin of them. `data` has room for `room` bytes; when `most` is larger it is made larger with
// realloc, up to that. TOO_BIG: all of them take `bytes`.
struct pair_walk {
    uint8_t *data;
    size_t room, most, bytes;
};
dragon_err_t pair_walk(struct shard_view *view, const struct pair_call *call,
                       struct pair_walk *walk, uint64_t *next_out);

// Many small ones in one message (CU_PAIRS): for each the record, the key, and of PUT the value. What is said to them: for each
// an outcome, and of GET the value. AGAIN, and no value: it has so many bytes, for which there was no more room in the answer.
enum { PAIRS_MOST = 256 };
struct __attribute__((packed)) pair_asked {
    uint32_t key_bytes;
    uint32_t value_bytes; // of GET: the most it may have
};
struct __attribute__((packed)) pair_said {
    int32_t error;
    uint32_t value_bytes; // of GET, also with TOO_BIG
};

#endif

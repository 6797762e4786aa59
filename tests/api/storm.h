// SPDX-License-Identifier: BSD-3-Clause
//
// Values of which each says for which key it is and whether it is whole: one record or several, each with its key, its size, and a
// checksum over both and its bytes. Good C and good C++.
#ifndef TESTS_API_STORM_H
#define TESTS_API_STORM_H

#include "chan.h"

struct record {
    uint64_t key, bytes, version, sum; // bytes: what follows, a multiple of eight
};

static inline uint64_t storm_mix(uint64_t sum, uint64_t word)
{
    return (sum ^ word) * 0x9e3779b97f4a7c15u + (sum >> 29);
}

static inline uint64_t storm_sum(const struct record *record, const uint8_t *bytes)
{
    uint64_t sum = storm_mix(storm_mix(storm_mix(1, record->key), record->bytes), record->version);
    for (uint64_t at = 0; at < record->bytes; at += sizeof sum) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        sum = storm_mix(sum, word);
    }
    return sum;
}

// Returns how large the record is; `bytes` is rounded down.
static inline size_t storm_write(uint8_t *to, uint64_t key, uint64_t version, size_t bytes)
{
    struct record record = {key, bytes / 8 * 8, version, 0};
    uint64_t word = storm_mix(key, version);
    for (uint64_t at = 0; at < record.bytes; at += sizeof word) {
        word = word * 6364136223846793005u + 1442695040888963407u;
        memcpy(to + sizeof record + at, &word, sizeof word);
    }
    record.sum = storm_sum(&record, to + sizeof record);
    memcpy(to, &record, sizeof record);
    return sizeof record + record.bytes;
}

// Whether it is of this key, and whole: one record behind the other up to its end.
static inline bool storm_whole(const void *value, size_t bytes, uint64_t key)
{
    const uint8_t *at = (const uint8_t *)value, *end = at + bytes;
    if (bytes == 0)
        return false;
    while (at < end) {
        struct record record;
        if ((size_t)(end - at) < sizeof record)
            return false;
        memcpy(&record, at, sizeof record);
        at += sizeof record;
        if (record.key != key || record.bytes > (size_t)(end - at) ||
            record.sum != storm_sum(&record, at))
            return false;
        at += record.bytes;
    }
    return true;
}

static inline uint64_t storm_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * 0x2545f4914f6cdd1du >> 16;
}

// Most values are small; some are copied after they were pinned, and some take many pages.
static inline size_t storm_size(uint64_t *seed)
{
    uint64_t kind = storm_random(seed) % 20, number = storm_random(seed);
    return kind < 12 ? number % 1000 : kind < 18 ? number % 50000 : number % 150000;
}

#endif

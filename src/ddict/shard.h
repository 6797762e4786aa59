// SPDX-License-Identifier: BSD-3-Clause
//
// Shard: the pairs of one manager of a dictionary, with a heap of its own, in one block that every process of the node maps.
// Processes of the node read and write it in place; the manager does so for processes of other nodes, and the shard ends with it.
//
//     shard:  | struct shard, bins | heap: tables and entries ... |
//
//     bin:    a lock, a version, and the table of the pairs whose hash leads there
//     table:  a word for each place: the offset of an entry, with bits of its hash; open addressing; another one is made when
//             it has too little room, or far too much
//     entry:  key and value in one block of the heap, never changed once it is in a table (but for numbers and what is appended
//             behind its end)
//
// Writing takes the lock of one bin, with everything prepared before: the change itself is one store. Reading takes no
// lock: it copies and then looks whether the version of the bin is still the same, which grows before anything is given
// back; what it copied otherwise was memory of the heap all the same, and it begins again. Large values, and readers whose
// luck is bad, pin the entry instead: a pinned one that is taken out of its table is given back by the last who unpins it.
//
// Whoever dies leaves at most a locked bin, blocks and pins: shard_recover finishes or undoes what was begun, from what the
// bin says of it.
#ifndef DDICT_SHARD_H
#define DDICT_SHARD_H

#include "mem/object.h"
#include "mem/space.h"

enum {
    SHARD_BINS_LEAST = 16,
    SHARD_BINS_MOST = 1 << 16,
    SHARD_BYTES_A_BIN = 64 << 10,
    SHARD_PINS = 1024,
    SHARD_WAITSETS = 16, // of those who wait for keys
    SHARD_COUNTERS = 32, // lines of counts, so that processes do not share one
    SHARD_KEY_MOST = 64 << 10,
    SHARD_STORED = SLOT_KEEPER, // owns what is in tables
};

// What is counted.
enum shard_count {
    COUNT_PUT,
    COUNT_GET,
    COUNT_MISSED, // gets of what is not there
    COUNT_ERASE,
    COUNT_SWAP, // compare-and-swap, fetch-add, append
    COUNT_SCAN,
    COUNT_FULL,
    COUNT_RETRY, // of reads
    SHARD_COUNTS,
};

struct bin {
    _Atomic uint32_t lock;    // the slot that has it, and BIN_AWAITED; 0: nobody
    _Atomic uint32_t version; // grows before something is given back
    uint32_t keys;            // in the table
    uint32_t used;            // of its places, with those whose key was erased
    _Atomic uint64_t table;   // offset, and the logarithm of its places below; 0: none yet
    // What the one with the lock is about: recovery looks whether they are in place.
    _Atomic uint64_t fresh, stale;             // entries
    _Atomic uint64_t fresh_table, stale_table; //
    uint32_t pins;                             // of its entries
    uint32_t room;
};
_Static_assert(sizeof(struct bin) == 64, "a bin is a cache line");

struct pin {
    _Atomic uint32_t slot; // SLOT_NONE: free
    uint32_t room;
    _Atomic uint64_t entry; // 0: none yet
};

struct counters {
    _Atomic uint64_t counts[SHARD_COUNTS];
};

struct shard {
    struct object object;
    uint64_t bytes; // of all
    uint32_t bins;  // a power of two
    _Atomic uint32_t frozen;
    _Atomic uint32_t pins_left; // perhaps, by the dead
    uint8_t room[24];
    struct counters counters[SHARD_COUNTERS];
    struct waitset keys[SHARD_WAITSETS]; // who waits for a key
    struct waitset space;                // who waits for memory
    struct pin pins[SHARD_PINS];
    struct bin bin[];
};

// What one process has of a shard.
struct shard_view {
    struct shard *shard; // borrowed
    struct space *space; // borrowed: bells
    uint32_t slot;       // in whose name
    uint32_t bins;       // what the shard says may be written over
    bool
        again; // what is done was tried before by the same call: that it cannot be done is not counted again
    struct heap heap;
};

struct shard_key {
    const void *data;
    size_t bytes;
    uint64_t hash;
};
struct shard_key shard_key(const void *data, size_t bytes);

// ---- life

// For the keeper. Of `bytes` in all, in zeroed memory.
enum { SHARD_LEAST = 1 << 20 };
void shard_init(struct shard *shard, uint64_t id, uint64_t bytes);
// Whether one of so many bytes can ever have such a pair.
bool shard_fits(uint64_t bytes, size_t key_bytes, uint64_t value_bytes);
bool shard_check(const struct shard *shard,
                 size_t bytes); // what is in a block of that size is a shard that fills it
void shard_destroy(struct shard *shard, struct space *space);
// The slot's process is gone: see object_recover.
void shard_recover(struct shard *shard, uint32_t dead, struct space *space);
// False: what is mapped there is damaged.
bool shard_open(struct shard_view *view, struct shard *shard, struct space *space);

// ---- reading. NOT_FOUND. Never waits for anybody, but for the lock of the bin where a value is large or pinned: TIMEOUT,
// CLOSED.

// The value into `buffer`, and how large it is; TOO_BIG: it has no room, and nothing was copied.
dragon_err_t shard_get(struct shard_view *view, const struct shard_key *key, void *buffer,
                       size_t room, size_t *bytes_out);
// The value where it is, until it is unpinned, whatever happens to the key (but while the shard is frozen until it is not
// any more). A number may be changed in place. FULL: too many are pinned.
struct pinned {
    const void *data;
    size_t bytes;
    struct pin *pin;
};
dragon_err_t shard_pin(struct shard_view *view, const struct shard_key *key,
                       struct pinned *pinned_out);
// The same, but until it is unpinned in any case.
dragon_err_t shard_hold(struct shard_view *view, const struct shard_key *key,
                        struct pinned *pinned_out);
void shard_unpin(struct shard_view *view, struct pinned *pinned);
bool shard_contains(struct shard_view *view, const struct shard_key *key);

// ---- writing. DENIED: it is frozen. TIMEOUT: somebody who has stopped holds the bin.

// A pair that is made: the caller fills `value`, then stores it or abandons it.
struct fresh {
    uint64_t entry;
    void *value;
};
// FULL: no memory.
dragon_err_t shard_prepare(struct shard_view *view, const struct shard_key *key, size_t value_bytes,
                           struct fresh *fresh_out);
void shard_abandon(struct shard_view *view, struct fresh *fresh);

enum shard_how {
    SHARD_PUT,
    SHARD_PUT_ABSENT, // EXISTS: it is there, and stays
    SHARD_PUT_PRESENT,
};
// In any case it is gone from the caller.
dragon_err_t shard_store(struct shard_view *view, const struct shard_key *key, struct fresh *fresh,
                         enum shard_how how);
// STATE: the value is another one.
dragon_err_t shard_swap(struct shard_view *view, const struct shard_key *key, const void *expected,
                        size_t expected_bytes, struct fresh *fresh);
// A value of eight bytes, as a number; when it is missing it was 0. INVAL: it has another size.
dragon_err_t shard_add(struct shard_view *view, const struct shard_key *key, int64_t number,
                       int64_t *before_out);
dragon_err_t shard_append(struct shard_view *view, const struct shard_key *key, const void *data,
                          size_t bytes, size_t *bytes_out);
dragon_err_t shard_erase(struct shard_view *view, const struct shard_key *key);
// The value of what was erased, to be read until it is unpinned. FULL: too many are pinned, and nothing was erased.
dragon_err_t shard_pop(struct shard_view *view, const struct shard_key *key,
                       struct pinned *pinned_out);
// TOO_BIG: it has more bytes than that, pinned_out->bytes, and nothing was erased.
dragon_err_t shard_pop_within(struct shard_view *view, const struct shard_key *key, size_t room,
                              struct pinned *pinned_out);
dragon_err_t shard_clear(struct shard_view *view);
// TIMEOUT: somebody who has stopped may still change it, and it is not frozen.
dragon_err_t shard_freeze(struct shard_view *view, bool frozen);

// ---- looking

uint64_t shard_length(struct shard_view *view);
// Calls for each pair of a bin; they are pinned by the bin's lock, so `take` is short. A key is in the same bin as long as it
// is there: so walking over all bins passes each key that is not touched exactly once.
dragon_err_t shard_walk(struct shard_view *view, uint32_t bin,
                        bool (*take)(void *arg, const void *key, size_t key_bytes,
                                     const void *value, size_t value_bytes),
                        void *arg);

// For `take`, of the pair that it was called for: so that its value can be read afterwards, until it is unpinned. False: too many
// are pinned.
bool shard_walk_pin(struct shard_view *view, const void *key, struct pinned *pinned_out);

struct shard_stats {
    struct heap_stats heap;
    uint64_t keys, counts[SHARD_COUNTS];
    uint32_t pins, waiting;
};
void shard_stats(struct shard_view *view, struct shard_stats *stats_out);

// Where to wait for the key.
static inline struct waitset *shard_set(struct shard_view *view, const struct shard_key *key)
{
    return &view->shard->keys[key->hash % SHARD_WAITSETS];
}

#endif

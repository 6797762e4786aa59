// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the shard share: entries, tables and bins.
#ifndef DDICT_SHARD_PARTS_H
#define DDICT_SHARD_PARTS_H

#include "ddict/shard.h"

// A block: this, the key, the value.
struct entry {
    _Atomic uint64_t hash;
    _Atomic uint64_t value_bytes;
    _Atomic uint32_t key_bytes;
    _Atomic uint32_t value_at; // from the beginning of the entry
    _Atomic uint32_t out;      // it is in no table any more, and was pinned when it was taken out
    uint32_t room;
};
enum {
    ENTRY_ALIGN = 16,   // of values,
    ENTRY_LARGE = 4096, // and from this size on
    ENTRY_ALIGN_LARGE = 64,
    TABLE_LEAST = 8,
    READ_TRIES = 8,        // then it is pinned,
    READ_LARGE = 32 << 10, // at once, when it is so large
    BIN_MS = 10000,        // for its lock
};
#define BIN_AWAITED 0x80000000u

static inline struct bin *bin_of(struct shard_view *view, uint64_t hash)
{
    return &view->shard->bin[(hash >> 32) & (view->bins - 1)];
}

// How much there is from the offset on; 0: no block can begin there.
static inline size_t block_room(struct shard_view *view, uint64_t offset)
{
    size_t limit = view->heap.first + (size_t)view->heap.pages * HEAP_PAGE;
    bool can = offset >= view->heap.first && offset < limit && offset % HEAP_ALIGN == 0;
    return can ? limit - offset : 0;
}

// ---- places
//
// What is in a place: PLACE_FREE, PLACE_LEFT, or the offset of an entry, of which the upper 16 bits and the lower 6 are
// always 0: these have bits of the hash, which say where the entry belongs, and spare looking at most others. They depend on
// all bits of the hash: managers may have been chosen by some of them.
enum { PLACE_FREE = 0, PLACE_LEFT = 1 };
#define PLACE_OFFSET 0x0000ffffffffffc0ull

static inline uint32_t hash_tag(uint64_t hash)
{
    return (uint32_t)(hash * 0x9e3779b97f4a7c15ull >> 42);
}
static inline uint64_t place_word(uint64_t entry, uint32_t tag)
{
    return entry | (uint64_t)(tag >> 6) << 48 | (tag & 63);
}
static inline uint64_t place_entry(uint64_t word) // 0: none
{
    return word & PLACE_OFFSET;
}
static inline uint32_t place_tag(uint64_t word)
{
    return (uint32_t)(word >> 48) << 6 | (uint32_t)(word & 63);
}

// A table, as the word of its bin says. No places: there is none, or the word is damaged.
struct table {
    _Atomic uint64_t *place;
    uint32_t places; // a power of two
    uint64_t offset;
};

// What an entry says of itself, read once and found to lie in the segment: it may be another one's while we read it.
struct found {
    struct entry *entry;
    uint64_t offset, hash;
    size_t key_bytes, value_bytes;
    uint8_t *value;
};

static inline bool entry_at(struct shard_view *view, uint64_t offset, struct found *found)
{
    size_t room = block_room(view, offset);
    if (!room)
        return false;
    struct entry *entry = (struct entry *)(view->heap.base + offset);
    uint64_t bytes = atomic_load_explicit(&entry->value_bytes, memory_order_acquire);
    uint32_t key_bytes = atomic_load_explicit(&entry->key_bytes, memory_order_relaxed);
    uint32_t at = atomic_load_explicit(&entry->value_at, memory_order_relaxed);
    *found = (struct found){
        .entry = entry,
        .offset = offset,
        .hash = atomic_load_explicit(&entry->hash, memory_order_relaxed),
        .key_bytes = key_bytes,
        .value_bytes = bytes,
        .value = (uint8_t *)entry + at,
    };
    return at % ENTRY_ALIGN == 0 && sizeof *entry + (size_t)key_bytes <= at && at <= room &&
           bytes <= room - at;
}

static inline size_t entry_value_at(size_t key_bytes, size_t value_bytes)
{
    size_t align = value_bytes >= ENTRY_LARGE ? ENTRY_ALIGN_LARGE : ENTRY_ALIGN;
    return (sizeof(struct entry) + key_bytes + align - 1) / align * align;
}

static inline const uint8_t *entry_key(const struct entry *entry)
{
    return (const uint8_t *)(entry + 1);
}

void shard_counted(struct shard_view *view, enum shard_count what);
static inline void shard_refused(struct shard_view *view, enum shard_count what)
{
    if (!view->again)
        shard_counted(view, what);
}
void shard_changed(struct shard_view *view, uint64_t hash);    // wakes who waits for a key
void shard_give_back(struct shard_view *view, uint64_t block); // ours; wakes who waits for memory

// shard_bin.c. TIMEOUT; CLOSED: the shard has ended.
dragon_err_t bin_lock(struct shard_view *view, struct bin *bin);
bool bin_try_lock(struct shard_view *view, struct bin *bin); // without sleeping
void bin_unlock(struct bin *bin);

// shard_table.c
struct table bin_table(struct shard_view *view, struct bin *bin);
// NULL: it is not there. Without the lock what is found may be gone already.
_Atomic uint64_t *bin_find(struct shard_view *view, struct bin *bin, const struct shard_key *key,
                           struct found *found);
// The rest with the lock. A place for one more; the table is replaced if need be. FULL.
dragon_err_t bin_room(struct shard_view *view, struct bin *bin, uint64_t hash,
                      _Atomic uint64_t **place_out);
void bin_shrink(struct shard_view *view, struct bin *bin); // after keys were taken out
// Ours becomes what is at the place, and what was there is retired: to be given back by us after unlocking; 0: nothing is.
uint64_t bin_put(struct shard_view *view, struct bin *bin, _Atomic uint64_t *place, uint64_t hash,
                 uint64_t fresh);
uint64_t bin_take(struct shard_view *view, struct bin *bin, _Atomic uint64_t *place);
void bin_recover(struct shard_view *view, struct bin *bin, uint32_t dead);

// shard_pin.c
struct pin *pin_claim(struct shard_view *view); // NULL: there is none
void pin_drop(struct pin *pin);
bool pin_is_on(struct shard_view *view, uint64_t entry); // with the lock of its bin
uint32_t pins_count(struct shard_view *view, const struct bin *bin);
void pins_recover(struct shard_view *view, uint32_t dead);
void pins_sweep(struct shard_view *view); // those of the dead whose bins are not locked

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the shard share: entries, tables and bins.
#ifndef DDICT_SHARD_PARTS_H
#define DDICT_SHARD_PARTS_H

#include "ddict/shard.h"

// A block: this, the key, the value.
struct entry {
    uint64_t hash;
    _Atomic uint64_t value_bytes;
    uint32_t key_bytes;
    uint32_t value_at;    // from the beginning of the entry
    _Atomic uint32_t out; // it is in no table any more, and was pinned when it was taken out
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

struct place {
    uint64_t hash;
    _Atomic uint64_t entry; // PLACE_FREE, PLACE_LEFT or an offset
};
enum { PLACE_FREE = 0, PLACE_LEFT = 1 };

struct table {
    uint32_t places; // a power of two
    uint32_t room[3];
    struct place place[];
};

static inline struct bin *bin_of(struct shard_view *view, uint64_t hash)
{
    return &view->shard->bin[(hash >> 32) & (view->shard->bins - 1)];
}

// NULL: there is no such block.
static inline struct entry *entry_at(struct shard_view *view, uint64_t offset)
{
    size_t limit = view->heap.first + (size_t)view->heap.pages * HEAP_PAGE;
    if (offset < view->heap.first || offset >= limit || offset % HEAP_ALIGN)
        return NULL;
    return (struct entry *)(view->heap.base + offset);
}

// Whether what the entry says of itself lies in the segment: it may be reused while we read it.
static inline bool entry_fits(struct shard_view *view, uint64_t offset, uint32_t key_bytes,
                              uint32_t value_at, uint64_t value_bytes)
{
    size_t limit = view->heap.first + (size_t)view->heap.pages * HEAP_PAGE;
    size_t room = limit - offset;
    return sizeof(struct entry) + (size_t)key_bytes <= value_at && value_at <= room &&
           value_bytes <= room - value_at;
}

static inline const uint8_t *entry_key(const struct entry *entry)
{
    return (const uint8_t *)(entry + 1);
}

static inline uint8_t *entry_value(struct entry *entry)
{
    return (uint8_t *)entry + entry->value_at;
}

void shard_counted(struct shard_view *view, enum shard_count what);
void shard_changed(struct shard_view *view, uint64_t hash);    // wakes who waits for a key
void shard_give_back(struct shard_view *view, uint64_t block); // ours; wakes who waits for memory

// shard_bin.c. TIMEOUT; CLOSED: the shard has ended.
dragon_err_t bin_lock(struct shard_view *view, struct bin *bin);
void bin_unlock(struct bin *bin);
struct table *bin_table(struct shard_view *view,
                        struct bin *bin); // NULL: none, or it is being changed
// NULL: it is not there. Without the lock what is found may be gone already.
struct place *bin_find(struct shard_view *view, struct bin *bin, const struct shard_key *key,
                       struct entry **entry_out);
// The rest with the lock. A place for one more; the table is replaced if need be. FULL.
dragon_err_t bin_room(struct shard_view *view, struct bin *bin, uint64_t hash,
                      struct place **place_out);
// Ours becomes what is at the place, and what was there is retired: to be given back by us after unlocking; 0: nothing is.
uint64_t bin_put(struct shard_view *view, struct bin *bin, struct place *place, uint64_t hash,
                 uint64_t fresh);
uint64_t bin_take(struct shard_view *view, struct bin *bin, struct place *place);
void bin_recover(struct shard_view *view, struct bin *bin, uint32_t dead);

// shard_pin.c
struct pin *pin_claim(struct shard_view *view); // NULL: there is none
void pin_drop(struct pin *pin);
bool pin_is_on(struct shard_view *view, uint64_t entry); // with the lock of its bin
uint32_t pins_count(struct shard_view *view, const struct bin *bin);
void pins_recover(struct shard_view *view, uint32_t dead);
void pins_sweep(struct shard_view *view); // those of the dead

#endif

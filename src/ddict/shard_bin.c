// SPDX-License-Identifier: BSD-3-Clause
//
// Bins: the lock, the table, and the changes of it. Each change is one store, before which the bin says what is coming in and
// what goes out; after which nothing of that is needed any more.
#include "config.h"

#include "ddict/shard_parts.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- the lock

enum { LOCK_SPINS = 100, LOCK_SLICE_MS = 50 };

static inline void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool try_lock(struct bin *bin, uint32_t word)
{
    uint32_t nobody = 0;
    return atomic_compare_exchange_strong_explicit(&bin->lock, &nobody, word, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void sleep_for(struct bin *bin, uint32_t seen)
{
    struct timespec slice = {.tv_nsec = LOCK_SLICE_MS * 1000000L};
    syscall(SYS_futex, &bin->lock, FUTEX_WAIT, seen, &slice, NULL, 0);
}

// Says that somebody waits. 0: it is free now.
static uint32_t say_awaited(struct bin *bin)
{
    uint32_t word = atomic_load_explicit(&bin->lock, memory_order_relaxed);
    while (word && !(word & BIN_AWAITED) &&
           !atomic_compare_exchange_weak(&bin->lock, &word, word | BIN_AWAITED))
        ;
    return word ? word | BIN_AWAITED : 0;
}

dragon_err_t bin_lock(struct shard_view *view, struct bin *bin)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        if (try_lock(bin, view->slot))
            return DRAGON_OK;
        pause_core();
    }
    uint64_t deadline = time_now_ms() + BIN_MS;
    while (time_left_ms(deadline) > 0) {
        uint32_t word = say_awaited(bin);
        if (word)
            sleep_for(bin, word);
        // Others may wait, too.
        if (try_lock(bin, view->slot | BIN_AWAITED))
            return DRAGON_OK;
        if (object_state(&view->shard->object) == OBJECT_DESTROYED)
            return DRAGON_ERR_CLOSED;
    }
    return DRAGON_ERR_TIMEOUT;
}

void bin_unlock(struct bin *bin)
{
    uint32_t word = atomic_exchange_explicit(&bin->lock, 0, memory_order_release);
    if (word & BIN_AWAITED)
        syscall(SYS_futex, &bin->lock, FUTEX_WAKE, 1, NULL, NULL, 0);
}

// ---- looking

static size_t table_bytes(uint32_t places)
{
    return sizeof(struct table) + (size_t)places * sizeof(struct place);
}

struct table *bin_table(struct shard_view *view, struct bin *bin)
{
    const struct heap *heap = &view->heap;
    uint64_t offset = atomic_load_explicit(&bin->table, memory_order_acquire);
    size_t limit = heap->first + (size_t)heap->pages * HEAP_PAGE;
    if (offset < heap->first || offset >= limit || offset % HEAP_ALIGN)
        return NULL;
    return (struct table *)(heap->base + offset);
}

// What a reader without the lock sees may be anything by now.
static uint32_t places_of(struct shard_view *view, const struct table *table)
{
    uint32_t places =
        atomic_load_explicit((const _Atomic uint32_t *)&table->places, memory_order_relaxed);
    size_t limit = view->heap.first + (size_t)view->heap.pages * HEAP_PAGE;
    size_t room = limit - (size_t)((const uint8_t *)table - view->heap.base);
    bool is_good = places && !(places & (places - 1)) && table_bytes(places) <= room;
    return is_good ? places : 0;
}

static bool is_key(struct shard_view *view, const struct entry *entry, uint64_t offset,
                   const struct shard_key *key)
{
    uint32_t key_bytes = entry->key_bytes;
    return key_bytes == key->bytes && entry->hash == key->hash &&
           entry_fits(view, offset, key_bytes, sizeof *entry + key_bytes, 0) &&
           memcmp(entry_key(entry), key->data, key_bytes) == 0;
}

struct place *bin_find(struct shard_view *view, struct bin *bin, const struct shard_key *key,
                       struct entry **entry_out)
{
    struct table *table = bin_table(view, bin);
    uint32_t places = table ? places_of(view, table) : 0;
    for (uint32_t i = 0, at = (uint32_t)key->hash; i < places; i++, at++) {
        struct place *place = &table->place[at & (places - 1)];
        uint64_t offset = atomic_load_explicit(&place->entry, memory_order_acquire);
        if (offset == PLACE_FREE)
            break;
        if (offset == PLACE_LEFT || place->hash != key->hash)
            continue;
        struct entry *entry = entry_at(view, offset);
        if (entry && is_key(view, entry, offset, key)) {
            *entry_out = entry;
            return place;
        }
    }
    return NULL;
}

// ---- changing

static uint64_t offset_of(struct shard_view *view, const void *data)
{
    return (uint64_t)((const uint8_t *)data - view->heap.base);
}

// What was taken out is ours, unless it is pinned: then it is given back by who unpins it last.
static uint64_t retire(struct shard_view *view, struct bin *bin, uint64_t stale)
{
    atomic_fetch_add(&bin->version, 1);
    if (bin->pins && pin_is_on(view, stale)) {
        atomic_store(&entry_at(view, stale)->out, 1);
        stale = 0;
    } else if (!heap_give(&view->heap, stale, SHARD_STORED, view->slot)) {
        stale = 0; // a damaged shard: the block is lost, nothing else
    }
    atomic_store_explicit(&bin->stale, 0, memory_order_release);
    return stale;
}

uint64_t bin_put(struct shard_view *view, struct bin *bin, struct place *place, uint64_t hash,
                 uint64_t fresh)
{
    uint64_t stale = atomic_load_explicit(&place->entry, memory_order_relaxed);
    bool is_new = stale == PLACE_FREE || stale == PLACE_LEFT;
    atomic_store_explicit(&bin->fresh, fresh, memory_order_release);
    atomic_store_explicit(&bin->stale, is_new ? 0 : stale, memory_order_release);
    heap_give(&view->heap, fresh, view->slot, SHARD_STORED);
    if (is_new)
        place->hash = hash;
    atomic_store(&place->entry, fresh);
    atomic_store_explicit(&bin->fresh, 0, memory_order_release);
    bin->keys += is_new;
    bin->used += stale == PLACE_FREE;
    return is_new ? 0 : retire(view, bin, stale);
}

uint64_t bin_take(struct shard_view *view, struct bin *bin, struct place *place)
{
    uint64_t stale = atomic_load_explicit(&place->entry, memory_order_relaxed);
    atomic_store_explicit(&bin->stale, stale, memory_order_release);
    atomic_store(&place->entry, PLACE_LEFT);
    bin->keys--;
    return retire(view, bin, stale);
}

static struct place *free_place(struct table *table, uint64_t hash)
{
    uint32_t at = (uint32_t)hash;
    for (uint32_t i = 0; i < table->places; i++, at++) {
        struct place *place = &table->place[at & (table->places - 1)];
        uint64_t entry = atomic_load_explicit(&place->entry, memory_order_relaxed);
        if (entry == PLACE_FREE || entry == PLACE_LEFT)
            return place;
    }
    return NULL;
}

static void fill_table(struct table *table, const struct table *old)
{
    for (uint32_t i = 0; old && i < old->places; i++) {
        uint64_t entry = atomic_load_explicit(&old->place[i].entry, memory_order_relaxed);
        if (entry == PLACE_FREE || entry == PLACE_LEFT)
            continue;
        struct place *place = free_place(table, old->place[i].hash);
        place->hash = old->place[i].hash;
        atomic_store_explicit(&place->entry, entry, memory_order_relaxed);
    }
}

// Another table, with room for as many keys again.
static dragon_err_t replace_table(struct shard_view *view, struct bin *bin, struct table *old)
{
    uint32_t places = TABLE_LEAST;
    while (places < bin->keys * 2 + 2)
        places *= 2;
    uint64_t fresh = heap_alloc(&view->heap, table_bytes(places), view->slot);
    if (!fresh)
        return DRAGON_ERR_FULL;
    struct table *table = (struct table *)(view->heap.base + fresh);
    memset(table, 0, table_bytes(places));
    table->places = places;
    fill_table(table, old);
    uint64_t stale = old ? offset_of(view, old) : 0;
    atomic_store_explicit(&bin->fresh_table, fresh, memory_order_release);
    atomic_store_explicit(&bin->stale_table, stale, memory_order_release);
    heap_give(&view->heap, fresh, view->slot, SHARD_STORED);
    atomic_store(&bin->table, fresh);
    bin->used = bin->keys;
    atomic_store_explicit(&bin->fresh_table, 0, memory_order_release);
    atomic_fetch_add(&bin->version, 1);
    // Ours first: what is free may be somebody else's before we have said that it is no concern of this bin any more.
    bool is_ours = stale && heap_give(&view->heap, stale, SHARD_STORED, view->slot);
    atomic_store_explicit(&bin->stale_table, 0, memory_order_release);
    if (is_ours)
        heap_free(&view->heap, stale, view->slot);
    return DRAGON_OK;
}

dragon_err_t bin_room(struct shard_view *view, struct bin *bin, uint64_t hash,
                      struct place **place_out)
{
    struct table *table = bin_table(view, bin);
    if (!table || bin->used + 1 > table->places - table->places / 4) {
        dragon_err_t err = replace_table(view, bin, table);
        if (err != DRAGON_OK)
            return err;
        table = bin_table(view, bin);
    }
    *place_out = free_place(table, hash);
    return *place_out ? DRAGON_OK : DRAGON_ERR_FULL;
}

// ---- recovery

static bool is_in_table(const struct table *table, uint64_t entry)
{
    for (uint32_t i = 0; table && i < table->places; i++)
        if (atomic_load(&table->place[i].entry) == entry)
            return true;
    return false;
}

static void count_again(struct bin *bin, const struct table *table)
{
    bin->keys = bin->used = 0;
    for (uint32_t i = 0; table && i < table->places; i++) {
        uint64_t entry = atomic_load(&table->place[i].entry);
        bin->used += entry != PLACE_FREE;
        bin->keys += entry != PLACE_FREE && entry != PLACE_LEFT;
    }
}

// What the dead one owned itself is given back with all that it had.
void bin_recover(struct shard_view *view, struct bin *bin, uint32_t dead)
{
    if ((atomic_load(&bin->lock) & ~BIN_AWAITED) != dead)
        return;
    const struct table *table = bin_table(view, bin);
    uint64_t fresh = atomic_load(&bin->fresh), stale = atomic_load(&bin->stale);
    uint64_t fresh_table = atomic_load(&bin->fresh_table);
    uint64_t stale_table = atomic_load(&bin->stale_table);
    atomic_fetch_add(&bin->version, 1);
    if (fresh && !is_in_table(table, fresh))
        heap_free(&view->heap, fresh, SHARD_STORED);
    if (stale && !is_in_table(table, stale)) {
        if (pin_is_on(view, stale))
            atomic_store(&entry_at(view, stale)->out, 1);
        else
            heap_free(&view->heap, stale, SHARD_STORED);
    }
    if (fresh_table && fresh_table != atomic_load(&bin->table))
        heap_free(&view->heap, fresh_table, SHARD_STORED);
    if (stale_table && stale_table != atomic_load(&bin->table))
        heap_free(&view->heap, stale_table, SHARD_STORED);
    count_again(bin, table);
    bin->pins = pins_count(view, bin);
    atomic_store(&bin->fresh, 0);
    atomic_store(&bin->stale, 0);
    atomic_store(&bin->fresh_table, 0);
    atomic_store(&bin->stale_table, 0);
    atomic_store(&bin->lock, 0);
    syscall(SYS_futex, &bin->lock, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

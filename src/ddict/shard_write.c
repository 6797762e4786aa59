// SPDX-License-Identifier: BSD-3-Clause
//
// Writing: everything is made before the bin is locked, and given back after it is free.
#include "config.h"

#include "ddict/shard_parts.h"

// ---- entries

static size_t value_offset(size_t key_bytes, size_t value_bytes)
{
    size_t align = value_bytes >= ENTRY_LARGE ? ENTRY_ALIGN_LARGE : ENTRY_ALIGN;
    return (sizeof(struct entry) + key_bytes + align - 1) / align * align;
}

dragon_err_t shard_prepare(struct shard_view *view, const struct shard_key *key, size_t value_bytes,
                           struct fresh *fresh_out)
{
    size_t value_at = value_offset(key->bytes, value_bytes);
    if (key->bytes > SHARD_KEY_MOST || value_bytes > SIZE_MAX / 2)
        return DRAGON_ERR_TOO_BIG;
    uint64_t offset = heap_alloc(&view->heap, value_at + value_bytes, view->slot);
    if (!offset && atomic_load(&view->shard->pins_left)) {
        pins_sweep(view);
        offset = heap_alloc(&view->heap, value_at + value_bytes, view->slot);
    }
    if (!offset) {
        shard_counted(view, COUNT_FULL);
        return DRAGON_ERR_FULL;
    }
    struct entry *entry = entry_at(view, offset);
    entry->hash = key->hash;
    atomic_store_explicit(&entry->value_bytes, value_bytes, memory_order_relaxed);
    entry->key_bytes = (uint32_t)key->bytes;
    entry->value_at = (uint32_t)value_at;
    atomic_store_explicit(&entry->out, 0, memory_order_relaxed);
    if (key->bytes > 0)
        memcpy(entry + 1, key->data, key->bytes);
    *fresh_out = (struct fresh){.entry = offset, .value = entry_value(entry)};
    return DRAGON_OK;
}

void shard_give_back(struct shard_view *view, uint64_t block)
{
    heap_free(&view->heap, block, view->slot);
    if (waitset_any(&view->shard->space))
        space_wake_all(view->space, &view->shard->space);
}

void shard_abandon(struct shard_view *view, struct fresh *fresh)
{
    if (fresh->entry)
        shard_give_back(view, fresh->entry);
    fresh->entry = 0;
}

void shard_changed(struct shard_view *view, uint64_t hash)
{
    struct waitset *set = &view->shard->keys[hash % SHARD_WAITSETS];
    if (waitset_any(set))
        space_wake_all(view->space, set);
}

// ---- one key

struct change {
    struct shard_view *view;
    const struct shard_key *key;
    struct bin *bin;
    struct place *place; // NULL: it is not there
    struct entry *entry;
};

// Locks. DENIED, TIMEOUT, CLOSED: it is not locked.
static dragon_err_t begin(struct shard_view *view, const struct shard_key *key,
                          struct change *change_out)
{
    *change_out = (struct change){.view = view, .key = key, .bin = bin_of(view, key->hash)};
    dragon_err_t err = bin_lock(view, change_out->bin);
    if (err != DRAGON_OK)
        return err;
    if (atomic_load(&view->shard->frozen)) {
        bin_unlock(change_out->bin);
        return DRAGON_ERR_DENIED;
    }
    change_out->place = bin_find(view, change_out->bin, key, &change_out->entry);
    return DRAGON_OK;
}

// What the change took out is given back.
static void end(struct change *change, uint64_t stale)
{
    bin_unlock(change->bin);
    if (stale)
        shard_give_back(change->view, stale);
}

static dragon_err_t put(struct change *change, struct fresh *fresh, uint64_t *stale_out)
{
    struct place *place = change->place;
    if (!place) {
        dragon_err_t err = bin_room(change->view, change->bin, change->key->hash, &place);
        if (err != DRAGON_OK)
            return err;
    }
    *stale_out = bin_put(change->view, change->bin, place, change->key->hash, fresh->entry);
    fresh->entry = 0;
    return DRAGON_OK;
}

dragon_err_t shard_store(struct shard_view *view, const struct shard_key *key, struct fresh *fresh,
                         enum shard_how how)
{
    struct change change;
    uint64_t stale = 0;
    dragon_err_t err = begin(view, key, &change);
    if (err == DRAGON_OK) {
        if (change.place && how == SHARD_PUT_ABSENT)
            err = DRAGON_ERR_EXISTS;
        else if (!change.place && how == SHARD_PUT_PRESENT)
            err = DRAGON_ERR_NOT_FOUND;
        else
            err = put(&change, fresh, &stale);
        end(&change, stale);
    }
    shard_abandon(view, fresh);
    shard_counted(view, err == DRAGON_ERR_FULL ? COUNT_FULL : COUNT_PUT);
    if (err == DRAGON_OK)
        shard_changed(view, key->hash);
    return err;
}

static bool is_value(struct entry *entry, const void *expected, size_t expected_bytes)
{
    return atomic_load(&entry->value_bytes) == expected_bytes &&
           (expected_bytes == 0 || memcmp(entry_value(entry), expected, expected_bytes) == 0);
}

dragon_err_t shard_swap(struct shard_view *view, const struct shard_key *key, const void *expected,
                        size_t expected_bytes, struct fresh *fresh)
{
    struct change change;
    uint64_t stale = 0;
    dragon_err_t err = begin(view, key, &change);
    if (err == DRAGON_OK) {
        if (!change.place)
            err = DRAGON_ERR_NOT_FOUND;
        else if (!is_value(change.entry, expected, expected_bytes))
            err = DRAGON_ERR_STATE;
        else
            err = put(&change, fresh, &stale);
        end(&change, stale);
    }
    shard_abandon(view, fresh);
    shard_counted(view, COUNT_SWAP);
    if (err == DRAGON_OK)
        shard_changed(view, key->hash);
    return err;
}

// ---- in place

dragon_err_t shard_add(struct shard_view *view, const struct shard_key *key, int64_t number,
                       int64_t *before_out)
{
    struct change change;
    struct fresh fresh;
    uint64_t stale = 0;
    dragon_err_t err = shard_prepare(view, key, sizeof number, &fresh);
    if (err != DRAGON_OK)
        return err;
    memcpy(fresh.value, &number, sizeof number);
    err = begin(view, key, &change);
    if (err == DRAGON_OK) {
        *before_out = 0;
        if (!change.place) {
            err = put(&change, &fresh, &stale);
        } else if (atomic_load(&change.entry->value_bytes) != sizeof number) {
            err = DRAGON_ERR_INVAL;
        } else {
            _Atomic uint64_t *value = (_Atomic uint64_t *)(void *)entry_value(change.entry);
            *before_out = (int64_t)atomic_fetch_add(value, (uint64_t)number);
        }
        end(&change, stale);
    }
    shard_abandon(view, &fresh);
    shard_counted(view, COUNT_SWAP);
    if (err == DRAGON_OK)
        shard_changed(view, key->hash);
    return err;
}

// With as much room again behind it, so that appending often costs no more than writing it twice.
static dragon_err_t prepare_larger(struct change *change, size_t bytes, struct fresh *fresh_out)
{
    size_t old = change->entry ? atomic_load(&change->entry->value_bytes) : 0;
    size_t room = old + bytes + (change->entry ? old + bytes : 0);
    dragon_err_t err = shard_prepare(change->view, change->key, room, fresh_out);
    if (err == DRAGON_ERR_FULL)
        err = shard_prepare(change->view, change->key, old + bytes, fresh_out);
    if (err != DRAGON_OK)
        return err;
    if (old > 0)
        memcpy(fresh_out->value, entry_value(change->entry), old);
    struct entry *entry = entry_at(change->view, fresh_out->entry);
    atomic_store(&entry->value_bytes, old + bytes);
    return DRAGON_OK;
}

static dragon_err_t append(struct change *change, const void *data, size_t bytes, size_t *bytes_out,
                           uint64_t *stale_out)
{
    struct entry *entry = change->place ? change->entry : NULL;
    size_t old = entry ? atomic_load(&entry->value_bytes) : 0;
    if (bytes > SIZE_MAX / 4 - old)
        return DRAGON_ERR_TOO_BIG;
    *bytes_out = old + bytes;
    if (entry) {
        uint64_t offset = (uint64_t)((uint8_t *)entry - change->view->heap.base);
        size_t block = heap_block_bytes(&change->view->heap, offset);
        // A value of eight bytes is changed as a whole.
        if (entry->value_at + old + bytes <= block && old + bytes != sizeof(uint64_t)) {
            if (bytes > 0)
                memcpy(entry_value(entry) + old, data, bytes);
            atomic_store(&entry->value_bytes, old + bytes);
            return DRAGON_OK;
        }
    }
    struct fresh fresh;
    change->entry = entry;
    dragon_err_t err = prepare_larger(change, bytes, &fresh);
    if (err != DRAGON_OK)
        return err;
    if (bytes > 0)
        memcpy((uint8_t *)fresh.value + old, data, bytes);
    err = put(change, &fresh, stale_out);
    shard_abandon(change->view, &fresh);
    return err;
}

dragon_err_t shard_append(struct shard_view *view, const struct shard_key *key, const void *data,
                          size_t bytes, size_t *bytes_out)
{
    struct change change;
    uint64_t stale = 0;
    dragon_err_t err = begin(view, key, &change);
    if (err == DRAGON_OK) {
        err = append(&change, data, bytes, bytes_out, &stale);
        end(&change, stale);
    }
    shard_counted(view, COUNT_SWAP);
    if (err == DRAGON_OK)
        shard_changed(view, key->hash);
    return err;
}

// ---- erasing

dragon_err_t shard_erase(struct shard_view *view, const struct shard_key *key)
{
    struct change change;
    uint64_t stale = 0;
    dragon_err_t err = begin(view, key, &change);
    if (err != DRAGON_OK)
        return err;
    if (change.place)
        stale = bin_take(view, change.bin, change.place);
    end(&change, stale);
    shard_counted(view, change.place ? COUNT_ERASE : COUNT_MISSED);
    return change.place ? DRAGON_OK : DRAGON_ERR_NOT_FOUND;
}

static dragon_err_t clear_bin(struct shard_view *view, struct bin *bin)
{
    dragon_err_t err = bin_lock(view, bin);
    if (err != DRAGON_OK)
        return err;
    struct table *table = bin_table(view, bin);
    bool is_frozen = atomic_load(&view->shard->frozen);
    for (uint32_t i = 0; table && !is_frozen && i < table->places; i++) {
        struct place *place = &table->place[i];
        uint64_t entry = atomic_load(&place->entry);
        if (entry == PLACE_FREE || entry == PLACE_LEFT)
            continue;
        uint64_t stale = bin_take(view, bin, place);
        if (stale)
            shard_give_back(view, stale);
    }
    bin_unlock(bin);
    return is_frozen ? DRAGON_ERR_DENIED : DRAGON_OK;
}

dragon_err_t shard_clear(struct shard_view *view)
{
    dragon_err_t err = DRAGON_OK;
    for (uint32_t i = 0; i < view->shard->bins && err == DRAGON_OK; i++)
        err = clear_bin(view, &view->shard->bin[i]);
    return err;
}

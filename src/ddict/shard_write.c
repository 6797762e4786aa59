// SPDX-License-Identifier: BSD-3-Clause
//
// Writing: everything is made before the bin is locked, and given back after it is free.
#include "config.h"

#include "ddict/shard_parts.h"

// ---- entries

// Also for who has a bin's lock.
static dragon_err_t prepare(struct shard_view *view, const struct shard_key *key,
                            size_t value_bytes, struct fresh *fresh_out)
{
    size_t value_at = entry_value_at(key->bytes, value_bytes);
    if (key->bytes > SHARD_KEY_MOST || value_bytes > SIZE_MAX / 2)
        return DRAGON_ERR_TOO_BIG;
    uint64_t offset = heap_alloc(&view->heap, value_at + value_bytes, view->slot);
    if (!offset)
        return DRAGON_ERR_FULL;
    struct entry *entry = (struct entry *)(view->heap.base + offset);
    // Who still reads what was here before sees that its bin has changed: see say_changed.
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&entry->hash, key->hash, memory_order_relaxed);
    atomic_store_explicit(&entry->value_bytes, value_bytes, memory_order_relaxed);
    atomic_store_explicit(&entry->key_bytes, (uint32_t)key->bytes, memory_order_relaxed);
    atomic_store_explicit(&entry->value_at, (uint32_t)value_at, memory_order_relaxed);
    atomic_store_explicit(&entry->out, 0, memory_order_relaxed);
    if (key->bytes > 0)
        memcpy(entry + 1, key->data, key->bytes);
    *fresh_out = (struct fresh){.entry = offset, .value = (uint8_t *)entry + value_at};
    return DRAGON_OK;
}

// Whether there may be room now that was the dead's.
static bool swept(struct shard_view *view)
{
    if (!atomic_load(&view->shard->pins_left))
        return false;
    pins_sweep(view);
    return true;
}

dragon_err_t shard_prepare(struct shard_view *view, const struct shard_key *key, size_t value_bytes,
                           struct fresh *fresh_out)
{
    dragon_err_t err = prepare(view, key, value_bytes, fresh_out);
    if (err == DRAGON_ERR_FULL && swept(view))
        err = prepare(view, key, value_bytes, fresh_out);
    if (err == DRAGON_ERR_FULL)
        shard_refused(view, COUNT_FULL);
    return err;
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
    _Atomic uint64_t *place; // NULL: it is not there
    struct found found;
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
    change_out->place = bin_find(view, change_out->bin, key, &change_out->found);
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
    _Atomic uint64_t *place = change->place;
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
    if (err == DRAGON_ERR_FULL)
        shard_refused(view, COUNT_FULL);
    else
        shard_counted(view, COUNT_PUT);
    if (err == DRAGON_OK)
        shard_changed(view, key->hash);
    return err;
}

static bool is_value(const struct found *found, const void *expected, size_t expected_bytes)
{
    return found->value_bytes == expected_bytes &&
           (expected_bytes == 0 || memcmp(found->value, expected, expected_bytes) == 0);
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
        else if (!is_value(&change.found, expected, expected_bytes))
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
        } else if (change.found.value_bytes != sizeof number) {
            err = DRAGON_ERR_INVAL;
        } else {
            _Atomic uint64_t *value = (_Atomic uint64_t *)(void *)change.found.value;
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
    size_t old = change->place ? change->found.value_bytes : 0;
    size_t room = old + bytes + (change->place ? old + bytes : 0);
    dragon_err_t err = prepare(change->view, change->key, room, fresh_out);
    if (err == DRAGON_ERR_FULL)
        err = prepare(change->view, change->key, old + bytes, fresh_out);
    if (err != DRAGON_OK)
        return err;
    if (old > 0)
        memcpy(fresh_out->value, change->found.value, old);
    struct entry *entry = (struct entry *)(change->view->heap.base + fresh_out->entry);
    atomic_store(&entry->value_bytes, old + bytes);
    return DRAGON_OK;
}

static dragon_err_t append(struct change *change, const void *data, size_t bytes, size_t *bytes_out,
                           uint64_t *stale_out)
{
    const struct found *found = &change->found;
    size_t old = change->place ? found->value_bytes : 0;
    if (bytes > SIZE_MAX / 4 - old)
        return DRAGON_ERR_TOO_BIG;
    *bytes_out = old + bytes;
    if (change->place) {
        size_t block = heap_block_bytes(&change->view->heap, found->offset);
        size_t value_at = (size_t)(found->value - (uint8_t *)found->entry);
        // A value of eight bytes is changed as a whole.
        if (value_at + old + bytes <= block && old + bytes != sizeof(uint64_t)) {
            if (bytes > 0)
                memcpy(found->value + old, data, bytes);
            atomic_store(&found->entry->value_bytes, old + bytes);
            return DRAGON_OK;
        }
    }
    struct fresh fresh;
    dragon_err_t err = prepare_larger(change, bytes, &fresh);
    if (err != DRAGON_OK)
        return err;
    if (bytes > 0)
        memcpy((uint8_t *)fresh.value + old, data, bytes);
    err = put(change, &fresh, stale_out);
    shard_abandon(change->view, &fresh);
    return err;
}

static dragon_err_t append_once(struct shard_view *view, const struct shard_key *key,
                                const void *data, size_t bytes, size_t *bytes_out)
{
    struct change change;
    uint64_t stale = 0;
    dragon_err_t err = begin(view, key, &change);
    if (err == DRAGON_OK) {
        err = append(&change, data, bytes, bytes_out, &stale);
        end(&change, stale);
    }
    return err;
}

dragon_err_t shard_append(struct shard_view *view, const struct shard_key *key, const void *data,
                          size_t bytes, size_t *bytes_out)
{
    dragon_err_t err = append_once(view, key, data, bytes, bytes_out);
    // Not with the lock, which a sweep wants itself.
    if (err == DRAGON_ERR_FULL && swept(view))
        err = append_once(view, key, data, bytes, bytes_out);
    shard_counted(view, err == DRAGON_ERR_FULL ? COUNT_FULL : COUNT_SWAP);
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
    if (change.place) {
        stale = bin_take(view, change.bin, change.place);
        bin_shrink(view, change.bin);
    }
    end(&change, stale);
    shard_counted(view, change.place ? COUNT_ERASE : COUNT_MISSED);
    return change.place ? DRAGON_OK : DRAGON_ERR_NOT_FOUND;
}

static dragon_err_t clear_bin(struct shard_view *view, struct bin *bin)
{
    dragon_err_t err = bin_lock(view, bin);
    if (err != DRAGON_OK)
        return err;
    struct table table = bin_table(view, bin);
    bool is_frozen = atomic_load(&view->shard->frozen);
    for (uint32_t i = 0; !is_frozen && i < table.places; i++) {
        if (!place_entry(atomic_load(&table.place[i])))
            continue;
        uint64_t stale = bin_take(view, bin, &table.place[i]);
        if (stale)
            shard_give_back(view, stale);
    }
    if (!is_frozen)
        bin_shrink(view, bin);
    bin_unlock(bin);
    return is_frozen ? DRAGON_ERR_DENIED : DRAGON_OK;
}

dragon_err_t shard_clear(struct shard_view *view)
{
    dragon_err_t err = DRAGON_OK;
    for (uint32_t i = 0; i < view->bins && err == DRAGON_OK; i++)
        err = clear_bin(view, &view->shard->bin[i]);
    return err;
}

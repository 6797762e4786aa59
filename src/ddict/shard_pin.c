// SPDX-License-Identifier: BSD-3-Clause
//
// Pins. One is set under the lock of the entry's bin, so whoever takes the entry out afterwards sees it, and leaves the
// entry to who unpins it last. Pins of the dead belong to nobody until somebody passes who can wait for a bin (pins_sweep).
#include "config.h"

#include "ddict/shard_parts.h"

struct pin *pin_claim(struct shard_view *view)
{
    struct shard *shard = view->shard;
    if (atomic_load_explicit(&shard->pins_left, memory_order_relaxed))
        pins_sweep(view);
    for (uint32_t i = 0, at = view->slot; i < SHARD_PINS; i++, at++) {
        struct pin *pin = &shard->pins[at % SHARD_PINS];
        uint32_t nobody = SLOT_NONE;
        if (atomic_load_explicit(&pin->slot, memory_order_relaxed) == nobody &&
            atomic_compare_exchange_strong(&pin->slot, &nobody, view->slot))
            return pin;
    }
    return NULL;
}

void pin_drop(struct pin *pin)
{
    atomic_store(&pin->entry, 0);
    atomic_store(&pin->slot, SLOT_NONE);
}

bool pin_is_on(struct shard_view *view, uint64_t entry)
{
    for (uint32_t i = 0; i < SHARD_PINS; i++)
        if (atomic_load(&view->shard->pins[i].entry) == entry)
            return true;
    return false;
}

uint32_t pins_count(struct shard_view *view, const struct bin *bin)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SHARD_PINS; i++) {
        struct entry *entry = entry_at(view, atomic_load(&view->shard->pins[i].entry));
        count += entry && bin_of(view, entry->hash) == bin;
    }
    return count;
}

// Of an entry that was found with the lock of its bin, which we still have.
static void set_pin(struct shard_view *view, struct bin *bin, struct pin *pin, struct entry *entry,
                    struct pinned *pinned_out)
{
    bin->pins++;
    atomic_store(&pin->entry, (uint64_t)((uint8_t *)entry - view->heap.base));
    *pinned_out = (struct pinned){
        .data = entry_value(entry), .bytes = atomic_load(&entry->value_bytes), .pin = pin};
}

// Nothing changes, so nothing is written. AGAIN: it does change.
static dragon_err_t pin_frozen(struct shard_view *view, struct bin *bin,
                               const struct shard_key *key, struct pinned *pinned_out)
{
    struct entry *entry;
    uint32_t version = atomic_load(&bin->version);
    bool is_there = bin_find(view, bin, key, &entry);
    if (is_there)
        *pinned_out =
            (struct pinned){.data = entry_value(entry), .bytes = atomic_load(&entry->value_bytes)};
    if (atomic_load(&bin->version) != version || !atomic_load(&view->shard->frozen))
        return DRAGON_ERR_AGAIN;
    shard_counted(view, is_there ? COUNT_GET : COUNT_MISSED);
    return is_there ? DRAGON_OK : DRAGON_ERR_NOT_FOUND;
}

dragon_err_t shard_pin(struct shard_view *view, const struct shard_key *key,
                       struct pinned *pinned_out)
{
    struct bin *bin = bin_of(view, key->hash);
    dragon_err_t err = DRAGON_ERR_AGAIN;
    if (atomic_load(&view->shard->frozen))
        err = pin_frozen(view, bin, key, pinned_out);
    return err == DRAGON_ERR_AGAIN ? shard_hold(view, key, pinned_out) : err;
}

dragon_err_t shard_hold(struct shard_view *view, const struct shard_key *key,
                        struct pinned *pinned_out)
{
    struct bin *bin = bin_of(view, key->hash);
    struct entry *entry;
    struct pin *pin = pin_claim(view);
    if (!pin)
        return DRAGON_ERR_FULL;
    dragon_err_t err = bin_lock(view, bin);
    if (err == DRAGON_OK) {
        if (bin_find(view, bin, key, &entry))
            set_pin(view, bin, pin, entry, pinned_out);
        else
            err = DRAGON_ERR_NOT_FOUND;
        bin_unlock(bin);
    }
    if (err != DRAGON_OK)
        pin_drop(pin);
    shard_counted(view, err == DRAGON_OK ? COUNT_GET : COUNT_MISSED);
    return err;
}

// The entry is still there, because the pin is. When we are the last, it becomes ours under the lock of its bin.
static dragon_err_t release(struct shard_view *view, struct pin *pin)
{
    uint64_t offset = atomic_load(&pin->entry);
    struct entry *entry = offset ? entry_at(view, offset) : NULL;
    if (!entry) {
        pin_drop(pin);
        return DRAGON_OK;
    }
    struct bin *bin = bin_of(view, entry->hash);
    dragon_err_t err = bin_lock(view, bin);
    if (err != DRAGON_OK)
        return err;
    bool is_out = atomic_load(&entry->out), is_ours = false;
    atomic_store_explicit(&bin->stale, is_out ? offset : 0, memory_order_release);
    bin->pins--;
    pin_drop(pin);
    if (is_out && !pin_is_on(view, offset))
        is_ours = heap_give(&view->heap, offset, SHARD_STORED, view->slot);
    atomic_store_explicit(&bin->stale, 0, memory_order_release);
    bin_unlock(bin);
    if (is_ours)
        shard_give_back(view, offset);
    return DRAGON_OK;
}

void shard_unpin(struct shard_view *view, struct pinned *pinned)
{
    if (!pinned->pin)
        return;
    // Somebody has stopped with the lock: it is as if we were dead.
    if (release(view, pinned->pin) != DRAGON_OK) {
        atomic_store(&pinned->pin->slot, SLOT_KEEPER);
        atomic_fetch_add(&view->shard->pins_left, 1);
    }
    pinned->pin = NULL;
}

dragon_err_t shard_pop(struct shard_view *view, const struct shard_key *key,
                       struct pinned *pinned_out)
{
    return shard_pop_within(view, key, SIZE_MAX, pinned_out);
}

dragon_err_t shard_pop_within(struct shard_view *view, const struct shard_key *key, size_t room,
                              struct pinned *pinned_out)
{
    struct bin *bin = bin_of(view, key->hash);
    struct entry *entry;
    struct pin *pin = pin_claim(view);
    if (!pin)
        return DRAGON_ERR_FULL;
    dragon_err_t err = bin_lock(view, bin);
    if (err == DRAGON_OK) {
        struct place *place = bin_find(view, bin, key, &entry);
        err = !place ? DRAGON_ERR_NOT_FOUND : DRAGON_OK;
        if (place && atomic_load(&view->shard->frozen))
            err = DRAGON_ERR_DENIED;
        if (err == DRAGON_OK && atomic_load(&entry->value_bytes) > room) {
            *pinned_out = (struct pinned){.bytes = atomic_load(&entry->value_bytes)};
            err = DRAGON_ERR_TOO_BIG;
        }
        if (err == DRAGON_OK) {
            set_pin(view, bin, pin, entry, pinned_out);
            bin_take(view, bin, place);
        }
        bin_unlock(bin);
    }
    if (err != DRAGON_OK)
        pin_drop(pin);
    if (err == DRAGON_OK || err == DRAGON_ERR_NOT_FOUND)
        shard_counted(view, err == DRAGON_OK ? COUNT_ERASE : COUNT_MISSED);
    return err;
}

// ---- of the dead

void pins_recover(struct shard_view *view, uint32_t dead)
{
    for (uint32_t i = 0; i < SHARD_PINS; i++) {
        struct pin *pin = &view->shard->pins[i];
        if (atomic_load(&pin->slot) != dead)
            continue;
        atomic_store(&pin->slot, SLOT_KEEPER);
        atomic_fetch_add(&view->shard->pins_left, 1);
    }
}

void pins_sweep(struct shard_view *view)
{
    for (uint32_t i = 0; i < SHARD_PINS; i++) {
        struct pin *pin = &view->shard->pins[i];
        uint32_t left = SLOT_KEEPER;
        if (!atomic_compare_exchange_strong(&pin->slot, &left, view->slot))
            continue;
        atomic_fetch_sub(&view->shard->pins_left, 1);
        if (release(view, pin) != DRAGON_OK) {
            atomic_fetch_add(&view->shard->pins_left, 1);
            atomic_store(&pin->slot, SLOT_KEEPER);
        }
    }
}

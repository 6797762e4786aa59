// SPDX-License-Identifier: BSD-3-Clause
//
// Pins. One is set under the lock of the entry's bin, so whoever takes the entry out afterwards sees it, and leaves the
// entry to who unpins it last. Pins of the dead belong to nobody until somebody passes who can wait for a bin (pins_sweep).
#include "config.h"

#include "ddict/shard_parts.h"

enum { PINS_APART = 128 / sizeof(struct pin) };

struct pin *pin_claim(struct shard_view *view)
{
    struct shard *shard = view->shard;
    if (atomic_load_explicit(&shard->pins_left, memory_order_relaxed))
        pins_sweep(view);
    // Each process begins in a cache line of its own.
    uint32_t at = view->slot * PINS_APART + view->slot * PINS_APART / SHARD_PINS;
    for (uint32_t i = 0; i < SHARD_PINS; i++, at++) {
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
    struct found found;
    for (uint32_t i = 0; i < SHARD_PINS; i++)
        count += entry_at(view, atomic_load(&view->shard->pins[i].entry), &found) &&
                 bin_of(view, found.hash) == bin;
    return count;
}

// Of an entry that was found with the lock of its bin, which we still have.
static void set_pin(struct bin *bin, struct pin *pin, const struct found *found,
                    struct pinned *pinned_out)
{
    bin->pins++;
    atomic_store(&pin->entry, found->offset);
    *pinned_out = (struct pinned){.data = found->value, .bytes = found->value_bytes, .pin = pin};
}

bool shard_walk_pin(struct shard_view *view, const void *key, struct pinned *pinned_out)
{
    uint64_t offset = (uint64_t)((const uint8_t *)key - sizeof(struct entry) - view->heap.base);
    struct found found;
    struct pin *pin = entry_at(view, offset, &found) ? pin_claim(view) : NULL;
    if (!pin)
        return false;
    set_pin(bin_of(view, found.hash), pin, &found, pinned_out);
    return true;
}

// Nothing changes, so nothing is written. AGAIN: it does change.
static dragon_err_t pin_frozen(struct shard_view *view, struct bin *bin,
                               const struct shard_key *key, struct pinned *pinned_out)
{
    struct found found;
    uint32_t version = atomic_load(&bin->version);
    bool is_there = bin_find(view, bin, key, &found);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load(&bin->version) != version || !atomic_load(&view->shard->frozen))
        return DRAGON_ERR_AGAIN;
    if (is_there)
        *pinned_out = (struct pinned){.data = found.value, .bytes = found.value_bytes};
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
    struct found found;
    struct pin *pin = pin_claim(view);
    if (!pin)
        return DRAGON_ERR_FULL;
    dragon_err_t err = bin_lock(view, bin);
    if (err == DRAGON_OK) {
        if (bin_find(view, bin, key, &found))
            set_pin(bin, pin, &found, pinned_out);
        else
            err = DRAGON_ERR_NOT_FOUND;
        bin_unlock(bin);
    }
    if (err != DRAGON_OK)
        pin_drop(pin);
    if (err == DRAGON_OK || err == DRAGON_ERR_NOT_FOUND)
        shard_counted(view, err == DRAGON_OK ? COUNT_GET : COUNT_MISSED);
    return err;
}

// The entry is still there, because the pin is. When we are the last, it becomes ours under the lock of its bin. False: that
// is somebody else's, who has perhaps stopped.
static bool release(struct shard_view *view, struct pin *pin, bool waits)
{
    uint64_t offset = atomic_load(&pin->entry);
    struct found found;
    if (!entry_at(view, offset, &found)) {
        pin_drop(pin);
        return true;
    }
    struct bin *bin = bin_of(view, found.hash);
    if (waits ? bin_lock(view, bin) != DRAGON_OK : !bin_try_lock(view, bin))
        return false;
    bool is_out = atomic_load(&found.entry->out), is_ours = false;
    atomic_store_explicit(&bin->stale, is_out ? offset : 0, memory_order_release);
    bin->pins--;
    pin_drop(pin);
    if (is_out && !pin_is_on(view, offset))
        is_ours = heap_give(&view->heap, offset, SHARD_STORED, view->slot);
    atomic_store_explicit(&bin->stale, 0, memory_order_release);
    bin_unlock(bin);
    if (is_ours)
        shard_give_back(view, offset);
    return true;
}

// Nobody's. What is left is said last: who dies before that is a dead one, of whom pins may be left.
static void leave_pin(struct shard_view *view, struct pin *pin)
{
    atomic_store(&pin->slot, SLOT_KEEPER);
    atomic_store(&view->shard->pins_left, 1);
}

void shard_unpin(struct shard_view *view, struct pinned *pinned)
{
    if (!pinned->pin)
        return;
    // Somebody has stopped with the lock: it is as if we were dead.
    if (!release(view, pinned->pin, true))
        leave_pin(view, pinned->pin);
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
    struct found found;
    struct pin *pin = pin_claim(view);
    if (!pin)
        return DRAGON_ERR_FULL;
    dragon_err_t err = bin_lock(view, bin);
    if (err == DRAGON_OK) {
        _Atomic uint64_t *place = bin_find(view, bin, key, &found);
        err = !place ? DRAGON_ERR_NOT_FOUND : DRAGON_OK;
        if (place && atomic_load(&view->shard->frozen))
            err = DRAGON_ERR_DENIED;
        if (err == DRAGON_OK && found.value_bytes > room) {
            *pinned_out = (struct pinned){.bytes = found.value_bytes};
            err = DRAGON_ERR_TOO_BIG;
        }
        if (err == DRAGON_OK) {
            set_pin(bin, pin, &found, pinned_out);
            bin_take(view, bin, place);
            bin_shrink(view, bin);
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
        if (atomic_load(&pin->slot) == dead)
            atomic_store(&pin->slot, SLOT_KEEPER);
    }
    // Also of those that the dead one was about to leave, or to sweep.
    atomic_store(&view->shard->pins_left, 1);
}

void pins_sweep(struct shard_view *view)
{
    atomic_store(&view->shard->pins_left, 0);
    for (uint32_t i = 0; i < SHARD_PINS; i++) {
        struct pin *pin = &view->shard->pins[i];
        uint32_t left = SLOT_KEEPER;
        if (atomic_load_explicit(&pin->slot, memory_order_relaxed) != left ||
            !atomic_compare_exchange_strong(&pin->slot, &left, view->slot))
            continue;
        if (!release(view, pin, false))
            leave_pin(view, pin);
    }
}

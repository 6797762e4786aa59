// SPDX-License-Identifier: BSD-3-Clause
//
// The lock of a bin, and what is done when somebody died who had it.
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
    // In one order with `frozen`, which is looked at afterwards: see shard_freeze.
    return atomic_load_explicit(&bin->lock, memory_order_relaxed) == nobody &&
           atomic_compare_exchange_strong(&bin->lock, &nobody, word);
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

bool bin_try_lock(struct shard_view *view, struct bin *bin)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        if (try_lock(bin, view->slot))
            return true;
        pause_core();
    }
    return false;
}

dragon_err_t bin_lock(struct shard_view *view, struct bin *bin)
{
    if (bin_try_lock(view, bin))
        return DRAGON_OK;
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

// ---- recovery

static bool is_in_table(const struct table *table, uint64_t entry)
{
    for (uint32_t i = 0; i < table->places; i++)
        if (place_entry(atomic_load(&table->place[i])) == entry)
            return true;
    return false;
}

static void count_again(struct bin *bin, const struct table *table)
{
    bin->keys = bin->used = 0;
    for (uint32_t i = 0; i < table->places; i++) {
        uint64_t word = atomic_load(&table->place[i]);
        bin->used += word != PLACE_FREE;
        bin->keys += place_entry(word) != 0;
    }
}

static void recover_entries(struct shard_view *view, struct bin *bin, const struct table *table)
{
    uint64_t fresh = atomic_load(&bin->fresh), stale = atomic_load(&bin->stale);
    struct found found;
    if (fresh && !is_in_table(table, fresh))
        heap_free(&view->heap, fresh, SHARD_STORED);
    if (!stale || is_in_table(table, stale))
        return;
    if (!pin_is_on(view, stale))
        heap_free(&view->heap, stale, SHARD_STORED);
    else if (entry_at(view, stale, &found))
        atomic_store(&found.entry->out, 1);
}

static void recover_tables(struct shard_view *view, struct bin *bin, const struct table *table)
{
    uint64_t fresh = atomic_load(&bin->fresh_table), stale = atomic_load(&bin->stale_table);
    if (fresh && fresh != table->offset)
        heap_free(&view->heap, fresh, SHARD_STORED);
    if (stale && stale != table->offset)
        heap_free(&view->heap, stale, SHARD_STORED);
}

// What the dead one owned itself is given back with all that it had.
void bin_recover(struct shard_view *view, struct bin *bin, uint32_t dead)
{
    if ((atomic_load(&bin->lock) & ~BIN_AWAITED) != dead)
        return;
    const struct table table = bin_table(view, bin);
    atomic_fetch_add(&bin->version, 1);
    recover_entries(view, bin, &table);
    recover_tables(view, bin, &table);
    count_again(bin, &table);
    bin->pins = pins_count(view, bin);
    atomic_store(&bin->fresh, 0);
    atomic_store(&bin->stale, 0);
    atomic_store(&bin->fresh_table, 0);
    atomic_store(&bin->stale_table, 0);
    atomic_store(&bin->lock, 0);
    syscall(SYS_futex, &bin->lock, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

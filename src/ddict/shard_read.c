// SPDX-License-Identifier: BSD-3-Clause
//
// Reading without a lock: what was read counts when the version of the bin is the same before and after. Otherwise it may
// have been anything, so all that is read is checked to lie in the segment before it is used.
#include "config.h"

#include "ddict/shard_parts.h"

enum seen { SEEN, SEEN_LARGE, SEEN_NOTHING, SEEN_CHANGED };

static bool is_same(struct bin *bin, uint32_t version)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&bin->version, memory_order_relaxed) == version;
}

// Numbers are changed in place, and are not to be seen half changed.
static void copy_value(void *buffer, const uint8_t *value, size_t bytes)
{
    if (bytes == sizeof(uint64_t)) {
        uint64_t number = atomic_load_explicit((const _Atomic uint64_t *)(const void *)value,
                                               memory_order_relaxed);
        memcpy(buffer, &number, sizeof number);
    } else if (bytes > 0) {
        memcpy(buffer, value, bytes);
    }
}

static enum seen look(struct shard_view *view, struct bin *bin, const struct shard_key *key,
                      void *buffer, size_t room, size_t *bytes_out)
{
    uint32_t version = atomic_load_explicit(&bin->version, memory_order_acquire);
    struct found found;
    if (!bin_find(view, bin, key, &found))
        return is_same(bin, version) ? SEEN_NOTHING : SEEN_CHANGED;
    if (found.value_bytes >= READ_LARGE && found.value_bytes <= room)
        return SEEN_LARGE;
    if (found.value_bytes <= room)
        copy_value(buffer, found.value, found.value_bytes);
    if (!is_same(bin, version))
        return SEEN_CHANGED;
    *bytes_out = found.value_bytes;
    return SEEN;
}

// When too many are pinned: others of the bin wait as long as the copy takes.
static dragon_err_t get_locked(struct shard_view *view, const struct shard_key *key, void *buffer,
                               size_t room, size_t *bytes_out)
{
    struct bin *bin = bin_of(view, key->hash);
    struct found found;
    dragon_err_t err = bin_lock(view, bin);
    if (err != DRAGON_OK)
        return err;
    if (!bin_find(view, bin, key, &found)) {
        err = DRAGON_ERR_NOT_FOUND;
    } else {
        *bytes_out = found.value_bytes;
        if (found.value_bytes <= room)
            copy_value(buffer, found.value, found.value_bytes);
        else
            err = DRAGON_ERR_TOO_BIG;
    }
    bin_unlock(bin);
    if (err == DRAGON_ERR_NOT_FOUND)
        shard_refused(view, COUNT_MISSED);
    else
        shard_counted(view, COUNT_GET);
    return err;
}

static dragon_err_t get_pinned(struct shard_view *view, const struct shard_key *key, void *buffer,
                               size_t room, size_t *bytes_out)
{
    struct pinned pinned;
    dragon_err_t err = shard_hold(view, key, &pinned);
    if (err == DRAGON_ERR_FULL)
        return get_locked(view, key, buffer, room, bytes_out);
    if (err != DRAGON_OK)
        return err;
    *bytes_out = pinned.bytes;
    if (pinned.bytes <= room)
        copy_value(buffer, pinned.data, pinned.bytes);
    else
        err = DRAGON_ERR_TOO_BIG;
    shard_unpin(view, &pinned);
    return err;
}

dragon_err_t shard_get(struct shard_view *view, const struct shard_key *key, void *buffer,
                       size_t room, size_t *bytes_out)
{
    struct bin *bin = bin_of(view, key->hash);
    for (int i = 0; i < READ_TRIES; i++) {
        enum seen seen = look(view, bin, key, buffer, room, bytes_out);
        if (seen == SEEN_LARGE)
            break;
        if (seen == SEEN_CHANGED) {
            shard_counted(view, COUNT_RETRY);
            continue;
        }
        if (seen == SEEN_NOTHING) {
            shard_refused(view, COUNT_MISSED);
            return DRAGON_ERR_NOT_FOUND;
        }
        shard_counted(view, COUNT_GET);
        return *bytes_out <= room ? DRAGON_OK : DRAGON_ERR_TOO_BIG;
    }
    return get_pinned(view, key, buffer, room, bytes_out);
}

bool shard_contains(struct shard_view *view, const struct shard_key *key)
{
    size_t bytes;
    dragon_err_t err = shard_get(view, key, NULL, 0, &bytes);
    return err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// A shard that somebody has written over: what is done with it may be wrong, but nothing outside of it is touched, and nothing
// takes for ever. On both sides of it there is memory that nobody may touch.
#include "config.h"

#include "shard_world.h"

enum { BYTES = SHARD_LEAST, GUARD = 1 << 20, ROUNDS = 300, WRITES = 30, LARGE = 40 << 10 };

static struct shard_world *world;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

// In the middle of memory that cannot be touched.
static void guard(void)
{
    uint8_t *all = mmap(NULL, BYTES + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(all, MAP_FAILED);
    void *middle = mmap(all + GUARD, BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    cr_assert_eq(middle, all + GUARD);
    munmap(world->shard, BYTES);
    world->shard = middle;
    shard_init(world->shard, 77, BYTES);
    cr_assert(shard_open(&world->view, world->shard, world->space));
}

// Something that looks like what could be there.
static uint64_t wrong_word(uint64_t *random)
{
    uint64_t word = next_random(random);
    switch (word >> 60) {
    case 0:
        return 0;
    case 1:
    case 2:
    case 3:
        return UINT64_MAX;
    case 4:
    case 5:
        return word % (2 * BYTES);
    case 6:
    case 7:
        return (word % BYTES & ~63ull) | (word >> 32 & 63);
    case 8:
    case 9:
        return (word & ~PLACE_OFFSET) | (BYTES - (word % 4096 & ~63ull));
    default:
        return word;
    }
}

static void write_wrong(uint64_t *random)
{
    uint64_t *words = (uint64_t *)(void *)world->shard;
    uint64_t what = next_random(random), word = wrong_word(random);
    struct bin *bin = &world->shard->bin[(what >> 8) % world->view.bins];
    struct table table = bin_table(&world->view, bin);
    struct found found;
    if (what % 8 == 0) {
        words[(what >> 8) % (BYTES / 8)] = word;
    } else if (what % 8 == 1) {
        atomic_store(&bin->table, word);
    } else if (what % 8 == 2) {
        atomic_store(&world->shard->pins[(what >> 8) % 16].entry, word);
    } else if (what % 8 == 3) {
        bin->keys = bin->used = (uint32_t)word;
    } else if (table.places) {
        uint64_t place = (what >> 24) % table.places;
        uint64_t entry = place_entry(atomic_load(&table.place[place]));
        if (what % 8 == 4)
            atomic_store(&table.place[place], word);
        else if (entry_at(&world->view, entry, &found))
            ((uint64_t *)(void *)found.entry)[what % 8 - 5 + (what >> 60 & 1)] = word;
    }
    // Whoever waits for a lock that is nobody's waits long.
    for (uint32_t i = 0; i < world->view.bins; i++)
        atomic_store(&world->shard->bin[i].lock, 0);
}

static bool look_at_pair(void *arg, const void *key, size_t key_bytes, const void *value,
                         size_t value_bytes)
{
    uint8_t *sum = arg;
    for (size_t i = 0; i < key_bytes; i++)
        *sum ^= ((const uint8_t *)key)[i];
    for (size_t i = 0; i < value_bytes; i++)
        *sum ^= ((const uint8_t *)value)[i];
    return true;
}

static void use_one(const struct shard_key *key, uint64_t what)
{
    static char buffer[LARGE];
    struct fresh fresh;
    struct pinned pinned;
    int64_t before;
    size_t bytes;
    switch (what % 10) {
    case 0:
    case 1:
    case 2:
        bytes = what >> 8 & 1 ? LARGE : (what >> 16) % 500;
        if (shard_prepare(&world->view, key, bytes, &fresh) != DRAGON_OK)
            break;
        memset(fresh.value, 1, bytes);
        if (what >> 9 & 1)
            shard_store(&world->view, key, &fresh, SHARD_PUT);
        else
            shard_swap(&world->view, key, buffer, 100, &fresh);
        break;
    case 3:
        shard_add(&world->view, key, 1, &before);
        break;
    case 4:
        shard_append(&world->view, key, buffer, 200, &bytes);
        break;
    case 5:
        shard_erase(&world->view, key);
        break;
    case 6:
        if (shard_pin(&world->view, key, &pinned) == DRAGON_OK)
            shard_unpin(&world->view, &pinned);
        break;
    case 7:
        if (shard_pop(&world->view, key, &pinned) == DRAGON_OK)
            shard_unpin(&world->view, &pinned);
        break;
    default:
        shard_get(&world->view, key, buffer, LARGE, &bytes);
    }
}

static void use_all(uint64_t *random)
{
    uint8_t sum = 0;
    struct shard_stats stats;
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "key %u", (unsigned)(next_random(random) % 100));
        struct shard_key key = text_key(text);
        use_one(&key, next_random(random));
    }
    for (uint32_t bin = 0; bin < world->view.bins; bin++)
        shard_walk(&world->view, bin, look_at_pair, &sum);
    shard_stats(&world->view, &stats);
}

Test(shard_wrong, nothing_outside_is_touched, .timeout = 120)
{
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t random = round * 0x9e3779b97f4a7c15ull;
        world = shard_world_create(BYTES);
        guard();
        use_all(&random);
        for (int i = 0; i < WRITES; i++) {
            write_wrong(&random);
            use_all(&random);
        }
        // The one whose lock it is died, and then it is emptied.
        if (shard_check(world->shard, BYTES)) {
            atomic_store(&world->shard->bin[round % world->view.bins].lock, 50);
            shard_recover(world->shard, 50, world->space);
        }
        shard_clear(&world->view);
        shard_world_destroy(world);
    }
}

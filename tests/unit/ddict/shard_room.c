// SPDX-License-Identifier: BSD-3-Clause
//
// Room that is lost: after many values of all sizes have come and gone, nearly as much can be stored as in a shard that was
// never used. Values are not written, so most of the memory is never there.
#include "config.h"

#include "shard_world.h"

enum { SHARD_BYTES = 512 << 20, PERCENT = 70, CYCLES = 1000, LOST_PERCENT = 5, LIVES = 6 };

struct stock { // what is stored: values by number
    struct shard_world *world;
    size_t *sizes; // 0: none
    uint32_t room;
    uint64_t bytes; // of all values
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

// As many of each order of magnitude.
static size_t random_size(uint64_t *state, size_t most)
{
    size_t least = (size_t)1 << next_random(state) % (uint32_t)__builtin_ctzll(most);
    return least + next_random(state) % least;
}

static bool store(struct shard_world *world, const char *kind, uint32_t number, size_t bytes)
{
    char text[32];
    struct fresh fresh;
    snprintf(text, sizeof text, "%s %u", kind, number);
    struct shard_key key = text_key(text);
    dragon_err_t err = shard_prepare(&world->view, &key, bytes, &fresh);
    if (err == DRAGON_OK)
        err = shard_store(&world->view, &key, &fresh, SHARD_PUT);
    cr_assert(err == DRAGON_OK || err == DRAGON_ERR_FULL);
    return err == DRAGON_OK;
}

static void erase(struct stock *stock, uint32_t number)
{
    char text[32];
    snprintf(text, sizeof text, "value %u", number);
    cr_assert_eq(erase_text(stock->world, text), DRAGON_OK);
    stock->bytes -= stock->sizes[number];
    stock->sizes[number] = 0;
}

// One comes, and others go to make up for it.
static void cycle(struct stock *stock, uint64_t *random, size_t most)
{
    size_t bytes = random_size(random, most);
    uint32_t number = (uint32_t)(next_random(random) % stock->room);
    while (stock->sizes[number])
        number = (number + 1) % stock->room;
    while (stock->bytes + bytes > (uint64_t)SHARD_BYTES / 100 * PERCENT) {
        uint32_t old = (uint32_t)(next_random(random) % stock->room);
        while (!stock->sizes[old])
            old = (old + 1) % stock->room;
        erase(stock, old);
    }
    if (store(stock->world, "value", number, bytes)) {
        stock->sizes[number] = bytes;
        stock->bytes += bytes;
    }
}

// How much can be stored in values of that size.
static uint64_t fill(struct shard_world *world, const char *kind, size_t bytes)
{
    uint64_t filled = 0;
    for (uint32_t i = 0; store(world, kind, i, bytes); i++)
        filled += bytes;
    return filled;
}

static struct stock grown_old(uint64_t random, size_t most, uint32_t cycles, uint32_t room)
{
    struct stock stock = {.world = shard_world_create(SHARD_BYTES), .room = room};
    stock.sizes = calloc(room, sizeof *stock.sizes);
    for (uint32_t i = 0; i < cycles; i++)
        cycle(&stock, &random, most);
    return stock;
}

static void done_with(struct stock *stock)
{
    free(stock->sizes);
    shard_world_destroy(stock->world);
}

static void expect_most_of(uint64_t old, uint64_t new)
{
    cr_expect_gt(old * 100, new *(100 - LOST_PERCENT), "lost: %.1f %%",
                 100.0 - 100.0 * (double)old / (double)new);
}

TestSuite(shard_room, .timeout = 120);

Test(shard_room, sizes_up_to_64_mib)
{
    struct shard_world *new = shard_world_create(SHARD_BYTES);
    uint64_t large = fill(new, "large", 1 << 20), small = fill(new, "small", 8000);
    shard_world_destroy(new);
    for (uint64_t life = 1; life <= LIVES; life++) {
        struct stock old = grown_old(4711 * life, 64 << 20, CYCLES, 4096);
        uint64_t old_large = old.bytes + fill(old.world, "large", 1 << 20);
        uint64_t old_small = fill(old.world, "small", 8000);
        expect_most_of(old_large, large);
        expect_most_of(old_large + old_small, large + small);
        done_with(&old);
    }
}

// Of a heap's bytes, what blocks for so many values take.
static double values_share(struct shard_world *world, uint64_t count, size_t block)
{
    return (double)(count * block) / (double)world->view.heap.pages / HEAP_PAGE;
}

// Tables are small, and go with what was in them.
Test(shard_room, many_small_values)
{
    struct shard_world *world = shard_world_create(16 << 20);
    struct shard_stats stats;
    uint64_t first = fill(world, "small", 128);
    cr_expect_gt(values_share(world, first / 128, 192), 0.9);
    for (uint32_t i = 0; i < first / 128; i++) {
        char text[32];
        snprintf(text, sizeof text, "small %u", i);
        cr_assert_eq(erase_text(world, text), DRAGON_OK);
    }
    shard_stats(&world->view, &stats);
    cr_expect_lt(stats.heap.used_bytes * 100, stats.heap.bytes);
    cr_expect_eq(fill(world, "small", 128), first);
    cr_expect_eq(shard_clear(&world->view), DRAGON_OK);
    shard_stats(&world->view, &stats);
    cr_expect_lt(stats.heap.used_bytes * 100, stats.heap.bytes);
    shard_world_destroy(world);
}

// What is said to fit does, when nothing else is there, and not a byte more.
Test(shard_room, the_largest_value)
{
    const size_t sizes[] = {SHARD_LEAST, 3 << 20, (16 << 20) + 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct shard_world *world = shard_world_create(sizes[i]);
        size_t most = 0, key_bytes = strlen("large 0");
        for (size_t step = sizes[i]; step > 0; step /= 2)
            most += shard_fits(sizes[i], key_bytes, most + step) ? step : 0;
        cr_expect_gt(most, sizes[i] / 10 * 8);
        cr_expect(store(world, "large", 0, most), "%zu of %zu", most, sizes[i]);
        cr_assert_eq(erase_text(world, "large 0"), DRAGON_OK);
        cr_expect_not(store(world, "large", 0, most + 1));
        shard_world_destroy(world);
    }
}

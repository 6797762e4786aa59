// SPDX-License-Identifier: BSD-3-Clause
//
// What others hold and do not let go of, or left when they died: pins and the locks of bins.
#include "config.h"

#include "shard_world.h"

enum {
    OTHER = US + 1,
    LARGE = 100 << 10,
    QUICK_MS = 5000
}; // less than it takes to give up on a lock

static struct shard_world *world;
static uint64_t began;

static void begin(void)
{
    world = shard_world_create(2 << 20);
    began = time_now_ms();
}

static void finish(void)
{
    cr_expect_lt(time_now_ms() - began, QUICK_MS);
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world));
    shard_world_destroy(world);
}

TestSuite(shard_held, .init = begin, .fini = finish, .timeout = 60);

static void put_large(const char *text, size_t bytes)
{
    struct fresh fresh;
    struct shard_key key = text_key(text);
    cr_assert_eq(shard_prepare(&world->view, &key, bytes, &fresh), DRAGON_OK);
    memset(fresh.value, 'x', bytes);
    cr_assert_eq(shard_store(&world->view, &key, &fresh, SHARD_PUT), DRAGON_OK);
}

Test(shard_held, large_values_are_read_when_all_pins_are_taken)
{
    static char buffer[LARGE];
    static struct pinned pinned[SHARD_PINS];
    struct shard_key key = text_key("large"), small = text_key("small");
    size_t bytes = 0;
    put_text(world, "small", "value");
    put_large("large", LARGE);
    for (int i = 0; i < SHARD_PINS; i++)
        cr_assert_eq(shard_pin(&world->view, &small, &pinned[i]), DRAGON_OK);
    cr_expect_eq(shard_get(&world->view, &key, buffer, LARGE, &bytes), DRAGON_OK);
    cr_expect_eq(bytes, LARGE);
    cr_expect_eq(buffer[LARGE - 1], 'x');
    for (int i = 0; i < SHARD_PINS; i++)
        shard_unpin(&world->view, &pinned[i]);
}

// A pin as somebody leaves it who dies.
static void pin_of_the_dead(const char *text)
{
    struct pinned pinned;
    struct shard_key key = text_key(text);
    cr_assert_eq(shard_pin(&world->view, &key, &pinned), DRAGON_OK);
    atomic_store(&pinned.pin->slot, OTHER);
}

Test(shard_held, appending_finds_the_room_that_the_dead_left)
{
    static char more[700 << 10];
    struct shard_key key = text_key("a");
    size_t bytes;
    put_large("a", 1400 << 10);
    pin_of_the_dead("a");
    put_text(world, "a", "small"); // the large one is the dead one's alone
    cr_expect_eq(shard_append(&world->view, &key, more, sizeof more, &bytes), DRAGON_ERR_FULL);
    shard_recover(world->shard, OTHER, world->space);
    cr_expect_eq(shard_append(&world->view, &key, more, sizeof more, &bytes), DRAGON_OK);
    cr_expect_eq(bytes, sizeof more + strlen("small"));
}

Test(shard_held, a_pin_that_was_being_left_is_found)
{
    struct shard_key key = text_key("a");
    struct pinned pinned;
    put_text(world, "a", "value");
    shard_recover(world->shard, OTHER, world->space);
    pins_sweep(&world->view);
    cr_assert_eq(shard_pin(&world->view, &key, &pinned), DRAGON_OK);
    atomic_store(&pinned.pin->slot, SLOT_KEEPER); // and died before saying so
    erase_text(world, "a");
    shard_recover(world->shard, OTHER, world->space);
    cr_assert_eq(put_text(world, "b", "value"), DRAGON_OK);
    key = text_key("b");
    cr_assert_eq(shard_pin(&world->view, &key, &pinned), DRAGON_OK);
    shard_unpin(&world->view, &pinned);
}

Test(shard_held, nobody_waits_to_sweep)
{
    struct shard_key key = text_key("b");
    struct bin *bin = bin_of(&world->view, text_key("a").hash);
    struct pinned pinned;
    put_text(world, "a", "value");
    put_text(world, "b", "value");
    cr_assert_neq(bin, bin_of(&world->view, key.hash));
    pin_of_the_dead("a");
    shard_recover(world->shard, OTHER, world->space);
    atomic_store(&bin->lock, OTHER + 1);
    cr_assert_eq(shard_pin(&world->view, &key, &pinned), DRAGON_OK);
    shard_unpin(&world->view, &pinned);
    atomic_store(&bin->lock, 0);
    pins_sweep(&world->view);
}

Test(shard_held, freezing_fails_when_somebody_may_go_on_changing)
{
    put_text(world, "a", "value");
    struct bin *bin = bin_of(&world->view, text_key("a").hash);
    atomic_store(&bin->lock, OTHER);
    atomic_store(&world->shard->object.state, OBJECT_DESTROYED); // so that it does not take long
    cr_expect_eq(shard_freeze(&world->view, true), DRAGON_ERR_CLOSED);
    cr_expect_eq(atomic_load(&world->shard->frozen), 0);
    atomic_store(&bin->lock, 0);
    cr_expect_eq(shard_freeze(&world->view, true), DRAGON_OK);
    cr_expect_eq(atomic_load(&world->shard->frozen), 1);
}

// Managers may be chosen by some bits of the hash: the keys of one have those in common.
Test(shard_held, places_depend_on_all_bits_of_the_hash)
{
    enum { PLACES = 512, MANAGERS = 1 << 12 };
    static bool seen[PLACES];
    uint32_t different = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        uint32_t place = hash_tag(text_key(text).hash & ~(uint64_t)(MANAGERS - 1)) % PLACES;
        different += !seen[place];
        seen[place] = true;
    }
    cr_expect_gt(different, PLACES / 2);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// The shard as one process sees it.
#include "config.h"

#include "shard_world.h"

static struct shard_world *world;

static void begin(void)
{
    world = shard_world_create(4 << 20);
}

static void finish(void)
{
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world));
    shard_world_destroy(world);
}

TestSuite(shard, .init = begin, .fini = finish, .timeout = 60);

Test(shard, put_get_erase)
{
    cr_expect_str_eq(get_text(world, "a"), "-");
    cr_expect_eq(put_text(world, "a", "one"), DRAGON_OK);
    cr_expect_str_eq(get_text(world, "a"), "one");
    cr_expect_eq(put_text(world, "a", "two, and longer"), DRAGON_OK);
    cr_expect_str_eq(get_text(world, "a"), "two, and longer");
    cr_expect_eq(shard_length(&world->view), 1);
    cr_expect_eq(erase_text(world, "a"), DRAGON_OK);
    cr_expect_eq(erase_text(world, "a"), DRAGON_ERR_NOT_FOUND);
    cr_expect_str_eq(get_text(world, "a"), "-");
    cr_expect_eq(shard_length(&world->view), 0);
}

Test(shard, keys_and_values_of_no_bytes)
{
    cr_expect_eq(put_text(world, "", "of nothing"), DRAGON_OK);
    cr_expect_eq(put_text(world, "nothing", ""), DRAGON_OK);
    cr_expect_str_eq(get_text(world, ""), "of nothing");
    cr_expect_str_eq(get_text(world, "nothing"), "");
    struct shard_key key = text_key("nothing");
    cr_expect(shard_contains(&world->view, &key));
}

Test(shard, too_little_room_says_how_much)
{
    char buffer[4] = "...";
    size_t bytes = 0;
    struct shard_key key = text_key("a");
    put_text(world, "a", "12345");
    cr_expect_eq(shard_get(&world->view, &key, buffer, 3, &bytes), DRAGON_ERR_TOO_BIG);
    cr_expect_eq(bytes, 5);
    cr_expect_str_eq(buffer, "...");
}

Test(shard, only_if_absent_or_present)
{
    struct fresh fresh;
    struct shard_key key = text_key("a");
    shard_prepare(&world->view, &key, 1, &fresh);
    *(char *)fresh.value = '1';
    cr_expect_eq(shard_store(&world->view, &key, &fresh, SHARD_PUT_PRESENT), DRAGON_ERR_NOT_FOUND);
    shard_prepare(&world->view, &key, 1, &fresh);
    *(char *)fresh.value = '2';
    cr_expect_eq(shard_store(&world->view, &key, &fresh, SHARD_PUT_ABSENT), DRAGON_OK);
    shard_prepare(&world->view, &key, 1, &fresh);
    *(char *)fresh.value = '3';
    cr_expect_eq(shard_store(&world->view, &key, &fresh, SHARD_PUT_ABSENT), DRAGON_ERR_EXISTS);
    cr_expect_str_eq(get_text(world, "a"), "2");
}

Test(shard, swap)
{
    struct fresh fresh;
    struct shard_key key = text_key("a");
    shard_prepare(&world->view, &key, 1, &fresh);
    cr_expect_eq(shard_swap(&world->view, &key, "", 0, &fresh), DRAGON_ERR_NOT_FOUND);
    put_text(world, "a", "old");
    shard_prepare(&world->view, &key, 3, &fresh);
    memcpy(fresh.value, "new", 3);
    cr_expect_eq(shard_swap(&world->view, &key, "odd", 3, &fresh), DRAGON_ERR_STATE);
    shard_prepare(&world->view, &key, 3, &fresh);
    memcpy(fresh.value, "new", 3);
    cr_expect_eq(shard_swap(&world->view, &key, "old", 3, &fresh), DRAGON_OK);
    cr_expect_str_eq(get_text(world, "a"), "new");
}

Test(shard, numbers)
{
    int64_t before = 9;
    struct shard_key key = text_key("n"), other = text_key("text");
    cr_expect_eq(shard_add(&world->view, &key, 5, &before), DRAGON_OK);
    cr_expect_eq(before, 0);
    cr_expect_eq(shard_add(&world->view, &key, -7, &before), DRAGON_OK);
    cr_expect_eq(before, 5);
    size_t bytes;
    int64_t now;
    cr_expect_eq(shard_get(&world->view, &key, &now, sizeof now, &bytes), DRAGON_OK);
    cr_expect_eq(now, -2);
    put_text(world, "text", "123");
    cr_expect_eq(shard_add(&world->view, &other, 1, &before), DRAGON_ERR_INVAL);
}

Test(shard, append)
{
    char expected[256] = "";
    struct shard_key key = text_key("a");
    size_t bytes;
    for (int i = 0; i < 50; i++) {
        char piece[8];
        snprintf(piece, sizeof piece, "%d,", i);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s", piece);
        cr_assert_eq(shard_append(&world->view, &key, piece, strlen(piece), &bytes), DRAGON_OK);
        cr_assert_eq(bytes, strlen(expected));
        cr_assert_str_eq(get_text(world, "a"), expected);
    }
}

Test(shard, a_pinned_value_stays)
{
    struct pinned pinned;
    struct shard_key key = text_key("a");
    put_text(world, "a", "first");
    cr_assert_eq(shard_pin(&world->view, &key, &pinned), DRAGON_OK);
    put_text(world, "a", "second");
    erase_text(world, "a");
    for (int i = 0; i < 100; i++)
        put_text(world, "b", "other");
    cr_expect_eq(memcmp(pinned.data, "first", 5), 0);
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world) + 1);
    shard_unpin(&world->view, &pinned);
    cr_expect_eq(shard_pin(&world->view, &key, &pinned), DRAGON_ERR_NOT_FOUND);
}

Test(shard, pinned_twice_and_popped)
{
    struct pinned first, second, popped;
    struct shard_key key = text_key("a");
    put_text(world, "a", "value");
    shard_pin(&world->view, &key, &first);
    shard_pin(&world->view, &key, &second);
    cr_expect_eq(shard_pop(&world->view, &key, &popped), DRAGON_OK);
    cr_expect_str_eq(get_text(world, "a"), "-");
    shard_unpin(&world->view, &second);
    shard_unpin(&world->view, &popped);
    cr_expect_eq(memcmp(first.data, "value", 5), 0);
    shard_unpin(&world->view, &first);
}

Test(shard, too_many_pins)
{
    struct pinned pinned[SHARD_PINS], more;
    struct shard_key key = text_key("a");
    put_text(world, "a", "value");
    for (int i = 0; i < SHARD_PINS; i++)
        cr_assert_eq(shard_pin(&world->view, &key, &pinned[i]), DRAGON_OK);
    cr_expect_eq(shard_pin(&world->view, &key, &more), DRAGON_ERR_FULL);
    cr_expect_eq(shard_pop(&world->view, &key, &more), DRAGON_ERR_FULL);
    cr_expect_str_eq(get_text(world, "a"), "value");
    for (int i = 0; i < SHARD_PINS; i++)
        shard_unpin(&world->view, &pinned[i]);
}

Test(shard, frozen)
{
    struct pinned pinned;
    int64_t before;
    size_t bytes;
    struct shard_key key = text_key("a");
    put_text(world, "a", "value");
    shard_freeze(&world->view, true);
    cr_expect_eq(put_text(world, "a", "other"), DRAGON_ERR_DENIED);
    cr_expect_eq(put_text(world, "b", "other"), DRAGON_ERR_DENIED);
    cr_expect_eq(erase_text(world, "a"), DRAGON_ERR_DENIED);
    cr_expect_eq(shard_add(&world->view, &key, 1, &before), DRAGON_ERR_DENIED);
    cr_expect_eq(shard_append(&world->view, &key, "x", 1, &bytes), DRAGON_ERR_DENIED);
    cr_expect_eq(shard_pop(&world->view, &key, &pinned), DRAGON_ERR_DENIED);
    cr_expect_eq(shard_clear(&world->view), DRAGON_ERR_DENIED);
    for (int i = 0; i < 2 * SHARD_PINS; i++) {
        cr_assert_eq(shard_pin(&world->view, &key, &pinned), DRAGON_OK);
        cr_assert_eq(memcmp(pinned.data, "value", 5), 0);
    }
    shard_unpin(&world->view, &pinned);
    shard_freeze(&world->view, false);
    cr_expect_eq(put_text(world, "a", "other"), DRAGON_OK);
}

static bool count_pair(void *arg, const void *key, size_t key_bytes, const void *value,
                       size_t value_bytes)
{
    cr_assert(key_bytes == value_bytes && memcmp(key, value, key_bytes) == 0);
    ++*(size_t *)arg;
    return true;
}

Test(shard, many_keys_are_walked_once)
{
    enum { KEYS = 5000 };
    char key[32];
    size_t count = 0;
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key %d", i);
        cr_assert_eq(put_text(world, key, key), DRAGON_OK);
    }
    for (uint32_t bin = 0; shard_walk(&world->view, bin, count_pair, &count) == DRAGON_OK; bin++)
        ;
    cr_expect_eq(count, KEYS);
    cr_expect_eq(shard_length(&world->view), KEYS);
    for (int i = 0; i < KEYS; i += 2) {
        snprintf(key, sizeof key, "key %d", i);
        cr_assert_eq(erase_text(world, key), DRAGON_OK);
    }
    cr_expect_eq(shard_length(&world->view), KEYS / 2);
    cr_expect_str_eq(get_text(world, "key 4999"), "key 4999");
    cr_expect_eq(shard_clear(&world->view), DRAGON_OK);
    cr_expect_eq(shard_length(&world->view), 0);
}

Test(shard, full_is_full_and_loses_nothing)
{
    char key[32];
    int count = 0;
    dragon_err_t err = DRAGON_OK;
    for (; err == DRAGON_OK; count++) {
        snprintf(key, sizeof key, "key %d", count);
        err = put_text(world, key, key);
    }
    cr_expect_eq(err, DRAGON_ERR_FULL);
    for (int i = 0; i < count - 1; i++) {
        snprintf(key, sizeof key, "key %d", i);
        cr_assert_str_eq(get_text(world, key), key);
    }
    struct shard_stats stats;
    shard_stats(&world->view, &stats);
    cr_expect_eq(stats.keys, (uint64_t)count - 1);
    cr_expect_eq(stats.counts[COUNT_FULL], 1);
    cr_expect_lt(stats.heap.free_bytes * 20, stats.heap.bytes);
}

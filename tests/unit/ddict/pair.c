// SPDX-License-Identifier: BSD-3-Clause
//
// Operations as data, in place: what is counted, and walks with large values.
#include "config.h"

#include "shard_world.h"

#include "ddict/pair.h"

enum { BYTES = 8 << 20, LARGE = 200000 };

static struct shard_world *world;

static void set_up(void)
{
    world = shard_world_create(BYTES);
}

static void tear_down(void)
{
    shard_world_destroy(world);
}

TestSuite(pair, .init = set_up, .fini = tear_down, .timeout = 60);

static dragon_err_t run(enum pair_op op, const char *key, const void *value, size_t bytes,
                        bool wait)
{
    struct pair_call call = {
        .op = op, .wait = wait, .key = text_key(key), .value = value, .value_bytes = bytes};
    struct dict_result result = {0};
    return pair_here(&world->view, &call, &result);
}

static uint64_t count_of(enum shard_count what)
{
    struct shard_stats stats;
    shard_stats(&world->view, &stats);
    return stats.counts[what];
}

// ---- what is counted

static dragon_err_t again(enum pair_op op, const char *key, const void *value, size_t bytes)
{
    world->view.again = true;
    dragon_err_t err = run(op, key, value, bytes, true);
    world->view.again = false;
    return err;
}

Test(pair, a_call_that_waits_counts_once)
{
    static uint8_t value[BYTES / 2];
    cr_expect_eq(run(PAIR_CONTAINS, "later", NULL, 0, true), DRAGON_ERR_AGAIN);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(again(PAIR_CONTAINS, "later", NULL, 0), DRAGON_ERR_AGAIN);
    cr_expect_eq(count_of(COUNT_MISSED), 1);
    cr_expect_eq(run(PAIR_PUT, "one", value, sizeof value, true), DRAGON_OK);
    cr_expect_eq(run(PAIR_PUT, "two", value, sizeof value, true), DRAGON_ERR_AGAIN);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(again(PAIR_PUT, "two", value, sizeof value), DRAGON_ERR_AGAIN);
    cr_expect_eq(count_of(COUNT_FULL), 1);
    cr_expect_eq(run(PAIR_ERASE, "one", NULL, 0, false), DRAGON_OK);
    cr_expect_eq(again(PAIR_PUT, "two", value, sizeof value), DRAGON_OK);
    cr_expect_eq(count_of(COUNT_FULL), 1);
    cr_expect_eq(count_of(COUNT_PUT), 2);
}

Test(pair, who_can_never_have_room_does_not_wait)
{
    static uint8_t value[BYTES];
    cr_expect_eq(run(PAIR_PUT, "one", value, BYTES / 2, true), DRAGON_OK);
    cr_expect_eq(run(PAIR_PUT, "huge", value, sizeof value, true), DRAGON_ERR_FULL);
    cr_expect_eq(run(PAIR_PUT, "huge", value, BYTES - HEAP_PAGE, true), DRAGON_ERR_FULL);
    cr_expect_eq(run(PAIR_PUT, "half", value, BYTES / 2, true), DRAGON_ERR_AGAIN);
    cr_expect_eq(run(PAIR_PUT, "half", value, BYTES / 2, false), DRAGON_ERR_FULL);
    cr_expect_eq(run(PAIR_PUT_ABSENT, "half", value, BYTES / 2, true), DRAGON_ERR_FULL);
    cr_expect_eq(shard_freeze(&world->view, true), DRAGON_OK);
    cr_expect_eq(run(PAIR_PUT, "half", value, BYTES / 2, true), DRAGON_ERR_DENIED);
}

Test(pair, what_is_no_operation)
{
    cr_expect_eq(run((enum pair_op)0, "x", NULL, 0, false), DRAGON_ERR_UNSUPPORTED);
    cr_expect_eq(run(PAIR_OPS, "x", NULL, 0, false), DRAGON_ERR_UNSUPPORTED);
    cr_expect_eq(run((enum pair_op)200, "x", NULL, 0, false), DRAGON_ERR_UNSUPPORTED);
}

// ---- walks

static uint8_t byte_at(size_t number, size_t i)
{
    return (uint8_t)(number * 7 + i * 31 + (i >> 8));
}

static void put_values(size_t count)
{
    static uint8_t value[LARGE];
    char key[32];
    for (size_t k = 0; k < count; k++) {
        size_t bytes = k % 3 == 0 ? LARGE - k : k;
        for (size_t i = 0; i < bytes; i++)
            value[i] = byte_at(k, i);
        snprintf(key, sizeof key, "key %zu", k);
        cr_assert_eq(run(PAIR_PUT, key, value, bytes, false), DRAGON_OK);
    }
}

// How many of these there are, each as it was put.
static size_t check_records(const uint8_t *data, size_t bytes, bool values)
{
    struct pair_record record;
    size_t count = 0;
    for (size_t at = 0; at < bytes; count++) {
        cr_assert_leq(at + sizeof record, bytes);
        memcpy(&record, data + at, sizeof record);
        at += sizeof record;
        char key[32] = "";
        cr_assert_lt(record.key_bytes, sizeof key);
        memcpy(key, data + at, record.key_bytes);
        size_t number = strtoul(key + 4, NULL, 10);
        at += record.key_bytes;
        cr_assert_eq(record.value_bytes, number % 3 == 0 ? LARGE - number : number);
        for (size_t i = 0; values && i < record.value_bytes; i++)
            cr_assert_eq(data[at + i], byte_at(number, i));
        at += values ? record.value_bytes : 0;
    }
    return count;
}

static size_t walk_all(bool values, bool grows)
{
    size_t count = 0;
    uint64_t next = 0;
    dragon_err_t err = DRAGON_OK;
    while (err != DRAGON_ERR_NOT_FOUND) {
        struct pair_call call = {
            .op = PAIR_WALK, .number = (int64_t)next, .expected_bytes = values};
        struct pair_walk walk = {.most = grows ? BYTES : 0};
        err = pair_walk(&world->view, &call, &walk, &next);
        while (err == DRAGON_ERR_TOO_BIG) {
            cr_assert(!grows);
            free(walk.data);
            walk.room = walk.most = walk.bytes;
            walk.data = malloc(walk.room);
            err = pair_walk(&world->view, &call, &walk, &next);
        }
        cr_assert(err == DRAGON_OK || err == DRAGON_ERR_NOT_FOUND);
        if (err == DRAGON_OK)
            count += check_records(walk.data, walk.bytes, values);
        free(walk.data);
    }
    return count;
}

static uint32_t pins(void)
{
    struct shard_stats stats;
    shard_stats(&world->view, &stats);
    return stats.pins;
}

Test(pair, walks_bring_all)
{
    enum { COUNT = 60 };
    put_values(COUNT);
    cr_expect_eq(walk_all(true, false), COUNT);
    cr_expect_eq(walk_all(true, true), COUNT);
    cr_expect_eq(walk_all(false, false), COUNT);
    cr_expect_eq(walk_all(false, true), COUNT);
    cr_expect_eq(pins(), 0);
    // Without a pin they are copied under the lock.
    for (int i = 0; i < SHARD_PINS; i++)
        cr_assert_not_null(pin_claim(&world->view));
    cr_expect_eq(walk_all(true, true), COUNT);
}

static bool pin_it(void *arg, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes)
{
    (void)key_bytes;
    struct pinned *pinned = arg;
    cr_assert(shard_walk_pin(&world->view, key, pinned));
    cr_assert_eq(pinned->data, value);
    cr_assert_eq(pinned->bytes, value_bytes);
    return false;
}

Test(pair, what_a_walk_pins_stays)
{
    struct pinned pinned = {0};
    put_values(1);
    for (uint32_t bin = 0; !pinned.pin; bin++)
        cr_assert_eq(shard_walk(&world->view, bin, pin_it, &pinned), DRAGON_OK);
    cr_expect_eq(erase_text(world, "key 0"), DRAGON_OK);
    put_values(1);
    for (size_t i = 0; i < pinned.bytes; i++)
        cr_assert_eq(((const uint8_t *)pinned.data)[i], byte_at(0, i));
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world) + 1);
    shard_unpin(&world->view, &pinned);
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world));
}

// ---- sizes

Test(pair, any_size_is_a_shard)
{
    enum { BLOCK = 2 << 20 };
    struct shard *shard = fake_shared_memory(BLOCK);
    shard_init(shard, 5, BLOCK - 4096);
    cr_expect(shard_check(shard, BLOCK));
    cr_expect(shard_check(shard, BLOCK - 4096));
    cr_expect_not(shard_check(shard, BLOCK - 8192));
    cr_expect_not(shard_check(shard, BLOCK + HEAP_PAGE));
    munmap(shard, BLOCK);
}

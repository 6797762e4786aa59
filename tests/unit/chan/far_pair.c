// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard of another node, with its manager in a process of its own.
#include "config.h"

#include "shards.h"

static struct nodes nodes;
static struct manager manager;
static uint8_t value[8 << 20], got[8 << 20];

static void up(int64_t bytes)
{
    manager_up(&nodes, &manager, bytes);
}

static void down(void)
{
    manager_expect_clean(&manager);
    manager_down(&nodes, &manager);
}

// ---- calls

static struct pair_call call_of(enum pair_op op, const char *key)
{
    return (struct pair_call){.op = op, .key = shard_key(key, strlen(key))};
}

static dragon_err_t ask_pair(const struct pair_call *call, uint64_t *result_out, int64_t ms)
{
    struct far_call how = within(ms);
    return far_pair(nodes.there, call, NULL, 0, NULL, result_out, &how);
}

static dragon_err_t ask_put(enum pair_op op, const char *key, size_t bytes, uint64_t seed)
{
    struct pair_call call = call_of(op, key);
    fill(value, bytes, seed);
    call.value = value;
    call.value_bytes = bytes;
    return ask_pair(&call, NULL, SOON);
}

static dragon_err_t ask_value(enum pair_op op, const char *key, size_t room, size_t *bytes_out)
{
    struct pair_call call = call_of(op, key);
    struct far_call how = within(SOON);
    return far_pair(nodes.there, &call, got, room, bytes_out, NULL, &how);
}

static void expect_value(const char *key, size_t bytes, uint64_t seed)
{
    size_t length = 1;
    dragon_err_t err = ask_value(PAIR_GET, key, sizeof got, &length);
    cr_assert_eq(err, DRAGON_OK, "%zu bytes: %s", bytes, dragon_err_name(err));
    cr_expect_eq(length, bytes);
    cr_expect(filled(got, bytes, seed), "%zu bytes", bytes);
}

static const size_t sizes[] = {0,    1,     8,      9,         128,     8100,          8191,   8192,
                               8193, 65536, 262144, 300 << 10, 1 << 20, (8 << 20) - 1, 8 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };

Test(far_pair, sizes)
{
    up(40 << 20);
    for (size_t i = 0; i < SIZES; i++) {
        cr_assert_eq(ask_put(PAIR_PUT, "key", sizes[i], i), DRAGON_OK, "%zu", sizes[i]);
        expect_value("key", sizes[i], i);
        size_t bytes = 0;
        cr_expect_eq(ask_value(PAIR_POP, "key", sizeof got, &bytes), DRAGON_OK);
        cr_expect(bytes == sizes[i] && filled(got, bytes, i));
        cr_expect_eq(ask_value(PAIR_GET, "key", sizeof got, &bytes), DRAGON_ERR_NOT_FOUND);
        cr_expect_eq(ask_value(PAIR_POP, "key", sizeof got, &bytes), DRAGON_ERR_NOT_FOUND);
    }
    down();
}

Test(far_pair, too_big)
{
    up(16 << 20);
    for (size_t i = 1; i < SIZES - 2; i++) {
        cr_assert_eq(ask_put(PAIR_PUT, "key", sizes[i], i), DRAGON_OK);
        size_t bytes = 0;
        cr_expect_eq(ask_value(PAIR_GET, "key", sizes[i] - 1, &bytes), DRAGON_ERR_TOO_BIG);
        cr_expect_eq(bytes, sizes[i]);
        bytes = 0;
        cr_expect_eq(ask_value(PAIR_POP, "key", sizes[i] - 1, &bytes), DRAGON_ERR_TOO_BIG);
        cr_expect_eq(bytes, sizes[i]);
        cr_expect_eq(ask_value(PAIR_GET, "key", sizes[i], &bytes), DRAGON_OK);
    }
    static uint8_t key[SHARD_KEY_MOST + 1];
    struct pair_call call = {.op = PAIR_CONTAINS, .key = shard_key(key, sizeof key)};
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_TOO_BIG);
    down();
}

// Keys that come before their message, too.
Test(far_pair, keys)
{
    static const size_t lengths[] = {0, 1, 8191, 8192, 8193, 20000, SHARD_KEY_MOST};
    static uint8_t key[SHARD_KEY_MOST];
    up(16 << 20);
    fill(key, sizeof key, 5);
    for (size_t i = 0; i < 7; i++) {
        struct pair_call call = {.op = PAIR_PUT, .key = shard_key(key, lengths[i])};
        struct far_call how = within(SOON);
        size_t bytes = 0;
        fill(value, 300, i);
        call.value = value;
        call.value_bytes = 300;
        cr_assert_eq(ask_pair(&call, NULL, SOON), DRAGON_OK);
        struct pair_call get = {.op = PAIR_GET, .key = call.key};
        cr_expect_eq(far_pair(nodes.there, &get, got, sizeof got, &bytes, NULL, &how), DRAGON_OK);
        cr_expect(bytes == 300 && filled(got, 300, i));
        call.value_bytes = 300 << 10;
        fill(value, 300 << 10, i);
        cr_assert_eq(ask_pair(&call, NULL, SOON), DRAGON_OK);
        cr_expect_eq(far_pair(nodes.there, &get, got, sizeof got, &bytes, NULL, &how), DRAGON_OK);
        cr_expect(bytes == 300 << 10 && filled(got, bytes, i));
    }
    uint64_t length = 0;
    struct pair_call call = {.op = PAIR_LENGTH};
    cr_expect_eq(ask_pair(&call, &length, SOON), DRAGON_OK);
    cr_expect_eq(length, 7);
    down();
}

Test(far_pair, changes)
{
    up(16 << 20);
    uint64_t result = 0;
    cr_expect_eq(ask_put(PAIR_PUT_ABSENT, "a", 10, 1), DRAGON_OK);
    cr_expect_eq(ask_put(PAIR_PUT_ABSENT, "a", 20, 2), DRAGON_ERR_EXISTS);
    cr_expect_eq(ask_put(PAIR_PUT_ABSENT, "a", 1 << 20, 2), DRAGON_ERR_EXISTS);
    expect_value("a", 10, 1);
    struct pair_call call = call_of(PAIR_ADD, "n");
    call.number = 5;
    cr_expect_eq(ask_pair(&call, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, 0);
    call.number = -7;
    cr_expect_eq(ask_pair(&call, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, 5);
    cr_expect_eq(ask_pair(&call, &result, SOON), DRAGON_OK);
    cr_expect_eq((int64_t)result, -2);
    call = call_of(PAIR_ADD, "a");
    cr_expect_eq(ask_pair(&call, &result, SOON), DRAGON_ERR_INVAL);
    call = call_of(PAIR_CONTAINS, "a");
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_OK);
    call.op = PAIR_ERASE;
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_OK);
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_NOT_FOUND);
    call.op = PAIR_CONTAINS;
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_NOT_FOUND);
    call = call_of(PAIR_LENGTH, "");
    cr_expect_eq(ask_pair(&call, &result, 0), DRAGON_OK);
    cr_expect_eq(result, 1);
    call.op = PAIR_CLEAR;
    cr_expect_eq(ask_pair(&call, NULL, 0), DRAGON_OK);
    call.op = PAIR_LENGTH;
    cr_expect_eq(ask_pair(&call, &result, 0), DRAGON_OK);
    cr_expect_eq(result, 0);
    down();
}

Test(far_pair, append)
{
    static const size_t pieces[] = {0, 10, 8193, 300 << 10, 1 << 20, 1};
    up(32 << 20);
    size_t at = 0;
    uint64_t result = 0;
    fill(value, sizeof value, 9);
    for (size_t i = 0; i < 6; i++) {
        struct pair_call call = call_of(PAIR_APPEND, "log");
        call.value = value + at;
        call.value_bytes = pieces[i];
        at += pieces[i];
        cr_expect_eq(ask_pair(&call, &result, SOON), DRAGON_OK);
        cr_expect_eq(result, at);
    }
    expect_value("log", at, 9);
    down();
}

Test(far_pair, swap)
{
    static const size_t lengths[] = {0, 100, 8192, 300 << 10, 2 << 20};
    static uint8_t expected[3 << 20];
    up(32 << 20);
    struct pair_call call = call_of(PAIR_SWAP, "s");
    call.value = value;
    call.expected = expected;
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_NOT_FOUND);
    call.expected_bytes = 64 << 20;
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(ask_put(PAIR_PUT, "s", 0, 0), DRAGON_OK);
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_STATE);
    for (size_t i = 0; i < 4; i++) {
        call.expected_bytes = lengths[i];
        call.value_bytes = lengths[i + 1];
        fill(expected, lengths[i], i);
        fill(value, lengths[i + 1], i + 1);
        cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_OK, "%d", (int)i);
        expect_value("s", lengths[i + 1], i + 1);
        cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_ERR_STATE);
    }
    down();
}

Test(far_pair, full)
{
    up(4 << 20);
    cr_assert_eq(ask_put(PAIR_PUT, "kept", 1000, 1), DRAGON_OK);
    for (size_t i = 0; i < SIZES; i++) {
        if (sizes[i] < 4 << 20)
            continue;
        uint64_t began = time_now_ms();
        cr_expect_eq(ask_put(PAIR_PUT, "key", sizes[i], i), DRAGON_ERR_FULL);
        cr_expect_lt(time_now_ms() - began, SOON / 2);
    }
    dragon_err_t err = DRAGON_OK;
    int count = 0;
    for (; err == DRAGON_OK; count++) {
        char key[16];
        snprintf(key, sizeof key, "%d", count);
        err = ask_put(PAIR_PUT, key, 300 << 10, 1);
    }
    cr_expect_eq(err, DRAGON_ERR_FULL);
    cr_expect_gt(count, 5);
    expect_value("kept", 1000, 1);
    expect_value("3", 300 << 10, 1);
    struct pair_call call = call_of(PAIR_ERASE, "3");
    cr_expect_eq(ask_pair(&call, NULL, SOON), DRAGON_OK);
    cr_expect_eq(ask_put(PAIR_PUT, "more", 300 << 10, 4), DRAGON_OK);
    expect_value("more", 300 << 10, 4);
    down();
}

Test(far_pair, frozen)
{
    up(16 << 20);
    uint64_t result = 9;
    cr_assert_eq(ask_put(PAIR_PUT, "a", 1 << 20, 1), DRAGON_OK);
    struct pair_call freeze = {.op = PAIR_FREEZE, .number = 1}, frozen = {.op = PAIR_FROZEN};
    cr_expect_eq(ask_pair(&frozen, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, 0);
    cr_expect_eq(ask_pair(&freeze, NULL, SOON), DRAGON_OK);
    cr_expect_eq(ask_pair(&frozen, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, 1);
    cr_expect_eq(ask_put(PAIR_PUT, "a", 10, 2), DRAGON_ERR_DENIED);
    cr_expect_eq(ask_put(PAIR_PUT, "a", 1 << 20, 2), DRAGON_ERR_DENIED);
    cr_expect_eq(ask_put(PAIR_APPEND, "a", 10, 2), DRAGON_ERR_DENIED);
    cr_expect_eq(ask_put(PAIR_APPEND, "a", 1 << 20, 2), DRAGON_ERR_DENIED);
    size_t bytes;
    cr_expect_eq(ask_value(PAIR_POP, "a", sizeof got, &bytes), DRAGON_ERR_DENIED);
    struct pair_call clear = {.op = PAIR_CLEAR};
    cr_expect_eq(ask_pair(&clear, NULL, SOON), DRAGON_ERR_DENIED);
    expect_value("a", 1 << 20, 1);
    freeze.number = 0;
    cr_expect_eq(ask_pair(&freeze, NULL, SOON), DRAGON_OK);
    cr_expect_eq(ask_put(PAIR_PUT, "a", 10, 2), DRAGON_OK);
    expect_value("a", 10, 2);
    down();
}

Test(far_pair, walk)
{
    enum { COUNT = 500 };
    up(16 << 20);
    static int seen[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%c%d", i % 2 ? 'x' : 'y', i);
        cr_assert_eq(ask_put(PAIR_PUT, key, (size_t)i * 11, (uint64_t)i), DRAGON_OK);
    }
    cr_assert_eq(ask_put(PAIR_PUT, "x0", 2 << 20, 0), DRAGON_OK); // records of some MiB
    uint64_t bin = 0, asked = 0;
    size_t bytes = 0;
    dragon_err_t err;
    struct far_call how = within(SOON);
    struct pair_call call = call_of(PAIR_WALK, "x");
    call.expected_bytes = 1;
    for (;; asked++) {
        call.number = (int64_t)bin;
        err = far_pair(nodes.there, &call, got, sizeof got, &bytes, &bin, &how);
        if (err != DRAGON_OK)
            break;
        for (size_t at = 0; at < bytes;) {
            struct pair_record record;
            char key[16] = "";
            memcpy(&record, got + at, sizeof record);
            cr_assert_lt(record.key_bytes, sizeof key);
            memcpy(key, got + at + sizeof record, record.key_bytes);
            at += sizeof record + record.key_bytes;
            long long number = 0;
            cr_assert(parse_number(key + 1, 0, COUNT - 1, &number));
            seen[number]++;
            cr_expect_eq(key[0], 'x');
            cr_expect(filled(got + at, record.value_bytes, (uint64_t)number));
            at += record.value_bytes;
            cr_expect_leq(at, bytes);
        }
    }
    cr_expect_eq(err, DRAGON_ERR_NOT_FOUND);
    for (int i = 0; i < COUNT; i++)
        cr_expect_eq(seen[i], i % 2 == 1 || i == 0, "%d", i);
    // With no room, and without values.
    call.number = 0;
    bytes = 0;
    err = far_pair(nodes.there, &call, got, 1, &bytes, NULL, &how);
    cr_expect(err == DRAGON_ERR_TOO_BIG || (err == DRAGON_OK && bytes == 0));
    call.expected_bytes = 0;
    size_t all = 0;
    for (bin = 0; far_pair(nodes.there, &call, got, 64 << 10, &bytes, &bin, &how) == DRAGON_OK;) {
        call.number = (int64_t)bin;
        all += bytes;
    }
    cr_expect_lt(all, COUNT * 20);
    cr_expect_gt(all, COUNT / 2 * sizeof(struct pair_record));
    down();
}

Test(far_pair, stats)
{
    up(16 << 20);
    struct shard_stats stats = {.keys = 0};
    struct far_call how = within(SOON);
    struct pair_call call = {.op = PAIR_STATS};
    size_t bytes = 0;
    cr_assert_eq(ask_put(PAIR_PUT, "a", 100, 1), DRAGON_OK);
    cr_assert_eq(ask_put(PAIR_PUT, "b", 100, 1), DRAGON_OK);
    expect_value("a", 100, 1);
    cr_expect_eq(far_pair(nodes.there, &call, &stats, 8, &bytes, NULL, &how), DRAGON_ERR_TOO_BIG);
    cr_expect_eq(bytes, sizeof stats);
    cr_expect_eq(far_pair(nodes.there, &call, &stats, sizeof stats, &bytes, NULL, &how), DRAGON_OK);
    cr_expect_eq(bytes, sizeof stats);
    cr_expect_eq(stats.keys, 2);
    cr_expect_eq(stats.counts[COUNT_PUT], 2);
    cr_expect_eq(stats.counts[COUNT_GET], 1);
    down();
}

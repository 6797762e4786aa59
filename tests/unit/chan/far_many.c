// SPDX-License-Identifier: BSD-3-Clause
//
// Many operations on a shard of another node under way together, with its manager in a process of its own.
#include "config.h"

#include "shards.h"

static struct nodes nodes;
static struct manager manager;

enum { COUNT = 3000, LARGE = 300 << 10 };

// What was told of each.
static struct told {
    int times;
    dragon_err_t err;
    size_t bytes;
} told[COUNT];
static size_t again;

static void on_done(void *arg, size_t number, dragon_err_t err, size_t bytes)
{
    cr_assert_eq(arg, &nodes);
    cr_assert_lt(number, COUNT);
    told[number].times++;
    told[number].err = err;
    told[number].bytes = bytes;
    again += err == DRAGON_ERR_AGAIN;
}

static struct far_many *begin(int64_t ms)
{
    struct far_many *many = NULL;
    memset(told, 0, sizeof told);
    again = 0;
    cr_assert_eq(far_many_begin(nodes.far, ms == 0 ? 0 : in_ms(ms), on_done, &nodes, &many),
                 DRAGON_OK);
    return many;
}

static size_t told_once(size_t count)
{
    size_t once = 0;
    for (size_t i = 0; i < count; i++)
        once += told[i].times == 1;
    return once;
}

static size_t told_so(size_t count, dragon_err_t err)
{
    size_t so = 0;
    for (size_t i = 0; i < count; i++)
        so += told[i].err == err;
    return so;
}

static void expect_all(size_t count, dragon_err_t err)
{
    cr_expect_eq(told_once(count), count);
    cr_expect_eq(told_so(count, err), count, "%zu", told_so(count, err));
}

static const size_t sizes[] = {0, 1, 10, 200, 1000, 4100, 8192, 9000, LARGE};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void put(struct far_many *many, size_t number, size_t bytes, bool alone)
{
    static uint8_t values[SIZES + 1][LARGE];
    static char keys[COUNT][16];
    size_t kind = 0;
    while (kind < SIZES && sizes[kind] != bytes)
        kind++;
    cr_assert_leq(bytes, LARGE);
    fill(values[kind], bytes, bytes);
    snprintf(keys[number], sizeof keys[number], "%zu", number);
    struct pair_call call = {.op = PAIR_PUT,
                             .key = shard_key(keys[number], strlen(keys[number])),
                             .value = values[kind],
                             .value_bytes = bytes};
    far_many_ask(many, nodes.there, &call, NULL, 0, number, alone);
}

static void get(struct far_many *many, size_t number, uint8_t *buffer, size_t room, bool alone)
{
    static char keys[COUNT][16];
    snprintf(keys[number], sizeof keys[number], "%zu", number);
    struct pair_call call = {.op = PAIR_GET, .key = shard_key(keys[number], strlen(keys[number]))};
    far_many_ask(many, nodes.there, &call, buffer, room, number, alone);
}

static void down(void)
{
    manager_expect_clean(&manager);
    manager_down(&nodes, &manager);
}

Test(far_many, sizes)
{
    enum { SOME = 10 * SIZES };
    static uint8_t got[SOME][LARGE];
    manager_up(&nodes, &manager, 32 << 20);
    for (int alone = 0; alone < 2; alone++) {
        struct far_many *many = begin(SOON);
        for (size_t i = 0; i < SOME; i++)
            put(many, i, sizes[i % SIZES], alone);
        far_many_flush(many);
        expect_all(SOME, DRAGON_OK);
        many = begin(SOON);
        for (size_t i = 0; i < SOME; i++)
            get(many, i, got[i], sizes[i % SIZES], alone);
        far_many_flush(many);
        cr_expect_eq(told_once(SOME), SOME);
        cr_expect(!alone || again == 0);
        for (size_t i = 0; i < SOME; i++)
            if (told[i].err == DRAGON_ERR_AGAIN)
                get(many, i, got[i], sizes[i % SIZES], true);
        far_many_flush(many);
        cr_expect_eq(told_so(SOME, DRAGON_OK), SOME);
        for (size_t i = 0; i < SOME; i++)
            cr_expect(told[i].bytes == sizes[i % SIZES] &&
                      filled(got[i], told[i].bytes, told[i].bytes));
    }
    down();
}

// With more room than they need, an answer is full before all are in it; those left are asked for alone.
Test(far_many, no_room_in_the_answer)
{
    static uint8_t got[COUNT / 2][4100];
    manager_up(&nodes, &manager, 48 << 20);
    for (int round = 0; round < 2; round++) {
        struct far_many *many = begin(SOON);
        for (size_t i = 0; i < COUNT; i++)
            put(many, i, i < COUNT / 2 ? 10 : 4100, false);
        far_many_flush(many);
        expect_all(COUNT, DRAGON_OK);
        many = begin(SOON);
        for (size_t i = 0; i < COUNT / 2; i++)
            get(many, i, got[i], sizeof *got, false);
        far_many_flush(many);
        many = begin(SOON);
        for (size_t i = COUNT / 2; i < COUNT; i++)
            get(many, i, got[i - COUNT / 2], sizeof *got, false);
        far_many_flush(many);
        cr_expect_gt(again, 0);
        for (size_t i = COUNT / 2; i < COUNT; i++) {
            cr_expect_eq(told[i].times, 1);
            if (told[i].err == DRAGON_ERR_AGAIN)
                get(many, i, got[i - COUNT / 2], sizeof *got, true);
        }
        far_many_flush(many);
        for (size_t i = COUNT / 2; i < COUNT; i++) {
            cr_expect_eq(told[i].err, DRAGON_OK);
            cr_expect(filled(got[i - COUNT / 2], 4100, 4100));
        }
    }
    down();
}

Test(far_many, missing_and_too_big)
{
    static uint8_t got[SIZES][LARGE];
    manager_up(&nodes, &manager, 32 << 20);
    struct far_many *many = begin(SOON);
    for (size_t i = 0; i < SIZES; i++)
        put(many, i, sizes[i], false);
    far_many_flush(many);
    expect_all(SIZES, DRAGON_OK);
    many = begin(SOON);
    for (size_t i = 0; i < SIZES; i++)
        get(many, i, got[i], sizes[i] / 2, false);
    get(many, SIZES, got[0], 100, false);
    get(many, SIZES + 1, got[0], LARGE, true);
    far_many_flush(many);
    cr_expect_eq(told[0].err, DRAGON_OK);
    for (size_t i = 1; i < SIZES; i++) {
        cr_expect_eq(told[i].err, DRAGON_ERR_TOO_BIG, "%zu", i);
        cr_expect_eq(told[i].bytes, sizes[i]);
    }
    cr_expect_eq(told[SIZES].err, DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(told[SIZES + 1].err, DRAGON_ERR_NOT_FOUND);
    down();
}

// What is under way together needs more room than one after the other: AGAIN, and then alone.
Test(far_many, full)
{
    manager_up(&nodes, &manager, 4 << 20);
    struct far_many *many = begin(SOON);
    for (size_t i = 0; i < 100; i++)
        put(many, i, LARGE, false);
    far_many_flush(many);
    cr_expect_eq(told_once(100), 100);
    cr_expect_gt(told_so(100, DRAGON_OK), 5);
    cr_expect_eq(told_so(100, DRAGON_OK) + again, 100);
    for (size_t i = 0; i < 100; i++) {
        if (told[i].err != DRAGON_ERR_AGAIN)
            continue;
        put(many, i, LARGE, true);
        far_many_flush(many);
        cr_expect_eq(told[i].err, DRAGON_ERR_FULL);
    }
    static uint8_t huge[5 << 20];
    struct pair_call call = {
        .op = PAIR_PUT, .key = shard_key("k", 1), .value = huge, .value_bytes = sizeof huge};
    many = begin(SOON);
    far_many_ask(many, nodes.there, &call, NULL, 0, 0, false);
    cr_expect_eq(told[0].err, DRAGON_ERR_FULL);
    static uint8_t key[SHARD_KEY_MOST + 1];
    call.key = shard_key(key, sizeof key);
    far_many_ask(many, nodes.there, &call, NULL, 0, 1, false);
    cr_expect_eq(told[1].err, DRAGON_ERR_TOO_BIG);
    down();
}

Test(far_many, frozen)
{
    manager_up(&nodes, &manager, 4 << 20);
    struct far_call how = within(SOON);
    struct pair_call freeze = {.op = PAIR_FREEZE, .number = 1};
    cr_assert_eq(far_pair(nodes.there, &freeze, NULL, 0, NULL, NULL, &how), DRAGON_OK);
    struct far_many *many = begin(SOON);
    for (size_t i = 0; i < 50; i++)
        put(many, i, i % 2 ? 10 : 9000, false);
    far_many_flush(many);
    expect_all(50, DRAGON_ERR_DENIED);
    down();
}

Test(far_many, no_time)
{
    manager_up(&nodes, &manager, 32 << 20);
    struct far_many *many = begin(0);
    for (size_t i = 0; i < COUNT; i++)
        put(many, i, 200, false);
    far_many_flush(many);
    expect_all(COUNT, DRAGON_OK);
    down();
}

// It goes on after our time is over: what it was asked for it answers, the rest is not asked for.
Test(far_many, manager_stopped)
{
    manager_up(&nodes, &manager, 32 << 20);
    cr_assert_eq(kill(manager.pid, SIGSTOP), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        usleep(300000);
        _exit(kill(manager.pid, SIGCONT) != 0);
    }
    struct far_many *many = begin(50);
    for (size_t i = 0; i < COUNT; i++)
        put(many, i, i % 100 ? 1000 : LARGE, false);
    far_many_flush(many);
    cr_expect_eq(told_once(COUNT), COUNT);
    cr_expect_eq(told_so(COUNT, DRAGON_OK) + told_so(COUNT, DRAGON_ERR_TIMEOUT), COUNT);
    cr_expect_gt(told_so(COUNT, DRAGON_ERR_TIMEOUT), 0);
    nodes_reap(pid);
    many = begin(SOON);
    for (size_t i = 0; i < 100; i++)
        put(many, i, 1000, false);
    far_many_flush(many);
    expect_all(100, DRAGON_OK);
    down();
}

static void killed(size_t after)
{
    manager_up(&nodes, &manager, 48 << 20);
    struct far_many *many = begin(SOON);
    for (size_t i = 0; i < COUNT; i++) {
        if (i == after)
            cr_assert_eq(kill(manager.pid, SIGKILL), 0);
        put(many, i, i % 20 ? 1000 : LARGE, false);
    }
    far_many_flush(many);
    cr_expect_eq(told_once(COUNT), COUNT);
    cr_expect_gt(told_so(COUNT, DRAGON_OK), 0);
    cr_expect_gt(told_so(COUNT, DRAGON_ERR_PEER) + told_so(COUNT, DRAGON_ERR_CLOSED), 0);
    // A large one may have had no room beside those that were being replaced.
    size_t parted = told_so(COUNT, DRAGON_ERR_AGAIN);
    cr_expect_eq(told_so(COUNT, DRAGON_ERR_PEER) + told_so(COUNT, DRAGON_ERR_CLOSED) +
                     told_so(COUNT, DRAGON_OK) + parted,
                 COUNT);
    manager_down(&nodes, &manager);
}

Test(far_many, manager_killed)
{
    killed(2990);
}

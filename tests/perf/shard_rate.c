// SPDX-License-Identifier: BSD-3-Clause
//
// How fast a shard of a dictionary is, without anything around it:
//
//     shard_rate [small|shared|large]
//
// small: one process, 100,000 keys, values of 128 bytes: nanoseconds for each kind of operation.
// shared: the same by 2 and 4 processes at once, on keys of their own and all on the same: for each process.
// large: values of 1 MiB and 64 MiB: put and get beside memcpy, the best of some turns taken in turns.
#include "config.h"

#include "ddict/shard.h"

#include "../unit/mem/space.h"

#include <sched.h>
#include <sys/wait.h>

enum { KEYS = 100000, VALUE = 128, PROCESSES = 4, SMALL_SHARD = 128 << 20 };

static struct fake_keeper *keeper;
static struct shard *shard;
static struct space *space;
static struct shard_view view;

static void fail(const char *what, dragon_err_t err)
{
    fprintf(stderr, "shard_rate: %s: %s\n", what, dragon_err_name(err));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void view_as(uint32_t slot)
{
    space = fake_space(keeper, slot);
    if (!shard_open(&view, shard, space))
        fail("open", DRAGON_ERR_STATE);
}

static void begin(size_t bytes)
{
    keeper = fake_keeper_create(1, 1 << 20);
    shard = fake_shared_memory(bytes);
    madvise(shard, bytes, MADV_POPULATE_WRITE);
    shard_init(shard, 1, bytes);
    view_as(SLOT_FIRST);
}

static void end(size_t bytes)
{
    space_detach(space);
    fake_keeper_destroy(keeper);
    munmap(shard, bytes);
}

// ---- small values

struct turn { // of one operation on one key
    struct shard_key key;
    uint8_t value[VALUE];
};

static void put(struct turn *turn)
{
    struct fresh fresh;
    dragon_err_t err = shard_prepare(&view, &turn->key, VALUE, &fresh);
    if (err == DRAGON_OK) {
        memcpy(fresh.value, turn->value, VALUE);
        err = shard_store(&view, &turn->key, &fresh, SHARD_PUT);
    }
    if (err != DRAGON_OK)
        fail("put", err);
}

static void get(struct turn *turn)
{
    size_t bytes;
    dragon_err_t err = shard_get(&view, &turn->key, turn->value, VALUE, &bytes);
    if (err != DRAGON_OK || bytes != VALUE)
        fail("get", err);
}

static void look(struct turn *turn)
{
    struct pinned pinned;
    dragon_err_t err = shard_pin(&view, &turn->key, &pinned);
    if (err != DRAGON_OK)
        fail("view", err);
    turn->value[0] = *(const uint8_t *)pinned.data;
    shard_unpin(&view, &pinned);
}

static void erase(struct turn *turn)
{
    dragon_err_t err = shard_erase(&view, &turn->key);
    if (err != DRAGON_OK)
        fail("erase", err);
}

static void add(struct turn *turn)
{
    int64_t before;
    dragon_err_t err = shard_add(&view, &turn->key, 1, &before);
    if (err != DRAGON_OK)
        fail("add", err);
}

// All keys once, in an order without order; hashing counts, too. Nanoseconds for each.
static double all_keys(void (*operation)(struct turn *turn), const char *prefix)
{
    struct turn turn = {.value = "value"};
    uint64_t began = now_ns();
    for (uint64_t i = 0; i < KEYS; i++) {
        char text[32] = {0};
        uint64_t number = i * 7919 % KEYS;
        memcpy(text, &number, sizeof number);
        memcpy(text + 8, prefix, 8);
        turn.key = shard_key(text, 16);
        operation(&turn);
    }
    return (double)(now_ns() - began) / KEYS;
}

static void small(void)
{
    static const char keys[8] = "keys", numbers[8] = "numbers";
    begin(SMALL_SHARD);
    for (int round = 0; round < 3; round++) {
        printf("put new %5.0f", all_keys(put, keys));
        printf("  put %5.0f", all_keys(put, keys));
        printf("  get %5.0f", all_keys(get, keys));
        printf("  view %5.0f", all_keys(look, keys));
        printf("  add new %5.0f", all_keys(add, numbers));
        printf("  add %5.0f", all_keys(add, numbers));
        printf("  erase %5.0f ns\n", all_keys(erase, keys));
        if (shard_clear(&view) != DRAGON_OK)
            fail("clear", DRAGON_ERR_STATE);
    }
    end(SMALL_SHARD);
}

// ---- several processes

struct gate { // shared
    _Atomic int ready, go;
    double ns[PROCESSES];
};

static void race(struct gate *gate, int processes, bool same, void (*operation)(struct turn *turn))
{
    atomic_store(&gate->ready, 0);
    atomic_store(&gate->go, 0);
    for (int i = 0; i < processes; i++) {
        if (fork() != 0)
            continue;
        char prefix[8] = "0";
        prefix[0] = same ? '0' : (char)('0' + i);
        view_as(SLOT_FIRST + 1 + (uint32_t)i);
        all_keys(put, prefix);
        atomic_fetch_add(&gate->ready, 1);
        while (!atomic_load(&gate->go))
            sched_yield();
        gate->ns[i] = (all_keys(operation, prefix) + all_keys(operation, prefix)) / 2;
        _exit(0);
    }
    while (atomic_load(&gate->ready) < processes)
        usleep(1000);
    atomic_store(&gate->go, 1);
    double sum = 0;
    for (int i = 0, status; i < processes; i++)
        if (wait(&status) < 0 || status)
            fail("a child", DRAGON_ERR_STATE);
    for (int i = 0; i < processes; i++)
        sum += gate->ns[i];
    printf("%7.0f", sum / processes);
}

static void shared(void)
{
    struct gate *gate = fake_shared_memory(sizeof *gate);
    begin(2 * SMALL_SHARD);
    for (int processes = 1; processes <= PROCESSES; processes *= 2) {
        for (int same = 0; same < 2; same++) {
            printf("%d processes, %s keys: get", processes, same ? "the same" : "their own");
            fflush(stdout);
            race(gate, processes, same, get);
            printf("  put");
            race(gate, processes, same, put);
            printf("  view");
            race(gate, processes, same, look);
            printf(" ns\n");
        }
    }
    end(2 * SMALL_SHARD);
}

// ---- large values

static void put_large(const uint8_t *value, size_t bytes)
{
    struct fresh fresh;
    struct shard_key key = shard_key("large", 5);
    dragon_err_t err = shard_prepare(&view, &key, bytes, &fresh);
    if (err == DRAGON_OK) {
        memcpy(fresh.value, value, bytes);
        err = shard_store(&view, &key, &fresh, SHARD_PUT);
    }
    if (err != DRAGON_OK)
        fail("put of a large value", err);
}

static void get_large(uint8_t *buffer, size_t bytes)
{
    size_t got;
    struct shard_key key = shard_key("large", 5);
    dragon_err_t err = shard_get(&view, &key, buffer, bytes, &got);
    if (err != DRAGON_OK)
        fail("get of a large value", err);
}

static void keep_best(double *best, uint64_t began)
{
    double ns = (double)(now_ns() - began);
    if (*best == 0 || ns < *best)
        *best = ns;
}

static void large_of(size_t bytes, int turns)
{
    size_t room = bytes * 5;
    double copy_best = 0, put_best = 0, get_best = 0;
    begin(room);
    uint8_t *value = fake_shared_memory(bytes), *buffer = fake_shared_memory(bytes);
    memset(value, 1, bytes);
    memset(buffer, 2, bytes);
    for (int i = 0; i < turns; i++) {
        uint64_t began = now_ns();
        memcpy(buffer, value, bytes);
        keep_best(&copy_best, began);
        began = now_ns();
        put_large(value, bytes);
        keep_best(&put_best, began);
        began = now_ns();
        get_large(buffer, bytes);
        keep_best(&get_best, began);
    }
    printf("%zu MiB: memcpy %.1f GB/s, put %.2f of it, get %.2f\n", bytes >> 20,
           (double)bytes / copy_best, copy_best / put_best, copy_best / get_best);
    munmap(value, bytes);
    munmap(buffer, bytes);
    end(room);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "all";
    bool all = strcmp(what, "all") == 0;
    if (all || strcmp(what, "small") == 0)
        small();
    if (all || strcmp(what, "shared") == 0)
        shared();
    if (all || strcmp(what, "large") == 0) {
        large_of(1 << 20, 200);
        large_of(64 << 20, 20);
    }
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Several processes at once on few keys in little memory, some of them killed: no reader ever sees a value that nobody wrote,
// or a torn one, and nothing is lost.
#include "config.h"

#include "shard_world.h"

enum { WORKERS = 4, KEYS = 24, TURNS = 30000, KILLS = 150, VALUE_MOST = 60000, FIRST = US + 1 };

static struct shard_world *world;

struct sky { // shared
    _Atomic uint64_t turns[WORKERS];
    _Atomic uint64_t wrong;
    _Atomic bool over;
};
static struct sky *sky;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

// A value says which key it is of, how long it is and a sum of what follows.
struct stamp {
    uint32_t key, bytes;
    uint64_t seed;
};

static void fill(uint8_t *value, uint32_t key, uint32_t bytes, uint64_t seed)
{
    struct stamp stamp = {key, bytes, seed};
    memcpy(value, &stamp, sizeof stamp);
    for (uint32_t i = sizeof stamp; i < bytes; i++)
        value[i] = (uint8_t)(seed >> (i % 7 * 8)) ^ (uint8_t)i;
}

static bool is_whole(const uint8_t *value, uint32_t key, size_t bytes)
{
    struct stamp stamp;
    if (bytes < sizeof stamp)
        return false;
    memcpy(&stamp, value, sizeof stamp);
    if (stamp.key != key || stamp.bytes != bytes)
        return false;
    for (uint32_t i = sizeof stamp; i < bytes; i++)
        if (value[i] != ((uint8_t)(stamp.seed >> (i % 7 * 8)) ^ (uint8_t)i))
            return false;
    return true;
}

static void store(struct shard_world *it, const struct shard_key *key, uint32_t number,
                  uint64_t random)
{
    struct fresh fresh;
    uint32_t bytes = (uint32_t)(sizeof(struct stamp) + random % VALUE_MOST);
    if (shard_prepare(&it->view, key, bytes, &fresh) != DRAGON_OK)
        return;
    fill(fresh.value, number, bytes, random);
    shard_store(&it->view, key, &fresh, random & 1 ? SHARD_PUT : SHARD_PUT_ABSENT);
}

static void read_one(struct shard_world *it, const struct shard_key *key, uint32_t number)
{
    static uint8_t buffer[VALUE_MOST + sizeof(struct stamp)];
    size_t bytes;
    dragon_err_t err = shard_get(&it->view, key, buffer, sizeof buffer, &bytes);
    if (err != DRAGON_ERR_NOT_FOUND && (err != DRAGON_OK || !is_whole(buffer, number, bytes)))
        atomic_fetch_add(&sky->wrong, 1);
}

static void view_one(struct shard_world *it, const struct shard_key *key, uint32_t number, bool pop)
{
    struct pinned pinned;
    dragon_err_t err =
        pop ? shard_pop(&it->view, key, &pinned) : shard_pin(&it->view, key, &pinned);
    if (err == DRAGON_ERR_NOT_FOUND)
        return;
    if (err != DRAGON_OK || !is_whole(pinned.data, number, pinned.bytes))
        atomic_fetch_add(&sky->wrong, 1);
    if (err == DRAGON_OK)
        shard_unpin(&it->view, &pinned);
}

static void work(struct shard_world *it, void *arg)
{
    int worker = (int)(intptr_t)arg;
    uint64_t random = (uint64_t)getpid() * 2654435761u + 1;
    while (!atomic_load(&sky->over)) {
        char text[16];
        uint64_t what = next_random(&random);
        uint32_t number = (uint32_t)(what >> 20) % KEYS;
        snprintf(text, sizeof text, "key %u", number);
        struct shard_key key = text_key(text);
        switch (what % 8) {
        case 0:
        case 1:
        case 2:
            store(it, &key, number, next_random(&random));
            break;
        case 3:
            shard_erase(&it->view, &key);
            break;
        case 4:
            view_one(it, &key, number, what >> 60 == 0);
            break;
        default:
            read_one(it, &key, number);
        }
        if (atomic_fetch_add(&sky->turns[worker], 1) > TURNS * 100)
            break;
    }
}

static void begin(void)
{
    world = shard_world_create(SHARD_LEAST);
    sky = fake_shared_memory(sizeof *sky);
}

static void finish(void)
{
    cr_expect_eq(atomic_load(&sky->wrong), 0);
    pins_sweep(&world->view);
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world));
    cr_expect_eq(shard_clear(&world->view), DRAGON_OK);
    cr_expect_eq(shard_world_blocks(world), shard_world_expected(world));
    shard_world_destroy(world);
}

TestSuite(shard_storm, .init = begin, .fini = finish, .timeout = 120);

static void wait_for_turns(int worker, uint64_t turns)
{
    uint64_t deadline = time_now_ms() + 60000;
    while (atomic_load(&sky->turns[worker]) < turns) {
        cr_assert_gt(time_left_ms(deadline), 0, "worker %d does not go on", worker);
        usleep(100);
    }
}

static void start(pid_t *pids)
{
    for (int i = 0; i < WORKERS; i++)
        pids[i] = shard_world_child(world, FIRST + (uint32_t)i, work, (void *)(intptr_t)i);
}

static void stop(pid_t *pids)
{
    atomic_store(&sky->over, true);
    for (int i = 0; i < WORKERS; i++) {
        int status;
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
        shard_world_recover(world, FIRST + (uint32_t)i);
    }
}

Test(shard_storm, nothing_is_torn)
{
    pid_t pids[WORKERS];
    start(pids);
    for (int i = 0; i < WORKERS; i++)
        wait_for_turns(i, TURNS);
    stop(pids);
}

Test(shard_storm, killing_harms_nobody_else)
{
    pid_t pids[WORKERS];
    uint64_t random = (uint64_t)getpid() + 4711;
    start(pids);
    for (int i = 0; i < KILLS; i++) {
        int worker = (int)(next_random(&random) % WORKERS);
        wait_for_turns(worker, atomic_load(&sky->turns[worker]) + next_random(&random) % 50);
        for (volatile uint64_t spin = next_random(&random) % 5000; spin > 0; spin--)
            ;
        kill(pids[worker], SIGKILL);
        cr_assert_eq(waitpid(pids[worker], NULL, 0), pids[worker]);
        shard_world_recover(world, FIRST + (uint32_t)worker);
        pids[worker] =
            shard_world_child(world, FIRST + (uint32_t)worker, work, (void *)(intptr_t)worker);
    }
    for (int i = 0; i < WORKERS; i++)
        wait_for_turns(i, atomic_load(&sky->turns[i]) + 100);
    stop(pids);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting in each mode: it ends when there is something, at its deadline, or with the runtime, leaves nothing behind, and no ring
// is ever lost, whoever gives up or is killed.
#include "config.h"

#include "chan/wait.h"
#include "world.h"

#include <dragon/runtime.h>

enum { SOON_MS = 20, HANG_MS = 30000, WAITERS = 5, FIRST = 20 /* slot */ };

static struct world *world;

// Shared: something that there is so and so often, and who waits for it.
static struct store {
    struct waitset set, other;
    _Atomic uint32_t tokens, taken, others;
    _Atomic bool over;
    dragon_wait_t mode;
} * store;

static void set_up(void)
{
    world = world_create();
    store = fake_shared_memory(sizeof *store);
    waitset_init(&store->set);
    waitset_init(&store->other);
}

static void tear_down(void)
{
    munmap(store, sizeof *store);
    world_destroy(world);
}

TestSuite(wait, .init = set_up, .fini = tear_down, .timeout = 300);

static bool any_tokens(void *arg)
{
    (void)arg;
    return atomic_load(&store->tokens) > 0 || atomic_load(&store->over);
}

static bool any_others(void *arg)
{
    (void)arg;
    return atomic_load(&store->others) > 0;
}

static bool take_token(void)
{
    uint32_t tokens = atomic_load(&store->tokens);
    while (tokens > 0)
        if (atomic_compare_exchange_weak(&store->tokens, &tokens, tokens - 1))
            return true;
    return false;
}

static struct awaited token(void)
{
    return (struct awaited){.set = &store->set, .ready = any_tokens};
}

static struct awaited other(void)
{
    return (struct awaited){.set = &store->other, .ready = any_others};
}

static const dragon_wait_t modes[] = {DRAGON_WAIT_ADAPTIVE, DRAGON_WAIT_IDLE, DRAGON_WAIT_SPIN};
enum { MODES = 3 };

// ---- one who waits

Test(wait, deadlines)
{
    cr_assert_eq(wait_deadline(0), 0);
    cr_assert_eq(wait_deadline(DRAGON_FOREVER), WAIT_FOREVER_NS);
    int64_t now = (int64_t)time_now_ns();
    int64_t deadline = wait_deadline(1000);
    cr_assert_geq(deadline, now + 1000000000);
    cr_assert_lt(deadline, now + 100000000000);
    deadline = wait_deadline(DRAGON_DEFAULT_TIMEOUT);
    cr_assert_geq(deadline, now + 60000000000);
}

Test(wait, the_default_is_what_the_environment_says)
{
    setenv("DRAGON_TIMEOUT", "2h", 1);
    cr_assert_geq(wait_deadline(DRAGON_DEFAULT_TIMEOUT),
                  (int64_t)time_now_ns() + 3600 * INT64_C(1000000000));
}

Test(wait, the_default_can_be_none)
{
    setenv("DRAGON_TIMEOUT", "off", 1);
    cr_assert_eq(wait_deadline(DRAGON_DEFAULT_TIMEOUT), WAIT_FOREVER_NS);
}

Test(wait, what_is_there_is_found_at_once)
{
    struct awaited items[2] = {token(), other()};
    atomic_store(&store->others, 1);
    for (int i = 0; i < MODES; i++) {
        cr_assert_eq(wait_for(&world->waiter, items, 2, modes[i], NULL, 0), DRAGON_OK);
        cr_assert_eq(wait_for(&world->waiter, items, 2, modes[i], NULL, WAIT_FOREVER_NS),
                     DRAGON_OK);
        cr_assert(!items[0].rung && !items[1].rung);
    }
}

Test(wait, what_is_not_there_is_waited_for_until_the_deadline)
{
    struct awaited items[2] = {token(), other()};
    struct spin spin = {0};
    for (int i = 0; i < MODES * 10; i++) {
        dragon_wait_t mode = modes[i % MODES];
        cr_assert_eq(wait_for(&world->waiter, items, 2, mode, &spin, 0), DRAGON_ERR_TIMEOUT);
        int64_t deadline = wait_deadline(SOON_MS);
        cr_assert_eq(wait_for(&world->waiter, items, 2, mode, &spin, deadline), DRAGON_ERR_TIMEOUT);
        cr_assert_geq((int64_t)time_now_ns(), deadline);
        cr_assert_eq(wait_for(&world->waiter, items, 2, mode, &spin, 1), DRAGON_ERR_TIMEOUT);
        cr_assert_eq(waitset_count(&store->set), 0);
        cr_assert_eq(waitset_count(&store->other), 0);
    }
    cr_assert_geq(spin.missed, 10); // looking does not pay
    atomic_store(&store->tokens, 1);
    cr_assert_eq(wait_for(&world->waiter, items, 2, DRAGON_WAIT_ADAPTIVE, &spin, WAIT_FOREVER_NS),
                 DRAGON_OK);
}

static void wait_for_token(struct world *child, void *arg)
{
    const dragon_wait_t *mode = arg;
    struct awaited item = token();
    struct spin spin = {0};
    CHILD_CHECK(wait_for(&child->waiter, &item, 1, *mode, &spin, WAIT_FOREVER_NS) == DRAGON_OK);
    CHILD_CHECK(take_token());
}

static void wait_until_asleep(uint32_t count)
{
    uint64_t deadline = time_now_ms() + HANG_MS;
    while (waitset_count(&store->set) < count) {
        cr_assert_gt(time_left_ms(deadline), 0);
        sched_yield();
    }
}

static void give_token(void)
{
    atomic_fetch_add(&store->tokens, 1);
    space_wake_one(world->space, &store->set);
}

Test(wait, a_ring_ends_it)
{
    for (int i = 0; i < MODES; i++) {
        dragon_wait_t mode = modes[i];
        pid_t pid = world_child(world, FIRST, wait_for_token, &mode);
        if (mode == DRAGON_WAIT_SPIN)
            usleep(SOON_MS * 1000);
        else
            wait_until_asleep(1);
        give_token();
        world_expect_good(world, pid, FIRST);
    }
}

static void wait_for_end(struct world *child, void *arg)
{
    const dragon_wait_t *mode = arg;
    struct awaited item = token();
    CHILD_CHECK(wait_for(&child->waiter, &item, 1, *mode, NULL, WAIT_FOREVER_NS) ==
                DRAGON_ERR_PEER);
}

Test(wait, the_end_of_the_runtime_ends_it)
{
    pid_t pids[MODES];
    for (uint32_t i = 0; i < MODES; i++) {
        dragon_wait_t mode = modes[i];
        pids[i] = world_child(world, FIRST + i, wait_for_end, &mode);
    }
    wait_until_asleep(2);
    atomic_store(&world->keeper->board->ended, 1);
    space_ring_all(world->space);
    for (uint32_t i = 0; i < MODES; i++)
        world_expect_good(world, pids[i], FIRST + i);
}

Test(wait, one_core_is_enough)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < MODES; i++) {
        dragon_wait_t mode = modes[i];
        pid_t pid = world_child(world, FIRST, wait_for_token, &mode);
        give_token();
        world_expect_good(world, pid, FIRST);
    }
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

Test(wait, who_polls_is_told_that_we_slept)
{
    int woken = 0;
    struct awaited item = token();
    world->waiter.on_woken = count_up;
    world->waiter.woken_arg = &woken;
    cr_assert_eq(wait_for(&world->waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, wait_deadline(1)),
                 DRAGON_ERR_TIMEOUT);
    cr_assert_eq(woken, 1);
    atomic_store(&store->tokens, 1);
    cr_assert_eq(wait_for(&world->waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, 0), DRAGON_OK);
    cr_assert_eq(woken, 1);
}

// ---- several

// Is rung for a token, and takes the other thing: somebody else has to know of the token.
static void want_the_other(struct world *child, void *arg)
{
    (void)arg;
    struct awaited items[2] = {token(), other()};
    CHILD_CHECK(wait_for(&child->waiter, items, 2, DRAGON_WAIT_IDLE, NULL, WAIT_FOREVER_NS) ==
                DRAGON_OK);
    CHILD_CHECK(items[0].rung);
    wait_pass_on(&child->waiter, items, 2);
}

Test(wait, a_ring_is_passed_on)
{
    dragon_wait_t mode = DRAGON_WAIT_IDLE;
    pid_t first = world_child(world, FIRST, want_the_other, NULL);
    wait_until_asleep(1);
    pid_t second = world_child(world, FIRST + 1, wait_for_token, &mode);
    wait_until_asleep(2);
    give_token(); // the first is rung, by turns
    world_expect_good(world, second, FIRST + 1);
    world_expect_good(world, first, FIRST);
}

static void take_tokens(struct world *child, void *arg)
{
    (void)arg;
    unsigned seed = (unsigned)getpid();
    struct awaited items[2] = {token(), other()};
    struct spin spin = {0};
    while (!atomic_load(&store->over)) {
        uint32_t dice = (uint32_t)rand_r(&seed) % 4;
        int64_t deadline = WAIT_FOREVER_NS;
        if (dice > 0) // some wait very shortly, so that they give up when they are rung
            deadline = (int64_t)time_now_ns() + (int64_t)dice * (rand_r(&seed) % 30000);
        dragon_wait_t mode = dice == 3 ? DRAGON_WAIT_ADAPTIVE : store->mode;
        dragon_err_t err = wait_for(&child->waiter, items, 2, mode, &spin, deadline);
        CHILD_CHECK(err == DRAGON_OK || (dice > 0 && err == DRAGON_ERR_TIMEOUT));
        if (err == DRAGON_OK && take_token())
            atomic_fetch_add(&store->taken, 1);
    }
}

static void wait_until_taken(void)
{
    uint64_t deadline = time_now_ms() + HANG_MS;
    while (atomic_load(&store->tokens) > 0) {
        cr_assert_gt(time_left_ms(deadline), 0, "everybody sleeps, and there are tokens");
        sched_yield();
    }
}

static void storm(dragon_wait_t mode, int rounds, int kill_every)
{
    pid_t pids[WAITERS];
    unsigned seed = 7;
    store->mode = mode;
    for (uint32_t i = 0; i < WAITERS; i++)
        pids[i] = world_child(world, FIRST + i, take_tokens, NULL);
    for (int i = 1; i <= rounds; i++) {
        int some = rand_r(&seed) % 4;
        for (int k = 0; k <= some; k++)
            give_token();
        if (kill_every && i % kill_every == 0) {
            uint32_t who = (uint32_t)rand_r(&seed) % WAITERS;
            kill(pids[who], SIGKILL);
            cr_assert_eq(waitpid(pids[who], NULL, 0), pids[who]);
            waitset_leave(&store->set, FIRST + who); // as object_recover does
            waitset_leave(&store->other, FIRST + who);
            world_recover(world, FIRST + who);
            pids[who] = world_child(world, FIRST + who, take_tokens, NULL);
        }
        if (rand_r(&seed) % 4 == 0)
            wait_until_taken();
    }
    wait_until_taken();
    atomic_store(&store->over, true);
    space_wake_all(world->space, &store->set);
    for (uint32_t i = 0; i < WAITERS; i++)
        world_expect_good(world, pids[i], FIRST + i);
}

Test(wait, no_ring_is_lost_by_those_who_sleep)
{
    storm(DRAGON_WAIT_IDLE, 4000, 0);
}

Test(wait, no_ring_is_lost_by_those_who_look_first)
{
    storm(DRAGON_WAIT_ADAPTIVE, 4000, 0);
}

Test(wait, no_ring_is_lost_with_the_killed)
{
    storm(DRAGON_WAIT_IDLE, 1500, 10);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard of another node that wait; and those whose manager or client is killed meanwhile.
#include "config.h"

#include "shards.h"

static struct nodes nodes;
static struct manager manager;
static uint8_t value[8 << 20], got[8 << 20];

static struct pair_call call_of(enum pair_op op, const char *key)
{
    return (struct pair_call){.op = op, .key = shard_key(key, strlen(key)), .value = value};
}

static dragon_err_t ask_pair(const struct pair_call *call, int64_t ms)
{
    struct far_call how = within(ms);
    return far_pair(nodes.there, call, got, sizeof got, NULL, NULL, &how);
}

static dragon_err_t ask_put(const char *key, size_t bytes, bool wait, int64_t ms)
{
    struct pair_call call = call_of(PAIR_PUT, key);
    call.value_bytes = bytes;
    call.wait = wait;
    return ask_pair(&call, ms);
}

static dragon_err_t ask_contains(const char *key, int64_t ms)
{
    struct pair_call call = call_of(PAIR_CONTAINS, key);
    call.wait = true;
    return ask_pair(&call, ms);
}

static void expect_service(void)
{
    struct pair_call call = call_of(PAIR_GET, "service");
    cr_expect_eq(ask_put("service", 1 << 20, false, SOON), DRAGON_OK);
    cr_expect_eq(ask_pair(&call, SOON), DRAGON_OK);
    call.op = PAIR_ERASE;
    cr_expect_eq(ask_pair(&call, SOON), DRAGON_OK);
}

// ---- another process at home, which does something when somebody waits

static void when_somebody_waits(struct shard_view *view)
{
    struct shard_stats stats = {.waiting = 0};
    uint64_t deadline = time_now_ms() + SOON;
    while (stats.waiting == 0 && time_left_ms(deadline) > 0) {
        usleep(1000);
        shard_stats(view, &stats);
    }
    if (stats.waiting == 0)
        _exit(1);
}

static void put_here(struct shard_view *view, const char *name)
{
    struct shard_key key = shard_key(name, strlen(name));
    struct fresh fresh;
    if (shard_prepare(view, &key, 3, &fresh) != DRAGON_OK)
        _exit(2);
    memcpy(fresh.value, "abc", 3);
    if (shard_store(view, &key, &fresh, SHARD_PUT) != DRAGON_OK)
        _exit(3);
}

static void erase_here(struct shard_view *view, const char *name)
{
    struct shard_key key = shard_key(name, strlen(name));
    if (shard_erase(view, &key) != DRAGON_OK)
        _exit(4);
}

static pid_t at_home(void (*work)(struct shard_view *view, const char *name), const char *name)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    struct shard_view view;
    manager_open(&nodes, &view);
    when_somebody_waits(&view);
    work(&view, name);
    _exit(0);
}

static void far_up(void)
{
    nodes_far(&nodes);
    nodes_open_far(&nodes);
}

static void down(void)
{
    manager_expect_clean(&manager);
    manager_down(&nodes, &manager);
}

Test(far_pair_wait, woken_by_process_of_the_node)
{
    manager_home(&nodes, &manager, 4 << 20);
    pid_t pid = at_home(put_here, "key");
    far_up();
    uint64_t began = time_now_ms();
    cr_expect_eq(ask_contains("key", SOON), DRAGON_OK);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    nodes_reap(pid);
    down();
}

Test(far_pair_wait, room)
{
    manager_home(&nodes, &manager, 4 << 20);
    pid_t pid = at_home(erase_here, "large");
    far_up();
    cr_assert_eq(ask_put("large", 3 << 20, false, SOON), DRAGON_OK);
    fill(value, 2 << 20, 7);
    uint64_t began = time_now_ms();
    cr_expect_eq(ask_put("other", 2 << 20, true, SOON), DRAGON_OK);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    struct pair_call call = call_of(PAIR_GET, "other");
    cr_expect_eq(ask_pair(&call, SOON), DRAGON_OK);
    cr_expect(filled(got, 2 << 20, 7));
    nodes_reap(pid);
    down();
}

// The same with values that came with the question.
Test(far_pair_wait, room_for_small)
{
    static const size_t sizes[] = {100, 8192, 200 << 10};
    for (int i = 0; i < 3; i++) {
        manager_home(&nodes, &manager, 4 << 20);
        pid_t pid = at_home(erase_here, "0");
        far_up();
        dragon_err_t err = DRAGON_OK;
        for (int k = 0; err == DRAGON_OK; k++) {
            char key[16];
            snprintf(key, sizeof key, "%d", k);
            err = ask_put(key, sizes[i], false, SOON);
        }
        cr_assert_eq(err, DRAGON_ERR_FULL);
        fill(value, sizes[i], 3);
        cr_expect_eq(ask_put("other", sizes[i], true, SOON), DRAGON_OK);
        struct pair_call call = call_of(PAIR_GET, "other");
        cr_expect_eq(ask_pair(&call, SOON), DRAGON_OK);
        cr_expect(filled(got, sizes[i], 3));
        nodes_reap(pid);
        down();
    }
}

Test(far_pair_wait, never_room)
{
    manager_up(&nodes, &manager, 4 << 20);
    cr_expect_eq(ask_put("key", 4 << 20, true, SOON), DRAGON_ERR_FULL);
    cr_expect_eq(ask_put("key", 8 << 20, true, SOON), DRAGON_ERR_FULL);
    down();
}

Test(far_pair_wait, deadline)
{
    manager_up(&nodes, &manager, 4 << 20);
    uint64_t began = time_now_ms();
    cr_expect_eq(ask_contains("key", 0), DRAGON_ERR_AGAIN);
    cr_expect_eq(ask_contains("key", 50), DRAGON_ERR_TIMEOUT);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    cr_expect_eq(ask_put("key", 3, false, SOON), DRAGON_OK);
    cr_expect_eq(ask_contains("key", 0), DRAGON_OK);
    cr_expect_eq(ask_contains("key", 50), DRAGON_OK);
    cr_assert_eq(ask_put("large", 3 << 20, false, SOON), DRAGON_OK);
    static const size_t sizes[] = {1 << 20, 200 << 10};
    for (int i = 0; i < 2; i++) { // at its sender, and here
        dragon_err_t err = DRAGON_OK;
        for (int k = 0; err == DRAGON_OK && k < 100; k++) {
            char key[16];
            snprintf(key, sizeof key, "%d-%d", i, k);
            err = ask_put(key, sizes[i], true, 0);
        }
        cr_expect_eq(err, DRAGON_ERR_AGAIN);
        cr_expect_eq(ask_put("other", sizes[i], true, 50), DRAGON_ERR_TIMEOUT);
        cr_expect_eq(ask_put("other", sizes[i], false, SOON), DRAGON_ERR_FULL);
    }
    down();
}

Test(far_pair_wait, shard_destroyed)
{
    manager_home(&nodes, &manager, 4 << 20);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct shard_view view;
        manager_open(&nodes, &view);
        when_somebody_waits(&view);
        _exit(ask(nodes.home, KC_DESTROY, "48", 0, nodes.id) == DRAGON_OK ? 0 : 5);
    }
    far_up();
    uint64_t began = time_now_ms();
    cr_expect_eq(ask_contains("key", SOON), DRAGON_ERR_CLOSED);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    nodes_reap(pid);
    manager_down(&nodes, &manager);
}

// ---- the manager is killed

static pid_t killer(void)
{
    pid_t victim = manager.pid, pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    struct shard_view view;
    manager_open(&nodes, &view);
    when_somebody_waits(&view);
    _exit(kill(victim, SIGKILL) == 0 ? 0 : 6);
}

Test(far_pair_wait, manager_killed)
{
    manager_home(&nodes, &manager, 4 << 20);
    pid_t pid = killer();
    far_up();
    uint64_t began = time_now_ms();
    cr_expect_eq(ask_contains("key", WAIT_FOREVER_NS / MS / 4), DRAGON_ERR_PEER);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    began = time_now_ms();
    dragon_err_t err = ask_put("key", 3, false, SOON);
    cr_expect(err == DRAGON_ERR_PEER || err == DRAGON_ERR_CLOSED, "%s", dragon_err_name(err));
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    nodes_reap(pid);
    manager_down(&nodes, &manager);
}

// With values under way in both directions.
Test(far_pair_wait, manager_killed_while_values_move)
{
    manager_home(&nodes, &manager, 40 << 20);
    far_up();
    cr_assert_eq(ask_put("key", 8 << 20, false, SOON), DRAGON_OK);
    struct pair_call get = call_of(PAIR_GET, "key");
    dragon_err_t err = DRAGON_OK;
    uint64_t began = 0;
    for (int i = 0; i < 1000 && err == DRAGON_OK; i++) {
        err = i % 2 ? ask_put("key", 8 << 20, false, SOON) : ask_pair(&get, SOON);
        if (i == 5) {
            began = time_now_ms();
            cr_assert_eq(kill(manager.pid, SIGKILL), 0);
        }
    }
    cr_expect(err == DRAGON_ERR_PEER || err == DRAGON_ERR_CLOSED, "%s", dragon_err_name(err));
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    manager_down(&nodes, &manager);
}

// One that is stopped holds up nobody beyond his time by much, and what was for it is dropped when it goes on.
Test(far_pair_wait, manager_stopped)
{
    manager_up(&nodes, &manager, 32 << 20);
    cr_assert_eq(ask_put("key", 3, false, SOON), DRAGON_OK);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(kill(manager.pid, SIGSTOP), 0);
        uint64_t began = time_now_ms();
        dragon_err_t err = ask_put("key", i ? 8 << 20 : 100, false, 100);
        cr_expect(err == DRAGON_ERR_PEER || err == DRAGON_ERR_TIMEOUT, "%s", dragon_err_name(err));
        cr_expect_lt(time_now_ms() - began, SOON);
        cr_assert_eq(kill(manager.pid, SIGCONT), 0);
        expect_service();
    }
    down();
}

// ---- a client is killed

static pid_t client(int ready, void (*work)(int round))
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (space_attach(nodes.keepers->path[1], ROLE_PROCESS, &nodes.away, NULL) != DRAGON_OK)
        _exit(1);
    nodes.away_waiter = (struct waiter){.space = nodes.away};
    if (far_create(&nodes.away_waiter, &nodes.far, NULL) != DRAGON_OK)
        _exit(2);
    nodes.there = far_open(nodes.far, 0, nodes.id, &nodes.spec);
    if (!nodes.there || far_home(nodes.there, WAIT_FOREVER_NS) != DRAGON_OK)
        _exit(3);
    for (int round = 0;; round++) {
        work(round);
        if (round == 3 && write(ready, "r", 1) != 1)
            _exit(4);
    }
}

static void move_values(int round)
{
    static const enum pair_op ops[] = {PAIR_PUT, PAIR_GET, PAIR_APPEND, PAIR_POP, PAIR_SWAP};
    struct pair_call call = call_of(ops[round % 5], "moved");
    call.value_bytes = call.op == PAIR_GET || call.op == PAIR_POP ? 0 : 4 << 20;
    call.expected = value;
    call.expected_bytes = 4 << 20;
    (void)ask_pair(&call, SOON);
}

static void wait_for_key(int round)
{
    (void)ask_contains("never", round < 4 ? 1 : SOON * 10);
}

static void clients_killed(void (*work)(int round), bool waits)
{
    manager_home(&nodes, &manager, 32 << 20);
    for (int round = 0; round < 6; round++) {
        int pipes[2];
        char byte;
        struct shard_stats stats = {.waiting = 0};
        cr_assert_eq(pipe(pipes), 0);
        pid_t pid = client(pipes[1], work);
        close(pipes[1]);
        cr_assert_eq(read(pipes[0], &byte, 1), 1);
        close(pipes[0]);
        uint64_t deadline = time_now_ms() + SOON;
        for (; waits && stats.waiting == 0 && time_left_ms(deadline) > 0; usleep(500))
            shard_stats(&manager.view, &stats);
        usleep((useconds_t)round * 700);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        manager_expect_clean(&manager);
    }
    far_up();
    expect_service();
    down();
}

Test(far_pair_wait, clients_killed_while_values_move)
{
    clients_killed(move_values, false);
}

Test(far_pair_wait, clients_killed_while_they_wait)
{
    clients_killed(wait_for_key, true);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Processes that are killed while they have something: what becomes of it.
#include "config.h"

#include "asks.h"
#include "chan/sync.h"

#include <fcntl.h>

static const struct segment_kind any = {.numa = DRAGON_ANY_NUMA};
static struct keepers the;

static void start_one(void)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
}

static void stop_all(void)
{
    keepers_stop(&the);
}

TestSuite(keeper_death, .init = start_one, .fini = stop_all, .timeout = 60);

struct victim {
    pid_t pid;
    int said; // what it writes when it has done its part
};

// A process that attaches, does that, says so, and waits to be killed.
static struct victim victim_start(int (*act)(struct space *space, uint64_t what), uint64_t what)
{
    struct victim victim;
    int pipes[2];
    char ready = 0;
    cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
    victim.pid = fork();
    if (victim.pid == 0) {
        struct space *space = NULL;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (space_attach(the.path[0], ROLE_PROCESS, &space, NULL) != DRAGON_OK ||
            act(space, what) != 0 || write(pipes[1], "!", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(pipes[1]);
    victim.said = pipes[0];
    cr_assert_eq(read(victim.said, &ready, 1), 1, "the victim did not come that far");
    return victim;
}

static void victim_kill(struct victim *victim)
{
    kill(victim->pid, SIGKILL);
    cr_assert_eq(waitpid(victim->pid, NULL, 0), victim->pid);
    close(victim->said);
}

static bool processes_are(struct space *space, uint32_t wanted)
{
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (time_left_ms(deadline) > 0) {
        if (ask_memory(space).processes == wanted)
            return true;
        usleep(1000);
    }
    return false;
}

static int take_blocks(struct space *space, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        mem_ref ref;
        void *data;
        if (space_alloc(space, 100 + 1000 * i, any, &ref, &data, NULL) != DRAGON_OK)
            return 1;
    }
    return 0;
}

Test(keeper_death, blocks_are_given_back)
{
    struct space *space = ask_attach(&the, 0);
    struct victim victim = victim_start(take_blocks, 100);
    cr_expect_eq(ask_memory(space).blocks, 100);
    victim_kill(&victim);
    cr_assert(processes_are(space, 1));
    cr_expect_eq(ask_memory(space).blocks, 0);
    space_detach(space);
}

static struct object *open_object(struct space *space, uint64_t id, enum object_kind kind)
{
    struct object_opened opened;
    if (ask_open(space, 0, id, kind, &opened) != DRAGON_OK)
        return NULL;
    return space_at(space, opened.block, object_bytes(&opened.spec));
}

static int take_lock(struct space *space, uint64_t id)
{
    struct object *lock = open_object(space, id, OBJECT_LOCK);
    struct sync_call call = {.op = SYNC_LOCK_ACQUIRE};
    uint64_t result;
    return !lock || sync_try(lock, space, space->slot, &call, &result) != DRAGON_OK;
}

// Who waits for it is rung, and told.
Test(keeper_death, a_lock_is_abandoned)
{
    struct space *space = ask_attach(&the, 0);
    struct object_spec spec = {.kind = OBJECT_LOCK, .numa = DRAGON_ANY_NUMA};
    uint64_t id, result = 0;
    cr_assert_eq(ask_create(space, 0, &spec, &id), DRAGON_OK, "%s", ask_error.text);
    struct object *lock = open_object(space, id, OBJECT_LOCK);
    struct victim victim = victim_start(take_lock, id);
    struct sync_call call = {.op = SYNC_LOCK_ACQUIRE};
    cr_assert_eq(sync_try(lock, space, space->slot, &call, &result), DRAGON_ERR_AGAIN);
    uint32_t seen = bell_seen(space->own);
    waitset_enter(sync_set(lock, &call), space->slot);
    kill(victim.pid, SIGKILL);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (sync_try(lock, space, space->slot, &call, &result) == DRAGON_ERR_AGAIN &&
           time_left_ms(deadline) > 0) {
        bell_sleep(space->own, seen, (int64_t)KEEPERS_PATIENCE_MS * 1000000);
        seen = bell_seen(space->own);
    }
    cr_expect_eq(result, 1, "it was abandoned");
    cr_expect_gt(time_left_ms(deadline), KEEPERS_PATIENCE_MS / 2, "nobody rang");
    victim_kill(&victim);
    cr_assert(processes_are(space, 1));
    cr_expect_eq(ask_stat(space, 0, id).processes, 1);
    space_detach(space);
}

static int make_object(struct space *space, uint64_t to)
{
    struct object_spec spec = CHANNEL_SPEC;
    uint64_t *ids = space_at(space, to, 2 * sizeof *ids);
    if (!ids || ask_create(space, 0, &spec, &ids[0]) != DRAGON_OK)
        return 1;
    spec.owned = 1;
    return ask_create(space, 0, &spec, &ids[1]) != DRAGON_OK ||
           ask(space, KC_PUBLISH, "ss48", "mine", "a channel", 0u, ids[1]) != DRAGON_OK;
}

Test(keeper_death, what_it_owns_ends_and_the_rest_stays)
{
    struct space *space = ask_attach(&the, 0);
    struct object_opened opened;
    mem_ref ref;
    void *data;
    cr_assert_eq(space_alloc(space, 16, any, &ref, &data, NULL), DRAGON_OK);
    struct victim victim = victim_start(make_object, ref);
    uint64_t *ids = data;
    cr_expect_eq(ask_open(space, 0, ids[0], OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask_open(space, 0, ids[1], OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask(space, KC_FIND, "s8", "mine", UINT64_C(0)), DRAGON_OK);
    victim_kill(&victim);
    cr_assert(processes_are(space, 1));
    cr_expect_eq(ask_open(space, 0, ids[0], OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_expect_eq(ask_open(space, 0, ids[1], OBJECT_CHANNEL, &opened), DRAGON_ERR_CLOSED);
    cr_expect_eq(ask(space, KC_FIND, "s8", "mine", UINT64_C(0)), DRAGON_ERR_AGAIN);
    space_detach(space);
}

// Dies while its request is under way: growing, creating, waiting for a name.
Test(keeper_death, while_it_asks)
{
    struct space *space = ask_attach(&the, 0);
    for (int round = 0; round < 30; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct space *own = NULL;
            struct object_spec spec = CHANNEL_SPEC;
            struct pack body = PACK_EMPTY;
            spec.capacity = 20000;
            spec.inline_bytes = 4000;
            spec.owned = 1;
            if (space_attach(the.path[0], ROLE_PROCESS, &own, NULL) != DRAGON_OK)
                _exit(1);
            if (round % 3 == 0) {
                pack_u32(&body, 0);
                object_spec_pack(&body, &spec);
                space_ask(own, KC_CREATE, &body, round % 5, NULL, NULL, 0, NULL);
            } else if (round % 3 == 1) {
                pack_u64(&body, 50 << 20);
                pack_i32(&body, DRAGON_ANY_NUMA);
                pack_u8(&body, 0);
                space_ask(own, KC_GROW, &body, round % 5, NULL, NULL, 0, NULL);
            } else {
                pack_str(&body, "nobody");
                pack_u64(&body, (uint64_t)-1);
                space_ask(own, KC_FIND, &body, round % 5, NULL, NULL, 0, NULL);
            }
            kill(getpid(), SIGKILL);
        }
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
    }
    cr_assert(processes_are(space, 1));
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (ask_memory(space).blocks > 0 && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(ask_memory(space).blocks, 0);
    space_detach(space);
}

// The connection stays open in a child that lives on: the process is gone all the same.
static int the_life[2]; // the child ends with the writing end of it

static int leave_child(struct space *space, uint64_t what)
{
    char byte;
    (void)what;
    if (take_blocks(space, 3) != 0)
        return 1;
    if (fork() == 0) {
        close(the_life[1]);
        _exit(read(the_life[0], &byte, 1) == 0 ? 0 : 1);
    }
    return 0;
}

Test(keeper_death, its_child_lives_on)
{
    cr_assert_eq(pipe(the_life), 0);
    struct space *space = ask_attach(&the, 0);
    struct victim victim = victim_start(leave_child, 0);
    victim_kill(&victim);
    cr_expect(processes_are(space, 1));
    cr_expect_eq(ask_memory(space).blocks, 0);
    close(the_life[1]);
    space_detach(space);
}

Test(keeper_death, many_at_once)
{
    enum { PROCESSES = 40 };
    struct victim victims[PROCESSES];
    struct space *space = ask_attach(&the, 0);
    for (int i = 0; i < PROCESSES; i++)
        victims[i] = victim_start(take_blocks, 20);
    cr_expect_eq(ask_memory(space).blocks, 20 * PROCESSES);
    for (int i = 0; i < PROCESSES; i++)
        kill(victims[i].pid, SIGKILL);
    for (int i = 0; i < PROCESSES; i++)
        victim_kill(&victims[i]);
    cr_assert(processes_are(space, 1));
    cr_expect_eq(ask_memory(space).blocks, 0);
    space_detach(space);
}

// ---- shared blocks

static int share_one(struct space *space, uint64_t to)
{
    uint64_t *told = space_at(space, to, 2 * sizeof *told);
    mem_ref ref;
    void *data;
    if (!told || space_alloc(space, 5000, any, &ref, &data, NULL) != DRAGON_OK ||
        ask(space, KC_SHARE, "8", ref) != DRAGON_OK)
        return 1;
    memset(data, 9, 5000);
    told[0] = ref;
    told[1] = unpack_u64(&ask_unpack);
    return 0;
}

Test(keeper_death, a_shared_block_lives_as_long_as_somebody_has_it)
{
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 0);
    mem_ref ref;
    void *data;
    cr_assert_eq(space_alloc(a, 16, any, &ref, &data, NULL), DRAGON_OK);
    struct victim victim = victim_start(share_one, ref);
    uint64_t *told = data;
    mem_ref shared = told[0];
    cr_expect_eq(ask(a, KC_SHARE, "8", shared), DRAGON_ERR_INVAL, "a does not have it");
    cr_expect_eq(ask(a, KC_SHARED, "88", shared, told[1] + 1), DRAGON_ERR_CLOSED);
    cr_expect_eq(ask(a, KC_SHARED, "88", shared, told[1]), DRAGON_OK);
    cr_expect_eq(ask(a, KC_SHARED, "88", shared, told[1]), DRAGON_OK);
    cr_expect_eq(ask(a, KC_SHARE, "8", shared), DRAGON_OK);
    cr_expect_eq(unpack_u64(&ask_unpack), told[1]);
    victim_kill(&victim);
    cr_assert(processes_are(a, 2));
    cr_expect_eq(ask_memory(a).blocks, 2);
    cr_expect_eq(*(uint8_t *)space_at(b, shared, 5000), 9);
    cr_expect_eq(ask(b, KC_DROP, "8", shared), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(a, KC_DROP, "8", shared), DRAGON_OK);
    cr_expect_eq(ask_memory(a).blocks, 2);
    cr_expect_eq(ask(a, KC_DROP, "8", shared), DRAGON_OK);
    cr_expect_eq(ask_memory(a).blocks, 1);
    cr_expect_eq(ask(b, KC_SHARED, "88", shared, told[1]), DRAGON_ERR_CLOSED);
    space_detach(a);
    space_detach(b);
}

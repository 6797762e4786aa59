// SPDX-License-Identifier: BSD-3-Clause
//
// Locks, semaphores, barriers, events and shared values between ranks on all nodes, and their deaths: `sync_ranks
// NODE RANKS ROUNDS`. The objects are on that node.
#include "chan.h"

enum { COUNTED, INSIDE, CAME, NUMBERS }; // of the value
enum { INSIDE_MOST = 2 };

struct objects {
    dragon_lock_t *lock;
    dragon_semaphore_t *semaphore;
    dragon_barrier_t *barrier;
    dragon_event_flag_t *event;
    dragon_value_t *value;
};

// ---- ranks

static struct objects find_objects(dragon_runtime_t *runtime, char **descriptors)
{
    struct objects found;
    dragon_error_t error;
    chan_need(dragon_lock_attach(runtime, descriptors[0], &found.lock, &error), &error, "no lock");
    chan_need(dragon_semaphore_attach(runtime, descriptors[1], &found.semaphore, &error), &error,
              "no semaphore");
    chan_need(dragon_barrier_attach(runtime, descriptors[2], &found.barrier, &error), &error,
              "no barrier");
    chan_need(dragon_event_flag_attach(runtime, descriptors[3], &found.event, &error), &error,
              "no event");
    chan_need(dragon_value_attach(runtime, descriptors[4], &found.value, &error), &error,
              "no value");
    return found;
}

static void leave_objects(struct objects *objects)
{
    dragon_lock_detach(objects->lock);
    dragon_semaphore_detach(objects->semaphore);
    dragon_barrier_detach(objects->barrier);
    dragon_event_flag_detach(objects->event);
    dragon_value_detach(objects->value);
}

// Two steps, which nobody else's come between because of the lock.
static void count_under_lock(struct objects *with)
{
    int64_t now;
    int abandoned;
    CHAN_DEMAND(dragon_lock_acquire(with->lock, &abandoned, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(!abandoned);
    CHAN_DEMAND(dragon_value_do(with->value, COUNTED, DRAGON_ATOMIC_LOAD, 0, &now) == DRAGON_OK);
    CHAN_DEMAND(dragon_value_do(with->value, COUNTED, DRAGON_ATOMIC_STORE, now + 1, NULL) ==
                DRAGON_OK);
    CHAN_DEMAND(dragon_lock_release(with->lock) == DRAGON_OK);
}

static void come_and_go(struct objects *with)
{
    int64_t inside;
    CHAN_DEMAND(dragon_semaphore_acquire(with->semaphore, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(dragon_value_do(with->value, INSIDE, DRAGON_ATOMIC_ADD, 1, &inside) == DRAGON_OK);
    CHAN_DEMAND(inside < INSIDE_MOST);
    CHAN_DEMAND(dragon_value_do(with->value, INSIDE, DRAGON_ATOMIC_ADD, -1, NULL) == DRAGON_OK);
    CHAN_DEMAND(dragon_semaphore_release(with->semaphore, 1) == DRAGON_OK);
}

static void keep_step(struct objects *with, int64_t round, int64_t ranks)
{
    int64_t came;
    uint32_t index;
    CHAN_DEMAND(dragon_value_do(with->value, CAME, DRAGON_ATOMIC_ADD, 1, NULL) == DRAGON_OK);
    CHAN_DEMAND(dragon_barrier_wait(with->barrier, &index, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(index < ranks);
    CHAN_DEMAND(dragon_value_do(with->value, CAME, DRAGON_ATOMIC_LOAD, 0, &came) == DRAGON_OK);
    CHAN_DEMAND(came >= ranks * round && came <= ranks * (round + 1));
}

static int work(char **descriptors, int64_t ranks, int64_t rounds)
{
    dragon_runtime_t *runtime = tap_attach();
    struct objects with = find_objects(runtime, descriptors);
    CHAN_DEMAND(dragon_event_flag_wait(with.event, TAP_WAIT_MS) == DRAGON_OK);
    for (int64_t round = 1; round <= rounds; round++) {
        count_under_lock(&with);
        come_and_go(&with);
        keep_step(&with, round, ranks);
    }
    leave_objects(&with);
    dragon_runtime_detach(runtime);
    return 0;
}

// Ends without any leave.
static int die_with_lock(char **descriptors)
{
    struct objects with = find_objects(tap_attach(), descriptors);
    CHAN_DEMAND(dragon_lock_acquire(with.lock, NULL, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(dragon_event_flag_set(with.event) == DRAGON_OK);
    raise(SIGKILL);
    return 1;
}

static int die_after_barrier(char **descriptors)
{
    struct objects with = find_objects(tap_attach(), descriptors);
    CHAN_DEMAND(dragon_barrier_wait(with.barrier, NULL, TAP_WAIT_MS) == DRAGON_OK);
    raise(SIGKILL);
    return 1;
}

// Waits for the lock, until it is killed.
static int wait_for_lock(char **descriptors)
{
    struct objects with = find_objects(tap_attach(), descriptors);
    CHAN_DEMAND(dragon_event_flag_set(with.event) == DRAGON_OK);
    dragon_lock_acquire(with.lock, NULL, DRAGON_FOREVER);
    return 1;
}

// ---- the head

static struct objects make_objects(dragon_runtime_t *runtime, int node, uint32_t parties)
{
    struct objects made;
    dragon_error_t error;
    chan_need(dragon_lock_create(runtime, node, &made.lock, &error), &error, "no lock");
    chan_need(
        dragon_semaphore_create(runtime, node, INSIDE_MOST, INSIDE_MOST, &made.semaphore, &error),
        &error, "no semaphore");
    chan_need(dragon_barrier_create(runtime, node, parties, &made.barrier, &error), &error,
              "no barrier");
    chan_need(dragon_event_flag_create(runtime, node, &made.event, &error), &error, "no event");
    chan_need(dragon_value_create(runtime, node, NUMBERS, 0, &made.value, &error), &error,
              "no value");
    return made;
}

static void destroy_objects(struct objects *objects)
{
    dragon_lock_destroy(objects->lock, NULL);
    dragon_semaphore_destroy(objects->semaphore, NULL);
    dragon_barrier_destroy(objects->barrier, NULL);
    dragon_event_flag_destroy(objects->event, NULL);
    dragon_value_destroy(objects->value, NULL);
}

static dragon_group_t *start(dragon_runtime_t *runtime, struct objects *objects, const char *hosts,
                             uint32_t ranks, const char *role, const char *count,
                             const char *rounds)
{
    const char *const argv[] = {role,
                                dragon_lock_descriptor(objects->lock),
                                dragon_semaphore_descriptor(objects->semaphore),
                                dragon_barrier_descriptor(objects->barrier),
                                dragon_event_flag_descriptor(objects->event),
                                dragon_value_descriptor(objects->value),
                                count,
                                rounds,
                                NULL};
    return chan_ranks(runtime, hosts, ranks, argv);
}

static void check_work(dragon_runtime_t *runtime, int node, const char *ranks, const char *rounds)
{
    uint32_t count = (uint32_t)strtol(ranks, NULL, 10);
    long each = strtol(rounds, NULL, 10);
    struct objects objects = make_objects(runtime, node, count);
    dragon_group_t *group = start(runtime, &objects, NULL, count, "work", ranks, rounds);
    long began = tap_now_ms();
    dragon_event_flag_set(objects.event);
    int64_t now = 0;
    tap_err(dragon_value_wait_change(objects.value, COUNTED, 0, &now, TAP_WAIT_MS), DRAGON_OK,
            "the first has come");
    tap_check(chan_ranks_end(group), "%u ranks, %ld rounds", count, each);
    printf("# %ld ms\n", tap_now_ms() - began);
    chan_need(dragon_value_do(objects.value, COUNTED, DRAGON_ATOMIC_LOAD, 0, &now), NULL, "none");
    tap_equal((long)now, each * (long)count, "one at a time had the lock");
    uint32_t value = 0, waiting = 9;
    int broken = 9;
    dragon_semaphore_value(objects.semaphore, &value);
    tap_equal(value, INSIDE_MOST, "the semaphore has all that it had");
    tap_err(dragon_barrier_state(objects.barrier, &waiting, &broken), DRAGON_OK, "the barrier");
    tap_check(waiting == 0 && !broken, "is whole: all have taken their leave");
    destroy_objects(&objects);
}

static void check_deaths(dragon_runtime_t *runtime, int node, const char *host)
{
    struct objects objects = make_objects(runtime, node, 2);
    int abandoned = 9;
    dragon_group_t *group = start(runtime, &objects, host, 1, "die-with-lock", NULL, NULL);
    tap_err(dragon_event_flag_wait(objects.event, TAP_WAIT_MS), DRAGON_OK,
            "a rank has the lock and dies");
    long began = tap_now_ms();
    tap_err(dragon_lock_acquire(objects.lock, &abandoned, TAP_WAIT_MS), DRAGON_OK,
            "the next one gets it");
    tap_equal(abandoned, 1, "and is told");
    printf("# after %ld ms\n", tap_now_ms() - began);
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);

    dragon_event_flag_clear(objects.event);
    group = start(runtime, &objects, host, 3, "wait-for-lock", NULL, NULL);
    tap_err(dragon_event_flag_wait(objects.event, TAP_WAIT_MS), DRAGON_OK,
            "others come to wait for it");
    dragon_group_stop(group);
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
    tap_err(dragon_lock_release(objects.lock), DRAGON_OK, "and are killed");
    tap_err(dragon_lock_acquire(objects.lock, &abandoned, TAP_WAIT_MS), DRAGON_OK,
            "it goes to who comes next");

    group = start(runtime, &objects, host, 1, "die-after-barrier", NULL, NULL);
    tap_err(dragon_barrier_wait(objects.barrier, NULL, TAP_WAIT_MS), DRAGON_OK,
            "a rank comes to the barrier, too");
    tap_err(dragon_barrier_wait(objects.barrier, NULL, TAP_WAIT_MS), DRAGON_ERR_CANCELED,
            "and dies, which breaks it");
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
    destroy_objects(&objects);
}

int main(int argc, char **argv)
{
    if (argc > 8 && strcmp(argv[1], "work") == 0)
        return work(argv + 2, strtol(argv[7], NULL, 10), strtol(argv[8], NULL, 10));
    if (argc > 6 && strcmp(argv[1], "die-with-lock") == 0)
        return die_with_lock(argv + 2);
    if (argc > 6 && strcmp(argv[1], "die-after-barrier") == 0)
        return die_after_barrier(argv + 2);
    if (argc > 6 && strcmp(argv[1], "wait-for-lock") == 0)
        return wait_for_lock(argv + 2);
    if (argc < 4)
        return 2;
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    int node = (int)strtol(argv[1], NULL, 10);
    check_work(runtime, node, argv[2], argv[3]);
    for (uint32_t host = 0; host < dragon_runtime_nodes(runtime); host++) {
        char name[12];
        snprintf(name, sizeof name, "%u", host);
        printf("# deaths on node %s, objects on node %d\n", name, node);
        check_deaths(runtime, node, name);
    }
    tap_check(chan_memory_returns(runtime, &before), "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

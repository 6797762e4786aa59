// SPDX-License-Identifier: BSD-3-Clause
//
// Every call and error of locks, semaphores, barriers, events and shared values, of a node: `sync_calls NODE`. The
// process is attached to the runtime twice, and so is two parties.
#include "chan.h"

#include <limits.h>

static dragon_runtime_t *one, *two;
static int home;
static dragon_error_t error;

// How long a call takes that has a time-out of so many milliseconds: at least that.
#define TAP_TIMES_OUT(call, ms, what)                                          \
    do {                                                                       \
        long began = tap_now_ms();                                             \
        tap_err(call, DRAGON_ERR_TIMEOUT, what);                               \
        tap_check(tap_now_ms() - began >= (ms)-1, "  after %d ms", (int)(ms)); \
    } while (0)

// ---- locks

static void check_lock(void)
{
    dragon_lock_t *a = NULL, *b = NULL, *again = NULL;
    int abandoned = 7;
    tap_err(dragon_lock_create(one, home, &a, &error), DRAGON_OK, "a lock");
    tap_err(dragon_lock_attach(two, dragon_lock_descriptor(a), &b, &error), DRAGON_OK, "found");
    tap_text(dragon_lock_descriptor(b), dragon_lock_descriptor(a), "by its descriptor");
    tap_err(dragon_lock_attach(one, dragon_lock_descriptor(a), &again, NULL), DRAGON_OK,
            "a second handle");
    tap_err(dragon_lock_release(a), DRAGON_ERR_STATE, "released before it is acquired");
    tap_err(dragon_lock_acquire(a, &abandoned, 0), DRAGON_OK, "acquired");
    tap_equal(abandoned, 0, "it was not abandoned");
    tap_err(dragon_lock_acquire(a, NULL, 0), DRAGON_ERR_STATE, "acquired twice");
    tap_err(dragon_lock_acquire(again, NULL, 0), DRAGON_ERR_STATE, "with the second handle");
    tap_err(dragon_lock_release(again), DRAGON_ERR_STATE, "released with the second handle");
    tap_err(dragon_lock_release(b), DRAGON_ERR_STATE, "released by another");
    tap_err(dragon_lock_acquire(b, NULL, 0), DRAGON_ERR_AGAIN, "tried by another");
    TAP_TIMES_OUT(dragon_lock_acquire(b, NULL, 20), 20, "waited for");
    tap_err(dragon_lock_release(a), DRAGON_OK, "released");
    tap_err(dragon_lock_acquire(again, NULL, 0), DRAGON_OK, "acquired with the second handle");
    dragon_lock_detach(again);
    tap_err(dragon_lock_acquire(b, &abandoned, 0), DRAGON_OK, "detaching releases it");
    tap_equal(abandoned, 0, "and does not abandon it");
    tap_err(dragon_lock_destroy(a, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_lock_release(b), DRAGON_ERR_CLOSED, "released after that");
    tap_err(dragon_lock_acquire(b, NULL, DRAGON_FOREVER), DRAGON_ERR_CLOSED, "acquired after that");
    dragon_lock_detach(b);
}

// ---- semaphores

static void check_semaphore(void)
{
    dragon_semaphore_t *a = NULL, *b = NULL;
    uint32_t value = 0;
    tap_err(dragon_semaphore_create(one, home, 3, 2, &a, &error), DRAGON_ERR_INVAL,
            "a semaphore with more than it can have");
    tap_has(error.text, "3", "the text has the figure");
    tap_err(dragon_semaphore_create(one, home, 1, 2, &a, &error), DRAGON_OK, "a semaphore");
    tap_err(dragon_semaphore_attach(two, dragon_semaphore_descriptor(a), &b, &error), DRAGON_OK,
            "found");
    tap_err(dragon_semaphore_acquire(b, 0), DRAGON_OK, "acquired");
    tap_err(dragon_semaphore_acquire(a, 0), DRAGON_ERR_AGAIN, "there is no more");
    TAP_TIMES_OUT(dragon_semaphore_acquire(a, 20), 20, "however long one waits");
    tap_err(dragon_semaphore_release(a, 0), DRAGON_ERR_INVAL, "nothing released");
    tap_err(dragon_semaphore_release(a, 3), DRAGON_ERR_FULL, "too much released");
    tap_err(dragon_semaphore_release(a, 2), DRAGON_OK, "two released");
    tap_err(dragon_semaphore_value(b, &value), DRAGON_OK, "looked at");
    tap_equal(value, 2, "it has two");
    tap_err(dragon_semaphore_value(b, NULL), DRAGON_ERR_INVAL, "nowhere to put it");
    tap_err(dragon_semaphore_destroy(a, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_semaphore_acquire(b, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "acquired after that");
    dragon_semaphore_detach(b);
    chan_need(dragon_semaphore_create(one, home, UINT32_MAX, 0, &a, &error), &error, "none");
    tap_err(dragon_semaphore_release(a, 1), DRAGON_ERR_FULL, "no bound but that of its number");
    dragon_semaphore_destroy(a, NULL);
}

// ---- barriers

static void check_barrier(void)
{
    dragon_barrier_t *a = NULL, *b = NULL;
    uint32_t index = 7, waiting = 7;
    int broken = 7;
    tap_err(dragon_barrier_create(one, home, 0, &a, &error), DRAGON_ERR_INVAL, "for nobody");
    tap_err(dragon_barrier_create(one, home, DRAGON_BARRIER_MOST + 1, &a, &error), DRAGON_ERR_INVAL,
            "for too many");
    tap_has(error.text, "4093", "the text has the figure");
    tap_err(dragon_barrier_create(one, home, 1, &a, &error), DRAGON_OK, "a barrier for one");
    tap_err(dragon_barrier_wait(a, &index, 0), DRAGON_OK, "who is alone waits for nobody");
    tap_equal(index, 0, "he is the first");
    dragon_barrier_destroy(a, NULL);
    tap_err(dragon_barrier_create(one, home, 2, &a, &error), DRAGON_OK, "a barrier for two");
    tap_err(dragon_barrier_attach(two, dragon_barrier_descriptor(a), &b, &error), DRAGON_OK,
            "found");
    tap_err(dragon_barrier_wait(a, NULL, 0), DRAGON_ERR_AGAIN, "tried before the other comes");
    tap_err(dragon_barrier_state(b, &waiting, &broken), DRAGON_OK, "looked at");
    tap_check(waiting == 0 && !broken, "nobody waits and it is whole");
    TAP_TIMES_OUT(dragon_barrier_wait(a, NULL, 20), 20, "waited in vain");
    tap_err(dragon_barrier_state(b, NULL, &broken), DRAGON_OK, "looked at");
    tap_equal(broken, 1, "it is broken");
    tap_err(dragon_barrier_wait(b, NULL, TAP_WAIT_MS), DRAGON_ERR_CANCELED, "who comes is told");
    tap_err(dragon_barrier_wait(b, NULL, 0), DRAGON_ERR_CANCELED, "and who tries");
    tap_err(dragon_barrier_reset(b), DRAGON_OK, "reset");
    tap_err(dragon_barrier_state(b, &waiting, &broken), DRAGON_OK, "looked at");
    tap_check(waiting == 0 && !broken, "it is whole again");
    tap_err(dragon_barrier_abort(a), DRAGON_OK, "aborted");
    tap_err(dragon_barrier_wait(b, NULL, TAP_WAIT_MS), DRAGON_ERR_CANCELED, "it is broken again");
    tap_err(dragon_barrier_state(b, NULL, NULL), DRAGON_OK, "who does not want to know");
    tap_err(dragon_barrier_destroy(a, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_barrier_wait(b, NULL, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "waited after that");
    dragon_barrier_detach(b);
}

// ---- events

static void check_event(void)
{
    dragon_event_flag_t *a = NULL, *b = NULL;
    int set = 7;
    tap_err(dragon_event_flag_create(one, home, &a, &error), DRAGON_OK, "an event");
    tap_err(dragon_event_flag_attach(two, dragon_event_flag_descriptor(a), &b, &error), DRAGON_OK,
            "found");
    tap_err(dragon_event_flag_is_set(b, &set), DRAGON_OK, "looked at");
    tap_equal(set, 0, "it is not set");
    tap_err(dragon_event_flag_is_set(b, NULL), DRAGON_ERR_INVAL, "nowhere to put it");
    tap_err(dragon_event_flag_wait(b, 0), DRAGON_ERR_AGAIN, "tried");
    TAP_TIMES_OUT(dragon_event_flag_wait(b, 20), 20, "waited for");
    tap_err(dragon_event_flag_set(a), DRAGON_OK, "set");
    tap_err(dragon_event_flag_set(a), DRAGON_OK, "twice");
    tap_err(dragon_event_flag_wait(b, TAP_WAIT_MS), DRAGON_OK, "waited for");
    tap_err(dragon_event_flag_is_set(b, &set), DRAGON_OK, "looked at");
    tap_equal(set, 1, "it is set");
    tap_err(dragon_event_flag_clear(b), DRAGON_OK, "cleared");
    tap_err(dragon_event_flag_wait(a, 0), DRAGON_ERR_AGAIN, "tried");
    tap_err(dragon_event_flag_destroy(a, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_event_flag_wait(b, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "waited for after that");
    dragon_event_flag_detach(b);
}

// ---- values

static void check_atomics(dragon_value_t *value)
{
    static const struct {
        dragon_atomic_t what;
        int64_t operand, before;
        const char *name;
    } steps[] = {
        {DRAGON_ATOMIC_LOAD, 5, -3, "load"},
        {DRAGON_ATOMIC_STORE, 12, -3, "store"},
        {DRAGON_ATOMIC_ADD, -2, 12, "add"},
        {DRAGON_ATOMIC_AND, 6, 10, "and"},
        {DRAGON_ATOMIC_OR, 9, 2, "or"},
        {DRAGON_ATOMIC_XOR, 3, 11, "exclusive or"},
        {DRAGON_ATOMIC_MIN, INT64_MIN, 8, "min"},
        {DRAGON_ATOMIC_MAX, INT64_MAX, INT64_MIN, "max"},
        {DRAGON_ATOMIC_ADD, 1, INT64_MAX, "add at the end"},
        {DRAGON_ATOMIC_SWAP, 4, INT64_MIN, "swap"},
        {DRAGON_ATOMIC_LOAD, 0, 4, "load"},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t before = 99;
        dragon_err_t err = dragon_value_do(value, 2, steps[i].what, steps[i].operand, &before);
        if (err == DRAGON_OK && before == steps[i].before)
            continue;
        good = false;
        printf("# %s: %s, %lld\n", steps[i].name, dragon_err_name(err), (long long)before);
    }
    tap_check(good, "all atomic operations");
}

static void check_value(void)
{
    dragon_value_t *a = NULL, *b = NULL;
    int64_t before = 0, now = 0;
    tap_err(dragon_value_create(one, home, 0, 0, &a, &error), DRAGON_ERR_INVAL, "no numbers");
    tap_err(dragon_value_create(one, home, DRAGON_VALUE_MOST + 1, 0, &a, &error), DRAGON_ERR_INVAL,
            "too many numbers");
    tap_has(error.text, "65537", "the text has the figure");
    tap_err(dragon_value_create(one, home, 3, -3, &a, &error), DRAGON_OK, "three numbers");
    tap_err(dragon_value_attach(two, dragon_value_descriptor(a), &b, &error), DRAGON_OK, "found");
    tap_equal(dragon_value_count(b), 3, "they are three");
    check_atomics(b);
    tap_err(dragon_value_do(a, 3, DRAGON_ATOMIC_LOAD, 0, NULL), DRAGON_ERR_INVAL,
            "a fourth number");
    tap_err(dragon_value_do(a, 0, (dragon_atomic_t)9, 0, NULL), DRAGON_ERR_INVAL,
            "an unknown operation");
    tap_err(dragon_value_compare_swap(a, 0, 5, 6, &before), DRAGON_ERR_AGAIN, "swapped if 5");
    tap_equal((long)before, -3, "it was not");
    tap_err(dragon_value_compare_swap(a, 0, -3, 6, &before), DRAGON_OK, "swapped if -3");
    tap_equal((long)before, -3, "it was");
    tap_err(dragon_value_compare_swap(a, UINT32_MAX, 0, 0, NULL), DRAGON_ERR_INVAL,
            "the last number");
    tap_err(dragon_value_wait_change(b, 0, 6, &now, 0), DRAGON_ERR_AGAIN, "it is the same");
    TAP_TIMES_OUT(dragon_value_wait_change(b, 0, 6, &now, 20), 20, "however long one waits");
    tap_err(dragon_value_wait_change(b, 0, -3, &now, 0), DRAGON_OK, "it is not as it was");
    tap_equal((long)now, 6, "but another");
    tap_err(dragon_value_wait_change(b, 3, 0, NULL, 0), DRAGON_ERR_INVAL, "a fourth number");
    tap_err(dragon_value_destroy(a, &error), DRAGON_OK, "destroyed");
    tap_err(dragon_value_do(b, 0, DRAGON_ATOMIC_LOAD, 0, NULL), DRAGON_ERR_CLOSED, "after that");
    dragon_value_detach(b);
    chan_need(dragon_value_create(one, home, DRAGON_VALUE_MOST, 8, &a, &error), &error, "none");
    tap_err(dragon_value_do(a, DRAGON_VALUE_MOST - 1, DRAGON_ATOMIC_LOAD, 0, &before), DRAGON_OK,
            "the last of as many as there can be");
    tap_equal((long)before, 8, "is as all");
    dragon_value_destroy(a, NULL);
}

// ---- arguments

static void check_arguments(void)
{
    dragon_lock_t *lock = NULL, *other = NULL;
    dragon_semaphore_t *semaphore = NULL;
    tap_err(dragon_lock_create(NULL, home, &lock, &error), DRAGON_ERR_INVAL, "no runtime");
    tap_err(dragon_lock_create(one, home, NULL, &error), DRAGON_ERR_INVAL, "no result");
    tap_err(dragon_lock_create(one, -2, &lock, &error), DRAGON_ERR_INVAL, "a negative node");
    tap_err(dragon_lock_create(one, INT_MAX, &lock, &error), DRAGON_ERR_NOT_FOUND, "no node");
    tap_err(dragon_lock_attach(one, "", &lock, &error), DRAGON_ERR_INVAL, "no descriptor");
    tap_err(dragon_lock_attach(one, NULL, &lock, &error), DRAGON_ERR_INVAL, "none at all");
    chan_need(dragon_lock_create(one, home, &lock, &error), &error, "no lock");
    tap_err(dragon_semaphore_attach(one, dragon_lock_descriptor(lock), &semaphore, &error),
            DRAGON_ERR_INVAL, "that of a lock for a semaphore");
    chan_need(dragon_name_publish(one, "the lock", dragon_lock_descriptor(lock), &error), &error,
              "no name");
    char *text = NULL;
    tap_err(dragon_name_find(two, "the lock", TAP_WAIT_MS, &text, &error), DRAGON_OK, "a name");
    tap_err(dragon_lock_attach(two, text ? text : "", &other, &error), DRAGON_OK, "is found");
    dragon_lock_detach(other);
    dragon_lock_destroy(lock, NULL);
    tap_err(dragon_lock_attach(one, text ? text : "", &lock, &error), DRAGON_ERR_CLOSED,
            "what was destroyed");
    free(text);
    tap_err(dragon_lock_acquire(NULL, NULL, 0), DRAGON_ERR_INVAL, "no lock");
    tap_err(dragon_lock_release(NULL), DRAGON_ERR_INVAL, "no lock");
    tap_err(dragon_semaphore_acquire(NULL, 0), DRAGON_ERR_INVAL, "no semaphore");
    tap_err(dragon_barrier_wait(NULL, NULL, 0), DRAGON_ERR_INVAL, "no barrier");
    tap_err(dragon_event_flag_wait(NULL, 0), DRAGON_ERR_INVAL, "no event");
    tap_err(dragon_value_do(NULL, 0, DRAGON_ATOMIC_LOAD, 0, NULL), DRAGON_ERR_INVAL, "no value");
    tap_equal(dragon_value_count(NULL), 0, "it has no numbers");
    dragon_lock_detach(NULL);
    dragon_semaphore_detach(NULL);
    dragon_barrier_detach(NULL);
    dragon_event_flag_detach(NULL);
    dragon_value_detach(NULL);
    tap_err(dragon_lock_destroy(NULL, &error), DRAGON_OK, "nothing is destroyed");
    tap_text(dragon_lock_descriptor(NULL), "", "and has no descriptor");
}

int main(int argc, char **argv)
{
    home = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    one = tap_attach();
    two = tap_attach();
    chan_memory(two); // both are attached to the memory from here on
    dragon_memory_stats_t before = chan_memory(one);
    check_lock();
    check_semaphore();
    check_barrier();
    check_event();
    check_value();
    check_arguments();
    tap_check(chan_memory_returns(one, &before), "no memory is left");
    dragon_runtime_detach(two);
    dragon_runtime_detach(one);
    return tap_finish();
}

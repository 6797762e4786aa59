// SPDX-License-Identifier: BSD-3-Clause
//
// Spaces: references, growth, bells.
#include "config.h"

#include "tests/unit/mem/space.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { MIB = 1 << 20, ME = 3, OTHER = 4, PATIENCE_MS = 20000 };
static const struct segment_kind any = {.numa = DRAGON_ANY_NUMA};

static struct fake_keeper *keeper;
static struct space *space;

static void set_up(void)
{
    keeper = fake_keeper_create(8, MIB);
    space = fake_space(keeper, ME);
}

static void tear_down(void)
{
    space_detach(space);
    fake_keeper_destroy(keeper);
}

TestSuite(space, .init = set_up, .fini = tear_down);

static mem_ref take(size_t bytes, void **data_out)
{
    mem_ref ref = 0;
    dragon_error_t error = {0};
    cr_assert_eq(space_alloc(space, bytes, any, &ref, data_out, &error), DRAGON_OK, "%s",
                 error.text);
    return ref;
}

// ---- blocks

Test(space, a_reference_and_its_address)
{
    void *data;
    mem_ref ref = take(5000, &data);
    cr_expect_eq((uintptr_t)data % HEAP_ALIGN, 0);
    cr_expect_eq(space_ref(space, data), ref);
    cr_expect_eq(space_at(space, ref, 5000), data);
    cr_expect_geq(space_block_bytes(space, ref), 5000u);
    cr_expect_eq(space_owner(space, ref), ME);
    cr_expect(space_give(space, ref, ME, SLOT_MESSAGE));
    cr_expect_eq(space_owner(space, ref), SLOT_MESSAGE);
    cr_expect_not(space_free(space, ref, ME));
    cr_expect(space_free(space, ref, SLOT_MESSAGE));
    cr_expect_not(space_free(space, ref, SLOT_MESSAGE));
    cr_expect_eq(space_block_bytes(space, ref), 0);
}

Test(space, references_to_nothing)
{
    void *data;
    mem_ref ref = take(100, &data);
    const mem_ref wrong[] = {0,
                             1,
                             ref_make(0, ref_offset(ref)),
                             ref_make(2, ref_offset(ref)), // not given out yet
                             ref_make(65535, ref_offset(ref)),
                             ref_make(1, 0),
                             ref_make(1, MIB + ref_offset(ref)),
                             UINT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_expect_null(space_at(space, wrong[i], 1), "%zu", i);
        cr_expect_not(space_free(space, wrong[i], ME));
        cr_expect_not(space_give(space, wrong[i], ME, OTHER));
        cr_expect_eq(space_owner(space, wrong[i]), SLOT_NONE);
        cr_expect_eq(space_block_bytes(space, wrong[i]), 0);
    }
    cr_expect_not_null(space_at(space, ref, MIB - ref_offset(ref)));
    cr_expect_null(space_at(space, ref, MIB - ref_offset(ref) + 1));
    cr_expect_null(space_at(space, ref, SIZE_MAX));
    cr_expect_not_null(space_at(space, ref_make(1, MIB), 0), "no bytes, at the end");
    cr_expect_null(space_at(space, ref_make(1, MIB + 1), 0));
    cr_expect_eq(space_ref(space, NULL), 0);
    cr_expect_eq(space_ref(space, &data), 0);
    cr_expect_eq(space_ref(space, (uint8_t *)data + MIB), 0);
    cr_expect_eq(space_ref(space, space->segments[1]->base), 0, "no block lies there");
    cr_expect_eq(space_ref(space, (void *)UINTPTR_MAX), 0);
}

Test(space, grows_until_the_limit)
{
    mem_ref refs[8], more;
    void *data[8], *none = NULL;
    for (int i = 0; i < 8; i++) {
        refs[i] = take(900 << 10, &data[i]);
        cr_expect_eq(ref_segment(refs[i]), (uint32_t)i + 1);
        memset(data[i], i, 900 << 10);
    }
    dragon_error_t error;
    cr_expect_eq(space_alloc(space, 900 << 10, any, &more, &none, &error), DRAGON_ERR_FULL);
    cr_expect(strstr(error.text, "limit of 8 segments"), "%s", error.text);
    cr_expect_eq(space_try_alloc(space, 900 << 10, &more, &none), DRAGON_ERR_FULL);
    for (int i = 0; i < 8; i++)
        cr_expect(space_ref(space, data[i]) == refs[i] && *(uint8_t *)data[i] == i);
    // What was given back anywhere is found.
    cr_expect(space_free(space, refs[2], ME));
    cr_expect_eq(space_try_alloc(space, 900 << 10, &more, &none), DRAGON_OK);
    cr_expect_eq(more, refs[2]);
    cr_expect_eq(fake_keeper_stats(keeper, space).blocks, 8);
    cr_expect_eq(fake_keeper_recover(keeper, space, ME), 8);
    cr_expect_eq(fake_keeper_stats(keeper, space).used_bytes, 0);
}

Test(space, what_cannot_be_had)
{
    mem_ref ref;
    void *data;
    dragon_error_t error;
    cr_expect_eq(space_alloc(space, 0, any, &ref, &data, &error), DRAGON_ERR_INVAL);
    cr_expect_eq(space_alloc(space, SIZE_MAX, any, &ref, &data, &error), DRAGON_ERR_TOO_BIG);
    cr_expect_eq(space_alloc(space, 2 * MIB, any, &ref, &data, &error), DRAGON_ERR_FULL);
    cr_expect_eq(space_try_alloc(space, 1, &ref, &data), DRAGON_ERR_FULL, "nothing mapped yet");
}

// The first to ask has room for all; who comes later does not ask for more.
Test(space, others_use_the_same_segments)
{
    struct space *other = fake_space(keeper, OTHER);
    void *data, *seen;
    mem_ref ref = take(100, &data), more;
    snprintf(data, 100, "hello");
    seen = space_at(other, ref, 100);
    cr_assert_not_null(seen);
    cr_expect_neq(seen, data);
    cr_expect_str_eq(seen, "hello");
    cr_expect_eq(space_try_alloc(other, 100, &more, &seen), DRAGON_OK);
    cr_expect_eq(ref_segment(more), 1);
    cr_expect_neq(more, ref);
    cr_expect_eq(space_owner(space, more), OTHER);
    cr_expect_not(space_free(space, more, ME));
    space_detach(other);
}

// ---- kinds, and sources that say what is not so

struct odd_source {
    struct segment_kind kind;
    size_t bytes; // as it is told
    int fd;
    bool wrong_number;
    int grows;
};

static dragon_err_t odd_segment(void *arg, uint32_t number, int *fd_out, size_t *bytes_out,
                                struct segment_kind *kind_out, dragon_error_t *error)
{
    struct odd_source *odd = arg;
    if (number > (uint32_t)odd->grows)
        return err_set(error, DRAGON_ERR_NOT_FOUND, "no segment %u", number);
    *fd_out = fcntl(odd->fd, F_DUPFD_CLOEXEC, 3);
    *bytes_out = odd->bytes;
    *kind_out = odd->kind;
    return DRAGON_OK;
}

static dragon_err_t odd_grow(void *arg, size_t block_bytes, struct segment_kind kind,
                             uint32_t *number_out, dragon_error_t *error)
{
    struct odd_source *odd = arg;
    (void)block_bytes, (void)kind, (void)error;
    odd->grows++;
    *number_out = odd->wrong_number ? 0 : (uint32_t)odd->grows;
    return DRAGON_OK;
}

static int odd_bell(void *arg, uint32_t slot, uint32_t *generation_out)
{
    (void)arg, (void)slot, (void)generation_out;
    return -1;
}

static dragon_err_t try_odd(struct odd_source *odd, size_t bytes, dragon_error_t *error)
{
    static const struct space_source source = {odd_segment, odd_grow, odd_bell};
    struct space *one = space_create(keeper->board, ME, -1, &source, odd);
    mem_ref ref;
    void *data;
    odd->fd = fcntl(keeper->fds[1], F_DUPFD_CLOEXEC, 3);
    dragon_err_t code = space_alloc(one, bytes, any, &ref, &data, error);
    close(odd->fd);
    space_detach(one);
    return code;
}

Test(space, a_source_that_is_wrong_ends_in_an_error)
{
    dragon_error_t error;
    struct odd_source fine = {.kind = any, .bytes = MIB};
    cr_expect_eq(try_odd(&fine, 100, &error), DRAGON_OK);
    struct odd_source shorter = {.kind = any, .bytes = 2 * MIB};
    cr_expect_eq(try_odd(&shorter, 100, &error), DRAGON_ERR_NOMEM, "less than was told");
    struct odd_source smaller = {.kind = any, .bytes = MIB / 2};
    cr_expect_eq(try_odd(&smaller, 100, &error), DRAGON_ERR_NOMEM, "not what the heap says");
    struct odd_source another = {.kind = {.numa = 1}, .bytes = MIB};
    cr_expect_eq(try_odd(&another, 100, &error), DRAGON_ERR_FULL, "not of the kind");
    cr_expect_eq(another.grows, 8);
    struct odd_source nowhere = {.kind = any, .bytes = MIB, .wrong_number = true};
    cr_expect_eq(try_odd(&nowhere, 100, &error), DRAGON_ERR_NOT_FOUND);
}

// ---- bells

static struct pollfd own_bell(struct space *one)
{
    return (struct pollfd){.fd = one->bell_fd, .events = POLLIN};
}

static void empty(struct space *one)
{
    uint64_t count;
    cr_assert_eq(read(one->bell_fd, &count, sizeof count), (ssize_t)sizeof count);
}

Test(space, rings_by_the_eventfd_who_polls)
{
    struct space *other = fake_space(keeper, OTHER);
    struct pollfd bell = own_bell(other);
    space_ring(space, OTHER);
    cr_expect_eq(poll(&bell, 1, 0), 0, "it does not sleep");
    cr_expect(bell_sleep_fd(other->own, bell_seen(other->own)));
    space_ring(space, OTHER);
    cr_expect_eq(poll(&bell, 1, 0), 1);
    empty(other);
    cr_expect_eq(atomic_load(&keeper->asked), 1);
    space_ring(space, OTHER);
    cr_expect_eq(poll(&bell, 1, 0), 1);
    cr_expect_eq(atomic_load(&keeper->asked), 1, "it is kept");
    // Given out anew, with another eventfd.
    space_detach(other);
    close(keeper->bells[OTHER]);
    keeper->bells[OTHER] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    fake_keeper_recover(keeper, space, OTHER);
    other = fake_space(keeper, OTHER);
    bell = own_bell(other);
    cr_expect(bell_sleep_fd(other->own, bell_seen(other->own)));
    space_ring(space, OTHER);
    cr_expect_eq(poll(&bell, 1, 0), 1, "the new one");
    cr_expect_eq(atomic_load(&keeper->asked), 2);
    space_detach(other);
}

Test(space, rings_itself_and_nobody)
{
    struct pollfd bell = own_bell(space);
    cr_expect(bell_sleep_fd(space->own, bell_seen(space->own)));
    space_ring(space, ME);
    cr_expect_eq(poll(&bell, 1, 0), 1);
    cr_expect_eq(atomic_load(&keeper->asked), 0);
    bell_sleep_fd(board_slot(keeper->board, FAKE_SLOTS), 0); // there is no such eventfd
    space_ring(space, FAKE_SLOTS);
    space_ring(space, SLOT_NONE);
    space_ring(space, BOARD_SLOTS);
    space_ring(space, UINT32_MAX);
    cr_expect_eq(space->bell_count, 0);
}

// More than are kept.
Test(space, rings_many)
{
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t slot = SLOT_FIRST; slot < FAKE_SLOTS; slot++) {
            struct slot *one = board_slot(keeper->board, slot);
            struct pollfd bell = {.fd = keeper->bells[slot], .events = POLLIN};
            uint64_t count;
            cr_assert(bell_sleep_fd(one, bell_seen(one)));
            space_ring(space, slot);
            cr_assert_eq(poll(&bell, 1, 0), 1, "slot %u", slot);
            cr_assert_eq(read(bell.fd, &count, sizeof count), (ssize_t)sizeof count);
        }
    }
}

static pid_t sleeper(uint32_t slot)
{
    pid_t child = fork();
    if (child == 0) {
        struct slot *own = board_slot(keeper->board, slot);
        prctl(PR_SET_PDEATHSIG, SIGKILL); // when an assertion fails
        _exit(bell_sleep(own, bell_seen(own), -1) ? 0 : 1);
    }
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (atomic_load(&board_slot(keeper->board, slot)->sleep) != BELL_FUTEX) {
        cr_assert(time_left_ms(deadline) > 0);
        sched_yield();
    }
    return child;
}

static void wait_well(pid_t child)
{
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
}

Test(space, rings_all)
{
    pid_t children[] = {sleeper(10), sleeper(20), sleeper(30)};
    uint32_t seen = bell_seen(board_slot(keeper->board, 40));
    space_ring_all(space);
    for (int i = 0; i < 3; i++)
        wait_well(children[i]);
    cr_expect_neq(bell_seen(board_slot(keeper->board, 40)), seen, "it may be about to sleep");
    cr_expect_eq(bell_seen(board_slot(keeper->board, 4000)), 0, "nobody was ever there");
}

Test(space, wakes_one_or_all_who_wait)
{
    struct waitset *set = fake_shared_memory(sizeof *set);
    waitset_init(set);
    space_wake_one(space, set);
    pid_t children[] = {sleeper(10), sleeper(20), sleeper(30)};
    for (uint32_t slot = 10; slot <= 30; slot += 10)
        waitset_enter(set, slot);
    space_wake_one(space, set);
    wait_well(children[0]);
    cr_expect_eq(waitset_count(set), 2);
    space_wake_all(space, set);
    wait_well(children[1]);
    wait_well(children[2]);
    cr_expect_eq(waitset_count(set), 0);
}

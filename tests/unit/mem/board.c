// SPDX-License-Identifier: BSD-3-Clause
//
// The board, and sleeping on a bell.
#include "config.h"

#include "tests/unit/mem/space.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { MINE = 3, PATIENCE_MS = 20000 };

static struct board *board;

static void set_up(void)
{
    board = fake_shared_memory(board_bytes());
    board_init(board, 7);
}

TestSuite(board, .init = set_up);

static void wait_asleep(struct slot *slot, enum bell_sleep how)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (atomic_load(&slot->sleep) != how) {
        cr_assert(time_left_ms(deadline) > 0);
        sched_yield();
    }
}

Test(board, is_known_again)
{
    cr_expect_eq(board->node, 7);
    cr_expect(board_check(board, board_bytes()));
    cr_expect_not(board_check(board, board_bytes() - 1));
    board->version++;
    cr_expect_not(board_check(board, board_bytes()));
    board->version--;
    board->magic++;
    cr_expect_not(board_check(board, board_bytes()));
    cr_expect_eq(board_slot(board, BOARD_SLOTS + 5), board_slot(board, 5), "never outside");
}

Test(board, a_ring_since_it_was_looked_at_is_not_slept_over)
{
    struct slot *slot = board_slot(board, MINE);
    uint32_t seen = bell_seen(slot);
    cr_expect_not(bell_ring(slot), "nobody sleeps on an eventfd");
    cr_expect(bell_sleep(slot, seen, -1));
    cr_expect_not(bell_sleep_fd(slot, seen));
    cr_expect_eq(atomic_load(&slot->sleep), BELL_AWAKE);
}

Test(board, whoever_outlives_the_keeper_can_end_it)
{
    int fd = board_memory(), status;
    board_end(fd); // nobody has opened it: nothing
    struct board *shared = board_open(fd, 7);
    cr_assert_not_null(shared);
    struct slot *slot = board_slot(shared, MINE);
    uint32_t seen = bell_seen(slot);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(bell_sleep(slot, seen, PATIENCE_MS * 1000000LL) && atomic_load(&shared->ended) ? 0
                                                                                             : 1);
    }
    wait_asleep(slot, BELL_FUTEX);
    board_end(fd);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0, "told, and not late");
    cr_expect_eq(ftruncate(fd, 0), -1, "nobody can cut it off");
    munmap(shared, board_bytes());
    close(fd);
}

Test(board, sleep_ends_in_time)
{
    struct slot *slot = board_slot(board, MINE);
    uint64_t before = time_now_ns();
    cr_expect_not(bell_sleep(slot, bell_seen(slot), 3000000));
    cr_expect_geq(time_now_ns() - before, 3000000u);
    cr_expect_not(bell_sleep(slot, bell_seen(slot), 0));
    cr_expect_eq(atomic_load(&slot->sleep), BELL_AWAKE);
}

static void on_alarm(int number)
{
    (void)number;
}

// Neither do they end it early, nor does each begin it anew.
Test(board, signals_do_not_change_how_long_it_is_slept)
{
    struct slot *slot = board_slot(board, MINE);
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    uint64_t before = time_now_ns();
    setitimer(ITIMER_REAL, &often, NULL);
    cr_expect_not(bell_sleep(slot, bell_seen(slot), 30000000));
    setitimer(ITIMER_REAL, &never, NULL);
    cr_expect_geq(time_now_ns() - before, 30000000u);
}

Test(board, a_ring_wakes_another_process)
{
    struct slot *slot = board_slot(board, MINE);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // when an assertion fails
        _exit(bell_sleep(slot, bell_seen(slot), -1) ? 0 : 1);
    }
    wait_asleep(slot, BELL_FUTEX);
    cr_expect_not(bell_ring(slot));
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
}

Test(board, who_sleeps_on_an_eventfd_says_so)
{
    struct slot *slot = board_slot(board, MINE);
    cr_expect(bell_sleep_fd(slot, bell_seen(slot)));
    cr_expect(bell_ring(slot));
    bell_awake(slot);
    cr_expect_not(bell_ring(slot));
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Children in a loop: each end is told once, and what a child leaves behind goes with it.
#include "config.h"

#include "proc/children.h"

#include "proc/spawn.h"
#include "proc/sweep.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static struct {
    struct loop *loop;
    struct children *children;
    int null, out[2];
    int ends, status;
    pid_t ended;
} the;

static void set_up(void)
{
    dragon_error_t error;
    the.loop = loop_create();
    the.children = children_create(the.loop, &error);
    cr_assert_not_null(the.children);
    the.null = open("/dev/null", O_RDWR | O_CLOEXEC);
    cr_assert(pipe2(the.out, O_CLOEXEC) == 0);
}

static void tear_down(void)
{
    children_destroy(the.children);
    loop_destroy(the.loop);
}

TestSuite(proc_children, .init = set_up, .fini = tear_down);

static void on_end(void *arg, pid_t pid, int status)
{
    cr_expect_eq(arg, &the);
    the.ends++;
    the.ended = pid;
    the.status = status;
}

static pid_t start(char *script)
{
    struct spawn spawn = {.path = "/bin/sh",
                          .argv = (char *[]){"sh", "-c", script, NULL},
                          .env = environ,
                          .stdio = {the.null, the.out[1], the.null},
                          .fd3 = -1};
    enum spawn_step step;
    pid_t pid;
    cr_assert_eq(spawn_start(&spawn, &pid, &step), 0);
    return pid;
}

static void wait_ends(int count)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (the.ends < count && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect_eq(the.ends, count);
}

// The first number that a child writes.
static pid_t read_pid(void)
{
    char text[32] = "";
    cr_assert(read(the.out[0], text, sizeof text - 1) > 0);
    return (pid_t)strtol(text, NULL, 10);
}

// Turns until nobody has the number any more; somebody must reap it.
static bool goes_away(pid_t pid)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (kill(pid, 0) == 0 && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 20);
    return kill(pid, 0) != 0 && errno == ESRCH;
}

Test(proc_children, an_exit_and_a_death)
{
    pid_t pid = start("exit 3");
    cr_assert(children_add(the.children, pid, on_end, &the));
    wait_ends(1);
    cr_expect(the.ended == pid && WIFEXITED(the.status) && WEXITSTATUS(the.status) == 3);
    pid = start("kill -9 $$");
    cr_assert(children_add(the.children, pid, on_end, &the));
    wait_ends(2);
    cr_expect(the.ended == pid && WIFSIGNALED(the.status) && WTERMSIG(the.status) == SIGKILL);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "both are reaped");
}

Test(proc_children, one_that_ended_before_it_was_added)
{
    siginfo_t info;
    pid_t pid = start("exit 4");
    cr_assert(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    cr_assert(children_add(the.children, pid, on_end, &the));
    wait_ends(1);
    cr_expect_eq(WEXITSTATUS(the.status), 4);
}

Test(proc_children, many_at_once)
{
    enum { COUNT = 60 };
    for (int i = 0; i < COUNT; i++) // SIGCHLD is told once for several
        cr_assert(children_add(the.children, start("exit 1"), on_end, &the));
    wait_ends(COUNT);
}

Test(proc_children, background_processes_go_with_their_leader)
{
    pid_t pid = start("sleep 600 & echo $!; trap '' TERM");
    cr_assert(children_add(the.children, pid, on_end, &the));
    pid_t left_over = read_pid();
    wait_ends(1);
    cr_expect(WIFEXITED(the.status) && WEXITSTATUS(the.status) == 0);
    cr_expect(goes_away(left_over));
}

Test(proc_children, orphans_are_reaped)
{
    pid_t pid = start("setsid sh -c 'echo $$' & wait");
    cr_assert(children_add(the.children, pid, on_end, &the));
    pid_t orphan = read_pid();
    wait_ends(1);
    cr_expect(goes_away(orphan));
}

Test(proc_children, one_that_is_forgotten_is_reaped_and_not_told)
{
    int in[2];
    cr_assert(pipe2(in, O_CLOEXEC) == 0);
    the.null = in[0];
    pid_t pid = start("read x");
    cr_assert(children_add(the.children, pid, on_end, &the));
    children_forget(the.children, pid);
    children_forget(the.children, pid);
    cr_assert(kill(pid, SIGKILL) == 0);
    cr_expect(goes_away(pid));
    cr_expect_eq(the.ends, 0);
}

static void on_end_starts_another(void *arg, pid_t pid, int status)
{
    on_end(arg, pid, status);
    if (the.ends < 4)
        cr_assert(children_add(the.children, start("exit 0"), on_end_starts_another, arg));
}

Test(proc_children, an_end_may_start_the_next)
{
    cr_assert(children_add(the.children, start("exit 0"), on_end_starts_another, &the));
    wait_ends(4);
}

Test(proc_children, what_runs_lives_on_after_destroy)
{
    int in[2];
    cr_assert(pipe2(in, O_CLOEXEC) == 0);
    the.null = in[0];
    pid_t pid = start("read x");
    cr_assert(children_add(the.children, pid, on_end, &the));
    children_destroy(the.children);
    the.children = NULL;
    children_destroy(NULL);
    cr_expect_eq(kill(pid, 0), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// A process makes a segment below a child that ends at once, so that it comes to us.
static pid_t orphan_with_segment(int *id_out)
{
    struct {
        pid_t pid;
        int id;
    } said;
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        said.pid = getpid();
        said.id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
        if (write(the.out[1], &said, sizeof said) == sizeof said)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(the.out[0], &said, sizeof said), (ssize_t)sizeof said);
    *id_out = said.id;
    return said.pid;
}

static bool is_there(int id)
{
    struct shmid_ds now;
    return shmctl(id, IPC_STAT, &now) == 0;
}

Test(proc_children, what_a_killed_orphan_made_for_itself_goes)
{
    int id;
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    pid_t pid = orphan_with_segment(&id);
    cr_assert(is_there(id));
    kill(pid, SIGKILL);
    while (is_there(id) && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 10);
    cr_expect(!is_there(id));
}

Test(proc_children, what_a_swept_orphan_made_for_itself_goes)
{
    int id;
    orphan_with_segment(&id);
    cr_expect(sweep_all(time_now_ms() + PATIENCE_MS));
    cr_expect(!is_there(id));
}

// What it starts leaves its process group and session, and the one below that has a clean environment besides.
static char far_away[] =
    "setsid sh -c 'env -i setsid sleep 1000 & sleep 1000 & wait' & echo $!; wait";

Test(proc_children, one_that_takes_all)
{
    static char *const marks[] = {"DRAGON_TEST_MARK_A=1", "DRAGON_TEST_MARK_B=2", NULL};
    setenv("DRAGON_TEST_MARK_A", "1", 1);
    setenv("DRAGON_TEST_MARK_B", "2", 1);
    pid_t pid = start(far_away), below = read_pid();
    setenv("DRAGON_TEST_MARK_B", "3", 1);
    pid_t other = start(far_away), below_other = read_pid();
    cr_assert(children_add(the.children, pid, on_end, &the));
    cr_assert(children_add(the.children, other, on_end, &the));
    cr_assert(children_take_all(the.children, pid, marks));
    kill(pid, SIGKILL);
    wait_ends(1);
    cr_expect(goes_away(below));
    kill(other, SIGKILL);
    wait_ends(2);
    cr_expect(kill(below_other, 0) == 0, "of one that does not take all");
    cr_expect(!children_take_all(the.children, pid, marks), "it is no child any more");
    cr_expect(sweep_all(time_now_ms() + PATIENCE_MS));
}

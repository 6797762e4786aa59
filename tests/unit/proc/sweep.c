// SPDX-License-Identifier: BSD-3-Clause
//
// The end of a subreaper: nobody gets away, nothing is left, and nothing else is touched.
#include "config.h"

#include "proc/sweep.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

// A subreaper with SIGCHLD blocked, as the programs that sweep are.
static void become_subreaper(void)
{
    sigset_t mask;
    cr_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
}

TestSuite(proc_sweep, .init = become_subreaper);

static bool sweep(void)
{
    return sweep_all(time_now_ms() + PATIENCE_MS);
}

static void hold_out(int out)
{
    pid_t self = getpid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (write(out, &self, sizeof self) != (ssize_t)sizeof self)
        _exit(1);
    for (;;)
        pause();
}

// A grandchild in a session of its own, whose parent is gone.
static pid_t start_fugitive(int out[2])
{
    pid_t fugitive;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            if (fork() == 0)
                hold_out(out[1]);
            _exit(0);
        }
        _exit(0);
    }
    cr_assert(read(out[0], &fugitive, sizeof fugitive) == (ssize_t)sizeof fugitive);
    return fugitive;
}

Test(proc_sweep, nothing_to_sweep)
{
    cr_expect_eq(sweep_signal(SIGTERM), 0);
    uint64_t start = time_now_ms();
    cr_expect(sweep());
    cr_expect(sweep_all(0), "nobody is left, whatever the time");
    cr_expect_lt(time_now_ms() - start, 1000);
}

Test(proc_sweep, a_fugitive_of_two_forks_and_sessions)
{
    int out[2];
    cr_assert(pipe(out) == 0);
    pid_t fugitives[5];
    for (int i = 0; i < 5; i++) {
        fugitives[i] = start_fugitive(out);
        cr_expect_eq(kill(fugitives[i], 0), 0);
        cr_expect_neq(getsid(fugitives[i]), getsid(0));
    }
    cr_expect(sweep());
    for (int i = 0; i < 5; i++)
        cr_expect(kill(fugitives[i], 0) != 0 && errno == ESRCH, "process %d", (int)fugitives[i]);
    cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

// Each of them hands its child up to us when it dies.
Test(proc_sweep, a_chain_of_descendants)
{
    enum { DEPTH = 12 };
    int out[2];
    pid_t pids[DEPTH];
    cr_assert(pipe(out) == 0);
    pid_t first = fork();
    if (first == 0) {
        for (int i = 0; i < DEPTH - 1; i++) {
            pid_t self = getpid();
            if (fork() != 0) { // the parent stays
                if (write(out[1], &self, sizeof self) < 0)
                    _exit(1);
                for (;;)
                    pause();
            }
        }
        hold_out(out[1]);
    }
    for (int i = 0; i < DEPTH; i++)
        cr_assert(read(out[0], &pids[i], sizeof pids[i]) == (ssize_t)sizeof pids[i]);
    cr_expect(sweep());
    for (int i = 0; i < DEPTH; i++)
        cr_expect(kill(pids[i], 0) != 0);
}

Test(proc_sweep, signal_reaches_every_child_of_ours_only)
{
    int out[2];
    pid_t child, ignored;
    cr_assert(pipe(out) == 0);
    for (int i = 0; i < 3; i++) {
        child = fork();
        if (child == 0) {
            pid_t self = getpid();
            if (write(out[1], &self, sizeof self) < 0)
                _exit(1);
            for (;;)
                pause();
        }
        cr_assert(read(out[0], &ignored, sizeof ignored) == (ssize_t)sizeof ignored);
    }
    cr_expect_eq(sweep_signal(0), 3);
    cr_expect_eq(sweep_signal(SIGTERM), 3);
    for (int i = 0; i < 3; i++) {
        int status;
        cr_expect_gt(waitpid(-1, &status, 0), 0);
        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    }
    cr_expect_eq(sweep_signal(SIGTERM), 0);
}

// A process that goes on forking as long as it lives.
Test(proc_sweep, one_that_forks_all_the_time)
{
    int out[2];
    char byte;
    cr_assert(pipe(out) == 0);
    if (fork() == 0)
        for (int i = 0;; i++) {
            if (fork() == 0) {
                setsid();
                usleep(2000);
                _exit(0);
            }
            usleep(500);
            if (i == 5 && write(out[1], "x", 1) < 0)
                _exit(1);
        }
    cr_assert(read(out[0], &byte, 1) == 1);
    cr_expect(sweep());
    cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

// ---- directories

static char *make(const char *first, const char *second, dragon_error_t *error)
{
    const char *const places[] = {NULL, first, second};
    return sweep_make_directory(places, 3, error);
}

Test(proc_sweep, a_directory_of_ours_alone)
{
    struct stat info;
    umask(0);
    char *path = make("/tmp", NULL, NULL);
    cr_assert_not_null(path);
    cr_expect_eq(strncmp(path, "/tmp/dragon-", 12), 0);
    cr_assert(stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    cr_expect_eq(info.st_mode & 07777, 0700);
    char *other = make("/tmp", NULL, NULL);
    cr_expect_str_neq(path, other);
    sweep_remove_directory(path);
    sweep_remove_directory(other);
    cr_expect_neq(access(path, F_OK), 0);
    sweep_remove_directory(path); // gone already
    sweep_remove_directory(NULL);
    free(path);
    free(other);
}

Test(proc_sweep, places_that_do_not_do_are_passed_over)
{
    char longer[200] = "/tmp/";
    dragon_error_t error = {0};
    memset(longer + 5, 'x', 80);
    static const char *const bad[] = {"/nowhere/at/all", "relative", "", "/dev/null"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *path = make(bad[i], "/tmp", &error);
        cr_assert_not_null(path, "%s", bad[i]);
        cr_expect_eq(strncmp(path, "/tmp/dragon-", 12), 0);
        sweep_remove_directory(path);
        free(path);
        cr_expect_null(make(bad[i], NULL, &error));
        cr_expect(error.code != DRAGON_OK && error.text[0]);
    }
    // A socket's path would not fit behind it, though it is there.
    cr_assert(mkdir(longer, 0700) == 0 || errno == EEXIST);
    char *path = make(longer, "/tmp", &error);
    cr_assert_not_null(path);
    cr_expect_eq(strncmp(path, "/tmp/dragon-", 12), 0);
    sweep_remove_directory(path);
    free(path);
    cr_expect_null(make(longer, NULL, &error));
    cr_expect_not_null(strstr(error.text, "name too long"), "%s", error.text);
    rmdir(longer);
}

Test(proc_sweep, the_longest_place_that_fits)
{
    char place[200] = "/tmp/";
    memset(place + 5, 'y', 108 - 40 - 5);
    cr_assert(mkdir(place, 0700) == 0 || errno == EEXIST);
    char *path = make(place, NULL, NULL);
    cr_assert_not_null(path);
    cr_expect_lt(strlen(path) + strlen("/agent.sock"), 108);
    sweep_remove_directory(path);
    free(path);
    rmdir(place);
}

static void touch(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fclose(file);
}

Test(proc_sweep, symbolic_links_are_not_followed)
{
    char *kept = make("/tmp", NULL, NULL), *path = make("/tmp", NULL, NULL);
    char name[300], target[300];
    snprintf(target, sizeof target, "%s/file", kept);
    touch(target);
    snprintf(name, sizeof name, "%s/deep", path);
    cr_assert(mkdir(name, 0700) == 0);
    snprintf(name, sizeof name, "%s/deep/link-to-folder", path);
    cr_assert(symlink(kept, name) == 0);
    snprintf(name, sizeof name, "%s/link-to-file", path);
    cr_assert(symlink(target, name) == 0);
    snprintf(name, sizeof name, "%s/link-to-nothing", path);
    cr_assert(symlink("/nowhere", name) == 0);
    snprintf(name, sizeof name, "%s/.hidden", path);
    touch(name);
    snprintf(name, sizeof name, "%s/deep/fifo", path);
    cr_assert(mkfifo(name, 0600) == 0);
    sweep_remove_directory(path);
    cr_expect_neq(access(path, F_OK), 0, "all of it is gone");
    cr_expect_eq(access(target, F_OK), 0, "what a link names is not");
    // One that stands where the directory should be.
    cr_assert(symlink(kept, path) == 0);
    sweep_remove_directory(path);
    cr_expect_eq(access(target, F_OK), 0);
    sweep_remove_directory(kept);
    unlink(path);
    free(path);
    free(kept);
}

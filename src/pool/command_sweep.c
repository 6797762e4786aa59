// SPDX-License-Identifier: BSD-3-Clause
//
// What a command leaves behind. While it runs this process is a subreaper, so that orphans of the command become its
// children: those that it did not have before are the command's, for a worker does one thing at a time.
#include "config.h"

#include "pool/command_run.h"
#include "proc/below.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SWEEP_MS = 5000 }; // for what hangs in the kernel

struct list {
    struct command_run *run;
    pid_t *pids; // owned
    size_t count;
    bool failed;
};

// One system call where there are none, as nearly always.
static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void add(void *arg, pid_t pid)
{
    struct list *list = arg;
    pid_t *more = realloc(list->pids, (list->count + 1) * sizeof *more);
    if (!more) {
        list->failed = true;
        return;
    }
    list->pids = more;
    list->pids[list->count++] = pid;
}

bool command_sweep_begin(struct command_run *run)
{
    struct list list = {0};
    if (has_children())
        below_each(getpid(), add, &list);
    run->before = list.pids;
    run->before_count = list.count;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return !list.failed;
}

static bool was_before(const struct command_run *run, pid_t pid)
{
    for (size_t i = 0; i < run->before_count; i++)
        if (run->before[i] == pid)
            return true;
    return false;
}

static void kill_new(void *arg, pid_t pid)
{
    struct list *list = arg;
    if (was_before(list->run, pid))
        return;
    kill(pid, SIGKILL);
    add(list, pid);
}

static void reap(pid_t pid, uint64_t deadline_ms)
{
    struct pollfd fd = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    if (fd.fd >= 0) {
        poll(&fd, 1, time_left_ms(deadline_ms));
        close(fd.fd);
    }
    // Without pidfds this waits for a process that was killed.
    waitpid(pid, NULL, fd.fd >= 0 ? WNOHANG : 0);
}

void command_sweep_end(struct command_run *run)
{
    uint64_t deadline_ms = time_now_ms() + SWEEP_MS;
    size_t count = 1;
    // Each that dies hands its children to us.
    while (count > 0 && has_children() && time_left_ms(deadline_ms) > 0) {
        struct list list = {.run = run};
        below_each(getpid(), kill_new, &list);
        for (size_t i = 0; i < list.count; i++)
            reap(list.pids[i], deadline_ms);
        count = list.count;
        free(list.pids);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

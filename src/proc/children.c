// SPDX-License-Identifier: BSD-3-Clause
//
// Reaping: SIGCHLD arrives through a signalfd; each ended child is looked at before it is reaped, so
// that its process group can still be named safely.
#include "config.h"

#include "proc/children.h"

#include "proc/hunt.h"
#include "proc/sysv.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uthash.h>

struct child {
    pid_t pid;
    void (*fn)(void *arg, pid_t pid, int status);
    void *arg;
    char **marks; // owned: of all that it starts; NULL: what it leaves behind stays
    UT_hash_handle hh;
};

struct children {
    struct child *by_pid; // owned
    struct loop_watch *watch;
    int signal_fd;
    struct hunts hunts;
};

static void reap_one(struct children *children, pid_t pid)
{
    struct child *child;
    HASH_FIND_INT(children->by_pid, &pid, child);
    if (child)
        kill(-pid, SIGKILL); // before the reaping frees the number
    int status;
    if (waitpid(pid, &status, 0) != pid)
        return;
    if (!child) { // an orphan: it may be the MPI program of a rank that is a script
        if (WIFSIGNALED(status))
            sysv_remove_of(pid);
        return;
    }
    HASH_DEL(children->by_pid, child);
    if (child->marks)
        hunts_add(&children->hunts, child->marks);
    child->fn(child->arg, pid, status);
    free(child);
}

static bool is_known(void *arg, pid_t pid)
{
    const struct children *children = arg;
    struct child *child;
    HASH_FIND_INT(children->by_pid, &pid, child);
    return child != NULL;
}

static void on_sigchld(void *arg, int events)
{
    struct children *children = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(children->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0)
            break;
        reap_one(children, ended.si_pid);
    }
    hunts_run(&children->hunts, is_known, children);
}

struct children *children_create(struct loop *loop, dragon_error_t *error)
{
    struct children *children = calloc(1, sizeof *children);
    if (!children) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return NULL;
    }
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    children->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children->signal_fd >= 0)
        children->watch = loop_watch_create(loop, children->signal_fd, on_sigchld, children);
    if (!children->watch || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        err_set_errno(error, errno, "cannot watch over child processes");
        children_destroy(children);
        return NULL;
    }
    loop_watch_set(children->watch, LOOP_READ);
    return children;
}

void children_destroy(struct children *children)
{
    if (!children)
        return;
    struct child *child, *next;
    HASH_ITER (hh, children->by_pid, child, next) {
        HASH_DEL(children->by_pid, child);
        strv_free(child->marks);
        free(child);
    }
    hunts_fini(&children->hunts);
    loop_watch_destroy(children->watch);
    if (children->signal_fd >= 0)
        close(children->signal_fd);
    free(children);
}

bool children_add(struct children *children, pid_t pid,
                  void (*fn)(void *arg, pid_t pid, int status), void *arg)
{
    struct child *child = calloc(1, sizeof *child);
    if (!child)
        return false;
    *child = (struct child){.pid = pid, .fn = fn, .arg = arg};
    HASH_ADD_INT(children->by_pid, pid, child);
    return true;
}

void children_forget(struct children *children, pid_t pid)
{
    struct child *child;
    HASH_FIND_INT(children->by_pid, &pid, child);
    if (!child)
        return;
    HASH_DEL(children->by_pid, child);
    strv_free(child->marks);
    free(child);
}

bool children_take_all(struct children *children, pid_t pid, char *const *marks)
{
    struct child *child;
    HASH_FIND_INT(children->by_pid, &pid, child);
    char **copy = child ? strv_copy(marks) : NULL;
    if (!copy)
        return false;
    strv_free(child->marks);
    child->marks = copy;
    return true;
}

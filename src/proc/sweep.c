// SPDX-License-Identifier: BSD-3-Clause
//
// Sweeping: see sweep.h.
#include "config.h"

#include "proc/sweep.h"

#include "proc/below.h"
#include "proc/sysv.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKET_NAME_ROOM = 40 }; // for "/dragon-XXXXXX/agent.sock" behind the place

static void send(void *arg, pid_t pid)
{
    kill(pid, *(const int *)arg);
}

size_t sweep_signal(int signal)
{
    return below_each(getpid(), send, &signal);
}

// -1 with ECHILD when there are no children, 0 when none has ended.
static pid_t reap(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0 && WIFSIGNALED(status))
        sysv_remove_of(pid);
    return pid;
}

bool sweep_all(uint64_t deadline_ms)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    for (;;) {
        while (reap() > 0)
            ;
        if (sweep_signal(SIGKILL) == 0 && reap() < 0 && errno == ECHILD)
            return true;
        int left = time_left_ms(deadline_ms);
        if (left == 0)
            return false;
        // Deaths that came between are pending, so this cannot miss one; it is bounded all the same.
        struct timespec wait = {.tv_nsec = (left < 20 ? left : 20) * 1000000L};
        sigtimedwait(&mask, NULL, &wait);
    }
}

char *sweep_make_directory(const char *const *places, size_t count, dragon_error_t *error)
{
    int problem = ENOENT;
    const char *tried = "nothing";
    for (size_t i = 0; i < count; i++) {
        char *path = NULL;
        if (!places[i] || places[i][0] != '/')
            continue;
        tried = places[i];
        if (strlen(places[i]) + SOCKET_NAME_ROOM > sizeof((struct sockaddr_un *)0)->sun_path) {
            problem = ENAMETOOLONG;
            continue;
        }
        if (asprintf(&path, "%s/dragon-XXXXXX", places[i]) < 0)
            break;
        // The mode again, because the umask may have taken it from us.
        if (mkdtemp(path) && chmod(path, 0700) == 0)
            return path;
        problem = errno;
        free(path);
    }
    err_set_errno(error, problem,
                  "no place for the runtime's directory in %s; set TMPDIR, or --directory, to a "
                  "directory that can be written",
                  tried);
    return NULL;
}

bool sweep_make_private(const char *path)
{
    return mkdir(path, 0700) == 0 && chmod(path, 0700) == 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

void sweep_remove_directory(const char *path)
{
    if (path)
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

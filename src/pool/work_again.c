// SPDX-License-Identifier: BSD-3-Clause
//
// The next life of a worker: the process runs its program again from the beginning, with the arguments, environment,
// directory, descriptors and signals that it had before its first task. What tasks have left in its memory is gone; its
// number, its place and its cores stay.
#include "config.h"

#include "pool/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

struct life {
    char **argv, **env; // owned
    char *path;         // owned; NULL: it cannot be told
    int cwd;            // -1: it cannot be told
    mode_t umask;
    sigset_t mask;
    bool ignored[NSIG];
    int *fds; // owned: those that stay open
    size_t fd_count;
};

// ---- how it was started

static char **read_argv(void)
{
    char *line = NULL, **argv = NULL;
    size_t room = 0;
    FILE *file = fopen("/proc/self/cmdline", "re");
    if (!file)
        return NULL;
    while (getdelim(&line, &room, 0, file) > 0)
        if (!strv_push(&argv, line)) {
            strv_free(argv);
            argv = NULL;
            break;
        }
    free(line);
    fclose(file);
    return argv;
}

// Calls with each open descriptor but standard input, output and error. False: it cannot be told.
static bool each_fd(bool (*fn)(struct life *life, int fd), struct life *life)
{
    DIR *directory = opendir("/proc/self/fd");
    bool good = directory != NULL;
    for (struct dirent *entry; good && (entry = readdir(directory));) {
        long long fd;
        if (parse_number(entry->d_name, 3, INT32_MAX, &fd) && fd != dirfd(directory))
            good = fn(life, (int)fd);
    }
    if (directory)
        closedir(directory);
    return good;
}

static bool remember_fd(struct life *life, int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC))
        return true;
    int *fds = realloc(life->fds, (life->fd_count + 1) * sizeof *fds);
    if (!fds)
        return false;
    life->fds = fds;
    life->fds[life->fd_count++] = fd;
    return true;
}

static void remember_signals(struct life *life)
{
    struct sigaction action;
    sigprocmask(SIG_SETMASK, NULL, &life->mask);
    for (int i = 1; i < NSIG; i++)
        life->ignored[i] = sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

struct life *life_remember(void)
{
    struct life *life = calloc(1, sizeof *life);
    if (!life)
        return NULL;
    life->argv = read_argv();
    life->env = strv_copy(environ);
    life->path = self_path();
    life->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    life->umask = umask(0);
    umask(life->umask);
    remember_signals(life);
    if (life->argv && life->env && each_fd(remember_fd, life))
        return life;
    life_forget(life);
    return NULL;
}

void life_forget(struct life *life)
{
    if (!life)
        return;
    strv_free(life->argv);
    strv_free(life->env);
    free(life->path);
    if (life->cwd >= 0)
        close(life->cwd);
    free(life->fds);
    free(life);
}

// ---- and is again

static bool close_later(struct life *life, int fd)
{
    for (size_t i = 0; i < life->fd_count; i++)
        if (life->fds[i] == fd)
            return true;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return true;
}

static void restore(struct life *life)
{
    struct itimerval none = {0};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    setitimer(ITIMER_REAL, &none, NULL); // the one that exec leaves
    for (int i = 1; i < NSIG; i++)
        if (!life->ignored[i])
            sigaction(i, &plain, NULL);
    each_fd(close_later, life);
    umask(life->umask);
    if (life->cwd >= 0 && fchdir(life->cwd) != 0)
        log_debug("the directory of the first life is gone");
    sigprocmask(SIG_SETMASK, &life->mask, NULL);
}

dragon_err_t work_again(struct worker *worker)
{
    struct life *life = worker->first;
    fflush(NULL); // what tasks wrote
    dragon_channel_set_destroy(worker->set);
    dragon_channel_destroy(worker->tasks, NULL);
    dragon_channel_detach(worker->results);
    dragon_runtime_detach(worker->runtime);
    worker->set = NULL;
    worker->tasks = worker->results = NULL;
    worker->runtime = NULL;
    restore(life);
    if (life->path)
        execve(life->path, life->argv, life->env);
    // The file may have been replaced meanwhile.
    execve("/proc/self/exe", life->argv, life->env);
    return err_from_errno(errno);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Starting programs: see spawn.h. The child of vfork runs on our memory until it execs, so it makes
// system calls and nothing else, and tells of a failure by writing to `struct report`.
#include "config.h"

#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct report {
    enum spawn_step step;
    int problem;
};

const char *spawn_step_name(enum spawn_step step)
{
    static const char *const names[SPAWN_STEPS] = {
        [SPAWN_FORK] = "make a process",         [SPAWN_GROUP] = "give it a process group",
        [SPAWN_CGROUP] = "limit its memory",     [SPAWN_BIND] = "bind it to its cores",
        [SPAWN_CWD] = "change to its directory", [SPAWN_STDIO] = "place its streams",
        [SPAWN_EXEC] = "run the program",
    };
    return names[step];
}

static bool place(int fd, int number)
{
    return fd == number ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, number) >= 0;
}

static bool place_descriptors(const struct spawn *spawn)
{
    int fds[5] = {spawn->stdio[0], spawn->stdio[1], spawn->stdio[2], spawn->fd3, spawn->fd4};
    int count = spawn->fd3 < 0 ? 3 : spawn->fd4 == 0 ? 4 : 5;
    // What sits in the place of another (standard error that becomes standard output too, say) is
    // moved out of the way first.
    for (int i = 0; i < count; i++)
        if (fds[i] < count && fds[i] != i && (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, count)) < 0)
            return false;
    for (int i = 0; i < count; i++)
        if (!place(fds[i], i))
            return false;
    return true;
}

// A key of the terminal may have stopped the group that the child has joined, while all signals were held.
// Stopped before exec it would hold up its parent, which waits for that.
static void drop_stop_signals(void)
{
    static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        sigaction(stops[i], &ignore, NULL); // drops what is pending
        sigaction(stops[i], &plain, NULL);
    }
}

static void restore_signals(bool joins_group)
{
    // exec resets handlers, but not what is ignored; the programs of this project ignore SIGPIPE.
    sigset_t none;
    struct sigaction plain = {.sa_handler = SIG_DFL};
    if (joins_group)
        drop_stop_signals();
    sigaction(SIGPIPE, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// The group counts our memory from then on; what exec throws away was counted elsewhere.
static bool enter_cgroup(const char *procs)
{
    int fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool entered = write(fd, "0", 1) == 1;
    int problem = errno;
    close(fd);
    errno = problem;
    return entered;
}

static void __attribute__((noreturn))
child_fail(volatile struct report *report, enum spawn_step step)
{
    report->step = step;
    report->problem = errno;
    _exit(127);
}

static void __attribute__((noinline, noreturn))
child_main(const struct spawn *spawn, pid_t parent, volatile struct report *report)
{
    if (setpgid(0, spawn->process_group) != 0)
        child_fail(report, SPAWN_GROUP);
    if (spawn->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
    }
    if (spawn->cgroup_procs && !enter_cgroup(spawn->cgroup_procs))
        child_fail(report, SPAWN_CGROUP);
    if (spawn->cwd && chdir(spawn->cwd) != 0)
        child_fail(report, SPAWN_CWD);
    if (!place_descriptors(spawn))
        child_fail(report, SPAWN_STDIO);
    if (spawn->nofile)
        setrlimit(RLIMIT_NOFILE, spawn->nofile);
    restore_signals(spawn->process_group != 0);
    execve(spawn->path, spawn->argv, spawn->env);
    child_fail(report, SPAWN_EXEC);
}

// We go to the child's cores ourselves, and come back when it is there. A child that went by itself would have to wait
// for its turn on a core that may be busy, while we wait for its exec: a fifth of all starts where every core is.
struct visit {
    unsigned long home[128]; // a set for 8192 hardware threads: more than any kernel has
    size_t home_size;        // 0: we did not leave
};

static int visit_begin(const struct spawn *spawn, struct visit *visit)
{
    visit->home_size = 0;
    if (!spawn->cpus)
        return 0;
    if (sched_getaffinity(0, sizeof visit->home, (cpu_set_t *)visit->home) != 0 ||
        sched_setaffinity(0, spawn->cpus_size, spawn->cpus) != 0)
        return errno;
    visit->home_size = sizeof visit->home;
    return 0;
}

static void visit_end(const struct visit *visit)
{
    if (visit->home_size)
        sched_setaffinity(0, visit->home_size, (const cpu_set_t *)visit->home);
}

static int start_once(const struct spawn *spawn, pid_t *pid_out, enum spawn_step *step_out)
{
    struct visit visit;
    int barred = visit_begin(spawn, &visit);
    if (barred) {
        *step_out = SPAWN_BIND;
        return barred;
    }
    volatile struct report report = {.step = SPAWN_FORK, .problem = 0};
    sigset_t all, before;
    pid_t parent = getpid();
    // No handler of ours may run in the child while it shares our memory.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0)
        child_main(spawn, parent, &report);
    int problem = pid < 0 ? errno : report.problem;
    sigprocmask(SIG_SETMASK, &before, NULL);
    visit_end(&visit);
    *step_out = report.step;
    *pid_out = pid;
    return problem;
}

// A script without "#!" is run by the shell, as execvp and every shell do.
static int start_by_shell(const struct spawn *spawn, pid_t *pid_out, enum spawn_step *step_out)
{
    size_t count = strv_count(spawn->argv);
    char **argv = calloc(count + 3, sizeof *argv);
    if (!argv)
        return ENOMEM;
    argv[0] = _PATH_BSHELL;
    argv[1] = (char *)spawn->path;
    for (size_t i = 1; i < count; i++)
        argv[i + 1] = spawn->argv[i];
    struct spawn shell = *spawn;
    shell.path = _PATH_BSHELL;
    shell.argv = argv;
    int problem = start_once(&shell, pid_out, step_out);
    free(argv);
    return problem;
}

int spawn_start(const struct spawn *spawn, pid_t *pid_out, enum spawn_step *step_out)
{
    pid_t pid = -1;
    int problem = start_once(spawn, &pid, step_out);
    if (problem == ENOEXEC && *step_out == SPAWN_EXEC)
        problem = start_by_shell(spawn, &pid, step_out);
    if (problem == 0)
        *pid_out = pid;
    // A child that failed has ended; it is reaped like every other by whoever waits for children.
    return problem;
}

static int check_program(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOTDIR ? ENOENT : errno;
    if (!S_ISREG(info.st_mode) || access(path, X_OK) != 0)
        return EACCES;
    return 0;
}

static int try_path(const char *directory, int length, const char *name, const char *cwd,
                    char **path_out)
{
    char *path = NULL;
    bool relative = length == 0 || directory[0] != '/';
    int made = relative && cwd
                   ? asprintf(&path, "%s/%.*s%s%s", cwd, length, directory, length ? "/" : "", name)
                   : asprintf(&path, "%.*s%s%s", length, directory, length ? "/" : "", name);
    if (made < 0)
        return ENOMEM;
    int problem = check_program(path);
    if (problem)
        free(path);
    else
        *path_out = path;
    return problem;
}

int spawn_find(const char *name, const char *path_list, const char *cwd, char **path_out)
{
    if (!*name)
        return ENOENT;
    if (name[0] == '/')
        return try_path("", 0, name, NULL, path_out);
    if (strchr(name, '/'))
        return try_path("", 0, name, cwd, path_out);
    if (!path_list)
        path_list = _PATH_DEFPATH;
    int answer = ENOENT;
    for (const char *at = path_list, *end;; at = end + 1) {
        end = strchrnul(at, ':');
        int problem = try_path(at, (int)(end - at), name, cwd, path_out);
        if (problem == 0)
            return 0;
        if (problem == EACCES)
            answer = EACCES;
        if (!*end)
            return answer;
    }
}

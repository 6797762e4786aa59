// SPDX-License-Identifier: BSD-3-Clause
//
// Commands that the bench starts itself, with posix_spawn: whole commands for their wall time, and many
// small ones as the bare peer of a group. A command gets a process group of its own, /dev/null for what
// it reads and writes, and is ended when it takes too long.
#include "config.h"

#include "cli/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS = 2000 };

// ---- starting

struct starter {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *const *argv, *const *env;
};

static void starter_init(struct starter *starter, const struct command *command)
{
    sigset_t pipe_only;
    posix_spawn_file_actions_init(&starter->actions);
    posix_spawn_file_actions_addopen(&starter->actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&starter->actions, 2, "/dev/null", O_WRONLY, 0);
    if (command->output >= 0)
        posix_spawn_file_actions_adddup2(&starter->actions, command->output, 1);
    else
        posix_spawn_file_actions_addopen(&starter->actions, 1, "/dev/null", O_WRONLY, 0);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawnattr_init(&starter->attributes);
    posix_spawnattr_setsigdefault(&starter->attributes, &pipe_only);
    posix_spawnattr_setpgroup(&starter->attributes, 0);
    posix_spawnattr_setflags(&starter->attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    starter->argv = command->argv;
    starter->env = command->env ? command->env : environ;
}

static void starter_fini(struct starter *starter)
{
    posix_spawn_file_actions_destroy(&starter->actions);
    posix_spawnattr_destroy(&starter->attributes);
}

// 0: it could not be started, errno says why.
static pid_t starter_start(const struct starter *starter)
{
    pid_t pid;
    errno = posix_spawn(&pid, starter->argv[0], &starter->actions, &starter->attributes,
                        starter->argv, starter->env);
    return errno ? 0 : pid;
}

// ---- one command

static bool ends_within(pid_t pid, int ms)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd < 0)
        return true; // an old kernel: then it is waited for without a limit
    int ready = poll(&ended, 1, ms);
    close(fd);
    return ready != 0;
}

static void end_command(pid_t pid)
{
    kill(-pid, SIGTERM);
    ends_within(pid, END_MS);
    kill(-pid, SIGKILL);
}

bool command_run(const struct command *command, struct command_end *end_out)
{
    struct starter starter;
    struct command_end end = {0};
    uint64_t before = time_now_ns();
    starter_init(&starter, command);
    pid_t pid = starter_start(&starter);
    starter_fini(&starter);
    if (pid == 0)
        return false;
    if (!ends_within(pid, command->limit_ms)) {
        end.timed_out = true;
        end_command(pid);
    }
    waitpid(pid, &end.status, 0);
    end.ms = (double)(time_now_ns() - before) / 1e6;
    *end_out = end;
    return true;
}

// ---- many commands

double command_run_many(const struct command *command, int count, int at_once)
{
    struct starter starter;
    int running = 0;
    bool good = true;
    starter_init(&starter, command);
    uint64_t before = time_now_ns();
    for (int i = 0; i < count && good; i++) {
        if (at_once && running == at_once)
            running -= waitpid(-1, NULL, 0) > 0;
        good = starter_start(&starter) > 0;
        running += good;
    }
    while (running > 0 && waitpid(-1, NULL, 0) > 0)
        running--;
    uint64_t after = time_now_ns();
    starter_fini(&starter);
    return good ? (double)(after - before) / 1e6 : -1;
}

// ---- finding

bool command_first_line(char *const *argv, char *line, size_t room)
{
    int fd = memfd_create("first-line", MFD_CLOEXEC);
    struct command command = {.argv = argv, .output = fd, .limit_ms = 5000};
    struct command_end end;
    ssize_t got = -1;
    if (fd >= 0 && command_run(&command, &end))
        got = pread(fd, line, room - 1, 0);
    if (fd >= 0)
        close(fd);
    line[got > 0 ? got : 0] = 0;
    line[strcspn(line, "\n")] = 0;
    return line[0] != 0;
}

char *command_find(const char *name)
{
    const char *list = getenv("PATH");
    char *path = NULL;
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? strdup(name) : NULL;
    while (list && *list) {
        int length = (int)strcspn(list, ":");
        if (length > 0 && asprintf(&path, "%.*s/%s", length, list, name) >= 0) {
            if (access(path, X_OK) == 0)
                return path;
            free(path);
        }
        list += length + (list[length] == ':');
    }
    return NULL;
}

char **command_outer_env(void)
{
    char **env = strv_copy(environ);
    if (env)
        env_unset(env, "DRAGON_RUNTIME");
    return env;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Commands: see command.h. Each gets a process group of its own and nothing to read, and no signal is blocked
// in it.
#include "config.h"

#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS = 2000, FIRST_LINE_MS = 5000, OUTPUT_LIMIT = 4 << 20 };

// ---- starting

struct starter {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *const *argv, *const *env;
};

static void starter_init(struct starter *starter, const struct command *command)
{
    sigset_t pipe_only, none;
    posix_spawn_file_actions_init(&starter->actions);
    posix_spawn_file_actions_addopen(&starter->actions, 0, "/dev/null", O_RDONLY, 0);
    if (command->output >= 0)
        posix_spawn_file_actions_adddup2(&starter->actions, command->output, 1);
    else
        posix_spawn_file_actions_addopen(&starter->actions, 1, "/dev/null", O_WRONLY, 0);
    if (command->errors)
        posix_spawn_file_actions_adddup2(&starter->actions, 1, 2);
    else
        posix_spawn_file_actions_addopen(&starter->actions, 2, "/dev/null", O_WRONLY, 0);
    sigemptyset(&none);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawnattr_init(&starter->attributes);
    posix_spawnattr_setsigdefault(&starter->attributes, &pipe_only);
    posix_spawnattr_setsigmask(&starter->attributes, &none);
    posix_spawnattr_setpgroup(&starter->attributes, 0);
    posix_spawnattr_setflags(&starter->attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETSIGMASK);
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

// SIGCHLD is blocked. False: it still runs at the deadline.
static bool ends_by(pid_t pid, uint64_t deadline_ms, int *status_out)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (waitpid(pid, status_out, WNOHANG) == 0) {
        int left = time_left_ms(deadline_ms);
        struct timespec wait = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        if (left == 0)
            return false;
        sigtimedwait(&child, NULL, &wait);
    }
    return true;
}

static void end_command(pid_t pid, int *status_out)
{
    kill(-pid, SIGTERM);
    if (ends_by(pid, time_now_ms() + END_MS, status_out))
        return;
    kill(-pid, SIGKILL);
    waitpid(pid, status_out, 0);
}

bool command_run(const struct command *command, struct command_end *end_out)
{
    struct starter starter;
    struct command_end end = {0};
    sigset_t child, mask;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &mask);
    uint64_t before = time_now_ns();
    starter_init(&starter, command);
    pid_t pid = starter_start(&starter);
    int problem = errno;
    starter_fini(&starter);
    if (pid) {
        end.timed_out = !ends_by(pid, time_now_ms() + (uint64_t)command->limit_ms, &end.status);
        if (end.timed_out)
            end_command(pid, &end.status);
        end.ms = (double)(time_now_ns() - before) / 1e6;
        kill(-pid, SIGKILL); // what it has left behind
        *end_out = end;
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    errno = problem;
    return pid != 0;
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

// ---- what it writes

static char *read_output(int fd)
{
    struct stat info;
    off_t length = fstat(fd, &info) == 0 ? info.st_size : 0;
    size_t room = length < OUTPUT_LIMIT ? (size_t)length : OUTPUT_LIMIT;
    char *text = malloc(room + 1);
    ssize_t got = text ? pread(fd, text, room, 0) : -1;
    if (text)
        text[got > 0 ? got : 0] = 0;
    return text;
}

char *command_text(const struct command *command, int *status_out)
{
    struct command with_output = *command;
    struct command_end end;
    char *text = NULL;
    with_output.output = memfd_create("output", MFD_CLOEXEC);
    if (with_output.output < 0)
        return NULL;
    if (command_run(&with_output, &end) && !end.timed_out) {
        text = read_output(with_output.output);
        if (status_out)
            *status_out = end.status;
    }
    close(with_output.output);
    return text;
}

bool command_first_line(char *const *argv, char *line, size_t room)
{
    struct command command = {.argv = argv, .limit_ms = FIRST_LINE_MS};
    char *text = command_text(&command, NULL);
    snprintf(line, room, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
    free(text);
    return line[0] != 0;
}

// ---- finding

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

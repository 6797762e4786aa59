// SPDX-License-Identifier: BSD-3-Clause
//
// Commands that the doctor asks: started with posix_spawn in a process group of their own, with nothing to
// read, and killed with what they started when they take too long.
#include "config.h"

#include "cli/info_doctor_parts.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_LIMIT_MS = 5000, OUTPUT_LIMIT = 4 << 20 };

static bool start(char *const argv[], char *const *env, int output, pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, output, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int problem = posix_spawn(pid_out, argv[0], &actions, &attributes, argv, env ? env : environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return problem == 0;
}

// False: it had to be killed. SIGCHLD is blocked.
static bool ends(pid_t pid, int *status_out)
{
    uint64_t deadline = time_now_ms() + COMMAND_LIMIT_MS;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (waitpid(pid, status_out, WNOHANG) == 0) {
        int left = time_left_ms(deadline);
        struct timespec wait = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        if (left > 0) {
            sigtimedwait(&child, NULL, &wait);
            continue;
        }
        kill(-pid, SIGKILL);
        waitpid(pid, status_out, 0);
        return false;
    }
    kill(-pid, SIGKILL); // what it left behind
    return true;
}

static char *read_output(int fd)
{
    struct stat info;
    size_t room =
        fstat(fd, &info) == 0 && info.st_size < OUTPUT_LIMIT ? (size_t)info.st_size : OUTPUT_LIMIT;
    char *text = malloc(room + 1);
    ssize_t got = text ? pread(fd, text, room, 0) : -1;
    if (text)
        text[got > 0 ? got : 0] = 0;
    return text;
}

char *doctor_run(char *const argv[], char *const *env, int *status_out)
{
    pid_t pid;
    sigset_t child, before;
    char *text = NULL;
    int output = memfd_create("output", MFD_CLOEXEC);
    if (output < 0)
        return NULL;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    if (start(argv, env, output, &pid) && ends(pid, status_out))
        text = read_output(output);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(output);
    return text;
}

char *doctor_find(const char *name)
{
    const char *list = getenv("PATH");
    while (list && *list) {
        char *path;
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

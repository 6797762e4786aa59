// SPDX-License-Identifier: BSD-3-Clause
//
// Sweeping: see sweep.h. Children are read from /proc/self/task/TID/children; a kernel without that
// file is served by looking at every process's parent.
#include "config.h"

#include "proc/sweep.h"

#include "proc/sysv.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKET_NAME_ROOM = 40 }; // for "/dragon-XXXXXX/agent.sock" behind the place

static size_t signal_listed(FILE *file, int signal)
{
    size_t count = 0;
    for (int pid; fscanf(file, "%d", &pid) == 1; count++)
        kill(pid, signal);
    return count;
}

static pid_t parent_of(const char *pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    const char *text = fgets(line, sizeof line, file);
    fclose(file);
    // "pid (name) state parent": the name may hold anything, so look from its last parenthesis.
    const char *after = text ? strrchr(text, ')') : NULL;
    int parent;
    char state;
    return after && sscanf(after + 1, " %c %d", &state, &parent) == 2 ? parent : -1;
}

static size_t signal_by_parent(int signal)
{
    size_t count = 0;
    DIR *processes = opendir("/proc");
    if (!processes)
        return 0;
    for (struct dirent *entry; (entry = readdir(processes));) {
        long long pid;
        if (!parse_number(entry->d_name, 1, 1LL << 31, &pid) ||
            parent_of(entry->d_name) != getpid())
            continue;
        kill((pid_t)pid, signal);
        count++;
    }
    closedir(processes);
    return count;
}

size_t sweep_signal(int signal)
{
    size_t count = 0, lists = 0;
    DIR *threads = opendir("/proc/self/task");
    if (threads) {
        for (struct dirent *entry; (entry = readdir(threads));) {
            char path[300];
            snprintf(path, sizeof path, "/proc/self/task/%s/children", entry->d_name);
            FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
            if (!file)
                continue;
            lists++;
            count += signal_listed(file, signal);
            fclose(file);
        }
        closedir(threads);
    }
    return lists ? count : signal_by_parent(signal);
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

// SPDX-License-Identifier: BSD-3-Clause
//
// Children of a process: see below.h. They are read from /proc/PID/task/TID/children; a kernel without that file is served
// by looking at every process's parent.
#include "config.h"

#include "proc/below.h"

#include <dirent.h>
#include <signal.h>

struct list {
    pid_t *pids; // owned
    size_t count, room;
};

static size_t each_listed(FILE *file, void (*fn)(void *arg, pid_t pid), void *arg)
{
    size_t count = 0;
    for (int pid; fscanf(file, "%d", &pid) == 1; count++)
        fn(arg, pid);
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

static size_t each_by_parent(pid_t parent, void (*fn)(void *arg, pid_t pid), void *arg)
{
    size_t count = 0;
    DIR *processes = opendir("/proc");
    if (!processes)
        return 0;
    for (struct dirent *entry; (entry = readdir(processes));) {
        long long pid;
        if (!parse_number(entry->d_name, 1, 1LL << 31, &pid) || parent_of(entry->d_name) != parent)
            continue;
        fn(arg, (pid_t)pid);
        count++;
    }
    closedir(processes);
    return count;
}

size_t below_each(pid_t parent, void (*fn)(void *arg, pid_t pid), void *arg)
{
    char path[300];
    size_t count = 0, lists = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
    DIR *threads = opendir(path);
    if (!threads)
        return 0;
    for (struct dirent *entry; (entry = readdir(threads));) {
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)parent, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (!file)
            continue;
        lists++;
        count += each_listed(file, fn, arg);
        fclose(file);
    }
    closedir(threads);
    return lists ? count : each_by_parent(parent, fn, arg);
}

static void stop(void *arg, pid_t pid)
{
    struct list *list = arg;
    kill(pid, SIGSTOP);
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        pid_t *pids = realloc(list->pids, room * sizeof *pids);
        if (!pids) { // it alone, then
            kill(pid, SIGKILL);
            return;
        }
        list->pids = pids;
        list->room = room;
    }
    list->pids[list->count++] = pid;
}

void below_kill(pid_t top)
{
    struct list list = {0};
    stop(&list, top);
    for (size_t i = 0; i < list.count; i++)
        below_each(list.pids[i], stop, &list);
    for (size_t i = 0; i < list.count; i++)
        kill(list.pids[i], SIGKILL);
    free(list.pids);
}

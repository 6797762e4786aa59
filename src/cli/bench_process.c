// SPDX-License-Identifier: BSD-3-Clause
//
// What processes use, read from /proc; and who they are: the agent is at the other end of the socket
// that DRAGON_RUNTIME names, dragon-run is its parent.
#include "config.h"

#include "cli/bench.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static FILE *proc_open(pid_t pid, const char *name)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

// The sum of the lines that begin with `name`.
static long proc_sum(FILE *file, const char *name)
{
    char line[256];
    long sum = 0;
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, name, strlen(name)) == 0)
            sum += strtol(colon + 1, NULL, 10);
    }
    return sum;
}

static bool read_memory(pid_t pid, struct usage *usage)
{
    FILE *file = proc_open(pid, "smaps_rollup");
    if (!file)
        return false;
    usage->own_mb = (double)proc_sum(file, "Private_") / 1024;
    usage->share_mb = (double)proc_sum(file, "Pss:") / 1024;
    usage->rss_mb = (double)proc_sum(file, "Rss:") / 1024;
    fclose(file);
    return true;
}

// Calls `fn` for the entries of a folder of the process, and adds up what it says.
static long sum_entries(pid_t pid, const char *folder, long (*fn)(pid_t pid, const char *entry))
{
    char path[80];
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, folder);
    DIR *entries = opendir(path);
    if (!entries)
        return 0;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (entry->d_name[0] != '.')
            sum += fn(pid, entry->d_name);
    closedir(entries);
    return sum;
}

static long one(pid_t pid, const char *entry)
{
    (void)pid;
    (void)entry;
    return 1;
}

static long switches(pid_t pid, const char *thread)
{
    char name[60];
    snprintf(name, sizeof name, "task/%.20s/status", thread);
    FILE *file = proc_open(pid, name);
    if (!file)
        return 0;
    long sum = proc_sum(file, "voluntary_ctxt_switches") + proc_sum(file, "nonvoluntary_");
    fclose(file);
    return sum;
}

// The fields of /proc/PID/stat behind the name, which may hold anything: the parent, and time used.
static bool read_stat(pid_t pid, int *parent_out, long *ticks_out)
{
    char line[1024] = "";
    long user = 0, system = 0;
    FILE *file = proc_open(pid, "stat");
    if (!file)
        return false;
    char *text = fgets(line, sizeof line, file), *after = text ? strrchr(text, ')') : NULL;
    fclose(file);
    bool good = after && sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
                                parent_out, &user, &system) == 3;
    *ticks_out = user + system;
    return good;
}

bool usage_read(pid_t pid, struct usage *usage_out)
{
    struct usage usage = {0};
    int parent;
    if (pid <= 0 || !read_memory(pid, &usage) || !read_stat(pid, &parent, &usage.cpu_ticks))
        return false;
    usage.descriptors = sum_entries(pid, "fd", one);
    usage.wakeups = sum_entries(pid, "task", switches);
    *usage_out = usage;
    return true;
}

pid_t process_agent(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t length = sizeof peer;
    const char *path = getenv("DRAGON_RUNTIME");
    if (!path || strlen(path) >= sizeof address.sun_path)
        return 0;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        peer.pid = 0;
    close(fd);
    return peer.pid;
}

pid_t process_parent(pid_t pid)
{
    int parent;
    long ticks;
    return read_stat(pid, &parent, &ticks) ? parent : 0;
}

static bool has_name(pid_t pid, const char *name)
{
    char line[64] = "";
    FILE *file = proc_open(pid, "comm");
    if (!file)
        return false;
    char *text = fgets(line, sizeof line, file);
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    return text && strcmp(line, name) == 0;
}

pid_t process_child(pid_t parent, const char *name)
{
    pid_t found = 0;
    DIR *processes = opendir("/proc");
    if (!processes)
        return 0;
    for (struct dirent *entry; found == 0 && (entry = readdir(processes));) {
        long long pid;
        if (parse_number(entry->d_name, 1, 1LL << 31, &pid) &&
            process_parent((pid_t)pid) == parent && has_name((pid_t)pid, name))
            found = (pid_t)pid;
    }
    closedir(processes);
    return found;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Redis and memcached as peers: a server that keeps nothing on disk, in a directory of its own, with all connections that
// will be needed; then the directory goes.
#include "config.h"

#include "cli/bench_dict.h"
#include "cli/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UP_MS = 10000, ANSWER_S = 10 };
enum { DIRECTORY_MOST = 90 }; // the path of a socket has 107 bytes

const char *store_name(const struct store *store)
{
    return store->kind == STORE_REDIS ? "Redis" : "memcached";
}

// ---- the server

static char **command_of(enum store_kind kind, char *program, const char *directory,
                         const char *socket)
{
    char *const redis[] = {program,
                           "--port",
                           "0",
                           "--unixsocket",
                           (char *)socket,
                           "--dir",
                           (char *)directory,
                           "--save",
                           "",
                           "--appendonly",
                           "no",
                           "--daemonize",
                           "no",
                           NULL};
    char *const memcached[] = {program, "-s", (char *)socket, "-m", "256", "-u", "root", NULL};
    char *const *words = kind == STORE_REDIS ? redis : memcached;
    char **list = NULL;
    bool good = true;
    for (; good && *words; words++)
        good = strv_push(&list, *words);
    if (good)
        return list;
    strv_free(list);
    return NULL;
}

// It dies with us. Between fork and exec nothing is called that may wait for a lock.
static pid_t spawn(char *const *command)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid < 0 ? 0 : pid;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = 0; nowhere >= 0 && fd < 3; fd++)
        dup2(nowhere, fd);
    if (getppid() == parent)
        execv(command[0], command);
    _exit(127);
}

// ---- its connections

static int link_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = ANSWER_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

// The first one comes when the server is up.
static bool links_open(struct store *store, const char *path)
{
    uint64_t deadline_ms = time_now_ms() + UP_MS;
    struct timespec pause = {.tv_nsec = 5000000};
    bool runs = true;
    while (runs && (store->links[0] = link_open(path)) < 0 && time_left_ms(deadline_ms) > 0) {
        nanosleep(&pause, NULL);
        runs = waitpid(store->pid, NULL, WNOHANG) == 0;
    }
    if (!runs)
        store->pid = 0;
    for (int i = 1; store->links[0] >= 0 && i < STORE_LINKS; i++)
        if ((store->links[i] = link_open(path)) < 0)
            return false;
    return store->links[0] >= 0;
}

// ---- its life

static void start_in(struct store *store, char *program, const char *directory)
{
    char path[DIRECTORY_MOST + 8];
    snprintf(path, sizeof path, "%s/socket", directory);
    char **command = command_of(store->kind, program, directory, path);
    store->pid = command ? spawn(command) : 0;
    if (!store->pid || !links_open(store, path))
        snprintf(store->missing, sizeof store->missing, "%s does not come up", program);
    strv_free(command);
    unlink(path);
}

void store_start(struct store *store, enum store_kind kind)
{
    static const char *const programs[] = {"redis-server", "memcached"};
    const char *parent = getenv("TMPDIR");
    char directory[DIRECTORY_MOST];
    if (!parent || strlen(parent) > DIRECTORY_MOST / 2)
        parent = "/tmp";
    snprintf(directory, sizeof directory, "%s/dragon-bench-XXXXXX", parent);
    *store = (struct store){.kind = kind};
    for (int i = 0; i < STORE_LINKS; i++)
        store->links[i] = -1;
    char *program = command_find(programs[kind]);
    if (!program)
        snprintf(store->missing, sizeof store->missing, "install %s", programs[kind]);
    else if (!mkdtemp(directory))
        snprintf(store->missing, sizeof store->missing, "no directory in %s: %s", parent,
                 strerror(errno));
    else {
        start_in(store, program, directory);
        rmdir(directory);
    }
    free(program);
    if (store->missing[0])
        store_end(store);
}

void store_pin(struct store *store, const char *list)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/task", (int)store->pid);
    DIR *threads = store->pid ? opendir(path) : NULL;
    long long thread;
    for (struct dirent *entry; threads && (entry = readdir(threads));)
        if (parse_number(entry->d_name, 1, 1LL << 31, &thread))
            cores_pin_thread((pid_t)thread, list);
    if (threads)
        closedir(threads);
}

void store_end(struct store *store)
{
    for (int i = 0; i < STORE_LINKS; i++) {
        if (store->links[i] >= 0)
            close(store->links[i]);
        store->links[i] = -1;
    }
    if (store->pid) {
        kill(store->pid, SIGKILL); // it has nothing to keep
        waitpid(store->pid, NULL, 0);
    }
    store->pid = 0;
}

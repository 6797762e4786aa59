// SPDX-License-Identifier: BSD-3-Clause
//
// What the programs of other libraries have in common that dragon-bench channel runs: two processes on the given
// cores, one of which binds, measures and prints one number; the other connects.
//
//     dragon-bench-zmq latency|rate ipc|tcp BYTES COUNT CORES
//
// latency: COUNT turns, the time of one way in us. rate: COUNT messages, how many arrive in a second.
#ifndef PERF_PAIR_H
#define PERF_PAIR_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAIR_SECONDS = 50, PAIR_WARM = 16 }; // then it is given up; and the part that only warms

struct pair {
    bool latency, tcp;
    size_t bytes;
    long count;
    char *buffer;
    char url[200]; // to bind to
    int link[2];   // how the other process learns what to connect to
};

__attribute__((noreturn)) static inline void pair_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline double pair_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void pair_pin(const char *list)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        CPU_SET((size_t)strtol(at, NULL, 10), &set);
    if (*list)
        sched_setaffinity(0, sizeof set, &set);
}

static inline void pair_tell(const struct pair *pair, const char *url)
{
    if (write(pair->link[1], url, strlen(url) + 1) < 0)
        pair_die("write", "the other process is gone");
}

static inline void pair_hear(const struct pair *pair, char *url, size_t room)
{
    ssize_t got = read(pair->link[0], url, room);
    if (got <= 0 || url[got - 1] != 0)
        pair_die("read", "the other process is gone");
}

// The number for what was done between two moments.
static inline double pair_result(const struct pair *pair, double begin, double end)
{
    return pair->latency ? (end - begin) / 2 / (double)pair->count * 1e6
                         : (double)pair->count / (end - begin);
}

static inline int pair_main(int argc, char **argv, double (*bind)(struct pair *pair),
                            void (*connect)(struct pair *pair))
{
    struct pair pair = {0};
    char folder[] = "/tmp/dragon-peer-XXXXXX";
    if (argc != 6)
        pair_die(argv[0], "latency|rate ipc|tcp BYTES COUNT CORES");
    pair.latency = strcmp(argv[1], "latency") == 0;
    pair.tcp = strcmp(argv[2], "tcp") == 0;
    pair.bytes = (size_t)strtoul(argv[3], NULL, 10);
    pair.count = strtol(argv[4], NULL, 10);
    pair.buffer = calloc(1, pair.bytes + 1);
    if (!pair.buffer || pair.count < 1 || !mkdtemp(folder) || pipe(pair.link) != 0)
        pair_die(argv[0], "no memory, descriptors or folder");
    snprintf(pair.url, sizeof pair.url, "ipc://%s/socket", folder);
    pair_pin(argv[5]);
    pid_t pid = fork();
    alarm(PAIR_SECONDS);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        connect(&pair);
        _exit(0);
    }
    double result = bind(&pair);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    unlink(pair.url + strlen("ipc://"));
    rmdir(folder);
    free(pair.buffer);
    return printf("%.9g\n", result) > 0 ? 0 : 1;
}

#endif

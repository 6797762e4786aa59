// SPDX-License-Identifier: BSD-3-Clause
//
// What ucx_perftest, UCX's own test, measures between this node and another one.
#include "config.h"

#include "cli/bench_channel.h"
#include "cli/command.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PERF_MS = 60000, CONNECT_MS = 10000, WARM = 200, COUNT_LEAST = 8 };

// Large messages are few, and take no long warming.
static long warm_count(const struct perftest *perftest)
{
    return perftest->bytes > 1 << 20 ? 2 : WARM;
}

bool perftest_is_latency(const struct perftest *perftest)
{
    return strcmp(perftest->test, "ucp_am_lat") == 0;
}

struct other bench_find_other(struct bench *bench)
{
    struct other other = {.node = -1};
    dragon_system_t *system;
    uint32_t here = dragon_runtime_node(bench->runtime);
    if (dragon_system_look(bench->runtime, &system, NULL) != DRAGON_OK)
        return other;
    for (uint32_t i = 0; other.node < 0 && i < dragon_system_nodes(system); i++) {
        const dragon_node_t *node = dragon_system_node(system, i);
        if (node->number == here)
            continue;
        other.node = (int)node->number;
        snprintf(other.host, sizeof other.host, "%s", node->host);
        other.same_host = strcmp(node->host, dragon_system_node(system, here)->host) == 0;
    }
    dragon_system_destroy(system);
    return other;
}

// ---- ucx_perftest

// A port that is free on this host, and likely on the other.
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
                getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    if (fd >= 0)
        close(fd);
    return good ? ntohs(address.sin_port) : 0;
}

static bool push_common(char ***list, const struct perftest *perftest, int port, int core)
{
    bool good = strv_push(list, perftest->program) && strv_push(list, "-p") &&
                strv_pushf(list, "%d", port) && strv_push(list, "-e") && strv_push(list, "-I");
    return good && (core < 0 || (strv_push(list, "-c") && strv_pushf(list, "%d", core)));
}

static char **client_command(const struct versus *versus, const struct perftest *perftest, int port)
{
    long count = (long)versus->ms * (perftest->sleeps ? 20 : 100);
    if (!perftest_is_latency(perftest))
        count = (long)versus->ms * (64 << 20) / 200 / (long)perftest->bytes * 2;
    if (count < COUNT_LEAST)
        count = COUNT_LEAST;
    char **list = NULL;
    bool good =
        push_common(&list, perftest, port, perftest->other.same_host ? versus->cores.a : -1) &&
        strv_push(&list, perftest->other.same_host ? "127.0.0.1" : perftest->other.host) &&
        strv_push(&list, "-t") && strv_push(&list, perftest->test) && strv_push(&list, "-s") &&
        strv_pushf(&list, "%zu", perftest->bytes) && strv_push(&list, "-n") &&
        strv_pushf(&list, "%ld", count + warm_count(perftest)) && strv_push(&list, "-w") &&
        strv_pushf(&list, "%ld", warm_count(perftest)) && strv_push(&list, "-E") &&
        strv_push(&list, perftest->sleeps ? "sleep" : "poll") && strv_push(&list, "-f") &&
        strv_push(&list, "-v");
    if (good)
        return list;
    strv_free(list);
    return NULL;
}

// The last line: iterations, 3 latencies (us), 2 bandwidths, 2 rates, of which the last of each is of the whole.
static double parse_result(const char *text, const struct perftest *perftest)
{
    double values[8];
    const char *last = text;
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        last = at;
    if (sscanf(last, "%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf", &values[0], &values[1], &values[2],
               &values[3], &values[4], &values[5], &values[6], &values[7]) != 8)
        return -1;
    return perftest_is_latency(perftest) ? values[3] : values[7] * (double)perftest->bytes / 1e6;
}

// The other side takes its time to listen.
static double run_client(struct versus *versus, const struct perftest *perftest, int port)
{
    char **list = client_command(versus, perftest, port);
    uint64_t deadline_ms = time_now_ms() + CONNECT_MS;
    double result = -1;
    struct timespec pause = {.tv_nsec = 50000000};
    while (list && result < 0 && time_left_ms(deadline_ms) > 0) {
        struct command command = {.argv = list, .limit_ms = PERF_MS};
        char *text = command_text(&command, NULL);
        result = text ? parse_result(text, perftest) : -1;
        free(text);
        if (result < 0)
            nanosleep(&pause, NULL);
    }
    strv_free(list);
    return result;
}

double perftest_run(struct versus *versus, const struct perftest *perftest)
{
    int port = free_port();
    char **list = NULL;
    dragon_group_t *server = NULL;
    if (port &&
        push_common(&list, perftest, port, perftest->other.same_host ? versus->cores.b : -1))
        server = bench_start_on(versus->bench, list, NULL, perftest->other.node, &versus->figure);
    double result = server ? run_client(versus, perftest, port) : -1;
    dragon_group_destroy(server);
    strv_free(list);
    return result;
}

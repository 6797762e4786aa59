// SPDX-License-Identifier: BSD-3-Clause
//
// Between two nodes, against what UCX's own test measures between the same two, with active messages and the same way
// of waiting. Which transport is taken is left to UCX in both, and can be said to both with UCX_TLS.
#include "config.h"

#include "cli/bench_channel.h"
#include "cli/command.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PERF_MS = 60000, CONNECT_MS = 10000, WARM = 200 };

struct far_case {
    const char *name, *what;
    bool direct, bandwidth;
    size_t bytes;
    dragon_wait_t wait;
    double aim; // 0: none
};

static const struct far_case far_cases[] = {
    {"nodes-latency-spin", "8 bytes one way, both sides look", false, false, 8, DRAGON_WAIT_SPIN,
     0},
    {"nodes-latency-spin-direct", "  to a single receiver", true, false, 8, DRAGON_WAIT_SPIN, 1.2},
    {"nodes-latency-idle", "8 bytes one way, both sides sleep", false, false, 8, DRAGON_WAIT_IDLE,
     0},
    {"nodes-latency-idle-direct", "  to a single receiver", true, false, 8, DRAGON_WAIT_IDLE, 1.2},
    {"nodes-64k", "messages of 64 KiB", false, true, 64 << 10, DRAGON_WAIT_SPIN, 0},
    {"nodes-64k-direct", "  to a single receiver", true, true, 64 << 10, DRAGON_WAIT_SPIN, 0.9},
    {"nodes-1024k", "messages of 1 MiB", false, true, 1 << 20, DRAGON_WAIT_SPIN, 0},
    {"nodes-1024k-direct", "  to a single receiver", true, true, 1 << 20, DRAGON_WAIT_SPIN, 0.9},
};

// ---- the other node

struct other {
    int node; // below 0: there is none
    char host[256];
    bool same_host;
};

static struct other find_other(struct bench *bench)
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

int bench_other_node(struct bench *bench)
{
    return find_other(bench).node;
}

// ---- ucx_perftest

struct far {
    const struct far_case *which;
    struct other other;
    char *perftest; // owned; NULL: not installed
};

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

static bool push_common(char ***list, const struct far *far, int port, int core)
{
    bool good = strv_push(list, far->perftest) && strv_push(list, "-p") &&
                strv_pushf(list, "%d", port) && strv_push(list, "-e") && strv_push(list, "-I");
    return good && (core < 0 || (strv_push(list, "-c") && strv_pushf(list, "%d", core)));
}

static char **client_command(const struct versus *versus, int port)
{
    const struct far *far = versus->arg;
    const struct far_case *which = far->which;
    bool sleeps = which->wait == DRAGON_WAIT_IDLE;
    long count = which->bandwidth ? (long)versus->ms * (64 << 20) / 200 / (long)which->bytes * 2
                                  : (long)versus->ms * (sleeps ? 20 : 100);
    char **list = NULL;
    bool good = push_common(&list, far, port, far->other.same_host ? versus->cores.a : -1) &&
                strv_push(&list, far->other.same_host ? "127.0.0.1" : far->other.host) &&
                strv_push(&list, "-t") &&
                strv_push(&list, which->bandwidth ? "ucp_am_bw" : "ucp_am_lat") &&
                strv_push(&list, "-s") && strv_pushf(&list, "%zu", which->bytes) &&
                strv_push(&list, "-n") && strv_pushf(&list, "%ld", count + WARM) &&
                strv_push(&list, "-w") && strv_pushf(&list, "%d", WARM) && strv_push(&list, "-E") &&
                strv_push(&list, sleeps ? "sleep" : "poll") && strv_push(&list, "-f") &&
                strv_push(&list, "-v");
    if (good)
        return list;
    strv_free(list);
    return NULL;
}

// The last line: iterations, 3 latencies (us), 2 bandwidths, 2 rates, of which the last of each is of the whole.
static double parse_result(const char *text, const struct far_case *which)
{
    double values[8];
    const char *last = text;
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        last = at;
    if (sscanf(last, "%lf,%lf,%lf,%lf,%lf,%lf,%lf,%lf", &values[0], &values[1], &values[2],
               &values[3], &values[4], &values[5], &values[6], &values[7]) != 8)
        return -1;
    return which->bandwidth ? values[7] * (double)which->bytes / 1e6 : values[3];
}

// The other side takes its time to listen.
static double run_client(struct versus *versus, int port)
{
    const struct far *far = versus->arg;
    char **list = client_command(versus, port);
    uint64_t deadline_ms = time_now_ms() + CONNECT_MS;
    double result = -1;
    struct timespec pause = {.tv_nsec = 50000000};
    while (list && result < 0 && time_left_ms(deadline_ms) > 0) {
        struct command command = {.argv = list, .limit_ms = PERF_MS};
        char *text = command_text(&command, NULL);
        result = text ? parse_result(text, far->which) : -1;
        free(text);
        if (result < 0)
            nanosleep(&pause, NULL);
    }
    strv_free(list);
    return result;
}

static double run_perftest(struct versus *versus)
{
    const struct far *far = versus->arg;
    int port = free_port();
    char **list = NULL;
    dragon_group_t *server = NULL;
    if (port && push_common(&list, far, port, far->other.same_host ? versus->cores.b : -1))
        server = bench_start_on(versus->bench, list, NULL, far->other.node, &versus->figure);
    double result = server ? run_client(versus, port) : -1;
    dragon_group_destroy(server);
    strv_free(list);
    return result;
}

// ---- the part

static void measure(struct bench *bench, struct far *far)
{
    const struct far_case *which = far->which;
    struct versus versus = versus_init(bench, which->bytes);
    versus_name(&versus, "%s", which->name);
    versus_what(&versus, "%s", which->what);
    versus.figure.unit = which->bandwidth ? "MB/s" : "us";
    versus.figure.aim = which->aim == 0 ? AIM_NONE : which->bandwidth ? AIM_AT_LEAST : AIM_AT_MOST;
    versus.figure.aim_value = which->aim;
    versus.pairs = bench->quick ? 1 : 7;
    versus.plan.wait = which->wait;
    versus.plan.direct = which->direct;
    versus.plan.node = far->other.node;
    versus.ours = which->bandwidth ? versus_stream_mbs : versus_ping_us;
    versus.pinned = far->other.same_host;
    versus.arg = far;
    if (far->other.node < 0) {
        versus_skip(&versus, "the runtime has one node; start it with dragon-run on two hosts, or "
                             "with --test-hosts 2");
        return;
    }
    if (far->perftest) {
        versus_peer(&versus, "ucx_perftest %s, %s", which->bandwidth ? "ucp_am_bw" : "ucp_am_lat",
                    which->wait == DRAGON_WAIT_IDLE ? "sleeping" : "polling");
        versus.peer = run_perftest;
    } else
        figure_note(&versus.figure, "the peer was not measured: install ucx_perftest (ucx-utils)");
    versus_run(&versus);
}

void bench_channel_nodes(struct bench *bench)
{
    struct far far = {.other = find_other(bench), .perftest = command_find("ucx_perftest")};
    for (size_t i = 0; i < sizeof far_cases / sizeof *far_cases; i++) {
        far.which = &far_cases[i];
        measure(bench, &far);
    }
    free(far.perftest);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Who waits uses nothing: ranks of both nodes wait in every way for some seconds, in which they and the runtime's own
// processes, agents and transports, use no time and are not woken. Then each gets what it waits for.
#include "chan.h"

#include <dirent.h>

enum { WATCHED_MS = 3000, WAKE_UPS_MOST = 3, TICKS_MOST = 2 };

static const char *const ways[] = {"receive", "set", "fd", "poll", "send", "lock", "stream", NULL};
enum { WAYS = 7, NODES = 2, SENT = 3 + DRAGON_CHANNEL_UNDER_WAY }; // more than can be under way

// ---- the ranks

// As a program with an event loop does.
static void wait_by_fd(dragon_channel_set_t *set)
{
    dragon_ready_t ready;
    size_t count;
    for (;;) {
        struct pollfd fd = {.fd = dragon_channel_set_fd(set), .events = POLLIN};
        dragon_err_t err = dragon_channel_set_wait_any(set, &ready, 1, &count, 0);
        if (err == DRAGON_OK)
            return;
        CHAN_DEMAND(err == DRAGON_ERR_AGAIN && fd.fd >= 0);
        CHAN_DEMAND(poll(&fd, 1, TAP_WAIT_MS) == 1);
    }
}

static void wait_in_set(dragon_runtime_t *runtime, dragon_channel_t *channel, const char *other,
                        bool by_fd)
{
    dragon_channel_set_t *set = NULL;
    dragon_channel_t *second = chan_attach(runtime, other);
    dragon_ready_t ready;
    size_t count;
    int value;
    CHAN_DEMAND(dragon_channel_set_create(runtime, &set) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_set_add(set, channel, DRAGON_POLL_RECEIVE, NULL) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_set_add(set, second, DRAGON_POLL_RECEIVE, NULL) == DRAGON_OK);
    if (by_fd)
        wait_by_fd(set);
    else
        CHAN_DEMAND(dragon_channel_set_wait_any(set, &ready, 1, &count, TAP_WAIT_MS) == DRAGON_OK);
    CHAN_DEMAND(dragon_channel_receive(channel, &value, sizeof value, NULL, 0) == DRAGON_OK);
    dragon_channel_set_destroy(set);
    dragon_channel_detach(second);
}

// `other` is a channel that nobody sends to, on the other node.
static int be_waiter(const char *how, const char *descriptor, const char *other)
{
    dragon_runtime_t *runtime = tap_attach();
    int value = 0, events;
    if (strcmp(how, "lock") == 0) {
        dragon_lock_t *lock = NULL;
        CHAN_DEMAND(dragon_lock_attach(runtime, descriptor, &lock, NULL) == DRAGON_OK);
        CHAN_DEMAND(dragon_lock_acquire(lock, NULL, TAP_WAIT_MS) == DRAGON_OK);
        dragon_lock_detach(lock);
        dragon_runtime_detach(runtime);
        return 0;
    }
    dragon_channel_t *channel = chan_attach(runtime, descriptor);
    if (strcmp(how, "receive") == 0)
        CHAN_DEMAND(dragon_channel_receive(channel, &value, sizeof value, NULL, TAP_WAIT_MS) ==
                    DRAGON_OK);
    else if (strcmp(how, "poll") == 0)
        CHAN_DEMAND(dragon_channel_poll(channel, DRAGON_POLL_RECEIVE, &events, TAP_WAIT_MS) ==
                    DRAGON_OK);
    else if (strcmp(how, "send") == 0)
        for (int i = 0; i < SENT; i++)
            CHAN_DEMAND(dragon_channel_send(channel, &value, sizeof value, 0, TAP_WAIT_MS) ==
                        DRAGON_OK);
    else if (strcmp(how, "stream") == 0) {
        dragon_stream_t *stream = NULL;
        CHAN_DEMAND(dragon_stream_accept(channel, &stream, NULL, TAP_WAIT_MS, NULL) == DRAGON_OK);
        CHAN_DEMAND(dragon_stream_close(stream, TAP_WAIT_MS) == DRAGON_OK);
    } else
        wait_in_set(runtime, channel, other, strcmp(how, "fd") == 0);
    dragon_channel_detach(channel);
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- what a process uses

struct use {
    long switches, ticks;
    char state;
};

static struct use use_of(int pid)
{
    struct use use = {-1, -1, '?'};
    char path[64], text[2048];
    long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    tap_read_file(path, text, sizeof text);
    const char *at = strstr(text, "\nvoluntary_ctxt_switches:");
    if (at)
        sscanf(at, "\nvoluntary_ctxt_switches: %ld", &use.switches);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    tap_read_file(path, text, sizeof text);
    at = strrchr(text, ')');
    if (at && sscanf(at, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &use.state, &user,
                     &system) == 3)
        use.ticks = user + system;
    return use;
}

struct watched {
    char what[80];
    int pid;
    struct use before;
};

static struct watched watched[64];
static int watched_count;

static void watch(const char *what, int pid)
{
    struct watched *one = &watched[watched_count++];
    snprintf(one->what, sizeof one->what, "%s", what);
    one->pid = pid;
}

// All asleep for a while, and not just in between.
static bool fall_asleep(void)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    int quiet = 0;
    while (quiet < 30 && tap_now_ms() < deadline) {
        tap_nap();
        quiet++;
        for (int i = 0; i < watched_count; i++) {
            struct use now = use_of(watched[i].pid);
            if (now.state != 'S' || now.switches != watched[i].before.switches)
                quiet = 0;
            watched[i].before = now;
        }
    }
    return quiet == 30;
}

// The agents and transports of this runtime: what our rank's tree of processes has of these names.
static int parent_of(int pid)
{
    char path[64], text[1024];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    tap_read_file(path, text, sizeof text);
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at, ") %*c %d", &parent);
    return parent;
}

static void watch_transports(const int *agents, int count)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc))) {
        int pid = (int)strtol(entry->d_name, NULL, 10), parent = pid ? parent_of(pid) : 0;
        char path[64], name[32];
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        for (int i = 0; pid && i < count; i++) {
            if (parent != agents[i])
                continue;
            tap_read_file(path, name, sizeof name);
            if (strncmp(name, "dragon-transpor", 15) == 0)
                watch("a transport", pid);
        }
    }
    if (proc)
        closedir(proc);
}

// ---- the head

struct waits {
    dragon_channel_t *channel, *silent;
    dragon_lock_t *lock;
    dragon_group_t *group;
};

static struct waits begin(dragon_runtime_t *runtime, int home, int at, const char *how)
{
    struct waits waits = {chan_at(runtime, home, 2), chan_at(runtime, !home, 0), NULL, NULL};
    char host[12];
    const char *descriptor = dragon_channel_descriptor(waits.channel);
    if (strcmp(how, "lock") == 0) {
        chan_need(dragon_lock_create(runtime, home, &waits.lock, NULL), NULL, "no lock");
        chan_need(dragon_lock_acquire(waits.lock, NULL, 0), NULL, "no lock");
        descriptor = dragon_lock_descriptor(waits.lock);
    }
    const char *const argv[] = {how, descriptor, dragon_channel_descriptor(waits.silent), NULL};
    snprintf(host, sizeof host, "%d", at);
    waits.group = chan_ranks(runtime, host, 1, argv);
    return waits;
}

static void release(struct waits *waits, const char *how)
{
    int value = 1;
    dragon_error_t error;
    if (waits->lock) {
        dragon_lock_release(waits->lock);
    } else if (strcmp(how, "send") == 0) {
        while (dragon_channel_receive(waits->channel, &value, sizeof value, NULL, 2000) ==
               DRAGON_OK)
            ;
    } else if (strcmp(how, "stream") == 0) {
        dragon_stream_t *stream = NULL;
        chan_need(dragon_stream_open(waits->channel, 0, &stream, TAP_WAIT_MS, &error), &error,
                  "no stream");
        dragon_stream_close(stream, TAP_WAIT_MS);
    } else {
        dragon_channel_send(waits->channel, &value, sizeof value, 0, TAP_WAIT_MS);
    }
}

int main(int argc, char **argv)
{
    chan_be_empty(argc, argv);
    if (argc == 4)
        return be_waiter(argv[1], argv[2], argv[3]);
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    struct waits all[WAYS][NODES][NODES];
    char what[80];
    int agents[NODES], agent_count = 0;
    for (int way = 0; ways[way]; way++)
        for (int home = 0; home < NODES; home++)
            for (int at = 0; at < NODES; at++) {
                dragon_rank_status_t status;
                all[way][home][at] = begin(runtime, home, at, ways[way]);
                if (!tap_is_up(runtime, all[way][home][at].group, 0, &status))
                    return 1;
                snprintf(what, sizeof what, "%s, %s", ways[way],
                         home == at ? "of its node" : "of another node");
                watch(what, status.pid);
                if (home == 0 && agent_count == at)
                    agents[agent_count++] = parent_of(status.pid);
            }
    for (int i = 0; i < agent_count; i++)
        watch("an agent", agents[i]);
    watch_transports(agents, agent_count);
    tap_check(fall_asleep(), "all of %d processes sleep", watched_count);
    poll(NULL, 0, WATCHED_MS); // what is measured takes its time
    bool idle = true, quiet = true;
    for (int i = 0; i < watched_count; i++) {
        struct use now = use_of(watched[i].pid);
        long ticks = now.ticks - watched[i].before.ticks;
        long switches = now.switches - watched[i].before.switches;
        if (now.ticks < 0 || ticks > TICKS_MOST || switches > WAKE_UPS_MOST)
            printf("# %s: %ld ticks, woken %ld times\n", watched[i].what, ticks, switches);
        idle = idle && now.ticks >= 0 && ticks <= TICKS_MOST;
        quiet = quiet && switches <= WAKE_UPS_MOST;
    }
    tap_check(idle, "and use no time");
    tap_check(quiet, "and are not woken");
    bool ended = true;
    for (int way = 0; ways[way]; way++)
        for (int home = 0; home < NODES; home++)
            for (int at = 0; at < NODES; at++) {
                struct waits *waits = &all[way][home][at];
                release(waits, ways[way]);
                if (!chan_ranks_end(waits->group)) {
                    printf("# %s, channel on %d, rank on %d\n", ways[way], home, at);
                    ended = false;
                }
                dragon_lock_destroy(waits->lock, NULL);
                dragon_channel_destroy(waits->channel, NULL);
                dragon_channel_destroy(waits->silent, NULL);
            }
    tap_check(ended, "each wakes when its time has come");
    tap_check(chan_memory_returns(runtime, &before) && chan_nodes_empty(runtime),
              "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}

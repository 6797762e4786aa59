// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of "dragon-bench channel" share.
//
// This process drives: it sends to a partner, another process of this program on a core or a node of its own, and
// takes the time. What a partner does is its role. Both are pinned, and so are the bare limits of the machine that
// are the peers; programs of other libraries may use the same cores as they like.
#ifndef CLI_BENCH_CHANNEL_H
#define CLI_BENCH_CHANNEL_H

#include "cli/bench.h"

enum {
    BENCH_WAIT_MS = 30000, // for a partner to do anything
    CREW_MOST = 8,         // partners at once
    PAIRS_MOST = CREW_MOST / 2,
};

// ---- cores (bench_cores.c)

// Two cores of this machine that share no hardware threads, if there are such; both the same when there is one.
struct cores {
    int a, b;
    char both[24]; // "0,1"
};

// Nodes that share a host have a part of its cores each, which may be one: then all of them are used.
void cores_widen(void);
struct cores cores_choose(void);
void cores_pin(const char *list); // this process; "" leaves it as it is
void cores_pin_to(int core);
void cores_pin_thread(pid_t thread, const char *list); // of another process
void cores_unpin(void); // as it was when cores_choose was called first

// ---- limits of the machine, without any library (bench_limits.c)
//
// All return below 0 when they could not be taken; `ms` is how long they take.

// One way of a ping-pong between two processes that keep looking: in one cache line that both write, or in two, of
// which each is written by one side, as any channel that goes both ways needs.
double limit_line_ns(const struct cores *cores, bool two, int ms);
// One way of a ping-pong of sleeping processes; several pairs on the same two cores.
double limit_futex_us(const struct cores *cores, int pairs, int ms);
// Copies of `bytes`, one after the other into so many places.
double limit_memcpy_mbs(const struct cores *cores, size_t bytes, uint32_t places, int ms);
// The same from one process to another: copied into a place by the one, out of it by the other.
double limit_pipeline_mbs(const struct cores *cores, size_t bytes, uint32_t places, int ms);

// ---- partners (bench_partner.c)

// Roles, with their channels; and their numbers.
enum partner_role {
    PARTNER_ECHO,     // in, out; bytes: sends back what it gets
    PARTNER_BOUNCE,   // in, out: the same without a copy
    PARTNER_SINK,     // in, out; bytes: answers messages with TAG_ANSWER
    PARTNER_WAIT,     // in, out: ends with the first message
    PARTNER_PINGER,   // go, report, to, from; ms: drives an echo
    PARTNER_SENDER,   // go, report, data; bytes, count
    PARTNER_RECEIVER, // go, report, data; bytes: until the channel is closed
    PARTNER_CLIENT,   // orders, report: of a dictionary, see bench_dict_clients.c
    PARTNER_ROLES
};

struct partner { // as it sees itself
    dragon_runtime_t *runtime;
    dragon_channel_t *channels[4];
    long long numbers[2];
    char *buffer; // owned; of numbers[0] bytes
};

struct partner_kind {
    const char *name;
    int channels, numbers;
    dragon_err_t (*play)(struct partner *partner);
};
extern const struct partner_kind partner_kinds[PARTNER_ROLES];

// Tags of what is sent to partners and what they answer.
enum { TAG_DATA, TAG_ANSWER, TAG_STOP, TAG_READY };

struct partner_report { // of those that are told to go
    uint64_t count;     // messages, or round trips
    uint64_t begin_ns, end_ns;
};

// The first word of the command line of a partner.
#define PARTNER_WORD "partner"
int partner_main(int argc, char **argv);

// ---- those that it starts (bench_crew.c)

struct partner_plan {
    enum partner_role role;
    const char *cores; // "" is not pinned
    dragon_wait_t wait;
    int node;                      // DRAGON_HERE: a process here; else a rank there
    dragon_channel_t *channels[4]; // borrowed
    long long numbers[2];
};

struct crew {
    struct bench *bench;
    struct figure *figure; // gets the reason when something fails
    pid_t pids[CREW_MOST];
    dragon_group_t *groups[CREW_MOST]; // owned
    int count;
};

// Starts one more, which is ready when its TAG_READY comes out of its second channel.
bool bench_crew_add(struct crew *crew, const struct partner_plan *plan);
// They end by themselves when they are told to; what does not is killed.
void bench_crew_end(struct crew *crew);
// A program on a node, with these variables (name, value, ..., NULL; or NULL), as a group that is started; NULL: the
// figure has the reason.
dragon_group_t *bench_start_on(struct bench *bench, char *const *command, char *const *settings,
                               int node, struct figure *figure);

// Two channels, with a partner at the other end of both, ready.
struct duo {
    struct crew crew;
    dragon_channel_t *to, *from; // owned
};

struct duo_plan {
    enum partner_role role;
    const struct cores *cores; // this process is pinned to a, the partner to b; NULL: they are not
    dragon_wait_t wait;        // of both
    int node;                  // of the partner
    bool direct;               // each channel has its receiver alone
    uint32_t capacity;         // 0: the default
    long long bytes;           // of the role's messages
};

bool duo_start(struct bench *bench, const struct duo_plan *plan, struct duo *duo,
               struct figure *figure);
void duo_end(struct duo *duo);
// A channel that is to have no home but this; NULL: the figure has the reason.
dragon_channel_t *bench_channel_make(struct bench *bench, const dragon_channel_spec_t *spec,
                                     struct figure *figure);
// The figure failed in this call; returns below 0.
double bench_channel_fail(struct figure *figure, const char *what, dragon_err_t err);

// ---- what is measured between two (bench_duo.c)
//
// All take about so many milliseconds, after a short warming; below 0: the figure has the reason.

double duo_ping_ns(struct duo *duo, size_t bytes, int ms, struct figure *figure);     // one way
double duo_bounce_ns(struct duo *duo, size_t bytes, int ms, struct figure *figure);   // one way
double duo_stream_mbs(struct duo *duo, size_t bytes, int ms, struct figure *figure);  // to a sink
double duo_stream_rate(struct duo *duo, size_t bytes, int ms, struct figure *figure); // messages/s

// ---- pairs of ours and a peer's (bench_versus.c)

struct versus {
    struct bench *bench;
    struct figure figure;
    double (*ours)(struct versus *versus); // below 0: the figure has the reason
    double (*peer)(struct versus *versus); // NULL: there is none
    struct cores cores;
    bool pinned; // both sides; they are on one host
    struct duo_plan plan;
    size_t bytes;
    int ms, pairs;
    const void *arg; // of the part
};

// One that measures messages of `bytes` as the bench is asked to: few or many pairs.
struct versus versus_init(struct bench *bench, size_t bytes);
__attribute__((format(printf, 2, 3))) void versus_name(struct versus *versus, const char *format,
                                                       ...);
__attribute__((format(printf, 2, 3))) void versus_what(struct versus *versus, const char *format,
                                                       ...);
__attribute__((format(printf, 2, 3))) void versus_peer(struct versus *versus, const char *format,
                                                       ...);
// Takes them and reports the figure.
void versus_run(struct versus *versus);
// Reports that it was not measured.
void versus_skip(struct versus *versus, const char *why);

// What ours is, with a partner by `plan` that is there only then: one that looks for messages takes a core.
double versus_ping_ns(struct versus *versus);
double versus_ping_us(struct versus *versus);
double versus_bounce_us(struct versus *versus);
double versus_stream_mbs(struct versus *versus);
double versus_stream_rate(struct versus *versus);

// ---- ucx_perftest (bench_perftest.c)

// A node that is not this one.
struct other {
    int node; // below 0: there is none
    char host[256];
    bool same_host;
};
struct other bench_find_other(struct bench *bench);

struct perftest {
    struct other other;
    char *program;    // owned; NULL: not installed
    const char *test; // "ucp_am_lat", "ucp_am_bw"
    size_t bytes;
    bool sleeps;
};
// Between this node and the other: us one way of a test for latency, else MB/s; below 0: it failed. It takes about
// versus->ms.
double perftest_run(struct versus *versus, const struct perftest *perftest);
bool perftest_is_latency(const struct perftest *perftest);

// ---- the parts

void bench_channel_crowd(struct bench *bench); // bench_crowd.c
void bench_channel_rate(struct bench *bench);
void bench_channel_idle(struct bench *bench);  // bench_channel_idle.c
void bench_channel_nodes(struct bench *bench); // bench_nodes.c
void bench_channel_zmq(struct bench *bench);   // bench_peers.c
void bench_channel_nng(struct bench *bench);
void bench_channel_mpi(struct bench *bench);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// The messages of process groups: between a client and its agent (GC_*), and between agents (GN_*).
// doc/protocol.md has the same table; tests/lib/check-protocol compares them.
#ifndef GROUP_PROTO_H
#define GROUP_PROTO_H

#include "base/base.h"
#include "place/plan.h"

#include <dragon/group.h>

enum { GROUP_WIRE_VERSION = 3 };

// name, number, what its body holds
#define GROUP_MESSAGES(X)                                                                        \
    X(GN_SUBMIT, 16,                                                                             \
      "to node 0: u64 session, i32 process, u32 request, u8 order, u64 group, spec")             \
    X(GN_SLICE, 17, "to a node: u64 group, u32 part, slice of the plan")                         \
    X(GN_PREPARE, 18, "to all: u64 group, u32 part, u64 session, u32 owner node, plan, spec")    \
    X(GN_SIGNAL, 19, "to all: u64 group, i32 rank or -1, u32 signal, u8 why")                    \
    X(GN_RANK, 20, "to a rank's node: u64 group, u32 rank, u8 what, u32 ms")                     \
    X(GN_DISCARD, 21, "to all: u64 group whose output nobody reads any more")                    \
    X(GN_END, 22, "to all: u64 group, u32 part or all")                                          \
    X(GN_REPORTS, 23, "to node 0: u64 group, rank reports")                                      \
    X(GN_LAST_LINES, 24, "to node 0, before the report: u64 group, u32 rank, text")              \
    X(GN_ABORT, 25, "to node 0: u64 group, u32 rank, i32 process, i32 code, text")               \
    X(GN_BROKEN, 26, "to node 0: u64 group, text")                                               \
    X(GN_ASK, 27, "to node 0: u64 session, u64 group, i32 rank or -1, u32 signal, u8 ask")       \
    X(GN_QUERY, 28, "to node 0: u64 session, u32 request, u8 query, u64 group")                  \
    X(GN_SESSION_GONE, 29, "to node 0: u64 session")                                             \
    X(GN_CLIENT, 30, "to the owner's node: u64 session, u16 GC type, its body")                  \
    X(GN_CREDIT, 31, "to a node of the group: u64 group, u32 bytes of output")                   \
    X(GN_INPUT, 32, "to a node: u64 group, i32 rank or -1, bytes; none: the end")                \
    X(GN_GATHER, 33, "to the parent in an exchange: key, u32 count, pieces")                     \
    X(GN_SPREAD, 34, "to the children in an exchange: key, u32 count, pieces")                   \
    X(GN_MODEX, 35, "to a rank's node: u64 request, u64 group, u32 rank")                        \
    X(GN_MODEX_GOT, 36, "to who asked: u64 request, u64 group, i32 error, bytes")                \
    X(GN_FAMILY, 37, "to node 0: u64 group, u32 rank, u8 what its MPI library speaks")           \
    X(GC_HELLO, 64, "client: u32 wire version, text of its release, u32 process")                \
    X(GC_SUBMIT, 65, "client: u32 request, u8 order, u64 group, spec")                           \
    X(GC_ASK, 66, "client: u64 group, i32 rank or -1, u32 signal, u8 ask")                       \
    X(GC_QUERY, 67, "client: u32 request, u8 query, u64 group")                                  \
    X(GC_CREDIT, 68, "client: u64 group, u32 node, u32 bytes of output")                         \
    X(GC_INPUT, 69, "client: u64 group, u32 node, i32 rank or -1, bytes; none: the end")         \
    X(GC_WELCOME, 80,                                                                            \
      "agent: u32 wire version, release, u32 node, u32 nodes, name, runtime, u64 end")           \
    X(GC_QUEUED, 81, "agent: u32 request, u64 group, text what it waits for")                    \
    X(GC_STARTED, 82, "agent: u32 request, u64 group, i32 error, i32 code, text, then the plan") \
    X(GC_OUTPUT, 83, "agent: u64 group, u32 node, output records")                               \
    X(GC_TAKEN, 84, "agent: u64 group, u32 node, i32 rank or -1, u32 bytes of input")            \
    X(GC_REPORTS, 85, "agent: u64 group, rank reports")                                          \
    X(GC_DONE, 86, "agent: u64 group, i32 exit code, text of the cause, text of the last lines") \
    X(GC_ANSWER, 87, "agent: u32 request, i32 error, what was asked for")

enum group_message {
#define GROUP_MESSAGE_ENUM(name, number, body) name = number,
    GROUP_MESSAGES(GROUP_MESSAGE_ENUM)
#undef GROUP_MESSAGE_ENUM
};

enum { GROUP_FIRST_TYPE = GN_SUBMIT };

enum {
    GROUP_ALL_RANKS = -1,
    GROUP_NO_RANK = -2,
    GROUP_ARGS_LIMIT = 1 << 20,
    GROUP_INPUT_WINDOW = 64 << 10, // bytes of input under way, to each reader
    GROUP_PIECE = 64 << 10,        // a line up to this length is never torn
    GROUP_LAST_LINES = 2048,       // bytes of what a failed rank wrote last
    // What agents pass on fits into their messages (64 MiB), a spec and a plan together too.
    GROUP_SPEC_LIMIT = 32 << 20,
    GROUP_PLAN_LIMIT = 24 << 20,
    GROUP_ANSWER_LIMIT = 60 << 20,
};
#define GROUP_ALL_PARTS 0xffffffffu

// ---- what is asked for

enum group_order {
    ORDER_START, // a new group
    ORDER_ADD,   // ranks for one that runs; of the spec its templates count, and full
    ORDER_PLAN,  // the plan alone
    GROUP_ORDERS,
};

enum stream_kind {
    STREAM_CLIENT, // output: to the client, line by line; input: if the group's input is for this rank
    STREAM_FILE,    // `path`
    STREAM_MERGED,  // errors only: where the output goes
    STREAM_PIPE,    // output: to the client as it comes; input: its own from the client
    STREAM_DISCARD, // /dev/null
    STREAM_KINDS,
};

// What a file's name may have in braces, {rank} and so on, and the names of these words.
enum stream_word { WORD_RANK, WORD_NODE, WORD_HOST, WORD_GROUP, WORD_TEMPLATE, STREAM_WORDS };
extern const char *const stream_words[STREAM_WORDS];
// Which one the text begins with, "{rank}" and so on; STREAM_WORDS: none.
enum stream_word stream_word_at(const char *text, size_t *length_out);

struct stream_spec {
    uint8_t kind; // enum stream_kind
    char *path;   // owned, with {rank} and so on in it; "" unless STREAM_FILE
};

struct template_spec {
    uint32_t ranks;       // 0: as many as fit
    struct policy policy; // merged
    char *cwd;            // owned, as all here
    char **argv;
    char **env; // edits
    struct stream_spec in, out, err;
};

struct group_spec {
    char *name; // owned
    bool pmi;   // an MPI group
    bool detached;
    uint8_t full;    // dragon_full_t, never UNSET
    uint8_t failure; // dragon_failure_t, never UNSET
    uint8_t restart; // dragon_restart_t
    uint32_t restart_most, backoff_ms;
    int32_t input_rank; // who reads the client's input; GROUP_ALL_RANKS, GROUP_NO_RANK
    uint32_t grace_ms;  // between TERM and KILL
    uint32_t warn_signal;
    uint64_t warn_ms;  // so long before the limit
    uint64_t limit_ms; // 0: none
    uint64_t wait_ms;  // in the queue at most
    char **env;        // owned: what all templates begin with
    uint32_t template_count;
    struct template_spec *templates; // owned
};

void group_spec_fini(struct group_spec *spec);
void template_spec_fini(struct template_spec *spec);
void group_spec_pack(struct pack *pack, const struct group_spec *spec);
bool group_spec_unpack(struct unpack *unpack, struct group_spec *spec_out); // fini is the caller's
// The request that its templates make; `templates_out` is the caller's to free. False: out of memory.
bool group_spec_request(const struct group_spec *spec, uint32_t first_rank,
                        struct plan_request *request_out, struct plan_template **templates_out);

// ---- what becomes of ranks

enum rank_end {
    RANK_UP,          // no end at all: it was started
    RANK_EXITED,      // value: the exit code
    RANK_SIGNALED,    // value: the signal
    RANK_NOT_STARTED, // value: errno
    RANK_UNFINISHED,  // value: the exit code; it had MPI_Init and no MPI_Finalize
    RANK_UNCONNECTED, // exit code 0 in an MPI group that it never joined
    RANK_STUCK,       // it was killed and does not end
    RANK_NO_MEMORY,   // killed by the kernel because of its memory limit; value: the signal
    RANK_LOST,        // its node is lost, on which nobody knows of it any more; value: KILL
    RANK_ENDS,
};

struct rank_report {
    uint32_t rank;
    uint32_t node;
    int32_t pid;
    uint8_t end;   // enum rank_end
    uint8_t ours;  // it was told to stop by us before it ended
    uint8_t again; // set by the leader: it will be started again
    int32_t value;
};

enum { RANK_REPORT_BYTES = 19, RANK_VALUE_LIMIT = 0xffff };
void rank_report_pack(struct pack *pack, const struct rank_report *report);
bool rank_report_unpack(struct unpack *unpack, struct rank_report *report_out);

// What a shell would make of it: the exit code, 128 and the signal; 126 or 127 for a program that cannot
// be run, 125 when the system had no room for it.
int rank_report_code(const struct rank_report *report);

// Why GN_SIGNAL is sent.
enum signal_why {
    SIGNAL_PASSED,     // the client wants it
    SIGNAL_STOP,       // the group is to end: who ends now was told to
    SIGNAL_NO_RESTART, // no signal is sent, but who waits to be started again has ended
    SIGNAL_WHYS,
};

// What GN_RANK orders.
enum rank_order {
    RANK_START_AGAIN, // in so many ms
    RANK_REMOVE,      // TERM now, KILL in so many ms
    RANK_ORDERS,
};

// What an MPI library speaks; told of the first rank of each on a node.
enum pmi_family { FAMILY_NONE, FAMILY_PMIX, FAMILY_PMI1, PMI_FAMILIES };

// What GN_ASK and GC_ASK ask for.
enum group_ask {
    ASK_SIGNAL,     // the signal, to the rank or to all
    ASK_STOP,       // the group is to end
    ASK_DROP,       // the same, and nobody reads its output any more
    ASK_REMOVE,     // the rank is to end
    ASK_NO_RESTART, // no rank is to be started again
    GROUP_ASKS,
};

// What GN_QUERY and GC_QUERY ask for, and what the answer holds.
enum group_query {
    QUERY_WATCH,  // a group's reports and end from now on; a watch record
    QUERY_SYSTEM, // u32 nodes, node records, u32 groups, group records
    GROUP_QUERIES,
};

// Of a group, for those that did not start it.
struct watch_record {
    uint8_t state; // dragon_group_state_t
    bool pmi;
    int32_t code;      // when ended
    const char *cause; // in the message, as the plans that follow it
    uint32_t size;
    uint32_t parts; // so many plans follow, then u32 count and rank states
};
void watch_record_pack(struct pack *pack, const struct watch_record *record);
bool watch_record_unpack(struct unpack *unpack, struct watch_record *record_out);

// Where a rank is in its life, as the leader keeps it.
struct rank_state {
    int32_t pid;  // 0: not started
    int32_t code; // of the latest end; -1: none
    uint32_t restarts;
    uint8_t ended; // for good
    uint8_t removed;
    uint8_t lost; // with its node
};
void rank_state_pack(struct pack *pack, const struct rank_state *state);
bool rank_state_unpack(struct unpack *unpack, struct rank_state *state_out);

// Of a node, in a picture of the system. Then come u16 users for each core and for each GPU.
void node_record_pack(struct pack *pack, const struct ledger *ledger, uint32_t node);
struct node_record {
    const char *name, *host;
    bool lost;
    struct machine machine;           // owned
    uint16_t *core_users, *gpu_users; // owned
};
void node_record_fini(struct node_record *record);
bool node_record_unpack(struct unpack *unpack, struct node_record *record_out);

struct group_record {
    uint64_t id, age_ms;
    const char *name, *waits_for;
    uint8_t state; // dragon_group_state_t
    bool pmi, detached;
    uint32_t size, running;
    uint32_t owner_node;
    int32_t owner_pid;
    uint32_t parts; // so many plans follow, then u32 count and rank states
};
void group_record_pack(struct pack *pack, const struct group_record *record);
bool group_record_unpack(struct unpack *unpack, struct group_record *record_out);

// A piece of output. Whole lines, unless one is longer than GROUP_PIECE.
enum { OUTPUT_STDOUT = 1, OUTPUT_STDERR = 2 };

// What one node of a group spread over `nodes` nodes may have under way.
int64_t output_first_window(uint32_t nodes);

void output_pack(struct pack *pack, uint32_t rank, uint8_t stream, const void *data, size_t length);
bool output_unpack(struct unpack *unpack, uint32_t *rank_out, uint8_t *stream_out,
                   const uint8_t **data_out, size_t *length_out);

#endif

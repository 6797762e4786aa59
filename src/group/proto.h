// SPDX-License-Identifier: BSD-3-Clause
//
// The messages of process groups: between a client and its agent (GC_*), and between agents (GN_*).
// doc/protocol.md has the same table; tests/lib/check-protocol compares them.
#ifndef GROUP_PROTO_H
#define GROUP_PROTO_H

#include "base/base.h"
#include "place/plan.h"

enum { GROUP_WIRE_VERSION = 1 };

// name, number, what its body holds
#define GROUP_MESSAGES(X)                                                                        \
    X(GN_SUBMIT, 16, "to node 0: u64 session, u32 request, spec")                                \
    X(GN_PREPARE, 17, "to all: u64 group, u64 session, u32 owner node, plan, spec")              \
    X(GN_SIGNAL, 18, "to all: u64 group, i32 rank or -1, u32 signal, u8 why")                    \
    X(GN_END, 19, "to all: u64 group")                                                           \
    X(GN_EXITS, 20, "to node 0: u64 group, exit records")                                        \
    X(GN_ABORT, 21, "to node 0: u64 group, u32 rank, i32 process, i32 code, text")               \
    X(GN_BROKEN, 22, "to node 0: u64 group, text")                                               \
    X(GN_ASK, 23, "to node 0: u64 group, i32 rank or -1, u32 signal, u8 why")                    \
    X(GN_SESSION_GONE, 24, "to node 0: u64 session")                                             \
    X(GN_CLIENT, 25, "to the owner's node: u64 session, u16 GC type, its body")                  \
    X(GN_CREDIT, 26, "to a node of the group: u64 group, u32 bytes of output")                   \
    X(GN_INPUT, 27, "to rank 0's node: u64 group, bytes; none: the end")                         \
    X(GN_GATHER, 28, "to the parent in an exchange: key, u32 count, pieces")                     \
    X(GN_SPREAD, 29, "to the children in an exchange: key, u32 count, pieces")                   \
    X(GN_MODEX, 30, "to a rank's node: u64 request, u64 group, u32 rank")                        \
    X(GN_MODEX_GOT, 31, "to who asked: u64 request, u64 group, i32 error, bytes")                \
    X(GC_HELLO, 64, "client: u32 wire version, text of its release")                             \
    X(GC_START, 65, "client: u32 request, spec")                                                 \
    X(GC_SIGNAL, 66, "client: u64 group, i32 rank or -1, u32 signal, u8 why")                    \
    X(GC_CREDIT, 67, "client: u64 group, u32 node, u32 bytes of output")                         \
    X(GC_INPUT, 68, "client: u64 group, u32 node, bytes; none: the end")                         \
    X(GC_WELCOME, 80, "agent: u32 wire version, text of its release, u32 node, u32 nodes, name") \
    X(GC_STARTED, 81, "agent: u32 request, u64 group, i32 error, i32 code, text, ranks, node 0") \
    X(GC_OUTPUT, 82, "agent: u64 group, u32 node, output records")                               \
    X(GC_EXITS, 83, "agent: u64 group, exit records")                                            \
    X(GC_DONE, 84, "agent: u64 group, i32 exit code, text of the cause or empty")                \
    X(GC_TAKEN, 85, "agent: u64 group, u32 bytes of input")

enum group_message {
#define GROUP_MESSAGE_ENUM(name, number, body) name = number,
    GROUP_MESSAGES(GROUP_MESSAGE_ENUM)
#undef GROUP_MESSAGE_ENUM
};

enum { GROUP_FIRST_TYPE = GN_SUBMIT };

enum {
    GROUP_ALL_RANKS = -1,
    GROUP_ARGS_LIMIT = 1 << 20,
    GROUP_INPUT_WINDOW = 64 << 10, // bytes of input under way
    GROUP_PIECE = 64 << 10,        // a line up to this length is never torn
};

// What a client asks for.
struct group_spec {
    struct plan_request place;
    bool pmi;          // an MPI group
    bool input;        // rank 0's standard input comes from the client
    uint64_t limit_ms; // 0: none
    uint32_t grace_ms; // between TERM and KILL
    char *cwd;         // owned
    char **argv;       // owned
    char **env;        // owned
};

void group_spec_fini(struct group_spec *spec);
void group_spec_pack(struct pack *pack, const struct group_spec *spec);
bool group_spec_unpack(struct unpack *unpack, struct group_spec *spec_out); // fini is the caller's

// How a rank ended.
enum rank_end {
    RANK_EXITED,      // value: the exit code
    RANK_SIGNALED,    // value: the signal
    RANK_NOT_STARTED, // value: errno
    RANK_UNFINISHED,  // value: the exit code; it had MPI_Init and no MPI_Finalize
    RANK_UNCONNECTED, // exit code 0 in an MPI group that it never joined
    RANK_STUCK,       // it was killed and does not end
    RANK_ENDS,
};

struct rank_exit {
    uint32_t rank;
    uint32_t node;
    int32_t pid;
    uint8_t end;  // enum rank_end
    uint8_t ours; // it was told to stop by us before it ended
    int32_t value;
};

enum { RANK_EXIT_BYTES = 18 };
void rank_exit_pack(struct pack *pack, const struct rank_exit *ended);
bool rank_exit_unpack(struct unpack *unpack, struct rank_exit *ended_out);

// What a shell would make of it: the exit code, 128 and the signal; 126 or 127 for a program that cannot
// be run, 125 when the system had no room for it.
int rank_exit_code(const struct rank_exit *ended);

// Why a signal is sent, or asked for.
enum signal_why {
    SIGNAL_PASSED,  // the client wants it
    SIGNAL_STOP,    // the group is to end: who ends now was told to
    SIGNAL_DISCARD, // the same, and nobody reads the output any more
    SIGNAL_WHYS,
};

// A piece of output. Whole lines, unless one is longer than GROUP_PIECE.
enum { OUTPUT_STDOUT = 1, OUTPUT_STDERR = 2 };

void output_pack(struct pack *pack, uint32_t rank, uint8_t stream, const void *data, size_t length);
bool output_unpack(struct unpack *unpack, uint32_t *rank_out, uint8_t *stream_out,
                   const uint8_t **data_out, size_t *length_out);

#endif

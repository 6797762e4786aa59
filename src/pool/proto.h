// SPDX-License-Identifier: BSD-3-Clause
//
// What a pool and its workers say to each other, as messages of two kinds of channels: one of each worker, made by it on
// its own node, on which only it receives; and one of the pool, on which only the pool does. The tag of a message is its
// kind; its body is one of these structs and what is said behind it. All numbers are of the host (a runtime has one
// architecture); what comes is checked by its size before it is used.
//
//     worker                                              pool
//       | HELLO: it is up, its channel, or why not          |
//       |-------------------------------------------------->|
//       | SETUP: what holds for all of its tasks            |
//       |<--------------------------------------------------|
//       | READY: what the initialiser said, if there is one |
//       |-------------------------------------------------->|
//       | FUNCTION: a name, and its number from now on      |
//       |<--------------------------------------------------|
//       | CHUNK: tasks of one function                      |
//       |<--------------------------------------------------|
//       | RESULTS: of a chunk, when all of it is done       |
//       |-------------------------------------------------->|
//       | END: exit when what came before is done           |
//       |<--------------------------------------------------|
//
// A worker does its chunks in the order in which they come: of one that died the pool knows which chunk it had begun.
// Its next life has another number, `life`, so that what the last one said is told apart.
#ifndef POOL_PROTO_H
#define POOL_PROTO_H

#include "base/base.h"

// In the environment of a worker: the descriptor of the pool's channel. Taken out of it before a task runs.
#define POOL_WORKER_ENV "DRAGON_POOL_WORKER"
// The workers that have no functions of their own; found beside dragon-agent.
#define POOL_WORKER_PROGRAM "dragon-pool-worker"

enum { POOL_VERSION = 1 };

enum pool_kind {
    POOL_HELLO = 1,
    POOL_SETUP,
    POOL_READY,
    POOL_FUNCTION,
    POOL_CHUNK,
    POOL_RESULTS,
    POOL_KILL,
    POOL_END,
};

struct pool_hello { // behind it: the descriptor of the worker's channel; or, of an error, its words
    uint32_t version;
    uint32_t worker; // its rank
    uint64_t life;   // of this process; a number that is not used again
    int32_t pid;
    uint32_t node;
    int32_t err;
    uint32_t text_bytes;
};

// The first message to a worker's channel. Behind it: the initialiser's name (0 bytes: there is none); then what it gets,
// beginning at a multiple of POOL_ALIGN of the message.
struct pool_setup {
    uint64_t tasks_per_worker; // 0: no limit
    uint32_t initializer_bytes;
    uint32_t unused;
    uint64_t initial_bytes;
};

// Only of a worker that has an initialiser. Behind it: of an error its words.
struct pool_ready {
    uint64_t life;
    uint32_t worker;
    int32_t err;  // dragon_err_t: 0; FAILED; NOT_FOUND; NOMEM
    int32_t code; // what the initialiser returned
    uint32_t text_bytes;
};

struct pool_function { // behind it: the name
    uint32_t function;
    uint32_t name_bytes;
};
// Numbers that are there without being told.
enum { POOL_FUNCTION_COMMAND = 0, POOL_FUNCTION_FIRST = 1 };

// Behind it: `count` of pool_item; then the data of all, each beginning at a multiple of POOL_ALIGN of the message.
struct pool_chunk {
    uint64_t chunk; // the pool's number of it
    uint32_t function;
    uint32_t count;
    uint64_t limit_ms; // of each task; 0: none
    uint32_t attempt;
    uint32_t unused;
};
struct pool_item {
    uint64_t bytes;
};

// Behind it: `count` of pool_done in the order of the tasks; then what they returned, each beginning at a multiple of POOL_ALIGN.
struct pool_results {
    uint64_t chunk;
    uint64_t life;
    uint32_t worker;
    uint32_t count;
    uint64_t started_ns; // CLOCK_REALTIME, of the first
    uint64_t run_ns;     // all together
    uint64_t left;       // tasks until it begins a new life; UINT64_MAX: never
};
struct pool_done {
    int32_t err;    // dragon_err_t: 0; FAILED; NOT_FOUND: no such function; NOMEM; TIMEOUT
    int32_t code;   // what the function returned
    uint64_t bytes; // of the value; of an error its words
};

struct pool_kill {
    uint64_t chunk; // the command in it is to end; nothing when it is over already
};

enum { POOL_ALIGN = 16 };
static inline size_t pool_aligned(size_t bytes)
{
    return (bytes + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
}

// A worker that was killed by its own task limit exits with this; the task is the first of the oldest chunk (which has
// one task when there is a limit).
enum { POOL_EXIT_LIMIT = 124 };

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// A worker of a pool, from inside: a process with a channel on which it gets chunks of tasks, which it does one after
// the other, and another on which it says what came of them. It is in one of these calls:
//
//     dragon_pool_work      work.c          attach, HELLO, SETUP, and the loop over messages
//       work_chunk          work_chunk.c    a CHUNK: its tasks, one RESULTS
//         task.run          the user's      calls dragon_task_*: work_task.c
//         work_command      work_command.c  the command that is the only task of its chunk
//       work_name           work_name.c     a FUNCTION: one of the program's own, or of a shared object
//       work_again          work_again.c    the next life of this process
#ifndef POOL_WORK_H
#define POOL_WORK_H

#include "base/base.h"
#include "pool/proto.h"

#include <dragon/pool.h>

struct life;

// What a RESULTS is written into, as it is sent.
struct answer {
    uint8_t *data; // owned
    size_t length, room;
};

struct dragon_task {
    struct worker *worker; // borrowed
    const void *data;
    size_t bytes;
    uint32_t attempt;
    size_t begin;       // where its result is in the answer
    size_t value_bytes; // of it
    bool failed;        // the value is words
};

// The functions of the pool by their numbers, from POOL_FUNCTION_FIRST.
struct named {
    bool told;
    dragon_task_fn run; // NULL: there is none
    char *why;          // owned: why not; NULL: out of memory
};

// A message that came while a command ran, and was not for it.
struct later {
    struct later *next;
    size_t bytes;
    uint64_t tag;
    bool canceled; // a chunk that is not to be begun
    _Alignas(POOL_ALIGN) uint8_t data[];
};

// A message in work. Its bytes are in the worker's buffer, or in one of `block` and `later`.
struct received {
    uint8_t *data;
    size_t bytes;
    uint64_t tag;
    void *block;         // of the node's memory; owned
    struct later *later; // owned
    bool canceled;
};

struct worker {
    dragon_runtime_t *runtime;
    dragon_channel_t *results, *tasks;
    char *pool; // owned: the descriptor of `results`
    const dragon_function_t *functions;
    uint32_t number;
    uint64_t life;
    uint64_t tasks_per_worker, done; // tasks
    struct life *first;              // owned: how it was started; NULL: there is no next life
    void *state;
    struct named *named; // owned
    uint32_t named_count;
    uint8_t *buffer; // owned, of buffer_bytes
    size_t buffer_bytes;
    struct answer answer;
    struct later *laters, **laters_end; // owned
    dragon_channel_set_t *set; // `tasks` alone, for its descriptor; NULL: no command ran yet
    int null_fd;               // -1: no command ran yet
    bool ending;
};

// ---- work.c

// The next message, waiting for it. CLOSED, PEER: there will be none.
dragon_err_t work_receive(struct worker *worker, struct received *received_out);
void work_received_end(const struct worker *worker, struct received *received);
// Looks at the channel while a command runs: what is not for chunk `number` is kept for later. *kill_out is set when it
// is to end. Errors as above.
dragon_err_t work_look(struct worker *worker, uint64_t number, bool *kill_out);
dragon_err_t work_say(struct worker *worker, enum pool_kind kind, const void *data, size_t bytes);

// ---- work_chunk.c

// PROTO: it makes no sense. Others: its results could not be sent.
dragon_err_t work_chunk(struct worker *worker, const struct received *received);

// ---- work_task.c

// Room for `bytes` more at the end of the answer, which may move. NULL: out of memory.
uint8_t *answer_room(struct answer *answer, size_t bytes);
void task_begin(dragon_task_t *task, struct worker *worker, const void *data, size_t bytes);
// The words of an error, in place of a result.
__attribute__((format(printf, 2, 3))) void task_words(dragon_task_t *task, const char *format, ...);
// "NAME (node 3)", for words. Valid as the worker.
const char *work_place(const struct worker *worker, char *text, size_t room);

// ---- work_name.c

dragon_err_t work_name(struct worker *worker, const struct received *received);
// NULL: there is none of this name, and *why_out (the caller frees) says why.
dragon_task_fn work_find(const struct worker *worker, const char *name, char **why_out);
void work_names_fini(struct worker *worker);

// ---- work_setup.c

// Takes what the SETUP says, runs the initialiser and says READY. FAILED and so on: it is of no use, and the pool knows.
dragon_err_t work_setup(struct worker *worker, const struct received *received);

// ---- work_limit.c

// The process ends, with all that it started, unless this is undone in time.
bool work_limit_begin(uint64_t limit_ms);
void work_limit_end(void);

// ---- work_again.c

struct life *life_remember(void); // NULL: out of memory or descriptors
void life_forget(struct life *life);
// Only returns when it failed; then the worker has nothing any more but its memory.
dragon_err_t work_again(struct worker *worker);

// ---- work_command.c

// The one task of a chunk of POOL_FUNCTION_COMMAND.
void work_command(dragon_task_t *task, const struct pool_chunk *chunk, struct pool_done *done_out);

#endif

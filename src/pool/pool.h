// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the head's side of a pool share. How a task passes through it:
//
//     apply, run            map, imap
//         | waits (a queue)     | made when a worker can have it (a source)
//         v                     v
//     pool_feed.c: chunks of tasks of one function, to the workers that want more
//         |                             ^ lost with its worker: waits again, in front
//         v                             |
//     pool_take.c: RESULTS -----> pool_tasks.c: a task is done; whoever it belongs to is told
//
// The workers themselves (who is up, who died and why) are in pool_crew.c, what they write to their standard error in
// pool_lines.c. All of it runs inside calls of the pool, in one thread; events of the group are only noted when they come.
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "base/base.h"
#include "pool/proto.h"

#include <dragon/pool.h>

#include <uthash.h>

enum {
    POOL_RESULTS_CAPACITY = 512, // messages
    POOL_DEFAULT_MS = 60000,
    POOL_MESSAGE_BYTES = 64 << 10, // larger ones are not copied
    POOL_TASK_SMALL = 64,          // bytes kept inside a task
    POOL_LINES = 2048,             // of a worker's standard error are kept
    POOL_BAD_STARTS = 10,          // in a row, after which a worker is given up
    POOL_AHEAD_TASKS = 256,        // a worker has at most so many tasks,
    POOL_AHEAD_CHUNKS = 8,         // or so many chunks when that is more
    POOL_AHEAD_NS = 2000000,       // and so much work
    POOL_AHEAD_BYTES = 1 << 20,    // and so much data
    POOL_CHUNK_NS = 350000,        // a chunk takes about so long
    POOL_CHUNK_BYTES = 256 << 10,  // and has so much data, unless one task has more
    POOL_CHUNK_SHARE = 4, // of what is left a chunk is at most so small a part for each worker
};

struct function {
    uint32_t number;
    uint64_t task_ns; // how long one takes, by what was seen lately; 0: not known yet
    UT_hash_handle hh;
    char name[];
};

enum task_state { TASK_WAITS, TASK_GIVEN, TASK_DONE };

// One task, and what its user has as its result.
struct dragon_result {
    struct dragon_result *next; // of its queue or chunk
    struct dragon_pool *pool;   // borrowed
    struct function *function;  // borrowed; NULL: a command
    struct source *source;      // borrowed: the map that it is of; NULL: none
    struct mpi_task *mpi;       // borrowed: an MPI program that is not done; NULL: it is none
    uint64_t index;             // in it
    uint8_t *data; // what it is about, then what it returned, or the words of its error
    uint64_t bytes;
    uint32_t lost;    // attempts that were, with their workers
    uint32_t charged; // of them, those that count
    dragon_err_t err; // when it is done
    uint8_t state;
    bool owned;     // data is on the heap
    bool alone;     // it goes without others
    bool held;      // the user has it
    bool queued;    // it is in a queue or a chunk
    bool no_memory; // for its data: it fails when its turn comes
    uint64_t limit_ms;
    uint64_t lost_chunk; // the latest that it was lost with
    uint32_t lost_place; // where it was in it
    uint32_t worker, node;
    int32_t code;
    bool given;          // once
    uint64_t started_ns; // of the last attempt
    uint64_t run_ns;
    dragon_result_fn fn;
    void *arg;
    _Alignas(POOL_ALIGN) uint8_t small[POOL_TASK_SMALL];
};

struct task_queue {
    struct dragon_result *first, **last;
};

// Makes tasks one by one: a map.
struct source {
    struct source *next; // of those that may have more
    struct dragon_pool *pool;
    struct function *function;
    uint64_t open;  // tasks that were made and are not done
    bool listed;    // in the pool's list
    bool abandoned; // nobody wants its results: it goes with its last task
    // The next task, or NULL: none now. `room`: about how many are wanted.
    struct dragon_result *(*make)(struct source *source);
    // How many it may make now, as far as it knows; 0: none.
    uint64_t (*left)(const struct source *source);
    // A task of it is done. The bytes are the message's. The source has the record from now on.
    void (*done)(struct source *source, struct dragon_result *task, const void *value,
                 size_t bytes);
    void (*destroy)(struct source *source);
};

struct chunk {
    struct chunk *next; // of its worker, in the order in which they went
    uint64_t number;
    struct task_queue tasks;
    uint32_t count;
    struct function *function;
    uint64_t ns;    // that it takes, about
    uint64_t bytes; // of its data
    uint64_t limit_ms;
};

struct chunk_ahead { // what a worker has
    uint64_t tasks, chunks, ns, bytes;
};

enum worker_state {
    WORKER_COMING, // it has not said HELLO, or is to come again
    WORKER_SETUP,  // its initialiser runs
    WORKER_READY,
    WORKER_UNFIT, // it will not be used
};

struct lines;

struct worker {
    uint32_t rank, node;
    int pid;      // of its present life; 0: none
    int gone_pid; // of its latest end: what it said before comes too late
    uint64_t life;
    enum worker_state state;
    dragon_channel_t *channel;    // owned
    struct worker *prev, *follow; // of those that want tasks
    bool listed;                  // among them
    bool full;                    // its channel was, or its node's memory
    bool ending;                  // END was sent
    bool pardoned;                // it is killed for no fault of its tasks
    struct chunk *first, **last;  // what it has
    struct chunk_ahead ahead;
    uint64_t since_ns; // when it began the oldest of them at the latest, if that has a limit
    uint64_t late_ms;  // of its limit's end it was seen so long after it
    uint64_t overdue;  // it is killed for this chunk's limit; 0: it is not
    uint32_t told;     // functions below this number
    uint64_t left;     // tasks that this life can still be given
    uint32_t bad_starts;
    struct lines *lines; // owned: what it wrote lately; NULL: nothing
    char *why;           // owned: of an unfit one, or of its latest bad start
};

struct end { // of a worker, noted from an event
    uint32_t rank;
    int pid, code;
    bool again, lost; // lost: with its node
};

struct dragon_pool {
    dragon_runtime_t *runtime; // borrowed
    unsigned forks;            // of this process when it was made
    // what was asked for
    uint32_t chunk, retries;
    uint64_t tasks_per_worker, limit_ms;
    char *initializer; // owned; NULL: none
    void *initial;     // owned
    size_t initial_bytes;
    // workers
    dragon_group_t *group;  // owned
    struct worker *workers; // owned
    uint32_t worker_count, unfit, ready, busy;
    struct end *ends; // owned: noted
    uint32_t end_count, end_room;
    bool group_ended;
    struct worker *hungry, *hungry_last; // who wants tasks
    char **node_names;                   // owned, ended by NULL; NULL: not known
    // tasks
    struct function *functions; // owned
    uint32_t next_function;
    struct task_queue again, fresh; // wait: lost ones first
    struct source *sources, **sources_last;
    struct slab *tasks, *chunks; // owned
    uint64_t next_chunk;
    uint64_t happened; // counts what came
    uint64_t open;     // tasks that are not done, of all kinds
    struct mpi *mpi;   // owned: MPI programs; NULL: there was none yet
    uint64_t waiting, given, done, failed, canceled, retried, replaced;
    // what comes
    dragon_channel_t *results; // owned
    dragon_channel_set_t *set; // owned
    int epoll, timer;
    uint8_t *message; // owned: what is received, up to POOL_MESSAGE_BYTES
    uint8_t *out;     // owned: what is sent
    size_t out_room;
    uint64_t looked_ns;                // at the runtime, lately
    uint64_t limit_ns;                 // when limits are to be looked at; 0: there are none
    uint64_t limit_looked_ns;          // when they were
    uint64_t retry_ns;                 // when full workers are tried again; 0: none
    bool closed, ending, inside, over; // over: the runtime has ended
    bool broken;                       // no task is done any more
    dragon_error_t why;
};

// ---- pool_tasks.c

// A record that is not in any queue. NULL: out of memory.
struct dragon_result *task_create(struct dragon_pool *pool, struct function *function);
// Its data, copied. False: out of memory.
bool task_set_data(struct dragon_result *task, const void *data, size_t bytes);
void task_release(struct dragon_result *task); // it is in no queue and nobody has it
void task_submit(struct dragon_result *task);  // it waits from now on
// It is done: the source or the callback are told, and the record goes when nobody has it. The value is copied.
void task_finish(struct dragon_result *task, dragon_err_t err, const void *value, size_t bytes);
__attribute__((format(printf, 3, 4))) void task_fail(struct dragon_result *task, dragon_err_t err,
                                                     const char *format, ...);
void task_cancel(struct dragon_result *task); // that is not done
// Out of a queue or chunk; one that was canceled there just goes.
void task_give_up(struct dragon_result *task, dragon_err_t err, const char *why);
// NULL: out of memory, or no name (err_out).
struct function *function_of(struct dragon_pool *pool, const char *name, dragon_err_t *err_out);
void functions_forget(struct dragon_pool *pool);

static inline void queue_init(struct task_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static inline void queue_add(struct task_queue *queue, struct dragon_result *task)
{
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

static inline void queue_add_first(struct task_queue *queue, struct dragon_result *task)
{
    task->next = queue->first;
    if (!queue->first)
        queue->last = &task->next;
    queue->first = task;
}

static inline struct dragon_result *queue_take(struct task_queue *queue)
{
    struct dragon_result *task = queue->first;
    if (task && !(queue->first = task->next))
        queue->last = &queue->first;
    return task;
}

// All of `from` goes to the front of `queue`.
static inline void queue_put_first(struct task_queue *queue, struct task_queue *from)
{
    if (!from->first)
        return;
    *from->last = queue->first;
    if (!queue->first)
        queue->last = from->last;
    queue->first = from->first;
    queue_init(from);
}

// ---- pool_result.c

// Gives the record its data and lets it wait. NOMEM: the record is gone; also when it is NULL.
dragon_err_t pool_submit(struct dragon_pool *pool, struct dragon_result *task, const void *data,
                         size_t bytes);

// ---- pool_slab.c: records of one size that are used again

struct slab *slab_create(size_t bytes);
void slab_destroy(struct slab *slab); // NULL is fine
void *slab_take(struct slab *slab);   // not zeroed; NULL: out of memory
void slab_give(struct slab *slab, void *record);

// ---- pool_size.c: how much at once, from figures alone

struct chunk_figures {
    uint32_t asked;   // 0: by how long they take
    uint64_t task_ns; // 0: not known
    uint64_t left;    // tasks that wait
    uint32_t workers; // that can have them
};
uint32_t chunk_size(const struct chunk_figures *figures);
// Whether a worker that has so much is given more.
bool chunk_wanted(const struct chunk_ahead *ahead, uint64_t task_ns);
// What a task takes, after `count` took `run_ns` together.
uint64_t chunk_measured(uint64_t task_ns, uint64_t run_ns, uint64_t count);

// ---- pool_feed.c

void pool_feed(struct dragon_pool *pool, bool from_sources);
void pool_want(struct dragon_pool *pool, struct worker *worker); // it may want tasks now
void pool_unwant(struct dragon_pool *pool, struct worker *worker);
// Out of the worker's hands.
// NULL: it has not.
struct chunk *worker_take_chunk(struct dragon_pool *pool, struct worker *worker, uint64_t number);
void source_list(struct source *source); // it may have tasks (again)
void source_unlist(struct source *source);

// ---- pool_send.c

uint8_t *pool_out(struct dragon_pool *pool, size_t bytes); // NULL: out of memory
// AGAIN: no room now. Others as of dragon_channel_send.
dragon_err_t pool_send_chunk(struct dragon_pool *pool, struct worker *worker,
                             const struct chunk *chunk);

// ---- pool_take.c

// Takes one message. AGAIN, TIMEOUT: there is none.
dragon_err_t pool_take(struct dragon_pool *pool, int timeout_ms);

// ---- pool_crew.c

dragon_err_t crew_create(struct dragon_pool *pool);
void crew_destroy(struct dragon_pool *pool);
void crew_on_event(void *arg, dragon_group_t *group, const dragon_event_t *event);
void crew_take_ends(struct dragon_pool *pool); // after all that they said
void crew_on_hello(struct dragon_pool *pool, const uint8_t *body, size_t bytes);
void crew_on_ready(struct dragon_pool *pool, const uint8_t *body, size_t bytes);
// It does not do what it should: it is killed, so that another life begins.
void crew_kill(struct dragon_pool *pool, struct worker *worker, const char *why);
void crew_end(struct dragon_pool *pool, struct worker *worker); // END
// All tasks fail like that, and all that come.
void crew_fail_all(struct dragon_pool *pool, dragon_err_t err, const char *why);
// "its node" when it is not known. Valid as the pool.
const char *pool_node_name(const struct dragon_pool *pool, uint32_t node);

// ---- pool_limit.c

void limit_begin(struct dragon_pool *pool, struct worker *worker); // it has another oldest chunk
void limit_look(struct dragon_pool *pool);
int limit_wait_ms(const struct dragon_pool *pool); // how long it may be slept; -1: without limit

// ---- pool_lines.c

void lines_read(struct dragon_pool *pool); // what has come from all
// Of the life that ends: at most so many bytes, in whole lines where that goes; "" when there are none.
const char *lines_last(const struct worker *worker, size_t most);
void lines_end(struct worker *worker); // another life begins
void lines_destroy(struct worker *worker);

// ---- pool_mpi.c

// Takes the command, packed; its ranks and policy are in `command`. NOMEM: the record is gone.
dragon_err_t mpi_submit(struct dragon_pool *pool, struct dragon_result *task, const void *data,
                        size_t bytes, const dragon_command_t *command);
void mpi_turn(struct dragon_pool *pool); // after what the runtime had was taken
// Before it is slept: how long that may be at most; -1: without limit.
int mpi_sleep_ms(struct dragon_pool *pool);
// Before the task is.
void mpi_cancel(struct dragon_result *task, bool kill);
void mpi_fail_all(struct dragon_pool *pool, dragon_err_t err, const char *why);
void mpi_destroy(struct dragon_pool *pool);

// ---- pool_wait.c

// Whether what is waited for is there.
typedef bool (*pool_ready_fn)(void *arg);
// TIMEOUT (AGAIN with 0). PEER: the runtime has ended. STATE: inside a callback.
dragon_err_t pool_wait(struct dragon_pool *pool, pool_ready_fn ready, void *arg, int timeout_ms);
void pool_wake(struct dragon_pool *pool); // its descriptor becomes readable
dragon_err_t pool_wait_init(struct dragon_pool *pool, dragon_error_t *error);
void pool_wait_fini(struct dragon_pool *pool);
dragon_err_t pool_check(const struct dragon_pool *pool); // INVAL, STATE

// ---- pool_spec.c

dragon_err_t spec_check(const dragon_pool_spec_t *spec, dragon_error_t *error);
// The group of workers, started.
dragon_err_t spec_start(struct dragon_pool *pool, const dragon_pool_spec_t *spec,
                        dragon_error_t *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pools: many tasks on few workers. Workers are processes, placed over the nodes by policies like the ranks of a group, that stay
 * from task to task. A task is a function of the workers' program with some bytes for it, or a command line, or an MPI program.
 *
 *     static int square(dragon_task_t *task)                            // runs in the workers
 *     {
 *         size_t bytes;
 *         const double *x = dragon_task_data(task, &bytes);
 *         double y = *x * *x;
 *         dragon_task_return(task, &y, sizeof y);
 *         return 0;
 *     }
 *     static const dragon_function_t functions[] = {{"square", square}, {0}};
 *
 *     int main(void)
 *     {
 *         int code;
 *         if (dragon_pool_work(functions, &code))                       // a worker: until its pool ends
 *             return code;
 *         ...
 *         dragon_pool_create(runtime, NULL, &pool, &error);
 *         dragon_pool_map(pool, "square", x, sizeof *x, count, y, sizeof *y, DRAGON_FOREVER, &error);
 *         dragon_pool_destroy(pool);
 *     }
 *
 * Nothing is lost. Who made the pool knows which tasks each worker has. When a worker dies, its tasks go to others; the one that it was
 * running is tried again as often as `retries` says and then fails with PEER, with the cause, the host and the last lines
 * that the worker wrote to its standard error; and the worker is replaced. So a task may run more than once, and
 * its result counts once. A function that returns an error is not tried again.
 *
 * Waiting. The pool works inside its calls that wait, and dragon_pool_progress; workers have tasks for some milliseconds
 * ahead. A program with an event loop of its own looks at the descriptor of dragon_pool_fd.
 *
 * Time-outs in milliseconds as in channel.h: 0 tries, DRAGON_FOREVER has no limit, DRAGON_DEFAULT_TIMEOUT is a minute. Threads: as for
 * the runtime handle, one at a time. After fork the child has no pool (STATE).
 */
#ifndef DRAGON_POOL_H
#define DRAGON_POOL_H

#include <dragon/channel.h>
#include <dragon/group.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_pool dragon_pool_t;
typedef struct dragon_result dragon_result_t;
typedef struct dragon_map_run dragon_map_run_t;
typedef struct dragon_task dragon_task_t;

/* ---- in a worker ---- */

/* 0: done. Another number: failed, with that code. */
typedef int (*dragon_task_fn)(dragon_task_t *task);

typedef struct dragon_function {
    const char *name; /* at most DRAGON_FUNCTION_NAME_MOST bytes, without ':' and white space */
    dragon_task_fn run;
} dragon_function_t;

enum { DRAGON_FUNCTION_NAME_MOST = 255 };

/* 0 at once in a process that was not started as a worker of a pool. In one that was: runs tasks until the pool ends, then
 * says 1, and in *code_out what the process is to exit with. To be called at the begin of main, before anything is written or
 * read. `functions`: ended by {0}; NULL: none of its own (shared objects and commands always work). */
DRAGON_API int dragon_pool_work(const dragon_function_t *functions, int *code_out);

/* What the task is about; valid while it runs. Aligned for any type. Never NULL. */
DRAGON_API const void *dragon_task_data(const dragon_task_t *task, size_t *bytes_out);
/* The result, copied; the last one counts. NOMEM. */
DRAGON_API dragon_err_t dragon_task_return(dragon_task_t *task, const void *data, size_t bytes);
/* The same without a copy: where the caller puts the result until the function returns. NULL: out of memory. */
DRAGON_API void *dragon_task_room(dragon_task_t *task, size_t bytes);
/* Why it fails, in words (at most 400 bytes); for `return dragon_task_fail(task, 1, "no file %s", name)`: says the code. */
DRAGON_API int dragon_task_fail(dragon_task_t *task, int code, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* What the initialiser made, for the worker's other tasks. */
DRAGON_API void dragon_task_set_state(dragon_task_t *task, void *state);
DRAGON_API void *dragon_task_state(const dragon_task_t *task);
/* The worker's handle of the runtime, for channels, dictionaries and so on. */
DRAGON_API dragon_runtime_t *dragon_task_runtime(const dragon_task_t *task);
DRAGON_API uint32_t
dragon_task_worker(const dragon_task_t *task); /* its number in the pool, from 0 */
DRAGON_API uint32_t
dragon_task_attempt(const dragon_task_t *task); /* 0; 1 and so on: it is tried again */

/* ---- life cycle ---- */

/* Begin with DRAGON_POOL_SPEC_INIT. */
typedef struct dragon_pool_spec {
    char *const *
        argv; /* the workers' program, which calls dragon_pool_work; NULL: this one, without arguments */
    uint32_t workers;          /* in all; 0: workers_per_node on each node that the policy allows */
    uint32_t workers_per_node; /* 0: one for each core */
    const dragon_policy_t
        *policy; /* where they go, and what they are bound to; NULL: anywhere, one core each */
    const dragon_policy_t *const *
        policies; /* instead: a list; each gets `workers` of them, 0: one. Without workers_per_node and policy */
    uint32_t policy_count;
    const char *
        initializer; /* a function that each worker runs before its first task; NULL: none. When it fails the
                              * worker is not used; when it fails in all, tasks fail */
    const void *initial; /* what it gets: a descriptor, say */
    size_t initial_bytes;
    uint64_t tasks_per_worker; /* a worker is replaced after so many; 0: never */
    uint32_t retries;          /* of a task whose worker died */
    uint64_t
        task_limit_ms; /* a task that runs longer is killed with its worker, and fails with TIMEOUT; 0: none */
    uint32_t chunk;   /* tasks that go to a worker together; 0: by how long they take */
    const char *name; /* for dragon-info; NULL: "pool" */
} dragon_pool_spec_t;
#define DRAGON_POOL_SPEC_INIT                                      \
    {                                                              \
        NULL, 0, 0, NULL, NULL, 0, NULL, NULL, 0, 0, 1, 0, 0, NULL \
    }

/* Starts the workers; they come up while tasks are already given to the pool. spec NULL: with all defaults. INVAL: the spec makes no
 * sense. Others as of dragon_group_start. */
DRAGON_API dragon_err_t dragon_pool_create(dragon_runtime_t *runtime,
                                           const dragon_pool_spec_t *spec, dragon_pool_t **pool_out,
                                           dragon_error_t *error);
/* No more tasks (CLOSED); those that there are will be done. */
DRAGON_API dragon_err_t dragon_pool_close(dragon_pool_t *pool);
/* After close: waits until all tasks are done and the workers have ended. STATE: it was not closed. TIMEOUT. */
DRAGON_API dragon_err_t dragon_pool_join(dragon_pool_t *pool, int timeout_ms);
/* Ends the workers now: tasks that are not done fail with CANCELED. */
DRAGON_API dragon_err_t dragon_pool_terminate(dragon_pool_t *pool);
/* Terminates it if it is not joined, and forgets it; results and maps of it are to be destroyed before. NULL is fine. */
DRAGON_API void dragon_pool_destroy(dragon_pool_t *pool);

/* ---- one task ---- */

/* `function`: a name of the workers' functions, or "plugin.so:name" of a shared object that workers load with dlopen (its
 * functions have the same type). The bytes are copied.
 *
 * CLOSED. NOMEM. INVAL: the name makes no sense. A function that there is not is an error of the task (NOT_FOUND). */
DRAGON_API dragon_err_t dragon_pool_apply_async(dragon_pool_t *pool, const char *function,
                                                const void *data, size_t bytes,
                                                dragon_result_t **result_out);
/* The same, and waits. *value_out: the caller frees it with free(); never NULL when OK; both may be NULL. error may be NULL.
 * Errors as of dragon_result_error; TIMEOUT: not done yet, its result will be dropped. */
DRAGON_API dragon_err_t dragon_pool_apply(dragon_pool_t *pool, const char *function,
                                          const void *data, size_t bytes, void **value_out,
                                          size_t *bytes_out, int timeout_ms, dragon_error_t *error);
/* Calls when it is done, inside a call that waits; the result is valid during the callback, which may give the pool further
 * tasks, but not wait or destroy. */
typedef void (*dragon_result_fn)(void *arg, dragon_result_t *result);
DRAGON_API dragon_err_t dragon_pool_apply_then(dragon_pool_t *pool, const char *function,
                                               const void *data, size_t bytes, dragon_result_fn fn,
                                               void *arg);

/* ---- results ---- */

/* Waits until it is done, well or not. TIMEOUT (AGAIN with 0). */
DRAGON_API dragon_err_t dragon_result_wait(dragon_result_t *result, int timeout_ms);
DRAGON_API int dragon_result_is_done(const dragon_result_t *result);
/* Calls when it is done, as dragon_pool_apply_then does; the result stays the caller's. STATE: it is done already. */
DRAGON_API dragon_err_t dragon_result_then(dragon_result_t *result, dragon_result_fn fn, void *arg);
/* OK; STATE: not done yet. FAILED: the function said so; NOT_FOUND: there is no such function; PEER: its worker died, as often
 * as it was tried; TIMEOUT: it ran too long; CANCELED. The words are in error->text (may be NULL): code, cause, worker, host, last lines. */
DRAGON_API dragon_err_t dragon_result_error(const dragon_result_t *result, dragon_error_t *error);
/* What it returned; NULL when not done or failed. Valid until the result is destroyed. */
DRAGON_API const void *dragon_result_value(const dragon_result_t *result, size_t *bytes_out);

typedef struct dragon_result_facts {
    uint32_t worker, node; /* of the last attempt */
    uint32_t attempts;
    int code;            /* what the function returned */
    uint64_t started_ns; /* CLOCK_REALTIME there */
    uint64_t run_ns;
} dragon_result_facts_t;
/* STATE: not done, or was never given to a worker. */
DRAGON_API dragon_err_t dragon_result_facts(const dragon_result_t *result,
                                            dragon_result_facts_t *facts_out);
/* A task that nobody has begun is not done any more. One that runs: goes on, and its result is dropped; `kill`: its worker is killed
 * and replaced (a command is killed alone). STATE: done already. */
DRAGON_API dragon_err_t dragon_result_cancel(dragon_result_t *result, int kill);
/* Forgets it; the task goes on. NULL is fine. */
DRAGON_API void dragon_result_destroy(dragon_result_t *result);

/* ---- many tasks ---- */

/* A task for each of `count` items of item_bytes each; what each returns, result_bytes of it, goes into `results` in the same order
 * (a shorter result is filled up with zeros, a longer one is an error of its task). results NULL, result_bytes 0: nothing is wanted.
 *
 * OK: all are done. Otherwise the error of the first that failed, whose number is in error->text; the others are done nevertheless.
 * TIMEOUT: those that are not done are canceled. */
DRAGON_API dragon_err_t dragon_pool_map(dragon_pool_t *pool, const char *function,
                                        const void *items, size_t item_bytes, size_t count,
                                        void *results, size_t result_bytes, int timeout_ms,
                                        dragon_error_t *error);

/* The next item: *data_out is copied before it is asked again. 0: there are no more. Called inside calls that wait. */
typedef int (*dragon_next_fn)(void *arg, const void **data_out, size_t *bytes_out);

enum {
    DRAGON_MAP_UNORDERED = 1, /* results as they come */
};

/* Tasks for what `next` gives, as many ahead of what is taken as keeps the workers busy, so it may go on for ever. */
DRAGON_API dragon_err_t dragon_pool_imap(dragon_pool_t *pool, const char *function,
                                         dragon_next_fn next, void *arg, int flags,
                                         dragon_map_run_t **run_out);
/* The next result, valid until the next call; *index_out is the number of its item, from 0; each may be NULL. NOT_FOUND: that was all.
 * TIMEOUT (AGAIN with 0): none is done. Others: that task failed (the words in `error`), and the next call goes on. */
DRAGON_API dragon_err_t dragon_map_run_next(dragon_map_run_t *run, uint64_t *index_out,
                                            const void **value_out, size_t *bytes_out,
                                            int timeout_ms, dragon_error_t *error);
/* Cancels what is not done. NULL is fine. */
DRAGON_API void dragon_map_run_destroy(dragon_map_run_t *run);

/* ---- commands ----
 *
 * Every worker can run them; a pool of commands alone has as workers' program DRAGON_POOL_COMMANDS. A command takes with it
 * what it has left running when it ends, and all of it ends with its worker. */

/* As dragon_pool_spec_t.argv: workers that have no functions of their own. */
DRAGON_API extern char *const DRAGON_POOL_COMMANDS[];
/* As the workers' program: there are none, and they take no cores. For MPI programs alone; other tasks are refused (STATE). */
DRAGON_API extern char *const DRAGON_POOL_MPI[];

/* Begin with DRAGON_COMMAND_INIT. Strings are copied. */
typedef struct dragon_command {
    char *const *argv; /* a name without a slash is looked for along PATH on the worker's node */
    char *const *env;  /* NAME=VALUE, added to the worker's; NULL: none */
    const char *cwd;   /* NULL: the worker's */
    const void *input; /* for its standard input; NULL: it reads nothing */
    size_t input_bytes;
    const char
        *output; /* a file for its output, on the worker's node; NULL: it comes with the result */
    const char *error; /* the same for its errors */
    uint64_t limit_ms; /* it is ended when it runs longer (TERM, then KILL); 0: the pool's */
    uint32_t
        mpi_ranks; /* it is an MPI program of so many ranks, which get nodes and cores of their own; 0: it is not */
    const dragon_policy_t
        *policy; /* of MPI programs: where its ranks go; NULL: one core each, anywhere */
} dragon_command_t;
#define DRAGON_COMMAND_INIT                               \
    {                                                     \
        NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, 0, NULL \
    }

/* MPI programs do not use the workers: each is a group of its own, which starts when there is room for it, in their order. Cores
 * that workers have (one each at least) are no room: a pool for MPI programs has few workers. INVAL, of the task: without a policy,
 * and the workers leave too few cores. */
DRAGON_API dragon_err_t dragon_pool_run(dragon_pool_t *pool, const dragon_command_t *command,
                                        dragon_result_t **result_out);
DRAGON_API dragon_err_t dragon_pool_run_then(dragon_pool_t *pool, const dragon_command_t *command,
                                             dragon_result_fn fn, void *arg);

/* What came of a command. A command that ran is OK as a result, whatever its exit code; dragon_result_error tells of those that
 * could not be started (NOT_FOUND, DENIED and so on), ran too long, or lost their worker. */
typedef struct dragon_command_end {
    int exit_code; /* its own, or 128 and the number of the signal that killed it */
    int signal;    /* 0: none */
    const void *
        output; /* what it wrote; valid as the result. At most DRAGON_COMMAND_OUTPUT_MOST of each: the rest is dropped */
    size_t output_bytes;
    const void *error;
    size_t error_bytes;
    int truncated; /* there was more */
    uint64_t user_us, system_us,
        memory_bytes; /* time on cores; the most memory, or the worker's when that is more; 0 for MPI programs */
} dragon_command_end_t;
enum { DRAGON_COMMAND_OUTPUT_MOST = 64 << 20 };
/* STATE: not done, or no command. */
DRAGON_API dragon_err_t dragon_result_command(const dragon_result_t *result,
                                              dragon_command_end_t *end_out);

/* ---- in an event loop, and figures ---- */

/* Takes what has come and gives workers what they can have; waits until something happened, at most so long. TIMEOUT (AGAIN with 0):
 * nothing did. PEER: the runtime has ended; all that is not done has failed. */
DRAGON_API dragon_err_t dragon_pool_progress(dragon_pool_t *pool, int timeout_ms);
/* Readable when dragon_pool_progress has something to do. -1: out of descriptors. */
DRAGON_API int dragon_pool_fd(dragon_pool_t *pool);

typedef struct dragon_pool_stats {
    uint32_t workers; /* that can take tasks */
    uint32_t coming;  /* that are being started */
    uint32_t busy;    /* that have tasks */
    uint64_t waiting; /* tasks that no worker has yet */
    uint64_t given;   /* tasks that workers have */
    uint64_t done;    /* well */
    uint64_t failed;
    uint64_t canceled;
    uint64_t retried;  /* attempts that were lost with their workers */
    uint64_t replaced; /* workers */
} dragon_pool_stats_t;
DRAGON_API void dragon_pool_stats(const dragon_pool_t *pool, dragon_pool_stats_t *stats_out);

#ifdef __cplusplus
}
#endif

#endif

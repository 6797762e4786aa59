/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Process groups: processes (ranks), placed over the nodes of the runtime by policies and managed as one.
 * With dragon_group_set_pmi they are the ranks of an MPI program.
 *
 *     dragon_group_t *group;
 *     dragon_group_create(runtime, &group, &error);
 *     dragon_group_add(group, simulation, 16, &error);
 *     dragon_group_add(group, analysis, 1, &error);
 *     dragon_group_start(group, &error);
 *     dragon_group_wait(group, DRAGON_FOREVER);
 *     printf("%d\n", dragon_group_exit_code(group));
 *     dragon_group_destroy(group);
 *
 * Ranks are numbered in the order of the templates. A group passes through these states:
 *
 *     new -> queued (only when it has to wait for room) -> starting -> running -> stopping -> ended
 *
 * and may be started again when it has ended: with its templates, those that were added while it ran too, and
 * a new number. Only one that is running or stopping has processes.
 *
 * Output that ranks inherit is written to this process's standard output and error, line by line, while it is
 * in a call that waits or in dragon_runtime_progress; a rank that writes faster than that is made to
 * wait. Standard output passes byte for byte; a line longer than 64 KiB may have others between its
 * parts. A program whose standard output may be closed early should ignore SIGPIPE: the group is then
 * stopped and its exit code is 141.
 *
 * Cores and GPUs that a rank uses are counted, and given back when it has ended.
 *
 * Threads: as for the runtime handle, one at a time.
 */
#ifndef DRAGON_GROUP_H
#define DRAGON_GROUP_H

#include <dragon/template.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_group dragon_group_t;

enum {
    DRAGON_ALL_RANKS = -1, /* as a rank */
    DRAGON_NO_RANK = -2    /* as a rank, where that makes sense */
};

typedef enum dragon_group_state {
    DRAGON_GROUP_NEW = 0,
    DRAGON_GROUP_QUEUED = 1, /* waits until there is room for it */
    DRAGON_GROUP_STARTING = 2,
    DRAGON_GROUP_RUNNING = 3,
    DRAGON_GROUP_STOPPING = 4,
    DRAGON_GROUP_ENDED = 5 /* or it could not be started */
} dragon_group_state_t;

/* What happens when the cores or GPUs that were asked for are in use. */
typedef enum dragon_full {
    DRAGON_FULL_UNSET =
        0, /* SHARE when no policy asks for cores, GPUs, memory or a binding, else WAIT */
    DRAGON_FULL_SHARE =
        1, /* cores that are used least are shared; GPUs too when they were asked for */
    DRAGON_FULL_WAIT = 2, /* the group waits in the order of asking */
    DRAGON_FULL_FAIL = 3  /* the start fails at once with FULL */
} dragon_full_t;

/* What happens when a rank fails: exits with another code than 0, or is killed. */
typedef enum dragon_failure {
    DRAGON_FAILURE_UNSET = 0, /* STOP for MPI groups, else CONTINUE */
    DRAGON_FAILURE_STOP = 1,  /* the others are stopped */
    /* The others go on. In an MPI group those that wait for it in MPI wait until they are ended: set a limit. */
    DRAGON_FAILURE_CONTINUE = 2
} dragon_failure_t;

/* Which ranks are started again. */
typedef enum dragon_restart {
    DRAGON_RESTART_NEVER = 0,
    DRAGON_RESTART_FAILED = 1, /* those that failed */
    DRAGON_RESTART_ALWAYS = 2  /* every one that ends */
} dragon_restart_t;

/* ---- life cycle ---- */

/* Makes a group without ranks that is not started yet. NOMEM. */
DRAGON_API dragon_err_t dragon_group_create(dragon_runtime_t *runtime, dragon_group_t **group_out,
                                            dragon_error_t *error);

/* Short form for a single process: a group of one rank of argv with the policy (may be NULL), started.
 * Errors as of dragon_template_create and dragon_group_start. */
DRAGON_API dragon_err_t dragon_group_start_process(dragon_runtime_t *runtime, char *const argv[],
                                                   const dragon_policy_t *policy,
                                                   dragon_group_t **group_out,
                                                   dragon_error_t *error);

/* Adds `ranks` ranks of a template. 0: as many as fit: with a ppn that many on each node, in an MPI group one
 * for each core, else one.
 *
 * To a group that runs the ranks are added at once, with the next numbers: everything that is said of
 * dragon_group_start holds for them, and after an error nothing has changed.
 *
 * STATE: an MPI group that runs, a group that is queued, starting or stopping, or one that was attached. NOMEM.
 * TOO_BIG: too many ranks or templates. CLOSED: it has ended meanwhile. */
DRAGON_API dragon_err_t dragon_group_add(dragon_group_t *group,
                                         const dragon_template_t *process_template, uint32_t ranks,
                                         dragon_error_t *error);

/* Places and starts the ranks; returns when every node has said that it can start them. Nothing
 * runs anywhere unless programs, directories and files are there on every node of the group.
 *
 * INVAL: it has no ranks, or cannot be placed as asked, now or ever; the text says why.
 * AGAIN: the runtime is still coming up. NOMEM.
 * FULL: there is no room now, and it is not to wait. TIMEOUT: it has waited long enough for room, or a node
 * did not get ready within 60 s. LAUNCH: something is missing on a node; dragon_group_exit_code is what
 * a shell would return (127 not found, 126 not executable, 125 else). STATE: it runs.
 * TOO_BIG: its templates take more than 32 MiB, or its plan more than 24 MiB.
 * CANCELED: it was stopped. PEER: the runtime has ended. After an error nothing is left running. */
DRAGON_API dragon_err_t dragon_group_start(dragon_group_t *group, dragon_error_t *error);

/* The same without waiting: what comes of it is seen in dragon_group_state and as events. When it fails the
 * state is ENDED and dragon_group_exit_code and dragon_group_cause tell.
 *
 * INVAL: it has no ranks, or is an MPI group with restart. STATE: it runs, or was attached. NOMEM.
 * TOO_BIG: its templates and environment take more than 64 MiB. PEER: the runtime has ended. */
DRAGON_API dragon_err_t dragon_group_submit(dragon_group_t *group, dragon_error_t *error);

/* Waits until all ranks have ended and their output is written; timeout_ms DRAGON_FOREVER: without
 * limit.
 *
 * FULL: ranks wait for what they wrote into pipes to be read (dragon_group_read); nothing has changed. Up to 64 KiB
 * of each node can wait before that.
 * TIMEOUT: it still runs, nothing has changed. STATE: it was not started.
 * PEER: the runtime has ended, and the group with it. */
DRAGON_API dragon_err_t dragon_group_wait(dragon_group_t *group, int timeout_ms);

/* Forgets the group. If it is ours (not attached) and not detached, and still runs, it is stopped as by
 * dragon_group_stop, without waiting. NULL is fine. */
DRAGON_API void dragon_group_destroy(dragon_group_t *group);

/* ---- what is asked for; before the start ----
 *
 * All copy what they are given. INVAL: the value makes no sense. STATE: it was started.
 * NOMEM where something is copied. */

/* For dragon-info; without it the name of its first program. */
DRAGON_API dragon_err_t dragon_group_set_name(dragon_group_t *group, const char *name);

/* NULL: none. */
DRAGON_API dragon_err_t dragon_group_set_policy(dragon_group_t *group,
                                                const dragon_policy_t *policy);
/* The ranks are one MPI program (of several templates too): they get PMIx and PMI-1. */
DRAGON_API dragon_err_t dragon_group_set_pmi(dragon_group_t *group, int on);
/* Each line of output that is inherited begins with its rank: "3: ". */
DRAGON_API dragon_err_t dragon_group_set_label(dragon_group_t *group, int on);
/* This rank (DRAGON_ALL_RANKS: every one; DRAGON_NO_RANK: none) reads this descriptor, of which the group
 * reads as much as the rank takes. The default is no descriptor, -1. It stays open and the caller's. */
DRAGON_API dragon_err_t dragon_group_set_input(dragon_group_t *group, int fd, int rank);
/* After so long the group is stopped and its exit code is 124. 0: no limit. */
DRAGON_API dragon_err_t dragon_group_set_time_limit(dragon_group_t *group, uint64_t ms);
/* Sends all ranks this signal so long before the time limit. signal 0: none. */
DRAGON_API dragon_err_t dragon_group_set_warning(dragon_group_t *group, int signal,
                                                 uint64_t ms_before);
/* Between TERM and KILL of a stop; 5000 unless set. */
DRAGON_API dragon_err_t dragon_group_set_grace(dragon_group_t *group, uint32_t ms);
/* wait_ms: with DRAGON_FULL_WAIT, how long at most; 0: an hour. */
DRAGON_API dragon_err_t dragon_group_set_full(dragon_group_t *group, dragon_full_t full,
                                              uint64_t wait_ms);

DRAGON_API dragon_err_t dragon_group_set_failure(dragon_group_t *group, dragon_failure_t failure);
/* Each rank is started again on its node at most `most` times, after backoff_ms (0: 100), twice that the next
 * time, and so on up to 30 s; a rank that has lived for 10 s, or ten times its last wait, begins with backoff_ms
 * again. When `most` is used up its end counts like any other. Not for MPI groups. */
DRAGON_API dragon_err_t dragon_group_set_restart(dragon_group_t *group, dragon_restart_t when,
                                                 uint32_t most, uint32_t backoff_ms);
/* It goes on when this process ends or detaches from the runtime; what it writes then and inherits from here
 * is dropped. */
DRAGON_API dragon_err_t dragon_group_set_detached(dragon_group_t *group, int on);

/* ---- the plan ---- */

/* Asks the runtime where the ranks would go now, and starts nothing. The state stays NEW; then
 * dragon_group_size and dragon_group_rank_place answer. Errors as of dragon_group_start; STATE: it was
 * started already. */
DRAGON_API dragon_err_t dragon_group_plan(dragon_group_t *group, dragon_error_t *error);

typedef struct dragon_rank_place {
    uint32_t node;
    uint32_t process_template; /* number of its template, from 0 */
    const char *cores;         /* the cores it was given, as "0-3,8"; of its node */
    const char *gpus;          /* its GPUs, as "0,1"; "" when none */
    dragon_bind_t bind;        /* never UNSET */
    int shared;                /* others use one of these cores or GPUs too */
} dragon_rank_place_t;

/* Where a rank is, or would be. The texts are valid until the next call with this group.
 * INVAL: no such rank. NOT_FOUND: it was neither planned nor started, others have added the rank to a group that
 * was attached, or memory is out. */
DRAGON_API dragon_err_t dragon_group_rank_place(const dragon_group_t *group, uint32_t rank,
                                                dragon_rank_place_t *place_out);

/* ---- while it runs ---- */

/* Sends a signal to the process group of one rank, or of all (DRAGON_ALL_RANKS). Ranks that have ended
 * are passed over. Does not wait. STATE: it does not run. INVAL: no such rank or signal. */
DRAGON_API dragon_err_t dragon_group_signal(dragon_group_t *group, int rank, int signal);

/* Ends it: TERM now, KILL after the grace time; one that is queued leaves the queue. Does not wait;
 * dragon_group_wait does. The exit code is 143, unless a rank had failed before. STATE: it does not run. */
DRAGON_API dragon_err_t dragon_group_stop(dragon_group_t *group);

/* Ends one rank in the same way. It does not count as failed, is not started again, and its number
 * is not used again. Not in MPI groups. STATE: it does not run. INVAL: no such rank.
 * UNSUPPORTED: an MPI group. */
DRAGON_API dragon_err_t dragon_group_remove(dragon_group_t *group, uint32_t rank);

/* No rank is started again from now on. STATE: it does not run. */
DRAGON_API dragon_err_t dragon_group_stop_restart(dragon_group_t *group);

/* ---- pipes ---- */

enum { DRAGON_STDOUT = 1, DRAGON_STDERR = 2 };

typedef struct dragon_output {
    uint32_t rank;
    int stream;   /* DRAGON_STDOUT or DRAGON_STDERR */
    size_t bytes; /* how many were copied */
} dragon_output_t;

/* Takes the next piece of what ranks write into pipes: at most `room` bytes, of one rank and stream. Pieces
 * of one stream come in order, as the rank wrote them: a rank that writes whole lines is read in whole lines, as
 * far as `room` allows.
 *
 * TIMEOUT: nothing came in time. CLOSED: all that ranks wrote was read, and the group has ended.
 * STATE: it was not started, or was attached. PEER: the runtime has ended. INVAL: there is no room. */
DRAGON_API dragon_err_t dragon_group_read(dragon_group_t *group, void *buffer, size_t room,
                                          dragon_output_t *output_out, int timeout_ms);

/* Gives a rank whose input is a pipe bytes to read. Copies them; waits while more than 64 KiB of
 * earlier ones are not taken. data NULL: the end of its input. One that is started again finds its
 * input at the end.
 *
 * TIMEOUT: nothing was written. CLOSED: it has ended, or its input has; a rank that was started again finds
 * its input at the end. INVAL: no such rank, or no pipe. STATE: it does not run, or was attached.
 * PEER: the runtime has ended. NOMEM: nothing was written. */
DRAGON_API dragon_err_t dragon_group_write(dragon_group_t *group, uint32_t rank, const void *data,
                                           size_t bytes, int timeout_ms);

/* ---- events ---- */

typedef enum dragon_event_kind {
    DRAGON_EVENT_QUEUED = 1,     /* text: what it waits for */
    DRAGON_EVENT_STARTED = 2,    /* every node is ready */
    DRAGON_EVENT_RANK_UP = 3,    /* rank, node, pid */
    DRAGON_EVENT_RANK_DOWN = 4,  /* rank, node, pid, code */
    DRAGON_EVENT_RANK_AGAIN = 5, /* the same; it will be started again */
    DRAGON_EVENT_ENDED = 6       /* code; text: the cause. The last one */
} dragon_event_kind_t;

typedef struct dragon_event {
    dragon_event_kind_t kind;
    uint32_t rank, node;
    int pid, code;
    const char *text; /* "" when there is none; valid during the callback */
    int lost;         /* of RANK_DOWN: the rank is gone with its node, which is lost; code is 137 */
} dragon_event_t;

/* `fn` is called for each event from inside calls that wait and dragon_runtime_progress; the descriptor of
 * dragon_runtime_fd tells a program with a loop of its own when there are some. It may call anything
 * of this header but dragon_group_destroy. fn NULL: no more. An event that there is no memory for is not told. */
DRAGON_API void dragon_group_on_event(dragon_group_t *group,
                                      void (*fn)(void *arg, dragon_group_t *group,
                                                 const dragon_event_t *event),
                                      void *arg);

/* ---- groups of others ---- */

/* A line of text by which any process of the runtime can attach to the group. Valid until the group is started
 * again or destroyed; "" before the start. */
DRAGON_API const char *dragon_group_descriptor(const dragon_group_t *group);

/* A handle on a group of which the descriptor was passed here. It can be waited for, asked, signalled,
 * stopped, and ranks can be removed; its output stays where it goes. Destroying the handle leaves the group
 * alone. A group that has ended is found for a while.
 *
 * INVAL: no descriptor. NOT_FOUND: no such group, or of another runtime. PEER: the runtime has ended. TIMEOUT: it
 * did not answer within 10 s. NOMEM. */
DRAGON_API dragon_err_t dragon_group_attach(dragon_runtime_t *runtime, const char *descriptor,
                                            dragon_group_t **group_out, dragon_error_t *error);

/* ---- query ---- */

DRAGON_API dragon_group_state_t dragon_group_state(const dragon_group_t *group);
/* "running" and so on. Static. */
DRAGON_API const char *dragon_group_state_name(dragon_group_state_t state);
/* The runtime's number of the group, 0 before the start. */
DRAGON_API uint64_t dragon_group_id(const dragon_group_t *group);
/* How many ranks it was ever given, 0 before the start. */
DRAGON_API uint32_t dragon_group_size(const dragon_group_t *group);

/* When it has ended: 0 if every rank exited with 0. Else that of the first rank that failed on its
 * own: its exit code, or 128 and the number of the signal that killed it; ranks that were told to stop
 * do not count, nor do ends after which a rank was started again. 124: the time limit. 125: a failure
 * of the runtime, or an MPI rank that never reached it. Before the end: -1. */
DRAGON_API int dragon_group_exit_code(const dragon_group_t *group);
/* Why it is not 0: rank, host, process and cause. "" before the end, when all went well, and when our
 * standard output was closed (141). Valid until the group is destroyed or started again. */
DRAGON_API const char *dragon_group_cause(const dragon_group_t *group);
/* The last lines that the rank of the cause wrote to a file, up to 2 KiB; "" when there are none, or
 * they were seen on the way. Valid as the cause. */
DRAGON_API const char *dragon_group_last_lines(const dragon_group_t *group);

typedef struct dragon_rank_status {
    uint32_t node;     /* where it runs or ran */
    int pid;           /* there, of the latest start; 0: it was not started */
    int ended;         /* 0: as far as is known it runs, or will again */
    int exit_code;     /* of its latest end: its own, or 128 and the signal; -1: none yet */
    uint32_t restarts; /* how often it was started again */
    int removed;       /* by dragon_group_remove, as far as this process knows */
    int lost;          /* gone with its node, which is lost; exit_code is 137 */
} dragon_rank_status_t;

/* INVAL: no such rank. NOT_FOUND: nothing is known of it yet. */
DRAGON_API dragon_err_t dragon_group_rank_status(const dragon_group_t *group, uint32_t rank,
                                                 dragon_rank_status_t *status_out);

#ifdef __cplusplus
}
#endif

#endif

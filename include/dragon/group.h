/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Process groups: processes (ranks) of one program, placed over the nodes of the runtime and managed
 * as one. With dragon_group_set_pmi they are the ranks of an MPI program.
 *
 *     dragon_group_t *group;
 *     char *argv[] = {"./work", "--fast", NULL};
 *     dragon_group_create(runtime, argv, &group, &error);
 *     dragon_group_set_count(group, 16);
 *     dragon_group_start(group, &error);
 *     dragon_group_wait(group, DRAGON_FOREVER);
 *     printf("%d\n", dragon_group_exit_code(group));
 *     dragon_group_destroy(group);
 *
 * The ranks get the environment of this process as it is when the group is created, and its working
 * directory, on every node. Their output is written to this process's standard output and error,
 * line by line, while it is in a call that waits or in dragon_runtime_progress; a rank that writes
 * faster than that is made to wait. Standard output passes byte for byte; a line longer than 64 KiB may
 * have others between its parts. A program whose standard output may be closed early should ignore
 * SIGPIPE: the group is then stopped and its exit code is 141.
 *
 * Threads: as for the runtime handle, one at a time.
 */
#ifndef DRAGON_GROUP_H
#define DRAGON_GROUP_H

#include <dragon/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_group dragon_group_t;

enum {
    DRAGON_FOREVER = -1,   /* as a time-out: wait without limit */
    DRAGON_ALL_RANKS = -1, /* as a rank */
};

/* How ranks are laid out over the nodes. */
typedef enum dragon_map {
    DRAGON_MAP_BLOCK = 0, /* a node's cores are filled before the next node is used */
    DRAGON_MAP_CYCLIC = 1 /* rank after rank on node after node, round and round */
} dragon_map_t;

/* ---- life cycle ---- */

/* Makes a group of one rank that is not started yet.
 *
 * argv  the program and its arguments, ended by NULL; copied. A name without a slash is looked for
 *       along PATH, on each node.
 *
 * INVAL: argv is empty. NOMEM. */
DRAGON_API dragon_err_t dragon_group_create(dragon_runtime_t *runtime, char *const argv[],
                                            dragon_group_t **group_out, dragon_error_t *error);

/* Places and starts the ranks; returns when every node has said that it can start them. Nothing
 * runs anywhere unless the program and the working directory are there on every node of the group.
 *
 * INVAL: it cannot be placed as asked. LAUNCH: something is missing on a node;
 * dragon_group_exit_code is what a shell would return (127 not found, 126 not executable, 125 else).
 * TIMEOUT: a node did not get ready within 60 s. STATE: it was started before.
 * PEER: the runtime has ended. After an error nothing is left running. */
DRAGON_API dragon_err_t dragon_group_start(dragon_group_t *group, dragon_error_t *error);

/* Waits until all ranks have ended and their output is written; timeout_ms DRAGON_FOREVER: without
 * limit.
 *
 * TIMEOUT: it still runs, nothing has changed. STATE: it was not started.
 * PEER: the runtime has ended, and the group with it. */
DRAGON_API dragon_err_t dragon_group_wait(dragon_group_t *group, int timeout_ms);

/* Forgets the group. If it still runs it is stopped as by dragon_group_stop, without waiting.
 * NULL is fine. */
DRAGON_API void dragon_group_destroy(dragon_group_t *group);

/* ---- what is asked for; before the start ----
 *
 * All copy what they are given. INVAL: the value makes no sense. STATE: it was started.
 * NOMEM where something is copied. */

/* How many ranks. Without this call: one; with dragon_group_set_pmi one for each core of the runtime;
 * with dragon_group_set_ppn that many on each node. */
DRAGON_API dragon_err_t dragon_group_set_count(dragon_group_t *group, uint32_t ranks);
/* At most so many ranks on a node. */
DRAGON_API dragon_err_t dragon_group_set_ppn(dragon_group_t *group, uint32_t ranks);
DRAGON_API dragon_err_t dragon_group_set_map(dragon_group_t *group, dragon_map_t map);
/* The ranks are an MPI program: they get PMIx and PMI-1. If one fails the others are stopped. */
DRAGON_API dragon_err_t dragon_group_set_pmi(dragon_group_t *group, int on);
/* value NULL: removes the variable. */
DRAGON_API dragon_err_t dragon_group_set_env(dragon_group_t *group, const char *name,
                                             const char *value);
/* A relative one is taken from this process's directory. */
DRAGON_API dragon_err_t dragon_group_set_cwd(dragon_group_t *group, const char *directory);
/* Each line of output begins with its rank: "3: ". */
DRAGON_API dragon_err_t dragon_group_set_label(dragon_group_t *group, int on);
/* Rank 0 reads this descriptor, of which the group reads as much as rank 0 takes. -1 (the default):
 * rank 0 reads nothing, as all others do. It stays open and the caller's. */
DRAGON_API dragon_err_t dragon_group_set_input(dragon_group_t *group, int fd);
/* After so long the group is stopped and its exit code is 124. 0: no limit. */
DRAGON_API dragon_err_t dragon_group_set_time_limit(dragon_group_t *group, uint64_t ms);
/* Between TERM and KILL of a stop; 5000 unless set. */
DRAGON_API dragon_err_t dragon_group_set_grace(dragon_group_t *group, uint32_t ms);

/* ---- while it runs ---- */

/* Sends a signal to the process group of one rank, or of all (DRAGON_ALL_RANKS). Ranks that have ended
 * are passed over. Does not wait. STATE: it does not run. INVAL: no such rank or signal. */
DRAGON_API dragon_err_t dragon_group_signal(dragon_group_t *group, int rank, int signal);

/* Ends it: TERM now, KILL after the grace time. Does not wait; dragon_group_wait does. The exit code is
 * 143, unless a rank had failed before. STATE: it does not run. */
DRAGON_API dragon_err_t dragon_group_stop(dragon_group_t *group);

/* ---- query ---- */

/* The runtime's number of the group, 0 before the start. */
DRAGON_API uint64_t dragon_group_id(const dragon_group_t *group);
/* How many ranks it was given, 0 before the start. */
DRAGON_API uint32_t dragon_group_size(const dragon_group_t *group);

/* When it has ended: 0 if every rank exited with 0. Else that of the first rank that failed on its
 * own: its exit code, or 128 and the number of the signal that killed it; ranks that were told to stop
 * do not count. 124: the time limit. 125: a failure of the runtime, or an MPI rank that never reached
 * it. Before the end: -1. */
DRAGON_API int dragon_group_exit_code(const dragon_group_t *group);
/* Why it is not 0: rank, host, process and cause. "" before the end, when all went well, and when our
 * standard output was closed (141). Valid until the group is destroyed. */
DRAGON_API const char *dragon_group_cause(const dragon_group_t *group);

typedef struct dragon_rank_status {
    uint32_t node; /* where it ran */
    int pid;       /* there; 0: it was not started */
    int ended;     /* 0: as far as is known it runs */
    int exit_code; /* when ended: its own, or 128 and the signal */
} dragon_rank_status_t;

/* INVAL: no such rank. NOT_FOUND: nothing is known of it yet. */
DRAGON_API dragon_err_t dragon_group_rank_status(const dragon_group_t *group, uint32_t rank,
                                                 dragon_rank_status_t *status_out);

#ifdef __cplusplus
}
#endif

#endif

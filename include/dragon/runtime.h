/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The runtime, seen from a process inside it.
 *
 * A runtime is what one `dragon-run` started: its nodes, and everything that runs on them. The program
 * given to dragon-run, and every program started in a process group, finds it through the environment
 * variable DRAGON_RUNTIME, which dragon-run and the agents set. Attach once, use groups and whatever
 * else the runtime offers, detach.
 *
 * Every call that asks the runtime for something may also fail with PROTO: what came back is not understood. The
 * connection is lost then, as when the runtime ends.
 *
 * Threads: a runtime handle and all objects made through it are used by one thread at a time.
 */
#ifndef DRAGON_RUNTIME_H
#define DRAGON_RUNTIME_H

#include <dragon/error.h>
#include <dragon/export.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_runtime dragon_runtime_t;

/* As time-outs: wait without limit; and 60 s, or DRAGON_TIMEOUT of the environment ("5s", "off"). Other negative
 * numbers are without limit, too: who computes a time-out sees to it that it does not fall below 0. */
enum { DRAGON_FOREVER = -1, DRAGON_DEFAULT_TIMEOUT = -2 };

/* ---- life cycle ---- */

/* Connects to the agent of this node.
 *
 * runtime_out  written on success; the caller ends it with dragon_runtime_detach
 *
 * NOT_FOUND: this process is not inside a runtime (DRAGON_RUNTIME is not set).
 * PEER: the runtime that it was started in has ended. PROTO: the agent is of another version.
 * DENIED: the runtime belongs to another user. TIMEOUT: the agent did not answer within 10 s.
 * INVAL: DRAGON_RUNTIME is longer than the path of a socket can be. NOMEM: of memory or descriptors. */
DRAGON_API dragon_err_t dragon_runtime_attach(dragon_runtime_t **runtime_out,
                                              dragon_error_t *error);

/* The same for the runtime whose agent listens at this path, as dragon_runtime_path gives it and
 * DRAGON_RUNTIME holds it; of this host and this user. INVAL: the path is empty or too long. */
DRAGON_API dragon_err_t dragon_runtime_attach_to(const char *path, dragon_runtime_t **runtime_out,
                                                 dragon_error_t *error);

/* Ends the connection. Groups that were started through it and still run are stopped by the runtime (TERM, then KILL),
 * unless they are detached. Their handles are to be destroyed before. Handles on channels, locks and so on still work,
 * without a runtime handle; what they use is given back with the last of them. NULL is fine. */
DRAGON_API void dragon_runtime_detach(dragon_runtime_t *runtime);

/* ---- query ---- */

/* How many nodes the runtime has, and the number of this one, from 0. */
DRAGON_API uint32_t dragon_runtime_nodes(const dragon_runtime_t *runtime);
DRAGON_API uint32_t dragon_runtime_node(const dragon_runtime_t *runtime);

/* The name of this node: its host's name, made unique when several nodes share a host. Valid until
 * detach. */
DRAGON_API const char *dragon_runtime_node_name(const dragon_runtime_t *runtime);

/* The path of the socket of this node's agent. Valid until detach. */
DRAGON_API const char *dragon_runtime_path(const dragon_runtime_t *runtime);

/* A text that no other runtime has, the same on all its nodes. Valid until detach. */
DRAGON_API const char *dragon_runtime_identity(const dragon_runtime_t *runtime);

/* Why this process could not reach another node with a channel or the like, the latest time that a call without a
 * dragon_error_t failed for that (UNSUPPORTED, LAUNCH, PEER and so on): what failed, on which host, and what to try.
 * "" when none did, or a connection was made since. Valid until the next call with the handle or an object made
 * through it. NULL is fine. */
DRAGON_API const char *dragon_runtime_network_error(const dragon_runtime_t *runtime);

/* How much of the allocation's time is left, in milliseconds, 0 when it is over: as the batch system told the
 * first node in SLURM_JOB_END_TIME, or dragon-run was told with --walltime.
 *
 * NOT_FOUND: nobody said. */
DRAGON_API dragon_err_t dragon_runtime_time_left(const dragon_runtime_t *runtime, uint64_t *ms_out);

/* The release of the library, "0.1.0". Static. */
DRAGON_API const char *dragon_version(void);

/* ---- inside an event loop ----
 *
 * Calls that wait turn the runtime's own loop. A program with a loop of its own polls the descriptor
 * for reading, for at most dragon_runtime_wait_ms, and calls dragon_runtime_progress. */

/* Becomes readable when there is something to do. It belongs to the runtime. */
DRAGON_API int dragon_runtime_fd(const dragon_runtime_t *runtime);

/* How long a poll may take at most, in milliseconds; -1: as long as it likes. */
DRAGON_API int dragon_runtime_wait_ms(dragon_runtime_t *runtime);

/* Does what there is to do, waiting for it at most timeout_ms (0: not at all).
 *
 * PEER: the connection to the agent is lost: the runtime has ended. */
DRAGON_API dragon_err_t dragon_runtime_progress(dragon_runtime_t *runtime, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif

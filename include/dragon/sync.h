/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Objects by which processes agree: locks, semaphores, barriers, events and shared values. Each lives on one node and
 * is used from all, like a channel: on its home node without a system call when nobody has to wait, over the network
 * elsewhere. Each is made with dragon_KIND_create, attached to by its descriptor, or found by a name under which that
 * was published (name.h), as channels are; left with detach, and ended for everybody with destroy (others get CLOSED).
 *
 * `node` is the home: a node's number, or DRAGON_HERE. Time-outs are as in channel.h: 0 tries (AGAIN),
 * DRAGON_FOREVER, DRAGON_DEFAULT_TIMEOUT. Errors that all calls have: TIMEOUT (AGAIN with 0), nothing has changed;
 * CLOSED: the object was destroyed; PEER: the home node, or the runtime, is gone; INVAL: the handle is NULL, or what
 * is said below; STATE: the handle is that of a process which forked us. The first call with an object of another
 * node makes the connection, and may fail with UNSUPPORTED: there is no network for data.
 *
 * Who "has" or "waits" is a runtime handle, as far as the others are concerned: a process that attached to the
 * runtime twice is two.
 *
 * Threads: as for the runtime handle, one at a time.
 */
#ifndef DRAGON_SYNC_H
#define DRAGON_SYNC_H

#include <dragon/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- lock: one process at a time ---- */

typedef struct dragon_lock dragon_lock_t;

DRAGON_API dragon_err_t dragon_lock_create(dragon_runtime_t *runtime, int node,
                                           dragon_lock_t **lock_out, dragon_error_t *error);
DRAGON_API dragon_err_t dragon_lock_attach(dragon_runtime_t *runtime, const char *descriptor,
                                           dragon_lock_t **lock_out, dragon_error_t *error);
DRAGON_API dragon_err_t dragon_lock_find(dragon_runtime_t *runtime, const char *name,
                                         int timeout_ms, dragon_lock_t **lock_out,
                                         dragon_error_t *error);
/* A lock that it holds is released. */
DRAGON_API void dragon_lock_detach(dragon_lock_t *lock);
DRAGON_API dragon_err_t dragon_lock_destroy(dragon_lock_t *lock, dragon_error_t *error);
DRAGON_API const char *dragon_lock_descriptor(const dragon_lock_t *lock);

/* *abandoned_out (may be NULL) is 1 when the process that had it died with it: what it protects may be half done, and
 * whoever gets this is the one who is told. STATE: this process has it already, with this handle or with another one
 * on the same lock (of the same runtime handle). Who has waited for a millisecond gets the next turn before those who
 * come later. */
DRAGON_API dragon_err_t dragon_lock_acquire(dragon_lock_t *lock, int *abandoned_out,
                                            int timeout_ms);
/* STATE: the handle does not have it. */
DRAGON_API dragon_err_t dragon_lock_release(dragon_lock_t *lock);

/* ---- semaphore: so many at a time ---- */

typedef struct dragon_semaphore dragon_semaphore_t;

/* `most`: the value cannot get above it (release: FULL); 0: no bound. INVAL: value > most. What a process that dies
 * has taken stays taken: only its user knows what it stands for. */
DRAGON_API dragon_err_t dragon_semaphore_create(dragon_runtime_t *runtime, int node, uint32_t value,
                                                uint32_t most, dragon_semaphore_t **semaphore_out,
                                                dragon_error_t *error);
DRAGON_API dragon_err_t dragon_semaphore_attach(dragon_runtime_t *runtime, const char *descriptor,
                                                dragon_semaphore_t **semaphore_out,
                                                dragon_error_t *error);
DRAGON_API dragon_err_t dragon_semaphore_find(dragon_runtime_t *runtime, const char *name,
                                              int timeout_ms, dragon_semaphore_t **semaphore_out,
                                              dragon_error_t *error);
DRAGON_API void dragon_semaphore_detach(dragon_semaphore_t *semaphore);
DRAGON_API dragon_err_t dragon_semaphore_destroy(dragon_semaphore_t *semaphore,
                                                 dragon_error_t *error);
DRAGON_API const char *dragon_semaphore_descriptor(const dragon_semaphore_t *semaphore);
/* Takes one. Turns are as for locks. */
DRAGON_API dragon_err_t dragon_semaphore_acquire(dragon_semaphore_t *semaphore, int timeout_ms);
/* Gives `count` back; as many of those who wait go on. INVAL: 0. FULL: it would be more than `most`; nothing has
 * changed. */
DRAGON_API dragon_err_t dragon_semaphore_release(dragon_semaphore_t *semaphore, uint32_t count);
DRAGON_API dragon_err_t dragon_semaphore_value(dragon_semaphore_t *semaphore, uint32_t *value_out);

/* ---- barrier: all or none ---- */

typedef struct dragon_barrier dragon_barrier_t;

enum { DRAGON_BARRIER_MOST = 4093 }; /* as many as can use a node's memory */

/* For so many parties, 1 to DRAGON_BARRIER_MOST. */
DRAGON_API dragon_err_t dragon_barrier_create(dragon_runtime_t *runtime, int node, uint32_t parties,
                                              dragon_barrier_t **barrier_out,
                                              dragon_error_t *error);
DRAGON_API dragon_err_t dragon_barrier_attach(dragon_runtime_t *runtime, const char *descriptor,
                                              dragon_barrier_t **barrier_out,
                                              dragon_error_t *error);
DRAGON_API dragon_err_t dragon_barrier_find(dragon_runtime_t *runtime, const char *name,
                                            int timeout_ms, dragon_barrier_t **barrier_out,
                                            dragon_error_t *error);
/* From then on it does not matter to others whether we die. */
DRAGON_API void dragon_barrier_detach(dragon_barrier_t *barrier);
DRAGON_API dragon_err_t dragon_barrier_destroy(dragon_barrier_t *barrier, dragon_error_t *error);
DRAGON_API const char *dragon_barrier_descriptor(const dragon_barrier_t *barrier);

/* Waits until all parties are in this call. *index_out (may be NULL): in which order we came, from 0. Then it is
 * empty again, for the next round.
 *
 * It breaks when a party's time-out is over while it waits (that party gets TIMEOUT), when somebody aborts it, or
 * when a process dies that has ever waited at it and did not detach: then everybody who waits or comes gets CANCELED
 * until somebody resets it. Whoever waits when the last party comes gets DRAGON_OK whatever happens next. With
 * timeout_ms 0 a party comes only if it is the last; else AGAIN, and nothing is broken. */
DRAGON_API dragon_err_t dragon_barrier_wait(dragon_barrier_t *barrier, uint32_t *index_out,
                                            int timeout_ms);
DRAGON_API dragon_err_t dragon_barrier_abort(dragon_barrier_t *barrier);
/* Whole and empty again; who waits gets CANCELED. */
DRAGON_API dragon_err_t dragon_barrier_reset(dragon_barrier_t *barrier);
/* How many wait, and whether it is broken. */
DRAGON_API dragon_err_t dragon_barrier_state(dragon_barrier_t *barrier, uint32_t *waiting_out,
                                             int *broken_out);

/* ---- event: something has happened or not ---- */

typedef struct dragon_event_flag dragon_event_flag_t;

DRAGON_API dragon_err_t dragon_event_flag_create(dragon_runtime_t *runtime, int node,
                                                 dragon_event_flag_t **signal_out,
                                                 dragon_error_t *error);
DRAGON_API dragon_err_t dragon_event_flag_attach(dragon_runtime_t *runtime, const char *descriptor,
                                                 dragon_event_flag_t **signal_out,
                                                 dragon_error_t *error);
DRAGON_API dragon_err_t dragon_event_flag_find(dragon_runtime_t *runtime, const char *name,
                                               int timeout_ms, dragon_event_flag_t **signal_out,
                                               dragon_error_t *error);
DRAGON_API void dragon_event_flag_detach(dragon_event_flag_t *signal);
DRAGON_API dragon_err_t dragon_event_flag_destroy(dragon_event_flag_t *signal,
                                                  dragon_error_t *error);
DRAGON_API const char *dragon_event_flag_descriptor(const dragon_event_flag_t *signal);
/* Everybody who waits goes on, even if it is cleared before they could look. */
DRAGON_API dragon_err_t dragon_event_flag_set(dragon_event_flag_t *signal);
DRAGON_API dragon_err_t dragon_event_flag_clear(dragon_event_flag_t *signal);
DRAGON_API dragon_err_t dragon_event_flag_is_set(dragon_event_flag_t *signal, int *set_out);
DRAGON_API dragon_err_t dragon_event_flag_wait(dragon_event_flag_t *signal, int timeout_ms);

/* ---- shared values: 64-bit numbers ---- */

typedef struct dragon_value dragon_value_t;

enum { DRAGON_VALUE_MOST = 65536 };

/* `count` numbers, all `initial`; 1 to DRAGON_VALUE_MOST. */
DRAGON_API dragon_err_t dragon_value_create(dragon_runtime_t *runtime, int node, uint32_t count,
                                            int64_t initial, dragon_value_t **value_out,
                                            dragon_error_t *error);
DRAGON_API dragon_err_t dragon_value_attach(dragon_runtime_t *runtime, const char *descriptor,
                                            dragon_value_t **value_out, dragon_error_t *error);
DRAGON_API dragon_err_t dragon_value_find(dragon_runtime_t *runtime, const char *name,
                                          int timeout_ms, dragon_value_t **value_out,
                                          dragon_error_t *error);
DRAGON_API void dragon_value_detach(dragon_value_t *value);
DRAGON_API dragon_err_t dragon_value_destroy(dragon_value_t *value, dragon_error_t *error);
DRAGON_API const char *dragon_value_descriptor(const dragon_value_t *value);
DRAGON_API uint32_t dragon_value_count(const dragon_value_t *value);

typedef enum dragon_atomic {
    DRAGON_ATOMIC_LOAD = 0, /* the operand is not looked at */
    DRAGON_ATOMIC_STORE = 1,
    DRAGON_ATOMIC_ADD = 2, /* wraps around */
    DRAGON_ATOMIC_AND = 3,
    DRAGON_ATOMIC_OR = 4,
    DRAGON_ATOMIC_XOR = 5,
    DRAGON_ATOMIC_MIN = 6,
    DRAGON_ATOMIC_MAX = 7,
    DRAGON_ATOMIC_SWAP = 8
} dragon_atomic_t;

/* One step that nobody else's comes between. *before_out (may be NULL): what it was. INVAL: no such number, or
 * operation. */
DRAGON_API dragon_err_t dragon_value_do(dragon_value_t *value, uint32_t index, dragon_atomic_t what,
                                        int64_t operand, int64_t *before_out);
/* Sets it to `wanted` when it is `expected`. *before_out (may be NULL) is what it was, also with AGAIN: that was
 * something else. */
DRAGON_API dragon_err_t dragon_value_compare_swap(dragon_value_t *value, uint32_t index,
                                                  int64_t expected, int64_t wanted,
                                                  int64_t *before_out);
/* Waits until it is not `known` any more; *now_out (may be NULL) is what it is. A change that was taken back at once
 * may be missed. Each change of any number wakes all who wait at the object, so numbers that change often and numbers
 * that are waited for are better kept apart. INVAL: no such number. */
DRAGON_API dragon_err_t dragon_value_wait_change(dragon_value_t *value, uint32_t index,
                                                 int64_t known, int64_t *now_out, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif

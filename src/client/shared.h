// SPDX-License-Identifier: BSD-3-Clause
//
// What a runtime handle has of shared memory and of the data network, each made when it is first used; and handles on
// objects: what channels, queues, locks and the like have in common. An object of this node is used in shared memory
// (`object`), one of another node over the network (`far`, made with the first call that needs it).
#ifndef CLIENT_SHARED_H
#define CLIENT_SHARED_H

#include "chan/far.h"
#include "chan/object.h"
#include "client/runtime.h"

struct shared {
    struct space *space;
    struct waiter waiter;
    struct far *far; // NULL: not needed yet
    dragon_error_t
        why; // of the latest connection that failed; DRAGON_OK: none, or one was made since
    uint32_t handles;            // that use it
    bool abandoned;              // the runtime handle is gone: the last of them ends it
    uint32_t forks;              // shared_forks when it was made
    struct shared_block *blocks; // owned by memory.c: shared ones that this process holds
    struct claim *claims;        // owned by channel_claim.c: of which it is the single receiver
    struct dragon_channel_set *asleep; // of channel_poll.c: sets whose descriptors are polled
};

// Grows in a child made by fork, where nothing of this may be touched.
extern _Atomic uint32_t shared_forks;
static inline bool shared_is_ours(const struct shared *shared)
{
    return shared->forks == atomic_load_explicit(&shared_forks, memory_order_relaxed);
}

// Of the runtime handle, made with the first call. PEER, TIMEOUT, NOMEM, PROTO.
dragon_err_t shared_get(struct dragon_runtime *runtime, struct shared **shared_out,
                        dragon_error_t *error);
dragon_err_t shared_far(struct shared *shared, struct far **far_out, dragon_error_t *error);
// Tells the keeper that this process serves the object to other nodes, with the port of its far, or no longer.
dragon_err_t shared_serves(struct shared *shared, uint64_t object, bool serves);
// A text for an error of a call that may have had to connect.
const char *shared_why(const struct shared *shared, dragon_err_t err);
void shared_destroy(struct shared *shared);            // by dragon_runtime_detach; NULL is fine
void shared_unref(struct shared *shared);              // a handle is gone
dragon_err_t shared_err_forked(dragon_error_t *error); // STATE
dragon_err_t shared_err_answer(
    dragon_error_t *error); // PROTO: the keeper's answer is not understood

// memory.c
void shared_blocks_forget(struct shared *shared);
// INVAL: the spec makes no sense. NULL: of any kind.
dragon_err_t memory_kind(const dragon_memory_spec_t *spec, struct segment_kind *kind_out,
                         dragon_error_t *error);

struct handle {
    struct dragon_runtime *runtime; // borrowed
    struct shared *shared;          // borrowed
    uint64_t id;
    uint32_t node; // its home
    struct object_spec spec;
    mem_ref block;          // 0: on another node
    struct object *object;  // mapped; NULL: on another node
    struct far_object *far; // NULL: here, or not connected yet
    struct spin spin;
    char *descriptor; // owned
};

// Else every call with it is STATE.
static inline bool handle_is_ours(const struct handle *handle)
{
    return shared_is_ours(handle->shared);
}

// `node` DRAGON_HERE or a number. Into memory of the caller, which is its own again after handle_leave or handle_end.
dragon_err_t handle_create(struct handle *handle, struct dragon_runtime *runtime, int node,
                           const struct object_spec *spec, dragon_error_t *error);
dragon_err_t handle_attach(struct handle *handle, struct dragon_runtime *runtime,
                           const char *descriptor, enum object_kind kind, dragon_error_t *error);
// With descriptors that call it something else than its kind.
dragon_err_t handle_attach_as(struct handle *handle, struct dragon_runtime *runtime,
                              const char *what, const char *descriptor, enum object_kind kind,
                              dragon_error_t *error);
// One whose node and id are known, of the same runtime as another one.
dragon_err_t handle_open(struct handle *handle, const struct handle *beside, uint32_t node,
                         uint64_t id, enum object_kind kind, dragon_error_t *error);
// Waits for what was sent to arrive. In any case it is left.
dragon_err_t handle_leave(struct handle *handle);
dragon_err_t handle_close(struct handle *handle, dragon_error_t *error);
dragon_err_t handle_end(struct handle *handle,
                        dragon_error_t *error); // destroys the object, and leaves it
dragon_err_t handle_stat(struct handle *handle, struct object_stat *stat_out,
                         dragon_error_t *error);

// name.c: the descriptor that a name stands for, which the caller frees; `what` is how it calls the object, as the name of
// its kind. INVAL: it is of something else.
dragon_err_t name_find_object(struct dragon_runtime *runtime, const char *name, const char *what,
                              int timeout_ms, char **descriptor_out, dragon_error_t *error);

// The far object; the network is made if need be.
dragon_err_t handle_far(struct handle *handle, struct far_object **far_out);

// Operations on synchronisation objects, wherever they are.
dragon_err_t handle_sync(struct handle *handle, const struct sync_call *call, uint64_t *result_out,
                         int timeout_ms);

// descriptor.c: "dragon-WHAT:RUNTIME:NUMBER:..."; of objects WHAT is the name of the kind, and the numbers are its node
// and id.
enum { OBJECT_NUMBERS = 2 };
#define DICT_WHAT "dict" // whose root is a value
// The caller frees it. NULL: out of memory.
char *descriptor_write(const char *what, const char *runtime, const uint64_t *numbers,
                       size_t count);
// Exactly what descriptor_write writes: else INVAL, or NOT_FOUND: of another runtime.
dragon_err_t descriptor_read(const char *text, const char *what, const char *runtime,
                             uint64_t *numbers_out, size_t count, dragon_error_t *error);
// Whether it names an object of this runtime, of any kind.
bool descriptor_find_object(const char *text, const char *runtime, uint32_t *node_out,
                            uint64_t *id_out);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the handles of locks, semaphores, barriers, flags and values have in common. Each is a struct that begins with
// a struct handle.
#ifndef CLIENT_SYNC_H
#define CLIENT_SYNC_H

#include "client/shared.h"

// A zeroed struct of so many bytes, with its handle open. `sync_out` is where the pointer to it goes. The caller's
// until sync_leave or sync_end.
dragon_err_t sync_create(size_t bytes, dragon_runtime_t *runtime, int node,
                         const struct object_spec *spec, void *sync_out, dragon_error_t *error);
dragon_err_t sync_attach(size_t bytes, dragon_runtime_t *runtime, const char *descriptor,
                         enum object_kind kind, void *sync_out, dragon_error_t *error);
dragon_err_t sync_find(size_t bytes, dragon_runtime_t *runtime, const char *name,
                       enum object_kind kind, int timeout_ms, void *sync_out,
                       dragon_error_t *error);
void sync_leave(void *sync);                              // NULL is fine
dragon_err_t sync_end(void *sync, dragon_error_t *error); // for everybody; NULL is fine
const char *sync_descriptor(const void *sync);            // "": NULL

// One operation, without waiting for anything but the home node. INVAL: NULL.
dragon_err_t sync_now(void *sync, struct sync_call call, uint64_t *result_out);
// One that waits.
dragon_err_t sync_wait(void *sync, struct sync_call call, uint64_t *result_out, int timeout_ms);

#endif

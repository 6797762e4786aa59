// SPDX-License-Identifier: BSD-3-Clause
//
// The agent's side of dragon-pmix: calls that send, and a handler that is told. The agent starts
// the helper itself and keeps the other end of the socketpair; it forks the ranks itself and
// carries fences and direct modex between hosts.
//
// Order that must hold: the job is ready on all its hosts before any rank of it is forked anywhere.
#ifndef PMI_SERVICE_H
#define PMI_SERVICE_H

#include "loop/loop.h"
#include "pmi/proto.h"

struct pmix_service;

// Pointers in arguments are valid until the handler returns. Any of these may destroy the service.
struct pmix_service_handler {
    // `error` is "" when all is well; then `envs` holds `count` lists of NAME=value, one of each
    // local rank in ascending order of rank.
    void (*on_job_ready)(void *arg, uint64_t job, const char *error, char *const *const *envs,
                         uint32_t count);
    void (*on_connected)(void *arg, uint64_t job, uint32_t rank); // MPI_Init began
    void (*on_finalized)(void *arg, uint64_t job, uint32_t rank);
    void (*on_abort)(void *arg, uint64_t job, uint32_t rank, int32_t code, const char *text);
    void (*on_fence)(void *arg, const struct pmi_fence_message *fence);    // answer: _fence_done
    void (*on_modex)(void *arg, uint64_t id, uint64_t job, uint32_t rank); // answer: _modex_done
    // The answer to pmix_service_modex_get.
    void (*on_modex_got)(void *arg, uint64_t id, dragon_err_t err, const void *data, size_t length);
    void (*on_settled)(void *arg, uint64_t job, uint32_t rank);
    void (*on_lost_rank)(void *arg, uint64_t job, uint32_t rank);
    // The helper is gone, and with it every job, fence and request. At most once, as the last call;
    // the service is still to be destroyed.
    void (*on_gone)(void *arg, const char *reason);
};

// Takes over `fd` (closed on destroy, or at once on failure: NULL when memory is out).
struct pmix_service *pmix_service_create(struct loop *loop, int fd,
                                         const struct pmix_service_handler *handler, void *arg);
void pmix_service_destroy(struct pmix_service *service); // NULL is fine; the helper then ends

// Each copies what it is given. After on_gone they do nothing.
void pmix_service_job(struct pmix_service *service, const struct pmi_job_message *job);
void pmix_service_fence_done(struct pmix_service *service, uint64_t fence_id, dragon_err_t err,
                             const void *data, size_t length);

// Asks the local ranks' server for what `rank` of this node has published; waits there until the
// rank has. `id` is the caller's. A job that is not registered here is answered NOT_FOUND at once.
void pmix_service_modex_get(struct pmix_service *service, uint64_t id, uint64_t job, uint32_t rank);
void pmix_service_modex_done(struct pmix_service *service, uint64_t id, dragon_err_t err,
                             const void *data, size_t length);

// When a rank has exited: on_settled comes after everything that the rank did before it exited.
void pmix_service_settle(struct pmix_service *service, uint64_t job, uint32_t rank);

// Open fences and requests of the job are answered inside the helper with an error. Answers of ours
// that are under way meet nobody, which is fine.
void pmix_service_job_end(struct pmix_service *service, uint64_t job);

#endif

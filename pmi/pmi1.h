// SPDX-License-Identifier: BSD-3-Clause
//
// PMI-1 line server for one job on one node: what MPICH and its family speak over PMI_FD. Each
// rank has a stream socketpair. Runs in the agent's loop; carries no data between nodes itself: a
// barrier hands the agent this node's new puts and waits for everybody's.
#ifndef PMI_PMI1_H
#define PMI_PMI1_H

#include "loop/loop.h"
#include "pmi/map.h"

enum {
    PMI1_KEY_MAX = 64, // with the zero, as all three
    PMI1_VALUE_MAX = 1024,
    PMI1_KVSNAME_MAX = 256,
    PMI1_LINE_MAX = 4096, // a longer line ends the rank's connection
};

struct pmi1_blob {
    const void *data;
    size_t length;
};

// Any of these may destroy the job. All are told about local ranks only.
struct pmi1_handler {
    void (*on_connected)(void *arg, uint32_t rank); // it said init
    void (*on_finalized)(void *arg, uint32_t rank);
    // All local ranks are in. `data` is what they put since the last barrier; it goes to all nodes
    // of the job, and pmi1_job_barrier_done is called when all have come (now, if there is one).
    void (*on_barrier)(void *arg, const void *data, size_t length);
    void (*on_abort)(void *arg, uint32_t rank, int32_t code, const char *text);
    // Its end is closed, or it sent what is no PMI-1. `finalized`: it had said so before; else,
    // when it had connected, it left without.
    void (*on_lost)(void *arg, uint32_t rank, bool finalized);
};

struct pmi1_job;

// The map and the name are copied. NULL when memory is out, or the name or the map cannot be.
struct pmi1_job *pmi1_job_create(struct loop *loop, const struct pmi_map *map, const char *kvsname,
                                 const struct pmi1_handler *handler, void *arg);
void pmi1_job_destroy(struct pmi1_job *job); // NULL is fine; closes what is attached

// Takes over `fd`, the server's end of the rank's socketpair (closed on destroy, when the rank
// leaves, or at once on failure). False when the rank is not of this node or attached already, or
// memory is out.
bool pmi1_job_attach(struct pmi1_job *job, uint32_t rank, int fd);

// Every node's data (ours may be among them), then all waiting ranks go on. PROTO when a blob is
// none of ours: nothing was released, and the group is to be stopped. STATE when no barrier is on.
dragon_err_t pmi1_job_barrier_done(struct pmi1_job *job, const struct pmi1_blob *blobs,
                                   size_t count);

// Reads what is there now, without waiting. To be called when the rank has exited, before judging
// how: its last lines may not have been read yet.
void pmi1_job_drain(struct pmi1_job *job, uint32_t rank);

#endif

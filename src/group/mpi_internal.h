// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the MPI side share: mpi.c (the servers' events), mpi_job.c (one job), mpi_fence.c (its
// collectives), mpi_modex.c (single values between nodes), mpi_helper.c (the process dragon-pmix).
#ifndef GROUP_MPI_INTERNAL_H
#define GROUP_MPI_INTERNAL_H

#include "group/mpi.h"
#include "pmi/pmi1.h"
#include "pmi/service.h"

#include <uthash.h>

struct local_rank {
    bool connected, finalized;
};

struct mpi_job {
    struct mpi *mpi; // borrowed
    uint64_t group;
    struct pmi_map map;       // owned
    uint32_t *nodes;          // owned: runtime numbers of the map's nodes
    uint32_t *ranks;          // owned: the local ranks, ascending
    struct local_rank *local; // owned, as many
    uint32_t local_count;
    char ***envs; // owned: what the PMIx server adds, one list a local rank
    struct pmi1_job *pmi1;
    uint64_t pmi1_turn;
    char *dir, *shm_dir;  // owned
    struct pmi_app *apps; // borrowed from the group, which outlives the job
    char **bound;         // owned: as in pmi_job_message
    bool oversubscribed;
    bool registered, ready;
    bool again;                // registered with a second helper, because the first was dying
    struct loop_timer *answer; // runs while the helper owes one
    bool seen[PMI_FAMILIES];   // a rank that speaks it has connected here
    uint32_t unsettled;        // exited ranks of which it has not told all yet
    const struct mpi_job_handler *handler;
    void *arg;
    UT_hash_handle hh;
};

struct asked; // mpi_modex.c

struct mpi {
    struct groups_options options;
    struct exchanges *exchanges; // borrowed
    struct pmix_service *service;
    struct mpi_job *jobs; // by group; each owned by its group
    struct asked *asked;  // owned, by id
    uint64_t next_ask;
    uint32_t jobs_served; // by the present helper
    bool doubtful;        // a rank left it without MPI_Finalize: libpmix may have locked itself up
    pid_t helper;         // its process; 0: none
    bool silent;          // it was killed because it did not answer
};

struct mpi_job *mpi_find_job(struct mpi *mpi, uint64_t group);
void mpi_job_register(struct mpi_job *job); // with mpi->service; on_ready follows
void mpi_job_connected(struct mpi_job *job, uint32_t rank, enum pmi_family family);
void mpi_job_settled(struct mpi_job *job, uint32_t rank);
struct local_rank *mpi_job_find_rank(const struct mpi_job *job,
                                     uint32_t rank); // NULL: not of this node

extern const struct pmix_service_handler mpi_service_handler; // mpi.c
extern const struct pmi1_handler mpi_pmi1_handler;            // mpi_job.c

// mpi_helper.c: starts the helper as mpi->service.
bool mpi_start_helper(struct mpi *mpi, dragon_error_t *error);
void mpi_kill_helper(struct mpi *mpi); // it does not answer; on_gone follows

// mpi_fence.c: each is answered to the server it came from.
void mpi_fence(struct mpi *mpi, const struct pmi_fence_message *message);
void mpi_barrier(struct mpi_job *job, const void *data, size_t length);

// mpi_modex.c
void mpi_modex_ask(struct mpi *mpi, uint64_t id, uint64_t group, uint32_t rank);
void mpi_modex_got(struct mpi *mpi, uint64_t id, dragon_err_t err, const void *data, size_t length);
void mpi_modex_lost(struct mpi *mpi); // the helper is gone: everybody who waits for it is answered

#endif

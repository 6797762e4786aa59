// SPDX-License-Identifier: BSD-3-Clause
//
// The MPI side of groups on one node: the PMIx helper (dragon-pmix, started with the first MPI group),
// the PMI-1 server of each group, and their collectives carried to the other nodes by exchanges.
#ifndef GROUP_MPI_H
#define GROUP_MPI_H

#include "group/exchange.h"
#include "group/groups.h"
#include "group/proto.h"
#include "pmi/proto.h"

struct mpi;
struct mpi_job;

struct mpi_job_handler {
    // The ranks may be started; or `error` is not "": the job is to be destroyed.
    void (*on_ready)(void *arg, const char *error);
    // Everything that the rank did before it exited has been told (after mpi_job_rank_exited).
    void (*on_settled)(void *arg, uint32_t rank);
    void (*on_abort)(void *arg, uint32_t rank, int32_t code, const char *text);
    // The job cannot go on here.
    void (*on_broken)(void *arg, const char *text);
    // A rank has connected whose MPI library speaks this; only of the first of each kind here.
    void (*on_family)(void *arg, uint32_t rank, enum pmi_family family);
};

struct mpi *mpi_create(const struct groups_options *options, struct exchanges *exchanges);
void mpi_destroy(struct mpi *mpi); // NULL is fine; its jobs are destroyed before

// Messages GN_MODEX and GN_MODEX_GOT. False when not well-formed.
bool mpi_on_message(struct mpi *mpi, const struct link_message *message);

struct mpi_job_options {
    uint64_t group;
    const struct pmi_map *map; // copied; `nodes` of it are numbered as in nodes[]
    const uint32_t *nodes;     // the runtime's node number of each node of the map, ascending
    char *const *bound;        // copied; as in pmi_job_message
    bool oversubscribed;       // ranks here share cores with each other or with somebody else
    struct pmi_app *apps; // of the map's programs; kept by the caller until the job is destroyed
};

// on_ready comes later. NULL when memory is out or the helper cannot be started.
struct mpi_job *mpi_job_create(struct mpi *mpi, const struct mpi_job_options *options,
                               const struct mpi_job_handler *handler, void *arg,
                               dragon_error_t *error);

// The group has ended here: open fences are answered with an error, everything is forgotten.
void mpi_job_destroy(struct mpi_job *job); // NULL is fine

// Adds what the rank needs to its environment. *fd_out is to be its descriptor 3; the caller closes it
// after the start. False when memory or descriptors are out.
bool mpi_job_prepare_rank(struct mpi_job *job, uint32_t rank, char ***env, int *fd_out);

void mpi_job_rank_exited(struct mpi_job *job, uint32_t rank);
bool mpi_job_rank_connected(const struct mpi_job *job, uint32_t rank);
bool mpi_job_rank_finalized(const struct mpi_job *job, uint32_t rank);

#endif

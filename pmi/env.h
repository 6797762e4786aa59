// SPDX-License-Identifier: BSD-3-Clause
//
// The environment of a rank: what the outer launcher left is removed, what the rank's MPI library
// needs is set. Both are tables in env.c, with a test per row.
#ifndef PMI_ENV_H
#define PMI_ENV_H

#include "pmi/map.h"

// Removes what an outer launcher (Open MPI's or MPICH's mpiexec, Slurm, PALS, jsrun) tells its own
// processes, and keeps what the user set, OMPI_MCA_pml=ob1 for instance. Do this first.
void pmi_env_clean(char **env);

struct pmi_env_rank {
    uint32_t rank;
    const char *shm_dir; // exists; one per agent and job, on a memory file system. NULL: left alone
    bool yield;          // others run on its cores, or more ranks than cores on its node
    int pmi_fd; // the rank's end of the PMI-1 socketpair, as numbered in the rank; -1: none
};

// Sets what a rank of an MPI group needs beside the entries that on_job_ready gave. What the user
// set in OMPI_MCA_* stays. False when memory is out.
bool pmi_env_set(char ***env, const struct pmi_map *map, const struct pmi_env_rank *rank);

// The names in the table of variables to set, ended by NULL: a test checks that each has its test.
const char *const *pmi_env_names(void);

#endif

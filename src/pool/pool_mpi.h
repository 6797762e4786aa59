// SPDX-License-Identifier: BSD-3-Clause
//
// What the files about MPI programs as tasks share: see pool_mpi.c.
#ifndef POOL_POOL_MPI_H
#define POOL_POOL_MPI_H

#include "pool/pool.h"

struct written {
    uint8_t *data; // owned
    size_t bytes, room;
    bool more;
};

struct mpi_task {
    struct mpi_task *next;
    struct dragon_result *task; // borrowed; its data is the command until it is done
    uint32_t ranks;
    dragon_policy_t *policy; // owned; NULL: a core for each rank
    uint64_t limit_ms;
    dragon_group_t *group; // owned; NULL: its turn has not come
    int input;             // -1: none
    struct written written[2];
    bool started, ended, stopped;
    bool lost;     // a node of it is
    bool anywhere; // a core for each rank, wherever it is
};

// Makes its group and submits it. When it fails the group is there or not.
dragon_err_t mpi_start(struct mpi_task *mine, dragon_error_t *error);
// pool_room.c. INVAL: it would wait for cores that workers have.
dragon_err_t mpi_check_room(const struct mpi_task *mine, dragon_error_t *error);
void mpi_on_event(void *arg, dragon_group_t *group, const dragon_event_t *event);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The system: a picture of the runtime at one moment, its nodes with what they have and what of it is free, and
 * its groups with their ranks.
 *
 *     dragon_system_t *system;
 *     dragon_system_look(runtime, &system, &error);
 *     for (uint32_t i = 0; i < dragon_system_nodes(system); i++)
 *         puts(dragon_system_node(system, i)->name);
 *     dragon_system_destroy(system);
 *
 * What is handed out belongs to the picture and lives as long. Threads: any, once it was made.
 */
#ifndef DRAGON_SYSTEM_H
#define DRAGON_SYSTEM_H

#include <dragon/group.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_system dragon_system_t;

typedef struct dragon_gpu {
    const char *vendor;   /* "nvidia", "amd" or "intel" */
    const char *identity; /* its UUID where the vendor has one, else its PCI address, else "" */
    const char *visible;  /* what the variable holds to show it: "0", say */
    const char *variable; /* "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES" or "ZE_AFFINITY_MASK" */
    uint32_t tiles;       /* at least 1 */
    int numa;             /* of the node, nearest to it; -1: not known */
    uint32_t users;       /* ranks that use it or a part of it */
} dragon_gpu_t;

typedef struct dragon_core {
    uint32_t numa, l3, socket; /* numbers within the node */
    uint32_t users;            /* ranks it was given to */
    const char *threads;       /* the system's numbers of its hardware threads, "0,64" */
} dragon_core_t;

typedef struct dragon_node {
    uint32_t number;
    const char *name;           /* of the node */
    const char *host;           /* of its host; several nodes may have the same */
    uint32_t cores;             /* entries of core[] */
    uint32_t free_cores;        /* without users */
    uint32_t threads;           /* hardware threads */
    uint32_t numa, l3, sockets; /* how many */
    uint64_t memory_bytes;      /* of the host, divided by its nodes */
    uint32_t gpus;              /* entries of gpu[] */
    uint32_t free_gpus;         /* without users */
    const dragon_core_t *core;
    const dragon_gpu_t *gpu;
    int lost; /* for good, and the runtime goes on without it: nothing of it is free */
} dragon_node_t;

typedef struct dragon_group_info {
    uint64_t id;
    const char *name;
    const char *descriptor; /* for dragon_group_attach */
    dragon_group_state_t state;
    uint32_t ranks, running;
    uint32_t owner_node; /* of the client that started it */
    int owner_pid;       /* 0: it is gone */
    uint64_t age_ms;     /* since it was asked for */
    int pmi, detached;
    const char *waits_for; /* of a queued one, "" else */
} dragon_group_info_t;

typedef struct dragon_rank_info {
    dragon_rank_place_t place;
    dragon_rank_status_t status;
} dragon_rank_info_t;

/* Takes the picture. AGAIN: the runtime is still coming up. PEER: the runtime has ended. TIMEOUT: it did not answer
 * within 10 s. TOO_BIG: the picture takes more than 60 MiB. NOMEM. */
DRAGON_API dragon_err_t dragon_system_look(dragon_runtime_t *runtime, dragon_system_t **system_out,
                                           dragon_error_t *error);
DRAGON_API void dragon_system_destroy(dragon_system_t *system); /* NULL is fine */

DRAGON_API uint32_t dragon_system_nodes(const dragon_system_t *system);
/* NULL: no such node. */
DRAGON_API const dragon_node_t *dragon_system_node(const dragon_system_t *system, uint32_t number);

/* The groups that have not ended, in the order of their asking. */
DRAGON_API uint32_t dragon_system_groups(const dragon_system_t *system);
/* NULL: no such index. */
DRAGON_API const dragon_group_info_t *dragon_system_group(const dragon_system_t *system,
                                                          uint32_t index);
/* NULL: no such index or rank, or it has no place yet. */
DRAGON_API const dragon_rank_info_t *dragon_system_rank(const dragon_system_t *system,
                                                        uint32_t index, uint32_t rank);

#ifdef __cplusplus
}
#endif

#endif

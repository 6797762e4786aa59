// SPDX-License-Identifier: BSD-3-Clause
//
// What this host has to offer, read with hwloc. The one file that knows hwloc.
#ifndef PLACE_TOPO_H
#define PLACE_TOPO_H

#include "place/machine.h"

struct topo;

enum { TOPO_NUMAS = 64 }; // more of a node are not told apart where memory is asked for

struct topo_share {
    struct machine machine; // owned
    char cpuset[512];       // its hardware threads as a list, "0-3,8-11"; "" when too long to say
    bool held;              // this process, and what it starts, may use exactly these
    // The system's numbers of its NUMA nodes, in the order of the machine's; -1: made up
    int numas[TOPO_NUMAS];
};

// Takes this process out of any binding that a launcher gave it (to every core the host allows), and
// reads cores, caches, NUMA nodes and GPUs. Call it once, before anything is started. `gpus` declares
// them (see gpus.h); NULL or "": they are looked for. NULL with the reason on failure; INVAL: `gpus` is
// no declaration.
struct topo *topo_create(const char *gpus, dragon_error_t *error);
void topo_destroy(struct topo *topo); // NULL is fine

// These GPUs in place of those that the host was found to have. After an error it has those still.
dragon_err_t topo_declare(struct topo *topo, const char *gpus, dragon_error_t *error);

uint32_t topo_cores(const struct topo *topo);

// The share of the `index`-th of `count` nodes on this host, as large as plan_divide_cores says; GPUs and
// memory are divided in the same way, but a GPU is never shared. This process and what it starts is bound to
// the share's cores, unless it is everything, or there are fewer cores than nodes, which then share them.
dragon_err_t topo_take_share(const struct topo *topo, uint32_t index, uint32_t count,
                             struct topo_share *share_out, dragon_error_t *error);

// Writes all that hwloc knows of this host, but for its devices, to a file as XML, from which the MPI ranks
// of this node can read it: each would scan the host for itself otherwise, which is a large part of the
// time that a small MPI program takes.
dragon_err_t topo_export(const char *path, dragon_error_t *error);

#endif

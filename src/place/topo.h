// SPDX-License-Identifier: BSD-3-Clause
//
// What this host has to offer, read with hwloc. The one folder that knows hwloc.
#ifndef PLACE_TOPO_H
#define PLACE_TOPO_H

#include "base/base.h"

struct topo;

struct topo_share {
    uint32_t cores;   // at least 1
    char cpuset[512]; // the cores' hardware threads as a list, "0-3,8-11"; "" when too long to say
};

// Takes this process out of any binding that a launcher gave it (to every core the host allows), and
// reads the cores. Call it once, before anything is started. NULL with the reason on failure.
struct topo *topo_create(dragon_error_t *error);
void topo_destroy(struct topo *topo); // NULL is fine

uint32_t topo_cores(const struct topo *topo);

// The share of the `index`-th of `count` nodes on this host, as large as plan_divide_cores says. This
// process and what it starts is bound to it, unless it is everything, or there are fewer cores than nodes,
// which then share them.
dragon_err_t topo_take_share(const struct topo *topo, uint32_t index, uint32_t count,
                             struct topo_share *share_out, dragon_error_t *error);

// Writes all that hwloc knows of this host, but for its devices, to a file as XML, from which the MPI ranks
// of this node can read it: each would scan the host for itself otherwise, which is a large part of the
// time that a small MPI program takes.
dragon_err_t topo_export(const char *path, dragon_error_t *error);

#endif

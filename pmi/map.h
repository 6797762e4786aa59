// SPDX-License-Identifier: BSD-3-Clause
//
// The map of one MPI job: which rank runs on which node, and the texts that PMI wants made of it.
// Pure: nothing here does I/O.
#ifndef PMI_MAP_H
#define PMI_MAP_H

#include "base/base.h"

enum {
    PMI_RANKS_MAX = 1 << 20, // what a decoded map may hold
    PMI_NODES_MAX = 1 << 16,
};

struct pmi_map {
    uint32_t size;          // ranks
    uint32_t nodes;         // nodes of this job, each with a rank, numbered as in node_names
    char **node_names;      // owned; unique per node, ends in NULL
    uint32_t *node_of_rank; // owned; `size` entries
    uint32_t here;          // the number of this node
    uint32_t app_count;     // programs, in the order of their ranks; 0: one
    uint32_t *app_first;    // owned: the first rank of each, from 0 on; NULL: one program
};

void pmi_map_fini(struct pmi_map *map); // an empty struct is fine

// False when memory is out; then *to_out is untouched. The caller calls pmi_map_fini.
bool pmi_map_copy(const struct pmi_map *from, struct pmi_map *to_out);

// False when a number is out of range, a node has no rank, or a name is empty, occurs twice or
// holds what the texts below use as punctuation.
bool pmi_map_valid(const struct pmi_map *map);

uint32_t pmi_map_local_size(const struct pmi_map *map, uint32_t node);
uint32_t pmi_map_local_rank(const struct pmi_map *map, uint32_t rank); // scans: for single ranks

// Local ranks of all ranks at once, `size` entries; NULL when memory is out. The caller frees.
uint32_t *pmi_map_local_ranks(const struct pmi_map *map);

// The ranks of a node, ascending, pmi_map_local_size of them; NULL when memory is out or there are
// none. The caller frees.
uint32_t *pmi_map_ranks_of_node(const struct pmi_map *map, uint32_t node);

// The programs: at least one, each with a rank.
uint32_t pmi_map_apps(const struct pmi_map *map);
uint32_t pmi_map_app_of(const struct pmi_map *map, uint32_t rank);
uint32_t pmi_map_app_first(const struct pmi_map *map, uint32_t app);
uint32_t pmi_map_app_size(const struct pmi_map *map, uint32_t app);

// The three below return text that the caller frees, NULL when memory is out.

// For the PMI-1 key PMI_process_mapping: blocks of (first node, nodes, ranks per node) which the
// reader repeats until all ranks are placed: "(vector,(0,2,2))".
char *pmi_map_process_mapping(const struct pmi_map *map);

char *pmi_map_ppn(const struct pmi_map *map);       // for PMIx_generate_ppn: "0,2;1,3"
char *pmi_map_node_list(const struct pmi_map *map); // for PMIx_generate_regex: "h0,h1"

// The ranks of a node separated by commas, for PMIX_LOCAL_PEERS: "0,2".
char *pmi_map_peers(const struct pmi_map *map, uint32_t node);

// On the wire: the ranks go as runs on one node, the programs as their first ranks. Reading gives a valid map or
// false; the caller calls pmi_map_fini in the first case.
void pack_pmi_map(struct pack *pack, const struct pmi_map *map);
bool unpack_pmi_map(struct unpack *unpack, struct pmi_map *map_out);

#endif

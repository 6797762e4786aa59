// SPDX-License-Identifier: BSD-3-Clause
//
// Ranks of a group on this node that are started together. The way of a part:
//
//     create    look at what its ranks need and, for MPI, register with the PMI servers; then join the
//               start exchange, with a text when something is missing
//     exchanged nobody is missing anything: start the ranks of this node, a few each turn;
//               else the leader, who has seen the same, ends the part
//     going     output, input and signals pass; starts and ends of ranks are reported, many in one message
//     destroy   kill what is left, forget
#ifndef GROUP_HOSTED_PART_H
#define GROUP_HOSTED_PART_H

#include "group/proto.h"
#include "group/rank.h"

enum { STARTS_A_TURN = 16 }; // of ranks of one part, so that the loop goes round between them

struct hosted;

// A template as its ranks here need it.
struct hosted_template {
    char *path; // owned: the program as found here; NULL: it has no ranks here
    char **env; // owned: what is the same for all of them
};

struct hosted_part {
    struct hosted *hosted; // borrowed
    struct hosted_part *next;
    uint32_t number;
    struct group_spec spec;
    struct plan plan;
    struct hosted_template *templates; // owned: as many as the spec has
    uint32_t *nodes;                   // owned: who takes part in the start exchange, ascending
    uint32_t node_count;
    uint32_t first_local; // how many ranks this node had before
    struct rank_place place;
    struct rank *ranks; // owned: of this node, ascending; place.count of them
    uint32_t started;
    bool going; // the ranks are being started, or were
    struct loop_timer *next_starts;
};

struct hosted_order {
    uint32_t number;
    struct plan plan;       // taken over, also on failure
    struct group_spec spec; // taken over, also on failure
};

// Enters it in the group and prepares it. Out of memory: it is forgotten, and the leader's time limit will tell.
void hosted_part_create(struct hosted *hosted, const struct hosted_order *order);
void hosted_part_destroy(struct hosted_part *part); // it is in no list any more

// Those that have not been started will not be.
void hosted_part_drop_waiting(struct hosted_part *part);

// MPI: the servers are ready for it, or there is an error.
void hosted_part_ready(struct hosted_part *part, const char *error);

static inline struct template_spec *hosted_template_of(const struct hosted_part *part,
                                                       uint32_t rank)
{
    return &part->spec.templates[plan_template_of(&part->plan, rank)];
}

// hosted_check.c: looks at what the ranks of this node need, and opens their files. False: `code` for the client
// and a text.
bool hosted_check(struct hosted_part *part, int *code_out, char *text, size_t room);
// The file that a stream of the rank is; the caller frees. Errors as of file_name.
dragon_err_t hosted_file_name(const struct hosted_part *part, const struct rank *rank,
                              const struct stream_spec *stream, char **path_out,
                              dragon_error_t *error);

// hosted_start.c: starts a rank of the part now. What becomes of it is reported.
void hosted_start_rank(struct hosted_part *part, struct rank *rank);

#endif

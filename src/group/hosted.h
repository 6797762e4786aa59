// SPDX-License-Identifier: BSD-3-Clause
//
// One group on this node, and the ranks of it that run here: one part (hosted_part.h) for those that the group
// began with, and one for each time that ranks were added to it.
//
// Files: host.c (which message is whose), hosted.c (a group's life, orders from the leader),
// hosted_part.c (a part's life: prepare, exchange, start), hosted_check.c (what a prepare looks at),
// hosted_start.c (starting a rank), hosted_end.c (ends of ranks), hosted_input.c, hosted_mpi.c.
#ifndef GROUP_HOSTED_H
#define GROUP_HOSTED_H

#include "group/files.h"
#include "group/host.h"
#include "group/hosted_part.h"
#include "group/memory.h"
#include "group/mpi.h"
#include "group/proto.h"
#include "group/rank.h"
#include "group/slices.h"

#include <uthash.h>

struct host {
    struct groups_options options;
    struct exchanges *exchanges; // borrowed
    struct mpi *mpi;
    struct memory *memory;
    struct slices *slices;
    struct hosted *groups; // owned, by number
    char *name;            // owned: of the host, which several nodes may share
    int null_fd; // what ranks read that get no input, and where output goes that nobody wants
    void (*on_started)(void *arg, uint64_t group, uint32_t part,
                       const struct exchange_piece *pieces, size_t count);
    void *arg;
};

const char *host_node_name(const struct host *host); // of this node, for messages

struct hosted {
    struct host *host; // borrowed
    uint64_t group;
    struct output output; // to its client
    struct files *files;
    struct hosted_part *parts; // owned, by number, ascending
    struct mpi_job *mpi_job;   // NULL: no MPI group
    struct pmi_app *apps;      // owned: its programs
    uint64_t input_given;      // bytes of the group's input that came here,
    uint64_t input_told;       // and those that we have said were taken
    bool input_ended;
    int stop_signal; // 0: it is not to end yet
    uint64_t due_ms; // when the next thing is due for a rank; 0: nothing is
    struct loop_timer *due;
    struct loop_later report;
    struct pack reports;  // not yet sent
    uint32_t texts_since; // last lines that were sent since the last reports
    UT_hash_handle hh;
};

// Enters a group without parts. NULL: out of memory.
struct hosted *hosted_create(struct host *host, uint64_t group, uint64_t session,
                             uint32_t owner_node);
void hosted_destroy(struct hosted *hosted);                   // NULL is fine; kills what runs
void hosted_end_part(struct hosted *hosted, uint32_t number); // the last one ends the group

struct rank *hosted_find_rank(const struct hosted *hosted, uint32_t number,
                              struct hosted_part **part_out); // NULL: not here

// SIGNAL_STOP: ranks that have not been started, or are to be started again, will not be. One that survives
// SIGKILL for long is reported as stuck.
void hosted_signal(struct hosted *hosted, int32_t rank, int signal, enum signal_why why);
void hosted_order_rank(struct hosted *hosted, uint32_t rank, enum rank_order order, uint32_t ms);
void hosted_set_due(struct hosted *hosted, struct rank *rank, enum rank_due due, uint64_t ms);
// What runs here, told `signal` (0: only counted).
size_t hosted_signal_all(const struct hosted *hosted, int signal);

// hosted_end.c
void hosted_report(struct hosted *hosted, const struct rank *rank, enum rank_end end, int value);
// Once more, now that it is not started again after all.
void hosted_report_end(struct hosted *hosted, const struct rank *rank);
void hosted_send_text(struct hosted *hosted, uint32_t rank, const char *text);
void hosted_on_rank_exited(void *part, struct rank *rank);
void hosted_on_rank_over(void *part, struct rank *rank);
void hosted_send_reports(void *hosted);

// hosted_input.c
bool hosted_add_input(struct hosted *hosted, int32_t rank, const void *data, size_t length);
bool hosted_make_input(struct hosted *hosted, struct rank *rank, bool alone);

// hosted_mpi.c: registers the group's first part; hosted_part_ready follows. False with the reason: it does not.
bool hosted_prepare_mpi(struct hosted *hosted, struct hosted_part *part, dragon_error_t *error);

#endif

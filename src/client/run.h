// SPDX-License-Identifier: BSD-3-Clause
//
// Runs: what this process knows of groups that it started or watches.
#ifndef CLIENT_RUN_H
#define CLIENT_RUN_H

#include "client/runtime.h"

#include <dragon/group.h>
#include <uthash.h>

struct known_rank {
    dragon_rank_status_t status;
    bool known; // something is
    bool up;    // it was started and has not ended
};

static inline dragon_rank_status_t status_of(const struct rank_state *state, uint32_t node)
{
    return (dragon_rank_status_t){.node = node,
                                  .pid = state->pid,
                                  .ended = state->ended,
                                  .exit_code = state->code,
                                  .restarts = state->restarts,
                                  .removed = state->removed,
                                  .lost = state->lost};
}

struct run {
    struct dragon_runtime *runtime; // borrowed
    uint64_t id;                    // 0: not known yet, and not in the table
    dragon_group_state_t state;
    bool ours; // this process started it
    bool pmi;
    bool stop_wanted; // as soon as its number is known
    bool done;        // the runtime has said so
    bool lost;        // the runtime ended first
    dragon_err_t start_err;
    int exit_code;
    char *cause, *last_lines, *descriptor; // owned; NULL: none
    struct plan *parts;                    // owned: of the start, and of each addition
    uint32_t part_count;
    struct known_rank *ranks; // owned
    uint32_t size;
    struct dragon_group *handles; // borrowed, by next_handle
    struct dragon_group *owner;   // borrowed, one of them; NULL: somebody else's, or destroyed
    struct request *start;        // borrowed: not answered yet
    UT_hash_handle hh;
};

struct run *run_create(struct dragon_runtime *runtime); // NULL: out of memory
struct run *run_find(struct dragon_runtime *runtime, uint64_t id);
void run_destroy(struct run *run); // has no handles
bool run_set_id(struct run *run, uint64_t id);

void run_attach(struct run *run, struct dragon_group *group);
void run_detach(struct run *run, struct dragon_group *group); // may be its end

bool run_unpack_part(struct run *run, struct unpack *unpack); // the next ranks
bool run_grow(struct run *run, uint32_t size);
// NULL: its place is not known. `base_out`: how many templates came before those of the part.
const struct plan *run_part_of(const struct run *run, uint32_t rank, uint32_t *base_out);

void run_ask(const struct run *run, int rank, int signal, enum group_ask ask);
void run_ask_id(struct dragon_runtime *runtime, uint64_t id, int rank, int signal,
                enum group_ask ask);
void run_stop(struct run *run);
void run_end(struct run *run, int code, const char *cause); // it is done
void run_check_ended(struct run *run); // it may be destroyed by this when nobody has a handle
static inline bool run_has_processes(const struct run *run)
{
    return run && !run->done &&
           (run->state == DRAGON_GROUP_RUNNING || run->state == DRAGON_GROUP_STOPPING);
}

// ---- events: told to all handles of a run that want them (group_events.c)

void event_add(struct run *run, const dragon_event_t *event);
void events_tell(struct dragon_runtime *runtime);
void events_forget(struct dragon_runtime *runtime, const struct dragon_group *group); // NULL: all

// ---- what the agent says

bool runs_on_message(struct dragon_runtime *runtime, const struct link_message *message);
void runs_on_lost(struct dragon_runtime *runtime);

#endif

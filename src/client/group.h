// SPDX-License-Identifier: BSD-3-Clause
//
// Handles on groups, with what they describe, what is read from their ranks and what is written to them.
#ifndef CLIENT_GROUP_H
#define CLIENT_GROUP_H

#include "client/request.h"
#include "client/run.h"
#include "client/stream.h"
#include "client/template.h"

struct member {
    struct dragon_template *process_template; // owned
    uint32_t ranks;                           // 0: as many as fit
};

struct piece { // of output for dragon_group_read
    struct piece *next;
    uint32_t node, rank;
    uint8_t stream;
    size_t length, start;
    uint8_t data[];
};

struct group_output {
    bool open;
    bool broken;                 // standard output was closed: the runtime was told to stop it
    uint64_t out_mark, err_mark; // where its last byte is in the runtime's sinks
    uint32_t *owed;              // owned: bytes of each node, written or read and not yet granted
    uint64_t *unread;            // owned: bytes of each node that wait for dragon_group_read
    struct piece *first, **last; // owned
};

struct reader { // a node with ranks that read what the group reads
    uint32_t node;
    uint64_t taken;
};

struct piped_input { // of a rank
    uint64_t sent, taken;
    struct pack waiting; // for the window, from `start` on
    size_t start;
    bool ended;    // nothing more is to come
    bool end_sent; // and the rank's node knows
};

struct group_input {
    struct source source;
    bool open, ended;
    struct reader *readers; // owned
    uint32_t reader_count;
    uint64_t sent, granted;
    struct piped_input *pipes; // owned, by rank
    uint32_t pipe_count;
};

struct place_text {     // what dragon_group_rank_place hands out
    char *cores, *gpus; // owned
};

struct dragon_group {
    struct dragon_runtime *runtime; // borrowed
    struct run *run;                // shared with other handles; NULL: not started
    struct dragon_group *next_handle;
    bool attached;           // another handle or process started it
    bool abandoned;          // destroyed by its user while it starts detached
    struct group_spec asked; // without its templates
    struct policy policy;
    struct member *members; // owned
    uint32_t member_count;
    bool label;
    int input_fd;        // -1: none
    struct plan planned; // by dragon_group_plan; its size is 0 without
    struct place_text *place_text;
    void (*on_event)(void *arg, dragon_group_t *group, const dragon_event_t *event);
    void *event_arg;
    struct group_output output;
    struct group_input input;
};

// group.c
struct dragon_group *group_create(struct dragon_runtime *runtime); // NULL: out of memory
// Turns the loop once; a start that is not answered in time is given up. TIMEOUT: the deadline is over.
dragon_err_t group_turn(struct dragon_group *group, int64_t deadline_ms);

// group_ranks.c: false when memory is out, or the plan does not tell (then place_out is not written).
bool place_read(const struct plan *plan, uint32_t rank, uint32_t template_base,
                struct place_text *text, dragon_rank_place_t *place_out);

// group_spec.c: what is asked for of `count` members, the first of those given; `added`: to a group that runs.
bool group_spec_build(const struct dragon_group *group, const struct member *members,
                      uint32_t count, bool added, struct group_spec *spec_out);
void group_forget_plan(struct dragon_group *group);
// NULL: not known.
const struct dragon_template *group_template_of(const struct dragon_group *group, uint32_t rank);

// group_output.c
bool output_open(struct dragon_group *group);
// Writers on some node wait for what they wrote into pipes to be read.
bool output_holds_up(const struct dragon_group *group);
void output_close(struct dragon_group *group); // what was piped and not read stays
void output_forget(struct dragon_group *group);
bool output_written(const struct dragon_group *group);
void output_end_line(struct dragon_group *group);
bool output_on_message(struct dragon_group *group, struct unpack *unpack);
bool output_drop(struct dragon_runtime *runtime, uint64_t id, struct unpack *unpack);
void outputs_on_written(struct dragon_runtime *runtime);

// group_input.c
bool input_on_part(struct dragon_group *group, const struct plan *plan); // its ranks may read
void group_close_input(struct dragon_group *group);
void input_end_all(struct dragon_group *group); // nobody will write any more
bool input_on_taken(struct dragon_group *group, struct unpack *unpack);
void input_node_lost(struct dragon_group *group, uint32_t node); // nobody reads there any more

// system.c: dragon_system_look, with a limit for the answer; 0: the usual one.
struct dragon_system;
dragon_err_t system_look(struct dragon_runtime *runtime, uint32_t most_ms,
                         struct dragon_system **system_out, dragon_error_t *error);

// group_watch.c
char *descriptor_make(const struct dragon_runtime *runtime, uint64_t id); // NULL: out of memory

#endif

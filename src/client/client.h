// SPDX-License-Identifier: BSD-3-Clause
//
// The library's side: what its files share. The public face is include/dragon/.
//
//   dragon_runtime  the connection to the agent            runtime.c
//   request         something that was asked of node 0     request.c
//   run             one start of a group                   run.c
//   dragon_group    a user's handle on a group             group*.c
//
// A handle describes a group; a run is what the runtime makes of it. Several handles may be on one run: that of
// who started it, its owner, and any number that were attached. Messages change runs, runs tell handles.
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/base.h"
#include "client/stream.h"
#include "group/proto.h"
#include "loop/loop.h"
#include "net/link.h"

#include <dragon/dragon.h>
#include <uthash.h>

enum {
    CLIENT_BODY_LIMIT = 64 << 20, // of a message to and from the agent
    ANSWER_MS = 10000,            // for what node 0 can tell at once
    START_MS = 70000,             // for a start; the runtime's own limit is 60 s and answers first
};

// ---- what users ask for

struct dragon_policy {
    struct policy policy;
};

struct dragon_template {
    char *base; // owned, as all here: this process's directory when it was made
    char *cwd;  // absolute
    char **argv;
    char **env; // edits: "NAME=value", or "NAME" to remove it
    struct policy policy;
    struct stream_spec in, out, err;
};

struct dragon_template *template_copy(const struct dragon_template *from); // NULL: out of memory

// ---- the connection

struct dragon_runtime {
    struct loop *loop;
    struct link *link; // NULL: lost
    uint32_t node, nodes;
    uint64_t end_s;    // of the allocation, since 1970; 0: nobody said
    char *path;        // owned
    char *node_name;   // owned; NULL: not welcomed yet
    char *name;        // owned: of the runtime, in descriptors
    char refusal[200]; // why it was not welcomed, or is no more
    bool not_understood;
    struct run *runs;         // owned: those that have a number
    struct request *requests; // owned: those that were not answered
    uint32_t last_request;
    struct event *events, **events_end; // owned: not told yet
    struct policy *defaults;            // owned: what was pushed, the innermost last
    size_t default_count;
    struct open_line {
        uint64_t group;
        uint32_t rank;
        bool open; // the last that it wrote was no end of a line
    } err_line;
    struct sink out, err; // of all groups, so that their lines do not mix
    uint32_t writers;     // groups that use them; 0: they are not open
};

void runtime_send(struct dragon_runtime *runtime, uint16_t type, struct pack *body);

// Turns the loop once, and tells the events that this brought. `deadline_ms` DRAGON_FOREVER: waits without
// limit. TIMEOUT: it is over already.
dragon_err_t runtime_turn(struct dragon_runtime *runtime, int64_t deadline_ms);
int64_t deadline_in(int timeout_ms); // negative: DRAGON_FOREVER

bool runtime_open_output(struct dragon_runtime *runtime);
void runtime_close_output(struct dragon_runtime *runtime);

// ---- requests

// Waits in the runtime's table for its one answer, or for somebody to give it up; then the answer still comes.
struct request {
    uint32_t number;
    struct dragon_runtime *runtime; // borrowed
    bool query;                     // answered by GC_ANSWER, else by GC_STARTED
    bool waited;                    // request_wait destroys it
    bool answered, given_up;
    bool queued; // it waits for room
    uint64_t since_ms,
        wait_ms;          // asked for, or first in the queue, or out of it; in the queue at most
    dragon_error_t error; // OK, or what was answered
    int code;             // of a group that was not started
    uint64_t group;
    struct run *run; // borrowed: whose start it is; NULL: nobody's, or it is something else
    // Called for the answer, good or bad, also when given up. False: it is not understood.
    bool (*on_answer)(struct request *request, struct unpack *unpack);
    void *arg;
    struct dragon_template *added; // owned: of ORDER_ADD
    uint32_t ranks;                // of it
    UT_hash_handle hh;
};

struct request *request_create(struct dragon_runtime *runtime,
                               bool (*on_answer)(struct request *request, struct unpack *unpack));
void request_destroy(struct request *request); // also takes it out of the table

// Sends GC_SUBMIT or GC_QUERY for it. TOO_BIG, NOMEM, PEER: it was not sent.
dragon_err_t request_submit(struct request *request, enum group_order order, uint64_t group,
                            const struct group_spec *spec, dragon_error_t *error);
dragon_err_t request_query(struct request *request, enum group_query query, uint64_t group,
                           dragon_error_t *error);

int64_t request_deadline(const struct request *request);
// Waits for the answer and is the end of the request for the caller, whatever comes.
dragon_err_t request_wait(struct request *request, dragon_error_t *error);

bool requests_on_message(struct dragon_runtime *runtime, const struct link_message *message);
void requests_on_lost(struct dragon_runtime *runtime);

// ---- runs

struct known_rank {
    dragon_rank_status_t status;
    bool known; // something is
    bool up;    // it was started and has not ended
};

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

bool runs_on_message(struct dragon_runtime *runtime, const struct link_message *message);
void runs_on_lost(struct dragon_runtime *runtime);

// ---- handles

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

// group_watch.c
char *descriptor_make(const struct dragon_runtime *runtime, uint64_t id); // NULL: out of memory

// group_events.c
void event_add(struct run *run, const dragon_event_t *event);
void events_tell(struct dragon_runtime *runtime);
void events_forget(struct dragon_runtime *runtime, const struct dragon_group *group); // NULL: all

#endif

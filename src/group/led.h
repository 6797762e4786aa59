// SPDX-License-Identifier: BSD-3-Clause
//
// What the leader's files share: one group as the leader knows it, and its parts, which are the ranks that
// were asked for together. The states of a group, and what moves it on:
//
//     queued     --there is room-->  preparing  --all nodes ready-->  running
//     running    --a failure, a stop, the time limit-->  stopping  --grace time over-->  killing
//     any of them --all ranks over-->  ended: the clients are told, the nodes forget the group
#ifndef GROUP_LED_H
#define GROUP_LED_H

#include "group/backoff.h"
#include "group/leader.h"
#include "group/proto.h"

#include <uthash.h>

enum led_state { LED_QUEUED, LED_PREPARING, LED_RUNNING, LED_STOPPING, LED_KILLING, LED_STATES };

enum weight { WEIGHT_NONE, WEIGHT_COMPLAINT, WEIGHT_DEATH, WEIGHT_LOST }; // of a cause

enum { FAILURE_GRACE_MS = 1000 };

// A client: its session and the node that it is on.
struct asker {
    uint64_t session;
    uint32_t node;
};
enum { ALL_SESSIONS = 0 }; // none has this number

static inline bool same_asker(struct asker a, struct asker b)
{
    return a.session == b.session && a.node == b.node;
}

enum part_state { PART_QUEUED, PART_PREPARING, PART_RUNNING };

struct part {
    struct led *led;   // borrowed
    struct part *next; // of the group, ascending
    struct part *queue_prev, *queue_next;
    uint32_t number;
    enum part_state state;
    struct asker asker;
    uint32_t request;
    struct group_spec spec; // until the nodes have it
    struct plan plan;       // size 0: none yet
    struct loop_timer *step;
    bool possible; // it found no room, but there would be when nothing else ran
    char waits_for[200];
};

struct led_rank {
    struct rank_state state;
    struct backoff backoff;
};

struct led {
    struct leader *leader; // borrowed
    uint64_t group;
    char *name; // owned
    struct asker owner;
    bool orphan; // the owner is gone, and the group goes on
    int32_t owner_pid;
    enum led_state state;
    uint64_t began_ms;
    struct part *parts;     // owned
    uint32_t next_part;     // numbers are not used again: what comes late is for none
    struct led_rank *ranks; // owned: `size`
    uint32_t size, over;
    bool pmi, detached, discard; // discard: nobody reads the output
    uint8_t failure, restart;
    uint32_t restart_most, backoff_ms, grace_ms, warn_signal;
    uint64_t limit_ms, warn_ms;
    enum pmi_family family; // of the first MPI rank that was heard of
    uint32_t family_rank;
    enum weight weight;
    int code;
    int64_t blamed; // rank; -1: none
    char cause[400];
    struct last_lines *lines; // owned: of ranks that failed, a few
    struct asker *watchers;   // owned
    size_t watcher_count;
    struct loop_timer *step, *limit, *warning;
    UT_hash_handle hh;
};

struct ended {
    uint64_t group;
    uint32_t size;
    int code;
    bool pmi;
    char cause[400];
};
enum { ENDED_KEPT = 256 };

struct leader {
    struct groups_options options;
    struct exchanges *exchanges; // borrowed
    struct ledger *ledger;
    struct led *groups;      // owned, by number
    struct part *queue;      // waiting for room, in order; borrowed from their groups
    struct loop_later again; // looks at the queue
    uint64_t queue_changes;  // counts those that left it
    char **hosts;            // owned: the host's name of each node
    uint64_t next_group;
    struct ended *ended; // owned: the latest, a ring
    size_t ended_count;  // ever
};

// ---- leader.c

bool leader_is_up(const struct leader *leader); // all nodes have told what they have
void leader_to_client(struct leader *leader, struct asker asker, uint16_t type, struct pack *body);
const char *leader_node_name(const struct leader *leader, uint32_t node);
// Its groups are stopped, but for those that were detached. ALL_SESSIONS: all clients of the node.
void leader_forget_client(struct leader *leader, struct asker gone, const char *why);

// ---- leader_ranks.c

// Sets `again`. True when the group is to be stopped because of it.
bool led_take_report(struct led *led, struct rank_report *report);

// ---- led.c

struct led *led_find(struct leader *leader, uint64_t group);
// Takes nothing over. NULL: out of memory.
struct led *led_create(struct leader *leader, const struct group_spec *spec, struct asker owner,
                       int32_t owner_pid);
void led_destroy(struct led *led); // gives back what its ranks have
void led_enter(struct led *led, enum led_state state, const char *why);
void led_to_clients(struct led *led, uint16_t type, const struct pack *body); // owner and watchers
// It may be destroyed by this, as by the two below.
void led_stop(struct led *led, uint32_t grace_ms, const char *why);
void led_stop_asked(struct led *led, const char *why);
// Nobody wants it any more: it is stopped and its output dropped.
void led_abandon(struct led *led, const char *why);
void led_discard(struct led *led);
void led_order_discard(const struct led *led); // once more, to nodes that had no part in it
void led_run(struct led *led);                 // all nodes are ready
// It could not be started, of which the owner knows. Destroys it.
void led_fail(struct led *led, int code, const char *cause);
void led_check_over(struct led *led);                      // may destroy it
bool led_is_started(const struct led *led, uint32_t rank); // its part's nodes were all ready
// A rank that is over has nothing any more.
void led_give_rank(struct led *led, uint32_t rank);
void led_order_signal(struct led *led, int32_t rank, int signal, enum signal_why why);
void led_order_rank(struct led *led, uint32_t rank, enum rank_order order, uint32_t ms);

// ---- led_blame.c: why a group has not ended well

__attribute__((format(printf, 4, 5))) void led_blame(struct led *led, enum weight weight, int code,
                                                     const char *format, ...);
void led_blame_report(struct led *led, const struct rank_report *report);
bool rank_failed(const struct rank_report *report);
void led_keep_lines(struct led *led, uint32_t rank, const char *text);
const char *led_last_lines(const struct led *led); // of the rank that is to blame; ""
void led_drop_lines(struct led *led);

// ---- part.c: from the asking for ranks to their start

// Takes the spec over, also on failure. NULL: out of memory.
struct part *part_create(struct led *led, struct asker asker, uint32_t request,
                         struct group_spec *spec);
void part_destroy(struct part *part); // NULL is fine; gives nothing back
// Plans it and orders the nodes to prepare, or lets it wait, or answers that it cannot be. The last may
// destroy the group.
void part_place(struct part *part);
void part_fail(struct part *part, dragon_err_t err, int code, const char *text); // the same holds
void part_give_up(struct part *part, dragon_err_t err, const char *text); // of an add; not that
void leader_look_at_queue(void *leader);
void leader_refuse_impossible(
    struct leader *leader); // who waits for room that cannot be had any more
void part_answer(struct part *part, dragon_err_t err, int code, const char *text);
void leader_plan_only(struct leader *leader, struct asker asker, uint32_t request,
                      const struct group_spec *spec);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the keeper share. A request comes in a packet (keep_session.c) or from another keeper (keep_far.c),
// is handed to its handler by a table (keep_request.c), and is answered once, then or later, by keep_answer.
#ifndef KEEPER_INTERNAL_H
#define KEEPER_INTERNAL_H

#include "chan/object.h"
#include "keeper/keeper.h"
#include "keeper/proto.h"
#include "net/acceptor.h"

#include <dragon/memory.h>

#include <sys/types.h>
#include <uthash.h>
#include <utlist.h>

enum {
    KEEP_PENDING =
        16, // requests of one session at once; a process asks one, and may have given up some
};

// ---- who asks

struct keep_asker {
    uint32_t node;
    uint32_t request;
    uint64_t session; // of that node
};
enum { KEEP_ALL_SESSIONS = 0 }; // none has this number

static inline bool keep_is_of(const struct keep_asker *asker, uint32_t node, uint64_t session)
{
    return asker->node == node && (session == KEEP_ALL_SESSIONS || asker->session == session);
}

struct keep_session;
struct keep_request {
    struct keep_asker asker;
    struct keep_session *session; // NULL: of another node
    uint16_t type;                // enum keeper_message
    struct unpack body;
};

// ---- slots: keep_slots.c

struct keep_slot {
    struct keep_session *session; // whose; of a proxy: its transport's. NULL: nobody's
    bool proxy;
    bool resting; // of somebody who is gone, until every bell was rung
};

bool keep_slots_open(struct keeper *keeper);
void keep_slots_close(struct keeper *keeper);
uint32_t keep_slot_take(struct keeper *keeper, struct keep_session *session, bool proxy,
                        uint32_t pid); // SLOT_NONE: all are in use
void keep_slot_rest(struct keeper *keeper, uint32_t slot);
void keep_slots_settle(void *keeper); // rings every bell; resting slots are free
struct keep_session *keep_slot_session(struct keeper *keeper, uint32_t slot); // NULL: nobody's

// ---- sessions: keep_session.c

struct keep_pending {
    uint32_t request, node; // who is to answer it
};

struct keep_session {
    struct keeper *keeper; // borrowed
    uint64_t number;
    int fd;                                    // owned
    struct loop_watch *watch;                  // owned; NULL: nothing of it is read any more
    pid_t pid;                                 //
    int pidfd;                                 // owned; -1: the system has none
    struct loop_watch *pidfd_watch;            // owned
    int bell_fd;                               // owned
    uint32_t slot;                             // SLOT_NONE: it has not said hello
    uint8_t role;                              // enum keeper_role
    bool dropped;                              // by us; its process may live
    struct keep_pending pending[KEEP_PENDING]; // requests that are not answered
    uint32_t pending_count;
    struct keep_attachment *attached; // owned, by object
    struct keep_holding *holdings;    // owned, by block
    uint32_t *told;                   // owned: other nodes that keep something for it
    size_t told_count;
    UT_hash_handle hh;
};

void keep_on_connection(void *keeper, int fd);
struct keep_session *keep_session_find(struct keeper *keeper, uint64_t number);
// With copies of the descriptors. Only what is pending is answered; `body` (may be NULL) is left empty.
void keep_session_answer(struct keep_session *session, uint32_t request, dragon_err_t err,
                         const char *why, struct pack *body, const int *fds, int fd_count);
void keep_session_drop(struct keep_session *session, const char *why); // it is not freed
void keep_session_destroy(struct keep_session *session);
void keep_session_mark_told(struct keep_session *session, uint32_t node);
void keep_session_mark_asked(struct keep_session *session, uint32_t request, uint32_t node);
// What the node was asked is answered in its place.
void keep_session_node_lost(struct keep_session *session, uint32_t node, const char *why);

// ---- requests: keep_request.c

// Hands it to its handler, here or at another node; in any case it is answered.
void keep_dispatch(struct keeper *keeper, struct keep_request *request);
void keep_answer(struct keeper *keeper, const struct keep_asker *asker, dragon_err_t err,
                 const char *why, struct pack *body);
__attribute__((format(printf, 4, 5))) void keep_refuse(struct keeper *keeper,
                                                       const struct keep_asker *asker,
                                                       dragon_err_t err, const char *format, ...);

// A handler reads all of the body and answers, now or later. False: the body makes no sense, and it has not answered.
typedef bool keep_handler(struct keeper *keeper, struct keep_request *request);
keep_handler keep_on_segment, keep_on_grow, keep_on_memory;               // keep_segments.c
keep_handler keep_on_bell, keep_on_proxy, keep_on_proxy_gone;             // keep_slots.c
keep_handler keep_on_share, keep_on_shared, keep_on_drop;                 // keep_share.c
keep_handler keep_on_create;                                              // keep_create.c
keep_handler keep_on_open, keep_on_leave, keep_on_close, keep_on_destroy; // keep_objects.c
keep_handler keep_on_stat;                                                //
keep_handler keep_on_publish, keep_on_find, keep_on_withdraw;             // keep_names.c
keep_handler keep_on_route, keep_on_serve;                                // keep_transport.c

// ---- segments: keep_segments.c

struct keep_segment { // number 1 is the first
    int fd;           // owned
    size_t bytes;
    struct segment_kind kind; // `numa` counts the NUMA nodes of this node from 0
    struct heap heap;         // our view; the mapping is owned
    bool retired;             // all of it was free, and its memory was given back
    bool reviving;            // it will be used again
};

// What a growth ends with: the answer to a process, or a creation that goes on.
struct keep_creation;
struct keep_wait {
    struct keep_asker asker;
    struct keep_creation *creation; // borrowed; NULL: `asker` is told the segment
    size_t bytes;                   // of the block
    struct keep_wait *next;
};

void keep_segments_close(struct keeper *keeper);
bool keep_kind_valid(struct keeper *keeper, const struct keep_asker *asker, int32_t numa,
                     uint8_t huge, struct segment_kind *kind_out); // else it is refused
struct segment_kind keep_kind_of_system(const struct keeper *keeper, struct segment_kind kind);
struct heap *keep_heap(struct keeper *keeper, uint32_t number); // NULL: no such segment
// A block of the keeper's in what there is. 0: no room.
mem_ref keep_alloc(struct keeper *keeper, struct segment_kind kind, size_t bytes);
void keep_free(struct keeper *keeper, mem_ref ref);
void *keep_at(struct keeper *keeper, mem_ref ref);
uint32_t keep_segment_add(struct keeper *keeper, const struct keep_segment *segment); // 0: no room
void keep_segment_revive(struct keeper *keeper, uint32_t number);
// Retires what is wholly free. How many bytes that gave back.
uint64_t keep_segments_retire(struct keeper *keeper);
void keep_segments_retire_soon(struct keeper *keeper);
void keep_segments_recover(struct keeper *keeper, uint32_t dead);

// ---- growing: keep_grow.c, keep_growth.c

enum keep_phase { GROWTH_PLAN, GROWTH_ASKED, GROWTH_RESERVE };

struct keep_growth {
    struct segment_kind kind;
    size_t need; // bytes of a segment that would do
    enum keep_phase phase;
    bool begun;       // it had a turn
    bool least;       // no more than that is tried
    bool collected;   // what is free was given back
    bool counted;     // `cost` is in keeper->reserved
    uint32_t retired; // the number of the segment that is to be used again; 0: a new one
    struct keep_segment segment;
    uint64_t cost;           // bytes that are new
    size_t reserved;         // so far
    uint64_t ask;            // the number of its question to node 0
    uint32_t number;         // of the segment, when it is done
    struct keep_wait *waits; // owned
    struct keep_growth *next;
};

// FAILED: `error` is set, and nothing is left of it.
enum keep_outcome { GROWTH_GOES_ON, GROWTH_DONE, GROWTH_FAILED };
enum keep_outcome keep_growth_step(struct keeper *keeper, struct keep_growth *growth,
                                   dragon_error_t *error);
enum keep_outcome keep_growth_granted(struct keeper *keeper, struct keep_growth *growth,
                                      bool granted, uint64_t used, dragon_error_t *error);
void keep_growth_destroy(struct keep_growth *growth);

void keep_grow(struct keeper *keeper, struct segment_kind kind, const struct keep_wait *wait);
void keep_grow_close(struct keeper *keeper); // what is under way is dropped without an answer
void keep_on_granted(struct keeper *keeper, bool granted, uint64_t used);

// ---- limits: keep_limits.c

// FULL: the node may not, or cannot, have so many bytes more.
dragon_err_t keep_limits_check(const struct keeper *keeper, struct segment_kind kind, uint64_t cost,
                               dragon_error_t *error);
// FULL: node 0 has said so.
void keep_limits_refused(const struct keeper *keeper, uint64_t cost, uint64_t used,
                         dragon_error_t *error);
void keep_return(struct keeper *keeper, uint64_t bytes); // to node 0
// At node 0.
void keep_room_asked(struct keeper *keeper, uint32_t node, uint64_t bytes);
void keep_room_returned(struct keeper *keeper, uint32_t node, uint64_t bytes);

// ---- objects: keep_objects.c, keep_create.c, keep_recover.c

struct keep_object {
    uint64_t id;
    mem_ref block;
    struct object *object; // in its segment
    size_t bytes;
    struct object_spec spec;
    struct keep_asker maker;
    bool tied;      // it ends with its maker: it is owned, or nobody has opened it yet
    bool known;     // its maker has opened it
    bool destroyed; // it only waits for those who are attached
    bool named;
    uint32_t attached;  // sessions
    uint32_t processes; // of these that are no transport
    uint64_t server;    // the session that serves it to other nodes itself; 0: none
    uint8_t *address;   // owned: of that
    size_t address_bytes;
    struct keep_object *prev, *next; // among the tied ones
    UT_hash_handle hh;
};

enum { KEEP_NODE_SHIFT = 40 }; // of an id
static inline uint32_t keep_object_home(uint64_t id)
{
    return (uint32_t)(id >> KEEP_NODE_SHIFT);
}

struct keep_attachment {
    uint64_t id;
    struct keep_object *object; // borrowed
    uint32_t count;
    UT_hash_handle hh;
};

// In a block that is filled with zeros. NULL: out of memory; the block is still the caller's.
struct keep_object *keep_object_add(struct keeper *keeper, const struct keep_asker *maker,
                                    const struct object_spec *spec, mem_ref block, size_t bytes);
// NULL: it is refused with CLOSED.
struct keep_object *keep_object_find(struct keeper *keeper, uint64_t id,
                                     const struct keep_asker *asker);
bool keep_object_sound(struct keep_object *object); // nobody has written over what it is
void keep_objects_leave_all(struct keep_session *session);
void keep_objects_end_tied(struct keeper *keeper, uint32_t node, uint64_t session);
void keep_objects_close(struct keeper *keeper);

// There is room for it. `fresh`: the number of a segment of which nobody has had anything yet; 0: none.
void keep_creation_go_on(struct keeper *keeper, struct keep_creation *creation, uint32_t fresh);
void keep_creation_fail(struct keeper *keeper, struct keep_creation *creation,
                        const dragon_error_t *error);
void keep_creations_gone(struct keeper *keeper, uint32_t node, uint64_t session);
void keep_creations_close(struct keeper *keeper);

void keep_recover_session(struct keep_session *session); // puts right what it left
void keep_recover_proxy(struct keeper *keeper, uint32_t slot);

// ---- shared blocks: keep_share.c

struct keep_share {
    mem_ref block;
    uint64_t id;
    uint32_t users; // sessions
    UT_hash_handle hh;
};

struct keep_holding {
    mem_ref block;
    struct keep_share *share; // borrowed
    uint32_t count;
    UT_hash_handle hh;
};

void keep_share_leave_all(struct keep_session *session);
void keep_share_close(struct keeper *keeper);

// ---- names: keep_names.c

void keep_names_forget(struct keeper *keeper, uint64_t object);
void keep_names_gone(struct keeper *keeper, uint32_t node, uint64_t session);
void keep_names_node_lost(struct keeper *keeper, uint32_t node); // and the objects there
void keep_names_close(struct keeper *keeper);

// ---- other keepers: keep_far.c

void keep_far_ask(struct keeper *keeper, uint32_t node, const struct keep_request *request);
void keep_far_answer(struct keeper *keeper, const struct keep_asker *asker, dragon_err_t err,
                     const char *why, const struct pack *body);
void keep_far_gone(struct keep_session *session);
void keep_far_say(struct keeper *keeper, uint32_t node, uint16_t type, uint64_t number);
// What was kept here for a session, of any node, that is gone; KEEP_ALL_SESSIONS: for all of the node.
void keep_session_gone(struct keeper *keeper, uint32_t node, uint64_t session);

// ---- dragon-transport: keep_transport.c

struct keep_transport {
    pid_t pid;        // 0: none runs
    uint64_t session; // its session's number; 0: not yet
    uint8_t *address; // owned; NULL: it does not serve yet
    size_t address_bytes;
    int said_fd;                   // owned: what it writes; -1
    struct loop_watch *said_watch; // owned
    char said[300];                // its last line
    size_t said_length;
    bool line_over;
    bool served;              // it came up
    struct loop_timer *limit; // owned, made with the first
    struct keep_wait *waits;  // owned: who waits for its address
};

void keep_transport_init(struct keep_transport *transport);
void keep_transport_session_gone(struct keep_session *session);
void keep_transport_stop(struct keeper *keeper);
void keep_transport_close(struct keeper *keeper);

// ---- the keeper

struct keeper {
    struct keeper_options options;
    uint32_t here, nodes;
    const char *host; // borrowed: the name of this node
    char *socket_path;
    struct acceptor *acceptor;
    uint64_t next_session;
    struct keep_session *sessions; // owned, by number
    uint32_t processes;            // sessions with a slot
    bool ended;

    // made with the first session that says hello
    uint8_t *packet; // owned: what is read
    struct board *board;
    struct space *space;     // the keeper's own, with SLOT_KEEPER
    struct keep_slot *slots; // owned
    uint32_t next_slot;
    struct loop_later settle;

    struct keep_segment *segments; // owned
    uint32_t segment_count;
    uint64_t reserved;           // bytes in all of them
    struct loop_timer *retire;   // owned
    bool retiring;               // it is set
    struct keep_growth *growths; // owned: in the order of their turns
    uint64_t asks;               // of node 0, so far
    struct loop_timer *grow;     // owned: its next step
    uint64_t *granted;           // owned, node 0: bytes of each node
    uint64_t granted_all;

    uint64_t next_object, next_share;
    struct keep_object *objects;     // owned, by id
    struct keep_object *tied;        // those that end with who made them
    struct keep_creation *creations; // owned
    struct loop_timer *create;       // owned: the next step of one
    struct keep_share *shares;       // owned, by block
    struct keep_name *names;         // owned, by name; node 0
    struct keep_finder *finders;     // owned, in the order of their deadlines; node 0
    struct loop_timer *find;         // owned; set while somebody waits
    struct keep_transport transport;
};

bool keeper_open(struct keeper *keeper, dragon_error_t *error);

// "64.0 MiB". Returns `text`.
struct keep_text {
    char text[16];
};
struct keep_text keep_size(uint64_t bytes);

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// A dictionary as a process sees it.
//
//     dict --- root: a shared value, which says what the dictionary is     (dict.c)
//      `------ parts: the shards of its managers, each opened when it is first needed, and used in shared memory or
//              over the network                                            (dict_part.c)
//
// Every call is an operation as data (ddict/pair.h) on one part, or on all of them.
#ifndef CLIENT_DICT_H
#define CLIENT_DICT_H

#include "client/shared.h"
#include "ddict/pair.h"

#include <dragon/dict.h>

// The numbers of the root; behind them the id of each manager's shard, 0: it is not up yet.
enum dict_root {
    DICT_VERSION,
    DICT_MANAGERS,
    DICT_STATE,
    DICT_TIMEOUT_MS,
    DICT_SHARDS,
};
enum { DICT_LAYOUT = 1 };
enum dict_state { DICT_COMING, DICT_UP, DICT_FAILED };

#define DICT_MANAGER "dragon-dict-manager"

// What a manager tells who makes the dictionary.
struct dict_report {
    uint32_t manager;
    dragon_error_t error; // DRAGON_OK: it is up
};

// Of the latest call that failed: what dragon_dict_why makes words of.
struct dict_failure {
    dragon_err_t err; // DRAGON_OK: none has
    enum pair_op op;  // 0: not known, or none came to it
    bool wait;
    int timeout_ms;
    int64_t manager; // -1: it did not come to one
    uint64_t bytes;  // of the value
};

struct dict_part {
    struct handle handle;
    struct shard_view view; // of this node
    uint32_t looks;         // at its state, see dict_part_state
    bool open;
    // In a call for many: what its items are told because it is gone, and whether the root was asked.
    dragon_err_t gone;
    bool asked;
    bool lost; // broadcast_get found it so
};

struct dragon_dict {
    struct handle root;
    char *descriptor; // owned
    uint32_t managers;
    int timeout_ms;  // what DRAGON_DEFAULT_TIMEOUT means
    int64_t bound;   // to one manager; -1: to none
    int64_t lost;    // the manager of the latest PEER; -1: none
    int64_t nearest; // manager, for broadcast_get; -1: not chosen yet
    struct dict_failure failure;
    size_t room;             // how large the next value may be, from the last
    struct dict_part *parts; // owned
};

// dict.c: one number of the root.
dragon_err_t dict_root_get(struct handle *root, uint32_t index, int64_t *number_out);
dragon_err_t dict_root_set(struct handle *root, uint32_t index, int64_t number);
// Of a root that is open, whose handle it takes over, also when it fails.
dragon_err_t dict_wrap(struct handle *root, struct dragon_dict **dict_out, dragon_error_t *error);

// dict_create.c
dragon_err_t dict_start(struct dragon_runtime *runtime, const dragon_dict_spec_t *spec,
                        struct handle *root, dragon_error_t *error);

// dict_part.c

// INVAL: NULL. STATE: of a process that forked us.
static inline dragon_err_t dict_check(const struct dragon_dict *dict)
{
    if (!dict)
        return DRAGON_ERR_INVAL;
    return handle_is_ours(&dict->root) ? DRAGON_OK : DRAGON_ERR_STATE;
}

// Which one has a key. Not by the lower bits of the hash as they are: those say where it is in the shard.
static inline uint32_t dict_manager(const struct dragon_dict *dict, uint64_t hash)
{
    if (dict->bound >= 0)
        return (uint32_t)dict->bound;
    return (uint32_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % dict->managers;
}

// The parts that a call for all of them is for.
struct dict_range {
    uint32_t begin, end;
};
static inline struct dict_range dict_range(const struct dragon_dict *dict)
{
    if (dict->bound >= 0)
        return (struct dict_range){(uint32_t)dict->bound, (uint32_t)dict->bound + 1};
    return (struct dict_range){0, dict->managers};
}

dragon_err_t dict_part(struct dragon_dict *dict, uint32_t manager, struct dict_part **part_out);
// Of one of this node, that is open. CLOSED: it has ended. PEER: the runtime has, which nobody else would tell who only works in
// shared memory; when its agent was killed, that is seen by looking now and then.
dragon_err_t dict_part_state(struct dict_part *part);
dragon_err_t dict_node(struct dragon_dict *dict, uint32_t manager, uint32_t *node_out);
// What is said of a part that said `err`: CLOSED and PEER are told apart, and who is lost is put down; and what it was, for
// dragon_dict_why.
dragon_err_t dict_failed(struct dragon_dict *dict, uint32_t manager, dragon_err_t err);
// The same, of an operation.
dragon_err_t dict_call_failed(struct dragon_dict *dict, uint32_t manager,
                              const struct pair_call *call, size_t bytes, int timeout_ms,
                              dragon_err_t err);
// It did not come to a manager. `dict` NULL is fine.
dragon_err_t dict_refused(struct dragon_dict *dict, dragon_err_t err);
void dict_parts_leave(struct dragon_dict *dict);
void dict_parts_destroy(struct dragon_dict *dict);

// One operation, see pair_here; result->buffer may be NULL when there is nothing to say.
dragon_err_t dict_call(struct dragon_dict *dict, uint32_t manager, const struct pair_call *call,
                       struct dict_result *result, int timeout_ms);
// On a part of this node, now.
dragon_err_t dict_here(struct dict_part *part, const struct pair_call *call,
                       struct dict_result *result);
int64_t dict_deadline(const struct dragon_dict *dict, int timeout_ms);
// The same of each, and the first error.
dragon_err_t dict_call_all(struct dragon_dict *dict, const struct pair_call *call,
                           uint64_t *sum_out, int timeout_ms);

// For NULL with 0 bytes too.
dragon_err_t dict_key(const void *key, size_t key_bytes, struct shard_key *key_out);

#endif

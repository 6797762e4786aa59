/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The distributed dictionary (DDict): one dictionary for every process of the runtime, whose pairs lie in the memory of
 * many nodes.
 *
 *     dragon_dict_create(runtime, NULL, &dict, &error);                          one process makes it,
 *     dragon_dict_attach(runtime, descriptor, &dict, &error);                    others attach, on any node
 *     dragon_dict_put(dict, "step", 4, data, bytes, DRAGON_DEFAULT_TIMEOUT);
 *     dragon_dict_get(dict, "step", 4, buffer, room, &bytes, DRAGON_DEFAULT_TIMEOUT);
 *     dragon_dict_destroy(dict, &error);                                         one ends it; others detach
 *
 * Managers. The keys are spread over managers by their hash. A manager is a process, placed by a policy like any rank; it
 * owns the memory of its part, and serves it to processes of other nodes. Processes of its own node read and write
 * there themselves, without asking it. When a manager dies its pairs are gone: calls for them say PEER, those that
 * wait at once, and dragon_dict_lost says which manager it was; the others go on.
 *
 * Pairs. Keys and values are any bytes. A key has at most DRAGON_DICT_KEY_MOST bytes; a value as much as its manager
 * has memory in one piece.
 *
 * Consistency. What happens to one key happens in one order that all processes see: an operation that has returned has
 * happened, and everybody who begins afterwards sees it (linearizable). A value is read as somebody wrote it, whole, however
 * it is overwritten or erased meanwhile. Between several keys there is no order but that of one's own calls. A process that
 * dies in a call has done it or not, and holds up nobody; so it is when a call ends with TIMEOUT or PEER.
 *
 * Full. A put for which there is no memory says FULL, and everything stored before is as it was; erasing makes room.
 *
 * Time-outs as in channel.h; DRAGON_DEFAULT_TIMEOUT is the dictionary's, of its spec. Threads: as for the runtime handle,
 * one at a time. Errors that all calls share, beside those said: CLOSED: the dictionary was destroyed. PEER: the manager of
 * the key is gone, or the runtime has ended. TIMEOUT (AGAIN with time-out 0): the manager of another node did not answer in
 * time. STATE: in a child made by fork. NOMEM.
 */
#ifndef DRAGON_DICT_H
#define DRAGON_DICT_H

#include <dragon/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_dict dragon_dict_t;
typedef struct dragon_dict_cursor dragon_dict_cursor_t;

enum {
    DRAGON_DICT_KEY_MOST = 64 << 10,
    DRAGON_DICT_BYTES = 64 << 20,      /* for each manager, by default */
    DRAGON_DICT_BYTES_LEAST = 1 << 20, /* for each manager */
    DRAGON_DICT_MANAGERS_MOST = 4096
};

/* Begin with DRAGON_DICT_SPEC_INIT. */
typedef struct dragon_dict_spec {
    uint32_t managers; /* in all; 0: managers_per_node on each node that the policy allows */
    uint32_t managers_per_node; /* 0: one */
    uint32_t
        nodes; /* on so many of the nodes that the policy allows, the first ones; 0: on all of them */
    const dragon_policy_t *
        policy; /* where they go, and what they are bound to; NULL: one after the other on every node */
    const dragon_policy_t *const *
        policies; /* instead: a list; each gets `managers` of them, 0: one. Without managers_per_node, nodes and policy */
    uint32_t policy_count;
    uint64_t
        total_bytes; /* of memory, divided evenly; 0: DRAGON_DICT_BYTES each. Some 4 % of it are ours */
    const char *name; /* under which it is found; NULL: none */
    int timeout_ms;   /* what DRAGON_DEFAULT_TIMEOUT means in its calls; 0: as everywhere */
    dragon_memory_spec_t memory; /* huge pages, NUMA node */
} dragon_dict_spec_t;
#define DRAGON_DICT_SPEC_INIT                                       \
    {                                                               \
        0, 0, 0, NULL, NULL, 0, 0, NULL, 0, DRAGON_MEMORY_SPEC_INIT \
    }

/* ---- life cycle ---- */

/* Makes one, with its managers, and attaches to it; spec NULL: with all defaults. It lives until it is destroyed, or the runtime
 * ends, also when this process ends.
 *
 * INVAL: the spec makes no sense. FULL: a node has not so much memory (the text has the figures), or no room for the managers.
 * EXISTS: the name is taken. NOT_FOUND: dragon-dict-manager is not installed. TIMEOUT: the managers did not come up. PEER: one
 * ended meanwhile, or the runtime. Others as of dragon_group_start, by which they are started. After an error nothing is left,
 * and so it is when this process is killed in the call. */
DRAGON_API dragon_err_t dragon_dict_create(dragon_runtime_t *runtime,
                                           const dragon_dict_spec_t *spec, dragon_dict_t **dict_out,
                                           dragon_error_t *error);
/* Waits for its managers when they are still coming up. INVAL: no descriptor of a dictionary. NOT_FOUND: of another runtime.
 * CLOSED: it was destroyed. TIMEOUT: the managers did not come up. */
DRAGON_API dragon_err_t dragon_dict_attach(dragon_runtime_t *runtime, const char *descriptor,
                                           dragon_dict_t **dict_out, dragon_error_t *error);
/* By its name, waiting until there is one. TIMEOUT (AGAIN with 0): there is none. INVAL: the name is of something else. */
DRAGON_API dragon_err_t dragon_dict_find(dragon_runtime_t *runtime, const char *name,
                                         int timeout_ms, dragon_dict_t **dict_out,
                                         dragon_error_t *error);
/* What is in it stays. Its views and cursors are to be ended before. NULL is fine. */
DRAGON_API dragon_err_t dragon_dict_detach(dragon_dict_t *dict);
/* For everybody: waiting and later calls say CLOSED. The managers end. The handle is gone in any case. */
DRAGON_API dragon_err_t dragon_dict_destroy(dragon_dict_t *dict, dragon_error_t *error);

/* One line for dragon_dict_attach, valid as long as the handle. */
DRAGON_API const char *dragon_dict_descriptor(const dragon_dict_t *dict);

/* ---- pairs ---- */

/* The value of the key is this from now on. FULL: at once. */
DRAGON_API dragon_err_t dragon_dict_put(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                        const void *value, size_t value_bytes, int timeout_ms);
/* The same, but waits until there is room. TIMEOUT (AGAIN with 0): there was none. FULL: there will never be any, the value is
 * larger than the memory of the manager. */
DRAGON_API dragon_err_t dragon_dict_put_wait(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                             const void *value, size_t value_bytes, int timeout_ms);
/* Only if the key is not there. EXISTS: it is, and stays as it is. */
DRAGON_API dragon_err_t dragon_dict_put_absent(dragon_dict_t *dict, const void *key,
                                               size_t key_bytes, const void *value,
                                               size_t value_bytes, int timeout_ms);

/* Into a buffer of the caller. NOT_FOUND. TOO_BIG: *bytes_out says how large it is, and the buffer is as it was or not. */
DRAGON_API dragon_err_t dragon_dict_get(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                        void *buffer, size_t room, size_t *bytes_out,
                                        int timeout_ms);
/* Into memory of its own, which the caller frees with free(); never NULL when OK. */
DRAGON_API dragon_err_t dragon_dict_get_new(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                            void **value_out, size_t *bytes_out, int timeout_ms);

/* The value where it lies, without a copy, on the node of its manager; elsewhere a copy is made once. It stays as it is until the
 * view is ended, whatever happens to the key; a number (dragon_dict_add) may change in place. */
typedef struct dragon_dict_view {
    const void *data;
    size_t bytes;
    void *room[4]; /* ours */
} dragon_dict_view_t;
/* FULL: a thousand views of this manager are open already (frozen dictionaries have no such limit). */
DRAGON_API dragon_err_t dragon_dict_view(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                         dragon_dict_view_t *view_out, int timeout_ms);
DRAGON_API void dragon_dict_view_end(dragon_dict_t *dict, dragon_dict_view_t *view);

/* *there_out: 1 or 0. */
DRAGON_API dragon_err_t dragon_dict_contains(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                             int *there_out, int timeout_ms);
/* NOT_FOUND: it was not there. */
DRAGON_API dragon_err_t dragon_dict_erase(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                          int timeout_ms);
/* Gets it and erases it, at once. As dragon_dict_get_new. */
DRAGON_API dragon_err_t dragon_dict_pop(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                        void **value_out, size_t *bytes_out, int timeout_ms);
/* Waits until the key is there. TIMEOUT (AGAIN with 0): it is not. */
DRAGON_API dragon_err_t dragon_dict_wait(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                         int timeout_ms);

/* ---- changes of what is there ---- */

/* Only if the value is `expected`. NOT_FOUND. STATE: it is another one. */
DRAGON_API dragon_err_t dragon_dict_swap(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                         const void *expected, size_t expected_bytes,
                                         const void *value, size_t value_bytes, int timeout_ms);
/* Adds to a value of eight bytes, an int64_t; a key that is not there was 0. before_out may be NULL. INVAL: the value has
 * another size. */
DRAGON_API dragon_err_t dragon_dict_add(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                        int64_t number, int64_t *before_out, int timeout_ms);
/* Behind the value; a key that is not there had an empty one. bytes_out, may be NULL: how large it is then. */
DRAGON_API dragon_err_t dragon_dict_append(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                           const void *data, size_t bytes, size_t *bytes_out,
                                           int timeout_ms);

/* ---- many at once ----
 *
 * As many single calls, but with other nodes they are all under way together. OK: all is done. Otherwise the first error in the order of
 * the items; err of each item is its own, and an error of one keeps no other from being done. When the same key comes twice
 * in one put, either value may stay. The time-out is for all together. */

typedef struct dragon_dict_put_item {
    const void *key;
    size_t key_bytes;
    const void *value;
    size_t value_bytes;
    dragon_err_t err; /* out, as of dragon_dict_put */
} dragon_dict_put_item_t;
DRAGON_API dragon_err_t dragon_dict_put_many(dragon_dict_t *dict, dragon_dict_put_item_t *items,
                                             size_t count, int timeout_ms);

typedef struct dragon_dict_get_item {
    const void *key;
    size_t key_bytes;
    void *buffer;
    size_t room;
    size_t bytes;     /* out, as of dragon_dict_get */
    dragon_err_t err; /* out */
} dragon_dict_get_item_t;
DRAGON_API dragon_err_t dragon_dict_get_many(dragon_dict_t *dict, dragon_dict_get_item_t *items,
                                             size_t count, int timeout_ms);

/* ---- broadcast ----
 *
 * For what everybody reads, parameters say: every manager has the pair, and each process reads it from the nearest one, on its own
 * node when there is one. What happens to such a pair has an order at each manager alone. The pairs are ordinary ones: length and cursors
 * see the pair of each manager, and the calls above that of its key's manager. */

/* Puts it at every manager. After an error (FULL: of any of them) some have it and others do not. */
DRAGON_API dragon_err_t dragon_dict_broadcast_put(dragon_dict_t *dict, const void *key,
                                                  size_t key_bytes, const void *value,
                                                  size_t value_bytes, int timeout_ms);
/* As dragon_dict_get, of the nearest manager. */
DRAGON_API dragon_err_t dragon_dict_broadcast_get(dragon_dict_t *dict, const void *key,
                                                  size_t key_bytes, void *buffer, size_t room,
                                                  size_t *bytes_out, int timeout_ms);
/* From every manager. NOT_FOUND: none had it. */
DRAGON_API dragon_err_t dragon_dict_broadcast_erase(dragon_dict_t *dict, const void *key,
                                                    size_t key_bytes, int timeout_ms);

/* ---- values in pieces ----
 *
 * A value that is not in one place, or not known at once. Others see it when the writer is closed, whole; until then the key is what it
 * was. A writer or reader ends before its dictionary is detached. */

typedef struct dragon_dict_writer dragon_dict_writer_t;
typedef struct dragon_dict_reader dragon_dict_reader_t;

/* `bytes`: how large the value will be; 0: not known. A known one is written straight into the memory of a manager of this node.
 * FULL: there is no memory for so much. */
DRAGON_API dragon_err_t dragon_dict_writer_open(dragon_dict_t *dict, const void *key,
                                                size_t key_bytes, size_t bytes,
                                                dragon_dict_writer_t **writer_out, int timeout_ms);
/* The next piece. TOO_BIG: more than was said. NOMEM. */
DRAGON_API dragon_err_t dragon_dict_writer_write(dragon_dict_writer_t *writer, const void *data,
                                                 size_t bytes);
/* The same without a copy: *room_out is where the caller puts the next `bytes` bytes, before the next call for this writer. */
DRAGON_API dragon_err_t dragon_dict_writer_room(dragon_dict_writer_t *writer, size_t bytes,
                                                void **room_out);
/* What was written is the value of the key from now on. Errors as of dragon_dict_put; INVAL: it is less than was said. The
 * writer is gone in any case. */
DRAGON_API dragon_err_t dragon_dict_writer_close(dragon_dict_writer_t *writer, int timeout_ms);
/* Nothing was written. NULL is fine. */
DRAGON_API void dragon_dict_writer_abandon(dragon_dict_writer_t *writer);

/* Of the value as it is now, whatever happens to the key while it is read. Errors as of dragon_dict_view. bytes_out, may be NULL: how large
 * it is. */
DRAGON_API dragon_err_t dragon_dict_reader_open(dragon_dict_t *dict, const void *key,
                                                size_t key_bytes, dragon_dict_reader_t **reader_out,
                                                size_t *bytes_out, int timeout_ms);
/* At most `room` of what comes next. *got_out is 0 at the end. */
DRAGON_API dragon_err_t dragon_dict_reader_read(dragon_dict_reader_t *reader, void *buffer,
                                                size_t room, size_t *got_out);
DRAGON_API void dragon_dict_reader_close(dragon_dict_reader_t *reader); /* NULL is fine */

/* ---- all of it ---- */

/* How many keys there are, manager after manager: exact when nobody changes it. */
DRAGON_API dragon_err_t dragon_dict_length(dragon_dict_t *dict, uint64_t *length_out,
                                           int timeout_ms);
DRAGON_API dragon_err_t dragon_dict_clear(dragon_dict_t *dict, int timeout_ms);

/* A frozen dictionary cannot be changed (DENIED), and is read without a copy and without any limit on views. */
DRAGON_API dragon_err_t dragon_dict_freeze(dragon_dict_t *dict, int timeout_ms);
/* Views that are open are not valid any more. */
DRAGON_API dragon_err_t dragon_dict_unfreeze(dragon_dict_t *dict, int timeout_ms);
DRAGON_API dragon_err_t dragon_dict_is_frozen(dragon_dict_t *dict, int *frozen_out, int timeout_ms);

/* ---- walking over the keys ---- */

enum {
    DRAGON_DICT_VALUES = 1, /* with their values */
    DRAGON_DICT_LOCAL = 2   /* of the managers of this node only */
};

/* Over the keys that begin with the prefix (bytes 0: all). A key that is not touched meanwhile comes exactly once; one that
 * is put or erased comes once or not at all. */
DRAGON_API dragon_err_t dragon_dict_cursor_create(dragon_dict_t *dict, const void *prefix,
                                                  size_t prefix_bytes, int flags,
                                                  dragon_dict_cursor_t **cursor_out);
/* Valid until the next call. NOT_FOUND: there are no more. `value_out` and `value_bytes_out` may be NULL. */
DRAGON_API dragon_err_t dragon_dict_cursor_next(dragon_dict_cursor_t *cursor, const void **key_out,
                                                size_t *key_bytes_out, const void **value_out,
                                                size_t *value_bytes_out, int timeout_ms);
DRAGON_API void dragon_dict_cursor_destroy(dragon_dict_cursor_t *cursor); /* NULL is fine */

/* ---- managers ---- */

DRAGON_API uint32_t dragon_dict_managers(const dragon_dict_t *dict);
/* Of a key, from 0. */
DRAGON_API uint32_t dragon_dict_manager_of(const dragon_dict_t *dict, const void *key,
                                           size_t key_bytes);
/* Its node. NOT_FOUND: there is no such manager. */
DRAGON_API dragon_err_t dragon_dict_manager_node(dragon_dict_t *dict, uint32_t manager,
                                                 uint32_t *node_out);
/* Another handle, with which all keys are of this manager; it is detached like any. */
DRAGON_API dragon_err_t dragon_dict_bind(dragon_dict_t *dict, uint32_t manager,
                                         dragon_dict_t **dict_out, dragon_error_t *error);
/* The manager that is gone, of the latest call that said PEER, and its node. NOT_FOUND: none. */
DRAGON_API dragon_err_t dragon_dict_lost(dragon_dict_t *dict, uint32_t *manager_out,
                                         uint32_t *node_out);

/* Why the latest call for this handle failed, in words: which manager, on which node and host; of FULL the figures of its memory. NOT_FOUND:
 * none has failed. It may ask the manager, and waits for that two seconds at most. */
DRAGON_API dragon_err_t dragon_dict_why(dragon_dict_t *dict, dragon_error_t *error);

typedef struct dragon_dict_stats { /* of one manager */
    uint32_t manager;
    uint32_t node;
    int frozen;
    uint64_t total_bytes; /* for pairs */
    uint64_t used_bytes;
    uint64_t free_bytes;
    uint64_t largest_bytes; /* that one value could have */
    uint32_t
        fragmentation; /* of the free bytes, in thousandths, that are not in this largest piece */
    uint64_t keys;
    uint64_t puts;
    uint64_t gets;
    uint64_t misses; /* of keys that were not there */
    uint64_t erases;
    uint64_t changes; /* swap, add, append */
    uint64_t full;    /* puts that were refused */
    uint32_t waiting; /* processes that wait for a key or for room */
    uint32_t views;   /* that are open */
} dragon_dict_stats_t;
DRAGON_API dragon_err_t dragon_dict_stats(dragon_dict_t *dict, uint32_t manager,
                                          dragon_dict_stats_t *stats_out, int timeout_ms);
/* The same of all, as one JSON text, which the caller frees with free(). */
DRAGON_API dragon_err_t dragon_dict_stats_json(dragon_dict_t *dict, char **json_out,
                                               int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif

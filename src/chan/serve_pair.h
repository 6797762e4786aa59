// SPDX-License-Identifier: BSD-3-Clause
//
// One operation on a shard, for a process of another node: what the files serve_pair*.c share.
#ifndef CHAN_SERVE_PAIR_H
#define CHAN_SERVE_PAIR_H

#include "chan/serve_parts.h"
#include "ddict/pair.h"

struct pair {
    struct pair *next, *prev;           // of the shard, when it waits
    struct pair *next_peer, *prev_peer; // of the connection, when it is kept
    struct serve *serve;
    struct use *use; // NULL: it is gone, nobody is answered
    struct shard_view *view;
    struct cu_pair header;
    struct shard_key key;
    const uint8_t *expected;
    const uint8_t *value; // NULL: it is not here, or has no bytes
    uint8_t *keys, *copy; // owned: where key and expected are, and the value; NULL: in the message
    void *incoming;       // the value, still at its sender
    struct fresh fresh;   // where it goes
    bool kept, waits, moving;
};

// What has become of one that was tried.
enum outcome { OVER, WAITS, MOVES };

// ---- serve_pair.c

enum outcome pair_answer(const struct pair *pair, dragon_err_t err, uint64_t result); // OVER
void pair_end(struct pair *pair);

// ---- serve_pair_read.c

enum outcome pair_get(const struct pair *pair);
enum outcome pair_pop(const struct pair *pair);
enum outcome pair_contains(const struct pair *pair);
enum outcome pair_walk(const struct pair *pair);
enum outcome pair_stats(const struct pair *pair);

// ---- serve_pair_write.c

enum outcome pair_put(struct pair *pair); // absent and swap, too
enum outcome pair_append(struct pair *pair);
enum outcome pair_add(const struct pair *pair);
enum outcome pair_freeze(const struct pair *pair);

#endif

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

struct pair_call pair_call_of(const struct pair *pair);
enum outcome pair_answer(const struct pair *pair, dragon_err_t err, uint64_t result); // OVER
void pair_end(struct pair *pair);

// ---- serve_pair_read.c: what is answered with a value

enum outcome pair_send(const struct pair *pair);

// ---- serve_pair_move.c: a value that is still at its sender

enum outcome pair_receive(struct pair *pair);

#endif

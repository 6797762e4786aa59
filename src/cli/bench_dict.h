// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of "dragon-bench dict" share.
//
// A load is what a client does for a while: puts or gets of values of one size, over keys that come in an order that is not
// theirs. This process is the only client, or tells others, partners of its own, when to begin. Redis and memcached get the
// same load, with the same keys.
#ifndef CLI_BENCH_DICT_H
#define CLI_BENCH_DICT_H

#include "cli/bench_channel.h"

enum { DICT_CLIENTS_MOST = 4, DICT_BATCH = 16, DICT_KEYS = 8192 };

// ---- loads (bench_dict_load.c)

enum load_op { LOAD_FILL, LOAD_PUT, LOAD_GET, LOAD_PUT_MANY, LOAD_GET_MANY, LOAD_VIEW };

struct load {
    enum load_op op; // FILL puts each key once; the others go on for `ms`
    uint32_t client; // each has keys of its own
    uint32_t keys;   // a power of two
    uint32_t key_bytes;
    uint64_t value_bytes;
    uint32_t batch; // of PUT_MANY and GET_MANY; what a peer has under way
    uint32_t ms;
};

enum { KEY_BYTES_LEAST = 16 };

struct keys {
    char *bytes; // owned
    uint32_t each, count, at;
};

// False: out of memory.
bool keys_init(struct keys *keys, const struct load *load);
void keys_fini(struct keys *keys);
// Each comes once in `count` calls.
const char *keys_next(struct keys *keys);

// Does it.
dragon_err_t load_run(dragon_dict_t *dict, const struct load *load,
                      struct partner_report *report_out);
// The operations of a second, of this process; below 0: the figure has the reason.
double load_rate(dragon_dict_t *dict, const struct load *load, struct figure *figure);

// With managers on one node; NULL: the figure has the reason.
dragon_dict_t *bench_dict_make(struct bench *bench, int node, uint32_t managers,
                               uint64_t bytes_each, struct figure *figure);

// ---- several clients (bench_dict_clients.c)

struct clients {
    struct crew crew;
    dragon_dict_t *dict;                         // borrowed
    dragon_channel_t *report;                    // owned
    dragon_channel_t *orders[DICT_CLIENTS_MOST]; // owned
    int count;
    bool lost; // one of them failed, and nobody waits for any of them again
};

bool clients_start(struct clients *clients, struct bench *bench, dragon_dict_t *dict, int count,
                   struct figure *figure);
void clients_end(struct clients *clients);
// The operations of a second, of all together.
double clients_rate(struct clients *clients, const struct load *load, struct figure *figure);
// What such a partner does.
dragon_err_t clients_play(struct partner *partner);

// ---- Redis and memcached (bench_stores.c, bench_store_load.c)

enum store_kind { STORE_REDIS, STORE_MEMCACHED };
enum { STORE_LINKS = 50 };

// A server of ours alone, on a Unix socket that has no name any more when it has come up: nothing is left of it, however
// this process ends.
struct store {
    enum store_kind kind;
    pid_t pid;
    int links[STORE_LINKS]; // connections
    char missing[100];      // "": it is there
};

void store_start(struct store *store, enum store_kind kind);
void store_end(struct store *store);
void store_pin(struct store *store, const char *list); // all of its threads
const char *store_name(const struct store *store);
// The operations of a second over so many connections, each with `load->batch` under way; below 0: it failed.
double store_rate(struct store *store, const struct load *load, int links);

// ---- the parts

void bench_dict_grid(struct bench *bench);  // bench_dict_grid.c
void bench_dict_large(struct bench *bench); // bench_dict_large.c
void bench_dict_frozen(struct bench *bench);
void bench_dict_nodes(struct bench *bench); // bench_dict_nodes.c

#endif

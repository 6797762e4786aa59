// SPDX-License-Identifier: BSD-3-Clause
//
// The keys and values of one PMI-1 job, and those that are new since the last barrier in the form
// in which nodes exchange them: u32 count, then key and value as strings.
#ifndef PMI_PMI1_KVS_H
#define PMI_PMI1_KVS_H

#include "base/base.h"

enum { PMI1_KVS_BYTES_MAX = 256 << 20 }; // of keys and values of a job

struct pmi1_kvs_entry;

struct pmi1_kvs {
    struct pmi1_kvs_entry *entries; // owned, by key
    size_t bytes;
    struct pack fresh; // entries put here since the last take
    uint32_t fresh_count;
};

void pmi1_kvs_fini(struct pmi1_kvs *kvs);

// Stores for this node only; an older value is replaced. INVAL: the key or value is empty, too long
// or not printable without spaces (a value may be empty). FULL, NOMEM: nothing was stored.
dragon_err_t pmi1_kvs_set(struct pmi1_kvs *kvs, const char *key, const char *value);

// The same, and the other nodes get it with the next take.
dragon_err_t pmi1_kvs_put(struct pmi1_kvs *kvs, const char *key, const char *value);

const char *pmi1_kvs_get(const struct pmi1_kvs *kvs, const char *key); // NULL: not there

// Appends what is new to `to`, and forgets that it is new.
void pmi1_kvs_take(struct pmi1_kvs *kvs, struct pack *to);

// Looks through what another node took; PROTO when it is none.
dragon_err_t pmi1_kvs_check(const void *data, size_t length);
dragon_err_t pmi1_kvs_merge(struct pmi1_kvs *kvs, const void *data, size_t length);

#endif

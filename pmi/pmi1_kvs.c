// SPDX-License-Identifier: BSD-3-Clause
//
// Keys and values of a PMI-1 job: see pmi1_kvs.h.
#include "config.h"

#include "pmi/pmi1_kvs.h"

#include "pmi/pmi1.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((void)(entry)) // then entry->hh.tbl is NULL
#include <uthash.h>

struct pmi1_kvs_entry {
    UT_hash_handle hh;
    char *value; // owned
    char key[];
};

void pmi1_kvs_fini(struct pmi1_kvs *kvs)
{
    struct pmi1_kvs_entry *entry, *next;
    HASH_ITER (hh, kvs->entries, entry, next) {
        HASH_DEL(kvs->entries, entry);
        free(entry->value);
        free(entry);
    }
    pack_fini(&kvs->fresh);
    *kvs = (struct pmi1_kvs){0};
}

static bool is_word(const char *text, size_t limit)
{
    size_t length = 0;
    for (; text[length]; length++)
        if (length + 1 >= limit || text[length] <= ' ' || text[length] > '~')
            return false;
    return true;
}

static bool entry_valid(const char *key, const char *value)
{
    return *key && !strchr(key, '=') && is_word(key, PMI1_KEY_MAX) &&
           is_word(value, PMI1_VALUE_MAX);
}

static struct pmi1_kvs_entry *kvs_find(const struct pmi1_kvs *kvs, const char *key)
{
    struct pmi1_kvs_entry *entry;
    HASH_FIND_STR(kvs->entries, key, entry);
    return entry;
}

static struct pmi1_kvs_entry *kvs_add(struct pmi1_kvs *kvs, const char *key, char *value)
{
    size_t length = strlen(key);
    struct pmi1_kvs_entry *entry = malloc(sizeof *entry + length + 1);
    if (!entry)
        return NULL;
    memcpy(entry->key, key, length + 1);
    entry->value = value;
    HASH_ADD_KEYPTR(hh, kvs->entries, entry->key, length, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    kvs->bytes += length;
    return entry;
}

dragon_err_t pmi1_kvs_set(struct pmi1_kvs *kvs, const char *key, const char *value)
{
    if (!entry_valid(key, value))
        return DRAGON_ERR_INVAL;
    if (kvs->bytes + strlen(key) + strlen(value) > PMI1_KVS_BYTES_MAX)
        return DRAGON_ERR_FULL;
    char *copy = strdup(value);
    struct pmi1_kvs_entry *entry = kvs_find(kvs, key);
    if (!copy || (!entry && !kvs_add(kvs, key, copy))) {
        free(copy);
        return DRAGON_ERR_NOMEM;
    }
    kvs->bytes += strlen(value);
    if (entry) {
        kvs->bytes -= strlen(entry->value);
        free(entry->value);
        entry->value = copy;
    }
    return DRAGON_OK;
}

dragon_err_t pmi1_kvs_put(struct pmi1_kvs *kvs, const char *key, const char *value)
{
    dragon_err_t err = pmi1_kvs_set(kvs, key, value);
    if (err)
        return err;
    pack_str(&kvs->fresh, key);
    pack_str(&kvs->fresh, value);
    if (kvs->fresh.failed)
        return DRAGON_ERR_NOMEM;
    kvs->fresh_count++;
    return DRAGON_OK;
}

const char *pmi1_kvs_get(const struct pmi1_kvs *kvs, const char *key)
{
    const struct pmi1_kvs_entry *entry = kvs_find(kvs, key);
    return entry ? entry->value : NULL;
}

void pmi1_kvs_take(struct pmi1_kvs *kvs, struct pack *to)
{
    pack_u32(to, kvs->fresh_count);
    pack_raw(to, kvs->fresh.data, kvs->fresh.length);
    to->failed = to->failed || kvs->fresh.failed;
    pack_fini(&kvs->fresh);
    kvs->fresh_count = 0;
}

// Reads the entries, into `kvs` when it is given.
static dragon_err_t kvs_read(struct pmi1_kvs *kvs, const void *data, size_t length)
{
    struct unpack unpack = unpack_start(data, length);
    dragon_err_t err = DRAGON_OK;
    for (uint32_t left = unpack_u32(&unpack); left > 0 && !err; left--) {
        const char *key = unpack_str(&unpack);
        const char *value = unpack_str(&unpack);
        if (unpack.failed || !entry_valid(key, value))
            return DRAGON_ERR_PROTO;
        if (kvs)
            err = pmi1_kvs_set(kvs, key, value);
    }
    if (!err && !unpack_done(&unpack))
        err = DRAGON_ERR_PROTO;
    return err;
}

dragon_err_t pmi1_kvs_check(const void *data, size_t length)
{
    return kvs_read(NULL, data, length);
}

dragon_err_t pmi1_kvs_merge(struct pmi1_kvs *kvs, const void *data, size_t length)
{
    return kvs_read(kvs, data, length);
}

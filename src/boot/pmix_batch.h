// SPDX-License-Identifier: BSD-3-Clause
//
// Calls of libpmix whose answers come by callback, on its own thread. A batch lives until the last
// answer has come, whenever that is, so whoever waited may give up before.
#ifndef BOOT_PMIX_BATCH_H
#define BOOT_PMIX_BATCH_H

#include <pmix.h> // first: it has inline functions with calls that base/banned.h bans

#include "boot/internal.h"

#include <stdatomic.h>

struct entry {
    struct batch *batch;
    pmix_proc_t proc;
    pmix_status_t status;
    atomic_bool done; // status and data are valid
    uint8_t *data;    // owned
    size_t length;
};

// Shared by the caller and every callback still to come; the last one frees it.
struct batch {
    atomic_size_t users;
    atomic_size_t pending;
    int event_fd; // readable when nothing is pending
    pmix_info_t info;
    size_t count;
    struct entry entries[];
};

struct batch *batch_create(size_t count); // NULL: out of memory or descriptors
void batch_unref(struct batch *batch);    // NULL is fine

// For a call that gave an error at once: there will be no callback.
void entry_finish(struct entry *entry, pmix_status_t status);

// Callbacks; their argument is the entry.
void batch_on_done(pmix_status_t status, void *arg);
void batch_on_value(pmix_status_t status, pmix_value_t *value, void *arg);

// TIMEOUT when it has not come. Also to be used after batch_wait: only `done` orders what the other
// thread wrote before what is read here.
pmix_status_t entry_status(const struct entry *entry);

// Until all have come. TIMEOUT, CANCELED.
dragon_err_t batch_wait(const struct boot *boot, const struct batch *batch, uint64_t until_ms);

#endif

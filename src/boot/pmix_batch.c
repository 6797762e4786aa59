// SPDX-License-Identifier: BSD-3-Clause
//
// Batches: see pmix_batch.h. Callbacks record and wake, nothing else.
#include "config.h"

#include "boot/pmix_batch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct batch *batch_create(size_t count)
{
    struct batch *batch = calloc(1, sizeof *batch + count * sizeof batch->entries[0]);
    if (!batch)
        return NULL;
    batch->event_fd = eventfd(0, EFD_CLOEXEC);
    if (batch->event_fd < 0) {
        free(batch);
        return NULL;
    }
    atomic_init(&batch->users, count + 1);
    atomic_init(&batch->pending, count);
    batch->count = count;
    for (size_t i = 0; i < count; i++)
        batch->entries[i].batch = batch;
    return batch;
}

void batch_unref(struct batch *batch)
{
    if (!batch || atomic_fetch_sub(&batch->users, 1) != 1)
        return;
    for (size_t i = 0; i < batch->count; i++)
        free(batch->entries[i].data);
    PMIX_INFO_DESTRUCT(&batch->info);
    close(batch->event_fd);
    free(batch);
}

void entry_finish(struct entry *entry, pmix_status_t status)
{
    struct batch *batch = entry->batch;
    entry->status = status;
    atomic_store(&entry->done, true);
    if (atomic_fetch_sub(&batch->pending, 1) == 1)
        eventfd_write(batch->event_fd, 1);
    batch_unref(batch);
}

void batch_on_done(pmix_status_t status, void *arg)
{
    entry_finish(arg, status == PMIX_OPERATION_SUCCEEDED ? PMIX_SUCCESS : status);
}

static pmix_status_t entry_record(struct entry *entry, const void *data, size_t length)
{
    if (length > BOOT_WRAP_BYTES + BOOT_BLOB_LIMIT)
        return PMIX_ERR_UNPACK_INADEQUATE_SPACE;
    struct boot_blob copy;
    if (!boot_blob_copy(data, length, &copy))
        return PMIX_ERR_NOMEM;
    entry->data = copy.data;
    entry->length = copy.length;
    return PMIX_SUCCESS;
}

void batch_on_value(pmix_status_t status, pmix_value_t *value, void *arg)
{
    struct entry *entry = arg;
    if (status == PMIX_SUCCESS && !value)
        status = PMIX_ERR_NOT_FOUND;
    if (status == PMIX_SUCCESS && value->type == PMIX_BYTE_OBJECT)
        status = entry_record(entry, value->data.bo.bytes, value->data.bo.size);
    else if (status == PMIX_SUCCESS && value->type == PMIX_STRING && value->data.string)
        status = entry_record(entry, value->data.string, strlen(value->data.string));
    else if (status == PMIX_SUCCESS)
        status = PMIX_ERR_TYPE_MISMATCH;
    entry_finish(entry, status);
}

pmix_status_t entry_status(const struct entry *entry)
{
    return atomic_load(&entry->done) ? entry->status : PMIX_ERR_TIMEOUT;
}

dragon_err_t batch_wait(const struct boot *boot, const struct batch *batch, uint64_t until_ms)
{
    return boot_wait(boot, batch->event_fd, POLLIN, until_ms);
}

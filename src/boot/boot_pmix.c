// SPDX-License-Identifier: BSD-3-Clause
//
// The pmix kind: a PMIx client. With pmix_batch.c the only file here that knows libpmix.
//
//     join      PMIx_Init, PMIx_Get of the job size
//     exchange  PMIx_Put, PMIx_Commit, PMIx_Fence_nb with data collected, PMIx_Get_nb of every rank
//     leave     PMIx_Finalize
//
// No call of libpmix can be trusted to come back: a server that is stopped or cut off answers
// nothing. The blocking ones run in a thread that is abandoned then (boot_run), the others answer
// into a struct batch, which lives until the last callback was made, whenever that is. Callbacks
// run on libpmix's own thread; they record and wake, nothing else.
//
// A fence may report success and have moved nothing (some servers are local stubs), so only the
// data of every rank counts. When the fence does not end, each rank is asked for its data: those
// that have none did not come.
#include "config.h"

#include <pmix.h> // first: it has inline functions with calls that base/banned.h bans

#include "boot/pmix_batch.h"

enum {
    LEAVE_MS = 3000,
    ARRIVE_MS = 10000, // for the data of all ranks, after the fence
    BLAME_MS = 2000,   // kept of the deadline for finding out who is missing; of less a quarter
    BLAME_RANKS = 256, // asked at most: the next ones after this rank, so that others ask others
    HOSTS_SHOWN = 4,
    HOST_BYTES = 65,
};

static const char blob_key[] = "dragon.boot.blob";

static const char advice[] = "try another launcher (Open MPI's mpiexec, srun --mpi=pmix), or give "
                             "--rank, --size and --address explicitly";

struct pmix {
    pmix_proc_t me;
    bool stuck; // a call did not come back: libpmix is left alone from then on
};

dragon_err_t boot_pmix_err(int status)
{
    switch (status) {
    case PMIX_SUCCESS:
    case PMIX_OPERATION_SUCCEEDED:
        return DRAGON_OK;
    case PMIX_ERR_TIMEOUT:
        return DRAGON_ERR_TIMEOUT;
    case PMIX_ERR_UNREACH:
    case PMIX_ERR_LOST_CONNECTION:
    case PMIX_ERR_COMM_FAILURE:
    case PMIX_ERR_PROC_REQUESTED_ABORT:
        return DRAGON_ERR_PEER;
    case PMIX_ERR_NOMEM:
    case PMIX_ERR_OUT_OF_RESOURCE:
        return DRAGON_ERR_NOMEM;
    case PMIX_ERR_NOT_FOUND:
    case PMIX_ERR_DATA_VALUE_NOT_FOUND:
    case PMIX_ERR_EXISTS_OUTSIDE_SCOPE:
        return DRAGON_ERR_NOT_FOUND;
    case PMIX_ERR_EXISTS:
    case PMIX_ERR_DUPLICATE_KEY:
        return DRAGON_ERR_EXISTS;
    case PMIX_ERR_NOT_SUPPORTED:
    case PMIX_ERR_PARAM_VALUE_NOT_SUPPORTED:
    case PMIX_ERR_NOT_IMPLEMENTED:
        return DRAGON_ERR_UNSUPPORTED;
    case PMIX_ERR_INVALID_CRED:
    case PMIX_ERR_NO_PERMISSIONS:
        return DRAGON_ERR_DENIED;
    case PMIX_ERR_BAD_PARAM:
        return DRAGON_ERR_INVAL;
    case PMIX_ERR_INIT:
    case PMIX_ERR_INVALID_OPERATION:
        return DRAGON_ERR_STATE;
    case PMIX_ERR_WOULD_BLOCK:
    case PMIX_ERR_RESOURCE_BUSY:
        return DRAGON_ERR_AGAIN;
    case PMIX_ERR_UNKNOWN_DATA_TYPE:
    case PMIX_ERR_TYPE_MISMATCH:
    case PMIX_ERR_UNPACK_INADEQUATE_SPACE:
    case PMIX_ERR_UNPACK_FAILURE:
    case PMIX_ERR_PACK_FAILURE:
    case PMIX_ERR_UNPACK_READ_PAST_END_OF_BUFFER:
    case PMIX_ERR_PARTIAL_SUCCESS:
    case PMIX_ERR_EMPTY:
        return DRAGON_ERR_PROTO;
    default:
        return DRAGON_ERR_SYS;
    }
}

static dragon_err_t pmix_error(int status, const char *what, dragon_error_t *error)
{
    return err_set(error, boot_pmix_err(status), "%s: the PMIx server says %s", what,
                   PMIx_Error_string(status));
}

// What a blocking call did not do in time; libpmix is not called again.
static dragon_err_t run_error(const struct boot *boot, struct pmix *own, dragon_err_t err,
                              const char *what, dragon_error_t *error)
{
    own->stuck = own->stuck || err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_CANCELED;
    return boot_wait_error(boot, err, what, error);
}

// --- calls whose answers come by callback

static struct batch *fence_start(const struct pmix *own)
{
    struct batch *batch = batch_create(1);
    if (!batch)
        return NULL;
    struct entry *entry = &batch->entries[0];
    bool collect = true;
    PMIX_INFO_LOAD(&batch->info, PMIX_COLLECT_DATA, &collect, PMIX_BOOL);
    entry->proc = own->me;
    entry->proc.rank = PMIX_RANK_WILDCARD;
    pmix_status_t status = PMIx_Fence_nb(&entry->proc, 1, &batch->info, 1, batch_on_done, entry);
    if (status != PMIX_SUCCESS) // then there is no callback
        batch_on_done(status, entry);
    return batch;
}

// Asks `count` ranks for `key`, from `first` on and around. The entries are in that order.
static struct batch *gets_start(const struct boot *boot, const char *key, uint32_t first,
                                uint32_t count, uint64_t limit_ms)
{
    const struct pmix *own = boot->own;
    struct batch *batch = batch_create(count);
    if (!batch)
        return NULL;
    int seconds = (int)((limit_ms + 999) / 1000);
    PMIX_INFO_LOAD(&batch->info, PMIX_TIMEOUT, &seconds, PMIX_INT);
    for (uint32_t i = 0; i < count; i++) {
        struct entry *entry = &batch->entries[i];
        entry->proc = own->me;
        entry->proc.rank = (uint32_t)(((uint64_t)first + i) % boot->size);
        pmix_status_t status =
            PMIx_Get_nb(&entry->proc, key, &batch->info, 1, batch_on_value, entry);
        if (status != PMIX_SUCCESS)
            entry_finish(entry, status == PMIX_OPERATION_SUCCEEDED ? PMIX_ERR_EMPTY : status);
    }
    return batch;
}

static uint64_t soon(const struct boot *boot, uint64_t limit_ms)
{
    uint64_t until = time_now_ms() + limit_ms;
    return until < boot->deadline_ms ? until : boot->deadline_ms;
}

// --- who is missing

// " (on node07, node08)" for the first ranks that are not here, as far as the server tells, or "".
static void missing_hosts(const struct boot *boot, const bool *here, char *text, size_t room)
{
    size_t length = 0;
    int shown = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < boot->size && shown < HOSTS_SHOWN; i++) {
        if (here[i])
            continue;
        shown++;
        struct batch *batch = gets_start(boot, PMIX_HOSTNAME, i, 1, 1000);
        if (!batch)
            return;
        const struct entry *entry = &batch->entries[0];
        char name[HOST_BYTES] = "";
        if (batch_wait(boot, batch, soon(boot, BLAME_MS / HOSTS_SHOWN)) == DRAGON_OK &&
            entry_status(entry) == PMIX_SUCCESS)
            snprintf(name, sizeof name, "%.*s", (int)entry->length, (const char *)entry->data);
        batch_unref(batch);
        if (!name[0] || strstr(text, name) || length >= room - HOST_BYTES)
            continue;
        length +=
            (size_t)snprintf(text + length, room - length, "%s%s", length ? ", " : " (on ", name);
    }
    if (length > 0)
        snprintf(text + length, room - length, ")");
}

// Marks those that have not put their data; false: nothing was learned.
static bool find_missing(const struct boot *boot, uint64_t limit_ms, bool *here)
{
    uint32_t asked = boot->size - 1 < BLAME_RANKS ? boot->size - 1 : BLAME_RANKS;
    uint32_t missing = 0;
    for (uint32_t i = 0; i < boot->size; i++)
        here[i] = true;
    struct batch *batch = gets_start(boot, blob_key, boot->rank + 1, asked, limit_ms);
    if (!batch)
        return false;
    batch_wait(boot, batch, soon(boot, limit_ms));
    for (uint32_t i = 0; i < asked; i++) {
        const struct entry *entry = &batch->entries[i];
        dragon_err_t err = boot_pmix_err(entry_status(entry));
        if (err == DRAGON_OK || err == DRAGON_ERR_UNSUPPORTED)
            continue;
        here[entry->proc.rank] = false;
        missing++;
    }
    batch_unref(batch);
    return missing > 0;
}

// The first of those that came speaks for all.
static enum boot_teller teller_of(const struct boot *boot, const bool *here)
{
    for (uint32_t i = 0; i < boot->rank; i++)
        if (here[i])
            return BOOT_TELLER_OTHER;
    return BOOT_TELLER_SELF;
}

static dragon_err_t missing_error(struct boot *boot, uint64_t limit_ms, dragon_error_t *error)
{
    char ranks[BOOT_TEXT_BYTES], waited[BOOT_TEXT_BYTES], hosts[BOOT_TEXT_BYTES];
    const char *hint = "is every process of this launch a dragon-run, and does each still run?";
    bool *here = calloc(boot->size, sizeof *here);
    // A quarter of what is left is for the names of hosts.
    if (here && find_missing(boot, limit_ms * 3 / 4, here)) {
        missing_hosts(boot, here, hosts, sizeof hosts);
        boot->teller = teller_of(boot, here);
        err_set(error, DRAGON_ERR_TIMEOUT, "%s%s did not come within %s; %s",
                boot_missing(here, boot->size, ranks), hosts, boot_waited(boot, waited), hint);
    } else {
        err_set(error, DRAGON_ERR_TIMEOUT, "not all of the %u ranks came within %s; %s", boot->size,
                boot_waited(boot, waited), hint);
    }
    free(here);
    return DRAGON_ERR_TIMEOUT;
}

// --- exchange

struct put_call {
    struct pack wrapped;
    pmix_status_t status;
};

static void put_run(void *arg)
{
    struct put_call *call = arg;
    pmix_value_t value = {.type = PMIX_BYTE_OBJECT};
    value.data.bo.bytes = (char *)call->wrapped.data;
    value.data.bo.size = call->wrapped.length;
    call->status = PMIx_Put(PMIX_GLOBAL, blob_key, &value);
    if (call->status == PMIX_SUCCESS)
        call->status = PMIx_Commit();
}

static void put_free(void *arg)
{
    struct put_call *call = arg;
    pack_fini(&call->wrapped);
    free(call);
}

static dragon_err_t put(struct boot *boot, const struct boot_blob *blob, dragon_error_t *error)
{
    const char *what = "handing this rank's address to the PMIx server";
    struct put_call *call = calloc(1, sizeof *call);
    if (!call || !boot_wrap(blob, boot->rank, &call->wrapped)) {
        if (call)
            put_free(call);
        return err_set(error, DRAGON_ERR_NOMEM, "no memory for this rank's address");
    }
    dragon_err_t err = boot_run(boot, put_run, put_free, call, boot->deadline_ms);
    if (err) {
        if (err == DRAGON_ERR_NOMEM || err == DRAGON_ERR_SYS)
            put_free(call);
        return run_error(boot, boot->own, err, what, error);
    }
    if (call->status != PMIX_SUCCESS)
        err = pmix_error(call->status, what, error);
    put_free(call);
    return err;
}

static uint64_t blame_ms(const struct boot *boot)
{
    uint64_t left = (uint64_t)time_left_ms(boot->deadline_ms);
    return left / 4 < BLAME_MS ? left / 4 : BLAME_MS;
}

static dragon_err_t fence(struct boot *boot, dragon_error_t *error)
{
    const char *what = "exchanging addresses";
    uint64_t reserve_ms = blame_ms(boot);
    struct batch *batch = fence_start(boot->own);
    if (!batch)
        return err_set(error, DRAGON_ERR_NOMEM, "%s: out of memory", what);
    dragon_err_t err = batch_wait(boot, batch, boot->deadline_ms - reserve_ms);
    if (err == DRAGON_ERR_TIMEOUT)
        missing_error(boot, reserve_ms, error);
    else if (err)
        boot_wait_error(boot, err, what, error);
    else if (entry_status(&batch->entries[0]) != PMIX_SUCCESS)
        err = pmix_error(entry_status(&batch->entries[0]), what, error);
    batch_unref(batch);
    return err;
}

// The fence said that all is there, but the data of this rank is not.
static dragon_err_t arrival_error(const struct boot *boot, const struct entry *entry,
                                  dragon_error_t *error)
{
    char hosts[BOOT_TEXT_BYTES];
    bool *here = malloc(boot->size * sizeof *here);
    if (here) {
        memset(here, true, boot->size * sizeof *here);
        here[entry->proc.rank] = false;
        missing_hosts(boot, here, hosts, sizeof hosts);
    } else {
        hosts[0] = '\0';
    }
    free(here);
    return err_set(error, DRAGON_ERR_PROTO,
                   "the launcher reported that addresses were exchanged, but that of rank %u%s did "
                   "not come to rank %u (the PMIx server says %s); %s",
                   entry->proc.rank, hosts, boot->rank, PMIx_Error_string(entry_status(entry)),
                   advice);
}

static dragon_err_t take_blobs(const struct boot *boot, struct batch *batch,
                               struct boot_blob *table, dragon_error_t *error)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct entry *entry = &batch->entries[i];
        if (entry_status(entry) != PMIX_SUCCESS)
            return arrival_error(boot, entry, error);
        dragon_err_t err =
            boot_unwrap(entry->data, entry->length, entry->proc.rank, &table[entry->proc.rank]);
        if (err)
            return err_set(error, err, "the address of rank %u is not understood: %s",
                           entry->proc.rank, dragon_err_text(err));
    }
    return DRAGON_OK;
}

static dragon_err_t pmix_exchange(struct boot *boot, struct boot_blob *table, dragon_error_t *error)
{
    dragon_err_t err = put(boot, &table[boot->rank], error);
    if (!err)
        err = fence(boot, error);
    if (err || boot->size == 1)
        return err;
    struct batch *batch = gets_start(boot, blob_key, boot->rank + 1, boot->size - 1, ARRIVE_MS);
    if (!batch)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory for the addresses of %u ranks",
                       boot->size);
    uint64_t until = boot->deadline_ms - blame_ms(boot); // naming a host takes a moment
    if (until > time_now_ms() + ARRIVE_MS)
        until = time_now_ms() + ARRIVE_MS;
    err = batch_wait(boot, batch, until);
    if (err && err != DRAGON_ERR_TIMEOUT) // then it is told whose did not come
        boot_wait_error(boot, err, "exchanging addresses", error);
    else
        err = take_blobs(boot, batch, table, error);
    batch_unref(batch);
    return err;
}

// --- join and leave

struct init_call {
    pmix_status_t status;
    pmix_proc_t me;
    pmix_status_t size_status;
    uint64_t size;
};

// Launchers differ in the type of the same key.
static pmix_status_t number_of(const pmix_value_t *value, uint64_t *out)
{
    long long number;
    switch (value->type) {
    case PMIX_UINT8:
        number = value->data.uint8;
        break;
    case PMIX_UINT16:
        number = value->data.uint16;
        break;
    case PMIX_UINT32:
        number = value->data.uint32;
        break;
    case PMIX_PROC_RANK:
        number = value->data.rank;
        break;
    case PMIX_UINT:
        number = value->data.uint;
        break;
    case PMIX_INT:
        number = value->data.integer;
        break;
    case PMIX_INT32:
        number = value->data.int32;
        break;
    case PMIX_INT64:
        number = value->data.int64;
        break;
    case PMIX_UINT64:
        number = (long long)value->data.uint64;
        break;
    case PMIX_SIZE:
        number = (long long)value->data.size;
        break;
    default:
        return PMIX_ERR_TYPE_MISMATCH;
    }
    if (number < 0)
        return PMIX_ERR_BAD_PARAM;
    *out = (uint64_t)number;
    return PMIX_SUCCESS;
}

static void init_run(void *arg)
{
    struct init_call *call = arg;
    call->status = PMIx_Init(&call->me, NULL, 0);
    if (call->status != PMIX_SUCCESS)
        return;
    pmix_proc_t all = call->me;
    pmix_value_t *value = NULL;
    all.rank = PMIX_RANK_WILDCARD;
    call->size_status = PMIx_Get(&all, PMIX_JOB_SIZE, NULL, 0, &value);
    if (call->size_status == PMIX_SUCCESS)
        call->size_status = number_of(value, &call->size);
    if (value)
        PMIX_VALUE_RELEASE(value);
}

// It came back after all: the launcher should not take this process for one that ran away.
static void init_drop(void *arg)
{
    struct init_call *call = arg;
    if (call->status == PMIX_SUCCESS)
        PMIx_Finalize(NULL, 0);
    free(call);
}

static void leave_run(void *arg)
{
    (void)arg;
    PMIx_Finalize(NULL, 0);
}

static void leave_drop(void *arg)
{
    (void)arg;
}

static void pmix_leave(struct boot *boot)
{
    struct pmix *own = boot->own;
    boot->cancel_fd = -1; // leaving is short, and what cancelled us is still there
    if (!own->stuck)
        boot_run(boot, leave_run, leave_drop, NULL, time_now_ms() + LEAVE_MS);
    free(own);
}

static const struct boot_ops pmix_ops = {pmix_exchange, pmix_leave};

static dragon_err_t init_error(const struct init_call *call, dragon_error_t *error)
{
    dragon_err_t err = boot_pmix_err(call->status);
    if (err == DRAGON_ERR_PEER || err == DRAGON_ERR_NOT_FOUND) // not found: half of the variables
        return err_set(error, DRAGON_ERR_PEER,
                       "PMIX_NAMESPACE is set (%s), but no PMIx server answers: the launcher that "
                       "set it has ended, or runs on another host; unset it to start on this host "
                       "alone, or %s",
                       getenv("PMIX_NAMESPACE"), advice);
    return pmix_error(call->status, "joining the run", error);
}

static dragon_err_t check_size(const struct init_call *call, dragon_error_t *error)
{
    if (call->size_status != PMIX_SUCCESS)
        return err_set(error, DRAGON_ERR_PROTO,
                       "the PMIx server does not tell how many ranks there are (it says %s); %s",
                       PMIx_Error_string(call->size_status), advice);
    if (call->size < 1 || call->size > BOOT_SIZE_LIMIT || call->me.rank >= call->size)
        return err_set(error, DRAGON_ERR_PROTO, "the PMIx server says rank %u of %llu",
                       call->me.rank, (unsigned long long)call->size);
    return DRAGON_OK;
}

static dragon_err_t join(struct boot *boot, struct pmix *own, dragon_error_t *error)
{
    struct init_call *call = calloc(1, sizeof *call);
    if (!call)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory to join the run");
    call->status = PMIX_ERR_INIT;
    dragon_err_t err = boot_run(boot, init_run, init_drop, call, boot->deadline_ms);
    if (err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_CANCELED) // call is the thread's now
        return run_error(boot, own, err, "connecting to the PMIx server of this host", error);
    if (err) {
        boot_wait_error(boot, err, "joining the run", error);
    } else if (call->status != PMIX_SUCCESS) {
        err = init_error(call, error);
    } else {
        err = check_size(call, error);
        own->me = call->me;
        boot->rank = call->me.rank;
        boot->size = (uint32_t)call->size;
        boot->own = own;
        if (err)
            boot_run(boot, leave_run, leave_drop, NULL, time_now_ms() + LEAVE_MS);
    }
    free(call);
    return err;
}

dragon_err_t boot_pmix_join(struct boot *boot, dragon_error_t *error)
{
    struct pmix *own = calloc(1, sizeof *own);
    if (!own)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory to join the run");
    dragon_err_t err = join(boot, own, error);
    if (err) {
        free(own);
        return err;
    }
    boot->ops = &pmix_ops;
    return DRAGON_OK;
}

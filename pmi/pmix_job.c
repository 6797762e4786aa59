// SPDX-License-Identifier: BSD-3-Clause
//
// A job's life in dragon-pmix: register the nspace, register each local rank, ask for the
// environments, tell the agent; at the end forget all of it. Each step is a call of the library
// that comes back as a post; the job is looked up by its id then, as it may have ended.
#include "config.h"

#include "pmi/pmix_job.h"

#include "pmi/pmix_calls.h"
#include "pmi/pmix_jobinfo.h"
#include "pmi/pmix_upcalls.h"

#include <uthash.h>

// Fences of the same members, counted.
struct series {
    UT_hash_handle hh;
    uint32_t next;
    uint32_t ranks[];
};

struct helper_job {
    uint64_t id;
    pmix_nspace_t nspace;
    uint32_t size;
    uint32_t uid, gid;
    uint32_t *ranks; // owned; of this node, ascending
    uint32_t count;
    uint32_t registering;  // clients whose registration has not come back
    bool failed;           // JOB_READY with an error was sent
    uint32_t next_fence;   // of all ranks
    struct series *series; // owned; of fewer ranks
    UT_hash_handle hh;
};

static void job_destroy(struct helper_job *job)
{
    struct series *series, *next;
    HASH_ITER (hh, job->series, series, next) {
        HASH_DEL(job->series, series);
        free(series);
    }
    free(job->ranks);
    free(job);
}

struct helper_job *helper_job_find(struct helper *helper, uint64_t id)
{
    struct helper_job *job;
    HASH_FIND(hh, helper->jobs, &id, sizeof id, job);
    return job;
}

// Few jobs live at once: a list is searched.
struct helper_job *helper_job_of_nspace(struct helper *helper, const char *nspace)
{
    for (struct helper_job *job = helper->jobs; job; job = job->hh.next)
        if (PMIX_CHECK_NSPACE(job->nspace, nspace))
            return job;
    return NULL;
}

uint64_t helper_job_id(const struct helper_job *job)
{
    return job->id;
}

const char *helper_job_nspace(const struct helper_job *job)
{
    return job->nspace;
}

bool helper_job_has_here(const struct helper_job *job, uint32_t rank)
{
    for (uint32_t i = 0; i < job->count; i++)
        if (job->ranks[i] == rank)
            return true;
    return false;
}

static void send_ready(struct helper *helper, const struct pmi_ready_message *ready)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_ready(&body, ready);
    helper_send(helper, PMI_MESSAGE_JOB_READY, &body);
}

static void send_failed(struct helper *helper, uint64_t job, const char *what, pmix_status_t status)
{
    char text[256];
    snprintf(text, sizeof text, "PMIx: %s: %s", what, PMIx_Error_string(status));
    send_ready(helper, &(struct pmi_ready_message){.job = job, .error = text});
}

static void job_fail(struct helper *helper, struct helper_job *job, const char *what,
                     pmix_status_t status)
{
    if (!job->failed)
        send_failed(helper, job->id, what, status);
    job->failed = true; // the agent ends it
}

static pmix_proc_t job_proc(const struct helper_job *job, uint32_t rank)
{
    pmix_proc_t proc;
    PMIX_LOAD_PROCID(&proc, job->nspace, rank);
    return proc;
}

static void job_send_envs(struct helper *helper, struct helper_job *job)
{
    struct pmi_ready_message ready = {.job = job->id, .error = ""};
    ready.envs = calloc(job->count + 1u, sizeof *ready.envs);
    pmix_status_t status = ready.envs ? PMIX_SUCCESS : PMIX_ERR_NOMEM;
    for (; status == PMIX_SUCCESS && ready.count < job->count; ready.count++) {
        pmix_proc_t proc = job_proc(job, job->ranks[ready.count]);
        status = PMIx_server_setup_fork(&proc, &ready.envs[ready.count]);
    }
    if (status == PMIX_SUCCESS)
        send_ready(helper, &ready);
    else
        job_fail(helper, job, "setup_fork", status);
    pmi_ready_message_fini(&ready);
}

static struct helper_step *step_new(struct helper *helper, uint64_t job,
                                    void (*fn)(struct helper_step *step))
{
    struct helper_step *step = calloc(1, sizeof *step);
    if (step)
        *step = (struct helper_step){.helper = helper, .job = job, .fn = fn};
    return step;
}

static void on_client_registered(struct helper_step *step)
{
    struct helper *helper = step->helper;
    struct helper_job *job = helper_job_find(helper, step->job);
    if (job && step->status != PMIX_SUCCESS && step->status != PMIX_OPERATION_SUCCEEDED)
        job_fail(helper, job, "register_client", step->status);
    if (job && --job->registering == 0 && !job->failed)
        job_send_envs(helper, job);
    free(step);
}

static void job_register_client(struct helper *helper, struct helper_job *job, uint32_t rank)
{
    pmix_proc_t proc = job_proc(job, rank);
    struct helper_step *step = step_new(helper, job->id, on_client_registered);
    pmix_status_t status = PMIX_ERR_NOMEM;
    if (step)
        status =
            PMIx_server_register_client(&proc, job->uid, job->gid, NULL, helper_step_done, step);
    if (status == PMIX_SUCCESS)
        return;
    // It will not come back by itself. The last one to be counted must be the loop's turn.
    if (step)
        helper_step_done(status, step);
    else
        job_fail(helper, job, "register_client", status);
}

static void on_nspace_registered(struct helper_step *step)
{
    struct helper *helper = step->helper;
    struct helper_job *job = helper_job_find(helper, step->job);
    helper_jobinfo_fini(&step->info);
    if (job && step->status != PMIX_SUCCESS && step->status != PMIX_OPERATION_SUCCEEDED)
        job_fail(helper, job, "register_nspace", step->status);
    else if (job) {
        job->registering = job->count;
        for (uint32_t i = 0; i < job->count; i++)
            job_register_client(helper, job, job->ranks[i]);
    }
    free(step);
}

static struct helper_job *job_create(const struct pmi_job_message *message)
{
    struct helper_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->id = message->job;
    PMIX_LOAD_NSPACE(job->nspace, message->nspace);
    job->size = message->map.size;
    job->uid = message->uid;
    job->gid = message->gid;
    job->count = pmi_map_local_size(&message->map, message->map.here);
    job->ranks = pmi_map_ranks_of_node(&message->map, message->map.here);
    if (!job->ranks) {
        job_destroy(job);
        return NULL;
    }
    return job;
}

void helper_job_start(struct helper *helper, struct pmi_job_message *message)
{
    if (helper_job_find(helper, message->job) || helper_job_of_nspace(helper, message->nspace)) {
        send_failed(helper, message->job, "the job is there already", PMIX_ERR_EXISTS);
        return;
    }
    struct helper_job *job = job_create(message);
    struct helper_step *step = step_new(helper, message->job, on_nspace_registered);
    if (!job || !step || !helper_jobinfo(message, helper->topology, &step->info)) {
        send_failed(helper, message->job, "job information", PMIX_ERR_NOMEM);
        free(step);
        if (job)
            job_destroy(job);
        return;
    }
    HASH_ADD(hh, helper->jobs, id, sizeof job->id, job);
    pmix_status_t status = PMIx_server_register_nspace(
        job->nspace, (int)job->count, step->info.array, step->info.size, helper_step_done, step);
    if (status != PMIX_SUCCESS)
        helper_step_done(status, step);
}

static void ignore_done(pmix_status_t status, void *cbdata)
{
    (void)status;
    (void)cbdata;
}

void helper_job_end(struct helper *helper, struct helper_job *job)
{
    helper_calls_cancel(helper, job->id);
    // With a callback, even an idle one, as the library blocks without.
    for (uint32_t i = 0; i < job->count; i++) {
        pmix_proc_t proc = job_proc(job, job->ranks[i]);
        PMIx_server_deregister_client(&proc, ignore_done, NULL);
    }
    PMIx_server_deregister_nspace(job->nspace, ignore_done, NULL);
    HASH_DEL(helper->jobs, job);
    job_destroy(job);
}

static int compare_ranks(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

// The ranks sorted, each once. False: one is not of this job.
static bool collect_ranks(const struct helper_job *job, const struct helper_fence *fence,
                          struct pmi_fence_message *message)
{
    for (size_t i = 0; i < fence->count; i++) {
        if (!PMIX_CHECK_NSPACE(fence->procs[i].nspace, job->nspace))
            return false;
        message->all = message->all || fence->procs[i].rank == PMIX_RANK_WILDCARD;
        message->ranks[i] = fence->procs[i].rank;
    }
    qsort(message->ranks, fence->count, sizeof *message->ranks, compare_ranks);
    for (size_t i = 0; i < fence->count; i++)
        if (message->count == 0 || message->ranks[message->count - 1] != message->ranks[i])
            message->ranks[message->count++] = message->ranks[i];
    if (message->all || message->count == 0)
        return message->all;
    message->all = message->count == job->size;
    return message->ranks[message->count - 1] < job->size;
}

static struct series *job_series(struct helper_job *job, const struct pmi_fence_message *message)
{
    struct series *series;
    size_t bytes = message->count * sizeof *message->ranks;
    HASH_FIND(hh, job->series, message->ranks, bytes, series);
    if (series)
        return series;
    series = calloc(1, sizeof *series + bytes);
    if (!series)
        return NULL;
    memcpy(series->ranks, message->ranks, bytes);
    HASH_ADD_KEYPTR(hh, job->series, series->ranks, bytes, series);
    return series;
}

bool helper_job_fence(struct helper_job *job, const struct helper_fence *fence,
                      struct pmi_fence_message *message)
{
    message->job = job->id;
    message->collect = fence->collect;
    message->data = fence->data;
    message->length = fence->length;
    message->ranks = calloc(fence->count + 1, sizeof *message->ranks);
    if (!message->ranks || !collect_ranks(job, fence, message))
        return false;
    if (message->all) {
        message->count = 0;
        message->sequence = job->next_fence++;
        return true;
    }
    struct series *series = job_series(job, message);
    if (series)
        message->sequence = series->next++;
    return series != NULL;
}

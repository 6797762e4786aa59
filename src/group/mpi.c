// SPDX-License-Identifier: BSD-3-Clause
//
// The MPI side of a node: see mpi.h. This file takes the events of the PMIx helper and gives them to
// whom they concern.
#include "config.h"

#include "group/mpi_internal.h"

struct mpi_job *mpi_find_job(struct mpi *mpi, uint64_t group)
{
    struct mpi_job *job;
    HASH_FIND(hh, mpi->jobs, &group, sizeof group, job);
    return job;
}

// ---- events

static void on_job_ready(void *arg, uint64_t group, const char *error, char *const *const *envs,
                         uint32_t count)
{
    struct mpi *mpi = arg;
    struct mpi_job *job = mpi_find_job(mpi, group);
    if (!job || job->ready)
        return;
    loop_timer_stop(job->answer);
    job->ready = true;
    job->envs = calloc(job->local_count, sizeof *job->envs);
    bool good = job->envs && count == job->local_count;
    for (uint32_t i = 0; !*error && good && i < count; i++)
        good = (job->envs[i] = strv_copy(envs[i])) != NULL;
    if (!*error && !good)
        error = "out of memory";
    job->handler->on_ready(job->arg, error);
}

static void on_connected(void *arg, uint64_t group, uint32_t rank)
{
    struct mpi_job *job = mpi_find_job(arg, group);
    if (job)
        mpi_job_connected(job, rank, FAMILY_PMIX);
}

static void on_finalized(void *arg, uint64_t group, uint32_t rank)
{
    struct mpi_job *job = mpi_find_job(arg, group);
    struct local_rank *local = job ? mpi_job_find_rank(job, rank) : NULL;
    if (local)
        local->finalized = true;
}

static void on_abort(void *arg, uint64_t group, uint32_t rank, int32_t code, const char *text)
{
    struct mpi_job *job = mpi_find_job(arg, group);
    if (job)
        job->handler->on_abort(job->arg, rank, code, text);
}

static void on_settled(void *arg, uint64_t group, uint32_t rank)
{
    struct mpi_job *job = mpi_find_job(arg, group);
    if (job)
        mpi_job_settled(job, rank);
}

static void on_lost_rank(void *arg, uint64_t group, uint32_t rank)
{
    (void)arg; // its exit status will tell more
    log_debug("group %llu rank %u lost its pmix connection", (unsigned long long)group, rank);
}

static void on_fence(void *arg, const struct pmi_fence_message *message)
{
    mpi_fence(arg, message);
}

static void on_modex(void *arg, uint64_t id, uint64_t group, uint32_t rank)
{
    mpi_modex_ask(arg, id, group, rank);
}

static void on_modex_got(void *arg, uint64_t id, dragon_err_t err, const void *data, size_t length)
{
    mpi_modex_got(arg, id, err, data, length);
}

// The helper may have been dying when the job came to it, which is no fault of the job's.
static bool register_again(struct mpi_job *job)
{
    dragon_error_t error;
    struct mpi *mpi = job->mpi;
    if (job->ready || job->again || (!mpi->service && !mpi_start_helper(mpi, &error)))
        return false;
    job->again = true;
    mpi_job_register(job);
    return true;
}

static void on_gone(void *arg, const char *reason)
{
    struct mpi *mpi = arg;
    bool silent = mpi->silent;
    char text[200];
    snprintf(text, sizeof text, "the PMI service (dragon-pmix) on %s is gone: %s",
             tree_node(mpi->options.tree, tree_here(mpi->options.tree))->name,
             silent ? "it did not answer any more and was killed" : reason);
    mpi->silent = false;
    pmix_service_destroy(mpi->service);
    mpi->service = NULL;
    mpi_modex_lost(mpi);
    struct mpi_job *job, *next;
    HASH_ITER (hh, mpi->jobs, job, next) {
        if (!job->registered)
            continue;
        job->registered = false;
        loop_timer_stop(job->answer);
        if (!silent && register_again(job))
            continue;
        if (job->ready)
            job->handler->on_broken(job->arg, text);
        else
            job->handler->on_ready(job->arg, text);
        // Whoever waits for a rank to settle waits no longer.
        for (uint32_t i = 0; i < job->local_count && job->ready; i++)
            job->handler->on_settled(job->arg, job->ranks[i]);
    }
}

const struct pmix_service_handler mpi_service_handler = {
    .on_job_ready = on_job_ready,
    .on_connected = on_connected,
    .on_finalized = on_finalized,
    .on_abort = on_abort,
    .on_fence = on_fence,
    .on_modex = on_modex,
    .on_modex_got = on_modex_got,
    .on_settled = on_settled,
    .on_lost_rank = on_lost_rank,
    .on_gone = on_gone,
};

// ---- life

struct mpi *mpi_create(const struct groups_options *options, struct exchanges *exchanges)
{
    struct mpi *mpi = calloc(1, sizeof *mpi);
    if (!mpi)
        return NULL;
    mpi->options = *options;
    mpi->exchanges = exchanges;
    mpi->next_ask = 1;
    return mpi;
}

void mpi_destroy(struct mpi *mpi)
{
    if (!mpi)
        return;
    pmix_service_destroy(mpi->service);
    mpi_modex_lost(mpi);
    free(mpi);
}

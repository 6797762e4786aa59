// SPDX-License-Identifier: BSD-3-Clause
//
// One MPI job on this node: its directories, its PMI-1 server, what its ranks are given, and what is known of
// them.
//
// The helper is replaced when it is idle and has served enough jobs, because libpmix keeps some memory of
// each; and when ranks were killed or left without MPI_Finalize, because it has been seen to lock itself up
// over a client that died while it was talking to it, of which the next job would only learn by waiting.
#include "config.h"

#include "group/mpi_internal.h"
#include "pmi/env.h"
#include "proc/sweep.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOBS_A_HELPER = 64, READY_MS = 30000, SETTLE_MS = 10000 };

struct local_rank *mpi_job_find_rank(const struct mpi_job *job, uint32_t rank)
{
    uint32_t low = 0, high = job->local_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (job->ranks[middle] < rank)
            low = middle + 1;
        else
            high = middle;
    }
    return low < job->local_count && job->ranks[low] == rank ? &job->local[low] : NULL;
}

void mpi_job_connected(struct mpi_job *job, uint32_t rank, enum pmi_family family)
{
    struct local_rank *local = mpi_job_find_rank(job, rank);
    if (!local || local->connected)
        return;
    local->connected = true;
    if (job->seen[family])
        return;
    job->seen[family] = true;
    job->handler->on_family(job->arg, rank, family);
}

// ---- the PMI-1 server

static void on_pmi1_connected(void *arg, uint32_t rank)
{
    mpi_job_connected(arg, rank, FAMILY_PMI1);
}

static void on_pmi1_finalized(void *arg, uint32_t rank)
{
    struct local_rank *local = mpi_job_find_rank(arg, rank);
    if (local)
        local->finalized = true;
}

static void on_pmi1_barrier(void *arg, const void *data, size_t length)
{
    mpi_barrier(arg, data, length);
}

static void on_pmi1_abort(void *arg, uint32_t rank, int32_t code, const char *text)
{
    struct mpi_job *job = arg;
    job->handler->on_abort(job->arg, rank, code, text);
}

static void on_pmi1_lost(void *arg, uint32_t rank, bool finalized)
{
    (void)arg; // its exit status will tell more
    log_debug("rank %u closed its pmi1 connection, finalized %d", rank, finalized);
}

const struct pmi1_handler mpi_pmi1_handler = {
    .on_connected = on_pmi1_connected,
    .on_finalized = on_pmi1_finalized,
    .on_barrier = on_pmi1_barrier,
    .on_abort = on_pmi1_abort,
    .on_lost = on_pmi1_lost,
};

// ---- life

static char *make_job_dir(const char *base, uint64_t group)
{
    char *path = NULL;
    if (asprintf(&path, "%s/group-%llu", base, (unsigned long long)group) < 0)
        return NULL;
    if (sweep_make_private(path))
        return path;
    free(path);
    return NULL;
}

void mpi_job_register(struct mpi_job *job)
{
    struct mpi *mpi = job->mpi;
    char nspace[PMI_NSPACE_MAX + 1];
    snprintf(nspace, sizeof nspace, "%s-%llu", mpi->options.nspace_stem,
             (unsigned long long)job->group);
    struct pmi_job_message message = {
        .job = job->group,
        .nspace = nspace,
        .map = job->map,
        .dir = job->dir,
        .uid = getuid(),
        .gid = getgid(),
        .apps = job->apps,
        .oversubscribed = job->oversubscribed,
        .cpuset = mpi->options.cpuset,
        .bound = job->bound,
    };
    job->registered = true;
    loop_timer_start(job->answer, READY_MS);
    mpi->jobs_served++;
    pmix_service_job(mpi->service, &message);
}

// libpmix has been seen to lock itself up. A helper that owes an answer for so long has: it is replaced.
static void on_no_answer(void *arg)
{
    struct mpi_job *job = arg;
    mpi_kill_helper(job->mpi);
}

static bool job_fill(struct mpi_job *job, const struct mpi_job_options *options)
{
    struct mpi *mpi = job->mpi;
    char kvsname[64];
    snprintf(kvsname, sizeof kvsname, "group-%llu", (unsigned long long)job->group);
    if (!pmi_map_copy(options->map, &job->map))
        return false;
    job->local_count = pmi_map_local_size(&job->map, job->map.here);
    job->ranks = pmi_map_ranks_of_node(&job->map, job->map.here);
    job->local = calloc(job->local_count, sizeof *job->local);
    job->nodes = calloc(job->map.nodes, sizeof *job->nodes);
    job->bound = strv_copy(options->bound);
    job->oversubscribed = options->oversubscribed;
    if (!job->ranks || !job->local || !job->nodes || !job->bound)
        return false;
    memcpy(job->nodes, options->nodes, job->map.nodes * sizeof *job->nodes);
    job->apps = options->apps;
    job->answer = loop_timer_create(mpi->options.loop, on_no_answer, job);
    if (!job->answer)
        return false;
    job->pmi1 = pmi1_job_create(mpi->options.loop, &job->map, kvsname, &mpi_pmi1_handler, job);
    return job->pmi1 != NULL;
}

struct mpi_job *mpi_job_create(struct mpi *mpi, const struct mpi_job_options *options,
                               const struct mpi_job_handler *handler, void *arg,
                               dragon_error_t *error)
{
    struct mpi_job *job = calloc(1, sizeof *job);
    if (!job) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return NULL;
    }
    *job = (struct mpi_job){.mpi = mpi, .group = options->group, .handler = handler, .arg = arg};
    HASH_ADD(hh, mpi->jobs, group, sizeof job->group, job);
    if (!job_fill(job, options)) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        goto error;
    }
    job->dir = make_job_dir(mpi->options.run_dir, job->group);
    job->shm_dir = make_job_dir(mpi->options.shm_dir, job->group);
    if (!job->dir || !job->shm_dir) {
        err_set_errno(error, errno, "cannot make a directory for the group below %s or %s",
                      mpi->options.run_dir, mpi->options.shm_dir);
        goto error;
    }
    if (!mpi->service && !mpi_start_helper(mpi, error))
        goto error;
    mpi_job_register(job);
    return job;
error:
    mpi_job_destroy(job);
    return NULL;
}

void mpi_job_destroy(struct mpi_job *job)
{
    if (!job)
        return;
    struct mpi *mpi = job->mpi;
    if (job->registered && mpi->service)
        pmix_service_job_end(mpi->service, job->group);
    for (uint32_t i = 0; job->ready && i < job->local_count; i++)
        mpi->doubtful = mpi->doubtful || !job->local[i].finalized;
    HASH_DEL(mpi->jobs, job);
    pmi1_job_destroy(job->pmi1);
    loop_timer_destroy(job->answer);
    sweep_remove_directory(job->dir);
    sweep_remove_directory(job->shm_dir);
    for (uint32_t i = 0; job->envs && i < job->local_count; i++)
        strv_free(job->envs[i]);
    free(job->envs);
    strv_free(job->bound);
    pmi_map_fini(&job->map);
    free(job->nodes);
    free(job->ranks);
    free(job->local);
    free(job->dir);
    free(job->shm_dir);
    free(job);
    if (!mpi->jobs && mpi->service && (mpi->jobs_served >= JOBS_A_HELPER || mpi->doubtful)) {
        pmix_service_destroy(mpi->service);
        mpi->service = NULL;
    }
}

bool mpi_job_prepare_rank(struct mpi_job *job, uint32_t rank, char ***env, int *fd_out)
{
    struct local_rank *local = mpi_job_find_rank(job, rank);
    int pair[2];
    if (!local || !job->envs || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    struct pmi_env_rank needs = {
        .rank = rank, .shm_dir = job->shm_dir, .yield = job->oversubscribed, .pmi_fd = 3};
    bool good = pmi_env_set(env, &job->map, &needs);
    char **entry = job->envs[local - job->local];
    for (; good && *entry; entry++) {
        char *equals = strchr(*entry, '=');
        if (!equals)
            continue;
        *equals = 0;
        good = env_set(env, *entry, equals + 1);
        *equals = '=';
    }
    if (!pmi1_job_attach(job->pmi1, rank, pair[0]))
        good = false;
    if (!good) {
        close(pair[1]);
        return false;
    }
    *fd_out = pair[1];
    return true;
}

void mpi_job_rank_exited(struct mpi_job *job, uint32_t rank)
{
    pmi1_job_drain(job->pmi1, rank);
    if (!job->mpi->service || !job->registered) {
        job->handler->on_settled(job->arg, rank);
        return;
    }
    if (job->unsettled++ == 0)
        loop_timer_start(job->answer, SETTLE_MS);
    pmix_service_settle(job->mpi->service, job->group, rank);
}

void mpi_job_settled(struct mpi_job *job, uint32_t rank)
{
    if (job->unsettled > 0 && --job->unsettled == 0)
        loop_timer_stop(job->answer);
    job->handler->on_settled(job->arg, rank);
}

bool mpi_job_rank_connected(const struct mpi_job *job, uint32_t rank)
{
    const struct local_rank *local = mpi_job_find_rank(job, rank);
    return local && local->connected;
}

bool mpi_job_rank_finalized(const struct mpi_job *job, uint32_t rank)
{
    const struct local_rank *local = mpi_job_find_rank(job, rank);
    return local && local->finalized;
}

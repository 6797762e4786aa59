// SPDX-License-Identifier: BSD-3-Clause
//
// MPI jobs on one node: see mpi.h. A fence or a PMI-1 barrier comes from the local server when all
// local members are in, is exchanged with the nodes of the other members, and goes back to the server.
// A direct modex goes to the rank's node, is answered by the server there, and comes back.
//
// The helper is replaced when it is idle and has served enough jobs, because libpmix keeps some
// memory of each.
#include "config.h"

#include "group/mpi.h"

#include "group/proto.h"
#include "pmi/env.h"
#include "pmi/pmi1.h"
#include "pmi/service.h"
#include "proc/spawn.h"
#include "proc/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

enum { JOBS_A_HELPER = 64 };

struct local_rank {
    bool connected, finalized;
};

struct mpi_job {
    struct mpi *mpi; // borrowed
    uint64_t group;
    struct pmi_map map;       // owned
    uint32_t *nodes;          // owned: runtime numbers of the map's nodes
    uint32_t *ranks;          // owned: the local ranks, ascending
    struct local_rank *local; // owned, as many
    uint32_t local_count;
    char ***envs; // owned: what the PMIx server adds, one list a local rank
    struct pmi1_job *pmi1;
    uint64_t pmi1_turn;
    char *dir, *shm_dir; // owned
    bool registered, ready;
    const struct mpi_job_handler *handler;
    void *arg;
    UT_hash_handle hh;
};

// A direct modex of another node that waits for the server here.
struct asked {
    uint64_t id; // ours
    uint64_t their_id, group;
    uint32_t node;
    UT_hash_handle hh;
};

struct mpi {
    struct groups_options options;
    struct exchanges *exchanges; // borrowed
    struct pmix_service *service;
    struct mpi_job *jobs; // by group; each owned by its group
    struct asked *asked;  // owned, by id
    uint64_t next_ask;
    uint32_t jobs_served; // by the present helper
};

static struct mpi_job *job_find(struct mpi *mpi, uint64_t group)
{
    struct mpi_job *job;
    HASH_FIND(hh, mpi->jobs, &group, sizeof group, job);
    return job;
}

static struct local_rank *local_find(const struct mpi_job *job, uint32_t rank)
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

// ---- events of ranks: the same from either server

static void rank_connected(struct mpi_job *job, uint32_t rank)
{
    struct local_rank *local = local_find(job, rank);
    if (local)
        local->connected = true;
}

static void rank_finalized(struct mpi_job *job, uint32_t rank)
{
    struct local_rank *local = local_find(job, rank);
    if (local)
        local->finalized = true;
}

// ---- exchanges

struct fence {
    struct mpi *mpi; // borrowed
    uint64_t group, id;
};

static void on_fence_exchanged(void *arg, dragon_err_t err, const struct exchange_piece *pieces,
                               size_t count)
{
    struct fence *fence = arg;
    struct pack all = PACK_EMPTY;
    for (size_t i = 0; i < count; i++)
        pack_raw(&all, pieces[i].data, pieces[i].length);
    if (all.failed)
        err = DRAGON_ERR_NOMEM;
    if (fence->mpi->service && job_find(fence->mpi, fence->group))
        pmix_service_fence_done(fence->mpi->service, fence->id, err, all.data,
                                err == DRAGON_OK ? all.length : 0);
    pack_fini(&all);
    free(fence);
}

static uint64_t members_hash(const uint32_t *ranks, uint32_t count)
{
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a, over the ranks as bytes
    for (uint32_t i = 0; i < count; i++)
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ ((ranks[i] >> (8 * byte)) & 0xff)) * 0x100000001b3u;
    return hash < EXCHANGE_FIRST_HASH ? EXCHANGE_FIRST_HASH : hash;
}

// The nodes of the fence's members as runtime numbers, ascending; NULL when memory is out or a rank
// is none of the job's.
static uint32_t *fence_nodes(const struct mpi_job *job, const struct pmi_fence_message *message,
                             size_t *count_out)
{
    const struct pmi_map *map = &job->map;
    uint32_t *nodes = calloc(map->nodes, sizeof *nodes);
    bool *member = calloc(map->nodes, sizeof *member);
    size_t count = 0;
    bool good = nodes && member;
    for (uint32_t i = 0; good && i < message->count; i++) {
        good = message->ranks[i] < map->size;
        if (good)
            member[map->node_of_rank[message->ranks[i]]] = true;
    }
    for (uint32_t i = 0; good && i < map->nodes; i++)
        if (message->all || member[i])
            nodes[count++] = job->nodes[i];
    free(member);
    if (!good) {
        free(nodes);
        return NULL;
    }
    *count_out = count;
    return nodes;
}

static void on_fence(void *arg, const struct pmi_fence_message *message)
{
    struct mpi *mpi = arg;
    struct mpi_job *job = job_find(mpi, message->job);
    struct fence *fence = malloc(sizeof *fence);
    size_t count = 0;
    uint32_t *nodes = job ? fence_nodes(job, message, &count) : NULL;
    dragon_err_t err = DRAGON_ERR_INVAL;
    if (fence && nodes) {
        struct exchange_key key = {.group = message->job,
                                   .what = members_hash(message->ranks, message->count),
                                   .turn = message->sequence};
        *fence = (struct fence){.mpi = mpi, .group = message->job, .id = message->id};
        err = exchange_join(mpi->exchanges, &key, nodes, count, message->data, message->length,
                            on_fence_exchanged, fence);
    }
    free(nodes);
    if (err == DRAGON_OK)
        return;
    free(fence);
    pmix_service_fence_done(mpi->service, message->id, err, NULL, 0);
}

static void on_barrier_exchanged(void *arg, dragon_err_t err, const struct exchange_piece *pieces,
                                 size_t count)
{
    struct mpi_job *job = arg; // cancelled before it is destroyed
    if (err != DRAGON_OK)
        return;
    struct pmi1_blob *blobs = calloc(count, sizeof *blobs);
    for (size_t i = 0; blobs && i < count; i++)
        blobs[i] = (struct pmi1_blob){.data = pieces[i].data, .length = pieces[i].length};
    err = blobs ? pmi1_job_barrier_done(job->pmi1, blobs, count) : DRAGON_ERR_NOMEM;
    free(blobs);
    if (err != DRAGON_OK)
        job->handler->on_broken(job->arg, "a PMI-1 barrier brought data that is not understood");
}

static void on_pmi1_barrier(void *arg, const void *data, size_t length)
{
    struct mpi_job *job = arg;
    struct exchange_key key = {
        .group = job->group, .what = EXCHANGE_PMI1, .turn = job->pmi1_turn++};
    if (exchange_join(job->mpi->exchanges, &key, job->nodes, job->map.nodes, data, length,
                      on_barrier_exchanged, job) != DRAGON_OK)
        job->handler->on_broken(job->arg, "a PMI-1 barrier could not be started");
}

// ---- PMI-1

static void on_pmi1_connected(void *arg, uint32_t rank)
{
    rank_connected(arg, rank);
}

static void on_pmi1_finalized(void *arg, uint32_t rank)
{
    rank_finalized(arg, rank);
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

static const struct pmi1_handler pmi1_handler = {
    .on_connected = on_pmi1_connected,
    .on_finalized = on_pmi1_finalized,
    .on_barrier = on_pmi1_barrier,
    .on_abort = on_pmi1_abort,
    .on_lost = on_pmi1_lost,
};

// ---- PMIx

static void on_job_ready(void *arg, uint64_t group, const char *error, char *const *const *envs,
                         uint32_t count)
{
    struct mpi *mpi = arg;
    struct mpi_job *job = job_find(mpi, group);
    if (!job || job->ready)
        return;
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
    struct mpi_job *job = job_find(arg, group);
    if (job)
        rank_connected(job, rank);
}

static void on_finalized(void *arg, uint64_t group, uint32_t rank)
{
    struct mpi_job *job = job_find(arg, group);
    if (job)
        rank_finalized(job, rank);
}

static void on_abort(void *arg, uint64_t group, uint32_t rank, int32_t code, const char *text)
{
    struct mpi_job *job = job_find(arg, group);
    if (job)
        job->handler->on_abort(job->arg, rank, code, text);
}

static void on_settled(void *arg, uint64_t group, uint32_t rank)
{
    struct mpi_job *job = job_find(arg, group);
    if (job)
        job->handler->on_settled(job->arg, rank);
}

static void on_lost_rank(void *arg, uint64_t group, uint32_t rank)
{
    (void)arg; // its exit status will tell more
    log_debug("group %llu rank %u lost its pmix connection", (unsigned long long)group, rank);
}

static void on_modex(void *arg, uint64_t id, uint64_t group, uint32_t rank)
{
    struct mpi *mpi = arg;
    struct mpi_job *job = job_find(mpi, group);
    if (!job || rank >= job->map.size) {
        pmix_service_modex_done(mpi->service, id, DRAGON_ERR_NOT_FOUND, NULL, 0);
        return;
    }
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    pack_u64(&body, group);
    pack_u32(&body, rank);
    tree_send(mpi->options.tree, job->nodes[job->map.node_of_rank[rank]], GN_MODEX, &body);
}

static void answer_modex(struct mpi *mpi, uint32_t node, uint64_t id, uint64_t group,
                         dragon_err_t err, const void *data, size_t length)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    pack_u64(&body, group);
    pack_i32(&body, err);
    pack_bytes(&body, data, length);
    tree_send(mpi->options.tree, node, GN_MODEX_GOT, &body);
}

static void on_modex_got(void *arg, uint64_t id, dragon_err_t err, const void *data, size_t length)
{
    struct mpi *mpi = arg;
    struct asked *asked;
    HASH_FIND(hh, mpi->asked, &id, sizeof id, asked);
    if (!asked)
        return;
    answer_modex(mpi, asked->node, asked->their_id, asked->group, err, data, length);
    HASH_DEL(mpi->asked, asked);
    free(asked);
}

static bool on_modex_message(struct mpi *mpi, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t their_id = unpack_u64(&unpack), group = unpack_u64(&unpack);
    uint32_t rank = unpack_u32(&unpack);
    if (!unpack_done(&unpack))
        return false;
    struct mpi_job *job = job_find(mpi, group);
    struct asked *asked = job && mpi->service ? calloc(1, sizeof *asked) : NULL;
    if (!asked) {
        answer_modex(mpi, message->source, their_id, group, DRAGON_ERR_NOT_FOUND, NULL, 0);
        return true;
    }
    *asked = (struct asked){
        .id = mpi->next_ask++, .their_id = their_id, .group = group, .node = message->source};
    HASH_ADD(hh, mpi->asked, id, sizeof asked->id, asked);
    pmix_service_modex_get(mpi->service, asked->id, group, rank);
    return true;
}

static bool on_modex_got_message(struct mpi *mpi, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t id = unpack_u64(&unpack), group = unpack_u64(&unpack);
    dragon_err_t err = unpack_i32(&unpack);
    size_t length;
    const void *data = unpack_bytes(&unpack, &length);
    if (!unpack_done(&unpack))
        return false;
    if (mpi->service && job_find(mpi, group))
        pmix_service_modex_done(mpi->service, id, err, data, length);
    return true;
}

bool mpi_on_message(struct mpi *mpi, const struct link_message *message)
{
    return message->type == GN_MODEX ? on_modex_message(mpi, message)
                                     : on_modex_got_message(mpi, message);
}

static void forget_asked(struct mpi *mpi)
{
    struct asked *asked, *next;
    HASH_ITER(hh, mpi->asked, asked, next)
    {
        answer_modex(mpi, asked->node, asked->their_id, asked->group, DRAGON_ERR_PEER, NULL, 0);
        HASH_DEL(mpi->asked, asked);
        free(asked);
    }
}

static void on_gone(void *arg, const char *reason)
{
    struct mpi *mpi = arg;
    char text[200];
    snprintf(text, sizeof text, "the PMI service (dragon-pmix) on %s is gone: %s",
             tree_node(mpi->options.tree, tree_here(mpi->options.tree))->name, reason);
    pmix_service_destroy(mpi->service);
    mpi->service = NULL;
    forget_asked(mpi);
    struct mpi_job *job, *next;
    HASH_ITER(hh, mpi->jobs, job, next)
    {
        if (!job->registered)
            continue;
        job->registered = false;
        if (job->ready)
            job->handler->on_broken(job->arg, text);
        else
            job->handler->on_ready(job->arg, text);
        // Whoever waits for a rank to settle waits no longer.
        for (uint32_t i = 0; i < job->local_count && job->ready; i++)
            job->handler->on_settled(job->arg, job->ranks[i]);
    }
}

static const struct pmix_service_handler service_handler = {
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

// ---- the helper process

static void on_helper_exit(void *arg, pid_t pid, int status)
{
    (void)arg; // its closed connection has told, or will tell
    log_debug("dragon-pmix pid %d ended with status %d", (int)pid, status);
}

static int spawn_helper(struct mpi *mpi, int fd)
{
    const struct groups_options *options = &mpi->options;
    uint32_t here = tree_here(options->tree);
    char index[16];
    snprintf(index, sizeof index, "%u", here);
    char *argv[] = {"dragon-pmix", "--node", (char *)tree_node(options->tree, here)->name,
                    "--index",     index,    "--nspace",
                    "dragon-pmix", "--dir",  (char *)options->run_dir,
                    NULL};
    char **env = strv_copy(environ);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int problem = env && null >= 0 ? 0 : ENOMEM;
    pid_t pid;
    enum spawn_step step;
    if (problem == 0) {
        pmi_env_clean(env);
        struct spawn spawn = {.path = options->pmix_program,
                              .argv = argv,
                              .env = env,
                              .stdio = {null, null, STDERR_FILENO},
                              .fd3 = fd,
                              .die_with_parent = true,
                              .nofile = options->nofile};
        problem = spawn_start(&spawn, &pid, &step);
    }
    if (problem == 0)
        children_add(options->children, pid, on_helper_exit, NULL);
    strv_free(env);
    if (null >= 0)
        close(null);
    return problem;
}

static bool start_helper(struct mpi *mpi, dragon_error_t *error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        err_set_errno(error, errno, "cannot start the PMI service");
        return false;
    }
    int problem = spawn_helper(mpi, pair[1]);
    close(pair[1]);
    if (problem) {
        close(pair[0]);
        err_set_errno(error, problem, "cannot start the PMI service %s", mpi->options.pmix_program);
        return false;
    }
    mpi->service = pmix_service_create(mpi->options.loop, pair[0], &service_handler, mpi);
    mpi->jobs_served = 0;
    if (!mpi->service)
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    return mpi->service != NULL;
}

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
    struct asked *asked, *next;
    HASH_ITER(hh, mpi->asked, asked, next)
    {
        HASH_DEL(mpi->asked, asked);
        free(asked);
    }
    pmix_service_destroy(mpi->service);
    free(mpi);
}

// ---- jobs

static char *make_job_dir(const char *base, uint64_t group)
{
    char *path = NULL;
    if (asprintf(&path, "%s/group-%llu", base, (unsigned long long)group) < 0)
        return NULL;
    if (mkdir(path, 0700) == 0)
        return path;
    free(path);
    return NULL;
}

static void job_register(struct mpi_job *job, const struct mpi_job_options *options)
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
        .cwd = options->cwd,
        .argv = options->argv,
        .oversubscribed = job->local_count > mpi->options.cores,
        .cpuset = mpi->options.cpuset,
    };
    job->registered = true;
    mpi->jobs_served++;
    pmix_service_job(mpi->service, &message);
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
    if (!job->ranks || !job->local || !job->nodes)
        return false;
    memcpy(job->nodes, options->nodes, job->map.nodes * sizeof *job->nodes);
    job->pmi1 = pmi1_job_create(mpi->options.loop, &job->map, kvsname, &pmi1_handler, job);
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
    if (!mpi->service && !start_helper(mpi, error))
        goto error;
    job_register(job, options);
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
    HASH_DEL(mpi->jobs, job);
    pmi1_job_destroy(job->pmi1);
    sweep_remove_directory(job->dir);
    sweep_remove_directory(job->shm_dir);
    for (uint32_t i = 0; job->envs && i < job->local_count; i++)
        strv_free(job->envs[i]);
    free(job->envs);
    pmi_map_fini(&job->map);
    free(job->nodes);
    free(job->ranks);
    free(job->local);
    free(job->dir);
    free(job->shm_dir);
    free(job);
    if (!mpi->jobs && mpi->service && mpi->jobs_served >= JOBS_A_HELPER) {
        pmix_service_destroy(mpi->service);
        mpi->service = NULL;
    }
}

bool mpi_job_prepare_rank(struct mpi_job *job, uint32_t rank, char ***env, int *fd_out)
{
    struct local_rank *local = local_find(job, rank);
    int pair[2];
    if (!local || !job->envs || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    struct pmi_env_rank needs = {.rank = rank, .shm_dir = job->shm_dir, .pmi_fd = 3};
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
    if (job->mpi->service && job->registered)
        pmix_service_settle(job->mpi->service, job->group, rank);
    else
        job->handler->on_settled(job->arg, rank);
}

bool mpi_job_rank_connected(const struct mpi_job *job, uint32_t rank)
{
    const struct local_rank *local = local_find(job, rank);
    return local && local->connected;
}

bool mpi_job_rank_finalized(const struct mpi_job *job, uint32_t rank)
{
    const struct local_rank *local = local_find(job, rank);
    return local && local->finalized;
}

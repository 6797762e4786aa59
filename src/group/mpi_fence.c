// SPDX-License-Identifier: BSD-3-Clause
//
// Fences and PMI-1 barriers: they come from the local server when all local members are in, are
// exchanged with the nodes of the other members, and go back to the server.
#include "config.h"

#include "group/mpi_internal.h"

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
    if (fence->mpi->service && mpi_find_job(fence->mpi, fence->group))
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

void mpi_fence(struct mpi *mpi, const struct pmi_fence_message *message)
{
    struct mpi_job *job = mpi_find_job(mpi, message->job);
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

void mpi_barrier(struct mpi_job *job, const void *data, size_t length)
{
    struct exchange_key key = {
        .group = job->group, .what = EXCHANGE_PMI1, .turn = job->pmi1_turn++};
    if (exchange_join(job->mpi->exchanges, &key, job->nodes, job->map.nodes, data, length,
                      on_barrier_exchanged, job) != DRAGON_OK)
        job->handler->on_broken(job->arg, "a PMI-1 barrier could not be started");
}

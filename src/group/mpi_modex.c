// SPDX-License-Identifier: BSD-3-Clause
//
// Direct modex: a rank wants what another rank has published and no fence has carried. The question goes to
// the other rank's node, is answered by the server there, and comes back.
#include "config.h"

#include "group/mpi_internal.h"
#include "group/proto.h"

// A direct modex of another node that waits for the server here.
struct asked {
    uint64_t id; // ours
    uint64_t their_id, group;
    uint32_t node;
    UT_hash_handle hh;
};

void mpi_modex_ask(struct mpi *mpi, uint64_t id, uint64_t group, uint32_t rank)
{
    struct mpi_job *job = mpi_find_job(mpi, group);
    bool known = job && rank < job->map.size;
    uint32_t node = known ? job->nodes[job->map.node_of_rank[rank]] : 0;
    if (!known || tree_is_lost(mpi->options.tree, node)) {
        pmix_service_modex_done(mpi->service, id, known ? DRAGON_ERR_PEER : DRAGON_ERR_NOT_FOUND,
                                NULL, 0);
        return;
    }
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    pack_u64(&body, group);
    pack_u32(&body, rank);
    tree_send(mpi->options.tree, node, GN_MODEX, &body);
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

void mpi_modex_got(struct mpi *mpi, uint64_t id, dragon_err_t err, const void *data, size_t length)
{
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
    struct mpi_job *job = mpi_find_job(mpi, group);
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
    if (mpi->service && mpi_find_job(mpi, group))
        pmix_service_modex_done(mpi->service, id, err, data, length);
    return true;
}

bool mpi_on_message(struct mpi *mpi, const struct link_message *message)
{
    return message->type == GN_MODEX ? on_modex_message(mpi, message)
                                     : on_modex_got_message(mpi, message);
}

void mpi_modex_lost(struct mpi *mpi)
{
    struct asked *asked, *next;
    HASH_ITER (hh, mpi->asked, asked, next) {
        answer_modex(mpi, asked->node, asked->their_id, asked->group, DRAGON_ERR_PEER, NULL, 0);
        HASH_DEL(mpi->asked, asked);
        free(asked);
    }
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: bodies of the messages between agent and dragon-pmix. The first byte says which;
// what is read well must be writable, and read again.
#include "config.h"

#include "pmi/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Longer maps only cost time here.
enum { TEXT_RANKS_MAX = 4096 };

static void make_texts(const struct pmi_map *map)
{
    if (map->size > TEXT_RANKS_MAX)
        return;
    free(pmi_map_process_mapping(map));
    free(pmi_map_ppn(map));
    free(pmi_map_node_list(map));
    free(pmi_map_peers(map, map->here));
    free(pmi_map_local_ranks(map));
    free(pmi_map_ranks_of_node(map, map->here));
}

// Each writes into `again` what it could read; false when it could not.
static bool try_job(struct unpack *unpack, struct pack *again)
{
    struct pmi_job_message message;
    if (!unpack_pmi_job(unpack, &message))
        return false;
    make_texts(&message.map);
    pack_pmi_job(again, &message);
    pmi_job_message_fini(&message);
    return true;
}

static bool try_ready(struct unpack *unpack, struct pack *again)
{
    struct pmi_ready_message message;
    if (!unpack_pmi_ready(unpack, &message))
        return false;
    pack_pmi_ready(again, &message);
    pmi_ready_message_fini(&message);
    return true;
}

static bool try_rank(struct unpack *unpack, struct pack *again)
{
    struct pmi_rank_message message;
    if (!unpack_pmi_rank(unpack, &message))
        return false;
    pack_pmi_rank(again, &message);
    return true;
}

static bool try_abort(struct unpack *unpack, struct pack *again)
{
    struct pmi_abort_message message;
    if (!unpack_pmi_abort(unpack, &message))
        return false;
    pack_pmi_abort(again, &message);
    return true;
}

static bool try_fence(struct unpack *unpack, struct pack *again)
{
    struct pmi_fence_message message;
    if (!unpack_pmi_fence(unpack, &message))
        return false;
    pack_pmi_fence(again, &message);
    pmi_fence_message_fini(&message);
    return true;
}

static bool try_modex(struct unpack *unpack, struct pack *again)
{
    struct pmi_modex_message message;
    if (!unpack_pmi_modex(unpack, &message))
        return false;
    pack_pmi_modex(again, &message);
    return true;
}

static bool try_answer(struct unpack *unpack, struct pack *again)
{
    struct pmi_answer_message message;
    if (!unpack_pmi_answer(unpack, &message))
        return false;
    pack_pmi_answer(again, &message);
    return true;
}

static bool (*const the_tries[])(struct unpack *, struct pack *) = {
    try_job, try_ready, try_rank, try_abort, try_fence, try_modex, try_answer,
};
enum { TRIES = sizeof the_tries / sizeof *the_tries };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct unpack unpack = unpack_start(data + 1, size - 1);
    struct pack first = PACK_EMPTY, second = PACK_EMPTY;
    if (the_tries[data[0] % TRIES](&unpack, &first)) {
        unpack = unpack_start(first.data, first.length);
        if (!the_tries[data[0] % TRIES](&unpack, &second) || second.length != first.length ||
            memcmp(first.data, second.data, first.length) != 0)
            abort();
    }
    pack_fini(&second);
    pack_fini(&first);
    return 0;
}

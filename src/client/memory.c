// SPDX-License-Identifier: BSD-3-Clause
//
// Memory for users: blocks of the node's segments that this process owns, and shared ones, which the keeper owns and
// counts the holders of. A process is one holder however often it attached; how often, is counted here.
#include "config.h"

#include "client/shared.h"

#include <dragon/memory.h>

#include <errno.h>
#include <inttypes.h>
#include <uthash.h>

static const char memory[] = "memory"; // in descriptors
enum { MEMORY_NODE, MEMORY_BLOCK, MEMORY_SHARE, MEMORY_NUMBERS };

struct shared_block {
    mem_ref ref;
    uint64_t share;
    uint64_t holds; // so often is it to be freed
    UT_hash_handle hh;
};

static struct shared_block *find_shared(const struct shared *shared, mem_ref ref)
{
    struct shared_block *block;
    HASH_FIND(hh, shared->blocks, &ref, sizeof ref, block);
    return block;
}

static struct shared_block *add_shared(struct shared *shared, mem_ref ref, uint64_t share)
{
    struct shared_block *block = malloc(sizeof *block);
    if (!block)
        return NULL;
    *block = (struct shared_block){.ref = ref, .share = share, .holds = 1};
    HASH_ADD(hh, shared->blocks, ref, sizeof ref, block);
    return block;
}

static void remove_shared(struct shared *shared, struct shared_block *block)
{
    HASH_DEL(shared->blocks, block);
    free(block);
}

void shared_blocks_forget(struct shared *shared)
{
    struct shared_block *block, *next;
    HASH_ITER (hh, shared->blocks, block, next)
        remove_shared(shared, block);
}

// The block that begins at `data`, if this process has it; *block_out is NULL when it is not shared.
static mem_ref find_block(const struct shared *shared, const void *data,
                          struct shared_block **block_out)
{
    mem_ref ref = data ? space_ref(shared->space, data) : 0;
    uint32_t owner = ref ? space_owner(shared->space, ref) : SLOT_NONE;
    *block_out = owner == SLOT_KEEPER ? find_shared(shared, ref) : NULL;
    return owner == shared->space->slot || *block_out ? ref : 0;
}

// ---- life cycle

dragon_err_t memory_kind(const dragon_memory_spec_t *spec, struct segment_kind *kind_out,
                         dragon_error_t *error)
{
    static const dragon_memory_spec_t any = DRAGON_MEMORY_SPEC_INIT;
    if (!spec)
        spec = &any;
    if (spec->numa < DRAGON_ANY_NUMA || spec->numa > INT16_MAX)
        return err_set(error, DRAGON_ERR_INVAL, "%d is no number of a NUMA node", spec->numa);
    if ((unsigned)spec->huge > DRAGON_HUGE_REQUIRE)
        return err_set(error, DRAGON_ERR_INVAL, "%d is no kind of pages", (int)spec->huge);
    *kind_out = (struct segment_kind){.numa = (int16_t)spec->numa, .huge = (uint8_t)spec->huge};
    return DRAGON_OK;
}

dragon_err_t dragon_memory_alloc(dragon_runtime_t *runtime, size_t bytes, void **data_out,
                                 dragon_error_t *error)
{
    return dragon_memory_alloc_at(runtime, bytes, NULL, data_out, error);
}

dragon_err_t dragon_memory_alloc_at(dragon_runtime_t *runtime, size_t bytes,
                                    const dragon_memory_spec_t *spec, void **data_out,
                                    dragon_error_t *error)
{
    struct shared *shared;
    struct segment_kind kind;
    mem_ref ref;
    if (!data_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the address");
    if (bytes == 0)
        return err_set(error, DRAGON_ERR_INVAL, "a block has at least one byte");
    dragon_err_t err = memory_kind(spec, &kind, error);
    if (err == DRAGON_OK)
        err = shared_get(runtime, &shared, error);
    return err != DRAGON_OK ? err : space_alloc(shared->space, bytes, kind, &ref, data_out, error);
}

static void drop(struct shared *shared, struct shared_block *block)
{
    struct pack body = PACK_EMPTY;
    if (--block->holds > 0)
        return;
    pack_u64(&body, block->ref);
    // When the keeper is gone, so is the block.
    space_ask(shared->space, KC_DROP, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, NULL);
    remove_shared(shared, block);
}

dragon_err_t dragon_memory_free(dragon_runtime_t *runtime, void *data)
{
    struct shared_block *block;
    if (!data)
        return DRAGON_OK;
    if (!runtime || !runtime->shared)
        return DRAGON_ERR_INVAL;
    struct shared *shared = runtime->shared;
    if (!shared_is_ours(shared))
        return DRAGON_ERR_STATE;
    mem_ref ref = find_block(shared, data, &block);
    if (!ref)
        return DRAGON_ERR_INVAL;
    if (block)
        drop(shared, block);
    else if (!space_free(shared->space, ref, shared->space->slot))
        return DRAGON_ERR_INVAL;
    return DRAGON_OK;
}

size_t dragon_memory_size(dragon_runtime_t *runtime, const void *data)
{
    struct shared_block *block;
    if (!runtime || !runtime->shared || !shared_is_ours(runtime->shared))
        return 0;
    mem_ref ref = find_block(runtime->shared, data, &block);
    return ref ? space_block_bytes(runtime->shared->space, ref) : 0;
}

// ---- sharing

static dragon_err_t ask_share(struct shared *shared, mem_ref ref, uint64_t *share_out,
                              dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    pack_u64(&body, ref);
    dragon_err_t err =
        space_ask(shared->space, KC_SHARE, &body, KEEPER_ANSWER_MS, &unpack, NULL, 0, error);
    if (err != DRAGON_OK)
        return err;
    *share_out = unpack_u64(&unpack);
    return unpack_done(&unpack) ? DRAGON_OK : shared_err_answer(error);
}

dragon_err_t dragon_memory_share(dragon_runtime_t *runtime, void *data, char **descriptor_out,
                                 dragon_error_t *error)
{
    struct shared *shared;
    struct shared_block *block;
    uint64_t share;
    if (!descriptor_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the descriptor");
    dragon_err_t err = shared_get(runtime, &shared, error);
    if (err != DRAGON_OK)
        return err;
    mem_ref ref = find_block(shared, data, &block);
    if (!ref)
        return err_set(error, DRAGON_ERR_INVAL, "this is no block of this process: %p", data);
    if (!block) {
        err = ask_share(shared, ref, &share, error);
        if (err != DRAGON_OK)
            return err;
        block = add_shared(shared, ref, share);
    }
    char *descriptor =
        block ? descriptor_write(memory, shared->space->runtime,
                                 (uint64_t[MEMORY_NUMBERS]){shared->space->node, ref, block->share},
                                 MEMORY_NUMBERS)
              : NULL;
    if (!descriptor)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    *descriptor_out = descriptor;
    return DRAGON_OK;
}

static dragon_err_t ask_shared(struct shared *shared, const uint64_t *numbers,
                               dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, numbers[MEMORY_BLOCK]);
    pack_u64(&body, numbers[MEMORY_SHARE]);
    return space_ask(shared->space, KC_SHARED, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, error);
}

// The block, held once more.
static dragon_err_t hold(struct shared *shared, const uint64_t *numbers,
                         struct shared_block **block_out, dragon_error_t *error)
{
    struct shared_block *block = find_shared(shared, numbers[MEMORY_BLOCK]);
    if (block && block->share == numbers[MEMORY_SHARE]) {
        block->holds++;
        *block_out = block;
        return DRAGON_OK;
    }
    if (block)
        return err_set(error, DRAGON_ERR_CLOSED, "the memory was given back");
    dragon_err_t err = ask_shared(shared, numbers, error);
    if (err != DRAGON_OK)
        return err;
    *block_out = add_shared(shared, numbers[MEMORY_BLOCK], numbers[MEMORY_SHARE]);
    return *block_out ? DRAGON_OK : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
}

dragon_err_t dragon_memory_attach(dragon_runtime_t *runtime, const char *descriptor,
                                  void **data_out, size_t *bytes_out, dragon_error_t *error)
{
    struct shared *shared;
    struct shared_block *block;
    uint64_t numbers[MEMORY_NUMBERS];
    if (!runtime || !data_out)
        return err_set(error, DRAGON_ERR_INVAL, "the runtime handle or the result is NULL");
    dragon_err_t err =
        descriptor_read(descriptor, memory, runtime->name, numbers, MEMORY_NUMBERS, error);
    if (err != DRAGON_OK)
        return err;
    if (numbers[MEMORY_NODE] != runtime->node)
        return err_set(error, DRAGON_ERR_UNSUPPORTED,
                       "the memory is on node %" PRIu64 ", this is node %" PRIu32
                       "; only processes of one node can share it",
                       numbers[MEMORY_NODE], runtime->node);
    err = shared_get(runtime, &shared, error);
    if (err == DRAGON_OK)
        err = hold(shared, numbers, &block, error);
    if (err != DRAGON_OK)
        return err;
    size_t bytes = space_block_bytes(shared->space, block->ref);
    void *data = bytes ? space_at(shared->space, block->ref, bytes) : NULL;
    if (!data) {
        drop(shared, block);
        return err_set(error, DRAGON_ERR_NOMEM, "the memory cannot be mapped: %s", strerror(errno));
    }
    *data_out = data;
    if (bytes_out)
        *bytes_out = bytes;
    return DRAGON_OK;
}

// ---- query

dragon_err_t dragon_memory_stats(dragon_runtime_t *runtime, dragon_memory_stats_t *stats_out,
                                 dragon_error_t *error)
{
    struct shared *shared;
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    struct memory_stat stat;
    if (!stats_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the statistics");
    dragon_err_t err = shared_get(runtime, &shared, error);
    if (err == DRAGON_OK)
        err = space_ask(shared->space, KC_MEMORY, &body, KEEPER_ANSWER_MS, &unpack, NULL, 0, error);
    if (err != DRAGON_OK)
        return err;
    if (!memory_stat_unpack(&unpack, &stat) || !unpack_done(&unpack))
        return shared_err_answer(error);
    *stats_out = (dragon_memory_stats_t){
        .limit_bytes = stat.limit_bytes,
        .reserved_bytes = stat.reserved_bytes,
        .used_bytes = stat.used_bytes,
        .free_bytes = stat.free_bytes,
        .largest_free_bytes = stat.largest_free_bytes,
        .blocks = stat.blocks,
        .segments = stat.segments,
        .processes = stat.processes,
    };
    return DRAGON_OK;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Records of one size, cut from large blocks and used again in the order in which they were given back: so they stay in the
// order of their addresses, nearly, as tasks are done in the order in which they were made. (The latest first would mix
// them up more and more.) The blocks go with the slab.
#include "config.h"

#include "pool/pool.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 64 << 10 };

struct block {
    struct block *next;
    _Alignas(POOL_ALIGN) uint8_t records[];
};

struct spare {
    struct spare *next;
};

struct slab {
    size_t bytes; // of a record
    struct block *blocks;
    struct spare *spare, **spare_last;
    size_t fresh; // records of the first block that were never used
};

static size_t per_block(const struct slab *slab)
{
    size_t count = (BLOCK_BYTES - sizeof(struct block)) / slab->bytes;
    return count ? count : 1;
}

struct slab *slab_create(size_t bytes)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (!slab)
        return NULL;
    slab->bytes = pool_aligned(bytes);
    slab->spare_last = &slab->spare;
    return slab;
}

void slab_destroy(struct slab *slab)
{
    while (slab && slab->blocks) {
        struct block *block = slab->blocks;
        slab->blocks = block->next;
        free(block);
    }
    free(slab);
}

static void *take_fresh(struct slab *slab)
{
    if (slab->fresh == 0) {
        struct block *block = malloc(sizeof *block + per_block(slab) * slab->bytes);
        if (!block)
            return NULL;
        block->next = slab->blocks;
        slab->blocks = block;
        slab->fresh = per_block(slab);
    }
    return slab->blocks->records + --slab->fresh * slab->bytes;
}

void *slab_take(struct slab *slab)
{
    struct spare *spare = slab->spare;
    if (!spare)
        return take_fresh(slab);
    slab->spare = spare->next;
    if (!slab->spare)
        slab->spare_last = &slab->spare;
    return spare;
}

void slab_give(struct slab *slab, void *record)
{
    struct spare *spare = record;
    spare->next = NULL;
    *slab->spare_last = spare;
    slab->spare_last = &spare->next;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Blocks that several processes have: they are the keeper's, which counts who has them.
#include "config.h"

#include "keeper/internal.h"

static struct keep_holding *find_holding(struct keep_session *session, mem_ref block)
{
    struct keep_holding *holding;
    HASH_FIND(hh, session->holdings, &block, sizeof block, holding);
    return holding;
}

static struct keep_holding *hold(struct keep_session *session, struct keep_share *share)
{
    struct keep_holding *holding = find_holding(session, share->block);
    if (!holding) {
        holding = calloc(1, sizeof *holding);
        if (!holding)
            return NULL;
        holding->block = share->block;
        holding->share = share;
        HASH_ADD(hh, session->holdings, block, sizeof holding->block, holding);
        share->users++;
    }
    holding->count++;
    return holding;
}

static void leave(struct keep_session *session, struct keep_holding *holding)
{
    struct keeper *keeper = session->keeper;
    struct keep_share *share = holding->share;
    HASH_DEL(session->holdings, holding);
    free(holding);
    if (--share->users > 0)
        return;
    keep_free(keeper, share->block);
    HASH_DEL(keeper->shares, share);
    free(share);
}

void keep_share_leave_all(struct keep_session *session)
{
    while (session->holdings)
        leave(session, session->holdings);
}

void keep_share_close(struct keeper *keeper)
{
    while (keeper->shares) {
        struct keep_share *share = keeper->shares;
        HASH_DEL(keeper->shares, share);
        free(share);
    }
}

// The process's own block becomes the keeper's.
static struct keep_holding *share_block(struct keep_session *session, mem_ref block)
{
    struct keeper *keeper = session->keeper;
    struct keep_share *share = calloc(1, sizeof *share);
    if (!share)
        return NULL;
    *share = (struct keep_share){.block = block, .id = keeper->next_share++};
    struct keep_holding *holding = hold(session, share);
    if (!holding) {
        free(share);
        return NULL;
    }
    HASH_ADD(hh, keeper->shares, block, sizeof share->block, share);
    struct heap *heap = keep_heap(keeper, ref_segment(block));
    if (heap_give(heap, ref_offset(block), session->slot, SLOT_KEEPER))
        return holding;
    HASH_DEL(session->holdings, holding);
    HASH_DEL(keeper->shares, share);
    free(holding);
    free(share);
    return NULL;
}

bool keep_on_share(struct keeper *keeper, struct keep_request *request)
{
    mem_ref block = unpack_u64(&request->body);
    if (!unpack_done(&request->body))
        return false;
    struct keep_holding *holding = find_holding(request->session, block);
    struct heap *heap = keep_heap(keeper, ref_segment(block));
    if (!holding && (!heap || heap_owner(heap, ref_offset(block)) != request->session->slot)) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_INVAL,
                    "it is none of this process's blocks");
        return true;
    }
    if (!holding)
        holding = share_block(request->session, block);
    if (!holding) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
        return true;
    }
    struct pack body = PACK_EMPTY;
    pack_u64(&body, holding->share->id);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", &body);
    return true;
}

bool keep_on_shared(struct keeper *keeper, struct keep_request *request)
{
    mem_ref block = unpack_u64(&request->body);
    uint64_t id = unpack_u64(&request->body);
    struct keep_share *share;
    if (!unpack_done(&request->body))
        return false;
    HASH_FIND(hh, keeper->shares, &block, sizeof block, share);
    if (!share || share->id != id)
        keep_refuse(keeper, &request->asker, DRAGON_ERR_CLOSED,
                    "that memory was given back: nobody on %s had it any more", keeper->host);
    else if (!hold(request->session, share))
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
    else
        keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}

bool keep_on_drop(struct keeper *keeper, struct keep_request *request)
{
    mem_ref block = unpack_u64(&request->body);
    if (!unpack_done(&request->body))
        return false;
    struct keep_holding *holding = find_holding(request->session, block);
    if (!holding) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_INVAL,
                    "it is no shared block of this process");
        return true;
    }
    if (--holding->count == 0)
        leave(request->session, holding);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Being the single receiver of a channel. A process is it once, through however many handles. When the runtime has
// other nodes, their senders reach it directly: it serves the channel, and the keeper tells them where. Without a
// network library, or when that fails, the node's transport does, as for every other channel.
#include "config.h"

#include "chan/serve.h"
#include "client/channel.h"

// As long as there are messages in the channel nobody waits, and the network would not get its chance.
enum { NETWORK_EVERY = 16 };

struct claim {
    struct claim *next;
    struct shared *shared; // borrowed
    uint64_t id;           // of the channel
    uint32_t handles;      // through which it is received
    struct serve *serve;   // borrowed: it is served directly; NULL: not
    uint32_t received;
    struct local_channel local; // what it is served with
};

static void serve(struct claim *claim)
{
    struct far *far;
    if (claim->shared->space->nodes < 2 || shared_far(claim->shared, &far, NULL) != DRAGON_OK)
        return;
    struct serve *serve = far_serve(far);
    if (!serve || serve_add(serve, &claim->local, claim->id) != DRAGON_OK)
        return;
    if (shared_serves(claim->shared, claim->id, true) == DRAGON_OK)
        claim->serve = serve;
    else
        serve_remove(serve, claim->id);
}

static void serve_no_longer(struct claim *claim)
{
    shared_serves(claim->shared, claim->id, false);
    serve_remove(claim->serve, claim->id);
}

void claim_received(struct claim *claim)
{
    if (!claim->serve)
        return;
    serve_received(claim->serve);
    if (++claim->received % NETWORK_EVERY == 0)
        wait_turn(&claim->shared->waiter);
}

bool claim_turn(struct claim *claim)
{
    if (!claim->serve)
        return false;
    wait_turn(&claim->shared->waiter);
    return true;
}

static struct claim *find(struct shared *shared, uint64_t id)
{
    struct claim *claim = shared->claims;
    while (claim && claim->id != id)
        claim = claim->next;
    return claim;
}

dragon_err_t claim_take(struct dragon_channel *channel)
{
    struct shared *shared = channel->handle.shared;
    struct claim *claim = find(shared, channel->handle.id);
    if (!claim) {
        claim = calloc(1, sizeof *claim);
        if (!claim)
            return DRAGON_ERR_NOMEM;
        dragon_err_t err = local_claim(&channel->local);
        if (err != DRAGON_OK) {
            free(claim);
            return err;
        }
        claim->shared = shared;
        claim->id = channel->handle.id;
        local_channel_init(&claim->local, &shared->waiter, channel->local.ring);
        claim->next = shared->claims;
        shared->claims = claim;
        if (!channel->unserved)
            serve(claim);
    }
    claim->handles++;
    channel->claim = claim;
    return DRAGON_OK;
}

void claim_drop(struct dragon_channel *channel)
{
    struct claim *claim = channel->claim, **at = &channel->handle.shared->claims;
    channel->claim = NULL;
    if (--claim->handles > 0)
        return;
    if (claim->serve)
        serve_no_longer(claim);
    local_unclaim(&claim->local);
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    free(claim);
}

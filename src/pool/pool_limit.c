// SPDX-License-Identifier: BSD-3-Clause
//
// Time limits, seen from the head. A worker watches the limit of its task itself; one that is stopped, or whose task has taken
// that from it, cannot, and is killed from here. It has some seconds more for that: a command is first asked to end, and results
// wait when the head does not take them. Only time in which the head looked counts, so a head that was busy with something
// else kills nobody.
#include "config.h"

#include "pool/pool.h"

#include <limits.h>
#include <signal.h>

enum { LATE_MS = 5000, LATE_LOOK_MS = 500 };

static uint64_t end_ns(const struct worker *worker)
{
    const struct chunk *chunk = worker->first;
    uint64_t most = UINT64_MAX - worker->since_ns;
    return chunk->limit_ms < most / 1000000 ? worker->since_ns + chunk->limit_ms * 1000000
                                            : UINT64_MAX;
}

static void look_before(struct dragon_pool *pool, uint64_t ns)
{
    if (pool->limit_ns == 0 || ns < pool->limit_ns)
        pool->limit_ns = ns;
}

void limit_begin(struct dragon_pool *pool, struct worker *worker)
{
    if (!worker->first || !worker->first->limit_ms)
        return;
    worker->since_ns = time_now_ns();
    worker->late_ms = 0;
    look_before(pool, end_ns(worker));
}

// What has passed since the latest look, of which a late worker is charged with so much.
static uint64_t charge_ms(struct dragon_pool *pool, uint64_t now_ns)
{
    uint64_t passed_ms = (now_ns - pool->limit_looked_ns) / 1000000;
    pool->limit_looked_ns = now_ns;
    return passed_ms < LATE_LOOK_MS ? passed_ms : LATE_LOOK_MS;
}

static void look_at(struct dragon_pool *pool, struct worker *worker, uint64_t now_ns, uint64_t ms)
{
    uint64_t end = end_ns(worker);
    if (now_ns < end) {
        look_before(pool, end);
        return;
    }
    worker->late_ms += now_ns - end < ms * 1000000 ? (now_ns - end) / 1000000 : ms;
    if (worker->late_ms < LATE_MS) {
        look_before(pool, now_ns + LATE_LOOK_MS * UINT64_C(1000000));
        return;
    }
    worker->overdue = worker->first->number;
    dragon_group_signal(pool->group, (int)worker->rank, SIGKILL);
}

void limit_look(struct dragon_pool *pool)
{
    uint64_t now_ns = pool->limit_ns ? time_now_ns() : 0;
    if (now_ns == 0 || now_ns < pool->limit_ns)
        return;
    uint64_t ms = charge_ms(pool, now_ns);
    pool->limit_ns = 0;
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->first && worker->first->limit_ms && !worker->overdue)
            look_at(pool, worker, now_ns, ms);
    }
}

int limit_wait_ms(const struct dragon_pool *pool)
{
    if (pool->limit_ns == 0)
        return -1;
    uint64_t now_ns = time_now_ns();
    uint64_t ms = now_ns < pool->limit_ns ? (pool->limit_ns - now_ns) / 1000000 + 1 : 0;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

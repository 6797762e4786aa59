// SPDX-License-Identifier: BSD-3-Clause
//
// Which operation belongs to which kind, and waiting for one. What they do is in sync_lock.c and so on, one file for
// each kind, and for queues in queue.c.
#include "config.h"

#include "chan/queue.h"
#include "chan/sync_object.h"

#include "base/time.h"

#include <dragon/sync.h>

struct operation {
    uint8_t kind; // enum object_kind
    bool waits;
    dragon_err_t (*run)(struct sync_step *step);
};

// Of queues step->sync is the ring.
static struct ring *step_ring(struct sync_step *step)
{
    return (struct ring *)&step->sync->object;
}

static dragon_err_t on_queue_state(struct sync_step *step)
{
    return queue_state(step_ring(step), &step->result);
}

static dragon_err_t on_queue_taken(struct sync_step *step)
{
    return queue_take_over(step_ring(step), step->space, step->slot);
}

static dragon_err_t on_queue_done(struct sync_step *step)
{
    return queue_done(step_ring(step), step->space, step->slot);
}

static dragon_err_t on_queue_give_up(struct sync_step *step)
{
    return queue_give_up(step_ring(step), step->space, step->slot, step->a);
}

static dragon_err_t on_queue_join(struct sync_step *step)
{
    return queue_join(step_ring(step), &step->result);
}

static const struct operation operations[SYNC_OPS] = {
    [SYNC_LOCK_ACQUIRE] = {OBJECT_LOCK, true, sync_lock_acquire},
    [SYNC_LOCK_RELEASE] = {OBJECT_LOCK, false, sync_lock_release},
    [SYNC_LOCK_LEAVE] = {OBJECT_LOCK, false, sync_lock_leave},
    [SYNC_SEMAPHORE_ACQUIRE] = {OBJECT_SEMAPHORE, true, sync_semaphore_acquire},
    [SYNC_SEMAPHORE_RELEASE] = {OBJECT_SEMAPHORE, false, sync_semaphore_release},
    [SYNC_SEMAPHORE_LEAVE] = {OBJECT_SEMAPHORE, false, sync_semaphore_leave},
    [SYNC_SEMAPHORE_VALUE] = {OBJECT_SEMAPHORE, false, sync_semaphore_value},
    [SYNC_BARRIER_ARRIVE] = {OBJECT_BARRIER, false, sync_barrier_arrive},
    [SYNC_BARRIER_WAIT] = {OBJECT_BARRIER, true, sync_barrier_wait},
    [SYNC_BARRIER_LEAVE] = {OBJECT_BARRIER, false, sync_barrier_leave},
    [SYNC_BARRIER_ABORT] = {OBJECT_BARRIER, false, sync_barrier_abort},
    [SYNC_BARRIER_RESET] = {OBJECT_BARRIER, false, sync_barrier_reset},
    [SYNC_BARRIER_STATE] = {OBJECT_BARRIER, false, sync_barrier_state},
    [SYNC_BARRIER_DETACH] = {OBJECT_BARRIER, false, sync_barrier_detach},
    [SYNC_FLAG_SET] = {OBJECT_FLAG, false, sync_flag_set},
    [SYNC_FLAG_CLEAR] = {OBJECT_FLAG, false, sync_flag_clear},
    [SYNC_FLAG_GET] = {OBJECT_FLAG, false, sync_flag_get},
    [SYNC_FLAG_WAIT] = {OBJECT_FLAG, true, sync_flag_wait},
    [SYNC_VALUE_DO] = {OBJECT_VALUE, false, sync_value_do},
    [SYNC_VALUE_SWAP] = {OBJECT_VALUE, false, sync_value_swap},
    [SYNC_VALUE_CHANGE] = {OBJECT_VALUE, true, sync_value_change},
    [SYNC_QUEUE_STATE] = {OBJECT_QUEUE, false, on_queue_state},
    [SYNC_QUEUE_TAKEN] = {OBJECT_QUEUE, false, on_queue_taken},
    [SYNC_QUEUE_DONE] = {OBJECT_QUEUE, false, on_queue_done},
    [SYNC_QUEUE_GIVE_UP] = {OBJECT_QUEUE, false, on_queue_give_up},
    [SYNC_QUEUE_JOIN] = {OBJECT_QUEUE, true, on_queue_join},
};

dragon_err_t sync_try(struct object *object, struct space *space, uint32_t slot,
                      const struct sync_call *call, uint64_t *result_out)
{
    if (call->op >= SYNC_OPS || operations[call->op].kind != object->kind)
        return DRAGON_ERR_UNSUPPORTED;
    if (object_state(object) == OBJECT_DESTROYED)
        return DRAGON_ERR_CLOSED;
    struct sync_step step = {
        .sync = (struct sync *)object,
        .space = space,
        .slot = slot & (BOARD_SLOTS - 1),
        .a = call->a,
        .b = call->b,
        .c = call->c,
    };
    dragon_err_t err = operations[call->op].run(&step);
    if (err == DRAGON_OK && result_out)
        *result_out = step.result;
    return err;
}

bool sync_waits(uint32_t op)
{
    return op < SYNC_OPS && operations[op].waits;
}

static struct waitset *waiters_of(struct object *object)
{
    if (object->kind == OBJECT_QUEUE)
        return &((struct ring *)object)->joiners;
    return &((struct sync *)object)->waiters;
}

struct waitset *sync_set(struct object *object, const struct sync_call *call)
{
    bool fits = sync_waits(call->op) && operations[call->op].kind == object->kind;
    return fits ? waiters_of(object) : NULL;
}

void sync_wake(struct object *object, struct space *space)
{
    if (object->kind != OBJECT_CHANNEL)
        space_wake_all(space, waiters_of(object));
}

// ---- waiting

struct attempt {
    struct object *object;
    struct space *space;
    struct sync_call call;
    uint64_t result;
    dragon_err_t err;
};

// Looking and doing are one: when it is possible it is done.
static bool attempt_ready(void *arg)
{
    struct attempt *attempt = arg;
    if (attempt->err == DRAGON_ERR_AGAIN)
        attempt->err = sync_try(attempt->object, attempt->space, attempt->space->slot,
                                &attempt->call, &attempt->result);
    return attempt->err != DRAGON_ERR_AGAIN;
}

static void attempt_wait(struct attempt *attempt, struct waiter *waiter, struct spin *spin,
                         int64_t deadline_ns)
{
    struct awaited item = {
        .set = sync_set(attempt->object, &attempt->call),
        .ready = attempt_ready,
        .arg = attempt,
    };
    dragon_err_t err = wait_for(waiter, &item, 1, DRAGON_WAIT_ADAPTIVE, spin, deadline_ns);
    // When we were rung just as the time was over, the ring was for us alone: so look once more.
    if (err && !attempt_ready(attempt))
        attempt->err = err;
}

// The operation by which a turn is given up that this one may have taken; SYNC_OPS: it has no turns.
static uint32_t leave_of(uint32_t op)
{
    switch (op) {
    case SYNC_LOCK_ACQUIRE:
        return SYNC_LOCK_LEAVE;
    case SYNC_SEMAPHORE_ACQUIRE:
        return SYNC_SEMAPHORE_LEAVE;
    }
    return SYNC_OPS;
}

dragon_err_t sync_do(struct object *object, struct waiter *waiter, const struct sync_call *call,
                     uint64_t *result_out, struct spin *spin, int64_t deadline_ns)
{
    struct attempt attempt = {
        .object = object, .space = waiter->space, .call = *call, .err = DRAGON_ERR_AGAIN};
    uint32_t leave = leave_of(call->op);
    if (!attempt_ready(&attempt) && sync_waits(call->op) && deadline_ns != 0) {
        int64_t turn_ns = leave == SYNC_OPS ? deadline_ns : (int64_t)time_now_ns() + SYNC_TURN_NS;
        attempt_wait(&attempt, waiter, spin, turn_ns < deadline_ns ? turn_ns : deadline_ns);
        if (attempt.err == DRAGON_ERR_TIMEOUT && turn_ns < deadline_ns) {
            attempt.err = DRAGON_ERR_AGAIN;
            attempt.call.a = 1;
            attempt_wait(&attempt, waiter, spin, deadline_ns);
            if (attempt.err == DRAGON_ERR_TIMEOUT)
                sync_try(object, waiter->space, waiter->space->slot,
                         &(struct sync_call){.op = leave}, NULL);
        }
    }
    if (attempt.err == DRAGON_OK && result_out)
        *result_out = attempt.result;
    return attempt.err;
}

// ---- for the keeper, and who attaches

size_t sync_bytes(const struct object_spec *spec)
{
    switch (spec->kind) {
    case OBJECT_LOCK:
    case OBJECT_FLAG:
        return sizeof(struct sync);
    case OBJECT_SEMAPHORE: {
        uint32_t most = spec->capacity == 0 ? UINT32_MAX : spec->capacity;
        return spec->initial >= 0 && spec->initial <= most ? sizeof(struct sync) : 0;
    }
    case OBJECT_BARRIER:
        // each party has a slot of its own on the board of the home node
        if (spec->capacity < 1 || spec->capacity > DRAGON_BARRIER_MOST)
            return 0;
        return sizeof(struct sync_barrier);
    case OBJECT_VALUE:
        if (spec->capacity < 1 || spec->capacity > DRAGON_VALUE_MOST)
            return 0;
        return sizeof(struct sync_value) + spec->capacity * sizeof(int64_t);
    }
    return 0;
}

void sync_init(struct object *object, uint64_t id, const struct object_spec *spec)
{
    struct sync *sync = (struct sync *)object;
    object->id = id;
    object->kind = spec->kind;
    waitset_init(&sync->waiters);
    switch (spec->kind) {
    case OBJECT_SEMAPHORE:
        sync_semaphore_init(sync, spec);
        break;
    case OBJECT_BARRIER:
        sync->limit = spec->capacity;
        sync_barrier_init(sync);
        break;
    case OBJECT_VALUE:
        sync_value_init(sync, spec);
        break;
    }
    atomic_store_explicit(&object->state, OBJECT_OPEN, memory_order_release);
}

bool sync_check(const struct object *object, size_t bytes)
{
    if (bytes < sizeof(struct sync))
        return false;
    struct object_spec spec = {.kind = (uint8_t)object->kind,
                               .capacity = ((const struct sync *)object)->limit};
    size_t needed = sync_bytes(&spec);
    return needed > 0 && needed <= bytes;
}

void sync_recover(struct object *object, uint32_t dead)
{
    struct sync *sync = (struct sync *)object;
    waitset_leave(&sync->waiters, dead);
    switch (object->kind) {
    case OBJECT_LOCK:
        sync_lock_recover(sync, dead);
        break;
    case OBJECT_SEMAPHORE:
        sync_semaphore_recover(sync, dead);
        break;
    case OBJECT_BARRIER:
        sync_barrier_recover(sync, dead);
        break;
    }
}

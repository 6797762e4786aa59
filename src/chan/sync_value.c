// SPDX-License-Identifier: BSD-3-Clause
//
// Shared values: numbers that are changed in one step each. All who wait for a change of any number of the object are
// in one waitset, so each change wakes them all.
#include "config.h"

#include "chan/sync_object.h"

#include <dragon/sync.h>

void sync_value_init(struct sync *sync, const struct object_spec *spec)
{
    struct sync_value *value = (struct sync_value *)sync;
    sync->limit = spec->capacity;
    for (uint32_t i = 0; i < spec->capacity; i++)
        atomic_init(&value->numbers[i], spec->initial);
}

static _Atomic int64_t *value_number(struct sync_step *step, uint64_t index)
{
    struct sync_value *value = (struct sync_value *)step->sync;
    return index < step->sync->limit ? &value->numbers[index] : NULL;
}

static int64_t keep_less(_Atomic int64_t *number, int64_t operand, bool less)
{
    int64_t before = atomic_load(number);
    while ((less ? operand < before : operand > before) &&
           !atomic_compare_exchange_weak(number, &before, operand))
        ;
    return before;
}

// INVAL: there is no such operation.
static dragon_err_t number_do(_Atomic int64_t *number, uint32_t what, int64_t operand,
                              int64_t *before_out)
{
    switch (what) {
    case DRAGON_ATOMIC_LOAD:
        *before_out = atomic_load(number);
        return DRAGON_OK;
    case DRAGON_ATOMIC_STORE:
    case DRAGON_ATOMIC_SWAP:
        *before_out = atomic_exchange(number, operand);
        return DRAGON_OK;
    case DRAGON_ATOMIC_ADD:
        *before_out = atomic_fetch_add(number, operand);
        return DRAGON_OK;
    case DRAGON_ATOMIC_AND:
        *before_out = atomic_fetch_and(number, operand);
        return DRAGON_OK;
    case DRAGON_ATOMIC_OR:
        *before_out = atomic_fetch_or(number, operand);
        return DRAGON_OK;
    case DRAGON_ATOMIC_XOR:
        *before_out = atomic_fetch_xor(number, operand);
        return DRAGON_OK;
    case DRAGON_ATOMIC_MIN:
        *before_out = keep_less(number, operand, true);
        return DRAGON_OK;
    case DRAGON_ATOMIC_MAX:
        *before_out = keep_less(number, operand, false);
        return DRAGON_OK;
    }
    return DRAGON_ERR_INVAL;
}

dragon_err_t sync_value_do(struct sync_step *step)
{
    _Atomic int64_t *number = value_number(step, step->a >> 8);
    uint32_t what = step->a & 0xff;
    int64_t before;
    if (!number || number_do(number, what, (int64_t)step->b, &before))
        return DRAGON_ERR_INVAL;
    // who waits for what it is already looks again, that is all
    if (what != DRAGON_ATOMIC_LOAD)
        space_wake_all(step->space, &step->sync->waiters);
    step->result = (uint64_t)before;
    return DRAGON_OK;
}

dragon_err_t sync_value_swap(struct sync_step *step)
{
    _Atomic int64_t *number = value_number(step, step->a);
    if (!number)
        return DRAGON_ERR_INVAL;
    int64_t before = (int64_t)step->b;
    if (atomic_compare_exchange_strong(number, &before, (int64_t)step->c))
        space_wake_all(step->space, &step->sync->waiters);
    step->result = (uint64_t)before;
    return DRAGON_OK;
}

dragon_err_t sync_value_change(struct sync_step *step)
{
    _Atomic int64_t *number = value_number(step, step->a);
    if (!number)
        return DRAGON_ERR_INVAL;
    int64_t now = atomic_load(number);
    if (now == (int64_t)step->b)
        return DRAGON_ERR_AGAIN;
    step->result = (uint64_t)now;
    return DRAGON_OK;
}

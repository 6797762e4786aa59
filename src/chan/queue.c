// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "chan/queue.h"

size_t queue_bytes(void)
{
    return 64;
}

void queue_init(struct queue_tasks *tasks)
{
    (void)tasks;
}

void queue_take(struct ring *ring, uint32_t slot, uint64_t position)
{
    (void)ring, (void)slot, (void)position;
}

void queue_lose(struct ring *ring, uint32_t slot, uint64_t position)
{
    (void)ring, (void)slot, (void)position;
}

void queue_recover(struct ring *ring, uint32_t dead)
{
    (void)ring, (void)dead;
}

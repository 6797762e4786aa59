// SPDX-License-Identifier: BSD-3-Clause
//
// Waits between the lives of a rank: see backoff.h.
#include "config.h"

#include "group/backoff.h"

enum { MOST_MS = 30000, LIVED_MS = 10000, LIVED_WAITS = 10 };

void backoff_up(struct backoff *backoff, uint64_t now_ms)
{
    backoff->up_ms = now_ms;
}

uint32_t backoff_next(struct backoff *backoff, uint32_t first_ms, uint64_t now_ms)
{
    uint64_t lived_ms = backoff->up_ms ? now_ms - backoff->up_ms : 0;
    uint64_t enough_ms = (uint64_t)backoff->wait_ms * LIVED_WAITS;
    if (enough_ms > LIVED_MS)
        enough_ms = LIVED_MS;
    uint64_t wait_ms = lived_ms >= enough_ms ? first_ms : 2 * (uint64_t)backoff->wait_ms;
    backoff->wait_ms = wait_ms < MOST_MS ? (uint32_t)wait_ms : MOST_MS;
    backoff->up_ms = 0;
    return backoff->wait_ms;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// How long a rank waits before it is started again: twice as long each time, so that one that cannot live costs little.
// One that has lived for 10 s, or ten times as long as it had to wait, begins with the first wait again. So a rank that
// fails now and then loses at most a tenth of its time.
#ifndef GROUP_BACKOFF_H
#define GROUP_BACKOFF_H

#include <stdint.h>

struct backoff {      // zeroed at first
    uint64_t up_ms;   // when its life began; 0: it has none
    uint32_t wait_ms; // before that; 0: it was not started again yet
};

void backoff_up(struct backoff *backoff, uint64_t now_ms);
// It has ended: how long it is to wait. first_ms: as was asked for.
uint32_t backoff_next(struct backoff *backoff, uint32_t first_ms, uint64_t now_ms);

#endif

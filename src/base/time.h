// SPDX-License-Identifier: BSD-3-Clause
//
// Time as milliseconds of the monotonic clock, and deadlines made of it.
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t time_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t time_now_ms(void)
{
    return time_now_ns() / 1000000u;
}

// How long until `deadline_ms`, for poll(): 0 when it is over.
static inline int time_left_ms(uint64_t deadline_ms)
{
    uint64_t now = time_now_ms();
    if (now >= deadline_ms)
        return 0;
    uint64_t left = deadline_ms - now;
    return left > 1000000000u ? 1000000000 : (int)left;
}

#endif

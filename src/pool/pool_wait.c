// SPDX-License-Identifier: BSD-3-Clause
//
// Waiting, in one place. As long as workers have tasks it is waited on the results channel alone for a moment, which is as
// quick as a channel is; then on a descriptor that stands for that channel, the runtime (whose events tell of ends), and
// a timer. The runtime is looked at every millisecond otherwise.
#include "config.h"

#include "pool/pool.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { LOOK_NS = 1000000, MOMENT_MS = 1, TURN_MESSAGES = 16 };

// ---- one turn

// Events of the group that are not handled yet: they come whenever the runtime's loop turns, in calls of others, too.
static bool has_noted(const struct dragon_pool *pool)
{
    return pool->end_count > 0 || (pool->group_ended && !pool->broken);
}

static void look_at_runtime(struct dragon_pool *pool)
{
    pool->looked_ns = time_now_ns();
    dragon_err_t err = dragon_runtime_progress(pool->runtime, 0);
    if (err != DRAGON_OK && err != DRAGON_ERR_TIMEOUT && err != DRAGON_ERR_AGAIN && !pool->over) {
        pool->over = true;
        pool->happened++;
        crew_fail_all(pool, DRAGON_ERR_PEER, "the runtime has ended");
        return;
    }
    lines_read(pool);
    mpi_turn(pool);
    limit_look(pool);
    if (!has_noted(pool))
        return;
    // All that they said before is in the channel.
    for (uint32_t i = 0; i < POOL_RESULTS_CAPACITY && pool_take(pool, 0) == DRAGON_OK; i++)
        ;
    crew_take_ends(pool);
}

// AGAIN: there was nothing to take.
static dragon_err_t turn(struct dragon_pool *pool)
{
    dragon_err_t err = DRAGON_OK;
    if (time_now_ns() - pool->looked_ns >= LOOK_NS)
        look_at_runtime(pool);
    for (uint32_t i = 0; i < TURN_MESSAGES && err == DRAGON_OK; i++)
        err = pool_take(pool, 0);
    pool_feed(pool, true);
    return err;
}

// ---- sleeping

static int least(int a, int b) // of times to wait, of which -1 is without limit
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

// How long it may be slept at most, whatever the caller wants.
static int most_ms(struct dragon_pool *pool)
{
    int ms = least(dragon_runtime_wait_ms(pool->runtime), mpi_sleep_ms(pool));
    ms = least(ms, limit_wait_ms(pool));
    if (pool->retry_ns) {
        uint64_t now = time_now_ns();
        ms = least(ms, pool->retry_ns > now ? (int)((pool->retry_ns - now) / 1000000) + 1 : 0);
    }
    return ms;
}

// Whether nothing is there; then the descriptor tells when something comes.
static bool is_quiet(struct dragon_pool *pool)
{
    dragon_ready_t ready;
    size_t count;
    return dragon_channel_set_wait_any(pool->set, &ready, 1, &count, 0) != DRAGON_OK;
}

static void set_timer(struct dragon_pool *pool, int ms)
{
    struct itimerspec when = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}};
    if (ms < 0)
        when.it_value = (struct timespec){0};
    else if (ms == 0)
        when.it_value.tv_nsec = 1;
    timerfd_settime(pool->timer, 0, &when, NULL);
}

void pool_wake(struct dragon_pool *pool)
{
    set_timer(pool, 0);
}

static void sleep_long(struct dragon_pool *pool, int left_ms)
{
    struct epoll_event event;
    set_timer(pool, most_ms(pool));
    if (is_quiet(pool) && !has_noted(pool))
        epoll_wait(pool->epoll, &event, 1, left_ms);
    pool->looked_ns = 0; // whatever it was
}

static void sleep_for(struct dragon_pool *pool, int left_ms)
{
    if (pool->given > 0) {
        uint64_t happened = pool->happened;
        dragon_err_t err = pool_take(pool, least(left_ms, MOMENT_MS));
        if (err == DRAGON_OK)
            return;
        look_at_runtime(pool);
        left_ms = left_ms > MOMENT_MS ? left_ms - MOMENT_MS : left_ms < 0 ? left_ms : 0;
        if (pool->retry_ns || pool->happened != happened)
            return;
    }
    sleep_long(pool, left_ms);
}

// ---- waiting for something

static dragon_err_t try_once(struct dragon_pool *pool, pool_ready_fn ready, void *arg)
{
    pool->looked_ns = 0;
    do {
        dragon_err_t err = turn(pool);
        if (ready(arg))
            return DRAGON_OK;
        if (err == DRAGON_OK)
            continue;
        if (pool->over)
            return DRAGON_ERR_PEER;
        set_timer(pool, most_ms(pool));
    } while (!is_quiet(pool) || has_noted(pool)); // its descriptor tells from now on
    return DRAGON_ERR_AGAIN;
}

dragon_err_t pool_wait(struct dragon_pool *pool, pool_ready_fn ready, void *arg, int timeout_ms)
{
    if (pool->inside)
        return DRAGON_ERR_STATE;
    if (timeout_ms == 0)
        return try_once(pool, ready, arg);
    uint64_t deadline_ms = 0;
    timeout_ms = timeout_ms == DRAGON_DEFAULT_TIMEOUT ? POOL_DEFAULT_MS : timeout_ms;
    while (true) {
        dragon_err_t err = turn(pool);
        if (ready(arg))
            return DRAGON_OK;
        if (err == DRAGON_OK)
            continue;
        if (pool->over)
            return DRAGON_ERR_PEER;
        int left_ms = -1;
        if (timeout_ms > 0) {
            if (deadline_ms == 0)
                deadline_ms = time_now_ms() + (uint64_t)timeout_ms;
            if ((left_ms = time_left_ms(deadline_ms)) == 0)
                return DRAGON_ERR_TIMEOUT;
        }
        sleep_for(pool, left_ms);
    }
}

// ---- the descriptor

static bool watch(struct dragon_pool *pool, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

dragon_err_t pool_wait_init(struct dragon_pool *pool, dragon_error_t *error)
{
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    pool->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (pool->epoll < 0 || !watch(pool, pool->timer) ||
        !watch(pool, dragon_channel_set_fd(pool->set)) ||
        !watch(pool, dragon_runtime_fd(pool->runtime)))
        return err_set_errno(error, errno, "no descriptor for the pool");
    return DRAGON_OK;
}

void pool_wait_fini(struct dragon_pool *pool)
{
    if (pool->epoll >= 0)
        close(pool->epoll);
    if (pool->timer >= 0)
        close(pool->timer);
}

int dragon_pool_fd(dragon_pool_t *pool)
{
    return pool_check(pool) == DRAGON_OK ? pool->epoll : -1;
}

struct progress {
    const struct dragon_pool *pool;
    uint64_t happened;
};

static bool has_happened(void *arg)
{
    const struct progress *progress = arg;
    return progress->pool->happened != progress->happened;
}

dragon_err_t dragon_pool_progress(dragon_pool_t *pool, int timeout_ms)
{
    dragon_err_t err = pool_check(pool);
    if (err != DRAGON_OK)
        return err;
    struct progress progress = {.pool = pool, .happened = pool->happened};
    err = pool_wait(pool, has_happened, &progress, timeout_ms);
    return pool->over ? DRAGON_ERR_PEER : err;
}

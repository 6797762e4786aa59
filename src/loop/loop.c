// SPDX-License-Identifier: BSD-3-Clause
//
// The event loop over libuv. The order of one turn: timers that are due; what was put off with
// loop_later (in the order it was added, new ones included); wait for descriptors or the next
// timer; handlers of ready descriptors; posts of other threads come as one of these.
//
// libuv frees a handle only after it is closed in a later turn. Each handle is therefore a small
// allocation of its own, which closing gives away: the user's destroy is complete at once.
#include "config.h"

#include "loop/loop.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

struct post {
    void (*fn)(void *arg);
    void *arg;
    struct post *next;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t before_wait;
    uv_async_t posted;
    uv_timer_t turn_limit;
    pthread_mutex_t posts_lock;
    struct post *posts, **posts_end; // guarded by posts_lock
    struct loop_later *later, **later_end;
    bool turning; // in loop_turn, which waits for nothing more once something was done
};

struct loop_timer {
    uv_timer_t uv;
    void (*fn)(void *arg);
    void *arg;
};

struct loop_watch {
    uv_poll_t uv;
    void (*fn)(void *arg, int events);
    void *arg;
    int uv_events; // what was asked for last
    int shared_fd; // -1, or watched through `inner`, an epoll descriptor of our own
    int inner;     // owned; libuv sets O_NONBLOCK on what it watches, on `inner` that hurts nobody
};

// Without this a turn that begins with a timer would do what is due and then wait all the same.
static void turn_is_done(struct loop *loop)
{
    if (loop->turning)
        uv_stop(&loop->uv);
}

static void on_before_wait(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    if (loop->later)
        turn_is_done(loop);
    loop_later_run(loop);
}

static void on_posted(uv_async_t *handle)
{
    struct loop *loop = handle->data;
    pthread_mutex_lock(&loop->posts_lock);
    struct post *post = loop->posts;
    loop->posts = NULL;
    loop->posts_end = &loop->posts;
    pthread_mutex_unlock(&loop->posts_lock);
    while (post) {
        struct post *next = post->next;
        post->fn(post->arg);
        free(post);
        post = next;
    }
}

static void on_turn_limit(uv_timer_t *handle)
{
    // libuv runs what is due before it waits, too: then there would be nothing left to wake it.
    turn_is_done(handle->data);
}

// libuv aborts when a descriptor of its own is one of the standard three, which happens in a program
// that has closed them.
static int init_above_streams(uv_loop_t *uv)
{
    int held[STDERR_FILENO + 1], count = 0, fd;
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
        held[count++] = fd;
    if (fd >= 0)
        close(fd);
    int result = uv_loop_init(uv);
    while (count > 0)
        close(held[--count]);
    return result;
}

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    if (init_above_streams(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    pthread_mutex_init(&loop->posts_lock, NULL);
    loop->posts_end = &loop->posts;
    loop->later_end = &loop->later;
    loop->uv.data = loop;
    loop->before_wait.data = loop;
    loop->posted.data = loop;
    uv_prepare_init(&loop->uv, &loop->before_wait);
    uv_prepare_start(&loop->before_wait, on_before_wait);
    uv_timer_init(&loop->uv, &loop->turn_limit);
    loop->turn_limit.data = loop;
    if (uv_async_init(&loop->uv, &loop->posted, on_posted) != 0) {
        loop->posted.data = NULL;
        loop_destroy(loop);
        return NULL;
    }
    return loop;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    loop_later_run(loop);
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->posts_lock);
    for (struct post *post = loop->posts, *next; post; post = next) {
        next = post->next;
        free(post);
    }
    free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_turn(struct loop *loop, int timeout_ms)
{
    if (timeout_ms == 0) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        return;
    }
    if (timeout_ms > 0) {
        uv_update_time(&loop->uv);
        uv_timer_start(&loop->turn_limit, on_turn_limit, (uint64_t)timeout_ms, 0);
    }
    loop->turning = true;
    uv_run(&loop->uv, UV_RUN_ONCE);
    loop->turning = false;
    uv_timer_stop(&loop->turn_limit);
}

int loop_fd(const struct loop *loop)
{
    return uv_backend_fd(&loop->uv);
}

int loop_wait_ms(struct loop *loop)
{
    uv_update_time(&loop->uv);
    return uv_backend_timeout(&loop->uv);
}

bool loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *post = malloc(sizeof *post);
    if (!post)
        return false;
    *post = (struct post){.fn = fn, .arg = arg};
    pthread_mutex_lock(&loop->posts_lock);
    *loop->posts_end = post;
    loop->posts_end = &post->next;
    pthread_mutex_unlock(&loop->posts_lock);
    uv_async_send(&loop->posted);
    return true;
}

void loop_later_add(struct loop *loop, struct loop_later *later)
{
    if (later->queued)
        return;
    later->queued = true;
    later->next = NULL;
    *loop->later_end = later;
    loop->later_end = &later->next;
}

void loop_later_cancel(struct loop *loop, struct loop_later *later)
{
    if (!later->queued)
        return;
    for (struct loop_later **at = &loop->later; *at; at = &(*at)->next) {
        if (*at != later)
            continue;
        *at = later->next;
        if (!*at)
            loop->later_end = at;
        break;
    }
    later->queued = false;
}

void loop_later_run(struct loop *loop)
{
    while (loop->later) {
        struct loop_later *later = loop->later;
        loop->later = later->next;
        if (!loop->later)
            loop->later_end = &loop->later;
        later->queued = false;
        later->fn(later->arg);
    }
}

static void free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
    struct loop_timer *timer = handle->data;
    turn_is_done(handle->loop->data);
    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_create(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (!timer)
        return NULL;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    timer->fn = fn;
    timer->arg = arg;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t ms)
{
    uv_update_time(timer->uv.loop); // else a long handler would make it fire early
    uv_timer_start(&timer->uv, on_timer, ms, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void loop_timer_destroy(struct loop_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, free_handle);
}

static int events_of_uv(int status, int uv_events)
{
    // An error or a hang-up shows as both: reading or writing then tells what it is.
    if (status < 0)
        return LOOP_READ | LOOP_WRITE;
    return (uv_events & (UV_READABLE | UV_DISCONNECT) ? LOOP_READ : 0) |
           (uv_events & UV_WRITABLE ? LOOP_WRITE : 0);
}

static int events_of_inner(int inner)
{
    struct epoll_event event;
    if (epoll_wait(inner, &event, 1, 0) != 1)
        return 0;
    int broken = event.events & (EPOLLERR | EPOLLHUP);
    return (broken || event.events & EPOLLIN ? LOOP_READ : 0) |
           (broken || event.events & EPOLLOUT ? LOOP_WRITE : 0);
}

static void on_ready(uv_poll_t *handle, int status, int uv_events)
{
    struct loop_watch *watch = handle->data;
    // After an error libuv stops watching. Data may still be there before the error or the end shows
    // in a read, so go on: whoever reads to the end destroys the watch.
    if (status < 0)
        uv_poll_start(handle, watch->uv_events, on_ready);
    int events =
        watch->shared_fd >= 0 ? events_of_inner(watch->inner) : events_of_uv(status, uv_events);
    if (events)
        watch->fn(watch->arg, events);
}

struct loop_watch *loop_watch_create(struct loop *loop, int fd, void (*fn)(void *arg, int events),
                                     void *arg)
{
    struct loop_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    if (uv_poll_init(&loop->uv, &watch->uv, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->uv.data = watch;
    watch->fn = fn;
    watch->arg = arg;
    watch->shared_fd = watch->inner = -1;
    return watch;
}

struct loop_watch *loop_watch_create_shared(struct loop *loop, int fd,
                                            void (*fn)(void *arg, int events), void *arg)
{
    int inner = epoll_create1(EPOLL_CLOEXEC);
    if (inner < 0)
        return NULL;
    struct epoll_event none = {.events = 0};
    struct loop_watch *watch = NULL;
    if (epoll_ctl(inner, EPOLL_CTL_ADD, fd, &none) == 0)
        watch = loop_watch_create(loop, inner, fn, arg);
    if (!watch) {
        int problem = errno;
        close(inner);
        errno = problem;
        return NULL;
    }
    watch->shared_fd = fd;
    watch->inner = inner;
    return watch;
}

static void set_inner(struct loop_watch *watch, int events)
{
    struct epoll_event wanted = {.events = (events & LOOP_READ ? EPOLLIN : 0u) |
                                           (events & LOOP_WRITE ? EPOLLOUT : 0u)};
    // An epoll entry reports a hang-up even when it asks for nothing, so "nothing" is no entry.
    epoll_ctl(watch->inner, EPOLL_CTL_DEL, watch->shared_fd, NULL);
    if (events)
        epoll_ctl(watch->inner, EPOLL_CTL_ADD, watch->shared_fd, &wanted);
}

void loop_watch_set(struct loop_watch *watch, int events)
{
    int uv_events =
        (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0);
    if (watch->shared_fd >= 0) {
        set_inner(watch, events);
        uv_events = events ? UV_READABLE : 0;
    }
    watch->uv_events = uv_events;
    if (uv_events)
        uv_poll_start(&watch->uv, uv_events, on_ready);
    else
        uv_poll_stop(&watch->uv);
}

void loop_watch_destroy(struct loop_watch *watch)
{
    if (!watch)
        return;
    uv_close((uv_handle_t *)&watch->uv, free_handle);
    if (watch->inner >= 0)
        close(watch->inner);
}

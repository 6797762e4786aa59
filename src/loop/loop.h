// SPDX-License-Identifier: BSD-3-Clause
//
// The face of loop/: one event loop per thread. Everything that belongs to a loop is touched by its
// thread only; another thread may call loop_post and nothing else. The loop is libuv's, and
// loop.c is the one file that knows it.
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

// NULL when memory or descriptors are out. Destroying runs what was deferred, and closes what the
// loop still holds; the caller has destroyed its timers and watches before.
struct loop *loop_create(void);
void loop_destroy(struct loop *loop);

// Runs until loop_stop is called from a handler.
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

// One turn: waits at most `timeout_ms` (-1: without limit) for something to do, and does it.
void loop_turn(struct loop *loop, int timeout_ms);

// For use inside another loop: poll `loop_fd` for reading, at most loop_wait_ms, then turn with 0.
int loop_fd(const struct loop *loop);
int loop_wait_ms(struct loop *loop); // -1: no timer is set

// From any thread: `fn(arg)` runs in a later turn. Posts of one thread keep their order.
// False when memory is out: then it will not run.
bool loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

// Something to do once before the loop next waits. The struct is the caller's; adding it again
// before it ran changes nothing.
struct loop_later {
    void (*fn)(void *arg);
    void *arg;
    struct loop_later *next;
    bool queued;
};
void loop_later_add(struct loop *loop, struct loop_later *later);
void loop_later_cancel(struct loop *loop, struct loop_later *later);
void loop_later_run(struct loop *loop); // now, for calls that come from outside the loop

// A timer fires once, unless started again.
struct loop_timer;
struct loop_timer *loop_timer_create(struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_start(struct loop_timer *timer, uint64_t ms); // from now on, whatever was set
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_destroy(struct loop_timer *timer); // NULL is fine; its fn does not run any more

// A watched descriptor. The watch does not own it; destroy the watch before closing it.
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_watch;
struct loop_watch *loop_watch_create(struct loop *loop, int fd, void (*fn)(void *arg, int events),
                                     void *arg);
// The same for a descriptor that others share (our standard input, say): its flags stay as they are,
// so that reads and writes may block unless told ready. NULL with errno EPERM for a file, which is
// always ready and cannot be watched.
struct loop_watch *loop_watch_create_shared(struct loop *loop, int fd,
                                            void (*fn)(void *arg, int events), void *arg);
void loop_watch_set(struct loop_watch *watch, int events); // 0: none for now
void loop_watch_destroy(struct loop_watch *watch); // NULL is fine; its fn does not run any more

#endif

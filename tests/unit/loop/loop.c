// SPDX-License-Identifier: BSD-3-Clause
//
// The loop: the order of one turn, and what a watch tells of a descriptor.
#include "config.h"

#include "base/base.h"
#include "loop/loop.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

static struct {
    struct loop *loop;
    char said[256];
    struct loop_timer *timer;
    struct loop_watch *watch, *other_watch;
    struct loop_later later[4];
    int fd, events, calls;
} the;

static void say(const char *text)
{
    size_t used = strlen(the.said);
    snprintf(the.said + used, sizeof the.said - used, "%s", text);
}

static void on_said(void *arg)
{
    say(arg);
}

static void set_up(void)
{
    the.loop = loop_create();
    cr_assert_not_null(the.loop);
}

static void tear_down(void)
{
    loop_timer_destroy(the.timer);
    loop_watch_destroy(the.watch);
    loop_watch_destroy(the.other_watch);
    loop_destroy(the.loop);
}

TestSuite(loop, .init = set_up, .fini = tear_down);

// Turns until `text` has been said.
static void wait_said(const char *text)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (strlen(the.said) < strlen(text) && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect_str_eq(the.said, text);
}

// ---- timers

Test(loop, timers_fire_once_in_order_and_not_early)
{
    uint64_t start = time_now_ms();
    struct loop_timer *second = loop_timer_create(the.loop, on_said, "2");
    struct loop_timer *first = loop_timer_create(the.loop, on_said, "1");
    loop_timer_start(second, 40);
    loop_timer_start(first, 20);
    wait_said("12");
    cr_expect_geq(time_now_ms() - start, 39);
    loop_turn(the.loop, 50);
    cr_expect_str_eq(the.said, "12");
    loop_timer_destroy(first);
    loop_timer_destroy(second);
}

Test(loop, a_timer_started_again_counts_from_then)
{
    the.timer = loop_timer_create(the.loop, on_said, "x");
    loop_timer_start(the.timer, 0);
    loop_timer_start(the.timer, 30000);
    loop_turn(the.loop, 5);
    cr_expect_str_eq(the.said, "");
    loop_timer_start(the.timer, 0);
    wait_said("x");
}

Test(loop, stopped_and_destroyed_timers_do_not_fire)
{
    struct loop_timer *gone = loop_timer_create(the.loop, on_said, "gone");
    the.timer = loop_timer_create(the.loop, on_said, "stopped");
    loop_timer_start(gone, 0);
    loop_timer_start(the.timer, 0);
    loop_timer_destroy(gone);
    loop_timer_destroy(NULL);
    loop_timer_stop(the.timer);
    loop_turn(the.loop, 5);
    loop_turn(the.loop, 5);
    cr_expect_str_eq(the.said, "");
}

static void on_slow(void *arg)
{
    uint64_t until = time_now_ms() + 30;
    while (time_left_ms(until) > 0)
        ;
    loop_timer_start(the.timer, 20);
    *(uint64_t *)arg = time_now_ms();
}

Test(loop, a_timer_is_not_early_after_a_long_handler)
{
    uint64_t started = 0;
    struct loop_timer *slow = loop_timer_create(the.loop, on_slow, &started);
    the.timer = loop_timer_create(the.loop, on_said, "x");
    loop_timer_start(slow, 0);
    wait_said("x");
    cr_expect_geq(time_now_ms() - started, 19);
    loop_timer_destroy(slow);
}

static void on_timer_destroys_itself(void *arg)
{
    (void)arg;
    loop_timer_destroy(the.timer);
    the.timer = NULL;
    say("x");
}

Test(loop, a_timer_may_destroy_itself)
{
    the.timer = loop_timer_create(the.loop, on_timer_destroys_itself, NULL);
    loop_timer_start(the.timer, 0);
    wait_said("x");
    loop_turn(the.loop, 0);
}

// ---- turns

Test(loop, a_turn_ends_at_its_time)
{
    uint64_t start = time_now_ms();
    loop_turn(the.loop, 30);
    uint64_t took = time_now_ms() - start;
    cr_expect(took >= 29 && took < PATIENCE_MS, "%llu ms", (unsigned long long)took);
    start = time_now_ms();
    loop_turn(the.loop, 0);
    cr_expect_lt(time_now_ms() - start, PATIENCE_MS);
}

// In place of libuv's: as if we had been held up on the way to it.
int uv_run(void *uv, int mode);
static int held_up_ms;
int uv_run(void *uv, int mode)
{
    static int (*real)(void *, int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "uv_run");
    poll(NULL, 0, held_up_ms);
    return real(uv, mode);
}

Test(loop, a_turn_ends_at_its_time_that_is_over_when_it_begins, .timeout = 10)
{
    held_up_ms = 20;
    loop_turn(the.loop, 1);
    loop_turn(the.loop, 1);
    held_up_ms = 0;
    loop_turn(the.loop, 1);
}

static void on_said_later(void *arg)
{
    the.later[0] = (struct loop_later){.fn = on_said, .arg = arg};
    loop_later_add(the.loop, &the.later[0]);
}

Test(loop, a_turn_that_did_something_does_not_wait)
{
    uint64_t start = time_now_ms();
    the.timer = loop_timer_create(the.loop, on_said, "timer ");
    loop_timer_start(the.timer, 0);
    loop_turn(the.loop, PATIENCE_MS);
    cr_expect_str_eq(the.said, "timer ");
    on_said_later("later");
    loop_turn(the.loop, PATIENCE_MS);
    cr_expect_str_eq(the.said, "timer later");
    cr_expect_lt(time_now_ms() - start, PATIENCE_MS / 2);
}

static void on_stop(void *arg)
{
    loop_stop(the.loop);
    say(arg);
}

Test(loop, run_goes_on_until_stop)
{
    struct loop_timer *stop = loop_timer_create(the.loop, on_stop, "stop");
    the.timer = loop_timer_create(the.loop, on_said, "one ");
    loop_timer_start(the.timer, 0);
    loop_timer_start(stop, 20);
    loop_run(the.loop);
    cr_expect_str_eq(the.said, "one stop");
    loop_timer_destroy(stop);
}

Test(loop, destroying_nothing_and_an_empty_one)
{
    loop_destroy(NULL);
    struct loop *loop = loop_create();
    loop_destroy(loop);
}

// ---- later

static void later_add(int i, char *text)
{
    the.later[i] = (struct loop_later){.fn = on_said, .arg = text};
    loop_later_add(the.loop, &the.later[i]);
}

Test(loop, later_keeps_its_order)
{
    later_add(2, "a");
    later_add(0, "b");
    later_add(1, "c");
    loop_later_add(the.loop, &the.later[2]); // it waits already
    cr_expect_str_eq(the.said, "");
    loop_turn(the.loop, 0);
    cr_expect_str_eq(the.said, "abc");
    loop_turn(the.loop, 0);
    cr_expect_str_eq(the.said, "abc");
}

Test(loop, later_can_be_cancelled_wherever_it_waits)
{
    for (int out = 0; out < 3; out++) {
        char wanted[8] = "abcd";
        memmove(wanted + out, wanted + out + 1, 4 - (size_t)out);
        the.said[0] = 0;
        later_add(0, "a");
        later_add(1, "b");
        later_add(2, "c");
        loop_later_cancel(the.loop, &the.later[out]);
        loop_later_cancel(the.loop, &the.later[out]);
        later_add(3, "d"); // at the end, also when the last one was taken out
        loop_turn(the.loop, 0);
        cr_expect_str_eq(the.said, wanted);
    }
}

static void on_later_adds(void *arg)
{
    say(arg);
    later_add(1, "new");
}

Test(loop, what_later_adds_runs_in_the_same_turn)
{
    the.later[0] = (struct loop_later){.fn = on_later_adds, .arg = "old "};
    loop_later_add(the.loop, &the.later[0]);
    later_add(2, "other ");
    loop_turn(the.loop, 0);
    cr_expect_str_eq(the.said, "old other new");
}

static void on_later_cancels(void *arg)
{
    say(arg);
    loop_later_cancel(the.loop, &the.later[1]);
}

Test(loop, later_may_cancel_the_next)
{
    the.later[0] = (struct loop_later){.fn = on_later_cancels, .arg = "one"};
    loop_later_add(the.loop, &the.later[0]);
    later_add(1, "two");
    loop_turn(the.loop, 0);
    cr_expect_str_eq(the.said, "one");
}

Test(loop, later_runs_before_the_loop_waits_and_at_the_end)
{
    later_add(0, "x");
    loop_later_run(the.loop);
    cr_expect_str_eq(the.said, "x");
    later_add(0, "y");
    loop_destroy(the.loop);
    the.loop = NULL;
    cr_expect_str_eq(the.said, "xy");
}

static void on_order_ready(void *arg, int events)
{
    (void)events;
    say(arg);
    loop_watch_set(the.watch, 0);
}

Test(loop, the_order_of_a_turn)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    cr_assert(write(pair[1], "x", 1) == 1);
    the.watch = loop_watch_create(the.loop, pair[0], on_order_ready, "descriptor ");
    loop_watch_set(the.watch, LOOP_READ);
    later_add(0, "later ");
    the.timer = loop_timer_create(the.loop, on_said, "timer ");
    loop_timer_start(the.timer, 0);
    loop_turn(the.loop, 100);
    cr_expect_str_eq(the.said, "timer later descriptor ");
    loop_watch_destroy(the.watch);
    the.watch = NULL;
    close(pair[0]);
    close(pair[1]);
}

// ---- posts of other threads

enum { POSTS = 2000, THREADS = 3 };

static struct poster {
    pthread_t thread;
    int next, sent[POSTS];
    bool in_order;
} the_posters[THREADS];

static void on_post(void *arg)
{
    int *sent = arg;
    for (int i = 0; i < THREADS; i++) {
        struct poster *poster = &the_posters[i];
        if (sent >= poster->sent && sent < poster->sent + POSTS)
            poster->in_order &= *sent == poster->next++;
    }
    the.calls++;
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < POSTS; i++) {
        poster->sent[i] = i;
        if (!loop_post(the.loop, on_post, &poster->sent[i]))
            return NULL;
    }
    return NULL;
}

Test(loop, posts_of_a_thread_keep_their_order)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    for (int i = 0; i < THREADS; i++) {
        the_posters[i].in_order = true;
        cr_assert(pthread_create(&the_posters[i].thread, NULL, post_many, &the_posters[i]) == 0);
    }
    while (the.calls < THREADS * POSTS && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(the_posters[i].thread, NULL);
        cr_expect(the_posters[i].in_order);
        cr_expect_eq(the_posters[i].next, POSTS);
    }
}

static void *post_once(void *arg)
{
    loop_post(the.loop, on_stop, arg);
    return NULL;
}

Test(loop, a_post_wakes_a_loop_that_waits)
{
    pthread_t thread;
    the.timer = loop_timer_create(the.loop, on_stop, "too late");
    loop_timer_start(the.timer, PATIENCE_MS);
    pthread_create(&thread, NULL, post_once, "posted");
    loop_run(the.loop);
    pthread_join(thread, NULL);
    cr_expect_str_eq(the.said, "posted");
}

static void on_post_posts(void *arg)
{
    say(arg);
    loop_post(the.loop, on_said, "second");
}

Test(loop, a_post_may_post_and_unread_ones_are_freed)
{
    loop_post(the.loop, on_post_posts, "first ");
    wait_said("first second");
    loop_post(the.loop, on_said, "never");
    loop_destroy(the.loop);
    the.loop = NULL;
    cr_expect_str_eq(the.said, "first second");
}

// ---- watches

static void on_ready(void *arg, int events)
{
    (void)arg;
    the.events |= events;
    the.calls++;
}

// The events of at most `ms`; 0: nothing happened.
static int events_within(int ms)
{
    uint64_t deadline = time_now_ms() + (uint64_t)ms;
    the.events = 0;
    do
        loop_turn(the.loop, time_left_ms(deadline));
    while (!the.events && time_left_ms(deadline) > 0);
    return the.events;
}

static void check_read_and_write(struct loop_watch *create(struct loop *, int,
                                                           void (*)(void *, int), void *))
{
    int pair[2];
    char byte;
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    the.watch = create(the.loop, pair[0], on_ready, NULL);
    cr_assert_not_null(the.watch);
    cr_expect_eq(events_within(5), 0, "nothing was asked for");
    loop_watch_set(the.watch, LOOP_WRITE);
    cr_expect_eq(events_within(PATIENCE_MS), LOOP_WRITE);
    loop_watch_set(the.watch, LOOP_READ);
    cr_expect_eq(events_within(5), 0);
    cr_assert(write(pair[1], "x", 1) == 1);
    cr_expect_eq(events_within(PATIENCE_MS), LOOP_READ);
    cr_expect_eq(events_within(PATIENCE_MS), LOOP_READ, "it is still there");
    loop_watch_set(the.watch, LOOP_READ | LOOP_WRITE);
    cr_expect_eq(events_within(PATIENCE_MS), LOOP_READ | LOOP_WRITE);
    cr_assert(read(pair[0], &byte, 1) == 1);
    cr_expect_eq(events_within(PATIENCE_MS), LOOP_WRITE);
    loop_watch_set(the.watch, 0);
    close(pair[1]);
    cr_expect_eq(events_within(5), 0, "nothing was asked for, so the hang-up waits");
    loop_watch_set(the.watch, LOOP_READ);
    cr_expect(events_within(PATIENCE_MS) & LOOP_READ, "the end shows as something to read");
    loop_watch_destroy(the.watch);
    the.watch = NULL;
    close(pair[0]);
}

Test(loop, watch_reads_and_writes)
{
    check_read_and_write(loop_watch_create);
}

Test(loop, shared_watch_reads_and_writes)
{
    check_read_and_write(loop_watch_create_shared);
}

Test(loop, a_shared_watch_leaves_the_flags_alone)
{
    int pair[2], sockets[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    const int fds[] = {pair[0], pair[1], sockets[0]};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        int before = fcntl(fds[i], F_GETFL);
        the.watch = loop_watch_create_shared(the.loop, fds[i], on_ready, NULL);
        cr_assert_not_null(the.watch);
        loop_watch_set(the.watch, LOOP_READ | LOOP_WRITE);
        loop_turn(the.loop, 5);
        cr_expect_eq(fcntl(fds[i], F_GETFL), before);
        cr_expect(!(before & O_NONBLOCK));
        loop_watch_destroy(the.watch);
        the.watch = NULL;
        cr_expect_eq(fcntl(fds[i], F_GETFL), before);
        close(fds[i]);
    }
    close(sockets[1]);
}

Test(loop, a_file_cannot_be_watched)
{
    FILE *file = tmpfile();
    errno = 0;
    cr_expect_null(loop_watch_create_shared(the.loop, fileno(file), on_ready, NULL));
    cr_expect_eq(errno, EPERM);
    cr_expect_null(loop_watch_create(the.loop, fileno(file), on_ready, NULL));
    fclose(file);
    errno = 0;
    cr_expect_null(loop_watch_create_shared(the.loop, 1 << 20, on_ready, NULL));
    cr_expect_eq(errno, EBADF);
}

static void on_ready_reads(void *arg, int events)
{
    char data[16];
    (void)arg;
    if (!(events & LOOP_READ))
        return;
    ssize_t got = recv(the.fd, data, sizeof data, MSG_DONTWAIT);
    if (got > 0)
        say("data ");
    else if (got == 0 || errno != EAGAIN) {
        say(got == 0 ? "end" : "error");
        loop_watch_set(the.watch, 0);
    }
}

// A Unix peer that closes with unread data makes an EPOLLERR, after which libuv stops watching.
static void check_peer_closes_with_unread_data(
    struct loop_watch *create(struct loop *, int, void (*)(void *, int), void *), int wanted)
{
    int pair[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    the.fd = pair[0];
    the.watch = create(the.loop, pair[0], on_ready_reads, NULL);
    loop_watch_set(the.watch, wanted);
    cr_assert(write(pair[0], "unread", 6) == 6);
    cr_assert(write(pair[1], "its reason", 10) == 10);
    close(pair[1]);
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!strstr(the.said, "end") && !strstr(the.said, "error") && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect(strncmp(the.said, "data ", 5) == 0, "said: %s", the.said);
    cr_expect(strstr(the.said, "end") || strstr(the.said, "error"), "said: %s", the.said);
    loop_watch_destroy(the.watch);
    the.watch = NULL;
    close(pair[0]);
}

Test(loop, a_peer_that_closes_with_unread_data)
{
    check_peer_closes_with_unread_data(loop_watch_create, LOOP_READ);
}

Test(loop, a_peer_that_closes_with_unread_data_while_we_write)
{
    check_peer_closes_with_unread_data(loop_watch_create, LOOP_READ | LOOP_WRITE);
}

Test(loop, a_peer_that_closes_with_unread_data_seen_through_a_shared_watch)
{
    check_peer_closes_with_unread_data(loop_watch_create_shared, LOOP_READ);
}

Test(loop, a_pipe_whose_reader_goes)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
    char junk[4096] = "";
    while (write(pair[1], junk, sizeof junk) > 0)
        ;
    the.watch = loop_watch_create(the.loop, pair[1], on_ready, NULL);
    loop_watch_set(the.watch, LOOP_WRITE);
    cr_expect_eq(events_within(5), 0, "the pipe is full");
    close(pair[0]);
    for (int i = 0; i < 3; i++) // until somebody acts on it
        cr_expect(events_within(PATIENCE_MS) & LOOP_WRITE);
    loop_watch_destroy(the.watch);
    the.watch = NULL;
    close(pair[1]);
}

static void on_ready_destroys(void *arg, int events)
{
    (void)arg;
    (void)events;
    say("x");
    loop_watch_destroy(the.watch);
    loop_watch_destroy(the.other_watch);
    the.watch = the.other_watch = NULL;
}

// Both are ready in the same turn; whoever comes first takes both away.
static void check_destroy_inside(struct loop_watch *create(struct loop *, int,
                                                           void (*)(void *, int), void *))
{
    int one[2], two[2];
    cr_assert(pipe2(one, O_CLOEXEC) == 0 && pipe2(two, O_CLOEXEC) == 0);
    cr_assert(write(one[1], "x", 1) == 1 && write(two[1], "x", 1) == 1);
    the.watch = create(the.loop, one[0], on_ready_destroys, NULL);
    the.other_watch = create(the.loop, two[0], on_ready_destroys, NULL);
    loop_watch_set(the.watch, LOOP_READ);
    loop_watch_set(the.other_watch, LOOP_READ);
    wait_said("x");
    loop_turn(the.loop, 5);
    cr_expect_str_eq(the.said, "x");
    close(one[0]);
    close(one[1]);
    close(two[0]);
    close(two[1]);
}

Test(loop, destroy_inside_a_handler)
{
    check_destroy_inside(loop_watch_create);
}

Test(loop, destroy_shared_inside_a_handler)
{
    check_destroy_inside(loop_watch_create_shared);
}

Test(loop, a_watch_that_was_stopped_by_another_handler_stays_silent)
{
    int one[2];
    cr_assert(pipe2(one, O_CLOEXEC) == 0);
    cr_assert(write(one[1], "x", 1) == 1);
    the.watch = loop_watch_create(the.loop, one[0], on_ready, NULL);
    loop_watch_set(the.watch, LOOP_READ);
    loop_watch_set(the.watch, 0);
    cr_expect_eq(events_within(5), 0);
    loop_watch_set(the.watch, LOOP_READ);
    cr_expect_eq(events_within(PATIENCE_MS), LOOP_READ);
    loop_watch_destroy(the.watch);
    the.watch = NULL;
    loop_watch_destroy(NULL);
    close(one[0]);
    close(one[1]);
}

// ---- inside another loop

// As a program does that has a loop of its own: the descriptor is polled for reading.
static bool poll_and_turn(void)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!the.said[0] && !the.events && time_left_ms(deadline) > 0) {
        int wait = loop_wait_ms(the.loop), left = time_left_ms(deadline);
        struct pollfd outer = {.fd = loop_fd(the.loop), .events = POLLIN};
        poll(&outer, 1, wait < 0 || wait > left ? left : wait);
        loop_turn(the.loop, 0);
    }
    return time_left_ms(deadline) > 0;
}

Test(loop, polled_from_outside)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    loop_turn(the.loop, 0);
    cr_expect_eq(loop_wait_ms(the.loop), -1);
    the.timer = loop_timer_create(the.loop, on_said, "timer");
    loop_timer_start(the.timer, 20);
    int wait = loop_wait_ms(the.loop);
    cr_expect(wait > 0 && wait <= 20);
    cr_expect(poll_and_turn());
    cr_expect_str_eq(the.said, "timer");

    the.said[0] = 0;
    the.watch = loop_watch_create(the.loop, pair[1], on_ready, NULL);
    loop_watch_set(the.watch, LOOP_WRITE); // the kernel hears of this in the next turn only
    cr_expect(poll_and_turn());
    cr_expect_eq(the.events, LOOP_WRITE);

    the.events = 0;
    loop_watch_set(the.watch, 0);
    loop_post(the.loop, on_said, "posted");
    cr_expect(poll_and_turn());
    cr_expect_str_eq(the.said, "posted");
    loop_watch_destroy(the.watch);
    the.watch = NULL;
    close(pair[0]);
    close(pair[1]);
}

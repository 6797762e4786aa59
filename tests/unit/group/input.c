// SPDX-License-Identifier: BSD-3-Clause
//
// Input of a rank: bytes in, a pipe out, and what is told of them.
#include "config.h"

#include "group/input.h"

#include "group/proto.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static struct {
    struct loop *loop;
    struct input input;
    int out; // what the rank reads from
    uint64_t told;
    uint32_t calls;
} the;

static void on_taken(void *arg, struct input *input, uint32_t bytes)
{
    cr_expect(arg == &the && input == &the.input);
    the.told += bytes;
    the.calls++;
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    the.loop = loop_create();
    the.out = -1;
    input_init(&the.input, 4, on_taken, &the);
}

static void tear_down(void)
{
    input_fini(&the.input);
    if (the.out >= 0)
        close(the.out);
    loop_destroy(the.loop);
}

TestSuite(group_input, .init = set_up, .fini = tear_down);

static void open_pipe(void)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    the.out = pair[0];
    fcntl(the.out, F_SETFL, O_NONBLOCK);
    cr_assert(input_open(&the.input, the.loop, pair[1]));
}

// What the rank finds, at most `length` bytes; -1 at the end of its input.
static ssize_t rank_reads(char *data, size_t length)
{
    size_t used = 0;
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (used < length && time_left_ms(deadline) > 0) {
        ssize_t got = read(the.out, data + used, length - used);
        if (got == 0)
            return used ? (ssize_t)used : -1;
        if (got > 0)
            used += (size_t)got;
        else
            loop_turn(the.loop, 1);
    }
    return (ssize_t)used;
}

Test(group_input, what_comes_before_the_pipe_waits)
{
    char text[16] = "";
    cr_expect(input_add(&the.input, "one", 3));
    cr_expect(input_add(&the.input, " two", 4));
    cr_expect_eq(the.told, 0);
    open_pipe();
    cr_expect_eq(rank_reads(text, 7), 7);
    cr_expect_str_eq(text, "one two");
    cr_expect_eq(the.told, 7);
    cr_expect_eq(the.input.taken, 7);
}

Test(group_input, the_end)
{
    char text[16] = "";
    open_pipe();
    input_add(&the.input, "last", 4);
    input_add(&the.input, NULL, 0);
    cr_expect_eq(rank_reads(text, sizeof text), 4);
    cr_expect_eq(rank_reads(text, sizeof text), -1);
    cr_expect(input_is_closed(&the.input));
}

Test(group_input, the_end_before_the_pipe)
{
    char text[16];
    input_add(&the.input, NULL, 0);
    cr_expect(!input_is_closed(&the.input));
    open_pipe();
    cr_expect_eq(rank_reads(text, sizeof text), -1);
}

Test(group_input, no_more_than_the_window_waits)
{
    static char data[GROUP_INPUT_WINDOW + 1];
    cr_expect(!input_add(&the.input, data, sizeof data));
    cr_expect(input_add(&the.input, data, GROUP_INPUT_WINDOW - 1));
    cr_expect(input_add(&the.input, data, 1));
    cr_expect(!input_add(&the.input, data, 1));
    cr_expect_eq(the.input.waiting.length, GROUP_INPUT_WINDOW);
}

// Ten windows through a reader that is never quite done: every byte comes, and nothing piles up.
Test(group_input, much)
{
    enum { ALL = 10 * GROUP_INPUT_WINDOW, STEP = 1000 };
    static char data[STEP], text[STEP];
    size_t given = 0, got = 0;
    open_pipe();
    while (got < ALL) {
        while (given < ALL && given - the.told + STEP <= GROUP_INPUT_WINDOW) {
            for (size_t i = 0; i < STEP; i++)
                data[i] = (char)((given + i) % 251);
            cr_assert(input_add(&the.input, data, STEP));
            given += STEP;
        }
        if (given + STEP > ALL && the.told == given)
            break;
        ssize_t part = rank_reads(text, STEP);
        cr_assert_gt(part, 0);
        for (ssize_t i = 0; i < part; i++)
            cr_assert_eq((unsigned char)text[i], (got + (size_t)i) % 251);
        got += (size_t)part;
        cr_assert_leq(the.input.waiting.room, 8 * GROUP_INPUT_WINDOW);
        loop_turn(the.loop, 0);
    }
    cr_expect_eq(the.told, given);
}

Test(group_input, a_reader_that_closes_has_taken_all)
{
    static char data[GROUP_INPUT_WINDOW];
    open_pipe();
    input_add(&the.input, data, sizeof data);
    input_add(&the.input, data, 1000);
    close(the.out);
    the.out = -1;
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!input_is_closed(&the.input) && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect(input_is_closed(&the.input));
    cr_expect_eq(the.told, sizeof data + 1000);
    cr_expect(input_add(&the.input, data, 5));
    cr_expect_eq(the.told, sizeof data + 1005);
}

Test(group_input, closing_tells_once)
{
    input_add(&the.input, "text", 4);
    input_close(&the.input);
    cr_expect(the.told == 4 && the.calls == 1);
    input_close(&the.input);
    cr_expect_eq(the.calls, 1);
}

Test(group_input, closing_is_told_when_nothing_waits)
{
    open_pipe();
    input_close(&the.input);
    cr_expect(the.told == 0 && the.calls == 1, "others may have waited for this reader");
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Output of ranks: pipes in, messages to the owner out. The tree has one node, which is the owner too.
#include "config.h"

#include "group/output.h"

#include "tests/unit/net/trees.h"

#include <fcntl.h>

enum { RANK = 3 };

static struct trees the_trees;

static struct {
    struct output output;
    struct outlet outlet;
    int in;     // what the rank writes to
    char *text; // owned: all that came
    size_t length;
    uint32_t pieces, whole_lines; // messages; those that ended a line
    size_t largest;
    uint32_t ends;
} the;

static void on_tree_message(struct trees_node *node, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t rank;
    uint8_t stream;
    const uint8_t *data;
    size_t length;
    (void)node;
    cr_expect_eq(message->type, GN_CLIENT);
    cr_expect_eq(unpack_u64(&unpack), 55, "session");
    cr_expect_eq(unpack_u16(&unpack), GC_OUTPUT);
    cr_expect_eq(unpack_u64(&unpack), 66, "group");
    cr_expect_eq(unpack_u32(&unpack), 0, "node");
    cr_assert(output_unpack(&unpack, &rank, &stream, &data, &length) && unpack_done(&unpack));
    cr_expect(rank == RANK && stream == OUTPUT_STDERR && length > 0);
    the.text = realloc(the.text, the.length + length + 1);
    memcpy(the.text + the.length, data, length);
    the.length += length;
    the.text[the.length] = 0;
    the.pieces++;
    the.whole_lines += data[length - 1] == '\n';
    if (length > the.largest)
        the.largest = length;
}

static void on_end(void *arg, uint32_t rank)
{
    cr_expect(arg == &the && rank == RANK);
    the.ends++;
}

static void open_outlet(bool by_line, int64_t window)
{
    int pair[2];
    trees_up(&the_trees, 1, 1);
    the_trees.on_message = on_tree_message;
    memset(&the, 0, sizeof the);
    the.output = (struct output){.loop = the_trees.loop,
                                 .tree = the_trees.at[0].tree,
                                 .group = 66,
                                 .session = 55,
                                 .window = window,
                                 .by_line = by_line,
                                 .on_end = on_end,
                                 .arg = &the};
    cr_assert(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
    the.in = pair[1];
    cr_assert(outlet_open(&the.outlet, &the.output, pair[0], RANK, OUTPUT_STDERR));
}

static void close_outlet(void)
{
    outlet_close(&the.outlet);
    outlet_close(&the.outlet);
    if (the.in >= 0)
        close(the.in);
    trees_fini(&the_trees);
    free(the.text);
}

static void end_rank(void)
{
    close(the.in);
    the.in = -1;
}

static void turn(void)
{
    for (int i = 0; i < 10; i++)
        loop_turn(the_trees.loop, 1);
}

static void wait_length(size_t length)
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (the.length < length && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    cr_expect_eq(the.length, length);
}

static void wait_end(void)
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    while (!the.ends && time_left_ms(deadline) > 0)
        loop_turn(the_trees.loop, time_left_ms(deadline));
    turn();
    cr_expect_eq(the.ends, 1);
}

// Writes all of it, turning the loop while the pipe is full.
static void rank_writes(const char *data, size_t length)
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    for (size_t done = 0; done < length && time_left_ms(deadline) > 0;) {
        ssize_t sent = write(the.in, data + done, length - done);
        if (sent > 0)
            done += (size_t)sent;
        else
            loop_turn(the_trees.loop, 1);
    }
}

static void rank_says(const char *text)
{
    rank_writes(text, strlen(text));
    turn();
}

static const char *heard(void)
{
    return the.text ? the.text : "";
}

Test(group_output, whole_lines_only)
{
    open_outlet(true, 1000);
    rank_says("no end");
    cr_expect_str_eq(heard(), "");
    rank_says(" yet\nand");
    cr_expect_str_eq(heard(), "no end yet\n");
    rank_says(" one\ntwo\nthr");
    cr_expect_str_eq(heard(), "no end yet\nand one\ntwo\n");
    rank_says("ee\n");
    cr_expect_str_eq(heard(), "no end yet\nand one\ntwo\nthree\n");
    cr_expect_eq(the.whole_lines, the.pieces);
    close_outlet();
}

Test(group_output, byte_by_byte)
{
    static const char text[] = "one\n\ntwo\nrest";
    open_outlet(true, 1000);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char one[2] = {text[i], 0};
        rank_says(one);
    }
    cr_expect_str_eq(heard(), "one\n\ntwo\n");
    cr_expect_eq(the.pieces, 3);
    close_outlet();
}

Test(group_output, a_begun_line_comes_at_the_end)
{
    open_outlet(true, 1000);
    rank_says("whole\npartial");
    cr_expect_str_eq(heard(), "whole\n");
    end_rank();
    wait_end();
    cr_expect_str_eq(heard(), "whole\npartial");
    cr_expect_eq(the.outlet.fd, -1);
    close_outlet();
}

Test(group_output, closing_sends_a_begun_line_and_tells_nobody)
{
    open_outlet(true, 1000);
    rank_says("partial");
    outlet_close(&the.outlet);
    turn();
    cr_expect_str_eq(heard(), "partial");
    cr_expect_eq(the.ends, 0);
    cr_expect(outlet_drain(&the.outlet), "it is closed");
    close_outlet();
}

Test(group_output, one_rank_alone_is_passed_as_it_comes)
{
    open_outlet(false, 1000);
    rank_says("no end");
    cr_expect_str_eq(heard(), "no end");
    close_outlet();
}

// Lines around the length that is never torn; each is one letter, so that a torn one shows.
Test(group_output, long_lines)
{
    static const size_t lengths[] = {GROUP_PIECE - 1, GROUP_PIECE,     10,
                                     GROUP_PIECE,     GROUP_PIECE - 7, 1};
    enum { LINES = sizeof lengths / sizeof *lengths };
    size_t total = 0;
    char *line = malloc(GROUP_PIECE);
    open_outlet(true, 100 << 20);
    for (size_t i = 0; i < LINES; i++) {
        memset(line, (int)('a' + i), lengths[i]);
        line[lengths[i] - 1] = '\n';
        rank_writes(line, lengths[i]);
        total += lengths[i];
    }
    wait_length(total);
    cr_expect_eq(the.whole_lines, the.pieces, "none of them is torn");
    close_outlet();
    free(line);
}

Test(group_output, longer_lines_come_in_pieces)
{
    enum { LENGTH = 5 * GROUP_PIECE + 100 };
    char *line = malloc(LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        line[i] = (char)('a' + i % 23);
    line[LENGTH - 1] = '\n';
    open_outlet(true, 100 << 20);
    rank_writes(line, LENGTH);
    wait_length(LENGTH);
    cr_expect_eq(memcmp(the.text, line, LENGTH), 0);
    cr_expect_gt(the.pieces, 1);
    cr_expect_leq(the.largest, 2 * GROUP_PIECE);
    close_outlet();
    free(line);
}

Test(group_output, the_window_stalls_and_resumes)
{
    open_outlet(true, 10);
    rank_says("twelve bytes\n");
    cr_expect_str_eq(heard(), "twelve bytes\n", "what was read goes, once");
    rank_says("more\n");
    rank_says("and more\n");
    cr_expect_str_eq(heard(), "twelve bytes\n");
    cr_expect(the.outlet.stalled);
    output_grant(&the.output, 3);
    turn();
    cr_expect_str_eq(heard(), "twelve bytes\n", "-3 and 3 is nothing");
    output_grant(&the.output, 1);
    wait_length(13 + 5 + 9);
    cr_expect_str_eq(heard(), "twelve bytes\nmore\nand more\n");
    cr_expect_eq(the.output.window, 10 + 3 + 1 - 27);
    close_outlet();
}

Test(group_output, a_writer_waits_while_the_window_is_used_up)
{
    static char data[4096];
    size_t written = 0;
    memset(data, '\n', sizeof data);
    open_outlet(true, 1);
    for (int i = 0; i < 200; i++) { // much more than the pipe and the window hold
        ssize_t sent = write(the.in, data, sizeof data);
        written += sent > 0 ? (size_t)sent : 0;
        loop_turn(the_trees.loop, 0);
    }
    cr_expect_lt(written, 100 * sizeof data);
    cr_expect_lt(the.length, written);
    output_grant(&the.output, 100 << 20);
    wait_length(written);
    close_outlet();
}

Test(group_output, a_stalled_outlet_that_is_closed)
{
    open_outlet(true, 1);
    rank_says("one\n");
    rank_says("two\n");
    cr_expect(the.outlet.stalled);
    outlet_close(&the.outlet);
    output_grant(&the.output, 100);
    turn();
    cr_expect_str_eq(heard(), "one\n");
    close_outlet();
}

Test(group_output, drain_reads_what_is_there)
{
    open_outlet(true, 1000);
    cr_assert(write(the.in, "one\ntwo", 7) == 7);
    cr_expect(!outlet_drain(&the.outlet), "somebody may still write");
    turn();
    cr_expect_str_eq(heard(), "one\n");
    end_rank();
    cr_expect(outlet_drain(&the.outlet));
    turn();
    cr_expect_str_eq(heard(), "one\ntwo");
    cr_expect_eq(the.ends, 0, "who drains is told by the answer");
    close_outlet();
}

Test(group_output, discarded_output_holds_nobody)
{
    static char data[4096];
    size_t written = 0;
    open_outlet(true, 1);
    rank_says("one\n");
    rank_says("two\n");
    output_discard(&the.output);
    for (int i = 0; i < 200; i++) {
        ssize_t sent = write(the.in, data, sizeof data);
        written += sent > 0 ? (size_t)sent : 0;
        loop_turn(the_trees.loop, 0);
    }
    cr_expect_eq(written, 200 * sizeof data);
    end_rank();
    wait_end();
    cr_expect_str_eq(heard(), "one\n");
    close_outlet();
}

Test(group_output, first_windows)
{
    cr_expect_eq(output_first_window(0), output_first_window(1));
    for (uint32_t nodes = 1; nodes < 100000; nodes *= 2) {
        int64_t window = output_first_window(nodes);
        cr_expect(window >= 64 << 10 && window <= 1 << 20, "%u nodes", nodes);
        cr_expect_leq(output_first_window(2 * nodes), window);
    }
}

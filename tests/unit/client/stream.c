// SPDX-License-Identifier: BSD-3-Clause
//
// Sinks and sources over pipes, files, sockets and /dev/null. Whoever shares such a descriptor must not
// notice: its flags stay as they are.
#include "config.h"

#include "client/stream.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, MUCH = 1 << 20 };

static struct {
    struct loop *loop;
    struct sink sink;
    struct source source;
    int progress, data_calls, ends;
    uint8_t *got; // owned
    size_t length, largest;
} the;

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    the.loop = loop_create();
    the.got = malloc(MUCH);
}

static void tear_down(void)
{
    loop_destroy(the.loop);
    free(the.got);
}

TestSuite(client_sink, .init = set_up, .fini = tear_down);
TestSuite(client_source, .init = set_up, .fini = tear_down);

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 13 + (i >> 9));
}

static void on_progress(void *arg)
{
    cr_expect_eq(arg, &the);
    the.progress++;
}

static void on_data(void *arg, const void *data, size_t length)
{
    cr_expect_eq(arg, &the);
    cr_expect_eq(the.ends, 0, "nothing comes behind the end");
    the.data_calls++;
    if (length == 0) {
        the.ends++;
        return;
    }
    cr_assert_leq(the.length + length, MUCH);
    memcpy(the.got + the.length, data, length);
    the.length += length;
    if (length > the.largest)
        the.largest = length;
}

static void turn(void)
{
    for (int i = 0; i < 10; i++)
        loop_turn(the.loop, 1);
}

static uint8_t *make_data(size_t length)
{
    uint8_t *data = malloc(length);
    for (size_t i = 0; i < length; i++)
        data[i] = byte_at(i);
    return data;
}

static bool is_data(size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (the.got[i] != byte_at(i))
            return false;
    return the.length == length;
}

// ---- sinks

// Reads from `fd` what the sink writes, until `length` bytes or its patience is over.
static void read_back(int fd, size_t length)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (the.length < length && time_left_ms(deadline) > 0) {
        ssize_t got = read(fd, the.got + the.length, MUCH - the.length);
        if (got > 0)
            the.length += (size_t)got;
        loop_turn(the.loop, got > 0 ? 0 : 5);
    }
}

static void check_sink(int fd, int reader)
{
    enum { LENGTH = 700000 };
    int flags = fcntl(fd, F_GETFL);
    uint8_t *data = make_data(LENGTH);
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    for (size_t done = 0, step; done < LENGTH; done += step) {
        step = LENGTH - done < 50000 ? LENGTH - done : 50000;
        sink_add(&the.sink, data + done, step);
        sink_flush(&the.sink);
    }
    loop_turn(the.loop, 0);
    cr_expect_gt(sink_waiting(&the.sink), 0, "nobody reads it yet");
    cr_expect_eq(fcntl(fd, F_GETFL), flags);
    read_back(reader, LENGTH);
    cr_expect(is_data(LENGTH));
    cr_expect_eq(sink_waiting(&the.sink), 0);
    cr_expect_gt(the.progress, 0);
    cr_expect_eq(the.sink.passed, LENGTH);
    cr_expect_eq(fcntl(fd, F_GETFL), flags);
    sink_fini(&the.sink);
    cr_expect_eq(fcntl(fd, F_GETFL), flags);
    free(data);
}

static void set_nonblocking(int fd)
{
    cr_assert(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

Test(client_sink, pipe)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    set_nonblocking(pair[0]);
    check_sink(pair[1], pair[0]);
}

Test(client_sink, socket)
{
    int pair[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    set_nonblocking(pair[0]);
    check_sink(pair[1], pair[0]);
}

Test(client_sink, file)
{
    enum { LENGTH = 300000 };
    FILE *file = tmpfile();
    int fd = fileno(file), flags = fcntl(fd, F_GETFL);
    uint8_t *data = make_data(LENGTH);
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    sink_add(&the.sink, data, LENGTH);
    cr_expect_eq(sink_waiting(&the.sink), LENGTH);
    sink_flush(&the.sink);
    cr_expect_eq(sink_waiting(&the.sink), 0);
    the.length = (size_t)pread(fd, the.got, MUCH, 0);
    cr_expect(is_data(LENGTH));
    cr_expect_eq(fcntl(fd, F_GETFL), flags);
    sink_fini(&the.sink);
    cr_expect_eq(lseek(fd, 0, SEEK_CUR), LENGTH, "the file's place is shared, and moved on");
    fclose(file);
    free(data);
}

Test(client_sink, append_mode_is_kept)
{
    char path[] = "/tmp/dragon-test-XXXXXX", text[16] = "";
    int first = mkstemp(path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert(first >= 0 && fd >= 0 && write(first, "before ", 7) == 7);
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    sink_add(&the.sink, "after", 5);
    sink_flush(&the.sink);
    sink_fini(&the.sink);
    cr_expect_eq(pread(first, text, sizeof text, 0), 12);
    cr_expect_str_eq(text, "before after");
    close(first);
    close(fd);
    unlink(path);
}

Test(client_sink, dev_null)
{
    uint8_t *data = make_data(200000);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    sink_add(&the.sink, data, 200000);
    sink_flush(&the.sink);
    cr_expect_eq(sink_waiting(&the.sink), 0);
    cr_expect(!the.sink.broken);
    sink_fini(&the.sink);
    close(fd);
    free(data);
}

static void wait_broken(void)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!the.sink.broken && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_assert(the.sink.broken);
    cr_expect_eq(sink_waiting(&the.sink), 0);
    cr_expect_gt(the.progress, 0, "it is told");
    cr_expect_eq(the.sink.passed, the.sink.added, "what is dropped is nobody's debt");
    int told = the.progress;
    sink_add(&the.sink, "more", 4);
    sink_flush(&the.sink);
    turn();
    cr_expect_eq(sink_waiting(&the.sink), 0);
    cr_expect_eq(the.progress, told);
}

static void check_reader_goes(int fd, int reader)
{
    uint8_t *data = make_data(500000);
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    sink_add(&the.sink, data, 500000);
    sink_flush(&the.sink);
    turn();
    cr_expect(!the.sink.broken);
    the.progress = 0;
    close(reader);
    wait_broken();
    sink_fini(&the.sink);
    free(data);
}

Test(client_sink, a_pipe_whose_reader_goes)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    check_reader_goes(pair[1], pair[0]);
}

Test(client_sink, a_socket_whose_reader_goes)
{
    int pair[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    signal(SIGPIPE, SIG_DFL); // a socket never raises it
    check_reader_goes(pair[1], pair[0]);
}

Test(client_sink, a_reader_that_is_gone_before)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    close(pair[0]); // nor can it be opened anew
    cr_assert(sink_init(&the.sink, the.loop, pair[1], on_progress, &the));
    sink_add(&the.sink, "text", 4);
    sink_flush(&the.sink);
    wait_broken();
    sink_fini(&the.sink);
}

Test(client_sink, a_device_that_is_full_and_one_that_is_closed)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    sink_add(&the.sink, "text", 4);
    sink_flush(&the.sink);
    wait_broken();
    sink_fini(&the.sink);
    close(fd);
    the.progress = 0;
    cr_assert(sink_init(&the.sink, the.loop, fd, on_progress, &the));
    sink_add(&the.sink, "text", 4);
    sink_flush(&the.sink);
    wait_broken();
    sink_fini(&the.sink);
}

// ---- sources

static void wait_source(size_t length, int ends)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while ((the.length < length || the.ends < ends) && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect(is_data(length), "%zu bytes", the.length);
    cr_expect_eq(the.ends, ends);
}

static void check_source(int fd, int writer)
{
    int flags = fcntl(fd, F_GETFL);
    uint8_t *data = make_data(1000);
    cr_assert(write(writer, data, 1000) == 1000);
    cr_assert(source_init(&the.source, the.loop, fd, on_data, &the));
    turn();
    cr_expect_eq(the.data_calls, 0, "nothing is allowed yet");
    source_allow(&the.source, 100);
    wait_source(100, 0);
    turn();
    cr_expect_eq(the.length, 100, "that was all that was allowed");
    source_allow(&the.source, 10000);
    wait_source(1000, 0);
    cr_expect_eq(fcntl(fd, F_GETFL), flags);
    close(writer);
    wait_source(1000, 1);
    turn();
    cr_expect_eq(the.ends, 1, "the end comes once");
    source_allow(&the.source, 100);
    turn();
    cr_expect_eq(the.ends, 1);
    source_fini(&the.source);
    cr_expect_eq(fcntl(fd, F_GETFL), flags);
    free(data);
}

Test(client_source, pipe)
{
    int pair[2];
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    check_source(pair[0], pair[1]);
}

Test(client_source, socket)
{
    int pair[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    check_source(pair[0], pair[1]);
}

Test(client_source, file)
{
    enum { LENGTH = 300000 };
    FILE *file = tmpfile();
    uint8_t *data = make_data(LENGTH);
    cr_assert(write(fileno(file), data, LENGTH) == LENGTH);
    cr_assert(lseek(fileno(file), 0, SEEK_SET) == 0);
    cr_assert(source_init(&the.source, the.loop, fileno(file), on_data, &the));
    turn();
    cr_expect_eq(the.data_calls, 0);
    source_allow(&the.source, 100000);
    wait_source(100000, 0);
    turn();
    cr_expect_eq(the.length, 100000);
    cr_expect_eq(lseek(fileno(file), 0, SEEK_CUR), 100000, "the rest is left for others");
    source_allow(&the.source, LENGTH);
    wait_source(LENGTH, 1);
    cr_expect_leq(the.largest, 64 << 10);
    source_fini(&the.source);
    fclose(file);
    free(data);
}

Test(client_source, dev_null_ends_at_once)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert(source_init(&the.source, the.loop, fd, on_data, &the));
    source_allow(&the.source, 100);
    cr_expect_eq(the.data_calls, 0, "never before the call returns");
    wait_source(0, 1);
    source_fini(&the.source);
    close(fd);
}

Test(client_source, one_that_is_closed_ends_at_once)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    cr_assert(source_init(&the.source, the.loop, fd, on_data, &the));
    source_allow(&the.source, 100);
    wait_source(0, 1);
    source_fini(&the.source);
}

static void on_data_finishes(void *arg, const void *data, size_t length)
{
    on_data(arg, data, length);
    source_fini(&the.source);
}

Test(client_source, finished_inside_on_data)
{
    int pair[2];
    uint8_t *data = make_data(10);
    cr_assert(pipe2(pair, O_CLOEXEC) == 0 && write(pair[1], data, 10) == 10);
    cr_assert(source_init(&the.source, the.loop, pair[0], on_data_finishes, &the));
    source_allow(&the.source, 5);
    wait_source(5, 0);
    turn();
    cr_expect_eq(the.data_calls, 1);
    free(data);
}

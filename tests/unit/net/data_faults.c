// SPDX-License-Identifier: BSD-3-Clause
//
// What a port has to bear: processes that are killed or stopped, strangers, a program that UCX must leave alone.
#include "config.h"

#include "data_ports.h"

#include "net/data_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { LARGE = 3 << 20, ADDRESS_ROOM = 4096 };

// Another process with a port, which does what `run` says until it is killed. Its address comes through a pipe, before
// this process has one: UCX and fork do not go together.
struct child {
    pid_t pid;
    uint8_t address[ADDRESS_ROOM];
    size_t length;
};

static struct child child_start(void (*run)(void))
{
    int ends[2];
    struct child child = {0};
    cr_assert_eq(pipe(ends), 0);
    if ((child.pid = fork()) == 0) {
        side_open(&b);
        size_t length;
        const void *address = data_port_address(b.port, &length);
        if (write(ends[1], address, length) != (ssize_t)length)
            _exit(1);
        close(ends[0]);
        close(ends[1]);
        run();
        _exit(0);
    }
    close(ends[1]);
    ssize_t got;
    while ((got = read(ends[0], child.address + child.length, ADDRESS_ROOM - child.length)) > 0)
        child.length += (size_t)got;
    close(ends[0]);
    cr_assert_gt(child.length, 0);
    return child;
}

static void child_kill(struct child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
}

static struct data_peer *child_connect(const struct child *child)
{
    struct data_peer *peer;
    dragon_error_t error = {0};
    cr_assert_eq(data_peer_connect(a.port, child->address, child->length, &a, &peer, &error),
                 DRAGON_OK, "%s", error.text);
    return peer;
}

static void send_back(struct side *side, struct data_peer *peer, struct data_message *message)
{
    if (message->incoming)
        side_receive(side, message);
    data_send(peer, 2, NULL, 0, NULL, 0, NULL, NULL);
}

static void run_answering(void)
{
    b.on_message = send_back;
    for (;;)
        data_port_progress(b.port);
}

Test(net_data_faults, a_process_that_is_killed)
{
    struct child child = child_start(run_answering);
    side_open(&a);
    struct data_peer *peer = child_connect(&child);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
    turn_until(a.messages == 1);
    child_kill(&child);
    uint64_t start = time_now_ns();
    turn_until(a.lost == 1);
    fprintf(stderr, "# told after %.3f ms\n", (double)(time_now_ns() - start) / 1e6);
    cr_expect_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_ERR_PEER);
    data_peer_close(peer, true);
    turn_idly();
    cr_expect_eq(a.lost, 1);
    side_close(&a);
}

static void run_asking(void)
{
    static uint8_t payload[LARGE];
    int fd = open(getenv("DATA_TEST_ADDRESS"), O_RDONLY);
    uint8_t address[ADDRESS_ROOM];
    ssize_t length = read(fd, address, sizeof address);
    struct data_peer *peer;
    if (data_peer_connect(b.port, address, (size_t)length, NULL, &peer, NULL))
        _exit(1);
    data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL);
    data_send(peer, 1, NULL, 0, payload, sizeof payload, side_on_sent, &b);
    for (;;)
        data_port_progress(b.port);
}

// The one that connected is killed, while what it sent was announced and not received.
Test(net_data_faults, a_process_that_had_connected_is_killed)
{
    char path[] = "/tmp/data_faults.XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    setenv("DATA_TEST_ADDRESS", path, 1);
    int hold[2];
    cr_assert_eq(pipe(hold), 0);
    pid_t pid = fork();
    if (pid == 0) { // waits until there is an address
        char byte;
        close(hold[1]);
        if (read(hold[0], &byte, 1) != 1)
            _exit(1);
        side_open(&b);
        run_asking();
    }
    side_open(&a);
    a.keep = true;
    size_t length;
    const void *address = data_port_address(a.port, &length);
    cr_assert_eq(write(fd, address, length), (ssize_t)length);
    cr_assert_eq(write(hold[1], "x", 1), 1);
    turn_until(a.messages == 2 && a.incoming);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    turn_until(a.lost == 1);
    uint8_t *room = malloc(LARGE);
    cr_assert_eq(data_receive(a.port, a.incoming, room, LARGE, side_on_received, &a), DRAGON_OK);
    turn_until(a.received == 1);
    cr_expect_eq(a.failed, 1);
    data_peer_close(a.peer, false);
    turn_idly();
    cr_expect(data_port_idle(a.port));
    cr_expect_eq(a.lost, 1);
    free(room);
    unlink(path);
    close(fd);
    side_close(&a);
}

// Killed at different points of what is sent to it and comes from it: every send ends once, the loss is told once.
static void run_echo(struct side *side, struct data_peer *peer, struct data_message *message)
{
    static uint8_t payload[LARGE];
    if (message->incoming)
        side_receive(side, message);
    data_send(peer, 2, NULL, 0, payload, sizeof payload, side_on_sent, side);
}

static void run_echoing(void)
{
    b.on_message = run_echo;
    for (;;)
        data_port_progress(b.port);
}

Test(net_data_faults, killed_in_the_middle_of_messages)
{
    enum { ROUNDS = 25, SENDS = 6 };
    uint8_t *data = pattern(LARGE, 3);
    struct child children[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        children[i] = child_start(run_echoing);
    for (size_t i = 0; i < ROUNDS; i++) {
        side_open(&a);
        struct data_peer *peer = child_connect(&children[i]);
        for (int k = 0; k < SENDS; k++)
            cr_assert_eq(
                data_send(peer, 1, NULL, 0, data, k % 2 ? LARGE : 200000, side_on_sent, &a),
                DRAGON_OK);
        for (size_t turns = 0; turns < i * i * 20; turns++)
            data_port_progress(a.port);
        size_t arriving = a.messages, received = a.received;
        child_kill(&children[i]);
        turn_until(a.lost == 1 && data_port_idle(a.port));
        cr_expect_eq(a.sent, SENDS);
        cr_expect_geq(a.received, received);
        cr_expect_geq(a.messages, arriving);
        data_peer_close(peer, i % 2);
        turn_idly();
        cr_expect_eq(a.sent, SENDS);
        cr_expect_eq(a.lost, 1);
        side_close(&a);
    }
    free(data);
}

// Killed while it connects, at any moment of that: who is connected to lives on, and hears of all whose messages it has seen.
Test(net_data_faults, killed_while_it_connects)
{
    enum { ROUNDS = 100, STEP_US = 20 };
    char path[] = "/tmp/data_faults.XXXXXX";
    int fd = mkstemp(path), hold[ROUNDS][2], ready[2];
    pid_t pids[ROUNDS];
    char byte;
    cr_assert(fd >= 0 && pipe(ready) == 0);
    setenv("DATA_TEST_ADDRESS", path, 1);
    for (size_t i = 0; i < ROUNDS; i++) {
        cr_assert_eq(pipe(hold[i]), 0);
        if ((pids[i] = fork()) == 0) {
            close(hold[i][1]);
            if (read(hold[i][0], &byte, 1) != 1)
                _exit(1);
            side_open(&b);
            if (write(ready[1], "x", 1) != 1)
                _exit(1);
            run_asking();
        }
        close(hold[i][0]);
    }
    side_open(&a);
    size_t length;
    const void *address = data_port_address(a.port, &length);
    cr_assert_eq(write(fd, address, length), (ssize_t)length);
    for (size_t i = 0; i < ROUNDS; i++) {
        cr_assert(write(hold[i][1], "x", 1) == 1 && read(ready[0], &byte, 1) == 1);
        uint64_t end = time_now_ns() + i * STEP_US * 1000;
        while (time_now_ns() < end)
            data_port_progress(a.port);
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
        turn_idly();
        close(hold[i][1]);
    }
    cr_expect_leq(a.lost, ROUNDS);
    turn_until(data_port_idle(a.port));
    unlink(path);
    close(fd);
    side_close(&a);
}

// A host with RDMA and one without greet each other in different ways.
Test(net_data_faults, one_side_has_rdma)
{
    for (int which = 0; which < 2; which++) {
        open_both();
        a.port->has_rdma = which == 0;
        b.port->has_rdma = which == 1;
        b.on_message = send_back;
        struct data_peer *peer = side_connect(&a, &b);
        cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
        turn_until(a.messages == 1);
        close_both();
    }
}

// A child of the peer does not keep its connections open.
static void start_a_child(struct side *side, struct data_peer *peer, struct data_message *message)
{
    if (fork() == 0)
        execlp("sleep", "sleep", "60", (char *)NULL);
    send_back(side, peer, message);
}

static void run_with_a_child(void)
{
    b.on_message = start_a_child;
    for (;;)
        data_port_progress(b.port);
}

static pid_t child_of(pid_t pid)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        text[0] = '\0';
    close(fd);
    return (pid_t)strtol(text, NULL, 10);
}

Test(net_data_faults, killed_with_a_child_that_lives_on)
{
    struct child child = child_start(run_with_a_child);
    side_open(&a);
    struct data_peer *peer = child_connect(&child);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
    turn_until(a.messages == 1);
    pid_t grandchild = child_of(child.pid);
    child_kill(&child);
    turn_until(a.lost == 1);
    if (grandchild > 0)
        kill(grandchild, SIGKILL);
    data_peer_close(peer, false);
    side_close(&a);
}

// Stopped, it answers nothing. The port ends all the same, and every callback is called.
Test(net_data_faults, the_end_of_a_port_does_not_wait_for_a_stopped_peer)
{
    struct child child = child_start(run_answering);
    side_open(&a);
    uint8_t *data = pattern(LARGE, 3);
    struct data_peer *peer = child_connect(&child);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
    turn_until(a.messages == 1);
    kill(child.pid, SIGSTOP);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(data_send(peer, 1, NULL, 0, data, i % 2 ? LARGE : 200000, side_on_sent, &a),
                     DRAGON_OK);
    turn_idly();
    uint64_t start = time_now_ms();
    side_close(&a);
    cr_expect_lt(time_now_ms() - start, PATIENCE_MS);
    cr_expect_eq(a.sent, 20);
    cr_expect_gt(a.failed, 0);
    free(data);
    child_kill(&child);
}

Test(net_data_faults, a_stopped_peer_is_closed_by_force)
{
    struct child child = child_start(run_answering);
    side_open(&a);
    uint8_t *data = pattern(LARGE, 3);
    struct data_peer *peer = child_connect(&child);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
    turn_until(a.messages == 1);
    kill(child.pid, SIGSTOP);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(data_send(peer, 1, NULL, 0, data, LARGE, side_on_sent, &a), DRAGON_OK);
    data_peer_close(peer, false);
    turn_until(a.sent == 4 && data_port_idle(a.port));
    cr_expect_eq(a.failed, 4);
    cr_expect_eq(a.lost, 0);
    free(data);
    child_kill(&child);
    side_close(&a);
}

Test(net_data_faults, a_port_ends_with_much_under_way)
{
    uint8_t *data = pattern(LARGE, 3);
    for (int how = 0; how < 4; how++) {
        open_both();
        b.keep = how & 1;
        struct data_peer *peer = side_connect(&a, &b);
        for (int i = 0; i < 20; i++)
            cr_assert_eq(
                data_send(peer, 1, NULL, 0, data, i % 2 ? LARGE : 200000, side_on_sent, &a),
                DRAGON_OK);
        if (how & 2)
            turn_until(b.messages >= 3);
        side_close(how & 1 ? &b : &a);
        if (how & 1)
            turn_until(a.lost == 1 && data_port_idle(a.port));
        cr_expect_eq(a.sent, 20);
        if (how & 2)
            turn_until((how & 1) || b.lost == 1);
        side_close(how & 1 ? &a : &b);
        cr_expect_eq(a.sent, 20);
    }
    free(data);
}

// ---------------------------------------------------------------- strangers

static size_t listening_ports(uint16_t *ports, size_t room)
{
    size_t count = 0;
    for (int fd = 3; fd < 256 && count < room; fd++) {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        int on = 0;
        socklen_t on_length = sizeof on;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_length) == 0 && on &&
            getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
            address.sin_family == AF_INET && ntohl(address.sin_addr.s_addr) == INADDR_LOOPBACK)
            ports[count++] = address.sin_port;
    }
    return count;
}

static int stranger(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, uint64_t first, const void *bytes, size_t length)
{
    send(fd, &first, sizeof first, MSG_NOSIGNAL);
    send(fd, bytes, length, MSG_NOSIGNAL);
}

Test(net_data_faults, strangers_are_turned_away)
{
    uint16_t ports[16];
    uint8_t noise[5000];
    unsigned seed = 17;
    open_both();
    size_t count = listening_ports(ports, 16);
    cr_assert_gt(count, 0);
    struct data_peer *peer = side_connect(&a, &b);
    for (size_t i = 1; i <= 100; i++) {
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)rand_r(&seed);
        int fd = stranger(ports[i % count]);
        say(fd, (uint64_t)rand_r(&seed) << 32 | (uint64_t)rand_r(&seed), noise, i * 50);
        if (i % 2)
            close(fd);
        cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
        turn_until(b.messages == i);
        if (i % 2 == 0)
            close(fd);
    }
    cr_expect_eq(a.lost + b.lost, 0);
    close_both();
}

// ---------------------------------------------------------------- the program around it

static void on_signal(int number)
{
    (void)number;
}

Test(net_data_faults, the_code_of_the_c_library_is_not_patched)
{
    static void *const calls[] = {(void *)mmap, (void *)munmap, (void *)madvise, (void *)shmat};
    enum { CALLS = sizeof calls / sizeof calls[0], BYTES = 16 };
    uint8_t before[CALLS][BYTES];
    if (access("/sys/class/infiniband", F_OK) == 0)
        cr_skip("UCX does it for RDMA");
    for (size_t i = 0; i < CALLS; i++)
        memcpy(before[i], calls[i], BYTES);
    open_both();
    for (size_t i = 0; i < CALLS; i++)
        cr_expect_arr_eq(before[i], calls[i], BYTES);
    cr_expect_null(getenv("UCX_MEM_EVENTS"));
    cr_expect_null(getenv("UCX_LOG_LEVEL"));
    close_both();
}

Test(net_data_faults, signals_and_descriptors_stay_as_they_are)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTERM, SIGCHLD, SIGPIPE};
    struct sigaction action = {.sa_handler = on_signal}, after;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
    turn_until(b.messages == 1);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], NULL, &after);
        cr_expect_eq(after.sa_handler, on_signal, "signal %d", signals[i]);
    }
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_expect_eq(sigismember(&mask, SIGTERM), 0);
    int tcp = 0;
    for (int fd = 3; fd < 256; fd++) {
        int protocol = 0;
        socklen_t length = sizeof protocol;
        if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) || protocol != IPPROTO_TCP)
            continue;
        tcp++;
        cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC, "descriptor %d", fd);
    }
    cr_expect_geq(tcp, 4);
    close_both();
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Sessions, with clients that are written and read by hand.
#include "config.h"

#include "agent/sessions.h"

#include "group/proto.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, HEADER_BYTES = 16 };

static struct {
    char folder[32], path[64];
    struct loop *loop;
    struct sessions *sessions;
    uint64_t session; // of the last message
    size_t messages, gone;
    bool refuse;
} the;

static bool on_message(void *arg, uint64_t session, const struct link_message *message)
{
    cr_assert_eq(arg, &the);
    (void)message;
    the.session = session;
    the.messages++;
    return !the.refuse;
}

static void on_gone(void *arg, uint64_t session)
{
    (void)arg;
    (void)session;
    the.gone++;
}

static const struct sessions_handler handler = {.on_message = on_message, .on_gone = on_gone};

static void open_sessions(void)
{
    dragon_error_t error = {0};
    snprintf(the.folder, sizeof the.folder, "/tmp/dragon-sessions-XXXXXX");
    cr_assert_not_null(mkdtemp(the.folder));
    snprintf(the.path, sizeof the.path, "%s/agent.sock", the.folder);
    struct sessions_options options = {.path = the.path,
                                       .node = 3,
                                       .nodes = 8,
                                       .node_name = "n3",
                                       .runtime = "dragon-0123",
                                       .end_s = 1900000000};
    the.loop = loop_create();
    the.sessions = sessions_create(the.loop, &options, &handler, &the, &error);
    cr_assert_not_null(the.sessions, "%s", error.text);
}

static void close_sessions(void)
{
    sessions_destroy(the.sessions);
    loop_destroy(the.loop);
    cr_expect_eq(rmdir(the.folder), 0);
}

TestSuite(agent_sessions, .init = open_sessions, .fini = close_sessions);

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", the.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, uint16_t type, struct pack *body)
{
    struct pack frame = PACK_EMPTY;
    pack_u32(&frame, (uint32_t)body->length);
    pack_u16(&frame, type);
    pack_u16(&frame, 0);
    pack_u64(&frame, 0);
    pack_raw(&frame, body->data, body->length);
    cr_assert_eq(write(fd, frame.data, frame.length), (ssize_t)frame.length);
    pack_fini(&frame);
    pack_fini(body);
}

static void say_hello(int fd, uint32_t version, bool with_process)
{
    struct pack body = PACK_EMPTY;
    pack_u32(&body, version);
    pack_str(&body, "0.0");
    if (with_process)
        pack_u32(&body, 4711);
    say(fd, GC_HELLO, &body);
}

// Bytes of what is answered, 0 when the session is ended.
static size_t hear(int fd, uint8_t *bytes, size_t room)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (poll(&ready, 1, 0) == 0 && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 10);
    ssize_t got = recv(fd, bytes, room, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

static void turn_until(const size_t *count, size_t wanted)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (*count < wanted && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 10);
    cr_assert_eq(*count, wanted);
}

// The version that the welcome names.
static uint32_t read_welcome(int fd)
{
    uint8_t bytes[500];
    size_t length = hear(fd, bytes, sizeof bytes);
    cr_assert_gt(length, HEADER_BYTES);
    struct unpack unpack = unpack_start(bytes, length);
    cr_expect_eq(unpack_u32(&unpack), length - HEADER_BYTES);
    cr_expect_eq(unpack_u16(&unpack), GC_WELCOME);
    unpack_raw(&unpack, HEADER_BYTES - 6);
    uint32_t version = unpack_u32(&unpack);
    cr_expect_str_eq(unpack_str(&unpack), PACKAGE_VERSION);
    cr_expect_eq(unpack_u32(&unpack), 3);
    cr_expect_eq(unpack_u32(&unpack), 8);
    cr_expect_str_eq(unpack_str(&unpack), "n3");
    cr_expect_str_eq(unpack_str(&unpack), "dragon-0123");
    cr_expect_eq(unpack_u64(&unpack), 1900000000);
    cr_expect(unpack_done(&unpack));
    return version;
}

Test(agent_sessions, a_client_is_welcomed_and_known)
{
    struct pack empty = PACK_EMPTY;
    int fd = dial();
    say_hello(fd, GROUP_WIRE_VERSION, true);
    cr_expect_eq(read_welcome(fd), GROUP_WIRE_VERSION);
    say(fd, GC_ASK, &empty);
    turn_until(&the.messages, 1);
    // As the kernel has it, whatever the hello said.
    cr_expect_eq(sessions_pid(the.sessions, the.session), getpid());
    cr_expect_eq(sessions_pid(the.sessions, the.session + 1), 0);
    close(fd);
    turn_until(&the.gone, 1);
    cr_expect_eq(sessions_pid(the.sessions, the.session), 0);
}

Test(agent_sessions, another_version_is_told_ours_and_ended)
{
    uint8_t byte;
    for (int with_process = 0; with_process < 2; with_process++) {
        int fd = dial();
        say_hello(fd, GROUP_WIRE_VERSION + 1, with_process);
        cr_expect_eq(read_welcome(fd), GROUP_WIRE_VERSION);
        cr_expect_eq(hear(fd, &byte, 1), 0);
        close(fd);
    }
    cr_expect_eq(the.gone, 0);
}

Test(agent_sessions, what_is_no_hello_ends_it)
{
    struct pack body = PACK_EMPTY;
    uint8_t byte;
    int fd = dial();
    say_hello(fd, GROUP_WIRE_VERSION, false); // cut off
    cr_expect_eq(hear(fd, &byte, 1), 0);
    close(fd);
    fd = dial();
    pack_u32(&body, GROUP_WIRE_VERSION);
    say(fd, GC_HELLO, &body);
    cr_expect_eq(hear(fd, &byte, 1), 0);
    close(fd);
    fd = dial();
    say(fd, GC_ASK, &body);
    cr_expect_eq(hear(fd, &byte, 1), 0);
    close(fd);
    cr_expect_eq(the.messages, 0);
}

Test(agent_sessions, a_message_that_is_refused_ends_it)
{
    struct pack empty = PACK_EMPTY;
    uint8_t byte;
    int fd = dial();
    the.refuse = true;
    say_hello(fd, GROUP_WIRE_VERSION, true);
    read_welcome(fd);
    say(fd, GC_ASK, &empty);
    cr_expect_eq(hear(fd, &byte, 1), 0);
    turn_until(&the.gone, 1);
    close(fd);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Processes that do not keep to the rules: they hurt themselves.
#include "config.h"

#include "asks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/un.h>

static struct keepers the;

static void start_one(void)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1});
}

static void stop_all(void)
{
    keepers_stop(&the);
}

TestSuite(keeper_hostile, .init = start_one, .fini = stop_all, .timeout = 60);

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/0/data.sock", the.folder);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, struct pack *packet)
{
    cr_assert_eq(send(fd, packet->data, packet->length, MSG_NOSIGNAL), (ssize_t)packet->length);
    pack_fini(packet);
}

static void say_hello(int fd, uint32_t version, uint8_t role)
{
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_HELLO);
    pack_u32(&packet, version);
    pack_u8(&packet, role);
    pack_str(&packet, "1");
    say(fd, &packet);
}

// The error of the next answer; 1: the connection has ended instead.
static int hear(int fd, uint32_t *request_out)
{
    static uint8_t bytes[KEEPER_PACKET];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, KEEPERS_PATIENCE_MS), 1, "nothing comes");
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0)
        return 1;
    struct unpack unpack = unpack_start(bytes, (size_t)got);
    cr_assert_eq(unpack_u16(&unpack), KC_ANSWER);
    *request_out = unpack_u32(&unpack);
    int err = unpack_i32(&unpack);
    unpack_str(&unpack);
    cr_assert(!unpack.failed);
    return err;
}

static int dial_hello(void)
{
    uint32_t request;
    int fd = dial();
    say_hello(fd, KEEPER_WIRE_VERSION, ROLE_PROCESS);
    cr_assert_eq(hear(fd, &request), DRAGON_OK);
    return fd;
}

// Others are served as ever.
static void check_others(uint32_t processes)
{
    struct space *space = ask_attach(&the, 0);
    cr_expect_eq(ask_memory(space).processes, processes + 1);
    space_detach(space);
}

Test(keeper_hostile, hellos)
{
    uint32_t request = 77;
    int other = dial(), short_one = dial(), not_one = dial(), transport = dial(), role = dial();
    say_hello(other, KEEPER_WIRE_VERSION + 1, ROLE_PROCESS);
    cr_expect_eq(hear(other, &request), DRAGON_ERR_PROTO);
    cr_expect_eq(request, 0);
    cr_expect_eq(hear(other, &request), 1);
    say_hello(transport, KEEPER_WIRE_VERSION, ROLE_TRANSPORT);
    cr_expect_eq(hear(transport, &request), DRAGON_ERR_DENIED);
    say_hello(role, KEEPER_WIRE_VERSION, 9);
    cr_expect_eq(hear(role, &request), 1);
    cr_expect_eq(send(short_one, "\1\0\1\0", 4, 0), 4);
    cr_expect_eq(hear(short_one, &request), 1);
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_MEMORY);
    pack_u32(&packet, 1);
    say(not_one, &packet);
    cr_expect_eq(hear(not_one, &request), 1);
    check_others(0);
}

Test(keeper_hostile, another_wire_version_is_explained)
{
    uint32_t request;
    int fd = dial();
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_HELLO);
    pack_u32(&packet, 2); // and then something new
    pack_u64(&packet, 3);
    pack_u64(&packet, 4);
    say(fd, &packet);
    cr_expect_eq(hear(fd, &request), DRAGON_ERR_PROTO);
}

// Of a whole process: it has its slot until it is gone.
static void in_process(void (*act)(int fd))
{
    int pipes[2], end[2];
    char byte;
    cr_assert_eq(pipe(pipes), 0);
    cr_assert_eq(pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct space *space = NULL;
        close(end[1]);
        mem_ref ref;
        void *data;
        if (space_attach(the.path[0], ROLE_PROCESS, &space, NULL) != DRAGON_OK ||
            space_alloc(space, 10, (struct segment_kind){.numa = DRAGON_ANY_NUMA}, &ref, &data,
                        NULL) != DRAGON_OK)
            _exit(1);
        act(space->keeper_fd);
        struct pollfd gone = {.fd = space->keeper_fd, .events = POLLRDHUP};
        if (poll(&gone, 1, KEEPERS_PATIENCE_MS) != 1 || !space_ended(space, true))
            _exit(2);
        space_detach(space);
        if (write(pipes[1], "!", 1) == 1 && read(end[0], &byte, 1) == 0)
            _exit(0);
        _exit(3);
    }
    close(pipes[1]);
    close(end[0]);
    cr_assert_eq(read(pipes[0], &byte, 1), 1, "it was not dropped");
    struct space *space = ask_attach(&the, 0);
    struct memory_stat stat = ask_memory(space);
    cr_expect(stat.processes == 2 && stat.blocks == 1, "it may still be at work: %u, %llu",
              stat.processes, (unsigned long long)stat.blocks);
    close(end[1]);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0, "%x", status);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (ask_memory(space).processes > 1 && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(ask_memory(space).blocks, 0);
    space_detach(space);
    close(pipes[0]);
}

static void act_empty(int fd)
{
    send(fd, "", 0, MSG_NOSIGNAL);
}

static void act_short(int fd)
{
    send(fd, "\5\0\1\0\0", 5, MSG_NOSIGNAL);
}

static void act_long(int fd)
{
    static uint8_t bytes[KEEPER_PACKET + 1] = {KC_MEMORY, 0, 9};
    send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
}

static void act_request_zero(int fd)
{
    send(fd, "\5\0\0\0\0\0", 6, MSG_NOSIGNAL);
}

// Asks and asks and does not read.
static void act_deaf(int fd)
{
    for (uint32_t i = 1; i < 100000; i++) {
        struct pack packet = PACK_EMPTY;
        pack_u16(&packet, KC_MEMORY);
        pack_u32(&packet, 1000 + i);
        ssize_t sent = send(fd, packet.data, packet.length, MSG_NOSIGNAL);
        pack_fini(&packet);
        if (sent < 0)
            return;
    }
}

static void act_impatient(int fd)
{
    for (uint32_t i = 1; i < 40; i++) {
        struct pack packet = PACK_EMPTY;
        pack_u16(&packet, KC_FIND);
        pack_u32(&packet, 1000 + i);
        pack_str(&packet, "nobody");
        pack_u64(&packet, (uint64_t)-1);
        send(fd, packet.data, packet.length, MSG_NOSIGNAL);
        pack_fini(&packet);
    }
}

static void act_twice(int fd)
{
    for (int i = 0; i < 2; i++) {
        struct pack packet = PACK_EMPTY;
        pack_u16(&packet, KC_FIND);
        pack_u32(&packet, 1000);
        pack_str(&packet, "nobody");
        pack_u64(&packet, (uint64_t)-1);
        send(fd, packet.data, packet.length, MSG_NOSIGNAL);
        pack_fini(&packet);
    }
}

Test(keeper_hostile, who_is_no_client_is_dropped)
{
    in_process(act_empty);
    in_process(act_short);
    in_process(act_long);
    in_process(act_request_zero);
    in_process(act_deaf);
    in_process(act_impatient);
    in_process(act_twice);
    check_others(0);
}

// What is no request is answered so, and no harm is done.
Test(keeper_hostile, nonsense)
{
    struct space *space = ask_attach(&the, 0);
    uint64_t id = 0;
    cr_assert_eq(ask_create(space, 0, &CHANNEL_SPEC, &id), DRAGON_OK);
    for (int type = 0; type < 70; type++) {
        for (int bytes = 0; bytes < 40; bytes += 3) {
            struct pack body = PACK_EMPTY;
            for (int i = 0; i < bytes; i++)
                pack_u8(&body, (uint8_t)(i * 37 + type));
            // Waits and starts are not what is meant.
            if (type != KC_GROW && type != KC_MEMORY && type != KC_DESTROY && type != KC_ROUTE)
                cr_expect_neq(space_ask(space, (enum keeper_message)type, &body, 5000, NULL, NULL,
                                        0, &ask_error),
                              DRAGON_OK, "type %d with %d bytes", type, bytes);
            pack_fini(&body);
            cr_assert(!space_ended(space, true), "type %d with %d bytes", type, bytes);
        }
    }
    cr_expect_eq(ask(space, KC_GROW, "841", UINT64_C(0), -1, 0), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(space, KC_GROW, "841", UINT64_MAX, -1, 0), DRAGON_ERR_TOO_BIG);
    cr_expect_eq(ask(space, KC_GROW, "841", UINT64_C(9), -1, 7), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(space, KC_SEGMENT, "4", 99u), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(ask(space, KC_BELL, "4", 2u), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(ask(space, KC_BELL, "4", 99999u), DRAGON_ERR_NOT_FOUND);
    cr_expect_eq(ask(space, KC_PROXY, "44", 0u, 1u), DRAGON_ERR_DENIED);
    cr_expect_eq(ask(space, KC_PROXY_GONE, "4", 3u), DRAGON_ERR_DENIED);
    cr_expect_eq(ask(space, KC_SHARE, "8", UINT64_C(1) << 48 | 12345), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(space, KC_DROP, "8", UINT64_C(1) << 48 | 12345), DRAGON_ERR_INVAL);
    cr_expect_eq(ask(space, KC_ROUTE, "48", 0u, UINT64_C(5)), DRAGON_ERR_CLOSED);
    cr_expect_eq(ask(space, KC_LEAVE, "8", id), DRAGON_ERR_CLOSED);
    space_detach(space);
}

// An object that was written over is not believed.
Test(keeper_hostile, an_object_is_written_over)
{
    struct space *a = ask_attach(&the, 0), *b = ask_attach(&the, 0);
    struct object_opened opened;
    uint64_t id = 0;
    cr_assert_eq(ask_create(a, 0, &CHANNEL_SPEC, &id), DRAGON_OK);
    cr_assert_eq(ask_open(a, 0, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    cr_assert_eq(ask_open(b, 0, id, OBJECT_CHANNEL, &opened), DRAGON_OK);
    memset(space_at(a, opened.block, 1024), 0xee, 1024);
    cr_expect_eq(ask(a, KC_CLOSE, "48", 0u, id), DRAGON_OK);
    ask_stat(a, 0, id);
    space_detach(a);
    cr_expect_eq(ask(b, KC_DESTROY, "48", 0u, id), DRAGON_OK);
    cr_expect_eq(ask(b, KC_LEAVE, "8", id), DRAGON_OK);
    cr_expect_eq(ask_memory(b).blocks, 0);
    space_detach(b);
}

// Descriptors that come along are nobody's.
Test(keeper_hostile, descriptors_come_along)
{
    uint32_t request;
    int fd = dial_hello();
    uint8_t bytes[6] = {KC_MEMORY, 0, 1, 0, 0, 0};
    union {
        struct cmsghdr aligned;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.aligned = {.cmsg_level = SOL_SOCKET,
                             .cmsg_type = SCM_RIGHTS,
                             .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    memcpy(CMSG_DATA(&control.aligned), &pipes[1], sizeof(int));
    cr_assert_eq(sendmsg(fd, &message, 0), 6);
    cr_expect_eq(hear(fd, &request), DRAGON_OK);
    close(pipes[1]);
    char byte;
    cr_expect_eq(read(pipes[0], &byte, 1), 0, "the keeper has kept it");
    check_others(1);
    close(fd);
}

Test(keeper_hostile, connections_come_and_go)
{
    for (int i = 0; i < 500; i++) {
        int fd = i % 2 ? dial() : dial_hello();
        if (i % 3 == 0)
            shutdown(fd, SHUT_WR);
        close(fd);
    }
    struct space *space = ask_attach(&the, 0);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (ask_memory(space).processes > 1 && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(ask_memory(space).processes, 1);
    space_detach(space);
}

// A system without descriptors of processes: the end of the connection is what there is.
TestSuite(keeper_old_system, .fini = stop_all, .timeout = 60);

Test(keeper_old_system, without_pidfd)
{
    keepers_start(&the, &(struct keepers_options){.nodes = 1, .no_pidfd = true});
    struct space *space = ask_attach(&the, 0);
    int fd = dial_hello(), killed[2];
    uint32_t request;
    char byte;
    cr_assert_eq(pipe(killed), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int own = dial_hello();
        if (own >= 0 && write(killed[1], "!", 1) == 1)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(killed[0], &byte, 1), 1);
    cr_expect_eq(ask_memory(space).processes, 3);
    act_short(fd);
    cr_expect_eq(hear(fd, &request), 1, "it is dropped");
    act_deaf(fd);
    cr_expect_eq(ask_memory(space).processes, 3, "and stays what it is until it closes its end");
    close(fd);
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    uint64_t deadline = time_now_ms() + KEEPERS_PATIENCE_MS;
    while (ask_memory(space).processes > 1 && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(ask_memory(space).processes, 1);
    space_detach(space);
}

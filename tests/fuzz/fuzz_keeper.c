// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target: what a process, or another keeper, says to a keeper. The first byte says whether the process has said hello, then come
// packets: a byte that says from whom, two of length, and the bytes. The keeper answers with answers, and serves the next
// process as ever.
#include "config.h"

#include "keeper/keeper.h"
#include "keeper/proto.h"
#include "mem/board.h"
#include "mem/proto.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKETS = 200, LIMIT = 8 << 20, FROM_KEEPER = 1, SAYS_HELLO = 1 };

struct run {
    char folder[32];
    int board_fd;
    struct loop *loop;
    struct tree *tree;
    struct keeper *keeper;
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void on_tree(void *arg)
{
    (void)arg;
}

static void on_tree_failed(void *arg, const char *reason)
{
    (void)arg, (void)reason;
    abort();
}

static void on_tree_message(void *arg, const struct link_message *message)
{
    struct run *run = arg;
    if (run->keeper)
        check(keeper_on_node_message(run->keeper, message)); // it is its own
}

static void on_tree_lost(void *arg, uint32_t node, const char *reason)
{
    (void)arg, (void)node, (void)reason;
}

static const struct tree_handler tree_handler = {.on_up = on_tree,
                                                 .on_failed = on_tree_failed,
                                                 .on_message = on_tree_message,
                                                 .on_lost = on_tree_lost,
                                                 .on_left = on_tree};

static void run_init(struct run *run)
{
    static const uint8_t secret[AUTH_SECRET_BYTES], key[KEEPER_KEY];
    static struct tree_node node = {.name = "n0", .host_key = "host"};
    struct tree_options tree = {.nodes = &node,
                                .count = 1,
                                .fanout = 2,
                                .secret = secret,
                                .listen_fd = -1,
                                .timeout_ms = 1000,
                                .silence_ms = 1000,
                                .first_type = 16};
    *run = (struct run){.folder = "/tmp/dragon-fuzz-keeper-XXXXXX"};
    check(mkdtemp(run->folder) && (run->loop = loop_create()));
    check((run->board_fd = board_memory()) >= 0);
    run->tree = tree_create(run->loop, &tree, &tree_handler, run);
    check(run->tree);
    struct keeper_options options = {.loop = run->loop,
                                     .tree = run->tree,
                                     .board_fd = run->board_fd,
                                     .run_dir = run->folder,
                                     .runtime = "dragon-fuzz",
                                     .key = key,
                                     .node_limit_bytes = LIMIT,
                                     .runtime_limit_bytes = LIMIT};
    run->keeper = keeper_create(&options, NULL);
    check(run->keeper);
}

static void run_fini(struct run *run)
{
    struct keeper *keeper = run->keeper;
    run->keeper = NULL;
    keeper_destroy(keeper);
    tree_destroy(run->tree);
    loop_destroy(run->loop);
    close(run->board_fd);
    check(rmdir(run->folder) == 0);
}

static int dial(struct run *run)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", run->folder, KEEPER_SOCKET);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

// How many answers came; each is one.
static unsigned hear(int fd)
{
    static uint8_t bytes[KEEPER_PACKET];
    unsigned count = 0;
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        struct unpack unpack = unpack_start(bytes, (size_t)got);
        check(unpack_u16(&unpack) == KC_ANSWER);
        unpack_u32(&unpack);
        check(unpack_i32(&unpack) <= 0);
        unpack_str(&unpack);
        check(!unpack.failed);
        count++;
    }
    return count;
}

static void turn(struct run *run)
{
    for (int i = 0; i < 3; i++)
        loop_turn(run->loop, 0);
}

static void hello(struct run *run, int fd)
{
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_HELLO);
    pack_u32(&packet, KEEPER_WIRE_VERSION);
    pack_u8(&packet, ROLE_PROCESS);
    pack_str(&packet, "1");
    check(send(fd, packet.data, packet.length, MSG_NOSIGNAL) == (ssize_t)packet.length);
    pack_fini(&packet);
    turn(run);
}

static void feed(struct run *run, int fd, const uint8_t *data, size_t size)
{
    struct unpack unpack = unpack_start(data, size);
    for (int i = 0; i < PACKETS && unpack_left(&unpack) > 3; i++) {
        uint8_t from = unpack_u8(&unpack);
        size_t length = unpack_u16(&unpack);
        if (length > unpack_left(&unpack))
            length = unpack_left(&unpack);
        const uint8_t *bytes = unpack_raw(&unpack, length);
        struct link_message message = {.body = bytes, .length = (uint32_t)length};
        message.type = (uint16_t)(KEEPER_FIRST_TYPE + from / 2 % 16);
        if (from & FROM_KEEPER)
            keeper_on_node_message(run->keeper, &message);
        else
            send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT); // it may have been dropped
        turn(run);
        hear(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run;
    if (size == 0)
        return 0;
    run_init(&run);
    int fd = dial(&run), next;
    if (data[0] & SAYS_HELLO)
        hello(&run, fd);
    feed(&run, fd, data + 1, size - 1);
    next = dial(&run);
    turn(&run);
    hello(&run, next);
    check(hear(next) == 1);
    close(fd);
    turn(&run);
    close(next);
    run_fini(&run);
    return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// Attaching to the keeper of the node, and what a space gets from it later: segments and bells.
#include "config.h"

#include "mem/space_ask.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// ---- the socket as the source of segments

static dragon_err_t ask_segment(void *arg, uint32_t number, int *fd_out, size_t *bytes_out,
                                struct segment_kind *kind_out, dragon_error_t *error)
{
    struct space *space = arg;
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    struct stat stat;
    int fd;
    pack_u32(&body, number);
    dragon_err_t err =
        space_ask(space, KC_SEGMENT, &body, KEEPER_ANSWER_MS, &unpack, &fd, 1, error);
    if (err != DRAGON_OK)
        return err;
    uint64_t bytes = unpack_u64(&unpack);
    int32_t numa = unpack_i32(&unpack);
    uint8_t huge = unpack_u8(&unpack);
    // What is mapped beyond the end of a descriptor cannot be touched.
    if (!unpack_done(&unpack) || fd < 0 || fstat(fd, &stat) != 0 || stat.st_size < 0 ||
        (uint64_t)stat.st_size < bytes || numa < DRAGON_ANY_NUMA || numa > INT16_MAX ||
        huge > DRAGON_HUGE_REQUIRE) {
        if (fd >= 0)
            close(fd);
        return space_ask_no_answer(space, KC_SEGMENT, error);
    }
    *fd_out = fd;
    *bytes_out = bytes;
    *kind_out = (struct segment_kind){.numa = (int16_t)numa, .huge = huge};
    return DRAGON_OK;
}

// Reserving a large segment takes its time: a second for each 4 GiB, on top of the usual limit.
static int64_t grow_ms(size_t block_bytes)
{
    return KEEPER_ANSWER_MS + (int64_t)(block_bytes >> 22);
}

static dragon_err_t ask_grow(void *arg, size_t block_bytes, struct segment_kind kind,
                             uint32_t *number_out, dragon_error_t *error)
{
    struct space *space = arg;
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    pack_u64(&body, block_bytes);
    pack_i32(&body, kind.numa);
    pack_u8(&body, kind.huge);
    dragon_err_t err =
        space_ask(space, KC_GROW, &body, grow_ms(block_bytes), &unpack, NULL, 0, error);
    if (err != DRAGON_OK)
        return err;
    uint32_t number = unpack_u32(&unpack);
    if (!unpack_done(&unpack) || number == 0 || number > UINT16_MAX)
        return space_ask_no_answer(space, KC_GROW, error);
    *number_out = number;
    return DRAGON_OK;
}

static int ask_bell(void *arg, uint32_t slot, uint32_t *generation_out)
{
    struct space *space = arg;
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    int fd;
    pack_u32(&body, slot);
    if (space_ask(space, KC_BELL, &body, KEEPER_ANSWER_MS, &unpack, &fd, 1, NULL) != DRAGON_OK)
        return -1;
    uint32_t generation = unpack_u32(&unpack);
    if (!unpack_done(&unpack)) {
        space_ask_no_answer(space, KC_BELL, NULL);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *generation_out = generation;
    return fd;
}

static const struct space_source socket_source = {
    .segment = ask_segment, .grow = ask_grow, .bell = ask_bell};

// ---- attaching

static int keeper_address(const char *agent_path, struct sockaddr_un *address_out)
{
    const char *slash = strrchr(agent_path, '/');
    int folder = slash ? (int)(slash - agent_path) + 1 : 0;
    *address_out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address_out->sun_path, sizeof address_out->sun_path, "%.*s%s", folder,
                          agent_path, KEEPER_SOCKET);
    return length < (int)sizeof address_out->sun_path ? 0 : ENAMETOOLONG;
}

static dragon_err_t connect_keeper(const char *agent_path, int *fd_out, dragon_error_t *error)
{
    struct sockaddr_un address;
    // A keeper that does not accept lets connect wait as long as a send may.
    struct timeval limit = {.tv_sec = KEEPER_ANSWER_MS / 1000};
    int problem = keeper_address(agent_path, &address);
    int fd = problem ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (!problem && fd < 0)
        problem = errno;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            problem = errno;
            if (problem != EINTR)
                break;
            problem = 0;
        }
    }
    if (!problem) {
        *fd_out = fd;
        return DRAGON_OK;
    }
    if (fd >= 0)
        close(fd);
    if (problem == EAGAIN)
        return err_set(error, DRAGON_ERR_TIMEOUT,
                       "the agent does not accept connections to %s; is it stopped, or is the host "
                       "overloaded?",
                       address.sun_path);
    if (problem == ECONNREFUSED || problem == ENOENT)
        return err_set(
            error, DRAGON_ERR_PEER,
            "nobody listens at %s: the runtime has ended, or is of a release without shared memory",
            address.sun_path);
    return err_set_errno(error, problem, "cannot connect to the agent at %s", address.sun_path);
}

static dragon_err_t say_hello(struct space *space, enum keeper_role role, struct unpack *unpack_out,
                              int fds[KEEPER_FDS], dragon_error_t *error)
{
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_HELLO);
    pack_u32(&packet, KEEPER_WIRE_VERSION);
    pack_u8(&packet, (uint8_t)role);
    pack_str(&packet, PACKAGE_VERSION);
    dragon_err_t err =
        space_ask_exchange(space, KC_HELLO, 0, &packet, KEEPER_ANSWER_MS, unpack_out, fds, error);
    pack_fini(&packet);
    return err;
}

static struct board *map_board(int fd)
{
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) != 0 || stat.st_size < 0 || (size_t)stat.st_size < board_bytes())
        return NULL;
    void *board = mmap(NULL, board_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (board == MAP_FAILED)
        return NULL;
    madvise(board, board_bytes(), MADV_DONTFORK);
    if (board_check(board, board_bytes()))
        return board;
    munmap(board, board_bytes());
    return NULL;
}

// From the welcome, in `first`, which has the connection and nothing else.
static dragon_err_t make_space(struct space *first, struct unpack *unpack, int fds[KEEPER_FDS],
                               struct space **space_out, dragon_error_t *error)
{
    uint32_t version = unpack_u32(unpack);
    unpack_str(unpack); // the agent's release
    uint32_t node = unpack_u32(unpack), nodes = unpack_u32(unpack), slot = unpack_u32(unpack);
    size_t key_bytes;
    const void *key = unpack_bytes(unpack, &key_bytes);
    const char *runtime = unpack_str(unpack);
    if (!unpack_done(unpack) || version != KEEPER_WIRE_VERSION || key_bytes != KEEPER_KEY ||
        node >= nodes || slot < SLOT_FIRST || slot >= BOARD_SLOTS || fds[0] < 0 || fds[1] < 0)
        return space_ask_no_answer(first, KC_HELLO, error);
    struct board *board = map_board(fds[0]);
    if (!board)
        return err_set(error, DRAGON_ERR_NOMEM, "cannot map the memory that the agent shares");
    struct space *space = space_create(board, slot, fds[1], &socket_source, NULL);
    if (!space) {
        munmap(board, board_bytes());
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    fds[1] = -1;
    space->board_mapped = board_bytes();
    space->source_arg = space;
    space->node = node;
    space->nodes = nodes;
    memcpy(space->key, key, KEEPER_KEY);
    space->runtime = strdup(runtime);
    space->keeper_fd = first->keeper_fd;
    space->packet = first->packet;
    first->keeper_fd = -1;
    first->packet = NULL;
    if (!space->runtime) {
        space_detach(space);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    *space_out = space;
    return DRAGON_OK;
}

dragon_err_t space_attach(const char *agent_path, enum keeper_role role, struct space **space_out,
                          dragon_error_t *error)
{
    struct space first = {.keeper_fd = -1, .packet = malloc(KEEPER_PACKET)};
    struct unpack unpack;
    int fds[KEEPER_FDS] = {-1, -1};
    dragon_err_t err = first.packet ? connect_keeper(agent_path, &first.keeper_fd, error)
                                    : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (err == DRAGON_OK)
        err = say_hello(&first, role, &unpack, fds, error);
    if (err == DRAGON_OK)
        err = make_space(&first, &unpack, fds, space_out, error);
    space_ask_close(fds);
    if (first.keeper_fd >= 0)
        close(first.keeper_fd);
    free(first.packet);
    return err;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// A space and its keeper: attaching, and asking one thing at a time over the keeper's socket. An answer to a request
// that was given up comes later and is passed over. What comes from the keeper is checked like anything from
// outside; what is no answer ends the connection.
#include "config.h"

#include "mem/space.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static dragon_err_t keeper_gone(struct space *space, dragon_error_t *error)
{
    space->lost = true;
    return err_set(error, DRAGON_ERR_PEER, "the runtime has ended, or its agent here is gone");
}

// ---- one packet

// -1: not yet, 0: the end, else its bytes.
static ssize_t read_packet(struct space *space, int *fds)
{
    union {
        struct cmsghdr aligned;
        char room[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = space->packet, .iov_len = KEEPER_PACKET};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(space->keeper_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(first), first->cmsg_len - CMSG_LEN(0));
    return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? 0 : got;
}

static void close_all(int *fds)
{
    for (int i = 0; i < KEEPER_FDS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

// The deadline in ms of time_now_ms; 0: none.
static int wait_ms_until(uint64_t deadline_ms)
{
    return deadline_ms ? time_left_ms(deadline_ms) : -1;
}

// False: the deadline is over.
static bool wait_socket(struct space *space, short events, uint64_t deadline_ms)
{
    struct pollfd fd = {.fd = space->keeper_fd, .events = events};
    int ready = poll(&fd, 1, wait_ms_until(deadline_ms));
    return ready > 0 || !deadline_ms || time_left_ms(deadline_ms) > 0;
}

static dragon_err_t took_too_long(dragon_error_t *error, enum keeper_message type)
{
    return err_set(error, DRAGON_ERR_TIMEOUT,
                   "the runtime's agent on this host did not answer %s in time; is it stopped, or "
                   "is the host overloaded?",
                   keeper_message_names[type]);
}

// ---- asking

static dragon_err_t send_request(struct space *space, enum keeper_message type,
                                 const struct pack *packet, uint64_t deadline_ms,
                                 dragon_error_t *error)
{
    for (;;) {
        ssize_t sent =
            send(space->keeper_fd, packet->data, packet->length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            return DRAGON_OK;
        if (errno == EMSGSIZE)
            return err_set(error, DRAGON_ERR_TOO_BIG, "a request of %zu bytes to the agent",
                           packet->length);
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM)
            return keeper_gone(space, error);
        if (!wait_socket(space, POLLOUT, deadline_ms))
            return took_too_long(error, type);
    }
}

// The answer to `request`; those to others that came late are passed over.
static dragon_err_t read_answer(struct space *space, enum keeper_message type, uint32_t request,
                                uint64_t deadline_ms, struct unpack *unpack_out, int *fds,
                                dragon_error_t *error)
{
    for (;;) {
        ssize_t got = read_packet(space, fds);
        if (got == 0)
            return keeper_gone(space, error);
        if (got > 0) {
            *unpack_out = unpack_start(space->packet, (size_t)got);
            uint16_t answer = unpack_u16(unpack_out);
            uint32_t number = unpack_u32(unpack_out);
            if (answer != KC_ANSWER || unpack_out->failed)
                return keeper_gone(space, error);
            if (number == request)
                return DRAGON_OK;
            close_all(fds);
        } else if (!wait_socket(space, POLLIN, deadline_ms)) {
            return took_too_long(error, type);
        }
    }
}

static dragon_err_t answered(struct space *space, struct unpack *unpack, dragon_error_t *error)
{
    int32_t code = unpack_i32(unpack);
    const char *why = unpack_str(unpack);
    if (unpack->failed || code > 0 || code < DRAGON_ERR_LAUNCH)
        return keeper_gone(space, error);
    if (code == DRAGON_OK)
        return DRAGON_OK;
    if (code == DRAGON_ERR_PEER)
        space->lost = space->board && atomic_load(&space->board->ended);
    return err_set(error, (dragon_err_t)code, "%s",
                   *why ? why : dragon_err_text((dragon_err_t)code));
}

// All of one request: `packet` has its type and number already.
static dragon_err_t exchange(struct space *space, enum keeper_message type, uint32_t request,
                             const struct pack *packet, int64_t wait_ms, struct unpack *unpack_out,
                             int fds[KEEPER_FDS], dragon_error_t *error)
{
    uint64_t deadline_ms = wait_ms < 0 ? 0 : time_now_ms() + (uint64_t)wait_ms;
    if (packet->failed)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = send_request(space, type, packet, deadline_ms, error);
    if (err == DRAGON_OK)
        err = read_answer(space, type, request, deadline_ms, unpack_out, fds, error);
    if (err == DRAGON_OK)
        err = answered(space, unpack_out, error);
    if (err != DRAGON_OK)
        close_all(fds);
    return err;
}

dragon_err_t space_ask(struct space *space, enum keeper_message type, struct pack *body,
                       int64_t wait_ms, struct unpack *unpack_out, int *fds, int fd_room,
                       dragon_error_t *error)
{
    struct pack packet = PACK_EMPTY;
    struct unpack unpack = unpack_start(NULL, 0);
    int came[KEEPER_FDS] = {-1, -1};
    dragon_err_t err;
    for (int i = 0; i < fd_room; i++)
        fds[i] = -1;
    if (space->keeper_fd < 0 || space_ended(space, false)) {
        pack_fini(body);
        return keeper_gone(space, error);
    }
    if (++space->last_request == 0)
        space->last_request = 1; // 0 is the hello's
    pack_u16(&packet, (uint16_t)type);
    pack_u32(&packet, space->last_request);
    pack_raw(&packet, body->data, body->length);
    packet.failed |= body->failed;
    err = exchange(space, type, space->last_request, &packet, wait_ms, &unpack, came, error);
    pack_fini(&packet);
    pack_fini(body);
    for (int i = 0; i < fd_room && i < KEEPER_FDS; i++) {
        fds[i] = came[i];
        came[i] = -1;
    }
    close_all(came);
    if (unpack_out)
        *unpack_out = unpack;
    return err;
}

bool space_ended(struct space *space, bool look)
{
    if (space->lost || (space->board && atomic_load(&space->board->ended)))
        return true;
    if (!look || space->keeper_fd < 0)
        return false;
    struct pollfd fd = {.fd = space->keeper_fd, .events = POLLRDHUP};
    if (poll(&fd, 1, 0) == 1 && fd.revents & (POLLHUP | POLLRDHUP | POLLERR))
        space->lost = true;
    return space->lost;
}

// ---- the socket as the source of segments

static dragon_err_t no_answer(struct space *space, dragon_error_t *error, enum keeper_message type)
{
    space->lost = true;
    return err_set(error, DRAGON_ERR_PROTO, "the agent's answer to %s is not understood",
                   keeper_message_names[type]);
}

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
        return no_answer(space, error, KC_SEGMENT);
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
        return no_answer(space, error, KC_GROW);
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
        no_answer(space, NULL, KC_BELL);
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
        exchange(space, KC_HELLO, 0, &packet, KEEPER_ANSWER_MS, unpack_out, fds, error);
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
        return no_answer(first, error, KC_HELLO);
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
    close_all(fds);
    if (first.keeper_fd >= 0)
        close(first.keeper_fd);
    free(first.packet);
    return err;
}

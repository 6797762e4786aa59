// SPDX-License-Identifier: BSD-3-Clause
//
// Asking the keeper, one thing at a time over its socket. An answer to a request that was given up comes later and is
// passed over. What comes from the keeper is checked like anything from outside; what is no answer ends the connection.
#include "config.h"

#include "mem/space_ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static dragon_err_t keeper_gone(struct space *space, dragon_error_t *error)
{
    space->lost = true;
    return err_set(error, DRAGON_ERR_PEER, "the runtime has ended, or its agent here is gone");
}

// ---- one packet

// -1: not yet, 0: the end, else its bytes. `cut`: there was no room in our table for its descriptors.
static ssize_t read_packet(struct space *space, int *fds, bool *cut_out)
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
    *cut_out = message.msg_flags & MSG_CTRUNC;
    return message.msg_flags & MSG_TRUNC ? 0 : got;
}

void space_ask_close(int fds[KEEPER_FDS])
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
                                bool *cut_out, dragon_error_t *error)
{
    for (;;) {
        ssize_t got = read_packet(space, fds, cut_out);
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
            space_ask_close(fds);
        } else if (!wait_socket(space, POLLIN, deadline_ms)) {
            return took_too_long(error, type);
        }
    }
}

static dragon_err_t answered(struct space *space, struct unpack *unpack, dragon_error_t *error)
{
    int32_t code = unpack_i32(unpack);
    const char *why = unpack_str(unpack);
    if (unpack->failed || !err_is_code(code))
        return keeper_gone(space, error);
    if (code == DRAGON_OK)
        return DRAGON_OK;
    if (code == DRAGON_ERR_PEER)
        space->lost = space->board && atomic_load(&space->board->ended);
    return err_set(error, (dragon_err_t)code, "%s",
                   *why ? why : dragon_err_text((dragon_err_t)code));
}

dragon_err_t space_ask_exchange(struct space *space, enum keeper_message type, uint32_t request,
                                const struct pack *packet, int64_t wait_ms,
                                struct unpack *unpack_out, int fds[KEEPER_FDS],
                                dragon_error_t *error)
{
    uint64_t deadline_ms = wait_ms < 0 ? 0 : time_now_ms() + (uint64_t)wait_ms;
    bool cut = false;
    if (packet->failed)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = send_request(space, type, packet, deadline_ms, error);
    if (err == DRAGON_OK)
        err = read_answer(space, type, request, deadline_ms, unpack_out, fds, &cut, error);
    if (err == DRAGON_OK)
        err = answered(space, unpack_out, error);
    if (err == DRAGON_OK && cut)
        err = err_set(error, DRAGON_ERR_NOMEM,
                      "this process has too many files open to use the shared memory: raise its "
                      "limit (ulimit -n), or close some");
    if (err != DRAGON_OK)
        space_ask_close(fds);
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
    err = space_ask_exchange(space, type, space->last_request, &packet, wait_ms, &unpack, came,
                             error);
    pack_fini(&packet);
    pack_fini(body);
    for (int i = 0; i < fd_room && i < KEEPER_FDS; i++) {
        fds[i] = came[i];
        came[i] = -1;
    }
    space_ask_close(came);
    if (unpack_out)
        *unpack_out = unpack;
    return err;
}

dragon_err_t space_ask_no_answer(struct space *space, enum keeper_message type,
                                 dragon_error_t *error)
{
    space->lost = true;
    return err_set(error, DRAGON_ERR_PROTO, "the agent's answer to %s is not understood",
                   keeper_message_names[type]);
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

// SPDX-License-Identifier: BSD-3-Clause
//
// Sessions: the connections of processes. The first packet has to be a hello of our wire version; it is given a slot.
//
// A session is over when its process closed the connection or is gone, whichever is seen first; then all that it had is
// put right (keep_recover.c). One that misbehaves is dropped: told by the end of its connection, and not listened to.
// Its process may still be at work in shared memory, so what it has stays until the process itself is gone. Answers are
// not queued: the socket has room for all that a process can have asked, and who does not read them is dropped.
#include "config.h"

#include "keeper/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SESSIONS_LIMIT = BOARD_SLOTS + 256, // with those that have not said hello
    PACKETS_A_TURN = 16,
    SPARE_DESCRIPTORS = 100,
};
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

struct keep_session *keep_session_find(struct keeper *keeper, uint64_t number)
{
    struct keep_session *session;
    HASH_FIND(hh, keeper->sessions, &number, sizeof number, session);
    return session;
}

// ---- answers

static bool take_pending(struct keep_session *session, uint32_t request)
{
    for (uint32_t i = 0; i < session->pending_count; i++) {
        if (session->pending[i].request != request)
            continue;
        session->pending[i] = session->pending[--session->pending_count];
        return true;
    }
    return false;
}

static void send_packet(struct keep_session *session, const struct pack *packet, const int *fds,
                        int fd_count)
{
    union {
        struct cmsghdr aligned;
        char room[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = packet->data, .iov_len = packet->length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        size_t bytes = (size_t)fd_count * sizeof(int);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(bytes);
        struct cmsghdr *first = CMSG_FIRSTHDR(&message);
        *first = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(bytes)};
        memcpy(CMSG_DATA(first), fds, bytes);
    }
    if (packet->failed)
        keep_session_drop(session, "out of memory");
    else if (sendmsg(session->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        keep_session_drop(session,
                          errno == EAGAIN ? "it does not read its answers" : strerror(errno));
}

static void answer(struct keep_session *session, uint32_t request, dragon_err_t err,
                   const char *why, struct pack *body, const int *fds, int fd_count)
{
    struct pack packet = PACK_EMPTY;
    pack_u16(&packet, KC_ANSWER);
    pack_u32(&packet, request);
    pack_i32(&packet, err);
    pack_str(&packet, why);
    if (body) {
        pack_raw(&packet, body->data, body->length);
        packet.failed |= body->failed;
        pack_fini(body);
    }
    send_packet(session, &packet, fds, fd_count);
    pack_fini(&packet);
}

void keep_session_answer(struct keep_session *session, uint32_t request, dragon_err_t err,
                         const char *why, struct pack *body, const int *fds, int fd_count)
{
    if (!session->dropped && take_pending(session, request))
        answer(session, request, err, why, body, fds, fd_count);
    else if (body)
        pack_fini(body);
}

// ---- the hello

static void welcome(struct keep_session *session)
{
    struct keeper *keeper = session->keeper;
    struct pack body = PACK_EMPTY;
    pack_u32(&body, KEEPER_WIRE_VERSION);
    pack_str(&body, PACKAGE_VERSION);
    pack_u32(&body, keeper->here);
    pack_u32(&body, keeper->nodes);
    pack_u32(&body, session->slot);
    pack_bytes(&body, keeper->options.key, KEEPER_KEY);
    pack_str(&body, keeper->options.runtime);
    answer(session, 0, DRAGON_OK, "", &body, (int[]){keeper->options.board_fd, session->bell_fd},
           2);
}

// A process takes three of the agent's; the last ones are for others than processes.
static bool few_descriptors(const struct keeper *keeper, dragon_error_t *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    uint64_t used = 3 * (uint64_t)HASH_COUNT(keeper->sessions) + keeper->segment_count;
    if (used + SPARE_DESCRIPTORS <= limit.rlim_cur)
        return false;
    err_set(
        error, DRAGON_ERR_FULL,
        "%u processes of %s use shared memory, and the agent has no descriptors for more: it may "
        "have %llu; raise the limit (ulimit -n) where dragon-run is started",
        keeper->processes, keeper->host, (unsigned long long)limit.rlim_cur);
    return true;
}

static dragon_err_t admit(struct keep_session *session, dragon_error_t *error)
{
    struct keeper *keeper = session->keeper;
    if (keeper->ended)
        return err_set(error, DRAGON_ERR_PEER, "the runtime has ended");
    if (session->role == ROLE_TRANSPORT &&
        (keeper->transport.pid == 0 || keeper->transport.pid != session->pid))
        return err_set(error, DRAGON_ERR_DENIED,
                       "the agent of %s did not start this dragon-transport", keeper->host);
    if (!keeper_open(keeper, error) || few_descriptors(keeper, error))
        return error->code;
    session->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->bell_fd < 0)
        return err_set_errno(error, errno,
                             "no descriptor for one more process in the agent of %s, which has %u",
                             keeper->host, keeper->processes);
    session->slot = keep_slot_take(keeper, session, false, (uint32_t)session->pid);
    if (session->slot == SLOT_NONE)
        return err_set(
            error, DRAGON_ERR_FULL,
            "%u processes of %s use shared memory, and as many processes of other nodes as "
            "there is room for: at most %d together",
            keeper->processes, keeper->host, BOARD_SLOTS - SLOT_FIRST);
    keeper->processes += session->role == ROLE_PROCESS;
    return DRAGON_OK;
}

static void on_hello(struct keep_session *session, struct unpack *body)
{
    dragon_error_t error = {0};
    uint32_t version = unpack_u32(body);
    session->role = unpack_u8(body);
    // Another version's hello may go on in another way, and is answered too.
    if (version == KEEPER_WIRE_VERSION)
        unpack_str(body);
    if (body->failed ||
        (version == KEEPER_WIRE_VERSION && (!unpack_done(body) || session->role >= KEEPER_ROLES))) {
        keep_session_drop(session, "its hello is not understood");
        return;
    }
    if (version != KEEPER_WIRE_VERSION)
        err_set(
            &error, DRAGON_ERR_PROTO,
            "the runtime is of release %s, and this program's libdragon of another: use the same",
            PACKAGE_VERSION);
    else
        admit(session, &error);
    if (error.code == DRAGON_OK) {
        welcome(session);
        return;
    }
    answer(session, 0, error.code, error.text, NULL, NULL, 0);
    keep_session_drop(session, error.text);
}

// ---- packets

static void on_packet(struct keep_session *session, const uint8_t *packet, size_t length)
{
    struct keep_request request = {.session = session, .body = unpack_start(packet, length)};
    request.type = unpack_u16(&request.body);
    if (session->slot == SLOT_NONE) {
        if (request.type == KC_HELLO)
            on_hello(session, &request.body);
        else
            keep_session_drop(session, "it has not said hello");
        return;
    }
    request.asker = (struct keep_asker){.node = session->keeper->here,
                                        .session = session->number,
                                        .request = unpack_u32(&request.body)};
    bool twice = false;
    for (uint32_t i = 0; i < session->pending_count; i++)
        twice |= session->pending[i].request == request.asker.request;
    if (request.body.failed || twice || request.asker.request == 0) {
        keep_session_drop(session, "what it sent is no request");
        return;
    }
    if (session->pending_count == KEEP_PENDING) {
        keep_session_drop(session, "it asks on without waiting for answers");
        return;
    }
    session->pending[session->pending_count++] =
        (struct keep_pending){.request = request.asker.request, .node = session->keeper->here};
    keep_dispatch(session->keeper, &request);
}

// An empty packet reads like the end.
static bool at_end(const struct keep_session *session)
{
    struct pollfd fd = {.fd = session->fd, .events = POLLRDHUP};
    return poll(&fd, 1, 0) == 1 && fd.revents & (POLLHUP | POLLRDHUP | POLLERR);
}

static void session_over(struct keep_session *session)
{
    log_debug("session %llu is over, slot %u process %d", (unsigned long long)session->number,
              session->slot, (int)session->pid);
    keep_recover_session(session);
    keep_session_destroy(session);
}

static void on_readable(void *arg, int events)
{
    struct keep_session *session = arg;
    struct keeper *keeper = session->keeper;
    (void)events;
    for (int i = 0; i < PACKETS_A_TURN && session->watch; i++) {
        struct iovec part = {.iov_base = keeper->packet, .iov_len = KEEPER_PACKET};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t got = recvmsg(session->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got < 0 || (got == 0 && at_end(session))) {
            session_over(session);
            return;
        }
        if (session->dropped)
            continue; // until its end
        if (got == 0 || message.msg_flags & MSG_TRUNC)
            keep_session_drop(session, "a packet is empty or too long");
        else
            on_packet(session, keeper->packet, (size_t)got);
        if (session->dropped && session->slot == SLOT_NONE) {
            keep_session_destroy(session); // it has nothing
            return;
        }
    }
}

static void on_process_gone(void *arg, int events)
{
    (void)events;
    session_over(arg);
}

// ---- life

static int open_pidfd(int fd, pid_t pid)
{
    int pidfd;
    socklen_t length = sizeof pidfd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0)
        return pidfd;
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static bool is_ours(int fd, pid_t *pid_out)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid())
        return false;
    *pid_out = peer.pid;
    return true;
}

static struct keep_session *session_create(struct keeper *keeper, int fd, pid_t pid)
{
    struct keep_session *session = calloc(1, sizeof *session);
    if (!session) {
        close(fd);
        return NULL;
    }
    *session = (struct keep_session){.keeper = keeper,
                                     .number = keeper->next_session++,
                                     .fd = fd,
                                     .pid = pid,
                                     .pidfd = open_pidfd(fd, pid),
                                     .bell_fd = -1};
    HASH_ADD(hh, keeper->sessions, number, sizeof session->number, session);
    session->watch = loop_watch_create(keeper->options.loop, fd, on_readable, session);
    if (session->pidfd >= 0)
        session->pidfd_watch =
            loop_watch_create(keeper->options.loop, session->pidfd, on_process_gone, session);
    if (!session->watch || (session->pidfd >= 0 && !session->pidfd_watch)) {
        keep_session_destroy(session);
        return NULL;
    }
    loop_watch_set(session->watch, LOOP_READ);
    if (session->pidfd_watch)
        loop_watch_set(session->pidfd_watch, LOOP_READ);
    return session;
}

void keep_on_connection(void *arg, int fd)
{
    struct keeper *keeper = arg;
    pid_t pid = 0;
    if (!keeper->packet)
        keeper->packet = malloc(KEEPER_PACKET);
    if (!keeper->packet || !is_ours(fd, &pid) || HASH_COUNT(keeper->sessions) >= SESSIONS_LIMIT) {
        close(fd);
        return;
    }
    session_create(keeper, fd, pid);
}

void keep_session_destroy(struct keep_session *session)
{
    HASH_DEL(session->keeper->sessions, session);
    if (session->slot != SLOT_NONE)
        session->keeper->processes -= session->role == ROLE_PROCESS;
    loop_watch_destroy(session->pidfd_watch);
    loop_watch_destroy(session->watch);
    if (session->pidfd >= 0)
        close(session->pidfd);
    if (session->bell_fd >= 0)
        close(session->bell_fd);
    close(session->fd);
    free(session->told);
    free(session);
}

void keep_session_drop(struct keep_session *session, const char *why)
{
    if (session->dropped)
        return;
    log_debug("dropped session %llu of process %d: %s", (unsigned long long)session->number,
              (int)session->pid, why);
    session->dropped = true;
    session->pending_count = 0;
    if (session->pidfd_watch) {
        shutdown(session->fd, SHUT_RDWR);
        loop_watch_destroy(session->watch);
        session->watch = NULL;
    } else {
        shutdown(session->fd, SHUT_WR); // its own end of the connection is the word that it is gone
    }
}

void keep_session_mark_told(struct keep_session *session, uint32_t node)
{
    for (size_t i = 0; i < session->told_count; i++)
        if (session->told[i] == node)
            return;
    uint32_t *told = realloc(session->told, (session->told_count + 1) * sizeof *told);
    if (!told)
        return; // what it keeps there stays until the runtime ends
    session->told = told;
    session->told[session->told_count++] = node;
}

void keep_session_mark_asked(struct keep_session *session, uint32_t request, uint32_t node)
{
    for (uint32_t i = 0; i < session->pending_count; i++)
        if (session->pending[i].request == request)
            session->pending[i].node = node;
}

void keep_session_node_lost(struct keep_session *session, uint32_t node, const char *why)
{
    for (uint32_t i = session->pending_count; i-- > 0;)
        if (i < session->pending_count && session->pending[i].node == node) // else it was dropped
            keep_session_answer(session, session->pending[i].request, DRAGON_ERR_PEER, why, NULL,
                                NULL, 0);
}

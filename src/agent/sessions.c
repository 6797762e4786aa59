// SPDX-License-Identifier: BSD-3-Clause
//
// Sessions: see sessions.h. The first message has to be a hello of our wire version; it is answered
// with the welcome in any case, so that a client of another version can say what is wrong.
#include "config.h"

#include "agent/sessions.h"

#include "group/proto.h"
#include "net/acceptor.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

enum { BODY_LIMIT = 64 << 20, SESSIONS_LIMIT = 4096 };

struct session {
    struct sessions *sessions; // borrowed
    uint64_t number;
    int pid; // 0: not known
    struct link *link;
    bool welcome;
    UT_hash_handle hh;
};

struct sessions {
    struct loop *loop; // borrowed
    struct sessions_options options;
    const struct sessions_handler *handler;
    void *arg;
    struct session *by_number; // owned
    struct acceptor *acceptor;
    uint64_t next_number;
};

static void session_destroy(struct session *session)
{
    HASH_DEL(session->sessions->by_number, session);
    link_destroy(session->link);
    free(session);
}

static void session_end(struct session *session)
{
    struct sessions *sessions = session->sessions;
    uint64_t number = session->number;
    bool told = session->welcome;
    session_destroy(session);
    if (told)
        sessions->handler->on_gone(sessions->arg, number);
}

static bool on_hello(struct session *session, const struct link_message *message)
{
    const struct sessions_options *options = &session->sessions->options;
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t version = unpack_u32(&unpack);
    unpack_str(&unpack);
    // Another version's hello may go on in another way, and is answered too.
    if (message->type != GC_HELLO || unpack.failed)
        return false;
    if (version == GROUP_WIRE_VERSION) {
        unpack_u32(&unpack); // its own idea of its process; the kernel knows better
        if (!unpack_done(&unpack))
            return false;
    }
    struct pack body = PACK_EMPTY;
    pack_u32(&body, GROUP_WIRE_VERSION);
    pack_str(&body, PACKAGE_VERSION);
    pack_u32(&body, options->node);
    pack_u32(&body, options->nodes);
    pack_str(&body, options->node_name);
    pack_str(&body, options->runtime);
    pack_u64(&body, options->end_s);
    link_send_pack(session->link, GC_WELCOME, 0, 0, &body);
    session->welcome = version == GROUP_WIRE_VERSION;
    return session->welcome;
}

static void on_session_message(void *arg, const struct link_message *message)
{
    struct session *session = arg;
    struct sessions *sessions = session->sessions;
    bool good = session->welcome
                    ? sessions->handler->on_message(sessions->arg, session->number, message)
                    : on_hello(session, message);
    if (good)
        return;
    log_debug("ended session %llu: message type %u is not understood",
              (unsigned long long)session->number, message->type);
    session_end(session);
}

static void on_session_closed(void *arg, const char *reason)
{
    (void)reason;
    session_end(arg);
}

static const struct link_handler session_handler = {.on_message = on_session_message,
                                                    .on_closed = on_session_closed};

static bool is_ours(int fd, int *pid_out)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid())
        return false;
    *pid_out = peer.pid;
    return true;
}

static void on_connection(void *arg, int fd)
{
    struct sessions *sessions = arg;
    struct session *session = calloc(1, sizeof *session);
    int pid = 0;
    if (!is_ours(fd, &pid) || !session || HASH_COUNT(sessions->by_number) >= SESSIONS_LIMIT) {
        close(fd);
        free(session);
        return;
    }
    session->sessions = sessions;
    session->number = sessions->next_number++;
    session->pid = pid;
    session->link = link_create(sessions->loop, fd, BODY_LIMIT, &session_handler, session);
    if (!session->link)
        free(session);
    else
        HASH_ADD(hh, sessions->by_number, number, sizeof session->number, session);
}

struct sessions *sessions_create(struct loop *loop, const struct sessions_options *options,
                                 const struct sessions_handler *handler, void *arg,
                                 dragon_error_t *error)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    if (!sessions) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return NULL;
    }
    *sessions =
        (struct sessions){.loop = loop, .options = *options, .handler = handler, .arg = arg};
    sessions->next_number = ((uint64_t)options->node << 32) + 1;
    int fd = acceptor_listen(options->path, SOCK_STREAM);
    if (fd >= 0)
        sessions->acceptor = acceptor_create(loop, fd, on_connection, sessions);
    if (!sessions->acceptor) {
        err_set_errno(error, errno, "cannot listen at %s", options->path);
        sessions_destroy(sessions);
        return NULL;
    }
    return sessions;
}

void sessions_destroy(struct sessions *sessions)
{
    if (!sessions)
        return;
    while (sessions->by_number)
        session_destroy(sessions->by_number);
    acceptor_destroy(sessions->acceptor);
    unlink(sessions->options.path);
    free(sessions);
}

void sessions_send(struct sessions *sessions, uint64_t number, uint16_t type, const void *body,
                   size_t length)
{
    struct session *session;
    HASH_FIND(hh, sessions->by_number, &number, sizeof number, session);
    if (session)
        link_send(session->link,
                  &(struct link_message){.type = type, .body = body, .length = (uint32_t)length});
}

int sessions_pid(const struct sessions *sessions, uint64_t number)
{
    struct session *session;
    HASH_FIND(hh, sessions->by_number, &number, sizeof number, session);
    return session ? session->pid : 0;
}

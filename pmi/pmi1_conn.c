// SPDX-License-Identifier: BSD-3-Clause
//
// Lines over a socket: see pmi1_conn.h. Bytes are read into one fixed buffer and handed over line
// by line in place; an answer is written at once, and what the socket does not take waits in
// `out`, during which no further line is handled.
#include "config.h"

#include "pmi/pmi1_conn.h"

#include "pmi/pmi1.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READS_PER_TURN = 16,    // then others get their turn
    READS_PER_DRAIN = 1024, // a child of the rank may hold the other end and go on writing
};

struct pmi1_conn {
    int fd;
    struct loop_watch *watch; // owned
    const struct pmi1_conn_handler *handler;
    void *arg;
    char in[PMI1_LINE_MAX];
    size_t in_length;
    struct pack out;
    size_t out_sent;
    bool closed;     // on_closed was called
    bool broken;     // writing failed: reading will find the end
    bool *destroyed; // set by destroy while a handler runs
};

static bool conn_blocked(const struct pmi1_conn *conn)
{
    return conn->out.length > 0;
}

static void conn_update_watch(struct pmi1_conn *conn)
{
    int events = conn_blocked(conn) ? LOOP_WRITE : LOOP_READ;
    loop_watch_set(conn->watch, conn->closed ? 0 : events);
}

static void conn_close(struct pmi1_conn *conn, const char *reason)
{
    if (conn->closed)
        return;
    conn->closed = true;
    conn_update_watch(conn);
    conn->handler->on_closed(conn->arg, reason);
}

static void conn_write(struct pmi1_conn *conn)
{
    while (conn->out_sent < conn->out.length && !conn->broken) {
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_sent,
                            conn->out.length - conn->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0)
            conn->broken = true;
        else
            conn->out_sent += (size_t)sent;
    }
    conn->out.length = 0;
    conn->out_sent = 0;
}

void pmi1_conn_send(struct pmi1_conn *conn, const char *text)
{
    if (conn->closed || conn->broken)
        return;
    pack_raw(&conn->out, text, strlen(text));
    // An answer that is silently missing would be waited for: better an end that both sides see.
    if (conn->out.failed) {
        pack_fini(&conn->out);
        conn->broken = true;
        shutdown(conn->fd, SHUT_RDWR);
    } else {
        conn_write(conn);
    }
    conn_update_watch(conn);
}

// Hands over the whole lines in the buffer. False when the connection is closed or destroyed.
static bool conn_deliver(struct pmi1_conn *conn)
{
    bool destroyed = false;
    conn->destroyed = &destroyed;
    size_t start = 0;
    while (!conn->closed && !conn_blocked(conn)) {
        char *line = conn->in + start;
        char *end = memchr(line, '\n', conn->in_length - start);
        if (!end)
            break;
        *end = 0;
        start = (size_t)(end + 1 - conn->in);
        // A zero byte would hide the rest of the line.
        if (memchr(line, 0, (size_t)(end - line)))
            conn_close(conn, "it sent a line with a zero byte");
        else
            conn->handler->on_line(conn->arg, line);
        if (destroyed)
            return false;
    }
    conn->destroyed = NULL;
    conn->in_length -= start;
    memmove(conn->in, conn->in + start, conn->in_length);
    return !conn->closed;
}

static void conn_read(struct pmi1_conn *conn, int turns)
{
    // Lines may be left from when the client did not read its answers.
    bool open = conn_deliver(conn);
    while (open && turns-- > 0 && !conn_blocked(conn)) {
        if (conn->in_length == sizeof conn->in) {
            conn_close(conn, "it sent a line that is too long");
            return;
        }
        ssize_t got = recv(conn->fd, conn->in + conn->in_length, sizeof conn->in - conn->in_length,
                           MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got <= 0) {
            conn_close(conn, got == 0 ? "it closed the connection" : strerror(errno));
            return;
        }
        conn->in_length += (size_t)got;
        open = conn_deliver(conn);
    }
}

static void on_ready(void *arg, int events)
{
    struct pmi1_conn *conn = arg;
    if (events & LOOP_WRITE) {
        conn_write(conn);
        conn_update_watch(conn);
    }
    if (!conn_blocked(conn))
        conn_read(conn, READS_PER_TURN);
}

struct pmi1_conn *pmi1_conn_create(struct loop *loop, int fd,
                                   const struct pmi1_conn_handler *handler, void *arg)
{
    struct pmi1_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        close(fd);
        return NULL;
    }
    conn->fd = fd;
    conn->handler = handler;
    conn->arg = arg;
    conn->watch = loop_watch_create(loop, fd, on_ready, conn);
    if (!conn->watch) {
        pmi1_conn_destroy(conn);
        return NULL;
    }
    conn_update_watch(conn);
    return conn;
}

void pmi1_conn_destroy(struct pmi1_conn *conn)
{
    if (!conn)
        return;
    if (conn->destroyed)
        *conn->destroyed = true;
    loop_watch_destroy(conn->watch);
    close(conn->fd);
    pack_fini(&conn->out);
    free(conn);
}

void pmi1_conn_drain(struct pmi1_conn *conn)
{
    if (conn->closed || conn->destroyed)
        return;
    conn_write(conn); // to somebody who has gone it fails, and does not keep us from reading
    conn_update_watch(conn);
    conn_read(conn, READS_PER_DRAIN);
}

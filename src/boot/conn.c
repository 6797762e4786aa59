// SPDX-License-Identifier: BSD-3-Clause
//
// One connection at rank 0 of the explicit kind, from an unknown caller to a rank that has the
// table: see rendezvous.c for the order of states. Nothing here waits: conn_read takes what is
// there, once, and acts when all of what is awaited has come.
#include "config.h"

#include "boot/rendezvous.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

_Static_assert(AUTH_RESPONSE_BYTES >= AUTH_CHALLENGE_BYTES, "conn->small holds either");

// The rank may come again on another connection.
static void forget_rank(struct rendezvous *r, struct conn *conn)
{
    if (r->by_rank[conn->rank] == conn)
        r->by_rank[conn->rank] = NULL;
}

void conn_close(struct rendezvous *r, struct conn *conn)
{
    if (conn_is_unproven(conn)) {
        r->unproven--;
        auth_fini(&conn->auth);
    }
    forget_rank(r, conn);
    close(conn->fd);
    conn->fd = -1;
    conn->state = CONN_CLOSED;
}

void conn_free(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    explicit_bzero(&conn->auth, sizeof conn->auth);
    pack_fini(&conn->report);
    free(conn);
}

static void conn_expect(struct conn *conn, enum conn_state state, uint8_t *in, size_t want)
{
    conn->state = state;
    conn->in = in;
    conn->in_have = 0;
    conn->in_want = want;
}

void conn_start(struct rendezvous *r, struct conn *conn)
{
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    conn->since_ms = time_now_ms();
    conn_expect(conn, CONN_CHALLENGE, conn->small, AUTH_CHALLENGE_BYTES);
    r->unproven++;
}

void conn_send_table(struct rendezvous *r, struct conn *conn)
{
    conn_expect(conn, CONN_TAKING, conn->small, 1);
    conn->out = r->sent.data;
    conn->out_left = r->sent.length;
}

static void peer_name(const struct conn *conn, char *text, size_t room)
{
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    char host[64];
    if (getpeername(conn->fd, (struct sockaddr *)&at, &length) < 0 ||
        getnameinfo((struct sockaddr *)&at, length, host, sizeof host, NULL, 0, NI_NUMERICHOST))
        snprintf(host, sizeof host, "an unknown address");
    snprintf(text, room, "%s", host);
}

static void note_refusal(struct rendezvous *r, const struct conn *conn, const char *why)
{
    char peer[64];
    peer_name(conn, peer, sizeof peer);
    r->refused++;
    snprintf(r->refusal, sizeof r->refusal, "%s: %s", peer, why);
    log_debug("boot: refused peer %s reason \"%s\"", peer, why);
}

void conn_drop(struct rendezvous *r, struct conn *conn, const char *why)
{
    note_refusal(r, conn, why);
    conn_close(r, conn);
}

void conn_tell(struct rendezvous *r, struct conn *conn, dragon_err_t code, const char *text)
{
    uint8_t header[BOOT_HEADER_BYTES];
    size_t length = strlen(text);
    forget_rank(r, conn);
    boot_header_write(&(struct boot_header){BOOT_WIRE_VERSION, code, length}, header);
    pack_raw(&conn->report, header, sizeof header);
    pack_raw(&conn->report, text, length);
    if (conn->report.failed) {
        conn_close(r, conn);
        return;
    }
    conn->out = conn->report.data;
    conn->out_left = conn->report.length;
    conn->state = CONN_REFUSED;
    conn->since_ms = time_now_ms();
    conn_flush(r, conn);
}

// A process that knows the secret, but cannot be the rank it says it is.
static void conn_refuse(struct rendezvous *r, struct conn *conn, dragon_err_t code,
                        const char *text)
{
    note_refusal(r, conn, text);
    conn_tell(r, conn, code, text);
}

// Sending and receiving found that the other end is gone.
static void conn_broken(struct rendezvous *r, struct conn *conn)
{
    switch (conn->state) {
    case CONN_DELIVERED:
    case CONN_TAKING:
        if (!r->lost)
            r->lost = conn;
        conn_close(r, conn);
        break;
    case CONN_REFUSED:
    case CONN_CLOSED:
        conn_close(r, conn);
        break;
    case CONN_LENGTH:
    case CONN_BLOB:
        conn_drop(r, conn, "a rank that broke off while it sent its address");
        break;
    case CONN_CHALLENGE:
    case CONN_RESPONSE:
        conn_drop(r, conn, "it closed before it showed who it is");
        break;
    }
}

void conn_flush(struct rendezvous *r, struct conn *conn)
{
    while (conn->out_left > 0) {
        ssize_t sent = send(conn->fd, conn->out, conn->out_left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            conn->out += sent;
            conn->out_left -= (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            conn_broken(r, conn);
        return;
    }
    if (conn->state == CONN_REFUSED)
        shutdown(conn->fd, SHUT_WR);
}

static void on_challenge(struct rendezvous *r, struct conn *conn)
{
    auth_start(&conn->auth, r->secret, "boot");
    auth_server_answer(&conn->auth, conn->small, conn->answer);
    conn_expect(conn, CONN_RESPONSE, conn->small, AUTH_RESPONSE_BYTES);
    conn->out = conn->answer;
    conn->out_left = sizeof conn->answer;
    conn_flush(r, conn);
}

static void on_hello(struct rendezvous *r, struct conn *conn, const struct boot_hello *hello)
{
    char text[BOOT_TEXT_BYTES];
    uint32_t size = r->boot->size;
    if (hello->version != BOOT_WIRE_VERSION) {
        snprintf(text, sizeof text,
                 "rank 0 is of another version of this program (it speaks %u, not %u)",
                 BOOT_WIRE_VERSION, hello->version);
        conn_refuse(r, conn, DRAGON_ERR_PROTO, text);
    } else if (hello->size != size) {
        snprintf(text, sizeof text, "rank 0 was started for a run of %u ranks, rank %u for %u",
                 size, hello->rank, hello->size);
        conn_refuse(r, conn, DRAGON_ERR_INVAL, text);
    } else if (hello->rank == 0 || hello->rank >= size || r->by_rank[hello->rank]) {
        snprintf(text, sizeof text, "rank %u of %u is there already", hello->rank, size);
        conn_refuse(r, conn, DRAGON_ERR_EXISTS, text);
    } else {
        conn->rank = hello->rank;
        r->by_rank[conn->rank] = conn;
        uint64_t until = time_now_ms() + hello->left_ms - rendezvous_margin_ms(hello->left_ms);
        if (until < r->until_ms)
            r->until_ms = until;
        conn_expect(conn, CONN_LENGTH, conn->small, 4);
    }
}

static void on_response(struct rendezvous *r, struct conn *conn)
{
    uint8_t bytes[AUTH_HELLO_BYTES];
    if (!auth_server_check(&conn->auth, conn->small, bytes)) {
        conn_drop(r, conn, "it does not know the secret");
        return;
    }
    auth_fini(&conn->auth);
    r->unproven--;
    conn->state = CONN_LENGTH; // no longer counted
    struct boot_hello hello = boot_hello_read(bytes);
    on_hello(r, conn, &hello);
}

static void on_delivered(struct rendezvous *r, struct conn *conn)
{
    conn_expect(conn, CONN_DELIVERED, conn->small, 1);
    r->delivered++;
}

static void on_length(struct rendezvous *r, struct conn *conn)
{
    struct unpack unpack = unpack_start(conn->small, 4);
    size_t length = unpack_u32(&unpack);
    struct boot_blob *blob = &r->table[conn->rank];
    free(blob->data); // of an earlier connection that broke
    *blob = (struct boot_blob){0};
    if (length > BOOT_BLOB_LIMIT) {
        char text[BOOT_TEXT_BYTES];
        snprintf(text, sizeof text, "rank %u offers %zu bytes; the limit is %d", conn->rank, length,
                 BOOT_BLOB_LIMIT);
        conn_refuse(r, conn, DRAGON_ERR_TOO_BIG, text);
        return;
    }
    blob->data = malloc(length ? length : 1);
    if (!blob->data) {
        conn_refuse(r, conn, DRAGON_ERR_NOMEM, "rank 0 is out of memory");
        return;
    }
    blob->length = length;
    conn_expect(conn, CONN_BLOB, blob->data, length);
    if (length == 0)
        on_delivered(r, conn);
}

// What was awaited has come in full.
static void conn_step(struct rendezvous *r, struct conn *conn)
{
    switch (conn->state) {
    case CONN_CHALLENGE:
        on_challenge(r, conn);
        break;
    case CONN_RESPONSE:
        on_response(r, conn);
        break;
    case CONN_LENGTH:
        on_length(r, conn);
        break;
    case CONN_BLOB:
        on_delivered(r, conn);
        break;
    case CONN_TAKING:
        if (conn->out_left > 0) {
            conn_broken(r, conn);
            break;
        }
        r->took++;
        conn_close(r, conn);
        break;
    case CONN_DELIVERED: // it has nothing to say before it has the table
        conn_broken(r, conn);
        break;
    case CONN_REFUSED:
        conn->in_have = 0;
        break;
    case CONN_CLOSED:
        break;
    }
}

// One read, so that no connection holds up the others.
void conn_read(struct rendezvous *r, struct conn *conn)
{
    uint8_t waste[4096];
    bool refused = conn->state == CONN_REFUSED;
    uint8_t *at = refused ? waste : conn->in + conn->in_have;
    size_t want = refused ? sizeof waste : conn->in_want - conn->in_have;
    ssize_t got = recv(conn->fd, at, want, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        conn_broken(r, conn);
        return;
    }
    if (refused)
        return;
    conn->in_have += (size_t)got;
    if (conn->in_have == conn->in_want)
        conn_step(r, conn);
}

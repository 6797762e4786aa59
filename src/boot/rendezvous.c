// SPDX-License-Identifier: BSD-3-Clause
//
// Rank 0 of the explicit kind: one poll() over the listening socket and every connection, until
// all ranks have the table. A connection passes through
//
//     CHALLENGE -> RESPONSE -> LENGTH -> BLOB -> DELIVERED -> TAKING -> CLOSED
//
// and may be REFUSED from LENGTH's place on: it is told why, and closed once it has read that.
// Before RESPONSE is through a connection is anybody's: there are at most UNPROVEN_LIMIT of them,
// with a few seconds each, and whatever they send costs only themselves. Later ones are ranks, at
// most one connection each; one that breaks after it delivered ends the start for all at once,
// since its process is gone.
//
// Known limit: all tables leave through rank 0, so for n ranks it sends n * n addresses; at 5000
// ranks of 300 bytes that is 7.5 GB. Larger runs are started by a PMIx launcher.
#include "config.h"

#include "boot/rendezvous.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    UNPROVEN_MS = 5000,
    CROWDED_MS = 1000, // the same when UNPROVEN_LIMIT is reached and others wait
    REFUSED_MS = 5000,
    ACCEPT_PAUSE_MS = 100,
    OTHER_DESCRIPTORS = 64,
};

uint64_t rendezvous_margin_ms(uint64_t left_ms)
{
    return left_ms / 10 < LINGER_MS ? left_ms / 10 : LINGER_MS;
}

static bool reserve(struct rendezvous *r)
{
    if (r->count < r->room)
        return true;
    size_t room = r->room ? 2 * r->room : 64;
    struct conn **conns = realloc(r->conns, room * sizeof *conns);
    if (conns)
        r->conns = conns;
    struct pollfd *polls = realloc(r->polls, (room + 2) * sizeof *polls);
    if (polls)
        r->polls = polls;
    if (!conns || !polls)
        return false;
    r->room = room;
    return true;
}

static void add_conn(struct rendezvous *r, int fd)
{
    struct conn *conn = reserve(r) ? calloc(1, sizeof *conn) : NULL;
    if (!conn) {
        close(fd);
        return;
    }
    conn->fd = fd;
    conn_start(r, conn);
    r->conns[r->count++] = conn;
}

static void accept_all(struct rendezvous *r)
{
    while (r->unproven < UNPROVEN_LIMIT) {
        int fd = accept4(r->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            add_conn(r, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno != EAGAIN) { // no descriptors or memory just now
            r->accept_failure = errno;
            r->accept_at_ms = time_now_ms() + ACCEPT_PAUSE_MS;
        }
        return;
    }
}

// When this connection's own time is over; UINT64_MAX: only with the deadline of all.
static uint64_t conn_until(const struct rendezvous *r, const struct conn *conn)
{
    if (conn_is_unproven(conn))
        return conn->since_ms + (r->unproven >= UNPROVEN_LIMIT ? CROWDED_MS : UNPROVEN_MS);
    if (conn->state == CONN_REFUSED)
        return conn->since_ms + REFUSED_MS;
    return UINT64_MAX;
}

static void expire(struct rendezvous *r, struct conn *conn, uint64_t now)
{
    if (conn_until(r, conn) > now)
        return;
    if (conn->state == CONN_REFUSED)
        conn_close(r, conn);
    else
        conn_drop(r, conn, "it did not show who it is in time");
}

// The cancel descriptor, the listening socket, then the connections in their order.
static uint64_t fill_polls(struct rendezvous *r, uint64_t until_ms)
{
    uint64_t now = time_now_ms();
    bool accepting = r->unproven < UNPROVEN_LIMIT && now >= r->accept_at_ms;
    if (!accepting && r->accept_at_ms > now && r->accept_at_ms < until_ms)
        until_ms = r->accept_at_ms;
    r->polls[0] = (struct pollfd){.fd = r->boot->cancel_fd, .events = POLLIN};
    r->polls[1] = (struct pollfd){.fd = accepting ? r->listen_fd : -1, .events = POLLIN};
    for (size_t i = 0; i < r->count; i++) {
        const struct conn *conn = r->conns[i];
        short events = POLLIN | (conn->out_left ? POLLOUT : 0);
        r->polls[2 + i] = (struct pollfd){.fd = conn->fd, .events = events};
        uint64_t until = conn_until(r, conn);
        if (until < until_ms)
            until_ms = until;
    }
    return until_ms;
}

static void serve_conns(struct rendezvous *r)
{
    uint64_t now = time_now_ms();
    for (size_t i = 0; i < r->count; i++) {
        struct conn *conn = r->conns[i];
        short events = r->polls[2 + i].revents;
        if (events & POLLOUT)
            conn_flush(r, conn);
        if ((events & ~POLLOUT) && conn->state != CONN_CLOSED)
            conn_read(r, conn);
        expire(r, conn, now);
    }
}

static void remove_closed(struct rendezvous *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct conn *conn = r->conns[i];
        if (conn->state != CONN_CLOSED)
            r->conns[kept++] = conn;
        else if (conn != r->lost)
            conn_free(conn);
    }
    r->count = kept;
}

// Waits once and serves whoever is ready. TIMEOUT: until_ms is over, whatever happened.
static dragon_err_t turn(struct rendezvous *r, uint64_t until_ms)
{
    if (time_now_ms() >= until_ms)
        return DRAGON_ERR_TIMEOUT;
    uint64_t wake_ms = fill_polls(r, until_ms);
    int ready = poll(r->polls, r->count + 2, time_left_ms(wake_ms));
    if (ready < 0)
        return errno == EINTR ? DRAGON_OK : DRAGON_ERR_SYS;
    if (r->polls[0].revents)
        return DRAGON_ERR_CANCELED;
    bool waiting = r->polls[1].revents;
    serve_conns(r);
    remove_closed(r);
    if (waiting)
        accept_all(r);
    return DRAGON_OK;
}

static dragon_err_t missing_error(struct rendezvous *r, dragon_error_t *error)
{
    char ranks[BOOT_TEXT_BYTES], waited[BOOT_TEXT_BYTES], refused[2 * BOOT_TEXT_BYTES] = "";
    bool *here = calloc(r->boot->size, sizeof *here);
    if (!here)
        return err_set(error, DRAGON_ERR_TIMEOUT, "not all ranks came in time");
    here[0] = true;
    for (uint32_t i = 1; i < r->boot->size; i++)
        here[i] = r->by_rank[i] && r->by_rank[i]->state >= CONN_DELIVERED;
    if (r->accept_failure)
        snprintf(refused, sizeof refused, "; rank 0 could not accept them: %s",
                 strerror(r->accept_failure));
    else if (r->refused)
        snprintf(refused, sizeof refused, "; %zu connection%s refused, the last from %s",
                 r->refused, r->refused == 1 ? " was" : "s were", r->refusal);
    err_set(error, DRAGON_ERR_TIMEOUT,
            "%s did not come within %s%s; was dragon-run started there with the same --size, "
            "--address and --secret-file?",
            boot_missing(here, r->boot->size, ranks), boot_waited(r->boot, waited), refused);
    free(here);
    return DRAGON_ERR_TIMEOUT;
}

static dragon_err_t lost_error(struct rendezvous *r, dragon_error_t *error)
{
    return err_set(error, DRAGON_ERR_PEER,
                   "rank %u of %u came and went away again before all had started", r->lost->rank,
                   r->boot->size);
}

static dragon_err_t gather(struct rendezvous *r, dragon_error_t *error)
{
    while (r->delivered < r->boot->size - 1) {
        dragon_err_t err = turn(r, r->until_ms);
        if (r->lost)
            return lost_error(r, error);
        if (err == DRAGON_ERR_TIMEOUT)
            return missing_error(r, error);
        if (err)
            return boot_wait_error(r->boot, err, "waiting for the other ranks", error);
    }
    return DRAGON_OK;
}

static bool build_table(struct rendezvous *r)
{
    struct pack body = PACK_EMPTY;
    uint8_t header[BOOT_HEADER_BYTES];
    boot_table_write(r->table, r->boot->size, &body);
    boot_header_write(&(struct boot_header){BOOT_WIRE_VERSION, DRAGON_OK, body.length}, header);
    pack_raw(&r->sent, header, sizeof header);
    pack_raw(&r->sent, body.data, body.length);
    bool built = !body.failed && !r->sent.failed;
    pack_fini(&body);
    return built;
}

static dragon_err_t untaken_error(struct rendezvous *r, dragon_error_t *error)
{
    char waited[BOOT_TEXT_BYTES];
    uint32_t rank = 1;
    while (rank + 1 < r->boot->size &&
           (!r->by_rank[rank] || r->by_rank[rank]->state != CONN_TAKING))
        rank++;
    return err_set(error, DRAGON_ERR_TIMEOUT,
                   "%u of %u ranks (rank %u first) did not take the addresses of all within %s",
                   r->boot->size - 1 - r->took, r->boot->size, rank, boot_waited(r->boot, waited));
}

static dragon_err_t spread(struct rendezvous *r, dragon_error_t *error)
{
    if (!build_table(r))
        return err_set(error, DRAGON_ERR_NOMEM, "no memory for the addresses of %u ranks",
                       r->boot->size);
    for (uint32_t i = 1; i < r->boot->size; i++)
        conn_send_table(r, r->by_rank[i]);
    while (r->took < r->boot->size - 1) {
        dragon_err_t err = turn(r, r->boot->deadline_ms);
        if (r->lost)
            return lost_error(r, error);
        if (err == DRAGON_ERR_TIMEOUT)
            return untaken_error(r, error);
        if (err)
            return boot_wait_error(r->boot, err, "sending the addresses of all", error);
    }
    return DRAGON_OK;
}

// Every rank that came learns the reason, and gets a moment to read it.
static void tell_all(struct rendezvous *r, dragon_err_t code, const char *text)
{
    for (size_t i = 0; i < r->count; i++) {
        struct conn *conn = r->conns[i];
        if (conn->state >= CONN_LENGTH && conn->state <= CONN_DELIVERED)
            conn_tell(r, conn, code, text);
        else if (conn->state != CONN_CLOSED)
            conn_close(r, conn);
    }
    remove_closed(r);
    r->listen_fd = -1; // nobody new
    uint64_t until = time_now_ms() + LINGER_MS;
    if (until > r->boot->deadline_ms)
        until = r->boot->deadline_ms;
    while (r->count > 0 && turn(r, until) == DRAGON_OK)
        continue;
}

// Descriptors for everybody; the limit is put back afterwards, since children inherit it.
static dragon_err_t raise_limit(const struct boot *boot, struct rlimit *before,
                                dragon_error_t *error)
{
    rlim_t needed = boot->size + UNPROVEN_LIMIT + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, before) < 0)
        return err_set_errno(error, errno, "cannot ask for the limit of open files");
    if (before->rlim_cur >= needed)
        return DRAGON_OK;
    struct rlimit raised = {.rlim_cur = needed, .rlim_max = before->rlim_max};
    if (raised.rlim_cur > raised.rlim_max)
        raised.rlim_cur = raised.rlim_max; // fewer strangers at a time
    if (raised.rlim_cur < boot->size + OTHER_DESCRIPTORS || setrlimit(RLIMIT_NOFILE, &raised) < 0)
        return err_set(error, DRAGON_ERR_SYS,
                       "rank 0 of %u needs %llu open files, and may have %llu (ulimit -Hn)",
                       boot->size, (unsigned long long)needed,
                       (unsigned long long)before->rlim_max);
    return DRAGON_OK;
}

static void rendezvous_fini(struct rendezvous *r)
{
    for (size_t i = 0; i < r->count; i++)
        conn_free(r->conns[i]);
    if (r->lost)
        conn_free(r->lost);
    free(r->conns);
    free(r->by_rank);
    free(r->polls);
    pack_fini(&r->sent);
}

static dragon_err_t serve_all(struct rendezvous *r, dragon_error_t *error)
{
    dragon_error_t told = {0};
    r->by_rank = calloc(r->boot->size, sizeof *r->by_rank);
    if (!r->by_rank || !reserve(r))
        return err_set(error, DRAGON_ERR_NOMEM, "no memory to serve %u ranks", r->boot->size);
    dragon_err_t err = gather(r, &told);
    if (!err)
        err = spread(r, &told);
    if (!err)
        return DRAGON_OK;
    if (err == DRAGON_ERR_CANCELED)
        tell_all(r, err, "rank 0 was told to give up");
    else
        tell_all(r, err, told.text);
    return err_set(error, err, "%s", told.text);
}

dragon_err_t rendezvous_serve(struct boot *boot, int listen_fd, const uint8_t *secret,
                              struct boot_blob *table, dragon_error_t *error)
{
    uint64_t left_ms = (uint64_t)time_left_ms(boot->deadline_ms);
    struct rendezvous r = {
        .boot = boot,
        .secret = secret,
        .table = table,
        .listen_fd = listen_fd,
        .until_ms = boot->deadline_ms - rendezvous_margin_ms(left_ms),
    };
    struct rlimit before;
    dragon_err_t err = raise_limit(boot, &before, error);
    if (err)
        return err;
    err = serve_all(&r, error);
    rendezvous_fini(&r);
    setrlimit(RLIMIT_NOFILE, &before);
    return err;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// What rendezvous.c (all connections of rank 0, one loop) and conn.c (one of them) share.
#ifndef BOOT_RENDEZVOUS_H
#define BOOT_RENDEZVOUS_H

#include "boot/internal.h"

#include <poll.h>

enum {
    UNPROVEN_LIMIT = 256,
    LINGER_MS = 500, // kept of the deadline for telling everybody that it is missed
};

enum conn_state {
    CONN_CHALLENGE, // the challenge is awaited
    CONN_RESPONSE,  // our answer is out, its proof and hello are awaited
    CONN_LENGTH,    // a rank, known from here on
    CONN_BLOB,
    CONN_DELIVERED, // waits for the others
    CONN_TAKING,    // the table is out, its word that it has it all is awaited
    CONN_REFUSED,   // what it sends is thrown away until it has read our report
    CONN_CLOSED,    // removed at the end of the turn
};

struct conn {
    int fd;
    enum conn_state state;
    uint32_t rank;     // from LENGTH on
    uint64_t since_ms; // in the states with a limit of their own
    struct auth auth;
    uint8_t small[AUTH_RESPONSE_BYTES];
    uint8_t *in; // borrowed: small, or the rank's blob in the table
    size_t in_have;
    size_t in_want;
    const uint8_t *out; // borrowed: answer, report or the table
    size_t out_left;
    uint8_t answer[AUTH_ANSWER_BYTES];
    struct pack report; // owned
};

struct rendezvous {
    struct boot *boot;
    const uint8_t *secret;
    struct boot_blob *table; // borrowed
    int listen_fd;           // borrowed
    struct conn **conns;     // owned, as each of them
    struct conn **by_rank;   // owned list of borrowed; NULL: not there
    struct pollfd *polls;    // two more than conns
    size_t count;
    size_t room;
    size_t unproven; // conns in CHALLENGE and RESPONSE
    uint32_t delivered;
    uint32_t took;
    uint64_t until_ms;     // the earliest end of anybody's patience
    uint64_t accept_at_ms; // not before
    struct pack sent;      // the table with its header
    struct conn *lost;     // set once: a rank whose connection broke
    int accept_failure;    // errno of the last one, for the text about missing ranks
    size_t refused;
    char refusal[BOOT_TEXT_BYTES]; // of the last one
};

// Somebody who connected; *conn is zero but for fd.
void conn_start(struct rendezvous *r, struct conn *conn);
void conn_free(struct conn *conn);

static inline bool conn_is_unproven(const struct conn *conn)
{
    return conn->state == CONN_CHALLENGE || conn->state == CONN_RESPONSE;
}

// Closes it, and gives what it held in *r back; it is freed at the end of the turn.
void conn_close(struct rendezvous *r, struct conn *conn);

// Ends the connection of somebody who is none of ours.
void conn_drop(struct rendezvous *r, struct conn *conn, const char *why);

// Tells a rank why it gets no table; it is closed when it has read that.
void conn_tell(struct rendezvous *r, struct conn *conn, dragon_err_t code, const char *text);

// The table is ready: it is sent as the connection takes it.
void conn_send_table(struct rendezvous *r, struct conn *conn);

// poll() found it ready.
void conn_flush(struct rendezvous *r, struct conn *conn);
void conn_read(struct rendezvous *r, struct conn *conn);

// How much earlier than `left_ms` from now rank 0 ends its waiting, so that all can still be told.
uint64_t rendezvous_margin_ms(uint64_t left_ms);

#endif

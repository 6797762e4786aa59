// SPDX-License-Identifier: BSD-3-Clause
//
// The exchange of the explicit kind as every rank but 0 sees it: one TCP connection to rank 0.
//
//     rank r                                  rank 0 (rendezvous.c)
//     challenge                          -->
//                                        <--  answer              both know the secret now
//     response with hello, length, blob  -->
//                                        <--  header, table (or what went wrong)
//     one byte: have it                  -->
//
// It tries again, until the deadline, as long as nothing was heard from rank 0, which may be
// started much later.
#include "config.h"

#include "boot/internal.h"

#include <unistd.h>

enum {
    ATTEMPT_MS = 5000, // one connection attempt: longer ones are better begun anew
    PAUSE_FIRST_MS = 20,
    PAUSE_LAST_MS = 500,
    READ_STEP = 1 << 20,
};

// One connection to rank 0, and whether anything was heard on it.
struct caller {
    struct boot *boot;
    const char *address;
    const uint8_t *secret;
    struct boot_address *addresses; // owned
    size_t count;
    int fd;
    bool heard;
    int failure; // errno of the last attempt, 0: it was accepted, and then closed
};

static dragon_err_t dial(struct caller *caller)
{
    dragon_err_t err = DRAGON_ERR_PEER;
    for (size_t i = 0; i < caller->count; i++) {
        uint64_t until = time_now_ms() + ATTEMPT_MS;
        if (until > caller->boot->deadline_ms)
            until = caller->boot->deadline_ms;
        err =
            boot_connect(caller->boot, &caller->addresses[i], until, &caller->fd, &caller->failure);
        if (!err || err == DRAGON_ERR_CANCELED)
            return err;
    }
    return err;
}

static uint32_t left_ms(const struct boot *boot)
{
    return (uint32_t)time_left_ms(boot->deadline_ms);
}

static dragon_err_t authenticate(struct caller *caller, struct auth *auth, dragon_error_t *error)
{
    const struct boot *boot = caller->boot;
    uint8_t challenge[AUTH_CHALLENGE_BYTES], answer[AUTH_ANSWER_BYTES];
    uint8_t hello[AUTH_HELLO_BYTES], response[AUTH_RESPONSE_BYTES];
    auth_client_challenge(auth, challenge);
    dragon_err_t err = boot_send(boot, caller->fd, challenge, sizeof challenge, boot->deadline_ms);
    if (!err)
        err = boot_recv(boot, caller->fd, answer, sizeof answer, boot->deadline_ms);
    if (err)
        return boot_wait_error(boot, err, "greeting rank 0", error);
    caller->heard = true;
    boot_hello_write(&(struct boot_hello){.version = BOOT_WIRE_VERSION,
                                          .rank = boot->rank,
                                          .size = boot->size,
                                          .left_ms = left_ms(boot)},
                     hello);
    if (!auth_client_respond(auth, answer, hello, response))
        return err_set(error, DRAGON_ERR_DENIED,
                       "who answers at %s does not know the secret of this run: rank 0 has "
                       "another secret file, or it is another run",
                       caller->address);
    err = boot_send(boot, caller->fd, response, sizeof response, boot->deadline_ms);
    return err ? boot_wait_error(boot, err, "greeting rank 0", error) : DRAGON_OK;
}

// Until rank 0 was heard the connection may be one that it dropped to protect itself.
static dragon_err_t reach_once(struct caller *caller, dragon_error_t *error)
{
    dragon_err_t err = dial(caller);
    if (err)
        return err == DRAGON_ERR_CANCELED
                   ? boot_wait_error(caller->boot, err, "connecting to rank 0", error)
                   : err;
    struct auth auth;
    auth_start(&auth, caller->secret, "boot");
    err = authenticate(caller, &auth, error);
    auth_fini(&auth);
    if (err) {
        close(caller->fd);
        caller->fd = -1;
    }
    return err;
}

static dragon_err_t reach_error(const struct caller *caller, dragon_error_t *error)
{
    char waited[BOOT_TEXT_BYTES];
    const char *why = caller->failure ? strerror(caller->failure)
                                      : "something listens there, but does not answer";
    return err_set(error, DRAGON_ERR_PEER, "rank %u could not reach rank 0 at %s within %s: %s",
                   caller->boot->rank, caller->address, boot_waited(caller->boot, waited), why);
}

static dragon_err_t reach(struct caller *caller, dragon_error_t *error)
{
    const struct boot *boot = caller->boot;
    uint64_t pause = PAUSE_FIRST_MS;
    for (;;) {
        dragon_err_t err = reach_once(caller, error);
        if (!err || caller->heard || err == DRAGON_ERR_CANCELED)
            return err;
        uint64_t left = (uint64_t)time_left_ms(boot->deadline_ms);
        if (left == 0)
            return reach_error(caller, error);
        err = boot_wait(boot, -1, 0, time_now_ms() + (pause < left ? pause : left));
        if (err != DRAGON_ERR_TIMEOUT) // which is the end of the pause
            return boot_wait_error(boot, err, "connecting to rank 0", error);
        pause = 2 * pause < PAUSE_LAST_MS ? 2 * pause : PAUSE_LAST_MS;
    }
}

static dragon_err_t send_blob(struct caller *caller, const struct boot_blob *blob)
{
    struct pack pack = PACK_EMPTY;
    pack_bytes(&pack, blob->data, blob->length);
    dragon_err_t err = pack.failed ? DRAGON_ERR_NOMEM
                                   : boot_send(caller->boot, caller->fd, pack.data, pack.length,
                                               caller->boot->deadline_ms);
    pack_fini(&pack);
    return err;
}

// The buffer grows with what really arrives.
static dragon_err_t recv_body(struct caller *caller, size_t length, uint8_t **body_out)
{
    uint8_t *body = NULL;
    dragon_err_t err = DRAGON_OK;
    size_t have = 0, room = 0;
    do {
        room = room + READ_STEP < length / 2 ? 2 * (room + READ_STEP) : length;
        uint8_t *grown = realloc(body, room ? room : 1);
        if (!grown) {
            free(body);
            return DRAGON_ERR_NOMEM;
        }
        body = grown;
        err = boot_recv(caller->boot, caller->fd, body + have, room - have,
                        caller->boot->deadline_ms);
        have = room;
    } while (!err && have < length);
    if (err) {
        free(body);
        return err;
    }
    *body_out = body;
    return DRAGON_OK;
}

static dragon_err_t report_error(const struct boot_header *header, const uint8_t *body,
                                 dragon_error_t *error)
{
    char text[BOOT_REPORT_LIMIT + 1];
    size_t length = 0;
    for (; length < header->length && body[length]; length++)
        text[length] = body[length] < ' ' ? ' ' : (char)body[length];
    text[length] = '\0';
    return err_set(error, header->code, "%s", text);
}

static dragon_err_t take_table(struct caller *caller, struct boot_blob *table,
                               dragon_error_t *error)
{
    const struct boot *boot = caller->boot;
    const char *what = "waiting for the addresses of all ranks from rank 0";
    uint8_t bytes[BOOT_HEADER_BYTES];
    struct boot_header header;
    dragon_err_t err = boot_recv(boot, caller->fd, bytes, sizeof bytes, boot->deadline_ms);
    if (err)
        return boot_wait_error(boot, err, what, error);
    if (!boot_header_read(bytes, boot->size, &header))
        return err_set(error, DRAGON_ERR_PROTO, "%s: what came is not understood", what);
    uint8_t *body;
    err = recv_body(caller, (size_t)header.length, &body);
    if (err)
        return boot_wait_error(boot, err, what, error);
    if (header.code) {
        err = report_error(&header, body, error);
        // These end the start for all; other codes are about this rank alone.
        if (err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_PEER || err == DRAGON_ERR_CANCELED)
            caller->boot->teller = BOOT_TELLER_OTHER;
    } else {
        err = boot_table_read(body, (size_t)header.length, boot->size, boot->rank, table);
        if (err)
            err_set(error, err, "%s: %s", what, dragon_err_text(err));
    }
    free(body);
    return err;
}

static dragon_err_t call(struct caller *caller, struct boot_blob *table, dragon_error_t *error)
{
    struct boot *boot = caller->boot;
    dragon_err_t err = reach(caller, error);
    if (err)
        return err;
    err = send_blob(caller, &table[boot->rank]);
    // A broken connection may still hold the reason, sent by rank 0 before it closed.
    if (err && err != DRAGON_ERR_PEER)
        return boot_wait_error(boot, err, "sending this rank's address to rank 0", error);
    err = take_table(caller, table, error);
    if (err)
        return err;
    // Rank 0 reports a rank that had it all and went away before saying so; we need not wait.
    uint8_t have = 1;
    boot_send(boot, caller->fd, &have, sizeof have, boot->deadline_ms);
    return DRAGON_OK;
}

dragon_err_t caller_call(struct boot *boot, const char *address, const uint8_t *secret,
                         struct boot_blob *table, dragon_error_t *error)
{
    struct caller caller = {.boot = boot, .address = address, .secret = secret, .fd = -1};
    dragon_err_t err =
        boot_resolve(boot, address, boot->deadline_ms, &caller.addresses, &caller.count, error);
    if (err)
        return err;
    err = call(&caller, table, error);
    if (caller.fd >= 0)
        close(caller.fd);
    free(caller.addresses);
    return err;
}

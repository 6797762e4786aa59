// SPDX-License-Identifier: BSD-3-Clause
//
// What the kinds of boot/ share: the object, bounded waits, formats, texts.
#ifndef BOOT_INTERNAL_H
#define BOOT_INTERNAL_H

#include "boot/boot.h"

#include <sys/socket.h>

// What a kind brings. A table, because there are four kinds and one is chosen at run time.
struct boot_ops {
    // table has boot->size entries, the own one filled; the caller frees them on failure too.
    dragon_err_t (*exchange)(struct boot *boot, struct boot_blob *table, dragon_error_t *error);
    void (*leave)(struct boot *boot); // bounded in time; frees boot->own
};

struct boot {
    const struct boot_ops *ops;
    void *own; // the kind's, freed by ops->leave
    enum boot_kind kind;
    uint32_t rank;
    uint32_t size;
    uint64_t started_ms;
    uint64_t deadline_ms;
    int cancel_fd; // borrowed, or -1
    bool exchanged;
    enum boot_teller teller;
};

// Each fills ops, own, rank and size, all or nothing.
dragon_err_t boot_explicit_join(struct boot *boot, const struct boot_options *options,
                                dragon_error_t *error);
dragon_err_t boot_pmix_join(struct boot *boot, dragon_error_t *error); // PEER: no server answers
dragon_err_t boot_pmi1_join(struct boot *boot, dragon_error_t *error);

// The code for a pmix_status_t.
dragon_err_t boot_pmix_err(int status);

// --- rendezvous.c: rank 0 of the explicit kind, serving all others until they have the table.
dragon_err_t rendezvous_serve(struct boot *boot, int listen_fd, const uint8_t *secret,
                              struct boot_blob *table, dragon_error_t *error);

// --- caller.c: the other ranks.
dragon_err_t caller_call(struct boot *boot, const char *address, const uint8_t *secret,
                         struct boot_blob *table, dragon_error_t *error);

// --- wait.c: everything that waits. until_ms is of the clock of time_now_ms.

// Until fd (-1: none, just sleep) has one of events, or is broken. TIMEOUT, CANCELED.
dragon_err_t boot_wait(const struct boot *boot, int fd, short events, uint64_t until_ms);

// All of it, on a stream socket of any blocking mode. CLOSED: the other end closed; PEER: it broke.
dragon_err_t boot_send(const struct boot *boot, int fd, const void *data, size_t length,
                       uint64_t until_ms);
dragon_err_t boot_recv(const struct boot *boot, int fd, void *data, size_t length,
                       uint64_t until_ms);
// What is there, at least one byte of it.
dragon_err_t boot_recv_some(const struct boot *boot, int fd, void *data, size_t room,
                            uint64_t until_ms, size_t *length_out);

// Runs fn(arg) in a thread of its own and waits for its end: for calls that may block for ever.
// On OK (it ended) and NOMEM, SYS (it never started) arg stays the caller's. On TIMEOUT and
// CANCELED the thread is abandoned and owns arg: it calls drop(arg) should fn ever return.
dragon_err_t boot_run(const struct boot *boot, void (*fn)(void *arg), void (*drop)(void *arg),
                      void *arg, uint64_t until_ms);

struct boot_address {
    struct sockaddr_storage at;
    socklen_t length;
};

// The addresses of "host:port". *list_out is freed with free().
dragon_err_t boot_resolve(const struct boot *boot, const char *address, uint64_t until_ms,
                          struct boot_address **list_out, size_t *count_out, dragon_error_t *error);
// One attempt at one address; *fd_out is non-blocking and close-on-exec.
dragon_err_t boot_connect(const struct boot *boot, const struct boot_address *address,
                          uint64_t until_ms, int *fd_out, int *errno_out);

// --- text.c: what people read.

enum { BOOT_TEXT_BYTES = 160 };

// "60 s": how long this run has been waiting since the join.
const char *boot_waited(const struct boot *boot, char text[BOOT_TEXT_BYTES]);

// The ranks whose `here` is false, "rank 2 of 4", "ranks 1, 3-5 and 12 more of 64".
const char *boot_missing(const bool *here, uint32_t size, char text[BOOT_TEXT_BYTES]);

// What an error says when boot_wait, boot_send or boot_recv failed with `code`; `what` reads
// "waiting for rank 0 at h:1".
dragon_err_t boot_wait_error(const struct boot *boot, dragon_err_t code, const char *what,
                             dragon_error_t *error);

// --- wire.c: every decoder of bytes from outside. No I/O.

enum {
    BOOT_WIRE_VERSION = 1,
    BOOT_WRAP_BYTES = 12,
    BOOT_HEADER_BYTES = 16,
    BOOT_REPORT_LIMIT = sizeof(((dragon_error_t *)0)->text),
};

bool boot_blob_copy(const void *data, size_t length, struct boot_blob *blob_out);

// A blob as it travels through a launcher's store: version, rank, length, bytes. The reader knows
// from the first BOOT_WRAP_BYTES how many bytes there are to be.
bool boot_wrap(const struct boot_blob *blob, uint32_t rank, struct pack *pack);
bool boot_wrap_length(const uint8_t *data, size_t length, uint32_t rank, size_t *total_out);
dragon_err_t boot_unwrap(const uint8_t *data, size_t length, uint32_t rank,
                         struct boot_blob *blob_out); // blob_out: the caller frees data

// The explicit kind, client -> rank 0: 16 bytes, proven by net/auth.h.
struct boot_hello {
    uint32_t version;
    uint32_t rank;
    uint32_t size;
    uint32_t left_ms; // until this rank gives up
};
void boot_hello_write(const struct boot_hello *hello, uint8_t bytes[AUTH_HELLO_BYTES]);
struct boot_hello boot_hello_read(const uint8_t bytes[AUTH_HELLO_BYTES]);

// Rank 0 -> client: this header, then the table (code is OK) or a text for people.
struct boot_header {
    uint32_t version;
    dragon_err_t code;
    uint64_t length;
};
void boot_header_write(const struct boot_header *header, uint8_t bytes[BOOT_HEADER_BYTES]);
// False: not such a header, or more bytes than `size` ranks can have offered.
bool boot_header_read(const uint8_t bytes[BOOT_HEADER_BYTES], uint32_t size,
                      struct boot_header *header_out);
bool boot_table_write(const struct boot_blob *table, uint32_t size, struct pack *pack);
// Fills all entries but the own one (`mine`), which is left as it is.
dragon_err_t boot_table_read(const uint8_t *data, size_t length, uint32_t size, uint32_t mine,
                             struct boot_blob *table);

// The value of `key` in one PMI-1 line "cmd=... key=value ..."; false: not there, or does not fit.
bool pmi1_word(const char *line, const char *key, char *value_out, size_t room);
bool pmi1_number(const char *line, const char *key, long long low, long long high, long long *out);

// Base64 without padding and with - and _, which every launcher's parser leaves alone.
size_t pmi1_encoded_length(size_t length);
void pmi1_encode(const uint8_t *data, size_t length, char *text_out); // and a zero
bool pmi1_decode(const char *text, uint8_t *data_out, size_t room, size_t *length_out);

#endif

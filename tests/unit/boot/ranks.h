// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of boot/: ranks of the explicit kind as threads of one process, and callers that
// speak its wire format by hand.
#ifndef TESTS_UNIT_BOOT_RANKS_H
#define TESTS_UNIT_BOOT_RANKS_H

#include "boot/internal.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANKS_LIMIT = 16 };

struct rank {
    struct boot_options options;
    struct boot_blob blob; // owned
    pthread_t thread;
    dragon_err_t err;
    dragon_error_t error;
    struct boot_blob *blobs; // owned; of a success
    uint64_t took_ms;
};

// One run: a listening socket, a secret, and up to RANKS_LIMIT ranks.
struct run {
    char secret_file[64];
    uint8_t secret[AUTH_SECRET_BYTES];
    char address[64];
    int listen_fd;
    uint32_t size;
    uint64_t deadline_ms;
    struct rank ranks[RANKS_LIMIT];
};

static inline void write_file(const char *path, const void *data, size_t length, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    cr_assert(fd >= 0);
    fchmod(fd, mode);
    cr_assert(write(fd, data, length) == (ssize_t)length);
    close(fd);
}

static inline void run_init(struct run *run, uint32_t size, uint64_t patience_ms)
{
    cr_assert(auth_open());
    memset(run, 0, sizeof *run);
    run->size = size;
    run->deadline_ms = time_now_ms() + patience_ms;
    auth_random(run->secret, sizeof run->secret);
    snprintf(run->secret_file, sizeof run->secret_file, "/tmp/boot-test-secret.%d", (int)getpid());
    write_file(run->secret_file, run->secret, sizeof run->secret, 0600);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    run->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(run->listen_fd, (struct sockaddr *)&at, sizeof at) == 0);
    cr_assert(listen(run->listen_fd, 1) == 0);
    cr_assert(getsockname(run->listen_fd, (struct sockaddr *)&at, &length) == 0);
    snprintf(run->address, sizeof run->address, "127.0.0.1:%d", ntohs(at.sin_port));
    for (uint32_t i = 0; i < RANKS_LIMIT; i++)
        run->ranks[i].options = (struct boot_options){.rank = i,
                                                      .size = size,
                                                      .address = run->address,
                                                      .secret_file = run->secret_file,
                                                      .listen_fd = i == 0 ? run->listen_fd : -1,
                                                      .deadline_ms = run->deadline_ms,
                                                      .cancel_fd = -1};
}

static inline void *rank_main(void *arg)
{
    struct rank *rank = arg;
    struct boot *boot;
    uint64_t started = time_now_ms();
    rank->err = boot_join(&rank->options, &boot, &rank->error);
    if (rank->err == DRAGON_OK) {
        rank->err = boot_exchange(boot, &rank->blob, &rank->blobs, &rank->error);
        boot_destroy(boot);
    }
    rank->took_ms = time_now_ms() - started;
    return NULL;
}

// The blob of every rank is `length` bytes that depend on the rank.
static inline void rank_start(struct run *run, uint32_t index, size_t length)
{
    struct rank *rank = &run->ranks[index];
    rank->blob.data = malloc(length + 1);
    rank->blob.length = length;
    for (size_t i = 0; i < length; i++)
        rank->blob.data[i] = (uint8_t)(i * 31 + (size_t)rank->options.rank);
    cr_assert(pthread_create(&rank->thread, NULL, rank_main, rank) == 0);
}

static inline void rank_join(struct run *run, uint32_t index)
{
    pthread_join(run->ranks[index].thread, NULL);
}

// Rank `index` has the blobs that all ranks of the run offered, `length` bytes each.
static inline void rank_check(const struct run *run, uint32_t index, size_t length)
{
    const struct rank *rank = &run->ranks[index];
    cr_assert(rank->err == DRAGON_OK, "rank %u: %s", index, rank->error.text);
    for (uint32_t i = 0; i < run->size; i++) {
        cr_assert(rank->blobs[i].length == length);
        for (size_t at = 0; at < length; at++)
            cr_assert(rank->blobs[i].data[at] == (uint8_t)(at * 31 + i));
    }
}

static inline void run_fini(struct run *run)
{
    for (uint32_t i = 0; i < RANKS_LIMIT; i++) {
        boot_blobs_free(run->ranks[i].blobs, run->size);
        free(run->ranks[i].blob.data);
    }
    close(run->listen_fd);
    unlink(run->secret_file);
}

static inline int stranger(const struct run *run)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    long long port;
    cr_assert(parse_number(strchr(run->address, ':') + 1, 1, 65535, &port));
    at.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

static inline void send_bytes(int fd, const void *data, size_t length)
{
    cr_assert(send(fd, data, length, MSG_NOSIGNAL) == (ssize_t)length);
}

// False when the connection ended before; gives up after ten seconds.
static inline bool recv_bytes(int fd, void *data, size_t length)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    for (uint8_t *at = data; length > 0;) {
        cr_assert(poll(&ready, 1, 10000) == 1, "nothing came");
        ssize_t got = recv(fd, at, length, 0);
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

// A caller that knows the secret, and says `hello`.
static inline int insider(const struct run *run, const struct boot_hello *hello)
{
    struct auth auth;
    uint8_t challenge[AUTH_CHALLENGE_BYTES], answer[AUTH_ANSWER_BYTES];
    uint8_t bytes[AUTH_HELLO_BYTES], response[AUTH_RESPONSE_BYTES];
    int fd = stranger(run);
    auth_start(&auth, run->secret, "boot");
    auth_client_challenge(&auth, challenge);
    send_bytes(fd, challenge, sizeof challenge);
    cr_assert(recv_bytes(fd, answer, sizeof answer));
    boot_hello_write(hello, bytes);
    cr_assert(auth_client_respond(&auth, answer, bytes, response));
    send_bytes(fd, response, sizeof response);
    auth_fini(&auth);
    return fd;
}

// What rank 0 told instead of a table; closes fd.
static inline dragon_err_t told(const struct run *run, int fd, char text[BOOT_REPORT_LIMIT + 1])
{
    uint8_t bytes[BOOT_HEADER_BYTES];
    struct boot_header header;
    cr_assert(recv_bytes(fd, bytes, sizeof bytes));
    cr_assert(boot_header_read(bytes, run->size, &header));
    cr_assert(header.length <= BOOT_REPORT_LIMIT);
    cr_assert(recv_bytes(fd, text, (size_t)header.length));
    text[header.length] = '\0';
    close(fd);
    return header.code;
}

#endif

// SPDX-License-Identifier: BSD-3-Clause
//
// Everything in boot/ that waits for one thing: with a deadline, and giving up at once when the
// caller's cancel_fd becomes readable. Calls that cannot be bounded (name resolution, PMIx_Init)
// run in a thread that is abandoned when it does not come back: the process is about to end then.
// Waiting for many connections at once is in rendezvous.c.
#include "config.h"

#include "boot/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

dragon_err_t boot_wait(const struct boot *boot, int fd, short events, uint64_t until_ms)
{
    struct pollfd polls[] = {
        {.fd = boot->cancel_fd, .events = POLLIN},
        {.fd = fd, .events = events},
    };
    for (;;) {
        int ready = poll(polls, 2, time_left_ms(until_ms));
        if (ready < 0 && errno != EINTR)
            return DRAGON_ERR_SYS;
        if (ready > 0 && polls[0].revents)
            return DRAGON_ERR_CANCELED;
        if (ready > 0)
            return DRAGON_OK;
        if (ready == 0 && time_now_ms() >= until_ms)
            return DRAGON_ERR_TIMEOUT;
    }
}

static dragon_err_t stream_error(void)
{
    // A host that went away is told as ETIMEDOUT, which is not our own time-out.
    return errno == ETIMEDOUT ? DRAGON_ERR_PEER : err_from_errno(errno);
}

dragon_err_t boot_send(const struct boot *boot, int fd, const void *data, size_t length,
                       uint64_t until_ms)
{
    const uint8_t *at = data;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            dragon_err_t err = boot_wait(boot, fd, POLLOUT, until_ms);
            if (err)
                return err;
        } else if (sent < 0 && errno != EINTR) {
            return stream_error();
        }
    }
    return DRAGON_OK;
}

dragon_err_t boot_recv_some(const struct boot *boot, int fd, void *data, size_t room,
                            uint64_t until_ms, size_t *length_out)
{
    for (;;) {
        // Asked each time, so that a peer which never stops sending cannot hold off the deadline.
        dragon_err_t err = boot_wait(boot, fd, POLLIN, until_ms);
        if (err)
            return err;
        ssize_t got = recv(fd, data, room, MSG_DONTWAIT);
        if (got > 0) {
            *length_out = (size_t)got;
            return DRAGON_OK;
        }
        if (got == 0)
            return DRAGON_ERR_CLOSED;
        if (errno != EAGAIN && errno != EINTR)
            return stream_error();
    }
}

dragon_err_t boot_recv(const struct boot *boot, int fd, void *data, size_t length,
                       uint64_t until_ms)
{
    uint8_t *at = data;
    while (length > 0) {
        size_t got;
        dragon_err_t err = boot_recv_some(boot, fd, at, length, until_ms, &got);
        if (err)
            return err;
        at += got;
        length -= got;
    }
    return DRAGON_OK;
}

struct run {
    void (*fn)(void *arg);
    void (*drop)(void *arg);
    void *arg;
    int event_fd;
    atomic_int state;
};

enum { RUN_GOING, RUN_ENDED, RUN_ABANDONED };

static void run_free(struct run *run)
{
    close(run->event_fd);
    free(run);
}

static void *run_thread(void *arg)
{
    struct run *run = arg;
    run->fn(run->arg);
    int state = RUN_GOING;
    if (!atomic_compare_exchange_strong(&run->state, &state, RUN_ENDED)) {
        run->drop(run->arg);
        run_free(run);
        return NULL;
    }
    eventfd_write(run->event_fd, 1); // the waiter frees run only after this, having joined
    return NULL;
}

static int start_thread(pthread_t *thread, struct run *run)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(thread, NULL, run_thread, run);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

dragon_err_t boot_run(const struct boot *boot, void (*fn)(void *arg), void (*drop)(void *arg),
                      void *arg, uint64_t until_ms)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return DRAGON_ERR_NOMEM;
    *run = (struct run){.fn = fn, .drop = drop, .arg = arg};
    run->event_fd = eventfd(0, EFD_CLOEXEC);
    pthread_t thread;
    if (run->event_fd < 0 || start_thread(&thread, run) != 0) {
        if (run->event_fd >= 0)
            close(run->event_fd);
        free(run);
        return DRAGON_ERR_SYS;
    }
    dragon_err_t err = boot_wait(boot, run->event_fd, POLLIN, until_ms);
    int state = RUN_GOING;
    if (err && atomic_compare_exchange_strong(&run->state, &state, RUN_ABANDONED)) {
        pthread_detach(thread);
        return err == DRAGON_ERR_CANCELED ? err : DRAGON_ERR_TIMEOUT;
    }
    pthread_join(thread, NULL);
    run_free(run);
    return DRAGON_OK;
}

struct lookup {
    char *host; // owned; "" for none
    char *port; // owned
    struct addrinfo *found;
    int failure;
};

static void lookup_free(void *arg)
{
    struct lookup *lookup = arg;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    free(lookup->host);
    free(lookup->port);
    free(lookup);
}

static void lookup_run(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    lookup->failure = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
}

static struct lookup *lookup_create(const char *address)
{
    const char *colon = strrchr(address, ':');
    long long port;
    if (!colon || colon == address || !parse_number(colon + 1, 1, 65535, &port))
        return NULL;
    size_t length = (size_t)(colon - address);
    if (address[0] == '[' && colon[-1] == ']') {
        address++;
        length -= 2;
    } else if (memchr(address, ':', length)) {
        return NULL; // an IPv6 address without brackets: its last number is no port
    }
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return NULL;
    lookup->host = strndup(address, length);
    lookup->port = strdup(colon + 1);
    if (!lookup->host || !lookup->port) {
        lookup_free(lookup);
        return NULL;
    }
    return lookup;
}

static dragon_err_t lookup_take(const struct lookup *lookup, struct boot_address **list_out,
                                size_t *count_out)
{
    size_t count = 0;
    for (struct addrinfo *at = lookup->found; at; at = at->ai_next)
        count++;
    struct boot_address *list = calloc(count, sizeof *list);
    if (!list)
        return DRAGON_ERR_NOMEM;
    *count_out = count;
    *list_out = list;
    for (struct addrinfo *at = lookup->found; at; at = at->ai_next, list++) {
        memcpy(&list->at, at->ai_addr, at->ai_addrlen);
        list->length = at->ai_addrlen;
    }
    return DRAGON_OK;
}

dragon_err_t boot_resolve(const struct boot *boot, const char *address, uint64_t until_ms,
                          struct boot_address **list_out, size_t *count_out, dragon_error_t *error)
{
    struct lookup *lookup = lookup_create(address);
    if (!lookup)
        return err_set(error, DRAGON_ERR_INVAL,
                       "\"%s\" is no address; write host:port or [IPv6 address]:port", address);
    dragon_err_t err = boot_run(boot, lookup_run, lookup_free, lookup, until_ms);
    if (err == DRAGON_ERR_TIMEOUT || err == DRAGON_ERR_CANCELED) // lookup is the thread's now
        return boot_wait_error(boot, err, "looking up the rendezvous address", error);
    if (err)
        err_set(error, err, "cannot look up %s: %s", address, dragon_err_text(err));
    else if (lookup->failure)
        err = err_set(error, DRAGON_ERR_PEER, "cannot find the host of address %s: %s", address,
                      gai_strerror(lookup->failure));
    else if (lookup_take(lookup, list_out, count_out))
        err = err_set(error, DRAGON_ERR_NOMEM, "no memory for the address %s", address);
    lookup_free(lookup);
    return err;
}

dragon_err_t boot_connect(const struct boot *boot, const struct boot_address *address,
                          uint64_t until_ms, int *fd_out, int *errno_out)
{
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *errno_out = errno;
        return DRAGON_ERR_SYS;
    }
    int failure = 0;
    dragon_err_t err = DRAGON_OK;
    if (connect(fd, (const struct sockaddr *)&address->at, address->length) < 0)
        failure = errno;
    if (failure == EINPROGRESS || failure == EINTR) {
        err = boot_wait(boot, fd, POLLOUT, until_ms);
        failure = err ? ETIMEDOUT : 0;
        socklen_t length = sizeof failure;
        if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0)
            failure = errno;
    }
    if (!err && failure)
        err = failure == EAGAIN ? DRAGON_ERR_PEER : err_from_errno(failure);
    if (err) {
        close(fd);
        *errno_out = failure;
        return err;
    }
    // Small messages to and fro: none of them should wait for the answer to the one before.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    *fd_out = fd;
    *errno_out = 0;
    return DRAGON_OK;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// The explicit kind: rank, size and the address of rank 0 are given. Joining reads the secret and
// binds, and is all there is in this file; the exchange is in caller.c and, at rank 0, in
// rendezvous.c.
#include "config.h"

#include "boot/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, // the system lowers it to what it allows
};

struct explicit
{
    uint8_t secret[AUTH_SECRET_BYTES];
    char *address; // owned; NULL for rank 0 with a listening socket
    int listen_fd; // rank 0
    bool listen_owned;
};

static void explicit_free(struct explicit *own)
{
    explicit_bzero(own->secret, sizeof own->secret);
    if (own->listen_owned)
        close(own->listen_fd);
    free(own->address);
    free(own);
}

static void explicit_leave(struct boot *boot)
{
    explicit_free(boot->own);
}

// /dev/fd/N is opened anew where that is possible: ranks that share it must not share a position.
static int open_secret(const char *path, bool *inherited_out)
{
    long long number;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    *inherited_out =
        strncmp(path, "/dev/fd/", 8) == 0 && parse_number(path + 8, 0, 1 << 30, &number);
    if (fd < 0 && *inherited_out) // a socket cannot be opened
        fd = fcntl((int)number, F_DUPFD_CLOEXEC, 0);
    return fd;
}

static dragon_err_t check_secret_file(int fd, const char *path, bool inherited,
                                      dragon_error_t *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return err_set_errno(error, errno, "cannot look at the secret file %s", path);
    if (S_ISDIR(status.st_mode))
        return err_set(error, DRAGON_ERR_INVAL, "the secret file %s is a directory", path);
    if (!S_ISREG(status.st_mode))
        return DRAGON_OK;
    if (!inherited && (status.st_uid != geteuid() || (status.st_mode & 077)))
        return err_set(error, DRAGON_ERR_DENIED,
                       "the secret file %s can be read by others (owner %u, mode %03o); make it "
                       "yours and mode 600",
                       path, (unsigned)status.st_uid, (unsigned)status.st_mode & 0777);
    if (status.st_size != AUTH_SECRET_BYTES)
        return err_set(error, DRAGON_ERR_INVAL,
                       "the secret file %s holds %lld bytes; it must be exactly %d", path,
                       (long long)status.st_size, AUTH_SECRET_BYTES);
    return DRAGON_OK;
}

static dragon_err_t read_secret_fd(const struct boot *boot, int fd, const char *path,
                                   uint8_t *secret, dragon_error_t *error)
{
    size_t have = 0;
    while (have < AUTH_SECRET_BYTES) {
        dragon_err_t err = boot_wait(boot, fd, POLLIN, boot->deadline_ms);
        if (err)
            return boot_wait_error(boot, err, "reading the secret file", error);
        ssize_t got = read(fd, secret + have, AUTH_SECRET_BYTES - have);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return err_set_errno(error, errno, "cannot read the secret file %s", path);
        if (got == 0)
            return err_set(error, DRAGON_ERR_INVAL,
                           "the secret file %s ends after %zu bytes; it must hold exactly %d", path,
                           have, AUTH_SECRET_BYTES);
        have += got > 0 ? (size_t)got : 0;
    }
    return DRAGON_OK;
}

static dragon_err_t read_secret(const struct boot *boot, const char *path, uint8_t *secret,
                                dragon_error_t *error)
{
    bool inherited;
    int fd = open_secret(path, &inherited);
    if (fd < 0)
        return err_set_errno(error, errno, "cannot open the secret file %s", path);
    dragon_err_t err = check_secret_file(fd, path, inherited, error);
    if (!err)
        err = read_secret_fd(boot, fd, path, secret, error);
    close(fd);
    return err;
}

static int listen_at(const struct boot_address *address)
{
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&address->at, address->length) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

static dragon_err_t bind_address(const struct boot *boot, struct explicit *own,
                                 dragon_error_t *error)
{
    struct boot_address *list;
    size_t count;
    dragon_err_t err = boot_resolve(boot, own->address, boot->deadline_ms, &list, &count, error);
    if (err)
        return err;
    int fd = -1;
    for (size_t i = 0; i < count && fd < 0; i++)
        fd = listen_at(&list[i]);
    int failure = errno;
    free(list);
    if (fd < 0)
        return err_set_errno(error, failure, "rank 0 cannot listen at %s", own->address);
    own->listen_fd = fd;
    own->listen_owned = true;
    return DRAGON_OK;
}

static dragon_err_t use_listen_fd(struct explicit *own, int fd, dragon_error_t *error)
{
    int listening = 0;
    socklen_t length = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0)
        return err_set_errno(error, errno, "descriptor %d is no listening socket", fd);
    if (!listening)
        return err_set(error, DRAGON_ERR_INVAL, "the socket %d does not listen", fd);
    int flags = fcntl(fd, F_GETFL);
    // Whoever made it may not have thought of this many ranks.
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || listen(fd, BACKLOG) < 0)
        return err_set_errno(error, errno, "cannot listen on descriptor %d", fd);
    own->listen_fd = fd;
    return DRAGON_OK;
}

static dragon_err_t check_options(const struct boot_options *options, dragon_error_t *error)
{
    if (options->size < 1 || options->size > BOOT_SIZE_LIMIT)
        return err_set(error, DRAGON_ERR_INVAL, "the size of the run is %lld; it must be 1 to %d",
                       options->size, BOOT_SIZE_LIMIT);
    if (options->rank >= options->size)
        return err_set(error, DRAGON_ERR_INVAL, "rank %lld is not below the size of the run, %lld",
                       options->rank, options->size);
    if (options->size == 1)
        return DRAGON_OK;
    if (!options->secret_file)
        return err_set(error, DRAGON_ERR_INVAL,
                       "rank %lld of %lld is given but no secret file: all ranks need the same one",
                       options->rank, options->size);
    if (!options->address && (options->rank > 0 || options->listen_fd < 0))
        return err_set(error, DRAGON_ERR_INVAL,
                       "rank %lld of %lld is given but not the address of rank 0", options->rank,
                       options->size);
    return DRAGON_OK;
}

static dragon_err_t prepare(struct boot *boot, const struct boot_options *options,
                            struct explicit *own, dragon_error_t *error)
{
    if (boot->size == 1)
        return DRAGON_OK;
    if (!auth_open())
        return err_set(error, DRAGON_ERR_SYS, "the system gives no random bytes");
    dragon_err_t err = read_secret(boot, options->secret_file, own->secret, error);
    if (err || boot->rank > 0)
        return err;
    if (options->listen_fd >= 0)
        return use_listen_fd(own, options->listen_fd, error);
    return bind_address(boot, own, error);
}

static dragon_err_t explicit_exchange(struct boot *boot, struct boot_blob *table,
                                      dragon_error_t *error)
{
    const struct explicit *own = boot->own;
    if (boot->size == 1)
        return DRAGON_OK;
    if (boot->rank == 0)
        return rendezvous_serve(boot, own->listen_fd, own->secret, table, error);
    return caller_call(boot, own->address, own->secret, table, error);
}

static const struct boot_ops explicit_ops = {explicit_exchange, explicit_leave};

dragon_err_t boot_explicit_join(struct boot *boot, const struct boot_options *options,
                                dragon_error_t *error)
{
    dragon_err_t err = check_options(options, error);
    if (err)
        return err;
    struct explicit *own = calloc(1, sizeof *own);
    if (!own)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory to join the run");
    boot->own = own;
    boot->ops = &explicit_ops;
    boot->rank = (uint32_t)options->rank;
    boot->size = (uint32_t)options->size;
    own->listen_fd = -1;
    own->address = options->address ? strdup(options->address) : NULL;
    if (options->address && !own->address)
        err = err_set(error, DRAGON_ERR_NOMEM, "no memory to join the run");
    else
        err = prepare(boot, options, own, error);
    if (err)
        explicit_free(own);
    return err;
}

// SPDX-License-Identifier: BSD-3-Clause
//
// The acceptor: see acceptor.h.
#include "config.h"

#include "net/acceptor.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAUSE_MS = 100 };

struct acceptor {
    struct loop_watch *watch;
    struct loop_timer *pause;
    void (*on_connection)(void *arg, int fd);
    void *arg;
    int fd;
    bool accepting;
};

int acceptor_listen(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(fd, 1024) == 0;
    umask(before);
    if (good)
        return fd;
    int problem = errno;
    if (fd >= 0)
        close(fd);
    errno = problem;
    return -1;
}

static void on_ready(void *arg, int events)
{
    struct acceptor *acceptor = arg;
    (void)events;
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        acceptor->on_connection(acceptor->arg, fd);
        return;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    log_debug("cannot accept a connection, problem %s", strerror(errno));
    loop_watch_set(acceptor->watch, 0);
    loop_timer_start(acceptor->pause, PAUSE_MS);
}

static void on_pause_over(void *arg)
{
    struct acceptor *acceptor = arg;
    loop_watch_set(acceptor->watch, acceptor->accepting ? LOOP_READ : 0);
}

struct acceptor *acceptor_create(struct loop *loop, int fd,
                                 void (*on_connection)(void *arg, int fd), void *arg)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (!acceptor) {
        close(fd);
        return NULL;
    }
    acceptor->fd = fd;
    acceptor->on_connection = on_connection;
    acceptor->arg = arg;
    acceptor->watch = loop_watch_create(loop, fd, on_ready, acceptor);
    acceptor->pause = loop_timer_create(loop, on_pause_over, acceptor);
    if (!acceptor->watch || !acceptor->pause) {
        acceptor_destroy(acceptor);
        return NULL;
    }
    acceptor_set(acceptor, true);
    return acceptor;
}

void acceptor_destroy(struct acceptor *acceptor)
{
    if (!acceptor)
        return;
    loop_watch_destroy(acceptor->watch);
    loop_timer_destroy(acceptor->pause);
    close(acceptor->fd);
    free(acceptor);
}

void acceptor_set(struct acceptor *acceptor, bool accepting)
{
    acceptor->accepting = accepting;
    loop_timer_stop(acceptor->pause);
    loop_watch_set(acceptor->watch, accepting ? LOOP_READ : 0);
}

// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "net/data_sockets.h"

#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

// A peer that says nothing for so long is gone; while nothing is on its way to it the kernel asks it from the half of
// that time on. To connect takes 31 s at most.
enum { SILENCE_MS = 10000, IDLE_S = 5, STEP_S = 1, PROBES = 5, SYN_REPEATS = 4, CHECK_MS = 1000 };

// /proc lists them in ascending order. Without it, or without memory, they are none.
static size_t open_descriptors(int **list_out)
{
    *list_out = NULL;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    size_t count = 0, room = 0;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (count == room) {
            room = room ? 2 * room : 256;
            int *larger = realloc(*list_out, room * sizeof **list_out);
            if (!larger)
                break;
            *list_out = larger;
        }
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd != dirfd(folder))
            (*list_out)[count++] = fd;
    }
    closedir(folder);
    return count;
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           protocol == IPPROTO_TCP;
}

static uint16_t local_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length))
        return 0;
    if (address.ss_family == AF_INET)
        return ((struct sockaddr_in *)&address)->sin_port;
    return address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port : 0;
}

// Inherited by the connections that a listening one accepts.
static void watch_silence(int fd)
{
    int on = 1, idle = IDLE_S, step = STEP_S, probes = PROBES, repeats = SYN_REPEATS;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof step);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &repeats, sizeof repeats);
}

static uint64_t inode_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) ? 0 : (uint64_t)status.st_ino;
}

// One that finds no room is not looked after, no more.
static void remember(struct data_sockets *sockets, int fd)
{
    if (sockets->count == sockets->room) {
        size_t room = sockets->room ? 2 * sockets->room : 16;
        struct data_socket *larger = realloc(sockets->connections, room * sizeof *larger);
        if (!larger)
            return;
        sockets->connections = larger;
        sockets->room = room;
    }
    sockets->connections[sockets->count++] = (struct data_socket){.fd = fd, .inode = inode_of(fd)};
}

static void watch_new(struct data_sockets *sockets, int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (!is_tcp(fd))
        return;
    watch_silence(fd);
    int listening = 0;
    socklen_t length = sizeof listening;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
    if (!listening)
        remember(sockets, fd);
    else if (sockets->port_count < SOCKETS_LISTENING)
        sockets->ports[sockets->port_count++] = local_port(fd);
}

void sockets_before(struct data_sockets *sockets)
{
    sockets->before_count = open_descriptors(&sockets->before);
}

void sockets_after(struct data_sockets *sockets)
{
    int *now;
    size_t count = open_descriptors(&now), old = 0;
    for (size_t i = 0; i < count && sockets->before_count; i++) {
        while (old < sockets->before_count && sockets->before[old] < now[i])
            old++;
        if (old == sockets->before_count || sockets->before[old] != now[i])
            watch_new(sockets, now[i]);
    }
    free(now);
    free(sockets->before);
    sockets->before = NULL;
    sockets->before_count = 0;
}

void sockets_accepted(struct data_sockets *sockets)
{
    int *now;
    size_t count = open_descriptors(&now);
    for (size_t i = 0; i < count; i++) {
        int flags = fcntl(now[i], F_GETFD);
        if (flags < 0 || flags & FD_CLOEXEC || !is_tcp(now[i]))
            continue;
        uint16_t port = local_port(now[i]);
        for (size_t k = 0; k < sockets->port_count; k++) {
            if (sockets->ports[k] != port)
                continue;
            fcntl(now[i], F_SETFD, FD_CLOEXEC);
            remember(sockets, now[i]);
        }
    }
    free(now);
}

// Whether what was sent is repeated in vain: an answer, also one that says "not now", would have come by now.
static bool is_dead(const struct tcp_info *info)
{
    return info->tcpi_unacked && info->tcpi_retransmits && info->tcpi_last_ack_recv > SILENCE_MS &&
           info->tcpi_last_data_recv > SILENCE_MS;
}

void sockets_check(struct data_sockets *sockets)
{
    uint64_t now = time_now_ms();
    if (now - sockets->checked_ms < CHECK_MS)
        return;
    sockets->checked_ms = now;
    for (size_t i = 0; i < sockets->count;) {
        struct data_socket *socket = &sockets->connections[i];
        struct tcp_info info = {0};
        socklen_t length = sizeof info;
        if (inode_of(socket->fd) != socket->inode ||
            getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &info, &length)) {
            *socket = sockets->connections[--sockets->count];
            continue;
        }
        if (info.tcpi_state == TCP_ESTABLISHED && is_dead(&info))
            shutdown(socket->fd, SHUT_RDWR); // UCX finds it at its end
        i++;
    }
}

void sockets_fini(struct data_sockets *sockets)
{
    free(sockets->before);
    free(sockets->connections);
}

// SPDX-License-Identifier: BSD-3-Clause
//
// The accept(2) that libpmix finds when it serves its listening socket in dragon-pmix. That socket is TCP on
// loopback, open to every user of the host; libpmix believes the user number that a client states, and
// waits without limit for one that says nothing, while all others wait behind it. So here the kernel is
// asked whose the other end is, and what is let in has a limited time for each of its messages until it
// is known.
#include "config.h"

#include "base/base.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { SAY_SOMETHING_SECONDS = 2 };

// Of the socket at the other end of `fd`, which is on this host. False when the kernel does not tell.
static bool ask_owner(int netlink, const struct sockaddr_in *peer, const struct sockaddr_in *own,
                      uid_t *uid_out)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = AF_INET,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = ~0u,
                 .id = {.idiag_sport = peer->sin_port,
                        .idiag_dport = own->sin_port,
                        .idiag_src = {peer->sin_addr.s_addr},
                        .idiag_dst = {own->sin_addr.s_addr},
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    struct {
        struct nlmsghdr header;
        struct inet_diag_msg body;
        uint8_t more[4096];
    } answer;
    if (send(netlink, &request, sizeof request, 0) != (ssize_t)sizeof request)
        return false;
    ssize_t length = recv(netlink, &answer, sizeof answer, 0);
    if (length < (ssize_t)(sizeof answer.header + sizeof answer.body) ||
        answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    *uid_out = answer.body.idiag_uid;
    return true;
}

static bool is_of_another(int fd)
{
    struct sockaddr_in peer, own;
    socklen_t peer_length = sizeof peer, own_length = sizeof own;
    uid_t uid;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_length) != 0 || peer.sin_family != AF_INET)
        return false;
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool known = netlink >= 0 && ask_owner(netlink, &peer, &own, &uid);
    if (netlink >= 0)
        close(netlink);
    return known && uid != geteuid();
}

// libpmix stops listening for good after an accept that failed, so it gets a connection that is closed
// at its other end.
static int dead_connection(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    close(pair[1]);
    return pair[0];
}

__attribute__((visibility("default"))) int accept(int listener, __SOCKADDR_ARG address,
                                                  socklen_t *restrict length)
{
    int fd = accept4(listener, address, length, SOCK_CLOEXEC);
    if (fd < 0)
        return fd;
    if (is_of_another(fd)) {
        close(fd);
        return dead_connection();
    }
    // Of no effect any more once libpmix knows the client, and makes the socket non-blocking.
    struct timeval limit = {.tv_sec = SAY_SOMETHING_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

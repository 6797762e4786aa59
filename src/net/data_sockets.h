// SPDX-License-Identifier: BSD-3-Clause
//
// What UCX leaves out with its descriptors. They are not close-on-exec: a program that this process starts would keep
// its connections open after its death, and nobody would notice that. And a host that is switched off or cut off while
// something is on its way to it would be noticed after a quarter of an hour.
//
// UCX does not show its descriptors. They are those that are there after a call to it and were not before; a connection
// that it accepts is known by its local port.
//
// A silent peer is noticed by the kernel as long as nothing is on its way (SO_KEEPALIVE), and by sockets_check when
// something is. TCP_USER_TIMEOUT would be simpler, but it also ends the connection to a process that computes instead
// of reading, and has its buffers full.
#ifndef NET_DATA_SOCKETS_H
#define NET_DATA_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

enum { SOCKETS_LISTENING = 16 };

struct data_socket {
    int fd; // borrowed from UCX: may be closed, and something else by now
    uint64_t inode;
};

struct data_sockets {
    int *before; // owned: the open descriptors, ascending
    size_t before_count;
    uint16_t ports[SOCKETS_LISTENING]; // those that UCX listens on
    size_t port_count;
    struct data_socket *connections; // owned
    size_t count, room;
    uint64_t checked_ms;
};

void sockets_before(struct data_sockets *sockets); // a call to UCX that opens some
void sockets_after(struct data_sockets *sockets);
void sockets_accepted(struct data_sockets *sockets); // since the last time
void sockets_check(struct data_sockets *sockets);    // now and then: ends those that are dead
void sockets_fini(struct data_sockets *sockets);

#endif

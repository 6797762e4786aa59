// SPDX-License-Identifier: BSD-3-Clause
//
// What UCX leaves out with its descriptors. They are not close-on-exec: a program that this process starts would keep its
// connections open after its death, and nobody would notice that. And of the two ends of a connection only the one that
// made it asks whether the other is there while nothing is sent.
//
// UCX does not show its descriptors. They are those that are there after a call to it and were not before; a connection
// that it accepts is known by its local port.
//
// Data that is never acknowledged is not limited: a limit (TCP_USER_TIMEOUT) would also cut off a process that computes
// for a while instead of reading. When a whole host is lost the agents notice it.
#ifndef NET_DATA_SOCKETS_H
#define NET_DATA_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

enum { SOCKETS_LISTENING = 16 };

struct data_sockets {
    int *before; // owned: the open descriptors, ascending
    size_t before_count;
    uint16_t ports[SOCKETS_LISTENING]; // those that UCX listens on
    size_t port_count;
};

void sockets_before(struct data_sockets *sockets); // a call to UCX that opens some
void sockets_after(struct data_sockets *sockets);
void sockets_accepted(struct data_sockets *sockets); // since the last time
void sockets_fini(struct data_sockets *sockets);

#endif
